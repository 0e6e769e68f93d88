/* SPDX-License-Identifier: Apache-2.0
 * route_pvt - layout of compiled sites, shared inside lb/l7/route and by policies.
 * Owner:      control until a site is published, then immutable until it is freed. */
#ifndef LB_L7_ROUTE_ROUTE_PVT_H
#define LB_L7_ROUTE_ROUTE_PVT_H

#include "dataplane/base/hash.h"
#include "dataplane/base/rng.h"
#include "lb/config/arena.h"
#include "lb/l4/prefix_set.h"
#include "lb/l7/policy/policy.h"
#include "lb/l7/route/regex.h"
#include "lb/l7/route/route.h"
#include "lb/l7/route/template.h"

/* ---- conditions ---- */

struct route_cond {
	enum http_cond_kind kind;
	enum http_field_id field;
	struct span name, value;
	struct regex *regex;
};

struct route_match {
	struct span *hosts, *paths, *prefixes, *methods;
	struct regex **regexes;
	struct route_cond *headers, *query;
	uint32_t host_cnt, path_cnt, prefix_cnt, regex_cnt, method_cnt, header_cnt, query_cnt;
	uint32_t method_mask; /* bits of enum http_method; 0 with method_cnt 0: any */
	struct prefix_set *sources;
	enum http_scheme_match scheme;
	bool any_path, any_host;
	bool connect; /* for CONNECT alone; other routes never are */
};

/* ---- what is changed ---- */

struct http_rewrite {
	struct span prefix; /* len 0: none */
	struct regex *regex;
	struct template *path, *host;
};

struct route_edit {
	enum http_field_id field;
	struct span name;
	struct template *value;
};

struct http_edits {
	struct route_edit *set, *add, *remove;
	uint32_t set_cnt, add_cnt, remove_cnt;
};

/* Of redirect and respond. */
struct http_fixed {
	uint16_t status;
	struct span type, body;
	struct template *location;
};

struct route_rule {
	struct http_route r;
	struct route_match m;
	uint32_t captures; /* that its templates use, plus one; 0: none */
};

/* ---- tables ---- */

/* Sorted route indexes for one key. */
struct route_list {
	const uint32_t *routes;
	uint32_t cnt;
};

struct key_slot {
	uint32_t hash;
	uint32_t value; /* plus one; 0: free */
	struct span key;
};

/* Texts to numbers; at most half full. */
struct key_map {
	struct key_slot *slots;
	uint32_t mask; /* UINT32_MAX: empty */
};

/* Routes of one host pattern. */
struct route_view {
	struct key_map exact, prefixes; /* to lists */
	struct route_list *lists;
	struct route_list rest;  /* with regular expressions, or without a path */
	uint32_t prefix_len_max; /* longest key of prefixes */
};

struct route_tables {
	struct key_map hosts; /* "a.example" and ".example" of wildcards, to views */
	struct route_view *views;
	struct route_view any;
	bool wildcards;
};

/* ---- site ---- */

struct route_owned {
	void *what;
	void (*free)(void *what);
	struct route_owned *next;
};

struct error_page {
	const uint32_t *statuses;
	uint32_t status_cnt;
	struct span type, body;
};

struct http_site {
	char name[LIMIT_NAME];
	struct arena arena;
	struct route_owned *owned;
	struct route_rule *rules;
	uint32_t rule_cnt, worker_cnt;
	struct route_tables tables;
	struct http_route self; /* what is asked of weir itself: OPTIONS * */
	struct http_fixed self_fixed;
	struct config_http_client client;
	struct config_http_path path;
	struct config_http_ids ids;
	struct prefix_set *trusted;
	enum http_forward forward;
	enum http_underscores underscores;
	enum http_server_header server;
	struct span via_name, via[3]; /* what is added to a request of HTTP/1.0, 1.1 and 2 */
	uint32_t via_max;
	struct error_page *pages;
	uint32_t page_cnt;
	struct siphash_key seed;       /* of sticky splits: the same on every node */
	struct http_policy **policies; /* each once, with a reference */
	uint32_t policy_cnt;
};

struct http_route_worker {
	uint32_t idx;
	struct rng rng;
	struct regex_scratch *regex;
	void (*go_on)(struct http_stream *s, enum http_verdict v);
	struct slow_worker *slow; /* lb/l7/policy/slow.h */
	bool slow_inline;         /* there is no thread for slow work */
};

extern const struct http_action http_action_fixed;

/* ---- inside the folder ---- */

int route_tables_build(struct http_site *site);
/* Does every condition but host and path hold? */
bool route_conditions_hold(
	const struct route_match *m, struct http_route_worker *rw, const struct http_stream *s);
bool route_host_holds(const struct route_match *m, struct span host);
bool route_path_holds(const struct route_match *m, struct http_route_worker *rw, struct span path);
bool route_cond_header(
	const struct route_cond *c, struct http_route_worker *rw, const struct http_head *h);
bool route_cond_query(const struct route_cond *c, struct http_route_worker *rw, struct span query);
bool route_method_holds(const struct route_match *m, const struct http_head *h);
bool route_scheme_holds(const struct route_match *m, const struct http_head *h);
/* Captures of the regular expression that matched; none if a text did. */
void route_capture(const struct route_rule *rule, struct http_route_worker *rw, struct span path,
	struct http_exchange *x);
struct span route_span(struct arena *a, const char *text);
/* A value out of which comes the same on every node: of the client, a cookie or a header. */
bool route_sticky_value(const struct http_route *r, const struct http_site *site,
	const struct http_stream *s, uint64_t *hash);

/* forwarded.c: who is the client, and what is said about it. */
void forwarded_client(const struct http_site *site, struct http_stream *s, struct http_exchange *x);
enum http_end forwarded_fields(
	const struct http_site *site, struct http_stream *s, const struct http_exchange *x);
/* lb/l7/policy/slow.c */
void slow_worker_free(struct http_route_worker *rw);
/* ids.c */
enum http_end ids_prepare(const struct http_site *site, struct http_route_worker *rw,
	struct http_stream *s, struct http_exchange *x);
enum http_end ids_fields(
	const struct http_site *site, struct http_stream *s, const struct http_exchange *x);

static inline struct http_exchange *route_exchange(const struct http_stream *s)
{
	return s->policy_state;
}

#endif
