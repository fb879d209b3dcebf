# SPDX-License-Identifier: Apache-2.0
# What a connection costs that is merely held, in the edge's own resident memory: silent on TCP, at rest
# after a request over HTTP/1.1 and HTTP/2, and with an answer that nobody reads. Each kind is measured
# between a first hundred and a thousand more, while those before stay.
. "$(dirname "$0")/lib.sh"

FIRST=100 MORE=1000 OPEN=0
lab_up single --set tls.handshakes=4096 --set tls.handshake_timeout=2m --set http.connections=8192 \
	--set tcp.connections=16384 --set http.keepalive_timeout=1h --set http.min_rate=0B \
	--set http.exchanges=8192 --set http.head_timeout=10m --set tcp.syn_rate_per_prefix=0
background on origin python3 "$ROOT/tests/support/origin.py" 8080
works "the edge serves" eventually 10 test_status 200 /text/1000
status_of /text/1000000 >/dev/null # both are the cache's now

# holding KIND COUNT PATH: that many more; returns when all are there.
holding() {
	local out=$TMP/$1.$2
	background on client /usr/bin/python3 "$ROOT/tests/support/held_clients.py" "$LAB_VIP" "$LAB_HOST" "$LAB_CA" \
		"$1" "$2" "$3" >"$out" 2>&1
	eventually 60 grep -q "^held $2$" "$out" || sed 's/^/# /' "$out"
	sleep 1 # for what is on its way
}

# held KIND PATH BYTES SENTENCE BUFFERS: what a connection of that kind costs at most, and hundredths of a buffer.
held() {
	local before buffers hundredths each
	holding "$1" $FIRST "$2"
	before=$(rss_kb edge) buffers=$(counter edge worker_bufs_in_use)
	holding "$1" $MORE "$2"
	each=$((($(rss_kb edge) - before) * 1024 / MORE))
	hundredths=$((($(counter edge worker_bufs_in_use) - buffers) * 100 / MORE))
	echo "# $1: $each bytes of resident memory each; $hundredths hundredths of a buffer"
	OPEN=$((OPEN + FIRST + MORE))
	at_least "$4: all are held" "$(counter edge exchange_downstreams_active)" "$OPEN"
	at_most "$4: bytes each" "$each" "$3"
	at_most "$4: hundredths of a buffer each" "$hundredths" "$5"
}

held silent / 2559 "who says nothing" 0
held h1 /text/1000 2559 "at rest over HTTP/1.1" 0
held h2 /text/1000 16383 "at rest over HTTP/2" 0
# A small buffer for the request's head, a large one for the record that TCP has to try; that memory was taken
# at the start, but is touched here first. The body stays the cache's.
held unread /text/1000000 49151 "who does not read" 200
# Of 2048 buffers an eighth is kept free: more who do not read give way, but no more of them than it takes.
shed_before=$(counter edge exchange_shed)
holding unread 1001 /text/1000000
eventually 10 counter_exceeds edge exchange_shed "$shed_before"
sleep 2
at_least "of those who do not read so many stay" "$(counter edge exchange_active)" 1200
is "others are served" "$(status_of /text/1000)" 200
finish
