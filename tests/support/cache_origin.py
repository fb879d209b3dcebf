# SPDX-License-Identifier: Apache-2.0
"""An origin that answers as the request tells it to, for the table in cache_cases.py.

A request carries x-answer: base64 of {"status", "fields": [[name, value]], "body", "pause", "close",
"interim", "confirms"}. With "confirms" a conditional request that names the answer's ETag or
Last-Modified gets 304, with "lies" any one with If-None-Match. Every answer has x-step, the request's own; /log/KEY tells as JSON what came
for KEY: step, method, fields.

  cache_origin.py PORT
"""
import base64
import http.server
import json
import socket
import socketserver
import sys
import threading
import time

seen = {}
lock = threading.Lock()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def is_confirmed(self, answer):
        stored = {name.lower(): value for name, value in answer.get('fields', [])}
        return any(stored.get(mine) and self.headers.get(theirs) == stored[mine]
                   for mine, theirs in (('etag', 'if-none-match'),
                                        ('last-modified', 'if-modified-since')))

    def send_head(self, status, fields, body):
        self.send_response_only(status, 'Said')
        for name, value in fields:
            self.send_header(name, value)
        framing = ('content-length', 'transfer-encoding')
        if body is not None and not any(name.lower() in framing for name, _ in fields):
            self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        if body and self.command != 'HEAD':
            self.wfile.write(body)

    def do_log(self, key):
        with lock:
            text = json.dumps(seen.get(key, [])).encode()
        self.send_head(200, [('Cache-Control', 'no-store')], text)

    def answer(self):
        key = self.path.split('?')[0].strip('/').split('/')[0]
        self.rfile.read(int(self.headers.get('Content-Length', 0)))
        if key == 'log':
            self.do_log(self.path.strip('/').split('/')[1])
            return
        answer = json.loads(base64.b64decode(self.headers.get('x-answer', 'e30=')))
        step = self.headers.get('x-step', '0')
        with lock:
            seen.setdefault(key, []).append({
                'step': int(step), 'method': self.command,
                'fields': [[name.lower(), value] for name, value in self.headers.items()]})
        time.sleep(answer.get('pause', 0))
        if answer.get('close'):
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        for status, fields in answer.get('interim', []):
            self.send_head(status, fields, None)
        fields = answer.get('fields', []) + [('x-step', step)]
        is_conditional = self.headers.get('if-none-match') is not None
        if answer.get('confirms') and self.is_confirmed(answer) or answer.get('lies') and is_conditional:
            self.send_head(304, fields, None)
            return
        status = answer.get('status', 200)
        body = None if status == 204 else answer.get('body', key).encode()
        self.send_head(status, fields, body)

    def __getattr__(self, name):
        if name.startswith('do_'):  # any method
            return self.answer
        raise AttributeError(name)


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    address_family = socket.AF_INET6  # dual stack
    daemon_threads = True
    request_queue_size = 512

    def handle_error(self, *_):
        pass


Server(('::', int(sys.argv[1])), Handler).serve_forever()
