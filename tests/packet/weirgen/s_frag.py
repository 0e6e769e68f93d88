# SPDX-License-Identifier: Apache-2.0
"""Fragments: only the first has ports; the others go where it went."""
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6, IPv6ExtHdrFragment
from scapy.packet import Raw

from weirgen import (B1, BACK, C, VIP4, VIP6, fragments, fragments4, fragments6, ip, oracle, scenario, tcp, udp,
                     vip)
from weirgen.s_modes import LPORT, one_local_port, translated

BODY = bytes(range(256)) * 12


def cut(p, size=1280):
    return fragments(p, size)


def pieces(s, v, mode, sport=40000, ident=0x4242):
    """(fragments that the client sends, what the backend gets for each)."""
    whole = ip(C.ip(v), vip(v), id=ident) / udp(sport, 53, BODY)
    if mode == "nat":
        out = ip(C.ip(v), B1.ip(v), 63, id=ident) / udp(sport, 53, BODY)
    elif mode == "fullnat":
        out = ip(BACK.ip(v), B1.ip(v), 63, id=ident) / udp(LPORT, 53, BODY)
    else:
        return cut(whole), [oracle.direct(s, mode, f, BACK.ip(v), B1.ip(v)) for f in cut(whole)]
    return cut(whole), cut(out)


def setup(s, v, mode="nat", backends=None, **more):
    if mode == "fullnat":
        one_local_port(s)
    s.service(vip(v), backends or [B1.ip(v)], protocol="udp", port=53, mode=mode, **more)
    s.meet(C, B1, v=(v,))


@scenario(*[(m, v) for m in ("nat", "fullnat", "dsr", "ipip", "gue") for v in (4, 6)])
def fragments_in_order(s, mode, v):
    """Fragments in order, {0} over IPv{1}: each goes on as a fragment; the transport checksum, in
    the first, is right for the whole."""
    setup(s, v, mode)
    for f, out in zip(*pieces(s, v, mode)):
        s.send(C, f)
        s.expect(B1, out)


@scenario((4,), (6,))
def fragments_first_last(s, v):
    """The first fragment comes last, IPv{0}: the others wait for it, and then go in the order in
    which they came."""
    setup(s, v)
    sent, out = pieces(s, v, "nat")
    for f in sent[:0:-1]:
        s.send(C, f)
    s.send(C, sent[0])
    s.expect(B1, out[0])
    for f in out[:0:-1]:
        s.expect(B1, f)


@scenario((4,), (6,))
def fragments_of_answers(s, v):
    """The backend's answer in fragments goes back through NAT, IPv{0}."""
    setup(s, v)
    s.send(C, ip(C.ip(v), vip(v)) / udp(40000, 53))
    s.expect(B1, ip(C.ip(v), B1.ip(v), 63) / udp(40000, 53))
    sent = cut(ip(B1.ip(v), C.ip(v), id=9) / udp(53, 40000, BODY))
    out = cut(ip(vip(v), C.ip(v), 63, id=9) / udp(53, 40000, BODY))
    for f, g in zip(sent, out):
        s.send(B1, f)
        s.expect(C, g)


@scenario()
def fragments_two_datagrams(s):
    """Two datagrams with their fragments mixed: identification tells them apart."""
    setup(s, 4)
    a, b = pieces(s, 4, "nat", 40000, 1), pieces(s, 4, "nat", 40001, 2)
    for (f, fo), (g, go) in zip(zip(*a), zip(*b)):
        s.send(C, f)
        s.expect(B1, fo)
        s.send(C, g)
        s.expect(B1, go)


@scenario((4,), (6,))
def fragments_timeout(s, v):
    """Fragments whose first one never comes, IPv{0}: they are given up after ten seconds and counted,
    and a first one that comes later goes on alone."""
    setup(s, v)
    sent, out = pieces(s, v, "nat")
    for f in sent[1:]:
        s.send(C, f)
    s.wait(10500)
    s.ends("frag_timeout", len(sent) - 1)
    s.send(C, sent[0])
    s.expect(B1, out[0])
    s.expect_counter("held", 0)


