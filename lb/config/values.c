/* SPDX-License-Identifier: Apache-2.0
 * Numbers with units are read exactly: 1.5s is 1500000000 ns, and a fraction finer than the base
 * unit is refused rather than rounded. */
#include "lb/config/values.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <strings.h>

#include "lb/config/suggest.h"

struct unit {
	const char *name;
	uint64_t scale;
};

static const struct unit duration_units[] = {{"ns", 1}, {"us", 1000}, {"ms", 1000000},
	{"s", 1000000000}, {"m", UINT64_C(60000000000)}, {"h", UINT64_C(3600000000000)},
	{"d", UINT64_C(86400000000000)}, {NULL, 0}};
static const struct unit size_units[] = {{"B", 1}, {"kB", 1000}, {"KiB", 1 << 10}, {"MB", 1000000},
	{"MiB", 1 << 20}, {"GB", 1000000000}, {"GiB", 1 << 30}, {"TB", UINT64_C(1000000000000)},
	{"TiB", UINT64_C(1) << 40}, {NULL, 0}};
static const struct unit count_units[] = {{"", 1}, {"k", 1000}, {"Ki", 1 << 10}, {"M", 1000000},
	{"Mi", 1 << 20}, {"G", 1000000000}, {"Gi", 1 << 30}, {NULL, 0}};
static const struct unit percent_units[] = {{"%", 1}, {NULL, 0}};
static const struct unit no_units[] = {{"", 1}, {NULL, 0}};

struct quantity {
	const struct unit *units;
	const char *what, *examples;
};

static struct quantity quantity_of(enum schema_type type)
{
	switch (type) {
	case SCHEMA_DURATION:
		return (struct quantity){duration_units, "a duration", "10s or 500ms"};
	case SCHEMA_SIZE:
		return (struct quantity){size_units, "a size", "64MiB or 1GB"};
	case SCHEMA_PERCENT:
		return (struct quantity){percent_units, "a percentage", "10%"};
	case SCHEMA_COUNT:
		return (struct quantity){count_units, "a number", "1000, 1k or 1Ki"};
	default:
		return (struct quantity){no_units, "a number", "10"};
	}
}

