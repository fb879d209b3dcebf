# SPDX-License-Identifier: Apache-2.0
# Large files in slices: a range of 2 GB costs the origin its slices once; whole downloads are put together of
# them; two versions of a file are never mixed; origins without ranges are left alone.
. "$(dirname "$0")/lib.sh"

lab_up single
WWW=$TMP/www
mkdir -p "$WWW"
chmod 755 "$TMP" "$WWW"
cat >"$TMP/nginx.conf" <<END
pid $TMP/nginx.pid;
error_log $TMP/nginx.err;
user root;
events {}
http {
	log_format bytes '\$status \$body_bytes_sent \$request_uri \$http_range';
	access_log $TMP/nginx.log bytes;
	server {
		listen 8080;
		root $WWW;
		add_header Cache-Control max-age=600;
		location /plain/ { alias $WWW/; max_ranges 0; }
	}
}
END
SIZE=2147483648
truncate -s $SIZE "$WWW/large"
printf 'the end of it' | dd of="$WWW/large" bs=1 seek=$((SIZE - 13)) conv=notrunc 2>/dev/null
head -c 3000000 /dev/urandom | dd of="$WWW/large" bs=1M seek=1000 conv=notrunc 2>/dev/null
head -c 20000000 /dev/urandom >"$WWW/middle"
head -c 300000 /dev/urandom >"$WWW/small"
background on origin nginx -c "$TMP/nginx.conf" -g 'daemon off;'
works "the origin serves" eventually 10 test_status 200 /small

# cost: how many bytes the origin has sent since the last time.
cost() {
	local all
	sleep 0.2
	all=$(awk '{sum += $2} END {print sum + 0}' "$TMP/nginx.log")
	COST=$((all - ${COSTS:-0}))
	COSTS=$all
}
# part FIRST LAST [FILE]: the bytes as they are.
part() { tail -c +$(($1 + 1)) "$WWW/${3:-large}" | head -c $(($2 - $1 + 1)) | sum; }
MIB=1048576

cost
for version in --http1.1 --http2; do
	out=$(fetch /large $version -r $((SIZE - 1000))-$((SIZE - 1)) -D "$TMP/head" | sum)
	is "a range at the end (${version#--})" "$out" "$(part $((SIZE - 1000)) $((SIZE - 1)))"
	matches "is told as such" "$(cat "$TMP/head")" "^[Cc]ontent-[Rr]ange: bytes $((SIZE - 1000))-$((SIZE - 1))/$SIZE"
	cost
	if [ $version = --http1.1 ]; then
		at_most "costs the origin one slice and a byte" $COST $((MIB + 1))
	else
		is "costs nothing the second time" $COST 0
	fi
done
is "a suffix is cut from the same" "$(fetch /large -r -13)" 'the end of it'
cost
is "for nothing" $COST 0
FIRST=$((1000 * MIB + 500000))
is "a range over slices" "$(fetch /large -r $FIRST-$((FIRST + 2500000)) | sum)" "$(part $FIRST $((FIRST + 2500000)))"
cost
at_most "costs those" $COST $((3 * MIB))
is "a part of them" "$(fetch /large -r $((FIRST + 700000))-$((FIRST + 700009)) | sum)" \
	"$(part $((FIRST + 700000)) $((FIRST + 700009)))"
cost
is "is there" $COST 0
is "a range beyond the end is 416" "$(status_of /large -r $SIZE-)" 416
ETAG=$(head_of /large -r 0-0 | sed -n 's/^etag: //p')
is "who has it is told so" "$(status_of /large -r 0-0 -H "If-None-Match: $ETAG")" 304
is "If-Range of another gets all" "$(fetch /large -r 0-0 -H 'If-Range: "other"' -I -X GET -m 2 2>/dev/null | grep -c ' 200')" 1

WHOLE=$(sum <"$WWW/middle")
for n in 1 2 3; do
	is "a whole download, $n" "$(fetch /middle | sum)" "$WHOLE"
	cost
done
is "the third time for nothing" $COST 0
before=$(counter edge cache_slices)
is "in slices" "$(fetch /middle --http1.1 | sum)" "$WHOLE"
counts "counted" edge cache_slices "$before"
counts "slices are fetched without a client" edge exchange_behind 0
background fetch /middle --limit-rate 4M -o "$TMP/slow"
sleep 1
is "beside a slow reader" "$(fetch /middle | sum)" "$WHOLE"
wait $!
is "who gets all of it" "$(sum <"$TMP/slow")" "$WHOLE"

works "the URL is purged" millrace edge purge "https://$LAB_HOST/large"
sleep 0.5
cost
out=$(fetch /large -r -13)
cost
is "then it is fetched anew" "$out" 'the end of it'
at_least "from the origin" $COST 13

# A file that changes between two slices.
yes A | tr -d '\n' | head -c 5000000 >"$WWW/changing"
out=$(fetch /changing -r 0-999999 | tr -d A | wc -c)
is "slices of the old version" "$out" 0
yes B | tr -d '\n' | head -c 5000000 >"$WWW/next"
touch -d '+1 hour' "$WWW/next"
mv "$WWW/next" "$WWW/changing"
before=$(counter edge cache_slicing_changed)
fetch /changing -r 0-2999999 -o "$TMP/mixed" 2>/dev/null
at_most "are never mixed with those of the new" "$(fold -w1 <"$TMP/mixed" | sort -u | wc -l)" 1
counts "the change is counted" edge cache_slicing_changed "$before"
counts "the stream was reset" edge cache_slicing_failed 0
out=$(fetch /changing -r 0-2999999 | tr -d B | wc -c)
is "and the new one is served" "$out" 0

before=$(counter edge cache_slicing_refused)
is "an origin without ranges gives the whole" "$(fetch /plain/small -r 0-99 | wc -c)" 300000
counts "and is left alone" edge cache_slicing_refused "$before"
is "then a range of what is stored is cut" "$(fetch /plain/small >/dev/null; fetch /plain/small -r 0-99 | wc -c)" 100
is "no request is left" "$(eventually 5 counter_is edge exchange_active 0 && echo none)" none
finish
