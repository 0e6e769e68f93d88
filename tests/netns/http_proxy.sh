#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Action http: curl to nginx and to Python servers through weir, on two workers.
#
#   c eth0 ------ p0 [ lb ] p1 ------ sw ------ eth0 b1 b2 b3
source "$(dirname "$0")/lib.sh"
topo_two_arm
export WORKERS=2
for b in b1 b2; do backend_nginx $b 80; done
background b3 "$TMP/http.log" $PYTHON "$HELPERS/http_backend.py" 8000
wait_for 5 port_open b3 8000 || die "backend of b3" "$(cat "$TMP/http.log")"

config() {
	head_two_arm
	cat <<-CONF
		upstreams:
		  web: {backends: ["198.51.100.11:80", "198.51.100.12:80"], balance: wrr}
		  py: {backends: ["198.51.100.13:8000"], outliers: {failures: 0}}
		  gone: {backends: ["198.51.100.13:1"], connect_timeout: 300ms}
		listeners:
		  - {name: web, bind: ["203.0.113.80:80", "[2001:db8:80::80]:80"], action: http, routes: [{upstream: web}]}
		  - {name: py, bind: ["203.0.113.80:81"], action: http, routes: [{upstream: py, timeouts: {response: 2s}}]}
		  - {name: gone, bind: ["203.0.113.80:82"], action: http, routes: [{upstream: gone}]}
	CONF
}
config >"$TMP/weir.yaml"
weir_start
get() { ns c curl -gsS --noproxy '*' --max-time 10 "$@"; }
status() { get -o /dev/null -w '%{http_code}' "$@"; }
gets() { # COUNT URL: names of the backends that answered
	local i
	for ((i = 0; i < $1; i++)); do get "$2" || echo lost; done | awk '{print $1}' | sort -u | xargs
}
py=http://203.0.113.80:81

check "IPv4" get http://203.0.113.80/
equal "both backends answer" "b1 b2" "$(gets 20 http://203.0.113.80/)"
equal "IPv6 to IPv4" "b1 b2" "$(gets 20 "http://[2001:db8:80::80]/")"
md5=$(md5sum <"$TMP/big")
equal "1 MiB arrives whole" "$md5" "$(get http://203.0.113.80/big | md5sum)"
equal "ten requests on one connection" 1 "$(get -o /dev/null -w '%{num_connects}\n' \
	"http://203.0.113.80/?[1-10]" | paste -sd+ | bc)"
equal "HEAD" 200 "$(status -I http://203.0.113.80/big)"
equal "HTTP/1.0" "200 1.1" "$(get -0 -o /dev/null -w '%{http_code} %{http_version}' http://203.0.113.80/)"
equal "chunked to HTTP/1.1" "$(seq 1 20000 | md5sum)" "$(get $py/chunked/20000 | md5sum)"
equal "chunked to HTTP/1.0" "$(seq 1 20000 | md5sum)" "$(get -0 $py/chunked/20000 | md5sum)"
equal "to the connection's end" "$(seq 1 20000 | md5sum)" "$(get $py/eof/20000 | md5sum)"
equal "upload with a length" "$(md5sum <"$TMP/big" | cut -d' ' -f1)" "$(get --data-binary @"$TMP/big" $py/md5)"
equal "upload in chunks" "$(md5sum <"$TMP/big" | cut -d' ' -f1)" \
	"$(get -H 'Transfer-Encoding: chunked' --data-binary @"$TMP/big" $py/md5)"
equal "100-continue" "$(md5sum <"$TMP/big" | cut -d' ' -f1)" \
	"$(get -H 'Expect: 100-continue' --expect100-timeout 8 --data-binary @"$TMP/big" $py/md5)"
equal "204" 204 "$(status $py/status/204)"
equal "304" 304 "$(status $py/status/304)"
equal "the method goes through" DELETE "$(get -X DELETE $py/method)"
equal "TRACE is refused" 405 "$(status -X TRACE $py/method)"
equal "nobody there: 502" 502 "$(status http://203.0.113.80:82/)"
equal "and Proxy-Status says why" 'weir; error=connection_refused; details="connect_refused"' \
	"$(get -o /dev/null -w '%header{proxy-status}' http://203.0.113.80:82/ 2>/dev/null || get -D - -o /dev/null http://203.0.113.80:82/ | sed -n 's/^proxy-status: //Ip' | tr -d '\r')"
equal "a silent backend: 504" 504 "$(status $py/stall)"
equal "a backend that talks nonsense: 502" 502 "$(status $py/garbage)"
equal "a backend that closes at once: 502" 502 "$(status -X POST $py/close)"
check_not "a response that ends early is no complete one" get -o /dev/null $py/short
check_not "nor is one in chunks" get -o /dev/null $py/short-chunked
equal "an answer before the request's end" 413 "$(status --data-binary @"$TMP/big" $py/early)"
equal "an upgrade becomes a tunnel" "ping pong" "$(ns c $PYTHON -c '
import socket
s = socket.create_connection(("203.0.113.80", 81))
s.sendall(b"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
got = b""
while b"\r\n\r\n" not in got:
    got += s.recv(4096)
assert got.startswith(b"HTTP/1.1 101 "), got
s.sendall(b"ping pong")
print(s.recv(4096).decode())')"

# A thousand clients that have begun a request and say no more take nothing from the others.
background c "$TMP/slow.log" $PYTHON -c '
import socket, time
held = []
for i in range(1000):
    s = socket.create_connection(("203.0.113.80", 80))
    s.sendall(b"GET / HTTP/1.1\r\nHost: a.example\r\nX-Slow: " + b"x" * 700)
    held.append(s)
print("held", flush=True)
time.sleep(30)'
slow=$!
check "1,000 clients begin a request" wait_for 15 grep -q held "$TMP/slow.log"
equal "and the others are served" "b1 b2" "$(gets 20 http://203.0.113.80/)"
stop_pid $slow
equal "a reload breaks nothing" "$md5" "$(get --limit-rate 1M http://203.0.113.80/big | md5sum & sleep 0.2; weir_reload >/dev/null; wait)"
finish
