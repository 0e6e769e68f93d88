#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Action files: curl and what a folder holds, small and large, whole and in ranges; what changes, what
# is compressed beforehand, and what must not be served.
#
#   c eth0 ------ p0 [ lb ] p1 ------ sw ------ eth0 b1 b2 b3
source "$(dirname "$0")/lib.sh"
topo_two_arm
export WORKERS=2
root=$TMP/www
mkdir -p "$root/dir/empty" "$root/.git" "$root/.well-known"
echo "front page" >"$root/index.html"
echo "dir page" >"$root/dir/index.html"
printf '0123456789' >"$root/ten.txt"
: >"$root/nothing.bin"
head -c 200000 /dev/urandom >"$root/small.bin"
head -c 5000000 /dev/urandom >"$root/large.bin"
echo "body { color: red }" >"$root/style.css"
gzip -k "$root/style.css"
printf 'pretended brotli' >"$root/style.css.br"
echo secret >"$root/.git/config"
echo token >"$root/.well-known/acme"
echo outside >"$TMP/outside.txt"
ln -s "$TMP/outside.txt" "$root/escape.txt"
ln -s ten.txt "$root/inside.txt"
ln -s "$TMP" "$root/up"
mkfifo "$root/pipe.txt"
config() {
	head_two_arm
	cat <<-CONF
		listeners:
		  - {name: web, bind: ["203.0.113.80:80"], action: http, routes: [
		      {match: {prefix: /sub/}, rewrite: {prefix: /dir/}, files: {root: "$root"}},
		      {match: {prefix: /links/}, rewrite: {prefix: /}, files: {root: "$root", symlinks: true}},
		      {files: {root: "$root", precompressed: [gzip, br], cache_control: "max-age=60", check: 100ms, cache: 1MiB}}]}
	CONF
}
config >"$TMP/weir.yaml"
weir_start
web=http://203.0.113.80
get() { ns c curl -gsS --path-as-is --noproxy '*' --max-time 20 "$@"; }
status() { get -o /dev/null -w '%{http_code}' "$@"; }
field() { get -o /dev/null -D - "${@:2}" | tr -d '\r' | sed -n "s/^$1: //Ip"; } # NAME CURL-ARGUMENTS
sum() { md5sum | cut -d' ' -f1; }

equal "an index" "front page" "$(get $web/)"
equal "an index of a folder" "dir page" "$(get $web/dir/)"
equal "a folder without its slash" "301 http://203.0.113.80/dir/?a=b" \
	"$(get -o /dev/null -w '%{http_code} %{redirect_url}' "$web/dir?a=b")"
equal "a folder without an index" 404 "$(status $web/dir/empty/)"
equal "rewritten" "dir page" "$(get $web/sub/index.html)"
equal "a folder where it is rewritten" "http://203.0.113.80/sub/empty/" "$(get -o /dev/null -w '%{redirect_url}' $web/sub/empty)"
equal "a small file" "$(sum <"$root/small.bin")" "$(get $web/small.bin | sum)"
equal "a large file" "$(sum <"$root/large.bin")" "$(get $web/large.bin | sum)"
equal "again, from memory" "$(sum <"$root/small.bin")" "$(get $web/small.bin | sum)"
equal "an empty file" "200 0" "$(get -o /dev/null -w '%{http_code} %{size_download}' $web/nothing.bin)"
equal "HEAD" "200 5000000" "$(get -I -o /dev/null -w '%{http_code} ' $web/large.bin)$(field content-length -I $web/large.bin)"
equal "its type" "text/plain; charset=utf-8" "$(field content-type $web/ten.txt)"
equal "a type that is not known" "application/octet-stream" "$(field content-type $web/small.bin)"
equal "Cache-Control" "max-age=60" "$(field cache-control $web/ten.txt)"
equal "nothing there" 404 "$(status $web/none.txt)"
equal "POST" "405 GET, HEAD" "$(status -d x $web/ten.txt) $(field allow -d x $web/ten.txt)"

etag=$(field etag $web/ten.txt)
modified=$(field last-modified $web/ten.txt)
equal "Last-Modified is the file's" "$(date -u -r "$root/ten.txt" '+%a, %d %b %Y %H:%M:%S GMT')" "$modified"
equal "If-None-Match" 304 "$(status -H "If-None-Match: $etag" $web/ten.txt)"
equal "If-None-Match of another" 200 "$(status -H 'If-None-Match: "x"' $web/ten.txt)"
equal "If-Modified-Since" 304 "$(status -H "If-Modified-Since: $modified" $web/ten.txt)"
equal "If-Match of another" 412 "$(status -H 'If-Match: "x"' $web/ten.txt)"
equal "a range" "206 234 bytes 2-4/10" "$(status -r 2-4 $web/ten.txt) $(get -r 2-4 $web/ten.txt) $(field content-range -r 2-4 $web/ten.txt)"
equal "the last bytes" "789" "$(get -r -3 $web/ten.txt)"
equal "from a place on" "89" "$(get -r 8- $web/ten.txt)"
equal "a range behind the end" "416 bytes */10" "$(status -r 10- $web/ten.txt) $(field content-range -r 10- $web/ten.txt)"
equal "a range of a large file" "$(tail -c +1000001 "$root/large.bin" | head -c 2000000 | sum)" \
	"$(get -r 1000000-2999999 $web/large.bin | sum)"
