/* SPDX-License-Identifier: Apache-2.0
 * input - the first steps of a packet on a worker; callbacks of the worker's loop (worker.h). */
#ifndef LB_PIPELINE_INPUT_H
#define LB_PIPELINE_INPUT_H

#include "dataplane/base/compiler.h"

struct rte_mbuf;

void pipeline_input(void *ctx, uint16_t port, struct rte_mbuf **pkts, uint32_t n, uint64_t now_ns);
void pipeline_handed(void *ctx, struct rte_mbuf **pkts, uint32_t n, uint64_t now_ns);

#endif
