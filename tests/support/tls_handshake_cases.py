# SPDX-License-Identifier: Apache-2.0
"""What a server of TLS 1.3 must answer (RFC 8446): rows of (sentence, how, outcomes).

An outcome is `full` or `resumed` (shaken hands, and a request was answered), `retry` before either
(a HelloRetryRequest came first), `TLS 1.2`, an alert's name, `closed` or `silent`. Several: each is allowed.
"""
import struct
import time

from tls13_client import (AES128, AES256, ALERT, ALPN, CCS, CERTIFICATE, CHACHA, COOKIE, DATA, EARLY,
                          EXTENSIONS, FINISHED, GROUPS, HANDSHAKE, KEY_UPDATE, MODES, P256, P384, PSK, SCHEMES,
                          SHARE, SNI, STATUS, TICKET, VERSIONS, X25519, Hello, message, numbers, public_key, record,
                          records, server_name, u16, u8)

UNEXPECTED, ILLEGAL, DECODE, DECRYPT = 'unexpected_message', 'illegal_parameter', 'decode_error', 'decrypt_error'
MISSING, MAC, OVERFLOW, NONE = 'missing_extension', 'bad_record_mac', 'record_overflow', 'handshake_failure'
FULL, RESUMED, RETRY = 'full', 'resumed', 'retry, full'
GREASE = 0x3a3a
LOW_ORDER = bytes.fromhex('e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800')


def share(group, point):
    return numbers(group) + u16(point)


def with_shares(*entries):
    """Shares as given; a group alone takes the hello's own key."""
    def change(h):
        return h.set(SHARE, u16(b''.join(e if isinstance(e, bytes) else share(e, public_key(h.keys[e]))
                                         for e in entries)))
    return change


def put(kind, body):
    return lambda h: h.set(kind, body)


def without(kind):
    return lambda h: h.drop(kind)


def field(name, value):
    return lambda h: setattr(h, name, value)


def twice(kind):
    return lambda h: h.extensions.append((kind, h.get(kind)))


def last(kind, body):
    return lambda h: h.extensions.append((kind, body))


def off_curve(h):
    point = public_key(h.keys[P256])
    return h.set(SHARE, u16(share(P256, point[:-1] + bytes([point[-1] ^ 1]))))


def compressed(h):
    point = public_key(h.keys[P256])
    return h.set(SHARE, u16(share(P256, bytes([2 + point[-1] % 2]) + point[1:33])))


