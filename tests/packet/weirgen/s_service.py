# SPDX-License-Identifier: Apache-2.0
"""What a service does around the choice of a backend: ports, lists, limits, timeouts, drain."""
from scapy.layers.inet import ICMP, TCP
from scapy.layers.inet6 import ICMPv6DestUnreach
from scapy.packet import Raw

from weirgen import (B1, B2, B3, BACK, C, C2, FRONT, MS, VIP4, VIP6, answer, fragments, ip, l4, oracle, scenario, tcp,
                     udp, vip)
from weirgen.s_icmp import echo, echo_reply, too_big
from weirgen.s_modes import LPORT, one_local_port, translated


def nat(s, sport, vport=80, bport=None, client=C, v=4, n=0, proto="tcp", backend=B1):
    s.send(client, ip(client.ip(v), vip(v)) / l4(proto, sport, vport, n))
    s.expect(backend, ip(client.ip(v), backend.ip(v), 63) / l4(proto, sport, bport or vport, n))


def back(s, sport, vport=80, v=4, client=C, backend=B1, n=0, flags=None):
    t = answer("tcp", vport, sport, n) if flags is None else tcp(vport, sport, flags, 5001, 1001)
    s.send(backend, ip(backend.ip(v), client.ip(v)) / t)
    s.expect(client, ip(vip(v), client.ip(v), 63) / t)


# Whom a round robin of B1 and B2 asks first and second.
ONE, TWO = oracle.smooth_round_robin([B1, B2], [1, 1], 2)


@scenario()
def port_range(s):
    """A range of ports: its ends are in, their neighbours are not; the port is kept."""
    s.service(VIP4, [B1.ip4], port="8000-8099")
    s.meet(C, B1, v=(4,))
    for port in (8000, 8050, 8099):
        nat(s, 40000, port)
    for port in (7999, 8100, 80):
        s.send(C, ip(C.ip4, VIP4) / tcp(40001, port), "l4_no_service")


@scenario(("tcp", 4), ("udp", 6))
def any_port(s, proto, v):
    """Any port, {0} over IPv{1}: from 1 to 65535, but not the other protocol."""
    s.service(vip(v), [B1.ip(v)], port="any", protocol=proto)
    s.meet(C, B1, v=(v,))
    for port in (1, 80, 65535):
        nat(s, 40000, port, v=v, proto=proto)
    s.send(C, ip(C.ip(v), vip(v)) / l4("udp" if proto == "tcp" else "tcp", 40000, 80), "l4_no_service")


@scenario()
def one_vip_many_services(s):
    """TCP and UDP, single ports and ranges on one virtual address, each with its own backend."""
    s.service([VIP4, VIP6], [B1.ip4], port=80, mode="fullnat")
    s.service(VIP4, [B2.ip4], port="81-90")
    s.service(VIP4, [B2.ip4], port=80, protocol="udp")
    one_local_port(s)
    s.meet(C, B1, B2)
    s.send(C, ip(C.ip4, VIP4) / tcp(40000, 80))
    s.expect(B1, translated(s, ip(C.ip4, VIP4) / tcp(40000, 80), BACK.ip4, B1.ip4, LPORT, 80))
    nat(s, 40000, 85, backend=B2)
    nat(s, 40000, 80, proto="udp", backend=B2)
    s.send(C, ip(C.ip4, VIP4) / tcp(40000, 91), "l4_no_service")


@scenario((4,), (6,))
def allow_deny(s, v):
    """Allow and deny lists, IPv{0}: the longest match decides, and with an allow list who is not on it
    may not."""
    net, host = ("192.0.2.0/24", "192.0.2.20/32") if v == 4 else ("2001:db8:1::/64", "2001:db8:1::20/128")
    far = "203.0.113.7" if v == 4 else "2001:db8:ffff::7"
    s.service(vip(v), [B1.ip(v)], allow=[net], deny=[host])
    s.meet(C, C2, B1, v=(v,))
    nat(s, 40000, v=v)
    s.send(C2, ip(C2.ip(v), vip(v)) / tcp(40000, 80), "l4_denied")
    s.send(C, ip(far, vip(v)) / tcp(40000, 80), "l4_denied")


