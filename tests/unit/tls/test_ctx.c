/* SPDX-License-Identifier: Apache-2.0
 * What is wrong with files and lists, and how it is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include <openssl/pem.h>

#include "tests/support/certs.h"
#include "tests/support/tls_rig.h"
#include "tests/support/tmpdir.h"

static char folder[TMPDIR_MAX], said[4096];
static struct tls_libs *libs;
static struct cert ca, good, other, inter, below;

static int setup(void **state)
{
	(void)state;
	tmpdir_make(folder);
	assert_int_equal(tls_libs_create(2, &libs), 0);
	cert_make(folder, &(struct cert_ask){.file = "ca", .cn = "CA", .ca = true}, &ca);
	cert_make(folder,
		&(struct cert_ask){.file = "good", .cn = "a", .san = "DNS:a.test", .issuer = &ca},
		&good);
	cert_make(folder,
		&(struct cert_ask){.file = "other", .cn = "b", .san = "DNS:b.test", .issuer = &ca},
		&other);
	cert_make(folder, &(struct cert_ask){.file = "inter", .cn = "I", .ca = true, .issuer = &ca},
		&inter);
	cert_make(folder,
		&(struct cert_ask){
			.file = "below", .cn = "c", .san = "DNS:c.test", .issuer = &inter},
		&below);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	cert_free(&ca);
	cert_free(&good);
	cert_free(&other);
	cert_free(&inter);
	cert_free(&below);
	tls_libs_destroy(libs);
	tmpdir_remove(folder);
	return 0;
}

static void fault(void *ctx, enum tls_part part, uint32_t idx, bool warning, const char *text)
{
	size_t n = strlen(said);

	(void)ctx;
	snprintf(said + n, sizeof(said) - n, "%d/%u%s %s\n", (int)part, idx,
		warning ? " (warning)" : "", text);
}

static int create(const struct tls_server_conf *conf)
{
	struct tls_server_conf c = *conf;
	struct tls_server *s;
	int rc;

	said[0] = '\0';
	c.name = "test";
	rc = tls_server_create(libs, &c, (int64_t)time(NULL), fault, NULL, &s);
	assert_int_equal(rc == 0, s != NULL);
	tls_server_unref(s);
	return rc;
}

static int create_files(const char *cert, const char *key)
{
	struct tls_cert_files f = {cert, key};

	return create(&(struct tls_server_conf){.certs = &f, .cert_cnt = 1});
}

static const char *file_of(const char *name, const char *text)
{
	static char path[4][300];
	static int turn;
	char *p = path[turn++ % 4];
	FILE *f;

	snprintf(p, 300, "%s/%s", folder, name);
	f = fopen(p, "we");
	fputs(text, f);
	fclose(f);
	chmod(p, 0600);
	return p;
}

static void expect(int rc, int want, const char *text)
{
	assert_int_equal(rc, want);
	assert_string_equal(said, text);
}

static void files(void **state)
{
	char want[700];

	(void)state;
	chmod(good.key_file, 0600);
	expect(create_files(good.cert_file, good.key_file), 0, "");
	chmod(good.key_file, 0644);
	snprintf(want, sizeof(want), "1/0 (warning) '%s' can be read by every user\n",
		good.key_file);
	expect(create_files(good.cert_file, good.key_file), 0, want);
	chmod(good.key_file, 0600);
	chmod(other.key_file, 0600);
	expect(create_files(good.cert_file, other.key_file), -EINVAL,
		"1/0 does not belong to the certificate\n");
	expect(create_files(good.cert_file, "/no/file"), -EINVAL,
		"1/0 cannot read '/no/file': No such file or directory\n");
	snprintf(want, sizeof(want), "0/0 '%s' is no file\n", folder);
	expect(create_files(folder, good.key_file), -EINVAL, want);
	expect(create_files(file_of("text", "hello"), good.key_file), -EINVAL,
		"0/0 holds no certificate in PEM form\n");
	expect(create_files(good.cert_file, file_of("text", "hello")), -EINVAL,
		"1/0 holds no private key in PEM form\n");
	expect(create_files(file_of("cut", "-----BEGIN CERTIFICATE-----\nAAAA\n"), good.key_file),
		-EINVAL, "0/0 holds no certificate in PEM form\n");
}

static void a_key_with_a_password(void **state)
{
	char path[300];
	FILE *f;

	(void)state;
	snprintf(path, sizeof(path), "%s/locked", folder);
	f = fopen(path, "we");
	assert_int_equal(PEM_write_PrivateKey(f, good.key, EVP_aes_128_cbc(),
				 (const unsigned char *)"secret", 6, NULL, NULL),
		1);
	fclose(f);
	chmod(path, 0600);
	expect(create_files(good.cert_file, path), -EINVAL, "1/0 is encrypted with a password\n");
}

static const char *chain_of(const char *name, const struct cert *const *certs, uint32_t cnt)
{
	static char path[300];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	f = fopen(path, "we");
	for (uint32_t i = 0; i < cnt; i++)
		assert_int_equal(PEM_write_X509(f, certs[i]->x), 1);
	fclose(f);
	return path;
}

static void chains(void **state)
{
	const struct cert *right[] = {&below, &inter, &ca}, *wrong[] = {&below, &ca},
			  *turned[] = {&inter, &below}, *many[11];
	int rc;

	(void)state;
	chmod(below.key_file, 0600);
	chmod(inter.key_file, 0600);
	expect(create_files(chain_of("right", right, 3), below.key_file), 0, "");
	expect(create_files(chain_of("wrong", wrong, 2), below.key_file), -EINVAL,
		"0/0 certificate 2 of the chain (/CN=CA) did not issue the one before it "
		"(/CN=c)\n");
	rc = create_files(chain_of("turned", turned, 2), below.key_file);
	expect(rc, -EINVAL, "1/0 does not belong to the certificate\n");
	for (uint32_t i = 0; i < 11; i++)
		many[i] = &below;
	expect(create_files(chain_of("many", many, 11), below.key_file), -EINVAL,
		"0/0 holds more than 10 certificates\n");
}

static void dates(void **state)
{
	static const struct {
		long from, until;
		const char *text;
	} cases[] = {
		{-7200, -3600, "0/0 (warning) /CN=d has expired\n"},
		{3600, 7200, "0/0 (warning) /CN=d is not valid yet\n"},
		{-3600, 86400, "0/0 (warning) /CN=d expires within 14 days\n"},
		{-3600, 20 * 86400, ""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct cert c;

		cert_make(folder,
			&(struct cert_ask){.file = "dated",
				.cn = "d",
				.san = "DNS:d.test",
				.issuer = &ca,
				.from_s = cases[i].from,
				.until_s = cases[i].until},
			&c);
		chmod(c.key_file, 0600);
		expect(create_files(c.cert_file, c.key_file), 0, cases[i].text);
		cert_free(&c);
	}
}

static void names(void **state)
{
	struct cert c;

	(void)state;
	/* Without names in it: the common name; a certificate without any is for everybody else. */
	cert_make(folder, &(struct cert_ask){.file = "nameless", .cn = "", .issuer = &ca}, &c);
	chmod(c.key_file, 0600);
	expect(create_files(c.cert_file, c.key_file), 0,
		"0/0 (warning) names no host: it serves only who asks for a name that no other "
		"covers\n");
	cert_free(&c);
}

