/* SPDX-License-Identifier: Apache-2.0
 * What servers and clients share: files, certificates, stores, suites. Everything here is control's
 * and slow; faults are told with what would help to mend them. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "dataplane/tls/tls_pvt.h"

#define DEFAULT_CIPHERS                                              \
	"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:" \
	"ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:" \
	"ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
#define DEFAULT_SUITES "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
#define DEFAULT_GROUPS "X25519:P-256:P-384"
#define SOON_S         (14 * 24 * 3600) /* a certificate that ends sooner gets a warning */
#define LIST_MAX       1024

void tls_fault(
	struct tls_report *r, enum tls_part part, uint32_t idx, bool warning, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	if (!warning)
		r->faults++;
	if (r->muted || r->fn == NULL)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	r->fn(r->ctx, part, idx, warning, text);
}

/* ---- files ---- */

int tls_file_read(struct tls_report *r, enum tls_part part, uint32_t idx, const char *file,
	struct tls_text *out)
{
	FILE *f = fopen(file, "rbe");
	struct stat st;

	*out = (struct tls_text){0};
	if (f == NULL || fstat(fileno(f), &st) != 0) {
		tls_fault(r, part, idx, false, "cannot read '%s': %s", file, strerror(errno));
		if (f != NULL)
			fclose(f);
		return -EINVAL;
	}
	if (!S_ISREG(st.st_mode) || st.st_size == 0 || st.st_size > LIMIT_TLS_FILE) {
		tls_fault(r, part, idx, false, "'%s' is %s", file,
			!S_ISREG(st.st_mode) ? "no file"
			: st.st_size == 0    ? "empty"
					     : "too large");
		fclose(f);
		return -EINVAL;
	}
	if (part == TLS_PART_KEY && st.st_mode & S_IROTH)
		tls_fault(r, part, idx, true, "'%s' can be read by every user", file);
	out->p = malloc((size_t)st.st_size);
	if (out->p != NULL)
		out->len = fread(out->p, 1, (size_t)st.st_size, f);
	if (out->len != (size_t)st.st_size) {
		tls_fault(r, part, idx, false, "cannot read all of '%s'", file);
		tls_text_free(out);
	}
	fclose(f);
	return out->p == NULL ? -EINVAL : 0;
}

void tls_text_free(struct tls_text *t)
{
	if (t->p != NULL)
		OPENSSL_cleanse(t->p, t->len);
	free(t->p);
	*t = (struct tls_text){0};
}

/* ---- certificates ---- */

static X509 *next_cert(BIO *b, const struct tls_lib *lib)
{
	X509 *x = X509_new_ex(lib->ctx, NULL);

	if (x != NULL && PEM_read_bio_X509(b, &x, NULL, NULL) == NULL) {
		X509_free(x);
		x = NULL;
	}
	return x;
}

/* Did the last read end because there is no further PEM block? */
static bool at_end(void)
{
	unsigned long e = ERR_peek_last_error();
	bool end = ERR_GET_LIB(e) == ERR_LIB_PEM && ERR_GET_REASON(e) == PEM_R_NO_START_LINE;

	ERR_clear_error();
	return end;
}

static int read_chain(struct tls_report *r, const struct tls_lib *lib, uint32_t idx,
	const struct tls_text *text, struct tls_cert *out)
{
	BIO *b = BIO_new_mem_buf(text->p, (int)text->len);
	X509 *x;

	out->chain = sk_X509_new_null();
	if (b == NULL || out->chain == NULL) {
		BIO_free(b);
		return -ENOMEM;
	}
	out->leaf = next_cert(b, lib);
	while (out->leaf != NULL && (x = next_cert(b, lib)) != NULL)
		sk_X509_push(out->chain, x);
	BIO_free(b);
	if (out->leaf == NULL || !at_end()) {
		ERR_clear_error();
		tls_fault(r, TLS_PART_CERT, idx, false, "holds no %scertificate in PEM form",
			out->leaf == NULL ? "" : "further ");
		return -EINVAL;
	}
	if (sk_X509_num(out->chain) >= LIMIT_TLS_CHAIN) {
		tls_fault(r, TLS_PART_CERT, idx, false, "holds more than %d certificates",
			LIMIT_TLS_CHAIN);
		return -EINVAL;
	}
	return 0;
}

static const char *name_of(const X509 *x, char *out, int size)
{
	X509_NAME_oneline(X509_get_subject_name(x), out, size);
	return out;
}

static int check_order(struct tls_report *r, uint32_t idx, const struct tls_cert *c)
{
	X509 *below = c->leaf;
	char a[256], b[256];

	for (int i = 0; i < sk_X509_num(c->chain); i++) {
		X509 *above = sk_X509_value(c->chain, i);

		if (X509_check_issued(above, below) != X509_V_OK ||
			X509_verify(below, X509_get0_pubkey(above)) != 1) {
			ERR_clear_error();
			tls_fault(r, TLS_PART_CERT, idx, false,
				"certificate %d of the chain (%s) did not issue the one before it "
				"(%s)",
				i + 2, name_of(above, a, sizeof(a)), name_of(below, b, sizeof(b)));
			return -EINVAL;
		}
		below = above;
	}
	return 0;
}

