# SPDX-License-Identifier: Apache-2.0
# A service's policy: what an edge allows, answers and changes before the service is asked; it acts on
# connections that are open already, and a removed one is gone.
. "$(dirname "$0")/lib.sh"

lab_up journey
works "the workload's stand-in starts" start_origin 8081

# rules RULE ...: the service's policy, and the edge has it.
rules() {
	local args=() rule
	for rule in "$@" "response-set=X-Policy: $((++GENERATION))"; do
		args+=(--rule "$rule")
	done
	millrace edge policy set api "${args[@]}" && eventually 10 has_policy
}
has_policy() { head_of /echo -X "${ASK:-GET}" | grep -q "^x-policy: $GENERATION"; }
GENERATION=0
seen() { fetch /echo "$@" | python3 -c 'import json, sys
for name, value in json.load(sys.stdin)["fields"]: print(f"{name}: {value}")'; }

works "fields are set and removed" rules 'request-set=X-Added: by the edge' 'request-remove=X-Secret' \
	'response-set=X-Frame-Options: DENY' 'response-remove=X-Hidden' 'hsts=31536000'
out=$(seen -H 'X-Secret: 1' -H 'X-Added: by a client')
matches "of the request" "$out" '^x-added: by the edge$'
lacks "a client's own is replaced" "$out" 'by a client|^x-secret'
out=$(head_of '/fields?f=X-Hidden:1&f=Cache-Control:max-age=60')
out=$(head_of '/fields?f=X-Hidden:1&f=Cache-Control:max-age=60')
matches "of the response, from the cache too" "$out" '^x-frame-options: DENY$'
matches "which answered" "$out" '; hit'
lacks "none that is hidden" "$out" '^x-hidden'
matches "HSTS" "$out" '^strict-transport-security: max-age=31536000$'

works "methods are bounded" rules 'methods=GET,HEAD'
out=$(head_of /echo -X DELETE)
matches "others are 405" "$out" '^HTTP/[12.]+ 405'
matches "and told which are allowed" "$out" '^allow: GET, HEAD$'
counts "and counted" edge exchange_method_not_allowed 0

works "bodies are bounded" rules 'max-body=1KiB'
head -c 1024 /dev/zero >"$TMP/small"
head -c 100000 /dev/zero >"$TMP/large"
for version in --http1.1 --http2; do
	is "a body of the bound passes ($version)" "$(status_of /echo $version --data-binary "@$TMP/small")" 200
done
is "a larger one is 413" "$(status_of /echo --http1.1 --data-binary "@$TMP/large")" 413
is "also when its length is not told" "$(status_of /echo --http1.1 -T - <"$TMP/large")" 413
# curl 7.88 forgets a response that a reset without error follows (RFC 9113 8.1); nghttp does not.
matches "and over h2" "$(on client nghttp -v --no-verify-peer -H ":authority: $FETCH_HOST" -d "$TMP/large" \
	"https://$LAB_VIP/echo" 2>&1)" ':status: 413'
counts "and counted" edge exchange_body_too_large 0
# The first request for a host waits until control has told who serves it; its body has begun then.
works "a service that the edge has not heard of" set_service late --host late.example --to "${LAB_ORIGIN%:*}:8081"
works "and its policy" millrace edge policy set late --rule max-body=1KiB
lookups=$(counter edge channel_lookups)
# Not by curl: while its standard input stands still it does not always look for an answer.
matches "what came before the service was known counts" "$({
	printf 'POST /echo HTTP/1.1\r\nHost: late.example\r\nTransfer-Encoding: chunked\r\n\r\n7d0\r\n'
	head -c 2000 /dev/zero | tr '\0' x
	sleep 2
} | on client timeout 3 openssl s_client -quiet -connect "$LAB_VIP:443" -servername "$FETCH_HOST" 2>/dev/null)" \
	'^HTTP/1.1 413'
counts "while control was asked" edge channel_lookups "$lookups"

