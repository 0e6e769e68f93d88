#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The dashboard in a real browser: light, dark, on a phone, and its buttons.
#
#   c eth0 ------ p0 [ lb ] p1 ------ sw ------ eth0 b1 b2 b3
source "$(dirname "$0")/lib.sh"
if ! command -v chromium >/dev/null; then
	skip "the dashboard" "no chromium: scripts/deps could not install it"
	finish
fi
topo_two_arm
export WORKERS=2
for b in b1 b2; do backend_nginx $b 80; done
TOKEN=0123456789abcdef0123
(umask 077 && echo "$TOKEN" >"$TMP/token")
{
	head_two_arm
	cat <<-CONF
		  http: 127.0.0.1:9180
		  token_file: $TMP/token
		services:
		  - {name: web, vips: [203.0.113.80], port: 80, mode: fullnat, backends: ["198.51.100.11:80", "198.51.100.12:80"], health: {type: tcp, interval: 300ms, timeout: 300ms, rise: 1, fall: 10}}
		listeners:
		  - {name: proxy, bind: ["203.0.113.82:80"], action: tcp_proxy, backends: ["198.51.100.11:80"]}
		  - {name: www, bind: ["203.0.113.84:80"], action: http, site: main}
		upstreams: {pool: {backends: ["198.51.100.11:80"]}}
		sites: {main: {routes: [{name: kept, match: {prefix: [/kept]}, upstream: pool, cache: {override_ttl: 1h}}, {name: rest, upstream: pool}]}}
		cache: {memory: 32MiB, disk: 64MiB}
		store: {dir: $TMP/store, low_space: 0, ballast: 0, cache: 0}
	CONF
} >"$TMP/weir.yaml"
weir_start
# Traffic while it is looked at: good, and some for a port without a service.
cat >"$TMP/traffic" <<-'SH'
	while :; do
		curl -s --noproxy '*' --max-time 2 'http://203.0.113.80/?[1-20]' >/dev/null
		curl -s --noproxy '*' --max-time 2 'http://203.0.113.84/kept?[1-20]' >/dev/null
		curl -s --noproxy '*' --max-time 2 'http://203.0.113.84/?[1-5]' >/dev/null
		curl -s --noproxy '*' --max-time 0.2 http://203.0.113.80:81/ >/dev/null
	done
SH
background c "$TMP/traffic.log" bash "$TMP/traffic"
SHOTS=${SCREENSHOTS:-$TMP}
mkdir -p "$SHOTS"
# The browser needs to write where it runs.
HOME=$TMP XDG_CONFIG_HOME=$TMP XDG_CACHE_HOME=$TMP timeout 200 ip netns exec "$TAG-lb" $PYTHON "$HELPERS/browser.py" \
	http://127.0.0.1:9180/ "$SHOTS" "$TOKEN" "web 198.51.100.11:80" >"$TMP/browser.log" 2>&1
rc=$?
while read -r verdict name; do
	case $verdict in
	ok) pass "$name" ;;
	*) fail "$verdict $name" ;;
	esac
done <"$TMP/browser.log"
equal "the browser's run" 0 $rc
finish
