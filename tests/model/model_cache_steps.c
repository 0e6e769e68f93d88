/* SPDX-License-Identifier: Apache-2.0
 * Every interleaving of two or three workers with a few operations each, up to a bound of
 * preemptions: the sources are included with CACHE_HOOKS, so that each access to a shared word is a
 * step, and a scheduler of fibers tries one order after the other from the same beginning
 * (Musuvathi, Qadeer, 2007: bounded preemptions find what there is to find in small scopes). After
 * each run
 *   - the results are linearizable: some order of the operations that respects who ended before
 * whom began gives the same results on a plain map (eviction may remove at any moment)
 *   - no waiter is left behind, views and pins kept their bytes
 *   - cache_check() is content
 * Memory orders are not tried here; that is ThreadSanitizer's part (tests/stress). */
#include <stdio.h>
#include <stdlib.h>

#define CACHE_HOOKS
#define CACHE_NO_GUARD
#define CACHE_GROUP          1 /* one bucket: all keys meet */
#define CACHE_GROUP_OVERFLOW 1
#define UNLINK_AT            14 /* give an overflow bucket back as soon as it is empty */

#include "cache/audit.c"
#include "cache/cache.c"
#include "cache/evict.c"
#include "cache/index.c"
#include "cache/lease.c"
#include "cache/map.c"
#include "cache/object.c"
#include "cache/ops.c"
#include "cache/segment.c"
#include "cache/segq.c"

#define THREADS     3
#define OPS         4 /* of one thread */
#define STEPS       2000
#define STACK_BYTES 65536
#define ARENA_SAVED 4096 /* bytes of each segment that a scenario's beginning may use */
#define REGIONS     40
#define NOW         (UINT64_C(1) << 40)

enum what {
	OP_NONE,
	OP_PUT,    /* key, value */
	OP_ADD,    /* the same if absent */
	OP_SWAP,   /* the same if the key has the version it had in the beginning */
	OP_GET,    /* key */
	OP_BURST,  /* key, by cache_get_burst() */
	OP_DEL,    /* key */
	OP_TOUCH,  /* key */
	OP_LOOKUP, /* key: lease, or wait */
	OP_FILL,   /* key, value: with this worker's lease, if it has one */
	OP_ABORT,  /* key */
	OP_EVICT,  /* walk the segment that the beginning has put aside, and free what is free */
	OP_HOLD,   /* key: look up and compare the bytes later in the turn, before quiescent */
	OP_PIN,    /* key: look up, pin, report quiescent, compare, unpin */
	OP_QUIET,  /* report quiescent */
};

struct op {
	enum what what;
	int key, val;
};

#define NAMES 10 /* keys */

struct scenario {
	const char *name;
	int present; /* keys 0..present-1 are there, with value 100 + key */
	bool aside;  /* and their segment is ready to be evicted */
	uint8_t freq;
	uint32_t bound; /* preemptions */
	struct op ops[THREADS][OPS];
};

