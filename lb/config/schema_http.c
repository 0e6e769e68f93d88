/* SPDX-License-Identifier: Apache-2.0
 * The table of sites and routes: what is done with HTTP requests. */
#include "lb/config/config_http.h"
#include "lb/config/schema.h"

#define MS UINT64_C(1000000)
#define S  (1000 * MS)
#define H  (3600 * S)

#define FIELDS(array) .fields = array, .field_cnt = ARRAY_SIZE(array)

/* ---- match ---- */

static const struct schema_field cond_fields[] = {
	{"value", SCHEMA_STRING, 0, SCHEMA_AT(config_http_cond, value), .dflt = "\"\"",
		.help = "Exactly this."},
	{"prefix", SCHEMA_STRING, 0, SCHEMA_AT(config_http_cond, prefix), .dflt = "\"\"",
		.help = "What it begins with."},
	{"regex", SCHEMA_STRING, 0, SCHEMA_AT(config_http_cond, regex), .dflt = "\"\"",
		.help = "Regular expression (PCRE2) that is found in it; anchor it with ^ and $."},
	{"present", SCHEMA_BOOL, 0, SCHEMA_AT(config_http_cond, present), .dflt = "true",
		.help = "Without another key: it is there, whatever it says; false: it is not."},
};

static const struct schema_map header_cond_map = {
	.name = "header",
	.help = "What a header field must be; of several fields of that name any one. `NAME: text` "
		"stands for `NAME: {value: text}`.",
	FIELDS(cond_fields),
	.size = sizeof(struct config_http_cond),
	.mark_offset = offsetof(struct config_http_cond, mark),
	.name_offset = offsetof(struct config_http_cond, name),
	.scalar_key = "value",
};

static const struct schema_map query_cond_map = {
	.name = "parameter",
	.help = "What a parameter of the query must be, percent-decoded. `NAME: text` stands for "
		"`NAME: {value: text}`.",
	FIELDS(cond_fields),
	.size = sizeof(struct config_http_cond),
	.mark_offset = offsetof(struct config_http_cond, mark),
	.name_offset = offsetof(struct config_http_cond, name),
	.scalar_key = "value",
};

static const struct schema_enum scheme_words[] = {
	{"any", HTTP_SCHEME_ANY, NULL},
	{"http", HTTP_SCHEME_HTTP, NULL},
	{"https", HTTP_SCHEME_HTTPS, NULL},
	{NULL, 0, NULL},
};

static const struct schema_field match_fields[] = {
	{"host", SCHEMA_STRING, SCHEMA_LIST, SCHEMA_LIST_AT(config_http_match, hosts, host_cnt),
		.max_cnt = LIMIT_HTTP_CHOICES,
		.help = "Names of the site, without port: `example.com`, or `*.example.com` for "
			"every name below it."},
	{"path", SCHEMA_STRING, SCHEMA_LIST, SCHEMA_LIST_AT(config_http_match, paths, path_cnt),
		.max_cnt = LIMIT_HTTP_CHOICES, .help = "Paths, exactly."},
	{"prefix", SCHEMA_STRING, SCHEMA_LIST,
		SCHEMA_LIST_AT(config_http_match, prefixes, prefix_cnt),
		.max_cnt = LIMIT_HTTP_CHOICES,
		.help = "Paths and everything below: `/api` is good for /api and /api/x, not for "
			"/apix."},
	{"regex", SCHEMA_STRING, SCHEMA_LIST, SCHEMA_LIST_AT(config_http_match, regexes, regex_cnt),
		.max_cnt = LIMIT_HTTP_CHOICES,
		.help = "Regular expressions (PCRE2) that are found in the path; anchor them with "
			"^ and $. Captures can be used as `${1}`."},
	{"methods", SCHEMA_NAME, SCHEMA_LIST,
		SCHEMA_LIST_AT(config_http_match, methods, method_cnt),
		.max_cnt = LIMIT_HTTP_CHOICES, .help = "Methods; GET stands for HEAD too."},
	{"headers", SCHEMA_MAP, SCHEMA_NAMED,
		SCHEMA_LIST_AT(config_http_match, headers, header_cnt), .max_cnt = LIMIT_HTTP_CONDS,
		.map = &header_cond_map, .help = "Header fields, all of them."},
	{"query", SCHEMA_MAP, SCHEMA_NAMED, SCHEMA_LIST_AT(config_http_match, query, query_cnt),
		.max_cnt = LIMIT_HTTP_CONDS, .map = &query_cond_map,
		.help = "Parameters of the query, all of them."},
	{"source", SCHEMA_PREFIX, SCHEMA_LIST,
		SCHEMA_LIST_AT(config_http_match, sources, source_cnt), .max_cnt = LIMIT_PREFIXES,
		.help = "Where the client is."},
	{"scheme", SCHEMA_ENUM, 0, SCHEMA_AT(config_http_match, scheme), .dflt = "any",
		.words = scheme_words, .help = "How the client came."},
};

static const struct schema_map match_map = {
	.name = "match",
	.help = "Which requests a route is for: every key that is given must hold, and of `path`, "
		"`prefix` and `regex` together any one. Nothing: all requests. `match: /api` "
		"stands for `match: {prefix: /api}`. Paths are compared normalised, as `path` of "
		"the site says; they are forwarded like that too.",
	FIELDS(match_fields),
	.mark_offset = offsetof(struct config_http_match, mark),
	.scalar_key = "prefix",
};

/* ---- actions ---- */

static const struct schema_field target_fields[] = {
	{"upstream", SCHEMA_NAME, SCHEMA_REQUIRED, SCHEMA_AT(config_http_target, upstream),
		.help = "Name of the upstream."},
	{"weight", SCHEMA_UINT, SCHEMA_REQUIRED, SCHEMA_AT(config_http_target, weight), .min = 0,
		.max = LIMIT_WEIGHT, .help = "Share of the requests."},
};

static const struct schema_map target_map = {
	.name = "share",
	.help = "One of several upstreams.",
	FIELDS(target_fields),
	.size = sizeof(struct config_http_target),
	.mark_offset = offsetof(struct config_http_target, mark),
};

