/* SPDX-License-Identifier: Apache-2.0
 * admin_json - the shapes of answers that have one place in the code.
 * Owner:      none; adds to objects of the caller.
 * Units:      packets. Counters read elsewhere are racy: an imbalance of a few packets in a running
 *             process is no loss; one that stays is. */
#ifndef LB_ADMIN_ADMIN_JSON_H
#define LB_ADMIN_ADMIN_JSON_H

#include <jansson.h>

#include "dataplane/base/reason.h"

/* The counters of all workers, as GET /v1/counters has them:
 *	"ledger": {"rx": ..., "tx": ..., "imbalance": ...}      sums
 *	"reasons": {"l4_no_backend": ...}                        sums, every name
 *	"workers": {"0": {"rx": ..., "imbalance": ..., "reasons": {...}}, ...} */
void admin_json_ledgers(json_t *out, const struct ledger *const *ledgers, uint32_t worker_cnt);

#endif
