/* SPDX-License-Identifier: Apache-2.0
 * weir as a client of a plain OpenSSL server: trust, names, sessions, certificates of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>

#include <openssl/err.h>

#include "tests/support/certs.h"
#include "tests/support/tls_rig.h"

static struct rig r;
static struct cert ca, leaf, own;
static SSL_CTX *server;

static int setup(void **state)
{
	(void)state;
	r.conf = (struct tls_worker_conf){0};
	rig_start(&r, NULL);
	cert_make(r.folder, &(struct cert_ask){.file = "ca", .cn = "Test CA", .ca = true}, &ca);
	cert_make(r.folder,
		&(struct cert_ask){.file = "leaf",
			.cn = "back",
			.san = "DNS:back.test,DNS:*.w.test,IP:192.0.2.9",
			.issuer = &ca},
		&leaf);
	cert_make(r.folder, &(struct cert_ask){.file = "own", .cn = "weir", .issuer = &ca}, &own);
	server = SSL_CTX_new(TLS_server_method());
	assert_int_equal(SSL_CTX_use_certificate_chain_file(server, leaf.cert_file), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(server, leaf.key), 1);
	SSL_CTX_set_session_id_context(server, (const unsigned char *)"x", 1);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	rig_stop(&r);
	SSL_CTX_free(server);
	cert_free(&ca);
	cert_free(&leaf);
	cert_free(&own);
	return 0;
}

static struct tls_client *client(const struct tls_client_conf *conf)
{
	struct tls_client *c = NULL;

	assert_int_equal(
		tls_client_create(r.libs, conf, (int64_t)time(NULL), rig_fault, NULL, &c), 0);
	return c;
}

static struct rig_end *dial(const struct tls_client *c, const char *sni)
{
	struct rig_end *e = rig_dial_out(&r, server, c, sni);

	rig_run_ms(&r, 200);
	return e;
}

static struct rig_peer *last_peer(void)
{
	return &r.peers[r.peer_cnt - 1];
}

static void data_in_every_version(void **state)
{
	struct tls_client *c = client(&(struct tls_client_conf){.ca = ca.cert_file});

	(void)state;
	for (int v = TLS1_2_VERSION; v <= TLS1_3_VERSION; v++) {
		struct rig_end *e;

		SSL_CTX_set_max_proto_version(server, v);
		e = dial(c, "back.test");
		assert_int_equal(e->ups, 1);
		assert_string_equal(e->info.sni, "back.test");
		assert_true(e->info.peer_cert && e->info.peer_verified);
		assert_string_equal(e->cert.subject, "CN=back");
		assert_string_equal(SSL_get_servername(last_peer()->ssl, TLSEXT_NAMETYPE_host_name),
			"back.test");
		e->to_send = 500000;
		rig_pump_end(e);
		last_peer()->to_send = 500000;
		rig_pump_peer(last_peer());
		rig_run_ms(&r, 3000);
		assert_int_equal(e->rx, 500000);
		assert_int_equal(last_peer()->rx, 500000);
		assert_false(e->bad || last_peer()->bad);
	}
	tls_client_unref(c);
}

static void who_is_trusted(void **state)
{
	char strangers[300];
	struct cert stranger, expired;
	const struct {
		const char *ca, *sni, *verify_name, *detail;
		bool no_verify, good;
	} cases[] = {
		{ca.cert_file, "back.test", NULL, "", false, true},
		{ca.cert_file, "x.w.test", NULL, "", false, true},
		{ca.cert_file, "192.0.2.9", NULL, "", false, true},
		{ca.cert_file, "192.0.2.8", NULL, "IP address mismatch", false, false},
		{ca.cert_file, "y.x.w.test", NULL, "hostname mismatch", false, false},
		{ca.cert_file, "other.test", NULL, "hostname mismatch", false, false},
		{ca.cert_file, "other.test", "back.test", "", false, true},
		{ca.cert_file, "back.test", "other.test", "hostname mismatch", false, false},
		{strangers, "back.test", NULL, "unable to get local issuer certificate", false,
			false},
		{NULL, "back.test", NULL, "unable to get local issuer certificate", false, false},
		{NULL, "other.test", NULL, "", true, true},
		{NULL, NULL, NULL, "", true, true},
	};

	(void)state;
	snprintf(strangers, sizeof(strangers), "%s/str.crt", r.folder);
	cert_make(r.folder, &(struct cert_ask){.file = "str", .cn = "Stranger", .ca = true},
		&stranger);
	for (int v = TLS1_2_VERSION; v <= TLS1_3_VERSION; v++)
		for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
			struct tls_client *c = client(&(struct tls_client_conf){.ca = cases[i].ca,
				.verify_name = cases[i].verify_name,
				.no_verify = cases[i].no_verify});
			struct rig_end *e;

			SSL_CTX_set_max_proto_version(server, v);
			e = dial(c, cases[i].sni);
			assert_int_equal(e->ups, cases[i].good);
			if (!cases[i].good) {
				assert_int_equal(e->end, TLS_END_VERIFY);
				assert_string_equal(e->detail, cases[i].detail);
				assert_true(last_peer()->failed);
			}
			tls_client_unref(c);
		}
	cert_make(r.folder,
		&(struct cert_ask){.file = "exp",
			.cn = "back",
			.san = "DNS:back.test",
			.issuer = &ca,
			.from_s = -7200,
			.until_s = -3600},
		&expired);
	assert_int_equal(SSL_CTX_use_certificate(server, expired.x), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(server, expired.key), 1);
	{
		struct tls_client *c = client(&(struct tls_client_conf){.ca = ca.cert_file});
		struct rig_end *e = dial(c, "back.test");

		assert_int_equal(e->end, TLS_END_VERIFY);
		assert_string_equal(e->detail, "certificate has expired");
		tls_client_unref(c);
	}
	cert_free(&stranger);
	cert_free(&expired);
}

static void verification_needs_a_name(void **state)
{
	struct tls_client *c = client(&(struct tls_client_conf){.ca = ca.cert_file});
	struct tls_connect_args a = {.client = c, .engine = sim_host(r.s, 1)->e, .conn = TCP_NONE};
	struct tls_conn *t;

	(void)state;
	assert_int_equal(tls_connect(r.w[0], &a, &t), -EINVAL);
	assert_null(t);
	tls_client_unref(c);
}

static void sessions_are_resumed(void **state)
{
	(void)state;
	for (int v = TLS1_2_VERSION; v <= TLS1_3_VERSION; v++) {
		struct tls_client *c = client(&(struct tls_client_conf){.ca = ca.cert_file});
		struct rig_end *e;

		SSL_CTX_set_max_proto_version(server, v);
		assert_false(dial(c, "back.test")->info.resumed);
		last_peer()->to_send = 10; /* data behind the tickets ends OpenSSL's part */
		rig_pump_peer(last_peer());
		rig_run_ms(&r, 50);
		for (int i = 0; i < 3; i++) {
			e = dial(c, "back.test");
			assert_true(e->info.resumed);
			assert_true(e->info.peer_verified);
			last_peer()->to_send = 1000;
			rig_pump_peer(last_peer());
			rig_run_ms(&r, 50);
			assert_int_equal(e->rx, 1000);
			assert_false(e->bad);
		}
		/* Another name is another session. */
		assert_false(dial(c, "x.w.test")->info.resumed);
		tls_client_unref(c);
		c = client(&(struct tls_client_conf){.ca = ca.cert_file, .no_resume = true});
		assert_false(dial(c, "back.test")->info.resumed);
		assert_false(dial(c, "back.test")->info.resumed);
		tls_client_unref(c);
	}
}

