/* SPDX-License-Identifier: Apache-2.0
 * The arena: segments in which each worker bumps a pointer, and pins that hold a segment back.
 *
 * States of a segment (its queue decides; `state` is for counting):
 *   free      in the free queue
 *   open      one worker's; he alone allocates in it
 *   sealed    in the queue of its namespace, tier and TTL class
 *   evicting  one worker's, who takes its items out of the index
 *   limbo     in the limbo queue, with a token: nothing leads to it, but readers may be in it
 * free -> open by pop; open -> sealed by push; sealed -> evicting by pop; evicting -> limbo by
 * push; limbo -> free by pop and push, when the token has passed and no pin is left.
 *
 * AR1 a segment is in one queue or in one worker's hands, so CA3 holds.
 * AR2 a worker allocates one item at a time and publishes or wastes it before it allocates again;
 * so all items of a sealed segment are published or never will be (IX1 of the index needs it).
 *
 * Reclamation (CA4). Memory of a segment is reused after: (1) the evictor removed or replaced every
 * item of it in the index; (2) epoch_retire(), and its token passed: no worker has a view of it
 * from before (1), and none can get one after (AR2); (3) afterwards the pins are even. A pin is
 * made from a view or from another pin, so after (2) only who holds a pin can make one. The evictor
 * adds up all returned pins first and all made pins then: returned(t1) <= made(t1) <= made(t2), so
 * if the two sums are equal, none was out at t1, and none can appear any more. Whoever returns a
 * pin knows of its making, and the acquire of the return (P1) brings the making along.
 *
 * Bound on what pins hold back: a worker counts the segments in which it has pins of its own and
 * refuses beyond its part of the limit. A pin that came back at another worker is noticed when the
 * sums of its segment are even (seg_pins_look). */
#include <errno.h>

#include "cache/cache_pvt.h"

#if defined(CACHE_NO_GUARD) /* a test that takes memory back by copying it over */
#elif defined(__SANITIZE_ADDRESS__)
#define ARENA_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_ASAN 1
#endif
#endif
#ifdef ARENA_ASAN
#include <sanitizer/asan_interface.h>
#endif

#define REAP_MAX 4 /* segments of limbo looked at in one call */

/* Touching free memory is found by ASan, and in debug builds reads as rubbish. */
static void memory_close(const struct cache *c, uint32_t seg)
{
	uint8_t *p = c->arena + ((uint64_t)seg << c->geo.seg_shift);
	size_t n = (size_t)1 << c->geo.seg_shift;

#ifdef WEIR_DEBUG
	memset(p, 0xdb, n);
#endif
#ifdef ARENA_ASAN
	ASAN_POISON_MEMORY_REGION(p, n);
#endif
	(void)p;
	(void)n;
}

static void memory_open(const struct cache *c, uint32_t seg)
{
#ifdef ARENA_ASAN
	ASAN_UNPOISON_MEMORY_REGION(
		c->arena + ((uint64_t)seg << c->geo.seg_shift), (size_t)1 << c->geo.seg_shift);
#else
	(void)c;
	(void)seg;
#endif
}

void seg_guard(struct cache *c, bool on)
{
	for (uint32_t i = 0; i < c->geo.segs; i++) {
		memory_open(c, i);
		if (on && atomic_load_explicit(&c->seg[i].state, memory_order_relaxed) == SEG_FREE)
			memory_close(c, i);
	}
}

/* Log-scale classes of the time to live: below 9 s, 69 s, 9 min, 73 min, 20 h, longer or never; on
 * small arenas several of them share their segments. */
static uint32_t ttl_class(const struct cache *c, uint64_t expire_tick, uint64_t now_ns)
{
	static const uint8_t bits[TTL_CLASSES - 1] = {13, 16, 19, 22, 26};
	uint64_t now = tick_now(now_ns), ttl = expire_tick > now ? expire_tick - now : 0;
	uint32_t i = 0;

	while (i < TTL_CLASSES - 1 && ttl >> bits[i] != 0)
		i++;
	return i * c->geo.classes / TTL_CLASSES;
}

static void set_state(struct seg *s, enum seg_state state)
{
	atomic_store_explicit(&s->state, state, memory_order_relaxed);
}

void seg_seal(struct cache_worker *w, uint32_t seg)
{
	struct seg *s = &w->c->seg[seg];
	uint64_t order =
		atomic_fetch_add_explicit(&w->c->ns[s->ns].sealed, 1, memory_order_relaxed);

	atomic_store_explicit(&s->order, order, memory_order_relaxed);
	set_state(s, SEG_SEALED);
	segq_push(queue_at(w->c, QUEUE_OF(s->ns, s->tier, s->class)), seg); /* S1 */
}

