/* SPDX-License-Identifier: Apache-2.0
 * TLS in process, one core: weir's TCP and TLS as the server on one engine, a plain OpenSSL as the
 * client on another, a wire that copies frames, a clock that is counted up.
 *
 * The time is the CPU time spent in the server: its engine (input, timers, callbacks, output) and
 * its TLS. They are set against what the cryptography alone costs in this very run, by the same
 * library and with everything fetched before: for a handshake a signature (none if resumed), a new
 * key of X25519 and the agreement on it; for bytes AES-128-GCM over 16 KiB in place.
 *
 *	bench_tls [--quick] [--json PATH] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/err.h>

#include "dataplane/base/assert.h"
#include "dataplane/base/time.h"
#include "dataplane/net/hdr.h"
#include "dataplane/tls/tls_pvt.h"
#include "tests/support/bench.h"
#include "tests/support/bench_wire.h"
#include "tests/support/certs.h"
#include "tests/support/eal.h"
#include "tests/support/tmpdir.h"

#define ROUNDS 5
#define PORT   BE16(443)

int mallctl(const char *name, void *old, size_t *len, void *new_value, size_t new_len)
	__attribute__((weak));

static struct bench_host cli, srv;
static struct tls_libs *libs;
static struct tls_tickets *tickets;
static struct tls_worker *worker;
static struct tls_server *serving;
static struct rte_mempool *pool_app;
static struct cert ecdsa, rsa;
static char folder[TMPDIR_MAX];
static bool quick;
static uint64_t now_ns = UINT64_C(1000000000);
static uint64_t server_ns;

/* CPU time of this thread: others may share the core. */
static uint64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * NS_PER_SEC + (uint64_t)t.tv_nsec;
}

/* ---- the wire ---- */

static void deliver(struct bench_host *from, struct bench_host *to)
{
	static struct rte_mbuf *mine[BENCH_WIRE_MAX];
	static struct pkt_meta metas[BENCH_WIRE_MAX];
	uint32_t n = bench_wire_take(from, to, true, mine, metas);

	for (uint32_t at = 0; at < n; at += LIMIT_BURST)
		tcp_input(to->e, mine + at, metas + at,
			(uint16_t)(n - at < LIMIT_BURST ? n - at : LIMIT_BURST), now_ns);
}

/* A round: what each side sent reaches the other. The server's part is timed. */
static void turn(void)
{
	uint64_t t;

	now_ns += 10 * NS_PER_US;
	deliver(&srv, &cli);
	bench_host_flush(&cli, now_ns);
	t = cpu_ns();
	deliver(&cli, &srv);
	tcp_run_timers(srv.e, now_ns);
	(void)tls_worker_run(worker, now_ns);
	tcp_flush(srv.e, now_ns);
	while (tls_worker_run(worker, now_ns) > 0)
		tcp_flush(srv.e, now_ns);
	server_ns += cpu_ns() - t;
}

/* ---- the server's application: takes everything ---- */

static struct tls_conn *accepted;
static uint64_t accepted_tcp, received;
static bool is_open;

static void srv_connect(struct tcp_engine *e, uint64_t conn, void *user)
{
	(void)e;
	(void)conn;
	(void)user;
	is_open = true;
}

static void srv_data(
	struct tcp_engine *e, uint64_t conn, void *user, struct rte_mbuf *chain, uint32_t len)
{
	(void)e;
	(void)conn;
	(void)user;
	received += len;
	tls_mbufs_free(chain);
	ASSERT(tls_consumed(accepted, len) == 0);
}

static void srv_closed(struct tcp_engine *e, uint64_t conn, void *user, enum tcp_end end)
{
	(void)e;
	(void)conn;
	(void)user;
	(void)end;
	accepted = NULL;
}

static const struct tcp_ops srv_ops = {
	.on_connect = srv_connect, .on_data = srv_data, .on_closed = srv_closed};

static void srv_accept(struct tcp_engine *e, uint64_t conn, void *arg)
{
	struct tls_accept_args a = {.server = serving, .engine = e, .conn = conn, .ops = &srv_ops};

	(void)arg;
	accepted_tcp = conn;
	is_open = false;
	ASSERT(tls_accept(worker, &a, &accepted) == 0);
}

static const struct tcp_ops listen_ops = {.on_accept = srv_accept};

/* ---- the client: OpenSSL over memory ---- */

