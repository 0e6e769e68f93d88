/* SPDX-License-Identifier: Apache-2.0
 * idmap - (address, 64 bits) -> number, for the control thread.
 * Owner:      control.
 * Invariants: IM1 at most half of the slots are used. IM2 no tombstones: a removal closes its gap.
 * Errors:     -ENOMEM.
 * Cost:       expected O(1); grows by doubling. */
#ifndef LB_L4_IDMAP_H
#define LB_L4_IDMAP_H

#include "dataplane/base/hash.h"
#include "dataplane/net/addr.h"

#define IDMAP_NONE UINT32_MAX

struct idmap_slot {
	struct ip_addr addr;
	uint64_t extra;
	uint32_t id; /* IDMAP_NONE: free */
};

struct idmap {
	struct idmap_slot *slots;
	uint32_t mask, used;
	struct mix_key key;
};

int idmap_init(struct idmap *m) WARN_UNUSED;
void idmap_fini(struct idmap *m);
void idmap_clear(struct idmap *m);

/* The number of a key, or IDMAP_NONE. */
uint32_t idmap_get(const struct idmap *m, const struct ip_addr *addr, uint64_t extra);
/* Add a key or change its number; id != IDMAP_NONE. */
int idmap_set(struct idmap *m, const struct ip_addr *addr, uint64_t extra, uint32_t id) WARN_UNUSED;
void idmap_remove(struct idmap *m, const struct ip_addr *addr, uint64_t extra);

#endif
