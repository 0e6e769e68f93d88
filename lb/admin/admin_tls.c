/* SPDX-License-Identifier: Apache-2.0 */
#include "lb/admin/admin_tls.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct admin_tls {
	gnutls_certificate_credentials_t cred;
	gnutls_datum_t cert, key; /* NUL behind them */
	bool asks;                /* for a certificate of the client */
	unsigned refs;
};

static int refuse(char why[ADMIN_TLS_WHY], const char *fmt, ...) PRINTF_LIKE(2, 3);
static int refuse(char why[ADMIN_TLS_WHY], const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, ADMIN_TLS_WHY, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

static int read_file(const char *path, gnutls_datum_t *out, char why[ADMIN_TLS_WHY])
{
	errno = 0;
	if (gnutls_load_file(path, out) == 0)
		return 0;
	return refuse(why, "%s: %s", path, errno != 0 ? strerror(errno) : "cannot be read");
}

/* A certificate that no client will take is refused here, not found out at three in the morning. */
static int check_dates(const char *path, const gnutls_datum_t *pem, char why[ADMIN_TLS_WHY])
{
	gnutls_x509_crt_t crt;
	time_t now = time(NULL);
	bool good;

	if (gnutls_x509_crt_init(&crt) != 0)
		return -ENOMEM;
	good = gnutls_x509_crt_import(crt, pem, GNUTLS_X509_FMT_PEM) != 0 ||
	       (gnutls_x509_crt_get_expiration_time(crt) > now &&
		       gnutls_x509_crt_get_activation_time(crt) <= now);
	gnutls_x509_crt_deinit(crt);
	return good ? 0 : refuse(why, "%s: the certificate is not valid today", path);
}

static int load_pair(
	struct admin_tls *t, const struct admin_tls_files *files, char why[ADMIN_TLS_WHY])
{
	int rc = read_file(files->cert, &t->cert, why);

	if (rc == 0)
		rc = read_file(files->key, &t->key, why);
	if (rc != 0)
		return rc;
	rc = gnutls_certificate_set_x509_key_mem2(
		t->cred, &t->cert, &t->key, GNUTLS_X509_FMT_PEM, NULL, 0);
	if (rc < 0)
		return refuse(why, "%s, %s: %s", files->cert, files->key, gnutls_strerror(rc));
	return check_dates(files->cert, &t->cert, why);
}

static int load_list(gnutls_certificate_credentials_t cred, const char *path,
	int (*set)(gnutls_certificate_credentials_t, const gnutls_datum_t *, gnutls_x509_crt_fmt_t),
	const char *what, char why[ADMIN_TLS_WHY])
{
	gnutls_datum_t pem;
	int rc = read_file(path, &pem, why);

	if (rc != 0)
		return rc;
	rc = set(cred, &pem, GNUTLS_X509_FMT_PEM);
	gnutls_free(pem.data);
	if (rc < 0)
		return refuse(why, "%s: %s", path, gnutls_strerror(rc));
	return rc > 0 ? 0 : refuse(why, "%s: no %s in it", path, what);
}

int admin_tls_load(
	const struct admin_tls_files *files, char why[ADMIN_TLS_WHY], struct admin_tls **out)
{
	struct admin_tls *t = calloc(1, sizeof(*t));
	int rc = 0;

	*out = NULL;
	snprintf(why, ADMIN_TLS_WHY, "no memory");
	if (t == NULL)
		return -ENOMEM;
	t->refs = 1;
	t->asks = files->client_ca[0] != '\0';
	if (gnutls_certificate_allocate_credentials(&t->cred) != 0)
		rc = -ENOMEM;
	if (rc == 0)
		rc = load_pair(t, files, why);
	if (rc == 0 && t->asks)
		rc = load_list(t->cred, files->client_ca, gnutls_certificate_set_x509_trust_mem,
			"certificate", why);
	if (rc == 0 && t->asks && files->client_crl[0] != '\0')
		rc = load_list(t->cred, files->client_crl, gnutls_certificate_set_x509_crl_mem,
			"revocation list", why);
	if (rc != 0)
		admin_tls_put(t);
	else
		*out = t;
	return rc;
}

struct admin_tls *admin_tls_get(struct admin_tls *t)
{
	t->refs++;
	return t;
}

void admin_tls_put(struct admin_tls *t)
{
	if (t == NULL || --t->refs > 0)
		return;
	if (t->cred != NULL)
		gnutls_certificate_free_credentials(t->cred);
	gnutls_free(t->cert.data);
	if (t->key.data != NULL)
		explicit_bzero(t->key.data, t->key.size);
	gnutls_free(t->key.data);
	free(t);
}

const char *admin_tls_cert(const struct admin_tls *t)
{
	return (const char *)t->cert.data;
}

const char *admin_tls_key(const struct admin_tls *t)
{
	return (const char *)t->key.data;
}

int admin_tls_attach(struct admin_tls *t, gnutls_session_t session)
{
	static gnutls_typed_vdata_st purpose = {.type = GNUTLS_DT_KEY_PURPOSE_OID,
		.data = (unsigned char *)(uintptr_t)GNUTLS_KP_TLS_WWW_CLIENT};

	if (gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, t->cred) != 0)
		return -ENOMEM;
	if (!t->asks)
		return 0;
	gnutls_certificate_server_set_request(session, GNUTLS_CERT_REQUIRE);
	gnutls_session_set_verify_cert2(session, &purpose, 1, 0);
	return 0;
}

bool admin_tls_certified(const struct admin_tls *t, gnutls_session_t session)
{
	unsigned cnt = 0;

	return t->asks && gnutls_certificate_get_peers(session, &cnt) != NULL && cnt > 0 &&
	       gnutls_session_get_verify_cert_status(session) == 0;
}
