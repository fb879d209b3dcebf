# SPDX-License-Identifier: Apache-2.0
"""What a TLS client may do that Python's ssl cannot: OpenSSL by ctypes, and records made by hand. TAP.

  tls_attack.py ADDRESS HOST CA
"""
import ctypes
import re
import socket
import ssl
import sys

LIB, CRYPTO = ctypes.CDLL('libssl.so.3'), ctypes.CDLL('libcrypto.so.3')
for function in (LIB.TLS_client_method, LIB.SSL_CTX_new, LIB.SSL_new, LIB.SSL_get1_session,
                 CRYPTO.BIO_s_mem, CRYPTO.BIO_new):
    function.restype = ctypes.c_void_p
SET_MAX_VERSION, TLS12 = 124, 0x0303
SET_HOST_NAME, SET_MODE = 55, 33
UPDATES = 200
REJECTED, REPLAYS = 1, 3  # SSL_EARLY_DATA_REJECTED
EARLY = '/counted/early?cache=no-store'


def length_of(answer):
    """Of the whole answer that begins so, or more than there is."""
    head, end, _ = answer.partition(b'\r\n\r\n')
    length = re.search(rb'(?i)\r\ncontent-length: *(\d+)', head)
    return len(head + end) + int(length[1]) if end else len(answer) + 1


class Client:
    """A connection of OpenSSL's own, without any check of the server."""

    def __init__(self, target, version=None, session=None):
        address, host, _ = target
        self.host = host
        self.sock = socket.create_connection((address, 443), timeout=5)
        context = ctypes.c_void_p(LIB.SSL_CTX_new(ctypes.c_void_p(LIB.TLS_client_method())))
        self.ssl = ctypes.c_void_p(LIB.SSL_new(context))
        if version:
            LIB.SSL_ctrl(self.ssl, SET_MAX_VERSION, ctypes.c_long(version), None)
        LIB.SSL_ctrl(self.ssl, SET_HOST_NAME, ctypes.c_long(0), host.encode())
        self.sock.settimeout(None)
        LIB.SSL_set_fd(self.ssl, self.sock.fileno())
        if session:
            LIB.SSL_set_session(self.ssl, session)
            return
        self.connect()

    def connect(self):
        if LIB.SSL_connect(self.ssl) != 1:
            raise OSError('no handshake')

    def request(self, path):
        return f'GET {path} HTTP/1.1\r\nHost: {self.host}\r\n\r\n'.encode()

    def ask(self, path='/echo'):
        """Status line and body of a request's answer, or what came instead."""
        text = self.request(path)
        LIB.SSL_write(self.ssl, text, len(text))
        room = ctypes.create_string_buffer(4096)
        answer = b''
        while len(answer) < length_of(answer):
            count = LIB.SSL_read(self.ssl, room, len(room))
            if count <= 0:
                return f'read {count}', ''
            answer += room.raw[:count]
        return answer[:15].decode(), answer.partition(b'\r\n\r\n')[2].decode().strip()

    def session(self, early_bytes):
        """What its ticket resumes, as if it had promised room for early data."""
        session = ctypes.c_void_p(LIB.SSL_get1_session(self.ssl))
        LIB.SSL_SESSION_set_max_early_data(session, early_bytes)
        return session

    def write_early(self, text):
        written = ctypes.c_size_t()
        if LIB.SSL_write_early_data(self.ssl, text, len(text), ctypes.byref(written)) != 1:
            raise OSError('no early data')


def flood_of_key_updates(target):
    client = Client(target)
    for number in range(UPDATES):
        LIB.SSL_key_update(client.ssl, 0)
        if LIB.SSL_do_handshake(client.ssl) != 1:
            return number < UPDATES, f'{number} were taken'
    return client.ask()[0] != 'HTTP/1.1 200 OK', 'all were taken'


def some_key_updates(target):
    client = Client(target)
    for _ in range(10):
        LIB.SSL_key_update(client.ssl, 1)
        LIB.SSL_do_handshake(client.ssl)
    got, _ = client.ask()
    return got == 'HTTP/1.1 200 OK', got


