/* SPDX-License-Identifier: Apache-2.0
 * scan - the arguments and cursors of SCAN and its kin. */
#ifndef LB_L7_RESP_SCAN_H
#define LB_L7_RESP_SCAN_H

#include "lb/l7/resp/command.h"

struct scan_args {
	const struct resp_arg *match, *type;
	uint32_t count;
};
struct scan_place {
	uint32_t shard;
	const uint8_t *from;
	uint16_t from_len;
};

/* False: the error has been written. */
bool scan_options(struct resp_call *k, uint32_t from, struct scan_args *o);
bool scan_cursor(struct resp_call *k, uint32_t i, struct scan_place *p);
/* The head of the reply: the next cursor, behind s (NULL: at the beginning of the shard). */
void scan_reply_cursor(struct resp_call *k, uint32_t shard, const struct kvs_scan *s, bool more);
/* HSCAN and so on, for an existing collection: members of the page, behind the head of the reply;
 * NULL: not yet, or an error. */
const struct kvs_scan *scan_members(struct resp_call *k, uint8_t space, bool *empty);

#endif
