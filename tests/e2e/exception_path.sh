# SPDX-License-Identifier: Apache-2.0
# The exception path: what is not the data plane's goes to the kernel through a tap, and back. A
# second address behind it is the kernel's alone; on the shared address, ports that nobody of ours
# listens at are the kernel's. The end of the data plane takes only its own taps away.
. "$(dirname "$0")/lib.sh"

KERNEL=198.51.100.77 KERNEL6=2001:db8:100::77
cat >"$TMP/edge.conf" <<-EOF_CONF
	dataplane = { ports = ( { exception = "x-wan0"; } ); };
EOF_CONF

# dress_tap gives the tap its addresses: the kernel's own, and the one it shares with the data plane.
dress_tap() {
	on edge sysctl -qw net.ipv6.conf.x-wan0.disable_ipv6=0 &&
		on edge ip link set x-wan0 up &&
		on edge ip address replace $KERNEL/24 dev x-wan0 &&
		on edge ip address replace "$LAB_VIP/24" dev x-wan0 &&
		on edge ip address replace $KERNEL6/64 dev x-wan0 nodad
}

# says ADDRESS: what the kernel's server there says.
says() {
	on client curl -s --max-time 5 "http://$1:9000/echo" -o /dev/null -w '%{http_code}'
}

for workers in 1 2; do
	lab_up journey --workers $workers --edge-conf "$TMP/edge.conf"
	# The edge's bridge must not answer for addresses of the tap.
	on edge sysctl -qw net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.rp_filter=0
	on edge ip tuntap add mine mode tap
	works "$workers: the tap is there" eventually 5 dress_tap
	background on edge python3 "$ROOT/tests/support/origin.py" 9000
	works "$workers: the edge serves" eventually 10 test_status 200 /1k
	works "$workers: ping to the kernel's address" on client ping -c 3 -i 0.2 -W 2 $KERNEL
	works "$workers: and by IPv6" on client ping -c 3 -i 0.2 -W 2 $KERNEL6
	works "$workers: ping to the shared address" on client ping -c 3 -i 0.2 -W 2 "$LAB_VIP"
	works "$workers: TCP to the kernel's address" eventually 5 eval '[ "$(says $KERNEL)" = 200 ]'
	before=$(counter edge tcp_resets_out)
	is "$workers: TCP to a port of the shared address that is not ours" "$(says "$LAB_VIP")" 200
	for i in 1 2 3 4 5 6 7 8; do says "$LAB_VIP"; done >"$TMP/codes"
	is "$workers: whichever worker its flow hashes to" "$(cat "$TMP/codes")" \
		200200200200200200200200
	is "$workers: without a reset of ours" "$(counter edge tcp_resets_out)" "$before"
	on client curl -s --max-time 2 "http://$LAB_VIP:9001/" -o /dev/null
	is "$workers: a port that is nobody's is refused by the kernel" $? 7
	works "$workers: the kernel reaches out" on edge ping -c 2 -i 0.2 -W 2 -I $KERNEL 198.51.100.10
	is "$workers: the data plane still serves its own" "$(status_of /1k)" 200
	at_least "$workers: frames went to the kernel" "$(counter edge worker_exception_out)" 20
	at_least "$workers: and came from it" "$(counter edge worker_exception_in)" 20

	touch "$LAB_DIR/edge/dataplane.hold"
	kill -9 "$(pid_of edge dataplane)"
	sleep 0.5
	lacks "$workers: killed, its tap is gone" "$(on edge ip -o link)" x-wan0
	matches "$workers: the host's own is not" "$(on edge ip -o link)" " mine:"
	rm "$LAB_DIR/edge/dataplane.hold"
	works "$workers: started again it has its tap again" eventually 10 dress_tap
	works "$workers: and serves" eventually 10 test_status 200 /1k
	works "$workers: and so does the kernel" eventually 10 eval '[ "$(says $KERNEL)" = 200 ]'
	kill "${BACKGROUND[@]}" 2>/dev/null
	BACKGROUND=()
done
finish
