/* SPDX-License-Identifier: Apache-2.0
 * A format is a list of pieces. Each writes a text that stands before it, then its value; in JSON
 * the text is the name with its punctuation, and both are left out together. A line can always be
 * ended: no piece writes into the last bytes. */
#include "dataplane/tls/tls.h"
#include "lb/l7/log/format.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/time.h"
#include "dataplane/net/hdr.h"
#include "lb/l7/route/route.h"

#define PIECES  (LIMIT_LOG_FIELDS + 2 * LIMIT_LOG_HEADERS + 1)
#define RESERVE 16 /* for the end of a line, of a value cut short, and one escape */

enum piece_kind { PIECE_FIELD, PIECE_REQUEST_HEADER, PIECE_RESPONSE_HEADER, PIECE_NONE };

struct piece {
	enum piece_kind kind;
	enum access_log_field field;
	struct span before; /* in `text` */
	struct span header;
	enum http_field_id header_id;
};

struct log_format {
	bool json;
	uint32_t piece_cnt, text_len;
	struct piece pieces[PIECES];
	char text[4 * LIMIT_LOG_FORMAT]; /* what pieces point at */
};

static const struct {
	const char *name;
	bool number;
} names[ACCESS_LOG_FIELD_CNT] = {
#define TEXT                    false
#define NUMBER                  true
#define F(id, name, type, help) [ACCESS_LOG_##id] = {name, type},
	ACCESS_LOG_FIELDS(F)
#undef F
#undef TEXT
#undef NUMBER
};

static const enum access_log_field default_fields[] = {
	ACCESS_LOG_TIME,
	ACCESS_LOG_LISTENER,
	ACCESS_LOG_CLIENT,
	ACCESS_LOG_CLIENT_PORT,
	ACCESS_LOG_TLS,
	ACCESS_LOG_USER,
	ACCESS_LOG_REQUEST_ID,
	ACCESS_LOG_METHOD,
	ACCESS_LOG_HOST,
	ACCESS_LOG_URI,
	ACCESS_LOG_VERSION,
	ACCESS_LOG_STATUS,
	ACCESS_LOG_REQUEST_BYTES,
	ACCESS_LOG_RESPONSE_BYTES,
	ACCESS_LOG_ROUTE,
	ACCESS_LOG_BACKEND,
	ACCESS_LOG_RETRIES,
	ACCESS_LOG_CACHE,
	ACCESS_LOG_END,
	ACCESS_LOG_DETAIL,
	ACCESS_LOG_REFERER,
	ACCESS_LOG_USER_AGENT,
	ACCESS_LOG_HEAD_MS,
	ACCESS_LOG_BODY_MS,
	ACCESS_LOG_QUEUE_MS,
	ACCESS_LOG_BACKEND_MS,
	ACCESS_LOG_SEND_MS,
	ACCESS_LOG_TOTAL_MS,
};

/* ---- compiling ---- */

static int wrong(char *why, const char *text, struct span name)
{
	snprintf(
		why, LOG_FORMAT_WHY, "%s%.*s", text, (int)(name.len < 80 ? name.len : 80), name.at);
	return -EINVAL;
}

/* Keeps a text; an empty span if there is no room, which the sizes of the configuration rule out.
 */
static struct span keep(struct log_format *f, const char *at, uint32_t len)
{
	struct span s = {f->text + f->text_len, len};

	if (len > sizeof(f->text) - f->text_len)
		return (struct span){f->text, 0};
	memcpy(f->text + f->text_len, at, len);
	f->text_len += len;
	return s;
}

static bool starts(struct span s, const char *with)
{
	size_t n = strlen(with);

	return s.len > n && memcmp(s.at, with, n) == 0;
}

static void set_header(
	struct log_format *f, struct piece *p, enum piece_kind kind, const char *at, uint32_t len)
{
	p->kind = kind;
	p->header = keep(f, at, len);
	p->header_id = http_field_find(p->header);
}

static bool find_field(struct span name, enum access_log_field *out)
{
	for (uint32_t i = 0; i < ACCESS_LOG_FIELD_CNT; i++) {
		if (strlen(names[i].name) == name.len &&
			memcmp(names[i].name, name.at, name.len) == 0) {
			*out = (enum access_log_field)i;
			return true;
		}
	}
	return false;
}

