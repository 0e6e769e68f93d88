#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Routes and policies in front of a backend that shows the head it got; two workers.
#
#   c eth0 ------ p0 [ lb ] p1 ------ sw ------ eth0 b3
source "$(dirname "$0")/lib.sh"
topo_two_arm
export WORKERS=2
background b3 "$TMP/http.log" $PYTHON "$HELPERS/http_backend.py" 8000
wait_for 5 port_open b3 8000 || die "backend of b3" "$(cat "$TMP/http.log")"
printf 'ann:%s\nbob:%s\n' "$(openssl passwd -6 secret)" "$(openssl passwd -5 other)" >"$TMP/users"
head -c 5000 /dev/zero >"$TMP/large"
printf 'a secret of more than thirty-two bytes\n' >"$TMP/secret"

config() { # RATE
	head_two_arm
	cat <<-CONF
		upstreams:
		  py: {backends: ["198.51.100.13:8000"], outliers: {failures: 0}}
		listeners:
		  - {name: web, bind: ["203.0.113.80:80"], action: http, site: web}
		sites:
		  web:
		    error_pages: [{status: 404, type: text/plain, body: "nothing: \${status}"}]
		    routes:
		      - {name: fixed, match: {path: /fixed}, respond: {body: "hello", type: text/x}}
		      - {name: away, match: {host: old.example}, redirect: "http://new.example\${uri}"}
		      - name: cut
		        match: {prefix: /api}
		        rewrite: {prefix: /}
		        request_headers: {set: {X-Route: "\${route}"}, remove: [X-Secret]}
		        response_headers: {set: {X-Seen: "\${status}"}}
		        upstream: py
		      - {name: lock, match: {prefix: /head/lock}, upstream: py, policies: {basic_auth: $TMP/users}}
		      - {name: upload, match: {prefix: /md5/lock}, upstream: py, policies: {basic_auth: $TMP/users}}
		      - {name: token, match: {prefix: /head/token}, upstream: py, policies: {jwt: {secret: $TMP/secret, to_headers: {sub: X-User}}}}
		      - {name: rate, match: {prefix: /rate}, respond: {body: ok}, policies: {rate_limits: [{rate: $1, per: 60s}]}}
		      - {name: small, match: {prefix: /md5/small}, upstream: py, policies: {max_body: 1kB}}
		      - {name: cors, match: {prefix: /cors}, respond: {body: ok}, policies: {cors: {origins: "https://a.example"}}}
		      - {name: head, match: {prefix: /head}, upstream: py}
	CONF
}
config 3 >"$TMP/weir.yaml"
weir_start
url=http://203.0.113.80
get() { ns c curl -gsS --path-as-is --noproxy '*' --max-time 10 "$@"; }
status() { get -o /dev/null -w '%{http_code}' "$@"; }
field() { # NAME CURL-ARGUMENTS: value of a response field
	local name=$1
	shift
	get -o /dev/null -D - "$@" | tr -d '\r' | sed -n "s/^$name: //Ip"
}
token() { # PAYLOAD: signed with the secret
	b64() { openssl base64 -A | tr '+/' '-_' | tr -d '='; }
	local text
	text=$(printf '{"alg":"HS256"}' | b64).$(printf '%s' "$1" | b64)
	printf '%s.%s' "$text" "$(printf '%s' "$text" |
		openssl dgst -sha256 -hmac 'a secret of more than thirty-two bytes' -binary | b64)"
}
has() { grep -qi -- "$1"; }
sees() { get "$@" | tr -d '\r'; }

equal "a fixed answer" hello "$(get $url/fixed)"
equal "and its type" text/x "$(field content-type $url/fixed)"
equal "HEAD has no body" "200 0" "$(get -I -o /dev/null -w '%{http_code} %{size_download}' $url/fixed)"
equal "a redirect" "308 http://new.example/a?b=c" \
	"$(get -o /dev/null -w '%{http_code} %{redirect_url}' -H 'Host: old.example' "$url/a?b=c")"
