# SPDX-License-Identifier: Apache-2.0
# Helpers of the namespace tests: sourced, never run. A test draws its topology at the top, calls
# one of the topo_* functions, weir_start, then check "NAME" COMMAND..., and ends with finish.
#
# Everything made here carries this process's id in its name and goes away in the EXIT trap, so tests
# run side by side and a killed one leaves nothing behind that a second run trips over. Nothing sleeps
# and hopes: every wait polls for its condition and is bounded.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
ROOT=$PWD
WEIR=${WEIR:-$ROOT/build/weir}
TOOLS=${TOOLS:-$ROOT/build/debug/tests/tools}
HELPERS=$ROOT/tests/netns/helpers
PYTHON=/usr/bin/python3

TAG=wt$$
TMP=$(mktemp -d /tmp/weir-netns.XXXXXX)
SOCK=$TMP/weir.sock
passed=0 failed=0 skipped=0
namespaces=()
pids=()

# A test that makes no namespace sets NEED_ROOT=0 before it sources this.
if [ "${NEED_ROOT:-1}" = 1 ] && [ "$(id -u)" -ne 0 ]; then
	echo "SKIP: needs root"
	echo "0 passed, 0 failed, 1 skipped"
	exit 0
fi

# --- verdicts ---------------------------------------------------------------------------------

pass() {
	printf 'ok      %s\n' "$1"
	passed=$((passed + 1))
}

