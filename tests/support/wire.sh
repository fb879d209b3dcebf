# SPDX-License-Identifier: Apache-2.0
# Our stack before the Linux kernel's, with a bad link between them. Sourced after lib.sh, whose `end`
# takes the namespaces down (mr-$LAB_ID-*).
#
#   left (kernel)      wire                                          right (kernel)
#   eth0 10.9.0.1 ──── left0 [wire_relay] right0 ─────────────────────── eth0 10.9.0.2
#        fd09::1                └── or tap0, which is tcp_host's 10.9.0.3   fd09::2
#
# twin, 10.9.0.4, is one more kernel where wire_twin made it: what ours is compared with.
# FAR is the far end: ours, right, or both (behind a bridge, see bridge_up). Every program writes to $TMP/NAME.out and ends by itself.
SUPPORT=$MILLRACE_BUILD/tests/support
LEFT4=10.9.0.1 LEFT6=fd09::1
declare -A FAR4=([right]=10.9.0.2 [ours]=10.9.0.3 [twin]=10.9.0.4)
declare -A FAR6=([right]=fd09::2 [ours]=fd09::3 [twin]=fd09::4)
declare -A FAR_DEVICE=([right]=right0 [ours]=tap0 [both]=middle)
declare -A PIDS=()
# The kernel's TCP runs before every program; ours is not to wait for other people's programs either.
PUNCTUAL="chrt --fifo 1"

# kernel_host HOST V4 V6: a namespace on a veth to the wire's, whose end there is ${HOST}0. Kernels keep no
# memory of paths from one connection to the next.
kernel_host() {
	local host=$1 far=${1}0
	ip netns add "mr-$LAB_ID-$host" || return 1
	on "$host" ip link set lo up
	ip link add eth0 netns "mr-$LAB_ID-$host" type veth peer name "$far" netns "mr-$LAB_ID-wire"
	on "$host" ethtool -K eth0 tx off tso off gso off gro off >/dev/null 2>&1
	on wire ethtool -K "$far" tx off tso off gso off gro off >/dev/null 2>&1
	on "$host" sysctl -qw net.ipv4.tcp_no_metrics_save=1 \
		net.ipv6.conf.eth0.accept_dad=0 \
		net.ipv6.conf.eth0.router_solicitations=0
	on wire ip link set "$far" up
	on "$host" ip link set eth0 up
	on "$host" ip address add "$2/24" dev eth0 && on "$host" ip address add "$3/64" dev eth0 nodad
}

# wire_up makes the namespaces.
wire_up() {
	ip netns add "mr-$LAB_ID-wire" || return 1
	on wire ip link set lo up
	on wire sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1
	kernel_host left $LEFT4 $LEFT6 && kernel_host right "${FAR4[right]}" "${FAR6[right]}"
}

# wire_twin adds the kernel that stands where ours does, behind the bridge (bridge_up).
wire_twin() {
	kernel_host twin "${FAR4[twin]}" "${FAR6[twin]}" && on wire ip link set twin0 master bridge0
}

# host_conf [KEY=VALUE ...]: $TMP/host.conf for tcp_host; tcp.KEY as in conf.def.
host_conf() {
	cat >"$TMP/host.conf" <<-EOF_CONF
		version = 1;
		run_dir = "$TMP/run";
		node = { id = "$LAB_ID"; role = "sidecar"; location = "wire"; mesh = "wire.test"; };
		dataplane = {
			hugepages = "never"; memory = "${HOST_MEMORY:-256MiB}"; mbufs = ${HOST_MBUFS:-16384};
			ports = ( { name = "tap0"; device = "net_tap0,iface=tap0"; mtu = ${HOST_MTU:-1500};
				addresses = [ "${FAR4[ours]}/24", "${FAR6[ours]}/64" ]; } );
			routes = ( { to = "0.0.0.0/0"; via = "${FAR4[right]}"; },
				{ to = "::/0"; via = "${FAR6[right]}"; } );
		};
		tcp = { $([ $# = 0 ] || printf '%s; ' "$@") };
		listen = ( { port = 7000; protocol = "mesh"; } );
	EOF_CONF
}

# bridge_up: left0, right0 and, once tcp_host runs, tap0 (bridge_tap) meet in a bridge without relay; with
# an argument left0 stays outside, and its relay reaches the bridge through the interface `middle`.
bridge_up() {
	local port
	on wire ip link add bridge0 type bridge mcast_snooping 0
	on wire ip link set bridge0 up
	on wire ip link set right0 master bridge0
	if [ $# = 0 ]; then
		on wire ip link set left0 master bridge0
		return
	fi
	on wire ip link add middle type veth peer name middle0
	for port in middle middle0; do
		on wire ethtool -K $port tx off tso off gso off gro off >/dev/null 2>&1
		on wire ip link set $port up
	done
	on wire ip link set middle0 master bridge0
}
bridge_tap() {
	# The kernel's side bears the device's own address, which may not be the host's.
	on wire ip link set tap0 master bridge0 && on wire ip link set tap0 up
}

# start NAME HOST PROGRAM ARGS ...: in the background, until it says "ready".
start() {
	local name=$1 host=$2
	shift 2
	: >"$TMP/$name.out"
	EXEC=exec on "$host" nice -n -10 "$@" >"$TMP/$name.out" 2>"$TMP/$name.err" &
	PIDS[$name]=$!
	eventually 10 grep -q ready "$TMP/$name.out"
}

# stop NAME: TERM, and wait for its last line. join NAME waits without.
stop() {
	kill "${PIDS[$1]}" 2>/dev/null
	join "$1"
}
join() {
	wait "${PIDS[$1]}" 2>/dev/null
}

# field NAME KEY ...: numbers of the JSON that NAME printed last, 0 for what is not in it.
field() {
	local key values=()
	local out="$TMP/$1.out"
	shift
	for key; do
		values+=("$(tail -n 1 "$out" | grep -oP "\"$key\": \K[0-9]+" || echo 0)")
	done
	echo "${values[*]}"
}

# relay FAR ARGS ...: the link between left and the far end. Start tcp_host first: the tap is its.
relay() {
	local far=$1
	shift
	start relay wire "$SUPPORT/wire_relay" left0 "${FAR_DEVICE[$far]}" "$@"
}

# serve FAR NAME ARGS ...: transfers are served there. call FAR NAME ARGS ...: they are asked for.
# shellcheck disable=SC2086 # several words
serve() {
	local far=$1 name=$2
	shift 2
	if [ "$far" = ours ]; then
		start "$name" wire $PUNCTUAL "$SUPPORT/tcp_host" --conf "$TMP/host.conf" --listen 7000 "$@"
	else
		start "$name" "$far" "$SUPPORT/tcp_peer" --listen 7000 "$@"
	fi
}
call() {
	local far=$1 name=$2
	shift 2
	if [ "$far" = ours ]; then
		start "$name" wire $PUNCTUAL "$SUPPORT/tcp_host" --conf "$TMP/host.conf" "$@"
	else
		start "$name" "$far" "$SUPPORT/tcp_peer" "$@"
	fi
}
