/* SPDX-License-Identifier: Apache-2.0
 * http_world - the whole of weir between clients and servers that say what the test tells them to,
 * byte by byte, on a virtual clock: packets, TCP, codec, routes, cache and proxy are the real ones.
 *
 * Servers answer each complete request by a list of replies, or by a function of the test; what
 * they send may end in a body of any length that is made as it leaves. edge_world.h says the same
 * in the words of cache tests: an origin with one answer, clients with one request each.
 *
 * Owner:      the test; one world at a time.
 * Lifetime:   http_world_open() ... http_world_close(), which fails the test if weir holds a
 *             stream, buffer or connection that it should not.
 * Units:      ms of the virtual clock. The wall clock of the cache starts at HW_WALL and goes on
 *             only by http_world_sleep(), so that ages in answers are exact.
 * Limits:     HW_CONNS connections on each side; those of servers that ended are used again when
 *             all are taken. */
#ifndef TESTS_SUPPORT_HTTP_WORLD_H
#define TESTS_SUPPORT_HTTP_WORLD_H

#include "lb/l7/http/http.h"
#include "tests/support/tcp_world.h"

#define HW_CONNS   1280
#define HW_REPLIES 16
#define HW_PORTS   4 /* the server listens at 80, 81, ... if it is told to */
#define HW_LAST    4096
#define HW_WALL    INT64_C(784111777) /* s: Sun, 06 Nov 1994 08:49:37 GMT */

#define HW_CLIENT "192.0.2.10"
#define HW_VIP    "192.0.2.80"
#define HW_SERVER "198.51.100.11"

/* n bytes of a body from its byte `from` on. */
typedef void (*hw_fill_fn)(void *ctx, uint64_t from, void *out, uint32_t n);

/* What a server does with a request, when its head and body are complete. */
enum hw_then { HW_KEEP, HW_FIN, HW_RESET, HW_SILENT };

struct hw_reply {
	const char *text; /* NULL: nothing */
	uint32_t len;     /* 0: of the text */
	enum hw_then then;
	bool early; /* already when its head is complete; not with `choose` */
	/* Bytes behind the text: from `body_from` on, of `fill`, or of the pattern hw_byte(). */
	uint64_t body_from, body_len;
	uint64_t cut_after; /* of them, then the end of the connection; 0: all */
	hw_fill_fn fill;
	void *fill_ctx;
};

/* One end of a connection: a client, or what a server accepted. */
struct hw_conn {
	struct http_world *hw;
	struct tcp_engine *e;
	uint64_t conn; /* TCP_NONE: not there */
	char *text;    /* what came, with a NUL behind it; grows */
	uint32_t len, cap, answered;
	uint16_t port;   /* of the server */
	uint32_t unread; /* with `slow`: came and not consumed */
	bool up, eof, closed, slow, reset_soon;
	bool once;  /* closes when the other side does */
	bool over;  /* eof or closed */
	bool reset; /* closed, and not in order */
	enum tcp_end why;
	struct rte_mbuf *out, **out_tail;
	bool fin;
	struct hw_reply body; /* what of a reply is still to be made */
	/* Takes what comes instead of `text`; NULL: it is kept. */
	void (*take)(struct hw_conn *c, const char *bytes, uint32_t len);
	void *take_ctx;
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
	/* Says the reply to the request at `request`, in place of all the above; NULL: not asked.
	 */
	void (*choose)(
		struct http_world *hw, struct hw_conn *c, const char *request, struct hw_reply *r);
	char last[HW_LAST]; /* the last request that came to a server */
	bool refuse;        /* servers reset who connects */
	int64_t wall_ms;
	struct ip_addr vip;
	struct tcp_host *more[HW_PORTS]; /* hosts that stand for ports 81, 82, ... */
};

/* Where the hosts are in a configuration that is not http_world_open()'s own. */
struct hw_place {
	const char *client, *client6, *server, *server6, *vip;
	uint32_t client_port, server_port;        /* of the wire */
	const uint8_t *client_weir, *server_weir; /* MAC addresses of weir on them */
};

/* Who answers for names of backends, for the next http_world_open(); NULL: the machine's DNS. */
struct resolve_io;
extern const struct resolve_io *http_world_names;

/* `http` is the part of the file from `upstreams:` on. Upstream servers are HW_SERVER:80. */
void http_world_open(struct http_world *hw, const char *http);
/* A whole file. */
void http_world_open_at(struct http_world *hw, const struct hw_place *at, const char *config);
void http_world_close(struct http_world *hw);
void http_world_run(struct http_world *hw, uint32_t ms);
/* Both clocks go on. */
void http_world_sleep(struct http_world *hw, double seconds);
void http_world_reload(struct http_world *hw, const char *http);
/* A port of the server is opened or closed; 80 is open at first. */
void http_world_listen(struct http_world *hw, uint16_t port, bool open);
/* End all clients and forget what came to them. */
void http_world_forget(struct http_world *hw);

/* Another server at an address of its own, port 80, which says what is told for the n-th port. */
void http_world_host(struct http_world *hw, uint16_t port, const char *addr4, const char *addr6);

void hw_replies(struct http_world *hw, const struct hw_reply *r, uint32_t cnt);
void hw_reply(struct http_world *hw, const char *text, enum hw_then then);
void hw_reply_of(struct http_world *hw, uint16_t port, const char *text, enum hw_then then);
/* A server answers out of turn. */
void hw_answer(struct hw_conn *c, const struct hw_reply *r);

/* A client of port 80 of the VIP; it is connected when hw_connect() returns. */
struct hw_conn *hw_dial(struct http_world *hw);
struct hw_conn *hw_connect(struct http_world *hw);
void hw_send(struct hw_conn *c, const char *text);
void hw_send_n(struct hw_conn *c, const char *bytes, uint32_t len);
void hw_fin(struct hw_conn *c);
void hw_reset(struct hw_conn *c);
/* With `slow`: n bytes more are taken, if so many came. */
void hw_read(struct hw_conn *c, uint32_t n);
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

/* Of the pattern; ctx is not used. */
void hw_fill_pattern(void *ctx, uint64_t from, void *out, uint32_t n);
/* Its byte n. */
static inline char hw_byte(uint64_t n)
{
	return (char)('a' + n % 23);
}

#endif
