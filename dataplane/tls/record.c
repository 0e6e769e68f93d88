/* SPDX-License-Identifier: Apache-2.0
 * The record layer behind the handshake: AEAD in place on the way in, from the payload into new
 * mbufs on the way out.
 *
 * Keys of TLS 1.3 follow from the traffic secrets that OpenSSL logs (RFC 8446 7.1 and 7.3), those
 * of TLS 1.2 from the session's master secret (RFC 5246 6.3). Nonces: the fixed part XOR the
 * sequence number (RFC 8446 5.3, RFC 7905), but with AES-GCM in TLS 1.2 four fixed bytes and eight
 * that go with the record (RFC 5288 3). */
#include <errno.h>
#include <string.h>

#include <openssl/kdf.h>

#include "dataplane/base/assert.h"
#include "dataplane/tls/tls_pvt.h"

#define BLOCK 16

static const uint8_t key_lens[AEAD_CNT] = {16, 32, 32};
static const uint8_t hash_lens[TLS_HASH_CNT] = {32, 48};

static bool is13(const struct tls_conn *t)
{
	return t->version == TLS_V13;
}

/* Does each record carry its nonce? */
static bool explicit_nonce(const struct tls_conn *t)
{
	return !is13(t) && t->aead != AEAD_CHACHA20_POLY1305;
}

uint32_t tls_record_overhead(const struct tls_conn *t)
{
	return RECORD_HDR + RECORD_TAG + (is13(t) ? 1u : 0u) + (explicit_nonce(t) ? 8u : 0u);
}

/* ---- keys ---- */

struct piece {
	const void *p;
	size_t len;
};

static int hmac(struct tls_conn *t, const uint8_t *key, const struct piece *pieces, uint32_t cnt,
	uint8_t *out)
{
	EVP_MAC_CTX *m = t->w->lib->macs[t->hash];
	size_t len;

	if (EVP_MAC_init(m, key, hash_lens[t->hash], NULL) != 1)
		return -ENOMEM;
	for (uint32_t i = 0; i < cnt; i++)
		if (EVP_MAC_update(m, pieces[i].p, pieces[i].len) != 1)
			return -ENOMEM;
	return EVP_MAC_final(m, out, &len, EVP_MAX_MD_SIZE) == 1 ? 0 : -ENOMEM;
}

/* HKDF-Expand-Label with an empty context, of at most one hash (RFC 8446 7.1). */
static int expand_label(
	struct tls_conn *t, const uint8_t *secret, const char *label, uint8_t *out, uint8_t len)
{
	uint8_t info[64], full[EVP_MAX_MD_SIZE];
	size_t n = strlen(label), at = 0;
	int rc;

	info[at++] = 0;
	info[at++] = len;
	info[at++] = (uint8_t)(6 + n);
	memcpy(info + at, "tls13 ", 6);
	memcpy(info + at + 6, label, n);
	at += 6 + n;
	info[at++] = 0; /* context */
	info[at++] = 1; /* HKDF-Expand's counter */
	rc = hmac(t, secret, &(struct piece){info, at}, 1, full);
	memcpy(out, full, len);
	OPENSSL_cleanse(full, sizeof(full));
	return rc;
}

static int set_key(struct tls_conn *t, struct tls_keys *k, const uint8_t *key, bool encrypt)
{
	if (k->ctx == NULL)
		k->ctx = EVP_CIPHER_CTX_new();
	k->seq = 0;
	if (k->ctx == NULL || EVP_CipherInit_ex2(k->ctx, t->w->lib->ciphers[t->aead], key, NULL,
				      encrypt, NULL) != 1)
		return -ENOMEM;
	return 0;
}

static int derive13(struct tls_conn *t, struct tls_keys *k, bool encrypt)
{
	uint8_t key[32];
	int rc = expand_label(t, k->secret, "key", key, key_lens[t->aead]);

	if (rc == 0)
		rc = expand_label(t, k->secret, "iv", k->iv, sizeof(k->iv));
	if (rc == 0)
		rc = set_key(t, k, key, encrypt);
	OPENSSL_cleanse(key, sizeof(key));
	return rc;
}

int tls_keys_update(struct tls_conn *t, struct tls_keys *k)
{
	uint8_t next[SECRET_MAX];
	int rc = expand_label(t, k->secret, "traffic upd", next, hash_lens[t->hash]);

	memcpy(k->secret, next, sizeof(k->secret));
	OPENSSL_cleanse(next, sizeof(next));
	return rc != 0 ? rc : derive13(t, k, k == &t->tx);
}

