# SPDX-License-Identifier: Apache-2.0
"""The systems under test: one worker each, the same certificate, TLS 1.3, no access log.

A system is: name, address, works (what it can do), start(), pids(), cycles_ns() (None for peers).
"""
import os
import shutil
import sys

import perf_mesh
import perf_net
import perf_route
from perf_net import read, run, write

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [os.path.join(ROOT, 'tools'), os.path.join(ROOT, 'tests', 'support')]
import lab_conf  # noqa: E402
import telemetry  # noqa: E402

HOST = 'bench.example'
ORIGIN_PORT, OTHER_PORT = perf_route.PORTS
ALL_WORKS = {'h1', 'h2', 'handshake', 'resumed', 'latency', 'large', 'miss'}


class System:
    """What is common: a directory, a process in the server's namespace."""

    name, package, works = '', '', ALL_WORKS
    address, port = perf_net.Net.PEER, 443  # peers stand side by side: a port each

    def __init__(self, net, directory, options):
        self.net, self.options = net, options
        self.top, self.directory = directory, os.path.join(directory, self.name)
        self.process = None
        os.makedirs(self.directory)

    def path(self, *parts):
        return os.path.join(self.directory, *parts)

    def missing(self):
        """Why this system cannot be measured here; empty when it can."""
        return '' if shutil.which(self.name) else f'{self.package} is not installed (--install)'

    def run(self, text, *command):
        write(self.path('conf'), text)
        self.process = self.net.start(list(command), True, self.path('log'))

    def pids(self):
        return perf_net.family(self.process.pid)

    def cycles_ns(self, which):  # noqa: ARG002
        return None

    def packets(self):
        """Packets that it received and sent, by its own count; None for whom the kernel does it."""
        return None

    def turns(self):
        """Turns of its loop that found something; None for peers."""
        return None

    def command(self):
        """The load generator's words for it, without those of a work."""
        return ['h2load', '-t1', f'--connect-to={self.address}:{self.port}']

    def answers(self):
        """True when it shakes hands."""
        command = (f'openssl s_client -connect {self.address}:{self.port} -servername {HOST} '
                   '</dev/null 2>&1')
        return 'subject' in self.net.from_client(['sh', '-c', command], 20)

    def version(self):
        return run('dpkg-query', '-W', '-f', '${Version}', self.package, check=False)

    def program(self, name):
        for base, _, names in os.walk(self.options.build):
            if name in names and os.path.isfile(os.path.join(base, name)):
                return os.path.join(base, name)
        return ''

    @property
    def certificate(self):
        return os.path.join(self.top, 'chain.pem'), os.path.join(self.top, 'key.pem')


class Nginx(System):
    name = package = 'nginx'

    works = ALL_WORKS | {'route', 'miss_mtls'}

    def change(self):
        """How perf_route swaps the upstream: a configuration for each port beside conf."""
        return {'how': 'nginx', 'conf': self.path('conf'), 'pid': self.path('pid')}

    def start(self):
        for port in perf_route.PORTS:
            write(f'{self.path("conf")}.{port}', self.text(port))
        self.run(self.text(ORIGIN_PORT), 'nginx', '-c', self.path('conf'), '-e', self.path('err'))

    def text(self, port):
        chain, key = self.certificate
        origin = f'{self.net.CLIENT_PEER}:{port}'
        mtls = perf_mesh.peer_files(self.top)
        places = ''.join(f'{kind}_temp_path {self.path(kind)};\n' for kind in
                         ('client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'))
        return f'''user root; worker_processes 1; daemon off; pid {self.path("pid")};
error_log {self.path("err")} crit;
events {{ worker_connections 16000; }}
http {{
access_log off; sendfile on; tcp_nopush on; keepalive_timeout 600s; keepalive_requests 1000000000;
http2_max_concurrent_streams 256;
{places}
proxy_cache_path {self.path("cache")} levels=1:2 keys_zone=c:16m max_size=256m use_temp_path=off;
open_file_cache max=1000 inactive=600s; open_file_cache_valid 600s;
upstream origin {{ server {origin}; keepalive 128; keepalive_requests 1000000000; }}
upstream mtls {{ server {self.net.CLIENT_PEER}:{perf_mesh.PEER_PORT}; keepalive 128; keepalive_requests 1000000000; }}
proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host;
proxy_ssl_certificate {mtls["client"]}; proxy_ssl_certificate_key {mtls["client-key"]};
proxy_ssl_trusted_certificate {mtls["ca"]}; proxy_ssl_verify on; proxy_ssl_protocols TLSv1.3;
proxy_ssl_name {perf_mesh.PEER_NAME}; proxy_ssl_server_name on;
server {{
listen {self.address}:{self.port} ssl http2 backlog=65535; server_name {HOST};
ssl_certificate {chain}; ssl_certificate_key {key}; ssl_protocols TLSv1.3;
location /cached/ {{ proxy_pass http://origin; proxy_cache c; }}
location /mtls/ {{ proxy_pass https://mtls; }}
location / {{ proxy_pass http://origin; }}
}}
}}
'''


