#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# SIGTERM with HTTP connections: a response under way is finished, a kept-alive connection ends between two
# requests without losing one, new connections are refused, and weir ends when the last one is done, long
# before stop_timeout.
#
#   c eth0 ------ front ------ p0 [ lb ] p1 ------ back ------ eth0 b1
source "$(dirname "$0")/lib.sh"
export WORKERS=2
STOP=60s
topo_wired
background b1 "$TMP/http.log" $PYTHON "$HELPERS/http_backend.py" 8000
wait_for 5 port_open b1 8000 || die "backend of b1" "$(cat "$TMP/http.log")"
{
	head_two_arm
	cat <<-CONF
		upstreams:
		  py: {backends: ["198.51.100.11:8000"]}
		listeners:
		  - {name: web, bind: ["$V4:80"], action: http, routes: [{upstream: py}]}
	CONF
} >"$TMP/weir.yaml"
weir_start
get() { ns c curl -sS --fail --noproxy '*' --max-time 30 "$@"; }
check "it serves" get "http://$V4/method"

background c "$TMP/slow.log" curl -sS --fail --noproxy '*' --max-time 40 -o "$TMP/slow.out" "http://$V4/slow/40"
slow=$!
# Requests one after another on one connection. When it ends, it must have been between two of them.
background c "$TMP/busy.log" $PYTHON -u -c '
import http.client, sys, time
c = http.client.HTTPConnection(sys.argv[1], 80, timeout=20)
n = 0
while True:
    try:
        c.request("GET", "/md5")
        r = c.getresponse()
    except (ConnectionResetError, BrokenPipeError): # RemoteDisconnected is one, too
        print("ended after", n, "by a close that crossed a request")
        sys.exit(0 if n > 0 else 1)
    body = r.read()
    assert r.status == 200 and len(body) == 32
    n += 1
    if n == 1:
        print("busy")
    if r.getheader("connection", "") == "close":
        print("ended after", n, "with notice")
        sys.exit(0)
    time.sleep(0.02)' $V4
busy=$!
# One that asked once and says nothing more.
background c "$TMP/idle.log" $PYTHON -u -c '
import socket, sys, time
s = socket.create_connection((sys.argv[1], 80), timeout=50)
s.sendall(b"GET /method HTTP/1.1\r\nHost: a\r\n\r\n")
d = b""
while not d.endswith(b"GET"):
    d += s.recv(4096)
print("idle")
began = time.monotonic()
try:
    print("end" if s.recv(1) == b"" else "bytes", round(time.monotonic() - began))
except ConnectionResetError:
    print("reset")' $V4
idle=$!
ready() { grep -q busy "$TMP/busy.log" && grep -q idle "$TMP/idle.log" && [ "$(ask listeners listeners.listener=web.active)" -ge 3 ]; }
check "three connections stand" wait_for 10 ready
kill -TERM "$weir_pid"
check "it says that it drains" wait_for 5 grep -q 'msg="draining"' "$TMP/weir.log"
check "a new connection is refused" refused "http://$V4/"
wait $busy
equal "the busy connection ends without a lost request" 0 $?
wait $slow
equal "the slow response is finished" "0 40" "$? $(stat -c %s "$TMP/slow.out")"
wait $idle
check "the idle connection ends in order" grep -q '^end' "$TMP/idle.log"
wait "$weir_pid"
equal "exit status 0" 0 $?
check "nothing was left" grep -q 'msg="drained" flows_left=0' "$TMP/weir.log"
weir_pid=
finish
