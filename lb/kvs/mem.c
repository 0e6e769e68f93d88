/* SPDX-License-Identifier: Apache-2.0
 * A block of order o has 2^(MEM_MIN_SHIFT + o) bytes. Its buddy's address differs in that bit
 * alone, so a block that is given back merges upwards as long as its buddy is free and of the same
 * order. The smallest orders, of which nearly all requests live, are kept on a stack instead. */
#include "lb/kvs/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "dataplane/base/assert.h"

#define FREE_MARK 0x80

static uint64_t block_bytes(uint32_t order)
{
	return UINT64_C(1) << (MEM_MIN_SHIFT + order);
}

static uint64_t idx_of(const struct mem *m, const void *p)
{
	return (uint64_t)((const uint8_t *)p - m->base) >> MEM_MIN_SHIFT;
}

static void link_free(struct mem *m, void *p, uint32_t order)
{
	struct mem_free *f = p, *head = &m->free[order];

	f->next = head->next;
	f->prev = head;
	head->next->prev = f;
	head->next = f;
	m->map[idx_of(m, p)] = (uint8_t)(FREE_MARK | order);
}

static void unlink_free(struct mem *m, struct mem_free *f)
{
	f->prev->next = f->next;
	f->next->prev = f->prev;
	m->map[idx_of(m, f)] = 0;
}

int mem_init(struct mem *m, uint64_t bytes)
{
	uint32_t order = 0;
	uint64_t slack;
	uint8_t *p;

	memset(m, 0, sizeof(*m));
	while (block_bytes(order) < bytes)
		order++;
	ASSERT(order < MEM_ORDERS);
	m->bytes = block_bytes(order);
	m->orders = order + 1;
	/* Twice as much address space, so that the block can be aligned to its size. */
	p = mmap(NULL, 2 * m->bytes, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return -ENOMEM;
	slack = (m->bytes - ((uintptr_t)p & (m->bytes - 1))) & (m->bytes - 1);
	if (slack > 0)
		(void)munmap(p, slack);
	m->base = p + slack;
	if (m->bytes - slack > 0)
		(void)munmap(m->base + m->bytes, m->bytes - slack);
	m->map = calloc(m->bytes >> MEM_MIN_SHIFT, 1);
	if (m->map == NULL) {
		mem_fini(m);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < MEM_ORDERS; i++)
		m->free[i].next = m->free[i].prev = &m->free[i];
	link_free(m, m->base, order);
	return 0;
}

void mem_fini(struct mem *m)
{
	if (m->base != NULL)
		(void)munmap(m->base, m->bytes);
	free(m->map);
	memset(m, 0, sizeof(*m));
}

static void *split_down(struct mem *m, uint32_t order)
{
	uint32_t o = order;
	struct mem_free *f;

	while (o < m->orders && m->free[o].next == &m->free[o])
		o++;
	if (o >= m->orders)
		return NULL;
	f = m->free[o].next;
	unlink_free(m, f);
	while (o > order) {
		o--;
		link_free(m, (uint8_t *)f + block_bytes(o), o);
	}
	return f;
}

void *mem_get(struct mem *m, uint64_t n, uint64_t *cap)
{
	uint32_t order =
		n <= block_bytes(0) ? 0 : (uint32_t)(64 - __builtin_clzll(n - 1)) - MEM_MIN_SHIFT;
	void *p;

	if (unlikely(n > m->bytes))
		return NULL;
	*cap = block_bytes(order);
	if (order < MEM_KEEP_MAX && m->keep[order] != NULL) {
		p = m->keep[order];
		m->keep[order] = m->keep[order]->next;
		m->keep_cnt[order]--;
	} else {
		p = split_down(m, order);
		if (unlikely(p == NULL))
			return NULL;
		m->map[idx_of(m, p)] = (uint8_t)(order + 1);
	}
	m->used += *cap;
	return p;
}

void mem_put(struct mem *m, void *p)
{
	uint32_t order = m->map[idx_of(m, p)] - 1u;

	ASSERT_DBG(order < m->orders);
	m->used -= block_bytes(order);
	if (order < MEM_KEEP_MAX && m->keep_cnt[order] < MEM_KEEP) {
		struct mem_free *f = p;

		f->next = m->keep[order];
		m->keep[order] = f;
		m->keep_cnt[order]++;
		return;
	}
	m->map[idx_of(m, p)] = 0;
	while (order + 1 < m->orders) {
		uint8_t *buddy =
			m->base + ((uint64_t)((uint8_t *)p - m->base) ^ block_bytes(order));

		if (m->map[idx_of(m, buddy)] != (FREE_MARK | order))
			break;
		unlink_free(m, (struct mem_free *)(void *)buddy);
		if (buddy < (uint8_t *)p)
			p = buddy;
		order++;
	}
	link_free(m, p, order);
}

/* ---- arenas ---- */

#define PART_BYTES 2048

void mem_arena_init(struct mem_arena *a, struct mem *m)
{
	a->m = m;
	a->parts = NULL;
	a->at = a->end = NULL;
}

void mem_arena_fini(struct mem_arena *a)
{
	struct arena_part *p = a->parts;

	a->parts = NULL;
	a->at = a->end = NULL;
	while (p != NULL) {
		struct arena_part *next = p->next;

		mem_put(a->m, p);
		p = next;
	}
}

void *mem_arena_slow(struct mem_arena *a, uint64_t n)
{
	uint64_t want = n + sizeof(struct arena_part), cap;
	struct arena_part *p;
	uint8_t *mem;

	/* Later parts are larger, so that many small pieces take few of them. */
	if (a->parts != NULL && want < 2 * a->parts->cap && a->parts->cap < 65536)
		want = 2 * a->parts->cap;
	p = mem_get(a->m, want < PART_BYTES ? PART_BYTES : want, &cap);
	if (p == NULL)
		return NULL;
	p->cap = cap;
	p->next = a->parts;
	a->parts = p;
	mem = (uint8_t *)(p + 1);
	a->at = mem + n;
	a->end = (uint8_t *)p + cap;
	return mem;
}

void mem_arena_reset(struct mem_arena *a, struct mem_mark mark)
{
	while (a->parts != mark.part) {
		struct arena_part *p = a->parts;

		a->parts = p->next;
		mem_put(a->m, p);
	}
	a->at = mark.at;
	a->end = mark.end;
}
