/* SPDX-License-Identifier: Apache-2.0
 * Answers of weir itself: redirects, fixed responses, error pages. */
#include <stdio.h>
#include <string.h>

#include "lb/l7/http/own.h"
#include "lb/l7/route/route_pvt.h"

static struct span location(struct http_stream *s, const struct http_fixed *f)
{
	struct span to;

	template_expand(f->location, s, route_exchange(s), &to);
	if (to.at && to.len >= 2 && to.at[0] == '/' && (to.at[1] == '/' || to.at[1] == '\\')) {
		/* "//name" would lead to another site (RFC 3986 4.2); the path is meant. */
		char *p = http_arena_alloc(&s->arena, to.len + 2);

		if (!p)
			return (struct span){NULL, 0};
		memcpy(p, "/.", 2);
		memcpy(p + 2, to.at, to.len);
		to = (struct span){p, to.len + 2};
	}
	return to;
}

static void fixed_start(struct http_stream *s)
{
	const struct http_fixed *f = s->route->fixed;

	if (s->req.framing != HTTP_BODY_NONE)
		http_body_ignore(s);
	if (f->location) {
		struct span to = location(s, f);

		if (!to.at || http_head_set(&s->resp, HTTP_FIELD_LOCATION, to) != 0) {
			http_fail(s, HTTP_END_NO_MEMORY);
			return;
		}
	} else if (s->route->idx == UINT32_MAX &&
		   http_head_set(&s->resp, HTTP_FIELD_ALLOW,
			   SPAN("GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH")) != 0) {
		http_fail(s, HTTP_END_NO_MEMORY);
		return;
	}
	/* The site has it, which stays as long as the stream. */
	if (f->body.len > OWN_WHOLE)
		http_respond_from(s, f->status, f->type,
			&(struct http_source){.at = f->body.at, .len = f->body.len});
	else
		http_respond(s, f->status, f->type, f->body);
}

const struct http_action http_action_fixed = {.name = "respond", .start = fixed_start};

/* ---- error pages ---- */

static const struct error_page *page_for(const struct http_site *site, uint16_t status)
{
	for (uint32_t i = 0; i < site->page_cnt; i++) {
		const struct error_page *p = &site->pages[i];

		if (p->status_cnt == 0)
			return p;
		for (uint32_t k = 0; k < p->status_cnt; k++)
			if (p->statuses[k] == status)
				return p;
	}
	return NULL;
}

struct filling {
	char *out; /* NULL: only measure */
	uint32_t len;
};

static void put(struct filling *f, const char *at, uint32_t len)
{
	if (f->out && len > 0)
		memcpy(f->out + f->len, at, len);
	f->len += len;
}

/* Identifiers hold nothing that HTML would take for its own. */
static void fill(struct filling *f, struct span body, struct http_stream *s, uint16_t status)
{
	char digits[8];
	const struct {
		struct span name, value;
	} vars[] = {
		{SPAN("${status}"),
			{digits, (uint32_t)snprintf(digits, sizeof(digits), "%u", status)}},
		{SPAN("${reason}"), http_status_text(status)},
		{SPAN("${request_id}"), s->request_id},
	};
	uint32_t from = 0;

	for (uint32_t i = 0; i < body.len; i++) {
		if (body.at[i] != '$')
			continue;
		for (size_t k = 0; k < ARRAY_SIZE(vars); k++) {
			if (body.len - i < vars[k].name.len ||
				memcmp(body.at + i, vars[k].name.at, vars[k].name.len) != 0)
				continue;
			put(f, body.at + from, i - from);
			put(f, vars[k].value.at, vars[k].value.len);
			from = i + vars[k].name.len;
			i = from - 1;
			break;
		}
	}
	put(f, body.at + from, body.len - from);
}

bool http_site_error_page(const struct http_site *site, struct http_stream *s, uint16_t status,
	struct span *type, struct span *body)
{
	const struct error_page *p = page_for(site, status);
	struct filling f = {0};

	if (!p)
		return false;
	*type = p->type;
	*body = p->body;
	if (!memchr(p->body.at, '$', p->body.len))
		return true;
	fill(&f, p->body, s, status);
	/* A page that is too large for a stream's memory is sent as it was written. */
	f.out = f.len < HTTP_ARENA_SLAB / 2 ? http_arena_alloc(&s->arena, f.len + 1) : NULL;
	if (!f.out)
		return true;
	f.len = 0;
	fill(&f, p->body, s, status);
	*body = (struct span){f.out, f.len};
	return true;
}
