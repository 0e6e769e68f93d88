/* SPDX-License-Identifier: Apache-2.0
 * Leases, streams and those who wait for them.
 *
 * A fill is one fetch under way; a worker owns a fixed number of them. Its state word is generation
 * << 8 | status, written by the owner, but for lease -> lost, which is anybody's CAS:
 *   idle          never used, or just between two generations
 *   lease         a placeholder in the index names it; its owner fetches
 *   lost          a lease beyond its deadline, or whose placeholder was replaced: nobody waits for
 *                 it, and if the placeholder is still there another miss may put its own there
 *   stream        an object's head names it; `filled` bytes may be read
 *   done, failed  over; the words stay readable until the fill is used again
 * lease or lost -> stream, done, failed; stream -> done, failed; then lease or stream of the next
 * generation. A name (STREAM_OF) has the generation, so an old one never means a later fill.
 *
 * CA5: cache_fill() replaces the placeholder by CAS of its slot, after it found a placeholder with
 * the lease's own seq there. Whoever set, deleted or took over the key replaced that word before;
 * its memory is not used again while the filler is inside the call, so the CAS cannot succeed by
 * chance. Eviction may move a living placeholder: then the CAS fails, and the search finds it at
 * its new place.
 *
 * Waiters. Lists are the worker's own. A worker that waits sets its bit in the fill's `waiting`;
 * who changes the fill takes the bits and drops the fill's number into the mailbox of each of these
 * workers; their cache_poll() runs all waiters of that number, which look again. No wake-up is
 * lost, since these are sequentially consistent:
 *   waiter: set bit in `waiting` (W1), then read state and `filled` (W2)
 *   filler: write state or `filled` (W2), then take `waiting` (W1)
 * Either the filler takes the bit, or the waiter sees the change and does not wait. The bit may
 * belong to an earlier generation: a wake-up too many is harmless.
 *
 * Linearization of the lease: the publish (or the CAS of an expired or lost word) of the
 * placeholder. Reclamation: fills are never freed. */
#include <errno.h>

#include "cache/cache_pvt.h"

static enum fill_status status_of(uint64_t state)
{
	return (enum fill_status)(state & 0xff);
}

static struct fill *fill_at(const struct cache *c, uint64_t stream)
{
	return &c->fill[STREAM_IDX(stream)];
}

/* -- mailboxes: a bit for each fill, and one for each word of such bits -- */

static _Atomic uint64_t *mail_words(const struct cache *c, uint32_t worker)
{
	return (_Atomic uint64_t *)(void *)(c->mail + worker * c->geo.mail_bytes);
}

static uint32_t mail_word_cnt(const struct cache *c)
{
	return (c->geo.all_fills + 63) / 64;
}

static void mail_drop(struct cache *c, uint32_t worker, uint32_t fill)
{
	_Atomic uint64_t *words = mail_words(c, worker);
	_Atomic uint64_t *sums = words + ROUND_UP(mail_word_cnt(c), 8);

	CACHE_HOOK();
	atomic_fetch_or_explicit(
		&words[fill / 64], UINT64_C(1) << fill % 64, memory_order_release); /* W3 */
	CACHE_HOOK();
	atomic_fetch_or_explicit(
		&sums[fill / 4096], UINT64_C(1) << fill / 64 % 64, memory_order_release);
}

void fill_notify(struct cache *c, uint64_t stream)
{
	struct fill *f = fill_at(c, stream);
	uint64_t who;

	CACHE_HOOK();
	for (who = atomic_exchange_explicit(&f->waiting, 0, memory_order_seq_cst); /* W1 */
		who != 0; who &= who - 1) {
		uint32_t worker = (uint32_t)__builtin_ctzll(who);

		mail_drop(c, worker, STREAM_IDX(stream));
		if (c->ring != NULL)
			c->ring(c->ring_ctx, worker);
	}
}

/* -- the owner's side ---------------------------------------------------------------------------
 */

static struct fill_local *local_of(struct cache_worker *w, uint64_t stream)
{
	uint32_t i = STREAM_IDX(stream) - w->id * w->c->geo.fills;

	ASSERT(i < w->c->geo.fills); /* another worker's fill */
	return &w->fill[i];
}

