/* SPDX-License-Identifier: Apache-2.0
 * Layout of the zones, creation and adoption, a worker's turn, and what the cache says about
 * itself. */
#include <errno.h>
#include <stdlib.h>

#include "cache/cache_pvt.h"
#include "dataplane/base/rng.h"

#define DEFAULT_FILLS    256
#define DEFAULT_WAITERS  1024
#define DEFAULT_LEASE_NS UINT64_C(10000000000)
#define DEFAULT_PINNED   100 /* thousandths */
#define DEFAULT_ITEM     256 /* bytes of arena for each item of the index */
#define SEGMENTS_MIN     16
#define SEGMENTS_MAX     (UINT32_C(1) << 24)
#define EVICT_PER_POLL   64
#define PINS_PER_POLL    16

/* -- layout -- */

static uint32_t default_segment(uint64_t arena_bytes)
{
	uint32_t seg = UINT32_C(1) << 16;

	while (seg < UINT32_C(1) << 20 && arena_bytes / seg > 1024)
		seg <<= 1;
	return seg;
}

static int lay_out_arena(const struct cache_conf *conf, struct geometry *g)
{
	uint32_t seg =
		conf->segment_bytes != 0 ? conf->segment_bytes : default_segment(conf->arena_bytes);

	if (seg < CACHE_SEGMENT_MIN || seg > CACHE_SEGMENT_MAX || (seg & (seg - 1)) != 0 ||
		conf->arena_bytes > CACHE_ARENA_MAX || conf->arena_bytes / seg > SEGMENTS_MAX)
		return -EINVAL;
	g->seg_shift = (uint32_t)__builtin_ctz(seg);
	g->segs = (uint32_t)(conf->arena_bytes / seg);
	g->arena_bytes = (uint64_t)g->segs * seg;
	if (g->segs < SEGMENTS_MIN || g->segs < 4 * g->workers * g->ns_cnt)
		return -EINVAL;
	/* Open segments of all workers take at most a quarter of the arena. */
	g->classes = TTL_CLASSES;
	while (g->classes > 1 && g->workers * g->ns_cnt * TIERS * g->classes > g->segs / 4)
		g->classes--;
	g->reserve = g->workers;
	g->low_water = g->reserve + (g->segs / 128 > 4 ? g->segs / 128 : 4);
	g->extent_shift = g->seg_shift - 4 < 15 ? g->seg_shift - 4 : 15;
	return 0;
}

static int lay_out_shares(const struct cache_conf *conf, struct geometry *g)
{
	uint32_t given = 0, open = 0;

	for (uint32_t i = 0; i < g->ns_cnt; i++) {
		given += conf->ns[i].share;
		open += conf->ns[i].share == 0;
	}
	if (given > 1000)
		return -EINVAL;
	for (uint32_t i = 0; i < g->ns_cnt; i++) {
		uint64_t share = conf->ns[i].share != 0 ? conf->ns[i].share : (1000 - given) / open;

		g->quota[i] = (uint32_t)(g->segs * share / 1000);
		if (g->quota[i] == 0)
			g->quota[i] = 1;
	}
	return 0;
}

static void lay_out_ctl(struct geometry *g)
{
	uint64_t at = ROUND_UP(sizeof(struct ctl), CACHE_LINE);
	uint64_t words = ROUND_UP((g->all_fills + 63) / 64, 8);

	g->queue_bytes = segq_bytes(g->segs);
	g->mail_bytes = (words + ROUND_UP((words + 63) / 64, 8)) * 8;
	g->at_epoch = at;
	at += epoch_bytes(g->workers);
	g->at_wstate = at;
	at += g->workers * sizeof(struct wstate);
	g->at_ns = at;
	at += CACHE_NS_MAX * sizeof(struct ns_state);
	g->at_seg = at;
	at += g->segs * sizeof(struct seg);
	g->at_queue = at;
	at += QUEUE_OF(g->ns_cnt, 0, 0) * g->queue_bytes;
	g->at_pin = at;
	at += ROUND_UP(2 * sizeof(uint32_t) * g->workers * (uint64_t)g->segs, CACHE_LINE);
	g->at_fill = at;
	at += g->all_fills * sizeof(struct fill);
	g->at_mail = at;
	at += g->workers * g->mail_bytes;
	g->at_ghost = at;
	at += g->ghost_lines * sizeof(struct ghost_line);
	g->ctl_bytes = at;
}

