/* SPDX-License-Identifier: Apache-2.0
 * Tables of listeners over many configurations, against a naive reading of what LT1 and LT2
 * promise. Listeners and backends come and go under fresh names, so that ids run out and pass on;
 * connections are opened by the table that workers still have, and live as long as they like; some
 * configurations are built and then not adopted, as when a later step of a reload fails. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/assert.h"
#include "dataplane/base/rng.h"
#include "dataplane/net/hdr.h"
#include "lb/l7/table.h"
#include "tests/support/seed.h"

#define STEPS     3000
#define CONNS     400
#define LISTENERS 6
#define BINDS     3
#define BACKENDS  60
#define ADDRS     12
#define LINGER_NS 1000

struct conn {
	bool used;
	uint32_t listener, member; /* ids; member L7_NONE: not a proxy */
	char name[LIMIT_NAME];
	struct ip_addr addr;
	uint16_t port;
	uint64_t epoch, member_epoch;
};

/* A configuration with its own memory. */
struct site {
	struct config cfg;
	struct config_listener listeners[LISTENERS];
	struct config_bind binds[LISTENERS][BINDS];
	struct config_backend backends[LISTENERS][BACKENDS];
	struct ip_addr locals[LISTENERS][2];
	bool up[LISTENERS][BACKENDS];
};

/* What should linger: told from configurations alone. */
struct linger {
	struct ip_addr addr;
	uint16_t port;
	char name[LIMIT_NAME];
	uint64_t until_ns;
};

static struct rng rng;
static struct l7_registry registry;
static struct conn conns[CONNS];
static struct site *cur;
static struct l7_table *table;
static struct linger lingers[1024];
static uint32_t linger_cnt, serial, reused, members_reused, opened;
static uint64_t now_ns = 1000000;

static uint32_t below(uint32_t n)
{
	return (uint32_t)rng_below(&rng, n);
}

static struct ip_addr addr_of(uint32_t i)
{
	return ip_addr_from4(BE32(0x0a000000u + i));
}

static bool in_use(void *ctx, bool member, uint32_t id)
{
	(void)ctx;
	for (int i = 0; i < CONNS; i++)
		if (conns[i].used && (member ? conns[i].member : conns[i].listener) == id)
			return true;
	return false;
}

static bool health_up(void *ctx, uint32_t listener, uint32_t backend)
{
	const struct site *s = ctx;

	return s->up[listener][backend];
}

/* ---- configurations ---- */

static bool bound(const struct site *s, const struct ip_addr *a, uint16_t port)
{
	for (uint32_t i = 0; s != NULL && i < s->cfg.listener_cnt; i++)
		for (uint32_t b = 0; b < s->listeners[i].bind_cnt; b++)
			if (s->binds[i][b].port == port && ip_addr_eq(&s->binds[i][b].addr, a))
				return true;
	return false;
}

static void random_backends(struct site *s, uint32_t i)
{
	struct config_listener *l = &s->listeners[i];
	uint32_t n = below(BACKENDS + 1), first = below(60);

	l->action = LISTENER_TCP_PROXY;
	l->scheduler = below(2) ? LISTENER_WRR : LISTENER_LEAST_CONN;
	l->backends = s->backends[i];
	l->backend_cnt = n;
	for (uint32_t b = 0; b < n; b++) {
		l->backends[b] = (struct config_backend){.addr = addr_of(1000 + first + b),
			.port = (uint16_t)(8080 + below(2)),
			.weight = (uint16_t)below(4),
			.drain = below(10) == 0};
		s->up[i][b] = below(4) != 0;
	}
	l->local_addrs = s->locals[i];
	l->local_addr_cnt = below(3);
	for (uint32_t a = 0; a < l->local_addr_cnt; a++)
		s->locals[i][a] = addr_of(500 + below(3));
}

/* Half of the listeners are those of before, with other backends or without change. */
static struct site *random_site(void)
{
	struct site *s = calloc(1, sizeof(*s));

