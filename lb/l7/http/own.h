/* SPDX-License-Identifier: Apache-2.0
 * own - bodies of weir itself that are more than a buffer or two: they go out of their memory as
 * the client takes them, and together never take the last of the worker's buffers, which heads and
 * the framing of everybody else's bodies need.
 * Owner:      one worker.
 * Lifetime:   the memory of a body stays until release(), which is called once, when the last byte
 *             was copied or the stream is given up.
 * Invariants: OW1 while less than 1/OWN_RESERVE of the buffers are free no such body gets any (but
 *             a promise may go OWN_PIECE below, once a turn); it goes on within OWN_RETRY_NS of
 *             there being more.
 * Units:      bytes; ns.
 * Cost:       the free buffers are counted once a turn, if anybody asks. */
#ifndef LB_L7_HTTP_OWN_H
#define LB_L7_HTTP_OWN_H

#include "dataplane/base/list.h"
#include "lb/l7/http/stream.h"

#define OWN_WHOLE    (16u << 10) /* shorter bodies are copied at once */
#define OWN_PIECE    (64u << 10) /* at a time */
#define OWN_RESERVE  4
#define OWN_RETRY_NS UINT64_C(5000000)

struct http_source {
	const void *at;
	uint32_t len;
	void (*release)(void *ctx); /* NULL: it stays longer than any stream */
	void *ctx;
};

/* As http_respond(), with the stream's action. Fields that s->resp has are sent too. */
void http_respond_from(
	struct http_stream *s, uint16_t status, struct span type, const struct http_source *from);

/* For actions that send such bodies piece by piece: how much of `want` may be sent now. 0: resume()
 * of the action follows, by the client's side or when there are buffers. */
struct http_own_wait {
	struct list_node node;
	struct http_stream *s;
	uint32_t promised;
};
void http_own_init(struct http_own_wait *o, struct http_stream *s);
uint32_t http_own_room(struct http_own_wait *o, uint32_t want);
/* As http_own_room() for n bytes that take their time to come, OWN_PIECE at most: room for them is
 * kept from other such bodies until http_own_take(), after which they are sent at once, whatever
 * room the client has by then. False: resume() follows. */
bool http_own_promise(struct http_own_wait *o, uint32_t n);
void http_own_take(struct http_own_wait *o);
/* There were none after all. */
void http_own_short(struct http_own_wait *o);
/* The stream is over, or has no use for it any more. */
void http_own_stop(struct http_own_wait *o);

#endif
