/* SPDX-License-Identifier: Apache-2.0
 * route - what is done with a request: sites and routes of the configuration, compiled.
 *
 *	front: head complete, s->site set
 *	  http_request_prepare()      client, request id, path normalised, route found
 *	  http_policies_request()     allowed? (lb/l7/policy/policy.h)
 *	  http_request_rewrite()      path, host and fields as the backend is to see them
 *	  action->start()             of s->route, or the proxy action for HTTP_ROUTE_UPSTREAM
 *	  http_response_rewrite()     when the final head is sent, after the response policies
 *
 * Owner:      control builds and frees a site; workers read it as part of a generation. What a
 *             worker changes (limiters, caches) stands in a slot of its own.
 * Lifetime:   a site lives until every worker has left its generation and every stream that pinned
 *             it is over.
 * Invariants: RT1 the route found is the first in file order whose conditions all hold.
 *             RT2 what is matched is what is forwarded: the path is normalised in place, once.
 *             RT3 no regular expression runs longer than LIMIT_HTTP_REGEX_STEPS; one that would
 *             counts as not matching and is counted.
 * Units:      ns, bytes; weights as configured.
 * Errors:     http_site_build() says what is wrong on `err`; -EINVAL, -ENOMEM.
 * Cost:       finding a route: two hashes of the host, one walk of the path, then the conditions of
 *             the few routes that are left; no allocation, no lock. */
#ifndef LB_L7_ROUTE_ROUTE_H
#define LB_L7_ROUTE_ROUTE_H

#include <stdio.h>

#include "lb/config/config.h"
#include "lb/config/config_http.h"
#include "lb/l7/http/stream.h"

#define HTTP_NO_UPSTREAM UINT32_MAX
#define HTTP_CAPTURES    10 /* the whole and nine groups */

struct hcache_route;
struct http_policy_chain;
struct http_rewrite;
struct http_edits;
struct http_fixed;
struct files_root;
struct kv_route;

struct http_target {
	uint32_t upstream; /* index in config.upstreams */
	uint32_t weight;
};

struct http_retries {
	uint32_t cnt;  /* more tries after the first */
	uint32_t mask; /* enum http_retry_on */
	uint64_t per_try_ns;
	bool unsafe;
};

/* Of a route for CONNECT. */
struct http_connect {
	struct http_connect_target {
		struct span host; /* behind "*." where wild; len 0 and wild: any */
		uint16_t port;    /* 0: any */
		bool wild;
	} * allow;
	uint32_t allow_cnt;
	bool forward;
};

struct http_route {
	const char *name;
	uint32_t idx;    /* place in the file, from 0 */
	uint32_t number; /* http_route_number() */
	uint32_t line;
	enum http_route_kind kind;
	const struct http_action *action; /* NULL for HTTP_ROUTE_UPSTREAM: the proxy's */
	/* HTTP_ROUTE_UPSTREAM: http_route_target() chooses. */
	struct http_target *targets;
	uint32_t target_cnt, weight_sum;
	enum http_hash_by sticky_by;
	struct span sticky_name;
	enum http_field_id sticky_id; /* of the name, if it is a header's */
	struct config_http_timeouts timeouts;
	struct http_retries retries;
	uint32_t mirror; /* upstream, or HTTP_NO_UPSTREAM */
	uint32_t mirror_percent;
	bool expect_forward; /* the backend answers Expect: 100-continue */
	uint64_t max_body; /* 0: no limit; the front counts, http_policies_request() sees lengths */
	const struct http_policy_chain *policies; /* NULL: none */
	struct hcache_route *cache;               /* NULL: answers are not kept */
	struct files_root *files;                 /* HTTP_ROUTE_FILES */
	struct kv_route *kv;                      /* HTTP_ROUTE_KV */
	const struct http_connect *connect;       /* NULL: not for CONNECT */
	/* Private to lb/l7/route. */
	const struct http_rewrite *rewrite;
	const struct http_edits *request_edits, *response_edits;
	const struct http_fixed *fixed; /* of redirect and respond */
};

struct http_site; /* route_pvt.h; what other parts need is asked by functions */

/* One of each worker; made by control before it runs. */
struct http_route_worker;