static const struct scenario scenarios[] = {
	{"two inserts of one key", 0, false, 0, 5,
		{{{OP_PUT, 0, 1}, {OP_GET, 0, 0}}, {{OP_PUT, 0, 2}, {OP_GET, 0, 0}}}},
	{"three inserts of one key", 0, false, 0, 2,
		{{{OP_PUT, 0, 1}, {OP_GET, 0, 0}}, {{OP_PUT, 0, 2}},
			{{OP_ADD, 0, 3}, {OP_GET, 0, 0}}}},
	{"two adds and a delete", 0, false, 0, 3,
		{{{OP_ADD, 0, 1}, {OP_GET, 0, 0}}, {{OP_ADD, 0, 2}}, {{OP_DEL, 0, 0}}}},
	{"replace and delete", 1, false, 0, 4,
		{{{OP_PUT, 0, 1}, {OP_GET, 0, 0}}, {{OP_DEL, 0, 0}, {OP_GET, 0, 0}}}},
	{"two swaps of one version", 1, false, 0, 3,
		{{{OP_SWAP, 0, 1}}, {{OP_SWAP, 0, 2}, {OP_GET, 0, 0}}, {{OP_PUT, 0, 3}}}},
	{"a slot is reused under a reader", 2, false, 0, 4,
		{{{OP_DEL, 0, 0}, {OP_PUT, 2, 7}, {OP_PUT, 0, 8}},
			{{OP_GET, 0, 0}, {OP_GET, 2, 0}}}},
	{"a slot is reused under a burst", 2, false, 0, 4,
		{{{OP_DEL, 0, 0}, {OP_PUT, 2, 7}, {OP_PUT, 0, 8}},
			{{OP_BURST, 2, 0}, {OP_GET, 2, 0}, {OP_BURST, 0, 0}}}},
	{"a slot is reused under a writer", 1, false, 0, 3,
		{{{OP_DEL, 0, 0}, {OP_PUT, 1, 7}}, {{OP_PUT, 0, 8}, {OP_GET, 1, 0}},
			{{OP_GET, 0, 0}}}},
	{"touch against put and delete", 1, false, 0, 3,
		{{{OP_TOUCH, 0, 0}, {OP_GET, 0, 0}}, {{OP_PUT, 0, 1}}, {{OP_DEL, 0, 0}}}},
	{"the eighth and the ninth key", 7, false, 0, 3,
		{{{OP_PUT, 7, 1}, {OP_GET, 8, 0}}, {{OP_PUT, 8, 2}, {OP_GET, 7, 0}}}},
	{"the eighth key twice", 7, false, 0, 3,
		{{{OP_PUT, 7, 1}, {OP_GET, 7, 0}}, {{OP_ADD, 7, 2}, {OP_GET, 7, 0}}}},
	{"an overflow bucket goes under an insert", 8, false, 0, 3,
		{{{OP_DEL, 7, 0}, {OP_GET, 8, 0}}, {{OP_PUT, 8, 2}, {OP_GET, 8, 0}}}},
	{"an overflow bucket goes under a reader", 8, false, 0, 3,
		{{{OP_DEL, 7, 0}, {OP_QUIET, 0, 0}, {OP_PUT, 8, 2}},
			{{OP_GET, 7, 0}, {OP_GET, 8, 0}}}},
	{"one lease for two misses", 0, false, 0, 3,
		{{{OP_LOOKUP, 0, 0}, {OP_FILL, 0, 1}}, {{OP_LOOKUP, 0, 0}, {OP_FILL, 0, 2}}}},
	{"one lease for three misses", 0, false, 0, 2,
		{{{OP_LOOKUP, 0, 0}, {OP_ABORT, 0, 0}}, {{OP_LOOKUP, 0, 0}, {OP_FILL, 0, 2}},
			{{OP_LOOKUP, 0, 0}, {OP_FILL, 0, 3}}}},
	{"a fill against a put", 0, false, 0, 3,
		{{{OP_LOOKUP, 0, 0}, {OP_FILL, 0, 1}}, {{OP_PUT, 0, 2}, {OP_GET, 0, 0}}}},
	{"a fill against delete and waiter", 0, false, 0, 2,
		{{{OP_LOOKUP, 0, 0}, {OP_FILL, 0, 1}}, {{OP_DEL, 0, 0}}, {{OP_LOOKUP, 0, 0}}}},
	{"eviction keeps what a put replaces", 2, true, 1, 3,
		{{{OP_EVICT, 0, 0}}, {{OP_PUT, 0, 1}, {OP_GET, 1, 0}}}},
	{"eviction keeps what a delete removes", 1, true, 1, 3,
		{{{OP_EVICT, 0, 0}}, {{OP_DEL, 0, 0}, {OP_GET, 0, 0}}, {{OP_GET, 0, 0}}}},
	{"eviction keeps what a touch copies", 1, true, 1, 3,
		{{{OP_EVICT, 0, 0}}, {{OP_TOUCH, 0, 0}, {OP_GET, 0, 0}}}},
	{"eviction drops what a swap expects", 1, true, 0, 3,
		{{{OP_EVICT, 0, 0}}, {{OP_SWAP, 0, 1}, {OP_GET, 0, 0}}, {{OP_ADD, 0, 2}}}},
	{"a view outlives the eviction", 1, true, 0, 3,
		{{{OP_EVICT, 0, 0}, {OP_QUIET, 0, 0}, {OP_EVICT, 0, 0}, {OP_EVICT, 0, 0}},
			{{OP_HOLD, 0, 0}, {OP_QUIET, 0, 0}, {OP_HOLD, 0, 0}}}},
	{"a pin outlives the eviction", 1, true, 0, 3,
		{{{OP_EVICT, 0, 0}, {OP_QUIET, 0, 0}, {OP_EVICT, 0, 0}, {OP_EVICT, 0, 0}},
			{{OP_PIN, 0, 0}, {OP_HOLD, 0, 0}}}},
	{"two pins outlive the eviction", 1, true, 0, 2,
		{{{OP_EVICT, 0, 0}, {OP_QUIET, 0, 0}, {OP_EVICT, 0, 0}}, {{OP_PIN, 0, 0}},
			{{OP_PIN, 0, 0}}}},
};

