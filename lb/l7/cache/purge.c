/* SPDX-License-Identifier: Apache-2.0
 * Orders of memory (docs/concurrency.md, P): a purge first takes its number by an atomic addition
 * on `seq`, then publishes where it counts (a tag's slot, a pattern, `all`). A response that was
 * fetched in between has the purge's number or a higher one and counts as younger: its fetch began
 * when the purge had begun already, so it is not older than the purge's caller can have meant.
 * A pattern's slot is a sequence lock of several writers: whoever turns `state` from even to odd by
 * CAS writes it, readers take it only if state was the same even value before and after. Its words
 * are released after the odd state and acquired before the second look at it, which orders them
 * without fences. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "lb/l7/cache/purge.h"

#include <errno.h>
#include <pcre2.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "dataplane/base/hash.h"
#include "dataplane/base/rng.h"

#define TAG_SLOTS   65536
#define KEY_SLOTS   262144
#define MATCH_STEPS 20000 /* a regular expression that takes longer counts as a match */

enum kind { KIND_PREFIX = 1, KIND_REGEX };

struct body {
	uint8_t kind, soft;
	uint16_t host_len, text_len, unused;
	char text[PURGE_TEXT_MAX]; /* host, then path; or the expression */
};

#define BODY_WORDS (sizeof(struct body) / sizeof(uint64_t))
_Static_assert(sizeof(struct body) % sizeof(uint64_t) == 0, "it is copied by words");

struct pattern {
	_Atomic uint64_t state; /* odd: being written */
	_Atomic uint64_t seq;   /* 0: empty */
	_Atomic uint64_t words[BODY_WORDS];
};

/* Of the last purge, hard or soft: a hard one covers soft ones before it. */
struct mark {
	_Atomic uint64_t hard, soft;
};

/* Places as one row of numbers, for saving. */
#define PLACE_ALL     0
#define PLACE_PATTERN 1
#define PLACE_TAG     (PLACE_PATTERN + PURGE_PATTERNS)
#define PLACE_KEY     (PLACE_TAG + TAG_SLOTS)
#define PLACES        (PLACE_KEY + KEY_SLOTS)
#define PLACE_WORDS   ((PLACES + 63) / 64)

struct purge {
	_Alignas(64) _Atomic uint64_t seq;
	_Alignas(64) struct mark all;
	_Atomic uint64_t last_pattern; /* number of the newest */
	_Alignas(64) _Atomic uint64_t next;
	struct siphash_key key;
	struct pattern patterns[PURGE_PATTERNS];
	struct mark tags[TAG_SLOTS];
	_Atomic uint64_t keys[KEY_SLOTS];
	/* Changed places: PS1 a change, then its bit (release), then `any` (release); the saver
	 * takes `any`, then bits (acquire), then reads the places. */
	_Alignas(64) _Atomic bool any;
	bool tracked;
	uint32_t cursor, left; /* the saver's: next word, words of this round */
	uint64_t first;        /* number of the process's beginning */
	_Atomic uint64_t changed[PLACE_WORDS];
};

struct compiled {
	uint64_t seq;
	pcre2_code *code;
};

struct purge_worker {
	struct purge *p;
	pcre2_match_data *match;
	pcre2_match_context *limits;
	struct compiled compiled[PURGE_PATTERNS];
};

int purge_create(struct purge **out)
{
	struct purge *p = aligned_alloc(64, (sizeof(*p) + 63) / 64 * 64);

	*out = p;
	if (p == NULL)
		return -ENOMEM;
	memset(p, 0, sizeof(*p));
	atomic_init(&p->seq, 1);
	p->first = 1;
	rng_secret(&p->key, sizeof(p->key));
	return 0;
}

void purge_destroy(struct purge *p)
{
	free(p);
}

struct purge_worker *purge_worker_create(struct purge *p)
{
	struct purge_worker *w = calloc(1, sizeof(*w));

