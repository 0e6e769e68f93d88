/* SPDX-License-Identifier: Apache-2.0
 * config_http - sites: what is done with HTTP requests, as the configuration says it.
 * Owner:      the struct config; immutable.
 * Invariants: CH1 every route has exactly one action. CH2 names of upstreams are those of
 *             config_upstream; indexes stand beside them. CH3 regular expressions and templates
 *             compile.
 * Units:      ns, bytes, requests a second; ports in host order. */
#ifndef LB_CONFIG_CONFIG_HTTP_H
#define LB_CONFIG_CONFIG_HTTP_H

#include "dataplane/base/compiler.h"
#include "dataplane/base/limits.h"
#include "dataplane/net/addr.h"
#include "lb/config/config_cache.h"
#include "lb/config/config_mark.h"

#define HTTP_TEXT_MAX     512  /* a path, a regular expression, a host, with its NUL */
#define HTTP_TEMPLATE_MAX 1024 /* a text with ${variables}, with its NUL */

/* ---- match ---- */

enum http_cond_kind {
	HTTP_COND_PRESENT,
	HTTP_COND_ABSENT,
	HTTP_COND_EXACT,
	HTTP_COND_PREFIX,
	HTTP_COND_REGEX
};

/* Of a header field or a query parameter. */
struct config_http_cond {
	char name[LIMIT_NAME];
	enum http_cond_kind kind; /* by which of the keys is given */
	bool present;
	char value[HTTP_TEXT_MAX], prefix[HTTP_TEXT_MAX],
		regex[HTTP_TEXT_MAX]; /* empty: not given */
	struct config_mark mark;
};

enum http_scheme_match { HTTP_SCHEME_ANY, HTTP_SCHEME_HTTP, HTTP_SCHEME_HTTPS };

struct config_http_match {
	char (*hosts)[HTTP_TEXT_MAX]; /* "example.com", "*.example.com"; none: any */
	uint32_t host_cnt;
	char (*paths)[HTTP_TEXT_MAX]; /* exact; with prefixes and regexes: any one of them */
	uint32_t path_cnt;
	char (*prefixes)[HTTP_TEXT_MAX]; /* "/api": /api and /api/x, not /apix */
	uint32_t prefix_cnt;
	char (*regexes)[HTTP_TEXT_MAX];
	uint32_t regex_cnt;
	char (*methods)[LIMIT_NAME];
	uint32_t method_cnt;
	struct config_http_cond *headers; /* all of them */
	uint32_t header_cnt;
	struct config_http_cond *query; /* all of them */
	uint32_t query_cnt;
	struct ip_prefix *sources; /* any of them */
	uint32_t source_cnt;
	enum http_scheme_match scheme;
	struct config_mark mark;
};

/* ---- actions ---- */

/* clang-format off */
enum http_route_kind {
	HTTP_ROUTE_UPSTREAM, /* `upstream` and `split` */
	HTTP_ROUTE_REDIRECT,
	HTTP_ROUTE_RESPOND,
	HTTP_ROUTE_FILES,
	HTTP_ROUTE_KV,
	HTTP_ROUTE_KIND_CNT
};
/* clang-format on */

struct config_http_target {
	char upstream[LIMIT_NAME];
	uint32_t upstream_idx; /* in config.upstreams */
	uint32_t weight;
	struct config_mark mark;
};

enum http_hash_by { HTTP_BY_NOTHING, HTTP_BY_CLIENT, HTTP_BY_COOKIE, HTTP_BY_HEADER };

enum http_expect { HTTP_EXPECT_ANSWER, HTTP_EXPECT_FORWARD };

struct config_http_sticky {
	enum http_hash_by by; /* nothing: each request is drawn anew */
	char name[LIMIT_NAME];
	struct config_mark mark;
};

struct config_http_redirect {
	uint16_t status;
	char to[HTTP_TEMPLATE_MAX];
	struct config_mark mark;
};

struct config_http_respond {
	uint16_t status;
	char type[128];
	uint8_t *body;
	uint32_t body_len;
	struct config_mark mark;
};

/* Requests CONNECT; the route takes these alone. */
struct config_http_connect {
	char (*allow)[HTTP_TEXT_MAX]; /* "db.example.com:5432", "*.example.com:443", "[::1]:*" */
	uint32_t allow_cnt;
	bool forward; /* the upstream is a proxy itself and gets the request */
	struct config_mark mark;
};

/* ---- what a route changes on the way ---- */

struct config_http_rewrite {
	char prefix[HTTP_TEXT_MAX]; /* takes the place of the prefix that matched; empty: no */
	char regex[HTTP_TEXT_MAX];  /* on the path; empty: captures are those of `match` */
	char path[HTTP_TEMPLATE_MAX];
	char host[HTTP_TEMPLATE_MAX];
	struct config_mark mark;
};

