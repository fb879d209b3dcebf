# SPDX-License-Identifier: Apache-2.0
"""Answers of an origin that two readers could understand differently: (verdict, sentence, bytes). An origin
(crooked_origin.py) gives the row whose number is the path; crooked_client.py asks for each.

  REFUSED   502
  BROKEN    502, or what had begun is cut: never whole
  GOOD      200 with the body `good`, and nothing of what is behind it

The origin leaves the connection open, but for rows whose bytes end with CLOSE.
"""
REFUSED, BROKEN, GOOD = 'refused', 'broken', 'good'
CLOSE = b'<close>'
PAUSE = b'<pause>'  # the rest comes when the connection is idle
POISON = b'HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison'
FINE = b'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood'


def head(*lines, start=b'HTTP/1.1 200 OK'):
    return b'\r\n'.join((start, *lines, b'', b''))


def chunked(*parts):
    return head(b'Transfer-Encoding: chunked') + b''.join(parts)


STARTS = [(REFUSED, f'starts {start!r}', head(b'Content-Length: 4', start=start) + b'good') for start in (
    b'HTTP/1.1 99 a', b'HTTP/1.1 099 a', b'HTTP/1.1 600 a', b'HTTP/1.1 2000 a', b'HTTP/1.1  200 a', b'HTTP/1.1 20a a',
    b'HTTP/1.1 200 a\x01', b'HTTP/2.0 200 a', b'HTTP/0.9 200 a', b'http/1.1 200 a', b'ICY 200 OK', b'HTTP/1.1', b'garbage',
    b'\r\nHTTP/1.1 200 OK', b' HTTP/1.1 200 OK', b'HTTP/1.1\t200\tOK', b'HTTP/1.1 -200 OK', b'HTTP/1.1 101 Switching',
    b'HTTP/1.1 200 O\rK', b'HTTP/1.1 200 OK\nX: y')]

FRAMINGS = [(REFUSED, f'with {lines!r}', head(*lines) + b'good') for lines in (
    (b'Content-Length: 4', b'Transfer-Encoding: chunked'), (b'Transfer-Encoding: chunked', b'Content-Length: 4'),
    (b'Transfer-Encoding: gzip',), (b'Transfer-Encoding: chunked, identity',), (b'Transfer-Encoding: xchunked',),
    (b'Transfer-Encoding: chunked', b'Transfer-Encoding: chunked'), (b'Transfer-Encoding:',), (b'Transfer-Encoding: ,chunked',),
    (b'Content-Length: 4', b'Content-Length: 5'), (b'Content-Length: 5', b'Content-Length: 4'),
    (b'Content-Length: 4, 5',), (b'Content-Length: +4',), (b'Content-Length: -4',), (b'Content-Length: 4x',),
    (b'Content-Length: 0x4',), (b'Content-Length:',), (b'Content-Length: 18446744073709551620',), (b'Content-Length: 4 4',),
    (b'Content-Length : 4',), (b'Transfer-Encoding : chunked',), (b'Transfer-Encoding:\x0bchunked',),
    (b'Transfer-Encoding: chunked\r',), (b'Content-Length:\r\n 4',))] + [
    (REFUSED, 'a coding in HTTP/1.0', head(b'Transfer-Encoding: chunked', start=b'HTTP/1.0 200 OK') + b'0\r\n\r\n')]

FIELDS = [(REFUSED, f'with {line!r:.60}', head(line, b'Content-Length: 4') + b'good') for line in (
    b'X: y\r\n z', b'X: y\r\n\tContent-Length: 9', b'X : y', b'X\t: y', b'X: a\0b', b'X: a\rb', b'X: a\nb',
    b'X: a\n\nHTTP/1.1 200 OK', b'X y', b': y', b'\x80x: y', b'x(: y', b' X: y', b'X: a\x01b', b'X: a\x7fb',
    b'X: ' + b'a' * 70000)]

BODIES = [(BROKEN, sentence, data) for sentence, data in (
    ('a body cut short', head(b'Content-Length: 9') + b'good' + CLOSE), ('a chunk cut short', chunked(b'9\r\ngood', CLOSE)),
    ('chunks without an end', chunked(b'4\r\ngood\r\n', CLOSE)), ('an end without a line', chunked(b'4\r\ngood\r\n0\r\n', CLOSE)),
    ('a chunk longer than its size', chunked(b'4\r\ngoodX\r\n0\r\n\r\n')), ('a size of no digits', chunked(b'g\r\ngood\r\n0\r\n\r\n')),
    ('a size like 0x4', chunked(b'0x4\r\ngood\r\n0\r\n\r\n')), ('a size like +4', chunked(b'+4\r\ngood\r\n0\r\n\r\n')),
    ('a size behind a blank', chunked(b' 4\r\ngood\r\n0\r\n\r\n')), ('a size like 4_0', chunked(b'4_0\r\ngood\r\n0\r\n\r\n')),
    ('an empty size', chunked(b'\r\n\r\n')), ('a size of 2^64 + 4', chunked(b'10000000000000004\r\ngood\r\n0\r\n\r\n')),
    ('a size that ends by LF', chunked(b'4\ngood\r\n0\r\n\r\n')), ('a chunk that ends by LF', chunked(b'4\r\ngood\n0\r\n\r\n')),
    ('an extension with LF', chunked(b'4;\nx\r\ngood\r\n0\r\n\r\n')), ('an extension with CR', chunked(b'4;\rx\r\ngood\r\n0\r\n\r\n')),
    ('a folded trailer', chunked(b'4\r\ngood\r\n0\r\nX: y\r\n z\r\n\r\n')),
    ('a length in trailers', chunked(b'4\r\ngood\r\n0\r\nContent-Length: 9\r\n\r\n')),
    ('a trailer with LF', chunked(b'4\r\ngood\r\n0\r\nX: y\nZ: z\r\n\r\n')),
    ('a pause before a bad chunk', chunked(b'4\r\ngood\r\n', PAUSE, b'zz\r\n' + POISON)))]

BEHIND = [(GOOD, sentence, data) for sentence, data in (
    ('another answer behind it', FINE + POISON), ('bytes behind it', FINE + b'X' * 50),
    ('an empty line behind it', FINE + b'\r\n' + POISON), ('another answer behind its chunks', chunked(b'4\r\ngood\r\n0\r\n\r\n', POISON)),
    ('another answer when nobody asked', FINE + PAUSE + POISON), ('half an answer when nobody asked', FINE + PAUSE + POISON[:20]),
    ('bytes when nobody asked', FINE + PAUSE + b'X'), ('an interim answer before it', b'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n' + FINE),
    ('many interim answers before it', b'HTTP/1.1 102 Processing\r\n\r\n' * 9 + FINE),
    ('blanks and bytes above 127', head(b'X: \t y \xff\t', b'Content-Length:  4 ') + b'good'),
    ('a chunk extension and a trailer', chunked(b'4;a=b\r\ngood\r\n0\r\nX: y\r\n\r\n')),
    ('a body to the end', head(b'Connection: close') + b'good' + CLOSE), ('no reason', head(b'Content-Length: 4', start=b'HTTP/1.1 200') + b'good'),
    ('HTTP/1.0', head(b'Content-Length: 4', start=b'HTTP/1.0 200 OK') + b'good'))]

FLOODS = [(REFUSED, 'interim answers without end', b'HTTP/1.1 102 Processing\r\n\r\n' * 500 + FINE)]

ANSWERS = STARTS + FRAMINGS + FIELDS + BODIES + BEHIND + FLOODS
