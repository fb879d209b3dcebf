# SPDX-License-Identifier: Apache-2.0
"""Upstreams of our edge on path B: data planes of ours on the client core, each behind a memif.

  server core            client core
  edge  mem0 ═ loadgen
        mem1 ═ memif ═══ origin  mem1 ── net_af_xdp ── nginx, once an object
        mem2 ═ memif ═══ gateway mem2 ═ memif ═ mem0 of origin

The origin is an edge that speaks plain HTTP/1.1. It keeps what nginx has given it, and says of what lies
below FRESH that nobody else may (a rule of its service's policy): so who asks it must ask each time.
The gateway is one as in any mesh; its control process goes once it has registered, so that nobody says
that it is down while it stands still (`stopped`).
"""
import contextlib
import os
import signal

import perf_mesh
import perf_net
from perf_net import run, write
from perf_systems import lab_conf, telemetry

FRESH = '/fresh/'
ORIGIN, GATEWAY, GATEWAY_ORIGIN = '198.18.4.2', '198.18.5.2', '198.18.6.2'  # the origin's, the gateway's, the origin's towards it
FILL = '198.18.3.1'  # of the origin, towards nginx
HTTP_PORT = 80


def memif(role, socket):
    """The words for a memif port but for its number; the server's side makes the socket."""
    return f'role={role},id=0,socket-abstract=no,socket={socket}'


def port(name, number, address, device):
    return {'name': name, 'addresses': [f'{address}/24'], 'device': f'net_memif{number},{device}'}


class Origin:
    """What answers the edge's misses, and fills its cache."""

    def __init__(self, edge, nginx):
        self.edge, self.net, self.nginx = edge, edge.net, nginx
        self.directory = edge.path('origin')
        self.process = self.socket = None
        os.makedirs(self.directory)

    def path(self, *parts):
        return os.path.join(self.directory, *parts)

    def conf(self):
        return {
            'version': 1,
            'node': {'id': 'edge-3', 'role': 'edge', 'location': 'fra', 'mesh': 'origin.example'},
            'run_dir': self.path('run'),
            'dataplane': {
                'cores': str(self.net.client_core), 'hugepages': 'never', 'memory': '256MiB', 'mbufs': 16384,
                'ports': [port('mem0', 0, GATEWAY_ORIGIN, memif('server', self.path('memif'))),
                          port('mem1', 1, ORIGIN, memif('client', self.edge.path('memif-origin'))),
                          {'name': 'org0', 'addresses': [f'{FILL}/24'], 'device': 'net_af_xdp0,iface=org0',
                           'adaptive_rx': True}]},
            'listen': [{'address': '*', 'port': HTTP_PORT, 'protocol': 'http'}],
            'registry': {'kind': 'sqlite', 'path': self.path('registry.db')},
            'identity': {'ca': True, 'state_dir': self.path('state')},
            'tcp': {'syn_rate_per_prefix': 0},  # all its clients are one prefix
            'http': {'keepalive_timeout': '60m'},
            'cache': {'memory': '128MiB', 'max_object': '16MiB'},
            'development_ca': False,
        }

    def start(self):
        self.net.pin_napi(self.net.server, 'org0', self.net.client_core)
        for name in ('run', 'state'):
            os.makedirs(self.path(name), mode=0o700)
        write(self.path('conf'), lab_conf.text_of(self.conf()))
        # org0 is in the server's namespace; the core is the client's.
        perf_net.wait_for('memif of the edge', lambda: os.path.exists(self.edge.path('memif-origin')))
        for name in ('millrace-control', 'millrace-dataplane'):
            # org0 is in the server's namespace, the core is the client's.
            self.process = self.net.start(['taskset', '-c', str(self.net.client_core), self.edge.program(name),
                                           '--conf', self.path('conf')], True, self.path(f'{name}.log'))
        self.operate('service', 'set', 'all', '--host', '*', '--to', self.nginx, '--location', 'fra')
        self.operate('service', 'set', 'fresh', '--host', '*', '--path', FRESH, '--to', self.nginx, '--location', 'fra')
        # Its answers are to be nginx's: what it would say of itself and its cache makes two packets of one.
        self.operate('policy', 'set', 'fresh', '--rule', 'response-set=Cache-Control: no-store',
                     *(word for name in ('Via', 'Age', 'Cache-Status') for word in ('--rule', f'response-remove={name}')))
        perf_net.wait_for('memif of the origin', lambda: os.path.exists(self.path('memif')))

    def operate(self, *words):
        """Runs the operator's tool once control is there to be asked."""
        def is_done():
            try:
                run(self.edge.program('millrace'), '--socket', self.path('run', 'control.sock'), *words)
                return True
            except RuntimeError:
                return False
        perf_net.wait_for(f'origin that takes {words[0]} {words[1]}', is_done)

    def answered(self):
        """Requests that it has answered 2xx."""
        self.socket = self.socket or telemetry.connect(self.path('run'))
        return telemetry.counter(*self.socket, 'exchange_responses_2xx')


class Gateway(perf_mesh.Gateway):
    """A gateway that stays: between the edge's memif and the origin's."""

    def conf(self):
        conf = super().conf()
        conf['node']['advertise'] = GATEWAY
        conf['dataplane']['ports'] = [
            port('mem0', 0, GATEWAY_ORIGIN[:-1] + '1', memif('client', self.edge.path('origin', 'memif'))),
            port('mem2', 1, GATEWAY, memif('client', self.edge.path('memif-gateway')))]
        conf['tcp'] = {'syn_rate_per_prefix': 0}
        conf['http'] = {'keepalive_timeout': '60m'}
        return conf


class Upstreams:
    """Origin and gateway of an edge; nginx is the address that fills the origin's cache."""

    def __init__(self, edge, nginx):
        self.edge, self.origin = edge, Origin(edge, nginx)
        self.gateway = Gateway(edge, None) if 'miss_mtls' in edge.options.works else None
        self.processes = []

    def ports(self):
        """The edge's ports towards them."""
        sides = [('mem1', ORIGIN, 'origin')] + ([('mem2', GATEWAY, 'gateway')] if self.gateway else [])
        return [port(name, number, address[:-1] + '1', memif('server', self.edge.path(f'memif-{whose}')))
                for number, (name, address, whose) in enumerate(sides, 1)]

    def start(self, operate):
        """Both can be asked when this returns; operate runs `millrace` at the edge, whose services are set."""
        self.origin.start()
        self.processes = [self.origin.process]
        if self.gateway:
            control, process = self.gateway.register(operate, lab_conf.text_of)
            self.processes.append(process)
            self.gateway.end([control])

    def answered(self):
        return self.origin.answered()

    @contextlib.contextmanager
    def stopped(self):
        """They stand still meanwhile, for whom each of their looks would be one into loadgen's time."""
        self.signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.signal(signal.SIGCONT)

    def signal(self, number):
        for process in self.processes:
            os.killpg(process.pid, number)
