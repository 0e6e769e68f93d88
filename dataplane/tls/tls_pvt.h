/* SPDX-License-Identifier: Apache-2.0
 * tls_pvt - what the files of dataplane/tls share.
 *
 * States of a connection, and who acts on bytes that arrive:
 *
 *	HELLO       a server's first bytes are collected until tls_peek_client_hello() is content;
 *	            no SSL object yet. Then it waits in `ready` for its turn.
 *	HANDSHAKE   OpenSSL reads and writes through the BIO of bio.c.
 *	OPEN        the record layer of record.c. A client keeps its SSL object until the first
 *	            application data, since session tickets come before it.
 *	LINGER      the user is gone; what waits is sent, what comes is dropped.
 *	DEAD        waits for the outermost call to return, then it is freed.
 *
 * A callback may close or abort its connection: `busy` counts the calls that stand on the stack
 * with the connection in hand, and the last one of them frees it. */
#ifndef DATAPLANE_TLS_TLS_PVT_H
#define DATAPLANE_TLS_TLS_PVT_H

#include <openssl/evp.h>
#include <openssl/ssl.h>

#include "dataplane/base/limits.h"
#include "dataplane/base/list.h"
#include "dataplane/base/pool.h"
#include "dataplane/base/wheel.h"
#include "dataplane/tls/chain.h"
#include "dataplane/tls/hello.h"
#include "dataplane/tls/tls.h"
#include "dataplane/tls/tls_ctx.h"
#include "dataplane/tls/tls_worker.h"

#define RECORD_HDR    5
#define RECORD_PLAIN  16384 /* RFC 8446 5.1 */
#define RECORD_TAG    16
#define RECORD_CIPHER (RECORD_PLAIN + 256) /* RFC 8446 5.2; RFC 5246 would allow 2048 */
#define SECRET_MAX    48

enum record_type {
	RECORD_CCS = 20,
	RECORD_ALERT = 21,
	RECORD_HANDSHAKE = 22,
	RECORD_DATA = 23,
};

enum alert {
	ALERT_CLOSE_NOTIFY = 0,
	ALERT_UNEXPECTED_MESSAGE = 10,
	ALERT_BAD_RECORD_MAC = 20,
	ALERT_RECORD_OVERFLOW = 22,
	ALERT_DECODE_ERROR = 50,
	ALERT_INTERNAL_ERROR = 80,
	ALERT_USER_CANCELED = 90,
	ALERT_NO_RENEGOTIATION = 100,
	ALERT_UNRECOGNIZED_NAME = 112,
};

enum aead { AEAD_AES_128_GCM, AEAD_AES_256_GCM, AEAD_CHACHA20_POLY1305, AEAD_CNT };
enum tls_hash { TLS_SHA256, TLS_SHA384, TLS_HASH_CNT };

/* ---- library contexts (lib.c) ---- */

struct tls_lib {
	OSSL_LIB_CTX *ctx;
	OSSL_PROVIDER *provider;
	EVP_CIPHER *ciphers[AEAD_CNT];
	EVP_MAC *hmac;
	EVP_MAC_CTX *macs[TLS_HASH_CNT]; /* the worker's; keyed anew for each use */
	EVP_CIPHER *ticket_cipher;
	EVP_MD *sha256;
};

struct tls_libs {
	uint32_t cnt;
	struct tls_lib lib[];
};

/* ---- tickets (tickets.c) ---- */

struct ticket_key {
	uint8_t name[16], hmac[32], aes[32];
};

struct ticket_set {
	uint64_t version;
	uint32_t cnt;
	struct ticket_key keys[TLS_TICKET_KEYS]; /* [0] encrypts */
};

/* Copy the keys if they are newer than the copy and not just being changed. */
void tls_tickets_read(const struct tls_tickets *t, struct ticket_set *copy);
int tls_ticket_cb(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
	EVP_MAC_CTX *mac, int encrypt);

/* ---- traffic keys and records (record.c) ---- */

struct tls_keys {
	EVP_CIPHER_CTX *ctx; /* NULL: none yet */
	uint64_t seq;
	uint8_t iv[12];             /* of TLS 1.2 with GCM the first 4 bytes */
	uint8_t secret[SECRET_MAX]; /* TLS 1.3: of the next key update */
};

