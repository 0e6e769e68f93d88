/* SPDX-License-Identifier: Apache-2.0
 * chain - bytes as owned lists of mbufs, linked by m->next.
 * Owner:      whoever holds the struct chain; every mbuf in it is its alone.
 * Invariants: CH1 len is the sum over the mbufs; head is NULL if and only if len is 0.
 * Units:      bytes.
 * Cost:       O(1) but where it says so. */
#ifndef LB_L7_HTTP_CHAIN_H
#define LB_L7_HTTP_CHAIN_H

#include <rte_mbuf.h>

#include "dataplane/base/compiler.h"
#include "lb/l7/h1/h1.h"

struct chain {
	struct rte_mbuf *head, *tail;
	uint32_t len;
};

static inline void chain_free_one(struct rte_mbuf *m)
{
	m->next = NULL;
	m->nb_segs = 1;
	rte_pktmbuf_free_seg(m);
}

static inline void chain_free_list(struct rte_mbuf *m)
{
	while (m != NULL) {
		struct rte_mbuf *next = m->next;

		chain_free_one(m);
		m = next;
	}
}

static inline void chain_free(struct chain *c)
{
	chain_free_list(c->head);
	*c = (struct chain){0};
}

/* Takes a list of `len` bytes; O(mbufs of the list). */
static inline void chain_append(struct chain *c, struct rte_mbuf *list, uint32_t len)
{
	if (list == NULL)
		return;
	if (c->head == NULL)
		c->head = list;
	else
		c->tail->next = list;
	while (list->next != NULL)
		list = list->next;
	c->tail = list;
	c->len += len;
}

/* Cut off the first mbuf; its bytes go with it. */
static inline struct rte_mbuf *chain_pop(struct chain *c)
{
	struct rte_mbuf *m = c->head;

	c->head = m->next;
	if (c->head == NULL)
		c->tail = NULL;
	c->len -= m->data_len;
	m->next = NULL;
	m->nb_segs = 1;
	return m;
}

static inline struct rte_mbuf *chain_take(struct chain *c)
{
	struct rte_mbuf *m = c->head;

	*c = (struct chain){0};
	return m;
}

static inline void chain_adj(struct rte_mbuf *m, uint32_t n)
{
	m->data_off = (uint16_t)(m->data_off + n);
	m->data_len = (uint16_t)(m->data_len - n);
	m->pkt_len -= n;
}

/* Drop the first n bytes, n <= len. */
void chain_strip(struct chain *c, uint32_t n);
/* Copy at most max bytes from offset `from` on; returns how many. */
uint32_t chain_copy(const struct chain *c, uint32_t from, void *buf, uint32_t max);
/* Append a copy of bytes in mbufs of the pool. 0 or -ENOMEM, and then nothing was appended. */
int chain_add_bytes(
	struct chain *c, struct rte_mempool *pool, const void *data, uint32_t len) WARN_UNUSED;

/* What chain_body() found. */
struct chain_body {
	enum h1_verdict verdict;
	uint32_t framing; /* bytes of `in` that were no payload, and are gone */
	bool no_memory;
};

/* Move the payload of body b from the front of `in` to the back of `out`; what does not belong to
 * the body stays in `in`. Payload is moved by whole mbufs; the piece before framing in the middle
 * of one is copied to the pool's. O(mbufs). */
struct chain_body chain_body(struct h1_body *b, struct chain *in, struct chain *out,
	struct rte_mempool *pool) WARN_UNUSED;

#endif