uint64_t fill_begin(struct cache_worker *w, enum fill_status status, uint64_t now_ns)
{
	struct cache *c = w->c;
	uint32_t own, idx;
	struct fill *f;
	uint64_t gen;

	if (w->free_cnt == 0)
		return 0;
	/* The one that was used longest ago: late readers of its result get the most time. */
	own = w->free_fill[w->free_head];
	w->free_head = w->free_head + 1 < c->geo.fills ? w->free_head + 1 : 0;
	w->free_cnt--;
	idx = w->id * c->geo.fills + own;
	f = &c->fill[idx];
	gen = ((atomic_load_explicit(&f->state, memory_order_relaxed) >> 8) + 1) & UINT32_MAX;
	atomic_store_explicit(&f->deadline_ns, now_ns + c->geo.lease_ns, memory_order_relaxed);
	/* The old name ends first: fill_read() that sees a word below sees this (X3). */
	atomic_store_explicit(&f->state, gen << 8 | FILL_IDLE, memory_order_relaxed);
	atomic_store_explicit(&f->filled, 0, memory_order_release);
	atomic_store_explicit(&f->total_len, CACHE_LEN_UNKNOWN, memory_order_release);

	CACHE_HOOK();
	atomic_store_explicit(&f->state, gen << 8 | status, memory_order_seq_cst); /* W2 */
	w->fill[own].stream = STREAM_OF(gen, idx);
	if (status == FILL_LEASE)
		list_append(&w->leases, &w->fill[own].active);
	return w->fill[own].stream;
}

void fill_end(struct cache_worker *w, uint64_t stream, enum fill_status status)
{
	struct fill_local *l = local_of(w, stream);
	struct fill *f = fill_at(w->c, stream);
	uint32_t tail = w->free_head + w->free_cnt;

	ASSERT(l->stream == stream);
	l->stream = 0;
	list_remove(&l->active);
	CACHE_HOOK();
	atomic_store_explicit(&f->state, (uint64_t)STREAM_GEN(stream) << 8 | status,
		memory_order_seq_cst); /* W2 */
	fill_notify(w->c, stream);
	if (tail >= w->c->geo.fills)
		tail -= w->c->geo.fills;
	w->free_fill[tail] = (uint32_t)(l - w->fill);
	w->free_cnt++;
}

void fill_to_stream(struct cache_worker *w, uint64_t stream)
{
	list_remove(&local_of(w, stream)->active);
	CACHE_HOOK();
	atomic_store_explicit(&fill_at(w->c, stream)->state,
		(uint64_t)STREAM_GEN(stream) << 8 | FILL_STREAM, memory_order_seq_cst); /* W2 */
	fill_notify(w->c, stream);
}

void fill_set_total(struct cache_worker *w, uint64_t stream, uint64_t total_len)
{
	atomic_store_explicit(
		&fill_at(w->c, stream)->total_len, total_len, memory_order_release); /* X3 */
}

void fill_progress(struct cache_worker *w, uint64_t stream, uint64_t filled)
{
	struct fill *f = fill_at(w->c, stream);

	CACHE_HOOK();
	atomic_store_explicit(&f->filled, filled, memory_order_seq_cst); /* W2, X1 */
	CACHE_HOOK();
	if (atomic_load_explicit(&f->waiting, memory_order_seq_cst) != 0) /* W1 */
		fill_notify(w->c, stream);
}

/* A word of a later generation is written after that generation's state, so the second look finds
 * it (X3). */
enum fill_status fill_read(
	const struct cache *c, uint64_t stream, uint64_t *filled, uint64_t *total_len)
{
	struct fill *f = fill_at(c, stream);
	uint64_t s = atomic_load_explicit(&f->state, memory_order_acquire);

	*filled = atomic_load_explicit(&f->filled, memory_order_acquire); /* X1 */
	*total_len = atomic_load_explicit(&f->total_len, memory_order_acquire);
	if (s >> 8 != STREAM_GEN(stream) ||
		atomic_load_explicit(&f->state, memory_order_acquire) >> 8 != s >> 8)
		return FILL_IDLE;
	return status_of(s);
}

/* Nobody is to wait for this lease any more. */
static void fill_lose(struct cache *c, uint64_t stream)
{
	uint64_t lease = (uint64_t)STREAM_GEN(stream) << 8 | FILL_LEASE;

	CACHE_HOOK();
	atomic_compare_exchange_strong_explicit(&fill_at(c, stream)->state, &lease,
		(uint64_t)STREAM_GEN(stream) << 8 | FILL_LOST, memory_order_seq_cst, /* W2 */
		memory_order_relaxed);
	fill_notify(c, stream);
}

