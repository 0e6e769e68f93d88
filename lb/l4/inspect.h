/* SPDX-License-Identifier: Apache-2.0
 * inspect - what an operator asks of a worker: its flows, and why a packet goes where it goes.
 * Owner:      the worker; both run on it, between two bursts, and change nothing.
 * Invariants: IN1 an explanation of a packet is what l4_decide_at() would say of it now, but that
 *             full NAT's local port is not chosen.
 * Units:      ports in network order.
 * Limits:     L4_FLOW_SCAN entries and L4_FLOW_PAGE flows a call.
 * Cost:       a page some tens of microseconds; an explanation about that of a new flow. */
#ifndef LB_L4_INSPECT_H
#define LB_L4_INSPECT_H

#include "lb/l4/decide.h"

#define L4_FLOW_PAGE 128
#define L4_FLOW_SCAN 8192

/* Zero or L4_NONE: any. */
struct l4_flow_filter {
	struct ip_addr client, vip;
	uint16_t cport, vport, service;
	uint8_t proto;
	uint32_t member;
};

struct l4_flow_row {
	struct ip_addr client, vip, backend, local; /* local: zero unless full NAT */
	uint16_t cport, vport, bport, lport, service;
	uint8_t proto, state; /* enum l4_flow_state */
	uint32_t member, idle_ms;
};

struct l4_flow_page {
	struct l4_flow_filter filter;
	uint32_t at; /* entry to go on at */
	bool nat;    /* in the NAT table */
	bool end;    /* nothing is left */
	uint32_t cnt;
	struct l4_flow_row rows[L4_FLOW_PAGE];
};

/* The next flows that pass the filter; call again with the same page until `end`. */
void l4_flow_page(const struct l4_worker *w, struct l4_flow_page *page, uint64_t now_ns);
/* The flow that tracks this packet, either direction; false: none. */
bool l4_flow_of(const struct l4_worker *w, const struct pkt_meta *m, uint64_t now_ns,
	struct l4_flow_row *out);
/* "syn", "established", ... */
const char *l4_flow_state_name(enum l4_flow_state s);

enum l4_explain_how {
	L4_HOW_NONE,    /* it ends here: reason */
	L4_HOW_TRACKED, /* by its flow */
	L4_HOW_NEW,     /* by the scheduler; a flow would be made */
	L4_HOW_HASH,    /* by the hash alone */
};

struct l4_explain {
	uint8_t how;        /* enum l4_explain_how */
	uint8_t dir;        /* enum l4_dir */
	enum reason reason; /* with L4_HOW_NONE; REASON_NONE: not L4's */
	enum l4_reply reply;
	uint16_t service;        /* L4_NONE16: none */
	uint32_t member;         /* L4_NONE32: none */
	uint32_t slot, slots;    /* of the Maglev table, where it decides; slots 0: it does not */
	bool ended;              /* a flow was there, and is over */
	uint32_t candidates;     /* backends that take new flows */
	struct l4_flow_row flow; /* with L4_HOW_TRACKED */
};

/* Room for what the scheduler would count. */
struct l4_explain_scratch;
struct l4_explain_scratch *l4_explain_scratch_create(void) WARN_UNUSED;
void l4_explain_scratch_destroy(struct l4_explain_scratch *s);

void l4_explain(const struct l4_worker *w, struct l4_explain_scratch *s, const struct pkt_meta *m,
	uint64_t now_ns, struct l4_explain *out);

#endif
