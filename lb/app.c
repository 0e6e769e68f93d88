/* SPDX-License-Identifier: Apache-2.0
 * Generations: `cur` is what new packets should see. While workers adopt it, `retiring` is the one
 * before; when all have, it is freed. One change is under way at a time: health results and freed
 * numbers that come meanwhile set `dirty` and make the next generation. */
#include "lb/app.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_mempool.h>

#include "dataplane/base/assert.h"
#include "dataplane/base/log.h"
#include "dataplane/base/rng.h"
#include "dataplane/base/time.h"
#include "dataplane/core/worker.h"
#include "dataplane/eal/eal.h"
#include "dataplane/eal/host_tap.h"
#include "dataplane/net/route.h"
#include "lb/app_pvt.h"
#include "lb/health/view.h"
#include "lb/kvs/kvs.h"
#include "lb/l7/files/files.h"
#include "lb/l7/log/log.h"
#include "lb/l7/route/route.h"
#include "lb/l4/registry.h"
#include "lb/l4/worker.h"
#include "lb/l7/sites.h"
#include "lb/l7/tls_set.h"
#include "lb/pipeline/pipeline.h"
#include "lb/resolve/resolve.h"

#define REAP_NS      NS_PER_SEC
#define WATCH_NS     (20 * NS_PER_MS)
#define AGGREGATE_NS (50 * NS_PER_MS)

static uint32_t frame_len(const struct config *cfg)
{
	uint32_t len = 0;

	for (uint32_t i = 0; i < cfg->port_cnt; i++) {
		uint32_t room = port_frame_room(cfg->ports[i].mtu);

		len = room > len ? room : len;
	}
	return len;
}

static uint32_t mbuf_count(const struct config *cfg)
{
	return cfg->memory.mbufs * cfg->workers.count;
}

uint64_t app_memory_need(const struct config *cfg)
{
	return eal_memory_need(mbuf_count(cfg), frame_len(cfg)) +
	       app_tcp_memory(cfg, frame_len(cfg)) + app_tls_memory(cfg, frame_len(cfg));
}

static bool is_pci(const char *device)
{
	return strncmp(device, "net_", 4) != 0 && strchr(device, ':') != NULL;
}

void app_eal_params(const struct config *cfg, struct eal_params *out, const char **pci)
{
	memset(out, 0, sizeof(*out));
	out->hugepages = cfg->memory.hugepages;
	out->telemetry = cfg->admin.telemetry;
	out->secondaries = cfg->memory.secondaries;
	out->mem_bytes = cfg->memory.dpdk_bytes > 0 ? cfg->memory.dpdk_bytes : app_memory_need(cfg);
	out->cores = cfg->workers.cores;
	out->worker_cnt = cfg->workers.count;
	out->pci = pci;
	for (uint32_t i = 0; i < cfg->port_cnt; i++)
		if (is_pci(cfg->ports[i].device))
			pci[out->pci_cnt++] = cfg->ports[i].device;
}

static bool poll_adaptive(const struct config *cfg)
{
	if (cfg->workers.poll != POLL_AUTO)
		return cfg->workers.poll == POLL_ADAPTIVE;
	for (uint32_t i = 0; i < cfg->port_cnt; i++)
		if (!is_pci(cfg->ports[i].device))
			return true;
	return false;
}

static int open_pool(struct app *app)
{
	char name[32];
	uint32_t need = 0;

	for (uint32_t i = 0; i < app->cfg->port_cnt; i++)
		need += (uint32_t)(app->cfg->ports[i].rx_queue_len +
				   app->cfg->ports[i].tx_queue_len) *
			app->cfg->workers.count;
	if (need + LIMIT_BURST * 64 > mbuf_count(app->cfg)) {
		LOG_ERR("memory.mbufs is too small for the ports' queues",
			"mbufs=%u workers=%u queues_hold=%u", app->cfg->memory.mbufs,
			app->cfg->workers.count, need);
		return -EINVAL;
	}
	snprintf(name, sizeof(name), "packets_%u", app->serial);
	app->pool = eal_pool_create(name, mbuf_count(app->cfg), frame_len(app->cfg), SOCKET_ID_ANY);
	if (app->pool != NULL)
		return 0;
	LOG_ERR("no memory for packet buffers", "buffers=%u bytes_each=%u", mbuf_count(app->cfg),
		frame_len(app->cfg));
	return -ENOMEM;
}

