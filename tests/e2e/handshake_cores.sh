# SPDX-License-Identifier: Apache-2.0
# An edge whose handshakes' public-key work is done on another core: clients are served as without it, connections
# that are reset in between leave nothing behind, an idle helper costs nothing, and SIGTERM ends politely.
. "$(dirname "$0")/lib.sh"

if [ "$(nproc)" = 1 ]; then
	skip "handshakes by another core" "there is one only"
	finish
fi
cat >"$TMP/edge.conf" <<-EOF_CONF
	dataplane = { cores = "0"; handshake_cores = "1"; drain_time = "4s"; drain_notice = "500ms"; };
	tls = { handshake_jobs = 8; };
EOF_CONF
lab_up single --edge-conf "$TMP/edge.conf"
works "the origin starts" start_origin 8080
works "the edge serves" eventually 10 test_status 200 /echo
at_least "by a job of the helper core" "$(counter edge tls_jobs_done)" 1
is "a body is whole" "$(fetch /bytes/3000000 | sum)" "$(on origin curl -s http://127.0.0.1:8080/bytes/3000000 | sum)"

# shakes COUNT ARGS ...: as many requests, each by a connection of its own.
shakes() {
	local count=$1
	shift
	on client h2load --connect-to "$LAB_VIP:443" -n "$count" -c "$count" "$@" "https://$LAB_HOST/echo" 2>&1
}
for version in --h1 --npn-list=h2; do
	matches "200 handshakes at once ($version)" "$(shakes 200 $version)" "200 done, 200 succeeded, 0 failed"
done
at_least "the helper core did some of them" "$(counter edge tls_jobs_done)" 20
is "every one went one of the ways" "$(counter edge tls_handshakes_own)" \
	"$(($(counter edge tls_jobs_done) + $(counter edge tls_jobs_full) + $(counter edge tls_jobs_late)))"
at_least "it made shares ahead, too" "$(counter edge tls_shares_offloaded)" 64

printf 'GET /echo HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n' "$LAB_HOST" >"$TMP/request"
ask_openssl() {
	on client timeout 10 openssl s_client -connect "$LAB_VIP:443" -servername "$LAB_HOST" -CAfile "$LAB_CA" \
		-verify_return_error -ign_eof "$@" <"$TMP/request" 2>&1 | tr -d '\0\r' | tr '\n' ' '
}
before=$(counter edge tls_jobs_done)
matches "OpenSSL: a full handshake" "$(ask_openssl -tls1_3 -sess_out "$TMP/first")" 'New, TLSv1.3.*HTTP/1.1 200'
matches "OpenSSL: a ticket resumes" "$(ask_openssl -tls1_3 -sess_in "$TMP/first")" 'Reused, TLSv1.3.*HTTP/1.1 200'
counts "both by jobs" edge tls_jobs_done $((before + 1))
matches "OpenSSL: P-256, by the worker" "$(ask_openssl -tls1_3 -groups P-256)" 'prime256v1.*HTTP/1.1 200'
matches "OpenSSL: TLS 1.2, by libssl" "$(ask_openssl -tls1_2)" 'TLSv1.2.*HTTP/1.1 200'

matches "connections are reset behind their ClientHello" \
	"$(on client /usr/bin/python3 "$ROOT/tests/support/handshake_resets.py" "$LAB_VIP" "$LAB_HOST" 40)" "640 reset"
at_least "their answers were for nobody" "$(counter edge tls_jobs_stale)" 1
works "no job is left" eventually 5 counter_is edge tls_jobs 0
works "no handshake is left" eventually 5 counter_is edge tls_handshakes 0
is "the edge still serves" "$(status_of /echo)" 200

# An idle helper sleeps.
sleep 1
before=$(cpu_ms "$(pid_of edge dataplane)")
sleep 2
at_most "two idle seconds cost, in ms" $(($(cpu_ms "$(pid_of edge dataplane)") - before)) 100
at_least "helpers were woken" "$(counter edge worker_offload_wakes)" 1

# SIGTERM while handshakes come: who was taken is served.
: >"$LAB_DIR/edge/dataplane.hold"
background on client /usr/bin/python3 "$ROOT/tests/support/handshake_resets.py" "$LAB_VIP" "$LAB_HOST" 1000 \
	>/dev/null 2>&1
for version in h1 h2; do
	background on client /usr/bin/python3 "$ROOT/tests/support/steady_client.py" "$LAB_VIP" "$LAB_HOST" "$LAB_CA" \
		$version /echo 20 >"$TMP/$version"
done
sleep 1
kill -TERM "$(pid_of edge dataplane)"
works "the edge ends" eventually 10 grep -q "dataplane ended with" "$LAB_DIR/edge/dataplane.log"
is "well" "$(sed -n 's/.*dataplane ended with //p' "$LAB_DIR/edge/dataplane.log" | tail -1)" 0
for version in h1 h2; do
	works "the steady client ends ($version)" eventually 5 grep -q answered "$TMP/$version"
	matches "no request of it failed ($version)" "$(cat "$TMP/$version")" "^[0-9]+ answered, 0 failed"
done
finish
