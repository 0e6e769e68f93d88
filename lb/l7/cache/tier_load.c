/* SPDX-License-Identifier: Apache-2.0
 * At start, before workers run: what an earlier process left. Anything that cannot be read, or is
 * of another layout, empties the tier: it is a cache. */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "dataplane/base/log.h"
#include "dataplane/base/rng.h"
#include "dataplane/base/time.h"
#include "lb/l7/cache/tier_pvt.h"

#define WAIT_NS    (30 * NS_PER_SEC) /* for one answer */
#define SCAN_BYTES (1u << 20)
#define SCAN_LIMIT 256

/* Sends the request and waits for it; r is the caller's again. */
static int ask(struct store_client *c, struct store_req *r)
{
	const struct timespec nap = {.tv_nsec = 50000};
	uint64_t until = clock_now_ns() + WAIT_NS;
	struct store_req *back = NULL;
	int rc = store_submit(c, r, clock_now_ns());

	if (rc != 0)
		return rc;
	store_flush(c);
	while (store_poll(c, &back, 1) == 0) {
		if (clock_now_ns() > until)
			return -ETIMEDOUT;
		(void)nanosleep(&nap, NULL);
	}
	return r->status;
}

static struct store_req *request(struct tier *t, struct store_client *c, uint8_t kind, uint32_t ns)
{
	struct store_req *r = store_req_get(c);

	if (r == NULL)
		return NULL;
	r->kind = kind;
	r->one.key.ns = (uint8_t)(t->conf.ns + ns);
	return r;
}

static int empty(struct tier *t, struct store_client *c, uint32_t ns)
{
	int rc = 0;

	for (uint32_t shard = 0; shard < t->shards && rc == 0; shard++) {
		struct store_req *r = request(t, c, STORE_CLEAR, ns);

		if (r == NULL)
			return -ENOMEM;
		r->shard = (uint16_t)shard;
		rc = ask(c, r);
		if (rc != -ETIMEDOUT)
			store_req_put(c, r);
	}
	return rc;
}

/* Calls fn for each record whose key begins with `prefix`. 0 or -errno. */
static int scan_shard(struct tier *t, struct store_client *c, uint32_t ns, uint32_t shard,
	const char *prefix, uint8_t *buf,
	void (*fn)(struct tier *t, uint32_t ns, const uint8_t *value, uint32_t len))
{
	uint8_t from[64];
	uint16_t from_len = 0;
	bool done = false;

	while (!done) {
		struct store_req *r = request(t, c, STORE_SCAN, ns);
		int rc;

		if (r == NULL)
			return -ENOMEM;
		r->shard = (uint16_t)shard;
		r->scan = (struct store_scan){.prefix = (const uint8_t *)prefix,
			.prefix_len = 1,
			.from = from,
			.from_len = from_len,
			.values = true,
			.limit = SCAN_LIMIT,
			.out = buf,
			.out_cap = SCAN_BYTES};
		rc = ask(c, r);
		if (rc == -ETIMEDOUT)
			return rc; /* the store may yet write into buf: see the caller */
		for (const struct store_entry *e = store_entry_first(&r->scan);
			rc == 0 && e != NULL; e = store_entry_next(&r->scan, e)) {
			if (e->key_len + 1 > sizeof(from))
				continue;
			memcpy(from, store_entry_key(e), e->key_len);
			from[e->key_len] = 0;
			from_len = (uint16_t)(e->key_len + 1);
			if (e->type != CODEC_NONE)
				fn(t, ns, store_entry_value(e), e->value_len);
		}
		done = rc != 0 || r->scan.done || r->scan.out_len == 0;
		store_req_put(c, r);
		if (rc != 0)
			return rc;
	}
	return 0;
}

static int scan(struct tier *t, struct store_client *c, uint32_t ns, const char *prefix,
	uint8_t *buf, void (*fn)(struct tier *t, uint32_t ns, const uint8_t *value, uint32_t len))
{
	int rc = 0;

	for (uint32_t shard = 0; shard < t->shards && rc == 0; shard++)
		rc = scan_shard(t, c, ns, shard, prefix, buf, fn);
	return rc;
}

static void take_purge(struct tier *t, uint32_t ns, const uint8_t *value, uint32_t len)
{
	struct tier_saved_purge s;

	(void)ns;
	/* A purge that is lost would bring back what it took: nothing is to be believed then. */
	if (!tier_sealed(value, len, TIER_MAGIC_PURGE, sizeof(s))) {
		t->doubt = true;
		return;
	}
	memcpy(&s, value, sizeof(s));
	if (!purge_restore(t->purge, &s.r))
		t->doubt = true;
}

static void take_block(struct tier *t, uint32_t ns, const uint8_t *value, uint32_t len)
{
	struct tier_block b;

	if (!tier_sealed(value, len, TIER_MAGIC_BLOCK, sizeof(b)))
		return;
	memcpy(&b, value, sizeof(b));
	for (uint32_t i = 0; i < b.cnt && i < TIER_BLOCK; i++)
		tier_map_put(&t->map, b.hash[i], ns);
}

