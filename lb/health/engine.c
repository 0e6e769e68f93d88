/* SPDX-License-Identifier: Apache-2.0
 * One timer per target drives it: while `waiting` it stands for the timeout, else for the next
 *probe.
 *
 *   (new) --arm--> idle --due: send--> waiting --answer or timeout: judge--> idle --arm--> ...
 *
 * A new plan is not walked at once, since 100,000 targets would stall the worker: health_run
 *compares HEALTH_SCAN ids a call, and a timer or an answer compares its own target first. Until a
 *target has been compared it runs on by what it knew.
 *
 * An announcement is one word, so that no memory changes hands:
 *	bits 0-17 id, 18-31 epoch, 32-33 state, 34-37 result, 38-63 rtt in us. */
#include "lb/health/health_pvt.h"

#include <errno.h>
#include <stdlib.h>

#include "dataplane/base/assert.h"
#include "dataplane/base/time.h"

#define TICK_NS        NS_PER_MS
#define RETRY_NS       (10 * NS_PER_MS) /* after a shortage of our own */
#define SPREAD_NS      (20 * NS_PER_US) /* between first probes: 50,000 a second */
#define PUT_OFF_MAX_NS NS_PER_SEC
#define RTT_MAX_US     ((UINT64_C(1) << 26) - 1)

_Static_assert(LIMIT_PROBES <= 1 << 18, "an event holds 18 bits of id");
_Static_assert(HEALTH_EPOCH_MASK == (1 << 14) - 1, "an event holds 14 bits of epoch");
_Static_assert(HEALTH_RESULT_COUNT <= 16, "an event holds 4 bits of result");
_Static_assert(sizeof(void *) == 8, "an event is passed as a pointer");

static const char *const result_text[] = {
#define R(name, text) text,
	HEALTH_RESULTS(R)
#undef R
};

const char *health_result_name(enum health_result r)
{
	static const char *const names[] = {"none", "ok", "timeout", "refused", "unreachable",
		"mismatch", "no_source", "tls", "certificate"};

	_Static_assert(ARRAY_SIZE(names) == HEALTH_RESULT_COUNT, "one name each");
	ASSERT(r < HEALTH_RESULT_COUNT);
	return names[r];
}

const char *health_result_text(enum health_result r)
{
	ASSERT(r < HEALTH_RESULT_COUNT);
	return result_text[r];
}

const char *health_state_name(enum health_state s)
{
	return s == HEALTH_UP ? "up" : s == HEALTH_DOWN ? "down" : "checking";
}

/* --- announcements ------------------------------------------------------------------------- */

static void *event_pack(const struct probe *p)
{
	uint64_t rtt_us = atomic_load_explicit(&p->cnt.rtt_ns, memory_order_relaxed) / NS_PER_US;
	uint64_t w = p->id | (uint64_t)(p->epoch & HEALTH_EPOCH_MASK) << 18;

	w |= (uint64_t)p->state << 32 | (uint64_t)p->why << 34;
	w |= (rtt_us > RTT_MAX_US ? RTT_MAX_US : rtt_us) << 38;
	return (void *)(uintptr_t)w;
}

static void event_unpack(const void *word, struct health_event *ev)
{
	uint64_t w = (uint64_t)(uintptr_t)word;

	ev->id = (uint32_t)w & 0x3ffff;
	ev->epoch = (uint16_t)(w >> 18 & HEALTH_EPOCH_MASK);
	ev->state = (enum health_state)(w >> 32 & 3);
	ev->why = (enum health_result)(w >> 34 & 15);
	ev->rtt_us = w >> 38;
}

static bool push_event(struct health_engine *e, const struct probe *p)
{
	void *word = event_pack(p);

	if (spsc_push(e->events, &word, 1) == 0)
		return false;
	e->pushed++;
	return true;
}

/* The pending list keeps the order in which targets first waited; what is pushed in the end is the
 * state of that moment, so several changes become one. */
static void announce(struct health_engine *e, struct probe *p)
{
	if (!list_empty(&p->pending))
		return;
	if (!list_empty(&e->pending) || !push_event(e, p))
		list_append(&e->pending, &p->pending);
}

static void push_pending(struct health_engine *e)
{
	while (!list_empty(&e->pending)) {
		struct probe *p = container_of(e->pending.next, struct probe, pending);

		if (!push_event(e, p))
			return;
		list_remove(&p->pending);
	}
}

bool health_event_pop(struct health_engine *e, struct health_event *out)
{
	void *word;

	if (spsc_pop(e->events, &word, 1) == 0)
		return false;
	event_unpack(word, out);
	return true;
}

/* --- judgement ----------------------------------------------------------------------------- */

