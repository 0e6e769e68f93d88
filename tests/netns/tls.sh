#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# TLS against other people's: openssl s_client and curl to listeners with TLS, openssl s_server and
# nginx as backends with TLS; names, versions, tickets over two workers, certificates of clients, a
# reload with another certificate while connections live, and files that are wrong.
#
#   c eth0 ------ p0 [ lb ] p1 ------ sw ------ eth0 b1 b2 b3
source "$(dirname "$0")/lib.sh"
topo_two_arm
export WORKERS=2

# --- certificates -----------------------------------------------------------------------------

CRT=$TMP/crt
mkdir -p "$CRT"
ca() { # NAME
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj "/CN=$1" \
		-keyout "$CRT/$1.key" -out "$CRT/$1.crt" 2>/dev/null
}
leaf() { # NAME CA SUBJECT-CN SAN KEY-ARGUMENTS...
	local name=$1 ca=$2 cn=$3 san=$4
	shift 4
	openssl req -newkey "$@" -nodes -subj "/CN=$cn" -keyout "$CRT/$name.key" -out "$CRT/$name.csr" 2>/dev/null &&
		openssl x509 -req -in "$CRT/$name.csr" -CA "$CRT/$ca.crt" -CAkey "$CRT/$ca.key" -days 30 \
			-set_serial "0x$(openssl rand -hex 8)" -extfile <(echo "subjectAltName=$san") \
			-out "$CRT/$name.crt" 2>/dev/null
}
EC="ec -pkeyopt ec_paramgen_curve:P-256"
ca root && ca clients || die "authorities"
# shellcheck disable=SC2086
{
	leaf a root a.test "DNS:a.test,DNS:*.w.test" $EC
	leaf a-rsa root a.test "DNS:a.test" rsa:2048
	leaf b root b.test "DNS:b.test" $EC
	leaf new root a.test "DNS:a.test" $EC
	leaf back root back.test "DNS:back.test,DNS:second.test,IP:198.51.100.11" $EC
	leaf client clients alice "email:alice@a.test" $EC
	leaf stranger root mallory "DNS:m.test" $EC
} || die "certificates"
head -c 80 /dev/urandom >"$TMP/tickets"

# --- backends ---------------------------------------------------------------------------------

for b in b1 b2; do backend_nginx $b 80; done
background b1 "$TMP/s_server.log" openssl s_server -accept 8443 -quiet -rev -naccept 1000 \
	-cert "$CRT/back.crt" -key "$CRT/back.key" -servername back.test -cert2 "$CRT/back.crt" -key2 "$CRT/back.key"
wait_for 5 port_open b1 8443 || die "s_server of b1" "$(cat "$TMP/s_server.log")"
dd if=/dev/urandom of="$TMP/blob" bs=1M count=8 2>/dev/null
mkdir -p "$TMP/ng"
cat >"$TMP/ng/nginx.conf" <<-CONF
	daemon off;
	master_process off;
	pid $TMP/ng/pid;
	error_log $TMP/ng/error.log warn;
	events { worker_connections 512; }
	http {
		access_log off;
		client_body_temp_path $TMP/ng/body;
		proxy_temp_path $TMP/ng/proxy;
		fastcgi_temp_path $TMP/ng/fastcgi;
		uwsgi_temp_path $TMP/ng/uwsgi;
		scgi_temp_path $TMP/ng/scgi;
		client_max_body_size 100m;
		server {
			listen 443 ssl;
			listen 444 ssl proxy_protocol;
			ssl_protocols TLSv1.2 TLSv1.3;
			ssl_certificate $CRT/back.crt;
			ssl_certificate_key $CRT/back.key;
			ssl_client_certificate $CRT/clients.crt;
			ssl_verify_client optional;
			root $TMP;
			location = /who { return 200 "\$ssl_protocol \$ssl_server_name \$ssl_session_reused \$ssl_client_verify \$proxy_protocol_addr\\n"; }
		}
	}
CONF
background b2 "$TMP/ng/log" nginx -e "$TMP/ng/error.log" -c "$TMP/ng/nginx.conf"
wait_for 5 port_open b2 443 || die "nginx of b2" "$(cat "$TMP/ng/log")"

