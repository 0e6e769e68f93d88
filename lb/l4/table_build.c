/* SPDX-License-Identifier: Apache-2.0
 * From a configuration to a table, in two halves: first the registry learns the configuration
 * (numbers, and the life of every backend), then the table is laid out from the registry, so that
 * what was removed but still carries flows is in it like everything else. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/assert.h"
#include "dataplane/base/time.h"
#include "lb/l4/registry_pvt.h"

struct builder {
	const struct l4_build *in;
	const struct config *cfg;
	struct l4_registry *reg;
	struct l4_table *t;
	struct l4_build_report *rep;
	uint16_t *service_ids;         /* of cfg->services[i] */
	uint32_t **service_members;    /* numbers of cfg->services[i].backends[] */
	struct idmap set_map, acl_map; /* digest -> index into sets, acls */
	struct l4_sched_set **sets;
	struct l4_acl **acls;
	uint32_t set_cnt, acl_cnt, member_id_cnt, local_id_cnt;
	uint8_t held; /* ADDR_TABLES in which removed backends may still have flows */
};

/* ---- the registry learns the configuration ---- */

static uint32_t ticks(uint64_t ns)
{
	uint64_t t = ns >> L4_TICK_SHIFT;

	if (t > INT32_MAX)
		return INT32_MAX;
	return t == 0 ? 1 : (uint32_t)t;
}

static void count_life(struct l4_build_report *rep, uint8_t before, uint8_t after)
{
	if (before == after)
		return;
	rep->backends_up += after == L4_MEMBER_UP && before != L4_MEMBER_FREE;
	rep->backends_down += after == L4_MEMBER_DOWN;
	rep->backends_removed += after == L4_MEMBER_REMOVED;
}

static int learn_member(struct builder *b, uint32_t s, uint32_t i)
{
	const struct config_service *cs = &b->cfg->services[s];
	struct config_backend adjusted = cs->backends[i];
	const struct config_backend *cb = &adjusted;
	const struct l4_build *in = b->in;
	struct l4_life_input life = {
		.present = true,
		.healthy = in->health_up == NULL || in->health_up(in->health_ctx, s, i),
		.removal_reset = cs->removal == L4_REMOVE_RESET,
		.drain_ns = cs->drain_ns,
	};
	struct reg_member *m;
	uint8_t before;
	uint32_t id;
	bool fresh;
	int err = registry_member(b->reg, b->service_ids[s], cb, cs->mode, &id, &fresh);

	if (err != 0)
		return err;
	if (in->adjust != NULL)
		in->adjust(in->health_ctx, s, i, &adjusted);
	life.drain = cb->drain || cb->weight == 0;
	m = &b->reg->members[id];
	before = m->life.state;
	l4_life_step(&m->life, &life, in->now_ns);
	count_life(b->rep, before, m->life.state);
	b->rep->backends++;
	b->rep->backends_added += fresh;
	b->rep->backends_draining += m->life.state == L4_MEMBER_DRAIN;
	m->run.weight = cb->weight;
	m->run.gue_port_be = __builtin_bswap16(cs->gue_port);
	m->run.flags =
		(uint8_t)((cs->toa ? MEMBER_TOA : 0) | (cs->mss_clamp ? MEMBER_MSS_CLAMP : 0) |
			  (ip_addr_is4(&cb->addr) ? MEMBER_IS4 : 0));
	b->service_members[s][i] = id;
	return 0;
}

