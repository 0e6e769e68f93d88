# SPDX-License-Identifier: Apache-2.0
"""Commands on collections for resp_diff.py: each makes the arguments of one command from a Gen."""

TYPES = ["str", "hash", "set", "zset", "list"]


def zkeys(g, lo=1, hi=3):
    n = g.r.randint(lo, hi)
    return [n] + [g.typed(g.r.choice(["zset", "zset", "set"])) for _ in range(n)]


def mix(g, first):
    keys = zkeys(g)
    return first + keys + g.weights(keys[0])


HASHES = [
    lambda g: ["hset", g.typed("hash")] + g.some(lambda: [g.member(), g.value()]),
    lambda g: ["hset", g.typed("hash"), g.member(), g.value()],
    lambda g: ["hmset", g.typed("hash")] + g.some(lambda: [g.member(), g.value()]),
    lambda g: ["hsetnx", g.typed("hash"), g.member(), g.value()],
    lambda g: ["hget", g.typed("hash"), g.member()],
    lambda g: ["hmget", g.typed("hash")] + g.some(g.member),
    lambda g: ["hdel", g.typed("hash")] + g.some(g.member),
    lambda g: ["hlen", g.typed("hash")],
    lambda g: ["hexists", g.typed("hash"), g.member()],
    lambda g: ["hgetall", g.typed("hash")],
    lambda g: ["hkeys", g.typed("hash")],
    lambda g: ["hvals", g.typed("hash")],
    lambda g: ["hstrlen", g.typed("hash"), g.member()],
    lambda g: ["hincrby", g.typed("hash"), g.member(), g.integer()],
    lambda g: ["hincrbyfloat", g.typed("hash"), g.member(), g.r.choice(["0.5", "-1", "x", "1e3"])],
    lambda g: ["hrandfield", g.typed("hash")] + g.maybe(g.r.choice(["0", "x", "2", "-3", "100", "-9223372036854775808"]))
    + g.maybe("withvalues"),
]
SETS = [
    lambda g: ["sadd", g.typed("set")] + g.some(g.member),
    lambda g: ["sadd", g.typed("set"), g.member()],
    lambda g: ["srem", g.typed("set")] + g.some(g.member),
    lambda g: ["smembers", g.typed("set")],
    lambda g: ["sismember", g.typed("set"), g.member()],
    lambda g: ["smismember", g.typed("set")] + g.some(g.member),
    lambda g: ["scard", g.typed("set")],
    lambda g: ["smove", g.typed("set"), g.typed("set"), g.member()],
    lambda g: [g.r.choice(["sinter", "sunion", "sdiff"])] + g.some(lambda: g.typed("set"), 1, 3),
    lambda g: [g.r.choice(["sinterstore", "sunionstore", "sdiffstore"]), g.typed("set")]
    + g.some(lambda: g.typed("set"), 1, 3),
    lambda g: ["sintercard", g.r.choice(["1", "2", "0", "9", "x"]), g.typed("set"), g.typed("set")][:4]
    + g.maybe("limit", g.r.choice(["1", "0", "-1", "x"])),
    lambda g: ["srandmember", g.typed("set")] + g.maybe(g.r.choice(["0", "x", "2", "-3", "100", "9223372036854775807"])),
    lambda g: ["spop", g.typed("set"), g.r.choice(["0", "100", "-1", "x"])],
]
SORTED = [
    lambda g: ["zadd", g.typed("zset")] + g.some(lambda: [g.score(), g.member()]),
    lambda g: ["zadd", g.typed("zset"), g.score(), g.member()],
    lambda g: ["zadd", g.typed("zset")] + g.maybe(g.r.choice(["nx", "xx"])) + g.maybe(g.r.choice(["gt", "lt"]))
    + g.maybe("ch") + g.maybe("incr") + [g.score(), g.member()],
    lambda g: ["zadd", g.lexkey()] + g.some(lambda: ["0", g.member()]),
    lambda g: ["zincrby", g.typed("zset"), g.score(), g.member()],
    lambda g: ["zrem", g.typed("zset")] + g.some(g.member),
    lambda g: ["zscore", g.typed("zset"), g.member()],
    lambda g: ["zmscore", g.typed("zset")] + g.some(g.member),
    lambda g: ["zcard", g.typed("zset")],
    lambda g: ["zcount", g.typed("zset"), g.bound(), g.bound()],
    lambda g: [g.r.choice(["zrank", "zrevrank"]), g.typed("zset"), g.member()],
    lambda g: [g.r.choice(["zrange", "zrevrange"]), g.typed("zset"), g.small(), g.small()] + g.maybe("withscores"),
    lambda g: ["zrange", g.typed("zset"), g.integer(), g.integer()] + g.maybe("rev") + g.maybe("withscores"),
    lambda g: ["zrange", g.typed("zset"), g.bound(), g.bound(), "byscore"] + g.maybe("rev")
    + g.maybe("limit", g.small(), g.small()) + g.maybe("withscores"),
    lambda g: [g.r.choice(["zrangebyscore", "zrevrangebyscore"]), g.typed("zset"), g.bound(), g.bound()]
    + g.maybe("withscores") + g.maybe("limit", g.small(), g.small()),
    lambda g: [g.r.choice(["zrangebylex", "zrevrangebylex"]), g.lexkey(), g.lex(), g.lex()]
    + g.maybe("limit", g.small(), g.small()),
    lambda g: ["zrange", g.lexkey(), g.lex(), g.lex(), "bylex"] + g.maybe("rev"),
    lambda g: ["zlexcount", g.lexkey(), g.lex(), g.lex()],
    lambda g: ["zremrangebylex", g.lexkey(), g.lex(), g.lex()],
    lambda g: ["zremrangebyrank", g.typed("zset"), g.small(), g.small()],
    lambda g: ["zremrangebyscore", g.typed("zset"), g.bound(), g.bound()],
    lambda g: [g.r.choice(["zpopmin", "zpopmax"]), g.typed("zset")] + g.maybe(g.r.choice(["1", "2", "0", "-1", "x"])),
    lambda g: mix(g, [g.r.choice(["zunionstore", "zinterstore"]), g.typed("zset")]),
    lambda g: ["zdiffstore", g.typed("zset")] + zkeys(g),
    lambda g: mix(g, [g.r.choice(["zunion", "zinter"])]) + g.maybe("withscores"),
    lambda g: ["zdiff"] + zkeys(g) + g.maybe("withscores"),
    lambda g: ["zunion", g.r.choice(["0", "9", "x"]), g.typed("zset")],
    lambda g: ["zrangestore", g.typed("zset"), g.typed("zset"), g.small(), g.small()],
    lambda g: ["zrangestore", g.typed("zset"), g.typed("zset"), g.bound(), g.bound(), "byscore"],
    lambda g: ["zrandmember", g.typed("zset")] + g.maybe(g.r.choice(["0", "x", "2", "-3", "100"]))
    + g.maybe("withscores"),
]
LISTS = [
    lambda g: [g.r.choice(["lpush", "rpush", "lpushx", "rpushx"]), g.typed("list")] + g.some(g.member),
    lambda g: [g.r.choice(["lpush", "rpush"]), g.typed("list"), g.member()],
    lambda g: [g.r.choice(["lpop", "rpop"]), g.typed("list")] + g.maybe(g.r.choice(["0", "1", "2", "-1", "x"])),
    lambda g: ["llen", g.typed("list")],
    lambda g: ["lrange", g.typed("list"), g.small(), g.small()],
    lambda g: ["lrange", g.typed("list"), g.integer(), g.integer()],
    lambda g: ["lindex", g.typed("list"), g.integer()],
    lambda g: ["lset", g.typed("list"), g.integer(), g.member()],
    lambda g: ["ltrim", g.typed("list"), g.small(), g.small()],
    lambda g: ["lrem", g.typed("list"), g.small(), g.member()],
    lambda g: ["linsert", g.typed("list"), g.r.choice(["before", "AFTER", "x"]), g.member(), g.member()],
    lambda g: ["lmove", g.typed("list"), g.typed("list"), g.r.choice(["left", "RIGHT", "x"]), g.r.choice(["left", "right"])],
    lambda g: ["rpoplpush", g.typed("list"), g.typed("list")],
    lambda g: ["lpos", g.typed("list"), g.member()] + g.maybe("rank", g.small()) + g.maybe("count", g.small())
    + g.maybe("maxlen", g.small()),
]
FAMILIES = {"hashes": HASHES, "sets": SETS, "sorted": SORTED, "lists": LISTS}
