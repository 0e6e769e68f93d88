/* SPDX-License-Identifier: Apache-2.0
 * What HTTP keeps on a worker. Pools are sized by the engine's connections: their memory is
 * reserved, and taken when it is first used. */
#include "lb/l7/http/http.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "dataplane/base/assert.h"
#include "dataplane/base/log.h"
#include "dataplane/base/rng.h"
#include "dataplane/base/time.h"
#include "lb/l7/cache/hcache.h"
#include "lb/l7/sites.h"
#include "lb/l7/http/http_pvt.h"
#include "lb/l7/files/files.h"
#include "lb/l7/log/log.h"
#include "lb/l7/http/proxy.h"
#include "lb/l7/http/sub.h"

#define FILES_POLL_NS (50 * NS_PER_US)

_Static_assert(sizeof(struct head_chunk) == 512, "chunks are small");

struct rte_mbuf *http_mbuf(struct http_worker *w)
{
	return rte_pktmbuf_alloc(w->conf.data_pool);
}

struct span http_date_now(struct http_worker *w)
{
	if (unlikely(w->loop.now_ns >= w->date_until_ns)) {
		struct timespec ts;

		/* Once a second, and without a system call. */
		clock_gettime(CLOCK_REALTIME, &ts);
		http_date_format(ts.tv_sec, w->date);
		w->date_until_ns = w->loop.now_ns + NS_PER_SEC - (uint64_t)ts.tv_nsec;
	}
	return (struct span){w->date, HTTP_DATE_LEN};
}

/* ---- sites ---- */

/* For what is left on a listener that was removed. */
static const struct config_http_client default_client = {
	.head_ns = 10 * NS_PER_SEC,
	.body_ns = 30 * NS_PER_SEC,
	.idle_ns = 60 * NS_PER_SEC,
	.send_ns = 60 * NS_PER_SEC,
	.head_bytes = 15 << 10,
	.uri_bytes = 8 << 10,
	.fields = 100,
};

static const struct l7_listener *listener_of(const struct http_worker *w, uint32_t id)
{
	return w->table == NULL ? NULL : w->table->by_id[id];
}

const struct config_http_client *http_client_conf(const struct http_worker *w, uint32_t listener)
{
	const struct l7_listener *l = listener_of(w, listener);

	return l == NULL || l->site == NULL ? &default_client : http_site_client(l->site);
}

enum h1_underscores http_underscores_of(const struct http_worker *w, uint32_t listener)
{
	static const enum h1_underscores how[] = {
		[HTTP_UNDERSCORES_KEEP] = H1_UNDERSCORES_PASS,
		[HTTP_UNDERSCORES_DROP] = H1_UNDERSCORES_DROP,
		[HTTP_UNDERSCORES_REFUSE] = H1_UNDERSCORES_REFUSE,
	};
	const struct l7_listener *l = listener_of(w, listener);

	return l == NULL || l->site == NULL ? H1_UNDERSCORES_DROP
					    : how[http_site_underscores(l->site)];
}

void http_site_pin(struct http_stream *s)
{
	const struct l7_listener *l = listener_of(s->w, s->listener);

	if (l == NULL || l->site == NULL)
		return;
	s->site = l->site;
	s->sites = s->w->table->sites;
	s->site_ref = l7_sites_pin(s->w->table->sites, s->w->conf.index);
}

void http_site_unpin(struct http_stream *s)
{
	if (s->site_ref != NULL)
		l7_sites_unpin(s->site_ref);
	s->site_ref = NULL;
	s->site = NULL;
	s->route = NULL;
}

/* ---- counters ---- */

void http_count_response(struct http_stream *s)
{
	struct http_listener_stats *st = &s->w->listeners[s->listener];

	HTTP_COUNT_STATUS(st, s->resp.status);
	if (s->resp.status == 101)
		l7_count(&st->tunnels, 1);
}

void http_count_end(struct http_stream *s)
{
	struct http_listener_stats *st = &s->w->listeners[s->listener];

	l7_count(&st->ends[s->end], 1);
	l7_count(&st->body_in, s->req_bytes);
	l7_count(&st->body_out, s->resp_bytes);
	if (s->route != NULL)
		http_route_count(&s->w->routes[s->route->number], s);
}

void http_worker_set_log(struct http_worker *w, struct http_log_worker *log)
{
	w->log = log;
}

void http_worker_set_files(struct http_worker *w, struct files_worker *files)
{
	w->files = files;
}

static struct span text_of(const char *s)
{
	return (struct span){s, (uint32_t)strlen(s)};
}

void http_log_end(struct http_stream *s)
{
	const struct l7_listener *l;

	if (s->w->log == NULL)
		return;
	l = listener_of(s->w, s->listener);
	http_log_line(s->w->log, s, l == NULL ? SPAN("") : text_of(l->cfg->name),
		s->site == NULL ? SPAN("") : text_of(http_site_name(s->site)));
}

/* ---- life ---- */

