/* SPDX-License-Identifier: Apache-2.0
 * Just-in-time linearization (Lowe, "Testing for linearizability", 2017; after Wing and Gong,
 * 1993).
 *
 * The history is walked once, by time, with all configurations that can be: which of the operations
 * under way have been executed, and the state that this left. Nothing is executed before it must
 * be: when an operation ends, each configuration in which it has not been executed is continued by
 * every sequence of those under way that ends with it. None left: the history is not linearizable,
 * and the place where that shows is the first one there is.
 *
 * What keeps the configurations few:
 *
 *   - an operation of which the answer tells that it changed nothing is executed as soon as it
 *     fits: later is never better;
 *   - of an operation whose answer was lost it is as good not to have executed it yet as to have
 *     done so without an effect that still shows: it may come later, or be dropped at its end. So
 *     of two configurations with one state and the same answered operations, that with fewer of the
 *     lost ones stands for both. */
#include "tests/support/linear.h"

#include <stdlib.h>
#include <string.h>

#include "dataplane/base/hash.h"

#define SLOTS     1024 /* operations under way, lost ones for ever */
#define WORDS     (SLOTS / 64)
#define BUCKETS   (1u << 16)
#define NO_SLOT   UINT32_MAX
#define SHOW      8
#define SHOW_PAST 12

struct event {
	uint64_t time;
	uint32_t op;
	bool is_end;
};

struct config {
	struct config *next; /* of the bucket */
	uint64_t hash;
	uint64_t done[WORDS]; /* by slot */
	uint8_t state[];
};

/* Configurations in the order in which they came. */
struct set {
	struct config **c;
	uint32_t cnt, cap;
};

struct search {
	const struct linear_model *m;
	const struct linear_op *ops;
	uint32_t n;
	uint32_t slot_op[SLOTS], used; /* those below `used` may be taken */
	uint32_t *op_slot;             /* of an operation under way */
	uint64_t lost[WORDS];          /* slots of those without an answer */
	uint32_t words;                /* of the bit sets that are in use */
	struct set now, reached;
	struct config *buckets[BUCKETS];
	struct config *scratch;
};

static void *must(void *p)
{
	if (p == NULL) {
		fputs("linear: no memory\n", stderr);
		abort();
	}
	return p;
}

/* ---- bits ---- */

static bool has(const uint64_t *bits, uint32_t slot)
{
	return (bits[slot / 64] >> slot % 64 & 1) != 0;
}

static void put(uint64_t *bits, uint32_t slot, bool on)
{
	uint64_t bit = UINT64_C(1) << slot % 64;

	bits[slot / 64] = on ? bits[slot / 64] | bit : bits[slot / 64] & ~bit;
}

/* ---- sets of configurations ---- */

static size_t config_bytes(const struct search *s)
{
	return sizeof(struct config) + s->m->state_bytes;
}

static uint64_t hash_of(const struct search *s, const struct config *c)
{
	uint64_t h = 1;

	for (uint32_t i = 0; i < s->words; i++)
		h = mix_fold(h ^ (c->done[i] & ~s->lost[i]), UINT64_C(0xe7037ed1a0b428db));
	for (size_t i = 0; i < s->m->state_bytes; i += 8) {
		uint64_t w = 0;

		memcpy(&w, c->state + i, s->m->state_bytes - i < 8 ? s->m->state_bytes - i : 8);
		h = mix_fold(h ^ w, UINT64_C(0x8ebc6af09c88c6e3));
	}
	return h;
}

/* Does a, which is there, stand for b? */
static bool stands_for(const struct search *s, const struct config *a, const struct config *b)
{
	if (a->hash != b->hash || memcmp(a->state, b->state, s->m->state_bytes) != 0)
		return false;
	for (uint32_t i = 0; i < s->words; i++)
		if (((a->done[i] ^ b->done[i]) & ~s->lost[i]) != 0 ||
			(a->done[i] & ~b->done[i]) != 0)
			return false;
	return true;
}

/* A copy of c, unless another one stands for it. */
static bool set_add(struct search *s, struct set *set, struct config *c)
{
	struct config *copy, **bucket;

	c->hash = hash_of(s, c);
	bucket = &s->buckets[c->hash % BUCKETS];
	for (const struct config *o = *bucket; o != NULL; o = o->next)
		if (stands_for(s, o, c))
			return false;
	if (set->cnt == set->cap) {
		set->cap = set->cap == 0 ? 256 : set->cap * 2;
		set->c = must(realloc(set->c, set->cap * sizeof(set->c[0])));
	}
	copy = must(malloc(config_bytes(s)));
	memcpy(copy, c, config_bytes(s));
	copy->next = *bucket;
	*bucket = copy;
	set->c[set->cnt++] = copy;
	return true;
}

