#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# setup-host and doctor on a tree of files that stands for a machine; flame graphs and reports from
# input whose output is known.
NEED_ROOT=0
. "$(dirname "$0")/../netns/lib.sh"

# --- a machine: two NUMA nodes, eight cores, two NICs
H=$TMP/host
export WEIR_HOST_ROOT=$H
put() { mkdir -p "$(dirname "$H/$1")" && printf '%s\n' "$2" >"$H/$1"; }
put sys/devices/system/cpu/online 0-7
for n in 0 1; do
	put sys/devices/system/node/node$n/cpulist $((4 * n))-$((4 * n + 3))
	put sys/devices/system/node/node$n/hugepages/hugepages-2048kB/nr_hugepages 0
	put sys/devices/system/node/node$n/hugepages/hugepages-2048kB/free_hugepages 0
done
for c in 0 1 2 3 4 5 6 7; do put sys/devices/system/cpu/cpu$c/cpufreq/scaling_governor powersave; done
for i in 1 24; do put proc/irq/$i/smp_affinity_list 0-7; done
nic() { # PCI DRIVER NODE
	mkdir -p "$H/sys/bus/pci/drivers/$2" "$H/sys/bus/pci/devices/$1"
	put "sys/bus/pci/devices/$1/class" 0x020000
	put "sys/bus/pci/devices/$1/numa_node" "$3"
	ln -sfn "$H/sys/bus/pci/drivers/$2" "$H/sys/bus/pci/devices/$1/driver"
}
nic 0000:01:00.0 ixgbe 0
nic 0000:81:00.0 ice 1
mkdir -p "$H/sys/bus/pci/devices/0000:02:00.0"
put sys/bus/pci/devices/0000:02:00.0/class 0x010802
put proc/cpuinfo 'flags : avx2 bmi2 fma movbe constant_tsc nonstop_tsc'
put proc/meminfo 'HugePages_Free:        0'
put proc/cmdline 'root=/dev/vda1'
# What stands for dpdk-devbind.py: it moves the link, as the kernel would.
cat >"$TMP/devbind" <<'SH'
#!/bin/sh
[ "$1" = -b ] || { rm -f "$WEIR_HOST_ROOT/sys/bus/pci/devices/$2/driver"; exit 0; }
mkdir -p "$WEIR_HOST_ROOT/sys/bus/pci/drivers/$2"
ln -sfn "$WEIR_HOST_ROOT/sys/bus/pci/drivers/$2" "$WEIR_HOST_ROOT/sys/bus/pci/devices/$3/driver"
SH
chmod +x "$TMP/devbind"
export DEVBIND=$TMP/devbind
snapshot() { (cd "$H" && find . -path ./var -prune -o -type f -print -o -type l -print | sort | while read -r f; do
	if [ -L "$f" ]; then echo "$f > $(readlink "$f")"; else echo "$f: $(cat "$f")"; fi
done | grep -v drivers/vfio); }
snapshot >"$TMP/before"

exits 0 scripts/setup-host show
says 'NIC 0000:81:00.0: driver ice, NUMA node 1'
says_not '0000:02:00.0'
exits 0 scripts/setup-host apply --hugepages 1024 --cores 4-6 --nic 0000:81:00.0 --dry-run
check "a dry run changes nothing" diff "$TMP/before" <(snapshot)
exits 0 scripts/setup-host apply --hugepages 1024 --cores 4-6 --nic 0000:81:00.0
equal "hugepages, an even share" 256 "$(cat "$H/sys/devices/system/node/node1/hugepages/hugepages-2048kB/nr_hugepages")"
equal "interrupts leave the cores of the workers" 0,1,2,3,7 "$(cat "$H/proc/irq/24/smp_affinity_list")"
equal "governor of a worker's core" performance "$(cat "$H/sys/devices/system/cpu/cpu5/cpufreq/scaling_governor")"
equal "governor of another one" powersave "$(cat "$H/sys/devices/system/cpu/cpu7/cpufreq/scaling_governor")"
equal "the NIC is bound" vfio-pci "$(basename "$(readlink "$H/sys/bus/pci/devices/0000:81:00.0/driver")")"
exits 0 scripts/setup-host apply --hugepages 512
exits 0 scripts/setup-host undo
check "undo puts everything back" diff "$TMP/before" <(snapshot)
exits 0 scripts/setup-host undo
says 'nothing to undo'
exits 1 scripts/setup-host apply --cores 0-7
says 'leaves no core' err
exits 1 scripts/setup-host apply --nic 0000:99:00.0
says 'no device' err
exits 1 scripts/setup-host apply
exits 2 scripts/setup-host

