/* SPDX-License-Identifier: Apache-2.0
 * edge_world - the whole application between scripted HTTP clients and an origin, on a virtual
 * clock: packets, TCP, codec, routes, cache and proxy are the real ones.
 *
 * Owner:      the test; one world at a time.
 * Units:      seconds and ms of the virtual clock; the wall clock starts at EDGE_WORLD_T.
 * Limits:     EDGE_WORLD_CLIENTS requests at a time; texts as the constants say. */
#ifndef TESTS_SUPPORT_EDGE_WORLD_H
#define TESTS_SUPPORT_EDGE_WORLD_H

#include "tests/support/tcp_world.h"

#define EDGE_WORLD_T       INT64_C(784111777) /* Sun, 06 Nov 1994 08:49:37 GMT */
#define EDGE_WORLD_CLIENTS 64
#define EDGE_WORLD_ASKED   4096

struct edge_world;

/* One client's connection and what came on it. */
struct edge_ask {
	struct edge_world *world;
	uint64_t conn;
	char *text; /* grows; ends in a NUL */
	uint32_t len, cap;
	bool over;  /* the connection ended */
	bool reset; /* not in order */
};

/* A request that came to the origin; it is answered by origin_answer(), or at once by the world's
 * next answer. */
struct edge_world {
	struct tcp_world w;
	struct tcp_host *client, *origin;
	struct edge_ask asks[EDGE_WORLD_CLIENTS];
	uint32_t ask_cnt;
	uint32_t asked;              /* requests that came to the origin */
	char last[EDGE_WORLD_ASKED]; /* the last of them */
	/* What the origin answers, as it goes over the wire. NULL: it says nothing. */
	const char *answer;
	uint64_t body_len;  /* behind the answer: so many bytes of a pattern */
	uint64_t cut_after; /* of them, then a reset; 0: all of them */
	bool close_after;   /* the origin closes behind each answer */
	bool refuse;        /* the origin refuses connections */
	int64_t wall_ms;
	uint64_t owed[EDGE_WORLD_CLIENTS]; /* connections whose request got no answer */
	uint32_t owed_cnt;
	struct {
		uint64_t conn;
		uint64_t sent, total, cut;
		bool close;
	} bodies[EDGE_WORLD_CLIENTS];
};

/* routes: YAML of `routes:`, with upstream `app`; more: further sections, or "". */
void edge_world_open(struct edge_world *h, const char *routes, const char *more);
void edge_world_close(struct edge_world *h);

/* The origin's answer from here on. */
void edge_world_answer(struct edge_world *h, const char *answer);

/* The origin says what it owes: the next answers, to requests that got none (in their order). */
void edge_world_release(struct edge_world *h);

/* Send a request on a connection of its own, and let the world rest. The request's text ends where
 * its head does: "GET / HTTP/1.1\r\nHost: a\r\n" (Connection: close and the empty line are added).
 */
struct edge_ask *edge_world_begin(struct edge_world *h, const char *request);
/* The same, and run until the connection ends or ms have passed. */
struct edge_ask *edge_world_ask(struct edge_world *h, const char *request);
/* Forget all asks. */
void edge_world_forget(struct edge_world *h);
/* Both clocks go on. */
void edge_world_sleep(struct edge_world *h, double seconds);

/* Of an answer. */
int edge_ask_status(const struct edge_ask *a); /* 0: none */
/* Value of the first field of that name, in a buffer of the function; NULL: none. */
const char *edge_ask_field(const struct edge_ask *a, const char *name);
const char *edge_ask_body(const struct edge_ask *a);
uint32_t edge_ask_body_len(const struct edge_ask *a);
/* Byte n of the pattern of body_len. */
static inline char edge_world_byte(uint64_t n)
{
	return (char)('a' + n % 23);
}

#endif
