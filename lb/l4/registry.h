/* SPDX-License-Identifier: Apache-2.0
 * registry - numbers of VIPs, local addresses, services and backends over all generations.
 * Owner:      control, one for the process.
 * Invariants: RG1 an object of the configuration keeps its number while it stays configured, under
 *             reordering, renaming of a service, changed weight, health or any other setting. A
 *             backend is (service, address, port, mode); a service is its name, or else any VIP,
 *             protocol and port range it had; a VIP and a local address are their address.
 *             RG2 a removed object keeps its number until l4_registry_reap() has seen that every
 *             worker runs a generation without it and tracks no flow on it.
 *             RG3 what comes back before that gets its old number.
 * Errors:     -ENOMEM, -ENOSPC. */
#ifndef LB_L4_REGISTRY_H
#define LB_L4_REGISTRY_H

#include "lb/l4/l4.h"

struct l4_registry;

/* What one worker tracks, by number; written by the worker, read here. */
struct l4_usage {
	uint64_t generation; /* the one it runs */
	const uint32_t *members, *vips, *locals;
};

int l4_registry_create(struct l4_registry **out) WARN_UNUSED;
void l4_registry_destroy(struct l4_registry *r);

/* Free the numbers that RG2 lets go. Returns how many objects were freed; when any was, the next
 * l4_table_build() no longer carries them. */
uint32_t l4_registry_reap(struct l4_registry *r, const struct l4_usage *workers, uint32_t cnt);

#endif
