/* SPDX-License-Identifier: Apache-2.0
 * A name has two halves, one for each family, each with a life of its own:
 *
 *	due --ask--> asked --answer--> known until its TTL ends --> due ...
 *	               `--failure, or nothing there--> due again after a pause that grows
 *
 * What is due is found by looking at all of them, which is cheap enough for the few thousand that
 * there can be: control comes by fifty times a second. */
#include "lb/resolve/resolve.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/log.h"
#include "dataplane/base/time.h"
#include "lb/config/config_upstream.h"

struct half {
	struct ip_addr *addrs; /* sorted */
	uint32_t cnt, ttl_s;
	enum resolve_result result;
	uint32_t failures, empties; /* in a row */
	uint32_t token;             /* of the question under way; 0: none */
	uint64_t due_ns, good_ns, empty_ns, asked;
	bool ever_good;
};

struct name {
	char host[LIMIT_HOST];
	struct half halves[2]; /* 1: IPv4 */
	struct ip_addr *all;   /* of both, IPv4 first */
	uint32_t all_cnt;
	bool wanted;
};

struct resolve {
	struct config_resolver conf;
	struct resolve_io io;
	struct name **names; /* by host */
	uint32_t name_cnt, asked_cnt, next_token, scan;
	uint64_t now_ns;
	bool changed;
	struct resolve_stats stats;
};

const char *resolve_result_word(enum resolve_result r)
{
	static const char *const words[] = {
#define R(id, word, text) word,
		RESOLVE_RESULTS(R)
#undef R
	};

	return (unsigned)r < ARRAY_SIZE(words) ? words[r] : "?";
}

/* ---- names ---- */

static void name_free(struct name *n)
{
	free(n->halves[0].addrs);
	free(n->halves[1].addrs);
	free(n->all);
	free(n);
}

/* Where it stands, or would. */
static uint32_t name_place(const struct resolve *r, const char *host)
{
	uint32_t lo = 0, hi = r->name_cnt;

	while (lo < hi) {
		uint32_t mid = (lo + hi) / 2;

		if (strcmp(r->names[mid]->host, host) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static struct name *name_at(const struct resolve *r, uint32_t place, const char *host)
{
	struct name *n = place < r->name_cnt ? r->names[place] : NULL;

	return n != NULL && strcmp(n->host, host) == 0 ? n : NULL;
}

static int name_want(struct resolve *r, const char *host)
{
	uint32_t at = name_place(r, host);
	struct name *n = name_at(r, at, host);

	if (n == NULL && r->name_cnt == RESOLVE_NAMES) {
		LOG_ERR("too many host names of backends: it is never asked for", "name=%s", host);
		return 0;
	}
	if (n == NULL) {
		n = calloc(1, sizeof(*n));
		if (n == NULL)
			return -ENOMEM;
		strcpy(n->host, host);
		memmove(&r->names[at + 1], &r->names[at],
			(r->name_cnt - at) * sizeof(struct name *));
		r->names[at] = n;
		r->name_cnt++;
	}
	n->wanted = true;
	return 0;
}

static int want_all(struct resolve *r, const struct config_backend *b, uint32_t cnt)
{
	int rc = 0;

	for (uint32_t i = 0; rc == 0 && i < cnt; i++)
		if (b[i].host != NULL)
			rc = name_want(r, b[i].host);
	return rc;
}

static bool family_wanted(const struct resolve *r, int ip4)
{
	return r->conf.family == RESOLVER_ANY || (r->conf.family == RESOLVER_IPV4) == (ip4 == 1);
}

static void forget_question(struct resolve *r, struct half *h)
{
	if (h->token == 0)
		return;
	h->token = 0;
	h->due_ns = 0;
	r->asked_cnt--;
}

/* Questions under way are lost with who asked them. */
static void forget_questions(struct resolve *r)
{
	for (uint32_t i = 0; i < r->name_cnt; i++)
		for (int f = 0; f < 2; f++)
			forget_question(r, &r->names[i]->halves[f]);
}

static void drop_unwanted(struct resolve *r)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < r->name_cnt; i++) {
		struct name *n = r->names[i];

		if (n->wanted) {
			r->names[kept++] = n;
			continue;
		}
		for (int f = 0; f < 2; f++)
			forget_question(r, &n->halves[f]);
		name_free(n);
	}
	r->name_cnt = kept;
}

/* ---- what an answer changes ---- */

static const char *family_of(const struct name *n, const struct half *h)
{
	return h == &n->halves[1] ? "ipv4" : "ipv6";
}

static int by_addr(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct ip_addr));
}

