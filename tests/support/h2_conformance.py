# SPDX-License-Identifier: Apache-2.0
"""Tries every row of h2_cases.py and h2_cases_wider.py on an edge and prints TAP.

  h2_conformance.py ADDRESS HOST CA [TEXT]     only rows whose sentence has TEXT
"""
import concurrent.futures
import sys

from h2_cases import CASES, STARTING
from h2_cases_wider import WIDER, WIDER_STARTING
from h2_wire import ACK, ERRORS, GOAWAY, HEADERS, PING, RST_STREAM, SETTINGS, Peer

AT_ONCE = 8


def expect_end(p):
    p.wait(lambda: p.is_closed)
    return p.is_closed


def expect_settings(p):
    p.wait(lambda: p.seen)
    return p.seen and p.seen[0][0] == SETTINGS and not p.seen[0][1] & ACK


def expect_goaway(p, errors):
    p.wait(lambda: p.goaway_error() is not None)
    return p.goaway_error() in errors


def expect_goaway_end(p, errors):
    return expect_goaway(p, errors) and expect_end(p)


def expect_goaway_last(p, error, last):
    """GOAWAY names the last stream that was taken."""
    return expect_goaway(p, (error,)) and int.from_bytes(p.frames(GOAWAY)[-1][3][:4], 'big') == last


def expect_reset(p, errors, stream):
    p.wait(lambda: p.reset_error(stream) is not None or p.goaway_error() is not None)
    return p.reset_error(stream) in errors or p.goaway_error() in errors


def expect_any_reset(p, errors):
    p.wait(lambda: p.frames(RST_STREAM) or p.frames(GOAWAY))
    return p.goaway_error() in errors or any(p.reset_error(f[2]) in errors for f in p.frames(RST_STREAM))


def expect_flow(p, errors):
    return expect_any_reset(p, errors)


def expect_answer(p, status, stream):
    p.wait(lambda: p.is_ended(stream))
    return p.is_ended(stream) and p.status(stream) == status


def expect_echoed(p, text, stream):
    """What /echo tells of the request that the origin read."""
    return expect_answer(p, 200, stream) and text in p.body(stream)


def expect_answered(p):
    return p.wait(lambda: p.status(1) is not None)


def expect_body(p, count, stream):
    p.wait(lambda: len(p.body(stream)) >= count)
    p.take(0.1)
    return len(p.body(stream)) == count


def expect_pong(p):
    return p.wait(lambda: any(f[0] == PING and f[1] & ACK and f[3] == b'12345678' for f in p.seen))


def expect_refused(p):
    p.wait(lambda: p.status(1) or p.frames(RST_STREAM, 1) or p.frames(GOAWAY))
    status = p.status(1)
    if status is not None:
        return 400 <= status < 500
    return p.reset_error(1) is not None or p.goaway_error() is not None


def expect_tolerated(p, error):
    """RFC 9113 took priorities away: the error of RFC 7540 or an answer, nothing else."""
    p.wait(lambda: p.is_ended(1) or p.frames(RST_STREAM, 1) or p.frames(GOAWAY))
    return p.status(1) == 200 or p.reset_error(1) == error or p.goaway_error() == error


def expect_no_error(p):
    p.wait(lambda: p.is_closed, 0.3)
    return p.goaway_error() in (None, 0)


def told(p):
    """What came back, for a failure's message."""
    parts = [f'goaway {ERRORS[p.goaway_error()]}'] if p.frames(GOAWAY) else []
    parts += [f'reset {f[2]} {ERRORS[p.reset_error(f[2])]}' for f in p.frames(RST_STREAM)]
    parts += [f'status {p.status(f[2])} on {f[2]}' for f in p.frames(HEADERS)]
    return ', '.join(parts[:6] + ['closed' if p.is_closed else 'open'])


def try_row(target, row, is_settled):
    """None when it holds, else what came instead."""
    _, _, send, (kind, *wanted) = row
    p = Peer(*target)
    try:
        if is_settled:
            p.begin()
        p.send(*send(p))
        holds = globals()['expect_' + kind.replace('-', '_')](p, *wanted)
        return None if holds else told(p)
    except AssertionError as error:
        return f'{error}; {told(p)}'
    finally:
        p.close()


def rfc_of(section):
    return f'RFC {section}' if section[4:5] == ' ' else f'RFC 9113 {section}'


def main():
    address, host, ca = sys.argv[1:4]
    text = sys.argv[4] if len(sys.argv) > 4 else ''
    rows = [(row, False) for row in STARTING + WIDER_STARTING] + [(row, True) for row in CASES + WIDER]
    rows = [(row, is_settled) for row, is_settled in rows if text in row[1]]
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        found = pool.map(lambda pair: try_row((address, host, ca), *pair), rows)
        for number, ((row, _), came) in enumerate(zip(rows, found), 1):
            print(f'{"not ok" if came else "ok"} {number} - {rfc_of(row[0])}: {row[1]}')
            if came:
                print(f'# wanted {row[3]}\n# got {came}', flush=True)
    print(f'1..{len(rows)}')


main()