static int PRINTF_LIKE(2, 3) refuse(char *why, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, VALUE_WHY, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

static int unit_find(
	const struct quantity *q, const char *text, const char *unit, uint64_t *scale, char *why)
{
	const struct unit *near = NULL;
	char quote[DIAG_QUOTE];
	char list[64] = "";

	for (const struct unit *u = q->units; u->name; u++) {
		if (strcmp(u->name, unit) == 0) {
			*scale = u->scale;
			return 0;
		}
		if (*unit && strcasecmp(u->name, unit) == 0)
			near = u;
		if (*u->name) {
			strncat(list, *list ? ", " : "", sizeof(list) - strlen(list) - 1);
			strncat(list, u->name, sizeof(list) - strlen(list) - 1);
		}
	}
	diag_quote(text, strlen(text), quote);
	if (near)
		return refuse(
			why, "'%s' has an unknown unit; did you mean '%s'?", quote, near->name);
	if (!*unit)
		return refuse(why, "'%s' has no unit: write %s", quote, q->examples);
	if (q->units == no_units)
		return refuse(why, "'%s' is not a whole number", quote);
	return refuse(why, "'%s' has an unknown unit; known are %s", quote, list);
}

static const char *take_digits(const char *p, uint64_t *v, bool *overflow)
{
	for (*v = 0; isdigit((unsigned char)*p); p++) {
		if (__builtin_mul_overflow(*v, 10, v) ||
			__builtin_add_overflow(*v, (uint64_t)(*p - '0'), v))
			*overflow = true;
	}
	return p;
}

static int parse_quantity(const struct quantity *q, const char *text, uint64_t *out, char *why)
{
	uint64_t whole, frac = 0, frac_scale = 1, scale = 0, v;
	bool overflow = false, negative = *text == '-';
	const char *p = text + negative, *end;
	char quote[DIAG_QUOTE];

	diag_quote(text, strlen(text), quote);
	if (!isdigit((unsigned char)*p))
		return refuse(why, "expected %s (%s), found '%s'", q->what, q->examples, quote);
	p = take_digits(p, &whole, &overflow);
	if (*p == '.' && isdigit((unsigned char)p[1]) && q->units != no_units) {
		end = take_digits(p + 1, &frac, &overflow);
		for (p++; p < end; p++)
			overflow |= __builtin_mul_overflow(frac_scale, 10, &frac_scale);
	}
	if (!(*p == '\0' && whole == 0 && frac == 0) && unit_find(q, text, p, &scale, why) != 0)
		return -EINVAL;
	if (negative)
		return refuse(why, "'%s' is negative", quote);
	if (overflow || __builtin_mul_overflow(whole, scale, &v) ||
		__builtin_mul_overflow(frac, scale, &frac) ||
		__builtin_add_overflow(v, frac / frac_scale, &v))
		return refuse(why, "'%s' is too large", quote);
	if (frac % frac_scale)
		return refuse(why, "'%s' is finer than the unit allows", quote);
	*out = v;
	return 0;
}

static void show_quantity(enum schema_type type, uint64_t v, FILE *out)
{
	const struct unit *units = quantity_of(type).units, *best = units;
	bool decimal = type == SCHEMA_COUNT;

	for (const struct unit *u = units; u->name && v; u++) {
		/* Powers of 1024 for sizes; plain digits for counts: 65536 says more than 64Ki. */
		bool binary = type != SCHEMA_SIZE || strchr(u->name, 'i') || u->scale == 1;

		if (v % u->scale == 0 && binary && !decimal)
			best = u;
	}
	if (v == 0 && type != SCHEMA_PERCENT)
		fputs("0", out);
	else
		fprintf(out, "%" PRIu64 "%s", v / best->scale, best->name);
}

/* The range as words: "1280 to 9000". */
void schema_range_text(const struct schema_field *f, FILE *out)
{
	switch (f->type) {
	case SCHEMA_UINT:
	case SCHEMA_COUNT:
	case SCHEMA_DURATION:
	case SCHEMA_SIZE:
	case SCHEMA_PERCENT:
		break;
	default:
		return;
	}
	if (f->max == 0)
		return;
	show_quantity(f->type, f->min, out);
	fputs(" to ", out);
	show_quantity(f->type, f->max, out);
}

static int parse_number(const struct schema_field *f, struct value_text in, void *dst, char *why)
{
	struct quantity q = quantity_of(f->type);
	char quote[DIAG_QUOTE], range[VALUE_WHY] = "";
	FILE *mem;
	uint64_t v;
	int rc;

	if (in.quoted && f->type != SCHEMA_DURATION && f->type != SCHEMA_SIZE)
		return refuse(why, "expected %s, found the text \"%s\": remove the quotes", q.what,
			diag_quote(in.text, in.len, quote));
	rc = parse_quantity(&q, in.text, &v, why);
	if (rc != 0)
		return rc;
	if (f->max && (v < f->min || v > f->max)) {
		mem = fmemopen(range, sizeof(range), "w");
		if (!mem)
			return -ENOMEM;
		schema_range_text(f, mem);
		fclose(mem);
		return refuse(
			why, "'%s' is out of range: %s", diag_quote(in.text, in.len, quote), range);
	}
	memcpy(dst, &v, f->width); /* little endian; the range fits the width */
	return 0;
}
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "numbers are narrowed by memcpy");

static int parse_bool(struct value_text in, bool *dst, char *why)
{
	char quote[DIAG_QUOTE];

	diag_quote(in.text, in.len, quote);
	if (strcmp(in.text, "true") != 0 && strcmp(in.text, "false") != 0)
		return refuse(why, "expected true or false, found '%s'", quote);
	if (in.quoted)
		return refuse(why,
			"expected true or false, found the text \"%s\": remove the quotes", quote);
	*dst = in.text[0] == 't';
	return 0;
}