	if (w == NULL)
		return NULL;
	w->p = p;
	w->match = pcre2_match_data_create(1, NULL);
	w->limits = pcre2_match_context_create(NULL);
	if (w->match == NULL || w->limits == NULL) {
		purge_worker_destroy(w);
		return NULL;
	}
	pcre2_set_match_limit(w->limits, MATCH_STEPS);
	return w;
}

void purge_worker_destroy(struct purge_worker *w)
{
	if (w == NULL)
		return;
	for (uint32_t i = 0; i < PURGE_PATTERNS; i++)
		pcre2_code_free(w->compiled[i].code);
	pcre2_match_data_free(w->match);
	pcre2_match_context_free(w->limits);
	free(w);
}

uint64_t purge_now(const struct purge *p)
{
	return atomic_load_explicit(&p->seq, memory_order_acquire);
}

uint64_t purge_count(const struct purge *p)
{
	return purge_now(p) - p->first;
}

/* ---- purging ---- */

static uint64_t take_number(struct purge *p)
{
	return atomic_fetch_add_explicit(&p->seq, 1, memory_order_acq_rel) + 1;
}

static void raise(_Atomic uint64_t *at, uint64_t seq)
{
	uint64_t old = atomic_load_explicit(at, memory_order_relaxed);

	while (old < seq && !atomic_compare_exchange_weak_explicit(
				    at, &old, seq, memory_order_release, memory_order_relaxed))
		;
}

static void note(struct purge *p, uint32_t place)
{
	if (!p->tracked)
		return;
	atomic_fetch_or_explicit(
		&p->changed[place / 64], UINT64_C(1) << place % 64, memory_order_release); /* PS1 */
	atomic_store_explicit(&p->any, true, memory_order_release);                        /* PS1 */
}

static struct mark *tag_mark(struct purge *p, struct span tag)
{
	return &p->tags[siphash24(&p->key, tag.at, tag.len) % TAG_SLOTS];
}

int purge_tag(struct purge *p, struct span tag, bool soft)
{
	struct mark *m;

	if (tag.len == 0)
		return -EINVAL;
	m = tag_mark(p, tag);
	raise(soft ? &m->soft : &m->hard, take_number(p));
	note(p, PLACE_TAG + (uint32_t)(m - p->tags));
	return 0;
}

int purge_all(struct purge *p, bool soft)
{
	raise(soft ? &p->all.soft : &p->all.hard, take_number(p));
	note(p, PLACE_ALL);
	return 0;
}

static void body_store(struct pattern *t, const struct body *b)
{
	uint64_t words[BODY_WORDS];

	memcpy(words, b, sizeof(words));
	for (size_t i = 0; i < BODY_WORDS; i++)
		atomic_store_explicit(&t->words[i], words[i], memory_order_release);
}

static void body_load(struct pattern *t, struct body *b)
{
	uint64_t words[BODY_WORDS];

	for (size_t i = 0; i < BODY_WORDS; i++)
		words[i] = atomic_load_explicit(&t->words[i], memory_order_acquire);
	memcpy(b, words, sizeof(words));
}

/* The next slot in turn, ours to write. What was in it counts for everything from now on (PG2). */
static struct pattern *claim(struct purge *p, uint64_t *state)
{
	for (;;) {
		uint64_t at = atomic_fetch_add_explicit(&p->next, 1, memory_order_relaxed);
		struct pattern *t = &p->patterns[at % PURGE_PATTERNS];
		uint64_t old;

		*state = atomic_load_explicit(&t->state, memory_order_relaxed);
		if ((*state & 1) != 0 ||
			!atomic_compare_exchange_strong_explicit(&t->state, state, *state + 1,
				memory_order_acquire, memory_order_relaxed))
			continue;
		old = atomic_load_explicit(&t->seq, memory_order_relaxed);
		if (old > 0) {
			struct body b;

			body_load(t, &b);
			raise(b.soft ? &p->all.soft : &p->all.hard, old);
			note(p, PLACE_ALL);
		}
		return t;
	}
}

