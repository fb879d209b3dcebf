# SPDX-License-Identifier: Apache-2.0
# Compression on the fly: what curl, gzip, brotli and zstd make of it, what the cache keeps, what is left
# as it is, and what happens when there is no room for more.
. "$(dirname "$0")/lib.sh"

lab_up single --set edge:compression.contexts=3
works "the workload's stand-in starts" start_origin 8080
SIZE=300001
PLAIN=$(fetch "/text/$SIZE?cache=no-store" -H 'Accept-Encoding: identity' | sum)

# decode CODING: what the tool of that coding reads.
decode() {
	case $1 in
	gzip) gzip -dc ;;
	br) brotli -dc ;;
	zstd) zstd -dcq ;;
	esac
}
asked() { fetch /count/text; }

for version in --http1.1 --http2; do
	for coding in gzip br zstd; do
		for framing in '' '&chunked'; do
			out=$(fetch "/text/$SIZE?cache=no-store$framing" $version -H "Accept-Encoding: $coding" \
				-D "$TMP/head" | decode $coding | sum)
			is "$coding, ${version#--}$framing: the text" "$out" "$PLAIN"
			matches "and its name" "$(cat "$TMP/head")" "^[Cc]ontent-[Ee]ncoding: $coding"
		done
	done
	is "curl decodes, ${version#--}" "$(fetch "/text/$SIZE?cache=no-store" $version --compressed | sum)" "$PLAIN"
done

out=$(head_of "/text/$SIZE?a" -H 'Accept-Encoding: gzip, br')
matches "a response says what it depends on" "$out" '^vary: accept-encoding$'
matches "its ETag is weak" "$out" "^etag: W/\"text-$SIZE\""
lacks "no length and no ranges are promised" "$out" '^(content-length|accept-ranges)'
before=$(asked)
out=$(head_of "/text/$SIZE?a" -H 'Accept-Encoding: br;q=0.8, gzip;q=0.8, zstd;q=0.1')
matches "the same favourites share what is stored" "$out" '^cache-status: .*; hit'
matches "as it was made" "$out" '^content-encoding: br$'
length=$(sed -n 's/^content-length: //p' <<<"$out")
at_most "in its compressed length" "$length" $((SIZE / 4))
is "which decodes" "$(fetch "/text/$SIZE?a" -H 'Accept-Encoding: gzip, br' | decode br | sum)" "$PLAIN"
is "and the origin is not asked" "$(asked)" "$before"
is "a client that has it is told so" \
	"$(status_of "/text/$SIZE?a" -H 'Accept-Encoding: gzip, br' -H "If-None-Match: W/\"text-$SIZE\"")" 304
out=$(head_of "/text/$SIZE?cache=no-store" -H 'Accept-Encoding: gzip' -H "If-None-Match: W/\"text-$SIZE\"")
matches "also when it is not stored" "$out" '^HTTP/[12.]+ 304'
matches "by the ETag it has" "$out" "^etag: W/\"text-$SIZE\""

out=$(head_of "/text/$SIZE?a")
matches "who accepts nothing gets it plain" "$out" "^content-length: $SIZE$"
matches "with its own ETag" "$out" "^etag: \"text-$SIZE\""
matches "and a word that others do not" "$out" '^vary: accept-encoding$'
out=$(fetch "/text/$SIZE?a" -H 'Accept-Encoding: gzip' -r 100-199 -D "$TMP/head")
is "a range is of the plain bytes" "${#out}" 100
lacks "whatever is accepted" "$(cat "$TMP/head")" '^[Cc]ontent-[Ee]ncoding'

out=$(head_of "/text/$SIZE?cache=max-age%3D1" -H 'Accept-Encoding: zstd')
sleep 2
before=$(asked)
out=$(head_of "/text/$SIZE?cache=max-age%3D1" -H 'Accept-Encoding: zstd')
matches "a stale one is confirmed by the origin's strong ETag" "$out" 'fwd-status=304'
matches "and stays what it was" "$out" '^content-encoding: zstd$'
matches "under its weak one" "$out" '^etag: W/'
matches "and for the same clients" "$out" '^vary: accept-encoding$'
is "HEAD says the same as GET" \
	"$(head_of "/text/$SIZE?cache=no-store" -I -H 'Accept-Encoding: br' | grep -cE '^(content-encoding: br|etag: W/.*|vary: accept-encoding)$')" 3

for path in "/text/1000?small" "/text/$SIZE?type=image/png" "/text/$SIZE?type=text/event-stream" \
	"/text/$SIZE?cache=no-transform"; do
	lacks "as it is: $path" "$(head_of "$path" -H 'Accept-Encoding: gzip, br, zstd')" '^(content-encoding|vary)'
done
lacks "or when the client says so" \
	"$(head_of "/text/$SIZE?b" -H 'Accept-Encoding: gzip' -H 'Cache-Control: no-transform')" '^content-encoding'

for coding in gzip br zstd; do
	fetch "/text/60000?cache=no-store&chunked&pause_ms=3000" -N -H "Accept-Encoding: $coding" -m 1 -o "$TMP/part" 2>/dev/null
	# brotli writes nothing of a stream that it has not seen the end of.
	at_least "an origin that pauses does not hold back what it said, $coding" "$(if [ $coding = br ]; then
		cat "$TMP/part"; else decode $coding <"$TMP/part" 2>/dev/null; fi | wc -c)" $([ $coding = br ] && echo 500 || echo 30000)
done

before=$(counter edge compress_no_context)
for n in 1 2 3 4; do
	background fetch "/text/60000?cache=no-store&pause_ms=1500&$n" -H 'Accept-Encoding: br' -D "$TMP/head$n" -o /dev/null
	jobs[n]=$!
done
wait "${jobs[@]}"
is "more than contexts at once: the others are sent plain" "$(cat "$TMP"/head? | grep -ci '^content-encoding: br')" 3
counts "and counted" edge compress_no_context "$before"

works "a service may switch it off" millrace edge policy set origin --rule compression=off --rule 'response-set=X-Off: 1'
works "at once" eventually 10 grep -q '^x-off' <(head_of "/text/$SIZE?c")
lacks "then nothing is compressed" "$(head_of "/text/$SIZE?d" -H 'Accept-Encoding: gzip')" '^(content-encoding|vary)'
is "no context is left in use" "$(eventually 5 counter_is edge compress_active 0 && echo none)" none
finish