static int set_variable(struct log_format *f, struct piece *p, struct span name, char *why)
{
	if (starts(name, "request_header.")) {
		set_header(f, p, PIECE_REQUEST_HEADER, name.at + 15, name.len - 15);
	} else if (starts(name, "response_header.")) {
		set_header(f, p, PIECE_RESPONSE_HEADER, name.at + 16, name.len - 16);
	} else {
		p->kind = PIECE_FIELD;
		if (!find_field(name, &p->field))
			return wrong(why, "there is no ", name);
	}
	return 0;
}

/* The text up to a variable, with "$$" made one; at is moved behind the variable. */
static int next_piece(struct log_format *f, struct piece *p, const char **at, char *why)
{
	uint32_t begin = f->text_len;

	p->kind = PIECE_NONE;
	while (**at != '\0') {
		const char *end;

		if (**at != '$') {
			(void)keep(f, (*at)++, 1);
			continue;
		}
		if ((*at)[1] == '$') {
			(void)keep(f, *at, 1);
			*at += 2;
			continue;
		}
		end = (*at)[1] == '{' ? strchr(*at, '}') : NULL;
		if (end == NULL)
			return wrong(why, "'$' is written '$$', and variables '${name}'; here: ",
				(struct span){*at, (uint32_t)strlen(*at)});
		p->before = (struct span){f->text + begin, f->text_len - begin};
		*at += 2;
		end = strchr(*at, '}');
		begin = (uint32_t)(end - *at);
		if (set_variable(f, p, (struct span){*at, begin}, why) != 0)
			return -EINVAL;
		*at = end + 1;
		return 0;
	}
	p->before = (struct span){f->text + begin, f->text_len - begin};
	return 0;
}

static int compile_text(struct log_format *f, const char *text, char *why)
{
	if (strchr(text, '\n') != NULL || strchr(text, '\r') != NULL)
		return wrong(why, "a line of the log is one line", (struct span){"", 0});
	do {
		if (f->piece_cnt == PIECES)
			return wrong(why, "too many variables", (struct span){"", 0});
		if (next_piece(f, &f->pieces[f->piece_cnt++], &text, why) != 0)
			return -EINVAL;
	} while (*text != '\0');
	return 0;
}

/* `"name":` with what separates it from the one before. */
static struct piece *json_piece(struct log_format *f, const char *prefix, const char *name)
{
	struct piece *p = &f->pieces[f->piece_cnt++];
	uint32_t begin = f->text_len;

	(void)keep(f, ",\"", 2);
	(void)keep(f, prefix, (uint32_t)strlen(prefix));
	for (; *name != '\0'; name++) {
		char c = *name >= 'A' && *name <= 'Z' ? (char)(*name | 0x20) : *name;

		(void)keep(f, &c, 1);
	}
	(void)keep(f, "\":", 2);
	p->before = (struct span){f->text + begin, f->text_len - begin};
	return p;
}

static void json_field(struct log_format *f, enum access_log_field field)
{
	struct piece *p = json_piece(f, "", names[field].name);

	p->kind = PIECE_FIELD;
	p->field = field;
}

static void compile_json(struct log_format *f, const struct config_access_log *conf)
{
	f->json = true;
	for (uint32_t i = 0; i < conf->field_cnt && i < LIMIT_LOG_FIELDS; i++)
		json_field(f, (enum access_log_field)conf->fields[i]);
	for (uint32_t i = 0; conf->field_cnt == 0 && i < ARRAY_SIZE(default_fields); i++)
		json_field(f, default_fields[i]);
	for (uint32_t i = 0; i < conf->request_header_cnt; i++) {
		const char *name = conf->request_headers[i].name;

		set_header(f, json_piece(f, "request_header.", name), PIECE_REQUEST_HEADER, name,
			(uint32_t)strlen(name));
	}
	for (uint32_t i = 0; i < conf->response_header_cnt; i++) {
		const char *name = conf->response_headers[i].name;

		set_header(f, json_piece(f, "response_header.", name), PIECE_RESPONSE_HEADER, name,
			(uint32_t)strlen(name));
	}
}

