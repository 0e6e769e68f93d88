#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Action tcp_proxy: curl to nginx through weir's own TCP on both sides, on two workers.
#
#   c eth0 ------ p0 [ lb ] p1 ------ sw ------ eth0 b1 b2 b3
source "$(dirname "$0")/lib.sh"
topo_two_arm
export WORKERS=2
for b in b1 b2; do backend_nginx $b 80; done
# b3 says whom the PROXY protocol names.
mkdir -p "$TMP/pp"
cat >"$TMP/pp/nginx.conf" <<-CONF
	daemon off;
	master_process off;
	pid $TMP/pp/pid;
	error_log $TMP/pp/error.log warn;
	events { worker_connections 512; }
	http {
		access_log off;
		client_body_temp_path $TMP/pp/body;
		proxy_temp_path $TMP/pp/proxy;
		fastcgi_temp_path $TMP/pp/fastcgi;
		uwsgi_temp_path $TMP/pp/uwsgi;
		scgi_temp_path $TMP/pp/scgi;
		server {
			listen 81 proxy_protocol;
			listen [::]:81 proxy_protocol;
			location / { return 200 "\$proxy_protocol_addr \$proxy_protocol_server_addr \$proxy_protocol_server_port\\n"; }
		}
	}
CONF
background b3 "$TMP/pp/log" nginx -e "$TMP/pp/error.log" -c "$TMP/pp/nginx.conf"
wait_for 5 port_open b3 81 || die "nginx of b3" "$(cat "$TMP/pp/log")"
background b3 "$TMP/echo.log" $PYTHON -c '
import socket, threading
s = socket.create_server(("", 7000), backlog=1024)
def serve(c):
    with c:
        while d := c.recv(65536):
            c.sendall(d)
while True:
    threading.Thread(target=serve, args=(s.accept()[0],), daemon=True).start()'
wait_for 5 port_open b3 7000 || die "echo of b3" "$(cat "$TMP/echo.log")"

config() { # BACKENDS of web
	head_two_arm
	cat <<-CONF
		listeners:
		  - name: web
		    bind: ["203.0.113.80:80", "[2001:db8:80::80]:80"]
		    action: tcp_proxy
		    backends: [$1]
		    scheduler: wrr
		    connect_timeout: 500ms
		  - name: checked
		    bind: ["203.0.113.80:82"]
		    action: tcp_proxy
		    backends: ["198.51.100.11:80", "198.51.100.12:80"]
		    health: {type: tcp, interval: 200ms, timeout: 150ms, rise: 1, fall: 2}
		  - {name: v1, bind: ["203.0.113.80:83", "[2001:db8:80::80]:83"], action: tcp_proxy, backends: ["198.51.100.13:81"], send_proxy_protocol: v1}
		  - {name: v2, bind: ["203.0.113.80:84", "[2001:db8:80::80]:84"], action: tcp_proxy, backends: ["[2001:db8:2::13]:81"], send_proxy_protocol: v2}
		  - {name: chain, bind: ["203.0.113.80:85"], action: tcp_proxy, accept_proxy_protocol: true, backends: ["198.51.100.13:81"], send_proxy_protocol: v2}
		  - {name: echo, bind: ["203.0.113.80:86"], action: tcp_proxy, backends: ["198.51.100.13:7000"], scheduler: least_conn}
		  - {name: idle, bind: ["203.0.113.80:87"], action: tcp_proxy, backends: ["198.51.100.13:7000"], idle_timeout: 1s}
		  - {name: gone, bind: ["203.0.113.80:88"], action: tcp_proxy, backends: ["198.51.100.13:1", "198.51.100.99:1"], connect_timeout: 300ms}
		# Shares backends, source address and ports with the listeners above.
		services:
		  - {name: l4, vips: [203.0.113.81], port: 80, mode: fullnat, backends: ["198.51.100.11:80", "198.51.100.12:80"]}
	CONF
}
config '"198.51.100.11:80", "198.51.100.12:80"' >"$TMP/weir.yaml"
weir_start
get() { ns c curl -gsS --noproxy '*' --max-time 10 "$@"; }
gets() { # COUNT URL: names of the backends that answered
	local i
	for ((i = 0; i < $1; i++)); do get "$2" || echo lost; done | awk '{print $1}' | sort -u | xargs
}

