/* SPDX-License-Identifier: Apache-2.0
 * config_compress - `compress` among policies: bodies that are coded on the way to the client.
 * Owner: struct config.  Units: bytes. */
#ifndef LB_CONFIG_CONFIG_COMPRESS_H
#define LB_CONFIG_CONFIG_COMPRESS_H

#include "lb/config/config_files.h"

#define LIMIT_COMPRESS_TYPES 64

struct config_policy_compress {
	int *codings; /* enum files_coding; none given: all */
	uint32_t coding_cnt;
	char (*types)[64]; /* none given: those of COMPRESS_DEFAULT_TYPES */
	uint32_t type_cnt;
	uint32_t gzip_level, br_level, zstd_level;
	uint32_t streams; /* at one time, of each worker */
	uint64_t min_bytes;
	struct config_mark mark;
};

#endif
