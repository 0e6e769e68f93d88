#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# weirctl capture and trace on a running weir of two workers: filters, verdicts, files that other
# programs read, and traffic that does not notice.
#
#   c eth0 ------ p0 [ lb ] p1 ------ sw ------ eth0 b1 b2 b3
source "$(dirname "$0")/lib.sh"
WEIRCTL=${WEIRCTL:-${WEIR%/*}/weirctl}
topo_two_arm
export WORKERS=2
for b in b1 b2; do backend_nginx $b 80; done
{
	head_two_arm
	cat <<-CONF
		services:
		  - {name: web, vips: [203.0.113.80, "2001:db8:80::80"], port: 80, mode: fullnat, backends: ["198.51.100.11:80", "198.51.100.12:80"]}
		listeners:
		  - {name: echo, bind: ["203.0.113.82:7"], action: echo}
	CONF
} >"$TMP/weir.yaml"
weir_start
ctl() { "$WEIRCTL" -s "$SOCK" "$@"; }
# capturing FILE ARGS...: in the background; returns when it runs
capturing() {
	local file=$1
	shift
	"$WEIRCTL" -s "$SOCK" capture -O "$file" "$@" 2>"$TMP/cap.err" &
	cap=$!
	pids+=($cap)
	wait_for 5 test -s "$file" || die "the capture does not begin" "$(cat "$TMP/cap.err")"
}
cat >"$TMP/read.py" <<'PY'
import struct, sys
from scapy.all import Ether, IP, IPv6, TCP

# The format itself, block by block: lengths at both ends must agree and all must be used up.
data = open(sys.argv[1], "rb").read()
interfaces, at = 0, 0
def options(b):
    out = {}
    while len(b) >= 4:
        code, n = struct.unpack("<HH", b[:4])
        if code == 0:
            return out
        out[code] = b[4:4 + n]
        b = b[4 + (n + 3) // 4 * 4:]
    raise SystemExit("options do not end")
while at < len(data):
    kind, length = struct.unpack("<II", data[at:at + 8])
    assert length % 4 == 0 and struct.unpack("<I", data[at + length - 4:at + length])[0] == length
    body = data[at + 8:at + length - 4]
    at += length
    if kind == 0x0a0d0d0a:
        assert struct.unpack("<IHH", body[:8]) == (0x1a2b3c4d, 1, 0) and b"weir" in options(body[16:])[4]
    elif kind == 1:
        o = options(body[8:])
        assert o[9] == b"\x09" and o[2]
        interfaces += 1
    else:
        assert kind == 6
        i, hi, lo, cap, _ = struct.unpack("<IIIII", body[:20])
        assert i < interfaces and (hi << 32 | lo) > 1700000000 * 10**9
        p = Ether(body[20:20 + cap])
        o = options(body[20 + (cap + 3) // 4 * 4:])
        ip = p[IP] if IP in p else p[IPv6] if IPv6 in p else None
        print(ip.src if ip else "-", ip.dst if ip else "-", p[TCP].flags if TCP in p else "-", "|", o[1].decode())
PY
frames() { $PYTHON "$TMP/read.py" "$1" 2>&1; }

gets 4 http://203.0.113.80/ >/dev/null

# --- a filter, a count, and the verdict of each packet
capturing "$TMP/one.pcapng" -n 5 'tcp port 80 and host 192.0.2.10'
gets 10 http://203.0.113.80/ >/dev/null
wait $cap
equal "it ends after its count" 0 $?
frames "$TMP/one.pcapng" >"$TMP/frames"
equal "five packets" 5 "$(wc -l <"$TMP/frames")"
check "tcpdump reads it" bash -c "tcpdump -nr '$TMP/one.pcapng' 2>/dev/null | grep -q '192.0.2.10.*203.0.113.80.80: Flags'"
check "only what was asked for" bash -c "! grep -v '192.0.2.10' '$TMP/frames'"
check "packets say what became of them" grep -qE '203.0.113.80 .*\| worker [01]: (sent on back|handed to worker [01])' "$TMP/frames"

# --- every packet of some connections, from all workers, with hand-offs
capturing "$TMP/all.pcapng" -t 20 'host 203.0.113.80 and tcp[tcpflags] & tcp-syn != 0'
gets 20 http://203.0.113.80/ >/dev/null
seen() { [ "$(frames "$TMP/all.pcapng" | grep -cE '^192.0.2.10 203.0.113.80 S \| worker [01]: sent on back')" -ge 20 ]; }
check "20 SYNs were sent on" wait_for 5 seen
kill -INT $cap
wait $cap
equal "an interrupt ends it" 0 $?
frames "$TMP/all.pcapng" >"$TMP/frames"
equal "each SYN once, but for hand-offs" 20 "$(grep -E '203.0.113.80 S ' "$TMP/frames" | grep -cv 'handed to')"
check "it says what was captured" grep -qE '^[0-9]+ packets captured, 0 dropped' "$TMP/cap.err"

# --- drops name their reason
capturing "$TMP/drop.pcapng" -n 3 'port 81'
for _ in 1 2 3; do get http://203.0.113.80:81/ --max-time 0.3 >/dev/null; done
wait $cap
check "a drop has its reason" bash -c "$PYTHON '$TMP/read.py' '$TMP/drop.pcapng' | grep -q 'l4_no_service (virtual address'"

# --- what leaves
capturing "$TMP/out.pcapng" -n 3 -D out 'src host 198.51.100.1 and port 80'
gets 3 http://203.0.113.80/ >/dev/null
wait $cap
check "frames as they leave, rewritten" bash -c "$PYTHON '$TMP/read.py' '$TMP/out.pcapng' | grep -qE '^198.51.100.1 198.51.100.1[12] S .*leaves'"

# --- trace
(for i in 1 2 3 4 5 6; do sleep 0.5; gets 1 http://203.0.113.80/ >/dev/null; done; ns c timeout 5 $PYTHON "$HELPERS/tcp_client.py" echo 203.0.113.82 7 1000 >/dev/null) &
later=$!
exits 0 ctl trace -n 30 -t 8 'host 192.0.2.10 and tcp'
wait $later
says '(in|handed) +front +192.0.2.10:[0-9]+ > 203.0.113.80:80 S len [0-9]+ \| new syn web, backend 198.51.100.1[12]:80'
says 'established web'
check "in the order of time, over all workers" sort -c <(awk '{print $1}' "$TMP/out")
exits 0 ctl -o json trace -n 2 -t 1 'port 80'

# --- what is wrong, and one at a time
exits 1 ctl capture 'host 192.0.2.10 and ('
says 'filter: ' err
exits 2 ctl capture -n many
capturing "$TMP/first.pcapng" -t 30 'port 9'
exits 1 ctl capture -n 1
says 'another capture is running' err
kill -INT $cap
wait $cap
exits 0 ctl capture -O "$TMP/after.pcapng" -n 1 -t 1 arp

# --- a client that goes away leaves no tap on
capturing "$TMP/gone.pcapng" -t 3600
kill -9 $cap
free_again() { ctl capture -O /dev/null -n 1 -t 1 'port 9'; }
check "a capture that nobody fetches ends" wait_for 15 free_again

# --- many packets, a small ring: what finds no room is counted, none is lost on its way
capturing "$TMP/flood.pcapng" -t 300
lost=0
gets 50 http://203.0.113.80/big >/dev/null || lost=1
kill -INT $cap
wait $cap
equal "traffic does not notice" 0 $lost
check "and the tap is off again" free_again
finish