struct config_http_edit {
	char name[LIMIT_NAME];
	char value[HTTP_TEMPLATE_MAX];
	struct config_mark mark;
};

struct config_http_edits {
	struct config_http_edit *set; /* in place of all of that name */
	uint32_t set_cnt;
	struct config_http_edit *add; /* beside those that are there */
	uint32_t add_cnt;
	char (*remove)[LIMIT_NAME];
	uint32_t remove_cnt;
	struct config_mark mark;
};

enum http_retry_on {
	HTTP_RETRY_CONNECT = 1, /* no connection, or it broke before anything was sent */
	HTTP_RETRY_RESET = 2,   /* it broke before a response came */
	HTTP_RETRY_TIMEOUT = 4, /* no response in time */
	HTTP_RETRY_502 = 8,
	HTTP_RETRY_503 = 16,
	HTTP_RETRY_504 = 32,
	HTTP_RETRY_INVALID = 64, /* a response that is none */
};

struct config_http_retries {
	uint32_t cnt; /* more tries after the first */
	int *on;      /* enum http_retry_on */
	uint32_t on_cnt;
	uint32_t on_mask;
	uint64_t per_try_ns; /* 0: as long as the whole */
	bool unsafe;         /* also requests that are not idempotent, once sent */
	struct config_mark mark;
};

struct config_http_timeouts {
	uint64_t response_ns; /* until the response's head; 0: none */
	uint64_t idle_ns;     /* between two pieces of a body; 0: none */
	uint64_t total_ns;    /* of the whole exchange; 0: none */
	uint64_t tunnel_ns;   /* silence on an upgraded connection; 0: none */
};

struct config_http_mirror {
	char upstream[LIMIT_NAME];
	uint32_t upstream_idx;
	uint32_t percent;
	struct config_mark mark;
};

/* ---- policies: `policies:` of a site and of a route ---- */

struct config_policy_access {
	struct ip_prefix *allow, *deny; /* deny wins; allow empty: all */
	uint32_t allow_cnt, deny_cnt;
	struct config_mark mark;
};

enum http_rate_by { HTTP_RATE_CLIENT, HTTP_RATE_HEADER, HTTP_RATE_ROUTE };

struct config_policy_rate {
	uint64_t rate, burst; /* requests, `rate` in `per_ns` */
	uint64_t per_ns;
	enum http_rate_by by;
	char header[LIMIT_NAME];
	uint32_t entries; /* of each worker's table */
	uint16_t status;
	struct config_mark mark;
};

struct config_policy_basic {
	char realm[128];
	char users[256]; /* file of name:hash lines */
	bool forward;    /* the field Authorization goes on to the backend */
	struct config_mark mark;
};

struct config_policy_claim {
	char name[LIMIT_NAME];
	char value[256]; /* what it must be, or the header it goes to */
	struct config_mark mark;
};

enum http_jwt_alg { HTTP_JWT_HS256 = 1, HTTP_JWT_RS256 = 2, HTTP_JWT_ES256 = 4 };

struct config_policy_jwt {
	char keys[256];   /* JWKS file */
	char secret[256]; /* file of a shared secret, for HS256 */
	int *algs;        /* enum http_jwt_alg; none: those that the keys are for */
	uint32_t alg_cnt;
	char (*issuers)[256];
	uint32_t issuer_cnt;
	char (*audiences)[256];
	uint32_t audience_cnt;
	struct config_policy_claim *require; /* value empty: be there */
	uint32_t require_cnt;
	struct config_policy_claim *headers; /* claim to header */
	uint32_t header_cnt;
	char from_header[LIMIT_NAME], cookie[LIMIT_NAME],
		query[LIMIT_NAME]; /* where the token is */
	uint64_t leeway_ns;
	bool expiry; /* exp must be there */
	bool forward, optional;
	uint32_t cache; /* verified tokens that each worker remembers */
	struct config_mark mark;
};

struct config_policy_cors {
	char (*origins)[256]; /* scheme and host, perhaps a wildcard */
	uint32_t origin_cnt;
	char (*methods)[LIMIT_NAME];
	uint32_t method_cnt;
	char (*headers)[LIMIT_NAME];
	uint32_t header_cnt;
	char (*expose)[LIMIT_NAME];
	uint32_t expose_cnt;
	bool credentials;
	uint64_t max_age_ns;
	struct config_mark mark;
};

struct config_policy_security {
	uint64_t hsts_ns; /* 0: no Strict-Transport-Security; sent over TLS only */
	bool hsts_subdomains, hsts_preload;
	bool nosniff;
	char frame_options[32], referrer_policy[64], content_security_policy[HTTP_TEMPLATE_MAX],
		permissions_policy[HTTP_TEMPLATE_MAX], opener_policy[64]; /* empty: not sent */
	struct config_mark mark;
};

