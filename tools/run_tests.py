# SPDX-License-Identifier: Apache-2.0
"""Builds and runs every suite; tools/test calls it after installing what is missing.

  build   gcc; gcc with ASan and UBSan; clang with ASan, UBSan and libFuzzer
  checks  tools/check-*                        house rules, one case each
  unit    gcc and gcc with sanitizers
  sim     gcc: many seeds; sanitizers: few
  fuzz    clang: every target for some seconds; gcc: the corpora
  e2e     tests/e2e/*.sh as root, in network namespaces
"""
import argparse
import concurrent.futures
import contextlib
import glob
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import tap

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SUITES = ['build', 'checks', 'unit', 'sim', 'fuzz', 'e2e']
JOBS = os.cpu_count() or 2
RUNNING = set()       # process groups, to be ended when we are
FUZZ_SECONDS = 120    # of all targets together, shared among them
E2E_SECONDS = 600     # one script at most
SANITIZE = ['-Db_sanitize=address,undefined', '-Db_lundef=false']
TREES = {
    'build-gcc': ('gcc', []),
    'build-asan': ('gcc', SANITIZE),
    'build-clang': ('clang', SANITIZE + ['-Dc_args=-fsanitize=fuzzer-no-link']),
}
ENVIRONMENT = {
    'ASAN_OPTIONS': 'abort_on_error=0:detect_leaks=1',
    'UBSAN_OPTIONS': 'halt_on_error=1:print_stacktrace=1',
    'LC_ALL': 'C.UTF-8',
}


def say(text):
    print(text, flush=True)


def run(command, timeout, env=None, cwd=ROOT):
    """Runs a command in a group of its own; returns (status or None when out of time, output)."""
    try:
        process = subprocess.Popen(command, cwd=cwd, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                   start_new_session=True,
                                   env={**os.environ, **ENVIRONMENT, **(env or {})})
    except OSError as error:
        return 127, str(error)
    RUNNING.add(process.pid)
    try:
        output, _ = process.communicate(timeout=timeout)
        return process.returncode, output.decode(errors='replace')
    except subprocess.TimeoutExpired:
        # First politely: scripts take their namespaces down on TERM.
        os.killpg(process.pid, signal.SIGTERM)
        try:
            output, _ = process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            output, _ = process.communicate()
        return None, output.decode(errors='replace')
    finally:
        RUNNING.discard(process.pid)


def runs_still(pid):
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == 0
    except ChildProcessError:
        return False


def interrupted(number, _frame):
    """Ends what runs before us, so that no script leaves its namespaces behind."""
    left = list(RUNNING)
    for signum, wait_s in ((signal.SIGTERM, 20), (signal.SIGKILL, 2)):
        for group in left:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(group, signum)
        end = time.monotonic() + wait_s
        while left and time.monotonic() < end:
            time.sleep(0.1)
            left = [g for g in left if runs_still(g)]
    say(f'FAILED: interrupted by signal {number}')
    os._exit(128 + number)


def tell(name, tally, output, seconds):
    """One line a program; what it said only when it failed."""
    say(f'  {name}: {tally.summary()} ({seconds:.1f} s)')
    for reason in tally.skips:
        say(f'    skipped: {reason}')
    if tally.failures:
        for failure in tally.failures:
            say(f'    FAILED: {failure}')
        for line in output.rstrip().split('\n')[-60:]:
            say(f'    | {line}')


def run_program(name, command, timeout, protocol='tap', env=None, cwd=ROOT):
    """Runs one test program, tells of it and returns its tally."""
    begin = time.monotonic()
    status, output = run(command, timeout, env, cwd)
    tally = tap.read_tap(name, output, status) if protocol == 'tap' else tap.read_exit(name, status)
    tell(name, tally, output, time.monotonic() - begin)
    return tally


def build_tree(tree):
    """Configures and builds one tree; a case."""
    compiler, options = TREES[tree]
    directory = os.path.join(ROOT, tree)
    begin = time.monotonic()
    say(f'  {tree}: building with {compiler} ...')
    status, output = 0, ''
    if not os.path.exists(os.path.join(directory, 'build.ninja')):
        shutil.rmtree(directory, ignore_errors=True)
        status, output = run(['meson', 'setup', tree] + options, 300, {'CC': compiler})
    if status == 0:
        # As much as possible: one room's error must not hide the others.
        status, output = run(['ninja', '-k', '0', '-C', tree], 1500)
    tally = tap.read_exit(tree, status)
    tell(tree, tally, output, time.monotonic() - begin)
    return tally


def meson_tests(tree, suite):
    """The tests that meson knows of in one suite of a tree."""
    status, output = run(['meson', 'introspect', '--tests', tree], 60)
    if status != 0:
        return []
    return [t for t in json.loads(output[output.index('['):])
            if any(s.rsplit(':', 1)[-1] == suite for s in t['suite'])]


def run_meson(tree, suite, label, env=None):
    """Runs one suite of a tree, a program a core."""
    total = tap.Tally()
    tests = meson_tests(tree, suite)
    if not tests:
        total.failures.append(f'{label}: {tree} has no tests')
    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        waiting = [pool.submit(run_program, f'{label}/{t["name"]}', t['cmd'],
                               t['timeout'] or 3600, t['protocol'],
                               {**t['env'], **(env or {})},
                               t['workdir'] or os.path.join(ROOT, tree)) for t in tests]
        for done in waiting:
            total.add(done.result())
    return total


def suite_checks(_options):
    total = tap.Tally()
    for check in sorted(glob.glob(os.path.join(ROOT, 'tools', 'check-*'))):
        total.add(run_program(os.path.basename(check), [check], 120, 'exitcode'))
    return total