NIST = {'groups': (P256,)}
# (sentence, change of a ClientHello, what comes of it[, how the hello is made])
HELLOS = [
    ('an ordinary hello', lambda h: h, FULL),
    ('an empty session id', field('session_id', b''), FULL),
    ('a session id of 7 bytes', field('session_id', b'1234567'), FULL),
    ('a session id of 33 bytes', field('session_id', bytes(33)), DECODE),
    ('legacy_version 3.2', field('version', 0x0302), (FULL, 'protocol_version')),
    ('legacy_version 3.4', field('version', 0x0304), FULL),
    ('legacy_version 3.0', field('version', 0x0300), ('protocol_version', NONE)),
    ('no compression method', field('compression', b''), (DECODE, ILLEGAL)),
    ('two compression methods', field('compression', b'\0\1'), ILLEGAL),
    ('another compression method', field('compression', b'\1'), (ILLEGAL, DECODE)),
    ('no suites', field('suites', b''), (ILLEGAL, DECODE)),
    ('an odd number of bytes of suites', field('suites', b'\x13\x01\x13'), DECODE),
    ('suites of TLS 1.2 only', field('suites', numbers(0xc02b, 0xc02f)), NONE),
    ('unknown suites only', field('suites', numbers(GREASE, 0x1304, 0x1399)), NONE),
    ('GREASE before a suite', field('suites', numbers(GREASE, AES128)), FULL),
    ('the suites of the fallback and of renegotiation', field('suites', numbers(AES128, 0x00ff, 0x5600)), FULL),
    ('a byte behind the extensions', field('tail', b'\0'), DECODE),
    ('an unknown extension', last(0xabcd, b'x'), FULL),
    ('GREASE extensions', lambda h: h.extensions.insert(0, (GREASE, b'\0')), FULL),
    ('padding', last(21, bytes(700)), FULL),
    ('a hello of 9,000 bytes', last(21, bytes(9000)), FULL),
    ('a hello of 20,000 bytes in two records', last(21, bytes(20000)), FULL),
    ('server_name twice', twice(SNI), ILLEGAL),
    ('key_share twice', twice(SHARE), ILLEGAL),
    ('supported_versions twice', twice(VERSIONS), ILLEGAL),
    ('no server_name', without(SNI), FULL),
    ('an empty server_name', put(SNI, b''), DECODE),
    ('an empty list of server names', put(SNI, u16(b'')), DECODE),
    ('a server name of another type', put(SNI, u16(b'\1' + u16(b'x'))), (DECODE, 'unrecognized_name', FULL)),
    ('a server name with NUL', put(SNI, server_name(b'p256.test\0x')), ('unrecognized_name', ILLEGAL)),
    ('a server name with odd characters', put(SNI, server_name(b'a b/\xff.test')), FULL),
    ('a server name of 256 bytes', put(SNI, server_name(b'a' * 256)), ('unrecognized_name', DECODE)),
    ('two server names', put(SNI, u16(b'\0' + u16(b'a.test') + b'\0' + u16(b'b.test'))), DECODE),
    ('a byte behind the server name', put(SNI, server_name(b'a.test') + b'\0'), DECODE),
    ('no supported_versions', without(VERSIONS), ('TLS 1.2', NONE)),
    ('only TLS 1.2 in supported_versions', put(VERSIONS, u8(numbers(0x0303))), ('TLS 1.2', NONE)),
    ('GREASE in supported_versions', put(VERSIONS, u8(numbers(GREASE, 0x0304))), FULL),
    ('an empty supported_versions', put(VERSIONS, u8(b'')), (DECODE, 'protocol_version')),
    ('supported_versions of 3 bytes', put(VERSIONS, b'\3\3\4\3'), (DECODE, 'protocol_version')),
    ('only unknown versions', put(VERSIONS, u8(numbers(0x0305))), 'protocol_version'),
    ('no supported_groups', without(GROUPS), (MISSING, ILLEGAL)),
    ('an empty supported_groups', put(GROUPS, u16(b'')), DECODE),
    ('an odd number of bytes of groups', put(GROUPS, u16(b'\0\x1d\0')), DECODE),
    ('a share of a group that is not listed', put(GROUPS, u16(numbers(P256))), ILLEGAL),
    ('unknown groups only', lambda h: h.set(GROUPS, u16(numbers(GREASE, 0x99))).set(SHARE, u16(share(GREASE, b'x'))),
     NONE),
    ('no signature_algorithms', without(SCHEMES), MISSING),
    ('an empty signature_algorithms', put(SCHEMES, u16(b'')), DECODE),
    ('no scheme of the certificate', put(SCHEMES, u16(numbers(0x0807))), NONE),
    ('only a scheme that TLS 1.3 forbids', put(SCHEMES, u16(numbers(0x0401))), NONE),
    ('unknown schemes before a good one', put(SCHEMES, u16(numbers(GREASE, 0x0905, 0x0403))), FULL),
    ('no key_share', without(SHARE), (MISSING, RETRY, NONE)),
    ('an empty key_share', with_shares(), RETRY),
    ('only a GREASE share', lambda h: h.set(GROUPS, u16(numbers(GREASE, X25519))).set(SHARE, u16(share(GREASE, b'x'))),
     RETRY),
    ('a GREASE share before the other', lambda h: with_shares(share(GREASE, b'x'), X25519)(
        h.set(GROUPS, u16(numbers(GREASE, X25519)))), FULL),
    ('a share of P-384 only', lambda h: h, FULL, {'groups': (P384,)}),
    ('X25519 and P-256', lambda h: h, FULL, {'groups': (X25519, P256), 'shares': (X25519, P256)}),
    ('P-256 and X25519', lambda h: h, FULL, {'groups': (P256, X25519), 'shares': (P256, X25519)}),
    ('P-256 though X25519 is listed first', lambda h: h, FULL, {'groups': (X25519, P256), 'shares': (P256,)}),
    ('the same share twice', with_shares(X25519, X25519), (FULL, ILLEGAL)),
    ('an empty share', with_shares(share(X25519, b'')), (DECODE, ILLEGAL)),
    ('a share of X25519 with 31 bytes', with_shares(share(X25519, bytes(31))), ILLEGAL),
    ('a share of X25519 that is zero', with_shares(share(X25519, bytes(32))), (ILLEGAL, NONE)),
    ('a share of X25519 of low order', with_shares(share(X25519, LOW_ORDER)), (ILLEGAL, NONE)),
    ('a share of P-256 off the curve', off_curve, ILLEGAL, NIST),
    ('a share of P-256 at infinity', with_shares(share(P256, b'\0')), ILLEGAL, NIST),
    ('a compressed share of P-256', compressed, ILLEGAL, NIST),
    ('a share of P-256 that is zero', with_shares(share(P256, b'\4' + bytes(64))), ILLEGAL, NIST),
    ('a cut list of shares', put(SHARE, b'\0\x24\0\x1d\0\x20' + bytes(31)), DECODE),
    ('a byte behind the shares', lambda h: h.set(SHARE, h.get(SHARE) + b'\0'), DECODE),
    ('no psk_key_exchange_modes', without(MODES), FULL),
    ('an empty psk_key_exchange_modes', put(MODES, u8(b'')), DECODE),
    ('unknown key exchange modes', put(MODES, u8(b'\x7f')), FULL),
    ('an empty list of protocols', put(ALPN, u16(b'')), DECODE),
    ('an empty protocol', put(ALPN, u16(u8(b'') + u8(b'http/1.1'))), DECODE),
    ('a cut protocol', put(ALPN, u16(b'\x09http/1.1')), DECODE),
    ('unknown protocols only', put(ALPN, u16(u8(b'spdy/1') + u8(b'\x3a\x3a'))), 'no_application_protocol'),
    ('no protocols', without(ALPN), FULL),
    ('an unexpected cookie', put(COOKIE, u16(b'x')), (FULL, ILLEGAL, 'unsupported_extension')),
    ('status_request', put(STATUS, b'\1\0\0\0\0'), FULL),
    ('a cut status_request', put(STATUS, b'\1\0'), DECODE),
    ('early data without a ticket', put(EARLY, b''), (FULL, ILLEGAL)),
    ('early_data with a body', put(EARLY, b'x'), DECODE),
    ('post_handshake_auth', put(49, b''), FULL),
    ('post_handshake_auth with a body', put(49, b'x'), DECODE),
]


