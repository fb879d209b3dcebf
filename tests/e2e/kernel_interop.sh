# SPDX-License-Identifier: Apache-2.0
# Our TCP and the Linux kernel's understand each other in both directions, over IPv4 and IPv6: every
# byte of every transfer is checked at both ends. E2E_LONG=1 asks for longer transfers.
. "$(dirname "$0")/lib.sh"
. "$ROOT/tests/support/wire.sh"

BAD_LINK=delay_us=2000,jitter_us=1000,loss_ppm=10000,duplicate_ppm=10000,reorder_ppm=20000,reorder_us=4000
MARKING_LINK=delay_us=5000,rate_kbit=50000,queue_bytes=500000,mark_bytes=20000
BULK=20000000
MANY=1000
[ "${E2E_LONG:-0}" = 1 ] && BULK=200000000 MANY=10000

# done_all SENTENCE NAME COUNT: all COUNT transfers of NAME ended well.
done_all() {
	join "$2"
	is "$1" "good, wrong, reset, failed: $(field "$2" good wrong reset failed)" \
		"good, wrong, reset, failed: $3 0 0 0"
}

# kernel_asks SENTENCE COUNT ARGS ...: the kernel opens connections to us, over both families.
kernel_asks() {
	local sentence=$1 count=$2 ip
	shift 2
	for ip in "${FAR4[ours]}" "[${FAR6[ours]}]"; do
		call left client --connect "$ip:7000" --seconds 30 --count "$count" "$@"
		done_all "to us at $ip: $sentence" client "$count"
	done
}

# we_ask SENTENCE COUNT ARGS ...: we open connections to the kernel.
we_ask() {
	local sentence=$1 count=$2 ip
	shift 2
	for ip in $LEFT4 "[$LEFT6]"; do
		call ours client --connect "$ip:7000" --seconds 30 --count "$count" "$@"
		relay ours --seconds 60 --both delay_us=500
		done_all "from us to $ip: $sentence" client "$count"
		stop relay
	done
}

wire_up
host_conf
serve ours host --seconds 120
relay ours --seconds 120 --both delay_us=500
kernel_asks "bulk both ways at once" 1 --up $BULK --down $BULK
kernel_asks "$MANY connections, twenty at once" $MANY --at-once 20 --up 1000 --down 2000
kernel_asks "up, its end, then down" 5 --order up-first --up 300000 --down 300000
kernel_asks "down, our end, then up" 5 --order down-first --up 300000 --down 300000
kernel_asks "a receive buffer of 2 KB" 1 --rcvbuf 2048 --up 50000 --down 50000
kernel_asks "a reader that stops for 5 ms at a time" 1 --rcvbuf 8192 --slow 8192:5 --down 500000
kernel_asks "segments of 88 bytes" 1 --maxseg 88 --up 200000 --down 200000
kernel_asks "small writes without Nagle" 2 --nodelay --write 100:200 --up 50000 --down 50000
call left client --connect "${FAR4[ours]}:7000" --count 20 --at-once 5 --down 10000000 --reset-after 500000
join client
is "resets by a peer that lingers for 0 s" "$(field client stopped)" 20
for knob in tcp_window_scaling tcp_sack tcp_timestamps; do
	on left sysctl -qw net.ipv4.$knob=0
	kernel_asks "without $knob" 1 --up 3000000 --down 3000000
	on left sysctl -qw net.ipv4.$knob=1
done
on left ip link set eth0 mtu 1280
kernel_asks "a peer with an MTU of 1280" 1 --up 1000000 --down 1000000
on left ip link set eth0 mtu 576
call left client --connect "${FAR4[ours]}:7000" --up 1000000 --down 1000000
done_all "to us: a peer with an MTU of 576" client 1
on left ip link set eth0 mtu 1500
on left ip address add $LEFT6/64 dev eth0 nodad
stop relay
relay ours --seconds 60 --seed 3 --both "$BAD_LINK"
kernel_asks "over a link that loses, doubles and reorders" 4 --at-once 4 --up 500000 --down 500000
stop relay
on left sysctl -qw net.ipv4.tcp_ecn=1
relay ours --seconds 60 --both "$MARKING_LINK"
kernel_asks "over a queue that marks (RFC 3168)" 1 --up 3000000 --down 3000000
stop relay
at_least "it marked what the kernel sent" "$(field relay to_right_marked)" 1
at_least "and what we sent" "$(field relay to_left_marked)" 1
stop host
at_least "we saw its marks" "$(field host tcp_ecn_marks_in)" 1
at_least "and slowed down for ours" "$(field host tcp_ecn_reductions)" 1
is "we saw those resets, and nothing went wrong" "$(field host reset wrong failed)" "20 0 0"
is "nothing is left of them" "$(field host tcp_conns tcp_half_open)" "0 0"
is "the link lost nothing of its own" \
	"$(field relay missed refused too_long)" "0 0 0"

serve left server --seconds 120
we_ask "bulk both ways at once" 1 --up $BULK --down $BULK
we_ask "$MANY connections, twenty at once" $MANY --at-once 20 --up 1000 --down 2000
we_ask "up, our end, then down" 5 --order up-first --up 300000 --down 300000
we_ask "down, its end, then up" 5 --order down-first --up 300000 --down 300000
we_ask "we read slowly" 1 --slow 8192:5 --down 1000000
stop server
serve left server --seconds 60 --rcvbuf 2048 --nodelay --write 500:300
we_ask "a receive buffer of 2 KB, small writes" 1 --up 50000 --down 50000
stop server
finish
