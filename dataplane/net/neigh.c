/* SPDX-License-Identifier: Apache-2.0
 * neigh - the table: states, timers, held packets, eviction.
 *
 *            +------- no answer to NEIGH_TRIES ------> FAILED --NEIGH_FAILED_NS--> (free)
 *            |
 *  send --> INCOMPLETE --answer--> REACHABLE --use after its time--> DELAY --5 s--> PROBE
 *            ^                ^                                        |              |
 *            |                +------------- answer, confirmation -----+--------------+
 *            +------------------------------------- no answer to NEIGH_TRIES ---------+
 *
 * What is learned without having asked makes an entry STALE; its next use starts DELAY. In
 * INCOMPLETE requests go to the group, in PROBE to the known MAC. REACHABLE turns STALE only when
 * somebody looks: fresh_until_ns has passed and the caller comes to the slow function. */
#include "dataplane/net/neigh_pvt.h"

#include <errno.h>
#include <stdlib.h>

#include "dataplane/base/assert.h"
#include "dataplane/base/limits.h"
#include "dataplane/base/time.h"

#define WHEEL_TICK_NS (10 * NS_PER_MS)
#define LATE_NS       (20 * NS_PER_MS) /* a request over the rate is tried again after it */
#define CLOCK_STEPS   64               /* entries the eviction clock looks at, at most */

static struct neigh_entry *entry_at(const struct neigh_table *t, uint32_t idx)
{
	return pool_at(&t->entries, idx);
}

static uint32_t entry_idx(const struct neigh_table *t, const struct neigh_entry *e)
{
	return (uint32_t)((size_t)((const uint8_t *)e - t->entries.mem) / sizeof(*e));
}

static struct neigh_hot *hot_of(const struct neigh_table *t, const struct neigh_entry *e)
{
	return &t->pub.hot[entry_idx(t, e)];
}

static bool is_resolved(enum neigh_state s)
{
	return s >= NEIGH_REACHABLE;
}

/* --- hash index ------------------------------------------------------------------------------ */

static uint32_t addr_slot(const struct neigh_table *t, uint16_t port, const struct ip_addr *a)
{
	return (uint32_t)mix_hash5(&t->key, a->d[0], a->d[1], port, 0, 0) & t->slot_mask;
}

uint32_t neigh_find(const struct neigh_table *t, uint16_t port, const struct ip_addr *a)
{
	for (uint32_t i = addr_slot(t, port, a); t->slots[i] != POOL_NONE;
		i = (i + 1) & t->slot_mask) {
		const struct neigh_entry *e = entry_at(t, t->slots[i]);

		if (e->port == port && ip_addr_eq(&e->addr, a))
			return t->slots[i];
	}
	return POOL_NONE;
}

static void slot_insert(struct neigh_table *t, uint32_t idx)
{
	const struct neigh_entry *e = entry_at(t, idx);
	uint32_t i = addr_slot(t, e->port, &e->addr);

	while (t->slots[i] != POOL_NONE)
		i = (i + 1) & t->slot_mask;
	t->slots[i] = idx;
}

/* Remove and close the gap: what follows moves up unless that would put it before its own slot. */
static void slot_remove(struct neigh_table *t, uint32_t idx)
{
	const struct neigh_entry *e = entry_at(t, idx);
	uint32_t i = addr_slot(t, e->port, &e->addr), j;

	while (t->slots[i] != idx)
		i = (i + 1) & t->slot_mask;
	for (j = (i + 1) & t->slot_mask; t->slots[j] != POOL_NONE; j = (j + 1) & t->slot_mask) {
		const struct neigh_entry *f = entry_at(t, t->slots[j]);
		uint32_t home = addr_slot(t, f->port, &f->addr);

		if (((j - home) & t->slot_mask) >= ((j - i) & t->slot_mask)) {
			t->slots[i] = t->slots[j];
			i = j;
		}
	}
	t->slots[i] = POOL_NONE;
}

/* --- held packets ---------------------------------------------------------------------------- */

