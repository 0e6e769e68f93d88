/* SPDX-License-Identifier: Apache-2.0
 * command - the table of commands, and what their functions work with.
 *
 * A command's function is run as often as it takes until all it reads is there (lb/kvs/kvs.h): it
 * reads, returns as soon as something is missing, then replies and writes. What it replied and
 * wrote in a run that was not the last is forgotten. */
#ifndef LB_L7_RESP_COMMAND_H
#define LB_L7_RESP_COMMAND_H

#include "lb/kvs/kvs.h"
#include "lb/l7/resp/acl.h"
#include "lb/l7/resp/codec.h"
#include "lb/l7/resp/reply.h"

struct resp_conn;
struct resp_call;

enum rcmd_flag {
	CMD_WRITE = 1 << 0,
	CMD_READONLY = 1 << 1,
	CMD_FAST = 1 << 2,
	CMD_ADMIN = 1 << 3,
	CMD_NOAUTH = 1 << 4, /* also before AUTH */
	CMD_LOCAL =
		1 << 5, /* of the connection or the process: runs at once, without a transaction */
	CMD_BARRIER = 1 << 6, /* of the whole namespace: alone on its connection */
	CMD_NOMULTI = 1 << 7,
	CMD_BLIND = 1 << 8, /* its writes are judged by the store: see blind_max */
	CMD_SPLIT = 1 << 9, /* its keys may lie on several shards */
	CMD_LOADING = 1 << 10,
	CMD_MOVABLE = 1 << 11,
	CMD_DENYOOM = 1 << 12,
};

enum rcmd_cat {
	CAT_KEYSPACE = 1 << 0,
	CAT_READ = 1 << 1,
	CAT_WRITE = 1 << 2,
	CAT_SET = 1 << 3,
	CAT_ZSET = 1 << 4,
	CAT_LIST = 1 << 5,
	CAT_HASH = 1 << 6,
	CAT_STRING = 1 << 7,
	CAT_ADMIN = 1 << 8,
	CAT_FAST = 1 << 9,
	CAT_SLOW = 1 << 10,
	CAT_DANGEROUS = 1 << 11,
	CAT_CONNECTION = 1 << 12,
	CAT_TRANSACTION = 1 << 13,
};

struct resp_cmd {
	const char *name; /* lower case */
	int16_t arity;    /* with the name; negative: at least */
	uint32_t flags, cats;
	int16_t first, last, step; /* keys; last negative: from the end */
	uint8_t numkeys;           /* argument that tells how many keys follow it; 0: none */
	uint16_t blind_max;        /* with CMD_BLIND: up to so many arguments; 0: any */
	void (*fn)(struct resp_call *k);
};

struct resp_call {
	struct resp_conn *c;
	const struct resp_cmd *cmd;
	const struct resp_arg *v;
	uint32_t n;
	struct kvs_tx *tx; /* NULL for CMD_LOCAL */
	struct reply *out;
};

extern const struct resp_cmd resp_cmds[];
extern const uint32_t resp_cmd_cnt;

struct resp_cat_name {
	const char *name;
	uint32_t bit;
};
extern const struct resp_cat_name resp_cats[]; /* ends with NULL */

void rcmd_table_init(void);
/* NULL: there is none. */
const struct resp_cmd *rcmd_find(const void *name, size_t len);
static inline uint32_t rcmd_id(const struct resp_cmd *c)
{
	return (uint32_t)(c - resp_cmds);
}
bool rcmd_arity_ok(const struct resp_cmd *c, uint32_t n);
/* The keys' places: the first, how many, and the step; false: the arguments are malformed. */
struct rcmd_keys {
	uint32_t dest; /* one more key that stands before the others; 0: none */
	uint32_t first, cnt, step;
};
bool rcmd_places(
	const struct resp_cmd *c, const struct resp_arg *v, uint32_t n, struct rcmd_keys *out);
enum kvs_mode rcmd_mode(const struct resp_cmd *c, const struct resp_arg *v, uint32_t n);
bool rcmd_is_blind(const struct resp_cmd *c, const struct resp_arg *v, uint32_t n);

/* ---- helpers of the functions ---- */