static int learn_service(struct builder *b, uint32_t s)
{
	const struct config_service *cs = &b->cfg->services[s];
	struct reg_service *rs = &b->reg->services[b->service_ids[s]];
	uint64_t workers = b->cfg->workers.count;

	rs->removal_reset = cs->removal == L4_REMOVE_RESET;
	rs->drain_ns = cs->drain_ns;
	rs->run = (struct l4_service){
		.born = rs->born,
		.proto = (uint8_t)cs->proto,
		.mode = (uint8_t)cs->mode,
		.scheduler = (uint8_t)cs->scheduler,
		.hash = (uint8_t)(cs->scheduler == L4_SOURCE_HASH ? L4_HASH_SOURCE : cs->hash),
		.all_down = (uint8_t)cs->all_down,
		.flags = (uint8_t)((rs->removal_reset ? SERVICE_RESET : 0) |
				   (cs->allow_cnt + cs->deny_cnt > 0 ? SERVICE_ACL : 0)),
		.conn_limit = cs->conn_limit,
		.backend_conn_limit = cs->backend_conn_limit,
		.timeout =
			{
				[L4_FLOW_SYN] = ticks(cs->timeout_syn_ns),
				[L4_FLOW_SYNACK] = ticks(cs->timeout_syn_ns),
				[L4_FLOW_EST] = ticks(cs->timeout_established_ns),
				[L4_FLOW_FIN] = ticks(cs->timeout_fin_ns),
				[L4_FLOW_CLOSED] = ticks(cs->timeout_fin_ns / 4),
				[L4_FLOW_UDP_ONE] = ticks(cs->timeout_udp_ns),
				[L4_FLOW_UDP] = ticks(cs->timeout_udp_ns),
			},
	};
	if (cs->rate_limit != 0) {
		uint64_t inc = (workers == 0 ? 1 : workers) * NS_PER_SEC / cs->rate_limit;

		rs->run.rate_inc_ns = inc == 0 ? 1 : inc;
	}
	for (int i = 0; i < 2; i++) {
		rs->run.tunnel_source[i] = cs->tunnel_source[i];
		ip_prefix_mask(&rs->run.tunnel_source[i]);
	}
	b->service_members[s] = malloc((cs->backend_cnt + 1) * sizeof(uint32_t));
	if (b->service_members[s] == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < cs->backend_cnt; i++) {
		int err = learn_member(b, s, i);

		if (err != 0)
			return err;
	}
	b->member_id_cnt += cs->backend_cnt;
	return 0;
}

static uint8_t tables_of(uint8_t mode)
{
	if (!mode_is_nat(mode))
		return ADDR_FORWARD;
	return mode == L4_NAT ? ADDR_NAT | ADDR_MEET : ADDR_NAT;
}

static int learn_vip(struct builder *b, const struct config_service *cs, const struct ip_addr *vip)
{
	struct reg_addr *a;
	uint16_t id;
	bool again;
	int err = registry_vip(b->reg, vip, &id);

	if (err != 0)
		return err;
	a = &b->reg->vips[id];
	again = a->learned == b->reg->generation;
	a->learned = b->reg->generation;
	a->tables = (uint8_t)((again ? a->tables : 0) | tables_of((uint8_t)cs->mode));
	a->removal_reset = (again && a->removal_reset) || cs->removal == L4_REMOVE_RESET;
	/* 0 is no deadline, and the longest. */
	if (!again || cs->drain_ns == 0 || (a->drain_ns != 0 && cs->drain_ns > a->drain_ns))
		a->drain_ns = cs->drain_ns;
	a->end_ns = UINT64_MAX;
	a->removed = false;
	return 0;
}

/* Flows on a removed VIP end as those of a removed backend do. */
static void learn_removed_vips(struct builder *b)
{
	struct l4_registry *r = b->reg;
	uint64_t now_ns = b->in->now_ns;

	for (uint32_t id = 0; id < r->vip_ids.high; id++) {
		struct reg_addr *a = &r->vips[id];

		if (!a->used || a->removed || a->seen == r->generation)
			continue;
		a->removed = true;
		if (a->removal_reset)
			a->end_ns = now_ns;
		else if (a->drain_ns != 0 && a->drain_ns < UINT64_MAX - now_ns)
			a->end_ns = now_ns + a->drain_ns;
	}
}

