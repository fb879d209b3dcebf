# SPDX-License-Identifier: Apache-2.0
"""The nodes of a lab: configurations, commands, services, and the journey's workload."""
import os
import random

import lab_conf
import lab_net

MESH = 'mesh.example'
HOST = 'shop.example'
NAMES = [HOST, 'www.shop.example', 'api.example']  # resolve on the client
EDGE_LOCATION, CORE_LOCATION = 'par', 'fra'
# Files of the journey's workload.
SIZES = {'empty': 0, 'one': 1, '1k': 1024, '100k': 100 << 10, '1m': 1 << 20, '10m': 10 << 20}
NGINX_CONF = '''# Serves the workload of a lab.
user root;
worker_processes 1;
pid {state}/nginx.pid;
error_log {state}/nginx.error.log warn;
events {{ worker_connections 4096; }}
http {{
	access_log {state}/access.log;
	client_body_temp_path {state}/body;
	proxy_temp_path {state}/proxy;
	fastcgi_temp_path {state}/fastcgi;
	uwsgi_temp_path {state}/uwsgi;
	scgi_temp_path {state}/scgi;
	client_max_body_size 0;
	keepalive_requests 1000000;
	default_type application/octet-stream;
	sendfile on;
	server {{
		listen 8080;
		listen [::]:8080;
		root {root};
		location /cached/ {{ alias {root}/; add_header Cache-Control "max-age=600"; }}
		location / {{ add_header Cache-Control "no-store"; }}
	}}
}}
'''


def role_of(host):
    """What a node is: the second of its kind in a lab is called gateway2."""
    return host.rstrip('2')


def id_of(host):
    """A node's name in the mesh."""
    return f'{role_of(host)}-{2 if host.endswith("2") else 1}'


def _location(plan, host):
    # In `single` the edge is its own core: the origin stands in its location.
    return EDGE_LOCATION if host == 'edge' else CORE_LOCATION


def token_words(plan, host):
    """The arguments of `millrace` that admit a node."""
    return ['node', 'token', id_of(host), '--role', role_of(host), '--location', _location(plan, host)]


def signer_of(plan):
    """The node whose control signs for the mesh."""
    return 'edge' if plan['topology'] == 'single' else 'gateway'


def service_node(plan):
    """The node whose control the lab registers services with."""
    return signer_of(plan)


def origin_of(plan):
    """Where the plain HTTP server listens, IPv4."""
    return '10.77.3.2:8080'


def origin6_of(plan):
    """Where the plain HTTP server listens, IPv6."""
    return '[fd77:3::2]:8080'


def default_services(plan):
    """The arguments of each `millrace service set` for the topology's own service."""
    if plan['topology'] == 'single':
        return [f"origin --host '*' --to {origin_of(plan)} --location {EDGE_LOCATION}"]
    words = []
    for sidecar, workload in zip(hosts_of(plan, 'sidecar'), hosts_of(plan, 'workload')):
        address = lab_net.ends_of(plan['topology'], workload)[0][1]
        words.append(f'shop --host {HOST} --to {address}:8080 --location {CORE_LOCATION} '
                     f'--node {id_of(sidecar)}')
    return words


def hosts_of(plan, role):
    """The hosts of a lab that are the same, the first of them first."""
    return [h for h in lab_net.HOSTS[plan['topology']] if role_of(h) == role]


def is_bare(plan, host, interface):
    """True for the edge's outer port when `up --memif` or `--card` was asked: no kernel is before it."""
    return bool(plan['memif'] or plan['card']) and host == 'edge' and interface == 'wan0'


def _bare_device(plan, number):
    if plan['card']:
        return f'net_virtio_user{number},path={plan["card"]},queue_size=1024'
    return f'net_memif{number},role=server,id=0,socket-abstract=no,socket={plan["memif"]}'


def _ports(plan, host):
    rows = []
    for number, (interface, ip4, ip6) in enumerate(lab_net.ends_of(plan['topology'], host)):
        device = lab_net.device_of(plan['topology'], host, interface, number, plan['port'],
                                   plan['workers'])
        if is_bare(plan, host, interface):
            device = _bare_device(plan, number)
        rows.append({'name': interface, 'device': device, 'addresses': [f'{ip4}/24', f'{ip6}/64']})
        if plan['port'] == 'af_xdp_generic' and device.startswith('net_af_xdp'):
            rows[-1]['generic_xdp'] = True
    return rows


def _listen(host):
    if host == 'edge':
        return [{'address': '*', 'port': 443, 'protocol': 'https'},
                {'address': '*', 'port': 80, 'protocol': 'redirect'}]
    return [{'address': '*', 'port': 8443, 'protocol': 'mesh'}]


def _cores(plan, host):
    """Cores for the workers of one node; nodes are spread over the machine."""
    total = os.cpu_count() or 1
    first = ['edge', 'gateway', 'sidecar'].index(role_of(host))
    return ','.join(str(c) for c in sorted({(first + i) % total for i in range(plan['workers'])}))


