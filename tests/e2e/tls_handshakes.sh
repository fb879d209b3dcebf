# SPDX-License-Identifier: Apache-2.0
# Handshakes of TLS 1.3 at an edge: other people's clients with each suite, group, certificate and way to
# resume, and rows of right, odd and wrong messages, each answered as RFC 8446 says.
. "$(dirname "$0")/lib.sh"

# certify NAME GENPKEY-ARGS ...: a certificate for NAME.test; its own authority.
certify() {
	local name=$1
	shift
	openssl genpkey "$@" -out "$TMP/$name.key" 2>/dev/null
	openssl req -x509 -key "$TMP/$name.key" -days 2 -subj "/CN=$name.test" \
		-addext "subjectAltName=DNS:$name.test" -out "$TMP/$name.pem" 2>/dev/null
}
certify p256 -algorithm EC -pkeyopt ec_paramgen_curve:P-256
certify p384 -algorithm EC -pkeyopt ec_paramgen_curve:P-384
certify ed25519 -algorithm ED25519
certify rsa -algorithm RSA -pkeyopt rsa_keygen_bits:2048
cat "$TMP"/*.pem >"$TMP/all.pem"
cat >"$TMP/edge.conf" <<-EOF_CONF
	dataplane = { ports = ( { addresses = ["203.0.113.10/32"]; } ); };
	listen = ( { address = "*"; port = 443; protocol = "https"; } );
	certificates = ( { chain = "$TMP/p256.pem"; key = "$TMP/p256.key"; default = true; },
	                 { chain = "$TMP/p384.pem"; key = "$TMP/p384.key"; },
	                 { chain = "$TMP/ed25519.pem"; key = "$TMP/ed25519.key"; },
	                 { chain = "$TMP/rsa.pem"; key = "$TMP/rsa.key"; } );
EOF_CONF

# try_rows ARGS ...: every row on an edge of its own.
try_rows() {
	lab_up single --edge-conf "$TMP/edge.conf" "$@"
	LAB_CA=$TMP/all.pem FETCH_HOST=p256.test
	background on origin python3 "$ROOT/tests/support/origin.py" 8080
	works "the edge serves" eventually 10 test_status 200 /echo
	tap on client /usr/bin/python3 "$ROOT/tests/support/tls_handshakes.py" "$LAB_VIP"
}
try_rows --set edge:tls.own_handshake=false
is "with OpenSSL's handshake" "$(counter edge tls_handshakes_own)" 0
stop_origin() {
	kill "${BACKGROUND[-1]}"
	wait "${BACKGROUND[-1]}" 2>/dev/null
}
stop_origin
if [ "$(nproc)" -gt 1 ]; then
	try_rows --set edge:dataplane.cores=0-0 --set edge:dataplane.handshake_cores=1-1
	at_least "with a helper core's part" "$(counter edge tls_jobs_done)" 50
	stop_origin
fi
try_rows
at_least "with our own" "$(counter edge tls_handshakes_own)" 200

printf 'GET /echo HTTP/1.1\r\nHost: p256.test\r\nConnection: close\r\n\r\n' >"$TMP/request"

# ask_openssl ARGS ...: one request by s_client; what it says of the session and the answer.
ask_openssl() {
	on client timeout 10 openssl s_client -connect "$LAB_VIP:443" -CAfile "$LAB_CA" \
		-verify_return_error -ign_eof "$@" <"$TMP/request" 2>&1 | tr -d '\0'
}
while IFS='|' read -r sentence wanted args; do
	# shellcheck disable=SC2086 # several words
	said=$(ask_openssl $args | tr -d '\r' | tr '\n' ' ')
	matches "OpenSSL: $sentence" "$said" "$wanted.*HTTP/1.1 200"
done <<-EOF_ROWS
	AES-128|TLS_AES_128_GCM_SHA256|-tls1_3 -ciphersuites TLS_AES_128_GCM_SHA256
	AES-256|TLS_AES_256_GCM_SHA384|-tls1_3 -ciphersuites TLS_AES_256_GCM_SHA384
	ChaCha20|TLS_CHACHA20_POLY1305_SHA256|-tls1_3 -ciphersuites TLS_CHACHA20_POLY1305_SHA256
	X25519|Server Temp Key: X25519|-tls1_3 -groups X25519
	P-256|Server Temp Key: ECDH, prime256v1|-tls1_3 -groups P-256
	P-384|Server Temp Key: ECDH, secp384r1|-tls1_3 -groups P-384
	another share first: a retry for X25519|Server Temp Key: X25519|-tls1_3 -groups P-521:X25519
	another share first: a retry for P-256|Server Temp Key: ECDH, prime256v1|-tls1_3 -groups X448:P-256
	a retry for P-384|Server Temp Key: ECDH, secp384r1|-tls1_3 -groups P-521:P-384
	no name|subject=CN = p256.test|-tls1_3 -noservername
	a name|subject=CN = p256.test|-tls1_3 -servername p256.test
	P-384's certificate|Peer signature type: ECDSA|-tls1_3 -servername p384.test
	Ed25519's certificate|Peer signature type: ed25519|-tls1_3 -servername ed25519.test
	RSA's certificate|Peer signature type: RSA-PSS|-tls1_3 -servername rsa.test
	RSA with SHA-512|Peer signing digest: SHA512|-tls1_3 -servername rsa.test -sigalgs rsa_pss_rsae_sha512
	http/1.1 by ALPN|ALPN protocol: http/1.1|-tls1_3 -alpn http/1.1
	unknown protocols before http/1.1|ALPN protocol: http/1.1|-tls1_3 -alpn spdy/3,http/1.1
	no compatibility mode|New, TLSv1.3|-tls1_3 -no_middlebox
	small records|New, TLSv1.3|-tls1_3 -max_send_frag 512
	status_request|New, TLSv1.3|-tls1_3 -status
	post-handshake authentication is offered|New, TLSv1.3|-tls1_3 -enable_pha
	no ticket wanted|New, TLSv1.3|-tls1_3 -no_ticket
	TLS 1.2|New, TLSv1.2|-tls1_2
EOF_ROWS
matches "OpenSSL: unknown protocols only are refused" "$(ask_openssl -tls1_3 -alpn spdy/3)" \
	'alert no application protocol'
matches "OpenSSL: h2 before http/1.1" "$(ask_openssl -tls1_3 -alpn http/1.1,h2)" 'ALPN protocol: h2'
# A client that wants short records gets all of a body, whether or not they are promised (RFC 6066 4).
wanted=$(fetch /bytes/50000 | sum)
printf 'GET /bytes/50000 HTTP/1.1\r\nHost: p256.test\r\nConnection: close\r\n\r\n' >"$TMP/long"
for version in -tls1_2 -tls1_3; do
	on client timeout 10 openssl s_client -connect "$LAB_VIP:443" -quiet -ign_eof $version -maxfraglen 512 \
		<"$TMP/long" 2>/dev/null | sed '1,/^\r$/d' >"$TMP/body"
	is "OpenSSL: records of 512 bytes $version" "$(sum <"$TMP/body")" "$wanted"
done
for suite in TLS_AES_128_GCM_SHA256 TLS_AES_256_GCM_SHA384 TLS_CHACHA20_POLY1305_SHA256; do
	ask_openssl -tls1_3 -ciphersuites $suite -sess_out "$TMP/first" >/dev/null
	said=$(ask_openssl -tls1_3 -ciphersuites $suite -sess_in "$TMP/first" -sess_out "$TMP/second")
	matches "OpenSSL: a ticket of $suite resumes" "$said" 'Reused, TLSv1.3'
	# Retries are libssl's, which does not know the tickets of our own handshake.
	matches "OpenSSL: and the next one" "$(ask_openssl -tls1_3 -ciphersuites $suite \
		-sess_in "$TMP/second" -groups X25519 -sess_out "$TMP/third")" 'Reused, TLSv1.3'
	matches "OpenSSL: with a retry it is a full handshake" "$(ask_openssl -tls1_3 \
		-ciphersuites $suite -sess_in "$TMP/third" -groups P-521:X25519)" 'New, TLSv1.3'
done

# ask_gnutls PRIORITY ARGS ...
ask_gnutls() {
	local priority=$1
	shift
	on client timeout 10 gnutls-cli --x509cafile "$LAB_CA" --sni-hostname p256.test \
		--verify-hostname p256.test --priority "NORMAL:-VERS-ALL:+VERS-TLS1.3$priority" \
		-p 443 "$@" "$LAB_VIP" <"$TMP/request" 2>&1 | tr -d '\r\0' | tr '\n' ' '
}
while IFS='|' read -r sentence wanted priority args; do
	# shellcheck disable=SC2086 # several words
	matches "GnuTLS: $sentence" "$(ask_gnutls "$priority" $args)" "$wanted.*HTTP/1.1 200"
done <<-EOF_ROWS
	its usual hello|SECP256R1|
	AES-128|AES-128-GCM|:-CIPHER-ALL:+AES-128-GCM
	AES-256|AES-256-GCM|:-CIPHER-ALL:+AES-256-GCM
	ChaCha20|CHACHA20-POLY1305|:-CIPHER-ALL:+CHACHA20-POLY1305
	X25519|X25519|:-GROUP-ALL:+GROUP-X25519
	P-384|SECP384R1|:-GROUP-ALL:+GROUP-SECP384R1
	a retry for X25519|X25519|:-GROUP-ALL:+GROUP-SECP521R1:+GROUP-X25519|--single-key-share
	a retry for P-256|SECP256R1|:-GROUP-ALL:+GROUP-FFDHE2048:+GROUP-SECP256R1|--single-key-share
	a ticket resumes|This is a resumed session||--resume
	a ticket resumes with AES-256|This is a resumed session|:-CIPHER-ALL:+AES-256-GCM|--resume
	http/1.1 by ALPN|Application protocol: http/1.1||--alpn http/1.1
EOF_ROWS

# ask_nss ARGS ...: a request by NSS's test client.
ask_nss() {
	on client timeout 10 tstclnt -h "$LAB_VIP" -p 443 -a p256.test -D -o -V tls1.3:tls1.3 \
		-A "$TMP/request" "$@" 2>&1 | tr -d '\r\0' | tr '\n' ' '
}
while IFS='|' read -r sentence wanted args; do
	# shellcheck disable=SC2086 # several words
	matches "NSS: $sentence" "$(ask_nss $args)" "$wanted"
done <<-EOF_ROWS
	its usual hello|HTTP/1.1 200|
	AES-128|128-bit AES-GCM.*HTTP/1.1 200|-v -c :1301
	AES-256|256-bit AES-GCM.*HTTP/1.1 200|-v -c :1302
	ChaCha20|256-bit CHACHA20POLY1305.*HTTP/1.1 200|-v -c :1303
	P-256|HTTP/1.1 200|-I P256
	P-384|HTTP/1.1 200|-I P384
	a retry for X25519|HTTP/1.1 200|-I P521,x25519
	X25519 and P-256 shares|HTTP/1.1 200|-i 2 -I x25519,P256
	a ticket resumes|1 stateless resumes.*HTTP/1.1 200|-v -L 2
EOF_ROWS
finish