static struct rte_mbuf *queue_pop(struct neigh_table *t, struct neigh_entry *e)
{
	uint32_t node = e->q_head;
	struct neigh_held *h = pool_at(&t->held, node);
	struct rte_mbuf *m = h->m;

	e->q_head = h->next;
	if (e->q_head == POOL_NONE)
		e->q_tail = POOL_NONE;
	e->q_len--;
	pool_put(&t->held, node);
	t->conf.ledger->held--;
	return m;
}

static void end_packet(struct neigh_table *t, struct rte_mbuf *m, enum reason r)
{
	t->conf.ledger->ended[r]++;
	rte_pktmbuf_free(m);
}

static void queue_drop(struct neigh_table *t, struct neigh_entry *e, enum reason r)
{
	while (e->q_len > 0)
		end_packet(t, queue_pop(t, e), r);
}

static void queue_push(struct neigh_table *t, struct neigh_entry *e, struct rte_mbuf *m)
{
	struct neigh_held *h;
	uint32_t node;

	if (e->q_len == LIMIT_NEIGH_QUEUE)
		end_packet(t, queue_pop(t, e), REASON_NEIGH_QUEUE_FULL);
	node = pool_get(&t->held);
	if (node == POOL_NONE) {
		end_packet(t, m, REASON_NEIGH_QUEUE_FULL);
		return;
	}
	h = pool_at(&t->held, node);
	*h = (struct neigh_held){m, POOL_NONE};
	if (e->q_tail == POOL_NONE)
		e->q_head = node;
	else
		((struct neigh_held *)pool_at(&t->held, e->q_tail))->next = node;
	e->q_tail = node;
	e->q_len++;
	t->conf.ledger->held++;
}

/* All at once and in order: whoever waits waits for all of them. */
static void queue_release(struct neigh_table *t, struct neigh_entry *e)
{
	const struct neigh_hot *h = hot_of(t, e);

	while (e->q_len > 0) {
		struct rte_mbuf *m = queue_pop(t, e);

		memcpy(rte_pktmbuf_mtod(m, uint8_t *), h->mac, 6);
		net_emit(&t->conf.emit, e->port, m);
	}
}

/* --- states ---------------------------------------------------------------------------------- */

static uint64_t jittered_reachable(struct neigh_table *t)
{
	return NEIGH_REACHABLE_NS / 2 + rng_below(&t->rng, NEIGH_REACHABLE_NS);
}

/* Sets the state, the list that goes with it, and the timer: each state has at most one. */
static void enter(struct neigh_table *t, struct neigh_entry *e, enum neigh_state s, uint64_t now_ns)
{
	struct neigh_hot *h = hot_of(t, e);
	uint64_t timer_ns = 0;
	bool was = is_resolved(h->state), is = is_resolved(s), linked = !list_empty(&e->order);

	h->fresh_until_ns = 0;
	switch (s) {
	case NEIGH_FREE:
	case NEIGH_STALE:
		break;
	case NEIGH_INCOMPLETE:
		e->tries = 0;
		timer_ns = now_ns; /* the first request is sent by the caller */
		break;
	case NEIGH_FAILED:
		timer_ns = now_ns + NEIGH_FAILED_NS;
		break;
	case NEIGH_REACHABLE:
		e->since_ns = now_ns;
		h->fresh_until_ns = now_ns + jittered_reachable(t);
		break;
	case NEIGH_DELAY:
		timer_ns = h->fresh_until_ns = now_ns + NEIGH_DELAY_NS;
		break;
	case NEIGH_PROBE:
		e->tries = 0;
		h->fresh_until_ns = now_ns + (NEIGH_TRIES + 1) * NEIGH_RETRANS_NS;
		break;
	}
	h->state = (uint8_t)s;
	wheel_cancel(&t->wheel, &e->timer);
	if (timer_ns)
		wheel_arm(&t->wheel, &e->timer, timer_ns);
	if (linked && was == is)
		return;
	if (linked)
		t->unresolved_cnt -= !was;
	list_remove(&e->order);
	if (s == NEIGH_FREE)
		return;
	list_append(is ? &t->resolved : &t->unresolved, &e->order);
	if (!is) {
		t->unresolved_cnt++;
		e->since_ns = now_ns;
	}
}

