/* SPDX-License-Identifier: Apache-2.0
 * store_util - a store in a folder of its own, and calls that submit and wait: for tests alone, a
 * worker never waits. */
#ifndef TESTS_SUPPORT_STORE_UTIL_H
#define TESTS_SUPPORT_STORE_UTIL_H

#include "storage/store.h"
#include "tests/support/tmpdir.h"

/* Namespaces of every test store, by index. */
enum { NS_ALWAYS, NS_EVERYSEC, NS_VOLATILE, NS_TEST_CNT };

struct test_store {
	char dir[TMPDIR_MAX];
	struct store_params p;
	struct store *s;
	struct store_client *c; /* client 0 */
	char err[256];
};

/* Small sizes, one shard, one reader, one client, no ballast; change t->p before the open. */
void test_store_init(struct test_store *t);
/* store_open()'s result. */
int test_store_open(struct test_store *t);
void test_store_close(struct test_store *t);
/* Closes and removes the folder. */
void test_store_fini(struct test_store *t);

/* Sets the clock of dataplane/base/time.h from CLOCK_MONOTONIC; once. */
void test_clock_init(void);

/* Submits r, waits until it is back and returns its status, or what submit said. The client must
 * have nothing else in flight. */
int store_run(struct store_client *c, struct store_req *r);

/* One operation on a KEY record with a NUL-terminated key. */
int store_put_str(struct store_client *c, uint8_t ns, const char *key, const char *val);
/* Writes the value as a string into out (cap bytes with NUL); the status. */
int store_get_str(struct store_client *c, uint8_t ns, const char *key, char *out, uint32_t cap);
int store_delete_str(struct store_client *c, uint8_t ns, const char *key);

static inline struct codec_key str_key(uint8_t ns, const char *key)
{
	return (struct codec_key){.space = CODEC_KEY,
		.ns = ns,
		.key = (const uint8_t *)key,
		.key_len = (uint16_t)__builtin_strlen(key)};
}

#endif
