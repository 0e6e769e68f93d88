/* SPDX-License-Identifier: Apache-2.0
 * The sections of the store. */
#include "lb/config/schema.h"
#include "storage/store.h"

#define MS UINT64_C(1000000)
#define S  (1000 * MS)

#define FIELDS(array) .fields = array, .field_cnt = ARRAY_SIZE(array)

static const struct schema_enum durability_words[] = {
	{"always", STORE_ALWAYS, "answered when it is on the device"},
	{"everysec", STORE_EVERYSEC,
		"answered when the kernel has it; on the device within a second"},
	{"volatile", STORE_VOLATILE, "not logged; a crash loses what was not yet written"},
	{NULL, 0, NULL},
};

static const struct schema_field ns_fields[] = {
	{"durability", SCHEMA_ENUM, 0, SCHEMA_AT(config_store_ns, durability), .dflt = "everysec",
		.words = durability_words, .help = "When a write is answered."},
};

static const struct schema_map ns_map = {
	.name = "namespace",
	.help = "Keys of their own. `sessions: volatile` stands for `sessions: {durability: "
		"volatile}`.",
	FIELDS(ns_fields),
	.size = sizeof(struct config_store_ns),
	.name_offset = offsetof(struct config_store_ns, name),
	.scalar_key = "durability",
};

static const struct schema_field store_fields[] = {
	{"dir", SCHEMA_STRING, 0, SCHEMA_AT(config_store, dir), .dflt = "\"\"",
		.help = "Folder of the store; empty: there is none."},
	{"shards", SCHEMA_UINT, 0, SCHEMA_AT(config_store, shards), .min = 0, .max = LIMIT_SHARDS,
		.dflt = "0",
		.help = "Databases that the keys are spread over; 0: as the folder has them, or 1. "
			"An existing store changes its number by a reshard only."},
	{"readers", SCHEMA_UINT, 0, SCHEMA_AT(config_store, readers), .min = 1,
		.max = LIMIT_STORE_READERS, .dflt = "1", .help = "Reading threads of each shard."},
	{"namespaces", SCHEMA_MAP, SCHEMA_NAMED, SCHEMA_LIST_AT(config_store, namespaces, ns_cnt),
		.max_cnt = LIMIT_STORE_NS, .map = &ns_map, .dflt_doc = "one, `default`",
		.help = "Namespaces by name. New ones may be added behind the others."},
	{"queue", SCHEMA_UINT, 0, SCHEMA_AT(config_store, queue_len), .min = 64,
		.max = LIMIT_STORE_QUEUE, .dflt = "2048",
		.help = "Requests of one worker that wait for one thread of a shard."},
	{"block_cache", SCHEMA_SIZE, 0, SCHEMA_AT(config_store, block_cache_bytes), .min = 1 << 20,
		.max = UINT64_C(1) << 44, .dflt = "64MiB",
		.help = "Blocks of tables kept in memory, for all shards together."},
	{"memtable", SCHEMA_SIZE, 0, SCHEMA_AT(config_store, memtable_bytes), .min = 1 << 16,
		.max = UINT64_C(1) << 36, .dflt = "64MiB",
		.help = "Writes of one shard that are kept in memory before they become a table."},
	{"blob_min", SCHEMA_SIZE, 0, SCHEMA_AT(config_store, blob_min_bytes), .min = 512,
		.max = UINT64_C(1) << 30, .dflt = "8KiB",
		.help = "Values from this size on stand in files of their own."},
	{"write_rate", SCHEMA_SIZE, 0, SCHEMA_AT(config_store, write_rate_bytes), .min = 0,
		.max = UINT64_C(1) << 40, .dflt = "0",
		.help = "Bytes a second that flushes and compactions may write; 0: no bound."},
	{"background_threads", SCHEMA_UINT, 0, SCHEMA_AT(config_store, background_threads),
		.min = 1, .max = 64, .dflt = "2", .help = "Threads for flushes and compactions."},
	{"low_space", SCHEMA_SIZE, 0, SCHEMA_AT(config_store, low_space_bytes), .min = 0,
		.max = UINT64_C(1) << 44, .dflt = "256MiB",
		.help = "With less free space on the disk, writes that add data are refused."},
	{"ballast", SCHEMA_SIZE, 0, SCHEMA_AT(config_store, ballast_bytes), .min = 0,
		.max = UINT64_C(1) << 40, .dflt = "64MiB",
		.help = "Space held back for cleaning up when the disk is full after all."},
	{"direct_io", SCHEMA_BOOL, 0, SCHEMA_AT(config_store, direct_io), .dflt = "true",
		.help = "Read and write tables past the kernel's page cache, where the file system "
			"can."},
	{"io_uring", SCHEMA_BOOL, 0, SCHEMA_AT(config_store, uring), .dflt = "true",
		.help = "Read through io_uring; plain reads where the kernel refuses it."},
	{"compress", SCHEMA_BOOL, 0, SCHEMA_AT(config_store, compress), .dflt = "true",
		.help = "Compress tables."},
	{"start_degraded", SCHEMA_BOOL, 0, SCHEMA_AT(config_store, start_degraded), .dflt = "false",
		.help = "Start even if some shards do not open: their keys answer with an error."},
	{"cpus", SCHEMA_UINT, SCHEMA_LIST, SCHEMA_LIST_AT(config_store, cpus, cpu_cnt), .min = 0,
		.max = 1023, .max_cnt = 256, .dflt_doc = "any",
		.help = "Cores of the store's threads; better not those of the workers."},
	{"cache", SCHEMA_SIZE, 0, SCHEMA_AT(config_store, cache_bytes), .min = 0,
		.max = UINT64_C(1) << 44, .dflt = "64MiB",
		.help = "Values kept in memory in front of the store, shared by all workers; 0: "
			"none."},
	{"request_memory", SCHEMA_SIZE, 0, SCHEMA_AT(config_store, request_bytes), .min = 16 << 20,
		.max = UINT64_C(1) << 36, .dflt = "256MiB",
		.help = "Memory of each worker for requests and answers under way; taken as it is "
			"needed and kept."},
	{"request_timeout", SCHEMA_DURATION, 0, SCHEMA_AT(config_store, request_timeout_ns),
		.min = 10 * MS, .max = 3600 * S, .dflt = "10s",
		.help = "A request that the store does not answer for so long ends with an error."},
};

