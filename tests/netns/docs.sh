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
export WEIR_SOCKET=$SOCK
bin=$(dirname "$WEIR")
for doc in docs/quickstart.md docs/concepts.md docs/troubleshooting.md docs/monitoring.md docs/howto/*.md; do
	n=0
	while read -r line; do
		n=$((n + 1))
		# The old commands of `weir` take the socket as an option.
		case $line in "weir counters"*) line="$line -s $SOCK" ;; esac
		if ns lb env PATH="$bin:$PATH" WEIR_SOCKET="$SOCK" bash -c "$line" >"$TMP/run" 2>&1 </dev/null; then
			pass "$doc: $line"
		else
			fail "$doc: $line" "exit status $?: $(tail -n 5 "$TMP/run")"
		fi
	done < <($PYTHON "$TMP/blocks.py" 'sh run' "$doc")
	at_least "$doc has commands that run" 1 $n
	while IFS= read -r -d '' yaml; do
		printf '%s' "$yaml" >"$TMP/block.yaml"
		check "$doc: a configuration" "$WEIR" check "$TMP/block.yaml"
	done < <($PYTHON "$TMP/blocks.py" yaml "$doc")
	for link in $(grep -oE '\]\([a-zA-Z][^):#]*\)' "$doc" | tr -d '()]'); do
		check "$doc: link to $link" test -e "$(dirname "$doc")/$link"
	done
done
check "the quick start's text is the example" bash -c "diff <($PYTHON '$TMP/blocks.py' yaml docs/quickstart.md | tr -d '\0') <(grep -v '^#' docs/examples/quickstart.yaml)"

# Names in rules and on the dashboard.
ns lb curl -sS --noproxy '*' http://127.0.0.1:9180/metrics | sed -n 's/^# TYPE \([a-z0-9_]*\) .*/\1/p' | sort -u >"$TMP/names"
# Without listeners and a TCP engine these have no object to show.
echo weir_listener_accepted_total >>"$TMP/names"
echo weir_tcp_connections >>"$TMP/names"
echo weir_tcp_retrans_total >>"$TMP/names"
for f in docs/monitoring/alerts.yaml docs/monitoring/grafana.json; do
	for name in $(grep -oE 'weir_[a-z0-9_]+' "$f" | sed 's/_bucket$//' | sort -u); do
		check "${f##*/}: $name exists" grep -qx "$name" "$TMP/names"
	done
done
check "the dashboard is JSON" $PYTHON -m json.tool docs/monitoring/grafana.json
finish
