/* SPDX-License-Identifier: Apache-2.0
 * Three passes give a target its id, the most telling one first:
 *   1. the committed plan has a target that is equal in all: same id, epoch and version;
 *   2. of what is left there, one that is delivered to the same place by the same mode (best if
 * type or port agree too): same id and epoch, next version. This is a check whose parameters were
 *      edited: the backend keeps its state until the new check has spoken;
 *   3. the lowest free id, next epoch.
 * Candidates stand in a temporary array with a hash over all their fields. */
#include "lb/health/plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/assert.h"
#include "dataplane/base/hash.h"
#include "dataplane/base/log.h"
#include "lb/config/config_upstream.h"

#define NO_ID UINT32_MAX

struct builder {
	const struct health_plan *old;
	struct health_target
		*cand; /* distinct targets; id is NO_ID until given; buffers borrowed */
	uint32_t cand_cnt;
	uint32_t *table; /* index into cand + 1; 0 is free */
	uint32_t table_mask;
	uint32_t *cand_of; /* candidate of each map entry */
	bool *claimed;     /* by id of the old plan */
};

static const struct siphash_key table_key = {1, 2}; /* layout only: input is the operator's own */

static uint64_t hash_place(const struct health_target *t)
{
	struct {
		struct ip_addr backend, dst;
		uint64_t mode;
	} key = {t->backend, t->dst, (uint64_t)t->mode << 16 | t->gue_port};

	return siphash24(&table_key, &key, sizeof(key));
}

static uint64_t hash_all(const struct health_target *t)
{
	uint64_t key[] = {hash_place(t), (uint64_t)t->check.type << 16 | t->check.port,
		t->check.interval_ns, t->check.timeout_ns};

	return siphash24(&table_key, key, sizeof(key));
}

static bool same_place(const struct health_target *a, const struct health_target *b)
{
	return ip_addr_eq(&a->backend, &b->backend) && ip_addr_eq(&a->dst, &b->dst) &&
	       a->mode == b->mode && a->gue_port == b->gue_port;
}

static bool same_bytes(const uint8_t *a, uint32_t a_len, const uint8_t *b, uint32_t b_len)
{
	return a_len == b_len && (a_len == 0 || memcmp(a, b, a_len) == 0);
}

