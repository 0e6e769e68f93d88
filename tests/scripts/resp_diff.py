#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""weir's Redis protocol against redis-server: the same random commands to both, reply by reply.

Both versions of the protocol, all types, wrong types, bad arguments, expiry, transactions. Prints its
seed; WEIR_SEED and COUNT (commands) repeat or lengthen a run.
"""
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SERVER = os.environ.get("RESP_SERVER", ROOT + "/build/debug/tests/tools/resp_server")
SEED = int(os.environ.get("WEIR_SEED", "20261129"))
COUNT = int(os.environ.get("COUNT", "24000"))


class Push(list):
    pass


class Error(str):
    pass


class Client:
    """A connection that reads both versions of the protocol."""

    def __init__(self, path):
        self.s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.s.settimeout(10)
        self.s.connect(path)
        self.buf = b""

    def send(self, *cmds):
        out = []
        for args in cmds:
            out.append(b"*%d\r\n" % len(args))
            for a in args:
                out.append(b"$%d\r\n%s\r\n" % (len(a), a))
        self.s.sendall(b"".join(out))

    def more(self):
        data = self.s.recv(1 << 16)
        if not data:
            raise EOFError("connection closed")
        self.buf += data

    def line(self):
        while b"\r\n" not in self.buf:
            self.more()
        line, self.buf = self.buf.split(b"\r\n", 1)
        return line

    def bytes(self, n):
        while len(self.buf) < n + 2:
            self.more()
        data, end, self.buf = self.buf[:n], self.buf[n:n + 2], self.buf[n + 2:]
        assert end == b"\r\n", end
        return data

    def reply(self):
        line = self.line()
        kind, rest = line[:1], line[1:]
        if kind == b"+":
            return ("+", rest)
        if kind == b"-":
            return Error(rest.decode("latin1"))
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return None if rest == b"-1" else self.bytes(int(rest))
        if kind == b"*":
            return ("*nil",) if rest == b"-1" else [self.reply() for _ in range(int(rest))]
        if kind == b"%":
            return ("%", [self.reply() for _ in range(2 * int(rest))])
        if kind == b"~":
            return ("~", [self.reply() for _ in range(int(rest))])
        if kind == b"_":
            return ("_",)
        if kind == b",":
            return (",", rest)
        if kind == b"#":
            return ("#", rest)
        if kind == b"=":
            return ("=", self.bytes(int(rest)))
        if kind == b"(":
            return ("(", rest)
        raise AssertionError("no reply: %r" % line)

    def ask(self, *args):
        self.send(args)
        return self.reply()


def b(x):
    return x if isinstance(x, bytes) else str(x).encode()


class Gen:
    """Random commands. Few keys and members, so that they meet; half of the arguments are sane."""

    def __init__(self, rng):
        self.r = rng
        self.now = int(time.time())

    def key(self):
        return b("k%d" % self.r.randrange(12))

    def typed(self, t):
        return b("%s%d" % (t, self.r.randrange(4))) if self.r.random() < 0.85 else self.key()

    def lexkey(self):
        """Only these hold sorted sets of one score, for which an order by name is defined."""
        return b("lex%d" % self.r.randrange(3))

    def member(self):
        return b(self.r.choice(["a", "b", "c", "d", "e", "10", "-3", "", "long member " * 9, "\x00\xff\r\n"]))

    def value(self):
        return b(self.r.choice(["", "x", "hello world", "7", "-12", "3.5", "9223372036854775807", "1e3",
                                " 1", "01", "nan", "inf", "\x00\r\n", "v" * 700, "-9223372036854775808"]))

    def integer(self):
        return b(self.r.choice([0, 1, 2, 3, 5, -1, -2, -3, -100, 100, 9223372036854775807,
                                -9223372036854775808, "x", "", "1.5", " 2"]))

    def small(self):
        return b(self.r.choice([0, 1, 2, 3, 4, -1, -2, -3, -5, 10]))

    def score(self):
        return b(self.r.choice(["0", "1", "2", "-1", "3.5", "1e10", "inf", "-inf", "+inf", "nan", "x", "",
                                "0.1", "1000000000000000000", "3.0000000000000001"]))

    def bound(self):
        return b(self.r.choice(["-inf", "+inf", "0", "1", "(1", "(2", "3.5", "(-1", "x", "(", "nan"]))

    def lex(self):
        return b(self.r.choice(["-", "+", "[a", "(a", "[c", "(d", "[", "(", "x", "[10"]))

    def seconds(self):
        return b(self.r.choice([100000, 200000, 500000, 0, -1, "x", 9223372036854775807]))

    def at(self):
        return b(self.r.choice([self.now + 1000, self.now + 9000, 1, 0, -5, "x"]))

    def some(self, f, lo=1, hi=4):
        out = []
        for _ in range(self.r.randint(lo, hi)):
            x = f()
            out += x if isinstance(x, list) else [x]
        return out

    def maybe(self, *words):
        return [b(w) for w in words] if self.r.random() < 0.4 else []

    def weights(self, n):
        return ([b"WEIGHTS"] + [self.score() for _ in range(n)] if self.r.random() < 0.3 else []) + \
               ([b"AGGREGATE", b(self.r.choice(["sum", "min", "MAX", "x"]))] if self.r.random() < 0.3 else [])

    def store(self, name, t):
        n = self.r.randint(1, 3)
        return [b(name), self.typed(t), b(n)] + [self.typed(self.r.choice([t, "set"])) for _ in range(n)]

    def command(self):
        r = self.r
        k, s, m, v, i = self.key, self.typed, self.member, self.value, self.integer
        table = FAMILIES[r.choice(FAMILY_NAMES)]
        cmd = r.choice(table)(self)
        out = [b(x) for x in cmd]
        if r.random() < 0.02 and out[0] not in (b"spop", b"randomkey", *DRAWS):
            out = out[:-1] if len(out) > 1 and r.random() < 0.5 else out + [b"extra"]
        if r.random() < 0.2:
            out[0] = out[0].upper()
        return out


STRINGS = [
    lambda g: ["get", g.typed("str")],
    lambda g: ["set", g.typed("str"), g.value()],
    lambda g: ["set", g.typed("str"), g.value()] + g.maybe(g.r.choice(["nx", "xx", "get", "keepttl", "bad"]))
    + g.maybe(g.r.choice(["ex", "px"]), g.r.choice(["100000", "500000", "0", "-1", "x", "99999999999999"])),
    lambda g: ["set", g.key(), g.value(), "get"] + g.maybe(g.r.choice(["nx", "xx"])),
    lambda g: ["setnx", g.typed("str"), g.value()],
    lambda g: ["setex", g.typed("str"), g.seconds(), g.value()],
    lambda g: ["psetex", g.typed("str"), g.r.choice(["100000", "0", "x"]), g.value()],
    lambda g: ["getset", g.typed("str"), g.value()],
    lambda g: ["getdel", g.typed("str")],
    lambda g: ["getex", g.typed("str")] + g.maybe(g.r.choice(["ex", "px", "persist"]))
    + g.maybe(g.r.choice(["500000", "0", "x"])),
    lambda g: ["mget"] + g.some(g.key),
    lambda g: ["mget"] + g.some(lambda: g.typed("str")),
    lambda g: ["mset"] + g.some(lambda: [g.typed("str"), g.value()]),
    lambda g: ["msetnx"] + g.some(lambda: [g.typed("str"), g.value()], 1, 2),
    lambda g: ["append", g.typed("str"), g.value()],
    lambda g: ["strlen", g.typed("str")],
    lambda g: ["getrange", g.typed("str"), g.small(), g.small()],
    lambda g: ["substr", g.typed("str"), g.integer(), g.integer()],
    lambda g: ["setrange", g.typed("str"), g.r.choice(["0", "3", "20", "-1", "x"]), g.value()],
    lambda g: ["incr", g.typed("str")],
    lambda g: ["decr", g.typed("str")],
    lambda g: ["incrby", g.typed("str"), g.integer()],
    lambda g: ["decrby", g.typed("str"), g.integer()],
    lambda g: ["incrbyfloat", g.typed("str"), g.r.choice(["0.1", "-3", "1e5", "x", "nan", "inf", "5.0e3"])],
]
KEYS = [
    lambda g: ["del"] + g.some(g.any),
    lambda g: ["unlink"] + g.some(g.any, 1, 2),
    lambda g: ["exists"] + g.some(g.any),
    lambda g: ["touch"] + g.some(g.any),
    lambda g: ["type", g.any()],
    lambda g: [g.r.choice(["expire", "pexpire"]), g.any(), g.seconds()] + g.maybe(g.r.choice(["nx", "xx", "gt", "lt", "bad"])),
    lambda g: ["expireat", g.any(), g.at()] + g.maybe(g.r.choice(["nx", "xx", "gt", "lt"])),
    lambda g: ["pexpireat", g.any(), g.r.choice([str((g.now + 5000) * 1000), "1", "x"])],
    lambda g: [g.r.choice(["ttl", "pttl"]), g.any()],
    lambda g: [g.r.choice(["expiretime", "pexpiretime"]), g.any()],
    lambda g: ["object", "encoding", g.any()],
    lambda g: ["memory", "usage", g.any()] + g.maybe("samples", g.r.choice(["0", "5", "-1", "x"]))
    + g.maybe("x"),
    lambda g: ["randomkey"],
    lambda g: ["persist", g.any()],
    lambda g: ["rename", g.any(), g.any()],
    lambda g: ["renamenx", g.any(), g.any()],
    lambda g: ["copy", g.any(), g.any()] + g.maybe("replace"),
    lambda g: ["dbsize"],
    lambda g: ["keys", g.r.choice(["*", "k?", "str*", "[kz]1", "nothing", "k[^1]", "s[a-t]r\\1"])],
    lambda g: ["nosuch", g.value()[:20], g.value()[:20]],
]
OTHER = [
    lambda g: ["ping"],
    lambda g: ["ping", g.value()],
    lambda g: ["echo", g.value()],
    lambda g: ["select", g.r.choice(["0", "x"])],
    lambda g: ["command", "getkeys", "mset", "a", "1", "b", "2"],
    lambda g: ["command", "getkeys", "get"],
    lambda g: ["client", "getname"],
    lambda g: ["client", "setname", g.r.choice(["me", "a b", ""])],
    lambda g: ["config", "nosuch"],
    lambda g: ["object", "nosuch", "x"],
    lambda g: ["discard"],
    lambda g: ["exec"],
    lambda g: ["unwatch"],
    lambda g: ["auth", "x"],
    lambda g: ["auth", "x", "y"],
]


FAMILIES = {"strings": STRINGS, "keys": KEYS, "other": OTHER}
try:
    from resp_diff_types import FAMILIES as MORE, TYPES
    FAMILIES.update(MORE)
except ImportError:
    TYPES = ["str"]
FAMILY_NAMES = list(FAMILIES) + ["strings"]
Gen.any = lambda self: self.typed(self.r.choice(TYPES))

# What the protocol's other end is, not what it holds, or what has no one right answer; and what a test
# of its own speaks of.
NOT_COMPARED = set("""acl bgrewriteaof bgsave client cluster config debug flushdb hello info lastsave lolwut quit readonly readwrite
    reset save slowlog time wait watch""".split())

# Members in any order: all of them, with a count that is great enough, else as many.
DRAWS = {b"srandmember", b"hrandfield", b"zrandmember"}
SCANS = {b"scan": 1, b"sscan": 1, b"hscan": 2, b"zscan": 2}
UNORDERED = {b"spop", b"keys", b"smembers", b"sinter", b"sunion", b"sdiff", b"hgetall", b"hkeys", b"hvals"}
# Seconds and milliseconds that pass between the two.
NEAR = {b"ttl", b"pttl", b"expiretime", b"pexpiretime"}


def normal(cmd, v):
    name = cmd[0].lower()
    if name in NEAR and isinstance(v, int) and v > 100:
        return "some time"
    if name == b"memory" and isinstance(v, int):
        return "some bytes"
    # Small collections have no form of their own here, and strings no history.
    if cmd[:2] and name == b"object" and cmd[1:2] == [b"encoding"] and isinstance(v, bytes):
        return "some encoding"
    if name == b"randomkey":
        return "some key" if isinstance(v, bytes) else v
    if name in DRAWS and isinstance(v, list):
        if len(cmd) > 2 and cmd[2] != b"100":
            return len(v)
        if len(cmd) > 3 and v and not isinstance(v[0], list):
            v = [v[i:i + 2] for i in range(0, len(v), 2)]
        return sorted(v, key=repr)
    if name in DRAWS and isinstance(v, bytes):
        return "some member"
    if name in UNORDERED:
        kind = v[0] if isinstance(v, tuple) and v[0] in "~%" and len(v) == 2 else None
        items = v[1] if kind else v
        if isinstance(items, list):
            if name == b"hgetall":
                items = [tuple(items[i:i + 2]) for i in range(0, len(items), 2)]
            return (kind, sorted(items, key=repr))
    return v


def show(cmd):
    return " ".join(repr(a)[1:] for a in cmd)


def scan_all(client, cmd):
    """All that a scan finds: its cursor is at 1, behind a key if it has one."""
    at = 1 if cmd[0].lower() == b"scan" else 2
    step = SCANS[cmd[0].lower()]
    found = []
    while True:
        r = client.ask(*cmd)
        if not isinstance(r, list):
            return r
        found += [tuple(r[1][i:i + step]) for i in range(0, len(r[1]), step)]
        if r[0] == b"0":
            return sorted(set(found))
        cmd = cmd[:at] + [r[0]] + cmd[at + 1:]


class Run:
    def __init__(self, ours, theirs):
        self.a, self.c = ours, theirs
        self.log = []
        self.bad = 0
        self.names = set()

    def scan(self, g):
        name = g.r.choice(sorted(SCANS))
        cmd = [name] + ([] if name == b"scan" else [g.any()]) + [g.r.choice([b"0"] * 9 + [b"x"])]
        cmd += g.maybe("match", g.r.choice(["*", "k*", "?", "[ab]", "no", "s[a-z]t*"]))
        cmd += g.maybe("count", g.r.choice(["1", "3", "100", "0", "x"]))
        if name == b"scan":
            cmd += g.maybe("type", g.r.choice(["string", "hash", "zset", "list", "set", "x"]))
        self.compare([b"all of"] + cmd, scan_all(self.a, cmd), scan_all(self.c, cmd))
        self.names.add(name)

    def uncovered(self):
        known = {x.decode() for x in self.a.ask(b"command", b"list")}
        return sorted(known - {x.decode() for x in self.names} - NOT_COMPARED)

    def compare(self, cmd, a, c):
        self.names.add(cmd[0].lower())
        self.log.append(show(cmd))
        if normal(cmd, a) == normal(cmd, c):
            return
        self.bad += 1
        if self.bad <= int(os.environ.get("SHOW", "8")):
            print("DIFFERENT: %s\n   weir:  %r\n   redis: %r" % (show(cmd), a, c))
            if os.environ.get("HISTORY"):
                print("   " + "\n   ".join(self.log[-int(os.environ["HISTORY"]):]))

    def batch(self, cmds):
        self.a.send(*cmds)
        self.c.send(*cmds)
        for cmd in cmds:
            self.compare(cmd, self.a.reply(), self.c.reply())


def transaction(g, run):
    cmds = [[b"multi"]]
    n = 0
    while n < g.r.randint(1, 5):
        c = g.command()
        if c[0].lower() in (b"discard", b"exec", b"multi", b"watch", b"unwatch", b"keys", b"dbsize", b"scan",
                            b"randomkey", b"auth", b"hello", b"hscan", b"sscan", b"zscan", b"ttl", b"object",
                            b"command", b"config", b"client", b"nosuch"):
            continue
        cmds.append(c)
        n += 1
    cmds.append([b"exec"] if g.r.random() < 0.9 else [b"discard"])
    run.a.send(*cmds)
    run.c.send(*cmds)
    for c in cmds[:-1]:
        run.compare(c, run.a.reply(), run.c.reply())
    a, c = run.a.reply(), run.c.reply()
    if isinstance(a, list) and isinstance(c, list) and len(a) == len(c):
        for cmd, x, y in zip(cmds[1:], a, c):
            run.compare([b"EXEC:" + cmd[0]] + cmd[1:], normal(cmd, x), normal(cmd, y))
    else:
        run.compare([b"exec"] + [show(x).encode() for x in cmds], a, c)


def drive(ours, theirs):
    rng = random.Random(SEED)
    g = Gen(rng)
    run = Run(Client(ours), Client(theirs))
    done = 0
    for proto in (2, 3, 2, 3):
        for x in (run.a, run.c):
            r = x.ask(b"hello", b(proto))
            assert isinstance(r, (list, tuple)), r
        stop = done + COUNT // 4
        while done < stop:
            if rng.random() < 0.05:
                transaction(g, run)
                done += 4
                continue
            if rng.random() < 0.02:
                run.scan(g)
            n = rng.choice([1, 1, 2, 5, 20])
            run.batch([g.command() for _ in range(n)])
            done += n
            if rng.random() < 0.004:
                run.batch([[b"flushall"]])
    return run, done


def start(argv, ready, **kw):
    p = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, **kw)
    end = time.time() + 10
    while not ready(p):
        if p.poll() is not None or time.time() > end:
            raise SystemExit("does not start: " + " ".join(argv))
        time.sleep(0.02)
    return p


def main():
    if not shutil.which("redis-server"):
        print("SKIP: redis-server is not installed")
        print("0 passed, 0 failed, 1 skipped")
        return 0
    passed = failed = 0
    with tempfile.TemporaryDirectory(prefix="weir-resp.") as tmp:
        theirs = tmp + "/redis.sock"
        redis = start(["redis-server", "--port", "0", "--unixsocket", theirs, "--save", "", "--dir", tmp],
                      lambda p: os.path.exists(theirs))
        try:
            for shards, cache in ((1, 16), (1, 0)):
                ours = tmp + "/weir%d%d.sock" % (shards, cache)
                weir = start([SERVER, ours, str(shards), str(cache)], lambda p: os.path.exists(ours))
                Client(theirs).ask(b"flushall")
                try:
                    run, done = drive(ours, theirs)
                    uncovered = run.uncovered()
                finally:
                    weir.stdin.close()
                    weir.wait(10)
                name = "%d random commands as redis-server, cache %d MiB (seed %d)" % (done, cache, SEED)
                if uncovered:
                    print("FAILED  commands that were never compared: " + " ".join(uncovered))
                    failed += 1
                if run.bad or weir.returncode:
                    print("FAILED  %s: %d differences, exit %d" % (name, run.bad, weir.returncode))
                    failed += 1
                else:
                    print("ok      " + name)
                    passed += 1
        finally:
            redis.terminate()
            redis.wait(10)
    print("%d passed, %d failed, 0 skipped" % (passed, failed))
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