static const struct schema_enum sticky_words[] = {
	{"nothing", HTTP_BY_NOTHING, "each request is drawn anew"},
	{"client", HTTP_BY_CLIENT, "the client's address; IPv6 by its /64"},
	{"cookie", HTTP_BY_COOKIE, "the cookie `name`; without it each request is drawn anew"},
	{"header", HTTP_BY_HEADER, "the header `name`; without it each request is drawn anew"},
	{NULL, 0, NULL},
};

static const struct schema_field sticky_fields[] = {
	{"by", SCHEMA_ENUM, 0, SCHEMA_AT(config_http_sticky, by), .dflt = "nothing",
		.words = sticky_words, .help = "What decides."},
	{"name", SCHEMA_NAME, 0, SCHEMA_AT(config_http_sticky, name), .dflt = "\"\"",
		.help = "Name of the cookie or header."},
};

static const struct schema_map sticky_map = {
	.name = "split_by",
	.help = "What keeps a client with one share of a `split`. The same value finds the same "
		"share on every node with the same configuration. `split_by: client` stands for "
		"`split_by: {by: client}`.",
	FIELDS(sticky_fields),
	.mark_offset = offsetof(struct config_http_sticky, mark),
	.scalar_key = "by",
};

static const struct schema_field redirect_fields[] = {
	{"to", SCHEMA_STRING, SCHEMA_REQUIRED, SCHEMA_AT(config_http_redirect, to),
		.help = "Where to, with `${variables}`: `https://${host}${uri}`."},
	{"status", SCHEMA_UINT, 0, SCHEMA_AT(config_http_redirect, status), .min = 301, .max = 308,
		.dflt = "308", .help = "301, 302, 303, 307 or 308."},
};

static const struct schema_map redirect_map = {
	.name = "redirect",
	.help = "Send the client elsewhere. `redirect: URL` stands for `redirect: {to: URL}`.",
	FIELDS(redirect_fields),
	.size = sizeof(struct config_http_redirect),
	.mark_offset = offsetof(struct config_http_redirect, mark),
	.scalar_key = "to",
};

static const struct schema_field respond_fields[] = {
	{"status", SCHEMA_UINT, 0, SCHEMA_AT(config_http_respond, status), .min = 200, .max = 599,
		.dflt = "200", .help = "Status of the answer."},
	{"type", SCHEMA_STRING, 0, SCHEMA_AT(config_http_respond, type),
		.dflt = "text/plain; charset=utf-8", .help = "Content-Type."},
	{"body", SCHEMA_BYTES, 0, SCHEMA_AT(config_http_respond, body),
		.cnt_offset = offsetof(struct config_http_respond, body_len),
		.max = LIMIT_HTTP_BODY, .dflt = "\"\"",
		.help = "The body: a text, or `hex:` and pairs of digits."},
};

static const struct schema_map respond_map = {
	.name = "respond",
	.help = "A fixed answer. `respond: 404` stands for `respond: {status: 404}`.",
	FIELDS(respond_fields),
	.size = sizeof(struct config_http_respond),
	.mark_offset = offsetof(struct config_http_respond, mark),
	.scalar_key = "status",
};

/* ---- changes ---- */

static const struct schema_field rewrite_fields[] = {
	{"prefix", SCHEMA_STRING, 0, SCHEMA_AT(config_http_rewrite, prefix), .dflt = "\"\"",
		.help = "Takes the place of the `prefix` that matched."},
	{"regex", SCHEMA_STRING, 0, SCHEMA_AT(config_http_rewrite, regex), .dflt = "\"\"",
		.help = "Regular expression (PCRE2) on the path, whose captures `path` can use; if "
			"it is not found, the path stays. Without it the captures of `match`."},
	{"path", SCHEMA_STRING, 0, SCHEMA_AT(config_http_rewrite, path), .dflt = "\"\"",
		.help = "The whole new path, with `${variables}`; a `?` in it begins a new query."},
	{"host", SCHEMA_STRING, 0, SCHEMA_AT(config_http_rewrite, host), .dflt = "\"\"",
		.help = "The host that the backend is asked for, with `${variables}`."},
};

static const struct schema_map rewrite_map = {
	.name = "rewrite",
	.help = "What the backend is asked for instead.",
	FIELDS(rewrite_fields),
	.size = sizeof(struct config_http_rewrite),
	.mark_offset = offsetof(struct config_http_rewrite, mark),
};

static const struct schema_field edit_fields[] = {
	{"value", SCHEMA_STRING, SCHEMA_REQUIRED, SCHEMA_AT(config_http_edit, value),
		.help = "The value, with `${variables}`; if it comes out empty, nothing is sent."},
};

static const struct schema_map edit_map = {
	.name = "field",
	.help = "`NAME: text` stands for `NAME: {value: text}`.",
	FIELDS(edit_fields),
	.size = sizeof(struct config_http_edit),
	.mark_offset = offsetof(struct config_http_edit, mark),
	.name_offset = offsetof(struct config_http_edit, name),
	.scalar_key = "value",
};

static const struct schema_field edits_fields[] = {
	{"remove", SCHEMA_NAME, SCHEMA_LIST, SCHEMA_LIST_AT(config_http_edits, remove, remove_cnt),
		.max_cnt = LIMIT_HTTP_EDITS, .help = "Fields to leave out; done first."},
	{"set", SCHEMA_MAP, SCHEMA_NAMED, SCHEMA_LIST_AT(config_http_edits, set, set_cnt),
		.max_cnt = LIMIT_HTTP_EDITS, .map = &edit_map,
		.help = "Fields in place of all of that name."},
	{"add", SCHEMA_MAP, SCHEMA_NAMED, SCHEMA_LIST_AT(config_http_edits, add, add_cnt),
		.max_cnt = LIMIT_HTTP_EDITS, .map = &edit_map,
		.help = "Fields beside those that are there."},
};

static const struct schema_map edits_map = {
	.name = "headers",
	.help = "Changes of header fields. Framing and connection fields cannot be changed.",
	FIELDS(edits_fields),
	.mark_offset = offsetof(struct config_http_edits, mark),
};

