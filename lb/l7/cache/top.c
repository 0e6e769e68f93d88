/* SPDX-License-Identifier: Apache-2.0
 * An object that is not in the sketch takes the place of one with the least hits, and starts with
 * its count (that is its error). Counts only grow between two halvings, and so does their least:
 * a cursor looks for a slot that has it, and raises it after a round without one.
 *
 * Readers copy a slot between two looks at `version`; a copy during a change is thrown away and
 * made again. Hits and bytes may be of slightly different moments. */
#include "lb/l7/cache/top.h"

#include <stdlib.h>

#define READ_TRIES 64

static uint64_t get(const _Atomic uint64_t *v)
{
	return atomic_load_explicit(v, memory_order_relaxed);
}

/* The words of a slot that is given anew lie between two versions: releasing stores keep them
 * behind the odd one, acquiring loads before the one that is looked at last. Instead of fences,
 * which ThreadSanitizer does not know. */
static uint64_t get_word(const _Atomic uint64_t *v)
{
	return atomic_load_explicit(v, memory_order_acquire); /* TP */
}

static void set_word(_Atomic uint64_t *v, uint64_t n)
{
	atomic_store_explicit(v, n, memory_order_release); /* TP */
}

static void set(_Atomic uint64_t *v, uint64_t n)
{
	atomic_store_explicit(v, n, memory_order_relaxed);
}

/* ---- the table ---- */

static uint32_t place_of(uint64_t hash)
{
	return (uint32_t)(hash >> 32) & (TOP_TABLE - 1);
}

static uint32_t next_of(uint32_t at)
{
	return (at + 1) & (TOP_TABLE - 1);
}

/* The place where the object stands, or would. */
static uint32_t find(const struct top *t, uint64_t hash)
{
	uint32_t at = place_of(hash);

	while (t->table[at] != 0 && get(&t->slot[t->table[at] - 1].hash) != hash)
		at = next_of(at);
	return at;
}

/* What stands behind a place that becomes free moves up, where it may. */
static void take_out(struct top *t, uint32_t at)
{
	uint32_t hole = at;

	for (at = next_of(at); t->table[at] != 0; at = next_of(at)) {
		uint32_t home = place_of(get(&t->slot[t->table[at] - 1].hash));

		if (((at - home) & (TOP_TABLE - 1)) < ((at - hole) & (TOP_TABLE - 1)))
			continue;
		t->table[hole] = t->table[at];
		hole = at;
	}
	t->table[hole] = 0;
}

/* ---- slots ---- */

static uint32_t least(struct top *t)
{
	for (uint32_t looked = 0;; looked++) {
		uint32_t i = t->cursor;

		if (looked == TOP_SLOTS) {
			looked = 0;
			t->min++;
		}
		t->cursor = i + 1 < TOP_SLOTS ? i + 1 : 0;
		if (get(&t->slot[i].hits) <= t->min)
			return i;
	}
}

static uint32_t put(char *out, uint32_t at, struct span s)
{
	uint32_t n = s.len < TOP_NAME_MAX - at ? s.len : TOP_NAME_MAX - at;

	if (n > 0)
		memcpy(out + at, s.at, n);
	return at + n;
}

static void give(struct top *t, uint32_t i, uint64_t hash, struct span host, struct span path,
	struct span query)
{
	uint32_t v = atomic_load_explicit(&t->version, memory_order_relaxed), n = 0;
	struct top_slot *s = &t->slot[i];
	_Alignas(8) char name[TOP_NAME_MAX] = "";

	n = put(name, n, host);
	n = put(name, n, path);
	if (query.len > 0) {
		n = put(name, n, SPAN("?"));
		(void)put(name, n, query);
	}
	atomic_store_explicit(&t->version, v + 1, memory_order_relaxed);
	set_word(&s->hash, hash);
	set_word(&s->error, get(&s->hits));
	set_word(&s->bytes, 0);
	for (uint32_t w = 0; w < TOP_NAME_MAX / 8; w++) {
		uint64_t word;

		memcpy(&word, name + 8 * w, 8);
		set_word(&s->name[w], word);
	}
	atomic_store_explicit(&t->version, v + 2, memory_order_release); /* TP */
}

