/* SPDX-License-Identifier: Apache-2.0
 * The memtable's writer beside readers that walk, seek and find: new keys and new versions of old
 * ones in no order, what comes fetched ahead in batches. Meant for ThreadSanitizer (edge M1); what
 * it checks itself: whoever knows that so many entries were added meets each of them exactly once,
 * forwards and backwards, in order, and an iterator that stays open meets them again. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/compiler.h"
#include "dataplane/base/rng.h"
#include "storage/memtable.h"
#include "tests/support/seed.h"

#define READERS 2
#define ROUNDS  6
#define ENTRIES 6000
#define KEYS    2000
#define BATCH   24
#define KEY_LEN 5
#define IKEY    (KEY_LEN + 8)
#define ENTRY   32 /* head, length and internal key, aligned to 8 */

_Static_assert(MEMTABLE_HEAD + 1 + IKEY <= ENTRY, "an entry has room");

static struct memtable *table;
static uint8_t *entries;
static uint32_t key_of[ENTRIES]; /* of each entry; set before the threads start */
static _Atomic uint32_t added;   /* as RocksDB publishes a sequence: after the entry */
static _Atomic uint64_t walks, fetched;

/* What the table allocates goes with it. */
static _Alignas(8) uint8_t arena[KEYS * 128];
static size_t arena_used;

static void fail(const char *what, uint32_t a, uint32_t b)
{
	printf("stress_memtable: %s: %u %u\n0 passed, 1 failed, 0 skipped\n", what, a, b);
	exit(1);
}

static void *take(void *ctx, size_t n)
{
	void *p = arena + arena_used;

	(void)ctx;
	arena_used += (n + 7) & ~(size_t)7;
	if (arena_used > sizeof(arena))
		fail("the arena is too small", (uint32_t)n, 0);
	return p;
}

static void ikey(uint32_t i, void *out)
{
	uint64_t trailer = (uint64_t)(i + 1) << 8 | 1;
	uint8_t *p = out;

	p[0] = 'k';
	store32(p + 1, key_of[i] * UINT32_C(2654435761));
	memcpy(p + KEY_LEN, &trailer, 8);
}

static uint32_t number(const char *entry)
{
	return (uint32_t)(load64(entry + 1 + KEY_LEN) >> 8) - 1;
}

/* User keys ascend, versions of one descend. */
static bool ordered(const char *a, const char *b)
{
	int c = memcmp(a + 1, b + 1, KEY_LEN);

	return c < 0 || (c == 0 && number(a) > number(b));
}

static void walk(struct memtable_iter *it, uint32_t seen, bool back)
{
	const char *last = NULL, *e;
	uint32_t cnt = 0;

	if (back)
		memtable_iter_last(it);
	else
		memtable_iter_first(it);
	while ((e = memtable_iter_entry(it)) != NULL) {
		if (last != NULL && !(back ? ordered(e, last) : ordered(last, e)))
			fail("out of order", number(last), number(e));
		cnt += number(e) < seen;
		last = e;
		if (back)
			memtable_iter_prev(it);
		else
			memtable_iter_next(it);
	}
	if (cnt != seen)
		fail(back ? "entries seen backwards" : "entries seen", cnt, seen);
}

static void find(struct memtable_iter *it, uint32_t i)
{
	char want[IKEY];

	ikey(i, want);
	memtable_iter_find(it, want, IKEY);
	if (memtable_iter_entry(it) == NULL || number(memtable_iter_entry(it)) != i)
		fail("not found", i, 0);
}

static void seek(struct memtable_iter *it, uint32_t i, bool back)
{
	char want[IKEY];

	ikey(i, want);
	if (back)
		memtable_iter_seek_prev(it, want, IKEY);
	else
		memtable_iter_seek(it, want, IKEY);
	if (memtable_iter_entry(it) == NULL || number(memtable_iter_entry(it)) != i)
		fail("not where it was sought", i, back);
}

static void *reader(void *arg)
{
	struct rng r;
	uint32_t seen;

	rng_seed(&r, (uint64_t)(uintptr_t)arg);
	do {
		struct memtable_iter open, lone;

		seen = atomic_load_explicit(&added, memory_order_acquire);
		memtable_iter_init(&open, table);
		memtable_iter_init(&lone, table);
		walk(&open, seen, false);
		for (uint32_t i = 0; seen > 0 && i < 50; i++) {
			find(&lone, (uint32_t)rng_below(&r, seen));
			seek(&open, (uint32_t)rng_below(&r, seen), i & 1);
		}
		walk(&open, seen, true);
		memtable_iter_fini(&lone);
		memtable_iter_fini(&open);
		atomic_fetch_add_explicit(&walks, 2, memory_order_relaxed);
	} while (seen < ENTRIES);
	return NULL;
}

/* As a batch of the store is written: fetched ahead, then one after the other. */
static void write_all(void)
{
	for (uint32_t i = 0; i < ENTRIES; i += BATCH) {
		struct memtable_key keys[BATCH];
		uint32_t n = ENTRIES - i < BATCH ? ENTRIES - i : BATCH;

		for (uint32_t k = 0; k < n; k++) {
			uint8_t *p = entries + (size_t)(i + k) * ENTRY;

			p[MEMTABLE_HEAD] = IKEY;
			ikey(i + k, p + MEMTABLE_HEAD + 1);
			keys[k] = (struct memtable_key){p + MEMTABLE_HEAD + 1, KEY_LEN};
		}
		memtable_prefetch(table, keys, n);
		atomic_fetch_add_explicit(&fetched, n, memory_order_relaxed);
		for (uint32_t k = 0; k < n; k++) {
			if (!memtable_add(table, entries + (size_t)(i + k) * ENTRY))
				fail("refused", i + k, 0);
			atomic_store_explicit(&added, i + k + 1, memory_order_release);
		}
	}
}

static void a_round(struct rng *r)
{
	pthread_t threads[READERS];

	for (uint32_t i = 0; i < ENTRIES; i++)
		key_of[i] = (uint32_t)rng_below(r, KEYS);
	arena_used = 0;
	atomic_store(&added, 0);
	/* Few buckets: chains are long. */
	table = memtable_create(4096, take, NULL);
	for (uint32_t i = 0; i < READERS; i++)
		if (pthread_create(&threads[i], NULL, reader, (void *)(uintptr_t)rng_next(r)) != 0)
			fail("no thread", i, 0);
	write_all();
	for (uint32_t i = 0; i < READERS; i++)
		(void)pthread_join(threads[i], NULL);
	memtable_destroy(table);
}

int main(void)
{
	struct rng r;

	entries = aligned_alloc(64, (size_t)ENTRIES * ENTRY);
	if (entries == NULL)
		return 1;
	rng_seed(&r, test_seed());
	for (uint32_t i = 0; i < ROUNDS; i++)
		a_round(&r);
	printf("%llu entries fetched ahead and written beside %llu walks\n",
		(unsigned long long)fetched, (unsigned long long)walks);
	free(entries);
	puts("1 passed, 0 failed, 0 skipped");
	return 0;
}
