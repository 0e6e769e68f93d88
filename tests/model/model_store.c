/* SPDX-License-Identifier: Apache-2.0
 * The store against a table in memory: random requests one at a time, with flushes, compactions and
 * reopens in between, and a clock that jumps. Every status, value, type, version order and scan
 * must agree. The reference is the plain reading of storage/store.h: an array, searched linearly.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/log.h"
#include "dataplane/base/rng.h"
#include "dataplane/base/time.h"
#include "tests/support/seed.h"
#include "tests/support/store_util.h"

#define KEYS   48
#define FIELDS 6
#define VAL    6000 /* above the blob size now and then */
#define STEPS  12000
#define MAX_N  6

struct ref {
	bool present;
	uint8_t type;
	uint64_t version, expire_ms, incarnation;
	uint32_t len;
	uint8_t val[VAL];
	/* members of the current incarnation */
	bool field_present[FIELDS];
	uint64_t field_version[FIELDS];
	char field_val[FIELDS][16];
};

static struct ref ref[KEYS];
static struct ref past[KEYS]; /* as of the snapshot */
static uint64_t snapshot;
static uint64_t wall_ms = 5000000, last_version;
static uint64_t step_no;
static struct rng rng;
static struct test_store t;

static void PRINTF_LIKE(2, 3) check(bool ok, const char *fmt, ...)
{
	va_list ap;

	if (ok)
		return;
	printf("step %llu: ", (unsigned long long)step_no);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n0 passed, 1 failed, 0 skipped\n");
	exit(1);
}

static uint64_t test_wall(void *ctx)
{
	(void)ctx;
	return __atomic_load_n(&wall_ms, __ATOMIC_RELAXED);
}

static uint32_t below(uint32_t n)
{
	return (uint32_t)rng_below(&rng, n);
}

/* Keys whose order differs from their number's, with shared prefixes. */
static const char *key_name(uint32_t i, char out[16])
{
	static const char *const heads[] = {"a", "ab", "ab/", "b"};

	(void)snprintf(out, 16, "%s%u", heads[i % 4], i * 7 % KEYS);
	return out;
}

static struct ref *now(uint32_t i)
{
	struct ref *r = &ref[i];

	if (r->present && r->expire_ms != 0 && r->expire_ms <= wall_ms)
		r->present = false;
	return r;
}

/* ---- single reads ---- */

static void compare_read(const struct store_item *it, const struct ref *r, const uint8_t *out)
{
	bool there = r->present && (r->expire_ms == 0 || r->expire_ms > wall_ms);

	check(it->status == (there ? 0 : -ENOENT), "get: status %d, present %d", it->status, there);
	if (!there)
		return;
	check(it->found == r->type && it->version == r->version && it->expire_ms == r->expire_ms &&
			it->value_len == r->len,
		"get: type %u/%u version %llx/%llx len %u/%u", it->found, r->type,
		(unsigned long long)it->version, (unsigned long long)r->version, it->value_len,
		r->len);
	check(memcmp(out, r->val, r->len) == 0, "get: value differs");
}

static void step_get(bool at_snapshot)
{
	static uint8_t out[MAX_N][VAL];
	struct store_item items[MAX_N];
	struct store_req *r = store_req_get(t.c);
	char name[MAX_N][16];
	uint32_t n = 1 + below(MAX_N), which[MAX_N];
	int rc;

	for (uint32_t i = 0; i < n; i++) {
		which[i] = below(KEYS);
		items[i] = (struct store_item){.out = out[i], .out_cap = VAL};
		items[i].key = str_key(NS_EVERYSEC, key_name(which[i], name[i]));
	}
	r->kind = STORE_READ;
	r->items = items;
	r->item_cnt = n;
	r->snapshot = at_snapshot ? snapshot : 0;
	rc = store_run(t.c, r);
	check(rc == (n == 1 ? items[0].status : 0), "get: request status %d", rc);
	for (uint32_t i = 0; i < n; i++)
		compare_read(&items[i], at_snapshot ? &past[which[i]] : now(which[i]), out[i]);
	store_req_put(t.c, r);
}

