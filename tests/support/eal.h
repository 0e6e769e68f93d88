/* SPDX-License-Identifier: Apache-2.0
 * eal - DPDK memory and packet buffers for tests: no hugepages, no devices, no files left behind.
 * Owner:      the test program; one EAL per process, started by the first test_eal_init().
 * Limits:     96 MB of memory over all pools.
 * Errors:     every failure aborts with a message: a test without memory tells nothing. */
#ifndef TESTS_SUPPORT_EAL_H
#define TESTS_SUPPORT_EAL_H

#include <rte_mbuf.h>

#include "dataplane/base/compiler.h"

#define TEST_MBUF_ROOM 2048 /* data bytes of a buffer behind the standard headroom */

/* Start EAL on the core the caller runs on; later calls do nothing. */
void test_eal_init(void);
/* The same with further vdevs: one "--vdev" argument for each of n texts. */
void test_eal_init_vdevs(const char *const *vdevs, int n);

/* A pool of n buffers (no per-core cache: the count of free ones is exact). */
struct rte_mempool *test_pool_create(const char *name, unsigned n);
/* Aborts unless every buffer is back, and frees the pool. */
void test_pool_destroy(struct rte_mempool *pool);
/* Buffers that are out now. */
unsigned test_pool_used(const struct rte_mempool *pool);

/* A buffer with these bytes, one segment. */
struct rte_mbuf *test_mbuf(struct rte_mempool *pool, const void *bytes, uint32_t len);
/* The same cut into segments of at most seg_len bytes. */
struct rte_mbuf *test_mbuf_segs(
	struct rte_mempool *pool, const void *bytes, uint32_t len, uint32_t seg_len);
/* Copy the packet's bytes out; aborts if there are more than cap. Returns how many. */
uint32_t test_mbuf_bytes(const struct rte_mbuf *m, void *out, uint32_t cap);

/* A net_emit target that keeps what it gets: `test_sink_fn` with a struct test_sink as context. */
#define TEST_SINK_MAX 512
struct test_sink {
	uint32_t n;
	uint16_t port[TEST_SINK_MAX];
	struct rte_mbuf *m[TEST_SINK_MAX];
};
void test_sink_fn(void *ctx, uint16_t port, struct rte_mbuf *m);
/* Free what is held and start again. */
void test_sink_clear(struct test_sink *s);

#endif
