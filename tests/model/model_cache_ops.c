/* SPDX-License-Identifier: Apache-2.0
 * Random operations of three workers, one after the other, against an array that holds what each
 * key should have: values, versions, expiry, marks, placeholders and who may fill them. With a
 * large arena every answer must be the model's; with a small one, and a bucket array that is too
 * small as well, a key may vanish, but never come back or show something else. Usage:
 * model_cache_ops [SEED]. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cache/cache_pvt.h"
#include "dataplane/base/rng.h"
#include "dataplane/base/time.h"
#include "tests/support/cache.h"

#define WORKERS 3
#define NS      2
#define KEYS    150 /* of each namespace */
#define STEPS   150000
#define LEASES  6 /* that one worker holds */

struct entry {
	bool present;
	uint64_t stamp, seq, expire_tick;
	uint16_t user;
	uint64_t lease; /* seq of the placeholder, 0: none */
};

struct held {
	struct cache_lease lease;
	uint32_t ns, key;
	uint64_t deadline_ns;
};

struct model {
	struct test_cache t;
	struct rng rng;
	uint64_t seed, now_ns, stamp, hits, vanished, applied;
	bool exact;
	struct entry e[NS][KEYS];
	struct held held[WORKERS][LEASES];
	uint32_t held_cnt[WORKERS];
};

static void fail(const struct model *m, const char *what, uint64_t a, uint64_t b)
{
	printf("model_cache_ops: seed %llu: %s: %llu %llu\n", (unsigned long long)m->seed, what,
		(unsigned long long)a, (unsigned long long)b);
	exit(1);
}

static uint64_t below(struct model *m, uint64_t n)
{
	return rng_below(&m->rng, n);
}

/* Keys have 1 to some 60 bytes, by their number. */
static void key_make(struct model *m, struct cache_key *k, uint8_t *buf, uint32_t ns, uint32_t key)
{
	uint32_t len = 4 + key % 57;

	memset(buf, (int)(key >> 3), len);
	memcpy(buf, &key, sizeof(key));
	cache_key_init(m->t.c, k, (uint8_t)ns, buf, (uint16_t)len);
}

static uint32_t value_len(uint64_t stamp)
{
	return 8 + (uint32_t)(stamp * UINT64_C(0x9e3779b97f4a7c15) >> 55);
}

static void value_make(uint8_t *buf, uint64_t stamp)
{
	memset(buf, (int)stamp, value_len(stamp));
	memcpy(buf, &stamp, sizeof(stamp));
}

static bool live(const struct model *m, const struct entry *e)
{
	return e->present && (e->expire_tick == TICK_NEVER || e->expire_tick > tick_now(m->now_ns));
}

/* The cache says absent: is it, or may it be? */
static void see_absent(struct model *m, struct entry *e)
{
	if (live(m, e)) {
		if (m->exact)
			fail(m, "a key is gone", e->stamp, e->seq);
		m->vanished++;
	}
	e->present = false;
}

static void see_value(struct model *m, struct entry *e, const struct cache_view *v)
{
	uint8_t want[8 + 512];

	if (!live(m, e))
		fail(m, "a key is there that is not", load64(v->val), v->seq);
	value_make(want, e->stamp);
	if (v->len != value_len(e->stamp) || memcmp(v->val, want, v->len) != 0)
		fail(m, "another value", load64(v->val), e->stamp);
	if (v->seq != e->seq || v->user != e->user || v->expire_ns != tick_ns(e->expire_tick))
		fail(m, "another version, mark or expiry", v->seq, e->seq);
	m->hits++;
}

static void see(struct model *m, struct entry *e, const struct cache_view *v)
{
	switch (v->found) {
	case CACHE_HIT:
		see_value(m, e, v);
		break;
	case CACHE_PENDING:
	case CACHE_WAITING:
		if (e->lease == 0)
			fail(m, "a placeholder that is not", e->seq, 0);
		break;
	default:
		see_absent(m, e);
		if (e->lease != 0 && m->exact && v->found == CACHE_MISS)
			fail(m, "a placeholder is gone", e->lease, 0);
	}
}

static void do_get(struct model *m, struct cache_worker *w)
{
	uint8_t buf[CACHE_BURST_MAX][64];
	uint32_t ns[CACHE_BURST_MAX], key[CACHE_BURST_MAX], n = 1 + (uint32_t)below(m, 16);
	struct cache_key k[CACHE_BURST_MAX];
	struct cache_view v[CACHE_BURST_MAX];

	for (uint32_t i = 0; i < n; i++) {
		ns[i] = (uint32_t)below(m, NS);
		key[i] = (uint32_t)below(m, KEYS);
		key_make(m, &k[i], buf[i], ns[i], key[i]);
	}
	if (n == 1)
		cache_get(w, k, m->now_ns, v);
	else
		cache_get_burst(w, k, n, m->now_ns, v);
	for (uint32_t i = 0; i < n; i++)
		see(m, &m->e[ns[i]][key[i]], &v[i]);
}

