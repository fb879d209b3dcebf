#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds the line of instructions.table: runs the program `instructions` under callgrind and fails
where an edge executes over 5 % more for a unit of work than the table says.

  instructions.py PROGRAM...             TAP, one case a row
  instructions.py PROGRAM... --update    writes the table anew; say why in the commit

Counts are of a build with gcc and -O2 as Debian has it, without AVX-512 (valgrind has none). What
the wire of the simulation executes is not the edge's and is taken off.
"""
import glob
import os
import re
import subprocess
import sys
import tempfile

TABLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'instructions.table')
TOLERANCE = 0.05


def read_table():
    """The rows of the table: {name: instructions}."""
    rows = {}
    with open(TABLE, encoding='utf-8') as table:
        for line in table:
            if not line.startswith('#') and line.strip():
                count, name = line.rstrip('\n').split(None, 1)
                rows[name] = int(count.replace(',', ''))
    return rows


def wire_cost(dump):
    """Instructions of the port's receive and transmit, with all that they call, in a dump."""
    calls = re.findall(r'^cfn=wire_[rt]x\n(?:cfi=.*\n|cob=.*\n)*calls=.*\n\S+ (\d+)$', dump, re.M)
    return sum(int(cost) for cost in calls)


def run(program):
    """Runs program under callgrind; returns {name: instructions a unit}."""
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, 'out')
        env = {k: v for k, v in os.environ.items() if not k.startswith('MALLOC_')}
        said = subprocess.run(
            ['valgrind', '--tool=callgrind', '--toggle-collect=step_edge', '--compress-strings=no',
             f'--callgrind-out-file={out}', program],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, text=True,
            env=env)
        if said.returncode != 0:
            print('\n'.join('# ' + line for line in said.stdout.splitlines()[-20:]))
            sys.exit(f'{program} ended with {said.returncode}')
        units = dict(re.findall(r'^(.*): (\d+) units,', said.stdout, re.M))
        counts = {}
        for path in glob.glob(out + '.*'):
            with open(path, encoding='utf-8', errors='replace') as dump:
                text = dump.read()
            name = re.search(r'^desc: Trigger: Client Request: (.*)$', text, re.M)
            total = re.search(r'^totals: (\d+)$', text, re.M)
            if name and total:
                counts[name[1]] = round((int(total[1]) - wire_cost(text)) / int(units[name[1]]))
        return {name: counts[name] for name in units}


def update(counts):
    with open(TABLE, 'w', encoding='utf-8') as table:
        table.write('# SPDX-License-Identifier: Apache-2.0\n'
                    '# Instructions of an edge for a unit of work (instructions.c). Written by\n'
                    '# instructions.py --update; whoever raises a row says why in the commit.\n')
        for name, count in counts.items():
            table.write(f'{count:>10,}  {name}\n')


def judge(counts):
    wanted = read_table()
    print(f'TAP version 13\n1..{len(wanted)}')
    for number, (name, before) in enumerate(wanted.items(), 1):
        now = counts.get(name, 0)
        is_held = 0 < now <= before * (1 + TOLERANCE)
        print(f'{"ok" if is_held else "not ok"} {number} - {name}: {now:,} instructions, '
              f'the table says {before:,} ({100 * (now - before) / before:+.1f} %)')
    print('# lower by more than 5 % somewhere: tighten the table with --update'
          if any(counts.get(n, 0) < c * (1 - TOLERANCE) for n, c in wanted.items()) else '#')


def main():
    counts = {}
    for program in sys.argv[1:]:
        if program != '--update':
            counts.update(run(os.path.abspath(program)))
    if sys.argv[-1] == '--update':
        update(counts)
    else:
        judge(counts)


main()
