/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/store_util.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "dataplane/base/time.h"

static const struct store_ns_params namespaces[] = {
	{"always", STORE_ALWAYS}, {"everysec", STORE_EVERYSEC}, {"volatile", STORE_VOLATILE}};

void test_clock_init(void)
{
	struct timespec a, b, pause = {0, 5000000};
	uint64_t t0, t1, ns;

	(void)clock_gettime(CLOCK_MONOTONIC, &a);
	t0 = clock_tsc();
	(void)nanosleep(&pause, NULL);
	(void)clock_gettime(CLOCK_MONOTONIC, &b);
	t1 = clock_tsc();
	ns = (uint64_t)(b.tv_sec - a.tv_sec) * NS_PER_SEC + (uint64_t)b.tv_nsec -
	     (uint64_t)a.tv_nsec;
	clock_calibrate((t1 - t0) * NS_PER_SEC / ns);
}

void test_store_init(struct test_store *t)
{
	memset(t, 0, sizeof(*t));
	tmpdir_make(t->dir);
	store_params_init(&t->p);
	t->p.dir = t->dir;
	t->p.reader_cnt = 1;
	t->p.ns = namespaces;
	t->p.ns_cnt = NS_TEST_CNT;
	t->p.block_cache_bytes = 1 << 20;
	t->p.memtable_bytes = 1 << 20;
	t->p.target_file_bytes = 4 << 20;
	t->p.blob_min_bytes = 4096;
	t->p.blob_file_bytes = 1 << 20;
	t->p.low_space_bytes = 1 << 20;
	t->p.ballast_bytes = 0;
	t->p.background_threads = 1;
}

int test_store_open(struct test_store *t)
{
	int rc = store_open(&t->p, &t->s, t->err, sizeof(t->err));

	if (rc == 0)
		t->c = store_client(t->s, 0);
	return rc;
}

void test_store_close(struct test_store *t)
{
	store_close(t->s);
	t->s = NULL;
	t->c = NULL;
}

void test_store_fini(struct test_store *t)
{
	test_store_close(t);
	tmpdir_remove(t->dir);
}

int store_run(struct store_client *c, struct store_req *r)
{
	struct store_req *back = NULL;
	int rc = store_submit(c, r, clock_now_ns());

	if (rc != 0)
		return rc;
	store_flush(c);
	while (store_poll(c, &back, 1) == 0)
		sched_yield();
	if (back != r) {
		fprintf(stderr, "store_run: another request came back\n");
		abort();
	}
	return r->status;
}

int store_put_str(struct store_client *c, uint8_t ns, const char *key, const char *val)
{
	struct store_req *r = store_req_get(c);
	int rc;

	r->kind = STORE_WRITE;
	r->one.key = str_key(ns, key);
	r->one.op = STORE_PUT;
	r->one.type = CODEC_STRING;
	r->one.value = (const uint8_t *)val;
	r->one.value_len = (uint32_t)strlen(val);
	rc = store_run(c, r);
	store_req_put(c, r);
	return rc;
}

int store_get_str(struct store_client *c, uint8_t ns, const char *key, char *out, uint32_t cap)
{
	struct store_req *r = store_req_get(c);
	int rc;

	r->kind = STORE_READ;
	r->one.key = str_key(ns, key);
	r->one.out = (uint8_t *)out;
	r->one.out_cap = cap - 1;
	rc = store_run(c, r);
	out[rc == 0 ? r->one.value_len : 0] = '\0';
	store_req_put(c, r);
	return rc;
}

int store_delete_str(struct store_client *c, uint8_t ns, const char *key)
{
	struct store_req *r = store_req_get(c);
	int rc;

	r->kind = STORE_WRITE;
	r->one.key = str_key(ns, key);
	r->one.op = STORE_DELETE;
	rc = store_run(c, r);
	store_req_put(c, r);
	return rc;
}