static int lay_out(const struct cache_conf *conf, struct geometry *g)
{
	uint64_t items =
		conf->index_items != 0 ? conf->index_items : conf->arena_bytes / DEFAULT_ITEM;
	uint64_t groups = (items * 10 / BUCKET_LOAD_TENTHS + CACHE_GROUP) / CACHE_GROUP;

	memset(g, 0, sizeof(*g));
	g->workers = conf->workers;
	g->ns_cnt = conf->ns_cnt;
	g->fills = conf->fills != 0 ? conf->fills : DEFAULT_FILLS;
	g->waiters = conf->waiters != 0 ? conf->waiters : DEFAULT_WAITERS;
	g->lease_ns = conf->lease_ns != 0 ? conf->lease_ns : DEFAULT_LEASE_NS;
	if (g->workers == 0 || g->workers > CACHE_WORKERS_MAX || g->ns_cnt == 0 ||
		g->ns_cnt > CACHE_NS_MAX || g->fills > CACHE_FILLS_MAX ||
		conf->pinned_permille > 1000 || groups * CACHE_GROUP > UINT32_MAX)
		return -EINVAL;
	if (lay_out_arena(conf, g) != 0 || lay_out_shares(conf, g) != 0)
		return -EINVAL;
	g->all_fills = g->fills * g->workers;
	g->groups = (uint32_t)groups;
	g->buckets = g->groups * CACHE_GROUP;
	g->index_bytes = (uint64_t)g->groups * GROUP_LINES * sizeof(struct bucket);
	g->ghost_lines = (uint32_t)(items / GHOST_WAYS) + 1;
	g->pin_limit =
		(uint32_t)((uint64_t)g->segs *
			   (conf->pinned_permille != 0 ? conf->pinned_permille : DEFAULT_PINNED) /
			   1000 / g->workers);
	if (g->pin_limit == 0)
		g->pin_limit = 1;
	lay_out_ctl(g);
	return 0;
}

int cache_plan(const struct cache_conf *conf, uint64_t bytes[CACHE_ZONES])
{
	struct geometry g;

	if (lay_out(conf, &g) != 0)
		return -EINVAL;
	bytes[CACHE_ZONE_CTL] = g.ctl_bytes;
	bytes[CACHE_ZONE_INDEX] = g.index_bytes;
	bytes[CACHE_ZONE_ARENA] = g.arena_bytes;
	return 0;
}

/* -- this process's view -- */

static void free_local(struct cache *c)
{
	for (uint32_t i = 0; i < c->geo.workers; i++) {
		free(c->worker[i].own_pins);
		free(c->worker[i].free_fill);
		free(c->worker[i].fill);
		free(c->worker[i].wait);
	}
	free(c);
}

static int open_worker(struct cache *c, uint32_t id)
{
	struct cache_worker *w = &c->worker[id];

	w->c = c;
	w->id = id;
	w->st = &c->wstate[id];
	w->own_pins = calloc(c->geo.segs, sizeof(*w->own_pins));
	w->free_fill = calloc(c->geo.fills, sizeof(*w->free_fill));
	w->fill = calloc(c->geo.fills, sizeof(*w->fill));
	w->wait = calloc(c->geo.all_fills, sizeof(*w->wait));
	if (w->own_pins == NULL || w->free_fill == NULL || w->fill == NULL || w->wait == NULL)
		return -ENOMEM;
	list_init(&w->leases);
	w->free_cnt = c->geo.fills;
	for (uint32_t i = 0; i < c->geo.fills; i++) {
		w->free_fill[i] = i;
		list_init(&w->fill[i].active);
	}
	for (uint32_t i = 0; i < c->geo.all_fills; i++)
		list_init(&w->wait[i].head);
	return 0;
}

