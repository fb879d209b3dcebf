# SPDX-License-Identifier: Apache-2.0
"""A TLS 1.3 client (RFC 8446) whose every message and record may be made wrong.

    client = Client((address, port))
    client.send(records(HANDSHAKE, hello.message()))
    client.read_flight(hello); client.send(client.finished_record()); client.ask(host)

It verifies what a client must: CertificateVerify, the server's Finished, the echoed session id.
"""
import hashlib
import hmac
import os
import socket
import struct

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, x25519
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import load_der_x509_certificate

CCS, ALERT, HANDSHAKE, DATA = 20, 21, 22, 23
CLIENT_HELLO, SERVER_HELLO, TICKET, EXTENSIONS, CERTIFICATE, VERIFY, FINISHED, KEY_UPDATE, MESSAGE_HASH = \
    1, 2, 4, 8, 11, 15, 20, 24, 254
SNI, STATUS, GROUPS, SCHEMES, ALPN, PSK, EARLY, VERSIONS, COOKIE, MODES, SHARE = 0, 5, 10, 13, 16, 41, 42, 43, 44, 45, 51
AES128, AES256, CHACHA = 0x1301, 0x1302, 0x1303
P256, P384, X25519 = 0x17, 0x18, 0x1d
CURVES = {P256: ec.SECP256R1, P384: ec.SECP384R1}
SUITES = {AES128: ('sha256', 16, AESGCM), AES256: ('sha384', 32, AESGCM),
          CHACHA: ('sha256', 32, ChaCha20Poly1305)}
ALERTS = {0: 'close_notify', 10: 'unexpected_message', 20: 'bad_record_mac', 22: 'record_overflow',
          40: 'handshake_failure', 42: 'bad_certificate', 47: 'illegal_parameter', 50: 'decode_error',
          51: 'decrypt_error', 70: 'protocol_version', 80: 'internal_error', 86: 'inappropriate_fallback',
          90: 'user_canceled', 109: 'missing_extension', 110: 'unsupported_extension', 112: 'unrecognized_name',
          116: 'certificate_required', 120: 'no_application_protocol'}
RETRY = hashlib.sha256(b'HelloRetryRequest').digest()
TIMEOUT = 5


class Ended(Exception):
    """The server ended the connection: an alert's name, closed, or silent."""


def u8(data):
    return bytes([len(data)]) + data


def u16(data):
    return struct.pack('>H', len(data)) + data


def u24(data):
    return struct.pack('>I', len(data))[1:] + data


def numbers(*values):
    return struct.pack(f'>{len(values)}H', *values)


def message(kind, body):
    return bytes([kind]) + u24(body)


def record(kind, body, version=0x0303):
    return struct.pack('>BHH', kind, version, len(body)) + body


def records(kind, body, most=16384, version=0x0303):
    """body in records of at most that much."""
    return b''.join(record(kind, body[i:i + most], version) for i in range(0, len(body), most))


def server_name(host):
    return u16(b'\0' + u16(host))


