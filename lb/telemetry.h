/* SPDX-License-Identifier: Apache-2.0
 * telemetry - the statistics of lb/api under /weir/ in DPDK's telemetry socket, for
 * dpdk-telemetry.py:
 *
 *   /weir/workers        the objects of a kind, by their labels
 *   /weir/workers,1      every value of the second one
 *
 * DPDK asks on a thread of its own; control answers in its next turn, so that nothing is read while
 * it changes.
 * Owner:      control; one for the process, since DPDK's commands cannot be taken back.
 * Limits:     what fits an answer of DPDK's: 256 entries. Values beyond 2^53 keep their bits; those
 *             of histograms are left out.
 * Cost:       one look at a flag in each turn of control. */
#ifndef LB_TELEMETRY_H
#define LB_TELEMETRY_H

#include "lb/admin/metric.h"

/* Registers a command for each set. list must outlive telemetry_stop(). */
int telemetry_start(const struct metric_list *list) WARN_UNUSED;
/* Regular work: answers who waits. */
void telemetry_run(void);
/* From now on nothing is answered. */
void telemetry_stop(void);

#endif
