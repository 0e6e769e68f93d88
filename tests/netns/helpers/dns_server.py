# SPDX-License-Identifier: Apache-2.0
"""A DNS server whose zone is a file that is read for each question.

    dns_server.py PORT ZONE

ZONE is JSON: {"app.test": {"A": ["192.0.2.1"], "AAAA": [], "ttl": 1, "mode": "ok", "cname": "x.test"}}.
Modes: ok, servfail, nxdomain (also of names that are not there), refused, drop (no answer), garbage, other
(an answer to another question), truncate (over UDP; over TCP it is ok). A line for each question: "udp A app.test".
"""
import json
import socket
import struct
import sys
import threading

TYPES = {1: "A", 28: "AAAA", 5: "CNAME"}
RCODE = {"ok": 0, "truncate": 0, "servfail": 2, "nxdomain": 3, "refused": 5}


def name_bytes(name):
    return b"".join(bytes([len(p)]) + p.encode() for p in name.split(".")) + b"\0"


def question(msg):
    at, labels = 12, []
    while msg[at]:
        labels.append(msg[at + 1:at + 1 + msg[at]].decode())
        at += 1 + msg[at]
    return ".".join(labels).lower(), struct.unpack("!H", msg[at + 1:at + 3])[0], msg[12:at + 5]


def record(owner, kind, ttl, data):
    return owner + struct.pack("!HHIH", kind, 1, ttl, len(data)) + data


def answers(row, kind):
    family = socket.AF_INET if kind == 1 else socket.AF_INET6
    owner, out = b"\xc0\x0c", []
    if row.get("cname"):
        out.append(record(owner, 5, row.get("cname_ttl", row["ttl"]), name_bytes(row["cname"])))
        owner = name_bytes(row["cname"])
    for a in row.get(TYPES.get(kind), []):
        out.append(record(owner, kind, row["ttl"], socket.inet_pton(family, a)))
    return out


def reply(msg, how):
    name, kind, asked = question(msg)
    print(how, TYPES.get(kind, kind), name, flush=True)
    with open(sys.argv[2]) as f:
        row = json.load(f).get(name, {"mode": "nxdomain", "ttl": 0})
    mode = row.get("mode", "ok")
    if mode == "drop":
        return None
    if mode == "garbage":
        return msg[:2] + b"\x84"
    if mode == "other":
        asked = name_bytes("evil.test") + asked[-4:]
    rrs = answers(row, kind) if RCODE.get(mode, 0) == 0 else []
    flags = 0x8580 | RCODE.get(mode, 0)
    if mode == "truncate" and how == "udp":
        flags, rrs = flags | 0x0200, []
    return msg[:2] + struct.pack("!HHHHH", flags, 1, len(rrs), 0, 0) + asked + b"".join(rrs)


def tcp(listener):
    while True:
        conn, _ = listener.accept()
        with conn:
            conn.settimeout(2)
            try:
                size = struct.unpack("!H", conn.recv(2))[0]
                out = reply(conn.recv(size), "tcp")
                if out is not None:
                    conn.sendall(struct.pack("!H", len(out)) + out)
            except (OSError, struct.error):
                pass


def main():
    port = int(sys.argv[1])
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind(("127.0.0.1", port))
    listener = socket.create_server(("127.0.0.1", port))
    threading.Thread(target=tcp, args=(listener,), daemon=True).start()
    while True:
        msg, peer = udp.recvfrom(4096)
        out = reply(msg, "udp")
        if out is not None:
            udp.sendto(out, peer)


main()