works "paths move" rules 'redirect=/old https://new.example/here' 'redirect=/docs/* /manual/'
matches "one" "$(head_of /old)" '^location: https://new.example/here$'
out=$(head_of '/docs/a/b?c=d')
matches "what begins so, with the rest" "$out" '^location: /manual/a/b\?c=d$'
matches "for good" "$out" '^HTTP/[12.]+ 308'
is "others stay" "$(status_of "/echo?old")" 200
counts "and counted" edge exchange_moved 0

works "clients are let in by address" rules 'allow=192.0.2.0/24' 'allow=198.51.100.0/24' 'deny=198.51.100.99'
is "who is listed" "$(status_of /echo)" 200
FETCH_IP=6
is "not others" "$(status_of /echo)" 403
FETCH_IP=4
counts "and counted" edge exchange_denied 0

works "pages of an origin may ask" rules 'cors=https://app.example'
out=$(head_of /echo -X OPTIONS -H 'Origin: https://app.example' -H 'Access-Control-Request-Method: PUT' \
	-H 'Access-Control-Request-Headers: x-a')
matches "a preflight is answered by the edge" "$out" '^HTTP/[12.]+ 204'
matches "for that origin" "$out" '^access-control-allow-origin: https://app.example$'
matches "with the fields asked for" "$out" '^access-control-allow-headers: x-a$'
matches "a response says so" "$(head_of /echo -H 'Origin: https://app.example')" \
	'^access-control-allow-origin: https://app.example$'
lacks "not to others" "$(head_of /echo -H 'Origin: https://evil.example')" '^access-control-allow'
counts "and counted" edge exchange_preflight 0

works "maintenance" rules 'maintenance=<p>back at noon</p>'
out=$(head_of /echo)
matches "answers 503" "$out" '^HTTP/[12.]+ 503'
matches "says when to come back" "$out" '^retry-after: 60$'
matches "with a page" "$out" '^content-type: text/html'
is "of the policy" "$(fetch /echo)" '<p>back at noon</p>'
counts "and counted" edge exchange_maintenance 0

works "errors have pages" rules 'methods=GET' 'error-page=405 Not here.'
is "of the policy" "$(fetch /echo -X PUT)" 'Not here.'

text=$(printf 'word %.0s' {1..2500})
works "of many lines, too" rules 'methods=GET' "error-page=405 <p>\\n$text\\n</p>"
is "byte for byte" "$(fetch /echo -X PUT | sum)" "$(printf '<p>\n%s\n</p>' "$text" | sum)"
works "but not of any size" grep -q "more than 16384 bytes" <<<"$(rules "error-page=405 $text$text" 2>&1)"

works "a client's rate is bounded" rules 'client-rate=20'
on client h2load -n 200 -c 2 -m 10 --connect-to="$LAB_VIP:443" "https://$FETCH_HOST/echo" >"$TMP/h2load" 2>&1
out=$(grep '^status codes' "$TMP/h2load")
good=$(sed -E 's/.*: ([0-9]+) 2xx.*/\1/' <<<"$out")
at_least "a burst of a second passes" "$good" 10
at_most "the rest does not" "$good" 100
is "nothing else is answered but 429" "$(sed -E 's/.* ([0-9]+) 4xx, ([0-9]+) 5xx.*/\1 \2/' <<<"$out")" "$((200 - good)) 0"
counts "and counted" edge exchange_client_rate 0
sleep 1
works "the service's rate is bounded" rules 'rate=20'
on client h2load -n 200 -c 2 -m 10 --connect-to="$LAB_VIP:443" "https://$FETCH_HOST/echo" >"$TMP/h2load" 2>&1
counts "and counted" edge exchange_service_rate 0

out=$(millrace edge policy set api --rule 'rate=fast' 2>&1)
matches "a bad rule is refused with its cure" "$out" 'rule 1: a number from 1 to 1000000000 is wanted'
matches "and the rules of before stay" "$(millrace edge policy show api)" 'rate=20'
works "a policy is removed" millrace edge policy remove api
sleep 1
is "and gone" "$(for _ in 1 2 3; do head_of /echo; done | grep -c '^x-policy')" 0
matches "there is none to remove" "$(millrace edge policy remove api 2>&1)" 'has no policy'
finish