static int open_port(struct app *app, uint32_t i)
{
	const struct config_port *c = &app->cfg->ports[i];
	struct port_params pp = {.name = c->name,
		.device = c->device,
		.idx = (uint16_t)i,
		.mtu = c->mtu,
		.rx_queue_len = c->rx_queue_len,
		.tx_queue_len = c->tx_queue_len,
		.worker_cnt = app->cfg->workers.count,
		.want_rss = c->steering == STEER_AUTO || c->steering == STEER_RSS,
		.numa_strict = app->cfg->memory.numa_strict,
		.pool = app->pool};
	int rc;

	memcpy(pp.mac, c->mac, sizeof(pp.mac));
	rc = port_open(&app->ports[i], &pp);
	if (rc != 0)
		return rc;
	app->port_cnt++;
	if (c->steering == STEER_RSS && app->ports[i].steering != PORT_STEER_RSS &&
		app->cfg->workers.count > 1) {
		LOG_ERR("steering: rss was asked for, and the device cannot do it", "port=%s",
			c->name);
		return -ENOTSUP;
	}
	if (c->host_tap[0] == '\0')
		return 0;
	rc = host_tap_create(&app->taps[i], c->host_tap, app->ports[i].mac, c->mtu, app->pool);
	if (rc != 0)
		LOG_ERR("cannot make the host's TAP", "port=%s tap=%s error=%d", c->name,
			c->host_tap, rc);
	return rc;
}

static void fill_if(const struct app *app, const struct config *cfg, uint32_t i, struct net_if *nif)
{
	const struct config_port *c = &cfg->ports[i];
	const struct port *p = &app->ports[i];

	memset(nif, 0, sizeof(*nif));
	nif->id = (uint16_t)i;
	nif->mtu = c->mtu;
	nif->vlan = c->vlan;
	memcpy(nif->mac, p->mac, sizeof(nif->mac));
	if (p->caps & PORT_CAP_TX_IP4_CKSUM)
		nif->offloads |= NET_TX_IP4_CKSUM;
	if (p->caps & PORT_CAP_TX_L4_CKSUM)
		nif->offloads |= NET_TX_TCP_CKSUM | NET_TX_UDP_CKSUM;
	if (p->caps & PORT_CAP_TX_MULTI_SEG)
		nif->offloads |= NET_TX_MULTI_SEG;
	if (p->caps & PORT_CAP_TX_TSO)
		nif->offloads |= NET_TX_TSO;
	nif->tx_segs = p->tx_segs;
	if (p->caps & PORT_CAP_RX_CKSUM)
		nif->offloads |= NET_RX_CKSUM;
	nif->trust_partial = c->trust_partial_checksums;
	nif->addr_cnt = c->address_cnt;
	memcpy(nif->addrs, c->addresses, c->address_cnt * sizeof(nif->addrs[0]));
	for (uint32_t a = 0; a < c->address_cnt; a++)
		if (!ip_addr_is4(&c->addresses[a].addr)) {
			net_if_set_link_local(nif);
			break;
		}
}

/* The services of a generation in the making, and what an operator said about their backends. */
struct l4_source {
	const struct app *app;
	const struct config *cfg;
};

static bool backend_up(void *ctx, uint32_t service, uint32_t backend)
{
	const struct l4_source *src = ctx;
	const struct config_service *s = &src->cfg->services[service];

	return !override_disabled(
		       &src->app->overrides, OVERRIDE_SERVICE, s->name, &s->backends[backend]) &&
	       health_view_up(&src->app->view, service, backend);
}

static void backend_adjust(void *ctx, uint32_t service, uint32_t backend, struct config_backend *cb)
{
	const struct l4_source *src = ctx;

	(void)backend;
	*cb = override_apply(
		&src->app->overrides, OVERRIDE_SERVICE, src->cfg->services[service].name, cb);
}