def hello_records(most, version=0x0301):
    return lambda text: [records(HANDSHAKE, text, most, version)]


# (sentence, how the hello's text becomes what is sent, what comes of it)
FLIGHTS = [
    ('a hello in two records', hello_records(100), FULL),
    ('its head in a record of its own', lambda t: [record(HANDSHAKE, t[:4]) + record(HANDSHAKE, t[4:])], FULL),
    ('one byte a record', hello_records(1), FULL),
    ('fifty bytes a record and a segment', lambda t: [record(HANDSHAKE, t[i:i + 50]) for i in range(0, len(t), 50)],
     FULL),
    ('records of version 3.3', hello_records(16384, 0x0303), FULL),
    ('a record of version 3.0', hello_records(16384, 0x0300), FULL),
    ('a record of version 3.9', hello_records(16384, 0x0309), FULL),
    ('a record of version 4.1', hello_records(16384, 0x0401), ('protocol_version', 'closed')),
    ('an empty handshake record before', lambda t: [record(HANDSHAKE, b'') + record(HANDSHAKE, t)],
     (UNEXPECTED, FULL)),
    ('an empty handshake record inside', lambda t: [record(HANDSHAKE, t[:9]) + record(HANDSHAKE, b'') +
                                                    record(HANDSHAKE, t[9:])], (UNEXPECTED, FULL)),
    ('a record of 2^14 + 1 bytes', lambda t: [record(HANDSHAKE, t + bytes(16385 - len(t)))], OVERFLOW),
    ('ChangeCipherSpec first', lambda t: [record(CCS, b'\1') + record(HANDSHAKE, t)], UNEXPECTED),
    ('data first', lambda t: [record(DATA, b'GET') + record(HANDSHAKE, t)], UNEXPECTED),
    ('an alert first', lambda t: [record(ALERT, b'\2\x28')], ('closed', UNEXPECTED)),
    ('close_notify first', lambda t: [record(ALERT, b'\1\0')], ('closed', UNEXPECTED)),
    ('a record of an unknown type first', lambda t: [record(99, b'x')], UNEXPECTED),
    ('a Finished first', lambda t: [record(HANDSHAKE, message(FINISHED, bytes(32)))], UNEXPECTED),
    ('a ServerHello first', lambda t: [record(HANDSHAKE, b'\2' + t[1:])], UNEXPECTED),
    ('a message longer than any hello', lambda t: [record(HANDSHAKE, b'\1\xff\xff\xff' + t[4:])], (ILLEGAL, DECODE)),
    ('a hello twice in one record', lambda t: [record(HANDSHAKE, t + t)], UNEXPECTED),
    ('a hello twice in two records', lambda t: [record(HANDSHAKE, t) * 2], UNEXPECTED),
    ('a byte behind the hello in its record', lambda t: [record(HANDSHAKE, t + b'\x14')], UNEXPECTED),
    ('a hello that ends early', lambda t: [record(HANDSHAKE, t[:1] + struct.pack('>I', 60)[1:] + t[4:64])], DECODE),
    ('plain data behind the hello', lambda t: [record(HANDSHAKE, t) + record(DATA, bytes(40))], (MAC, UNEXPECTED)),
    ('ChangeCipherSpec behind the hello', lambda t: [record(HANDSHAKE, t) + record(CCS, b'\1')], FULL),
    ('HTTP in the clear', lambda t: [b'GET / HTTP/1.1\r\nHost: p256.test\r\n\r\n'], 'closed'),
]


