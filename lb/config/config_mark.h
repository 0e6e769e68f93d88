/* SPDX-License-Identifier: Apache-2.0
 * config_mark - the place in the file that a value came from. Owner: none. */
#ifndef LB_CONFIG_CONFIG_MARK_H
#define LB_CONFIG_CONFIG_MARK_H

#include <stdint.h>

struct config_mark {
	uint32_t line, col; /* 1-based; 0 for a default */
};

#endif
