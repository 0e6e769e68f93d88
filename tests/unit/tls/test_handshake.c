/* SPDX-License-Identifier: Apache-2.0
 * Handshakes and data between weir and a plain OpenSSL over two TCP engines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>

#include <openssl/err.h>

#include "dataplane/tls/tls_pvt.h"
#include "tests/support/certs.h"
#include "tests/support/tls_rig.h"

static struct rig r;
static uint32_t limit;
static struct cert ca, leaf, rsa;

static int setup(void **state)
{
	(void)state;
	r.conf = (struct tls_worker_conf){.max_handshakes = limit};
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

/* ---- names, protocols, versions ---- */

static struct rig_peer *dial_and_run(SSL_CTX *ctx, const char *sni)
{
	struct rig_peer *p = rig_dial(&r, 1, ctx, sni, NULL);

	rig_run_ms(&r, 100);
	return p;
}

static int key_type(const struct rig_peer *p)
{
	X509 *x = SSL_get1_peer_certificate(p->ssl);
	int id = EVP_PKEY_get_base_id(X509_get0_pubkey(x));

	X509_free(x);
	return id;
}

static bool shows(const struct rig_peer *p, const struct cert *c)
{
	X509 *x = SSL_get1_peer_certificate(p->ssl);
	bool same = x != NULL && X509_cmp(x, c->x) == 0;

	X509_free(x);
	return same;
}

static void certificates_by_name(void **state)
{
	struct cert other;
	SSL_CTX *ctx = rig_client_ctx(), *only_rsa = rig_client_ctx();

	(void)state;
	cert_make(r.folder,
		&(struct cert_ask){.file = "other",
			.cn = "B",
			.san = "DNS:B.test,DNS:x.w.test",
			.issuer = &ca},
		&other);
	{
		struct tls_cert_files files[] = {{leaf.cert_file, leaf.key_file},
			{rsa.cert_file, rsa.key_file}, {other.cert_file, other.key_file}};

		serve(&(struct tls_server_conf){.certs = files, .cert_cnt = 3});
		assert_true(shows(dial_and_run(ctx, "a.test"), &leaf));
		assert_true(shows(dial_and_run(ctx, "A.TEST"), &leaf));
		assert_true(shows(dial_and_run(ctx, "b.test"), &other));
		assert_true(shows(dial_and_run(ctx, "y.w.test"), &leaf));
		/* An exact name is closer than a wildcard; a wildcard is one label. */
		assert_true(shows(dial_and_run(ctx, "x.w.test"), &other));
		assert_true(shows(dial_and_run(ctx, "z.y.w.test"), &leaf));
		assert_true(shows(dial_and_run(ctx, "unknown"), &leaf));
		assert_true(shows(dial_and_run(ctx, NULL), &leaf));
		/* Both kinds of key for one name: the client's abilities choose. */
		SSL_CTX_set1_sigalgs_list(only_rsa, "RSA-PSS+SHA256:RSA+SHA256");
		assert_int_equal(key_type(dial_and_run(only_rsa, "a.test")), EVP_PKEY_RSA);
		assert_int_equal(key_type(dial_and_run(only_rsa, "unknown")), EVP_PKEY_RSA);
		assert_false(dial_and_run(only_rsa, "b.test")->up);
		assert_int_equal(rig_last(&r)->end, TLS_END_NO_SHARED);
		assert_int_equal(rig_last(&r)->why, TCP_END_PROTOCOL);
		serve(&(struct tls_server_conf){.certs = files, .cert_cnt = 3, .strict_sni = true});
		assert_true(dial_and_run(ctx, "b.test")->up);
		assert_false(dial_and_run(ctx, "unknown")->up);
		assert_int_equal(rig_last(&r)->end, TLS_END_NO_CERTIFICATE);
		assert_false(dial_and_run(ctx, NULL)->up);
	}
	SSL_CTX_free(ctx);
	SSL_CTX_free(only_rsa);
	cert_free(&other);
}