/* What a condition has to answer. */
static int expected(const struct model *m, const struct entry *e, const struct cache_put *p)
{
	bool is = live(m, e);

	switch (p->cond) {
	case CACHE_IF_ABSENT:
		return is ? -EEXIST : 0;
	case CACHE_IF_PRESENT:
		return is ? 0 : -ENOENT;
	case CACHE_IF_SEQ:
		return !is ? -ENOENT : e->seq == p->cond_seq ? 0 : -ESTALE;
	case CACHE_IF_NEWER:
		return is && e->seq >= p->seq ? -ESTALE : 0;
	default:
		return 0;
	}
}

static uint64_t random_expiry(struct model *m)
{
	uint64_t span = NS_PER_MS << below(m, 24);

	return below(m, 2) == 0 ? 0 : m->now_ns + below(m, span);
}

static void apply(struct model *m, struct entry *e, const struct cache_put *p, uint64_t seq)
{
	*e = (struct entry){.present = true,
		.stamp = m->stamp,
		.seq = seq,
		.expire_tick = tick_expire(p->expire_ns),
		.user = p->user};
	m->applied++;
}

static void do_put(struct model *m, struct cache_worker *w)
{
	uint32_t ns = (uint32_t)below(m, NS), key = (uint32_t)below(m, KEYS);
	struct entry *e = &m->e[ns][key];
	uint8_t buf[64], val[8 + 512];
	uint64_t seq = 0;
	struct cache_put p = {.val = val,
		.len = value_len(++m->stamp),
		.user = (uint16_t)m->stamp,
		.cond = (enum cache_cond)below(m, 5),
		.cond_seq = below(m, 4) == 0 ? e->seq + 1 : e->seq,
		.expire_ns = random_expiry(m),
		.seq_out = &seq};
	struct cache_key k;
	int rc, want;

	if (p.cond == CACHE_IF_NEWER)
		p.seq = 1 + below(m, 2 * (e->seq + 1));
	value_make(val, m->stamp);
	key_make(m, &k, buf, ns, key);
	want = expected(m, e, &p);
	rc = cache_put(w, &k, &p, m->now_ns);
	if (rc == -EAGAIN && !m->exact)
		return;
	if (rc != want) { /* the answer of an absent key may be right as well */
		see_absent(m, e);
		want = expected(m, e, &p);
	}
	if (rc != want)
		fail(m, "a put answers", (uint64_t)-rc, (uint64_t)-want);
	if (rc != 0)
		return;
	/* A key that vanished unseen may begin again below. */
	if (p.seq != 0 ? seq != p.seq : m->exact && live(m, e) && seq <= e->seq)
		fail(m, "a version does not grow", seq, e->seq);
	apply(m, e, &p, seq);
}

static void do_delete(struct model *m, struct cache_worker *w)
{
	uint32_t ns = (uint32_t)below(m, NS), key = (uint32_t)below(m, KEYS);
	struct entry *e = &m->e[ns][key];
	enum cache_cond cond = below(m, 2) == 0 ? CACHE_ALWAYS : CACHE_IF_SEQ;
	uint64_t cond_seq = below(m, 3) == 0 ? e->seq + 1 : e->seq;
	struct cache_key k;
	uint8_t buf[64];
	int rc;

	key_make(m, &k, buf, ns, key);
	rc = cache_delete(w, &k, cond, cond_seq, m->now_ns);
	if (rc == -ENOENT) {
		see_absent(m, e);
	} else if (!live(m, e) ||
		   (cond == CACHE_IF_SEQ && (rc == -ESTALE) == (e->seq == cond_seq))) {
		fail(m, "a delete answers", (uint64_t)-rc, e->seq);
	}
	if (rc == 0 || (rc == -ENOENT && cond == CACHE_ALWAYS))
		e->lease = 0;
	if (rc == 0)
		e->present = false;
}

static void do_touch(struct model *m, struct cache_worker *w)
{
	uint32_t ns = (uint32_t)below(m, NS), key = (uint32_t)below(m, KEYS);
	uint64_t expire = random_expiry(m);
	struct entry *e = &m->e[ns][key];
	struct cache_key k;
	uint8_t buf[64];
	int rc;

	key_make(m, &k, buf, ns, key);
	rc = cache_touch(w, &k, expire, m->now_ns);
	if (rc == -EAGAIN && !m->exact)
		return;
	if (rc == -ENOENT)
		see_absent(m, e);
	else if (rc != 0 || !live(m, e))
		fail(m, "a touch answers", (uint64_t)-rc, e->seq);
	else
		e->expire_tick = tick_expire(expire);
}