static int parse_enum(const struct schema_field *f, const char *text, void *dst, char *why)
{
	char quote[DIAG_QUOTE], list[VALUE_WHY / 2] = "";
	struct suggest s;

	suggest_init(&s, text);
	for (const struct schema_enum *e = f->words; e->word; e++) {
		if (strcmp(e->word, text) == 0) {
			memcpy(dst, &e->value, f->width);
			return 0;
		}
		suggest_try(&s, e->word);
		strncat(list, *list ? ", " : "", sizeof(list) - strlen(list) - 1);
		strncat(list, e->word, sizeof(list) - strlen(list) - 1);
	}
	diag_quote(text, strlen(text), quote);
	if (s.best)
		return refuse(why, "unknown value '%s'; did you mean '%s'?", quote, s.best);
	return refuse(why, "unknown value '%s'; known are %s", quote, list);
}

static bool name_char(char c)
{
	return isalnum((unsigned char)c) || (c && strchr("._:/@[]-", c));
}

static int parse_string(const struct schema_field *f, struct value_text in, char *dst, char *why)
{
	char quote[DIAG_QUOTE];

	diag_quote(in.text, in.len, quote);
	if (in.len >= f->width)
		return refuse(why, "'%s' is longer than %u bytes", quote, f->width - 1);
	for (size_t i = 0; i < in.len; i++) {
		if ((unsigned char)in.text[i] < 0x20)
			return refuse(why, "'%s' holds a control character", quote);
		if (f->type == SCHEMA_NAME && !name_char(in.text[i]))
			return refuse(why,
				"'%s' is not a name: letters, digits and . _ : / @ [ ] - are",
				quote);
	}
	memset(dst, 0, f->width);
	memcpy(dst, in.text, in.len);
	return 0;
}

static int parse_addr(const char *text, struct ip_addr *dst, char *why)
{
	char quote[DIAG_QUOTE];

	if (ip_addr_parse(text, dst) == 0)
		return 0;
	diag_quote(text, strlen(text), quote);
	if (strchr(text, '/'))
		return refuse(why, "'%s' is a prefix; an address stands alone", quote);
	if (strchr(text, '.') && strchr(text, ':'))
		return refuse(why, "'%s' is not an address; no port stands here", quote);
	return refuse(why, "'%s' is not an IPv4 or IPv6 address", quote);
}

static int parse_prefix(
	const struct schema_field *f, const char *text, struct ip_prefix *dst, char *why)
{
	char quote[DIAG_QUOTE], want[IP_ADDR_TEXT_MAX];
	struct ip_prefix masked;

	diag_quote(text, strlen(text), quote);
	if (ip_prefix_parse(text, dst) != 0)
		return refuse(why, "'%s' is not a prefix (192.0.2.0/24 or 2001:db8::/64)", quote);
	if (f->type == SCHEMA_IF_ADDR) {
		if (!strchr(text, '/'))
			return refuse(why, "'%s' has no length of its link: write %s/%d", quote,
				quote, ip_addr_is4(&dst->addr) ? 24 : 64);
		return 0;
	}
	masked = *dst;
	ip_prefix_mask(&masked);
	if (!ip_addr_eq(&masked.addr, &dst->addr))
		return refuse(why, "'%s' has bits behind its length; did you mean '%s'?", quote,
			ip_prefix_format(&masked, want));
	return 0;
}

static const char *take_port(const char *p, uint16_t *out)
{
	uint64_t v;
	bool overflow = false;
	const char *end = take_digits(p, &v, &overflow);

	if (end == p || overflow || v > UINT16_MAX)
		return NULL;
	*out = (uint16_t)v;
	return end;
}