check "IPv4" get http://203.0.113.80/
equal "both backends answer" "b1 b2" "$(gets 20 http://203.0.113.80/)"
equal "IPv6 to IPv4" "b1 b2" "$(gets 20 "http://[2001:db8:80::80]/")"
equal "the backend sees weir" 198.51.100.1 "$(get http://203.0.113.80/ | awk '{print $2}')"
md5=$(md5sum <"$TMP/big")
equal "1 MiB arrives whole" "$md5" "$(get http://203.0.113.80/big | md5sum)"
equal "PROXY protocol 1 out, IPv4" "192.0.2.10 203.0.113.80 83" "$(get http://203.0.113.80:83/)"
equal "PROXY protocol 1 out, IPv6" "2001:db8:1::10 2001:db8:80::80 83" "$(get "http://[2001:db8:80::80]:83/")"
equal "PROXY protocol 2 out, IPv4" "192.0.2.10 203.0.113.80 84" "$(get http://203.0.113.80:84/)"
equal "PROXY protocol 2 out, IPv6" "2001:db8:1::10 2001:db8:80::80 84" "$(get "http://[2001:db8:80::80]:84/")"
for kind in v1 v2 v2-tlv; do
	equal "PROXY protocol $kind in, 2 out" "10.1.2.3 10.4.5.6 8080" \
		"$(tcp named 203.0.113.80 85 $kind 10.1.2.3 10.4.5.6 'GET / HTTP/1.0\r\n\r\n' | tail -n 1)"
	equal "PROXY protocol $kind in, 2 out, IPv6" "2001:db8::7 2001:db8::8 8080" \
		"$(tcp named 203.0.113.80 85 $kind 2001:db8::7 2001:db8::8 'GET / HTTP/1.0\r\n\r\n' | tail -n 1)"
done
equal "PROXY protocol 2 in that names nobody, 2 out" "192.0.2.10 203.0.113.80 85" \
	"$(tcp named 203.0.113.80 85 v2-local 10.1.2.3 10.4.5.6 'GET / HTTP/1.0\r\n\r\n' | tail -n 1)"
check "echo through the proxy" tcp echo 203.0.113.80 86 3000000
check "half close through the proxy" tcp half 203.0.113.80 86 100000
check "reset through the proxy" tcp reset 203.0.113.80 86
check "a shut window through the proxy" tcp slow 203.0.113.80 86 40000000
check "300 connections at once" tcp echo 203.0.113.80 86 2000 300
check "1,000 short connections" tcp short 203.0.113.80 86 1000
equal "a layer 4 service with the same backends" "b1 b2" "$(gets 20 http://203.0.113.81/)"
equal "nobody there: reset" reset "$(tcp first 203.0.113.80 88 x)"
check_not "an idle connection ends" ns c timeout 10 $PYTHON -c '
import socket, sys
s = socket.create_connection(("203.0.113.80", 87))
s.settimeout(8)
try:
    s.recv(1)
except ConnectionResetError:
    sys.exit(1)'

# A backend that refuses is passed over; one that dies takes only its own connections with it.
background c "$TMP/hold.log" $PYTHON "$HELPERS/tcp_client.py" hold 203.0.113.80 86 4
hold=$!
pid=$(cat "$TMP/nginx-b2-80/pid")
kill "$pid"
wait_for 5 bash -c "! ip netns exec $TAG-b2 ss -Hltn 'sport = :80' | grep -q ."
equal "a backend that refuses is passed over" b1 "$(gets 20 http://203.0.113.80/)"
only_b1() { [ "$(gets 6 http://203.0.113.80:82/)" = b1 ]; }
check "health check takes it out" wait_for 5 only_b1
equal "listeners: state of a backend" false "$(ask listeners listeners.listener=checked.backends.1.up)"
at_least "listeners: retries" 1 "$(ask listeners listeners.listener=web.retries)"
at_least "listeners: idle connections" 1 "$(ask listeners listeners.listener=idle.idle)"
config '"198.51.100.11:80"' >"$TMP/weir.yaml"
check "reload" weir_reload
equal "after the reload" b1 "$(gets 10 http://203.0.113.80/)"
wait $hold
equal "a connection goes on over the reload" 0 $?
finish
