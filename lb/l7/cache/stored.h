/* SPDX-License-Identifier: Apache-2.0
 * stored - the head of a stored response as it lies in the cache: flat bytes without pointers, so
 * that a hit reads it where it lies, and another process or the second tier can take it over.
 * Owner: encode writes into the caller's buffer; decode points into the bytes it was given.
 * Invariants: SD1 hop-by-hop fields, those of the proxy itself, Content-Length, Age, and fields
 * that no-cache or private name are not in it (RFC 9111 3.1). SD2 decode checks every length: bytes
 * that were damaged are refused, not followed. Limits: STORED_MAX bytes. */
#ifndef LB_L7_CACHE_STORED_H
#define LB_L7_CACHE_STORED_H

#include "lb/l7/cache/fresh.h"

#define STORED_MAX 65536

struct stored {
	struct fresh fresh;
	uint16_t status;
	uint32_t len;          /* of the encoded head: the body of a small response follows */
	struct span etag;      /* empty: none */
	int64_t last_modified; /* HTTP_DATE_NONE: none */
	struct span tags;      /* Surrogate-Key: blank-separated; empty: none */
	const struct stored_field *fields;
	uint32_t field_cnt;
	const char *text;
};

/* Encodes resp, which `f` was decided for. `control` names fields that must not be kept. Returns
 * the length, or 0: does not fit. */
uint32_t stored_encode(const struct http_head *resp, const struct fresh *f,
	const struct control_response *control, char *out, uint32_t cap);
/* The head after a 304 or a matching HEAD response (RFC 9111 3.2): its fields replace those of the
 * same names. */
uint32_t stored_update(const struct stored *old, const struct http_head *resp,
	const struct fresh *f, const struct control_response *control, char *out, uint32_t cap);

/* All of it for a 304 or HEAD response that stored_validated() accepted: the new head with its
 * freshness. 0: it does not fit, or may not be kept any longer: remove it. */
uint32_t stored_freshen(const struct fresh_policy *p, const struct http_head *req,
	const struct stored *old, const struct http_head *resp, int64_t request_ms,
	int64_t response_ms, struct http_head *scratch, char *out, uint32_t cap);

/* Of bytes that stored_encode() or stored_update() made and memory kept. False: no stored head.
 * bytes 8-aligned. */
bool stored_open(const void *bytes, uint32_t len, struct stored *out);
/* The same for bytes that come from elsewhere (SD2). */
bool stored_decode(const void *bytes, uint32_t len, struct stored *out);
/* Status and fields into resp, which is otherwise left alone. */
void stored_head(const struct stored *s, struct http_head *resp);
struct span stored_get(const struct stored *s, enum http_field_id id);

/* RFC 9111 4.3.4 and 4.3.5: may this 304 (or HEAD response) update the stored one? */
bool stored_validated(const struct stored *s, const struct http_head *resp, int64_t now);

#endif
