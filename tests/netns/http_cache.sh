#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The HTTP cache with curl in front and a Python origin behind, on two workers: misses, hits, a burst
# that is collapsed, validation, failure, purges by PURGE and by weirctl, bodies from memory.
#
#   c eth0 ------ p0 [ lb ] p1 ------ sw ------ eth0 b1 b2 b3
source "$(dirname "$0")/lib.sh"
topo_two_arm
export WORKERS=2
background b1 "$TMP/origin.log" $PYTHON "$HELPERS/cache_origin.py" 8000 "$TMP/fail"
wait_for 5 port_open b1 8000 || die "origin" "$(cat "$TMP/origin.log")"
config() {
	head_two_arm
	cat <<-CONF
		cache: {memory: 64MiB, disk: 256MiB}
		store: {dir: $TMP/store, low_space: 0, ballast: 0, cache: 0}
		upstreams:
		  origin: {backends: ["198.51.100.11:8000"], outliers: {failures: 0}}
		listeners:
		  - {name: edge, bind: ["203.0.113.80:80"], action: http, site: edge}
		sites:
		  edge: {routes: [{name: all, upstream: origin, cache: {purge_token: s3cret}}]}
	CONF
}
config >"$TMP/weir.yaml"
weir_start
url=http://203.0.113.80
fetch() { ns c curl -sS --noproxy '*' --max-time 20 "$@"; }
said() { fetch -D - -o /dev/null "$@" | tr -d '\r' | sed -n 's/^cache-status: //Ip'; } # Cache-Status
body() { fetch "$@"; }
count() { fetch "$url/count$1"; } # requests that the origin saw
ctl() { "${WEIRCTL:-${WEIR%/*}/weirctl}" -s "$SOCK" "$@"; }

equal "a miss is fetched and stored" "weir; fwd=uri-miss; fwd-status=200; stored" "$(said $url/x/60)"
check "then it is a hit" grep -q '^weir; hit; ttl=' <(said $url/x/60)
equal "with the same body" "answer 1" "$(body $url/x/60)"
equal "the origin was asked once" 1 "$(count /x/60)"

for i in $(seq 30); do fetch "$url/slow/60" -o "$TMP/burst.$i" & burst[i]=$!; done
for i in $(seq 30); do wait "${burst[i]}"; done
equal "thirty clients of one cold object" "30 answer 1" "$(cat "$TMP"/burst.* | sort | uniq -c | xargs)"
equal "one request to the origin" 1 "$(count /slow/60)"

check "stored stale at once" said $url/v/0
equal "it is confirmed by the origin" "weir; fwd=stale; fwd-status=304" "$(said $url/v/0)"

check "an answer before the failure" said $url/down/0
touch "$TMP/fail"
equal "stale serves in the failure" "weir; fwd=stale; fwd-status=503; detail=stale-if-error" "$(said $url/down/0)"
rm "$TMP/fail"

check "tagged" said $url/t/60/red/blue
check "tagged too" said $url/u/60/blue
equal "PURGE without the token" 403 "$(fetch -o /dev/null -w '%{http_code}' -X PURGE $url/t/60/red/blue)"
equal "PURGE by tag" 200 "$(fetch -o /dev/null -w '%{http_code}' -X PURGE -H 'Purge-Token: s3cret' -H 'Surrogate-Key: red' $url/)"
equal "what has the tag is gone" "weir; fwd=uri-miss; fwd-status=200; stored" "$(said $url/t/60/red/blue)"
check "the rest is there" grep -q '^weir; hit' <(said $url/u/60/blue)
check "weirctl purge --dry-run" grep -q '^Nothing was purged; the memory holds [1-9]' <(ctl purge prefix /u/ --dry-run)
check "purges nothing" grep -q '^weir; hit' <(said $url/u/60/blue)
check_not "and refuses what the purge would" ctl purge regex '(' --dry-run
check "weirctl purge prefix" ctl purge prefix /u/
equal "gone by its prefix" "weir; fwd=uri-miss; fwd-status=200; stored" "$(said $url/u/60/blue)"
check "the rest is there" grep -q '^weir; hit' <(said $url/t/60/red/blue)
check "a POST" fetch -d x $url/t/60/red/blue
equal "invalidates its URL" "weir; fwd=uri-miss; fwd-status=200; stored" "$(said $url/t/60/red/blue)"
check "weirctl cache" grep -q HITS <(ctl cache)
check "statistics" grep -q hits <(ctl -o json stats http_cache)

