#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Reload: under load no request fails and no connection moves; a bad file changes nothing; drain; a
# large configuration.
#
#   c eth0 ------ p0 [ weir ] p1 ------ switch ------ eth0 b1 b2 b3, default route: weir
#   192.0.2.10     .1   198.51.100.1                  198.51.100.11 .12 .13
. "$(dirname "$0")/lib.sh"
topo_two_arm
for b in b1 b2 b3; do backend_nginx $b; done
one='{address: 198.51.100.11}' two='{address: 198.51.100.12}' three='{address: 198.51.100.13}'

config() { # BACKENDS [MORE]: the service, and lines behind it
	head_two_arm
	cat <<-CONF
		services:
		  - {name: web, vips: [203.0.113.80], protocol: tcp, port: 80, mode: nat, drain_timeout: ${DRAIN:-60s}, on_removal: ${REMOVAL:-gentle},
		     backends: [$1]}
		  - {name: web6, vips: ["2001:db8:80::80"], protocol: tcp, port: 80, mode: fullnat, drain_timeout: ${DRAIN:-60s}, on_removal: ${REMOVAL:-gentle},
		     backends: [$1]}
		${2:-}
	CONF
}
load_start() { # REQUESTS: new connections, 32 at a time, in the background
	: >"$TMP/load"
	background c "$TMP/load" curl -sS --no-progress-meter --fail --max-time 10 --noproxy '*' -H 'Connection: close' -Z \
		--parallel-immediate --parallel-max 32 "http://203.0.113.80/?[1-$1]" "http://[2001:db8:80::80]/?[1-$1]"
	load_pid=$!
}

config "$one, $two" >"$TMP/weir.yaml"
weir_start

# Connections held open while backends come and go: each must stay on its own.
background c "$TMP/hold4" $PYTHON "$HELPERS/hold.py" 203.0.113.80 80 30
hold4=$!
background c "$TMP/hold6" $PYTHON "$HELPERS/hold.py" 2001:db8:80::80 80 30
hold6=$!
check "60 connections are held" wait_for 10 grep -q held "$TMP/hold4"
check "60 connections are held, IPv6" wait_for 10 grep -q held "$TMP/hold6"

load_start 1000
reloads=0
while kill -0 "$load_pid" 2>/dev/null; do
	if [ $((reloads % 2)) = 0 ]; then config "$one, $two, $three"; else config "$one, $two"; fi >"$TMP/weir.yaml"
	weir_reload || break
	reloads=$((reloads + 1))
done
wait "$load_pid"
equal "2,000 requests during reloads: curl is content" 0 $?
equal "2,000 requests during reloads: each was answered" 2000 "$(grep -cE '^b[123] ' "$TMP/load")"
at_least "reloads meanwhile" 2 $reloads
check "the added backend got some of them" grep -q '^b3 ' "$TMP/load"

# A bad file: the error is in the log, and what ran goes on.
before=$(ask status generation)
cp "$TMP/weir.yaml" "$TMP/good.yaml"
sed 's/mode: nat/mode: natt/' "$TMP/good.yaml" >"$TMP/weir.yaml"
check_not "a bad file is refused" weir_reload
equal "and the generation stays" "$before" "$(ask status generation)"
check "and so does the service" get http://203.0.113.80/
check "the log says where" grep -qE 'weir.yaml:[0-9]+:[0-9]+: error: ' "$TMP/weir.log"

# What needs a restart is refused too.
sed 's/count: [12]/count: 3/' "$TMP/good.yaml" >"$TMP/weir.yaml"
check_not "a key that needs a restart is refused" weir_reload
check "and the service goes on" get http://203.0.113.80/

# Drain: no new connection, held ones go on.
config "$one, {address: 198.51.100.12, drain: true}" >"$TMP/weir.yaml"
check "reload with b2 draining" weir_reload
equal "no new connection goes to a draining backend" "b1" "$(gets 60 http://203.0.113.80/ | awk '{print $1}' | xargs)"

# Removal, gentle by default: held connections go on as well.
config "$one, $three" >"$TMP/weir.yaml"
check "reload without b2" weir_reload
equal "new connections go to the others" "b1 b3" "$(gets 60 http://203.0.113.80/ | awk '{print $1}' | xargs)"
asked=$(counter rx)
more() { [ "$(counter rx)" -gt $((asked + 500)) ]; }
check "held connections are still busy" wait_for 10 more
check "no held connection moved or broke" stop_pid "$hold4"
check "no held connection moved or broke, IPv6" stop_pid "$hold6"
check "some were on the removed backend" grep -q 'b2=' "$TMP/hold4"

# 1,000 virtual addresses with 100 backends each: swapped in while requests run.
big() {
	$PYTHON - "$1" <<-'PY'
		import sys
		print("  - {name: web, vips: [203.0.113.80], protocol: tcp, port: 80, mode: nat, backends: [{address: 198.51.100.11}, {address: 198.51.100.13}]}")
		print("  - {name: web6, vips: [\"2001:db8:80::80\"], protocol: tcp, port: 80, mode: fullnat, backends: [{address: 198.51.100.11}, {address: 198.51.100.13}]}")
		backends = ", ".join("{address: 198.51.100.%d, port: @}" % (100 + i) for i in range(100))
		for v in range(1000):
		    print("  - {name: s%d, vips: [10.9.%d.%d], protocol: tcp, port: 80, mode: fullnat, maglev_size: 10007, backends: [%s]}"
		          % (v, v // 250, v % 250 + 1, backends.replace("@", str(int(sys.argv[1]) + v))))
	PY
}
for round in 1000 2000; do
	{
		head_two_arm
		echo "services:"
		big $round
	} >"$TMP/weir.yaml"
	load_start 300
	check "reload with 1,000 services of 100 backends ($round)" weir_reload
	wait "$load_pid"
	equal "requests meanwhile: curl is content ($round)" 0 $?
	equal "requests meanwhile: each was answered ($round)" 600 "$(grep -cE '^b[123] ' "$TMP/load")"
done
equal "nothing was dropped for want of a buffer or a place in a queue" "0 0" \
	"$(reason no_mbuf) $(reason tx_full)"
config "$one" >"$TMP/weir.yaml"
check "and back" weir_reload
equal "and back: it serves" "b1" "$(gets 20 http://203.0.113.80/ | awk '{print $1}' | xargs)"

# A drain with a deadline: when it has passed, held connections of a removed backend are reset.
DRAIN=1s REMOVAL=reset
config "$one, $two" >"$TMP/weir.yaml"
check "reload with a short drain" weir_reload
background c "$TMP/hold5" $PYTHON "$HELPERS/hold.py" 203.0.113.80 80 20
hold5=$!
check "connections are held" wait_for 10 grep -q held "$TMP/hold5"
config "$one" >"$TMP/weir.yaml"
check "reload without b2" weir_reload
check "after the deadline the connections of b2 are over" wait_for 10 grep -q broken "$TMP/hold5"
at_least "by a reset" 1 "$(reason l4_backend_gone)"
stop_pid "$hold5"
equal "those of b1 never moved" "moved=0" "$(grep -oE 'moved=[0-9]+' "$TMP/hold5")"
finish
