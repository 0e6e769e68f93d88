/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/wire.h"

#include <stdio.h>
#include <string.h>

#include <rte_eth_ring.h>
#include <rte_mbuf.h>
#include <rte_ring.h>

#include "dataplane/base/assert.h"
#include "dataplane/eal/eal.h"

#define WIRE_BUFFERS (WIRE_RING - 1)

static struct rte_ring *to_weir[WIRE_PORTS], *from_weir[WIRE_PORTS];
static struct rte_mempool *pool;

static struct rte_ring *ring_new(const char *what, uint32_t port)
{
	char name[32];
	struct rte_ring *r;

	snprintf(name, sizeof(name), "wire_%s%u", what, port);
	r = rte_ring_create(name, WIRE_RING, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
	ASSERT(r != NULL);
	return r;
}

void wire_create(void)
{
	ASSERT(pool == NULL);
	/* Buffers as weir's own are: they carry its private area. */
	pool = eal_pool_create("wire", WIRE_BUFFERS, WIRE_FRAME_MAX, SOCKET_ID_ANY);
	ASSERT(pool != NULL);
	for (uint32_t i = 0; i < WIRE_PORTS; i++) {
		char name[16];

		to_weir[i] = ring_new("in", i);
		from_weir[i] = ring_new("out", i);
		snprintf(name, sizeof(name), "p%u", i);
		ASSERT(rte_eth_from_rings(name, &to_weir[i], 1, &from_weir[i], 1, 0) >= 0);
	}
}

void wire_put(uint32_t port, const uint8_t *frame, uint32_t len, uint32_t segs)
{
	struct rte_mbuf *head = NULL;
	uint32_t each = (len + segs - 1) / segs;

	ASSERT(port < WIRE_PORTS && len > 0 && len <= WIRE_FRAME_MAX && segs > 0);
	for (uint32_t off = 0; off < len; off += each) {
		uint32_t n = len - off < each ? len - off : each;
		struct rte_mbuf *seg = rte_pktmbuf_alloc(pool);

		ASSERT(seg != NULL);
		memcpy(rte_pktmbuf_append(seg, (uint16_t)n), frame + off, n);
		if (head == NULL)
			head = seg;
		else
			ASSERT(rte_pktmbuf_chain(head, seg) == 0);
	}
	ASSERT(rte_ring_enqueue(to_weir[port], head) == 0);
}

struct rte_mbuf *wire_take_mbuf(uint32_t port)
{
	void *obj;

	ASSERT(port < WIRE_PORTS);
	return rte_ring_dequeue(from_weir[port], &obj) == 0 ? obj : NULL;
}

uint32_t wire_take(uint32_t port, uint8_t *out)
{
	struct rte_mbuf *m = wire_take_mbuf(port);
	uint32_t len = 0;

	if (m == NULL)
		return 0;
	ASSERT(m->pkt_len > 0 && m->pkt_len <= WIRE_FRAME_MAX);
	for (const struct rte_mbuf *s = m; s != NULL; s = s->next) {
		memcpy(out + len, rte_pktmbuf_mtod(s, const void *), s->data_len);
		len += s->data_len;
	}
	ASSERT(len == m->pkt_len);
	rte_pktmbuf_free(m);
	return len;
}

void wire_reset(void)
{
	static uint8_t frame[WIRE_FRAME_MAX];
	void *obj;

	for (uint32_t i = 0; i < WIRE_PORTS; i++) {
		while (rte_ring_dequeue(to_weir[i], &obj) == 0)
			rte_pktmbuf_free(obj);
		while (wire_take(i, frame) > 0)
			;
	}
}

uint32_t wire_buffers_out(void)
{
	return rte_mempool_in_use_count(pool);
}
