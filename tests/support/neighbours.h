/* SPDX-License-Identifier: Apache-2.0
 * neighbours - hosts on a virtual wire that answer ARP requests and neighbour solicitations.
 * For scenarios in which several workers each resolve a next hop: how often somebody asks is then
 * not for the scenario to say.
 * Owner:  the caller.  Limits: NEIGHBOURS_MAX hosts. */
#ifndef TESTS_SUPPORT_NEIGHBOURS_H
#define TESTS_SUPPORT_NEIGHBOURS_H

#include "dataplane/base/compiler.h"
#include "dataplane/net/addr.h"

#define NEIGHBOURS_MAX 16

struct neighbour {
	uint32_t port;
	uint8_t mac[6];
	struct ip_addr addr;
};

struct neighbours {
	uint32_t cnt;
	struct neighbour hosts[NEIGHBOURS_MAX];
};

/* "PORT MAC ADDRESS"; 0 or -EINVAL. */
int neighbours_add(struct neighbours *n, const char *text) WARN_UNUSED;

/* Is the frame, sent on `port`, a question for one of the hosts? Then out[128] is its answer;
 * returns the answer's length, or 0. At most one tag. */
uint32_t neighbours_answer(const struct neighbours *n, uint32_t port, const uint8_t *frame,
	uint32_t len, uint8_t *out);

#endif
