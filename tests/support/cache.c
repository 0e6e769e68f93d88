/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/cache.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/cache_pvt.h"

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "test_cache: %s\n", what);
	abort();
}

struct cache_conf test_cache_conf(uint64_t arena_bytes, uint32_t segment_bytes, uint32_t workers)
{
	return (struct cache_conf){.arena_bytes = arena_bytes,
		.segment_bytes = segment_bytes,
		.workers = workers,
		.fills = 8,
		.hash_seed = 1,
		.ns_cnt = 1};
}

void test_cache_open(struct test_cache *t, const struct cache_conf *conf)
{
	must(cache_plan(conf, t->mem.bytes) == 0, "cache_plan");
	must(cache_mem_map(&t->mem, false) == 0, "cache_mem_map");
	must(cache_create(&t->c, conf, t->mem.addr) == 0, "cache_create");
	for (uint32_t i = 0; i < conf->workers; i++)
		cache_online(cache_worker(t->c, i));
}

void test_cache_check(const struct cache *c)
{
	char what[200];

	if (cache_check(c, what, sizeof(what)) == 0)
		return;
	fprintf(stderr, "test_cache: %s\n", what);
	abort();
}

void test_cache_close(struct test_cache *t)
{
	test_cache_check(t->c);
	for (uint32_t s = 0; s < t->c->geo.segs; s++) {
		uint32_t out = 0;

		for (uint32_t i = 0; i < t->c->geo.workers; i++)
			out += t->c->pin_inc[i * t->c->geo.segs + s] -
			       t->c->pin_dec[i * t->c->geo.segs + s];
		must(out == 0, "a pin is still out");
	}
	for (uint32_t i = 0; i < t->c->geo.workers; i++)
		cache_offline(cache_worker(t->c, i));
	cache_destroy(t->c);
	cache_mem_unmap(&t->mem);
}