static void alpn(void **state)
{
	static const char *const ours[] = {"h2", "http/1.1"};
	SSL_CTX *ctx = rig_client_ctx();
	struct rig_peer *p;

	(void)state;
	serve(&(struct tls_server_conf){.alpn = ours, .alpn_cnt = 2});
	SSL_CTX_set_alpn_protos(ctx, (const unsigned char *)"\10http/1.1\2h2", 12);
	assert_true(dial_and_run(ctx, "a.test")->up);
	assert_string_equal(rig_last(&r)->info.alpn, "h2"); /* our order */
	SSL_CTX_set_alpn_protos(ctx, (const unsigned char *)"\3foo\10http/1.1", 13);
	assert_true(dial_and_run(ctx, NULL)->up);
	assert_string_equal(rig_last(&r)->info.alpn, "http/1.1");
	assert_string_equal(rig_last(&r)->info.sni, "");
	SSL_CTX_set_alpn_protos(ctx, (const unsigned char *)"\3foo", 4);
	p = dial_and_run(ctx, "a.test");
	assert_false(p->up);
	assert_int_equal(ERR_GET_REASON(p->error), SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL);
	assert_int_equal(rig_last(&r)->end, TLS_END_NO_ALPN);
	SSL_CTX_free(ctx);
	ctx = rig_client_ctx();
	assert_true(dial_and_run(ctx, "a.test")->up); /* offers none */
	assert_string_equal(rig_last(&r)->info.alpn, "");
	SSL_CTX_free(ctx);
}

static void versions(void **state)
{
	SSL_CTX *ctx = rig_client_ctx();
	struct rig_peer *p;

	(void)state;
	serve(&(struct tls_server_conf){.min_version = TLS_V13});
	SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION);
	p = dial_and_run(ctx, "a.test");
	assert_int_equal(ERR_GET_REASON(p->error), SSL_R_TLSV1_ALERT_PROTOCOL_VERSION);
	assert_int_equal(rig_last(&r)->end, TLS_END_NO_SHARED);
	serve(&(struct tls_server_conf){0});
	assert_true(dial_and_run(ctx, "a.test")->up);
	SSL_CTX_set_min_proto_version(ctx, TLS1_VERSION);
	SSL_CTX_set_max_proto_version(ctx, TLS1_1_VERSION);
	SSL_CTX_set_cipher_list(ctx, "DEFAULT@SECLEVEL=0");
	p = dial_and_run(ctx, "a.test");
	assert_int_equal(ERR_GET_REASON(p->error), SSL_R_TLSV1_ALERT_PROTOCOL_VERSION);
	SSL_CTX_free(ctx);
}

/* ---- pieces ---- */

static void one_byte_a_segment(void **state)
{
	(void)state;
	r.echo = true;
	serve(&(struct tls_server_conf){0});
	for (int v = TLS1_2_VERSION; v <= TLS1_3_VERSION; v++) {
		SSL_CTX *ctx = rig_client_ctx();
		struct rig_peer *p;

		SSL_CTX_set_max_proto_version(ctx, v);
		p = rig_dial(&r, 1, ctx, "a.test", NULL);
		p->chop = true;
		rig_run_ms(&r, 400);
		assert_true(p->up);
		p->to_send = 300;
		rig_pump_peer(p);
		rig_run_ms(&r, 400);
		assert_int_equal(p->rx, 300);
		assert_false(p->bad || rig_last(&r)->bad);
		SSL_CTX_free(ctx);
	}
}

/* Everything that a client may send at once arrives in one segment. */
static void records_of_all_sizes(void **state)
{
	static const uint32_t sizes[] = {1, 2, 15, 16, 17, 1400, 2048, 16383, 16384};
	SSL_CTX *ctx = rig_client_ctx();
	struct rig_peer *p;
	uint64_t sum = 0;

	(void)state;
	r.echo = true;
	serve(&(struct tls_server_conf){0});
	p = dial_and_run(ctx, "a.test");
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
		for (int k = 0; k < 3; k++) {
			p->to_send = sizes[i];
			rig_pump_peer(p);
			sum += sizes[i];
		}
	rig_run_ms(&r, 500);
	assert_int_equal(rig_last(&r)->rx, sum);
	assert_int_equal(p->rx, sum);
	assert_false(p->bad || rig_last(&r)->bad);
	SSL_CTX_free(ctx);
}

