/* SPDX-License-Identifier: Apache-2.0
 * A template is a list of pieces: literal text, or a variable with its argument. Expanding goes
 * over the list twice: once to measure, once to write. */
#include "lb/l7/route/template.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/text.h"
#include "dataplane/tls/tls.h"
#include "lb/config/suggest.h"
#include "lb/l7/route/route.h"

/* clang-format off */
#define VARIABLES(V) \
	V(CLIENT_IP, "client_ip") V(CLIENT_PORT, "client_port") V(PEER_IP, "peer_ip") \
	V(LOCAL_IP, "local_ip") V(LOCAL_PORT, "local_port") V(SCHEME, "scheme") V(HOST, "host") \
	V(PORT, "port") V(METHOD, "method") V(PATH, "path") V(QUERY, "query") V(URI, "uri") \
	V(REQUEST_ID, "request_id") V(TRACE_ID, "trace_id") V(ROUTE, "route") V(USER, "user") \
	V(STATUS, "status") V(TLS_VERSION, "tls_version") V(TLS_CIPHER, "tls_cipher") V(TLS_SNI, "tls_sni") \
	V(CERT_SUBJECT, "client_cert_subject") V(CERT_ISSUER, "client_cert_issuer") \
	V(CERT_SERIAL, "client_cert_serial") V(CERT_SHA256, "client_cert_sha256") \
	V(CERT_SAN, "client_cert_san") V(CERT_VERIFIED, "client_cert_verified")
/* clang-format on */

enum variable {
	VAR_TEXT,
#define V(id, name) VAR_##id,
	VARIABLES(V)
#undef V
		VAR_HEADER,
	VAR_COOKIE,
	VAR_PARAMETER,
	VAR_CAPTURE,
};

static const char *const names[] = {
#define V(id, name) [VAR_##id] = name,
	VARIABLES(V)
#undef V
};

#define PIECES 64

struct piece {
	enum variable var;
	uint32_t capture;
	struct span text; /* literal, or the name behind the point */
	enum http_field_id field;
};

struct template
{
	enum template_mode mode;
	uint32_t cnt, captures;
	struct piece pieces[PIECES];
	char text[];
};

/* ---- compile ---- */

static int unknown(const char *name, char *why)
{
	struct suggest s;

	suggest_init(&s, name);
	for (size_t i = 1; i < ARRAY_SIZE(names); i++)
		suggest_try(&s, names[i]);
	if (s.best)
		snprintf(why, TEMPLATE_WHY, "unknown variable '${%.64s}'; did you mean '${%s}'?",
			name, s.best);
	else
		snprintf(why, TEMPLATE_WHY, "unknown variable '${%.64s}'", name);
	return -EINVAL;
}

static int variable(struct template *t, struct piece *p, struct span name, char *why)
{
	static const struct {
		struct span prefix;
		enum variable var;
	} dotted[] = {
		{SPAN("header."), VAR_HEADER},
		{SPAN("cookie."), VAR_COOKIE},
		{SPAN("query."), VAR_PARAMETER},
	};
	char text[80];

	if (name.len == 1 && name.at[0] >= '0' && name.at[0] <= '9') {
		p->var = VAR_CAPTURE;
		p->capture = (uint32_t)(name.at[0] - '0');
		if (t->captures <= p->capture)
			t->captures = p->capture + 1;
		return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(dotted); i++) {
		struct span pre = dotted[i].prefix;

		if (name.len <= pre.len || memcmp(name.at, pre.at, pre.len) != 0)
			continue;
		p->var = dotted[i].var;
		p->text = (struct span){name.at + pre.len, name.len - pre.len};
		p->field = http_field_find(p->text);
		return 0;
	}
	for (size_t i = 1; i < ARRAY_SIZE(names); i++) {
		if (strlen(names[i]) == name.len && memcmp(names[i], name.at, name.len) == 0) {
			p->var = (enum variable)i;
			return 0;
		}
	}
	snprintf(text, sizeof(text), "%.*s", (int)(name.len < 64 ? name.len : 64), name.at);
	return unknown(text, why);
}

/* The piece that begins at p; the rest of the text, or NULL with *rc set. */
static const char *piece_at(struct template *t, struct piece *pc, const char *p, int *rc, char *why)
{
	const char *end;

	*rc = -EINVAL;
	if (p[0] == '$' && p[1] == '$') {
		pc->text = (struct span){p, 1};
		return p + 2;
	}
	if (p[0] == '$' && p[1] == '{') {
		end = strchr(p, '}');
		if (!end) {
			snprintf(why, TEMPLATE_WHY, "'${' without '}'");
			return NULL;
		}
		*rc = variable(t, pc, (struct span){p + 2, (uint32_t)(end - p - 2)}, why);
		return *rc == 0 ? end + 1 : NULL;
	}
	if (p[0] == '$') {
		snprintf(why, TEMPLATE_WHY, "'$' is followed by neither '{' nor '$'");
		return NULL;
	}
	end = p + strcspn(p, "$");
	pc->text = (struct span){p, (uint32_t)(end - p)};
	return end;
}

