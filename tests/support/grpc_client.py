# SPDX-License-Identifier: Apache-2.0
"""gRPC through a mesh (Debian's python3-grpcio), against grpc_server.py; TAP.

  grpc_client.py ADDRESS HOST CA
  grpc_client.py ADDRESS HOST CA --hold FILE   a call in both directions that goes on until FILE exists
"""
import os
import queue
import sys
import time

import grpc

from tap_cases import case, tell_cases

ADDRESS, HOST, CA = sys.argv[1:4]


def open_channel():
    with open(CA, 'rb') as file:
        credentials = grpc.ssl_channel_credentials(file.read())
    return grpc.secure_channel(f'{ADDRESS}:443', credentials, options=(
        ('grpc.ssl_target_name_override', HOST), ('grpc.default_authority', HOST),
        ('grpc.max_receive_message_length', -1), ('grpc.max_send_message_length', -1),
        ('grpc.enable_retries', 0)))


CHANNEL = open_channel()


def unary(name, channel=CHANNEL):
    return channel.unary_unary(f'/test.Calls/{name}')


def stream(name):
    return CHANNEL.unary_stream(f'/test.Calls/{name}')


def failure(call):
    """The error with which the call ends."""
    try:
        call()
    except grpc.RpcError as error:
        return error
    raise AssertionError('it did not fail')


def cancelled_count():
    return int(unary('Cancelled')(b'', timeout=5))


def expect_cancelled(before):
    """The server hears of one more cancelled call."""
    end = time.monotonic() + 5
    while cancelled_count() <= before:
        assert time.monotonic() < end, 'the server was not told'
        time.sleep(0.02)


@case('unary: the message, initial and trailing metadata')
def echo():
    message, call = unary('Echo').with_call(b'hello', timeout=10)
    assert message == b'hello'
    assert dict(call.initial_metadata())['seen'] == 'first', call.initial_metadata()
    trailing = dict(call.trailing_metadata())
    assert trailing['last'] == 'word' and trailing['raw-bin'] == b'\x00\xff', trailing
    assert call.code() == grpc.StatusCode.OK


@case('unary: an empty message')
def empty():
    assert unary('Echo')(b'', timeout=10) == b''


@case('client streaming')
def total():
    call = CHANNEL.stream_unary('/test.Calls/Total')
    assert call(iter([b'x' * 1000] * 500), timeout=10) == b'500 500000'
    assert call(iter([]), timeout=10) == b'0 0'


@case('server streaming')
def count():
    got = list(stream('Count')(b'2000', timeout=10))
    assert got == [b'%d' % number for number in range(2000)], len(got)
    assert not list(stream('Count')(b'0', timeout=10))


@case('bidirectional streaming: each answer before the next question')
def chat():
    said = queue.Queue()
    answers = CHANNEL.stream_stream('/test.Calls/Chat')(iter(said.get, None), timeout=20)
    for number in range(200):
        said.put(b'%d' % number)
        assert next(answers) == b'%d' % number
    said.put(None)
    assert not list(answers)


@case('big messages both ways')
def big():
    message = os.urandom(8 << 20)
    assert unary('Echo')(message, timeout=30) == message


@case('every status crosses as trailers only, with its text')
def codes():
    for code in grpc.StatusCode:
        if code == grpc.StatusCode.OK:
            continue
        error = failure(lambda code=code: unary('Fail')(code.name.encode(), timeout=10))
        assert (error.code(), error.details()) == (code, 'as asked: \u00e4 %'), error


@case('a status in the trailers behind messages')
def late():
    got = []
    error = failure(lambda: got.extend(iter(stream('FailLate')(b'', timeout=10))))
    assert error.code() == grpc.StatusCode.DATA_LOSS, error
    got = stream('FailLate')(b'', timeout=10)
    assert [next(got), next(got)] == [b'one', b'two']


@case('a method that is not there')
def unimplemented():
    error = failure(lambda: unary('Nothing')(b'', timeout=10))
    assert error.code() == grpc.StatusCode.UNIMPLEMENTED, error


@case('the deadline is passed on')
def deadline():
    left = float(unary('Left')(b'', timeout=7))
    assert 6 < left < 7.2, left
    assert unary('Left')(b'') == b'none'


@case('a deadline that passes ends the call at the server, too')
def deadline_passes():
    before = cancelled_count()
    error = failure(lambda: list(stream('Sleep')(b'', timeout=0.3)))
    assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED, error
    expect_cancelled(before)


@case('a call that the client cancels ends at the server')
def cancel():
    before = cancelled_count()
    call = stream('Sleep')(b'', timeout=20)
    assert next(call) == b'begun'
    call.cancel()
    expect_cancelled(before)


@case('fifty calls at once, then a thousand, on one connection')
def many():
    flying = [unary('Echo').future(b'%d' % number, timeout=20) for number in range(50)]
    assert [call.result() for call in flying] == [b'%d' % number for number in range(50)]
    ask = unary('Echo')
    for number in range(1000):
        assert ask(b'%d' % number, timeout=10) == b'%d' % number


def hold():
    """Talks twice a second until the file exists; prints how it ended."""
    said = queue.Queue()
    answers = CHANNEL.stream_stream('/test.Calls/Chat')(iter(said.get, None), timeout=30)
    try:
        while not os.path.exists(sys.argv[5]):
            said.put(b'still here')
            assert next(answers) == b'still here'
            print('talking', flush=True)
            time.sleep(0.1)
        said.put(None)
        assert not list(answers)
        print('ended', answers.code().name, flush=True)
    except grpc.RpcError as error:
        print('failed', error.code().name, error.details(), flush=True)


def main():
    if sys.argv[4:5] == ['--hold']:
        hold()
        return
    if sys.argv[4:5] == ['--ask']:
        try:
            print(unary('Echo')(b'hello', timeout=10).decode())
        except grpc.RpcError as error:
            print(error.code().name)
        return
    tell_cases((AssertionError, grpc.RpcError, StopIteration))


main()
