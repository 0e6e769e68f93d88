/* SPDX-License-Identifier: Apache-2.0 */
#include "lb/pipeline/explain.h"

#include "lb/pipeline/pipeline_pvt.h"

void explain_steer(struct pipeline *p, void *arg, uint64_t now_ns)
{
	static const enum explain_to to[] = {[STEER_TO_FORWARD] = EXPLAIN_FORWARD,
		[STEER_TO_TCP] = EXPLAIN_TCP,
		[STEER_TO_LOCAL] = EXPLAIN_LOCAL,
		[STEER_TO_NOBODY] = EXPLAIN_NOBODY};
	struct pipeline_explain *e = arg;
	struct l4_lookup lk;
	/* Of no port: then the owner is computed, and not taken for whom a NIC gave it to. */
	struct rte_mbuf m = {.port = LIMIT_PORTS};

	(void)now_ns;
	e->to = to[steer(p, &m, &e->meta, &lk, &e->owner)];
	if (e->to == EXPLAIN_NOBODY)
		e->owner = p->w->id;
	for (uint32_t i = 0; i < p->gen->if_cnt && e->to == EXPLAIN_NOBODY; i++)
		if (net_if_owns(&p->ifs[i], &e->meta.dst))
			e->to = EXPLAIN_LOCAL;
}

void explain_decide(struct pipeline *p, void *arg, uint64_t now_ns)
{
	struct pipeline_explain *e = arg;
	const struct l4_table *t = l4_worker_table(p->l4);
	const struct l7_endpoint *ep;
	struct l4_member_info info;

	e->endpoint = L7_NONE;
	l4_explain(p->l4, e->scratch, &e->meta, now_ns, &e->l4);
	if (p->l7 != NULL && e->meta.proto == 6) {
		ep = l7_table_find(p->gen->l7, &e->meta.dst, e->meta.dport);
		e->endpoint = ep != NULL ? ep->listener : L7_NONE;
		e->accepting = ep != NULL && ep->accepting;
		e->in_engine = tcp_owns(l7_worker_engine(p->l7), &e->meta);
	}
	if (e->l4.how == L4_HOW_NONE || !l4_member_info(t, e->l4.member, &info))
		return;
	e->nexthop = e->l4.dir == L4_DIR_BACKEND ? e->l4.flow.client : info.addr;
	e->routed = route_lookup(p->gen->routes, &e->nexthop, 0, &e->hop);
}