static void set_member(
	struct store_item *it, uint32_t key, uint32_t field, char name[16], char field_name[8])
{
	*it = (struct store_item){.type = CODEC_MEMBER};
	it->key = str_key(NS_EVERYSEC, key_name(key, name));
	it->key.space = CODEC_ITEM;
	(void)snprintf(field_name, 8, "f%u", field);
	it->key.sub = (const uint8_t *)field_name;
	it->key.sub_len = 2;
}

static void step_get_field(void)
{
	struct store_req *r = store_req_get(t.c);
	uint32_t i = below(KEYS), f = below(FIELDS);
	struct ref *k = now(i);
	char name[16], field[8];
	uint8_t out[16];
	int want = 0, rc;

	r->kind = STORE_READ;
	set_member(&r->one, i, f, name, field);
	r->one.out = out;
	r->one.out_cap = sizeof(out);
	rc = store_run(t.c, r);
	if (!k->present)
		want = -ENOENT;
	else if (k->type == CODEC_STRING)
		want = -EPROTOTYPE;
	else if (!k->field_present[f])
		want = -ENOENT;
	check(rc == want, "field: status %d, want %d", rc, want);
	if (rc == 0)
		check(r->one.version == k->field_version[f] &&
				r->one.value_len == strlen(k->field_val[f]) &&
				memcmp(out, k->field_val[f], r->one.value_len) == 0,
			"field: differs");
	store_req_put(t.c, r);
}

/* ---- writes ---- */

static uint32_t random_value(uint8_t *out)
{
	uint32_t n = below(20) == 0 ? below(VAL) : below(40);

	if (below(3) == 0)
		return (uint32_t)snprintf((char *)out, 32, "%d", (int)below(2000) - 1000);
	for (uint32_t i = 0; i < n; i++)
		out[i] = (uint8_t)rng_next(&rng);
	return n;
}

static void random_item(struct store_item *it, uint32_t key, char name[16], uint8_t *val)
{
	static const uint8_t ops[] = {STORE_PUT, STORE_PUT, STORE_PUT, STORE_PUT, STORE_DELETE,
		STORE_INCR, STORE_INCR, STORE_EXPIRE, STORE_CHECK};

	*it = (struct store_item){.type = CODEC_STRING};
	it->key = str_key(NS_EVERYSEC, key_name(key, name));
	it->op = ops[below(sizeof(ops))];
	if (it->op == STORE_PUT || it->op == STORE_EXPIRE)
		it->expire_ms = below(3) == 0 ? wall_ms + 1 + below(50000) : 0;
	if (it->op == STORE_PUT) {
		it->value = val;
		it->value_len = random_value(val);
	}
	if (below(6) == 0)
		it->flags |= STORE_IF_ABSENT;
	if (below(6) == 0)
		it->flags |= STORE_IF_PRESENT;
	if (below(6) == 0)
		it->flags |= STORE_KEEP_TTL;
	if (below(6) == 0) {
		it->flags |= STORE_IF_TYPE;
		it->if_type = below(2) == 0 ? CODEC_STRING : CODEC_HASH;
	}
	if (it->op == STORE_INCR) {
		it->delta = (int64_t)below(100) - 50;
	} else if (below(5) == 0) {
		it->flags |= STORE_IF_VERSION;
		it->if_version = below(3) == 0       ? rng_next(&rng)
				 : now(key)->present ? ref[key].version
						     : 0;
	}
}

static bool as_number(const struct ref *r, long long *v)
{
	char buf[24], back[24], *end;

	if (r->len == 0 || r->len > 20)
		return false;
	memcpy(buf, r->val, r->len);
	buf[r->len] = '\0';
	*v = strtoll(buf, &end, 10);
	(void)snprintf(back, sizeof(back), "%lld", *v);
	return *end == '\0' && strcmp(buf, back) == 0;
}

