#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The Redis protocol over veth, with Redis's own clients: commands, pipelines, large values, users,
# cluster mode, a restart that keeps the data, a crash that loses nothing that was answered.
#
#   c eth0 ------ p0 [ lb ] p1 ------ sw (unused)
source "$(dirname "$0")/lib.sh"
command -v redis-cli >/dev/null || die "redis-cli" "not installed: run make deps"
topo_two_arm
export WORKERS=2
config() {
	head_two_arm
	cat <<-CONF
		store:
		  dir: $TMP/store
		  shards: ${SHARDS:-1}
		  namespaces: {kv: ${DURABILITY:-always}, tmp: volatile}
		  low_space: 1MiB
		  ballast: 0
		  cache: 16MiB
		  request_memory: 64MiB
		  block_cache: 8MiB
		listeners:
		  - {name: data, bind: ["192.0.2.80:6379", "[2001:db8:1::80]:6379"], action: resp}
		  - name: secret
		    bind: ["192.0.2.80:6390"]
		    action: resp
		    tls: {certificates: [{cert: $TMP/crt.pem, key: $TMP/key.pem}]}
		  - name: locked
		    bind: ["192.0.2.80:6380"]
		    action: resp
		    resp:
		      namespace: tmp
		      password: sesame
		      users:
		        - reader on >r ~pub:* +@read +@connection
		        - nobody off nopass ~* +@all
	CONF
}
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=data.test \
	-addext subjectAltName=DNS:data.test,IP:192.0.2.80 -keyout "$TMP/key.pem" -out "$TMP/crt.pem" 2>/dev/null ||
	die "a certificate"
config >"$TMP/weir.yaml"
weir_start
cli() { ns c timeout 10 redis-cli -h 192.0.2.80 "$@"; }

equal "PING" PONG "$(cli ping)"
equal "PING, IPv6" PONG "$(ns c timeout 10 redis-cli -h 2001:db8:1::80 ping)"
equal "SET" OK "$(cli set greeting hello)"
equal "GET" hello "$(cli get greeting)"
equal "GET, IPv6" hello "$(ns c timeout 10 redis-cli -h 2001:db8:1::80 get greeting)"
equal "GET of nothing" "" "$(cli get nothing)"
equal "RESP3" hello "$(cli -3 get greeting)"
equal "INCR from a pipe" $'1\n2\n3' "$(printf 'incr n\nincr n\nincr n\n' | cli)"
equal "inline commands" $'+PONG\r\n$5\r\nhello\r' \
	"$(ns c timeout 5 bash -c 'exec 3<>/dev/tcp/192.0.2.80/6379
		printf "PING\r\nGET \"greeting\"\r\nQUIT\r\n" >&3; head -3 <&3')"
equal "MULTI" $'OK\nQUEUED\nQUEUED\nOK\n4' "$(printf 'multi\nset greeting hallo\nincr n\nexec\n' | cli)"
equal "an unknown command" \
	"ERR unknown command 'NOPE', with args beginning with: 'a' 'b' " "$(cli NOPE a b | head -1)"
equal "KEYS" $'greeting\nn' "$(cli keys '*' | sort)"
equal "DBSIZE" 2 "$(cli dbsize)"

# A value of a megabyte, there and back.
head -c 1000000 /dev/urandom | base64 -w0 >"$TMP/big"
equal "SET of 1.3 MB" OK "$(cli -x set big <"$TMP/big")"
check "GET of 1.3 MB" cmp <(cli get big) <(cat "$TMP/big"; echo)
equal "STRLEN of it" "$(stat -c %s "$TMP/big")" "$(cli strlen big)"

# TLS.
secret() { cli -p 6390 --tls --cacert "$TMP/crt.pem" "$@"; }
equal "GET over TLS" hallo "$(secret get greeting)"
equal "SET of 1.3 MB over TLS" OK "$(secret -x set big2 <"$TMP/big")"
check "GET of it over TLS" cmp <(secret get big2) <(cat "$TMP/big"; echo)
equal "DEL over TLS" 1 "$(secret del big2)"

# Mass insertion: 20,000 commands in one stream.
seq 20000 | awk '{k="mass:" $1; v="value " $1;
	printf "*3\r\n$3\r\nSET\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n", length(k), k, length(v), v}' >"$TMP/mass"
at_least "redis-cli --pipe: replies" 20000 \
	"$(cli --pipe <"$TMP/mass" | sed -n 's/.*replies: //p')"