struct config_policies {
	bool inherit; /* of a route: begin with the site's */
	struct config_policy_access *access;
	struct config_policy_rate *rates;
	uint32_t rate_cnt;
	struct config_policy_basic *basic;
	struct config_policy_jwt *jwt;
	struct config_policy_cors *cors;
	struct config_policy_security *security;
	struct config_policy_compress *compress; /* config_compress.h */
	uint64_t max_body;                       /* in force, the site's limit included; 0: none */
	struct config_mark mark;
};

/* ---- route ---- */

struct config_http_route {
	char name[LIMIT_NAME]; /* default: route1, route2, ... */
	struct config_http_match match;
	enum http_route_kind kind; /* by which of the following is given */
	char upstream[LIMIT_NAME]; /* becomes one target */
	struct config_http_target *split;
	uint32_t split_cnt;
	struct config_http_target *targets; /* of both forms */
	uint32_t target_cnt;
	struct config_http_sticky sticky;
	struct config_http_redirect *redirect;
	struct config_http_respond *respond;
	struct config_http_files *files; /* config_files.h */
	struct config_http_kv *kv;       /* config_kv.h */
	struct config_http_connect *connect;
	enum http_expect expect;
	struct config_http_rewrite *rewrite;
	struct config_http_edits request_headers, response_headers;
	struct config_http_timeouts timeouts;
	struct config_http_retries retries;
	struct config_http_mirror *mirror;
	struct config_http_cache *cache;
	struct config_policies policies;
	struct config_mark mark;
};

/* ---- site ---- */

/* What a client may do, whatever its requests are for. */
struct config_http_client {
	uint64_t head_ns;  /* from the first byte of a request to the end of its head */
	uint64_t body_ns;  /* between two pieces of a body */
	uint64_t idle_ns;  /* between two requests */
	uint64_t send_ns;  /* the client takes nothing of a response */
	uint64_t min_rate; /* bytes a second of a body; 0: any */
	uint64_t min_rate_after_ns;
	uint32_t head_bytes, uri_bytes; /* the request line counts to the head too */
	uint32_t fields;
	uint64_t body_bytes; /* 0: no limit */
	uint32_t requests;   /* of one connection; 0: no limit */
};

enum http_underscores { HTTP_UNDERSCORES_KEEP, HTTP_UNDERSCORES_DROP, HTTP_UNDERSCORES_REFUSE };
enum http_server_header { HTTP_SERVER_KEEP, HTTP_SERVER_REMOVE, HTTP_SERVER_WEIR };
enum http_slash { HTTP_SLASH_REFUSE, HTTP_SLASH_KEEP, HTTP_SLASH_MERGE };
enum http_dots { HTTP_DOTS_RESOLVE, HTTP_DOTS_REFUSE };

struct config_http_path {
	enum http_slash encoded_slash; /* %2F: refuse or keep */
	enum http_slash double_slash;
	enum http_slash backslash; /* '\' and %5C: refuse or keep */
	enum http_dots dots;
};

enum http_forward { HTTP_FORWARD_X, HTTP_FORWARD_RFC7239, HTTP_FORWARD_BOTH, HTTP_FORWARD_NONE };

struct config_http_forwarded {
	struct ip_prefix *trusted; /* proxies whose word about the client counts */
	uint32_t trusted_cnt;
	enum http_forward send;
};

enum http_id_trust { HTTP_ID_TRUSTED, HTTP_ID_ALWAYS, HTTP_ID_NEVER };

struct config_http_ids {
	enum http_id_trust accept; /* whose X-Request-Id is kept */
	bool respond;              /* the client is told */
	bool trace;                /* W3C traceparent: continued, or begun */
};

struct config_http_via {
	char name[LIMIT_NAME]; /* empty: no Via */
	uint32_t max;          /* more of our own name in it: a loop */
};

struct config_http_error_page {
	uint32_t *statuses; /* none: any */
	uint32_t status_cnt;
	char type[128];
	uint8_t *body;
	uint32_t body_len;
	struct config_mark mark;
};

struct config_site {
	char name[LIMIT_NAME];
	struct config_http_route *routes;
	uint32_t route_cnt;
	struct config_policies policies;
	struct config_http_client client; /* `timeouts` and `limits` */
	struct config_http_path path;
	enum http_underscores underscores;
	enum http_server_header server;
	struct config_http_forwarded forwarded;
	struct config_http_ids ids;
	struct config_http_via via;
	struct config_http_error_page *error_pages;
	uint32_t error_page_cnt;
	struct config_mark mark;
};

#endif