static const struct schema_field timeout_fields[] = {
	{"response", SCHEMA_DURATION, 0, SCHEMA_AT(config_http_timeouts, response_ns), .min = 0,
		.max = 24 * H, .dflt = "60s",
		.help = "Until the head of the backend's response is there; 0: none."},
	{"idle", SCHEMA_DURATION, 0, SCHEMA_AT(config_http_timeouts, idle_ns), .min = 0,
		.max = 24 * H, .dflt = "60s",
		.help = "Between two pieces of a body to or from the backend; 0: none."},
	{"total", SCHEMA_DURATION, 0, SCHEMA_AT(config_http_timeouts, total_ns), .min = 0,
		.max = 24 * H, .dflt = "0",
		.help = "Of the whole exchange, retries included; 0: none."},
	{"tunnel", SCHEMA_DURATION, 0, SCHEMA_AT(config_http_timeouts, tunnel_ns), .min = 0,
		.max = 30 * 24 * H, .dflt = "1h",
		.help = "Silence on an upgraded connection (WebSocket); 0: none."},
};

static const struct schema_map timeout_map = {
	.name = "timeouts",
	.help = "How long a backend may take.",
	FIELDS(timeout_fields),
};

static const struct schema_enum retry_words[] = {
	{"connect", HTTP_RETRY_CONNECT,
		"no connection came about, or it was gone before anything "
		"was sent"},
	{"reset", HTTP_RETRY_RESET, "the connection broke before a response"},
	{"timeout", HTTP_RETRY_TIMEOUT, "no response in time"},
	{"invalid", HTTP_RETRY_INVALID, "what came was no valid response"},
	{"status_502", HTTP_RETRY_502, "status 502"},
	{"status_503", HTTP_RETRY_503, "status 503"},
	{"status_504", HTTP_RETRY_504, "status 504"},
	{NULL, 0, NULL},
};

static const struct schema_field retry_fields[] = {
	{"count", SCHEMA_UINT, 0, SCHEMA_AT(config_http_retries, cnt), .min = 0, .max = 10,
		.dflt = "1", .help = "More tries after the first, each with another backend."},
	{"when", SCHEMA_ENUM, SCHEMA_LIST, SCHEMA_LIST_AT(config_http_retries, on, on_cnt),
		.max_cnt = 7, .words = retry_words, .dflt_doc = "connect, reset",
		.help = "After what. What was sent to a backend is tried again only if the method "
			"is idempotent and the body is still at hand."},
	{"per_try", SCHEMA_DURATION, 0, SCHEMA_AT(config_http_retries, per_try_ns), .min = 0,
		.max = 24 * H, .dflt = "0",
		.help = "Time of one try until the response's head; 0: `timeouts.response`."},
	{"unsafe", SCHEMA_BOOL, 0, SCHEMA_AT(config_http_retries, unsafe), .dflt = "false",
		.help = "Also requests that are not idempotent (POST, PATCH)."},
};

static const struct schema_map retry_map = {
	.name = "retries",
	.help = "Tries after a failed one. `retries: 2` stands for `retries: {count: 2}`.",
	FIELDS(retry_fields),
	.mark_offset = offsetof(struct config_http_retries, mark),
	.scalar_key = "count",
};

static const struct schema_field mirror_fields[] = {
	{"upstream", SCHEMA_NAME, SCHEMA_REQUIRED, SCHEMA_AT(config_http_mirror, upstream),
		.help = "Who gets the copies."},
	{"percent", SCHEMA_PERCENT, 0, SCHEMA_AT(config_http_mirror, percent), .min = 0, .max = 100,
		.dflt = "100%", .help = "How many of the requests."},
};

static const struct schema_map mirror_map = {
	.name = "mirror",
	.help = "Copies of requests without a body for another upstream, whose answers are "
		"dropped. `mirror: "
		"NAME` stands for `mirror: {upstream: NAME}`.",
	FIELDS(mirror_fields),
	.size = sizeof(struct config_http_mirror),
	.mark_offset = offsetof(struct config_http_mirror, mark),
	.scalar_key = "upstream",
};

/* ---- policies ---- */

static const struct schema_field access_fields[] = {
	{"allow", SCHEMA_PREFIX, SCHEMA_LIST,
		SCHEMA_LIST_AT(config_policy_access, allow, allow_cnt), .max_cnt = LIMIT_PREFIXES,
		.help = "Clients that may ask; empty: all."},
	{"deny", SCHEMA_PREFIX, SCHEMA_LIST, SCHEMA_LIST_AT(config_policy_access, deny, deny_cnt),
		.max_cnt = LIMIT_PREFIXES, .help = "Clients that may not, whatever `allow` says."},
};

static const struct schema_map access_map = {
	.name = "access",
	.help = "Clients by address; others get 403.",
	FIELDS(access_fields),
	.size = sizeof(struct config_policy_access),
	.mark_offset = offsetof(struct config_policy_access, mark),
};

static const struct schema_enum rate_words[] = {
	{"client", HTTP_RATE_CLIENT, "each client address; IPv6 by its /64"},
	{"header", HTTP_RATE_HEADER, "each value of `header`; requests without it share one"},
	{"route", HTTP_RATE_ROUTE, "all requests together"},
	{NULL, 0, NULL},
};

static const struct schema_field rate_fields[] = {
	{"rate", SCHEMA_COUNT, SCHEMA_REQUIRED, SCHEMA_AT(config_policy_rate, rate), .min = 1,
		.max = 1000000000, .help = "Requests in `per`, over all workers."},
	{"per", SCHEMA_DURATION, 0, SCHEMA_AT(config_policy_rate, per_ns), .min = 100 * MS,
		.max = 24 * H, .dflt = "1s", .help = "Time that `rate` is for."},
	{"burst", SCHEMA_COUNT, 0, SCHEMA_AT(config_policy_rate, burst), .min = 1,
		.max = 1000000000, .dflt_doc = "`rate`",
		.help = "Requests that may come at once after a silence."},
	{"by", SCHEMA_ENUM, 0, SCHEMA_AT(config_policy_rate, by), .dflt = "client",
		.words = rate_words, .help = "What is counted together."},
	{"header", SCHEMA_NAME, 0, SCHEMA_AT(config_policy_rate, header), .dflt = "\"\"",
		.help = "Name of the header with `by: header`."},
	{"entries", SCHEMA_COUNT, 0, SCHEMA_AT(config_policy_rate, entries), .min = 64,
		.max = 1 << 22, .dflt = "65536",
		.help = "Clients or values that are told apart (16 bytes each); those "
			"that asked longest ago are forgotten first."},
	{"status", SCHEMA_UINT, 0, SCHEMA_AT(config_policy_rate, status), .min = 400, .max = 599,
		.dflt = "429", .help = "Answer to those above, with Retry-After."},
};

