# SPDX-License-Identifier: Apache-2.0
"""Rows of HTTP/2 as in h2_cases.py for what outlives one frame: windows under way, tables that later
requests use, heads in odd shapes, whom a request is for, tunnels. These are what the test suites of other
servers (nginx, nghttpx, h2o) try beyond the RFC's sections one by one.
"""
import time

from h2_cases import (FOOT, MAX_FRAME, PONG, REFUSED, SLOW, answer, get, goaway, post, raw, reset,
                      shut_window, trailers)
from h2_wire import (COMPRESSION_ERROR, CONTINUATION, DATA, ENABLE_CONNECT_PROTOCOL, END_HEADERS,
                     END_STREAM, FRAME_SIZE_ERROR, GOAWAY, HEADERS, NO_ERROR, PADDED, PING,
                     PREFACE, PRIORITIZED, PROTOCOL_ERROR, PUSH_PROMISE, RST_STREAM, SETTINGS, STREAM_CLOSED,
                     WINDOW_UPDATE, ACK, CANCEL, block, frame, literal,
                     number_of, settings, word)

PING_US = frame(PING, payload=b'12345678')
FIRST_WINDOW = 65535  # RFC 9113 6.9.2: of the connection, and of each stream
HEADER_TABLE_SIZE, INITIAL_WINDOW, FRAME_MAX, NO_OLD_PRIORITIES = 1, 4, 5, 9
MANY = 1 << 20


def check(is_right, text):
    if not is_right:
        raise AssertionError(text)


def window_update(stream, count):
    return frame(WINDOW_UPDATE, 0, stream, word(count))


def settle(p, count, stream=1):
    """Waits for count bytes of a body, and that no more come."""
    p.wait(lambda: len(p.body(stream)) >= count)
    p.take(0.15)
    check(len(p.body(stream)) == count, f'{len(p.body(stream))} bytes, not {count}')


def full(p):
    """An answer that has used up the connection's window and its own."""
    p.send(get(p, path='/bytes/70000'))
    settle(p, FIRST_WINDOW)


def ping_passes(p):
    full(p)
    return [PING_US]


def both_windows(p):
    full(p)
    p.send(window_update(1, MANY))
    settle(p, FIRST_WINDOW)
    return [window_update(0, MANY)]


def second_waits(p):
    full(p)
    p.send(get(p, stream=3, path='/bytes/9'))
    p.wait(lambda: p.status(3))
    settle(p, 0, 3)
    return [window_update(0, MANY)]


def grown_by_one(p):
    """Of one setting given twice the last value holds: one byte more."""
    p.answers_pings = True  # asked before crumbs are sent
    p.send(window_update(0, MANY), get(p, path='/bytes/70000'))
    settle(p, FIRST_WINDOW)
    return [frame(SETTINGS, payload=settings((INITIAL_WINDOW, 42), (INITIAL_WINDOW, FIRST_WINDOW + 1)))]


def shrunk_far(p):
    """A window 65,493 below 0 opens when it is above 0, not before."""
    p.answers_pings = True  # asked before crumbs are sent
    p.send(window_update(0, MANY), get(p, path='/bytes/70000'))
    settle(p, FIRST_WINDOW)
    p.send(frame(SETTINGS, payload=settings((INITIAL_WINDOW, 42))), window_update(1, 1024),
           window_update(1, FIRST_WINDOW - 42 - 1024))
    settle(p, FIRST_WINDOW)
    return [window_update(1, 1)]


def frames_within(p, count):
    """No DATA frame is larger than the peer's SETTINGS_MAX_FRAME_SIZE."""
    p.send(window_update(0, MANY), frame(SETTINGS, payload=settings((INITIAL_WINDOW, MANY), (FRAME_MAX, count))))
    p.wait(lambda: len([f for f in p.seen if f[0] == SETTINGS and f[1] & ACK]) == 2)
    p.send(get(p, path='/bytes/200000'))
    p.wait(lambda: p.is_ended(1))
    largest = max(len(f[3]) for f in p.frames(DATA))
    check(largest <= count, f'DATA of {largest} bytes')
    return []