static void back_pressure_both_ways(void **state)
{
	SSL_CTX *ctx = rig_client_ctx();
	struct rig_peer *p;
	struct rig_end *e;
	struct tcp_info i;

	(void)state;
	r.hold = true;
	serve(&(struct tls_server_conf){0});
	p = dial_and_run(ctx, "a.test");
	e = rig_last(&r);
	p->to_send = 2000000;
	rig_pump_peer(p);
	rig_run_ms(&r, 2000);
	/* The window is shut with a bounded number of bytes inside. */
	assert_in_range(e->rx, 65536, 262144);
	assert_int_equal(tcp_info(sim_host(r.s, 1)->e, e->conn, &i), 0);
	assert_true(i.unread <= 262144 + 1500);
	rig_consume(e);
	rig_run_ms(&r, 4000);
	assert_int_equal(e->rx, 2000000);
	assert_false(e->bad);
	assert_int_equal(tcp_info(sim_host(r.s, 1)->e, e->conn, &i), 0);
	assert_int_equal(i.unread, 0);
	/* Now weir sends more than its buffer takes. */
	e->to_send = 3000000;
	rig_pump_end(e);
	assert_true(e->to_send > 2000000);
	rig_run_ms(&r, 5000);
	assert_int_equal(p->rx, 3000000);
	assert_false(p->bad);
	assert_true(e->writables > 0);
	SSL_CTX_free(ctx);
}

/* ---- ends ---- */

static void the_peer_says_goodbye(void **state)
{
	SSL_CTX *ctx = rig_client_ctx();

	(void)state;
	serve(&(struct tls_server_conf){0});
	for (int half = 0; half < 2; half++) {
		struct rig_peer *p;
		struct rig_end *e;

		r.close_on_eof = !half;
		p = dial_and_run(ctx, "a.test");
		e = rig_last(&r);
		p->to_send = 50000;
		rig_pump_peer(p);
		(void)SSL_shutdown(p->ssl);
		p->fin = true;
		rig_pump_peer(p);
		rig_run_ms(&r, 100);
		assert_int_equal(e->rx, 50000);
		assert_int_equal(e->eofs, 1);
		assert_false(e->truncated);
		if (half) { /* sending goes on behind the peer's end */
			e->to_send = 100000;
			rig_pump_end(e);
			rig_run_ms(&r, 500);
			assert_int_equal(p->rx, 100000);
			e->over = true;
			assert_int_equal(tls_close(e->t), 0);
			sim_kick(r.s, 1);
		}
		rig_run_ms(&r, 100);
		assert_true(p->notified && p->eof);
		rig_run_ms(&r, 200);
		assert_true(p->tcp_closed);
		assert_int_equal(p->why, TCP_END_NORMAL);
	}
	SSL_CTX_free(ctx);
}

/* weir closes first: everything arrives, then close_notify, and the peer's late bytes bring no
 * reset before it has read them. */
static void weir_says_goodbye(void **state)
{
	SSL_CTX *ctx = rig_client_ctx();
	struct rig_peer *p;
	struct rig_end *e;

	(void)state;
	serve(&(struct tls_server_conf){0});
	r.answer = 200000;
	p = dial_and_run(ctx, "a.test");
	e = rig_last(&r);
	e->over = true;
	assert_int_equal(tls_close(e->t), 0);
	p->to_send = 20000;
	rig_pump_peer(p);
	rig_run_ms(&r, 1000);
	assert_int_equal(p->rx, 200000);
	assert_true(p->notified && p->eof && !p->tcp_closed);
	(void)SSL_shutdown(p->ssl);
	p->fin = true;
	rig_pump_peer(p);
	rig_run_ms(&r, 200);
	assert_true(p->tcp_closed);
	assert_int_equal(p->why, TCP_END_NORMAL);
	assert_int_equal(tls_worker_counters(r.w[0])->active, 0);
	/* A peer that never closes is waited for so long and no longer. */
	r.answer = 10;
	p = dial_and_run(ctx, "a.test");
	e = rig_last(&r);
	e->over = true;
	assert_int_equal(tls_close(e->t), 0);
	rig_run_ms(&r, 2000);
	assert_int_equal(tls_worker_counters(r.w[0])->active, 1);
	rig_run_ms(&r, 3000);
	assert_int_equal(tls_worker_counters(r.w[0])->active, 0);
	SSL_CTX_free(ctx);
}

