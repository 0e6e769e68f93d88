/* SPDX-License-Identifier: Apache-2.0
 * maglev - weighted Maglev consistent hashing: slot -> index of a backend.
 * Owner:      control builds a table once; afterwards it is read-only and may be shared.
 * Invariants: MG1 the same key, size and set of (name, weight) give the same table on every node,
 *             in whatever order the set is given. MG2 a backend of weight 0 owns no slot; with any
 *             positive weight every slot is owned. MG3 slots follow weights to within one turn.
 * Units:      a name is the backend's address and port (network order).
 * Limits:     size is a prime in [MAGLEV_MIN_SIZE, LIMIT_MAGLEV_SIZE]; a node count below
 *             MAGLEV_MAX_NODES; a node whose share is below one slot may own none.
 * Errors:     -EINVAL for a size that is no such prime or for duplicate names, -ENOMEM.
 * Cost:       about size * ln(size) steps over a bitmap of size / 8 bytes. A pick is one load. */
#ifndef LB_L4_MAGLEV_H
#define LB_L4_MAGLEV_H

#include "dataplane/base/hash.h"
#include "dataplane/base/limits.h"
#include "dataplane/net/addr.h"

#define MAGLEV_MIN_SIZE  3
#define MAGLEV_MAX_NODES 65535
#define MAGLEV_NONE      UINT16_MAX

_Static_assert(LIMIT_SERVICE_BACKENDS < MAGLEV_MAX_NODES, "a slot is 16 bits");

struct maglev_node {
	struct ip_addr addr;
	uint16_t port_be;
	uint16_t weight;
	uint32_t zero; /* nodes are hashed and compared as bytes */
};

/* Is n a prime that a table may have as its size? */
bool maglev_size_ok(uint32_t n);

/* Fill slots[size] with indexes into nodes; MAGLEV_NONE everywhere when no node has weight. The
 * size must be known good (maglev_size_ok). */
int maglev_build(const struct siphash_key *key, const struct maglev_node *nodes, uint32_t node_cnt,
	uint32_t size, uint16_t *slots) WARN_UNUSED;

/* The slot of a hash: its upper 32 bits scaled, so that no division is needed. */
ALWAYS_INLINE uint32_t maglev_slot(uint64_t hash, uint32_t size)
{
	return (uint32_t)(((hash >> 32) * size) >> 32);
}

#endif
