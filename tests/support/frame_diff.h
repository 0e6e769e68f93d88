/* SPDX-License-Identifier: Apache-2.0
 * frame_diff - shows people where two frames differ.
 * Units: bytes; `want` or `got` may be NULL when that side has no frame. */
#ifndef TESTS_SUPPORT_FRAME_DIFF_H
#define TESTS_SUPPORT_FRAME_DIFF_H

#include <stdio.h>

#include "dataplane/base/compiler.h"

struct frame {
	const uint8_t *data;
	uint32_t len;
};

/* Writes both frames in lines of 16 bytes; a line that differs stands twice, marked "-" (want) and
 * "+" (got), with a line of "^" below the bytes that differ. */
void frame_diff(FILE *out, const struct frame *want, const struct frame *got);

#endif
