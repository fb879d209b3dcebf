# SPDX-License-Identifier: Apache-2.0
"""Floods of HTTP, as what a connection sends: a table for http_flood.py (RFC 9113 10.5, and the classes
that have names of their own). Bytes are made beforehand, so that sending costs the attacker little.
"""
import dataclasses
import itertools
import time
import typing

from h2_wire import (CANCEL, CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PADDED,
                     PING, PREFACE, PRIORITY, RST_STREAM, SETTINGS, WINDOW_UPDATE, frame, number_of,
                     settings, word)

CHUNK_BYTES = 16384
STREAMS = 20000  # as many as a connection opens at most
FOOT = END_HEADERS | END_STREAM
TABLE_SIZE, INITIAL_WINDOW = 1, 4
PRIORITY_UPDATE = 0x10  # RFC 9218 7.1


@dataclasses.dataclass
class Flood:
    """What one of the connections does. make(host) gives chunks, sent until they end or the cut."""
    name: str
    make: typing.Callable
    why: tuple = ('http_h2_flooded',)  # one of these counters grows; none: it need not be cut
    alpn: str = 'h2'
    calm: bool = True     # the cut is a GOAWAY with ENHANCE_YOUR_CALM
    reads: bool = True    # takes what comes


def text(prefix, value):
    return bytes((prefix,)) + number_of(len(value), 7) + value.encode()


def head(host, path='/echo', method=b'\x82'):
    """A request's block: literals without indexing, so that it can be repeated."""
    return method + b'\x87' + text(4, path) + text(1, host)


POST = b'\x83'


def begin(*pairs):
    return PREFACE + frame(SETTINGS, payload=settings(*pairs))


