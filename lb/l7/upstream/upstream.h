/* SPDX-License-Identifier: Apache-2.0
 * upstream - connections of one worker to the servers of its pools, and the choice among them.
 *
 * Whoever sends a request (proxy, mirror, cache filling) has a struct up_req. up_begin() chooses a
 * server and gives a connection at once (a kept one), or later by an event: a new one, or one for
 * which the request waited. From ready to up_end() the connection is the request's alone.
 *
 * Owner:      one worker.
 * Lifetime:   a struct up_req is its user's; from up_begin() until it failed, up_end() or
 *             up_cancel() it must stay where it is. Afterwards it can begin again: what it has
 *             tried stays known.
 * Invariants: UP1 a connection serves one request at a time, and idle ones serve none.
 *             UP2 an idle connection is used no later than keepalive.idle - margin after it became
 *                 idle; bytes or an end on an idle one close it.
 *             UP3 events come from the engine's callbacks, timers or tasks, never inside a call
 *                 made here. UP4 counts of requests and connections of a server and pool are exact.
 * Units:      ns, bytes; limits of the configuration are shared out between workers.
 * Limits:     UP_TRIES servers are remembered as tried.
 * Cost:       a kept connection is found without a search; no allocation but from a pool. */
#ifndef LB_L7_UPSTREAM_UPSTREAM_H
#define LB_L7_UPSTREAM_UPSTREAM_H

#include "lb/l7/http/loop.h"
#include "lb/l7/http/stream.h"
#include "lb/l7/io.h"
#include "lb/l7/upstream/table.h"

#define UP_TRIES 12

struct up_conn;
struct up_req;
struct up_worker;

struct up_req_ops {
	/* The connection is there: send. */
	void (*ready)(struct up_req *r);
	/* There will be none; nothing was sent. The request may begin again. */
	void (*failed)(struct up_req *r, enum http_end why);
	/* As in struct tcp_ops. */
	void (*data)(struct up_req *r, struct rte_mbuf *chain, uint32_t len);
	void (*eof)(struct up_req *r);
	void (*writable)(struct up_req *r);
	/* The connection is gone; up_end() is still due. */
	void (*closed)(struct up_req *r, enum tcp_end end);
};

struct up_req {
	/* Set by the user before the first up_begin(). */
	const struct up_req_ops *ops;
	uint32_t upstream; /* id */
	uint64_t hash;     /* of the key of hashing schedulers */
	uint64_t cookie;   /* of the sticky cookie that came; 0: none */
	struct span host;  /* of the request, for TLS that asks for it; as long as the tries */
	bool fresh;        /* not on a connection that has carried HTTP */

	/* Valid from ready to up_end(). */
	struct l7_io io;    /* of the connection */
	uint64_t chosen;    /* sticky cookie of the server */
	const char *server; /* its name; as long as the process, but its text may change hands */
	bool kept;          /* the connection has served requests before */

	/* Private. */
	struct up_worker *w;
	struct up_conn *conn;
	uint32_t server_id;
	uint32_t tried_cnt;
	uint32_t tried[UP_TRIES];
	uint64_t since_ns; /* of the try */
	bool waiting;
	struct list_node wait;
	struct http_timer timer;
};

enum up_verdict { UP_READY, UP_WAIT, UP_FAILED };

static inline void up_req_init(struct up_req *r, const struct up_req_ops *ops, uint32_t upstream)
{
	r->ops = ops;
	r->upstream = upstream;
	r->hash = r->cookie = r->chosen = 0;
	r->server = NULL;
	r->conn = NULL;
	r->host = (struct span){NULL, 0};
	r->fresh = false;
	r->tried_cnt = 0;
	r->waiting = false;
}

/* UP_FAILED: *why says so and no event follows. */
enum up_verdict up_begin(struct up_worker *w, struct up_req *r, enum http_end *why) WARN_UNUSED;

/* How a try went, for counters and the watch on outliers. */
enum up_outcome {
	UP_GOOD,    /* a response that is no failure */
	UP_FAILURE, /* none, a broken one, or one that counts as failure */
	UP_NEITHER, /* the client went away */
};

enum up_fate {
	UP_KEEP,  /* the exchange is complete on both ways: the connection may serve another */
	UP_CLOSE, /* complete, but it may not: it ends in order */
	UP_ABORT, /* what is under way on it is void */
};

/* After ready. */
void up_end(struct up_req *r, enum up_outcome outcome, enum up_fate fate);
/* The connection leaves the pool for good (a tunnel): it still counts as the server's until
 * up_end(), which closes nothing. */
struct l7_io up_detach(struct up_req *r);
/* Instead of up_end(), at any time after up_begin(): nothing more happens. */
void up_cancel(struct up_req *r);

/* The head of a response came; its latency counts for the choice. */
void up_note_head(struct up_req *r);

/* May one more retry be made in this pool? Takes it from the budget. */
bool up_retry_allowed(struct up_worker *w, uint32_t upstream);

/* The pool as configured now; NULL: removed. */
const struct up_entry *up_entry_of(const struct up_worker *w, uint32_t upstream);

/* ---- life ---- */

struct up_conf {
	uint32_t worker_cnt;
	struct tcp_engine *engine;
	struct tls_worker *tls; /* NULL: there is no TLS */
	struct http_loop *loop;
	uint32_t max_conns;
};

int up_worker_create(const struct up_conf *conf, struct up_worker **out) WARN_UNUSED;
/* Connections are the engine's, which is destroyed first. */
void up_worker_destroy(struct up_worker *w);              /* NULL is fine */
void up_worker_warm(struct up_worker *w, uint32_t conns); /* pool_warm() */
/* Another table is in force. draining: idle connections are closed and none is kept. */
void up_worker_adopt(struct up_worker *w, const struct up_table *t, bool draining);

/* ---- counters; for control racy and monotonic ---- */

/* clang-format off */
#define UP_POOL_COUNTERS(C) \
	C(requests, "requests begun, retries not counted") \
	C(retries, "tries beyond the first") \
	C(budget, "retries that the budget did not allow") \
	C(queued, "requests that waited for a connection") \
	C(queue_timeout, "requests that waited in vain") \
	C(overflow, "requests refused: pool or queue full") \
	C(no_backend, "requests refused: no server is up")

#define UP_SERVER_COUNTERS(C) \
	C(requests, "tries that got a connection") \
	C(failures, "tries that failed after that") \
	C(connects, "connections opened") \
	C(refused, "connections refused") \
	C(timeouts, "connections that timed out") \
	C(errors, "connections that failed otherwise") \
	C(reused, "requests on a kept connection") \
	C(stale, "kept connections that the server closed") \
	C(expired, "kept connections that weir closed, unused for too long") \
	C(unsolicited, "kept connections closed for bytes that nobody asked for") \
	C(ejections, "times it was ejected as an outlier") \
	C(bytes_in, "bytes from it") \
	C(bytes_out, "bytes acknowledged by it")
/* clang-format on */

struct up_pool_stats {
	uint64_t active, pending; /* gauges */
#define C(name, text) uint64_t name;
	UP_POOL_COUNTERS(C)
#undef C
};

struct up_server_stats {
	uint64_t active, conns, idle, ejected; /* gauges */
	uint64_t latency_ns;                   /* moving average until the head */
#define C(name, text) uint64_t name;
	UP_SERVER_COUNTERS(C)
#undef C
};

const struct up_pool_stats *up_pool_stats(const struct up_worker *w, uint32_t id);
const struct up_server_stats *up_server_stats(const struct up_worker *w, uint32_t id);

#endif