struct tls_conn;

/* After the handshake: both directions' keys, from the secrets that were logged (1.3) or the
 * session's master secret (1.2). hs_records: of what was sent, how many records count already. */
int tls_keys_install(struct tls_conn *t, uint32_t sent_records) WARN_UNUSED;
void tls_keys_clear(struct tls_keys *k);
/* The next generation of 1.3 keys (RFC 8446 7.2). */
int tls_keys_update(struct tls_conn *t, struct tls_keys *k) WARN_UNUSED;

/* Open one whole record in place; *type and the plaintext remain. 0, -EBADMSG: not authentic,
 * -EMSGSIZE: too long, -EPROTO: no type. */
int tls_record_open(struct tls_conn *t, struct tls_chain *rec, uint8_t *type) WARN_UNUSED;
/* The type of the record at the head of `in`, which stays as it is; that of a key update is none.
 * TLS 1.3 alone. */
int tls_record_look(struct tls_conn *t, uint32_t wire) WARN_UNUSED;
/* Bytes to copy or encrypt from: the flat ones first, then those of the mbufs. */
struct tls_source {
	const uint8_t *p;
	uint32_t left;
	const struct rte_mbuf *next;
};
/* Append a record of n bytes to t->out; -ENOMEM without a change if buffers are short. */
int tls_record_seal(
	struct tls_conn *t, uint8_t type, struct tls_source *src, uint32_t n) WARN_UNUSED;
/* Bytes that a record adds to its plaintext. */
uint32_t tls_record_overhead(const struct tls_conn *t);

/* ---- connections ---- */

enum tls_state { TLS_HELLO, TLS_HANDSHAKE, TLS_OPEN, TLS_LINGER, TLS_DEAD };

struct tls_conn {
	struct tls_worker *w;
	struct tcp_engine *e;
	uint64_t tcp;
	const struct tcp_ops *ops; /* the user's; NULL: it is gone */
	void *user;
	SSL *ssl;
	struct tls_server *server; /* one of the two; a reference */
	struct tls_client *client;
	struct tls_keys rx, tx;
	struct tls_chain in;     /* ciphertext that is not opened yet; not reported consumed */
	struct tls_chain out;    /* ciphertext that TCP has not taken yet */
	uint32_t in_need;        /* bytes of `in` before it is worth a look */
	uint32_t bio_left;       /* bytes that OpenSSL may read */
	uint32_t wire_held;      /* bytes of opened records, not reported consumed */
	uint32_t plain_held;     /* plaintext delivered, not reported consumed: <= wire_held */
	uint32_t burst;          /* bytes sent since the last pause, for the size of records */
	uint64_t sent_ns;        /* last time something was sent */
	uint64_t session_key;    /* client: of its session in the table */
	uint16_t version, small; /* small: plaintext that fits a segment with its record */
	int32_t group;           /* NID */
	uint8_t state, aead, hash, end, alert, busy;
	uint8_t idle_records; /* records in a row that brought nothing */
	bool is_server : 1, eof : 1, eof_told : 1, truncated : 1, fin_sent : 1, shut : 1,
		close_notify_sent : 1, want_write : 1, resumed : 1, verified : 1, no_mbuf : 1,
		have_rx_secret : 1, have_tx_secret : 1, got_close_notify : 1;
	const SSL_CIPHER *cipher;
	X509 *peer;
	char *names;        /* SNI, NUL, ALPN, NUL; NULL: both empty */
	const char *detail; /* static text about the end, or NULL */
	uint8_t logged_rx[SECRET_MAX], logged_tx[SECRET_MAX];
	struct wheel_timer timer;
	struct list_node ready; /* linked: waits for its turn */
};

struct tls_worker {
	struct tls_worker_conf conf;
	struct tls_lib *lib;
	struct pool conns;
	struct wheel wheel;
	struct list_node ready;
	uint64_t now_ns;
	struct tls_counters cnt;
	struct ticket_set tickets;
	BIO_METHOD *bio;
	uint8_t scratch[RECORD_HDR + RECORD_CIPHER];
	uint8_t scratch2[TLS_HELLO_MAX];
};

#define TLS_CNT(w, name) tls_count(&(w)->cnt.name, 1)