def in_pieces(p, whole, *sizes):
    for size in sizes:
        p.send(whole[:size])
        whole = whole[size:]
        time.sleep(0.02)
    return [whole]


def byte_by_byte(p):
    head = get(p, path='/echo')
    return in_pieces(p, head, *[1] * (len(head) - 1))


def not_acknowledged(p):
    p.send(frame(SETTINGS, payload=settings((FRAME_MAX, 42))))
    p.wait(lambda: p.is_closed)
    check(len([f for f in p.seen if f[0] == SETTINGS and f[1] & ACK]) == 1, 'acknowledged')
    return []


WINDOWS = [
    ('6.9.2', 'an answer stops at 65,535 bytes, PING does not', ping_passes, PONG),
    ('6.9.1', 'it goes on when both windows are open', both_windows, ('body', 70000, 1)),
    ('6.9.1', 'the connection\'s window holds other streams back', second_waits, ('body', 9, 3)),
    ('6.9.2', 'SETTINGS enlarge a window under way', grown_by_one, ('body', FIRST_WINDOW + 1, 1)),
    ('6.9.2', 'SETTINGS shrink a window far below 0', shrunk_far, ('body', FIRST_WINDOW + 1, 1)),
    ('6.9.2', 'a larger window from the start',
     lambda p: [window_update(0, MANY), frame(SETTINGS, payload=settings((INITIAL_WINDOW, MANY))),
                get(p, path='/bytes/200000')], ('body', 200000, 1)),
    ('6.9', 'the reserved bit of an increment is ignored',
     lambda p: [*shut_window(p), window_update(1, 1 << 31 | 1)], ('body', 1, 1)),
    ('4.2', 'DATA to a peer of the smallest frames', lambda p: frames_within(p, MAX_FRAME),
     ('body', 200000, 1)),
    ('4.2', 'DATA to a peer of larger frames', lambda p: frames_within(p, 2 * MAX_FRAME),
     ('body', 200000, 1)),
    ('6.5', 'SETTINGS in pieces',
     lambda p: in_pieces(p, frame(SETTINGS, payload=settings((INITIAL_WINDOW, 9), (FRAME_MAX, MAX_FRAME))) +
                         get(p, path='/bytes/20'), 4, 9, 3), ('body', 9, 1)),
    ('6.5.3', 'SETTINGS in error are not acknowledged', not_acknowledged, goaway(PROTOCOL_ERROR)),
    ('9218 2.1', 'SETTINGS_NO_RFC7540_PRIORITIES of 2',
     lambda p: [frame(SETTINGS, payload=settings((NO_OLD_PRIORITIES, 2)))], goaway(PROTOCOL_ERROR)),
    ('8441 3', 'SETTINGS_ENABLE_CONNECT_PROTOCOL of 2',
     lambda p: [frame(SETTINGS, payload=settings((ENABLE_CONNECT_PROTOCOL, 2)))], goaway(PROTOCOL_ERROR)),
]


def odd_head(p, flags, before, after, *cuts):
    """A GET whose HEADERS has bytes before and behind its piece of the block, and CONTINUATIONs."""
    fields, pieces = block(p.request(path='/echo')), []
    for cut in cuts:
        pieces.append(fields[:cut])
        fields = fields[cut:]
    pieces.append(fields)
    last = len(pieces) - 1
    return [frame(HEADERS, END_STREAM | flags | (0 if last else END_HEADERS), 1, before + pieces[0] + after)] + [
        frame(CONTINUATION, END_HEADERS if i == last else 0, 1, piece) for i, piece in enumerate(pieces[1:], 1)]


