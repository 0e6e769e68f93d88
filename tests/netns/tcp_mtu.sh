#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# weir's TCP with links of 1280 and 9000 bytes, and with a backend that takes less than its link: bulk both ways,
# hashes compared; the segments have the size that the link allows.
#
#   c eth0 ------ front ------ p0 [ lb ] p1 ------ back ------ eth0 b1
source "$(dirname "$0")/lib.sh"
topo_wired

mss_is() { # ADDRESS MSS: of the client's kernel and of weir, without 12 bytes of timestamps
	kernel_tcp "$1" | grep -q " mss:$2 " && [ "$(ask tcp connections.0.mss)" = "$2" ]
}

for mtu in 1280 9000; do
	wire_mtu $mtu
	weir_wired
	for a in $V4 $V6; do
		[ $a = $V4 ] && mss=$((mtu - 52)) || mss=$((mtu - 72))
		background c "$TMP/hold.log" $PYTHON "$HELPERS/tcp_client.py" hold $a 7 30
		hold=$!
		wait_for 5 mss_is $a $mss
		equal "MTU $mtu, $a: segments of the kernel" "mss:$mss" "$(kernel_tcp $a | grep -o '\bmss:[0-9]*')"
		equal "MTU $mtu, $a: segments of weir" $mss "$(ask tcp connections.0.mss)"
		kill $hold
		check "MTU $mtu, $a: the connection ends" wait_for 5 none_left
	done
	both_ways "MTU $mtu" 8000000
	check "MTU $mtu: echo" tcp echo $V4 7 4000000
	check "MTU $mtu: shut window of the client" tcp slow $V6 7 6000000
	loss front 1
	loss back 1
	both_ways "MTU $mtu, 1 % loss" 2000000
	loss front 0
	loss back 0
	equal "MTU $mtu: no bad checksum" 0 "$(tcp_counter bad_checksum)"
	check "MTU $mtu: no connection is left" wait_for 10 none_left
	ledger_check
	stop_pid "$weir_pid"
	equal "MTU $mtu: weir ends well" 0 $?
	weir_pid=
done
finish