@scenario()
def deny_only(s):
    """A deny list alone: all others may; a reload that takes a tracked client's right away ends its
    flow."""
    s.service(VIP4, [B1.ip4], deny=["192.0.2.20/32"])
    s.first_config = s.dump_config()
    s.meet(C, C2, B1, v=(4,))
    nat(s, 40000)
    s.send(C2, ip(C2.ip4, VIP4) / tcp(40000, 80), "l4_denied")
    s.config["services"][0]["deny"] = ["192.0.2.10/32"]
    s.reload()
    s.wait(3000)
    s.send(C, ip(C.ip4, VIP4) / tcp(40001, 80), "l4_denied")
    s.expect_counter("flows", 0)


@scenario()
def connection_limit(s):
    """A limit of three connections: the fourth is refused, and taken when one has ended."""
    s.service(VIP4, [B1.ip4], limits={"connections": 3}, timeouts={"fin": "1s"})
    s.meet(C, B1, v=(4,))
    for sport in (40000, 40001, 40002):
        nat(s, sport)
    s.send(C, ip(C.ip4, VIP4) / tcp(40003, 80), "l4_conn_limit")
    reset = tcp(40000, 80, "R", 1001)
    s.send(C, ip(C.ip4, VIP4) / reset)
    s.expect(B1, ip(C.ip4, B1.ip4, 63) / reset)
    s.wait(4000)
    nat(s, 40003)


@scenario()
def backend_connection_limit(s):
    """A limit for each backend: when one is full its flows go to the other, when both are the client
    is refused."""
    s.service(VIP4, [B1.ip4, B2.ip4], scheduler="wrr", limits={"backend_connections": 2})
    s.meet(C, B1, B2, v=(4,))
    for i, sport in enumerate(range(40000, 40004)):
        nat(s, sport, backend=(ONE, TWO)[i % 2])
    s.send(C, ip(C.ip4, VIP4) / tcp(40004, 80), "l4_conn_limit")


@scenario()
def rate_limit(s):
    """Ten new connections a second, in bursts of a tenth of a second: what comes faster is refused,
    and a second later the next is taken."""
    s.service(VIP4, [B1.ip4], limits={"rate": 10})
    s.meet(C, B1, v=(4,))
    # 100 ms each: the second within the burst, the third is over it.
    nat(s, 40000)
    nat(s, 40001)
    s.send(C, ip(C.ip4, VIP4) / tcp(40002, 80), "l4_rate_limit")
    nat(s, 40000, n=1)
    s.wait(1000)
    nat(s, 40002)


@scenario()
def flood_guard(s):
    """More new flows than flood_new_per_sec: the surplus follows the hash and is not tracked (DSR)."""
    s.config["l4"]["flood_new_per_sec"] = 10
    s.service(VIP4, [B1.ip4], mode="dsr")
    s.meet(C, B1, v=(4,))
    for sport in range(40000, 40020):
        p = ip(C.ip4, VIP4) / tcp(sport, 80)
        s.send(C, p)
        s.expect(B1, oracle.direct(s, "dsr", p, BACK.ip4, B1.ip4))
    s.expect_counter("flows", 2)


