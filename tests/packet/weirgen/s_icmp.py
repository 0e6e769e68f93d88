# SPDX-License-Identifier: Apache-2.0
"""ICMP and ICMPv6: echo, weir's own errors, and errors about flows in both directions."""
from scapy.layers.inet import ICMP, IP, IPerror, TCPerror, UDPerror
from scapy.layers.inet6 import (ICMPv6DestUnreach, ICMPv6EchoReply, ICMPv6EchoRequest, ICMPv6PacketTooBig,
                                ICMPv6TimeExceeded, IPv6)
from scapy.packet import Raw

from weirgen import B1, BACK, C, FRONT, VIP4, VIP6, WEIR, ip, l4, oracle, scenario, tcp, udp, vip
from weirgen.s_modes import CROSS, LPORT, one_local_port, translated

LINK_VIP = {4: "192.0.2.80", 6: "2001:db8:1::80"}


def echo(v, n=1, payload=b"0123456789abcdef"):
    if v == 4:
        return ICMP(type=8, id=0x77, seq=n) / Raw(payload)
    return ICMPv6EchoRequest(id=0x77, seq=n, data=payload)


def echo_reply(v, n=1, payload=b"0123456789abcdef"):
    if v == 4:
        return ICMP(type=0, id=0x77, seq=n) / Raw(payload)
    return ICMPv6EchoReply(id=0x77, seq=n, data=payload)


@scenario((4,), (6,))
def echo_own(s, v):
    """Echo requests to own addresses are answered, IPv{0}: from both ports, with odd and empty
    payloads."""
    s.meet(C, B1, v=(v,))
    for host in (C, B1):
        w = WEIR[host.port]
        for n, payload in enumerate((b"", b"x", b"0123456789abcdef" * 64)):
            s.send(host, ip(host.ip(v), w.ip(v)) / echo(v, n, payload), "icmp_echo")
            s.expect(host, oracle.echo_header(w.ip(v), host.ip(v)) / echo_reply(v, n, payload))


@scenario((4,), (6,))
def echo_vip(s, v):
    """Echo requests to virtual addresses are answered by weir, IPv{0}; an echo reply that nobody
    asked for is not."""
    s.service(vip(v), [B1.ip(v)])
    s.meet(C, v=(v,))
    s.send(C, ip(C.ip(v), vip(v)) / echo(v), "icmp_echo")
    s.expect(C, oracle.echo_header(vip(v), C.ip(v)) / echo_reply(v))
    s.send(C, ip(C.ip(v), vip(v)) / echo_reply(v), "local_no_listener")


@scenario()
def echo_elsewhere(s):
    """An echo request to an address that is neither own nor virtual is not answered."""
    s.meet(C)
    s.send(C, ip(C.ip4, "203.0.113.99") / echo(4), "not_local")
    s.send(C, ip(C.ip6, "2001:db8:80::99") / echo(6), "not_local")


@scenario()
def own_address_no_listener(s):
    """TCP and UDP to an own address where nobody listens: dropped and counted."""
    s.meet(C)
    s.send(C, ip(C.ip4, FRONT.ip4) / tcp(40000, 22), "local_no_listener")
    s.send(C, ip(C.ip6, FRONT.ip6) / udp(40000, 22), "local_no_listener")


def too_big(v, mtu):
    return ICMP(type=3, code=4, nexthopmtu=mtu) if v == 4 else ICMPv6PacketTooBig(mtu=mtu)


@scenario()
def own_address_bad_checksum(s):
    """TCP and UDP to an own address with a wrong checksum: that is what is counted."""
    s.meet(C)
    s.send(C, ip(C.ip4, FRONT.ip4) / tcp(40000, 22, chksum=0xbad), "l4_checksum")
    s.send(C, ip(C.ip6, FRONT.ip6) / tcp(40000, 22, chksum=0xbad), "l4_checksum")


@scenario()
def echo_rate(s):
    """More pings than icmp_rate: a burst is answered, the surplus is counted."""
    s.config["l4"]["icmp_rate"] = 10
    s.meet(C, v=(4,))
    for n in range(12):
        s.send(C, ip(C.ip4, FRONT.ip4) / echo(4, n), "icmp_echo" if n < 8 else "icmp_rate")
        if n < 8:
            s.expect(C, oracle.echo_header(FRONT.ip4, C.ip4) / echo_reply(4, n))


@scenario()
def error_rate(s):
    """The same bound holds for errors: all packets whose TTL ends here are counted, and the first few
    of them are answered."""
    s.config["l4"]["icmp_rate"] = 10
    s.service(VIP4, [B1.ip4])
    s.meet(C, v=(4,))
    for n in range(12):
        p = ip(C.ip4, VIP4, 1) / tcp(40000 + n, 80)
        s.send(C, p, "ttl_exceeded")
        if n < 8:
            s.expect(C, oracle.error_header(FRONT.ip4, C.ip4) / ICMP(type=11, code=0) / quote(p, 4))


