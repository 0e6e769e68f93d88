#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every command of weirctl against a running weir with traffic.
#
#   c eth0 ------ p0 [ lb ] p1 ------ sw ------ eth0 b1 b2 b3
source "$(dirname "$0")/lib.sh"
WEIRCTL=${WEIRCTL:-${WEIR%/*}/weirctl}
topo_two_arm
export WORKERS=2
for b in b1 b2; do backend_nginx $b 80; done
config() {
	head_two_arm
	cat <<-CONF
		services:
		  - {name: web, vips: [203.0.113.80, "2001:db8:80::80"], port: 80, mode: fullnat, backends: ["198.51.100.11:80", "198.51.100.12:80"], health: {type: tcp, interval: 300ms, timeout: 300ms, rise: 1, fall: 10}, deny: [192.0.2.99]}
		  - {name: dark, vips: [203.0.113.83], port: 80, mode: fullnat, backends: ["198.51.100.99:80"], health: {type: tcp, interval: 200ms, timeout: 150ms, rise: 1, fall: 2}}
		  - {name: dns, vips: [203.0.113.81], port: 53, protocol: udp, mode: ipip, backends: ["198.51.100.11", "198.51.100.12"]}
		listeners:
		  - {name: proxy, bind: ["203.0.113.82:80"], action: tcp_proxy, backends: ["198.51.100.11:80", "198.51.100.12:80"]}
		  - {name: echo, bind: ["203.0.113.82:7"], action: echo}
		  - {name: www, bind: ["203.0.113.84:80"], action: http, site: main}
		upstreams: {pool: {backends: ["198.51.100.11:80", "198.51.100.12:80"]}, second: {backends: ["198.51.100.13:80"]}}
		sites: {main: {routes: [{name: second, match: {prefix: [/second]}, upstream: second}, {name: all, upstream: pool}]}}
	CONF
}
config >"$TMP/weir.yaml"
weir_start

ctl() { "$WEIRCTL" -s "$SOCK" "$@"; }
value() { $PYTHON "$HELPERS/json_path.py" "$1"; }

up() { [ "$(ctl -o json backends | value backends.0.state)$(ctl -o json backends | value backends.1.state)" = upup ]; }
check "backends come up" wait_for 10 up
gets 20 http://203.0.113.80/ >/dev/null
ns c timeout 30 $PYTHON "$HELPERS/tcp_client.py" hold 203.0.113.82 7 2 >/dev/null 2>&1 &
pids+=($!)
check "traffic of the proxy" get http://203.0.113.82/
check "traffic of HTTP" get http://203.0.113.84/

# --- what it shows
exits 0 ctl status
says '^weir [0-9.]+  pid [0-9]+  up'
says '^ *WORKER'
exits 0 ctl vips
says '^203.0.113.80 +80 +tcp +web +2/2 +20 +20 +20'
says '^2001:db8:80::80 +80 +tcp +web +2/2 +0 +- +-'
says '^203.0.113.83 +80 +tcp +dark +0/1'
exits 0 ctl backends
says '^service +web +198.51.100.11:80 +up'
says '^service +dark +198.51.100.99:80 +down'
says '^listener +proxy +198.51.100.12:80 +up'
exits 0 ctl flows
says 'tcp +192.0.2.10:[0-9]+ +203.0.113.80:80 +web +198.51.100.1[12]:80 +198.51.100.1:[0-9]+'
equal "flows: as many as were made" 20 "$(ctl -o json flows --service web | $PYTHON -c 'import json,sys; print(len(json.load(sys.stdin)["flows"]))')"
equal "flows: a limit" "5 True" "$(ctl -o json flows -n 5 | $PYTHON -c 'import json,sys; f=json.load(sys.stdin); print(len(f["flows"]), f["more"])')"
equal "flows: of another client" 0 "$(ctl -o json flows --client 192.0.2.11 | $PYTHON -c 'import json,sys; print(len(json.load(sys.stdin)["flows"]))')"
exits 1 ctl flows --service nosuch
says "no service 'nosuch'" err
exits 0 ctl conns
says 'echo +(- +)?203.0.113.82:7 +192.0.2.10:[0-9]+ +established'
exits 0 ctl listeners
says '^proxy +tcp_proxy +[0-9]+ +1 '
exits 0 ctl health
says '198.51.100.99 .* down'
exits 0 ctl drop-reasons
says 'arp_re(quest|ply) '
exits 0 ctl drop-reasons all
says 'l4_no_backend '
exits 0 ctl stats workers
says 'turn_s'
exits 1 ctl stats nosuch
says "no statistics 'nosuch'; there are: process workers" err
exits 0 ctl top -n 2 -w 0.2
says 'WORKER +CORE +BUSY'
says '^web +2/2'
says '^web 198.51.100.1[12]:80 +up '
says '^proxy 198.51.100.1[12]:80 +up '
says '^pool 198.51.100.1[12]:80 +up '
says '^HTTP ROUTE +REQ/s'
says '^main/all +[0-9.k]+ +0 +0 '
exits 0 script -qec "$WEIRCTL -s $SOCK top -n 1 -w 0.2" /dev/null
check "top: it takes the other screen and gives it back" bash -c "grep -qF $'\e[?1049h' '$TMP/out' && grep -qF $'\e[?1049l' '$TMP/out'"
ctl --color always backends >"$TMP/out"
check "colours when asked for" grep -qF $'\e[32mup' "$TMP/out"
ctl backends >"$TMP/out"
check_not "none without a terminal" grep -qF $'\e' "$TMP/out"
check "watch: again and again" bash -c "timeout 2 '$WEIRCTL' -s '$SOCK' vips -w 0.2 >'$TMP/out'; [ \$(grep -c ^VIP '$TMP/out') -ge 3 ]"

# --- explain: the same as what happens
exits 0 ctl explain 192.0.2.10:4000 203.0.113.80:80
says "service +service 'web'"
says 'schedule .* slot [0-9]+ of 65537, 2 backends'
says 'route .* port back'
says 'verdict +forwarded'
for port in 4001 4002 4003 4004; do
	want=$(ctl -o json explain 192.0.2.10:$port 203.0.113.80:80 | $PYTHON -c 'import json,sys; print(next(s["backend"] for s in json.load(sys.stdin)["steps"] if s["step"]=="backend"))')
	got=$(ns c curl -sS --noproxy '*' --local-port $port http://203.0.113.80/ | awk '{print $3}')
	equal "explain names the backend that answers port $port" "$want" "$got:80"
done
exits 0 ctl explain tcp 192.0.2.10:4001 203.0.113.80:80 --ack
says 'flow +tracked'
exits 0 ctl explain tcp 192.0.2.10:5999 203.0.113.80:80 --ack
says 'dropped: l4_no_flow'
exits 0 ctl explain 192.0.2.10:4000 203.0.113.80:81
says 'dropped: l4_no_service'
exits 0 ctl explain 192.0.2.99:4000 203.0.113.80:80
says 'dropped: l4_denied'
exits 0 ctl explain 192.0.2.10:4000 203.0.113.83:80
says 'dropped: l4_rejected'
exits 0 ctl explain udp 192.0.2.10:4000 203.0.113.81:53
says 'by ipip'
exits 0 ctl explain 192.0.2.10:4000 203.0.113.82:7
says "listener 'echo' accepts"
exits 0 ctl explain 192.0.2.10:4000 10.9.8.7:80
says 'dropped: not_local'
before=$(reason l4_denied)
ctl explain 192.0.2.99:4000 203.0.113.80:80 >/dev/null
equal "explain counts nothing" "$before" "$(reason l4_denied)"
exits 1 ctl explain 192.0.2.10 203.0.113.80:80
says 'port' err

# --- changes
state() { ctl -o json backends | value "backends.$1.state"; }
settled() { [ "$(state 0)" = "$1" ] && [ "$(ask status reload_done)" = true ]; }
exits 0 ctl drain web 198.51.100.11:80 --dry-run
says '198.51.100.11:80 +1 +no +[0-9.]+% +0.0%'
says 'Nothing was changed'
equal "a dry run changes nothing" up "$(state 0)"
exits 0 ctl drain web 198.51.100.11:80
says 'Done'
check "the backend is drained" wait_for 5 settled drain
only() { [ "$(gets 20 http://203.0.113.80/ | awk '{print $1}' | xargs)" = "$1" ]; }
check "nothing new goes there" wait_for 5 only b2
exits 0 ctl overrides
says '^service +web +198.51.100.11:80 +yes'
exits 0 ctl enable web 198.51.100.11
check "and again after enable" wait_for 5 only "b1 b2"
exits 0 ctl disable web 198.51.100.12:80
check "out of service" wait_for 5 only b1
exits 0 ctl weight web 198.51.100.12:80 5
exits 0 ctl enable web 198.51.100.12:80
equal "nothing stands over the configuration" "(none)" "$(ctl overrides)"
exits 0 ctl weight web 198.51.100.12:80 0
check "weight 0 drains" wait_for 5 only b1
exits 0 ctl --listener disable proxy 198.51.100.11:80
only_proxy() { [ "$(gets 12 http://203.0.113.82/ | awk '{print $1}' | xargs)" = "$1" ]; }
check "of a listener" wait_for 5 only_proxy b2
only_http() { [ "$(gets 12 http://203.0.113.84/ | awk '{print $1}' | xargs)" = "$1" ]; }
check "HTTP goes to both servers of the pool" wait_for 10 only_http "b1 b2"
exits 0 ctl -u drain pool 198.51.100.12:80
check "of a pool of HTTP servers" wait_for 5 only_http b1
exits 0 ctl backends
says '^upstream +pool +198.51.100.12:80 +drain'
exits 1 ctl drain web 198.51.100.77:80
says 'no backend' err
exits 1 ctl drain nosuch 198.51.100.11:80
says "no service 'nosuch'" err
exits 0 ctl reload
says 'reloaded: generation'
check "a reload forgets them" wait_for 5 only "b1 b2"
check "those of HTTP servers too" wait_for 5 only_http "b1 b2"
equal "all of them" "(none)" "$(ctl overrides)"

exits 0 ctl cache
exits 0 ctl log-level debug
exits 0 ctl log-level info
exits 0 ctl log-level error --dry-run
says 'Nothing was changed'
reloads() { grep -c 'msg="reloaded"' "$TMP/weir.log"; }
before=$(reloads)
exits 0 ctl reload
equal "a dry run changes no level" $((before + 1)) "$(reloads)"
exits 1 ctl log-level loud
exits 0 ctl store
says 'no store'
exits 1 ctl purge all
exits 2 ctl purge nosuch

# --- the command line
exits 2 ctl
exits 2 ctl nosuch
exits 2 ctl statsu
says "no command 'statsu'; did you mean 'status'" err
exits 2 ctl drain web
exits 2 ctl weight web 198.51.100.11 many
exits 2 ctl status --dry-run
exits 2 ctl -o xml status
exits 2 ctl --nosuch status
equal "one line and a hint, no more" "weirctl: unknown option '--nosuch'" "$(grep -v ^Try "$TMP/err")"
exits 2 ctl -Q status
says "unknown option '-Q'" err
exits 2 ctl status --watch
says "missing behind '--watch'" err
exits 1 ctl config 99
equal "config: a reason, no JSON" "weirctl: no such configuration is kept" "$(cat "$TMP/err")"
exits 3 "$WEIRCTL" -s "$TMP/nosuch.sock" status
says 'no weir listens here' err
exits 0 ctl help
exits 0 ctl help drain
exits 0 ctl --version
exits 0 env WEIR_SOCKET="$SOCK" "$WEIRCTL" status
# --- a request: what `weir route` says of the file, and the servers as they are now
request() { # URL FIELD...
	local url=$1 f args=()
	shift
	for f in "$@"; do args+=(-H "$f"); done
	ctl explain GET "$url" "${args[@]}" >"$TMP/out" 2>"$TMP/err"
	equal "explain GET $url: exit status" 0 $?
	"$WEIR" route "$TMP/weir.yaml" GET "$url" "$@" >"$TMP/route"
	check "  the same as weir route" diff "$TMP/route" <(sed '/^its servers now$/,$d' "$TMP/out" | sed '$d')
}
request http://203.0.113.84/a/b?c 'X-Test: 1' 'Cookie: a=b'
says 'its servers now'
says '^198.51.100.11:80 +up +1 '
exits 0 ctl drain -u pool 198.51.100.11
exits 0 ctl explain GET http://203.0.113.84/
says '^198.51.100.11:80 +drain '
says_not '^  198.51.100.11:80 '
says '^  198.51.100.12:80 +1 of 1'
exits 0 ctl enable -u pool 198.51.100.11
ctl explain GET http://203.0.113.84/second >"$TMP/out"
says '^SERVER +STATE +WEIGHT +OVERRIDE +ACTIVE +REQUESTS +CONNS'
says '^198.51.100.13:80 +up +1 +0 +0 +0'
equal "as JSON" "pool 2" "$(ctl -o json explain GET http://203.0.113.84/ | $PYTHON -c 'import json,sys; o=json.load(sys.stdin); print(o["upstream"]["name"], len(o["servers"]))')"
exits 0 ctl explain GET http://203.0.113.84/ --via www -c 198.51.100.7
says 'from 198.51.100.7: listener www'
exits 1 ctl explain GET http://203.0.113.84/ --via wwww
says "did you mean 'www'" err
exits 1 ctl explain GET 'http://203.0.113.84/a b'
says 'a character that no request can have' err
exits 1 ctl explain GET http://203.0.113.84/ -H nonsense
says 'no header field' err
exits 2 ctl explain 192.0.2.10:1 203.0.113.80:80 -H 'A: b'

ctl completion bash >"$TMP/completion"
complete_words() { # WORDS...: what bash would offer
	bash -c '
		. "$1"; shift
		PATH=${WEIRCTL%/*}:$PATH
		COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}
		_weirctl; printf "%s\n" "${COMPREPLY[@]}"' _ "$TMP/completion" "$@" | xargs
}
export WEIRCTL
equal "completion: commands" "drain drop-reasons" "$(complete_words weirctl dr | tr " " "\n" | sort | xargs)"
equal "completion: kinds of statistics" "$(ctl -o json stats | $PYTHON -c 'import json,sys; print(*sorted(json.load(sys.stdin)))')" \
	"$(complete_words weirctl stats '' | tr ' ' '\n' | sort | xargs)"
equal "completion: options" "--watch" "$(complete_words weirctl --wa)"
equal "completion: behind an option's argument" "--watch" "$(complete_words weirctl -H x explain --wa)"
equal "completion: names of the running process" web "$(complete_words weirctl -s "$SOCK" drain w)"
exits 0 ctl stop
stopped() { ! kill -0 "$weir_pid" 2>/dev/null; }
check "stop: it is gone" wait_for 15 stopped
weir_pid=
finish