#define WRONGTYPE "WRONGTYPE Operation against a key holding the wrong kind of value"
#define SYNTAX    "ERR syntax error"
#define NOT_INT   "ERR value is not an integer or out of range"
#define NOT_FLOAT "ERR value is not a valid float"

bool arg_is(const struct resp_arg *a, const char *word); /* of any case */
/* False: the error has been written. */
bool arg_int(struct resp_call *k, uint32_t i, int64_t *out);
bool arg_double(struct resp_call *k, uint32_t i, double *out);
/* Redis keeps the sums of INCRBYFLOAT in long doubles. */
bool parse_long_double(const uint8_t *p, uint32_t n, long double *out);
uint32_t format_long_double(long double v, char out[320]);
bool parse_double(const uint8_t *p, uint32_t n, double *out);

/* The key at argument i; NULL: not there yet, or no `type`, which has been said. An absent key has
 * type CODEC_NONE. */
struct kvs_ent *call_key(struct resp_call *k, uint32_t i, uint8_t type);
static inline struct kvs_ent *call_any(struct resp_call *k, uint32_t i)
{
	return kvs_key(k->tx, k->v[i].p, k->v[i].len);
}
static inline uint64_t call_wall_ms(const struct resp_call *k)
{
	return kvs_wall_ms(k->tx->w);
}
const char *type_name(uint8_t type);

/* ---- the functions, by family ---- */
/* clang-format off */
#define CMD_FUNCTIONS(F) \
	F(get) F(set) F(setnx) F(setex) F(psetex) F(getset) F(getdel) F(getex) F(mget) \
	F(mset) F(msetnx) F(append) F(strlen) F(getrange) F(setrange) F(incr) F(decr) \
	F(incrby) F(decrby) F(incrbyfloat) F(del) F(exists) F(expire) F(pexpire) \
	F(expireat) F(pexpireat) F(ttl) F(pttl) F(expiretime) F(pexpiretime) F(persist) \
	F(type) F(rename) F(renamenx) F(copy) F(touch) F(scan) F(keys) F(dbsize) \
	F(randomkey) F(flushdb) F(object) F(memory) F(multi) F(exec) F(discard) F(watch) \
	F(unwatch) F(auth) F(hello) F(ping) F(echo) F(select) F(quit) F(reset) F(client) \
	F(acl) F(command) F(config) F(info) F(cluster) F(slowlog) F(debug) F(time) \
	F(readonly) F(readwrite) F(lolwut) F(wait) F(save) F(lastsave) F(hset) F(hsetnx) \
	F(hget) F(hmget) F(hmset) F(hdel) F(hlen) F(hexists) F(hgetall) F(hkeys) F(hvals) \
	F(hincrby) F(hincrbyfloat) F(hstrlen) F(hscan) F(hrandfield) F(sadd) F(srem) \
	F(smembers) F(sismember) F(smismember) F(scard) F(spop) F(srandmember) F(smove) \
	F(sscan) F(sinter) F(sunion) F(sdiff) F(sinterstore) F(sunionstore) F(sdiffstore) \
	F(sintercard) F(zadd) F(zincrby) F(zrem) F(zscore) F(zmscore) F(zcard) F(zcount) \
	F(zrange) F(zrevrange) F(zrangebyscore) F(zrevrangebyscore) F(zrangebylex) \
	F(zrevrangebylex) F(zlexcount) F(zrank) F(zrevrank) F(zpopmin) F(zpopmax) \
	F(zremrangebyrank) F(zremrangebyscore) F(zremrangebylex) F(zscan) F(zrangestore) \
	F(zunionstore) F(zinterstore) F(zdiffstore) F(zunion) F(zinter) F(zdiff) \
	F(zrandmember) F(lpush) F(rpush) F(lpushx) F(rpushx) F(lpop) F(rpop) F(llen) \
	F(lrange) F(lindex) F(lset) F(ltrim) F(lrem) F(linsert) F(lmove) F(rpoplpush) \
	F(lpos)
/* clang-format on */

#define CMD_FUNCTION(name) void rcmd_##name(struct resp_call *k);
CMD_FUNCTIONS(CMD_FUNCTION)
#undef CMD_FUNCTION

#endif
