/* SPDX-License-Identifier: Apache-2.0
 * certs - certificates for tests, made as they run: authorities, leaves, revocation lists, as PEM
 * files below one folder.
 * Owner:      the test. Paths are valid until the folder is removed.
 * Errors:     every failure aborts with a message. */
#ifndef TESTS_SUPPORT_CERTS_H
#define TESTS_SUPPORT_CERTS_H

#include <openssl/x509.h>

#include "dataplane/base/compiler.h"

enum cert_kind { CERT_ECDSA, CERT_RSA, CERT_ED25519 };

struct cert {
	X509 *x;
	EVP_PKEY *key;
	char cert_file[512], key_file[512]; /* the chain, leaf first; the key */
};

struct cert_ask {
	const char *file; /* name without suffix, below the folder */
	const char *cn;
	const char *san; /* "DNS:a.test,DNS:*.b.test"; NULL: none */
	enum cert_kind kind;
	const struct cert *issuer; /* NULL: signs itself */
	bool ca;
	long from_s, until_s; /* validity relative to now; both 0: from an hour ago for 30 days */
	long serial;          /* 0: one that was not used */
};

void cert_make(const char *folder, const struct cert_ask *ask, struct cert *out);
void cert_free(struct cert *c);
/* A list of the issuer's that revokes one serial number, to file. */
void cert_revoke(const struct cert *issuer, const struct cert *revoked, const char *file);

#endif