int log_format_compile(const struct config_access_log *conf, struct log_format **out, char *why)
{
	struct log_format *f = calloc(1, sizeof(*f));
	int rc = 0;

	*out = NULL;
	if (f == NULL) {
		snprintf(why, LOG_FORMAT_WHY, "no memory");
		return -ENOMEM;
	}
	if (strcmp(conf->format, "json") == 0)
		compile_json(f, conf);
	else if (strcmp(conf->format, "combined") == 0)
		rc = compile_text(f, ACCESS_LOG_COMBINED, why);
	else
		rc = compile_text(f, conf->format, why);
	if (rc != 0) {
		free(f);
		return rc;
	}
	*out = f;
	return 0;
}

void log_format_free(struct log_format *f)
{
	free(f);
}

/* ---- values ---- */

struct writer {
	char *at, *end; /* end leaves RESERVE */
	bool json;
};

/* What a piece is: a text, a number, or nothing. */
struct value {
	enum { NOTHING, TEXT, NUMBER, MILLIS } kind;
	struct span text;
	uint64_t number; /* MILLIS: in ns */
};

static struct value text_of(struct span s)
{
	return (struct value){.kind = s.len > 0 ? TEXT : NOTHING, .text = s};
}

static struct value word_of(const char *s)
{
	if (s == NULL)
		return (struct value){.kind = NOTHING};
	return text_of((struct span){s, (uint32_t)strlen(s)});
}

static struct value number_of(uint64_t n)
{
	return (struct value){.kind = NUMBER, .number = n};
}

static struct value millis(uint64_t from, uint64_t to)
{
	if (from == 0 || to == 0 || to < from)
		return (struct value){.kind = NOTHING};
	return (struct value){.kind = MILLIS, .number = to - from};
}

static struct value first_of(const struct http_head *h, enum http_field_id id)
{
	const struct http_field *f = http_head_get(h, id, NULL);

	return f == NULL ? (struct value){.kind = NOTHING} : text_of(f->value);
}

static struct value header_of(const struct http_head *h, const struct piece *p)
{
	const struct http_field *f = http_head_find_as(h, p->header_id, p->header, NULL);

	return f == NULL ? (struct value){.kind = NOTHING} : text_of(f->value);
}

static char *two(char *at, uint32_t n)
{
	at[0] = (char)('0' + n / 10 % 10);
	at[1] = (char)('0' + n % 10);
	return at + 2;
}

struct civil {
	uint32_t year, month, day, second; /* of the day */
};

/* Days since 1970 to a date of the Gregorian calendar, by eras of 400 years that begin in March. */
static struct civil civil_of(uint64_t seconds)
{
	uint64_t days = seconds / 86400 + 719468;
	uint32_t era = (uint32_t)(days / 146097), doe = (uint32_t)(days % 146097);
	uint32_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	uint32_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
	uint32_t month = mp < 10 ? mp + 3 : mp - 9;

	return (struct civil){.year = yoe + era * 400 + (month <= 2),
		.month = month,
		.day = doy - (153 * mp + 2) / 5 + 1,
		.second = (uint32_t)(seconds % 86400)};
}

static char *clock_text(char *at, uint32_t second)
{
	at = two(at, second / 3600);
	*at++ = ':';
	at = two(at, second / 60 % 60);
	*at++ = ':';
	return two(at, second % 60);
}

/* Of 32 bytes or less. */
static struct value time_of(uint64_t wall_ns, bool clf, char *buf)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	struct civil c = civil_of(wall_ns / NS_PER_SEC);
	uint32_t ms = (uint32_t)(wall_ns / NS_PER_MS % 1000);
	char *at = buf;

	if (clf) {
		at = two(at, c.day);
		*at++ = '/';
		memcpy(at, months + (size_t)3 * (c.month - 1), 3);
		at[3] = '/';
		at = two(two(at + 4, c.year / 100), c.year % 100);
		*at++ = ':';
		at = clock_text(at, c.second);
		memcpy(at, " +0000", 6);
		at += 6;
	} else {
		at = two(two(at, c.year / 100), c.year % 100);
		*at++ = '-';
		at = two(at, c.month);
		*at++ = '-';
		at = two(at, c.day);
		*at++ = 'T';
		at = clock_text(at, c.second);
		*at++ = '.';
		*at++ = (char)('0' + ms / 100);
		at = two(at, ms % 100);
		*at++ = 'Z';
	}
	return text_of((struct span){buf, (uint32_t)(at - buf)});
}