/* -- what one run does -- */

enum result { RES_NONE, RES_OK, RES_VALUE, RES_ABSENT, RES_PENDING, RES_LEASED, RES_NOT };

struct done {
	struct op op;
	enum result res;
	int val;
	uint64_t lease; /* that a lookup got or a fill used */
	int thread, from, to;
	bool used;
};

struct fiber {
	void *sp;
	uint8_t *stack;
	bool over;
};

struct waiting {
	struct cache_waiter waiter;
	bool queued;
};

static struct cache *cache;
static const struct scenario *now_running;
static uint64_t first_seq[NAMES];
static struct done history[THREADS * OPS];
static int history_cnt, clock_step;
static struct fiber fibers[THREADS];
static void *scheduler_sp;
static int current = -1;
static struct cache_lease leases[THREADS];
static struct waiting waiters[THREADS][OPS];
static uint64_t leases_given, freed_runs;

void fiber_switch(void **save_sp, void *load_sp);
void fiber_begin(void);

__asm__(".text\n"
	".globl fiber_switch\n"
	"fiber_switch:\n"
	"	push %rbx\n push %rbp\n push %r12\n push %r13\n push %r14\n push %r15\n"
	"	mov %rsp, (%rdi)\n"
	"	mov %rsi, %rsp\n"
	"	pop %r15\n pop %r14\n pop %r13\n pop %r12\n pop %rbp\n pop %rbx\n"
	"	ret\n");

static void fail(const char *what)
{
	printf("model_cache_steps: %s: %s\n", now_running->name, what);
	for (int i = 0; i < history_cnt; i++)
		printf("  worker %d op %d key %d val %d: result %d val %d lease %llx [%d, %d]\n",
			history[i].thread, history[i].op.what, history[i].op.key, history[i].op.val,
			history[i].res, history[i].val, (unsigned long long)history[i].lease,
			history[i].from, history[i].to);
	exit(1);
}

void cache_hook(void)
{
	if (current >= 0)
		fiber_switch(&fibers[current].sp, scheduler_sp);
}

static void key_make(struct cache_key *k, const int *key)
{
	cache_key_init(cache, k, 0, key, sizeof(*key));
}

static void on_wake(struct cache_waiter *waiter, uint64_t now_ns)
{
	(void)now_ns;
	container_of(waiter, struct waiting, waiter)->queued = false;
}

static void read_result(struct done *d, enum cache_found found, const struct cache_view *v)
{
	d->res = found == CACHE_HIT ? RES_VALUE : found == CACHE_PENDING ? RES_PENDING : RES_ABSENT;
	if (found == CACHE_HIT)
		memcpy(&d->val, v->val, sizeof(d->val));
}

