# SPDX-License-Identifier: Apache-2.0
# Benchmarks of HTTP servers and proxies over veth: sourced, never run. The same clients (wrk) and backend (nginx) for
# each kind, offloads off at every end, one worker or thread each, rounds interleaved, medians.
#
#   client c-X eth0 ---- p0 [ l-X: the kind ] p1 ---- eth0 b-X: nginx         one such row for each X
#
# A script names its `kinds`, says in proxy_X() how X is started (background l-X ...), its
# `cases` ("name path connections close"), and calls veth_open, veth_rounds, veth_table and veth_json.
#
# CPU time of the process includes what the kernel does in its system calls: for weir that is veth and the TCP receive
# path of client and backend, which run inside its transmit calls; for the others their own sockets and the same. User
# time is the process's own code alone. The machine's is all that was busy meanwhile, the client included: only on a
# machine that does nothing else does it say something. Client and backend share core 0, the kind has core 1.
. "$(dirname "${BASH_SOURCE[0]}")/veth.sh"
ROUNDS=${ROUNDS:-5} SECONDS_EACH=${SECONDS_EACH:-2}
DRIVER=${DRIVER:-net_af_xdp}
RING=${RING:-4096}
FIRST=${FIRST:-weir} # the kind that ratios are of

tune() { # NS
	ns "$1" sysctl -qw net.ipv4.tcp_max_tw_buckets=4096 net.ipv4.ip_local_port_range="1024 65535" \
		net.core.somaxconn=4096
}

chain() { # X
	ns_add "c-$1" "l-$1" "b-$1"
	link_add "c-$1" eth0 "l-$1" p0
	link_add "l-$1" p1 "b-$1" eth0
	bare "c-$1" eth0
	bare "l-$1" p0
	bare "l-$1" p1
	bare "b-$1" eth0
	addr_add "c-$1" eth0 192.0.2.10/24
	addr_add "b-$1" eth0 198.51.100.11/24
	for n in c l b; do tune "$n-$1"; done
}

veth_need() { # PROGRAM...
	veth_programs wrk nginx "$@"
	veth_build
}

mkdir -p "$TMP/www"
printf x >"$TMP/www/1"
head -c 1024 /dev/zero >"$TMP/www/1k"
head -c 65536 /dev/zero >"$TMP/www/64k"
head -c 1048576 /dev/zero >"$TMP/www/1m"

nginx_conf() { # NAME: the common head on standard output, the http block's content from standard input
	cat <<-CONF
		daemon off;
		master_process off;
		worker_processes 1;
		pid $TMP/$1.pid;
		error_log $TMP/$1.err warn;
		worker_rlimit_nofile 20000;
		events { worker_connections 16384; multi_accept on; }
		http {
			access_log off;
			sendfile on;
			tcp_nopush on;
			tcp_nodelay on;
			keepalive_timeout 120s;
			keepalive_requests 100000000;
			client_body_temp_path $TMP/$1.body;
			proxy_temp_path $TMP/$1.proxy;
			fastcgi_temp_path $TMP/$1.fastcgi;
			uwsgi_temp_path $TMP/$1.uwsgi;
			scgi_temp_path $TMP/$1.scgi;
			$(cat)
		}
	CONF
}

declare -A pid back
# BACK_SERVER: what else stands in its server block.
backend() { # X
	local BACK_LOG=${BACK_LOG:+$TMP/back-$1.access}
	nginx_conf "back-$1" >"$TMP/back-$1.conf" <<-CONF
		open_file_cache max=100;
		server { listen 80 backlog=4096; root $TMP/www; access_log ${BACK_LOG:-off}; ${BACK_SERVER:-} }
	CONF
	background "b-$1" "$TMP/back-$1.log" taskset -c 0 nginx -e "$TMP/back-$1.err" -c "$TMP/back-$1.conf"
	back[$1]=$!
	wait_for 10 port_open "b-$1" 80 || die "backend of $1" "$(cat "$TMP/back-$1.log" "$TMP/back-$1.err")"
}

busy() { awk '/^cpu /{print $2 + $3 + $4 + $7 + $8; exit}' /proc/stat; } # of the machine, in ticks

cat >"$TMP/report.lua" <<-'LUA'
	done = function(s, l, r)
		io.write(string.format("requests=%d errors=%d us=%d p50=%d p99=%d p999=%d\n", s.requests,
			s.errors.connect + s.errors.read + s.errors.write + s.errors.status + s.errors.timeout,
			s.duration, l:percentile(50), l:percentile(99), l:percentile(99.9)))
	end
	if os.getenv("CLOSE") == "1" then wrk.headers["Connection"] = "close" end
LUA