static const struct schema_map rate_map = {
	.name = "rate limit",
	.help = "Token bucket. `rate_limits: [100]` stands for `rate_limits: [{rate: 100}]`: a "
		"hundred requests a second of each client address.",
	FIELDS(rate_fields),
	.size = sizeof(struct config_policy_rate),
	.mark_offset = offsetof(struct config_policy_rate, mark),
	.scalar_key = "rate",
};

static const struct schema_field basic_fields[] = {
	{"users", SCHEMA_STRING, SCHEMA_REQUIRED, SCHEMA_AT(config_policy_basic, users),
		.help = "File with a line `NAME:HASH` for each user, as `htpasswd -B` or `openssl "
			"passwd -6` make them (bcrypt, yescrypt, SHA-256 or SHA-512 crypt)."},
	{"realm", SCHEMA_STRING, 0, SCHEMA_AT(config_policy_basic, realm), .dflt = "restricted",
		.help = "What the browser tells the user."},
	{"forward", SCHEMA_BOOL, 0, SCHEMA_AT(config_policy_basic, forward), .dflt = "false",
		.help = "The backend gets the field Authorization too."},
};

static const struct schema_map basic_map = {
	.name = "basic_auth",
	.help = "Name and password (RFC 7617). `basic_auth: FILE` stands for `basic_auth: {users: "
		"FILE}`.",
	FIELDS(basic_fields),
	.size = sizeof(struct config_policy_basic),
	.mark_offset = offsetof(struct config_policy_basic, mark),
	.scalar_key = "users",
};

static const struct schema_enum alg_words[] = {
	{"HS256", HTTP_JWT_HS256, "HMAC with SHA-256"},
	{"RS256", HTTP_JWT_RS256, "RSA with SHA-256"},
	{"ES256", HTTP_JWT_ES256, "ECDSA on P-256 with SHA-256"},
	{NULL, 0, NULL},
};

static const struct schema_field claim_fields[] = {
	{"value", SCHEMA_STRING, 0, SCHEMA_AT(config_policy_claim, value), .dflt = "\"\"",
		.help = "What the claim must be, or one of its list; empty: be there."},
};

static const struct schema_map claim_map = {
	.name = "claim",
	.help = "`NAME: text` stands for `NAME: {value: text}`.",
	FIELDS(claim_fields),
	.size = sizeof(struct config_policy_claim),
	.mark_offset = offsetof(struct config_policy_claim, mark),
	.name_offset = offsetof(struct config_policy_claim, name),
	.scalar_key = "value",
};

static const struct schema_field claim_header_fields[] = {
	{"header", SCHEMA_STRING, SCHEMA_REQUIRED, SCHEMA_AT(config_policy_claim, value),
		.help = "Field of the request to the backend; what the client sent under this name "
			"is removed in any case."},
};

static const struct schema_map claim_header_map = {
	.name = "claim header",
	.help = "`NAME: X-Field` stands for `NAME: {header: X-Field}`.",
	FIELDS(claim_header_fields),
	.size = sizeof(struct config_policy_claim),
	.mark_offset = offsetof(struct config_policy_claim, mark),
	.name_offset = offsetof(struct config_policy_claim, name),
	.scalar_key = "header",
};

static const struct schema_field jwt_fields[] = {
	{"keys", SCHEMA_STRING, 0, SCHEMA_AT(config_policy_jwt, keys), .dflt = "\"\"",
		.help = "JWKS file (RFC 7517) of the keys that may have signed."},
	{"secret", SCHEMA_STRING, 0, SCHEMA_AT(config_policy_jwt, secret), .dflt = "\"\"",
		.help = "File with a secret of at least 32 bytes, for HS256."},
	{"algorithms", SCHEMA_ENUM, SCHEMA_LIST, SCHEMA_LIST_AT(config_policy_jwt, algs, alg_cnt),
		.max_cnt = 3, .words = alg_words, .dflt_doc = "those of the keys",
		.help = "Algorithms that are taken; a key is used for its own kind alone."},
	{"issuer", SCHEMA_STRING, SCHEMA_LIST,
		SCHEMA_LIST_AT(config_policy_jwt, issuers, issuer_cnt), .max_cnt = 16,
		.help = "Claim `iss` must be one of these."},
	{"audience", SCHEMA_STRING, SCHEMA_LIST,
		SCHEMA_LIST_AT(config_policy_jwt, audiences, audience_cnt), .max_cnt = 16,
		.help = "Claim `aud` must name one of these."},
	{"require", SCHEMA_MAP, SCHEMA_NAMED,
		SCHEMA_LIST_AT(config_policy_jwt, require, require_cnt), .max_cnt = 16,
		.map = &claim_map, .help = "Further claims that must hold."},
	{"to_headers", SCHEMA_MAP, SCHEMA_NAMED,
		SCHEMA_LIST_AT(config_policy_jwt, headers, header_cnt), .max_cnt = 16,
		.map = &claim_header_map, .help = "Claims that the backend is told."},
	{"header", SCHEMA_NAME, 0, SCHEMA_AT(config_policy_jwt, from_header),
		.dflt = "authorization",
		.help = "Field that holds the token, with `Bearer` before it in Authorization."},
	{"cookie", SCHEMA_NAME, 0, SCHEMA_AT(config_policy_jwt, cookie), .dflt = "\"\"",
		.help = "Cookie that holds it, if the field does not."},
	{"query", SCHEMA_NAME, 0, SCHEMA_AT(config_policy_jwt, query), .dflt = "\"\"",
		.help = "Parameter of the query that holds it, if neither does; such tokens end up "
			"in logs."},
	{"leeway", SCHEMA_DURATION, 0, SCHEMA_AT(config_policy_jwt, leeway_ns), .min = 0, .max = H,
		.dflt = "10s", .help = "How far clocks may differ."},
	{"require_expiry", SCHEMA_BOOL, 0, SCHEMA_AT(config_policy_jwt, expiry), .dflt = "true",
		.help = "Refuse tokens without `exp`."},
	{"optional", SCHEMA_BOOL, 0, SCHEMA_AT(config_policy_jwt, optional), .dflt = "false",
		.help = "Requests without a token pass; a wrong one is refused all the same."},
	{"forward", SCHEMA_BOOL, 0, SCHEMA_AT(config_policy_jwt, forward), .dflt = "true",
		.help = "The backend gets the token too."},
	{"cache", SCHEMA_COUNT, 0, SCHEMA_AT(config_policy_jwt, cache), .min = 16, .max = 1 << 20,
		.dflt = "1024",
		.help = "Verified tokens that each worker remembers, until they expire."},
};

