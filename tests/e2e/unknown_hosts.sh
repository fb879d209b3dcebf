# SPDX-License-Identifier: Apache-2.0
# Hosts that nobody serves: asked for once, answered 404, remembered; certificates by name.
. "$(dirname "$0")/lib.sh"

lab_up journey
works "the workload's stand-in starts" start_origin 8081
FETCH_HOST=api.example
no_route=$(counter edge exchange_no_route)
lookups=$(counter edge channel_lookups)
is "a host that nobody serves is 404" "$(status_of / -H 'Host: nobody.example')" 404
counts "and counted" edge exchange_no_route "$no_route"
counts "control was asked" edge channel_lookups "$lookups"
lookups=$(counter edge channel_lookups)
for _ in 1 2 3 4 5; do
	status_of / -H 'Host: nobody.example' >/dev/null
done
# Each worker asks for itself.
workers=$(grep -oP -- '--workers \K\d+' <<<"${E2E_LAB_ARGS:-}" || echo 1)
at_most "the negative answer is remembered" "$(counter edge channel_lookups)" \
	$((lookups + workers - 1))
is "a path that nobody serves is 404" "$(status_of / -H 'Host: late.example')" 404
FETCH_HOST=nobody.example
unrecognized=$(counter edge tls_unrecognized_name)
matches "there is no certificate for a name that nobody serves" "$(fetch / -k 2>&1)" 'unrecognized name'
counts "and that is counted" edge tls_unrecognized_name "$unrecognized"

FETCH_HOST=api.example
works "the service of late.example is set" set_service late --host late.example --to "${LAB_ORIGIN%:*}:8081"
works "then it is served, before the negative answer ends" \
	eventually 3 test_status 200 /echo -H 'Host: late.example'
FETCH_HOST=late.example
works "with a certificate of its own" eventually 10 test_status 200 /echo
FETCH_HOST=api.example
works "the service is removed" millrace gateway service remove late
works "then it is 404 again" eventually 10 test_status 404 /echo -H 'Host: late.example'

FETCH_HOST=api.example
is "a path prefix of another service" "$(
	set_service deep --host api.example --path /deep --to "${LAB_ORIGIN%:*}:8081" >/dev/null
	eventually 5 test_status 404 /deep/x && echo found)" found
is "while the host's other paths stay" "$(status_of /echo)" 200

names=$(on client openssl s_client -connect "$LAB_VIP:443" -servername "$FETCH_HOST" </dev/null 2>/dev/null |
	openssl x509 -noout -ext subjectAltName)
matches "the certificate is for the host" "$names" 'DNS:api\.example'
is "and is trusted by the lab's CA" "$(on client openssl s_client -connect "$LAB_VIP:443" -CAfile "$LAB_CA" \
	-verify_return_error -verify_hostname api.example -servername api.example </dev/null 2>/dev/null |
	grep -m 1 -o 'Verify return code: 0')" 'Verify return code: 0'
is "TLS 1.2 is served too" "$(status_of /echo --tls-max 1.2)" 200
# session ARGS ...: one request on a TLS connection of its own.
session() {
	printf 'GET /echo HTTP/1.1\r\nHost: api.example\r\nConnection: close\r\n\r\n' |
		on client timeout 10 openssl s_client -connect "$LAB_VIP:443" -servername api.example \
			-ign_eof "$@" 2>/dev/null
}
session -sess_out "$TMP/session" >/dev/null
is "a session is resumed by its ticket" "$(session -sess_in "$TMP/session" | grep -c '^Reused')" 1
finish
