# SPDX-License-Identifier: Apache-2.0
"""Plays the table of cache_cases.py against an edge whose origin is cache_origin.py; run it where the
client is. Prints what failed and, for each kind, "KIND PASSED ALL".

  cache_rules.py HOST ADDRESS CA --http1.1|--http2 [--only TEXT] [-v]
"""
import argparse
import base64
import concurrent.futures
import email.utils
import functools
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time

import cache_cases

# Waiting is most of what a case does; starting programs is not.
curls = threading.Semaphore(6)


class Response:
    """What curl -i wrote of one transfer."""

    def __init__(self, data):
        self.interims, self.status, self.fields, self.body = [], 0, [], b''
        while data.startswith(b'HTTP/'):
            head, _, data = data.partition(b'\r\n\r\n')
            lines = head.decode('latin-1').split('\r\n')
            self.status = int(lines[0].split()[1])
            self.fields = [(n.lower(), v.strip()) for n, _, v in (f.partition(':') for f in lines[1:])]
            if self.status >= 200:
                break
            self.interims.append((self.status, dict(self.fields)))
        self.body = data

    def field(self, name):
        values = [v for n, v in self.fields if n == name]
        return ', '.join(values) if values else None


class Player:
    """One case: its steps over one connection as far as nothing waits."""

    def __init__(self, number, case, options):
        self.kind, self.section, self.sentence, self.steps = case
        self.options = options
        self.key = f'case-{os.getpid()}-{number}'
        self.began = int(time.time())
        self.troubles = []

    def text(self, value, now):
        def date(match):
            base = now if match[1] == '@' else self.began
            return email.utils.formatdate(base + int(match[2]), usegmt=True)
        value = re.sub(r'^([@%])(-?\d+)$', date, value)
        return value.replace('{key}', self.key).replace('{host}', self.options.host)

    def curl(self, parts):
        """Runs transfers, each a function that gives arguments, in one curl; returns their responses."""
        with tempfile.TemporaryDirectory() as room, curls:
            command = ['curl']
            for i, part in enumerate(parts):
                command += ['--next'] if i else []
                command += ['-s', '-i', '--max-time', '20', '--cacert', self.options.ca, self.options.version,
                            '--connect-to', f'{self.options.host}:443:{self.options.address}:443',
                            '-o', f'{room}/{i}', *part()]
            subprocess.run(command, check=False)
            return [Response(open(f'{room}/{i}', 'rb').read() if os.path.exists(f'{room}/{i}') else b'')
                    for i in range(len(parts))]

    def transfer(self, number, step):
        now = time.time()
        answer = dict(step.answer, fields=[[n, self.text(v, now)] for n, v in step.fields])
        if step.comes in ('etag', 'date') or step.answer.get('status') == 304:
            answer['confirms'] = True
        part = ['-H', 'x-answer: ' + base64.b64encode(json.dumps(answer).encode()).decode(),
                '-H', f'x-step: {number}', f'https://{self.options.host}/{self.key}{step.path}']
        for name, value in step.asked:
            part += ['-H', f'{name}: {self.text(value, now)}']
        if step.method == 'HEAD':
            part.append('--head')
        elif step.method != 'GET':
            part += ['-X', step.method]
        if step.request_body is not None:
            part += ['--data-binary', step.request_body]
        return part

    def play(self):
        responses, waiting = [], []
        for number, step in enumerate(self.steps, 1):
            waiting.append(functools.partial(self.transfer, number, step))
            if step.then or number == len(self.steps):
                responses += self.curl(waiting)
                waiting = []
                time.sleep(step.then)
        log = self.curl([lambda: ['-H', 'cache-control: no-store', f'https://{self.options.host}/log/{self.key}']])[0]
        seen = json.loads(log.body or b'[]')
        for number, step in enumerate(self.steps, 1):
            self.check(number, step, responses[number - 1], [s for s in seen if s['step'] == number])
        return self

    def expect(self, is_right, trouble):
        if not is_right:
            self.troubles.append(trouble)

    def check(self, number, step, response, seen):
        where = f'step {number}: '
        served = response.field('x-step')
        if step.comes == 'origin':
            self.expect(served == str(number), where + f'not from the origin (step {served}, {response.status})')
        elif step.comes == 'cache':
            is_older = served is not None and int(served) < number
            self.expect(is_older or (response.status == 304 and not seen),
                        where + f'not from the cache (step {served}, {response.status})')
        elif step.comes:
            name = {'etag': 'if-none-match', 'date': 'if-modified-since'}[step.comes]
            self.expect(any(n == name for s in seen for n, _ in s['fields']), where + f'the origin got no {name}')
        status = step.wanted_status or step.answer.get('status') or 200
        if status != 304 or step.wanted_status:
            self.expect(response.status == status, where + f'status {response.status}, not {status}')
        self.check_fields(where, step, response)
        body = step.wanted_body
        if body is not None:
            self.expect(response.body == body.encode(), where + f'body {response.body[:40]}, not {body}')
        if step.wanted_interim is not None:
            got = [[status, [[n, fields.get(n)] for n, _ in wanted]]
                   for (status, fields), (_, wanted) in zip(response.interims, step.wanted_interim)]
            is_right = got == step.wanted_interim and len(got) == len(response.interims)
            self.expect(is_right, where + f'interim {response.interims}')
        for name, value in step.forwarded.items():
            got = [s['method'] if name == ':method' else dict(s['fields']).get(name) for s in seen]
            self.expect(got and got[0] == value, where + f'the origin got {name} {got}, not {value}')

    def check_fields(self, where, step, response):
        for name, wanted in step.seen.items():
            got = response.field(name)
            if wanted is None:
                is_right = got is None
            elif wanted[0] == '>':
                is_right = got is not None and int(got) > int(wanted[1:])
            elif wanted[0] == '~':
                is_right = got is not None and wanted[1:] in got
            else:
                wanted = self.text(wanted, 0)
                is_right = got == wanted
            self.expect(is_right, where + f'{name} is {got}, not {wanted}')


def main():
    parser = argparse.ArgumentParser()
    for name in ('host', 'address', 'ca'):
        parser.add_argument(name)
    parser.add_argument('--http1.1', dest='version', action='store_const', const='--http1.1')
    parser.add_argument('--http2', dest='version', action='store_const', const='--http2')
    parser.add_argument('--only', default='')
    parser.add_argument('-v', action='store_true')
    options = parser.parse_args()
    players = [Player(i, case, options) for i, case in enumerate(cache_cases.CASES)
               if options.only in f'{case[1]} {case[2]}']
    with concurrent.futures.ThreadPoolExecutor(64) as pool:
        # The long ones first.
        order = sorted(players, key=lambda p: -sum(s.then for s in p.steps))
        list(pool.map(Player.play, order))
    for player in players:
        for trouble in player.troubles:
            print(f'# {player.kind}: {player.section}: {player.sentence}: {trouble}')
        if options.v and not player.troubles:
            print(f'# passed: {player.kind}: {player.section}: {player.sentence}')
    for kind in (cache_cases.REQUIRED, cache_cases.OPTIONAL):
        of_kind = [p for p in players if p.kind == kind]
        print(kind, sum(not p.troubles for p in of_kind), len(of_kind))
    return any(p.troubles for p in players)


sys.exit(main())