class Hello:
    """A ClientHello to be changed before it is sent: fields, and extensions in order."""

    def __init__(self, host, suites=(AES128, AES256, CHACHA), groups=(X25519, P256), shares=None):
        self.version, self.random, self.session_id = 0x0303, os.urandom(32), os.urandom(32)
        self.suites, self.compression, self.tail = numbers(*suites), b'\0', b''
        self.keys = {group: private_key(group) for group in (groups[:1] if shares is None else shares)}
        self.extensions = [
            (GROUPS, u16(numbers(*groups))),
            (SCHEMES, u16(numbers(0x0403, 0x0503, 0x0807, 0x0804, 0x0805, 0x0806))),
            (ALPN, u16(u8(b'http/1.1'))), (MODES, u8(b'\1')), (VERSIONS, u8(numbers(0x0304))),
            (SHARE, u16(b''.join(numbers(g) + u16(public_key(k)) for g, k in self.keys.items())))]
        if host:
            self.extensions.insert(0, (SNI, server_name(host.encode())))
        self.psk, self.binder_hash = None, None

    def get(self, kind):
        return dict(self.extensions)[kind]

    def set(self, kind, body):
        """Puts an extension in the place of its old self, or last."""
        if kind in dict(self.extensions):
            self.extensions = [(k, body if k == kind else b) for k, b in self.extensions]
        else:
            self.extensions.append((kind, body))
        return self

    def drop(self, kind):
        self.extensions = [(k, b) for k, b in self.extensions if k != kind]
        return self

    def message(self):
        body = (struct.pack('>H', self.version) + self.random + u8(self.session_id) + u16(self.suites) +
                u8(self.compression) + u16(b''.join(numbers(k) + u16(b) for k, b in self.extensions)) +
                self.tail)
        return message(CLIENT_HELLO, body)

    def offer(self, session, *identities, age=None):
        """Offers a session behind other identities, with binders over all."""
        size = hashlib.new(session.hash).digest_size
        own = u16(session.ticket) + struct.pack('>I', session.age() if age is None else age)
        every = [u16(other) + bytes(4) for other in identities] + [own]
        blank = u16(u8(bytes(size)) * len(every))
        self.psk = session.psk
        self.drop(PSK).set(PSK, u16(b''.join(every)) + blank)
        covered = self.message()[:-len(blank)]
        mac = Schedule(session.hash, session.psk).binder(covered)
        return self.set(PSK, u16(b''.join(every)) + u16(u8(mac) * len(every)))


def private_key(group):
    if group == X25519:
        return x25519.X25519PrivateKey.generate()
    return ec.generate_private_key(CURVES[group]())


def public_key(key):
    if isinstance(key, x25519.X25519PrivateKey):
        return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def shared_secret(key, group, point):
    if group == X25519:
        return key.exchange(x25519.X25519PublicKey.from_public_bytes(point))
    return key.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(CURVES[group](), point))


class Schedule:
    """RFC 8446 7.1 for one hash."""

    def __init__(self, name, psk=None):
        self.hash, self.size = name, hashlib.new(name).digest_size
        self.secret = self.extract(bytes(self.size), psk or bytes(self.size))

    def digest(self, data):
        return hashlib.new(self.hash, data).digest()

    def mac(self, key, data):
        return hmac.new(key, data, self.hash).digest()

    def extract(self, salt, secret):
        return self.mac(salt, secret)

    def expand(self, secret, label, context, size):
        info = struct.pack('>H', size) + u8(b'tls13 ' + label) + u8(context)
        out, block, count = b'', b'', 0
        while len(out) < size:
            count += 1
            block = self.mac(secret, block + info + bytes([count]))
            out += block
        return out[:size]

    def derive(self, label, transcript):
        return self.expand(self.secret, label, self.digest(transcript), self.size)

    def advance(self, secret):
        self.secret = self.extract(self.derive(b'derived', b''), secret or bytes(self.size))

    def finished(self, base, transcript):
        return self.mac(self.expand(base, b'finished', b'', self.size), self.digest(transcript))

    def binder(self, covered):
        return self.finished(self.derive(b'res binder', b''), covered)


class Key:
    """One direction's traffic key."""

    def __init__(self, schedule, secret, suite):
        _, size, cipher = SUITES[suite]
        self.secret, self.sequence = secret, 0
        self.cipher = cipher(schedule.expand(secret, b'key', b'', size))
        self.iv = schedule.expand(secret, b'iv', b'', 12)

    def nonce(self):
        number = int.from_bytes(self.iv, 'big') ^ self.sequence
        self.sequence += 1
        return number.to_bytes(12, 'big')

    def seal(self, kind, body, pad=0):
        inner = body + bytes([kind]) + bytes(pad)
        head = struct.pack('>BHH', DATA, 0x0303, len(inner) + 16)
        return head + self.cipher.encrypt(self.nonce(), inner, head)

    def open(self, head, body):
        inner = self.cipher.decrypt(self.nonce(), body, head).rstrip(b'\0')
        return inner[-1], inner[:-1]


