# SPDX-License-Identifier: Apache-2.0
"""What the published tools for request smuggling and downgrades send, shape by shape, sent to an edge;
prints TAP, a case a list.

  smuggle_published.py ADDRESS HOST CA LOG       LOG is what raw_origin.py writes

smuggle_cases.py has one payload or some of each kind, and the counter of each refusal; here are whole lists,
as defparam's smuggler, PortSwigger's HTTP Request Smuggler, http2smugl and the HTTP Garden make them. Each has
a path of its own. It is refused, and the origin saw nothing of it; or harmless() says that RFC 9112 leaves one
reading, and the origin read exactly that.
"""
import concurrent.futures
import json
import re
import socket
import ssl
import sys

import h2_wire

ADDRESS, HOST, CA, LOG = sys.argv[1:5]
AT_ONCE = 8
END = b'0\r\n\r\n'
TE = b'Transfer-Encoding: chunked'
ODD = [*range(0x1, 0x20), *range(0x7f, 0x100)]
SOME = [0x1, 0x4, 0x8, 0x9, 0xa, 0xb, 0xc, 0xd, 0x1f, 0x20, 0x7f, 0xa0, 0xff]
SPECIAL = [0, 9, 11, 12, 13, 127]


def framed(gadget, body=END + b'X', length=None):
    """A request with a length and, beside it, a gadget."""
    count = len(body) if length is None else length
    return b'\r\n'.join((b'POST /%b HTTP/1.1', gadget, b'Host: ' + HOST.encode(), b'Content-Length: %d' % count,
                         b'Connection: close', b'', body))


def smuggler():
    """configs/default, doubles and exhaustive: a byte before, behind and within the field's parts."""
    around = ('{0}Transfer-Encoding: chunked', 'Transfer-Encoding{0}: chunked', 'Transfer-Encoding:{0}chunked',
              'Transfer-Encoding: chunked{0}')
    twice = ('{0}Transfer-Encoding{0}: chunked', '{0}Transfer-Encoding:{0}chunked', '{0}Transfer-Encoding: chunked{0}',
             'Transfer-Encoding{0}:{0}chunked', 'Transfer-Encoding{0}: chunked{0}', 'Transfer-Encoding:{0}chunked{0}')
    beside = ('X: X{0}Transfer-Encoding: chunked', 'Transfer-Encoding: chunked{0}X: X',
              'X: X\r{0}Transfer-Encoding: chunked', 'X: X{0}\nTransfer-Encoding: chunked',
              'Transfer-Encoding: chunked\r{0}X: X', 'Transfer-Encoding: chunked{0}\nX: X')
    words = (' Transfer-Encoding: chunked', 'Transfer-Encoding:\tchunked', 'Transfer-Encoding\t:\tchunked',
             'Transfer Encoding: chunked', 'Transfer_Encoding: chunked', 'Transfer Encoding:chunked',
             'Transfer-Encoding : chunked', 'Transfer-Encoding:  chunked', 'Transfer-Encoding: chunked, cow',
             'Transfer-Encoding: cow, chunked', 'Content-Encoding: chunked', 'Transfer-Encoding:\n chunked',
             'Transfer-Encoding: "chunked"', "Transfer-Encoding: 'chunked'", 'Transfer-Encoding: chunk',
             'TrAnSFer-EnCODinG: cHuNkeD', 'TRANSFER-ENCODING: CHUNKED', 'Transfer-Encoding: chunked\r',
             'Transfer-Encoding: cow\r\nTransfer-Encoding: chunked', 'Transfer\r-Encoding: chunked',
             'Transfer-Encoding: cow chunked bar', 'Transfer-Encoding: ch\x96nked', 'Transf\x82r-Encoding: chunked',
             'X:X\rTransfer-Encoding: chunked', 'X:X\nTransfer-Encoding: chunked')
    made = [w for w in words] + [t.format(chr(i)) for t in around for i in (*ODD, 0x20)] + [
        t.format(chr(i)) for t in twice for i in (*ODD, 0x20)] + [t.format(chr(i)) for t in beside for i in SOME]
    made = [m.encode('latin-1') for m in dict.fromkeys(made)]
    return [framed(m) for m in made] + [framed(m, b'1\r\nZ\r\n' + END, 4) for m in made[:len(words)]]


