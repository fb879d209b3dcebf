# SPDX-License-Identifier: Apache-2.0
# Takeover: a neighbour that holds another MAC for our addresses learns ours from gratuitous ARP and an
# unsolicited advertisement, when the operator asks and when a data plane starts.
. "$(dirname "$0")/lib.sh"

lab_up single
background on origin python3 "$ROOT/tests/support/origin.py" 8080
works "the edge serves" eventually 10 test_status 200 /echo
status6=$(FETCH_IP=6 status_of /echo)
is "over IPv6, too" "$status6" 200
WRONG=02:de:ad:be:ef:01
# mac_of ADDRESS: what the client's kernel believes.
mac_of() { on client ip neigh show "$1" dev wan0 | sed -nE 's/.* lladdr ([0-9a-f:]+).*/\1/p'; }
RIGHT=$(mac_of "$LAB_VIP")
matches "the client knows the edge" "$RIGHT" '^([0-9a-f]{2}:){5}[0-9a-f]{2}$'

sleep 4 # what is announced at a start, three times, is over
# mislead: as if another machine had had the addresses until now.
mislead() {
	on client ip neigh replace "$LAB_VIP" lladdr $WRONG dev wan0 nud stale &&
		on client ip neigh replace "$LAB_VIP6" lladdr $WRONG dev wan0 nud stale
}
is_wrong() { [ "$(mac_of "$LAB_VIP")" = $WRONG ] || [ "$(mac_of "$LAB_VIP6")" = $WRONG ]; }
is_right() { [ "$(mac_of "$LAB_VIP")" = "$RIGHT" ] && [ "$(mac_of "$LAB_VIP6")" = "$RIGHT" ]; }

works "the client holds another MAC" mislead
is "for IPv4" "$(mac_of "$LAB_VIP")" $WRONG
before=$(counter edge net_announcements)
works "the operator has the addresses announced" millrace edge announce
works "and the client learns" eventually 5 is_right
counts "which is counted" edge net_announcements "$before"

sleep 4
works "one address alone" mislead
works "is announced" millrace edge announce "$LAB_VIP6"
works "IPv6" eventually 5 eval '[ "$(mac_of "$LAB_VIP6")" = "$RIGHT" ]'
is "and no other" "$(mac_of "$LAB_VIP")" $WRONG
out=$(millrace edge announce 203.0.113.77 2>&1)
matches "an address that is not ours is refused" "$out" '203\.0\.113\.77 is no address of this node'

works "a data plane that starts" mislead
kill -9 "$(pid_of edge dataplane)"
works "announces what it has, whatever its MAC is now" eventually 15 eval '! is_wrong'
works "and serves" eventually 10 test_status 200 /echo
finish