/* What the configuration no longer has: its backends go on to REMOVED. */
static void learn_removals(struct builder *b)
{
	struct l4_registry *r = b->reg;

	for (uint32_t id = 0; id < r->service_ids.high; id++) {
		struct reg_service *s = &r->services[id];

		if (!s->used || s->seen == r->generation)
			continue;
		b->rep->services_removed += !(s->run.flags & SERVICE_REMOVED);
		s->run.flags |= SERVICE_REMOVED;
	}
	for (uint32_t id = 0; id < registry_member_high(r); id++) {
		struct reg_member *m = &r->members[id];
		const struct reg_service *s = &r->services[m->run.service];
		struct l4_life_input life = {
			.removal_reset = s->removal_reset,
			.drain_ns = s->drain_ns,
		};
		uint8_t before = m->life.state;

		if (before != L4_MEMBER_FREE && m->seen != r->generation) {
			l4_life_step(&m->life, &life, b->in->now_ns);
			count_life(b->rep, before, m->life.state);
			b->rep->removed_held++;
			b->held |= tables_of(m->run.mode);
		}
		m->run.state = m->life.state;
		m->run.end_ns = m->life.end_ns;
		m->run.flags = (uint8_t)(m->life.reset ? m->run.flags | MEMBER_END_RESET
						       : m->run.flags & ~MEMBER_END_RESET);
	}
}

/* How well a port leads to a: one more than the length of the best prefix, on-link or routed; 0:
 * not at all. */
static uint32_t leads_to(const struct config_port *p, const struct ip_addr *a)
{
	uint32_t best = 0;

	for (uint32_t i = 0; i < p->address_cnt; i++)
		if (ip_prefix_match(&p->addresses[i], a) && p->addresses[i].len + 1u > best)
			best = p->addresses[i].len + 1u;
	for (uint32_t i = 0; i < p->route_cnt; i++)
		if (ip_prefix_match(&p->routes[i].to, a) && p->routes[i].to.len + 1u > best)
			best = p->routes[i].to.len + 1u;
	return best;
}

/* Does any of the service's backends lie behind this port? */
static bool port_has_backends(
	const struct config *cfg, const struct config_service *cs, const struct config_port *p)
{
	for (uint32_t i = 0; i < cs->backend_cnt; i++) {
		uint32_t here = leads_to(p, &cs->backends[i].addr);
		bool best = here > 0;

		for (uint32_t k = 0; k < cfg->port_cnt && best; k++)
			best = leads_to(&cfg->ports[k], &cs->backends[i].addr) <= here;
		if (best)
			return true;
	}
	return false;
}

/* Full NAT sources of a service: its own list, or else the addresses of the ports its backends lie
 * behind, or else of all ports. Calls fn for each; stops at an error. */
static int each_local(struct builder *b, const struct config_service *cs,
	int (*fn)(struct builder *b, const struct ip_addr *a, void *ctx), void *ctx)
{
	bool any = false;
	int err = 0;

	for (uint32_t i = 0; err == 0 && i < cs->local_addr_cnt; i++)
		err = fn(b, &cs->local_addrs[i], ctx);
	if (cs->local_addr_cnt > 0)
		return err;
	for (uint32_t p = 0; p < b->cfg->port_cnt; p++)
		any = any || port_has_backends(b->cfg, cs, &b->cfg->ports[p]);
	for (uint32_t p = 0; p < b->cfg->port_cnt; p++) {
		const struct config_port *cp = &b->cfg->ports[p];

		if (any && !port_has_backends(b->cfg, cs, cp))
			continue;
		for (uint32_t i = 0; err == 0 && i < cp->address_cnt; i++)
			err = fn(b, &cp->addresses[i].addr, ctx);
	}
	return err;
}

struct local_count {
	uint32_t cnt;
	bool is4;
};

static int count_local(struct builder *b, const struct ip_addr *a, void *ctx)
{
	struct local_count *n = ctx;

	(void)b;
	n->cnt += ip_addr_is4(a) == n->is4;
	return 0;
}