int value_ports(const char *text, uint16_t *lo, uint16_t *hi, char *why)
{
	char quote[DIAG_QUOTE];
	const char *p;

	if (strcmp(text, "any") == 0) {
		*lo = 0;
		*hi = UINT16_MAX;
		return 0;
	}
	diag_quote(text, strlen(text), quote);
	p = take_port(text, lo);
	if (p && *p == '\0')
		*hi = *lo;
	else if (p && *p == '-')
		p = take_port(p + 1, hi);
	if (!p || *p)
		return refuse(why, "'%s' is not a port: 80, 8000-8099 or any", quote);
	if (*lo == 0)
		return refuse(why, "'%s': port 0 does not exist; 'any' is every port", quote);
	if (*lo > *hi)
		return refuse(why, "'%s' ends before it begins", quote);
	return 0;
}

static int parse_ports(struct value_text in, uint16_t *dst, char *why)
{
	char quote[DIAG_QUOTE];

	if (in.quoted && in.text[strspn(in.text, "0123456789")] == '\0')
		return refuse(why, "expected a port, found the text \"%s\": remove the quotes",
			diag_quote(in.text, in.len, quote));
	return value_ports(in.text, &dst[0], &dst[1], why);
}

int value_endpoint(const char *text, struct ip_addr *addr, const char **ports, char *why)
{
	const char *start = text, *end = text + strlen(text), *close;
	char host[IP_ADDR_TEXT_MAX], quote[DIAG_QUOTE];

	*ports = NULL;
	if (*text == '[') {
		start = text + 1;
		close = strchr(start, ']');
		if (close && close[1] == ':')
			*ports = close + 2;
		end = close && (close[1] == '\0' || close[1] == ':') ? close : NULL;
	} else if (strchr(text, ':') && strchr(text, ':') == strrchr(text, ':')) {
		end = strchr(text, ':');
		*ports = end + 1;
	}
	diag_quote(text, strlen(text), quote);
	if (!end || (size_t)(end - start) >= sizeof(host))
		return refuse(why, "'%s' is not an address", quote);
	memcpy(host, start, (size_t)(end - start));
	host[end - start] = '\0';
	if (ip_addr_parse(host, addr) != 0 || (*text == '[' && ip_addr_is4(addr)))
		return refuse(why, "'%s' is not an IPv4 or IPv6 address%s", quote,
			*ports ? " with a port" : "");
	if (*ports && **ports == '\0')
		return refuse(why, "'%s' ends where its port should stand", quote);
	return 0;
}

static bool host_char(char c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '-' ||
	       c == '_';
}

