/* SPDX-License-Identifier: Apache-2.0
 * stream - one request and its response, whatever protocol carries them.
 *
 *	front (codec of the client's side: h1, later h2)
 *	   -> route -> policies -> action (proxy, respond, redirect, files, cache, kv)
 *
 * The front makes a stream when a request's head is complete and calls the action; the action
 * answers through the stream's functions, which pass the response policies and end in the front.
 * Bodies are chains of mbufs with back-pressure on both ways: whoever takes bytes says so when they
 * are gone (body_consumed), and whoever offers more than there is room for is told `resume`.
 *
 * Owner:      the front of one worker, from the request's head until on both ways all is said.
 * Lifetime:   an action may hold the pointer from start() until it called http_finish() or
 *             http_fail(), or its cancel() was called; not a moment longer.
 * Invariants: HS1 start() is called once; then body() in order and end() once, unless cancel()
 *                 comes; after cancel() nothing. HS2 an action sends: informational heads, then one
 *                 final head, body, finish. HS3 after http_fail() or cancel() the action's state is
 *                 gone. HS4 nothing of a generation of the configuration is kept across an event
 *                 except by its pin (`site_ref`), which the stream holds until its end.
 *             HS5 functions of the stream may call back into the action only through resume(), and
 *                 never before they have returned to the worker's loop.
 * Units:      ns (monotonic), bytes.
 * Cost:       no allocation but from pools and the stream's arena. */
#ifndef LB_L7_HTTP_STREAM_H
#define LB_L7_HTTP_STREAM_H

#include "dataplane/net/addr.h"
#include "lb/l7/http/arena.h"
#include "lb/l7/http/head.h"

struct http_stream;
struct tls_cert_text;
struct tls_conn;
struct http_worker; /* what HTTP keeps per worker: pools, upstreams, limits, log */
struct http_route;  /* lb/l7/route: the compiled route that matched */
struct l7_sites;
struct http_site; /* lb/l7/route: compiled routes and policies of a listener */
struct rte_mbuf;

/* What answers requests. Every member but start may be NULL. */
struct http_action {
	const char *name;
	/* The head is in s->req, the route in s->route. With s->req.framing NONE no body() or
	 * end() follows. */
	void (*start)(struct http_stream *s);
	/* Takes the chain. http_body_consumed() when its bytes are gone. */
	void (*body)(struct http_stream *s, struct rte_mbuf *chain, uint32_t len);
	/* The request's body is complete; trailers (may be NULL) are valid during the call. */
	void (*end)(struct http_stream *s, const struct http_head *trailers);
	/* There is room for response bytes again. */
	void (*resume)(struct http_stream *s);
	/* The client is gone, or the stream was refused midway: drop all. */
	void (*cancel)(struct http_stream *s);
};

/* Why a request ended as it did; a word for the log, a Proxy-Status error type of RFC 9209 (or
 * NULL) and the status that is sent if nothing was sent before (0: the connection is cut). */
/* clang-format off */
#define HTTP_ENDS(E) \
	E(OK, "ok", NULL, 0) \
	E(CLIENT_GONE, "client_gone", NULL, 0) \
	E(BAD_REQUEST, "bad_request", "http_request_error", 400) \
	E(REQUEST_TIMEOUT, "request_timeout", NULL, 408) \
	E(TOO_LARGE, "body_too_large", NULL, 413) \
	E(URI_TOO_LONG, "uri_too_long", NULL, 414) \
	E(HEAD_TOO_LARGE, "head_too_large", NULL, 431) \
	E(NO_ROUTE, "no_route", NULL, 404) \
	E(METHOD_NOT_ALLOWED, "method_not_allowed", NULL, 405) \
	E(DENIED, "denied", "http_request_denied", 403) \
	E(UNAUTHORIZED, "unauthorized", NULL, 401) \
	E(RATE_LIMITED, "rate_limited", NULL, 429) \
	E(OVERLOADED, "overloaded", "connection_limit_reached", 503) \
	E(NO_BACKEND, "no_backend", "destination_unavailable", 503) \
	E(DNS_ERROR, "dns_error", "dns_error", 503) \
	E(QUEUE_TIMEOUT, "queue_timeout", "connection_limit_reached", 503) \
	E(CIRCUIT_OPEN, "circuit_open", "connection_limit_reached", 503) \
	E(CONNECT_REFUSED, "connect_refused", "connection_refused", 502) \
	E(CONNECT_TIMEOUT, "connect_timeout", "connection_timeout", 504) \
	E(CONNECT_FAILED, "connect_failed", "destination_ip_unroutable", 502) \
	E(NO_PORT, "no_port", "proxy_internal_error", 503) \
	E(BACKEND_TLS, "backend_tls", "tls_protocol_error", 502) \
	E(BACKEND_CERTIFICATE, "backend_certificate", "tls_certificate_error", 502) \
	E(BACKEND_CLOSED, "backend_closed", "connection_terminated", 502) \
	E(BACKEND_INVALID, "backend_invalid", "http_protocol_error", 502) \
	E(BACKEND_INCOMPLETE, "backend_incomplete", "http_response_incomplete", 502) \
	E(BACKEND_HEAD_TOO_LARGE, "backend_head_too_large", "http_response_header_section_size", 502) \
	E(BACKEND_TIMEOUT, "backend_timeout", "http_response_timeout", 504) \
	E(INTERNAL, "internal", "proxy_internal_error", 500) \
	E(NO_MEMORY, "no_memory", "proxy_internal_error", 503) \
	E(LOOP, "loop", "proxy_loop_detected", 508)