	ASSERT(s != NULL);
	s->cfg.listeners = s->listeners;
	s->cfg.l4.hash_seed[0] = 1;
	for (uint32_t i = 0; i < below(LISTENERS + 1); i++) {
		struct config_listener *l = &s->listeners[s->cfg.listener_cnt];
		uint32_t at = s->cfg.listener_cnt;

		if (cur != NULL && i < cur->cfg.listener_cnt && below(2))
			strcpy(l->name, cur->listeners[i].name);
		else
			snprintf(l->name, sizeof(l->name), "n%u", serial++);
		l->action = LISTENER_ECHO;
		if (below(3) != 0)
			random_backends(s, at);
		l->binds = s->binds[at];
		for (uint32_t b = 0; b < 1 + below(BINDS); b++) {
			struct config_bind x = {.addr = addr_of(1 + below(ADDRS)),
				.port = (uint16_t)(1 + below(3))};

			s->cfg.listener_cnt = at + 1;
			if (!bound(s, &x.addr, x.port))
				l->binds[l->bind_cnt++] = x;
		}
		s->cfg.listener_cnt = at + (l->bind_cnt > 0);
	}
	return s;
}

/* ---- the reference of lingering ---- */

static void reference_lingers(const struct site *next)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < linger_cnt; i++)
		if (!bound(next, &lingers[i].addr, lingers[i].port))
			lingers[n++] = lingers[i];
	linger_cnt = n;
	for (uint32_t i = 0; cur != NULL && i < cur->cfg.listener_cnt; i++)
		for (uint32_t b = 0; b < cur->listeners[i].bind_cnt; b++) {
			const struct config_bind *x = &cur->binds[i][b];
			bool known = bound(next, &x->addr, x->port);

			for (uint32_t k = 0; k < linger_cnt; k++)
				known |= lingers[k].port == x->port &&
					 ip_addr_eq(&lingers[k].addr, &x->addr);
			if (known)
				continue;
			ASSERT(linger_cnt < ARRAY_SIZE(lingers));
			lingers[linger_cnt] = (struct linger){
				.addr = x->addr, .port = x->port, .until_ns = now_ns + LINGER_NS};
			strcpy(lingers[linger_cnt++].name, cur->listeners[i].name);
		}
}

static bool name_busy(const char *name)
{
	for (int i = 0; i < CONNS; i++)
		if (conns[i].used && strcmp(conns[i].name, name) == 0)
			return true;
	return false;
}

static uint32_t reference_reap(void)
{
	uint32_t n = 0, gone;

	for (uint32_t i = 0; i < linger_cnt; i++)
		if (now_ns < lingers[i].until_ns || name_busy(lingers[i].name))
			lingers[n++] = lingers[i];
	gone = linger_cnt - n;
	linger_cnt = n;
	return gone;
}

/* ---- what a table must be ---- */

static const struct linger *lingering(const struct ip_addr *a, uint16_t port)
{
	for (uint32_t i = 0; i < linger_cnt; i++)
		if (lingers[i].port == port && ip_addr_eq(&lingers[i].addr, a))
			return &lingers[i];
	return NULL;
}

static void check_endpoints(const struct site *s, const struct l7_table *t)
{
	uint32_t found = 0;

	for (uint32_t a = 0; a <= ADDRS + 1; a++) {
		struct ip_addr addr = addr_of(a);
		bool any = false;

		for (uint16_t port = 0; port <= 4; port++) {
			const struct l7_endpoint *e = l7_table_find(t, &addr, BE16(port));
			bool is = bound(s, &addr, port);

			ASSERT((e != NULL) == (is || lingering(&addr, port) != NULL));
			any |= e != NULL;
			if (e == NULL)
				continue;
			found++;
			ASSERT(e->accepting == is && e->port == BE16(port));
			ASSERT(strcmp(registry.listeners[e->listener].name,
				       is ? t->by_id[e->listener]->cfg->name
					  : lingering(&addr, port)->name) == 0);
		}
		ASSERT(l7_table_owns(t, &addr) == any);
	}
	ASSERT(t->endpoint_cnt == found);
}