@scenario(("drop", "tcp"), ("reject", "tcp"), ("reject", "udp"), ("spray", "tcp"))
def all_down(s, what, proto):
    """No backend is up, {0}, {1}: the first packet already obeys, since a backend is down until a probe
    was answered. Here the probe waits for the backend's MAC, and nobody tells it."""
    s.service(VIP4, [B3.ip4], protocol=proto, all_down=what,
              health={"type": "icmp", "interval": "1h", "timeout": "1s"})
    s.expect_frames[1].append((1 * MS, bytes(s.arp_question(B3)), ()))
    s.meet(C, v=(4,))
    p = ip(C.ip4, VIP4) / l4(proto, 40000, 80)
    if what == "drop":
        s.send(C, p, "l4_no_backend")
    elif what == "spray":
        s.send(C, p)
    else:
        s.send(C, p, "l4_rejected")
        s.expect(C, oracle.reset_for(p, 4) if proto == "tcp" else
                 oracle.error_header(VIP4, C.ip4) / ICMP(type=3, code=3) / Raw(bytes(p)))
    s.expect_counter("held", 2 if what == "spray" else 1)


@scenario((4, "nat"), (6, "fullnat"))
def unknown_flow(s, v, mode):
    """A segment in the middle of a connection that nobody tracks, {1}, IPv{0}: counted, dropped."""
    s.service(vip(v), [B1.ip(v)], mode=mode)
    s.meet(C, B1, v=(v,))
    s.send(C, ip(C.ip(v), vip(v)) / tcp(40000, 80, "A", 1001, 5001, b"late"), "l4_no_flow")
    s.send(C, ip(C.ip(v), vip(v)) / tcp(40000, 80, "R", 1001), "l4_no_flow")


@scenario()
def unknown_flow_direct(s):
    """The same under DSR follows the hash and is tracked from there on."""
    s.service(VIP4, [B1.ip4], mode="dsr")
    s.meet(C, B1, v=(4,))
    p = ip(C.ip4, VIP4) / tcp(40000, 80, "A", 1001, 5001, b"late")
    s.send(C, p)
    s.expect(B1, oracle.direct(s, "dsr", p, BACK.ip4, B1.ip4))
    s.expect_counter("flows", 1)


@scenario()
def nat_port_clash(s):
    """NAT: one client port cannot lead to one backend through two virtual addresses, since answers
    could not be told apart: the second is refused while the first lives."""
    s.service([VIP4, "203.0.113.81"], [B1.ip4])
    s.meet(C, B1, v=(4,))
    nat(s, 40000)
    s.send(C, ip(C.ip4, "203.0.113.81") / tcp(40000, 80), "l4_no_port")


@scenario()
def fullnat_ports_used_up(s):
    """Full NAT with one source port: a second connection to the same backend has none, to another
    backend it has."""
    one_local_port(s)
    s.service(VIP4, [B1.ip4], mode="fullnat")
    s.service("203.0.113.81", [B2.ip4], mode="fullnat")
    s.meet(C, B1, B2, v=(4,))
    p = ip(C.ip4, VIP4) / tcp(40000, 80)
    s.send(C, p)
    s.expect(B1, translated(s, p, BACK.ip4, B1.ip4, LPORT, 80))
    s.send(C, ip(C.ip4, VIP4) / tcp(40001, 80), "l4_no_port")
    p = ip(C.ip4, "203.0.113.81") / tcp(40001, 80)
    s.send(C, p)
    s.expect(B2, translated(s, p, BACK.ip4, B2.ip4, LPORT, 80))


@scenario(("nat",), ("dsr",))
def flow_table_full(s, mode):
    """More connections than there is room for, {0}, all within a second: NAT refuses the surplus, direct
    return follows the hash without tracking; those that are tracked go on."""
    s.service(VIP4, [B1.ip4], mode=mode)
    s.meet(C, B1, v=(4,))
    s.step = MS // 10
    n = 1024
    for sport in range(20000, 20000 + n + 4):
        p = ip(C.ip4, VIP4) / tcp(sport, 80)
        over = sport >= 20000 + n
        s.send(C, p, "l4_table_full" if over and mode == "nat" else None)
        if not over or mode == "dsr":
            s.expect(B1, ip(C.ip4, B1.ip4, 63) / tcp(sport, 80) if mode == "nat" else
                     oracle.direct(s, "dsr", p, BACK.ip4, B1.ip4))
    s.expect_counter("flows", n)


