# SPDX-License-Identifier: Apache-2.0
"""Malformed packets, one counter for each kind. None is answered, none is forwarded."""
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.inet6 import (ICMPv6EchoRequest, ICMPv6PacketTooBig, IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment,
                                IPv6ExtHdrHopByHop, IPv6ExtHdrRouting, PadN)
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from weirgen import B1, C, FRONT, VIP4, VIP6, ip, scenario, tcp, udp, vip


def setup(s):
    s.service(VIP4, [B1.ip4])
    s.service(VIP6, [B1.ip6])
    s.service(VIP4, [B1.ip4], port=53, protocol="udp")
    s.service(VIP6, [B1.ip6], port=53, protocol="udp")
    s.meet(C, B1)


def finish(s, v=4):
    """A good packet at the end shows that weir still forwards."""
    s.send(C, ip(C.ip(v), vip(v)) / tcp(41000, 80))
    s.expect(B1, ip(C.ip(v), B1.ip(v), 63) / tcp(41000, 80))


def cut(packet, n):
    """The first n bytes of an IP packet, as a payload whose lengths still promise more."""
    return Raw(bytes(packet)[:n])


def send_ip(s, v, raw, reason):
    s.send_raw(0, Ether(src=C.mac, dst=FRONT.mac, type=0x0800 if v == 4 else 0x86DD) / raw, reason)


def patched(packet, **at):
    """The packet's bytes with some replaced: b9=0x11 sets byte 9."""
    b = bytearray(bytes(packet))
    for k, value in at.items():
        b[int(k[1:])] = value
    return b


def ip4_checksum(b):
    """Put the right header checksum into an IPv4 packet's bytes."""
    n = (b[0] & 15) * 4
    b[10:12] = b"\0\0"
    total = sum((b[i] << 8) + b[i + 1] for i in range(0, n, 2))
    while total > 0xffff:
        total = (total & 0xffff) + (total >> 16)
    b[10:12] = ((~total) & 0xffff).to_bytes(2, "big")
    return b


@scenario()
def malformed_ip4(s):
    """IPv4: too short, wrong version, header length below 20 or beyond the packet, total length
    below the header or beyond the frame, wrong header checksum."""
    setup(s)
    p = ip(C.ip4, VIP4) / tcp(40000, 80)
    send_ip(s, 4, cut(p, 19), "ip4_short")
    send_ip(s, 4, Raw(bytes(ip4_checksum(patched(p, b0=0x55)))), "ip4_version")
    send_ip(s, 4, Raw(bytes(ip4_checksum(patched(p, b0=0x44)))), "ip4_header_len")
    send_ip(s, 4, Raw(bytes(patched(p, b0=0x4f))), "ip4_short")
    send_ip(s, 4, Raw(bytes(ip4_checksum(patched(p, b3=19)))), "ip4_short")
    send_ip(s, 4, Raw(bytes(ip4_checksum(patched(p, b3=41)))), "ip4_short")
    send_ip(s, 4, Raw(bytes(patched(p, b10=0x12, b11=0x34))), "ip4_checksum")
    finish(s)


@scenario()
def malformed_ip4_options(s):
    """IPv4 options: loose and strict source routes, an option that runs out of the header, one of
    length 1."""
    setup(s)
    for options in (b"\x83\x07\x04\xc6\x33\x64\x0b\x00", b"\x89\x07\x04\xc6\x33\x64\x0b\x00",
                    b"\x07\x0b\x04\x00\x00\x00\x00\x00", b"\x44\x01\x00\x00"):
        b = bytearray(bytes(ip(C.ip4, VIP4) / tcp(40000, 80)))
        b[20:20] = options
        b[0] = 0x45 + len(options) // 4
        b[2:4] = len(b).to_bytes(2, "big")
        send_ip(s, 4, Raw(bytes(ip4_checksum(b))), "ip4_options_bad")
    finish(s)


@scenario()
def malformed_ip4_source(s):
    """IPv4 sources that can never be one: 0/8, loopback, multicast, broadcast."""
    setup(s)
    for src in ("0.1.2.3", "127.0.0.1", "224.0.0.1", "255.255.255.255"):
        s.send(C, IP(src=src, dst=VIP4, id=1) / tcp(40000, 80), "ip4_addr_bad")
    finish(s)


@scenario()
def malformed_ip6(s):
    """IPv6: too short, wrong version, payload length beyond the frame; sources that can never be
    one: multicast, loopback, IPv4-mapped, and the unspecified one for TCP."""
    setup(s)
    p = ip(C.ip6, VIP6) / tcp(40000, 80)
    send_ip(s, 6, cut(p, 39), "ip6_short")
    send_ip(s, 6, Raw(bytes(patched(p, b0=0x50))), "ip6_version")
    send_ip(s, 6, Raw(bytes(patched(p, b5=21))), "ip6_short")
    for src in ("ff02::1", "::1", "::ffff:192.0.2.10", "::"):
        s.send(C, IPv6(src=src, dst=VIP6) / tcp(40000, 80), "ip6_addr_bad")
    finish(s, 6)


