/* SPDX-License-Identifier: Apache-2.0
 * rng - small seeded generator for jitter, sampling and tests; not for secrets (see rng_secret).
 * Owner: whoever holds the struct; no global state.  Source: splitmix64 (Steele et al., 2014). */
#ifndef DATAPLANE_BASE_RNG_H
#define DATAPLANE_BASE_RNG_H

#include "dataplane/base/compiler.h"

struct rng {
	uint64_t state;
};

static inline void rng_seed(struct rng *r, uint64_t seed)
{
	r->state = seed;
}

static inline uint64_t rng_next(struct rng *r)
{
	uint64_t z = r->state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/* Uniform in [0, bound), bound > 0; bias below 2^-32 for bounds up to 2^32. */
static inline uint64_t rng_below(struct rng *r, uint64_t bound)
{
	return (uint64_t)(((unsigned __int128)rng_next(r) * bound) >> 64);
}

/* Fill n bytes of key material from the kernel; aborts if the kernel has none. Control only. */
void rng_secret(void *out, size_t n);

#endif
