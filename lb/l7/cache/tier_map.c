/* SPDX-License-Identifier: Apache-2.0
 * Words of a line are changed by CAS alone. A key that was put leaves its line with its generation,
 * or by a put that finds the line full, or by being removed: then its record stays on disk unseen,
 * until its generation goes. A fingerprint that two keys share sends one of them to the disk for
 * nothing, or makes the tier forget it. */
#include <errno.h>
#include <stdlib.h>

#include "lb/l7/cache/tier_pvt.h"

#define SLOT_BITS 3
#define FP_BITS   (16 - SLOT_BITS)
#define LOAD      20 /* mean words of a line that are used */

_Static_assert(TIER_GENS == 1u << SLOT_BITS, "a slot has so many bits");

int tier_map_init(struct tier_map *m, uint64_t entries)
{
	uint64_t cnt = entries / LOAD + 64;

	m->cnt = cnt < UINT32_MAX ? (uint32_t)cnt : UINT32_MAX;
	m->lines = aligned_alloc(64, m->cnt * sizeof(m->lines[0]));
	if (m->lines == NULL)
		return -ENOMEM;
	memset(m->lines, 0, m->cnt * sizeof(m->lines[0]));
	return 0;
}

void tier_map_fini(struct tier_map *m)
{
	free(m->lines);
	m->lines = NULL;
}

static struct map_line *line_of(const struct tier_map *m, uint64_t hash)
{
	return &m->lines[((hash >> 32) * m->cnt) >> 32];
}

static uint16_t print_of(uint64_t hash)
{
	uint16_t fp = hash & ((1u << FP_BITS) - 1);

	return (uint16_t)((fp != 0 ? fp : 1) << SLOT_BITS);
}

/* The word with this fingerprint; MAP_WORDS: none. */
static uint32_t find(struct map_line *l, uint16_t print, uint16_t *word)
{
	for (uint32_t i = 0; i < MAP_WORDS; i++) {
		*word = atomic_load_explicit(&l->at[i], memory_order_acquire);
		if ((*word & ~(TIER_GENS - 1u)) == print)
			return i;
	}
	return MAP_WORDS;
}

static bool change(struct map_line *l, uint32_t i, uint16_t from, uint16_t to)
{
	return atomic_compare_exchange_strong_explicit(
		&l->at[i], &from, to, memory_order_acq_rel, memory_order_relaxed);
}

static bool put(struct map_line *l, uint16_t print, uint16_t word, uint32_t victim)
{
	uint16_t old;
	uint32_t i = find(l, print, &old);

	if (i < MAP_WORDS)
		return old == word || change(l, i, old, word);
	for (i = 0; i < MAP_WORDS; i++)
		if (atomic_load_explicit(&l->at[i], memory_order_relaxed) == 0)
			return change(l, i, 0, word);
	old = atomic_load_explicit(&l->at[victim], memory_order_relaxed);
	return change(l, victim, old, word);
}

void tier_map_put(struct tier_map *m, uint64_t hash, uint32_t slot)
{
	uint16_t print = print_of(hash);
	uint32_t victim = (uint32_t)(hash >> FP_BITS) % MAP_WORDS;

	while (!put(line_of(m, hash), print, (uint16_t)(print | slot), victim))
		;
}

int tier_map_get(const struct tier_map *m, uint64_t hash)
{
	uint16_t word;

	return find(line_of(m, hash), print_of(hash), &word) < MAP_WORDS
		       ? (int)(word & (TIER_GENS - 1u))
		       : -1;
}

void tier_map_remove(struct tier_map *m, uint64_t hash)
{
	struct map_line *l = line_of(m, hash);
	uint16_t word;
	uint32_t i = find(l, print_of(hash), &word);

	if (i < MAP_WORDS)
		(void)change(l, i, word, 0);
}

uint32_t tier_map_drop(struct tier_map *m, uint32_t slot, uint32_t from, uint32_t lines)
{
	uint32_t end = lines < m->cnt - from ? from + lines : m->cnt;

	for (; from < end; from++)
		for (uint32_t i = 0; i < MAP_WORDS; i++) {
			uint16_t word =
				atomic_load_explicit(&m->lines[from].at[i], memory_order_relaxed);

			if (word != 0 && (word & (TIER_GENS - 1u)) == slot)
				(void)change(&m->lines[from], i, word, 0);
		}
	return end < m->cnt ? end : 0;
}

bool tier_map_seen(struct tier_map *m, uint64_t hash)
{
	uint32_t more = (uint32_t)(hash >> FP_BITS) % TIER_GENS; /* in the place of a slot */

	if (tier_map_get(m, hash) == (int)more)
		return true;
	tier_map_put(m, hash, more);
	return false;
}
