/* SPDX-License-Identifier: Apache-2.0
 * Certificates of a server, found by name.
 *
 * A name may be covered by several certificates: of those of one kind of key the first given
 * counts, and an ECDSA and an RSA certificate stand side by side in one SSL_CTX, where OpenSSL
 * chooses by what the client can do. Names that are covered by the same certificates share a
 * context; this set is a group. Every worker has a context of each group in its own library. */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "dataplane/tls/tls_pvt.h"

#define KINDS        4 /* RSA, EC, Ed25519, other */
#define NONE         UINT16_MAX
#define SESSION_S    (12 * 3600) /* how long a ticket is good for */
#define FULL_TICKETS 1           /* after a full handshake; each costs half of what signing does */

struct group {
	uint16_t cert[KINDS]; /* NONE: of this kind there is none */
};

struct name {
	char text[TLS_NAME_MAX]; /* lower case; "*.x" for a wildcard */
	uint16_t cert;
	uint32_t group;
};

struct tls_server {
	_Atomic uint32_t refs;
	uint32_t worker_cnt, group_cnt, name_cnt;
	struct group *groups; /* [0]: for names that nothing covers */
	struct name *names;   /* sorted */
	SSL_CTX **ctxs;       /* worker * group_cnt + group */
	uint8_t *alpn;
	uint32_t alpn_len;
	bool strict;
	uint8_t sid[32];
};

struct tls_server *tls_server_ref(const struct tls_server *s)
{
	struct tls_server *own = (struct tls_server *)(uintptr_t)s;

	atomic_fetch_add_explicit(&own->refs, 1, memory_order_relaxed);
	return own;
}

