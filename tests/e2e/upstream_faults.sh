# SPDX-License-Identifier: Apache-2.0
# What goes wrong behind the sidecar: each a status, a reason, a counter.
. "$(dirname "$0")/lib.sh"

lab_up journey --set sidecar:upstream.response_timeout=1s --set sidecar:upstream.connect_timeout=1s
works "the workload's stand-in starts" start_origin 8081
# fault SENTENCE PATH STATUS COUNTER: COUNTER is of the sidecar, next to the workload.
fault() {
	local before
	before=$(counter sidecar "$4")
	is "$1" "$(status_of "$2")" "$3"
	counts "$1: counted as $4" sidecar "$4" "$before"
}
fault "a workload that talks nonsense is 502" /garbage 502 exchange_upstream_garbage
fault "a workload that closes without a word is 502" /close 502 exchange_upstream_gone
fault "a workload that takes too long is 504" '/slow?wait_ms=3000' 504 exchange_upstream_timeout

before=$(counter sidecar exchange_response_broken)
is "a response cut short is not passed off as whole" \
	"$(fetch /short --fail >/dev/null 2>&1 && echo whole || echo broken)" broken
counts "and counted" sidecar exchange_response_broken "$before"
is "nor cached" "$(head_of /short 2>/dev/null | grep -cE '^cache-status: .*; *hit')" 0

works "a service at a port where nobody listens" set_service closed --host closed.example \
	--to "${LAB_ORIGIN%:*}:9"
FETCH_HOST=closed.example
works "a workload that refuses is 502 or 503" eventually 5 test_status '50[23]' /
works "a service without any endpoint" set_service dark --host dark.example --to 10.77.3.99:80
FETCH_HOST=dark.example
works "a workload that never answers is 504 or 503" eventually 8 test_status '50[34]' /

FETCH_HOST=api.example
is "everything else goes on" "$(status_of /echo)" 200
kill "${BACKGROUND[0]}"
works "a workload that died is 502 or 503" eventually 5 test_status '50[23]' /echo
background on workload python3 "$ROOT/tests/support/origin.py" 8081
works "and is found again when it is back" eventually 40 test_status 200 /echo
finish
