# SPDX-License-Identifier: Apache-2.0
# What every end-to-end script starts with: a lab of its own, TAP lines, and an end that leaves
# nothing behind. A script is `. lib.sh`, lab_up, cases, finish.
#
# E2E_FULL=1 asks for the long sizes and counts. MILLRACE_BUILD names the build to try. E2E_LAB_ARGS are
# options for tools/lab: "--workers 2 --port af_packet".
set -u
E2E_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$(cd "$E2E_DIR/../.." && pwd)
export MILLRACE_BUILD=${MILLRACE_BUILD:-$ROOT/build-gcc}
export LAB_ID=${LAB_ID:-e$$}
E2E_FULL=${E2E_FULL:-0}
TMP=$(mktemp -d)
CASES=0
FAILED=0
BACKGROUND=()

# end takes everything down, whatever happened.
end() {
	trap - EXIT INT TERM
	local pid
	# Only what still runs: a number of a process that ended may be somebody else's by now.
	for pid in $(jobs -rp); do
		kill "$pid" 2>/dev/null
	done
	"$ROOT/tools/lab" down
	rm -rf "$TMP"
}
trap end EXIT
trap 'end; exit 143' INT TERM

# pass and fail print one case; fail tells more lines as comments.
pass() {
	CASES=$((CASES + 1))
	echo "ok $CASES - $1"
}
fail() {
	CASES=$((CASES + 1))
	FAILED=$((FAILED + 1))
	echo "not ok $CASES - $1"
	shift
	printf '%s\n' "$@" | sed 's/^/# /'
	if [ "$FAILED" = 1 ]; then what_nodes_say; fi
}

# what_nodes_say prints, at the first failure, what each data plane of the lab has counted.
what_nodes_say() {
	local node
	for node in edge gateway gateway2 sidecar sidecar2; do
		if [ ! -d "${LAB_DIR:-none}/$node" ]; then continue; fi
		echo "# $node: $(timeout 10 python3 "$ROOT/tests/support/telemetry.py" "$LAB_DIR/$node/run" \
			--counts exchange http tls tcp 2>&1 | tail -n 1)"
	done
}

# skip SENTENCE REASON
skip() {
	CASES=$((CASES + 1))
	echo "ok $CASES - $1 # SKIP $2"
}

# is SENTENCE GOT WANTED: equal texts.
is() {
	if [ "$2" = "$3" ]; then pass "$1"; else fail "$1" "got:    $2" "wanted: $3"; fi
}

# matches SENTENCE TEXT REGEX
matches() {
	if grep -qE -- "$3" <<<"$2"; then pass "$1"; else fail "$1" "got: $2" "wanted: $3"; fi
}

# lacks SENTENCE TEXT REGEX
lacks() {
	if grep -qE -- "$3" <<<"$2"; then fail "$1" "got: $2" "not wanted: $3"; else pass "$1"; fi
}

# at_most and at_least: SENTENCE GOT NUMBER
at_most() {
	if [ "${2:-x}" -le "$3" ] 2>/dev/null; then
		pass "$1 ($2)"
	else
		fail "$1" "got: ${2:-nothing}" "at most: $3"
	fi
}
at_least() {
	if [ "${2:-x}" -ge "$3" ] 2>/dev/null; then
		pass "$1 ($2)"
	else
		fail "$1" "got: ${2:-nothing}" "at least: $3"
	fi
}

# works SENTENCE COMMAND ...: exit 0. The command runs in this shell, so it may start others.
works() {
	local sentence=$1
	shift
	if "$@" >"$TMP/works" 2>&1; then
		pass "$sentence"
	else
		fail "$sentence" "$*" "$(cat "$TMP/works")"
	fi
}

# tap COMMAND ...: a program's TAP lines as cases of the script.
tap() {
	local line count=$CASES
	"$@" >"$TMP/tap" 2>&1
	while IFS= read -r line; do
		case $line in
		"ok "*) pass "${line#* - }" ;;
		"not ok "*) fail "${line#* - }" ;;
		1..*) count=$((CASES - count)) && [ "$line" = "1..$count" ] && count=whole ;;
		*) printf '# %s\n' "${line#\# }" ;;
		esac
	done <"$TMP/tap"
	is "all of its cases were tried" "$count" whole
}

# finish prints the plan and ends.
finish() {
	echo "1..$CASES"
	[ "$FAILED" = 0 ]
	exit
}

# eventually SECONDS COMMAND ...: true as soon as the command is.
eventually() {
	local end=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.1
	done
}

# background COMMAND ...: `on` or `fetch`, until the script ends; its own pid is $!, not a shell's.
background() {
	EXEC=exec "$@" &
	BACKGROUND+=($!)
}

