# SPDX-License-Identifier: Apache-2.0
# Our CUBIC and the Linux kernel's share one bottleneck: each gets its half. A second kernel in our place
# (twin) is the control: what it gets is told, since two kernels do not share evenly either.
#
# Who begins takes the link first, so that they take turns, and what comes before they met is not counted.
# ACKs are late by up to a millisecond, at random: without it whose segments arrive when the full queue
# has just lost one is decided by microseconds of their hosts and stays so for ever; ours, in user space,
# comes behind the kernel's then and took 70 % of everything.
#
# One run of 12 s within 25 % of the link; with E2E_LONG=1 the mean of four runs on two links within
# 15 %, and BBR is told. FAIR_LINKS="KBIT:RTT_MS:SECONDS:SKIPPED ...", FAIR_RUNS choose others;
# FAIR_TRACE=DIR keeps what both senders thought all along.
. "$(dirname "$0")/lib.sh"
. "$ROOT/tests/support/wire.sh"

LINKS="25000:20:12:4" RUNS=1 WITHIN=25 TOLD=""
[ "${E2E_LONG:-0}" = 1 ] && LINKS="25000:20:20:5 50000:40:60:30" RUNS=4 WITHIN=15 TOLD=bbr
LINKS=${FAIR_LINKS:-$LINKS}
RUNS=${FAIR_RUNS:-$RUNS}
JITTER_US=1000

# share FAR CC SEED RATE_KBIT RTT_MS SECONDS SKIPPED: what FAR got and the kernel's CUBIC beside it, in
# kbit/s, what both sent again, and how often the queue was full and the relay late by a millisecond.
share() {
	local far=$1 cc=$2 seed=$3 rate=$4 rtt=$5 seconds=$6 trace=()
	local ask=(--down 100000000000 --stop-ms $((seconds * 1000)) --skip-ms $(($7 * 1000)) --seconds $((seconds + 9)))
	local queued="delay_us=$((rtt * 500)),rate_kbit=$rate,queue_bytes=$((rate * rtt / 8))"
	[ -n "${FAIR_TRACE:-}" ] && trace=(--trace 50)
	serve "$far" mine --seconds 90 --cc "$cc" "${trace[@]}"
	[ "$far" = ours ] && bridge_tap
	serve right theirs --seconds 90 --cc cubic "${trace[@]}"
	relay both --seconds 90 --seed "$seed" --to-left "$queued" \
		--to-right "delay_us=$((rtt * 500)),jitter_us=$JITTER_US"
	[ $((seed % 2)) = 0 ] && call left from_mine --connect "${FAR4[$far]}:7000" "${ask[@]}"
	call left from_kernel --connect "${FAR4[right]}:7000" "${ask[@]}"
	[ $((seed % 2)) = 1 ] && call left from_mine --connect "${FAR4[$far]}:7000" "${ask[@]}"
	join from_mine
	join from_kernel
	stop relay
	stop mine
	stop theirs
	[ -n "${FAIR_TRACE:-}" ] && mkdir -p "$FAIR_TRACE/$far.$cc.$seed" && cp "$TMP"/*.{out,err} "$FAIR_TRACE/$far.$cc.$seed"
	echo "$(field from_mine in_kbit) $(field from_kernel in_kbit) $(field mine retransmits)" \
		"$(field theirs retransmits) $(field relay to_left_queue_full late_count)"
}

# tell FAR CC LINK: all runs, as comments; the mean share in per cent is left in MEAN.
tell() {
	local run words
	IFS=: read -ra words <<<"$3"
	rm -f "$TMP/shares"
	for ((run = 1; run <= RUNS; run++)); do
		share "$1" "$2" $run "${words[@]}" >>"$TMP/shares"
	done
	MEAN=$(awk '{sum += $1 * 100 / ($1 + $2 + 1)} END {print int(sum / NR + 0.5)}' "$TMP/shares")
	awk -v who="$1, $2" '{printf "#   %s: %d %%, %s kbit/s, the kernel beside it %s; sent again %s and %s; queue full %s, relay late %s\n",
		who, $1 * 100 / ($1 + $2 + 1), $1, $2, $3, $4, $5, $6}' "$TMP/shares"
	echo "# ${words[0]} kbit/s, ${words[1]} ms: $1, $2, has $MEAN % beside the kernel's CUBIC"
}

wire_up
bridge_up with-relay
wire_twin
host_conf 'send_buffer = "4MiB"' 'receive_buffer = "6MiB"'
for link in $LINKS; do
	tell twin cubic "$link"
	tell ours cubic "$link"
	at_least "$link: beside the kernel's CUBIC, ours gets its part, % of both" "$MEAN" $((50 - WITHIN))
	at_most "$link: and leaves the kernel its own" "$MEAN" $((50 + WITHIN))
	for cc in $TOLD; do tell ours "$cc" "$link"; done
done
finish
