# SPDX-License-Identifier: Apache-2.0
# One edge before one origin; an edge with listeners, certificates and addresses of its own.
. "$(dirname "$0")/lib.sh"

lab_up single
background on origin python3 "$ROOT/tests/support/origin.py" 8080
is "the origin's address is told" "$LAB_ORIGIN" 10.77.3.2:8080
works "any host reaches the origin" eventually 10 test_status 200 /echo
is "over IPv6" "$(FETCH_IP=6 status_of /echo)" 200
is "a client that names no host gets the certificate of the address" \
	"$(on client curl -s --cacert "$LAB_DIR/address.pem" -o /dev/null -w '%{http_code}' "https://$LAB_VIP/echo")" 200
is "over IPv6 too" \
	"$(on client curl -s --cacert "$LAB_DIR/address.pem" -o /dev/null -w '%{http_code}' "https://[$LAB_VIP6]/echo")" 200
is "1 MB" "$(fetch /bytes/1000000 | sum)" \
	"$(on origin curl -s 'http://127.0.0.1:8080/sha256/1000000')"

kill "${BACKGROUND[0]}"
wait "${BACKGROUND[0]}" 2>/dev/null
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=own.example \
	-addext subjectAltName=DNS:own.example,DNS:*.own.example -keyout "$TMP/key.pem" \
	-out "$TMP/chain.pem" 2>/dev/null
cat >"$TMP/edge.conf" <<-EOF_CONF
	dataplane = { ports = ( { addresses = ["203.0.113.10/32", "2001:db8:53::10/128"]; } ); };
	listen = ( { address = "*"; port = 443; protocol = "https"; },
	           { address = "203.0.113.10"; port = 8443; protocol = "https"; },
	           { address = "*"; port = 8080; protocol = "http"; },
	           { address = "*"; port = 80; protocol = "redirect"; } );
	certificates = ( { chain = "$TMP/chain.pem"; key = "$TMP/key.pem"; default = true; } );
EOF_CONF
lab_up single --edge-conf "$TMP/edge.conf" \
	--service "a --host own.example --to 10.77.3.2:8080 --location par" \
	--service "b --host www.own.example --path /bytes --to 10.77.3.2:8080 --location par"
background on origin python3 "$ROOT/tests/support/origin.py" 8080
is "the file's address is the VIP" "$LAB_VIP $LAB_VIP6" "203.0.113.10 2001:db8:53::10"
LAB_CA=$TMP/chain.pem FETCH_HOST=own.example
works "served with the file's certificate" eventually 10 test_status 200 /echo
is "over IPv6" "$(FETCH_IP=6 status_of /echo)" 200
FETCH_HOST=www.own.example
is "a second service by host and path" "$(eventually 5 test_status 200 /bytes/1 && status_of /bytes/1)" 200
is "its other paths are nobody's" "$(status_of /echo)" 404
is "a second https listener" "$(on client curl -s --cacert "$LAB_CA" -o /dev/null -w '%{http_code}' \
	--connect-to "::$LAB_VIP:" https://own.example:8443/echo)" 200
is "a plain http listener" "$(on client curl -s -o /dev/null -w '%{http_code}' \
	--connect-to "::$LAB_VIP:" http://own.example:8080/echo)" 200
finish
