/* SPDX-License-Identifier: Apache-2.0
 * h1_pvt - what the files of the codec share.
 *
 * A head is read line by line. `line` is where the line begins that is being read, `first` and
 * `second` where its parts end as far as they were found, `scanned` how far it was looked at. So a
 * call with more bytes goes on in the middle of a part, and the fast path is straight code. */
#ifndef LB_L7_H1_H1_PVT_H
#define LB_L7_H1_H1_PVT_H

#include "lb/l7/h1/h1.h"

/* Fields that the codec itself acts on; bits of h1_parser.seen. */
enum h1_special {
	H1_SEEN_HOST = 1,
	H1_SEEN_LENGTH = 2,
	H1_SEEN_CODING = 4, /* Transfer-Encoding */
	H1_SEEN_CONNECTION = 8,
	H1_SEEN_EXPECT = 16,
	H1_SEEN_UPGRADE = 32,
	H1_SEEN_TE = 64,
	H1_SEEN_HOP = 128, /* hop-by-hop without a meaning to us */
	/* Not fields: what Connection said. */
	H1_SAID_CLOSE = 256,
	H1_SAID_KEEP_ALIVE = 512,
	H1_SAID_UPGRADE = 1024,
	H1_SAID_TE = 2048,
	H1_SAID_OTHER = 4096, /* names a field to be taken out */
};

static inline enum h1_verdict h1_bad(struct h1_parser *p, enum h1_error e)
{
	p->error = e;
	return H1_BAD;
}

static inline enum h1_verdict h1_more(struct h1_parser *p, uint32_t scanned)
{
	p->scanned = scanned;
	return H1_MORE;
}

static inline uint32_t h1_max(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

/* One comparison for nearly all. */
ALWAYS_INLINE bool h1_blank(char c)
{
	return (uint8_t)c <= ' ' && (c == ' ' || c == '\t');
}

/* Before each call of a parser: takes care of a moved buffer, and of the first call. */
void h1_rebase(struct h1_parser *p, const char *buf, struct http_head *out);

/* "HTTP/1.1" at `at`, as far as it is there. H1_OK: *version is 10 or 11 or, if another one is
 * meant, 0. *scanned is set with H1_MORE. */
enum h1_verdict h1_version(struct h1_parser *p, const char *buf, uint32_t at, uint32_t len,
	char behind, uint8_t *version);

/* All field lines and the empty line, from p->line on. */
enum h1_verdict h1_fields(struct h1_parser *p, char *buf, uint32_t len, const struct h1_limits *lim,
	struct http_head *out);
/* Marks the fields that Connection names, RFC 9110 7.6.1. */
void h1_mark_named(struct http_head *out);

/* What requests and responses have each for itself. */
struct h1_head_parts {
	enum h1_verdict (*line)(struct h1_parser *p, char *buf, uint32_t len,
		const struct h1_limits *lim, struct http_head *out);
	/* What the fields mean together. */
	enum h1_error (*finish)(struct h1_parser *p, struct http_head *out);
	/* The limit of the head was reached before its end. */
	enum h1_error (*too_long)(const struct h1_parser *p);
};

/* The way of a head, start line first; k is constant, so its calls are direct ones. */
ALWAYS_INLINE enum h1_verdict h1_head_parse(struct h1_parser *p, char *buf, uint32_t len,
	const struct h1_limits *lim, struct http_head *out, const struct h1_head_parts *k)
{
	uint32_t n = len < lim->head_bytes ? len : lim->head_bytes;
	enum h1_verdict v = H1_OK;
	enum h1_error e;

	if (p->error != H1_ERR_NONE)
		return H1_BAD;
	if (buf != p->base)
		h1_rebase(p, buf, out);
	if (!p->started)
		v = k->line(p, buf, n, lim, out);
	if (v == H1_OK)
		v = h1_fields(p, buf, n, lim, out);
	if (v == H1_MORE && n < len)
		return h1_bad(p, k->too_long(p));
	if (v != H1_OK)
		return v;
	e = k->finish(p, out);
	return e == H1_ERR_NONE ? H1_OK : h1_bad(p, e);
}

/* Of both, at the end (RFC 9112 9.3): fields that Connection names go, and may the connection serve
 * another message? sound: where this one ends is beyond doubt. */
static inline void h1_end_connection(struct h1_parser *p, struct http_head *out, bool sound)
{
	if ((p->seen & H1_SAID_OTHER) != 0)
		h1_mark_named(out);
	out->keep_alive = sound && (p->seen & H1_SAID_CLOSE) == 0 &&
			  (out->version == 11 || (p->seen & H1_SAID_KEEP_ALIVE) != 0);
}

/* A host with an optional port, put in lower case. */
enum h1_error h1_authority(char *at, uint32_t len, struct span *host, uint16_t *port);
/* The whole request target; out->method is set. */
enum h1_error h1_target(struct h1_parser *p, char *at, uint32_t len, struct http_head *out);

/* Is Upgrade a list of protocols, and is none of them a version of HTTP? */
bool h1_upgrade_valid(const struct http_head *h, bool *is_http);

#endif
