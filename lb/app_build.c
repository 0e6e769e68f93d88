/* SPDX-License-Identifier: Apache-2.0
 * Parts of the app that need no state of their own: routes, aggregation, descriptors to wait on. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#include "dataplane/eal/host_tap.h"
#include "lb/app_pvt.h"
#include "lb/l4/worker.h"
#include "lb/resolve/resolve.h"

static uint32_t count_specs(const struct pipeline_gen *gen)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < gen->cfg->port_cnt; i++) {
		const struct config_port *c = &gen->cfg->ports[i];

		n += LIMIT_PORT_ADDRS;
		for (uint32_t r = 0; r < c->route_cnt; r++)
			n += c->routes[r].via_cnt;
	}
	return n;
}

static uint32_t port_specs(const struct pipeline_gen *gen, uint32_t i, struct route_spec *out)
{
	const struct config_port *c = &gen->cfg->ports[i];
	uint32_t n = route_specs_on_link(&gen->ifs[i], out);

	for (uint32_t r = 0; r < c->route_cnt; r++)
		for (uint32_t v = 0; v < c->routes[r].via_cnt; v++)
			out[n++] = (struct route_spec){.to = c->routes[r].to,
				.via = c->routes[r].via[v],
				.port = (uint16_t)i,
				.mtu = c->mtu};
	return n;
}

int app_build_routes(const struct pipeline_gen *gen, struct route_table **out)
{
	struct route_spec *specs = calloc(count_specs(gen) + 1, sizeof(specs[0]));
	uint32_t n = 0;
	int rc;

	if (specs == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < gen->cfg->port_cnt; i++)
		n += port_specs(gen, i, specs + n);
	rc = route_table_create(specs, n, out);
	free(specs);
	return rc;
}

void app_aggregate(struct app *app)
{
	struct l4_worker *l4[LIMIT_WORKERS];

	for (uint32_t i = 0; i < app->worker_cnt; i++)
		l4[i] = pipeline_l4(app->pipes[i]);
	l4_publish(l4, app->worker_cnt, app->cur->l4);
}

uint32_t app_poll_fds(const struct app *app, struct pollfd *fds, uint32_t max)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < app->port_cnt; i++) {
		if (app->taps[i] == NULL || n + 2 > max)
			continue;
		fds[n++] = (struct pollfd){.fd = host_tap_fd(app->taps[i]), .events = POLLIN};
		fds[n++] = (struct pollfd){.fd = host_tap_doorbell(app->taps[i]), .events = POLLIN};
	}
	if (app->resolve != NULL)
		n += resolve_fds(app->resolve, fds + n, max - n);
	return n;
}
