#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# kill -9 of the whole program while the cache is being filled, with and without its second tier: what is served
# afterwards is whole, and not older than what an unsafe request had invalidated before the crash.
#
#   c eth0 ------ p0 [ lb ] p1 ------ sw ------ eth0 b1 (origin) b2 b3
source "$(dirname "$0")/lib.sh"
topo_two_arm
export WORKERS=2
background b1 "$TMP/origin.log" $PYTHON "$HELPERS/cache_crash.py" origin 8000
wait_for 5 port_open b1 8000 || die "origin" "$(cat "$TMP/origin.log")"
config() { # CACHE
	head_two_arm
	cat <<-CONF
		store: {dir: "$TMP/store", shards: 1, block_cache: 8MiB, memtable: 8MiB, low_space: 1MiB, ballast: 0}
		cache: $1
		upstreams:
		  origin: {backends: ["198.51.100.11:8000"], outliers: {failures: 0}}
		listeners:
		  - {name: edge, bind: ["203.0.113.80:80"], action: http, site: edge}
		sites:
		  edge: {routes: [{upstream: origin, cache: {}}]}
	CONF
}
url=http://203.0.113.80
paths=(/4/a /4/b /64/a /64/b /300/a /300/b /2000/a /2000/b)
cold=(/3000/c /1500/c /700/c /5/c)
read_all() { ns c $PYTHON "$HELPERS/cache_crash.py" read $url "$@"; }
of() { awk -v w="$1" '$2 == w' "$TMP/said" | wc -l; }

crash_round() { # NAME ROUND
	local p fill
	weir_start
	# Twice, so that the second tier takes it.
	read_all "${paths[@]}" >"$TMP/said"
	equal "$1, round $2: all is served" ${#paths[@]} "$(of complete)"
	read_all "${paths[@]}" >"$TMP/said"
	for p in /4/a /64/a /2000/a; do
		ns c curl -sS --noproxy '*' --max-time 5 -o /dev/null -D - -d x $url$p |
			tr -d '\r' | awk -v p=$p 'tolower($1) == "x-version:"{print p, $2}'
	done >"$TMP/changed"
	sleep 0.3 # what the second tier saves is saved by then
	PATIENCE=1 read_all "${cold[@]/%/$2}" "${paths[@]}" >"$TMP/torn" &
	fill=$!
	sleep "0.0$((3 + 2 * $2))" # somewhere in them
	stop_pid "$weir_pid" KILL
	weir_pid=
	wait $fill
	equal "$1, round $2: nothing wrong before the crash" 0 "$(grep -c WRONG "$TMP/torn")"
	weir_start
	read_all "${cold[@]/%/$2}" "${paths[@]}" >"$TMP/said"
	equal "$1, round $2: all is whole after it" $((${#paths[@]} + ${#cold[@]})) "$(of complete)"
	check "$1, round $2: nothing is older than its invalidation" fresh
	stop_pid "$weir_pid" KILL # once more, at rest
	weir_pid=
}

fresh() {
	awk 'NR == FNR{v[$1] = $2; next} ($1 in v) && $3 < v[$1]{print; bad = 1} END{exit bad}' "$TMP/changed" "$TMP/said"
}

config 32MiB >"$TMP/weir.yaml"
crash_round "memory" 1
config "{memory: 32MiB, disk: 128MiB}" >"$TMP/weir.yaml"
for i in 2 3; do crash_round "disk" $i; done
check "the disk answered after a crash" grep -q 'detail=disk' "$TMP/said"
finish
