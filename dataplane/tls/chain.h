/* SPDX-License-Identifier: Apache-2.0
 * chain - a queue of bytes in mbufs, linked by next.
 * Owner:      one connection.
 * Invariants: CH1 len is the sum of data_len. CH2 every mbuf is direct and has no other reference,
 *             so its bytes may be changed in place.
 * Errors:     -ENOMEM when the pool is empty; what was there stays as it was. */
#ifndef DATAPLANE_TLS_CHAIN_H
#define DATAPLANE_TLS_CHAIN_H

#include <rte_mbuf.h>

#include "dataplane/base/compiler.h"

struct tls_chain {
	struct rte_mbuf *head, *tail;
	uint32_t len;
};

/* Link list freed segment by segment; NULL is fine. */
void tls_mbufs_free(struct rte_mbuf *m);
/* Append received mbufs, taken over in any case; those that others refer to are copied. */
int tls_chain_append(struct tls_chain *c, struct rte_mbuf *m, struct rte_mempool *pool) WARN_UNUSED;
/* Detach the first n <= len bytes. */
int tls_chain_split(struct tls_chain *c, uint32_t n, struct tls_chain *first,
	struct rte_mempool *pool) WARN_UNUSED;
/* The first n <= len bytes, copied out; they stay. */
void tls_chain_peek(const struct tls_chain *c, uint32_t n, void *out);
/* Drop n <= len bytes at an end; empty mbufs go. */
void tls_chain_trim_head(struct tls_chain *c, uint32_t n);
void tls_chain_trim_tail(struct tls_chain *c, uint32_t n);
/* Copy the last n <= len bytes out. */
void tls_chain_last(const struct tls_chain *c, uint32_t n, uint8_t *out);
void tls_chain_free(struct tls_chain *c);

#endif
