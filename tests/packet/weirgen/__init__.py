# SPDX-License-Identifier: Apache-2.0
"""Framework of the packet scenarios' generator.

A scenario is a function decorated with @scenario; it gets a Scenario, says what is configured, what
is sent and what must come out, all built with scapy. Nothing here knows weir's code: what is
expected follows from the RFCs and from docs/, and bytes come from scapy.

The wire, unless a scenario says otherwise:

    C  client   192.0.2.10   2001:db8:1::10 --- port 0 (front) 192.0.2.1, 2001:db8:1::1
    C2          192.0.2.20   2001:db8:1::20
    B1 backend  198.51.100.11 2001:db8:2::11 -- port 1 (back)  198.51.100.1, 2001:db8:2::1
    B2          198.51.100.12 2001:db8:2::12
"""
import collections
import ipaddress
import os
import struct

import yaml
from scapy.config import conf
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6NDOptDstLLAddr, ICMPv6NDOptSrcLLAddr, IPv6, IPv6ExtHdrFragment
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.packet import Raw

conf.verb = 0

MS = 1000000  # in ns
SCENARIOS = collections.OrderedDict()


class Host:
    def __init__(self, name, port, mac, ip4, ip6):
        self.name, self.port, self.mac, self.ip4, self.ip6 = name, port, mac, ip4, ip6

    def ip(self, v):
        return self.ip4 if v == 4 else self.ip6


FRONT = Host("front", 0, "02:00:00:00:00:a0", "192.0.2.1", "2001:db8:1::1")
BACK = Host("back", 1, "02:00:00:00:00:a1", "198.51.100.1", "2001:db8:2::1")
WEIR = [FRONT, BACK]
C = Host("C", 0, "02:00:00:00:0c:01", "192.0.2.10", "2001:db8:1::10")
C2 = Host("C2", 0, "02:00:00:00:0c:02", "192.0.2.20", "2001:db8:1::20")
GW = Host("GW", 0, "02:00:00:00:0c:fe", "192.0.2.254", "2001:db8:1::fe")
B1 = Host("B1", 1, "02:00:00:00:0b:01", "198.51.100.11", "2001:db8:2::11")
B2 = Host("B2", 1, "02:00:00:00:0b:02", "198.51.100.12", "2001:db8:2::12")
B3 = Host("B3", 1, "02:00:00:00:0b:03", "198.51.100.13", "2001:db8:2::13")

VIP4, VIP6 = "203.0.113.80", "2001:db8:80::80"


def vip(v):
    return VIP4 if v == 4 else VIP6


def scenario(*variants, name=None):
    """Register one scenario for each variant (a tuple of arguments). Its name is the function's, and
    the variant's words behind it; its text is the doc string, formatted with the arguments."""

    def register(fn):
        for args in variants or [()]:
            words = [str(a) for a in args]
            full = "_".join([name or fn.__name__] + words)
            assert full not in SCENARIOS, full
            text = " ".join((fn.__doc__ or "").split()).format(*args)
            assert text, full
            SCENARIOS[full] = (fn, args, text)
        return fn

    return register


def link_local(mac):
    b = bytes(int(x, 16) for x in mac.split(":"))
    eui = bytes([b[0] ^ 2]) + b[1:3] + b"\xff\xfe" + b[3:]
    return str(ipaddress.IPv6Address(b"\xfe\x80" + bytes(6) + eui))


def is6(addr):
    return ":" in addr


def solicited_node(addr):
    a = ipaddress.IPv6Address(addr).packed
    return str(ipaddress.IPv6Address(bytes.fromhex("ff0200000000000000000001ff") + a[13:]))


def multicast_mac(addr):
    a = ipaddress.IPv6Address(addr).packed
    return "33:33:" + ":".join("%02x" % x for x in a[12:])


class Choice:
    """An expected packet in which weir may choose some bits: (offset from the IP header, mask in hex, name,
    offset of a checksum over them or 0). What is seen first under a name must come again."""

    def __init__(self, packet, learn):
        self.packet, self.learn = packet, tuple(learn)


