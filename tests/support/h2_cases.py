# SPDX-License-Identifier: Apache-2.0
"""What RFC 9113 and RFC 7541 say of each frame at each moment, as a table: a section, a sentence,
the frames to send, and what must come back. Run by h2_conformance.py.

A row's frames come from a function of the connection (h2_wire.Peer) which is settled before it;
what it sends itself comes before them. In `goaway` and `reset` a GOAWAY is always accepted for the
lesser error of a stream, as RFC 9113 5.4.1 allows.
"""
import time

from h2_wire import (ACK, CANCEL, COMPRESSION_ERROR, CONTINUATION, DATA, END_HEADERS, END_STREAM,
                     FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR, GOAWAY, HEADERS, NO_ERROR, PADDED, PING,
                     PREFACE, PRIORITIZED, PRIORITY, PROTOCOL_ERROR, PUSH_PROMISE, REFUSED_STREAM,
                     RST_STREAM, SETTINGS, STREAM_CLOSED, WINDOW_UPDATE, block, frame, literal,
                     number_of, settings, word)

MAX_FRAME = 16384


def goaway(*errors):
    return 'goaway', errors


def reset(*errors, stream=1):
    return 'reset', errors, stream


def answer(stream=1, status=200):
    return 'answer', status, stream


PONG = ('pong',)
REFUSED = ('refused',)      # an answer 4xx, a reset or a GOAWAY; never a 200
FOOT = END_HEADERS | END_STREAM
SLOW = '/slow?wait_ms=400'  # leaves the stream half-closed (remote) for a while


def get(p, *more, stream=1, flags=FOOT, **known):
    return p.head(stream, p.request(*more, **known), flags)


def post(p, *more, stream=1):
    """A request's head whose body is still to come."""
    return get(p, *more, stream=stream, flags=END_HEADERS, method='POST', path='/echo')


def answered(p, stream=1):
    """A stream that both sides have ended."""
    p.send(get(p, stream=stream, path='/echo'))
    p.wait(lambda: p.is_ended(stream))
    return []


def reset_by_us(p):
    p.send(post(p), frame(RST_STREAM, 0, 1, word(CANCEL)))
    return []


def whole(p, *middle, stream=1, path='/echo'):
    """A GET whose block is cut in two, with frames between the halves."""
    fields = block(p.request(path=path))
    return [frame(HEADERS, END_STREAM, stream, fields[:9]), *middle,
            frame(CONTINUATION, END_HEADERS, stream, fields[9:])]


def raw(p, extra, before=b''):
    """A GET whose block has bytes of our own before or behind its fields."""
    return [frame(HEADERS, FOOT, 1, before + block(p.request(path='/echo')) + extra)]


def shut_window(p):
    """An answer that waits for a window."""
    return [frame(SETTINGS, payload=settings((4, 0))), get(p, path='/bytes/9')]


def small_window(p):
    """RFC 9113 6.9.2: a window of 1 byte, then of 8 more."""
    p.send(frame(SETTINGS, payload=settings((4, 1))), get(p, path='/bytes/9'))
    p.wait(lambda: len(p.body(1)) == 1)
    time.sleep(0.1)
    p.take(0.05)
    if len(p.body(1)) != 1:
        raise AssertionError(f'{len(p.body(1))} bytes within a window of 1')
    return [frame(WINDOW_UPDATE, 0, 1, word(8))]


def negative_window(p):
    """RFC 9113 6.9.2: 3 bytes of window used, then the initial window becomes 2: -1 left."""
    p.send(frame(SETTINGS, payload=settings((4, 3))), get(p, path='/bytes/5'))
    p.wait(lambda: len(p.body(1)) == 3)
    p.send(frame(SETTINGS, payload=settings((4, 2))), frame(WINDOW_UPDATE, 0, 1, word(1)))
    p.take(0.2)
    if len(p.body(1)) != 3:
        raise AssertionError('DATA although the window is not above 0')
    return [frame(WINDOW_UPDATE, 0, 1, word(8))]


def cut_dependency(p):
    whole_frame = frame(PRIORITY, 0, 1, word(1 << 31 | 1) + b'\x0f')
    p.send(whole_frame[:11])
    return [whole_frame[11:]]


def acked(p):
    """How many SETTINGS were acknowledged beside the first."""
    p.send(frame(SETTINGS, payload=settings((3, 100))))
    before = len([f for f in p.seen if f[0] == SETTINGS and f[1] & ACK])
    if not p.wait(lambda: len([f for f in p.seen if f[0] == SETTINGS and f[1] & ACK]) > before):
        raise AssertionError('SETTINGS was not acknowledged')
    return [get(p, path='/echo')]


