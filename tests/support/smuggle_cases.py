# SPDX-License-Identifier: Apache-2.0
"""Requests that two readers could understand differently, written as bytes (HTTP/1.1) or as raw
fields (HTTP/2), each with the reason counter by which the edge must refuse it.

A row: (class, bytes or fields, counter of http.def or exchange.def). SECOND is a request that a
smuggler hides behind the first; it must never reach the origin.
"""
SECOND = b'GET /smuggled HTTP/1.1\r\nHost: shop.example\r\n\r\n'
HEX = f'{len(SECOND):x}'.encode()


def head(*lines, start=b'POST /plain HTTP/1.1', host=b'Host: shop.example'):
    return b'\r\n'.join((start, host) + lines) + b'\r\n\r\n'


def rows(name, counter, payloads):
    return [(name, payload, counter) for payload in payloads]


CHUNKED = b'Transfer-Encoding: chunked'
CL_AND_TE = [head(a, b) + b'0\r\n\r\n' + SECOND
             for length in (b'0', b'4', b'5', str(5 + len(SECOND)).encode())
             for coding in (CHUNKED, b'transfer-encoding: CHUNKED', b'Transfer-Encoding:chunked',
                            b'Transfer-Encoding:  chunked', b'Transfer-Encoding: chunked ',
                            b'Transfer-Encoding: identity', b'Transfer-Encoding:',
                            b'Transfer-Encoding: xchunked')
             for a, b in ((b'Content-Length: ' + length, coding), (coding,
                 b'Content-Length: ' + length))]

UNKNOWN_CODINGS = [head(b'Transfer-Encoding: ' + c) + HEX + b'\r\n' + SECOND + b'\r\n0\r\n\r\n' for c in (
    b'xchunked', b'chunkedx', b'chunke', b'identity', b'gzip', b'gzip, chunked', b'chunked, gzip',
    b'chunked, identity', b'identity, chunked', b'"chunked"', b'chunked;q=1', b'x chunked', b'cow',
    b'chunked x', b'\xe3\x83\x81unked', b'ch\xc3\xbcnked', b'chunked\xa0', b'compress', b'deflate',
    b'trailers', b'chunked; ext', b'cow, chunked, cow')]
BAD_CODINGS = [head(*lines) + b'0\r\n\r\n' + SECOND for lines in (
    (CHUNKED, CHUNKED), (CHUNKED, b'Transfer-Encoding: identity'), (CHUNKED,
        b'Transfer-Encoding: cow'),
    (b'Transfer-Encoding: identity', CHUNKED), (b'Transfer-Encoding: chunked, chunked',),
    (b'Transfer-Encoding: chunked,',), (b'Transfer-Encoding: ,chunked',), (b'Transfer-Encoding:',),
    (b'Transfer-Encoding: ,',), (CHUNKED, b'X: y', b'transfer-encoding: chunked'))]

LENGTHS = [head(b'Content-Length: ' + n) + b'ABCDE' + SECOND for n in (
    b'+5', b'-5', b'-1', b'0x5', b'5 5', b'5,5', b'5, 5', b'5;', b'5.0', b'5e0', b'', b'five',
        b'5a', b'\xb2',
    b'18446744073709551616', b'18446744073709551621', b'99999999999999999999',
    b'9223372036854775808',
    b'00000000000000000005', b'"5"', b'0b101', b'5_0', b'%35', b'5\t5', b'1 0', b'\xef\xbc\x95',
    b'010', b'00', b'05', b'000', b'-0', b'0o5', b'5 \x85', b'5, 5, 5')]
LENGTHS_TWICE = [head(*lines) + b'ABCDE' + SECOND for lines in (
    (b'Content-Length: 5', b'Content-Length: 5'), (b'Content-Length: 5', b'Content-Length: 0'),
    (b'Content-Length: 0', b'Content-Length: 5'), (b'Content-Length: 5', b'content-length: 6'),
    (b'Content-Length: 5', b'X: y', b'CONTENT-LENGTH: 5'),
    (b'Content-Length: 5',) * 3)]

