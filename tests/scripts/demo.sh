#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The demo as scripts use it: up, status, a request, down; twice in a row, and after a kill.
. "$(dirname "$0")/../netns/lib.sh"
demo() { scripts/demo "$@" 9>&-; }
value() { demo status | sed -n "s/^$1=//p"; }
request() {
	ip netns exec "$(value client_netns)" curl -sS --fail --max-time 60 --noproxy '*' "$1"
}
ours() { ip netns list | grep -cE '^weir-(client|wire|lb|b[123])\b'; }
bulk() { request "$(value bulk_url)" | sha256sum | awk '{print $1}'; }
lost() { ip netns exec weir-wire nft list ruleset | awk '{for (i = 1; i < NF; i++) if ($i == "packets") n += $(i + 1)} END {print n + 0}'; }

# Its names are those of the machine: the same test of another checkout comes first or after.
exec 9>/run/lock/weir-demo-test
flock -w 500 9 || die "the test of another checkout does not end"
if [ "$(demo status)" != "state=down" ]; then
	skip "the demo" "one is running on this machine"
	finish
fi
trap 'scripts/demo down; cleanup' EXIT

for round in first second; do
	check "$round: up" demo up
	equal "$round: status says up" up "$(value state)"
	check "$round: a request over IPv4" request "$(value l4_url)"
	check "$round: a request over IPv6" request "$(value l4_url6)"
	check "$round: a request over HTTP" request "$(value http_url)"
	check "$round: a request over HTTPS" ip netns exec "$(value client_netns)" curl -sS --fail --noproxy '*' \
		--cacert "$(value https_ca)" "$(value https_url)"
	check "$round: a cached answer" request "$(value cached_url)"
	equal "$round: the store answers" PONG "$(ip netns exec "$(value client_netns)" redis-cli -h "$(value resp | cut -d: -f1)" ping)"
	check "$round: the pid is a weir's" grep -q weir "/proc/$(value pid)/comm"
	check "$round: the control socket answers" "$WEIR" counters -s "$(value admin_socket)"
	check "$round: down" demo down
	equal "$round: status says down" "state=down" "$(demo status)"
	equal "$round: no namespace is left" 0 "$(ours)"
	check_not "$round: no state is left" test -e /run/weir-demo
done

# A demo that was killed: the next one takes its place, with or without `down`.
check "up for the kill" demo up
pid=$(value pid)
kill -9 "$pid"
gone() { ! ip netns pids weir-lb | grep -qx "$pid"; }
check "the killed one ends" wait_for 10 gone
equal "weir is gone: status says down" "state=down" "$(demo status)"
check "up over what was left" demo up
check "a request" request "$(value l4_url)"
check "up once more, without down" demo up
check "a request" request "$(value l4_url)"
rm -f /run/weir-demo/*.pid
check "down without its notes" demo down
equal "no namespace is left" 0 "$(ours)"

# A wire that loses.
check "up with loss" demo up --loss 2
equal "status says the loss" 2 "$(value loss)"
check "a request over it" request "$(value tcp_url)"
equal "a bulk transfer over it is whole" "$(value bulk_sha256)" "$(bulk)"
at_least "segments were lost" 10 "$(lost)"
check "down" demo down
equal "no namespace is left" 0 "$(ours)"
check_not "a loss that is none" demo up --loss x
check_not "loss of more than half" demo up --loss 51

# As `make demo` runs it: what happened is shown, and a signal cleans up.
setsid scripts/demo run --loss 1 >"$TMP/run" 2>&1 </dev/null 9>&- &
run=$!
pids+=($run)
shown() { grep -q 'Ctrl-C ends' "$TMP/run"; }
check "run shows what happened" wait_for 60 shown
check "every backend is in the table" grep -qE 'b1: [1-9][0-9]*  b2: [1-9][0-9]*  b3: [1-9]' "$TMP/run"
check "a bulk transfer is whole, and its rate shown" grep -qE 'whole \(SHA-256 equal\), [1-9][0-9]* Mbit/s' "$TMP/run"
check "and the segments that were lost" grep -qE 'with 1 % loss .* [1-9][0-9]* segments were lost' "$TMP/run"
check "and the pings" grep -q '3 received' "$TMP/run"
cached() { check "the cache: $1" grep -qE "static/$2.*weir; $3" "$TMP/run"; }
cached "a miss" 'x, first' 'fwd=uri-miss; .*stored'
cached "a hit" 'x, again' 'hit; ttl='
check "the cache: a miss after a purge by tag" grep -qE 'PURGE of its tag .*weir; fwd=uri-miss' "$TMP/run"
check "the cache: one fetch for ten at once" grep -qE 'static/slow.* 1 x weir; fwd=uri-miss; [^,]*stored' "$TMP/run"
equal "the cache: the others have it from there" 9 "$(grep 'static/slow' "$TMP/run" | grep -oE '[0-9]+ x weir; hit' |
	awk '{n += $1} END {print n}')"
cached "a revalidation" 'brief' 'fwd=stale; fwd-status=304'
check "the cache: found on disk after kill -9" grep -qE 'kill -9 .*weir; hit; .*detail=disk' "$TMP/run"
check "the decision about a request is explained" grep -qE '^ +[0-9]+  web +matches' "$TMP/run"
check "with the canary's share" grep -qE 'upstream (stable: 90|canary: 10) of 100' "$TMP/run"
kill -TERM "$run"
wait "$run"
equal "run ends well on a signal" 0 $?
equal "and leaves no namespace" 0 "$(ours)"
finish
