/* SPDX-License-Identifier: Apache-2.0 */
#include "lb/l7/http/chain.h"

#include <errno.h>
#include <string.h>

void chain_strip(struct chain *c, uint32_t n)
{
	while (n > 0) {
		struct rte_mbuf *m = c->head;

		if (m->data_len > n) {
			chain_adj(m, n);
			c->len -= n;
			return;
		}
		n -= m->data_len;
		chain_free_one(chain_pop(c));
	}
}

uint32_t chain_copy(const struct chain *c, uint32_t from, void *buf, uint32_t max)
{
	uint32_t n = 0;

	for (const struct rte_mbuf *m = c->head; m != NULL && n < max; m = m->next) {
		uint32_t take;

		if (from >= m->data_len) {
			from -= m->data_len;
			continue;
		}
		take = m->data_len - from < max - n ? m->data_len - from : max - n;
		memcpy((char *)buf + n, rte_pktmbuf_mtod(m, const char *) + from, take);
		n += take;
		from = 0;
	}
	return n;
}

int chain_add_bytes(struct chain *c, struct rte_mempool *pool, const void *data, uint32_t len)
{
	struct chain made = {0};
	const char *p = data;

	for (uint32_t left = len; left > 0;) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
		uint16_t room, n;

		if (m == NULL) {
			chain_free(&made);
			return -ENOMEM;
		}
		room = rte_pktmbuf_tailroom(m);
		n = (uint16_t)(left < room ? left : room);
		memcpy(rte_pktmbuf_mtod(m, char *), p, n);
		m->data_len = n;
		m->pkt_len = n;
		chain_append(&made, m, n);
		p += n;
		left -= n;
	}
	chain_append(c, made.head, made.len);
	return 0;
}

/* One mbuf of `in`, or the part of it before framing. True: go on with the next. */
static bool take_piece(struct h1_body *b, struct chain *in, struct chain *out,
	struct rte_mempool *pool, struct chain_body *r)
{
	struct rte_mbuf *m = in->head;
	struct h1_piece p;

	r->verdict = h1_body_next(b, rte_pktmbuf_mtod(m, const char *), m->data_len, &p);
	if (p.skip > 0) {
		chain_adj(m, p.skip);
		in->len -= p.skip;
		r->framing += p.skip;
	}
	if (p.data > 0 && p.data == m->data_len) {
		m = chain_pop(in);
		chain_append(out, m, p.data);
	} else if (p.data > 0) {
		if (chain_add_bytes(out, pool, rte_pktmbuf_mtod(m, const char *), p.data) != 0) {
			r->no_memory = true;
			r->verdict = H1_BAD;
			return false;
		}
		chain_adj(m, p.data);
		in->len -= p.data;
	} else if (m->data_len == 0) {
		chain_free_one(chain_pop(in));
	}
	return r->verdict == H1_MORE;
}

struct chain_body chain_body(
	struct h1_body *b, struct chain *in, struct chain *out, struct rte_mempool *pool)
{
	struct chain_body r = {.verdict = H1_MORE};

	while (in->head != NULL && take_piece(b, in, out, pool, &r))
		;
	return r;
}