BLANK_COLON = [head(n + b' : ' + v) + b'0\r\n\r\n' + SECOND for n, v in (
    (b'Transfer-Encoding', b'chunked'), (b'Content-Length', b'5'), (b'X', b'y'))] + [
    head(n + b'\t: ' + v) + b'0\r\n\r\n' + SECOND for n, v in (
        (b'Transfer-Encoding', b'chunked'), (b'Content-Length', b'5'), (b'X', b'y'))] + [
    head(start=b'GET /plain HTTP/1.1', host=b'Host : shop.example')]

NAMES = [head(n + b': chunked') + b'0\r\n\r\n' + SECOND for n in (
    b'Transfer Encoding', b'Transfer-Encoding\0', b'\0Transfer-Encoding', b'Transfer-Encoding\x0b',
    b'\x0bTransfer-Encoding', b'Transfer-Encoding\xa0', b'Transfer\xc2\xadEncoding',
    b'"Transfer-Encoding"',
    b'Transfer-Encoding,', b'(x)', b'[x]', b'{x}', b'x@y', b'x/y', b'x=y', b'x?y', b'x;y', b'x<y',
    b'x>y',
    b'x\\y', b'\x7f', b'\x80x', b'', b'Transfer_Encoding', b'transfer_encoding',
    b'Transfer.Encoding', b'Transfer\\Encoding', b'Transfer-Encoding x', b'Transf\x82r-Encoding',
    b'Transfer-\r\nEncoding')] + [
    head(n + b'_Length: 5') + b'ABCDE' + SECOND for n in (b'Content', b'CONTENT', b'content')] + [
    head(line) + SECOND for line in (b'Transfer-Encoding', b'chunked', b'x', b'=', b'{}',
        b'GET / HTTP/1.1')]

FOLDED = [head(*lines) + b'0\r\n\r\n' + SECOND for lines in (
    (b'Transfer-Encoding:', b' chunked'), (b'Transfer-Encoding:', b'\tchunked'), (b'X: y',
        b' Content-Length: 5'),
    (b'X: y', b'\tTransfer-Encoding: chunked'), (b'X: y', b' '), (b'X: y', b' \t'),
    (b'Content-Length: 1', b' 0'))] + [
    head(start=b'GET /plain HTTP/1.1', host=b' Host: shop.example'),
    head(start=b'GET /plain HTTP/1.1', host=b'\tHost: shop.example'),
    head(start=b'GET /plain HTTP/1.1', host=b'Host:\r\n shop.example')]

VALUES = [head(b'X: ' + v) + SECOND for v in (
    b'a\0b', b'\0', b'a\x01b', b'a\x08', b'a\x0bTransfer-Encoding: chunked', b'a\x0c', b'a\x1f',
        b'a\x7fb', b'\x1b[2J')] + [
    head(b'Transfer-Encoding: ' + v) + b'0\r\n\r\n' + SECOND for v in (b'\x0bchunked',
        b'chunked\x0b', b'chunked\0', b'\x0cchunked', b'\tchunked', b'chunked\t',
        b'chunked \t ')] + [
    head(b'Content-Length:' + v) + b'ABCDE' + SECOND for v in (b'\t5', b' 5\t', b'\t 5 \t')]

BARE_CR = [head(line) + b'0\r\n\r\n' + SECOND for line in (
    b'X: a\rTransfer-Encoding: chunked', b'X: a\r\rb', b'\rX: y', b'X\r: y',
        b'Transfer-Encoding: \rchunked',
    b'Transfer-Encoding: chunked\r', b'X:\r')] + [
    b'GET /plain\r HTTP/1.1\r\nHost: shop.example\r\n\r\n',
        b'GET /plain HTTP/1.1\rHost: shop.example\r\n\r\n',
    b'\rGET /plain HTTP/1.1\r\nHost: shop.example\r\n\r\n']
