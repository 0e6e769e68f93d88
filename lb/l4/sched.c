/* SPDX-License-Identifier: Apache-2.0
 * Choosing a backend. A set holds only those that may take new flows (health, weight and drain are
 * settled when it is built), so what is left to ask here is the connection limit of a backend. When
 * the first choice is at its limit:
 *   maglev, source hash  further slots, each hashed from the last, then the nodes in order;
 *   round robin          the next turns;
 *   least connections    it is not compared.
 * All of it within PROBES_MAX tries; then the flow is refused. */
#include "lb/l4/worker_pvt.h"

#define PROBES_MAX   64
#define SLOTS_MAX    16 /* of those, by further hashing */
#define WLC_SCAN_MAX 64 /* up to so many backends least connections compares all */
#define WLC_SAMPLE   16 /* and so many of a larger set */

uint64_t sched_hash(const struct l4_table *t, const struct l4_service *s, const struct flow_key *k)
{
	const struct mix_key *key = &t->sched_key;
	const struct ip_addr *vip;

	if (s->hash == L4_HASH_SOURCE)
		return mix_hash5(key, k->client.d[0], k->client.d[1], 0, 0, 0);
	/* By the VIP's address: its number differs between nodes. */
	vip = &t->vips[k->vip].addr;
	return mix_hash5(key, k->client.d[0], k->client.d[1], vip->d[0], vip->d[1],
		(uint64_t)k->cport << 32 | (uint64_t)k->vport << 8 | k->proto);
}

/* A number's quota, or an even share of the limit until control has published one. */
static bool admits(const struct published *pub, uint32_t active, uint64_t limit, uint32_t workers)
{
	uint32_t quota = __atomic_load_n(&pub->quota, __ATOMIC_RELAXED);

	if (quota != 0)
		return active < quota - 1;
	return (uint64_t)active * workers < limit;
}

bool sched_service_admits(const struct l4_worker *w, uint16_t service)
{
	const struct l4_service *s = &w->table->services[service];

	return s->conn_limit == 0 || admits(&w->service_pub[service], w->services[service].active,
					     s->conn_limit, w->workers);
}

static bool member_admits(struct l4_worker *w, const struct l4_service *s, uint32_t member)
{
	if (s->backend_conn_limit == 0 || admits(&w->member_pub[member], w->member_active[member],
						  s->backend_conn_limit, w->workers))
		return true;
	count64(&w->member_stats[member].limited, 1);
	return false;
}

uint32_t sched_follow(const struct l4_service *s, uint64_t hash)
{
	uint16_t node;

	if (s->set == NULL || s->set->maglev == NULL)
		return L4_NONE32;
	node = s->set->maglev[maglev_slot(hash, s->set->maglev_size)];
	return node == MAGLEV_NONE ? L4_NONE32 : s->members[node];
}

static uint32_t choose_maglev(struct l4_worker *w, const struct l4_service *s, uint64_t hash)
{
	uint32_t first = sched_follow(s, hash), node;

	if (first == L4_NONE32 || member_admits(w, s, first))
		return first;
	for (uint32_t i = 0; i < SLOTS_MAX; i++) {
		uint32_t m;

		hash = (hash ^ hash >> 31) * UINT64_C(0x9e3779b97f4a7c15);
		m = sched_follow(s, hash);
		if (member_admits(w, s, m))
			return m;
	}
	node = (uint32_t)(((hash >> 32) * s->member_cnt) >> 32);
	for (uint32_t i = SLOTS_MAX; i < PROBES_MAX; i++) {
		if (member_admits(w, s, s->members[node]))
			return s->members[node];
		node = node + 1 == s->member_cnt ? 0 : node + 1;
	}
	return L4_NONE32;
}

/* Workers start at different turns of the sequence: were all to start at the first, few flows over
 * many workers would all go to one backend. */
static uint32_t choose_wrr(struct l4_worker *w, uint16_t service, const struct l4_service *s)
{
	struct service_run *run = &w->services[service];
	uint32_t len = s->set->wrr_len;

	if (run->set_digest != s->set->digest || run->wrr_pos >= len) {
		run->set_digest = s->set->digest;
		run->wrr_pos = (uint32_t)((w->index_frac * len) >> 32);
	}
	for (uint32_t i = 0; i < PROBES_MAX; i++) {
		uint32_t m = s->members[s->set->wrr[run->wrr_pos]];

		run->wrr_pos = run->wrr_pos + 1 == len ? 0 : run->wrr_pos + 1;
		if (member_admits(w, s, m))
			return m;
	}
	return L4_NONE32;
}

static uint64_t load_of(const struct l4_worker *w, uint32_t m)
{
	return (uint64_t)w->member_active[m] + 1 +
	       __atomic_load_n(&w->member_pub[m].others, __ATOMIC_RELAXED);
}

/* The least loaded by weight of all, or of a sample that starts at a random place. */
static uint32_t choose_wlc(struct l4_worker *w, const struct l4_service *s, uint64_t hash)
{
	uint32_t cnt = s->member_cnt, tries = cnt <= WLC_SCAN_MAX ? cnt : WLC_SAMPLE;
	uint32_t best = L4_NONE32, node = (uint32_t)(((hash >> 32) * cnt) >> 32);
	uint64_t best_load = 0, best_weight = 1;

	for (uint32_t i = 0; i < tries; i++) {
		uint32_t m = s->members[node];
		uint64_t weight = w->table->members[m].weight, load = load_of(w, m);

		if ((best == L4_NONE32 || load * best_weight < best_load * weight) &&
			member_admits(w, s, m)) {
			best = m;
			best_load = load;
			best_weight = weight;
		}
		if (cnt <= WLC_SCAN_MAX) {
			node = node + 1 == cnt ? 0 : node + 1;
			continue;
		}
		hash = (hash ^ hash >> 31) * UINT64_C(0x9e3779b97f4a7c15);
		node = (uint32_t)(((hash >> 32) * cnt) >> 32);
	}
	return best;
}

struct sched_pick sched_choose(struct l4_worker *w, uint16_t service, uint64_t hash)
{
	const struct l4_service *s = &w->table->services[service];
	uint32_t m = L4_NONE32;

	if (s->set == NULL)
		return (struct sched_pick){.member = L4_NONE32};
	switch ((enum l4_scheduler)s->scheduler) {
	case L4_MAGLEV:
	case L4_SOURCE_HASH:
		m = choose_maglev(w, s, hash);
		break;
	case L4_WRR:
		m = choose_wrr(w, service, s);
		break;
	case L4_WLC:
		m = choose_wlc(w, s, hash);
		break;
	}
	return (struct sched_pick){.member = m, .limited = m == L4_NONE32};
}