static void do_put(struct cache_worker *w, const struct cache_key *k, struct done *d)
{
	struct cache_put p = {.val = &d->op.val, .len = sizeof(d->op.val)};
	int rc;

	if (d->op.what == OP_ADD)
		p.cond = CACHE_IF_ABSENT;
	if (d->op.what == OP_SWAP) {
		p.cond = CACHE_IF_SEQ;
		p.cond_seq = first_seq[d->op.key];
	}
	rc = cache_put(w, k, &p, NOW);
	if (rc == -EAGAIN)
		fail("no memory");
	d->res = rc == 0 ? RES_OK : RES_NOT;
}

static void do_lookup(struct cache_worker *w, const struct cache_key *k, struct done *d, int n)
{
	struct waiting *wait = &waiters[d->thread][n];
	struct cache_view v;
	enum cache_found f;

	f = cache_lookup(w, k, NOW, &v, &leases[d->thread], &wait->waiter);
	read_result(d, f, &v);
	if (f == CACHE_WAITING) {
		wait->queued = true;
		d->res = RES_PENDING;
	} else if (f == CACHE_LEASED) {
		d->res = RES_LEASED;
		d->lease = leases[d->thread].seq;
		leases_given++;
	} else if (f == CACHE_MISS) {
		fail("no lease");
	}
}

/* Bytes seen once stay as they are until the holder lets go. */
static void do_hold(struct cache_worker *w, const struct cache_key *k, struct done *d)
{
	struct cache_pin pin;
	struct cache_view v;
	enum cache_found f = cache_get(w, k, NOW, &v);

	read_result(d, f, &v);
	if (f != CACHE_HIT)
		return;
	if (d->op.what == OP_PIN) {
		if (cache_pin(w, &v, &pin) != 0)
			fail("no pin");
		cache_hook();
		cache_quiescent(w);
	}
	for (int i = 0; i < 3; i++) {
		int again;

		cache_hook();
		memcpy(&again, v.val, sizeof(again));
		if (again != d->val)
			fail("memory was reused under its reader");
	}
	if (d->op.what == OP_PIN)
		cache_unpin(w, &pin);
}

static void do_op(int thread, int n)
{
	struct done d = {.op = now_running->ops[thread][n], .thread = thread};
	struct cache_worker *w = cache_worker(cache, (uint32_t)thread);
	struct cache_put p = {.val = &d.op.val, .len = sizeof(d.op.val)};
	struct cache_view v;
	struct cache_key k;

	if (d.op.what == OP_NONE)
		return;
	key_make(&k, &d.op.key);
	cache_hook();
	d.from = ++clock_step;
	switch (d.op.what) {
	case OP_GET:
		read_result(&d, cache_get(w, &k, NOW, &v), &v);
		break;
	case OP_BURST:
		cache_get_burst(w, &k, 1, NOW, &v);
		read_result(&d, (enum cache_found)v.found, &v);
		break;
	case OP_DEL:
		d.res = cache_delete(w, &k, CACHE_ALWAYS, 0, NOW) == 0 ? RES_OK : RES_NOT;
		break;
	case OP_TOUCH:
		d.res = cache_touch(w, &k, 2 * NOW, NOW) == 0 ? RES_OK : RES_NOT;
		break;
	case OP_LOOKUP:
		do_lookup(w, &k, &d, n);
		break;
	case OP_FILL:
	case OP_ABORT:
		if (leases[thread].stream == 0)
			return;
		d.lease = leases[thread].seq;
		d.res = RES_OK;
		if (d.op.what == OP_ABORT)
			cache_lease_abort(w, &k, &leases[thread], NOW);
		else if (cache_fill(w, &k, &leases[thread], &p, NOW) != 0)
			d.res = RES_NOT;
		break;
	case OP_EVICT:
		evict_step(w, NOW, 100);
		seg_reap(w);
		break;
	case OP_HOLD:
	case OP_PIN:
		do_hold(w, &k, &d);
		break;
	case OP_QUIET:
		cache_quiescent(w);
		break;
	default:
		do_put(w, &k, &d);
	}
	d.to = ++clock_step;
	history[history_cnt++] = d;
}