int template_compile(const char *text, enum template_mode mode, struct template **out, char *why)
{
	size_t len = strlen(text);
	struct template *t = calloc(1, sizeof(*t) + len + 1);
	const char *p;
	int rc = 0;

	*out = NULL;
	if (!t)
		return -ENOMEM;
	memcpy(t->text, text, len + 1);
	t->mode = mode;
	for (p = t->text; p && *p;) {
		if (t->cnt == PIECES) {
			snprintf(why, TEMPLATE_WHY, "more than %d pieces", PIECES);
			rc = -EINVAL;
			break;
		}
		p = piece_at(t, &t->pieces[t->cnt++], p, &rc, why);
	}
	if (p && *p == '\0')
		rc = 0;
	if (rc != 0) {
		free(t);
		return rc;
	}
	*out = t;
	return 0;
}

void template_free(struct template *t)
{
	free(t);
}

const char *template_text(const struct template *t)
{
	return t->text;
}

uint32_t template_captures(const struct template *t)
{
	return t->captures;
}

/* ---- values ---- */

struct span template_cookie(const struct http_head *h, struct span name)
{
	const struct http_field *f = NULL;

	while ((f = http_head_get(h, HTTP_FIELD_COOKIE, f))) {
		const char *p = f->value.at, *end = p + f->value.len;

		while (p < end) {
			const char *stop = memchr(p, ';', (size_t)(end - p));
			const char *eq;

			if (!stop)
				stop = end;
			while (p < stop && (*p == ' ' || *p == '\t'))
				p++;
			eq = memchr(p, '=', (size_t)(stop - p));
			if (eq && (size_t)(eq - p) == name.len && memcmp(p, name.at, name.len) == 0)
				return (struct span){eq + 1, (uint32_t)(stop - eq - 1)};
			p = stop + 1;
		}
	}
	return (struct span){NULL, 0};
}

struct span template_query(struct span query, struct span name)
{
	const char *p = query.at, *end = query.at + query.len;

	while (p < end) {
		const char *stop = memchr(p, '&', (size_t)(end - p)), *eq;

		if (!stop)
			stop = end;
		eq = memchr(p, '=', (size_t)(stop - p));
		if ((size_t)((eq ? eq : stop) - p) == name.len && memcmp(p, name.at, name.len) == 0)
			return eq ? (struct span){eq + 1, (uint32_t)(stop - eq - 1)}
				  : (struct span){stop, 0};
		p = stop + 1;
	}
	return (struct span){NULL, 0};
}

struct scratch {
	char text[IP_ADDR_TEXT_MAX];
};

static struct span number(struct scratch *sc, uint32_t v)
{
	return (struct span){sc->text, text_u32(sc->text, v)};
}

static struct span address(struct scratch *sc, const struct ip_addr *a)
{
	ip_addr_format(a, sc->text);
	return (struct span){sc->text, (uint32_t)strlen(sc->text)};
}

static struct span field_value(const struct http_head *h, const struct piece *p)
{
	const struct http_field *f = http_head_find_as(h, p->field, p->text, NULL);

	return f ? f->value : SPAN("");
}

static struct span text_of(const char *text)
{
	return (struct span){text, (uint32_t)strlen(text)};
}

/* Of the client's connection; empty without TLS, or without a certificate. */
static struct span tls_value(enum variable v, struct http_stream *s)
{
	const struct tls_cert_text *cert;
	struct tls_info i;

	if (s->tls == NULL)
		return SPAN("");
	tls_info(s->tls, &i);
	switch (v) {
	case VAR_TLS_VERSION:
		return text_of(i.version);
	case VAR_TLS_CIPHER:
		return text_of(i.cipher);
	case VAR_TLS_SNI:
		return text_of(i.sni);
	case VAR_CERT_VERIFIED:
		return !i.peer_cert ? SPAN("") : i.peer_verified ? SPAN("yes") : SPAN("no");
	default:
		break;
	}
	cert = http_client_cert(s);
	if (cert == NULL)
		return SPAN("");
	switch (v) {
	case VAR_CERT_SUBJECT:
		return text_of(cert->subject);
	case VAR_CERT_ISSUER:
		return text_of(cert->issuer);
	case VAR_CERT_SERIAL:
		return text_of(cert->serial);
	case VAR_CERT_SHA256:
		return text_of(cert->sha256);
	default:
		return text_of(cert->san);
	}
}

static unsigned effective_port(const struct http_stream *s)
{
	return s->req.port ? s->req.port : span_eq(s->req.scheme, SPAN("https")) ? 443 : 80;
}