BARE_LF = [text.replace(b'\r\n', b'\n') for text in (head(start=b'GET /plain HTTP/1.1'),
    head(CHUNKED) + b'0\r\n\r\n')] + [
    head(b'X: a\nTransfer-Encoding: chunked') + b'0\r\n\r\n' + SECOND, head(b'X: a\n') + SECOND,
    b'GET /plain HTTP/1.1\nHost: shop.example\r\n\r\n',
    b'GET /plain HTTP/1.1\r\nHost: shop.example\n\r\n',
    b'GET /plain HTTP/1.1\r\nHost: shop.example\r\n\n',
    b'\n\nGET /plain HTTP/1.1\r\nHost: shop.example\r\n\r\n',
    head(b'\nX: y'), b'GET /plain HTTP/1.1\r\nX: y\n\r\nHost: shop.example\r\n\r\n']

CHUNKS = [head(CHUNKED) + body for body in (
    b'5\nABCDE\r\n0\r\n\r\n', b'5\r\nABCDE\n0\r\n\r\n', b'5\r\nABCDE0\r\n\r\n',
        b'5\r\nABCDEF\r\n0\r\n\r\n', b'5\rABCDE\r\n0\r\n\r\n',
    b' 5\r\nABCDE\r\n0\r\n\r\n', b'5 \r\nABCDE\r\n0\r\n\r\n', b'\t5\r\nABCDE\r\n0\r\n\r\n',
    b'5\t\r\nABCDE\r\n0\r\n\r\n',
    b'0x5\r\nABCDE\r\n0\r\n\r\n', b'+5\r\nABCDE\r\n0\r\n\r\n', b'-5\r\nABCDE\r\n0\r\n\r\n',
    b'g\r\n\r\n', b'\r\n\r\n', b'\n5\r\nABCDE\r\n',
    b'5_0\r\nABCDE\r\n', b'5,5\r\nABCDE\r\n', b'"5"\r\nABCDE\r\n', b'5.\r\nABCDE\r\n',
    b'5\0\r\nABCDE\r\n', b'5\x0b\r\nABCDE\r\n',
    b'10000000000000005\r\nABCDE\r\n0\r\n\r\n', b'fffffffffffffffff\r\nABCDE',
    b'0000000000000000000005\r\nABCDE\r\n0\r\n\r\n',
    b'ffffffffffffffff\r\nABCDE\r\n', b'8000000000000000\r\nABC', b'5 ;x\r\nABCDE\r\n0\r\n\r\n',
    b'5;x\nABCDE\r\n0\r\n\r\n',
    b'5;\nxx\r\n' + b'0\r\n\r\n' + SECOND, b'5;x\0\r\nABCDE\r\n', b'5;x\x0b\r\nABCDE\r\n',
    b'5;\rx\r\nABCDE\r\n', b'5\r\nABCDE\r\n0\n\r\n' + SECOND,
    b'5\r\nABCDE\rX0\r\n\r\n', b'5\r\nABCDE\r\n\r\n0\r\n\r\n', b'0 \r\n\r\n' + SECOND,
    b'00x\r\n\r\n', b'5\r\r\nABCDE\r\n', HEX + b'\n' + SECOND,
    b'0_2e\r\n\r\n' + SECOND, b'5\r\r;ABCD\r\n34\r\nE\r\n0\r\n\r\n', b'-0x0\r\n\r\n',
    b'41;a=b\r\r' + b'X' * 65 + b'\r\n0\r\n\r\n', b'2\r\r;a\r\n02\r\n41\r\n0\r\n\r\n',
    b'no size at all\r\n' + SECOND, b'5\r\nABCDEXX0\r\n\r\n' + SECOND)] + [
    head(CHUNKED) + b'5' + extension + b'\r\nABCDE\r\n0\r\n\r\n' + SECOND for extension in (
        b';', b';;a', b';a;', b';a=', b';=b', b';a b', b';a=b c', b';a=b=c', b';a="b', b';a="b"c',
        b';a ', b';a[', b';\xff', b';a=\x80', b'; ', b';"a"', b' ', b';a="\r\n"')] + [
    head(CHUNKED) + b'0;\r\n\r\n' + SECOND]
EXTENSIONS = [head(CHUNKED) + b'5;' + b'x' * 5000 + b'\r\nABCDE\r\n0\r\n\r\n',
              head(CHUNKED) + (b'1;' + b'x' * 500 + b'\r\nA\r\n') * 10 + b'0\r\n\r\n']
