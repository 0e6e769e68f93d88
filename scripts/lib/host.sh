# SPDX-License-Identifier: Apache-2.0
# What setup-host and doctor share: where the kernel's files are, and lists of cores. Sourced.
# WEIR_HOST_ROOT stands before /sys, /proc, /dev and /var (tests use a tree of their own).
R=${WEIR_HOST_ROOT:-}
DEVBIND=${DEVBIND:-dpdk-devbind.py}
# What a user calls it: the package has it under a name of its own.
case $0 in *weir-*) SETUP_HOST=weir-setup-host ;; *) SETUP_HOST=scripts/setup-host ;; esac

# "0-3,6" as words: 0 1 2 3 6
cores_of() {
	local part
	for part in ${1//,/ }; do
		case $part in
		*-*) seq "${part%-*}" "${part#*-}" ;;
		*) echo "$part" ;;
		esac
	done
}

# Words as a list: 0,1,2,3,6
list_of() { echo "$*" | tr ' ' '\n' | sort -n | paste -sd, -; }

online_cores() { cores_of "$(cat "$R/sys/devices/system/cpu/online" 2>/dev/null || echo 0)"; }

# Cores of $1 that are not in $2.
without() {
	local c
	for c in $1; do
		case " $2 " in *" $c "*) ;; *) echo "$c" ;; esac
	done
}

nodes() { find "$R/sys/devices/system/node" -maxdepth 1 -name 'node[0-9]*' -printf '%f\n' 2>/dev/null | sort -V; }

# PCI addresses of network controllers.
nics() {
	local d
	for d in "$R"/sys/bus/pci/devices/*; do
		[ -e "$d/class" ] || continue
		case $(cat "$d/class") in 0x02*) echo "${d##*/}" ;; esac
	done
}
nic_driver() {
	local l=$R/sys/bus/pci/devices/$1/driver
	[ -e "$l" ] && basename "$(readlink -f "$l")"
}
nic_node() { cat "$R/sys/bus/pci/devices/$1/numa_node" 2>/dev/null || echo -1; }
