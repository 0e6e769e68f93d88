/* SPDX-License-Identifier: Apache-2.0
 * Entries of one worker: a hash by name, and a list in the order of use whose end goes first. What
 * is in use goes out of both at once and is freed with its last user. */
#include "dataplane/base/hash.h"
#include "lb/l7/files/files_pvt.h"

static uint32_t hash_of(const char *name, uint32_t len)
{
	uint32_t h = 2166136261u;

	/* Names that exist are few and known; a flood of others only pushes out others. */
	for (uint32_t i = 0; i < len; i++)
		h = (h ^ (uint8_t)name[i]) * 16777619u;
	return h;
}

static struct files_cache *cache_of(struct files_root *r, uint32_t worker)
{
	return &r->caches[worker];
}

static void lru_out(struct files_cache *c, struct files_entry *e)
{
	if (e->lru_prev != NULL)
		e->lru_prev->lru_next = e->lru_next;
	else
		c->lru_first = e->lru_next;
	if (e->lru_next != NULL)
		e->lru_next->lru_prev = e->lru_prev;
	else
		c->lru_last = e->lru_prev;
}

static void lru_in(struct files_cache *c, struct files_entry *e)
{
	e->lru_prev = NULL;
	e->lru_next = c->lru_first;
	if (c->lru_first != NULL)
		c->lru_first->lru_prev = e;
	else
		c->lru_last = e;
	c->lru_first = e;
}

struct files_entry *files_cache_find(
	struct files_root *r, uint32_t worker, const char *name, uint32_t len)
{
	struct files_cache *c = cache_of(r, worker);
	uint32_t h = hash_of(name, len);
	struct files_entry *e = c->buckets[h % FILES_BUCKETS];

	while (e != NULL && (e->hash != h || e->name_len != len || memcmp(e->name, name, len) != 0))
		e = e->next;
	if (e != NULL && c->lru_first != e) {
		lru_out(c, e);
		lru_in(c, e);
	}
	return e;
}

static void bury(struct files_worker *w, struct files_entry *e)
{
	e->next = w->dead;
	w->dead = e;
}

static void take_out(struct files_worker *w, struct files_cache *c, struct files_entry *e)
{
	struct files_entry **at = &c->buckets[e->hash % FILES_BUCKETS];

	while (*at != e)
		at = &(*at)->next;
	*at = e->next;
	lru_out(c, e);
	c->bytes -= e->cost;
	c->cnt--;
	e->listed = false;
	if (e->refs == 0)
		bury(w, e);
}

void files_cache_add(struct files_worker *w, struct files_root *r, struct files_entry *e)
{
	struct files_cache *c = cache_of(r, w->idx);
	struct files_entry *old = files_cache_find(r, w->idx, e->name, e->name_len);

	if (old != NULL)
		take_out(w, c, old);
	e->hash = hash_of(e->name, e->name_len);
	e->next = c->buckets[e->hash % FILES_BUCKETS];
	c->buckets[e->hash % FILES_BUCKETS] = e;
	lru_in(c, e);
	e->listed = true;
	c->bytes += e->cost;
	c->cnt++;
	while (c->lru_last != e && (c->bytes > r->conf.cache_bytes || c->cnt > FILES_ENTRIES))
		take_out(w, c, c->lru_last);
}

void files_entry_ref(struct files_entry *e)
{
	e->refs++;
}

void files_entry_unref(struct files_worker *w, struct files_entry *e)
{
	if (--e->refs == 0 && !e->listed)
		bury(w, e);
}
