# SPDX-License-Identifier: Apache-2.0
# Floods of the network at an edge that serves: a bystander opens a TLS connection and asks once, every
# 50 ms, all the while. At least 99 % succeed, memory stays, and the edge answers afterwards. What TCP
# alone does under the same is kernel_attack. E2E_LONG=1: 10 s each.
. "$(dirname "$0")/lib.sh"

SECONDS_EACH=2 RSS_SLACK_KB=8192
[ "${E2E_LONG:-0}" = 1 ] && SECONDS_EACH=10

lab_up single
background on origin python3 "$ROOT/tests/support/origin.py" 8080
works "the edge serves" eventually 10 test_status 200 /echo
SUPPORT=$MILLRACE_BUILD/tests/support
MAC=$(on client ip neigh show "$LAB_VIP" dev wan0 | sed -nE 's/.* lladdr ([0-9a-f:]+).*/\1/p')
is "its MAC is known" "${#MAC}" 17

# bystand ADDRESS: one connection and request every 50 ms; good, all, p50 and p99 in ms.
bystand() {
	on client python3 - "$1" "$LAB_HOST" "$LAB_CA" "$SECONDS_EACH" <<'PY'
import socket, ssl, sys, threading, time
address, host, ca, seconds = sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4])
context = ssl.create_default_context(cafile=ca)
times, lock = [], threading.Lock()
def ask():
    begin, good = time.monotonic(), False
    try:
        with socket.create_connection((address, 443), timeout=8) as plain, \
                context.wrap_socket(plain, server_hostname=host) as tls:
            tls.sendall(b'GET /echo HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n' % host.encode())
            good = tls.recv(12).startswith(b'HTTP/1.1 200')
    except OSError:
        pass
    with lock:
        times.append(time.monotonic() - begin if good else None)
threads = []
end = time.monotonic() + seconds
while time.monotonic() < end:
    threads.append(threading.Thread(target=ask))
    threads[-1].start()
    time.sleep(0.05)
for thread in threads:
    thread.join()
good = sorted(t * 1000 for t in times if t is not None)
if not good:
    good = [0]
print(len([t for t in times if t is not None]), len(times), int(good[len(good) // 2]),
      int(good[len(good) * 99 // 100]))
PY
}

# flood SENTENCE KIND FAMILY [ARGS ...]
flood() {
	local sentence=$1 kind=$2 to=$LAB_VIP from=198.51.100.10 before good all p50 p99
	[ "$3" = 6 ] && to=$LAB_VIP6 from=2001:db8:100::10
	shift 3
	before=$(rss_kb edge)
	background on client "$SUPPORT/attack" "$kind" --interface wan0 --mac "$MAC" --seed $RANDOM \
		--target "$to,443" --source "$from,40000" --seconds "$SECONDS_EACH" "$@" >"$TMP/attack"
	read -r good all p50 p99 < <(bystand "$to")
	wait "${BACKGROUND[-1]}"
	echo "# $sentence: $(sed -nE 's/.*"per_second": *([0-9]+).*/\1/p' "$TMP/attack") frames/s;" \
		"$good of $all requests, p50 $p50 ms, p99 $p99 ms; memory $before KB, then $(rss_kb edge)"
	at_least "$sentence: requests that succeed, of $all" "$good" $((all * 99 / 100))
	at_most "$sentence: memory grows by KB" $(($(rss_kb edge) - before)) $RSS_SLACK_KB
}

flood "nothing at all" syn 4 --count 1
flood "SYNs from everywhere, IPv4" syn 4
flood "SYNs from everywhere, IPv6" syn 6
flood "fragments" fragment 4
flood "ARP" arp 4
flood "ND" nd 6
flood "blind resets" rst 4
flood "forged path MTUs" too-big 6
counts "cookies were sent" edge tcp_cookies_sent 0
is "and the edge serves" "$(status_of /echo)" 200
is "over IPv6, too" "$(FETCH_IP=6 status_of /echo)" 200
finish