def sealed(kind, body, pad=0):
    return lambda c: c.send(c.write_key.seal(kind, body, pad))


def plain(kind, body):
    return lambda c: c.send(record(kind, body))


def then_good(act):
    """What is wrong or odd, then what would be right."""
    return lambda c: (act(c), c.finish(), c.send(c.write_key.seal(DATA, request(c))))


def request(c):
    return f'GET /echo HTTP/1.1\r\nHost: {c.host}\r\n\r\n'.encode()


def wrong_finished(change):
    return lambda c: c.send(c.write_key.seal(HANDSHAKE, change(c.finished())))


def flip(at):
    return wrong_finished(lambda f: f[:at] + bytes([f[at] ^ 1]) + f[at + 1:])


def finished_in(most):
    """Finished in records of so many bytes."""
    def act(c):
        text = c.finished()
        c.send(b''.join(c.write_key.seal(HANDSHAKE, text[i:i + most]) for i in range(0, len(text), most)))
        c.finish_silently()
        c.send(c.write_key.seal(DATA, request(c)))
    return act


def padded(size):
    """Finished with zeros, size bytes in all without the type."""
    def act(c):
        text = c.finished()
        c.send(c.write_key.seal(HANDSHAKE, text, size - len(text)))
        c.finish_silently()
        c.send(c.write_key.seal(DATA, request(c)))
    return act


def in_segments(cut):
    """Finished and a request, cut."""
    def act(c):
        text = c.write_key.seal(HANDSHAKE, c.finished())
        c.finish_silently()
        text += c.write_key.seal(DATA, request(c))
        for piece in cut(text):
            c.send(piece)
            time.sleep(0.002)
    return act


def altered(at):
    """A byte of the sealed record changed."""
    def act(c):
        text = bytearray(c.write_key.seal(HANDSHAKE, c.finished()))
        text[at] ^= 1
        c.send(bytes(text))
    return act


def wrong_sequence(c):
    c.write_key.sequence = 1
    c.send(c.write_key.seal(HANDSHAKE, c.finished()))


def under_application_key(c):
    text = c.finished()
    c.finish_silently()
    c.send(c.write_key.seal(HANDSHAKE, text))


def request_instead(c):
    c.finish_silently()
    c.send(c.write_key.seal(DATA, request(c)))


def glued(extra):
    return wrong_finished(lambda f: f + extra)


def with_close(c):
    text = c.write_key.seal(HANDSHAKE, c.finished())
    c.finish_silently()
    c.send(text + c.write_key.seal(DATA, request(c)) + c.write_key.seal(ALERT, b'\1\0'))


