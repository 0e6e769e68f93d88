/* SPDX-License-Identifier: Apache-2.0
 * Keys of hashing schedulers, and sticky cookies. */
#include <stdio.h>
#include <string.h>

#include "dataplane/base/hash.h"
#include "lb/l7/http/proxy_pvt.h"
#include "lb/l7/sites.h"

/* Keys of consistent hashing are the same on every node. */
static const struct siphash_key key_seed = {UINT64_C(0x7765697275707374), 1};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* RFC 6265 5.4: pairs of one field, or of several, separated by "; ". The first of the name. */
static bool find_cookie(const struct http_head *h, const char *name, struct span *value)
{
	size_t name_len = strlen(name);

	for (const struct http_field *f = http_head_get(h, HTTP_FIELD_COOKIE, NULL); f != NULL;
		f = http_head_get(h, HTTP_FIELD_COOKIE, f)) {
		const char *p = f->value.at, *end = p + f->value.len;

		while (p < end) {
			const char *semi = memchr(p, ';', (size_t)(end - p)),
				   *stop = semi != NULL ? semi : end;

			while (p < stop && is_blank(*p))
				p++;
			if ((size_t)(stop - p) > name_len && p[name_len] == '=' &&
				memcmp(p, name, name_len) == 0) {
				p += name_len + 1;
				*value = (struct span){p, (uint32_t)(stop - p)};
				return true;
			}
			p = semi != NULL ? semi + 1 : end;
		}
	}
	return false;
}

static uint64_t hash_span(struct span s)
{
	return siphash24(&key_seed, s.at, s.len);
}

uint64_t http_proxy_hash(const struct http_stream *s, const struct config_upstream *u)
{
	const struct http_field *f;
	struct span v;

	switch (u->key) {
	case UPSTREAM_KEY_HEADER:
		v = (struct span){u->key_name, (uint32_t)strlen(u->key_name)};
		f = http_head_find(&s->req, v, NULL);
		if (f != NULL)
			return hash_span(f->value);
		break;
	case UPSTREAM_KEY_COOKIE:
		if (find_cookie(&s->req, u->key_name, &v))
			return hash_span(v);
		break;
	case UPSTREAM_KEY_PATH:
		return hash_span(s->req.path);
	case UPSTREAM_KEY_CLIENT:
		break;
	}
	return siphash24(&key_seed, &s->client, sizeof(s->client));
}

#define COOKIE_DIGITS 16

static uint64_t cookie_of(const struct http_stream *s, const struct config_upstream *u)
{
	struct span v;
	uint64_t n = 0;

	if (!find_cookie(&s->req, u->sticky_cookie, &v) || v.len != COOKIE_DIGITS)
		return 0;
	for (uint32_t i = 0; i < v.len; i++) {
		char c = v.at[i];

		if (c >= '0' && c <= '9')
			n = n << 4 | (uint64_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			n = n << 4 | (uint64_t)(c - 'a' + 10);
		else
			return 0;
	}
	return n;
}

/* A request whose policies took their time, or a fetch of the cache, may be of a configuration
 * before: its indexes mean nothing now, but names do. */
static const struct up_entry *entry_of(const struct http_stream *s, uint32_t idx)
{
	const struct l7_table *t = s->w->table;
	const struct config *was = s->sites->cfg;

	if (likely(s->sites == t->sites))
		return idx < t->ups->cnt ? &t->ups->entries[idx] : NULL;
	for (uint32_t i = 0; idx < was->upstream_cnt && i < t->ups->cnt; i++)
		if (strcmp(t->ups->entries[i].cfg->name, was->upstreams[idx].name) == 0)
			return &t->ups->entries[i];
	return NULL;
}

bool proxy_choose_upstream(struct proxy *p)
{
	struct http_stream *s = p->s;
	uint32_t idx = s->upstream != UINT32_MAX ? s->upstream
						 : http_route_target(s->w->route, s->route, s);
	const struct up_entry *e = entry_of(s, idx);
	const struct config_upstream *u;

	if (e == NULL)
		return false;
	u = e->cfg;
	p->up.upstream = e->id;
	if (u->balance == UPSTREAM_MAGLEV || u->balance == UPSTREAM_BOUNDED_HASH)
		p->up.hash = http_proxy_hash(s, u);
	if (u->sticky_cookie[0] != '\0')
		p->up.cookie = cookie_of(s, u);
	return true;
}

void proxy_set_cookie(struct proxy *p)
{
	const struct up_entry *e = up_entry_of(proxy_worker(p)->up, p->up.upstream);
	const char *name;
	char *text;
	int n;

	if (likely(e == NULL || e->cfg->sticky_cookie[0] == '\0' || p->up.cookie == p->up.chosen))
		return;
	name = e->cfg->sticky_cookie;
	text = http_arena_alloc(&p->s->arena, 128);
	if (text == NULL)
		return;
	n = snprintf(text, 128, "%s=%016llx; Path=/; HttpOnly; SameSite=Lax%s", name,
		(unsigned long long)p->up.chosen, p->s->secure ? "; Secure" : "");
	if (n > 0 && n < 128)
		(void)!http_head_add(
			&p->s->resp, HTTP_FIELD_SET_COOKIE, (struct span){text, (uint32_t)n});
}
