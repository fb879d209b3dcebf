# SPDX-License-Identifier: Apache-2.0
# Under the address sanitizer: a mesh that worked ends without an error or a leak.
. "$(dirname "$0")/lib.sh"

MILLRACE_BUILD=${MILLRACE_BUILD_ASAN:-$ROOT/build-asan}
if [ ! -d "$MILLRACE_BUILD" ]; then
	skip "a sanitized mesh ends cleanly" "no build with sanitizers"
	finish
fi
export ASAN_OPTIONS=detect_leaks=1:log_path=$TMP/asan UBSAN_OPTIONS=halt_on_error=1:log_path=$TMP/ubsan
lab_up journey --set dataplane.memory=512MiB --set dataplane.drain_time=5s --set dataplane.drain_notice=100ms
works "the workload's stand-in starts" start_origin 8081
FETCH_SECONDS=60
for version in --http1.1 --http2; do
	is "10 MiB by $version" "$(fetch /bytes/10485760 $version | sum)" "$(digest_of 10485760)"
	is "an upload by $version" "$(fetch /upload $version -d hello -o /dev/null -w '%{http_code}')" 200
done
out=$(on client h2load --connect-to "$LAB_VIP:443" -n 1000 -c 10 -m 10 "https://$LAB_HOST/cached/1k" 2>&1)
matches "1000 requests" "$out" "1000 done, 1000 succeeded, 0 failed"
fetch /garbage -o /dev/null 2>/dev/null
fetch /close -o /dev/null 2>/dev/null
for node in $(nodes); do
	for process in control dataplane; do
		: >"$LAB_DIR/$node/$process.hold"
		kill -TERM "$(pid_of "$node" $process)"
	done
done
for node in $(nodes); do
	for process in control dataplane; do
		works "$node's $process ended" eventually 20 grep -q "$process ended with" "$LAB_DIR/$node/$process.log"
		is "$node's $process ended well" \
			"$(sed -n "s/.*$process ended with //p" "$LAB_DIR/$node/$process.log" | tail -1)" 0
	done
done
is "no sanitizer complained" "$(cat "$TMP"/asan* "$TMP"/ubsan* 2>/dev/null | head -40)" ""
finish