static struct value addr_of(const struct ip_addr *a, char *buf)
{
	return word_of(ip_addr_format(a, buf));
}

static struct value version_of(const struct http_stream *s)
{
	if (s->req.version == 20)
		return text_of(SPAN("2"));
	return text_of(s->req.version == 10 ? SPAN("1.0") : SPAN("1.1"));
}

static struct span path_of(const struct http_stream *s)
{
	const struct http_exchange *x = s->policy_state;

	return x != NULL && x->original_path.len > 0 ? x->original_path : s->req.path;
}

static struct span query_of(const struct http_stream *s)
{
	const struct http_exchange *x = s->policy_state;

	return x != NULL && x->original_path.len > 0 ? x->original_query : s->req.query;
}

static struct span host_of(const struct http_stream *s)
{
	const struct http_exchange *x = s->policy_state;

	return x != NULL && x->original_host.len > 0 ? x->original_host : s->req.host;
}

/* Path and query are not one behind the other when the path was normalised. */
static struct value joined(struct span path, struct span query, char *buf)
{
	uint32_t n = path.len < LOG_VALUE_MAX ? path.len : LOG_VALUE_MAX, m;

	if (query.len == 0)
		return text_of(path);
	memcpy(buf, path.at, n);
	if (n < LOG_VALUE_MAX)
		buf[n++] = '?';
	m = query.len < LOG_VALUE_MAX - n ? query.len : LOG_VALUE_MAX - n;
	memcpy(buf + n, query.at, m);
	return text_of((struct span){buf, n + m});
}

/* Of CONNECT what it asks for (RFC 9112 3.2.3). */
static struct value uri_of(const struct http_stream *s, char *buf)
{
	int len;

	if (s->req.method == HTTP_CONNECT && s->req.host.len == 0)
		return (struct value){.kind = NOTHING};
	if (s->req.method != HTTP_CONNECT)
		return joined(path_of(s), query_of(s), buf);
	len = snprintf(
		buf, LOG_VALUE_MAX, "%.*s:%u", (int)s->req.host.len, s->req.host.at, s->req.port);
	return text_of((struct span){buf, len > 0 ? (uint32_t)len : 0});
}

static struct value status_of(const struct http_stream *s)
{
	return s->resp_started ? number_of(s->resp.status) : (struct value){.kind = NOTHING};
}

static struct value user_of(const struct http_stream *s)
{
	const struct http_exchange *x = s->policy_state;

	return x == NULL ? (struct value){.kind = NOTHING} : text_of(x->user);
}

static struct value trace_of(const struct http_stream *s)
{
	const struct http_exchange *x = s->policy_state;

	return x == NULL ? (struct value){.kind = NOTHING} : text_of(x->trace_id);
}

static struct value cert_of(enum access_log_field f, struct http_stream *s)
{
	const struct tls_cert_text *t = http_client_cert(s);

	if (t == NULL)
		return (struct value){.kind = NOTHING};
	if (f == ACCESS_LOG_CERT_SERIAL)
		return word_of(t->serial);
	return word_of(f == ACCESS_LOG_CERT_SHA256 ? t->sha256 : t->subject);
}

/* Of the client's connection, which is there until the stream's end. */
static struct value tls_of(enum access_log_field f, struct http_stream *s)
{
	struct tls_info i;

	if (s->tls == NULL)
		return (struct value){.kind = NOTHING};
	tls_info(s->tls, &i);
	switch (f) {
	case ACCESS_LOG_TLS_VERSION:
		return word_of(i.version);
	case ACCESS_LOG_TLS_CIPHER:
		return word_of(i.cipher);
	case ACCESS_LOG_TLS_SNI:
		return word_of(i.sni);
	case ACCESS_LOG_TLS_ALPN:
		return word_of(i.alpn);
	case ACCESS_LOG_TLS_RESUMED:
		return number_of(i.resumed);
	case ACCESS_LOG_CERT_VERIFIED:
		return i.peer_cert ? number_of(i.peer_verified) : (struct value){.kind = NOTHING};
	default:
		return cert_of(f, s);
	}
}

/* Whoever answers from memory has no backend: then it counts from the request's head. */
static uint64_t answer_begun(const struct http_stream *s)
{
	return s->t.response != 0 ? s->t.response : s->t.head;
}