# --- doctor: everything wrong, then everything right
cat >"$TMP/nic.yaml" <<'YAML'
ports: [{device: "0000:81:00.0", addresses: [192.0.2.1/24]}]
workers: {cores: [0, 9]}
services: [{vip: 203.0.113.1:80, backends: [192.0.2.11]}]
YAML
rmdir "$H/sys/bus/pci/drivers/vfio-pci"
exits 2 scripts/doctor -c "$TMP/nic.yaml" -s "$TMP/nosuch.sock"
says 'WRONG  hugepages: none is free'
says 'WRONG  a port is a PCI device, and the IOMMU is off'
says 'WRONG  vfio-pci is not loaded'
says 'WRONG  NIC 0000:81:00.0 belongs to the kernel \(ice\)'
says 'WRONG  core 9 of the workers is not there'
says 'WRONG  core 0 is not on NUMA node 1 of NIC 0000:81:00.0'
says 'could  core 0 slows down when idle'
says 'could  no weir answers'
sed 's/cores: .*/cores: [4, 5]}/' "$TMP/nic.yaml" >"$TMP/good.yaml"
scripts/setup-host apply --cores 4-5 --nic 0000:81:00.0 >/dev/null
mkdir -p "$H/sys/kernel/iommu_groups/7"
put proc/meminfo 'HugePages_Free:        512'
put proc/cmdline 'isolcpus=4-5'
exits 1 scripts/doctor -c "$TMP/good.yaml" -s "$TMP/nosuch.sock"
says_not WRONG
equal "one thing is left to say: nothing runs" 1 "$(grep -c '^could' "$TMP/out")"
put proc/cpuinfo 'flags : sse4_2'
exits 2 scripts/doctor -c "$TMP/good.yaml" -s "$TMP/nosuch.sock"
says 'lacks avx2 bmi2 fma movbe'
sed 's/vip: .*:80,/vip: nonsense,/' "$TMP/good.yaml" >"$TMP/broken.yaml"
exits 2 scripts/doctor -c "$TMP/broken.yaml" -s "$TMP/nosuch.sock"
says 'broken.yaml has errors'
unset WEIR_HOST_ROOT

# --- a flame graph of known stacks
cat >"$TMP/script" <<'TXT'
rte-worker-1 4711 1.0:  1 cycles:
	aaaa l4_decide_at+0x10 (/usr/sbin/weir)
	bbbb forward_one+0x20 (/usr/sbin/weir)
	cccc worker_main+0x30 (/usr/sbin/weir)

rte-worker-1 4711 1.1:  1 cycles:
	aaaa l4_decide_at+0x14 (/usr/sbin/weir)
	bbbb forward_one+0x20 (/usr/sbin/weir)
	cccc worker_main+0x30 (/usr/sbin/weir)

rte-worker-1 4711 1.2:  1 cycles:
	dddd [unknown] (/usr/sbin/weir)
	cccc worker_main+0x30 (/usr/sbin/weir)
TXT
scripts/lib/flamegraph.py 'a <title>' <"$TMP/script" >"$TMP/flame.svg"
check "flame graph: it is XML" $PYTHON -c 'import sys, xml.dom.minidom; xml.dom.minidom.parse(sys.argv[1])' "$TMP/flame.svg"
check "flame graph: shares" grep -q '<title>l4_decide_at: 2 samples, 66.7 %</title>' "$TMP/flame.svg"
check "flame graph: the whole" grep -q '<title>worker_main: 3 samples, 100.0 %</title>' "$TMP/flame.svg"
printf 'w 1 [000] 1.0: 1 cycles:\n\t1 leaf+0x1 (w)\n\t2 [unknown] (w)\n\t3 [unknown] (w)\n\t4 root+0x1 (w)\n\n' |
	scripts/lib/flamegraph.py x >"$TMP/unknown.svg"
equal "flame graph: frames that are not known stand as one" 1 "$(grep -o '<title>?: ' "$TMP/unknown.svg" | wc -l)"
check "bars: numbers for people, no legend without names" $PYTHON -c '
import sys
sys.path.insert(0, "scripts/lib")
import plot
svg = plot.bars("x", "packets/s", [("sent", [("", 268048)]), ("lost", [("", 0)]), ("few", [("", 12.5)])])
assert ">268k<" in svg and ">0<" in svg and ">12.5<" in svg and "e+" not in svg, svg
assert svg.count("<rect") == 4, svg'
check_not "flame graph: nothing in, nothing out" bash -c "scripts/lib/flamegraph.py x </dev/null >/dev/null"
exits 1 env PID=999999999 scripts/perf record 1
says 'no weir runs here' err

# --- a report, beside an earlier one
mkdir -p "$TMP/bench" "$TMP/old"
echo '[{"case": "dsr", "metric": "cycles per packet", "value": 100, "unit": "cycles", "peer": "bare", "peer_value": 80, "ratio": 0.8},
 {"case": "ipip", "metric": "cycles per packet", "value": 120, "unit": "cycles"}, {"case": "veth", "metric": "rate", "value": 50, "unit": "kpps/s"}]' >"$TMP/bench/l4.json"
echo '[{"case": "dsr", "metric": "cycles per packet", "value": 90, "unit": "cycles"}, {"case": "ipip", "metric": "cycles per packet", "value": 119, "unit": "cycles"},
 {"case": "veth", "metric": "rate", "value": 40, "unit": "kpps/s"}]' >"$TMP/old/l4.json"
scripts/lib/bench_report.py "$TMP/bench" "$TMP/old" >"$TMP/report.md"
check "report: a slower case is marked" grep -q '| dsr .*\*\*worse\*\* +11.1 %' "$TMP/report.md"
check "report: noise is not" grep -q '| ipip .*| +0.8 % |' "$TMP/report.md"
check "report: more of a rate is better" grep -q '| veth .*\*\*better\*\* +25.0 %' "$TMP/report.md"
check "report: the plot is XML" $PYTHON -c 'import sys, xml.dom.minidom; xml.dom.minidom.parse(sys.argv[1])' "$TMP/bench/l4.svg"
exits 1 scripts/lib/bench_report.py "$TMP/dest"
exits 0 scripts/pktgen --list
says '^many-flows +'
exits 2 scripts/pktgen
exits 2 scripts/pktgen nosuch
finish
