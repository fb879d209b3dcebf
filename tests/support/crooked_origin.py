# SPDX-License-Identifier: Apache-2.0
"""An origin whose answers are rows of crooked_cases.py: /N/... gets row N, any other path 200 `good`.

  crooked_origin.py PORT
"""
import re
import socketserver
import sys
import time

from crooked_cases import ANSWERS, CLOSE, FINE, PAUSE

PAUSE_S = 0.1


class Handler(socketserver.StreamRequestHandler):
    disable_nagle_algorithm = True

    def target(self):
        """The next request's target, or None at the end; bodies are not read."""
        line = self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return line.split()[1] if line.strip() else None

    def answer(self, target):
        found = re.match(rb'/(\d+)/', target)
        data = ANSWERS[int(found[1])][2] if found else FINE
        for number, part in enumerate(data.removesuffix(CLOSE).split(PAUSE)):
            if number:
                time.sleep(PAUSE_S)
            self.wfile.write(part)
        return not data.endswith(CLOSE)

    def handle(self):
        try:
            while (target := self.target()) and self.answer(target):
                pass
        except OSError:
            pass  # the proxy went


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True
    request_queue_size = 128


Server(('', int(sys.argv[1])), Handler).serve_forever()