uint32_t l4_service_locals(const struct config *cfg, const struct config_service *cs, bool is4)
{
	struct builder b = {.cfg = cfg};
	struct local_count n = {0, is4};

	(void)each_local(&b, cs, count_local, &n);
	return n.cnt;
}

static int learn_local(struct builder *b, const struct ip_addr *a, void *ctx)
{
	uint16_t id;

	(void)ctx;
	b->local_id_cnt++;
	return registry_local(b->reg, a, &id);
}

static int learn(struct builder *b)
{
	const struct config *cfg = b->cfg;
	int err;

	b->reg->generation++;
	err = registry_services(b->reg, cfg, b->service_ids, &b->rep->services_added);
	for (uint32_t s = 0; err == 0 && s < cfg->service_cnt; s++) {
		const struct config_service *cs = &cfg->services[s];

		for (uint32_t v = 0; err == 0 && v < cs->vip_cnt; v++)
			err = learn_vip(b, cs, &cs->vips[v]);
		if (err == 0 && cs->mode == L4_FULLNAT)
			err = each_local(b, cs, learn_local, NULL);
		if (err == 0)
			err = learn_service(b, s);
	}
	if (err != 0)
		return err;
	learn_removals(b);
	learn_removed_vips(b);
	return 0;
}

/* ---- the table is laid out ---- */

static void *room(struct builder *b, size_t cnt, size_t size)
{
	size_t len = ROUND_UP(cnt * size + CACHE_LINE, CACHE_LINE);
	void *p = aligned_alloc(CACHE_LINE, len);

	if (p != NULL)
		memset(p, 0, len);
	b->t->bytes += len;
	return p;
}

static uint32_t addr_capacity(const struct builder *b)
{
	uint64_t n = b->t->vip_cnt + b->t->local_cnt;

	for (uint32_t i = 0; i < b->t->member_cnt; i++)
		n += b->reg->members[i].run.mode == L4_NAT;
	return (uint32_t)pow2_at_least(2 * n + 2);
}

static int lay_out(struct builder *b)
{
	struct l4_table *t = b->t;
	uint32_t ranges = 0;

	for (uint32_t s = 0; s < b->cfg->service_cnt; s++)
		ranges += b->cfg->services[s].vip_cnt;
	t->vip_cnt = b->reg->vip_ids.high;
	t->local_cnt = b->reg->local_ids.high;
	t->service_cnt = b->reg->service_ids.high;
	t->member_cnt = registry_member_high(b->reg);
	t->addr_mask = addr_capacity(b) - 1;
	t->addrs = room(b, t->addr_mask + 1, sizeof(*t->addrs));
	t->members = room(b, t->member_cnt, sizeof(*t->members));
	t->vips = room(b, t->vip_cnt, sizeof(*t->vips));
	t->ranges = room(b, ranges, sizeof(*t->ranges));
	t->services = room(b, t->service_cnt, sizeof(*t->services));
	t->locals = room(b, t->local_cnt, sizeof(*t->locals));
	t->local_ids = room(b, b->local_id_cnt, sizeof(*t->local_ids));
	t->member_ids = room(b, b->member_id_cnt, sizeof(*t->member_ids));
	t->service_names = room(b, t->service_cnt, sizeof(*t->service_names));
	if (t->addrs == NULL || t->members == NULL || t->vips == NULL || t->ranges == NULL ||
		t->services == NULL || t->locals == NULL || t->local_ids == NULL ||
		t->member_ids == NULL || t->service_names == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < t->member_cnt; i++)
		t->members[i] = b->reg->members[i].run;
	for (uint32_t i = 0; i < t->local_cnt; i++)
		t->locals[i] = b->reg->locals[i].addr;
	for (uint32_t i = 0; i < t->service_cnt; i++) {
		const struct reg_service *s = &b->reg->services[i];

		t->services[i] = s->run;
		t->services[i].flags |= s->used ? 0 : SERVICE_REMOVED;
		if (s->used && s->seen == b->reg->generation)
			memcpy(t->service_names[i], s->name, LIMIT_NAME);
	}
	return 0;
}

