# SPDX-License-Identifier: Apache-2.0
# The journey over the other kinds of port: AF_PACKET and AF_XDP, by the driver and by generic XDP, with one worker and with two.
. "$(dirname "$0")/lib.sh"

for port in af_packet af_xdp af_xdp_generic; do
	for workers in 1 2; do
		lab_up journey --port $port --workers $workers
		[ $port != af_xdp_generic ] || matches "$port, $workers workers: the edge's link has generic XDP" \
			"$(on edge ip link show wan0)" "xdpgeneric"
		works "$port, $workers: the workload's stand-in starts" start_origin 8081
		for size in 0 102400 10485760; do
			wanted=$(digest_of $size)
			for ip in 4 6; do
				FETCH_IP=$ip
				is "$port, $workers workers: $size bytes over IPv$ip" \
					"$(fetch "/bytes/$size" | sum)" "$wanted"
			done
		done
		FETCH_IP=4
		out=$(on client h2load --connect-to "$LAB_VIP:443" -n 5000 -c 20 -m 10 \
			"https://$LAB_HOST/1k" 2>&1)
		matches "$port, $workers workers: 5000 requests" "$out" "5000 done, 5000 succeeded, 0 failed"
		before=$(counter edge worker_sleeps)
		sleep 2
		[ $port = af_packet ] || at_most "$port, $workers workers: sleeps of an idle edge in 2 s" \
			$(($(counter edge worker_sleeps) - before)) 200
		kill "${BACKGROUND[@]}" 2>/dev/null
		BACKGROUND=()
		unset FETCH_HOST
	done
done
finish
