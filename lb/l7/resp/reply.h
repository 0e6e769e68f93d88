/* SPDX-License-Identifier: Apache-2.0
 * reply - replies of the Redis protocol, version 2 or 3, into memory of the worker.
 * Owner:      one command, or the worker. Limits: LIMIT bytes; beyond, or without memory, `failed`
 *             is set and nothing more is written.
 * Cost:       no allocation while it fits the block. */
#ifndef LB_L7_RESP_REPLY_H
#define LB_L7_RESP_REPLY_H

#include <string.h>

#include "lb/kvs/mem.h"

#define REPLY_MAX (UINT64_C(512) << 20)

struct reply {
	struct mem *m;
	uint8_t *p;
	uint64_t len, cap;
	uint8_t proto; /* 2 or 3 */
	bool failed;
	bool error; /* the last thing written begins with '-' */
};

void reply_init(struct reply *r, struct mem *m, uint8_t proto);
void reply_fini(struct reply *r);
bool reply_grow(struct reply *r, uint64_t n);

static inline bool reply_room(struct reply *r, uint64_t n)
{
	return likely(r->cap - r->len >= n) || reply_grow(r, n);
}
static inline void reply_raw(struct reply *r, const void *p, uint64_t n)
{
	if (!reply_room(r, n))
		return;
	if (n > 0)
		memcpy(r->p + r->len, p, n);
	r->len += n;
}
#define reply_lit(r, text) reply_raw(r, text, sizeof(text) - 1)

void reply_ok(struct reply *r);
void reply_simple(struct reply *r, const char *text);
/* "-" and the text, which carries its own code: "ERR no such key". */
void reply_error(struct reply *r, const char *text);
void reply_errorf(struct reply *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void reply_int(struct reply *r, int64_t v);
void reply_bulk(struct reply *r, const void *p, uint64_t n);
void reply_text(struct reply *r, const char *text);
void reply_bulk_int(struct reply *r, int64_t v);
void reply_null(struct reply *r);       /* of a string */
void reply_null_array(struct reply *r); /* in version 3 the same as the other */
void reply_array(struct reply *r, uint64_t n);
void reply_map(struct reply *r, uint64_t pairs); /* version 2: an array of twice as many */
void reply_set(struct reply *r, uint64_t n);
void reply_push(struct reply *r, uint64_t n);
/* Version 2: a string with 17 digits. */
void reply_double(struct reply *r, double v);
void reply_bool(struct reply *r, bool v); /* version 2: 1 or 0 */
void reply_verbatim(struct reply *r, const char *text, uint64_t n);

/* As Redis writes doubles in strings; returns the length; out holds 40 bytes. */
uint32_t reply_format_double(double v, char out[40]);

#endif