static void join_halves(struct name *n, struct ip_addr *all)
{
	n->all_cnt = 0;
	for (int f = 1; f >= 0; n->all_cnt += n->halves[f].cnt, f--)
		if (n->halves[f].cnt > 0)
			memcpy(all + n->all_cnt, n->halves[f].addrs,
				n->halves[f].cnt * sizeof(*all));
	free(n->all);
	n->all = all;
}

static int set_addrs(struct resolve *r, struct name *n, struct half *h, const struct ip_addr *addrs,
	uint32_t cnt)
{
	struct ip_addr *copy = calloc(cnt + 1, sizeof(*copy)), *all;
	uint32_t kept = 0, found;

	if (copy == NULL)
		return -ENOMEM;
	if (cnt > 0)
		memcpy(copy, addrs, cnt * sizeof(*copy));
	qsort(copy, cnt, sizeof(*copy), by_addr);
	for (uint32_t i = 0; i < cnt; i++)
		if (kept == 0 || !ip_addr_eq(&copy[kept - 1], &copy[i]))
			copy[kept++] = copy[i];
	found = kept;
	if (kept > r->conf.max_addrs)
		kept = r->conf.max_addrs;
	if (kept == h->cnt && (kept == 0 || memcmp(copy, h->addrs, kept * sizeof(*copy)) == 0)) {
		free(copy);
		return 0;
	}
	all = calloc(n->all_cnt - h->cnt + kept + 1, sizeof(*all));
	if (all == NULL) {
		free(copy);
		return -ENOMEM;
	}
	if (found > kept)
		LOG_WRN("a name has more addresses than resolver.max_addresses",
			"name=%s addresses=%u taken=%u", n->host, found, kept);
	LOG_INF("name resolved", "name=%s family=%s addresses=%u before=%u", n->host,
		family_of(n, h), kept, h->cnt);
	free(h->addrs);
	h->addrs = copy;
	h->cnt = kept;
	r->stats.changes++;
	r->changed = true;
	join_halves(n, all);
	return 0;
}

static uint64_t pause_ns(const struct resolve *r, uint32_t times)
{
	uint64_t ns = r->conf.retry_ns;

	while (times-- > 1 && ns < r->conf.retry_max_ns)
		ns *= 2;
	return ns < r->conf.retry_max_ns ? ns : r->conf.retry_max_ns;
}

static uint64_t ttl_ns(const struct resolve *r, const struct resolve_answer *a)
{
	uint64_t ns = a->ttl_s * NS_PER_SEC;

	/* A file may be edited at any time. */
	if (a->from_file || ns < r->conf.min_ttl_ns)
		return a->from_file ? r->conf.retry_max_ns : r->conf.min_ttl_ns;
	return ns < r->conf.max_ttl_ns ? ns : r->conf.max_ttl_ns;
}

static void good(struct resolve *r, struct name *n, struct half *h, const struct resolve_answer *a)
{
	h->failures = h->empties = 0;
	h->ever_good = true;
	h->good_ns = r->now_ns;
	h->ttl_s = a->ttl_s;
	h->due_ns = r->now_ns + ttl_ns(r, a);
	if (set_addrs(r, n, h, a->addrs, a->cnt) != 0)
		h->due_ns = r->now_ns + r->conf.retry_ns;
}

