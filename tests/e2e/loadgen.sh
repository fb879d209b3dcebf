# SPDX-License-Identifier: Apache-2.0
# tools/loadgen over memif: our TCP, TLS and HTTP as a client of our edge. Both sides count the same,
# every byte of every body is compared, each mode does what it says.
. "$(dirname "$0")/lib.sh"

lab_up single --memif --set dataplane.drain_time=2s --set dataplane.drain_notice=100ms
background on origin python3 "$ROOT/tests/support/origin.py" 8080
eventually 10 on origin curl -s -o "$TMP/body" "http://127.0.0.1:8080/bytes/100000?seed=7"

# load NAME ARGS ...: one run; its JSON is $TMP/NAME.
load() {
	local name=$1
	shift
	timeout 20 "$MILLRACE_BUILD/tools/loadgen/loadgen" --address 198.51.100.10/24 --host "$LAB_HOST" \
		--port "net_memif0,role=client,id=0,socket-abstract=no,socket=$LAB_MEMIF" --ca "$LAB_CA" \
		--to "$LAB_VIP:443" "$@" >"$TMP/$name" 2>"$TMP/$name.log" || cat "$TMP/$name.log"
}
# say NAME EXPRESSION: of a run's JSON, as r.
say() {
	python3 -c 'import json, sys; r = json.load(open(sys.argv[1])); print(eval(sys.argv[2]))' "$TMP/$1" "$2"
}
# grown COUNTER BEFORE
grown() {
	echo $(($(counter edge "$1") - $2))
}
large="GET /bytes/100000?seed=7&cache=max-age=600 body=$TMP/body"
COUNTERS="r['whole_run']['requests'], r['errors'], r['bytes']"

before=$(counter edge exchange_requests) bytes=$(counter edge exchange_response_bytes)
load h1 --connections 8 --count 2000 "$large"
is "HTTP/1.1: every answer is right" "$(say h1 "$COUNTERS")" "(2000, 0, 200000000)"
is "over TLS 1.3" "$(say h1 "r['tls']")" "TLSv1.3 TLS_AES_128_GCM_SHA256 http/1.1"
is "the edge counts the requests" "$(grown exchange_requests "$before")" 2000
is "the edge counts the bytes" "$(grown exchange_response_bytes "$bytes")" 200000000

before=$(counter edge exchange_requests)
load h2 --http 2 --connections 4 --streams 50 --count 2000 "$large"
is "HTTP/2: every answer is right" "$(say h2 "$COUNTERS")" "(2000, 0, 200000000)"
is "agreed on h2" "$(say h2 "r['tls']")" "TLSv1.3 TLS_AES_128_GCM_SHA256 h2"
is "the edge counts them" "$(grown exchange_requests "$before")" 2000

printf 'x' | dd of="$TMP/body" bs=1 seek=99999 conv=notrunc 2>/dev/null
load wrong --count 3 "GET /bytes/100000?seed=7&cache=max-age=600 body=$TMP/body" "GET /bytes/10 bytes=11" \
	"GET /nothing status=200" --seed 3
is "what is not right is told" "$(say wrong "r['whole_run']['requests'], r['errors']")" "(0, 3)"

before=$(counter edge tls_handshakes_done)
load full --per-connection 1 --connections 4 --count 100 "GET /bytes/10?cache=max-age=600 bytes=10"
is "a connection for each request" "$(say full "r['whole_run']['connections'], r['whole_run']['requests'], r['errors']")" \
	"(100, 100, 0)"
is "the edge counts the handshakes" "$(grown tls_handshakes_done "$before")" 100

before=$(counter edge tls_handshakes_resumed)
load resumed --resume --per-connection 1 --connections 2 --count 100 "GET /bytes/10?cache=max-age=600 bytes=10"
resumed=$(say resumed "r['whole_run']['resumed']")
is "every request of a connection that was resumed" "$(say resumed "r['whole_run']['requests'], r['errors']")" "(100, 0)"
at_least "connections resumed by tickets" "$resumed" 90
is "the edge counts as many" "$(grown tls_handshakes_resumed "$before")" "$resumed"

load bare --per-connection 0 --connections 2 --count 50
is "handshakes alone" "$(say bare "r['whole_run']['connections'], r['whole_run']['requests'], r['errors']")" "(50, 0, 0)"

printf '3 GET /bytes/10?cache=max-age=600 bytes=10\n1 POST /upload upload=50000\n' >"$TMP/mix"
load open --rate 500 --seconds 1 --connections 8 --mix "$TMP/mix"
is "an open loop asks what was due" "$(say open "r['whole_run']['requests'], r['errors'], r['whole_run']['unanswered']")" \
	"(500, 0, 0)"
is "and has a latency for each" "$(say open "r['latency_us']['count'] == 500 and 0 < r['latency_us']['p50'] <= r['latency_us']['p99']")" True

before=$(counter edge tls_handshakes_done)
load mixed --rate 500 --handshake-share 0.2 --seconds 1 --connections 8 "GET /bytes/10?cache=max-age=600 bytes=10"
is "a fifth of the requests have a connection of their own" \
	"$(say mixed "r['latency_us']['count'], r['fresh_us']['count'], r['errors'], r['whole_run']['unanswered']")" "(400, 100, 0, 0)"
is "the edge shakes hands for each of them" "$(grown tls_handshakes_done "$before")" 108

# The edge stands still for half a second: what was due meanwhile waits, and the latencies say so.
load stalled --rate 200 --seconds 2 --connections 2 "GET /bytes/10?cache=max-age=600 bytes=10" &
eventually 10 grep -q measuring "$TMP/stalled.log"
sleep 0.3
kill -STOP "$(pid_of edge dataplane)"
sleep 0.5
kill -CONT "$(pid_of edge dataplane)"
wait $!
is "requests due while the edge stood still are counted from then" \
	"$(say stalled "r['errors'] == 0 and r['latency_us']['count'] == 400 and r['latency_us']['p90'] > 100000")" True

load held --hold 1 --connections 200 --opening 32 "GET /bytes/10?cache=max-age=600 bytes=10"
is "idle connections are held, after a request each" \
	"$(say held "r['open_connections'], r['whole_run']['requests'], r['errors']")" "(200, 200, 0)"

load again --hold 1 --connections 200 --opening 32 --resume-one --sample 50 "GET /bytes/10?cache=max-age=600 bytes=10"
is "some of those that were held are asked once more, and answer" \
	"$(say again "r['open_connections'], r['sample'], r['whole_run']['requests'], r['errors']")" \
	"(200, {'asked': 50, 'answered': 50}, 250, 0)"
at_least "of them resumed by one ticket" "$(say again "r['whole_run']['resumed']")" 130

# The edge ends politely, with everybody on it.
load lost --hold 4 --connections 20 "GET /bytes/10?cache=max-age=600 bytes=10" &
eventually 10 grep -q measuring "$TMP/lost.log"
kill -TERM "$(pid_of edge dataplane)"
wait $!
is "who is lost while held is missed, not replaced" "$(say lost "r['open_connections'], r['whole_run']['connections']")" "(0, 20)"
finish
