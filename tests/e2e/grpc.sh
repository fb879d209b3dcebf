# SPDX-License-Identifier: Apache-2.0
# gRPC crosses edge, gateway and sidecar to a workload that speaks HTTP/2 without TLS: every kind of
# call, deadlines, statuses, resets; and a WebSocket finds or finds not its tunnel there.
. "$(dirname "$0")/lib.sh"

lab_up journey
workload=${LAB_ORIGIN%:*}
background on workload /usr/bin/python3 "$ROOT/tests/support/grpc_server.py" 8083
first=${BACKGROUND[-1]}
background on workload /usr/bin/python3 "$ROOT/tests/support/h2c_origin.py" 8084
background on workload /usr/bin/python3 "$ROOT/tests/support/h2c_origin.py" 8085 --no-connect
works "a gRPC service" set_service calls --host calls.example --to "$workload:8083" --protocol h2c
works "an h2c service" set_service frames --host frames.example --to "$workload:8084" --protocol h2c
works "and one without tunnels" set_service flat --host flat.example --to "$workload:8085" --protocol h2c
client() {
	on client /usr/bin/python3 "$ROOT/tests/support/grpc_client.py" "$LAB_VIP" calls.example "$LAB_CA" "$@"
}
ask() {
	[ "$(client --ask)" = "$1" ]
}
works "it answers" eventually 10 ask hello
tap client
at_most "connections to the workload" "$(on workload ss -Htn state established 'sport = 8083' | wc -l)" 2

# A server that goes away: GOAWAY, calls in flight go on, the next one finds another server.
background client --hold "$TMP/enough" >"$TMP/hold"
holder=${BACKGROUND[-1]}
works "a call in both directions is under way" eventually 5 grep -q talking "$TMP/hold"
kill "$first"
sleep 0.3
background on workload /usr/bin/python3 "$ROOT/tests/support/grpc_server.py" 8083
works "another server takes new calls" eventually 10 ask hello
touch "$TMP/enough"
wait "$holder"
is "the old call ended well" "$(tail -1 "$TMP/hold")" "ended OK"

FETCH_HOST=frames.example
works "the h2c workload answers" eventually 5 test_status 200 /
for version in --http1.1 --http2; do
	is "its early hints cross ($version)" "$(head_of /early $version | grep -cE '^HTTP/[0-9.]+ (103|200)|^link: <')" 3
	is "its trailers cross ($version)" "$(head_of /trailers $version -H 'TE: trailers' | grep -c '^behind: all')" 1
	is "its reset before an answer is 502 ($version)" "$(status_of /reset/8 $version)" 502
	fetch /cut/8 $version >"$TMP/cut" 2>"$TMP/cut.error"
	is "its reset behind the head cuts the body ($version)" "$?:$(cat "$TMP/cut")" "$([ $version = --http2 ] && echo 92 || echo 18):begun"
done
tap on client /usr/bin/python3 "$ROOT/tests/support/grpc_resets.py" "$LAB_VIP" frames.example "$LAB_CA"
heard() {
	[ "$(fetch /resets)" = "$1" ]
}
works "the workload hears at once of the call that was cancelled, and why" eventually 1 heard 8
is "a request that it refuses is sent again, with its body" "$(fetch /refuse/curl -d 'a body')" "a body"
counts "resets were said on" edge exchange_resets_relayed 8
client_ws() {
	on client /usr/bin/python3 "$ROOT/tests/support/websocket_client.py" "$LAB_VIP" "$1" "$LAB_CA" --tunnel
}
upgraded() {
	status_of / --http1.1 --max-time 2 -H 'Connection: Upgrade' -H "Upgrade: websocket" \
		-H 'Sec-WebSocket-Version: 13' -H "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="
}
tap client_ws frames.example
FETCH_HOST=flat.example
works "the other one answers" eventually 5 test_status 200 /
is "a WebSocket to a workload without tunnels is 501" "$(upgraded)" 501
at_least "and counted" "$(counter sidecar http_upgrade_unsupported)" 1
for node in $(nodes); do
	works "nothing is left on $node" eventually 8 counter_is "$node" exchange_active 0
done
finish
