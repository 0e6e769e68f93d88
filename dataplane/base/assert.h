/* SPDX-License-Identifier: Apache-2.0
 * assert - ASSERT stands in every build (control paths, once per burst); ASSERT_DBG only where
 * WEIR_DEBUG is defined (per packet). Never assert on bytes that come from outside. */
#ifndef DATAPLANE_BASE_ASSERT_H
#define DATAPLANE_BASE_ASSERT_H

#include "dataplane/base/compiler.h"

/* Prints the place and the expression to stderr and aborts. */
_Noreturn void assert_failed(const char *file, int line, const char *expr);

#define ASSERT(e)                                              \
	do {                                                   \
		if (unlikely(!(e)))                            \
			assert_failed(__FILE__, __LINE__, #e); \
	} while (0)

#ifdef WEIR_DEBUG
#define ASSERT_DBG(e) ASSERT(e)
#else
#define ASSERT_DBG(e) ((void)sizeof(!(e)))
#endif

#endif