def cut_preface(p):
    for piece in (PREFACE[:1], PREFACE[1:20], PREFACE[20:] + frame(SETTINGS)[:5]):
        p.send(piece)
        time.sleep(0.02)
    return [frame(SETTINGS)[5:]]


STARTING = [
    ('3.4', 'a preface that is not one', lambda p: [b'PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n'],
     ('end',)),
    ('3.4', 'a first frame that is not SETTINGS', lambda p: [PREFACE, frame(PING,
    payload=b'8' * 8)],
     goaway(PROTOCOL_ERROR)),
    ('3.4', 'SETTINGS of the server come first, without waiting', lambda p: [PREFACE, frame(SETTINGS)],
     ('settings',)),
    ('3.4', 'a preface in pieces', cut_preface, ('settings',)),
    ('3.4', 'a request at once behind the preface',
     lambda p: [PREFACE, frame(SETTINGS), get(p, path='/echo')], answer()),
    ('3.4', 'HTTP/1.1 where HTTP/2 was negotiated',
     lambda p: [b'GET /echo HTTP/1.1\r\nHost: shop.example\r\n\r\n'], ('end',)),
    ('3.4', 'a first frame that acknowledges SETTINGS',
     lambda p: [PREFACE, frame(SETTINGS, ACK)], goaway(PROTOCOL_ERROR)),
]

FRAMES = [
    ('4.1', 'an unknown frame type is ignored', lambda p: [frame(0x16, 0, 0, b'8' * 8),
                                                          frame(PING, payload=b'12345678')], PONG),
    ('4.1', 'undefined flags are ignored', lambda p: [frame(PING, 0x16, payload=b'12345678')],
    PONG),
    ('4.1', 'the reserved bit is ignored',
     lambda p: [frame(PING, 0, 1 << 31, b'12345678')], PONG),
    ('4.2', 'DATA of 2^14 bytes', lambda p: [post(p), frame(DATA, END_STREAM, 1, b'x' * MAX_FRAME)],
     answer()),
    ('4.2', 'DATA larger than SETTINGS_MAX_FRAME_SIZE',
     lambda p: [post(p), frame(DATA, END_STREAM, 1, b'x' * (MAX_FRAME + 1))],
     reset(FRAME_SIZE_ERROR)),
    ('4.2', 'HEADERS larger than SETTINGS_MAX_FRAME_SIZE',
     lambda p: [get(p, ('x', 'y' * MAX_FRAME))], goaway(FRAME_SIZE_ERROR)),
    ('4.2', 'SETTINGS larger than SETTINGS_MAX_FRAME_SIZE',
     lambda p: [frame(SETTINGS, payload=b'\0' * (MAX_FRAME + 2))], goaway(FRAME_SIZE_ERROR)),
    ('4.3', 'a field block that does not decode', lambda p: [frame(HEADERS, FOOT, 1, b'\x40\x7f')],
     goaway(COMPRESSION_ERROR)),
    ('4.3', 'PRIORITY within a field block',
     lambda p: whole(p, frame(PRIORITY, 0, 1, word(0) + b'\0')), goaway(PROTOCOL_ERROR)),
    ('4.3', 'HEADERS of another stream within a field block',
     lambda p: whole(p, get(p, stream=3)), goaway(PROTOCOL_ERROR)),
    ('5.5', 'an unknown frame between requests is ignored',
     lambda p: [frame(0xff, 0xff, 1, b'x'), get(p, path='/echo')], answer()),
    ('5.5', 'an unknown frame within a field block',
     lambda p: whole(p, frame(0xff, 0, 1, b'x')), goaway(PROTOCOL_ERROR)),
]

IDLE = [
    ('5.1', 'idle: DATA', lambda p: [frame(DATA, END_STREAM, 1, b'x')], goaway(PROTOCOL_ERROR)),
    ('5.1', 'idle: RST_STREAM', lambda p: [frame(RST_STREAM, 0, 1, word(CANCEL))],
     goaway(PROTOCOL_ERROR)),
    ('5.1', 'idle: WINDOW_UPDATE', lambda p: [frame(WINDOW_UPDATE, 0, 1, word(1))],
     goaway(PROTOCOL_ERROR)),
    ('5.1', 'idle: CONTINUATION', lambda p: [frame(CONTINUATION, END_HEADERS, 1, block([]))],
     goaway(PROTOCOL_ERROR)),
    ('5.1', 'idle: PRIORITY is allowed',
     lambda p: [frame(PRIORITY, 0, 1, word(0) + b'\0'), get(p, path='/echo')], answer()),
]

