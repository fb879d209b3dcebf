# SPDX-License-Identifier: Apache-2.0
# HTTP/1.1 pipelining (RFC 9112 9.3.2): a hundred requests at once, hits, misses, errors, HEAD and POST
# mixed; answers come in order, over TLS and plain.
. "$(dirname "$0")/lib.sh"

cat >"$TMP/edge.conf" <<-EOF_CONF
	listen = ( { address = "*"; port = 443; protocol = "https"; },
	           { address = "*"; port = 8080; protocol = "http"; } );
EOF_CONF
lab_up single --edge-conf "$TMP/edge.conf" \
	--service "a --host shop.example --to 10.77.3.2:8080 --location par"
background on origin python3 "$ROOT/tests/support/origin.py" 8080
works "the edge serves" eventually 10 test_status 200 /echo
tap on client /usr/bin/python3 "$ROOT/tests/support/pipelining.py" "$LAB_VIP" 443 "$LAB_HOST" "$LAB_CA"
tap on client /usr/bin/python3 "$ROOT/tests/support/pipelining.py" "$LAB_VIP" 8080 "$LAB_HOST"
finish
