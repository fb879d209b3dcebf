# SPDX-License-Identifier: Apache-2.0
# The mesh's CA is replaced under load: no request fails, every node has a name by the new one, and
# new connections between nodes are made with it.
. "$(dirname "$0")/lib.sh"

lab_up journey
epoch_is() {
	millrace "$1" status 2>/dev/null | grep -qE "^identity.trust_epoch +$2$"
}
before=$(cat "$LAB_DIR/gateway/state/ca.pem")
works "warm" test_status 200 /1k
on client h2load --connect-to "$LAB_VIP:443" -D 8 -c 10 -m 5 "https://$LAB_HOST/1k" >"$TMP/load" 2>&1 &
load=$!
works "a new CA is asked for" millrace gateway trust rotate
for node in $(nodes); do
	works "$node follows to the end" eventually 30 epoch_is "$node" 4
done
wait $load
matches "no request failed meanwhile" "$(cat "$TMP/load")" " 0 failed, 0 errored, 0 timeout"
after=$(cat "$LAB_DIR/gateway/state/ca.pem")
works "the CA is another" test "$before" != "$after"
is "files of the rotation are gone" "$(cd "$LAB_DIR/gateway/state" && ls ./*-ca*.pem | tr '\n' ' ')" \
	"./development-ca-key.pem ./development-ca.pem "
for node in gateway sidecar; do
	kill -9 "$(pid_of "$node" dataplane)"
done
works "new connections between nodes are made" eventually 15 test_status 200 /1k
matches "only the CA's control does it" "$(millrace edge trust rotate 2>&1)" "identity.ca = true"
finish
