#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Action http with 10,000 clients that never finish their request, beside ordinary ones: those notice nothing, and
# weir ends the slow ones when their time is up. Slow readers and slow uploads likewise.
#
#   c eth0 ------ p0 [ lb ] p1 ------ sw ------ eth0 b1 b2 b3
source "$(dirname "$0")/lib.sh"
COUNT=10000
export WORKERS=2 MBUFS=32768
topo_two_arm
backend_nginx b1 80
background b3 "$TMP/http.log" $PYTHON "$HELPERS/http_backend.py" 8000
wait_for 5 port_open b3 8000 || die "backend of b3" "$(cat "$TMP/http.log")"
{
	head_two_arm
	cat <<-CONF
		upstreams:
		  web: {backends: ["198.51.100.11:80"]}
		  reads: {backends: ["198.51.100.13:8000"]}
		listeners:
		  - {name: web, bind: ["203.0.113.80:80"], action: http, site: web}
		sites:
		  web:
		    routes: [{match: /md5, upstream: reads}, {upstream: web}]
		    timeouts: {head: ${HEAD_TIME:-25s}, body: 2s, send: 2s}
		    limits: {min_rate: 0}
	CONF
} >"$TMP/weir.yaml"
weir_start
url=http://203.0.113.80
ns c sysctl -qw net.ipv4.ip_local_port_range="10000 65000"
get() { ns c curl -sS --fail --noproxy '*' --max-time 20 "$@"; }
active() { ask listeners listeners.listener=web.active; }
rss() { awk '/^VmRSS/ {print $2}' "/proc/$weir_pid/status"; }

check "an ordinary request" get $url/
before=$(rss)
background c "$TMP/slow.log" $PYTHON "$HELPERS/slow_clients.py" 203.0.113.80 80 $COUNT
slow=$!
all_open() { grep -q open "$TMP/slow.log"; }
check "$COUNT slow clients connect" wait_for 60 all_open
at_least "weir holds them" $((COUNT * 9 / 10)) "$(active)"
at_most "KiB of memory for each of them" 16 $((($(rss) - before) / COUNT))
equal "300 ordinary requests beside them" 300 "$(get "$url/?[1-300]" | wc -l)"
equal "and 100 on new connections" 100 "$(get -H 'Connection: close' "$url/?[1-100]" | wc -l)"
equal "a megabyte beside them" "$(md5sum <"$TMP/big")" "$(get $url/big | md5sum)"
wait $slow
equal "weir has ended each of them" 0 $?
at_least "with 408 where a request had begun" $((COUNT * 9 / 10)) "$(grep -o '408=[0-9]*' "$TMP/slow.log" | cut -d= -f2)"
none() { [ "$(active)" = 0 ]; }
check "none is left" wait_for 10 none

# One that begins to upload and stops; one that asks for much and does not read.
equal "an upload that stops: 408" 408 "$(ns c $PYTHON -c '
import socket
s = socket.create_connection(("203.0.113.80", 80), timeout=20)
s.sendall(b"POST /md5 HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nabc")
print(s.recv(4096).split()[1].decode())')"
check "a reader that stops is cut off" ns c $PYTHON -c '
import socket, time
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
s.settimeout(30)
s.connect(("203.0.113.80", 80))
s.sendall(b"GET /big HTTP/1.1\r\nHost: a\r\n\r\n" * 3)
n, until = 0, time.monotonic() + 20
time.sleep(4)
try:
    while time.monotonic() < until:
        d = s.recv(65536)
        if not d:
            break
        n += len(d)
except ConnectionResetError:
    pass
assert n < 3 << 20, n'
check "none is left" wait_for 10 none
check "an ordinary request" get $url/
finish
