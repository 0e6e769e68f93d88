/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/eal.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>

#include "dataplane/base/assert.h"

#define EAL_ARGS_MAX 48

static bool started;

/* EAL leaves its runtime folder there. */
static void remove_folder(void)
{
	(void)rmdir(rte_eal_get_runtime_dir());
}

void test_eal_init_vdevs(const char *const *vdevs, int n)
{
	static char prefix[64], core[32];
	char *argv[EAL_ARGS_MAX] = {(char *)(uintptr_t) "test", (char *)(uintptr_t) "--no-huge",
		(char *)(uintptr_t) "-m", (char *)(uintptr_t) "96", (char *)(uintptr_t) "--no-pci",
		(char *)(uintptr_t) "--no-shconf", (char *)(uintptr_t) "--no-telemetry",
		(char *)(uintptr_t) "--no-hpet", (char *)(uintptr_t) "--iova-mode=va",
		(char *)(uintptr_t) "--log-level=lib.*:4", prefix, (char *)(uintptr_t) "-l", core};
	int argc = 13;

	if (started)
		return;
	snprintf(prefix, sizeof(prefix), "--file-prefix=weirtest%d", (int)getpid());
	snprintf(core, sizeof(core), "%d", sched_getcpu());
	for (int i = 0; i < n; i++) {
		ASSERT(argc + 2 < EAL_ARGS_MAX);
		argv[argc++] = (char *)(uintptr_t) "--vdev";
		argv[argc++] = (char *)(uintptr_t)vdevs[i];
	}
	rte_log_set_global_level(RTE_LOG_WARNING);
	if (rte_eal_init(argc, argv) < 0) {
		fprintf(stderr, "test: EAL does not start: %s\n", rte_strerror(rte_errno));
		abort();
	}
	started = true;
	(void)atexit(remove_folder);
}

void test_eal_init(void)
{
	test_eal_init_vdevs(NULL, 0);
}

struct rte_mempool *test_pool_create(const char *name, unsigned n)
{
	struct rte_mempool *pool = rte_pktmbuf_pool_create(
		name, n, 0, 0, RTE_PKTMBUF_HEADROOM + TEST_MBUF_ROOM, SOCKET_ID_ANY);

	if (!pool) {
		fprintf(stderr, "test: no pool %s: %s\n", name, rte_strerror(rte_errno));
		abort();
	}
	return pool;
}

void test_pool_destroy(struct rte_mempool *pool)
{
	unsigned used = test_pool_used(pool);

	if (used != 0) {
		fprintf(stderr, "test: pool %s lost %u buffers\n", pool->name, used);
		abort();
	}
	rte_mempool_free(pool);
}

unsigned test_pool_used(const struct rte_mempool *pool)
{
	return rte_mempool_in_use_count(pool);
}

struct rte_mbuf *test_mbuf_segs(
	struct rte_mempool *pool, const void *bytes, uint32_t len, uint32_t seg_len)
{
	struct rte_mbuf *head = NULL;
	uint32_t done = 0;

	ASSERT(seg_len > 0);
	do {
		uint32_t n = len - done < seg_len ? len - done : seg_len;
		struct rte_mbuf *seg = rte_pktmbuf_alloc(pool);
		char *room;

		ASSERT(seg != NULL);
		room = rte_pktmbuf_append(seg, (uint16_t)n);
		ASSERT(room != NULL);
		if (n > 0)
			memcpy(room, (const uint8_t *)bytes + done, n);
		done += n;
		if (!head)
			head = seg;
		else
			ASSERT(rte_pktmbuf_chain(head, seg) == 0);
	} while (done < len);
	return head;
}

struct rte_mbuf *test_mbuf(struct rte_mempool *pool, const void *bytes, uint32_t len)
{
	return test_mbuf_segs(pool, bytes, len, TEST_MBUF_ROOM);
}

uint32_t test_mbuf_bytes(const struct rte_mbuf *m, void *out, uint32_t cap)
{
	uint32_t n = 0;

	for (const struct rte_mbuf *s = m; s; s = s->next) {
		ASSERT(n + s->data_len <= cap);
		memcpy((uint8_t *)out + n, rte_pktmbuf_mtod(s, const void *), s->data_len);
		n += s->data_len;
	}
	ASSERT(n == m->pkt_len);
	return n;
}

void test_sink_fn(void *ctx, uint16_t port, struct rte_mbuf *m)
{
	struct test_sink *s = ctx;

	ASSERT(s->n < TEST_SINK_MAX);
	s->port[s->n] = port;
	s->m[s->n++] = m;
}

void test_sink_clear(struct test_sink *s)
{
	for (uint32_t i = 0; i < s->n; i++)
		rte_pktmbuf_free(s->m[i]);
	s->n = 0;
}
