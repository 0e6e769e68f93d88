/* SPDX-License-Identifier: Apache-2.0
 * kv_pvt - what the files of kv share. */
#ifndef LB_L7_KV_KV_PVT_H
#define LB_L7_KV_KV_PVT_H

#include "lb/config/config.h"
#include "lb/config/config_http.h"
#include "lb/kvs/kvs.h"
#include "lb/l7/http/cond.h"
#include "lb/l7/http/http_pvt.h"
#include "lb/l7/http/own.h"
#include "lb/l7/kv/kv.h"

#define KV_ETAG_MAX 24

struct kv_route {
	struct {
		struct span name;
		uint8_t idx;
	} ns[LIMIT_STORE_NS];
	uint32_t ns_cnt;
	const struct config_http_match *match; /* its prefixes */
	uint64_t max_value;
	uint32_t list_max;
	bool read_only;
};

/* In the arena of its transaction, but for what the stream is asked for while it is there. */
struct kv_req {
	struct http_stream *s; /* NULL: gone */
	struct kvs_tx *tx;
	const struct kv_route *route;
	struct http_head *head;           /* a copy of the request's, for its conditions */
	void (*answer)(struct kv_req *q); /* the transaction succeeded */
	bool started;

	uint8_t *key;
	uint32_t key_len;
	uint8_t *body;
	uint32_t body_len, body_cap;

	/* Outcome of the run. */
	uint16_t status;
	const char *problem; /* with an error status: what is wrong */
	bool found, viewed;  /* the value is the cache's own */
	uint64_t version, expire_ms;
	const uint8_t *val;
	uint32_t val_len;
	struct kv_list *list;
	struct kv_batch *batch;
};

/* Answers; the stream may be gone afterwards. */
void kv_problem(struct http_stream *s, uint16_t status, const char *title, const char *detail);
uint32_t kv_etag(uint64_t version, char out[KV_ETAG_MAX]);
/* Is a write, or a read, allowed by the request's conditions? Sets q->status if not. */
bool kv_conditions(struct kv_req *q, const struct kvs_ent *e);
/* A text in the transaction's memory; the stream may be gone afterwards. */
void kv_json(struct kv_req *q, const char *text, size_t len);
void kv_start(struct kv_req *q, void (*run)(struct kvs_tx *tx), void (*answer)(struct kv_req *q));

/* ---- list.c, batch.c, openapi.c ---- */
void kv_list(struct kv_req *q);
void kv_batch(struct kv_req *q);
void kv_openapi(struct http_stream *s);

/* Append to a JSON text in an arena that grows. */
struct kv_text {
	struct kvs_tx *tx;
	char *at;
	size_t len, cap;
	bool full;
};
void kv_put_text(struct kv_text *t, const char *text, size_t len);
/* As a JSON string; bytes that are no UTF-8 become U+FFFD, and *lossy is set. */
void kv_put_string(struct kv_text *t, const void *bytes, size_t len, bool *lossy);

#endif
