/* SPDX-License-Identifier: Apache-2.0
 * Open addressing with linear probing; a removal moves later members of the same run back. */
#include "lb/l4/idmap.h"

#include <errno.h>
#include <stdlib.h>

#define FIRST_SIZE 64

static struct idmap_slot *slots_create(uint32_t cnt)
{
	struct idmap_slot *s = malloc(cnt * sizeof(*s));

	for (uint32_t i = 0; s != NULL && i < cnt; i++)
		s[i].id = IDMAP_NONE;
	return s;
}

int idmap_init(struct idmap *m)
{
	mix_key_init(&m->key);
	m->used = 0;
	m->mask = FIRST_SIZE - 1;
	m->slots = slots_create(FIRST_SIZE);
	return m->slots == NULL ? -ENOMEM : 0;
}

void idmap_fini(struct idmap *m)
{
	free(m->slots);
	m->slots = NULL;
}

void idmap_clear(struct idmap *m)
{
	for (uint32_t i = 0; i <= m->mask; i++)
		m->slots[i].id = IDMAP_NONE;
	m->used = 0;
}

static uint32_t home(const struct idmap *m, const struct ip_addr *addr, uint64_t extra)
{
	uint64_t h = mix_hash5(&m->key, addr->d[0], addr->d[1], extra, 0, 0);

	return (uint32_t)(h >> 32) & m->mask;
}

/* Where the key stands or would stand. */
static uint32_t find(const struct idmap *m, const struct ip_addr *addr, uint64_t extra)
{
	uint32_t i = home(m, addr, extra);

	while (m->slots[i].id != IDMAP_NONE &&
		!(ip_addr_eq(&m->slots[i].addr, addr) && m->slots[i].extra == extra))
		i = (i + 1) & m->mask;
	return i;
}

uint32_t idmap_get(const struct idmap *m, const struct ip_addr *addr, uint64_t extra)
{
	return m->slots[find(m, addr, extra)].id;
}

static int grow(struct idmap *m)
{
	struct idmap_slot *old = m->slots, *fresh = slots_create(2 * (m->mask + 1));
	uint32_t old_mask = m->mask;

	if (fresh == NULL)
		return -ENOMEM;
	m->slots = fresh;
	m->mask = 2 * old_mask + 1;
	for (uint32_t i = 0; i <= old_mask; i++)
		if (old[i].id != IDMAP_NONE)
			fresh[find(m, &old[i].addr, old[i].extra)] = old[i];
	free(old);
	return 0;
}

int idmap_set(struct idmap *m, const struct ip_addr *addr, uint64_t extra, uint32_t id)
{
	uint32_t i;

	if (2 * (m->used + 1) > m->mask + 1 && grow(m) != 0)
		return -ENOMEM;
	i = find(m, addr, extra);
	m->used += m->slots[i].id == IDMAP_NONE;
	m->slots[i] = (struct idmap_slot){.addr = *addr, .extra = extra, .id = id};
	return 0;
}

void idmap_remove(struct idmap *m, const struct ip_addr *addr, uint64_t extra)
{
	uint32_t hole = find(m, addr, extra);

	if (m->slots[hole].id == IDMAP_NONE)
		return;
	m->used--;
	for (uint32_t i = (hole + 1) & m->mask; m->slots[i].id != IDMAP_NONE;
		i = (i + 1) & m->mask) {
		uint32_t h = home(m, &m->slots[i].addr, m->slots[i].extra);

		/* Move it if its home does not lie between the hole and itself. */
		if (((i - h) & m->mask) >= ((i - hole) & m->mask)) {
			m->slots[hole] = m->slots[i];
			hole = i;
		}
	}
	m->slots[hole].id = IDMAP_NONE;
}
