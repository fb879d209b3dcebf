# SPDX-License-Identifier: Apache-2.0
# A tagged port: the edge speaks 802.1Q on its outer port, the client on a VLAN of its own link.
. "$(dirname "$0")/lib.sh"

cat >"$TMP/edge.conf" <<-EOF_CONF
	dataplane = { ports = ( { vlan = 7; exception = "x-wan0"; } ); };
EOF_CONF
lab_up journey --workers 2 --edge-conf "$TMP/edge.conf"
is "untagged the edge is not there" "$(FETCH_SECONDS=2 status_of /1k)" 000
counts "each such frame has its reason" edge drop_eth_vlan 0
mac=$(on client cat /sys/class/net/wan0/address)
background on client python3 "$ROOT/tests/support/vlan_relay.py" wan0 v7 7
works "the client's VLAN is there" eventually 5 on client ip link set v7 address "${mac%:*}:77" up
on client ip address flush dev wan0
on client ip address add 198.51.100.10/24 dev v7
on client ip address add 2001:db8:100::10/64 dev v7 nodad
works "tagged it serves" eventually 10 test_status 200 /1k
wanted=$(sum <"$LAB_DIR/workload/root/10m")
for ip in 4 6; do
	FETCH_IP=$ip
	is "10 MB over IPv$ip" "$(fetch /10m | sum)" "$wanted"
done
FETCH_IP=4
works "ping" on client ping -c 3 -i 0.2 -W 2 "$LAB_VIP"
on edge sysctl -qw net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.rp_filter=0
on edge ip link set x-wan0 up
on edge ip address replace 198.51.100.77/24 dev x-wan0
works "ping through the exception path, whose frames bear no tag" \
	on client ping -c 3 -i 0.2 -W 2 198.51.100.77
finish
