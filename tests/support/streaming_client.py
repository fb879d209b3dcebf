# SPDX-License-Identifier: Apache-2.0
"""What must pass through a mesh when it is written, over HTTP/1.1 and HTTP/2, from node_origin.js: events,
early hints, a body that waits for 100, trailers. TAP.

  streaming_client.py ADDRESS HOST CA
"""
import concurrent.futures
import hashlib
import json
import socket
import ssl
import sys
import time

from h2_wire import DATA, END_HEADERS, END_STREAM, HEADERS, Peer, block, frame
from tap_cases import CASES, case, tell_cases

ADDRESS, HOST, CA = sys.argv[1:4]
LATE_NS = 200_000_000
GAPS = [0] + [25] * 20 + [1600] + [0] * 10 + [200]
BODY = b'0123456789' * 1000


class H1:
    """One request on a connection of HTTP/1.1, or 1.0."""

    def __init__(self, version='1.1'):
        self.version = version
        plain = socket.create_connection((ADDRESS, 443), timeout=10)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        context = ssl.create_default_context(cafile=CA)
        self.sock = context.wrap_socket(plain, server_hostname=HOST)
        self.file = self.sock.makefile('rb')

    def ask(self, method, path, *fields):
        lines = [f'{method} {path} HTTP/{self.version}', f'Host: {HOST}', *fields, '', '']
        self.sock.sendall('\r\n'.join(lines).encode())

    def fields(self):
        out = {}
        while line := self.file.readline().strip():
            name, value = line.decode().split(':', 1)
            out[name.lower()] = value.strip()
        return out

    def head(self):
        status = int(self.file.readline().split()[1])
        return status, self.fields()

    def chunks(self):
        """(ns, bytes) of each chunk; the trailers are in self.trailers."""
        while size := int(self.file.readline(), 16):
            data = self.file.read(size)
            self.file.readline()
            yield time.monotonic_ns(), data
        self.trailers = self.fields()


class H2(Peer):
    """Stream 1 of a connection of HTTP/2, with the time of each run of its body."""

    def __init__(self):
        super().__init__(ADDRESS, HOST, CA)
        self.runs = []
        self.begin()

    def note(self, kind, flags, stream, payload):
        if kind == DATA and payload:
            self.runs.append((time.monotonic_ns(), payload))
        super().note(kind, flags, stream, payload)

    def ask(self, method, path, *fields, flags=END_HEADERS | END_STREAM):
        self.send(self.head(1, self.request(*fields, method=method, path=path), flags))

    def until(self, holds, seconds=10):
        assert self.wait(holds, seconds), 'nothing came'


def lateness(runs):
    """How late each event came, in ns."""
    text, late = b'', []
    for now, data in runs:
        *whole, text = (text + data).split(b'\n\n')
        late += [now - int(event.removeprefix(b'data: ')) for event in whole]
    return late


def judge_events(runs):
    late = lateness(runs)
    print(f'# {len(late)} events, the latest {max(late) / 1e6:.1f} ms late')
    assert len(late) == len(GAPS), len(late)
    assert max(late) < LATE_NS, late


EVENTS = '/events?gaps=' + ','.join(str(gap) for gap in GAPS)


@case('HTTP/1.1: each event comes when it is written, also behind an idle gap')
def h1_events():
    h1 = H1()
    h1.ask('GET', EVENTS)
    status, fields = h1.head()
    assert (status, fields['content-type']) == (200, 'text/event-stream'), (status, fields)
    judge_events(h1.chunks())


@case('HTTP/2: each event comes when it is written, also behind an idle gap')
def h2_events():
    h2 = H2()
    h2.ask('GET', EVENTS)
    h2.until(lambda: h2.status(1))  # the head does not wait for an event
    h2.until(lambda: h2.is_ended(1))
    judge_events(h2.runs)


@case('HTTP/1.1: early hints come early')
def h1_early():
    h1 = H1()
    h1.ask('GET', '/early')
    status, fields = h1.head()
    early = time.monotonic()
    assert status == 103 and 'style.css' in fields['link'], (status, fields)
    status, fields = h1.head()
    assert status == 200 and time.monotonic() - early > 0.2, status


