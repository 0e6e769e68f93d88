// SPDX-License-Identifier: Apache-2.0
// node_redis.js LIBRARY MODE HOST PORT [CA | PASSWORD]: weir's Redis protocol as Node's clients see it.
//   plain    types, pipelines, MULTI, a WATCH that is lost, errors, scans, binary and long values, and
//            (ioredis) the reconnection after the server has closed
//   cluster  the client that asks for slots and routes by them: commands, pipelines and MULTI in one slot
//   tls      as plain, over TLS, with HOST's certificate checked against CA
//   auth     the right password, a wrong one, none
// Prints one line; exits 1 when something is wrong.
'use strict';
const assert = require('assert');
const crypto = require('crypto');
const fs = require('fs');
const [library, mode, host, port, extra] = process.argv.slice(2);

function fail(why) {
	console.log(`${library} ${mode}: ${why && why.stack ? why.stack : why}`);
	process.exit(1);
}
setTimeout(() => fail('no end after 20 s'), 20000).unref();
process.on('unhandledRejection', fail);

// Both libraries in one dress: send([name, ...arguments]) on one connection, in order.
async function connect(opt = {}) {
	const tls = mode === 'tls' ? { ca: fs.readFileSync(extra), servername: 'data.test' } : undefined;
	if (library === 'redis') {
		const redis = require('redis');
		const c = redis.createClient({
			password: opt.password,
			socket: { host, port: Number(port), reconnectStrategy: (n) => (opt.once ? new Error('once') : 20 * n),
				...(tls ? { tls: true, ...tls } : {}) },
		});
		c.on('error', () => {});
		await c.connect();
		return { c, send: (a) => c.sendCommand(a.map(String)), end: () => c.disconnect() };
	}
	const Redis = require('ioredis');
	const c = new Redis({ host, port: Number(port), password: opt.password, tls, lazyConnect: true,
		retryStrategy: (n) => (opt.once ? null : 20 * n) });
	c.on('error', () => {});
	await c.connect();
	return { c, send: (a) => c.call(...a.map(String)), end: () => c.disconnect() };
}

async function refuses(promise, text) {
	try {
		await promise;
	} catch (e) {
		assert(e.message.includes(text), `${e.message} instead of ${text}`);
		return;
	}
	assert.fail(`no error: ${text}`);
}

async function plain() {
	const a = await connect(), b = await connect(), p = `{${library}:${mode}}:`;
	assert.strictEqual(await a.send(['PING']), 'PONG');
	assert.strictEqual(await a.send(['SET', p + 's', 'v', 'EX', 100]), 'OK');
	assert.strictEqual(await b.send(['GET', p + 's']), 'v');
	assert((await a.send(['TTL', p + 's'])) > 90);
	assert.strictEqual(await a.send(['GET', p + 'nothing']), null);
	assert.strictEqual(await a.send(['HSET', p + 'h', 'f', 1, 'g', 2]), 2);
	assert.deepStrictEqual(await a.send(['HGETALL', p + 'h']), ['f', '1', 'g', '2']);
	await a.send(['ZADD', p + 'z', 1.5, 'm', 2, 'n']);
	assert.deepStrictEqual(await a.send(['ZRANGE', p + 'z', 0, -1, 'WITHSCORES']), ['m', '1.5', 'n', '2']);
	await a.send(['RPUSH', p + 'l', 1, 2, 3]);
	assert.deepStrictEqual(await a.send(['LRANGE', p + 'l', 0, -1]), ['1', '2', '3']);
	await refuses(a.send(['INCR', p + 'l']), 'WRONGTYPE');
	await refuses(a.send(['NOSUCH']), 'unknown command');
	await refuses(a.send(['GET']), 'wrong number of arguments');

	// A thousand at once, in order.
	const many = await Promise.all(Array.from({ length: 1000 }, () => a.send(['INCR', p + 'n'])));
	assert.deepStrictEqual(many, Array.from({ length: 1000 }, (_, i) => i + 1));

	// MULTI by the library's own means; then a WATCH that another connection breaks, and one that stands.
	const set = library === 'redis' ? await a.c.multi().set(p + 'm', '1').incr(p + 'm').get(p + 'm').exec()
		: (await a.c.multi().set(p + 'm', '1').incr(p + 'm').get(p + 'm').exec()).map(([e, v]) => v);
	assert.deepStrictEqual(set, ['OK', 2, '2']);
	for (const broken of [true, false]) {
		await a.send(['WATCH', p + 'm']);
		if (broken)
			await b.send(['SET', p + 'm', '5']);
		await a.send(['MULTI']);
		assert.strictEqual(await a.send(['INCR', p + 'm']), 'QUEUED');
		assert.deepStrictEqual(await a.send(['EXEC']), broken ? null : [6]);
	}

	// Every key of a scan; bytes that are no text; a long value.
	for (let i = 0; i < 50; i++)
		a.send(['SET', `${p}scan:${i}`, i]);
	const seen = new Set();
	let cursor = '0';
	do {
		const [next, keys] = await a.send(['SCAN', cursor, 'MATCH', `${p}scan:*`, 'COUNT', 7]);
		keys.forEach((k) => seen.add(k));
		cursor = next;
	} while (cursor !== '0');
	assert.strictEqual(seen.size, 50);
	const bytes = crypto.randomBytes(300000);
	if (library === 'redis') {
		const redis = require('redis');
		await a.c.set(p + 'big', bytes);
		assert(bytes.equals(await a.c.get(redis.commandOptions({ returnBuffers: true }), p + 'big')));
	} else {
		await a.c.set(p + 'big', bytes);
		assert(bytes.equals(await a.c.getBuffer(p + 'big')));
	}

	// The library comes again by itself when the server closes, as it does for a protocol error.
	const raw = library === 'redis' ? null : a.c.stream;
	if (raw !== null) {
		raw.write('*1\r\n:1\r\n');
		await new Promise((r) => a.c.once('ready', r));
	}
	assert.strictEqual(await a.send(['GET', p + 'm']), '6');
	a.end();
	b.end();
}