/* `policy_state` of a stream: what routing and policies remember of its request. */
struct http_exchange {
	struct span original_path, original_query, original_host; /* as matched, before rewriting */
	struct span captures[HTTP_CAPTURES];
	uint32_t capture_cnt;
	uint64_t draw;      /* which share of a split: by the sticky value, or random */
	uint32_t policy_at; /* policies of the chain that have passed */
	uint32_t waiting;   /* job of a policy, plus one; 0: none */
	bool responded;     /* the response side of the policies ran */
	bool trusted;       /* a trusted proxy sent it */
	bool told;          /* the request holds what http_request_tell() adds */
	struct ip_addr hop; /* who sent it: the client, or the last proxy before us */
	struct span trace_id, traceparent;
	struct span user;  /* who was authenticated; empty: nobody */
	void *policies[4]; /* what single policies keep; by them */
};

/* prev: the site of that name in the last generation, or NULL; limiters that did not change go on
 * with their state. */
struct http_site_build {
	const struct config *cfg;
	const struct config_site *site;
	uint32_t worker_cnt;
	const struct http_site *prev;
	FILE *err; /* NULL: silent */
};

int http_site_build(const struct http_site_build *in, struct http_site **out) WARN_UNUSED;
void http_site_free(struct http_site *site); /* NULL is fine */

/* What building would say of each site of the configuration, files of keys and users included;
 * returns how many are refused. */
int http_sites_check(const struct config *cfg, FILE *err);

const char *http_site_name(const struct http_site *site);
const struct config_http_client *http_site_client(const struct http_site *site);
/* The codec looks at names; HTTP/1.1 and HTTP/2 alike. */
enum http_underscores http_site_underscores(const struct http_site *site);
enum http_server_header http_site_server(const struct http_site *site);
uint32_t http_site_route_cnt(const struct http_site *site);
const struct http_route *http_site_route(const struct http_site *site, uint32_t idx);
/* The page for an error of weir itself; false: none is configured. The body is in the stream's
 * arena or the site's. */
bool http_site_error_page(const struct http_site *site, struct http_stream *s, uint16_t status,
	struct span *type, struct span *body);

/* idx of this worker; NULL without memory. */
struct http_route_worker *http_route_worker_create(uint32_t idx, uint64_t seed);
void http_route_worker_destroy(struct http_route_worker *rw);

/* Regular expressions that took too many steps, so far. */
uint64_t http_route_given_up(const struct http_route_worker *rw);

/* s->site and s->req as the codec made it (s->client and s->peer from the connection); fills
 * s->client, s->request_id, s->route, s->policy_state. What comes back is HTTP_END_OK, or what to
 * http_fail() with: BAD_REQUEST, NO_ROUTE, LOOP, NO_MEMORY, METHOD_NOT_ALLOWED. */
enum http_end http_request_prepare(struct http_route_worker *rw, struct http_stream *s) WARN_UNUSED;
/* The request as the backend is to see it. HTTP_END_OK, NO_MEMORY or HEAD_TOO_LARGE. With a cache
 * in front of the backend, what only the backend is told (who the client is, ids, Via) is left to
 * http_request_tell(). */
enum http_end http_request_rewrite(struct http_route_worker *rw, struct http_stream *s) WARN_UNUSED;
/* The rest of it, if it was not done. */
enum http_end http_request_tell(struct http_stream *s) WARN_UNUSED;
/* Fields of the final response head that the route and site change. */
void http_response_rewrite(struct http_route_worker *rw, struct http_stream *s);

/* Which upstream is asked: by weight, sticky if the route says so. */
uint32_t http_route_target(
	struct http_route_worker *rw, const struct http_route *r, const struct http_stream *s);
/* Is this request to be copied to r->mirror? */
bool http_route_mirrors(struct http_route_worker *rw, const struct http_route *r);

/* ---- matching alone ---- */

enum route_why {
	ROUTE_MATCHED,
	ROUTE_HOST,
	ROUTE_PATH,
	ROUTE_METHOD,
	ROUTE_SCHEME,
	ROUTE_HEADER,
	ROUTE_QUERY,
	ROUTE_SOURCE,
};

/* Why the routes up to the one that matched did or did not. */
struct route_try {
	const struct http_route *route;
	enum route_why why;  /* the first condition that does not hold */
	uint32_t failed_cnt; /* how many conditions do not hold: 1 is a near miss */
	const char *detail;  /* of ROUTE_HEADER and ROUTE_QUERY: the name */
};

struct route_trace {
	struct route_try *tries; /* room for http_site_route_cnt() */
	uint32_t cnt;
};

/* First route whose conditions hold for s->req (path normalised), s->client and s->secure; NULL:
 * none. Fills the captures of *x. With a trace every route is looked at one after the other, for
 * people; without one the compiled tables are used. */
const struct http_route *http_site_match(const struct http_site *site, struct http_route_worker *rw,
	const struct http_stream *s, struct http_exchange *x, struct route_trace *trace);

#endif