struct pick {
	struct maglev_node node;
	uint32_t id;
};

static int by_node(const void *a, const void *b)
{
	return sched_node_compare(&((const struct pick *)a)->node, &((const struct pick *)b)->node);
}

/* Backends in one state, sorted and each once. */
static uint32_t collect(
	const struct builder *b, uint32_t s, enum l4_member_state state, struct pick *out)
{
	const struct config_service *cs = &b->cfg->services[s];
	uint32_t n = 0, kept = 0;

	for (uint32_t i = 0; i < cs->backend_cnt; i++) {
		uint32_t id = b->service_members[s][i];
		const struct l4_member *m = &b->t->members[id];

		if (m->state == state)
			out[n++] = (struct pick){
				.node = {.addr = m->addr,
					.port_be = m->port_be,
					.weight = m->weight},
				.id = id,
			};
	}
	qsort(out, n, sizeof(*out), by_node);
	for (uint32_t i = 0; i < n; i++)
		if (i == 0 || out[i].id != out[i - 1].id)
			out[kept++] = out[i];
	return kept;
}

static struct ip_addr digest_key(uint64_t a, uint64_t b)
{
	struct ip_addr k;

	k.d[0] = a;
	k.d[1] = b;
	return k;
}

/* A set that answers: one of this generation or the last, or a new one. The caller owns a
 * reference. */
static int set_get(struct builder *b, const struct siphash_key *key, const struct sched_ask *ask,
	struct l4_sched_set **out)
{
	uint64_t digest = sched_ask_digest(key, ask);
	struct ip_addr k = digest_key(digest, 0);
	uint32_t i = idmap_get(&b->set_map, &k, 0);
	int err;

	if (i != IDMAP_NONE && sched_set_answers(b->sets[i], digest, ask)) {
		*out = b->sets[i];
		b->sets[i]->refs++;
		b->rep->sets_shared++;
		return 0;
	}
	err = sched_set_create(key, digest, ask, out);
	if (err != 0)
		return err;
	b->rep->sets_built++;
	b->t->bytes += (*out)->bytes;
	b->sets[b->set_cnt] = *out;
	return i == IDMAP_NONE ? idmap_set(&b->set_map, &k, 0, b->set_cnt++) : 0;
}

/* Untracked and mid-flow packets of the forward modes follow the hash under every scheduler, so
 * that only the NAT modes can do without a Maglev table. */
static bool wants_maglev(const struct config_service *cs)
{
	return cs->scheduler == L4_MAGLEV || cs->scheduler == L4_SOURCE_HASH ||
	       !mode_is_nat((uint8_t)cs->mode);
}

static int fill_service(struct builder *b, uint32_t s, uint32_t *first, struct pick *picks,
	struct maglev_node *nodes)
{
	const struct config_service *cs = &b->cfg->services[s];
	struct siphash_key key = {b->cfg->l4.hash_seed[0], b->cfg->l4.hash_seed[1]};
	struct l4_service *run = &b->t->services[b->service_ids[s]];
	struct sched_ask ask = {
		.nodes = nodes,
		.maglev_size = wants_maglev(cs) ? cs->maglev_size : 0,
		.wrr = cs->scheduler == L4_WRR,
	};

	ask.node_cnt = collect(b, s, L4_MEMBER_UP, picks);
	if (ask.node_cnt == 0 && cs->all_down == L4_DOWN_SPRAY)
		ask.node_cnt = collect(b, s, L4_MEMBER_DOWN, picks);
	run->members = &b->t->member_ids[*first];
	run->member_cnt = ask.node_cnt;
	for (uint32_t i = 0; i < ask.node_cnt; i++) {
		nodes[i] = picks[i].node;
		b->t->member_ids[*first + i] = picks[i].id;
		b->t->members[picks[i].id].flags |= MEMBER_CHOSEN;
	}
	*first += ask.node_cnt;
	return ask.node_cnt == 0 ? 0 : set_get(b, &key, &ask, &run->set);
}