def quote(p, v):
    """What an ICMP error quotes of a packet (RFC 1812 4.3.2.3: as much as fits 576 bytes; RFC 4443:
    1280)."""
    room = 576 - 28 if v == 4 else 1280 - 48
    return Raw(bytes(p)[:room])


@scenario((4, "tcp"), (6, "udp"))
def ttl_exceeded(s, v, proto):
    """A packet whose TTL ends here, IPv{0}, {1}: "time exceeded" from weir's own address, quoting
    it; TTL 2 goes on."""
    s.service(vip(v), [B1.ip(v)], protocol=proto)
    s.meet(C, B1, v=(v,))
    p = ip(C.ip(v), vip(v), 1) / l4(proto, 40000, 80)
    s.send(C, p, "ttl_exceeded")
    error = ICMP(type=11, code=0) if v == 4 else ICMPv6TimeExceeded(code=0)
    s.expect(C, oracle.error_header(FRONT.ip(v), C.ip(v)) / error / quote(p, v))
    p = ip(C.ip(v), vip(v), 2) / l4(proto, 40000, 80)
    s.send(C, p)
    s.expect(B1, ip(C.ip(v), B1.ip(v), 1) / l4(proto, 40000, 80))


@scenario((4,), (6,))
def too_big_to_backend(s, v):
    """Larger than the backends' side takes, IPv{0}: "too big" with its MTU, quoting the packet as the
    client sent it."""
    s.port(1, mtu=1280)
    s.service(vip(v), [B1.ip(v)])
    s.meet(C, B1, v=(v,))
    s.send(C, ip(C.ip(v), vip(v), flags="DF") / tcp(40000, 80))
    s.expect(B1, ip(C.ip(v), B1.ip(v), 63, flags="DF") / tcp(40000, 80))
    p = ip(C.ip(v), vip(v), flags="DF") / tcp(40000, 80, "A", 1001, 5001, bytes(1300))
    s.send(C, p, "too_big")
    error = too_big(v, 1280)
    s.expect(C, oracle.error_header(FRONT.ip(v), C.ip(v)) / error / quote(p, v))


@scenario((4,), (6,))
def too_big_to_client(s, v):
    """An answer larger than the client's side takes, IPv{0}: the backend is told."""
    s.port(0, mtu=1280)
    s.service(vip(v), [B1.ip(v)])
    s.meet(C, B1, v=(v,))
    s.send(C, ip(C.ip(v), vip(v), flags="DF") / tcp(40000, 80))
    s.expect(B1, ip(C.ip(v), B1.ip(v), 63, flags="DF") / tcp(40000, 80))
    p = ip(B1.ip(v), C.ip(v), flags="DF") / tcp(80, 40000, "A", 5001, 1001, bytes(1300))
    s.send(B1, p, "too_big")
    error = too_big(v, 1280)
    s.expect(B1, oracle.error_header(BACK.ip(v), B1.ip(v)) / error / quote(p, v))


@scenario(("ipip", 44), ("gue", 66), ("ipip", 46), ("gue", 64))
def too_big_for_tunnel(s, mode, combo):
    """A packet that fits the MTU but not the {0} tunnel {1}: the client is told what does."""
    iv, ov = combo // 10, combo % 10
    s.service(vip(iv), [B1.ip(ov)], mode=mode)
    s.meet(C, v=(iv,))
    s.meet(B1, v=(ov,))
    room = 1500 - oracle.overhead(mode, ov)
    header = 40 if iv == 4 else 60
    fits = ip(C.ip(iv), vip(iv), flags="DF") / tcp(40000, 80, "A", 1001, 5001, bytes(room - header))
    s.send(C, fits)
    s.expect(B1, oracle.tunnelled(s, mode, fits, BACK.ip(ov), B1.ip(ov)))
    p = ip(C.ip(iv), vip(iv), flags="DF") / tcp(40000, 80, "A", 1001, 5001, bytes(room - header + 1))
    s.send(C, p, "too_big")
    error = too_big(iv, room)
    s.expect(C, oracle.error_header(FRONT.ip(iv), C.ip(iv)) / error / quote(p, iv))


@scenario()
def no_error_about_error(s):
    """No ICMP error about an ICMP error, a broadcast frame or a fragment that is not the first."""
    s.service(VIP4, [B1.ip4])
    s.meet(C, B1, v=(4,))
    s.send(C, ip(C.ip4, VIP4, 1) / tcp(40000, 80), "ttl_exceeded", dst="ff:ff:ff:ff:ff:ff")


# --- errors about flows -----------------------------------------------------------------------


def unreach(v):
    return ICMP(type=3, code=3) if v == 4 else ICMPv6DestUnreach(code=4)


def about(p):
    """A quotation of p, 8 bytes of its payload at the least."""
    return Raw(bytes(p)[:len(bytes(p))])