HALF_CLOSED = [
    ('5.1', 'half-closed (remote): WINDOW_UPDATE opens a window of 0',
     lambda p: [*shut_window(p), frame(WINDOW_UPDATE, 0, 1, word(1))], ('body', 1, 1)),
    ('5.1', 'half-closed (remote): so it does behind PRIORITY',
     lambda p: [*shut_window(p), frame(PRIORITY, 0, 1, word(0) + b'\xff'),
                frame(WINDOW_UPDATE, 0, 1, word(1))], ('body', 1, 1)),
    ('5.1', 'half-closed (remote): DATA',
     lambda p: [get(p, path=SLOW), frame(DATA, END_STREAM, 1, b'x')], reset(STREAM_CLOSED)),
    ('5.1', 'half-closed (remote): HEADERS',
     lambda p: [get(p, path=SLOW), get(p)], reset(STREAM_CLOSED)),
    ('5.1', 'half-closed (remote): CONTINUATION',
     lambda p: [get(p, path=SLOW), frame(CONTINUATION, END_HEADERS, 1, block([('x', 'y')]))],
     goaway(PROTOCOL_ERROR, STREAM_CLOSED)),
    ('5.1', 'half-closed (remote): WINDOW_UPDATE is allowed',
     lambda p: [get(p, path=SLOW), frame(WINDOW_UPDATE, 0, 1, word(9))], answer()),
    ('5.1', 'half-closed (remote): PRIORITY is allowed',
     lambda p: [get(p, path=SLOW), frame(PRIORITY, 0, 1, word(0) + b'\0')], answer()),
    ('5.1', 'half-closed (remote): RST_STREAM is allowed',
     lambda p: [get(p, path=SLOW), frame(RST_STREAM, 0, 1, word(CANCEL)),
                frame(PING, payload=b'12345678')], PONG),
]

CLOSED = [
    ('5.1', 'closed by their RST_STREAM: DATA',
     lambda p: reset_by_us(p) + [frame(DATA, END_STREAM, 1, b'x')], reset(STREAM_CLOSED)),
    ('5.1', 'closed by their RST_STREAM: HEADERS', lambda p: reset_by_us(p) + [get(p)],
     reset(STREAM_CLOSED)),
    ('5.1', 'closed by their RST_STREAM: CONTINUATION',
     lambda p: reset_by_us(p) + [frame(CONTINUATION, END_HEADERS, 1, b'')],
     goaway(STREAM_CLOSED, PROTOCOL_ERROR)),
    ('5.1', 'closed by both ends: DATA', lambda p: answered(p) + [frame(DATA, END_STREAM, 1, b'x')],
     goaway(STREAM_CLOSED)),
    ('5.1', 'closed by both ends: HEADERS', lambda p: answered(p) + [get(p)],
     goaway(STREAM_CLOSED)),
    ('5.1', 'closed by both ends: CONTINUATION',
     lambda p: answered(p) + [frame(CONTINUATION, END_HEADERS, 1, b'')],
     goaway(STREAM_CLOSED, PROTOCOL_ERROR)),
    ('5.1', 'closed: PRIORITY is allowed',
     lambda p: answered(p) + [frame(PRIORITY, 0, 1, word(0) + b'\0'), frame(PING,
     payload=b'12345678')],
     PONG),
    ('5.1', 'closed: WINDOW_UPDATE and RST_STREAM that crossed are ignored',
     lambda p: answered(p) + [frame(WINDOW_UPDATE, 0, 1, word(1)),
                              frame(RST_STREAM, 0, 1, word(NO_ERROR)),
                              frame(PING, payload=b'12345678')], PONG),
]

