# SPDX-License-Identifier: Apache-2.0
"""How packets reach the backend: every forwarding mode, family and protocol."""
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.packet import Raw

from weirgen import (B1, B2, BACK, C, VIP4, VIP6, answer, ip, l4, oracle, scenario, tcp, udp, vip)

FAMILIES = [(4, "tcp"), (4, "udp"), (6, "tcp"), (6, "udp")]
CROSS = [(44, "tcp"), (44, "udp"), (46, "tcp"), (46, "udp"), (64, "tcp"), (64, "udp"), (66, "tcp"), (66, "udp")]
LPORT = 20000


def one_local_port(s):
    """Full NAT has one source port: what it chooses is then known."""
    s.config["l4"]["local_ports"] = LPORT


@scenario(*FAMILIES)
def nat(s, v, proto):
    """NAT over IPv{0}, {1}: the destination becomes the backend, and answers get the virtual address
    back; TTL, checksums and nothing else change. The backend has another port."""
    s.service(vip(v), [{"address": B1.ip(v), "port": 8080}], protocol=proto)
    s.meet(C, B1, v=(v,))
    for n in range(3):
        s.send(C, ip(C.ip(v), vip(v)) / l4(proto, 40000, 80, n))
        s.expect(B1, ip(C.ip(v), B1.ip(v), 63) / l4(proto, 40000, 8080, n))
        s.send(B1, ip(B1.ip(v), C.ip(v)) / answer(proto, 8080, 40000, n))
        s.expect(C, ip(vip(v), C.ip(v), 63) / answer(proto, 80, 40000, n))
    s.expect_counter("flows", 1)


@scenario(*FAMILIES)
def dsr(s, v, proto):
    """L2 direct server return over IPv{0}, {1}: the packet goes on as it is but for its TTL, to the
    backend's MAC."""
    s.service(vip(v), [B1.ip(v)], protocol=proto, mode="dsr")
    s.meet(C, B1, v=(v,))
    for n in range(3):
        p = ip(C.ip(v), vip(v), tos=0x28) / l4(proto, 40000, 80, n)
        s.send(C, p)
        s.expect(B1, ip(C.ip(v), vip(v), oracle.DSR_TTL, tos=0x28) / l4(proto, 40000, 80, n))
    s.expect_counter("flows", 1)


def translated(s, packet, src, dst, sport, dport):
    """Full NAT's result: new addresses (maybe of the other family) and ports, RFC 7915 for the
    header where the family changes."""
    p = packet.copy()
    t = p[TCP] if TCP in p else p[UDP]
    t.sport, t.dport = sport, dport
    del t.chksum
    if UDP in p:
        del t.len
    return oracle.new_ip_header(s, p, src, dst) / t


@scenario(*CROSS)
def fullnat(s, combo, proto):
    """Full NAT, client and backend of families {0}, {1}: source is weir's address towards the
    backend and a port of its range."""
    cv, bv = combo // 10, combo % 10
    one_local_port(s)
    s.service(vip(cv), [{"address": B1.ip(bv), "port": 8080}], protocol=proto, mode="fullnat")
    s.meet(C, v=(cv,))
    s.meet(B1, v=(bv,))
    for n in range(3):
        p = ip(C.ip(cv), vip(cv), tos=0x28, flags="DF" if cv == 4 else 0) / l4(proto, 40000, 80, n)
        s.send(C, p)
        s.expect(B1, translated(s, p, BACK.ip(bv), B1.ip(bv), LPORT, 8080))
        p = ip(B1.ip(bv), BACK.ip(bv), tos=0x10, flags="DF" if bv == 4 else 0) / answer(proto, 8080, LPORT, n)
        s.send(B1, p)
        s.expect(C, translated(s, p, vip(cv), C.ip(cv), 80, 40000))
    s.expect_counter("flows", 1)