def desync_box():
    """HTTP Request Smuggler's permutations of a framing field, of both framing fields."""
    out = []
    for name, value in ((b'Transfer-Encoding', b'chunked'), (b'Content-Length', b'5')):
        field = name + b': '
        names = [field.replace(b'-', b'_'), field.replace(b'-', b' '), field.replace(b'-', b'\\'), name + b' : ',
                 name + b' x: ', b'Foo: bar\r\n ' + field, b'Foo: bar\r\n\t' + field, name + b':', field + b' ',
                 name + b':\n ', name + b'\n : ', b'Foo: bar\r' + field, b'Foo: bar\n' + field, field + b'\n\x0b',
                 field + b'\r\n\t', field.upper(), name[:1].lower() + name[1:].upper() + b': ',
                 b'Foo: bar\r\n\r' + field, name[:3] + b'\r' + name[3:] + b': ',
                 b'Connection: ' + name + b'\r\n' + field, name + b':\xff', name + b':\xa0',
                 name.replace(b'e', b'%45', 1) + b': ', b'Foo: barn\n\n' + field]
        names += [name + b':' + bytes((c,)) for c in SPECIAL] + [field + bytes((c,)) for c in SPECIAL]
        out += [framed(n + value) for n in names] + [framed(field + value + bytes((c,))) for c in SPECIAL]
    return out + [framed(t) for t in (
        TE + b', identity', b'Transfer-Encoding: identity, chunked', b'Transfer-Encoding: identity, chunked, identity',
        TE + b'\r\nTransfer-encoding: identity', b'Transfer-Encoding: identity\r\n' + TE)]


def chunked(*lines):
    return b'\r\n'.join((b'POST /%b HTTP/1.1', b'Host: ' + HOST.encode(), TE, b'Connection: close', b'')) + b'\r\n' + \
        b''.join(lines)


def funky_chunks():
    """Lines of chunks that end otherwise: TERM.EXT, EXT.TERM, TERM.SPILL, SPILL.TERM, ONE.TWO and the like."""
    end, hidden, out = END, b'DDDDEEEEFFFF\r\n' + END, []
    for t in (b'\n', b'\r', b'\rX', b'\r\r'):
        ext = b'2;' + t + b'XX\r\n'
        out += [ext + b'10\r\n1f\r\nAAAABBBBCCCC\r\n' + end + hidden, ext + b'14\r\n10\r\nAAAABBBBCCCCDDDD\r\n' + end,
                ext + b'22\r\nc\r\nAAAABBBBCCCC\r\n' + end + hidden, ext + b'10\r\nd\r\nAAAABBBBCCCCD\r\n' + end]
    for t in (b'\n', b'\r', b'', b'XX', b'\rX', b'\r\r'):
        spill = b'5\r\nAAAAA' + t
        out += [spill + b'c\r\n17\r\nAAAABBBB\r\n' + end + b'CCCCDDDD\r\n' + end,
                spill + b'c\r\n9\r\nAAAABBBBC\r\n' + end,
                spill + b'1a\r\n8\r\nAAAABBBB\r\n' + end + b'CCCCDDDD\r\n' + end,
                spill + b'b\r\n8\r\nAAAABBBB\r\n' + end]
    for t in (b'\n', b'\r'):
        out += [b'2\r\nXX' + t + b'12\r\nXX\r\n19\r\nXXAAAABBBB\r\n' + end + b'CCCCDDDD\r\n' + end,
                b'2\r\nXX' + t + b'12\r\nXX\r\nb\r\nXXXAAAABBBB\r\n' + end,
                b'2\r\nXX' + t + b'10\r\n\r\nAAAABBBBCCCCDD\r\n' + end]
    out += [b'2\r\nXX012\r\nXX\r\n19\r\nXXAAAABBBB\r\n' + end + b'CCCCDDDD\r\n' + end,
            b'2\r\nxx010\r\n\r\nAAAABBBBCCCCDD\r\n' + end]
    return [chunked(body) for body in out]


