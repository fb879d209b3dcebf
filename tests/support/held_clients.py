# SPDX-License-Identifier: Apache-2.0
"""Opens connections and holds them; says `held` when all are there, and holds them until it is killed.

  held_clients.py ADDRESS HOST CA KIND COUNT [PATH]

  silent     a TCP connection on which nobody speaks
  h1, h2     one request, its whole answer read, then rest
  unread     a request whose answer is not read: the window shuts
"""
import resource
import signal
import socket
import ssl
import sys

import hpack

from flood_cases import begin
from h2_wire import ACK, DATA, END_HEADERS, END_STREAM, HEADERS, SETTINGS, frame

USER_AGENT = 'Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0'
SHUT_BYTES = 2048  # of the client's receive buffer


def connect(target, alpn, receive_buffer=0):
    address, host, ca = target[:3]
    sock = socket.socket()
    if receive_buffer:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    sock.settimeout(10)
    sock.connect((address, 443))
    if not alpn:
        return sock
    context = ssl.create_default_context(cafile=ca)
    context.set_alpn_protocols([alpn])
    return context.wrap_socket(sock, server_hostname=host)


def ask(sock, host, path):
    sock.sendall(f'GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {USER_AGENT}\r\n\r\n'.encode())


def read_exactly(sock, count):
    data = b''
    while len(data) < count:
        part = sock.recv(count - len(data))
        if not part:
            raise OSError('the connection ended')
        data += part
    return data


def silent(target, _path):
    return connect(target, None)


def h1(target, path):
    sock = connect(target, 'http/1.1')
    ask(sock, target[1], path)
    data = b''
    while b'\r\n\r\n' not in data:
        data += read_exactly(sock, 1)
    assert data.startswith(b'HTTP/1.1 200'), data
    fields = dict(line.lower().split(b': ', 1) for line in data.split(b'\r\n')[1:-2])
    read_exactly(sock, int(fields[b'content-length']))
    return sock


def h2(target, path):
    sock = connect(target, 'h2')
    block = hpack.Encoder().encode([
        (':method', 'GET'), (':scheme', 'https'), (':path', path), (':authority', target[1]),
        ('user-agent', USER_AGENT), ('accept', 'text/html,application/xhtml+xml;q=0.9,*/*;q=0.8'),
        ('accept-language', 'en-US,en;q=0.5'), ('accept-encoding', 'identity')])
    sock.sendall(begin() + frame(HEADERS, END_STREAM | END_HEADERS, 1, block))
    while True:
        first = read_exactly(sock, 9)
        kind, flags = first[3], first[4]
        payload = read_exactly(sock, int.from_bytes(first[:3], 'big'))
        if kind == SETTINGS and not flags & ACK:
            sock.sendall(frame(SETTINGS, ACK))
        if kind == HEADERS:
            assert dict(hpack.Decoder().decode(payload))[':status'] == '200'
        if kind in (DATA, HEADERS) and flags & END_STREAM:
            return sock


def unread(target, path):
    sock = connect(target, 'http/1.1', SHUT_BYTES)
    ask(sock, target[1], path)
    return sock


def main():
    kind, count = sys.argv[4], int(sys.argv[5])
    target, path = sys.argv[1:4], (sys.argv[6:] or ['/'])[0]
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    held = [globals()[kind](target, path) for _ in range(count)]
    print('held', len(held), flush=True)
    while True:
        signal.pause()


if __name__ == '__main__':
    main()