class Scenario:
    def __init__(self, text):
        self.text = text
        self.t = 100 * MS
        self.step = MS  # from one frame sent to the next
        self.send_frames = collections.defaultdict(list)
        self.expect_frames = collections.defaultdict(list)
        self.reasons = collections.Counter()
        self.counters = collections.OrderedDict()
        self.steps = []
        self.extra_configs = []
        self.vlan = {}
        self.made = 0
        self.config = {
            "ports": [self.port_config(FRONT), self.port_config(BACK)],
            "workers": {"count": 1},
            "memory": {"hugepages": False, "mbufs": 4096, "flows": 1024, "nat_flows": 1024},
            "admin": {"socket": ""},
            "l4": {"hash_seed": "packet scenarios"},
            "services": [],
        }

    @staticmethod
    def port_config(w):
        return {
            "name": w.name,
            "device": "net_ring_p%d" % w.port,
            "mac": w.mac,
            "rx_queue_len": 64,
            "tx_queue_len": 64,
            "addresses": ["%s/24" % w.ip4, "%s/64" % w.ip6],
        }

    # --- configuration ------------------------------------------------------------------------

    def port(self, idx, **more):
        self.config["ports"][idx].update(more)
        if "vlan" in more:
            self.vlan[idx] = more["vlan"]

    def service(self, vips, backends, port=80, protocol="tcp", mode="nat", **more):
        name = more.pop("name", "s%d" % len(self.config["services"]))
        svc = {"name": name, "vips": vips if isinstance(vips, list) else [vips], "port": port,
               "protocol": protocol, "mode": mode, "backends": backends}
        svc.update(more)
        self.config["services"].append(svc)
        return svc

    def reload(self):
        """From here on the configuration as it is now is in use."""
        self.extra_configs.append((self.t, self.dump_config()))
        self.steps.append((self.t, "reload config%d.yaml" % (len(self.extra_configs) + 1)))
        self.wait(5)

    # --- time ---------------------------------------------------------------------------------

    def wait(self, ms):
        self.t += int(ms * MS)

    # --- frames -------------------------------------------------------------------------------

    def ether(self, src, dst, port):
        e = Ether(src=src, dst=dst)
        if port in self.vlan:
            e = e / Dot1Q(vlan=self.vlan[port])
        return e

    def send(self, host, packet, reason=None, dst=None):
        """The host sends an IP packet (or any scapy payload) to weir."""
        self.send_raw(host.port, self.ether(host.mac, dst or WEIR[host.port].mac, host.port) / packet, reason)

    def send_raw(self, port, frame, reason=None):
        self.send_frames[port].append((self.t, bytes(frame), ()))
        if reason:
            self.ends(reason)
        self.t += self.step

    def expect(self, host, packet, late=0):
        """The host gets an IP packet from weir, as the answer to what was sent last; or `late` ms
        after now."""
        learn = ()
        if isinstance(packet, Choice):
            packet, learn = packet.packet, packet.learn
        self.expect_raw(host.port, self.ether(WEIR[host.port].mac, host.mac, host.port) / packet, late, learn)

    def expect_raw(self, port, frame, late=0, learn=()):
        self.expect_frames[port].append((self.t - self.step + int(late * MS), bytes(frame), learn))

    def ends(self, reason, n=1):
        self.reasons[reason] += n

    def expect_counter(self, name, value):
        self.counters[name] = value

    # --- what most scenarios begin with -------------------------------------------------------

    def meet(self, *hosts, v=(4, 6)):
        """The hosts are on the wire and answer ARP and ND by themselves from here on; how often they
        are asked is not compared (arp_resolution and its like are about that)."""
        for h in hosts:
            for fam in v:
                self.steps.append((self.t, "neighbour %d %s %s" % (h.port, h.mac, h.ip(fam))))
        self.counters["reason.arp_reply"] = self.counters["reason.nd_advert"] = "any"

    def arp_question(self, h):
        """weir asks for the host."""
        w = WEIR[h.port]
        return (self.ether(w.mac, "ff:ff:ff:ff:ff:ff", h.port) /
                ARP(op=1, hwsrc=w.mac, psrc=w.ip4, hwdst="00:00:00:00:00:00", pdst=h.ip4))

    def nd_question(self, h):
        w = WEIR[h.port]
        group = solicited_node(h.ip6)
        return (self.ether(w.mac, multicast_mac(group), h.port) / IPv6(src=w.ip6, dst=group, hlim=255) /
                ICMPv6ND_NS(tgt=h.ip6) / ICMPv6NDOptSrcLLAddr(lladdr=w.mac))

    def arp_exchange(self, h, addr=None):
        w = WEIR[h.port]
        addr = addr or w.ip4
        self.send_raw(h.port, self.ether(h.mac, "ff:ff:ff:ff:ff:ff", h.port) /
                      ARP(op=1, hwsrc=h.mac, psrc=h.ip4, hwdst="00:00:00:00:00:00", pdst=addr), "arp_request")
        self.expect(h, ARP(op=2, hwsrc=w.mac, psrc=addr, hwdst=h.mac, pdst=h.ip4))

    def nd_exchange(self, h, addr=None):
        w = WEIR[h.port]
        addr = addr or w.ip6
        group = solicited_node(addr)
        self.send_raw(h.port, self.ether(h.mac, multicast_mac(group), h.port) /
                      IPv6(src=h.ip6, dst=group, hlim=255) / ICMPv6ND_NS(tgt=addr) /
                      ICMPv6NDOptSrcLLAddr(lladdr=h.mac), "nd_solicit")
        self.expect(h, IPv6(src=addr, dst=h.ip6, hlim=255) / ICMPv6ND_NA(R=0, S=1, O=1, tgt=addr) /
                    ICMPv6NDOptDstLLAddr(lladdr=w.mac))

    # --- writing ------------------------------------------------------------------------------

    def dump_config(self):
        return yaml.safe_dump(self.config, sort_keys=False, default_flow_style=None, width=100)

    def announce(self, t, config):
        """At the start and after each reload every virtual address is announced on every port:
        gratuitous ARP (RFC 5227 3), unsolicited advertisement (RFC 4861 7.2.6)."""
        vips = []
        for svc in config["services"]:
            vips += [a for a in svc["vips"] if a not in vips]
        for w in WEIR[:len(config["ports"])]:
            for a in vips:
                if is6(a):
                    frame = (self.ether(w.mac, "33:33:00:00:00:01", w.port) / IPv6(src=a, dst="ff02::1", hlim=255) /
                             ICMPv6ND_NA(R=0, S=0, O=1, tgt=a) / ICMPv6NDOptDstLLAddr(lladdr=w.mac))
                else:
                    frame = (self.ether(w.mac, "ff:ff:ff:ff:ff:ff", w.port) /
                             ARP(op=1, hwsrc=w.mac, psrc=a, hwdst="00:00:00:00:00:00", pdst=a))
                self.expect_frames[w.port].append((t, bytes(frame), ()))

    def files(self):
        """File name -> bytes of the scenario's folder."""
        out = collections.OrderedDict()
        first = self.first_config if hasattr(self, "first_config") else self.dump_config()
        self.announce(0, yaml.safe_load(first))
        for t, text in self.extra_configs:
            self.announce(t, yaml.safe_load(text))
        out["config.yaml"] = ("# %s\n%s" % (self.text, first)).encode()
        for i, (_, text) in enumerate(self.extra_configs):
            out["config%d.yaml" % (i + 2)] = text.encode()
        for what, frames in (("send", self.send_frames), ("expect", self.expect_frames)):
            for p, packets in sorted(frames.items()):
                packets = sorted(packets, key=lambda x: x[0])
                out["%s.p%d.pcap" % (what, p)] = pcap(packets)
                lines = ["%d %d %s %s%s\n" % (i + 1, 14 + off, mask, who, " %d" % (14 + cksum) if cksum else "")
                         for i, (_, _, learn) in enumerate(packets) for off, mask, who, cksum in learn]
                if lines:
                    out["learned.p%d" % p] = "".join(lines).encode()
        lines = ["reason.%s %s" % kv for kv in sorted(self.reasons.items()) if kv[1]]
        lines += ["%s %s" % kv for kv in self.counters.items()]
        out["counters"] = "".join(line + "\n" for line in lines).encode()
        steps = ["%d.%09d %s" % (t // 10**9, t % 10**9, what) for t, what in self.steps]
        steps.append("%d.%09d end" % (self.t // 10**9, self.t % 10**9))
        out["steps"] = "".join(line + "\n" for line in steps).encode()
        return out


def pcap(packets):
    """Classic pcap with times in ns; written here so that no version of scapy changes a byte."""
    out = struct.pack("<IHHIIII", 0xA1B23C4D, 2, 4, 0, 0, 65535, 1)
    for t, data, _ in packets:
        out += struct.pack("<IIII", t // 10**9, t % 10**9, len(data), len(data)) + data
    return out


def build(name):
    fn, args, text = SCENARIOS[name]
    s = Scenario(text)
    fn(s, *args)
    return s.files()


# --- packets ----------------------------------------------------------------------------------


def ip(src, dst, ttl=64, **more):
    """An IP header of the addresses' family. IPv4 identification 0x1234 unless told."""
    if is6(src):
        return IPv6(src=src, dst=dst, hlim=ttl, tc=more.get("tos", 0), fl=more.get("fl", 0))
    return IP(src=src, dst=dst, ttl=ttl, id=more.get("id", 0x1234), flags=more.get("flags", 0),
              frag=more.get("frag", 0), tos=more.get("tos", 0), options=more.get("options", []))


def tcp(sport, dport, flags="S", seq=1000, ack=0, payload=b"", **more):
    t = TCP(sport=sport, dport=dport, flags=flags, seq=seq, ack=ack, **more)
    return t / Raw(payload) if payload else t


def udp(sport, dport, payload=b"question"):
    return UDP(sport=sport, dport=dport) / Raw(payload)


def l4(proto, sport, dport, n=0):
    """The n-th packet of a TCP or UDP conversation seen from the client."""
    if proto == "udp":
        return udp(sport, dport, b"datagram %d" % n)
    flags, seq, ack = [("S", 1000, 0), ("A", 1001, 5001), ("PA", 1001, 5001)][min(n, 2)]
    return tcp(sport, dport, flags, seq, ack, b"" if n < 2 else b"data %d" % n)


def answer(proto, sport, dport, n=0):
    """The same from the backend."""
    if proto == "udp":
        return udp(sport, dport, b"answer %d" % n)
    if n == 0:
        return tcp(sport, dport, "SA", 5000, 1001)
    return tcp(sport, dport, "PA", 5001, 1001, b"reply %d" % n)


def write_all(out_dir):
    for name in SCENARIOS:
        folder = os.path.join(out_dir, name)
        os.makedirs(folder, exist_ok=True)
        for f, data in build(name).items():
            with open(os.path.join(folder, f), "wb") as fh:
                fh.write(data)


def fragments4(p, size):
    """An IPv4 packet in fragments of at most `size` bytes."""
    head = p.copy()
    head.remove_payload()
    n = len(head)
    data = bytes(p)[n:]
    step = (size - n) // 8 * 8
    out = []
    for off in range(0, len(data), step):
        f = head.copy()
        del f.chksum, f.len
        more = off + step < len(data)
        f.frag = p.frag + off // 8
        f.flags = int(p.flags) & ~1 | (1 if more or int(p.flags) & 1 else 0)
        f.proto = p.proto
        out.append(f / Raw(data[off:off + step]))
    return out


def fragments6(p, size, ident=0x01020304):
    data = bytes(p)[40:]
    step = (size - 48) // 8 * 8
    out = []
    for off in range(0, len(data), step):
        more = off + step < len(data)
        out.append(IPv6(src=p.src, dst=p.dst, hlim=p.hlim, tc=p.tc, fl=p.fl) /
                   IPv6ExtHdrFragment(nh=IPv6(bytes(p)).nh, offset=off // 8, m=1 if more else 0, id=ident) /
                   Raw(data[off:off + step]))
    return out


def fragments(p, size, ident=0x01020304):
    """The packet in fragments; its checksums are those of the whole. IPv4 has its own identification."""
    whole = IPv6(bytes(p)) if isinstance(p, IPv6) else IP(bytes(p))
    return fragments6(whole, size, ident) if isinstance(p, IPv6) else fragments4(whole, size)
