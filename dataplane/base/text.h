/* SPDX-License-Identifier: Apache-2.0
 * text - numbers as text where printf would cost more than all around it.
 * Owner: none, pure.  Cost: a few steps for each digit. */
#ifndef DATAPLANE_BASE_TEXT_H
#define DATAPLANE_BASE_TEXT_H

#include "dataplane/base/compiler.h"

#define TEXT_U32_MAX 10
#define TEXT_I64_MAX 20

/* Decimal, no NUL; returns how many digits, TEXT_U32_MAX at most. */
static inline uint32_t text_u32(char *out, uint32_t v)
{
	char digits[TEXT_U32_MAX];
	uint32_t n = 0;

	do
		digits[n++] = (char)('0' + v % 10);
	while ((v /= 10) != 0);
	for (uint32_t i = 0; i < n; i++)
		out[i] = digits[n - 1 - i];
	return n;
}

/* The same with a sign if it is negative, TEXT_I64_MAX at most. */
static inline uint32_t text_i64(char *out, int64_t v)
{
	uint64_t left = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
	char digits[TEXT_I64_MAX];
	uint32_t n = 0, at = 0;

	if (v < 0)
		out[at++] = '-';
	do
		digits[n++] = (char)('0' + left % 10);
	while ((left /= 10) != 0);
	while (n > 0)
		out[at++] = digits[--n];
	return at;
}

#endif