/* -ENOENT: there is none of this layout. */
static int load_state(struct tier *t, struct store_client *c, struct tier_state *s)
{
	static const uint8_t key[] = "s";
	struct store_req *r = request(t, c, STORE_READ, TIER_META);
	int rc;

	if (r == NULL)
		return -ENOMEM;
	r->one.key.key = key;
	r->one.key.key_len = 1;
	r->one.out = (uint8_t *)s;
	r->one.out_cap = sizeof(*s);
	rc = ask(c, r);
	if (rc == 0)
		rc = r->one.status;
	if (rc == -EMSGSIZE ||
		(rc == 0 && !tier_sealed(s, r->one.value_len, TIER_MAGIC_STATE, sizeof(*s))))
		rc = -ENOENT;
	if (rc != -ETIMEDOUT)
		store_req_put(c, r);
	return rc;
}

static void adopt(struct tier *t, const struct tier_state *s)
{
	for (uint32_t i = 0; i < 2; i++)
		t->key[i] = (struct siphash_key){s->key[2 * i], s->key[2 * i + 1]};
	atomic_store_explicit(&t->gen, s->gen, memory_order_relaxed);
	for (uint32_t i = 0; i < TIER_GENS; i++)
		atomic_store_explicit(&t->bytes[i], s->bytes[i], memory_order_relaxed);
	purge_resume(t->purge, &s->purge, (uint64_t)t->epoch << 40);
}

/* Everything anew. Secrets stay secret: who could choose keys of one hash could hide responses from
 * a purge. */
static int begin(struct tier *t, struct store_client *c)
{
	struct purge_secret secret;
	int rc = 0;

	for (uint32_t ns = 0; ns < TIER_NS && rc == 0; ns++)
		rc = empty(t, c, ns);
	rng_secret(t->key, sizeof(t->key));
	rng_secret(&secret, sizeof(secret));
	atomic_store_explicit(&t->gen, TIER_GENS, memory_order_relaxed); /* 0 is none */
	purge_resume(t->purge, &secret, (uint64_t)t->epoch << 40);
	return rc;
}

static uint64_t sum(const struct tier *t)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < TIER_GENS; i++)
		n += atomic_load_explicit(&t->bytes[i], memory_order_relaxed);
	return n;
}

/* The namespace of the next generation, whose emptying may have been cut short, and with a smaller
 * bound than before the oldest ones. */
static int make_room(struct tier *t, struct store_client *c)
{
	uint32_t gen = tier_gen(t);
	int rc = 0;

	for (uint32_t back = TIER_READABLE; back > 0 && rc == 0; back--) {
		uint32_t slot = tier_slot_of(gen - back);

		if (back != TIER_READABLE && sum(t) <= t->conf.max_bytes)
			break;
		rc = empty(t, c, slot);
		atomic_store_explicit(&t->bytes[slot], 0, memory_order_relaxed);
	}
	return rc;
}

static int load_all(struct tier *t, struct store_client *c, struct tier_state *s, uint8_t *buf)
{
	int rc = load_state(t, c, s);

	if (rc == 0)
		adopt(t, s);
	if (rc == -ENOENT || rc == -EUCLEAN)
		return begin(t, c);
	if (rc == 0)
		rc = scan(t, c, TIER_META, "p", buf, take_purge);
	if (rc == 0 && t->doubt)
		return begin(t, c);
	if (rc == 0)
		rc = make_room(t, c);
	/* The newest last: its place is the one that counts. */
	for (uint32_t back = TIER_READABLE; rc == 0 && back-- > 0;)
		rc = scan(t, c, tier_slot_of(tier_gen(t) - back), "i", buf, take_block);
	return rc;
}

int tier_load(struct tier *t)
{
	struct store_client *c = store_client(t->conf.store, t->conf.client);
	struct tier_state *s = calloc(1, sizeof(*s));
	uint8_t *buf = aligned_alloc(64, SCAN_BYTES);
	uint64_t start_ns = clock_now_ns();
	struct store_stats st;
	int rc = -ENOMEM;

	store_get_stats(t->conf.store, &st);
	t->epoch = st.epoch;
	if (s != NULL && buf != NULL)
		rc = load_all(t, c, s, buf);
	if (rc == 0)
		LOG_INF("disk cache opened", "bytes=%llu max=%llu generation=%u ms=%llu",
			(unsigned long long)sum(t), (unsigned long long)t->conf.max_bytes,
			tier_gen(t), (unsigned long long)((clock_now_ns() - start_ns) / NS_PER_MS));
	else
		LOG_ERR("the disk cache cannot be read", "error=%d reason=\"%s\"", rc,
			store_error_text(rc));
	/* After a timeout the store still has a request that names them. */
	if (rc != -ETIMEDOUT) {
		free(s);
		free(buf);
	}
	return rc;
}