TRAILERS = [(name, head(CHUNKED) + b'5\r\nABCDE\r\n0\r\n' + lines + b'\r\n\r\n' + SECOND,
    counter) for name, lines, counter in (
    ('trailer', b'X : y', 'http_space_before_colon'), ('trailer', b'X: y\r\n z',
        'http_field_folded'),
    ('trailer', b'X: y\nZ: z', 'http_bare_line_feed'), ('trailer', b'X: a\0b',
    'http_field_value_bad'),
    ('trailer', b'X y', 'http_field_name_bad'), ('trailer', b'X: y\rZ: z',
    'http_bare_carriage_return'),
    ('trailer', b'Content-Length: 5', 'http_length_and_coding'),
    ('trailer', b'X: y\r\ncontent-length: 0', 'http_length_and_coding'),
    ('trailer', b'Transfer-Encoding: chunked', 'http_coding_bad'),
    ('trailer', b'Host: evil.example', 'http_host_repeated'))]

CODING_10 = [head(CHUNKED, start=b'POST /plain HTTP/1.0') + b'0\r\n\r\n' + SECOND,
             head(CHUNKED, b'Connection: keep-alive',
             start=b'POST /plain HTTP/1.0') + b'0\r\n\r\n' + SECOND]

STARTS = [head(start=s) for s in (
    b'GET  /plain HTTP/1.1', b'GET /plain  HTTP/1.1', b'GET\t/plain\tHTTP/1.1',
        b'GET /plain HTTP/1.1 ', b'GET /plain HTTP/1.1 x',
    b'GET /plain', b'GET', b'GET /plain HTTP/1', b'GET /plain http/1.1', b'GET /plain HTTP/11',
    b'GET /plain HTTP /1.1',
    b'GET /plain HTTP/1.1/1.1', b'GET /plain HTTP/a.b', b'GET /plain HTTQ/1.1',
    b'GET /pl ain HTTP/1.1', b'GET /plain HTTP/1.1\0',
    b'GET /plain HTTP/1.10', b'GET /plain HTTP/01.1', b'GET /plain HTTP/+1.1',
    b'GET /plain ICY/1.1', b'GET http://a b/ HTTP/1.1')]
VERSIONS = [head(start=s) for s in (b'GET /plain HTTP/2.0', b'GET /plain HTTP/0.9',
    b'GET /plain HTTP/1.2', b'GET /plain HTTP/3.0', b'GET /plain HTTP/9.9', b'PRI * HTTP/2.0')]
METHODS = [head(start=m + b' /plain HTTP/1.1') for m in (
    b'G:T', b'GET\0', b'"GET"', b'G(T', b'\x80GET', b'GET,', b'G@T', b'G[T', b'', b'GET\x7f',
        b'A' * 40, b'GET;x', b'{GET}')]
TARGETS = [head(start=b'GET ' + t + b' HTTP/1.1') for t in (
    b'plain', b'*', b'shop.example:443', b'/a\0b', b'/a\x01b', b'/a\x7fb', b'/a\x80b', b'/\xc3\xa4',
        b'/a#b', b'//\t', b'?a', b'\\plain', b'/a\tb',
    b'ftp://shop.example/', b'http:/plain', b'http:///plain', b'http://', b'https:shop.example/',
    b'http://shop.example?x',
    b'javascript:alert(1)', b'file:///etc/passwd', b'http://user@shop.example/',
        b'http://user:pw@shop.example/', b'http://shop.example:/plain',
    b'http://shop.example:0/', b'http://shop.example:99999/', b'http://shop.example:8a/',
    b'http://[::1/', b'http://[v1.x]/', b'http://.shop.example/',
    b'http://shop..example/', b'http://shop.example\\@evil/', b'http://evil%2fshop.example/',
    b'@shop.example/', b'://x/', b'/a\x1bb', b'/\xff\xfe')]
ABSOLUTE = [head(start=b'GET ' + t + b' HTTP/1.1') for t in (
    b'http://evil.example/plain', b'https://evil.example/plain', b'http://shop.example:81/plain',
        b'http://shop.example.evil/plain')] + [
    head(start=b'GET http://shop.example/plain HTTP/1.1',
        host=b'Host: ' + h) for h in (b'evil.example', b'shop.example.', b'shop.example:443',
        b'127.0.0.1')]

