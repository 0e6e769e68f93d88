/* SPDX-License-Identifier: Apache-2.0
 * test_serve with two jobs for all: nearly every request has to wait for one. */
#define LIMIT_FILES_JOBS 2

#include "lb/l7/files/cache.c"
#include "lb/l7/files/io.c"
#include "lb/l7/files/serve.c"

#include "tests/unit/files/test_serve.c"
