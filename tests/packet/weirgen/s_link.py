# SPDX-License-Identifier: Apache-2.0
"""Ethernet, VLAN, ARP and neighbour discovery."""
from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6NDOptDstLLAddr, ICMPv6NDOptSrcLLAddr, IPv6
from scapy.layers.l2 import ARP, Dot1AD, Dot1Q, Ether
from scapy.packet import Raw

from weirgen import (B1, BACK, C, C2, FRONT, GW, VIP4, VIP6, ip, link_local, multicast_mac, scenario,
                     solicited_node, tcp, udp)

BCAST = "ff:ff:ff:ff:ff:ff"
LINK_VIP4, LINK_VIP6 = "192.0.2.80", "2001:db8:1::80"


@scenario()
def arp_own_address(s):
    """ARP for an own address is answered, by whichever port has it, and by no other."""
    s.arp_exchange(C)
    s.arp_exchange(B1)
    # The other port's address is none of this link's.
    s.send_raw(0, Ether(src=C.mac, dst=BCAST) / ARP(op=1, hwsrc=C.mac, psrc=C.ip4, pdst=BACK.ip4),
               "arp_ignored")


@scenario()
def arp_vip(s):
    """ARP for a virtual address is answered; for a neighbour's address it is not."""
    s.service(LINK_VIP4, ["198.51.100.11"])
    s.arp_exchange(C, LINK_VIP4)
    s.send_raw(0, Ether(src=C.mac, dst=BCAST) / ARP(op=1, hwsrc=C.mac, psrc=C.ip4, pdst=C2.ip4),
               "arp_ignored")


@scenario()
def arp_unicast_request(s):
    """A request sent to weir's own MAC (a cache being refreshed) is answered too."""
    s.send_raw(0, Ether(src=C.mac, dst=FRONT.mac) /
               ARP(op=1, hwsrc=C.mac, psrc=C.ip4, hwdst=FRONT.mac, pdst=FRONT.ip4), "arp_request")
    s.expect(C, ARP(op=2, hwsrc=FRONT.mac, psrc=FRONT.ip4, hwdst=C.mac, pdst=C.ip4))


@scenario()
def arp_probe(s):
    """A probe of RFC 5227 (sender 0.0.0.0) for an own address is answered, so that its sender looks
    for another address."""
    s.send_raw(0, Ether(src=C.mac, dst=BCAST) /
               ARP(op=1, hwsrc=C.mac, psrc="0.0.0.0", pdst=FRONT.ip4), "arp_request")
    s.expect(C, ARP(op=2, hwsrc=FRONT.mac, psrc=FRONT.ip4, hwdst=C.mac, pdst="0.0.0.0"))


@scenario()
def arp_resolution(s):
    """A packet for an unknown backend waits while weir asks for it, and leaves with the answer."""
    s.service(VIP4, ["198.51.100.11"])
    s.meet(C, v=(4,))
    for n in range(3):
        s.send(C, ip(C.ip4, VIP4) / tcp(40000 + n, 80))
        if n == 0:
            s.expect_raw(1, Ether(src=BACK.mac, dst=BCAST) /
                         ARP(op=1, hwsrc=BACK.mac, psrc=BACK.ip4, hwdst="00:00:00:00:00:00", pdst=B1.ip4))
    s.send_raw(1, Ether(src=B1.mac, dst=BACK.mac) /
               ARP(op=2, hwsrc=B1.mac, psrc=B1.ip4, hwdst=BACK.mac, pdst=BACK.ip4), "arp_reply")
    for n in range(3):
        s.expect(B1, ip(C.ip4, B1.ip4, 63) / tcp(40000 + n, 80))


