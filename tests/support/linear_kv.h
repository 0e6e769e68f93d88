/* SPDX-License-Identifier: Apache-2.0
 * linear_kv - histories of Redis commands: what to send, how to read the answer, and what it means.
 *
 * A group is a handful of keys in one slot ({gN} is their tag), checked as one object because
 * transactions span them: "n" an integer, "s" a long string, "h" a hash and "z" a sorted set of two
 * members each. The value of each place is a number, so a history is of small integers; those that
 * are written are never written again, so that a read tells where it got them from.
 *
 * Owner:      one thread writes a log; logs of several are checked together.
 * Lifetime:   lkv_log_init(), or all zeroes, ... lkv_log_fini().
 * Invariants: LK1 what a client sent earlier on a key comes earlier in the order, pipelined or not
 *             (docs/resp.md, "Order and isolation").
 * Limits:     LKV_CLIENTS clients, LKV_STEPS steps of one operation. */
#ifndef TESTS_SUPPORT_LINEAR_KV_H
#define TESTS_SUPPORT_LINEAR_KV_H

#include "dataplane/base/rng.h"
#include "tests/support/linear.h"

#define LKV_CLIENTS 64
#define LKV_STEPS   4
#define LKV_KEYS    4
#define LKV_CELLS   6
#define LKV_TEXT    16384
#define LKV_REQUEST (LKV_STEPS * LKV_TEXT)
#define LKV_NIL     INT64_MIN

enum lkv_key { LKV_N, LKV_S, LKV_H, LKV_Z };

enum lkv_kind {
	LKV_GET,    /* GET, HGET, ZSCORE */
	LKV_SET,    /* SET, HSET, ZADD; the result of the latter two is what they added */
	LKV_SETNX,  /* SET NX, HSETNX, ZADD NX */
	LKV_SETXX,  /* SET XX, ZADD XX CH */
	LKV_SWAP,   /* SET GET */
	LKV_TAKE,   /* GETDEL */
	LKV_ADD,    /* INCRBY, HINCRBY, ZINCRBY */
	LKV_REMOVE, /* DEL, HDEL, ZREM */
	LKV_CLEAR,  /* DEL of the key with all its cells */
	LKV_COUNT,  /* EXISTS, HLEN, ZCARD */
	LKV_WATCH,
	LKV_KINDS
};

struct lkv_step {
	uint8_t kind, cell;
	int64_t arg, result;
};

enum lkv_form { LKV_ONE, LKV_MGET, LKV_MSET, LKV_EXEC };

struct lkv_op {
	uint32_t client, group;
	uint8_t form, step_cnt;
	uint8_t watched; /* EXEC: keys watched on this connection */
	bool aborted;    /* EXEC: nil */
	struct lkv_step steps[LKV_STEPS];
};

extern const struct linear_model lkv_model;

/* What a connection watches. */
struct lkv_client {
	uint32_t id;
	uint8_t watched;
	uint32_t watch_group;
};

/* A random operation of this client; the values that it writes are drawn from *next. A client that
 * watches keys must have its answers before the next one. */
void lkv_make(
	struct lkv_op *op, struct lkv_client *c, uint32_t groups, struct rng *r, uint64_t *next);
/* The request as RESP into buf[LKV_REQUEST]; its length. prefix: of every key. */
size_t lkv_write(const struct lkv_op *op, const char *prefix, char *buf);

enum lkv_answer {
	LKV_MORE,    /* it is not complete */
	LKV_DONE,    /* *used bytes; results are in op */
	LKV_UNKNOWN, /* "outcome unknown" */
	LKV_REFUSED, /* "not done" */
	LKV_STRANGE, /* no answer to this request: a fault by itself */
};
enum lkv_answer lkv_read(struct lkv_op *op, const uint8_t *p, size_t n, size_t *used);

/* ---- logs ---- */

struct lkv_entry {
	struct lkv_op op;
	uint64_t call, end;
	uint8_t answer; /* LKV_MORE: none yet */
	uint64_t seq;   /* order of issue of its client */
};

struct lkv_log {
	struct lkv_entry *e;
	uint32_t cnt, cap;
};

void lkv_log_init(struct lkv_log *l);
void lkv_log_fini(struct lkv_log *l);
/* The index of a new entry. */
uint32_t lkv_log_call(struct lkv_log *l, const struct lkv_op *op, uint64_t now);
void lkv_log_end(struct lkv_log *l, uint32_t i, enum lkv_answer a, uint64_t now);

struct lkv_result {
	uint32_t groups, ops, unknown, refused, aborted, bad, undecided;
};
/* What is one object: each key alone, or all keys of a group together, so that transactions over
 * several keys take their place in one order with everything else. */
enum lkv_object { LKV_EACH_KEY, LKV_EACH_GROUP };
/* Entries without an answer may take effect at any time. Explains what is bad on report. */
void lkv_check(const struct lkv_log *logs, uint32_t log_cnt, uint32_t groups, enum lkv_object of,
	FILE *report, struct lkv_result *out);

#endif
