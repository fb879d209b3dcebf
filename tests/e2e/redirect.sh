# SPDX-License-Identifier: Apache-2.0
# Port 80 only sends clients to https.
. "$(dirname "$0")/lib.sh"

lab_up journey
before=$(counter edge exchange_redirected)
# plain PATH [ARGS]: head of the answer on port 80
plain() {
	local path=$1 address=$LAB_VIP
	shift
	[ "${FETCH_IP:-4}" = 6 ] && address="[$LAB_VIP6]"
	on client curl -sS --max-time 5 -o /dev/null -D - --connect-to "::$address:80" "$@" \
		"http://$LAB_HOST$path" | tr -d '\r'
}
for ip in 4 6; do
	FETCH_IP=$ip
	out=$(plain '/a/b?c=d')
	matches "308 over IPv$ip" "$out" '^HTTP/1.1 308'
	matches "to the same place by https over IPv$ip" "$out" \
		"^[Ll]ocation: https://$LAB_HOST/a/b\?c=d$"
done
FETCH_IP=4
matches "a POST is redirected too" "$(plain /form -d x=y)" '^HTTP/1.1 308'
counts "and counted" edge exchange_redirected "$before"
is "a client that follows arrives" "$(on client curl -sS -L --max-time 5 --cacert "$LAB_CA" \
	--connect-to "::$LAB_VIP:" -o /dev/null -w '%{http_code}' "http://$LAB_HOST/1k")" 200
finish