@scenario()
def flow_table_makes_room(s):
    """A full table of half-open connections, a second later: a new one takes the place of an old."""
    s.service(VIP4, [B1.ip4])
    s.meet(C, B1, v=(4,))
    s.step = MS // 10
    for sport in range(20000, 21024):
        nat(s, sport)
    s.wait(1500)
    for sport in range(30000, 30010):
        nat(s, sport)
    s.expect_counter("flows", 1024)


@scenario()
def local_addresses(s):
    """Full NAT from configured local addresses: with one port each, two connections use two
    addresses."""
    one_local_port(s)
    s.port(1, addresses=["198.51.100.1/24", "198.51.100.2/24", "198.51.100.3/24", "2001:db8:2::1/64"])
    s.service(VIP4, [B1.ip4], mode="fullnat", local_addresses=["198.51.100.2"])
    s.meet(C, B1, v=(4,))
    p = ip(C.ip4, VIP4) / tcp(40000, 80)
    s.send(C, p)
    s.expect(B1, translated(s, p, "198.51.100.2", B1.ip4, LPORT, 80))
    s.send(C, ip(C.ip4, VIP4) / tcp(40001, 80), "l4_no_port")


@scenario(("syn",), ("established",), ("fin",), ("udp",))
def timeout(s, which):
    """The {0} timeout: a flow that was silent for less is still tracked, one that was for longer is
    forgotten."""
    proto = "udp" if which == "udp" else "tcp"
    limits = {"syn": "600s", "established": "600s", "fin": "600s", "udp": "600s"}
    limits[which] = "5s"
    s.service(VIP4, [B1.ip4], protocol=proto, timeouts=limits)
    s.meet(C, B1, v=(4,))
    nat(s, 40000, proto=proto)
    if which in ("established", "fin"):
        back(s, 40000)
        nat(s, 40000, n=1)
    if which == "fin":
        fin = tcp(40000, 80, "FA", 1001, 5001)
        s.send(C, ip(C.ip4, VIP4) / fin)
        s.expect(B1, ip(C.ip4, B1.ip4, 63) / fin)
    s.wait(4500)
    t = tcp(40000, 80, "S" if which == "syn" else "A", 1000 if which == "syn" else 1002, 0 if which == "syn" else 5001)
    if proto == "udp":
        t = udp(40000, 80, b"again")
    s.send(C, ip(C.ip4, VIP4) / t)
    s.expect(B1, ip(C.ip4, B1.ip4, 63) / t)
    s.wait(7500)
    s.expect_counter("flows", 0)


@scenario()
def drain(s):
    """A draining backend gets no new flow; those it has go on until the deadline, and end then."""
    s.service(VIP4, [{"address": ONE.ip4}, {"address": TWO.ip4}], scheduler="wrr", drain_timeout="2s")
    s.first_config = s.dump_config()
    s.meet(C, B1, B2, v=(4,))
    nat(s, 40000, backend=ONE)
    back(s, 40000, backend=ONE)
    nat(s, 40001, backend=TWO)
    s.config["services"][0]["backends"][0]["drain"] = True
    s.reload()
    for sport in (40002, 40003):
        nat(s, sport, backend=TWO)
    nat(s, 40000, n=1, backend=ONE)
    s.wait(2500)
    s.send(C, ip(C.ip4, VIP4) / tcp(40000, 80, "A", 1002, 5001), "l4_no_flow")


@scenario()
def removal_reset(s):
    """A backend is removed, on_removal is reset and no time is given: its connection gets a reset, and
    a new one goes elsewhere."""
    s.service(VIP4, [B1.ip4, B2.ip4], scheduler="wrr", on_removal="reset")
    s.first_config = s.dump_config()
    s.meet(C, B1, B2, v=(4,))
    nat(s, 40000, backend=ONE)
    back(s, 40000, backend=ONE)
    s.config["services"][0]["backends"] = [TWO.ip4]
    s.reload()
    p = ip(C.ip4, VIP4) / tcp(40000, 80, "A", 1001, 5001, b"hello")
    s.send(C, p, "l4_backend_gone")
    s.expect(C, oracle.reset_for(p, 4))
    nat(s, 40001, backend=TWO)