STREAMS = [
    ('5.1.1', 'a stream of an even number', lambda p: [get(p, stream=2)], goaway(PROTOCOL_ERROR)),
    ('5.1.1', 'a stream of a smaller number', lambda p: [get(p, stream=5, path=SLOW), get(p,
    stream=3)],
     goaway(PROTOCOL_ERROR)),
    ('5.1.2', 'one stream more than SETTINGS_MAX_CONCURRENT_STREAMS',
     lambda p: [get(p, path=SLOW, stream=1 + 2 * i) for i in range(p.settings[3] + 1)],
     ('any-reset', (REFUSED_STREAM, PROTOCOL_ERROR))),
    ('5.3.1', 'a stream that depends on itself, by HEADERS',
     lambda p: [frame(HEADERS, FOOT | PRIORITIZED, 1, word(1) + b'\x0f' + block(p.request()))],
     ('tolerated', PROTOCOL_ERROR)),
    ('9218 7.1', 'PRIORITY_UPDATE of a stream to come, and of one that ended',
     lambda p: [frame(0x10, 0, 0, word(1) + b'u=0')] + answered(p)
     + [frame(0x10, 0, 0, word(1) + b'u=0, i'), frame(PING, 0, 0, b'12345678')], PONG),
    ('9218 7.1', 'PRIORITY_UPDATE on a stream', lambda p: [frame(0x10, 0, 1, word(1) + b'u=0')],
     goaway(PROTOCOL_ERROR)),
    ('9218 7.1', 'PRIORITY_UPDATE of stream 0', lambda p: [frame(0x10, 0, 0, word(0) + b'u=0')],
     goaway(PROTOCOL_ERROR)),
    ('9218 7.1', 'PRIORITY_UPDATE of a push that never was',
     lambda p: [frame(0x10, 0, 0, word(2) + b'u=0')], goaway(PROTOCOL_ERROR)),
    ('9218 7.1', 'PRIORITY_UPDATE without a stream', lambda p: [frame(0x10, 0, 0, b'u=0')],
     goaway(FRAME_SIZE_ERROR)),
    ('5.3.1', 'a stream that depends on itself, by PRIORITY',
     lambda p: [get(p, path=SLOW), frame(PRIORITY, 0, 1, word(1) + b'\x0f')],
     goaway(PROTOCOL_ERROR)),
    ('5.3.1', 'an idle stream that depends on itself',
     lambda p: [frame(PRIORITY, 0, 1, word(1) + b'\x0f')], goaway(PROTOCOL_ERROR)),
    ('5.3.1', 'an exclusive one, by a frame in two pieces', cut_dependency, goaway(PROTOCOL_ERROR)),
    ('5.4.1', 'after a connection error there is GOAWAY and the end',
     lambda p: [frame(PING, 0, 1, b'12345678')], ('goaway-end', (PROTOCOL_ERROR,))),
]

DATA_FRAMES = [
    ('6.1', 'DATA on stream 0', lambda p: [frame(DATA, 0, 0, b'x')], goaway(PROTOCOL_ERROR)),
    ('6.1', 'DATA padded', lambda p: [post(p), frame(DATA, END_STREAM | PADDED, 1,
    b'\5test' + b'\0' * 5)],
     answer()),
    ('6.1', 'DATA with padding as long as its payload',
     lambda p: [post(p), frame(DATA, END_STREAM | PADDED, 1, b'\5test')], goaway(PROTOCOL_ERROR)),
    ('6.1', 'DATA padded without a length', lambda p: [post(p), frame(DATA, END_STREAM | PADDED,
    1)],
     goaway(PROTOCOL_ERROR, FRAME_SIZE_ERROR)),
    ('6.1', 'several DATA frames', lambda p: [post(p), frame(DATA, 0, 1, b'a'),
                                             frame(DATA, END_STREAM, 1, b'b')], answer()),
]

HEADERS_FRAMES = [
    ('6.2', 'HEADERS on stream 0', lambda p: [get(p, stream=0)], goaway(PROTOCOL_ERROR)),
    ('6.2', 'HEADERS padded', lambda p: [frame(HEADERS, FOOT | PADDED, 1,
                                              b'\3' + block(p.request()) + b'\0' * 3)], answer()),
    ('6.2', 'HEADERS with priority', lambda p: [frame(HEADERS, FOOT | PRIORITIZED, 1,
                                                     word(0) + b'\xff' + block(p.request()))],
                                                     answer()),
    ('6.2', 'HEADERS with more padding than payload',
     lambda p: [frame(HEADERS, FOOT | PADDED, 1, b'\xff' + block(p.request()))],
     goaway(PROTOCOL_ERROR)),
    ('6.2', 'HEADERS whose priority is cut short',
     lambda p: [frame(HEADERS, FOOT | PRIORITIZED, 1, b'\0\0')], goaway(FRAME_SIZE_ERROR,
     PROTOCOL_ERROR)),
]

