# SPDX-License-Identifier: Apache-2.0
"""A hundred HTTP/1.1 requests at once, answered in order (RFC 9112 9.3.2); prints TAP.

  pipelining.py ADDRESS PORT HOST [CA]      over TLS when CA is given
"""
import http.client
import random
import socket
import ssl
import sys

DEPTH = 100


def request(host, number, more=''):
    """Request number, and what its answer must be: (status, a test of the body)."""
    body, method, status, good = '', 'GET', 200, lambda b: b'"/echo?n=%d"' % number in b
    target = f'/echo?n={number}'
    kind = number % 5
    if kind == 1:
        target, good = '/bytes/3000?cache=max-age=600', lambda b: len(b) == 3000
    elif kind == 2:
        target, status, good = f'/absent?n={number}', 404, lambda b: True
    elif kind == 3:
        method, target, good = 'HEAD', f'/bytes/{number}', lambda b: b == b''
    elif kind == 4:
        method, body = 'POST', 'x' * number
        good = lambda b: b'"body_bytes": %d' % number in b or b'"bytes": %d' % number in b
    length = f'Content-Length: {len(body)}\r\n' if body else ''
    text = f'{method} {target} HTTP/1.1\r\nHost: {host}\r\n{length}{more}\r\n{body}'
    return text.encode(), method, status, good


class Client:
    """A connection and the answers that it got."""

    def __init__(self, address, port, host, ca):
        self.sock = socket.create_connection((address, port), timeout=10)
        if ca:
            context = ssl.create_default_context(cafile=ca)
            context.set_alpn_protocols(['http/1.1'])
            self.sock = context.wrap_socket(self.sock, server_hostname=host)
        self.file = self.sock.makefile('rb')

    def answer(self, method):
        """(status, body) of the next one; None at the end."""
        if not self.file.peek(1):
            return None
        answer = http.client.HTTPResponse(NoClose(self.file), method=method)
        answer.begin()
        return answer.status, answer.read()


class NoClose:
    """What http.client wants of a socket: a file that stays open."""

    def __init__(self, file):
        self.file = file

    def makefile(self, _):
        return self

    def readline(self, *limit):
        return self.file.readline(*limit)

    def read(self, *count):
        return self.file.read(*count)

    def readinto(self, room):
        return self.file.readinto(room)

    def flush(self):
        pass

    def close(self):
        pass


def send_pieces(sock, data, seed):
    """Cut at any place."""
    draw = random.Random(seed)
    while data:
        count = draw.choice((1, 7, 100, 1500, 9000))
        sock.sendall(data[:count])
        data = data[count:]


def play(target, requests, expected, is_half_closed=False, seed=None):
    """None, or what went wrong."""
    client = Client(*target)
    data = b''.join(r[0] for r in requests)
    if seed is None:
        client.sock.sendall(data)
    else:
        send_pieces(client.sock, data, seed)
    if is_half_closed:
        client.sock.shutdown(socket.SHUT_WR)
    for number in range(expected):
        _, method, status, good = requests[number]
        got = client.answer(method)
        if got is None or got[0] != status or not good(got[1]):
            return f'answer {number}: {got}'
    if (is_half_closed or expected < len(requests)) and client.answer('GET') is not None:
        return 'something behind the last answer'
    client.sock.close()
    return None


def main():
    address, port, host = sys.argv[1:4]
    target = (address, int(port), host, sys.argv[4] if len(sys.argv) > 4 else None)
    plain = [request(host, n) for n in range(DEPTH)]
    closing = plain[:DEPTH // 2 - 1] + [request(host, DEPTH // 2, 'Connection: close\r\n')] + plain
    tests = [('a hundred at once are answered in order', (plain, DEPTH), {}),
             ('so are a hundred cut at any place', (plain, DEPTH), {'seed': 7}),
             ('nothing is answered behind Connection: close', (closing, DEPTH // 2), {})]
    if not target[3]:
        tests.append(('a client that ends its half gets them all, then the end', (plain, DEPTH),
                      {'is_half_closed': True}))
    for number, (sentence, given, more) in enumerate(tests, 1):
        fault = play(target, *given, **more)
        print(f'{"not ok" if fault else "ok"} {number} - {sentence}')
        if fault:
            print(f'# {fault[:300]}')
    print(f'1..{len(tests)}')


main()
