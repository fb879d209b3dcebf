# SPDX-License-Identifier: Apache-2.0
# What makes the cache's key, by a service's policy; what is not in it does not reach the service, so
# that a stranger cannot poison what others get; no name of a path makes a response stored.
. "$(dirname "$0")/lib.sh"

lab_up single
works "the origin's stand-in starts" start_origin 8080
rules() {
	local args=() rule
	for rule in "$@" "response-set=X-Policy: $((++GENERATION))"; do
		args+=(--rule "$rule")
	done
	millrace edge policy set "$SERVICE" "${args[@]}" && eventually 10 has_policy
}
has_policy() { head_of /echo | grep -q "^x-policy: $GENERATION"; }
seen() { fetch "$@" | python3 -c 'import json, sys
request = json.load(sys.stdin)
print(request["target"])
for name, value in request["fields"]: print(f"{name.lower()}: {value}")'; }
# target PATH: what the service sees of it.
target() { fetch "$1" | python3 -c 'import json, sys; print(json.load(sys.stdin)["target"])'; }
GENERATION=0
SERVICE=$(millrace edge service list | sed -nE 's/^([a-z0-9.-]+) \(.*/\1/p' | head -1)

# Fields that frameworks take for the URL or the method.
steering=(X-Forwarded-Host X-Forwarded-Server X-Forwarded-Port X-Forwarded-Scheme X-Forwarded-Prefix X-Original-URL
	X-Original-Host X-Rewrite-URL X-Host X-HTTP-Method-Override)
args=()
for name in "${steering[@]}"; do
	args+=(-H "$name: evil.example")
done
lacks "fields that steer the service past the key do not reach it" "$(seen /echo "${args[@]}")" '^x-(forwarded-(h|se|po|sc|pr)|o|r|h).*evil'
matches "a method is only overridden where nothing is cached" "$(seen /echo -X POST "${args[@]}")" '^x-http-method-override: evil'

works "parameters are dropped" rules 'query-drop=utm_*, fbclid' 'query-drop=t'
is "neither the service nor the key sees them" \
	"$(target '/echo?utm_source=a&id=1&fbclid=2&lang=de&t=3&utm_=4&tt=5')" '/echo?id=1&lang=de&tt=5'
is "nothing is left of a query without others" "$(target '/echo?utm_source=a')" /echo
is "what is fetched for one" "$(fetch '/counted/q?utm_source=a&id=1')" '{"answer": 1}'
is "others get" "$(fetch '/counted/q?id=1&utm_source=b&fbclid=x')" '{"answer": 1}'
is "not for another value of what is kept" "$(fetch '/counted/q?id=2')" '{"answer": 2}'

works "parameters are kept" rules 'query-keep=id,l*'
is "only these are seen" "$(target '/echo?a=b&id=1&lang=de&ID=2&id2')" '/echo?id=1&lang=de'
works "the query is ignored" rules 'query-drop=*'
is "all of it" "$(target '/echo?a=b&c')" /echo

works "parameters are put in order" rules query-sort=on
is "by their names, those of one name in theirs" "$(target '/echo?b=2&a=1&c&b=1&&aa=')" '/echo?a=1&aa=&b=2&b=1&c'
is "one key for all orders" "$(fetch '/counted/order?x=1&y=2'; fetch '/counted/order?y=2&x=1')" '{"answer": 1}{"answer": 1}'

cookies=(-b 'track=9; region=eu; session=s; ab1=x')
works "cookies are part of the key" rules 'key-cookie=region,ab*'
is "only these reach the service" "$(seen /echo "${cookies[@]}" | grep ^cookie)" 'cookie: region=eu; ab1=x'
is "but of a POST all" "$(seen /echo -X POST "${cookies[@]}" | grep ^cookie)" 'cookie: track=9; region=eu; session=s; ab1=x'
is "another value is another response" "$(for c in 'region=eu' 'region=us' 'track=1; region=eu' 'region=us; t=2' 't=1' ''; do
	fetch /counted/region?cache=max-age=60 -b "$c"
done)" '{"answer": 1}{"answer": 2}{"answer": 1}{"answer": 2}{"answer": 3}{"answer": 3}'
matches "which it says" "$(head_of /counted/region?cache=max-age=60)" '^vary: .*cookie'
works "cookies are ignored" rules cookies=ignore
lacks "none reaches the service" "$(seen /echo "${cookies[@]}")" '^cookie'
matches "but of a POST" "$(seen /echo -X POST "${cookies[@]}")" '^cookie: track'
works "fields and the device are part of the key" rules 'key-field=X-Tenant' key-device=on
phone='Mozilla/5.0 (Linux; Android 14) Mobile Safari/537.36'
is "as the service sees it" "$(seen /echo -A "$phone" -H 'X-Device: toaster' | grep ^x-device)" 'x-device: mobile'
is "each combination is a response" "$(for a in "a;$phone" "a;Mozilla" "b;$phone" "a;$phone" "a;curl"; do
	fetch /counted/tenant?cache=max-age=60 -H "X-Tenant: ${a%%;*}" -A "${a#*;}"
done)" '{"answer": 1}{"answer": 2}{"answer": 3}{"answer": 1}{"answer": 2}'
out=$(seen /echo -H 'X-Forwarded-For: 203.0.113.9' -H 'Forwarded: for=203.0.113.9')
lacks "a stranger's X-Forwarded-For does not reach the service" "$out" '203\.0\.113\.9'

works "the cache is kept out" rules cache=off
is "of every request" "$(fetch /counted/off; fetch /counted/off)" '{"answer": 1}{"answer": 2}'

works "lifetimes are set" rules cache-ttl=60 cache-error-ttl=60
is "whatever the service says" "$(fetch '/counted/ttl?cache=no-cache'; fetch '/counted/ttl?cache=no-cache')" '{"answer": 1}{"answer": 1}'
out=$(head_of '/counted/ttl?cache=no-cache')
matches "which clients still hear" "$out" '^cache-control: no-cache$'
lacks "but nothing of ours" "$out" '^cdn-cache-control'
is "but for who is authorized" \
	"$(fetch /counted/own -H 'Authorization: x'; fetch /counted/own -H 'Authorization: y')" '{"answer": 1}{"answer": 2}'
is "not what is one user's" "$(for _ in 1 2; do fetch '/counted/user?cache=private'; done)" '{"answer": 1}{"answer": 2}'
is "nor with a cookie set" "$(for _ in 1 2; do fetch '/counted/set?f=Set-Cookie:a=b'; done)" '{"answer": 1}{"answer": 2}'
fetch /none -o /dev/null
matches "errors have theirs" "$(head_of /none)" '^cache-status: .*; hit'

works "no policy" millrace edge policy remove "$SERVICE"
sleep 1
# Deception: a page of one user under a path that looks like a style sheet.
for path in /counted/page/x.css '/counted/page;x.js' /counted/page/x.png; do
	fetch "$path?cache=private" -o /dev/null
	lacks "no path makes a private response stored ($path)" "$(head_of "$path?cache=private")" '^cache-status:.*(hit|stored)'
done
finish
