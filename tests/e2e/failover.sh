# SPDX-License-Identifier: Apache-2.0
# Two gateways, two sidecars, a workload behind each. One gateway ends politely, another time it is
# lost with all that it had, and it comes back: nothing is lost but what was under way there and must
# not be asked twice (RFC 9110 9.2.2).
. "$(dirname "$0")/lib.sh"

lab_up journey2 --set edge:upstream.silence_timeout=2s --set gateway:dataplane.drain_time=5s
works "a workload's stand-in starts" start_origin 8081
EXEC=exec on workload2 python3 "$ROOT/tests/support/origin.py" 8081 &
works "so does the other workload's" millrace gateway service set api --to 10.77.4.2:8081 \
	--location fra --node sidecar-2
STEADY=()
steady() {
	background on client /usr/bin/python3 "$ROOT/tests/support/steady_client.py" "$LAB_VIP" \
		api.example "$LAB_CA" "$1" "/slow?wait_ms=100" 120 >"$TMP/$1"
	STEADY+=($!)
}
# many COUNT PATH [CURL ARGS ...]: at once, over one connection; their statuses, one a line.
many() {
	local count=$1 path=$2
	shift 2
	fetch "$path&n=[1-$count]" -Z --parallel-max 50 -o /dev/null -w '%{http_code}\n' "$@" 2>/dev/null
}
# asked NAME: how often /counted/NAME came to any workload.
asked() {
	local host sum=0
	for host in workload workload2; do
		sum=$((sum + $(on $host curl -s "http://127.0.0.1:8081/count/$1")))
	done
	echo $sum
}
was_asked() {
	[ "$(asked "$1")" = "$2" ]
}
is_used() {
	status_of /echo >/dev/null
	counter_exceeds "$1" exchange_requests 0
}
is_shown() {
	grep -qE "^gateway-1 .*$1" <<<"$(millrace gateway2 node list)"
}
hold() {
	: >"$LAB_DIR/gateway/dataplane.hold"
	kill "$1" "$(pid_of gateway dataplane)"
}
last_log() {
	sed '/start dataplane/h;//!H;$!d;x' "$LAB_DIR/gateway/dataplane.log"
}
has_ended() {
	grep -q "dataplane ended" <<<"$(last_log)"
}

for node in gateway gateway2; do
	works "$node is used" eventually 10 is_used $node
done
works "and the second workload" eventually 10 is_used sidecar2
is "a hundred requests are answered" "$(many 100 '/echo?a' | sort | uniq -c | tr -d ' \n')" 100200
# Until the identities of a new service are there, its first requests may fail.
failed=$(counter edge exchange_responses_5xx)
steady h1
steady h2
sleep 0.5

retries=$(counter edge exchange_retries)
hold -TERM
works "a gateway ends politely" eventually 10 has_ended
matches "and resets nobody" "$(last_log)" "drained in [0-9]+ ms, 0 connections were reset"
is "nothing of that has failed" "$(counter edge exchange_responses_5xx)" "$failed"
is "or was asked twice" "$(counter edge exchange_retries)" "$retries"
is "the other one serves" "$(many 20 '/echo?b' | sort | uniq -c | tr -d ' \n')" 20200
rm "$LAB_DIR/gateway/dataplane.hold"
works "it is used when it is back" eventually 20 is_used gateway

many 8 '/counted/get?cache=no-store&gate=g' >"$TMP/get" &
get=$!
many 8 '/counted/post?cache=no-store&gate=g' -X POST >"$TMP/post" &
post=$!
works "GETs are under way on both gateways" eventually 10 was_asked get 8
works "and POSTs" eventually 10 was_asked post 8
retries=$(counter edge exchange_retries)
hold -9
for host in workload workload2; do
	on $host curl -s -o /dev/null http://127.0.0.1:8081/open/g
done
wait $get $post
is "a gateway is lost: every GET under way is answered" \
	"$(sort "$TMP/get" | uniq -c | tr -d ' \n')" 8200
again=$(($(asked get) - 8))
at_least "those it had were asked for again" $again 1
lost=$(grep -c 502 "$TMP/post")
at_least "the POSTs it had are lost" "$lost" 1
is "the others are answered" "$(grep -c 200 "$TMP/post")" $((8 - lost))
is "no POST was asked twice" "$(asked post)" 8
is "the edge counted as many" "$(counter edge exchange_upstream_gone)" "$lost"
at_least "and what it asked for again" $(($(counter edge exchange_retries) - retries)) $again
at_least "its connection was found silent" "$(counter edge exchange_upstream_silent)" 1
works "the others hear that it is down" eventually 10 is_shown down
is "the other one serves again" "$(many 20 '/echo?c' | sort | uniq -c | tr -d ' \n')" 20200
rm "$LAB_DIR/gateway/dataplane.hold"
works "it is used when it is back again" eventually 20 is_used gateway

kill "${STEADY[@]}"
wait "${STEADY[@]}"
for version in h1 h2; do
	matches "no request of a steady client failed, all over one connection ($version)" \
		"$(cat "$TMP/$version")" "^[0-9]{2,} answered, 0 failed, 1 connections, told"
done
is "what was lost is all that failed" "$(counter edge exchange_responses_5xx)" $((failed + lost))
finish
