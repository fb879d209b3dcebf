# SPDX-License-Identifier: Apache-2.0
"""Clients that hold connections and do next to nothing with them, beside a bystander; prints TAP.

  slow_clients.py ADDRESS HOST CA slow COUNT SECONDS    COUNT of each kind; at most a tenth held then
  slow_clients.py ADDRESS HOST CA hold-tcp|hold-tls COUNT SECONDS   the bystander is all that counts
"""
import socket
import ssl
import sys
import threading
import time

import flood_cases
from h2_wire import END_HEADERS, END_STREAM, HEADERS, frame
from http_flood import P99_MS, Bystander

TICK_S = 0.25


class Slow:
    """One connection. alpn None: not even a handshake."""
    alpn = 'http/1.1'
    first = b''
    drip = b''      # every tick
    receive_buffer = 0
    path = '/bytes/4000000'

    def __init__(self, target):
        address, self.host, ca = target
        self.sock = socket.socket(socket.AF_INET)
        if self.receive_buffer:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.receive_buffer)
        self.sock.settimeout(5)
        self.sock.connect((address, 443))
        self.raw = self.sock.dup()  # reads bytes, not records
        self.raw.setblocking(False)
        if self.alpn:
            context = ssl.create_default_context(cafile=ca)
            context.set_alpn_protocols([self.alpn])
            self.sock = context.wrap_socket(self.sock, server_hostname=self.host)
            self.send(self.begin())

    def begin(self):
        return self.first.replace(b'HOST', self.host.encode())

    def send(self, data):
        if data:
            self.sock.sendall(data)

    def is_held(self):
        """Says a little, takes a byte of what there is."""
        try:
            self.send(self.drip)
            is_open = self.raw.recv(self.takes()) != b''
            return is_open and self.raw.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
        except BlockingIOError:
            return True
        except OSError:
            return False

    def takes(self):
        return 65536

    def close(self):
        self.sock.close()
        self.raw.close()


class NoHandshake(Slow):
    alpn = None


class NoRequest(Slow):
    pass


class SlowHead(Slow):
    first = b'GET / HTTP/1.1\r\nHost: HOST\r\nX: '
    drip = b'x'


class SlowBody(Slow):
    first = b'POST /echo HTTP/1.1\r\nHost: HOST\r\nContent-Length: 100000\r\n\r\n'
    drip = b'x'


class SlowReader(Slow):
    first = b'GET /bytes/4000000 HTTP/1.1\r\nHost: HOST\r\n\r\n'
    receive_buffer = 4096

    def takes(self):
        return 1


class SlowHead2(Slow):
    alpn = 'h2'

    def begin(self):
        return flood_cases.begin() + frame(HEADERS, END_STREAM, 1, b'\x82')


class SlowBody2(Slow):
    alpn = 'h2'
    drip = frame(0, 0, 1, b'x')

    def begin(self):
        return flood_cases.begin() + flood_cases.post(1, self.host)


class NoWindow2(Slow):
    alpn = 'h2'

    def begin(self):
        return flood_cases.begin((flood_cases.INITIAL_WINDOW, 0)) + frame(
            HEADERS, END_STREAM | END_HEADERS, 1, flood_cases.head(self.host, '/bytes/100000'))


class Idle2(Slow):
    alpn = 'h2'

    def begin(self):
        return flood_cases.begin()


SLOW = [NoHandshake, NoRequest, SlowHead, SlowBody, SlowReader, SlowHead2, SlowBody2, NoWindow2, Idle2]
HOLD = {'hold-tcp': [NoHandshake], 'hold-tls': [NoRequest]}


def hold(kinds, target, count, seconds):
    """Opens count of each kind, keeps them busy for so long; how many of each are left."""
    open_ones = []
    for kind in kinds:
        for _ in range(count):
            try:
                open_ones.append(kind(target))
            except OSError:
                pass  # refused: it holds nothing
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(TICK_S)
        for slow in [s for s in open_ones if not s.is_held()]:
            slow.close()
            open_ones.remove(slow)
    return {kind: sum(type(s) is kind for s in open_ones) for kind in kinds}


def main():
    *target, what, count, seconds = sys.argv[1:]
    kinds = HOLD.get(what, SLOW)
    left = {}
    attack = threading.Thread(target=lambda: left.update(hold(kinds, target, int(count),
                                                              float(seconds))))
    bystander = Bystander(target)
    uncached = Bystander(target, b'/bytes/1000')  # needs a place at the origin, as the slow ones do
    attack.start()
    while attack.is_alive():
        bystander.stand(0.5, uncached.start if what == 'slow' else lambda: None)
    lost, asked = bystander.times.count(None), len(bystander.times)
    print(f'# {what}: the bystander lost {lost} of {asked}, p99 {bystander.late_ms(99)} ms')
    tests = [(f'the bystander loses nothing beside {count} of each: {what}', lost * 100 <= asked),
             ('and waits for nothing', bystander.late_ms(99) <= P99_MS)]
    if what == 'slow':
        uncached.join()
        lost, asked = uncached.times.count(None), len(uncached.times)
        print(f'# who asks the origin lost {lost} of {asked}, p99 {uncached.late_ms(99)} ms')
        tests.append(('who asks the origin loses nothing', lost * 100 <= asked))
        tests += [(f'{kind.__name__}: {left[kind]} of {count} still held after {seconds} s',
                   left[kind] * 10 <= int(count)) for kind in kinds]
    for number, (sentence, is_good) in enumerate(tests, 1):
        print(f'{"ok" if is_good else "not ok"} {number} - {sentence}')
    print(f'1..{len(tests)}')


if __name__ == "__main__":
    main()
