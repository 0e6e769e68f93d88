#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The control interface from outside: HTTP with its token, other sites, statistics under promtool, and
# 10,000 requests beside traffic.
#
#   c eth0 ------ p0 [ lb ] p1 ------ sw ------ eth0 b1 b2 b3
source "$(dirname "$0")/lib.sh"
topo_two_arm
for b in b1 b2; do backend_nginx $b 80; done
TOKEN=0123456789abcdef0123
(umask 077 && echo "$TOKEN" >"$TMP/token")
config() { # HTTP
	head_two_arm
	cat <<-CONF
		  http: $1
		  token_file: $TMP/token
		  telemetry: true
		services:
		  - {name: web, vips: [203.0.113.80, "2001:db8:80::80"], port: 80, mode: fullnat, backends: ["198.51.100.11:80", "198.51.100.12:80"], health: {type: tcp, interval: 300ms, timeout: 300ms, rise: 1, fall: 10}}
		  - {name: forward, vips: [203.0.113.81], port: 53, protocol: udp, mode: ipip, backends: ["198.51.100.11", "198.51.100.12"]}
		listeners:
		  - {name: proxy, bind: ["203.0.113.82:80"], action: tcp_proxy, backends: ["198.51.100.11:80"]}
		  - {name: www, bind: ["203.0.113.84:80"], action: http, site: main}
		upstreams: {pool: {backends: ["198.51.100.11:80"]}}
		sites: {main: {routes: [{name: kept, match: {prefix: [/kept]}, upstream: pool, cache: {override_ttl: 1h}}, {name: rest, upstream: pool}]}}
		cache: {memory: 32MiB, disk: 64MiB}
		store: {dir: $TMP/store, low_space: 0, ballast: 0, block_cache: 8MiB}
	CONF
}
WORKERS=2 config 127.0.0.1:9180 >"$TMP/weir.yaml"
weir_start

http() { ns lb curl -gsS --noproxy '*' --max-time 10 "$@"; }
code() { http -o "$TMP/out" -w '%{http_code}' "$@"; }
API=http://127.0.0.1:9180
AUTH="Authorization: Bearer $TOKEN"

up() { [ "$(ask services services.service=web.backends.0.state)$(ask services services.service=web.backends.1.state)" = upup ]; }
check "backends come up" wait_for 10 up
equal "traffic" "b1 b2" "$(gets 40 http://203.0.113.80/ | awk '{print $1}' | xargs)"
check "traffic of the proxy" get http://203.0.113.82/
equal "traffic of HTTP" "b1 30" "$(gets 30 http://203.0.113.84/)"
equal "traffic of the cache" "b1 20" "$(for i in $(seq 4); do gets 5 http://203.0.113.84/kept; done | awk '{n += $2} END {print "b1", n}')"

# --- who may call what
equal "reading over the loopback" 200 "$(code $API/v1/status)"
equal "a change without the token" 401 "$(code -X POST $API/v1/reload)"
equal "a change with a wrong token" 401 "$(code -X POST -H 'Authorization: Bearer 0123456789abcdef9999' $API/v1/reload)"
equal "a change with the token" 200 "$(code -X POST -H "$AUTH" $API/v1/reload)"
check "the reload ends" wait_for 5 reload_done
equal "with the token, from another site" 403 "$(code -X POST -H "$AUTH" -H 'Origin: http://evil.example' $API/v1/reload)"
equal "as a form of another site would" 403 "$(code -H 'Sec-Fetch-Site: cross-site' $API/v1/status)"
equal "by a name that was bound again" 421 "$(code -H 'Host: evil.example:9180' $API/v1/status)"
equal "a preflight gets nothing" 405 "$(code -X OPTIONS -H "$AUTH" -H 'Access-Control-Request-Method: POST' $API/v1/reload)"
check_not "no answer lets another origin read it" bash -c "ip netns exec $TAG-lb curl -gsSi --noproxy '*' -H 'Origin: http://evil.example' $API/v1/status | grep -qi access-control"
equal "an unknown path" 404 "$(code $API/v1/nosuch)"
equal "an unknown argument" 422 "$(code "$API/v1/status?verbose=1")"
equal "the document" 3.0.3 "$(http $API/v1/openapi.json | $PYTHON -c 'import json,sys; print(json.load(sys.stdin)["openapi"])')"

