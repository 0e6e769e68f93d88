#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every change of the control interface can be tried first: all operations of the OpenAPI document, and
# weirctl's --dry-run. Nothing but control is needed, so the port has no wire.
. "$(dirname "$0")/../netns/lib.sh"
WEIRCTL=${WEIRCTL:-${WEIR%/*}/weirctl}
mkdir "$TMP/folder"
config() { # WEIGHT of the second backend
	cat <<-CONF
		ports: [{device: "net_null0,no-rx=1", addresses: [198.51.100.1/24]}]
		workers: {count: 1, poll: adaptive, stop_timeout: 0s}
		memory: {hugepages: false, mbufs: 8192, flows: 1024, nat_flows: 1024}
		admin: {socket: "$SOCK"}
		services:
		  - {name: web, vips: [203.0.113.80], port: 80, mode: fullnat, backends: ["198.51.100.11:80", {address: "198.51.100.12:80", weight: $1}]}
		listeners: [{name: www, bind: ["203.0.113.84:80"], action: http, site: main}]
		upstreams: {pool: {backends: ["198.51.100.11:80"]}}
		sites: {main: {routes: [{upstream: pool, cache: {override_ttl: 1h}}]}}
		cache: {memory: 32MiB}
		store: {dir: $TMP/store, low_space: 0, ballast: 0, block_cache: 8MiB, memtable: 1MiB}
	CONF
}
start() {
	"$WEIR" -c "$TMP/weir.yaml" >"$TMP/weir.log" 2>&1 </dev/null &
	pid=$!
	pids+=($pid)
	wait_for 15 grep -q 'msg="ready"' "$TMP/weir.log" || die "weir does not start" "$(cat "$TMP/weir.log")"
}
ctl() { "$WEIRCTL" -s "$SOCK" "$@"; }
config 1 >"$TMP/weir.yaml"
start
config 2 >"$TMP/weir.yaml"

# --- what weirctl says of it
exits 0 ctl reload --dry-run
says '^~ services\[web\].backends\[198.51.100.12:80\].weight: 1 -> 2'
says '[0-9.]+% of new flows go to another backend'
says 'Nothing was changed'
equal "nothing was" 1 "$(ask status generation)"
sed -i 's/nat_flows: 1024/nat_flows: 2048/' "$TMP/weir.yaml"
exits 1 ctl reload --dry-run
says 'nat_flows changes from 1024 to 2048, which needs a restart' err
says 'it would be refused' err
cp "$TMP/err" "$TMP/dry"
exits 1 ctl reload
check "a reload for good gives the same reason" diff <(grep nat_flows "$TMP/dry") <(grep nat_flows "$TMP/err")
says 'refused; the running configuration stays' err
echo 'ports: 7' >"$TMP/weir.yaml"
exits 1 ctl reload --dry-run
says 'weir.yaml:1:8: error' err
{ config 2 | sed 's|sites: .*|sites: {main: {routes: [{upstream: pool, policies: {basic_auth: {users: /nonexistent}}}]}}|'; } >"$TMP/weir.yaml"
exits 1 ctl reload --dry-run
says '/nonexistent' err
config 2 >"$TMP/weir.yaml"
exits 1 ctl rollback --dry-run
says 'no such configuration' err
exits 0 ctl stop --dry-run
says 'would refuse new flows, wait at most 0 s for 0 flows'
exits 0 ctl capture --dry-run 'host 192.0.2.1' -n 5 --file "$TMP/folder/packets"
says 'At most 5 packets, 262 bytes of each, for at most 60 s'
check "no file was made" test ! -e "$TMP/folder/packets"
exits 1 ctl trace --dry-run 'host and'
says 'filter: ' err
exits 0 ctl cache preload http://203.0.113.84/ --dry-run
says '^1 URLs would be fetched'
exits 2 ctl cache top --dry-run
exits 2 ctl status --dry-run
exits 0 "$WEIR" store backup --dry-run -s "$SOCK" "$TMP/folder/backup"
says 'would be copied to .*/folder/backup, where [0-9.]+ MiB are free'
check "no folder was made" test ! -e "$TMP/folder/backup"
exits 1 "$WEIR" store backup --dry-run -s "$SOCK" "$TMP"
says 'not empty' err
exits 2 "$WEIR" store backup --dry-run -s "$SOCK"
exits 0 ctl log-level warn --dry-run
equal "the level stays" info "$(ask status log_level)"

# --- all there are
while read -r verdict name; do
	case $verdict in
	ok) pass "$name" ;;
	*) fail "$verdict $name" ;;
	esac
done < <($PYTHON "$HELPERS/dry_run.py" "$SOCK" "$TMP/folder" 2>&1)
gone() { ! kill -0 $pid 2>/dev/null; }
check "it stopped, at the end" wait_for 10 gone
finish
