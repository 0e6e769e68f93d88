/* SPDX-License-Identifier: Apache-2.0
 * Who the client is, and what backends are told about it.
 *
 * Each proxy appends the address of whom it heard from. Read from the end, the list may be believed
 * as long as the one who said so is trusted: the client is the last address that is not a trusted
 * proxy. Of the two notations only that is believed which `send` names (X-Forwarded-For with `both`
 * and `none`): a proxy before us that writes one may well pass the other on as a stranger sent it.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "dataplane/base/text.h"
#include "lb/l7/route/route_pvt.h"

/* "192.0.2.1", "192.0.2.1:80", "[2001:db8::1]:80", "2001:db8::1", each perhaps in quotes. */
static bool parse_node(struct span v, struct ip_addr *out)
{
	char text[IP_ADDR_TEXT_MAX], *colon;

	if (v.len >= 2 && v.at[0] == '"' && v.at[v.len - 1] == '"')
		v = (struct span){v.at + 1, v.len - 2};
	if (v.len > 0 && v.at[0] == '[') {
		const char *end = memchr(v.at, ']', v.len);

		if (!end)
			return false;
		v = (struct span){v.at + 1, (uint32_t)(end - v.at - 1)};
	}
	if (v.len == 0 || v.len >= sizeof(text) || memchr(v.at, '\0', v.len))
		return false;
	memcpy(text, v.at, v.len);
	text[v.len] = '\0';
	colon = strchr(text, ':');
	if (colon && !strchr(colon + 1, ':'))
		*colon = '\0';
	return ip_addr_parse(text, out) == 0;
}

/* The value of a parameter of one member of Forwarded (RFC 7239 4). */
static struct span parameter(struct span member, struct span name)
{
	const char *p = member.at, *end = p + member.len;

	while (p < end) {
		const char *stop = p, *eq;
		bool quoted = false;

		for (; stop < end && (quoted || *stop != ';'); stop++)
			quoted ^= *stop == '"';
		while (p < stop && (*p == ' ' || *p == '\t'))
			p++;
		eq = memchr(p, '=', (size_t)(stop - p));
		if (eq && span_caseeq((struct span){p, (uint32_t)(eq - p)}, name))
			return (struct span){eq + 1, (uint32_t)(stop - eq - 1)};
		p = stop + 1;
	}
	return (struct span){NULL, 0};
}

static void take_scheme(struct http_stream *s, struct span v)
{
	if (span_caseeq(v, SPAN("https")))
		s->req.scheme = SPAN("https");
	else if (span_caseeq(v, SPAN("http")))
		s->req.scheme = SPAN("http");
}

#define HOPS 64 /* of a longer list the end counts */

/* A member of Forwarded says of the same hop who asked and how. */
static void believe(const struct http_site *site, struct http_stream *s)
{
	bool rfc7239 = site->forward == HTTP_FORWARD_RFC7239;
	enum http_field_id id = rfc7239 ? HTTP_FIELD_FORWARDED : HTTP_FIELD_X_FORWARDED_FOR;
	struct http_list_iter it = {0};
	struct span members[HOPS], m;
	uint32_t cnt = 0;

	while (http_head_list_next(&s->req, id, &it, &m))
		members[cnt++ % HOPS] = m;
	for (uint32_t i = cnt; i-- > (cnt > HOPS ? cnt - HOPS : 0);) {
		struct ip_addr a;
		struct span node = members[i % HOPS];

		if (rfc7239) {
			node = parameter(members[i % HOPS], SPAN("for"));
			take_scheme(s, parameter(members[i % HOPS], SPAN("proto")));
		}
		if (!node.at || !parse_node(node, &a))
			return;
		s->client = a;
		s->client_port = 0;
		if (!prefix_set_has(site->trusted, &a))
			return;
	}
}

static void believe_scheme(const struct http_site *site, struct http_stream *s)
{
	const struct http_field *f = http_head_get(&s->req, HTTP_FIELD_X_FORWARDED_PROTO, NULL);

	if (f && site->forward != HTTP_FORWARD_RFC7239)
		take_scheme(s, f->value);
}

/* Fields by which strangers could speak as a proxy. */
static bool speaks_for_client(const struct http_field *f)
{
	static const struct span prefix = SPAN("x-forwarded-");

	if (f->id == HTTP_FIELD_FORWARDED)
		return true;
	if (f->name.len > prefix.len)
		return span_caseeq((struct span){f->name.at, prefix.len}, prefix);
	return span_caseeq(f->name, SPAN("x-real-ip"));
}

void forwarded_client(const struct http_site *site, struct http_stream *s, struct http_exchange *x)
{
	x->hop = s->client;
	x->trusted = prefix_set_has(site->trusted, &s->client);
	s->req.scheme = s->secure ? SPAN("https") : SPAN("http");
	if (x->trusted) {
		believe_scheme(site, s);
		believe(site, s);
		return;
	}
	for (uint32_t i = 0; i < s->req.field_cnt; i++)
		if (speaks_for_client(&s->req.fields[i]))
			s->req.fields[i].flags |= HTTP_F_GONE;
}

