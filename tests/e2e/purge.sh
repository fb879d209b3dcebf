# SPDX-License-Identifier: Apache-2.0
# Purges by URL, prefix, tag and service, hard and soft, at an edge with two workers: when the command
# has returned, no worker serves what was. An edge that does not answer is named.
. "$(dirname "$0")/lib.sh"

lab_up journey --workers 2
works "the workload's stand-in starts" start_origin 8081

TAGGED='cache=max-age=600&f=Surrogate-Key:one%20two&f=Cache-Tag:red,%20blue'
# answers PATH: what 24 new connections get, each once, sorted and unique.
answers() {
	local urls=() i
	for i in $(seq 24); do
		urls+=("https://$FETCH_HOST$1")
	done
	on client curl -sS -Z --parallel-immediate --parallel-max 24 --http1.1 --max-time 20 --cacert "$LAB_CA" \
		--connect-to "$FETCH_HOST:443:$LAB_VIP:443" "${urls[@]}" 2>"$TMP/answers" | sed 's/}/}\n/g' | sort -u
}

out=$(head_of "/counted/dir/?$TAGGED")
matches "a tagged response is stored" "$out" '^cache-status: .*stored'
lacks "its tags are for the edge" "$out" '^(surrogate-key|cache-tag)'
lacks "also from the cache" "$(head_of "/counted/dir/?$TAGGED")" '^(surrogate-key|cache-tag)'
number=1
is "both workers serve it" "$(answers "/counted/dir/?$TAGGED")" "{\"answer\": $number}"
for what in "--tag two" "--tag red" "--service api" "--prefix https://api.example/counted/dir/" \
	"https://api.example/counted/dir/?$TAGGED" --all; do
	works "purge $what" millrace edge purge $what
	number=$((number + 1))
	is "no worker serves what was (purge ${what%%\?*})" "$(answers "/counted/dir/?$TAGGED")" "{\"answer\": $number}"
done
works "a tag that it has not" millrace edge purge --tag three
works "a prefix that it is not below" millrace edge purge --prefix https://api.example/counted/other/
is "it stays" "$(answers "/counted/dir/?$TAGGED")" "{\"answer\": $number}"

SOFT='cache=max-age=600,stale-while-revalidate=60&f=Cache-Tag:soft'
fetch "/counted/soft?$SOFT" -o /dev/null
works "a soft purge" millrace gateway purge --tag soft --soft
is "what is stale is used once more" "$(fetch "/counted/soft?$SOFT")" '{"answer": 1}'
works "and fetched anew behind it" eventually 5 test_body '{"answer": 2}' "/counted/soft?$SOFT"

matches "a prefix within a segment is refused" \
	"$(millrace edge purge --prefix https://api.example/counted/d 2>&1)" "ends in '/'"
kill -STOP "$(pid_of edge control)"
out=$(millrace gateway purge --tag one 2>&1)
status=$?
kill -CONT "$(pid_of edge control)"
is "an edge that does not answer is no success" $status 1
matches "and is named" "$out" '0 of 1 edges; edge-1 did not answer in 5 s'
number=$((number + 1))
works "it purges when it is back" eventually 5 test_body "{\"answer\": $number}" "/counted/dir/?$TAGGED"
finish