static void check_dates(struct tls_report *r, uint32_t idx, const struct tls_cert *c, int64_t now_s)
{
	time_t now = (time_t)now_s, soon = (time_t)(now_s + SOON_S);

	for (int i = -1; i < sk_X509_num(c->chain); i++) {
		const X509 *x = i < 0 ? c->leaf : sk_X509_value(c->chain, i);
		char name[256];

		name_of(x, name, sizeof(name));
		if (X509_cmp_time(X509_get0_notAfter(x), &now) < 0)
			tls_fault(r, TLS_PART_CERT, idx, true, "%s has expired", name);
		else if (X509_cmp_time(X509_get0_notBefore(x), &now) > 0)
			tls_fault(r, TLS_PART_CERT, idx, true, "%s is not valid yet", name);
		else if (X509_cmp_time(X509_get0_notAfter(x), &soon) < 0)
			tls_fault(r, TLS_PART_CERT, idx, true, "%s expires within 14 days", name);
	}
}

/* Nobody is there to be asked for a password. */
static int no_password(char *buf, int size, int rw, void *asked)
{
	(void)buf;
	(void)size;
	(void)rw;
	*(bool *)asked = true;
	return -1;
}

static int read_key(struct tls_report *r, const struct tls_lib *lib, uint32_t idx,
	const struct tls_text *text, struct tls_cert *out)
{
	BIO *b = BIO_new_mem_buf(text->p, (int)text->len);
	bool asked = false;

	if (b == NULL)
		return -ENOMEM;
	out->key = PEM_read_bio_PrivateKey_ex(b, NULL, no_password, &asked, lib->ctx, NULL);
	BIO_free(b);
	ERR_clear_error();
	if (out->key == NULL) {
		tls_fault(r, TLS_PART_KEY, idx, false, "%s",
			asked ? "is encrypted with a password"
			      : "holds no private key in PEM form");
		return -EINVAL;
	}
	if (X509_check_private_key(out->leaf, out->key) != 1) {
		ERR_clear_error();
		tls_fault(r, TLS_PART_KEY, idx, false, "does not belong to the certificate");
		return -EINVAL;
	}
	return 0;
}

int tls_cert_parse(struct tls_report *r, const struct tls_lib *lib, uint32_t idx,
	const struct tls_text *cert, const struct tls_text *key, int64_t now_s,
	struct tls_cert *out)
{
	int rc;

	*out = (struct tls_cert){0};
	rc = read_chain(r, lib, idx, cert, out);
	if (rc == 0)
		rc = read_key(r, lib, idx, key, out);
	if (rc == 0 && !r->muted)
		rc = check_order(r, idx, out);
	if (rc == 0 && !r->muted)
		check_dates(r, idx, out, now_s);
	if (rc != 0)
		tls_cert_free(out);
	return rc;
}

void tls_cert_free(struct tls_cert *c)
{
	X509_free(c->leaf);
	sk_X509_pop_free(c->chain, X509_free);
	EVP_PKEY_free(c->key);
	*c = (struct tls_cert){0};
}

/* ---- stores ---- */

static uint32_t add_cas(X509_STORE *s, const struct tls_lib *lib, const struct tls_text *text)
{
	BIO *b = BIO_new_mem_buf(text->p, (int)text->len);
	uint32_t n = 0;
	X509 *x;

	while (b != NULL && (x = next_cert(b, lib)) != NULL) {
		n += X509_STORE_add_cert(s, x) == 1;
		X509_free(x);
	}
	BIO_free(b);
	return at_end() ? n : 0;
}

static uint32_t add_crls(X509_STORE *s, const struct tls_lib *lib, const struct tls_text *text)
{
	BIO *b = BIO_new_mem_buf(text->p, (int)text->len);
	uint32_t n = 0;

	while (b != NULL) {
		X509_CRL *crl = X509_CRL_new_ex(lib->ctx, NULL);

		if (crl == NULL || PEM_read_bio_X509_CRL(b, &crl, NULL, NULL) == NULL) {
			X509_CRL_free(crl);
			break;
		}
		n += X509_STORE_add_crl(s, crl) == 1;
		X509_CRL_free(crl);
	}
	BIO_free(b);
	return at_end() ? n : 0;
}

X509_STORE *tls_store_new(struct tls_report *r, const struct tls_lib *lib,
	const struct tls_text *ca, const struct tls_text *crl)
{
	X509_STORE *s = X509_STORE_new();

	if (s == NULL)
		return NULL;
	if (ca->p == NULL) {
		if (X509_STORE_set_default_paths_ex(s, lib->ctx, NULL) != 1)
			tls_fault(r, TLS_PART_CA, 0, false, "the system has no certificates");
	} else if (add_cas(s, lib, ca) == 0) {
		tls_fault(r, TLS_PART_CA, 0, false, "holds no certificate in PEM form");
	}
	if (crl->p != NULL) {
		if (add_crls(s, lib, crl) == 0)
			tls_fault(
				r, TLS_PART_CRL, 0, false, "holds no revocation list in PEM form");
		X509_STORE_set_flags(s, X509_V_FLAG_CRL_CHECK);
	}
	ERR_clear_error();
	return s;
}