static const struct schema_map jwt_map = {
	.name = "jwt",
	.help = "Signed tokens (RFC 7519); without a good one the answer is 401.",
	FIELDS(jwt_fields),
	.size = sizeof(struct config_policy_jwt),
	.mark_offset = offsetof(struct config_policy_jwt, mark),
};

static const struct schema_field cors_fields[] = {
	{"origins", SCHEMA_STRING, SCHEMA_REQUIRED | SCHEMA_LIST,
		SCHEMA_LIST_AT(config_policy_cors, origins, origin_cnt), .max_cnt = 64,
		.help = "Who may read answers: `https://app.example.com`, "
			"`https://*.example.com`, or `*` for all."},
	{"methods", SCHEMA_NAME, SCHEMA_LIST,
		SCHEMA_LIST_AT(config_policy_cors, methods, method_cnt), .max_cnt = 32,
		.dflt_doc = "GET, HEAD, POST", .help = "Methods that may be used."},
	{"headers", SCHEMA_NAME, SCHEMA_LIST,
		SCHEMA_LIST_AT(config_policy_cors, headers, header_cnt), .max_cnt = 64,
		.help = "Request fields that may be sent, beyond the safelisted ones."},
	{"expose", SCHEMA_NAME, SCHEMA_LIST, SCHEMA_LIST_AT(config_policy_cors, expose, expose_cnt),
		.max_cnt = 64, .help = "Response fields that scripts may read."},
	{"credentials", SCHEMA_BOOL, 0, SCHEMA_AT(config_policy_cors, credentials), .dflt = "false",
		.help = "With cookies and the like; not with `*`."},
	{"max_age", SCHEMA_DURATION, 0, SCHEMA_AT(config_policy_cors, max_age_ns), .min = 0,
		.max = 24 * H, .dflt = "10m", .help = "How long a preflight's answer holds."},
};

static const struct schema_map cors_map = {
	.name = "cors",
	.help = "Cross-origin requests of browsers. Preflights are answered by weir; what a "
		"backend says about it is replaced.",
	FIELDS(cors_fields),
	.size = sizeof(struct config_policy_cors),
	.mark_offset = offsetof(struct config_policy_cors, mark),
};

static const struct schema_field security_fields[] = {
	{"hsts", SCHEMA_DURATION, 0, SCHEMA_AT(config_policy_security, hsts_ns), .min = 0,
		.max = 3660 * 24 * H, .dflt = "365d",
		.help = "Strict-Transport-Security, over TLS alone; 0: none."},
	{"hsts_subdomains", SCHEMA_BOOL, 0, SCHEMA_AT(config_policy_security, hsts_subdomains),
		.dflt = "false", .help = "It holds for all names below."},
	{"hsts_preload", SCHEMA_BOOL, 0, SCHEMA_AT(config_policy_security, hsts_preload),
		.dflt = "false", .help = "Browsers may build it in."},
	{"nosniff", SCHEMA_BOOL, 0, SCHEMA_AT(config_policy_security, nosniff), .dflt = "true",
		.help = "X-Content-Type-Options: nosniff."},
	{"frame_options", SCHEMA_STRING, 0, SCHEMA_AT(config_policy_security, frame_options),
		.dflt = "DENY", .help = "X-Frame-Options; empty: none."},
	{"referrer_policy", SCHEMA_STRING, 0, SCHEMA_AT(config_policy_security, referrer_policy),
		.dflt = "strict-origin-when-cross-origin", .help = "Referrer-Policy; empty: none."},
	{"content_security_policy", SCHEMA_STRING, 0,
		SCHEMA_AT(config_policy_security, content_security_policy), .dflt = "\"\"",
		.help = "Content-Security-Policy; empty: none."},
	{"permissions_policy", SCHEMA_STRING, 0,
		SCHEMA_AT(config_policy_security, permissions_policy), .dflt = "\"\"",
		.help = "Permissions-Policy; empty: none."},
	{"opener_policy", SCHEMA_STRING, 0, SCHEMA_AT(config_policy_security, opener_policy),
		.dflt = "same-origin", .help = "Cross-Origin-Opener-Policy; empty: none."},
};

static const struct schema_map security_map = {
	.name = "security_headers",
	.help = "Response fields that make browsers careful; those that the backend sends itself "
		"stay. `security_headers: {}` takes the defaults.",
	FIELDS(security_fields),
	.size = sizeof(struct config_policy_security),
	.mark_offset = offsetof(struct config_policy_security, mark),
};

#define POLICY_FIELDS                                                                          \
	{"access", SCHEMA_MAP, SCHEMA_OPTIONAL, SCHEMA_AT(config_policies, access),            \
		.map = &access_map, .help = "Clients by address."},                            \
		{"rate_limits", SCHEMA_MAP, SCHEMA_LIST,                                       \
			SCHEMA_LIST_AT(config_policies, rates, rate_cnt),                      \
			.max_cnt = LIMIT_HTTP_RATES, .map = &rate_map,                         \
			.help = "Bounds, all of them."},                                       \
		{"cors", SCHEMA_MAP, SCHEMA_OPTIONAL, SCHEMA_AT(config_policies, cors),        \
			.map = &cors_map, .help = "Cross-origin requests."},                   \
		{"basic_auth", SCHEMA_MAP, SCHEMA_OPTIONAL, SCHEMA_AT(config_policies, basic), \
			.map = &basic_map, .help = "Name and password."},                      \
		{"jwt", SCHEMA_MAP, SCHEMA_OPTIONAL, SCHEMA_AT(config_policies, jwt),          \
			.map = &jwt_map, .help = "Signed tokens."},                            \
		{"max_body", SCHEMA_SIZE, 0, SCHEMA_AT(config_policies, max_body), .min = 0,   \
			.max = UINT64_C(1) << 50, .dflt_doc = "`limits.body` of the site",     \
			.help = "Largest body of a request; 0: no limit. More gets 413."},     \
		{"security_headers", SCHEMA_MAP, SCHEMA_OPTIONAL,                              \
			SCHEMA_AT(config_policies, security), .map = &security_map,            \
			.help = "Response fields that make browsers careful."},                \
	{                                                                                      \
		"compress", SCHEMA_MAP, SCHEMA_OPTIONAL, SCHEMA_AT(config_policies, compress), \
			.map = &schema_compress, .help = "Responses are compressed."           \
	}

