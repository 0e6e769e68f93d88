/* SPDX-License-Identifier: Apache-2.0
 * Tokens. A worker looks for one it has seen; others go to the thread of slow.h, as a signature
 * costs tens of microseconds and memory. Seconds of the wall clock are known to that thread alone:
 * it turns the end of a token's life into what is left of it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "dataplane/base/rng.h"
#include "dataplane/base/time.h"
#include "lb/config/arena.h"
#include "lb/l7/policy/jwt_check.h"
#include "lb/l7/policy/slow.h"

#define SAID_MAX 512 /* of what a token says; one that says more is verified anew each time */
#define FOREVER  (24 * 3600 * NS_PER_SEC)

_Static_assert(JWT_TOKEN_MAX < SLOW_IN, "a token fits a job");

struct said {
	struct seen_entry e;
	uint32_t len;
	char text[SAID_MAX];
};

struct jwt {
	struct http_policy p;
	struct arena arena;
	struct config_policy_jwt conf; /* lists in the arena */
	struct jwk_set *keys;
	struct jwt_rules rules;
	struct span from, cookie, query;
	enum http_field_id from_id;
	enum http_field_id *header_ids;
	struct span *headers;
	struct siphash_key seed[2];
	struct seen *seen;
	uint32_t worker_cnt;
};

/* ---- where is the token? ---- */

static const struct http_field *token_field(
	const struct jwt *j, const struct http_stream *s, const struct http_field *after)
{
	return http_head_find_as(&s->req, j->from_id, j->from, after);
}

/* at NULL: there is none. *twice: which of two fields a backend would read, nobody knows. */
static struct span find_token(const struct jwt *j, const struct http_stream *s, bool *twice)
{
	static const struct span scheme = SPAN("Bearer ");
	const struct http_field *f = token_field(j, s, NULL);
	struct span v = {NULL, 0};

	*twice = f && token_field(j, s, f);
	if (f)
		v = f->value;
	if (f && v.len > scheme.len && span_caseeq((struct span){v.at, scheme.len}, scheme)) {
		v = (struct span){v.at + scheme.len, v.len - scheme.len};
		while (v.len > 0 && v.at[0] == ' ') {
			v.at++;
			v.len--;
		}
	} else if (j->from_id == HTTP_FIELD_AUTHORIZATION) {
		v = (struct span){NULL, 0}; /* another scheme */
	}
	if (!v.at && j->cookie.len > 0)
		v = template_cookie(&s->req, j->cookie);
	if (!v.at && j->query.len > 0)
		v = template_query(s->req.query, j->query);
	return v;
}

/* ---- answers ---- */

static COLD enum http_verdict refuse(struct http_stream *s, bool given)
{
	(void)!http_head_set(&s->resp, HTTP_FIELD_WWW_AUTHENTICATE,
		given ? SPAN("Bearer error=\"invalid_token\"") : SPAN("Bearer"));
	return policy_refuse(s, HTTP_END_UNAUTHORIZED);
}

/* What the client says in our name is not for the backend. */
static void remove_spoofed(const struct jwt *j, struct http_stream *s)
{
	for (uint32_t i = 0; i < j->conf.header_cnt; i++)
		http_head_remove_as(&s->req, j->header_ids[i], j->headers[i]);
}

static struct span next_said(const char **p)
{
	struct span v;
	uint16_t len;

	memcpy(&len, *p, sizeof(len));
	v = (struct span){*p + sizeof(len), len};
	*p += sizeof(len) + len;
	return v;
}

