# SPDX-License-Identifier: Apache-2.0
"""A WebSocket server (Debian's python3-websockets): echoes, and does what a path says.

  websocket_server.py PORT

  /echo     every message back        /push/N   N messages unasked, then the end
  /slow/MS  reads a message each MS   /refuse   403 instead of a handshake
"""
import asyncio
import http
import sys

import websockets


async def serve(socket, path):
    words = path.split('?')[0].strip('/').split('/')
    if words[0] == 'push':
        for number in range(int(words[1])):
            await socket.send(f'message {number}')
        return
    async for message in socket:
        if words[0] == 'slow':
            await asyncio.sleep(int(words[1]) / 1000)
        await socket.send(message)


async def refuse(path, _fields):
    return (http.HTTPStatus.FORBIDDEN, [], b'not here\n') if path == '/refuse' else None


async def main():
    async with websockets.serve(serve, '', int(sys.argv[1]), process_request=refuse,
        ping_interval=None, close_timeout=1,
                                subprotocols=['chat.example'], max_size=1 << 25):
        await asyncio.Future()


asyncio.run(main())
