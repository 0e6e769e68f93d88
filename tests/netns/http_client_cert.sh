#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What a backend hears of a client's certificate and TLS, and that clients cannot say it themselves.
#
#   c eth0 ------ p0 [ lb ] p1 ------ sw ------ eth0 b1 b2 b3
source "$(dirname "$0")/lib.sh"
topo_two_arm
cat >"$TMP/echo.py" <<'PY'
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class H(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *a): pass
    def do_GET(self):
        b = "".join(f"{k.lower()}: {v}\n" for k, v in self.headers.items()).encode()
        self.send_response(200); self.send_header("Content-Length", str(len(b))); self.end_headers(); self.wfile.write(b)
ThreadingHTTPServer(("", int(sys.argv[1])), H).serve_forever()
PY
background b1 "$TMP/echo.log" $PYTHON "$TMP/echo.py" 8000
wait_for 5 port_open b1 8000 || die "backend" "$(cat "$TMP/echo.log")"
cd "$TMP" || exit 1
key() { openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3 "$@" 2>>"$TMP/openssl.log"; }
key -x509 -subj '/CN=ca' -keyout ca.key -out ca.crt
key -x509 -subj '/CN=shop.example' -addext subjectAltName=DNS:shop.example -keyout shop.key -out shop.crt
key -subj '/O=Acme/CN=alice' -keyout alice.key -out alice.csr
printf 'subjectAltName=email:alice@acme.example,DNS:alice.acme.example\n' >ext
openssl x509 -req -in alice.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 3 -extfile ext -out alice.crt 2>>openssl.log
fields='X-Version: "${tls_version}", X-Sni: "${tls_sni}", X-Subject: "${client_cert_subject}", X-Issuer: "${client_cert_issuer}", X-Print: "${client_cert_sha256}", X-San: "${client_cert_san}", X-Serial: "${client_cert_serial}", X-Verified: "${client_cert_verified}"'
{
	head_two_arm
	cat <<-CONF
		upstreams: {app: {backends: ["198.51.100.11:8000"]}}
		listeners:
		  - {name: plain, bind: ["203.0.113.80:80"], action: http, site: s}
		  - {name: tls, bind: ["203.0.113.80:443"], action: http, site: s, tls: {certificates: [{cert: $TMP/shop.crt, key: $TMP/shop.key}], verify: optional, client_ca: $TMP/ca.crt}}
		sites: {s: {routes: [{upstream: app, request_headers: {set: {$fields}}}]}}
	CONF
} >"$TMP/weir.yaml"
weir_start
req() { ns c curl -sS --noproxy '*' --max-time 10 --resolve shop.example:443:203.0.113.80 --cacert "$TMP/shop.crt" "$@"; }
heard() { sed -n "s/^$1: //p" "$TMP/got"; }
req --cert alice.crt --key alice.key https://shop.example/ >"$TMP/got"
equal "version" TLSv1.3 "$(heard x-version)"
equal "name asked for" shop.example "$(heard x-sni)"
equal "subject" "CN=alice,O=Acme" "$(heard x-subject)"
equal "issuer" "CN=ca" "$(heard x-issuer)"
equal "fingerprint" "$(openssl x509 -in alice.crt -noout -fingerprint -sha256 | tr -d : | sed 's/.*=//' | tr A-F a-f)" "$(heard x-print)"
equal "serial number" "$(openssl x509 -in alice.crt -noout -serial | sed 's/.*=//' | tr A-F a-f)" "$(heard x-serial)"
check "other names" grep -q 'DNS:alice.acme.example' <(heard x-san)
equal "verified" yes "$(heard x-verified)"
req -H 'X-Subject: CN=mallory' -H 'X-Verified: yes' https://shop.example/ >"$TMP/got"
equal "without a certificate nothing is said" " " "$(heard x-subject) $(heard x-verified)"
equal "the connection is, though" TLSv1.3 "$(heard x-version)"
req -H 'X-Subject: CN=mallory' -H 'X-Verified: yes' http://203.0.113.80/ >"$TMP/got"
equal "nor over plain HTTP, whatever the client says" "  " "$(heard x-subject) $(heard x-verified) $(heard x-version)"
finish