CONTROL_FRAMES = [
    ('6.3', 'PRIORITY on stream 0', lambda p: [frame(PRIORITY, 0, 0, word(0) + b'\0')],
     goaway(PROTOCOL_ERROR)),
    ('6.3', 'PRIORITY of 4 bytes', lambda p: [get(p, path=SLOW), frame(PRIORITY, 0, 1, word(0))],
     reset(FRAME_SIZE_ERROR)),
    ('6.3', 'PRIORITY exclusive, of weight 256',
     lambda p: [frame(PRIORITY, 0, 3, word(1 << 31) + b'\xff'), get(p, path='/echo')], answer()),
    ('6.3', 'PRIORITY of weight 1, that depends on another stream',
     lambda p: [get(p, path=SLOW), frame(PRIORITY, 0, 3, word(1) + b'\0'),
                get(p, stream=3, path='/echo')], answer(3)),
    ('6.4', 'RST_STREAM on stream 0', lambda p: [frame(RST_STREAM, 0, 0, word(CANCEL))],
     goaway(PROTOCOL_ERROR)),
    ('6.4', 'RST_STREAM of 3 bytes', lambda p: [get(p, path=SLOW), frame(RST_STREAM, 0, 1,
    b'\0\0\0')],
     goaway(FRAME_SIZE_ERROR)),
    ('6.5', 'SETTINGS acknowledgement with a payload', lambda p: [frame(SETTINGS, ACK, 0,
    settings((3, 1)))],
     goaway(FRAME_SIZE_ERROR)),
    ('6.5', 'SETTINGS on a stream', lambda p: [frame(SETTINGS, 0, 1)], goaway(PROTOCOL_ERROR)),
    ('6.5', 'SETTINGS of 3 bytes', lambda p: [frame(SETTINGS, 0, 0, b'\0\3\0')],
    goaway(FRAME_SIZE_ERROR)),
    ('6.5.2', 'SETTINGS_ENABLE_PUSH of 2', lambda p: [frame(SETTINGS, payload=settings((2, 2)))],
     goaway(PROTOCOL_ERROR)),
    ('6.5.2', 'SETTINGS_INITIAL_WINDOW_SIZE of 2^31',
     lambda p: [frame(SETTINGS, payload=settings((4, 1 << 31)))], goaway(FLOW_CONTROL_ERROR)),
    ('6.5.2', 'SETTINGS_MAX_FRAME_SIZE below 2^14',
     lambda p: [frame(SETTINGS, payload=settings((5, MAX_FRAME - 1)))], goaway(PROTOCOL_ERROR)),
    ('6.5.2', 'SETTINGS_MAX_FRAME_SIZE above 2^24-1',
     lambda p: [frame(SETTINGS, payload=settings((5, 1 << 24)))], goaway(PROTOCOL_ERROR)),
    ('6.5.2', 'an unknown setting is ignored',
     lambda p: [frame(SETTINGS, payload=settings((0xff, 1))), frame(PING, payload=b'12345678')],
     PONG),
    ('6.5.3', 'of one setting twice the last value holds',
     lambda p: [frame(SETTINGS, payload=settings((4, 100), (4, 1))), get(p, path='/bytes/9')],
     ('body', 1, 1)),
    ('6.5.3', 'SETTINGS are acknowledged', acked, answer()),
    ('6.6', 'PUSH_PROMISE from a client', lambda p: [frame(PUSH_PROMISE, END_HEADERS, 1,
    word(2) + block(p.request()))],
     goaway(PROTOCOL_ERROR)),
    ('6.7', 'PING is answered with its payload', lambda p: [frame(PING, payload=b'12345678')],
    PONG),
    ('6.7', 'a PING acknowledgement is not answered',
     lambda p: [frame(PING, ACK, 0, b'invalid!'), frame(PING, payload=b'12345678')], PONG),
    ('6.7', 'PING on a stream', lambda p: [frame(PING, 0, 1, b'12345678')], goaway(PROTOCOL_ERROR)),
    ('6.7', 'PING of 6 bytes', lambda p: [frame(PING, payload=b'123456')],
    goaway(FRAME_SIZE_ERROR)),
    ('6.8', 'GOAWAY lets what is under way end', lambda p: [get(p, path=SLOW), frame(
        GOAWAY, payload=word(0) + word(NO_ERROR))], answer()),
    ('6.8', 'GOAWAY with nothing under way ends the connection',
     lambda p: [frame(GOAWAY, payload=word(0) + word(NO_ERROR) + b'enough')], ('end',)),
    ('6.8', 'GOAWAY on a stream', lambda p: [frame(GOAWAY, 0, 1, word(0) + word(0))],
    goaway(PROTOCOL_ERROR)),
    ('6.8', 'GOAWAY of 4 bytes', lambda p: [frame(GOAWAY, payload=word(0))],
    goaway(FRAME_SIZE_ERROR)),
    ('7', 'RST_STREAM of an unknown error', lambda p: [get(p, path=SLOW), frame(RST_STREAM, 0, 1,
    word(0xff)),
                                                     frame(PING, payload=b'12345678')], PONG),
    ('7', 'GOAWAY of an unknown error', lambda p: [frame(GOAWAY, payload=word(0) + word(0xff))],
     ('no-error',)),
    ('7', 'GOAWAY of an unknown error ends the connection too',
     lambda p: [frame(GOAWAY, payload=word(0) + word(0xff))], ('end',)),
]