uint32_t value_host(const char *text, const char **ports)
{
	const char *p = text, *label = text;
	bool digits = true;

	for (; host_char(*p) || *p == '.'; p++) {
		if (*p != '.') {
			digits = digits && *p >= '0' && *p <= '9';
			continue;
		}
		if (p == label || p - label > 63 || *label == '-' || p[-1] == '-')
			return 0;
		/* One dot may end it. */
		if (p[1] == '\0' || p[1] == ':')
			break;
		label = p + 1;
		digits = true;
	}
	if (p == label || p - label > 63 || *label == '-' || p[-1] == '-' || digits ||
		p - text >= LIMIT_HOST)
		return 0;
	*ports = p + (*p == '.');
	/* With two colons it is an IPv6 address, such as fd00::1. */
	if (**ports != '\0' &&
		(**ports != ':' || (*ports)[1] == '\0' || strchr(*ports + 1, ':') != NULL))
		return 0;
	*ports = **ports == ':' ? *ports + 1 : NULL;
	return (uint32_t)(p - text);
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int parse_mac(const char *text, uint8_t *dst, char *why)
{
	char quote[DIAG_QUOTE];
	uint8_t mac[6];

	if (strcmp(text, "auto") == 0) {
		memset(dst, 0, 6);
		return 0;
	}
	diag_quote(text, strlen(text), quote);
	for (int i = 0; i < 6; i++) {
		const char *p = text + 3 * i;

		if (strlen(text) != 17 || hex_digit(p[0]) < 0 || hex_digit(p[1]) < 0 ||
			(i < 5 && p[2] != ':'))
			return refuse(why, "'%s' is not a MAC address (02:00:00:00:00:01) or auto",
				quote);
		mac[i] = (uint8_t)(hex_digit(p[0]) << 4 | hex_digit(p[1]));
	}
	if (mac[0] & 1)
		return refuse(why, "'%s' is a group address; a port has its own", quote);
	if (memcmp(mac, (uint8_t[6]){0}, 6) == 0)
		return refuse(why, "'%s' is no address; write auto", quote);
	memcpy(dst, mac, 6);
	return 0;
}

static int parse_hex(const char *text, uint8_t *dst, uint32_t *len, char *why)
{
	uint32_t n = 0;

	for (const char *p = text; *p;) {
		if (*p == ' ' || *p == '\n') {
			p++;
			continue;
		}
		if (hex_digit(p[0]) < 0 || hex_digit(p[1]) < 0)
			return refuse(why, "'hex:' wants pairs of hexadecimal digits");
		dst[n++] = (uint8_t)(hex_digit(p[0]) << 4 | hex_digit(p[1]));
		p += 2;
	}
	*len = n;
	return 0;
}

static int parse_bytes(
	const struct schema_field *f, struct value_text in, struct arena *a, char *base, char *why)
{
	uint8_t *bytes = (uint8_t *)arena_text(a, in.text, in.len);
	uint32_t len = (uint32_t)in.len;
	int rc;

	if (!bytes)
		return -ENOMEM;
	if (in.len >= 4 && memcmp(in.text, "hex:", 4) == 0) {
		if (memchr(in.text, 0, in.len))
			return refuse(why, "'hex:' wants pairs of hexadecimal digits");
		rc = parse_hex(in.text + 4, bytes, &len, why);
		if (rc != 0)
			return rc;
	}
	if (len > f->max)
		return refuse(why, "%u bytes are more than %u", len, (unsigned)f->max);
	*(uint8_t **)(void *)base = bytes;
	*(uint32_t *)(void *)(base + (f->cnt_offset - f->offset)) = len;
	return 0;
}

int value_parse(
	const struct schema_field *f, struct value_text in, struct arena *a, void *dst, char *why)
{
	if (f->type != SCHEMA_BYTES && memchr(in.text, 0, in.len))
		return refuse(why, "a NUL byte is not allowed");
	switch (f->type) {
	case SCHEMA_BOOL:
		return parse_bool(in, dst, why);
	case SCHEMA_UINT:
	case SCHEMA_COUNT:
	case SCHEMA_DURATION:
	case SCHEMA_SIZE:
	case SCHEMA_PERCENT:
		return parse_number(f, in, dst, why);
	case SCHEMA_ENUM:
		return parse_enum(f, in.text, dst, why);
	case SCHEMA_STRING:
	case SCHEMA_NAME:
		return parse_string(f, in, dst, why);
	case SCHEMA_ADDR:
		return parse_addr(in.text, dst, why);
	case SCHEMA_PREFIX:
	case SCHEMA_IF_ADDR:
		return parse_prefix(f, in.text, dst, why);
	case SCHEMA_PORTS:
		return parse_ports(in, dst, why);
	case SCHEMA_MAC:
		return parse_mac(in.text, dst, why);
	case SCHEMA_BYTES:
		return parse_bytes(f, in, a, dst, why);
	case SCHEMA_MAP:
	case SCHEMA_CUSTOM:
		break;
	}
	return refuse(why, "no single value stands here");
}

static bool plain_ok(const char *text, size_t len)
{
	static const char *const taken[] = {
		"true", "false", "null", "yes", "no", "on", "off", "y", "n"};

	if (len == 0 || !(isalpha((unsigned char)text[0]) || text[0] == '/'))
		return false;
	for (size_t i = 0; i < len; i++) {
		if (!isalnum((unsigned char)text[i]) && (!text[i] || !strchr("_./-", text[i])))
			return false;
	}
	for (size_t i = 0; i < ARRAY_SIZE(taken); i++) {
		if (strlen(taken[i]) == len && strncasecmp(taken[i], text, len) == 0)
			return false;
	}
	return true;
}

void value_show_text(const char *text, size_t len, FILE *out)
{
	if (plain_ok(text, len)) {
		fwrite(text, 1, len, out);
		return;
	}
	fputc('"', out);
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c == '"' || c == '\\')
			fprintf(out, "\\%c", c);
		else if (c == '\n' || c == '\r' || c == '\t')
			fprintf(out, "\\%c", c == '\n' ? 'n' : c == '\r' ? 'r' : 't');
		else if (c < 0x20 || c == 0x7f)
			fprintf(out, "\\x%02x", c);
		else
			fputc(c, out);
	}
	fputc('"', out);
}