static void entry_free(struct neigh_table *t, struct neigh_entry *e, enum reason r)
{
	struct neigh_hot *h = hot_of(t, e);
	uint32_t idx = entry_idx(t, e);

	queue_drop(t, e, r);
	slot_remove(t, idx);
	t->unresolved_cnt -= !is_resolved(h->state);
	list_remove(&e->order);
	wheel_cancel(&t->wheel, &e->timer);
	h->state = NEIGH_FREE;
	h->fresh_until_ns = 0;
	if (++h->gen == 0) /* 0 is what an unset reference has */
		h->gen = 1;
	pool_put(&t->entries, idx);
}

/* GCRA (a token bucket kept as one time): may a request go out now? */
static bool request_allowed(struct neigh_table *t, uint64_t now_ns)
{
	const uint64_t gap = NS_PER_SEC / NEIGH_REQUEST_RATE;
	uint64_t tat = t->request_tat_ns > now_ns ? t->request_tat_ns : now_ns;

	if (tat - now_ns > gap * NEIGH_REQUEST_BURST)
		return false;
	t->request_tat_ns = tat + gap;
	return true;
}

/* Ask once more, or soon if the rate is used up. */
static void ask(struct neigh_table *t, struct neigh_entry *e, uint64_t now_ns)
{
	const struct neigh_hot *h = hot_of(t, e);

	if (!request_allowed(t, now_ns)) {
		t->stats.late_requests++;
		wheel_arm(&t->wheel, &e->timer, now_ns + LATE_NS);
		return;
	}
	e->tries++;
	wheel_arm(&t->wheel, &e->timer, now_ns + NEIGH_RETRANS_NS);
	neigh_ask(t, e->port, &e->addr, h->state == NEIGH_PROBE ? h->mac : NULL);
}

static void timer_due(struct neigh_table *t, struct neigh_entry *e, uint64_t now_ns)
{
	switch ((enum neigh_state)hot_of(t, e)->state) {
	case NEIGH_INCOMPLETE:
		if (e->tries < NEIGH_TRIES) {
			ask(t, e, now_ns);
			break;
		}
		queue_drop(t, e, REASON_NEIGH_TIMEOUT);
		t->stats.failed++;
		enter(t, e, NEIGH_FAILED, now_ns);
		break;
	case NEIGH_DELAY:
		enter(t, e, NEIGH_PROBE, now_ns);
		ask(t, e, now_ns);
		break;
	case NEIGH_PROBE:
		if (e->tries == NEIGH_TRIES)
			enter(t, e, NEIGH_INCOMPLETE, now_ns);
		ask(t, e, now_ns);
		break;
	case NEIGH_FAILED:
		entry_free(t, e, REASON_NEIGH_TIMEOUT);
		break;
	default:
		break;
	}
}

/* A use of a resolved entry that is not fresh. */
static void touch(struct neigh_table *t, struct neigh_entry *e, uint64_t now_ns)
{
	struct neigh_hot *h = hot_of(t, e);

	h->used = 1;
	if (h->fresh_until_ns > now_ns)
		return;
	if (h->state == NEIGH_REACHABLE || h->state == NEIGH_STALE)
		enter(t, e, NEIGH_DELAY, now_ns);
}

void neigh_learn(
	struct neigh_table *t, uint32_t idx, const struct neigh_news *news, uint64_t now_ns)
{
	struct neigh_entry *e = entry_at(t, idx);
	struct neigh_hot *h = hot_of(t, e);
	bool differs = news->mac && memcmp(news->mac, h->mac, 6) != 0;

