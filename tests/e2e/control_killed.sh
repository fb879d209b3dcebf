# SPDX-License-Identifier: Apache-2.0
# The control processes are killed under load, again and again, and started again: no request fails.
. "$(dirname "$0")/lib.sh"

lab_up journey
kills=3 requests=20000
[ "$E2E_FULL" = 1 ] && kills=10 requests=100000

works "warm" test_status 200 /1k
attaches=$(counter edge channel_attaches)
on client h2load --connect-to "$LAB_VIP:443" -n "$requests" -c 20 -m 5 "https://$LAB_HOST/1k" \
	>"$TMP/load" 2>&1 &
load=$!
done_kills=0
while [ $done_kills -lt $kills ]; do
	for node in $(nodes); do
		kill -9 "$(pid_of "$node" control)"
	done
	done_kills=$((done_kills + 1))
	sleep 0.7
done
wait $load
matches "$requests requests while every control is killed $kills times" "$(cat "$TMP/load")" \
	"$requests done, $requests succeeded, 0 failed"
counts "the edge was attached again" edge channel_attaches "$attaches"
for node in $(nodes); do
	works "$node is in sync again" eventually 10 counter_exceeds "$node" channel_in_sync 0
done

# Dead and staying dead.
for node in $(nodes); do
	: >"$LAB_DIR/$node/control.hold"
	kill -9 "$(pid_of "$node" control)"
done
sleep 1
is "with every control dead, requests go on" "$(status_of /1k)" 200
is "new connections too" "$(status_of /1k --http1.1)" 200
out=$(on client h2load --connect-to "$LAB_VIP:443" -n 2000 -c 20 -m 5 "https://$LAB_HOST/1k" 2>&1)
matches "2000 more requests, 20 new connections" "$out" "2000 done, 2000 succeeded, 0 failed"
is "a host nobody knows is refused by name" "$(status_of / -H 'Host: unknown.example')" 503
for node in $(nodes); do
	rm "$LAB_DIR/$node/control.hold"
done
works "a host that was unknown while control was dead is asked for again" \
	eventually 15 test_status 404 / -H 'Host: unknown.example'
finish