static enum http_verdict accept(
	const struct jwt *j, struct http_stream *s, const char *said, uint32_t len)
{
	const char *p = http_arena_alloc(&s->arena, len);

	if (!p)
		return policy_refuse(s, HTTP_END_NO_MEMORY);
	memcpy((char *)(uintptr_t)p, said, len);
	for (uint32_t i = 0; i < j->conf.header_cnt; i++) {
		struct span v = next_said(&p);
		int rc = 0;

		if (v.len > 0)
			rc = j->header_ids[i] != HTTP_FIELD_OTHER
				     ? http_head_add(&s->req, j->header_ids[i], v)
				     : http_head_add_name(&s->req, j->headers[i], v);
		if (rc != 0)
			return policy_refuse(s, HTTP_END_HEAD_TOO_LARGE);
	}
	route_exchange(s)->user = next_said(&p);
	if (!j->conf.forward)
		http_head_remove_as(&s->req, j->from_id, j->from);
	return HTTP_GO;
}

/* ---- the slow way ---- */

static void work(struct slow_job *job)
{
	const struct jwt *j = container_of(job->policy, struct jwt, p);
	struct jwt_said said = {.out = job->out, .cap = sizeof(job->out)};
	int64_t now = (int64_t)time(NULL);

	job->result = jwt_check(&j->rules, (struct span){job->in, job->in_len}, now, &said);
	job->out_len = said.len;
	job->until = said.expires == 0 ? 0 : said.expires > now ? said.expires - now : 1;
}

static enum http_verdict done(
	struct slow_job *job, struct http_route_worker *rw, struct http_stream *s)
{
	const struct jwt *j = container_of(job->policy, struct jwt, p);
	uint64_t left = job->until && (uint64_t)job->until < FOREVER / NS_PER_SEC
				? (uint64_t)job->until * NS_PER_SEC
				: FOREVER;

	if (job->result != JWT_GOOD)
		return refuse(s, true);
	if (job->out_len <= SAID_MAX) {
		struct said *e = (struct said *)(void *)seen_add(
			&j->seen[rw->idx], job->hash, http_now_ns(s) + left);

		e->len = job->out_len;
		memcpy(e->text, job->out, job->out_len);
	}
	return accept(j, s, job->out, job->out_len);
}

static enum http_verdict jwt_request(
	const struct http_policy *p, struct http_route_worker *rw, struct http_stream *s)
{
	const struct jwt *j = container_of(p, struct jwt, p);
	bool twice;
	struct span token = find_token(j, s, &twice);
	struct slow_job *job;
	struct seen_entry *e;
	uint64_t hash[2];

	remove_spoofed(j, s);
	if (twice)
		return refuse(s, true);
	if (!token.at)
		return j->conf.optional ? HTTP_GO : refuse(s, false);
	if (token.len > JWT_TOKEN_MAX)
		return refuse(s, true);
	seen_hash(j->seed, token, hash);
	e = seen_find(&j->seen[rw->idx], hash, http_now_ns(s));
	if (e) {
		const struct said *said = (const struct said *)(const void *)e;

		return accept(j, s, said->text, said->len);
	}
	job = slow_job_get(rw);
	if (!job)
		return policy_refuse(s, HTTP_END_OVERLOADED);
	memcpy(job->in, token.at, token.len);
	job->in_len = token.len;
	job->hash[0] = hash[0];
	job->hash[1] = hash[1];
	job->work = work;
	job->done = done;
	return slow_submit(rw, s, p, job);
}

static void jwt_describe(const struct http_policy *p, FILE *out)
{
	const struct jwt *j = container_of(p, struct jwt, p);

	fprintf(out, "jwt: %u keys%s%s%s%s", jwk_cnt(j->keys),
		j->rules.algs & HTTP_JWT_HS256 ? ", HS256" : "",
		j->rules.algs & HTTP_JWT_RS256 ? ", RS256" : "",
		j->rules.algs & HTTP_JWT_ES256 ? ", ES256" : "",
		j->conf.optional ? ", optional" : "");
}

static void jwt_free(struct http_policy *p)
{
	struct jwt *j = container_of(p, struct jwt, p);

	for (uint32_t i = 0; i < j->worker_cnt; i++)
		seen_fini(&j->seen[i]);
	free(j->seen);
	jwk_set_free(j->keys);
	arena_fini(&j->arena);
	free(j);
}