static const struct schema_field site_policy_fields[] = {POLICY_FIELDS};

static const struct schema_map site_policy_map = {
	.name = "site policies",
	.help = "What every request of the site must pass, in the order of this table.",
	FIELDS(site_policy_fields),
	.mark_offset = offsetof(struct config_policies, mark),
};

static const struct schema_field route_policy_fields[] = {
	{"inherit", SCHEMA_BOOL, 0, SCHEMA_AT(config_policies, inherit), .dflt = "true",
		.help = "The site's policies hold too: `access` and `rate_limits` of both, of the "
			"others the route's where it has one. false: the route's alone."},
	POLICY_FIELDS};

static const struct schema_map route_policy_map = {
	.name = "route policies",
	.help = "What the requests of one route must pass, in the order of this table.",
	FIELDS(route_policy_fields),
	.mark_offset = offsetof(struct config_policies, mark),
};

/* ---- route ---- */

static const struct schema_field connect_fields[] = {
	{"allow", SCHEMA_STRING, SCHEMA_LIST | SCHEMA_REQUIRED,
		SCHEMA_LIST_AT(config_http_connect, allow, allow_cnt),
		.max_cnt = LIMIT_HTTP_CHOICES,
		.help = "Targets that may be asked for: `HOST:PORT`, where the first part of the "
			"host may be `*` and the port too. All others get 403."},
	{"forward", SCHEMA_BOOL, 0, SCHEMA_AT(config_http_connect, forward), .dflt = "false",
		.help = "true: the upstream is a proxy and is sent the request. false: weir "
			"answers 200 and joins the client to the backend."},
};

static const struct schema_map connect_map = {
	.name = "connect",
	.help = "Tunnels (RFC 9110 9.3.6). CONNECT is refused wherever no route has this.",
	FIELDS(connect_fields),
	.mark_offset = offsetof(struct config_http_connect, mark),
	.size = sizeof(struct config_http_connect),
	.scalar_key = "allow",
};

static const struct schema_enum expect_words[] = {
	{"answer", HTTP_EXPECT_ANSWER, "weir says 100 when the policies have let the request pass"},
	{"forward", HTTP_EXPECT_FORWARD,
		"the backend is asked and its 100 passed on; it may refuse before the body comes"},
	{NULL, 0, NULL},
};

static const struct schema_field route_fields[] = {
	{"name", SCHEMA_NAME, 0, SCHEMA_AT(config_http_route, name),
		.dflt_doc = "route1, route2, ...", .help = "Name in logs and explanations."},
	{"match", SCHEMA_MAP, 0, SCHEMA_AT(config_http_route, match), .map = &match_map,
		.help = "Which requests; nothing: all."},
	{"upstream", SCHEMA_NAME, 0, SCHEMA_AT(config_http_route, upstream), .dflt = "\"\"",
		.help = "Action: a backend of this upstream answers."},
	{"split", SCHEMA_MAP, SCHEMA_LIST, SCHEMA_LIST_AT(config_http_route, split, split_cnt),
		.max_cnt = LIMIT_HTTP_TARGETS, .map = &target_map,
		.help = "Action: one of several upstreams, by weight."},
	{"split_by", SCHEMA_MAP, 0, SCHEMA_AT(config_http_route, sticky), .map = &sticky_map,
		.help = "What keeps a client with one share."},
	{"redirect", SCHEMA_MAP, SCHEMA_OPTIONAL, SCHEMA_AT(config_http_route, redirect),
		.map = &redirect_map, .help = "Action: send the client elsewhere."},
	{"respond", SCHEMA_MAP, SCHEMA_OPTIONAL, SCHEMA_AT(config_http_route, respond),
		.map = &respond_map, .help = "Action: a fixed answer."},
	{"files", SCHEMA_MAP, SCHEMA_OPTIONAL, SCHEMA_AT(config_http_route, files),
		.map = &schema_http_files, .help = "Action: files of a folder."},
	{"kv", SCHEMA_MAP, SCHEMA_OPTIONAL, SCHEMA_AT(config_http_route, kv),
		.map = &schema_http_kv, .help = "Action: keys of the store."},
	{"connect", SCHEMA_MAP, SCHEMA_OPTIONAL, SCHEMA_AT(config_http_route, connect),
		.map = &connect_map,
		.help = "The route is for CONNECT alone: a tunnel to a backend of the upstream."},
	{"expect", SCHEMA_ENUM, 0, SCHEMA_AT(config_http_route, expect), .dflt = "answer",
		.words = expect_words, .help = "What `Expect: 100-continue` gets."},
	{"rewrite", SCHEMA_MAP, SCHEMA_OPTIONAL, SCHEMA_AT(config_http_route, rewrite),
		.map = &rewrite_map, .help = "What the backend is asked for instead."},
	{"request_headers", SCHEMA_MAP, 0, SCHEMA_AT(config_http_route, request_headers),
		.map = &edits_map, .help = "Changes of the request's fields."},
	{"response_headers", SCHEMA_MAP, 0, SCHEMA_AT(config_http_route, response_headers),
		.map = &edits_map, .help = "Changes of the response's fields."},
	{"timeouts", SCHEMA_MAP, 0, SCHEMA_AT(config_http_route, timeouts), .map = &timeout_map,
		.help = "How long a backend may take."},
	{"retries", SCHEMA_MAP, 0, SCHEMA_AT(config_http_route, retries), .map = &retry_map,
		.help = "Tries after a failed one."},
	{"mirror", SCHEMA_MAP, SCHEMA_OPTIONAL, SCHEMA_AT(config_http_route, mirror),
		.map = &mirror_map, .help = "Copies of requests for another upstream."},
	{"cache", SCHEMA_MAP, SCHEMA_OPTIONAL, SCHEMA_AT(config_http_route, cache),
		.map = &schema_route_cache, .help = "Keep responses, in the memory of `cache`."},
	{"policies", SCHEMA_MAP, 0, SCHEMA_AT(config_http_route, policies),
		.map = &route_policy_map, .help = "What requests must pass."},
};