static void check_set(const struct site *s, const struct l7_listener *l, uint32_t i)
{
	const struct config_listener *c = l->cfg;
	uint32_t n = 0;

	if (c->action != LISTENER_TCP_PROXY) {
		ASSERT(l->rest.set == NULL);
		return;
	}
	for (uint32_t b = 0; b < c->backend_cnt; b++) {
		const struct config_backend *be = &c->backends[b];
		uint32_t hits = 0;

		for (uint32_t k = 0; k < l->rest.set->node_cnt; k++)
			hits += l->rest.set->nodes[k].port_be == BE16(be->port) &&
				ip_addr_eq(&l->rest.set->nodes[k].addr, &be->addr) &&
				l->rest.set->nodes[k].weight == be->weight;
		ASSERT(hits == (be->weight > 0 && !be->drain && s->up[i][b]));
		n += hits;
	}
	ASSERT(n == l->rest.set->node_cnt);
	for (uint32_t k = 0; k < n; k++) {
		uint32_t id = l->rest.members[k];

		ASSERT(id < L7_MEMBERS && registry.members[id].used);
		ASSERT(registry.members[id].listener == l->id);
		ASSERT(registry.members[id].port == l->rest.set->nodes[k].port_be &&
			ip_addr_eq(&registry.members[id].addr, &l->rest.set->nodes[k].addr));
	}
}

static void check_locals(const struct site *s, const struct l7_table *t)
{
	for (uint32_t a = 499; a < 505; a++) {
		struct ip_addr addr = addr_of(a);
		bool want = false;

		for (uint32_t i = 0; i < s->cfg.listener_cnt; i++)
			for (uint32_t k = 0; k < s->listeners[i].local_addr_cnt; k++)
				want |= ip_addr_eq(&s->locals[i][k], &addr);
		ASSERT(l7_table_local(t, &addr) == want);
	}
}

/* LT1, from the side of each connection that lives. */
static void check_conns(const struct l7_table *t)
{
	for (int i = 0; i < CONNS; i++) {
		const struct conn *c = &conns[i];
		const struct l7_listener *l;

		if (!c->used)
			continue;
		ASSERT(strcmp(registry.listeners[c->listener].name, c->name) == 0);
		ASSERT(registry.listeners[c->listener].epoch == c->epoch);
		l = t->by_id[c->listener];
		ASSERT(l == NULL || (strcmp(l->cfg->name, c->name) == 0 && l->epoch == c->epoch));
		if (c->member == L7_NONE)
			continue;
		ASSERT(registry.members[c->member].listener == c->listener);
		ASSERT(registry.members[c->member].port == c->port &&
			ip_addr_eq(&registry.members[c->member].addr, &c->addr));
		ASSERT(t->member_epoch[c->member] == c->member_epoch);
	}
}

/* An id that means something else has another epoch, in whatever table it appears. */
static void check_epochs(const struct l7_table *t)
{
	static struct {
		char name[LIMIT_NAME];
		uint32_t epoch;
	} said[LIMIT_LISTENERS];
	static struct {
		struct ip_addr addr;
		uint32_t epoch, listener_epoch;
		uint16_t port;
	} member[L7_MEMBERS];

	for (uint32_t i = 0; i < t->listener_cnt; i++) {
		const struct l7_listener *l = &t->listeners[i];

		if (strcmp(said[l->id].name, l->cfg->name) != 0) {
			ASSERT(said[l->id].epoch != l->epoch);
			reused += said[l->id].epoch != 0;
			strcpy(said[l->id].name, l->cfg->name);
		} else {
			ASSERT(said[l->id].epoch == l->epoch);
		}
		said[l->id].epoch = l->epoch;
		for (uint32_t n = 0; l->rest.set != NULL && n < l->rest.set->node_cnt; n++) {
			uint32_t id = l->rest.members[n], epoch = t->member_epoch[id];
			bool same = member[id].port == l->rest.set->nodes[n].port_be &&
				    ip_addr_eq(&member[id].addr, &l->rest.set->nodes[n].addr) &&
				    member[id].listener_epoch == (l->epoch << 8 | l->id);

			ASSERT(same == (member[id].epoch == epoch));
			members_reused += !same && member[id].epoch != 0;
			member[id].addr = l->rest.set->nodes[n].addr;
			member[id].port = l->rest.set->nodes[n].port_be;
			member[id].epoch = epoch;
			member[id].listener_epoch = l->epoch << 8 | l->id;
		}
	}
}

