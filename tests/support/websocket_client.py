# SPDX-License-Identifier: Apache-2.0
"""WebSocket through a mesh, over HTTP/1.1 (python3-websockets) and HTTP/2 (RFC 8441, by hand); TAP.

  websocket_client.py ADDRESS HOST CA
"""
import asyncio
import os
import ssl
import struct
import sys
import time

import websockets

from h2_wire import DATA, ENABLE_CONNECT_PROTOCOL, END_HEADERS, END_STREAM, HEADERS, Peer, WINDOW_UPDATE, \
    block, frame, word
from tap_cases import CASES, case, tell_cases

ADDRESS, HOST, CA = sys.argv[1:4]
SIZES = (0, 1, 125, 126, 65535, 65536, 1 << 20)


def connect(path, **known):
    context = ssl.create_default_context(cafile=CA)
    return websockets.connect(f'wss://{HOST}{path}', host=ADDRESS, port=443, ssl=context,
        server_hostname=HOST, ping_interval=None,
                              max_size=1 << 25, open_timeout=10, **known)


@case('HTTP/1.1: messages of every size come back unchanged')
async def sizes():
    for compression in (None, 'deflate'):
        async with connect('/echo', compression=compression) as socket:
            for size in SIZES:
                data = os.urandom(size)
                await socket.send(data)
                assert await socket.recv() == data, size
            await socket.send('text \u00e4')
            assert await socket.recv() == 'text \u00e4'


@case('HTTP/1.1: five hundred messages without waiting')
async def many():
    async with connect('/echo') as socket:
        for number in range(500):
            await socket.send(str(number))
        for number in range(500):
            assert await socket.recv() == str(number)


@case('HTTP/1.1: the subprotocol is agreed on end to end')
async def subprotocol():
    async with connect('/echo', subprotocols=['other', 'chat.example']) as socket:
        assert socket.subprotocol == 'chat.example', socket.subprotocol


@case('HTTP/1.1: the server speaks unasked and ends')
async def push():
    async with connect('/push/20') as socket:
        got = [message async for message in socket]
        assert got == [f'message {n}' for n in range(20)], got
        assert socket.close_code == 1000, socket.close_code


@case('HTTP/1.1: the close code and its reason cross')
async def close():
    async with connect('/echo') as socket:
        await socket.close(4001, 'enough')
        assert socket.close_code == 4001, socket.close_code


@case('HTTP/1.1: a refused handshake is the answer that the server gave')
async def refuse():
    try:
        async with connect('/refuse'):
            raise AssertionError('accepted')
    except websockets.InvalidStatusCode as error:
        assert error.status_code == 403, error


@case('HTTP/1.1: ping and pong cross')
async def ping():
    async with connect('/echo') as socket:
        await asyncio.wait_for(await socket.ping(), 5)


class H2Socket:
    """A WebSocket on a stream of HTTP/2: opened, text messages, and the end."""

    def __init__(self, path, protocol='websocket', peer=None, stream=1):
        self.peer = peer or Peer(ADDRESS, HOST, CA).begin()
        self.stream = stream
        self.peer.send(frame(HEADERS, END_HEADERS, stream, block([
            (':method', 'CONNECT'), (':protocol', protocol), (':scheme', 'https'), (':path', path),
            (':authority', HOST), ('sec-websocket-version', '13'), ('origin', f'https://{HOST}')])))
        self.peer.wait(lambda: self.peer.status(stream) or self.peer.is_ended(stream))
        self.taken = 0

    def status(self):
        return self.peer.status(self.stream)

    def send(self, data, kind=2):
        mask = os.urandom(4)
        size = len(data)
        head = bytes((0x80 | kind,))
        if size < 126:
            head += bytes((0x80 | size,))
        elif size < 65536:
            head += b'\xfe' + struct.pack('>H', size)
        else:
            head += b'\xff' + struct.pack('>Q', size)
        masked = bytes(byte ^ mask[i % 4] for i, byte in enumerate(data))
        text = head + mask + masked
        for at in range(0, len(text), 16384):
            self.peer.send(frame(DATA, 0, self.stream, text[at:at + 16384]))

    def need(self, count):
        def has():
            return len(self.peer.body(self.stream)) >= self.taken + count
        if not self.peer.wait(has, 10):
            raise AssertionError('nothing came')
        out = self.peer.body(self.stream)[self.taken:self.taken + count]
        self.taken += count
        self.peer.send(frame(WINDOW_UPDATE, 0, self.stream, word(count)), frame(WINDOW_UPDATE, 0, 0,
            word(count)))
        return out

    def receive(self):
        kind, size = self.need(2)
        if size == 126:
            size = struct.unpack('>H', self.need(2))[0]
        return kind & 15, self.need(size) if size else b''


