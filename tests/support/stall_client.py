# SPDX-License-Identifier: Apache-2.0
"""Two hundred clients of an edge wait for one object whose origin stalls, for less and for longer than they may wait,
beside two bystanders that make a connection and a request every 50 ms: one for another, cached object, one for what
is not cached, of the same service. TAP; prints what the bystanders had.

  stall_client.py ADDRESS HOST CA WAIT_S      WAIT_S: the edge's cache.wait
"""
import asyncio
import multiprocessing
import sys
import time

from http_flood import P99_MS, Bystander
from many_gets import ADDRESS, CA, HOST, count, get_h1, get_h2
from tap_cases import case, tell_cases

WAIT_S = int(sys.argv[4])
GOAL_MS = 10  # what a calm machine with a core for each node should have
CLIENTS = 200
STREAMS = 10  # of a connection over HTTP/2, by which half of them come


async def ask_all(path):
    one_by_one = [get_h1(path) for _ in range(CLIENTS // 2)]
    together = [get_h2(path, STREAMS) for _ in range(CLIENTS // 2 // STREAMS)]
    got = await asyncio.gather(*one_by_one, *together)
    return [answer for each in got for answer in (each if isinstance(each, list) else [each])]


def crowd(path, pipe):
    """A process of its own: what it does is not the bystanders' time."""
    answers = asyncio.run(ask_all(path))
    pipe.send([(answer.status, answer.is_whole and answer.body == b'late', answer.end_s) for answer in answers])


class Bystanders:
    """Who asks for other things meanwhile."""

    def __init__(self):
        target = (ADDRESS, HOST, CA)
        self.of = {'cached': Bystander(target, b'/late/kept?cache=max-age=600'),
                   'uncached': Bystander(target, b'/late/other?cache=no-store')}

    def stand(self, until):
        while not until():
            self.of['cached'].stand(0.2, self.of['uncached'].start)
        self.of['uncached'].join()

    def check(self, beside):
        for name, bystander in self.of.items():
            lost, late_ms = bystander.times.count(None), bystander.late_ms(99)
            print(f'# {beside}: {len(bystander.times)} {name}: {lost} lost, p50 {bystander.late_ms(50)} ms, '
                  f'p99 {late_ms} ms (goal {GOAL_MS}, bound {P99_MS})', flush=True)
            assert lost == 0 and late_ms <= P99_MS, (name, lost, late_ms)


def stall(path, beside):
    """Returns what the clients were answered, once the bystanders were found to be well."""
    assert asyncio.run(get_h1('/late/kept?cache=max-age=600')).status == 200
    mine, theirs = multiprocessing.Pipe(False)
    process = multiprocessing.Process(target=crowd, args=(path, theirs))
    begun_s = time.monotonic()
    process.start()
    bystanders = Bystanders()
    bystanders.stand(lambda: mine.poll() or not process.is_alive())
    answers = mine.recv()
    process.join()
    print(f'# {beside}: {len(answers)} answers within {time.monotonic() - begun_s:.1f} s')
    assert len(answers) == CLIENTS and all(status == 200 and whole for status, whole, _ in answers), \
        [answer for answer in answers if answer[:2] != (200, True)][:5]
    bystanders.check(beside)
    return answers


@case('who waits for an origin that stalls waits for one request, and holds nobody up')
def _():
    stall(f'/late/stalled?ms={(WAIT_S - 2) * 1000}&cache=max-age=600', 'a stall')
    counted = asyncio.run(count('stalled'))
    assert counted['asked'] == 1, counted


@case('who has waited for as long as it may asks for itself, and holds nobody up')
def _():
    stall(f'/late/hung?ms={(WAIT_S + 3) * 1000}&then=20&cache=max-age=600', 'a longer one')
    counted = asyncio.run(count('hung'))
    assert 1 < counted['asked'] <= CLIENTS, counted


tell_cases((AssertionError, OSError, EOFError), lambda function: function())
