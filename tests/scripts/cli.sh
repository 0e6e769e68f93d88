#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The command line: what it prints where, exit statuses, the examples, a file with ten mistakes.
NEED_ROOT=0
. "$(dirname "$0")/../netns/lib.sh"

status() { # WANT COMMAND...: output to $TMP/out and $TMP/err
	local want=$1
	shift
	"$@" >"$TMP/out" 2>"$TMP/err" </dev/null
	equal "exit status $want: ${*#"$ROOT"/}" "$want" $?
}

status 0 "$WEIR" --version
says '^weir [0-9]+\.[0-9]+\.[0-9]+$'
status 0 "$WEIR" --help
says 'weir -c FILE'
says 'check'
says 'config (show|schema)'
status 2 "$WEIR"
says 'usage' err
status 2 "$WEIR" --nosuch
equal "one line and a hint, no more" "weir: unknown option: --nosuch" "$(grep -v ^Try "$TMP/err")"
status 2 "$WEIR" nosuch
says 'nosuch' err
status 2 "$WEIR" chek docs/examples/minimal.yaml
says "unknown command 'chek'; did you mean 'check'" err
status 2 "$WEIR" check
status 2 "$WEIR" -c
says 'missing behind: -c' err
status 2 "$WEIR" --log-json
says 'a configuration is needed: -c FILE' err
status 0 "$WEIR" check docs/examples/http-canary.yaml
says 'http-canary.yaml: good: .* [1-9][0-9]* backends'
status 2 "$WEIR" config nosuch
status 2 "$WEIR" -c /dev/null --log-level nosuch
status 1 "$WEIR" check /nonexistent.yaml
says '/nonexistent.yaml' err
status 1 "$WEIR" -c /nonexistent.yaml

# What bash offers: every command of the usage, and options and words where they belong.
offers() { # WORDS...
	bash -c '. scripts/package/completion/weir.bash; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _weir
		printf "%s\n" "${COMPREPLY[@]}" | sort | xargs' _ weir "$@"
}
equal "completion: the commands are those of the usage" "$("$WEIR" --help | grep -oE '^( {7}|usage: )weir [a-z|]+' | sed 's/.*weir //' |
	tr '|' '\n' | sort -u | xargs)" "$(offers "")"
page() { groff -man -rLL=250n -Tascii -P-cbou scripts/package/man/weir.8 | grep -oE '^ +weir .*' | grep -oE '[a-z]+' | sort -u; }
equal "the manual page has them all" "" "$(comm -23 <(offers "" | tr ' ' '\n' | sort) <(page))"
equal "completion: options" "--log-json --log-level" "$(offers --lo)"
equal "completion: levels" "debug error info warn" "$(offers --log-level "")"
for parts in "config show|schema|reference|manual" "store backup|verify|restore|reshard"; do
	equal "completion: ${parts% *}" "$(tr '|' '\n' <<<"${parts#* }" | sort | xargs)" "$(offers "${parts% *}" "")"
done
equal "completion: a file" docs/examples/minimal.yaml "$(offers check docs/examples/mini)"
equal "completion: a file behind an option" docs/examples/minimal.yaml "$(offers --log-json -c docs/examples/mini)"
equal "completion: methods" "PATCH POST PUT" "$(offers route docs/examples/minimal.yaml P)"
equal "completion: what a command takes" "--client" "$(offers route docs/examples/minimal.yaml --c)"

# Files that they name are looked at, too.
. "$HELPERS/etc_weir.sh"
etc_weir "$TMP/etc" || fail "the examples' files" "$(cat "$TMP/etc.log")"
mkdir "$TMP/examples"
for f in docs/examples/*.yaml; do
	sed "s|/etc/weir|$TMP/etc|g" "$f" >"$TMP/examples/${f##*/}"
done
for f in "$TMP"/examples/*.yaml; do
	status 0 "$WEIR" check "$f"
	status 0 "$WEIR" config show "$f"
	# What is shown is a configuration again, and an equal one.
	sed 's/  *# .*//' "$TMP/out" >"$TMP/shown.yaml"
	cp "$TMP/out" "$TMP/first"
	status 0 "$WEIR" check "$TMP/shown.yaml"
	"$WEIR" config show "$TMP/shown.yaml" | sed 's/  *# .*//' >"$TMP/again.yaml"
	check "  shown, read and shown again it is the same" diff "$TMP/shown.yaml" "$TMP/again.yaml"
done

status 0 "$WEIR" config schema
cat >"$TMP/schema.py" <<'PY'
import glob, json, sys
import jsonschema, yaml
schema = json.load(open(sys.argv[1]))
jsonschema.Draft202012Validator.check_schema(schema)
validator = jsonschema.Draft202012Validator(schema)
for f in sys.argv[2:]:
    validator.validate(yaml.safe_load(open(f)))
assert not validator.is_valid({"ports": [], "nosuch": 1}), "takes an unknown key"
PY
check "the schema is one, and all examples fit it" $PYTHON "$TMP/schema.py" "$TMP/out" docs/examples/*.yaml

# Ten mistakes, each reported at its place, in one run.
cat >"$TMP/ten.yaml" <<'YAML'
ports:
  - name: front
    device: "net_af_packet,iface=p0"
    adresses: [192.0.2.1/24]
    mtu: 100
  - name: front
    device: "net_af_packet,iface=p1"
    addresses: [198.51.100.1/24]
workers:
  count: 0
memory:
  dpdk: 64MX
services:
  - name: a
    vips: [203.0.113.80]
    port: 80
    mode: natt
    backends: [198.51.100.11]
  - name: b
    vips: [203.0.113.81]
    port: 90000
    mode: nat
    backends: ["2001:db8:2::11"]
  - name: c
    vips: [203.0.113.82]
    port: 80
    mode: nat
    maglev_size: 100
    backends: [198.51.100.11]
    health: {type: udp}
  - name: d
    vips: [203.0.113.82]
    port: 80-90
    mode: nat
    mode: dsr
    backends: [198.51.100.300]
YAML
status 1 "$WEIR" check "$TMP/ten.yaml"
place() { # LINE REGEX
	check "line $1: $2" grep -qE "ten.yaml:$1:[0-9]+: error: .*($2)" "$TMP/err"
}
place 4 "did you mean 'addresses'"
place 5 'mtu|1280'
place 6 'front'
place 10 'count|1'
place 12 '64MX'
place 17 "did you mean 'nat'"
place 21 '90000'
place 23 '2001:db8:2::11|famil'
place 28 'prime|maglev'
place 30 'send'
place 35 'mode'
place 36 '198.51.100.300'
at_least "ten mistakes or more in one run" 10 "$(grep -c ': error: ' "$TMP/err")"
check "and nothing on standard output" test ! -s "$TMP/out"
finish
