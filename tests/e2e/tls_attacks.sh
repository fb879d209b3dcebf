# SPDX-License-Identifier: Apache-2.0
# What clients do to TLS: KeyUpdate floods, renegotiation, tiny and cut records, early data, tickets.
. "$(dirname "$0")/lib.sh"

lab_up single
background on origin python3 "$ROOT/tests/support/origin.py" 8080
works "the edge serves" eventually 10 test_status 200 /echo
tap on client /usr/bin/python3 "$ROOT/tests/support/tls_attack.py" "$LAB_VIP" "$LAB_HOST" "$LAB_CA"
counts "the KeyUpdates were counted" edge tls_key_update_flood 0

# ask_openssl ARGS ...: one request by s_client; what it says of the session.
ask_openssl() {
	printf 'GET /echo HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n' "$LAB_HOST" |
		on client timeout 10 openssl s_client -connect "$LAB_VIP:443" -servername "$LAB_HOST" \
			-CAfile "$LAB_CA" -tls1_3 -ign_eof "$@" 2>&1
}
ask_openssl -sess_out "$TMP/session" >"$TMP/first"
matches "a ticket is given" "$(cat "$TMP/first")" 'New, TLSv1.3'
matches "it promises no early data" "$(openssl sess_id -in "$TMP/session" -noout -text)" \
	'Max Early Data: 0'
matches "a ticket resumes" "$(ask_openssl -sess_in "$TMP/session")" 'Reused, TLSv1.3'
is "the edge serves afterwards" "$(status_of /echo)" 200
finish