static void show_bytes(const uint8_t *bytes, uint32_t len, FILE *out)
{
	bool text = !(len >= 4 && memcmp(bytes, "hex:", 4) == 0);

	for (uint32_t i = 0; i < len; i++)
		text = text && ((bytes[i] >= 0x20 && bytes[i] < 0x7f) ||
				       (bytes[i] && strchr("\r\n\t", bytes[i])));
	if (text) {
		value_show_text((const char *)bytes, len, out);
		return;
	}
	fputs("\"hex:", out);
	for (uint32_t i = 0; i < len; i++)
		fprintf(out, " %02x", bytes[i]);
	fputc('"', out);
}

/* An IPv6 text starts or ends with a colon at times, which YAML would not take as it is. */
static void show_addr_text(const char *text, FILE *out)
{
	fprintf(out, strchr(text, ':') ? "\"%s\"" : "%s", text);
}

static void show_ports(const uint16_t *p, FILE *out)
{
	if (p[0] == 0 && p[1] == UINT16_MAX)
		fputs("any", out);
	else if (p[0] == p[1])
		fprintf(out, "%u", p[0]);
	else
		fprintf(out, "%u-%u", p[0], p[1]);
}

static void show_mac(const uint8_t *m, FILE *out)
{
	if (memcmp(m, (uint8_t[6]){0}, 6) == 0)
		fputs("auto", out);
	else
		fprintf(out, "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
}

static const char *enum_word(const struct schema_field *f, int value)
{
	const struct schema_enum *e = f->words;

	while (e->word && e->value != value)
		e++;
	return e->word ? e->word : "?";
}

void value_show(const struct schema_field *f, const void *src, FILE *out)
{
	char text[IP_ADDR_TEXT_MAX];
	uint64_t v = 0;
	int e = 0;

	switch (f->type) {
	case SCHEMA_BOOL:
		fputs(*(const bool *)src ? "true" : "false", out);
		break;
	case SCHEMA_UINT:
	case SCHEMA_COUNT:
	case SCHEMA_DURATION:
	case SCHEMA_SIZE:
	case SCHEMA_PERCENT:
		memcpy(&v, src, f->width);
		show_quantity(f->type, v, out);
		break;
	case SCHEMA_ENUM:
		memcpy(&e, src, f->width);
		fputs(enum_word(f, e), out);
		break;
	case SCHEMA_STRING:
	case SCHEMA_NAME:
		value_show_text(src, strnlen(src, f->width), out);
		break;
	case SCHEMA_ADDR:
		show_addr_text(ip_addr_format(src, text), out);
		break;
	case SCHEMA_PREFIX:
	case SCHEMA_IF_ADDR:
		show_addr_text(ip_prefix_format(src, text), out);
		break;
	case SCHEMA_PORTS:
		show_ports(src, out);
		break;
	case SCHEMA_MAC:
		show_mac(src, out);
		break;
	case SCHEMA_BYTES:
		show_bytes(*(uint8_t *const *)src,
			*(const uint32_t *)(const void *)((const char *)src +
							  (f->cnt_offset - f->offset)),
			out);
		break;
	case SCHEMA_MAP:
	case SCHEMA_CUSTOM:
		break;
	}
}
