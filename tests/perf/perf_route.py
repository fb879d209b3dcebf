#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Route changes: how long until the new endpoint answers, and what is lost meanwhile.

A service's one endpoint is swapped between two ports of the origin, which answer with their number:

  watcher  one connection. Give the command, then ask until the other port answers, and read what the
           command answers: `served` is from before the command was given to the end of the first answer of
           the new endpoint, a request included. The command may take longer: ours waits for the disk.
  callers  connections in a closed loop meanwhile: a request that was sent and has no whole 200 is lost.

How a system is changed is told by `change`: millrace-control's socket, HAProxy's runtime API (set
server), or another configuration and SIGHUP (nginx). `load` runs this file as a program on the
client core; it prints what it saw as JSON.
"""
import json
import multiprocessing
import os
import shutil
import signal
import socket
import ssl
import statistics
import sys
import time

PORTS = (8080, 8081)
CALLERS = 4
ALONE = 20  # changes, without callers
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


def load(system, host, secs, count):
    """Changes a system count times, at most secs seconds long: what h2load's `parse` tells, and more."""
    asked = {'change': system.change(), 'address': system.address, 'port': system.port,
             'host': host, 'seconds': secs, 'count': count}
    out = system.net.from_client([*python(system), __file__, json.dumps(asked)],
                                 secs * 2 + 60)
    try:
        return json.loads(out)
    except ValueError as error:
        raise RuntimeError('perf_route: ' + out.strip()[-300:]) from error


class Asked:
    """One line to a unix socket; `answer` is the line that comes back."""

    def __init__(self, path, line):
        self.client = socket.socket(socket.AF_UNIX)
        self.client.connect(path)
        self.client.sendall(line.encode() + b'\n')

    def answer(self):
        with self.client:
            return self.client.recv(65536).decode()


class Changer:
    """Makes the service's endpoint another port."""

    def __init__(self, change):
        self.__dict__.update(change)

    def begin(self, port):
        """Gives the command; what is returned waits until it is accepted."""
        return getattr(self, self.how)(port)

    def to(self, port):
        self.begin(port)()

    def millrace(self, port):
        command = {'command': 'service-set', 'name': 'origin', 'to': [f'{self.origin}:{port}'],
                   'location': 'par'}
        asked = Asked(self.socket, json.dumps(command))
        return lambda: self.check(asked.answer(), '"ok":true')

    def haproxy(self, port):
        asked = Asked(self.socket, f'set server plain/a addr {self.origin} port {port}')
        return lambda: self.check(asked.answer(), 'chang')

    def nginx(self, port):
        shutil.copy(f'{self.conf}.{port}', self.conf)
        os.kill(int(open(self.pid, encoding='utf-8').read()), signal.SIGHUP)
        return lambda: None

    def check(self, reply, wanted):
        if wanted not in reply:
            raise RuntimeError(f'{self.how}: {reply}')


class Caller:
    """A connection that is opened again when it ends."""

    def __init__(self, asked):
        self.target, self.host = (asked['address'], asked['port']), asked['host']
        self.context = ssl.create_default_context()
        self.context.check_hostname = False
        self.context.verify_mode = ssl.CERT_NONE
        self.tls = None
        self.counts = {'n': 0, 'bad': 0, 'lost': 0}
        self.request = f'GET /which HTTP/1.1\r\nHost: {self.host}\r\n\r\n'.encode()

    def connect(self):
        plain = socket.create_connection(self.target, 10)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.tls = self.context.wrap_socket(plain, server_hostname=self.host)

    def read(self):
        """One answer of four digits: (status line, body, whether the connection ends)."""
        data = b''
        while b'\r\n\r\n' not in data or len(data) < data.index(b'\r\n\r\n') + 8:
            more = self.tls.recv(16384)
            if not more:
                raise ConnectionError('it ended within an answer')
            data += more
        head, _, body = data.partition(b'\r\n\r\n')
        return head.split(b'\r\n', 1)[0], body, b'connection: close' in head.lower()

    def ask(self):
        """The port that answered; None: the request was lost or refused."""
        try:
            if not self.tls:
                self.connect()
            self.tls.sendall(self.request)
            status, body, is_last = self.read()
        except OSError:
            self.counts['lost'] += 1
            self.tls = None
            return None
        if is_last:
            self.tls = None
        if b' 200' not in status:
            self.counts['bad'] += 1
            return None
        self.counts['n'] += 1
        return int(body)