static int build_l4(
	struct app *app, const struct config *cfg, uint64_t now_ns, struct l4_table **out)
{
	struct l4_build_report rep;
	struct l4_source src = {app, cfg};
	struct l4_build in = {.cfg = cfg,
		.registry = app->registry,
		.health_up = backend_up,
		.health_ctx = &src,
		.adjust = backend_adjust,
		.prev = app->cur != NULL ? app->cur->l4 : NULL,
		.now_ns = now_ns};
	int rc = l4_table_build(&in, out, &rep);

	if (rc != 0) {
		LOG_ERR("cannot build the service tables", "error=%d", rc);
		return rc;
	}
	LOG_INF("generation built",
		"generation=%llu services=%u vips=%u backends=%u added=%u removed=%u draining=%u "
		"up=%u "
		"down=%u bytes=%llu",
		(unsigned long long)rep.generation, rep.services, rep.vips, rep.backends,
		rep.backends_added, rep.backends_removed, rep.backends_draining, rep.backends_up,
		rep.backends_down, (unsigned long long)rep.bytes);
	return 0;
}

/* Frees what `next` (NULL at the end) does not share. */
static void gen_free(struct app *app, struct pipeline_gen *gen, const struct pipeline_gen *next)
{
	struct l7_sites *sites;

	if (gen == NULL)
		return;
	sites = gen->l7 != NULL ? gen->l7->sites : NULL;
	if (sites != NULL)
		sites->refs++;
	l4_table_free(gen->l4);
	l7_table_free(gen->l7);
	if (next == NULL || next->routes != gen->routes)
		route_table_destroy(gen->routes);
	if (next == NULL || next->health != gen->health)
		health_plan_destroy((struct health_plan *)(uintptr_t)gen->health);
	if (next == NULL || next->tls != gen->tls)
		l7_tls_free(gen->tls);
	if (next == NULL || next->cfg != gen->cfg)
		app_tcp_retire(app, sites, (struct config *)(uintptr_t)gen->cfg);
	else
		l7_sites_unref(sites);
	free(gen);
}

/* A generation of cfg; what it can share with the current one it does. The plan must be the view's,
 * tls what cfg's files hold; both stay the caller's on failure. */
static int gen_make(struct app *app, struct config *cfg, const struct health_plan *plan,
	struct l7_tls *tls, uint64_t now_ns, struct pipeline_gen **out)
{
	struct pipeline_gen *gen = calloc(1, sizeof(*gen));
	int rc;

	if (gen == NULL)
		return -ENOMEM;
	gen->cfg = cfg;
	gen->health = plan;
	gen->tls = tls;
	gen->if_cnt = cfg->port_cnt;
	gen->draining = app->draining;
	gen->closing = app->closing;
	gen->announce = app->cur == NULL || app->cur->cfg != cfg;
	for (uint32_t i = 0; i < cfg->port_cnt; i++)
		fill_if(app, cfg, i, &gen->ifs[i]);
	rc = build_l4(app, cfg, now_ns, &gen->l4);
	if (rc == 0 && app->tcp)
		rc = app_tcp_build(app, cfg, tls, now_ns, &gen->l7);
	if (rc == 0 && app->cur != NULL && app->cur->cfg == cfg)
		gen->routes = app->cur->routes;
	else if (rc == 0)
		rc = app_build_routes(gen, &gen->routes);
	if (rc != 0) {
		l4_table_free(gen->l4);
		l7_table_free(gen->l7);
		free(gen);
		return rc;
	}
	gen->number = l4_table_generation(gen->l4);
	*out = gen;
	return 0;
}

static void publish(struct app *app, struct pipeline_gen *gen)
{
	ASSERT(app->retiring == NULL);
	app->retiring = app->cur;
	app->cur = gen;
	app->dirty = false;
	for (uint32_t i = 0; i < app->worker_cnt; i++)
		ASSERT(worker_send(app->workers[i], gen));
}

static void retire_if_done(struct app *app)
{
	if (app->retiring == NULL)
		return;
	for (uint32_t i = 0; i < app->worker_cnt; i++)
		if (!worker_msgs_done(app->workers[i]))
			return;
	gen_free(app, app->retiring, app->cur);
	app->retiring = NULL;
}

