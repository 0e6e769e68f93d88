/* SPDX-License-Identifier: Apache-2.0
 * tls - TLS 1.2 and 1.3 over connections of the TCP engine, by OpenSSL 3.
 *
 * A TLS connection takes a TCP connection over and speaks through the same struct tcp_ops, with
 * plaintext in place of bytes: on_connect is the end of the handshake, on_data brings plaintext,
 * on_eof is the peer's close_notify (or its FIN without one: tls_truncated()), on_writable and
 * on_closed mean what they mean for TCP. `conn` in a callback is the TCP connection's handle,
 * `user` the one given here. What may be asked of TCP about that handle: tcp_info(), tcp_set(). All
 * else goes through the functions below; lb/l7/io.h picks the right ones.
 *
 * Owner:      one worker. A tls_worker, its connections and its engine belong to one thread.
 *             tls_server and tls_client are made by control, for all workers at once.
 * Lifetime:   a struct tls_conn lives from tls_accept or tls_connect until on_closed returned, or
 *             until tls_close or tls_abort was called; the pointer is dead from then on (TE2 of
 *             tcp.h holds). Servers and clients are counted: connections that live keep theirs.
 * Invariants: TL1 callbacks run inside tcp_flush() or tls_worker_run() only, never inside another
 *                 call.
 *             TL2 no plaintext is delivered before its record was authenticated, none is sent or
 *                 delivered before the handshake is complete: 0-RTT and renegotiation are off.
 *             TL3 TCP learns that ciphertext was consumed only as tls_consumed() reports its
 *                 plaintext, so what is held for a slow reader is bounded by the receive buffer;
 *                 of what is sent, at most one record waits here for room in the send buffer.
 *             TL4 payload mbufs given to tls_send are read, never written.
 *             TL5 a connection that has not sent a whole ClientHello costs no OpenSSL object.
 * Units:      times in ns, monotonic; sizes in bytes.
 * Errors:     those of tcp.h; -ENOTCONN while the handshake runs, -ENFILE no connection left.
 * Limits:     struct tls_worker_conf. Receive buffers must hold a record: TLS_MIN_RCVBUF.
 * Cost:       one pass over the bytes by the cipher, in place on the way in, from the payload into
 *             new mbufs on the way out; no other copy, no lock, no system call. */
#ifndef DATAPLANE_TLS_TLS_H
#define DATAPLANE_TLS_TLS_H

#include "dataplane/base/compiler.h"
#include "dataplane/tcp/tcp.h"

struct tls_client;
struct tls_conn;
struct tls_server;
struct tls_worker;

#define TLS_MIN_RCVBUF 32768 /* a record with its header and tag, and room to go on */
#define TLS_NAME_MAX   256   /* host name with its NUL */
#define TLS_ALPN_MAX   256

/* Take over a TCP connection that a peer opened. */
struct tls_accept_args {
	const struct tls_server *server;
	struct tcp_engine *engine;
	uint64_t conn;
	const struct tcp_ops *ops;
	void *user;
	/* Bytes that came already (behind a PROXY protocol header) and are not reported consumed;
	 * taken over in any case, also on failure. */
	struct rte_mbuf *initial;
	uint32_t initial_len;
};

/* 0 and *out, else -errno: then the connection keeps its owner. */
int tls_accept(struct tls_worker *w, const struct tls_accept_args *args,
	struct tls_conn **out) WARN_UNUSED;

/* Speak to a server over a TCP connection of ours, established or opening. */
struct tls_connect_args {
	const struct tls_client *client;
	struct tcp_engine *engine;
	uint64_t conn;
	const char *sni; /* NULL: the client's configured name; also what is verified */
	const struct tcp_ops *ops;
	void *user;
};

/* 0 and *out, else -errno: then the connection keeps its owner. on_connect comes when the handshake
 * is complete; before that on_closed tells of any failure, of TCP or of TLS (tls_end_of()). */
int tls_connect(struct tls_worker *w, const struct tls_connect_args *args,
	struct tls_conn **out) WARN_UNUSED;