static void forgive_flaps(struct probe *p, uint64_t now_ns)
{
	uint64_t steps = (now_ns - p->flap_ns) / HEALTH_FLAP_DECAY_NS;

	if (steps >= p->flap_score) {
		p->flap_score = 0;
		p->flap_ns = now_ns;
		return;
	}
	p->flap_score -= (uint32_t)steps;
	p->flap_ns += steps * HEALTH_FLAP_DECAY_NS;
}

/* The first recent flap costs nothing, each further one doubles what it takes to come back. */
static uint64_t rise_needed(struct probe *p, const struct health_target *t, uint64_t now_ns)
{
	uint32_t extra;

	forgive_flaps(p, now_ns);
	extra = p->flap_score > 1 ? p->flap_score - 1 : 0;
	return (uint64_t)t->check.rise << (extra > HEALTH_DAMP_MAX ? HEALTH_DAMP_MAX : extra);
}

static void change_state(
	struct health_engine *e, struct probe *p, enum health_state state, uint64_t now_ns)
{
	if (p->state == HEALTH_UP) {
		forgive_flaps(p, now_ns);
		p->flap_score++;
		cnt_add(&p->cnt.flaps, 1);
	}
	p->state = (uint8_t)state;
	cnt_set(&p->cnt.last_change_ns, now_ns);
	announce(e, p);
}

static void judge_ok(
	struct health_engine *e, struct probe *p, const struct health_target *t, uint64_t now_ns)
{
	bool decides = p->fresh;

	p->fresh = false;
	p->fails = 0;
	if (p->oks < UINT32_MAX)
		p->oks++;
	cnt_add(&p->cnt.ok, 1);
	cnt_set(&p->cnt.rtt_ns, now_ns - p->sent_ns);
	if (p->state != HEALTH_UP && (decides || p->oks >= rise_needed(p, t, now_ns)))
		change_state(e, p, HEALTH_UP, now_ns);
}

static void judge_failed(
	struct health_engine *e, struct probe *p, const struct health_target *t, uint64_t now_ns)
{
	p->oks = 0;
	if (p->fails < UINT32_MAX)
		p->fails++;
	cnt_add(&p->cnt.failed, 1);
	if (p->state == HEALTH_CHECKING || (p->state == HEALTH_UP && p->fails >= t->check.fall))
		change_state(e, p, HEALTH_DOWN, now_ns);
}

/* --- schedule ------------------------------------------------------------------------------ */

static uint64_t next_delay(struct health_engine *e, struct probe *p, const struct health_target *t)
{
	uint64_t interval = t->check.interval_ns, swing;

	if (p->spread_due) {
		p->spread_due = false;
		return interval / 2 + rng_below(&e->rng, interval / 2 + 1);
	}
	/* Refused while up: nobody listens there. Find out quickly whether it stays so. */
	if (p->state == HEALTH_UP &&
		(p->why == HEALTH_RESULT_REFUSED || p->why == HEALTH_RESULT_UNREACHABLE))
		interval /= HEALTH_FAST_DIV;
	swing = interval / 100 * t->check.jitter_pct;
	return interval - swing + rng_below(&e->rng, 2 * swing + 1);
}

static void finish(struct health_engine *e, struct probe *p, const struct health_target *t,
	enum health_result why, uint64_t now_ns)
{
	uint64_t due;

	p->waiting = false;
	p->why = (uint8_t)why;
	cnt_set(&p->cnt.last_result, why);
	if (why == HEALTH_RESULT_OK)
		judge_ok(e, p, t, now_ns);
	else
		judge_failed(e, p, t, now_ns);
	due = p->sent_ns + next_delay(e, p, t);
	wheel_arm(&e->wheel, &p->timer, due > now_ns ? due : now_ns + 1);
}

static void start_probe(
	struct health_engine *e, struct probe *p, const struct health_target *t, uint64_t now_ns)
{
	p->sent_ns = now_ns;
	p->put_off = false;
	switch (probe_emit(e, p, t, now_ns)) {
	case PROBE_SENT:
		break;
	case PROBE_NO_SOURCE:
		finish(e, p, t, HEALTH_RESULT_NO_SOURCE, now_ns);
		break;
	case PROBE_NO_MBUF:
		cnt_add(&p->cnt.no_mbuf, 1);
		wheel_arm(&e->wheel, &p->timer, now_ns + RETRY_NS);
		break;
	case PROBE_NO_PORT:
		cnt_add(&p->cnt.no_port, 1);
		wheel_arm(&e->wheel, &p->timer, now_ns + RETRY_NS);
		break;
	}
}

/* --- plans --------------------------------------------------------------------------------- */

