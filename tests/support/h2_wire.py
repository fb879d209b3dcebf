# SPDX-License-Identifier: Apache-2.0
"""HTTP/2 as bytes on a TLS connection (RFC 9113, 7541): frames of any shape, right or wrong.

Nothing here checks what it sends: that is the peer's duty, and what the tests are about.
"""
import contextlib
import socket
import ssl
import struct
import time

import hpack  # Debian's python3-hpack; only to read what the peer answers

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, \
    CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS, PADDED, PRIORITIZED = 1, 1, 4, 8, 0x20
NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR, SETTINGS_TIMEOUT, STREAM_CLOSED, \
    FRAME_SIZE_ERROR, REFUSED_STREAM, CANCEL, COMPRESSION_ERROR, CONNECT_ERROR, \
    ENHANCE_YOUR_CALM = range(12)
ERRORS = ('NO_ERROR PROTOCOL_ERROR INTERNAL_ERROR FLOW_CONTROL_ERROR SETTINGS_TIMEOUT '
          'STREAM_CLOSED FRAME_SIZE_ERROR REFUSED_STREAM CANCEL COMPRESSION_ERROR '
          'CONNECT_ERROR ENHANCE_YOUR_CALM').split()
PREFACE = b'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'
MAX_HEADER_LIST_SIZE, ENABLE_CONNECT_PROTOCOL = 6, 8


def frame(kind, flags=0, stream=0, payload=b'', length=None):
    """One frame; length may lie."""
    count = len(payload) if length is None else length
    return struct.pack('>I', count)[1:] + bytes((kind, flags)) + struct.pack('>I', stream) + payload


def settings(*pairs):
    return b''.join(struct.pack('>HI', name, value) for name, value in pairs)


def word(number):
    return struct.pack('>I', number)


def number_of(value, prefix_bits, first=0):
    """RFC 7541 5.1"""
    most = (1 << prefix_bits) - 1
    if value < most:
        return bytes((first | value,))
    out, value = [first | most], value - most
    while value >= 128:
        out.append(value % 128 | 128)
        value //= 128
    return bytes(out + [value])


def literal(name, value):
    """A literal field without indexing, without Huffman (RFC 7541 6.2.2)."""
    name, value = as_bytes(name), as_bytes(value)
    return b'\0' + number_of(len(name), 7) + name + number_of(len(value), 7) + value


def as_bytes(text):
    return text if isinstance(text, bytes) else text.encode('latin-1')


def block(fields):
    return b''.join(literal(name, value) for name, value in fields)


class Peer:
    """A client's connection. seen is every frame received: (type, flags, stream, payload)."""

    def __init__(self, address, host, ca, port=443):
        context = ssl.create_default_context(cafile=ca)
        context.set_alpn_protocols(['h2'])
        self.host = host
        plain = socket.create_connection((address, port), timeout=5)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = context.wrap_socket(plain, server_hostname=host)
        self.rest = b''
        self.seen = []
        self.is_closed = False
        self.settings = {}
        self.decoder = hpack.Decoder()
        self.decoder.max_allowed_table_size = 65536
        self.heads = {}
        self.sent_bytes = 0
        self.answers_pings = False

    def close(self):
        with contextlib.suppress(OSError):
            self.sock.close()

    def send(self, *frames):
        data = b''.join(frames)
        try:
            self.sock.sendall(data)
            self.sent_bytes += len(data)
        except (OSError, ssl.SSLError):
            self.is_closed = True

    def begin(self, *pairs):
        """The preface and a settled connection: their SETTINGS seen, ours acknowledged."""
        self.send(PREFACE, frame(SETTINGS, payload=settings(*pairs)))
        self.wait(lambda: any(k == SETTINGS and f & ACK for k, f, _, _ in self.seen))
        self.send(frame(SETTINGS, ACK))
        return self

    def request(self, *more, method='GET', path='/echo', without=()):
        fields = [(':method', method), (':scheme', 'https'), (':path', path),
                  (':authority', self.host)]
        return [f for f in fields if f[0] not in without] + list(more)

    def head(self, stream, fields=None, flags=END_HEADERS | END_STREAM):
        return frame(HEADERS, flags, stream, block(self.request() if fields is None else fields))

    def take(self, timeout):
        """Reads once; False when nothing came, or the end."""
        self.sock.settimeout(max(timeout, 0.001))
        try:
            data = self.sock.recv(65536)
        except (TimeoutError, ssl.SSLWantReadError):
            return False
        except (OSError, ssl.SSLError):
            data = b''
        if not data:
            self.is_closed = True
            return False
        self.rest += data
        while len(self.rest) >= 9:
            count = int.from_bytes(self.rest[:3], 'big')
            if len(self.rest) < 9 + count:
                break
            self.note(self.rest[3], self.rest[4],
                      int.from_bytes(self.rest[5:9], 'big') & 0x7fffffff, self.rest[9:9 + count])
            self.rest = self.rest[9 + count:]
        return True

    def note(self, kind, flags, stream, payload):
        self.seen.append((kind, flags, stream, payload))
        if kind == SETTINGS and not flags & ACK:
            for at in range(0, len(payload), 6):
                name, value = struct.unpack('>HI', payload[at:at + 6])
                self.settings[name] = value
        if kind == PING and not flags & ACK and self.answers_pings:
            self.send(frame(PING, ACK, 0, payload))
        if kind == HEADERS:
            fields = self.decoder.decode(payload, raw=True)
            self.heads.setdefault(stream, []).append(dict(fields))

    def wait(self, until, seconds=3):
        """Reads until it holds, the end, or time is up; returns whether it holds."""
        end = time.monotonic() + seconds
        while not until() and not self.is_closed:
            left = end - time.monotonic()
            if left <= 0:
                break
            self.take(left)
        return until()

    def frames(self, kind, stream=None):
        return [f for f in self.seen if f[0] == kind and stream in (None, f[2])]

    def goaway_error(self):
        """The error of the last GOAWAY that was no notice, or None."""
        found = self.frames(GOAWAY)
        return int.from_bytes(found[-1][3][4:8], 'big') if found else None

    def reset_error(self, stream):
        found = self.frames(RST_STREAM, stream)
        return int.from_bytes(found[-1][3], 'big') if found else None

    def status(self, stream):
        """The final response's status, or None."""
        for fields in self.heads.get(stream, []):
            status = int(fields.get(b':status', b'0'))
            if status >= 200:
                return status
        return None

    def is_ended(self, stream):
        return any(f[1] & END_STREAM for f in self.seen if f[2] == stream and f[0] in (DATA,
            HEADERS))

    def body(self, stream):
        return b''.join(f[3] for f in self.frames(DATA, stream))
