/* SPDX-License-Identifier: Apache-2.0
 * Name and password (RFC 7617) against a file of crypt(5) hashes. Hashing is slow by design, so the
 * thread of slow.h does it; a worker remembers what was right, as a secret hash, for a while. What
 * was wrong is not remembered: it costs the thread's time, and nobody else's. */
#include <crypt.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

#include "dataplane/base/rng.h"
#include "dataplane/base/time.h"
#include "lb/config/arena.h"
#include "lb/l7/policy/base64.h"
#include "lb/l7/policy/slow.h"

#define PAIR_MAX    512 /* "name:password", decoded */
#define REMEMBER_NS (300 * NS_PER_SEC)
#define REMEMBERED  1024
#define FILE_MAX    (16 << 20)

struct user {
	struct span name;
	const char *hash;
};

struct basic {
	struct http_policy p;
	struct arena arena;
	struct user *users; /* sorted by name */
	uint32_t user_cnt;
	const char *nobody; /* a hash that is tried for names that are not there */
	struct span challenge;
	bool forward;
	char file[256];
	struct siphash_key seed[2];
	struct seen *seen; /* of each worker */
	uint32_t worker_cnt;
};

static int by_name(struct span a, struct span b)
{
	int c = memcmp(a.at, b.at, a.len < b.len ? a.len : b.len);

	return c ? c : a.len < b.len ? -1 : a.len > b.len;
}

static int user_order(const void *a, const void *b)
{
	return by_name(((const struct user *)a)->name, ((const struct user *)b)->name);
}

static const struct user *find(const struct basic *b, struct span name)
{
	const struct user key = {.name = name};

	return b->user_cnt ? bsearch(&key, b->users, b->user_cnt, sizeof(key), user_order) : NULL;
}

/* ---- requests ---- */

static COLD enum http_verdict ask(const struct basic *b, struct http_stream *s)
{
	(void)!http_head_set(&s->resp, HTTP_FIELD_WWW_AUTHENTICATE, b->challenge);
	return policy_refuse(s, HTTP_END_UNAUTHORIZED);
}

static enum http_verdict welcome(const struct basic *b, struct http_stream *s, struct span name)
{
	char *text = http_arena_alloc(&s->arena, name.len + 1);

	if (!text)
		return policy_refuse(s, HTTP_END_NO_MEMORY);
	memcpy(text, name.at, name.len);
	route_exchange(s)->user = (struct span){text, name.len};
	if (!b->forward)
		http_head_remove(&s->req, HTTP_FIELD_AUTHORIZATION);
	return HTTP_GO;
}

/* The one field Authorization: Basic, decoded into out; 0: there is none, or not such a one. */
static uint32_t credentials(const struct http_stream *s, char *out)
{
	const struct http_field *f = http_head_get(&s->req, HTTP_FIELD_AUTHORIZATION, NULL);
	static const struct span scheme = SPAN("Basic ");
	struct span v;
	int n;

	if (!f || http_head_get(&s->req, HTTP_FIELD_AUTHORIZATION, f) ||
		f->value.len <= scheme.len ||
		!span_caseeq((struct span){f->value.at, scheme.len}, scheme))
		return 0;
	v = (struct span){f->value.at + scheme.len, f->value.len - scheme.len};
	while (v.len > 0 && v.at[0] == ' ') {
		v.at++;
		v.len--;
	}
	n = base64_decode(v, false, out, PAIR_MAX);
	if (n <= 0 || memchr(out, '\0', (size_t)n) || !memchr(out, ':', (size_t)n))
		return 0;
	return (uint32_t)n;
}

static void work(struct slow_job *j)
{
	static struct crypt_data data; /* 32 KiB; there is one thread */
	const struct basic *b = container_of(j->policy, struct basic, p);
	char *colon = memchr(j->in, ':', j->in_len);
	const struct user *u = find(b, (struct span){j->in, (uint32_t)(colon - j->in)});
	const char *hash = u ? u->hash : b->nobody, *got;

	j->in[j->in_len] = '\0';
	got = crypt_r(colon + 1, hash, &data);
	j->result = u && got && strlen(got) == strlen(hash) &&
		    CRYPTO_memcmp(got, hash, strlen(hash)) == 0;
	OPENSSL_cleanse(j->in, j->in_len);
	OPENSSL_cleanse(&data, sizeof(data));
}

static enum http_verdict done(
	struct slow_job *j, struct http_route_worker *rw, struct http_stream *s)
{
	const struct basic *b = container_of(j->policy, struct basic, p);
	const char *colon;
	char pair[PAIR_MAX];
	uint32_t n;

	if (!j->result)
		return ask(b, s);
	(void)seen_add(&b->seen[rw->idx], j->hash, http_now_ns(s) + REMEMBER_NS);
	n = credentials(s, pair);
	colon = memchr(pair, ':', n);
	return welcome(b, s, (struct span){pair, (uint32_t)(colon - pair)});
}

static enum http_verdict basic_request(
	const struct http_policy *p, struct http_route_worker *rw, struct http_stream *s)
{
	const struct basic *b = container_of(p, struct basic, p);
	struct slow_job *j;
	char pair[PAIR_MAX];
	uint32_t n = credentials(s, pair);
	uint64_t hash[2];

	if (n == 0)
		return ask(b, s);
	seen_hash(b->seed, (struct span){pair, n}, hash);
	if (seen_find(&b->seen[rw->idx], hash, http_now_ns(s)))
		return welcome(
			b, s, (struct span){pair, (uint32_t)((char *)memchr(pair, ':', n) - pair)});
	j = slow_job_get(rw);
	if (!j)
		return policy_refuse(s, HTTP_END_OVERLOADED);
	memcpy(j->in, pair, n);
	j->in_len = n;
	j->hash[0] = hash[0];
	j->hash[1] = hash[1];
	j->work = work;
	j->done = done;
	return slow_submit(rw, s, p, j);
}