static int add_pattern(
	struct purge *p, enum kind kind, struct span host, struct span text, bool soft)
{
	struct body b = {.kind = (uint8_t)kind, .soft = soft};
	struct pattern *t;
	uint64_t state, seq;

	if (host.len > PURGE_TEXT_MAX || text.len > PURGE_TEXT_MAX - host.len)
		return -EINVAL;
	b.host_len = (uint16_t)host.len;
	b.text_len = (uint16_t)text.len;
	if (host.len > 0)
		memcpy(b.text, host.at, host.len);
	if (text.len > 0)
		memcpy(b.text + host.len, text.at, text.len);
	t = claim(p, &state);
	seq = take_number(p);
	body_store(t, &b);
	atomic_store_explicit(&t->seq, seq, memory_order_relaxed);
	atomic_store_explicit(&t->state, state + 2, memory_order_release);
	raise(&p->last_pattern, seq);
	note(p, PLACE_PATTERN + (uint32_t)(t - p->patterns));
	return 0;
}

int purge_prefix(struct purge *p, struct span host, struct span path, bool soft)
{
	return add_pattern(p, KIND_PREFIX, host, path, soft);
}

static pcre2_code *compile(struct span regex, int *code, size_t *at)
{
	return pcre2_compile(
		(PCRE2_SPTR)regex.at, regex.len, PCRE2_NO_AUTO_CAPTURE, code, at, NULL);
}

int purge_regex(struct purge *p, struct span regex, bool soft, char *err, size_t err_len)
{
	struct span none = {NULL, 0};
	pcre2_code *code;
	size_t at;
	int rc;

	if (regex.len == 0)
		return -EINVAL;
	code = compile(regex, &rc, &at);
	if (code == NULL) {
		if (err != NULL && err_len > 0)
			(void)pcre2_get_error_message(rc, (PCRE2_UCHAR *)err, err_len);
		return -EINVAL;
	}
	pcre2_code_free(code);
	return add_pattern(p, KIND_REGEX, none, regex, soft);
}

/* ---- asking ---- */

/* hard wins over soft. */
static enum purge_verdict by_mark(const struct mark *m, uint64_t born)
{
	if (atomic_load_explicit(&m->hard, memory_order_acquire) > born)
		return PURGE_GONE;
	return atomic_load_explicit(&m->soft, memory_order_acquire) > born ? PURGE_SOFT
									   : PURGE_GOOD;
}

static enum purge_verdict worse(enum purge_verdict a, enum purge_verdict b)
{
	return a > b ? a : b;
}

static bool separator(char c)
{
	return c == ' ' || c == '\t' || c == ',';
}

static enum purge_verdict by_tags(struct purge *p, const struct purge_subject *s)
{
	enum purge_verdict v = PURGE_GOOD;
	uint32_t i = 0;

	while (i < s->tags.len) {
		struct span tag = {s->tags.at + i, 0};

		while (i < s->tags.len && !separator(s->tags.at[i])) {
			i++;
			tag.len++;
		}
		if (tag.len > 0)
			v = worse(v, by_mark(tag_mark(p, tag), s->born));
		else
			i++;
	}
	return v;
}

static bool starts(struct span s, const char *prefix, uint32_t len)
{
	return s.len >= len && memcmp(s.at, prefix, len) == 0;
}

/* "host/path?query", as much of it as fits. */
static uint32_t url_of(const struct purge_subject *s, char *out, uint32_t cap)
{
	struct span parts[] = {s->host, s->path, {"?", s->query.len > 0 ? 1 : 0}, s->query};
	uint32_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		uint32_t take = parts[i].len < cap - n ? parts[i].len : cap - n;

		if (take > 0)
			memcpy(out + n, parts[i].at, take);
		n += take;
	}
	return n;
}

