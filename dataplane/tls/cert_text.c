/* SPDX-License-Identifier: Apache-2.0
 * The peer's certificate as text. */
#include <stdio.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "dataplane/tls/tls_pvt.h"

/* RFC 2253, but UTF-8 as it is. */
#define NAME_FLAGS (XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB)

static void write_name(X509_NAME *name, char *out, size_t size)
{
	BIO *b = BIO_new(BIO_s_mem());
	char *text;
	long n;

	out[0] = '\0';
	if (b == NULL)
		return;
	if (X509_NAME_print_ex(b, name, 0, NAME_FLAGS) >= 0) {
		n = BIO_get_mem_data(b, &text);
		if (n > 0)
			snprintf(out, size, "%.*s", (int)n, text);
	}
	BIO_free(b);
}

static void write_hex(const uint8_t *p, size_t len, char *out, size_t size)
{
	out[0] = '\0';
	for (size_t i = 0; i < len && 2 * i + 3 <= size; i++)
		snprintf(out + 2 * i, 3, "%02x", p[i]);
}

static void write_serial(const X509 *x, char *out, size_t size)
{
	const ASN1_INTEGER *s = X509_get0_serialNumber(x);

	write_hex(ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s), out, size);
}

static void write_time(const ASN1_TIME *at, char *out, size_t size)
{
	struct tm tm;

	out[0] = '\0';
	if (ASN1_TIME_to_tm(at, &tm) == 1)
		strftime(out, size, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

static void add_entry(char *out, size_t size, size_t *at, const char *kind, const ASN1_STRING *s)
{
	const char *text = (const char *)ASN1_STRING_get0_data(s);
	size_t len = (size_t)ASN1_STRING_length(s);

	/* A NUL, a comma or a control byte could pass one name off as another. */
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] < 0x21 || text[i] == ',' || text[i] == 0x7f)
			return;
	if (*at + len + strlen(kind) + 3 >= size)
		return;
	*at += (size_t)snprintf(
		out + *at, size - *at, "%s%s:%.*s", *at == 0 ? "" : ", ", kind, (int)len, text);
}

static void add_ip(char *out, size_t size, size_t *at, const ASN1_OCTET_STRING *ip)
{
	const uint8_t *p = ASN1_STRING_get0_data(ip);
	char text[64] = "";
	int n = 0;

	if (*at + sizeof(text) >= size)
		return;
	if (ASN1_STRING_length(ip) == 4)
		n = snprintf(text, sizeof(text), "%u.%u.%u.%u", p[0], p[1], p[2], p[3]);
	for (int i = 0; ASN1_STRING_length(ip) == 16 && i < 16; i += 2)
		n += snprintf(text + n, sizeof(text) - (size_t)n, "%s%x", i == 0 ? "" : ":",
			p[i] << 8 | p[i + 1]);
	if (n > 0)
		*at += (size_t)snprintf(
			out + *at, size - *at, "%sIP:%s", *at == 0 ? "" : ", ", text);
}

static void write_san(const X509 *x, char *out, size_t size)
{
	GENERAL_NAMES *all = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
	size_t at = 0;

	out[0] = '\0';
	for (int i = 0; i < sk_GENERAL_NAME_num(all); i++) {
		const GENERAL_NAME *g = sk_GENERAL_NAME_value(all, i);

		if (g->type == GEN_DNS)
			add_entry(out, size, &at, "DNS", g->d.dNSName);
		else if (g->type == GEN_EMAIL)
			add_entry(out, size, &at, "email", g->d.rfc822Name);
		else if (g->type == GEN_URI)
			add_entry(out, size, &at, "URI", g->d.uniformResourceIdentifier);
		else if (g->type == GEN_IPADD)
			add_ip(out, size, &at, g->d.iPAddress);
	}
	GENERAL_NAMES_free(all);
}

bool tls_peer_cert(const struct tls_conn *t, struct tls_cert_text *out)
{
	uint8_t digest[32];
	unsigned int n = sizeof(digest);

	memset(out, 0, sizeof(*out));
	if (t->peer == NULL)
		return false;
	write_name(X509_get_subject_name(t->peer), out->subject, sizeof(out->subject));
	write_name(X509_get_issuer_name(t->peer), out->issuer, sizeof(out->issuer));
	write_serial(t->peer, out->serial, sizeof(out->serial));
	if (X509_digest(t->peer, t->w->lib->sha256, digest, &n) == 1)
		write_hex(digest, n, out->sha256, sizeof(out->sha256));
	write_san(t->peer, out->san, sizeof(out->san));
	write_time(X509_get0_notBefore(t->peer), out->not_before, sizeof(out->not_before));
	write_time(X509_get0_notAfter(t->peer), out->not_after, sizeof(out->not_after));
	ERR_clear_error();
	return true;
}
