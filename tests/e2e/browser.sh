# SPDX-License-Identifier: Apache-2.0
# A browser (Debian's chromium, headless) loads a page of a hundred objects through all nodes over HTTP/2;
# a second one has them from the edge's cache.
. "$(dirname "$0")/lib.sh"

if ! command -v chromium >/dev/null; then
	skip "a browser loads a page" "chromium is not installed"
	finish
fi
lab_up journey
background on workload node "$ROOT/tests/support/node_origin.js" 8086
works "a service on Node" set_service node --host node.example --to "${LAB_ORIGIN%:*}:8086"
FETCH_HOST=node.example
works "Node answers" eventually 10 test_status 200 /
key=$(on client openssl s_client -connect "$LAB_VIP:443" -servername node.example </dev/null 2>/dev/null |
	openssl x509 -pubkey -noout | openssl pkey -pubin -outform der | openssl dgst -sha256 -binary | base64)
# title PROFILE: the page's, as its script left it. The key stands for the lab's CA.
title() {
	on client timeout 40 chromium --headless --no-sandbox --disable-gpu --disable-dev-shm-usage \
		--disable-background-networking --no-first-run --user-data-dir="$TMP/$1" \
		--ignore-certificate-errors-spki-list="$key" --host-resolver-rules="MAP node.example $LAB_VIP" \
		--dump-dom https://node.example/page 2>"$TMP/$1.log" | sed -nE 's/.*<title>([^<]*)<.*/\1/p'
}
is "75 scripts ran, 25 pictures were drawn, 100 objects came by h2" "$(title first)" "75 25 100 h2"
is "the workload was asked for each" "$(fetch /objects)" 100
hits=$(counter edge cache_hit)
is "a second browser has the same page" "$(title second)" "75 25 100 h2"
is "and the workload was asked for none" "$(fetch /objects)" 100
at_least "hits at the edge" "$(($(counter edge cache_hit) - hits))" 100
finish