/* An expression that cannot be compiled or decided here purges (PG3). */
static bool regex_matches(struct purge_worker *w, uint32_t slot, uint64_t seq, struct span regex,
	const struct purge_subject *s)
{
	struct compiled *c = &w->compiled[slot];
	char url[4096];
	uint32_t len = url_of(s, url, sizeof(url));
	size_t at;
	int rc;

	if (c->seq != seq) {
		pcre2_code_free(c->code);
		c->code = compile(regex, &rc, &at);
		c->seq = seq;
	}
	if (c->code == NULL)
		return true;
	rc = pcre2_match(c->code, (PCRE2_SPTR)url, len, 0, 0, w->match, w->limits);
	return rc != PCRE2_ERROR_NOMATCH;
}

static enum purge_verdict by_pattern(
	struct purge_worker *w, uint32_t i, const struct purge_subject *s)
{
	struct pattern *t = &w->p->patterns[i];
	struct body copy;
	uint64_t before, seq;
	bool hit;

	do {
		before = atomic_load_explicit(&t->state, memory_order_acquire);
		seq = atomic_load_explicit(&t->seq, memory_order_relaxed);
		if (seq <= s->born && (before & 1) == 0)
			return PURGE_GOOD;
		body_load(t, &copy);
	} while ((before & 1) != 0 ||
		 atomic_load_explicit(&t->state, memory_order_relaxed) != before);
	if (copy.kind == KIND_REGEX)
		hit = regex_matches(w, i, seq, (struct span){copy.text, copy.text_len}, s);
	else
		hit = (copy.host_len == 0 ||
			      span_eq(s->host, (struct span){copy.text, copy.host_len})) &&
		      starts(s->path, copy.text + copy.host_len, copy.text_len);
	return !hit ? PURGE_GOOD : copy.soft ? PURGE_SOFT : PURGE_GONE;
}

enum purge_verdict purge_check(struct purge_worker *w, const struct purge_subject *s)
{
	struct purge *p = w->p;
	enum purge_verdict v;

	if (likely(purge_now(p) <= s->born))
		return PURGE_GOOD;
	v = worse(by_mark(&p->all, s->born), by_tags(p, s));
	if (atomic_load_explicit(&p->last_pattern, memory_order_acquire) <= s->born)
		return v;
	for (uint32_t i = 0; i < PURGE_PATTERNS && v != PURGE_GONE; i++)
		v = worse(v, by_pattern(w, i, s));
	/* One that was displaced meanwhile stands in `all` by now. */
	return worse(v, by_mark(&p->all, s->born));
}

/* ---- single keys ---- */

void purge_key(struct purge *p, uint64_t key_hash)
{
	uint32_t slot = (uint32_t)(key_hash % KEY_SLOTS);

	raise(&p->keys[slot], take_number(p));
	note(p, PLACE_KEY + slot);
}

bool purge_key_gone(const struct purge *p, uint64_t key_hash, uint64_t born)
{
	return atomic_load_explicit(&p->keys[key_hash % KEY_SLOTS], memory_order_acquire) > born;
}

/* ---- saving ---- */

void purge_resume(struct purge *p, const struct purge_secret *secret, uint64_t first)
{
	p->key = (struct siphash_key){secret->k[0], secret->k[1]};
	p->first = first;
	atomic_store_explicit(&p->seq, first, memory_order_release);
}

void purge_secret(const struct purge *p, struct purge_secret *out)
{
	*out = (struct purge_secret){{p->key.k0, p->key.k1}};
}

void purge_track(struct purge *p)
{
	p->tracked = true;
}

/* A pattern as it is when nobody writes it; false: somebody does. */
static bool take_pattern(struct pattern *t, struct purge_record *out)
{
	uint64_t before = atomic_load_explicit(&t->state, memory_order_acquire);
	uint64_t seq = atomic_load_explicit(&t->seq, memory_order_relaxed);
	struct body b;

	body_load(t, &b);
	if ((before & 1) != 0 || atomic_load_explicit(&t->state, memory_order_relaxed) != before)
		return false;
	memcpy(out->bytes, &seq, sizeof(seq));
	memcpy(out->bytes + sizeof(seq), &b, sizeof(b));
	out->len = (uint32_t)(sizeof(seq) + sizeof(b));
	return true;
}
_Static_assert(sizeof(uint64_t) + sizeof(struct body) <= PURGE_RECORD_MAX, "a pattern fits");

