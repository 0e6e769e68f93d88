/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/l4_rig.h"

#include <stdlib.h>
#include <string.h>

#include "dataplane/base/assert.h"
#include "dataplane/base/time.h"
#include "lb/l4/worker_pvt.h"

void rig_init_conf(struct l4_rig *rig, uint32_t workers, const struct l4_worker_conf *conf)
{
	memset(rig, 0, sizeof(*rig));
	ASSERT(workers <= RIG_WORKERS);
	l4_cfg_init(&rig->cfg, workers);
	rig->worker_cnt = workers;
	rig->now_ns = 1000 * NS_PER_SEC;
	ASSERT(l4_registry_create(&rig->registry) == 0);
	for (uint32_t i = 0; i < workers; i++) {
		struct l4_worker_conf c = *conf;

		c.index = i;
		c.workers = workers;
		ASSERT(l4_worker_create(&c, &rig->workers[i]) == 0);
	}
}

void rig_init(struct l4_rig *rig, uint32_t workers, uint32_t flows)
{
	struct l4_worker_conf conf = {.flows = flows, .nat_flows = flows};

	rig_init_conf(rig, workers, &conf);
}

void rig_apply(struct l4_rig *rig)
{
	struct l4_table *old = rig->table;
	struct l4_build in = {
		.cfg = &rig->cfg.cfg,
		.registry = rig->registry,
		.health_up = rig->health,
		.health_ctx = rig->health_ctx,
		.prev = old,
		.now_ns = rig->now_ns,
	};

	ASSERT(l4_table_build(&in, &rig->table, &rig->report) == 0);
	for (uint32_t i = 0; i < rig->worker_cnt; i++)
		l4_worker_set_table(rig->workers[i], rig->table, rig->now_ns);
	l4_table_free(old);
}

uint32_t rig_reap(struct l4_rig *rig)
{
	struct l4_usage usage[RIG_WORKERS];

	for (uint32_t i = 0; i < rig->worker_cnt; i++)
		l4_worker_usage(rig->workers[i], &usage[i]);
	return l4_registry_reap(rig->registry, usage, rig->worker_cnt);
}

void rig_fini(struct l4_rig *rig)
{
	for (uint32_t i = 0; i < rig->worker_cnt; i++)
		l4_worker_destroy(rig->workers[i]);
	l4_table_free(rig->table);
	l4_registry_destroy(rig->registry);
	l4_cfg_fini(&rig->cfg);
}

enum reason rig_decide(struct l4_rig *rig, const struct pkt_meta *m, struct l4_verdict *v)
{
	return l4_decide(rig->workers[0], m, rig->now_ns, v);
}

struct ip_addr rig_backend(struct l4_rig *rig, const struct pkt_meta *m)
{
	struct l4_verdict v;

	ASSERT(rig_decide(rig, m, &v) == REASON_NONE);
	ASSERT(v.op != L4_OP_NONE && !(v.flags & L4_V_REVERSE));
	return v.nexthop;
}

static const char *check_table(
	const struct l4_worker *w, const struct flow_table *t, uint32_t *members, uint32_t *vips)
{
	for (uint32_t e = 0; e < t->head->high; e++) {
		const struct flow_entry *f = flow_at(t, e);

		if (f->proto == 0)
			continue;
		if (f->member >= w->table->member_cnt ||
			w->table->members[f->member].state == L4_MEMBER_FREE)
			return "a flow's backend is not in the table";
		members[f->member]++;
		vips[f->vip]++;
	}
	return flow_table_check(t);
}

const char *rig_check(const struct l4_rig *rig)
{
	uint32_t *members = calloc(rig->table->member_cnt + 1, sizeof(*members));
	uint32_t *vips = calloc(L4_MAX_VIPS, sizeof(*vips));
	const char *bad = NULL;

	for (uint32_t i = 0; i < rig->worker_cnt && bad == NULL; i++) {
		const struct l4_worker *w = rig->workers[i];

		memset(members, 0, (rig->table->member_cnt + 1) * sizeof(*members));
		memset(vips, 0, L4_MAX_VIPS * sizeof(*vips));
		bad = check_table(w, &w->forward, members, vips);
		if (bad == NULL)
			bad = check_table(w, &w->nat, members, vips);
		for (uint32_t m = 0; m < rig->table->member_cnt && bad == NULL; m++)
			if (members[m] != w->member_active[m])
				bad = "active flows of a backend are miscounted";
		for (uint32_t v = 0; v < rig->table->vip_cnt && bad == NULL; v++)
			if (vips[v] != w->vip_active[v])
				bad = "active flows of a VIP are miscounted";
	}
	free(members);
	free(vips);
	return bad;
}
