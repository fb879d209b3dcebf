# SPDX-License-Identifier: Apache-2.0
"""A gRPC server on h2c (Debian's python3-grpcio) whose messages are plain bytes.

  grpc_server.py PORT      SIGTERM: GOAWAY, calls in flight have 10 s

  Echo      unary: the message; initial metadata `seen`, trailing metadata `last`
  Total     client streaming: how many messages and bytes came
  Count     server streaming: as many messages as the message says
  Chat      bidirectional: each message at once
  Fail      unary, fails with the code that the message names: an answer of trailers only
  FailLate  server streaming: two messages, then fails
  Left      unary: what is left of the deadline, in seconds, or `none`
  Sleep     server streaming: one message, then nothing; cancelled ones are counted
  Cancelled unary: how many were
"""
import concurrent.futures
import signal
import sys
import threading

import grpc

CANCELLED = []


def echo(message, context):
    context.send_initial_metadata((('seen', 'first'),))
    context.set_trailing_metadata((('last', 'word'), ('raw-bin', b'\x00\xff')))
    return message


def total(messages, _context):
    sizes = [len(message) for message in messages]
    return b'%d %d' % (len(sizes), sum(sizes))


def count(message, _context):
    for number in range(int(message)):
        yield b'%d' % number


def chat(messages, _context):
    yield from messages


def fail(message, context):
    context.abort(grpc.StatusCode[message.decode()], 'as asked: \u00e4 %')


def fail_late(_message, context):
    yield b'one'
    yield b'two'
    context.abort(grpc.StatusCode.DATA_LOSS, 'late')


def left(_message, context):
    seconds = context.time_remaining()
    return b'none' if seconds is None or seconds > 1e6 else b'%.3f' % seconds


def sleep(_message, context):
    ended = threading.Event()
    context.add_callback(ended.set)
    yield b'begun'
    ended.wait(20)
    CANCELLED.append(1)


def cancelled(_message, _context):
    return b'%d' % len(CANCELLED)


HANDLERS = {
    'Echo': grpc.unary_unary_rpc_method_handler(echo),
    'Total': grpc.stream_unary_rpc_method_handler(total),
    'Count': grpc.unary_stream_rpc_method_handler(count),
    'Chat': grpc.stream_stream_rpc_method_handler(chat),
    'Fail': grpc.unary_unary_rpc_method_handler(fail),
    'FailLate': grpc.unary_stream_rpc_method_handler(fail_late),
    'Left': grpc.unary_unary_rpc_method_handler(left),
    'Sleep': grpc.unary_stream_rpc_method_handler(sleep),
    'Cancelled': grpc.unary_unary_rpc_method_handler(cancelled),
}


def main():
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(64), options=(
        ('grpc.max_receive_message_length', -1), ('grpc.max_send_message_length', -1)))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler('test.Calls', HANDLERS),))
    server.add_insecure_port(f'0.0.0.0:{sys.argv[1]}')
    server.start()
    signal.signal(signal.SIGTERM, lambda *_: server.stop(10))
    server.wait_for_termination()


main()