@scenario()
def malformed_ip6_extensions(s):
    """IPv6 extension headers: a hop-by-hop header that is not the first, routing type 0, one that
    runs out of the packet, two fragment headers, nine headers."""
    setup(s)
    h = IPv6(src=C.ip6, dst=VIP6)
    pad = PadN(optdata=b"\0\0\0\0")
    t = tcp(40000, 80)
    s.send(C, h / IPv6ExtHdrDestOpt(options=[pad]) / IPv6ExtHdrHopByHop(options=[pad]) / t, "ip6_ext_bad")
    s.send(C, h / IPv6ExtHdrRouting(type=0, segleft=1, addresses=[B1.ip6]) / t, "ip6_ext_bad")
    s.send(C, h / IPv6ExtHdrDestOpt(len=10, options=[pad]) / t, "ip6_ext_bad")
    s.send(C, h / IPv6ExtHdrFragment(id=1, m=0) / IPv6ExtHdrFragment(id=1, m=0) / t, "ip6_ext_bad")
    many = h
    for _ in range(9):
        many = many / IPv6ExtHdrDestOpt(options=[pad])
    s.send(C, many / t, "ip6_ext_too_many")
    finish(s, 6)


@scenario((4,), (6,))
def malformed_tcp(s, v):
    """TCP over IPv{0}: cut short, data offset below 5 or beyond the segment, impossible flags."""
    setup(s)
    h = ip(C.ip(v), vip(v))
    s.send(C, short(h, "tcp", 19), "l4_short")
    s.send(C, h / tcp(40000, 80, dataofs=4), "tcp_bad")
    s.send(C, h / tcp(40000, 80, dataofs=6), "tcp_bad")
    for flags in ("", "F", "SF", "SR", "FPU"):
        s.send(C, h / tcp(40000, 80, flags), "tcp_bad")
    finish(s, v)


def short(h, proto, n):
    """A packet whose transport header has n bytes only, with lengths that agree."""
    number = {"tcp": 6, "udp": 17, "icmp": 1, "icmp6": 58}[proto]
    h = h.copy()
    if isinstance(h, IPv6):
        h.nh = number
    else:
        h.proto = number
    body = {"tcp": tcp(40000, 80), "udp": udp(40000, 53), "icmp": ICMP(type=8), "icmp6": ICMPv6EchoRequest()}[proto]
    return h / Raw(bytes(h / body)[len(h):][:n])


@scenario((4,), (6,))
def malformed_udp(s, v):
    """UDP over IPv{0}: cut short, a length below 8, a length beyond the packet."""
    setup(s)
    h = ip(C.ip(v), vip(v))
    s.send(C, short(h, "udp", 7), "l4_short")
    s.send(C, h / UDP(sport=40000, dport=53, len=7) / Raw(b"x" * 4), "udp_bad")
    s.send(C, h / UDP(sport=40000, dport=53, len=13) / Raw(b"x" * 4), "udp_bad")
    finish(s, v)


@scenario()
def malformed_icmp(s):
    """ICMP and ICMPv6: cut short, wrong checksum, an error without the packet it is about."""
    setup(s)
    s.send(C, short(ip(C.ip4, VIP4), "icmp", 7), "icmp_short")
    s.send(C, ip(C.ip4, VIP4) / ICMP(type=8, id=7, seq=1, chksum=0xbad) / Raw(b"x"), "icmp_checksum")
    s.send(C, ip(C.ip4, VIP4) / ICMP(type=3, code=4, nexthopmtu=1400) / Raw(b"E" * 12), "icmp_short")
    s.send(C, short(ip(C.ip6, VIP6), "icmp6", 7), "icmp_short")
    s.send(C, ip(C.ip6, VIP6) / ICMPv6EchoRequest(id=7, seq=1, cksum=0xbad), "icmp_checksum")
    s.send(C, ip(C.ip6, VIP6) / ICMPv6PacketTooBig(mtu=1400) / Raw(b"\x60" + bytes(20)), "icmp_short")
    finish(s)


@scenario()
def unknown_protocol(s):
    """Protocols that nobody handles, to a virtual address and to an own one."""
    setup(s)
    s.send(C, IP(src=C.ip4, dst=VIP4, proto=132, id=1) / Raw(bytes(20)), "local_no_listener")
    s.send(C, IPv6(src=C.ip6, dst=VIP6, nh=132) / Raw(bytes(20)), "local_no_listener")
    finish(s)