static struct value field_value(
	enum access_log_field f, struct http_stream *s, const struct log_moment *m, char *buf)
{
	switch (f) {
	case ACCESS_LOG_TIME:
		return time_of(m->wall_ns, false, buf);
	case ACCESS_LOG_TIME_CLF:
		return time_of(m->wall_ns, true, buf);
	case ACCESS_LOG_LISTENER:
		return text_of(m->listener);
	case ACCESS_LOG_CLIENT:
		return addr_of(&s->client, buf);
	case ACCESS_LOG_CLIENT_PORT:
		return number_of(BE16(s->client_port));
	case ACCESS_LOG_PEER:
		return addr_of(&s->peer, buf);
	case ACCESS_LOG_LOCAL:
		return addr_of(&s->local, buf);
	case ACCESS_LOG_LOCAL_PORT:
		return number_of(BE16(s->local_port));
	case ACCESS_LOG_TLS:
		return number_of(s->secure);
	case ACCESS_LOG_TLS_VERSION:
	case ACCESS_LOG_TLS_CIPHER:
	case ACCESS_LOG_TLS_SNI:
	case ACCESS_LOG_TLS_ALPN:
	case ACCESS_LOG_TLS_RESUMED:
	case ACCESS_LOG_CERT_SUBJECT:
	case ACCESS_LOG_CERT_SERIAL:
	case ACCESS_LOG_CERT_SHA256:
	case ACCESS_LOG_CERT_VERIFIED:
		return tls_of(f, s);
	case ACCESS_LOG_USER:
		return user_of(s);
	case ACCESS_LOG_REQUEST_ID:
		return text_of(s->request_id);
	case ACCESS_LOG_TRACE_ID:
		return trace_of(s);
	case ACCESS_LOG_METHOD:
		/* A head that could not be read has none. */
		return s->req.path.len == 0 && s->req.method != HTTP_CONNECT
			       ? (struct value){.kind = NOTHING}
		       : s->req.method == HTTP_OTHER ? text_of(s->req.method_text)
						     : text_of(http_method_name(s->req.method));
	case ACCESS_LOG_SCHEME:
		return text_of(s->req.scheme);
	case ACCESS_LOG_HOST:
		return text_of(host_of(s));
	case ACCESS_LOG_URI:
		return uri_of(s, buf);
	case ACCESS_LOG_PATH:
		return text_of(path_of(s));
	case ACCESS_LOG_QUERY:
		return text_of(query_of(s));
	case ACCESS_LOG_VERSION:
		return version_of(s);
	case ACCESS_LOG_STATUS:
		return status_of(s);
	case ACCESS_LOG_REQUEST_BYTES:
		return number_of(s->req_bytes);
	case ACCESS_LOG_RESPONSE_BYTES:
		return number_of(s->resp_bytes);
	case ACCESS_LOG_SITE:
		return text_of(m->site);
	case ACCESS_LOG_ROUTE:
		return s->route == NULL ? (struct value){.kind = NOTHING} : word_of(s->route->name);
	case ACCESS_LOG_BACKEND:
		return word_of(s->backend);
	case ACCESS_LOG_RETRIES:
		return number_of(s->retries);
	case ACCESS_LOG_CACHE:
		return word_of(s->cache);
	case ACCESS_LOG_END:
		return word_of(http_end_word(s->end));
	case ACCESS_LOG_DETAIL:
		return word_of(s->detail);
	case ACCESS_LOG_REFERER:
		return first_of(&s->req, HTTP_FIELD_REFERER);
	case ACCESS_LOG_USER_AGENT:
		return first_of(&s->req, HTTP_FIELD_USER_AGENT);
	case ACCESS_LOG_HEAD_MS:
		return millis(s->t.first_byte, s->t.head);
	case ACCESS_LOG_BODY_MS:
		return millis(s->t.head, s->t.request);
	case ACCESS_LOG_QUEUE_MS:
		return millis(s->t.queued, s->t.backend);
	case ACCESS_LOG_BACKEND_MS:
		return millis(s->t.backend, s->t.response);
	case ACCESS_LOG_SEND_MS:
		return millis(answer_begun(s), s->t.end);
	case ACCESS_LOG_TOTAL_MS:
		return millis(s->t.first_byte, s->t.end);
	case ACCESS_LOG_FIELD_CNT:
		break;
	}
	return (struct value){.kind = NOTHING};
}

