# SPDX-License-Identifier: Apache-2.0
# What an origin says that two readers could understand differently is 502 or cut, never passed off as
# whole, and nothing of it becomes the answer to another request.
. "$(dirname "$0")/lib.sh"

lab_up single
background on origin python3 "$ROOT/tests/support/crooked_origin.py" 8080
works "the origin answers" eventually 10 test_status 200 /ready
tap on client /usr/bin/python3 "$ROOT/tests/support/crooked_client.py" "$LAB_VIP" "$LAB_HOST" "$LAB_CA"
finish
