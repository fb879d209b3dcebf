# SPDX-License-Identifier: Apache-2.0
"""Where systems are measured: two namespaces, two links of the same kind, one core each side.

  client namespace, client core                        server namespace, server core
  h2load, origin   ker0 198.18.0.2 ----- veth ----- ker0 198.18.0.1   peers, on the kernel's stack
                   own0 198.18.1.2 ----- veth ----- own0 (198.18.1.1) ours, on net_af_xdp
                   org0 198.18.3.2 ----- veth ----- org0 (198.18.3.1) what fills the cache of path B's origin

What a link receives is worked on by the core of the side that receives, as a network card's
interrupts would be: on the server's side a threaded NAPI with GRO, for peers as for a veth's own XDP (peers pay a
quarter to a third less for it than with RPS, which generic XDP has, and the client's side).
198.18.0.0/15 is for benchmarks (RFC 2544). Everything is gone after `close`.
"""
import os
import signal
import subprocess
import time


def run(*command, check=True, env=None):
    """Runs a command quietly; its words are the error's when it fails."""
    result = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    if check and result.returncode != 0:
        raise RuntimeError(f'{" ".join(command)}: {result.stderr.strip() or result.stdout.strip()}')
    return result.stdout


def read(path):
    """A file's text; empty when it is not there (a process may end any time)."""
    try:
        with open(path, encoding='utf-8', errors='replace') as file:
            return file.read()
    except OSError:
        return ''


def write(path, text):
    with open(path, 'w', encoding='utf-8') as file:
        file.write(text)


def wait_for(what, is_there, seconds=20):
    end = time.monotonic() + seconds
    while not is_there():
        if time.monotonic() > end:
            raise RuntimeError(f'no {what} after {seconds} s')
        time.sleep(0.05)


def threads_named(prefix):
    """Kernel threads whose name begins so."""
    return {int(pid) for pid in os.listdir('/proc') if pid.isdigit()
            and read(f'/proc/{pid}/comm').startswith(prefix) and not read(f'/proc/{pid}/cmdline')}


def _links(net):
    """Name, the server's address (None: its end is a port of ours, with no kernel), the client's."""
    return (('ker0', net.PEER, net.CLIENT_PEER), ('own0', None, net.CLIENT_OWN), ('org0', None, net.CLIENT_ORIGIN))


