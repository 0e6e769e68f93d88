/* SPDX-License-Identifier: Apache-2.0
 * Prefixes become ranges of 128-bit numbers, are sorted and merged; membership is then one binary
 * search for the last range that starts at or below the address. */
#include "lb/l4/prefix_set.h"

#include <errno.h>
#include <stdlib.h>

typedef unsigned __int128 u128;

struct range {
	u128 lo, hi;
};

struct prefix_set {
	uint32_t cnt;
	u128 *hi;
	u128 lo[];
};

static u128 number(const struct ip_addr *a)
{
	return (u128)__builtin_bswap64(a->d[0]) << 64 | __builtin_bswap64(a->d[1]);
}

static struct range range_of(const struct ip_prefix *p)
{
	u128 host = p->len >= 128 ? 0 : ~(u128)0 >> p->len;
	u128 n = number(&p->addr);

	return (struct range){.lo = n & ~host, .hi = n | host};
}

static int by_lo(const void *pa, const void *pb)
{
	const struct range *a = pa, *b = pb;

	return a->lo < b->lo ? -1 : a->lo > b->lo;
}

/* Join ranges that overlap or touch; returns how many are left. */
static uint32_t merge(struct range *r, uint32_t cnt)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < cnt; i++) {
		if (n > 0 && (r[i].lo <= r[n - 1].hi || r[i].lo == r[n - 1].hi + 1)) {
			if (r[i].hi > r[n - 1].hi)
				r[n - 1].hi = r[i].hi;
			continue;
		}
		r[n++] = r[i];
	}
	return n;
}

int prefix_set_create(const struct ip_prefix *prefixes, uint32_t cnt, struct prefix_set **out)
{
	struct prefix_set *s = NULL;
	struct range *r;

	*out = NULL;
	if (cnt == 0)
		return 0;
	r = malloc(cnt * sizeof(*r));
	if (r == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < cnt; i++)
		r[i] = range_of(&prefixes[i]);
	qsort(r, cnt, sizeof(*r), by_lo);
	cnt = merge(r, cnt);
	s = aligned_alloc(CACHE_LINE, ROUND_UP(sizeof(*s) + 2 * cnt * sizeof(u128), CACHE_LINE));
	if (s != NULL) {
		s->cnt = cnt;
		s->hi = s->lo + cnt;
		for (uint32_t i = 0; i < cnt; i++) {
			s->lo[i] = r[i].lo;
			s->hi[i] = r[i].hi;
		}
	}
	free(r);
	*out = s;
	return s == NULL ? -ENOMEM : 0;
}

void prefix_set_destroy(struct prefix_set *s)
{
	free(s);
}

bool prefix_set_has(const struct prefix_set *s, const struct ip_addr *a)
{
	uint32_t first = 0, left;
	u128 n;

	if (s == NULL)
		return false;
	n = number(a);
	left = s->cnt;
	while (left > 1) {
		uint32_t half = left / 2;

		first += s->lo[first + half] <= n ? half : 0;
		left -= half;
	}
	return s->lo[first] <= n && n <= s->hi[first];
}

bool prefix_set_equal(const struct prefix_set *a, const struct prefix_set *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	return a->cnt == b->cnt && memcmp(a->lo, b->lo, 2 * a->cnt * sizeof(u128)) == 0;
}
