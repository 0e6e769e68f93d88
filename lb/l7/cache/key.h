/* SPDX-License-Identifier: Apache-2.0
 * key - under which key a response is kept: the target URI as the route wants it told apart, and
 * for responses with Vary the values of the named fields (RFC 9111 2, 4.1).
 * Owner: nobody; pure functions into the caller's buffer.
 * Invariants: KE1 two requests have the same bytes only if every part that counts is the same: the
 *             parts are told apart by their lengths, never by a separator alone.
 * Limits: HCACHE_KEY_MAX bytes; a longer one is not cached (0 is returned). */
#ifndef LB_L7_CACHE_KEY_H
#define LB_L7_CACHE_KEY_H

#include "lb/l7/http/head.h"

#define HCACHE_KEY_MAX   4096
#define HCACHE_QUERY_MAX 256 /* parameters that are sorted or filtered */

enum key_query {
	KEY_QUERY_ALL,   /* as it came */
	KEY_QUERY_NONE,  /* does not count */
	KEY_QUERY_ALLOW, /* only the parameters of the list count */
	KEY_QUERY_DENY,  /* all but those */
};

/* Spans are the configuration's. A name that ends in '*' stands for all that begin so. */
struct key_conf {
	enum key_query query;
	bool sort_query; /* order of parameters does not count; equal names keep theirs */
	bool ignore_scheme;
	uint32_t id; /* of this way to make keys: routes that share entries have the same */
	const struct span *params, *headers, *cookies;
	uint32_t param_cnt, header_cnt, cookie_cnt;
};

/* The primary key; first byte: KEY_URI. */
uint32_t key_primary(
	const struct key_conf *conf, const struct http_head *req, char *out, uint32_t cap);

/* The names of Vary, lower case, sorted, each once, joined by commas. False: "*" is among them, or
 * they do not fit (treat as "*"). *len 0: there is no Vary. */
bool key_vary_names(const struct http_head *resp, char *out, uint32_t cap, uint32_t *len);
/* The key of a variant: the primary one, names and the request's normalised values. */
uint32_t key_variant(const char *primary, uint32_t primary_len, struct span names,
	const struct http_head *req, char *out, uint32_t cap);

/* The codings that a client takes, best first, "gzip, br"; empty: identity. For Vary:
 * Accept-Encoding, so that one variant serves all clients alike. */
uint32_t key_encodings(const struct http_head *req, char *out, uint32_t cap);

#endif
