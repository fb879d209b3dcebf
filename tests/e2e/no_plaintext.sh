# SPDX-License-Identifier: Apache-2.0
# A capture of the links between nodes shows no byte of a request or response.
. "$(dirname "$0")/lib.sh"

lab_up journey
works "the workload's stand-in starts" start_origin 8081
for link in "edge core0" "gateway side0" "sidecar work0"; do
	set -- $link
	background on "$1" tcpdump -Z root -U -s 0 -w "$TMP/$2.pcap" -i "$2" tcp
	eventually 5 test -s "$TMP/$2.pcap"
done 2>/dev/null
secret=millrace-secret-$RANDOM$RANDOM
FETCH_HOST=api.example
is "a request with a secret is answered" "$(status_of "/echo?$secret" -d "body=$secret")" 200
FETCH_IP=6
is "over IPv6 too" "$(status_of "/echo?$secret" -d "body=$secret")" 200
sleep 1
for link in core0 side0; do
	at_least "bytes captured on $link" "$(stat -c %s "$TMP/$link.pcap")" 1500
	is "no plaintext on $link" "$(grep -aciE "$secret|HTTP/1|api\.example.*/echo" "$TMP/$link.pcap")" 0
	at_least "TLS records on $link" "$(LC_ALL=C grep -aoP '\x17\x03\x03' "$TMP/$link.pcap" | wc -l)" 4
done
at_least "the workload's own link shows it: the capture works" \
	"$(grep -ac "$secret" "$TMP/work0.pcap")" 1
finish
