# SPDX-License-Identifier: Apache-2.0
"""Tries every row of tls_handshake_cases.py on an edge, which must go on serving after each. TAP.

  tls_handshakes.py ADDRESS[:PORT] [TEXT]     only rows whose sentence has TEXT

The edge has certificates for p256.test (its default), p384.test, ed25519.test and rsa.test.
"""
import copy
import sys

from cryptography.x509 import DNSName, SubjectAlternativeName
from tap_cases import case, tell_cases
from tls13_client import (AES128, AES256, CHACHA, HANDSHAKE, P256, P384, SHARE, X25519, Client, Ended, Hello, numbers,
                          private_key, public_key, records, u16)
import tls_handshake_cases as table

HOST = 'p256.test'
SIGNERS = ('p256.test', 'p384.test', 'ed25519.test', 'rsa.test')
address, _, port = sys.argv[1].partition(':')
TARGET = address, int(port or 443)


def is_answer(data):
    return data[:7] == b'HTTP/1.' and data[8:12] == b' 200'


def shake(hello, pieces=None, host=HOST):
    """What comes of a hello, and the client."""
    client = Client(TARGET)
    said = ''
    try:
        client.send(*(pieces or [records(HANDSHAKE, hello.message(), version=0x0301)]))
        if client.read_flight(hello):
            said = 'retry, '
            assert numbers(client.group, 32) not in hello.get(SHARE), 'asked for what was sent'
            hello.keys[client.group] = key = private_key(client.group)
            hello.set(SHARE, u16(numbers(client.group) + u16(public_key(key))))
            client.send(records(HANDSHAKE, hello.message()))
            assert not client.read_flight(hello), 'a second retry'
        client.finish()
        assert is_answer(client.ask(host)), 'no answer'
        return said + ('resumed' if client.is_resumed else 'full'), client
    except Ended as end:
        return str(end), client
    finally:
        client.close()


def is_allowed(got, allowed):
    allowed = allowed if isinstance(allowed, tuple) else (allowed,)
    assert got in allowed, f'{got}, not {" or ".join(allowed)}'


def try_hello(change, allowed, how):
    hello = Hello(HOST, **how)
    change(hello)
    got, client = shake(hello)
    is_allowed(got, allowed)
    if got == 'full':
        assert (client.seen_ccs == 1) >= bool(hello.session_id), 'no ChangeCipherSpec behind a session id'


def try_flight(make, allowed):
    hello = Hello(HOST)
    pieces = make(hello.message())
    is_allowed(shake(hello, pieces)[0], allowed)


def try_end(act, allowed):
    client = Client(TARGET)
    client.host, client.hello = HOST, Hello(HOST)
    try:
        client.send(records(HANDSHAKE, client.hello.message(), version=0x0301))
        assert not client.read_flight(client.hello)
        act(client)
        got = 'answered' if is_answer(client.answer()) else 'something'
    except Ended as end:
        got = str(end)
    finally:
        client.close()
    is_allowed(got, allowed)


def session_of(suite=AES128):
    got, client = shake(Hello(HOST, suites=(suite,)))
    assert got == 'full' and len(client.sessions) == 1, f'{got}, {len(client.sessions)} tickets'
    return client.sessions[0]


def add_rows():
    for sentence, change, allowed, *how in table.HELLOS:
        case(f'hello: {sentence}')(lambda c=change, a=allowed, h=how: try_hello(c, a, *(h or [{}])))
    for sentence, make, allowed in table.FLIGHTS:
        case(f'first flight: {sentence}')(lambda m=make, a=allowed: try_flight(m, a))
    for sentence, act, allowed in table.ENDS:
        case(f'second flight: {sentence}')(lambda t=act, a=allowed: try_end(t, a))
    for sentence, make, allowed in table.RESUMPTIONS:
        case(f'resumption: {sentence}')(lambda m=make, a=allowed: is_allowed(shake(m(session_of(), HOST))[0], a))


@case('each suite with each group and each certificate')
def every_combination():
    for suite in (AES128, AES256, CHACHA):
        for group in (X25519, P256, P384):
            for host in SIGNERS:
                got, client = shake(Hello(host, suites=(suite,), groups=(group,)), host=host)
                assert (got, client.suite, client.group) == ('full', suite, group), f'{got} {suite} {group} {host}'
                names = client.certificate.extensions.get_extension_for_class(SubjectAlternativeName).value
                assert host in names.get_values_for_type(DNSName), host


@case('each group when the other two are asked for first')
def every_retry():
    for group in (X25519, P256, P384):
        got, client = shake(Hello(HOST, groups=(0x99, group), shares=()))
        assert (got, client.group) == ('retry, full', group), f'{got} {client.group}'


@case('a ticket of each suite resumes, again and again')
def every_suite_resumes():
    for suite in (AES128, AES256, CHACHA):
        session = session_of(suite)
        for _ in range(3):
            got, client = shake(Hello(HOST, suites=(suite,)).offer(session))
            assert got == 'resumed' and len(client.sessions) == 1, got
            session = client.sessions[0]


@case('a ticket serves twice, each time with keys of its own')
def a_ticket_twice():
    session = session_of()
    got = [shake(Hello(HOST).offer(copy.copy(session))) for _ in range(2)]
    assert [g for g, _ in got] == ['resumed'] * 2
    assert got[0][1].application != got[1][1].application


@case('the server prefers AES-128, or ChaCha20 when the client names it first')
def suites_by_preference():
    for suites, wanted in (((AES128, AES256, CHACHA), AES128), ((AES256, AES128), AES128), ((CHACHA, AES256, AES128), CHACHA),
                           ((AES256, CHACHA), AES256), ((0x3a3a, CHACHA, AES128), CHACHA)):
        got, client = shake(Hello(HOST, suites=suites))
        assert got == 'full' and client.suite == wanted, f'{got} {client.suite:x}'


@case('protocols are chosen in the server\'s order')
def protocols():
    for names, wanted in (((b'h2', b'http/1.1'), b'h2'), ((b'http/1.1', b'h2'), b'h2'), ((b'x', b'http/1.1'), b'http/1.1')):
        client = Client(TARGET)
        hello = Hello(HOST).set(table.ALPN, u16(b''.join(bytes([len(n)]) + n for n in names)))
        client.send(records(HANDSHAKE, hello.message()))
        client.read_flight(hello)
        client.close()
        assert client.protocol == wanted, client.protocol


def run(function):
    function()
    got, _ = shake(Hello(HOST))
    assert got == 'full', f'the edge does not serve afterwards: {got}'


add_rows()
if len(sys.argv) > 2:
    import tap_cases
    tap_cases.CASES[:] = [c for c in tap_cases.CASES if sys.argv[2] in c[0]]
tell_cases((AssertionError, Ended, OSError, KeyError, ValueError), run)