static SSL *ssl;
static BIO *in, *out;
static uint64_t cli_tcp;
static bool deaf; /* what comes is dropped */

static void cli_send(void)
{
	uint8_t buf[1400];

	while (tcp_send_room(cli.e, cli_tcp) > sizeof(buf)) {
		int n = BIO_read(out, buf, sizeof(buf));

		if (n <= 0)
			return;
		ASSERT(tcp_send_bytes(cli.e, cli_tcp, buf, (uint32_t)n, 0) == n);
	}
}

static void cli_step(void)
{
	char byte;

	if (!SSL_is_init_finished(ssl))
		(void)SSL_do_handshake(ssl);
	if (SSL_is_init_finished(ssl))
		(void)SSL_read(ssl, &byte, 1);
	cli_send();
}

static void cli_connect(struct tcp_engine *e, uint64_t conn, void *user)
{
	(void)e;
	(void)conn;
	(void)user;
	cli_step();
}

static void cli_data(
	struct tcp_engine *e, uint64_t conn, void *user, struct rte_mbuf *chain, uint32_t len)
{
	(void)user;
	for (struct rte_mbuf *m = chain; m != NULL && !deaf; m = m->next)
		ASSERT(BIO_write(in, rte_pktmbuf_mtod(m, void *), m->data_len) == m->data_len);
	tls_mbufs_free(chain);
	(void)tcp_consumed(e, conn, len);
	if (!deaf)
		cli_step();
}

static const struct tcp_ops cli_ops = {.on_connect = cli_connect, .on_data = cli_data};

static void dial(SSL_CTX *ctx, SSL_SESSION *session)
{
	struct tcp_connect_args a = {.raddr = srv.addr, .rport = PORT, .ops = &cli_ops};

	ssl = SSL_new(ctx);
	in = BIO_new(BIO_s_mem());
	out = BIO_new(BIO_s_mem());
	BIO_set_mem_eof_return(in, -1);
	BIO_set_mem_eof_return(out, -1);
	SSL_set_bio(ssl, in, out);
	SSL_set_connect_state(ssl);
	SSL_set_tlsext_host_name(ssl, "a.test");
	if (session != NULL)
		SSL_set_session(ssl, session);
	ASSERT(tcp_connect(cli.e, &a, &cli_tcp) == 0);
	for (int i = 0; i < 12 && !(is_open && SSL_is_init_finished(ssl)); i++)
		turn();
	ASSERT(is_open && SSL_is_init_finished(ssl));
	turn();
}

static void hang_up(void)
{
	SSL_set_shutdown(ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(ssl);
	(void)tcp_abort(cli.e, cli_tcp);
	deaf = false;
	for (int i = 0; i < 3; i++)
		turn();
}

/* ---- setup ---- */

static void node_init(struct bench_host *h, uint32_t id)
{
	const struct bench_pools pools = {.hdr = 4095, .ref = 4095, .data = 2047, .rx = 2047};
	const struct tcp_config c = {.max_conns = 16384, .delack_ms = 1};

	bench_host_init(h, id, &pools);
	bench_host_engine(h, &c, now_ns);
}

static void serve(const struct cert *c)
{
	struct tls_cert_files f = {c->cert_file, c->key_file};
	struct tls_server_conf conf = {.name = "bench", .certs = &f, .cert_cnt = 1};

	tls_server_unref(serving);
	ASSERT(tls_server_create(libs, &conf, (int64_t)time(NULL), NULL, NULL, &serving) == 0);
}

static void setup(void)
{
	struct tls_worker_conf conf = {.max_conns = 16384};
	struct ip_addr any = {0};

	test_eal_init();
	tmpdir_make(folder);
	cert_make(folder, &(struct cert_ask){.file = "e", .cn = "a.test", .san = "DNS:a.test"},
		&ecdsa);
	cert_make(folder,
		&(struct cert_ask){
			.file = "r", .cn = "a.test", .san = "DNS:a.test", .kind = CERT_RSA},
		&rsa);
	ASSERT(tls_libs_create(1, &libs) == 0);
	ASSERT(tls_tickets_create(&tickets) == 0);
	node_init(&cli, 0);
	node_init(&srv, 1);
	pool_app = bench_pool("app", 2, 1023, RTE_PKTMBUF_HEADROOM + 2048);
	conf.libs = libs;
	conf.tickets = tickets;
	conf.pool = srv.data;
	ASSERT(tls_worker_create(&conf, now_ns, &worker) == 0);
	ASSERT(tcp_listen(srv.e, &any, PORT, &listen_ops, NULL) >= 0);
}

/* ---- the cryptography alone ---- */

static double sign_ns(EVP_PKEY *key, uint32_t n)
{
	uint8_t msg[32] = {1}, sig[512];
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
	uint64_t t;

	ASSERT(EVP_PKEY_sign_init(ctx) == 1);
	if (EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA)
		EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING);
	EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha256());
	t = cpu_ns();
	for (uint32_t i = 0; i < n; i++) {
		size_t len = sizeof(sig);

		ASSERT(EVP_PKEY_sign(ctx, sig, &len, msg, sizeof(msg)) == 1);
	}
	t = cpu_ns() - t;
	EVP_PKEY_CTX_free(ctx);
	return (double)t / n;
}