async function cluster() {
	const p = `${library}:cluster:`;
	if (library === 'redis') {
		const redis = require('redis');
		const c = redis.createCluster({ rootNodes: [{ url: `redis://${host}:${port}` }] });
		c.on('error', fail);
		await c.connect();
		await Promise.all(Array.from({ length: 200 }, (_, i) => c.set(p + i, String(i))));
		const got = await Promise.all(Array.from({ length: 200 }, (_, i) => c.get(p + i)));
		assert.deepStrictEqual(got, Array.from({ length: 200 }, (_, i) => String(i)));
		const tag = `{${p}}`;
		assert.deepStrictEqual(await c.multi().set(tag + 'a', '1').incr(tag + 'a').get(tag + 'a').exec(), ['OK', 2, '2']);
		await c.mSet([[tag + 'x', '1'], [tag + 'y', '2']]);
		assert.deepStrictEqual(await c.mGet([tag + 'x', tag + 'y']), ['1', '2']);
		await c.disconnect();
		return;
	}
	const Redis = require('ioredis');
	const c = new Redis.Cluster([{ host, port: Number(port) }], { enableReadyCheck: true });
	c.on('error', fail);
	await Promise.all(Array.from({ length: 200 }, (_, i) => c.set(p + i, i)));
	const got = await Promise.all(Array.from({ length: 200 }, (_, i) => c.get(p + i)));
	assert.deepStrictEqual(got, Array.from({ length: 200 }, (_, i) => String(i)));
	const tag = `{${p}}`, pipe = c.pipeline();
	for (let i = 0; i < 20; i++)
		pipe.incr(tag + 'n');
	assert.deepStrictEqual((await pipe.exec()).map(([, v]) => v), Array.from({ length: 20 }, (_, i) => i + 1));
	assert.deepStrictEqual((await c.multi().set(tag + 'a', 1).incr(tag + 'a').exec()).map(([, v]) => v), ['OK', 2]);
	assert.strictEqual(c.nodes('master').length, 1);
	c.disconnect();
}

async function auth() {
	const good = await connect({ password: extra });
	assert.strictEqual(await good.send(['SET', 'auth', '1']), 'OK');
	good.end();
	const bad = connect({ password: 'wrong', once: true });
	await refuses(bad.then((c) => c.send(['GET', 'auth'])), '');
	const none = await connect({ once: true }).catch(() => null);
	if (none !== null) {
		await refuses(none.send(['GET', 'auth']), 'NOAUTH');
		none.end();
	}
}

({ plain, tls: plain, cluster, auth })[mode]().then(() => {
	console.log('ok');
	process.exit(0);
}, fail);