@case('HTTP/2: the server tells that it takes extended CONNECT')
async def h2_setting():
    peer = Peer(ADDRESS, HOST, CA).begin()
    assert peer.settings.get(ENABLE_CONNECT_PROTOCOL) == 1, peer.settings


@case('HTTP/2: messages come back unchanged')
async def h2_echo():
    socket = H2Socket('/echo')
    assert socket.status() == 200, socket.status()
    for size in (0, 1, 125, 126, 20000):
        data = os.urandom(size)
        socket.send(data)
        assert socket.receive() == (2, data), size
    socket.send(struct.pack('>H', 1000), 8)
    kind, data = socket.receive()
    assert (kind, data[:2]) == (8, b'\x03\xe8'), (kind, data)
    assert socket.peer.wait(lambda: socket.peer.is_ended(1)), 'no END_STREAM'


@case('HTTP/2: several tunnels and a request on one connection')
async def h2_many():
    peer = Peer(ADDRESS, HOST, CA).begin()
    sockets = [H2Socket('/echo', peer=peer, stream=1 + 2 * i) for i in range(5)]
    for number, socket in enumerate(sockets):
        socket.send(b'%d' % number)
    for number, socket in enumerate(sockets):
        assert socket.receive() == (2, b'%d' % number)


@case('HTTP/2: a refused handshake')
async def h2_refuse():
    assert H2Socket('/refuse').status() == 403


@case('HTTP/2: a protocol that nobody knows is 501')
async def h2_unknown():
    assert H2Socket('/echo', protocol='carrier-pigeon').status() == 501


@case('HTTP/2: the end of one direction reaches the server, which ends the other')
async def h2_end():
    socket = H2Socket('/echo')
    socket.send(b'last')
    assert socket.receive() == (2, b'last')
    socket.peer.send(frame(DATA, END_STREAM, 1))
    assert socket.peer.wait(lambda: socket.peer.is_ended(1), 20), 'the stream lives on'


async def tunnel():
    """--tunnel: a stream of bytes both ways through any workload that echoes bytes, no frames of ours."""
    socket = H2Socket('/echo')
    assert socket.status() == 200, socket.status()
    for size in (1, 20000, 65000):
        data = os.urandom(size)
        for at in range(0, size, 16384):
            socket.peer.send(frame(DATA, 0, 1, data[at:at + 16384]))
        assert socket.need(size) == data, size
    socket.peer.send(frame(DATA, END_STREAM, 1))
    assert socket.peer.wait(lambda: socket.peer.is_ended(1), 5), 'no end'


async def idle():
    """--idle SECONDS: a tunnel without a byte ends after that long."""
    limit = float(sys.argv[5])
    async with connect('/echo') as socket:
        begin = time.monotonic()
        await asyncio.wait_for(socket.wait_closed(), limit + 5)
        print(f'{time.monotonic() - begin:.1f}')


def main():
    if sys.argv[4:5] == ['--idle']:
        asyncio.run(idle())
        return
    if sys.argv[4:5] == ['--tunnel']:
        CASES[:] = [('bytes cross a tunnel to a workload of HTTP/2', tunnel)]
    tell_cases((AssertionError, OSError, asyncio.TimeoutError, websockets.WebSocketException),
               lambda function: asyncio.run(asyncio.wait_for(function(), 60)))


main()