static double agree_ns(uint32_t n)
{
	EVP_PKEY *peer = EVP_PKEY_Q_keygen(NULL, NULL, "X25519"), *own;
	EVP_PKEY_CTX *gen = EVP_PKEY_CTX_new_from_name(NULL, "X25519", NULL);
	uint64_t t;

	ASSERT(EVP_PKEY_keygen_init(gen) == 1);
	t = cpu_ns();
	for (uint32_t i = 0; i < n; i++) {
		EVP_PKEY_CTX *ctx;
		uint8_t secret[32];
		size_t len = sizeof(secret);

		own = NULL;
		ASSERT(EVP_PKEY_keygen(gen, &own) == 1);
		ctx = EVP_PKEY_CTX_new_from_pkey(NULL, own, NULL);
		ASSERT(EVP_PKEY_derive_init(ctx) == 1 && EVP_PKEY_derive_set_peer(ctx, peer) == 1 &&
			EVP_PKEY_derive(ctx, secret, &len) == 1);
		EVP_PKEY_CTX_free(ctx);
		EVP_PKEY_free(own);
	}
	t = cpu_ns() - t;
	EVP_PKEY_CTX_free(gen);
	EVP_PKEY_free(peer);
	return (double)t / n;
}

static double gcm_gbytes(uint32_t n)
{
	static uint8_t buf[16384];
	uint8_t key[16] = {1}, iv[12] = {2}, aad[5] = {0}, tag[16];
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	uint64_t t;
	int got;

	ASSERT(EVP_CipherInit_ex2(c, libs->lib[0].ciphers[AEAD_AES_128_GCM], key, iv, 1, NULL) ==
		1);
	t = cpu_ns();
	for (uint32_t i = 0; i < n; i++) {
		ASSERT(EVP_CipherInit_ex2(c, NULL, NULL, iv, -1, NULL) == 1);
		ASSERT(EVP_CipherUpdate(c, NULL, &got, aad, sizeof(aad)) == 1);
		ASSERT(EVP_CipherUpdate(c, buf, &got, buf, sizeof(buf)) == 1);
		ASSERT(EVP_CipherFinal_ex(c, tag, &got) == 1);
		ASSERT(EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, 16, tag) == 1);
	}
	t = cpu_ns() - t;
	EVP_CIPHER_CTX_free(c);
	return 16384.0 * n / (double)t;
}

/* ---- handshakes ---- */

static SSL_SESSION *kept;

static int keep(SSL *s, SSL_SESSION *session)
{
	(void)s;
	SSL_SESSION_free(kept);
	kept = session;
	return 1;
}

static double handshake_ns(SSL_CTX *ctx, bool resumed, uint32_t n)
{
	uint64_t before = tls_worker_counters(worker)->resumed;

	server_ns = 0;
	for (uint32_t i = 0; i < n; i++) {
		dial(ctx, resumed ? kept : NULL);
		hang_up();
	}
	if (resumed)
		ASSERT(tls_worker_counters(worker)->resumed - before == n);
	return (double)server_ns / n;
}