static int ref_judge(const struct store_item *it, const struct ref *r)
{
	long long v;

	if ((it->flags & STORE_IF_ABSENT) && r->present)
		return -EEXIST;
	if (!r->present && ((it->flags & STORE_IF_PRESENT) || it->op == STORE_EXPIRE))
		return -ENOENT;
	if ((it->flags & STORE_IF_VERSION) && it->if_version != (r->present ? r->version : 0))
		return -ESTALE;
	if ((it->flags & STORE_IF_TYPE) && r->present && r->type != it->if_type)
		return -EPROTOTYPE;
	if (it->op != STORE_INCR || !r->present)
		return 0;
	if (r->type != CODEC_STRING)
		return -EPROTOTYPE;
	return as_number(r, &v) ? 0 : -EBADMSG;
}

static void ref_apply(const struct store_item *it, struct ref *r)
{
	long long v = 0;

	if (it->op == STORE_CHECK)
		return;
	if (it->op == STORE_DELETE) {
		r->present = false;
		return;
	}
	if (!r->present)
		r->expire_ms = 0;
	if (it->op == STORE_EXPIRE) {
		r->expire_ms = it->expire_ms;
	} else if (it->op == STORE_INCR) {
		if (r->present)
			(void)as_number(r, &v);
		r->len = (uint32_t)snprintf((char *)r->val, 24, "%lld", v + it->delta);
		r->type = CODEC_STRING;
		check(it->number == v + it->delta, "incr: sum");
	} else {
		if (!(it->flags & STORE_KEEP_TTL))
			r->expire_ms = it->expire_ms;
		r->type = CODEC_STRING;
		r->len = it->value_len;
		memcpy(r->val, it->value, it->value_len);
	}
	r->present = true;
	r->version = it->version;
}

static void step_write(void)
{
	static uint8_t val[MAX_N][VAL];
	struct store_item items[MAX_N];
	struct store_req *r = store_req_get(t.c);
	char name[MAX_N][16];
	uint32_t n = below(3) == 0 ? 1 + below(MAX_N) : 1, which[MAX_N];
	int want = 0, rc;

	for (uint32_t i = 0; i < n; i++) {
		bool again = true;

		while (again) {
			which[i] = below(KEYS);
			again = false;
			for (uint32_t k = 0; k < i; k++)
				again |= which[k] == which[i];
		}
		random_item(&items[i], which[i], name[i], val[i]);
		if (want == 0)
			want = ref_judge(&items[i], now(which[i]));
	}
	r->kind = STORE_WRITE;
	r->items = items;
	r->item_cnt = n;
	rc = store_run(t.c, r);
	check(rc == want, "write: status %d, want %d (op %u flags %x)", rc, want, items[0].op,
		items[0].flags);
	for (uint32_t i = 0; rc == 0 && i < n; i++) {
		bool changes = items[i].op == STORE_PUT || items[i].op == STORE_INCR ||
			       items[i].op == STORE_EXPIRE;

		check(!changes || items[i].version > last_version, "write: version not above");
		ref_apply(&items[i], now(which[i]));
	}
	for (uint32_t i = 0; rc == 0 && i < n; i++)
		if (items[i].version > last_version)
			last_version = items[i].version;
	store_req_put(t.c, r);
}