static void an_end_without_goodbye_is_told(void **state)
{
	SSL_CTX *ctx = rig_client_ctx();
	struct rig_peer *p;
	struct rig_end *e;

	(void)state;
	serve(&(struct tls_server_conf){0});
	p = dial_and_run(ctx, "a.test");
	e = rig_last(&r);
	p->to_send = 1000;
	p->fin = true; /* TCP's, behind the data */
	rig_pump_peer(p);
	rig_run_ms(&r, 100);
	assert_int_equal(e->rx, 1000);
	assert_int_equal(e->eofs, 1);
	assert_true(e->truncated);
	assert_int_equal(tls_worker_counters(r.w[0])->truncated, 1);
	SSL_CTX_free(ctx);
}

/* A client that sends its data and its end along with its Finished. */
static void all_in_one_flight(void **state)
{
	SSL_CTX *ctx = rig_client_ctx();
	struct rig_peer *p;

	(void)state;
	r.close_on_eof = true;
	serve(&(struct tls_server_conf){0});
	p = rig_dial(&r, 1, ctx, "a.test", NULL);
	p->to_send = 3000;
	p->goodbye = true;
	rig_run_ms(&r, 200);
	assert_int_equal(rig_last(&r)->rx, 3000);
	assert_int_equal(rig_last(&r)->eofs, 1);
	assert_false(rig_last(&r)->truncated);
	assert_true(p->tcp_closed);
	SSL_CTX_free(ctx);
}

/* ---- attacks and mistakes ---- */

static struct rig_end *raw_dial(const void *bytes, uint32_t len, struct rig_peer **out)
{
	struct rig_peer *p = rig_dial(&r, 1, NULL, NULL, NULL);

	rig_run_ms(&r, 10);
	rig_raw(p, bytes, len);
	rig_run_ms(&r, 50);
	*out = p;
	return rig_last(&r);
}

static void bytes_that_are_no_hello(void **state)
{
	struct rig_peer *p;
	struct rig_end *e;

	(void)state;
	serve(&(struct tls_server_conf){0});
	e = raw_dial("GET / HTTP/1.1\r\n\r\n", 18, &p);
	assert_int_equal(e->end, TLS_END_BAD_HELLO);
	assert_string_equal(e->detail, "plain text where TLS is spoken");
	assert_int_equal(p->wire_len, 7);
	assert_memory_equal(p->wire, "\x15\3\3\0\2\2\x32", 7); /* fatal, decode_error */
	assert_true(p->eof);
	e = raw_dial("\x16\3\1\0\5\1\0\1", 8, &p); /* not all of a hello, then the end */
	assert_false(e->over);
	assert_int_equal(tcp_shutdown(sim_host(r.s, 0)->e, p->conn), 0);
	sim_kick(r.s, 0);
	rig_run_ms(&r, 50);
	assert_int_equal(e->end, TLS_END_TRUNCATED);
	/* Silence. */
	e = raw_dial("\x16", 1, &p);
	rig_run_ms(&r, 9000);
	assert_false(e->over);
	rig_run_ms(&r, 1500);
	assert_int_equal(e->end, TLS_END_TIMEOUT);
	assert_int_equal(e->why, TCP_END_TIMEOUT);
	assert_int_equal(tls_worker_counters(r.w[0])->handshakes, 0);
}

