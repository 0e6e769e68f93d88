# SPDX-License-Identifier: Apache-2.0
# What the benchmarks over veth share: sourced, never run. It brings tests/netns/lib.sh.
#
#   NO_BUILD=1      measure what was built last
#   WEIR=PROGRAM    measure this one in place of build/$VARIANT/weir
#   GROUP_NICE=N    of the session's scheduling group meanwhile (-19), so that other sessions' work disturbs little
given=${WEIR:-}
. "$(dirname "${BASH_SOURCE[0]}")/../netns/lib.sh"
VARIANT=${VARIANT:-release}

# Where the kernel groups processes by session, a process's own nice value counts only within its session.
group_nice() { # N
	[ ! -w /proc/self/autogroup ] || echo "$1" 2>/dev/null >/proc/self/autogroup
}
group_before=$(awk '{print $NF}' /proc/self/autogroup 2>/dev/null)
group_nice "${GROUP_NICE:--19}"
trap 'cleanup; group_nice "${group_before:-0}"' EXIT

veth_programs() { # COMMAND...: or the benchmark ends
	local t
	for t in "$@"; do command -v "$t" >/dev/null || die "$t is not installed (make deps)"; done
}

# veth_build [PROGRAM...]: weir, as WEIR, and programs below build/$VARIANT. All are copied to $TMP: a build beside
# this does not change them.
veth_build() {
	local all=("${@/#/build/$VARIANT/}")
	[ -n "$given" ] || all+=("build/$VARIANT/weir")
	if [ -z "${NO_BUILD:-}" ] && [ ${#all[@]} -gt 0 ]; then
		make -s -j"$(nproc)" VARIANT="$VARIANT" "${all[@]}" || exit 1
	fi
	[ -z "$given" ] || cp "$given" "$TMP/weir" || exit 1
	[ ${#all[@]} -eq 0 ] || cp "${all[@]}" "$TMP/" || exit 1
	WEIR=$TMP/weir
}

bare() { # NS IF: no offload of any kind
	ns "$1" ethtool -K "$2" tx off rx off tso off gso off gro off sg off >/dev/null 2>&1
	[ "$(ns "$1" ethtool -k "$2" | grep -cE '^(tcp-segmentation-offload|generic-segmentation-offload|generic-receive-offload|tx-checksumming|scatter-gather): on')" = 0 ] ||
		die "offloads of $2 in $1 are still on"
}

cpu_ns() { awk '{s += $1} END{printf "%.0f", s}' /proc/"$1"/task/*/schedstat; } # PID
ticks() { # PID: user and system time in ticks of 10 ms, all threads
	awk '{sub(/.*\) /, ""); print $12, $13}' "/proc/$1/stat"
}

median() { sort -n | awk '{v[NR] = $1} END{print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2}'; }

rows=() # results as JSON objects
veth_write() { # FILE: all rows
	local i
	mkdir -p "$(dirname "$1")"
	{
		echo '['
		for ((i = 0; i < ${#rows[@]}; i++)); do
			printf '%s%s\n' "${rows[i]}" "$([ $((i + 1)) -lt ${#rows[@]} ] && echo ,)"
		done
		echo ']'
	} >"$1"
}
