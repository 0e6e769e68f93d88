/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/base/rng.h"

#include <errno.h>
#include <sys/random.h>

#include "dataplane/base/assert.h"

void rng_secret(void *out, size_t n)
{
	uint8_t *p = out;

	while (n > 0) {
		ssize_t got = getrandom(p, n, 0);

		if (got < 0 && errno == EINTR)
			continue;
		ASSERT(got > 0);
		p += got;
		n -= (size_t)got;
	}
}
