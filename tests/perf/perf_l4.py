# SPDX-License-Identifier: Apache-2.0
"""Packets forwarded by flow, full NAT: the kernel's beside our L4, for the same clients and endpoint.

  client core                                        server core
  l4_load ── nat0 198.18.7.2 ══ veth ══ nat0 198.18.7.1   nftables: dnat and masquerade
          ── nat1 198.18.8.2 ══ veth ══ nat1 198.18.8.1
  l4_load ── own0 198.18.7.2 ══ veth ══ own0 (198.18.7.1) millrace-dataplane on net_af_xdp
          ── own1 198.18.8.2 ══ veth ══ own1 (198.18.8.1)

Clients 198.18.9.x stand behind the client's end of the first link, the endpoint is its end of the second.
Path B is `l4_bench`, from ring to ring; `packets` tells what a packet that nobody touches costs from one null port to
another, the limit of both.
"""
import json
import os
import re
import shutil
import statistics
import subprocess

import perf_net
from perf_net import run, write
from perf_systems import Millrace, lab_conf

IN, OUT, CLIENTS = ('198.18.7.1', '198.18.7.2'), ('198.18.8.1', '198.18.8.2'), '198.18.9.0/24'
KERNEL, OURS, BENCH, LIMIT = 'kernel NAT', 'millrace', 'l4_bench', 'packets'
RULES = f'''table ip mrperf {{
chain in {{ type nat hook prerouting priority -100; ip daddr {IN[0]} udp dport 53 dnat to {OUT[1]}:5353; }}
chain out {{ type nat hook postrouting priority 100; oifname "nat1" masquerade; }}
}}
'''


class Kernel:
    """The kernel's NAT between the links nat0 and nat1."""

    name, links = KERNEL, (('nat0', *IN), ('nat1', *OUT))

    def __init__(self, directory, options):
        self.directory, self.options = directory, options
        self.net = perf_net.Net(options.server_core, options.client_core, self.links, f'-l4-{self.links[0][0]}')

    def missing(self):
        return '' if shutil.which('nft') else 'nft is not installed (--install)'

    def start(self):
        rules = os.path.join(self.directory, 'nat.rules')
        write(rules, RULES)
        self.net.open()
        inside = ('ip', 'netns', 'exec', self.net.server)
        run(*inside, 'sysctl', '-qw', 'net.ipv4.ip_forward=1')
        run(*inside, 'nft', '-f', rules)
        run('ip', '-n', self.net.server, 'route', 'add', CLIENTS, 'via', IN[1])
        # The kernel samples by its ticks, which stop on an idle core: who runs there gives way to everybody.
        self.net.start(['chrt', '--idle', '0', 'sh', '-c', 'while :; do :; done'], True,
                       os.path.join(self.directory, 'log'))

    def spent_ns(self):
        return perf_net.core_softirq_ns(self.options.server_core)

    def established(self):
        """Flows that were answered, where it counts them."""
        return None


class Ours(Kernel, Millrace):
    """Our edge between the links own0 and own1, AF_XDP on both."""

    name, links = OURS, (('own0', None, IN[1]), ('own1', None, OUT[1]))

    def __init__(self, directory, options):
        Kernel.__init__(self, directory, options)
        self.top = directory
        self.directory = os.path.join(directory, 'l4')
        self.process = self.socket = None

    def missing(self):
        return Millrace.missing(self)

    def conf(self):
        conf = Millrace.conf(self)
        conf['dataplane'].update(ports=[
            {'name': name, 'device': f'net_af_xdp{number},iface={name}', 'addresses': [f'{address}/24'],
             'adaptive_rx': True, 'napi_batch': True}
            for number, (name, address) in enumerate((('own0', IN[0]), ('own1', OUT[0])))],
            routes=[{'to': CLIENTS, 'via': IN[1]}], mbufs=32768)
        conf['l4'] = {'services': [{'address': IN[0], 'port': 53, 'protocol': 'udp', 'source': OUT[0],
                                    'endpoints': [f'{OUT[1]}:5353']}]}
        return conf

    def start(self):
        os.makedirs(self.path('run'), mode=0o700)
        self.net.open()
        for name, *_ in self.links:
            self.net.pin_server_napi(name)
        self.run(lab_conf.text_of(self.conf()), self.program('millrace-dataplane'), '--conf', self.path('conf'))
        perf_net.wait_for('our L4', self.is_up)

    def is_up(self):
        """True when it answers on its link; its services are in its configuration."""
        run('ip', 'netns', 'exec', self.net.client, 'ping', '-c', '1', '-W', '1', IN[0], check=False)
        return f'{IN[0]} lladdr' in run('ip', '-n', self.net.client, 'neigh', 'show', 'dev', 'own0').replace(
            ' dev own0', '')

    def spent_ns(self):
        own = min(perf_net.task_ns(self.pids()), self.cycles_ns('busy'))
        return own + perf_net.task_ns(self.net.napi)

    def established(self):
        return self.count('l4_established')


