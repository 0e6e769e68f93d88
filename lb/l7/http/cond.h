/* SPDX-License-Identifier: Apache-2.0
 * cond - entity tags, preconditions and ranges (RFC 9110 8.8, 13, 14), for everything that answers
 * from a representation it holds: cache and files.
 * Owner: nobody; pure functions. Units: bytes; times in seconds since 1970.
 * Limits: HTTP_RANGES_MAX ranges of one request; a request with more is answered whole. */
#ifndef LB_L7_HTTP_COND_H
#define LB_L7_HTTP_COND_H

#include "lb/l7/http/date.h"
#include "lb/l7/http/head.h"

#define HTTP_RANGES_MAX 16

/* One entity tag at the start of text: its length, or 0 if there is none. */
uint32_t http_etag_len(struct span text);
/* The whole text is one entity tag. */
bool http_etag_valid(struct span text);
static inline bool http_etag_weak(struct span tag)
{
	return tag.len > 1 && tag.at[0] == 'W';
}
bool http_etag_match_weak(struct span a, struct span b);
bool http_etag_match_strong(struct span a, struct span b);
/* Is tag among those of If-None-Match or If-Match, or is one of them "*"? A field that is no such
 * list matches nothing. */
bool http_etag_listed(
	const struct http_head *req, enum http_field_id id, struct span tag, bool strong);

/* The representation that would be sent with 200. */
struct http_selected {
	struct span etag;      /* empty: none */
	int64_t last_modified; /* HTTP_DATE_NONE: unknown */
	int64_t date;          /* of the response, to tell a strong Last-Modified; or NONE */
};

enum http_cond {
	HTTP_COND_PROCEED,
	HTTP_COND_NOT_MODIFIED, /* 304 */
	HTTP_COND_FAILED,       /* 412 */
};

/* In the order of RFC 9110 13.2.2, If-Range aside. sel NULL: there is no representation. */
enum http_cond http_cond_check(
	const struct http_head *req, const struct http_selected *sel, int64_t now);
/* Only If-None-Match and If-Modified-Since: what a cache may decide for the origin (RFC 9111
 * 4.3.2). */
enum http_cond http_cond_check_cached(
	const struct http_head *req, const struct http_selected *sel, int64_t now);
/* Does If-Range (if there is one) let Range apply? RFC 9110 13.1.5. */
bool http_if_range(const struct http_head *req, const struct http_selected *sel, int64_t now);

struct http_range {
	uint64_t first, last; /* both included */
};

enum http_ranges {
	HTTP_RANGES_IGNORE, /* no Range, or one that is to be ignored: answer whole */
	HTTP_RANGES_OK,
	HTTP_RANGES_UNSATISFIABLE, /* 416 */
};

/* Range of a GET against a representation of `total` bytes. What overlaps or touches is joined;
 * otherwise the order is the request's. *cnt >= 1 with OK. */
enum http_ranges http_ranges_parse(const struct http_head *req, uint64_t total,
	struct http_range out[HTTP_RANGES_MAX], uint32_t *cnt);

/* Content-Range: "bytes 0-9/100", total UINT64_MAX for '*'. False: malformed or impossible. */
bool http_content_range_parse(struct span text, struct http_range *r, uint64_t *total);
/* "bytes 0-9/100", or with r NULL "bytes * /100" without the blank. Returns the length; cap 64 is
 * always enough. */
uint32_t http_content_range_format(
	const struct http_range *r, uint64_t total, char *out, size_t cap);

/* Digits only, the whole text. False: no number, or above 2^63 - 1. */
bool http_number(struct span text, uint64_t *out);

#endif
