/* SPDX-License-Identifier: Apache-2.0
 * Our side towards servers: what is trusted, what is shown, and sessions to resume.
 *
 * Each worker keeps sessions in a small table by (address, port, name); a place that is taken is
 * overwritten. The table belongs to the worker's thread. TLS 1.3 tickets are for one use (RFC 8446
 * C.4), so a session leaves the table when it is used. */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "dataplane/base/hash.h"
#include "dataplane/base/rng.h"
#include "dataplane/tls/tls_pvt.h"

#define SESSIONS 256 /* of one worker and client */

struct entry {
	uint64_t key;
	SSL_SESSION *session;
};

struct tls_client {
	_Atomic uint32_t refs;
	uint32_t worker_cnt;
	char sni[TLS_NAME_MAX], verify_name[TLS_NAME_MAX];
	struct siphash_key secret; /* of session keys: names may be a stranger's choice */
	bool verify, resume;
	uint8_t *alpn;
	uint32_t alpn_len;
	SSL_CTX **ctxs;
	struct entry *sessions; /* worker * SESSIONS + place */
};

struct tls_client *tls_client_ref(const struct tls_client *c)
{
	struct tls_client *own = (struct tls_client *)(uintptr_t)c;

	atomic_fetch_add_explicit(&own->refs, 1, memory_order_relaxed);
	return own;
}

void tls_client_unref(struct tls_client *c)
{
	if (c == NULL || atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) != 1)
		return;
	for (uint32_t i = 0; c->sessions != NULL && i < c->worker_cnt * SESSIONS; i++)
		SSL_SESSION_free(c->sessions[i].session);
	for (uint32_t i = 0; c->ctxs != NULL && i < c->worker_cnt; i++)
		SSL_CTX_free(c->ctxs[i]);
	free(c->sessions);
	free(c->ctxs);
	free(c->alpn);
	free(c);
}

SSL_CTX *tls_client_ctx(const struct tls_client *c, uint32_t worker)
{
	return c->ctxs[worker];
}

/* ---- sessions ---- */

static struct entry *entry_of(const struct tls_client *c, const struct tls_conn *t)
{
	return &c->sessions[t->w->conf.index * SESSIONS + (uint32_t)(t->session_key % SESSIONS)];
}

static int keep_session(SSL *ssl, SSL_SESSION *session)
{
	struct tls_conn *t = SSL_get_app_data(ssl);
	struct entry *e;

	if (!t->client->resume || !SSL_SESSION_is_resumable(session))
		return 0;
	e = entry_of(t->client, t);
	SSL_SESSION_free(e->session);
	*e = (struct entry){t->session_key, session};
	return 1; /* the reference is ours */
}

static uint64_t key_of(const struct tls_conn *t, const char *sni)
{
	struct {
		struct ip_addr addr;
		uint64_t port, name;
	} place = {.name = siphash24(&t->client->secret, sni, strlen(sni))};
	struct tcp_info i;

	if (tcp_info(t->e, t->tcp, &i) == 0) {
		place.addr = i.raddr;
		place.port = i.rport;
	}
	return siphash24(&t->client->secret, &place, sizeof(place));
}

static void resume(struct tls_client *c, struct tls_conn *t)
{
	struct entry *e = entry_of(c, t);

	if (e->session == NULL || e->key != t->session_key)
		return;
	(void)SSL_set_session(t->ssl, e->session);
	if (SSL_SESSION_get_protocol_version(e->session) == TLS1_3_VERSION) {
		SSL_SESSION_free(e->session);
		e->session = NULL;
	}
}

static bool is_address(const char *name)
{
	ASN1_OCTET_STRING *a = a2i_IPADDRESS(name);
	bool yes = a != NULL;

	ASN1_OCTET_STRING_free(a);
	ERR_clear_error();
	return yes;
}

