/* SPDX-License-Identifier: Apache-2.0
 * tls_rig - TLS of weir on one host of a simulation, a plain OpenSSL on the other.
 *
 * Host 0 is the stranger: an SSL object over memory, whose bytes go through its own TCP engine, cut
 * as the test wants. Hosts 1 and 2 run weir's TLS, each with a worker of its own and the same
 * ticket keys.
 *
 * Owner:      the test; one rig at a time.
 * Invariants: rig_end() fails unless connections, mbufs and timers are gone. */
#ifndef TESTS_SUPPORT_TLS_RIG_H
#define TESTS_SUPPORT_TLS_RIG_H

#include <openssl/ssl.h>

#include "dataplane/tls/tls.h"
#include "dataplane/tls/tls_ctx.h"
#include "dataplane/tls/tls_worker.h"
#include "tests/sim/sim.h"

#define RIG_CONNS 64

struct rig;

/* weir's end of a connection. */
struct rig_end {
	struct rig *r;
	int host;
	struct tls_conn *t;
	uint64_t conn;
	bool echo, hold;        /* send back; or keep what arrives unconsumed */
	bool close_on_eof;      /* tls_close() when the peer has ended */
	uint32_t unread;        /* held */
	uint64_t rx;            /* bytes seen */
	uint64_t to_send, sent; /* of the pattern */
	struct rte_mbuf *back;  /* echo: not sent yet */
	int ups, eofs, writables, closes;
	bool bad, truncated, over;
	enum tcp_end why;
	enum tls_end end;
	char detail[128];
	struct tls_info info; /* at on_connect */
	struct tls_cert_text cert;
	bool has_cert;
};

/* The stranger's. */
struct rig_peer {
	struct rig *r;
	uint64_t conn;
	SSL *ssl;
	BIO *in, *out;
	uint8_t *pend; /* bytes for TCP */
	uint32_t pend_len, pend_cap;
	bool chop; /* one byte a segment */
	bool raw;  /* no TLS: rig_raw() alone sends */
	bool started, up, failed, eof, tcp_closed, fin, notified;
	bool goodbye; /* close_notify and FIN once all is sent */
	bool flip;    /* change the last byte of what is sent next */
	bool mute;    /* take no further step of the handshake */
	bool no_read; /* leave plaintext where it is */
	uint64_t rx, to_send, sent;
	bool bad;
	unsigned long error; /* of OpenSSL */
	uint8_t wire[4096];  /* raw: what came */
	uint32_t wire_len;
	enum tcp_end why;
};

struct rig {
	struct sim *s;
	struct tls_libs *libs;
	struct tls_tickets *tickets;
	struct tls_worker *w[2]; /* of hosts 1 and 2 */
	struct rte_mempool *pool;
	struct tls_server *server; /* of accepted connections; the rig's reference */
	struct tls_worker_conf conf;
	struct rig_end ends[RIG_CONNS];
	struct rig_peer peers[RIG_CONNS];
	int end_cnt, peer_cnt;
	bool echo, hold, close_on_eof; /* of ends to come */
	uint64_t answer;
	char folder[256];
};

extern const char *const rig_faults; /* what tls_server_create() said last, line by line */

void rig_start(struct rig *r, const struct sim_host_config *cfgs); /* NULL: three defaults */
void rig_stop(struct rig *r);
/* A server for connections to come; aborts on faults. */
void rig_serve(struct rig *r, const struct tls_server_conf *conf);
/* Collects faults into rig_faults. */
void rig_fault(void *ctx, enum tls_part part, uint32_t idx, bool warning, const char *text);

/* The stranger connects to host 1 or 2; ctx NULL: it speaks no TLS. sni may be NULL. */
struct rig_peer *rig_dial(
	struct rig *r, int host, SSL_CTX *ctx, const char *sni, SSL_SESSION *session);
/* weir connects from host 1 to the stranger, who serves with ctx. */
struct rig_end *rig_dial_out(
	struct rig *r, SSL_CTX *ctx, const struct tls_client *client, const char *sni);
/* weir's end of the peer that dialled last. */
struct rig_end *rig_last(struct rig *r);
void rig_run_ms(struct rig *r, uint64_t ms);
/* Let everybody send what is due. */
void rig_pump_peer(struct rig_peer *p);
void rig_pump_end(struct rig_end *e);
void rig_raw(struct rig_peer *p, const void *bytes, uint32_t len);
void rig_consume(struct rig_end *e);
void rig_abort_all(struct rig *r);

SSL_CTX *rig_client_ctx(void);
uint8_t rig_byte(uint64_t at);

#endif
