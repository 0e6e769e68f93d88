#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The exception path: what is for the host's own daemons on an own address goes to a TAP interface
# and back, while weir keeps answering for its services.
#
#   c eth0 ------ p0 [ weir ] p1 ------ switch ------ eth0 b1 b2 b3
#   192.0.2.10     .1   |
#                       weirtap: 192.0.2.1, 2001:db8:1::1 once more, for the host's daemons
. "$(dirname "$0")/lib.sh"
topo_two_arm
backend_nginx b1
{
	head_two_arm | sed '/name: front/a\    host_tap: weirtap'
	cat <<-CONF
		services:
		  - {name: nat, vips: [203.0.113.80], protocol: tcp, port: 80, mode: nat, backends: [{address: 198.51.100.11}]}
	CONF
} >"$TMP/weir.yaml"
weir_start
check "the interface is there" wait_for 5 ip -n "$TAG-lb" link show weirtap
ip -n "$TAG-lb" link set weirtap up
addr_add lb weirtap 192.0.2.1/24 2001:db8:1::1/64
# A daemon of the host, as sshd would be: it binds the host's own address.
backend_nginx lb 22

check "a host's TCP service, IPv4" get http://192.0.2.1:22/
check "a host's TCP service, IPv6" get "http://[2001:db8:1::1]:22/"
equal "it sees the client" "192.0.2.10" "$(get http://192.0.2.1:22/ | awk '{print $2}')"
equal "1 MiB arrives whole" "$(md5sum <"$TMP/big")" "$(get http://192.0.2.1:22/big | md5sum)"
check "the service beside it" get http://203.0.113.80/
check "ping of the own address" ns c ping -c 1 -W 2 192.0.2.1
check "the host pings out" ns lb ping -c 2 -i 0.2 -W 2 192.0.2.10
check "a port where no daemon listens: the host refuses" refused http://192.0.2.1:23/
at_least "packets went that way" 20 "$(reason host_tap)"
finish
