#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# L2 direct server return: the virtual addresses are on the backends' loopback, and their answers do
# not pass through weir. By AF_XDP, since the packet driver's kernel joins IPv4 fragments.
#
#   switch ------ eth0 c            192.0.2.10            2001:db8:1::10
#         \------ p0 [ weir ]       192.0.2.1             2001:db8:1::1
#          \----- eth0 b1 b2 b3     192.0.2.11 .12 .13    2001:db8:1::11 ::12 ::13
#   VIPs: 192.0.2.80, 2001:db8:1::80; the backends' arp_ignore keeps them silent about these.
. "$(dirname "$0")/lib.sh"
DRIVER=net_af_xdp
topo_one_arm
for b in b1 b2 b3; do
	backend_nginx $b
	backend_udp $b 9000
done
four='{address: 192.0.2.11}, {address: 192.0.2.12}, {address: 192.0.2.13}'
six='{address: "2001:db8:1::11"}, {address: "2001:db8:1::12"}, {address: "2001:db8:1::13"}'
{
	head_one_arm
	cat <<-CONF
		services:
		  - {name: web4, vips: [192.0.2.80], protocol: tcp, port: 80, mode: dsr, backends: [$four]}
		  - {name: web6, vips: ["2001:db8:1::80"], protocol: tcp, port: 80, mode: dsr, backends: [$six]}
		  - {name: udp4, vips: [192.0.2.80], protocol: udp, port: 9000, mode: dsr, backends: [$four]}
		  - {name: udp6, vips: ["2001:db8:1::80"], protocol: udp, port: 9000, mode: dsr, backends: [$six]}
	CONF
} >"$TMP/weir.yaml"
weir_start

mac_of() { ns "$1" cat "/sys/class/net/$2/address"; }
seen() { ip -n "$TAG-c" neigh show "$1" | grep -oE 'lladdr [0-9a-f:]+' | cut -d' ' -f2; }

equal "TCP, IPv4: the backend sees client and VIP" "192.0.2.10 192.0.2.80" \
	"$(get http://192.0.2.80/ | cut -d' ' -f2-)"
equal "TCP, IPv6: the backend sees client and VIP" "2001:db8:1::10 2001:db8:1::80" \
	"$(get "http://[2001:db8:1::80]/" | cut -d' ' -f2-)"
equal "weir answers ARP for the VIP" "$(mac_of lb p0)" "$(seen 192.0.2.80)"
equal "weir answers neighbour discovery for the VIP" "$(mac_of lb p0)" "$(seen 2001:db8:1::80)"
equal "TCP, IPv4: 60 connections reach all three" "b1 b2 b3" \
	"$(gets 60 http://192.0.2.80/ | awk '{print $1}' | xargs)"
equal "TCP, IPv6: 60 connections reach all three" "b1 b2 b3" \
	"$(gets 60 "http://[2001:db8:1::80]/" | awk '{print $1}' | xargs)"

# weir must see the acknowledgements alone.
before=$(ask status ports.0.rx_bytes)
equal "1 MiB arrives whole" "$(md5sum <"$TMP/big")" "$(get http://192.0.2.80/big | md5sum)"
at_most "the answer does not pass through weir" 200000 $(($(ask status ports.0.rx_bytes) - before))

check "UDP, IPv4" udp 192.0.2.80 9000 100
check "UDP, IPv6" udp 2001:db8:1::80 9000 100
check "UDP, IPv4: fragments" udp 192.0.2.80 9000 5000
check "UDP, IPv6: fragments" udp 2001:db8:1::80 9000 5000
check "ping of the VIP" ns c ping -c 1 -W 2 192.0.2.80
finish
