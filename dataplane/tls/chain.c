/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/tls/chain.h"

#include <errno.h>
#include <string.h>

#include "dataplane/base/assert.h"

static void free_one(struct rte_mbuf *m)
{
	m->next = NULL;
	m->nb_segs = 1;
	rte_pktmbuf_free_seg(m);
}

void tls_mbufs_free(struct rte_mbuf *m)
{
	while (m != NULL) {
		struct rte_mbuf *next = m->next;

		free_one(m);
		m = next;
	}
}

void tls_chain_free(struct tls_chain *c)
{
	tls_mbufs_free(c->head);
	*c = (struct tls_chain){0};
}

static void push(struct tls_chain *c, struct rte_mbuf *m)
{
	m->next = NULL;
	m->nb_segs = 1;
	if (c->head == NULL)
		c->head = m;
	else
		c->tail->next = m;
	c->tail = m;
	c->len += m->data_len;
}

/* Copy bytes to new mbufs at the end of c. */
static int push_copy(struct tls_chain *c, const uint8_t *p, uint32_t len, struct rte_mempool *pool)
{
	while (len > 0) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
		uint32_t n;

		if (m == NULL)
			return -ENOMEM;
		m->data_off = 0;
		n = len < m->buf_len ? len : m->buf_len;
		memcpy(m->buf_addr, p, n);
		m->data_len = (uint16_t)n;
		m->pkt_len = n;
		push(c, m);
		p += n;
		len -= n;
	}
	return 0;
}

static bool is_own(const struct rte_mbuf *m)
{
	return RTE_MBUF_DIRECT(m) && rte_mbuf_refcnt_read(m) == 1;
}

int tls_chain_append(struct tls_chain *c, struct rte_mbuf *m, struct rte_mempool *pool)
{
	int rc = 0;

	while (m != NULL) {
		struct rte_mbuf *next = m->next;

		if (rc == 0 && m->data_len > 0 && is_own(m)) {
			push(c, m);
		} else {
			if (rc == 0)
				rc = push_copy(
					c, rte_pktmbuf_mtod(m, uint8_t *), m->data_len, pool);
			free_one(m);
		}
		m = next;
	}
	return rc;
}

/* Divide m, `at` bytes into it: the smaller side is copied. *rest is the part behind. */
static int divide(struct rte_mbuf *m, uint32_t at, struct tls_chain *front, struct tls_chain *rest,
	struct rte_mempool *pool)
{
	uint8_t *p = rte_pktmbuf_mtod(m, uint8_t *);
	uint32_t behind = m->data_len - at;
	int rc;

	if (at <= behind) {
		rc = push_copy(front, p, at, pool);
		if (rc != 0)
			return rc;
		m->data_off = (uint16_t)(m->data_off + at);
		m->data_len = (uint16_t)behind;
		push(rest, m);
		return 0;
	}
	rc = push_copy(rest, p + at, behind, pool);
	if (rc != 0)
		return rc;
	m->data_len = (uint16_t)at;
	push(front, m);
	return 0;
}

int tls_chain_split(
	struct tls_chain *c, uint32_t n, struct tls_chain *first, struct rte_mempool *pool)
{
	struct rte_mbuf *m = c->head, *before = NULL, *behind;
	struct tls_chain front = {0}, rest = {0};
	uint32_t at = 0;
	int rc;

	ASSERT_DBG(n <= c->len);
	while (m != NULL && at + m->data_len <= n) {
		at += m->data_len;
		before = m;
		m = m->next;
	}
	*first = (struct tls_chain){0};
	if (at < n) {
		behind = m->next;
		rc = divide(m, n - at, &front, &rest, pool);
		if (rc != 0) {
			tls_chain_free(&front);
			tls_chain_free(&rest);
			m->next = behind;
			return rc;
		}
		rest.tail->next = behind;
		if (behind == NULL)
			c->tail = rest.tail;
		m = rest.head;
	}
	if (before != NULL) {
		*first = (struct tls_chain){.head = c->head, .tail = before};
		before->next = front.head;
		if (front.head != NULL)
			first->tail = front.tail;
	} else {
		*first = front;
	}
	first->len = n;
	c->head = m;
	c->len -= n;
	if (m == NULL)
		c->tail = NULL;
	return 0;
}

void tls_chain_peek(const struct tls_chain *c, uint32_t n, void *out)
{
	uint8_t *o = out;

	for (const struct rte_mbuf *m = c->head; n > 0; m = m->next) {
		uint32_t k = m->data_len < n ? m->data_len : n;

		memcpy(o, rte_pktmbuf_mtod(m, const uint8_t *), k);
		o += k;
		n -= k;
	}
}

void tls_chain_trim_head(struct tls_chain *c, uint32_t n)
{
	c->len -= n;
	while (n > 0) {
		struct rte_mbuf *m = c->head;

		if (m->data_len > n) {
			m->data_off = (uint16_t)(m->data_off + n);
			m->data_len = (uint16_t)(m->data_len - n);
			return;
		}
		n -= m->data_len;
		c->head = m->next;
		free_one(m);
	}
	if (c->head == NULL)
		c->tail = NULL;
}

void tls_chain_trim_tail(struct tls_chain *c, uint32_t n)
{
	uint32_t keep = c->len - n, at = 0;
	struct rte_mbuf *m = c->head, *before = NULL;

	/* Usually it all lies in the last one. */
	if (c->tail != NULL && c->tail->data_len > n) {
		c->tail->data_len = (uint16_t)(c->tail->data_len - n);
		c->len = keep;
		return;
	}
	while (m != NULL && at < keep) {
		if (at + m->data_len > keep)
			m->data_len = (uint16_t)(keep - at);
		at += m->data_len;
		before = m;
		m = m->next;
	}
	if (before == NULL)
		c->head = NULL;
	else
		before->next = NULL;
	c->tail = before;
	c->len = keep;
	tls_mbufs_free(m);
}

void tls_chain_last(const struct tls_chain *c, uint32_t n, uint8_t *out)
{
	uint32_t skip = c->len - n;

	if (c->tail != NULL && c->tail->data_len >= n) {
		memcpy(out, rte_pktmbuf_mtod(c->tail, uint8_t *) + c->tail->data_len - n, n);
		return;
	}
	for (const struct rte_mbuf *m = c->head; m != NULL; m = m->next) {
		const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *);
		uint32_t k = m->data_len;

		if (skip >= k) {
			skip -= k;
			continue;
		}
		memcpy(out, p + skip, k - skip);
		out += k - skip;
		skip = 0;
	}
}
