/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/certs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/pem.h>
#include <openssl/x509v3.h>

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "certs: %s failed\n", what);
	abort();
}

static EVP_PKEY *new_key(enum cert_kind kind)
{
	if (kind == CERT_RSA)
		return EVP_RSA_gen(2048);
	return kind == CERT_ECDSA ? EVP_EC_gen("P-256") : EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
}

static void add_ext(X509 *x, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *e;

	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
	e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	must(e != NULL && X509_add_ext(x, e, -1) == 1, value);
	X509_EXTENSION_free(e);
}

static const EVP_MD *digest_of(const EVP_PKEY *key)
{
	return EVP_PKEY_get_base_id(key) == EVP_PKEY_ED25519 ? NULL : EVP_sha256();
}

static void write_files(const char *folder, const struct cert_ask *ask, struct cert *c)
{
	FILE *f;

	snprintf(c->cert_file, sizeof(c->cert_file), "%s/%s.crt", folder, ask->file);
	snprintf(c->key_file, sizeof(c->key_file), "%s/%s.key", folder, ask->file);
	f = fopen(c->cert_file, "we");
	must(f != NULL && PEM_write_X509(f, c->x) == 1, c->cert_file);
	/* An intermediate authority goes along; a root does not. */
	if (ask->issuer != NULL && X509_self_signed(ask->issuer->x, 0) != 1)
		must(PEM_write_X509(f, ask->issuer->x) == 1, c->cert_file);
	fclose(f);
	f = fopen(c->key_file, "we");
	must(f != NULL && PEM_write_PrivateKey(f, c->key, NULL, NULL, 0, NULL, NULL) == 1,
		c->key_file);
	fclose(f);
}

void cert_make(const char *folder, const struct cert_ask *ask, struct cert *c)
{
	static long serial = 1000;
	const struct cert *by = ask->issuer != NULL ? ask->issuer : c;
	bool dflt = ask->from_s == 0 && ask->until_s == 0;

	memset(c, 0, sizeof(*c));
	c->x = X509_new();
	c->key = new_key(ask->kind);
	must(c->x != NULL && c->key != NULL, "a key");
	X509_set_version(c->x, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(c->x), ask->serial != 0 ? ask->serial : serial++);
	X509_gmtime_adj(X509_getm_notBefore(c->x), dflt ? -3600 : ask->from_s);
	X509_gmtime_adj(X509_getm_notAfter(c->x), dflt ? 30 * 86400 : ask->until_s);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(c->x), "CN", MBSTRING_UTF8,
		(const unsigned char *)ask->cn, -1, -1, 0);
	X509_set_issuer_name(c->x, X509_get_subject_name(by->x));
	X509_set_pubkey(c->x, c->key);
	add_ext(c->x, by->x, NID_basic_constraints, ask->ca ? "critical,CA:TRUE" : "CA:FALSE");
	add_ext(c->x, by->x, NID_key_usage,
		ask->ca ? "critical,keyCertSign,cRLSign"
			: "critical,digitalSignature,keyEncipherment");
	add_ext(c->x, by->x, NID_subject_key_identifier, "hash");
	if (ask->san != NULL)
		add_ext(c->x, by->x, NID_subject_alt_name, ask->san);
	must(X509_sign(c->x, by->key, digest_of(by->key)) > 0, "signing");
	write_files(folder, ask, c);
}

void cert_free(struct cert *c)
{
	X509_free(c->x);
	EVP_PKEY_free(c->key);
	memset(c, 0, sizeof(*c));
}

void cert_revoke(const struct cert *issuer, const struct cert *revoked, const char *file)
{
	X509_CRL *crl = X509_CRL_new();
	X509_REVOKED *r = X509_REVOKED_new();
	ASN1_TIME *at = ASN1_TIME_new();
	FILE *f = fopen(file, "we");

	must(crl != NULL && r != NULL && at != NULL && f != NULL, file);
	X509_CRL_set_version(crl, X509_CRL_VERSION_2);
	X509_CRL_set_issuer_name(crl, X509_get_subject_name(issuer->x));
	X509_gmtime_adj(at, -60);
	X509_CRL_set1_lastUpdate(crl, at);
	X509_REVOKED_set_serialNumber(r, X509_get_serialNumber(revoked->x));
	X509_REVOKED_set_revocationDate(r, at);
	X509_CRL_add0_revoked(crl, r);
	X509_gmtime_adj(at, 86400);
	X509_CRL_set1_nextUpdate(crl, at);
	must(X509_CRL_sign(crl, issuer->key, digest_of(issuer->key)) > 0, "signing");
	must(PEM_write_X509_CRL(f, crl) == 1, file);
	fclose(f);
	ASN1_TIME_free(at);
	X509_CRL_free(crl);
}
