#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Health checks: ICMP, TCP and UDP; a backend dies and comes back.
#
#   c eth0 ------ p0 [ weir ] p1 ------ switch ------ eth0 b1 b2 b3, default route: weir
#   192.0.2.10     .1   198.51.100.1                  198.51.100.11 .12 .13
. "$(dirname "$0")/lib.sh"
topo_two_arm
declare -A web echo
for b in b1 b2 b3; do
	backend_nginx $b
	web[$b]=$nginx_pid
	backend_nginx $b 81
	backend_udp $b 9000
	echo[$b]=$udp_pid
done
four='{address: 198.51.100.11}, {address: 198.51.100.12}, {address: 198.51.100.13}'
fast='interval: 100ms, timeout: 90ms, rise: 2, fall: 2'
{
	head_two_arm
	cat <<-CONF
		services:
		  - {name: web, vips: [203.0.113.80], protocol: tcp, port: 80, mode: nat, backends: [$four],
		     health: {type: tcp, $fast}}
		  - {name: web6, vips: ["2001:db8:80::80"], protocol: tcp, port: 81, mode: fullnat, backends: [$four],
		     health: {type: icmp, $fast}}
		  - {name: udp, vips: [203.0.113.80], protocol: udp, port: 9000, mode: nat, backends: [$four],
		     health: {type: udp, $fast, send: "ping", expect: "b"}}
		  - {name: none, vips: [203.0.113.81], protocol: tcp, port: 80, mode: nat, all_down: reject,
		     backends: [{address: 198.51.100.99}], health: {type: tcp, $fast}}
	CONF
} >"$TMP/weir.yaml"
weir_start

# The very first packet obeys health: a backend that never answered a probe gets none. The SYN that
# comes too early is sent again by the client.
check "TCP check: up" get http://203.0.113.80/ --retry 20 --retry-delay 0 --retry-all-errors
check "ICMP check: up" get "http://[2001:db8:80::80]:81/" --retry 20 --retry-delay 0 --retry-all-errors
check "UDP check: up" wait_for 5 udp 203.0.113.80 9000 10

names_are() { # WANT URL: 40 new connections reach exactly these, and all are answered
	[ "$(gets 40 "$2" 2>/dev/null | awk '{n += $2; printf "%s ", $1} END {print n}')" = "$1 40" ]
}
udp_names_are() { # WANT ADDRESS: the same of 30 UDP sockets
	[ "$(udp "$2" 9000 20 30 2>/dev/null | sort | uniq -c | awk '{n += $1; printf "%s ", $2} END {print n}')" = "$1 30" ]
}

check "all three in use" wait_for 5 names_are "b1 b2 b3" http://203.0.113.80/
check "all three in use, UDP" wait_for 5 udp_names_are "b1 b2 b3" 203.0.113.80

# Death: the TCP and UDP checks see a dead process, the ICMP check a dead machine.
stop_pid "${web[b2]}"
check "nginx of b2 died: TCP goes to the others" wait_for 5 names_are "b1 b3" http://203.0.113.80/
equal "and no connection of 100 fails" 100 "$(gets 100 http://203.0.113.80/ | awk '{s += $2} END {print s}')"
stop_pid "${echo[b2]}"
check "UDP service of b2 died: UDP goes to the others" wait_for 5 udp_names_are "b1 b3" 203.0.113.80
ip -n "$TAG-b1" link set eth0 down
check "b1 is cut off: ICMP check, full NAT" wait_for 5 names_are "b2 b3" "http://[2001:db8:80::80]:81/"
check "b1 is cut off: TCP check" wait_for 5 names_are "b3" http://203.0.113.80/

# Return.
backend_nginx b2
backend_udp b2 9000
ip -n "$TAG-b1" link set eth0 up
# The link's routes went with it.
ip -n "$TAG-b1" route replace default via 198.51.100.1
addr_add b1 eth0 2001:db8:2::11/64 2>/dev/null
check "b1 and b2 return: TCP" wait_for 10 names_are "b1 b2 b3" http://203.0.113.80/
check "b1 and b2 return: UDP" wait_for 10 udp_names_are "b1 b2 b3" 203.0.113.80
check "b1 returns: ICMP" wait_for 10 names_are "b1 b2 b3" "http://[2001:db8:80::80]:81/"

check "all down, reject: the client is refused" wait_for 5 refused http://203.0.113.81/
finish
