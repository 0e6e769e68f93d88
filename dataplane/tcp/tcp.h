/* SPDX-License-Identifier: Apache-2.0
 * tcp - the TCP engine of one worker: packets and `now` in, packets and events out.
 *
 * It does no I/O, reads no clock, has no globals and takes no lock, so that two engines can run
 * against each other in one test. One round of a worker:
 *
 *	tcp_input(e, mbufs, metas, n, now);     every segment of the burst, no callback
 *	tcp_run_timers(e, now);                 what is due
 *	tcp_flush(e, now);                      callbacks, then output, then emit()
 *
 * Owner:      one worker. Every call comes from that worker's thread.
 * Lifetime:   tcp_engine_create to tcp_engine_destroy; all memory is taken at create.
 * Invariants: TE1 callbacks run inside tcp_flush only, never inside another call, and one pass per
 *                 connection and flush. Inside a callback every call below except tcp_input,
 *                 tcp_run_timers, tcp_flush and tcp_engine_destroy is allowed, on any connection.
 *             TE2 a connection that was announced (on_accept, or tcp_connect returned it) ends with
 *                 exactly one of: on_closed, or the application's own tcp_close or tcp_abort. After
 *                 that no callback names it and its handle is stale.
 *             TE3 a call with a stale handle does nothing and returns -ESTALE.
 *             TE4 payload mbufs given to tcp_send are never written to again; every frame has its
 *                 own header mbuf. Frames share payload with the queue by reference count, so
 *                 MBUF_FAST_FREE must stay off on the port.
 *             TE5 the right edge of an advertised window never moves left.
 * Units:      times in ns, monotonic; sizes in bytes; addresses and ports in network order.
 * Errors:     0 or a count, else -errno: -ESTALE stale handle, -EPIPE after shutdown, -ENOTCONN not
 *             yet connected, -EADDRNOTAVAIL no free local port, -ENETUNREACH no route, -ENFILE no
 *             connection left, -EADDRINUSE listener exists, -EINVAL.
 * Limits:     struct tcp_config; see each field. Exhaustion is counted and never fatal.
 * Cost:       a segment touches its table bucket, two or three lines of its connection and its
 *             payload's header line; no allocation but from pools, no system call. */
#ifndef DATAPLANE_TCP_TCP_H
#define DATAPLANE_TCP_TCP_H

#include "dataplane/base/compiler.h"
#include "dataplane/net/addr.h"
#include "dataplane/tcp/counters.h"

struct ledger;
struct pkt_meta;
struct rte_mbuf;
struct rte_mempool;
struct tcp_engine;

/* A connection's handle: index and generation. TCP_NONE names none. */
#define TCP_NONE UINT64_C(0)

enum tcp_end {
	TCP_END_NORMAL,      /* both directions were closed in order */
	TCP_END_RESET,       /* the peer sent a reset */
	TCP_END_REFUSED,     /* the peer answered our SYN with a reset */
	TCP_END_TIMEOUT,     /* unacknowledged data, SYN or probes ran out of time */
	TCP_END_UNREACHABLE, /* ICMP said so while connecting */
	TCP_END_NO_MEMORY,   /* a limit of the engine was hit */
	TCP_END_PROTOCOL,    /* the peer did something impossible */
};

const char *tcp_end_name(enum tcp_end end);

/* Events of a connection. Each member may be NULL. `user` is what tcp_set_user() set (NULL before).
 * Order within one flush: accept or connect, data, eof, writable, closed. */
struct tcp_ops {
	/* A peer completed the handshake with a listener of ours; arg is the listener's. */
	void (*on_accept)(struct tcp_engine *e, uint64_t conn, void *arg);
	/* tcp_connect() succeeded; on_closed tells of failure. */
	void (*on_connect)(struct tcp_engine *e, uint64_t conn, void *user);
	/* `len` bytes in order. The chain is the callee's from here on (linked by m->next; free
	 * segment by segment with rte_pktmbuf_free). The window opens again only by
	 * tcp_consumed(): call it when the bytes have been freed, not when they were seen. A callee
	 * that waits for more bytes copies small pieces together and reports them consumed. */
	void (*on_data)(struct tcp_engine *e, uint64_t conn, void *user, struct rte_mbuf *chain,
		uint32_t len);
	/* The peer sends no more. All data came before. Sending is still possible. */
	void (*on_eof)(struct tcp_engine *e, uint64_t conn, void *user);
	/* tcp_send() took less than it was given, and now has room for at least half the buffer. */
	void (*on_writable)(struct tcp_engine *e, uint64_t conn, void *user);
	/* The connection is no more; the last callback. tcp_info() still answers inside. */
	void (*on_closed)(struct tcp_engine *e, uint64_t conn, void *user, enum tcp_end end);
};

