/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/linear_kv.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- the model ---- */

/* Of each client and key, two bits: what a WATCH found, and whether it still stands. A key that was
 * absent is unchanged whenever it is absent; any other never comes back to its version. */
enum { WATCH_NONE, WATCH_SAME, WATCH_ABSENT, WATCH_CHANGED };

struct state {
	int64_t cells[LKV_CELLS];
	uint8_t watch[LKV_CLIENTS];
};
_Static_assert(LKV_KEYS * 2 <= 8, "a byte of each client");

static const uint8_t cell_first[LKV_KEYS] = {0, 1, 2, 4}, cell_cnt[LKV_KEYS] = {1, 1, 2, 2};

static uint8_t key_of(uint8_t cell)
{
	return cell < 2 ? cell : cell < 4 ? LKV_H : LKV_Z;
}

static uint8_t watch_get(const struct state *s, uint32_t client, uint8_t key)
{
	return s->watch[client] >> 2 * key & 3;
}

static void watch_set(struct state *s, uint32_t client, uint8_t key, uint8_t v)
{
	s->watch[client] = (uint8_t)((s->watch[client] & ~(3 << 2 * key)) | v << 2 * key);
}

static int64_t count(const struct state *s, uint8_t key)
{
	int64_t n = 0;

	for (uint8_t i = 0; i < cell_cnt[key]; i++)
		n += s->cells[cell_first[key] + i] != LKV_NIL;
	return n;
}

static void changed(struct state *s, uint8_t key)
{
	for (uint32_t i = 0; i < LKV_CLIENTS; i++)
		if (watch_get(s, i, key) == WATCH_SAME)
			watch_set(s, i, key, WATCH_CHANGED);
}

static void put(struct state *s, uint8_t cell, int64_t v)
{
	s->cells[cell] = v;
	changed(s, key_of(cell));
}

/* Executes it and returns the result. */
static int64_t execute(struct state *s, const struct lkv_step *st, uint32_t client, bool answered)
{
	int64_t *v = &s->cells[st->cell], old = *v;
	uint8_t key = key_of(st->cell);

	switch (st->kind) {
	case LKV_GET:
		return old;
	case LKV_SET:
		put(s, st->cell, st->arg);
		return key == LKV_N || key == LKV_S ? 1 : old == LKV_NIL;
	case LKV_SETNX:
		if (old == LKV_NIL)
			put(s, st->cell, st->arg);
		return old == LKV_NIL;
	case LKV_SETXX:
		if (old != LKV_NIL)
			put(s, st->cell, st->arg);
		return old != LKV_NIL;
	case LKV_SWAP:
		put(s, st->cell, st->arg);
		return old;
	case LKV_TAKE:
		if (old != LKV_NIL)
			put(s, st->cell, LKV_NIL);
		return old;
	case LKV_ADD:
		put(s, st->cell, (old == LKV_NIL ? 0 : old) + st->arg);
		return *v;
	case LKV_REMOVE:
		if (old != LKV_NIL)
			put(s, st->cell, LKV_NIL);
		return old != LKV_NIL;
	case LKV_CLEAR: {
		bool there = count(s, key) > 0;

		for (uint8_t i = 0; there && i < cell_cnt[key]; i++)
			put(s, (uint8_t)(cell_first[key] + i), LKV_NIL);
		return there;
	}
	case LKV_COUNT:
		return count(s, key);
	default:
		if (!answered)
			return 1;
		watch_set(s, client, key, count(s, key) > 0 ? WATCH_SAME : WATCH_ABSENT);
		return 1;
	}
}

static bool watch_holds(const struct state *s, const struct lkv_op *op)
{
	for (uint8_t k = 0; k < LKV_KEYS; k++) {
		uint8_t w = watch_get(s, op->client, k);

		if ((op->watched >> k & 1) == 0)
			continue;
		if (w == WATCH_CHANGED || (w == WATCH_ABSENT && count(s, k) > 0))
			return false;
	}
	return true;
}

static bool step(void *state, const void *data, bool answered)
{
	struct state *s = state;
	const struct lkv_op *op = data;

	/* One without an answer looked at the watches of its own time, and its connection is
	 * another one by now or has ended them. */
	if (op->form == LKV_EXEC && answered) {
		bool same = watch_holds(s, op);

		/* Its own alone: it may come before an EXEC that was sent earlier and has no key
		 * in common with it. */
		for (uint8_t k = 0; k < LKV_KEYS; k++)
			if ((op->watched >> k & 1) != 0)
				watch_set(s, op->client, k, WATCH_NONE);
		if (same == op->aborted)
			return false;
		if (!same)
			return true;
	}
	for (uint8_t i = 0; i < op->step_cnt; i++)
		if (execute(s, &op->steps[i], op->client, answered) != op->steps[i].result &&
			answered)
			return false;
	return true;
}