/* Makes a hash of some fields, over whatever was there. */
static void step_make_hash(void)
{
	struct store_item items[1 + FIELDS];
	struct store_req *r = store_req_get(t.c);
	uint8_t meta[CODEC_META_MIN];
	char name[1 + FIELDS][16], field[FIELDS][8];
	uint32_t key = below(KEYS), n = 1;
	struct ref *k = now(key);

	k->present = true;
	k->type = CODEC_HASH;
	k->expire_ms = below(4) == 0 ? wall_ms + 1 + below(20000) : 0;
	memset(k->field_present, 0, sizeof(k->field_present));
	for (uint32_t f = 0; f < FIELDS; f++) {
		if (below(2) == 0)
			continue;
		set_member(&items[n], key, f, name[n], field[f]);
		(void)snprintf(k->field_val[f], 16, "v%u", below(100000));
		items[n].value = (const uint8_t *)k->field_val[f];
		items[n].value_len = (uint32_t)strlen(k->field_val[f]);
		k->field_present[f] = true;
		n++;
	}
	codec_meta_encode(&(struct codec_meta){0, n - 1}, meta);
	items[0] = (struct store_item){.type = CODEC_HASH,
		.value = meta,
		.value_len = sizeof(meta),
		.expire_ms = k->expire_ms};
	items[0].key = str_key(NS_EVERYSEC, key_name(key, name[0]));
	r->kind = STORE_WRITE;
	r->items = items;
	r->item_cnt = n;
	check(store_run(t.c, r) == 0, "hash: refused");
	k->version = k->incarnation = last_version = items[0].version;
	for (uint32_t f = 0; f < FIELDS; f++)
		k->field_version[f] = k->version;
	codec_meta_encode(&(struct codec_meta){k->incarnation, n - 1}, meta);
	memcpy(k->val, meta, sizeof(meta));
	k->len = sizeof(meta);
	store_req_put(t.c, r);
}

/* Changes one member of a hash that exists, guarded by the version of its KEY record. */
static void step_change_field(void)
{
	struct store_item items[2];
	struct store_req *r = store_req_get(t.c);
	uint32_t key = below(KEYS), f = below(FIELDS);
	struct ref *k = now(key);
	char name[2][16], field[8];
	bool stale = below(4) == 0, del = below(3) == 0;
	int rc;

	if (!k->present || k->type != CODEC_HASH) {
		store_req_put(t.c, r);
		return;
	}
	items[0] = (struct store_item){
		.op = STORE_CHECK, .flags = STORE_IF_VERSION, .if_version = k->version - stale};
	items[0].key = str_key(NS_EVERYSEC, key_name(key, name[0]));
	set_member(&items[1], key, f, name[1], field);
	items[1].op = del ? STORE_DELETE : STORE_PUT;
	items[1].key.incarnation = k->incarnation;
	items[1].value = (const uint8_t *)"changed";
	items[1].value_len = 7;
	r->kind = STORE_WRITE;
	r->items = items;
	r->item_cnt = 2;
	rc = store_run(t.c, r);
	check(rc == (stale ? -ESTALE : 0), "member: status %d", rc);
	if (rc == 0) {
		k->field_present[f] = !del;
		(void)snprintf(k->field_val[f], 16, "changed");
		k->field_version[f] = items[1].version;
		if (!del)
			last_version = items[1].version;
	}
	store_req_put(t.c, r);
}

/* ---- scans ---- */

static int by_name(const void *a, const void *b)
{
	char x[16], y[16];

	return strcmp(key_name(*(const uint32_t *)a, x), key_name(*(const uint32_t *)b, y));
}

