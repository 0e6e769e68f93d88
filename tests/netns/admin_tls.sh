#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The control interface over HTTPS from another machine: certificates of clients, of servers, the token
# beside them, new certificates by a reload, and what weirctl says when something is wrong.
#
#   c eth0 ------ mgmt0 [ lb, its own stack ] p0 | p1 of weir, to nowhere
#   192.0.2.10    192.0.2.1
source "$(dirname "$0")/lib.sh"
WEIRCTL=${WEIRCTL:-${WEIR%/*}/weirctl}
ns_add c lb
link_add c eth0 lb mgmt0
addr_add c eth0 192.0.2.10/24
addr_add lb mgmt0 192.0.2.1/24

# --- certificates: an authority of servers, one of clients, and a stranger
P=$TMP/pki
mkdir "$P"
cat >"$P/cnf" <<-CNF
	[ca]
	basicConstraints = critical, CA:true
	keyUsage = critical, keyCertSign, cRLSign
	[server]
	subjectAltName = IP:192.0.2.1
	extendedKeyUsage = serverAuth
	[other]
	subjectAltName = IP:192.0.2.77
	extendedKeyUsage = serverAuth
	[client]
	extendedKeyUsage = clientAuth
	[req]
	distinguished_name = dn
	[dn]
	[list]
	database = $P/index
	crlnumber = $P/number
	default_md = sha256
	default_crl_days = 2
CNF
issue() { # FILE CA SECTION [DAYS]
	openssl ecparam -name prime256v1 -genkey -noout -out "$P/$1.key" &&
		openssl req -new -key "$P/$1.key" -subj "/CN=$1" -config "$P/cnf" -out "$P/$1.csr" &&
		openssl x509 -req -in "$P/$1.csr" -CA "$P/$2.crt" -CAkey "$P/$2.key" -CAcreateserial -days "${4:-2}" \
			-extfile "$P/cnf" -extensions "$3" -out "$P/$1.crt"
}
{
	for ca in servers clients strangers; do
		openssl ecparam -name prime256v1 -genkey -noout -out "$P/$ca.key"
		openssl req -x509 -key "$P/$ca.key" -subj "/CN=$ca" -config "$P/cnf" -extensions ca -days 2 -out "$P/$ca.crt"
	done
	issue server servers server
	issue renewed servers server
	issue elsewhere servers other
	issue operator clients client
	issue revoked clients client
	issue notclient clients server
	issue stranger strangers client
	: >"$P/index"
	echo 01 >"$P/number"
	openssl ca -config "$P/cnf" -name list -gencrl -keyfile "$P/clients.key" -cert "$P/clients.crt" -out "$P/none.crl"
	openssl ca -config "$P/cnf" -name list -revoke "$P/revoked.crt" -keyfile "$P/clients.key" -cert "$P/clients.crt"
	openssl ca -config "$P/cnf" -name list -gencrl -keyfile "$P/clients.key" -cert "$P/clients.crt" -out "$P/one.crl"
} >"$P/log" 2>&1 || die "certificates" "$(tail -n 5 "$P/log")"
use() { cp "$P/$1.crt" "$TMP/used.crt" && cp "$P/$1.key" "$TMP/used.key"; }
use server
cp "$P/none.crl" "$TMP/used.crl"
(umask 077 && echo 0123456789abcdef0123 >"$TMP/token" && echo 0123456789abcdef9999 >"$TMP/wrong")

config() { # ADMIN-LINES
	cat <<-CONF
		ports: [{device: net_null0, addresses: [198.51.100.1/24]}]
	CONF
	head_common
	sed 's/^/  /' <<<"$1"
	cat <<-CONF
		services:
		  - {name: web, vip: "203.0.113.1:80", backends: [198.51.100.11, 198.51.100.12]}
	CONF
	printf '  - {name: s%s, vip: "203.0.113.2:%s", backends: [198.51.100.11]}\n' $(for i in $(seq 30); do echo "$i $i"; done)
}
both="http: 192.0.2.1:9443
tls: {cert: $TMP/used.crt, key: $TMP/used.key, client_ca: $P/clients.crt, client_crl: $TMP/used.crl}"

# --- what is wrong is said before anything runs
refused() { # NAME WHAT-IT-SAYS ADMIN-LINES
	config "$3" >"$TMP/bad.yaml"
	"$WEIR" check "$TMP/bad.yaml" >"$TMP/said" 2>&1
	equal "check: $1: exit status" 1 $?
	check "  it says: $2" grep -qE -- "$2" "$TMP/said"
}
refused "an open address" "needs a 'token_file', or 'tls' with a 'client_ca'" "http: 192.0.2.1:9443"
refused "TLS alone is no permission" "needs a 'token_file'" "http: 192.0.2.1:9443
tls: {cert: $TMP/used.crt, key: $TMP/used.key}"
refused "TLS for nothing" "no 'http' to protect" "tls: {cert: $TMP/used.crt, key: $TMP/used.key}"
refused "a list without an authority" "'client_crl' says nothing" "http: 127.0.0.1:9443
tls: {cert: $TMP/used.crt, key: $TMP/used.key, client_crl: $TMP/used.crl}"
refused "a file that is not there" 'bad.yaml:[0-9]+:[0-9]+: error: tls: /nosuch: No such file' "${both/$TMP\/used.crt//nosuch}"
refused "a key of another certificate" 'used.crt, .*/operator.key: ' "${both/$TMP\/used.key/$P/operator.key}"
refused "an authority that is none" 'cnf: ' "${both/$P\/clients.crt/$P/cnf}"
check "without TLS a warning" bash -c "sed 's|^  tls.*||; s|^  http.*|&\n  token_file: $TMP/token|' <(cat) >'$TMP/warn.yaml'; '$WEIR' check '$TMP/warn.yaml' 2>&1 | grep -q 'can be read on its way'" < <(config "$both")

config "$both" >"$TMP/weir.yaml"
weir_start
URL=https://192.0.2.1:9443
ctl() { ns c "$WEIRCTL" -s $URL --cacert "$P/servers.crt" "$@"; }
as() { # WHO COMMAND...
	local who=$1
	shift
	ctl --cert "$P/$who.crt" --key "$P/$who.key" "$@"
}

# --- who comes in
exits 0 as operator status
says '^weir [0-9.]+  pid'
exits 0 as operator drain web 198.51.100.11 --dry-run
exits 0 as operator drain web 198.51.100.11
equal "the change was made" drain "$(as operator -o json backends | $PYTHON "$HELPERS/json_path.py" backends.0.override)"
exits 1 ctl status
says 'TLS: closed without an answer: a certificate may be needed' err
for who in stranger notclient; do
	exits 1 as $who status
	says 'TLS: closed without an answer: the certificate was refused' err
done
check_not "without TLS there is no answer" ns c curl -sf --noproxy '*' --max-time 3 http://192.0.2.1:9443/v1/status
check_not "TLS 1.1 is not spoken" ns c curl -sf --noproxy '*' --max-time 3 --tls-max 1.1 --ciphers DEFAULT@SECLEVEL=0 \
	--cacert "$P/servers.crt" --cert "$P/operator.crt" --key "$P/operator.key" $URL/v1/status
check "curl is served like weirctl" ns c curl -sf --noproxy '*' --max-time 3 --cacert "$P/servers.crt" \
	--cert "$P/operator.crt" --key "$P/operator.key" $URL/v1/status
equal "a page of another site is not" 403 "$(ns c curl -s -o /dev/null -w '%{http_code}' --noproxy '*' --cacert "$P/servers.crt" \
	--cert "$P/operator.crt" --key "$P/operator.key" -H 'Origin: https://evil.example' -X POST $URL/v1/reload)"
as operator -o json stats >"$TMP/stats"
at_least "an answer of more than one record comes whole" 16500 "$(stat -c %s "$TMP/stats")"
check "it is JSON" $PYTHON -m json.tool "$TMP/stats"

# --- weirctl trusts nobody by chance
exits 1 ns c "$WEIRCTL" -s $URL --cert "$P/operator.crt" --key "$P/operator.key" status
says 'TLS: unable to get local issuer certificate|self.signed' err
exits 3 as nosuch status
says 'nosuch.crt: ' err
exits 3 ns c "$WEIRCTL" -s https://192.0.2.1:9444 --cacert "$P/servers.crt" status
says 'no weir listens here' err
exits 3 ns c "$WEIRCTL" -s https://192.0.2.1/x/y status
says 'not https://HOST:PORT' err

# --- new certificates by a reload; a connection from before has to come again
cat >"$TMP/keep.py" <<'PY'
import http.client, ssl, sys, time, os
pki, fifo = sys.argv[1:]
ctx = ssl.create_default_context(cafile=pki + "/servers.crt")
ctx.load_cert_chain(pki + "/revoked.crt", pki + "/revoked.key")
c = http.client.HTTPSConnection("192.0.2.1", 9443, timeout=10, context=ctx)
def ask():
    c.request("GET", "/v1/status")
    r = c.getresponse()
    r.read()
    return r.status
print(ask(), flush=True)
open(fifo).read()
c.auto_open = 0
try:
    print(ask(), flush=True)
except (ConnectionError, http.client.HTTPException, OSError):
    print("closed", flush=True)
PY
mkfifo "$TMP/go"
background c "$TMP/keep" $PYTHON "$TMP/keep.py" "$P" "$TMP/go"
keep=$!
began() { grep -q 200 "$TMP/keep"; }
check "a client that will be revoked is served" wait_for 5 began
use elsewhere
echo broken >"$TMP/used.key"
check_not "a reload with a broken key is refused" weir_reload
check "it says which" grep -q 'used.crt, .*used.key' "$TMP/weir.log"
exits 0 as operator status
use renewed
cp "$P/one.crl" "$TMP/used.crl"
check "a reload takes the new ones" weir_reload
: >"$TMP/go"
wait $keep
equal "the open connection of the revoked client ended" "200 closed" "$(xargs <"$TMP/keep")"
exits 1 as revoked status
says 'the certificate was refused' err
exits 0 as operator status
equal "the new certificate is served" renewed "$(ns c openssl s_client -connect 192.0.2.1:9443 </dev/null 2>/dev/null |
	openssl x509 -noout -subject | sed 's/.*CN = //')"
use elsewhere
check "a certificate for another name is taken" weir_reload
exits 1 as operator status
says 'TLS: IP address mismatch' err
use server
check "and mended" weir_reload
exits 0 as operator status

# --- the token beside it
stop_pid "$weir_pid"
config "$both
token_file: $TMP/token" >"$TMP/weir.yaml"
: >"$TMP/weir.log"
weir_start
exits 0 as operator status
exits 1 as operator reload
says 'Authorization' err
exits 0 as operator --token-file "$TMP/token" reload
exits 1 as operator --token-file "$TMP/wrong" reload
chmod 644 "$TMP/wrong"
exits 3 as operator --token-file "$TMP/wrong" reload
says 'others may read it' err
stop_pid "$weir_pid"
config "http: 192.0.2.1:9443
tls: {cert: $TMP/used.crt, key: $TMP/used.key}
token_file: $TMP/token" >"$TMP/weir.yaml"
: >"$TMP/weir.log"
weir_start
exits 1 ctl status
says 'Authorization' err
exits 0 ctl --token-file "$TMP/token" status
stop_pid "$weir_pid"
weir_pid=
finish