static void fiber_main(void)
{
	int me = current;

	for (int n = 0; n < OPS; n++)
		do_op(me, n);
	fibers[me].over = true;
	fiber_switch(&fibers[me].sp, scheduler_sp);
	abort();
}

static void fiber_prepare(struct fiber *f)
{
	void **sp = (void **)(void *)(f->stack + STACK_BYTES - 64);

	*--sp = NULL; /* fiber_main has no caller; keeps the stack aligned */
	*--sp = (void *)fiber_main;
	for (int i = 0; i < 6; i++)
		*--sp = NULL;
	f->sp = sp;
	f->over = false;
}

/* -- linearizability -- */

struct model {
	int val[NAMES];          /* 0: absent */
	uint64_t pending[NAMES]; /* lease */
	bool first[NAMES];       /* still has its first version */
};

/* May this operation have had its result in this state? Changes the state. */
static bool model_step(struct model *m, const struct done *d)
{
	int k = d->op.key, *val = &m->val[k];
	bool live = *val != 0;

	switch (d->op.what) {
	case OP_PUT:
	case OP_ADD:
	case OP_SWAP:
		if (d->res == RES_NOT)
			return d->op.what == OP_ADD ? live : d->op.what == OP_SWAP && !m->first[k];
		if ((d->op.what == OP_ADD && live) || (d->op.what == OP_SWAP && !m->first[k]))
			return false;
		*val = d->op.val;
		m->pending[k] = 0;
		m->first[k] = false;
		return true;
	case OP_GET:
	case OP_BURST:
	case OP_HOLD:
	case OP_PIN:
		if (d->res == RES_VALUE)
			return *val == d->val;
		return !live && (d->res != RES_PENDING || m->pending[k] != 0);
	case OP_DEL:
		if ((d->res == RES_OK) != live)
			return false;
		*val = 0;
		m->pending[k] = 0;
		m->first[k] = false;
		return true;
	case OP_TOUCH:
		return (d->res == RES_OK) == live;
	case OP_LOOKUP:
		if (d->res == RES_VALUE)
			return *val == d->val;
		if (d->res == RES_PENDING)
			return !live && m->pending[k] != 0;
		if (live || m->pending[k] != 0)
			return false;
		m->pending[k] = d->lease;
		return true;
	case OP_FILL:
		if (d->res == RES_NOT)
			return m->pending[k] != d->lease;
		if (m->pending[k] != d->lease)
			return false;
		*val = d->op.val;
		m->pending[k] = 0;
		return true;
	case OP_ABORT:
		if (m->pending[k] == d->lease)
			m->pending[k] = 0;
		return true;
	default:
		return true;
	}
}

/* Keys may vanish at any moment: with eviction under way those of the beginning, and any if the run
 * displaced some from the full bucket. */
static bool explain(struct model *m, int left, bool displaces)
{
	int bound = 1 << 30;

	if (left == 0)
		return true;
	for (int i = 0; i < history_cnt; i++)
		if (!history[i].used && history[i].to < bound)
			bound = history[i].to;
	for (int i = 0; i < history_cnt; i++) {
		struct done *d = &history[i];
		struct model saved = *m;
		bool ok;

		if (d->used || d->from > bound)
			continue;
		d->used = true;
		ok = model_step(m, d) && explain(m, left - 1, displaces);
		*m = saved;
		if (!ok && m->val[d->op.key] != 0 &&
			(displaces || (now_running->aside && m->first[d->op.key]))) {
			m->val[d->op.key] = 0;
			m->first[d->op.key] = false;
			ok = model_step(m, d) && explain(m, left - 1, displaces);
			*m = saved;
		}
		d->used = false;
		if (ok)
			return true;
	}
	return false;
}