SHAPES = [
    ('6.2', 'HEADERS byte by byte', byte_by_byte, answer()),
    ('6.10', 'a block cut within names and values', lambda p: odd_head(p, 0, b'', b'', 2, 4, 1, 5), answer()),
    ('6.10', 'HEADERS without a byte, then the block', lambda p: odd_head(p, 0, b'', b'', 0), answer()),
    ('6.10', 'an empty CONTINUATION on the way', lambda p: odd_head(p, 0, b'', b'', 9, 0), answer()),
    ('6.10', 'padding before CONTINUATION', lambda p: odd_head(p, PADDED, b'\x2a', b'\0' * 42, 2, 4, 1), answer()),
    ('6.10', 'padding and priority before CONTINUATION',
     lambda p: odd_head(p, PADDED | PRIORITIZED, b'\5' + word(0) + b'\xff', b'\0' * 5, 7), answer()),
    ('6.10', 'nothing but padding before CONTINUATION',
     lambda p: odd_head(p, PADDED, b'\3', b'\0' * 3, 0), answer()),
    ('6.1', 'an empty DATA frame ends a body', lambda p: [post(p), frame(DATA, END_STREAM, 1)], answer()),
    ('6.1', 'an empty padded one', lambda p: [post(p), frame(DATA, END_STREAM | PADDED, 1, b'\0')], answer()),
    ('6.1', 'one of nothing but padding',
     lambda p: [post(p), frame(DATA, END_STREAM | PADDED, 1, b'\xff' + b'\0' * 255)], answer()),
    ('8.1', 'trailers with padding and priority',
     lambda p: [post(p), frame(DATA, 0, 1, b'x'),
                frame(HEADERS, FOOT | PADDED | PRIORITIZED, 1,
                      b'\2' + word(0) + b'\x10' + literal('x-check', '1') + b'\0\0')], answer()),
    ('8.1', 'trailers without a field', lambda p: trailers(p), answer()),
    ('8.1', 'trailers without a body', lambda p: [post(p), frame(HEADERS, FOOT, 1, literal('x', '1'))], answer()),
    ('8.1', 'DATA behind trailers', lambda p: trailers(p, ('x', '1')) + [frame(DATA, END_STREAM, 1, b'x')],
     reset(STREAM_CLOSED)),
    ('8.1', 'trailers twice', lambda p: trailers(p, ('x', '1')) + [frame(HEADERS, FOOT, 1, literal('x', '1'))],
     reset(STREAM_CLOSED)),
    ('8.2.1', 'a trailer in upper case', lambda p: trailers(p, ('X-Check', '1')), REFUSED),
    ('8.2.2', 'connection in trailers', lambda p: trailers(p, ('connection', 'close')), REFUSED),
    ('8.2.2', 'transfer-encoding in trailers', lambda p: trailers(p, ('transfer-encoding', 'chunked')), REFUSED),
    ('6.6', 'PUSH_PROMISE without a block', lambda p: [frame(PUSH_PROMISE, END_HEADERS, 1, word(2))],
     goaway(PROTOCOL_ERROR)),
    ('5.5', 'frames of other extensions are ignored',
     lambda p: [frame(0xa, 0, 0, b'\0\0h2=":443"'), frame(0xc, 0, 0, b'\0\5https'), PING_US], PONG),
    ('5.5', 'an unknown frame of 2^14 bytes is ignored', lambda p: [frame(0x7e, 0, 0, b'x' * MAX_FRAME), PING_US], PONG),
    ('4.2', 'an unknown frame above SETTINGS_MAX_FRAME_SIZE',
     lambda p: [frame(0x7e, 0, 0, b'x' * (MAX_FRAME + 1)), PING_US], goaway(FRAME_SIZE_ERROR)),
    ('6.8', 'GOAWAY twice, with words', lambda p: [get(p, path=SLOW)] + [
        frame(GOAWAY, payload=word(0) + word(NO_ERROR) + b'some words')] * 2, answer()),
    ('9218 7.1', 'PRIORITY_UPDATE that cannot be read is ignored',
     lambda p: [frame(0x10, 0, 0, word(1) + b'U=;;'), frame(0x10, 0, 0, word(1)), get(p, path='/echo')], answer()),
]


def numbered(p):
    p.send(get(p, stream=1, path='/echo'), get(p, stream=7, path='/echo'))
    p.wait(lambda: p.is_ended(1) and p.is_ended(7))
    return [get(p, stream=4)]


