#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Ends of TCP and UDP flows that an L4 service forwards, for tests/e2e/l4.sh.

  l4_peer.py serve NAME ADDR PORT     TCP and UDP: tells NAME and the client's address as it sees it;
                                      TCP "get N": N bytes, "put N": takes N, tells their SHA-256
  l4_peer.py get|put ADDR PORT N      over TCP; prints the SHA-256
  l4_peer.py digest N                 what both print when all is well
  l4_peer.py who ADDR PORT            prints NAME, over TCP
  l4_peer.py ask ADDR PORT COUNT [PAUSE]     UDP, a port each; prints how many were answered by whom
  l4_peer.py call ADDR PORT COUNT     the same over TCP, a connection each
  l4_peer.py hold ADDR PORT COUNT     opens connections, prints how many came through, says a word on
                                      each at every line of standard input and prints how many answered
  l4_peer.py hops ADDR PORT TTL       UDP with this TTL: prints NAME, or type, code and sender of the
                                      ICMP error
  l4_peer.py size ADDR PORT N         UDP of N bytes with DF set, thrice; prints the answer's length, or
                                      the path's MTU as the kernel has learnt it
"""
import hashlib
import socket
import socketserver
import sys
import threading
import time


def family(address):
    return socket.AF_INET6 if ':' in address else socket.AF_INET


def pattern(count):
    """The bytes of a transfer, in pieces."""
    block = bytes((i * 7 + i // 256) & 255 for i in range(65536))
    while count > 0:
        yield block[:min(count, len(block))]
        count -= len(block)


def digest_of(pieces):
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest()


def received(sock, count):
    while count > 0:
        piece = sock.recv(min(65536, count))
        if not piece:
            raise EOFError(f'{count} bytes are missing')
        count -= len(piece)
        yield piece


class Tcp(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            words = line.decode().split()
            if words[0] == 'get':
                for piece in pattern(int(words[1])):
                    self.wfile.write(piece)
            elif words[0] == 'put':
                count, digest = int(words[1]), hashlib.sha256()
                while count > 0:
                    piece = self.rfile.read(min(65536, count))
                    digest.update(piece)
                    count -= len(piece)
                self.wfile.write(digest.hexdigest().encode() + b'\n')
            else:
                self.wfile.write(f'{self.server.label} {self.client_address[0]}\n'.encode())


class TcpServer(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 1024


def serve(label, address, port):
    TcpServer.address_family = family(address)
    tcp = TcpServer((address, port), Tcp)
    tcp.label = label
    threading.Thread(target=tcp.serve_forever, daemon=True).start()
    udp = socket.socket(family(address), socket.SOCK_DGRAM)
    udp.bind((address, port))
    while True:
        data, peer = udp.recvfrom(65536)
        udp.sendto(f'{label} {len(data)}'.encode(), peer)


def get(address, port, count):
    with socket.create_connection((address, port), timeout=60) as sock:
        sock.sendall(f'get {count}\n'.encode())
        print(digest_of(received(sock, count)))


def put(address, port, count):
    with socket.create_connection((address, port), timeout=60) as sock:
        sock.sendall(f'put {count}\n'.encode())
        for piece in pattern(count):
            sock.sendall(piece)
        print(sock.makefile().readline().strip())


def answer_of(address, port):
    with socket.create_connection((address, port), timeout=5) as sock:
        sock.sendall(b'who\n')
        return sock.makefile().readline().strip()


def who(address, port):
    print(answer_of(address, port))


def tell(answers):
    print(' '.join(f'{label} {answers[label]}' for label in sorted(answers)))


def call(address, port, count):
    answers = {}
    for _ in range(count):
        try:
            label = answer_of(address, port).split()[0]
        except (OSError, IndexError):
            label = 'nobody'
        answers[label] = answers.get(label, 0) + 1
    tell(answers)


def ask(address, port, count, pause=0.0):
    answers = {}
    for _ in range(count):
        with socket.socket(family(address), socket.SOCK_DGRAM) as sock:
            sock.settimeout(2)
            sock.connect((address, port))
            sock.send(b'?')
            try:
                label = sock.recv(100).decode().split()[0]
            except OSError:
                label = 'nobody'
            answers[label] = answers.get(label, 0) + 1
        time.sleep(pause)
    tell(answers)


def answers(sock):
    try:
        sock.sendall(b'who\n')
        return bool(sock.recv(100))
    except OSError:
        return False


def hold(address, port, count):
    held = []
    for _ in range(count):
        try:
            held.append(socket.create_connection((address, port), timeout=2))
        except OSError:
            pass
    print(sum(answers(sock) for sock in held), flush=True)
    for _ in sys.stdin:
        print(sum(answers(sock) for sock in held), flush=True)


def hops(address, port, ttl):
    is_v6 = ':' in address
    level, limit, wanted = (41, 16, 25) if is_v6 else (0, 2, 11)  # hop limit, RECVERR
    with socket.socket(family(address), socket.SOCK_DGRAM) as sock:
        sock.setsockopt(level, limit, ttl)
        sock.setsockopt(level, wanted, 1)
        sock.settimeout(3)
        sock.connect((address, port))
        sock.send(b'?')
        try:
            print(sock.recv(100).decode().split()[0])
        except OSError:
            error = sock.recvmsg(512, 512, socket.MSG_ERRQUEUE)[1][0][2]
            offender = error[24:40] if is_v6 else error[20:24]
            print('type', error[5], 'code', error[6], 'from',
                  socket.inet_ntop(family(address), offender))


def size(address, port, count):
    is_v6 = ':' in address
    with socket.socket(family(address), socket.SOCK_DGRAM) as sock:
        level, option, value = (41, 23, 2) if is_v6 else (0, 10, 2)  # MTU_DISCOVER: DO
        sock.setsockopt(level, option, value)
        sock.settimeout(1)
        sock.connect((address, port))
        for _ in range(3):
            try:
                sock.send(bytes(count))
                print(sock.recv(100).decode().split()[1])
                return
            except OSError:
                continue
        print('mtu', sock.getsockopt(level, 24 if is_v6 else 14))


def main():
    command, *words = sys.argv[1:]
    if command == 'digest':
        print(digest_of(pattern(int(words[0]))))
    elif command == 'serve':
        serve(words[0], words[1], int(words[2]))
    elif command == 'who':
        who(words[0], int(words[1]))
    elif command == 'ask':
        ask(words[0], int(words[1]), int(words[2]), float(words[3]) if words[3:] else 0.0)
    else:
        {'get': get, 'call': call, 'put': put, 'hold': hold, 'hops': hops, 'size': size}[command](
            words[0], int(words[1]), int(words[2]))


main()