/* As their namesakes of tcp.h, but that bytes are plaintext. TCP_SEND_FIN is tls_shutdown(). */
int64_t tls_send(struct tls_conn *t, struct rte_mbuf **chain, unsigned flags) WARN_UNUSED;
int64_t tls_send_bytes(
	struct tls_conn *t, const void *data, uint32_t len, unsigned flags) WARN_UNUSED;
uint32_t tls_send_room(const struct tls_conn *t);
int tls_consumed(struct tls_conn *t, uint32_t n);
/* close_notify and FIN after what was sent; receiving goes on. */
int tls_shutdown(struct tls_conn *t);
/* What was sent still goes out, then close_notify and FIN. What the peer sends meanwhile is read
 * and dropped until it closes or LIMIT_TLS_LINGER_NS is over, so that no reset overtakes the data.
 */
int tls_close(struct tls_conn *t);
int tls_abort(struct tls_conn *t);
int tls_set_ops(struct tls_conn *t, const struct tcp_ops *ops, void *user);
void *tls_user(const struct tls_conn *t);
/* The engine's handle, TCP_NONE when TCP is gone. */
uint64_t tls_tcp(const struct tls_conn *t);

/* Did the peer end without a close_notify? Valid from on_eof on. What was received may be cut. */
bool tls_truncated(const struct tls_conn *t);

/* Why a connection ended or its handshake failed; one row: name, text. */
#define TLS_ENDS(E)                                                         \
	E(NONE, "not ended, or in order")                                   \
	E(TCP, "the TCP connection failed")                                 \
	E(TRUNCATED, "closed by the peer during the handshake")             \
	E(BAD_HELLO, "no valid ClientHello")                                \
	E(NO_CERTIFICATE, "no certificate for the name that was asked for") \
	E(NO_SHARED, "no version, cipher or group in common")               \
	E(NO_ALPN, "no application protocol in common")                     \
	E(CLIENT_CERTIFICATE, "client certificate missing or not accepted") \
	E(VERIFY, "the server's certificate was not accepted")              \
	E(ALERT, "the peer sent an alert")                                  \
	E(RECORD, "a record was malformed, too long or not authentic")      \
	E(TIMEOUT, "the handshake took too long")                           \
	E(PROTOCOL, "any other violation of the protocol")                  \
	E(NO_MEMORY, "out of memory, buffers or connections")

enum tls_end {
#define E(name, text) TLS_END_##name,
	TLS_ENDS(E)
#undef E
		TLS_END_CNT,
};

const char *tls_end_name(enum tls_end end);
/* Inside on_closed and until then. */
enum tls_end tls_end_of(const struct tls_conn *t);
/* More about it, or "". */
const char *tls_end_detail(const struct tls_conn *t);

/* What the handshake settled; valid from on_connect on. Texts live as long as the connection. */
struct tls_info {
	const char *version; /* "TLSv1.3" */
	const char *cipher;  /* the standard name: "TLS_AES_128_GCM_SHA256" */
	const char *group;   /* key exchange, "" when unknown */
	const char *sni;     /* "" when the client named no host */
	const char *alpn;    /* "" when none was agreed on */
	bool resumed;
	bool peer_cert;     /* there is one (also in a resumed session) */
	bool peer_verified; /* and it was accepted */
};

void tls_info(const struct tls_conn *t, struct tls_info *out);

/* Fields of the peer's certificate, written out; false: there is none. RFC 2253 for names; the
 * serial number and the fingerprint in lower-case hex; names of subjectAltName as "DNS:a, DNS:b",
 * cut at whole entries. Costs a walk of the certificate: ask once a request at most. */
struct tls_cert_text {
	char subject[512], issuer[512];
	char serial[64];
	char sha256[65];
	char san[1024];
	char not_before[24], not_after[24]; /* "2026-01-31T00:00:00Z" */
};

bool tls_peer_cert(const struct tls_conn *t, struct tls_cert_text *out) WARN_UNUSED;

#endif
