#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# weir's TCP as server and as client of the kernel's: bulk, shut windows, ends of all kinds, and kernels that do
# without options. Every transfer's hash is compared.
#
#   c eth0 ------ front ------ p0 [ lb ] p1 ------ back ------ eth0 b1
source "$(dirname "$0")/lib.sh"
topo_wired
weir_wired

both_ways "bulk" 16000000
check "1,000 downloads at once" tcp get $V4 70 20000 1000
equal "nothing was sent again" 0 "$(tcp_counter fast_recoveries)"
check "shut window of the backend" tcp put $V4 70 20000000 late
at_least "a window that stays shut is probed" 1 "$(tcp_counter window_probes)"
check "a backend that shrinks its window" tcp put $V4 70 3000000 small
check "half close" tcp half $V6 7 300000
check "a backend's reset reaches the client" tcp torn $V4 70

# Options that the kernel does without: a held connection shows what was agreed on.
without() { # NAME PRESENT ABSENT SYSCTL...
	local name=$1 want=$2 absent=$3 n hold line
	shift 3
	for n in c b1; do ns $n sysctl -qw "$@"; done
	background c "$TMP/hold.log" $PYTHON "$HELPERS/tcp_client.py" hold $V4 7 30
	hold=$!
	wait_for 5 kernel_says $V4 wscale:\|rto: || fail "$name: a connection" "$(cat "$TMP/hold.log")"
	line=$(kernel_tcp $V4)
	equal "$name: in use" "$want" "$(grep -owE "$want" <<<"$line" | sort -u | xargs | tr ' ' '|')"
	equal "$name: not in use" "" "$(grep -owE "$absent" <<<"$line")"
	kill $hold
	loss front 1
	loss back 1
	both_ways "$name, 1 % loss" 1000000
	check "$name, 1 % loss: echo" tcp echo $V4 7 500000
	loss front 0
	loss back 0
}
kernel_says() { kernel_tcp "$1" | grep -qE "$2"; }

without "all options" 'sack|ts|wscale' ecn net.ipv4.tcp_ecn=0
without "no SACK" 'ts|wscale' sack net.ipv4.tcp_sack=0
without "no SACK, no timestamps" wscale 'sack|ts' net.ipv4.tcp_timestamps=0
without "no timestamps" 'sack|wscale' ts net.ipv4.tcp_sack=1
without "no window scale, no timestamps" sack 'wscale|ts' net.ipv4.tcp_window_scaling=0
without "ECN, no window scale" 'ecn|sack|ts' wscale net.ipv4.tcp_ecn=1 net.ipv4.tcp_timestamps=1
equal "no bad checksum" 0 "$(tcp_counter bad_checksum)"
equal "no timeout ended a connection" 0 "$(tcp_counter timeouts)"
check "no connection is left" wait_for 10 none_left
finish
