# SPDX-License-Identifier: Apache-2.0
# A hundred clients with ten streams each: not one request fails.
. "$(dirname "$0")/lib.sh"

lab_up journey
requests=10000
[ "$E2E_FULL" = 1 ] && requests=100000

# burst SENTENCE COUNT PATH ARGS ...
burst() {
	local sentence=$1 count=$2 path=$3 out
	shift 3
	out=$(on client h2load --connect-to "$LAB_VIP:443" -n "$count" "$@" \
		"https://$LAB_HOST$path" 2>&1)
	matches "$sentence" "$out" "requests: $count total, $count started, $count done, $count succeeded, 0 failed"
	grep -E '^finished|^time for request' <<<"$out" | sed 's/^/# /'
}
burst "hits: $requests requests over h2, 100 connections, 10 streams" "$requests" /cached/1k -c 100 -m 10
burst "misses: $((requests / 2)) requests through all three nodes" $((requests / 2)) /1k -c 100 -m 10
burst "h1: $((requests / 10)) requests" $((requests / 10)) /1k -c 50 --h1
burst "10 MiB bodies" 20 /10m -c 4 -m 2

for node in $(nodes); do
	works "$node has no exchange left" eventually 5 counter_is "$node" exchange_active 0
	is "$node refused nothing" "$(counter "$node" exchange_overloaded)" 0
done
finish