static bool is_read(const void *data)
{
	const struct lkv_op *op = data;

	/* An EXEC also ends a watch. */
	if (op->form == LKV_EXEC && op->watched != 0)
		return false;
	for (uint8_t i = 0; i < op->step_cnt; i++) {
		const struct lkv_step *st = &op->steps[i];

		switch (st->kind) {
		case LKV_GET:
		case LKV_COUNT:
			break;
		case LKV_SETNX:
		case LKV_SETXX:
		case LKV_REMOVE:
		case LKV_CLEAR:
			if (st->result != 0)
				return false;
			break;
		case LKV_TAKE:
			if (st->result != LKV_NIL)
				return false;
			break;
		default:
			return false;
		}
	}
	return true;
}

static const char *const kind_names[LKV_KINDS] = {
	"get", "set", "setnx", "setxx", "swap", "take", "add", "remove", "clear", "count", "watch"};

static void print_number(FILE *f, int64_t v)
{
	if (v == LKV_NIL)
		fputs("nil", f);
	else
		fprintf(f, "%" PRId64, v);
}

static void print(FILE *f, const void *data, bool answered)
{
	static const char *const forms[] = {"", "mget: ", "mset: ", "exec: "};
	const struct lkv_op *op = data;

	fprintf(f, "client %u %s", op->client, forms[op->form]);
	if (op->form == LKV_EXEC && op->watched != 0)
		fprintf(f, "(watched %x) ", op->watched);
	if (op->aborted && op->step_cnt == 0)
		fputs("aborted", f);
	for (uint8_t i = 0; i < op->step_cnt; i++) {
		const struct lkv_step *st = &op->steps[i];

		fprintf(f, "%s %c%u", kind_names[st->kind], "nshz"[key_of(st->cell)],
			st -> cell - cell_first[key_of(st->cell)]);
		if ((st->kind >= LKV_SET && st->kind <= LKV_SWAP) || st->kind == LKV_ADD)
			fprintf(f, " %" PRId64, st->arg);
		fputs(" = ", f);
		if (answered && !op->aborted)
			print_number(f, st->result);
		else
			fputs(answered ? "aborted" : "?", f);
		fputs(i + 1 < op->step_cnt ? ", " : "", f);
	}
}

static void print_state(FILE *f, const void *state)
{
	const struct state *s = state;

	for (uint8_t c = 0; c < LKV_CELLS; c++) {
		fprintf(f, "%c%u=", "nshz"[key_of(c)], c - cell_first[key_of(c)]);
		print_number(f, s->cells[c]);
		fputc(' ', f);
	}
	for (uint32_t i = 0; i < LKV_CLIENTS; i++)
		if (s->watch[i] != 0)
			fprintf(f, "watch[%u]=%02x ", i, s->watch[i]);
}

const struct linear_model lkv_model = {
	.state_bytes = sizeof(struct state),
	.step = step,
	.is_read = is_read,
	.print = print,
	.print_state = print_state,
};

/* ---- making operations ---- */

/* Between two values there is room for what is added to the lower one. */
#define SPACE 1000

static int64_t draw(uint64_t *next)
{
	return (int64_t)((*next)++) * SPACE;
}

static void random_step(struct lkv_step *st, struct rng *r, uint64_t *next)
{
	static const uint8_t kinds[] = {LKV_GET, LKV_GET, LKV_GET, LKV_SET, LKV_SET, LKV_SETNX,
		LKV_SETXX, LKV_SWAP, LKV_TAKE, LKV_ADD, LKV_ADD, LKV_REMOVE, LKV_CLEAR, LKV_COUNT};
	uint8_t key;

	*st = (struct lkv_step){.kind = kinds[rng_below(r, sizeof(kinds))],
		.cell = (uint8_t)rng_below(r, LKV_CELLS)};
	key = key_of(st->cell);
	/* What this type has no command for. */
	if (key >= LKV_H && (st->kind == LKV_SWAP || st->kind == LKV_TAKE))
		st->kind = LKV_REMOVE;
	if (key == LKV_H && st->kind == LKV_SETXX)
		st->kind = LKV_SET;
	if (key == LKV_S && st->kind == LKV_ADD)
		st->kind = LKV_SWAP;
	if (st->kind == LKV_ADD)
		st->arg = 1 + (int64_t)rng_below(r, 3);
	else
		st->arg = draw(next);
}

