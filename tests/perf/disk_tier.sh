# SPDX-License-Identifier: Apache-2.0
# What hits from the cache's disk cost: bodies of 4 KiB to 8 MB, with the file in the kernel's memory (warm)
# and dropped from it (cold); one after the other, then 16 at a time; and what a bystander sees meanwhile,
# who has hits from memory. As root, on a quiet machine; CACHE_DISK_DIR is a directory on the disk in question:
#
#   MILLRACE_BUILD=build-gcc CACHE_DISK_DIR=/var/tmp bash tests/perf/cache_disk.sh
. "$(dirname "$0")/../e2e/lib.sh"

FILE=$(mktemp -u "${CACHE_DISK_DIR:-/var/tmp}/millrace-tier.XXXXXX")
trap 'rm -f "$FILE"; end' EXIT # end: lib.sh's, which takes the lab down
SIZES=(4096:300 65536:300 1048576:100 8000000:12)
TOTAL=712
lab_up journey --workers 1 --set edge:cache.memory=512MiB --set edge:cache.objects=4096 --set edge:cache.max_object=16MiB \
	--set "edge:cache.disk_path=$FILE" --set edge:cache.disk_size=1GiB --set edge:cache.disk_rate=1GiB
works "the origin starts" start_origin 8081
mkdir "$TMP/figures"

# ask SIZE COUNT [CURL ARGS ...]: all of them; time to first byte, time, bytes of each.
ask() {
	local size=$1 count=$2
	shift 2
	FETCH_SECONDS=120 fetch "/bytes/$size?seed=[1-$count]&cache=max-age%3D6000" -o /dev/null \
		-w '%{time_starttransfer} %{time_total} %{size_download}\n' "$@"
}
ask_all() {
	for each in "${SIZES[@]}"; do ask "${each%:*}" "${each#*:}" >/dev/null; done
}
is_written() {
	counter_is edge cache_disk_objects $TOTAL || { ask_all && false; }
}
# forget: what is in the edge's memory; and where it says cold, in the kernel's of the file.
forget() {
	local old
	old=$(pid_of edge dataplane)
	kill -TERM "$old"
	eventually 20 eval "[ \$(pid_of edge dataplane) != $old ] && test_status 200 /bytes/1000?cache=max-age%3D6000" &&
		eventually 20 counter_is edge cache_disk_walking 0
	test_status 200 /bytes/1000?cache=max-age%3D6000
	[ "$1" = warm ] && cat "$FILE" >/dev/null
	[ "$1" = warm ] || python3 -c "import os, sys
file = os.open(sys.argv[1], os.O_RDONLY)
os.fsync(file)
os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)" "$FILE"
}
# percentiles NAME COLUMN FILE: the middle and the last hundredth in us, and how many.
percentiles() {
	awk -v c="$2" '{ print $c * 1000000 }' "$3" | sort -n | awk -v name="$1" '{ v[NR] = $1 }
		END { printf "# %-34s p50 %7d us  p99 %7d us  (%d)\n", name, v[int((NR + 1) / 2)], v[int(NR * 0.99 + 0.5)], NR }'
}
# bystander FILE: hits from memory, until it is stopped.
bystander() {
	while [ ! -e "$TMP/stop" ]; do
		fetch "/bytes/1000?cache=max-age%3D6000&n=[1-200]" -o /dev/null -w '%{time_total}\n' >>"$1"
	done
}
rate() {
	awk -v from="$2" -v to="$(date +%s.%N)" '{ bytes += $3 } END {
		printf "# %-34s %7.1f MB/s  %7.0f a second\n", "'"$1"'", bytes / 1e6 / (to - from), NR / (to - from) }' "$3"
}

ask_all
works "all is on the disk" eventually 60 is_written
for state in warm cold; do
	works "memory is empty, the file $state" forget $state
	for each in "${SIZES[@]}"; do
		ask "${each%:*}" "${each#*:}" >"$TMP/figures/$state"
		percentiles "$state ${each%:*}: first byte" 1 "$TMP/figures/$state"
		percentiles "$state ${each%:*}: all of it" 2 "$TMP/figures/$state"
	done
	is "all came from the disk" "$(counter edge cache_disk_read)" $TOTAL
	works "memory is empty, the file $state" forget $state
	for each in "${SIZES[@]:0:3}"; do
		from=$(date +%s.%N)
		ask "${each%:*}" "${each#*:}" -Z --parallel-max 16 >"$TMP/figures/$state" 2>/dev/null
		rate "$state ${each%:*}: 16 at a time" "$from" "$TMP/figures/$state"
	done
done
fetch "/bytes/1000?cache=max-age%3D6000&n=[1-200]" -o /dev/null
for state in alone beside; do
	forget cold
	fetch "/bytes/1000?cache=max-age%3D6000&n=[1-200]" -o /dev/null
	rm -f "$TMP/stop"
	bystander "$TMP/figures/bystander-$state" &
	pid=$!
	sleep 1
	[ $state = beside ] && for each in "${SIZES[@]}"; do ask "${each%:*}" "${each#*:}" -Z --parallel-max 4 >/dev/null 2>&1; done
	[ $state = alone ] && sleep 3
	touch "$TMP/stop"
	wait $pid
	percentiles "a bystander's hits, $state" 1 "$TMP/figures/bystander-$state"
done
at_most "reads that were given up" "$(counter edge cache_disk_read_late)" 0
finish
