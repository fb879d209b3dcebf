# SPDX-License-Identifier: Apache-2.0
# tests/perf/run --quick on a release build (which no other test uses): each of its rows has answers and none failed,
# of our edge over memif and of nginx, the table is printed, and nothing stays behind. No figure is judged here.
. "$(dirname "$0")/lib.sh"

release=$TMP/release
build_release() {
	CC=gcc meson setup --buildtype=release "$release" "$ROOT" >"$TMP/out" 2>&1 &&
		ninja -C "$release" dataplane/millrace-dataplane control/millrace-control tools/millrace/millrace \
			tools/loadgen/loadgen tests/perf/l4_bench tests/perf/l4_load tests/perf/packets tests/perf/jitter >"$TMP/out" 2>&1 ||
		{ tail -n 30 "$TMP/out" && return 1; }
}
works "a release builds" build_release
"$ROOT/tests/perf/run" --build "$release" --quick -s memif,nginx -o "$TMP/results.json" \
	>"$TMP/out" 2>"$TMP/err"
status=$?
is "every row has answers, and none failed" "$status $(tail -n 1 "$TMP/err" | grep FAILED)" "0 "
[ "$status" = 0 ] || sed 's/^/# /' "$TMP/out" "$TMP/err"

# rows SYSTEM: how many rows of the results a system has.
rows() {
	python3 -c 'import json, sys
table = json.load(open(sys.argv[1]))["medians"]
print(sum(row.get(sys.argv[2], {}).get("n", 0) > 0 for row in table.values()))' "$TMP/results.json" "$1"
}
is "rows of our edge" "$(rows memif)" 10
is "rows of nginx" "$(rows nginx)" 9
for row in h1 h2 handshake resumed large miss miss_mtls; do
	matches "the table has $row" "$(grep "^| $row |" "$TMP/out")" "nginx [0-9.]+ \|"
done
matches "the limit of forwarding is told" "$(grep "^| packets | untouched" "$TMP/out")" "\| [1-9][0-9]* \| [0-9.]+ \["
matches "packets are forwarded by our L4" "$(grep "^| millrace | A: " "$TMP/out")" "\| [1-9][0-9]* \| [0-9.]+ \["
"$ROOT/tests/perf/run" --build "$release" --quick --card -s memif -w h1,large -o "$TMP/results.json" \
	>"$TMP/out" 2>"$TMP/err"
status=$?
is "rows over a port that sums and cuts, too" "$status $(rows memif)" "0 2"
[ "$status" = 0 ] || sed 's/^/# /' "$TMP/out" "$TMP/err"
is "nothing is left" "$(ip netns list | grep -c '^mrperf-')" 0
finish