static void make_exec(struct lkv_op *op, struct lkv_client *c, struct rng *r, uint64_t *next)
{
	op->form = LKV_EXEC;
	op->step_cnt = (uint8_t)(1 + rng_below(r, LKV_STEPS));
	for (uint8_t i = 0; i < op->step_cnt; i++)
		random_step(&op->steps[i], r, next);
	op->watched = c->watched;
	c->watched = 0;
}

/* Cells of strings, each once. */
static void make_many(struct lkv_op *op, enum lkv_form form, uint8_t kind, uint64_t *next)
{
	op->form = (uint8_t)form;
	op->step_cnt = 2;
	for (uint8_t i = 0; i < 2; i++)
		op->steps[i] = (struct lkv_step){.kind = kind, .cell = i, .arg = draw(next)};
}

void lkv_make(
	struct lkv_op *op, struct lkv_client *c, uint32_t groups, struct rng *r, uint64_t *next)
{
	uint64_t what = rng_below(r, 100);

	*op = (struct lkv_op){.client = c->id, .group = (uint32_t)rng_below(r, groups)};
	if (c->watched != 0) {
		/* Something of its own or a read between, sometimes. */
		op->group = c->watch_group;
		if (what >= 40) {
			make_exec(op, c, r, next);
			return;
		}
	}
	if (what < 8) {
		make_many(op, LKV_MGET, LKV_GET, next);
	} else if (what < 12) {
		make_many(op, LKV_MSET, LKV_SET, next);
	} else if (what < 30 && c->watched == 0) {
		op->step_cnt = 1;
		op->steps[0] = (struct lkv_step){
			.kind = LKV_WATCH, .cell = (uint8_t)rng_below(r, LKV_CELLS)};
		c->watch_group = op->group;
		c->watched = (uint8_t)(1 << key_of(op->steps[0].cell));
	} else if (what < 40) {
		make_exec(op, c, r, next);
	} else {
		op->step_cnt = 1;
		random_step(&op->steps[0], r, next);
	}
}

/* ---- on the wire ---- */

struct text {
	char *p;
	size_t n;
};

static void arg_bytes(struct text *t, const char *p, size_t n)
{
	t->n += (size_t)sprintf(t->p + t->n, "$%zu\r\n", n);
	memcpy(t->p + t->n, p, n);
	t->n += n;
	memcpy(t->p + t->n, "\r\n", 2);
	t->n += 2;
}

static void arg(struct text *t, const char *s)
{
	arg_bytes(t, s, strlen(s));
}

static void array(struct text *t, uint32_t n)
{
	t->n += (size_t)sprintf(t->p + t->n, "*%u\r\n", n);
}

static void arg_key(struct text *t, const struct lkv_op *op, const char *prefix, uint8_t key)
{
	char name[64];

	snprintf(name, sizeof(name), "%s{g%u}%c", prefix, op->group, "nshz"[key]);
	arg(t, name);
}

/* A long string follows from its number: some are of the size that goes into blob files. */
static size_t long_value(int64_t v, char *out)
{
	size_t n = (size_t)sprintf(out, "%" PRId64 ":", v);
	size_t len = v / SPACE % 16 == 0 ? 9000 : v / SPACE % 4 == 0 ? 700 : n;

	for (; n < len; n++)
		out[n] = (char)('a' + (v + (int64_t)n) % 26);
	return n;
}

static void arg_value(struct text *t, const struct lkv_step *st)
{
	char buf[LKV_TEXT];

	if (key_of(st->cell) == LKV_S)
		arg_bytes(t, buf, long_value(st->arg, buf));
	else
		arg_bytes(t, buf, (size_t)sprintf(buf, "%" PRId64, st->arg));
}

/* A command of each kind and type: "k" stands for the key, "m" for the member, "v" for the value.
 */
