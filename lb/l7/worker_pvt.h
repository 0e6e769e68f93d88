/* SPDX-License-Identifier: Apache-2.0
 * worker_pvt - a worker's connections and the actions of listeners.
 *
 * A connection passes through stages: with accept_proxy_protocol its first bytes are a header; then
 * the listener's TLS, if it has one, is established; then its action opens it. What the client sent
 * and nobody took yet waits in `pend`. */
#ifndef LB_L7_WORKER_PVT_H
#define LB_L7_WORKER_PVT_H

#include <stdatomic.h>

#include "dataplane/base/pool.h"
#include "dataplane/base/wheel.h"
#include "dataplane/tls/hello.h"
#include "lb/l7/io.h"
#include "lb/l7/http/loop.h"
#include "lb/l7/proxy_proto.h"
#include "lb/l7/worker.h"

#define L7_TRIES 3 /* backends that one connection tries */

struct l7_conn;
struct resp_worker;

/* What a listener does. front events come after the PROXY protocol header, if there is one; each
 * may end the connection (l7_end). NULL: nothing to do. */
struct l7_action {
	void (*open)(struct l7_conn *c);
	void (*data)(struct l7_conn *c); /* pend has grown */
	void (*eof)(struct l7_conn *c);  /* the client sends no more */
	void (*writable)(struct l7_conn *c);
	void (*closed)(struct l7_conn *c, enum tcp_end end); /* the client's side is gone */
	void (*timer)(struct l7_conn *c);
};

struct h1_stream;
struct head_chunk;

/* lb/l7/http/front_h1.c */
enum h1_state { H1_IDLE, H1_HEAD, H1_BODY, H1_BUSY, H1_SKIP, H1_LINGER, H1_DEAD };

struct h1_front {
	struct h1_stream *st; /* NULL: no request is under way */
	struct head_chunk *gather, *gather_last;
	uint32_t gathered; /* bytes in the chunks */
	uint32_t requests; /* that are over */
	enum h1_state state;
	bool blank;           /* gathered: the last line is empty so far */
	uint64_t accepted_ns; /* connection */
	uint64_t first_ns;    /* first byte of the request; last progress of its body */
	uint64_t left; /* skip, linger: bytes still to be read; body: bytes at last progress */
	struct http_timer timer;
	struct http_task task;
};

struct l7_conn {
	struct l7_worker *w;
	const struct l7_action *action; /* NULL: the place is free */
	struct l7_io front;             /* the client's side */
	struct l7_io back;              /* the backend's */
	struct rte_mbuf *pend, *pend_tail;
	uint32_t pend_len;
	struct rte_mbuf *down, *down_tail; /* of tcp_proxy: from the backend, not sent yet */
	uint32_t listener, member;         /* ids */
	bool in_header, in_tls, front_eof, opened;
	bool connected, spliced; /* of tcp_proxy */
	bool back_eof, up_shut, down_shut;
	bool peeking;         /* the ClientHello is not there yet */
	uint32_t peek_need;   /* bytes of it before it is worth a look */
	uint8_t tries, quiet; /* quiet: checks in a row on which nothing moved */
	uint32_t tried[L7_TRIES];
	struct proxy_header peer; /* client and the address it asked for */
	uint64_t sent;            /* of source */
	uint64_t idle_ns, moved;  /* bytes moved by the last check */
	struct {
		uint64_t front_in, front_out, back_in, back_out;
	} noted; /* bytes that are in the counters (account.c) */
	struct wheel_timer timer;
	struct h1_front h1; /* of action http */
	void *state;        /* the action's own */
};

struct l7_open {
	struct l7_worker *w;
	struct ip_addr addr;
	uint16_t port;
	uint32_t listener;
	int engine_id; /* -1: free */
};

struct l7_worker {
	struct tcp_engine *engine;
	struct http_worker *http;
	struct http_checks *checks;      /* of worker 0 */
	struct tls_worker *tls;          /* NULL: there is no TLS */
	uint8_t hello[2][TLS_HELLO_MAX]; /* of tcp_proxy: room to look at one */
	const struct l7_table *table;
	struct l7_worker_conf conf;
	struct pool conns;
	struct wheel wheel;
	uint64_t now_ns;
	uint64_t active;
	uint64_t waiting, waiting_next_ns; /* while draining */
	bool draining;
	uint32_t conn_high;             /* places of `conns` ever used */
	uint32_t note_next, note_left;  /* of account.c's walk */
	uint64_t noted_ns, noted_moved; /* its last step; bytes of the engine when it began */
	uint64_t no_port_ns;            /* when it may be logged again */
	struct l7_open opens[LIMIT_TCP_LISTENERS];
	uint32_t open_high;
	uint32_t wrr_next[LIMIT_LISTENERS], local_next;
	uint32_t listener_epoch[LIMIT_LISTENERS], member_epoch[L7_MEMBERS];
	struct l7_listener_stats listeners[LIMIT_LISTENERS];
	struct l7_member_stats members[L7_MEMBERS];
	_Atomic(struct l7_dump *) dump;
	struct resp_worker *resp; /* NULL without a store */
};

extern const struct l7_action l7_echo, l7_discard, l7_source, l7_tcp_proxy, l7_http, l7_resp;

/* Counters have one writer; readers elsewhere see whole values. */
static inline void l7_count(uint64_t *c, uint64_t n)
{
	__atomic_store_n(c, *c + n, __ATOMIC_RELAXED);
}

static inline struct l7_listener_stats *l7_stats(const struct l7_conn *c)
{
	return &c->w->listeners[c->listener];
}

/* The listener as configured now; NULL: removed. */
static inline const struct l7_listener *l7_listener_of(const struct l7_conn *c)
{
	return c->w->table->by_id[c->listener];
}

static inline struct l7_sites *l7_sites_of(const struct l7_conn *c)
{
	return c->w->table->sites;
}

/* Control, while no worker runs. */
void l7_source_init(void);

void l7_chain_free(struct rte_mbuf *chain);
/* The first n bytes of what is pending have done their work: they are freed and consumed. */
void l7_strip(struct l7_conn *c, uint32_t n);
/* Send what is pending on `to`; reports to the client's side what was taken. -errno as tcp_send. */
int64_t l7_pass_pend(struct l7_conn *c, const struct l7_io *to);
/* account.c: count what has moved since the last time; the connection is open. */
void l7_note_front(struct l7_conn *c);
void l7_note_back(struct l7_conn *c);
/* Once a turn: the same for some of all connections. */
void l7_account(struct l7_worker *w);
/* When it wants another turn. */
uint64_t l7_account_next_ns(const struct l7_worker *w);
/* End in order (what is queued is still sent), or with a reset. c is gone afterwards. */
void l7_close(struct l7_conn *c);
void l7_abort(struct l7_conn *c);
/* The front is gone already. */
void l7_finish(struct l7_conn *c);

#endif
