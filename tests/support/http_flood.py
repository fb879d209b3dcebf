# SPDX-License-Identifier: Apache-2.0
"""Floods an edge with HTTP, class by class (flood_cases.py), and prints TAP and a table.

  http_flood.py ADDRESS HOST CA PID RUN_DIR SECONDS [TEXT]    only classes whose name has TEXT

PID and RUN_DIR are the data plane's: its memory, its processor time, its counters. Four connections
attack, each opened anew when it was cut, and go on sending whatever they are told. Beside them a
bystander makes a connection and a request every 50 ms. A class holds when the bystander loses at most
1 % with a p99 of at most 500 ms, memory grows by less than 64 MiB, no connection brought more than
CUT_BYTES to the other end before it was cut, and that was told by GOAWAY and a counter.
"""
import dataclasses
import multiprocessing
import os
import socket
import ssl
import struct
import sys
import threading
import time

import telemetry
from flood_cases import FLOODS
from h2_wire import ENHANCE_YOUR_CALM, GOAWAY

CONNECTIONS = 4
ROUNDS = 8  # more time for a class that must be cut, on a machine that has much else to do
CUT_BYTES = 1 << 20
MEMORY_KB = 64 * 1024
P99_MS = 500
EVERY_S = 0.05
PATH = b'/bytes/1000?cache=max-age=600'  # the edge is judged, not the origin in Python behind it
TCP_INFO_BYTES_ACKED = 120  # offset in struct tcp_info


def open_tls(target, alpn, timeout=5.0):
    address, host, ca = target
    context = ssl.create_default_context(cafile=ca)
    context.set_alpn_protocols([alpn])
    plain = socket.create_connection((address, 443), timeout=timeout)
    try:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return context.wrap_socket(plain, server_hostname=host)
    except OSError:
        plain.close()
        raise


def acked_bytes(sock):
    """What the other end's TCP has taken."""
    info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 192)
    return struct.unpack_from('Q', info, TCP_INFO_BYTES_ACKED)[0]


@dataclasses.dataclass
class Attempt:
    """What became of a connection."""
    is_cut: bool = False
    taken: int = 0
    error: int = -1  # of the GOAWAY


class Reader:
    """Looks for a GOAWAY in what comes, without waiting for it."""

    def __init__(self, sock):
        self.sock = sock
        self.rest = b''
        self.error = -1

    def look(self):
        """False at the end."""
        self.sock.settimeout(0)
        try:
            while data := self.sock.recv(65536):
                self.rest += data
                self.parse()
            return False
        except (ssl.SSLWantReadError, BlockingIOError):
            return True
        except OSError:
            return False

    def parse(self):
        at = 0
        while len(self.rest) - at >= 9:
            count = int.from_bytes(self.rest[at:at + 3], 'big')
            if len(self.rest) - at < 9 + count:
                break
            if self.rest[at + 3] == GOAWAY:
                self.error = int.from_bytes(self.rest[at + 13:at + 17], 'big')
            at += 9 + count
        self.rest = self.rest[at:]


def attack_once(target, flood, end):
    """One connection, until it is cut or time is up."""
    attempt = Attempt()
    sock = open_tls(target, flood.alpn)
    reader = Reader(sock)
    try:
        for chunk in flood.make(target[1]):
            sock.settimeout(max(end - time.monotonic(), 0.001))
            sock.sendall(chunk)
            if flood.reads and flood.alpn == 'h2' and not reader.look() and reader.error < 0:
                attempt.is_cut = True
                break
            if time.monotonic() > end:
                break
        while not attempt.is_cut and time.monotonic() < end:
            time.sleep(0.02)
            attempt.is_cut = flood.reads and not reader.look()
    except TimeoutError:
        pass
    except OSError:
        attempt.is_cut = True
        reader.look()
    attempt.taken = acked_bytes(sock)
    attempt.error = reader.error
    sock.close()
    return attempt


def attack_thread(target, flood, end, attempts):
    while time.monotonic() < end:
        try:
            attempts.append(attack_once(target, flood, end))
        except OSError:
            time.sleep(0.01)  # refused: tried again


