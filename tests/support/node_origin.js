// SPDX-License-Identifier: Apache-2.0
// A workload on Node: what it writes it writes at once.
//
//   node node_origin.js PORT
//
//   /events?gaps=MS,MS,...   text/event-stream: an event behind each gap, its data the clock in ns
//   /poll?ms=N               answers behind N ms
//   /early                   103 with a Link at once, 200 behind 300 ms
//   /upload                  takes the body; answers its bytes, SHA-256 and trailers; trailers: x-sha256
//   /chunked/N               N bytes of unknown length; trailers: x-sha256
'use strict';
const crypto = require('crypto');
const http = require('http');

const wait = (ms) => new Promise((done) => setTimeout(done, ms));

async function events(url, response) {
	response.writeHead(200, {'content-type': 'text/event-stream', 'cache-control': 'no-store'});
	response.flushHeaders();
	for (const gap of url.searchParams.get('gaps').split(',')) {
		await wait(Number(gap));
		response.write(`data: ${process.hrtime.bigint()}\n\n`);
	}
	response.end();
}

async function poll(url, response) {
	await wait(Number(url.searchParams.get('ms')));
	response.end('news\n');
}

async function early(_url, response) {
	response.writeEarlyHints({link: '</style.css>; rel=preload; as=style'});
	await wait(300);
	response.end('late\n');
}

async function upload(_url, response, request) {
	const hash = crypto.createHash('sha256');
	let bytes = 0;
	for await (const chunk of request) {
		hash.update(chunk);
		bytes += chunk.length;
	}
	const sha256 = hash.digest('hex');
	response.writeHead(200, {trailer: 'x-sha256'});
	response.write(JSON.stringify({bytes, sha256, trailers: request.trailers}));
	response.addTrailers({'x-sha256': sha256});
	response.end();
}

async function chunked(url, response) {
	const hash = crypto.createHash('sha256');
	let left = Number(url.pathname.split('/')[2]);
	response.writeHead(200, {trailer: 'x-sha256', 'cache-control': 'no-store'});
	for (let number = 0; left > 0; number++) {
		const chunk = Buffer.alloc(Math.min(left, 1 + number * 7919 % 40000), number % 251);
		hash.update(chunk);
		left -= chunk.length;
		if (!response.write(chunk))
			await new Promise((done) => response.once('drain', done));
	}
	response.addTrailers({'x-sha256': hash.digest('hex')});
	response.end();
}

const paths = {events, poll, early, upload, chunked};

function answer(request, response) {
	const url = new URL(request.url, 'http://origin');
	const path = paths[url.pathname.split('/')[1]];
	if (!path)
		response.end('node\n');
	else
		path(url, response, request).catch(() => response.destroy());
}

http.createServer(answer).listen(Number(process.argv[2]));
