# SPDX-License-Identifier: Apache-2.0
"""What this machine's libcrypto and memory can do at best, measured in the same run as the systems.

A limit is the part of a unit of work that no server of this certificate and suite can leave out: the
signature, X25519 twice (a key of one's own, the secret of both), the sealing of the bytes, one copy of
them. Headers, packets, parsing and everything else are free in it. So ours : limit says how far ours
is from a machine that does nothing else.
"""
import ctypes
import re
import subprocess
import time

RECORD_BYTES = 16384
SMALL_BYTES = 1024
COPIED_BYTES = 64 << 20  # beyond what caches close to the core hold
COPY_S = 0.3


def _speed(core, *words):
    """What `openssl speed` says for machines."""
    return subprocess.run(['taskset', '-c', str(core), 'openssl', 'speed', '-mr', '-seconds', '1', *words],
                          capture_output=True, text=True, check=True, timeout=60).stdout


def _per_second(pattern, out):
    found = re.search(pattern, out)
    if not found:
        raise RuntimeError('openssl speed: ' + out.strip()[-200:])
    return float(found[1])


def _seal_us(core, size):
    """Sealing size bytes of AES-128-GCM, us; openssl tells bytes a second."""
    out = _speed(core, '-bytes', str(size), '-evp', 'aes-128-gcm')
    return size / _per_second(r'\+F:\d+:AES-128-GCM:([\d.]+)', out) * 1e6


def _copy_us():
    """Copying a MiB from memory to memory, us."""
    source, target = bytes(COPIED_BYTES), ctypes.create_string_buffer(COPIED_BYTES)
    ctypes.memmove(target, source, COPIED_BYTES)  # its pages exist from here on
    count, start = 0, time.monotonic()
    while (spent := time.monotonic() - start) < COPY_S:
        ctypes.memmove(target, source, COPIED_BYTES)
        count += 1
    return spent / count / (COPIED_BYTES >> 20) * 1e6


def measure(core):
    """Microseconds: parts, each by what it is, and the limit of each work that has one."""
    public = _speed(core, 'ecdsap256', 'ecdhx25519')
    parts = {'ECDSA P-256 signature': 1e6 / _per_second(r'\+F4:\d+:256:([\d.]+):', public),
             'X25519': 1e6 / _per_second(r'\+F5:\d+:253:([\d.]+):', public),
             'AES-128-GCM, 1 KiB': _seal_us(core, SMALL_BYTES),
             'AES-128-GCM, a MiB by 16 KiB': _seal_us(core, RECORD_BYTES) * (1 << 20) / RECORD_BYTES,
             'copy of a MiB': _copy_us()}
    exchange = 2 * parts['X25519']
    works = {'h1': parts['AES-128-GCM, 1 KiB'], 'h2': parts['AES-128-GCM, 1 KiB'],
             'handshake': parts['ECDSA P-256 signature'] + exchange, 'resumed': exchange,
             'large': parts['AES-128-GCM, a MiB by 16 KiB'] + parts['copy of a MiB']}
    return {'parts_us': parts, 'works_us': works}


def print_table(limits, table):
    """After the systems: what each work costs ours, for each microsecond that nobody can leave out."""
    print('\nlimits, measured in this run on the server core, us: ' +
          ', '.join(f'{what} {us:.2f}' for what, us in limits['parts_us'].items()) + '\n')
    print('| work | limit, us | ours, path A : limit | ours, path B : limit | best peer : limit |')
    print('|---|---|---|---|---|')
    for work, limit in limits['works_us'].items():
        row = {name: cell['cost_us'] / limit for name, cell in table.get(work, {}).items()}
        peers = [ratio for name, ratio in row.items() if name not in ('millrace', 'memif')]
        shown = [row.get('millrace'), row.get('memif'), min(peers) if peers else None]
        if row:
            print(f'| {work} | {limit:.2f} | ' +
                  ' | '.join('-' if ratio is None else f'{ratio:.1f}' for ratio in shown) + ' |')