def suite_unit(options):
    total = run_meson('build-gcc', 'unit', 'unit')
    if not options.quick:
        total.add(run_meson('build-asan', 'unit', 'unit-asan'))
    return total


def suite_sim(options):
    if options.quick:
        return run_meson('build-gcc', 'sim-quick', 'sim')
    total = run_meson('build-gcc', 'sim', 'sim')
    total.add(run_meson('build-asan', 'sim-quick', 'sim-asan'))
    return total


def fuzz_one(target, seconds):
    """Runs one libFuzzer target on its corpus; new inputs stay in the build tree."""
    name = os.path.basename(target)
    corpus = os.path.join(ROOT, 'tests', 'fuzz', 'corpus', name.removeprefix('fuzz_'))
    found = target + '.found'
    os.makedirs(found, exist_ok=True)
    begin = time.monotonic()
    status, output = run([target, f'-max_total_time={seconds}', '-timeout=10', '-rss_limit_mb=2048',
                          '-print_final_stats=1', '-error_exitcode=1',  # its own is 77: skipped
                          f'-artifact_prefix={found}.', found]
                         + ([corpus] if os.path.isdir(corpus) else []), seconds + 60)
    executed = re.search(r'number_of_executed_units:\s*(\d+)', output)
    tally = tap.read_exit(f'fuzz/{name}', status)
    say(f'  fuzz/{name}: {executed[1] if executed else "?"} inputs')
    if tally.failures:
        # Without the fuzzer's own progress.
        output = re.sub(r'^#\d+\s.*\n', '', output, flags=re.M)
        tell(f'fuzz/{name}', tally, output, time.monotonic() - begin)
    return tally


def suite_fuzz(options):
    if options.quick:
        return run_meson('build-gcc', 'fuzz', 'corpus')
    total = run_meson('build-asan', 'fuzz', 'corpus')
    pattern = os.path.join(ROOT, 'build-clang', 'tests', 'fuzz', 'fuzz_*')
    targets = [t for t in sorted(glob.glob(pattern)) if os.path.isfile(t) and os.access(t, os.X_OK)]
    if targets:
        seconds = max(5, min(60, FUZZ_SECONDS * JOBS // len(targets)))
        say(f'  {len(targets)} targets, {seconds} s each')
        with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
            for tally in pool.map(lambda t: fuzz_one(t, seconds), targets):
                total.add(tally)
    return total


def why_not_e2e():
    """Why namespaces cannot be used here, or ''."""
    if os.geteuid() != 0:
        return 'needs root'
    name = f'mr-probe-{os.getpid()}'
    status, output = run(['ip', 'netns', 'add', name], 20)
    if status != 0:
        return f'network namespaces cannot be made: {output.strip()}'
    status, output = run(['ip', 'netns', 'exec', name, 'true'], 20)
    run(['ip', 'netns', 'del', name], 20)
    if status != 0:
        return f'network namespaces cannot be entered: {output.strip()}'
    return '' if os.path.exists('/dev/net/tun') else 'no /dev/net/tun'


def suite_e2e(_options):
    total = tap.Tally()
    reason = why_not_e2e()
    names = sorted(os.path.basename(path)[:-3]
                   for path in glob.glob(os.path.join(ROOT, 'tests', 'e2e', '*.sh')))
    names.remove('lib')
    builds = {'MILLRACE_BUILD': os.path.join(ROOT, 'build-gcc'),
              'MILLRACE_BUILD_ASAN': os.path.join(ROOT, 'build-asan')}
    for name in names:
        if reason:
            total.skips.append(f'e2e/{name}: {reason}')
            say(f'  e2e/{name}: skipped: {reason}')
            continue
        script = os.path.join(ROOT, 'tests', 'e2e', f'{name}.sh')
        total.add(run_program(f'e2e/{name}', ['bash', script], E2E_SECONDS,
                              env={**builds, 'E2E_FULL': '1'}))
    return total


def trees_for(options, suites):
    """The trees that the wanted suites need."""
    if options.quick:
        return ['build-gcc'] if set(suites) & {'build', 'unit', 'sim', 'fuzz'} else []
    if 'build' in suites:
        return list(TREES)
    needs = {'unit': ['build-gcc', 'build-asan'], 'sim': ['build-gcc', 'build-asan'],
             'fuzz': ['build-asan', 'build-clang'], 'e2e': ['build-gcc', 'build-asan']}
    return [t for t in TREES if any(t in needs.get(s, []) for s in suites)]


def main():
    parser = argparse.ArgumentParser(prog='tools/test', description='builds and runs everything')
    parser.add_argument('--quick', action='store_true', help='at most three minutes')
    parser.add_argument('--only', default='', help='suites, comma-separated: ' + ' '.join(SUITES))
    options = parser.parse_args()
    suites = [s for s in options.only.split(',') if s] or SUITES
    if set(suites) - set(SUITES):
        parser.error('no such suite; there are ' + ' '.join(SUITES))
    if options.quick and not options.only:
        suites = ['build', 'checks', 'unit', 'sim', 'fuzz']

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, interrupted)
    begin, total = time.monotonic(), tap.Tally()
    say('== build')
    for tree in trees_for(options, suites):
        total.add(build_tree(tree))
    steps = {'checks': suite_checks, 'unit': suite_unit, 'sim': suite_sim, 'fuzz': suite_fuzz,
             'e2e': suite_e2e}
    for suite in suites:
        if suite in steps:
            say(f'== {suite} ({time.monotonic() - begin:.0f} s so far)')
            total.add(steps[suite](options))
    say(f'== done in {time.monotonic() - begin:.0f} s')
    for reason in total.skips:
        say(f'skipped: {reason}')
    for failure in total.failures:
        say(f'FAILED: {failure}')
    say(total.summary())
    sys.exit(1 if total.failures else 0)


main()
