// SPDX-License-Identifier: Apache-2.0
// node_client.js MODE URL: a client of node_server.js; prints one line, exits 1 when something was wrong.
//   pipeline  200 requests over a keep-alive agent with 8 sockets, bodies of several sizes, each compared
//   ws        messages of 0 to 200,000 bytes, texts and binaries, in order, pings, then a close with a code
//   abort     20 requests that the client gives up in the middle of the answer; then one that must work
'use strict';
const http = require('http');
const crypto = require('crypto');
const [mode, url] = process.argv.slice(2);

function fail(why) {
	console.log(mode + ': ' + why);
	process.exit(1);
}
setTimeout(() => fail('no end after 40 s'), 40000).unref();

function request(path, body, agent) {
	return new Promise((done, failed) => {
		const req = http.request(url + path, { method: body ? 'POST' : 'GET', agent }, (res) => {
			const parts = [];
			res.on('data', (d) => parts.push(d));
			res.on('end', () => done({ status: res.statusCode, trailers: res.trailers, body: Buffer.concat(parts) }));
			res.on('error', failed);
		});
		req.on('error', failed);
		req.end(body);
	});
}

async function pipeline() {
	const agent = new http.Agent({ keepAlive: true, maxSockets: 8 });
	const all = [];
	for (let i = 0; i < 200; i++) {
		const body = crypto.randomBytes(i % 10 === 0 ? 300000 : i * 37);
		all.push(request('/echo/' + i, body, agent).then((r) => {
			if (r.status !== 200 || !r.body.equals(body)) fail('request ' + i + ': ' + r.status + ', ' + r.body.length + ' bytes');
		}));
	}
	await Promise.all(all);
	const r = await request('/trailers', null, agent);
	if (r.body.toString() !== 'body\n') fail('trailers: ' + r.body);
	agent.destroy();
	console.log('200 requests');
}

function ws() {
	const WebSocket = require('ws');
	const s = new WebSocket(url.replace('http', 'ws') + '/ws', { perMessageDeflate: true });
	const sizes = [0, 1, 125, 126, 127, 65535, 65536, 200000, 3];
	const sent = [];
	let got = 0, pongs = 0;
	s.on('open', () => {
		s.ping('p');
		for (const n of sizes) {
			const binary = n % 2 === 0;
			const m = binary ? crypto.randomBytes(n) : Buffer.from('t'.repeat(n));
			sent.push([m, binary]);
			s.send(m, { binary });
		}
	});
	s.on('pong', () => pongs++);
	s.on('message', (m, binary) => {
		const [want, kind] = sent[got++];
		if (kind !== binary || !want.equals(m)) fail('message ' + got + ' differs');
		if (got === sizes.length) s.close(4001, 'done');
	});
	s.on('error', (e) => fail(e.message));
	s.on('close', (code) => {
		if (got !== sizes.length || pongs !== 1 || code !== 4001) fail(got + ' messages, ' + pongs + ' pongs, code ' + code);
		console.log(got + ' messages');
	});
}

async function abort() {
	for (let i = 0; i < 20; i++) {
		await new Promise((done) => {
			const req = http.get(url + '/stream/100000', (res) => {
				res.on('error', () => {});
				res.once('data', () => req.destroy());
				res.on('close', done);
			});
			req.on('error', () => {});
		});
	}
	const r = await request('/stream/3');
	if (r.body.toString() !== '1\n2\n3\n') fail('afterwards: ' + r.status);
	console.log('20 given up');
}

({ pipeline, ws, abort })[mode]();