def reset_midway(p):
    p.send(post(p), frame(DATA, 0, 1, b'x' * 100), frame(RST_STREAM, 0, 1, word(CANCEL)))
    return [get(p, stream=3, path='/echo')]


def indexed(p, stream, extra, before=b'', path='/echo'):
    return frame(HEADERS, FOOT, stream, before + block(p.request(path=path)) + extra)


def refused_stream_counts(p):
    """RFC 9113 4.3: the block of a stream that is refused goes into the tables all the same. The limit is
    not acknowledged yet, so it is that stream's matter only."""
    p.send(PREFACE, frame(SETTINGS))
    p.wait(lambda: p.settings)
    last = 1 + 2 * p.settings[3]
    p.send(*[get(p, path=SLOW, stream=s) for s in range(1, last, 2)], indexed(p, last, b'\x40\5x-foo\3Foo', path=SLOW))
    p.wait(lambda: p.reset_error(last) is not None and all(p.is_ended(s) for s in range(1, last, 2)), 8)
    check(p.reset_error(last) is not None, 'not refused')
    p.send(indexed(p, last + 2, b'\xbe'))
    p.wait(lambda: p.is_ended(last + 2))
    check(b'["x-foo", "Foo"]' in p.body(last + 2), f'{p.status(last + 2)} {p.body(last + 2)[:200]}')
    return [PING_US]


def used_later(p):
    p.send(indexed(p, 1, b'\x40\5x-foo\3Foo'))
    return [indexed(p, 3, b'\xbe'), indexed(p, 5, b'\x7e\3Bar')]


def no_table(p):
    """Our table is 0: the encoder must say so, and keep to it."""
    p.send(frame(SETTINGS, payload=settings((HEADER_TABLE_SIZE, 0))))
    p.wait(lambda: len([f for f in p.seen if f[0] == SETTINGS and f[1] & ACK]) == 2)
    p.decoder.max_allowed_table_size = 0
    p.send(get(p, path='/echo'))
    p.wait(lambda: p.is_ended(1))
    return [get(p, stream=3, path='/echo')]


# A name of 2,016 bytes, a value of 2,048, and 32: 4,096.
LARGEST = b'\x40' + number_of(2016, 7) + b'x' * 2016 + number_of(2048, 7) + b'y' * 2048

STATE = [
    ('5.1.1', 'numbers may be left out', lambda p: [get(p, stream=9, path='/echo')], answer(9)),
    ('5.1.1', 'the highest number there is', lambda p: [get(p, stream=(1 << 31) - 1, path='/echo')],
     answer((1 << 31) - 1)),
    ('6.8', 'GOAWAY names the last stream that was taken', numbered, ('goaway-last', PROTOCOL_ERROR, 7)),
    ('6.4', 'a body given up midway leaves the others alone', reset_midway, answer(3)),
    ('7541 6.1', 'a field by an index of an earlier request', used_later, ('echoed', b'["x-foo", "Foo"]', 3)),
    ('7541 6.2.1', 'a name by an index of an earlier request', used_later, ('echoed', b'["x-foo", "Bar"]', 5)),
    ('7541 4.3', 'a table made smaller forgets',
     lambda p: [indexed(p, 1, b'\x40\1x\1y'), indexed(p, 3, b'\xbe', b'\x20')], goaway(COMPRESSION_ERROR)),
    ('7541 4.4', 'a field larger than the table empties it',
     lambda p: [indexed(p, 1, b'\x40\1x\1y' + b'\x40\1z\x7f\xa9\x1f' + b'z' * 4136), indexed(p, 3, b'\xbe')],
     goaway(COMPRESSION_ERROR)),
    ('7541 4.1', 'a field as large as the table stays in it',
     lambda p: [indexed(p, 1, LARGEST), indexed(p, 3, b'\xbe')], ('echoed', b'"' + b'x' * 2016 + b'"', 3)),
    ('7541 4.2', 'a peer without a table', no_table, answer(3)),
    ('7541 5.2', 'a string longer than its block', lambda p: raw(p, b'\0\1x\x7f\xff\xff\xff\7y'),
     goaway(COMPRESSION_ERROR)),
    ('7541 6.2', 'a field cut short', lambda p: raw(p, b'\0\1'), goaway(COMPRESSION_ERROR)),
    ('8.2', 'a field without a name', lambda p: raw(p, b'\0\0\1y'), REFUSED),
]