class Haproxy(System):
    name = package = 'haproxy'
    port = 444
    works = ALL_WORKS | {'route', 'miss_mtls'}

    def change(self):
        return {'how': 'haproxy', 'socket': self.path('admin.sock'), 'origin': self.net.CLIENT_PEER}

    def start(self):
        chain, key = self.certificate
        write(self.path('both.pem'), read(chain) + read(key))
        origin = f'{self.net.CLIENT_PEER}:{ORIGIN_PORT}'
        mtls = perf_mesh.peer_files(self.top)
        write(self.path('client.pem'), read(mtls['client']) + read(mtls['client-key']))
        self.run(f'''global
 nbthread 1
 maxconn 8000
 ssl-default-bind-options ssl-min-ver TLSv1.3
 ssl-default-bind-ciphersuites TLS_AES_128_GCM_SHA256
 stats socket {self.path("admin.sock")} mode 600 level admin
defaults
 mode http
 timeout client 600s
 timeout http-keep-alive 600s
 timeout server 600s
 timeout connect 5s
 http-reuse always
cache c
 total-max-size 200
 max-object-size 20000000
 max-age 3600
frontend f
 bind {self.address}:{self.port} ssl crt {self.path("both.pem")} alpn h2,http/1.1 backlog 65535
 use_backend cached if {{ path_beg /cached/ }}
 use_backend mtls if {{ path_beg /mtls/ }}
 default_backend plain
backend cached
 http-request cache-use c
 http-response cache-store c
 server a {origin}
backend plain
 server a {origin}
backend mtls
 server a {self.net.CLIENT_PEER}:{perf_mesh.PEER_PORT} ssl crt {self.path("client.pem")} ca-file {mtls["ca"]} \
verify required verifyhost {perf_mesh.PEER_NAME} sni str({perf_mesh.PEER_NAME}) ssl-min-ver TLSv1.3
''', 'haproxy', '-f', self.path('conf'), '-db')


class H2o(System):
    name = package = 'h2o'
    port = 445
    # Debian's 2.2 has no response cache: its hits are files, as its users would have them.

    def start(self):
        chain, key = self.certificate
        os.makedirs(self.path('root'))
        for size in ('1k', '10m'):
            shutil.copy(os.path.join(self.top, 'origin', 'root', size), self.path('root', size))
        self.run(f'''user: root
num-threads: 1
pid-file: {self.path("pid")}
error-log: {self.path("err")}
http1-request-timeout: 600
http2-idle-timeout: 600
http2-max-concurrent-requests-per-connection: 256
listen:
  host: {self.address}
  port: {self.port}
  ssl:
    certificate-file: {chain}
    key-file: {key}
hosts:
  "default":
    paths:
      /cached:
        file.dir: {self.path("root")}
      /:
        proxy.reverse.url: "http://{self.net.CLIENT_PEER}:{ORIGIN_PORT}/"
        proxy.timeout.keepalive: 600000
''', 'h2o', '-c', self.path('conf'))


