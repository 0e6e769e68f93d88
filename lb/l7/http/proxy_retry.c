/* SPDX-License-Identifier: Apache-2.0
 * Whether a request is sent again. What never left weir may go anywhere else; what was sent only if
 * its method is idempotent (RFC 9110 9.2.2) or the route says that it may, and if its body can be
 * sent once more. A kept connection that the server closed without a byte is no fault of the
 * server: such a retry is made even if the route asks for none (RFC 9112 9.3.1), once for each kept
 * connection that is met. */
#include "dataplane/base/time.h"
#include "lb/l7/http/proxy_pvt.h"

bool proxy_may_repeat(const struct http_stream *s)
{
	switch (s->req.method) {
	case HTTP_GET:
	case HTTP_HEAD:
	case HTTP_OPTIONS:
	case HTTP_PUT:
	case HTTP_DELETE:
	case HTTP_TRACE:
		return true;
	default:
		return s->route->retries.unsafe;
	}
}

static bool may_send_again(const struct proxy *p)
{
	return !p->sent ||
	       (proxy_may_repeat(p->s) && (p->s->req.framing == HTTP_BODY_NONE || p->replayable));
}

static uint32_t reason_of(const struct proxy *p, enum http_end why)
{
	switch (why) {
	case HTTP_END_CONNECT_REFUSED:
	case HTTP_END_CONNECT_TIMEOUT:
	case HTTP_END_CONNECT_FAILED:
	case HTTP_END_BACKEND_TLS:
		return HTTP_RETRY_CONNECT;
	case HTTP_END_BACKEND_CLOSED:
		return p->sent ? HTTP_RETRY_RESET : HTTP_RETRY_CONNECT | HTTP_RETRY_RESET;
	case HTTP_END_BACKEND_TIMEOUT:
		return HTTP_RETRY_TIMEOUT;
	case HTTP_END_BACKEND_INVALID:
	case HTTP_END_BACKEND_INCOMPLETE:
		return HTTP_RETRY_INVALID;
	default:
		return 0;
	}
}

static bool in_time(const struct proxy *p)
{
	return p->total_ns == 0 || p->s->w->loop.now_ns < p->total_ns;
}

static bool allowed(struct proxy *p, uint32_t reason)
{
	const struct http_retries *r = &p->s->route->retries;

	return (r->mask & reason) != 0 && p->s->retries < r->cnt && may_send_again(p) &&
	       in_time(p) && up_retry_allowed(proxy_worker(p)->up, p->up.upstream);
}

static void again(struct proxy *p)
{
	p->state = PROXY_PAUSE;
	http_task_post(&p->s->w->loop, &p->task);
}

void proxy_try_failed(struct proxy *p, enum http_end why)
{
	bool stale = why == HTTP_END_BACKEND_CLOSED && p->up.kept && !p->any;

	if (proxy_hedge_takes_over(p, why))
		return;
	if (stale && may_send_again(p) && in_time(p) && p->up.tried_cnt < UP_TRIES) {
		p->up.tried_cnt--; /* the server itself was not heard */
		again(p);
	} else if (allowed(p, reason_of(p, why))) {
		p->s->retries++;
		again(p);
	} else {
		proxy_give_up(p, why);
	}
}

bool proxy_retries_status(struct proxy *p)
{
	uint16_t status = p->s->resp.status;
	uint32_t reason = status == 502   ? HTTP_RETRY_502
			  : status == 503 ? HTTP_RETRY_503
			  : status == 504 ? HTTP_RETRY_504
					  : 0;

	return unlikely(reason != 0) && allowed(p, reason);
}
