# SPDX-License-Identifier: Apache-2.0
"""Priorities of HTTP/2 streams (RFC 9218), seen from a client whose connection's window is tight: what
comes before what. TAP.

  h2_priorities.py ADDRESS HOST CA
"""
import sys

from h2_wire import DATA, END_HEADERS, END_STREAM, WINDOW_UPDATE, Peer, frame, word
from tap_cases import case, tell_cases

PRIORITY_UPDATE, NO_RFC7540_PRIORITIES, INITIAL_WINDOW_SIZE = 0x10, 9, 4
WINDOW = 65535  # of the connection, at first and always
BIG, SMALL = 3000000, 20000


class Reader(Peer):
    """Gives back the connection's window byte by byte, and the streams' all at once."""

    def __init__(self):
        super().__init__(*sys.argv[1:4])
        self.begin((INITIAL_WINDOW_SIZE, 1 << 30))
        self.order = []

    def note(self, kind, flags, stream, payload):
        if kind == DATA:
            self.order.append((stream, len(payload)))
            payload, size = b'', len(payload)
            if size:
                self.send(frame(WINDOW_UPDATE, 0, 0, word(size)))
        super().note(kind, flags, stream, payload)

    def ask(self, stream, size, priority=None):
        more = [('priority', priority)] if priority else []
        self.send(self.head(stream, self.request(*more, path=f'/bytes/{size}?cache=max-age=60'),
                            END_HEADERS | END_STREAM))

    def received(self, *streams):
        return sum(size for stream, size in self.order if stream in streams)

    def until(self, stream):
        assert self.wait(lambda: self.is_ended(stream), 20), f'stream {stream} did not end'


def warm():
    """Both bodies in the cache: what is timed is our own order."""
    reader = Reader()
    reader.ask(1, BIG)
    reader.ask(3, SMALL)
    reader.until(1)
    reader.until(3)
    reader.close()


@case('the server takes no priorities of RFC 7540')
def no_tree():
    reader = Reader()
    assert reader.settings.get(NO_RFC7540_PRIORITIES) == 1, reader.settings


@case('a small urgent object overtakes big ones within a window')
def overtake():
    reader = Reader()
    for stream in (1, 3, 5, 7):
        reader.ask(stream, BIG, 'u=5')
    assert reader.wait(lambda: reader.received(1) > 300000), 'nothing came'
    before = reader.received(1, 3, 5, 7)
    reader.ask(9, SMALL, 'u=0')
    reader.until(9)
    late = reader.received(1, 3, 5, 7) - before
    print(f'# {late} bytes of the big ones came before its end')
    assert late <= 3 * WINDOW, late
    for stream in (1, 3, 5, 7):
        reader.until(stream)


@case('equals come one after another, or in turn when they are incremental')
def turns():
    reader = Reader()
    for stream in (1, 3):
        reader.ask(stream, BIG)
    reader.until(1)
    assert reader.received(3) <= 2 * WINDOW, reader.received(3)
    reader.until(3)
    for stream in (5, 7):
        reader.ask(stream, BIG, 'u=3, i')
    reader.until(5)
    assert reader.received(7) > BIG * 0.9, reader.received(7)


@case('PRIORITY_UPDATE moves a stream that sends, and one that has not begun')
def update():
    reader = Reader()
    reader.send(frame(PRIORITY_UPDATE, 0, 0, word(5) + b'u=0'))
    reader.ask(1, BIG, 'u=4')
    reader.ask(3, BIG, 'u=5')
    reader.ask(5, BIG, 'u=7')
    reader.until(5)
    assert reader.received(1) < BIG / 2, reader.received(1)
    reader.send(frame(PRIORITY_UPDATE, 0, 0, word(3) + b'u=1'))
    reader.until(3)
    assert not reader.is_ended(1)
    reader.until(1)


def main():
    warm()
    tell_cases((AssertionError, OSError))


main()
