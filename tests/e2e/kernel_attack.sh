# SPDX-License-Identifier: Apache-2.0
# Attacks on our TCP/IP from a neighbouring namespace: others' connections go on, guesses at a
# connection reach nothing, memory stays where it was. Each figure is printed.
#
#   left: the kernel that behaves ── bridge ── tap0: ours      right: the attacker, and default gateway
. "$(dirname "$0")/lib.sh"
. "$ROOT/tests/support/wire.sh"

FLOOD_SECONDS=3 OPENS=200 GUESSES=50000 TALK_BYTES=1200000 GUESS_SECONDS=2
[ "${E2E_LONG:-0}" = 1 ] && FLOOD_SECONDS=10 OPENS=800 GUESSES=500000 TALK_BYTES=3000000 GUESS_SECONDS=5
RSS_SLACK_KB=4096

# attack HOST KIND ARGS ...: in the background as `attack`, from that host.
attack() {
	local host=$1
	shift
	start attack "$host" "$SUPPORT/attack" "$@" --interface eth0 --mac "$MAC" --seed $RANDOM
}

rss() {
	awk '/^VmRSS/ {print $2}' "/proc/${PIDS[host]}/status"
}

# port_drops: frames that came faster than our port was read.
port_drops() {
	on wire cat /sys/class/net/tap0/statistics/tx_dropped
}

# knows NUD: what the left kernel holds of our addresses' neighbours. Permanent under floods beyond the
# port, whose full queue drops its questions too: that kernel, not we, then refuses all connections
# with "no route to host". Reachable, to be asked again soon, under floods of such questions.
knows() {
	local at
	for at in "${FAR4[ours]}" "${FAR6[ours]}"; do
		on left ip neigh replace "$at" lladdr "$MAC" dev eth0 nud "$1"
	done
}

# flood SENTENCE FAMILY KIND ARGS ...: a kernel opens connections meanwhile, at least 99 % with success.
flood() {
	local sentence=$1 to="${FAR4[ours]}" from=$LEFT4 before drops good
	local at="$to:7000"
	[ "$2" = 6 ] && to=${FAR6[ours]} from=$LEFT6 at="[${FAR6[ours]}]:7000"
	local kind=$3
	shift 3
	before=$(rss) drops=$(port_drops)
	attack right "$kind" --target "$to,7000" --source "$from,7000" --seconds "$FLOOD_SECONDS" "$@"
	call left client --connect "$at" --count $OPENS --at-once 16 --up 200 --down 2000 \
		--gap-us $((FLOOD_SECONDS * 1000000 / OPENS)) --seconds $((FLOOD_SECONDS + 15))
	join client
	join attack
	good=$(field client good)
	echo "# $sentence: $(field attack per_second) frames/s, $(($(port_drops) - drops)) too many for" \
		"the port; $good of $OPENS connections ($(field client reset failed unfinished) reset, failed, unfinished)," \
		"opened in $(field client open_p50_us) us p50, $(field client open_p99_us) us p99;" \
		"memory $before KB before, $(rss) KB behind"
	at_least "$sentence: connections that succeed, of $OPENS" "$good" $((OPENS * 99 / 100))
	at_most "$sentence: memory grows by KB" $(($(rss) - before)) $RSS_SLACK_KB
}

# port_of: the live connection's port on the left. It may take a moment.
port_of() {
	on left ss -Htn state established dport = :7000 | sed -nE 's/.*:([0-9]+) +[^ ]+:7000.*/\1/p' | head -1
}
has_port() {
	[ -n "$(port_of)" ]
}

# guesses FAMILY HOST "CLIENT ARGS" KIND ...: at a live connection of that client, from that host, each
# kind a bounded number of times. Who sees the connection (left) misses on purpose, by one or more: for
# that the client must be silent.
guesses() {
	local to=${FAR4[ours]} from=$LEFT4 at="${FAR4[ours]}:7000" host=$2 client=$3 kind port
	[ "$1" = 6 ] && to=${FAR6[ours]} from=$LEFT6 at="[${FAR6[ours]}]:7000"
	shift 3
	# shellcheck disable=SC2086 # several words
	call left client --connect "$at" $client --seconds 60
	eventually 5 has_port
	port=$(port_of)
	for kind; do
		attack "$host" "$kind" --target "$to,7000" --source "$from,$port" --count $GUESSES --seconds $GUESS_SECONDS
		join attack
		echo "# $kind at $at from $host: $(field attack sent) frames, $(field attack per_second)/s"
		at_least "$kind at $at: frames sent" "$(field attack sent)" $((GUESSES / 100))
	done
	is "the connection to $at lived through all that" "$(port_of)" "$port"
	join client
	is "and every byte of it was right" "$(field client good wrong reset failed)" "1 0 0 0"
}

wire_up
bridge_up
host_conf 'send_buffer = "64KiB"'
serve ours host --seconds 200 && bridge_tap
MAC=$(on left ping -c 1 -W 2 "${FAR4[ours]}" >/dev/null; on left ip neigh show "${FAR4[ours]}" | grep -oE '([0-9a-f]{2}:){5}[0-9a-f]{2}')
is "our address is known" "${#MAC}" 17

flood "nothing at all" 4 syn --count 1
knows permanent
flood "SYNs from everywhere, IPv4" 4 syn
flood "SYNs from everywhere, IPv6" 6 syn
flood "fragments, IPv4" 4 fragment
flood "fragments, IPv6" 6 fragment
knows reachable
flood "ARP: strangers and forged claims" 4 arp
flood "ND: strangers and forged claims" 6 nd
TALKS="--up $TALK_BYTES --down 100000 --write 200:1500 --nodelay"
LISTENS="--order down-first --down $((TALK_BYTES / 2)) --up 1000 --rcvbuf 8192 --slow 500:10"
guesses 4 right "$TALKS" rst blind-syn blind-ack data too-big
guesses 4 left "$LISTENS" near-rst near-syn sack
guesses 6 right "$TALKS" rst data too-big

before=$(rss)
call right holders --connect "${FAR4[ours]}:7000" --count 200 --at-once 200 --down 10000000 \
	--rcvbuf 2048 --slow 1:60000 --seconds 8
flood "two hundred that ask and do not read" 4 syn --count 1
stop holders
at_most "memory with those grows by KB" $(($(rss) - before)) $RSS_SLACK_KB
stop host
echo "# $(tail -n 1 "$TMP/host.out")"
is "nobody was reset by guesses" "$(field host wrong)" 0
at_least "resets beside the expected byte were challenged" "$(field host tcp_bad_reset)" 1
at_least "with challenge ACKs, within their budget" "$(field host tcp_challenge_acks)" 1
at_least "forged ICMP errors were ignored" "$(field host tcp_icmp_ignored)" 1
is "no segment size was reduced by them" "$(field host tcp_mtu_reduced)" 0
finish
