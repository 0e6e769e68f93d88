/* SPDX-License-Identifier: Apache-2.0
 * The store: shards, disk, and what each worker has under way. */
#include "lb/app_pvt.h"
#include "lb/kvs/kvs.h"
#include "lb/status.h"
#include "lb/status_pvt.h"
#include "storage/store.h"

static void fill_shard(struct app *app, uint32_t i, json_t *o)
{
	static const char *const stalls[] = {"none", "delayed", "stopped"};
	struct store_shard_stats s;

	store_shard_get_stats(app->store, i, &s);
	set_int(o, "shard", i);
	set_text(o, "state", store_state_name(s.state));
	json_object_set_new(o, "degraded", json_boolean(s.degraded));
	set_text(o, "stall", s.stall < ARRAY_SIZE(stalls) ? stalls[s.stall] : "?");
	set_int(o, "keys_estimate", s.keys_estimate);
	set_int(o, "live_bytes", s.live_bytes);
	set_int(o, "blob_bytes", s.blob_bytes);
	set_int(o, "memtable_bytes", s.memtable_bytes);
	set_int(o, "snapshots", s.snapshots);
#define C(name, text) set_int(o, #name, s.name);
	STORE_COUNTERS(C)
#undef C
}

static void fill_worker(struct app *app, uint32_t i, json_t *o)
{
	struct kvs_stats s;

	kvs_stats(kvs_worker(app->kvs, i), &s);
	set_int(o, "worker", i);
	set_int(o, "under_way", s.live);
	set_int(o, "memory_used", s.mem_used);
	set_int(o, "memory", s.mem_bytes);
#define C(name, text) set_int(o, #name, s.name);
	KVS_COUNTERS(C)
#undef C
}

int status_store(struct app *app, json_t *out)
{
	struct store_stats s;
	json_t *a;

	json_object_set_new(out, "open", json_boolean(app->store != NULL));
	if (app->store == NULL)
		return 0;
	store_get_stats(app->store, &s);
	set_text(out, "dir", app->cfg->store.dir);
	json_object_set_new(out, "disk_full", json_boolean(s.full));
	json_object_set_new(out, "ballast", json_boolean(s.ballast));
	json_object_set_new(out, "io_uring", json_boolean(s.uring));
	json_object_set_new(out, "direct_io", json_boolean(s.direct_io));
	set_int(out, "disk_free_bytes", s.free_bytes);
	set_int(out, "shed", s.shed);
	a = set_array(out, "shards");
	for (uint32_t i = 0; i < store_shard_cnt(app->store); i++)
		fill_shard(app, i, add_object(a));
	a = set_array(out, "workers");
	for (uint32_t i = 0; i < app->worker_cnt; i++)
		fill_worker(app, i, add_object(a));
	return 0;
}
