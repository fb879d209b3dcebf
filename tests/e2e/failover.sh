# SPDX-License-Identifier: Apache-2.0
# Two gateways, two sidecars, a workload behind each. One gateway ends politely, another time it is
# lost with all that it had, then a sidecar is, then a gateway whose control is lost with it, so that
# nobody says that it is down; each comes back: nothing is lost but what was under way there and must
# not be asked twice (RFC 9110 9.2.2).
. "$(dirname "$0")/lib.sh"

lab_up journey2 --set gateway:dataplane.drain_time=5s --set edge:upstream.silence_timeout=2s \
	--set gateway:upstream.silence_timeout=2s --set gateway2:upstream.silence_timeout=2s
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
	grep -qE "^$1 .* $2" <<<"$(millrace gateway node list)"
}
# hold SIGNAL NODE PROCESS ...: ends them; they are not started again until they are released.
hold() {
	local signal=$1 node=$2 process
	shift 2
	for process in "$@"; do
		: >"$LAB_DIR/$node/$process.hold"
	done
	for process in "$@"; do
		kill "$signal" "$(pid_of "$node" "$process")"
	done
}
release() {
	rm "$LAB_DIR/$1"/*.hold
}
# of_nodes NAME NODE ...: a counter's sum.
of_nodes() {
	local name=$1 node sum=0
	shift
	for node in "$@"; do
		sum=$((sum + $(counter "$node" "$name")))
	done
	echo $sum
}
# loses GATE NODE PROCESS ...: requests are under way when hold ends them. GETs go on elsewhere, POSTs
# are lost, and ASKERS, the nodes before it, know of each.
loses() {
	local gate=$1 get post retries gone
	shift
	many 8 "/counted/get-$gate?cache=no-store&gate=$gate" >"$TMP/get" &
	get=$!
	many 8 "/counted/post-$gate?cache=no-store&gate=$gate" -X POST >"$TMP/post" &
	post=$!
	works "GETs are under way ($gate)" eventually 10 was_asked get-$gate 8
	works "and POSTs" eventually 10 was_asked post-$gate 8
	retries=$(of_nodes exchange_retries "${ASKERS[@]}")
	gone=$(of_nodes exchange_upstream_gone "${ASKERS[@]}")
	hold -9 "$@"
	for host in workload workload2; do
		on $host curl -s -o /dev/null "http://127.0.0.1:8081/open/$gate"
	done
	wait $get $post
	is "$1 is lost: every GET under way is answered" \
		"$(sort "$TMP/get" | uniq -c | tr -d ' \n')" 8200
	local again=$(($(asked get-$gate) - 8))
	at_least "those it had were asked for again" $again 1
	lost=$(grep -c 502 "$TMP/post")
	at_least "the POSTs it had are lost" "$lost" 1
	is "the others are answered" "$(grep -c 200 "$TMP/post")" $((8 - lost))
	is "no POST was asked twice" "$(asked post-$gate)" 8
	is "as many were counted" \
		$(($(of_nodes exchange_upstream_gone "${ASKERS[@]}") - gone)) "$lost"
	at_least "and what was asked for again" \
		$(($(of_nodes exchange_retries "${ASKERS[@]}") - retries)) $again
	at_least "its connection was found silent" \
		"$(of_nodes exchange_upstream_silent "${ASKERS[@]}")" 1
	all_lost=$((all_lost + lost))
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
# Until a new service can be reached its first requests get a 503.
failed=$(counter edge exchange_responses_5xx)
all_lost=0
steady h1
steady h2
sleep 0.5

retries=$(counter edge exchange_retries)
hold -TERM gateway dataplane
works "a gateway ends politely" eventually 10 has_ended
matches "and resets nobody" "$(last_log)" "drained in [0-9]+ ms, 0 connections were reset"
is "nothing of that has failed" "$(counter edge exchange_responses_5xx)" "$failed"
is "or was asked twice" "$(counter edge exchange_retries)" "$retries"
is "the other one serves" "$(many 20 '/echo?b' | sort | uniq -c | tr -d ' \n')" 20200
release gateway
works "it is used when it is back" eventually 20 is_used gateway

ASKERS=(edge)
loses g gateway dataplane
works "the others hear that it is down" eventually 10 is_shown gateway-1 down
is "the other one serves again" "$(many 20 '/echo?c' | sort | uniq -c | tr -d ' \n')" 20200
release gateway
works "it is used when it is back again" eventually 20 is_used gateway

ASKERS=(gateway gateway2)
loses s sidecar dataplane
works "the others hear that it is down" eventually 10 is_shown sidecar-1 down
is "the other one serves" "$(many 20 '/echo?d' | sort | uniq -c | tr -d ' \n')" 20200
release sidecar
works "it is used when it is back" eventually 20 is_used sidecar

# A machine: its control cannot say that it is down. Nobody is withdrawn for silence; who finds it
# silent leaves it, and one request now and then tries whether it is back.
ASKERS=(edge)
loses m gateway2 dataplane control
retries=$(counter edge exchange_retries)
is "the other one serves at once" "$(for i in $(seq 40); do
	status_of "/echo?e$i" --max-time 4
	echo
done | sort | uniq -c | tr -d ' \n')" 40200
works "it is shown as silent" eventually 30 is_shown gateway-2 silent
at_most "few requests find out that it is not back" \
	$(($(counter edge exchange_retries) - retries)) 6
release gateway2
works "it is used when it is back" eventually 30 is_used gateway2

kill "${STEADY[@]}"
wait "${STEADY[@]}"
for version in h1 h2; do
	matches "no request of a steady client failed, all over one connection ($version)" \
		"$(cat "$TMP/$version")" "^[0-9]{2,} answered, 0 failed, 1 connections, told"
done
is "what was lost is all that failed" "$(counter edge exchange_responses_5xx)" $((failed + all_lost))
finish
