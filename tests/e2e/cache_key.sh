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