/* The set is full: another one is looked up from now on. */
static void set_close(struct search *s, const struct set *set)
{
	for (uint32_t i = 0; i < set->cnt; i++)
		s->buckets[set->c[i]->hash % BUCKETS] = NULL;
}

static void set_clear(struct set *set)
{
	for (uint32_t i = 0; i < set->cnt; i++)
		free(set->c[i]);
	set->cnt = 0;
}

/* ---- executing ---- */

/* Is the operation that must have been decided before still open? */
static bool is_open(const struct search *s, const struct config *c, uint32_t op)
{
	return s->ops[op].end != LINEAR_NEVER && s->op_slot[op] != NO_SLOT &&
	       !has(c->done, s->op_slot[op]);
}

/* False: something that has an answer must come before. What has none is dropped for it. */
static bool open_way(const struct search *s, struct config *c, uint32_t op, bool drop)
{
	const struct linear_op *o = &s->ops[op];

	for (uint32_t i = 0; i < o->after_cnt; i++) {
		uint32_t a = o->after[i];

		if (!is_open(s, c, a))
			continue;
		if (!drop || !s->ops[a].maybe || !open_way(s, c, a, true))
			return false;
		put(c->done, s->op_slot[a], true);
	}
	return true;
}

/* Executes it on c; false: it cannot come now, and c is spoilt. */
static bool execute(struct search *s, struct config *c, uint32_t op)
{
	if (!open_way(s, c, op, true))
		return false;
	if (!s->m->step(c->state, s->ops[op].data, !s->ops[op].maybe))
		return false;
	put(c->done, s->op_slot[op], true);
	return true;
}

/* All reads that fit. */
static void execute_reads(struct search *s, struct config *c)
{
	bool again = true;

	while (again) {
		again = false;
		for (uint32_t i = 0; i < s->used; i++) {
			uint32_t op = s->slot_op[i];

			if (op == NO_SLOT || has(c->done, i) || s->ops[op].maybe ||
				!s->m->is_read(s->ops[op].data) || !open_way(s, c, op, false))
				continue;
			memcpy(s->scratch->state, c->state, s->m->state_bytes);
			if (!s->m->step(s->scratch->state, s->ops[op].data, true))
				continue;
			put(c->done, i, true);
			again = true;
		}
	}
}

/* ---- the walk ---- */

static bool begin(struct search *s, uint32_t op)
{
	uint32_t i = 0;

	while (i < s->used && s->slot_op[i] != NO_SLOT)
		i++;
	if (i == SLOTS)
		return false;
	if (i == s->used)
		s->used++;
	s->words = (s->used + 63) / 64;
	s->slot_op[i] = op;
	s->op_slot[op] = i;
	put(s->lost, i, s->ops[op].maybe);
	return true;
}

/* Every continuation of the configurations, in `reached`. False: there are too many. */
static bool continue_all(struct search *s, uint32_t end_slot)
{
	struct config *c = must(malloc(config_bytes(s)));
	bool fits = true;

	for (uint32_t i = 0; i < s->now.cnt; i++) {
		memcpy(c, s->now.c[i], config_bytes(s));
		execute_reads(s, c);
		(void)set_add(s, &s->reached, c);
	}
	for (uint32_t i = 0; i < s->reached.cnt && fits; i++) {
		/* Nothing more needs to come. */
		if (has(s->reached.c[i]->done, end_slot))
			continue;
		for (uint32_t k = 0; k < s->used; k++) {
			if (s->slot_op[k] == NO_SLOT || has(s->reached.c[i]->done, k))
				continue;
			memcpy(c, s->reached.c[i], config_bytes(s));
			if (!execute(s, c, s->slot_op[k]))
				continue;
			execute_reads(s, c);
			(void)set_add(s, &s->reached, c);
		}
		fits = s->reached.cnt <= LINEAR_CONFIGS;
	}
	free(c);
	return fits;
}

static enum linear_verdict finish(struct search *s, uint32_t op)
{
	uint32_t slot = s->op_slot[op];
	bool maybe = s->ops[op].maybe;
	struct set was = s->now;
	bool fits = continue_all(s, slot);

