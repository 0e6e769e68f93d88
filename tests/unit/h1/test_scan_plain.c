/* SPDX-License-Identifier: Apache-2.0
 * test_scan for machines that have no more than plain C. */
#undef __AVX2__
#undef __SSSE3__

#include "tests/unit/h1/test_scan.c"