/* A deadline read from a later generation is later: then the answer is no, and the lease is over
 * anyway. */
static bool fill_overdue(const struct cache *c, uint64_t stream, uint64_t now_ns)
{
	return atomic_load_explicit(&fill_at(c, stream)->deadline_ns, memory_order_relaxed) <=
	       now_ns;
}

static void end_overdue(struct cache_worker *w, uint64_t now_ns)
{
	while (!list_empty(&w->leases)) {
		struct fill_local *l = container_of(w->leases.next, struct fill_local, active);

		if (!fill_overdue(w->c, l->stream, now_ns))
			return;
		list_remove(&l->active);
		stat_add(w, STAT_lease_expired, 1);
		fill_lose(w->c, l->stream);
	}
}

bool fill_alive(const struct cache *c, uint64_t stream, bool streams)
{
	uint64_t s = atomic_load_explicit(&fill_at(c, stream)->state, memory_order_seq_cst);

	return s >> 8 == STREAM_GEN(stream) &&
	       (status_of(s) == FILL_LEASE || (streams && status_of(s) == FILL_STREAM));
}

void lease_replaced(struct cache_worker *w, const struct item *old)
{
	if (item_kind(old) == ITEM_PENDING)
		fill_lose(w->c, load64(item_val(old)));
}

/* -- the waiters' side --------------------------------------------------------------------------
 */

void cache_waiter_init(struct cache_waiter *waiter, void (*wake)(struct cache_waiter *, uint64_t))
{
	list_init(&waiter->node);
	waiter->wake = wake;
	waiter->stream = 0;
}

void cache_waiter_cancel(struct cache_worker *w, struct cache_waiter *waiter)
{
	if (list_empty(&waiter->node))
		return;
	list_remove(&waiter->node);
	w->wait[STREAM_IDX(waiter->stream)].cnt--;
	waiter->stream = 0;
}

/* May the stream's next bytes be what a waiter for more than offset bytes wants? */
static bool stream_short(const struct fill *f, uint64_t offset)
{
	CACHE_HOOK();
	return offset != FILL_UNTIL_OVER &&
	       atomic_load_explicit(&f->filled, memory_order_seq_cst) <= offset; /* W2 */
}

bool fill_wait(
	struct cache_worker *w, uint64_t stream, uint64_t offset, struct cache_waiter *waiter)
{
	struct fill *f = fill_at(w->c, stream);
	struct wait_list *l = &w->wait[STREAM_IDX(stream)];
	uint64_t s;

	ASSERT(list_empty(&waiter->node));
	if (l->cnt >= w->c->geo.waiters) {
		stat_add(w, STAT_waits_refused, 1);
		return false;
	}
	list_append(&l->head, &waiter->node);
	l->cnt++;
	waiter->stream = stream;
	CACHE_HOOK();
	atomic_fetch_or_explicit(&f->waiting, UINT64_C(1) << w->id, memory_order_seq_cst); /* W1 */
	CACHE_HOOK();
	s = atomic_load_explicit(&f->state, memory_order_seq_cst); /* W2 */
	if (s >> 8 == STREAM_GEN(stream) &&
		(status_of(s) == FILL_LEASE ||
			(status_of(s) == FILL_STREAM && stream_short(f, offset)))) {
		stat_add(w, STAT_waits, 1);
		return true;
	}
	cache_waiter_cancel(w, waiter);
	return false;
}

static uint32_t run_waiters(struct cache_worker *w, uint32_t fill, uint64_t now_ns)
{
	struct wait_list *l = &w->wait[fill];
	struct list_node due;
	uint32_t n = 0;

	list_init(&due);
	list_splice(&due, &l->head);
	/* A waiter that waits again is queued behind this round; one may cancel another. */
	while (!list_empty(&due)) {
		struct cache_waiter *waiter = container_of(due.next, struct cache_waiter, node);

		cache_waiter_cancel(w, waiter);
		waiter->wake(waiter, now_ns);
		n++;
	}
	return n;
}

void cache_on_mail(struct cache *c, void (*ring)(void *ctx, uint32_t worker), void *ctx)
{
	c->ring = ring;
	c->ring_ctx = ctx;
}

