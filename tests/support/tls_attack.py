# SPDX-License-Identifier: Apache-2.0
"""What a TLS client may do that Python's ssl cannot: OpenSSL by ctypes, and records made by hand. TAP.

  tls_attack.py ADDRESS HOST CA
"""
import ctypes
import socket
import ssl
import sys

LIB = ctypes.CDLL('libssl.so.3')
for name in ('TLS_client_method', 'SSL_CTX_new', 'SSL_new'):
    getattr(LIB, name).restype = ctypes.c_void_p
SET_MAX_VERSION, TLS12 = 124, 0x0303
SET_HOST_NAME, SET_MODE = 55, 33
UPDATES = 200


class Client:
    """A connection of OpenSSL's own, without any check of the server."""

    def __init__(self, target, version=None):
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
        if LIB.SSL_connect(self.ssl) != 1:
            raise OSError('no handshake')

    def ask(self):
        """The status line of a request, or what came instead."""
        text = f'GET /echo HTTP/1.1\r\nHost: {self.host}\r\n\r\n'.encode()
        LIB.SSL_write(self.ssl, text, len(text))
        room = ctypes.create_string_buffer(4096)
        count = LIB.SSL_read(self.ssl, room, len(room))
        return room.raw[:15].decode('latin-1') if count > 0 else f'read {count}'


def flood_of_key_updates(target):
    client = Client(target)
    for number in range(UPDATES):
        LIB.SSL_key_update(client.ssl, 0)
        if LIB.SSL_do_handshake(client.ssl) != 1:
            return number < UPDATES, f'{number} were taken'
    return client.ask() != 'HTTP/1.1 200 OK', 'all were taken'


def some_key_updates(target):
    client = Client(target)
    for _ in range(10):
        LIB.SSL_key_update(client.ssl, 1)
        LIB.SSL_do_handshake(client.ssl)
    got = client.ask()
    return got == 'HTTP/1.1 200 OK', got


def renegotiation(target):
    client = Client(target, TLS12)
    first = client.ask()
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


TESTS = [('ten KeyUpdates are answered, and the request behind them', some_key_updates),
         (f'{UPDATES} KeyUpdates without data are too many', flood_of_key_updates),
         ('TLS 1.2 is served, but not negotiated again', renegotiation),
         ('a request of one byte a record is answered', tiny_records),
         ('a ClientHello of one byte a record is understood', fragmented_hello)]


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
