# SPDX-License-Identifier: Apache-2.0
# Floods of HTTP at an edge: each connection is cut before it has brought 1 MB, the reason is counted,
# memory stays, and a bystander with a new connection every 50 ms does not notice. Prints a table.
# E2E_LONG=1: 6 s a class; FLOOD=TEXT: only classes whose name has it.
. "$(dirname "$0")/lib.sh"

SECONDS_EACH=0.6
[ "${E2E_LONG:-0}" = 1 ] && SECONDS_EACH=6

lab_up single
background on origin python3 "$ROOT/tests/support/origin.py" 8080
works "the edge serves" eventually 10 test_status 200 /echo
# The worker is on core 0: the flood comes from the others, where there are any.
[ "$(nproc)" -gt 1 ] && taskset -cp "1-$(($(nproc) - 1))" $$ >/dev/null
tap on client /usr/bin/python3 "$ROOT/tests/support/http_flood.py" "$LAB_VIP" "$LAB_HOST" "$LAB_CA" \
	"$(pid_of edge dataplane)" "$LAB_DIR/edge/run" "$SECONDS_EACH" "${FLOOD:-}"
counts "who went on behind its end was reset" edge exchange_downstream_talked_on 0
works "the edge serves afterwards" eventually 10 test_status 200 /echo
finish
