# SPDX-License-Identifier: Apache-2.0
"""A plain HTTP/1.1 server for tests: every answer is decided by the path.

  /bytes/N[?seed=S][&cache=CACHE-CONTROL][&chunked]   N bytes that only depend on S
  /echo             the request as JSON: method, target, fields in order, body's size and SHA-256
  /upload[?pause_ms=P]  reads the body (pausing every MiB) and answers {bytes, sha256}
  /count/NAME       how often /counted/NAME was asked;   /counted/NAME[?cache=...&wait_ms=W&f=...]
                    with gate=G it is answered when /open/G was asked
  /slow?wait_ms=W   answers after W ms
  /garbage          bytes that are not HTTP
  /switch           101 with a wrong Sec-WebSocket-Accept
  /close            closes without a word
  /short            promises more bytes than it sends
  /fields?f=NAME:VALUE&f=...   answers with these fields
  /text/N[?cache=...&type=T&pause_ms=P&chunked]   N bytes of words with a strong ETag and ranges announced;
                    pauses in the middle; 304 where If-None-Match knows it; counted as NAME "text"
  /sha256/N[?seed=S]  the digest that /bytes/N has

  origin.py PORT [--garbage-only]
"""
import hashlib
import http.server
import json
import random
import socket
import socketserver
import sys
import threading
import time
import urllib.parse

BLOCK = 1 << 20


def blocks(count, seed):
    """count bytes in blocks; every block differs, and all depend on seed only."""
    pool = random.Random(seed).randbytes(2 * BLOCK)
    number = 0
    while count > 0:
        start = number * 4099 % BLOCK
        block = pool[start:start + min(BLOCK, count)]
        yield block
        count -= len(block)
        number += 1