static void retire(struct health_engine *e, struct probe *p)
{
	wheel_cancel(&e->wheel, &p->timer);
	probe_unlink(e, p);
	list_remove(&p->pending);
	p->live = p->waiting = false;
	p->state = HEALTH_CHECKING;
}

static void counters_clear(struct probe_counters *c)
{
	_Atomic uint64_t *const all[] = {&c->sent, &c->ok, &c->failed, &c->late, &c->no_mbuf,
		&c->no_port, &c->rtt_ns, &c->last_change_ns, &c->flaps, &c->last_result};

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		cnt_set(all[i], 0);
}

/* First probes leave one after the other, SPREAD_NS apart, but none later than its interval. */
static void begin(
	struct health_engine *e, struct probe *p, const struct health_target *t, uint64_t now_ns)
{
	uint64_t due = e->begin_ns > now_ns ? e->begin_ns : now_ns;

	if (due - now_ns > t->check.interval_ns)
		due = now_ns + rng_below(&e->rng, t->check.interval_ns + 1);
	else
		e->begin_ns = due + SPREAD_NS;
	p->epoch = t->epoch;
	p->version = t->version;
	p->live = p->fresh = p->spread_due = true;
	p->waiting = false;
	p->oks = p->fails = 0;
	wheel_arm(&e->wheel, &p->timer, due);
}

/* Bring p in line with the plan; returns its target, NULL if it has none any more. */
static const struct health_target *sync_probe(
	struct health_engine *e, struct probe *p, uint64_t now_ns)
{
	const struct health_target *t = health_plan_slot(e->plan, p->id);

	if (t == NULL) {
		if (p->live)
			retire(e, p);
		return NULL;
	}
	if (!p->live || p->epoch != t->epoch) {
		retire(e, p);
		p->why = HEALTH_RESULT_NONE;
		p->flap_score = 0;
		p->flap_ns = now_ns;
		counters_clear(&p->cnt);
		begin(e, p, t, now_ns);
	} else if (p->version != t->version) {
		probe_unlink(e, p);
		begin(e, p, t, now_ns);
	}
	return t;
}

static void scan_plan(struct health_engine *e, uint64_t now_ns)
{
	for (uint32_t n = 0; n < HEALTH_SCAN && e->scan < e->id_high; n++, e->scan++)
		sync_probe(e, probe_at(e, e->scan), now_ns);
}

void health_engine_apply(struct health_engine *e, const struct health_plan *plan, uint64_t now_ns)
{
	ASSERT(plan->id_limit <= LIMIT_PROBES);
	ASSERT(plan->id_limit == 0 || e->chunks[(plan->id_limit - 1) >> CHUNK_BITS] != NULL);
	wheel_advance(&e->wheel, now_ns);
	e->plan = plan;
	e->scan = 0;
	if (plan->id_limit > e->id_high)
		e->id_high = plan->id_limit;
}

/* --- the worker's calls -------------------------------------------------------------------- */

static void fire(struct health_engine *e, struct probe *p, uint64_t now_ns)
{
	uint64_t late = now_ns - p->timer.deadline_ns;
	const struct health_target *t = sync_probe(e, p, now_ns);

	if (t == NULL || wheel_timer_armed(&p->timer))
		return; /* gone, or begun anew */
	if (!p->waiting) {
		start_probe(e, p, t, now_ns);
		return;
	}
	if (late > HEALTH_LATE_NS && !p->put_off) {
		p->put_off = true;
		wheel_arm(&e->wheel, &p->timer,
			now_ns + (late > PUT_OFF_MAX_NS ? PUT_OFF_MAX_NS : late));
		return;
	}
	finish(e, p, t, HEALTH_RESULT_TIMEOUT, now_ns);
}

uint32_t health_run(struct health_engine *e, uint64_t now_ns)
{
	struct wheel_timer *timer;
	uint32_t pushed;

	push_pending(e);
	scan_plan(e, now_ns);
	wheel_advance(&e->wheel, now_ns);
	for (int n = 0; n < HEALTH_BATCH && (timer = wheel_pop(&e->wheel)) != NULL; n++)
		fire(e, container_of(timer, struct probe, timer), now_ns);
	pushed = e->pushed;
	e->pushed = 0;
	return pushed;
}

uint64_t health_next_ns(const struct health_engine *e)
{
	uint64_t next = e->scan < e->id_high ? 0 : wheel_next_ns(&e->wheel);

	/* Control drains a full ring within milliseconds; nothing else says when. */
	if (!list_empty(&e->pending) && next > e->wheel.now_tick * TICK_NS + TICK_NS)
		next = e->wheel.now_tick * TICK_NS + TICK_NS;
	return next;
}