static int acl_create(
	const struct config_service *cs, const uint64_t digest[2], struct l4_acl **out)
{
	struct l4_acl *a = calloc(1, sizeof(*a));
	int err = -ENOMEM;

	*out = NULL;
	if (a == NULL)
		return -ENOMEM;
	a->refs = 1;
	memcpy(a->digest, digest, sizeof(a->digest));
	if (prefix_set_create(cs->allow, cs->allow_cnt, &a->allow) == 0)
		err = prefix_set_create(cs->deny, cs->deny_cnt, &a->deny);
	if (err != 0) {
		prefix_set_destroy(a->allow);
		free(a);
		return err;
	}
	*out = a;
	return 0;
}

static uint64_t prefixes_digest(
	const struct siphash_key *key, const struct ip_prefix *p, uint32_t cnt)
{
	uint64_t h = cnt;

	for (uint32_t i = 0; i < cnt; i++) {
		uint64_t word[4] = {h, p[i].addr.d[0], p[i].addr.d[1], p[i].len};

		h = siphash24(key, word, sizeof(word));
	}
	return h;
}

static int fill_acl(struct builder *b, uint32_t s)
{
	const struct config_service *cs = &b->cfg->services[s];
	struct l4_service *run = &b->t->services[b->service_ids[s]];
	uint64_t digest[2];
	struct ip_addr k;
	uint32_t i;
	int err;

	if (cs->allow_cnt + cs->deny_cnt == 0)
		return 0;
	digest[0] = prefixes_digest(&b->reg->name_key[0], cs->allow, cs->allow_cnt);
	digest[1] = prefixes_digest(&b->reg->name_key[1], cs->deny, cs->deny_cnt);
	k = digest_key(digest[0], digest[1]);
	i = idmap_get(&b->acl_map, &k, 0);
	if (i != IDMAP_NONE) {
		run->acl = b->acls[i];
		run->acl->refs++;
		return 0;
	}
	err = acl_create(cs, digest, &run->acl);
	if (err != 0)
		return err;
	b->acls[b->acl_cnt] = run->acl;
	return idmap_set(&b->acl_map, &k, 0, b->acl_cnt++);
}

/* Make the last generation's shared parts known. */
static int recall(struct builder *b)
{
	const struct l4_table *prev = b->in->prev;
	uint32_t max = b->cfg->service_cnt + (prev == NULL ? 0 : prev->service_cnt) + 1;
	int err = 0;

	b->sets = calloc(max, sizeof(struct l4_sched_set *));
	b->acls = calloc(max, sizeof(struct l4_acl *));
	if (b->sets == NULL || b->acls == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; prev != NULL && err == 0 && i < prev->service_cnt; i++) {
		struct l4_sched_set *set = prev->services[i].set;
		struct l4_acl *acl = prev->services[i].acl;
		struct ip_addr k;

		if (set != NULL) {
			k = digest_key(set->digest, 0);
			b->sets[b->set_cnt] = set;
			err = idmap_set(&b->set_map, &k, 0, b->set_cnt++);
		}
		if (err == 0 && acl != NULL) {
			k = digest_key(acl->digest[0], acl->digest[1]);
			b->acls[b->acl_cnt] = acl;
			err = idmap_set(&b->acl_map, &k, 0, b->acl_cnt++);
		}
	}
	return err;
}

static int fill_services(struct builder *b)
{
	struct pick *picks = malloc((LIMIT_SERVICE_BACKENDS + 1) * sizeof(*picks));
	struct maglev_node *nodes = calloc(LIMIT_SERVICE_BACKENDS + 1, sizeof(*nodes));
	uint32_t first = 0;
	int err = picks == NULL || nodes == NULL ? -ENOMEM : recall(b);

	for (uint32_t s = 0; err == 0 && s < b->cfg->service_cnt; s++) {
		if (b->cfg->services[s].backend_cnt > LIMIT_SERVICE_BACKENDS)
			err = -EINVAL;
		if (err == 0)
			err = fill_service(b, s, &first, picks, nodes);
		if (err == 0)
			err = fill_acl(b, s);
	}
	free(picks);
	free(nodes);
	return err;
}