static struct value value_of(
	const struct piece *p, struct http_stream *s, const struct log_moment *m, char *buf)
{
	if (p->kind == PIECE_REQUEST_HEADER)
		return header_of(&s->req, p);
	if (p->kind == PIECE_RESPONSE_HEADER)
		return header_of(&s->resp, p);
	return field_value(p->field, s, m, buf);
}

/* ---- writing ---- */

/* Quotes and escapes may go into the reserve: then there is none. */
static uint32_t room(const struct writer *w)
{
	return w->at < w->end ? (uint32_t)(w->end - w->at) : 0;
}

static void put(struct writer *w, const char *at, uint32_t len)
{
	if (room(w) < len)
		len = room(w);
	memcpy(w->at, at, len);
	w->at += len;
}

static void put_number(struct writer *w, uint64_t n)
{
	char text[20];
	uint32_t i = sizeof(text);

	do {
		text[--i] = (char)('0' + n % 10);
		n /= 10;
	} while (n > 0);
	put(w, text + i, (uint32_t)sizeof(text) - i);
}

/* Milliseconds with three places. */
static void put_millis(struct writer *w, uint64_t ns)
{
	uint64_t us = ns / NS_PER_US;
	char text[4] = {'.', (char)('0' + us / 100 % 10), (char)('0' + us / 10 % 10),
		(char)('0' + us % 10)};

	put_number(w, us / 1000);
	put(w, text, 4);
}

static bool plain(char c)
{
	return (uint8_t)c >= 0x20 && (uint8_t)c < 0x7f && c != '"' && c != '\\';
}

/* An escape is at most six bytes: RESERVE has room for it. */
static char *escape(const struct writer *w, char *at, char c)
{
	static const char hex[] = "0123456789abcdef";
	uint8_t b = (uint8_t)c;

	*at++ = '\\';
	if (c == '"' || c == '\\') {
		*at++ = c;
		return at;
	}
	if (w->json) {
		memcpy(at, "u00", 3);
		at += 3;
	} else {
		*at++ = 'x';
	}
	*at++ = hex[b >> 4];
	*at++ = hex[b & 15];
	return at;
}

/* What is written is bounded, not what was sent: escapes must not crowd out the fields behind. */
static void put_escaped(struct writer *w, struct span s)
{
	char *at = w->at, *end = w->at + (room(w) < LOG_VALUE_MAX ? room(w) : LOG_VALUE_MAX);

	for (uint32_t i = 0; i < s.len && at < end; i++) {
		if (plain(s.at[i]))
			*at++ = s.at[i];
		else
			at = escape(w, at, s.at[i]);
	}
	w->at = at;
}

static void put_value(struct writer *w, const struct value *v)
{
	if (v->kind == NUMBER) {
		put_number(w, v->number);
	} else if (v->kind == MILLIS) {
		put_millis(w, v->number);
	} else {
		if (w->json)
			*w->at++ = '"';
		put_escaped(w, v->text);
		if (w->json)
			*w->at++ = '"';
	}
}

static void put_piece(
	struct writer *w, const struct piece *p, struct http_stream *s, const struct log_moment *m)
{
	char buf[LOG_VALUE_MAX];
	struct value v;

	if (!w->json)
		put(w, p->before.at, p->before.len);
	if (p->kind == PIECE_NONE)
		return;
	v = value_of(p, s, m, buf);
	if (v.kind == NOTHING) {
		if (!w->json)
			put(w, "-", 1);
		return;
	}
	if (w->json) {
		/* All or nothing, with room for a number behind it. */
		if (room(w) < p->before.len + 32)
			return;
		put(w, p->before.at, p->before.len);
	}
	put_value(w, &v);
}

uint32_t log_format_line(
	const struct log_format *f, struct http_stream *s, const struct log_moment *m, char *out)
{
	struct writer w = {.at = out, .end = out + LOG_LINE_CAP - RESERVE, .json = f->json};

	for (uint32_t i = 0; i < f->piece_cnt; i++)
		put_piece(&w, &f->pieces[i], s, m);
	if (f->json) {
		/* The first piece's comma is the object's beginning. */
		if (w.at == out)
			*w.at++ = '{';
		out[0] = '{';
		*w.at++ = '}';
	}
	*w.at++ = '\n';
	return (uint32_t)(w.at - out);
}
