/* SPDX-License-Identifier: Apache-2.0
 * config_store - the store and what listeners make of it; part of config.h. */
#ifndef LB_CONFIG_CONFIG_STORE_H
#define LB_CONFIG_CONFIG_STORE_H

#include "dataplane/base/compiler.h"
#include "dataplane/base/limits.h"

#define CONFIG_ACL_RULE  1024 /* bytes of one rule, with the NUL */
#define CONFIG_ACL_RULES 256
#define CONFIG_SECRET    256

struct config_store_ns {
	char name[LIMIT_NAME];
	int durability; /* enum store_durability */
};

struct config_store {
	char dir[256]; /* empty: there is no store */
	uint32_t shards, readers, queue_len;
	struct config_store_ns *namespaces;
	uint32_t ns_cnt;
	uint64_t block_cache_bytes, memtable_bytes, blob_min_bytes, write_rate_bytes;
	uint64_t low_space_bytes, ballast_bytes;
	uint32_t background_threads;
	bool direct_io, uring, compress, start_degraded;
	uint16_t *cpus;
	uint32_t cpu_cnt;
	uint64_t cache_bytes;   /* 0: no memory cache before the store */
	uint64_t request_bytes; /* of one worker, for requests and answers under way */
	uint64_t request_timeout_ns;
};

struct config_acl_rule {
	char text[CONFIG_ACL_RULE];
};

struct acl_user;

/* A listener with action resp. */
struct config_resp {
	char ns[LIMIT_NAME]; /* empty: the first namespace of the store */
	uint32_t ns_idx;
	char password[CONFIG_SECRET]; /* of the user `default`; empty: none needed */
	struct config_acl_rule *users;
	uint32_t user_cnt;
	struct acl_user *acl; /* password and users, made from them; the first is `default` */
	uint32_t acl_cnt;
	uint64_t slow_ns; /* a command that takes longer is kept in SLOWLOG */
	uint64_t bulk_max_bytes;
	uint32_t pipeline_max; /* commands of one connection under way */
};

#endif
