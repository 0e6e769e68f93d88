/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/base/spsc.h"

#include <stdlib.h>

#include "dataplane/base/assert.h"

struct spsc *spsc_create(uint32_t size)
{
	uint32_t n = (uint32_t)pow2_at_least(size);
	size_t bytes = ROUND_UP(sizeof(struct spsc) + n * sizeof(void *), CACHE_LINE);
	struct spsc *r;

	ASSERT(size > 0 && size <= UINT32_C(1) << 30);
	r = aligned_alloc(CACHE_LINE, bytes);
	if (r == NULL)
		return NULL;
	__builtin_memset(r, 0, bytes);
	r->mask = n - 1;
	return r;
}

void spsc_destroy(struct spsc *r)
{
	free(r);
}
