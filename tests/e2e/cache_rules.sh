# SPDX-License-Identifier: Apache-2.0
# What a shared cache must do (RFC 9111, 9110, 5861, 9213, 9211), case by case, over both versions of
# HTTP: the table is tests/support/cache_cases.py.
. "$(dirname "$0")/lib.sh"

lab_up single
background on origin python3 "$ROOT/tests/support/cache_origin.py" 8080
works "the origin serves" eventually 10 test_status 200 /up
for version in --http1.1 --http2; do
	on client python3 "$ROOT/tests/support/cache_rules.py" "$LAB_HOST" "$LAB_VIP" "$LAB_CA" $version \
		>"$TMP/rules$version"
	for kind in required optional; do
		read -r _ passed all < <(grep "^$kind " "$TMP/rules$version")
		sentence="$kind, ${version#--}: ${passed:-0} of ${all:-0}"
		if [ "${passed:-0}" = "${all:-1}" ]; then
			pass "$sentence"
		else
			fail "$sentence" "$(grep "^# $kind" "$TMP/rules$version")"
		fi
	done
done
is "no request is left" "$(eventually 5 counter_is edge exchange_active 0 && echo none)" none
finish