static void lists(void **state)
{
	static const char *const names_ok[] = {"h2"}, *const names_bad[] = {"h2", ""};
	struct tls_cert_files f = {good.cert_file, good.key_file};
	struct tls_server_conf conf = {.certs = &f, .cert_cnt = 1};

	(void)state;
	chmod(good.key_file, 0600);
	conf.ciphers = "TLS_AES_128_GCM_SHA256:ECDHE-ECDSA-AES128-GCM-SHA256";
	expect(create(&conf), 0, "");
	conf.ciphers = "TLS_AES_128_GCM_SHA256"; /* 1.3 alone */
	expect(create(&conf), 0, "");
	conf.ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256"; /* 1.2 alone */
	expect(create(&conf), 0, "");
	conf.ciphers = "ECDHE-ECDSA-AES128-SHA";
	expect(create(&conf), -EINVAL,
		"4/0 ECDHE-ECDSA-AES128-SHA is not spoken: only AES-GCM and ChaCha20-Poly1305 "
		"are\n");
	conf.ciphers = "TLS_AES_128_CCM_SHA256";
	expect(create(&conf), -EINVAL,
		"4/0 TLS_AES_128_CCM_SHA256 is not spoken: only AES-GCM and ChaCha20-Poly1305 "
		"are\n");
	conf.ciphers = "nonsense";
	expect(create(&conf), -EINVAL, "4/0 'nonsense' names no cipher that OpenSSL knows\n");
	conf.ciphers = NULL;
	conf.groups = "X25519:nonsense";
	expect(create(&conf), -EINVAL,
		"5/0 'X25519:nonsense' names a group that OpenSSL does not know\n");
	conf.groups = NULL;
	conf.alpn = names_ok;
	conf.alpn_cnt = 1;
	expect(create(&conf), 0, "");
	conf.alpn = names_bad;
	conf.alpn_cnt = 2;
	expect(create(&conf), -EINVAL, "6/1 '' is empty or too long\n");
}

static void authorities(void **state)
{
	struct tls_cert_files f = {good.cert_file, good.key_file};
	struct tls_server_conf conf = {.certs = &f, .cert_cnt = 1, .verify = TLS_VERIFY_REQUIRED};

	(void)state;
	chmod(good.key_file, 0600);
	expect(create(&conf), -EINVAL, "2/0 clients cannot be verified without it\n");
	conf.client_ca = ca.cert_file;
	expect(create(&conf), 0, "");
	conf.client_ca = file_of("text", "hello");
	expect(create(&conf), -EINVAL, "2/0 holds no certificate in PEM form\n");
	conf.client_ca = ca.cert_file;
	conf.client_crl = file_of("text", "hello");
	expect(create(&conf), -EINVAL, "3/0 holds no revocation list in PEM form\n");
}

/* Every fault is told, not the first alone. */
static void several(void **state)
{
	struct tls_cert_files f[] = {{good.cert_file, other.key_file},
		{other.cert_file, good.key_file}, {good.cert_file, good.key_file}};

	(void)state;
	chmod(good.key_file, 0600);
	chmod(other.key_file, 0600);
	expect(create(&(struct tls_server_conf){.certs = f, .cert_cnt = 3}), -EINVAL,
		"1/0 does not belong to the certificate\n1/1 does not belong to the certificate\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files),
		cmocka_unit_test(a_key_with_a_password),
		cmocka_unit_test(chains),
		cmocka_unit_test(dates),
		cmocka_unit_test(names),
		cmocka_unit_test(lists),
		cmocka_unit_test(authorities),
		cmocka_unit_test(several),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
