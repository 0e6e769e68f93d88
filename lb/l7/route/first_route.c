/* SPDX-License-Identifier: Apache-2.0
 * Until routes are compiled: every request takes the first route of its site and no policy. To be
 * removed by what compiles them. */
#include <stdlib.h>
#include <string.h>
#include "dataplane/base/time.h"

#include "lb/l7/policy/policy.h"
#include "lb/l7/route/route.h"
struct http_site {
	const struct config_site *cfg;
	const struct config *c;
	struct http_route r;
};
struct http_route_worker {
	int x;
};
int http_site_build(const struct http_site_build *in, struct http_site **out)
{
	struct http_site *s = calloc(1, sizeof(*s));
	s->cfg = in->site;
	s->c = in->cfg;
	s->r.name = "stub";
	s->r.timeouts = in->site->routes[0].timeouts;
	s->r.retries.cnt = in->site->routes[0].retries.cnt;
	s->r.retries.mask = in->site->routes[0].retries.on_mask;
	s->r.retries.per_try_ns = in->site->routes[0].retries.per_try_ns;
	*out = s;
	return 0;
}
void http_site_free(struct http_site *site)
{
	free(site);
}
const char *http_site_name(const struct http_site *site)
{
	return site->cfg->name;
}
const struct config_http_client *http_site_client(const struct http_site *site)
{
	return &site->cfg->client;
}
enum http_underscores http_site_underscores(const struct http_site *site)
{
	return site->cfg->underscores;
}
bool http_site_error_page(const struct http_site *site, struct http_stream *s, uint16_t status,
	struct span *type, struct span *body)
{
	(void)site;
	(void)s;
	(void)status;
	(void)type;
	(void)body;
	return false;
}
struct http_route_worker *http_route_worker_create(uint32_t idx, uint64_t seed)
{
	(void)idx;
	(void)seed;
	return calloc(1, sizeof(struct http_route_worker));
}
void http_route_worker_destroy(struct http_route_worker *rw)
{
	free(rw);
}
enum http_end http_request_prepare(struct http_route_worker *rw, struct http_stream *s)
{
	(void)rw;
	s->route = &s->site->r;
	return HTTP_END_OK;
}
enum http_end http_request_rewrite(struct http_route_worker *rw, struct http_stream *s)
{
	(void)rw;
	(void)s;
	return HTTP_END_OK;
}
void http_response_rewrite(struct http_route_worker *rw, struct http_stream *s)
{
	(void)rw;
	(void)s;
}
uint32_t http_route_target(
	struct http_route_worker *rw, const struct http_route *r, const struct http_stream *s)
{
	(void)rw;
	(void)r;
	return s->site->cfg->routes[0].targets[0].upstream_idx;
}
enum http_verdict http_policies_request(struct http_route_worker *rw, struct http_stream *s)
{
	(void)rw;
	(void)s;
	return HTTP_GO;
}
void http_policies_response(struct http_route_worker *rw, struct http_stream *s)
{
	(void)rw;
	(void)s;
}
void http_policies_cancel(struct http_route_worker *rw, struct http_stream *s)
{
	(void)rw;
	(void)s;
}
void http_policies_on_done(
	struct http_route_worker *rw, void (*go_on)(struct http_stream *s, enum http_verdict v))
{
	(void)rw;
	(void)go_on;
}
uint32_t http_policies_poll(struct http_route_worker *rw, uint64_t now_ns)
{
	(void)rw;
	(void)now_ns;
	return 0;
}
