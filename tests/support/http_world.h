/* SPDX-License-Identifier: Apache-2.0
 * http_world - weir between clients and servers that say what the test tells them to, byte by byte.
 * Owner:      the test; one world at a time.
 * Lifetime:   http_world_open() ... http_world_close(), which fails the test if weir holds a
 *             stream, buffer or connection that it should not.
 * Units:      ms of the virtual clock.
 * Limits:     HW_CONNS connections on each side, HW_BYTES bytes kept of each. */
#ifndef TESTS_SUPPORT_HTTP_WORLD_H
#define TESTS_SUPPORT_HTTP_WORLD_H

#include "lb/l7/http/http.h"
#include "tests/support/tcp_world.h"

#define HW_CONNS   256
#define HW_BYTES   (1u << 20) /* kept of each, taken when they come */
#define HW_REPLIES 16
#define HW_PORTS   4 /* the server listens at 80, 81, ... if it is told to */

#define HW_CLIENT "192.0.2.10"
#define HW_VIP    "192.0.2.80"
#define HW_SERVER "198.51.100.11"

struct hw_conn {
	struct http_world *hw;
	struct tcp_engine *e;
	uint64_t conn; /* TCP_NONE: not there */
	char *buf;     /* what came, with a NUL behind it */
	uint32_t len, answered;
	uint16_t port;   /* of the server */
	uint32_t unread; /* with `slow`: came and not consumed */
	bool up, eof, closed, slow, reset_soon;
	enum tcp_end why;
	struct rte_mbuf *out, **out_tail;
	bool fin;
};

/* What a server does with a request, when its head and body are complete. */
enum hw_then { HW_KEEP, HW_FIN, HW_RESET, HW_SILENT };

struct hw_reply {
	const char *text; /* NULL: nothing */
	uint32_t len;     /* 0: of the text */
	enum hw_then then;
	bool early; /* already when its head is complete */
};

struct http_world {
	struct tcp_world w;
	struct tcp_host *client, *server;
	struct hw_conn clients[HW_CONNS], servers[HW_CONNS];
	uint32_t client_cnt, server_cnt;
	/* For the n-th request over all connections; the last one stands for all that follow. */
	struct hw_reply replies[HW_REPLIES];
	uint32_t reply_cnt, request_cnt;
	struct hw_reply of_port[HW_PORTS]; /* in place of the above if there is a text or an end */
	uint32_t port_cnt[HW_PORTS];       /* requests answered */
	int listener[HW_PORTS];
};

/* `http` is the part of the file from `upstreams:` on. Upstream servers are HW_SERVER:80. */
void http_world_open(struct http_world *hw, const char *http);
void http_world_close(struct http_world *hw);
void http_world_run(struct http_world *hw, uint32_t ms);
void http_world_reload(struct http_world *hw, const char *http);
/* A port of the server is opened or closed; 80 is open at first. */
void http_world_listen(struct http_world *hw, uint16_t port, bool open);

void hw_replies(struct http_world *hw, const struct hw_reply *r, uint32_t cnt);
void hw_reply(struct http_world *hw, const char *text, enum hw_then then);
void hw_reply_of(struct http_world *hw, uint16_t port, const char *text, enum hw_then then);

/* A client of port 80 of HW_VIP; it is connected when this returns. */
struct hw_conn *hw_connect(struct http_world *hw);
void hw_send(struct hw_conn *c, const char *text);
void hw_send_n(struct hw_conn *c, const char *bytes, uint32_t len);
void hw_fin(struct hw_conn *c);
void hw_reset(struct hw_conn *c);
/* Send, let `ms` pass, and see what is there. */
const char *hw_ask(struct hw_conn *c, const char *text, uint32_t ms);
void hw_clear(struct hw_conn *c);

struct http_worker *hw_worker(struct http_world *hw);
const struct http_listener_stats *hw_stats(struct http_world *hw);
/* Of the first server, or of that at its place. */
const struct up_server_stats *hw_server_stats(struct http_world *hw);
const struct up_server_stats *hw_server_stats_of(struct http_world *hw, uint32_t place);
const struct up_pool_stats *hw_pool_stats(struct http_world *hw);
/* Status of the response at `text`; 0: there is none. */
int hw_status(const char *text);

#endif