static int open_local(struct cache **out, const struct geometry *g, void *const zone[CACHE_ZONES])
{
	size_t bytes = ROUND_UP(
		sizeof(struct cache) + g->workers * sizeof(struct cache_worker), CACHE_LINE);
	uint8_t *ctl = zone[CACHE_ZONE_CTL];
	struct cache *c = aligned_alloc(CACHE_LINE, bytes);

	if (c == NULL)
		return -ENOMEM;
	memset(c, 0, bytes);
	c->geo = *g;
	c->ctl = zone[CACHE_ZONE_CTL];
	c->index = zone[CACHE_ZONE_INDEX];
	c->arena = zone[CACHE_ZONE_ARENA];
	c->epoch = (void *)(ctl + g->at_epoch);
	c->wstate = (void *)(ctl + g->at_wstate);
	c->ns = (void *)(ctl + g->at_ns);
	c->seg = (void *)(ctl + g->at_seg);
	c->queues = ctl + g->at_queue;
	c->pin_inc = (void *)(ctl + g->at_pin);
	c->pin_dec = c->pin_inc + (size_t)g->workers * g->segs;
	c->fill = (void *)(ctl + g->at_fill);
	c->mail = ctl + g->at_mail;
	c->ghost = (void *)(ctl + g->at_ghost);
	for (uint32_t i = 0; i < g->workers; i++)
		if (open_worker(c, i) != 0) {
			free_local(c);
			return -ENOMEM;
		}
	*out = c;
	return 0;
}

int cache_create(struct cache **out, const struct cache_conf *conf, void *const zone[CACHE_ZONES])
{
	struct geometry g;
	struct cache *c;
	int rc = lay_out(conf, &g);

	if (rc == 0)
		rc = open_local(&c, &g, zone);
	if (rc != 0)
		return rc;
	rng_secret(g.hash_key, sizeof(g.hash_key));
	if (conf->hash_seed != 0) {
		struct rng rng;

		rng_seed(&rng, conf->hash_seed);
		for (size_t i = 0; i < ARRAY_SIZE(g.hash_key); i++)
			g.hash_key[i] = rng_next(&rng);
	}
	memset(zone[CACHE_ZONE_CTL], 0, g.ctl_bytes);
	memset(zone[CACHE_ZONE_INDEX], 0, g.index_bytes);
	c->geo = g;
	c->ctl->geo = g;
	c->ctl->layout = CACHE_LAYOUT;
	c->ctl->in_use = true;
	epoch_init(c->epoch, g.workers);
	for (uint32_t i = 0; i < QUEUE_OF(g.ns_cnt, 0, 0); i++)
		segq_init(queue_at(c, i), g.segs);
	for (uint32_t i = 0; i < g.segs; i++)
		segq_push(queue_at(c, QUEUE_FREE), i);
	seg_guard(c, true);
	atomic_store_explicit(&c->ctl->magic, CACHE_MAGIC, memory_order_release);
	*out = c;
	return 0;
}

/* Fetches that were under way ended with their process; what they left in the index counts as
 * absent. Pins, views and waiters are gone as well. */
static void end_fills(struct cache *c)
{
	const struct geometry *g = &c->geo;

	for (uint32_t i = 0; i < g->all_fills; i++) {
		uint64_t s = atomic_load_explicit(&c->fill[i].state, memory_order_relaxed);

		if ((s & 0xff) != FILL_IDLE && (s & 0xff) != FILL_DONE)
			atomic_store_explicit(&c->fill[i].state,
				(s & ~UINT64_C(0xff)) | FILL_FAILED, memory_order_relaxed);
		atomic_store_explicit(&c->fill[i].waiting, 0, memory_order_relaxed);
	}
	memset(c->mail, 0, g->workers * g->mail_bytes);
	memset(c->pin_inc, 0, 2 * sizeof(uint32_t) * g->workers * (size_t)g->segs);
	for (uint32_t i = 0; i < g->segs; i++)
		c->seg[i].held = false;
	atomic_store_explicit(&c->ctl->limbo_held, 0, memory_order_relaxed);
}

int cache_attach(struct cache **out, void *const zone[CACHE_ZONES])
{
	struct ctl *ctl = zone[CACHE_ZONE_CTL];
	int rc;

	if (atomic_load_explicit(&ctl->magic, memory_order_acquire) != CACHE_MAGIC ||
		ctl->layout != CACHE_LAYOUT)
		return -EINVAL;
	if (ctl->in_use)
		return -EBUSY;
	rc = open_local(out, &ctl->geo, zone);
	if (rc != 0)
		return rc;
	end_fills(*out);
	ctl->in_use = true;
	seg_guard(*out, true);
	return 0;
}

void cache_destroy(struct cache *c)
{
	for (uint32_t i = 0; i < c->geo.workers; i++)
		ASSERT(atomic_load_explicit(&c->epoch->worker[i].seen, memory_order_acquire) == 0);
	seg_guard(c, false);
	c->ctl->in_use = false;
	free_local(c);
}

