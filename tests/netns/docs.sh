#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What the documents say: every block `sh run` is run against the quick start's own configuration, every
# whole configuration is read, every statistic that a rule or a dashboard names exists, links lead somewhere.
#
#   c eth0 ------ p0 [ lb ] p1 ------ sw ------ eth0 b1 b2 b3
source "$(dirname "$0")/lib.sh"
topo_two_arm
for b in b1 b2; do backend_nginx $b 80; done
SOCK=$TMP/weir.sock
sed "s/iface=eth1/iface=p0/; s/iface=eth2/iface=p1/; s|/run/weir.sock|$SOCK|" docs/examples/quickstart.yaml >"$TMP/weir.yaml"
weir_start
up() { [ "$(ask services services.service=web.backends.0.state)$(ask services services.service=web.backends.1.state)" = upup ]; }
check "the quick start's backends come up" wait_for 15 up
equal "and serve" "b1 b2" "$(gets 20 http://203.0.113.80/ | awk '{print $1}' | xargs)"

cat >"$TMP/blocks.py" <<'PY'
import re, sys
kind, path = sys.argv[1:]
text = open(path).read()
for m in re.finditer(r"^```([^\n]*)\n(.*?)^```$", text, re.M | re.S):
    if m.group(1).strip() != kind:
        continue
    body = m.group(2)
    if kind == "yaml":
        if re.search(r"^ports:", body, re.M):
            sys.stdout.write(body + "\0")
    else:
        for line in re.sub(r"\\\n\s*", " ", body).splitlines():
            line = line.strip()
            if line and not line.startswith("#"):
                print(line)