# --- statistics
http $API/metrics >"$TMP/metrics"
check "promtool has nothing to say" promtool check metrics <"$TMP/metrics"
value() { # NAME LABELS-REGEX: the sum of the samples
	awk -v n="$1" -v l="$2" 'index($0, n "{") == 1 && $0 ~ l {s += $NF; f = 1} END{if (f) printf "%d", s}' "$TMP/metrics"
}
at_least "packets of the workers" 100 "$(value weir_worker_rx_packets_total .)"
at_least "of a service" 40 "$(value weir_service_flows_total 'service="web"')"
at_least "of a backend" 40 "$(value weir_backend_packets_total 'service="web"')"
at_least "of a port" 100 "$(value weir_port_rx_packets_total 'port="front"')"
at_least "of a listener" 1 "$(value weir_listener_accepted_total 'listener="proxy"')"
at_least "of TCP" 1 "$(value weir_tcp_accepts_total .)"
at_least "reasons" 1 "$(value weir_ended_packets_total 'reason="arp_re')"
equal "of a virtual address" 40 "$(value weir_vip_flows_total 'vip="203.0.113.80"')"
equal "of another one" 0 "$(value weir_vip_flows_total 'vip="2001:db8:80::80"')"
equal "of a route" 30 "$(value weir_http_route_requests_total 'route="main/rest"')"
equal "of a route that caches" 20 "$(value weir_http_route_status_2xx_total 'route="main/kept"')"
equal "what it found" 15 "$(value weir_http_cache_route_hits_total 'route="main/kept"')"
equal "how long its requests took" "30 30" "$(value weir_http_route_seconds_count 'route="main/rest"') $(value weir_http_route_seconds_bucket 'route="main/rest",le="[+]Inf"')"
at_least "of a pool" 35 "$(value weir_upstream_requests_total 'upstream="pool"')"
at_least "bytes of its server, whose connections go on" 100 "$(value weir_upstream_server_bytes_in_total 'upstream="pool"')"
at_least "of a shard" 1 "$(value weir_store_commits_total 'shard="0"')"
at_least "turns in the histogram" 100 "$(value weir_worker_turn_seconds_count .)"
equal "backends that are up" 2 "$(value weir_backend_up 'service="web"')"
equal "as JSON, of one kind" web "$(http $API/v1/metrics/services | $PYTHON -c 'import json,sys; print(json.load(sys.stdin)["services"][0]["service"])')"
equal "of an unknown kind" 404 "$(code $API/v1/metrics/nosuch)"

# --- the same in DPDK's telemetry
cat >"$TMP/telemetry.py" <<'PY'
import json, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
s.settimeout(10)
s.connect(sys.argv[1])
s.recv(65536)
for c in sys.argv[2:]:
    s.send(c.encode())
    print(json.dumps(json.loads(s.recv(65536))[c.split(",")[0]]))
PY
telemetry() { $PYTHON "$TMP/telemetry.py" "/var/run/dpdk/weir-$weir_pid/dpdk_telemetry.v2" "$@"; }
equal "telemetry: objects" '["service=web protocol=tcp", "service=forward protocol=udp"]' "$(telemetry /weir/services)"
at_least "telemetry: values" 40 "$(telemetry /weir/services,0 | $PYTHON -c 'import json,sys; print(json.load(sys.stdin)["flows"])')"
equal "telemetry: there is no third" null "$(telemetry /weir/services,2)"

# --- many requests change nothing for packets
before=$(reason tcp_segment)
cat >"$TMP/hammer.py" <<'PY'
import http.client, sys, threading
port, each, paths = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
good = [0] * 10
def run(i):
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    for k in range(each):
        c.request("GET", paths[k % len(paths)])
        r = c.getresponse()
        r.read()
        good[i] += r.status == 200
