# SPDX-License-Identifier: Apache-2.0
# Who may call a gateway and a sidecar: each wrong caller is refused by name, with its own counter,
# and no request of it reaches the workload.
. "$(dirname "$0")/lib.sh"

lab_up journey
works "the workload's stand-in starts" start_origin 8081
mesh_ca=$LAB_DIR/gateway/state/ca

# A certificate authority of openssl's, to set any dates: new_ca NAME [CERT KEY]
new_ca() {
	mkdir -p "$TMP/$1"
	: >"$TMP/$1/index"
	echo 1000 >"$TMP/$1/serial"
	if [ $# = 1 ]; then
		openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 \
			-subj "/CN=millrace mesh $1" -addext "subjectAltName=critical,URI:spiffe://mesh.example" \
			-keyout "$TMP/$1/key.pem" -out "$TMP/$1/cert.pem" 2>/dev/null
	else
		cp "$2" "$TMP/$1/cert.pem"
		cp "$3" "$TMP/$1/key.pem"
	fi
	cat >"$TMP/$1/conf" <<-END
		[ca]
		default_ca = one
		[one]
		database = $TMP/$1/index
		serial = $TMP/$1/serial
		new_certs_dir = $TMP/$1
		certificate = $TMP/$1/cert.pem
		private_key = $TMP/$1/key.pem
		default_md = sha256
		policy = any
		unique_subject = no
		email_in_dn = no
		[any]
		commonName = optional
	END
}

# issue NAME CA SAN [FROM UNTIL]: $TMP/NAME.pem and $TMP/NAME.key; dates as YYYYMMDDHHMMSSZ.
issue() {
	local from=${4:-$(date -u -d '-1 hour' +%Y%m%d%H%M%SZ)} until=${5:-$(date -u -d '+1 day' +%Y%m%d%H%M%SZ)}
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=x" \
		-keyout "$TMP/$1.key" -out "$TMP/$1.csr" 2>/dev/null
	printf 'keyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth,clientAuth\n%s\n' \
		"${3:+subjectAltName=critical,$3}" >"$TMP/$1.ext"
	openssl ca -batch -notext -config "$TMP/$2/conf" -startdate "$from" -enddate "$until" \
		-extfile "$TMP/$1.ext" -in "$TMP/$1.csr" -out "$TMP/$1.pem" 2>"$TMP/$1.log" ||
		sed 's/^/# /' "$TMP/$1.log"
}

new_ca mesh "$mesh_ca.pem" "$mesh_ca-key.pem"
new_ca other
issue edge mesh URI:spiffe://mesh.example/edge/par/edge-9
issue gateway mesh URI:spiffe://mesh.example/gateway/fra/gateway-9
issue service mesh URI:spiffe://mesh.example/svc/api
issue expired mesh URI:spiffe://mesh.example/edge/par/edge-9 20200101000000Z 20200102000000Z
issue future mesh URI:spiffe://mesh.example/edge/par/edge-9 20400101000000Z 20400102000000Z
issue stranger other URI:spiffe://mesh.example/edge/par/edge-9
issue abroad mesh URI:spiffe://other.example/edge/par/edge-9
issue nameless mesh ""
issue dns mesh DNS:edge.mesh.example
issue twice mesh URI:spiffe://mesh.example/edge/par/edge-9,URI:spiffe://mesh.example/edge/par/edge-8

# The test stands beside a node, on its link: an address on the bridge that carries the tap.
on edge ip address add 10.77.1.9/24 dev b-core0
on gateway ip address add 10.77.2.9/24 dev b-side0

# call HOST ADDRESS SNI [CERTIFICATE]: what a GET over mutual TLS brings back.
call() {
	local show=()
	[ $# = 4 ] && show=(-cert "$TMP/$4.pem" -key "$TMP/$4.key")
	{
		sleep 0.3
		printf 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0'
		sleep 0.7
	} | on "$1" timeout 5 openssl s_client -connect "$2:8443" -servername "$3" -alpn h2 -tls1_3 \
		-CAfile "$TMP/mesh/cert.pem" "${show[@]}" 2>&1 | tr -d '\0'
}

# refused NODE SENTENCE COUNTER CALL ...: the call fails and the counter grows.
refused() {
	local node=$1 sentence=$2 name=$3 before out
	shift 3
	before=$(counter "$node" "$name")
	out=$(call "$@")
	matches "$sentence is refused" "$out" 'alert|closed|errno|handshake failure'
	counts "counted as $name" "$node" "$name" "$before"
}
to_gateway="edge 10.77.1.2 fra.gateway.mesh.example"
to_sidecar="gateway 10.77.2.2 api.svc.mesh.example"
requests=$(on workload curl -s http://127.0.0.1:8081/count/x)

done_before=$(counter gateway tls_handshakes_done)
lacks "an edge of this mesh may call a gateway" "$(call $to_gateway edge)" 'alert'
counts "its handshake is done" gateway tls_handshakes_done "$done_before"
done_before=$(counter sidecar tls_handshakes_done)
lacks "a gateway of this mesh may call a sidecar" "$(call $to_sidecar gateway)" 'alert'
counts "its handshake is done" sidecar tls_handshakes_done "$done_before"

refused gateway "a service at a gateway" tls_peer_wrong_role $to_gateway service
refused sidecar "an edge at a sidecar" tls_peer_wrong_role $to_sidecar edge
for pair in "gateway:$to_gateway" "sidecar:$to_sidecar"; do
	node=${pair%%:*} to=${pair#*:}
	refused "$node" "$node: an expired certificate" tls_peer_expired $to expired
	refused "$node" "$node: a certificate of the future" tls_peer_not_yet_valid $to future
	refused "$node" "$node: a certificate from another CA" tls_peer_other_ca $to stranger
	refused "$node" "$node: no certificate" tls_peer_no_certificate $to
	refused "$node" "$node: a certificate of another mesh" tls_peer_wrong_mesh $to abroad
	refused "$node" "$node: a certificate without a name" tls_peer_no_name $to nameless
	refused "$node" "$node: a certificate with a DNS name only" tls_peer_no_name $to dns
	refused "$node" "$node: a certificate with two names" tls_peer_no_name $to twice
	before=$(counter "$node" tls_no_shared_version)
	on ${to%% *} timeout 5 openssl s_client -connect "$(cut -d' ' -f2 <<<"$to"):8443" -tls1_2 \
		-cert "$TMP/gateway.pem" -key "$TMP/gateway.key" </dev/null >/dev/null 2>&1
	counts "$node: TLS 1.2 between nodes is refused" "$node" tls_no_shared_version "$before"
	before=$(counter "$node" tls_not_tls)
	on ${to%% *} curl -s --max-time 3 "http://$(cut -d' ' -f2 <<<"$to"):8443/" >/dev/null 2>&1
	counts "$node: plain HTTP between nodes is refused" "$node" tls_not_tls "$before"
done

# Nothing in the configuration turns it off.
FETCH_HOST=api.example
is "right callers are served all the while" "$(status_of /echo)" 200
is "and nothing of this reached the workload" \
	"$(on workload curl -s http://127.0.0.1:8081/count/x)" "$requests"
finish
