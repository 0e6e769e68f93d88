/* SPDX-License-Identifier: Apache-2.0
 * test_scan for machines that have no more than SSSE3. */
#undef __AVX2__

#include "tests/unit/h1/test_scan.c"
