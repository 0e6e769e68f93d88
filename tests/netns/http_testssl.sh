#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# testssl.sh against a listener with TLS: protocols, cipher lists, forward secrecy, known vulnerabilities. Nothing
# above LOW may be found but what comes from a certificate that no public authority made.
#
#   c eth0 ------ p0 [ lb ] p1 ------ sw ------ eth0 b1 b2 b3
source "$(dirname "$0")/lib.sh"
tool=$(command -v testssl || command -v testssl.sh) || { skip "testssl.sh" "not installed: run make deps"; finish; }
topo_two_arm
backend_nginx b1 80
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 90 -subj "/CN=a.test" \
	-addext "subjectAltName=DNS:a.test" -keyout "$TMP/key" -out "$TMP/crt" 2>/dev/null || die "certificate"
{
	head_two_arm
	cat <<-CONF
		upstreams:
		  web: {backends: ["198.51.100.11:80"]}
		listeners:
		  - name: web
		    bind: ["203.0.113.80:443"]
		    action: http
		    tls: {certificates: [{cert: $TMP/crt, key: $TMP/key}]}
		    site: web
		sites:
		  web:
		    routes: [{upstream: web}]
		    policies: {security_headers: {hsts: 365d}}
	CONF
} >"$TMP/weir.yaml"
weir_start
check "it serves" ns c curl -sS --fail --cacert "$TMP/crt" --resolve a.test:443:203.0.113.80 --noproxy '*' https://a.test/

# --ip keeps it from asking the DNS; the certificate's own chapter (-S) is about public authorities.
ns c timeout 540 "$tool" --quiet --color 0 --warnings off --nodns none --ip 203.0.113.80 --openssl-timeout 10 \
	--jsonfile "$TMP/found.json" ${TESTSSL_CHAPTERS:--p -s -f -U} https://a.test/ >"$TMP/testssl.log" 2>&1
list() { # SEVERITY...: findings
	$PYTHON -c '
import json, sys
for f in json.load(open(sys.argv[1])):
    if f["severity"] in sys.argv[2:]:
        print(f["severity"], f["id"], f["finding"])' "$TMP/found.json" "$@"
}
at_least "testssl.sh looked at much" 30 "$(list OK INFO LOW | wc -l)"
equal "nothing above LOW" "" "$(list MEDIUM HIGH CRITICAL)"
# Of its OpenSSL it misses GOST alone.
equal "testssl.sh could do its work" "" "$(list WARN FATAL | grep -v '^WARN engine_problem ')"
equal "TLS 1.3 is offered" 1 "$(list OK | grep -c '^OK TLS1_3 offered')"
equal "TLS 1.2 is offered" 1 "$(list OK | grep -c '^OK TLS1_2 offered')"
equal "TLS 1.1 and 1.0 are not" 2 "$(list OK INFO | grep -cE ' (TLS1|TLS1_1) not offered')"
finish