/* -- workers -- */

struct cache_worker *cache_worker(struct cache *c, uint32_t id)
{
	ASSERT(id < c->geo.workers);
	return &c->worker[id];
}

void cache_online(struct cache_worker *w)
{
	epoch_online(w->c->epoch, w->id);
}

void cache_offline(struct cache_worker *w)
{
	epoch_offline(w->c->epoch, w->id);
}

void cache_quiescent(struct cache_worker *w)
{
	epoch_quiescent(w->c->epoch, w->id);
}

uint32_t cache_poll(struct cache_worker *w, uint64_t now_ns)
{
	uint32_t woken = lease_poll(w, now_ns);

	seg_pins_look(w, PINS_PER_POLL);
	seg_reap(w);
	evict_step(w, now_ns, EVICT_PER_POLL);
	cache_quiescent(w);
	return woken;
}

uint32_t cache_watch(struct cache *c, uint64_t now_ns, uint64_t limit_ns, uint32_t *first)
{
	uint64_t token = atomic_load_explicit(&c->epoch->token, memory_order_relaxed);
	uint32_t stuck = 0;

	for (uint32_t i = 0; i < c->geo.workers; i++) {
		uint64_t s = atomic_load_explicit(&c->epoch->worker[i].seen, memory_order_relaxed);

		if (s == 0 || s >= token || s != c->watch[i].token) {
			c->watch[i].token = s;
			c->watch[i].since_ns = now_ns;
		} else if (now_ns - c->watch[i].since_ns > limit_ns && stuck++ == 0) {
			*first = i;
		}
	}
	return stuck;
}

/* -- what it holds -- */

uint32_t cache_extent_bytes(const struct cache *c)
{
	return UINT32_C(1) << c->geo.extent_shift;
}

void cache_stats(const struct cache *c, struct cache_stats *out)
{
	memset(out, 0, sizeof(*out));
	for (uint32_t i = 0; i < c->geo.workers; i++) {
		const struct wstate *st = &c->wstate[i];

#define X(name, text) \
	out->name += atomic_load_explicit(&st->stat[STAT_##name], memory_order_relaxed);
		CACHE_STATS(X)
#undef X
	}
}

static void count_segments(const struct cache *c, struct cache_usage *out)
{
	for (uint32_t i = 0; i < c->geo.segs; i++)
		switch (atomic_load_explicit(&c->seg[i].state, memory_order_relaxed)) {
		case SEG_FREE:
			out->free++;
			break;
		case SEG_OPEN:
			out->open++;
			break;
		case SEG_SEALED:
			out->sealed++;
			break;
		case SEG_EVICTING:
			out->evicting++;
			break;
		default:
			out->limbo++;
		}
}

void cache_usage(const struct cache *c, struct cache_usage *out)
{
	memset(out, 0, sizeof(*out));
	out->segments = c->geo.segs;
	out->segment_bytes = UINT64_C(1) << c->geo.seg_shift;
	count_segments(c, out);
	for (uint32_t n = 0; n < c->geo.ns_cnt; n++) {
		for (uint32_t t = 0; t < TIERS; t++)
			out->ns_segments[n] +=
				atomic_load_explicit(&c->ns[n].segs[t], memory_order_relaxed);
		for (uint32_t i = 0; i < c->geo.workers; i++) {
			const struct ns_count *k = &c->wstate[i].ns[n];

			out->ns_items[n] += atomic_load_explicit(&k->items, memory_order_relaxed);
			out->ns_bytes[n] += atomic_load_explicit(&k->bytes, memory_order_relaxed);
		}
		out->items += out->ns_items[n];
		out->item_bytes += out->ns_bytes[n];
	}
	for (uint32_t i = 0; i < c->geo.workers; i++)
		out->pinned += atomic_load_explicit(&c->worker[i].pinned, memory_order_relaxed);
	for (uint64_t g = 0; g < c->geo.groups; g++)
		for (uint32_t i = 0; i < CACHE_GROUP_OVERFLOW; i++) {
			const struct bucket *ov = c->index + g * GROUP_LINES + CACHE_GROUP + i;

			out->overflow_buckets +=
				(atomic_load_explicit(&ov->hdr, memory_order_relaxed) & 3) == 1;
		}
}