# --- configuration ----------------------------------------------------------------------------

config() { # CERTIFICATE OF ECHO
	head_two_arm
	cat <<-CONF
		tls: {ticket_key_file: $TMP/tickets, record_buffers: 4096}
		listeners:
		  - name: echo
		    bind: ["203.0.113.80:443", "[2001:db8:80::80]:443"]
		    action: echo
		    tls:
		      certificates:
		        - {cert: $CRT/$1.crt, key: $CRT/$1.key}
		        - {cert: $CRT/a-rsa.crt, key: $CRT/a-rsa.key}
		        - {cert: $CRT/b.crt, key: $CRT/b.key}
		      alpn: [one, two]
		  - name: strict
		    bind: ["203.0.113.80:444"]
		    action: echo
		    tls: {certificates: [{cert: $CRT/b.crt, key: $CRT/b.key}], strict_sni: true, min_version: tls1.3}
		  - name: mutual
		    bind: ["203.0.113.80:445"]
		    action: echo
		    tls:
		      certificates: [{cert: $CRT/a.crt, key: $CRT/a.key}]
		      verify: required
		      client_ca: $CRT/clients.crt
		  - name: ends
		    bind: ["203.0.113.80:446"]
		    action: tcp_proxy
		    backends: ["198.51.100.11:80", "198.51.100.12:80"]
		    tls: {certificates: [{cert: $CRT/a.crt, key: $CRT/a.key}]}
		  - name: both
		    bind: ["203.0.113.80:447"]
		    action: tcp_proxy
		    backends: ["198.51.100.12:443"]
		    tls: {certificates: [{cert: $CRT/a.crt, key: $CRT/a.key}]}
		    backend_tls: {ca: $CRT/root.crt, sni: back.test, cert: $CRT/client.crt, key: $CRT/client.key}
		  - name: begins
		    bind: ["203.0.113.80:448"]
		    action: tcp_proxy
		    backends: ["198.51.100.12:444"]
		    send_proxy_protocol: v2
		    backend_tls: {ca: $CRT/root.crt, sni: back.test}
		  - name: wrong
		    bind: ["203.0.113.80:449"]
		    action: tcp_proxy
		    backends: ["198.51.100.12:443"]
		    backend_tls: {ca: $CRT/clients.crt, sni: back.test}
		  - name: address
		    bind: ["203.0.113.80:450"]
		    action: tcp_proxy
		    backends: ["198.51.100.11:8443"]
		    backend_tls: {ca: $CRT/root.crt}
		  - name: told
		    bind: ["203.0.113.80:451"]
		    action: echo
		    accept_proxy_protocol: true
		    tls: {certificates: [{cert: $CRT/a.crt, key: $CRT/a.key}]}
		  - name: source
		    bind: ["203.0.113.80:452"]
		    action: source
		    bytes: 8MB
		    tls: {certificates: [{cert: $CRT/a.crt, key: $CRT/a.key}]}
		  - name: through
		    bind: ["203.0.113.80:454"]
		    action: tcp_proxy
		    connect_timeout: 1s
		    backends:
		      - {address: "198.51.100.12:443", sni: [back.test, "*.Back.test"]}
		      - {address: "198.51.100.11:8443", sni: rev.test}
		      - "198.51.100.13:9999"
		  - name: web
		    bind: ["203.0.113.80:453"]
		    action: http
		    routes:
		      - {match: {prefix: /who}, upstream: secure}
		      - {match: {prefix: /blob}, upstream: secure}
		      - {match: {prefix: /untrusted}, upstream: untrusted}
		      - {match: {prefix: /checked}, upstream: checked, rewrite: {path: /who}}
		      - {match: {prefix: /ill}, upstream: ill}
		      - {match: {prefix: /unasked}, upstream: unasked}
		      - {match: {prefix: /byhost}, upstream: byhost, rewrite: {path: /who}}
		      - {upstream: plain}
		    tls: {certificates: [{cert: $CRT/a.crt, key: $CRT/a.key}]}
		upstreams:
		  plain: {backends: ["198.51.100.11:80"]}
		  secure: {backends: ["198.51.100.12:443"], tls: {ca: $CRT/root.crt, sni: back.test}}
		  untrusted: {backends: ["198.51.100.12:443"], tls: {ca: $CRT/clients.crt, sni: back.test}}
		  byhost: {backends: ["198.51.100.12:443"], tls: {ca: $CRT/root.crt, sni: host}, limits: {connections: 2}, retry: {budget: 0%}}
		  checked:
		    backends: ["198.51.100.12:443"]
		    tls: {ca: $CRT/root.crt, sni: back.test}
		    health: {type: http, path: /who, expect: "back.test", interval: 200ms, port: 443}
		  ill:
		    backends: ["198.51.100.12:443"]
		    tls: {ca: $CRT/clients.crt, sni: back.test}
		    health: {type: http, path: /who, interval: 250ms}
		  unasked:
		    backends: ["198.51.100.12:443"]
		    tls: {ca: $CRT/clients.crt, sni: back.test}
		    health: {type: http, path: /who, interval: 300ms, tls: false, status: 400}
	CONF
}
config a >"$TMP/weir.yaml"
check "weir check reads the certificates" "$WEIR" check "$TMP/weir.yaml"
weir_start

