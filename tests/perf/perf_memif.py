# SPDX-License-Identifier: Apache-2.0
"""Our edge with no kernel before or behind it: net_memif towards tools/loadgen, which is our own stack as a
client, and towards its upstreams, which are ours (perf_upstream).

  client core                                         server core
  loadgen 198.18.2.2 ══════ memif ══════ own0 198.18.2.1   millrace-dataplane
  origin  198.18.4.2 ══════ memif ══════ mem1
  gateway 198.18.5.2 ══════ memif ══════ mem2

With --card own0 is a virtio-user device and loadgen its net_vhost, which stays for all runs: what the edge
hands over is taken from where it lies, summed and cut elsewhere, as by a card.
"""
import json
import os
import re
import select
import signal
import subprocess
import sys
import threading
import time

import perf_jitter
import perf_mesh
import perf_net
import perf_upstream
from perf_net import run
from perf_open import LARGE, LOADS as OPEN_LOADS, POINTS, SMALL, cell_of
from perf_systems import HOST, ORIGIN_PORT, Millrace

ADDRESS, CLIENT = '198.18.2.1', '198.18.2.2'
FRESH = perf_upstream.FRESH
# Work -> loadgen's arguments.
LOADS = {
    'h1': ['--connections', '64', SMALL],
    'h2': ['--http', '2', '--connections', '8', '--streams', '100', SMALL],
    'handshake': ['--per-connection', '1', '--connections', '16', SMALL],
    'resumed': ['--per-connection', '1', '--connections', '16', '--resume', SMALL],
    'large': ['--connections', '8', LARGE],
    'miss': ['--connections', '64', f'GET {FRESH}1k bytes=1024'],
    'miss_mtls': ['--connections', '64', f'GET {FRESH}mtls/1k bytes=1024'],
    'latency': OPEN_LOADS['latency'],
    # At half of what could be done in the same run: --rate is added.
    'half': ['--poisson', '--connections', '64', SMALL],
    'mixed': ['--poisson', '--handshake-share', '0.1', '--connections', '64', SMALL],
}
FRESH_SHARE = {'half': 0, 'mixed': 0.1}
OPEN = ('latency', *FRESH_SHARE)
CARD = ['--serve', '--connections', '1024']  # the most of all runs
JITTER_S = 1.5  # control takes note of who is away for 2 s
MISSES = ('miss', 'miss_mtls')
HOLD_S = 24  # idle connections are held so long when all are there
SETTLE_S = 13  # each is looked at once after http.min_rate_time (10 s), then rests
SAMPLE = 1000  # and then so many of them, drawn at random, are asked once more
# The best peer of the study: its us per unit there, and by how much the ratio shrinks on hardware, where
# entering the kernel is cheaper than on a virtual machine.
STUDY = {'h1': ('h2o', 18.7, 2.5), 'h2': ('h2o', 2.6, 2), 'handshake': ('nginx', 503, 1.3),
         'resumed': ('ATS', 445, 1.3), 'half': ('', 0, 1), 'mixed': ('', 0, 1), 'miss': ('HAProxy', 38, 2.5),
         'miss_mtls': ('nginx', 44.8, 2.5), 'large': ('h2o', 927, 3), 'latency': ('h2o', 18.7, 2.5)}
NIC_CYCLES = 150  # what a driver of a real card costs a packet more than memif's absence of one