bool seg_seal_open(struct cache_worker *w)
{
	bool any = false;

	for (uint32_t ns = 0; ns < w->c->geo.ns_cnt; ns++)
		for (uint32_t t = 0; t < TIERS; t++)
			for (uint32_t k = 0; k < w->c->geo.classes; k++) {
				uint32_t *open = &w->st->open[ns][t][k];

				if (*open == 0)
					continue;
				seg_seal(w, *open - 1);
				*open = 0;
				any = true;
			}
	return any;
}

static bool open_segment(
	struct cache_worker *w, uint8_t ns, enum seg_tier tier, uint32_t cls, bool keep)
{
	struct cache *c = w->c;
	struct segq *q = queue_at(c, QUEUE_FREE);
	struct seg *s;
	uint32_t seg;

	if (!keep && segq_count(q) <= c->geo.reserve)
		return false;
	seg = segq_pop(q);
	if (seg == SEGQ_NONE)
		return false;
	memory_open(c, seg);
	s = &c->seg[seg];
	s->ns = ns;
	s->tier = (uint8_t)tier;
	s->class = (uint8_t)cls;
	atomic_store_explicit(&s->used, 0, memory_order_relaxed);
	atomic_store_explicit(&s->max_expire, 0, memory_order_relaxed);
	set_state(s, SEG_OPEN);
	atomic_fetch_add_explicit(&c->ns[ns].segs[tier], 1, memory_order_relaxed);
	w->st->open[ns][tier][cls] = seg + 1;
	stat_add(w, STAT_segs_opened, 1);
	return true;
}

uint64_t seg_alloc(struct cache_worker *w, uint8_t ns, enum seg_tier tier, uint32_t bytes,
	uint64_t expire_tick, uint64_t now_ns, bool keep)
{
	struct cache *c = w->c;
	uint32_t cls = ttl_class(c, expire_tick, now_ns);
	uint32_t *open = &w->st->open[ns][tier][cls];
	struct seg *s = NULL;
	uint32_t used = 0;

	if (*open != 0) {
		s = &c->seg[*open - 1];
		used = atomic_load_explicit(&s->used, memory_order_relaxed);
		if (used + bytes > UINT32_C(1) << c->geo.seg_shift) {
			seg_seal(w, *open - 1);
			*open = 0;
		}
	}
	if (*open == 0) {
		if (!open_segment(w, ns, tier, cls, keep))
			return ITEM_NONE;
		s = &c->seg[*open - 1];
		used = 0;
	}
	atomic_store_explicit(&s->used, used + bytes, memory_order_relaxed);
	if (expire_tick > atomic_load_explicit(&s->max_expire, memory_order_relaxed))
		atomic_store_explicit(&s->max_expire, expire_tick, memory_order_relaxed);
	return ((uint64_t)(*open - 1) << c->geo.seg_shift) + used;
}

void seg_waste(struct cache_worker *w, uint64_t place)
{
	stat_add(w, STAT_dead_bytes, item_bytes(item_at(w->c, place)));
}

void seg_account(struct cache_worker *w, const struct item *it, int sign)
{
	struct ns_count *n = &w->st->ns[it->ns & ~ITEM_NS_EXTENT];
	uint64_t one = (uint64_t)(int64_t)sign, bytes = one * item_bytes(it);

	atomic_store_explicit(&n->items,
		atomic_load_explicit(&n->items, memory_order_relaxed) + one, memory_order_relaxed);
	atomic_store_explicit(&n->bytes,
		atomic_load_explicit(&n->bytes, memory_order_relaxed) + bytes,
		memory_order_relaxed);
}

void seg_retire(struct cache_worker *w, uint32_t seg)
{
	struct cache *c = w->c;
	struct seg *s = &c->seg[seg];

	atomic_fetch_sub_explicit(&c->ns[s->ns].segs[s->tier], 1, memory_order_relaxed);
	atomic_store_explicit(&s->token, epoch_retire(c->epoch), memory_order_relaxed);
	set_state(s, SEG_LIMBO);
	segq_push(queue_at(c, QUEUE_LIMBO), seg); /* S1 */
}

/* Returned pins first, then those made: the proof above needs this order. */
static bool pinned(struct cache *c, uint32_t seg)
{
	uint32_t made = 0, back = 0;

	for (uint32_t i = 0; i < c->geo.workers; i++) {
		CACHE_HOOK();
		back += atomic_load_explicit(
			&c->pin_dec[(size_t)i * c->geo.segs + seg], memory_order_acquire); /* P1 */
	}
	for (uint32_t i = 0; i < c->geo.workers; i++) {
		CACHE_HOOK();
		made += atomic_load_explicit(
			&c->pin_inc[(size_t)i * c->geo.segs + seg], memory_order_acquire);
	}
	return made != back;
}