fail() {
	printf 'FAILED  %s\n' "$1"
	[ $# -lt 2 ] || sed 's/^/        | /' <<<"$2"
	failed=$((failed + 1))
}

skip() {
	printf 'SKIP    %s: %s\n' "$1" "$2"
	skipped=$((skipped + 1))
}

# check NAME COMMAND...: passes when the command exits 0; its output is shown when it does not.
check() {
	local name=$1
	shift
	# Not in a subshell: the command may wait for a process of this one or set variables.
	if "$@" >"$TMP/check" 2>&1; then pass "$name"; else fail "$name" "exit status $?: $(tail -n 30 "$TMP/check")"; fi
}

# check_not NAME COMMAND...: passes when the command fails.
check_not() {
	local name=$1
	shift
	if "$@" >"$TMP/check" 2>&1; then fail "$name" "succeeded: $(tail -n 30 "$TMP/check")"; else pass "$name"; fi
}

# equal NAME WANT GOT
equal() {
	if [ "$2" = "$3" ]; then pass "$1"; else fail "$1" "want: $2"$'\n'"got:  $3"; fi
}

# at_least NAME MIN GOT, at_most NAME MAX GOT (integers)
at_least() {
	if [ "${3:-x}" -ge "$2" ] 2>/dev/null; then pass "$1"; else fail "$1" "want at least $2, got $3"; fi
}
at_most() {
	if [ "${3:-x}" -le "$2" ] 2>/dev/null; then pass "$1"; else fail "$1" "want at most $2, got $3"; fi
}

# exits WANT COMMAND...: its exit status; what it printed is in $TMP/out and $TMP/err, for
# says PATTERN [err] and says_not PATTERN [err].
exits() { # WANT COMMAND...
	local want=$1
	shift
	"$@" >"$TMP/out" 2>"$TMP/err"
	equal "exit status $want: ${*##*/}" "$want" $?
}
says() { check "  it says: $1" grep -qE -- "$1" "$TMP/${2:-out}"; }
says_not() { check_not "  it does not say: $1" grep -qE -- "$1" "$TMP/${2:-out}"; }

# A test that cannot go on: what is wrong counts as one failure and the rest is not run.
die() {
	fail "$1" "${2:-}"
	finish
}

finish() {
	[ -z "${weir_pid:-}" ] || ledger_check
	if [ $failed -gt 0 ] && [ -s "$TMP/weir.log" ]; then
		echo "---- weir's log"
		tail -n "${LOG_TAIL:-40}" "$TMP/weir.log"
		echo "----"
	fi
	echo "$passed passed, $failed failed, $skipped skipped"
	exit $((failed > 0))
}

# --- processes, cleanup, waiting --------------------------------------------------------------

cleanup() {
	local p n
	# Twice: the first makes weir drain, the second stops it at once.
	for p in "${pids[@]}"; do kill "$p" 2>/dev/null; done
	sleep 0.05
	for p in "${pids[@]}"; do kill "$p" 2>/dev/null; done
	for p in "${pids[@]}"; do
		for _ in $(seq 60); do
			kill -0 "$p" 2>/dev/null || break
			sleep 0.05
		done
		kill -9 "$p" 2>/dev/null
	done
	for n in "${namespaces[@]}"; do ip netns del "$n" 2>/dev/null; done
	[ -n "${KEEP:-}" ] || rm -rf "$TMP"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# wait_for SECONDS COMMAND...: polls every 50 ms until the command succeeds; 1 when time is up.
wait_for() {
	local end=$((SECONDS + $1 + 1))
	shift
	while ! "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.05
	done
}

# In namespace `c`: its full name is made from the tag.
ns() {
	local n=$1
	shift
	ip netns exec "$TAG-$n" "$@"
}

# background NAMESPACE LOGFILE COMMAND...: started in the namespace; sets $! and is killed at the end.
background() {
	local n=$1 log=$2
	shift 2
	# exec in a subshell: the pid noted is the program's own.
	(exec ip netns exec "$TAG-$n" "$@" >>"$log" 2>&1 </dev/null) &
	pids+=($!)
}

stop_pid() { # PID [SIGNAL]: and wait until it is gone; its exit status
	kill "-${2:-TERM}" "$1" 2>/dev/null
	wait "$1" 2>/dev/null
}

# --- topology ---------------------------------------------------------------------------------

ns_add() {
	local n
	for n in "$@"; do
		ip netns add "$TAG-$n" || die "namespace $n"
		namespaces+=("$TAG-$n")
		ip -n "$TAG-$n" link set lo up
		# No duplicate address detection, no router solicitations, no reverse path filter: the
		# tests send from the first moment on, and answers of DSR come back another way.
		ns "$n" sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0 \
			net.ipv6.conf.default.router_solicitations=0 net.ipv6.conf.default.accept_ra=0 \
			net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0
	done
}

# link_add NS1 IF1 NS2 IF2: a veth pair. One queue on both ends, or XDP cannot be attached; no
# transmit offload, or the kernel sends partial checksums that only another kernel understands.
link_add() {
	ip link add "$2" netns "$TAG-$1" numtxqueues 1 numrxqueues 1 type veth \
		peer name "$4" netns "$TAG-$3" numtxqueues 1 numrxqueues 1 || die "veth $2 - $4"
	ns "$1" ethtool -K "$2" tx off >/dev/null
	ns "$3" ethtool -K "$4" tx off >/dev/null
	ip -n "$TAG-$1" link set "$2" up
	ip -n "$TAG-$3" link set "$4" up
}

addr_add() { # NS IF ADDRESS...
	local n=$1 i=$2 a
	shift 2
	for a in "$@"; do ip -n "$TAG-$n" addr add "$a" dev "$i" $([[ $a = *:* ]] && echo nodad); done
}

# The interface belongs to weir: the namespace's own stack must stay silent on it.
weir_if() { # NS IF
	ns "$1" sysctl -qw "net.ipv6.conf.$2.disable_ipv6=1"
}

switch_add() { # NS: a namespace that is one bridge
	ns_add "$1"
	ip -n "$TAG-$1" link add br0 type bridge forward_delay 0 mcast_snooping 0
	ip -n "$TAG-$1" link set br0 up
	ns "$1" sysctl -qw net.ipv6.conf.br0.disable_ipv6=1
}

switch_port() { # SWITCH PORT NS IF
	link_add "$1" "$2" "$3" "$4"
	weir_if "$1" "$2"
	ip -n "$TAG-$1" link set "$2" master br0
}

# topo_two_arm: namespaces c, lb, sw, b1 b2 b3. VIPs are routed to weir by the client, and the
# backends' default route is weir.
#
#   c eth0 ------ p0 [ lb ] p1 ------ sw ------ eth0 b1 b2 b3
#   192.0.2.10     .1   198.51.100.1            198.51.100.11 .12 .13
#   2001:db8:1::10 ::1  2001:db8:2::1           2001:db8:2::11 ::12 ::13
#   VIPs: 203.0.113.80, 2001:db8:80::80
topo_two_arm() {
	local i
	ns_add c lb b1 b2 b3
	switch_add sw
	link_add c eth0 lb p0
	switch_port sw uplink lb p1
	weir_if lb p0
	weir_if lb p1
	addr_add c eth0 192.0.2.10/24 2001:db8:1::10/64
	ip -n "$TAG-c" route add 203.0.113.0/24 via 192.0.2.1
	ip -n "$TAG-c" route add 198.51.100.1/32 via 192.0.2.1
	ip -n "$TAG-c" route add 2001:db8:80::/64 via 2001:db8:1::1
	for i in 1 2 3; do
		switch_port sw "b$i" "b$i" eth0
		[ -z "${BACK_MTU:-}" ] || ip -n "$TAG-b$i" link set eth0 mtu "$BACK_MTU"
		addr_add "b$i" eth0 "198.51.100.1$i/24" "2001:db8:2::1$i/64"
		ip -n "$TAG-b$i" route add default via 198.51.100.1
		ip -n "$TAG-b$i" -6 route add default via 2001:db8:2::1
	done
}

# topo_one_arm: all on one switch; backends answer the client directly (DSR). The VIPs are on the
# backends' loopback, and they do not answer ARP for them.
#
#            sw ------ eth0 c            192.0.2.10            2001:db8:1::10
#             |\------ p0   lb           192.0.2.1             2001:db8:1::1
#             |\------ eth0 b1 b2 b3     192.0.2.11 .12 .13    2001:db8:1::11 ::12 ::13
#   VIPs: 192.0.2.80, 2001:db8:1::80
topo_one_arm() {
	local i
	ns_add c lb b1 b2 b3
	switch_add sw
	switch_port sw c c eth0
	switch_port sw lb lb p0
	weir_if lb p0
	addr_add c eth0 192.0.2.10/24 2001:db8:1::10/64
	for i in 1 2 3; do
		switch_port sw "b$i" "b$i" eth0
		ns "b$i" sysctl -qw net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2
		addr_add "b$i" eth0 "192.0.2.1$i/24" "2001:db8:1::1$i/64"
		addr_add "b$i" lo 192.0.2.80/32 2001:db8:1::80/128
	done
}

# topo_wired: one client and one backend, each behind a bridge that can lose packets. WIRE_MTU is that of
# every link.
#
#   c eth0 ------ front ------ p0 [ lb ] p1 ------ back ------ eth0 b1
#   addresses as in topo_two_arm
topo_wired() {
	ns_add c lb b1
	switch_add front
	switch_add back
	switch_port front c c eth0
	switch_port front lb lb p0
	switch_port back lb lb p1
	switch_port back b1 b1 eth0
	weir_if lb p0
	weir_if lb p1
	addr_add c eth0 192.0.2.10/24 2001:db8:1::10/64
	addr_add b1 eth0 198.51.100.11/24 2001:db8:2::11/64
	wire_mtu "${WIRE_MTU:-1500}"
	ip -n "$TAG-c" route add 203.0.113.0/24 via 192.0.2.1
	ip -n "$TAG-c" route add 2001:db8:80::/64 via 2001:db8:1::1
	ip -n "$TAG-b1" route add default via 198.51.100.1
	ip -n "$TAG-b1" -6 route add default via 2001:db8:2::1
}

wire_mtu() { # BYTES: of every link of topo_wired, and of weir's ports at its next start
	local link
	for link in c/eth0 lb/p0 lb/p1 b1/eth0 front/c front/lb back/lb back/b1 front/br0 back/br0; do
		ip -n "$TAG-${link%/*}" link set "${link#*/}" mtu "$1" || die "MTU $1 of $link"
	done
	FRONT_MTU=$1 BACK_MTU=$1
}

# loss BRIDGE PERCENT: of the TCP segments that cross it, in each direction. A drop in the sender's own
# output path is no such thing: its TCP is told and sends again at once.
loss() {
	local rule="numgen random mod 100 < $2 counter drop"
	ns "$1" nft -f - <<-NFT
		table bridge loss
		delete table bridge loss
		table bridge loss {
			chain f {
				type filter hook forward priority 0;
				ip protocol tcp $rule
				ip6 nexthdr tcp $rule
			}
		}
	NFT
}
lossy() { ns "$1" nft list ruleset | awk '{for (i = 1; i < NF; i++) if ($i == "packets") n += $(i + 1)} END {print n + 0}'; } # BRIDGE: how many it dropped

# --- backends ---------------------------------------------------------------------------------

# backend_nginx NS [PORT]: answers each request with "NAME CLIENT SERVER" as nginx sees them, and
# /big with 1 MiB. Sets nginx_pid.
backend_nginx() {
	local n=$1 port=${2:-80} dir=$TMP/nginx-$1-${2:-80}
	mkdir -p "$dir"
	[ -e "$TMP/big" ] || head -c 1048576 /dev/zero | tr '\0' 'w' >"$TMP/big"
	cat >"$dir/nginx.conf" <<-CONF
		daemon off;
		master_process off;
		pid $dir/pid;
		error_log $dir/error.log warn;
		events { worker_connections 2048; }
		http {
			access_log off;
			keepalive_requests 1000000;
			client_body_temp_path $dir/body;
			proxy_temp_path $dir/proxy;
			fastcgi_temp_path $dir/fastcgi;
			uwsgi_temp_path $dir/uwsgi;
			scgi_temp_path $dir/scgi;
			default_type text/plain;
			server {
				listen $port backlog=1024;
				listen [::]:$port backlog=1024;
				location = /big { alias $TMP/big; }
				location / { return 200 "$n \$remote_addr \$server_addr\\n"; }
			}
		}
	CONF
	background "$n" "$dir/log" nginx -e "$dir/error.log" -c "$dir/nginx.conf"
	nginx_pid=$!
	wait_for 5 port_open "$n" "$port" || die "nginx of $n" "$(cat "$dir/log" "$dir/error.log" 2>&1)"
}

port_open() { # NS PORT: somebody listens on the TCP port
	ns "$1" ss -Hltn "sport = :$2" | grep -q .
}

udp_open() { ns "$1" ss -Hlun "sport = :$2" | grep -q .; }

# backend_udp NS PORT: answers each datagram with "NAME " and what came. Sets udp_pid.
backend_udp() {
	background "$1" "$TMP/udp-$1.log" $PYTHON "$HELPERS/udp_echo.py" "$1" "$2"
	udp_pid=$!
	wait_for 5 udp_open "$1" "$2" || die "UDP echo of $1" "$(cat "$TMP/udp-$1.log")"
}

# backend_tundecap NS VIP...: tunnels end here; the VIPs are on lo already. Sets tundecap_pid.
backend_tundecap() {
	background "$1" "$TMP/tundecap-$1.log" "$TOOLS/tundecap" tun0 "$TMP/tundecap-$1"
	tundecap_pid=$!
	wait_for 5 ip -n "$TAG-$1" link set tun0 up || die "tundecap of $1" "$(cat "$TMP/tundecap-$1.log")"
	# The inner packet's source is reached by eth0, not by tun0; and the tunnel's MTU is no limit.
	ns "$1" sysctl -qw net.ipv4.conf.tun0.rp_filter=0 net.ipv4.conf.tun0.accept_local=1
	ip -n "$TAG-$1" link set tun0 mtu 1500
}

tundecap_count() { # NS KIND: how many packets of that kind, e.g. ipip46
	local pid=$3
	rm -f "$TMP/tundecap-$1"
	kill -USR1 "$pid"
	wait_for 5 test -s "$TMP/tundecap-$1"
	awk -v k="$2" '$1 == k {print $2}' "$TMP/tundecap-$1"
}

# backend_blob NS PORT: tests/netns/helpers/blob.py. Sets blob_pid.
backend_blob() {
	background "$1" "$TMP/blob-$1.log" $PYTHON "$HELPERS/blob.py" "$2"
	blob_pid=$!
	wait_for 5 port_open "$1" "$2" || die "blob of $1" "$(cat "$TMP/blob-$1.log")"
}

# --- TCP over wires ---------------------------------------------------------------------------

V4=203.0.113.80
V6=2001:db8:80::80

# weir_wired: topo_wired with a weir that echoes on port 7 and leads ports 70 and 71 to a blob.py by IPv4
# and IPv6.
weir_wired() {
	[ -n "${blob_pid:-}" ] || backend_blob b1 7000
	{
		head_two_arm
		cat <<-CONF
			listeners:
			  - {name: echo, bind: ["$V4:7", "[$V6]:7"], action: echo}
			  - {name: blob4, bind: ["$V4:70", "[$V6]:70"], action: tcp_proxy, backends: ["198.51.100.11:7000"], connect_timeout: 30s}
			  - {name: blob6, bind: ["$V4:71", "[$V6]:71"], action: tcp_proxy, backends: ["[2001:db8:2::11]:7000"], connect_timeout: 30s}
		CONF
	} >"$TMP/weir.yaml"
	weir_start
}

none_left() { # in weir_wired
	[ "$(ask listeners listeners.listener=echo.active)$(ask listeners listeners.listener=blob4.active)$(
		ask listeners listeners.listener=blob6.active)" = 000 ]
}

both_ways() { # NAME BYTES: through weir_wired, hashes compared
	check "$1: up, IPv4" tcp put $V4 70 "$2"
	check "$1: down, IPv4" tcp get $V4 70 "$2"
	check "$1: up, IPv6" tcp put $V6 71 "$2"
	check "$1: down, IPv6" tcp get $V6 71 "$2"
}

# --- weir -------------------------------------------------------------------------------------

# Heads of a configuration, on standard output; a test appends `services:`. WORKERS, DRIVER and
# POLL change what they name.
head_common() {
	cat <<-CONF
		workers:
		  count: ${WORKERS:-1}
		  poll: ${POLL:-adaptive}
		  stop_timeout: ${STOP:-1s}
		memory:
		  hugepages: false
		  mbufs: ${MBUFS:-8192}
		  flows: 65536
		  nat_flows: 65536
		admin:
		  socket: ${1:-$SOCK}
	CONF
}

head_two_arm() {
	cat <<-CONF
		ports:
		  - name: front
		    device: "${DRIVER:-net_af_packet},iface=p0"
		    addresses: [192.0.2.1/24, "2001:db8:1::1/64"]
		    mtu: ${FRONT_MTU:-1500}
		  - name: back
		    device: "${DRIVER:-net_af_packet},iface=p1"
		    addresses: [198.51.100.1/24, "2001:db8:2::1/64"]
		    mtu: ${BACK_MTU:-1500}
	CONF
	head_common "$@"
}

head_one_arm() {
	cat <<-CONF
		ports:
		  - name: lan
		    device: "${DRIVER:-net_af_packet},iface=p0"
		    addresses: [192.0.2.1/24, "2001:db8:1::1/64"]
	CONF
	head_common "$@"
}

# weir_start [NS [CONFIG]]: and wait until it says that it is ready. Sets weir_pid.
weir_start() {
	local n=${1:-lb} config=${2:-$TMP/weir.yaml} log=${3:-$TMP/weir.log}
	background "$n" "$log" "$WEIR" -c "$config"
	weir_pid=$!
	if ! wait_for 15 weir_settled "$log" || ! grep -q 'msg="ready"' "$log"; then
		weir_pid=
		die "weir does not start" "$(tail -n 20 "$log")"
	fi
}

weir_settled() { ! kill -0 "$weir_pid" 2>/dev/null || grep -q 'msg="ready"' "$1"; } # or it is gone

weir_reload() { # sends SIGHUP and waits for its outcome: 0 when the new configuration is in use
	local log=${1:-$TMP/weir.log} before
	before=$(grep -cE 'msg="reload' "$log")
	kill -HUP "$weir_pid"
	wait_for 20 reload_said "$before" "$log" || return 1
	grep -E 'msg="reload' "$log" | tail -n 1 | grep -q 'msg="reloaded"' || return 1
	wait_for 20 reload_done
}
reload_said() { [ "$(grep -cE 'msg="reload' "$2")" -gt "$1" ]; }
reload_done() { [ "$(ask status reload_done)" = true ]; }

# ask COMMAND PATH [SOCKET]: one value of what `weir COMMAND -o json` says; PATH has dots between
# keys and indexes, and NAME=VALUE picks the element of a list: services.service=web.active
ask() {
	"$WEIR" "$1" -s "${3:-$SOCK}" -o json | $PYTHON "$HELPERS/json_path.py" "$2"
}
counter() { ask counters "ledger.$1"; }
reason() { ask counters "reasons.$1"; }

# No packet is unaccounted for once nothing moves: rx + born + handed_in = tx + handed_out + ended +
# held, for each worker.
ledger_check() {
	if wait_for 5 ledger_balances; then
		pass "the ledger balances"
	else
		fail "the ledger balances" "$("$WEIR" counters -s "$SOCK" -o json)"
	fi
}
ledger_balances() {
	"$WEIR" counters -s "$SOCK" -o json | $PYTHON -c '
import json, sys
v = json.load(sys.stdin)
t = v["ledger"]
assert t["rx"] > 0 and t["handed_in"] == t["handed_out"]
assert all(w["imbalance"] == 0 for w in v["workers"].values())'
}

# --- clients ----------------------------------------------------------------------------------

# get URL [CURL OPTIONS]: the answer's body; fails unless the status is 200. CLIENT is the namespace
# that asks, c unless set.
get() {
	local url=$1
	shift
	ns "${CLIENT:-c}" curl -sS --fail --max-time 5 --connect-timeout 3 --noproxy '*' "$@" "$url"
}

# gets N URL: N requests one after another on new connections, the bodies' first words counted:
# "b1 34" lines, sorted.
gets() {
	local n=$1 url=$2
	ns "${CLIENT:-c}" curl -sS --fail --fail-early --max-time 20 --connect-timeout 3 --noproxy '*' -H 'Connection: close' \
		"$url?[1-$n]" | awk '{c[$1]++} END{for (k in c) print k, c[k]}' | sort
}

udp() { # ADDRESS PORT LENGTH [COUNT]: the names that answer
	ns "${CLIENT:-c}" $PYTHON "$HELPERS/udp_client.py" "$@"
}

# tcp MODE ADDRESS PORT ...: tests/netns/helpers/tcp_client.py
tcp() { ns "${CLIENT:-c}" $PYTHON "$HELPERS/tcp_client.py" "$@"; }

# What the kernel's end of a connection to ADDRESS says of it, e.g. "ts sack cubic wscale:7,7 ... mss:1448".
kernel_tcp() { ns "${CLIENT:-c}" ss -Htino state established dst "[$1]" | tail -n 1; }

# tcp_counter NAME: of all engines
tcp_counter() { ask tcp "counters.$1"; }

# refused URL: the connection is refused at once, which is not the same as no answer.
refused() {
	get "$1"
	[ $? = 7 ]
}

cpu_ticks() { # PID: user and system time so far, in clock ticks
	awk '{sub(/.*\) /, ""); print $12 + $13}' "/proc/$1/stat"
}
