# SPDX-License-Identifier: Apache-2.0
"""The upstream behind mutual TLS 1.3: one program for all, nginx on the client core, at two ports.

  peers   HTTP/1.1, kept alive, certificates of a CA made here     -> PEER_PORT
  ours    HTTP/2, the mesh's own identities, checked both ways     -> OWN_PORT

To ours it stands where a gateway would: a real one is started, gets its identity and registers; then it
is killed, and nginx listens at its address with its certificate.
"""
import json
import os
import signal
import sqlite3

import perf_net
from perf_net import run, write

PEER_PORT, OWN_PORT = 8443, 8444
PEER_NAME = 'upstream.example'
LOCATION, GATEWAY = 'fra', 'gateway-1'


def peer_files(directory):
    """Paths of what peers show and check: ca, and chain and key of the upstream and of its clients."""
    return {name: os.path.join(directory, f'mtls-{name}.pem')
            for name in ('ca', 'ca-key', 'server', 'server-key', 'client', 'client-key')}


def make_peer_files(directory):
    """A CA, and a certificate by it for the upstream and one for its clients: P-256 all of them."""
    files = peer_files(directory)
    request = ['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes',
               '-days', '30']
    run(*request, '-subj', '/CN=CA', '-keyout', files['ca-key'], '-out', files['ca'])
    for name in ('server', 'client'):
        # As the mesh's are: of the CA itself, for the purpose of either side.
        run(*request, '-subj', f'/CN={PEER_NAME}', '-addext', f'subjectAltName=DNS:{PEER_NAME}',
            '-addext', 'basicConstraints=critical,CA:FALSE', '-addext', 'keyUsage=critical,digitalSignature',
            '-addext', 'extendedKeyUsage=serverAuth,clientAuth', '-CA', files['ca'], '-CAkey', files['ca-key'],
            '-keyout', files[f'{name}-key'], '-out', files[name])
    return files


def server_block(port, chain, key, trusted, root):
    """nginx's server block: only who shows a certificate by trusted is answered."""
    return f'''server {{
listen {port} ssl http2 backlog=4096; root {root};
ssl_certificate {chain}; ssl_certificate_key {key}; ssl_protocols TLSv1.3;
ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;
ssl_client_certificate {trusted}; ssl_verify_client on; ssl_verify_depth 2;
location /mtls/ {{ alias {root}/; add_header Cache-Control "no-store"; }}
}}
'''


def _row(path, kind, key):
    """A row of a registry or of a node's own store; {} when it is not there."""
    if not os.path.exists(path):
        return {}
    with sqlite3.connect(f'file:{path}?mode=ro', uri=True) as store:
        try:
            found = store.execute('SELECT value FROM row WHERE kind = ? AND key = ?', (kind, key)).fetchone()
        except sqlite3.OperationalError:  # it is being made
            return {}
    return json.loads(found[0]) if found else {}


class Gateway:
    """The next hop of an edge: a gateway's address, identity and place in the registry, with nginx there."""

    def __init__(self, edge, start_nginx):
        self.edge, self.net, self.start_nginx = edge, edge.net, start_nginx
        self.directory = edge.path('gateway')
        os.makedirs(self.directory)

    def path(self, *parts):
        return os.path.join(self.directory, *parts)

    def conf(self):
        conf = self.edge.conf()
        return {
            'version': 1,
            'node': {'id': GATEWAY, 'role': 'gateway', 'location': LOCATION, 'mesh': conf['node']['mesh'],
                     'advertise': self.net.CLIENT_OWN},
            'run_dir': self.path('run'),
            'dataplane': {'cores': str(self.net.client_core), 'hugepages': 'never', 'memory': '256MiB',
                          'ports': [{'name': 'null0', 'device': 'net_null0,no-rx=1',
                                     'addresses': ['198.18.4.1/24']}]},
            'listen': [{'address': '*', 'port': OWN_PORT, 'protocol': 'mesh'}],
            'registry': conf['registry'],
            'identity': {'join_token': self.path('token'), 'state_dir': self.path('state')},
            'cache': {'memory': '0B'},
        }

    def start(self, operate, text_of):
        """Registers and goes; nginx is there when this returns. operate runs `millrace` at the edge."""
        self.end(self.register(operate, text_of))
        self.listen(_row(self.registry(), 'trust', 'bundle')['bundle'])

    def registry(self):
        return self.edge.conf()['registry']['path']

    def register(self, operate, text_of):
        """Starts it; returns its control and its data plane when edges are sent to it."""
        for name in ('run', 'state'):
            os.makedirs(self.path(name), mode=0o700)
        token = operate('node', 'token', GATEWAY, '--role', 'gateway', '--location', LOCATION).split()[-1]
        with open(os.open(self.path('token'), os.O_WRONLY | os.O_CREAT, 0o600), 'w', encoding='ascii') as file:
            file.write(token + '\n')
        write(self.path('conf'), text_of(self.conf()))
        processes = [self.net.start([self.edge.program(name), '--conf', self.path('conf')], False, self.path(name),
                                    signal.SIGKILL)
                     for name in ('millrace-control', 'millrace-dataplane')]
        # It is reachable, and its data plane can show its name.
        perf_net.wait_for('gateway', lambda: _row(self.registry(), 'node', GATEWAY).get('is_down') is False
                          and _row(self.registry(), 'name', f'{GATEWAY}/node'))
        return processes

    def end(self, processes):
        """Control first: nobody says that the data plane is away."""
        for process in processes:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def listen(self, bundle):
        secret = _row(self.path('state', 'state.db'), 'secret', 'node')
        for name, text in (('chain', secret['chain']), ('key', secret['key']), ('trusted', bundle)):
            write(self.path(name), text)
        self.start_nginx(self.net, self.path('nginx'), lambda root: server_block(
            OWN_PORT, self.path('chain'), self.path('key'), self.path('trusted'), root))
