/* SPDX-License-Identifier: Apache-2.0
 * Bump allocation from chunks; a piece larger than a quarter of a chunk gets a chunk of its own
 * behind the current one, so that the rest of the current one is not lost. */
#include "lb/config/arena.h"

#include <stdlib.h>
#include <string.h>

#define CHUNK_BYTES ((size_t)64 << 10)

struct arena_chunk {
	struct arena_chunk *next;
	size_t used, size;
	alignas(max_align_t) unsigned char bytes[];
};

uint32_t arena_fail_at;

void arena_init(struct arena *a)
{
	*a = (struct arena){0};
}

void arena_fini(struct arena *a)
{
	struct arena_chunk *c = a->chunks;

	while (c) {
		struct arena_chunk *next = c->next;

		free(c);
		c = next;
	}
	*a = (struct arena){0};
}

static struct arena_chunk *chunk_new(struct arena *a, size_t size)
{
	struct arena_chunk *c = calloc(1, sizeof(*c) + size);

	if (!c)
		return NULL;
	c->size = size;
	if (a->chunks && size != CHUNK_BYTES) {
		c->next = a->chunks->next;
		a->chunks->next = c;
	} else {
		c->next = a->chunks;
		a->chunks = c;
	}
	return c;
}

void *arena_alloc(struct arena *a, size_t size)
{
	struct arena_chunk *c = a->chunks;
	void *p;

	if (size > SIZE_MAX / 2 || (arena_fail_at && ++a->allocs >= arena_fail_at)) {
		a->failed = true;
		return NULL;
	}
	size = ROUND_UP(size ? size : 1, alignof(max_align_t));
	if (!c || c->size - c->used < size)
		c = chunk_new(a, size > CHUNK_BYTES / 4 ? size : CHUNK_BYTES);
	if (!c) {
		a->failed = true;
		return NULL;
	}
	p = c->bytes + c->used;
	c->used += size;
	a->used_bytes += size;
	return p;
}

void *arena_array(struct arena *a, size_t cnt, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(cnt, size, &bytes)) {
		a->failed = true;
		return NULL;
	}
	return arena_alloc(a, bytes);
}

char *arena_text(struct arena *a, const char *text, size_t len)
{
	char *p;

	/* No text is that long; the compiler needs to be told. */
	if (len == SIZE_MAX) {
		a->failed = true;
		return NULL;
	}
	p = arena_alloc(a, len + 1);
	if (p)
		memcpy(p, text, len);
	return p;
}
