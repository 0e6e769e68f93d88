#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Action http between other people's clients and servers: Apache, Python's http.server, Node's http and ws as
# backends; ab, wrk, Node's client, Python's http.client as clients.
#
#   c eth0 ------ p0 [ lb ] p1 ------ sw ------ eth0 b1 b2 b3
source "$(dirname "$0")/lib.sh"
for p in node ab wrk apache2; do command -v $p >/dev/null || { skip "servers and clients" "no $p: run make deps"; finish; }; done
export NODE_PATH=/usr/share/nodejs WORKERS=2
topo_two_arm

# b1: Apache, with keep-alive, chunked answers (mod_deflate makes them), ranges.
dir=$TMP/apache
mkdir -p "$dir/www"
head -c 3000000 /dev/urandom >"$dir/www/blob"
seq 1 100000 >"$dir/www/lines.txt"
cat >"$dir/apache.conf" <<-CONF
	ServerRoot $dir
	ServerName b1
	PidFile $dir/pid
	ErrorLog $dir/error.log
	Listen 0.0.0.0:80
	Listen [::]:80
	LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
	LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
	LoadModule mime_module /usr/lib/apache2/modules/mod_mime.so
	LoadModule filter_module /usr/lib/apache2/modules/mod_filter.so
	LoadModule deflate_module /usr/lib/apache2/modules/mod_deflate.so
	TypesConfig /etc/mime.types
	AddOutputFilterByType DEFLATE text/plain
	DocumentRoot $dir/www
	KeepAlive On
	MaxKeepAliveRequests 0
CONF
[ -e /etc/mime.types ] || sed -i '/TypesConfig/d; $ a AddType text/plain .txt' "$dir/apache.conf"
background b1 "$dir/log" apache2 -f "$dir/apache.conf" -DFOREGROUND
wait_for 10 port_open b1 80 || die "apache of b1" "$(cat "$dir/log" "$dir/error.log" 2>&1)"
# b2: Python's http.server, HTTP/1.0 with one connection a request.
background b2 "$TMP/pyserver.log" $PYTHON -m http.server -d "$dir/www" 80
wait_for 10 port_open b2 80 || die "http.server of b2" "$(cat "$TMP/pyserver.log")"
# b3: Node.
background b3 "$TMP/node.log" node "$HELPERS/node_server.js" 3000
wait_for 10 port_open b3 3000 || die "node of b3" "$(cat "$TMP/node.log")"

{
	head_two_arm
	cat <<-CONF
		upstreams:
		  apache: {backends: ["198.51.100.11:80"]}
		  python: {backends: ["198.51.100.12:80"]}
		  node: {backends: ["[2001:db8:2::13]:3000"]}
		listeners:
		  - {name: apache, bind: ["203.0.113.80:80", "[2001:db8:80::80]:80"], action: http, routes: [{upstream: apache}]}
		  - {name: python, bind: ["203.0.113.80:81"], action: http, routes: [{upstream: python}]}
		  - {name: node, bind: ["203.0.113.80:82", "[2001:db8:80::80]:82"], action: http, routes: [{upstream: node}]}
	CONF
} >"$TMP/weir.yaml"
weir_start
get() { ns c curl -gsS --fail --noproxy '*' --max-time 20 "$@"; }
sum() { sha256sum | cut -d' ' -f1; }
blob=$(sum <"$dir/www/blob")
apache=http://203.0.113.80 python=http://203.0.113.80:81 node=http://203.0.113.80:82

equal "apache: 3 MB" "$blob" "$(get $apache/blob | sum)"
equal "apache: over IPv6" "$blob" "$(get "http://[2001:db8:80::80]/blob" | sum)"
equal "apache: deflated in chunks" "$(sum <"$dir/www/lines.txt")" "$(get --compressed $apache/lines.txt | sum)"
equal "apache: a range" "$(tail -c +1001 "$dir/www/blob" | head -c 5000 | sum)" "$(get -r 1000-5999 $apache/blob | sum)"
etag=$(get -I $apache/blob | tr -d '\r' | sed -n 's/^etag: //Ip')
equal "apache: 304 by ETag" 304 "$(get -o /dev/null -w '%{http_code}' -H "If-None-Match: $etag" $apache/blob)"
equal "apache: 404 is the backend's" 404 "$(ns c curl -s -o /dev/null -w '%{http_code}' --noproxy '*' $apache/none)"
equal "python: 3 MB" "$blob" "$(get $python/blob | sum)"
equal "python: HEAD" 3000000 "$(get -I $python/blob | tr -d '\r' | sed -n 's/^content-length: //Ip')"
equal "node: upload" "$blob" "$(get --data-binary @"$dir/www/blob" $node/sum)"
equal "node: upload in chunks" "$blob" "$(get -H 'Transfer-Encoding: chunked' --data-binary @"$dir/www/blob" $node/sum)"
equal "node: an answer in many writes" "$(seq 1 20000 | sum)" "$(get $node/stream/20000 | sum)"
said() { get "$@" $node/head | $PYTHON -c 'import json,sys; d = json.load(sys.stdin); print(d["version"], d["headers"].get("x-forwarded-for"), d["headers"].get("host"), d["headers"].get("connection"))'; }
equal "node: what the backend sees" "1.1 192.0.2.10 203.0.113.80:82" "$(said | cut -d' ' -f1-3)"
equal "node: and of an HTTP/1.0 client" "1.1 192.0.2.10 203.0.113.80:82" "$(said -0 | cut -d' ' -f1-3)"

check "node client: 200 requests, kept alive" ns c node "$HELPERS/node_client.js" pipeline $node
check "node client: WebSocket" ns c node "$HELPERS/node_client.js" ws $node
check "node client: WebSocket over IPv6" ns c node "$HELPERS/node_client.js" ws "http://[2001:db8:80::80]:82"
check "node client: given up in the middle" ns c node "$HELPERS/node_client.js" abort $node
check "python client: 300 requests on one connection" ns c $PYTHON -c '
import http.client, os
c = http.client.HTTPConnection("203.0.113.80", 82, timeout=10)
for i in range(300):
    body = os.urandom(i * 17)
    c.request("POST", "/echo", body)
    r = c.getresponse()
    assert r.status == 200 and r.read() == body, i'

ab_run() { # NAME REQUESTS ARGUMENTS... URL: all are answered with 200
	local name=$1 n=$2 out
	shift 2
	out=$(ns c ab -q -n "$n" "$@" 2>&1)
	equal "ab, $name: complete" "$n" "$(awk '/^Complete requests/ {print $3}' <<<"$out")"
	equal "ab, $name: none failed" "0 " "$(awk '/^Failed requests/ {print $3}' <<<"$out") $(awk '/^Non-2xx/ {print $3}' <<<"$out")"
}
ab_run "keep-alive off" 600 -c 20 $node/head
ab_run "keep-alive on" 1500 -k -c 50 $node/head
ab_run "apache" 500 -k -c 20 $apache/lines.txt
out=$(ns c wrk -t1 -c64 -d1 --timeout 5 $node/head 2>&1)
at_least "wrk: requests on 64 connections" 200 "$(awk '/requests in/ {print $1}' <<<"$out")"
equal "wrk: no error" "" "$(grep -E 'Socket errors|Non-2xx' <<<"$out" | grep -vE 'connect 0, read 0, write 0, timeout 0')"
finish
