#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Draws a run of tests/perf/run: microseconds of the server core per unit of work, by system.

  tests/perf/perf_plot.py perf-results.json perf.svg     needs gnuplot (Debian: gnuplot-nox)

Bars are medians, whiskers the range of the repeats; the axis is logarithmic.
"""
import json
import shutil
import subprocess
import sys

NAMES = {'millrace': 'ours, AF\\\\_XDP', 'memif': 'ours, memif', 'limit': 'limit'}
WORKS = {'h1': 'h1 hit', 'h2': 'h2 hit', 'handshake': 'full handshake', 'resumed': 'resumed',
         'latency': 'h1 hit, 8,000/s', 'large': 'a MiB of 10', 'miss': 'miss', 'miss_mtls': 'miss, mTLS'}
SCRIPT = '''set terminal svg size 1100,460 font "sans,12" background "white"
set output {out!r}
set title "{title}"
set ylabel "us of the server core per unit (log)"
set logscale y
set yrange [{low}:*]
set grid ytics
set style data histograms
set style histogram errorbars gap 1.5 linewidth 1
set style fill solid 0.85
set key outside right
set bars 0.5
plot {plots}
'''


def rows_of(results):
    """Work -> system -> (median, lowest, highest), with the limit as one more system."""
    rows = {}
    for work, row in results['medians'].items():
        rows[work] = {name: (c['cost_us'], c['low_us'], c['high_us']) for name, c in row.items()}
    for work, limit in results.get('limits', {}).get('works_us', {}).items():
        if work in rows:
            rows[work]['limit'] = (limit, limit, limit)
    return rows


def script_of(results, out):
    """The words for gnuplot: a block of data for each system, works on the x axis."""
    rows = rows_of(results)
    systems = sorted({name for row in rows.values() for name in row},
                     key=lambda name: (name == 'limit', name in ('millrace', 'memif'), name))
    data, plots = [], []
    for name in systems:
        lines = ['"{}" {}'.format(WORKS.get(work, work), ' '.join(f'{v:.3f}' for v in row[name]))
                 if name in row else f'"{WORKS.get(work, work)}" - - -' for work, row in rows.items()]
        data.append(f'${name} << END\n' + '\n'.join(lines) + '\nEND\n')
        plots.append(f'${name} using 2:3:4:xtic(1) title "{NAMES.get(name, name)}"')
    low = min(value[1] for row in rows.values() for value in row.values()) / 2
    title = f'{results["when"][:10]}, {results["machine"]["cpu"]}, ours built as {results["build"]}'
    return ''.join(data) + SCRIPT.format(out=out, title=title, low=low, plots=', \\\n  '.join(plots))


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    if not shutil.which('gnuplot'):
        sys.exit('perf_plot.py: gnuplot is missing (apt-get install gnuplot-nox)')
    with open(sys.argv[1], encoding='utf-8') as file:
        results = json.load(file)
    subprocess.run(['gnuplot'], input='set datafile missing "-"\n' + script_of(results, sys.argv[2]),
                   text=True, check=True)


main()
