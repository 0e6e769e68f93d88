/* SPDX-License-Identifier: Apache-2.0
 * Layer 4 services and their backends, summed over the workers. */
#include "dataplane/net/hdr.h"
#include "lb/api/api_pvt.h"
#include "lb/l4/worker.h"

struct service_sample {
	uint64_t active, flows, untracked, denied, conn_limited, rate_limited, no_backend, no_flow,
		table_full, no_port, backends, backends_up;
};

#define SC(member, help) METRIC_C(struct service_sample, member, help)
#define SG(member, help) METRIC_G(struct service_sample, member, help)

static const struct metric_row service_rows[] = {
	{.key = "active",
		.name = "active_flows",
		.help = "Tracked flows",
		.type = METRIC_GAUGE,
		.offset = offsetof(struct service_sample, active)},
	SC(flows, "New flows that were tracked"),
	{.key = "untracked",
		.name = "untracked_packets",
		.help = "Packets that followed the hash without a flow",
		.type = METRIC_COUNTER,
		.offset = offsetof(struct service_sample, untracked)},
	SC(denied, "New flows refused by the allow or deny list"),
	SC(conn_limited, "New flows refused by a connection limit"),
	SC(rate_limited, "New flows refused by the rate limit"),
	SC(no_backend, "New flows refused because no backend was up"),
	SC(no_flow, "Packets in the middle of a connection that nobody tracks"),
	SC(table_full, "New flows refused because the flow table was full"),
	SC(no_port, "New flows refused because no local port was free"),
	SG(backends, "Configured backends"),
	SG(backends_up, "Backends that take new flows"),
};

static void sum_service(const struct app *app, uint16_t id, struct service_sample *sum)
{
	for (uint32_t i = 0; i < app->worker_cnt; i++) {
		const struct l4_worker *l4 = pipeline_l4(app->pipes[i]);
		struct l4_service_stats s;

		l4_worker_service_stats(l4, id, &s);
		sum->active += l4_worker_service_active(l4, id);
		sum->flows += s.flows;
		sum->untracked += s.untracked;
		sum->denied += s.denied;
		sum->conn_limited += s.conn_limited;
		sum->rate_limited += s.rate_limited;
		sum->no_backend += s.no_backend;
		sum->no_flow += s.no_flow;
		sum->table_full += s.table_full;
		sum->no_port += s.no_port;
	}
}

static uint32_t member_of(const struct app *app, uint16_t id, const struct config_backend *b)
{
	return l4_member_find(app->cur->l4, id, &b->addr, BE16(b->port));
}

static void each_service(void *ctx, struct metric_sink *sink)
{
	const struct app *app = ctx;

	for (uint32_t i = 0; i < app->cfg->service_cnt; i++) {
		const struct config_service *c = &app->cfg->services[i];
		const char *labels[] = {c->name, c->proto == L4_TCP ? "tcp" : "udp"};
		uint16_t id = l4_service_find(app->cur->l4, c->name);
		struct service_sample s = {.backends = c->backend_cnt};

		if (id == L4_NONE16)
			continue;
		sum_service(app, id, &s);
		for (uint32_t b = 0; b < c->backend_cnt; b++)
			s.backends_up +=
				l4_member_state_of(app->cur->l4,
					member_of(app, id, &c->backends[b])) == L4_MEMBER_UP;
		metric_add(sink, labels, &s);
	}
}

const struct metric_set metrics_services = {
	.name = "services",
	.prefix = "weir_service_",
	.labels = {"service", "protocol"},
	.rows = service_rows,
	.row_cnt = ARRAY_SIZE(service_rows),
	.sample_size = sizeof(struct service_sample),
	.each = each_service,
};

struct vip_sample {
	uint64_t active, flows;
};

static const struct metric_row vip_rows[] = {
	{.key = "active",
		.name = "active_flows",
		.help = "Tracked flows to the virtual address, of all its services",
		.type = METRIC_GAUGE,
		.offset = offsetof(struct vip_sample, active)},
	METRIC_C(struct vip_sample, flows, "New flows to it that were tracked"),
};

