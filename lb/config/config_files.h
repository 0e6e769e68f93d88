/* SPDX-License-Identifier: Apache-2.0
 * config_files - `files` of a route: a folder whose files are the answers.
 * Owner: struct config.  Units: bytes, ns. */
#ifndef LB_CONFIG_CONFIG_FILES_H
#define LB_CONFIG_CONFIG_FILES_H

#include <stdbool.h>

#include "lb/config/config_mark.h"

#define LIMIT_FILES_INDEX 8

/* In the order in which weir prefers them. */
enum files_coding { FILES_IDENTITY, FILES_BR, FILES_ZSTD, FILES_GZIP, FILES_CODING_CNT };

struct config_http_files {
	char root[256];
	char (*index)[64]; /* none given: index.html */
	uint32_t index_cnt;
	int *precompressed; /* enum files_coding */
	uint32_t precompressed_cnt;
	char cache_control[128]; /* empty: no such field */
	char type[64];           /* of names whose ending is not known */
	uint64_t cache_bytes;    /* of each worker */
	uint64_t check_ns;       /* a file is looked at again after this time */
	bool hidden;             /* names that begin with a dot are served, too */
	bool symlinks;           /* that stay below the root are followed */
	struct config_mark mark;
};

#endif