@scenario(*CROSS, ("nat4", "tcp"), ("nat4", "udp"), ("nat6", "tcp"), ("nat6", "udp"))
def error_from_backend(s, combo, proto):
    """The backend answers "port unreachable" ({0}, {1}): it reaches the client as if the virtual
    address had sent it, about the packet that the client sent."""
    nat = isinstance(combo, str)
    cv, bv = (int(combo[3]), int(combo[3])) if nat else (combo // 10, combo % 10)
    one_local_port(s)
    s.service(vip(cv), [{"address": B1.ip(bv), "port": 8080}], protocol=proto, mode="nat" if nat else "fullnat")
    s.meet(C, v=(cv,))
    s.meet(B1, v=(bv,))
    first = ip(C.ip(cv), vip(cv)) / l4(proto, 40000, 80)
    s.send(C, first)
    src, sport = (C.ip(cv), 40000) if nat else (BACK.ip(bv), LPORT)
    out = translated(s, first, src, B1.ip(bv), sport, 8080)
    s.expect(B1, out)
    s.send(B1, ip(B1.ip(bv), src) / unreach(bv) / about(out))
    s.expect(C, oracle.translated_error(ip(B1.ip(bv), src), vip(cv), C.ip(cv), unreach(cv),
                                        first, out))


@scenario((4,), (6,), (46,), (64,))
def error_from_client(s, combo):
    """The client's side answers "too big" about what came from the virtual address ({0}): it reaches
    the backend about the packet that the backend sent."""
    cv, bv = (combo, combo) if combo < 10 else (combo // 10, combo % 10)
    one_local_port(s)
    s.service(vip(cv), [B1.ip(bv)], mode="fullnat" if cv != bv else "nat")
    s.meet(C, v=(cv,))
    s.meet(B1, v=(bv,))
    first = ip(C.ip(cv), vip(cv)) / tcp(40000, 80)
    s.send(C, first)
    src, sport = (C.ip(cv), 40000) if cv == bv else (BACK.ip(bv), LPORT)
    s.expect(B1, translated(s, first, src, B1.ip(bv), sport, 80))
    data = ip(B1.ip(bv), src, flags="DF") / tcp(80, sport, "A", 5001, 1001, bytes(1000))
    s.send(B1, data)
    out = translated(s, data, vip(cv), C.ip(cv), 80, 40000)
    s.expect(C, out)
    mtu = 1400
    there = mtu + (20 if (cv, bv) == (4, 6) else -20 if (cv, bv) == (6, 4) else 0)
    s.send(C, ip(C.ip(cv), vip(cv)) / too_big(cv, mtu) / Raw(bytes(out)[:200]))
    s.expect(B1, oracle.translated_error(ip(C.ip(cv), vip(cv)), src, B1.ip(bv), too_big(bv, there), data, out,
                                         cut=200))


@scenario((46,), (64,))
def error_without_counterpart(s, combo):
    """ICMP errors that mean nothing in the other family ({0}) end here and are counted (RFC 7915 4.2,
    5.2): IPv4's source quench, IPv6's unreachable of code 5 (source address failed policy)."""
    cv, bv = combo // 10, combo % 10
    one_local_port(s)
    s.service(vip(cv), [B1.ip(bv)], mode="fullnat")
    s.meet(C, v=(cv,))
    s.meet(B1, v=(bv,))
    first = ip(C.ip(cv), vip(cv)) / tcp(40000, 80)
    s.send(C, first)
    out = translated(s, first, BACK.ip(bv), B1.ip(bv), LPORT, 80)
    s.expect(B1, out)
    error = ICMP(type=4, code=0) if bv == 4 else ICMPv6DestUnreach(code=5)
    s.send(B1, ip(B1.ip(bv), BACK.ip(bv)) / error / Raw(bytes(out)), "icmp_unhandled")


@scenario(("dsr", 4), ("ipip", 4), ("gue", 6))
def error_to_backend(s, mode, v):
    """Direct return, {0} over IPv{1}: errors that routers send to the virtual address about the
    backend's answers follow the flow to that backend, unchanged."""
    s.service(vip(v), [B1.ip(v)], mode=mode, mss_clamp=False)
    s.meet(C, B1, v=(v,))
    first = ip(C.ip(v), vip(v)) / tcp(40000, 80)
    s.send(C, first)
    s.expect(B1, oracle.direct(s, mode, first, BACK.ip(v), B1.ip(v)))
    answer = ip(vip(v), C.ip(v)) / tcp(80, 40000, "A", 5001, 1001, bytes(500))
    error = too_big(v, 1400)
    p = ip(C.ip(v), vip(v)) / error / Raw(bytes(answer)[:128])
    s.send(C, p)
    s.expect(B1, oracle.direct(s, mode, p, BACK.ip(v), B1.ip(v)))


@scenario((4,), (6,))
def error_without_flow(s, v):
    """An ICMP error about a connection that nobody has, IPv{0}: counted, not forwarded."""
    s.service(vip(v), [B1.ip(v)])
    s.meet(C, B1, v=(v,))
    lost = ip(vip(v), C.ip(v)) / tcp(80, 45555, "A", 1, 1, bytes(100))
    s.send(C, ip(C.ip(v), vip(v)) / unreach(v) / Raw(bytes(lost)[:80]), "icmp_no_flow")