static void halve(struct top *t, uint64_t now_ns)
{
	if (t->halve_ns == 0 || now_ns < t->halve_ns) {
		if (t->halve_ns == 0)
			t->halve_ns = now_ns + TOP_HALVE_NS;
		return;
	}
	t->halve_ns = now_ns + TOP_HALVE_NS;
	t->min /= 2;
	for (uint32_t i = 0; i < TOP_SLOTS; i++) {
		struct top_slot *s = &t->slot[i];

		set(&s->hits, get(&s->hits) / 2);
		set(&s->bytes, get(&s->bytes) / 2);
		set(&s->error, get(&s->error) / 2);
	}
}

void top_add(struct top *t, uint64_t hash, uint64_t bytes, struct span host, struct span path,
	struct span query, uint64_t now_ns)
{
	uint32_t at = find(t, hash), i, cnt;
	struct top_slot *s;

	if (unlikely(now_ns >= t->halve_ns))
		halve(t, now_ns);
	if (t->table[at] != 0) {
		i = t->table[at] - 1u;
	} else {
		cnt = atomic_load_explicit(&t->cnt, memory_order_relaxed);
		i = cnt < TOP_SLOTS ? cnt : least(t);
		if (cnt == TOP_SLOTS) {
			take_out(t, find(t, get(&t->slot[i].hash)));
			at = find(t, hash); /* it may have moved up */
		}
		give(t, i, hash, host, path, query);
		t->table[at] = (uint8_t)(i + 1);
		if (cnt < TOP_SLOTS)
			atomic_store_explicit(&t->cnt, cnt + 1, memory_order_release);
	}
	s = &t->slot[i];
	set(&s->hits, get(&s->hits) + 1);
	set(&s->bytes, get(&s->bytes) + bytes);
}

/* ---- reading ---- */

static bool copy_slot(const struct top *t, uint32_t i, struct top_row *r)
{
	const struct top_slot *s = &t->slot[i];

	for (uint32_t try = 0; try < READ_TRIES; try++) {
		uint32_t v = atomic_load_explicit(&t->version, memory_order_acquire); /* TP */

		r->hash = get_word(&s->hash);
		r->hits = get_word(&s->hits);
		r->bytes = get_word(&s->bytes);
		r->error = get_word(&s->error);
		for (uint32_t w = 0; w < TOP_NAME_MAX / 8; w++) {
			uint64_t word = get_word(&s->name[w]);

			memcpy(r->name + 8 * w, &word, 8);
		}
		r->name[TOP_NAME_MAX] = '\0';
		if ((v & 1) == 0 && atomic_load_explicit(&t->version, memory_order_relaxed) == v)
			return true;
	}
	return false;
}

static void merge(struct top_row *rows, uint32_t *cnt, uint32_t cap, const struct top_row *r)
{
	for (uint32_t i = 0; i < *cnt; i++) {
		if (rows[i].hash != r->hash)
			continue;
		rows[i].hits += r->hits;
		rows[i].bytes += r->bytes;
		rows[i].error += r->error;
		return;
	}
	if (*cnt < cap)
		rows[(*cnt)++] = *r;
}

uint32_t top_read(const struct top *t, struct top_row *rows, uint32_t cnt, uint32_t cap)
{
	uint32_t have = atomic_load_explicit(&t->cnt, memory_order_acquire);
	struct top_row r;

	for (uint32_t i = 0; i < have; i++)
		if (copy_slot(t, i, &r) && r.hits > 0)
			merge(rows, &cnt, cap, &r);
	return cnt;
}

static int compare(uint64_t a, uint64_t b)
{
	return a < b ? 1 : a > b ? -1 : 0;
}

static int more_hits(const void *a, const void *b)
{
	const struct top_row *x = a, *y = b;

	return x->hits != y->hits ? compare(x->hits, y->hits) : strcmp(x->name, y->name);
}

static int more_bytes(const void *a, const void *b)
{
	const struct top_row *x = a, *y = b;

	return x->bytes != y->bytes ? compare(x->bytes, y->bytes) : strcmp(x->name, y->name);
}

void top_sort(struct top_row *rows, uint32_t cnt, bool by_bytes)
{
	qsort(rows, cnt, sizeof(*rows), by_bytes ? more_bytes : more_hits);
}