static void step_scan(void)
{
	static const char *const prefixes[] = {"", "a", "ab", "ab/", "b", "zz"};
	static uint8_t out[65536] __attribute__((aligned(8)));
	const char *prefix = prefixes[below(6)];
	struct store_req *r = store_req_get(t.c);
	uint32_t want[KEYS], n = 0, at = 0;
	char name[16], last[17];

	for (uint32_t i = 0; i < KEYS; i++)
		if (now(i)->present && strncmp(key_name(i, name), prefix, strlen(prefix)) == 0)
			want[n++] = i;
	qsort(want, n, sizeof(want[0]), by_name);
	r->kind = STORE_SCAN;
	r->one.key.ns = NS_EVERYSEC;
	r->scan = (struct store_scan){.prefix = (const uint8_t *)prefix,
		.prefix_len = (uint16_t)strlen(prefix),
		.limit = 1 + below(10),
		.values = true,
		.out = out,
		.out_cap = 8192 + below(50000),
		.reverse = below(2) == 0};
	do {
		check(store_run(t.c, r) == 0, "scan: status %d", r->status);
		for (const struct store_entry *e = store_entry_first(&r->scan); e != NULL;
			e = store_entry_next(&r->scan, e)) {
			uint32_t i = at < n ? want[r->scan.reverse ? n - 1 - at : at] : 0;

			check(at++ < n, "scan: more than expected");
			key_name(i, name);
			check(e->key_len == strlen(name) &&
					memcmp(store_entry_key(e), name, e->key_len) == 0,
				"scan: key %.*s, want %s", (int)e->key_len,
				(const char *)store_entry_key(e), name);
			check(e->value_len == ref[i].len && e->version == ref[i].version &&
					e->type == ref[i].type &&
					memcmp(store_entry_value(e), ref[i].val, ref[i].len) == 0,
				"scan: record of %s", name);
			memcpy(last, store_entry_key(e), e->key_len);
			last[e->key_len] = '\0';
			if (r->scan.reverse) {
				r->scan.to = (const uint8_t *)last;
				r->scan.to_len = (uint16_t)e->key_len;
			} else {
				r->scan.from = (const uint8_t *)last;
				r->scan.from_len = (uint16_t)(e->key_len + 1);
			}
		}
	} while (!r->scan.done);
	check(at == n, "scan: %u of %u", at, n);
	store_req_put(t.c, r);
}

/* ---- the rest ---- */

static void step_snapshot(void)
{
	struct store_req *r = store_req_get(t.c);

	if (snapshot == 0) {
		for (uint32_t i = 0; i < KEYS; i++)
			(void)now(i);
		memcpy(past, ref, sizeof(past));
		r->kind = STORE_SNAP_OPEN;
		check(store_run(t.c, r) == 0, "snapshot: open");
		snapshot = r->snapshot;
	} else {
		r->kind = STORE_SNAP_CLOSE;
		r->snapshot = snapshot;
		check(store_run(t.c, r) == 0, "snapshot: close");
		snapshot = 0;
	}
	store_req_put(t.c, r);
}

static void step_clear(void)
{
	struct store_req *r = store_req_get(t.c);

	r->kind = STORE_CLEAR;
	r->one.key.ns = NS_EVERYSEC;
	check(store_run(t.c, r) == 0, "clear");
	for (uint32_t i = 0; i < KEYS; i++)
		ref[i].present = false;
	store_req_put(t.c, r);
}

static void step(void)
{
	uint32_t dice = below(1000);

	if (dice < 300)
		step_get(false);
	else if (dice < 340 && snapshot != 0)
		step_get(true);
	else if (dice < 400)
		step_get_field();
	else if (dice < 800)
		step_write();
	else if (dice < 850)
		step_make_hash();
	else if (dice < 900)
		step_change_field();
	else if (dice < 950)
		step_scan();
	else if (dice < 975)
		__atomic_fetch_add(&wall_ms, below(10000), __ATOMIC_RELAXED);
	else if (dice < 985)
		step_snapshot();
	else if (dice < 987)
		step_clear();
	else if (dice < 991)
		check(store_flush_all(t.s) == 0, "flush");
	else if (dice < 993)
		store_compact_all(t.s);
	else if (dice < 995) {
		test_store_close(&t);
		snapshot = 0;
		check(test_store_open(&t) == 0, "reopen: %s", t.err);
	}
}

int main(void)
{
	uint64_t seed = test_seed();

	rng_seed(&rng, seed);
	test_clock_init();
	log_set_level(LOG_ERROR);
	test_store_init(&t);
	t.p.wall_ms = test_wall;
	t.p.reader_cnt = 2;
	check(test_store_open(&t) == 0, "open: %s", t.err);
	for (step_no = 0; step_no < STEPS; step_no++)
		step();
	test_store_fini(&t);
	printf("1 passed, 0 failed, 0 skipped\n");
	return 0;
}