@scenario((4,), (6,))
def fullnat_toa(s, v):
    """The client's address over IPv{0} in TCP option 254, in front of the other options: in the SYN,
    and then in three packets, or in fewer if the backend is heard to go on."""
    one_local_port(s)
    s.service(vip(v), [B1.ip(v)], mode="fullnat", toa=True)
    s.service(vip(v), [B2.ip(v)], mode="fullnat", toa=True, port=81)
    s.meet(C, B1, B2, v=(v,))

    def to(backend, port, t, toa):
        p = ip(C.ip(v), vip(v)) / t
        out = translated(s, p, BACK.ip(v), backend.ip(v), LPORT, port)
        s.send(C, p)
        s.expect(backend, oracle.with_toa(out, C.ip(v), t.sport) if toa else out)

    def back(backend, port, sport, t):
        s.send(backend, ip(backend.ip(v), BACK.ip(v)) / t)
        u = t.copy()
        u.dport = sport
        s.expect(C, ip(vip(v), C.ip(v), 63) / u)

    to(B1, 80, tcp(40000, 80, options=[("MSS", 1400), ("NOP", None), ("WScale", 7)]), True)
    back(B1, 80, 40000, tcp(80, LPORT, "SA", 5000, 1001))
    for n in range(5):
        to(B1, 80, tcp(40000, 80, "PA", 1001 + n, 5001, b"x"), n < 3)
    to(B2, 81, tcp(40001, 81), True)
    back(B2, 81, 40001, tcp(81, LPORT, "SA", 5000, 1001))
    to(B2, 81, tcp(40001, 81, "A", 1001, 5001), True)
    back(B2, 81, 40001, tcp(81, LPORT, "A", 5001, 1001))
    to(B2, 81, tcp(40001, 81, "PA", 1001, 5001, b"x"), False)


@scenario()
def toa_no_room(s):
    """No room for the client's address (TCP options are full, or the packet would not fit the MTU): the
    packet goes on without it."""
    one_local_port(s)
    s.service(VIP4, [B1.ip4], mode="fullnat", toa=True)
    s.meet(C, B1, v=(4,))
    full = tcp(40000, 80, options=[("NOP", None)] * 36)
    s.send(C, ip(C.ip4, VIP4) / full)
    s.expect(B1, translated(s, ip(C.ip4, VIP4) / full, BACK.ip4, B1.ip4, LPORT, 80))
    s.send(B1, ip(B1.ip4, BACK.ip4) / tcp(80, LPORT, "SA", 5000, 1001))
    s.expect(C, ip(VIP4, C.ip4, 63) / tcp(80, 40000, "SA", 5000, 1001))
    big = ip(C.ip4, VIP4, flags="DF") / tcp(40000, 80, "A", 1001, 5001, bytes(1460))
    s.send(C, big)
    s.expect(B1, translated(s, big, BACK.ip4, B1.ip4, LPORT, 80))


@scenario((46,), (64,))
def mss_across_families(s, combo):
    """Between families ({0}) both sides' SYNs are clamped to what fits with the longer header: segments
    of the IPv4 side grow on their way."""
    cv, bv = combo // 10, combo % 10
    one_local_port(s)
    s.service(vip(cv), [B1.ip(bv)], mode="fullnat")
    s.meet(C, v=(cv,))
    s.meet(B1, v=(bv,))
    opts = lambda m: [("MSS", m)]
    p = ip(C.ip(cv), vip(cv)) / tcp(40000, 80, options=opts(1460))
    want = ip(C.ip(cv), vip(cv)) / tcp(40000, 80, options=opts(1440))
    s.send(C, p)
    s.expect(B1, translated(s, want, BACK.ip(bv), B1.ip(bv), LPORT, 80))
    p = ip(B1.ip(bv), BACK.ip(bv)) / tcp(80, LPORT, "SA", 5000, 1001, options=opts(1460))
    want = ip(B1.ip(bv), BACK.ip(bv)) / tcp(80, LPORT, "SA", 5000, 1001, options=opts(1440))
    s.send(B1, p)
    s.expect(C, translated(s, want, vip(cv), C.ip(cv), 80, 40000))


@scenario(*[(m, c, p) for m in ("ipip", "gue") for c in (44, 46, 64, 66) for p in ("tcp", "udp")])
def tunnel(s, mode, combo, proto):
    """{0} tunnel, inner and outer families {1}, {2}: the packet travels whole inside, its TTL one
    less; the outer header's fields follow from it."""
    iv, ov = combo // 10, combo % 10
    s.service(vip(iv), [B1.ip(ov)], protocol=proto, mode=mode, mss_clamp=False)
    s.meet(C, v=(iv,))
    s.meet(B1, v=(ov,))
    for n in range(3):
        inner = ip(C.ip(iv), vip(iv), tos=0xb8) / l4(proto, 40000, 80, n)
        s.send(C, inner)
        s.expect(B1, oracle.tunnelled(s, mode, inner, BACK.ip(ov), B1.ip(ov)))
    s.expect_counter("flows", 1)


