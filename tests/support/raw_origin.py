# SPDX-License-Identifier: Apache-2.0
"""An HTTP/1.1 server that notes every byte of what it reads, strictly: what a proxy really sent.

  raw_origin.py PORT LOG       LOG gets a JSON line a request: head, body's bytes, is_whole

It answers 200 without a body. A head that is not CRLF text with exactly one framing is noted with
its fault and ends the connection.
"""
import json
import re
import socketserver
import sys
import threading

LOCK = threading.Lock()


class Broken(Exception):
    pass


class Handler(socketserver.StreamRequestHandler):
    def line(self):
        text = self.rfile.readline(65536)
        if not text.endswith(b'\r\n'):
            raise Broken('cut short')
        if b'\r' in text[:-2] or b'\n' in text[:-2] or b'\0' in text:
            raise Broken('a stray CR, LF or NUL')
        return text[:-2]

    def exactly(self, count):
        data = self.rfile.read(count)
        if len(data) < count:
            raise Broken('cut short')
        return count

    def chunks(self):
        total = 0
        while True:
            size = self.line()
            if not re.fullmatch(rb'[0-9a-f]+', size):
                raise Broken(f'chunk size {size}')
            count = int(size, 16)
            if count == 0:
                break
            total += self.exactly(count)
            if self.line():
                raise Broken('a chunk without end')
        while self.line():
            pass
        return total

    def body(self, lines):
        names = [line.split(b':')[0].lower() for line in lines[1:]]
        if names.count(b'content-length') + names.count(b'transfer-encoding') > 1 or names.count(b'host') != 1:
            raise Broken('ambiguous')
        for line in lines[1:]:
            name, _, value = line.partition(b':')
            if not re.fullmatch(rb"[a-z0-9!#$%&'*+.^_`|~-]+", name):
                raise Broken(f'name {name}')
            if name == b'content-length':
                return self.exactly(int(value))
            if name == b'transfer-encoding':
                if value.strip() != b'chunked':
                    raise Broken('coding')
                return self.chunks()
        return 0

    def one(self):
        lines, fault, count = [], '', 0
        try:
            while True:
                line = self.line()
                if not line:
                    break
                lines.append(line)
            count = self.body(lines)
        except (Broken, ValueError) as error:
            fault = str(error) or 'broken'
        if lines or not fault:
            self.note(lines, count, fault)
        return not fault

    def note(self, lines, count, fault):
        with LOCK, open(sys.argv[2], 'a', encoding='utf-8') as log:
            log.write(json.dumps({'head': [line.decode('latin-1') for line in lines],
                'bytes': count,
                                  'fault': fault}) + '\n')

    def handle(self):
        try:
            while self.one():
                self.wfile.write(b'HTTP/1.1 200 OK\r\nContent-Length: 0\r\nCache-Control: no-store\r\n\r\n')
        except OSError:
            pass  # the proxy reset us


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True
    request_queue_size = 128


Server(('', int(sys.argv[1])), Handler).serve_forever()
