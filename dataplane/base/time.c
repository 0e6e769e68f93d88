/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/base/time.h"

#include "dataplane/base/assert.h"

struct clock_scale clock_scale = {.mult = UINT64_C(1) << 32, .tsc_hz = NS_PER_SEC};

void clock_calibrate(uint64_t tsc_hz)
{
	ASSERT(tsc_hz > 0);
	clock_scale.tsc_hz = tsc_hz;
	clock_scale.mult = (uint64_t)(((unsigned __int128)NS_PER_SEC << 32) / tsc_hz);
}
