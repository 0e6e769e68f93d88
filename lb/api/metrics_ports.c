/* SPDX-License-Identifier: Apache-2.0 */
#include "lb/api/api_pvt.h"

struct sample {
	uint64_t up, rx_packets, rx_bytes, rx_missed, rx_errors, rx_nombuf, tx_packets, tx_bytes,
		tx_errors;
};

#define C(member, help) METRIC_C(struct sample, member, help)

static const struct metric_row rows[] = {
	METRIC_G(struct sample, up, "1 when the link is up"),
	C(rx_packets, "Packets received"),
	C(rx_bytes, "Bytes received"),
	C(rx_missed, "Packets that the device dropped: its receive queue was full"),
	C(rx_errors, "Packets received with an error"),
	C(rx_nombuf, "Packets not received for want of a buffer"),
	C(tx_packets, "Packets sent"),
	C(tx_bytes, "Bytes sent"),
	C(tx_errors, "Packets that the device could not send"),
};

static void each(void *ctx, struct metric_sink *sink)
{
	const struct app *app = ctx;

	for (uint32_t i = 0; i < app->port_cnt; i++) {
		const char *labels[] = {app->ports[i].name};
		struct port_stats p;
		struct sample s;

		port_stats(&app->ports[i], &p);
		s = (struct sample){.up = port_link_up(&app->ports[i]),
			.rx_packets = p.rx_packets,
			.rx_bytes = p.rx_bytes,
			.rx_missed = p.rx_missed,
			.rx_errors = p.rx_errors,
			.rx_nombuf = p.rx_nombuf,
			.tx_packets = p.tx_packets,
			.tx_bytes = p.tx_bytes,
			.tx_errors = p.tx_errors};
		metric_add(sink, labels, &s);
	}
}

const struct metric_set metrics_ports = {
	.name = "ports",
	.prefix = "weir_port_",
	.labels = {"port"},
	.rows = rows,
	.row_cnt = ARRAY_SIZE(rows),
	.sample_size = sizeof(struct sample),
	.each = each,
};
