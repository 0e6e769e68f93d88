#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# SIGTERM with TCP connections that weir ends itself: those that are under way finish, also what only weir's own
# queue still holds; new ones are refused; the exit status is 0. Connections that do not end are reset.
#
#   c eth0 ------ front ------ p0 [ lb ] p1 ------ back ------ eth0 b1
source "$(dirname "$0")/lib.sh"
export WORKERS=2
STOP=30s
topo_wired
weir_wired
cat >>"$TMP/weir.yaml" <<-CONF
	  - {name: source, bind: ["$V4:19"], action: source, bytes: 200kB}
CONF
weir_reload || die "reload"
drains_again() { [ "$(grep -c 'msg="draining"' "$TMP/weir.log")" = 2 ]; }

# A client whose window shuts until $TMP/go is there.
lagging() { # LOG PORT REQUEST BYTES
	background c "$1" $PYTHON -u -c '
import os, socket, sys, time
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
s.connect((sys.argv[1], int(sys.argv[2])))
s.sendall(sys.argv[3].encode().decode("unicode_escape").encode())
while not os.path.exists(sys.argv[5]):
    time.sleep(0.05)
n = 0
while d := s.recv(65536):
    n += len(d)
sys.exit(n != int(sys.argv[4]))' $V4 "$2" "$3" "$4" "$TMP/go"
}
stand() { # COUNT STATE: so many connections are in that state
	[ "$(ask tcp connections | grep -o "\"state\": \"$2\"" | wc -l)" -ge "$1" ]
}
lagging "$TMP/get.log" 70 'get 6000000 x\n' 6000000
get_pid=$!
background c "$TMP/hold.log" $PYTHON "$HELPERS/tcp_client.py" hold $V6 7 4
hold=$!
background c "$TMP/drip.log" $PYTHON "$HELPERS/tcp_client.py" drip $V6 71 60
drip=$!
check "connections stand" wait_for 10 stand 5 established

kill -TERM "$weir_pid"
check "it says that it drains" wait_for 5 grep -q 'msg="draining"' "$TMP/weir.log"
check "new connections are refused, IPv4" refused "http://$V4:7/"
check "new connections are refused, IPv6" refused "http://[$V6]:71/"
wait $drip
equal "a slow answer through the proxy goes on to its end" 0 $?
wait $hold
equal "an echo goes on to its end" 0 $?
check "weir waits for the rest" kill -0 "$weir_pid"
touch "$TMP/go"
wait $get_pid
equal "a download whose reader had stopped is whole" 0 $?
wait "$weir_pid"
equal "exit status 0" 0 $?
check "nothing was left" grep -q 'msg="drained" flows_left=0' "$TMP/weir.log"
weir_pid=

# The service has closed, and the rest is in weir's queue alone: 200 kB fit that and not the client's.
rm "$TMP/go"
weir_start
lagging "$TMP/source.log" 19 '' 200000
source_pid=$!
check "a connection is closed, and its rest waits" wait_for 10 stand 1 fin_wait_1
equal "no service knows it" 0 "$(ask listeners listeners.listener=source.active)"
kill -TERM "$weir_pid"
check "it drains" wait_for 5 drains_again
sleep 0.3 # as many checks as it takes to end wrongly
check "weir waits for it" kill -0 "$weir_pid"
touch "$TMP/go"
wait $source_pid
equal "it is whole" 0 $?
wait "$weir_pid"
equal "exit status 0" 0 $?
weir_pid=

# A connection that does not end: it is reset when the time is up.
sed -i 's/stop_timeout: .*/stop_timeout: 1s/' "$TMP/weir.yaml"
weir_start
background c "$TMP/idle.log" $PYTHON -u -c '
import socket, sys
for port, first in ((7, b"x"), (70, b"echo\nx")):
    s = socket.create_connection((sys.argv[1], port))
    s.settimeout(20)
    s.sendall(first)
    print("here" if s.recv(1) == b"x" else "nothing")
    if port == 7:
        a = s
for c in (a, s):
    try:
        c.recv(1)
        sys.exit(1)
    except ConnectionResetError:
        print("reset")' $V4
idle=$!
both_here() { [ "$(grep -c here "$TMP/idle.log")" = 2 ]; }
check "two connections that do not end" wait_for 10 both_here
kill -TERM "$weir_pid"
wait "$weir_pid"
equal "stop_timeout passes: exit status 0" 0 $?
check "the log says how many were left" grep -q 'msg="drained" flows_left=2' "$TMP/weir.log"
weir_pid=
wait $idle
equal "both clients got a reset" "0 2" "$? $(grep -c reset "$TMP/idle.log")"
backend_alone() { ! ns b1 ss -Htn state established sport = :7000 | grep -q .; }
check "the backend got one too" wait_for 5 backend_alone
finish