	if (!is_resolved(h->state)) {
		if (!news->mac)
			return; /* RFC 4861 7.2.5 */
		memcpy(h->mac, news->mac, 6);
		enter(t, e, news->solicited ? NEIGH_REACHABLE : NEIGH_STALE, now_ns);
		if (!news->solicited)
			e->since_ns = now_ns;
		queue_release(t, e);
		return;
	}
	if (differs && news->locked_out && now_ns - e->since_ns < NEIGH_LOCK_NS)
		return;
	if (differs && !news->override) {
		if (h->state == NEIGH_REACHABLE)
			enter(t, e, NEIGH_STALE, now_ns);
		return;
	}
	if (differs) {
		memcpy(h->mac, news->mac, 6);
		e->since_ns = now_ns;
	}
	if (news->solicited)
		enter(t, e, NEIGH_REACHABLE, now_ns);
	else if (differs)
		enter(t, e, NEIGH_STALE, now_ns);
}

void neigh_confirm(struct neigh *n, struct neigh_ref ref, uint64_t now_ns)
{
	struct neigh_table *t = neigh_table_of(n);
	struct neigh_hot *h = &n->hot[ref.idx];

	if (h->gen == ref.gen && is_resolved(h->state))
		enter(t, entry_at(t, ref.idx), NEIGH_REACHABLE, now_ns);
}

/* --- room ------------------------------------------------------------------------------------ */

/* Second chance over the resolved ones, the longest unused first; gives up being fair after
 * CLOCK_STEPS. */
static void evict_resolved(struct neigh_table *t)
{
	struct neigh_entry *e = NULL;

	for (int i = 0; i < CLOCK_STEPS && !list_empty(&t->resolved); i++) {
		e = container_of(t->resolved.next, struct neigh_entry, order);
		if (!hot_of(t, e)->used)
			break;
		hot_of(t, e)->used = 0;
		list_remove(&e->order);
		list_append(&t->resolved, &e->order);
		e = container_of(t->resolved.next, struct neigh_entry, order);
	}
	if (e) {
		t->stats.evicted++;
		entry_free(t, e, REASON_NEIGH_TABLE_FULL);
	}
}

/* The oldest unresolved one makes room if it has had its chance. */
static bool evict_unresolved(struct neigh_table *t, uint64_t now_ns)
{
	struct neigh_entry *e = container_of(t->unresolved.next, struct neigh_entry, order);

	if (hot_of(t, e)->state != NEIGH_FAILED && now_ns - e->since_ns < NEIGH_RETRANS_NS)
		return false;
	t->stats.evicted++;
	entry_free(t, e, REASON_NEIGH_TABLE_FULL);
	return true;
}

/* A new entry, being asked for; NULL when there is no room. */
static struct neigh_entry *entry_create(
	struct neigh_table *t, uint16_t port, const struct ip_addr *a, uint64_t now_ns)
{
	struct neigh_entry *e;
	uint32_t idx;

	if (t->unresolved_cnt >= t->conf.capacity / 4 && !evict_unresolved(t, now_ns))
		return NULL;
	if (t->entries.used == t->entries.capacity)
		evict_resolved(t);
	idx = pool_get(&t->entries);
	if (idx == POOL_NONE)
		return NULL;
	e = entry_at(t, idx);
	*e = (struct neigh_entry){
		.addr = *a, .port = port, .q_head = POOL_NONE, .q_tail = POOL_NONE};
	wheel_timer_init(&e->timer);
	list_init(&e->order);
	hot_of(t, e)->state = NEIGH_FREE;
	hot_of(t, e)->used = 0;
	slot_insert(t, idx);
	enter(t, e, NEIGH_INCOMPLETE, now_ns);
	ask(t, e, now_ns);
	return e;
}

/* --- the public side --------------------------------------------------------------------------*/

