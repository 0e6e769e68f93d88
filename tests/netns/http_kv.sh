#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The store over HTTP: curl, conditions, batches and listings, beside redis-cli on the same keys.
#
#   c eth0 ------ p0 [ lb ] p1 ------ sw ------ eth0 b1 b2 b3
source "$(dirname "$0")/lib.sh"
topo_two_arm
export WORKERS=2
config() {
	head_two_arm
	cat <<-CONF
		store: {dir: "$TMP/store", shards: 2, block_cache: 8MiB, memtable: 8MiB, namespaces: {default: always, other: volatile}}
		listeners:
		  - {name: kv, bind: ["203.0.113.80:80"], action: http, site: kv}
		  - {name: redis, bind: ["203.0.113.80:6379"], action: resp}
		sites:
		  kv:
		    routes:
		      - {match: {prefix: [/kv]}, kv: {max_value: 1MiB, list_max: 100}}
		      - {match: {prefix: [/ro]}, kv: {namespaces: [default], read_only: true}}
	CONF
}
config >"$TMP/weir.yaml"
weir_start
url=http://203.0.113.80/kv/default
req() { ns c curl -sS --noproxy '*' --max-time 10 "$@"; }
status() { req -o /dev/null -w '%{http_code}' "$@"; }
field() { # NAME ARGS...
	local name=$1
	shift
	req -D - -o /dev/null "$@" | tr -d '\r' | sed -n "s/^$name: //Ip"
}
redis() { ns c redis-cli -h 203.0.113.80 "$@"; }

equal "nothing there" 404 "$(status $url/a)"
equal "as RFC 9457 says it" application/problem+json "$(field content-type $url/a)"
equal "a new key" 201 "$(status -T - $url/a <<<hello)"
equal "its value" hello "$(req $url/a)"
etag=$(field etag $url/a)
equal "not changed since" 304 "$(status -H "If-None-Match: $etag" $url/a)"
equal "replaced" 204 "$(status -T - $url/a <<<again)"
equal "it has another version" 1 "$([ "$(field etag $url/a)" != "$etag" ] && echo 1)"
equal "the old version may not be replaced" 412 "$(status -T - -H "If-Match: $etag" $url/a <<<lost)"
etag=$(field etag -T - $url/a <<<third)
equal "the version that a PUT told is that of the key" "$etag" "$(field etag $url/a)"
equal "with it a write goes through" 204 "$(status -T - -H "If-Match: $etag" $url/a <<<fourth)"
equal "only if there is none" 412 "$(status -T - -H 'If-None-Match: *' $url/a <<<x)"
equal "the Redis protocol sees it" fourth "$(redis get a)"
redis set b 41 >/dev/null
equal "and the other way round" 41 "$(req $url/b)"
equal "a number is added to" 42 "$(req -X PATCH -d '{"increment": 1}' $url/b)"
equal "a text is appended to" 42nd "$(req -X PATCH -d '{"append": "nd"}' $url/b)"
equal "which is no number any more" 422 "$(status -X PATCH -d '{"increment": 1}' $url/b)"
equal "a key that expires" 201 "$(status -T - -H 'TTL: 100' $url/t <<<x)"
check "says for how long" grep -qxE '(99|100)' <(field ttl $url/t)
equal "a bad TTL" 400 "$(status -T - -H 'TTL: soon' $url/t <<<x)"
redis hset h f v >/dev/null
equal "a collection is no value" 409 "$(status $url/h)"
equal "a slash and a blank in a key" 201 "$(status -T - $url/x/y%20z <<<bytes)"
equal "are those of the key" bytes "$(redis get "x/y z" | head -n 1)"
head -c 1000000 /dev/urandom >"$TMP/blob"
equal "a large value" 201 "$(status -T "$TMP/blob" $url/blob)"
equal "comes back whole" "$(sha256sum <"$TMP/blob")" "$(req $url/blob | sha256sum)"
# Clients that ask for it and read nothing take neither the buffers nor all of the memory for requests.
equal "sixty slow readers leave room for others" "200 first" "$(ns c $PYTHON -c '
import socket, time, urllib.request
held = []
for i in range(60):
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    s.connect(("203.0.113.80", 80))
    s.sendall(b"GET /kv/default/blob HTTP/1.1\r\nHost: a\r\n\r\n")
    held.append(s)
time.sleep(0.5)
urllib.request.install_opener(urllib.request.build_opener(urllib.request.ProxyHandler({})))
put = urllib.request.Request("http://203.0.113.80/kv/default/quick", data=b"first", method="PUT")
urllib.request.urlopen(put, timeout=5).read()
r = urllib.request.urlopen("http://203.0.113.80/kv/default/quick", timeout=5)
print(r.status, r.read().decode())')"
equal "and it comes back whole again" "$(sha256sum <"$TMP/blob")" "$(req $url/blob | sha256sum)"
head -c 5000000 /dev/zero | tr '\0' x | redis -x set long >/dev/null
equal "one of the Redis protocol that is too long to be sent" 409 "$(status $url/long)"
head -c 2000000 /dev/zero >"$TMP/large"
equal "one that is too large" 413 "$(status -T "$TMP/large" $url/large)"
equal "a batch" '{"get": {"a": "fourth\u000a", "none": null}, "written": 3}' \
	"$(req -d '{"get": ["a", "none"], "put": {"p1": "1", "p2": "2"}, "delete": ["b"]}' $url | cat)"
equal "was done" "1 2 404" "$(req $url/p1) $(req $url/p2) $(status $url/b)"
equal "a batch that is none" 422 "$(status -d '{"get": "a"}' $url)"
redis eval 'return 1' 0 >/dev/null 2>&1
for i in $(seq 250); do echo "set list:$i $i"; done | ns c redis-cli -h 203.0.113.80 >/dev/null
list() { # all pages
	local cursor='' page
	while :; do
		page=$(req "$url?prefix=list:&limit=40${cursor:+&cursor=$cursor}")
		$PYTHON -c 'import json, sys; [print(k["key"]) for k in json.load(sys.stdin)["keys"]]' <<<"$page"
		cursor=$($PYTHON -c 'import json, sys; print(json.load(sys.stdin).get("cursor", ""))' <<<"$page")
		[ -n "$cursor" ] || break
	done
}
equal "a listing has each key once" "250 250" "$(list | wc -l) $(list | sort -u | wc -l)"
equal "a cursor that is none" 400 "$(status "$url?cursor=77")"
equal "removed" 204 "$(status -X DELETE $url/a)"
equal "gone" 404 "$(status -X DELETE $url/a)"
equal "another namespace" 201 "$(status -T - http://203.0.113.80/kv/other/a <<<x)"
equal "no such namespace" 404 "$(status http://203.0.113.80/kv/none/a)"
equal "read only" 403 "$(status -T - http://203.0.113.80/ro/default/a <<<x)"
equal "a namespace that the route does not serve" 404 "$(status http://203.0.113.80/ro/other/a)"
equal "no such method" 405 "$(status -X POST $url/a)"
check "the document is JSON" $PYTHON -c 'import json, sys; json.load(sys.stdin)["paths"]' < <(req http://203.0.113.80/kv/openapi.json)
ledger_check
finish