@scenario(("ipip", 44), ("ipip", 66), ("gue", 46), ("gue", 64))
def mss_clamp(s, mode, combo):
    """{0} {1}: the MSS of a SYN is lowered to what the tunnel leaves of the MTU; one that is low
    enough is left alone, and so is a SYN without one, and every other packet."""
    iv, ov = combo // 10, combo % 10
    s.service(vip(iv), [B1.ip(ov)], mode=mode)
    s.meet(C, v=(iv,))
    s.meet(B1, v=(ov,))
    room = 1500 - oracle.overhead(mode, ov) - (40 if iv == 4 else 60)
    for n, (mss, want) in enumerate(((1460, room), (1200, 1200), (None, None))):
        opts = lambda m: [("NOP", None), ("NOP", None)] + ([("MSS", m)] if m else [("NOP", None)] * 2)
        s.send(C, ip(C.ip(iv), vip(iv)) / tcp(40000 + n, 80, options=opts(mss)))
        s.expect(B1, oracle.tunnelled(s, mode, ip(C.ip(iv), vip(iv)) / tcp(40000 + n, 80, options=opts(want)),
                                      BACK.ip(ov), B1.ip(ov)))
    p = ip(C.ip(iv), vip(iv)) / tcp(40000, 80, "A", 1001, 5001, options=[("MSS", 1460)])
    s.send(C, p)
    s.expect(B1, oracle.tunnelled(s, mode, p, BACK.ip(ov), B1.ip(ov)))


@scenario()
def udp_without_checksum(s):
    """UDP over IPv4 with checksum 0 keeps it through NAT; to IPv6, where 0 is not allowed, it gets
    one."""
    one_local_port(s)
    s.service(VIP4, [B1.ip4], protocol="udp", port=53)
    s.service("203.0.113.46", [B1.ip6], protocol="udp", port=53, mode="fullnat")
    s.meet(C, B1)
    bare = UDP(sport=40000, dport=53, chksum=0) / Raw(b"question")
    s.send(C, ip(C.ip4, VIP4) / bare)
    s.expect(B1, ip(C.ip4, B1.ip4, 63) / bare)
    s.send(C, ip(C.ip4, "203.0.113.46") / bare)
    s.expect(B1, translated(s, ip(C.ip4, "203.0.113.46") / udp(40000, 53), BACK.ip6, B1.ip6, LPORT, 53))


@scenario()
def nat_same_client_two_vips(s):
    """One client, the same source port, two virtual addresses on two backends: answers are told
    apart."""
    s.service(VIP4, ["198.51.100.11"])
    s.service("203.0.113.81", ["198.51.100.12"])
    s.meet(C, B1, B2, v=(4,))
    for v, b in ((VIP4, B1), ("203.0.113.81", B2)):
        s.send(C, ip(C.ip4, v) / tcp(40000, 80))
        s.expect(b, ip(C.ip4, b.ip4, 63) / tcp(40000, 80))
    for v, b in ((VIP4, B1), ("203.0.113.81", B2)):
        s.send(b, ip(b.ip4, C.ip4) / tcp(80, 40000, "SA", 5000, 1001))
        s.expect(C, ip(v, C.ip4, 63) / tcp(80, 40000, "SA", 5000, 1001))


@scenario()
def segments(s):
    """Packets in several buffers: headers in the first, data in others; all modes forward them
    whole."""
    from scapy.packet import Raw as R
    s.service(VIP4, ["198.51.100.11"])
    s.service("203.0.113.81", ["198.51.100.11"], mode="ipip", mss_clamp=False)
    s.meet(C, B1, v=(4,))
    s.steps.append((s.t, "segments 3"))
    s.wait(1)
    body = bytes(range(256)) * 4
    p = ip(C.ip4, VIP4) / tcp(40000, 80, "S", payload=body)
    s.send(C, p)
    s.expect(B1, ip(C.ip4, B1.ip4, 63) / tcp(40000, 80, "S", payload=body))
    p = ip(C.ip4, "203.0.113.81") / tcp(40000, 80, "S", payload=body)
    s.send(C, p)
    s.expect(B1, oracle.tunnelled(s, "ipip", p, BACK.ip4, B1.ip4))