static int first_generation(struct app *app, uint64_t now_ns)
{
	struct health_plan *plan;
	struct l7_tls *tls = NULL;
	int rc = app->tcp ? app_tls_load(app, app->cfg, stderr, &tls) : 0;

	if (rc != 0)
		return rc;
	rc = health_plan_create(&app->health_registry, app->cfg, &plan);
	if (rc != 0) {
		l7_tls_free(tls);
		return rc;
	}
	rc = health_view_set_plan(&app->view, plan);
	if (rc == 0)
		rc = gen_make(app, app->cfg, plan, tls, now_ns, &app->cur);
	if (rc != 0) {
		l7_tls_free(tls);
		health_plan_destroy(plan);
		return rc;
	}
	(void)health_registry_commit(&app->health_registry, plan);
	return 0;
}

static int create_workers(struct app *app, uint64_t now_ns)
{
	struct workers_params wp = {.worker_cnt = app->cfg->workers.count,
		.ports = app->ports,
		.port_cnt = app->port_cnt,
		.adaptive = poll_adaptive(app->cfg),
		.gather_ns = app->cfg->workers.gather_ns,
		.ops = &pipeline_ops};
	int rc = workers_create(&wp, app->workers);

	if (rc != 0)
		return rc;
	app->worker_cnt = wp.worker_cnt;
	for (uint32_t i = 0; i < app->worker_cnt; i++) {
		struct pipeline_params pp = {.worker = app->workers[i],
			.cfg = app->cfg,
			.pool = app->pool,
			.gen = app->cur,
			.taps = app->taps,
			.ports = app->ports,
			.tcp = app->tcp ? &app->tcp_pools : NULL,
			.l7_all = app->l7,
			.hcache = app->hcache,
			.kvs = app->kvs != NULL ? kvs_worker(app->kvs, i) : NULL,
			.now_ns = now_ns};

		app->pipes[i] = pipeline_create(&pp);
		if (app->pipes[i] == NULL)
			return -ENOMEM;
		app->workers[i]->ctx = app->pipes[i];
	}
	for (uint32_t i = 0; i < app->port_cnt; i++)
		if (app->taps[i] != NULL)
			host_tap_set_wake(app->taps[i], app->workers[0]->wake_fd);
	return 0;
}

int app_create(struct config *cfg, uint64_t now_ns, struct app **out)
{
	static uint32_t serial;
	struct app *app = aligned_alloc(CACHE_LINE, ROUND_UP(sizeof(*app), CACHE_LINE));
	int rc;

	*out = NULL;
	if (app == NULL) {
		config_free(cfg);
		return -ENOMEM;
	}
	memset(app, 0, sizeof(*app));
	app->cfg = cfg;
	app->serial = serial++;
	app->start_ns = now_ns;
	health_view_init(&app->view);
	rc = l4_registry_create(&app->registry);
	if (rc == 0)
		rc = open_pool(app);
	app->tcp = cfg->tcp_given || cfg->listener_cnt > 0;
	if (rc == 0 && app->tcp)
		rc = app_tcp_open(app, frame_len(cfg));
	if (rc == 0 && app->tcp)
		rc = app_tls_open(app, frame_len(cfg));
	for (uint32_t i = 0; rc == 0 && i < cfg->port_cnt; i++)
		rc = open_port(app, i);
	if (rc == 0)
		rc = app_store_open(app);
	if (rc == 0)
		rc = app_cache_open(app);
	if (rc == 0)
		rc = app_resolve_prepare(app, cfg);
	if (rc == 0)
		rc = first_generation(app, now_ns);
	if (rc == 0)
		rc = create_workers(app, now_ns);
	if (rc == 0)
		rc = app_http_start(app);
	if (rc == 0)
		app_resolve_use(app, cfg, now_ns);
	if (rc != 0) {
		LOG_ERR("cannot start", "error=%d", rc);
		app_destroy(app);
		return rc;
	}
	app_cache_preload(app);
	*out = app;
	return 0;
}