equal "no route: the page of the site" "nothing: 404" "$(get $url/none)"
sees $url/api/head -H 'X-Secret: 1' -H 'X-Forwarded-For: 10.0.0.1' -H 'X_Y: 1' >"$TMP/seen"
check "the path is rewritten" has '^GET /head HTTP/1.1' <"$TMP/seen"
check "a field is set" has '^x-route: cut$' <"$TMP/seen"
check_not "a field is removed" has '^x-secret' <"$TMP/seen"
check "the client's word about itself is replaced" has '^x-forwarded-for: 192.0.2.[0-9]*$' <"$TMP/seen"
check "the request has an identifier" has '^x-request-id: [0-9a-f]\{32\}$' <"$TMP/seen"
check "and a trace" has '^traceparent: 00-[0-9a-f]\{32\}-[0-9a-f]\{16\}-01$' <"$TMP/seen"
check "Via says weir" has '^via: 1.1 weir$' <"$TMP/seen"
check_not "underscores are dropped" has '^x_y' <"$TMP/seen"
equal "the response is edited" 200 "$(field x-seen $url/api/head)"
equal "a path in doubt is refused" 400 "$(status $url/head/a%2fb)"
check "dot segments are gone before the backend sees them" has '^GET /head/x HTTP' \
	< <(sees "$url/head/y/..//%78")
equal "no way around a lock" 401 "$(status $url/head/x/%2e%2e/lock)"

equal "without a name" 401 "$(status $url/head/lock)"
equal "with a wrong one" 401 "$(status -u ann:wrong $url/head/lock)"
equal "with a right one" 200 "$(status -u ann:secret $url/head/lock)"
equal "remembered or not, on both workers" 200 \
	"$(for _ in 1 2 3 4 5 6; do status -u ann:secret $url/head/lock; echo; done | sort -u)"
check_not "the password is not passed on" has '^authorization' < <(sees -u ann:secret $url/head/lock)
equal "a body waits until its password is known" "$(md5sum <"$TMP/large" | cut -d' ' -f1)" \
	"$(get -u bob:other --data-binary @"$TMP/large" $url/md5/lock)"
equal "a body with a wrong one is not sent" 401 "$(status -u bob:wrong --data-binary @"$TMP/large" $url/md5/lock)"
good=$(token "{\"sub\":\"ann\",\"exp\":$(($(date +%s) + 100))}")
equal "without a token" 401 "$(status $url/head/token)"
equal "an expired one" 401 "$(status -H "Authorization: Bearer $(token '{"sub":"ann","exp":1000}')" $url/head/token)"
equal "a forged one" 401 "$(status -H "Authorization: Bearer ${good%?}" $url/head/token)"
check "a good one, and its claim" has '^x-user: ann$' \
	< <(sees -H "Authorization: Bearer $good" -H 'X-User: root' $url/head/token)
equal "a body that is too long" 413 "$(status --data-binary @"$TMP/large" $url/md5/small)"
equal "a preflight" "204 https://a.example" "$(get -X OPTIONS -o /dev/null -H 'Origin: https://a.example' \
	-H 'Access-Control-Request-Method: GET' -w '%{http_code} ' $url/cors)$(field access-control-allow-origin \
	-X OPTIONS -H 'Origin: https://a.example' -H 'Access-Control-Request-Method: GET' $url/cors)"

# The limit is that of both workers together.
equal "three of twelve requests pass" 3 "$(for _ in {1..12}; do status $url/rate; echo; done | grep -c 200)"
check "those above are told when to come again" has '^[0-9]' < <(field retry-after $url/rate)
check "a reload" weir_reload
equal "a reload does not refill the bucket" 429 "$(status $url/rate)"
check "weir route says the same" has 'cut *matches' < <("$WEIR" route "$TMP/weir.yaml" GET $url/api/head)
finish