for size in 1000 70000 3000000; do
	want=$($PYTHON -c "import sys; n = $size; sys.stdout.write(('0123456789abcdef' * (n // 16 + 1))[:n])" | md5sum)
	equal "$size bytes, fetched" "$want" "$(body $url/blob/$size | md5sum)"
	equal "$size bytes, from memory" "$want" "$(body $url/blob/$size | md5sum)"
	equal "asked once" 1 "$(count /blob/$size)"
done
equal "a range of it" "cdef0123" "$(body -r 65548-65555 $url/blob/70000)"
equal "parallel readers" "40 $($PYTHON -c "print('0123456789abcdef' * 4375, end='')" | md5sum)" \
	"$(seq 40 | ns c xargs -P 8 -I{} sh -c "curl -sS --noproxy '*' $url/blob/70000 | md5sum" | sort | uniq -c | sed 's/^ *//')"

# What is to be there before it is asked for.
json() { $PYTHON "$HELPERS/json_path.py" "$1"; }
api() { curl -sS --unix-socket "$SOCK" "$@"; }
code() { api -o /dev/null -w '%{http_code}' "$@"; }
sum() { ctl -o json cache preload | json "preload.0.$1"; }
preloaded() { [ "$(sum begun) $(sum active)" = "$1 0" ]; }
equal "no list yet" "There was no list yet." "$(ctl cache preload)"
printf '%s\n' "# of a release" "$url/p/60" "" "$url/blob/80000" >"$TMP/urls"
equal "weirctl cache preload" "Begun: 5 URLs; \`weirctl cache preload\` shows how it goes." \
	"$(ctl cache preload "@$TMP/urls" $url/x/60 $url/count/p https://203.0.113.80/q/60)"