bool health_input(struct health_engine *e, const struct pkt_meta *meta, const struct rte_mbuf *m,
	uint64_t now_ns)
{
	static const enum health_result results[] = {
		[ANSWER_OK] = HEALTH_RESULT_OK,
		[ANSWER_REFUSED] = HEALTH_RESULT_REFUSED,
		[ANSWER_UNREACHABLE] = HEALTH_RESULT_UNREACHABLE,
		[ANSWER_MISMATCH] = HEALTH_RESULT_MISMATCH,
	};
	struct probe *p = NULL;
	enum probe_answer a = probe_match(e, meta, m, &p);
	const struct health_target *t;

	if (a == ANSWER_NONE)
		return false;
	t = sync_probe(e, p, now_ns);
	if (t == NULL || !p->linked || a == ANSWER_IGNORED)
		return true; /* the probe was of a check that is no more, or nothing is proved */
	if (p->waiting)
		finish(e, p, t, results[a], now_ns);
	else
		cnt_add(&p->cnt.late, 1);
	if (a == ANSWER_OK && p->proto == L4_TCP)
		probe_emit_rst(e, p, t);
	return true;
}

void health_answer(struct health_engine *e, uint32_t id, uint64_t attempt, enum health_result r,
	uint64_t now_ns)
{
	const struct health_target *t;
	struct probe *p;

	if (id >= e->id_high)
		return;
	p = probe_at(e, id);
	t = sync_probe(e, p, now_ns);
	if (t == NULL || t->check.type != HEALTH_HTTP || p->secret != attempt)
		return;
	if (p->waiting)
		finish(e, p, t, r, now_ns);
	else
		cnt_add(&p->cnt.late, 1);
}

void health_stats_read(const struct health_engine *e, uint32_t id, struct health_stats *out)
{
	const struct probe_counters *c;

	*out = (struct health_stats){0};
	if (id >= LIMIT_PROBES || e->chunks[id >> CHUNK_BITS] == NULL)
		return;
	c = &probe_at(e, id)->cnt;
#define READ(f) out->f = atomic_load_explicit(&c->f, memory_order_relaxed)
	READ(sent);
	READ(ok);
	READ(failed);
	READ(late);
	READ(no_mbuf);
	READ(no_port);
	READ(rtt_ns);
	READ(last_change_ns);
	READ(flaps);
	READ(last_result);
#undef READ
}

/* --- set-up -------------------------------------------------------------------------------- */

struct health_engine *health_engine_create(const struct health_conf *conf, uint64_t now_ns)
{
	struct health_engine *e = calloc(1, sizeof(*e));

	if (e == NULL)
		return NULL;
	e->conf = *conf;
	if (conf->port_lo == 0 && conf->port_hi == 0) {
		e->conf.port_lo = HEALTH_PORT_LO;
		e->conf.port_hi = HEALTH_PORT_HI;
	}
	ASSERT(e->conf.port_lo > 0 && e->conf.port_lo <= e->conf.port_hi);
	wheel_init(&e->wheel, TICK_NS, now_ns);
	rng_seed(&e->rng, conf->seed);
	list_init(&e->pending);
	for (uint64_t i = 0; i < ARRAY_SIZE(e->table_key.k); i++) {
		uint64_t label[2] = {UINT64_MAX, i}; /* longer than what draws hash: never equal */

		e->table_key.k[i] = siphash24(&conf->key, label, sizeof(label));
	}
	e->events = spsc_create(conf->event_ring == 0 ? 1024 : conf->event_ring);
	e->table = malloc(TABLE_BUCKETS * sizeof(*e->table));
	if (e->events == NULL || e->table == NULL) {
		health_engine_destroy(e);
		return NULL;
	}
	for (uint32_t i = 0; i < TABLE_BUCKETS; i++)
		e->table[i] = NO_PROBE;
	return e;
}

void health_engine_destroy(struct health_engine *e)
{
	if (e == NULL)
		return;
	for (uint32_t k = 0; k < CHUNK_CNT; k++)
		free(e->chunks[k]);
	if (e->events != NULL)
		spsc_destroy(e->events);
	free(e->table);
	free(e);
}

int health_engine_reserve(struct health_engine *e, const struct health_plan *plan)
{
	for (uint32_t first = 0; first < plan->id_limit; first += CHUNK_PROBES) {
		struct probe *c;

		if (e->chunks[first >> CHUNK_BITS] != NULL)
			continue;
		c = calloc(CHUNK_PROBES, sizeof(*c));
		if (c == NULL)
			return -ENOMEM;
		for (uint32_t i = 0; i < CHUNK_PROBES; i++) {
			c[i].id = first + i;
			wheel_timer_init(&c[i].timer);
			list_init(&c[i].pending);
		}
		e->chunks[first >> CHUNK_BITS] = c;
	}
	return 0;
}
