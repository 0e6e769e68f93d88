#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Full NAT in the four combinations of families: backends see weir as the client, and need no route
# to the client at all.
#
#   c eth0 ------ p0 [ weir ] p1 ------ switch ------ eth0 b1 b2 b3, no default route
#   192.0.2.10     .1   198.51.100.1                  198.51.100.11 .12 .13
#   2001:db8:1::10 ::1  2001:db8:2::1                 2001:db8:2::11 ::12 ::13
. "$(dirname "$0")/lib.sh"
topo_two_arm
udp_pids=()
for b in b1 b2 b3; do
	backend_nginx $b
	backend_udp $b 9000
	udp_pids+=("$udp_pid")
	ip -n "$TAG-$b" route del default
	ip -n "$TAG-$b" -6 route del default
done
four='{address: 198.51.100.11}, {address: 198.51.100.12}, {address: 198.51.100.13}'
six='{address: "2001:db8:2::11"}, {address: "2001:db8:2::12"}, {address: "2001:db8:2::13"}'
{
	head_two_arm
	cat <<-CONF
		services:
		  - {name: web44, vips: [203.0.113.44], protocol: tcp, port: 80, mode: fullnat, backends: [$four]}
		  - {name: web66, vips: ["2001:db8:80::66"], protocol: tcp, port: 80, mode: fullnat, backends: [$six]}
		  - {name: web64, vips: ["2001:db8:80::64"], protocol: tcp, port: 80, mode: fullnat, backends: [$four]}
		  - {name: web46, vips: [203.0.113.46], protocol: tcp, port: 80, mode: fullnat, backends: [$six]}
		  - {name: toa, vips: [203.0.113.47], protocol: tcp, port: 80, mode: fullnat, toa: true, backends: [$four]}
		  - {name: udp44, vips: [203.0.113.44], protocol: udp, port: 9000, mode: fullnat, backends: [$four]}
		  - {name: udp66, vips: ["2001:db8:80::66"], protocol: udp, port: 9000, mode: fullnat, backends: [$six]}
		  - {name: udp64, vips: ["2001:db8:80::64"], protocol: udp, port: 9000, mode: fullnat, backends: [$four]}
		  - {name: udp46, vips: [203.0.113.46], protocol: udp, port: 9000, mode: fullnat, backends: [$six]}
	CONF
} >"$TMP/weir.yaml"
weir_start

md5=$(md5sum <"$TMP/big")
head -c 300000 /dev/urandom >"$TMP/upload"
combination() { # NAME URL SOURCE-AS-SEEN-BY-THE-BACKEND
	equal "$1: the backend sees weir's address" "$3" "$(get "$2/" | awk '{print $2}')"
	equal "$1: 60 connections reach all three backends" "b1 b2 b3" \
		"$(gets 60 "$2/" | awk '{print $1}' | xargs)"
	equal "$1: no connection of 100 is lost" 100 "$(gets 100 "$2/" | awk '{s += $2} END {print s}')"
	equal "$1: 1 MiB arrives whole" "$md5" "$(get "$2/big" | md5sum)"
	check "$1: upload of 300 kB" get "$2/" --data-binary "@$TMP/upload"
}
combination "4 to 4" http://203.0.113.44 198.51.100.1
combination "6 to 6" "http://[2001:db8:80::66]" 2001:db8:2::1
combination "6 to 4" "http://[2001:db8:80::64]" 198.51.100.1
combination "4 to 6" http://203.0.113.46 2001:db8:2::1
combination "4 to 4 with TOA" http://203.0.113.47 198.51.100.1

check "UDP 4 to 4" udp 203.0.113.44 9000 500
check "UDP 6 to 6" udp 2001:db8:80::66 9000 500
check "UDP 6 to 4" udp 2001:db8:80::64 9000 500
check "UDP 4 to 6" udp 203.0.113.46 9000 500
# Of IPv4 the kernel joins fragments before the packet driver sees them; drivers.sh has them by AF_XDP.
check "UDP 6 to 6, fragments" udp 2001:db8:80::66 9000 4000

probe() { ns c $PYTHON "$HELPERS/icmp_probe.py" "$@"; }
# Nobody listens behind these: the backend's "port unreachable" crosses the translation.
for b in b1 b2 b3; do ns $b sysctl -qw net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0; done
for p in "${udp_pids[@]}"; do stop_pid "$p"; done
equal "port unreachable crosses 4 to 4" "3 3 0 203.0.113.44" "$(probe 203.0.113.44 9000 20 64)"
equal "port unreachable crosses 6 to 6" "1 4 0 2001:db8:80::66" "$(probe 2001:db8:80::66 9000 20 64)"
equal "port unreachable crosses 6 to 4" "1 4 0 2001:db8:80::64" "$(probe 2001:db8:80::64 9000 20 64)"
equal "port unreachable crosses 4 to 6" "3 3 0 203.0.113.46" "$(probe 203.0.113.46 9000 20 64)"
finish