WINDOWS = [
    ('6.9', 'WINDOW_UPDATE by 0 of the connection', lambda p: [frame(WINDOW_UPDATE, 0, 0, word(0))],
     goaway(PROTOCOL_ERROR)),
    ('6.9', 'WINDOW_UPDATE by 0 of a stream', lambda p: [get(p, path=SLOW), frame(WINDOW_UPDATE, 0,
    1, word(0))],
     reset(PROTOCOL_ERROR)),
    ('6.9', 'WINDOW_UPDATE of a stream and of the connection',
     lambda p: [post(p), frame(WINDOW_UPDATE, 0, 1, word(1)), frame(WINDOW_UPDATE, 0, 0, word(1)),
                frame(DATA, END_STREAM, 1, b'x')], answer()),
    ('6.9', 'WINDOW_UPDATE by 0 of one stream after another',
     lambda p: [get(p, path=SLOW, stream=s) + frame(WINDOW_UPDATE, 0, s, word(0))
                for s in range(1, 99, 2)], ('any-reset', (PROTOCOL_ERROR,))),
    ('6.9', 'WINDOW_UPDATE of 3 bytes', lambda p: [frame(WINDOW_UPDATE, 0, 0, b'\0\0\1')],
     goaway(FRAME_SIZE_ERROR)),
    ('6.9.1', 'a window of 1 byte is respected',
     lambda p: [frame(SETTINGS, payload=settings((4, 1))), get(p, path='/bytes/9')], ('body', 1,
     1)),
    ('6.9.1', 'the connection window above 2^31-1',
     lambda p: [frame(WINDOW_UPDATE, 0, 0, word((1 << 31) - 1))] * 2, goaway(FLOW_CONTROL_ERROR)),
    ('6.9.1', 'a stream window above 2^31-1',
     lambda p: [get(p, path=SLOW)] + [frame(WINDOW_UPDATE, 0, 1, word((1 << 31) - 1))] * 2,
     reset(FLOW_CONTROL_ERROR)),
    ('6.9.1', 'more DATA than the stream window allows',
     lambda p: [post(p)] + [frame(DATA, 0, 1,
     b'x' * MAX_FRAME)] * (p.settings[4] // MAX_FRAME + 40),
     ('flow', (FLOW_CONTROL_ERROR,))),
    ('6.9.2', 'a window opens after HEADERS', small_window, ('body', 9, 1)),
    ('6.9.2', 'a window of 0 opens by SETTINGS',
     lambda p: [*shut_window(p), frame(SETTINGS, payload=settings((4, 1)))], ('body', 1, 1)),
    ('6.9.2', 'a window may become negative', negative_window, ('body', 5, 1)),
    ('6.9.2', 'SETTINGS that make a window larger than 2^31-1',
     lambda p: [get(p, path=SLOW), frame(WINDOW_UPDATE, 0, 1, word((1 << 31) - 1 - 65535)),
                frame(SETTINGS, payload=settings((4, 65536)))], goaway(FLOW_CONTROL_ERROR)),
]

BLOCKS = [
    ('6.10', 'a block in two pieces', whole, answer()),
    ('6.10', 'a block in many pieces', lambda p: [frame(HEADERS, END_STREAM, 1, literal(':method',
    'GET')),
                                                 *[frame(CONTINUATION, 0, 1, literal(n, v))
                                                   for n, v in p.request()[1:]],
                                                 frame(CONTINUATION, END_HEADERS, 1)], answer()),
    ('6.10', 'DATA within a block', lambda p: whole(p, frame(DATA, 0, 1, b'x')),
    goaway(PROTOCOL_ERROR)),
    ('6.10', 'CONTINUATION on stream 0', lambda p: [frame(HEADERS, END_STREAM, 1,
    block(p.request())),
                                                   frame(CONTINUATION, END_HEADERS, 0)],
     goaway(PROTOCOL_ERROR)),
    ('6.10', 'CONTINUATION of another stream', lambda p: [frame(HEADERS, END_STREAM, 1,
    block(p.request())),
                                                         frame(CONTINUATION, END_HEADERS, 3)],
     goaway(PROTOCOL_ERROR)),
    ('6.10', 'CONTINUATION behind END_HEADERS', lambda p: [get(p, path=SLOW), frame(CONTINUATION,
    END_HEADERS, 1)],
     goaway(PROTOCOL_ERROR)),
    ('6.10', 'CONTINUATION behind its own END_HEADERS',
     lambda p: whole(p, path=SLOW) + [frame(CONTINUATION, END_HEADERS, 1)], goaway(PROTOCOL_ERROR)),
    ('6.10', 'CONTINUATION behind DATA', lambda p: [post(p), frame(DATA, 0, 1, b'x'),
                                                   frame(CONTINUATION, END_HEADERS, 1)],
     goaway(PROTOCOL_ERROR)),
]

HPACK = [
    ('7541 2.3.3', 'an index beyond both tables', lambda p: raw(p, number_of(70, 7, 0x80)),
     goaway(COMPRESSION_ERROR)),
    ('7541 2.3.3', 'a literal whose name is beyond both tables',
     lambda p: raw(p, number_of(70, 6, 0x40) + b'\1x'), goaway(COMPRESSION_ERROR)),
    ('7541 4.2', 'a table size update behind a field', lambda p: raw(p, number_of(1, 5, 0x20)),
     goaway(COMPRESSION_ERROR)),
    ('7541 5.1', 'a number without end', lambda p: raw(p, b'\x7f' + b'\xff' * 12),
    goaway(COMPRESSION_ERROR)),
    ('7541 5.2', 'Huffman padding of more than 7 bits', lambda p: raw(p, b'\0\1x\x83\x1f\xff\xff'),
     goaway(COMPRESSION_ERROR)),
    ('7541 5.2', 'Huffman padding with zeroes', lambda p: raw(p, b'\0\1x\x81\x18'),
    goaway(COMPRESSION_ERROR)),
    ('7541 5.2', 'Huffman with the end of string', lambda p: raw(p, b'\0\1x\x84\xff\xff\xff\xff'),
     goaway(COMPRESSION_ERROR)),
    ('7541 6.1', 'index 0', lambda p: raw(p, b'\x80'), goaway(COMPRESSION_ERROR)),
    ('7541 6.3', 'a table size update above SETTINGS_HEADER_TABLE_SIZE',
     lambda p: raw(p, b'', number_of(8192, 5, 0x20)), goaway(COMPRESSION_ERROR)),
    ('7541 6.3', 'a table size update above it by one',
     lambda p: raw(p, b'', number_of(4097, 5, 0x20)), goaway(COMPRESSION_ERROR)),
    ('7541 6.3', 'table size updates to 128 and 4096', lambda p: raw(p, b'', number_of(128, 5,
    0x20) + number_of(4096, 5, 0x20)),
     answer()),
    ('7541 6.2.1', 'a literal with indexing', lambda p: raw(p, b'\x40\1x\1y'), answer()),
    ('7541 6.2.3', 'a literal never indexed', lambda p: raw(p, b'\x10\1x\1y'), answer()),
    ('7541 6.2.1', 'a name by static index', lambda p: raw(p, b'\x7a\1y'), answer()),
    ('7541 6.2.2', 'a name by static index, without indexing',
     lambda p: raw(p, number_of(58, 4) + b'\1y'), answer()),
    ('7541 6.2.3', 'a name by static index, never indexed',
     lambda p: raw(p, number_of(58, 4, 0x10) + b'\1y'), answer()),
    *[(f'7541 {section}', f'a literal in Huffman code, {how}',
       lambda p, n=first: raw(p, bytes((n,)) + b'\x81\xf3\x81\xf5'), answer())
      for section, first, how in (('6.2.1', 0x40, 'with indexing'),
                                  ('6.2.2', 0, 'without indexing'),
                                  ('6.2.3', 0x10, 'never indexed'))],
    ('7541 6.2.1', 'a literal with indexing, and its index', lambda p: raw(p, b'\x40\1x\1y\xbe'),
     answer()),
    ('7541 6.1', 'an indexed field without a value', lambda p: raw(p, b'\xba'), answer()),
    ('7541 6.3', 'a table size update to 0', lambda p: raw(p, b'', b'\x20'), answer()),
]

MALFORMED = reset(PROTOCOL_ERROR)


def trailers(p, *fields, flags=FOOT):
    return [post(p), frame(DATA, 0, 1, b'x'), frame(HEADERS, flags, 1, block(fields))]


MESSAGES = [
    ('8.1', 'HEAD', lambda p: [get(p, method='HEAD')], answer()),
    ('8.1', 'POST with trailers', lambda p: trailers(p, ('x-check', '1')), answer()),
    ('8.1', 'trailers without END_STREAM', lambda p: trailers(p, ('x', '1'), flags=END_HEADERS),
    MALFORMED),
    ('8.1', 'pseudo fields in trailers', lambda p: trailers(p, (':method', 'GET')), REFUSED),
    ('8.1', 'a length in trailers', lambda p: trailers(p, ('content-length', '1')), REFUSED),
    ('8.1', 'a host in trailers', lambda p: trailers(p, ('host', 'evil.example')), REFUSED),
    ('8.2.1', 'a field name in upper case', lambda p: [get(p, ('X-Test', '1'))], REFUSED),
    ('8.2.1', 'a field name with a colon', lambda p: [get(p, ('x:y', '1'))], REFUSED),
    ('8.2.1', 'a field value with a line feed', lambda p: [get(p, ('x', 'a\nb'))], REFUSED),
    ('8.2.1', 'a field value that begins with a blank', lambda p: [get(p, ('x', ' a'))], REFUSED),
    ('8.2.1', 'a field value that ends with a tab', lambda p: [get(p, ('x', 'a\t'))], REFUSED),
    *[('8.2.2', f'{name} in a request', lambda p, n=name, v=value: [get(p, (n, v))], REFUSED)
      for name, value in (('connection', 'keep-alive'), ('keep-alive', '1'), ('proxy-connection',
          'close'),
                          ('transfer-encoding', 'chunked'), ('upgrade', 'h2c'), ('te', 'gzip'),
                          ('te', 'trailers, deflate'))],
    ('8.2.2', 'te: trailers is allowed', lambda p: [get(p, ('te', 'trailers'))], answer()),
    ('8.3', 'an unknown pseudo field', lambda p: [get(p, (':test', '1'))], REFUSED),
    ('8.3', 'a response\'s pseudo field', lambda p: [get(p, (':status', '200'))], REFUSED),
    ('8.3', 'a pseudo field behind a regular one',
     lambda p: [p.head(1, [('x', '1')] + p.request())], REFUSED),
    *[('8.3.1', f'without {name}', lambda p, n=name: [get(p, without=(n,))], REFUSED)
      for name in (':method', ':scheme', ':path')],
    ('8.3.1', 'an empty :path', lambda p: [get(p, path='')], REFUSED),
    *[('8.3.1', f'{name} twice', lambda p, n=name, v=value: [p.head(1, [(n, v)] + p.request())],
    REFUSED)
      for name, value in ((':method', 'GET'), (':scheme', 'https'), (':path', '/'), (':authority',
          'shop.example'))],
    ('8.3.1', 'OPTIONS *', lambda p: [get(p, method='OPTIONS', path='*')], ('answered',)),
    ('8.3.1', 'CONNECT with :path', lambda p: [get(p, method='CONNECT', path='/')], REFUSED),
    ('8.1.1', 'content-length that one DATA frame does not keep',
     lambda p: [post(p, ('content-length', '1')), frame(DATA, END_STREAM, 1, b'test')], MALFORMED),
    ('8.1.1', 'content-length that several DATA frames do not keep',
     lambda p: [post(p, ('content-length', '1')), frame(DATA, 0, 1, b'te'), frame(DATA, END_STREAM,
     1, b'st')],
     MALFORMED),
    ('8.1.1', 'content-length without any DATA', lambda p: [get(p, ('content-length', '5'))],
    MALFORMED),
    ('8.1.1', 'content-length longer than DATA',
     lambda p: [post(p, ('content-length', '9')), frame(DATA, END_STREAM, 1, b'test')], MALFORMED),
]

CASES = (FRAMES + IDLE + HALF_CLOSED + CLOSED + STREAMS + DATA_FRAMES + HEADERS_FRAMES +
         CONTROL_FRAMES + WINDOWS + BLOCKS + HPACK + MESSAGES)
