/* SPDX-License-Identifier: Apache-2.0
 * Section `cache.disk`. */
#include "lb/config/config_cache.h"
#include "lb/config/schema.h"
#include "storage/store.h"

#define MS UINT64_C(1000000)
#define H  (3600 * 1000 * MS)

#define AT(member) SCHEMA_AT(config_cache_disk, member)

static const struct schema_enum durability_words[] = {
	{"everysec", STORE_EVERYSEC, "logged: a crash of weir loses nothing that was written"},
	{"volatile", STORE_VOLATILE,
		"not logged: half the writes, and a crash loses what was written last"},
	{NULL, 0, NULL},
};

static const struct schema_field fields[] = {
	{"max_size", SCHEMA_SIZE, 0, AT(max_bytes), .min = 0, .max = UINT64_C(1) << 50, .dflt = "0",
		.help = "Bytes of responses in the store; 0: none. At least 8 MiB. What is "
			"longest there and not used goes first, an eighth at a time."},
	{"durability", SCHEMA_ENUM, 0, AT(durability), .words = durability_words,
		.dflt = "everysec", .help = "What a crash costs."},
	{"max_object", SCHEMA_SIZE, 0, AT(max_object), .min = 0, .max = UINT64_C(1) << 50,
		.dflt = "0", .help = "Larger bodies stay out; 0: an eighth of `max_size`."},
	{"min_left", SCHEMA_DURATION, 0, AT(min_left_ns), .min = 0, .max = H, .dflt = "10s",
		.help = "A response that is of use for less is not written."},
	{"write_rate", SCHEMA_SIZE, 0, AT(write_rate), .min = 0, .max = UINT64_C(1) << 40,
		.dflt = "64MiB",
		.help = "Bytes a second that are written, for all workers together; 0: no bound. "
			"What is beyond it is not kept."},
	{"warm_rate", SCHEMA_SIZE, 0, AT(warm_rate), .min = 0, .max = UINT64_C(1) << 40,
		.dflt = "128MiB",
		.help = "Bytes a second that are read in the first minute after a start, when "
			"memory is empty; 0: no bound. What is beyond it is asked of the "
			"upstream."},
	{"writes", SCHEMA_COUNT, 0, AT(writes), .min = 1, .max = 4096, .dflt = "32",
		.help = "Responses that one worker is writing; each may take 340 KiB."},
	{"reads", SCHEMA_COUNT, 0, AT(reads), .min = 1, .max = 4096, .dflt = "64",
		.help = "Look-ups and pieces of bodies that one worker is reading; each may take "
			"260 KiB."},
};

const struct schema_map schema_cache_disk = {
	.name = "cache disk",
	.help = "The second tier: responses that were asked for twice are kept in the store, "
		"too, and found there again, also after a restart. `disk: 100GiB` stands for "
		"`disk: {max_size: 100GiB}`.",
	.fields = fields,
	.field_cnt = ARRAY_SIZE(fields),
	.scalar_key = "max_size",
};
