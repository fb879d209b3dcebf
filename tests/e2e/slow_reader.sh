# SPDX-License-Identifier: Apache-2.0
# Clients that read slowly or not at all cost their own time, not the nodes' memory.
. "$(dirname "$0")/lib.sh"

lab_up journey
works "the workload's stand-in starts" start_origin 8081
fetch /bytes/10485760 -o /dev/null
declare -A before peak
for node in $(nodes); do
	before[$node]=$(rss_kb "$node")
	peak[$node]=0
done
count=33554432 rate=4M
[ "$E2E_FULL" = 1 ] && count=1073741824 rate=40M
wanted=$(digest_of $count)
FETCH_SECONDS=120
fetch "/bytes/$count" --http2 --limit-rate $rate >"$TMP/h2" &
first=$!
fetch "/bytes/$count" --http1.1 --limit-rate $rate | sum >"$TMP/h1.sum" &
second=$!
# Four that stop reading: their windows fill and stay full.
stalled=()
for _ in 1 2 3 4; do
	background fetch "/bytes/$count" --http1.1 --limit-rate 1 -o /dev/null 2>/dev/null
	stalled+=($!)
done
while kill -0 $first 2>/dev/null || kill -0 $second 2>/dev/null; do
	for node in $(nodes); do
		now=$(rss_kb "$node")
		[ "$now" -gt "${peak[$node]}" ] && peak[$node]=$now
	done
	sleep 0.2
done
wait $first $second
is "a slow h2 reader gets every byte" "$(sum <"$TMP/h2")" "$wanted"
is "a slow h1 reader gets every byte" "$(cat "$TMP/h1.sum")" "$wanted"
is "others are served meanwhile" "$(FETCH_SECONDS=5 status_of /bytes/1000)" 200
for node in $(nodes); do
	at_most "KiB that $node's memory grew at most" $((peak[$node] - before[$node])) 24576
done
kill "${stalled[@]}" 2>/dev/null # where the transfers took a minute, http.body_idle_timeout ended them
for node in $(nodes); do
	works "$node lets go of readers that stood still" eventually 10 counter_is "$node" exchange_active 0
done
before_gone=$(counter edge exchange_client_gone)
stalled=()
for _ in 1 2 3 4; do
	background fetch "/bytes/$count" --http1.1 --limit-rate 1 -o /dev/null 2>/dev/null
	stalled+=($!)
done
works "new ones are under way" eventually 10 counter_is edge exchange_active 4
kill "${stalled[@]}" 2>/dev/null
works "readers that went away are noticed and counted" \
	eventually 10 counter_exceeds edge exchange_client_gone "$before_gone"
for node in $(nodes); do
	works "$node ends their exchanges" eventually 10 counter_is "$node" exchange_active 0
done
finish
