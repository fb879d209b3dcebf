# SPDX-License-Identifier: Apache-2.0
# What two readers could understand differently is refused, counted, and never reaches the origin; each
# frame of HTTP/2 at each moment gets the answer that RFC 9113 names.
. "$(dirname "$0")/lib.sh"

lab_up single
background on origin python3 "$ROOT/tests/support/origin.py" 8080
works "the origin answers" eventually 10 test_status 200 /echo
tap on client /usr/bin/python3 "$ROOT/tests/support/h2_conformance.py" "$LAB_VIP" "$LAB_HOST" "$LAB_CA"
at_least "frames on a stream that has ended were counted" "$(counter edge http_h2_stream_closed)" 3
kill "${BACKGROUND[0]}"
wait "${BACKGROUND[0]}" 2>/dev/null

: >"$TMP/seen"
background on origin python3 "$ROOT/tests/support/raw_origin.py" 8080 "$TMP/seen"
works "the noting origin answers" eventually 10 test_status 200 /ready
tap on client /usr/bin/python3 "$ROOT/tests/support/smuggle.py" "$LAB_VIP" "$LAB_HOST" "$LAB_CA" \
	"$LAB_DIR/edge/run" "$TMP/seen"
tap on client /usr/bin/python3 "$ROOT/tests/support/smuggle_published.py" "$LAB_VIP" "$LAB_HOST" \
	"$LAB_CA" "$TMP/seen"
finish
