/* SPDX-License-Identifier: Apache-2.0
 * TLS's share of the app: library contexts, keys of tickets and their rotation, buffers. */
#include <errno.h>
#include <stdio.h>
#include <time.h>

#include <rte_mempool.h>

#include "dataplane/base/log.h"
#include "dataplane/eal/eal.h"
#include "dataplane/tls/tls_ctx.h"
#include "dataplane/tls/tls_worker.h"
#include "lb/app_pvt.h"
#include "lb/config/config_upstream.h"
#include "lb/l7/tls_set.h"

static bool wanted(const struct config *cfg)
{
	if (cfg->tls_given)
		return true;
	for (uint32_t i = 0; i < cfg->listener_cnt; i++)
		if (cfg->listeners[i].tls != NULL || cfg->listeners[i].backend_tls != NULL)
			return true;
	for (uint32_t i = 0; i < cfg->upstream_cnt; i++)
		if (cfg->upstreams[i].tls != NULL)
			return true;
	return false;
}

static uint32_t buffers(const struct config *cfg)
{
	return wanted(cfg) ? cfg->tls.record_buffers * cfg->workers.count : 0;
}

uint64_t app_tls_memory(const struct config *cfg, uint32_t frame_len)
{
	uint32_t n = buffers(cfg);

	return n == 0 ? 0 : eal_memory_need(n, frame_len);
}

int app_tls_open(struct app *app, uint32_t frame_len)
{
	uint32_t n = buffers(app->cfg);
	char name[32];
	int rc = tls_libs_create(app->cfg->workers.count, &app->tcp_pools.tls_libs);

	if (rc == 0)
		rc = tls_tickets_create(&app->tls_tickets);
	if (rc != 0) {
		LOG_ERR("cannot prepare TLS", "error=%d", rc);
		return rc;
	}
	app->tcp_pools.tls_tickets = app->tls_tickets;
	app->next_ticket_ns = app->start_ns + app->cfg->tls.ticket_rotation_ns;
	if (n == 0)
		return 0;
	snprintf(name, sizeof(name), "tls_%u", app->serial);
	app->tcp_pools.tls = eal_pool_create(name, n, frame_len, SOCKET_ID_ANY);
	if (app->tcp_pools.tls != NULL)
		return 0;
	LOG_ERR("no memory for the buffers of TLS", "buffers=%u", n);
	return -ENOMEM;
}

void app_tls_close(struct app *app)
{
	tls_tickets_destroy(app->tls_tickets);
	tls_libs_destroy(app->tcp_pools.tls_libs);
	rte_mempool_free(app->tcp_pools.tls);
}

int app_tls_load(struct app *app, const struct config *cfg, FILE *err, struct l7_tls **out)
{
	int rc = l7_tls_create(cfg, app->tcp_pools.tls_libs, (int64_t)time(NULL), err, out);

	if (rc == 0)
		rc = l7_tls_load_tickets(cfg, app->tls_tickets, err);
	if (rc != 0) {
		l7_tls_free(*out);
		*out = NULL;
	}
	return rc;
}

void app_tls_rotate(struct app *app, uint64_t now_ns)
{
	if (!app->tcp || now_ns < app->next_ticket_ns)
		return;
	app->next_ticket_ns = now_ns + app->cfg->tls.ticket_rotation_ns;
	if (app->cfg->tls.ticket_key_file[0] == '\0')
		tls_tickets_rotate(app->tls_tickets);
}