def conf_of(plan, directory, host):
    """The whole configuration of a node."""
    is_signer = host == signer_of(plan)
    conf = {
        'version': 1,
        'node': {'id': id_of(host), 'role': role_of(host), 'location': _location(plan, host), 'mesh': MESH},
        'run_dir': os.path.join(directory, host, 'run'),
        'dataplane': {'cores': _cores(plan, host), 'idle': 'sleep', 'hugepages': 'never',
                      'memory': f'{256 * plan["workers"]}MiB', 'drain_time': '0s',
                      # Several nodes on one machine: small, and what is resident is what was used.
                      'populate': False,
                      'ports': _ports(plan, host)},
        'listen': _listen(host),
        'registry': {'kind': 'sqlite', 'path': os.path.join(directory, 'registry.db')},
        'identity': {'ca': is_signer, 'state_dir': os.path.join(directory, host, 'state')},
        'development_ca': True,
    }
    if plan['port'] in ('af_xdp', 'af_xdp_generic'):
        # An AF_XDP port keeps 2048 packets in its fill ring, more while it sends.
        conf['dataplane']['mbufs'] = 16384
    if not is_signer:
        conf['identity']['join_token'] = os.path.join(directory, host, 'join-token')
    if plan['topology'] == 'single':
        conf['certificates'] = [{'chain': own_certificate(directory)[0],
                                 'key': own_certificate(directory)[1], 'default': True}]
    if host == 'edge':
        conf = _with_edge_conf(conf, plan['edge_conf'])
    for entry in plan['sets']:
        name, _, value = entry.partition('=')
        node, has_node, path = name.rpartition(':')
        if not has_node or node == host:
            lab_conf.set_path(conf, path, value)
    return conf


def _with_edge_conf(conf, over):
    """The edge's conf with a file's settings; the lab's devices and directories stay.

    Addresses that the file gives a port are added to the lab's own, in front.
    """
    merged = lab_conf.merge(conf, over)
    for key in ('run_dir', 'registry', 'node', 'identity'):
        merged[key] = lab_conf.merge(over.get(key, {}), conf[key]) if isinstance(conf[key], dict) \
            else conf[key]
    given = over.get('dataplane', {}).get('ports', [])
    ports = []
    for number, port in enumerate(conf['dataplane']['ports']):
        extra = given[number] if number < len(given) else {}
        addresses = [a for a in extra.get('addresses', []) if a not in port['addresses']]
        ports.append({**extra, **port, 'addresses': addresses + port['addresses']})
    merged['dataplane']['ports'] = ports
    return merged


def _edge_prefixes(plan):
    given = plan['edge_conf'].get('dataplane', {}).get('ports', [])
    own = lab_net.ends_of(plan['topology'], 'edge')[0]
    return (given[0].get('addresses', []) if given else []) + [f'{own[1]}/24', f'{own[2]}/64']


def vips(plan):
    """The first address of each family of the edge's outer port."""
    addresses = [p.split('/')[0] for p in _edge_prefixes(plan)]
    first4 = next(a for a in addresses if ':' not in a)
    first6 = next(a for a in addresses if ':' in a)
    return [first4, first6]


def widen_client(plan, space):
    """Tells the client the way to addresses that a file gave the edge."""
    own4, own6 = lab_net.ends_of(plan['topology'], 'edge')[0][1:]
    for prefix in _edge_prefixes(plan):
        address = prefix.split('/')[0]
        if address in (own4, own6):
            continue
        via, bits = (own6, 128) if ':' in address else (own4, 32)
        lab_net.run('ip', '-n', space, 'route', 'replace', f'{address}/{bits}', 'via', via,
                    'dev', 'wan0')


def supervise_plan(plan, directory, host):
    """What tools/lab-supervise runs for a node."""
    conf = os.path.join(directory, host, 'node.conf')
    taps = {}
    if plan['port'] == 'tap':
        # The kernel's side of the tap must not have the port's address; the veth has the first.
        for interface, *_ in lab_net.ends_of(plan['topology'], host):
            if is_bare(plan, host, interface):
                continue
            mac = lab_net.mac_of(plan['topology'], host, interface, is_kernel_side=True)
            taps[interface] = mac.replace('02:6d:ff', '02:6d:fe')
    return {'dataplane': [plan['programs']['millrace-dataplane'], '--conf', conf],
            'control': [plan['programs']['millrace-control'], '--conf', conf],
            'taps': taps}


def millrace_command(programs, run_dir, words):
    """The operator's tool against the control process of run_dir."""
    return [programs['millrace'], '--socket', os.path.join(run_dir, 'control.sock')] + words


def own_certificate(directory):
    """What `single` shows to who names no host, as clients of an address do: chain, key."""
    return os.path.join(directory, 'address.pem'), os.path.join(directory, 'address-key.pem')


def write_certificate(plan, directory):
    """Makes the certificate of the edge's addresses; it is signed by itself (curl -k)."""
    chain, key = own_certificate(directory)
    names = ','.join(f'IP:{address}' for address in vips(plan))
    lab_net.run('openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256',
                '-nodes', '-days', '30', '-subj', '/CN=lab edge', '-addext',
                f'subjectAltName={names}', '-out', chain, '-keyout', key)


def write_workload(root, state):
    """Files of several sizes with random bytes that are the same every time, and nginx.conf."""
    os.makedirs(root, exist_ok=True)
    for name, size in SIZES.items():
        with open(os.path.join(root, name), 'wb') as file:
            file.write(random.Random(name).randbytes(size))
    with open(os.path.join(root, 'index.html'), 'w', encoding='utf-8') as file:
        file.write('hello from the workload\n')
    with open(os.path.join(state, 'nginx.conf'), 'w', encoding='utf-8') as file:
        file.write(NGINX_CONF.format(state=state, root=root))
