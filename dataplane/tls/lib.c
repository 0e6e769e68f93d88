/* SPDX-License-Identifier: Apache-2.0
 * Library contexts and workers. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/provider.h>

#include "dataplane/base/log.h"
#include "dataplane/base/time.h"
#include "dataplane/tls/tls_pvt.h"

#define WHEEL_TICK_NS (4 * NS_PER_MS)

static EVP_MAC_CTX *mac_new(const struct tls_lib *l, const char *digest)
{
	OSSL_PARAM p[] = {OSSL_PARAM_construct_utf8_string(
				  OSSL_MAC_PARAM_DIGEST, (char *)(uintptr_t)digest, 0),
		OSSL_PARAM_construct_end()};
	EVP_MAC_CTX *m = EVP_MAC_CTX_new(l->hmac);

	if (m != NULL && EVP_MAC_CTX_set_params(m, p) != 1) {
		EVP_MAC_CTX_free(m);
		m = NULL;
	}
	return m;
}

/* No openssl.cnf is read: what is configured stands in one place. */
static bool open_lib(struct tls_lib *l)
{
	static const char *const names[AEAD_CNT] = {
		"AES-128-GCM", "AES-256-GCM", "ChaCha20-Poly1305"};

	l->ctx = OSSL_LIB_CTX_new();
	if (l->ctx == NULL)
		return false;
	l->provider = OSSL_PROVIDER_load(l->ctx, "default");
	for (int i = 0; i < AEAD_CNT; i++) {
		l->ciphers[i] = EVP_CIPHER_fetch(l->ctx, names[i], NULL);
		if (l->ciphers[i] == NULL)
			return false;
	}
	l->hmac = EVP_MAC_fetch(l->ctx, "HMAC", NULL);
	l->ticket_cipher = EVP_CIPHER_fetch(l->ctx, "AES-256-CBC", NULL);
	l->sha256 = EVP_MD_fetch(l->ctx, "SHA256", NULL);
	if (l->provider == NULL || l->hmac == NULL || l->ticket_cipher == NULL || l->sha256 == NULL)
		return false;
	l->macs[TLS_SHA256] = mac_new(l, "SHA256");
	l->macs[TLS_SHA384] = mac_new(l, "SHA384");
	return l->macs[TLS_SHA256] != NULL && l->macs[TLS_SHA384] != NULL;
}

static void close_lib(struct tls_lib *l)
{
	for (int i = 0; i < TLS_HASH_CNT; i++)
		EVP_MAC_CTX_free(l->macs[i]);
	for (int i = 0; i < AEAD_CNT; i++)
		EVP_CIPHER_free(l->ciphers[i]);
	EVP_MAC_free(l->hmac);
	EVP_CIPHER_free(l->ticket_cipher);
	EVP_MD_free(l->sha256);
	if (l->provider != NULL)
		(void)OSSL_PROVIDER_unload(l->provider);
	OSSL_LIB_CTX_free(l->ctx);
}

int tls_libs_create(uint32_t worker_cnt, struct tls_libs **out)
{
	struct tls_libs *l = calloc(1, sizeof(*l) + worker_cnt * sizeof(l->lib[0]));

	*out = NULL;
	if (l == NULL)
		return -ENOMEM;
	/* The process-wide part: no configuration file, no clean-up behind our back. */
	(void)OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT, NULL);
	for (l->cnt = 0; l->cnt < worker_cnt; l->cnt++)
		if (!open_lib(&l->lib[l->cnt])) {
			l->cnt++;
			tls_libs_destroy(l);
			return -ENOSYS;
		}
	*out = l;
	return 0;
}

void tls_libs_destroy(struct tls_libs *l)
{
	if (l == NULL)
		return;
	for (uint32_t i = 0; i < l->cnt; i++)
		close_lib(&l->lib[i]);
	free(l);
}

/* ---- workers ---- */

int tls_worker_create(const struct tls_worker_conf *conf, uint64_t now_ns, struct tls_worker **out)
{
	struct tls_worker *w = calloc(1, sizeof(*w));

	*out = NULL;
	if (w == NULL)
		return -ENOMEM;
	w->conf = *conf;
	if (w->conf.max_conns == 0)
		w->conf.max_conns = 16384;
	if (w->conf.max_handshakes == 0)
		w->conf.max_handshakes = 1024;
	if (w->conf.handshake_timeout_ns == 0)
		w->conf.handshake_timeout_ns = 10 * NS_PER_SEC;
	w->lib = &conf->libs->lib[conf->index];
	w->now_ns = now_ns;
	wheel_init(&w->wheel, WHEEL_TICK_NS, now_ns);
	list_init(&w->ready);
	w->bio = tls_bio_method();
	if (w->bio == NULL ||
		pool_init(&w->conns, sizeof(struct tls_conn), 8, w->conf.max_conns) != 0) {
		tls_worker_destroy(w);
		return -ENOMEM;
	}
	*out = w;
	return 0;
}

void tls_worker_destroy(struct tls_worker *w)
{
	if (w == NULL)
		return;
	for (uint32_t i = 0; i < w->conns.used_high; i++) {
		struct tls_conn *t = pool_at(&w->conns, i);

		if (t->state != TLS_DEAD)
			tls_conn_drop(t);
	}
	pool_fini(&w->conns);
	BIO_meth_free(w->bio);
	OPENSSL_cleanse(&w->tickets, sizeof(w->tickets));
	free(w);
}

static void expire(struct tls_worker *w)
{
	struct wheel_timer *timer;

	wheel_advance(&w->wheel, w->now_ns);
	while ((timer = wheel_pop(&w->wheel)) != NULL)
		tls_conn_timer(container_of(timer, struct tls_conn, timer));
}

uint32_t tls_worker_run(struct tls_worker *w, uint64_t now_ns)
{
	uint32_t n = 0;

	w->now_ns = now_ns;
	tls_tickets_read(w->conf.tickets, &w->tickets);
	expire(w);
	while (n < TLS_TURN && !list_empty(&w->ready)) {
		struct tls_conn *t = container_of(w->ready.next, struct tls_conn, ready);

		list_remove(&t->ready);
		tls_enter(t);
		tls_handshake_step(t);
		tls_leave(t);
		n++;
	}
	return n;
}

uint64_t tls_worker_next_ns(const struct tls_worker *w)
{
	return list_empty(&w->ready) ? wheel_next_ns(&w->wheel) : w->now_ns;
}

const struct tls_counters *tls_worker_counters(const struct tls_worker *w)
{
	return &w->cnt;
}

/* ---- names ---- */

static const char *const end_texts[] = {
#define E(name, text) text,
	TLS_ENDS(E)
#undef E
};

const char *tls_end_name(enum tls_end end)
{
	return end < TLS_END_CNT ? end_texts[end] : "?";
}