def digest_of(count, seed):
    """SHA-256 of the bytes that blocks gives."""
    digest = hashlib.sha256()
    for block in blocks(count, seed):
        digest.update(block)
    return digest.hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    server_version = 'origin'
    disable_nagle_algorithm = True
    counts = {}
    gates = set()
    lock = threading.Lock()

    def log_message(self, *_):
        pass

    def send_head(self, status, fields, count):
        self.send_response(status)
        for name, value in fields:
            self.send_header(name, value)
        if count is not None:
            self.send_header('Content-Length', str(count))
        self.end_headers()

    def send_text(self, text, status=200, fields=()):
        body = text.encode()
        self.send_head(status, [('Content-Type', 'application/json'), *fields], len(body))
        if self.command != 'HEAD':
            self.wfile.write(body)

    def body_blocks(self):
        """The request's body in pieces, whatever its framing."""
        if 'chunked' in self.headers.get('Transfer-Encoding', '').lower():
            while True:
                size = int(self.rfile.readline().split(b';')[0], 16)
                while size > 0:
                    piece = self.rfile.read(min(size, BLOCK))
                    size -= len(piece)
                    yield piece
                    if size == 0:
                        self.rfile.readline()
                        break
                else:
                    break
            while self.rfile.readline().strip():
                pass
            return
        left = int(self.headers.get('Content-Length', 0))
        while left > 0:
            piece = self.rfile.read(min(left, BLOCK))
            if not piece:
                return
            left -= len(piece)
            yield piece

    def take_body(self, pause_s=0.0):
        digest, count = hashlib.sha256(), 0
        for piece in self.body_blocks():
            digest.update(piece)
            if pause_s and count // BLOCK != (count + len(piece)) // BLOCK:
                time.sleep(pause_s)
            count += len(piece)
        return count, digest.hexdigest()

    def answer(self):
        parts = urllib.parse.urlsplit(self.path)
        query = urllib.parse.parse_qs(parts.query, keep_blank_values=True)
        words = parts.path.strip('/').split('/')
        action = getattr(self, 'do_' + words[0].replace('-', '_'), None)
        if not action or words[0].isupper():
            self.take_body()
            self.send_text('{"error": "no such path"}', 404)
            return
        action(words[1:], {name: values[-1] for name, values in query.items()}, query)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_OPTIONS = do_PATCH = answer

    def do_bytes(self, words, query, _):
        self.take_body()
        count, seed = int(words[0]), query.get('seed', '1')
        fields = [('Cache-Control', query.get('cache', 'no-store')), ('ETag', f'"{count}-{seed}"'),
                  ('Content-Type', 'application/octet-stream')]
        is_chunked = 'chunked' in query
        if is_chunked:
            fields.append(('Transfer-Encoding', 'chunked'))
        self.send_head(200, fields, None if is_chunked else count)
        if self.command == 'HEAD':
            return
        for block in blocks(count, seed):
            self.wfile.write(b'%x\r\n%s\r\n' % (len(block), block) if is_chunked else block)
        if is_chunked:
            self.wfile.write(b'0\r\n\r\n')

    def do_text(self, words, query, _):
        self.take_body()
        count, etag = int(words[0]), f'"text-{words[0]}"'
        known = self.headers.get('If-None-Match', '').replace('W/', '').split(', ')
        fields = [('Cache-Control', query.get('cache', 'max-age=600')), ('ETag', etag),
                  ('Accept-Ranges', 'bytes'), ('Content-Type', query.get('type', 'text/html; charset=utf-8'))]
        is_chunked = 'chunked' in query
        with self.lock:
            self.counts['text'] = self.counts.get('text', 0) + 1
        if etag in known:
            self.send_head(304, fields, None)
            return
        fields += [('Transfer-Encoding', 'chunked')] if is_chunked else []
        self.send_head(200, fields, None if is_chunked else count)
        text = ''.join(f'<p class="row">{n} of {count}</p>\n' for n in range(count // 20 + 1)).encode()
        for part in (text[:count // 2], text[count // 2:count]) if self.command != 'HEAD' else ():
            self.wfile.write(b'%x\r\n%s\r\n' % (len(part), part) if is_chunked else part)
            time.sleep(int(query.get('pause_ms', 0)) / 1000)
        if is_chunked and self.command != 'HEAD':
            self.wfile.write(b'0\r\n\r\n')

    def do_sha256(self, words, query, _):
        self.send_text(digest_of(int(words[0]), query.get('seed', '1')))

    def do_echo(self, _words, _query, _all):
        count, digest = self.take_body()
        self.send_text(json.dumps({'method': self.command, 'target': self.path,
                                   'fields': [[n.lower(), v] for n, v in self.headers.items()],
                                   'bytes': count, 'sha256': digest}),
                       fields=[('Cache-Control', 'no-store')])

    def do_upload(self, _words, query, _all):
        count, digest = self.take_body(int(query.get('pause_ms', 0)) / 1000)
        self.send_text(json.dumps({'bytes': count, 'sha256': digest}))

    def do_counted(self, words, query, every):
        self.take_body()
        with self.lock:
            self.counts[words[0]] = self.counts.get(words[0], 0) + 1
            count = self.counts[words[0]]
        time.sleep(int(query.get('wait_ms', 0)) / 1000)
        if 'gate' in query:
            self.wait_at(query['gate'])
        self.send_text(json.dumps({'answer': count}),
                       fields=[('Cache-Control', query.get('cache', 'max-age=600'))] +
                       [tuple(f.split(':', 1)) for f in every.get('f', [])])

    def wait_at(self, gate):
        end = time.monotonic() + 20
        while gate not in self.gates and time.monotonic() < end:
            time.sleep(0.02)

    def do_open(self, words, _query, _all):
        self.gates.add(words[0])
        self.send_text('"open"')

    def do_count(self, words, _query, _all):
        self.send_text(str(self.counts.get(words[0], 0)), fields=[('Cache-Control', 'no-store')])

    def do_slow(self, _words, query, _all):
        time.sleep(int(query['wait_ms']) / 1000)
        self.send_text('"slow"', fields=[('Cache-Control', 'no-store')])

    def do_fields(self, _words, _query, every):
        self.take_body()
        self.send_text('"fields"', fields=[tuple(f.split(':', 1)) for f in every.get('f', [])])

    def do_garbage(self, _words, _query, _all):
        self.wfile.write(b'\x00\x01 this is not HTTP\r\n\r\n')
        self.close_connection = True

    def do_switch(self, _words, _query, _all):
        self.wfile.write(b'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n'
                         b'Upgrade: websocket\r\nSec-WebSocket-Accept: bm90aGluZw==\r\n\r\n')
        self.close_connection = True

    def do_close(self, _words, _query, _all):
        self.close_connection = True

    def do_short(self, _words, _query, _all):
        self.send_head(200, [('Cache-Control', 'max-age=600')], 1000)
        self.wfile.write(b'only this')
        self.close_connection = True


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    address_family = socket.AF_INET6  # dual stack
    daemon_threads = True
    request_queue_size = 512

    def handle_error(self, *_):
        pass  # a client that went away is what some tests are about


def main():
    server = Server(('::', int(sys.argv[1])), Handler)
    server.serve_forever()


main()
