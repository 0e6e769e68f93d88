/* SPDX-License-Identifier: Apache-2.0
 * proxy_pvt - what the files of the proxy share. */
#ifndef LB_L7_HTTP_PROXY_PVT_H
#define LB_L7_HTTP_PROXY_PVT_H

#include "lb/l7/http/http_pvt.h"
#include "lb/l7/http/proxy.h"

enum proxy_state {
	PROXY_CONNECTION, /* waits for a connection */
	PROXY_HEAD,       /* for the response's head */
	PROXY_BODY,
	PROXY_TUNNEL,
	PROXY_PAUSE,  /* the try has failed; the next one is posted */
	PROXY_HEDGED, /* the second server is heard, or waited for */
};

#define REPLAY_MAX (16u << 10) /* of a request's body, kept for a retry */

struct proxy {
	struct http_stream *s;
	struct up_req up;
	enum proxy_state state;
	uint32_t self;

	/* The request. */
	struct chain out; /* framed, not taken by the backend's connection yet */
	uint32_t unsaid;  /* bytes of the body in `out` that the client's side does not know gone */
	bool chunk_open, req_ended, sent, replayable;
	char *replay; /* the body so far, if it may be needed again */
	uint32_t replay_len;

	/* The response. */
	struct chain in;
	struct h1_parser parser;
	struct h1_body body;
	char *head; /* in the stream's arena */
	uint32_t head_len, head_cap;
	uint32_t held;     /* bytes given to the client's side, which has no room */
	uint32_t info_cnt; /* informational heads of this try */
	bool eof, any;     /* the backend has ended; bytes came in this try */

	uint64_t total_ns; /* deadline; 0: none */
	struct http_timer timer, hedge_timer;
	struct http_task task;
	struct http_sub *hedge;  /* NULL: no second server is asked */
	enum http_end hedge_why; /* of the first one */
};

struct http_sub;

static inline struct proxy *proxy_of(struct http_stream *s)
{
	return s->action_state;
}

static inline struct http_worker *proxy_worker(const struct proxy *p)
{
	return p->s->w;
}

/* ---- proxy.c ---- */

void proxy_begin_try(struct proxy *p);
void proxy_give_up(struct proxy *p, enum http_end why);
/* Nothing of upstream is left to give back. */
void proxy_free(struct proxy *p);

/* ---- proxy_retry.c ---- */

/* May the request be sent twice, as far as its method goes? */
bool proxy_may_repeat(const struct http_stream *s);
/* The try has failed, its connection is given back. Another one, or the end. */
void proxy_try_failed(struct proxy *p, enum http_end why);
/* A response with this status came: is the request sent again instead? */
bool proxy_retries_status(struct proxy *p);

/* ---- proxy_twice.c ---- */

void proxy_mirror(struct http_stream *s);
void proxy_hedge_init(struct proxy *p);
void proxy_hedge_arm(struct proxy *p);
void proxy_hedge_stop(struct proxy *p);
bool proxy_hedge_takes_over(struct proxy *p, enum http_end why);

/* ---- proxy_key.c ---- */

/* Which pool, and what its scheduler wants to know. False: there is none. */
bool proxy_choose_upstream(struct proxy *p);
/* Bind the client to the server that answered, if the pool does so. */
void proxy_set_cookie(struct proxy *p);
void proxy_add_date(struct http_stream *s);

#endif
