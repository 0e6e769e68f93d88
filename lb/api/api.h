/* SPDX-License-Identifier: Apache-2.0
 * api - the resources of the control interface: one file for each, one row in a table for each
 * route, one set for each kind of statistics.
 *
 * To add statistics: a `const struct metric_set` in a file of its own and a row in api_metrics.c;
 * Prometheus, JSON, telemetry and `weirctl stats` have it then. To add a route: a function and a
 * row in api_routes.c; the OpenAPI document has it then.
 * Owner:      the control thread; routes run on it, between two turns of its loop.
 * Lifetime:   as long as the admin that serves it.
 * Errors:     as admin_http.h says. */
#ifndef LB_API_API_H
#define LB_API_API_H

#include "lb/admin/admin_http.h"
#include "lb/history.h"

struct app;
struct capture;

/* What only the control loop can do. */
struct api_control {
	int (*reload)(void *ctx, json_t *out);
	int (*stop)(void *ctx, json_t *out);
	/* The file as a reload reads it; messages on `err`. */
	int (*load)(void *ctx, FILE *err, struct config **out);
	/* Would this configuration be refused? Nothing changes. */
	int (*check)(void *ctx, const struct config *next, FILE *err);
	/* Another configuration, which is taken over; `origin` is for the history. */
	int (*replace)(void *ctx, struct config *next, const char *origin, json_t *out);
	void *ctx;
};

struct api {
	struct app *app;
	struct api_control control;
	const struct history *history;
	struct capture *capture; /* NULL: none */
	uint64_t capture_id;     /* of the last one */
};

/* Regular work of the control loop, and the end of all that was begun. */
void api_run(struct api *api, uint64_t now_ns);
void api_fini(struct api *api);
/* Waits for a backup that is under way. */
void api_backup_fini(void);

extern const struct admin_route api_routes[];
extern const uint32_t api_route_cnt;
extern const struct metric_set *const api_metric_sets[];
extern const uint32_t api_metric_set_cnt;

#endif
