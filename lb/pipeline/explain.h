/* SPDX-License-Identifier: Apache-2.0
 * explain - the way that a packet would take, step by step, asked of the workers that decide it.
 * Owner:      control makes it and asks; the steps run on workers (pipeline_ask_fn).
 * Invariants: EX1 nothing is changed: no flow, no counter, no neighbour. */
#ifndef LB_PIPELINE_EXPLAIN_H
#define LB_PIPELINE_EXPLAIN_H

#include "lb/l4/inspect.h"
#include "lb/pipeline/pipeline.h"

enum explain_to { EXPLAIN_FORWARD, EXPLAIN_TCP, EXPLAIN_LOCAL, EXPLAIN_NOBODY };

struct pipeline_explain {
	/* In. */
	struct pkt_meta meta;
	struct l4_explain_scratch *scratch;
	/* Of explain_steer(), on any worker. */
	enum explain_to to;
	uint32_t owner;
	/* Of explain_decide(), on the owner. */
	struct l4_explain l4;
	bool in_engine;    /* the TCP engine has this tuple */
	uint32_t endpoint; /* listener's number; L7_NONE: none listens there */
	bool accepting;
	bool routed;
	struct ip_addr nexthop; /* whom the route was looked up for */
	struct route_hop hop;
};

/* arg is the struct pipeline_explain. */
pipeline_ask_fn explain_steer, explain_decide;

#endif
