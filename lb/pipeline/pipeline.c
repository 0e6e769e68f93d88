/* SPDX-License-Identifier: Apache-2.0
 * Creation, generations, time. The data path is in input.c, forward.c and local.c. */
#include "lb/pipeline/pipeline.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/assert.h"
#include "dataplane/base/log.h"
#include "dataplane/base/rng.h"
#include "dataplane/base/time.h"
#include "lb/l7/http_check.h"
#include "lb/pipeline/input.h"
#include "lb/pipeline/pipeline_pvt.h"

static void emit_frame(void *ctx, uint16_t port, struct rte_mbuf *m)
{
	struct pipeline *p = ctx;

	worker_tx(p->w, port, m, 0);
}

static bool owns(void *ctx, uint16_t port, const struct ip_addr *a)
{
	const struct pipeline *p = ctx;

	return net_if_owns(&p->ifs[port], a) || l4_owns_vip(p->gen->l4, a) ||
	       (p->gen->l7 != NULL && l7_table_owns(p->gen->l7, a));
}

static void conflict(void *ctx, uint16_t port, const struct ip_addr *a, const uint8_t mac[6])
{
	struct pipeline *p = ctx;
	char text[IP_ADDR_TEXT_MAX];

	p->stats.addr_conflicts++;
	LOG_WRN("another station uses our address",
		"port=%s address=%s mac=%02x:%02x:%02x:%02x:%02x:%02x", p->ports[port].name,
		ip_addr_format(a, text), mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
}

static int create_neigh(struct pipeline *p, const struct pipeline_params *params)
{
	struct neigh_conf conf = {.ifs = p->ifs,
		.if_cnt = p->gen->if_cnt,
		.pool = params->pool,
		.emit = {emit_frame, p},
		.ledger = &p->w->ledger,
		.capacity = LIMIT_NEIGHBOURS,
		.seed = p->w->id + 1,
		.owns = owns,
		.conflict = conflict,
		.ctx = p};

	return neigh_create(&conf, params->now_ns, &p->neigh);
}

static int create_l4(struct pipeline *p, const struct config *cfg, uint64_t now_ns)
{
	struct l4_worker_conf conf = {.index = p->w->id,
		.workers = p->w->worker_cnt,
		.flows = cfg->memory.flows,
		.nat_flows = cfg->memory.nat_flows,
		.flood_new_per_sec = cfg->l4.flood_new_per_sec};
	int rc;

	if (p->l7 != NULL)
		conf.port_guard = (struct l4_port_guard){tcp_side_port_taken, p};

	if (p->placer != NULL)
		conf.port_filter = (struct l4_port_filter){steer_port_ok, p};
	rc = l4_worker_create(&conf, &p->l4);
	if (rc == 0)
		l4_worker_set_table(p->l4, p->gen->l4, now_ns);
	return rc;
}

/* Without a port. */
static const char *host_of(const struct health_target *t, char text[TLS_NAME_MAX])
{
	const char *h = t->check.host, *end = strrchr(h, ':');
	int len = (int)(end != NULL && strchr(end, ']') == NULL ? end - h : (long)strlen(h));

	if (h[0] == '[' && len > 2) {
		h++;
		len -= 2;
	}
	snprintf(text, TLS_NAME_MAX, "%.*s", len, h);
	return text;
}

/* As the traffic to that backend does; text is room for a name. */
static struct http_check_tls check_tls(
	const struct pipeline *p, const struct health_target *t, char text[TLS_NAME_MAX])
{
	const struct l7_table *table = p->gen->l7;
	struct http_check_tls tls = {.w = l7_worker_tls(p->l7), .sni = t->tls_name};
	const struct config_tls_client *conf;
	uint32_t i = t->tls - 1;

	if (i < table->listener_cnt) {
		tls.client = table->listeners[i].backend_tls;
		conf = table->listeners[i].cfg->backend_tls;
	} else {
		tls.client = table->ups->entries[i - table->listener_cnt].tls;
		conf = table->ups->entries[i - table->listener_cnt].cfg->tls;
	}
	/* Where each request has its own name, the probe has that of its Host. */
	if (strcmp(conf->sni, CONFIG_SNI_HOST) == 0 && t->check.host[0] != '\0')
		tls.sni = host_of(t, text);
	else if (conf->sni[0] != '\0' && strcmp(conf->sni, CONFIG_SNI_HOST) != 0)
		tls.sni = NULL;
	else if (tls.sni == NULL)
		tls.sni = ip_addr_format(&t->backend, text);
	return tls;
}

static bool ask_http(void *ctx, const struct health_target *t, uint64_t attempt)
{
	struct pipeline *p = ctx;
	char text[TLS_NAME_MAX];
	struct http_check_tls tls;

	if (p->l7 == NULL)
		return false;
	if (t->tls == 0)
		return http_check_ask(l7_worker_checks(p->l7), t, attempt, NULL);
	tls = check_tls(p, t, text);
	return http_check_ask(l7_worker_checks(p->l7), t, attempt, &tls);
}

static void http_answer(void *ctx, uint32_t id, uint64_t attempt, enum health_result r)
{
	struct pipeline *p = ctx;

	health_answer(p->health, id, attempt, r, p->now_ns);
}

static int create_health(struct pipeline *p, const struct pipeline_params *params)
{
	struct health_conf conf = {.pool = params->pool,
		.ledger = &p->w->ledger,
		.source = local_probe_source,
		.send = local_probe_send,
		.ask = ask_http,
		.ctx = p};

	if (p->w->id != LOCAL_WORKER)
		return 0;
	rng_secret(&conf.key, sizeof(conf.key));
	rng_secret(&conf.seed, sizeof(conf.seed));
	l4_probe_ports(params->cfg, &conf.port_lo, &conf.port_hi);
	/* A range too small to share is full NAT's alone; probes then use the engine's own. */
	if (conf.port_lo > conf.port_hi)
		conf.port_lo = conf.port_hi = 0;
	p->health = health_engine_create(&conf, params->now_ns);
	if (p->health == NULL)
		return -ENOMEM;
	if (p->l7 != NULL)
		http_check_on_answer(l7_worker_checks(p->l7), http_answer, p);
	if (health_engine_reserve(p->health, p->gen->health) != 0)
		return -ENOMEM;
	health_engine_apply(p->health, p->gen->health, params->now_ns);
	p->plan = p->gen->health;
	return 0;
}

struct pipeline *pipeline_create(const struct pipeline_params *params)
{
	struct pipeline *p = aligned_alloc(CACHE_LINE, ROUND_UP(sizeof(*p), CACHE_LINE));
	int rc;

	if (p == NULL)
		return NULL;
	memset(p, 0, sizeof(*p));
	p->w = params->worker;
	p->gen = params->gen;
	memcpy(p->ifs, p->gen->ifs, sizeof(p->ifs));
	p->ports = params->ports;
	p->pool = params->pool;
	p->taps = params->taps;
	p->now_ns = params->now_ns;
	p->kvs = params->kvs;
	steer_init(p);
	icmp_limiter_init(&p->icmp, params->cfg->l4.icmp_rate);
	rc = create_neigh(p, params);
	if (rc == 0)
		rc = frag_table_create(LIMIT_FRAG_ENTRIES, &p->w->ledger, &p->frags);
	if (rc == 0 && params->tcp != NULL)
		rc = tcp_side_create(p, params);
	if (rc == 0)
		rc = create_l4(p, params->cfg, params->now_ns);
	if (rc == 0)
		rc = create_health(p, params);
	if (rc != 0) {
		LOG_ERR("no memory for a worker's tables", "worker=%u error=%d", p->w->id, rc);
		pipeline_destroy(p);
		return NULL;
	}
	return p;
}

void pipeline_destroy(struct pipeline *p)
{
	if (p->health != NULL)
		health_engine_destroy(p->health);
	rte_pktmbuf_free_bulk(p->tcp_pkts, p->tcp_cnt);
	if (p->l7 != NULL)
		l7_worker_destroy(p->l7);
	if (p->kvs != NULL)
		kvs_worker_drop(p->kvs);
	if (p->l4 != NULL)
		l4_worker_destroy(p->l4);
	frag_table_destroy(p->frags);
	neigh_destroy(p->neigh);
	free(p);
}

static void adopt(void *ctx, void *msg, uint64_t now_ns)
{
	struct pipeline *p = ctx;
	const struct pipeline_gen *gen = msg;
	bool rerouted = p->gen->routes != gen->routes;

	p->now_ns = now_ns;
	if (p->gen->cfg != gen->cfg) {
		icmp_limiter_init(&p->icmp, gen->cfg->l4.icmp_rate);
		l4_worker_set_flood(p->l4, gen->cfg->l4.flood_new_per_sec);
	}
	p->gen = gen;
	l4_worker_set_table(p->l4, gen->l4, now_ns);
	l4_worker_set_draining(p->l4, gen->draining);
	memcpy(p->ifs, gen->ifs, sizeof(p->ifs));
	memset(p->ways, 0, sizeof(p->ways));
	if (p->l7 != NULL)
		l7_worker_adopt(p->l7, gen->l7, gen->draining, now_ns);
	if (p->l7 != NULL && rerouted)
		tcp_side_adopt(p);
	if (p->l7 != NULL && gen->closing)
		l7_worker_reset(p->l7);
	if (p->health != NULL && p->plan != gen->health) {
		health_engine_apply(p->health, gen->health, now_ns);
		p->plan = gen->health;
	}
	if (gen->announce)
		p->announce_next = 0;
}

static uint64_t run_timers(void *ctx, uint64_t now_ns)
{
	struct pipeline *p = ctx;
	uint64_t next = now_ns + 10 * NS_PER_MS, t;

	p->now_ns = now_ns;
	neigh_tick(p->neigh, now_ns);
	t = neigh_next_ns(p->neigh);
	next = t < next ? t : next;
	frag_tick(p->frags, now_ns);
	t = frag_next_ns(p->frags);
	next = t < next ? t : next;
	l4_sweep(p->l4, now_ns);
	local_announce(p);
	ask_answer(p);
	if (p->l7 != NULL) {
		t = tcp_side_run(p);
		next = t < next ? t : next;
	}
	if (p->health != NULL) {
		health_run(p->health, now_ns);
		t = health_next_ns(p->health);
		next = t < next ? t : next;
		if (local_from_host(p) > 0)
			next = now_ns;
	}
	return next;
}

static uint32_t turn(void *ctx, uint64_t now_ns)
{
	struct pipeline *p = ctx;

	if (p->kvs == NULL && p->cache == NULL && !p->tcp_due)
		return 0;
	p->now_ns = now_ns;
	return tcp_side_turn(p);
}

static bool park(void *ctx)
{
	struct pipeline *p = ctx;

	if (p->cache != NULL && !hcache_worker_park(p->cache))
		return false;
	if (p->l7 != NULL && l7_worker_resumable(p->l7))
		return false;
	return p->kvs == NULL || kvs_park(p->kvs);
}

static void unpark(void *ctx)
{
	struct pipeline *p = ctx;

	if (p->kvs != NULL)
		kvs_unpark(p->kvs);
}

const struct worker_ops pipeline_ops = {
	.input = pipeline_input,
	.handed = pipeline_handed,
	.message = adopt,
	.timers = run_timers,
	.turn = turn,
	.park = park,
	.unpark = unpark,
};

struct l4_worker *pipeline_l4(const struct pipeline *p)
{
	return p->l4;
}

struct l7_worker *pipeline_l7(const struct pipeline *p)
{
	return p->l7;
}

struct health_engine *pipeline_health(struct pipeline *p)
{
	return p->health;
}

void pipeline_stats(const struct pipeline *p, struct pipeline_stats *out)
{
	*out = p->stats;
}