def renegotiation(target):
    client = Client(target, TLS12)
    first, _ = client.ask()
    LIB.SSL_renegotiate(client.ssl)
    LIB.SSL_do_handshake(client.ssl)
    room = ctypes.create_string_buffer(4096)
    LIB.SSL_read(client.ssl, room, len(room))
    return first == 'HTTP/1.1 200 OK' and LIB.SSL_renegotiate_pending(client.ssl) != 0, first


def tiny_records(target):
    address, host, ca = target
    context = ssl.create_default_context(cafile=ca)
    with socket.create_connection((address, 443), timeout=5) as plain, \
            context.wrap_socket(plain, server_hostname=host) as tls:
        text = f'POST /echo HTTP/1.1\r\nHost: {host}\r\nContent-Length: 2000\r\n\r\n' + 'x' * 2000
        for byte in text.encode():
            tls.sendall(bytes((byte,)))
        got = tls.recv(15)
    return got == b'HTTP/1.1 200 OK', got


def fragmented_hello(target):
    """Each byte of the ClientHello in a record of its own (RFC 8446 5.1)."""
    address, host, ca = target
    context = ssl.create_default_context(cafile=ca)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname=host)
    with socket.create_connection((address, 443), timeout=5) as sock:
        is_hello = True
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                data = outgoing.read()
                if is_hello:
                    data = b''.join(b'\x16\x03\x01\0\1' + data[i:i + 1] for i in range(5, len(data)))
                is_hello = False
                sock.sendall(data)
                incoming.write(sock.recv(65536) or b'')
        tls.write(f'GET /echo HTTP/1.1\r\nHost: {host}\r\n\r\n'.encode())
        sock.sendall(outgoing.read())
        got = b''
        while not got:
            try:
                incoming.write(sock.recv(65536))
                got = tls.read(15)
            except ssl.SSLWantReadError:
                pass
    return got == b'HTTP/1.1 200 OK', got


def early_data(target):
    """A request that came too early is answered once, when it is said again (RFC 8446 4.2.10).
    Who sends early data is libssl's, which does not know our tickets: nothing is resumed."""
    first = Client(target)
    first.ask()
    client = Client(target, session=first.session(16384))
    client.write_early(client.request(EARLY))
    client.connect()
    status = LIB.SSL_get_early_data_status(client.ssl)
    got = status, LIB.SSL_session_reused(client.ssl), client.ask(EARLY)[1], client.ask('/count/early')[1]
    return got == (REJECTED, 0, '{"answer": 1}', '1'), got


def replayed_early_data(target):
    """The flight that a ticket's owner began with, from other connections: it never gets to the origin."""
    first = Client(target)
    first.ask()
    client = Client(target, session=first.session(16384))
    out = ctypes.c_void_p(CRYPTO.BIO_new(ctypes.c_void_p(CRYPTO.BIO_s_mem())))
    LIB.SSL_set0_wbio(client.ssl, out)
    client.write_early(client.request('/counted/replayed?cache=no-store'))
    room = ctypes.create_string_buffer(16384)
    count = CRYPTO.BIO_read(out, room, len(room))
    flight = room.raw[:count]
    for _ in range(REPLAYS):
        with socket.create_connection((target[0], 443), timeout=5) as sock:
            sock.sendall(flight)
            if sock.recv(1) != b'\x16':  # the server's flight: it has read all of ours that it takes
                return False, 'no ServerHello'
    got = first.ask('/count/replayed')[1]
    return len(flight) > 200 and got == '0', got


TESTS = [('ten KeyUpdates are answered, and the request behind them', some_key_updates),
         (f'{UPDATES} KeyUpdates without data are too many', flood_of_key_updates),
         ('TLS 1.2 is served, but not negotiated again', renegotiation),
         ('a request of one byte a record is answered', tiny_records),
         ('a ClientHello of one byte a record is understood', fragmented_hello),
         ('early data is refused, and its request answered once when it is said again', early_data),
         ('early data that is replayed never comes to the origin', replayed_early_data)]


def main():
    for number, (sentence, test) in enumerate(TESTS, 1):
        try:
            is_good, got = test(sys.argv[1:4])
        except OSError as error:
            is_good, got = False, error
        print(f'{"ok" if is_good else "not ok"} {number} - {sentence}')
        if not is_good:
            print(f'# {got}')
    print(f'1..{len(TESTS)}')


main()
