#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# kill -9 under load through the Redis protocol: what was acknowledged is there, what is there was
# sent, transactions are whole, histories are linearizable across crashes (tests/tools/resp_crash.c).
# ROUNDS (5) and WEIR_SEED choose the run; `make crash-resp ROUNDS=200` is a long one.
#
#   c eth0 ------ p0 [ lb ] p1 ------ sw (unused)
source "$(dirname "$0")/lib.sh"
topo_two_arm
export WORKERS=2
listener() { echo "  - {name: $1, bind: [\"192.0.2.80:$2\"], action: resp, resp: {namespace: $1}}"; }
{
	head_two_arm
	cat <<-CONF
		store:
		  dir: $TMP/store
		  shards: 2
		  namespaces: {always: always, everysec: everysec, volatile: volatile}
		  low_space: 1MiB
		  ballast: 0
		  cache: 16MiB
		  request_memory: 64MiB
		  block_cache: 8MiB
		  memtable: 1MiB
		listeners:
	CONF
	listener always 6379
	listener everysec 6380
	listener volatile 6381
} >"$TMP/weir.yaml"
"$TOOLS/resp_crash" "$TAG-c" "$TAG-lb" 192.0.2.80 "$TMP/store" "$TMP/weir.log" "${ROUNDS:-5}" \
	"${WEIR_SEED:-$RANDOM$RANDOM}" -- "$WEIR" -c "$TMP/weir.yaml" >"$TMP/crash"
rc=$?
cat "$TMP/crash"
if [ $rc -eq 0 ]; then pass "crashes"; else fail "crashes" "$(tail -n 40 "$TMP/crash")"; fi
finish
