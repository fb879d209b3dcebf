# SPDX-License-Identifier: Apache-2.0
# What an operator does with `millrace`: services, why, routes, status, counters, purge, drain; what
# goes wrong is told with its cure; --json is JSON; counters count what happened.
. "$(dirname "$0")/lib.sh"

# json NODE WORDS ...: the answer, and value EXPRESSION of it (d is the answer).
json() {
	local node=$1
	shift
	millrace "$node" --json "$@" >"$TMP/json" 2>"$TMP/json.err"
}
value() {
	python3 -c 'import json,sys; d=json.load(open(sys.argv[1])); print(eval(sys.argv[2]))' \
		"$TMP/json" "$1" 2>&1
}

# refuses SENTENCE REGEX NODE WORDS ...: ends with 1 or 2 and says what is wrong and what helps.
refuses() {
	local sentence=$1 regex=$2 out status
	shift 2
	out=$(millrace "$@" 2>&1)
	status=$?
	if [ $status = 0 ]; then
		fail "$sentence" "it was done: $*" "$out"
	else
		matches "$sentence" "$out" "$regex"
	fi
}

telemetry() {
	python3 "$ROOT/tests/support/telemetry.py" "$LAB_DIR/$1/run" "$2"
}

lab_up journey
background on workload python3 "$ROOT/tests/support/origin.py" 8081
first=$!
background on workload python3 "$ROOT/tests/support/origin.py" 8082
host=${LAB_ORIGIN%:*}
works "the workloads run" eventually 10 on workload curl -s -o /dev/null http://127.0.0.1:8081/echo
works "both of them" eventually 10 on workload curl -s -o /dev/null http://127.0.0.1:8082/echo

# Services.
works "a service is set with two instances" set_service api --host api.example \
	--to "$host:8081,$host:8082"
FETCH_HOST=api.example
works "it answers" eventually 10 test_status 200 /echo
matches "service list tells hosts and instances" "$(millrace edge service list | tr '\n' ' ')" \
	"api \(http1\) +api.example/ .*$host:8081 in fra behind sidecar-1.*$host:8082"
matches "why tells the way of a request" "$(millrace edge why api.example /x)" \
	"reached by the gateway of fra"
matches "why at the gateway names the sidecar" "$(millrace gateway why api.example)" \
	"through its sidecar"
matches "why of a host nobody has" "$(millrace edge why nobody.example)" "no service has host"
matches "routes at the sidecar name the workloads" "$(millrace sidecar routes)" \
	"$host:8082 +workload"
matches "node list tells all three" "$(millrace edge node list | tr '\n' ' ')" \
	"edge-1 +edge .*gateway-1 +gateway .*sidecar-1 +sidecar"

# Counters count what happened.
requests=$(counter edge exchange_requests)
good=$(counter edge exchange_responses_2xx)
for i in $(seq 20); do
	fetch "/bytes/100?seed=$i" -o /dev/null
done
is "20 requests are 20 in the counters" "$(($(counter edge exchange_requests) - requests))" 20
is "and 20 answers of 2xx" "$(($(counter edge exchange_responses_2xx) - good))" 20
bad=$(counter edge exchange_responses_4xx)
why=$(counter edge exchange_no_route)
fetch / -o /dev/null -H 'Host: nobody.example'
is "a 404 is one answer of 4xx" "$(($(counter edge exchange_responses_4xx) - bad))" 1
is "and one of its reason" "$(($(counter edge exchange_no_route) - why))" 1
hits=$(counter edge cache_hit)
fetch '/bytes/100?seed=c&cache=max-age=100' -o /dev/null
fetch '/bytes/100?seed=c&cache=max-age=100' -o /dev/null
is "a second request for what is cached is a hit" "$(($(counter edge cache_hit) - hits))" 1
works "purge is taken" millrace edge purge "https://api.example/bytes/100?seed=c&cache=max-age=100"
works "and reaches the edge" eventually 5 counter_exceeds edge cache_purged 0
fetch '/bytes/100?seed=c&cache=max-age=100' -o /dev/null
is "so that the next one is no hit" "$(($(counter edge cache_hit) - hits))" 1

# status and top, for people and as JSON.
out=$(millrace edge status)
for word in 'attached +yes' 'identity.name +spiffe://mesh.example/edge/par/edge-1' \
	'traffic.responses_2xx +[1-9]' 'traffic.cache_hits +1' '^wan0 ' 'exchange.no_route 1: '; do
	matches "status tells '$word'" "$out" "$word"
done
json edge status
is "every worker has applied what control sent" \
	"$(value '[w["sent"] for w in d["data"]["workers"]] == [w["generation"] for w in d["dataplane"]["workers"]]')" True
is "its requests are the counter" "$(value 'd["dataplane"]["traffic"]["requests"]')" \
	"$(counter edge exchange_requests)"
is "loops, sleeps and bursts are there" \
	"$(value 'all(d["dataplane"]["workers"][0][k] > 0 for k in ("loops", "loops_busy", "sleeps", "rx_bursts"))')" True
json edge counters /millrace/worker/stages
is "every stage of a packet's way took its share of the time" "$(value '(d["turns_measured"] > 0 and all(d[k]["cycles"] > 0
	for k in ("receive", "input", "handshakes", "cache", "tcp", "proxy", "transmit")) and
	985 < sum(s["permille"] for s in d.values() if isinstance(s, dict)) <= 1000)')" True
