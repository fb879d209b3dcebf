# SPDX-License-Identifier: Apache-2.0
"""A workload that speaks HTTP/2 without TLS, by hand (RFC 9113 3.3): tunnels, and ends of every kind.

  h2c_origin.py PORT [--no-connect]    without SETTINGS_ENABLE_CONNECT_PROTOCOL

  CONNECT       (extended) 200, and every byte back
  /early        103 with a Link, then 200 `done`
  /trailers     the request's trailers as the answer's body, and trailers behind it
  /reset/CODE   RST_STREAM with the code instead of an answer;  /cut/CODE  behind `begun`
  /refuse/NAME  REFUSED_STREAM the first time, then the request's body
  /hang         no answer;  /resets  the codes with which streams were reset
  else          200 `hello`

gRPC's requests get gRPC's answers: the body is a message, or none, and grpc-status follows.
"""
import socketserver
import sys
import time

import hpack

from h2_wire import ACK, DATA, END_HEADERS, END_STREAM, ENABLE_CONNECT_PROTOCOL, HEADERS, PING, PREFACE, \
    REFUSED_STREAM, RST_STREAM, SETTINGS, WINDOW_UPDATE, block, frame, settings, word

PORT = int(sys.argv[1])
TAKES_TUNNELS = '--no-connect' not in sys.argv


RESETS, REFUSED = [], set()


class Connection(socketserver.StreamRequestHandler):
    disable_nagle_algorithm = True

    def handle(self):
        self.decoder = hpack.Decoder()
        self.heads = {}
        self.bodies = {}
        if self.rfile.read(len(PREFACE)) != PREFACE:
            return
        told = settings((ENABLE_CONNECT_PROTOCOL, 1)) if TAKES_TUNNELS else b''
        self.send(frame(SETTINGS, payload=told))
        while len(head := self.rfile.read(9)) == 9:
            payload = self.rfile.read(int.from_bytes(head[:3], 'big'))
            self.take(head[3], head[4], int.from_bytes(head[5:9], 'big'), payload)

    def send(self, *frames):
        self.wfile.write(b''.join(frames))

    def take(self, kind, flags, stream, payload):
        if kind == SETTINGS and not flags & ACK:
            self.send(frame(SETTINGS, ACK))
        elif kind == PING and not flags & ACK:
            self.send(frame(PING, ACK, 0, payload))
        elif kind == HEADERS:
            fields = {name.decode(): value.decode()
                      for name, value in self.decoder.decode(payload, raw=True)}
            if stream in self.heads:
                self.bodies[stream] += ''.join(f'{n}={v};' for n, v in fields.items()).encode()
            else:
                self.begin(stream, fields)
        elif kind == DATA:
            self.data(stream, payload)
        elif kind == RST_STREAM:
            RESETS.append(int.from_bytes(payload, 'big'))
        if kind in (DATA, HEADERS) and flags & END_STREAM:
            self.end(stream)

    def begin(self, stream, fields):
        self.heads[stream] = fields
        self.bodies[stream] = b''
        if fields[':method'] == 'CONNECT':
            self.answer(stream, b'', 0)

    def is_grpc(self, stream):
        return self.heads[stream].get('content-type', '').startswith('application/grpc')

    def data(self, stream, payload):
        self.bodies[stream] += payload
        if payload:
            self.send(frame(WINDOW_UPDATE, 0, 0, word(len(payload))),
                      frame(WINDOW_UPDATE, 0, stream, word(len(payload))))
        if self.heads[stream][':method'] == 'CONNECT':
            self.send(frame(DATA, 0, stream, payload))

    def answer(self, stream, body, flags=END_STREAM, status='200'):
        fields = [(':status', status)]
        if self.is_grpc(stream):
            fields.append(('content-type', 'application/grpc'))
        self.send(frame(HEADERS, END_HEADERS, stream, block(fields)))
        if self.is_grpc(stream) and flags:
            self.send(frame(DATA, 0, stream, body), frame(
                HEADERS, END_HEADERS | END_STREAM, stream, block([('grpc-status', '0')])))
        elif body or flags:
            self.send(frame(DATA, flags, stream, body))

    def end(self, stream):
        fields = self.heads[stream]
        word_of = fields.get(':path', '/').split('?')[0].strip('/').split('/')
        if fields[':method'] == 'CONNECT':
            self.send(frame(DATA, END_STREAM, stream))
        elif word_of[0] == 'early':
            early = [(':status', '103'), ('link', '</style.css>; rel=preload')]
            self.send(frame(HEADERS, END_HEADERS, stream, block(early)))
            self.answer(stream, b'done')
        elif word_of[0] == 'trailers':
            self.answer(stream, self.bodies[stream], 0)
            self.send(frame(HEADERS, END_HEADERS | END_STREAM, stream, block([('behind', 'all')])))
        elif word_of[0] == 'reset':
            self.send(frame(RST_STREAM, 0, stream, word(int(word_of[1]))))
        elif word_of[0] == 'cut':
            self.answer(stream, b'' if self.is_grpc(stream) else b'begun', 0)
            time.sleep(0.2)  # or the head goes with it
            self.send(frame(RST_STREAM, 0, stream, word(int(word_of[1]))))
        elif word_of[0] == 'refuse':
            if word_of[1] in REFUSED:
                self.answer(stream, self.bodies[stream])
            else:
                REFUSED.add(word_of[1])
                self.send(frame(RST_STREAM, 0, stream, word(REFUSED_STREAM)))
        elif word_of[0] == 'resets':
            self.answer(stream, ' '.join(map(str, RESETS)).encode())
        elif word_of[0] != 'hang':
            self.answer(stream, b'hello')


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

    def handle_error(self, *_):
        pass


with Server(('', PORT), Connection) as server:
    server.serve_forever()
