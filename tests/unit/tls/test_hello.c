/* SPDX-License-Identifier: Apache-2.0
 * ClientHellos: written here byte by byte, and as OpenSSL writes them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/ssl.h>

#include "dataplane/base/compiler.h"
#include "dataplane/tls/hello.h"

static uint8_t scratch[TLS_HELLO_MAX];

struct buf {
	uint8_t b[TLS_HELLO_MAX + 600];
	uint32_t n;
};

static void put(struct buf *o, const void *p, uint32_t n)
{
	memcpy(o->b + o->n, p, n);
	o->n += n;
}

static void put8(struct buf *o, uint32_t v)
{
	o->b[o->n++] = (uint8_t)v;
}

static void put16(struct buf *o, uint32_t v)
{
	put8(o, v >> 8);
	put8(o, v);
}

static void ext(struct buf *o, uint32_t type, const void *p, uint32_t n)
{
	put16(o, type);
	put16(o, n);
	put(o, p, n);
}

static void ext_sni(struct buf *o, const char *name)
{
	struct buf e = {.n = 0};
	uint32_t n = (uint32_t)strlen(name);

	put16(&e, n + 3);
	put8(&e, 0);
	put16(&e, n);
	put(&e, name, n);
	ext(o, 0, e.b, e.n);
}

/* A message around these extensions (NULL: none at all). */
static struct buf message(const struct buf *exts)
{
	struct buf m = {.n = 0};
	uint8_t random[32] = {7};

	put(&m, "\1\0\0\0", 4);
	put16(&m, 0x0303);
	put(&m, random, 32);
	put8(&m, 32);
	put(&m, random, 32);
	put16(&m, 6);
	put16(&m, 0x5a5a); /* GREASE, RFC 8701 */
	put16(&m, 0x1301);
	put16(&m, 0xc02b);
	put(&m, "\1\0", 2);
	if (exts != NULL) {
		put16(&m, exts->n);
		put(&m, exts->b, exts->n);
	}
	m.b[2] = (uint8_t)((m.n - 4) >> 8);
	m.b[3] = (uint8_t)(m.n - 4);
	return m;
}

/* In records of at most `piece` bytes. */
static struct buf records(const struct buf *m, uint32_t piece)
{
	struct buf o = {.n = 0};

	for (uint32_t at = 0; at < m->n; at += piece) {
		uint32_t n = m->n - at < piece ? m->n - at : piece;

		put(&o, "\x16\3\1", 3);
		put16(&o, n);
		put(&o, m->b + at, n);
	}
	return o;
}

static enum tls_peek peek(const struct buf *b, struct tls_hello *h)
{
	uint8_t *copy = malloc(b->n);
	enum tls_peek rc;

	memcpy(copy, b->b, b->n);
	rc = tls_peek_client_hello(copy, b->n, scratch, h);
	free(copy);
	return rc;
}

static enum tls_peek peek_exts(const struct buf *exts, struct tls_hello *h)
{
	struct buf m = message(exts), r = records(&m, 16384);

	return peek(&r, h);
}

static void expect_bad(const struct buf *exts, const char *why)
{
	struct tls_hello h;

	assert_int_equal(peek_exts(exts, &h), TLS_PEEK_BAD);
	assert_string_equal(h.why, why);
}

static void reads_what_is_there(void **state)
{
	struct buf e = {.n = 0};
	struct tls_hello h;

	(void)state;
	ext(&e, 0x0a0a, "", 0); /* GREASE */
	ext_sni(&e, "Www.Example.COM.");
	ext(&e, 16, "\0\14\2h2\10http/1.1", 14);
	ext(&e, 43, "\6\x7a\x7a\3\4\3\3", 7);
	ext(&e, 0xfe0d, "whatever ECH holds", 18);
	ext(&e, 0xdada, "x", 1);
	assert_int_equal(peek_exts(&e, &h), TLS_PEEK_OK);
	assert_string_equal(h.sni, "www.example.com");
	assert_int_equal(h.alpn_len, 12);
	assert_memory_equal(h.alpn, "\2h2\10http/1.1", 12);
	assert_true(h.tls12 && h.tls13);
	assert_int_equal(h.suites_len, 6);
	assert_memory_equal(h.suites + 2, "\x13\x01", 2);
	/* Without the list of versions the old field counts, and it never means 1.3. */
	assert_int_equal(peek_exts(NULL, &h), TLS_PEEK_OK);
	assert_true(h.tls12 && !h.tls13);
	assert_string_equal(h.sni, "");
}

