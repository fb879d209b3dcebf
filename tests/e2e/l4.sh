# SPDX-License-Identifier: Apache-2.0
# L4 services: kernel clients reach kernel servers through the edge's forwarding, TCP and UDP, both
# families; an endpoint leaves; ICMP errors of ours and from behind; a flood of SYNs.
. "$(dirname "$0")/lib.sh"

PEER="python3 $ROOT/tests/support/l4_peer.py"
V4=198.51.100.1 V6=2001:db8:100::1

# service PROTOCOL ADDRESS PORT SOURCE ENDPOINTS
service() {
	echo "{ protocol = \"$1\"; address = \"$2\"; port = $3; source = \"$4\"; endpoints = [$5]; }"
}
TWO4='"10.77.3.2:9001", "10.77.3.2:9002"' TWO6='"[fd77:3::2]:9001", "[fd77:3::2]:9002"'

# conf KEYS: the edge's file. Clients of all addresses are behind the lab's client.
conf() {
	cat >"$TMP/edge.conf" <<-EOF_CONF
		dataplane = { routes = ( { to = "0.0.0.0/0"; via = "198.51.100.10"; },
			{ to = "10.78.0.0/24"; via = "10.77.3.2"; } ); };
		l4 = { $1 services = (
			$(service tcp $V4 7000 10.77.3.1 "$TWO4"),
			$(service udp $V4 7000 10.77.3.1 "$TWO4"),
			$(service tcp $V6 7000 fd77:3::1 "$TWO6"),
			$(service udp $V6 7000 fd77:3::1 "$TWO6"),
			$(service tcp $V4 7100 10.77.3.1 '"10.78.0.2:9001"'),
			$(service udp $V4 7100 10.77.3.1 '"10.78.0.2:9001"'),
			$(service tcp $V4 7200 10.77.3.1 '"10.77.3.2:9099"')
		); };
	EOF_CONF
}

# servers starts both endpoints' servers, over both families.
servers() {
	local n
	for n in 1 2; do
		# shellcheck disable=SC2086 # several words
		background on origin $PEER serve "n$n" 10.77.3.2 900$n
		# shellcheck disable=SC2086
		background on origin $PEER serve "n$n" fd77:3::2 900$n
	done
	eventually 60 on client $PEER who $V4 7000 && eventually 60 on client $PEER who $V6 7000
}

# far_up makes a host behind the origin, over a link of a smaller MTU.
far_up() {
	ip netns add "mr-$LAB_ID-far" &&
		ip link add far0 netns "mr-$LAB_ID-origin" mtu 1280 type veth \
			peer name far0 netns "mr-$LAB_ID-far" mtu 1280 &&
		on origin ip address add 10.78.0.1/24 dev far0 && on origin ip link set far0 up &&
		on far ip address add 10.78.0.2/24 dev far0 && on far ip link set far0 up &&
		on far ip link set lo up && on far ip route add default via 10.78.0.1 &&
		on origin sysctl -qw net.ipv4.ip_forward=1
}

# weight ENDPOINT NUMBER: by the data plane's telemetry.
weight() {
	python3 "$ROOT/tests/support/telemetry.py" "$LAB_DIR/edge/run" "/millrace/l4/weight,$1=$2"
}
# flows_of ENDPOINT: of its TCP service.
flows_of() {
	python3 "$ROOT/tests/support/telemetry.py" "$LAB_DIR/edge/run" /millrace/l4/endpoints |
		grep -oP "tcp $V4:7000 to $1 weight \d+ flows \K\d+"
}

conf 'port_last = 9999; tcp_closing_timeout = "2s"; udp_idle_timeout = "3s";'
lab_up single --edge-conf "$TMP/edge.conf"
works "both endpoints serve through the edge" servers
for address in $V4 $V6; do
	wanted=$(on client $PEER get $address 7000 0)
	is "$address: nothing is nothing" "$wanted" "$(sum </dev/null)"
	wanted=$($PEER digest 50000000)
	is "$address: 50 MB from an endpoint" "$(on client $PEER get $address 7000 50000000)" "$wanted"
	is "$address: 50 MB to an endpoint" "$(on client $PEER put $address 7000 50000000)" "$wanted"
	matches "$address: queries go to both endpoints" "$(on client $PEER ask $address 7000 60)" \
		'^n1 [0-9]+ n2 [0-9]+$'
	lacks "$address: none is lost" "$(on client $PEER ask $address 7000 60)" nobody
