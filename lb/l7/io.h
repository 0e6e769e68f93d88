/* SPDX-License-Identifier: Apache-2.0
 * io - one way to speak to a connection, whether TLS stands between or not.
 * Owner:      whoever owns the connection. Copied freely; nothing to free.
 * Invariants: IO1 conn is TCP_NONE once the connection has ended or was closed here; calls are then
 *             answered as for a stale handle.
 * Errors:     those of tcp.h. */
#ifndef LB_L7_IO_H
#define LB_L7_IO_H

#include <errno.h>

#include "dataplane/tcp/tcp.h"
#include "dataplane/tls/tls.h"

struct l7_io {
	struct tcp_engine *e;
	uint64_t conn;        /* TCP_NONE: not there */
	struct tls_conn *tls; /* NULL: plain */
};

static inline bool l7_io_is_open(const struct l7_io *io)
{
	return io->conn != TCP_NONE;
}

/* A connection that has ended took its TLS along. */
static inline struct tls_conn *l7_io_tls(const struct l7_io *io)
{
	return io->conn != TCP_NONE ? io->tls : NULL;
}

static inline int64_t l7_io_send(const struct l7_io *io, struct rte_mbuf **chain, unsigned flags)
{
	struct tls_conn *t = l7_io_tls(io);

	return t != NULL ? tls_send(t, chain, flags) : tcp_send(io->e, io->conn, chain, flags);
}

static inline int64_t l7_io_send_bytes(
	const struct l7_io *io, const void *data, uint32_t len, unsigned flags)
{
	struct tls_conn *t = l7_io_tls(io);

	return t != NULL ? tls_send_bytes(t, data, len, flags)
			 : tcp_send_bytes(io->e, io->conn, data, len, flags);
}

static inline uint32_t l7_io_room(const struct l7_io *io)
{
	struct tls_conn *t = l7_io_tls(io);

	return t != NULL ? tls_send_room(t) : tcp_send_room(io->e, io->conn);
}

static inline int l7_io_consumed(const struct l7_io *io, uint32_t n)
{
	struct tls_conn *t = l7_io_tls(io);

	return t != NULL ? tls_consumed(t, n) : tcp_consumed(io->e, io->conn, n);
}

static inline int l7_io_shutdown(const struct l7_io *io)
{
	struct tls_conn *t = l7_io_tls(io);

	return t != NULL ? tls_shutdown(t) : tcp_shutdown(io->e, io->conn);
}

/* Has the peer ended without saying so, where it should have? What came may be cut short. */
static inline bool l7_io_truncated(const struct l7_io *io)
{
	const struct tls_conn *t = l7_io_tls(io);

	return t != NULL && tls_truncated(t);
}

/* Of the TCP connection: bytes are those on the wire. */
static inline int l7_io_info(const struct l7_io *io, struct tcp_info *out)
{
	return tcp_info(io->e, io->conn, out);
}

static inline int l7_io_set_ops(const struct l7_io *io, const struct tcp_ops *ops, void *user)
{
	struct tls_conn *t = l7_io_tls(io);
	int rc;

	if (t != NULL)
		return tls_set_ops(t, ops, user);
	rc = tcp_set_ops(io->e, io->conn, ops);
	return rc != 0 ? rc : tcp_set_user(io->e, io->conn, user);
}

/* What is queued is still sent. The connection has ended for the caller. */
static inline void l7_io_close(struct l7_io *io)
{
	struct tls_conn *t = l7_io_tls(io);

	if (t != NULL)
		(void)tls_close(t);
	else
		(void)tcp_close(io->e, io->conn);
	io->conn = TCP_NONE;
	io->tls = NULL;
}

static inline void l7_io_abort(struct l7_io *io)
{
	struct tls_conn *t = l7_io_tls(io);

	if (t != NULL)
		(void)tls_abort(t);
	else
		(void)tcp_abort(io->e, io->conn);
	io->conn = TCP_NONE;
	io->tls = NULL;
}

#endif