/* The same handshake by OpenSSL alone, over memory: no TCP, no mbufs, nothing kept. */
static double openssl_ns(SSL_CTX *client, const struct cert *c, bool resumed, uint32_t n)
{
	SSL_CTX *server = SSL_CTX_new_ex(libs->lib[0].ctx, NULL, TLS_server_method());
	uint64_t spent = 0, t;

	ASSERT(SSL_CTX_use_certificate_file(server, c->cert_file, SSL_FILETYPE_PEM) == 1);
	ASSERT(SSL_CTX_use_PrivateKey_file(server, c->key_file, SSL_FILETYPE_PEM) == 1);
	SSL_CTX_set_session_cache_mode(server, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_session_id_context(server, (const unsigned char *)"x", 1);
	for (uint32_t i = 0; i < n + 1; i++) {
		SSL *a = SSL_new(client), *b;
		BIO *up = BIO_new(BIO_s_mem()), *down = BIO_new(BIO_s_mem());
		char byte;

		BIO_up_ref(up);
		BIO_up_ref(down);
		SSL_set_bio(a, down, up);
		SSL_set_connect_state(a);
		if (resumed && i > 0)
			SSL_set_session(a, kept);
		(void)SSL_do_handshake(a);
		t = cpu_ns();
		b = SSL_new(server);
		SSL_set_bio(b, up, down);
		SSL_set_accept_state(b);
		(void)SSL_do_handshake(b);
		spent += i > 0 ? cpu_ns() - t : 0;
		(void)SSL_do_handshake(a);
		t = cpu_ns();
		ASSERT(SSL_do_handshake(b) == 1);
		spent += i > 0 ? cpu_ns() - t : 0;
		(void)SSL_read(a, &byte, 1);
		ASSERT(SSL_is_init_finished(a) && (i == 0 || SSL_session_reused(b) == resumed));
		SSL_set_shutdown(a, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
		t = cpu_ns();
		SSL_free(b);
		spent += i > 0 ? cpu_ns() - t : 0;
		SSL_free(a);
	}
	SSL_CTX_free(server);
	return (double)spent / n;
}

static void handshake_row(const char *label, const char *peer, double ns, double peer_ns)
{
	bench_row(&(struct bench_row){.name = label,
		.metric = "handshakes_per_second",
		.unit = "1/s",
		.value = 1e9 / ns,
		.peer = peer,
		.peer_value = 1e9 / peer_ns});
}

static void bench_handshakes(const char *name, const struct cert *c, int version, bool resumed)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	uint32_t n = quick ? 100 : 400;
	double weir[ROUNDS], raw[ROUNDS], lib[ROUNDS], a;
	char label[64];

	SSL_CTX_set_max_proto_version(ctx, version);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT);
	SSL_CTX_sess_set_new_cb(ctx, keep);
	serve(c);
	for (int r = 0; r < ROUNDS; r++) {
		raw[r] = agree_ns(n) + (resumed ? 0 : sign_ns(c->key, n));
		lib[r] = openssl_ns(ctx, c, resumed, n);
		(void)handshake_ns(ctx, false, 5);
		weir[r] = handshake_ns(ctx, resumed, n);
	}
	a = bench_median(weir, ROUNDS);
	snprintf(label, sizeof(label), "%s, TLS 1.%d", name, version == TLS1_3_VERSION ? 3 : 2);
	handshake_row(label, "OpenSSL alone", a, bench_median(lib, ROUNDS));
	handshake_row(label, "crypto alone", a, bench_median(raw, ROUNDS));
	SSL_SESSION_free(kept);
	kept = NULL;
	SSL_CTX_free(ctx);
}

/* ---- bytes ---- */

static struct rte_mbuf *chain_of(uint32_t bytes)
{
	struct rte_mbuf *head = NULL, **link = &head;

	for (uint32_t at = 0; at < bytes; at += 2048) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(pool_app);

		ASSERT(m != NULL && rte_pktmbuf_append(m, 2048) != NULL);
		*link = m;
		link = &m->next;
	}
	return head;
}

static double send_gbytes(uint64_t bytes)
{
	uint64_t spent = 0, sent = 0;

	deaf = true;
	while (sent < bytes) {
		while (tls_send_room(accepted) > 20000) {
			struct rte_mbuf *m = chain_of(65536);
			uint64_t t = cpu_ns();
			int64_t n = tls_send(accepted, &m, 0);

			spent += cpu_ns() - t;
			ASSERT(n >= 0);
			tls_mbufs_free(m);
			sent += (uint64_t)n;
		}
		turn();
	}
	for (int i = 0; i < 20; i++)
		turn();
	return (double)sent / (double)spent;
}

static uint64_t recv_ns;

/* What TCP would call, with a clock around it. */
static void timed_data(
	struct tcp_engine *e, uint64_t conn, void *user, struct rte_mbuf *chain, uint32_t len)
{
	uint64_t t = cpu_ns();