/* clang-format on */

enum http_end {
#define E(id, word, proxy_status, status) HTTP_END_##id,
	HTTP_ENDS(E)
#undef E
		HTTP_END_CNT
};

const char *http_end_word(enum http_end e);

/* Times of the phases, ns; 0: did not happen. */
struct http_times {
	uint64_t accepted;   /* the connection; the same for all its requests */
	uint64_t first_byte; /* of the request */
	uint64_t head;       /* the request's head was complete */
	uint64_t request;    /* the request's body was complete */
	uint64_t queued;     /* began to wait for a backend connection */
	uint64_t backend;    /* got one (new or kept) */
	uint64_t response;   /* response head came */
	uint64_t end;
};

/* Between what an action sends and the front; made by a policy when the head is sent. */
struct http_filter {
	/* Takes the chain; what has become of it goes to http_send_filtered(). Returns the room. */
	uint32_t (*body)(
		struct http_filter *f, struct http_stream *s, struct rte_mbuf *chain, uint32_t len);
	/* All is said: the rest goes out. False: it cannot. */
	bool (*finish)(struct http_filter *f, struct http_stream *s);
	void (*free)(struct http_filter *f, struct http_stream *s);
};

/* Who answers with a body that a filter codes may have it made once. */
struct http_coded_ops {
	/* Is the body there in this coding (enum files_coding)? Then the answer is sent with that
	 * body of *len bytes, and no filter. Else the filter's output may be wanted. */
	bool (*find)(struct http_stream *s, uint8_t coding, uint64_t *len);
	/* What the filter puts out. */
	void (*made)(struct http_stream *s, const struct rte_mbuf *chain, uint32_t len);
	/* Once, after find(): that was all of it, or it will not be completed. */
	void (*over)(struct http_stream *s, bool whole);
};

struct http_stream {
	struct http_worker *w;
	const struct http_front_ops *front; /* of the front's protocol */
	void *front_state;
	struct http_arena arena;

	struct http_head req;  /* edited by request policies */
	struct http_head resp; /* edited by response policies */

	/* The client and the address it asked for, PROXY protocol and trusted X-Forwarded-For
	 * taken into account; `peer` is who really connected. */
	struct ip_addr client, peer, local;
	uint16_t client_port, local_port; /* network order */
	bool secure;                      /* TLS to us */
	const struct tls_conn *tls;       /* NULL: plain, or not known */
	const struct tls_cert_text *cert; /* http_client_cert() */
	uint32_t listener;                /* id */

	const struct http_site *site; /* pinned by site_ref until the end */
	void *site_ref;
	const struct l7_sites *sites; /* those it belongs to */
	const struct http_route *route;
	const struct http_action *action;
	void *action_state;                 /* the action's */
	void *policy_state;                 /* the policies' */
	struct http_filter *filter;         /* of the response; NULL: none */
	const struct http_coded_ops *coded; /* the action's; NULL: none */
	void *coded_arg;

