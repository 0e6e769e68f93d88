/* SPDX-License-Identifier: Apache-2.0
 * owner - the worker that tracks a flow, from what classification said of one of its packets.
 * Both directions and all errors of a flow must give one worker. Two rules do that: l4_owner() and
 * l4_lookup_owner() hash the client's address and port, or look at the share a local port is of;
 * where NICs place flows, their hash of the arriving tuple decides instead (lb/pipeline/steer.c).
 * Owner: workers, read only.  Cost: a hash of two words; no lookup. */
#ifndef LB_L4_OWNER_H
#define LB_L4_OWNER_H

#include "lb/l4/decide.h"

/* The owner, in [0, workers), without the NIC's help; lk->dir is not L4_DIR_NONE. */
uint32_t l4_lookup_owner(const struct l4_table *t, const struct l4_lookup *lk, uint32_t workers);

/* May a hash of the arriving tuple place this flow? Not where services in NAT mode are: what their
 * backends send carries another tuple, and nothing in it can be chosen to fit. Full NAT chooses the
 * local port so that it does (struct l4_port_filter). */
bool l4_tuple_places(const struct l4_lookup *lk);

/* The tuple under which packets of this direction arrive. */
void l4_lookup_tuple(const struct l4_table *t, const struct l4_lookup *lk, struct l4_tuple *out);

#endif
