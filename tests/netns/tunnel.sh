#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# IPIP and GUE in all four combinations of families. This kernel may lack ipip and fou: tundecap
# takes the tunnels' packets in each backend and hands what is inside to its TUN device.
#
#   switch ------ eth0 c            192.0.2.10            2001:db8:1::10
#         \------ p0 [ weir ]       192.0.2.1             2001:db8:1::1
#          \----- eth0 b1 b2 b3     192.0.2.11 .12 .13    2001:db8:1::11 ::12 ::13
#                 tun0: tundecap    VIPs on lo: 192.0.2.80, 2001:db8:1::80
. "$(dirname "$0")/lib.sh"
topo_one_arm
declare -A decap
for b in b1 b2 b3; do
	backend_nginx $b
	backend_nginx $b 81
	backend_udp $b 9000
	backend_tundecap $b
	decap[$b]=$tundecap_pid
	addr_add $b lo 192.0.2.81/32 2001:db8:1::81/128
done
four='{address: 192.0.2.11}, {address: 192.0.2.12}, {address: 192.0.2.13}'
six='{address: "2001:db8:1::11"}, {address: "2001:db8:1::12"}, {address: "2001:db8:1::13"}'
services() { # MODE PORT: VIP .80 goes to backends by IPv4, .81 by IPv6
	cat <<-CONF
		  - {name: $1-44, vips: [192.0.2.80], protocol: tcp, port: $2, mode: $1, backends: [$four]}
		  - {name: $1-64, vips: ["2001:db8:1::80"], protocol: tcp, port: $2, mode: $1, backends: [$four]}
		  - {name: $1-46, vips: [192.0.2.81], protocol: tcp, port: $2, mode: $1, backends: [$six]}
		  - {name: $1-66, vips: ["2001:db8:1::81"], protocol: tcp, port: $2, mode: $1, backends: [$six]}
	CONF
}
{
	head_one_arm
	echo "services:"
	services ipip 80
	services gue 81
	echo "  - {name: udp, vips: [192.0.2.80], protocol: udp, port: 9000, mode: ipip, backends: [$four]}"
} >"$TMP/weir.yaml"
weir_start

all_decap() { # KIND: packets of that kind in all backends
	local b sum=0
	for b in b1 b2 b3; do sum=$((sum + $(tundecap_count $b "$1" "${decap[$b]}"))); done
	echo $sum
}

for mode in ipip gue; do
	port=80
	[ $mode = gue ] && port=81
	for combo in "44 192.0.2.80" "64 2001:db8:1::80" "46 192.0.2.81" "66 2001:db8:1::81"; do
		read -r kind vip <<<"$combo"
		url=http://$vip:$port
		[[ $vip = *:* ]] && url="http://[$vip]:$port"
		client=192.0.2.10
		[[ $vip = *:* ]] && client=2001:db8:1::10
		equal "$mode $kind: client and VIP reach the backend" "$client $vip" \
			"$(get "$url/" | cut -d' ' -f2-)"
		equal "$mode $kind: 60 connections reach all three" "b1 b2 b3" \
			"$(gets 60 "$url/" | awk '{print $1}' | xargs)"
		equal "$mode $kind: 1 MiB arrives whole" "$(md5sum <"$TMP/big")" "$(get "$url/big" | md5sum)"
		# SYN, ACK, request and FIN of 60 connections at the least.
		at_least "$mode $kind: it was that kind of tunnel" 240 "$(all_decap $mode$kind)"
	done
done
equal "nothing in a tunnel was malformed" 0 "$(all_decap bad)"

# Uploads in full segments do not fit the tunnel at first: "too big" tells the client, and it learns.
head -c 500000 /dev/urandom >"$TMP/upload"
check "ipip 44: upload" get http://192.0.2.80/ --data-binary "@$TMP/upload"
check "gue 66: upload" get "http://[2001:db8:1::81]:81/" --data-binary "@$TMP/upload"
at_least "the client was told the size" 2 "$(reason too_big)"
at_most "and kept to it" 100 "$(reason too_big)"

check "UDP through ipip 44" udp 192.0.2.80 9000 100
check "UDP through ipip 44, larger than the tunnel takes" udp 192.0.2.80 9000 1470
finish