PY
# The examples name files below /etc/weir; here they are elsewhere.
. "$HELPERS/etc_weir.sh"
etc_weir "$TMP/etc" || die "the examples' files" "$(cat "$TMP/etc.log")"
export WEIR_SOCKET=$SOCK
bin=$(dirname "$WEIR")
# Commands that need another machine than the quick start's: how many, and the test that runs them.
elsewhere() { # PAGE
	local cnt=0 where=none
	case ${1#docs/} in
	quickstart.md) cnt=2 where=tests/scripts/install.sh ;; # and package.sh
	howto/bare-metal.md) cnt=2 where=tests/scripts/host.sh ;;
	operations.md) cnt=2 where=tests/netns/admin_tls.sh ;;
	howto/cache.md) cnt=6 where=tests/netns/docs_howto.sh ;;
	howto/https.md) cnt=3 where=tests/netns/docs_howto.sh ;;
	howto/redis.md) cnt=6 where=tests/netns/docs_howto.sh ;;
	esac
	equal "$1: commands that another test runs ($where)" $cnt "$($PYTHON "$TMP/blocks.py" sh "$1" | wc -l)"
	equal "$1: no command stands outside of a block" "" "$(grep -nE '^    (sudo |WEIR_[A-Z]*=|weir |weirctl |scripts/|make )' "$1")"
	[ $where = none ] || check "  which is there" test -x $where
}
for doc in docs/quickstart.md docs/concepts.md docs/operations.md docs/troubleshooting.md docs/monitoring.md docs/howto/*.md; do
	n=0
	while read -r line; do
		n=$((n + 1))
		if [[ $line =~ docs/examples/(from-nginx.yaml) ]]; then
			sed "s|/etc/weir|$TMP/etc|g" "${BASH_REMATCH[0]}" >"$TMP/${BASH_REMATCH[1]}"
			line=${line/"${BASH_REMATCH[0]}"/"$TMP/${BASH_REMATCH[1]}"}
		fi
		if ns lb env PATH="$bin:$PATH" WEIR_SOCKET="$SOCK" bash -c "$line" >"$TMP/run" 2>&1 </dev/null; then
			pass "$doc: $line"
		else
			fail "$doc: $line" "exit status $?: $(tail -n 5 "$TMP/run")"
		fi
	done < <($PYTHON "$TMP/blocks.py" 'sh run' "$doc")
	at_least "$doc has commands that run" 1 $n
	elsewhere "$doc"
	while IFS= read -r -d '' yaml; do
		printf '%s' "$yaml" | sed "s|/etc/weir|$TMP/etc|g" >"$TMP/block.yaml"
		check "$doc: a configuration" "$WEIR" check "$TMP/block.yaml"
	done < <($PYTHON "$TMP/blocks.py" yaml "$doc")
	for link in $(grep -oE '\]\([a-zA-Z][^):#]*\)' "$doc" | tr -d '()]'); do
		check "$doc: link to $link" test -e "$(dirname "$doc")/$link"
	done
done
check "the quick start's text is the example" bash -c "diff <($PYTHON '$TMP/blocks.py' yaml docs/quickstart.md | tr -d '\0') <(grep -v '^#' docs/examples/quickstart.yaml)"

# What is translated for users of nginx is what nginx takes, and leads to the same requests.
{
	echo "daemon off; master_process off; pid $TMP/ng/pid; error_log $TMP/ng/error.log warn; events {} http { access_log off;"
	for d in client_body proxy fastcgi uwsgi scgi; do echo "${d}_temp_path $TMP/ng/$d;"; done
	$PYTHON "$TMP/blocks.py" 'nginx' docs/howto/migrate.md | sed "s|192.0.2.2:80;|127.0.0.1:8000;|; s|192.0.2.2:443|127.0.0.1:8443|; s|192.0.2.4[12]:8080|127.0.0.1:8040|
		s|/etc/weir|$TMP/etc|; s|/var/cache/nginx|$TMP/ng/cache|"
	echo 'server { listen 127.0.0.1:8040; return 200 "$request_method $request_uri HTTP/1.1 host $host\n"; } }'
} >"$TMP/nginx.conf"
mkdir "$TMP/ng"
background lb "$TMP/ng/log" nginx -e "$TMP/ng/error.log" -c "$TMP/nginx.conf"
check "nginx takes the example that is translated" wait_for 5 port_open lb 8443
sed "s|/etc/weir|$TMP/etc|g" docs/examples/from-nginx.yaml >"$TMP/from-nginx.yaml"
sees() { # METHOD URL: what nginx asks the backend for, or answers
	ns lb curl -sk --noproxy '*' --connect-to "::127.0.0.1:$([[ $2 = https* ]] && echo 8443 || echo 8000)" -X "$1" \
		-o "$TMP/body" -w '%{http_code} %{redirect_url}' "$2" >"$TMP/code"
	if grep -q ^200 "$TMP/code"; then cat "$TMP/body"; else cat "$TMP/code"; fi
}
routed() { # METHOD URL: the same of weir
	"$WEIR" route "$TMP/from-nginx.yaml" "$@" -o json | $PYTHON -c '
import json, sys
o = json.load(sys.stdin)
if "answer" in o: print(o["answer"]["status"], o["answer"].get("location", ""), end="")
else: print(o["sees"]["line"], "host", dict(o["sees"]["headers"])["host"])'
}
for request in "GET http://shop.example.com/a?b" "GET https://shop.example.com/catalogue/7?page=2" "POST https://shop.example.com/login" \
	"GET https://shop.example.com/some/thing" "DELETE https://shop.example.com/x?y=z"; do
	equal "nginx and weir agree on $request" "$(sees $request)" "$(routed $request)"
done

# Names in rules and on the dashboard.
# All there are, also of what this configuration has none of; and what is exported is among them.
ns lb curl -sS --noproxy '*' http://127.0.0.1:9180/v1/openapi.json | grep -oE '"x-prometheus": "[^"]*' | sed 's/.*"//' | sort -u >"$TMP/names"
echo weir_metrics_left_out >>"$TMP/names"
equal "every exported name is in the document" "" "$(ns lb curl -sS --noproxy '*' http://127.0.0.1:9180/metrics |
	sed -n 's/^# TYPE \([a-z0-9_]*\) .*/\1/p' | sort -u | grep -vxFf "$TMP/names")"
for f in docs/monitoring/alerts.yaml docs/monitoring/grafana.json; do
	for name in $(grep -oE 'weir_[a-z0-9_]+' "$f" | sed 's/_bucket$//' | sort -u); do
		check "${f##*/}: $name exists" grep -qx "$name" "$TMP/names"
	done
done
check "the dashboard is JSON" $PYTHON -m json.tool docs/monitoring/grafana.json
finish
