/* SPDX-License-Identifier: Apache-2.0
 * Every route of the process. */
#include <errno.h>

#include "dataplane/base/log.h"
#include "dataplane/base/time.h"
#include "lb/api/api_pvt.h"

#include "lb/status.h"

/* Answers that are whole objects of lb/status.h. */
#define STATUS_ROUTE(name)                                              \
	static int get_##name(void *ctx, struct admin_call *c)          \
	{                                                               \
		return status_##name(((struct api *)ctx)->app, c->out); \
	}
STATUS_ROUTE(process)
STATUS_ROUTE(counters)
STATUS_ROUTE(services)
STATUS_ROUTE(health)
STATUS_ROUTE(listeners)
STATUS_ROUTE(tcp)
STATUS_ROUTE(store)

static int post_log_level(void *ctx, struct admin_call *c)
{
	enum log_level level;

	(void)ctx;
	if (log_level_parse(admin_text(c, "level"), &level) != 0)
		return admin_fail(c, -EINVAL, "level: error, warn, info or debug");
	if (!admin_dry_run(c))
		log_set_level(level);
	json_object_set_new(c->out, "level", json_string(admin_text(c, "level")));
	return 0;
}

static const struct admin_param log_params[] = {
	{"level", "body", "string", "error, warn, info or debug", true},
	{NULL, NULL, NULL, NULL, false},
};

static int post_stop(void *ctx, struct admin_call *c)
{
	const struct api *api = ctx;
	const struct api_control *control = &api->control;

	json_object_set_new(c->out, "flows", json_integer((json_int_t)app_flow_count(api->app)));
	json_object_set_new(c->out, "stop_timeout_s",
		json_real((double)api->app->cfg->workers.stop_timeout_ns / (double)NS_PER_SEC));
	json_object_set_new(c->out, "draining", json_boolean(api->app->draining));
	json_object_set_new(c->out, "stopping", json_boolean(!admin_dry_run(c)));
	return admin_dry_run(c) ? 0 : control->stop(control->ctx, c->out);
}

const struct admin_route api_routes[] = {
	{"GET", "/", "the dashboard", api_get_page, .flags = ADMIN_PAGE},
	{"GET", "/v1/status", "version, pid, uptime, configuration, workers and ports", get_process,
		.params = NULL},
	{"GET", "/v1/counters", "where every packet ended, per worker and in all; port statistics",
		get_counters, .params = NULL},
	{"GET", "/v1/services", "services with their backends, flows, packets and health",
		get_services, .params = NULL},
	{"GET", "/v1/health", "health checks: state, last result, round trip, counts", get_health,
		.params = NULL},
	{"GET", "/v1/listeners", "listeners with their backends, connections and errors",
		get_listeners, .params = NULL},
	{"GET", "/v1/tcp", "TCP engines: use, counters, and up to 256 connections of each worker",
		get_tcp, .params = NULL},
	{"GET", "/v1/store", "the store: state and counters of shards, requests of each worker",
		get_store, .params = NULL},
	{"POST", "/v1/store/backup", "begin to copy the store into a new folder", api_post_backup,
		.params = api_backup_params, .done = 202, .flags = ADMIN_DRY_RUN},
	{"GET", "/v1/store/backup", "how the last backup goes, or went", api_get_backup,
		.params = NULL},
	{"GET", "/v1/cache", "the HTTP cache: memory, and counters of each worker", api_get_cache,
		.params = NULL},
	{"GET", "/v1/cache/top", "objects of the HTTP cache that are asked for most, lately",
		api_get_cache_top, .params = api_cache_top_params},
	{"POST", "/v1/cache/preload", "begin to fetch a list of URLs into the HTTP cache",
		api_post_preload, .params = api_preload_params, .body_max = 4u << 20, .done = 202,
		.flags = ADMIN_DRY_RUN},
	{"GET", "/v1/cache/preload", "how the last list goes, or went, and what it could not get",
		api_get_preload, .params = api_preload_get_params},
	{"POST", "/v1/cache/purge", "take responses out of the HTTP cache, or make them stale",
		api_post_purge, .params = api_purge_params, .flags = ADMIN_DRY_RUN},
	{"GET", "/v1/backends",
		"backends of all services, listeners and upstreams: state and what they carry",
		api_get_backends, .params = NULL},
	{"GET", "/v1/names", "host names of backends: their addresses, since when, and when again",
		api_get_names, .params = NULL},
	{"POST", "/v1/backends/drain", "give a backend no new flows until the next reload",
		api_post_drain, .params = api_backend_params, .flags = ADMIN_DRY_RUN},
	{"POST", "/v1/backends/disable", "take a backend out of service until the next reload",
		api_post_disable, .params = api_backend_params, .flags = ADMIN_DRY_RUN},
	{"POST", "/v1/backends/enable", "use a backend as the configuration says again",
		api_post_enable, .params = api_backend_params, .flags = ADMIN_DRY_RUN},
	{"POST", "/v1/backends/weight", "give a backend another weight until the next reload",
		api_post_weight, .params = api_weight_params, .flags = ADMIN_DRY_RUN},
	{"GET", "/v1/overrides", "what was said about single backends since the last reload",
		api_get_overrides, .params = NULL},
	{"GET", "/v1/flows", "tracked flows of layer 4", api_get_flows, .params = api_flow_params},
	{"GET", "/v1/explain", "why a packet would go where it goes", api_get_explain,
		.params = api_explain_params},
	{"POST", "/v1/explain", "what becomes of an HTTP request, and why", api_post_explain,
		.params = api_explain_http_params, .flags = ADMIN_READS},
	{"POST", "/v1/plan", "what the configuration in the body would change", api_post_plan,
		.params = api_plan_params, .flags = ADMIN_RAW_BODY | ADMIN_READS,
		.body_max = 4u << 20},
	{"GET", "/v1/config", "every effective value and where it came from, as YAML",
		api_get_config, .params = api_config_params, .flags = ADMIN_GUARDED},
	{"GET", "/v1/config/history", "configurations that were in force", api_get_history,
		.params = NULL},
	{"POST", "/v1/rollback", "put an earlier configuration into force again", api_post_rollback,
		.params = api_rollback_params, .flags = ADMIN_DRY_RUN},
	{"POST", "/v1/capture", "begin to copy packets", api_post_capture,
		.params = api_capture_params, .flags = ADMIN_DRY_RUN},
	{"GET", "/v1/capture/{id}", "how a capture goes; with events: what it has", api_get_capture,
		.params = api_capture_id_params, .flags = ADMIN_GUARDED},
	{"GET", "/v1/capture-file/{id}", "what a capture has since the last time, as pcapng",
		api_get_capture_file, .params = api_capture_id_params, .flags = ADMIN_GUARDED},
	{"DELETE", "/v1/capture/{id}", "end a capture", api_delete_capture,
		.params = api_capture_end_params, .flags = ADMIN_DRY_RUN},
	{"POST", "/v1/reload", "read the configuration file again", api_post_reload,
		.flags = ADMIN_DRY_RUN},
	{"POST", "/v1/log-level", "what is logged from now on", post_log_level,
		.params = log_params, .flags = ADMIN_DRY_RUN},
	{"POST", "/v1/stop", "drain and stop", post_stop, .done = 202, .flags = ADMIN_DRY_RUN},
};

const uint32_t api_route_cnt = ARRAY_SIZE(api_routes);
