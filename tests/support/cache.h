/* SPDX-License-Identifier: Apache-2.0
 * cache - small caches for tests.
 * Owner:      the test.      Errors: every failure aborts.
 * Invariants: test_cache_close() proves the cache's invariants and that no pin is out. */
#ifndef TESTS_SUPPORT_CACHE_H
#define TESTS_SUPPORT_CACHE_H

#include "cache/cache.h"

struct test_cache {
	struct cache_mem mem;
	struct cache *c;
};

/* A configuration with one namespace and a repeatable layout. */
struct cache_conf test_cache_conf(uint64_t arena_bytes, uint32_t segment_bytes, uint32_t workers);
/* Map and create; all workers are online. */
void test_cache_open(struct test_cache *t, const struct cache_conf *conf);
/* Check, destroy, unmap. The workers rest; those still online go offline. */
void test_cache_close(struct test_cache *t);
/* Abort with a message unless cache_check() is content. */
void test_cache_check(const struct cache *c);

#endif
