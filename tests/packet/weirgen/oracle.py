# SPDX-License-Identifier: Apache-2.0
"""What weir must compute, computed a second time and independently: header translation after RFC
7915, tunnel headers after RFC 2003, 2473 and GUE, SipHash and Maglev after their papers."""
import ipaddress
import struct
from fractions import Fraction

from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.packet import Raw

DSR_TTL = 63
M64 = (1 << 64) - 1


def is6(addr):
    return ":" in addr


# --- full NAT ---------------------------------------------------------------------------------


def next_id(s):
    """Identification of the IPv4 headers that a worker makes: it counts them."""
    s.made, ident = s.made + 1, s.made
    return ident & 0xFFFF


def new_ip_header(s, p, src, dst):
    """The IP header after a full NAT of packet p. Between families after RFC 7915: options and
    extension headers stay behind; an IPv4 packet of up to 1260 bytes may be fragmented further on."""
    if isinstance(p, IPv6) and is6(dst):
        return IPv6(src=src, dst=dst, tc=p.tc, hlim=p.hlim - 1, fl=p.fl)
    if isinstance(p, IP) and is6(dst):
        next_id(s)  # counted for every packet that changes its family
        return IPv6(src=src, dst=dst, tc=p.tos, hlim=p.ttl - 1)
    if isinstance(p, IP):
        return IP(src=src, dst=dst, tos=p.tos, ttl=p.ttl - 1, id=p.id, flags=p.flags)
    size = 20 + len(bytes(p[TCP] if TCP in p else p[UDP]))
    return IP(src=src, dst=dst, tos=p.tc, ttl=p.hlim - 1, id=next_id(s), flags="DF" if size > 1260 else 0)


def with_toa(p, client, port):
    """The packet with the client's address as a TCP option in front of its others: kind 254, length
    8 (port, IPv4 address) or 20 (port, IPv6 address)."""
    addr = ipaddress.ip_address(client).packed
    option = struct.pack("!BBH", 254, 4 + len(addr), port) + addr
    option += b"\x01" * (-len(option) % 4)
    t = p[TCP]
    del t.chksum, t.dataofs
    raw = bytes(t)
    head, rest = raw[:20], raw[20:]
    off = (head[12] >> 4) + len(option) // 4
    raw = head[:12] + bytes([off << 4]) + head[13:16] + b"\0\0" + head[18:] + option + rest
    h = p.copy()
    h.remove_payload()
    t = TCP(raw)
    del t.chksum  # scapy fills it in
    return h / t


# --- tunnels ----------------------------------------------------------------------------------


def overhead(mode, ov):
    return (20 if ov == 4 else 40) + (12 if mode == "gue" else 0)


def forwarded_inner(inner):
    """The packet as it travels inside: a router's TTL step (RFC 2003 3.1)."""
    p = inner.copy()
    if isinstance(p, IP):
        p.ttl -= 1
        del p.chksum
    else:
        p.hlim -= 1
    return p


def tunnelled(s, mode, inner, src, dst):
    """Packet `inner` in a tunnel. The outer header: TTL 64, traffic class and ECN as inside (RFC 6040),
    DF as inside and always for IPv6 inside; identification as next_id() says. A
    hash of the flow is in the IPv6 flow label (RFC 6438) and in GUE's source port (RFC 8085 5.1.1)."""
    from weirgen import Choice
    ident = next_id(s)
    inner = forwarded_inner(inner)
    v4 = isinstance(inner, IP)
    tos, proto = (inner.tos, 4) if v4 else (inner.tc, 41)
    port = inner[TCP].sport if TCP in inner else inner[UDP].sport if UDP in inner else 40000
    flow, learn = "flow%d" % port, []
    if is6(dst):
        outer = IPv6(src=src, dst=dst, tc=tos, hlim=64, nh=proto)
        learn.append((1, "0fffff", flow + ".label", 0))
    else:
        df = "DF" if not v4 or "DF" in inner.flags else 0
        outer = IP(src=src, dst=dst, tos=tos, ttl=64, id=ident, flags=df, proto=proto)
    if mode == "ipip":
        return Choice(outer / inner, learn)
    size = len(outer)
    if is6(dst):
        outer.nh = 17
        learn.append((size, "3fff", flow + ".sport", size + 6))
        u = UDP(sport=0xC000, dport=6080)
    else:
        outer.proto = 17
        learn.append((size, "3fff", flow + ".sport", 0))
        u = UDP(sport=0xC000, dport=6080, chksum=0)
    return Choice(outer / u / Raw(bytes([0, proto, 0, 0]) + bytes(inner)), learn)


