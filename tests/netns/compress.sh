#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Policy compress: what curl gets of text, of small and coded bodies, of streams without a length; and
# that it is what the backend sent.
#
#   c eth0 ------ p0 [ lb ] p1 ------ sw ------ eth0 b1 b2 b3
source "$(dirname "$0")/lib.sh"
topo_two_arm
export WORKERS=2
cat >"$TMP/backend.py" <<'PY'
import gzip, http.server, time

TEXT = b"".join(b"line %d of a text that can be compressed\n" % i for i in range(30000))
FIELDS = {"/text": [], "/tagged": [("ETag", '"abc"'), ("Accept-Ranges", "bytes")],
          "/fixed": [("Cache-Control", "public, no-transform")], "/vary": [("Vary", "Origin")]}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, body, fields, kind="text/plain; charset=utf-8"):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        for name, value in fields:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_GET(self):
        if self.path in FIELDS:
            self.answer(TEXT, FIELDS[self.path])
        elif self.path == "/small":
            self.answer(b"small", [])
        elif self.path == "/image":
            self.answer(TEXT, [], "image/png")
        elif self.path == "/coded":
            self.answer(gzip.compress(TEXT), [("Content-Encoding", "gzip")])
        elif self.path == "/slow":  # a stream: each line must not wait for the next
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for i in range(3):
                self.wfile.write(b"6\r\npart%d\n\r\n" % i)
                time.sleep(1)
            self.wfile.write(b"0\r\n\r\n")

    do_HEAD = do_GET

    def log_message(self, *args):
        pass


http.server.ThreadingHTTPServer(("", 8000), Handler).serve_forever()
PY
background b1 "$TMP/backend.log" $PYTHON "$TMP/backend.py"
wait_for 5 port_open b1 8000 || die "backend" "$(cat "$TMP/backend.log")"
conf_log() { echo "access_log: {path: $TMP/access.log}"; }
config() {
	head_two_arm
	cat <<-CONF
		upstreams:
		  web: {backends: ["198.51.100.11:8000"]}
		listeners:
		  - {name: all, bind: ["203.0.113.80:80"], action: http, site: all}
		  - {name: few, bind: ["203.0.113.80:81"], action: http, site: few}
		sites:
		  all: {policies: {compress: {}}, routes: [
		      {match: {prefix: /plain}, rewrite: {prefix: /}, upstream: web, policies: {inherit: false}}, {upstream: web}]}
		  few: {policies: {compress: {codings: [gzip], streams: 1}}, routes: [{upstream: web}]}
	CONF
}
{ config; conf_log; } >"$TMP/weir.yaml"
weir_start
web=http://203.0.113.80
get() { ns c curl -gsS --noproxy '*' --max-time 20 "$@"; }
field() { get -o /dev/null -D - "${@:2}" | tr -d '\r' | sed -n "s/^$1: //Ip"; } # NAME CURL-ARGUMENTS
sum() { md5sum | cut -d' ' -f1; }
want=$(get $web/text | sum)
whole=$(get $web/text | wc -c)

equal "who asks for nothing gets it plain" "" "$(field content-encoding $web/text)"
for c in gzip br zstd; do
	equal "$c" "$c" "$(field content-encoding -H "Accept-Encoding: $c" $web/text)"
	size=$(get -H "Accept-Encoding: $c" $web/text | wc -c)
	at_most "$c is smaller" $((whole / 5)) "$size"
done
equal "gzip decodes to what was sent" "$want" "$(get -H 'Accept-Encoding: gzip' $web/text | gzip -d | sum)"
equal "br, as curl decodes it" "$want" "$(get --compressed -H 'Accept-Encoding: br' $web/text | sum)"
equal "zstd, as curl decodes it" "$want" "$(get --compressed -H 'Accept-Encoding: zstd' $web/text | sum)"
equal "what is liked best" "gzip" "$(field content-encoding -H 'Accept-Encoding: br;q=0.5, gzip, zstd;q=0' $web/text)"
equal "to HTTP/1.0" "$want" "$(get -0 -H 'Accept-Encoding: gzip' $web/text | gzip -d | sum)"
equal "a length is not said" "" "$(field content-length -H 'Accept-Encoding: gzip' $web/text)"
equal "the tag becomes weak" 'W/"abc"' "$(field etag -H 'Accept-Encoding: gzip' $web/tagged)"
equal "ranges are not offered" "" "$(field accept-ranges -H 'Accept-Encoding: gzip' $web/tagged)"
equal "as it stands otherwise" '"abc"' "$(field etag $web/tagged)"
equal "Vary" "Accept-Encoding" "$(field vary -H 'Accept-Encoding: gzip' $web/text)"
equal "Vary for who gets it plain" "Accept-Encoding" "$(field vary $web/text)"
equal "Vary of the backend stays" "Origin Accept-Encoding" "$(field vary -H 'Accept-Encoding: gzip' $web/vary | xargs)"
equal "HEAD" "" "$(field content-encoding -I -H 'Accept-Encoding: gzip' $web/text)"
equal "no-transform" "$want" "$(get -H 'Accept-Encoding: gzip' $web/fixed | sum)"
equal "small bodies" "small" "$(get -H 'Accept-Encoding: gzip' $web/small)"
equal "other types" "$want" "$(get -H 'Accept-Encoding: gzip' $web/image | sum)"
equal "coded by the backend" "$want" "$(get -H 'Accept-Encoding: gzip' $web/coded | gzip -d | sum)"
equal "a route without" "" "$(field content-encoding -H 'Accept-Encoding: gzip' $web/plain/text)"
equal "only what is configured" "gzip" "$(field content-encoding -H 'Accept-Encoding: br, gzip;q=0.1' $web:81/text)"

first_part() { # a stream's first part comes while the others are not sent yet
	ns c timeout 1 curl -gsSN --noproxy '*' --compressed -H 'Accept-Encoding: gzip' $web/slow
	return 0
}
equal "streams are not held back" "part0" "$(first_part | head -n 1)"
equal "and arrive whole" "part0 part1 part2" "$(get --compressed -H 'Accept-Encoding: br' $web/slow | xargs)"
equal "many at a time" "$(for _ in $(seq 24); do echo "$want"; done)" "$(
	for i in $(seq 24); do
		c=$(awk -v i="$i" 'BEGIN{print i % 3 == 0 ? "gzip" : i % 3 == 1 ? "br" : "zstd"}')
		get --compressed -H "Accept-Encoding: $c" $web:$((80 + i % 2))/text | sum &
	done
	wait
)"
# One that leaves midway.
ns c curl -s --noproxy '*' --limit-rate 1k --max-time 1 -o /dev/null -H 'Accept-Encoding: zstd' $web/text
equal "after one that left" "$want" "$(get --compressed -H 'Accept-Encoding: zstd' $web/text | sum)"
finish
