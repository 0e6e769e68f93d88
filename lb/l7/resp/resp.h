/* SPDX-License-Identifier: Apache-2.0
 * resp - the Redis protocol on connections of one worker.
 * Owner:      the worker's l7_worker. Lifetime: resp_worker_create() ... destroy.
 * Invariants: RP1 replies leave in the order of the requests, one for each; a connection of which
 *             one is lost, because memory is out, is aborted. RP2 of requests of one connection the
 *             later one sees what the earlier one did to a key they share; others are under way
 *             together.
 * Limits:     config_resp.pipeline_max requests of a connection under way, RESP_JOBS of a worker;
 *             then no more is read. */
#ifndef LB_L7_RESP_RESP_H
#define LB_L7_RESP_RESP_H

#include "dataplane/base/compiler.h"
#include "dataplane/base/time.h"

struct config;
struct kvs_worker;
struct l7_worker;
struct resp_worker;

int resp_worker_create(struct l7_worker *l7, struct kvs_worker *kvs, uint32_t conns,
	struct resp_worker **out) WARN_UNUSED;
void resp_worker_destroy(struct resp_worker *w);
/* Another configuration is in force. Connections whose listener is gone, and with draining all of
 * them, are closed when what they sent has been answered, those in the middle of a request, a MULTI
 * or a WATCH RESP_GRACE_NS later at the latest; until then they have the configuration they had. */
#define RESP_GRACE_NS (2 * NS_PER_SEC)
void resp_worker_adopt(struct resp_worker *w, bool draining);
/* After kvs_turn(): what has been answered leaves. True if anything was done. */
bool resp_worker_resume(struct resp_worker *w);
/* Has it anything to do? */
bool resp_worker_waiting(const struct resp_worker *w);

/* Control, once, before any other call of this folder. */
void resp_init(void);

#endif
