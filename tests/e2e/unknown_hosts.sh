# SPDX-License-Identifier: Apache-2.0
# Hosts that nobody serves: asked for once, answered 404, remembered; certificates by name.
. "$(dirname "$0")/lib.sh"

lab_up journey
works "the workload's stand-in starts" start_origin 8081
FETCH_HOST=nobody.example
no_route=$(counter edge exchange_no_route)
lookups=$(counter edge channel_lookups)
is "a host that nobody serves is 404" "$(status_of / -k)" 404
counts "and counted" edge exchange_no_route "$no_route"
counts "control was asked" edge channel_lookups "$lookups"
lookups=$(counter edge channel_lookups)
for _ in 1 2 3 4 5; do
	status_of / -k >/dev/null
done
is "the negative answer is remembered" "$(counter edge channel_lookups)" "$lookups"
matches "the answer says why" "$(head_of / -k)" '^HTTP/2 404'

FETCH_HOST=late.example
is "a host before its service is set" "$(status_of / -k)" 404
works "its service is set" set_service late --host late.example --to "${LAB_ORIGIN%:*}:8081"
works "then it is served, long before the negative answer ends" eventually 4 test_status 200 /echo
works "the service is removed" millrace gateway service remove late
works "then it is 404 again" eventually 10 test_status 404 /echo

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
	grep -c 'Verify return code: 0')" 1
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
