# SPDX-License-Identifier: Apache-2.0
# What the edge has cached it serves while the workload is stopped; what must not be cached is not.
. "$(dirname "$0")/lib.sh"

lab_up journey
works "the workload's stand-in starts" start_origin 8081
url='/bytes/102400?cache=max-age%3D600'

before=$(counter edge cache_hit)
first=$(head_of "$url")
matches "the first request is a miss" "$first" '^cache-status: .*fwd=(uri-)?miss'
second=$(head_of "$url")
matches "the second is a hit" "$second" '^cache-status: .*hit'
matches "a hit has an Age" "$second" '^age: [0-9]+'
counts "the edge counts the hit" edge cache_hit "$before"
wanted=$(digest_of 102400)

etag=$(sed -n 's/^etag: //p' <<<"$second")
is "If-None-Match is answered 304 from the cache" "$(status_of "$url" -H "If-None-Match: $etag")" 304
is "a HEAD is answered from the cache" \
	"$(head_of "$url" --head | grep -cE '^cache-status: .*hit')" 1

is "no-store is not stored" \
	"$(fetch '/counted/a?cache=no-store' >/dev/null; fetch '/counted/a?cache=no-store')" '{"answer": 2}'
is "private is not stored" \
	"$(fetch '/counted/b?cache=private' >/dev/null; fetch '/counted/b?cache=private')" '{"answer": 2}'
is "a request with Authorization is not answered from the cache" \
	"$(fetch '/counted/c' >/dev/null; fetch '/counted/c' -H 'Authorization: Basic eDp5')" '{"answer": 2}'
for rule in stale-if-error=600 stale-while-revalidate=600 must-revalidate; do
	fetch "/counted/$rule?cache=max-age%3D1,$rule" >/dev/null
done
is "what expired is fetched again" \
	"$(fetch '/counted/d?cache=max-age%3D1' >/dev/null; sleep 2.1
		fetch '/counted/d?cache=max-age%3D1')" '{"answer": 2}'
is "s-maxage wins over max-age" \
	"$(fetch '/counted/e?cache=max-age%3D0,s-maxage%3D600' >/dev/null
		fetch '/counted/e?cache=max-age%3D0,s-maxage%3D600')" '{"answer": 1}'

# One fetch for many waiters.
waiters=()
for _ in $(seq 20); do
	fetch '/counted/f?wait_ms=500' >>"$TMP/waiters" &
	waiters+=($!)
done
wait "${waiters[@]}"
is "twenty requests at once are one fetch" "$(fetch /count/f)" 1
is "all twenty were answered" "$(grep -o '"answer": 1' "$TMP/waiters" | wc -l)" 20

fetch /counted/g >/dev/null
works "a purge by URL is taken" millrace edge purge https://api.example/counted/g
works "after a purge it is fetched again" eventually 3 test_body '{"answer": 2}' /counted/g

kill "${BACKGROUND[0]}"
eventually 5 test_status '50[234]' '/bytes/1?nothing' || true
is "with the workload stopped the cached body is served whole" "$(fetch "$url" | sum)" "$wanted"
is "over h1 too" "$(fetch "$url" --http1.1 | sum)" "$wanted"
FETCH_IP=6
is "over IPv6 too" "$(fetch "$url" | sum)" "$wanted"
FETCH_IP=4
matches "what is stale answers for the workload (stale-if-error)" \
	"$(head_of '/counted/stale-if-error=600?cache=max-age%3D1,stale-if-error=600')" '^cache-status: .*detail=stale-if-error'
is "with its body" "$(fetch '/counted/stale-if-error=600?cache=max-age%3D1,stale-if-error=600')" '{"answer": 1}'
for _ in 1 2; do
	is "and while it is asked in vain (stale-while-revalidate)" \
		"$(fetch '/counted/stale-while-revalidate=600?cache=max-age%3D1,stale-while-revalidate=600')" '{"answer": 1}'
done
matches "not what must be revalidated" "$(status_of '/counted/must-revalidate?cache=max-age%3D1,must-revalidate')" '^50[234]$'
matches "what is not cached says so" "$(status_of '/bytes/7?fresh')" '^50[234]$'
finish