def hidden_pairs():
    """A field that one of two readers does not see, or sees as the body's beginning."""
    out, body = [], b'ABCDE'
    for name, value in ((b'Host', b'foo/bar'), (b'Host', HOST.encode()), (b'Content-Length', b'Z'),
                        (b'Content-Length', b'5'), (b'Transfer-Encoding', b'chunked'), (b'Expect', b'100-continue')):
        field = name + b': ' + value
        for hidden in (name + b' : ' + value, name + b'\t: ' + value, name + b':\r\n ' + value,
                       b'X-Junk: x\r\n ' + field, field + b'\r\nConnection: ' + name, field + b'\r\nConnection : ' + name,
                       field + b'\r\n' + field, b'X-Junk: x\n' + field, b'X-Junk: x\r' + field):
            out.append(framed(hidden, body))
        for split in (b'X-Foo: foo\n\n', b'X-Foo: foo\r\n\n', b'X-Foo: foo\n \n', b'X-Foo: foo\n\r\n',
                      b'X-Foo: bar\r\n \r\n', b'Cookie: foo="\n\n"\r\n', b'Nil\n\n', b'X-Null: foo\0\r\n',
                      b'X-Null: foo\r\0\n\r\n', b'Bad name:\n\n', b':\r\n', b':\n\n', b'Arrr: foo\r\rbar\r\n',
                      b'Arrr: foo\r\r\nbar\r\n'):
            out.append(framed(split + b'A: B\r\n' + field, body))
    return out


def garden():
    """Payloads of the HTTP Garden's list of finds that are no shape above."""
    host = b'Host: ' + HOST.encode() + b'\r\nConnection: close\r\n'
    starts = [s + b'\r\n' + host + b'\r\n' for s in (
        b'GET /%b HTTP/1.32', b'G=":<>(e),[T];?" /%b HTTP/1.1', b'GET !%b HTTP/1.1', b'GET /%b\nHTTP/1.1',
        b'GET /%b HTTP/\r\r1.1', b'GET /%b HTTP/4294967295.255', b'\0 /%b HTTP/............0596.7407.')]
    heads = [b'POST /%b HTTP/1.1\r\n' + h + b'\r\n' + END for h in (
        host + b'Header: v\0\ralue\r\n', b'\tContent-Length: 1\r\n' + host, host + b'\xefoo: bar\r\n',
        host + b'Content-Length: +1_0\r\n', host + b'Transfer-Encoding: \xa0chunked\xa0\r\n',
        host + b'Transfer-Encoding: \xffchunked\xff\r\n', host + b'Transfer-Encoding: blegh\r\n',
        host + b': ignored\r\n', host + b':\r\nI: am chopped off\r\n', host + b'Useless:\n\nGET / HTTP/1.1\r\n',
        host + b'Content-Length\x85: 10\r\n', host + b'Transfer-Encoding: ,chunked\r\nContent-Length: 5\r\n',
        host + b'Content-Length 10\r\n', host + b'Content-Length: 1Z\r\n', host + b'\rZGET /evil: HTTP/1.1\r\n',
        host + b'Content-Length: -48\r\n', host + b'Content-Length: \r\nContent-Length: 43\r\n',
        host + b'Content-Length: \r\n', host + b'Transfer-\r\nEncoding: chunked\r\n', host + b'a:b\r\nc\0\r\n',
        host + b'Te\nst: test\r\n', b'Host: google.com\0.example\r\n', b'Host: \xffa\xff\r\n',
        host + b'Content-Length: 0\r\nContent-Length: 31\r\n',
        host + b'Content-Length: blahblahblah\r\n' + TE + b'\r\n')]
    bodies = [chunked(b) for b in (
        b'0_2e\r\n\r\n' + END, b'\r\n\r\n', b'1these-bytes-never-get-validated\r\nZ\r\n' + END, b'Z\r\nZZ\r\nZZZ\r\n\r\n',
        b'INVALID!!!\r\n', b'-0x0\r\n\r\n', b'           0\r\n\r\n', b'a\r\n0123456789\n' + END, b'1\r0\n',
        b'17\r\n' + END + b'GET / HTTP/1.1\r\n\r\n\r\n\r\n' + END)]
    whole = [chunked(b'0\r\nX:POST / HTTP/1.1\r\n\r\n'),  # a trailer
             framed(b'User: \x85admin\xa0'),               # bytes above 127 are a value's
             b'GET /%b HTTP/1.1\r\n' + host + b'Content-Length: 10\r\n\r\n1234567890']
    return starts + heads + bodies + whole