@scenario()
def removal_gentle(s):
    """A backend is removed, gently: the connection it has goes on, its UDP flow moves."""
    s.service(VIP4, [B1.ip4, B2.ip4], scheduler="wrr", drain_timeout="60s")
    s.service(VIP4, [B1.ip4, B2.ip4], scheduler="wrr", protocol="udp", port=53)
    s.first_config = s.dump_config()
    s.meet(C, B1, B2, v=(4,))
    nat(s, 40000, backend=ONE)
    back(s, 40000, backend=ONE)
    nat(s, 40000, 53, proto="udp", backend=ONE)
    for svc in s.config["services"]:
        svc["backends"] = [TWO.ip4]
    s.reload()
    nat(s, 40000, n=1, backend=ONE)
    nat(s, 40000, 53, proto="udp", n=1, backend=TWO)


@scenario()
def weight_zero(s):
    """Weight 0 drains like `drain`: tracked flows go on, new ones do not come."""
    s.service(VIP4, [{"address": ONE.ip4, "weight": 1}, {"address": TWO.ip4, "weight": 1}], scheduler="wrr")
    s.first_config = s.dump_config()
    s.meet(C, B1, B2, v=(4,))
    nat(s, 40000, backend=ONE)
    s.config["services"][0]["backends"][0]["weight"] = 0
    s.reload()
    nat(s, 40001, backend=TWO)
    nat(s, 40002, backend=TWO)
    back(s, 40000, backend=ONE)
    nat(s, 40000, n=1, backend=ONE)


@scenario()
def stop_drain(s):
    """weir is told to stop: tracked flows go on, a new one is refused."""
    s.service(VIP4, [B1.ip4])
    s.meet(C, B1, v=(4,))
    nat(s, 40000)
    s.steps.append((s.t, "drain"))
    s.wait(5)
    back(s, 40000)
    s.send(C, ip(C.ip4, VIP4) / tcp(40001, 80), "stopped")


@scenario()
def vip_added_and_removed(s):
    """A reload adds a virtual address and removes another: the new one answers at once; connections to
    the old one go on, and nothing new is taken for it."""
    s.service(VIP4, [B1.ip4], name="a")
    s.first_config = s.dump_config()
    s.meet(C, B1, v=(4,))
    nat(s, 40000)
    s.config["services"] = []
    s.service("203.0.113.81", [B1.ip4], name="b")
    s.reload()
    s.send(C, ip(C.ip4, "203.0.113.81") / tcp(40001, 80))
    s.expect(B1, ip(C.ip4, B1.ip4, 63) / tcp(40001, 80))
    nat(s, 40000, n=1)
    back(s, 40000, n=1)
    s.send(C, ip(C.ip4, VIP4) / tcp(40002, 80), "l4_no_service")


@scenario()
def vip_removed_reset(s):
    """The same where removal resets: the connection's next packet is answered with a reset, and the
    address is then nobody's connection's."""
    s.service(VIP4, [B1.ip4], name="a", on_removal="reset")
    s.first_config = s.dump_config()
    s.meet(C, B1, v=(4,))
    nat(s, 40000)
    s.config["services"] = []
    s.service("203.0.113.81", [B1.ip4], name="b")
    s.reload()
    p = ip(C.ip4, VIP4) / tcp(40000, 80, "A", 1001, 5001)
    s.send(C, p, "l4_backend_gone")
    s.expect(C, oracle.reset_for(p, 4))
    s.send(C, p, "l4_no_service")


