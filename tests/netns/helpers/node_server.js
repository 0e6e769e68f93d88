// SPDX-License-Identifier: Apache-2.0
// node_server.js PORT: Node's own HTTP server, and WebSocket by the package ws.
// /sum: SHA-256 of the body; /stream/N: N numbered lines, written one by one; /head: what came, as JSON;
// /trailers: chunks with a trailer; anything else echoes the body. ws://: echoes messages.
'use strict';
const http = require('http');
const crypto = require('crypto');
const { WebSocketServer } = require('ws');

const server = http.createServer((req, res) => {
	const parts = req.url.split('?')[0].split('/');
	if (parts[1] === 'sum') {
		const h = crypto.createHash('sha256');
		req.on('data', (d) => h.update(d));
		req.on('end', () => res.end(h.digest('hex')));
	} else if (parts[1] === 'stream') {
		for (let i = 1; i <= Number(parts[2]); i++) res.write(i + '\n');
		res.end();
	} else if (parts[1] === 'head') {
		res.setHeader('Content-Type', 'application/json');
		res.end(JSON.stringify({ method: req.method, url: req.url, version: req.httpVersion, headers: req.headers }));
	} else if (parts[1] === 'trailers') {
		res.writeHead(200, { Trailer: 'X-Sum' });
		res.write('body\n');
		res.addTrailers({ 'X-Sum': '4' });
		res.end();
	} else {
		res.writeHead(200, { 'Content-Type': 'application/octet-stream' });
		req.pipe(res);
	}
});
server.keepAliveTimeout = 60000;
const wss = new WebSocketServer({ server, maxPayload: 1 << 24 });
wss.on('connection', (ws) => ws.on('message', (m, binary) => ws.send(m, { binary })));
server.listen(Number(process.argv[2]), '::');
