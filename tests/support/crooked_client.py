# SPDX-License-Identifier: Apache-2.0
"""Asks an edge for every row of crooked_cases.py, over HTTP/1.1 and over HTTP/2, and after each for something
good: what an origin says behind or beside an answer is nobody's. Prints TAP.

  crooked_client.py ADDRESS HOST CA
"""
import re
import socket
import ssl
import sys
import time

import h2_wire
from crooked_cases import ANSWERS, BROKEN, GOOD, PAUSE, REFUSED

ADDRESS, HOST, CA = sys.argv[1:4]


def receive(target):
    context, text = ssl.create_default_context(cafile=CA), b''
    with context.wrap_socket(socket.create_connection((ADDRESS, 443), timeout=5), server_hostname=HOST) as sock:
        sock.sendall(f'GET {target} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n'.encode())
        try:
            while data := sock.recv(65536):
                text += data
        except (OSError, ssl.SSLError):
            pass
    return text


def unchunked(body):
    """(bytes, whether the last chunk came)"""
    out = b''
    while found := re.match(rb'([0-9a-fA-F]+)\r\n', body):
        count, body = int(found[1], 16), body[found.end():]
        if count == 0:
            return out, bool(re.fullmatch(rb'([^\r\n]+\r\n)*\r\n', body))
        out, body = out + body[:count], body[count + 2:]
    return out, False


def ask_http1(target):
    """(status, body, whether it is whole): exactly one final answer, and not a byte behind it."""
    text = receive(target)
    while re.match(rb'HTTP/1\.1 1', text):
        text = text.partition(b'\r\n\r\n')[2]
    head, _, body = text.partition(b'\r\n\r\n')
    status = int(head[9:12]) if head.startswith(b'HTTP/1.1 ') else 0
    if re.search(rb'(?i)\ntransfer-encoding: chunked', head):
        body, is_whole = unchunked(body)
        return status, body, is_whole
    told = re.search(rb'(?i)\ncontent-length: (\d+)', head)
    return status, body, bool(told) and int(told[1]) == len(body)


def ask_http2(target):
    peer = h2_wire.Peer(ADDRESS, HOST, CA)
    try:
        peer.begin()
        peer.send(peer.head(1, peer.request(path=target)))
        peer.wait(lambda: peer.is_ended(1) or peer.frames(h2_wire.RST_STREAM) or peer.frames(h2_wire.GOAWAY), 6)
        return peer.status(1) or 0, peer.body(1), peer.is_ended(1)
    finally:
        peer.close()


def holds(verdict, answer):
    status, body, is_whole = answer
    if verdict == GOOD:
        return answer == (200, b'good', True)
    if b'poison' in body:
        return False
    return status == 502 or (verdict == BROKEN and not is_whole)


def main():
    number = 0
    for name, ask in (('h1', ask_http1), ('h2', ask_http2)):
        for verdict in (REFUSED, BROKEN, GOOD):
            told, rows = [], [(i, row) for i, row in enumerate(ANSWERS) if row[0] == verdict]
            for at, (_, sentence, data) in rows:
                answer = ask(f'/{at}/{name}')
                if not holds(verdict, answer):
                    told.append(f'{sentence}: {answer!r:.200}')
                if PAUSE in data:
                    time.sleep(0.2)
                if (after := ask('/after')) != (200, b'good', True):
                    told.append(f'after {sentence}: {after!r:.200}')
            number += 1
            print(f'{"not ok" if told else "ok"} {number} - {name}: {verdict} ({len(rows)} answers, each with a good one after it)')
            for line in told:
                print(f'# {line}')
    print(f'1..{number}')


main()
