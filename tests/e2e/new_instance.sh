# SPDX-License-Identifier: Apache-2.0
# Under load an instance comes, each time behind a sidecar that has nothing of the service yet, and
# goes: gateways send there once the sidecar's data plane can show the service's name, so nobody
# meets it before, no request fails and none is tried twice.
. "$(dirname "$0")/lib.sh"

ROUNDS=5
[ "$E2E_FULL" = 1 ] && ROUNDS=30
# Connections to an instance that is gone end soon: each time new ones are made.
lab_up journey2 --set gateway:upstream.idle=300ms --set gateway2:upstream.idle=300ms
works "a workload's stand-in starts" start_origin 8081
EXEC=exec on workload2 python3 "$ROOT/tests/support/origin.py" 8081 &
works "so does the other workload's" eventually 10 on workload2 curl -s http://127.0.0.1:8081/echo
is_used() {
	status_of /echo >/dev/null
	counter_exceeds "$1" exchange_requests "$2"
}
works "both gateways are used" eventually 10 is_used gateway 0
works "both gateways are used (2)" eventually 10 is_used gateway2 0
STEADY=()
for version in h1 h2; do
	background on client /usr/bin/python3 "$ROOT/tests/support/steady_client.py" "$LAB_VIP" \
		api.example "$LAB_CA" $version /echo 600 >"$TMP/$version"
	STEADY+=($!)
done

come() {
	millrace gateway service set api --to 10.77.4.2:8081 --location fra --node sidecar-2
}
has_nothing() {
	! grep -q 10.77.4.2:8081 <<<"$(millrace sidecar2 routes)"
}
go() {
	millrace gateway service drain api 10.77.4.2:8081 || return 1
	sleep 1 # what is under way there ends, and the connections
	millrace gateway service remove api 10.77.4.2:8081
	eventually 5 has_nothing
}
retries=$(counter edge exchange_retries)
for round in $(seq $ROUNDS); do
	before=$(counter sidecar2 exchange_requests)
	works "an instance comes ($round)" come
	works "and is used ($round)" eventually 5 is_used sidecar2 "$before"
	works "it goes ($round)" go
done

kill "${STEADY[@]}"
wait "${STEADY[@]}"
for version in h1 h2; do
	matches "no request of a steady client failed ($version)" "$(cat "$TMP/$version")" \
		"^[0-9]{2,} answered, 0 failed, "
done
for node in gateway gateway2; do
	is "$node never met a sidecar without the name" "$(counter $node tls_peer_no_name)" 0
	is "and tried nothing twice" "$(counter $node exchange_retries)" 0
done
is "nor did the edge" "$(counter edge exchange_retries)" "$retries"
finish