const struct schema_map schema_http_route = {
	.name = "route",
	.help = "Some requests and what is done with them: exactly one action. The first route "
		"that matches, in the order of the file, is taken; if none does, the answer is "
		"404.",
	FIELDS(route_fields),
	.size = sizeof(struct config_http_route),
	.mark_offset = offsetof(struct config_http_route, mark),
};

/* ---- site ---- */

static const struct schema_field client_timeout_fields[] = {
	{"head", SCHEMA_DURATION, 0, SCHEMA_AT(config_http_client, head_ns), .min = 100 * MS,
		.max = H, .dflt = "10s",
		.help = "From the first byte of a request to the end of its head; also for a new "
			"connection to say something."},
	{"body", SCHEMA_DURATION, 0, SCHEMA_AT(config_http_client, body_ns), .min = 100 * MS,
		.max = 24 * H, .dflt = "30s", .help = "Between two pieces of a request's body."},
	{"idle", SCHEMA_DURATION, 0, SCHEMA_AT(config_http_client, idle_ns), .min = 100 * MS,
		.max = 24 * H, .dflt = "60s", .help = "Between two requests of a connection."},
	{"send", SCHEMA_DURATION, 0, SCHEMA_AT(config_http_client, send_ns), .min = 100 * MS,
		.max = 24 * H, .dflt = "30s", .help = "The client takes nothing of a response."},
};

static const struct schema_map client_timeout_map = {
	.name = "client timeouts",
	.help = "How long a client may take.",
	FIELDS(client_timeout_fields),
};

static const struct schema_field client_limit_fields[] = {
	{"head", SCHEMA_SIZE, 0, SCHEMA_AT(config_http_client, head_bytes), .min = 1024,
		.max = 30 << 10, .dflt = "16KiB",
		.help = "Head of a request, its first line included; more gets 431."},
	{"uri", SCHEMA_SIZE, 0, SCHEMA_AT(config_http_client, uri_bytes), .min = 64,
		.max = 32 << 10, .dflt = "8KiB", .help = "Path and query; more gets 414."},
	{"fields", SCHEMA_UINT, 0, SCHEMA_AT(config_http_client, fields), .min = 8, .max = 100,
		.dflt = "100", .help = "Header fields of a request; more gets 431."},
	{"body", SCHEMA_SIZE, 0, SCHEMA_AT(config_http_client, body_bytes), .min = 0,
		.max = UINT64_C(1) << 50, .dflt = "0",
		.help = "Body of a request; more gets 413; 0: no limit."},
	{"requests", SCHEMA_COUNT, 0, SCHEMA_AT(config_http_client, requests), .min = 0,
		.max = 1000000000, .dflt = "10000",
		.help = "Requests of one connection, which is then closed; 0: no limit."},
	{"min_rate", SCHEMA_SIZE, 0, SCHEMA_AT(config_http_client, min_rate), .min = 0,
		.max = 1 << 30, .dflt = "240B",
		.help = "Bytes a second that a client must send of a body and take of a response, "
			"in the mean; 0: any."},
	{"min_rate_after", SCHEMA_DURATION, 0, SCHEMA_AT(config_http_client, min_rate_after_ns),
		.min = S, .max = H, .dflt = "10s", .help = "It is looked at after this time."},
};

static const struct schema_map client_limit_map = {
	.name = "client limits",
	.help = "How much a client may send.",
	FIELDS(client_limit_fields),
};

static const struct schema_enum slash_words[] = {
	{"refuse", HTTP_SLASH_REFUSE, "answer 400"},
	{"keep", HTTP_SLASH_KEEP, "leave it as it is"},
	{NULL, 0, NULL},
};
static const struct schema_enum double_slash_words[] = {
	{"merge", HTTP_SLASH_MERGE, "make one of it"},
	{"refuse", HTTP_SLASH_REFUSE, "answer 400"},
	{"keep", HTTP_SLASH_KEEP, "leave it as it is"},
	{NULL, 0, NULL},
};
static const struct schema_enum dots_words[] = {
	{"resolve", HTTP_DOTS_RESOLVE, "remove them as RFC 3986 5.2.4 does"},
	{"refuse", HTTP_DOTS_REFUSE, "answer 400"},
	{NULL, 0, NULL},
};

static const struct schema_field path_fields[] = {
	{"encoded_slash", SCHEMA_ENUM, 0, SCHEMA_AT(config_http_path, encoded_slash),
		.dflt = "refuse", .words = slash_words,
		.help = "`%2F`, which some backends take for a slash."},
	{"double_slash", SCHEMA_ENUM, 0, SCHEMA_AT(config_http_path, double_slash), .dflt = "merge",
		.words = double_slash_words, .help = "`//`."},
	{"backslash", SCHEMA_ENUM, 0, SCHEMA_AT(config_http_path, backslash), .dflt = "refuse",
		.words = slash_words,
		.help = "A backslash or `%5C`, which some backends take for a slash."},
	{"dot_segments", SCHEMA_ENUM, 0, SCHEMA_AT(config_http_path, dots), .dflt = "resolve",
		.words = dots_words, .help = "`/./` and `/../`, however they are encoded."},
};

static const struct schema_map path_map = {
	.name = "path",
	.help = "How paths are normalised before they are matched and forwarded: what needs no "
		"encoding is decoded, hex digits become upper case, and what could be read in two "
		"ways is treated as said here. `%00`, other encoded control characters and broken "
		"encodings get 400.",
	FIELDS(path_fields),
};

static const struct schema_enum forward_words[] = {
	{"x_forwarded", HTTP_FORWARD_X, "X-Forwarded-For, -Proto, -Host and -Port"},
	{"forwarded", HTTP_FORWARD_RFC7239, "Forwarded (RFC 7239)"},
	{"both", HTTP_FORWARD_BOTH, "both"},
	{"none", HTTP_FORWARD_NONE, "neither"},
	{NULL, 0, NULL},
};

static const struct schema_field forwarded_fields[] = {
	{"send", SCHEMA_ENUM, 0, SCHEMA_AT(config_http_forwarded, send), .dflt = "x_forwarded",
		.words = forward_words, .help = "What backends are told about the client."},
	{"trusted_proxies", SCHEMA_PREFIX, SCHEMA_LIST,
		SCHEMA_LIST_AT(config_http_forwarded, trusted, trusted_cnt),
		.max_cnt = LIMIT_PREFIXES,
		.help = "Proxies before weir. What they say is continued, and the client is the "
			"last address in it that is not one of them. What others say is removed."},
};