/* The name decides whose certificate is good. */
static bool same_text(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool same_all(const struct health_target *a, const struct health_target *b)
{
	const struct config_health *x = &a->check, *y = &b->check;

	return same_place(a, b) && x->type == y->type && x->port == y->port &&
	       x->interval_ns == y->interval_ns && x->timeout_ns == y->timeout_ns &&
	       x->rise == y->rise && x->fall == y->fall && x->jitter_pct == y->jitter_pct &&
	       same_bytes(x->send, x->send_len, y->send, y->send_len) &&
	       same_bytes(x->expect, x->expect_len, y->expect, y->expect_len) &&
	       strcmp(x->method, y->method) == 0 && strcmp(x->path, y->path) == 0 &&
	       strcmp(x->host, y->host) == 0 && a->tls == b->tls &&
	       same_text(a->tls_name, b->tls_name) && x->status_lo == y->status_lo &&
	       x->status_hi == y->status_hi;
}

/* The slot of an equal candidate, or the free one where it belongs. */
static uint32_t *table_find(const struct builder *b, const struct health_target *t)
{
	for (uint64_t h = hash_all(t);; h++) {
		uint32_t *slot = &b->table[h & b->table_mask];

		if (*slot == 0 || same_all(&b->cand[*slot - 1], t))
			return slot;
	}
}

static struct ip_addr probed_vip(const struct config_service *s, const struct ip_addr *backend)
{
	for (uint32_t i = 0; i < s->vip_cnt; i++)
		if (ip_addr_is4(&s->vips[i]) == ip_addr_is4(backend))
			return s->vips[i];
	return s->vips[0];
}

/* tls: as t->tls, if the traffic to it is TLS. */
static void describe(const struct config_service *s, const struct config_backend *be, uint32_t tls,
	struct health_target *t)
{
	bool direct = s->mode == L4_NAT || s->mode == L4_FULLNAT;

	memset(t, 0, sizeof(*t));
	t->id = NO_ID;
	t->backend = be->addr;
	t->dst = direct ? be->addr : probed_vip(s, &be->addr);
	t->mode = direct ? L4_NAT : s->mode;
	t->gue_port = s->mode == L4_GUE ? s->gue_port : 0;
	t->check = s->health;
	if (t->check.type == HEALTH_ICMP) {
		t->check.port = 0;
	} else if (t->check.port == 0) {
		/* Behind DSR and tunnels a backend serves the VIP's own port. */
		t->check.port = direct && be->port != 0 ? be->port : s->port_lo;
	}
	if (t->check.type == HEALTH_HTTP && t->check.tls && tls > 0) {
		t->tls = tls;
		t->tls_name = be->host;
	}
	if (t->check.type == HEALTH_HTTP && t->check.host[0] == '\0' && be->host != NULL)
		snprintf(t->check.host, sizeof(t->check.host),
			t->check.port == (t->tls > 0 ? 443 : 80) ? "%s" : "%s:%u", be->host,
			t->check.port);
	if (t->check.type != HEALTH_UDP) {
		t->check.send = NULL;
		t->check.send_len = 0;
	}
	if (t->check.type != HEALTH_UDP && t->check.type != HEALTH_HTTP) {
		t->check.expect = NULL;
		t->check.expect_len = 0;
	}
}

static int check_service(const struct config_service *s)
{
	const struct config_health *h = &s->health;
	const char *bad = NULL;

	if (h->interval_ns == 0 || h->timeout_ns == 0 || h->rise == 0 || h->fall == 0)
		bad = "interval, timeout, rise and fall must not be zero";
	else if (h->jitter_pct > 50)
		bad = "jitter above 50 percent";
	else if (h->send_len > HEALTH_PAYLOAD_MAX || h->expect_len > HEALTH_PAYLOAD_MAX)
		bad = "payload too long";
	else if (h->type != HEALTH_ICMP && h->port == 0 && s->port_lo == 0)
		bad = "service with any port needs a health port";
	else if (s->vip_cnt == 0)
		bad = "service has no address";
	if (bad == NULL)
		return 0;
	LOG_ERR("health check cannot be run", "service=%s why=\"%s\"", s->name, bad);
	return -EINVAL;
}

static uint32_t group_cnt(const struct config *cfg)
{
	return cfg->service_cnt + cfg->listener_cnt + cfg->upstream_cnt;
}

static const struct config_service *upstream_group(
	const struct config_upstream *u, struct config_service *tmp)
{
	*tmp = (struct config_service){.mode = L4_FULLNAT,
		.proto = L4_TCP,
		.backends = u->backends,
		.backend_cnt = u->backend_cnt,
		.health = u->health,
		/* Only the backends' own addresses and ports are used. */
		.vips = u->backend_cnt > 0 ? &u->backends[0].addr : NULL,
		.vip_cnt = u->backend_cnt > 0,
		.port_lo = 1,
		.port_hi = 1};
	memcpy(tmp->name, u->name, sizeof(tmp->name));
	return tmp;
}

/* Backends of listeners and upstreams are probed directly, at their own ports. */
static const struct config_service *group(
	const struct config *cfg, uint32_t i, struct config_service *tmp)
{
	const struct config_listener *l;

	if (i < cfg->service_cnt)
		return &cfg->services[i];
	i -= cfg->service_cnt;
	if (i >= cfg->listener_cnt)
		return upstream_group(&cfg->upstreams[i - cfg->listener_cnt], tmp);
	l = &cfg->listeners[i];
	*tmp = (struct config_service){.mode = L4_FULLNAT,
		.proto = L4_TCP,
		.backends = l->backends,
		.backend_cnt = l->backend_cnt,
		.health = l->health};
	memcpy(tmp->name, l->name, sizeof(tmp->name));
	if (l->bind_cnt > 0) {
		tmp->vips = &l->binds[0].addr;
		tmp->vip_cnt = 1;
		tmp->port_lo = tmp->port_hi = l->binds[0].port;
	}
	return tmp;
}

/* Of group i, as in struct health_target. */
static uint32_t tls_of(const struct config *cfg, uint32_t i)
{
	const struct config_tls_client *c;

	if (i < cfg->service_cnt)
		return 0;
	i -= cfg->service_cnt;
	c = i < cfg->listener_cnt ? cfg->listeners[i].backend_tls
				  : cfg->upstreams[i - cfg->listener_cnt].tls;
	return c != NULL ? i + 1 : 0;
}

static int collect(struct builder *b, const struct config *cfg, struct health_plan *plan)
{
	uint32_t entry = 0;

	for (uint32_t s = 0; s < group_cnt(cfg); s++) {
		struct config_service tmp;
		const struct config_service *sv = group(cfg, s, &tmp);

		plan->service_first[s] = entry;
		/* No backend: names of which nothing is known yet. */
		if (sv->health.type != HEALTH_NONE && sv->backend_cnt > 0 && check_service(sv) < 0)
			return -EINVAL;
		for (uint32_t i = 0; i < sv->backend_cnt; i++, entry++) {
			struct health_target *t = &b->cand[b->cand_cnt];
			uint32_t *slot;

			b->cand_of[entry] = HEALTH_UNCHECKED;
			if (sv->health.type == HEALTH_NONE)
				continue;
			describe(sv, &sv->backends[i], tls_of(cfg, s), t);
			slot = table_find(b, t);
			if (*slot == 0)
				*slot = ++b->cand_cnt;
			b->cand_of[entry] = *slot - 1;
		}
	}
	plan->service_first[group_cnt(cfg)] = entry;
	return b->cand_cnt > LIMIT_PROBES ? -E2BIG : 0;
}

static void keep_equal_targets(struct builder *b)
{
	for (uint32_t id = 0; b->old != NULL && id < b->old->id_limit; id++) {
		const struct health_target *was = health_plan_slot(b->old, id);
		uint32_t slot = was == NULL ? 0 : *table_find(b, was);

		if (slot == 0)
			continue;
		b->cand[slot - 1].id = id;
		b->cand[slot - 1].epoch = was->epoch;
		b->cand[slot - 1].version = was->version;
		b->claimed[id] = true;
	}
}

/* Take the best unclaimed old target of the chain that starts at *link. */
static void take_edited(struct builder *b, struct health_target *t, uint32_t *link, uint32_t *next)
{
	uint32_t *best = NULL;
	int best_score = -1;

	for (; *link != NO_ID && best_score < 3; link = &next[*link]) {
		const struct health_target *was = &b->old->targets[*link];
		int score = (was->check.type == t->check.type ? 2 : 0) +
			    (was->check.port == t->check.port ? 1 : 0);

		if (same_place(was, t) && score > best_score) {
			best = link;
			best_score = score;
		}
	}
	if (best == NULL)
		return;
	t->id = *best;
	t->epoch = b->old->targets[t->id].epoch;
	t->version = (uint16_t)(b->old->targets[t->id].version + 1);
	b->claimed[t->id] = true;
	*best = next[*best];
}

static int keep_edited_targets(struct builder *b)
{
	uint32_t limit = b->old == NULL ? 0 : b->old->id_limit;
	uint32_t buckets = (uint32_t)pow2_at_least(limit + 1);
	uint32_t *heads, *next;

	if (limit == 0)
		return 0;
	heads = malloc((buckets + (size_t)limit) * sizeof(*heads));
	if (heads == NULL)
		return -ENOMEM;
	next = heads + buckets;
	memset(heads, 0xff, buckets * sizeof(*heads));
	for (uint32_t id = limit; id-- > 0;) {
		const struct health_target *was = health_plan_slot(b->old, id);
		uint32_t *head;

		if (was == NULL || b->claimed[id])
			continue;
		head = &heads[hash_place(was) & (buckets - 1)];
		next[id] = *head;
		*head = id;
	}
	for (uint32_t i = 0; i < b->cand_cnt; i++)
		if (b->cand[i].id == NO_ID)
			take_edited(b, &b->cand[i], &heads[hash_place(&b->cand[i]) & (buckets - 1)],
				next);
	free(heads);
	return 0;
}

static uint32_t give_new_ids(struct builder *b)
{
	uint32_t old_limit = b->old == NULL ? 0 : b->old->id_limit, id = 0;

	for (uint32_t i = 0; i < b->cand_cnt; i++) {
		struct health_target *t = &b->cand[i];

		if (t->id != NO_ID)
			continue;
		while (id < old_limit && b->claimed[id])
			id++;
		t->id = id;
		t->epoch = 1;
		if (id < old_limit)
			t->epoch = (b->old->targets[id].epoch + 1) & HEALTH_EPOCH_MASK;
		id++;
	}
	return id > old_limit ? id : old_limit;
}

static int copy_bytes(uint8_t **p, uint32_t len)
{
	uint8_t *copy;

	if (len == 0) {
		*p = NULL;
		return 0;
	}
	copy = malloc(len);
	if (copy != NULL)
		memcpy(copy, *p, len);
	*p = copy;
	return copy == NULL ? -ENOMEM : 0;
}

static int fill_slots(struct builder *b, struct health_plan *plan)
{
	int err = 0;

	plan->targets = calloc(plan->id_limit + 1, sizeof(*plan->targets));
	if (plan->targets == NULL)
		return -ENOMEM;
	for (uint32_t id = 0; id < plan->id_limit; id++) {
		plan->targets[id].id = id;
		if (b->old != NULL && id < b->old->id_limit)
			plan->targets[id].epoch = b->old->targets[id].epoch;
	}
	for (uint32_t i = 0; i < b->cand_cnt; i++) {
		struct health_target *t = &plan->targets[b->cand[i].id];

		*t = b->cand[i];
		err |= copy_bytes(&t->check.send, t->check.send_len);
		err |= copy_bytes(&t->check.expect, t->check.expect_len);
	}
	plan->target_cnt = b->cand_cnt;
	for (uint32_t e = 0; e < plan->service_first[plan->service_cnt]; e++)
		plan->map[e] = b->cand_of[e] == HEALTH_UNCHECKED ? HEALTH_UNCHECKED
								 : b->cand[b->cand_of[e]].id;
	return err == 0 ? 0 : -ENOMEM;
}

static int builder_init(struct builder *b, const struct health_registry *reg, uint32_t entries)
{
	uint32_t buckets = (uint32_t)pow2_at_least(2 * (uint64_t)entries + 2);

	b->old = reg->current;
	b->table_mask = buckets - 1;
	b->cand = malloc((entries + (size_t)1) * sizeof(*b->cand));
	b->cand_of = malloc((entries + (size_t)1) * sizeof(*b->cand_of));
	b->table = calloc(buckets, sizeof(*b->table));
	b->claimed = calloc(b->old == NULL ? 1 : b->old->id_limit + 1, sizeof(*b->claimed));
	return b->cand && b->cand_of && b->table && b->claimed ? 0 : -ENOMEM;
}

static void builder_fini(struct builder *b)
{
	free(b->cand);
	free(b->cand_of);
	free(b->table);
	free(b->claimed);
}

static int build(struct builder *b, const struct config *cfg, struct health_plan *plan)
{
	int err = collect(b, cfg, plan);

	if (err < 0)
		return err;
	keep_equal_targets(b);
	err = keep_edited_targets(b);
	if (err < 0)
		return err;
	plan->id_limit = give_new_ids(b);
	return fill_slots(b, plan);
}

int health_plan_create(
	const struct health_registry *reg, const struct config *cfg, struct health_plan **out)
{
	struct health_plan *plan = calloc(1, sizeof(*plan));
	struct builder b = {0};
	uint32_t entries = 0;
	int err = -ENOMEM;

	*out = NULL;
	for (uint32_t s = 0; s < group_cnt(cfg); s++) {
		struct config_service tmp;

		entries += group(cfg, s, &tmp)->backend_cnt;
	}
	if (plan == NULL)
		return -ENOMEM;
	plan->service_cnt = group_cnt(cfg);
	plan->service_first = calloc(group_cnt(cfg) + (size_t)1, sizeof(uint32_t));
	plan->map = calloc(entries + (size_t)1, sizeof(uint32_t));
	if (plan->service_first != NULL && plan->map != NULL)
		err = builder_init(&b, reg, entries);
	if (err == 0)
		err = build(&b, cfg, plan);
	builder_fini(&b);
	if (err < 0) {
		health_plan_destroy(plan);
		return err;
	}
	*out = plan;
	return 0;
}

void health_plan_destroy(struct health_plan *plan)
{
	if (plan == NULL)
		return;
	for (uint32_t id = 0; plan->targets != NULL && id < plan->id_limit; id++) {
		free(plan->targets[id].check.send);
		free(plan->targets[id].check.expect);
	}
	free(plan->targets);
	free(plan->service_first);
	free(plan->map);
	free(plan);
}

struct health_plan *health_registry_commit(struct health_registry *reg, struct health_plan *plan)
{
	struct health_plan *before = reg->current;

	ASSERT(plan != NULL && plan != before);
	reg->current = plan;
	return before;
}

const struct health_target *health_plan_target(
	const struct health_plan *plan, uint32_t service, uint32_t backend)
{
	uint32_t entry;

	ASSERT(service < plan->service_cnt);
	entry = plan->service_first[service] + backend;
	ASSERT(entry < plan->service_first[service + 1]);
	return plan->map[entry] == HEALTH_UNCHECKED ? NULL : &plan->targets[plan->map[entry]];
}
