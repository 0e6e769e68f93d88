/* SPDX-License-Identifier: Apache-2.0
 * shares - what part of new flows each backend of a pool gets, computed from the very tables that
 * workers would use; and how much would move between two states.
 * Owner:      the caller; freed by shares_free().
 * Invariants: SH1 shares add up to 1 unless no backend is usable. */
#ifndef LB_API_SHARES_H
#define LB_API_SHARES_H

#include <jansson.h>

#include "lb/app_pvt.h"
#include "lb/l4/sched_set.h"

/* A pool of backends, whatever it is part of. */
struct pool_info {
	const char *name;
	const struct config_backend *backends;
	uint32_t cnt;
	uint32_t maglev_size; /* 0: not chosen by the hash */
	uint32_t health_idx;  /* for health_view_up() */
};

uint32_t pool_count(const struct config *cfg, enum override_kind kind);
struct pool_info pool_info_of(const struct config *cfg, enum override_kind kind, uint32_t i);
/* Its index, or UINT32_MAX. */
uint32_t pool_find(const struct config *cfg, enum override_kind kind, const char *name);

struct share {
	struct ip_addr addr;
	uint16_t port, weight;
	bool usable;  /* takes new flows */
	bool assumed; /* nothing is known of its health: taken to be up */
	double share;
};

struct shares {
	struct share *rows;
	uint32_t cnt;
	struct l4_sched_set *set; /* NULL: nobody is usable */
	uint32_t *row_of;         /* row of each node of the set */
};

/* Pool `i` of cfg (services, or listeners) under what an operator said in `o`. What is known of the
 * health of a backend is what is known now. Zeroes on failure: -ENOMEM, -EINVAL. */
int shares_make(const struct app *app, const struct config *cfg, enum override_kind kind,
	uint32_t i, const struct overrides *o, struct shares *out) WARN_UNUSED;
void shares_free(struct shares *s);

/* The part of all hashes that another backend answers in b than in a; -1 when either does not go by
 * the hash. */
double shares_moved(const struct shares *a, const struct shares *b);
/* [{"backend", "weight", "usable", "share"}, ...] */
json_t *shares_json(const struct shares *s);

#endif
