/* SPDX-License-Identifier: Apache-2.0
 * Parsing algorithms of RFC 9651 4.2; each takes what it names from the left or says false. */
#include "lb/l7/cache/sf.h"

static bool more(const struct sf_dict *d)
{
	return d->at < d->end;
}

static bool take(struct sf_dict *d, char c)
{
	if (!more(d) || *d->at != c)
		return false;
	d->at++;
	return true;
}

static bool lower(char c)
{
	return c >= 'a' && c <= 'z';
}

static bool digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool alpha(char c)
{
	return lower(c) || (c >= 'A' && c <= 'Z');
}

static bool in(char c, const char *set)
{
	return c != '\0' && strchr(set, c) != NULL;
}

/* 4.2.3.3 */
static bool key_of(struct sf_dict *d, struct span *key)
{
	const char *from = d->at;

	if (!more(d) || (!lower(*d->at) && *d->at != '*'))
		return false;
	while (more(d) && (lower(*d->at) || digit(*d->at) || in(*d->at, "_-.*")))
		d->at++;
	*key = (struct span){from, (uint32_t)(d->at - from)};
	return true;
}

/* 4.2.4 */
static bool number_of(struct sf_dict *d, struct sf_item *v)
{
	bool minus = take(d, '-');
	uint32_t whole = 0, frac = 0;

	v->type = SF_INTEGER;
	v->number = 0;
	while (more(d) && digit(*d->at)) {
		if (++whole > 15)
			return false;
		v->number = v->number * 10 + (*d->at++ - '0');
	}
	if (whole == 0)
		return false;
	if (take(d, '.')) {
		v->type = SF_DECIMAL;
		while (more(d) && digit(*d->at)) {
			d->at++;
			frac++;
		}
		if (whole > 12 || frac == 0 || frac > 3)
			return false;
	}
	if (minus)
		v->number = -v->number;
	return true;
}

/* 4.2.5, the opening quote taken. */
static bool string_of(struct sf_dict *d, struct sf_item *v)
{
	const char *from = d->at;

	v->type = SF_STRING;
	while (more(d)) {
		char c = *d->at++;

		if (c == '"') {
			v->text = (struct span){from, (uint32_t)(d->at - from - 1)};
			return true;
		}
		if (c == '\\') {
			if (!more(d) || (*d->at != '"' && *d->at != '\\'))
				return false;
			d->at++;
		} else if (c < 0x20 || c == 0x7f) { /* char is signed: above 0x7f is below 0 */
			return false;
		}
	}
	return false;
}

/* 4.2.6 */
static void token_of(struct sf_dict *d, struct sf_item *v)
{
	const char *from = d->at;

	v->type = SF_TOKEN;
	while (more(d) && (alpha(*d->at) || digit(*d->at) || in(*d->at, "!#$%&'*+-.^_`|~:/")))
		d->at++;
	v->text = (struct span){from, (uint32_t)(d->at - from)};
}

/* 4.2.7, the opening colon taken. */
static bool bytes_of(struct sf_dict *d, struct sf_item *v)
{
	const char *from = d->at;

	v->type = SF_BYTES;
	while (more(d) && (alpha(*d->at) || digit(*d->at) || in(*d->at, "+/=")))
		d->at++;
	v->text = (struct span){from, (uint32_t)(d->at - from)};
	return take(d, ':');
}

/* 4.2.10, the '%' taken: a quoted string in which %xx (lower case) stands for a byte. */
static bool display_of(struct sf_dict *d, struct sf_item *v)
{
	v->type = SF_DISPLAY;
	if (!take(d, '"'))
		return false;
	while (more(d)) {
		char c = *d->at++;

		if (c == '"')
			return true;
		if (c < 0x20 || c == 0x7f)
			return false;
		if (c != '%')
			continue;
		for (int i = 0; i < 2; i++, d->at++)
			if (!more(d) || !(digit(*d->at) || (*d->at >= 'a' && *d->at <= 'f')))
				return false;
	}
	return false;
}

/* 4.2.3.1 */
static bool bare_of(struct sf_dict *d, struct sf_item *v)
{
	if (!more(d))
		return false;
	if (*d->at == '-' || digit(*d->at))
		return number_of(d, v);
	if (alpha(*d->at) || *d->at == '*') {
		token_of(d, v);
		return true;
	}
	switch (*d->at++) {
	case '"':
		return string_of(d, v);
	case ':':
		return bytes_of(d, v);
	case '?':
		v->type = SF_BOOLEAN;
		v->number = more(d) && *d->at == '1';
		return take(d, '0') || take(d, '1');
	case '@':
		if (!number_of(d, v) || v->type != SF_INTEGER)
			return false;
		v->type = SF_DATE;
		return true;
	case '%':
		return display_of(d, v);
	default:
		return false;
	}
}

static void spaces(struct sf_dict *d)
{
	while (take(d, ' '))
		;
}

/* 4.2.3.2 */
static bool parameters(struct sf_dict *d)
{
	while (take(d, ';')) {
		struct sf_item v;
		struct span key;

		spaces(d);
		if (!key_of(d, &key) || (take(d, '=') && !bare_of(d, &v)))
			return false;
	}
	return true;
}

/* 4.2.1.2, the parenthesis taken. */
static bool inner_list(struct sf_dict *d)
{
	while (more(d)) {
		struct sf_item v;

		spaces(d);
		if (take(d, ')'))
			return parameters(d);
		if (!bare_of(d, &v) || !parameters(d))
			return false;
		if (!more(d) || (*d->at != ' ' && *d->at != ')'))
			return false;
	}
	return false;
}

static bool value_of(struct sf_dict *d, struct sf_item *v)
{
	if (take(d, '(')) {
		v->type = SF_LIST;
		return inner_list(d);
	}
	return bare_of(d, v) && parameters(d);
}

static void optional_blanks(struct sf_dict *d)
{
	while (take(d, ' ') || take(d, '\t'))
		;
}

void sf_dict_init(struct sf_dict *d, struct span text)
{
	const char *at = text.len > 0 ? text.at : "";

	*d = (struct sf_dict){.at = at, .end = at + text.len};
	spaces(d);
	while (d->end > d->at && d->end[-1] == ' ')
		d->end--;
}

int sf_dict_next(struct sf_dict *d, struct span *key, struct sf_item *value)
{
	*value = (struct sf_item){.type = SF_BOOLEAN, .number = 1};
	if (!more(d))
		return 0;
	if (d->started) {
		optional_blanks(d);
		if (!take(d, ','))
			return -1;
		optional_blanks(d);
		if (!more(d)) /* a comma at the end */
			return -1;
	}
	d->started = true;
	if (!key_of(d, key))
		return -1;
	if (take(d, '='))
		return value_of(d, value) ? 1 : -1;
	return parameters(d) ? 1 : -1;
}
