/* SPDX-License-Identifier: Apache-2.0
 * time - monotonic nanoseconds from the TSC, read once per loop and passed down as `now_ns`.
 * Owner:  process-wide conversion constants, written once by clock_calibrate() at INIT.
 * Units:  ns since an arbitrary start; 64 bits last 584 years.
 * Cost:   clock_now_ns() is one rdtsc and one 128-bit multiply. */
#ifndef DATAPLANE_BASE_TIME_H
#define DATAPLANE_BASE_TIME_H

#include "dataplane/base/compiler.h"

#define NS_PER_US UINT64_C(1000)
#define NS_PER_MS UINT64_C(1000000)
/* Not NS_PER_S: rte_cycles.h defines that one. */
#define NS_PER_SEC UINT64_C(1000000000)

struct clock_scale {
	uint64_t mult; /* ns = (tsc * mult) >> 32, computed in 128 bits */
	uint64_t tsc_hz;
};

extern struct clock_scale clock_scale;

/* Set the scale from a known TSC frequency in Hz; tsc_hz > 0. Once, before any worker runs. */
void clock_calibrate(uint64_t tsc_hz);

ALWAYS_INLINE uint64_t clock_tsc(void)
{
	return __builtin_ia32_rdtsc();
}

ALWAYS_INLINE uint64_t clock_tsc_to_ns(uint64_t tsc)
{
	return (uint64_t)(((unsigned __int128)tsc * clock_scale.mult) >> 32);
}

ALWAYS_INLINE uint64_t clock_now_ns(void)
{
	return clock_tsc_to_ns(clock_tsc());
}

#endif
