/* SPDX-License-Identifier: Apache-2.0
 * Optimal string alignment distance (Damerau-Levenshtein without repeated edits of one place),
 * three rows of the matrix at a time. Near enough is one edit in three letters, at least one. */
#include "lb/config/suggest.h"

#include <ctype.h>
#include <string.h>

#define WORD_MAX 64

static char folded(char c)
{
	return c == '-' ? '_' : (char)tolower((unsigned char)c);
}

static uint32_t min3(uint32_t a, uint32_t b, uint32_t c)
{
	uint32_t m = a < b ? a : b;

	return m < c ? m : c;
}

uint32_t suggest_distance(const char *a, const char *b)
{
	uint32_t rows[3][WORD_MAX + 1];
	uint32_t *before = rows[0], *prev = rows[1], *cur = rows[2];
	size_t la = strnlen(a, WORD_MAX + 1), lb = strnlen(b, WORD_MAX + 1);

	if (la > WORD_MAX || lb > WORD_MAX)
		return UINT32_MAX;
	for (uint32_t j = 0; j <= lb; j++)
		prev[j] = j;
	for (uint32_t i = 1; i <= la; i++) {
		uint32_t *oldest = before;

		cur[0] = i;
		for (uint32_t j = 1; j <= lb; j++) {
			char ca = folded(a[i - 1]), cb = folded(b[j - 1]);

			cur[j] = min3(prev[j] + 1, cur[j - 1] + 1, prev[j - 1] + (ca != cb));
			if (i > 1 && j > 1 && ca == folded(b[j - 2]) && folded(a[i - 2]) == cb)
				cur[j] = min3(cur[j], before[j - 2] + 1, UINT32_MAX);
		}
		before = prev;
		prev = cur;
		cur = oldest;
	}
	return prev[lb];
}

void suggest_init(struct suggest *s, const char *word)
{
	*s = (struct suggest){.word = word, .distance = UINT32_MAX};
}

void suggest_try(struct suggest *s, const char *known)
{
	uint32_t d = suggest_distance(s->word, known);
	size_t len = strlen(known);

	if (d <= (len > 3 ? len / 3 : 1) && d < len && d < s->distance) {
		s->distance = d;
		s->best = known;
	}
}
