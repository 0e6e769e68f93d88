/* SPDX-License-Identifier: Apache-2.0
 * http_pvt - what the files of lb/l7/http share. */
#ifndef LB_L7_HTTP_HTTP_PVT_H
#define LB_L7_HTTP_HTTP_PVT_H

#include "dataplane/base/pool.h"
#include "lb/l7/h1/h1.h"
#include "lb/l7/http/chain.h"
#include "lb/l7/http/date.h"
#include "lb/l7/http/http.h"
#include "lb/l7/http/route_stats.h"
#include "lb/l7/http/stream.h"
#include "lb/l7/policy/policy.h"
#include "lb/l7/route/route.h"
#include "lb/l7/worker_pvt.h"

#define HTTP_SCRATCH   HTTP_ARENA_SLAB /* bytes of a head that is being written */
#define HTTP_SLABS_MAX 8               /* of one stream */

/* Part of a request's head that did not come at once. */
struct head_chunk {
	struct head_chunk *next;
	uint32_t self;
	uint16_t len;
	char bytes[498];
};

/* A request over HTTP/1. */
struct h1_stream {
	struct http_stream s; /* first */
	struct l7_conn *c;
	struct h1_body body; /* of the request */
	struct h1_response_plan plan;
	struct chain out;   /* what the engine had no room for */
	uint64_t resp_left; /* HTTP_BODY_LENGTH: bytes that are still due */
	uint64_t began_ns;  /* of the request's body */
	uint32_t self;
	bool want_resume; /* the action was told to wait */
	bool finishing;   /* all is said, `out` goes out still */
	bool cutting;
	bool close;      /* no request after this one */
	bool chunk_open; /* CR LF behind the last chunk's data is due */
	bool waits_100;  /* the client waits for leave to send the body */
	bool tunnel;
};

struct http_worker {
	struct http_loop loop; /* first: its clock is the hottest */
	struct http_worker_conf conf;
	const struct l7_table *table;
	struct up_worker *up;
	struct http_route_worker *route;
	struct http_log_worker *log; /* NULL: none */
	struct hcache_worker *cache; /* NULL: there is none */
	struct kvs_worker *kvs;      /* NULL: no store */
	struct files_worker *files;  /* NULL: no threads for files */
	struct pool streams, slabs, chunks, proxies, subs;
	struct list_node own_waiting; /* bodies that wait for buffers (own.h) */
	struct http_timer own_timer;
	uint64_t own_turn_ns, own_left, own_promised;
	bool draining;
	uint64_t date_until_ns; /* the text is right until then */
	char date[HTTP_DATE_LEN];
	struct http_listener_stats listeners[LIMIT_LISTENERS];
	struct http_route_stats routes[HTTP_ROUTES_MAX];
	char scratch[HTTP_SCRATCH];
};

extern const struct http_front_ops h1_front_ops;
extern const struct http_action http_proxy;

static inline struct h1_stream *h1_of(struct http_stream *s)
{
	return (struct h1_stream *)(void *)s;
}

/* Now, as text. */
struct span http_date_now(struct http_worker *w);

/* The engine's buffer with room for a head; NULL when there is none. */
struct rte_mbuf *http_mbuf(struct http_worker *w);

/* Status and fields of an answer of weir itself with len bytes of body; how many of them the status
 * allows: all or none. */
uint32_t http_own_head(struct http_stream *s, uint16_t status, struct span type, uint32_t len);
void http_own_worker_init(struct http_worker *w);

/* All of an idle worker's connections close (drain). */
void h1_close_idle(struct http_worker *w);
/* The worker ends: streams go, connections stay the engine's. */
void h1_drop_all(struct http_worker *w);

/* The page for an error of weir itself; an empty body if there is no memory. */
void http_error_page(struct http_stream *s, uint16_t status, struct span *type, struct span *body);

/* The site of the stream's listener, as it is now, until the stream's end; NULL: none. */
void http_site_pin(struct http_stream *s);
void http_site_unpin(struct http_stream *s);
/* What clients of a listener may do; never NULL. */
const struct config_http_client *http_client_conf(const struct http_worker *w, uint32_t listener);
enum h1_underscores http_underscores_of(const struct http_worker *w, uint32_t listener);

/* Policies have made up their mind. */
void http_stream_go_on(struct http_stream *s, enum http_verdict v);

void http_count_response(struct http_stream *s);
void http_count_end(struct http_stream *s);
/* The line of a stream that is over. */
void http_log_end(struct http_stream *s);

#endif