static void each_vip(void *ctx, struct metric_sink *sink)
{
	const struct app *app = ctx;
	struct ip_addr vip;

	for (uint32_t i = 0; l4_vip_at(app->cur->l4, i, &vip); i++) {
		char where[API_ENDPOINT_MAX];
		const char *labels[] = {api_endpoint(&vip, 0, where)};
		uint16_t id = l4_vip_find(app->cur->l4, &vip);
		struct vip_sample s = {0};

		for (uint32_t w = 0; id != L4_NONE16 && w < app->worker_cnt; w++) {
			s.active += l4_worker_vip_active(pipeline_l4(app->pipes[w]), id);
			s.flows += l4_worker_vip_flows(pipeline_l4(app->pipes[w]), id);
		}
		metric_add(sink, labels, &s);
	}
}

const struct metric_set metrics_vips = {
	.name = "vips",
	.prefix = "weir_vip_",
	.labels = {"vip"},
	.rows = vip_rows,
	.row_cnt = ARRAY_SIZE(vip_rows),
	.sample_size = sizeof(struct vip_sample),
	.each = each_vip,
};

struct backend_sample {
	uint64_t up, draining, weight, active, flows, packets, bytes, back_packets, back_bytes,
		limited, no_port, port_headroom;
};

#define BC(member, help) METRIC_C(struct backend_sample, member, help)
#define BG(member, help) METRIC_G(struct backend_sample, member, help)

static const struct metric_row backend_rows[] = {
	BG(up, "1 when the backend takes new flows"),
	BG(draining, "1 while it is drained"),
	BG(weight, "Share of new flows"),
	{.key = "active",
		.name = "active_flows",
		.help = "Tracked flows",
		.type = METRIC_GAUGE,
		.offset = offsetof(struct backend_sample, active)},
	BC(flows, "New flows"),
	BC(packets, "Packets sent to it"),
	BC(bytes, "Bytes of IP packets sent to it"),
	BC(back_packets, "Packets from it, in the modes nat and fullnat"),
	BC(back_bytes, "Bytes of IP packets from it, in the modes nat and fullnat"),
	BC(limited, "Times it was passed over: at its connection limit"),
	BC(no_port, "New flows refused: no local port left towards it"),
	BG(port_headroom, "Full NAT ports that are left towards it; 0 in the other modes"),
};

static void sum_backend(const struct app *app, uint32_t member, struct backend_sample *sum)
{
	for (uint32_t i = 0; i < app->worker_cnt; i++) {
		const struct l4_worker *l4 = pipeline_l4(app->pipes[i]);
		uint32_t room = l4_worker_port_headroom(l4, app->cur->l4, member);
		struct l4_member_stats s;

		l4_worker_member_stats(l4, member, &s);
		sum->active += l4_worker_member_active(l4, member);
		sum->flows += s.flows;
		sum->packets += s.packets;
		sum->bytes += s.bytes;
		sum->back_packets += s.back_packets;
		sum->back_bytes += s.back_bytes;
		sum->limited += s.limited;
		sum->no_port += s.no_port;
		sum->port_headroom += room != UINT32_MAX ? room : 0;
	}
}

static void each_backend(void *ctx, struct metric_sink *sink)
{
	const struct app *app = ctx;

	for (uint32_t i = 0; i < app->cfg->service_cnt; i++) {
		const struct config_service *c = &app->cfg->services[i];
		uint16_t id = l4_service_find(app->cur->l4, c->name);

		for (uint32_t b = 0; id != L4_NONE16 && b < c->backend_cnt; b++) {
			char where[API_ENDPOINT_MAX];
			const char *labels[] = {c->name,
				api_endpoint(&c->backends[b].addr, c->backends[b].port, where)};
			uint32_t member = member_of(app, id, &c->backends[b]);
			enum l4_member_state state = l4_member_state_of(app->cur->l4, member);
			struct l4_member_info info = {0};
			struct backend_sample s = {
				.up = state == L4_MEMBER_UP, .draining = state == L4_MEMBER_DRAIN};

			if (member == L4_NONE32)
				continue;
			(void)l4_member_info(app->cur->l4, member, &info);
			s.weight = info.weight;
			sum_backend(app, member, &s);
			metric_add(sink, labels, &s);
		}
	}
}

const struct metric_set metrics_backends = {
	.name = "backends",
	.prefix = "weir_backend_",
	.labels = {"service", "backend"},
	.rows = backend_rows,
	.row_cnt = ARRAY_SIZE(backend_rows),
	.sample_size = sizeof(struct backend_sample),
	.each = each_backend,
};
