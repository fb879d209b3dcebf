# SPDX-License-Identifier: Apache-2.0
# What a workload writes its user has at once, through all nodes, over HTTP/1.1 and HTTP/2: events, early
# hints, 100, trailers; bodies of unknown length, HTTP/1.0 on either side; Node and nginx as workloads,
# h2load and nghttp as users. Idle gaps are as near to their bounds as minutes would be to the usual ones.
. "$(dirname "$0")/lib.sh"

lab_up journey --set http.body_idle_timeout=2s --set upstream.response_timeout=2s
workload=${LAB_ORIGIN%:*}
background on workload node "$ROOT/tests/support/node_origin.js" 8086
mkdir "$TMP/files"
head -c 300000 /dev/urandom >"$TMP/files/old"
background on workload /usr/bin/python3 -m http.server --protocol HTTP/1.0 --directory "$TMP/files" 8087 >/dev/null 2>&1
works "a service on Node" set_service node --host node.example --to "$workload:8086"
works "a service of HTTP/1.0" set_service old --host old.example --to "$workload:8087"
FETCH_HOST=node.example
works "Node answers" eventually 10 test_status 200 /

# What waits longer runs beside the rest.
waiting=()
for version in --http1.1 --http2; do
	status_of "/poll?ms=1500" $version >"$TMP/poll$version" &
	waiting+=($!)
	status_of "/poll?ms=2600" $version >"$TMP/late$version" &
	waiting+=($!)
	(fetch "/events?gaps=0,2600" $version >"$TMP/still$version" 2>/dev/null; echo "$?" >>"$TMP/still$version") &
	waiting+=($!)
done
tap on client /usr/bin/python3 "$ROOT/tests/support/streaming_client.py" "$LAB_VIP" node.example "$LAB_CA"
wait "${waiting[@]}"
for version in --http1.1 --http2; do
	is "an answer that takes its time comes ($version)" "$(cat "$TMP/poll$version")" 200
	is "one that takes too long is 504 ($version)" "$(cat "$TMP/late$version")" 504
	is "events that stop for too long end ($version)" \
		"$(grep -c '^data: ' "$TMP/still$version"):$(tail -1 "$TMP/still$version")" "1:$([ $version = --http2 ] && echo 92 || echo 18)"
done
at_least "and are counted" "$(counter sidecar exchange_body_stalled)" 1

head -c 20000000 /dev/urandom >"$TMP/20m"
for version in --http1.1 --http2; do
	is "20 MB up without a length ($version)" \
		"$(fetch /upload $version -H 'Transfer-Encoding: chunked' -T - <"$TMP/20m" | grep -oE '[0-9a-f]{64}')" "$(sum <"$TMP/20m")"
	fetch /chunked/20000000 $version -D "$TMP/head" -H 'TE: trailers' -o "$TMP/body"
	is "20 MB down without a length ($version)" "$(tr -d '\r' <"$TMP/head" | sed -n 's/^x-sha256: //p')" "$(sum <"$TMP/body")"
done
is "curl: of 20 MB that are not wanted nothing is sent" \
	"$(fetch /refused --http1.1 -H 'Expect: 100-continue' -T "$TMP/20m" -o /dev/null -w '%{size_upload} %{http_code}')" "0 403"
at_least "a workload's 100 crosses" "$(counter edge exchange_continues)" 2
is "ours is said where it has none" "$(counter edge exchange_continues_late)" 1
for version in --http1.0 --http1.1 --http2; do
	is "a workload of HTTP/1.0 ($version)" "$(FETCH_HOST=old.example fetch /old $version | sum)" "$(sum <"$TMP/files/old")"
done

FETCH_HOST=$LAB_HOST
is "nginx: ranges" "$(fetch /1m -r 1000-1999 --http2 | sum)" "$(fetch /1m 2>/dev/null | tail -c +1001 | head -c 1000 | sum)"
load() {
	on client h2load -n "$1" -c "$2" -m "$3" --connect-to "$LAB_VIP:443" "https://$4" 2>&1 |
		sed -nE 's/^requests: .* ([0-9]+) succeeded, ([0-9]+) failed.*/\1 \2/p'
}
is "h2load: requests to nginx" "$(load 2000 10 20 "$LAB_HOST/1k")" "2000 0"
is "h2load: requests to Node" "$(load 2000 10 20 "node.example/")" "2000 0"
is "nghttp: a hundred big bodies on one connection" \
	"$(on client nghttp -n -s -m 20 -H ":authority: $LAB_HOST" "https://$LAB_VIP/100k" 2>&1 | grep -cE ' 200 +100K ')" 20
for node in $(nodes); do
	works "nothing is left on $node" eventually 8 counter_is "$node" exchange_active 0
done
finish