static void every_prefix_wants_more(void **state)
{
	static const uint32_t pieces[] = {1, 2, 3, 5, 64, 16384};
	struct buf e = {.n = 0}, m;

	(void)state;
	ext_sni(&e, "a.test");
	m = message(&e);
	for (size_t i = 0; i < ARRAY_SIZE(pieces); i++) {
		struct buf r = records(&m, pieces[i]);
		struct tls_hello h;
		uint32_t looks = 0, at = 0;

		for (uint32_t n = 0; n < r.n; n++) {
			struct buf cut = r;

			cut.n = n;
			assert_int_equal(peek(&cut, &h), TLS_PEEK_MORE);
			assert_true(h.need > n && h.need <= r.n);
		}
		assert_int_equal(peek(&r, &h), TLS_PEEK_OK);
		assert_string_equal(h.sni, "a.test");
		assert_int_equal(h.len, r.n);
		/* Following `need` ends there too, with a look or two a record. */
		do {
			struct buf cut = r;

			cut.n = at;
			looks++;
			if (peek(&cut, &h) == TLS_PEEK_OK)
				break;
			at = h.need;
		} while (at <= r.n);
		assert_int_equal(at, r.n);
		assert_true(looks <= 2 * (m.n / pieces[i] + 1) + 2);
		/* What follows in a record of its own does not matter. */
		put(&r, "\x14\3\3\0\1\1", 6);
		assert_int_equal(peek(&r, &h), TLS_PEEK_OK);
		assert_int_equal(h.len, r.n - 6);
	}
}

static void names_are_host_names(void **state)
{
	static const char *const bad[] = {
		"a..b", ".a", "a b", "a*", "*.a.test", "a/b", "a:1", "\xc3\xa4"};
	static const char *const good[] = {"a", "a-b", "a_b.c", "1.2.3.4", "xn--4ca.test"};
	char name[300];
	struct tls_hello h;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct buf e = {.n = 0};

		ext_sni(&e, bad[i]);
		expect_bad(&e, "server_name is no host name");
	}
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		struct buf e = {.n = 0};

		ext_sni(&e, good[i]);
		assert_int_equal(peek_exts(&e, &h), TLS_PEEK_OK);
		assert_string_equal(h.sni, good[i]);
	}
	for (uint32_t n = 250; n < 260; n++) {
		struct buf e = {.n = 0};

		memset(name, 'a', n);
		name[n] = '\0';
		ext_sni(&e, name);
		assert_int_equal(
			peek_exts(&e, &h), n < TLS_HELLO_NAME ? TLS_PEEK_OK : TLS_PEEK_BAD);
	}
	{
		struct buf e = {.n = 0};

		ext(&e, 0, "\0\4\0\0\1\0", 6); /* a NUL is no name */
		expect_bad(&e, "server_name is no host name");
	}
}

static void malformed(void **state)
{
	static const struct {
		uint32_t type, len;
		const char *bytes, *why;
	} cases[] = {
		{0, 0, "", "malformed server_name"},
		{0, 2, "\0\0", "malformed server_name"},
		{0, 6, "\0\4\0\0\2a", "malformed server_name"},
		{0, 7, "\0\5\0\0\1ab", "malformed server_name"},
		{0, 6, "\0\4\1\0\1a", "server_name of an unknown type"},
		{0, 10, "\0\10\0\0\1a\0\0\1b", "malformed server_name"},
		{0, 5, "\0\3\0\0\0", "server_name empty or too long"},
		{16, 0, "", "malformed application_layer_protocol_negotiation"},
		{16, 2, "\0\0", "malformed application_layer_protocol_negotiation"},
		{16, 3, "\0\1\0", "malformed application_layer_protocol_negotiation"},
		{16, 4, "\0\2\2h", "malformed application_layer_protocol_negotiation"},
		{16, 5, "\0\2\1hx", "malformed application_layer_protocol_negotiation"},
		{43, 1, "\0", "malformed supported_versions"},
		{43, 4, "\3\3\4\3", "malformed supported_versions"},
		{43, 4, "\2\3\4\3", "malformed supported_versions"},
	};
	struct buf e = {.n = 0};
	struct tls_hello h;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct buf one = {.n = 0};

		ext(&one, cases[i].type, cases[i].bytes, cases[i].len);
		expect_bad(&one, cases[i].why);
	}
	ext_sni(&e, "a");
	ext_sni(&e, "a");
	expect_bad(&e, "an extension comes twice");
	e.n = 0;
	ext(&e, 41, "x", 1);
	ext(&e, 21, "x", 1);
	expect_bad(&e, "pre_shared_key is not the last extension");
	e.n = 0;
	for (uint32_t i = 0; i < TLS_HELLO_EXTS; i++)
		ext(&e, 1000 + i, "", 0);
	assert_int_equal(peek_exts(&e, &h), TLS_PEEK_OK);
	ext(&e, 2000, "", 0);
	expect_bad(&e, "too many extensions");
	e.n = 0;
	put(&e, "\0\5\0\2\1", 5);
	expect_bad(&e, "malformed extensions");
}