class Varnish(System):
    """Hitch for TLS in front, by a unix socket and PROXY, as Varnish's users have it."""

    name = package = 'varnish'
    port = 446

    def __init__(self, net, directory, options):
        super().__init__(net, directory, options)
        self.hitch = None

    def missing(self):
        programs = {'varnishd': 'varnish', 'hitch': 'hitch'}
        absent = [package for program, package in programs.items() if not shutil.which(program)]
        return f'{" and ".join(absent)} not installed (--install)' if absent else ''

    def pids(self):
        return super().pids() + perf_net.family(self.hitch.pid)

    def start(self):
        chain, key = self.certificate
        socket = self.path('plain.sock')
        write(self.path('both.pem'), read(key) + read(chain))
        parameters = ('feature=+http2', 'h2_max_concurrent_streams=256', 'timeout_idle=600',
                      'thread_pools=1', 'thread_pool_min=100', 'listen_depth=4096')
        self.run(f'''vcl 4.1;
backend origin {{ .host = "{self.net.CLIENT_PEER}"; .port = "{ORIGIN_PORT}"; }}
sub vcl_recv {{ if (req.url !~ "^/cached/") {{ return (pass); }} }}
''', 'varnishd', '-F', '-n', self.path('state'), '-j', 'none', '-f', self.path('conf'),
                 '-a', f'{socket},PROXY', '-s', 'malloc,256m',
                 *(word for text in parameters for word in ('-p', text)))
        perf_net.wait_for('varnish', lambda: os.path.exists(socket))
        self.hitch = self.net.start(
            ['hitch', f'--frontend=[{self.address}]:{self.port}', f'--backend={socket}',
             '--workers=1', '--backlog=4096', '--alpn-protos=h2,http/1.1', '--tls-protos=TLSv1.3',
             '--write-proxy-v2=on', '--user=root', '--quiet', self.path('both.pem')],
            True, self.path('hitch.log'))


class Millrace(System):
    """Our edge alone: the origin is its workload, control runs beside it; below /mtls/ a gateway's."""

    name, package = 'millrace', ''
    address = perf_net.Net.OWN
    works = ALL_WORKS | {'route', 'miss_mtls'}

    def change(self):
        return {'how': 'millrace', 'socket': self.path('run', 'control.sock'), 'origin': self.net.CLIENT_OWN}

    def __init__(self, net, directory, options):
        super().__init__(net, directory, options)
        self.control = self.socket = None

    def missing(self):
        if not all(self.program(p) for p in ('millrace-dataplane', 'millrace-control', 'millrace')):
            return 'not built: meson setup --buildtype=release DIR && ninja -C DIR; --build DIR'
        return ''

    def version(self):
        return run('git', '-C', ROOT, 'rev-parse', '--short', 'HEAD', check=False).strip()

    def conf(self):
        chain, key = self.certificate
        return {
            'version': 1,
            'node': {'id': 'edge-1', 'role': 'edge', 'location': 'par', 'mesh': 'mesh.example'},
            'run_dir': self.path('run'),
            'dataplane': {'cores': str(self.net.server_core), 'idle': self.options.idle,
                          'handshake_cores': self.options.handshake_cores,
                          'hugepages': 'never', 'memory': '512MiB', 'mbufs': 16384,
                          'ports': [{'name': 'own0', 'device': 'net_af_xdp0,iface=own0',
                                     'generic_xdp': self.options.generic_xdp,
                                     'adaptive_rx': not self.options.generic_xdp,
                                     'napi_batch': not self.options.generic_xdp,
                                     'addresses': [f'{self.address}/24']}]},
            'listen': [{'address': '*', 'port': 443, 'protocol': 'https'}],
            'registry': {'kind': 'sqlite', 'path': self.path('registry.db')},
            'identity': {'ca': True, 'state_dir': self.path('state')},
            'certificates': [{'chain': chain, 'key': key, 'default': True}],
            'cache': {'memory': '128MiB', 'max_object': '16MiB'},
            'development_ca': False,
        }

    def start(self):
        if not self.options.generic_xdp:
            self.net.pin_server_napi('own0')
        self.start_processes()
        self.set_service('origin', '--to', f'{self.net.CLIENT_OWN}:{ORIGIN_PORT}', '--location', 'par')
        if 'miss_mtls' in self.options.works:
            perf_mesh.Gateway(self, start_nginx).start(self.operate, lab_conf.text_of)
            # Its instance is the gateway's business.
            self.set_service('mesh', '--path', '/mtls/', '--to', '192.0.2.1:80', '--location', perf_mesh.LOCATION)

    def start_processes(self):
        for name in ('run', 'state'):
            os.makedirs(self.path(name), mode=0o700)
        cores = self.options.handshake_cores
        beside = ['taskset', '-c', f'{self.net.server_core},{cores}'] if cores else []
        self.run(lab_conf.text_of(self.conf()), *beside, self.program('millrace-dataplane'),
                 '--conf', self.path('conf'))
        self.control = self.net.start([self.program('millrace-control'), '--conf',
                                       self.path('conf')], True, self.path('control.log'))
        perf_net.wait_for('control of millrace',
                          lambda: os.path.exists(self.path('run', 'control.sock')))

    def operate(self, *words):
        """Runs the operator's tool at our control; what it says."""
        return run(self.program('millrace'), '--socket', self.path('run', 'control.sock'), *words)

    def set_service(self, name, *words):
        def is_set():
            try:
                return bool(self.operate('service', 'set', name, '--host', '*', *words)) or True
            except RuntimeError:
                return False
        perf_net.wait_for('service of millrace', is_set)

    def count(self, name):
        """A counter of the data plane's."""
        self.socket = self.socket or telemetry.connect(self.path('run'))
        return telemetry.counter(*self.socket, name)

    def cycles_ns(self, which):
        """The worker's own count by the TSC: busy turns found something to do, idle ones not."""
        return self.count(f'worker_cycles_{which}') * 1000000 // self.options.tsc_khz

    def turns(self):
        return self.count('worker_loops_busy')


