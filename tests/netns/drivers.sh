#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The same services on other drivers: AF_XDP on the veth pairs; then a TAP interface in place of the
# client's link, with the client on its kernel's end.
#
#   c eth0 ------ p0 [ weir ] p1 ------ switch ------ eth0 b1 b2 b3, default route: weir
#   192.0.2.10     .1   198.51.100.1                  198.51.100.11 .12 .13
#   lb tap0 -------- [ weir ] p1 ------ switch ...
. "$(dirname "$0")/lib.sh"
topo_two_arm
for b in b1 b2 b3; do
	backend_nginx $b
	backend_udp $b 9000
done
four='{address: 198.51.100.11}, {address: 198.51.100.12}, {address: 198.51.100.13}'
services="services:
  - {name: nat, vips: [203.0.113.80], protocol: tcp, port: 80, mode: nat, backends: [$four]}
  - {name: full, vips: [\"2001:db8:80::80\"], protocol: tcp, port: 80, mode: fullnat, backends: [$four]}
  - {name: udp, vips: [203.0.113.80], protocol: udp, port: 9000, mode: nat, backends: [$four]}"

serves() { # NAME
	equal "$1: NAT, no connection of 100 is lost" 100 "$(gets 100 http://203.0.113.80/ | awk '{s += $2} END {print s}')"
	equal "$1: full NAT, no connection of 100 is lost" 100 \
		"$(gets 100 "http://[2001:db8:80::80]/" | awk '{s += $2} END {print s}')"
	equal "$1: 1 MiB arrives whole" "$(md5sum <"$TMP/big")" "$(get http://203.0.113.80/big | md5sum)"
	check "$1: UDP" udp 203.0.113.80 9000 1000
	check "$1: ping" ns "${CLIENT:-c}" ping -c 1 -W 2 203.0.113.80
}

{
	DRIVER=net_af_xdp head_two_arm
	echo "$services"
	echo 'listeners: [{name: echo, bind: ["203.0.113.81:7"], action: echo}]'
} >"$TMP/weir.yaml"
weir_start
serves af_xdp
# So many buffers are in use at once that those at the pool's end come by too, in both directions.
check "af_xdp: echo" tcp echo 203.0.113.81 7 20000000
check "af_xdp: echo on 1,000 connections at once" tcp echo 203.0.113.81 7 30000 1000
check "af_xdp: echo once more" tcp echo 203.0.113.81 7 20000000
check "af_xdp: UDP in fragments, both ways" udp 203.0.113.80 9000 5000
ledger_check
stop_pid "$weir_pid"
equal "af_xdp: weir ends well" 0 $?

# The kernel's end of the TAP stays beside weir: the client is weir's own namespace.
{
	head_two_arm | sed "s/net_af_packet,iface=p0/net_tap,iface=tap0/"
	echo "$services"
} >"$TMP/weir.yaml"
weir_start lb "$TMP/weir.yaml" "$TMP/tap.log"
check "tap: the interface is there" wait_for 5 ip -n "$TAG-lb" link show tap0
# The driver gave both ends one MAC; a neighbour has its own.
ip -n "$TAG-lb" link set tap0 address 02:00:00:00:0c:01
ip -n "$TAG-lb" link set tap0 up
addr_add lb tap0 192.0.2.10/24 2001:db8:1::10/64
ip -n "$TAG-lb" route add 203.0.113.0/24 via 192.0.2.1
ip -n "$TAG-lb" route add 2001:db8:80::/64 via 2001:db8:1::1
CLIENT=lb
serves tap
finish