struct family {
	uint32_t at;
	bool is4;
};

static int fill_local(struct builder *b, const struct ip_addr *a, void *ctx)
{
	struct family *f = ctx;

	if (ip_addr_is4(a) == f->is4)
		b->t->local_ids[f->at++] = (uint16_t)idmap_get(&b->reg->local_map, a, 0);
	return 0;
}

/* The service's local addresses of one family into local_ids; returns where the next may go. */
static uint32_t fill_family(struct builder *b, const struct config_service *cs, uint32_t at,
	bool is4, uint32_t *first, uint16_t *cnt)
{
	struct family f = {.at = at, .is4 = is4};
	int err = each_local(b, cs, fill_local, &f);

	ASSERT(err == 0);
	*first = at;
	*cnt = (uint16_t)(f.at - at);
	return f.at;
}

static void fill_locals(struct builder *b)
{
	uint32_t at = 0;

	for (uint32_t s = 0; s < b->cfg->service_cnt; s++) {
		const struct config_service *cs = &b->cfg->services[s];
		struct l4_service *run = &b->t->services[b->service_ids[s]];

		if (cs->mode != L4_FULLNAT)
			continue;
		at = fill_family(b, cs, at, true, &run->local4_first, &run->local4_cnt);
		at = fill_family(b, cs, at, false, &run->local6_first, &run->local6_cnt);
	}
}

struct placed_range {
	uint32_t vip;
	struct l4_range range;
};

static int by_place(const void *pa, const void *pb)
{
	const struct placed_range *a = pa, *b = pb;

	if (a->vip != b->vip)
		return a->vip < b->vip ? -1 : 1;
	if (a->range.proto != b->range.proto)
		return (int)a->range.proto - (int)b->range.proto;
	return (int)a->range.lo - (int)b->range.lo;
}

static int fill_ranges(struct builder *b)
{
	struct l4_table *t = b->t;
	struct placed_range *p;
	uint32_t n = 0;

	for (uint32_t s = 0; s < b->cfg->service_cnt; s++)
		n += b->cfg->services[s].vip_cnt;
	p = malloc((n + 1) * sizeof(*p));
	if (p == NULL)
		return -ENOMEM;
	n = 0;
	for (uint32_t s = 0; s < b->cfg->service_cnt; s++) {
		const struct config_service *cs = &b->cfg->services[s];

		for (uint32_t v = 0; v < cs->vip_cnt; v++)
			p[n++] = (struct placed_range){
				.vip = idmap_get(&b->reg->vip_map, &cs->vips[v], 0),
				.range = {.lo = cs->port_lo,
					.hi = cs->port_hi,
					.service = b->service_ids[s],
					.proto = (uint8_t)cs->proto},
			};
	}
	qsort(p, n, sizeof(*p), by_place);
	for (uint32_t i = 0; i < n; i++) {
		struct l4_vip *v = &t->vips[p[i].vip];

		t->ranges[i] = p[i].range;
		if (v->range_cnt++ == 0) {
			v->range_first = i;
			b->rep->vips++;
		}
	}
	t->range_cnt = n;
	free(p);
	return 0;
}

static struct l4_addr_slot *addr_add(struct l4_table *t, const struct ip_addr *a)
{
	uint32_t i = addr_home(t, a);

	for (; t->addrs[i].flags != 0; i = (i + 1) & t->addr_mask)
		if (ip_addr_eq(&t->addrs[i].addr, a))
			return &t->addrs[i];
	t->addrs[i] = (struct l4_addr_slot){
		.addr = *a, .vip = L4_NONE16, .local = L4_NONE16, .flags = ADDR_USED};
	return &t->addrs[i];
}

