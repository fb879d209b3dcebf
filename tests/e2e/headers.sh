# SPDX-License-Identifier: Apache-2.0
# What the nodes add and remove: X-Forwarded-*, Forwarded, Via, Cache-Status, hop-by-hop fields.
. "$(dirname "$0")/lib.sh"

lab_up journey
works "the workload's stand-in starts" start_origin 8081
# asked ARGS ...: the fields that the workload got, one "name: value" a line.
asked() {
	fetch /echo "$@" | python3 -c 'import json, sys
for name, value in json.load(sys.stdin)["fields"]: print(f"{name}: {value}")'
}
for version in --http1.1 --http2; do
	out=$(asked $version)
	matches "X-Forwarded-For is the client ($version)" "$out" '^x-forwarded-for: 198\.51\.100\.10$'
	matches "X-Forwarded-Proto ($version)" "$out" '^x-forwarded-proto: https$'
	matches "Forwarded ($version)" "$out" '^forwarded: .*for="?198\.51\.100\.10"?'
	matches "Forwarded has the scheme ($version)" "$out" '^forwarded: .*proto=https'
	matches "Via ($version)" "$out" '^via: '
	matches "Host is what the client asked for ($version)" "$out" '^host: api\.example$'
done
FETCH_IP=6
matches "an IPv6 client in X-Forwarded-For" "$(asked)" '^x-forwarded-for: 2001:db8:100::'
matches "and bracketed in Forwarded" "$(asked)" '^forwarded: .*for="\[2001:db8:100::'
FETCH_IP=4
out=$(asked -H 'X-Forwarded-For: 203.0.113.99' -H 'X-Forwarded-Proto: gopher')
lacks "what a client claims about itself is not believed" "$out" '^x-forwarded-proto: gopher$'
matches "the client's true address stands alone" "$out" '^x-forwarded-for: 198\.51\.100\.10$'

out=$(asked --http1.1 -H 'Connection: close, x-private' -H 'X-Private: 1' -H 'Keep-Alive: 5' \
	-H 'TE: trailers' -H 'Proxy-Authorization: x' -H 'Upgrade: h2c' -H 'X-Public: 2')
lacks "fields that Connection names are removed" "$out" '^x-private:'
lacks "Keep-Alive, Upgrade are removed" "$out" '^(keep-alive|upgrade):'
matches "other fields pass" "$out" '^x-public: 2$'

out=$(asked -X OPTIONS -H 'Max-Forwards: 10')
matches "each node takes one off Max-Forwards" "$out" '^max-forwards: 7$'
before=$(counter gateway exchange_forwards_ended)
out=$(head_of /echo -X OPTIONS -H 'Max-Forwards: 1')
matches "whose last node answers by itself" "$out" '^allow: GET, '
counts "and counts it" gateway exchange_forwards_ended "$before"
is "TRACE is not served" "$(status_of /echo -X TRACE)" 405

out=$(head_of '/fields?f=Connection:x-hidden&f=X-Hidden:1&f=X-Shown:2&f=Set-Cookie:a=1&f=Set-Cookie:b=2')
lacks "the workload's Connection options are removed" "$out" '^(x-hidden|connection|keep-alive):'
matches "its other fields pass" "$out" '^x-shown: 2$'
is "repeated Set-Cookie stay apart" "$(grep -c '^set-cookie: ' <<<"$out")" 2
matches "every response says what the cache did" "$out" '^cache-status: '
matches "Via is on the response" "$out" '^via: '
matches "Date is on the response" "$out" '^date: '
out=$(head_of /echo -H "X-Large: $(head -c 20000 /dev/zero | tr '\0' a)")
matches "a head beyond its bound is refused by name" "$out" '^HTTP/[12.]+ 431'
finish