class Net:
    """The two namespaces, their links, and the processes that run in them."""

    PEER, OWN, CLIENT_PEER, CLIENT_OWN = '198.18.0.1', '198.18.1.1', '198.18.0.2', '198.18.1.2'
    CLIENT_ORIGIN = '198.18.3.2'

    def __init__(self, server_core, client_core, links=None, mark=''):
        self.server_core, self.client_core = server_core, client_core
        self.links = links or _links(self)
        self.server = f'mrperf-{os.getpid()}{mark}-server'
        self.client = f'mrperf-{os.getpid()}{mark}-client'
        self.napi, self.processes = set(), []

    def open(self):
        for space in (self.server, self.client):
            run('ip', 'netns', 'add', space)
            run('ip', '-n', space, 'link', 'set', 'lo', 'up')
            # The machine's default may pace with timers; all systems get the same.
            run('ip', 'netns', 'exec', space, 'sysctl', '-qw',
                'net.ipv4.tcp_congestion_control=reno',
                'net.ipv4.ip_local_port_range=1024 65535', 'net.ipv4.tcp_tw_reuse=1',
                'net.core.somaxconn=65535', 'net.ipv4.tcp_max_syn_backlog=65535',
                'net.ipv6.conf.all.disable_ipv6=1')
        one_queue = ('numtxqueues', '1', 'numrxqueues', '1')
        for name, server, client in self.links:
            run('ip', 'link', 'add', name, *one_queue, 'netns', self.server,
                'type', 'veth', 'peer', 'name', name, *one_queue, 'netns', self.client)
            for space, address in ((self.server, server), (self.client, client)):
                if address:
                    run('ip', '-n', space, 'address', 'add', f'{address}/24', 'dev', name)
            if not server:
                # Nobody finishes a checksum or cuts a large packet between this kernel and a DPDK port.
                run('ip', 'netns', 'exec', self.client, 'ethtool', '-K', name, 'tx', 'off', 'tso', 'off',
                    'gso', 'off')
        for space, core in ((self.server, self.server_core), (self.client, self.client_core)):
            for name, _, _ in self.links:
                run('ip', '-n', space, 'link', 'set', name, 'up')
                self._set(space, f'/sys/class/net/{name}/queues/rx-0/rps_cpus', f'{1 << core:x}')
        if any(name == 'ker0' for name, *_ in self.links):
            self._set(self.server, '/sys/class/net/ker0/queues/rx-0/rps_cpus', '0')
            self.pin_server_napi('ker0')

    def _set(self, space, path, value):
        run('ip', 'netns', 'exec', space, 'sh', '-c', f'echo {value} > {path}')

    def offload(self, space, name, what, how):
        run('ip', 'netns', 'exec', space, 'ethtool', '-K', name, what, how)

    def pin_napi(self, space, name, core):
        """Gives a link's NAPI a thread on a core; with GRO a veth has one before a socket comes.

        Each packet wakes it. A data plane of ours that should have fewer of its runs asks for that itself, by
        `adaptive_rx`.
        """
        self.offload(space, name, 'gro', 'on')
        before = threads_named(f'napi/{name}')
        device = f'/sys/class/net/{name}'
        self._set(space, f'{device}/threaded', '1')
        for item in ('napi_defer_hard_irqs', 'gro_flush_timeout'):
            self._set(space, f'{device}/{item}', '0')
        threads = threads_named(f'napi/{name}') - before
        for pid in threads:
            os.sched_setaffinity(pid, {core})
        return threads

    def unpin_napi(self, space, name):
        for item in ('threaded', 'napi_defer_hard_irqs', 'gro_flush_timeout'):
            self._set(space, f'/sys/class/net/{name}/{item}', '0')
        self.offload(space, name, 'gro', 'off')

    def pin_server_napi(self, name):
        """The same on the server core, for a port of ours before it opens; its thread's time is the server's."""
        threads = self.pin_napi(self.server, name, self.server_core)
        if not threads:
            raise RuntimeError(f'{name} has no NAPI thread')
        self.napi |= threads

    def start(self, command, is_server, log, stop_signal=signal.SIGTERM):
        """Starts a process in a namespace on that side's core."""
        core = self.server_core if is_server else self.client_core
        with open(log, 'ab') as out:
            process = subprocess.Popen(
                ['ip', 'netns', 'exec', self.server if is_server else self.client,
                 'taskset', '-c', str(core)] + command,
                stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True, cwd='/')
        process.stop_signal = stop_signal
        self.processes.append(process)
        return process

    def from_client(self, command, seconds):
        """Runs a bounded command on the client core; its output."""
        result = subprocess.run(
            ['ip', 'netns', 'exec', self.client, 'taskset', '-c', str(self.client_core)] + command,
            capture_output=True, text=True, check=False, timeout=seconds)
        return result.stdout + result.stderr

    def close(self):
        """Ends what runs in the namespaces, and removes them."""
        for process in reversed(self.processes):
            if process.poll() is None:
                os.killpg(process.pid, process.stop_signal)
        end = time.monotonic() + 5
        while time.monotonic() < end and any(p.poll() is None for p in self.processes):
            time.sleep(0.05)
        for space in (self.server, self.client):
            for pid in run('ip', 'netns', 'pids', space, check=False).split():
                os.kill(int(pid), signal.SIGKILL)
            run('ip', 'netns', 'del', space, check=False)


def family(pid):
    """A process and all its descendants."""
    out = [pid]
    for task in read(f'/proc/{pid}/task/{pid}/children').split():
        out += family(int(task))
    return out


def task_ns(pids):
    """Nanoseconds that these processes' threads ran, user and system, softirqs on top included."""
    total = 0
    for pid in pids:
        try:
            tasks = os.listdir(f'/proc/{pid}/task')
        except OSError:
            continue
        for task in tasks:
            total += int((read(f'/proc/{pid}/task/{task}/schedstat') or '0').split()[0])
    return total


def _core_ns(core):
    """Nanoseconds by the kernel's ticks: user, nice, system, idle, iowait, irq, softirq."""
    for line in read('/proc/stat').splitlines():
        if line.startswith(f'cpu{core} '):
            return [int(word) * 10**9 // os.sysconf('SC_CLK_TCK') for word in line.split()[1:8]]
    return [0] * 7


def core_busy_ns(core):
    """Nanoseconds that a core did anything."""
    spent = _core_ns(core)
    return sum(spent) - spent[3] - spent[4]


def core_softirq_ns(core):
    """Nanoseconds that a core was in softirqs, ksoftirqd's included; right only while it never idles."""
    return _core_ns(core)[6]
