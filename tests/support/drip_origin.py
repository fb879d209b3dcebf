# SPDX-License-Identifier: Apache-2.0
"""An HTTP/1.1 workload that takes its time; counts what it was asked and how much of that at once.

  /drip/NAME/BYTES?ms=M[&cut][&chunked][&text]   a cacheable body over M ms, byte i being i // 16 mod 251;
                    cut: the connection ends in its middle; text: of a type that is compressed
  /late/NAME?ms=M&cache=CACHE-CONTROL[&then=N]   a short body after M ms; then: the second time, and later, after N
  /count/NAME       {"asked": how often, "at_once": the most at once}

  drip_origin.py PORT
"""
import asyncio
import json
import sys
import urllib.parse

STEPS = 40
RUNNING, ASKED, AT_ONCE = {}, {}, {}


def body_of(count):
    return bytes(i // 16 % 251 for i in range(count))


async def drip(writer, words, query):
    body, pause_s = body_of(int(words[2])), int(query['ms']) / 1000 / STEPS
    is_chunked = 'chunked' in query
    kind = 'text/plain' if 'text' in query else 'application/octet-stream'
    framing = 'Transfer-Encoding: chunked' if is_chunked else f'Content-Length: {len(body)}'
    writer.write(f'HTTP/1.1 200 OK\r\nCache-Control: max-age=600\r\nETag: "{words[1]}"\r\n'
                 f'Content-Type: {kind}\r\n{framing}\r\n\r\n'.encode())
    run = len(body) // STEPS
    for step in range(STEPS):
        piece = body[step * run:(step + 1) * run if step + 1 < STEPS else len(body)]
        if 'cut' in query and step == STEPS // 2:
            writer.transport.abort()
            return
        writer.write(b'%x\r\n%s\r\n' % (len(piece), piece) if is_chunked else piece)
        await writer.drain()
        await asyncio.sleep(pause_s)
    if is_chunked:
        writer.write(b'0\r\n\r\n')


def send(writer, text, cache):
    writer.write(f'HTTP/1.1 200 OK\r\nCache-Control: {cache}\r\nContent-Length: {len(text)}\r\n\r\n{text}'.encode())


async def answer(writer, words, query):
    name = words[1] if len(words) > 1 else ''
    if words[0] == 'count':
        send(writer, json.dumps({'asked': ASKED.get(name, 0), 'at_once': AT_ONCE.get(name, 0)}), 'no-store')
        return
    ASKED[name] = ASKED.get(name, 0) + 1
    RUNNING[name] = RUNNING.get(name, 0) + 1
    AT_ONCE[name] = max(AT_ONCE.get(name, 0), RUNNING[name])
    try:
        if words[0] == 'drip':
            await drip(writer, words, query)
        else:
            pause_ms = query.get('then' if 'then' in query and ASKED[name] > 1 else 'ms', 0)
            await asyncio.sleep(int(pause_ms) / 1000)
            send(writer, 'late', query.get('cache', 'no-store'))
    finally:
        RUNNING[name] -= 1


async def serve(reader, writer):
    try:
        while head := await reader.readuntil(b'\r\n\r\n'):
            parts = urllib.parse.urlsplit(head.split()[1].decode())
            query = dict(urllib.parse.parse_qsl(parts.query, keep_blank_values=True))
            await answer(writer, parts.path.strip('/').split('/'), query)
            await writer.drain()
    except (asyncio.IncompleteReadError, OSError):
        pass
    writer.close()


async def main():
    server = await asyncio.start_server(serve, '0.0.0.0', int(sys.argv[1]), backlog=1024)
    await server.serve_forever()

if __name__ == '__main__':
    asyncio.run(main())