equal "one of them" "value 12345" "$(cli get mass:12345)"
equal "SCAN finds them all" 20000 "$(cli --scan --pattern 'mass:*' | sort -u | wc -l)"
equal "DBSIZE of all" 20003 "$(cli dbsize)"

# redis-benchmark: no error, every kind of pipeline.
bench() { ns c timeout 60 redis-benchmark -h 192.0.2.80 -q "$@" 2>&1; }
check "redis-benchmark, 50 connections" bench -n 10000 -t ping,set,get,incr -r 1000
check "redis-benchmark, pipelines" bench -n 40000 -P 16 -t set,get,mset -r 1000
check_not "redis-benchmark says no error" grep -i error "$TMP/check"

# Users.
locked() { cli -p 6380 "$@" 2>/dev/null; }
equal "no password" "NOAUTH Authentication required." "$(locked get x)"
equal "a wrong one" "WRONGPASS invalid username-password pair or user is disabled." \
	"$(printf 'auth wrong\n' | locked)"
equal "the right one" OK "$(locked -a sesame set pub:x 1)"
equal "a user's right" 1 "$(locked --user reader --pass r get pub:x)"
equal "a user's missing right" "NOPERM this user has no permissions to run the 'set' command" \
	"$(locked --user reader --pass r set pub:x 2)"
equal "another key" \
	"NOPERM this user has no permissions to access one of the keys used as arguments" \
	"$(locked --user reader --pass r get x)"
equal "a user that is off" NOAUTH "$(locked --user nobody --pass x get x | cut -d' ' -f1)"
equal "namespaces are apart" "" "$(cli get pub:x)"

# Cluster clients.
equal "CLUSTER KEYSLOT" 12182 "$(cli cluster keyslot foo)"
equal "redis-cli -c" hallo "$(cli -c get greeting)"

# What weir says of it.
ask_store() { "$WEIR" status -s "$SOCK" -o json | $PYTHON -c "import json,sys; d=json.load(sys.stdin); print($1)"; }
equal "status: the shard's state" ok "$(ask_store 'd["shards"][0]["state"]')"
at_least "status: its keys" 20000 "$(ask_store 'd["shards"][0]["keys_estimate"]')"
at_least "listeners: accepted" 100 "$(ask listeners listeners.listener=data.accepted)"

# Durability: answered writes survive an orderly stop and kill -9. Idle connections hold up neither.
background c "$TMP/idle.log" bash -c 'exec 3<>/dev/tcp/192.0.2.80/6379; printf "PING\r\n" >&3; cat <&3'
check "an idle connection" wait_for 5 grep -q PONG "$TMP/idle.log"
stop_pid $weir_pid
equal "an orderly stop" 0 $?
check "nothing was left" grep -q 'msg="drained" flows_left=0' "$TMP/weir.log"
weir_start
equal "after a restart" hallo "$(cli get greeting)"
equal "after a restart: all of them" 20000 "$(cli --scan --pattern 'mass:*' | wc -l)"
equal "before the crash" OK "$(cli set last words)"
kill -9 $weir_pid
wait $weir_pid 2>/dev/null
weir_start
equal "after kill -9" words "$(cli get last)"

# A reload changes users and leaves the store alone.
sed -i 's/>r ~pub/>other ~pub/' "$TMP/weir.yaml"
check "reload" weir_reload
equal "the new password" "" "$(locked --user reader --pass other get pub:y)"
equal "the old one" NOAUTH "$(locked --user reader --pass r get pub:x | cut -d' ' -f1)"
# Who is between MULTI and EXEC when the listener goes gets to its end.
mkfifo "$TMP/multi"
ns c timeout 10 stdbuf -oL redis-cli -h 192.0.2.80 -p 6380 --pass sesame \
	<"$TMP/multi" >"$TMP/multi.out" 2>/dev/null &
cli_pid=$!
exec 5>"$TMP/multi"
printf 'multi\nget pub:y\n' >&5
check "inside MULTI" wait_for 5 grep -q QUEUED "$TMP/multi.out"
sed -i '/name: locked/,$d' "$TMP/weir.yaml"
check "the listener is removed" weir_reload
equal "no more of it" "" "$(locked ping | grep PONG)"
printf 'exec\n' >&5
exec 5>&-
wait $cli_pid
equal "EXEC behind that" "OK QUEUED" "$(head -n 2 "$TMP/multi.out" | xargs)"
equal "with its reply" 3 "$(wc -l <"$TMP/multi.out")"
sed -i 's/block_cache: 8MiB/block_cache: 9MiB/' "$TMP/weir.yaml"
check_not "a reload cannot change the store" weir_reload
finish
