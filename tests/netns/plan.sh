#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# `weir plan` says what a reload then does; the history of configurations and the way back.
#
#   c eth0 ------ p0 [ lb ] p1 ------ sw ------ eth0 b1 b2 b3
source "$(dirname "$0")/lib.sh"
WEIRCTL=${WEIRCTL:-${WEIR%/*}/weirctl}
topo_two_arm
for b in b1 b2 b3; do backend_nginx $b 80; done
services() { # BACKENDS of web
	head_two_arm
	cat <<-CONF
		services:
		  - {name: web, vips: [203.0.113.80], port: 80, mode: fullnat, backends: [$1]}
		  - {name: other, vips: [203.0.113.81], port: 80, mode: fullnat, backends: ["198.51.100.13:80"]}
	CONF
}
B1='"198.51.100.11:80"' B2='"198.51.100.12:80"' B3='"198.51.100.13:80"'
services "$B1, $B2" >"$TMP/weir.yaml"
weir_start
field() { "$WEIR" plan -s "$SOCK" -o json "$TMP/next.yaml" | $PYTHON -c "
import json, sys
p = json.load(sys.stdin)
web = next(s for s in p['services'] if s['name'] == 'web')
print($1)"; }

gets 30 http://203.0.113.80/ >/dev/null
exits 0 "$WEIR" plan -s "$SOCK" "$TMP/weir.yaml"
says '^nothing changes$'

# --- one more backend: what is predicted is what happens
services "$B1, $B2, $B3" >"$TMP/next.yaml"
exits 4 "$WEIR" plan -s "$SOCK" "$TMP/next.yaml"
says '^\+ services\[web\].backends\[198.51.100.13:80\]'
says '[0-9.]+% of new flows go to another backend'
says '30 tracked flows, 0 of them on backends that go'
says '198.51.100.13:80 +1 +yes +[0-9.]+% +assumed'
equal "a third of the flows moves" True "$(field "0.32 < web['moved'] < 0.36")"
equal "shares after" True "$(field "all(abs(b['share'] - 1/3) < 0.01 for b in web['backends'])")"
equal "the other service is untouched" unchanged "$(field "next(s['change'] for s in p['services'] if s['name'] == 'other')")"
cp "$TMP/next.yaml" "$TMP/plan-more.yaml"

# --- one fewer
services "$B1" >"$TMP/next.yaml"
on_b2=$("$WEIRCTL" -s "$SOCK" -o json flows --service web | $PYTHON -c 'import json,sys; print(sum(f["backend"] == "198.51.100.12:80" for f in json.load(sys.stdin)["flows"]))')
equal "flows on the backend that goes" "$on_b2" "$(field "web['ending_flows']")"
equal "half of the flows moves" True "$(field "0.45 < web['moved'] < 0.55")"
equal "ports left are counted" True "$(field "60000 < web['port_headroom'] < 64512")"

# --- a service gone, and what needs a restart
{ services "$B1, $B2" | sed '/name: other/d; s/nat_flows: .*/nat_flows: 131072/'; } >"$TMP/next.yaml"
exits 5 "$WEIR" plan -s "$SOCK" "$TMP/next.yaml"
says '^- services\[other\]'
says 'memory.nat_flows: 65536 -> 131072 +\(restart\)'
says 'needs a restart'
equal "memory after" True "$(field "p['memory']['flows'] > p['memory']['flows_now']")"

# --- a bad file, no file, no weir
echo 'ports: 7' >"$TMP/next.yaml"
exits 1 "$WEIR" plan -s "$SOCK" "$TMP/next.yaml"
says 'next.yaml:1:' err
exits 1 "$WEIR" plan -s "$SOCK" "$TMP/nosuch.yaml"
exits 3 "$WEIR" plan -s "$TMP/nosuch.sock" "$TMP/weir.yaml"
exits 2 "$WEIR" plan
equal "no plan changed anything" 1 "$("$WEIR" status -s "$SOCK" -o json | $PYTHON -c 'import json,sys; print(json.load(sys.stdin)["generation"])')"

# --- history and rollback
cp "$TMP/plan-more.yaml" "$TMP/weir.yaml"
check "reload" weir_reload
all() { [ "$(gets 30 http://203.0.113.80/ | awk '{print $1}' | xargs)" = "$1" ]; }
check "the third backend gets flows" wait_for 5 all "b1 b2 b3"
exits 0 "$WEIRCTL" -s "$SOCK" history
says '^ *1 .* start$'
says '^ *2 .* yes +reload$'
exits 0 "$WEIRCTL" -s "$SOCK" config 1
check_not "the first had two backends" grep -q 198.51.100.13:80.*web "$TMP/out"
exits 0 "$WEIRCTL" -s "$SOCK" config
cp "$TMP/out" "$TMP/shown.yaml"
exits 0 "$WEIR" check "$TMP/shown.yaml"
exits 0 "$WEIRCTL" -s "$SOCK" rollback --dry-run
says 'would be put into force'
exits 0 "$WEIRCTL" -s "$SOCK" rollback
says 'configuration 1 is in force again'
check "the third gets no new ones" wait_for 5 all "b1 b2"
exits 0 "$WEIRCTL" -s "$SOCK" history
says '^ *3 .* yes +rollback to 1$'
check "it is done" wait_for 5 reload_done
exits 0 "$WEIRCTL" -s "$SOCK" rollback 2
check "and forth again" wait_for 5 all "b1 b2 b3"
exits 1 "$WEIRCTL" -s "$SOCK" rollback 77
exits 2 "$WEIRCTL" -s "$SOCK" rollback x
finish