	struct http_times t;
	uint64_t req_bytes, resp_bytes; /* of bodies, as received and as sent to the client */
	struct span request_id;
	const char *backend; /* name of the backend that answered; NULL: none */
	uint32_t retries;
	enum http_end end;
	uint16_t fail_status; /* of an error answer, instead of that of `end`; 0: that */
	const char *detail;   /* word beside the end's, for log and Proxy-Status; NULL: none */
	uint64_t body_max;    /* bytes of the request's body; more are refused with 413 */
	/* Sees the final head before the response policies, and may edit it; NULL: none. */
	void (*on_head)(struct http_stream *s);
	void *on_head_arg;
	bool resp_started, resp_finished, req_finished;
	bool body_ignored; /* http_body_ignore() was called */
	uint32_t upstream; /* index in place of the route's choice; UINT32_MAX: that */
	uint32_t avoid;    /* id of a server that is the last choice, plus one; 0: none */
	bool inner;        /* of weir itself (sub.h): no policies, no counters */
	bool resp_foreign; /* s->resp is what a backend said */
	bool asks_backend; /* for leave to send the body: the front says no 100 of its own */
	bool held;         /* a policy is not done: the front keeps the request's body back */
	const char *cache; /* word for the log: hit, miss, ...; NULL: not asked */
};

/* ---- for actions ---- */

/* Fill s->resp before: status, fields, framing, length. Informational (1xx but 101): may come
 * several times before the final one. Runs the response policies. */
void http_send_head(struct http_stream *s);
/* Takes the chain. Returns the room that is left: 0 means wait for resume() (what was given is
 * taken all the same). */
uint32_t http_send_body(struct http_stream *s, struct rte_mbuf *chain, uint32_t len);
/* What a filter made of the body. */
uint32_t http_send_filtered(struct http_stream *s, struct rte_mbuf *chain, uint32_t len);
/* Bytes copied into buffers of the worker; for small bodies. 0 or -ENOMEM. */
int http_send_bytes(struct http_stream *s, const void *data, uint32_t len) WARN_UNUSED;
uint32_t http_send_room(const struct http_stream *s);
/* Head, a short body that is copied, and the end, in one piece if the front can. In two steps:
 * after the first one policies have decided, and which body it is may depend on that. 0, and the
 * stream may be gone; or -ENOMEM: then it is as after http_send_head(). */
void http_begin_whole(struct http_stream *s);
int http_end_whole(struct http_stream *s, const void *body, uint32_t len) WARN_UNUSED;
/* The response is complete. trailers may be NULL. The stream may be gone afterwards. */
void http_finish(struct http_stream *s, const struct http_head *trailers);
/* A whole small response. body is copied; type empty: none. Fields that s->resp has already
 * (Location) are sent too, unless a backend said them. The stream may be gone afterwards. */
void http_respond(struct http_stream *s, uint16_t status, struct span type, struct span body);
/* The configured error answer for `end` with Proxy-Status, or, if a response was begun, the cut
 * that the protocol has for it. The stream may be gone afterwards. */
void http_fail(struct http_stream *s, enum http_end end);
/* n bytes given to body() are gone. */
void http_body_consumed(struct http_stream *s, uint32_t n);
/* Take no more of the request's body (an answer before its end): it is dropped up to a bound, then
 * the connection closes after the response. */
void http_body_ignore(struct http_stream *s);

/* As http_fail(), with another status and a word that says more. */
void http_fail_as(struct http_stream *s, enum http_end end, uint16_t status, const char *detail);

uint64_t http_now_ns(const struct http_stream *s);
/* The client's certificate in words, written once a request and kept in its arena. NULL: there is
 * none, or no memory. */
const struct tls_cert_text *http_client_cert(struct http_stream *s);

/* ---- for fronts ---- */

/* What a protocol does with what actions say; the stream's state was checked and noted before. None
 * frees the stream but finish and cut, and those only if all was sent. */
struct http_front_ops {
	void (*send_head)(struct http_stream *s);
	/* Final head and the whole body in one piece, but for finish(). False: not so, and nothing
	 * was sent. NULL: never. */
	bool (*send_whole)(struct http_stream *s, const void *body, uint32_t len);
	uint32_t (*send_body)(struct http_stream *s, struct rte_mbuf *chain, uint32_t len);
	uint32_t (*room)(const struct http_stream *s);
	void (*finish)(struct http_stream *s, const struct http_head *trailers);
	void (*cut)(struct http_stream *s); /* the response cannot be completed */
	void (*consumed)(struct http_stream *s, uint32_t n);
	void (*go_on)(struct http_stream *s); /* `held` is over: the body may come */
};

/* Defaults of everything but what the front filled in: heads, addresses, front, site, arena. */
void http_stream_init(struct http_stream *s, struct http_worker *w);
/* The head is complete: route, policies, action. The stream may be gone afterwards. */
void http_stream_start(struct http_stream *s);
/* Take the action off the stream, which will not be heard of it again. */
void http_stream_cancel(struct http_stream *s, enum http_end end);
/* The stream ends: log, counters, pins. Its memory is the front's. */
void http_stream_end(struct http_stream *s);

#endif