void app_destroy(struct app *app)
{
	/* Pipelines return held packets to the pool, so it goes last but for the ports' rings. */
	for (uint32_t i = 0; i < app->worker_cnt; i++)
		if (app->pipes[i] != NULL)
			pipeline_destroy(app->pipes[i]);
	/* Streams that ended with the workers have had their lines. */
	http_log_destroy(app->log);
	files_io_destroy(app->files);
	app_store_close(app);
	workers_destroy(app->workers, app->worker_cnt);
	gen_free(app, app->retiring, app->cur);
	if (app->cur != NULL)
		gen_free(app, app->cur, NULL);
	else
		config_free(app->cfg);
	app_tcp_bury(app, true);
	for (uint32_t i = 0; i < app->port_cnt; i++) {
		if (app->taps[i] != NULL)
			host_tap_destroy(app->taps[i]);
		port_close(&app->ports[i]);
	}
	app_cache_close(app);
	resolve_destroy(app->resolve);
	if (app->registry != NULL)
		l4_registry_destroy(app->registry);
	health_view_fini(&app->view);
	overrides_clear(&app->overrides);
	app_tls_close(app);
	app_tcp_close(app);
	rte_mempool_free(app->pool);
	free(app);
}

int app_start(struct app *app)
{
	int rc;

	for (uint32_t i = 0; i < app->worker_cnt; i++)
		if (app->l7[i] != NULL)
			l7_worker_warm(app->l7[i], app->cfg->tcp.warm_conns);
	rc = workers_start(app->workers, app->worker_cnt);
	app->running = rc == 0;
	return rc;
}

void app_stop(struct app *app)
{
	if (app->running)
		workers_stop(app->workers, app->worker_cnt);
	app->running = false;
}

uint32_t app_iterate(struct app *app, uint32_t worker, uint64_t now_ns)
{
	return worker_iterate(app->workers[worker], now_ns);
}

static void log_health(void *ctx, const struct health_target *t, const struct health_event *ev)
{
	char backend[IP_ADDR_TEXT_MAX];

	(void)ctx;
	LOG_INF("backend health", "backend=%s port=%u state=%s why=%s rtt_us=%llu",
		ip_addr_format(&t->backend, backend), t->check.port, health_state_name(ev->state),
		health_result_name(ev->why), (unsigned long long)ev->rtt_us);
}

static void reap(struct app *app, uint64_t now_ns)
{
	struct l4_usage use[LIMIT_WORKERS];

	for (uint32_t i = 0; i < app->worker_cnt; i++)
		l4_worker_usage(pipeline_l4(app->pipes[i]), &use[i]);
	if (l4_registry_reap(app->registry, use, app->worker_cnt) > 0)
		app->dirty = true;
	if (app->tcp && app_tcp_reap(app, now_ns))
		app->dirty = true;
}

/* Something changed under the same configuration: health, or numbers that became free. */
static void rebuild(struct app *app, uint64_t now_ns)
{
	struct pipeline_gen *gen;

	if (!app->dirty || app->retiring != NULL)
		return;
	if (gen_make(app, app->cfg, app->cur->health, app->cur->tls, now_ns, &gen) != 0) {
		/* Out of memory is the only cause; the old generation goes on until the next try.
		 */
		app->next_rebuild_ns = now_ns + NS_PER_SEC;
		return;
	}
	publish(app, gen);
}

uint64_t app_control(struct app *app, uint64_t now_ns)
{
	struct health_engine *health = pipeline_health(app->pipes[0]);

	if (health_view_drain(&app->view, health, log_health, NULL) > 0)
		app->dirty = true;
	retire_if_done(app);
	app_tcp_bury(app, false);
	for (uint32_t i = 0; i < app->port_cnt; i++)
		if (app->taps[i] != NULL)
			(void)host_tap_run(app->taps[i]);
	if (now_ns >= app->next_reap_ns) {
		reap(app, now_ns);
		app->next_reap_ns = now_ns + REAP_NS;
	}
	if (now_ns >= app->next_aggregate_ns) {
		app_aggregate(app);
		app_tls_rotate(app, now_ns);
		app->next_aggregate_ns = now_ns + AGGREGATE_NS;
	}
	if (app->resolve != NULL)
		app_resolve_run(app, now_ns);
	if (now_ns >= app->next_rebuild_ns)
		rebuild(app, now_ns);
	if (app->running)
		workers_watch(app->workers, app->worker_cnt, now_ns, app->cfg->workers.watchdog_ns);
	return now_ns + (app->retiring != NULL ? NS_PER_MS : WATCH_NS);
}