class Memif(Millrace):
    """Our edge behind a memif; busy time and packets by its own counters."""

    name, works = 'memif', set(LOADS)
    address = ADDRESS

    def __init__(self, net, directory, options):
        super().__init__(net, directory, options)
        self.upstreams = perf_upstream.Upstreams(self, f'{net.CLIENT_ORIGIN}:{ORIGIN_PORT}')
        self.rates = {}  # work -> what was done a second, the last time
        self.card = None  # loadgen, while it is one

    def missing(self):
        if not self.program('loadgen'):
            return 'loadgen is not built'
        return super().missing()

    def conf(self):
        conf = super().conf()
        conf['node']['id'] = 'edge-2'
        conf['dataplane']['ports'] = [
            self.port(),
            *self.upstreams.ports()]
        # All clients are one prefix, which is none of the peers' business either.
        conf['tcp'] = {'syn_rate_per_prefix': 0}
        if self.options.connections:
            # Beyond seven eighths of the places the longest idle make room.
            places = self.options.connections * 8 // 7 + 1024
            conf['tcp'].update(connections=places + 1024, keepalive_idle='0s')
            conf['http'] = {'connections': places, 'keepalive_timeout': '60m'}
            conf['dataplane']['populate'] = False  # what is resident is to be what was used
            conf['dataplane']['ports'][0]['addresses'] += [f'{ADDRESS[:-1]}{n}/24' for n in (100, 101)]
        return conf

    def port(self):
        if self.options.card:
            return {'name': 'own0', 'addresses': [f'{ADDRESS}/24'],
                    'device': f'net_virtio_user0,path={self.path("memif")},queue_size=1024'}
        return perf_upstream.port('own0', 0, ADDRESS, perf_upstream.memif('server', self.path('memif')))

    def start_card(self):
        """Its side of the socket must be there before the edge opens its port, and as long."""
        with open(self.path('card.log'), 'wb') as log:
            self.card = subprocess.Popen([*self.command(), *CARD], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                         stderr=log, start_new_session=True)
        self.card.stop_signal = signal.SIGTERM
        self.net.processes.append(self.card)
        perf_net.wait_for('card', lambda: os.path.exists(self.path('memif')))

    def start(self):
        if self.options.card:
            self.start_card()
        self.start_processes()
        self.set_service('origin', '--to', f'{perf_upstream.ORIGIN}:{perf_upstream.HTTP_PORT}', '--location', 'par')
        # Its instance is the gateway's business.
        self.set_service('mesh', '--path', f'{FRESH}mtls/', '--location', perf_mesh.LOCATION,
                         '--to', f'{perf_upstream.GATEWAY_ORIGIN}:{perf_upstream.HTTP_PORT}')
        self.upstreams.start(self.operate)
        if self.options.realtime:
            self.go_realtime(self.pids()[-1])

    def device(self):
        if self.options.card:
            return f'net_vhost0,iface={self.path("memif")},tso=1'
        return 'net_memif0,' + perf_upstream.memif('client', self.path('memif'))

    def command(self):
        return [*self.scheduling(), 'taskset', '-c', str(self.net.client_core), self.program('loadgen'), '--poll',
                '--port', self.device(), '--address', f'{CLIENT}/24', '--to', f'{ADDRESS}:443',
                '--host', HOST]

    def loadgen(self, words, seconds):
        """One run of loadgen on the client core: its JSON."""
        if self.card:
            return self.loadgen_of_card(words, seconds)
        result = subprocess.run(self.command() + words, capture_output=True, text=True, check=False, timeout=seconds)
        try:
            return json.loads(result.stdout)
        except ValueError as error:
            raise RuntimeError('loadgen: ' + result.stderr.strip()[-300:]) from error

    def loadgen_of_card(self, words, seconds):
        self.card.stdin.write('\t'.join(words).encode() + b'\n')
        self.card.stdin.flush()
        if not select.select([self.card.stdout], [], [], seconds)[0] or not (line := self.card.stdout.readline()):
            raise RuntimeError('loadgen: ' + perf_net.read(self.path('card.log')).strip()[-300:])
        return json.loads(line)

    def answers(self):
        asked = [SMALL] + [LOADS[work][-1] for work in MISSES if work in self.options.works]
        return all(self.loadgen(['--count', '1', request], 20)['errors'] == 0 for request in asked)

    def go_realtime(self, pid):
        """SCHED_FIFO for all threads; the worker, who may never rest, below those that a memif's link needs."""
        run('chrt', '-a', '-f', '-p', '2', str(pid))
        for task in os.listdir(f'/proc/{pid}/task'):
            if perf_net.read(f'/proc/{pid}/task/{task}/comm').startswith('rte-worker'):
                run('chrt', '-f', '-p', '1', task)

    def scheduling(self):
        return ['chrt', '-f', '1'] if self.options.realtime else []

    def half(self, fresh_share):
        """Half of the requests a second that worker and loadgen can do, with such a share of handshakes."""
        for work in ('h1', 'handshake'):
            if work not in self.rates:
                self.load(work, 1)
        return 0.5 / ((1 - fresh_share) / self.rates['h1'] + fresh_share / self.rates['handshake'])

    def jitter(self):
        """What both cores do to latencies, while our worker stands still."""
        worker = self.pids()[-1]
        os.kill(worker, signal.SIGSTOP)
        try:
            return perf_jitter.measure(self.program('jitter'), {'server': self.net.server_core,
                                                                'client': self.net.client_core},
                                       min(JITTER_S, self.options.seconds / 2), self.scheduling())
        finally:
            os.kill(worker, signal.SIGCONT)

    def load_open(self, work, secs):
        """An open loop, and the machine's part in it."""
        rate = ['--rate', f'{self.half(FRESH_SHARE[work]):.0f}'] if work in FRESH_SHARE else []
        with self.upstreams.stopped():
            away = self.jitter()
            found = self.loadgen(['--seconds', str(secs), *rate, *LOADS[work]], secs * 2 + 20)
        return {**cell_of(found, work, LOADS[work]), **away}

    def load(self, work, secs):
        """The same as h2load's for peers: what was done, by how it was asked for in LOADS."""
        if work in OPEN:
            return self.load_open(work, secs)
        before = self.upstreams.answered()
        cell = cell_of(self.loadgen(['--seconds', str(secs), *LOADS[work]], secs * 2 + 20), work, LOADS[work])
        self.rates[work] = cell['rate']
        asked = self.upstreams.answered() - before
        if work in MISSES and asked < cell['n']:
            raise RuntimeError(f'{work}: {cell["n"]} answers, but the origin gave {asked}')
        return cell

    def hold(self, count, seconds):
        """Holds count idle connections; what was seen meanwhile: resident bytes by how many were up, and the rest."""
        words = ['taskset', '-c', str(self.net.client_core), self.program('loadgen'), '--hold', str(HOLD_S),
                 '--sample', str(min(count, SAMPLE)), '--connections', str(count), '--http', self.options.http,
                 '--host', HOST, '--port', self.device()]
        words += ['--resume-one'] if self.options.resumed else []
        for number in range(8):
            words += ['--address', f'{CLIENT[:-1]}{10 + number}/24']
        for number in ('1', '100', '101'):
            words += ['--to', f'{ADDRESS[:-1]}{number}:443']
        begin, seen = time.monotonic(), {'bytes': {}}
        with subprocess.Popen(words + [SMALL], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            timer = threading.Timer(seconds, process.kill)
            timer.start()
            while (line := process.stderr.readline()) and 'measuring' not in line:
                if line.startswith('opened'):
                    seen['bytes'][int(line.split()[1])] = self.resident_bytes()
                    print(f'# {line.strip()} after {time.monotonic() - begin:.0f} s', file=sys.stderr, flush=True)
            seen['opening_s'] = time.monotonic() - begin
            seen['cost'] = self.idle_cost(SETTLE_S, HOLD_S - SETTLE_S - 3)
            seen['bytes'][count] = self.resident_bytes()
            found = json.loads(process.stdout.read() or '{}')
            timer.cancel()
        if found.get('open_connections') != count or found['errors']:
            raise RuntimeError(f'{count} connections were not held: {found}')
        if found['sample']['answered'] != found['sample']['asked']:
            raise RuntimeError(f'not all of those that were held still answer: {found["sample"]}')
        return {**seen, 'sample': found['sample'], 'resumed': found['whole_run']['resumed']}

    def idle_cost(self, settle_s, seconds):
        """What the worker does while nothing is asked of it, a second: ms of its threads, of its busy turns, counts."""
        time.sleep(settle_s)
        before = self.idle_snapshot()
        time.sleep(seconds)
        after = self.idle_snapshot()
        spent = {name: after[name] - before[name] for name in after}
        return {name: value / spent['wall_ns'] * 1e9 for name, value in spent.items()}

    def idle_snapshot(self):
        counts = {name: self.count(f'worker_{name}')
                  for name in ('sleeps', 'timers', 'loops_busy')}
        return {'wall_ns': time.monotonic_ns(), 'task_ms': perf_net.task_ns(self.pids()) / 1e6,
                'busy_ms': self.cycles_ns('busy') / 1e6, 'packets': self.packets(), **counts}

    def resident_bytes(self):
        status = perf_net.read(f'/proc/{self.pids()[-1]}/status')
        return int(re.search(r'VmRSS:\s*(\d+)', status)[1]) * 1024

    def packets(self):
        """Packets that the edge received and sent."""
        return sum(self.count(f'port_{way}_packets') for way in ('rx', 'tx'))


def print_idle(count, cost):
    print(f'| {count} | {cost["task_ms"] / 10:.2f} % | {cost["busy_ms"] / 10:.2f} % | {cost["timers"]:.0f} '
          f'| {cost["sleeps"]:.0f} | {cost["packets"]:.1f} |', flush=True)


def measure_idle(system, count):
    """What idle TLS 1.3 connections take of the edge's memory and of its core."""
    none_bytes, none_cost = system.resident_bytes(), system.idle_cost(2, HOLD_S - SETTLE_S - 3)
    seen = system.hold(count, 120 + count // 100)  # a handshake may take 10 ms of a busy machine
    print('| idle connections | resident MiB | bytes each |\n|---|---|---|')
    for up, rss in seen['bytes'].items():
        print(f'| {up} | {rss / 2**20:.0f} | {(rss - none_bytes) / up:.0f} |')
    first = min(seen['bytes'])
    slope = (seen['bytes'][count] - seen['bytes'][first]) / max(count - first, 1)
    print(f'# {none_bytes / 2**20:.0f} MiB without any; {slope:.0f} bytes for each beyond the first tenth; '
          f'opened in {seen["opening_s"]:.0f} s, {seen["resumed"]} of them resumed')
    print(f'# of those held {seen["sample"]["answered"]} of {seen["sample"]["asked"]} drawn at random answered again')
    print('\n| connections held | of a core | busy turns | timers/s | sleeps/s | packets/s |\n|---|---|---|---|---|---|')
    print_idle(0, none_cost)
    print_idle(count, seen['cost'])
    return {**seen, 'none': [none_bytes, none_cost], 'bytes_each': slope}


def cost_us(spent):
    """Own time of a worker that shares its core: what its threads ran, less the turns that found nothing.

    Busy turns by the TSC include whatever interrupted them, and so do idle ones, in proportion.
    """
    return spent['tasks'] * spent['busy'] / (spent['busy'] + spent['idle'])


def compare(table, tsc_khz):
    """Adds what a real card costs more, and the ratio to the best peer here and as hardware would have it."""
    for work in LOADS:
        ours = table.get(work, {}).get('memif')
        if not ours:
            continue
        peers = {n: c['cost_us'] for n, c in table[work].items() if n not in ('memif', 'millrace')}
        name, peer_us, shrinks = STUDY[work]
        name += ' (s)'
        if peers:
            name = min(peers, key=peers.get)
            peer_us = peers[name]
        card_us = ours['cost_us'] + ours['packets'] * NIC_CYCLES * 1000 / tsc_khz
        ours.update(card_us=card_us, peer=name, peer_us=peer_us, ratio=peer_us / ours['cost_us'],
                    hardware_ratio=peer_us / shrinks / card_us)


def print_table(table, card=False):
    """Path B, after compare."""
    rows = [w for w in LOADS if 'memif' in table.get(w, {})]
    told = [w for w in rows if STUDY[w][0]]
    if not rows:
        return
    print(f'\npath B: loadgen over {"virtio-user, as over a card" if card else "memif"}, us of our worker per unit; peers as in this run, else (s) in the study\n')
    print('| work | per second | us [range] | packets | units a busy turn | with a card | best peer | ratio | on hardware |')
    print('|---|---|---|---|---|---|---|---|---|')
    for work in told:
        ours = table[work]['memif']
        print(f'| {work} | {ours["rate"]:.0f} | {ours["cost_us"]:.2f} '
              f'[{ours["low_us"]:.2f}-{ours["high_us"]:.2f}] | {ours["packets"]:.2f} '
              f'| {1 / ours["turns"]:.1f} | {ours["card_us"]:.2f} | {ours["peer"]} {ours["peer_us"]:.2f} '
              f'| {ours["ratio"]:.1f} | {ours["hardware_ratio"]:.1f} |')
    opened = {work: table[work]['memif'] for work in OPEN if work in rows}
    if opened:
        perf_jitter.print_table(opened, POINTS)
