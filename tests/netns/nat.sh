#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# NAT: TCP and UDP, both families; what the virtual and own addresses answer; ICMP errors.
#
#   c eth0 ------ p0 [ weir ] p1 ------ switch ------ eth0 b1 b2 b3
#   192.0.2.10     .1   198.51.100.1                  198.51.100.11 .12 .13, default route: weir
#   2001:db8:1::10 ::1  2001:db8:2::1                 2001:db8:2::11 ::12 ::13
#   VIPs routed by c: 203.0.113.80, 2001:db8:80::80; on c's link: 192.0.2.80, 2001:db8:1::80
. "$(dirname "$0")/lib.sh"
BACK_MTU=1400
topo_two_arm
udp_pids=()
for b in b1 b2 b3; do
	backend_nginx $b
	backend_udp $b 9000
	udp_pids+=("$udp_pid")
done

{
	head_two_arm
	cat <<-CONF
		services:
		  - {name: web4, vips: [203.0.113.80, 192.0.2.80], protocol: tcp, port: 80, mode: nat,
		     backends: [{address: 198.51.100.11}, {address: 198.51.100.12}, {address: 198.51.100.13}]}
		  - {name: web6, vips: ["2001:db8:80::80", "2001:db8:1::80"], protocol: tcp, port: 80, mode: nat,
		     backends: [{address: "2001:db8:2::11"}, {address: "2001:db8:2::12"}, {address: "2001:db8:2::13"}]}
		  - {name: udp4, vips: [203.0.113.80], protocol: udp, port: 53, mode: nat,
		     backends: [{address: 198.51.100.11, port: 9000}, {address: 198.51.100.12, port: 9000}]}
		  - {name: udp6, vips: ["2001:db8:80::80"], protocol: udp, port: 53, mode: nat,
		     backends: [{address: "2001:db8:2::11", port: 9000}, {address: "2001:db8:2::12", port: 9000}]}
	CONF
} >"$TMP/weir.yaml"
weir_start

# The backend sees the client's own address, and its own as the destination.
check "TCP, IPv4: answers" get http://203.0.113.80/
equal "TCP, IPv4: the backend sees the client" "192.0.2.10" "$(get http://203.0.113.80/ | awk '{print $2}')"
check "TCP, IPv6: answers" get "http://[2001:db8:80::80]/"
equal "TCP, IPv6: the backend sees the client" "2001:db8:1::10" \
	"$(get "http://[2001:db8:80::80]/" | awk '{print $2}')"
equal "TCP, IPv4: 90 connections reach all three backends" "b1 b2 b3" \
	"$(gets 90 http://203.0.113.80/ | awk '{print $1}' | xargs)"
equal "TCP, IPv6: 90 connections reach all three backends" "b1 b2 b3" \
	"$(gets 90 "http://[2001:db8:80::80]/" | awk '{print $1}' | xargs)"
equal "TCP, IPv4: no connection of 200 is lost" 200 \
	"$(gets 200 http://203.0.113.80/ | awk '{s += $2} END {print s}')"

md5=$(md5sum <"$TMP/big")
equal "TCP, IPv4: 1 MiB arrives whole" "$md5" "$(get http://203.0.113.80/big | md5sum)"
equal "TCP, IPv6: 1 MiB arrives whole" "$md5" "$(get "http://[2001:db8:80::80]/big" | md5sum)"
head -c 300000 /dev/urandom >"$TMP/upload"
check "TCP, IPv4: upload over the smaller MTU" get http://203.0.113.80/ --data-binary "@$TMP/upload"
check "TCP, IPv6: upload over the smaller MTU" get "http://[2001:db8:80::80]/" --data-binary "@$TMP/upload"

# Virtual addresses on the client's own link are answered for by ARP and neighbour discovery.
check "VIP on the link, IPv4 (ARP)" get http://192.0.2.80/
check "VIP on the link, IPv6 (ND)" get "http://[2001:db8:1::80]/"

check "UDP, IPv4" udp 203.0.113.80 53 100
check "UDP, IPv6" udp 2001:db8:80::80 53 100
equal "UDP, IPv4: 40 sockets reach both backends" "b1 b2" "$(udp 203.0.113.80 53 64 40 | sort -u | xargs)"
check "UDP, IPv6: fragments" udp 2001:db8:80::80 53 5000

for a in 203.0.113.80 192.0.2.80 192.0.2.1 198.51.100.1 2001:db8:80::80 2001:db8:1::1; do
	check "ping $a" ns c ping -c 2 -i 0.2 -W 2 $a
done
check "ping from a backend to weir" ns b1 ping -c 1 -W 2 198.51.100.1

probe() { ns c $PYTHON "$HELPERS/icmp_probe.py" "$@"; }
equal "TTL 1 ends at weir, IPv4" "11 0 0 192.0.2.1" "$(probe 203.0.113.80 53 20 1)"
equal "hop limit 1 ends at weir, IPv6" "3 0 0 2001:db8:1::1" "$(probe 2001:db8:80::80 53 20 1)"
equal "TTL 2 reaches the backend, IPv4" "answer" "$(probe 203.0.113.80 53 20 2 | awk '{print $1}')"
equal "hop limit 2 reaches the backend, IPv6" "answer" "$(probe 2001:db8:80::80 53 20 2 | awk '{print $1}')"
equal "too big for the backends' side, IPv4" "3 4 1400 192.0.2.1" "$(probe 203.0.113.80 53 1460 64)"
equal "too big for the backends' side, IPv6" "2 0 1400 2001:db8:1::1" "$(probe 2001:db8:80::80 53 1440 64)"

# Nobody listens any more: "port unreachable" comes back as if the virtual address had sent it.
for p in "${udp_pids[@]}"; do stop_pid "$p"; done
for b in b1 b2 b3; do ns $b sysctl -qw net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0; done
equal "port unreachable, IPv4" "3 3 0 203.0.113.80" "$(probe 203.0.113.80 53 20 64)"
equal "port unreachable, IPv6" "1 4 0 2001:db8:80::80" "$(probe 2001:db8:80::80 53 20 64)"
finish
