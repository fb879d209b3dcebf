# SPDX-License-Identifier: Apache-2.0
# On a bad path we are as fast as the Linux kernel: goodput of kernel to kernel, of us to the kernel
# and of the kernel to us over the same link, all CUBIC, one after the other within each repeat.
#
# E2E_LONG=1: the whole table, at least 90 % asserted, and what one bridge without a link brings is told. Without it: two cells, 60 %, so that a busy
# machine does not decide. GOODPUT_CELLS="LOSS_PPM:RTT_MS ...", GOODPUT_REPEATS and GOODPUT_SECONDS
# choose others.
. "$(dirname "$0")/lib.sh"
. "$ROOT/tests/support/wire.sh"

CELLS="0:100 10000:20" REPEATS=2 SECONDS_EACH=3 AT_LEAST=60
if [ "${E2E_LONG:-0}" = 1 ]; then
	REPEATS=3 SECONDS_EACH=6 AT_LEAST=90
	CELLS=$(for loss in 0 1000 10000 30000; do for rtt in 20 100 200; do echo $loss:$rtt; done; done)
fi
CELLS=${GOODPUT_CELLS:-$CELLS}
REPEATS=${GOODPUT_REPEATS:-$REPEATS}
SECONDS_EACH=${GOODPUT_SECONDS:-$SECONDS_EACH}
RATE_KBIT=100000
ENDLESS=100000000000

# shape LOSS_PPM RTT_MS: one direction; the queue holds what one round trip brings.
shape() {
	echo "loss_ppm=$1,spared=20,delay_us=$(($2 * 500)),rate_kbit=$RATE_KBIT,queue_bytes=$(($2 * RATE_KBIT / 8))"
}

# lan SERVER CLIENT ADDRESS: goodput in kbit/s of one connection over the bridge, no relay between.
lan() {
	local ask=(--connect "$3:7000" --down $ENDLESS --stop-ms $((SECONDS_EACH * 1000)) --seconds $((SECONDS_EACH + 8)))
	serve "$1" server --seconds 60
	[ "$1" = ours ] && bridge_tap
	call "$2" client "${ask[@]}"
	[ "$2" = ours ] && bridge_tap
	join client
	stop server
	field client in_kbit
}

# tell_lan: both directions against kernel to kernel.
tell_lan() {
	local kernel sent received
	bridge_up
	kernel=$(lan right left "${FAR4[right]}")
	sent=$(lan ours left "${FAR4[ours]}")
	received=$(lan left ours $LEFT4)
	echo "# a bridge, kbit/s: kernel to kernel $kernel; us to kernel $sent ($((sent * 100 / (kernel + 1))) %);" \
		"kernel to us $received ($((received * 100 / (kernel + 1))) %)"
}

# one SERVER CLIENT ADDRESS FAR SHAPE SEED CONNS: prints the client's goodput in kbit/s, the server's
# retransmissions, and how often the relay was late by a millisecond. tcp_host makes the tap first.
one() {
	local server=$1 client=$2 address=$3 far=$4 wait_ms=$((SECONDS_EACH * 1000))
	local ask=(--connect "$address:7000" --down $ENDLESS --count "$7" --at-once "$7"
		--stop-ms $wait_ms --seconds $((SECONDS_EACH + 8)))
	serve "$server" server --seconds 60
	[ "$client" = ours ] && call ours client "${ask[@]}"
	relay "$far" --seconds 60 --seed "$6" --both "$5"
	[ "$client" = ours ] || call "$client" client "${ask[@]}"
	join client
	stop relay
	stop server
	echo "$(field client in_kbit) $(field server retransmits) $(field relay late_count missed)"
}

median() {
	sort -n | awk '{v[NR] = $1} END {print v[int((NR + 1) / 2)]}'
}

# cell LOSS_PPM RTT_MS: one row of the table and its two cases. Where loss keeps windows small, many
# connections at once say more than one.
cell() {
	local loss=$1 rtt=$2 conns=1 repeat way
	[ "$loss" -ge 1000 ] && conns=2
	[ "$loss" -ge 10000 ] && conns=8
	rm -f "$TMP"/*.rows
	for ((repeat = 1; repeat <= REPEATS; repeat++)); do
		one right left "${FAR4[right]}" right "$(shape "$loss" "$rtt")" $repeat $conns >>"$TMP/kernel.rows"
		one ours left "${FAR4[ours]}" ours "$(shape "$loss" "$rtt")" $repeat $conns >>"$TMP/sent.rows"
		one left ours $LEFT4 ours "$(shape "$loss" "$rtt")" $repeat $conns >>"$TMP/received.rows"
	done
	local kernel sent received
	kernel=$(median <"$TMP/kernel.rows") sent=$(median <"$TMP/sent.rows")
	received=$(median <"$TMP/received.rows")
	echo "# loss $loss ppm, rtt $rtt ms, $conns connections, kbit/s: kernel to kernel $kernel;" \
		"us to kernel $sent ($((sent * 100 / kernel)) %); kernel to us $received ($((received * 100 / kernel)) %)"
	for way in kernel sent received; do
		awk -v way=$way '{printf "#    %s: %s kbit/s, %s sent again; late %s, missed %s\n",
			way, $1, $2, $3, $4}' "$TMP/$way.rows"
	done
	at_least "loss $loss ppm, rtt $rtt ms: we send, % of the kernel's goodput" $((sent * 100 / kernel)) $AT_LEAST
	at_least "loss $loss ppm, rtt $rtt ms: we receive, % of the kernel's goodput" $((received * 100 / kernel)) $AT_LEAST
}

wire_up
host_conf 'send_buffer = "4MiB"' 'receive_buffer = "6MiB"'
for cell in $CELLS; do
	cell "${cell%:*}" "${cell#*:}"
done
[ "${E2E_LONG:-0}" = 1 ] && tell_lan
finish
