#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Start and stop: a bad file, SIGTERM, two processes side by side, nothing left behind.
#
#   c eth0 ------ p0 [ weir ] p1 ------ switch ------ eth0 b1 b2 b3, default route: weir
#   192.0.2.10     .1   198.51.100.1                  198.51.100.11 .12 .13
#     eth1 ------ q0 [ second weir ] q1 ------ eth0 d1 (198.18.2.11)
#   198.18.1.10    .1   198.18.2.1
. "$(dirname "$0")/lib.sh"
STOP=8s
topo_two_arm
for b in b1 b2 b3; do backend_nginx $b; done
four='{address: 198.51.100.11}, {address: 198.51.100.12}, {address: 198.51.100.13}'
{
	head_two_arm
	echo "services:"
	echo "  - {name: web, vips: [203.0.113.80], protocol: tcp, port: 80, mode: nat, backends: [$four]}"
} >"$TMP/weir.yaml"

# Errors at the start: exit status 1 and the place of each.
sed 's/mode: nat/mode: natt/; s/port: 80/port: 80000/' "$TMP/weir.yaml" >"$TMP/bad.yaml"
ns lb timeout 10 "$WEIR" -c "$TMP/bad.yaml" 2>"$TMP/bad.log"
equal "a bad file: exit status 1" 1 $?
equal "a bad file: both errors are shown" 2 "$(grep -cE 'bad.yaml:[0-9]+:[0-9]+: error: ' "$TMP/bad.log")"
sed 's/iface=p0/iface=nosuch0/' "$TMP/weir.yaml" >"$TMP/nodev.yaml"
ns lb timeout 10 "$WEIR" -c "$TMP/nodev.yaml" 2>"$TMP/nodev.log"
equal "no such interface: exit status 1" 1 $?
check "no such interface: the log names the device" grep -q nosuch0 "$TMP/nodev.log"

# Folders of processes that were killed go, those of others stay.
dead=$(sh -c 'echo $$')
mkdir -p "/run/dpdk/weir-$dead" "/run/dpdk/weir-$$"
touch "/run/dpdk/weir-$dead/dpdk_telemetry.v2"
weir_start
check_not "the runtime folder of a dead process is gone" test -e "/run/dpdk/weir-$dead"
check "that of a living one is there" rmdir "/run/dpdk/weir-$$"
# What is older than this test is of another process that once had the number.
left() {
	find /dev/shm /run/dpdk /dev/hugepages /tmp -maxdepth 1 -newer "$TMP/weir.yaml" -regex ".*weir[^0-9]*$1\\([^0-9].*\\)?" 2>/dev/null
}
check "it serves" get http://203.0.113.80/

# A second one beside it: nothing is shared, not even by name.
ns_add d1
link_add c eth1 lb q0
link_add d1 eth0 lb q1
weir_if lb q0
weir_if lb q1
addr_add c eth1 198.18.1.10/24
addr_add d1 eth0 198.18.2.11/24
ip -n "$TAG-d1" route add default via 198.18.2.1
ip -n "$TAG-c" route add 198.18.3.0/24 via 198.18.1.1
backend_nginx d1
{
	cat <<-CONF
		ports:
		  - {name: front, device: "net_af_packet,iface=q0", addresses: [198.18.1.1/24]}
		  - {name: back, device: "net_af_packet,iface=q1", addresses: [198.18.2.1/24]}
	CONF
	STOP=1s head_common "$TMP/second.sock"
	echo "services:"
	echo "  - {name: web, vips: [198.18.3.80], protocol: tcp, port: 80, mode: nat, backends: [{address: 198.18.2.11}]}"
} >"$TMP/second.yaml"
first=$weir_pid
weir_start lb "$TMP/second.yaml" "$TMP/second.log"
second=$weir_pid
equal "the second serves its own" d1 "$(get http://198.18.3.80/ | awk '{print $1}')"
check "the first goes on" get http://203.0.113.80/
stop_pid "$second"
equal "the second ends on SIGTERM: exit status 0" 0 $?
check "the first goes on alone" get http://203.0.113.80/
weir_pid=$first

# SIGTERM with a request on the way: it ends well, a new one is refused, then the process ends.
background c "$TMP/slow" curl -sS --fail --max-time 20 --limit-rate 400k --noproxy '*' http://203.0.113.80/big
slow=$!
moving() { [ "$(stat -c %s "$TMP/slow")" -gt 100000 ]; }
check "a slow download has begun" wait_for 10 moving
ledger_check
start=$(date +%s%N)
kill -TERM "$weir_pid"
check "it says that it drains" wait_for 5 grep -q 'msg="draining"' "$TMP/weir.log"
check_not "while it drains a new connection gets no answer" get http://203.0.113.80/ --max-time 1
wait "$slow"
equal "the download ends well" 0 $?
equal "and is whole" "$(md5sum <"$TMP/big")" "$(md5sum <"$TMP/slow")"
wait "$weir_pid"
equal "SIGTERM: exit status 0" 0 $?
at_most "SIGTERM: within stop_timeout" 12000 $((($(date +%s%N) - start) / 1000000))
weir_pid=
check_not "the control socket is gone" test -e "$SOCK"
equal "no file was left behind" "" "$(left "$first")"

# Again at once, and SIGINT does the same; twice means now.
weir_start
check "a second start serves" get http://203.0.113.80/
start=$(date +%s%N)
kill -INT "$weir_pid"
check "SIGINT drains too" wait_for 5 grep -q 'msg="draining"' "$TMP/weir.log"
stop_pid "$weir_pid" INT
equal "SIGINT: exit status 0" 0 $?
at_most "a second one ends it at once" 4000 $((($(date +%s%N) - start) / 1000000))
weir_pid=
finish
