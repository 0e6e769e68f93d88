#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# weir's own TCP services against the kernel's TCP: every byte checked, many connections,
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

check "echo, IPv4" tcp echo 192.0.2.80 7 3000000
check "echo, IPv6" tcp echo 2001:db8:1::80 7 3000000
check "echo at the port's own address" tcp echo 192.0.2.1 7 100000
check "discard" tcp discard 192.0.2.80 9 3000000
check "source without end" tcp source 192.0.2.80 19 0
check "source at the port's own address" tcp source 192.0.2.1 19 0
check "source of a million bytes" tcp source 192.0.2.80 20 1000000
check "1,000 connections at once" tcp echo 192.0.2.80 7 2000 1000
check "10,000 short connections, IPv4" tcp short 192.0.2.80 7 10000
check "500 short connections, IPv6" tcp short 2001:db8:1::80 7 500
check "half close" tcp half 192.0.2.80 7 200000
check "reset" tcp reset 192.0.2.80 7
check "shut window" tcp slow 192.0.2.80 7 6000000
check "ping a listener's address, IPv4" ns c ping -c 2 -i 0.2 -W 2 192.0.2.80
check "ping a listener's address, IPv6" ns c ping -c 2 -i 0.2 -W 2 2001:db8:1::80

refused() { # ADDRESS: a port that nobody serves is answered at once
	ns c $PYTHON -c '
import socket, sys
try:
    socket.create_connection((sys.argv[1], 4711), timeout=5)
    raise SystemExit("it is open")
except ConnectionRefusedError:
    pass' "$1"
}
check "closed port of a listener's address, IPv4" refused 192.0.2.80
check "closed port of a listener's address, IPv6" refused 2001:db8:1::80
check "closed port of the port's own address" refused 192.0.2.1

for kind in v1 v1-unknown v2 v2-tlv v2-local v1-pieces v2-pieces; do
	equal "PROXY protocol, $kind" hello "$(tcp named 192.0.2.80 22 $kind 10.0.0.1 10.0.0.2 hello)"
	equal "PROXY protocol, $kind, IPv6" hello "$(tcp named 192.0.2.80 22 $kind 2001:db8::1 2001:db8::2 hello)"
done
for kind in v2-command v2-family v2-short v1-long; do
	equal "PROXY protocol, $kind: refused" reset "$(tcp named 192.0.2.80 22 $kind 10.0.0.1 10.0.0.2 hello)"
done
equal "no PROXY protocol header where one is due" reset "$(tcp first 192.0.2.80 22 'GET / HTTP/1.1\r\n')"

ask_tcp() { "$WEIR" tcp -s "$SOCK" -o json | $PYTHON -c "import json,sys; d=json.load(sys.stdin); print($1)"; }
at_least "listeners: accepted" 11000 "$(ask listeners listeners.listener=echo.accepted)"
all_ended() { [ "$(ask listeners listeners.listener=echo.active)" = 0 ]; }
check "listeners: none active once all ended" wait_for 5 all_ended
equal "listeners: headers that were none" 5 "$(ask listeners listeners.listener=told.proxy_bad)"
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
at_least "tcp: accepts" 11000 "$(ask_tcp 'd["counters"]["accepts"]')"
equal "tcp: no bad checksum" 0 "$(ask_tcp 'd["counters"]["bad_checksum"]')"

# A reload takes the echo away from one address and adds one; a connection goes on where it was.
background c "$TMP/hold.log" $PYTHON "$HELPERS/tcp_client.py" hold 192.0.2.80 7 3
hold=$!
sleep 0.5
before=$(ask listeners listeners.listener=echo.bytes_in)
more() { [ "$(ask listeners listeners.listener=echo.bytes_in)" -gt "$before" ]; }
check "listeners: bytes of a connection that lives" wait_for 5 more
equal "tcp: the held connection" ESTABLISHED "$(ask_tcp 'd["connections"][0]["state"].upper()')"
config '"192.0.2.81:7", "192.0.2.1:7"' >"$TMP/weir.yaml"
check "reload" weir_reload
check "new address" tcp echo 192.0.2.81 7 10000
check_not "address that was removed" tcp echo 192.0.2.80 7 10
wait $hold
equal "the connection of before goes on" 0 $?
finish