static void check_run(void)
{
	struct model m = {.val = {0}};
	struct cache_stats st;
	char what[200];

	for (int i = 0; i < THREADS; i++)
		if (leases[i].stream != 0) { /* a lease that the scenario does not end */
			struct cache_key k;
			int key = 0;

			key_make(&k, &key);
			cache_lease_abort(cache_worker(cache, (uint32_t)i), &k, &leases[i], NOW);
		}
	for (int i = 0; i < THREADS; i++)
		lease_poll(cache_worker(cache, (uint32_t)i), NOW);
	for (int i = 0; i < THREADS; i++)
		for (int n = 0; n < OPS; n++)
			if (waiters[i][n].queued)
				fail("a waiter was left behind");
	for (int i = 0; i < now_running->present; i++) {
		m.val[i] = 100 + i;
		m.first[i] = true;
	}
	cache_stats(cache, &st);
	if (!explain(&m, history_cnt, st.evicted_bucket != 0))
		fail("no order explains these results");
	if (cache_check(cache, what, sizeof(what)) != 0)
		fail(what);
}

/* -- the beginning, saved and put back -- */

struct region {
	void *at, *copy;
	size_t bytes;
};
static struct region regions[REGIONS];
static int region_cnt;

static void region_add(void *at, size_t bytes)
{
	struct region *r = &regions[region_cnt++];

	if (region_cnt > REGIONS)
		abort();
	r->at = at;
	r->bytes = bytes;
	r->copy = malloc(bytes);
	if (r->copy == NULL)
		abort();
	memcpy(r->copy, at, bytes);
}

static void save_all(void)
{
	const struct geometry *g = &cache->geo;

	region_add(cache->ctl, g->ctl_bytes);
	region_add(cache->index, g->index_bytes);
	region_add(cache->worker, g->workers * sizeof(struct cache_worker));
	for (uint32_t i = 0; i < g->workers; i++) {
		struct cache_worker *w = &cache->worker[i];

		region_add(w->own_pins, g->segs * sizeof(*w->own_pins));
		region_add(w->free_fill, g->fills * sizeof(*w->free_fill));
		region_add(w->fill, g->fills * sizeof(*w->fill));
		region_add(w->wait, g->all_fills * sizeof(*w->wait));
	}
	for (uint32_t i = 0; i < 4; i++) /* the rest is free in every beginning */
		region_add(cache->arena + ((size_t)i << g->seg_shift), ARENA_SAVED);
}

static void restore_all(void)
{
	for (int i = 0; i < region_cnt; i++)
		memcpy(regions[i].at, regions[i].copy, regions[i].bytes);
	history_cnt = clock_step = 0;
	memset(leases, 0, sizeof(leases));
	for (int i = 0; i < THREADS; i++) {
		for (int n = 0; n < OPS; n++) {
			cache_waiter_init(&waiters[i][n].waiter, on_wake);
			waiters[i][n].queued = false;
		}
		fiber_prepare(&fibers[i]);
	}
}

static void forget_all(void)
{
	for (int i = 0; i < region_cnt; i++)
		free(regions[i].copy);
	region_cnt = 0;
}

static void begin_scenario(const struct scenario *s, struct cache_mem *mem)
{
	const struct cache_conf conf = {.arena_bytes = 16 << 14,
		.segment_bytes = 1 << 14,
		.index_items = 1,
		.workers = THREADS,
		.fills = 2,
		.hash_seed = 3,
		.pinned_permille = 500,
		.ns_cnt = 1};
	struct cache_worker *w;

	now_running = s;
	if (cache_plan(&conf, mem->bytes) != 0 || cache_mem_map(mem, false) != 0 ||
		cache_create(&cache, &conf, mem->addr) != 0)
		abort();
	for (uint32_t i = 0; i < THREADS; i++)
		cache_online(cache_worker(cache, i));
	w = cache_worker(cache, 0);
	for (int i = 0; i < s->present; i++) {
		int val = 100 + i;
		struct cache_put p = {.val = &val, .len = sizeof(val), .seq_out = &first_seq[i]};
		struct cache_view v;
		struct cache_key k;

		key_make(&k, &i);
		if (cache_put(w, &k, &p, NOW) != 0 || cache_get(w, &k, NOW, &v) != CACHE_HIT)
			abort();
		atomic_store(&item_at(cache, v.item)->freq, s->freq);
	}
	if (s->aside && (!seg_seal_open(w) || !start(w, NOW)))
		abort();
	for (uint32_t i = 0; i < THREADS; i++)
		if (s->ops[i][0].what == OP_NONE)
			cache_offline(cache_worker(cache, i));
		else
			cache_quiescent(cache_worker(cache, i));
	save_all();
}

