# SPDX-License-Identifier: Apache-2.0
"""Sends every row of smuggle_cases.py to an edge and prints TAP, a case a class.

  smuggle.py ADDRESS HOST CA RUN_DIR LOG

RUN_DIR is the edge's, for its counters; LOG is what raw_origin.py writes. A row holds when the
client is refused (4xx, 5xx, a reset, an end), the counter named by the row grew, and the origin
saw no whole request of it.
"""
import collections
import json
import socket
import ssl
import sys

import h2_wire
import telemetry
from smuggle_cases import GOOD, HTTP1, HTTP2

ADDRESS, HOST, CA, RUN_DIR, LOG = sys.argv[1:6]


class Counters:
    """How often each reason was counted since last asked."""

    def __init__(self):
        self.sock, self.limit = telemetry.connect(RUN_DIR)
        self.last = {}
        self.grown()

    def grown(self):
        now = {}
        for module in ('http', 'exchange'):
            for name, value in telemetry.ask(self.sock, self.limit, f'/millrace/{module}').items():
                now[f'{module}_{name}'] = value
        found = [name for name, value in now.items() if value > self.last.get(name, 0)]
        self.last = now
        return found


def seen():
    with open(LOG, encoding='utf-8') as log:
        return [json.loads(line) for line in log]


def open_http1():
    context = ssl.create_default_context(cafile=CA)
    context.set_alpn_protocols(['http/1.1'])
    return context.wrap_socket(socket.create_connection((ADDRESS, 443), timeout=3),
        server_hostname=HOST)


def answers(payload):
    """What the edge said until it closed: (status lines, whether it closed)."""
    with open_http1() as sock:
        sock.sendall(payload)
        text = b''
        sock.settimeout(2)
        try:
            while data := sock.recv(65536):
                text += data
        except TimeoutError:
            return statuses(text), False
        except (OSError, ssl.SSLError):
            pass
    return statuses(text), True


def statuses(text):
    return [int(line[9:12]) for line in text.split(b'\r\n') if line.startswith(b'HTTP/1.1 ')]


def refused_http1(payload):
    got, is_closed = answers(payload)
    is_refused = is_closed and len(got) <= 1 and all(status >= 400 for status in got)
    return None if is_refused else f'answers {got}, {"closed" if is_closed else "open"}'


def refused_http2(fields):
    peer = h2_wire.Peer(ADDRESS, HOST, CA)
    try:
        peer.begin()
        peer.send(peer.head(1, fields, h2_wire.END_HEADERS), h2_wire.frame(h2_wire.DATA, 1, 1,
            b'ABCDE'))
        peer.wait(lambda: peer.status(1) or peer.frames(h2_wire.RST_STREAM,
            1) or peer.frames(h2_wire.GOAWAY))
        status = peer.status(1)
        if status is not None and status < 400:
            return f'answered {status}'
        is_refused = status or peer.reset_error(1) is not None or peer.goaway_error() is not None
        return None if is_refused else 'no answer'
    finally:
        peer.close()


def try_rows(rows, refused, counters):
    """{class: (count, failures)}"""
    told = collections.OrderedDict()
    whole = len(seen())
    for name, payload, wanted in rows:
        wrong = refused(payload)
        grown = counters.grown()
        reached = [r for r in seen() if not r['fault']]
        if not wrong and len(reached) > whole:
            wrong = f'reached the origin: {reached[-1]["head"][0]}'
        if not wrong and wanted and wanted not in grown:
            wrong = f'counted {grown}, not {wanted}'
        if not wrong and not any(c.startswith('http_') for c in grown):
            wrong = f'counted no reason: {grown}'
        whole = len(reached)
        count, failures = told.get(name, (0, []))
        told[name] = (count + 1, failures + ([f'{payload!r:.300}: {wrong}'] if wrong else []))
    return told


def try_good():
    failures = []
    for name, payload, line in GOOD:
        with open_http1() as sock:
            sock.sendall(payload)
            got = statuses(sock.recv(65536))
        last = (seen() or [{'head': ['nothing'], 'fault': ''}])[-1]
        if got != [200] or last['head'][0] != line.decode() or last['fault']:
            failures.append(f'{name}: answers {got}, the origin saw {last}')
    return {'what is no ambiguity gets through': (len(GOOD), failures)}


def main():
    counters = Counters()
    told = {f'good: {name}': result for name, result in try_good().items()}
    for kind, rows, refused in (('h1', HTTP1, refused_http1), ('h2', HTTP2, refused_http2)):
        for name, result in try_rows(rows, refused, counters).items():
            told[f'{kind}: {name}'] = result
    for number, (name, (count, failures)) in enumerate(told.items(), 1):
        print(f'{"not ok" if failures else "ok"} {number} - {name} ({count} payloads)')
        for failure in failures:
            print(f'# {failure}')
    hidden = [r['head'][0] for r in seen() if '/smuggled' in r['head'][0] or '/plain' in r['head'][0] and not r['fault']]
    print(f'{"not ok" if hidden else "ok"} {len(told) + 1} - the origin saw no whole request of them')
    for line in hidden:
        print(f'# {line}')
    print(f'1..{len(told) + 1}')


main()
