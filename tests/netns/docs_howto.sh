#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The how-tos as their readers would follow them: the configuration that a page has, to what the quick
# start has under ports, memory and admin, and then the page's commands, in their order.
#
#   c eth0 ------ p0 [ lb ] p1 ------ sw ------ eth0 b1 b2 b3
source "$(dirname "$0")/lib.sh"
topo_two_arm
for b in b1 b2; do backend_nginx $b 80; done
mkdir "$TMP/etc" "$TMP/backups"
bin=$(dirname "$WEIR")
# Folders of ours in place of the machine's, and the backends that there are.
here() { sed "s|/etc/weir|$TMP/etc|g; s|/var/lib/weir|$TMP/lib|g; s|/backups|$TMP/backups|g; s|192.0.2.21:8080|198.51.100.11:80|; s|192.0.2.22:8080|198.51.100.12:80|"; }
cat >"$TMP/page.py" <<'PY'
import re, sys, yaml
what, page, extra = sys.argv[1:]
blocks = re.findall(r"^```([^\n]*)\n(.*?)^```$", open(page).read(), re.M | re.S)
if what == "config":  # sections of later blocks stand for those of earlier ones
    whole = yaml.safe_load(extra)
    for kind, body in blocks:
        if kind == "yaml":
            whole.update(yaml.safe_load(body))
    print(yaml.safe_dump(whole, sort_keys=False))
else:
    for kind, body in blocks:
        if kind == "sh":
            for line in re.sub(r"\\\n\s*", " ", body).splitlines():
                print(line)
PY
# follow PAGE SECTIONS: what the page leaves to its reader is in SECTIONS, as YAML.
follow() {
	local page=docs/howto/$1.md line where n=0
	rm -rf "$TMP/lib"
	{
		head_two_arm
		$PYTHON "$TMP/page.py" config "$page" "$2" | here
	} >"$TMP/weir.yaml"
	$PYTHON "$TMP/page.py" commands "$page" '' | here >"$TMP/commands"
	# What makes files comes before the configuration that names them.
	while read -r line; do [[ $line != openssl* ]] || check "$1: $line" bash -c "$line"; done <"$TMP/commands"
	check "$1: weir check" "$WEIR" check "$TMP/weir.yaml"
	weir_start lb "$TMP/weir.yaml" "$TMP/weir-$1.log"
	wait_for 10 ready "$1"
	while read -r line; do
		case $line in
		openssl*) continue ;;
		weir*) where=lb ;;
		*) where=c ;;
		esac
		n=$((n + 1))
		if (cd "$TMP" && ip netns exec "$TAG-$where" env PATH="$bin:$PATH" WEIR_SOCKET="$SOCK" no_proxy='*' \
			bash -o pipefail -c "$line") >"$TMP/run" 2>&1 </dev/null; then
			pass "$1: $line"
		else
			fail "$1: $line" "exit status $?: $(tail -n 8 "$TMP/run")"
		fi
		cp "$TMP/run" "$TMP/run-$1-$n"
	done <"$TMP/commands"
	at_least "$1 has commands" 2 $n
	kill "$weir_pid"
	wait "$weir_pid" 2>/dev/null
	weir_pid=
}
ready() {
	case $1 in
	redis) ns c redis-cli -h 203.0.113.80 -a secret ping ;;
	https) ns c curl -skf --noproxy '*' --max-time 1 https://203.0.113.80/ ;;
	*) ns c curl -sf --noproxy '*' --max-time 1 http://203.0.113.80/account ;;
	esac
}
printed() { # PAGE PATTERN: something that one of its commands printed
	check "  $1: it printed $2" grep -qE -- "$2" "$TMP"/run-"$1"-*
}

follow cache '{upstreams: {app: {backends: ["198.51.100.11:80"]}}, listeners: [{name: web, bind: ["203.0.113.80:80"], action: http, site: site}]}'
printed cache 'cache-status: weir; fwd=uri-miss; fwd-status=200; stored|Cache-Status: weir; fwd=uri-miss; fwd-status=200; stored'
printed cache '^Done, for all workers'
follow https '{}'
printed https 'b[12] 198.51.100.1 '
printed https 'upstream shop'
follow redis '{}'
printed redis '^2$'
printed redis 'backup is complete'
printed redis 'the backup is whole'
check "redis: the restored store is one" test -d "$TMP/lib.restored"
finish
