/* SPDX-License-Identifier: Apache-2.0
 * http - HTTP of one worker: streams, memory, upstream connections, counters.
 * Owner:      one worker; control creates and destroys it while that worker does not run.
 * Invariants: HW1 an idle connection holds no stream, arena or buffer.
 *             HW2 when memory is used up new requests are refused; those under way go on.
 * Limits:     struct http_worker_conf; LIMIT_HTTP_HEAD bytes of a head. */
#ifndef LB_L7_HTTP_HTTP_H
#define LB_L7_HTTP_HTTP_H

#include "lb/l7/http/loop.h"
#include "lb/l7/upstream/upstream.h"

struct http_route_worker;
struct http_route_stats;
struct l7_table;
struct l7_worker;
struct hcache;
struct kvs_worker;
struct hcache_worker;

struct http_worker_conf {
	struct l7_worker *l7;
	struct tcp_engine *engine;
	struct tls_worker *tls; /* NULL: there is no TLS */
	struct rte_mempool *data_pool;
	struct kvs_worker *kvs;         /* NULL: no store */
	struct hcache *hcache;          /* NULL: none */
	struct rte_mempool *slice_pool; /* of mbufs without data room, for it */
	uint32_t fetches;               /* of the cache, under way */
	uint32_t index, worker_cnt;
	uint32_t max_conns; /* of the engine */
};

/* clang-format off */
#define HTTP_LISTENER_COUNTERS(C) \
	C(requests, "requests whose head was complete") \
	C(status_1xx, "informational responses") \
	C(status_2xx, "responses 2xx") \
	C(status_3xx, "responses 3xx") \
	C(status_4xx, "responses 4xx") \
	C(status_5xx, "responses 5xx") \
	C(refused, "requests that were not well-formed") \
	C(head_timeout, "connections whose request's head did not come in time") \
	C(body_timeout, "requests whose body did not come in time") \
	C(send_timeout, "responses that the client did not take in time") \
	C(idle_timeout, "connections closed between requests") \
	C(client_gone, "requests whose client left before the response's end") \
	C(cut, "responses that could not be completed") \
	C(no_memory, "requests refused: no memory") \
	C(buffers_short, "times a body of weir itself waited for buffers") \
	C(regex_limit, "regular expressions that took too many steps and so did not match") \
	C(tunnels, "connections that were upgraded") \
	C(body_in, "bytes of request bodies") \
	C(body_out, "bytes of response bodies")
/* clang-format on */

struct http_listener_stats {
	uint64_t active; /* gauge: requests under way */
#define C(name, text) uint64_t name;
	HTTP_LISTENER_COUNTERS(C)
#undef C
	uint64_t ends[HTTP_END_CNT];
};

int http_worker_create(
	const struct http_worker_conf *conf, uint64_t now_ns, struct http_worker **out) WARN_UNUSED;
/* Before the engine's end: what streams hold is freed, their connections are not touched. */
void http_worker_drop(struct http_worker *w);
/* After the engine's end: connections' callbacks do not come any more. */
void http_worker_destroy(struct http_worker *w); /* NULL is fine */
/* The memory of so many requests at once is touched before they come (pool_warm()). */
void http_worker_warm(struct http_worker *w, uint32_t requests);
void http_worker_adopt(
	struct http_worker *w, const struct l7_table *t, bool draining, uint64_t now_ns);

/* The id passes to another listener: its counters begin at zero. */
void http_worker_renew(struct http_worker *w, uint32_t listener);

/* A loop's parts: timers before the engine's flush, tasks behind it; true: flush again. */
void http_worker_timers(struct http_worker *w, uint64_t now_ns);
bool http_worker_tasks(struct http_worker *w);
uint64_t http_worker_next_ns(const struct http_worker *w);

/* For control, before workers run: what routes and policies keep here. */
struct http_route_worker *http_worker_route(const struct http_worker *w);
/* The access log of this worker; before it runs. NULL: none. */
struct http_log_worker;
void http_worker_set_log(struct http_worker *w, struct http_log_worker *log);

/* The same of the threads for files. */
struct files_worker;
void http_worker_set_files(struct http_worker *w, struct files_worker *files);

struct http_loop *http_worker_loop(struct http_worker *w);
struct up_worker *http_worker_up(const struct http_worker *w);
struct hcache_worker *http_worker_cache(const struct http_worker *w); /* NULL: none */
const struct http_listener_stats *http_worker_listener(const struct http_worker *w, uint32_t id);
/* By http_route_number(). */
const struct http_route_stats *http_worker_route_stats(
	const struct http_worker *w, uint32_t number);
/* For tests: aborts if anything of a request is left. */
void http_worker_check_empty(const struct http_worker *w);
/* Requests under way; for tests and control. */
uint32_t http_worker_streams(const struct http_worker *w);

#endif
