/* SPDX-License-Identifier: Apache-2.0
 * upstream_pvt - what the files of the pools share. */
#ifndef LB_L7_UPSTREAM_UPSTREAM_PVT_H
#define LB_L7_UPSTREAM_UPSTREAM_PVT_H

#include "dataplane/base/hash.h"
#include "dataplane/base/pool.h"
#include "dataplane/base/rng.h"
#include "lb/l7/upstream/upstream.h"

#define SERVER_NAME_MAX 64

struct up_state {
	struct list_node idle; /* connections, the one used last first */
	uint32_t idle_cnt, conn_cnt, active;
	uint32_t epoch, pool;
	/* Outliers. */
	uint32_t row; /* failures in a row */
	uint32_t win_cnt, win_bad;
	uint32_t ejections;              /* in a row */
	uint64_t win_end_ns, ejected_ns; /* ejected until then */
	uint64_t up_ns;                  /* came up then; 0: was always */
	uint64_t latency_ns;
	bool present, up;
	char name[SERVER_NAME_MAX];
	struct up_server_stats stats;
};

struct up_pool {
	struct list_node waiting;
	struct http_task serve; /* something became free */
	struct up_worker *w;
	uint32_t id, epoch;
	uint32_t active, pending, ejected;
	uint32_t wrr_next, local_next;
	uint32_t budget; /* hundredths of a retry */
	struct up_pool_stats stats;
};

enum up_conn_state { UP_CONNECTING, UP_IDLE, UP_BUSY };

struct up_conn {
	struct list_node node; /* of the idle list */
	struct l7_io io;
	struct up_worker *w;
	struct up_req *req; /* NULL: idle */
	uint32_t server, pool;
	uint32_t requests;
	uint32_t self; /* index in the pool */
	enum up_conn_state state;
	bool detached;
	uint64_t name;    /* whose certificate it was verified by, hashed; 0: the pool's own */
	uint64_t idle_ns; /* since */
	uint64_t noted_in, noted_out, noted_ns; /* bytes that were counted, and when */
	struct http_timer timer;
};

struct up_worker {
	struct up_conf conf;
	const struct up_table *table;
	bool draining, adopted;
	struct rng rng;
	struct siphash_key secret; /* of names, which clients choose */
	struct pool conns;
	struct up_pool pools[LIMIT_UPSTREAMS];
	struct up_state servers[UP_SERVERS];
};

static inline void up_count(uint64_t *c, uint64_t n)
{
	__atomic_store_n(c, *c + n, __ATOMIC_RELAXED);
}

static inline void up_gauge(uint64_t *c, uint64_t v)
{
	__atomic_store_n(c, v, __ATOMIC_RELAXED);
}

/* A worker's share of a limit; 0 stays 0, which is none. */
uint32_t up_share(const struct up_worker *w, uint32_t limit);

/* ---- balance.c ---- */

/* What was chosen: index into e->servers, UP_NONE if there is nothing to choose from. *full: all
 * that could be chosen are at their limit of connections. */
uint32_t up_choose(struct up_worker *w, const struct up_entry *e, struct up_req *r, bool *full);
/* Can the server take one more request now? */
bool up_has_room(const struct up_worker *w, const struct up_entry *e, const struct up_server *s);
void up_latency(struct up_state *s, uint64_t ns);

/* ---- outlier.c ---- */

bool up_ejected(struct up_worker *w, struct up_state *s);
void up_outlier_note(struct up_worker *w, const struct up_entry *e, struct up_state *s, bool good);
/* Its pool or the server is removed. */
void up_outlier_forget(struct up_worker *w, struct up_state *s);

#endif