/* The entry of a next hop, created if need be; NULL when the table is full. */
static struct neigh_entry *entry_for(struct neigh_table *t, uint16_t port,
	const struct ip_addr *hop, struct neigh_ref *ref, uint64_t now_ns)
{
	uint32_t idx = neigh_find(t, port, hop);
	struct neigh_entry *e =
		idx != POOL_NONE ? entry_at(t, idx) : entry_create(t, port, hop, now_ns);

	if (e) {
		idx = entry_idx(t, e);
		*ref = (struct neigh_ref){idx, t->pub.hot[idx].gen};
		if (is_resolved(t->pub.hot[idx].state))
			touch(t, e, now_ns);
	}
	return e;
}

static bool is_group(const struct ip_addr *a)
{
	return ip_addr_is_multicast(a) || (ip_addr_is4(a) && a->w[3] == UINT32_MAX);
}

const uint8_t *neigh_resolve(struct neigh *n, uint16_t port, const struct ip_addr *hop,
	struct neigh_ref *ref, uint64_t now_ns)
{
	struct neigh_table *t = neigh_table_of(n);
	struct neigh_entry *e;

	e = is_group(hop) ? NULL : entry_for(t, port, hop, ref, now_ns);
	return e && is_resolved(hot_of(t, e)->state) ? hot_of(t, e)->mac : NULL;
}

static uint16_t ether_type(const struct rte_mbuf *m, uint16_t l3_off)
{
	return *rte_pktmbuf_mtod_offset(m, const uint8_t *, l3_off) >> 4 == 4 ? ETH_IP4 : ETH_IP6;
}

COLD void neigh_send_slow(struct neigh *n, uint16_t port, const struct ip_addr *hop,
	struct neigh_ref *ref, struct rte_mbuf *m, uint16_t l3_off, uint64_t now_ns)
{
	static const uint8_t unknown[6];
	struct neigh_table *t = neigh_table_of(n);
	struct neigh_entry *e = NULL;
	const uint8_t *mac = unknown;
	uint8_t group[6];

	if (is_group(hop)) {
		mac_from_group(hop, group);
		mac = group;
	} else {
		e = entry_for(t, port, hop, ref, now_ns);
		if (!e) {
			end_packet(t, m, REASON_NEIGH_TABLE_FULL);
			return;
		}
		if (hot_of(t, e)->state == NEIGH_FAILED) {
			end_packet(t, m, REASON_NEIGH_TIMEOUT);
			return;
		}
		if (is_resolved(hot_of(t, e)->state))
			mac = hot_of(t, e)->mac;
	}
	if (!build_l2(m, l3_off, &t->conf.ifs[port], mac, ether_type(m, l3_off)))
		end_packet(t, m, REASON_NO_MBUF);
	else if (mac == unknown)
		queue_push(t, e, m);
	else
		net_emit(&t->conf.emit, port, m);
}

void neigh_send(struct neigh *n, uint16_t port, const struct ip_addr *hop, struct neigh_ref *ref,
	struct rte_mbuf *m, uint16_t l3_off, uint64_t now_ns)
{
	struct neigh_table *t = neigh_table_of(n);
	const uint8_t *mac = neigh_mac(n, *ref, now_ns);

	if (likely(mac && build_l2(m, l3_off, &t->conf.ifs[port], mac, ether_type(m, l3_off))))
		net_emit(&t->conf.emit, port, m);
	else
		neigh_send_slow(n, port, hop, ref, m, l3_off, now_ns);
}

void neigh_tick(struct neigh *n, uint64_t now_ns)
{
	struct neigh_table *t = neigh_table_of(n);
	struct wheel_timer *due;

	wheel_advance(&t->wheel, now_ns);
	while ((due = wheel_pop(&t->wheel)) != NULL)
		timer_due(t, container_of(due, struct neigh_entry, timer), now_ns);
}

uint64_t neigh_next_ns(const struct neigh *n)
{
	return wheel_next_ns(&container_of(n, const struct neigh_table, pub)->wheel);
}

static void free_list(struct neigh_table *t, struct list_node *head, int port, enum reason r)
{
	struct list_node *i, *next;

	list_for_each_safe (i, next, head) {
		struct neigh_entry *e = container_of(i, struct neigh_entry, order);

		if (port < 0 || e->port == port)
			entry_free(t, e, r);
	}
}

