/* SPDX-License-Identifier: Apache-2.0
 * expire - times at which keys end, as commands name them. */
#ifndef LB_L7_RESP_EXPIRE_H
#define LB_L7_RESP_EXPIRE_H

#include "lb/l7/resp/command.h"

enum expire_unit { EXPIRE_S, EXPIRE_MS, EXPIRE_AT_S, EXPIRE_AT_MS };

/* The argument as ms since 1970, above 0. False: the error has been written. With `positive` a time
 * that is not above 0 is refused, otherwise it has passed. */
bool expire_arg(
	struct resp_call *k, uint32_t i, enum expire_unit unit, bool positive, uint64_t *ms);

#endif
