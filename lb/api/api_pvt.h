/* SPDX-License-Identifier: Apache-2.0
 * api_pvt - the sets of statistics and the routes' functions, by the file that has them. */
#ifndef LB_API_API_PVT_H
#define LB_API_API_PVT_H

#include "lb/api/api.h"
#include "lb/app_pvt.h"

/* Statistics; their ctx is the struct app. */
extern const struct metric_set metrics_process; /* metrics_process.c */
extern const struct metric_set metrics_workers; /* metrics_workers.c */
extern const struct metric_set metrics_reasons;
extern const struct metric_set metrics_ports; /* metrics_ports.c */
extern const struct metric_set metrics_vips;  /* metrics_services.c */
extern const struct metric_set metrics_services;
extern const struct metric_set metrics_backends;  /* metrics_services.c */
extern const struct metric_set metrics_health;    /* metrics_health.c */
extern const struct metric_set metrics_listeners; /* metrics_listeners.c */
extern const struct metric_set metrics_listener_backends;
extern const struct metric_set metrics_tcp;   /* metrics_tcp.c */
extern const struct metric_set metrics_store; /* metrics_store.c */
extern const struct metric_set metrics_kvs;
extern const struct metric_set metrics_http; /* metrics_http.c */
extern const struct metric_set metrics_http_ends;
extern const struct metric_set metrics_http_routes; /* metrics_routes.c */
extern const struct metric_set metrics_access_log;
extern const struct metric_set metrics_upstreams;
extern const struct metric_set metrics_upstream_servers;
extern const struct metric_set metrics_names; /* names.c */
extern const struct metric_set metrics_resolver;
extern const struct metric_set metrics_resolver_results;
extern const struct metric_set metrics_http_cache; /* metrics_cache.c */
extern const struct metric_set metrics_http_cache_routes;
extern const struct metric_set metrics_cache_memory;
extern const struct metric_set metrics_cache_disk;
extern const struct metric_set metrics_cache_disk_room;

/* "192.0.2.1:80", "[2001:db8::1]:80"; without a port when it is 0. */
#define API_ENDPOINT_MAX (IP_ADDR_TEXT_MAX + 10)
const char *api_endpoint(const struct ip_addr *a, uint16_t port, char out[API_ENDPOINT_MAX]);

void api_set_endpoint(json_t *o, const char *key, const struct ip_addr *a, uint16_t port_be);
/* An argument "address" or "address:port": 1, 0 it is not there, -EINVAL said in c->out. */
int api_endpoint_arg(const struct admin_call *c, const char *name, struct ip_addr *addr,
	uint16_t *port_be) WARN_UNUSED;
/* The argument `protocol`, in the same way. */
int api_proto_arg(const struct admin_call *c, uint8_t *proto) WARN_UNUSED;
struct l4_flow_row;
json_t *api_flow_json(const struct app *app, const struct l4_flow_row *r, uint32_t worker);

/* A configuration from a request; errors are said in c->out. */
int api_parse_config(const struct admin_call *c, const char *name, const char *text, size_t len,
	struct config **out) WARN_UNUSED;

/* What the configuration would change, as POST /v1/plan has it; host names of it are filled in. */
int api_plan(struct app *app, struct config *next, json_t *out) WARN_UNUSED;

/* The backends of one pool, as GET /v1/backends has them. */
json_t *api_pool_json(struct app *app, enum override_kind kind, const char *pool);

/* Routes. */
int api_get_backends(void *ctx, struct admin_call *c); /* backends.c */
int api_get_names(void *ctx, struct admin_call *c);    /* names.c */
int api_get_overrides(void *ctx, struct admin_call *c);
int api_post_drain(void *ctx, struct admin_call *c);
int api_post_weight(void *ctx, struct admin_call *c);
int api_post_enable(void *ctx, struct admin_call *c);
int api_post_disable(void *ctx, struct admin_call *c);
int api_get_flows(void *ctx, struct admin_call *c);    /* flows.c */
int api_get_explain(void *ctx, struct admin_call *c);  /* explain.c */
int api_post_explain(void *ctx, struct admin_call *c); /* explain_http.c */
int api_get_page(void *ctx, struct admin_call *c);     /* dashboard.c */
int api_post_capture(void *ctx, struct admin_call *c); /* capture.c */
int api_get_capture(void *ctx, struct admin_call *c);
int api_get_capture_file(void *ctx, struct admin_call *c);
int api_delete_capture(void *ctx, struct admin_call *c);
int api_post_plan(void *ctx, struct admin_call *c);  /* plan.c */
int api_get_config(void *ctx, struct admin_call *c); /* config.c */
int api_get_history(void *ctx, struct admin_call *c);
int api_post_rollback(void *ctx, struct admin_call *c);
int api_post_reload(void *ctx, struct admin_call *c);
int api_get_backup(void *ctx, struct admin_call *c); /* store_backup.c */
int api_post_backup(void *ctx, struct admin_call *c);
int api_get_cache(void *ctx, struct admin_call *c); /* cache.c */
int api_get_cache_top(void *ctx, struct admin_call *c);
int api_get_preload(void *ctx, struct admin_call *c);
int api_post_preload(void *ctx, struct admin_call *c);
int api_post_purge(void *ctx, struct admin_call *c);
extern const struct admin_param api_backend_params[], api_weight_params[], api_flow_params[],
	api_explain_params[], api_explain_http_params[], api_plan_params[], api_config_params[],
	api_rollback_params[], api_capture_params[], api_capture_id_params[],
	api_capture_end_params[], api_purge_params[], api_backup_params[], api_cache_top_params[],
	api_preload_params[], api_preload_get_params[];

#endif