# One measurement: CPU and user time in us a request, requests a second, latencies, each to its file.
measure() { # X CASE PATH CONNS CLOSE
	local t0 t1
	t0="$(ticks "${pid[$1]}") $(busy)"
	CLOSE=$5 ns "c-$1" taskset -c 0 wrk -t 1 -c "$4" -d "${SECONDS_EACH}s" -s "$TMP/report.lua" \
		"http://192.0.2.1/$3" >"$TMP/wrk" 2>&1
	t1="$(ticks "${pid[$1]}") $(busy)"
	grep -q '^requests=' "$TMP/wrk" || die "$1: $2" "$(tail -n 5 "$TMP/wrk" "$TMP/$1.log")"
	grep '^requests=' "$TMP/wrk" | awk -v t="$t0 $t1" -v f="$TMP/$2.$1" '{
		split(t, a, " ")
		for (i = 1; i <= NF; i++) { split($i, p, "="); v[p[1]] = p[2] }
		if (v["requests"] == 0) exit 1
		printf "%.3f\n", (a[4] + a[5] - a[1] - a[2]) * 10000 / v["requests"] >>(f ".cpu")
		printf "%.3f\n", (a[4] - a[1]) * 10000 / v["requests"] >>(f ".user")
		printf "%.3f\n", (a[6] - a[3]) * 10000 / v["requests"] >>(f ".machine")
		printf "%.1f\n", v["requests"] / v["us"] * 1e6 >>(f ".rate")
		print v["p50"] >>(f ".p50"); print v["p99"] >>(f ".p99"); print v["p999"] >>(f ".p999")
		print v["errors"] >>(f ".errors")
	}' || die "$1: $2: nothing happened" "$(cat "$TMP/wrk")"
}

value() { median <"$TMP/$1.$2.$3"; } # CASE KIND WHAT

json() { # CASE METRIC WHAT UNIT HIGHER-IS-BETTER
	local w p k
	w=$(value "$1" "$FIRST" "$3")
	for k in "${kinds[@]:1}"; do
		p=$(value "$1" "$k" "$3")
		rows+=("$(awk -v c="veth $1" -v m="$2" -v u="$4" -v w="$w" -v p="$p" -v k="$k" -v up="$5" 'BEGIN{
			r = w == 0 || p == 0 ? 0 : up ? w / p : p / w
			printf "  {\"case\": \"%s\", \"metric\": \"%s\", \"value\": %.3f, \"unit\": \"%s\", \"peer\": \"%s\", \"peer_value\": %.3f, \"ratio\": %.3f}",
				c, m, w, u, k, p, r}')")
	done
}

started=()
# A kind may be several processes: the one that serves.
pid_of() { echo "$2"; } # KIND PID

veth_open() {
	local k
	for k in "${kinds[@]}"; do
		chain "$k"
		backend "$k"
		"proxy_$k"
		pid[$k]=$!
		started+=($!)
		wait_for 20 ns "c-$k" curl -sf --noproxy '*' -o /dev/null --max-time 2 http://192.0.2.1/1 ||
			die "$k does not serve" "$(tail -n 20 "$TMP/$k.log")"
		pid[$k]=$(pid_of "$k" "${pid[$k]}")
	done
}

veth_rounds() {
	local c k
	[ -z "${CASES:-}" ] || mapfile -t cases <<<"$CASES"
	for _ in $(seq "$ROUNDS"); do
		for c in "${cases[@]}"; do
			for k in "${kinds[@]}"; do
				# shellcheck disable=SC2086 # four words
				measure "$k" $c
			done
		done
	done
}

column() { # CASE WHAT FORMAT
	local k
	# shellcheck disable=SC2059 # the format is ours
	for k in "${kinds[@]}"; do printf " $3" "$(value "$1" "$k" "$2")"; done
}

veth_table() { # TITLE
	local c k width=$((9 * ${#kinds[@]}))
	printf '\n%s over veth (%s), offloads off, medians of %s rounds: %s\n' "$1" "$DRIVER" "$ROUNDS" "${kinds[*]}"
	printf "%-10s %${width}s %${width}s %${width}s %${width}s %$((10 * ${#kinds[@]}))s\n" case \
		"CPU us a request" "user us" "machine us" "p99 us" "requests a second"
	for c in "${cases[@]}"; do
		c=${c%% *}
		printf '%-10s' "$c"
		column "$c" cpu %8.2f
		column "$c" user %8.2f
		column "$c" machine %8.2f
		column "$c" p99 %8.0f
		column "$c" rate %9.0f
		echo
		json "$c" "cpu of the process per request" cpu us ''
		json "$c" "user time per request" user us ''
		json "$c" "cpu of the machine per request" machine us ''
		json "$c" "latency p50" p50 us ''
		json "$c" "latency p99" p99 us ''
		json "$c" "latency p99.9" p999 us ''
		json "$c" "requests a second" rate 1/s 1
		for k in "${kinds[@]}"; do
			[ "$(value "$c" "$k" errors)" = 0 ] ||
				printf '%-10s %s: %s errors\n' "" "$k" "$(value "$c" "$k" errors)"
		done
	done
	printf 'resident memory, KiB:'
	for k in "${kinds[@]}"; do printf ' %s %s' "$k" "$(awk '/VmRSS/{print $2}' "/proc/${pid[$k]}/status")"; done
	echo
}

veth_json() { # FILE
	local i
	for i in "${started[@]}"; do stop_pid "$i"; done
	veth_write "$1"
}