bool cache_mail_waiting(const struct cache_worker *w)
{
	uint32_t word_cnt = mail_word_cnt(w->c);
	_Atomic uint64_t *sums = mail_words(w->c, w->id) + ROUND_UP(word_cnt, 8);
	uint64_t any = 0;

	for (uint32_t i = 0; i < (word_cnt + 63) / 64; i++)
		any |= atomic_load_explicit(&sums[i], memory_order_acquire);
	return any != 0;
}

uint32_t lease_poll(struct cache_worker *w, uint64_t now_ns)
{
	_Atomic uint64_t *words = mail_words(w->c, w->id);
	uint32_t word_cnt = mail_word_cnt(w->c), n = 0;
	_Atomic uint64_t *sums = words + ROUND_UP(word_cnt, 8);

	end_overdue(w, now_ns);
	for (uint32_t i = 0; i < (word_cnt + 63) / 64; i++) {
		uint64_t sum;

		CACHE_HOOK();
		if (atomic_load_explicit(&sums[i], memory_order_relaxed) == 0)
			continue;
		for (sum = atomic_exchange_explicit(&sums[i], 0, memory_order_acquire); sum != 0;
			sum &= sum - 1) {
			uint32_t k = i * 64 + (uint32_t)__builtin_ctzll(sum);
			uint64_t bits;

			CACHE_HOOK();
			for (bits = atomic_exchange_explicit(
				     &words[k], 0, memory_order_acquire); /* W3 */
				bits != 0; bits &= bits - 1)
				n += run_waiters(
					w, k * 64 + (uint32_t)__builtin_ctzll(bits), now_ns);
		}
	}
	if (n > 0)
		stat_add(w, STAT_wakes, n);
	return n;
}

/* -- lookup with a lease --------------------------------------------------------------------------
 */

/* Put a placeholder of a fresh lease where p says. 0, -EAGAIN (look again), -ENOSPC (no lease). */
static int take_lease(struct cache_worker *w, const struct cache_key *k, struct place *p,
	struct item *old, uint64_t now_ns, struct cache_lease *lease)
{
	uint64_t stream = fill_begin(w, FILL_LEASE, now_ns), at;
	struct item_spec spec = {.val = &stream,
		.val_len = sizeof(stream),
		.seq = seq_draw(w, old != NULL ? old->seq : 0),
		.expire_tick = TICK_NEVER,
		.kind = ITEM_PENDING};
	struct item *it;
	int rc;

	if (stream == 0) {
		stat_add(w, STAT_lease_full, 1);
		return -ENOSPC;
	}
	at = item_write(w, k, &spec, NULL, now_ns);
	if (at == ITEM_NONE) {
		fill_end(w, stream, FILL_FAILED);
		return -ENOSPC;
	}
	if (old != NULL)
		rc = index_replace(p, WORD_OF(k->hash, at)) ? 0 : -EAGAIN;
	else
		rc = index_insert(w, p, WORD_OF(k->hash, at), now_ns);
	if (rc != 0) {
		seg_waste(w, at);
		fill_end(w, stream, FILL_FAILED);
		return rc == -EBUSY ? -ENOSPC : rc;
	}
	it = item_at(w->c, at);
	seg_account(w, it, 1);
	if (old != NULL) {
		seg_account(w, old, -1);
		lease_replaced(w, old);
	}
	lease->seq = it->seq;
	lease->stream = stream;
	stat_add(w, STAT_leases, 1);
	return 0;
}

