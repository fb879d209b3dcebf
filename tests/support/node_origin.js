// SPDX-License-Identifier: Apache-2.0
// A workload on Node: what it writes it writes at once.
//
//   node node_origin.js PORT
//
//   /events?gaps=MS,MS,...   text/event-stream: an event behind each gap, its data the clock in ns
//   /poll?ms=N               answers behind N ms
//   /early                   103 with a Link at once, 200 behind 300 ms
//   /upload                  takes the body; answers its bytes, SHA-256 and trailers; trailers: x-sha256
//   /refused, /silent        to Expect: 100-continue: 403 at once; nothing, but takes the body as /upload
//   /page                    a hundred objects (/object/N.js, .svg), cacheable, and a script that tells of them in the title
//   /objects                 how many objects were asked for
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

const OBJECTS = 100;
const counted = {objects: 0};

// Of four objects one is a picture.
function name(number) {
	return `/object/${number}.${number % 4 ? 'js' : 'svg'}`;
}

async function page(_url, response) {
	const tags = Array.from({length: OBJECTS}, (_, number) =>
		number % 4 ? `<script src="${name(number)}"></script>` : `<img src="${name(number)}">`);
	response.writeHead(200, {'content-type': 'text/html', 'cache-control': 'no-store'});
	response.end(`<!doctype html><title>nothing</title><script>
		const ran = [];
		window.onload = () => {
			const seen = performance.getEntriesByType('resource').filter((e) => e.name.includes('/object/'));
			const drawn = [...document.images].filter((image) => image.naturalWidth === 7).length;
			const protocols = [...new Set(seen.map((e) => e.nextHopProtocol))];
			document.title = [ran.length, drawn, seen.length, protocols].join(' ');
		};</script>${tags.join('')}`);
}

async function object(url, response) {
	const number = Number(url.pathname.match(/[0-9]+/)[0]);
	const type = number % 4 ? 'text/javascript' : 'image/svg+xml';
	counted.objects++;
	response.writeHead(200, {'content-type': type, 'cache-control': 'max-age=600'});
	response.end(number % 4 ? `ran.push(${number}); // ${'x'.repeat(number * 300)}`
		: '<svg xmlns="http://www.w3.org/2000/svg" width="7" height="7"/>');
}

async function objects(_url, response) {
	response.end(`${counted.objects}\n`);
}

async function refused(_url, response) {
	response.writeHead(403, {connection: 'close'});
	response.end('not wanted\n');
}

const paths = {object, objects, page, events, poll, early, upload, chunked, refused, silent: upload};

function answer(request, response) {
	const url = new URL(request.url, 'http://origin');
	const path = paths[url.pathname.split('/')[1]];
	if (!path)
		response.end('node\n');
	else
		path(url, response, request).catch(() => response.destroy());
}

const server = http.createServer(answer);
server.on('checkContinue', (request, response) => {
	if (!/^\/(refused|silent)/.test(request.url))
		response.writeContinue();
	answer(request, response);
});
server.listen(Number(process.argv[2]));
