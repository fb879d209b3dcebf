# SPDX-License-Identifier: Apache-2.0
"""Network namespaces of a lab: one a host, joined by virtual Ethernet links.

  kernel host                   node, af_packet or af_xdp
  [ip addresses] wan0 -------- wan0 [DPDK port]

  kernel host                   node, tap
  [ip addresses] wan0 -------- wan0 - bridge b-wan0 - t-wan0 [DPDK port]

A node's kernel has no address on its links: every packet is the data plane's.
"""
import os
import shutil
import subprocess

KERNEL_ONLY = ('client', 'origin', 'workload', 'workload2')
SWITCH = 'switch'  # the namespace of what joins more than two hosts
# Links by topology: name, IPv4 /24 and IPv6 /64 prefixes, hosts and the ends of their addresses.
_WAN = ('wan', '198.51.100.', '2001:db8:100::', {'client': 10, 'edge': 1})
LINKS = {
    'single': [_WAN, ('work', '10.77.3.', 'fd77:3::', {'edge': 1, 'origin': 2})],
    'journey': [_WAN,
                ('core', '10.77.1.', 'fd77:1::', {'edge': 1, 'gateway': 2}),
                ('side', '10.77.2.', 'fd77:2::', {'gateway': 1, 'sidecar': 2}),
                ('work', '10.77.3.', 'fd77:3::', {'sidecar': 1, 'workload': 2})],
    'journey2': [_WAN,
                 ('core', '10.77.1.', 'fd77:1::', {'edge': 1, 'gateway': 2, 'gateway2': 3}),
                 ('side', '10.77.2.', 'fd77:2::',
                  {'gateway': 1, 'sidecar': 2, 'gateway2': 3, 'sidecar2': 4}),
                 ('work', '10.77.3.', 'fd77:3::', {'sidecar': 1, 'workload': 2}),
                 ('work2', '10.77.4.', 'fd77:4::', {'sidecar2': 1, 'workload2': 2})],
}
HOSTS = {'single': ['client', 'edge', 'origin'],
         'journey': ['client', 'edge', 'gateway', 'sidecar', 'workload'],
         'journey2': ['client', 'edge', 'gateway', 'gateway2', 'sidecar', 'sidecar2', 'workload',
                      'workload2']}


def run(*command, check=True):
    """Runs a command quietly; its words are the error's when it fails."""
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if check and result.returncode != 0:
        raise RuntimeError(f'{" ".join(command)}: {result.stderr.strip() or result.stdout.strip()}')
    return result.stdout


def namespace(lab_id, host):
    """The name of a host's network namespace."""
    return f'mr-{lab_id}-{host}'


def inside(space, *command, check=True):
    """Runs a command in a namespace."""
    return run('ip', 'netns', 'exec', space, *command, check=check)


def ends_of(topology, host):
    """The host's ends of its links: (interface, IPv4 address, IPv6 address), first link first."""
    out = []
    for name, prefix4, prefix6, last in LINKS[topology]:
        if host in last:
            # The last part is written the same in both families: .10 and ::10.
            out.append((name + '0', f'{prefix4}{last[host]}', f'{prefix6}{last[host]}'))
    return out


def mac_of(topology, host, interface, is_kernel_side=False):
    """A fixed Ethernet address, so that a restarted node is found where it was."""
    index = HOSTS[topology].index(host)
    port = [end[0] for end in ends_of(topology, host)].index(interface)
    return f'02:6d:{"ff" if is_kernel_side else "72"}:00:{index:02x}:{port:02x}'


def device_of(topology, host, interface, number, kind, workers):
    """DPDK device arguments of a node's port."""
    if kind == 'tap':
        return (f'net_tap{number},iface=t-{interface},'
                f'mac={mac_of(topology, host, interface)}')
    if kind in ('af_xdp', 'af_xdp_generic'):
        return f'net_af_xdp{number},iface={interface}'
    return f'net_af_packet{number},iface={interface},qpairs={workers},framecnt=1024'


def _add_bridge(space, bridge):
    run('ip', '-n', space, 'link', 'add', bridge, 'type', 'bridge', 'stp_state', '0',
        'forward_delay', '0', 'mcast_snooping', '0')
    run('ip', '-n', space, 'link', 'set', bridge, 'up')


def _add_wire(left, right, name_left, name_right):
    """A veth pair between two namespaces."""
    # An AF_XDP port has one queue: a second one on its link would swallow packets.
    queues = ('numtxqueues', '1', 'numrxqueues', '1')
    run('ip', 'link', 'add', name_left, *queues, 'netns', left,
        'type', 'veth', 'peer', 'name', name_right, *queues, 'netns', right)