def direct(s, mode, p, src, dst):
    """Packet p as a backend gets it in a mode without translation."""
    return forwarded_inner(p) if mode == "dsr" else tunnelled(s, mode, p, src, dst)


# --- ICMP -------------------------------------------------------------------------------------


def echo_header(src, dst, ident=0x1234):
    """The IP header of an echo reply to a request made by weirgen.ip()."""
    return IPv6(src=src, dst=dst, hlim=64) if is6(src) else IP(src=src, dst=dst, ttl=64, id=ident)


def error_header(src, dst):
    """The IP header of an ICMP error that weir sends itself (RFC 1812 4.3.2.5: precedence 6)."""
    return IPv6(src=src, dst=dst, hlim=64) if is6(src) else IP(src=src, dst=dst, ttl=64, id=0, tos=0xC0)


def ttl_of(p):
    return p.ttl if isinstance(p, IP) else p.hlim


def transport_of(p):
    """The bytes behind the IP header, as they are on the wire when p is sent."""
    return bytes(p)[20 if isinstance(p, IP) else 40:]


def translated_error(outer, src, dst, icmp, inner, seen, cut=None):
    """The ICMP error as the other side gets it. `outer` is the IP header it came with, `icmp` what it
    has to say there, `inner` the packet as that side sent it, `seen` the same packet as the error
    quotes it, of which it has `cut` bytes."""
    ttl = ttl_of(outer) - 1
    size = len(bytes(seen)[:cut])
    if is6(src) == isinstance(outer, IPv6):
        header = outer.copy()
        header.src, header.dst = src, dst
        quoted = inner.copy()
        # The quotation's own lifetime is that of the packet on the far side.
        if isinstance(quoted, IP):
            header.ttl, quoted.ttl = ttl, seen.ttl
        else:
            header.hlim, quoted.hlim = ttl, seen.hlim
        return header / icmp / Raw(bytes(quoted)[:size])
    # RFC 7915 4.1, 4.2, 5.1, 5.2: both headers are written anew.
    tos = outer.tos if isinstance(outer, IP) else outer.tc
    seen_tos = seen.tos if isinstance(seen, IP) else seen.tc
    kept = size - (20 if isinstance(seen, IP) else 40)
    body = transport_of(inner)
    proto = 6 if TCP in inner else 17
    if is6(src):
        header = IPv6(src=src, dst=dst, hlim=ttl, tc=tos)
        quoted = IPv6(src=inner.src, dst=inner.dst, hlim=ttl_of(seen), tc=seen_tos, nh=proto, plen=len(body))
        limit = 1280 - 48
    else:
        header = IP(src=src, dst=dst, ttl=ttl, tos=tos, id=0, flags="DF")
        quoted = IP(src=inner.src, dst=inner.dst, ttl=ttl_of(seen), tos=seen_tos, proto=proto, id=0, flags="DF",
                    len=20 + len(body))
        limit = 576 - 28
    return header / icmp / Raw((bytes(quoted) + body[:kept])[:limit])


def reset_for(p, v):
    """The reset that answers segment p (RFC 9293 3.10.7.1)."""
    t = p[TCP]
    src, dst = (p.dst, p.src)
    if "A" in t.flags:
        r = TCP(sport=t.dport, dport=t.sport, flags="R", seq=t.ack, ack=0, window=0)
    else:
        length = len(t.payload) + ("S" in t.flags) + ("F" in t.flags)
        r = TCP(sport=t.dport, dport=t.sport, flags="RA", seq=0, ack=t.seq + length, window=0)
    h = IPv6(src=src, dst=dst, hlim=64) if is6(src) else IP(src=src, dst=dst, ttl=64, id=0, flags="DF")
    return h / r


# --- fragments --------------------------------------------------------------------------------

FRAG_HELD = 8


# --- schedulers -------------------------------------------------------------------------------


GOLDEN = 0x9E3779B9  # the golden ratio's fraction, in 2^-32


def smooth_round_robin(backends, weights, n):
    """The first n turns of a sequence in which turn k of backend i (counted from 1), with w of the W
    turns of a round, stands at (k + phase) * W / w, where phase is the fraction of i times the golden
    ratio: equal backends then do not all have their turn at once."""
    total = sum(weights)
    turns = sorted(((k + Fraction((i + 1) * GOLDEN % 2**32, 2**32)) * total / w, i)
                   for i, w in enumerate(weights) for k in range(w))
    return [backends[turns[i % total][1]] for i in range(n)]