static void take_mark(const struct mark *m, struct purge_record *out)
{
	uint64_t v[2] = {atomic_load_explicit(&m->hard, memory_order_acquire),
		atomic_load_explicit(&m->soft, memory_order_acquire)};

	memcpy(out->bytes, v, sizeof(v));
	out->len = sizeof(v);
}

static bool take_place(struct purge *p, struct purge_record *out)
{
	uint64_t key;

	if (out->id == PLACE_ALL) {
		take_mark(&p->all, out);
	} else if (out->id < PLACE_TAG) {
		return take_pattern(&p->patterns[out->id - PLACE_PATTERN], out);
	} else if (out->id < PLACE_KEY) {
		take_mark(&p->tags[out->id - PLACE_TAG], out);
	} else {
		key = atomic_load_explicit(&p->keys[out->id - PLACE_KEY], memory_order_acquire);
		memcpy(out->bytes, &key, sizeof(key));
		out->len = sizeof(key);
	}
	return true;
}

void purge_unsaved(struct purge *p, const struct purge_record *r)
{
	note(p, r->id);
}

bool purge_changed(struct purge *p, struct purge_record *out)
{
	if (p->left == 0) {
		if (!atomic_exchange_explicit(&p->any, false, memory_order_acq_rel)) /* PS1 */
			return false;
		p->left = PLACE_WORDS;
	}
	while (p->left > 0) {
		_Atomic uint64_t *word = &p->changed[p->cursor];
		uint64_t bits = atomic_load_explicit(word, memory_order_acquire); /* PS1 */

		if (bits != 0) {
			out->id = p->cursor * 64 + (uint32_t)__builtin_ctzll(bits);
			atomic_fetch_and_explicit(
				word, ~(UINT64_C(1) << out->id % 64), memory_order_acq_rel);
			if (take_place(p, out))
				return true;
			note(p, out->id); /* it is being written: in the next round */
		}
		p->cursor = p->cursor + 1 < PLACE_WORDS ? p->cursor + 1 : 0;
		p->left--;
	}
	return false;
}

static void put_pattern(struct purge *p, uint32_t i, uint64_t seq, const struct body *b)
{
	struct pattern *t = &p->patterns[i];

	body_store(t, b);
	atomic_store_explicit(&t->seq, seq, memory_order_relaxed);
	atomic_store_explicit(&t->state, 2, memory_order_release);
	raise(&p->last_pattern, seq);
	/* The next new pattern takes the place of the oldest. */
	if (seq >= atomic_load_explicit(&p->last_pattern, memory_order_relaxed))
		atomic_store_explicit(&p->next, i + 1, memory_order_relaxed);
}

static void put_mark(struct mark *m, const uint64_t v[2])
{
	raise(&m->hard, v[0]);
	raise(&m->soft, v[1]);
}

bool purge_restore(struct purge *p, const struct purge_record *r)
{
	uint64_t v[2];
	struct body b;

	if (r->id >= PLACES)
		return false;
	memcpy(v, r->bytes, sizeof(v));
	if (r->id >= PLACE_KEY) {
		if (r->len != sizeof(v[0]))
			return false;
		raise(&p->keys[r->id - PLACE_KEY], v[0]);
	} else if (r->id < PLACE_TAG && r->id >= PLACE_PATTERN) {
		if (r->len != sizeof(v[0]) + sizeof(b))
			return false;
		memcpy(&b, r->bytes + sizeof(v[0]), sizeof(b));
		if ((b.kind != KIND_PREFIX && b.kind != KIND_REGEX) ||
			(uint32_t)b.host_len + b.text_len > PURGE_TEXT_MAX)
			return false;
		put_pattern(p, r->id - PLACE_PATTERN, v[0], &b);
	} else {
		if (r->len != sizeof(v))
			return false;
		put_mark(r->id == PLACE_ALL ? &p->all : &p->tags[r->id - PLACE_TAG], v);
	}
	return true;
}