static const char *const commands[3][LKV_KINDS] = {
	{
		[LKV_GET] = "GET k",
		[LKV_SET] = "SET k v",
		[LKV_SETNX] = "SET k v NX",
		[LKV_SETXX] = "SET k v XX",
		[LKV_SWAP] = "SET k v GET",
		[LKV_TAKE] = "GETDEL k",
		[LKV_ADD] = "INCRBY k v",
		[LKV_REMOVE] = "DEL k",
		[LKV_CLEAR] = "UNLINK k",
		[LKV_COUNT] = "EXISTS k",
		[LKV_WATCH] = "WATCH k",
	},
	{
		[LKV_GET] = "HGET k m",
		[LKV_SET] = "HSET k m v",
		[LKV_SETNX] = "HSETNX k m v",
		[LKV_ADD] = "HINCRBY k m v",
		[LKV_REMOVE] = "HDEL k m",
		[LKV_CLEAR] = "DEL k",
		[LKV_COUNT] = "HLEN k",
		[LKV_WATCH] = "WATCH k",
	},
	{
		[LKV_GET] = "ZSCORE k m",
		[LKV_SET] = "ZADD k v m",
		[LKV_SETNX] = "ZADD k NX v m",
		[LKV_SETXX] = "ZADD k XX CH v m",
		[LKV_ADD] = "ZINCRBY k v m",
		[LKV_REMOVE] = "ZREM k m",
		[LKV_CLEAR] = "DEL k",
		[LKV_COUNT] = "ZCARD k",
		[LKV_WATCH] = "WATCH k",
	},
};

static void write_step(
	struct text *t, const struct lkv_op *op, const struct lkv_step *st, const char *prefix)
{
	uint8_t key = key_of(st->cell);
	const char *p = commands[key < LKV_H ? 0 : key - LKV_H + 1][st->kind], *end;
	uint32_t n = 1;

	for (end = p; *end != '\0'; end++)
		n += *end == ' ';
	array(t, n);
	for (; p != NULL; p = *end == '\0' ? NULL : end + 1) {
		end = strchrnul(p, ' ');
		if (*p == 'k')
			arg_key(t, op, prefix, key);
		else if (*p == 'm')
			arg(t, (st->cell & 1) != 0 ? "member1" : "member0");
		else if (*p == 'v')
			arg_value(t, st);
		else
			arg_bytes(t, p, (size_t)(end - p));
	}
}

size_t lkv_write(const struct lkv_op *op, const char *prefix, char *buf)
{
	struct text t = {.p = buf};

	if (op->form == LKV_MGET || op->form == LKV_MSET) {
		bool set = op->form == LKV_MSET;

		array(&t, 1 + op->step_cnt * (set ? 2u : 1u));
		arg(&t, set ? "MSET" : "MGET");
		for (uint8_t i = 0; i < op->step_cnt; i++) {
			arg_key(&t, op, prefix, key_of(op->steps[i].cell));
			if (set)
				arg_value(&t, &op->steps[i]);
		}
		return t.n;
	}
	if (op->form == LKV_EXEC) {
		array(&t, 1);
		arg(&t, "MULTI");
	}
	for (uint8_t i = 0; i < op->step_cnt; i++)
		write_step(&t, op, &op->steps[i], prefix);
	if (op->form == LKV_EXEC) {
		array(&t, 1);
		arg(&t, "EXEC");
	}
	return t.n;
}

/* ---- answers ---- */

struct input {
	const uint8_t *p;
	size_t n, at;
};

/* One line without its end; false: it is not complete. */
static bool line(struct input *in, const char **text, size_t *len)
{
	const uint8_t *from = in->p + in->at, *end;

	end = in->at < in->n ? memchr(from, '\n', in->n - in->at) : NULL;
	if (end == NULL || end == from)
		return false;
	*text = (const char *)from;
	*len = (size_t)(end - from) - 1;
	in->at += (size_t)(end - from) + 1;
	return true;
}

static bool has(const char *p, size_t n, const char *word)
{
	return memmem(p, n, word, strlen(word)) != NULL;
}

static enum lkv_answer error_of(const char *p, size_t n)
{
	if (has(p, n, "outcome unknown"))
		return LKV_UNKNOWN;
	if (has(p, n, "not done") || has(p, n, "CLUSTERDOWN") || has(p, n, "-OOM") ||
		has(p, n, "deadline passed"))
		return LKV_REFUSED;
	return LKV_STRANGE;
}

/* A long value must be exactly what follows from its number. */
static bool value_ok(const struct lkv_step *st, const char *p, size_t n, int64_t v)
{
	char want[LKV_TEXT];

	return key_of(st->cell) != LKV_S || (long_value(v, want) == n && memcmp(p, want, n) == 0);
}

static enum lkv_answer bulk(struct input *in, const char *head, size_t n, struct lkv_step *st)
{
	long len = strtol(head + 1, NULL, 10);
	char num[24];
	const char *p;