def attack(target, flood, seconds, attempts):
    end = time.monotonic() + seconds
    threads = [threading.Thread(target=attack_thread, args=(target, flood, end, attempts))
               for _ in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def attackers(target, flood, seconds, pipe):
    """The attackers' process."""
    attempts = []
    for _ in range(ROUNDS):
        attack(target, flood, seconds, attempts)
        if not flood.why or any(attempt.is_cut for attempt in attempts):
            break
    pipe.send(attempts)


class Bystander:
    """A connection and a request every 50 ms."""

    def __init__(self, target, path=PATH):
        self.target = target
        self.path = path
        self.times = []  # seconds, or None for a loss
        self.threads = []

    def ask(self):
        begin, good = time.monotonic(), False
        try:
            with open_tls(self.target, 'http/1.1', 8.0) as sock:
                sock.sendall(b'GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n' %
                             (self.path, self.target[1].encode()))
                good = sock.recv(12).startswith(b'HTTP/1.1 200')
        except OSError:
            pass
        self.times.append(time.monotonic() - begin if good else None)

    def start(self):
        self.threads.append(threading.Thread(target=self.ask))
        self.threads[-1].start()

    def join(self):
        for thread in self.threads:
            thread.join()

    def stand(self, seconds, each):
        """For so long; each is called every time."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.start()
            each()
            time.sleep(EVERY_S)
        self.join()

    def late_ms(self, percent):
        good = sorted(t for t in self.times if t is not None)
        return int(good[len(good) * percent // 100] * 1000) if good else 9999


class Node:
    """The data plane, seen from outside."""

    def __init__(self, pid, run_dir):
        self.pid = pid
        self.sock, self.limit = telemetry.connect(run_dir)

    def rss_kb(self):
        with open(f'/proc/{self.pid}/status', encoding='ascii') as status:
            return next(int(line.split()[1]) for line in status if line.startswith('VmRSS'))

    def cpu_ms(self):
        with open(f'/proc/{self.pid}/stat', encoding='ascii') as stat:
            fields = stat.read().rsplit(')', 1)[1].split()
        return (int(fields[11]) + int(fields[12])) * 1000 // os.sysconf('SC_CLK_TCK')

    def counters(self, names):
        return {name: telemetry.counter(self.sock, self.limit, name) for name in names}


def judge(flood, bystander, grown_kb, attempts, grown):
    """What does not hold, as sentences."""
    lost = bystander.times.count(None)
    cut = [a for a in attempts if a.is_cut]
    if lost * 100 > len(bystander.times):
        yield f'the bystander lost {lost} of {len(bystander.times)}'
    if bystander.late_ms(99) > P99_MS:
        yield f'p99 {bystander.late_ms(99)} ms'
    if grown_kb > MEMORY_KB:
        yield f'memory grew by {grown_kb} KB'
    if not flood.why:
        return
    if not cut:
        yield 'no connection was cut'
    elif max(a.taken for a in attempts) > CUT_BYTES:
        yield f'{max(a.taken for a in attempts)} bytes taken of a connection'
    if not grown:
        yield 'no counter of ' + ' '.join(flood.why) + ' tells why'
    calm = [a for a in cut if a.error == ENHANCE_YOUR_CALM]
    if flood.calm and flood.reads and cut and not calm:
        yield f'no GOAWAY says so, but {sorted({a.error for a in cut})}'


def run(flood, target, node, seconds):
    """Prints a line of the table; returns the bystander's times, and what does not hold."""
    before, rss, cpu = node.counters(flood.why), node.rss_kb(), node.cpu_ms()
    peak = [rss]
    bystander = Bystander(target)
    mine, theirs = multiprocessing.Pipe(False)
    process = multiprocessing.Process(target=attackers, args=(target, flood, seconds, theirs))
    process.start()
    bystander.stand(seconds, lambda: peak.append(node.rss_kb()))
    attempts = mine.recv()
    process.join()
    cpu = node.cpu_ms() - cpu
    grown = [name for name, now in node.counters(flood.why).items() if now > before[name]]
    lost = bystander.times.count(None)
    cut = [a for a in attempts if a.is_cut]
    taken = [a.taken for a in attempts] or [0]
    print(f'# {flood.name:36} {len(cut):5} {max(taken) // 1024:7} {sum(taken) >> 20:6} '
          f'{max(peak) - rss:8} {cpu / seconds / 10:4.0f} {lost:3}/{len(bystander.times):<3} '
          f'{bystander.late_ms(99):5}  {" ".join(grown)}', flush=True)
    return bystander.times, list(judge(flood, bystander, max(peak) - rss, attempts, grown))


def tell(number, name, faults):
    print(f'{"not ok" if faults else "ok"} {number} - {name}')
    for fault in faults:
        print(f'# {fault}', flush=True)


def main():
    address, host, ca, pid, run_dir, seconds = sys.argv[1:7]
    wanted = sys.argv[7] if len(sys.argv) > 7 else ''
    node = Node(int(pid), run_dir)
    floods = [f for f in FLOODS if wanted in f.name]
    print('# class                                 cut  KB/conn  MB all  rss +KB  cpu%  lost      '
          'p99  why')
    everyone = Bystander(None)
    for number, flood in enumerate(floods, 1):
        times, faults = run(flood, (address, host, ca), node, float(seconds))
        everyone.times += times
        tell(number, flood.name, faults)
    late_ms = everyone.late_ms(99)
    tell(len(floods) + 1, f'p99 of all bystanders is {P99_MS} ms or less',
         [f'{late_ms} ms'] if late_ms > P99_MS else [])
    print(f'1..{len(floods) + 1}')


if __name__ == '__main__':
    main()
