#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Names of backends: weir asks a DNS server whose answers change, fail, are cut, or do not come.
#
#   c eth0 ------ p0 [ lb: DNS on its loopback ] p1 ------ sw ------ eth0 b1 b2 b3
source "$(dirname "$0")/lib.sh"
topo_two_arm
for b in b1 b2 b3; do backend_nginx $b 80; done
mkdir "$TMP/zone"
zone() { # JSON: the server's whole zone, changed at once
	echo "$1" >"$TMP/zone/next" && mv "$TMP/zone/next" "$TMP/zone/now"
}
app() { zone "{\"app.test\": {\"ttl\": 1, $1}}"; }
app '"A": ["198.51.100.11", "198.51.100.12"], "cname": "real.test"'
background lb "$TMP/dns.log" $PYTHON "$HELPERS/dns_server.py" 5353 "$TMP/zone/now"
dns_up() { ns lb $PYTHON -c 'import socket; socket.create_connection(("127.0.0.1", 5353), 1)'; }
wait_for 5 dns_up || die "DNS server" "$(cat "$TMP/dns.log")"
{
	head_two_arm
	cat <<-CONF
		resolver:
		  nameservers: ["127.0.0.1:5353"]
		  timeout: 300ms
		  attempts: 2
		  min_ttl: 200ms
		  retry: 200ms
		  retry_max: 500ms
		  hold: 1s
		  hosts_file: false
		upstreams:
		  app: {backends: [{host: App.Test, port: 80}], retry: {budget: 0%}}
		  gone: {backends: ["nobody.test:80"]}
		listeners:
		  - {name: web, bind: ["203.0.113.80:80"], action: http, routes: [{upstream: app}]}
		  - {name: gone, bind: ["203.0.113.80:81"], action: http, routes: [{upstream: gone}]}
		  - {name: tcp, bind: ["203.0.113.80:82"], action: tcp_proxy, scheduler: wrr, backends: ["app.test:80"]}
	CONF
} >"$TMP/weir.yaml"
weir_start
get() { ns c curl -gsS --noproxy '*' --max-time 10 "$@"; }
who() { # URL: names of the backends that answer
	local i
	for ((i = 0; i < 12; i++)); do get "$1" || echo lost; done | awk '{print $1}' | sort -u | xargs
}
web=http://203.0.113.80/
answer_by() { [ "$(who $web)" = "$1" ]; }
ctl() { "${WEIRCTL:-${WEIR%/*}/weirctl}" -s "$SOCK" "$@"; }
names() { ctl -o json names; }
field() { names | $PYTHON -c "
import json, sys
rows = [r for r in json.load(sys.stdin)['names'] if r['name'] == 'app.test' and r['family'] == '$1']
print(json.dumps(rows[0]['$2']))"; }
is() { [ "$(field ipv4 "$1")" = "$2" ]; }

check "both addresses of the name" wait_for 3 answer_by "b1 b2"
equal "layer 4 listeners too" "b1 b2" "$(who http://203.0.113.80:82/)"
equal "the name is asked for in lower case" "app.test" "$(awk '$2 == "A" {print $3}' "$TMP/dns.log" | grep app | sort -u)"
equal "a name that does not exist: 503" 503 "$(get -o /dev/null -w '%{http_code}' http://203.0.113.80:81/)"
check "and Proxy-Status says dns_error" grep -qi 'proxy-status:.*error=dns_error' <(get -D - -o /dev/null http://203.0.113.80:81/)
check "weirctl names the backends" grep -q 'app.test#198.51.100.12:80' <(ctl backends)
check "and what was resolved" grep -Eq 'app.test +ipv4 +ok .*198.51.100.11 198.51.100.12' <(ctl names)

# One long download goes on while its address leaves.
background c "$TMP/long.log" curl -gsS --noproxy '*' --max-time 20 --limit-rate 400k -o "$TMP/long" "http://203.0.113.80/big"
app '"A": ["198.51.100.13"]'
check "an answer that changed" wait_for 4 answer_by b3
wait "${pids[-1]}"
equal "what was under way on the old address is whole" "$(md5sum <"$TMP/big")" "$(md5sum <"$TMP/long")"
app '"A": ["198.51.100.13"], "AAAA": ["2001:db8:2::12"]'
check "IPv6 joins" wait_for 4 answer_by "b2 b3"
app '"mode": "servfail"'
check "SERVFAIL is noticed" wait_for 4 is result '"failed"'
equal "and changes nothing" "b2 b3" "$(who $web)"
app '"mode": "drop"'
check "so is silence" wait_for 5 is result '"timeout"'
equal "which changes nothing either" "b2 b3" "$(who $web)"
at_least "failures are counted" 1 "$(field ipv4 failures)"
app '"A": ["198.51.100.11"], "mode": "other"'
sleep 1
equal "an answer to another question is none" "b2 b3" "$(who $web)"
app '"A": ["198.51.100.11"], "mode": "truncate"'
check "a truncated answer is fetched over TCP" wait_for 5 answer_by b1
check "by a second question" grep -q 'tcp A app.test' "$TMP/dns.log"
app '"mode": "nxdomain"'
empty() { [ "$(get -o /dev/null -w '%{http_code}' $web)" = 503 ]; }
check "no such name any more: 503 after the hold" wait_for 6 empty
app '"A": ["198.51.100.12"]'
check "and back again" wait_for 4 answer_by b2
metric() { ctl -o json stats "$1"; }
check "statistics of the resolver" grep -q '"changes": [1-9]' <(metric resolver | tr -d '\n' | sed 's/  */ /g')
check "and of names" grep -q app.test <(metric names)

# As many addresses as one datagram does not hold.
many=$($PYTHON -c 'print(", ".join(f"\"198.51.100.{i}\"" for i in range(100, 180)))')
app "\"A\": [\"198.51.100.11\", $many], \"mode\": \"truncate\""
bounded() { [ "$(field ipv4 addresses | tr ',' '\n' | wc -l)" = 64 ]; }
check "a name has at most max_addresses" wait_for 5 bounded
finish