# lab_up ARGS ...: a lab, or the end of the script. E2E_LAB_ARGS's options come first: what a script asks
# for itself goes over them.
lab_up() {
	local out topology=$1
	shift
	# shellcheck disable=SC2086 # several words
	if ! out=$("$ROOT/tools/lab" up "$topology" ${E2E_LAB_ARGS:-} "$@" 2>&1); then
		fail "the lab comes up: $topology $*" "$out"
		finish
	fi
	# shellcheck disable=SC1090 # made on the fly
	. <("$ROOT/tools/lab" env)
}

# on HOST COMMAND ...: runs on a host of the lab.
on() {
	local host=$1
	shift
	${EXEC:-} ip netns exec "mr-$LAB_ID-$host" "$@"
}

# fetch PATH [CURL ARGS ...]: from the client, from the lab's host unless FETCH_HOST says another.
# FETCH_IP=6 asks the IPv6 address.
fetch() {
	local path=$1 host=${FETCH_HOST:-$LAB_HOST} address=$LAB_VIP
	shift
	[ "${FETCH_IP:-4}" = 6 ] && address="[$LAB_VIP6]"
	on client curl -sS --max-time "${FETCH_SECONDS:-20}" --cacert "$LAB_CA" \
		--connect-to "$host:443:$address:443" --connect-to "$host:80:$address:80" \
		"$@" "https://$host$path"
}

# status_of PATH [CURL ARGS ...]: only the status code.
status_of() {
	local path=$1
	shift
	fetch "$path" -o /dev/null -w '%{http_code}' "$@" 2>/dev/null
}

# head_of PATH [CURL ARGS ...]: the response's head, names in lower case.
head_of() {
	local path=$1
	shift
	fetch "$path" -o /dev/null -D - "$@" | tr -d '\r' | sed -E 's/^([A-Za-z0-9-]+):/\L\1:/'
}

# millrace NODE ARGS ...: the operator's tool.
millrace() {
	"$ROOT/tools/lab" millrace "$@"
}

# counter NODE NAME: one counter, summed over workers.
counter() {
	python3 "$ROOT/tests/support/telemetry.py" "$LAB_DIR/$1/run" --counter "$2"
}

# counts SENTENCE NODE NAME BEFORE: the counter grew.
counts() {
	local now
	now=$(counter "$2" "$3")
	if [ "${now:-0}" -gt "$4" ]; then
		pass "$1"
	else
		fail "$1" "$3 on $2 was $4, is ${now:-unknown}"
	fi
}

# counter_is NODE NAME VALUE, counter_exceeds NODE NAME VALUE: to be waited for.
counter_is() {
	[ "$(counter "$1" "$2" 2>/dev/null)" = "$3" ]
}
counter_exceeds() {
	[ "$(counter "$1" "$2" 2>/dev/null || echo 0)" -gt "$3" ]
}

# pid_of NODE dataplane|control
pid_of() {
	cat "$LAB_DIR/$1/$2.pid"
}

# rss_kb NODE: resident memory of the data plane.
rss_kb() {
	awk '/^VmRSS/ {print $2}' "/proc/$(pid_of "$1" dataplane)/status"
}

# cpu_ms PID: processor time used so far.
cpu_ms() {
	awk -v hz="$(getconf CLK_TCK)" '{print int(($14 + $15) * 1000 / hz)}' "/proc/$1/stat"
}

# start_origin [PORT]: tests/support/origin.py on the workload, and a service for api.example there.
start_origin() {
	local host=workload port=${1:-8081} address=${LAB_ORIGIN%:*}
	[ "$LAB_TOPOLOGY" = single ] && host=origin
	background on $host python3 "$ROOT/tests/support/origin.py" "$port"
	eventually 30 on $host curl -s -o /dev/null "http://127.0.0.1:$port/echo" || return 1
	if [ "$host" = workload ]; then
		set_service api --host api.example --to "$address:$port" || return 1
		FETCH_HOST=api.example
		eventually 10 test_status 200 /echo
	fi
}

# test_status REGEX PATH [CURL ARGS ...] and test_body TEXT PATH: to be waited for.
test_status() {
	local wanted=$1
	shift
	grep -qxE -- "$wanted" <<<"$(status_of "$@")"
}
test_body() {
	[ "$(fetch "$2")" = "$1" ]
}

# set_service NAME ARGS ...: behind the journey's sidecar.
set_service() {
	millrace gateway service set "$@" --location fra --node sidecar-1
}

# digest_of COUNT [SEED]: SHA-256 of what origin.py's /bytes/COUNT gives.
digest_of() {
	on workload curl -s "http://127.0.0.1:8081/sha256/$1?seed=${2:-1}"
}

# sum: SHA-256 of standard input.
sum() {
	sha256sum | cut -d' ' -f1
}

nodes() {
	if [ "$LAB_TOPOLOGY" = single ]; then echo edge; else echo edge gateway sidecar; fi
}

echo "TAP version 13"