@scenario((4,), (6,))
def fragments_overlap(s, v):
    """A second first fragment with other ports, IPv{0}, is refused: it could move the rest to another
    service."""
    setup(s, v)
    sent, out = pieces(s, v, "nat")
    other, _ = pieces(s, v, "nat", sport=45555)
    s.send(C, sent[0])
    s.expect(B1, out[0])
    s.send(C, other[0], "frag_overlap")
    for f, g in zip(sent[1:], out[1:]):
        s.send(C, f)
        s.expect(B1, g)


@scenario()
def fragments_malformed(s):
    """Fragments beyond 64 KiB, of a length that is no multiple of eight, without any payload, with a
    transport header in pieces, and one that would rewrite a TCP header."""
    setup(s, 4)
    s.service(VIP4, [B1.ip4])
    h = dict(src=C.ip4, dst=VIP4, id=5)
    s.send(C, IP(frag=8191, proto=17, **h) / Raw(bytes(16)), "frag_bad")
    s.send(C, IP(flags="MF", frag=10, proto=17, **h) / Raw(bytes(13)), "frag_bad")
    s.send(C, IP(flags="MF", frag=10, proto=17, **h), "frag_bad")
    s.send(C, IP(flags="MF", frag=0, proto=6, **h) / Raw(bytes(tcp(40000, 80))[:16]), "frag_tiny")
    s.send(C, IP(flags=0, frag=1, proto=6, **h) / Raw(bytes(12)), "frag_tiny")
    h6 = IPv6(src=C.ip6, dst=VIP6)
    s.send(C, h6 / IPv6ExtHdrFragment(nh=17, offset=8191, m=0, id=5) / Raw(bytes(16)), "frag_bad")
    s.send(C, h6 / IPv6ExtHdrFragment(nh=17, offset=10, m=1, id=5) / Raw(bytes(13)), "frag_bad")


@scenario()
def fragments_too_many_held(s):
    """More fragments before the first one than are held: the surplus is dropped and counted."""
    setup(s, 4)
    whole = ip(C.ip4, VIP4, id=7) / udp(40000, 53, BODY)
    out = ip(C.ip4, B1.ip4, 63, id=7) / udp(40000, 53, BODY)
    sent, want = cut(whole, 276), cut(out, 276)
    assert len(sent) > oracle.FRAG_HELD + 2
    for i, f in enumerate(sent[1:]):
        s.send(C, f, "frag_held_full" if i >= oracle.FRAG_HELD else None)
    s.send(C, sent[0])
    for f in want[:oracle.FRAG_HELD + 1]:
        s.expect(B1, f)


@scenario((46,), (64,))
def fragments_cross(s, combo):
    """Fragments cross between families ({0}): offsets stay, and the identification is carried over, 16
    bits of it."""
    cv, bv = combo // 10, combo % 10
    one_local_port(s)
    s.service(vip(cv), [B1.ip(bv)], protocol="udp", port=53, mode="fullnat")
    s.meet(C, v=(cv,))
    s.meet(B1, v=(bv,))
    whole = udp(LPORT, 53, BODY)
    if combo == 46:
        sent = cut(ip(C.ip4, VIP4, id=3) / udp(40000, 53, BODY))
        out = fragments6(IPv6(bytes(ip(BACK.ip6, B1.ip6, 63) / whole)), 1280 - 20 - 4 + 48, ident=3)
    else:
        sent = cut(ip(C.ip6, VIP6) / udp(40000, 53, BODY))
        out = fragments4(IP(bytes(ip(BACK.ip4, B1.ip4, 63, id=0x0304) / whole)), 1280 - 48 + 20)
    assert len(sent) == len(out)
    for f, g in zip(sent, out):
        s.send(C, f)
        s.expect(B1, g)


@scenario()
def fragments_cross_no_checksum(s):
    """A UDP datagram without a checksum, in fragments, cannot cross to IPv6: nobody can make one."""
    one_local_port(s)
    s.service(VIP4, [B1.ip6], protocol="udp", port=53, mode="fullnat")
    s.meet(C, v=(4,))
    s.meet(B1, v=(6,))
    first = cut(ip(C.ip4, VIP4, id=3) / UDP(sport=40000, dport=53, chksum=0) / Raw(BODY))[0]
    s.send(C, first, "frag_untranslatable")