/* RFC 5246 5: P_hash of seed into out, whose room is a multiple of the hash. The secret of 48 bytes
 * is longer than a SHA-256 key but shorter than its block, so hmac()'s key length does not hold. */
static int prf12(struct tls_conn *t, const uint8_t *master, const struct piece *seed, uint8_t *out,
	uint32_t len)
{
	EVP_MAC_CTX *m = t->w->lib->macs[t->hash];
	uint8_t a[EVP_MAX_MD_SIZE];
	size_t n = hash_lens[t->hash], got;
	bool ok = EVP_MAC_init(m, master, 48, NULL) == 1;

	for (int i = 0; ok && i < 3; i++)
		ok = EVP_MAC_update(m, seed[i].p, seed[i].len) == 1;
	ok = ok && EVP_MAC_final(m, a, &got, sizeof(a)) == 1;
	for (uint32_t at = 0; ok && at < len; at += (uint32_t)n) {
		ok = EVP_MAC_init(m, master, 48, NULL) == 1 && EVP_MAC_update(m, a, n) == 1;
		for (int i = 0; ok && i < 3; i++)
			ok = EVP_MAC_update(m, seed[i].p, seed[i].len) == 1;
		ok = ok && EVP_MAC_final(m, out + at, &got, n) == 1;
		ok = ok && EVP_MAC_init(m, master, 48, NULL) == 1 && EVP_MAC_update(m, a, n) == 1 &&
		     EVP_MAC_final(m, a, &got, sizeof(a)) == 1;
	}
	OPENSSL_cleanse(a, sizeof(a));
	return ok ? 0 : -ENOMEM;
}

static int install12(struct tls_conn *t)
{
	static const char label[] = "key expansion";
	uint8_t master[48], randoms[64], block[192];
	uint32_t klen = key_lens[t->aead], ivlen = explicit_nonce(t) ? 4 : 12;
	struct piece seed[3] = {{label, sizeof(label) - 1}, {randoms, 64}, {randoms, 0}};
	struct tls_keys *client = t->is_server ? &t->rx : &t->tx;
	struct tls_keys *server = t->is_server ? &t->tx : &t->rx;
	int rc;

	if (SSL_SESSION_get_master_key(SSL_get_session(t->ssl), master, sizeof(master)) != 48)
		return -EPROTO;
	SSL_get_server_random(t->ssl, randoms, 32);
	SSL_get_client_random(t->ssl, randoms + 32, 32);
	rc = prf12(
		t, master, seed, block, (uint32_t)ROUND_UP(2 * (klen + ivlen), hash_lens[t->hash]));
	if (rc == 0)
		rc = set_key(t, client, block, !t->is_server);
	if (rc == 0)
		rc = set_key(t, server, block + klen, t->is_server);
	memcpy(client->iv, block + 2 * klen, ivlen);
	memcpy(server->iv, block + 2 * klen + ivlen, ivlen);
	/* The two Finished messages were the first records under these keys. */
	t->rx.seq = t->tx.seq = 1;
	OPENSSL_cleanse(master, sizeof(master));
	OPENSSL_cleanse(block, sizeof(block));
	return rc;
}

static int install13(struct tls_conn *t, uint32_t sent_records)
{
	int rc;

	if (!t->have_rx_secret || !t->have_tx_secret)
		return -EPROTO;
	memcpy(t->rx.secret, t->logged_rx, SECRET_MAX);
	memcpy(t->tx.secret, t->logged_tx, SECRET_MAX);
	rc = derive13(t, &t->rx, false);
	if (rc == 0)
		rc = derive13(t, &t->tx, true);
	t->tx.seq = sent_records;
	return rc;
}

static int read_suite(struct tls_conn *t)
{
	switch (SSL_CIPHER_get_cipher_nid(t->cipher)) {
	case NID_aes_128_gcm:
		t->aead = AEAD_AES_128_GCM;
		break;
	case NID_aes_256_gcm:
		t->aead = AEAD_AES_256_GCM;
		break;
	case NID_chacha20_poly1305:
		t->aead = AEAD_CHACHA20_POLY1305;
		break;
	default:
		return -EPROTO;
	}
	t->hash = EVP_MD_get_type(SSL_CIPHER_get_handshake_digest(t->cipher)) == NID_sha384
			  ? TLS_SHA384
			  : TLS_SHA256;
	return 0;
}