static int make_pools(struct http_worker *w, uint32_t conns)
{
	uint32_t streams = conns / 2 > 16 ? conns / 2 : 16;
	int rc = pool_init(&w->streams, sizeof(struct h1_stream), 8, streams);

	if (rc == 0)
		rc = pool_init(&w->slabs, HTTP_ARENA_SLAB, 8, 2 * streams);
	if (rc == 0)
		rc = pool_init(&w->chunks, sizeof(struct head_chunk), 8, 4 * conns);
	if (rc == 0)
		rc = pool_init(&w->proxies, http_proxy_size(), 8, 2 * streams);
	if (rc == 0)
		rc = pool_init(&w->subs, sizeof(struct http_sub), 8, streams);
	return rc;
}

int http_worker_create(
	const struct http_worker_conf *conf, uint64_t now_ns, struct http_worker **out)
{
	struct http_worker *w = calloc(1, sizeof(*w));
	struct up_conf up = {.worker_cnt = conf->worker_cnt,
		.engine = conf->engine,
		.tls = conf->tls,
		.max_conns = conf->max_conns};
	uint64_t seed;
	int rc;

	*out = NULL;
	if (w == NULL)
		return -ENOMEM;
	w->conf = *conf;
	w->kvs = conf->kvs;
	http_loop_init(&w->loop, now_ns);
	http_own_worker_init(w);
	up.loop = &w->loop;
	rng_secret(&seed, sizeof(seed));
	w->route = http_route_worker_create(conf->index, seed);
	rc = w->route == NULL ? -ENOMEM : make_pools(w, conf->max_conns);
	if (rc == 0)
		rc = up_worker_create(&up, &w->up);
	if (rc == 0 && conf->hcache != NULL) {
		w->cache = hcache_worker_create(
			conf->hcache, conf->index, w, conf->slice_pool, conf->fetches);
		rc = w->cache == NULL ? -ENOMEM : 0;
	}
	if (rc != 0) {
		LOG_ERR("no memory for HTTP", "worker=%u error=%d", conf->index, rc);
		http_worker_destroy(w);
		return rc;
	}
	http_policies_on_done(w->route, http_stream_go_on);
	*out = w;
	return 0;
}

void http_worker_warm(struct http_worker *w, uint32_t requests)
{
	pool_warm(&w->streams, requests);
	pool_warm(&w->slabs, requests);
	pool_warm(&w->proxies, requests);
	up_worker_warm(w->up, requests);
}

void http_worker_drop(struct http_worker *w)
{
	h1_drop_all(w);
}

void http_worker_renew(struct http_worker *w, uint32_t listener)
{
	memset(&w->listeners[listener], 0, sizeof(w->listeners[0]));
}

void http_worker_destroy(struct http_worker *w)
{
	if (w == NULL)
		return;
	hcache_worker_stop(w->cache);
	up_worker_destroy(w->up);
	if (w->route != NULL)
		http_route_worker_destroy(w->route);
	pool_fini(&w->streams);
	pool_fini(&w->slabs);
	pool_fini(&w->chunks);
	pool_fini(&w->proxies);
	pool_fini(&w->subs);
	free(w);
}

void http_worker_adopt(
	struct http_worker *w, const struct l7_table *t, bool draining, uint64_t now_ns)
{
	w->loop.now_ns = now_ns;
	w->table = t;
	if (draining && !w->draining)
		h1_close_idle(w);
	w->draining = draining;
	up_worker_adopt(w->up, t->ups, draining);
}

/* ---- a turn ---- */

void http_worker_timers(struct http_worker *w, uint64_t now_ns)
{
	http_loop_timers(&w->loop, now_ns);
	(void)http_policies_poll(w->route, now_ns);
	http_log_tick(w->log, now_ns);
	files_worker_poll(w->files, now_ns);
}

bool http_worker_tasks(struct http_worker *w)
{
	return http_loop_tasks(&w->loop);
}

uint64_t http_worker_next_ns(const struct http_worker *w)
{
	uint64_t loop = http_loop_next_ns(&w->loop), log = http_log_next_ns(w->log);

	/* What the threads for files have found is looked for, not announced. */
	if (files_worker_busy(w->files) && loop > w->loop.now_ns + FILES_POLL_NS)
		loop = w->loop.now_ns + FILES_POLL_NS;
	return loop < log ? loop : log;
}

struct http_route_worker *http_worker_route(const struct http_worker *w)
{
	return w->route;
}

struct hcache_worker *http_worker_cache(const struct http_worker *w)
{
	return w->cache;
}

struct http_loop *http_worker_loop(struct http_worker *w)
{
	return &w->loop;
}

struct up_worker *http_worker_up(const struct http_worker *w)
{
	return w->up;
}

const struct http_listener_stats *http_worker_listener(const struct http_worker *w, uint32_t id)
{
	return &w->listeners[id];
}

const struct http_route_stats *http_worker_route_stats(const struct http_worker *w, uint32_t number)
{
	return &w->routes[number];
}

uint32_t http_worker_streams(const struct http_worker *w)
{
	return w->streams.used;
}

void http_worker_check_empty(const struct http_worker *w)
{
	ASSERT(w->streams.used == 0);
	ASSERT(w->slabs.used == 0);
	ASSERT(w->chunks.used == 0);
	ASSERT(w->proxies.used == 0);
	ASSERT(w->subs.used == 0);
}
