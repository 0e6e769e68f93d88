#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Two workers behind ports with one queue: every packet is handed to the worker that owns its flow.
# By AF_XDP, which shows IPv4 fragments as they are. And one idle worker with adaptive polling.
#
#   c eth0 ------ p0 [ weir ] p1 ------ switch ------ eth0 b1 b2 b3, default route: weir
#   192.0.2.10     .1   198.51.100.1                  198.51.100.11 .12 .13
. "$(dirname "$0")/lib.sh"
topo_two_arm
for b in b1 b2 b3; do
	backend_nginx $b
	backend_udp $b 9000
done
four='{address: 198.51.100.11}, {address: 198.51.100.12}, {address: 198.51.100.13}'
services="services:
  - {name: nat, vips: [203.0.113.80], protocol: tcp, port: 80, mode: nat, backends: [$four]}
  - {name: full, vips: [203.0.113.81], protocol: tcp, port: 80, mode: fullnat, backends: [$four]}
  - {name: udp, vips: [203.0.113.80], protocol: udp, port: 9000, mode: nat, backends: [$four]}
  - {name: full64, vips: [\"2001:db8:80::80\"], protocol: tcp, port: 80, mode: fullnat, backends: [$four]}"

{
	WORKERS=2 DRIVER=net_af_xdp head_two_arm
	echo "$services"
} >"$TMP/weir.yaml"
weir_start
for url in http://203.0.113.80 http://203.0.113.81 "http://[2001:db8:80::80]"; do
	equal "$url: no connection of 200 is lost" 200 "$(gets 200 "$url/" | awk '{s += $2} END {print s}')"
	equal "$url: 1 MiB arrives whole" "$(md5sum <"$TMP/big")" "$(get "$url/big" | md5sum)"
done
equal "UDP: 60 sockets are answered" 60 "$(udp 203.0.113.80 9000 100 60 | wc -l)"
check "UDP: fragments" udp 203.0.113.80 9000 5000
check "ping of the VIP" ns c ping -c 1 -W 2 203.0.113.80
check "ping of weir's own address" ns c ping -c 1 -W 2 192.0.2.1
at_least "worker 0 handed packets to worker 1" 100 "$(ask counters workers.0.handed_out)"
at_least "worker 1 handed packets to worker 0" 100 "$(ask counters workers.1.handed_out)"
equal "no packet was handed over twice too often" "0 0" \
	"$(reason handoff_loop) $(reason handoff_full)"
ledger_check
stop_pid "$weir_pid"
equal "weir ends well" 0 $?

# Idle: the share of a core that the process takes over two quiet seconds. A spinning worker takes
# all of one, whatever the machine's speed.
{
	WORKERS=1 POLL=adaptive head_two_arm
	echo "$services"
} >"$TMP/weir.yaml"
weir_start lb "$TMP/weir.yaml" "$TMP/idle.log"
check "adaptive polling: it serves" get http://203.0.113.80/
start=$(cpu_ticks "$weir_pid") from=$(date +%s%N)
sleep 2
spent=$(($(cpu_ticks "$weir_pid") - start)) took=$((($(date +%s%N) - from) / 1000000))
percent=$((spent * 1000 / $(getconf CLK_TCK) * 100 / took))
at_most "adaptive polling: an idle worker takes less than half a core" 50 $percent
check "and wakes up at once" get http://203.0.113.80/
finish