def endless(first, *frames):
    """first, then frames again and again."""
    yield first
    unit = b''.join(frames)
    chunk = unit * max(1, CHUNK_BYTES // len(unit))
    yield from itertools.repeat(chunk)


def streams(first, make, host):
    """first, then what make gives for each new stream; joined into chunks."""
    yield first
    parts, size = [], 0
    for stream in range(1, 2 * STREAMS, 2):
        parts.append(make(stream, host))
        size += len(parts[-1])
        if size >= CHUNK_BYTES:
            yield b''.join(parts)
            parts, size = [], 0


def each_stream(make, *pairs):
    return lambda host: streams(begin(*pairs), make, host)


def repeated(*frames):
    return lambda host: endless(begin(), *frames)


def on_open_post(*frames):
    """The frames on a request whose body is still to come."""
    return lambda host: endless(begin() + frame(HEADERS, END_HEADERS, 1, head(host, method=POST)),
                                *frames)


def get(stream, host, path='/slow?wait_ms=300'):
    return frame(HEADERS, FOOT, stream, head(host, path))


def post(stream, host, more=b''):
    return frame(HEADERS, END_HEADERS, stream, head(host, '/echo', POST) + more)


def field(name, value):
    return text(0, name) + number_of(len(value), 7) + value.encode()


def unwanted(host):
    """A body for a request that had to be reset."""
    return endless(begin() + post(1, host, field('X', 'y')), frame(DATA, 0, 1, b'x' * 16))


def table_sizes(stream, host):
    """RFC 7541 4.2: 30 and 4096, again and again before a request that is answered from the cache."""
    sizes = b'\x3e\x3f\xe1\x1f' * 4000
    return frame(HEADERS, FOOT, stream, sizes + head(host, '/bytes/9?cache=max-age=600'))


def bomb(host):
    """CVE-2016-6581: one entry of 4000 bytes, named sixteen thousand times a block."""
    entry = text(0x40, 'x') + number_of(3900, 7) + b'a' * 3900
    yield begin() + frame(HEADERS, FOOT, 1, head(host) + entry)
    for stream in range(3, 2 * STREAMS, 2):
        yield frame(HEADERS, FOOT, stream, head(host) + b'\xbe' * (CHUNK_BYTES - 64))


def dribble(host):
    """CVE-2019-9517: windows of one byte."""
    heads = b''.join(get(s, host, f'/bytes/1000000?seed={s}') for s in range(1, 101, 2))
    return endless(begin((INITIAL_WINDOW, 0)) + heads,
                   *(frame(WINDOW_UPDATE, 0, s, word(1)) for s in range(1, 101, 2)))


def stall(host):
    """CVE-2019-9511: a hundred answers of 1 MB, and no window for them."""
    heads = b''.join(get(s, host, f'/bytes/1000000?seed={s}') for s in range(1, 201, 2))
    yield begin((INITIAL_WINDOW, 0)) + heads


def too_many(host):
    return streams(begin(), post, host)


def forgotten(host):
    """HEADERS on a stream that ended so long ago that nobody remembers it."""
    yield begin() + b''.join(get(s, host, '/echo') for s in range(1, 121, 2))
    time.sleep(0.3)
    yield from endless(b'', get(1, host))


def pipelined(host):
    unit = f'GET /bytes/100000?cache=max-age=60 HTTP/1.1\r\nHost: {host}\r\n\r\n'.encode()
    return endless(unit, unit)


def h1_endless(start, more):
    return lambda host: endless(start.format(host=host).encode(), more)


CONTINUED = 'CONTINUATION'
NO_END = frame(HEADERS, END_STREAM, 1, b'\x82')
RESETS = ('http_h2_resets_many',)
EITHER = ('http_h2_resets_many', 'http_h2_flooded')

FLOODS = [
    Flood('rapid reset', each_stream(lambda s, h: get(s, h) + frame(RST_STREAM, 0, s, word(CANCEL))),
          RESETS),
    Flood('rapid reset of large heads', each_stream(
        lambda s, h: frame(HEADERS, FOOT, s, head(h) + field('x', 'y' * 12000)) +
        frame(RST_STREAM, 0, s, word(CANCEL))), EITHER),
    Flood('rapid reset of large heads in two frames', each_stream(
        lambda s, h: frame(HEADERS, END_STREAM, s, head(h) + field('x', 'y' * 12000)) +
        frame(CONTINUATION, END_HEADERS, s) + frame(RST_STREAM, 0, s, word(CANCEL))), EITHER),
    Flood('made to reset: window update by 0', each_stream(
        lambda s, h: get(s, h) + frame(WINDOW_UPDATE, 0, s, word(0))),
        ('http_h2_protocol',), calm=False),
    Flood('made to reset: window overflow', each_stream(
        lambda s, h: get(s, h) + frame(WINDOW_UPDATE, 0, s, word(0x7fffffff)) * 2), EITHER),
    Flood('made to reset: DATA behind the end', each_stream(
        lambda s, h: get(s, h) + frame(DATA, END_STREAM, s, b'x')),
        (*EITHER, 'http_h2_stream_closed', 'http_h2_protocol'), calm=False),
    Flood('PRIORITY: depends on itself', each_stream(
        lambda s, h: get(s, h) + frame(PRIORITY, 0, s, word(s) + b'\0')),
        ('http_h2_protocol',), calm=False),
    Flood('made to reset: content-length', each_stream(
        lambda s, h: post(s, h, field('content-length', '1')) +
        frame(DATA, END_STREAM, s, b'x' * 8000)), EITHER),
    Flood('made to reset: a name in capitals', each_stream(
        lambda s, h: frame(HEADERS, FOOT, s, head(h) + field('X', 'y'))), EITHER),
    Flood('resets of what has ended', lambda h: endless(
        begin() + get(1, h, '/echo'), frame(RST_STREAM, 0, 1, word(CANCEL))), RESETS),
    Flood('DATA of a stream that was reset', unwanted),
    Flood('WINDOW_UPDATE of a stream that ended', lambda h: endless(
        begin() + get(1, h, '/echo'), frame(WINDOW_UPDATE, 0, 1, word(1)))),
    Flood('DATA of a byte', on_open_post(frame(DATA, 0, 1, b'x')), ()),
    Flood('CONTINUATION without an end', lambda h: endless(
        begin() + NO_END, frame(CONTINUATION, 0, 1, field('x', 'y' * 1000)))),
    Flood('CONTINUATION, empty', lambda h: endless(begin() + NO_END, frame(CONTINUATION, 0, 1))),
    Flood('CONTINUATION, eight empty a request', each_stream(
        lambda s, h: frame(HEADERS, END_STREAM, s, head(h)) + frame(CONTINUATION, 0, s) * 7 +
        frame(CONTINUATION, END_HEADERS, s))),
    Flood('SETTINGS', repeated(frame(SETTINGS))),
    Flood('SETTINGS, 30 entries', repeated(frame(SETTINGS, payload=settings((0x99, 1)) * 30))),
    Flood('SETTINGS, nothing read', repeated(frame(SETTINGS)), reads=False),
    Flood('SETTINGS, windows up and down', lambda h: endless(
        begin((INITIAL_WINDOW, 0)) + b''.join(get(s, h, '/bytes/9') for s in range(1, 201, 2)),
        frame(SETTINGS, payload=settings((INITIAL_WINDOW, 1))),
        frame(SETTINGS, payload=settings((INITIAL_WINDOW, 0))))),
    Flood('PING', repeated(frame(PING, payload=b'8' * 8))),
    Flood('PING, nothing read', repeated(frame(PING, payload=b'8' * 8)), reads=False),
    Flood('empty DATA', on_open_post(frame(DATA, 0, 1))),
    Flood('empty DATA, padded', on_open_post(frame(DATA, PADDED, 1, b'\xff' + b'\0' * 255))),
    Flood('empty HEADERS', each_stream(lambda s, h: frame(HEADERS, FOOT, s)), EITHER),
    Flood('HEADERS of a forgotten stream', forgotten),
    Flood('PRIORITY', repeated(frame(PRIORITY, 0, 1, word(3) + b'\x10'),
                               frame(PRIORITY, 0, 3, word(1) + b'\x20'))),
    Flood('PRIORITY_UPDATE', repeated(frame(PRIORITY_UPDATE, 0, 0, word(1) + b'u=3'))),
    Flood('unknown frames, empty', repeated(frame(0x77))),
    Flood('unknown frames, 16 KB', repeated(frame(0x77, 0, 0, b'z' * 16384))),
    Flood('GOAWAY', repeated(frame(GOAWAY, payload=word(0) * 2)), ()),
    Flood('WINDOW_UPDATE by 1', repeated(frame(WINDOW_UPDATE, 0, 0, word(1)))),
    Flood('table size, up and down', repeated(
        frame(SETTINGS, payload=settings((TABLE_SIZE, 0))),
        frame(SETTINGS, payload=settings((TABLE_SIZE, 65536))))),
    Flood('table size, 8000 times a block', each_stream(table_sizes)),
    Flood('HPACK bomb', bomb, EITHER),
    Flood('windows of 0: 400 answers of 1 MB', stall, ()),
    Flood('windows of 1 byte', dribble),
    Flood('more streams than allowed', too_many, EITHER),
    Flood('h1: pipelining, nothing read', pipelined, (), alpn='http/1.1', reads=False),
    Flood('h1: a field without end', h1_endless('GET / HTTP/1.1\r\nHost: {host}\r\nX: ', b'a' * 999),
          ('http_head_too_large',), alpn='http/1.1', calm=False),
    Flood('h1: fields without end', h1_endless('GET / HTTP/1.1\r\nHost: {host}\r\n', b'a: b\r\n'),
          ('http_fields_too_many', 'http_head_too_large'), alpn='http/1.1', calm=False),
    Flood('h1: a chunk extension without end', h1_endless(
        'POST /echo HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n1;', b'a' * 999),
        ('http_chunk_extensions_long',), alpn='http/1.1', calm=False),
    Flood('h1: chunks of a byte', h1_endless(
        'POST /echo HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n', b'1\r\na\r\n'),
        (), alpn='http/1.1', calm=False),
    Flood('h1: trailers without end', h1_endless(
        'POST /echo HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n', b'a: b\r\n'),
        ('http_fields_too_many', 'http_head_too_large'), alpn='http/1.1', calm=False),
    Flood('h1: empty lines', h1_endless('\r\n', b'\r\n'), ('http_start_line_bad',), alpn='http/1.1',
          calm=False),
]