threads = [threading.Thread(target=run, args=(i,)) for i in range(10)]
for t in threads: t.start()
for t in threads: t.join()
print(sum(good))
PY
reads=(/v1/status /metrics /v1/counters /v1/services /v1/metrics)
background lb "$TMP/hammer" $PYTHON "$TMP/hammer.py" 9180 1000 "${reads[@]}"
hammer=$!
lost=0
for i in $(seq 20); do get http://203.0.113.80/ >/dev/null || lost=$((lost + 1)); done
equal "10,000 requests: none of 20 connections is lost meanwhile" 0 "$lost"
wait $hammer
equal "10,000 requests: all are answered" 10000 "$(cat "$TMP/hammer")"

# --- and cannot: a worker that polls under full load never waits while control answers, and does at most
# one thing for it in a turn. No clock is in this: the kernel counts how often a thread gave up its core.
background lb "$TMP/load.log" "$WEIR" -c <(
	cat <<-CONF
		ports: [{device: net_null0, addresses: [198.18.0.1/24]}]
		workers: {count: 1, poll: busy, stop_timeout: 0s}
		memory: {hugepages: false, mbufs: 8192, flows: 1024, nat_flows: 1024}
		admin: {socket: "$TMP/load.sock", http: "127.0.0.1:9181"}
		services: [{vip: "203.0.113.1:80", backends: [198.18.0.11, 198.18.0.12]}]
	CONF
)
load=$!
check "a weir under load starts" wait_for 15 grep -q 'msg="ready"' "$TMP/load.log"
tid=$(grep -l worker /proc/$load/task/*/comm | grep -oE 'task/[0-9]+' | head -n 1)
[ -n "$tid" ] || die "no thread of a worker" "$(cat /proc/$load/task/*/comm)"
figures() { # waits, messages, questions, packets, turns
	awk '/^voluntary/{printf "%s ", $2}' "/proc/$load/$tid/status"
	http http://127.0.0.1:9181/v1/metrics/workers | $PYTHON -c '
import json, sys
w = json.load(sys.stdin)["workers"][0]
print(w["control_messages"], w["control_questions"], w["rx"], w["loops"])'
}
complete() { [ $# = 5 ] || die "no figures of the worker"; }
read -r waits messages questions rx _ < <(figures)
equal "10,000 requests under load: all are answered" 10000 "$(ns lb $PYTHON "$TMP/hammer.py" 9181 1000 "${reads[@]}")"
read -r waits2 messages2 questions2 rx2 loops < <(figures)
equal "no wait, no message, no question reached the worker" "$waits $messages $questions" "$waits2 $messages2 $questions2"
at_least "packets went on" 100000 $((rx2 - rx))
equal "500 questions to the worker: all are answered" 500 "$(ns lb $PYTHON "$TMP/hammer.py" 9181 50 \
	"/v1/explain?source=198.18.1.1:1&destination=203.0.113.1:80" "/v1/flows")"
read -r waits3 messages3 questions3 rx3 loops3 < <(figures)
complete $waits3 $messages3 $questions3 $rx3 $loops3
equal "the worker did not wait for them" "$waits $messages" "$waits3 $messages3"
at_least "it answered them" 500 $((questions3 - questions2))
at_most "at most one in a turn" $((loops3 - loops)) $((questions3 - questions2))
stop_pid $load

# --- beyond the loopback
check_not "an address of others needs a token file" bash -c "sed 's/http: .*/http: 192.0.2.1:80/; /token_file/d' '$TMP/weir.yaml' >'$TMP/open.yaml'; $WEIR check '$TMP/open.yaml'"
check "and says so" bash -c "$WEIR check '$TMP/open.yaml' 2>&1 | grep -q token_file"
chmod 644 "$TMP/token"
sed "s|socket: .*|socket: $TMP/second.sock|; s|dir: [^,]*|dir: $TMP/store2|" "$TMP/weir.yaml" >"$TMP/second.yaml"
ns lb timeout 20 "$WEIR" -c "$TMP/second.yaml" >"$TMP/second.log" 2>&1
check "a token that others can read is refused" grep -q 'others may read the token file' "$TMP/second.log"
finish