static inline void tls_count(uint64_t *c, uint64_t n)
{
	__atomic_store_n(c, *c + n, __ATOMIC_RELAXED);
}

/* bio.c */
BIO_METHOD *tls_bio_method(void);
BIO *tls_bio_new(struct tls_conn *t);

/* conn.c */
extern const struct tcp_ops tls_tcp_ops;
/* Hand `out` to TCP as far as it has room; then close_notify and FIN, if they are due. In LINGER
 * the connection may be DEAD afterwards. */
void tls_flush(struct tls_conn *t, unsigned flags);
void tls_enter(struct tls_conn *t);
void tls_leave(struct tls_conn *t);
/* Send an alert as records are sent now; nothing if that is not possible. */
void tls_send_alert(struct tls_conn *t, uint8_t level, uint8_t what);
/* The connection fails: alert (if >= 0), and the user is told by on_closed. */
void tls_fail(struct tls_conn *t, enum tls_end end, int alert);
/* Peek at the ClientHello in `in`. */
enum tls_peek tls_peek_in(struct tls_conn *t, struct tls_hello *hello);
void tls_tell_eof(struct tls_conn *t);
void tls_conn_timer(struct tls_conn *t);
/* Free without a word to TCP or the user. */
void tls_conn_drop(struct tls_conn *t);

/* handshake.c */
void tls_handshake_step(struct tls_conn *t);
int tls_client_start(struct tls_conn *t, const char *sni) WARN_UNUSED;
void tls_keylog_cb(const SSL *ssl, const char *line);
void tls_release_ssl(struct tls_conn *t);
/* The first record of `in` may hold session tickets, for OpenSSL; false: it does not. */
bool tls_give_ticket(struct tls_conn *t, uint32_t wire);

/* input.c, send.c */
void tls_input(struct tls_conn *t);
int tls_send_key_update(struct tls_conn *t) WARN_UNUSED;

/* server.c, client.c: the context to begin with; NULL: refused. */
SSL_CTX *tls_server_ctx(const struct tls_server *s, uint32_t worker, const char *sni);
struct tls_server *tls_server_ref(const struct tls_server *s);
SSL_CTX *tls_client_ctx(const struct tls_client *c, uint32_t worker);
struct tls_client *tls_client_ref(const struct tls_client *c);
/* Name, verification and a session to resume. */
int tls_client_prepare(struct tls_client *c, struct tls_conn *t, const char *sni) WARN_UNUSED;

/* ctx.c: what servers and clients share. */
struct tls_report {
	tls_fault_fn fn;
	void *ctx;
	uint32_t faults;
	bool muted; /* a worker behind the first: everything was said */
};

struct tls_text {
	uint8_t *p; /* NULL: not read */
	size_t len;
};

/* A certificate, its chain and its key, in one library context. */
struct tls_cert {
	X509 *leaf;
	STACK_OF(X509) * chain;
	EVP_PKEY *key;
};

void tls_fault(struct tls_report *r, enum tls_part part, uint32_t idx, bool warning,
	const char *fmt, ...) PRINTF_LIKE(5, 6);
int tls_file_read(struct tls_report *r, enum tls_part part, uint32_t idx, const char *file,
	struct tls_text *out) WARN_UNUSED;
void tls_text_free(struct tls_text *t);
/* 0, or -EINVAL after the faults were told. */
int tls_cert_parse(struct tls_report *r, const struct tls_lib *lib, uint32_t idx,
	const struct tls_text *cert, const struct tls_text *key, int64_t now_s,
	struct tls_cert *out) WARN_UNUSED;
void tls_cert_free(struct tls_cert *c);
/* A store of the certificates and, unless empty, revocation lists of these texts. */
X509_STORE *tls_store_new(struct tls_report *r, const struct tls_lib *lib,
	const struct tls_text *ca, const struct tls_text *crl);
/* Versions, ciphers, groups and what else is the same on both sides. */
int tls_ctx_common(struct tls_report *r, SSL_CTX *ctx, enum tls_version min, const char *ciphers,
	const char *groups) WARN_UNUSED;
/* Names as they go on the wire; *out is allocated. */
int tls_alpn_wire(struct tls_report *r, const char *const *alpn, uint32_t cnt, uint8_t **out,
	uint32_t *len) WARN_UNUSED;

#endif
