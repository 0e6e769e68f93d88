/* SPDX-License-Identifier: Apache-2.0 */
#include "lb/l7/policy/base64.h"

static int digit(char c, bool url)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == (url ? '-' : '+'))
		return 62;
	return c == (url ? '_' : '/') ? 63 : -1;
}

int base64_decode(struct span in, bool url, void *out, uint32_t cap)
{
	uint8_t *p = out;
	uint32_t bits = 0, have = 0, n = 0;

	if (!url) {
		if (in.len % 4 != 0)
			return -1;
		for (int i = 0; i < 2 && in.len > 0 && in.at[in.len - 1] == '='; i++)
			in.len--;
	}
	if (in.len % 4 == 1)
		return -1;
	for (uint32_t i = 0; i < in.len; i++) {
		int v = digit(in.at[i], url);

		if (v < 0)
			return -1;
		bits = bits << 6 | (uint32_t)v;
		have += 6;
		if (have < 8)
			continue;
		have -= 8;
		if (n == cap)
			return -1;
		p[n++] = (uint8_t)(bits >> have);
		bits &= (1u << have) - 1;
	}
	return bits == 0 ? (int)n : -1;
}
