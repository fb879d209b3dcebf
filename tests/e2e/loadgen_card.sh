# SPDX-License-Identifier: Apache-2.0
# A port that sums and cuts segments, as cards do: the edge's is a virtio-user device, its card is loadgen
# (net_vhost), which finishes the checksums by what the edge wrote, and checks them. loadgen --serve does run
# after run on one port.
. "$(dirname "$0")/lib.sh"

mkfifo "$TMP/runs"
"$MILLRACE_BUILD/tools/loadgen/loadgen" --serve --connections 16 --address 198.51.100.10/24 \
	--port "net_vhost0,iface=$TMP/card,tso=1" <"$TMP/runs" >"$TMP/answers" 2>"$TMP/loadgen.log" &
loadgen=$!
exec 7>"$TMP/runs"
eventually 10 test -S "$TMP/card"
lab_up single --card "$TMP/card"
background on origin python3 "$ROOT/tests/support/origin.py" 8080 7>&-
eventually 10 on origin curl -s -o "$TMP/body" "http://127.0.0.1:8080/bytes/1000000?seed=7"
runs=0

# has_answered N: whether loadgen has told of so many runs.
has_answered() {
	[ "$(wc -l <"$TMP/answers")" -ge "$1" ]
}
# load WORDS ...: one more run; its JSON is the last line of answers.
load() {
	(IFS=$'\t' && echo "$*") >&7
	runs=$((runs + 1))
	eventually 20 has_answered "$runs"
}
# say EXPRESSION: of the last run's JSON, as r.
say() {
	tail -n 1 "$TMP/answers" | python3 -c 'import json, sys; r = json.load(sys.stdin); print(eval(sys.argv[1]))' "$1"
}
# ask CONNECTIONS COUNT TARGET...: requests whose every byte is compared.
ask() {
	load --to "$LAB_VIP:443" --host "$LAB_HOST" --ca "$LAB_CA" --connections "$1" --count "$2" "$3"
}
large="GET /bytes/1000000?seed=7&cache=max-age=600 body=$TMP/body"

ask 1 1 "$large"
is "an answer comes" "$(say "r['whole_run']['requests'], r['errors']")" "(1, 0)"
packets=$(counter edge port_tx_packets) bytes=$(counter edge port_tx_bytes)
ask 4 100 "$large"
is "every answer is right" "$(say "r['whole_run']['requests'], r['errors'], r['bytes']")" "(100, 0, 100000000)"
packets=$(($(counter edge port_tx_packets) - packets)) bytes=$(($(counter edge port_tx_bytes) - bytes))
at_least "bytes of a packet that the edge hands over" $((bytes / packets)) 10000
is "the edge cuts none itself" "$(counter edge net_software_segments)" 0
is "no checksum was wrong" "$(say "[n for n in r['counters'] if n.startswith('drop_') and 'checksum' in n]")" "[]"

ask 16 400 "GET /bytes/10?cache=max-age=600 bytes=10"
is "small answers, too" "$(say "r['whole_run']['requests'], r['errors']")" "(400, 0)"

exec 7>&-
wait "$loadgen"
is "loadgen ends with its input" "$? $runs" "0 3"
finish
