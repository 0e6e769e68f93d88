/* SPDX-License-Identifier: Apache-2.0
 * app_pvt - what the app's files share. */
#ifndef LB_APP_PVT_H
#define LB_APP_PVT_H

#include "dataplane/core/worker.h"
#include "lb/app.h"
#include "lb/health/view.h"
#include "lb/l7/worker.h"
#include "lb/override.h"
#include "lb/pipeline/pipeline.h"

struct app_zombie;
struct host_tap;
struct kvs;
struct hcache;
struct store;
struct l4_registry;
struct l7_sites;
struct resolve;
struct rte_mempool;

struct app {
	struct config *cfg;
	struct rte_mempool *pool;
	struct pipeline_tcp_pools tcp_pools;
	struct app_zombie *zombies; /* replaced, but in use by streams */
	struct store *store;        /* NULL: none is configured */
	struct hcache *hcache;      /* NULL: none */
	struct kvs *kvs;
	bool tcp; /* there is a TCP engine on every worker */
	struct l7_worker *l7[LIMIT_WORKERS];
	struct l7_registry *l7_registry;
	struct tls_tickets *tls_tickets;
	uint64_t next_ticket_ns; /* time of the next key */
	struct http_log *log;    /* NULL: none */
	struct files_io *files;
	struct resolve *resolve; /* NULL: no backend ever had a name */
	bool resolve_scripted;   /* tests: who answers was set and stays */
	bool names_dirty;        /* cur has other addresses than names stand for */
	uint64_t next_names_ns;
	uint32_t serial; /* makes names of DPDK objects unique when a process makes several */
	uint32_t port_cnt, worker_cnt;
	struct port ports[LIMIT_PORTS];
	struct host_tap *taps[LIMIT_PORTS];
	struct worker *workers[LIMIT_WORKERS];
	struct pipeline *pipes[LIMIT_WORKERS];

	struct l4_registry *registry;
	struct health_registry health_registry;
	struct health_view view;

	struct overrides overrides; /* until the next reload */

	struct pipeline_gen *cur;
	struct pipeline_gen *retiring; /* NULL: every worker has adopted cur */
	bool dirty;                    /* cur is out of date */
	bool draining, closing, running;
	uint64_t next_reap_ns, next_aggregate_ns, next_rebuild_ns;
	uint64_t start_ns;
};

/* Run fn on a worker, between two bursts, and wait for it: 0, or -ETIME if it does not come round
 * within 200 ms. */
int app_ask(struct app *app, uint32_t worker, pipeline_ask_fn *fn, void *arg) WARN_UNUSED;

/* Put what an operator says about a backend into force with the next generation. */
int app_override(struct app *app, const struct override *row) WARN_UNUSED;

/* Routes of a generation's configuration: on-link prefixes of its ports, routes and gateways. */
int app_build_routes(const struct pipeline_gen *gen, struct route_table **out) WARN_UNUSED;

/* The TCP engines' part: bytes of packet memory, pools, the listeners of a generation. */
uint64_t app_tcp_memory(const struct config *cfg, uint32_t frame_len);
int app_tcp_open(struct app *app, uint32_t frame_len) WARN_UNUSED;
void app_tcp_close(struct app *app);
int app_tcp_build(struct app *app, const struct config *cfg, const struct l7_tls *tls,
	uint64_t now_ns, struct l7_table **out) WARN_UNUSED;
/* Addresses that lingered long enough are given up; true: a new generation is due. */
bool app_tcp_reap(struct app *app, uint64_t now_ns);

/* Slow policies of all workers go to a thread, which ends with the last worker; the access log goes
 * to another one. */
int app_http_start(struct app *app) WARN_UNUSED;

/* A configuration that no generation has any more is freed when no stream uses its sites, of which
 * one reference comes along (NULL: there are none). */
void app_tcp_retire(struct app *app, struct l7_sites *sites, struct config *cfg);
/* What has become free; all: workers have ended. */
void app_tcp_bury(struct app *app, bool all);
/* The HTTP cache, if the configuration has one; nothing otherwise. */
int app_cache_open(struct app *app) WARN_UNUSED;
/* Begin with the list of the configuration, if it has one. */
void app_cache_preload(struct app *app);
/* After the ports: packets may show the cache's memory. */
void app_cache_close(struct app *app);
/* The store likewise. */
int app_store_open(struct app *app) WARN_UNUSED;
/* The workers have stopped, and their pipelines are gone. */
void app_store_close(struct app *app);
/* TLS: bytes of packet memory, library contexts, what a configuration's files hold (faults are told
 * on err), and the next key of session tickets when it is time. */
uint64_t app_tls_memory(const struct config *cfg, uint32_t frame_len);
int app_tls_open(struct app *app, uint32_t frame_len) WARN_UNUSED;
void app_tls_close(struct app *app);
int app_tls_load(
	struct app *app, const struct config *cfg, FILE *err, struct l7_tls **out) WARN_UNUSED;
void app_tls_rotate(struct app *app, uint64_t now_ns);

/* Build a generation of cfg and its plan of probes, and send it out. On failure nothing has
 * changed, and tls stays the caller's. */
int app_adopt(struct app *app, struct config *cfg, struct l7_tls *tls, uint64_t now_ns) WARN_UNUSED;

/* Names of backends. Before cfg is built: what is known of its names becomes backends. */
int app_resolve_prepare(struct app *app, struct config *cfg) WARN_UNUSED;
/* The same without asking for names that are new. */
int app_resolve_preview(struct app *app, struct config *cfg) WARN_UNUSED;
/* It is in force, or again: names of others are forgotten, and its name servers are asked. */
void app_resolve_use(struct app *app, const struct config *cfg, uint64_t now_ns);
/* Ask, listen, and put what changed into force. */
void app_resolve_run(struct app *app, uint64_t now_ns);

/* Sum what workers count and hand the sums back to them (least connections, limits). */
void app_aggregate(struct app *app);

#endif
