/* SPDX-License-Identifier: Apache-2.0
 * head - the head of a request or response as every part of layer 7 sees it: the codecs fill it,
 * routes, policies, cache and log read it, rewriting edits it, the codec of the other side writes
 * it. RFC 9110 semantics; nothing here is particular to HTTP/1.1 or HTTP/2.
 * Owner:      a stream. Spans point into the stream's arena or at static text and live as long as
 *             the stream; whoever edits puts new bytes into the arena.
 * Invariants: HH1 what a codec accepted is unambiguous: one length, one host, only valid
 *                 characters, no obsolete folding, no hop-by-hop field in doubt (RFC 9112).
 *             HH2 `id` of a field is that of its name; names of unknown fields are compared without
 *                 case. HH3 fields marked HTTP_F_GONE are not there: skip them.
 *             HH4 authority is lower case, without user information, its port apart; path begins
 *                 with '/' (or is "*" of OPTIONS) and holds no raw control, space or fragment.
 *             HH5 length and framing are the truth about the body; the fields Content-Length,
 *                 Transfer-Encoding, Connection, Keep-Alive, Proxy-Connection, TE, Trailer and
 *                 Upgrade and those that Connection names are marked HTTP_F_HOP: the writing codec
 *                 leaves them out and makes its own.
 * Limits:     LIMIT_HTTP_FIELDS fields; bytes as the listener's configuration allows. */
#ifndef LB_L7_HTTP_HEAD_H
#define LB_L7_HTTP_HEAD_H

#include <string.h>

#include "dataplane/base/compiler.h"

#define LIMIT_HTTP_FIELDS 128

struct span {
	const char *at;
	uint32_t len;
};

#define SPAN(literal) ((struct span){"" literal, sizeof(literal) - 1})