void tls_server_unref(struct tls_server *s)
{
	if (s == NULL || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
		return;
	for (uint32_t i = 0; s->ctxs != NULL && i < s->worker_cnt * s->group_cnt; i++)
		SSL_CTX_free(s->ctxs[i]);
	free(s->ctxs);
	free(s->groups);
	free(s->names);
	free(s->alpn);
	free(s);
}

/* ---- finding ---- */

static int by_text(const void *a, const void *b)
{
	return strcmp(((const struct name *)a)->text, ((const struct name *)b)->text);
}

static const struct name *find(const struct tls_server *s, const char *text)
{
	uint32_t lo = 0, hi = s->name_cnt;

	while (lo < hi) {
		uint32_t mid = (lo + hi) / 2;
		int c = strcmp(s->names[mid].text, text);

		if (c == 0)
			return &s->names[mid];
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

SSL_CTX *tls_server_ctx(const struct tls_server *s, uint32_t worker, const char *sni)
{
	SSL_CTX *const *ctxs = &s->ctxs[worker * s->group_cnt];
	const struct name *n = sni[0] == '\0' ? NULL : find(s, sni);
	const char *dot = strchr(sni, '.');
	char wild[TLS_NAME_MAX];

	if (n == NULL && dot != NULL && dot != sni) {
		wild[0] = '*';
		strcpy(wild + 1, dot); /* shorter than sni by what stood before the dot */
		n = find(s, wild);
	}
	if (n != NULL)
		return ctxs[n->group];
	return s->strict ? NULL : ctxs[0];
}

/* ---- callbacks of OpenSSL ---- */

static int select_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
	const unsigned char *in, unsigned int in_len, void *arg)
{
	const struct tls_server *s = arg;

	(void)ssl;
	for (uint32_t a = 0; a < s->alpn_len; a += 1u + s->alpn[a])
		for (uint32_t b = 0; b < in_len; b += 1u + in[b])
			if (s->alpn[a] == in[b] && memcmp(&s->alpn[a], &in[b], 1u + in[b]) == 0) {
				*out = &in[b + 1];
				*out_len = in[b];
				return SSL_TLSEXT_ERR_OK;
			}
	return SSL_TLSEXT_ERR_ALERT_FATAL; /* RFC 7301 3.2 */
}

/* The name chose the context before there was an SSL object; say that it counted. */
static int accept_name(SSL *ssl, int *alert, void *arg)
{
	(void)alert;
	(void)arg;
	return SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name) == NULL ? SSL_TLSEXT_ERR_NOACK
									  : SSL_TLSEXT_ERR_OK;
}

/* ---- names and groups ---- */

struct build {
	struct tls_report report;
	const struct tls_server_conf *conf;
	struct tls_server *s;
	struct tls_text *certs, *keys, ca, crl;
	uint8_t *kinds; /* of each certificate */
	uint32_t name_room;
};

static uint8_t kind_of(const EVP_PKEY *key)
{
	switch (EVP_PKEY_get_base_id(key)) {
	case EVP_PKEY_RSA:
		return 0;
	case EVP_PKEY_EC:
		return 1;
	case EVP_PKEY_ED25519:
		return 2;
	default:
		return 3;
	}
}

static int add_name(struct build *b, const unsigned char *text, size_t len, uint16_t cert)
{
	struct tls_server *s = b->s;
	struct name *n;

	if (len == 0 || len >= TLS_NAME_MAX || memchr(text, '\0', len) != NULL)
		return 0;
	if (s->name_cnt == b->name_room) {
		uint32_t room = b->name_room == 0 ? 16 : 2 * b->name_room;
		struct name *more = realloc(s->names, room * sizeof(*more));

		if (more == NULL)
			return -ENOMEM;
		s->names = more;
		b->name_room = room;
	}
	n = &s->names[s->name_cnt++];
	*n = (struct name){.cert = cert};
	for (size_t i = 0; i < len; i++)
		n->text[i] = (char)(text[i] >= 'A' && text[i] <= 'Z' ? text[i] + 32 : text[i]);
	return 0;
}

/* DNS names of subjectAltName; only without any, the common name. */
static int add_names(struct build *b, X509 *x, uint16_t cert)
{
	GENERAL_NAMES *all = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
	uint32_t before = b->s->name_cnt;
	char cn[TLS_NAME_MAX];
	int rc = 0, len;

	for (int i = 0; rc == 0 && i < sk_GENERAL_NAME_num(all); i++) {
		const GENERAL_NAME *g = sk_GENERAL_NAME_value(all, i);

		if (g->type == GEN_DNS)
			rc = add_name(b, ASN1_STRING_get0_data(g->d.dNSName),
				(size_t)ASN1_STRING_length(g->d.dNSName), cert);
	}
	GENERAL_NAMES_free(all);
	if (rc != 0 || b->s->name_cnt > before)
		return rc;
	len = X509_NAME_get_text_by_NID(X509_get_subject_name(x), NID_commonName, cn, sizeof(cn));
	if (len > 0)
		rc = add_name(b, (const unsigned char *)cn, (size_t)len, cert);
	if (b->s->name_cnt == before)
		tls_fault(&b->report, TLS_PART_CERT, cert, true,
			"names no host: it serves only who asks for a name that no other covers");
	return rc;
}

static int by_text_and_cert(const void *pa, const void *pb)
{
	const struct name *a = pa, *b = pb;
	int c = by_text(pa, pb);

	return c != 0 ? c : (int)a->cert - (int)b->cert;
}

static uint32_t group_of(struct tls_server *s, const struct group *g)
{
	for (uint32_t i = 0; i < s->group_cnt; i++)
		if (memcmp(&s->groups[i], g, sizeof(*g)) == 0)
			return i;
	s->groups[s->group_cnt] = *g;
	return s->group_cnt++;
}

/* One entry a name, with its group; the group of the first certificate's first name is [0]. */
static int make_groups(struct build *b)
{
	struct tls_server *s = b->s;
	char first[TLS_NAME_MAX] = "";
	struct group dflt;
	uint32_t n = 0;

	if (s->name_cnt > 0 && s->names[0].cert == 0)
		memcpy(first, s->names[0].text, sizeof(first));
	if (s->name_cnt > 0)
		qsort(s->names, s->name_cnt, sizeof(*s->names), by_text_and_cert);
	s->groups = calloc(s->name_cnt + 1, sizeof(*s->groups));
	if (s->groups == NULL)
		return -ENOMEM;
	memset(&dflt, 0xff, sizeof(dflt));
	dflt.cert[b->kinds[0]] = 0;
	for (uint32_t i = 0; first[0] != '\0' && i < s->name_cnt; i++)
		if (strcmp(s->names[i].text, first) == 0 &&
			dflt.cert[b->kinds[s->names[i].cert]] == NONE)
			dflt.cert[b->kinds[s->names[i].cert]] = s->names[i].cert;
	(void)group_of(s, &dflt);
	for (uint32_t i = 0; i < s->name_cnt;) {
		struct name name = s->names[i];
		struct group g;

		memset(&g, 0xff, sizeof(g));
		for (; i < s->name_cnt && strcmp(s->names[i].text, name.text) == 0; i++)
			if (g.cert[b->kinds[s->names[i].cert]] == NONE)
				g.cert[b->kinds[s->names[i].cert]] = s->names[i].cert;
		name.group = group_of(s, &g);
		s->names[n++] = name;
	}
	s->name_cnt = n;
	return 0;
}

/* ---- contexts ---- */

static int use_verification(
	struct build *b, const struct tls_lib *lib, SSL_CTX *ctx, X509_STORE *store)
{
	const struct tls_server_conf *c = b->conf;
	STACK_OF(X509_NAME) * names;
	STACK_OF(X509_OBJECT) * objects;

	if (c->verify == TLS_VERIFY_NONE)
		return 0;
	SSL_CTX_set_verify(ctx,
		c->verify == TLS_VERIFY_REQUIRED ? SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT
						 : SSL_VERIFY_PEER,
		NULL);
	SSL_CTX_set_verify_depth(ctx, c->verify_depth == 0 ? 4 : (int)c->verify_depth);
	SSL_CTX_set1_verify_cert_store(ctx, store);
	names = sk_X509_NAME_new_null();
	objects = X509_STORE_get0_objects(store);
	for (int i = 0; names != NULL && i < sk_X509_OBJECT_num(objects); i++) {
		X509 *x = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(objects, i));

		if (x != NULL)
			sk_X509_NAME_push(names, X509_NAME_dup(X509_get_subject_name(x)));
	}
	SSL_CTX_set_client_CA_list(ctx, names);
	(void)lib;
	return names == NULL ? -ENOMEM : 0;
}