SYSTEMS = [Millrace, Nginx, Haproxy, H2o, Varnish]


def start_nginx(net, state, blocks):
    """nginx as an upstream, on the client core; blocks(root) are its server blocks."""
    root = os.path.join(state, 'root')
    os.makedirs(root)
    for name, size in (('1k', 1024), ('10m', 10 << 20)):
        with open(os.path.join(root, name), 'wb') as file:
            file.write(os.urandom(size))
    places = ''.join(f'{kind}_temp_path {state}/{kind};\n' for kind in
                     ('client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'))
    write(os.path.join(state, 'conf'), f'''user root; worker_processes 1; daemon off;
pid {state}/pid;
error_log {state}/err crit;
events {{ worker_connections 8000; }}
http {{
access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000000; keepalive_timeout 600s;
default_type application/octet-stream; {places}
open_file_cache max=100 inactive=600s; open_file_cache_valid 600s;
{blocks(root)}}}
''')
    net.start(['nginx', '-c', f'{state}/conf', '-e', f'{state}/err'], False, f'{state}/log')


def origin(net, directory):
    """The upstream of all: plain, and behind mutual TLS for peers."""
    mtls = perf_mesh.make_peer_files(directory)
    start_nginx(net, os.path.join(directory, 'origin'), lambda root: f'''server {{
listen {ORIGIN_PORT} backlog=4096; listen {OTHER_PORT} backlog=4096; root {root};
location /cached/ {{ alias {root}/; add_header Cache-Control "max-age=36000"; }}
location /fresh/ {{ alias {root}/; add_header Cache-Control "max-age=36000"; }}
location /fresh/mtls/ {{ alias {root}/; add_header Cache-Control "max-age=36000"; }}
location = /which {{ add_header Cache-Control "no-store"; return 200 $server_port; }}
location / {{ add_header Cache-Control "no-store"; }}
}}
''' + perf_mesh.server_block(perf_mesh.PEER_PORT, mtls['server'], mtls['server-key'], mtls['ca'], root))


def certificate(directory):
    """One P-256 certificate for everybody."""
    run('openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1',
        '-nodes', '-days', '30', '-subj', f'/CN={HOST}', '-addext', f'subjectAltName=DNS:{HOST}',
        '-keyout', os.path.join(directory, 'key.pem'), '-out', os.path.join(directory, 'chain.pem'))