@case('HTTP/2: early hints come early')
def h2_early():
    h2 = H2()
    h2.ask('GET', '/early')
    h2.until(lambda: h2.heads.get(1))
    early = time.monotonic()
    assert h2.heads[1][0][b':status'] == b'103', h2.heads
    assert b'style.css' in h2.heads[1][0][b'link'], h2.heads
    h2.until(lambda: h2.status(1))
    assert h2.status(1) == 200 and time.monotonic() - early > 0.2


def judge_upload(text):
    answer = json.loads(text)
    assert answer['bytes'] == len(BODY), answer
    assert answer['sha256'] == hashlib.sha256(BODY).hexdigest(), answer
    return answer


@case('HTTP/1.1: a body waits for 100, its trailers cross, and so do the answer\'s')
def h1_upload():
    h1 = H1()
    h1.ask('POST', '/upload', 'Expect: 100-continue', 'Transfer-Encoding: chunked', 'TE: trailers',
           'Trailer: x-checked')
    status, _ = h1.head()
    assert status == 100, status
    for at in range(0, len(BODY), 777):
        part = BODY[at:at + 777]
        h1.sock.sendall(b'%x\r\n%s\r\n' % (len(part), part))
    h1.sock.sendall(b'0\r\nx-checked: yes\r\n\r\n')
    status, _ = h1.head()
    assert status == 200, status
    answer = judge_upload(b''.join(data for _, data in h1.chunks()))
    assert answer['trailers'] == {'x-checked': 'yes'}, answer
    assert h1.trailers['x-sha256'] == answer['sha256'], h1.trailers


@case('HTTP/2: a body waits for 100, its trailers cross, and so do the answer\'s')
def h2_upload():
    h2 = H2()
    h2.ask('POST', '/upload', ('expect', '100-continue'), ('te', 'trailers'), flags=END_HEADERS)
    h2.until(lambda: h2.heads.get(1))
    assert h2.heads[1][0][b':status'] == b'100', h2.heads
    h2.send(frame(DATA, 0, 1, BODY),
            frame(HEADERS, END_HEADERS | END_STREAM, 1, block([('x-checked', 'yes')])))
    h2.until(lambda: h2.is_ended(1))
    assert h2.status(1) == 200, h2.heads
    answer = judge_upload(h2.body(1))
    assert answer['trailers'] == {'x-checked': 'yes'}, answer
    assert h2.heads[1][-1][b'x-sha256'].decode() == answer['sha256'], h2.heads


@case('HTTP/1.1: the workload refuses a body before it is sent')
def h1_refused():
    h1 = H1()
    h1.ask('POST', '/refused', 'Expect: 100-continue', 'Content-Length: 1000000000')
    status, fields = h1.head()
    assert status == 403 and fields['connection'] == 'close', (status, fields)


@case('HTTP/2: the workload refuses a body before it is sent')
def h2_refused():
    h2 = H2()
    h2.ask('POST', '/refused', ('expect', '100-continue'), ('content-length', '1000000000'),
           flags=END_HEADERS)
    h2.until(lambda: h2.reset_error(1) is not None)
    assert h2.status(1) == 403 and len(h2.heads[1]) == 1 and h2.reset_error(1) == 0, h2.heads


@case('a workload that says nothing about a body gets it after a second')
def silent():
    h1 = H1()
    begin = time.monotonic()
    h1.ask('POST', '/silent', 'Expect: 100-continue', f'Content-Length: {len(BODY)}')
    status, _ = h1.head()
    assert status == 100 and 0.9 < time.monotonic() - begin < 2, time.monotonic() - begin
    h1.sock.sendall(BODY)
    status, _ = h1.head()
    assert status == 200, status


@case('HTTP/1.0: a client without chunks gets a body of unknown length up to the end')
def h1_0():
    h1 = H1('1.0')
    h1.ask('GET', '/chunked/100000')
    status, fields = h1.head()
    assert status == 200 and 'transfer-encoding' not in fields, (status, fields)
    assert len(h1.file.read()) == 100000
    assert fields.get('connection', 'close') == 'close', fields


@case('HTTP/1.0: early hints are not for it')
def h1_0_early():
    h1 = H1('1.0')
    h1.ask('GET', '/early')
    assert h1.head()[0] == 200


def main():
    threads = concurrent.futures.ThreadPoolExecutor(len(CASES))
    running = {function: threads.submit(function) for _, function in CASES}
    tell_cases((AssertionError, OSError, ValueError, KeyError, IndexError),
               lambda function: running[function].result())


main()