static const struct schema_map forwarded_map = {
	.name = "forwarded",
	.help = "Who the client is, for backends, policies and logs.",
	FIELDS(forwarded_fields),
};

static const struct schema_enum id_words[] = {
	{"trusted", HTTP_ID_TRUSTED, "of `forwarded.trusted_proxies`"},
	{"always", HTTP_ID_ALWAYS, "of everybody"},
	{"never", HTTP_ID_NEVER, "of nobody"},
	{NULL, 0, NULL},
};

static const struct schema_field id_fields[] = {
	{"accept", SCHEMA_ENUM, 0, SCHEMA_AT(config_http_ids, accept), .dflt = "trusted",
		.words = id_words, .help = "Whose X-Request-Id and traceparent are kept."},
	{"respond", SCHEMA_BOOL, 0, SCHEMA_AT(config_http_ids, respond), .dflt = "false",
		.help = "The response has X-Request-Id too."},
	{"trace", SCHEMA_BOOL, 0, SCHEMA_AT(config_http_ids, trace), .dflt = "true",
		.help = "Continue or begin a trace (W3C Trace Context, `traceparent`)."},
};

static const struct schema_map id_map = {
	.name = "request_id",
	.help = "Every request has an identifier, which the backend gets in X-Request-Id.",
	FIELDS(id_fields),
};

static const struct schema_field via_fields[] = {
	{"name", SCHEMA_NAME, 0, SCHEMA_AT(config_http_via, name), .dflt = "weir",
		.help = "Name in the field Via; empty: neither Via nor detection."},
	{"max", SCHEMA_UINT, 0, SCHEMA_AT(config_http_via, max), .min = 1, .max = 100, .dflt = "8",
		.help = "A request that came by this name more often is in a loop and gets 508."},
};

static const struct schema_map via_map = {
	.name = "via",
	.help = "The field Via (RFC 9110 7.6.3). `via: edge` stands for `via: {name: edge}`.",
	FIELDS(via_fields),
	.scalar_key = "name",
};

static const struct schema_field page_fields[] = {
	{"status", SCHEMA_UINT, SCHEMA_LIST,
		SCHEMA_LIST_AT(config_http_error_page, statuses, status_cnt), .min = 400,
		.max = 599, .max_cnt = 64, .dflt_doc = "all",
		.help = "Errors of weir itself that it is for."},
	{"type", SCHEMA_STRING, 0, SCHEMA_AT(config_http_error_page, type),
		.dflt = "text/html; charset=utf-8", .help = "Content-Type."},
	{"body", SCHEMA_BYTES, SCHEMA_REQUIRED, SCHEMA_AT(config_http_error_page, body),
		.cnt_offset = offsetof(struct config_http_error_page, body_len),
		.max = LIMIT_HTTP_BODY,
		.help = "The page; `${status}`, `${reason}` and `${request_id}` are filled in."},
};

static const struct schema_map page_map = {
	.name = "error page",
	.help = "What a client sees when weir itself answers with an error; the first that fits.",
	FIELDS(page_fields),
	.size = sizeof(struct config_http_error_page),
	.mark_offset = offsetof(struct config_http_error_page, mark),
};

static const struct schema_enum underscore_words[] = {
	{"drop", HTTP_UNDERSCORES_DROP, "leave them out"},
	{"keep", HTTP_UNDERSCORES_KEEP, "forward them"},
	{"refuse", HTTP_UNDERSCORES_REFUSE, "answer 400"},
	{NULL, 0, NULL},
};
static const struct schema_enum server_words[] = {
	{"keep", HTTP_SERVER_KEEP, "as the backend sends it"},
	{"remove", HTTP_SERVER_REMOVE, "none"},
	{"weir", HTTP_SERVER_WEIR, "`weir`"},
	{NULL, 0, NULL},
};

static const struct schema_field site_fields[] = {
	{"routes", SCHEMA_MAP, SCHEMA_LIST | SCHEMA_REQUIRED,
		SCHEMA_LIST_AT(config_site, routes, route_cnt), .max_cnt = LIMIT_HTTP_ROUTES,
		.map = &schema_http_route, .help = "Tried from the first to the last."},
	{"policies", SCHEMA_MAP, 0, SCHEMA_AT(config_site, policies), .map = &site_policy_map,
		.help = "What every request must pass."},
	{"timeouts", SCHEMA_MAP, 0, SCHEMA_AT(config_site, client), .map = &client_timeout_map,
		.help = "How long a client may take."},
	{"limits", SCHEMA_MAP, 0, SCHEMA_AT(config_site, client), .map = &client_limit_map,
		.help = "How much a client may send."},
	{"path", SCHEMA_MAP, 0, SCHEMA_AT(config_site, path), .map = &path_map,
		.help = "How paths are normalised."},
	{"forwarded", SCHEMA_MAP, 0, SCHEMA_AT(config_site, forwarded), .map = &forwarded_map,
		.help = "Who the client is."},
	{"request_id", SCHEMA_MAP, 0, SCHEMA_AT(config_site, ids), .map = &id_map,
		.help = "Identifiers of requests."},
	{"via", SCHEMA_MAP, 0, SCHEMA_AT(config_site, via), .map = &via_map,
		.help = "The field Via."},
	{"underscores", SCHEMA_ENUM, 0, SCHEMA_AT(config_site, underscores), .dflt = "drop",
		.words = underscore_words,
		.help = "Request fields with `_` in their names, which CGI backends take for `-`."},
	{"server_header", SCHEMA_ENUM, 0, SCHEMA_AT(config_site, server), .dflt = "keep",
		.words = server_words, .help = "The field Server of responses."},
	{"error_pages", SCHEMA_MAP, SCHEMA_LIST,
		SCHEMA_LIST_AT(config_site, error_pages, error_page_cnt), .max_cnt = 64,
		.map = &page_map, .help = "Pages for errors of weir itself."},
};

const struct schema_map schema_site = {
	.name = "site",
	.help = "Routes, and what holds for all of them. Several listeners may serve one site.",
	FIELDS(site_fields),
	.size = sizeof(struct config_site),
	.mark_offset = offsetof(struct config_site, mark),
	.name_offset = offsetof(struct config_site, name),
};
