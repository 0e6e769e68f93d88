/* SPDX-License-Identifier: Apache-2.0
 * Handshakes and data between weir and a plain OpenSSL over two TCP engines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/certs.h"
#include "tests/support/tls_rig.h"

static struct rig r;
static struct cert ca, leaf, rsa;

static int setup(void **state)
{
	(void)state;
	r.conf = (struct tls_worker_conf){0};
	rig_start(&r, NULL);
	cert_make(r.folder, &(struct cert_ask){.file = "ca", .cn = "Test CA", .ca = true}, &ca);
	cert_make(r.folder,
		&(struct cert_ask){.file = "leaf",
			.cn = "a.test",
			.san = "DNS:a.test,DNS:*.w.test",
			.issuer = &ca},
		&leaf);
	cert_make(r.folder,
		&(struct cert_ask){.file = "rsa",
			.cn = "a.test",
			.san = "DNS:a.test",
			.kind = CERT_RSA,
			.issuer = &ca},
		&rsa);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	rig_stop(&r);
	cert_free(&ca);
	cert_free(&leaf);
	cert_free(&rsa);
	return 0;
}

static void serve(const struct tls_server_conf *more)
{
	struct tls_cert_files files[2] = {
		{leaf.cert_file, leaf.key_file}, {rsa.cert_file, rsa.key_file}};
	struct tls_server_conf conf = *more;

	conf.name = "test";
	if (conf.certs == NULL) {
		conf.certs = files;
		conf.cert_cnt = 2;
	}
	rig_serve(&r, &conf);
}

static void transfer(struct rig_peer *p, struct rig_end *e, uint64_t bytes)
{
	p->to_send = bytes;
	rig_pump_peer(p);
	rig_run_ms(&r, 3000);
	assert_int_equal(e->rx, bytes);
	assert_int_equal(p->rx, bytes);
	assert_false(p->bad || e->bad);
}

static void every_suite_carries_data(void **state)
{
	static const struct {
		const char *name;
		int version;
		bool rsa;
	} cases[] = {
		{"TLS_AES_128_GCM_SHA256", TLS1_3_VERSION, false},
		{"TLS_AES_256_GCM_SHA384", TLS1_3_VERSION, false},
		{"TLS_CHACHA20_POLY1305_SHA256", TLS1_3_VERSION, false},
		{"ECDHE-ECDSA-AES128-GCM-SHA256", TLS1_2_VERSION, false},
		{"ECDHE-ECDSA-AES256-GCM-SHA384", TLS1_2_VERSION, false},
		{"ECDHE-ECDSA-CHACHA20-POLY1305", TLS1_2_VERSION, false},
		{"ECDHE-RSA-AES128-GCM-SHA256", TLS1_2_VERSION, true},
	};

	(void)state;
	r.echo = true;
	serve(&(struct tls_server_conf){0});
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		SSL_CTX *ctx = rig_client_ctx();
		struct rig_peer *p;
		struct rig_end *e;

		SSL_CTX_set_min_proto_version(ctx, cases[i].version);
		SSL_CTX_set_max_proto_version(ctx, cases[i].version);
		if (cases[i].version == TLS1_3_VERSION)
			assert_int_equal(SSL_CTX_set_ciphersuites(ctx, cases[i].name), 1);
		else
			assert_int_equal(SSL_CTX_set_cipher_list(ctx, cases[i].name), 1);
		p = rig_dial(&r, 1, ctx, "a.test", NULL);
		rig_run_ms(&r, 100);
		assert_true(p->up);
		e = rig_last(&r);
		assert_int_equal(e->ups, 1);
		assert_string_equal(e->info.version,
			cases[i].version == TLS1_3_VERSION ? "TLSv1.3" : "TLSv1.2");
		assert_string_equal(
			e->info.cipher, SSL_CIPHER_standard_name(SSL_get_current_cipher(p->ssl)));
		assert_string_equal(e->info.sni, "a.test");
		assert_string_equal(e->info.alpn, "");
		assert_false(e->info.resumed || e->info.peer_cert);
		transfer(p, e, 300000);
		SSL_CTX_free(ctx);
	}
	assert_int_equal(tls_worker_counters(r.w[0])->full, ARRAY_SIZE(cases));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_suite_carries_data, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