static const struct http_policy_ops jwt_ops = {
	.name = "jwt",
	.request = jwt_request,
	.describe = jwt_describe,
	.free = jwt_free,
};

/* ---- making ---- */

static void *copy(struct jwt *j, const void *list, uint32_t cnt, size_t width)
{
	void *p = arena_array(&j->arena, cnt, width);

	if (p && cnt > 0)
		memcpy(p, list, cnt * width);
	return p;
}

static int copy_conf(struct jwt *j, const struct config_policy_jwt *c)
{
	j->conf = *c;
	j->conf.issuers = copy(j, c->issuers, c->issuer_cnt, sizeof(*c->issuers));
	j->conf.audiences = copy(j, c->audiences, c->audience_cnt, sizeof(*c->audiences));
	j->conf.require = copy(j, c->require, c->require_cnt, sizeof(*c->require));
	j->conf.headers = copy(j, c->headers, c->header_cnt, sizeof(*c->headers));
	j->conf.algs = NULL;
	j->from = route_span(&j->arena, c->from_header);
	j->cookie = route_span(&j->arena, c->cookie);
	j->query = route_span(&j->arena, c->query);
	j->headers = arena_array(&j->arena, c->header_cnt, sizeof(*j->headers));
	j->header_ids = arena_array(&j->arena, c->header_cnt, sizeof(*j->header_ids));
	if (j->arena.failed)
		return -ENOMEM;
	j->from_id = http_field_find(j->from);
	for (uint32_t i = 0; i < c->header_cnt; i++) {
		j->headers[i] = (struct span){
			j->conf.headers[i].value, (uint32_t)strlen(j->conf.headers[i].value)};
		j->header_ids[i] = http_field_find(j->headers[i]);
	}
	return 0;
}

static int read_keys(struct jwt *j, const struct config_policy_jwt *c, FILE *err)
{
	int rc = jwk_set_create(&j->keys);
	uint32_t allowed = 0;

	if (rc == 0 && c->keys[0])
		rc = jwk_read_file(j->keys, c->keys, err);
	if (rc == 0 && c->secret[0])
		rc = jwk_read_secret(j->keys, c->secret, err);
	if (rc != 0)
		return rc;
	for (uint32_t i = 0; i < c->alg_cnt; i++)
		allowed |= (uint32_t)c->algs[i];
	j->rules = (struct jwt_rules){.conf = &j->conf,
		.keys = j->keys,
		.algs = c->alg_cnt ? allowed & jwk_algs(j->keys) : jwk_algs(j->keys)};
	if (j->rules.algs == 0) {
		if (err)
			fprintf(err, "%s: error: no key is of an algorithm that is allowed\n",
				c->keys[0] ? c->keys : c->secret);
		return -EINVAL;
	}
	return 0;
}

static int make(struct jwt *j, const struct config_policy_jwt *c, uint32_t workers, FILE *err)
{
	int rc = copy_conf(j, c);

	if (rc == 0)
		rc = read_keys(j, c, err);
	if (rc != 0)
		return rc;
	rng_secret(j->seed, sizeof(j->seed));
	j->seen = calloc(workers ? workers : 1, sizeof(*j->seen));
	if (!j->seen)
		return -ENOMEM;
	for (; j->worker_cnt < workers; j->worker_cnt++)
		if (seen_init(&j->seen[j->worker_cnt], c->cache,
			    sizeof(struct said) - sizeof(struct seen_entry)) != 0)
			return -ENOMEM;
	return 0;
}

int policy_jwt_create(
	const struct config_policy_jwt *c, uint32_t workers, FILE *err, struct http_policy **out)
{
	struct jwt *j = calloc(1, sizeof(*j));
	int rc;

	*out = NULL;
	if (!j)
		return -ENOMEM;
	j->p = (struct http_policy){&jwt_ops, 1};
	arena_init(&j->arena);
	rc = make(j, c, workers, err);
	if (rc != 0) {
		jwt_free(&j->p);
		return rc;
	}
	*out = &j->p;
	return 0;
}