def after(act):
    return lambda c: (c.finish(), act(c))


def twice_finished(c):
    text = c.finished()
    c.finish()
    c.send(c.write_key.seal(HANDSHAKE, text))


def key_update_then_request(c):
    c.finish()
    c.send(c.write_key.seal(HANDSHAKE, message(KEY_UPDATE, b'\0')))
    secret = c.schedule.expand(c.write_key.secret, b'traffic upd', b'', c.schedule.size)
    c.write_key = type(c.write_key)(c.schedule, secret, c.suite)
    c.send(c.write_key.seal(DATA, request(c)))


ANSWERED = 'answered'
CLOSED = ('closed', 'close_notify')
# (sentence, what the client does behind the server's flight, what comes of it)
ENDS = [
    ('Finished and a request', then_good(lambda c: None), ANSWERED),
    *[(f'byte {at} of Finished wrong', flip(4 + at), DECRYPT) for at in (0, 1, 15, 16, 30, 31)],
    ('a Finished of 31 bytes', lambda c: c.send(c.write_key.seal(HANDSHAKE, message(FINISHED, c.finished()[4:-1]))),
     (DECODE, DECRYPT)),
    ('a Finished of 33 bytes', lambda c: c.send(c.write_key.seal(HANDSHAKE, message(FINISHED, c.finished()[4:] + b'x'))),
     (DECODE, DECRYPT)),
    ('an empty Finished', sealed(HANDSHAKE, message(FINISHED, b'')), (DECODE, DECRYPT)),
    ('a Finished of 2^24 - 1 bytes', sealed(HANDSHAKE, b'\x14\xff\xff\xff'), (ILLEGAL, DECODE)),
    *[(f'Finished in records of {most} bytes', finished_in(most), ANSWERED) for most in (1, 4, 35)],
    ('Finished and a request in segments of one byte', in_segments(lambda t: [t[i:i + 1] for i in range(len(t))]),
     ANSWERED),
    ('Finished, a request and close_notify in one segment', with_close, ANSWERED),
    ('Finished padded to 2^14 + 1 bytes', padded(16384), ANSWERED),
    # OpenSSL does not look at padding that is too long.
    ('Finished padded to 2^14 + 2 bytes', padded(16385), (OVERFLOW, ANSWERED)),
    ('a record of 2^14 + 257 bytes', lambda c: c.send(record(DATA, bytes(16384 + 257))[:5]), OVERFLOW),
    ('ChangeCipherSpec before Finished', then_good(plain(CCS, b'\1')), ANSWERED),
    ('two of them', then_good(lambda c: c.send(record(CCS, b'\1') * 2)), ANSWERED),
    ('forty of them', then_good(lambda c: c.send(record(CCS, b'\1') * 40)), UNEXPECTED),
    ('ChangeCipherSpec with another byte', plain(CCS, b'\2'), (UNEXPECTED, ILLEGAL)),
    ('ChangeCipherSpec of two bytes', plain(CCS, b'\1\1'), (UNEXPECTED, ILLEGAL)),
    ('an empty ChangeCipherSpec', plain(CCS, b''), (UNEXPECTED, ILLEGAL)),
    ('a sealed ChangeCipherSpec', sealed(CCS, b'\1'), UNEXPECTED),
    ('ChangeCipherSpec inside Finished', lambda c: c.send(
        c.write_key.seal(HANDSHAKE, c.finished()[:9]) + record(CCS, b'\1')), (UNEXPECTED, ANSWERED, 'silent')),
    ('ChangeCipherSpec behind Finished', after(plain(CCS, b'\1')), UNEXPECTED),
    ('a sealed empty handshake record', sealed(HANDSHAKE, b''), UNEXPECTED),
    ('an empty handshake record inside Finished', lambda c: c.send(
        c.write_key.seal(HANDSHAKE, c.finished()[:9]) + c.write_key.seal(HANDSHAKE, b'')), UNEXPECTED),
    ('data before Finished', sealed(DATA, b'GET'), UNEXPECTED),
    ('no data before Finished', sealed(DATA, b''), UNEXPECTED),
    ('data inside Finished', lambda c: c.send(
        c.write_key.seal(HANDSHAKE, c.finished()[:9]) + c.write_key.seal(DATA, b'GET')), UNEXPECTED),
    ('a request under the application key, without Finished', request_instead, MAC),
    ('Finished under the application key', under_application_key, MAC),
    ('Finished with a wrong sequence number', wrong_sequence, MAC),
    *[(f'byte {at} of the sealed Finished altered', altered(at), MAC) for at in (5, 20, 41, 57)],
    ('version 3.2 in the head of Finished', altered(2), (MAC, 'protocol_version', DECODE)),
    ('plain data before Finished', plain(DATA, bytes(64)), MAC),
    ('a record that is only a tag', plain(DATA, bytes(16)), (MAC, UNEXPECTED, DECODE)),
    ('a record shorter than a tag', plain(DATA, bytes(15)), (MAC, DECODE)),
    ('an empty record', plain(DATA, b''), (MAC, DECODE, UNEXPECTED)),
    ('a plain Finished', lambda c: c.send(record(HANDSHAKE, c.finished())), UNEXPECTED),
    ('a sealed record without a type', sealed(0, b''), UNEXPECTED),
    ('a sealed record of an unknown type', sealed(25, b'x'), UNEXPECTED),
    ('a plain record of an unknown type', plain(99, b'x'), UNEXPECTED),
    ('a second ClientHello', lambda c: c.send(c.write_key.seal(HANDSHAKE, c.hello.message())), UNEXPECTED),
    ('a plain second ClientHello', lambda c: c.send(record(HANDSHAKE, c.hello.message())), UNEXPECTED),
    ('KeyUpdate before Finished', sealed(HANDSHAKE, message(KEY_UPDATE, b'\0')), UNEXPECTED),
    ('EndOfEarlyData before Finished', sealed(HANDSHAKE, message(5, b'')), UNEXPECTED),
    ('a certificate before Finished', sealed(HANDSHAKE, message(CERTIFICATE, b'\0\0\0\0')), UNEXPECTED),
    ('EncryptedExtensions before Finished', sealed(HANDSHAKE, message(EXTENSIONS, b'\0\0')), UNEXPECTED),
    ('a ticket before Finished', sealed(HANDSHAKE, message(TICKET, bytes(20))), UNEXPECTED),
    ('HelloRequest before Finished', sealed(HANDSHAKE, message(0, b'')), UNEXPECTED),
    ('KeyUpdate glued behind Finished', glued(message(KEY_UPDATE, b'\0')), UNEXPECTED),
    ('a byte glued behind Finished', glued(b'\x18'), UNEXPECTED),
    ('a second Finished', twice_finished, UNEXPECTED),
    ('a ClientHello behind Finished', lambda c: (c.finish(), c.send(c.write_key.seal(HANDSHAKE, c.hello.message()))),
     UNEXPECTED),
    ('KeyUpdate behind Finished, then a request', key_update_then_request, ANSWERED),
    ('close_notify instead of Finished', sealed(ALERT, b'\1\0'), CLOSED),
    ('a plain close_notify instead of Finished', plain(ALERT, b'\1\0'), CLOSED),
    ('a fatal alert instead of Finished', sealed(ALERT, b'\2\x2a'), CLOSED),
    ('a plain fatal alert instead of Finished', plain(ALERT, b'\2\x2a'), CLOSED),
    ('user_canceled, then Finished', then_good(sealed(ALERT, b'\1\x5a')), (ANSWERED, *CLOSED)),
    ('another warning', sealed(ALERT, b'\1\x2a'), CLOSED),
    ('an alert of one byte', sealed(ALERT, b'\2'), (DECODE, UNEXPECTED)),
    ('an alert of three bytes', sealed(ALERT, b'\2\x2a\0'), (DECODE, UNEXPECTED)),
    ('an empty alert', sealed(ALERT, b''), (DECODE, UNEXPECTED)),
]


