# SPDX-License-Identifier: Apache-2.0
"""IPv4 options, IPv6 extension headers, and what becomes of header fields."""
from scapy.layers.inet import IP, IPOption_NOP, IPOption_RR, IPOption_Router_Alert, UDP
from scapy.layers.inet6 import (IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, IPv6ExtHdrHopByHop,
                                IPv6ExtHdrRouting, PadN)
from scapy.packet import Raw

from weirgen import B1, BACK, C, VIP4, VIP6, fragments4, ip, oracle, scenario, tcp, udp, vip
from weirgen.s_modes import LPORT, one_local_port, translated

OPTIONS = [IPOption_NOP(), IPOption_RR(routers=["0.0.0.0", "0.0.0.0"])]


@scenario(("nat",), ("dsr",), ("ipip",))
def ip4_options(s, mode):
    """IPv4 options that are well-formed travel on untouched, {0}."""
    s.service(VIP4, [B1.ip4], mode=mode, **({"mss_clamp": False} if mode == "ipip" else {}))
    s.meet(C, B1, v=(4,))
    for n in range(2):
        p = ip(C.ip4, VIP4, options=OPTIONS) / tcp(40000, 80, "S" if n == 0 else "A", 1000 + n, 5001 * n)
        s.send(C, p)
        s.expect(B1, forwarded(s, mode, p, 4))


def forwarded(s, mode, p, v):
    """Packet p as it reaches B1: NAT with the same port, or direct return."""
    if mode != "nat":
        return oracle.direct(s, mode, p, BACK.ip(v), B1.ip(v))
    q = p.copy()
    q.dst = B1.ip(v)
    if v == 4:
        q.ttl -= 1
        del q.chksum
    else:
        q.hlim -= 1
    upper = q.lastlayer()
    while not hasattr(upper, "chksum"):
        upper = upper.underlayer
    del upper.chksum
    return q


@scenario(("nat",), ("dsr",), ("gue",))
def ip6_extensions(s, mode):
    """IPv6 extension headers in front of TCP (hop-by-hop, destination options, a used-up routing
    header) travel on untouched, {0}."""
    s.service(VIP6, [B1.ip6], mode=mode, **({"mss_clamp": False} if mode == "gue" else {}))
    s.meet(C, B1, v=(6,))
    pad = PadN(optdata=b"\0\0\0\0")
    h = IPv6(src=C.ip6, dst=VIP6)
    for n, ext in enumerate((IPv6ExtHdrHopByHop(options=[pad]), IPv6ExtHdrDestOpt(options=[pad]),
                             IPv6ExtHdrHopByHop(options=[pad]) / IPv6ExtHdrDestOpt(options=[pad]))):
        p = h / ext / tcp(40000 + n, 80)
        s.send(C, p)
        s.expect(B1, forwarded(s, mode, p, 6))


@scenario()
def ip6_atomic_fragment(s):
    """An atomic fragment (RFC 6946: a fragment header, but the only one) is a whole packet."""
    s.service(VIP6, [B1.ip6])
    s.meet(C, B1, v=(6,))
    p = IPv6(src=C.ip6, dst=VIP6) / IPv6ExtHdrFragment(id=77, m=0, offset=0) / tcp(40000, 80)
    s.send(C, p)
    s.expect(B1, forwarded(s, "nat", p, 6))


@scenario()
def fullnat46_options(s):
    """IPv4 options do not cross to IPv6 (RFC 7915 4.1): the packet goes on without them."""
    one_local_port(s)
    s.service(VIP4, [B1.ip6], mode="fullnat")
    s.meet(C, v=(4,))
    s.meet(B1, v=(6,))
    s.send(C, ip(C.ip4, VIP4, options=OPTIONS) / tcp(40000, 80))
    s.expect(B1, translated(s, ip(C.ip4, VIP4) / tcp(40000, 80), BACK.ip6, B1.ip6, LPORT, 80))


@scenario()
def fullnat64_extensions(s):
    """IPv6 extension headers do not cross to IPv4 (RFC 7915 5.1): the packet goes on without them."""
    one_local_port(s)
    s.service(VIP6, [B1.ip4], mode="fullnat")
    s.meet(C, v=(6,))
    s.meet(B1, v=(4,))
    pad = PadN(optdata=b"\0\0\0\0")
    s.send(C, IPv6(src=C.ip6, dst=VIP6) / IPv6ExtHdrHopByHop(options=[pad]) / IPv6ExtHdrDestOpt(options=[pad]) /
           tcp(40000, 80))
    s.expect(B1, translated(s, ip(C.ip6, VIP6) / tcp(40000, 80), BACK.ip4, B1.ip4, LPORT, 80))


@scenario(("nat", 4), ("nat", 6), ("dsr", 4), ("dsr", 6))
def header_fields(s, mode, v):
    """Traffic class, ECN, flow label, identification and DF are kept, {0} over IPv{1}; every TTL
    loses one."""
    s.service(vip(v), [B1.ip(v)], mode=mode)
    s.meet(C, B1, v=(v,))
    for n, (tos, ident, df, ttl) in enumerate(((0, 0, "DF", 255), (0xb9, 0xffff, 0, 2), (0x03, 1, "DF", 64))):
        p = ip(C.ip(v), vip(v), ttl, tos=tos, id=ident, flags=df, fl=0xabcde) / tcp(40000 + n, 80)
        s.send(C, p)
        s.expect(B1, forwarded(s, mode, p, v))


@scenario(("ipip", 4), ("gue", 4), ("ipip", 6), ("gue", 6))
def fragmented_for_tunnel(s, mode, ov):
    """An IPv4 packet without DF that does not fit the {0} tunnel over IPv{1} is cut into fragments,
    each of which travels in the tunnel."""
    s.service(VIP4, [B1.ip(ov)], protocol="udp", port=53, mode=mode)
    s.meet(C, v=(4,))
    s.meet(B1, v=(ov,))
    room = 1500 - oracle.overhead(mode, ov)
    p = ip(C.ip4, VIP4, 64, flags=0) / udp(40000, 53, bytes(range(200)) * 7 + bytes(72))
    assert len(p) == 1500
    s.send(C, p, "fragmented")
    for f in fragments4(p, room):
        s.expect(B1, oracle.tunnelled(s, mode, f, BACK.ip(ov), B1.ip(ov)))