HOSTS_BAD = [head(start=b'GET /plain HTTP/1.1', host=b'Host: ' + h) for h in (
    b'', b'shop.example/x', b'shop.example@evil', b'user@shop.example', b'shop.example#x',
        b'shop.example?x', b'a b', b'shop.example, evil.example',
    b'shop.example:', b'shop.example:0', b'shop.example:65536', b'shop.example:443:443',
    b'shop.example:+443', b'shop.example: 443', b'[::1', b'[::1]x', b'[g::1]',
    b'shop..example', b'.shop.example', b'shop.example\\', b'shop%2eexample',
    b'sh\xc3\xb6p.example', b'"shop.example"', b'<x>', b'shop.example;x', b'a' * 300,
    b'http://shop.example', b'*', b'shop.example:0x1bb', b'[::1]:', b'[]', b'::1',
    b'shop.example\xa0', b'{x}', b"shop.example'", b'$x', b'a,b', b'(x)', b'a|b', b'a^b')]
HOSTS_TWICE = [head(*lines, start=b'GET /plain HTTP/1.1') for lines in (
    (b'Host: shop.example',), (b'Host: evil.example',), (b'host: evil.example',), (b'X: y',
        b'HOST: shop.example'), (b'Host:',))]
HOSTLESS = [b'GET /plain HTTP/1.1\r\n\r\n', b'GET /plain HTTP/1.1\r\nX-Host: shop.example\r\n\r\n',
    b'GET http://shop.example/plain HTTP/1.1\r\nX: y\r\n\r\n']

SIZES = [head(b'X: ' + b'a' * 20000), head(*[b'X-%d: ' % i + b'a' * 600 for i in range(40)]),
    head(b'a' * 17000 + b': y')]
MANY = [head(*[b'X-%d: y' % i for i in range(200)])]
LONG = [head(start=b'GET /' + b'a' * 9000 + b' HTTP/1.1'),
    head(start=b'GET /?' + b'a' * 12000 + b' HTTP/1.1')]
EXPECTS = [head(b'Expect: ' + e, b'Content-Length: 5') + b'ABCDE' for e in (b'100-continue-x',
    b'200-ok', b'x', b'100', b'100-continue, x', b'y 100-continue', b'"100-continue"',
    b'100-continue;x', b'100 continue', b'')]
# 0.CL: a length that one side does not see, behind a promise that the other must answer (Kettle 2025).
EXPECTS_HIDDEN = [(name, head(b'Expect: 100-continue', line, start=method + b' /plain HTTP/1.1') + b'ABCDEFG' + SECOND,
    counter) for method in (b'GET', b'POST') for name, line, counter in (
    ('expect, hidden length', b'Content-Length : 7', 'http_space_before_colon'),
    ('expect, hidden length', b'Content-Length\t: 7', 'http_space_before_colon'),
    ('expect, hidden length', b'Content-Length:\r\n 7', 'http_field_folded'),
    ('expect, hidden length', b'X: x\r\n Content-Length: 7', 'http_field_folded'),
    ('expect, hidden length', b'X: x\nContent-Length: 7', 'http_bare_line_feed'),
    ('expect, hidden length', b'X: x\rContent-Length: 7', 'http_bare_carriage_return'),
    ('expect, hidden length', b'Content_Length: 7', 'http_field_name_bad'),
    ('expect, hidden length', b'Content-Length: 7\r\nContent-Length: 7', 'http_length_repeated'))]
OPTIONS = [head(b'Connection: ' + b', '.join(b'x-%d' % i for i in range(40)))]