def offered(session, host, *others, **how):
    age = how.pop('age', None)
    return Hello(host, **how).offer(session, *others, age=age)


def change_psk(change):
    """Changes the bytes of pre_shared_key."""
    return lambda s, host: (lambda h: h.set(PSK, bytes(change(bytearray(h.get(PSK))))))(offered(s, host))


def at(index):
    def change(body):
        body[index] ^= 1
        return body
    return change


def reordered(s, host):
    h = offered(s, host)
    h.extensions.append((0xabcd, b''))
    return h


def modes(body):
    def make(s, host):
        h = Hello(host)
        return (h.set(MODES, body) if body else h.drop(MODES)).offer(s)
    return make


def two_binders(s, host):
    h = offered(s, host)
    identities = h.get(PSK)[:-35]
    return h.set(PSK, identities + u16(u8(bytes(32)) * 2))


def no_binder(s, host):
    h = offered(s, host)
    return h.set(PSK, h.get(PSK)[:-35] + u16(b''))


def short_binder(s, host):
    h = offered(s, host)
    return h.set(PSK, h.get(PSK)[:-35] + u16(u8(bytes(31))))


def no_identity(_, host):
    return Hello(host).set(PSK, u16(b'') + u16(u8(bytes(32))))


def empty_identity(_, host):
    return Hello(host).set(PSK, u16(u16(b'') + bytes(4)) + u16(u8(bytes(32))))


