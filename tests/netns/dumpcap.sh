#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# dpdk-dumpcap attaches to a running weir as a secondary process, captures what a port receives, leaves again,
# and traffic does not notice. Needs hugepages: they are mounted for this test alone, and reserved if there are
# too few.
#
#   c eth0 ------ p0 [ lb ] p1 ------ sw ------ eth0 b1 b2 b3
if [ -z "${IN_MOUNT_NS:-}" ] && [ "$(id -u)" -eq 0 ]; then
	IN_MOUNT_NS=1 exec unshare --mount --propagation private "$0"
fi
source "$(dirname "$0")/lib.sh"
PAGES=110 # of 2 MiB
missing() {
	skip "dpdk-dumpcap" "$1"
	finish
}
command -v dpdk-dumpcap >/dev/null || missing "it is not installed"
free_pages() { awk '/^HugePages_Free/{print $2}' /proc/meminfo; }
grep -q '^Hugepagesize: *2048 kB' /proc/meminfo || missing "no hugepages of 2 MiB here"
reserved=
if [ "$(free_pages)" -lt $PAGES ]; then
	reserved=$(cat /proc/sys/vm/nr_hugepages)
	echo $((reserved + PAGES - $(free_pages))) >/proc/sys/vm/nr_hugepages 2>/dev/null
	trap 'cleanup; echo $reserved >/proc/sys/vm/nr_hugepages' EXIT
fi
[ "$(free_pages)" -ge $PAGES ] || missing "$(free_pages) free hugepages, and no more to be had"
mkdir "$TMP/huge"
mount -t hugetlbfs hugetlbfs "$TMP/huge" || missing "no hugetlbfs"
umount_huge() { umount "$TMP/huge"; }

topo_two_arm
for b in b1 b2; do backend_nginx $b 80; done
NAME=weirdump$$
{
	head_two_arm | sed "s/hugepages: false/hugepages: true\n  secondaries: $NAME/"
	echo 'services: [{name: web, vips: [203.0.113.80], port: 80, mode: fullnat, backends: ["198.51.100.11:80", "198.51.100.12:80"]}]'
} >"$TMP/weir.yaml"
sed 's/hugepages: true/hugepages: false/' "$TMP/weir.yaml" >"$TMP/bad.yaml"
check_not "it needs hugepages" "$WEIR" check "$TMP/bad.yaml"
check "and says so" bash -c "'$WEIR' check '$TMP/bad.yaml' 2>&1 | grep -q 'secondaries: .*hugepages'"
weir_start
gets 4 http://203.0.113.80/ >/dev/null

check "dumpcap finds the ports" bash -c "dpdk-dumpcap --file-prefix=$NAME -D 2>&1 | tee '$TMP/ports' | grep -q net_af_packet_w0"
background lb "$TMP/dumpcap.log" dpdk-dumpcap --file-prefix=$NAME -i net_af_packet_w0 -f 'tcp port 80' -c 40 -w "$TMP/dump.pcapng"
dump=$!
begun() { grep -q '^File: ' "$TMP/dumpcap.log"; }
check "dumpcap captures" wait_for 20 begun
lost=0
gets 20 http://203.0.113.80/ >/dev/null || lost=1
ended() { ! kill -0 $dump 2>/dev/null; }
check "dumpcap ends after its count" wait_for 20 ended
equal "traffic does not notice" 0 $lost
tcpdump -nr "$TMP/dump.pcapng" >"$TMP/frames" 2>/dev/null
at_least "the file has the packets" 40 "$(grep -c '203.0.113.80' "$TMP/frames")"
at_least "SYNs of the client among them" 1 "$(grep -c '192.0.2.10.* > 203.0.113.80.80: Flags \[S\]' "$TMP/frames")"
equal "and traffic goes on" "b1 b2" "$(gets 20 http://203.0.113.80/ | awk '{print $1}' | xargs)"
ledger_check
kill -TERM "$weir_pid"
wait "$weir_pid"
equal "weir ends well" 0 $?
weir_pid=
equal "no page and no file is left" "" "$(find "$TMP/huge" /run/dpdk -name "*$NAME*" 2>/dev/null)"
umount_huge
finish
