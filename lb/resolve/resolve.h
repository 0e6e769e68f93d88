/* SPDX-License-Identifier: Apache-2.0
 * resolve - host names of backends and what they stand for now.
 *
 * Each name is asked for twice, for IPv4 and IPv6 addresses. An answer holds for its TTL, within
 * the bounds of the configuration. No answer and a failure leave what is known as it is; that there
 * is no such name or address takes effect after `hold`.
 *
 * Owner:      control.
 * Lifetime:   resolve_create() ... resolve_destroy().
 * Invariants: RV1 at most one question of a name and family is under way. RV2 an answer to a
 *             question that nobody has any more (its name has gone, its family is not asked for,
 *             who asked was replaced) is dropped. RV3 nothing here waits.
 * Units:      ns of the caller's clock; TTLs in seconds.
 * Errors:     -ENOMEM; a question that cannot be asked is a failure, counted and repeated.
 * Limits:     RESOLVE_NAMES names; about RESOLVE_ASKED questions under way; LIMIT_NAME_ADDRS
 *             addresses of each family. */
#ifndef LB_RESOLVE_RESOLVE_H
#define LB_RESOLVE_RESOLVE_H

#include "lb/config/config.h"
#include "lb/config/resolved.h"

#define RESOLVE_NAMES 4096
#define RESOLVE_ASKED 64

struct pollfd;
struct resolve;

/* clang-format off */
#define RESOLVE_RESULTS(R) \
	R(NONE, "none", "nothing came yet") \
	R(OK, "ok", "addresses") \
	R(NO_ADDRESS, "no_address", "the name has no address of this family") \
	R(NO_NAME, "no_name", "there is no such name") \
	R(FAILED, "failed", "no server could tell or wanted to: SERVFAIL, REFUSED, nobody there") \
	R(TIMEOUT, "timeout", "no answer") \
	R(INVALID, "invalid", "an answer that is none") \
	R(LOCAL, "local", "the question could not be asked")
/* clang-format on */

enum resolve_result {
#define R(id, word, text) RESOLVE_##id,
	RESOLVE_RESULTS(R)
#undef R
		RESOLVE_RESULT_CNT
};

const char *resolve_result_word(enum resolve_result r);

struct resolve_answer {
	enum resolve_result result;
	uint32_t ttl_s; /* the lowest of the way from the name to its addresses */
	uint32_t cnt;
	bool from_file; /* of the hosts file: no TTL */
	struct ip_addr addrs[LIMIT_NAME_ADDRS];
};

/* Who asks. The answer comes by resolve_take(), perhaps before ask() returns. */
struct resolve_io {
	/* -errno: it will not come. */
	int (*ask)(void *ctx, const char *name, bool ip4, uint32_t token);
	void (*run)(void *ctx);
	uint32_t (*fds)(void *ctx, struct pollfd *fds, uint32_t max);
	void (*close)(void *ctx);
	void *ctx;
};

int resolve_create(struct resolve **out) WARN_UNUSED;
void resolve_destroy(struct resolve *r); /* NULL is fine */
/* io (copied) replaces the one before, whose questions are lost and asked again. */
void resolve_set_io(struct resolve *r, const struct resolve_io *io);
/* Names of cfg too. */
int resolve_add(struct resolve *r, const struct config *cfg) WARN_UNUSED;
/* cfg is in force: names that it does not have are forgotten, and its settings hold from the next
 * question on. Only -ENOMEM, and not after a resolve_add() of the same. */
int resolve_watch(struct resolve *r, const struct config *cfg, uint64_t now_ns) WARN_UNUSED;

/* An answer to question `token`. */
void resolve_take(struct resolve *r, uint32_t token, const struct resolve_answer *a);

/* Asks what is due and lets answers in. True: since the last call some name has other addresses, or
 * its first result. */
bool resolve_run(struct resolve *r, uint64_t now_ns);
uint32_t resolve_fds(const struct resolve *r, struct pollfd *fds, uint32_t max);

/* What is known; a resolved_find_fn with the struct resolve as its context. */
struct resolved_name resolve_find(void *r, const char *host);

/* ---- for people and statistics ---- */

struct resolve_stats {
	uint64_t asked, answered, changes, stale;
	uint64_t by_result[RESOLVE_RESULT_CNT];
};

struct resolve_row {
	const char *name;
	bool ip4;
	enum resolve_result result; /* of the last question */
	uint32_t cnt;
	const struct ip_addr *addrs;
	uint32_t ttl_s;    /* of the last good answer */
	uint32_t failures; /* since then */
	uint64_t age_ns;   /* of it; UINT64_MAX: there was none */
	uint64_t next_ns;  /* until the next question */
	uint64_t asked;
};

const struct resolve_stats *resolve_stats(const struct resolve *r);
/* Row i of all names and families; false: there are no more. */
bool resolve_row(const struct resolve *r, uint32_t i, uint64_t now_ns, struct resolve_row *out);

#endif