# --- hashes -----------------------------------------------------------------------------------


def siphash24(k0, k1, data):
    """SipHash-2-4 (Aumasson, Bernstein, 2012)."""
    v = [k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D, k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573]

    def rotl(x, b):
        return ((x << b) | (x >> (64 - b))) & M64

    def round_():
        v[0] = (v[0] + v[1]) & M64
        v[1] = rotl(v[1], 13) ^ v[0]
        v[0] = rotl(v[0], 32)
        v[2] = (v[2] + v[3]) & M64
        v[3] = rotl(v[3], 16) ^ v[2]
        v[0] = (v[0] + v[3]) & M64
        v[3] = rotl(v[3], 21) ^ v[0]
        v[2] = (v[2] + v[1]) & M64
        v[1] = rotl(v[1], 17) ^ v[2]
        v[2] = rotl(v[2], 32)

    tail = len(data) % 8
    words = list(struct.unpack("<%dQ" % (len(data) // 8), data[:len(data) - tail]))
    words.append(int.from_bytes(data[len(data) - tail:], "little") | (len(data) & 0xFF) << 56)
    for m in words:
        v[3] ^= m
        round_()
        round_()
        v[0] ^= m
    v[2] ^= 0xFF
    for _ in range(4):
        round_()
    return v[0] ^ v[1] ^ v[2] ^ v[3]


assert siphash24(0x0706050403020100, 0x0F0E0D0C0B0A0908, bytes(range(15))) == 0xA129CA6149BE45E5


def addr16(addr):
    a = ipaddress.ip_address(addr)
    return a.packed if a.version == 6 else bytes(10) + b"\xff\xff" + a.packed


def maglev(seed, nodes, size):
    """Slot -> index of the node; nodes are (address, port, weight). Eisenbud et al., section 3.4, with
    weights as turns; names are address and port."""
    heaviest = max(w for _, _, w in nodes)
    walkers = []
    for i, (addr, port, weight) in enumerate(nodes):
        if weight == 0:
            continue
        name = addr16(addr) + struct.pack("!H", port)
        order, offset, skip = (siphash24(seed[0], seed[1], name + bytes([k])) for k in range(3))
        walkers.append([order, offset % size, skip % (size - 1) + 1, 0, (weight << 16) // heaviest, i])
    walkers.sort()
    slots = [None] * size
    left = size
    while True:
        for w in walkers:
            w[3] += w[4]
            if w[3] < 1 << 16:
                continue
            w[3] -= 1 << 16
            while slots[w[1]] is not None:
                w[1] = (w[1] + w[2]) % size
            slots[w[1]] = w[5]
            left -= 1
            if left == 0:
                return slots


def fold(a, b):
    p = a * b
    return (p ^ (p >> 64)) & M64


def words(data):
    return struct.unpack("<%dQ" % (len(data) // 8), data)


class Maglev:
    """The backend that a service's Maglev table gives a new flow."""

    def __init__(self, seed, backends, size=65537):
        """backends: (address, port, weight); port 0 where the configuration has none."""
        self.backends = sorted(backends, key=lambda b: (addr16(b[0]), b[1]))
        self.slots = maglev(seed, self.backends, size)
        self.key = [siphash24(seed[0], seed[1], struct.pack("<Q", i)) for i in range(6)]

    def hash5(self, a, b, c, d, e):
        k = self.key
        h = fold(a ^ k[0], b ^ k[1]) ^ fold(c ^ k[2], d ^ k[3])
        return fold(h ^ k[4], e ^ k[5])

    def slot(self, h):
        return self.backends[self.slots[((h >> 32) * len(self.slots)) >> 32]][0]

    def by_source(self, client):
        c = words(addr16(client))
        return self.slot(self.hash5(c[0], c[1], 0, 0, 0))

    def by_tuple(self, client, cport, vip, vport, proto):
        c, v = words(addr16(client)), words(addr16(vip))
        ports = swap16(cport) << 32 | swap16(vport) << 8 | {"tcp": 6, "udp": 17}[proto]
        return self.slot(self.hash5(c[0], c[1], v[0], v[1], ports))


def swap16(x):
    return (x & 0xFF) << 8 | x >> 8
