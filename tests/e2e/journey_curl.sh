# SPDX-License-Identifier: Apache-2.0
# Bodies of every size cross edge, gateway and sidecar unchanged, over h1 and h2, IPv4 and IPv6.
. "$(dirname "$0")/lib.sh"

lab_up journey
works "the workload's stand-in starts" start_origin 8081

sizes="0 1 1000 102400 10485760"
[ "$E2E_FULL" = 1 ] && sizes="$sizes 67108864"
FETCH_SECONDS=200
for size in $sizes; do
	wanted=$(digest_of "$size")
	for version in --http1.1 --http2; do
		for ip in 4 6; do
			FETCH_IP=$ip
			is "$size bytes by $version over IPv$ip" \
				"$(fetch "/bytes/$size" $version | sum)" "$wanted"
		done
	done
done
FETCH_IP=4
is "a chunked response keeps its bytes" \
	"$(fetch '/bytes/3000000?chunked' --http1.1 | sum)" "$(digest_of 3000000)"
is "a chunked response keeps its bytes over h2" \
	"$(fetch '/bytes/3000000?chunked' --http2 | sum)" "$(digest_of 3000000)"
is "HEAD has the length and no body" \
	"$(fetch /bytes/1000 --head --http1.1 | tr -d '\r' | grep -ic '^content-length: 1000$')" 1
is "h2 is offered and taken" \
	"$(fetch /bytes/1 -o /dev/null -w '%{http_version}')" 2
is "one connection carries many requests" \
	"$(fetch '/bytes/[1-20]' --http1.1 -o /dev/null -w '%{num_connects}\n' | sort | uniq -c | tr -s ' \n' ' ')" \
	" 19 0 1 1 "
is "many streams at once over one h2 connection" \
	"$(on client nghttp -n --no-verify-peer -m 50 -s https://api.example/bytes/20000 2>/dev/null |
		grep -c ' 200 ')" 50
for node in $(nodes); do
	is "$node dropped no packet for a wrong checksum" "$(counter "$node" tcp_bad_checksum)" 0
done
finish