/* ---- steps ---- */

static int build(const struct site *s, struct l7_table **out)
{
	struct l7_build in = {.cfg = &s->cfg,
		.registry = &registry,
		.health_up = health_up,
		.health_ctx = (void *)(uintptr_t)s,
		.in_use = in_use,
		.prev = table,
		.now_ns = now_ns,
		.linger_ns = LINGER_NS};

	return l7_table_build(&in, out);
}

static void open_conn(void)
{
	struct conn *c = &conns[below(CONNS)];
	const struct l7_listener *l;

	if (c->used || table == NULL || table->listener_cnt == 0)
		return;
	l = &table->listeners[below(table->listener_cnt)];
	*c = (struct conn){.used = true, .listener = l->id, .epoch = l->epoch, .member = L7_NONE};
	strcpy(c->name, l->cfg->name);
	opened++;
	if (l->rest.set == NULL || l->rest.set->node_cnt == 0)
		return;
	uint32_t n = below(l->rest.set->node_cnt);

	c->member = l->rest.members[n];
	c->addr = l->rest.set->nodes[n].addr;
	c->port = l->rest.set->nodes[n].port_be;
	c->member_epoch = table->member_epoch[c->member];
}

static void reconfigure(void)
{
	struct site *next = random_site();
	struct l7_table *t;
	int rc;

	reference_lingers(next);
	rc = build(next, &t);
	if (rc != 0) {
		/* Only when ids are all in use, which so few connections cannot bring about. */
		ASSERT(rc == 0);
	}
	check_endpoints(next, t);
	for (uint32_t i = 0; i < next->cfg.listener_cnt; i++) {
		ASSERT(t->by_id[t->listeners[i].id] == &t->listeners[i]);
		check_set(next, &t->listeners[i], i);
	}
	check_locals(next, t);
	check_conns(t);
	/* Between this and the adoption, workers go on by the table of before. */
	for (uint32_t k = below(8); k > 0; k--)
		open_conn();
	check_conns(t);
	if (table != NULL)
		check_conns(table);
	if (below(5) == 0) {
		l7_table_free(t);
		free(next);
		return;
	}
	check_epochs(t);
	l7_table_free(table);
	free(cur);
	table = t;
	cur = next;
}

static void reap(void)
{
	struct l7_build in = {.registry = &registry, .in_use = in_use, .now_ns = now_ns};

	ASSERT(l7_registry_reap(&registry, &in) == reference_reap());
	ASSERT(registry.linger_cnt == linger_cnt);
}

int main(void)
{
	rng_seed(&rng, test_seed());
	for (uint32_t step = 0; step < STEPS; step++) {
		now_ns += below(400);
		reconfigure();
		for (uint32_t k = below(8); k > 0; k--)
			open_conn();
		for (uint32_t k = below(8); k > 0; k--)
			conns[below(CONNS)].used = false;
		/* Now and then most of them end. */
		for (int i = 0; below(100) == 0 && i < CONNS; i++)
			conns[i].used = false;
		if (below(3) == 0)
			reap();
	}
	printf("l7_table: %u configurations, %u connections, %u listener ids and %u member ids "
	       "passed on\n",
		STEPS, opened, reused, members_reused);
	ASSERT(reused > 100 && members_reused > 100);
	l7_table_free(table);
	free(cur);
	printf("1 passed, 0 failed, 0 skipped\n");
	return 0;
}
