# SPDX-License-Identifier: Apache-2.0
# A node without work costs less than a twentieth of a core, and still answers at once.
. "$(dirname "$0")/lib.sh"

lab_up journey
seconds=5
[ "$E2E_FULL" = 1 ] && seconds=20
is "served before" "$(status_of /1k)" 200
sleep 2
declare -A before
for node in $(nodes); do
	before[$node]=$(cpu_ms "$(pid_of "$node" dataplane)")
	before[$node-control]=$(cpu_ms "$(pid_of "$node" control)")
done
sleep $seconds
for node in $(nodes); do
	used=$(($(cpu_ms "$(pid_of "$node" dataplane)") - before[$node]))
	at_most "ms of processor that $node's idle data plane used in $seconds s" $used $((seconds * 50))
	used=$(($(cpu_ms "$(pid_of "$node" control)") - before[$node-control]))
	at_most "ms of processor that $node's idle control used in $seconds s" $used $((seconds * 50))
	sleeps=$(counter "$node" worker_sleeps)
	at_least "$node slept" "$sleeps" 1
done
is "served after" "$(status_of /1k)" 200
median=$(on client ping -c 15 -i 0.2 "$LAB_VIP" | sed -nE 's/.*time=([0-9.]+) ms/\1/p' | sort -n | sed -n 8p)
at_most "us until a sleeping edge echoes (median)" "$(awk -v ms="$median" 'BEGIN {print int(ms * 1000)}')" 1000
finish
