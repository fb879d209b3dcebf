# SPDX-License-Identifier: Apache-2.0
"""A client that asks over a connection it keeps, every 50 ms, and follows its server's wish to end it.

  steady_client.py ADDRESS HOST CA h1|h2 PATH SECONDS

Ends when nobody accepts connections any more, on TERM, or after SECONDS, with one line:
`N answered, N failed, N connections, refused|told|reached`. A request has failed when it was taken (not
behind the last stream of a GOAWAY) and got no whole answer of 200.
"""
import http.client
import signal
import socket
import ssl
import sys
import time

import h2_wire

PERIOD_S = 0.05
LOST = (http.client.HTTPException, OSError)


class Refused(Exception):
    """No connection is accepted."""


class Steady:
    """What both versions share: connections made and counted."""

    def __init__(self, address, host, ca, path):
        self.address, self.host, self.ca, self.path = address, host, ca, path
        self.answered = self.failed = self.connections = 0
        self.open = None

    def connect(self):
        try:
            self.open = self.make()
        except (OSError, ssl.SSLError) as error:
            raise Refused from error
        self.connections += 1

    def step(self):
        """One request, and its answer."""
        if not self.open:
            self.connect()
        if self.ask():
            self.answered += 1
        else:
            self.failed += 1
            self.open = None


class SteadyH1(Steady):
    """HTTP/1.1 with keep-alive."""

    def make(self):
        conn = http.client.HTTPSConnection(self.host, context=ssl.create_default_context(
            cafile=self.ca), timeout=5)
        plain = socket.create_connection((self.address, 443), timeout=5)
        conn.sock = conn._context.wrap_socket(plain, server_hostname=self.host)
        return conn

    def ask(self):
        try:
            self.open.request('GET', self.path)
            answer = self.open.getresponse()
            answer.read()
        except LOST:
            return False
        if answer.will_close:
            self.open.close()
            self.open = None
        return answer.status == 200


class SteadyH2(Steady):
    """HTTP/2: one request at a time, and what GOAWAY says of it is believed."""

    def make(self):
        peer = h2_wire.Peer(self.address, self.host, self.ca)
        self.stream = -1
        peer.begin()
        # All that is ever answered fits into the connection's window.
        peer.send(h2_wire.frame(h2_wire.WINDOW_UPDATE, payload=(1 << 30).to_bytes(4, 'big')))
        return peer

    def last_stream(self):
        found = self.open.frames(h2_wire.GOAWAY)
        return int.from_bytes(found[-1][3][:4], 'big') if found else None

    def is_refused(self):
        """The request came behind the last one that was taken."""
        last = self.last_stream()
        return last is not None and last < self.stream

    def answer_pings(self):
        pings = [f for f in self.open.frames(h2_wire.PING) if not f[1] & h2_wire.ACK]
        for _, _, _, words in pings:
            self.open.send(h2_wire.frame(h2_wire.PING, h2_wire.ACK, 0, words))
        self.open.seen = [f for f in self.open.seen if f not in pings]

    def ask(self):
        peer = self.open
        peer.take(0)
        self.answer_pings()
        if self.last_stream() is not None or peer.is_closed:
            peer.close()
            self.connect()
            peer = self.open
        self.stream += 2
        peer.send(peer.head(self.stream, peer.request(path=self.path)))
        peer.wait(lambda: peer.is_ended(self.stream) or self.is_refused(), 5)
        self.answer_pings()
        if not peer.is_ended(self.stream) and self.is_refused():
            self.connect()
            return self.ask()
        return peer.is_ended(self.stream) and peer.status(self.stream) == 200


def main():
    address, host, ca, version, path, seconds = sys.argv[1:]
    steady = {'h1': SteadyH1, 'h2': SteadyH2}[version](address, host, ca, path)
    end, how, told = time.monotonic() + float(seconds), 'reached', []
    signal.signal(signal.SIGTERM, lambda *_: told.append('told'))
    while not told and time.monotonic() < end:
        try:
            steady.step()
        except Refused:
            how = 'refused'
            break
        time.sleep(PERIOD_S)
    print(f'{steady.answered} answered, {steady.failed} failed, {steady.connections} connections, '
          f'{"".join(told) or how}')


main()
