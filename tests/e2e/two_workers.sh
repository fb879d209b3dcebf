# SPDX-License-Identifier: Apache-2.0
# Two workers a node: every flow has one owner, and both do their share.
. "$(dirname "$0")/lib.sh"

lab_up journey --workers 2
works "the workload's stand-in starts" start_origin 8081
FETCH_SECONDS=60
for size in 0 1 102400 10485760; do
	wanted=$(digest_of $size)
	for version in --http1.1 --http2; do
		for ip in 4 6; do
			FETCH_IP=$ip
			is "$size bytes by $version over IPv$ip" \
				"$(fetch "/bytes/$size" $version | sum)" "$wanted"
		done
	done
done
FETCH_IP=4
requests=5000
[ "$E2E_FULL" = 1 ] && requests=50000
for path in /1k /cached/1k; do
	out=$(on client h2load --connect-to "$LAB_VIP:443" -n $requests -c 50 -m 10 "https://$LAB_HOST$path" 2>&1)
	matches "$requests requests for $path" "$out" "$requests done, $requests succeeded, 0 failed"
done
is "what one worker cached the other serves" \
	"$(for i in $(seq 20); do fetch /counted/shared --http1.1; echo; done | sort -u)" '{"answer": 1}'
works "a purge reaches both" millrace edge purge https://api.example/counted/shared
works "and it is fetched again" eventually 3 test_body '{"answer": 2}' /counted/shared
is "once for both" "$(for i in $(seq 20); do fetch /counted/shared --http1.1; echo; done | sort -u)" \
	'{"answer": 2}'
for node in $(nodes); do
	is "$node lost no packet between its workers" "$(counter "$node" worker_handoff_full)" 0
	works "$node ends with no exchange left" eventually 5 counter_is "$node" exchange_active 0
done
finish
