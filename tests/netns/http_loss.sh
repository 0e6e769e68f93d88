#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# HTTP and HTTPS over wires that lose 2 % of the segments on both sides of weir: bodies both ways with hashes
# compared, many requests on a connection, chunks, and a backend that resets in the middle.
#
#   c eth0 ------ front ------ p0 [ lb ] p1 ------ back ------ eth0 b1
source "$(dirname "$0")/lib.sh"
export WORKERS=2
topo_wired
background b1 "$TMP/http.log" $PYTHON "$HELPERS/http_backend.py" 8000
wait_for 5 port_open b1 8000 || die "backend of b1" "$(cat "$TMP/http.log")"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj "/CN=a.test" \
	-addext "subjectAltName=DNS:a.test" -keyout "$TMP/key" -out "$TMP/crt" 2>/dev/null || die "certificate"
{
	head_two_arm
	cat <<-CONF
		access_log: {path: "$TMP/access.log", flush: 50ms, fields: [uri, status, end]}
		upstreams:
		  py: {backends: ["198.51.100.11:8000"], outliers: {failures: 0}}
		listeners:
		  - {name: http, bind: ["$V4:80", "[$V6]:80"], action: http, site: s}
		  - {name: https, bind: ["$V4:443", "[$V6]:443"], action: http, site: s, tls: {certificates: [{cert: $TMP/crt, key: $TMP/key}]}}
		sites:
		  s: {routes: [{upstream: py}]}
	CONF
} >"$TMP/weir.yaml"
weir_start
head -c 1500000 /dev/urandom >"$TMP/up"
up=$(md5sum <"$TMP/up" | cut -d' ' -f1)
down=$($PYTHON -c 'import hashlib; print(hashlib.md5(hashlib.shake_128(b"weir").digest(1500000)).hexdigest())')
get() { ns c curl -gsS --fail --noproxy '*' --max-time 40 --cacert "$TMP/crt" --connect-to "a.test:443:${to:-$V4}:443" --connect-to "a.test:80:${to:-$V4}:80" "$@"; }
md5() { md5sum | cut -d' ' -f1; }

check "no loss yet" get https://a.test/method
loss front 2
loss back 2
for scheme in http https; do
	url=$scheme://a.test
	for to in $V4 "[$V6]"; do
		equal "$scheme, $to: down" "$down" "$(get $url/bytes/1500000 | md5)"
		equal "$scheme, $to: up" "$up" "$(get --data-binary @"$TMP/up" $url/md5)"
	done
	to=$V4
	equal "$scheme: up in chunks" "$up" "$(get -H 'Transfer-Encoding: chunked' --data-binary @"$TMP/up" $url/md5)"
	equal "$scheme: down in chunks" "$(seq 1 50000 | md5)" "$(get $url/chunked/50000 | md5)"
	equal "$scheme: 150 requests on one connection" "150 1" "$(get --no-globoff -w ' %{num_connects}\n' "$url/method?[1-150]" |
		awk '{n += $1 == "GET"; c += $2} END {print n, c}')"
	check_not "$scheme: a backend that resets in the middle" get -o /dev/null $url/torn
done
at_least "segments were lost at the client" 20 "$(lossy front)"
at_least "and at the backend" 20 "$(lossy back)"
loss front 0
loss back 0
logged() { [ "$(grep -c backend_ "$TMP/access.log")" = 2 ]; }
check "the log tells of both resets" wait_for 5 logged
equal "no bad checksum" 0 "$(tcp_counter bad_checksum)"
check "an ordinary request" get https://a.test/method
finish
