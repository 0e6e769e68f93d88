/* SPDX-License-Identifier: Apache-2.0
 * The BIO between OpenSSL and mbufs, for the handshake: it reads from `in` as far as bio_left
 * allows and writes into new mbufs of `out`. It never takes part of what is written. */
#include <string.h>

#include <openssl/bio.h>

#include "dataplane/tls/tls_pvt.h"

static int bio_read(BIO *b, char *data, size_t len, size_t *got)
{
	struct tls_conn *t = BIO_get_data(b);
	uint32_t n = len < t->bio_left ? (uint32_t)len : t->bio_left;

	BIO_clear_retry_flags(b);
	if (n > t->in.len)
		n = t->in.len;
	if (n == 0) {
		BIO_set_retry_read(b);
		return 0;
	}
	tls_chain_peek(&t->in, n, data);
	tls_chain_trim_head(&t->in, n);
	t->bio_left -= n;
	(void)tcp_consumed(t->e, t->tcp, n);
	*got = n;
	return 1;
}

static int bio_write(BIO *b, const char *data, size_t len, size_t *done)
{
	struct tls_conn *t = BIO_get_data(b);
	size_t at = 0;

	BIO_clear_retry_flags(b);
	while (at < len) {
		struct rte_mbuf *m = t->out.tail;
		size_t n, room;

		if (m == NULL || m->data_off + m->data_len == m->buf_len) {
			m = rte_pktmbuf_alloc(t->w->conf.pool);
			if (m == NULL) {
				TLS_CNT(t->w, no_mbuf);
				t->no_mbuf = true;
				return 0;
			}
			m->data_off = 0;
			if (t->out.head == NULL)
				t->out.head = m;
			else
				t->out.tail->next = m;
			t->out.tail = m;
		}
		room = (size_t)(m->buf_len - m->data_off - m->data_len);
		n = len - at < room ? len - at : room;
		memcpy(rte_pktmbuf_mtod(m, uint8_t *) + m->data_len, data + at, n);
		m->data_len = (uint16_t)(m->data_len + n);
		m->pkt_len = m->data_len;
		t->out.len += (uint32_t)n;
		at += n;
	}
	*done = len;
	return 1;
}

static long bio_ctrl(BIO *b, int cmd, long num, void *ptr)
{
	(void)b;
	(void)num;
	(void)ptr;
	return cmd == BIO_CTRL_FLUSH || cmd == BIO_CTRL_DUP ? 1 : 0;
}

static int bio_create(BIO *b)
{
	BIO_set_init(b, 1);
	return 1;
}

BIO_METHOD *tls_bio_method(void)
{
	BIO_METHOD *m = BIO_meth_new(BIO_TYPE_START | BIO_TYPE_SOURCE_SINK, "mbufs");

	if (m == NULL)
		return NULL;
	BIO_meth_set_read_ex(m, bio_read);
	BIO_meth_set_write_ex(m, bio_write);
	BIO_meth_set_ctrl(m, bio_ctrl);
	BIO_meth_set_create(m, bio_create);
	return m;
}

BIO *tls_bio_new(struct tls_conn *t)
{
	BIO *b = BIO_new(t->w->bio);

	if (b != NULL)
		BIO_set_data(b, t);
	return b;
}