static int make_ctx(struct build *b, const struct tls_lib *lib, X509_STORE *store,
	const struct tls_cert *certs, const struct group *g, SSL_CTX **out)
{
	const struct tls_server_conf *c = b->conf;
	SSL_CTX *ctx = SSL_CTX_new_ex(lib->ctx, NULL, TLS_server_method());
	int rc;

	*out = ctx;
	if (ctx == NULL)
		return -ENOMEM;
	rc = tls_ctx_common(&b->report, ctx, c->min_version, c->ciphers, c->groups);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_session_id_context(ctx, b->s->sid, sizeof(b->s->sid));
	SSL_CTX_set_timeout(ctx, SESSION_S);
	SSL_CTX_set_tlsext_servername_callback(ctx, accept_name);
	if (c->no_tickets)
		SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
	SSL_CTX_set_num_tickets(ctx, c->no_tickets ? 0 : FULL_TICKETS);
	SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, tls_ticket_cb);
	if (b->s->alpn_len > 0)
		SSL_CTX_set_alpn_select_cb(ctx, select_alpn, b->s);
	if (rc == 0)
		rc = use_verification(b, lib, ctx, store);
	for (int k = 0; rc == 0 && k < KINDS; k++) {
		const struct tls_cert *one;

		if (g->cert[k] == NONE)
			continue;
		one = &certs[g->cert[k]];
		if (SSL_CTX_use_cert_and_key(ctx, one->leaf, one->key, one->chain, 1) != 1) {
			tls_fault(&b->report, TLS_PART_CERT, g->cert[k], false,
				"is not fit for use: %s",
				ERR_reason_error_string(ERR_peek_error()));
			rc = -EINVAL;
		}
	}
	ERR_clear_error();
	return rc;
}

static int parse_all(
	struct build *b, const struct tls_lib *lib, int64_t now_s, struct tls_cert *certs)
{
	int rc = 0;

	for (uint32_t i = 0; i < b->conf->cert_cnt; i++) {
		int one = b->certs[i].p == NULL || b->keys[i].p == NULL
				  ? -EINVAL
				  : tls_cert_parse(&b->report, lib, i, &b->certs[i], &b->keys[i],
					    now_s, &certs[i]);

		rc = rc != 0 ? rc : one;
	}
	return rc;
}

static int learn_names(struct build *b, const struct tls_cert *certs)
{
	int rc = 0;

	for (uint32_t i = 0; rc == 0 && i < b->conf->cert_cnt; i++) {
		b->kinds[i] = kind_of(certs[i].key);
		rc = add_names(b, certs[i].leaf, (uint16_t)i);
	}
	return rc == 0 ? make_groups(b) : rc;
}

static int build_worker(struct build *b, struct tls_libs *libs, uint32_t worker, int64_t now_s)
{
	const struct tls_lib *lib = &libs->lib[worker];
	struct tls_cert *certs = calloc(b->conf->cert_cnt, sizeof(*certs));
	struct tls_server *s = b->s;
	X509_STORE *store = NULL;
	int rc;

	b->report.muted = worker > 0;
	rc = certs == NULL ? -ENOMEM : parse_all(b, lib, now_s, certs);
	if (b->conf->verify != TLS_VERIFY_NONE && b->ca.p != NULL)
		store = tls_store_new(&b->report, lib, &b->ca, &b->crl);
	if (rc == 0 && b->report.faults > 0)
		rc = -EINVAL;
	if (rc == 0 && worker == 0) {
		rc = learn_names(b, certs);
		s->ctxs = calloc((size_t)s->worker_cnt * s->group_cnt + 1, sizeof(*s->ctxs));
		if (s->ctxs == NULL)
			rc = -ENOMEM;
	}
	for (uint32_t g = 0; rc == 0 && g < s->group_cnt; g++)
		rc = make_ctx(
			b, lib, store, certs, &s->groups[g], &s->ctxs[worker * s->group_cnt + g]);
	X509_STORE_free(store);
	for (uint32_t i = 0; certs != NULL && i < b->conf->cert_cnt; i++)
		tls_cert_free(&certs[i]);
	free(certs);
	return rc != 0 ? rc : b->report.faults > 0 ? -EINVAL : 0;
}

