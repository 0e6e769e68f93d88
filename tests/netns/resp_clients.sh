#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The Redis protocol as client libraries see it: hiredis, and Node's redis and ioredis, each plain, over TLS,
# with a password, and as a cluster client.
#
#   c eth0 ------ p0 [ lb ] p1 ------ sw (unused)
source "$(dirname "$0")/lib.sh"
topo_two_arm
export WORKERS=2 NODE_PATH=/usr/share/nodejs:/usr/local/share/weir-tests/node_modules
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=data.test \
	-addext subjectAltName=DNS:data.test -keyout "$TMP/key.pem" -out "$TMP/crt.pem" 2>/dev/null || die "a certificate"
{
	head_two_arm
	cat <<-CONF
		store:
		  dir: $TMP/store
		  shards: 2
		  namespaces: {kv: everysec}
		  low_space: 1MiB
		  ballast: 0
		  cache: 16MiB
		  request_memory: 64MiB
		  block_cache: 8MiB
		listeners:
		  - {name: data, bind: ["192.0.2.80:6379"], action: resp}
		  - name: secret
		    bind: ["192.0.2.80:6390"]
		    action: resp
		    tls: {certificates: [{cert: $TMP/crt.pem, key: $TMP/key.pem}]}
		  - {name: locked, bind: ["192.0.2.80:6380"], action: resp, resp: {password: sesame}}
	CONF
} >"$TMP/weir.yaml"
weir_start

if cc -o "$TMP/hiredis" "$HELPERS/hiredis_client.c" -lhiredis 2>"$TMP/cc.log"; then
	equal "hiredis" ok "$(ns c timeout 30 "$TMP/hiredis" 192.0.2.80 6379)"
else
	skip "hiredis" "$(head -n 1 "$TMP/cc.log"): run make deps"
fi
for library in redis ioredis; do
	if ! node -e "require('$library')" 2>/dev/null; then
		skip "$library" "not installed: run make deps"
		continue
	fi
	client() { ns c timeout 30 node "$HELPERS/node_redis.js" "$library" "$@"; }
	equal "$library" ok "$(client plain 192.0.2.80 6379)"
	equal "$library over TLS" ok "$(client tls 192.0.2.80 6390 "$TMP/crt.pem")"
	equal "$library, a cluster client" ok "$(client cluster 192.0.2.80 6379)"
	equal "$library with a password" ok "$(client auth 192.0.2.80 6380 sesame)"
done
finish