def change_once(changer, watcher, port):
    """Swaps to a port: milliseconds until it answered, and until the command had, too."""
    begin = time.monotonic()
    wait = changer.begin(port)
    while watcher.ask() != port:
        if time.monotonic() > begin + 20:
            raise RuntimeError(f'port {port} did not answer within 20 s')
    served = time.monotonic()
    wait()
    return (served - begin) * 1000, (time.monotonic() - begin) * 1000


def change_many(changer, watcher, count, end):
    """Swaps there and back: what change_once tells of each."""
    times = []
    while len(times) < count and time.monotonic() < end:
        times.append(change_once(changer, watcher, PORTS[(len(times) + 1) % 2]))
    if len(times) % 2:
        changer.to(PORTS[0])
    return times


def call(asked, end, out):
    """A caller's process."""
    caller = Caller(asked)
    while time.monotonic() < end.value:
        caller.ask()
    out.put(caller.counts)


def under_load(asked, changer, watcher):
    """Swaps while callers ask: what change_once tells of each, and the callers' counts."""
    until = time.monotonic() + asked['seconds']
    end, out = multiprocessing.Value('d', until + 60), multiprocessing.Queue()
    callers = [multiprocessing.Process(target=call, args=(asked, end, out)) for _ in range(CALLERS)]
    for caller in callers:
        caller.start()
    try:
        time.sleep(0.2)
        times = change_many(changer, watcher, asked['count'], until)
    finally:
        end.value = 0
    counts = [out.get(timeout=30) for _ in callers]
    for caller in callers:
        caller.join()
    return times, counts


def figures(name, times):
    """Medians and the most of what change_many tells."""
    served = [t[0] for t in times]
    return {f'{name}_ms': statistics.median(served), f'{name}_max_ms': max(served),
            f'{name}_command_ms': statistics.median(t[1] for t in times)}


def main():
    asked = json.loads(sys.argv[1])
    changer, watcher = Changer(asked['change']), Caller(asked)
    changer.to(PORTS[0])
    while watcher.ask() != PORTS[0]:
        time.sleep(0.01)
    begin = time.monotonic()
    for _ in range(200):
        watcher.ask()
    request_ms = (time.monotonic() - begin) * 5
    alone = change_many(changer, watcher, ALONE, begin + asked['seconds'])
    begin = time.monotonic()
    times, counts = under_load(asked, changer, watcher)
    counts.append(watcher.counts)
    sums = {name: sum(c[name] for c in counts) for name in watcher.counts}
    sums['bad'], sums['lost'] = 0, sums['lost'] + sums['bad']
    print(json.dumps({
        **sums, 'failed': 0, 'mib': 0, 'wire_bytes': 0, 'secs': time.monotonic() - begin,
        'changes': len(times), 'request_ms': request_ms,
        **figures('served', alone), **figures('loaded', times),
        'tls': f'{watcher.tls.version()} {watcher.tls.cipher()[0]}' if watcher.tls else '? ?'}))


def print_table(table):
    """Of run's medians."""
    row = table.get('route')
    if not row:
        return
    print('\nroute change until the new endpoint answered, ms; lost requests during the changes\n')
    print('| system | alone: median, most (the command) | under load: median, most (the command) '
          '| a request alone | changes | requests | lost |')
    print('|---|---|---|---|---|---|---|')
    for name, c in row.items():
        told = [f'{c[f"{kind}_ms"]:.2f}, {c[f"{kind}_max_ms"]:.2f} ({c[f"{kind}_command_ms"]:.2f})'
                for kind in ('served', 'loaded')]
        print(f'| {name} | {told[0]} | {told[1]} | {c["request_ms"]:.2f} '
              f'| {c["changes"]:.0f} | {c["n"]:.0f} | {c["lost"]:.0f} |')


if __name__ == '__main__':
    main()
