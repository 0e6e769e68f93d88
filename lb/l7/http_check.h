/* SPDX-License-Identifier: Apache-2.0
 * http_check - HTTP requests of the health engine, each on a connection of its own over the
 * worker's TCP engine.
 * Owner:      the worker that probes.
 * Lifetime:   http_check_create() ... http_check_destroy() after the engine.
 * Invariants: HK1 each exchange that was started answers once, or never if its time was over: the
 *             asker has a timer of its own. HK2 nothing of the target is kept: a plan may go.
 * Units:      ns, bytes.
 * Limits:     HTTP_CHECKS exchanges at a time; HTTP_CHECK_BYTES of a response are looked at.
 * Errors:     false: no connection, buffer or place is left; the asker tries again. */
#ifndef LB_L7_HTTP_CHECK_H
#define LB_L7_HTTP_CHECK_H

#include "dataplane/tcp/tcp.h"
#include "lb/health/health.h"
#include "lb/l7/http/loop.h"
#include "lb/l7/io.h"

#define HTTP_CHECKS      1024
#define HTTP_CHECK_BYTES 16384

struct http_checks;

struct http_check_conf {
	struct tcp_engine *engine;
	struct http_loop *loop;
};

int http_check_create(const struct http_check_conf *conf, struct http_checks **out) WARN_UNUSED;
void http_check_destroy(struct http_checks *c); /* NULL is fine */

/* To whom answers go; before the first ask. */
void http_check_on_answer(struct http_checks *c,
	void (*answer)(void *ctx, uint32_t id, uint64_t attempt, enum health_result r), void *ctx);
/* How TLS is spoken with a target. */
struct http_check_tls {
	struct tls_worker *w;
	const struct tls_client *client;
	const char *sni; /* NULL: the client's own */
};

/* tls NULL: not at all. */
bool http_check_ask(struct http_checks *c, const struct health_target *t, uint64_t attempt,
	const struct http_check_tls *tls);

#endif
