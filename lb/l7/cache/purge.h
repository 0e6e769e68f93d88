/* SPDX-License-Identifier: Apache-2.0
 * purge - what was taken out of the cache by tag, by part of the URL, or altogether, without
 * walking the cache: each purge has a number, each stored response the number that was current when
 * it was fetched, and a hit on an older response asks whether one of the purges since then means
 * it.
 *
 * Owner:      one for a process; control creates it, any worker or control purges and asks.
 * Invariants: PG1 once purge_*() has returned, no worker that asks finds an older response good.
 *             PG2 forgetting a purge never brings a response back: what leaves the list of patterns
 *             counts from then on as a purge of everything as old.
 *             PG3 responses may be purged without need (tags that share a hash slot), never kept.
 *             PG4 every change is taken by purge_changed() at least once after it was made, and the
 *             last of a place as it is then: whoever saves what it gives has all in the end.
 * Limits:     PURGE_PATTERNS patterns at a time; a pattern of PURGE_TEXT_MAX bytes.
 * Cost:       of a hit: one load if nothing was purged since; else a load for each tag, and a look
 *             at each pattern that is newer. No lock. */
#ifndef LB_L7_CACHE_PURGE_H
#define LB_L7_CACHE_PURGE_H

#include "lb/l7/http/head.h"

#define PURGE_PATTERNS 128
#define PURGE_TEXT_MAX 400

struct purge;
struct purge_worker; /* compiled regular expressions of one worker */

int purge_create(struct purge **out) WARN_UNUSED;
void purge_destroy(struct purge *p);                       /* NULL is fine */
struct purge_worker *purge_worker_create(struct purge *p); /* NULL: no memory */
void purge_worker_destroy(struct purge_worker *w);         /* NULL is fine */

/* The number for a response whose fetch begins now. */
uint64_t purge_now(const struct purge *p);

/* Soft: responses count as stale; they are validated, or used on error. Each returns 0, or -EINVAL
 * with a pattern that is too long or does not compile, with a sentence in err (may be NULL). */
int purge_tag(struct purge *p, struct span tag, bool soft);
int purge_all(struct purge *p, bool soft);
/* host empty: any. path: responses whose path begins so. */
int purge_prefix(struct purge *p, struct span host, struct span path, bool soft);
/* On "host/path?query". */
int purge_regex(struct purge *p, struct span regex, bool soft, char *err, size_t err_len);

enum purge_verdict { PURGE_GOOD, PURGE_SOFT, PURGE_GONE };

struct purge_subject {
	uint64_t born;    /* purge_now() at its fetch */
	struct span tags; /* blank- or comma-separated */
	struct span host, path, query;
};

enum purge_verdict purge_check(struct purge_worker *w, const struct purge_subject *s);

/* How many purges there were. */
uint64_t purge_count(const struct purge *p);

/* ---- single keys, for what cannot be deleted at once: variants, and a tier ---- */

/* What was stored under this key until now is gone. A few keys share a mark. */
void purge_key(struct purge *p, uint64_t key_hash);
bool purge_key_gone(const struct purge *p, uint64_t key_hash, uint64_t born);

/* ---- to outlive the process ---- */

/* Hashes of tags depend on it: it is saved with the rest. */
struct purge_secret {
	uint64_t k[2];
};

#define PURGE_RECORD_MAX (16 + 8 + PURGE_TEXT_MAX)

/* One place as bytes: `id` names the place, a later record of the same id replaces it. */
struct purge_record {
	uint32_t id;
	uint32_t len;
	uint8_t bytes[PURGE_RECORD_MAX];
};

/* Before anything else: numbers begin at `first`, which is above all that were ever given. */
void purge_resume(struct purge *p, const struct purge_secret *secret, uint64_t first);
void purge_secret(const struct purge *p, struct purge_secret *out);
/* Put back what was saved. False: it is no record of this layout. Before workers ask. */
bool purge_restore(struct purge *p, const struct purge_record *r);
/* From now on changes are noted. */
void purge_track(struct purge *p);
/* A place that changed since it was last taken; false: none. For one caller at a time. */
bool purge_changed(struct purge *p, struct purge_record *out);
/* It could not be saved: it counts as changed again. */
void purge_unsaved(struct purge *p, const struct purge_record *r);

#endif