int tls_client_prepare(struct tls_client *c, struct tls_conn *t, const char *sni)
{
	const char *name = sni != NULL && sni[0] != '\0' ? sni : c->sni;
	const char *check = c->verify_name[0] != '\0' ? c->verify_name : name;
	X509_VERIFY_PARAM *p = SSL_get0_param(t->ssl);
	int ok = 1;

	if (name[0] != '\0' && !is_address(name))
		ok = SSL_set_tlsext_host_name(t->ssl, name) == 1;
	if (c->verify && check[0] == '\0')
		return -EINVAL; /* any trusted certificate would do, whoever shows it */
	if (c->verify && is_address(check))
		ok = ok && X509_VERIFY_PARAM_set1_ip_asc(p, check) == 1;
	else if (c->verify)
		ok = ok && X509_VERIFY_PARAM_set1_host(p, check, 0) == 1;
	X509_VERIFY_PARAM_set_hostflags(p, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	t->session_key = key_of(t, name);
	if (c->resume)
		resume(c, t);
	return ok ? 0 : -ENOMEM;
}

/* ---- building ---- */

struct build {
	struct tls_report report;
	const struct tls_client_conf *conf;
	struct tls_client *c;
	struct tls_text ca, crl, cert, key;
};

static int show_cert(struct build *b, const struct tls_lib *lib, int64_t now_s, SSL_CTX *ctx)
{
	struct tls_cert own;
	int rc;

	if (b->cert.p == NULL || b->key.p == NULL)
		return 0;
	rc = tls_cert_parse(&b->report, lib, 0, &b->cert, &b->key, now_s, &own);
	if (rc != 0)
		return rc;
	if (SSL_CTX_use_cert_and_key(ctx, own.leaf, own.key, own.chain, 1) != 1) {
		tls_fault(&b->report, TLS_PART_CERT, 0, false, "is not fit for use: %s",
			ERR_reason_error_string(ERR_peek_error()));
		ERR_clear_error();
		rc = -EINVAL;
	}
	tls_cert_free(&own);
	return rc;
}

static int make_ctx(struct build *b, const struct tls_lib *lib, int64_t now_s, SSL_CTX **out)
{
	const struct tls_client_conf *c = b->conf;
	SSL_CTX *ctx = SSL_CTX_new_ex(lib->ctx, NULL, TLS_client_method());
	X509_STORE *store;
	int rc;

	*out = ctx;
	if (ctx == NULL)
		return -ENOMEM;
	rc = tls_ctx_common(&b->report, ctx, c->min_version, c->ciphers, c->groups);
	SSL_CTX_set_session_cache_mode(
		ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
	SSL_CTX_sess_set_new_cb(ctx, keep_session);
	if (b->c->alpn_len > 0 && SSL_CTX_set_alpn_protos(ctx, b->c->alpn, b->c->alpn_len) != 0)
		rc = -ENOMEM;
	if (b->c->verify) {
		store = tls_store_new(&b->report, lib, &b->ca, &b->crl);
		if (store == NULL)
			return -ENOMEM;
		SSL_CTX_set_cert_store(ctx, store);
		SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
		SSL_CTX_set_verify_depth(ctx, c->verify_depth == 0 ? 4 : (int)c->verify_depth);
	}
	return rc != 0 ? rc : show_cert(b, lib, now_s, ctx);
}

static bool given(const char *text)
{
	return text != NULL && text[0] != '\0';
}

static int keep_name(char *to, const char *from)
{
	if (!given(from))
		return 0;
	if (strlen(from) >= TLS_NAME_MAX)
		return -EINVAL;
	strcpy(to, from);
	return 0;
}

static int prepare(struct build *b)
{
	const struct tls_client_conf *c = b->conf;
	struct tls_report *r = &b->report;
	int rc = keep_name(b->c->sni, c->sni);

	if (rc == 0)
		rc = keep_name(b->c->verify_name, c->verify_name);
	b->c->verify = !c->no_verify;
	b->c->resume = !c->no_resume;
	if (given(c->ca))
		(void)!tls_file_read(r, TLS_PART_CA, 0, c->ca, &b->ca);
	if (given(c->crl))
		(void)!tls_file_read(r, TLS_PART_CRL, 0, c->crl, &b->crl);
	if (given(c->cert.cert))
		(void)!tls_file_read(r, TLS_PART_CERT, 0, c->cert.cert, &b->cert);
	if (given(c->cert.key))
		(void)!tls_file_read(r, TLS_PART_KEY, 0, c->cert.key, &b->key);
	if (given(c->cert.cert) != given(c->cert.key))
		tls_fault(r, TLS_PART_CERT, 0, false, "certificate and key belong together");
	if (rc == 0)
		rc = tls_alpn_wire(r, c->alpn, c->alpn_cnt, &b->c->alpn, &b->c->alpn_len);
	return rc != 0 ? rc : r->faults > 0 ? -EINVAL : 0;
}

int tls_client_create(struct tls_libs *libs, const struct tls_client_conf *conf, int64_t now_s,
	tls_fault_fn fault, void *ctx, struct tls_client **out)
{
	struct build b = {.report = {.fn = fault, .ctx = ctx}, .conf = conf};
	int rc = 0;

	*out = NULL;
	b.c = calloc(1, sizeof(*b.c));
	if (b.c == NULL)
		return -ENOMEM;
	atomic_init(&b.c->refs, 1);
	b.c->worker_cnt = libs->cnt;
	rng_secret(&b.c->secret, sizeof(b.c->secret));
	b.c->ctxs = calloc(libs->cnt, sizeof(*b.c->ctxs));
	b.c->sessions = calloc((size_t)libs->cnt * SESSIONS, sizeof(*b.c->sessions));
	rc = b.c->ctxs == NULL || b.c->sessions == NULL ? -ENOMEM : prepare(&b);
	for (uint32_t w = 0; rc == 0 && w < libs->cnt; w++) {
		b.report.muted = w > 0;
		rc = make_ctx(&b, &libs->lib[w], now_s, &b.c->ctxs[w]);
		if (rc == 0 && b.report.faults > 0)
			rc = -EINVAL;
	}
	tls_text_free(&b.ca);
	tls_text_free(&b.crl);
	tls_text_free(&b.cert);
	tls_text_free(&b.key);
	if (rc != 0) {
		tls_client_unref(b.c);
		return rc;
	}
	*out = b.c;
	return 0;
}
