# SPDX-License-Identifier: Apache-2.0
# SIGTERM ends a data plane politely: who comes at first is served, nobody who asked is left without
# an answer, what takes too long is reset; a second signal ends at once.
. "$(dirname "$0")/lib.sh"

lab_up journey --set edge:dataplane.drain_time=4s --set edge:dataplane.drain_notice=2s \
	--set gateway:dataplane.drain_time=4s
works "the workload's stand-in starts" start_origin 8081
hold() {
	: >"$LAB_DIR/$1/dataplane.hold"
}
release() {
	rm "$LAB_DIR/$1/dataplane.hold"
	eventually 10 test_status 200 /echo
}
log_of() {
	sed '/start dataplane/h;//!H;$!d;x' "$LAB_DIR/$1/dataplane.log"
}
has_ended() {
	grep -q "dataplane ended with 0" <<<"$(log_of "$1")"
}
is_leaving() {
	grep -qE "^$1-1 .*leaving" <<<"$(millrace gateway node list)"
}
steady() {
	on client /usr/bin/python3 "$ROOT/tests/support/steady_client.py" "$LAB_VIP" api.example "$LAB_CA" "$@"
}
digest=$(digest_of 8000000)
hold edge
for version in h1 h2; do
	background steady $version /echo 20 >"$TMP/$version"
done
fetch /bytes/8000000 --limit-rate 3M >"$TMP/download" &
download=$!
fetch /bytes/60000000 --limit-rate 1k -o /dev/null 2>/dev/null &
sleep 1
kill -TERM "$(pid_of edge dataplane)"
works "the others hear that the edge leaves" eventually 2 is_leaving edge
is "who comes meanwhile is served" "$(status_of /echo)" 200
wait $download
is "a download under way ends well" "$?:$(sum <"$TMP/download")" "0:$digest"
for version in h1 h2; do
	works "the steady client ends ($version)" eventually 5 grep -q answered "$TMP/$version"
	matches "no request of it failed, until nobody was taken ($version)" "$(cat "$TMP/$version")" \
		"^[0-9]{2,} answered, 0 failed, [0-9]+ connections, refused"
done
works "the edge ended" eventually 5 has_ended edge
matches "and reset what took too long" "$(log_of edge)" "drained in 4[0-9]{3} ms, 1 connections were reset"
works "a new edge serves" release edge

hold edge
fetch /bytes/60000000 --limit-rate 1k -o /dev/null 2>/dev/null &
sleep 0.5
begin=$(date +%s%N)
kill -TERM "$(pid_of edge dataplane)"
sleep 0.2
kill -TERM "$(pid_of edge dataplane)"
works "a second signal ends it" eventually 3 has_ended edge
at_most "at once, in ms" $((($(date +%s%N) - begin) / 1000000)) 2000
works "a new edge serves again" release edge

# A hop that goes: what is under way through it ends well.
hold gateway
fetch /bytes/8000000 --limit-rate 4M >"$TMP/download" &
download=$!
sleep 0.5
kill -TERM "$(pid_of gateway dataplane)"
wait $download
is "a download through a gateway that ends is whole" "$?:$(sum <"$TMP/download")" "0:$digest"
works "the gateway ended" eventually 6 has_ended gateway
works "a new gateway serves" release gateway
finish