/* A record that was changed on its way. */
static void a_forged_record(void **state)
{
	SSL_CTX *ctx = rig_client_ctx();

	(void)state;
	serve(&(struct tls_server_conf){0});
	for (int v = TLS1_2_VERSION; v <= TLS1_3_VERSION; v++) {
		struct rig_peer *p;
		struct rig_end *e;

		SSL_CTX_set_max_proto_version(ctx, v);
		p = dial_and_run(ctx, "a.test");
		e = rig_last(&r);
		p->to_send = 100;
		rig_pump_peer(p);
		rig_run_ms(&r, 50);
		p->flip = true;
		p->to_send = 100;
		rig_pump_peer(p);
		rig_run_ms(&r, 50);
		assert_int_equal(e->rx, 100);
		assert_false(e->bad);
		assert_int_equal(e->end, TLS_END_RECORD);
		assert_int_equal(e->why, TCP_END_PROTOCOL);
		assert_int_equal(ERR_GET_REASON(p->error), SSL_R_SSLV3_ALERT_BAD_RECORD_MAC);
	}
	SSL_CTX_free(ctx);
}

static void records_out_of_shape(void **state)
{
	static const struct {
		const char *bytes;
		uint32_t len;
	} cases[] = {
		{"\x17\3\3\x41\1", 5}, /* longer than any */
		{"\x17\2\3\0\x20", 5}, /* another version */
		{"\x18\3\3\0\x20", 5}, /* heartbeat */
		{"\x16\3\3\0\x20", 5}, /* a handshake in the clear */
		{"\x17\3\3\0\1x", 6},  /* no room for a tag */
		{"\x17\3\3\0\0", 5},
	};
	SSL_CTX *ctx = rig_client_ctx();

	(void)state;
	serve(&(struct tls_server_conf){0});
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct rig_peer *p = dial_and_run(ctx, "a.test");

		rig_raw(p, cases[i].bytes, cases[i].len);
		rig_run_ms(&r, 50);
		assert_int_equal(rig_last(&r)->end, TLS_END_RECORD);
		assert_true(p->failed);
	}
	SSL_CTX_free(ctx);
}

static void an_alert_of_the_peer(void **state)
{
	SSL_CTX *ctx = rig_client_ctx();
	struct rig_peer *p;

	(void)state;
	serve(&(struct tls_server_conf){0});
	/* It does not trust us. */
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	p = dial_and_run(ctx, "a.test");
	assert_true(p->failed);
	assert_int_equal(rig_last(&r)->end, TLS_END_ALERT);
	assert_int_equal(tls_worker_counters(r.w[0])->ends[TLS_END_ALERT], 1);
	SSL_CTX_free(ctx);
}

static void key_updates_and_renegotiation(void **state)
{
	SSL_CTX *ctx = rig_client_ctx();
	struct rig_peer *p;

	(void)state;
	r.echo = true;
	serve(&(struct tls_server_conf){0});
	p = dial_and_run(ctx, "a.test");
	for (int i = 0; i < 5; i++) {
		assert_int_equal(SSL_key_update(p->ssl, i % 2 ? SSL_KEY_UPDATE_REQUESTED
							      : SSL_KEY_UPDATE_NOT_REQUESTED),
			1);
		p->to_send = 30000;
		rig_pump_peer(p);
		rig_run_ms(&r, 200);
		assert_int_equal(p->rx, 30000 * (i + 1));
	}
	assert_false(p->bad || rig_last(&r)->bad);
	assert_int_equal(tls_worker_counters(r.w[0])->key_updates, 5 + 2);
	/* Updates without data in between are an attack. */
	for (int i = 0; i < 40 && !p->failed; i++) {
		(void)SSL_key_update(p->ssl, SSL_KEY_UPDATE_NOT_REQUESTED);
		(void)SSL_do_handshake(p->ssl);
	}
	rig_pump_peer(p);
	rig_run_ms(&r, 100);
	assert_int_equal(rig_last(&r)->end, TLS_END_RECORD);
	SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION);
	p = dial_and_run(ctx, "a.test");
	assert_int_equal(SSL_renegotiate(p->ssl), 1);
	(void)SSL_do_handshake(p->ssl);
	rig_pump_peer(p);
	rig_run_ms(&r, 100);
	/* A warning: it is OpenSSL that gives up. */
	assert_int_equal(ERR_GET_REASON(p->error), SSL_R_NO_RENEGOTIATION);
	assert_int_equal(rig_last(&r)->end, TLS_END_ALERT);
	SSL_CTX_free(ctx);
}

/* ---- tickets ---- */

static SSL_SESSION *kept;

