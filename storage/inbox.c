/* SPDX-License-Identifier: Apache-2.0
 * A thread's requests: one ring for each client, emptied into three lists by priority, so that a
 * high request overtakes low ones that came before it. The lists hold descriptors that are in
 * flight anyway, so they need no bound of their own. */
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "dataplane/base/assert.h"
#include "dataplane/base/time.h"
#include "storage/shard_pvt.h"

#define RING_BURST 64
#define SPINS      64 /* a few microseconds: shorter than a sleep and a wake-up */
#define LOW_TURN   8  /* each eighth pick is the lowest class that waits, so that none starves */

static void list_reset(struct req_list *l)
{
	l->head = NULL;
	l->tail = &l->head;
}

int inbox_init(struct shard_thread *t, uint32_t client_cnt, uint32_t ring_len)
{
	for (uint32_t p = 0; p < STORE_PRIO_CNT; p++)
		list_reset(&t->waiting[p]);
	t->in = calloc(client_cnt, sizeof(t->in[0]));
	t->out = calloc(client_cnt, sizeof(t->out[0]));
	if (t->in == NULL || t->out == NULL)
		return -ENOMEM;
	for (uint32_t c = 0; c < client_cnt; c++) {
		t->in[c] = spsc_create(ring_len);
		t->out[c] = spsc_create(ring_len);
		if (t->in[c] == NULL || t->out[c] == NULL)
			return -ENOMEM;
	}
	return 0;
}

void inbox_fini(struct shard_thread *t, uint32_t client_cnt)
{
	for (uint32_t c = 0; t->in != NULL && t->out != NULL && c < client_cnt; c++) {
		spsc_destroy(t->in[c]);
		spsc_destroy(t->out[c]);
	}
	free(t->in);
	free(t->out);
	t->in = t->out = NULL;
}

static void fill(struct shard_thread *t)
{
	struct store_req *reqs[RING_BURST];

	for (uint32_t c = 0; c < t->shard->store->p.client_cnt; c++) {
		uint32_t n;

		while ((n = spsc_pop(t->in[c], (void **)reqs, RING_BURST)) > 0) {
			/* They were written on another core. */
			for (uint32_t i = 0; i < n; i++) {
				__builtin_prefetch(reqs[i]);
				__builtin_prefetch(&reqs[i]->next_, 1);
				__builtin_prefetch(&reqs[i]->one, 1);
				__builtin_prefetch((uint8_t *)&reqs[i]->one + CACHE_LINE, 1);
			}
			for (uint32_t i = 0; i < n; i++) {
				struct req_list *l = &t->waiting[reqs[i]->prio];

				reqs[i]->next_ = NULL;
				*l->tail = reqs[i];
				l->tail = &reqs[i]->next_;
			}
			t->waiting_cnt += n;
		}
	}
}

static struct req_list *pick(struct shard_thread *t)
{
	if (t->turn++ % LOW_TURN == LOW_TURN - 1)
		for (uint32_t p = STORE_PRIO_CNT; p-- > 0;)
			if (t->waiting[p].head != NULL)
				return &t->waiting[p];
	for (uint32_t p = 0; p < STORE_PRIO_CNT; p++)
		if (t->waiting[p].head != NULL)
			return &t->waiting[p];
	return NULL;
}

static struct store_req *unlink_head(struct shard_thread *t, struct req_list *l)
{
	struct store_req *r = l->head;

	l->head = r->next_;
	if (l->head == NULL)
		l->tail = &l->head;
	t->waiting_cnt--;
	return r;
}

uint32_t inbox_take(struct shard_thread *t, struct store_req **out, uint32_t max_reqs,
	uint32_t max_items, uint64_t max_bytes)
{
	uint64_t now_ns = clock_now_ns(), bytes = 0;
	uint32_t n = 0, items = 0;

	fill(t);
	while (n < max_reqs && t->waiting_cnt > 0) {
		struct req_list *l = pick(t);
		struct store_req *r = l->head;

		if (n > 0 && (items + r->item_cnt > max_items || bytes + r->bytes_ > max_bytes))
			break;
		r = unlink_head(t, l);
		if (r->deadline_ns != 0 && now_ns > r->deadline_ns) {
			r->status = -ETIMEDOUT;
			count_add(&t->c.late, 1);
			inbox_answer(t, r);
			continue;
		}
		if (now_ns > r->queued_ns_)
			count_add(&t->c.wait_ns, now_ns - r->queued_ns_);
		items += r->item_cnt;
		bytes += r->bytes_;
		out[n++] = r;
	}
	return n;
}

void inbox_answer(struct shard_thread *t, struct store_req *r)
{
	uint32_t client = r->client_;
	void *p = r;

	t->answered[client / 64] |= UINT64_C(1) << client % 64;
	ASSERT(spsc_push(t->out[client], &p, 1) == 1); /* SH3 */
}

void inbox_wake_clients(struct shard_thread *t)
{
	struct store *s = t->shard->store;

	for (uint32_t i = 0; i < ARRAY_SIZE(t->answered); i++)
		while (t->answered[i] != 0) {
			uint32_t c = i * 64 + (uint32_t)__builtin_ctzll(t->answered[i]);

			t->answered[i] &= t->answered[i] - 1;
			if (s->clients[c]->on_answer != NULL)
				s->clients[c]->on_answer(s->clients[c]->on_answer_ctx);
		}
}

static bool rings_empty(const struct shard_thread *t)
{
	for (uint32_t c = 0; c < t->shard->store->p.client_cnt; c++)
		if (spsc_count(t->in[c]) > 0)
			return false;
	return true;
}

void inbox_wait(struct shard_thread *t, uint64_t max_ns)
{
	struct timespec ts = {
		.tv_sec = (time_t)(max_ns / NS_PER_SEC), .tv_nsec = (long)(max_ns % NS_PER_SEC)};

	for (uint32_t i = 0; i < SPINS; i++) {
		if (!rings_empty(t))
			return;
		__builtin_ia32_pause();
	}
	atomic_store_explicit(&t->sleeping, 1, memory_order_relaxed);
	atomic_thread_fence(memory_order_seq_cst); /* S1 */
	if (rings_empty(t) && !atomic_load_explicit(&t->shard->store->stop, memory_order_acquire)) {
		count_add(&t->c.sleeps, 1);
		(void)syscall(SYS_futex, &t->sleeping, FUTEX_WAIT_PRIVATE, 1, &ts, NULL, 0);
	}
	atomic_store_explicit(&t->sleeping, 0, memory_order_relaxed);
}

void inbox_ring(struct shard_thread *t)
{
	/* Who clears the flag rings: a thread is woken once for each sleep. */
	if (atomic_load_explicit(&t->sleeping, memory_order_relaxed) != 0 &&
		atomic_exchange_explicit(&t->sleeping, 0, memory_order_relaxed) != 0)
		(void)syscall(SYS_futex, &t->sleeping, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}