const struct schema_map schema_store = {
	.name = "store",
	.help = "Durable data behind listeners with action resp.",
	FIELDS(store_fields),
};

static const struct schema_field resp_fields[] = {
	{"namespace", SCHEMA_NAME, 0, SCHEMA_AT(config_resp, ns),
		.dflt_doc = "the first of the store", .help = "Namespace of the store."},
	{"password", SCHEMA_STRING, 0, SCHEMA_AT(config_resp, password), .dflt = "\"\"",
		.help = "Password of the user `default`; empty: none is asked for."},
	{"users", SCHEMA_STRING, SCHEMA_LIST, SCHEMA_LIST_AT(config_resp, users, user_cnt),
		.max_cnt = CONFIG_ACL_RULES, .dflt_doc = "`default on nopass ~* +@all`",
		.help = "Users as in an ACL file: a name, then rules such as `on >secret ~app:* "
			"+@read -keys`."},
	{"slow", SCHEMA_DURATION, 0, SCHEMA_AT(config_resp, slow_ns), .min = 0, .max = 3600 * S,
		.dflt = "10ms", .help = "Commands that took longer are kept for SLOWLOG; 0: none."},
	{"bulk_max", SCHEMA_SIZE, 0, SCHEMA_AT(config_resp, bulk_max_bytes), .min = 1024,
		.max = 64 << 20, .dflt = "8MiB", .help = "Longest argument of a command."},
	{"pipeline_max", SCHEMA_UINT, 0, SCHEMA_AT(config_resp, pipeline_max), .min = 1,
		.max = 65536, .dflt = "1024",
		.help = "Commands of one connection under way; more wait in the receive window."},
};

const struct schema_map schema_resp = {
	.name = "resp",
	.help = "The Redis protocol over the store.",
	FIELDS(resp_fields),
};