done
is "endpoints see our address" "$(on client $PEER who $V4 7000 | cut -d' ' -f2)" 10.77.3.1
is "and over IPv6" "$(on client $PEER who $V6 7000 | cut -d' ' -f2)" fd77:3::1
matches "a port that nobody serves is refused by its endpoint's host" \
	"$(on client $PEER who $V4 7200 2>&1 | tail -n 1)" ConnectionRefused
matches "the edge's own listener is as before" "$(status_of /)" '^[245]'
at_least "packets were forwarded" "$(counter edge l4_packets)" 10000
is "none found its flow missing" "$(counter edge l4_flows_full) $(counter edge l4_ports_exhausted)" "0 0"

for address in $V4 $V6; do
	[ $address = $V4 ] && wanted="type 11 code 0" || wanted="type 3 code 0"
	is "$address: the hop that is us answers as the service" \
		"$(on client $PEER hops $address 7000 1)" "$wanted from $address"
	matches "$address: two hops reach the endpoint" "$(on client $PEER hops $address 7000 2)" '^n[12]$'
done
counts "with its reason" edge l4_ttl 0

works "a host behind a narrow link" far_up
# shellcheck disable=SC2086
background on far $PEER serve far 10.78.0.2 9001
works "serves through the edge" eventually 60 on client $PEER who $V4 7100
is "what fits passes" "$(on client $PEER size $V4 7100 1200)" 1200
is "what does not: the router's word about its MTU reaches the client" \
	"$(on client $PEER size $V4 7100 1400)" "mtu 1280"
counts "translated" edge l4_icmp_errors 0
on client ip route flush cache
wanted=$($PEER digest 3000000)
is "TCP over the narrow link" "$(on client $PEER put $V4 7100 3000000)" "$wanted"

# An endpoint leaves while its connections go on.
mkfifo "$TMP/words"
# shellcheck disable=SC2086
on client $PEER hold $V4 7000 40 <"$TMP/words" >"$TMP/held" &
exec 9>"$TMP/words"
works "40 connections are held" eventually 60 grep -qx 40 "$TMP/held"
before=$(flows_of 10.77.3.2:9001)
at_least "of which some are the first endpoint's" "$before" 5
matches "it is drained in every service that has it" "$(weight 10.77.3.2:9001 0)" '"services": 2'
is "new flows go to the other" "$(on client $PEER call $V4 7000 40)" "n2 40"
echo >&9
works "all held connections go on" eventually 60 eval "[ \$(grep -cx 40 $TMP/held) = 2 ]"
is "and are still its" "$(flows_of 10.77.3.2:9001)" "$before"
weight 10.77.3.2:9001 1 >"$TMP/weight"
matches "taken back it gets its share" "$(on client $PEER call $V4 7000 60)" '^n1 [0-9]+ n2 [0-9]+$'
matches "flows are told" \
	"$(python3 "$ROOT/tests/support/telemetry.py" "$LAB_DIR/edge/run" /millrace/l4/flows)" \
	"(tcp|udp) 198.51.100.10:[0-9]+ $V4:7000 via 10.77.3.1:[0-9]+ to 10.77.3.2:900[12] established"
matches "and their stage" \
	"$(python3 "$ROOT/tests/support/telemetry.py" "$LAB_DIR/edge/run" --counts stages)" 'stages_l4=[1-9]'

# A flood of SYNs from forged sources, beside the held connections and a newcomer.
mac=$(on client ip neigh show $V4 dev wan0 | grep -oP 'lladdr \K\S+')
on client "$MILLRACE_BUILD/tests/support/attack" syn --interface wan0 --mac "$mac" \
	--target $V4,7000 --rate 30000 --seconds 6 >"$TMP/attack" &
attack=$!
sleep 2
echo >&9
works "in a flood of SYNs the held connections go on" eventually 30 eval "[ \$(grep -cx 40 $TMP/held) = 3 ]"
is "and clients are served" "$(on client $PEER ask $V4 7000 20 | tr -d 'n12 ' | grep -c nobody)" 0
wait $attack
at_least "the flood came" "$(grep -oP '"sent": \K[0-9]+' "$TMP/attack")" 20000
at_most "half-open flows have their bound" "$(counter edge l4_half_open)" 16384
counts "the oldest of which gave way" edge l4_half_open_evicted 0
echo >&9
works "afterwards too" eventually 30 eval "[ \$(grep -cx 40 $TMP/held) = 4 ]"
exec 9>&-
finish
