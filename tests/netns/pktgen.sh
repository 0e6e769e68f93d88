#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# scripts/pktgen and scripts/doctor against a running weir: testpmd floods a port, nothing is lost in the
# books, and the doctor names what ended packets.
#
#   c eth0 ------ p0 [ lb ] p1 ------ sw ------ eth0 b1 b2 b3
source "$(dirname "$0")/lib.sh"
WEIRCTL=${WEIRCTL:-${WEIR%/*}/weirctl}
if ! command -v dpdk-testpmd >/dev/null; then
	skip "the packet generator" "no dpdk-testpmd"
	finish
fi
topo_two_arm
backend_nginx b1 80
{
	head_two_arm
	echo 'services: [{name: web, vips: [203.0.113.80], port: 80, mode: fullnat, backends: ["198.51.100.11:80"]}]'
} >"$TMP/weir.yaml"
weir_start
mac=$("$WEIR" status -s "$SOCK" -o json | $PYTHON "$HELPERS/json_path.py" ports.port=front.mac)
cat >"$TMP/short.conf" <<CONF
SIZE=128
FLOWS=64
SECONDS_=2
TX_DEVICE=net_af_packet0,iface=eth0
PEER_MAC=$mac
CONF
weir_if c eth0
if WEIRCTL=$WEIRCTL WEIR_SOCKET=$SOCK OUT=$TMP/pktgen ns c scripts/pktgen "$TMP/short.conf" >"$TMP/out" 2>&1; then
	pass "pktgen runs"
	at_least "it sent" 100 "$(awk '$1 == "sent" {print $2}' "$TMP/out")"
	at_least "weir took some" 10 "$(awk '$1 == "taken" {print $2}' "$TMP/out")"
	check "the report is there" test -s "$TMP/pktgen/short.txt"
	if command -v rsvg-convert >/dev/null; then
		check "and its plot as PNG" bash -c "head -c 8 '$TMP/pktgen/short.png' | cmp - <(printf '\211PNG\r\n\032\n')"
	else
		skip "the plot as PNG" "no rsvg-convert"
	fi
	check "and its plot" $PYTHON -c 'import sys, xml.dom.minidom; xml.dom.minidom.parse(sys.argv[1])' "$TMP/pktgen/short.svg"
else
	fail "pktgen runs" "$(tail -n 20 "$TMP/out")"
fi
ns lb env WEIR="$WEIR" WEIRCTL="$WEIRCTL" scripts/doctor -c "$TMP/weir.yaml" -s "$SOCK" >"$TMP/doctor"
at_most "doctor: nothing is wrong" 1 $?
check "doctor: weir answers" grep -q "good   weir answers" "$TMP/doctor"
check "doctor: the interface is there" grep -q "good   interface p0 is there" "$TMP/doctor"
finish
