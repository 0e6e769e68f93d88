# SPDX-License-Identifier: Apache-2.0
"""Schedulers: which backend a new flow gets."""
from weirgen import B1, B2, B3, C, C2, VIP4, ip, oracle, scenario, tcp, vip

SEED = (0x0001020304050607, 0x08090A0B0C0D0E0F)
BACKENDS = {4: {b.ip4: b for b in (B1, B2, B3)}, 6: {b.ip6: b for b in (B1, B2, B3)}}


def setup(s, v=4, weights=(1, 1, 1), **more):
    s.config["l4"]["hash_seed"] = "%016x%016x" % SEED
    backends = [{"address": b.ip(v), "weight": w} for b, w in zip((B1, B2, B3), weights)]
    s.service(vip(v), backends, **more)
    s.meet(C, C2, B1, B2, B3, v=(v,))


def flow(s, backend, sport, v=4, client=C, n=0):
    from weirgen import l4
    s.send(client, ip(client.ip(v), vip(v)) / l4("tcp", sport, 80, n))
    s.expect(backend, ip(client.ip(v), backend.ip(v), 63) / l4("tcp", sport, 80, n))


def answered(s, backend, sport, v=4, client=C):
    s.send(backend, ip(backend.ip(v), client.ip(v)) / tcp(80, sport, "SA", 5000, 1001))
    s.expect(client, ip(vip(v), client.ip(v), 63) / tcp(80, sport, "SA", 5000, 1001))


def table(v, weights=(1, 1, 1)):
    return oracle.Maglev(SEED, [(b.ip(v), 0, w) for b, w in zip((B1, B2, B3), weights)])


@scenario((4,), (6,))
def maglev(s, v):
    """Maglev over IPv{0}: thirty flows go where an independent second implementation of the table
    says."""
    setup(s, v)
    t = table(v)
    for sport in range(40000, 40030):
        flow(s, BACKENDS[v][t.by_tuple(C.ip(v), sport, vip(v), 80, "tcp")], sport, v)


@scenario()
def maglev_weights(s):
    """Maglev with weights 1, 5 and 0: the last gets nothing, the table is the weighted one."""
    setup(s, 4, (1, 5, 0))
    t = table(4, (1, 5, 0))
    for sport in range(40000, 40030):
        b = t.by_tuple(C.ip4, sport, VIP4, 80, "tcp")
        assert b != B3.ip4
        flow(s, BACKENDS[4][b], sport)


@scenario()
def maglev_tracked(s):
    """Tracked flows stay when the table changes: a backend is added, and only new flows see it."""
    s.config["l4"]["hash_seed"] = "%016x%016x" % SEED
    s.service(VIP4, [{"address": b.ip4, "weight": 1} for b in (B1, B2)])
    s.first_config = s.dump_config()
    s.meet(C, B1, B2, B3, v=(4,))
    old = oracle.Maglev(SEED, [(b.ip4, 0, 1) for b in (B1, B2)])
    new = table(4)
    picks = {}
    for sport in range(40000, 40020):
        picks[sport] = BACKENDS[4][old.by_tuple(C.ip4, sport, VIP4, 80, "tcp")]
        flow(s, picks[sport], sport)
    s.config["services"][0]["backends"].append({"address": B3.ip4, "weight": 1})
    s.reload()
    for sport, b in picks.items():
        flow(s, b, sport, n=1)
    moved = 0
    for sport in range(41000, 41020):
        b = BACKENDS[4][new.by_tuple(C.ip4, sport, VIP4, 80, "tcp")]
        moved += b is B3
        flow(s, b, sport)
    assert moved > 0
    assert any(BACKENDS[4][new.by_tuple(C.ip4, p, VIP4, 80, "tcp")] is not b for p, b in picks.items())


@scenario()
def maglev_hash_source(s):
    """Maglev that hashes the client's address alone: all flows of a client share a backend."""
    setup(s, 4, hash="source")
    t = table(4)
    for client in (C, C2):
        b = BACKENDS[4][t.by_source(client.ip4)]
        for sport in range(40000, 40006):
            flow(s, b, sport, client=client)


@scenario((4,), (6,))
def source_hash(s, v):
    """Source hash over IPv{0}: the client's address decides, whatever its port."""
    setup(s, v, scheduler="source_hash")
    t = table(v)
    for client in (C, C2):
        b = BACKENDS[v][t.by_source(client.ip(v))]
        for sport in range(40000, 40006):
            flow(s, b, sport, v, client)


@scenario()
def wrr(s):
    """Weighted round robin 3 : 2 : 1: six flows give each its share, and the turns are spread: nobody
    comes three times in a row."""
    setup(s, 4, (3, 2, 1), scheduler="wrr")
    turns = oracle.smooth_round_robin([B1, B2, B3], [3, 2, 1], 12)
    assert [turns[:6].count(b) for b in (B1, B2, B3)] == [3, 2, 1]
    assert not any(turns[i] is turns[i + 1] is turns[i + 2] for i in range(10))
    for sport, b in zip(range(40000, 40012), turns):
        flow(s, b, sport)


@scenario()
def wrr_equal(s):
    """Round robin with equal weights: each of three flows another backend, and again in that order."""
    setup(s, 4, scheduler="wrr")
    turns = oracle.smooth_round_robin([B1, B2, B3], [1, 1, 1], 9)
    assert len(set(b.name for b in turns[:3])) == 3 and turns[:3] == turns[3:6] == turns[6:]
    for sport, b in zip(range(40000, 40009), turns):
        flow(s, b, sport)


@scenario()
def wlc(s):
    """Weighted least connections, weights 7, 3 and 2: each new flow goes where (connections + 1) /
    weight is least; none of these choices is a tie."""
    weights = (7, 3, 2)
    setup(s, 4, weights, scheduler="wlc")
    active = [0, 0, 0]
    for sport in range(40000, 40009):
        score = [(a + 1) / w for a, w in zip(active, weights)]
        assert score.count(min(score)) == 1
        best = score.index(min(score))
        active[best] += 1
        flow(s, (B1, B2, B3)[best], sport)
    assert active == [6, 2, 1]
