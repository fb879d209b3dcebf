# SPDX-License-Identifier: Apache-2.0
# Bodies go up whole, whatever their framing; a slow workload slows the client, not the memory.
. "$(dirname "$0")/lib.sh"

lab_up journey
works "the workload's stand-in starts" start_origin 8081
FETCH_SECONDS=150
head -c 10485760 /dev/urandom >"$TMP/10m"
# sent FILE ARGS ...: the digest that the workload answers.
sent() {
	local file=$1
	shift
	fetch "/upload${QUERY:-}" -X POST -H 'Expect:' -T "$file" "$@" | sed -nE 's/.*"sha256": "([0-9a-f]+)".*/\1/p'
}
: >"$TMP/empty"
printf x >"$TMP/one"
for file in empty one 10m; do
	for version in --http1.1 --http2; do
		is "$file by $version" "$(sent "$TMP/$file" $version)" "$(sum <"$TMP/$file")"
	done
done
FETCH_IP=6
is "10 MiB over IPv6" "$(sent "$TMP/10m")" "$(sum <"$TMP/10m")"
FETCH_IP=4
is "chunked" "$(sent "$TMP/10m" --http1.1 -H 'Transfer-Encoding: chunked')" "$(sum <"$TMP/10m")"
is "Expect: 100-continue" "$(fetch /upload --http1.1 -H 'Expect: 100-continue' -T "$TMP/10m" |
	sed -nE 's/.*"sha256": "([0-9a-f]+)".*/\1/p')" "$(sum <"$TMP/10m")"
is "an early answer to an upload reaches the client" \
	"$(fetch /nowhere -o /dev/null -w '%{http_code}' --data-binary "@$TMP/10m")" 404

# A large upload to a workload that reads slowly.
count=67108864 pause=20
[ "$E2E_FULL" = 1 ] && count=1073741824 pause=4
declare -A before
for node in $(nodes); do
	before[$node]=$(rss_kb "$node")
done
QUERY="?pause_ms=$pause"
is "$count bytes to a slow workload" \
	"$(head -c $count /dev/zero | sent - --http1.1)" \
	"$(head -c $count /dev/zero | sum)"
for node in $(nodes); do
	at_most "KiB that $node's memory grew" "$(($(rss_kb "$node") - before[$node]))" 24576
done
finish