static struct span value_of(const struct piece *p, struct http_stream *s,
	const struct http_exchange *x, struct scratch *sc)
{
	switch (p->var) {
	case VAR_TEXT:
		return p->text;
	case VAR_CLIENT_IP:
		return address(sc, &s->client);
	case VAR_CLIENT_PORT:
		return number(sc, ntohs(s->client_port));
	case VAR_PEER_IP:
		return address(sc, &s->peer);
	case VAR_LOCAL_IP:
		return address(sc, &s->local);
	case VAR_LOCAL_PORT:
		return number(sc, ntohs(s->local_port));
	case VAR_SCHEME:
		return s->req.scheme;
	case VAR_HOST:
		return x ? x->original_host : s->req.host;
	case VAR_PORT:
		return number(sc, effective_port(s));
	case VAR_METHOD:
		return s->req.method_text;
	case VAR_PATH:
		return x ? x->original_path : s->req.path;
	case VAR_QUERY:
		return x ? x->original_query : s->req.query;
	case VAR_REQUEST_ID:
		return s->request_id;
	case VAR_TRACE_ID:
		return x ? x->trace_id : SPAN("");
	case VAR_ROUTE:
		return s->route ? (struct span){s->route->name, (uint32_t)strlen(s->route->name)}
				: SPAN("");
	case VAR_USER:
		return x ? x->user : SPAN("");
	case VAR_STATUS:
		return number(sc, s->resp.status);
	case VAR_HEADER:
		return field_value(&s->req, p);
	case VAR_COOKIE:
		return template_cookie(&s->req, p->text);
	case VAR_PARAMETER:
		return template_query(x ? x->original_query : s->req.query, p->text);
	case VAR_CAPTURE:
		return x && p->capture < x->capture_cnt ? x->captures[p->capture] : SPAN("");
	case VAR_URI:
		break;
	default:
		return tls_value(p->var, s);
	}
	return SPAN("");
}

/* ---- writing ---- */

/* A URI is broken by these (RFC 3986 2); '%' may be part of a triplet that is already there. */
static bool breaks_uri(unsigned char c)
{
	return c <= 0x20 || c >= 0x7f || strchr("\"<>\\^`{|}", c) != NULL;
}

/* Out of hands of the client, other than what the codec and normalising have bounded. */
static bool is_free_text(enum variable v)
{
	return v == VAR_HEADER || v == VAR_COOKIE || v == VAR_PARAMETER || v == VAR_USER ||
	       v == VAR_REQUEST_ID || v == VAR_QUERY || v == VAR_URI || v >= VAR_TLS_SNI;
}

struct writer {
	char *out; /* NULL: only measure */
	uint32_t len;
};

static void put(struct writer *w, const char *text, uint32_t len)
{
	if (w->out && len > 0)
		memcpy(w->out + w->len, text, len);
	w->len += len;
}

static void put_value(struct writer *w, struct span v, bool encode)
{
	static const char digits[] = "0123456789ABCDEF";

	for (uint32_t i = 0; i < v.len; i++) {
		unsigned char c = (unsigned char)v.at[i];
		char triplet[3] = {'%', digits[c >> 4], digits[c & 15]};

		if (c == 0x7f || (c < 0x20 && c != '\t'))
			continue;
		if (encode && breaks_uri(c))
			put(w, triplet, 3);
		else
			put(w, &v.at[i], 1);
	}
}

static void put_piece(struct writer *w, const struct template *t, const struct piece *p,
	struct http_stream *s, const struct http_exchange *x)
{
	bool encode = t->mode == TEMPLATE_URI && is_free_text(p->var);
	struct scratch sc;

	if (p->var == VAR_URI) {
		struct span query = x ? x->original_query : s->req.query;

		put_value(w, x ? x->original_path : s->req.path, encode);
		if (s->req.has_query || query.len > 0) {
			put(w, "?", 1);
			put_value(w, query, encode);
		}
	} else if (p->var == VAR_TEXT) {
		put(w, p->text.at, p->text.len);
	} else {
		put_value(w, value_of(p, s, x, &sc), encode);
	}
}

void template_expand(const struct template *t, struct http_stream *s, const struct http_exchange *x,
	struct span *out)
{
	struct writer w = {0};

	if (t->cnt == 1 && t->pieces[0].var == VAR_TEXT) {
		*out = t->pieces[0].text;
		return;
	}
	for (uint32_t i = 0; i < t->cnt; i++)
		put_piece(&w, t, &t->pieces[i], s, x);
	w.out = http_arena_alloc(&s->arena, w.len ? w.len : 1);
	out->at = w.out;
	out->len = w.len;
	w.len = 0;
	for (uint32_t i = 0; i < t->cnt && w.out; i++)
		put_piece(&w, t, &t->pieces[i], s, x);
}