	if (n > 1 && head[1] == '-') {
		st->result = LKV_NIL;
		return LKV_DONE;
	}
	if (in->n - in->at < (size_t)len + 2)
		return LKV_MORE;
	p = (const char *)in->p + in->at;
	in->at += (size_t)len + 2;
	snprintf(num, sizeof(num), "%.*s", (int)(len < 23 ? len : 23), p);
	st->result = strtoll(num, NULL, 10);
	return value_ok(st, p, (size_t)len, st->result) ? LKV_DONE : LKV_STRANGE;
}

static enum lkv_answer one(struct input *in, struct lkv_step *st)
{
	const char *p;
	size_t n;
	enum lkv_answer a = LKV_DONE;

	if (!line(in, &p, &n))
		return LKV_MORE;
	switch (p[0]) {
	case '+':
		st->result = 1;
		return n == 3 && memcmp(p, "+OK", 3) == 0 ? LKV_DONE : LKV_STRANGE;
	case ':':
		st->result = strtoll(p + 1, NULL, 10);
		return LKV_DONE;
	case '$':
		a = bulk(in, p, n, st);
		/* SET NX and XX say nil where others say 0. */
		if (a == LKV_DONE && st->result == LKV_NIL &&
			(st->kind == LKV_SETNX || st->kind == LKV_SETXX))
			st->result = 0;
		return a;
	case '-':
		return error_of(p, n);
	default:
		return LKV_STRANGE;
	}
}

static enum lkv_answer several(struct input *in, struct lkv_op *op)
{
	const char *p;
	size_t n;

	if (!line(in, &p, &n))
		return LKV_MORE;
	if (p[0] == '-')
		return error_of(p, n);
	if (n == 3 && memcmp(p, "*-1", 3) == 0) {
		op->aborted = true;
		return op->form == LKV_EXEC ? LKV_DONE : LKV_STRANGE;
	}
	if (p[0] != '*' || strtol(p + 1, NULL, 10) != op->step_cnt)
		return LKV_STRANGE;
	for (uint8_t i = 0; i < op->step_cnt; i++) {
		enum lkv_answer a = one(in, &op->steps[i]);

		if (a != LKV_DONE)
			return a == LKV_MORE ? LKV_MORE : LKV_STRANGE;
	}
	return LKV_DONE;
}

static enum lkv_answer exec(struct input *in, struct lkv_op *op)
{
	for (uint8_t i = 0; i <= op->step_cnt; i++) {
		const char *want = i == 0 ? "+OK" : "+QUEUED", *p;
		size_t n;

		if (!line(in, &p, &n))
			return LKV_MORE;
		if (n != strlen(want) || memcmp(p, want, n) != 0)
			return LKV_STRANGE;
	}
	return several(in, op);
}

enum lkv_answer lkv_read(struct lkv_op *op, const uint8_t *p, size_t n, size_t *used)
{
	struct input in = {.p = p, .n = n};
	enum lkv_answer a;

	op->aborted = false;
	switch (op->form) {
	case LKV_EXEC:
		a = exec(&in, op);
		break;
	case LKV_MGET:
		a = several(&in, op);
		break;
	case LKV_MSET:
		a = one(&in, &op->steps[0]);
		op->steps[1].result = op->steps[0].result;
		break;
	default:
		a = one(&in, &op->steps[0]);
	}
	*used = in.at;
	return a;
}

/* ---- logs ---- */

void lkv_log_init(struct lkv_log *l)
{
	*l = (struct lkv_log){0};
}

void lkv_log_fini(struct lkv_log *l)
{
	free(l->e);
	lkv_log_init(l);
}

uint32_t lkv_log_call(struct lkv_log *l, const struct lkv_op *op, uint64_t now)
{
	if (l->cnt == l->cap) {
		l->cap = l->cap == 0 ? 1024 : l->cap * 2;
		l->e = realloc(l->e, l->cap * sizeof(l->e[0]));
		if (l->e == NULL)
			abort();
	}
	l->e[l->cnt] = (struct lkv_entry){
		.op = *op, .call = now, .end = LINEAR_NEVER, .answer = LKV_MORE, .seq = l->cnt};
	return l->cnt++;
}

void lkv_log_end(struct lkv_log *l, uint32_t i, enum lkv_answer a, uint64_t now)
{
	l->e[i].answer = (uint8_t)a;
	l->e[i].end = a == LKV_UNKNOWN ? LINEAR_NEVER : now;
}

static uint8_t keys_of(const struct lkv_op *op)
{
	uint8_t keys = op->watched;

	for (uint8_t i = 0; i < op->step_cnt; i++)
		keys |= (uint8_t)(1 << key_of(op->steps[i].cell));
	return keys;
}

