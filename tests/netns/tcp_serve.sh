#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# weir's own TCP services against the kernel's TCP: every byte checked, with loss, many connections,
# half close, reset, a shut window, both families; on two workers, and over a reload.
#
#   c eth0 ------ p0 [ lb ] p1 ------ sw (unused)
source "$(dirname "$0")/lib.sh"
topo_two_arm
export WORKERS=2
config() { # BINDS of echo
	head_two_arm
	cat <<-CONF
		listeners:
		  - {name: echo, bind: [$1], action: echo}
		  - {name: discard, bind: ["192.0.2.80:9"], action: discard}
		  - {name: source, bind: ["192.0.2.80:19", "192.0.2.1:19"], action: source}
		  - {name: million, bind: ["192.0.2.80:20"], action: source, bytes: 1MB}
		  - {name: few, bind: ["192.0.2.80:21"], action: echo, limits: {connections: 2}}
		  - {name: told, bind: ["192.0.2.80:22"], action: echo, accept_proxy_protocol: true}
	CONF
}
ECHO='"192.0.2.80:7", "[2001:db8:1::80]:7", "192.0.2.1:7"'
config "$ECHO" >"$TMP/weir.yaml"
weir_start
client() { ns c $PYTHON "$HELPERS/tcp_client.py" "$@"; }

check "echo, IPv4" client echo 192.0.2.80 7 3000000
check "echo, IPv6" client echo 2001:db8:1::80 7 3000000
check "echo at the port's own address" client echo 192.0.2.1 7 100000
check "discard" client discard 192.0.2.80 9 3000000
check "source without end" client source 192.0.2.80 19 0
check "source at the port's own address" client source 192.0.2.1 19 0
check "source of a million bytes" client source 192.0.2.80 20 1000000
check "1,000 connections at once" client echo 192.0.2.80 7 2000 1000
check "3,000 short connections, IPv4" client short 192.0.2.80 7 3000
check "500 short connections, IPv6" client short 2001:db8:1::80 7 500
check "half close" client half 192.0.2.80 7 200000
check "reset" client reset 192.0.2.80 7
check "shut window" client slow 192.0.2.80 7 6000000
check "ping a listener's address, IPv4" ns c ping -c 2 -i 0.2 -W 2 192.0.2.80
check "ping a listener's address, IPv6" ns c ping -c 2 -i 0.2 -W 2 2001:db8:1::80

equal "PROXY protocol, version 1" hello \
	"$(client first 192.0.2.80 22 'PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\nhello')"
equal "no PROXY protocol header where one is due" reset "$(client first 192.0.2.80 22 'GET / HTTP/1.1\r\n')"

# Loss on the way to weir and on the way from it: the kernel's egress, and its ingress.
loss() { # PER CENT
	ns c nft -f - <<-NFT
		flush ruleset
		table inet t {
			chain o { type filter hook output priority 0; meta l4proto tcp numgen random mod 100 < $1 drop; }
			chain i { type filter hook input priority 0; meta l4proto tcp numgen random mod 100 < $1 drop; }
		}
	NFT
}
if ns c nft list ruleset >/dev/null 2>&1; then
	loss 1
	check "echo with 1 % loss, IPv4" client echo 192.0.2.80 7 2000000
	check "echo with 1 % loss, IPv6" client echo 2001:db8:1::80 7 1000000
	check "source with 1 % loss" client source 192.0.2.80 20 1000000
	loss 5
	check "echo with 5 % loss, four at once" client echo 192.0.2.80 7 300000 4
	check "discard with 5 % loss" client discard 192.0.2.80 9 300000
	ns c nft flush ruleset
else
	skip "loss" "no nftables"
fi

ask_tcp() { "$WEIR" tcp -s "$SOCK" -o json | $PYTHON -c "import json,sys; d=json.load(sys.stdin); print($1)"; }
at_least "listeners: accepted" 4500 "$(ask listeners listeners.listener=echo.accepted)"
all_ended() { [ "$(ask listeners listeners.listener=echo.active)" = 0 ]; }
check "listeners: none active once all ended" wait_for 5 all_ended
equal "listeners: header that was none" 1 "$(ask listeners listeners.listener=told.proxy_bad)"
two_and_no_more() { # two connections fit, the third is reset
	ns c $PYTHON -c '
import socket
a = [socket.create_connection(("192.0.2.80", 21)) for _ in range(2)]
for s in a:
    s.send(b"x")
    assert s.recv(1) == b"x"
try:
    c = socket.create_connection(("192.0.2.80", 21))
    c.send(b"x")
    raise SystemExit("the third got " + repr(c.recv(1)))
except ConnectionError:
    pass'
}
check "limit of connections" two_and_no_more
equal "listeners: over the limit" 1 "$(ask listeners listeners.listener=few.over_limit)"
equal "tcp: both engines" 2 "$(ask_tcp 'len(d["engines"])')"
at_least "tcp: accepts" 4500 "$(ask_tcp 'd["counters"]["accepts"]')"
at_least "tcp: segments sent again" 1 "$(ask_tcp 'd["counters"]["retrans"]')"
equal "tcp: no bad checksum" 0 "$(ask_tcp 'd["counters"]["bad_checksum"]')"

# A reload takes the echo away from one address and adds one; a connection goes on where it was.
background c "$TMP/hold.log" $PYTHON "$HELPERS/tcp_client.py" hold 192.0.2.80 7 3
hold=$!
sleep 0.5
equal "tcp: the held connection" ESTABLISHED "$(ask_tcp 'd["connections"][0]["state"].upper()')"
config '"192.0.2.81:7", "192.0.2.1:7"' >"$TMP/weir.yaml"
check "reload" weir_reload
check "new address" client echo 192.0.2.81 7 10000
check_not "address that was removed" client echo 192.0.2.80 7 10
wait $hold
equal "the connection of before goes on" 0 $?
finish
