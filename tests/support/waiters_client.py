# SPDX-License-Identifier: Apache-2.0
"""Many who ask an edge for one thing while drip_origin.py takes its time, over HTTP/1.1 and HTTP/2: they read it
as it arrives, all of them whole or none; what cannot be shared does not queue them. TAP.

  waiters_client.py ADDRESS HOST CA
"""
import asyncio
import gzip
import time
import zlib

from drip_origin import body_of
from many_gets import HOST, connect, count, get_h1, get_h2
from tap_cases import case, tell_cases

LARGE = 1 << 20


async def crowd(path, h1, h2, later_s=0.3):
    """One who fetches; then h1 connections and h2 streams that come in twos while it arrives."""
    first = asyncio.create_task(get_h1(path))
    await asyncio.sleep(later_s)
    some = [get_h1(path) for _ in range(h1 // 2)] + [get_h2(path, h2 // 2)]
    tasks = [asyncio.create_task(each) for each in some]
    await asyncio.sleep(later_s)
    tasks += [asyncio.create_task(get_h1(path)) for _ in range(h1 - h1 // 2)]
    tasks.append(asyncio.create_task(get_h2(path, h2 - h2 // 2)))
    answers = []
    for task in tasks:
        got = await task
        answers += got if isinstance(got, list) else [got]
    return await first, answers


async def late(after_s, path):
    """One of HTTP/1.0, whose body may end with its connection."""
    await asyncio.sleep(after_s)
    return await get_h1(path, version='1.0')


def check_whole(answer, body):
    assert answer.status == 200 and answer.is_whole and answer.body == body, \
        (answer.status, answer.is_whole, len(answer.body), len(body))


@case('fifty read what one fetches while it arrives, over h1 and h2')
async def _():
    first, answers = await crowd(f'/drip/shared/{LARGE}?ms=2500', 20, 30)
    for answer in [first, *answers]:
        check_whole(answer, body_of(LARGE))
    for answer in answers:
        assert answer.end_s - answer.first_s > 0.7, (answer.first_s, answer.end_s)
        assert 'collapsed' in answer.fields['cache-status'], answer.fields['cache-status']
    assert await count('shared') == {'asked': 1, 'at_once': 1}, await count('shared')


@case('also one of unknown length, and what is compressed on the way')
async def _():
    path = f'/drip/unknown/{LARGE}?ms=1500&chunked'
    zipped = f'/drip/zipped/{LARGE}?ms=1500&text'
    (first, answers), old, *packed = await asyncio.gather(
        crowd(path, 6, 6), late(0.4, path), *(get_h1(zipped, 'Accept-Encoding: gzip') for _ in range(8)))
    for answer in [first, old, *answers]:
        check_whole(answer, body_of(LARGE))
    assert all(answer.end_s - answer.first_s > 0.3 for answer in answers)
    for answer in packed:
        assert answer.is_whole and answer.fields['content-encoding'] == 'gzip', answer.fields
        assert gzip.decompress(answer.body) == body_of(LARGE)
    assert (await count('unknown'))['asked'] == 1 and (await count('zipped'))['asked'] == 1


@case('a fetch that fails cuts all of them, none looks complete')
async def _():
    for framing in ('', '&chunked'):
        path = f'/drip/cut{len(framing)}/{LARGE}?ms=1600&cut{framing}'
        old = asyncio.create_task(late(0.3, path))
        first, answers = await crowd(path, 10, 10, 0.2)
        for answer in [first, await old, *answers]:
            assert answer.status == 200 and not answer.is_whole, (answer.status, answer.is_whole)
            assert body_of(LARGE).startswith(answer.body) and answer.body
        assert (await count(f'cut{len(framing)}'))['asked'] == 1


@case('it goes on when the one who fetches leaves, or does not read')
async def _():
    path = f'/drip/left/{LARGE}?ms=1500'
    reader, writer = await connect('http/1.1')
    writer.write(f'GET {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n'.encode())
    await reader.readexactly(1000)
    tasks = [asyncio.create_task(get_h1(path)) for _ in range(5)]
    await asyncio.sleep(0.3)
    writer.transport.abort()
    for task in tasks:
        check_whole(await task, body_of(LARGE))
    large = 4 * LARGE
    path = f'/drip/lazy/{large}?ms=1000'
    reader, writer = await connect('http/1.1')
    writer.write(f'GET {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n'.encode())
    await asyncio.sleep(0.3)
    writer.transport.pause_reading()
    answer = await get_h1(path)
    check_whole(answer, body_of(large))
    assert answer.end_s < 8, answer.end_s  # else when http.min_rate ends the other
    writer.transport.abort()
    assert (await count('left'))['asked'] == (await count('lazy'))['asked'] == 1


@case('two hundred are not queued for what turns out not to be cacheable')
async def _():
    for cache in ('no-store', 'private'):
        path = f'/late/{cache}?ms=1000&cache={cache}'
        begun_s = time.monotonic()
        got = await asyncio.gather(*(get_h2(path, 50) for _ in range(4)))
        took_s = time.monotonic() - begun_s
        answers = [answer for each in got for answer in each]
        assert all(answer.status == 200 and answer.body == b'late' for answer in answers)
        # The first answer tells; then all the others go at once. One by one would be minutes.
        assert took_s < 8, took_s
        counted = await count(cache)
        assert counted['asked'] == 200 and counted['at_once'] >= 20, counted
        await asyncio.gather(*(get_h2(path, 50) for _ in range(2)))  # known now: nobody waits for a first


tell_cases((AssertionError, OSError, EOFError, zlib.error), lambda function: asyncio.run(function()))
