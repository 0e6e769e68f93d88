/* SPDX-License-Identifier: Apache-2.0
 * sites - the compiled sites of one configuration, shared by all tables that are made of it.
 * Owner:      control builds, counts references and frees; a worker writes its own pins.
 * Lifetime:   as long as a table refers to it or a stream of any worker has it pinned; the
 *             configuration must live as long.
 * Invariants: LS1 only a worker whose table has these sites pins them, so that pins only become
 *                 fewer once every worker has left those tables.
 * Errors:     -EINVAL (logged) for a site that cannot be built, -ENOMEM.
 * Cost:       a pin is one store to a line of the worker's own. */
#ifndef LB_L7_SITES_H
#define LB_L7_SITES_H

#include "lb/config/config.h"

struct http_site;

struct l7_sites {
	const struct config *cfg;
	uint32_t refs; /* control's */
	uint32_t cnt;
	struct http_site **of; /* by index of config.listeners; NULL: not HTTP */
	struct {
		CACHE_ALIGNED uint32_t cnt;
	} pins[LIMIT_WORKERS];
};

/* prev: those of the configuration before, or NULL. Comes with one reference. */
int l7_sites_build(
	const struct config *cfg, const struct l7_sites *prev, struct l7_sites **out) WARN_UNUSED;
/* Control: does any worker have them pinned? */
bool l7_sites_pinned(const struct l7_sites *s);
/* NULL is fine. With the last reference they are freed: nobody may have them pinned. */
void l7_sites_unref(struct l7_sites *s);

/* L3: what a stream did with the sites happens before its pin is seen to be gone. */
static inline void *l7_sites_pin(struct l7_sites *s, uint32_t worker)
{
	uint32_t *n = &s->pins[worker].cnt;

	__atomic_store_n(n, *n + 1, __ATOMIC_RELAXED);
	return n;
}

/* Once more what is pinned already; NULL stays NULL. */
static inline void *l7_sites_repin(void *pin)
{
	uint32_t *n = pin;

	if (n != NULL)
		__atomic_store_n(n, *n + 1, __ATOMIC_RELAXED);
	return pin;
}

static inline void l7_sites_unpin(void *pin)
{
	uint32_t *n = pin;

	__atomic_store_n(n, *n - 1, __ATOMIC_RELEASE); /* L3 */
}

#endif
