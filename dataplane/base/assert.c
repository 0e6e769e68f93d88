/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/base/assert.h"

#include <stdio.h>
#include <stdlib.h>

_Noreturn void assert_failed(const char *file, int line, const char *expr)
{
	fprintf(stderr, "level=fatal msg=\"assertion failed\" at=%s:%d expr=\"%s\"\n", file, line,
		expr);
	abort();
}
