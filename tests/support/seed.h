/* SPDX-License-Identifier: Apache-2.0
 * seed - the seed of a randomised test: WEIR_SEED if set, else drawn; printed once, so that a
 * failing run can be repeated. */
#ifndef TESTS_SUPPORT_SEED_H
#define TESTS_SUPPORT_SEED_H

#include <stdint.h>

uint64_t test_seed(void);

#endif
