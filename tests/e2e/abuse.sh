# SPDX-License-Identifier: Apache-2.0
# Floods of HTTP at the highest rate that the box gives beside a hundred honest clients (h2load: fifty on h2,
# fifty on h1, as fast as they are answered): at least 99.9 % of their requests succeed, and memory stays.
# E2E_LONG=1: every class of http_flood, 6 s each; otherwise three.
. "$(dirname "$0")/lib.sh"

SECONDS_EACH=2 CLASSES=("rapid reset of" "unknown frames, 16 KB" "HPACK bomb")
if [ "${E2E_LONG:-0}" = 1 ]; then
	SECONDS_EACH=6 CLASSES=("reset" "CONTINUATION" "SETTINGS" "PING" "empty" "HEADERS of" "PRIORITY"
		"unknown" "GOAWAY" "WINDOW_UPDATE" "table" "HPACK" "windows" "streams" "h1:")
fi

lab_up single
background on origin python3 "$ROOT/tests/support/origin.py" 8080
works "the edge serves" eventually 10 test_status 200 "/bytes/1000?cache=max-age=600"
[ "$(nproc)" -gt 1 ] && taskset -cp "1-$(($(nproc) - 1))" $$ >/dev/null

# honest FILE SECONDS ARGS ...: fifty clients.
honest() {
	local out=$1 seconds=$2
	shift 2
	background on client h2load -c 50 -t 1 -D "$seconds" "$@" --connect-to "$LAB_VIP:443" \
		"https://$LAB_HOST/bytes/1000?cache=max-age=600" >"$out" 2>&1
}
# succeeded FILE: requests that succeeded, and all that ended, of h2load's report.
succeeded() {
	sed -nE 's/^requests: .* ([0-9]+) done, ([0-9]+) succeeded.*/\2 \1/p' "$1"
}

for class in "${CLASSES[@]}"; do
	before=$(rss_kb edge)
	floods=$(grep -c "Flood('.*$class" "$ROOT/tests/support/flood_cases.py")
	honest "$TMP/h2" $((floods * SECONDS_EACH + 1)) -m 2
	first=$!
	honest "$TMP/h1" $((floods * SECONDS_EACH + 1)) --h1
	second=$!
	tap on client /usr/bin/python3 "$ROOT/tests/support/http_flood.py" "$LAB_VIP" "$LAB_HOST" "$LAB_CA" \
		"$(pid_of edge dataplane)" "$LAB_DIR/edge/run" "$SECONDS_EACH" "$class"
	wait $first $second
	for version in h2 h1; do
		read -r good all < <(succeeded "$TMP/$version")
		at_least "$class: of $all requests over $version, succeeded" "${good:-0}" $((all * 999 / 1000))
		at_least "$class: requests over $version" "${all:-0}" 100
	done
	at_most "$class: KB that memory grew" $(($(rss_kb edge) - before)) 65536
done
is "the edge serves afterwards" "$(status_of /echo)" 200
finish