@scenario()
def nd_resolution(s):
    """The same over IPv6: solicitation to the solicited-node group, and the packet behind it."""
    s.service(VIP6, ["2001:db8:2::11"])
    s.meet(C, v=(6,))
    s.send(C, ip(C.ip6, VIP6) / tcp(40000, 80))
    group = solicited_node(B1.ip6)
    s.expect_raw(1, Ether(src=BACK.mac, dst=multicast_mac(group)) / IPv6(src=BACK.ip6, dst=group, hlim=255) /
                 ICMPv6ND_NS(tgt=B1.ip6) / ICMPv6NDOptSrcLLAddr(lladdr=BACK.mac))
    s.send_raw(1, Ether(src=B1.mac, dst=BACK.mac) / IPv6(src=B1.ip6, dst=BACK.ip6, hlim=255) /
               ICMPv6ND_NA(R=0, S=1, O=1, tgt=B1.ip6) / ICMPv6NDOptDstLLAddr(lladdr=B1.mac), "nd_advert")
    s.expect(B1, ip(C.ip6, B1.ip6, 63) / tcp(40000, 80))


@scenario()
def arp_conflict(s):
    """Somebody else claims weir's address: counted as a conflict, and weir goes on answering."""
    s.send_raw(0, Ether(src=C2.mac, dst=BCAST) /
               ARP(op=1, hwsrc=C2.mac, psrc=FRONT.ip4, pdst=FRONT.ip4), "arp_conflict")
    s.arp_exchange(C)


@scenario()
def arp_malformed(s):
    """ARP that is cut short, of another hardware type, or for another protocol is refused."""
    good = ARP(op=1, hwsrc=C.mac, psrc=C.ip4, pdst=FRONT.ip4)
    e = Ether(src=C.mac, dst=BCAST)
    s.send_raw(0, bytes(e / good)[:14 + 20], "arp_malformed")
    s.send_raw(0, e / ARP(hwtype=6, op=1, hwsrc=C.mac, psrc=C.ip4, pdst=FRONT.ip4), "arp_malformed")
    s.send_raw(0, Ether(src=C.mac, dst=BCAST, type=0x0806) /
               Raw(bytes.fromhex("000186dd0610") + bytes(22)), "arp_malformed")


@scenario()
def nd_own_and_vip(s):
    """Neighbour solicitations for an own address, the link-local one and a virtual address are
    answered; for a neighbour's address they are not."""
    s.service(LINK_VIP6, ["2001:db8:2::11"])
    s.nd_exchange(C)
    s.nd_exchange(C, link_local(FRONT.mac))
    s.nd_exchange(C, LINK_VIP6)
    group = solicited_node(C2.ip6)
    s.send_raw(0, Ether(src=C.mac, dst=multicast_mac(group)) / IPv6(src=C.ip6, dst=group, hlim=255) /
               ICMPv6ND_NS(tgt=C2.ip6) / ICMPv6NDOptSrcLLAddr(lladdr=C.mac), "nd_ignored")


@scenario()
def nd_duplicate_detection(s):
    """A solicitation from :: (RFC 4862) for an own address is answered to all nodes, unsolicited
    flag, so that its sender gives the address up."""
    group = solicited_node(FRONT.ip6)
    s.send_raw(0, Ether(src=C.mac, dst=multicast_mac(group)) / IPv6(src="::", dst=group, hlim=255) /
               ICMPv6ND_NS(tgt=FRONT.ip6), "nd_solicit")
    s.expect_raw(0, Ether(src=FRONT.mac, dst="33:33:00:00:00:01") /
                 IPv6(src=FRONT.ip6, dst="ff02::1", hlim=255) / ICMPv6ND_NA(R=0, S=0, O=1, tgt=FRONT.ip6) /
                 ICMPv6NDOptDstLLAddr(lladdr=FRONT.mac))


@scenario()
def nd_conflict(s):
    """Somebody else claims weir's IPv6 address, in an advertisement and in a solicitation from it: both
    are counted as conflicts, and weir goes on answering."""
    group = solicited_node(C.ip6)
    s.send_raw(0, Ether(src=C2.mac, dst="33:33:00:00:00:01") / IPv6(src=FRONT.ip6, dst="ff02::1", hlim=255) /
               ICMPv6ND_NA(R=0, S=0, O=1, tgt=FRONT.ip6) / ICMPv6NDOptDstLLAddr(lladdr=C2.mac), "nd_conflict")
    s.send_raw(0, Ether(src=C2.mac, dst=multicast_mac(group)) / IPv6(src=FRONT.ip6, dst=group, hlim=255) /
               ICMPv6ND_NS(tgt=C.ip6) / ICMPv6NDOptSrcLLAddr(lladdr=C2.mac), "nd_conflict")
    s.nd_exchange(C)


