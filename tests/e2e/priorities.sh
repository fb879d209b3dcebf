# SPDX-License-Identifier: Apache-2.0
# Priorities of HTTP/2 streams (RFC 9218): what is urgent comes first, also through a tight window.
. "$(dirname "$0")/lib.sh"

lab_up single --set cache.max_object=8MiB
works "the origin starts" start_origin 8080
works "and answers" eventually 10 test_status 200 /echo
tap on client /usr/bin/python3 "$ROOT/tests/support/h2_priorities.py" "$LAB_VIP" "$LAB_HOST" "$LAB_CA"
at_least "updates were followed" "$(counter edge http_priority_updates)" 2
is "a field that cannot be read changes nothing" "$(status_of /echo -H 'Priority: u=, ,')" 200
at_least "and is counted" "$(counter edge http_priorities_bad)" 1
finish
