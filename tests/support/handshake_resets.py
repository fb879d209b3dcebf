# SPDX-License-Identifier: Apache-2.0
"""Begins handshakes of TLS 1.3 and resets their connections at once.

  handshake_resets.py ADDRESS HOST ROUNDS

Each round opens 16 connections, sends a ClientHello on each, and resets them.
"""
import socket
import ssl
import struct
import sys

AT_ONCE = 16


def hello(host):
    """The first bytes of an ordinary client."""
    context = ssl.create_default_context()
    out = ssl.MemoryBIO()
    client = context.wrap_bio(ssl.MemoryBIO(), out, server_hostname=host)
    try:
        client.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return out.read()


def main():
    address, host, rounds = sys.argv[1:4]
    count = 0
    for _ in range(int(rounds)):
        socks = [socket.create_connection((address, 443), 10) for _ in range(AT_ONCE)]
        for sock in socks:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
        for sock in socks:
            sock.sendall(hello(host))
            sock.close()
            count += 1
    print(f'{count} reset')


if __name__ == '__main__':
    main()