/* -- the scheduler -- */

struct choice {
	uint8_t taken, options[THREADS], cnt; /* options[taken] goes on */
	uint8_t preemptions;                  /* before it */
	bool preempts;                        /* every option but the first is a preemption */
};
static struct choice trail[STEPS];

/* Who can go on, the one that ran last first. */
static void look(struct choice *c, int last)
{
	c->cnt = 0;
	c->preempts = last >= 0 && !fibers[last].over;
	if (c->preempts)
		c->options[c->cnt++] = (uint8_t)last;
	for (int i = 0; i < THREADS; i++)
		if (i != last && !fibers[i].over && now_running->ops[i][0].what != OP_NONE)
			c->options[c->cnt++] = (uint8_t)i;
}

/* Run once, along the trail as far as it goes. Returns the number of steps. */
static int run_once(int known)
{
	int last = -1, step = 0;
	uint8_t preemptions = 0;

	for (;; step++) {
		struct choice *c = &trail[step], seen;

		if (step == STEPS)
			fail("too many steps: does it come to an end?");
		look(&seen, last);
		if (seen.cnt == 0)
			return step;
		if (step >= known) {
			*c = seen;
			c->taken = 0;
			c->preemptions = preemptions;
		} else if (c->cnt != seen.cnt) {
			fail("the run does not repeat");
		}
		preemptions = (uint8_t)(c->preemptions + (c->preempts && c->taken > 0));
		current = last = c->options[c->taken];
		fiber_switch(&scheduler_sp, fibers[current].sp);
		current = -1;
	}
}

/* The next trail: another option at the last step that has one. Its length, 0: none is left. */
static int next_trail(int steps, uint32_t bound)
{
	for (int i = steps - 1; i >= 0; i--) {
		struct choice *c = &trail[i];

		if (c->taken + 1 < c->cnt && (!c->preempts || c->preemptions < bound)) {
			c->taken++;
			return i + 1;
		}
	}
	return 0;
}

static uint64_t explore(const struct scenario *s)
{
	struct cache_mem mem;
	uint64_t runs = 0;
	int known = 0;

	begin_scenario(s, &mem);
	do {
		int steps;

		restore_all();
		steps = run_once(known);
		check_run();
		for (uint32_t i = 0; i < cache->geo.segs; i++)
			freed_runs += atomic_load(&cache->seg[i].gen);
		runs++;
		known = next_trail(steps, s->bound);
	} while (known != 0);
	forget_all();
	for (uint32_t i = 0; i < THREADS; i++)
		cache_offline(cache_worker(cache, i));
	cache_destroy(cache);
	cache_mem_unmap(&mem);
	return runs;
}

int main(int argc, char **argv)
{
	uint64_t all = 0;

	for (int i = 0; i < THREADS; i++) {
		fibers[i].stack = malloc(STACK_BYTES);
		if (fibers[i].stack == NULL)
			return 1;
	}
	for (size_t i = 0; i < ARRAY_SIZE(scenarios); i++) {
		uint64_t runs;

		if (argc > 1 && strcmp(argv[1], scenarios[i].name) != 0)
			continue;
		runs = explore(&scenarios[i]);
		all += runs;
		printf("%-45s %8llu runs\n", scenarios[i].name, (unsigned long long)runs);
		fflush(stdout);
	}
	if (argc == 1 && (leases_given == 0 || freed_runs == 0))
		fail("leases and reuse of memory were not reached");
	for (int i = 0; i < THREADS; i++)
		free(fibers[i].stack);
	printf("%llu runs\n", (unsigned long long)all);
	printf("%zu passed, 0 failed, 0 skipped\n", ARRAY_SIZE(scenarios));
	return 0;
}
