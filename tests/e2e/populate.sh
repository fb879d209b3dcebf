# SPDX-License-Identifier: Apache-2.0
# dataplane.populate: tables for 100,000 routes and connections are in memory soon after the start,
# before anybody uses them; without it they are not. Who ends while they are touched ends at once.
. "$(dirname "$0")/lib.sh"

large=(--set route.routes=100000 --set http.connections=100000 --set tcp.connections=110000)
touched() {
	grep -q 'MiB of tables touched ahead' "$LAB_DIR/edge/dataplane.log"
}

lab_up single "${large[@]}"
without=$(rss_kb edge)
lab_up single "${large[@]}" --set dataplane.populate=true
works "the edge says that all of it was touched" eventually 60 touched
with=$(rss_kb edge)
echo "# $without KiB without, $with KiB with"
at_least "KiB that are in memory ahead" $((with - without)) 180000
background on origin python3 "$ROOT/tests/support/origin.py" 8080
works "the edge serves" eventually 20 test_status 200 /text/1000

lab_up single "${large[@]}" --set dataplane.populate=true --set tcp.connections=2000000
: >"$LAB_DIR/edge/dataplane.hold"
kill -TERM "$(pid_of edge dataplane)"
works "an end does not wait for the rest" eventually 10 grep -q 'dataplane ended with 0' "$LAB_DIR/edge/dataplane.log"
finish