equal "If-Range" "345" "$(get -r 3-5 -H "If-Range: $etag" $web/ten.txt)"
equal "If-Range of another" "0123456789" "$(get -r 3-5 -H 'If-Range: "x"' $web/ten.txt)"
parts() {
	get -D "$TMP/head" -H 'Range: bytes=0-1,5-6,9-' $web/ten.txt >"$TMP/parts"
	$PYTHON - "$TMP/head" "$TMP/parts" <<-'PY'
		import email, sys
		head = open(sys.argv[1]).read().split("\n", 1)
		m = email.message_from_string(head[1].replace("\r", "") .strip() + "\n\n" + open(sys.argv[2], newline="").read())
		assert m.get_content_type() == "multipart/byteranges", m.get_content_type()
		assert int(m["Content-Length"]) == len(open(sys.argv[2], "rb").read())
		print(" ".join(p["Content-Range"] + "=" + p.get_payload().strip() for p in m.get_payload()))
	PY
}
equal "several ranges" "bytes 0-1/10=01 bytes 5-6/10=56 bytes 9-9/10=9" "$(parts)"

equal "gzip for who takes it" "gzip body { color: red }" \
	"$(field content-encoding -H 'Accept-Encoding: gzip' $web/style.css) $(get --compressed -H 'Accept-Encoding: gzip' $web/style.css)"
equal "br is liked better" "br pretended brotli" \
	"$(field content-encoding -H 'Accept-Encoding: gzip, br' $web/style.css) $(get -H 'Accept-Encoding: gzip, br' $web/style.css)"
equal "neither for who does not" "body { color: red }" "$(get $web/style.css)"
equal "which Vary says" "Accept-Encoding" "$(field vary $web/style.css)"
check_not "and their tags differ" test "$(field etag -H 'Accept-Encoding: gzip' $web/style.css)" = "$(field etag $web/style.css)"

for path in /../outside.txt /..%2foutside.txt /%2e%2e/outside.txt /dir/../../outside.txt /up/outside.txt \
	/escape.txt /inside.txt /.git/config /pipe.txt /ten.txt/ /ten.txt%00.html /links/escape.txt /links/up/outside.txt; do
	got=$(get -w ' %{http_code}' "$web$path")
	case $got in
	*outside* | *secret* | *0123456789*) fail "$path is not served" "$got" ;;
	*40[04]) pass "$path is not served" ;;
	*) fail "$path is not served" "$got" ;;
	esac
done
equal "a link inside, where links are followed" "0123456789" "$(get $web/links/inside.txt)"
equal ".well-known" token "$(get $web/.well-known/acme)"

printf 'changed!!' >"$root/ten.txt"
sleep 0.3
equal "a file that changed" "changed!!" "$(get $web/ten.txt)"
check_not "has another tag" test "$etag" = "$(field etag $web/ten.txt)"
rm "$root/ten.txt"
sleep 0.3
equal "a file that is gone" 404 "$(status $web/ten.txt)"
echo new >"$root/none.txt"
sleep 0.3
equal "a file that is new" new "$(get $web/none.txt)"

# More than the cache holds, many at a time: every one whole.
for i in $(seq 20); do head -c 150000 /dev/urandom >"$root/f$i.bin"; done
(cd "$root" && md5sum f*.bin large.bin) | sort >"$TMP/want"
mkdir "$TMP/got"
(cd "$TMP/got" && get --parallel --parallel-max 12 $(for i in $(seq 20); do echo "$web/f$i.bin -o f$i.bin"; done) $web/large.bin -o large.bin) 2>"$TMP/err"
equal "twenty-one at a time" "$(cat "$TMP/want")" "$(cd "$TMP/got" && md5sum *.bin | sort)"
slow() { get --limit-rate 2M $web/large.bin | sum; }
equal "a slow client" "$(sum <"$root/large.bin")" "$(slow)"
ns c curl -s --noproxy '*' --limit-rate 100k --max-time 1 -o /dev/null $web/large.bin
equal "after one that left" "new" "$(get $web/none.txt)"
finish