int tls_keys_install(struct tls_conn *t, uint32_t sent_records)
{
	int rc;

	t->version = (uint16_t)SSL_version(t->ssl);
	t->cipher = SSL_get_current_cipher(t->ssl);
	rc = read_suite(t);
	if (rc == 0)
		rc = is13(t) ? install13(t, sent_records) : install12(t);
	OPENSSL_cleanse(t->logged_rx, sizeof(t->logged_rx));
	OPENSSL_cleanse(t->logged_tx, sizeof(t->logged_tx));
	return rc;
}

void tls_keys_clear(struct tls_keys *k)
{
	EVP_CIPHER_CTX_free(k->ctx);
	OPENSSL_cleanse(k, sizeof(*k));
}

/* ---- one record ---- */

static void put64(uint8_t *p, uint64_t v)
{
	for (int i = 0; i < 8; i++)
		p[i] = (uint8_t)(v >> (56 - 8 * i));
}

static void nonce_of(const struct tls_conn *t, const struct tls_keys *k, uint8_t *nonce)
{
	uint8_t seq[8];

	memcpy(nonce, k->iv, 12);
	put64(seq, k->seq);
	if (explicit_nonce(t))
		memcpy(nonce + 4, seq, 8);
	else
		for (int i = 0; i < 8; i++)
			nonce[4 + i] ^= seq[i];
}

/* Nonce and additional data: the header (RFC 8446 5.2), in 1.2 behind the sequence number and with
 * the plaintext's length (RFC 5246 6.2.3.3). */
static bool begin(struct tls_conn *t, struct tls_keys *k, const uint8_t *nonce, const uint8_t *hdr,
	uint32_t plain_len)
{
	uint8_t aad[13];
	int n, len = RECORD_HDR;

	if (is13(t)) {
		memcpy(aad, hdr, RECORD_HDR);
	} else {
		put64(aad, k->seq);
		memcpy(aad + 8, hdr, 3);
		aad[11] = (uint8_t)(plain_len >> 8);
		aad[12] = (uint8_t)plain_len;
		len = 13;
	}
	return EVP_CipherInit_ex2(k->ctx, NULL, NULL, nonce, -1, NULL) == 1 &&
	       EVP_CipherUpdate(k->ctx, NULL, &n, aad, len) == 1;
}

/* Let every piece but the last be whole cipher blocks, by moving a few bytes up from the next: what
 * is left of a block costs the ciphers a slow path at both ends of a piece. */
static void align_pieces(struct tls_chain *rec)
{
	for (struct rte_mbuf *m = rec->head; m != NULL && m->next != NULL; m = m->next) {
		uint16_t part = m->data_len % BLOCK, n = (uint16_t)(BLOCK - part);
		struct rte_mbuf *next = m->next;

		if (part == 0 || n >= next->data_len || n > rte_pktmbuf_tailroom(m))
			continue;
		memcpy(rte_pktmbuf_mtod(m, uint8_t *) + m->data_len,
			rte_pktmbuf_mtod(next, const uint8_t *), n);
		m->data_len = (uint16_t)(m->data_len + n);
		next->data_off = (uint16_t)(next->data_off + n);
		next->data_len = (uint16_t)(next->data_len - n);
	}
}

static bool decrypt(struct tls_keys *k, struct tls_chain *rec, uint8_t *tag)
{
	uint8_t none[16];
	int n;

	align_pieces(rec);
	for (struct rte_mbuf *m = rec->head; m != NULL; m = m->next) {
		uint8_t *p = rte_pktmbuf_mtod(m, uint8_t *);

		if (EVP_CipherUpdate(k->ctx, p, &n, p, m->data_len) != 1)
			return false;
	}
	return EVP_CIPHER_CTX_ctrl(k->ctx, EVP_CTRL_AEAD_SET_TAG, RECORD_TAG, tag) == 1 &&
	       EVP_CipherFinal_ex(k->ctx, none, &n) == 1;
}

