# SPDX-License-Identifier: Apache-2.0
# WebSocket over HTTP/1.1 and over HTTP/2 crosses edge, gateway and sidecar to a plain workload: messages,
# both ends, refusals, and the bounds of a tunnel.
. "$(dirname "$0")/lib.sh"

lab_up journey --set http.tunnel_idle_timeout=3s
works "the workload's stand-in starts" start_origin 8081
background on workload /usr/bin/python3 "$ROOT/tests/support/websocket_server.py" 8082 2>/dev/null
works "a service of WebSockets" set_service chat --host chat.example --to "${LAB_ORIGIN%:*}:8082"
background on workload /usr/bin/python3 "$ROOT/tests/support/tunnel_tail.py" --serve 8083
works "a service of tails" set_service tail --host tail.example --to "${LAB_ORIGIN%:*}:8083"
FETCH_HOST=tail.example
works "that answers" eventually 10 test_status 404 /
FETCH_HOST=chat.example
works "it answers" eventually 10 test_status 426 /echo
client() {
	on client /usr/bin/python3 "$ROOT/tests/support/websocket_client.py" "$LAB_VIP" chat.example "$LAB_CA" "$@"
}
head -c 2000 /dev/zero >"$TMP/large"
works "a policy that bounds bodies" millrace edge policy set chat --rule max-body=1KiB
works "is in force" eventually 10 test_status 413 /echo --data-binary "@$TMP/large"
# Messages are no body: the largest has a megabyte.
tap client
# Slow clients at the end of a tunnel, for longer than the nodes linger.
tap on client /usr/bin/python3 "$ROOT/tests/support/tunnel_tail.py" "$LAB_VIP" tail.example "$LAB_CA"
for node in $(nodes); do
	at_least "tunnels that $node counted" "$(counter "$node" exchange_tunnels)" 10
done
matches "a tunnel that stands still ends" "$(client --idle 3)" '^[2-6]\.'
idle=0
for node in $(nodes); do
	idle=$((idle + $(counter "$node" exchange_tunnel_idle)))
done
at_least "and is counted" "$idle" 1

# upgraded ARGS ...: the status of a handshake by hand.
upgraded() {
	status_of "$1" --http1.1 -H 'Connection: Upgrade' -H "Upgrade: ${UPGRADE:-websocket}" \
		-H 'Sec-WebSocket-Version: 13' -H "Sec-WebSocket-Key: $2"
}
FETCH_SECONDS=2
is "a key that is none is refused" "$(upgraded /echo short)" 400
at_least "and counted" "$(counter edge http_upgrade_bad)" 1
at_least "an unknown protocol was counted" "$(counter edge http_upgrade_unsupported)" 1
is "another protocol's Upgrade is passed over" "$(UPGRADE=h2c upgraded /echo AAAAAAAAAAAAAAAAAAAAAA==)" 426
FETCH_HOST=api.example
is "a 101 with a wrong answer to the key is 502" "$(upgraded /switch AAAAAAAAAAAAAAAAAAAAAA==)" 502
at_least "and counted" "$(counter sidecar http_upgrade_refused)" 1
is "an answer 200 to the handshake is no tunnel" "$(upgraded /echo AAAAAAAAAAAAAAAAAAAAAA==)" 502
is "a 101 that nobody asked for is 502" "$(status_of /switch)" 502
for node in $(nodes); do
	works "nothing is left on $node" eventually 8 counter_is "$node" exchange_active 0
done
finish
