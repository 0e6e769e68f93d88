#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The access log of real requests, good and bad: a valid line for each, what it says, a file that is
# rotated, and a file system that takes nothing.
#
#   c eth0 ------ p0 [ lb ] p1 ------ sw ------ eth0 b1 b2 b3
source "$(dirname "$0")/lib.sh"
topo_two_arm
export WORKERS=2
backend_nginx b1 80
background b3 "$TMP/http.log" $PYTHON "$HELPERS/http_backend.py" 8000
wait_for 5 port_open b3 8000 || die "backend of b3" "$(cat "$TMP/http.log")"
log=$TMP/access.log
config() {
	head_two_arm
	cat <<-CONF
		access_log: {path: "$1", request_headers: [X-Tenant], buffer: 256KiB, flush: 50ms}
		upstreams:
		  web: {backends: ["198.51.100.11:80"]}
		  py: {backends: ["198.51.100.13:8000"], outliers: {failures: 0}}
		listeners:
		  - {name: web, bind: ["203.0.113.80:80"], action: http, routes: [{name: all, upstream: web}]}
		  - {name: py, bind: ["203.0.113.80:81"], action: http, routes: [{upstream: py, timeouts: {response: 1s}}]}
	CONF
}
config "$log" >"$TMP/weir.yaml"
weir_start
get() { ns c curl -gsS --noproxy '*' --max-time 10 "$@"; }
raw() { # BYTES: to the listener, and whatever comes back
	ns c $PYTHON - "$1" <<-'PY'
		import socket, sys
		c = socket.create_connection(("203.0.113.80", 80), 5)
		c.sendall(sys.argv[1].encode().decode("unicode_escape").encode("latin-1"))
		c.settimeout(5)
		while c.recv(4096):
		    pass
	PY
}
line() { # JQ-LIKE EXPRESSION over `r`, of the last line whose `r` fulfils CONDITION
	$PYTHON - "$log" "$1" "$2" <<-'PY'
		import json, sys
		rows = [json.loads(l) for l in open(sys.argv[1])]
		rows = [r for r in rows if eval(sys.argv[2], {"r": r})]
		print(eval(sys.argv[3], {"r": rows[-1]}) if rows else "no such line")
	PY
}
lines() { [ -e "$log" ] && [ "$(wc -l <"$log")" -ge "$1" ]; }

get -o /dev/null -H 'X-Tenant: t1' -A 'a "quoted" agent' "http://203.0.113.80/big?x=1"
get -o /dev/null --data-binary @"$TMP/big" http://203.0.113.80:81/md5
get -o /dev/null http://203.0.113.80:81/stall
get -o /dev/null http://203.0.113.80:81/garbage
get -o /dev/null http://203.0.113.80:81/short 2>/dev/null
ns c curl -s --noproxy '*' --max-time 1 -o /dev/null --limit-rate 1k http://203.0.113.80/big
raw 'GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n'
raw 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nUser-Agent: \xff\xfe\\\\\r\n\r\n'
wait_for 5 lines 8 || fail "eight lines" "$(cat "$log")"
equal "eight requests, eight lines" 8 "$(wc -l <"$log")"
equal "a good one" "GET 203.0.113.80 /big?x=1 200 1048576 web all t1 ok" "$(line 'r.get("uri") == "/big?x=1"' \
	'" ".join(str(r[k]) for k in ("method", "host", "uri", "status", "response_bytes", "listener", "route", "request_header.x-tenant", "end"))')"
equal "its client" "192.0.2.10 a \"quoted\" agent" "$(line 'r.get("uri") == "/big?x=1"' 'r["client"] + " " + r["user_agent"]')"
equal "its times add up" True "$(line 'r.get("uri") == "/big?x=1"' \
	'0 <= r["head_ms"] + r["queue_ms"] + r["backend_ms"] + r["send_ms"] <= r["total_ms"] + 0.01 and r["total_ms"] < 10000')"
equal "an upload" "POST 1048576 200" "$(line 'r.get("uri") == "/md5"' '"%s %d %d" % (r["method"], r["request_bytes"], r["status"])')"
equal "a silent backend" "504 backend_timeout" "$(line 'r.get("uri") == "/stall"' '"%d %s" % (r["status"], r["end"])')"
equal "and how long it was waited for" True "$(line 'r.get("uri") == "/stall"' '900 <= r["total_ms"] <= 5000')"
equal "a backend that talks nonsense" "502 backend_invalid" "$(line 'r.get("uri") == "/garbage"' '"%d %s" % (r["status"], r["end"])')"
equal "a response that ends early" "200 backend_incomplete" "$(line 'r.get("uri") == "/short"' '"%d %s" % (r["status"], r["end"])')"
equal "a client that leaves" "200 client_gone" "$(line 'r["end"] == "client_gone"' '"%d %s" % (r["status"], r["end"])')"
equal "what is no request" "400 bad_request target_invalid None" "$(line 'r["end"] == "bad_request"' \
	'"%d %s %s %s" % (r["status"], r["end"], r["detail"], r.get("uri"))')"
equal "bytes that are no ASCII" '[255, 254, 92, 92]' "$(line 'r.get("uri") == "/" and r["status"] == 200' '[ord(c) for c in r["user_agent"]]')"

stat() { "${WEIRCTL:-${WEIR%/*}/weirctl}" -s "$SOCK" -o json stats access_log | $PYTHON -c "import json, sys; print(json.load(sys.stdin)['access_log'][0]['$1'])"; }
equal "lines are counted" 8 "$(stat lines)"
equal "none was dropped" 0 "$(stat dropped)"
equal "bytes are those of the file" "$(wc -c <"$log")" "$(stat bytes)"

mv "$log" "$log.1"
kill -USR1 "$weir_pid"
wait_for 5 test -e "$log" || fail "a new file after SIGUSR1"
get -o /dev/null http://203.0.113.80/
wait_for 5 lines 1
equal "lines go to the new file" 1 "$(wc -l <"$log")"
equal "and no more to the old one" 8 "$(wc -l <"$log.1")"
stop_pid "$weir_pid"
config /dev/full >"$TMP/weir.yaml"
weir_start lb "$TMP/weir.yaml" "$TMP/full.log"
equal "a full disk: requests go on" "200 200 200" "$(for _ in 1 2 3; do get -o /dev/null -w '%{http_code}\n' http://203.0.113.80/; done | xargs)"
said() { grep -q 'access log cannot be written' "$TMP/full.log"; }
check "and it is said" wait_for 5 said
finish
