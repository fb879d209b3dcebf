# SPDX-License-Identifier: Apache-2.0
"""The same load for all systems by tools/loadgen: its AF_XDP socket takes the client's end of a link.

  client core                                          server core
  loadgen 198.18.0.3 ─ AF_XDP ─ ker0 ═════ veth ═════ ker0 198.18.0.1   peers, on the kernel's stack
  loadgen 198.18.1.3 ─ AF_XDP ─ own0 ═════ veth ═════ own0 198.18.1.1   ours

An open loop that a kernel client cannot do as well: due times are fixed beforehand, latency counts from them.
Nobody finishes checksums behind an AF_XDP socket: peers sum them here, a KiB or two a request.
"""
import contextlib
import json

import perf_net

SMALL, LARGE = 'GET /cached/1k bytes=1024', f'GET /cached/10m bytes={10 << 20}'
# Work -> loadgen's arguments.
LOADS = {
    'resumed': ['--rate', '800', '--poisson', '--per-connection', '1', '--connections', '64', '--resume', SMALL],
    'latency': ['--rate', '8000', '--poisson', '--connections', '64', SMALL],
}
POINTS = ('p50', 'p99', 'p99.9', 'p99.99')


def cell_of(found, work, words):
    """What h2load's `parse` tells, and more, of loadgen's JSON."""
    done, errors = found['whole_run']['requests'], found['error']
    bad = errors['status'] + errors['body']
    return {'n': done, 'bad': bad, 'failed': found['errors'] - bad, 'secs': found['seconds'],
            'mib': done * 10 if work == 'large' else done / 1024,
            'wire_bytes': found['counters']['port_rx_bytes'],
            'rate': found['connections_per_s'] if '--per-connection' in words
            else found['mib_per_s'] if work == 'large' else found['requests_per_s'],
            **{f'own {point}': us for point, us in found['own_wait_us'].items()},
            'offered': found['rate'], 'client_busy': found['busy'],
            'late': found['whole_run']['unanswered'],
            **{point: found['latency_us'][point] for point in POINTS},
            **{f'fresh {point}': value for point, value in found.get('fresh_us', {}).items()
               if point in POINTS},
            'tls': found['tls'].rsplit(' ', 1)[0]}


@contextlib.contextmanager
def taken(net, link):
    """The client's end of a link, ready for an AF_XDP socket; the kernel's again afterwards."""
    if link == 'ker0':
        net.offload(net.server, link, 'tx', 'off')
    net.pin_napi(net.client, link, net.client_core)
    try:
        yield
    finally:
        net.unpin_napi(net.client, link)
        if link == 'ker0':
            net.offload(net.server, link, 'tx', 'on')


def load(system, host, work, secs):
    """One run of loadgen against a system over the veth."""
    net = system.net
    link = 'own0' if system.address == perf_net.Net.OWN else 'ker0'
    command = [system.program('loadgen'), '--poll', '--port', f'net_af_xdp0,iface={link}',
               '--address', f'{system.address[:-1]}3/24', '--to', f'{system.address}:{system.port}',
               '--host', host, '--seconds', str(secs), *LOADS[work]]
    # Nobody reaches the origin of ours meanwhile.
    net.from_client(['h2load', '--h1', '-n1', f'--connect-to={system.address}:{system.port}',
                     f'https://{host}/cached/1k'], 20)
    with taken(net, link):
        out = net.from_client(command, secs * 2 + 20)
    try:
        return cell_of(json.loads(out[out.index('{'):out.rindex('}') + 1]), work, LOADS[work])
    except ValueError as error:
        raise RuntimeError('loadgen: ' + out.strip()[-300:]) from error


def print_table(table, names):
    """Latencies at one rate, of all."""
    row = table.get('latency', {})
    if not row:
        return
    rate = LOADS['latency'][1]
    print(f'\nlatency of hits from the due time, us; open loop of {rate}/s at random moments, 64 connections\n')
    print('| system | ' + ' | '.join(POINTS) + ' | unanswered | us of the server core |')
    print('|' + '---|' * (len(POINTS) + 3))
    for name in [n for n in names if n in row]:
        cell = row[name]
        told = ' | '.join(f'{cell[point]:.0f}' for point in POINTS)
        print(f'| {name} | {told} | {cell["late"]:.0f} | {cell["cost_us"]:.1f} |')
