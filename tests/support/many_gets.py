# SPDX-License-Identifier: Apache-2.0
"""GETs of an edge over HTTP/1.1 and HTTP/2, many at once, for programs whose first arguments are ADDRESS HOST CA."""
import asyncio
import json
import ssl
import sys
import time

import hpack
from h2_wire import DATA, END_HEADERS, END_STREAM, HEADERS, PREFACE, RST_STREAM, SETTINGS, WINDOW_UPDATE, \
    frame, settings, word

ADDRESS, HOST, CA = sys.argv[1:4]


class Answer:
    """One response: when its first body byte came, and whether it ended as it should."""

    def __init__(self):
        self.status, self.fields, self.body, self.is_whole = 0, {}, b'', False
        self.begun_s = time.monotonic()
        self.first_s = self.end_s = 0.0

    def take(self, data):
        if data and not self.first_s:
            self.first_s = time.monotonic() - self.begun_s
        self.body += data

    def end(self, is_whole):
        self.is_whole = is_whole
        self.end_s = time.monotonic() - self.begun_s
        return self


async def connect(protocol):
    context = ssl.create_default_context(cafile=CA)
    context.set_alpn_protocols([protocol])
    return await asyncio.open_connection(ADDRESS, 443, ssl=context, server_hostname=HOST, limit=1 << 22)


async def read_h1(reader, answer):
    line, *lines = (await reader.readuntil(b'\r\n\r\n')).decode().split('\r\n')
    answer.status = int(line.split()[1])
    answer.fields = {name.lower(): value.strip() for name, value in (each.split(':', 1) for each in lines if each)}
    if 'chunked' in answer.fields.get('transfer-encoding', ''):
        while size := int(await reader.readuntil(b'\r\n'), 16):
            left = size
            while left:
                data = await reader.read(left)
                if not data:
                    return False
                left -= len(data)
                answer.take(data)
            await reader.readexactly(2)
        return True
    left = int(answer.fields.get('content-length', 1 << 40))  # HTTP/1.0: to the end
    while left and (data := await reader.read(left)):
        left -= len(data)
        answer.take(data)
    return left == 0 or 'content-length' not in answer.fields


async def get_h1(path, *fields, version='1.1'):
    answer = Answer()
    reader, writer = await connect('http/1.1')
    try:
        writer.write('\r\n'.join([f'GET {path} HTTP/{version}', f'Host: {HOST}', *fields, '', '']).encode())
        return answer.end(await read_h1(reader, answer))
    except (asyncio.IncompleteReadError, OSError):
        return answer.end(False)
    finally:
        writer.close()


async def get_h2(path, count=1):
    """count streams of one connection that ask for the same."""
    answers = {1 + 2 * i: Answer() for i in range(count)}
    reader, writer = await connect('h2')
    encoder, decoder = hpack.Encoder(), hpack.Decoder()
    writer.write(PREFACE + frame(SETTINGS, payload=settings((4, 1 << 24))) +
                 frame(WINDOW_UPDATE, payload=word((1 << 30) - 65535)))
    for stream in answers:
        block = encoder.encode([(':method', 'GET'), (':scheme', 'https'), (':authority', HOST), (':path', path)])
        writer.write(frame(HEADERS, END_HEADERS | END_STREAM, stream, block))
    left = len(answers)
    while left:
        head = await reader.readexactly(9)
        payload = await reader.readexactly(int.from_bytes(head[:3], 'big'))
        kind, flags, answer = head[3], head[4], answers.get(int.from_bytes(head[5:], 'big'))
        if kind == HEADERS and answer:
            answer.fields = dict(decoder.decode(payload))
            answer.status = int(answer.fields[':status'])
        elif kind == DATA:
            answer.take(payload)
        elif kind == SETTINGS and not flags & 1:
            writer.write(frame(SETTINGS, 1))
        is_end = kind in (HEADERS, DATA) and flags & END_STREAM
        if answer and (is_end or kind == RST_STREAM):
            answer.end(kind != RST_STREAM)
            left -= 1
    writer.close()
    return list(answers.values())


async def count(name):
    """What drip_origin.py was asked of a name."""
    return json.loads((await get_h1(f'/count/{name}')).body)