/* There is nothing of this family. What was known stays for a while: a zone that is being edited
 * must not take a site down. */
static void empty(struct resolve *r, struct name *n, struct half *h)
{
	uint64_t next;

	h->failures = 0;
	if (h->empties++ == 0)
		h->empty_ns = r->now_ns;
	next = r->now_ns + pause_ns(r, h->empties);
	if (h->cnt > 0 && r->now_ns >= h->empty_ns + r->conf.hold_ns)
		(void)!set_addrs(r, n, h, NULL, 0);
	else if (h->cnt > 0 && next > h->empty_ns + r->conf.hold_ns)
		next = h->empty_ns + r->conf.hold_ns;
	h->due_ns = next;
}

static void failed(struct resolve *r, struct name *n, struct half *h, enum resolve_result why)
{
	if (h->failures++ == 0)
		LOG_WRN("a name cannot be resolved", "name=%s family=%s why=%s addresses_kept=%u",
			n->host, family_of(n, h), resolve_result_word(why), h->cnt);
	if (h->cnt > 0)
		r->stats.stale++;
	h->due_ns = r->now_ns + pause_ns(r, h->failures);
}

static void answer(
	struct resolve *r, struct name *n, struct half *h, const struct resolve_answer *a)
{
	if (h->result == RESOLVE_NONE)
		r->changed = true;
	h->result = a->result;
	r->stats.by_result[a->result]++;
	switch (a->result) {
	case RESOLVE_OK:
		good(r, n, h, a);
		break;
	case RESOLVE_NO_ADDRESS:
	case RESOLVE_NO_NAME:
		empty(r, n, h);
		break;
	default:
		failed(r, n, h, a->result);
	}
}

void resolve_take(struct resolve *r, uint32_t token, const struct resolve_answer *a)
{
	for (uint32_t i = 0; i < r->name_cnt; i++)
		for (int f = 0; f < 2; f++) {
			struct half *h = &r->names[i]->halves[f];

			if (h->token != token || token == 0)
				continue;
			h->token = 0;
			r->asked_cnt--;
			r->stats.answered++;
			answer(r, r->names[i], h, a);
			return;
		}
}

/* ---- asking ---- */

static void ask(struct resolve *r, struct name *n, int ip4)
{
	struct half *h = &n->halves[ip4];
	int rc;

	if (++r->next_token == 0)
		r->next_token = 1;
	h->token = r->next_token;
	h->asked++;
	r->asked_cnt++;
	r->stats.asked++;
	rc = r->io.ask(r->io.ctx, n->host, ip4 == 1, h->token);
	if (rc != 0 && h->token != 0) {
		struct resolve_answer none = {.result = RESOLVE_LOCAL};

		resolve_take(r, h->token, &none);
	}
}

bool resolve_run(struct resolve *r, uint64_t now_ns)
{
	bool changed;

	r->now_ns = now_ns;
	if (r->name_cnt == 0 || r->io.ask == NULL)
		return false;
	if (r->asked_cnt > 0)
		r->io.run(r->io.ctx);
	/* From where the last turn ended: names that are slow keep no others waiting. */
	for (uint32_t i = 0; i < r->name_cnt && r->asked_cnt < RESOLVE_ASKED; i++) {
		struct name *n = r->names[r->scan++ % r->name_cnt];

		for (int f = 0; f < 2; f++)
			if (family_wanted(r, f) && n->halves[f].token == 0 &&
				now_ns >= n->halves[f].due_ns)
				ask(r, n, f);
	}
	changed = r->changed;
	r->changed = false;
	return changed;
}

uint32_t resolve_fds(const struct resolve *r, struct pollfd *fds, uint32_t max)
{
	return r->asked_cnt > 0 && r->io.fds != NULL ? r->io.fds(r->io.ctx, fds, max) : 0;
}

/* ---- for others ---- */