/* ---- what backends are told ---- */

/* One more member at the end of a list. */
static bool set_list(struct http_stream *s, enum http_field_id id, const char *more, size_t len)
{
	uint32_t need = (uint32_t)len;
	struct http_list_iter it = {0};
	const struct http_field *f = http_head_get(&s->req, id, NULL);
	struct span m;
	char *text, *p;

	while (f && http_head_list_next(&s->req, id, &it, &m))
		need += m.len + 2;
	text = p = http_arena_alloc(&s->arena, need);
	if (!text)
		return false;
	memset(&it, 0, sizeof(it));
	while (f && http_head_list_next(&s->req, id, &it, &m)) {
		memcpy(p, m.at, m.len);
		p += m.len;
		*p++ = ',';
		*p++ = ' ';
	}
	memcpy(p, more, len);
	if (!f)
		return http_head_add(&s->req, id, (struct span){text, need}) == 0;
	return http_head_set(&s->req, id, (struct span){text, need}) == 0;
}

/* Of a field that a trusted proxy may have set already. */
static bool set_unless(struct http_stream *s, const struct http_exchange *x, enum http_field_id id,
	struct span value)
{
	if (x->trusted && http_head_get(&s->req, id, NULL))
		return true;
	return http_head_set(&s->req, id, value) == 0;
}

static bool host_and_port(struct http_stream *s, const struct http_exchange *x, struct span *out)
{
	uint32_t n = x->original_host.len;
	char *text;

	*out = x->original_host;
	if (s->req.port == 0 || n == 0)
		return true;
	text = http_arena_alloc(&s->arena, n + 8);
	if (!text)
		return false;
	memcpy(text, x->original_host.at, n);
	text[n] = ':';
	*out = (struct span){text, n + 1 + text_u32(text + n + 1, s->req.port)};
	return true;
}

static bool x_forwarded(struct http_stream *s, const struct http_exchange *x, struct span host)
{
	char text[IP_ADDR_TEXT_MAX];
	char *port = http_arena_alloc(&s->arena, 8);

	ip_addr_format(&x->hop, text);
	if (!port || !set_list(s, HTTP_FIELD_X_FORWARDED_FOR, text, strlen(text)) ||
		!set_unless(s, x, HTTP_FIELD_X_FORWARDED_PROTO, s->req.scheme))
		return false;
	if (!set_unless(s, x, HTTP_FIELD_X_FORWARDED_PORT,
		    (struct span){port, text_u32(port, ntohs(s->local_port))}))
		return false;
	return host.len == 0 || set_unless(s, x, HTTP_FIELD_X_FORWARDED_HOST, host);
}

static bool plain_host(struct span host)
{
	for (uint32_t i = 0; i < host.len; i++)
		if (host.at[i] == '"' || host.at[i] == '\\')
			return false;
	return true;
}

static bool rfc7239(struct http_stream *s, const struct http_exchange *x, struct span host)
{
	char addr[IP_ADDR_TEXT_MAX], text[512];
	bool is4 = ip_addr_is4(&x->hop);
	int n;

	ip_addr_format(&x->hop, addr);
	if (!plain_host(host) || host.len > 300)
		host.len = 0;
	n = snprintf(text, sizeof(text), is4 ? "for=%s;proto=%.*s" : "for=\"[%s]\";proto=%.*s",
		addr, (int)s->req.scheme.len, s->req.scheme.at);
	if (host.len > 0)
		n += snprintf(text + n, sizeof(text) - (size_t)n, ";host=\"%.*s\"", (int)host.len,
			host.at);
	return set_list(s, HTTP_FIELD_FORWARDED, text, (size_t)n);
}

enum http_end forwarded_fields(
	const struct http_site *site, struct http_stream *s, const struct http_exchange *x)
{
	enum http_forward f = site->forward;
	struct span host = {"", 0};
	bool ok = f == HTTP_FORWARD_NONE || host_and_port(s, x, &host);

	/* The notation that is not believed is not passed on. */
	if (f == HTTP_FORWARD_RFC7239)
		http_head_remove(&s->req, HTTP_FIELD_X_FORWARDED_FOR);
	else
		http_head_remove(&s->req, HTTP_FIELD_FORWARDED);
	if (ok && (f == HTTP_FORWARD_X || f == HTTP_FORWARD_BOTH))
		ok = x_forwarded(s, x, host);
	if (ok && (f == HTTP_FORWARD_RFC7239 || f == HTTP_FORWARD_BOTH))
		ok = rfc7239(s, x, host);
	return ok ? HTTP_END_OK : HTTP_END_NO_MEMORY;
}
