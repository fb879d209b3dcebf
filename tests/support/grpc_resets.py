# SPDX-License-Identifier: Apache-2.0
"""What a gRPC client makes of a workload's RST_STREAM, and a workload of a client's; TAP.

  grpc_resets.py ADDRESS HOST CA      HOST is served by h2c_origin.py

gRPC over HTTP/2, "Errors": the status follows from the code, where no trailers told it.
"""
import sys
import time

import grpc

from tap_cases import case, tell_cases

ADDRESS, HOST, CA = sys.argv[1:4]
STATUSES = {1: 'INTERNAL', 2: 'INTERNAL', 7: 'UNAVAILABLE', 8: 'CANCELLED', 11: 'RESOURCE_EXHAUSTED',
            12: 'PERMISSION_DENIED'}

with open(CA, 'rb') as pem:
    CHANNEL = grpc.secure_channel(
        f'{ADDRESS}:443', grpc.ssl_channel_credentials(pem.read()), options=(
            ('grpc.ssl_target_name_override', HOST), ('grpc.default_authority', HOST),
            ('grpc.enable_retries', 0)))


def call(path, message=b'hello', timeout=10):
    return CHANNEL.unary_unary(path)(message, timeout=timeout)


def status_of(path):
    try:
        call(path)
    except grpc.RpcError as error:
        return error.code().name
    return 'OK'


@case('a reset before the answer: each code is the status that gRPC has for it')
def before():
    got = {code: status_of(f'/reset/{code}') for code in STATUSES}
    assert got == STATUSES, got


@case('a reset behind the head: the same, but that a refusal can be none there')
def behind():
    wanted = {**STATUSES, 7: 'INTERNAL'}
    got = {code: status_of(f'/cut/{code}') for code in STATUSES}
    assert got == wanted, got


@case('a call that the workload refuses is sent again, with its message')
def refused():
    assert call('/refuse/once', b'a message') == b'a message'


@case('a call that the client cancels')
def cancel():
    flying = CHANNEL.unary_unary('/hang').future(b'hello', timeout=20)
    time.sleep(0.5)
    flying.cancel()


tell_cases((AssertionError, grpc.RpcError))