static void records_that_are_not_good(void **state)
{
	static const struct {
		const char *bytes;
		uint32_t len;
		const char *why;
	} cases[] = {
		{"GET / HTTP/1.1\r\n", 16, "plain text where TLS is spoken"},
		{"\x80\x2e\1\0\2", 5, "the first record is no handshake"},
		{"\x15\3\1\0\2\1\0", 7, "the first record is no handshake"},
		{"\x16\2\1\0\5", 5, "not a version of TLS"},
		{"\x16\3\1\0\0", 5, "empty handshake record"},
		{"\x16\3\1\x40\1", 5, "record too long"},
		{"\x16\3\1\0\4\2\0\0\5", 9, "the first message is no ClientHello"},
		{"\x16\3\1\0\4\1\1\0\0", 9, "ClientHello too long"},
		{"\x16\3\1\0\6\1\0\0\1\0\0", 11, "bytes behind the ClientHello in its record"},
		{"\x16\3\1\0\4\1\0\0\0", 9, "malformed ClientHello"},
	};
	struct tls_hello h;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct buf b = {.n = 0};

		put(&b, cases[i].bytes, cases[i].len);
		assert_int_equal(peek(&b, &h), TLS_PEEK_BAD);
		assert_string_equal(h.why, cases[i].why);
	}
}

static void message_parts(void **state)
{
	struct buf m = message(NULL), r;
	struct tls_hello h;
	const uint32_t session = 4 + 2 + 32, suites = session + 33, compression = suites + 8;

	(void)state;
	m.b[4] = 2; /* version */
	r = records(&m, 16384);
	assert_int_equal(peek(&r, &h), TLS_PEEK_BAD);
	m.b[4] = 3;
	m.b[session] = 33;
	r = records(&m, 16384);
	assert_int_equal(peek(&r, &h), TLS_PEEK_BAD);
	m.b[session] = 32;
	m.b[suites + 1] = 5;
	r = records(&m, 16384);
	assert_int_equal(peek(&r, &h), TLS_PEEK_BAD);
	assert_string_equal(h.why, "malformed cipher suites");
	m.b[suites + 1] = 6;
	m.b[compression + 1] = 1; /* only compression */
	r = records(&m, 16384);
	assert_int_equal(peek(&r, &h), TLS_PEEK_BAD);
	assert_string_equal(h.why, "malformed compression methods");
	m.b[compression + 1] = 0;
	r = records(&m, 16384);
	assert_int_equal(peek(&r, &h), TLS_PEEK_OK);
}

static void what_openssl_writes(void **state)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	(void)state;
	for (int v = TLS1_2_VERSION; v <= TLS1_3_VERSION; v++) {
		SSL *ssl = SSL_new(ctx);
		BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
		struct buf b = {.n = 0};
		struct tls_hello h;

		SSL_set_bio(ssl, in, out);
		SSL_set_max_proto_version(ssl, v);
		SSL_set_tlsext_host_name(ssl, "host.example");
		SSL_set_alpn_protos(ssl, (const unsigned char *)"\2h2", 3);
		(void)SSL_connect(ssl);
		b.n = (uint32_t)BIO_read(out, b.b, sizeof(b.b));
		assert_int_equal(peek(&b, &h), TLS_PEEK_OK);
		assert_string_equal(h.sni, "host.example");
		assert_int_equal(h.alpn_len, 3);
		assert_int_equal(h.tls13, v == TLS1_3_VERSION);
		assert_true(h.tls12);
		SSL_free(ssl);
	}
	SSL_CTX_free(ctx);
}

static void matching(void **state)
{
	(void)state;
	assert_true(tls_name_match("a.test", "a.test"));
	assert_false(tls_name_match("a.test", "b.test"));
	assert_true(tls_name_match("*.a.test", "x.a.test"));
	assert_false(tls_name_match("*.a.test", "a.test"));
	assert_false(tls_name_match("*.a.test", "x.y.a.test"));
	assert_false(tls_name_match("*.a.test", ".a.test"));
	assert_false(tls_name_match("*.a.test", ""));
	assert_false(tls_name_match("*.a.test", "nodot"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_what_is_there),
		cmocka_unit_test(every_prefix_wants_more),
		cmocka_unit_test(names_are_host_names),
		cmocka_unit_test(malformed),
		cmocka_unit_test(records_that_are_not_good),
		cmocka_unit_test(message_parts),
		cmocka_unit_test(what_openssl_writes),
		cmocka_unit_test(matching),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