# --- against openssl s_client -----------------------------------------------------------------

CA="-CAfile $CRT/root.crt -verify_return_error"
# What comes back for "hello", and what s_client says of the session; it ends when it has heard
# something, or after five seconds.
say() { # PORT S_CLIENT-ARGUMENTS...
	local port=$1 out=$TMP/say
	shift
	: >"$out"
	(
		echo hello
		for _ in $(seq 100); do
			grep -qE 'hello$|alert|errno|:error:' "$out" && break
			sleep 0.05
		done
	) | ns c timeout 10 openssl s_client -connect "203.0.113.80:$port" "$@" >"$out" 2>&1
	cat "$out"
}
has() { # NAME TEXT OUTPUT
	if grep -q -- "$2" <<<"$3"; then pass "$1"; else fail "$1" "no '$2' in: $(tail -n 25 <<<"$3")"; fi
}
# shellcheck disable=SC2086
{
	for v in tls1_2 tls1_3; do
		out=$(say 443 -$v -servername a.test $CA)
		has "s_client $v: echo" "hello$" "$out"
		has "s_client $v: verified" "Verify return code: 0 (ok)" "$out"
	done
	has "TLS 1.1 is refused" "alert protocol version" "$(say 443 -tls1_1 -cipher DEFAULT@SECLEVEL=0 -servername a.test)"
	has "an RSA certificate for those who need it" "rsaEncryption\|RSA-PSS\|RSA, 2048\|Server public key is 2048" \
		"$(say 443 -servername a.test -sigalgs RSA-PSS+SHA256:RSA+SHA256 $CA)"
	has "the other name" "subject=CN = b.test" "$(say 443 -servername b.test $CA)"
	has "a wildcard" "subject=CN = a.test" "$(say 443 -servername x.w.test -verify_hostname x.w.test $CA)"
	has "an unknown name gets the first certificate" "subject=CN = a.test" "$(say 443 -servername x.test)"
	has "no name gets it too" "subject=CN = a.test" "$(say 443 -noservername)"
	has "ALPN" "ALPN protocol: two" "$(say 443 -servername a.test -alpn zero,two)"
	has "ALPN: nothing in common" "alert no application protocol" "$(say 443 -servername a.test -alpn zero)"
	has "strict: the name" "hello$" "$(say 444 -servername b.test $CA)"
	has "strict: another name is refused" "unrecognized name" "$(say 444 -servername a.test)"
	has "min_version: 1.2 is refused" "alert protocol version" "$(say 444 -tls1_2 -servername b.test)"
	for c in TLS_AES_128_GCM_SHA256 TLS_AES_256_GCM_SHA384 TLS_CHACHA20_POLY1305_SHA256; do
		has "$c" "hello$" "$(say 443 -ciphersuites $c -servername a.test $CA)"
	done
	for c in ECDHE-ECDSA-AES256-GCM-SHA384 ECDHE-RSA-CHACHA20-POLY1305; do
		has "$c" "hello$" "$(say 443 -tls1_2 -cipher $c -servername a.test $CA)"
	done
	has "CBC is refused" "handshake failure" "$(say 443 -tls1_2 -cipher ECDHE-ECDSA-AES128-SHA -servername a.test)"
	has "a group that needs another hello" "hello$" "$(say 443 -groups P-521:P-384 -servername a.test $CA)"

	for v in tls1_2 tls1_3; do
		say 443 -$v -servername a.test -sess_out "$TMP/sess" $CA >/dev/null
		n=0
		# Each connection has another port and so, often, the other worker.
		for _ in 1 2 3 4 5 6; do
			say 443 -$v -servername a.test -sess_in "$TMP/sess" $CA | grep -q "^Reused, TLS" && n=$((n + 1))
		done
		equal "$v: resumed, whichever worker" 6 $n
	done
	has "renegotiation is refused" "no renegotiation\|RENEGOTIATING" \
		"$( (sleep 1; echo R; sleep 1) | ns c timeout 10 openssl s_client -connect 203.0.113.80:443 -tls1_2 -servername a.test 2>&1)"
	out=$( (sleep 1; echo K; sleep 0.5; echo after; sleep 1) | ns c timeout 10 openssl s_client -connect 203.0.113.80:443 -tls1_3 -servername a.test 2>&1)
	has "key update: data goes on under the new keys" "after$" "$out"

	has "client certificate: good" "hello$" "$(say 445 -servername a.test -cert "$CRT/client.crt" -key "$CRT/client.key" $CA)"
	has "client certificate: none" "alert certificate required\|alert handshake failure" "$(say 445 -servername a.test)"
	has "client certificate: of somebody else" "alert unknown ca\|alert bad certificate" \
		"$(say 445 -servername a.test -cert "$CRT/stranger.crt" -key "$CRT/stranger.key")"
	equal "listeners: handshakes that failed" 2 "$(ask listeners listeners.listener=mutual.tls_failed)"
}
equal "plain text where TLS is spoken" 15030300020232 "$(printf 'GET / HTTP/1.0\r\n\r\n' | ns c timeout 5 $PYTHON -c '
import socket, sys
s = socket.create_connection(("203.0.113.80", 443))
s.sendall(sys.stdin.buffer.read())
print(s.recv(100).hex())')"

