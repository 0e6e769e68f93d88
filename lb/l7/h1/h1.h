/* SPDX-License-Identifier: Apache-2.0
 * h1 - the HTTP/1.1 codec (RFC 9112): heads and bodies of requests and responses, read and written.
 * Owner:      whoever owns the connection; no globals, no I/O, no clock.
 * Lifetime:   spans of a parsed head point into the caller's buffer or at static text.
 * Invariants: H1 what is accepted can be read in one way only; all else is H1_BAD, for good.
 *             H2 a verdict does not depend on how the bytes were cut: byte by byte gives what the
 *                 whole gives. H3 bytes that were looked at are not looked at again, and what is
 *                 wrong is refused at the first byte that proves it.
 *             H4 what the writers write, the parsers accept, and it means the same.
 *             H5 nothing written holds a CR, LF or NUL that the writer did not mean.
 * Errors:     enum h1_error; each has a status for the client's side, a word for logs, and the
 *             section that asks for it. Whoever reads from a backend answers 502 instead.
 * Units:      bytes.
 * Limits:     struct h1_limits; H1_PAD readable bytes behind every buffer given to a parser.
 * Cost:       one pass by vectors; no allocation, lock or system call. */
#ifndef LB_L7_H1_H1_H
#define LB_L7_H1_H1_H

#include "lb/l7/http/arena.h"
#include "lb/l7/http/head.h"

/* A parser may read, but never judges by, this many bytes behind the `len` it was given. */
#define H1_PAD 32

#define H1_METHOD_MAX     32 /* bytes of a method */
#define H1_HOST_MAX       253
#define H1_CHUNK_HEAD_MAX 18 /* 16 digits, CR, LF */
#define H1_LAST_CHUNK     "0\r\n\r\n"

enum h1_verdict { H1_MORE, H1_OK, H1_BAD };

/* Name, status, word, what asks for it. */
/* clang-format off */
#define H1_ERRORS(E) \
	E(NONE, 0, "none", "") \
	E(EMPTY_LINES, 400, "empty_lines", "RFC 9112 2.2") \
	E(METHOD, 400, "method_invalid", "RFC 9112 3.1") \
	E(METHOD_LONG, 501, "method_too_long", "RFC 9112 3") \
	E(METHOD_CASE, 501, "method_case", "RFC 9110 9.1") \
	E(TARGET, 400, "target_invalid", "RFC 9112 3.2") \
	E(TARGET_LONG, 414, "target_too_long", "RFC 9112 3") \
	E(TARGET_FORM, 400, "target_form", "RFC 9112 3.2") \
	E(TARGET_PERCENT, 400, "target_percent", "RFC 3986 2.1") \
	E(TARGET_FRAGMENT, 400, "target_fragment", "RFC 9110 4.2.5") \
	E(AUTHORITY, 400, "authority_invalid", "RFC 9110 4.2") \
	E(USERINFO, 400, "userinfo", "RFC 9110 4.2.4") \
	E(SCHEME, 400, "scheme_unknown", "RFC 9112 3.2.2") \
	E(MISDIRECTED, 421, "scheme_not_of_connection", "RFC 9110 7.4") \
	E(VERSION, 400, "version_invalid", "RFC 9112 2.3") \
	E(VERSION_OTHER, 505, "version_not_supported", "RFC 9110 15.6.6") \
	E(STATUS, 400, "status_invalid", "RFC 9112 4") \
	E(REASON, 400, "reason_invalid", "RFC 9112 4") \
	E(BARE_LF, 400, "bare_lf", "RFC 9112 2.2") \
	E(BARE_CR, 400, "bare_cr", "RFC 9112 2.2") \
	E(FOLD, 400, "folded_line", "RFC 9112 5.2") \
	E(BLANK_FIRST, 400, "blank_before_field", "RFC 9112 2.2") \
	E(NAME, 400, "field_name_invalid", "RFC 9110 5.1") \
	E(NAME_BLANK, 400, "blank_before_colon", "RFC 9112 5.1") \
	E(NAME_UNDERSCORE, 400, "field_name_underscore", "RFC 9110 5.1") \
	E(NO_COLON, 400, "field_without_colon", "RFC 9112 5") \
	E(VALUE, 400, "field_value_invalid", "RFC 9110 5.5") \
	E(FIELD_LONG, 431, "field_too_long", "RFC 6585 5") \
	E(FIELDS, 431, "too_many_fields", "RFC 6585 5") \
	E(HEAD_LONG, 431, "head_too_long", "RFC 6585 5") \
	E(HOST_MISSING, 400, "host_missing", "RFC 9112 3.2") \
	E(HOST_TWICE, 400, "host_twice", "RFC 9112 3.2") \
	E(HOST_INVALID, 400, "host_invalid", "RFC 9112 3.2") \
	E(HOST_MISMATCH, 400, "host_not_of_target", "RFC 9112 3.2") \
	E(LENGTH_INVALID, 400, "content_length_invalid", "RFC 9112 6.3") \
	E(LENGTH_TWICE, 400, "content_length_twice", "RFC 9112 6.3") \
	E(LENGTH_AND_TE, 400, "content_length_and_transfer_encoding", "RFC 9112 6.3") \
	E(TE_INVALID, 400, "transfer_encoding_invalid", "RFC 9112 6.3") \
	E(TE_UNKNOWN, 501, "transfer_encoding_unknown", "RFC 9112 6.1") \
	E(TE_VERSION, 400, "transfer_encoding_http_1_0", "RFC 9112 6.1") \
	E(CONNECTION, 400, "connection_invalid", "RFC 9110 7.6.1") \
	E(CONNECTION_ESSENTIAL, 400, "connection_names_essential_field", "RFC 9110 7.6.1") \
	E(EXPECT, 417, "expectation", "RFC 9110 10.1.1") \
	E(UPGRADE, 400, "upgrade_invalid", "RFC 9110 7.8") \
	E(BODY_METHOD, 400, "body_not_allowed", "RFC 9110 9.3.8") \
	E(CHUNK_SIZE, 400, "chunk_size_invalid", "RFC 9112 7.1") \
	E(CHUNK_EXT, 400, "chunk_extension_invalid", "RFC 9112 7.1.1") \
	E(CHUNK_EXT_LONG, 413, "chunk_extension_too_long", "RFC 9112 7.1.1") \
	E(CHUNK_END, 400, "chunk_end_invalid", "RFC 9112 7.1") \
	E(TRAILER, 400, "trailer_not_allowed", "RFC 9110 6.5.1") \
	E(TRAILER_LONG, 431, "trailers_too_long", "RFC 9110 6.5.1") \
	E(NO_MEMORY, 503, "no_memory", "")