	set_close(s, &s->reached);
	if (!fits)
		return LINEAR_UNDECIDED;
	s->now = (struct set){0};
	for (uint32_t i = 0; i < s->reached.cnt; i++) {
		struct config *c = s->reached.c[i];

		if (!has(c->done, slot) && !maybe)
			continue;
		put(c->done, slot, false);
		(void)set_add(s, &s->now, c);
	}
	set_close(s, &s->now);
	set_clear(&s->reached);
	if (s->now.cnt == 0) {
		free(s->now.c);
		s->now = was;
		return LINEAR_BAD;
	}
	set_clear(&was);
	free(was.c);
	s->slot_op[slot] = s->op_slot[op] = NO_SLOT;
	put(s->lost, slot, false);
	return LINEAR_OK;
}

static int by_time(const void *a, const void *b)
{
	const struct event *x = a, *y = b;

	if (x->time != y->time)
		return x->time < y->time ? -1 : 1;
	/* What only touches overlaps. */
	if (x->is_end != y->is_end)
		return x->is_end ? 1 : -1;
	return x->op < y->op ? -1 : x->op > y->op;
}

static struct event *make_events(const struct search *s, uint32_t *cnt)
{
	struct event *e = must(calloc(2 * (size_t)s->n + 1, sizeof(*e)));

	*cnt = 0;
	for (uint32_t i = 0; i < s->n; i++) {
		e[(*cnt)++] = (struct event){.time = s->ops[i].call, .op = i};
		if (s->ops[i].end != LINEAR_NEVER)
			e[(*cnt)++] =
				(struct event){.time = s->ops[i].end, .op = i, .is_end = true};
	}
	qsort(e, *cnt, sizeof(*e), by_time);
	return e;
}

/* ---- what to say of a failure ---- */

static void show_op(const struct search *s, FILE *f, uint32_t op, const char *mark)
{
	const struct linear_op *o = &s->ops[op];

	fprintf(f, "  %s %llu .. ", mark, (unsigned long long)o->call);
	if (o->end == LINEAR_NEVER)
		fputs("?: ", f);
	else
		fprintf(f, "%llu: ", (unsigned long long)o->end);
	s->m->print(f, o->data, !o->maybe);
	fputc('\n', f);
}

static void explain(const struct search *s, FILE *f, const struct event *events, uint32_t at)
{
	uint32_t from = at, shown = 0;

	fprintf(f, "No order has this one where it must come at the latest:\n");
	show_op(s, f, events[at].op, "->");
	fprintf(f, "What ended before:\n");
	while (from > 0 && shown < SHOW_PAST)
		shown += events[--from].is_end;
	for (; from < at; from++)
		if (events[from].is_end)
			show_op(s, f, events[from].op, "  ");
	fprintf(f,
		"%u possible states before it, and what of what was under way was not yet done:\n",
		s->now.cnt);
	for (uint32_t i = 0; i < s->now.cnt && i < SHOW; i++) {
		s->m->print_state(f, s->now.c[i]->state);
		fputc('\n', f);
		for (uint32_t k = 0; k < s->used; k++)
			if (s->slot_op[k] != NO_SLOT && !has(s->now.c[i]->done, k))
				show_op(s, f, s->slot_op[k], "  ");
	}
}

enum linear_verdict linear_check(const struct linear_model *m, const struct linear_op *ops,
	uint32_t n, void *state, FILE *report)
{
	struct search *s = must(calloc(1, sizeof(*s)));
	enum linear_verdict v = LINEAR_OK;
	struct event *events;
	uint32_t cnt, at;

	s->m = m;
	s->ops = ops;
	s->n = n;
	s->op_slot = must(calloc(n + 1, sizeof(s->op_slot[0])));
	for (uint32_t i = 0; i < n; i++)
		s->op_slot[i] = NO_SLOT;
	for (uint32_t i = 0; i < SLOTS; i++)
		s->slot_op[i] = NO_SLOT;
	s->scratch = must(calloc(1, config_bytes(s)));
	memcpy(s->scratch->state, state, m->state_bytes);
	(void)set_add(s, &s->now, s->scratch);
	set_close(s, &s->now);
	events = make_events(s, &cnt);
	for (at = 0; at < cnt && v == LINEAR_OK; at++) {
		if (events[at].is_end)
			v = finish(s, events[at].op);
		else if (!begin(s, events[at].op))
			v = LINEAR_UNDECIDED;
	}
	if (v == LINEAR_OK)
		memcpy(state, s->now.c[0]->state, m->state_bytes);
	else if (report != NULL)
		explain(s, report, events, at - 1);
	set_clear(&s->now);
	set_clear(&s->reached);
	free(s->now.c);
	free(s->reached.c);
	free(events);
	free(s->scratch);
	free(s->op_slot);
	free(s);
	return v;
}