def harmless(payload):
    """True where RFC 9112 leaves one reading, and we have nothing against it."""
    head, _, body = payload.partition(b'\r\n\r\n')
    start, *lines = head.split(b'\r\n')
    if not re.fullmatch(rb'[A-Z]+ /[!-~]+ HTTP/1\.1', start):
        return False
    fields = [re.fullmatch(rb"([A-Za-z0-9!#$%&'*+.^_`|~-]+):[ \t]*([\t\x20-\x7e\x80-\xff]*)", line) for line in lines]
    if not all(fields):
        return False
    given = {}
    for field in fields:
        given.setdefault(field[1].lower().replace(b'_', b'-'), []).append(field[2].strip(b' \t'))
    if any(len(given.get(name, ())) > 1 for name in (b'host', b'content-length', b'transfer-encoding')):
        return False
    if given.get(b'host') != [HOST.encode()]:
        return False
    if b'transfer-encoding' in given:
        is_whole = re.fullmatch(rb'0\r\n([A-Za-z]+:[^\r\n]*\r\n)*\r\n', body)
        return given[b'transfer-encoding'] == [b'chunked'] and b'content-length' not in given and bool(is_whole)
    return b'content-length' in given and bool(re.fullmatch(rb'0|[1-9][0-9]*', given[b'content-length'][0]))


def ask(payload):
    """What the edge said until it closed: (statuses, whether it closed)."""
    context, text = ssl.create_default_context(cafile=CA), b''
    with context.wrap_socket(socket.create_connection((ADDRESS, 443), timeout=5), server_hostname=HOST) as sock:
        sock.sendall(payload)
        try:
            while data := sock.recv(65536):
                text += data
        except TimeoutError:
            return text, False
        except (OSError, ssl.SSLError):
            pass
    return text, True


def statuses(text):
    return [int(s) for s in re.findall(rb'^HTTP/1\.1 (\d{3})', text, re.M) if s != b'100']


def try_http1(path, payload):
    """None, or what was wrong with the answer."""
    text, is_closed = ask(payload.replace(b'%b', path, 1))
    got = statuses(text)
    if harmless(payload):
        return None if got == [200] else f'harmless, but answers {got}'
    is_right = is_closed and len(got) <= 1 and all(status >= 400 for status in got)
    return None if is_right else f'answers {got}, {"closed" if is_closed else "open"}'


def downgrades():
    """http2smugl's and HTTP Request Smuggler's: fields that become others in HTTP/1.1."""
    out = []
    for name, value in (('transfer-encoding', 'chunked'), ('content-length', '1'), ('content-length', '-1')):
        out += [[(name + space, value)] for space in
                ('\0', ' ', '\t', '\v', '\x85', '\xa0', '\xc2\x85', '\xc2\xa0', '\xf0\x93\x82\xba')]
        out.append([(name.replace('-', '_'), value)])
        for line in ('\r\n', '\r', '\n'):
            out += [[(x + line + name, value)] for x in ('x', 'x: x')] + [
                [(h, f'val{line}{name}: {value}')] for h in ('header', 'x-forwarded-for')] + [
                [(':path', f'/%b HTTP/1.1{line}{name}: {value}{line}fake-header: ')],
                [(':method', f'METHOD /robots.txt HTTP/1.1{line}{name}: {value}{line}fake-header: x')],
                [(':authority', f'{HOST}:443{line}{name}: {value}{line}x: x')],
                [(':scheme', f'https://{HOST}/ HTTP/1.1{line}{name}: {value}{line}x: x')],
                [('foo', f'b{line}{name}: {value}{line}x: x')]]
        out += [[(f'{name}:{value} ', value)], [(f'{name}:{value}\r\nxz', 'x')], [(f'{name} {value} ', value)],
                [(name.title(), value)]]
    return out + [[('tran\xc5\xbffer-encoding', 'chunked')], [('x', 'x\r\n:path : /other')], [('transfer-encoding', 'chunked')],
                  [('transfer-encoding', 'chun\xe2\x84\xaaed')], [(':path', '/%b'), (':path', '/other')],
                  [(':path', '/other'), (':path', '/%b')], [('', 'x')], [('content-length', '-1')]]


