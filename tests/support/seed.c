/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/seed.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "dataplane/base/rng.h"

uint64_t test_seed(void)
{
	static uint64_t seed;
	static int known;

	if (!known) {
		const char *text = getenv("WEIR_SEED");

		if (text)
			seed = strtoull(text, NULL, 0);
		else
			rng_secret(&seed, sizeof(seed));
		known = 1;
		printf("seed: WEIR_SEED=%" PRIu64 "\n", seed);
		fflush(stdout);
	}
	return seed;
}
