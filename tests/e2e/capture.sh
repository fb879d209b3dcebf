# SPDX-License-Identifier: Apache-2.0
# `millrace capture`: while traffic goes on, both directions of it into a pcapng file that tcpdump
# reads; filters, bounds, and nothing left afterwards.
. "$(dirname "$0")/lib.sh"

lab_up single
background on origin python3 "$ROOT/tests/support/origin.py" 8080
works "the origin runs" eventually 10 test_status 200 /bytes/100

# read_back FILE [FILTER]: as tcpdump tells it.
read_back() {
	local file=$1
	shift
	tcpdump -nr "$file" "$@" 2>"$TMP/tcpdump.err"
}
lines() {
	read_back "$@" >"$TMP/lines" && wc -l <"$TMP/lines"
}
# tool ARGS ...: the operator's tool itself: signals reach it, and its output is bytes.
tool() {
	${EXEC:-} "$MILLRACE_BUILD/tools/millrace/millrace" --socket "$LAB_DIR/edge/run/control.sock" \
		capture "$@"
}
# capture FILE ARGS ...: in the background; returns when it has begun. captured: stops it.
capture() {
	local file=$1
	shift
	rm -f "$file"
	background tool -w "$file" "$@" 2>"$TMP/account"
	CAPTURE=$!
	eventually 10 test -e "$file"
	sleep 0.3
}
captured() {
	kill -INT "$CAPTURE" 2>/dev/null
	wait "$CAPTURE"
}

# A whole connection, while another one runs.
background fetch '/bytes/40000000?seed=9' --max-time 100 --limit-rate 200k -o /dev/null
other=$!
capture "$TMP/all.pcapng" --port 443
is "curl is served during the capture" "$(status_of /bytes/200000 --local-port 44444)" 200
sleep 0.5 # curl is gone before its FIN has arrived
captured
is "the capture ends well" $? 0
matches "and gives its account" "$(cat "$TMP/account")" \
	"^reason=asked packets=[0-9]+ bytes=[0-9]+ lost=0$"
is "only its owner may read the file" "$(stat -c %a "$TMP/all.pcapng")" 600
out=$(read_back "$TMP/all.pcapng" port 44444)
is "tcpdump finds no fault in it" "$(grep -v '^reading from' "$TMP/tcpdump.err")" ""
matches "the client's SYN is there" "$out" "\.44444 > $LAB_VIP\.443: Flags \[S\]"
matches "our SYN-ACK is there" "$out" "$LAB_VIP\.443 > .*\.44444: Flags \[S\.\]"
matches "its FIN is there" "$out" "\.44444 > $LAB_VIP\.443: Flags \[F\.\]"
bytes=$(grep -E "$LAB_VIP\.443 > " <<<"$out" | sed -E 's/.*length ([0-9]+).*/\1/' |
	awk '{sum += $1} END {print sum + 0}')
at_least "the body's bytes are there" "$bytes" 200000
works "the other connection goes on" kill -0 "$other"
kill "$other"

# Filters.
capture "$TMP/flow.pcapng" --flow "$LAB_VIP:443-203.0.113.99:1"
fetch /bytes/1000 -o /dev/null
captured
is "a flow that does not run is not captured" "$(lines "$TMP/flow.pcapng")" 0
capture "$TMP/host.pcapng" --host "${LAB_ORIGIN%:*}"
fetch '/bytes/1000?host' -o /dev/null
captured
at_least "a host's frames are captured" "$(lines "$TMP/host.pcapng" host "${LAB_ORIGIN%:*}")" 4
is "and nobody else's" "$(lines "$TMP/host.pcapng" not host "${LAB_ORIGIN%:*}")" 0

# Bounds.
capture "$TMP/packets.pcapng" --packets 7 --port 443
fetch /bytes/100000 -o /dev/null
wait "$CAPTURE"
matches "it ends after so many packets" "$(cat "$TMP/account")" "^reason=packets packets=7 "
is "which are in the file" "$(lines "$TMP/packets.pcapng")" 7
capture "$TMP/bytes.pcapng" --bytes 20000 --port 443
fetch /bytes/100000 -o /dev/null
wait "$CAPTURE"
matches "it ends after so many bytes" "$(cat "$TMP/account")" "^reason=bytes "
at_most "the file is no larger, but for its head" "$(stat -c %s "$TMP/bytes.pcapng")" 22000
capture "$TMP/snap.pcapng" --snap 60 --packets 20 --port 443
fetch /bytes/100000 -o /dev/null
wait "$CAPTURE"
at_most "of a frame no more than snap is kept" "$(stat -c %s "$TMP/snap.pcapng")" 5000
capture "$TMP/seconds.pcapng" --seconds 1
wait "$CAPTURE"
matches "it ends after so many seconds" "$(cat "$TMP/account")" "^reason=seconds "

# Standard output, and who asks wrongly.
tool -w - --port 443 --packets 5 >"$TMP/out.pcapng" 2>"$TMP/account" &
fetch /bytes/100000 -o /dev/null
fetch /bytes/100000 -o /dev/null
wait $!
is "standard output is a file, too" "$(lines "$TMP/out.pcapng")" 5
out=$(tool -w "$TMP/x" --host nowhere 2>&1)
matches "a host that is none is refused" "$out" "a host is ADDR"
ln -s "$TMP/target" "$TMP/link"
out=$(tool -w "$TMP/link" --seconds 1 2>&1)
matches "no symbolic link is followed" "$out" "link: "
works "whose capture ends by itself" eventually 10 tool -w "$TMP/x" --seconds 1

# Off again.
ended=$(counter edge worker_captured)
at_least "frames were counted" "$ended" 100
is "and a request" "$(status_of '/bytes/5000?after')" 200
is "afterwards nothing is copied" "$(counter edge worker_captured)" "$ended"
works "the node still serves" test_status 200 /bytes/100
finish