static int keep(SSL *ssl, SSL_SESSION *s)
{
	(void)ssl;
	SSL_SESSION_free(kept);
	kept = s;
	return 1;
}

static struct rig_end *resume(int host, SSL_CTX *ctx)
{
	struct rig_peer *p = rig_dial(&r, host, ctx, "a.test", kept);

	rig_run_ms(&r, 100);
	assert_true(p->up);
	p->to_send = 1000;
	rig_pump_peer(p);
	rig_run_ms(&r, 100);
	assert_int_equal(rig_last(&r)->rx, 1000);
	/* OpenSSL does not announce what a resumed 1.2 handshake renewed. */
	if (SSL_version(p->ssl) == TLS1_2_VERSION) {
		SSL_SESSION_free(kept);
		kept = SSL_get1_session(p->ssl);
	}
	return rig_last(&r);
}

static void tickets_and_their_keys(void **state)
{
	(void)state;
	serve(&(struct tls_server_conf){0});
	for (int v = TLS1_2_VERSION; v <= TLS1_3_VERSION; v++) {
		SSL_CTX *ctx = rig_client_ctx();

		SSL_CTX_set_max_proto_version(ctx, v);
		SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT);
		SSL_CTX_sess_set_new_cb(ctx, keep);
		assert_false(resume(1, ctx)->info.resumed);
		assert_non_null(kept);
		assert_true(resume(1, ctx)->info.resumed);
		assert_true(resume(2, ctx)->info.resumed); /* the other worker */
		/* The keys before still decrypt, and what they open is renewed. */
		tls_tickets_rotate(r.tickets);
		tls_tickets_rotate(r.tickets);
		assert_true(resume(2, ctx)->info.resumed);
		tls_tickets_rotate(r.tickets);
		assert_true(resume(1, ctx)->info.resumed);
		for (int i = 0; i < TLS_TICKET_KEYS; i++)
			tls_tickets_rotate(r.tickets);
		assert_false(resume(1, ctx)->info.resumed);
		/* Another name, or other rules for clients: not the same sessions. */
		{
			struct tls_cert_files files[] = {{leaf.cert_file, leaf.key_file}};

			rig_serve(&r, &(struct tls_server_conf){
					      .name = "another", .certs = files, .cert_cnt = 1});
			if (v == TLS1_3_VERSION) {
				assert_false(resume(1, ctx)->info.resumed);
			} else {
				assert_false(dial_and_run(ctx, "a.test")->failed);
			}
			serve(&(struct tls_server_conf){.no_tickets = true});
			SSL_SESSION_free(kept);
			kept = NULL;
			(void)resume(1, ctx);
			assert_true(kept == NULL || !SSL_SESSION_has_ticket(kept));
		}
		serve(&(struct tls_server_conf){0});
		SSL_SESSION_free(kept);
		kept = NULL;
		SSL_CTX_free(ctx);
	}
}

static void keys_from_a_file(void **state)
{
	char path[300], why[128];
	uint8_t keys[3 * TLS_TICKET_KEY + 1];
	struct ticket_set a = {0};
	FILE *f;

	(void)state;
	for (size_t i = 0; i < sizeof(keys); i++)
		keys[i] = (uint8_t)(i * 7);
	snprintf(path, sizeof(path), "%s/keys", r.folder);
	for (uint32_t n = 0; n <= sizeof(keys); n += n < 79 ? 79 : 1) {
		bool good = n > 0 && n % TLS_TICKET_KEY == 0 && n <= 240;
		uint64_t before;

		tls_tickets_read(r.tickets, &a);
		before = a.version;
		f = fopen(path, "we");
		fwrite(keys, 1, n, f);
		fclose(f);
		assert_int_equal(tls_tickets_load(r.tickets, path, why), good ? 0 : -EINVAL);
		tls_tickets_read(r.tickets, &a);
		assert_int_equal(a.version != before, good);
		if (good) {
			assert_int_equal(a.cnt, n / TLS_TICKET_KEY);
			assert_memory_equal(a.keys[0].name, keys, 16);
		}
	}
	assert_int_equal(tls_tickets_load(r.tickets, "/no/such/file", why), -EINVAL);
	assert_string_equal(why, "No such file or directory");
}