enum tcp_cc { TCP_CC_CUBIC, TCP_CC_NEWRENO };

/* The way to a peer, asked once per connection and again by tcp_reroute(). */
struct tcp_route {
	struct ip_addr src;  /* for tcp_connect without a local address */
	uint32_t tso_bytes;  /* largest TCP payload of one frame; 0: no TSO */
	uint16_t tso_segs;   /* most payload mbufs in a frame; 0 means LIMIT_TCP_FRAME_SEGS */
	uint16_t mtu;        /* of the IP packet; at least 576 (IPv4) or 1280 (IPv6) */
	bool csum_offload;   /* the port fills in IPv4 and TCP checksums */
	bool single_segment; /* the port takes no chained mbufs: payload is copied to the header */
};

struct tcp_callbacks {
	void *ctx;
	/* Way to dst. false: no route. */
	bool (*route)(void *ctx, const struct ip_addr *dst, struct tcp_route *out);
	/* Take n IP packets (no Ethernet header; headroom for it is there; m->l2_len = 0, l3_len,
	 * l4_len and ol_flags are set as the route's offloads ask). Must not call the engine. */
	void (*emit)(void *ctx, struct rte_mbuf **mbufs, uint16_t n);
	/* May a connection of ours use this local port? For steering replies to this core.
	 * NULL: yes. */
	bool (*port_ok)(void *ctx, const struct ip_addr *laddr, const struct ip_addr *raddr,
		uint16_t lport, uint16_t rport);
};

struct tcp_config {
	/* Limits. Entries of one engine; 0 takes the default in parentheses. */
	uint32_t max_conns;     /* established and opening connections (16384) */
	uint32_t max_syns;      /* half-open passive connections (4096) */
	uint32_t max_timewaits; /* TIME_WAIT records, oldest recycled first (65536) */
	uint32_t max_segs;      /* queued pieces of all connections, sent or not (8 * max_conns) */
	uint32_t max_listeners; /* (64) */
	uint32_t cookie_level;  /* half-open count from which SYN cookies are used (max_syns / 2) */
	uint32_t max_challenges_per_s; /* challenge ACKs and resets of one engine (1000) */

	/* Pools, the caller's. Header mbufs need a data room of headroom + 128 bytes at least; what
	 * is above that is used to copy small payloads. Reference mbufs need no data room. Queued
	 * bytes stay in data_pool until they are acknowledged, so it must not be header_pool:
	 * without headers nothing could be acknowledged. */
	struct rte_mempool *header_pool;
	struct rte_mempool *ref_pool;
	struct rte_mempool *data_pool; /* of tcp_send_bytes; NULL: it is not used */
	/* Watched for pressure, usually the pool of the RX queues; NULL: not watched. While it has
	 * plenty, frames for a port that takes no chains are made in its buffers. */
	struct rte_mempool *rx_pool;

	/* Per connection defaults; 0 takes the default. tcp_set() changes them later. Keep-alive
	 * and user timeout are rounded up to 256 ms. */
	uint32_t rcvbuf;                 /* largest receive window (262144) */
	uint32_t sndbuf;                 /* queued and unacknowledged bytes (262144) */
	uint32_t min_rto_ms, max_rto_ms; /* (200, 60000) */
	uint32_t delack_ms;              /* (40) */
	uint32_t time_wait_ms;           /* (60000) */
	uint32_t fin_wait2_ms;           /* with no application left (60000) */
	uint32_t user_timeout_ms;        /* unacknowledged data; 0 takes 900000 */
	uint32_t syn_retries;            /* of SYN (7: three minutes, RFC 9293 3.8.3) */
	uint32_t synack_retries;         /* of SYN-ACK (5: a minute) */
	uint32_t keepalive_ms;           /* idle time before probes; 0: off */
	uint32_t keepalive_intvl_ms;     /* between probes (15000) */
	uint8_t keepalive_probes;        /* unanswered ones before the end (5) */
	uint8_t cc;                      /* enum tcp_cc */
	uint8_t ttl;                     /* (64) */
	bool no_ecn, no_sack, no_timestamps, no_wscale; /* features are on unless said so */
	bool nagle;                                     /* off unless said so */
	bool rx_csum_trusted; /* do not verify what the port left UNKNOWN */

	uint16_t port_lo, port_hi; /* local ports of tcp_connect, host order (32768, 60999) */