@scenario()
def service_removed(s):
    """A reload removes one service of a virtual address that keeps another: the removed one's
    connection goes on, new ones to it are refused."""
    s.service(VIP4, [B1.ip4], name="a")
    s.service(VIP4, [B1.ip4], name="b", port=81)
    s.first_config = s.dump_config()
    s.meet(C, B1, v=(4,))
    nat(s, 40000)
    back(s, 40000)
    del s.config["services"][0]
    s.reload()
    nat(s, 40000, n=1)
    back(s, 40000, n=1)
    s.send(C, ip(C.ip4, VIP4) / tcp(40002, 80), "l4_no_service")
    nat(s, 40003, 81)


@scenario()
def connection_life(s):
    """A whole connection, opened, used and closed by both sides; the same ports can then be used
    again at once."""
    s.service(VIP4, [B1.ip4])
    s.meet(C, B1, v=(4,))
    for _ in range(2):
        nat(s, 40000)
        back(s, 40000)
        nat(s, 40000, n=1)
        nat(s, 40000, n=2)
        back(s, 40000, n=1)
        fin = tcp(40000, 80, "FA", 1007, 5008)
        s.send(C, ip(C.ip4, VIP4) / fin)
        s.expect(B1, ip(C.ip4, B1.ip4, 63) / fin)
        back(s, 40000, flags="FA")
    s.expect_counter("flows", 1)


def workers(s, n):
    """Answers of neighbours are copied to all workers, who may have asked for nothing."""
    s.config["workers"] = {"count": n}
    s.expect_counter("reason.arp_ignored", "any")
    s.expect_counter("reason.nd_ignored", "any")


@scenario((4,), (6,))
def two_workers(s, v):
    """Two workers behind ports with one queue, IPv{0}: flows, answers, fragments, pings and ICMP
    errors reach the worker that owns them, and come out the same."""
    workers(s, 2)
    s.service(vip(v), [B1.ip(v)])
    s.service(vip(v), [B1.ip(v)], protocol="udp", port=53)
    s.meet(C, B1)
    for sport in range(40000, 40020):
        nat(s, sport, v=v)
        back(s, sport, v=v)
        nat(s, sport, v=v, n=1)
        nat(s, sport, 53, v=v, proto="udp")
    for sport in range(41000, 41006):
        whole = ip(C.ip(v), vip(v), id=sport) / udp(sport, 53, bytes(3000))
        out = ip(C.ip(v), B1.ip(v), 63, id=sport) / udp(sport, 53, bytes(3000))
        for f, g in zip(fragments(whole, 1280, sport), fragments(out, 1280, sport)):
            s.send(C, f)
            s.expect(B1, g)
    for n in range(4):
        for a in (FRONT.ip(v), vip(v)):
            s.send(C, ip(C.ip(v), a) / echo(v, n), "icmp_echo")
            s.expect(C, oracle.echo_header(a, C.ip(v)) / echo_reply(v, n))
    for sport in range(40000, 40006):
        sent = ip(B1.ip(v), C.ip(v)) / tcp(80, sport, "A", 5001, 1001, bytes(600))
        got = ip(vip(v), C.ip(v), 63) / tcp(80, sport, "A", 5001, 1001, bytes(600))
        s.send(B1, sent)
        s.expect(C, got)
        s.send(C, ip(C.ip(v), vip(v)) / too_big(v, 1400) / Raw(bytes(got)[:200]))
        s.expect(B1, oracle.translated_error(ip(C.ip(v), vip(v)), C.ip(v), B1.ip(v), too_big(v, 1400),
                                             sent, got, cut=200))


@scenario((4,), (6,))
def two_workers_direct(s, v):
    """Two workers, DSR over IPv{0}: the worker that owns a flow sends it, in order."""
    workers(s, 2)
    s.service(vip(v), [B1.ip(v)], mode="dsr")
    s.meet(C, B1)
    for sport in range(40000, 40030):
        for n in range(3):
            p = ip(C.ip(v), vip(v)) / l4("tcp", sport, 80, n)
            s.send(C, p)
            s.expect(B1, oracle.direct(s, "dsr", p, BACK.ip(v), B1.ip(v)))
    s.expect_counter("flows", 30)