struct resolved_name resolve_find(void *ctx, const char *host)
{
	const struct resolve *r = ctx;
	const struct name *n = name_at(r, name_place(r, host), host);
	struct resolved_name out = {.asked = true};

	if (n == NULL)
		return out;
	out.addrs = n->all;
	out.cnt = n->all_cnt;
	for (int f = 0; f < 2; f++)
		if (family_wanted(r, f) && n->halves[f].result == RESOLVE_NONE)
			out.asked = false;
	return out;
}

const struct resolve_stats *resolve_stats(const struct resolve *r)
{
	return &r->stats;
}

bool resolve_row(const struct resolve *r, uint32_t i, uint64_t now_ns, struct resolve_row *out)
{
	const struct name *n = i / 2 < r->name_cnt ? r->names[i / 2] : NULL;
	const struct half *h;

	if (n == NULL)
		return false;
	h = &n->halves[i % 2 == 0];
	*out = (struct resolve_row){.name = n->host,
		.ip4 = i % 2 == 0,
		.result = h->result,
		.cnt = h->cnt,
		.addrs = h->addrs,
		.ttl_s = h->ttl_s,
		.failures = h->failures,
		.age_ns = h->ever_good ? now_ns - h->good_ns : UINT64_MAX,
		.next_ns = h->due_ns > now_ns ? h->due_ns - now_ns : 0,
		.asked = h->asked};
	return true;
}

/* ---- life ---- */

int resolve_create(struct resolve **out)
{
	struct resolve *r = calloc(1, sizeof(*r));

	*out = NULL;
	if (r == NULL)
		return -ENOMEM;
	r->names = calloc(RESOLVE_NAMES, sizeof(struct name *));
	if (r->names == NULL) {
		free(r);
		return -ENOMEM;
	}
	*out = r;
	return 0;
}

void resolve_destroy(struct resolve *r)
{
	if (r == NULL)
		return;
	forget_questions(r);
	if (r->io.close != NULL)
		r->io.close(r->io.ctx);
	for (uint32_t i = 0; i < r->name_cnt; i++)
		name_free(r->names[i]);
	free(r->names);
	free(r);
}

void resolve_set_io(struct resolve *r, const struct resolve_io *io)
{
	forget_questions(r);
	if (r->io.close != NULL)
		r->io.close(r->io.ctx);
	r->io = *io;
}

/* Of a family that is not asked for nothing is known; should it be wanted again, it is asked for at
 * once. */
static void begin_anew(struct resolve *r, struct name *n, struct half *h)
{
	forget_question(r, h);
	if (h->cnt > 0 && set_addrs(r, n, h, NULL, 0) != 0)
		return;
	free(h->addrs);
	*h = (struct half){.asked = h->asked};
}

int resolve_add(struct resolve *r, const struct config *cfg)
{
	int rc = 0;

	for (uint32_t i = 0; rc == 0 && i < cfg->listener_cnt; i++)
		rc = want_all(r, cfg->listeners[i].written, cfg->listeners[i].written_cnt);
	for (uint32_t i = 0; rc == 0 && i < cfg->upstream_cnt; i++)
		rc = want_all(r, cfg->upstreams[i].written, cfg->upstreams[i].written_cnt);
	return rc;
}

int resolve_watch(struct resolve *r, const struct config *cfg, uint64_t now_ns)
{
	int rc;

	r->now_ns = now_ns;
	r->conf = cfg->resolver;
	for (uint32_t i = 0; i < r->name_cnt; i++)
		r->names[i]->wanted = false;
	rc = resolve_add(r, cfg);
	if (rc != 0)
		return rc;
	drop_unwanted(r);
	for (uint32_t i = 0; i < r->name_cnt; i++)
		for (int f = 0; f < 2; f++)
			if (!family_wanted(r, f))
				begin_anew(r, r->names[i], &r->names[i]->halves[f]);
	return 0;
}
