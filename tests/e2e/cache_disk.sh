# SPDX-License-Identifier: Apache-2.0
# The cache's second tier: what memory has no room for comes from the disk, also after kill -9 and
# after a good end; what was purged never does, nor do wrong bytes from a file that rotted.
. "$(dirname "$0")/lib.sh"

COUNT=40
FILE=$TMP/tier
lab_up journey --workers 2 --set edge:cache.memory=8MiB --set edge:cache.objects=1024 --set edge:cache.max_object=1MiB \
	--set "edge:cache.disk_path=$FILE" --set edge:cache.disk_size=160MiB
works "the workload's stand-in starts" start_origin 8081
mkdir "$TMP/got"

# get FIRST: the status codes of all from FIRST on, sorted and counted; bodies in $TMP/got.
get() {
	rm -f "$TMP"/got/*
	fetch "/bytes/300000?seed=[$1-$COUNT]&cache=max-age%3D600" -o "$TMP/got/#1" -D "$TMP/heads" \
		-w '%{http_code}\n' 2>"$TMP/faults" | sort | uniq -c | sed 's/^ *//' | paste -sd' '
}
# is_there asks for all of it; true when all of it was on the disk.
is_there() {
	counter_is edge cache_disk_objects $COUNT && return
	get 1
	counter_is edge cache_disk_objects $COUNT
}
# wrong: how many bodies of the last get are neither what they were, nor an error, nor the beginning of
# what they were, where curl was told that the rest is missing. cut: how many are that.
cut() { find "$TMP/got" -type f -size +1000c -size -300000c | wc -l; }
wrong() {
	(cd "$TMP/got" && sha256sum -- * | while read -r sum name; do
		bytes=$(stat -c %s "$name")
		grep -q "^$sum  $name\$" "$TMP/wanted" || [ "$bytes" -lt 1000 ] ||
			{ [ "$bytes" -lt 300000 ] && cmp -s -n "$bytes" "$name" "$TMP/all/$name"; } || echo "$name"
	done) | wc -l
}
# restart SIGNAL: the edge's data plane, until it serves and knows what is on its disk.
restart() {
	local old
	old=$(pid_of edge dataplane)
	kill "-$1" "$old"
	[ "$1" = KILL ] && kill -CONT "$old" 2>/dev/null
	eventually 20 eval "[ \$(pid_of edge dataplane) != $old ] && test_status '200|50[234]' /bytes/9" &&
		eventually 20 counter_is edge cache_disk_walking 0
}

is "the file is ours alone" "$(stat -c %a "$FILE")" 600
is "all are fetched" "$(get 1)" "$COUNT 200"
(cd "$TMP/got" && sha256sum -- *) >"$TMP/wanted"
cp -r "$TMP/got" "$TMP/all"
is "nothing that was asked for once is written" "$(counter edge cache_disk_written)" 0
works "what is asked for again is, as the queue allows" eventually 20 is_there

# Killed as soon as the answer to an unsafe request has come.
changed="/bytes/300000?seed=1&cache=max-age%3D600"
from_disk() { head_of "$changed" | grep -c 'hit.*detail=disk'; }
for method in POST PUT DELETE; do
	is "a $method succeeds" "$(fetch "$changed" -X $method -o /dev/null -w '%{http_code}')" 200
	works "the data plane is killed at once" restart KILL
	is "what the $method has invalidated is not used" "$(from_disk)" 0
	works "all is on the disk again" eventually 20 is_there
done
kill "${BACKGROUND[0]}"
eventually 5 test_status '50[234]' '/bytes/1?nothing'

is "with the workload stopped all are served" "$(get 1)" "$COUNT 200"
is "whole" "$(wrong)" 0
at_least "some from the disk" "$(grep -c 'hit.*detail=disk' "$TMP/heads")" 10
works "the data plane is killed and serves again" restart KILL
is "all are served" "$(get 1)" "$COUNT 200"
is "whole" "$(wrong)" 0
is "all from the disk" "$(grep -c 'hit.*detail=disk' "$TMP/heads")" $COUNT
works "one is purged" millrace edge purge "https://$FETCH_HOST/bytes/300000?seed=1&cache=max-age%3D600"
works "the data plane is killed again" restart KILL
matches "what was purged does not come back" \
	"$(status_of '/bytes/300000?seed=1&cache=max-age%3D600')" '^50[234]$'
is "all others are served" "$(get 2)" "$((COUNT - 1)) 200"
works "it ends well and starts again" restart TERM
is "they are served still" "$(get 2)" "$((COUNT - 1)) 200"

# Purges while the edge is away: they are done when it is back, and cost nothing else.
last="/bytes/300000?seed=$COUNT&cache=max-age%3D600"
kill -STOP "$(pid_of edge dataplane)"
millrace gateway purge --tag nothing >/dev/null 2>&1 &
millrace gateway purge "https://$FETCH_HOST$last" >/dev/null 2>&1 &
sleep 1
works "two purges are missed" restart KILL
matches "what was meant is not used" "$(status_of "$last")" '^50[234]$'
matches "all else is" "$(get 2)" "^$((COUNT - 2)) 200 1 50[234]\$"
is "nothing was given up" "$(counter edge cache_disk_lost)" 0

kill -STOP "$(pid_of edge dataplane)"
python3 - "$FILE" <<'END'
import random, sys
random.seed(4)
with open(sys.argv[1], 'r+b') as file:
    for at in range(1 << 20, 160 << 20, 1 << 18):
        file.seek(at + random.randrange(1 << 18))
        file.write(b'rot')
END
works "the file rots" restart KILL
get 2 >"$TMP/codes"
is "no wrong byte is served of it" "$(wrong)" 0
at_least "whose response is cut is told so" "$(grep -c '^curl: ([0-9]' "$TMP/faults")" "$(cut)"
at_least "as is counted" "$(counter edge cache_disk_read_failed)" "$(cut)"
at_least "what is damaged is not used" \
	"$(($(counter edge cache_disk_read_failed) + $(counter edge cache_disk_lost)))" 1

finish