def downgrade_fields(path, fields):
    known = {':method': 'POST', ':scheme': 'https', ':path': '/%b', ':authority': HOST}
    for name, _ in fields:
        known.pop(name, None)
    pairs = [*known.items(), *fields]
    pairs.sort(key=lambda pair: not pair[0].startswith(':'))
    return [(n.encode('latin-1'), v.encode('latin-1').replace(b'%b', path)) for n, v in pairs]


def try_http2(path, fields):
    peer = h2_wire.Peer(ADDRESS, HOST, CA)
    try:
        peer.begin()
        peer.send(peer.head(1, downgrade_fields(path, fields), h2_wire.END_HEADERS),
                  h2_wire.frame(h2_wire.DATA, h2_wire.END_STREAM, 1, END))
        peer.wait(lambda: peer.status(1) or peer.frames(h2_wire.RST_STREAM, 1) or peer.frames(h2_wire.GOAWAY))
        status = peer.status(1) or 0
        is_right = status >= 400 or (not status and (peer.frames(h2_wire.RST_STREAM) or peer.frames(h2_wire.GOAWAY)))
        return None if is_right else f'answered {status}'
    finally:
        peer.close()


def wrong_at_origin(payload, requests):
    """None, or what was wrong with what the origin read."""
    if not isinstance(payload, bytes) or not harmless(payload):
        return f'the origin saw {requests}' if requests else None
    if len(requests) != 1 or requests[0]['fault']:
        return f'harmless, but the origin saw {requests}'
    lines = [line.split(':')[0].lower() for line in requests[0]['head'][1:]]
    if lines.count('content-length') + lines.count('transfer-encoding') > 1:
        return f'framed twice: {requests}'
    told = re.search(rb'(?i)\r\ncontent-length:\s*(\d+)', payload)
    return f'{requests[0]["bytes"]} bytes of a body' if told and requests[0]['bytes'] != int(told[1]) else None


def main():
    lists = [('smuggler', smuggler(), try_http1), ('desync permutations', desync_box(), try_http1),
             ('funky chunks', funky_chunks(), try_http1), ('hidden fields', hidden_pairs(), try_http1),
             ('the garden', garden(), try_http1), ('downgrades', downgrades(), try_http2)]
    rows = [(name, b'%s-%d' % (name.split()[-1].encode(), number), payload, ask_with)
            for name, payloads, ask_with in lists for number, payload in enumerate(payloads)]
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        said = list(pool.map(lambda row: row[3](row[1], row[2]), rows))
    with open(LOG, encoding='utf-8') as log:
        requests = [json.loads(line) for line in log]
    seen = {}
    for request in requests:
        seen.setdefault((request['head'] or [''])[0], []).append(request)
    for number, (name, payloads, _) in enumerate(lists, 1):
        told = []
        for (_, path, payload, _), wrong in zip(rows, said):
            if path.rpartition(b'-')[0] != name.split()[-1].encode():
                continue
            mine = [r for line, rs in seen.items() if f'/{path.decode()} ' in line + ' ' for r in rs]
            wrong = wrong or wrong_at_origin(payload, mine)
            told += [f'{payload!r:.200}: {wrong}'] if wrong else []
        passed = sum(isinstance(p, bytes) and harmless(p) for p in payloads)
        print(f'{"not ok" if told else "ok"} {number} - published: {name} ({len(payloads)} shapes, {passed} of them harmless)')
        for line in told[:40]:
            print(f'# {line}')
    strays = [r for r in requests if re.search('smuggled|other|evil|robots', r['head'][0] if r['head'] else '')]
    print(f'{"not ok" if strays else "ok"} {len(lists) + 1} - the origin saw no request hidden in them')
    for stray in strays:
        print(f'# {stray}')
    print(f'1..{len(lists) + 1}')


main()