/* Sessions are only good where the same name and the same rules for clients hold. */
static void make_sid(struct build *b)
{
	EVP_MD_CTX *m = EVP_MD_CTX_new();
	uint8_t verify = (uint8_t)b->conf->verify;

	if (m != NULL && EVP_DigestInit_ex(m, EVP_sha256(), NULL) == 1) {
		EVP_DigestUpdate(m, b->conf->name, strlen(b->conf->name));
		EVP_DigestUpdate(m, &verify, 1);
		if (b->ca.p != NULL)
			EVP_DigestUpdate(m, b->ca.p, b->ca.len);
		if (b->crl.p != NULL)
			EVP_DigestUpdate(m, b->crl.p, b->crl.len);
		EVP_DigestFinal_ex(m, b->s->sid, NULL);
	}
	EVP_MD_CTX_free(m);
}

static bool given(const char *text)
{
	return text != NULL && text[0] != '\0';
}

static int read_files(struct build *b)
{
	const struct tls_server_conf *c = b->conf;
	struct tls_report *r = &b->report;

	for (uint32_t i = 0; i < c->cert_cnt; i++) {
		(void)!tls_file_read(r, TLS_PART_CERT, i, c->certs[i].cert, &b->certs[i]);
		(void)!tls_file_read(r, TLS_PART_KEY, i, c->certs[i].key, &b->keys[i]);
	}
	if (c->verify != TLS_VERIFY_NONE && given(c->client_ca))
		(void)!tls_file_read(r, TLS_PART_CA, 0, c->client_ca, &b->ca);
	else if (c->verify != TLS_VERIFY_NONE)
		tls_fault(r, TLS_PART_CA, 0, false, "clients cannot be verified without it");
	if (c->verify != TLS_VERIFY_NONE && given(c->client_crl))
		(void)!tls_file_read(r, TLS_PART_CRL, 0, c->client_crl, &b->crl);
	return tls_alpn_wire(r, c->alpn, c->alpn_cnt, &b->s->alpn, &b->s->alpn_len);
}

static void free_build(struct build *b)
{
	for (uint32_t i = 0; i < b->conf->cert_cnt; i++) {
		if (b->certs != NULL)
			tls_text_free(&b->certs[i]);
		if (b->keys != NULL)
			tls_text_free(&b->keys[i]);
	}
	tls_text_free(&b->ca);
	tls_text_free(&b->crl);
	free(b->certs);
	free(b->keys);
	free(b->kinds);
}

int tls_server_create(struct tls_libs *libs, const struct tls_server_conf *conf, int64_t now_s,
	tls_fault_fn fault, void *ctx, struct tls_server **out)
{
	struct build b = {.report = {.fn = fault, .ctx = ctx}, .conf = conf};
	int rc;

	*out = NULL;
	if (conf->cert_cnt == 0 || conf->cert_cnt > LIMIT_TLS_CERTS)
		return -EINVAL;
	b.s = calloc(1, sizeof(*b.s));
	b.certs = calloc(conf->cert_cnt, sizeof(*b.certs));
	b.keys = calloc(conf->cert_cnt, sizeof(*b.keys));
	b.kinds = calloc(conf->cert_cnt, 1);
	rc = b.s == NULL || b.certs == NULL || b.keys == NULL || b.kinds == NULL ? -ENOMEM : 0;
	if (rc == 0) {
		atomic_init(&b.s->refs, 1);
		b.s->worker_cnt = libs->cnt;
		b.s->strict = conf->strict_sni;
		rc = read_files(&b);
	}
	if (rc == 0)
		make_sid(&b);
	for (uint32_t w = 0; rc == 0 && w < libs->cnt; w++)
		rc = build_worker(&b, libs, w, now_s);
	free_build(&b);
	if (rc != 0) {
		tls_server_unref(b.s);
		return rc;
	}
	*out = b.s;
	return 0;
}