# --- proxying ---------------------------------------------------------------------------------

get() { ns c curl -sS -m 20 --cacert "$CRT/root.crt" --resolve "a.test:$1:203.0.113.80" "https://a.test:$1$2" "${@:3}"; }
has "curl through TLS to plain backends" "b[12]" "$(get 446 /)"
has "TLS on both sides, client certificate shown" "TLSv1.3 back.test . SUCCESS" "$(get 447 /who)"
has "sessions to backends are resumed" "TLSv1.3 back.test r" "$(get 447 /who)$(get 447 /who)$(get 447 /who)$(get 447 /who)"
has "plain to TLS, with a PROXY protocol header in front" "TLSv1.3 back.test . NONE 192.0.2.10" \
	"$(ns c curl -sS -m 10 http://203.0.113.80:448/who)"
get 447 /blob >"$TMP/blob.got"
check "8 MiB through both" cmp "$TMP/blob" "$TMP/blob.got"
check_not "a backend that cannot be verified" ns c curl -sS -m 10 http://203.0.113.80:449/who
equal "listeners: no backend could be reached" 1 "$(ask listeners listeners.listener=wrong.failed)"
equal "verified by its address" olleh "$( (echo hello; sleep 0.5) | ns c timeout 5 nc -q 1 203.0.113.80 450 2>/dev/null || printf 'hello\n' | ns c timeout 5 $PYTHON -c '
import socket
s = socket.create_connection(("203.0.113.80", 450))
s.sendall(b"hello\n")
print(s.recv(100).decode().strip())')"
check "PROXY protocol in front of TLS" ns c $PYTHON -c "
import socket, ssl
s = socket.create_connection(('203.0.113.80', 451))
s.sendall(b'PROXY TCP4 10.0.0.1 10.0.0.2 1000 443\r\n')
t = ssl.create_default_context(cafile='$CRT/root.crt').wrap_socket(s, server_hostname='a.test')
t.sendall(b'hello')
assert t.recv(10) == b'hello'
t.unwrap()"
check "8 MB from weir, and close_notify at its end" ns c $PYTHON -c "
import socket, ssl
c = ssl.create_default_context(cafile='$CRT/root.crt')
c.options &= ~0x80  # an end without close_notify is an error
t = c.wrap_socket(socket.create_connection(('203.0.113.80', 452)), server_hostname='a.test')
n = 0
while d := t.recv(65536):
    for i in (0, len(d) // 2, len(d) - 1):
        assert d[i] == (n + i) % 251
    n += len(d)
assert n == 8000000, n"
check "echo of 20 MB, both ways at once, and half close" ns c $PYTHON -c "
import os, socket, ssl, threading
c = ssl.create_default_context(cafile='$CRT/root.crt')
t = c.wrap_socket(socket.create_connection(('203.0.113.80', 443)), server_hostname='a.test')
blob = os.urandom(20000000)
threading.Thread(target=lambda: t.sendall(blob), daemon=True).start()
got = bytearray()
while len(got) < len(blob):
    got += t.recv(1 << 20)
assert got == blob
t.unwrap()"

# --- passing through by name ------------------------------------------------------------------

through() { ns c curl -sS -m 10 -k --connect-to "::203.0.113.80:454" "https://$1/who" "${@:2}" 2>&1; }
has "through, by name" "TLSv1.3 back.test" "$(through back.test)"
has "through, by wildcard" "TLSv1.3 x.back.test" "$(through x.back.test)"
has "through, an old client" "TLSv1.2 back.test" "$(through back.test --tls-max 1.2)"
equal "through, the backend's own certificate" "$(openssl x509 -noout -serial -in "$CRT/back.crt")" \
	"$(ns c openssl s_client -connect 203.0.113.80:454 -servername back.test </dev/null 2>/dev/null | openssl x509 -noout -serial)"
has "through, to the other one" "olleh" "$(say 454 -servername rev.test)"
has "through, a name of nobody: the rest, and that is down" "reset\|SSL_ERROR_SYSCALL\|unexpected eof" "$(through nobody.test)"
equal "through, no TLS: refused" reset "$(tcp first 203.0.113.80 454 'GET / HTTP/1.1\r\n')"
check "through, a hello byte by byte" ns c $PYTHON -c "
import socket, ssl, time
c = ssl._create_unverified_context()
i, o = ssl.MemoryBIO(), ssl.MemoryBIO()
t = c.wrap_bio(i, o, server_hostname='back.test')
try: t.do_handshake()
except ssl.SSLWantReadError: pass
s = socket.create_connection(('203.0.113.80', 454))
s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
for b in o.read():
    s.send(bytes([b]))
i.write(s.recv(65536))
while True:
    try: t.do_handshake(); break
    except ssl.SSLWantReadError: i.write(s.recv(65536))
assert t.version() == 'TLSv1.3'"
check "through, silence is not waited for longer than connect_timeout" ns c $PYTHON -c "
import socket, time
s = socket.create_connection(('203.0.113.80', 454))
s.send(b'\x16\x03')
t = time.time()
try: s.recv(1)
except ConnectionError: pass
assert 0.5 < time.time() - t < 3"

# --- HTTP -------------------------------------------------------------------------------------

has "https to a plain upstream" "b1" "$(get 453 /)"
has "https to https" "TLSv1.3 back.test . NONE" "$(get 453 /who)"
get 453 /blob >"$TMP/blob.got"
check "8 MiB, https to https" cmp "$TMP/blob" "$TMP/blob.got"
has "HTTP/1.1 is agreed on" "ALPN: server accepted http/1.1" "$(get 453 / -v 2>&1)"
equal "an upstream that cannot be verified" 502 "$(get 453 /untrusted -o /dev/null -w '%{http_code}')"
has "and why" "tls_certificate_error" "$(get 453 /untrusted -D - -o /dev/null)"
has "an HTTP check over TLS finds its backend up" "TLSv1.3 back.test" "$(get 453 /checked)"
equal "one whose certificate is not accepted finds it down" 503 "$(get 453 /ill -o /dev/null -w '%{http_code}')"
has "and says why" "certificate" "$("$WEIR" health -s "$SOCK" -o json | tr -d '\n')"
equal "one that is told not to speak TLS does not" 502 "$(get 453 /unasked -o /dev/null -w '%{http_code}')"
byhost() { get 453 /byhost -H "Host: $1" "${@:2}"; }
for _ in 1 2 3; do
	has "sni: host: one name" "TLSv1.3 back.test" "$(byhost back.test)"
	has "sni: host: the other, on a connection of its own" "TLSv1.3 second.test" "$(byhost second.test:8080)"
done
equal "sni: host: a name that the certificate lacks" 502 "$(byhost stranger.test -o /dev/null -w '%{http_code}')"
has "also where sessions could be resumed" "tls_certificate_error" "$(byhost stranger.test -D - -o /dev/null)"
equal "sni: host: an address is no name of it" 502 "$(byhost 198.51.100.12 -o /dev/null -w '%{http_code}')"
has "sni: host: one that is in it" "TLSv1.3" "$(byhost 198.51.100.11)"
equal "many requests on one connection" 20 "$(get 453 "/who?[1-20]" | grep -c TLSv1.3)"

ask_tls() { "$WEIR" tcp -s "$SOCK" -o json | $PYTHON -c "import json,sys; d=json.load(sys.stdin)['tls']; print($1)"; }
at_least "tcp: TLS handshakes" 20 "$(ask_tls 'd["full"]')"
at_least "tcp: resumed ones" 12 "$(ask_tls 'd["resumed"]')"
equal "tcp: clients without a good certificate" 2 "$(ask_tls 'd["failed_client_certificate"]')"
none_left() { [ "$(ask_tls 'd["handshakes"]')" = 0 ]; }
check "tcp: no handshake is left over, but for checks" wait_for 3 none_left

# --- certificates change ----------------------------------------------------------------------

background c "$TMP/held.log" $PYTHON -c "
import socket, ssl, time, sys
c = ssl.create_default_context(cafile='$CRT/root.crt')
t = c.wrap_socket(socket.create_connection(('203.0.113.80', 443)), server_hostname='a.test')
for i in range(40):
    t.sendall(b'%d' % i)
    assert t.recv(10) == b'%d' % i
    time.sleep(0.1)
t.unwrap()
print('fine')"
held=$!
serial() { ns c openssl s_client -connect 203.0.113.80:443 -servername a.test -sigalgs ECDSA+SHA256 </dev/null 2>/dev/null | openssl x509 -noout -serial; }
equal "the old certificate" "$(openssl x509 -noout -serial -in "$CRT/a.crt")" "$(serial)"
config new >"$TMP/weir.yaml"
check "reload" weir_reload
equal "the new certificate" "$(openssl x509 -noout -serial -in "$CRT/new.crt")" "$(serial)"

cp "$CRT/b.key" "$CRT/new.key"
check_not "weir check: a key of another certificate" "$WEIR" check "$TMP/weir.yaml"
has "it says where" "weir.yaml:[0-9]*:[0-9]*: error: key: does not belong to the certificate" \
	"$("$WEIR" check "$TMP/weir.yaml" 2>&1)"
check_not "reload with it is refused" weir_reload
equal "and nothing has changed" "$(openssl x509 -noout -serial -in "$CRT/new.crt")" "$(serial)"
echo "no certificate" >"$CRT/new.crt"
has "no PEM" "error: certificate: holds no certificate in PEM form" "$("$WEIR" check "$TMP/weir.yaml" 2>&1)"
rm "$CRT/new.crt"
has "no file" "error: certificate: cannot read '$CRT/new.crt': No such file" "$("$WEIR" check "$TMP/weir.yaml" 2>&1)"
wait $held
equal "the connection of before goes on" fine "$(cat "$TMP/held.log")"
finish
