# SPDX-License-Identifier: Apache-2.0
# A data plane that is killed is started again by its supervisor and serves within two seconds.
. "$(dirname "$0")/lib.sh"

lab_up journey
# served_after NODE: milliseconds from the kill to the next answered request.
served_after() {
	local begin now
	begin=$(date +%s%3N)
	kill -9 "$(pid_of "$1" dataplane)"
	while :; do
		[ "$(FETCH_SECONDS=1 status_of /1k)" = 200 ] && break
		[ $(($(date +%s%3N) - begin)) -lt 20000 ] || break
	done
	now=$(date +%s%3N)
	echo $((now - begin))
}
for node in $(nodes); do
	is "served before $node is killed" "$(status_of /1k)" 200
	old=$(pid_of "$node" dataplane)
	at_most "ms until served again after $node was killed" "$(served_after "$node")" 3000
	is "$node is another process" "$([ "$(pid_of "$node" dataplane)" != "$old" ] && echo yes)" yes
	works "$node got its full set" eventually 5 counter_exceeds "$node" channel_in_sync 0
done
finish
