# SPDX-License-Identifier: Apache-2.0
# A port with adaptive_rx on a veth whose NAPI is a thread: packets wait for each other under load, and only then;
# the thread does not interrupt the worker whose core it is pinned to (napi_batch); the operator sees both, and what the
# interface and its thread had before is put back at a clean end.
. "$(dirname "$0")/lib.sh"

# The rate is one that any machine reaches, and that ARP and the like do not.
cat >"$TMP/edge.conf" <<'CONF'
dataplane = { ports = ( { adaptive_rx = true; adaptive_rx_rate = 200; napi_batch = true; } ); };
CONF
device=/sys/class/net/wan0
# stands DEFER FLUSH: what the kernel has.
stands() {
	[ "$(on edge cat $device/napi_defer_hard_irqs $device/gro_flush_timeout | xargs)" = "$1 $2" ]
}
# tells KEY VALUE: the row of the edge's outer port.
tells() {
	[ "$(python3 "$ROOT/tests/support/telemetry.py" "$LAB_DIR/edge/run" /millrace/ports |
		python3 -c 'import json, sys; print(json.load(sys.stdin)["0"][sys.argv[1]])' "$1")" = "$2" ]
}
# napi_threads: those of all interfaces of that name, whatever the namespace.
napi_threads() {
	grep -ls '^napi/wan0-' /proc/[0-9]*/comm | tr -dc '0-9\n' | sort
}
thread=
policy_is() {
	chrt -p "$thread" | grep -q "policy: $1\$"
}
gave_way() {
	[ "$(python3 "$ROOT/tests/support/telemetry.py" "$LAB_DIR/edge/run" /millrace/workers |
		python3 -c 'import json, sys; print(json.load(sys.stdin)["0"]["yields"])')" -gt 0 ]
}
log=
said() {
	grep -c "$1" "$log"
}
ended() {
	[ "$(said 'dataplane ended with 0')" -gt "$1" ]
}
served() {
	eventually 60 test_status 200 /1k
}
# load SECONDS: a closed loop that lasts.
load() {
	background on client h2load --connect-to "$LAB_VIP:443" -D "$1" -c 20 -m 10 "https://$LAB_HOST/1k" >/dev/null 2>&1
}

lab_up journey --port af_xdp --edge-conf "$TMP/edge.conf"
log=$LAB_DIR/edge/dataplane.log
works "the edge serves" served

# What an administrator set before the start.
touch "$LAB_DIR/edge/dataplane.hold"
kill -TERM "$(pid_of edge dataplane)"
works "the edge ends" eventually 60 ended 0
on edge ethtool -K wan0 gro on # a veth has a NAPI before a socket comes
napi_threads >"$TMP/before"
on edge sh -c "echo 1 >$device/threaded; echo 1 >$device/napi_defer_hard_irqs; echo 50000 >$device/gro_flush_timeout"
thread=$(napi_threads | comm -13 "$TMP/before" - | head -1)
core=$(python3 -c 'import re, sys; print(re.search(r"cores\s*=\s*\"(\d+)", open(sys.argv[1]).read())[1])' "$LAB_DIR/edge/node.conf")
taskset -pc "$core" "$thread" >/dev/null
works "its port's NAPI has a thread as any other" policy_is SCHED_OTHER
rm "$LAB_DIR/edge/dataplane.hold"
works "the edge serves again" served
is "its port's NAPI is a thread" "$(on edge cat $device/threaded)" 1
works "the thread does not interrupt the worker" eventually 60 policy_is SCHED_BATCH
works "the operator is told so" tells napi_batched 1
works "nothing waits while it is idle" eventually 60 stands 0 0
works "the operator is told so" tells rx_waits 0
works "and that it adapts" tells adaptive_rx 1
matches "status tells it" "$(millrace edge status)" "rx_waits"

load 300
works "packets wait under load" eventually 120 stands 2 200000
works "the worker gives way to the thread while it has work" eventually 60 gave_way
works "the operator is told so" eventually 60 tells rx_waits 1
kill "${BACKGROUND[@]}" 2>/dev/null
BACKGROUND=()
works "nothing waits after it" eventually 60 stands 0 0
works "the operator is told so" eventually 60 tells rx_waits 0
for count in rx_waits_begun rx_waits_ended; do
	lacks "$count was counted" "$(tells $count 0 && echo none)" none
done
is "it serves after that" "$(status_of /1k)" 200

load 300
works "packets wait under load again" eventually 120 stands 2 200000
touch "$LAB_DIR/edge/dataplane.hold"
kill -TERM "$(pid_of edge dataplane)"
works "the edge ends under it" eventually 60 ended 1
works "what was before is put back" stands 1 50000
works "the thread is as any other again" policy_is SCHED_OTHER
is "nothing was refused" "$(said 'adaptive_rx rests')" 0
kill "${BACKGROUND[@]}" 2>/dev/null
BACKGROUND=()

# A file system that cannot be written: it is said once, and the edge serves.
on edge sh -c "echo 0 >$device/napi_defer_hard_irqs"
kill -TERM "$(cat "$LAB_DIR/edge/supervise.group")"
works "the edge's supervisor ends" eventually 60 sh -c "! kill -0 $(cat "$LAB_DIR/edge/supervise.group")"
rm "$LAB_DIR/edge/dataplane.hold"
background on edge sh -c "mount -o remount,bind,ro /sys && exec '$ROOT/tools/lab-supervise' '$LAB_DIR/edge'"
works "the edge serves with a /sys that is read only" served
is "it says once that the kernel does not let it" "$(said 'adaptive_rx rests.*Read-only file system; give')" 1
works "the operator is told that it rests" tells adaptive_rx 0
finish
