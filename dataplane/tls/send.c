/* SPDX-License-Identifier: Apache-2.0
 * Sending. Records end where mbufs end, so that what is not taken can be given back whole; a record
 * holds as many mbufs as fit. At the beginning and after a pause records are no larger than a
 * segment: the peer can use each as it arrives, which matters while the congestion window is small;
 * later ones are full. */
#include <errno.h>

#include <rte_mempool.h>

#include "dataplane/base/time.h"
#include "dataplane/tls/tls_pvt.h"

#define SMALL_BYTES (64 * 1024) /* of small records after a pause */
#define PAUSE_NS    NS_PER_SEC
#define SEQ_LIMIT   (UINT64_C(1) << 24) /* records under one key (RFC 8446 5.5 allows 2^24.5) */

static uint32_t record_limit(struct tls_conn *t)
{
	if (t->w->now_ns - t->sent_ns > PAUSE_NS)
		t->burst = 0;
	t->sent_ns = t->w->now_ns;
	return t->burst < SMALL_BYTES ? t->small : RECORD_PLAIN;
}

static int can_send(const struct tls_conn *t)
{
	if (t->state < TLS_OPEN)
		return -ENOTCONN;
	if (t->state != TLS_OPEN)
		return -ESTALE;
	return t->shut ? -EPIPE : 0;
}

int tls_send_key_update(struct tls_conn *t)
{
	uint8_t msg[5] = {24, 0, 0, 1, 0}; /* update_not_requested */
	struct tls_source src = {.p = msg, .left = sizeof(msg)};

	if (tls_record_seal(t, RECORD_HANDSHAKE, &src, sizeof(msg)) != 0)
		return -ENOMEM;
	TLS_CNT(t->w, key_updates);
	return tls_keys_update(t, &t->tx);
}

/* One record of n bytes; a new key first if the old one has done enough. */
static int seal(struct tls_conn *t, struct tls_source *src, uint32_t n)
{
	int rc;

	if (unlikely(t->tx.seq >= SEQ_LIMIT) && t->version == TLS_V13) {
		rc = tls_send_key_update(t);
		if (rc != 0)
			return rc;
	}
	rc = tls_record_seal(t, RECORD_DATA, src, n);
	if (rc == 0)
		t->burst += n;
	return rc;
}

/* An mbuf of more than one record. That it cannot be given back in part is why buffers for all of
 * it must be there; if they are not after all, -ECONNABORTED. */
static int seal_large(struct tls_conn *t, const struct rte_mbuf *m)
{
	struct tls_source src = {.p = rte_pktmbuf_mtod(m, const uint8_t *), .left = m->data_len};
	uint32_t left = m->data_len;

	if (rte_mempool_avail_count(t->w->conf.pool) < 64 + 2 * (left / 1024))
		return -ENOMEM;
	while (left > 0) {
		uint32_t n = left < RECORD_PLAIN ? left : RECORD_PLAIN;

		if (seal(t, &src, n) != 0)
			return -ECONNABORTED;
		left -= n;
	}
	return 0;
}

/* The mbufs from m on that make the next record: how many bytes, and which one comes next. */
static uint32_t gather(struct tls_conn *t, struct rte_mbuf *m, struct rte_mbuf **next)
{
	uint32_t limit = record_limit(t), n = m->data_len;

	for (m = m->next; m != NULL && n + m->data_len <= limit; m = m->next)
		n += m->data_len;
	*next = m;
	return n;
}

static void free_until(struct rte_mbuf *m, const struct rte_mbuf *end)
{
	while (m != end) {
		struct rte_mbuf *next = m->next;

		m->next = NULL;
		m->nb_segs = 1;
		rte_pktmbuf_free_seg(m);
		m = next;
	}
}

/* The user waits: TCP must tell of room, whether it refused something or not. */
static void wait_for_room(struct tls_conn *t)
{
	t->want_write = true;
	if (t->out.head == NULL)
		(void)tcp_want_write(t->e, t->tcp);
}

static int seal_next(struct tls_conn *t, struct rte_mbuf **m, uint32_t *n)
{
	struct tls_source src = {.next = *m};
	struct rte_mbuf *next;
	int rc;

	*n = gather(t, *m, &next);
	if (*n > RECORD_PLAIN)
		rc = seal_large(t, *m);
	else
		rc = *n == 0 ? 0 : seal(t, &src, *n);
	if (rc != 0)
		return rc;
	free_until(*m, next);
	*m = next;
	return 0;
}

int64_t tls_send(struct tls_conn *t, struct rte_mbuf **chain, unsigned flags)
{
	struct rte_mbuf *m = *chain;
	uint32_t room, taken = 0, n;
	int rc = can_send(t);

	if (rc != 0)
		return rc;
	room = t->out.head == NULL ? tcp_send_room(t->e, t->tcp) : 0;
	while (m != NULL && t->out.len < room) {
		rc = seal_next(t, &m, &n);
		if (rc != 0)
			break;
		taken += n;
	}
	*chain = m;
	if (rc == -ECONNABORTED) {
		(void)tcp_abort(t->e, t->tcp);
		return -ESTALE;
	}
	if (rc != 0)
		TLS_CNT(t->w, no_mbuf);
	tls_flush(t, flags & TCP_SEND_MORE);
	if (m != NULL)
		wait_for_room(t);
	else if (flags & TCP_SEND_FIN)
		(void)tls_shutdown(t);
	return taken;
}

/* Take sealed records back that TCP has not seen: their nonces were never used on the wire. */
static void unseal(struct tls_conn *t, uint64_t seq)
{
	tls_chain_free(&t->out);
	t->tx.seq = seq;
}

int64_t tls_send_bytes(struct tls_conn *t, const void *data, uint32_t len, unsigned flags)
{
	struct tls_source src = {.p = data, .left = len};
	uint64_t seq = t->tx.seq;
	uint32_t left = len;
	int rc = can_send(t);

	if (rc != 0)
		return rc;
	if (tls_send_room(t) < len) {
		wait_for_room(t);
		return 0;
	}
	while (left > 0 && rc == 0) {
		uint32_t limit = record_limit(t), n = left < limit ? left : limit;

		rc = tls_record_seal(t, RECORD_DATA, &src, n);
		t->burst += n;
		left -= n;
	}
	if (rc != 0) {
		TLS_CNT(t->w, no_mbuf);
		unseal(t, seq);
		wait_for_room(t);
		return 0;
	}
	tls_flush(t, flags & TCP_SEND_MORE);
	if (flags & TCP_SEND_FIN)
		(void)tls_shutdown(t);
	return len;
}

uint32_t tls_send_room(const struct tls_conn *t)
{
	uint32_t room, extra;

	if (can_send(t) != 0 || t->out.head != NULL)
		return 0;
	room = tcp_send_room(t->e, t->tcp);
	/* Small records at first: each has its header and tag. */
	extra = (room / t->small + 1) * tls_record_overhead(t);
	return room > extra ? room - extra : 0;
}