HTTP1 = sum((
    rows('CL and TE', 'http_length_and_coding', CL_AND_TE), rows('TE unknown',
        'http_coding_unknown', UNKNOWN_CODINGS),
    rows('TE.TE', 'http_coding_bad', BAD_CODINGS), rows('CL', 'http_length_bad', LENGTHS),
    rows('CL.CL', 'http_length_repeated', LENGTHS_TWICE),
    rows('blank before colon', 'http_space_before_colon', BLANK_COLON), rows('name',
    'http_field_name_bad', NAMES),
    rows('folded', 'http_field_folded', FOLDED), rows('value', 'http_field_value_bad', VALUES),
    rows('bare CR', 'http_bare_carriage_return', BARE_CR),
    rows('bare LF', 'http_bare_line_feed', BARE_LF), rows('chunk', 'http_chunk_bad', CHUNKS),
    rows('extension', 'http_chunk_extensions_long', EXTENSIONS),
    TRAILERS, rows('TE in 1.0', 'http_coding_in_http10', CODING_10), rows('start line',
    'http_start_line_bad', STARTS),
    rows('version', 'http_version_unsupported', VERSIONS), rows('method', 'http_method_bad',
    METHODS), rows('target', 'http_target_bad', TARGETS),
    rows('absolute', 'http_host_differs', ABSOLUTE), rows('host', 'http_host_bad', HOSTS_BAD),
    rows('hosts', 'http_host_repeated', HOSTS_TWICE),
    rows('no host', 'http_host_missing', HOSTLESS), rows('head', 'http_head_too_large', SIZES),
    rows('fields', 'http_fields_too_many', MANY),
    rows('target length', 'http_target_too_long', LONG), rows('expect', 'http_expect_unknown',
    EXPECTS), EXPECTS_HIDDEN, rows('options', 'http_connection_options_many', OPTIONS)), [])


# HTTP/2: fields that would become something else in HTTP/1.1.
def request(*more, without=(), **pseudo):
    given = {'method': 'POST', 'scheme': 'https', 'path': '/plain', 'authority': 'shop.example',
        **pseudo}
    return [(':' + n, v) for n, v in given.items() if n not in without] + list(more)


INJECTED = '\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n'
H2_NAMES = [request((n, 'x')) for n in (
    'X', 'foO', 'a b', 'a\tb', 'a:b', 'a\r\nb', 'a\nb', 'a\0b', 'transfer-encoding: chunked\r\nx',
        'a\x7f', '\xe4', 'a"b', 'a(b', 'a,b', 'a/b', 'a;b', 'a<b',
    'a=b', 'a>b', 'a?b', 'a@b', 'a[b', 'a\\b', 'a]b', 'a{b', 'a}b', ' a', 'a ',
    'content-length\r\n', 'host:x', 'transfer_encoding', 'content_length', 'transfer.encoding',
    'transfer-encoding:chunked', 'transfer-encoding chunked ')]
H2_VALUES = [request(('x', v)) for v in (
    'a\rb', 'a\nb', 'a\r\nb', 'a\0b', 'x' + INJECTED, '\r\n', '\0', ' a', 'a ', '\ta', 'a\t',
        'a\x01b', 'a\x7f', 'a\x0bb', 'a\x1bb')]
H2_HOP = [request((n, v)) for n, v in (
    ('transfer-encoding', 'chunked'), ('transfer-encoding', 'identity'), ('connection', 'close'),
        ('connection', 'content-length'), ('keep-alive', '5'),
    ('proxy-connection', 'keep-alive'), ('upgrade', 'h2c'), ('upgrade', 'websocket'), ('te',
    'chunked'), ('te', 'trailers, chunked'), ('http2-settings', 'AAMAAABk'))]
H2_PSEUDO = [request(without=(n,)) for n in ('method', 'scheme',
    'path')] + [[f] + request() for f in request()] + [
    request((n, v)) for n, v in ((':method', 'GET'), (':path', '/smuggled'), (':authority',
        'evil.example'), (':status', '200'), (':x', 'y'), (':protocol', 'x'), (':', 'y'))] + [
    [('x', 'y')] + request(), request(path=''), request(method=''), request(scheme='')]
H2_METHODS = [request(method=m) for m in (
    'GET /smuggled HTTP/1.1\r\nX:', 'GET\r\n', 'GE T', 'G\0T', 'GET\t', '\xe4', 'GET:', ' GET',
        'GET ')]