static void set_held(struct cache *c, struct seg *s, bool held)
{
	if (s->held == held)
		return;
	s->held = held;
	if (held)
		atomic_fetch_add_explicit(&c->ctl->limbo_held, 1, memory_order_relaxed);
	else
		atomic_fetch_sub_explicit(&c->ctl->limbo_held, 1, memory_order_relaxed);
}

void seg_reap(struct cache_worker *w)
{
	struct cache *c = w->c;
	struct segq *limbo = queue_at(c, QUEUE_LIMBO);

	for (uint32_t i = 0; i < REAP_MAX; i++) {
		uint32_t seg = segq_peek(limbo);
		struct seg *s;

		if (seg == SEGQ_NONE ||
			!epoch_passed(c->epoch,
				atomic_load_explicit(&c->seg[seg].token, memory_order_relaxed)))
			return;
		seg = segq_pop(limbo); /* perhaps another one than we looked at */
		if (seg == SEGQ_NONE)
			return;
		s = &c->seg[seg];
		if (!epoch_passed(
			    c->epoch, atomic_load_explicit(&s->token, memory_order_relaxed))) {
			segq_push(limbo, seg);
			return;
		}
		if (pinned(c, seg)) {
			set_held(c, s, true);
			segq_push(limbo, seg);
			continue;
		}
		set_held(c, s, false);
		memory_close(c, seg);
		atomic_fetch_add_explicit(&s->gen, 1, memory_order_relaxed);
		set_state(s, SEG_FREE);
		segq_push(queue_at(c, QUEUE_FREE), seg); /* S1 */
		stat_add(w, STAT_segs_freed, 1);
	}
}

static uint32_t pinned_cnt(const struct cache_worker *w)
{
	return atomic_load_explicit(&w->pinned, memory_order_relaxed);
}

static void pinned_add(struct cache_worker *w, int n)
{
	atomic_store_explicit(&w->pinned, pinned_cnt(w) + (uint32_t)n, memory_order_relaxed);
}

void pin_segment(struct cache_worker *w, uint32_t seg, struct cache_pin *pin)
{
	_Atomic uint32_t *made = &w->c->pin_inc[(size_t)w->id * w->c->geo.segs + seg];

	CACHE_HOOK();
	atomic_store_explicit(made, atomic_load_explicit(made, memory_order_relaxed) + 1,
		memory_order_release); /* P1 */
	if (w->own_pins[seg]++ == 0)
		pinned_add(w, 1);
	pin->segment = seg;
	pin->worker = (uint16_t)w->id;
	stat_add(w, STAT_pins, 1);
}

int cache_pin(struct cache_worker *w, const struct cache_view *v, struct cache_pin *pin)
{
	uint32_t seg = (uint32_t)(v->item >> w->c->geo.seg_shift);

	if (unlikely(w->own_pins[seg] == 0 && pinned_cnt(w) >= w->c->geo.pin_limit)) {
		stat_add(w, STAT_pins_refused, 1);
		return -EBUSY;
	}
	pin_segment(w, seg, pin);
	return 0;
}

void cache_pin_dup(struct cache_worker *w, const struct cache_pin *pin, struct cache_pin *second)
{
	pin_segment(w, pin->segment, second);
}

void cache_unpin(struct cache_worker *w, const struct cache_pin *pin)
{
	_Atomic uint32_t *back = &w->c->pin_dec[(size_t)w->id * w->c->geo.segs + pin->segment];

	CACHE_HOOK();
	atomic_store_explicit(back, atomic_load_explicit(back, memory_order_relaxed) + 1,
		memory_order_release); /* P1 */
	if (pin->worker == w->id && w->own_pins[pin->segment] != 0 &&
		--w->own_pins[pin->segment] == 0)
		pinned_add(w, -1);
}

/* Pins of ours that others returned: forget them where no pin is out. */
void seg_pins_look(struct cache_worker *w, uint32_t budget)
{
	if (pinned_cnt(w) == 0)
		return;
	for (; budget > 0; budget--) {
		uint32_t seg = w->pin_cursor;

		w->pin_cursor = seg + 1 < w->c->geo.segs ? seg + 1 : 0;
		if (w->own_pins[seg] == 0 || pinned(w->c, seg))
			continue;
		w->own_pins[seg] = 0;
		pinned_add(w, -1);
	}
}