static void do_lookup(struct model *m, struct cache_worker *w)
{
	uint32_t ns = (uint32_t)below(m, NS), key = (uint32_t)below(m, KEYS);
	struct entry *e = &m->e[ns][key];
	struct held *h = &m->held[w->id][m->held_cnt[w->id]];
	struct cache_view v;
	struct cache_key k;
	uint8_t buf[64];

	if (m->held_cnt[w->id] == LEASES)
		return;
	key_make(m, &k, buf, ns, key);
	switch (cache_lookup(w, &k, m->now_ns, &v, &h->lease, NULL)) {
	case CACHE_LEASED:
		see_absent(m, e);
		e->lease = h->lease.seq;
		h->ns = ns;
		h->key = key;
		m->held_cnt[w->id]++;
		break;
	case CACHE_MISS:
		if (m->exact)
			fail(m, "no lease", ns, key);
		break;
	default:
		see(m, e, &v);
	}
}

static void do_fill(struct model *m, struct cache_worker *w)
{
	struct held *h;
	struct entry *e;
	uint8_t buf[64], val[8 + 512];
	struct cache_put p = {
		.val = val, .len = value_len(++m->stamp), .user = 7, .expire_ns = random_expiry(m)};
	struct cache_key k;
	uint64_t seq;
	int rc;

	if (m->held_cnt[w->id] == 0)
		return;
	h = &m->held[w->id][--m->held_cnt[w->id]];
	e = &m->e[h->ns][h->key];
	value_make(val, m->stamp);
	key_make(m, &k, buf, h->ns, h->key);
	seq = h->lease.seq;
	if (below(m, 4) == 0) {
		cache_lease_abort(w, &k, &h->lease, m->now_ns);
		if (e->lease == seq)
			e->lease = 0;
		return;
	}
	rc = cache_fill(w, &k, &h->lease, &p, m->now_ns);
	if (rc == 0) {
		if (e->lease != seq)
			fail(m, "a fill came through that is not the last lease's", seq, e->lease);
		apply(m, e, &p, seq);
	} else if (e->lease == seq) {
		if (m->exact)
			fail(m, "a fill failed", seq, (uint64_t)-rc);
		e->lease = 0;
	}
}

static void step(struct model *m)
{
	struct cache_worker *w = cache_worker(m->t.c, (uint32_t)below(m, WORKERS));

	switch (below(m, 16)) {
	case 0:
	case 1:
	case 2:
	case 3:
		do_put(m, w);
		break;
	case 4:
		do_delete(m, w);
		break;
	case 5:
		do_touch(m, w);
		break;
	case 6:
	case 7:
		do_lookup(m, w);
		break;
	case 8:
	case 9:
		do_fill(m, w);
		break;
	case 10:
		m->now_ns += below(m, 3 * NS_PER_MS);
		break;
	case 11:
		for (uint32_t i = 0; i < WORKERS; i++)
			cache_poll(cache_worker(m->t.c, i), m->now_ns);
		break;
	default:
		do_get(m, w);
	}
}

static void run(uint64_t seed, bool exact)
{
	static struct model m;
	struct cache_conf conf = exact ? test_cache_conf(16 << 20, 65536, WORKERS)
				       : test_cache_conf(32 << 14, 16384, WORKERS);

	memset(&m, 0, sizeof(m));
	m.seed = seed;
	m.exact = exact;
	m.now_ns = NS_PER_SEC << (seed % 20);
	rng_seed(&m.rng, seed);
	conf.ns_cnt = NS;
	conf.hash_seed = seed | 1;
	conf.lease_ns = UINT64_C(1) << 60; /* none is overdue here */
	conf.index_items = exact ? 4000 : 20;
	test_cache_open(&m.t, &conf);
	for (uint32_t i = 0; i < STEPS; i++) {
		step(&m);
		if (i % 5000 == 0)
			test_cache_check(m.t.c);
	}
	for (uint32_t i = 0; i < WORKERS; i++)
		while (m.held_cnt[i] > 0)
			do_fill(&m, cache_worker(m.t.c, i));
	if (m.hits < 1000 || m.applied < 1000 || (m.vanished > 0) == exact)
		fail(&m, "the run did not reach what it is for", m.hits, m.vanished);
	test_cache_close(&m.t);
}

int main(int argc, char **argv)
{
	uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 0) : (uint64_t)time(NULL);

	printf("model_cache_ops: seed %llu\n", (unsigned long long)seed);
	for (uint64_t i = 0; i < 3; i++) {
		run(seed + i, true);
		run(seed + i, false);
	}
	printf("6 passed, 0 failed, 0 skipped\n");
	return 0;
}