def load(system, program, seconds):
    """One run of l4_load: what came of it, and microseconds of the server core a packet."""
    first, second = (name for name, *_ in system.links)
    mac = run('ip', 'netns', 'exec', system.net.server, 'cat', f'/sys/class/net/{first}/address').strip()
    before = system.spent_ns()
    out = system.net.from_client([program, first, mac, IN[0], OUT[1], str(seconds)], seconds + 15)
    spent_ns = system.spent_ns() - before
    try:
        cell = json.loads(out)
    except ValueError as error:
        raise RuntimeError('l4_load: ' + out.strip()[-300:]) from error
    if not cell['received'] or cell['bad'] or cell['seen'] != cell['flows']:
        raise RuntimeError(f'packets over {first} and {second}: {cell}')
    if system.established() is not None and system.established() < cell['flows']:
        raise RuntimeError(f'flows established: {system.established()} of {cell["flows"]}')
    return {**cell, 'cost_us': spent_ns / cell['received'] / 1000}


# What programs tell in millions of packets a second of a core: l4_bench's packet from ring to ring, 1,000 flows of 64-byte
# frames, and one that nobody touches.
BENCHES = {BENCH: r'^packet forwarded \(l4\) +\d+ +\d+ +\d+ +\d+ +[\d.]+ +([\d.]+)$',
           LIMIT: r'^forwarded as it is, null to null +\d+ cycles a packet, +([\d.]+) M packets/s of a core$'}


def bench(name, program, core):
    """Path B, and the limit."""
    out = subprocess.run(['taskset', '-c', str(core), program, '--quick'], capture_output=True, text=True,
                         check=True, timeout=60).stdout
    found = re.search(BENCHES[name], out, re.M)
    if not found:
        raise RuntimeError(f'{name}: ' + out.strip()[-300:])
    return {'cost_us': 1 / float(found[1]), 'per_s': float(found[1]) * 1e6, 'lost': 0}


def measure(directory, options):
    """Repeats in turn of all that are there; medians with their range, by system."""
    systems = [Kernel(directory, options), Ours(directory, options)]
    cells = {}
    try:
        for system in [s for s in systems if s.missing()]:
            print(f'# skip {system.name}: {system.missing()}')
        systems = [s for s in systems if not s.missing()]
        for system in systems:
            system.start()
        program = {name: Millrace.program(systems[-1], name) for name in ('l4_load', *BENCHES)}
        for _ in range(options.repeats):
            for system in systems:
                cells.setdefault(system.name, []).append(load(system, program['l4_load'], options.seconds))
            for name in BENCHES:
                if program[name]:
                    cells.setdefault(name, []).append(bench(name, program[name], options.server_core))
    finally:
        for system in systems:
            system.net.close()
    return {name: {**{key: statistics.median(c[key] for c in some) for key in ('cost_us', 'per_s', 'lost')},
                   'low_us': min(c['cost_us'] for c in some), 'high_us': max(c['cost_us'] for c in some)}
            for name, some in cells.items()}


def print_table(table):
    if not table:
        return
    kernel = table.get(KERNEL)
    print('\npackets forwarded by flow, full NAT, UDP, 1,000 flows, payload of 64 bytes; us of the server core\n')
    print('| who | path | packets/s | us a packet [range] | lost | kernel NAT : it |')
    print('|---|---|---|---|---|---|')
    for name, path in ((KERNEL, 'veth'), (OURS, 'A: the same, AF_XDP'), (BENCH, 'B: ring to ring'),
                       (LIMIT, 'untouched, null to null')):
        cell = table.get(name)
        if cell:
            ratio = f'{kernel["cost_us"] / cell["cost_us"]:.1f}' if kernel else '-'
            print(f'| {name} | {path} | {cell["per_s"]:.0f} | {cell["cost_us"]:.3f} '
                  f'[{cell["low_us"]:.3f}-{cell["high_us"]:.3f}] | {cell["lost"]:.0f} | {ratio} |')