def trailing(s, host):
    h = offered(s, host)
    return h.set(PSK, h.get(PSK) + b'\0')


def wrong_psk(s, host):
    s.psk = bytes(32)
    return offered(s, host)


# (sentence, the hello made of a session of p256.test and TLS_AES_128_GCM_SHA256, what comes of it)
RESUMPTIONS = [
    ('a ticket', lambda s, host: offered(s, host), RESUMED),
    ('a ticket with P-256', lambda s, host: offered(s, host, groups=(P256,)), RESUMED),
    ('a ticket with ChaCha20 (the same hash)', lambda s, host: offered(s, host, suites=(CHACHA,)), RESUMED),
    ('a ticket with the other hash', lambda s, host: offered(s, host, suites=(AES256,)), FULL),
    ('a ticket and no session id', lambda s, host: (lambda h: (setattr(h, 'session_id', b''), h.offer(s))[1])(Hello(host)),
     RESUMED),
    ('a ticket for another name', lambda s, _: offered(s, 'rsa.test'), (RESUMED, FULL)),
    ('a ticket and no name', lambda s, _: offered(s, None), (RESUMED, FULL)),
    # Several tickets are libssl's, which does not know those of our own handshake.
    ('another ticket first', lambda s, host: offered(s, host, bytes(100)), (RESUMED, FULL)),
    ('an age of nonsense', lambda s, host: offered(s, host, age=0x12345678), (RESUMED, FULL)),
    # decrypt_error by RFC 8446 6.2; OpenSSL says illegal_parameter.
    ('a wrong PSK', wrong_psk, (DECRYPT, ILLEGAL)),
    ('the last byte of the binder wrong', change_psk(at(-1)), (DECRYPT, ILLEGAL)),
    ('the first byte of the binder wrong', change_psk(at(-32)), (DECRYPT, ILLEGAL)),
    ('the name of the ticket\'s key altered', change_psk(at(4)), FULL),
    ('the ticket\'s initial vector altered', change_psk(at(25)), FULL),
    ('the ticket\'s text altered', change_psk(at(60)), FULL),
    ('the ticket\'s tag altered', change_psk(at(-40)), FULL),
    ('a ticket of one byte', lambda _, host: Hello(host).set(
        PSK, u16(u16(b'x') + bytes(4)) + u16(u8(bytes(32)))), FULL),
    ('pre_shared_key not last', reordered, ILLEGAL),
    ('no psk_key_exchange_modes beside it', modes(None), MISSING),
    ('only psk_ke', modes(u8(b'\0')), FULL),
    ('psk_ke and psk_dhe_ke', modes(u8(b'\0\1')), RESUMED),
    # Malformed lists are libssl's too: to it the ticket is unknown, so it does not look at binders.
    ('two binders for one identity', two_binders, (ILLEGAL, DECODE, DECRYPT, FULL)),
    ('no binder', no_binder, (ILLEGAL, DECODE, FULL)),
    ('a binder of 31 bytes', short_binder, (ILLEGAL, DECODE, FULL)),
    ('no identity', no_identity, (FULL, ILLEGAL, DECODE)),
    ('an empty identity', empty_identity, (FULL, ILLEGAL, DECODE)),
    ('a byte behind the binders', trailing, (DECODE, ILLEGAL, RESUMED, FULL)),
]
