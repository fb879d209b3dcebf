#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The kernel pings net over real ports in a network namespace of its own: net_tap with one and two
# workers, net_af_packet and net_af_xdp (one queue, two workers) on a veth, and the exception tap.
# usage: net_ping.sh PATH/net_echo
set -u
echo_program=$1
ns=mr-net-$$
work=$(mktemp -d)
number=0
failed=0

skip() {
	echo "TAP version 13"
	echo "1..0 # SKIP $1"
	rm -rf "$work"
	exit 0
}

[ "$(id -u)" = 0 ] || skip "needs root"
[ -c /dev/net/tun ] || skip "needs /dev/net/tun"
command -v ping >/dev/null || skip "needs ping"
ip netns add "$ns" 2>/dev/null || skip "needs network namespaces"
if ! ip netns exec "$ns" true 2>/dev/null; then
	ip netns del "$ns"
	skip "needs to enter network namespaces"
fi
export RUNTIME_DIRECTORY=$work
echo "leak:xsk_umem__create" >"$work/leaks" # libxdp's own, seen by sanitizers
export LSAN_OPTIONS=suppressions=$work/leaks:print_suppressions=0

station=
finish() {
	[ -n "$station" ] && kill "$station" 2>/dev/null && wait "$station" 2>/dev/null
	ip netns del "$ns"
	rm -rf "$work"
}
trap finish EXIT

inside() { ip netns exec "$ns" "$@"; }

check() { # SENTENCE COMMAND...
	local sentence=$1
	shift
	number=$((number + 1))
	if "$@" >"$work/check" 2>&1; then
		echo "ok $number - $sentence"
	else
		echo "not ok $number - $sentence"
		sed 's/^/# /' "$work/check" | tail -5
		failed=1
	fi
}

start() { # SECONDS WORKERS DEVICE EXCEPTION
	inside "$echo_program" "$@" 198.51.100.1/24 2001:db8:1::1/64 >"$work/log" 2>&1 &
	station=$!
	for _ in $(seq 50); do
		grep -q '^ready' "$work/log" && return
		sleep 0.1
	done
	sed 's/^/# /' "$work/log"
}

give_addresses() { # INTERFACE
	inside ip link set "$1" up
	inside ip addr add 198.51.100.2/24 dev "$1"
	inside ip addr add 2001:db8:1::2/64 dev "$1" nodad
}

pings() { inside ping -q -c 20 -i 0.01 -W 2 "$@" && ! grep -q ' [1-9][0-9]*% packet loss' "$work/check"; }

end() { # waits for the station's counters
	wait "$station"
	code=$?
	station=
}
is_clean() { [ "$code" = 0 ] && has '^mbufs_lost 0$'; }
has() { grep -qE "$1" "$work/log" || { cat "$work/log"; return 1; }; }

all_pings() { # NAME
	check "$1: IPv4 is pinged" pings 198.51.100.1
	check "$1: IPv6 is pinged" pings 2001:db8:1::1
	check "$1: packets of 1500 bytes pass" pings -s 1472 198.51.100.1
	check "$1: IPv6 packets of 1500 bytes pass" pings -s 1452 2001:db8:1::1
	case $1 in
	af_packet*)
		number=$((number + 1))
		echo "ok $number - $1: fragments are put together and sent # SKIP net_af_packet asks the kernel" \
			"for PACKET_FANOUT_FLAG_DEFRAG, and what that puts together is cut to a frame" ;;
	*) check "$1: fragments are put together and sent" pings -s 4000 198.51.100.1 ;;
	esac
	check "$1: IPv6 fragments are put together and sent" pings -s 4000 2001:db8:1::1
}

inside ip link set lo up
echo "TAP version 13"

start 5 1 net_tap0,iface=mr0 -
give_addresses mr0
all_pings "tap"
end
check "tap: echoes were counted" has '^net_echo_replies 1[12][0-9]$'
check "tap: there is a descriptor to sleep on" has '^wait_fd_0 1$'
check "tap: no mbuf is lost" is_clean

start 5 2 net_tap0,iface=mr0 -
give_addresses mr0
all_pings "tap, two workers"
end
check "tap, two workers: each has its queue" has '^shared 0$'
check "tap, two workers: no mbuf is lost" is_clean

start 6 1 net_tap0,iface=mr0 mrx0
give_addresses mr0
inside ip link set mrx0 up
check "exception: our echo works beside it" pings 198.51.100.1
inside ping -q -c 2 -i 0.1 -W 1 -b 198.51.100.255 >/dev/null 2>&1
inside sh -c "ip link set mrx0 arp off; ip route add 203.0.113.0/24 dev mrx0 src 198.51.100.2"
before=$(inside cat /sys/class/net/mr0/statistics/rx_packets)
inside ping -q -c 5 -i 0.01 -W 1 203.0.113.9 >/dev/null 2>&1
after=$(inside cat /sys/class/net/mr0/statistics/rx_packets)
check "exception: what the kernel sends leaves through the port" [ $((after - before)) -ge 5 ]
inside ip link set mrx0 down
inside ping -q -c 2 -i 0.1 -W 1 -b 198.51.100.255 >/dev/null 2>&1
end
check "exception: what a dead tap does not take is counted" has '^port_exception_full [1-9]' # COUNTER_port_exception_full
check "exception: what is not ours reaches the kernel's tap" has '^net_exception [1-9]'
check "exception: no mbuf is lost" is_clean

for kind in af_packet af_xdp; do
	inside ip link add mrv0 type veth peer name mrv1
	inside ip link set mrv1 up
	inside ethtool -K mrv0 tx off >/dev/null 2>&1
	start 6 2 "net_${kind}0,iface=mrv1" -
	if ! grep -q '^ready' "$work/log"; then
		number=$((number + 1))
		echo "ok $number - $kind # SKIP the device does not open here"
		end
		inside ip link del mrv0
		continue
	fi
	give_addresses mrv0
	all_pings "$kind, one queue, two workers"
	end
	check "$kind: the queue is shared" has '^shared 1$'
	check "$kind: there is a descriptor to sleep on" has "^wait_fd_0 $([ $kind = af_xdp ] && echo 1 || echo 0)$"
	# net_af_xdp keeps its fill ring's mbufs when it closes.
	[ $kind = af_xdp ] && check "$kind: the station ends well" [ "$code" = 0 ]
	[ $kind = af_xdp ] || check "$kind: no mbuf is lost" is_clean
	inside ip link del mrv0
done
echo "1..$number"
exit $failed
