# SPDX-License-Identifier: Apache-2.0
"""Reads the Test Anything Protocol and counts the cases that passed, failed, were skipped."""
import re

_LINE = re.compile(r'^(not )?ok\b\s*(\d+)?\s*-?\s*(.*?)(?:\s*#\s*(SKIP)\b\s*(.*))?$', re.I)
_PLAN = re.compile(r'^1\.\.(\d+)(?:\s*#\s*SKIP\b\s*(.*))?$', re.I)


class Tally:
    """Counts of cases, with the names of those that did not pass."""

    def __init__(self):
        self.passed = 0
        self.failures = []  # 'program: case'
        self.skips = []     # 'program: case: reason'

    def add(self, other):
        """Takes over the counts of another tally."""
        self.passed += other.passed
        self.failures += other.failures
        self.skips += other.skips

    def summary(self):
        """The closing line."""
        return f'{self.passed} passed, {len(self.failures)} failed, {len(self.skips)} skipped'


def read_tap(program, output, status):
    """The tally of one program from its output and exit status (None: it ran out of time)."""
    tally, planned, seen = Tally(), None, 0
    for line in output.split('\n'):
        line = line.rstrip()
        plan = _PLAN.match(line)
        if plan:
            planned = int(plan[1])
            if planned == 0:
                tally.skips.append(f'{program}: {plan[2] or "no reason given"}')
            continue
        case = _LINE.match(line)
        if line.startswith('Bail out!'):
            tally.failures.append(f'{program}: {line}')
        elif case:
            seen += 1
            if (case[4] or '').upper() == 'SKIP':
                tally.skips.append(f'{program}: {case[3]}: {case[5] or "no reason given"}')
            elif case[1]:
                tally.failures.append(f'{program}: {case[3]}')
            else:
                tally.passed += 1
    if status is None:
        tally.failures.append(f'{program}: ran out of time')
    elif planned is None:
        tally.failures.append(f'{program}: no plan line (exit {status})')
    elif seen != planned:
        tally.failures.append(f'{program}: {seen} of {planned} cases ran (exit {status})')
    elif status != 0 and not tally.failures:
        tally.failures.append(f'{program}: every case passed, but it ended with {status}')
    return tally


def read_exit(program, status):
    """The tally of a program that only tells by its exit status."""
    tally = Tally()
    if status == 0:
        tally.passed = 1
    elif status == 77:
        tally.skips.append(f'{program}: exit 77')
    else:
        tally.failures.append(f'{program}: ' + ('ran out of time' if status is None
                                                else f'exit {status}'))
    return tally