/* clang-format on */

enum h1_error {
#define E(id, status, word, source) H1_ERR_##id,
	H1_ERRORS(E)
#undef E
		H1_ERR_CNT
};

uint16_t h1_error_status(enum h1_error e);
const char *h1_error_word(enum h1_error e);
const char *h1_error_source(enum h1_error e);

/* What is done with '_' in names of fields: a CGI-like backend cannot tell it from '-'. */
enum h1_underscores { H1_UNDERSCORES_DROP, H1_UNDERSCORES_REFUSE, H1_UNDERSCORES_PASS };

struct h1_limits {
	uint32_t head_bytes;      /* start line and fields with the empty line */
	uint32_t target_bytes;    /* request target */
	uint32_t field_bytes;     /* one field line */
	uint32_t fields;          /* at most LIMIT_HTTP_FIELDS */
	uint32_t chunk_ext_bytes; /* extensions of one chunk; 0: none are accepted */
	uint32_t trailer_bytes;   /* whole trailer section; less than HTTP_ARENA_SLAB - 64 */
	uint32_t trailer_fields;
	enum h1_underscores underscores;
};

/* 15 KiB heads, 8 KiB targets and fields, 100 fields. */
extern const struct h1_limits h1_limits_default;

/* ---- heads ---- */

enum h1_kind { H1_REQUEST, H1_RESPONSE, H1_TRAILERS };

/* State of one head while it comes in. */
struct h1_parser {
	/* Results. */
	uint32_t head_len;   /* H1_OK: bytes of the head, the empty line included */
	enum h1_error error; /* H1_BAD */
	/* Private. */
	const char *base; /* where the buffer was at the last call */
	uint32_t line;    /* start of the line being read */
	uint32_t first;   /* end of its first part (method, name), 0: not reached */
	uint32_t second;  /* end of its second part (target), 0: not reached */
	uint32_t scanned; /* bytes before are known to be good */
	uint32_t seen;    /* bit set of special fields */
	enum h1_kind kind;
	enum http_method method; /* response: of the request */
	bool secure;             /* request: the connection is */
	bool upgrade;            /* response: the request asked for one */
	bool started;            /* the start line is done */
};

/* secure: the connection is TLS, or who terminated it said so. */
void h1_request_begin(struct h1_parser *p, bool secure);
/* method and upgrade are those of the request that is to be answered. A 1xx but 101 is followed by
 * another head: begin again. */
void h1_response_begin(struct h1_parser *p, enum http_method method, bool upgrade);