static void fill_addrs(struct builder *b)
{
	struct l4_table *t = b->t;

	for (uint32_t v = 0; v < t->vip_cnt; v++) {
		const struct reg_addr *a = &b->reg->vips[v];
		struct l4_addr_slot *slot;

		/* A removed one stays while it may have flows. */
		if (!a->used)
			continue;
		t->vips[v].addr = a->addr;
		t->vips[v].end_ns = a->end_ns;
		t->vips[v].reset = a->removal_reset;
		t->vips_end |= a->end_ns != UINT64_MAX;
		slot = addr_add(t, &a->addr);
		slot->vip = (uint16_t)v;
		slot->flags |= (uint8_t)(a->tables | b->held | (a->removed ? ADDR_ENDING : 0));
	}
	for (uint32_t i = 0; i < t->local_cnt; i++)
		if (b->reg->locals[i].used)
			addr_add(t, &t->locals[i])->local = (uint16_t)i;
	for (uint32_t i = 0; i < t->member_cnt; i++)
		if (t->members[i].state != L4_MEMBER_FREE && t->members[i].mode == L4_NAT)
			addr_add(t, &t->members[i].addr)->flags |= ADDR_NAT_BACKEND;
}

/* Keys: two from the registry, which last as long as the process, and the cluster's. */
static int fill_keys(struct builder *b)
{
	struct siphash_key seed = {b->cfg->l4.hash_seed[0], b->cfg->l4.hash_seed[1]};
	uint32_t workers = b->cfg->workers.count == 0 ? 1 : b->cfg->workers.count;
	uint16_t lo, hi;

	b->t->addr_key = b->reg->addr_key;
	b->t->owner_key = b->reg->owner_key;
	for (uint64_t i = 0; i < ARRAY_SIZE(b->t->sched_key.k); i++)
		b->t->sched_key.k[i] = siphash24(&seed, &i, sizeof(i));
	l4_flow_ports(b->cfg, &lo, &hi);
	if (lo > hi || workers > (uint32_t)(hi - lo) + 1)
		return -EINVAL;
	l4_port_split_init(&b->t->ports, lo, hi, workers);
	b->t->generation = b->reg->generation;
	return 0;
}

static int build(struct builder *b)
{
	int err = learn(b);

	if (err == 0)
		err = fill_keys(b);
	if (err == 0)
		err = lay_out(b);
	if (err == 0)
		err = fill_services(b);
	if (err == 0)
		err = fill_ranges(b);
	if (err != 0)
		return err;
	fill_locals(b);
	fill_addrs(b);
	b->rep->generation = b->t->generation;
	b->rep->services = b->cfg->service_cnt;
	b->rep->bytes = b->t->bytes;
	return 0;
}

int l4_table_build(const struct l4_build *in, struct l4_table **out, struct l4_build_report *report)
{
	struct builder b = {.in = in, .cfg = in->cfg, .reg = in->registry, .rep = report};
	int err = -ENOMEM;

	*out = NULL;
	*report = (struct l4_build_report){0};
	b.t = calloc(1, sizeof(*b.t));
	b.service_ids = calloc(in->cfg->service_cnt + 1, sizeof(*b.service_ids));
	b.service_members = calloc(in->cfg->service_cnt + 1, sizeof(*b.service_members));
	if (idmap_init(&b.set_map) == 0 && idmap_init(&b.acl_map) == 0 && b.t != NULL &&
		b.service_ids != NULL && b.service_members != NULL)
		err = build(&b);
	for (uint32_t s = 0; b.service_members != NULL && s < in->cfg->service_cnt; s++)
		free(b.service_members[s]);
	free(b.service_members);
	free(b.service_ids);
	free(b.sets);
	free(b.acls);
	idmap_fini(&b.set_map);
	idmap_fini(&b.acl_map);
	if (err != 0) {
		l4_table_free(b.t);
		return err;
	}
	*out = b.t;
	return 0;
}
