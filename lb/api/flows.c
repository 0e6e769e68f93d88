/* SPDX-License-Identifier: Apache-2.0
 * Tracked flows, page by page from the workers. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/time.h"
#include "dataplane/net/hdr.h"
#include "lb/api/api_pvt.h"
#include "lb/config/values.h"
#include "lb/l4/inspect.h"

#define FLOWS_DEFAULT 100
#define FLOWS_MAX     10000
#define BUDGET_NS     (200 * NS_PER_MS) /* of one request; then there is "more" */

static void ask_page(struct pipeline *p, void *arg, uint64_t now_ns)
{
	l4_flow_page(pipeline_l4(p), arg, now_ns);
}

void api_set_endpoint(json_t *o, const char *key, const struct ip_addr *a, uint16_t port_be)
{
	char text[API_ENDPOINT_MAX];

	json_object_set_new(o, key, json_string(api_endpoint(a, BE16(port_be), text)));
}

json_t *api_flow_json(const struct app *app, const struct l4_flow_row *r, uint32_t worker)
{
	json_t *o = json_object();

	json_object_set_new(o, "worker", json_integer(worker));
	json_object_set_new(o, "protocol", json_string(r->proto == L4_TCP ? "tcp" : "udp"));
	api_set_endpoint(o, "client", &r->client, r->cport);
	api_set_endpoint(o, "vip", &r->vip, r->vport);
	json_object_set_new(o, "service", json_string(l4_service_name(app->cur->l4, r->service)));
	api_set_endpoint(o, "backend", &r->backend, r->bport);
	if (!ip_addr_is_zero(&r->local))
		api_set_endpoint(o, "local", &r->local, r->lport);
	json_object_set_new(
		o, "state", json_string(l4_flow_state_name((enum l4_flow_state)r->state)));
	json_object_set_new(o, "idle_ms", json_integer(r->idle_ms));
	return o;
}

int api_endpoint_arg(
	const struct admin_call *c, const char *name, struct ip_addr *addr, uint16_t *port_be)
{
	const char *text = admin_text(c, name), *ports;
	char why[VALUE_WHY];
	uint16_t lo, hi;

	*addr = (struct ip_addr){.d = {0, 0}};
	*port_be = 0;
	if (text == NULL || text[0] == '\0')
		return 0;
	if (value_endpoint(text, addr, &ports, why) != 0)
		return admin_fail(c, -EINVAL, "%s: %s", name, why);
	if (ports == NULL)
		return 1;
	if (value_ports(ports, &lo, &hi, why) != 0)
		return admin_fail(c, -EINVAL, "%s: %s", name, why);
	if (lo != hi)
		return admin_fail(c, -EINVAL, "%s: one port, not a range", name);
	*port_be = BE16(lo);
	return 1;
}

int api_proto_arg(const struct admin_call *c, uint8_t *proto)
{
	const char *text = admin_text(c, "protocol");

	*proto = 0;
	if (text == NULL || text[0] == '\0')
		return 0;
	if (strcmp(text, "tcp") != 0 && strcmp(text, "udp") != 0)
		return admin_fail(c, -EINVAL, "protocol: tcp or udp");
	*proto = text[0] == 't' ? L4_TCP : L4_UDP;
	return 1;
}

static int read_filter(const struct app *app, const struct admin_call *c, struct l4_flow_filter *f)
{
	const char *service = admin_text(c, "service");
	int rc = api_endpoint_arg(c, "client", &f->client, &f->cport);

	f->service = L4_NONE16;
	f->member = L4_NONE32;
	if (rc >= 0)
		rc = api_endpoint_arg(c, "vip", &f->vip, &f->vport);
	if (rc >= 0)
		rc = api_proto_arg(c, &f->proto);
	if (rc < 0 || service == NULL)
		return rc < 0 ? rc : 0;
	f->service = l4_service_find(app->cur->l4, service);
	if (f->service == L4_NONE16)
		return admin_fail(c, -ENOENT, "no service '%.60s'", service);
	return 0;
}

int api_get_flows(void *ctx, struct admin_call *c)
{
	struct app *app = ((struct api *)ctx)->app;
	uint64_t limit = FLOWS_DEFAULT, end_ns = clock_now_ns() + BUDGET_NS;
	struct l4_flow_page *page = calloc(1, sizeof(*page));
	struct l4_flow_filter filter = {0};
	json_t *a = json_array();
	bool more = false;
	int rc = page == NULL ? -ENOMEM : read_filter(app, c, &filter);

	if (rc == 0)
		rc = admin_number(c, "limit", 1, FLOWS_MAX, &limit);
	for (uint32_t w = 0; rc >= 0 && w < app->worker_cnt && !more; w++) {
		*page = (struct l4_flow_page){.filter = filter};
		while (rc >= 0 && !page->end && !more) {
			rc = app_ask(app, w, ask_page, page);
			for (uint32_t i = 0; rc == 0 && i < page->cnt && !more; i++) {
				more = json_array_size(a) == limit;
				if (!more)
					json_array_append_new(
						a, api_flow_json(app, &page->rows[i], w));
			}
			more = more || (clock_now_ns() > end_ns && !page->end);
		}
	}
	free(page);
	json_object_set_new(c->out, "more", json_boolean(more));
	json_object_set_new(c->out, "flows", a);
	return rc < 0 ? rc : 0;
}

const struct admin_param api_flow_params[] = {
	{"client", "query", "string", "address, or address and port", false},
	{"vip", "query", "string", "virtual address, with or without a port", false},
	{"protocol", "query", "string", "tcp or udp", false},
	{"service", "query", "string", "name of a service", false},
	{"limit", "query", "integer", "at most so many; 100 unless given", false},
	{NULL, NULL, NULL, NULL, false},
};
