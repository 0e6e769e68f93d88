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
		access_log: {path: "$TMP/access.log", flush: 50ms, fields: [tls, tls_version, tls_cipher, tls_sni, tls_alpn, tls_resumed, client_cert_subject, client_cert_serial, client_cert_sha256, client_cert_verified]}
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
logged() { [ "$(wc -l <"$TMP/access.log")" = 3 ]; }
check "a line for each request" wait_for 5 logged
equal "the log of TLS with a certificate" "1 TLSv1.3 True shop.example http/1.1 0 CN=alice,O=Acme 1 True True" "$(head -n 1 "$TMP/access.log" | $PYTHON -c '
import json, sys
r = json.loads(sys.stdin.readline())
print(r["tls"], r["tls_version"], r["tls_cipher"].startswith("TLS_AES_"), r["tls_sni"], r["tls_alpn"], r["tls_resumed"], r["client_cert_subject"],
      r["client_cert_verified"], r["client_cert_sha256"] == sys.argv[1], r["client_cert_serial"] == sys.argv[2])' \
	"$(openssl x509 -in alice.crt -noout -fingerprint -sha256 | tr -d : | sed 's/.*=//' | tr A-F a-f)" \
	"$(openssl x509 -in alice.crt -noout -serial | sed 's/.*=//' | tr A-F a-f)")"
equal "without one" "tls tls_alpn tls_cipher tls_resumed tls_sni tls_version" \
	"$(sed -n 2p "$TMP/access.log" | $PYTHON -c 'import json, sys; print(*sorted(json.loads(sys.stdin.readline())))')"
equal "and without TLS" '{"tls": 0}' "$(sed -n 3p "$TMP/access.log" | $PYTHON -c 'import json, sys; print(json.dumps(json.loads(sys.stdin.readline())))')"
finish
