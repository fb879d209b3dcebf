# SPDX-License-Identifier: Apache-2.0
"""What is still unread when a tunnel ends: it must come whole to a client that reads slowly. TAP.

  tunnel_tail.py ADDRESS HOST CA
  tunnel_tail.py --serve PORT      a WebSocket handshake, then bytes: /close/N and end at once; /answer/N
                                   when the client has ended; else 404
"""
import base64
import concurrent.futures
import hashlib
import random
import socket
import socketserver
import ssl
import sys
import time

KEY = base64.b64encode(bytes(16)).decode()
MAGIC = b'258EAFA5-E914-47DA-95CA-C5AB0DC85B11'


def tail(count):
    return random.Random(count).randbytes(count)


class Server(socketserver.StreamRequestHandler):
    def handle(self):
        path = self.rfile.readline().split()[1].decode().strip('/').split('/')
        key = b''
        while line := self.rfile.readline().strip():
            if line.lower().startswith(b'sec-websocket-key:'):
                key = line.split(b':')[1].strip()
        if path[0] not in ('close', 'answer'):
            self.wfile.write(b'HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n')
            return
        accept = base64.b64encode(hashlib.sha1(key + MAGIC).digest())
        self.wfile.write(b'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n'
                         b'Upgrade: websocket\r\nSec-WebSocket-Accept: ' + accept + b'\r\n\r\n')
        if path[0] == 'answer':
            while self.rfile.read(65536):
                pass
        self.wfile.write(tail(int(path[1])))


class Client:
    """A tunnel over TLS by hand, so that each direction can end by itself."""

    def __init__(self, path):
        self.sock = socket.socket()
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        self.sock.settimeout(20)
        self.sock.connect((sys.argv[1], 443))
        context = ssl.create_default_context(cafile=sys.argv[3])
        self.received, self.to_send = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.received, self.to_send, server_hostname=sys.argv[2])
        self.do(self.tls.do_handshake)
        self.tls.write((f'GET {path} HTTP/1.1\r\nHost: {sys.argv[2]}\r\nConnection: Upgrade\r\n'
                        'Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n'
                        f'Sec-WebSocket-Key: {KEY}\r\n\r\n').encode())
        self.flush()
        self.text = b''
        while b'\r\n\r\n' not in self.text:
            self.text += self.do(lambda: self.tls.read(4096))
        head, self.text = self.text.split(b'\r\n\r\n', 1)
        assert b' 101 ' in head, head

    def flush(self):
        if self.to_send.pending:
            self.sock.sendall(self.to_send.read())

    def do(self, step):
        """Runs a step of TLS with what it needs from the network."""
        while True:
            try:
                return step()
            except ssl.SSLWantReadError:
                self.flush()
                data = self.sock.recv(16384)
                if data:
                    self.received.write(data)
                else:
                    self.received.write_eof()
            finally:
                self.flush()

    def end(self):
        """close_notify and FIN; reading goes on."""
        try:
            self.tls.unwrap()
        except ssl.SSLWantReadError:
            pass
        self.flush()
        self.sock.shutdown(socket.SHUT_WR)

    def read_slowly(self, rate):
        """At most rate bytes a second, up to the end."""
        out, begin = self.text, time.monotonic()
        while True:
            try:
                data = self.do(lambda: self.tls.read(16384))
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                return out
            if not data:
                return out
            out += data
            time.sleep(max(0, begin + len(out) / rate - time.monotonic()))


def expect(got, count):
    assert len(got) == count, f'{len(got)} bytes of {count}'
    assert got == tail(count), 'other bytes'


def close():
    """the workload ends while a slow client has most of it to read"""
    expect(Client('/close/600000').read_slowly(200000), 600000)


def late():
    """and a client that begins to read later than we linger"""
    client = Client('/close/200000')
    time.sleep(2.4)
    expect(client.read_slowly(400000), 200000)


def answer():
    """the client ends first, the workload answers, and the client reads slowly"""
    client = Client('/answer/600000')
    client.end()
    expect(client.read_slowly(200000), 600000)


def main():
    if sys.argv[1] == '--serve':
        socketserver.ThreadingTCPServer.allow_reuse_address = True
        with socketserver.ThreadingTCPServer(('', int(sys.argv[2])), Server) as server:
            server.daemon_threads = True
            server.serve_forever()
    cases = (close, late, answer)
    threads = concurrent.futures.ThreadPoolExecutor(len(cases))
    for number, (case, result) in enumerate([(case, threads.submit(case)) for case in cases], 1):
        try:
            result.result()
            print(f'ok {number} - {case.__doc__}', flush=True)
        except (AssertionError, OSError) as error:
            text = str(error)[:100].replace('\n', ' ')
            print(f'not ok {number} - {case.__doc__}\n# {type(error).__name__}: {text}', flush=True)
    print(f'1..{len(cases)}')


main()
