#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# weir's TCP against the kernel's over wires that lose one and five segments of a hundred, each way: at the
# client, at the backend, on both sides. Every transfer's hash is compared.
#
#   c eth0 ------ front ------ p0 [ lb ] p1 ------ back ------ eth0 b1
source "$(dirname "$0")/lib.sh"
topo_wired
weir_wired
sent_again=0

for percent in 1 5; do
	loss front $percent
	both_ways "$percent % loss at the client" $((5000000 / percent))
	check "$percent % loss at the client: echo" tcp echo $V4 7 $((2000000 / percent))
	check "$percent % loss at the client: short connections" tcp short $V6 7 $((50 / percent))
	at_least "$percent % loss at the client: segments were lost" 20 "$(lossy front)"
	loss front 0
	loss back $percent
	both_ways "$percent % loss at the backend" $((5000000 / percent))
	at_least "$percent % loss at the backend: segments were lost" 20 "$(lossy back)"
	loss front $percent
	check "$percent % loss on both sides: eight downloads" tcp get $V4 70 $((600000 / percent)) 8
	loss front 0
	loss back 0
	at_least "$percent % loss: weir sent again" 20 $(($(tcp_counter retrans) - sent_again))
	sent_again=$(tcp_counter retrans)
done
equal "no bad checksum" 0 "$(tcp_counter bad_checksum)"
equal "no timeout ended a connection" 0 "$(tcp_counter timeouts)"
check "no connection is left" wait_for 10 none_left
finish