/* RFC 8446 5.4: the type is the last byte that is not zero. */
static int take_inner_type(struct tls_chain *rec, uint8_t *type)
{
	uint32_t at = 0, last = UINT32_MAX;

	if (rec->tail != NULL && rec->tail->data_len > 0) {
		*type = rte_pktmbuf_mtod(rec->tail, uint8_t *)[rec->tail->data_len - 1];
		if (*type != 0) {
			tls_chain_trim_tail(rec, 1);
			return 0;
		}
	}
	for (const struct rte_mbuf *m = rec->head; m != NULL; m = m->next) {
		const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *);

		for (uint32_t i = 0; i < m->data_len; i++)
			if (p[i] != 0) {
				last = at + i;
				*type = p[i];
			}
		at += m->data_len;
	}
	if (last == UINT32_MAX)
		return -EPROTO;
	tls_chain_trim_tail(rec, rec->len - last);
	return 0;
}

int tls_record_open(struct tls_conn *t, struct tls_chain *rec, uint8_t *type)
{
	uint32_t extra = RECORD_HDR + (explicit_nonce(t) ? 8u : 0u);
	uint8_t hdr[RECORD_HDR + 8], nonce[12], tag[RECORD_TAG];

	if (rec->len < extra + RECORD_TAG + (is13(t) ? 1u : 0u))
		return -EBADMSG;
	tls_chain_peek(rec, extra, hdr);
	tls_chain_last(rec, RECORD_TAG, tag);
	tls_chain_trim_head(rec, extra);
	tls_chain_trim_tail(rec, RECORD_TAG);
	if (rec->len > RECORD_PLAIN + (is13(t) ? 256u : 0u))
		return -EMSGSIZE;
	nonce_of(t, &t->rx, nonce);
	if (explicit_nonce(t))
		memcpy(nonce + 4, hdr + RECORD_HDR, 8);
	if (!begin(t, &t->rx, nonce, hdr, rec->len) || !decrypt(&t->rx, rec, tag))
		return -EBADMSG;
	t->rx.seq++;
	*type = hdr[0];
	if (!is13(t))
		return 0;
	if (take_inner_type(rec, type) != 0)
		return -EPROTO;
	return rec->len > RECORD_PLAIN ? -EMSGSIZE : 0;
}

int tls_record_look(struct tls_conn *t, uint32_t wire)
{
	uint8_t *rec = t->w->scratch, nonce[12], *body = rec + RECORD_HDR;
	uint32_t n = wire - RECORD_HDR - RECORD_TAG;
	int got;

	if (wire < RECORD_HDR + RECORD_TAG + 1)
		return -EBADMSG;
	tls_chain_peek(&t->in, wire, rec);
	nonce_of(t, &t->rx, nonce);
	if (!begin(t, &t->rx, nonce, rec, n) ||
		EVP_CipherUpdate(t->rx.ctx, body, &got, body, (int)n) != 1 ||
		EVP_CIPHER_CTX_ctrl(t->rx.ctx, EVP_CTRL_AEAD_SET_TAG, RECORD_TAG, body + n) != 1 ||
		EVP_CipherFinal_ex(t->rx.ctx, nonce, &got) != 1)
		return -EBADMSG;
	while (n > 0 && body[n - 1] == 0)
		n--;
	if (n < 2)
		return n == 0 ? -EPROTO : body[0];
	return body[n - 1] == RECORD_HANDSHAKE && body[0] == 24 /* key_update */
		       ? RECORD_HANDSHAKE + 1
		       : body[n - 1];
}

/* ---- sealing ---- */

/* Room for len more bytes at the end of c: in its last mbuf if they all fit there, else in new
 * ones. -ENOMEM: c is as the caller must free it. */
static int reserve(struct rte_mempool *pool, uint32_t len, struct tls_chain *c)
{
	if (c->tail != NULL && c->tail->data_len + len <= c->tail->buf_len) {
		c->tail->data_len = (uint16_t)(c->tail->data_len + len);
		c->len += len;
		return 0;
	}
	while (len > 0) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
		uint32_t n;

		if (m == NULL)
			return -ENOMEM;
		n = len < m->buf_len ? len : m->buf_len / BLOCK * BLOCK;
		m->data_off = 0;
		m->data_len = (uint16_t)n;
		if (c->head == NULL)
			c->head = m;
		else
			c->tail->next = m;
		c->tail = m;
		c->len += n;
		len -= n;
	}
	return 0;
}

/* Room for a record of n bytes from src. An mbuf ends where one of the source does, if it can be:
 * so each piece is encrypted in one go, and whole blocks stay whole. */
