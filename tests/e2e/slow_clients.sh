# SPDX-License-Identifier: Apache-2.0
# Clients that hold connections and do next to nothing with them lose them in time, and keep nobody out
# meanwhile. With the defaults the times are five times as long; E2E_LONG=1 tries those, 1000 at once.
. "$(dirname "$0")/lib.sh"

if [ "${E2E_LONG:-0}" = 1 ]; then
	lab_up single
	# More than the origin has places for: who stands still gives way to who waits, before its rate is judged.
	COUNT=111 SECONDS_HELD=30 REASONS=(exchange_place_shed)
else
	lab_up single --set http.head_timeout=2s --set http.keepalive_timeout=3s \
		--set http.min_rate_time=2s --set http.body_idle_timeout=20s \
		--set tls.handshake_timeout=2s --set http.linger=500ms --set upstream.per_endpoint=256
	COUNT=20 SECONDS_HELD=9 REASONS=(exchange_downstream_slow exchange_body_slow)
fi
background on origin python3 "$ROOT/tests/support/origin.py" 8080
works "the edge serves" eventually 10 test_status 200 /echo
slow() {
	tap on client /usr/bin/python3 "$ROOT/tests/support/slow_clients.py" "$LAB_VIP" "$LAB_HOST" \
		"$LAB_CA" "$@"
}
slow slow "$COUNT" "$SECONDS_HELD"
for reason in "${REASONS[@]}"; do
	counts "who is slow is counted: $reason" edge "$reason" 0
done
counts "slow heads are counted" edge exchange_downstream_head_timeout 0
FETCH_SECONDS=30
is "a reader of 20 kB/s is not slow" "$(fetch /bytes/60000 --limit-rate 20K | wc -c)" 60000
# Longer than the rate is measured over: 408 would blame the client for the origin's time.
is "nor is who waits for a tunnel to be made" "$(status_of '/slow?wait_ms=4500' --http1.1 \
	-H 'Connection: Upgrade' -H 'Upgrade: websocket' -H 'Sec-WebSocket-Version: 13' \
	-H 'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==')" 502
if [ "${E2E_LONG:-0}" != 1 ]; then
	lab_up single --set http.connections=512 --set tls.handshakes=256
	background on origin python3 "$ROOT/tests/support/origin.py" 8080
	works "a smaller edge serves" eventually 10 test_status 200 /echo
fi
slow hold-tcp 700 2
counts "handshakes without a word give way" edge tls_handshake_evicted 0
slow hold-tls "$([ "${E2E_LONG:-0}" = 1 ] && echo 2500 || echo 480)" 1
counts "idle connections give way" edge exchange_downstream_evicted 0
finish
