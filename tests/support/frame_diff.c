/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/frame_diff.h"

#include <string.h>

#define ROW 16u

static uint32_t row_len(const struct frame *f, uint32_t off)
{
	if (f == NULL || off >= f->len)
		return 0;
	return f->len - off < ROW ? f->len - off : ROW;
}

static void row_print(FILE *out, char mark, const struct frame *f, uint32_t off)
{
	fprintf(out, "    %c %04x ", mark, off);
	for (uint32_t i = 0; i < row_len(f, off); i++)
		fprintf(out, " %02x", f->data[off + i]);
	fputc('\n', out);
}

static bool byte_differs(
	const struct frame *want, const struct frame *got, uint32_t off, uint32_t i)
{
	bool a = i < row_len(want, off), b = i < row_len(got, off);

	return a != b || (a && want->data[off + i] != got->data[off + i]);
}

void frame_diff(FILE *out, const struct frame *want, const struct frame *got)
{
	uint32_t a = want != NULL ? want->len : 0, b = got != NULL ? got->len : 0;

	for (uint32_t off = 0; off < (a > b ? a : b); off += ROW) {
		char marks[3 * ROW + 1];
		bool differs = false;

		memset(marks, ' ', sizeof(marks));
		marks[3 * ROW] = 0;
		for (uint32_t i = 0; i < ROW; i++)
			if (byte_differs(want, got, off, i)) {
				marks[3 * i + 1] = marks[3 * i + 2] = '^';
				differs = true;
			}
		if (!differs) {
			row_print(out, ' ', want, off);
			continue;
		}
		if (row_len(want, off) > 0)
			row_print(out, '-', want, off);
		if (row_len(got, off) > 0)
			row_print(out, '+', got, off);
		if (row_len(want, off) > 0 && row_len(got, off) > 0)
			fprintf(out, "           %s\n", marks);
	}
}