/* ---- certificates of clients ---- */

static SSL_CTX *with_cert(const struct cert *c)
{
	SSL_CTX *ctx = rig_client_ctx();

	if (c != NULL) {
		assert_int_equal(SSL_CTX_use_certificate_chain_file(ctx, c->cert_file), 1);
		assert_int_equal(SSL_CTX_use_PrivateKey(ctx, c->key), 1);
	}
	return ctx;
}

static void clients_show_certificates(void **state)
{
	struct cert clients, inter, alice, bob, stranger;
	char crl[300];
	struct tls_server_conf conf = {.verify = TLS_VERIFY_REQUIRED};
	const struct {
		const struct cert *cert;
		enum tls_verify verify;
		bool crl, good;
	} cases[] = {
		{&alice, TLS_VERIFY_REQUIRED, false, true},
		{&bob, TLS_VERIFY_REQUIRED, false, true},
		{NULL, TLS_VERIFY_REQUIRED, false, false},
		{&stranger, TLS_VERIFY_REQUIRED, false, false},
		{&alice, TLS_VERIFY_OPTIONAL, false, true},
		{NULL, TLS_VERIFY_OPTIONAL, false, true},
		{&stranger, TLS_VERIFY_OPTIONAL, false, false},
		{&alice, TLS_VERIFY_REQUIRED, true, true},
		{&bob, TLS_VERIFY_REQUIRED, true, false},
	};

	(void)state;
	cert_make(
		r.folder, &(struct cert_ask){.file = "cca", .cn = "Clients", .ca = true}, &clients);
	cert_make(r.folder,
		&(struct cert_ask){
			.file = "inter", .cn = "Between", .ca = true, .issuer = &clients},
		&inter);
	cert_make(r.folder,
		&(struct cert_ask){.file = "alice",
			.cn = "alice, of \"A\"",
			.san = "email:alice@a.test,DNS:alice.test,IP:192.0.2.7,URI:urn:x",
			.issuer = &clients,
			.serial = 0x1234},
		&alice);
	cert_make(
		r.folder, &(struct cert_ask){.file = "bob", .cn = "bob", .issuer = &clients}, &bob);
	cert_make(r.folder, &(struct cert_ask){.file = "str", .cn = "m", .issuer = &ca}, &stranger);
	snprintf(crl, sizeof(crl), "%s/crl", r.folder);
	cert_revoke(&clients, &bob, crl);
	conf.client_ca = clients.cert_file;
	for (int v = TLS1_2_VERSION; v <= TLS1_3_VERSION; v++)
		for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
			SSL_CTX *ctx = with_cert(cases[i].cert);
			struct rig_end *e;

			conf.verify = cases[i].verify;
			conf.client_crl = cases[i].crl ? crl : NULL;
			serve(&conf);
			SSL_CTX_set_max_proto_version(ctx, v);
			(void)dial_and_run(ctx, "a.test");
			e = rig_last(&r);
			assert_int_equal(e->ups, cases[i].good);
			if (!cases[i].good) {
				assert_int_equal(e->end, TLS_END_CLIENT_CERTIFICATE);
				if (cases[i].crl)
					assert_string_equal(e->detail, "certificate revoked");
			} else {
				assert_int_equal(e->has_cert, cases[i].cert != NULL);
				assert_int_equal(e->info.peer_verified, cases[i].cert != NULL);
			}
			if (e->has_cert && cases[i].cert == &alice) {
				assert_string_equal(e->cert.subject, "CN=alice\\, of \\\"A\\\"");
				assert_string_equal(e->cert.issuer, "CN=Clients");
				assert_string_equal(e->cert.serial, "1234");
				assert_string_equal(e->cert.san,
					"email:alice@a.test, DNS:alice.test, "
					"IP:192.0.2.7, URI:urn:x");
				assert_int_equal(strlen(e->cert.sha256), 64);
				assert_int_equal(strlen(e->cert.not_after), 20);
			}
			SSL_CTX_free(ctx);
		}
	cert_free(&clients);
	cert_free(&inter);
	cert_free(&alice);
	cert_free(&bob);
	cert_free(&stranger);
}