@scenario()
def neighbour_queue(s):
    """Seventy packets for a backend that has not answered ARP yet: 64 wait, of which the oldest goes
    with each one more (RFC 1122 2.3.2.2), and the newest leave with the answer."""
    s.service(VIP4, ["198.51.100.11"], protocol="udp", port=53)
    s.meet(C, v=(4,))
    for n in range(70):
        s.send(C, ip(C.ip4, VIP4) / udp(40000 + n, 53), "neigh_queue_full" if n < 6 else None)
        if n == 0:
            s.expect_raw(1, s.arp_question(B1))
    s.send_raw(1, Ether(src=B1.mac, dst=BACK.mac) /
               ARP(op=2, hwsrc=B1.mac, psrc=B1.ip4, hwdst=BACK.mac, pdst=BACK.ip4))
    for n in range(6, 70):
        s.expect(B1, ip(C.ip4, B1.ip4, 63) / udp(40000 + n, 53))


@scenario()
def nd_malformed(s):
    """Discovery that came through a router (hop limit below 255), with a broken checksum, an option
    of length zero or a multicast target is refused (RFC 4861 7.1)."""
    group = solicited_node(FRONT.ip6)
    e = Ether(src=C.mac, dst=multicast_mac(group))
    ll = ICMPv6NDOptSrcLLAddr(lladdr=C.mac)
    s.send_raw(0, e / IPv6(src=C.ip6, dst=group, hlim=254) / ICMPv6ND_NS(tgt=FRONT.ip6) / ll, "nd_malformed")
    s.send_raw(0, e / IPv6(src=C.ip6, dst=group, hlim=255) / ICMPv6ND_NS(tgt=FRONT.ip6, cksum=0xbad) / ll,
               "nd_malformed")
    s.send_raw(0, e / IPv6(src=C.ip6, dst=group, hlim=255) / ICMPv6ND_NS(tgt=FRONT.ip6) /
               ICMPv6NDOptSrcLLAddr(lladdr=C.mac, len=0), "nd_malformed")
    s.send_raw(0, e / IPv6(src=C.ip6, dst=group, hlim=255) / ICMPv6ND_NS(tgt="ff02::1") / ll, "nd_malformed")


@scenario()
def neighbour_silent(s):
    """A backend that never answers ARP: three packets wait, weir asks again, and in the end they are
    given up and counted."""
    s.service(VIP4, ["198.51.100.11"])
    s.meet(C, v=(4,))
    s.send(C, ip(C.ip4, VIP4) / tcp(40000, 80))
    ask = Ether(src=BACK.mac, dst=BCAST) / ARP(op=1, hwsrc=BACK.mac, psrc=BACK.ip4,
                                              hwdst="00:00:00:00:00:00", pdst=B1.ip4)
    for i in range(3):
        s.expect_raw(1, ask, late=1000 * i)
    s.wait(4000)
    s.ends("neigh_timeout")


@scenario((4,), (6,))
def gateway(s, v):
    """Answers to a client that is not on the link go to the gateway, IPv{0}."""
    far = "203.0.113.200" if v == 4 else "2001:db8:ffff::1"
    vip = VIP4 if v == 4 else VIP6
    s.port(0, gateway=GW.ip(v))
    s.service(vip, [B1.ip(v)])
    s.meet(GW, B1, v=(v,))
    s.send(GW, ip(far, vip) / tcp(40000, 80))
    s.expect(B1, ip(far, B1.ip(v), 63) / tcp(40000, 80))
    s.send(B1, ip(B1.ip(v), far) / tcp(80, 40000, "SA", 5000, 1001))
    s.expect(GW, ip(vip, far, 63) / tcp(80, 40000, "SA", 5000, 1001))
    s.expect_counter("flows", 1)


@scenario()
def route_specific(s):
    """A route of a port wins over another port's gateway."""
    s.port(0, gateway=GW.ip4)
    s.port(1, routes=[{"to": "203.0.113.192/26", "via": B1.ip4}])
    s.service("192.0.2.80", ["203.0.113.200"])
    s.meet(C, B1, v=(4,))
    s.send(C, ip(C.ip4, "192.0.2.80") / tcp(40000, 80))
    s.expect(B1, ip(C.ip4, "203.0.113.200", 63) / tcp(40000, 80))