def _add_link(lab_id, name, hosts):
    """A wire between two hosts, or a bridge in the switch's namespace with a wire to each."""
    spaces = [namespace(lab_id, host) for host in hosts]
    if len(hosts) == 2:
        _add_wire(*spaces, f'{name}0', f'{name}0')
        return
    switch = namespace(lab_id, SWITCH)
    _add_bridge(switch, name)
    for host, space in zip(hosts, spaces):
        port = f'{name}-{host}'
        _add_wire(switch, space, port, f'{name}0')
        run('ip', '-n', switch, 'link', 'set', port, 'master', name, 'up')


def _add_space(space, is_kernel):
    disabled = '0' if is_kernel else '1'
    run('ip', 'netns', 'add', space)
    inside(space, 'sysctl', '-qw', f'net.ipv6.conf.all.disable_ipv6={disabled}',
           f'net.ipv6.conf.default.disable_ipv6={disabled}',
           'net.ipv6.conf.default.accept_ra=0', 'net.ipv6.conf.default.accept_dad=0')
    run('ip', '-n', space, 'link', 'set', 'lo', 'up')


def _prepare_node_end(space, topology, host, interface, kind):
    run('ip', '-n', space, 'link', 'set', interface, 'address',
        mac_of(topology, host, interface, is_kernel_side=kind == 'tap'))
    if kind == 'tap':
        bridge = f'b-{interface}'
        _add_bridge(space, bridge)
        run('ip', '-n', space, 'link', 'set', interface, 'master', bridge)
    run('ip', '-n', space, 'link', 'set', interface, 'up')


def _prepare_kernel_end(space, interface, ip4, ip6, kind):
    run('ip', '-n', space, 'address', 'add', f'{ip4}/24', 'dev', interface)
    run('ip', '-n', space, 'address', 'add', f'{ip6}/64', 'dev', interface, 'nodad')
    if kind != 'tap':
        # Nobody finishes a checksum between this kernel and a DPDK port.
        inside(space, 'ethtool', '-K', interface, 'tx', 'off', 'tso', 'off', 'gso', 'off')
    run('ip', '-n', space, 'link', 'set', interface, 'up')


def build(lab_id, topology, kind):
    """Makes the namespaces and links. kind is tap, af_packet, af_xdp or af_xdp_generic."""
    for host in HOSTS[topology]:
        _add_space(namespace(lab_id, host), host in KERNEL_ONLY)
    if any(len(hosts) > 2 for *_, hosts in LINKS[topology]):
        _add_space(namespace(lab_id, SWITCH), False)
    for name, *_, hosts in LINKS[topology]:
        _add_link(lab_id, name, hosts)
    for host in HOSTS[topology]:
        space = namespace(lab_id, host)
        for interface, ip4, ip6 in ends_of(topology, host):
            if host in KERNEL_ONLY:
                _prepare_kernel_end(space, interface, ip4, ip6, kind)
            else:
                _prepare_node_end(space, topology, host, interface, kind)


def write_hosts(space, names, addresses):
    """Names that resolve in a namespace: `ip netns exec` shows this file as /etc/hosts."""
    directory = f'/etc/netns/{space}'
    os.makedirs(directory, exist_ok=True)
    with open(f'{directory}/hosts', 'w', encoding='ascii') as file:
        file.write('127.0.0.1 localhost\n::1 localhost\n')
        file.writelines(f'{address} {" ".join(names)}\n' for address in addresses)


def remove(space):
    """Removes a namespace and what belongs to it."""
    run('ip', 'netns', 'del', space)
    shutil.rmtree(f'/etc/netns/{space}', ignore_errors=True)
    if os.path.isdir('/etc/netns') and not os.listdir('/etc/netns'):
        os.rmdir('/etc/netns')


def spaces_of(lab_id):
    """The lab's namespaces that exist."""
    names = [line.split()[0] for line in run('ip', 'netns', 'list').split('\n') if line.strip()]
    return [n for n in names if n.startswith(f'mr-{lab_id}-')]


def processes_in(space):
    """Process ids in a namespace."""
    return [int(pid) for pid in run('ip', 'netns', 'pids', space, check=False).split()]


def _is_up(interface):
    try:
        with open(f'/sys/class/net/{interface}/flags', encoding='ascii') as file:
            return int(file.read(), 16) & 1 == 1
    except OSError:
        return False


def join_taps(waiting):
    """Joins the taps that a data plane has made to their bridges; called inside its namespace.

    waiting maps interfaces to the address for the kernel's side of the tap, and loses those that
    were joined. That side needs an address of its own: a bridge keeps frames to an address of one
    of its ports for itself. The data plane sets its address there before it brings the tap up.
    """
    for interface in list(waiting):
        if _is_up(f't-{interface}'):
            run('ip', 'link', 'set', f't-{interface}', 'address', waiting.pop(interface),
                'master', f'b-{interface}', 'up', check=False)