static void it_shows_its_certificate(void **state)
{
	struct tls_client *c;
	struct rig_end *e;
	X509 *x;

	(void)state;
	SSL_CTX_set_verify(server, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	assert_int_equal(SSL_CTX_load_verify_locations(server, ca.cert_file, NULL), 1);
	c = client(&(struct tls_client_conf){.ca = ca.cert_file});
	for (int v = TLS1_2_VERSION; v <= TLS1_3_VERSION; v++) {
		SSL_CTX_set_max_proto_version(server, v);
		e = dial(c, "back.test");
		/* In 1.3 the handshake is over for us when the server finds out. */
		assert_int_equal(e->end, TLS_END_ALERT);
	}
	tls_client_unref(c);
	c = client(&(struct tls_client_conf){
		.ca = ca.cert_file, .cert = {own.cert_file, own.key_file}});
	e = dial(c, "back.test");
	assert_int_equal(e->ups, 1);
	assert_int_equal(e->closes, 0);
	x = SSL_get1_peer_certificate(last_peer()->ssl);
	assert_int_equal(X509_cmp(x, own.x), 0);
	X509_free(x);
	tls_client_unref(c);
}

static void protocols(void **state)
{
	static const char *const alpn[] = {"h2", "http/1.1"};
	struct tls_client *c =
		client(&(struct tls_client_conf){.ca = ca.cert_file, .alpn = alpn, .alpn_cnt = 2});
	const unsigned char *got;
	unsigned int len;

	(void)state;
	(void)dial(c, "back.test"); /* the server selects none */
	assert_string_equal(r.ends[r.end_cnt - 1].info.alpn, "");
	SSL_get0_alpn_selected(last_peer()->ssl, &got, &len);
	assert_int_equal(len, 0);
	tls_client_unref(c);
}

static void updates_of_the_servers_keys(void **state)
{
	struct tls_client *c = client(&(struct tls_client_conf){.ca = ca.cert_file});
	struct rig_end *e = dial(c, "back.test");
	struct rig_peer *p = last_peer();

	(void)state;
	/* The first one comes before any data: it is not OpenSSL's any more. */
	for (int i = 0; i < 4; i++) {
		assert_int_equal(SSL_key_update(p->ssl, SSL_KEY_UPDATE_REQUESTED), 1);
		p->to_send = 20000;
		rig_pump_peer(p);
		e->to_send = 20000;
		rig_pump_end(e);
		rig_run_ms(&r, 300);
		assert_int_equal(e->rx, 20000 * (i + 1));
		assert_int_equal(p->rx, 20000 * (i + 1));
	}
	assert_false(e->bad || p->bad);
	tls_client_unref(c);
}

static void nobody_answers(void **state)
{
	struct tls_client *c = client(&(struct tls_client_conf){.ca = ca.cert_file});
	struct rig_end *e;

	(void)state;
	sim_host(r.s, 0)->wire.down = true;
	e = rig_dial_out(&r, server, c, "back.test");
	rig_run_ms(&r, 9000);
	assert_int_equal(e->closes, 0);
	rig_run_ms(&r, 2000);
	assert_int_equal(e->end, TLS_END_TIMEOUT);
	sim_host(r.s, 0)->wire.down = false;
	rig_run_ms(&r, 10000);
	tls_client_unref(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(data_in_every_version, setup, teardown),
		cmocka_unit_test_setup_teardown(who_is_trusted, setup, teardown),
		cmocka_unit_test_setup_teardown(verification_needs_a_name, setup, teardown),
		cmocka_unit_test_setup_teardown(sessions_are_resumed, setup, teardown),
		cmocka_unit_test_setup_teardown(it_shows_its_certificate, setup, teardown),
		cmocka_unit_test_setup_teardown(protocols, setup, teardown),
		cmocka_unit_test_setup_teardown(updates_of_the_servers_keys, setup, teardown),
		cmocka_unit_test_setup_teardown(nobody_answers, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
