# SPDX-License-Identifier: Apache-2.0
"""What the machine does to latencies, measured beside them: how long a core is away from who never rests.

Before each open loop of path B `jitter` runs on both cores for a moment, our worker and its upstreams stopped:
what a request that comes at a random moment waits for on that core alone, whatever the programs do.
"""
import json
import subprocess

POINTS = ('p99', 'p99.9', 'max')


def measure(program, cores, seconds, prefix):
    """What `jitter` says of each core, all at once, flat: 'server p99' and so on; prefix is how who is measured runs."""
    runs = {name: subprocess.Popen([*prefix, 'taskset', '-c', str(core), program, str(seconds)],
                                   stdout=subprocess.PIPE, text=True, start_new_session=True)
            for name, core in cores.items()}
    out = {}
    for name, process in runs.items():
        said = json.loads(process.communicate(timeout=seconds + 20)[0])
        out.update({f'{name} {point}': said[point] for point in (*POINTS, 'lost')})
    return out


def print_table(rows, points):
    """rows: work -> cell of an open loop on path B."""
    print('\nopen loops on path B, hits (mixed: of those that stay), us from the due time\n')
    print('| work | offered/s | worker busy | loadgen busy | ' + ' | '.join(points) + ' | unanswered |')
    print('|' + '---|' * (5 + len(points)))
    for work, cell in rows.items():
        print(f'| {work} | {cell["offered"]:.0f} | {cell["cost_us"] * cell["rate"] / 1e6:.0%} | '
              f'{cell["client_busy"]:.0%} | ' + ' | '.join(f'{cell[point]:.0f}' for point in points) +
              f' | {cell["late"]:.0f} |')
        fresh = ' | '.join(f'{cell[f"fresh {point}"]:.0f}' for point in points if f'fresh {point}' in cell)
        if fresh:
            print(f'| {work}: a new connection each, its handshake included | | | | {fresh} | |')
    print('\nwhat none of them can be below, us: how long a moment waits for loadgen\'s next look (then), for each core itself (before)\n')
    print('| work | loadgen: ' + ', '.join(POINTS) + ' | server core away: share, ' + ', '.join(POINTS) +
          ' | client core away |')
    print('|---|---|---|---|')
    for work, cell in rows.items():
        told = {who: ', '.join(f'{cell[f"{who} {point}"]:.0f}' for point in POINTS) for who in ('own', 'server', 'client')}
        print(f'| {work} | {told["own"]} | {cell["server lost"]:.1%}, {told["server"]} | '
              f'{cell["client lost"]:.1%}, {told["client"]} |')