void neigh_flush(struct neigh *n, uint16_t port)
{
	struct neigh_table *t = neigh_table_of(n);

	free_list(t, &t->unresolved, port, REASON_TX_PORT_DOWN);
	free_list(t, &t->resolved, port, REASON_TX_PORT_DOWN);
}

int neigh_create(const struct neigh_conf *conf, uint64_t now_ns, struct neigh **out)
{
	uint32_t slots = (uint32_t)pow2_at_least(4 * (uint64_t)conf->capacity);
	struct neigh_table *t;

	*out = NULL;
	if (conf->capacity < 4 || conf->capacity > LIMIT_NEIGHBOURS || !conf->owns || !conf->ledger)
		return -EINVAL;
	t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	t->conf = *conf;
	t->slot_mask = slots - 1;
	t->slots = malloc(slots * sizeof(*t->slots));
	t->pub.hot = calloc(conf->capacity, sizeof(*t->pub.hot));
	if (!t->slots || !t->pub.hot ||
		pool_init(&t->entries, sizeof(struct neigh_entry), 8, conf->capacity) != 0 ||
		pool_init(&t->held, sizeof(struct neigh_held), 8, LIMIT_NEIGH_HELD) != 0) {
		neigh_destroy(&t->pub);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < slots; i++)
		t->slots[i] = POOL_NONE;
	for (uint32_t i = 0; i < conf->capacity; i++)
		t->pub.hot[i].gen = 1;
	list_init(&t->unresolved);
	list_init(&t->resolved);
	mix_key_init(&t->key);
	rng_seed(&t->rng, conf->seed);
	wheel_init(&t->wheel, WHEEL_TICK_NS, now_ns);
	*out = &t->pub;
	return 0;
}

void neigh_destroy(struct neigh *n)
{
	struct neigh_table *t;

	if (!n)
		return;
	t = neigh_table_of(n);
	if (t->unresolved.next) {
		free_list(t, &t->unresolved, -1, REASON_STOPPED);
		free_list(t, &t->resolved, -1, REASON_STOPPED);
	}
	pool_fini(&t->entries);
	pool_fini(&t->held);
	free(t->slots);
	free(t->pub.hot);
	free(t);
}

struct neigh_stats neigh_stats(const struct neigh *n)
{
	const struct neigh_table *t = container_of(n, const struct neigh_table, pub);
	struct neigh_stats s = t->stats;

	s.entries = t->entries.used;
	s.unresolved = t->unresolved_cnt;
	s.held = t->held.used;
	return s;
}

static void each_of(const struct neigh_table *t, const struct list_node *head,
	void (*fn)(void *ctx, const struct neigh_info *info), void *ctx)
{
	const struct list_node *i;

	list_for_each (i, head) {
		const struct neigh_entry *e = container_of(i, const struct neigh_entry, order);
		const struct neigh_hot *h = hot_of(t, e);
		struct neigh_info info = {
			.addr = e->addr, .port = e->port, .queued = e->q_len, .state = h->state};

		memcpy(info.mac, h->mac, 6);
		fn(ctx, &info);
	}
}

void neigh_each(
	const struct neigh *n, void (*fn)(void *ctx, const struct neigh_info *info), void *ctx)
{
	const struct neigh_table *t = container_of(n, const struct neigh_table, pub);

	each_of(t, &t->resolved, fn, ctx);
	each_of(t, &t->unresolved, fn, ctx);
}

const char *neigh_state_name(enum neigh_state s)
{
	static const char *const name[] = {
		[NEIGH_FREE] = "free",
		[NEIGH_INCOMPLETE] = "incomplete",
		[NEIGH_FAILED] = "failed",
		[NEIGH_REACHABLE] = "reachable",
		[NEIGH_STALE] = "stale",
		[NEIGH_DELAY] = "delay",
		[NEIGH_PROBE] = "probe",
	};

	return name[s];
}
