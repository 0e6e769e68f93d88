/* SPDX-License-Identifier: Apache-2.0 */
#include "lb/l7/http/arena.h"

struct http_arena_slab {
	struct http_arena_slab *next;
	uint32_t idx;
	_Alignas(8) char bytes[];
};

void http_arena_init(struct http_arena *a, struct pool *slabs, uint32_t slab_max)
{
	*a = (struct http_arena){.slabs = slabs, .slab_max = slab_max};
}

void *http_arena_alloc_slow(struct http_arena *a, uint32_t len)
{
	struct http_arena_slab *s;
	uint32_t idx;

	if (len > HTTP_ARENA_SLAB - sizeof(*s) || a->slab_cnt == a->slab_max)
		return NULL;
	idx = pool_get(a->slabs);
	if (idx == POOL_NONE)
		return NULL;
	s = pool_at(a->slabs, idx);
	s->next = a->head;
	s->idx = idx;
	a->head = s;
	a->slab_cnt++;
	a->at = s->bytes + len;
	a->end = (char *)s + HTTP_ARENA_SLAB;
	return s->bytes;
}

void http_arena_reset(struct http_arena *a)
{
	while (a->head != NULL) {
		struct http_arena_slab *s = a->head;

		a->head = s->next;
		pool_put(a->slabs, s->idx);
	}
	a->at = a->end = NULL;
	a->slab_cnt = 0;
}
