/* SPDX-License-Identifier: Apache-2.0
 * The store's shards, and the workers' side of it. */
#include <stdio.h>

#include "lb/api/api_pvt.h"
#include "lb/kvs/kvs.h"
#include "storage/store.h"

#define G(type, member, help) METRIC_G(struct type, member, help)

/* ---- shards ---- */

struct shard_sample {
	uint64_t state, degraded, stall, keys, live_bytes, blob_bytes, memtable_bytes;
	struct store_shard_stats c;
};

static const struct metric_row shard_rows[] = {
	G(shard_sample, state, "0 ok, 1 read-only, 2 offline"),
	G(shard_sample, degraded, "Damaged data was met since the start"),
	G(shard_sample, stall, "Writes: 0 free, 1 delayed, 2 stopped"),
	G(shard_sample, keys, "Records, estimated"), G(shard_sample, live_bytes, "Bytes of tables"),
	G(shard_sample, blob_bytes, "Bytes of large values"),
	G(shard_sample, memtable_bytes, "Bytes not yet in tables"),
#define C(name_, text)                  \
	{.key = #name_,                 \
		.help = text,           \
		.type = METRIC_COUNTER, \
		.offset = offsetof(struct shard_sample, c.name_)},
	STORE_COUNTERS(C)
#undef C
};

static void each_shard(void *ctx, struct metric_sink *sink)
{
	const struct app *app = ctx;

	for (uint32_t i = 0; app->store != NULL && i < store_shard_cnt(app->store); i++) {
		struct shard_sample s = {0};
		char shard[12];
		const char *labels[] = {shard};

		store_shard_get_stats(app->store, i, &s.c);
		s.state = s.c.state;
		s.degraded = s.c.degraded;
		s.stall = s.c.stall;
		s.keys = s.c.keys_estimate;
		s.live_bytes = s.c.live_bytes;
		s.blob_bytes = s.c.blob_bytes;
		s.memtable_bytes = s.c.memtable_bytes;
		snprintf(shard, sizeof(shard), "%u", i);
		metric_add(sink, labels, &s);
	}
}

const struct metric_set metrics_store = {
	.name = "store",
	.prefix = "weir_store_",
	.labels = {"shard"},
	.rows = shard_rows,
	.row_cnt = ARRAY_SIZE(shard_rows),
	.sample_size = sizeof(struct shard_sample),
	.each = each_shard,
};

/* ---- workers ---- */

static const struct metric_row kvs_rows[] = {G(kvs_stats, live, "Transactions under way"),
	G(kvs_stats, mem_used, "Bytes of requests and answers under way"),
	G(kvs_stats, mem_bytes, "Bytes there are for them"),
#define C(name_, text)                  \
	{.key = #name_,                 \
		.help = text,           \
		.type = METRIC_COUNTER, \
		.offset = offsetof(struct kvs_stats, name_)},
	KVS_COUNTERS(C)
#undef C
};

static void each_worker(void *ctx, struct metric_sink *sink)
{
	const struct app *app = ctx;

	for (uint32_t i = 0; app->kvs != NULL && i < app->worker_cnt; i++) {
		struct kvs_stats s;
		char worker[12];
		const char *labels[] = {worker};

		kvs_stats(kvs_worker(app->kvs, i), &s);
		snprintf(worker, sizeof(worker), "%u", i);
		metric_add(sink, labels, &s);
	}
}

const struct metric_set metrics_kvs = {
	.name = "kvs",
	.prefix = "weir_kvs_",
	.labels = {"worker"},
	.rows = kvs_rows,
	.row_cnt = ARRAY_SIZE(kvs_rows),
	.sample_size = sizeof(struct kvs_stats),
	.each = each_worker,
};