static int reserve_record(struct tls_conn *t, const struct tls_source *src, uint32_t n,
	uint32_t hdr, uint32_t trailer, struct tls_chain *c)
{
	uint32_t left = src->left < n ? src->left : n, add = hdr;
	const struct rte_mbuf *m = src->next;
	int rc;

	*c = (struct tls_chain){0};
	for (;;) {
		n -= left;
		rc = reserve(t->w->conf.pool, add + left + (n == 0 ? trailer : 0), c);
		if (rc != 0 || n == 0)
			break;
		add = 0;
		left = m->data_len < n ? m->data_len : n;
		m = m->next;
	}
	if (rc != 0)
		tls_mbufs_free(c->head);
	for (struct rte_mbuf *p = rc == 0 ? c->head : NULL; p != NULL; p = p->next)
		p->pkt_len = p->data_len;
	return rc;
}

/* Where the next byte goes. */
struct sink {
	struct rte_mbuf *m;
	uint32_t at;
};

static uint32_t sink_room(struct sink *s)
{
	if (s->at == s->m->data_len && s->m->next != NULL) {
		s->m = s->m->next;
		s->at = 0;
	}
	return s->m->data_len - s->at;
}

static void put(struct sink *s, const uint8_t *p, uint32_t n)
{
	while (n > 0) {
		uint32_t room = sink_room(s), k = n < room ? n : room;

		memcpy(rte_pktmbuf_mtod(s->m, uint8_t *) + s->at, p, k);
		s->at += k;
		p += k;
		n -= k;
	}
}

static bool encrypt(struct tls_keys *k, struct sink *s, struct tls_source *src, uint32_t n)
{
	while (n > 0) {
		uint32_t room = sink_room(s), len;
		int got;

		while (src->left == 0) {
			src->p = rte_pktmbuf_mtod(src->next, const uint8_t *);
			src->left = src->next->data_len;
			src->next = src->next->next;
		}
		len = src->left < room ? src->left : room;
		len = len < n ? len : n;
		if (EVP_CipherUpdate(k->ctx, rte_pktmbuf_mtod(s->m, uint8_t *) + s->at, &got,
			    src->p, (int)len) != 1)
			return false;
		s->at += len;
		src->p += len;
		src->left -= len;
		n -= len;
	}
	return true;
}

static bool finish(struct tls_keys *k, struct sink *s)
{
	uint8_t tag[RECORD_TAG];
	int got;

	if (EVP_CipherFinal_ex(k->ctx, tag, &got) != 1 ||
		EVP_CIPHER_CTX_ctrl(k->ctx, EVP_CTRL_AEAD_GET_TAG, RECORD_TAG, tag) != 1)
		return false;
	put(s, tag, RECORD_TAG);
	return true;
}

static void append(struct tls_chain *to, const struct tls_chain *c)
{
	if (to->head == NULL)
		to->head = c->head;
	else
		to->tail->next = c->head;
	to->tail = c->tail;
	to->len += c->len;
}

int tls_record_seal(struct tls_conn *t, uint8_t type, struct tls_source *src, uint32_t n)
{
	uint32_t size = tls_record_overhead(t) + n, body = size - RECORD_HDR;
	uint32_t hdr_len = RECORD_HDR + (explicit_nonce(t) ? 8u : 0u);
	uint8_t hdr[RECORD_HDR + 8] = {
		is13(t) ? (uint8_t)RECORD_DATA : type, 3, 3, (uint8_t)(body >> 8), (uint8_t)body};
	struct tls_source inner = {.p = &type, .left = 1};
	uint8_t nonce[12];
	struct tls_chain c;
	struct sink s;
	bool ok;

	if (reserve_record(t, src, n, hdr_len, size - hdr_len - n, &c) != 0)
		return -ENOMEM;
	s = (struct sink){c.head, 0};
	nonce_of(t, &t->tx, nonce);
	if (explicit_nonce(t))
		memcpy(hdr + RECORD_HDR, nonce + 4, 8);
	put(&s, hdr, hdr_len);
	ok = begin(t, &t->tx, nonce, hdr, n) && encrypt(&t->tx, &s, src, n) &&
	     (!is13(t) || encrypt(&t->tx, &s, &inner, 1)) && finish(&t->tx, &s);
	if (!ok) {
		tls_mbufs_free(c.head);
		return -ENOMEM;
	}
	t->tx.seq++;
	append(&t->out, &c);
	TLS_CNT(t->w, records_out);
	return 0;
}
