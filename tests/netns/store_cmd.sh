#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# weir store: backup of a running weir under writes, verify, restore, reshard; damage is found.
#
#   c eth0 ------ p0 [ lb ] p1 ------ sw ------ eth0 b1 b2 b3
source "$(dirname "$0")/lib.sh"
topo_two_arm
config() { # DIR
	head_two_arm
	cat <<-CONF
		store: {dir: "$1", block_cache: 8MiB, memtable: 1MiB, namespaces: {default: always}}
		listeners:
		  - {name: redis, bind: ["203.0.113.80:6379"], action: resp}
	CONF
}
redis() { ns c redis-cli -h 203.0.113.80 "$@"; }
stop() {
	kill "$weir_pid"
	stop_pid "$weir_pid" 2>/dev/null
	weir_pid=
}
status() { # WANT COMMAND...
	local want=$1
	shift
	"$@" >"$TMP/out" 2>"$TMP/err"
	equal "exit status $want: ${*:2:2}" "$want" $?
}
config "$TMP/store" >"$TMP/weir.yaml"
weir_start
for i in $(seq 2000); do echo "set key:$i value-$i"; done | redis >/dev/null
redis hset h f v g w >/dev/null
equal "the store is filled" 2001 "$(redis dbsize)"
while :; do echo "set later x"; done | timeout 20 ip netns exec "$TAG-c" redis-cli -h 203.0.113.80 >/dev/null 2>&1 &
writer=$!
pids+=($writer)
status 0 "$WEIR" store backup -s "$SOCK" "$TMP/backup"
kill $writer 2>/dev/null
check "it says that it is complete" grep -q complete "$TMP/out"
status 1 "$WEIR" store backup -s "$SOCK" "$TMP/backup"
check "a folder with something in it is refused" test -s "$TMP/err"
status 1 "$WEIR" store verify "$TMP/store"
status 0 "$WEIR" store verify "$TMP/backup"
stop
status 0 "$WEIR" store verify "$TMP/store"
check "it counts" grep -q '^records 200' "$TMP/out"
status 0 "$WEIR" store restore "$TMP/backup" "$TMP/again"
status 0 "$WEIR" store reshard "$TMP/again" 3
status 0 "$WEIR" store verify "$TMP/again"
config "$TMP/again" >"$TMP/weir.yaml"
weir_start lb "$TMP/weir.yaml" "$TMP/weir2.log"
equal "what was written before the backup is there" "value-77 value-1999 v w" \
	"$(redis get key:77) $(redis get key:1999) $(redis hget h f) $(redis hget h g)"
equal "on three shards" 3 "$(curl -sS --unix-socket "$SOCK" http://weir/v1/store | $PYTHON -c 'import json, sys; print(len(json.load(sys.stdin)["shards"]))')"
stop
file=$(find "$TMP/backup" -name '*.sst' -size +1k | head -n 1)
printf 'X' | dd of="$file" bs=1 seek=700 conv=notrunc status=none
status 1 "$WEIR" store verify "$TMP/backup"
check "the damaged file is named" grep -q "${file##*/}" "$TMP/err"
status 1 "$WEIR" store restore "$TMP/backup" "$TMP/third"
status 2 "$WEIR" store
status 2 "$WEIR" store reshard "$TMP/again" none
finish