/* A generation of cfg with a plan of its own, in force. tls as in gen_make(). */
int app_adopt(struct app *app, struct config *cfg, struct l7_tls *tls, uint64_t now_ns)
{
	struct health_plan *plan;
	struct pipeline_gen *gen;
	int rc = health_plan_create(&app->health_registry, cfg, &plan);

	if (rc != 0)
		return rc;
	rc = health_engine_reserve(pipeline_health(app->pipes[0]), plan);
	if (rc == 0)
		rc = health_view_set_plan(&app->view, plan);
	if (rc != 0) {
		health_plan_destroy(plan);
		return rc;
	}
	rc = gen_make(app, cfg, plan, tls, now_ns, &gen);
	if (rc != 0) {
		ASSERT(health_view_set_plan(&app->view, app->cur->health) == 0);
		health_plan_destroy(plan);
		return rc;
	}
	(void)health_registry_commit(&app->health_registry, plan);
	publish(app, gen);
	return 0;
}

static int reload_allowed(const struct app *app, const struct config *next, FILE *err)
{
	if (app->retiring != NULL)
		return -EBUSY;
	if (config_needs_restart(app->cfg, next, err) > 0)
		return -EINVAL;
	if (!app->tcp && next->listener_cnt > 0) {
		fprintf(err, "listeners: the first one needs a restart; a section `tcp` at start "
			     "makes room for it\n");
		return -EINVAL;
	}
	return 0;
}

int app_reload_check(const struct app *app, const struct config *next, FILE *err)
{
	int rc = reload_allowed(app, next, err);

	if (rc == 0 && app->tcp &&
		(l7_tls_check(next, err) != 0 || http_sites_check(next, err) != 0))
		rc = -EINVAL;
	return rc;
}

int app_reload(struct app *app, struct config *next, FILE *err, uint64_t now_ns)
{
	struct l7_tls *tls = NULL;
	struct overrides said;
	int rc = reload_allowed(app, next, err);

	if (rc == 0 && app->tcp && app_tls_load(app, next, err, &tls) != 0)
		rc = -EINVAL;
	if (rc == 0)
		rc = app_resolve_prepare(app, next);
	if (rc != 0)
		goto refuse;
	said = app->overrides;
	app->overrides = (struct overrides){0};
	rc = app_adopt(app, next, tls, now_ns);
	if (rc != 0) {
		app->overrides = said;
		app_resolve_use(app, app->cfg, now_ns);
		goto refuse;
	}
	overrides_clear(&said);
	app->cfg = next;
	app_resolve_use(app, next, now_ns);
	app_cache_preload(app);
	return 0;

refuse:
	l7_tls_free(tls);
	config_free(next);
	return rc;
}

int app_override(struct app *app, const struct override *row)
{
	int rc = override_set(&app->overrides, row);

	if (rc == 0)
		app->dirty = true;
	return rc;
}

bool app_reload_done(const struct app *app)
{
	return app->retiring == NULL;
}

bool app_settled(const struct app *app)
{
	return app->retiring == NULL && !app->dirty && !app->names_dirty;
}

void app_drain(struct app *app)
{
	app->draining = true;
	app->dirty = true;
}

void app_reset(struct app *app)
{
	app->closing = true;
	app->dirty = true;
}

uint64_t app_flow_count(const struct app *app)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < app->worker_cnt; i++) {
		struct l4_worker_stats s;

		l4_worker_stats(pipeline_l4(app->pipes[i]), &s);
		n += s.flows + s.nat_flows;
		if (app->l7[i] != NULL)
			n += l7_worker_active(app->l7[i]) + l7_worker_waiting(app->l7[i]);
	}
	return n;
}

const struct config *app_config(const struct app *app)
{
	return app->cfg;
}

uint64_t app_generation(const struct app *app)
{
	return app->cur->number;
}

uint32_t app_worker_count(const struct app *app)
{
	return app->worker_cnt;
}

const struct ledger *app_ledger(const struct app *app, uint32_t worker)
{
	return &app->workers[worker]->ledger;
}

bool app_turns(const struct app *app)
{
	for (uint32_t i = 0; i < app->worker_cnt; i++)
		if (app->workers[i]->stuck)
			return false;
	return true;
}

uint32_t app_port_count(const struct app *app)
{
	return app->port_cnt;
}

const struct port *app_port(const struct app *app, uint32_t idx)
{
	return &app->ports[idx];
}