json edge top --count 1
is "an idle worker sleeps" "$(value 'd["workers"][0]["asleep_percent"] > 80')" True
matches "top for people" "$(millrace edge top --count 1)" "busy_percent"
for words in "service list" "location list" "node list" "routes" "why api.example" counters \
	flows "counters /millrace/tcp/summary" "counters /millrace/tcp/reasons" "counters /millrace/channel,0"; do
	# shellcheck disable=SC2086 # words are several
	json edge $words
	is "--json $words" "$(value 'isinstance(d, (dict, list))')" True
done
json edge service remove nobody
is "--json tells errors, too" "$(value 'd["ok"], "no service" in d["error"]')" "(False, True)"
if command -v dpdk-telemetry.py >/dev/null; then
	matches "DPDK's own client reads /millrace" "$(printf '/millrace/node\nquit\n' |
		RUNTIME_DIRECTORY=$LAB_DIR/edge/run timeout 10 dpdk-telemetry.py -f edge-1)" \
		'"id": "edge-1"'
else
	skip "DPDK's own client reads /millrace" "dpdk-telemetry.py is not installed"
fi

# flows and summaries of TCP.
background on client curl -s --no-buffer --limit-rate 20k --cacert "$LAB_CA" \
	--connect-to "$FETCH_HOST:443:$LAB_VIP:443" -o /dev/null "https://$FETCH_HOST/bytes/400000"
download=$!
flow_of_client() {
	json edge flows --port 443 --state established
	[ "$(value 'any(f["bytes_out"] > 5000 and f["unacked"] + f["queued"] >= 0 for f in d)')" = True ]
}
works "flows lists the client's connection" eventually 10 flow_of_client
is "with all that ss -ti tells" "$(value 'all(d[0][k] > 0 for k in ("rtt_us", "rto_us", "cwnd", "mss",
	"receive_window", "bytes_in")) and d[0]["send_window"] >= 0 and d[0]["cc_state"] != "" and d[0]["cc"] != "" and d[0]["role"]')" downstream
peer=$(value 'd[0]["remote"].rsplit(":", 1)[0]')
json edge flows --host "$peer/32"
is "--host keeps what has that end" \
	"$(value "len(d) > 0 and all(f['remote'].startswith('$peer:') for f in d)")" True
json edge flows --host 203.0.113.77
is "and nothing else" "$(value 'd')" "[]"
json edge flows --state time-wait
is "--state keeps that state" "$(value 'all(f["state"] == "TIME-WAIT" for f in d)')" True
json edge flows --sort bytes_out --limit 3
is "--sort is by size, --limit cuts" \
	"$(value 'len(d) <= 3 and d == sorted(d, key=lambda f: -f["bytes_out"])')" True
matches "flows for people" "$(millrace edge flows --port 443 --state established)" \
	"^ESTABLISHED +downstream .*:443 -> $peer:[0-9]+"
json edge counters /millrace/tcp/summary
is "the summary counts the same" \
	"$(value 'd["states"]["ESTABLISHED"] > 0 and d["slab_in_use"]["conns"] <= d["slab_capacity"]["conns"]')" True
kill "$download"

# Errors and their cures.
refuses "an address without port" '192.0.2.1:8080 or' gateway service set api --to 10.0.0.1
refuses "a host that another service has" "served by 'api'" gateway service set b \
	--host api.example --to 10.0.0.1:80
refuses "a new service without host" "needs --host" gateway service set b --to 10.0.0.1:80
refuses "an instance that is none" "millrace service list" gateway service drain api 10.9.9.9:1
refuses "a token from a node that is no CA" "identity.ca = true" edge node token n --role edge \
	--location par
refuses "a purge without URL" "one of them is wanted" edge purge
refuses "a command that is none" "millrace --help" edge serve
refuses "a host that is none" "millrace counters /" edge flows --host nowhere
refuses "telemetry that is none" "millrace counters /" edge counters /millrace/none

# One instance out of service.
works "an instance is drained" millrace gateway service drain api "$host:8081"
matches "and listed so" "$(millrace edge service list)" "$host:8081 .*\(draining\)"
sleep 0.5
before=$(on workload curl -s http://127.0.0.1:8081/count/drained)
for i in $(seq 10); do
	fetch /counted/drained -o /dev/null
done
is "it gets no request any more" "$(on workload curl -s http://127.0.0.1:8081/count/drained)" "$before"
works "and back" millrace gateway service drain api "$host:8081" --off
all_served() {
	local i codes
	codes=$(for i in $(seq "$1"); do status_of "/echo?$2$i"; echo; done | sort | uniq -c)
	[ "$(tr -d ' \n' <<<"$codes")" = "${1}200" ] || { echo "$codes"; return 1; }
}
works "both serve" all_served 20 a
kill -9 "$first"
wait "$first" 2>/dev/null
retries=$(counter sidecar exchange_retries)
works "one dies: every request succeeds" all_served 40 b
counts "some of them by a second try" sidecar exchange_retries "$retries"
works "it is told to control" eventually 10 counter_exceeds sidecar channel_endpoint_failures 0
json sidecar routes
is "and shown with the endpoint" \
	"$(value '[e["failures"] > 0 for e in d["data"]["endpoints"] if e["to"].endswith(":8081")]')" "[True]"
works "told unhealthy, it is still fine" millrace gateway service unhealthy api "$host:8081"
works "requests succeed" all_served 10 c

# A node out of service, and a service forgotten.
works "a node is drained" millrace gateway node drain edge-1
matches "and listed so" "$(millrace edge node list)" "edge-1 +edge .* yes "
works "and back" millrace gateway node drain edge-1 --off
works "a service is removed" millrace gateway service remove api
# With the service its certificate goes.
is_nobodys() {
	grep -q 'unrecognized name' <<<"$(fetch /echo 2>&1)" || test_status 404 /echo
}
works "its host is nobody's" eventually 5 is_nobodys
finish
