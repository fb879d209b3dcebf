# SPDX-License-Identifier: Apache-2.0
# Many ask for one thing at once: one fetch, which all of them read while it arrives; it fails for all or for none;
# what cannot be shared is asked for by each, at once.
. "$(dirname "$0")/lib.sh"

# Two workers: some of those who ask are the key's worker's own, some are not, and so is who fetches.
lab_up single --workers 2 --set upstream.per_endpoint=256
background on origin /usr/bin/python3 "$ROOT/tests/support/drip_origin.py" 8080
works "the origin serves" eventually 10 test_status 200 /count/none
tap on client /usr/bin/python3 "$ROOT/tests/support/waiters_client.py" "$LAB_VIP" "$LAB_HOST" "$LAB_CA"
at_least "readers of what arrives are counted" "$(counter edge cache_streamed)" 70
at_least "and those whose fetch failed" "$(counter edge cache_streams_broken)" 40
at_least "those let go, too" "$(counter edge cache_pass_released)" 100
at_least "and those that need not wait" "$(counter edge cache_pass_marked)" 100
works "no request is left" eventually 5 counter_is edge exchange_active 0
works "nobody waits" eventually 5 counter_is edge cache_waiting 0

# Through all nodes: an origin that stalls, for less than cache.wait and for longer.
lab_up journey --set edge:cache.wait=7s
background on workload /usr/bin/python3 "$ROOT/tests/support/drip_origin.py" 8081
works "a service whose origin stalls" set_service stalling --host stalling.example --to "${LAB_ORIGIN%:*}:8081"
FETCH_HOST=stalling.example
works "it serves" eventually 10 test_status 200 /count/none
tap on client /usr/bin/python3 "$ROOT/tests/support/stall_client.py" "$LAB_VIP" stalling.example "$LAB_CA" 7
at_least "who waited too long is counted" "$(counter edge cache_pass_wait_long)" 100
works "no request of these is left" eventually 5 counter_is edge exchange_active 0
works "and nobody waits" eventually 5 counter_is edge cache_waiting 0
finish