class Session:
    """What a ticket resumes."""

    def __init__(self, name, secret, body):
        self.hash = name
        self.lifetime, self.age_add = struct.unpack_from('>II', body)
        nonce = body[9:9 + body[8]]
        at = 9 + body[8]
        size, = struct.unpack_from('>H', body, at)
        self.ticket = body[at + 2:at + 2 + size]
        schedule = Schedule(name)
        self.psk = schedule.expand(secret, b'resumption', nonce, schedule.size)

    def age(self):
        return self.age_add & 0xffffffff


class Client:
    def __init__(self, target):
        self.sock = socket.create_connection(target, timeout=TIMEOUT)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.read_key = self.write_key = None
        self.transcript, self.pending, self.sessions = b'', b'', []
        self.seen_ccs, self.is_resumed, self.certificate, self.protocol = 0, False, None, None
        self.schedule = self.suite = self.group = self.application = self.master = None

    def close(self):
        self.sock.close()

    def send(self, *pieces):
        for piece in pieces:
            try:
                self.sock.sendall(piece)
            except OSError:  # what the server said is read all the same
                return

    def take(self, count):
        data = b''
        while len(data) < count:
            try:
                more = self.sock.recv(count - len(data))
            except socket.timeout:
                raise Ended('silent') from None
            except OSError:
                more = b''
            if not more:
                raise Ended('closed')
            data += more
        return data

    def read(self):
        """The next record's type and text; an alert ends all."""
        head = self.take(5)
        kind, _, size = struct.unpack('>BHH', head)
        body = self.take(size)
        if kind == DATA and self.read_key:
            kind, body = self.read_key.open(head, body)
        if kind == ALERT:
            raise Ended(ALERTS.get(body[1], f'alert {body[1]}'))
        return kind, body

    def read_message(self):
        """The next handshake message, whole."""
        while len(self.pending) < 4 or len(self.pending) < 4 + int.from_bytes(self.pending[1:4], 'big'):
            kind, body = self.read()
            if kind == CCS:
                self.seen_ccs += 1
                continue
            if kind != HANDSHAKE:
                raise AssertionError(f'record of type {kind}')
            self.pending += body
        size = 4 + int.from_bytes(self.pending[1:4], 'big')
        whole, self.pending = self.pending[:size], self.pending[size:]
        return whole

    def read_hello(self, hello):
        """ServerHello. True when it is a HelloRetryRequest, whose group is in self.group."""
        reply = self.read_message()
        assert reply[0] == SERVER_HELLO, f'message {reply[0]}'
        size = reply[38]
        assert reply[39:39 + size] == hello.session_id, 'session id is not echoed'
        at = 39 + size
        self.suite, compression, total = struct.unpack_from('>HBH', reply, at)
        assert compression == 0 and len(reply) == at + 5 + total
        extensions = dict(split_extensions(reply[at + 5:]))
        if VERSIONS not in extensions:
            raise Ended('TLS 1.2')
        assert extensions[VERSIONS] == b'\3\4'
        self.group, = struct.unpack_from('>H', extensions[SHARE])
        if reply[6:38] == RETRY:
            first = hashlib.new(SUITES[self.suite][0], hello.message()).digest()
            self.transcript = message(MESSAGE_HASH, first) + reply
            return True
        self.is_resumed = PSK in extensions
        self.schedule = Schedule(SUITES[self.suite][0], hello.psk if self.is_resumed else None)
        self.transcript += hello.message() + reply
        self.schedule.advance(shared_secret(hello.keys[self.group], self.group, extensions[SHARE][4:]))
        client, server = (self.schedule.derive(label, self.transcript)
                          for label in (b'c hs traffic', b's hs traffic'))
        self.read_key, self.write_key = (Key(self.schedule, s, self.suite) for s in (server, client))
        self.schedule.advance(None)
        return False

    def read_flight(self, hello):
        """The server's whole flight; afterwards its application key reads. True: it wants another hello."""
        if self.read_hello(hello):
            return True
        while True:
            part = self.read_message()
            if part[0] == EXTENSIONS:
                self.read_extensions(part[6:], hello)
            elif part[0] == CERTIFICATE:
                size = int.from_bytes(part[8:11], 'big')
                self.certificate = load_der_x509_certificate(part[11:11 + size])
            elif part[0] == VERIFY:
                self.verify(part)
            else:
                break
            self.transcript += part
        assert part[0] == FINISHED and not self.pending
        assert part[4:] == self.schedule.finished(self.read_key.secret, self.transcript), 'wrong Finished'
        assert self.is_resumed != bool(self.certificate)
        self.transcript += part
        self.application, server = (self.schedule.derive(label, self.transcript)
                                    for label in (b'c ap traffic', b's ap traffic'))
        self.read_key = Key(self.schedule, server, self.suite)
        return False

    def read_extensions(self, data, hello):
        for kind, body in split_extensions(data):
            assert kind in dict(hello.extensions), f'extension {kind} was not offered'
            assert kind in (SNI, GROUPS, ALPN), f'extension {kind}'
            if kind == ALPN:
                self.protocol = body[3:]

    def verify(self, part):
        key = self.certificate.public_key()
        scheme, size = struct.unpack_from('>HH', part, 4)
        signature = part[8:8 + size]
        text = b' ' * 64 + b'TLS 1.3, server CertificateVerify\0' + self.schedule.digest(self.transcript)
        if isinstance(key, ec.EllipticCurvePublicKey):
            assert scheme == {256: 0x0403, 384: 0x0503}[key.key_size], hex(scheme)
            key.verify(signature, text, ec.ECDSA({256: hashes.SHA256(), 384: hashes.SHA384()}[key.key_size]))
        elif isinstance(key, ed25519.Ed25519PublicKey):
            assert scheme == 0x0807, hex(scheme)
            key.verify(signature, text)
        else:
            assert isinstance(key, rsa.RSAPublicKey)
            chosen = {0x0804: hashes.SHA256(), 0x0805: hashes.SHA384(), 0x0806: hashes.SHA512()}[scheme]
            key.verify(signature, text, padding.PSS(padding.MGF1(chosen), chosen.digest_size), chosen)

    def finished(self):
        return message(FINISHED, self.schedule.finished(self.write_key.secret, self.transcript))

    def finish(self):
        """Sends Finished, and goes on under the application keys."""
        self.send(self.write_key.seal(HANDSHAKE, self.finished()))
        self.finish_silently()

    def finish_silently(self):
        self.transcript += self.finished()
        self.master = self.schedule.derive(b'res master', self.transcript)
        self.write_key = Key(self.schedule, self.application, self.suite)

    def note(self, kind, body):
        """Tickets become sessions."""
        assert kind == HANDSHAKE and body[0] == TICKET, f'record of type {kind}'
        while body:
            size = 4 + int.from_bytes(body[1:4], 'big')
            if self.master:  # else Finished was not what it should be
                self.sessions.append(Session(self.schedule.hash, self.master, body[4:size]))
            body = body[size:]

    def ask(self, host, request=None):
        """One request, and the beginning of its answer; tickets are kept on the way."""
        text = request or f'GET /echo HTTP/1.1\r\nHost: {host}\r\n\r\n'.encode()
        self.send(self.write_key.seal(DATA, text))
        return self.answer()

    def answer(self):
        while True:
            kind, body = self.read()
            if kind == DATA and body:
                return body
            if kind != DATA:
                self.note(kind, body)


def split_extensions(data):
    at = 0
    while at < len(data):
        kind, size = struct.unpack_from('>HH', data, at)
        yield kind, data[at + 4:at + 4 + size]
        at += 4 + size
    assert at == len(data), 'cut extensions'
