# SPDX-License-Identifier: Apache-2.0
# Our CUBIC and the Linux kernel's share one bottleneck: each gets its half, within 15 % of the link when
# E2E_LONG=1 (three runs of 30 s, the median), within 35 % in one short run. BBR is only told.
. "$(dirname "$0")/lib.sh"
. "$ROOT/tests/support/wire.sh"

RUNS=1 SECONDS_EACH=14 WITHIN=35
[ "${E2E_LONG:-0}" = 1 ] && RUNS=3 SECONDS_EACH=30 WITHIN=15
RATE_KBIT=50000 RTT_MS=40

# share CC SEED: per mille of what both got that was ours, and what both got in kbit/s. Both send to left.
share() {
	local cc=$1 ask=(--down 100000000000 --stop-ms $((SECONDS_EACH * 1000)) --seconds $((SECONDS_EACH + 9)))
	serve ours mine --seconds 90 --cc "$cc" && bridge_tap
	serve right theirs --seconds 90 --cc "$cc"
	relay both --seconds 90 --seed "$2" --both \
		"delay_us=$((RTT_MS * 500)),rate_kbit=$RATE_KBIT,queue_bytes=$((RATE_KBIT * RTT_MS / 8))"
	# Who begins takes the whole link first: in turn.
	[ $(($2 % 2)) = 0 ] && call left from_ours --connect "${FAR4[ours]}:7000" "${ask[@]}"
	call left from_kernel --connect "${FAR4[right]}:7000" "${ask[@]}"
	[ $(($2 % 2)) = 1 ] && call left from_ours --connect "${FAR4[ours]}:7000" "${ask[@]}"
	join from_ours
	join from_kernel
	stop relay
	stop mine
	stop theirs
	local ours kernel
	ours=$(field from_ours in_kbit) kernel=$(field from_kernel in_kbit)
	echo "$((ours * 1000 / (ours + kernel + 1))) $ours $kernel $(field mine retransmits) $(field theirs retransmits)"
}

# tell CC: all runs, as comments; the median share in per cent is left in MEDIAN.
tell() {
	local run
	rm -f "$TMP/shares"
	for ((run = 1; run <= RUNS; run++)); do
		share "$1" $run >>"$TMP/shares"
	done
	awk -v cc="$1" '{printf "# %s: ours %s kbit/s, kernel %s kbit/s, sent again %s and %s\n",
		cc, $2, $3, $4, $5}' "$TMP/shares"
	MEDIAN=$(sort -n "$TMP/shares" | awk '{v[NR] = $1} END {print int(v[int((NR + 1) / 2)] / 10)}')
}

wire_up
bridge_up with-relay
host_conf 'send_buffer = "4MiB"' 'receive_buffer = "6MiB"'
tell cubic
at_least "beside the kernel's CUBIC, ours gets its part, % of both" "$MEDIAN" $((50 - WITHIN))
at_most "and leaves the kernel its own" "$MEDIAN" $((50 + WITHIN))
finish