	uint8_t secret[32]; /* keys of ISN, cookies and table; from rng_secret(), or a seed in tests
			     */
	struct ledger *ledger; /* input packets end and output packets are born here; may be NULL */
	struct tcp_callbacks cb;
};

/* NULL when memory is short or the configuration is impossible (errno says which). */
struct tcp_engine *tcp_engine_create(const struct tcp_config *cfg, uint64_t now_ns) WARN_UNUSED;
/* Frees everything without a packet or callback. */
void tcp_engine_destroy(struct tcp_engine *e);
/* The memory of so many connections is touched before they come (pool_warm()). */
void tcp_engine_warm(struct tcp_engine *e, uint32_t conns);

/* Segments of a burst, parsed (pkt_parse) and addressed to us. Takes all mbufs. Frames may carry
 * link padding; chained mbufs are fine as long as the headers lie in the first. */
void tcp_input(struct tcp_engine *e, struct rte_mbuf **mbufs, const struct pkt_meta *metas,
	uint16_t n, uint64_t now_ns);
/* An ICMP error about a packet of ours: m stays the caller's. `inner_tcp` points at the at least 8
 * bytes of the quoted TCP header; mtu is that of "fragmentation needed"/"packet too big", else 0.
 * Returns whether it belonged to a connection here. */
bool tcp_icmp_error(struct tcp_engine *e, const struct pkt_meta *meta, const uint8_t *inner_tcp,
	uint32_t mtu, uint64_t now_ns);
/* Does any connection, half-open one, TIME_WAIT record or listener here own this packet? */
bool tcp_owns(const struct tcp_engine *e, const struct pkt_meta *meta);
void tcp_run_timers(struct tcp_engine *e, uint64_t now_ns);
void tcp_flush(struct tcp_engine *e, uint64_t now_ns);
/* Routes or what ports can do have changed: ask again for the ways of `n` places of connections
 * from `cursor` on. Pass 0 first, then what was returned; UINT32_MAX ends. A path MTU that was
 * learned stays when the new way's is larger. */
uint32_t tcp_reroute(struct tcp_engine *e, uint32_t cursor, uint32_t n);
/* Earliest time at which tcp_run_timers may have work; UINT64_MAX: never. */
uint64_t tcp_next_timer_ns(const struct tcp_engine *e);

/* Listen at addr:port; an all-zero addr takes every address of both families. `ops` must outlive
 * the connections. Returns the listener's id >= 0. */
int tcp_listen(struct tcp_engine *e, const struct ip_addr *addr, uint16_t port,
	const struct tcp_ops *ops, void *arg) WARN_UNUSED;
/* Stops new connections; those that exist stay, half-open ones end. */
void tcp_unlisten(struct tcp_engine *e, int listener);

struct tcp_connect_args {
	struct ip_addr laddr; /* zero: the route's */
	struct ip_addr raddr;
	uint16_t lport; /* 0: chosen */
	uint16_t rport;
	const struct tcp_ops *ops;
	void *user;
	uint32_t timeout_ms; /* 0: the engine's SYN retries */
};

/* Start a connection; the SYN leaves at the next flush. 0 and *conn, or -errno. */
int tcp_connect(
	struct tcp_engine *e, const struct tcp_connect_args *args, uint64_t *conn) WARN_UNUSED;

enum tcp_send_flag {
	TCP_SEND_MORE = 1 << 0, /* more follows soon: hold back a partial segment */
	TCP_SEND_FIN = 1 << 1,  /* tcp_shutdown() when all of it was accepted */
};

/* Queue *chain. Whole mbufs are taken while the send buffer has any room, so it may be exceeded by
 * less than one mbuf; *chain becomes what was not taken (NULL: nothing is left), which stays the
 * caller's, and on_writable follows. Empty mbufs are freed. Returns the bytes taken or -errno (then
 * *chain is untouched). Allowed before the connection is established. */
int64_t tcp_send(
	struct tcp_engine *e, uint64_t conn, struct rte_mbuf **chain, unsigned flags) WARN_UNUSED;
/* As tcp_send() for bytes that are copied into data-pool mbufs; for small answers. Takes all or,
 * when room or mbufs are short, nothing (0, and on_writable follows). */
int64_t tcp_send_bytes(struct tcp_engine *e, uint64_t conn, const void *data, uint32_t len,
	unsigned flags) WARN_UNUSED;
/* Bytes that tcp_send() would take now; 0 for a stale handle. */
uint32_t tcp_send_room(const struct tcp_engine *e, uint64_t conn);

/* Have on_writable called as if tcp_send() had taken less than it was given. */
int tcp_want_write(struct tcp_engine *e, uint64_t conn);

