#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The ambiguous messages of tests/corpus/http1 against the real binary: a raw client on one side, a
# backend that records on the other. Nothing that can be read in two ways may arrive.
#
#   c eth0 ------ p0 [ lb ] p1 ------ sw ------ eth0 b1 b2 b3
source "$(dirname "$0")/lib.sh"
topo_two_arm
config() {
	head_two_arm
	cat <<-CONF
		upstreams:
		  rec: {backends: ["198.51.100.11:8000"], outliers: {failures: 0}}
		listeners:
		  - {name: web, bind: ["203.0.113.80:80"], action: http, site: rec}
		sites:
		  rec: {routes: [{upstream: rec}, {upstream: rec, connect: {allow: "a.example:443", forward: true}}], limits: {head: 15KiB, uri: 8KiB, fields: 100}, path: {double_slash: keep}}
	CONF
}
config >"$TMP/weir.yaml"
weir_start
corpus() { # KIND
	timeout 300 $PYTHON "$HELPERS/http_corpus.py" "$1" "$TAG-c" "$TAG-b1" 203.0.113.80 80 8000 >"$TMP/$1.log" 2>&1
}
for kind in requests responses; do
	if corpus $kind; then
		pass "$(tail -n 1 "$TMP/$kind.log")"
	else
		fail "$kind" "$(tail -n 40 "$TMP/$kind.log")"
	fi
done
at_least "all requests were run" 150 "$(awk '/ requests, /{print $1}' "$TMP/requests.log")"
at_least "all responses were run" 60 "$(awk '/ responses, /{print $1}' "$TMP/responses.log")"
finish