def tunnel(p, *more, without=(), authority=None):
    """RFC 8441 4: CONNECT with a protocol; 9113 8.5 without."""
    given = [(':method', 'CONNECT'), (':scheme', 'https'), (':path', '/echo'), (':authority', authority or p.host)]
    return [p.head(1, [f for f in given if f[0] not in without] + list(more), END_HEADERS)]


WEBSOCKET = (':protocol', 'websocket')


def with_host(p, *more):
    return [get(p, *[('host', h) for h in more], path='/echo', without=(':authority',))]


WHOM = [
    ('8.2.3', 'cookies in several fields are one to HTTP/1.1',
     lambda p: [get(p, ('cookie', 'a=b'), ('x', 'y'), ('cookie', 'c=d'), path='/echo')],
     ('echoed', b'["cookie", "a=b; c=d"]', 1)),
    ('8.3', 'pseudo fields in another order', lambda p: [p.head(1, p.request(path='/echo')[::-1])], answer()),
    ('8.3.1', 'Host in the place of :authority', lambda p: with_host(p, p.host), answer()),
    ('8.3.1', 'neither', with_host, REFUSED),
    ('8.3.1', 'an empty :authority',
     lambda p: [get(p, (':authority', ''), path='/echo', without=(':authority',))], REFUSED),
    ('8.3.1', 'Host twice', lambda p: with_host(p, p.host, p.host), REFUSED),
    ('8.3.1', 'Host beside the same :authority', lambda p: [get(p, ('host', p.host), path='/echo')], answer()),
    ('8.3.1', 'Host beside another :authority', lambda p: [get(p, ('host', 'evil.example'), path='/echo')], REFUSED),
    ('8.1.1', 'content-length of 0 without a body',
     lambda p: [post(p, ('content-length', '0')), frame(DATA, END_STREAM, 1)], answer()),
    ('9110 9.3.8', 'TRACE', lambda p: [get(p, method='TRACE', path='/echo')], answer(status=405)),
    ('8.5', 'CONNECT without :authority', lambda p: tunnel(p, without=(':scheme', ':path', ':authority')), REFUSED),
    ('8.5', 'CONNECT to a host without a port', lambda p: tunnel(p, without=(':scheme', ':path')), REFUSED),
    ('8.5', 'CONNECT to a host and port',
     lambda p: tunnel(p, without=(':scheme', ':path'), authority=p.host + ':443'), REFUSED),
    ('8.5', 'CONNECT with :scheme', lambda p: tunnel(p, without=(':path',), authority=p.host + ':443'), REFUSED),
    ('8441 4', 'a protocol without CONNECT', lambda p: [get(p, WEBSOCKET, path='/echo')], REFUSED),
    ('8441 4', 'a protocol without :path', lambda p: tunnel(p, WEBSOCKET, without=(':path',)), REFUSED),
    ('8441 4', 'a protocol without :scheme', lambda p: tunnel(p, WEBSOCKET, without=(':scheme',)), REFUSED),
    ('8441 4', 'a protocol without :authority', lambda p: tunnel(p, WEBSOCKET, without=(':authority',)), REFUSED),
    ('8441 4', 'a protocol twice', lambda p: tunnel(p, WEBSOCKET, WEBSOCKET), REFUSED),
    ('8441 4', 'a protocol behind a regular field', lambda p: tunnel(p, ('x', 'y'), WEBSOCKET), REFUSED),
    ('8441 4', 'a protocol that nobody knows', lambda p: tunnel(p, (':protocol', 'gopher')), answer(status=501)),
]

WIDER_STARTING = [
    ('4.3', 'a refused stream\'s block counts', refused_stream_counts, PONG),
]
WIDER = WINDOWS + SHAPES + STATE + WHOM