static inline bool span_eq(struct span a, struct span b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

/* ASCII only. */
bool span_caseeq(struct span a, struct span b);

enum http_method {
	HTTP_GET,
	HTTP_HEAD,
	HTTP_POST,
	HTTP_PUT,
	HTTP_DELETE,
	HTTP_CONNECT,
	HTTP_OPTIONS,
	HTTP_TRACE,
	HTTP_PATCH,
	HTTP_OTHER, /* method_text says which; methods are case sensitive */
};

/* clang-format off */
/* Fields that some part of weir looks at: enum suffix, canonical lower case name. */
#define HTTP_FIELDS(F) \
	F(ACCEPT, "accept") \
	F(ACCEPT_ENCODING, "accept-encoding") \
	F(ACCEPT_LANGUAGE, "accept-language") \
	F(ACCEPT_RANGES, "accept-ranges") \
	F(AC_ALLOW_CREDENTIALS, "access-control-allow-credentials") \
	F(AC_ALLOW_HEADERS, "access-control-allow-headers") \
	F(AC_ALLOW_METHODS, "access-control-allow-methods") \
	F(AC_ALLOW_ORIGIN, "access-control-allow-origin") \
	F(AC_EXPOSE_HEADERS, "access-control-expose-headers") \
	F(AC_MAX_AGE, "access-control-max-age") \
	F(AC_REQUEST_HEADERS, "access-control-request-headers") \
	F(AC_REQUEST_METHOD, "access-control-request-method") \
	F(AGE, "age") \
	F(ALLOW, "allow") \
	F(AUTHORIZATION, "authorization") \
	F(CACHE_CONTROL, "cache-control") \
	F(CACHE_STATUS, "cache-status") \
	F(CDN_CACHE_CONTROL, "cdn-cache-control") \
	F(CONNECTION, "connection") \
	F(CONTENT_ENCODING, "content-encoding") \
	F(CONTENT_LANGUAGE, "content-language") \
	F(CONTENT_LENGTH, "content-length") \
	F(CONTENT_LOCATION, "content-location") \
	F(CONTENT_RANGE, "content-range") \
	F(CONTENT_TYPE, "content-type") \
	F(COOKIE, "cookie") \
	F(DATE, "date") \
	F(ETAG, "etag") \
	F(EXPECT, "expect") \
	F(EXPIRES, "expires") \
	F(FORWARDED, "forwarded") \
	F(HOST, "host") \
	F(IF_MATCH, "if-match") \
	F(IF_MODIFIED_SINCE, "if-modified-since") \
	F(IF_NONE_MATCH, "if-none-match") \
	F(IF_RANGE, "if-range") \
	F(IF_UNMODIFIED_SINCE, "if-unmodified-since") \
	F(KEEP_ALIVE, "keep-alive") \
	F(LAST_MODIFIED, "last-modified") \
	F(LINK, "link") \
	F(LOCATION, "location") \
	F(MAX_FORWARDS, "max-forwards") \
	F(ORIGIN, "origin") \
	F(PRAGMA, "pragma") \
	F(PROXY_AUTHENTICATE, "proxy-authenticate") \
	F(PROXY_AUTHORIZATION, "proxy-authorization") \
	F(PROXY_CONNECTION, "proxy-connection") \
	F(PROXY_STATUS, "proxy-status") \
	F(RANGE, "range") \
	F(REFERER, "referer") \
	F(RETRY_AFTER, "retry-after") \
	F(SEC_WEBSOCKET_KEY, "sec-websocket-key") \
	F(SERVER, "server") \
	F(SET_COOKIE, "set-cookie") \
	F(STRICT_TRANSPORT_SECURITY, "strict-transport-security") \
	F(SURROGATE_CONTROL, "surrogate-control") \
	F(SURROGATE_KEY, "surrogate-key") \
	F(TE, "te") \
	F(TRACEPARENT, "traceparent") \
	F(TRACESTATE, "tracestate") \
	F(TRAILER, "trailer") \
	F(TRANSFER_ENCODING, "transfer-encoding") \
	F(UPGRADE, "upgrade") \
	F(USER_AGENT, "user-agent") \
	F(VARY, "vary") \
	F(VIA, "via") \
	F(WARNING, "warning") \
	F(WWW_AUTHENTICATE, "www-authenticate") \
	F(X_FORWARDED_FOR, "x-forwarded-for") \
	F(X_FORWARDED_HOST, "x-forwarded-host") \
	F(X_FORWARDED_PORT, "x-forwarded-port") \
	F(X_FORWARDED_PROTO, "x-forwarded-proto") \
	F(X_REQUEST_ID, "x-request-id")
/* clang-format on */

enum http_field_id {
	HTTP_FIELD_OTHER,
#define F(id, name) HTTP_FIELD_##id,
	HTTP_FIELDS(F)
#undef F
		HTTP_FIELD_CNT
};

/* Of a name in any case; HTTP_FIELD_OTHER if it is none of the above. */
enum http_field_id http_field_find(struct span name);
/* The name of an id, lower case. */
struct span http_field_name(enum http_field_id id);
enum http_method http_method_find(struct span text);
struct span http_method_name(enum http_method m); /* empty for HTTP_OTHER */
/* "Not Found"; empty if the status has none. */
struct span http_status_text(uint16_t status);

enum http_field_flag {
	HTTP_F_HOP = 1,  /* hop-by-hop: never forwarded */
	HTTP_F_GONE = 2, /* removed by rewriting */
};

struct http_field {
	struct span name, value; /* value without surrounding blanks */
	uint16_t id;             /* enum http_field_id */
	uint16_t flags;
};

enum http_framing {
	HTTP_BODY_NONE,
	HTTP_BODY_LENGTH, /* exactly `length` bytes */
	HTTP_BODY_STREAM, /* of unknown length, the end is marked (chunked; HTTP/2 END_STREAM) */
	HTTP_BODY_TO_EOF, /* response only: the connection's end is the body's */
	HTTP_BODY_TUNNEL, /* after 101, or 2xx to CONNECT: bytes both ways until the end */
};

struct http_head {
	/* Request. */
	enum http_method method;
	struct span method_text;
	struct span scheme; /* "http" or "https", as the connection (or absolute form) says */
	struct span host;   /* lower case, IPv6 in brackets; empty only with HTTP/1.0 */
	uint16_t port;      /* of authority; 0: none was given */
	struct span path;   /* as sent, percent-encoding untouched */
	struct span query;  /* behind '?', without it */
	bool has_query;     /* a '?' was there */
	bool expect_continue;
	bool upgrade; /* asks to switch, or 101 agrees; field Upgrade says to what */
	/* Response. */
	uint16_t status;
	/* Both. */
	uint8_t version;  /* 10, 11, 20: as received */
	bool keep_alive;  /* the sender lets the connection live on */
	bool te_trailers; /* request: TE: trailers */
	enum http_framing framing;
	uint64_t length; /* HTTP_BODY_LENGTH */
	uint32_t field_cnt;
	struct http_field fields[LIMIT_HTTP_FIELDS];
};

/* First field of that id or name which is there; NULL: none. `after`: continue behind it. */
const struct http_field *http_head_get(
	const struct http_head *h, enum http_field_id id, const struct http_field *after);
const struct http_field *http_head_find(
	const struct http_head *h, struct span name, const struct http_field *after);
/* The same for a name whose id is known: names of a configuration are looked up once. */
const struct http_field *http_head_find_as(const struct http_head *h, enum http_field_id id,
	struct span name, const struct http_field *after);
/* All fields of an id as one list (RFC 9110 5.2) is walked by this: the next comma-separated
 * member, blanks stripped, quoted strings respected, empty members skipped. Start with *it zeroed.
 */
struct http_list_iter {
	const struct http_field *field;
	uint32_t at;
};
bool http_head_list_next(const struct http_head *h, enum http_field_id id,
	struct http_list_iter *it, struct span *member);

/* Editing. Spans must outlive the head. -ENOSPC: no room for another field. */
int http_head_add(struct http_head *h, enum http_field_id id, struct span value) WARN_UNUSED;
int http_head_add_name(struct http_head *h, struct span name, struct span value) WARN_UNUSED;
/* By a name whose id is known, as above. */
int http_head_add_as(struct http_head *h, enum http_field_id id, struct span name,
	struct span value) WARN_UNUSED;
/* Replaces all of that id by one. */
int http_head_set(struct http_head *h, enum http_field_id id, struct span value) WARN_UNUSED;
void http_head_remove(struct http_head *h, enum http_field_id id);
void http_head_remove_as(struct http_head *h, enum http_field_id id, struct span name);

#endif
