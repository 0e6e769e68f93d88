/* SPDX-License-Identifier: Apache-2.0
 * What the checks share, and what concerns neither ports nor services. */
#include "lb/config/check.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* The smallest that a packet buffer of 2 KiB can take: struct rte_mbuf, headroom, mempool header.
 */
#define MBUF_BYTES UINT64_C(2368)
#define REF_BYTES  UINT64_C(448) /* a buffer without room for data */

static int by_name(const void *pa, const void *pb)
{
	const struct check_name *a = pa, *b = pb;
	int c = strcmp(a->name, b->name);

	if (c)
		return c;
	if (a->mark.line != b->mark.line)
		return a->mark.line < b->mark.line ? -1 : 1;
	return a->mark.col < b->mark.col ? -1 : a->mark.col > b->mark.col;
}

void check_names(struct check *c, const char *what, struct check_name *names, uint32_t cnt)
{
	if (cnt == 0)
		return;
	qsort(names, cnt, sizeof(*names), by_name);
	for (uint32_t i = 1; i < cnt; i++) {
		const struct check_name *a = &names[i - 1], *b = &names[i];

		if (*b->name && (a->given || b->given) && strcmp(a->name, b->name) == 0)
			diag_error(c->diag, b->mark, "%s: '%s' is taken already, on line %u", what,
				b->name, a->mark.line);
	}
}

const char *check_unusable(const struct ip_addr *a)
{
	static const struct ip_addr loopback6 = {.b = {[15] = 1}};

	if (ip_addr_is_multicast(a))
		return "is a multicast address";
	if (ip_addr_is4(a)) {
		if (a->b[12] == 0)
			return "names no host";
		if (a->b[12] == 127)
			return "is a loopback address";
		return a->b[12] >= 240 ? "is not a unicast address" : NULL;
	}
	if (ip_addr_is_zero(a))
		return "names no host";
	return ip_addr_eq(a, &loopback6) ? "is a loopback address" : NULL;
}

/* Of each worker, as lb/app_tcp.c makes them. */
static uint64_t tcp_bytes(const struct config *cfg)
{
	if (!cfg->tcp_given && cfg->listener_cnt == 0)
		return 0;
	return (MBUF_BYTES + REF_BYTES) * cfg->tcp.packet_headers +
	       MBUF_BYTES * cfg->tcp.data_buffers;
}

static void check_mbufs(struct check *c, struct config_tree *t)
{
	const struct config_memory *m = &c->cfg->memory;
	uint64_t rx = 0, tx = 0, tcp = tcp_bytes(c->cfg);
	uint64_t bytes = (MBUF_BYTES * m->mbufs + tcp) * c->cfg->workers.count;

	if (schema_value(t, "mbufs")->bad)
		return;
	for (uint32_t i = 0; i < c->cfg->port_cnt; i++) {
		rx += c->cfg->ports[i].rx_queue_len;
		tx += c->cfg->ports[i].tx_queue_len;
	}
	if (m->mbufs < rx + 2 * LIMIT_BURST)
		diag_error(c->diag, schema_mark(t, "mbufs"),
			"mbufs: %u buffers cannot fill the receive queues of a worker: at least "
			"%" PRIu64,
			m->mbufs, rx + 2 * LIMIT_BURST);
	else if (m->mbufs < rx + tx)
		diag_warn(c->diag, schema_mark(t, "mbufs"),
			"mbufs: %u buffers are fewer than the %" PRIu64
			" that a worker's queues can hold",
			m->mbufs, rx + tx);
	if (m->dpdk_bytes && m->dpdk_bytes < bytes && !schema_value(t, "dpdk")->bad)
		diag_error(c->diag, schema_mark(t, "dpdk"),
			"dpdk: %" PRIu64
			" MiB cannot hold %u buffers%s for each of %u workers: at least "
			"%" PRIu64 " MiB",
			m->dpdk_bytes >> 20, m->mbufs, tcp > 0 ? " and those of tcp" : "",
			c->cfg->workers.count, (bytes + (1 << 20) - 1) >> 20);
}

void check_machine(struct check *c)
{
	struct config_tree *memory = schema_value(c->root, "memory")->maps[0];
	struct config_tree *l4 = schema_value(c->root, "l4")->maps[0];
	uint32_t ports = (uint32_t)(c->cfg->l4.local_port_hi - c->cfg->l4.local_port_lo) + 1;

	if (c->cfg->memory.secondaries[0] != '\0' && !c->cfg->memory.hugepages)
		diag_error(c->diag, schema_mark(memory, "secondaries"),
			"secondaries: other processes cannot share memory without 'hugepages'");
	check_mbufs(c, memory);
	if (ports < c->cfg->workers.count && !schema_value(l4, "local_ports")->bad)
		diag_error(c->diag, schema_mark(l4, "local_ports"),
			"local_ports: %u ports for %u workers", ports, c->cfg->workers.count);
}

/* Were all values of a port's addressing read? */
static bool addressing_bad(struct config_tree *t)
{
	struct config_value *routes = schema_value(t, "routes");

	if (schema_value(t, "addresses")->bad || !schema_given(t, "addresses") ||
		schema_value(t, "gateway")->bad || routes->bad)
		return true;
	for (uint32_t i = 0; i < routes->item_cnt; i++) {
		if (schema_value(routes->maps[i], "to")->bad ||
			schema_value(routes->maps[i], "via")->bad)
			return true;
	}
	return false;
}

void check_all(struct reader *r, const struct reach *reach, const struct config *cfg,
	struct config_tree *root)
{
	struct check c = {.diag = r->diag,
		.scratch = r->diag->arena,
		.reach = reach,
		.cfg = cfg,
		.root = root};
	struct config_value *ports = schema_value(root, "ports");

	c.ports_bad = ports->item_cnt == 0;
	for (uint32_t i = 0; i < ports->item_cnt; i++)
		c.ports_bad |= addressing_bad(ports->maps[i]);
	check_ports(&c);
	check_machine(&c);
	check_admin(&c);
	check_resolver(&c);
	check_access_log(&c);
	check_overlaps(&c);
	if (!c.scratch->failed)
		check_services(&c);
	if (!c.scratch->failed)
		check_listeners(&c);
	if (!c.scratch->failed)
		check_upstreams(&c);
	if (!c.scratch->failed)
		check_http(&c);
	check_cache(&c);
}