@scenario((4,), (6,))
def no_route(s, v):
    """A client from beyond the link, and no gateway, IPv{0}: its packet reaches the backend, the
    answer has nowhere to go and is counted."""
    far = "203.0.113.200" if v == 4 else "2001:db8:ffff::1"
    s.service(VIP4 if v == 4 else VIP6, [B1.ip(v)])
    s.meet(B1, v=(v,))
    s.send(C, ip(far, VIP4 if v == 4 else VIP6) / tcp(40000, 80))
    s.expect(B1, ip(far, B1.ip(v), 63) / tcp(40000, 80))
    s.send(B1, ip(B1.ip(v), far) / tcp(80, 40000, "SA", 5000, 1001), "no_route")


@scenario()
def vlan(s):
    """Both ports carry a VLAN: frames with its tag are taken, what is sent has it; frames without
    it or with another are refused."""
    s.port(0, vlan=10)
    s.port(1, vlan=20)
    s.service(VIP4, ["198.51.100.11"])
    s.meet(C, B1)
    s.send(C, ip(C.ip4, VIP4) / tcp(40000, 80))
    s.expect(B1, ip(C.ip4, B1.ip4, 63) / tcp(40000, 80))
    s.send(B1, ip(B1.ip4, C.ip4) / tcp(80, 40000, "SA", 5000, 1001))
    s.expect(C, ip(VIP4, C.ip4, 63) / tcp(80, 40000, "SA", 5000, 1001))
    s.send_raw(0, Ether(src=C.mac, dst=FRONT.mac) / ip(C.ip4, VIP4) / tcp(40001, 80), "vlan_unknown")
    s.send_raw(0, Ether(src=C.mac, dst=FRONT.mac) / Dot1Q(vlan=11) / ip(C.ip4, VIP4) / tcp(40002, 80),
               "vlan_unknown")


@scenario()
def vlan_to_untagged(s):
    """From a port with a VLAN to one without, and a priority in the tag does not matter."""
    s.port(0, vlan=10)
    s.service(VIP4, ["198.51.100.11"])
    s.meet(C, B1)
    s.send_raw(0, Ether(src=C.mac, dst=FRONT.mac) / Dot1Q(vlan=10, prio=5) / ip(C.ip4, VIP4) / tcp(40000, 80))
    s.expect(B1, ip(C.ip4, B1.ip4, 63) / tcp(40000, 80))


@scenario()
def vlan_unexpected(s):
    """Tagged frames on a port without a VLAN are refused: one tag, two tags, three tags."""
    e = Ether(src=C.mac, dst=FRONT.mac)
    p = ip(C.ip4, VIP4) / tcp(40000, 80)
    s.send_raw(0, e / Dot1Q(vlan=10) / p, "vlan_unknown")
    s.send_raw(0, e / Dot1AD(vlan=10) / Dot1Q(vlan=20) / p, "vlan_unknown")
    s.send_raw(0, e / Dot1AD(vlan=10) / Dot1Q(vlan=20) / Dot1Q(vlan=30) / p, "vlan_too_deep")


@scenario()
def ethernet(s):
    """Frames for another MAC, of another EtherType, and too short for Ethernet are refused; padding
    behind a short packet is not forwarded."""
    s.service(VIP4, ["198.51.100.11"])
    s.meet(C, B1, v=(4,))
    p = ip(C.ip4, VIP4) / tcp(40000, 80)
    s.send_raw(0, Ether(src=C.mac, dst="02:00:00:00:00:ee") / p, "eth_not_ours")
    s.send_raw(0, Ether(src=C.mac, dst=FRONT.mac, type=0x88cc) / Raw(bytes(50)), "eth_type_unknown")
    s.send_raw(0, Raw(bytes(13)), "eth_short")
    s.send_raw(0, bytes(Ether(src=C.mac, dst=FRONT.mac) / p) + bytes(6))
    s.expect(B1, ip(C.ip4, B1.ip4, 63) / tcp(40000, 80))