/* ---- other certificates, limits ---- */

static void certificates_change_under_connections(void **state)
{
	SSL_CTX *ctx = rig_client_ctx();
	struct rig_peer *p, *q;
	struct cert next;

	(void)state;
	cert_make(r.folder,
		&(struct cert_ask){
			.file = "next", .cn = "a.test", .san = "DNS:a.test", .issuer = &ca},
		&next);
	r.echo = true;
	serve(&(struct tls_server_conf){0});
	p = dial_and_run(ctx, "a.test");
	q = rig_dial(&r, 1, ctx, "a.test", NULL);
	rig_run_ms(&r, 1); /* under way */
	{
		struct tls_cert_files files[] = {{next.cert_file, next.key_file}};

		rig_serve(&r,
			&(struct tls_server_conf){.name = "test", .certs = files, .cert_cnt = 1});
	}
	assert_true(shows(dial_and_run(ctx, "a.test"), &next));
	transfer(p, &r.ends[0], 100000);
	assert_true(q->up);
	SSL_CTX_free(ctx);
	cert_free(&next);
}

static void handshakes_have_a_limit(void **state)
{
	SSL_CTX *ctx = rig_client_ctx();
	struct rig_peer *p[4];
	int up = 0;

	(void)state;
	serve(&(struct tls_server_conf){0});
	for (int i = 0; i < 4; i++) {
		p[i] = rig_dial(&r, 1, ctx, "a.test", NULL);
		p[i]->mute = true; /* its hello is its last word */
	}
	rig_run_ms(&r, 100);
	assert_int_equal(tls_worker_counters(r.w[0])->handshakes, 2);
	assert_int_equal(tls_worker_counters(r.w[0])->refused, 2);
	for (int i = 0; i < 4; i++)
		p[i]->mute = false;
	for (int i = 0; i < 4; i++) {
		rig_pump_peer(p[i]);
		rig_run_ms(&r, 50);
		up += p[i]->up;
	}
	assert_int_equal(up, 2);
	assert_int_equal(tls_worker_counters(r.w[0])->handshakes, 0);
	SSL_CTX_free(ctx);
}

static int setup_two(void **state)
{
	limit = 2;
	setup(state);
	limit = 0;
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_suite_carries_data, setup, teardown),
		cmocka_unit_test_setup_teardown(certificates_by_name, setup, teardown),
		cmocka_unit_test_setup_teardown(alpn, setup, teardown),
		cmocka_unit_test_setup_teardown(versions, setup, teardown),
		cmocka_unit_test_setup_teardown(one_byte_a_segment, setup, teardown),
		cmocka_unit_test_setup_teardown(records_of_all_sizes, setup, teardown),
		cmocka_unit_test_setup_teardown(back_pressure_both_ways, setup, teardown),
		cmocka_unit_test_setup_teardown(the_peer_says_goodbye, setup, teardown),
		cmocka_unit_test_setup_teardown(weir_says_goodbye, setup, teardown),
		cmocka_unit_test_setup_teardown(an_end_without_goodbye_is_told, setup, teardown),
		cmocka_unit_test_setup_teardown(all_in_one_flight, setup, teardown),
		cmocka_unit_test_setup_teardown(bytes_that_are_no_hello, setup, teardown),
		cmocka_unit_test_setup_teardown(a_forged_record, setup, teardown),
		cmocka_unit_test_setup_teardown(records_out_of_shape, setup, teardown),
		cmocka_unit_test_setup_teardown(an_alert_of_the_peer, setup, teardown),
		cmocka_unit_test_setup_teardown(key_updates_and_renegotiation, setup, teardown),
		cmocka_unit_test_setup_teardown(tickets_and_their_keys, setup, teardown),
		cmocka_unit_test_setup_teardown(keys_from_a_file, setup, teardown),
		cmocka_unit_test_setup_teardown(clients_show_certificates, setup, teardown),
		cmocka_unit_test_setup_teardown(
			certificates_change_under_connections, setup, teardown),
		cmocka_unit_test_setup_teardown(handshakes_have_a_limit, setup_two, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
