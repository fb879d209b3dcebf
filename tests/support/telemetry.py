# SPDX-License-Identifier: Apache-2.0
"""Asks a data plane's DPDK telemetry socket.

  telemetry.py RUN_DIR COMMAND            prints the answer as JSON
  telemetry.py RUN_DIR --counter NAME     prints one counter, summed over the workers
  telemetry.py RUN_DIR --counts MODULE .. prints all of these modules that are not 0, in one line

NAME is module_name, as in the counters' .def files.
"""
import glob
import json
import os
import socket
import sys


def connect(run_dir):
    paths = glob.glob(os.path.join(run_dir, 'dpdk', '*', 'dpdk_telemetry.v2'))
    if not paths:
        sys.exit(f'telemetry.py: no telemetry socket below {run_dir}')
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    sock.settimeout(5)
    sock.connect(max(paths, key=os.path.getmtime))
    limits = json.loads(sock.recv(1024))
    return sock, limits['max_output_len']


def ask(sock, limit, command):
    """One answer: the value under the command's name."""
    sock.send(command.encode())
    answer = json.loads(sock.recv(limit))
    return next(iter(answer.values()))


def counter(sock, limit, name):
    """A counter's sum over the workers."""
    module, _, rest = name.partition('_')
    answer = ask(sock, limit, f'/millrace/{module}')
    if not isinstance(answer, dict) or rest not in answer:
        sys.exit(f'telemetry.py: no counter {name} in {answer}')
    return answer[rest]


def main():
    sock, limit = connect(sys.argv[1])
    if sys.argv[2] == '--counter':
        print(counter(sock, limit, sys.argv[3]))
    elif sys.argv[2] == '--counts':
        for module in sys.argv[3:]:
            counts = ask(sock, limit, f'/millrace/{module}')
            print(*(f'{module}_{name}={count}' for name, count in counts.items() if count), end=' ')
        print()
    else:
        print(json.dumps(ask(sock, limit, sys.argv[2]), indent=1))


if __name__ == '__main__':
    main()