/* n bytes delivered by on_data are free again: the window may open. */
int tcp_consumed(struct tcp_engine *e, uint64_t conn, uint32_t n);

/* From now on what arrives on `from` is sent on `to`, without a copy, and its end of file becomes
 * tcp_shutdown(to). on_data is not called for `from` any more; on_eof is, after the last byte was
 * queued on `to`. The window of `from` opens as the peer of `to` acknowledges. Call it twice for
 * both directions. If `to` ends first, `from` falls back to on_data. */
int tcp_splice(struct tcp_engine *e, uint64_t from, uint64_t to);

/* Send FIN after what is queued; receiving goes on. */
int tcp_shutdown(struct tcp_engine *e, uint64_t conn);
/* The application is done: what is queued is still sent, then FIN. Bytes that were received and not
 * yet delivered, or that come later, are answered with a reset. The handle is stale at once. */
int tcp_close(struct tcp_engine *e, uint64_t conn);
/* Reset at once and drop what is queued. The handle is stale at once. */
int tcp_abort(struct tcp_engine *e, uint64_t conn);

/* Send a reset to every peer and change nothing else: the last call but tcp_flush before the engine
 * is destroyed, for a process that ends. */
void tcp_reset_peers(struct tcp_engine *e);

enum tcp_option {
	TCP_OPT_NAGLE,           /* 0 or 1 */
	TCP_OPT_KEEPALIVE_MS,    /* 0: off */
	TCP_OPT_USER_TIMEOUT_MS, /* > 0 */
	TCP_OPT_CC,              /* enum tcp_cc */
	TCP_OPT_RCVBUF,          /* takes effect as the window moves; never shrinks it */
	TCP_OPT_SNDBUF,
};

int tcp_set(struct tcp_engine *e, uint64_t conn, enum tcp_option opt, uint64_t value);
int tcp_set_user(struct tcp_engine *e, uint64_t conn, void *user);
void *tcp_user(const struct tcp_engine *e, uint64_t conn);
/* Replace the callbacks, for a connection that changes its owner (a protocol upgrade). */
int tcp_set_ops(struct tcp_engine *e, uint64_t conn, const struct tcp_ops *ops);

enum tcp_state {
	TCP_CLOSED,
	TCP_SYN_SENT,
	TCP_SYN_RCVD,
	TCP_ESTABLISHED,
	TCP_FIN_WAIT_1,
	TCP_FIN_WAIT_2,
	TCP_CLOSE_WAIT,
	TCP_CLOSING,
	TCP_LAST_ACK,
	TCP_TIME_WAIT,
};

const char *tcp_state_name(enum tcp_state s);

/* What a dump shows of one connection. */
struct tcp_info {
	uint64_t conn;
	struct ip_addr laddr, raddr;
	uint16_t lport, rport;
	uint8_t state;    /* enum tcp_state */
	uint8_t recovery; /* 0 open, 1 fast recovery, 2 after a timeout */
	uint8_t cc;
	uint8_t backoff; /* consecutive timeouts */
	bool sack, timestamps, ecn, orphan;
	uint8_t snd_wscale, rcv_wscale;
	uint16_t mss;      /* payload of a full segment sent */
	uint16_t path_mtu; /* as known now */
	uint32_t srtt_us, rttvar_us, min_rtt_us, rto_ms;
	uint32_t cwnd, ssthresh, snd_wnd, rcv_wnd;
	uint32_t snd_una, snd_nxt, rcv_nxt;
	uint32_t queued;   /* bytes in the send queue, sent or not */
	uint32_t inflight; /* estimate of bytes in the network */
	uint32_t unread;   /* delivered and not consumed */
	uint32_t ooo_bytes;
	uint64_t bytes_in, bytes_acked;
	uint32_t retransmits; /* segments */
};

int tcp_info(const struct tcp_engine *e, uint64_t conn, struct tcp_info *out);
/* All connections in table order: pass 0 first, then what was returned; UINT32_MAX ends. Copies at
 * most one connection into *out; TIME_WAIT and half-open ones are only counted (tcp_usage). */
uint32_t tcp_next(const struct tcp_engine *e, uint32_t cursor, struct tcp_info *out);

struct tcp_usage {
	uint32_t conns, syns, timewaits, segs, timers;
	uint32_t max_conns, max_syns, max_timewaits, max_segs;
	uint8_t pressure; /* 0-4, see tcp_pressure_* counters */
};

void tcp_usage(const struct tcp_engine *e, struct tcp_usage *out);
const struct tcp_counters *tcp_counters(const struct tcp_engine *e);

#endif