enum cache_found cache_lookup(struct cache_worker *w, const struct cache_key *k, uint64_t now_ns,
	struct cache_view *v, struct cache_lease *lease, struct cache_waiter *waiter)
{
	for (;;) {
		struct item *old = NULL;
		struct place p;
		int rc;

		if (index_find(w->c, k, &p)) {
			uint64_t stream;

			old = item_at(w->c, word_place(p.word));
			if (!tick_over(item_expire(old), now_ns) &&
				item_kind(old) != ITEM_PENDING) {
				item_touch_freq(old);
				view_fill(w->c, old, v);
				stat_add(w, STAT_hits, 1);
				return (enum cache_found)v->found;
			}
			if (item_kind(old) == ITEM_PENDING) {
				stream = load64(item_val(old));
				v->found = CACHE_PENDING;
				/* The owner may sleep, or be stuck. */
				if (fill_overdue(w->c, stream, now_ns))
					fill_lose(w->c, stream);

				if (fill_alive(w->c, stream, false)) {
					if (waiter != NULL &&
						fill_wait(w, stream, FILL_UNTIL_OVER, waiter)) {
						stat_add(w, STAT_pending, 1);
						return CACHE_WAITING;
					}
					if (waiter == NULL) {
						stat_add(w, STAT_pending, 1);
						return CACHE_PENDING;
					}
					if (w->wait[STREAM_IDX(stream)].cnt >= w->c->geo.waiters)
						break;
					stat_add(w, STAT_retries, 1);
					continue; /* it ended meanwhile */
				}
			}
		}
		rc = take_lease(w, k, &p, old, now_ns, lease);
		if (rc == 0) {
			stat_add(w, STAT_misses, 1);
			v->found = CACHE_LEASED;
			return CACHE_LEASED;
		}
		if (rc == -ENOSPC)
			break;
		stat_add(w, STAT_retries, 1);
	}
	stat_add(w, STAT_misses, 1);
	v->found = CACHE_MISS;
	return CACHE_MISS;
}

/* -- ending a lease -- */

/* The caller's own placeholder or head, wherever eviction moved it. */
static bool find_own(struct cache_worker *w, const struct cache_key *k, enum item_kind kind,
	uint64_t seq, struct place *p)
{
	struct item *it;

	if (!index_find(w->c, k, p))
		return false;
	it = item_at(w->c, word_place(p->word));
	return item_kind(it) == kind && it->seq == seq;
}

int own_replace(struct cache_worker *w, const struct cache_key *k, enum item_kind kind,
	uint64_t seq, const struct item_spec *spec, uint64_t now_ns)
{
	struct item *old = NULL;
	uint64_t at = ITEM_NONE;
	struct place p;
	int rc = 0;

	if (item_bytes_of(k->len, (uint64_t)spec->head_len + spec->val_len) > item_max(w->c))
		rc = -EFBIG;
	while (rc == 0) {
		if (!find_own(w, k, kind, seq, &p)) {
			rc = -ESTALE;
			break;
		}
		old = item_at(w->c, word_place(p.word));
		if (at == ITEM_NONE)
			at = item_write(w, k, spec, kind == ITEM_HEAD ? old : NULL, now_ns);
		if (at == ITEM_NONE)
			rc = -EAGAIN;
		else if (index_replace(&p, WORD_OF(k->hash, at)))
			break;
	}
	if (rc == 0) {
		seg_account(w, item_at(w->c, at), 1);
		seg_account(w, old, -1);
		return 0;
	}
	if (at != ITEM_NONE)
		seg_waste(w, at);
	if (rc == -ESTALE)
		stat_add(w, STAT_fills_stale, 1);
	else
		own_remove(w, k, kind, seq);
	return rc;
}

void own_remove(
	struct cache_worker *w, const struct cache_key *k, enum item_kind kind, uint64_t seq)
{
	struct place p;

	while (find_own(w, k, kind, seq, &p)) {
		struct item *it = item_at(w->c, word_place(p.word));

		if (index_remove(w, &p)) {
			seg_account(w, it, -1);
			return;
		}
	}
}

int cache_fill(struct cache_worker *w, const struct cache_key *k, struct cache_lease *lease,
	const struct cache_put *p, uint64_t now_ns)
{
	struct item_spec spec = {.val = p->val,
		.val_len = p->len,
		.seq = p->seq != 0 ? p->seq : lease->seq,
		.expire_tick = tick_expire(p->expire_ns),
		.user = p->user,
		.kind = ITEM_VALUE};
	int rc = own_replace(w, k, ITEM_PENDING, lease->seq, &spec, now_ns);

	if (rc == 0) {
		if (p->seq_out != NULL)
			*p->seq_out = spec.seq;
		stat_add(w, STAT_fills, 1);
	}
	fill_end(w, lease->stream, rc == 0 ? FILL_DONE : FILL_FAILED);
	lease->stream = 0;
	return rc;
}

void cache_lease_abort(struct cache_worker *w, const struct cache_key *k, struct cache_lease *lease,
	uint64_t now_ns)
{
	(void)now_ns;
	own_remove(w, k, ITEM_PENDING, lease->seq);
	fill_end(w, lease->stream, FILL_FAILED);
	lease->stream = 0;
}