static void basic_describe(const struct http_policy *p, FILE *out)
{
	const struct basic *b = container_of(p, struct basic, p);

	fprintf(out, "basic_auth: %u users of %s", b->user_cnt, b->file);
}

static void basic_free(struct http_policy *p)
{
	struct basic *b = container_of(p, struct basic, p);

	for (uint32_t i = 0; i < b->worker_cnt; i++)
		seen_fini(&b->seen[i]);
	free(b->seen);
	arena_fini(&b->arena);
	free(b);
}

static const struct http_policy_ops basic_ops = {
	.name = "basic_auth",
	.request = basic_request,
	.describe = basic_describe,
	.free = basic_free,
};

/* ---- the file ---- */

static int wrong(FILE *err, const char *file, uint32_t line, const char *what)
{
	if (err)
		fprintf(err, "%s:%u: error: %s\n", file, line, what);
	return -EINVAL;
}

/* NULL, or why crypt() would not take the hash. */
static const char *bad_hash(const char *hash)
{
	if (strncmp(hash, "$apr1$", 6) == 0 || strncmp(hash, "{SHA}", 5) == 0 ||
		strncmp(hash, "$1$", 3) == 0)
		return "MD5 and unsalted SHA-1 are too weak: use 'htpasswd -B' or 'openssl passwd "
		       "-6'";
	if (hash[0] != '$')
		return "this is no hash of crypt(5): use 'htpasswd -B' or 'openssl passwd -6'";
	return crypt_checksalt(hash) == CRYPT_SALT_INVALID ? "this hash is not supported" : NULL;
}

static int read_line(struct basic *b, char *line, const char *file, uint32_t no, FILE *err)
{
	size_t n = strcspn(line, "\r\n");
	char *colon;
	const char *why;

	line[n] = '\0';
	if (line[0] == '\0' || line[0] == '#')
		return 0;
	colon = strchr(line, ':');
	if (!colon || colon == line)
		return wrong(err, file, no, "expected NAME:HASH");
	*colon = '\0';
	why = bad_hash(colon + 1);
	if (why)
		return wrong(err, file, no, why);
	b->users[b->user_cnt].name = route_span(&b->arena, line);
	b->users[b->user_cnt].hash = arena_text(&b->arena, colon + 1, strlen(colon + 1));
	if (!b->users[b->user_cnt].name.at || !b->users[b->user_cnt].hash)
		return -ENOMEM;
	b->user_cnt++;
	return 0;
}

static int read_users(struct basic *b, const char *file, FILE *err)
{
	FILE *f = fopen(file, "re");
	uint32_t no = 0, cap = 0;
	char *line = NULL;
	size_t size = 0;
	int rc = 0;

	if (!f) {
		if (err)
			fprintf(err, "%s: error: %s\n", file, strerror(errno));
		return -EINVAL;
	}
	while (rc == 0 && getline(&line, &size, f) >= 0) {
		if (b->user_cnt == cap) {
			struct user *more;

			cap = cap ? 2 * cap : 64;
			more = arena_array(&b->arena, cap, sizeof(*more));
			if (!more) {
				rc = -ENOMEM;
				break;
			}
			if (b->user_cnt)
				memcpy(more, b->users, b->user_cnt * sizeof(*more));
			b->users = more;
		}
		rc = b->arena.used_bytes > FILE_MAX ? wrong(err, file, no, "the file is too large")
						    : read_line(b, line, file, ++no, err);
	}
	free(line);
	fclose(f);
	if (rc != 0)
		return rc;
	if (b->user_cnt == 0)
		return wrong(err, file, 1, "nobody is in this file");
	qsort(b->users, b->user_cnt, sizeof(*b->users), user_order);
	for (uint32_t i = 1; i < b->user_cnt; i++)
		if (by_name(b->users[i - 1].name, b->users[i].name) == 0) {
			if (err)
				fprintf(err, "%s: error: '%s' is there twice\n", file,
					b->users[i].name.at);
			return -EINVAL;
		}
	b->nobody = b->users[0].hash;
	return 0;
}

static int make(struct basic *b, const struct config_policy_basic *c, uint32_t workers, FILE *err)
{
	char text[192];
	int rc = read_users(b, c->users, err);

	if (rc != 0)
		return rc;
	for (const char *p = c->realm; *p; p++)
		if (*p == '"' || *p == '\\')
			return wrong(err, c->users, 1, "the realm holds a quote or backslash");
	snprintf(b->file, sizeof(b->file), "%s", c->users);
	b->forward = c->forward;
	snprintf(text, sizeof(text), "Basic realm=\"%s\", charset=\"UTF-8\"", c->realm);
	b->challenge = route_span(&b->arena, text);
	rng_secret(b->seed, sizeof(b->seed));
	b->seen = calloc(workers ? workers : 1, sizeof(*b->seen));
	if (!b->challenge.at || !b->seen)
		return -ENOMEM;
	for (; b->worker_cnt < workers; b->worker_cnt++)
		if (seen_init(&b->seen[b->worker_cnt], REMEMBERED, 0) != 0)
			return -ENOMEM;
	return 0;
}

int policy_basic_create(
	const struct config_policy_basic *c, uint32_t workers, FILE *err, struct http_policy **out)
{
	struct basic *b = calloc(1, sizeof(*b));
	int rc;

	*out = NULL;
	if (!b)
		return -ENOMEM;
	b->p = (struct http_policy){&basic_ops, 1};
	arena_init(&b->arena);
	rc = make(b, c, workers, err);
	if (rc != 0) {
		basic_free(&b->p);
		return rc;
	}
	*out = &b->p;
	return 0;
}
