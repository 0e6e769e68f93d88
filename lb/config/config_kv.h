/* SPDX-License-Identifier: Apache-2.0
 * config_kv - `kv` of a route: keys of the store over HTTP.
 * Owner: struct config. Units: bytes. */
#ifndef LB_CONFIG_CONFIG_KV_H
#define LB_CONFIG_CONFIG_KV_H

#include "dataplane/base/compiler.h"
#include "dataplane/base/limits.h"
#include "lb/config/config_mark.h"

struct config_http_kv {
	char (*namespaces)[LIMIT_NAME]; /* none: all of the store */
	uint32_t namespace_cnt;
	uint64_t max_value;
	uint32_t list_max; /* keys of one answer */
	bool read_only;
	struct config_mark mark;
};

#endif