H2_PATHS = [request(path=p) for p in (
    'plain', '/a b', '/ HTTP/1.1\r\nHost: evil\r\n\r\nGET /smuggled', '/a\r\nb', '/a\nb', '/a\0b',
        '/a\tb', '/a\x7fb', '/\xe4', '/a#b', '*', 'http://evil.example/', '?x',
    '\\x', '@evil', ':80/', '/plain ', ' /plain', 'https://shop.example/plain', '//\r\n')]
H2_SCHEMES = [request(scheme=s) for s in ('ftp', 'http://evil.example/?', 'https:', 'HTTPS ',
    'http\r\nx: y', 'ht tp', 'javascript', 'x\0')]
H2_AUTHORITIES = [request(authority=a) for a in (
    'shop.example/x', 'user@shop.example', 'shop.example\r\nx: y', 'shop.example\0', 'a b',
        'shop.example:0', 'shop.example:', 'shop.example#', 'shop.example?x',
    'shop.example, evil', '[::1', 'shop..example', '.x', 'shop.example:99999', 'sh\xf6p.example',
    'shop.example\\', 'a' * 300)]
H2_HOSTS = [request(('host', h)) for h in ('evil.example', 'shop.example:443', 'shop.example.')]
H2_LENGTHS = [request(('content-length', n)) for n in ('+5', '-1', '5, 5', '0x5', '', 'five',
    '18446744073709551621', '5 5')] + [
    request(('content-length', '5'), ('content-length', '5')), request(('content-length', '4'),
        ('content-length', '5')), request(('content-length', '4')),
    request(('content-length', '6')), request(('content-length', '0'))]

HTTP2 = sum((rows(name, None, payloads) for name, payloads in (
    ('h2 name', H2_NAMES), ('h2 value', H2_VALUES), ('h2 hop field', H2_HOP), ('h2 pseudo field',
        H2_PSEUDO), ('h2 method', H2_METHODS), ('h2 path', H2_PATHS),
    ('h2 scheme', H2_SCHEMES), ('h2 authority', H2_AUTHORITIES), ('h2 host', H2_HOSTS),
    ('h2 length', H2_LENGTHS))), [])

# What is no ambiguity and must get through, unchanged: (name, bytes, what the origin must have read).
GOOD = [
    ('an empty line before a request', b'\r\n' + head(start=b'GET /good/1 HTTP/1.1'),
        b'GET /good/1 HTTP/1.1'),
    ('absolute form', head(start=b'GET https://shop.example/good/2?a=b HTTP/1.1'),
    b'GET /good/2?a=b HTTP/1.1'),
    ('a path is passed on as it came', head(start=b'GET /good/3/../%2e%2e//x;y?%00 HTTP/1.1'),
    b'GET /good/3/../%2e%2e//x;y?%00 HTTP/1.1'),
    ('a chunk extension is dropped', head(CHUNKED,
    start=b'POST /good/4 HTTP/1.1') + b'5;a=b\r\nABCDE\r\n0\r\n\r\n', b'POST /good/4 HTTP/1.1'),
    ('trailers', head(CHUNKED, start=b'POST /good/5 HTTP/1.1') + b'5\r\nABCDE\r\n0\r\nX: y\r\n\r\n',
    b'POST /good/5 HTTP/1.1'),
    ('blanks around a value', head(b'X: \t y \t', start=b'GET /good/6 HTTP/1.1'),
    b'GET /good/6 HTTP/1.1'),
    ('Host in upper case', head(start=b'GET /good/7 HTTP/1.1', host=b'HOST: SHOP.example'),
    b'GET /good/7 HTTP/1.1'),
    ('HTTP/1.0', head(start=b'GET /good/8 HTTP/1.0'), b'GET /good/8 HTTP/1.1'),
    ('Transfer-Encoding in capitals', head(b'TRANSFER-ENCODING: Chunked',
    start=b'POST /good/9 HTTP/1.1') + b'0\r\n\r\n', b'POST /good/9 HTTP/1.1'),
    ('bytes above 127 in a value', head(b'X: \xe4\xff', start=b'GET /good/10 HTTP/1.1'),
    b'GET /good/10 HTTP/1.1'),
    ('a method of nobody', head(b'Content-Length: 0', start=b'FROB /good/11 HTTP/1.1'),
    b'FROB /good/11 HTTP/1.1')]