	tls_tcp_ops.on_data(e, conn, user, chain, len);
	recv_ns += cpu_ns() - t;
}

static double recv_gbytes(uint64_t bytes)
{
	static uint8_t buf[16384];
	struct tcp_ops timed = tls_tcp_ops;
	uint64_t sent = 0;

	timed.on_data = timed_data;
	ASSERT(tcp_set_ops(srv.e, accepted_tcp, &timed) == 0);
	recv_ns = received = 0;
	while (sent < bytes) {
		while (BIO_ctrl_pending(out) < 65536) {
			ASSERT(SSL_write(ssl, buf, sizeof(buf)) == (int)sizeof(buf));
			sent += sizeof(buf);
		}
		cli_send();
		turn();
	}
	for (int i = 0; i < 40 && received < sent; i++) {
		cli_send();
		turn();
	}
	ASSERT(received == sent);
	ASSERT(tcp_set_ops(srv.e, accepted_tcp, &tls_tcp_ops) == 0);
	return (double)received / (double)recv_ns;
}

static void bench_bytes(void)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	double raw[ROUNDS], tx[ROUNDS], rx[ROUNDS], r;
	uint64_t bytes = quick ? 50000000 : 400000000;

	SSL_CTX_set_ciphersuites(ctx, "TLS_AES_128_GCM_SHA256");
	serve(&ecdsa);
	for (int i = 0; i < ROUNDS; i++) {
		raw[i] = gcm_gbytes((uint32_t)(bytes / 16384));
		dial(ctx, NULL);
		rx[i] = recv_gbytes(bytes);
		tx[i] = send_gbytes(bytes);
		hang_up();
	}
	r = bench_median(raw, ROUNDS);
	bench_row(&(struct bench_row){.name = "send, full records",
		.metric = "throughput",
		.unit = "GB/s",
		.value = bench_median(tx, ROUNDS),
		.peer = "AES-GCM alone",
		.peer_value = r});
	bench_row(&(struct bench_row){.name = "receive, full records",
		.metric = "throughput",
		.unit = "GB/s",
		.value = bench_median(rx, ROUNDS),
		.peer = "AES-GCM alone",
		.peer_value = r});
	SSL_CTX_free(ctx);
}

/* ---- memory ---- */

static size_t allocated(void)
{
	uint64_t epoch = 1;
	size_t n = 0, len = sizeof(n);

	if (mallctl == NULL)
		return 0;
	(void)mallctl("epoch", NULL, NULL, &epoch, sizeof(epoch));
	return mallctl("stats.allocated", &n, &len, NULL, 0) == 0 ? n : 0;
}

static void bench_memory(void)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	uint32_t n = quick ? 1000 : 4000;
	size_t before;

	serve(&ecdsa);
	dial(ctx, NULL);
	before = allocated();
	for (uint32_t i = 0; i < n; i++) {
		dial(ctx, NULL);
		/* The client's object goes, its TCP connection stays. */
		SSL_free(ssl);
		deaf = true;
		turn();
		deaf = false;
	}
	bench_row(&(struct bench_row){.name = "idle connection, of the heap",
		.metric = "memory",
		.unit = "bytes",
		.value = (double)(allocated() - before) / n});
	bench_row(&(struct bench_row){.name = "idle connection, of the pool",
		.metric = "memory",
		.unit = "bytes",
		.value = sizeof(struct tls_conn)});
	SSL_CTX_free(ctx);
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--quick") == 0)
			quick = true;
		else if (strcmp(argv[i], "--json") == 0 && i + 1 < argc)
			bench_json_open(argv[++i]);
	}
	setup();
	bench_title("handshakes a second, server's side");
	bench_handshakes("ECDSA P-256", &ecdsa, TLS1_3_VERSION, false);
	bench_handshakes("RSA 2048", &rsa, TLS1_3_VERSION, false);
	bench_handshakes("resumed", &ecdsa, TLS1_3_VERSION, true);
	bench_handshakes("ECDSA P-256", &ecdsa, TLS1_2_VERSION, false);
	bench_title("bytes, TLS 1.3, AES-128-GCM");
	bench_bytes();
	bench_title("memory");
	bench_memory();
	bench_json_close();
	tls_worker_destroy(worker);
	tmpdir_remove(folder);
	return 0;
}
