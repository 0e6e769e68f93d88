/* SPDX-License-Identifier: Apache-2.0
 * A star is tried with the shortest text first; on a mismatch only the last star takes one byte
 * more, which is enough: what an earlier star could gain, the later one has already. */
#include "lb/l7/resp/glob.h"

/* Does the class at pat (behind its bracket) have b? *next is behind its end. */
static bool class_has(const uint8_t *pat, size_t n, size_t at, uint8_t b, size_t *next)
{
	bool not = at < n && pat[at] == '^', has = false;

	at += not ;
	for (;; at++) {
		if (at >= n)
			break;
		if (pat[at] == '\\' && at + 1 < n) {
			at++;
			has |= pat[at] == b;
		} else if (pat[at] == ']') {
			at++;
			break;
		} else if (at + 2 < n && pat[at + 1] == '-') {
			uint8_t lo = pat[at], hi = pat[at + 2];

			if (lo > hi) {
				lo = hi;
				hi = pat[at];
			}
			at += 2;
			has |= b >= lo && b <= hi;
		} else {
			has |= pat[at] == b;
		}
	}
	*next = at;
	return has != not ;
}

/* One element that is no star against one byte. */
static bool one(const uint8_t *pat, size_t n, size_t at, uint8_t b, size_t *next)
{
	switch (pat[at]) {
	case '?':
		*next = at + 1;
		return true;
	case '[':
		return class_has(pat, n, at + 1, b, next);
	case '\\':
		if (at + 1 < n)
			at++;
		break;
	default:
		break;
	}
	*next = at + 1;
	return pat[at] == b;
}

bool glob_match(const uint8_t *pat, size_t n, const uint8_t *text, size_t len)
{
	size_t p = 0, t = 0, star = SIZE_MAX, mark = 0, next;

	while (t < len) {
		if (p < n && pat[p] == '*') {
			star = ++p;
			mark = t;
		} else if (p < n && one(pat, n, p, text[t], &next)) {
			p = next;
			t++;
		} else if (star != SIZE_MAX) {
			p = star;
			t = ++mark;
		} else {
			return false;
		}
	}
	while (p < n && pat[p] == '*')
		p++;
	return p == n;
}

size_t glob_prefix(const uint8_t *pat, size_t n, uint8_t *out)
{
	size_t k = 0;

	for (size_t i = 0; i < n; i++) {
		if (pat[i] == '*' || pat[i] == '?' || pat[i] == '[')
			break;
		if (pat[i] == '\\' && i + 1 < n)
			i++;
		out[k++] = pat[i];
	}
	return k;
}
