# SPDX-License-Identifier: Apache-2.0
# The access log: one line of JSON a request on each node, joined by W3C trace context; Server-Timing; a
# log that was moved away is begun anew.
. "$(dirname "$0")/lib.sh"

set_all() {
	local node
	for node in edge gateway sidecar; do
		printf -- '--set %s:access_log.file=%s/%s.log --set %s:http.server_timing=true ' \
			"$node" "$TMP" "$node" "$node"
	done
}
# shellcheck disable=SC2046 # several words
lab_up journey $(set_all)
works "the workload's stand-in starts" start_origin 8081

# line NODE TARGET EXPRESSION: of the node's newest line about target, as Python sees it.
line() {
	python3 - "$TMP/$1.log" "$2" "$3" <<'PY'
import json, sys
found = None
for text in open(sys.argv[1]):
    entry = json.loads(text)
    if entry["target"] == sys.argv[2]:
        found = entry
print(eval(sys.argv[3], {"e": found}) if found else "no line")
PY
}
# logged NODE TARGET: the line is there.
logged() { [ "$(line "$1" "$2" 1)" = 1 ]; }

trace=0af7651916cd43dd8448eb211c80319c parent=b7ad6b7169203331
out=$(fetch '/echo?a=1' -A 'cu"rl\' -H "traceparent: 00-$trace-$parent-01" -H 'tracestate: x=1')
for node in edge gateway sidecar; do
	works "the $node tells of the request" eventually 5 logged $node '/echo?a=1'
	is "under the caller's trace" "$(line $node '/echo?a=1' 'e["trace"]')" $trace
	is "with its outcome" "$(line $node '/echo?a=1' '(e["status"], e["tries"], e["method"], e["service"])')" \
		"(200, 1, 'GET', 'api')"
	is "in times that follow each other" \
		"$(line $node '/echo?a=1' '0 < e["sent_us"] <= e["answered_us"] <= e["total_us"] < 20e6')" True
done
is "the caller's span is the edge's parent" "$(line edge '/echo?a=1' 'e["parent"]')" $parent
is "the edge's span is the gateway's parent" "$(line gateway '/echo?a=1' 'e["parent"]')" \
	"$(line edge '/echo?a=1' 'e["span"]')"
is "the gateway's is the sidecar's" "$(line sidecar '/echo?a=1' 'e["parent"]')" \
	"$(line gateway '/echo?a=1' 'e["span"]')"
matches "the workload gets the sidecar's" "$out" "00-$trace-$(line sidecar '/echo?a=1' 'e["span"]')-01"
matches "and the caller's tracestate" "$out" '"tracestate", *"x=1"'
is "a quote in a field stays inside its text" "$(line edge '/echo?a=1' 'e["user_agent"]')" 'cu"rl\'
is "the client's address and version" "$(line edge '/echo?a=1' '(e["client"], e["http"])')" "('198.51.100.10', '2')"

out=$(head_of /echo)
for node in edge gateway sidecar; do
	matches "Server-Timing names the $node" "$out" "^server-timing: .*$node[a-z0-9-]*;dur=[0-9]+\.[0-9]{3}"
done

fetch /nothing -H 'Host: unknown.example' >/dev/null
works "a request that nobody serves is told" eventually 5 logged edge /nothing
is "with its reason" "$(line edge /nothing '(e["status"], e["reason"], e["host"])')" \
	"(404, 'exchange_no_route', 'unknown.example')"
for i in 1 2; do
	fetch '/fields?f=Cache-Control:max-age=60' >/dev/null
done
works "a request that the cache answers is told" eventually 5 logged edge '/fields?f=Cache-Control:max-age=60'
is "with what the cache did and what was sent" \
	"$(line edge '/fields?f=Cache-Control:max-age=60' '("; hit" in e["cache"], e["response_bytes"] > 0, "endpoint" in e)')" \
	"(True, True, False)"

behind='/counted/behind?cache=max-age=0,stale-while-revalidate=60'
fetch "$behind" >/dev/null
fetch "$behind" >/dev/null
validated() { [ "$(line edge "$behind" '(e["client_port"], e["status"], "fwd=stale" in e["cache"])')" = '(0, 200, True)' ]; }
works "what is fetched behind a client's back is told" eventually 5 validated

mv "$TMP/edge.log" "$TMP/edge.old"
works "a log that was moved away is begun anew" eventually 5 test -e "$TMP/edge.log"
fetch /echo >/dev/null
works "and goes on" eventually 5 logged edge /echo
is "nothing was dropped" "$(counter edge worker_access_dropped)" 0
finish
