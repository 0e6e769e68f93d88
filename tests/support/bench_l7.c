/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/bench_l7.h"

#include <stdio.h>
#include <stdlib.h>

#include "dataplane/base/assert.h"
#include "lb/config/config.h"
#include "tests/support/config_text.h"

static bool up(void *ctx, uint32_t group, uint32_t backend)
{
	(void)ctx;
	(void)group;
	(void)backend;
	return true;
}

static bool unused(void *ctx, bool member, uint32_t id)
{
	(void)ctx;
	(void)member;
	(void)id;
	return false;
}

void bench_l7_parse(struct bench_l7 *b, const char *text)
{
	char *messages;

	*b = (struct bench_l7){.cfg = config_text_parse(text, &messages)};
	if (b->cfg == NULL)
		fprintf(stderr, "%s", messages);
	ASSERT(b->cfg != NULL);
	free(messages);
}

void bench_l7_start(struct bench_l7 *b, struct bench_host *h, const struct l7_worker_conf *conf,
	uint64_t now_ns)
{
	struct l7_build in = {.cfg = b->cfg,
		.health_up = up,
		.up_health = up,
		.in_use = unused,
		.up_in_use = unused};
	struct l7_worker_conf c = *conf;

	b->registry = in.registry = calloc(1, sizeof(*b->registry));
	ASSERT(b->registry != NULL && l7_table_build(&in, &b->table) == 0);
	c.cfg = b->cfg;
	c.all = b->all;
	c.worker_cnt = 1;
	c.port_lo = 1024;
	c.port_hi = 65535;
	c.header_pool = h->hdr;
	c.ref_pool = h->ref;
	c.data_pool = h->data;
	c.rx_pool = h->rx;
	c.cb = bench_host_callbacks(h);
	ASSERT(l7_worker_create(&c, now_ns, &b->w) == 0);
	b->all[0] = b->w;
	l7_worker_adopt(b->w, b->table, false, now_ns);
	h->e = l7_worker_engine(b->w);
}

void bench_l7_stop(struct bench_l7 *b)
{
	l7_worker_destroy(b->w);
	l7_table_free(b->table);
	free(b->registry);
	config_free(b->cfg);
}