check "all are done" wait_for 10 preloaded 5
equal "stored, there, not stored, failed" "2 1 1 1" "$(sum stored) $(sum already) $(sum not_stored) $(sum failed)"
ctl cache preload >"$TMP/preload"
check "what could not be stored is named" grep -qE "^not stored +200 +$url/count/p\$" "$TMP/preload"
check "and what has no listener" grep -qE '^no route +0 +https://203.0.113.80/q/60$' "$TMP/preload"
check_not "what went well is not" grep -q "$url/p/60" "$TMP/preload"
check "a client's first request is a hit" grep -q '^weir; hit; ttl=' <(said $url/p/60)
check "of a long one, too" grep -q '^weir; hit; ttl=' <(said $url/blob/80000)
equal "the origin was asked once" "1 1" "$(count /p/60) $(count /blob/80000)"
equal "/v1/cache/preload begins a list" 202 "$(code --json "{\"urls\": \"$url/p/60\\n$url/r/60\"}" http://weir/v1/cache/preload)"
check "it is done" wait_for 10 preloaded 2
equal "/v1/cache/preload tells" "stored $url/r/60" "$(api 'http://weir/v1/cache/preload?all=true' | $PYTHON -c 'import json, sys; u = json.load(sys.stdin)["urls"][1]; print(u["result"], u["url"])')"
equal "what is no URL is refused" "422 line 2 is no URL: http://host/path" \
	"$(code --json "{\"urls\": \"$url/s/60\\nftp://x/\"}" http://weir/v1/cache/preload) $(api --json "{\"urls\": \"$url/s/60\\nftp://x/\"}" http://weir/v1/cache/preload | json error)"
equal "and so is nothing" 422 "$(code --json '{"urls": ""}' http://weir/v1/cache/preload)"
check_not "weirctl says so" ctl cache preload nonsense
check_not "a file that is not there" ctl cache preload "@$TMP/nosuch"

# What is asked for most, and what routes did.
fetch -o /dev/null "$url/p/60?[1-40]" >/dev/null # of others, once each
for _ in $(seq 60); do echo "url = $url/p/60"; done | fetch -o /dev/null -K - >/dev/null
ctl cache top hits 1 >"$TMP/top"
equal "weirctl cache top: the one" 2 "$(wc -l <"$TMP/top")"
check "  by requests" grep -qE '^ *6[1-9] .* 203.0.113.80/p/60$' "$TMP/top"
check "  by bytes" grep -q '203.0.113.80/blob/' <(ctl cache top bytes 1)
equal "/v1/cache/top" "203.0.113.80/p/60 1" "$(api 'http://weir/v1/cache/top?count=1' | $PYTHON -c 'import json, sys; o = json.load(sys.stdin)["objects"]; print(o[0]["url"], len(o))')"
equal "  in its order" True "$(api 'http://weir/v1/cache/top?by=bytes' | $PYTHON -c 'import json, sys; o = [r["bytes"] for r in json.load(sys.stdin)["objects"]]; print(len(o) == 20 and o == sorted(o, reverse=True))')"
equal "  no such order, no such count" "422 422" "$(code 'http://weir/v1/cache/top?by=age') $(code 'http://weir/v1/cache/top?count=0')"
routed() { api http://weir/v1/cache | $PYTHON -c "import json, sys; d = json.load(sys.stdin); r = d['routes'][0]; print(r['route'], len(d['routes']), r['hits'] == sum(w['hits'] for w in d['workers']), r['bytes_sent'] > r['bytes_fetched'] > 0)"; }
equal "/v1/cache: the route has what all workers have" "edge/all 1 True True" "$(routed)"
ctl cache routes >"$TMP/routes"
check "weirctl cache routes" grep -qE '^edge/all +[0-9]+ ' "$TMP/routes"
equal "a route and its head" 2 "$(wc -l <"$TMP/routes")"

# The second tier: what was asked for twice is on disk, and so is what was purged, whatever ends the process.
written() { ctl -o json stats cache_disk | $PYTHON -c "import json, sys; print(sum(r['written'] for r in json.load(sys.stdin)['cache_disk']))"; }
all_written() { [ "$(written)" -ge "$1" ]; }
before=$(written)
for path in d/600 e/600/green blob/5000001; do
	said $url/$path >/dev/null
	said $url/$path >/dev/null
done
check "three responses go to disk" wait_for 5 all_written $((before + 3))
check "one of them is purged" ctl purge tag green
sleep 0.5 # the journal of keys is written four times a second
want=$(body $url/blob/5000001 | md5sum)
kill -9 "$weir_pid"
wait "$weir_pid" 2>/dev/null
weir_start
check "after kill -9 a hit from disk" grep -q '^weir; hit; ttl=5[0-9]*; detail=disk$' <(said $url/d/600)
equal "then from memory" 1 "$(said $url/d/600 | grep -c '^weir; hit; ttl=5[0-9]*$')"
equal "with the same body" "answer 1" "$(body $url/d/600)"
equal "five megabytes from disk" "$want" "$(body $url/blob/5000001 | md5sum)"
equal "a range of them" "cdef0123" "$(body -r 4000012-4000019 $url/blob/5000001)"
equal "the origin was not asked again" "1 1" "$(count /d/600) $(count /blob/5000001)"
equal "the purge is not forgotten" "weir; fwd=uri-miss; fwd-status=200; stored" "$(said $url/e/600/green)"
check "weirctl cache tells of the disk" grep -q 'DISK HITS' <(ctl cache)
check "and so do statistics" grep -q '"hits": [1-9]' <(ctl -o json stats cache_disk)
ledger_check
finish