/* ---- suites ---- */

/* TLS 1.3 suites and those of 1.2 stand in one list, told apart by their names. */
static void divide(const char *list, char *old, char *suites)
{
	old[0] = suites[0] = '\0';
	while (*list != '\0') {
		size_t n = strcspn(list, ":");
		char *to = strncmp(list, "TLS_", 4) == 0 ? suites : old;

		if (n > 0) {
			if (to[0] != '\0')
				strcat(to, ":");
			strncat(to, list, n);
		}
		list += n + (list[n] == ':');
	}
}

static bool is_spoken(const SSL_CIPHER *c)
{
	int nid = SSL_CIPHER_get_cipher_nid(c);

	return nid == NID_aes_128_gcm || nid == NID_aes_256_gcm || nid == NID_chacha20_poly1305;
}

static int set_ciphers(struct tls_report *r, SSL_CTX *ctx, const char *ciphers)
{
	char old[LIST_MAX], suites[LIST_MAX];
	STACK_OF(SSL_CIPHER) * all;

	if (ciphers == NULL || ciphers[0] == '\0')
		ciphers = DEFAULT_SUITES ":" DEFAULT_CIPHERS;
	if (strlen(ciphers) >= LIST_MAX) {
		tls_fault(r, TLS_PART_CIPHERS, 0, false, "the list is too long");
		return -EINVAL;
	}
	divide(ciphers, old, suites);
	if ((old[0] != '\0' && SSL_CTX_set_cipher_list(ctx, old) != 1) ||
		SSL_CTX_set_ciphersuites(ctx, suites) != 1) {
		ERR_clear_error();
		tls_fault(r, TLS_PART_CIPHERS, 0, false, "'%s' names no cipher that OpenSSL knows",
			ciphers);
		return -EINVAL;
	}
	if (old[0] == '\0')
		SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION);
	if (suites[0] == '\0')
		SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION);
	all = SSL_CTX_get_ciphers(ctx);
	for (int i = 0; i < sk_SSL_CIPHER_num(all); i++) {
		const SSL_CIPHER *c = sk_SSL_CIPHER_value(all, i);

		if (is_spoken(c) || (old[0] == '\0' && SSL_CIPHER_get_id(c) >> 8 != 0x030013))
			continue;
		tls_fault(r, TLS_PART_CIPHERS, 0, false,
			"%s is not spoken: only AES-GCM and ChaCha20-Poly1305 are",
			SSL_CIPHER_get_name(c));
		return -EINVAL;
	}
	return 0;
}

int tls_ctx_common(struct tls_report *r, SSL_CTX *ctx, enum tls_version min, const char *ciphers,
	const char *groups)
{
	const char *g = groups == NULL || groups[0] == '\0' ? DEFAULT_GROUPS : groups;
	int rc;

	SSL_CTX_set_min_proto_version(ctx, min == TLS_V13 ? TLS1_3_VERSION : TLS1_2_VERSION);
	SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION);
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
					 SSL_OP_CIPHER_SERVER_PREFERENCE |
					 SSL_OP_PRIORITIZE_CHACHA);
	SSL_CTX_set_mode(ctx, SSL_MODE_NO_AUTO_CHAIN);
	SSL_CTX_set_quiet_shutdown(ctx, 1);
	SSL_CTX_set_keylog_callback(ctx, tls_keylog_cb);
	rc = set_ciphers(r, ctx, ciphers);
	if (SSL_CTX_set1_groups_list(ctx, g) != 1) {
		ERR_clear_error();
		tls_fault(r, TLS_PART_GROUPS, 0, false,
			"'%s' names a group that OpenSSL does not "
			"know",
			g);
		rc = -EINVAL;
	}
	return rc;
}

int tls_alpn_wire(
	struct tls_report *r, const char *const *alpn, uint32_t cnt, uint8_t **out, uint32_t *len)
{
	uint32_t n = 0;

	*out = NULL;
	*len = 0;
	for (uint32_t i = 0; i < cnt; i++) {
		size_t k = strlen(alpn[i]);

		if (k == 0 || k > 255 || n + k + 1 > TLS_ALPN_MAX) {
			tls_fault(r, TLS_PART_ALPN, i, false, "'%s' is empty or too long", alpn[i]);
			return -EINVAL;
		}
		n += (uint32_t)k + 1;
	}
	if (n == 0)
		return 0;
	*out = malloc(n);
	if (*out == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < cnt; i++) {
		size_t k = strlen(alpn[i]);

		(*out)[*len] = (uint8_t)k;
		memcpy(*out + *len + 1, alpn[i], k);
		*len += (uint32_t)k + 1;
	}
	return 0;
}
