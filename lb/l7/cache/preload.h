/* SPDX-License-Identifier: Apache-2.0
 * preload - fetch a list of URLs into the cache, without a client: at start, after a reload, or
 * when somebody says so. The first worker asks for each as a client would, through the routes (not
 * their policies), so many at a time and so many a second.
 * Owner:      control begins and reads; the first worker works through the list.
 * Invariants: PL1 one list at a time; it stays readable until the next one begins.
 * Limits:     PRELOAD_URLS_MAX URLs, PRELOAD_URL_MAX bytes each, PRELOAD_ACTIVE_MAX at a time.
 * Cost:       a worker without a list looks at one pointer in each turn. */
#ifndef LB_L7_CACHE_PRELOAD_H
#define LB_L7_CACHE_PRELOAD_H

#include "lb/l7/http/head.h"

#define PRELOAD_URLS_MAX   100000
#define PRELOAD_URL_MAX    2048
#define PRELOAD_ACTIVE_MAX 64

struct hcache;
struct hcache_worker;
struct preload_worker;

struct preload_url {
	bool tls;
	struct span host, path, query; /* host as it stands, path at least "/" */
	bool has_query;
	uint16_t port; /* 0: the scheme's */
};
/* "http://host:port/path?query". False: it is none that can be asked for. */
bool preload_url_parse(struct span text, struct preload_url *out);

/* text: a URL a line; blank lines and those that begin with '#' do not count. rate: a second.
 * 0; -EBUSY: a list is under way; -EINVAL: no URL, or too many, and *line is the one that is
 * wrong (0: none); -ENOMEM. */
int hcache_preload(struct hcache *h, struct span text, uint32_t rate, uint32_t active,
	uint32_t *line) WARN_UNUSED;
/* The same answers, and the number of URLs; nothing begins. */
int hcache_preload_check(
	const struct hcache *h, struct span text, uint32_t *cnt, uint32_t *line) WARN_UNUSED;

struct preload_result {
	uint32_t total, begun, active;
	uint64_t stored, already, not_stored, failed, bytes;
};
/* False: there was no list yet. Control's. */
bool hcache_preload_result(const struct hcache *h, struct preload_result *out);
/* URL i of the list. *status: of the answer, 0 without one; the word says what became of it. */
const char *hcache_preload_row(
	const struct hcache *h, uint32_t i, struct span *url, uint16_t *status);

/* The first worker's. NULL: no memory. */
struct preload_worker *preload_worker_create(struct hcache_worker *hw);
void preload_worker_destroy(struct preload_worker *p); /* NULL is fine */
/* Once a turn. */
void preload_turn(struct preload_worker *p);
/* Is there a list that it has not seen? */
bool preload_waiting(const struct preload_worker *p);
void preload_free(struct hcache *h);

#endif