/* Looks at buf[0..len), which starts with the message and holds all of it that came so far; call
 * again with more. The buffer may have moved between calls. *out is valid with H1_OK, but must be
 * the same at every call, as it holds what was read so far. The host is put in lower case within
 * the buffer. After H1_BAD the connection is of no more use.
 *
 * Requests: one empty line before is skipped (counted in head_len). Content-Length 0 is
 * HTTP_BODY_NONE. `upgrade` is set only if it may be honoured: HTTP/1.1, without a body, and not to
 * any HTTP (h2c would carry requests past every check). CONNECT has its authority in host and port
 * and no path. `expect_continue` is set only if a body follows; the field is forwarded unless it is
 * removed. */
enum h1_verdict h1_request_parse(struct h1_parser *p, char *buf, uint32_t len,
	const struct h1_limits *lim, struct http_head *out) WARN_UNUSED;
/* Responses: framing by RFC 9112 6.3. Content-Length of an answer to HEAD and of 304 tells of the
 * representation, not of a body: framing is NONE and the field stays, to be forwarded. keep_alive
 * is false whenever the connection cannot be used again. */
enum h1_verdict h1_response_parse(struct h1_parser *p, char *buf, uint32_t len,
	const struct h1_limits *lim, struct http_head *out) WARN_UNUSED;

/* Does 101 (or an HTTP/2 backend) agree to something that the request offered? RFC 9110 7.8. */
bool h1_upgrade_agrees(const struct http_head *req, const struct http_head *resp);

/* ---- bodies ---- */

/* One body while it comes in. */
/* Trailers while they come in. */
struct h1_trailer;

struct h1_body {
	/* Results. */
	enum h1_error error;              /* H1_BAD */
	const struct http_head *trailers; /* H1_OK: in the arena; NULL: none */
	/* Private. */
	const struct h1_limits *lim;
	struct http_arena *arena;
	uint64_t left; /* of the chunk, or of the body */
	uint32_t ext_len;
	uint64_t ext_total;
	uint8_t framing, state, digits;
	struct h1_trailer *trailer; /* being collected */
};

/* framing and length as the head says. lim and arena must live as long as the body; the arena is
 * used if there are trailers. */
void h1_body_init(struct h1_body *b, enum http_framing framing, uint64_t length,
	const struct h1_limits *lim, struct http_arena *arena);

/* What to do with the bytes given: first `skip` bytes of framing, then `data` bytes of payload. */
struct h1_piece {
	uint32_t skip, data;
};

/* Looks at the next len bytes of the connection (no padding is needed). H1_MORE: the piece is what
 * was taken, at least one byte of it if there was one; go on behind it. H1_OK: the body ends behind
 * the piece; what follows is not its own. H1_BAD: the piece before the error may be passed on or
 * not, the message is broken. A body of HTTP_BODY_NONE or of length 0 is H1_OK at once. */
enum h1_verdict h1_body_next(
	struct h1_body *b, const char *buf, uint32_t len, struct h1_piece *out) WARN_UNUSED;
/* The connection has ended: is the body complete? */
bool h1_body_eof(const struct h1_body *b);

/* ---- writing ---- */

struct h1_request_opts {
	struct span host; /* instead of the head's host and port; empty: those */
	bool close;       /* the connection is for this request alone */
};

/* The canonical head: origin form (authority form for CONNECT), Host first, the fields that are
 * neither HOP nor GONE as they stand, then ours: Connection, Upgrade, TE, Content-Length,
 * Transfer-Encoding. Returns its length; -ENOSPC: cap is too small; -EINVAL: a CR, LF or NUL is in
 * a span. */
int h1_request_write(const struct http_head *req, const struct h1_request_opts *o, char *buf,
	uint32_t cap) WARN_UNUSED;

/* How a response is sent to an HTTP/1 client. */
struct h1_response_plan {
	enum http_framing framing; /* NONE for HEAD; STREAM means chunked here */
	bool keep_alive;
};

/* method, version and keep_alive are those of the request (keep_alive false: we close anyway). A
 * stream to HTTP/1.0 becomes TO_EOF. */
struct h1_response_plan h1_response_plan(
	const struct http_head *resp, enum http_method method, uint8_t version, bool keep_alive);
/* Like h1_request_write. With the plan's framing NONE a Content-Length field that is not HOP is
 * written (HEAD, 304); where a body was possible, "Content-Length: 0". */
int h1_response_write(const struct http_head *resp, const struct h1_response_plan *plan,
	enum http_method method, uint8_t version, char *buf, uint32_t cap) WARN_UNUSED;

/* "1f4\r\n" before len (> 0) bytes of data, behind which CR LF belongs. Takes H1_CHUNK_HEAD_MAX
 * bytes at most; returns how many. */
uint32_t h1_chunk_write(uint64_t len, char *buf);
/* The last chunk with trailers (NULL: none). Errors as above. */
int h1_last_chunk_write(const struct http_head *trailers, char *buf, uint32_t cap) WARN_UNUSED;

#endif