/* The operations on one object. */
struct part {
	struct linear_op *ops;
	struct lkv_op *kept; /* what of them concerns the object */
	uint32_t cnt;
	/* The newest operation + 1 of each client on each key. */
	uint32_t last[LKV_CLIENTS][LKV_KEYS];
};

/* What of the operation concerns these keys; false: nothing. */
static bool project(const struct lkv_op *op, uint8_t keys, struct lkv_op *out)
{
	*out = *op;
	out->watched &= keys;
	out->step_cnt = 0;
	/* That of one watched key something had changed is no news of another one. */
	if (op->aborted && out->watched == 0)
		return false;
	for (uint8_t i = 0; i < op->step_cnt; i++)
		if ((1 << key_of(op->steps[i].cell) & keys) != 0)
			out->steps[out->step_cnt++] = op->steps[i];
	return out->step_cnt > 0 || out->watched != 0;
}

static void add(struct part *p, const struct lkv_entry *e, uint8_t keys)
{
	struct linear_op *o = &p->ops[p->cnt];

	if (!project(&e->op, keys, &p->kept[p->cnt]))
		return;
	*o = (struct linear_op){.call = e->call,
		.end = e->end,
		.maybe = e->answer != LKV_DONE,
		.data = &p->kept[p->cnt]};
	p->cnt++;
	keys = keys_of(o->data);
	for (uint8_t k = 0; k < LKV_KEYS; k++) {
		uint32_t *last = &p->last[e->op.client][k];

		if ((keys >> k & 1) == 0)
			continue;
		if (*last != 0)
			o->after[o->after_cnt++] = *last - 1;
		*last = p->cnt;
	}
}

static void empty(struct state *s)
{
	memset(s, 0, sizeof(*s));
	for (uint8_t c = 0; c < LKV_CELLS; c++)
		s->cells[c] = LKV_NIL;
}

static void check_part(const struct part *p, const char *name, FILE *report, struct lkv_result *out)
{
	struct state s;
	enum linear_verdict v;

	empty(&s);
	v = linear_check(&lkv_model, p->ops, p->cnt, &s, NULL);
	out->bad += v == LINEAR_BAD;
	out->undecided += v == LINEAR_UNDECIDED;
	if (v == LINEAR_OK || report == NULL)
		return;
	fprintf(report, "%s: %s\n", name,
		v == LINEAR_BAD ? "not linearizable" : "too hard to decide");
	empty(&s);
	(void)linear_check(&lkv_model, p->ops, p->cnt, &s, report);
}

void lkv_check(const struct lkv_log *logs, uint32_t log_cnt, uint32_t groups, enum lkv_object of,
	FILE *report, struct lkv_result *out)
{
	uint32_t total = 1, parts = of == LKV_EACH_KEY ? LKV_KEYS : 1;
	struct part p;

	*out = (struct lkv_result){.groups = groups};
	for (uint32_t i = 0; i < log_cnt; i++)
		total += logs[i].cnt;
	p.ops = calloc(total, sizeof(p.ops[0]));
	p.kept = calloc(total, sizeof(p.kept[0]));
	if (p.ops == NULL || p.kept == NULL)
		abort();
	for (uint32_t i = 0; i < log_cnt; i++)
		for (uint32_t n = 0; n < logs[i].cnt; n++) {
			const struct lkv_entry *e = &logs[i].e[n];

			out->ops += e->answer == LKV_DONE;
			out->refused += e->answer == LKV_REFUSED;
			out->unknown += e->answer == LKV_UNKNOWN || e->answer == LKV_MORE;
			out->aborted += e->op.aborted;
		}
	for (uint32_t g = 0; g < groups * parts; g++) {
		uint8_t keys = of == LKV_EACH_KEY ? (uint8_t)(1 << g % LKV_KEYS) : UINT8_MAX;
		char name[64];

		p.cnt = 0;
		memset(p.last, 0, sizeof(p.last));
		for (uint32_t i = 0; i < log_cnt; i++)
			for (uint32_t n = 0; n < logs[i].cnt; n++)
				if (logs[i].e[n].op.group == g / parts &&
					logs[i].e[n].answer != LKV_REFUSED)
					add(&p, &logs[i].e[n], keys);
		snprintf(name, sizeof(name), "group %u keys %x", g / parts, keys);
		check_part(&p, name, report, out);
	}
	free(p.ops);
	free(p.kept);
}
