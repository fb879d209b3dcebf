#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Resumed TLS 1.3 handshakes with a GET each, by a kernel client: h2load has none.

A few threads in a closed loop, each with the ticket of its connection before. `load` runs this file
as a program on the client core; it prints what was done as JSON. Certificates are not checked, as
h2load and loadgen do not.
"""
import json
import os
import socket
import ssl
import sys
import threading
import time

THREADS = 4
# Python's ssl knows no way to choose these; OpenSSL's configuration does.
OPENSSL_CONF = '''openssl_conf = all
[all]
ssl_conf = ssl
[ssl]
system_default = choice
[choice]
Ciphersuites = TLS_AES_128_GCM_SHA256
Groups = X25519
'''


def python(system):
    """The words that run a Python program whose TLS chooses as h2load is told to."""
    conf = os.path.join(system.directory, 'openssl.cnf')
    with open(conf, 'w', encoding='utf-8') as file:
        file.write(OPENSSL_CONF)
    return ['env', f'OPENSSL_CONF={conf}', sys.executable]


def load(system, host, path, bytes_each, secs):
    """Runs the client against a system for secs seconds: what h2load's `parse` tells, and more."""
    out = system.net.from_client(
        [*python(system), __file__, system.address, str(system.port), host, path, str(bytes_each),
         str(secs)], secs + 30)
    try:
        found = json.loads(out)
    except ValueError as error:
        raise RuntimeError('perf_resume: ' + out.strip()[-300:]) from error
    # The first connection of each thread has no ticket yet.
    if found['resumed'] < found['n'] - THREADS - found['n'] // 50:
        raise RuntimeError(f'{system.name} resumed {found["resumed"]} of {found["n"]}')
    return {**found, 'mib': found['n'] * bytes_each / 2**20, 'wire_bytes': 0}


def answer(tls, bytes_each):
    """Reads one response; true when it is a 200 with as many bytes as it should have."""
    data = b''
    while b'\r\n\r\n' not in data:
        more = tls.recv(16384)
        if not more:
            return False
        data += more
    head, _, body = data.partition(b'\r\n\r\n')
    while len(body) < bytes_each:
        more = tls.recv(16384)
        if not more:
            return False
        body += more
    return head.split(b' ', 2)[1] == b'200' and len(body) == bytes_each


def leave(tls):
    """Says close_notify and does not wait for the other's."""
    tls.setblocking(False)
    try:
        tls.unwrap()
    except OSError:
        pass
    tls.close()


class Client(threading.Thread):
    """One connection after the other until the end."""

    def __init__(self, context, arguments, end):
        super().__init__()
        self.context, self.end = context, end
        self.target, self.host = (arguments[0], int(arguments[1])), arguments[2]
        self.bytes_each = int(arguments[4])
        self.request = f'GET {arguments[3]} HTTP/1.1\r\nHost: {self.host}\r\n\r\n'.encode()
        self.counts = {'n': 0, 'resumed': 0, 'bad': 0, 'failed': 0}
        self.agreed = '? ?'
        self.ticket = None

    def once(self):
        with socket.create_connection(self.target, 10) as plain:
            tls = self.context.wrap_socket(plain, server_hostname=self.host, session=self.ticket)
            tls.sendall(self.request)
            right = answer(tls, self.bytes_each)
            self.counts['n' if right else 'bad'] += 1
            self.counts['resumed'] += tls.session_reused
            self.agreed = f'{tls.version()} {tls.cipher()[0]}'
            self.ticket = tls.session
            leave(tls)

    def run(self):
        while time.monotonic() < self.end:
            try:
                self.once()
            except OSError:
                self.counts['failed'] += 1


def main():
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    begin = time.monotonic()
    clients = [Client(context, sys.argv[1:], begin + float(sys.argv[6])) for _ in range(THREADS)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    counts = {name: sum(c.counts[name] for c in clients) for name in clients[0].counts}
    print(json.dumps({**counts, 'secs': time.monotonic() - begin, 'tls': clients[0].agreed}))


if __name__ == '__main__':
    main()
