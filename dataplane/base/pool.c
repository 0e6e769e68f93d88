/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/base/pool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "dataplane/base/assert.h"

/* Anonymous pages: zeroed, 4 KiB aligned, and large ones become huge pages where the kernel can. */
static void *map_pages(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	(void)madvise(p, bytes, MADV_HUGEPAGE);
	return p;
}

int pool_init(struct pool *p, uint32_t elt_size, uint32_t align, uint32_t capacity)
{
	ASSERT(elt_size > 0 && capacity > 0 && capacity < POOL_NONE);
	ASSERT(align > 0 && align <= 4096 && elt_size % align == 0);
	p->mem = map_pages((size_t)elt_size * capacity);
	p->next = map_pages((size_t)capacity * sizeof(p->next[0]));
	p->elt_size = elt_size;
	p->capacity = capacity;
	p->used = 0;
	p->free_head = 0;
	p->used_high = 0;
	if (p->mem == NULL || p->next == NULL) {
		pool_fini(p);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < capacity; i++)
		p->next[i] = i + 1 < capacity ? i + 1 : POOL_NONE;
	return 0;
}

void pool_warm(const struct pool *p, uint32_t elements)
{
	uint32_t n = elements < p->capacity ? elements : p->capacity;

	/* A kernel that does not know how (before 5.14) gives it at the first use, as ever. */
	(void)madvise(p->mem, (size_t)n * p->elt_size, MADV_POPULATE_WRITE);
}

void pool_fini(struct pool *p)
{
	if (p->mem != NULL)
		munmap(p->mem, (size_t)p->elt_size * p->capacity);
	if (p->next != NULL)
		munmap(p->next, (size_t)p->capacity * sizeof(p->next[0]));
	memset(p, 0, sizeof(*p));
	p->free_head = POOL_NONE;
}
