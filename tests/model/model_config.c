/* SPDX-License-Identifier: Apache-2.0
 * Random files made from the schema table against a reader that is as simple as can be.
 *
 * The writer walks the table and writes a file in random order and style; beside it keeps what each
 * value must come to (numbers by plain multiplication). The reader under test parses the file;
 * `config show` of the result is read line by line into paths and texts, and compared: what was
 * written has the value kept, what was not has the table's default, nothing is missing. What is
 * shown, parsed again, shows the same. Then one value after another is broken: the file must be
 * refused with an error at that very line and column. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/rng.h"
#include "lb/config/schema.h"
#include "tests/support/config_text.h"
#include "tests/support/seed.h"

#define DOCS      250
#define MUTATIONS 12
#define ENTRIES   4096
#define TEXT_MAX  (1 << 18)

struct entry {
	char path[128], want[192];
	enum schema_type type;
	uint32_t line, col; /* of the written value; 0: follows from others */
	size_t at, len;     /* of it in the text */
};

struct writer {
	struct rng r;
	char text[TEXT_MAX];
	size_t len, line_start;
	uint32_t line;
	bool dash; /* the next key begins an item */
	struct entry e[ENTRIES];
	uint32_t cnt;
	uint32_t unique;
	/* Of the service being written. */
	const char *mode, *kind; /* kind of its probe */
	bool udp, range;
};

static uint64_t below(struct writer *w, uint64_t n)
{
	return rng_below(&w->r, n);
}

static bool chance(struct writer *w, uint32_t percent)
{
	return below(w, 100) < percent;
}

static void PRINTF_LIKE(2, 3) put(struct writer *w, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(w->text + w->len, TEXT_MAX - w->len, fmt, ap);
	va_end(ap);
	assert_true(n >= 0 && w->len + (size_t)n < TEXT_MAX);
	for (int i = 0; i < n; i++) {
		if (w->text[w->len + (size_t)i] == '\n') {
			w->line++;
			w->line_start = w->len + (size_t)i + 1;
		}
	}
	w->len += (size_t)n;
}

static struct entry *expect(struct writer *w, const char *path, enum schema_type type)
{
	struct entry *e = &w->e[w->cnt++];

	assert_true(w->cnt < ENTRIES);
	*e = (struct entry){.type = type};
	snprintf(e->path, sizeof(e->path), "%s", path);
	return e;
}

static void put_key(struct writer *w, int indent, const char *key)
{
	put(w, w->dash ? "%*s- %s:" : "%*s  %s:", indent - 2, "", key);
	w->dash = false;
}

/* A value as it stands in the file, and what it must come to. */
static void put_value(struct writer *w, const char *path, enum schema_type type,
	const char *written, const char *want)
{
	struct entry *e = expect(w, path, type);

	snprintf(e->want, sizeof(e->want), "%s", want);
	e->at = w->len;
	e->len = strlen(written);
	e->line = w->line;
	e->col = (uint32_t)(w->len - w->line_start) + 1;
	put(w, "%s", written);
}

static void put_scalar(struct writer *w, int indent, const char *path, const char *key,
	enum schema_type type, const char *written, const char *want)
{
	char full[128];

	put_key(w, indent, key);
	put(w, chance(w, 10) ? "   " : " ");
	snprintf(full, sizeof(full), "%s%s%s", path, *path ? "." : "", key);
	put_value(w, full, type, written, want);
	put(w, chance(w, 10) ? " # a remark\n\n" : "\n");
}

/* ---- values by type ---- */

struct scale {
	const char *name;
	uint64_t factor;
};
static const struct scale durations[] = {{"ns", 1}, {"us", 1000}, {"ms", 1000000},
	{"s", 1000000000}, {"m", UINT64_C(60) * 1000000000}, {"h", UINT64_C(3600) * 1000000000},
	{"d", UINT64_C(86400) * 1000000000}};
static const struct scale sizes[] = {{"B", 1}, {"kB", 1000}, {"KiB", 1024}, {"MB", 1000000},
	{"MiB", 1048576}, {"GB", 1000000000}, {"GiB", 1073741824}, {"TB", UINT64_C(1000000000000)},
	{"TiB", UINT64_C(1) << 40}};
static const struct scale counts[] = {
	{"", 1}, {"k", 1000}, {"Ki", 1024}, {"M", 1000000}, {"Mi", 1048576}, {"G", 1000000000}};
static const struct scale percents[] = {{"%", 1}};
static const struct scale plain[] = {{"", 1}};

static const struct scale *scales(enum schema_type type, size_t *n)
{
	switch (type) {
	case SCHEMA_DURATION:
		*n = ARRAY_SIZE(durations);
		return durations;
	case SCHEMA_SIZE:
		*n = ARRAY_SIZE(sizes);
		return sizes;
	case SCHEMA_COUNT:
		*n = ARRAY_SIZE(counts);
		return counts;
	case SCHEMA_PERCENT:
		*n = 1;
		return percents;
	default:
		*n = 1;
		return plain;
	}
}

static bool is_number(enum schema_type type)
{
	return type == SCHEMA_UINT || type == SCHEMA_COUNT || type == SCHEMA_DURATION ||
	       type == SCHEMA_SIZE || type == SCHEMA_PERCENT;
}

static void number(struct writer *w, enum schema_type type, uint64_t min, uint64_t max,
	char *written, char *want)
{
	size_t n;
	const struct scale *all = scales(type, &n), *s;
	uint64_t lo, hi, v;
	bool quote;

	do {
		s = &all[below(w, n)];
		lo = (min + s->factor - 1) / s->factor;
		hi = max / s->factor;
	} while (lo > hi);
	v = lo + below(w, hi - lo + 1);
	if (chance(w, 50)) /* small numbers more often */
		v = lo + (v - lo) % 10;
	quote = (type == SCHEMA_DURATION || type == SCHEMA_SIZE) && chance(w, 20);
	sprintf(written, quote ? "\"%" PRIu64 "%s\"" : "%" PRIu64 "%s", v, s->name);
	sprintf(want, "%" PRIu64, v * s->factor);
}

/* What a shown number comes to. */
static uint64_t naive_number(enum schema_type type, const char *text)
{
	size_t n;
	const struct scale *all = scales(type, &n);
	char *end;
	uint64_t v = strtoull(text, &end, 10);

	for (size_t i = 0; i < n; i++) {
		if (strcmp(all[i].name, end) == 0)
			return v * all[i].factor;
	}
	assert_true(v == 0 && *end == '\0');
	return 0;
}

static void word(struct writer *w, const struct schema_field *f, char *out)
{
	uint32_t n = 0;

	while (f->words[n].word)
		n++;
	strcpy(out, f->words[below(w, n)].word);
}

static void letters(struct writer *w, char *out, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++)
		out[i] = (char)('a' + below(w, 26));
	out[len] = '\0';
}

/* A row whose value nothing else depends on. */
static void any_value(struct writer *w, const struct schema_field *f, int indent, const char *path)
{
	char written[192], want[192];

	switch (f->type) {
	case SCHEMA_BOOL:
		strcpy(want, chance(w, 50) ? "true" : "false");
		strcpy(written, want);
		break;
	case SCHEMA_ENUM:
		word(w, f, want);
		sprintf(written, chance(w, 20) ? "'%s'" : "%s", want);
		break;
	case SCHEMA_STRING:
	case SCHEMA_NAME:
		letters(w, want, 1 + (uint32_t)below(w, 12));
		sprintf(written, chance(w, 50) ? "\"%s\"" : "x%s", want);
		if (*written == 'x')
			strcpy(want, written);
		break;
	default:
		assert_true(is_number(f->type));
		number(w, f->type, f->min, f->max, written, want);
	}
	put_scalar(w, indent, path, f->key, f->type, written, want);
}

/* A list of addresses or prefixes in flow or block style; shown on one line up to four. */
static void put_list(struct writer *w, int indent, const char *path, const char *key,
	enum schema_type type, char items[][64], uint32_t cnt)
{
	char full[128], item_path[160];
	bool block = chance(w, 50), one = cnt == 1 && chance(w, 50);

	snprintf(full, sizeof(full), "%s.%s", path, key);
	put_key(w, indent, key);
	put(w, one ? " " : block ? "\n" : " [");
	for (uint32_t i = 0; i < cnt; i++) {
		char quoted[80];

		snprintf(item_path, sizeof(item_path), "%.120s[%u]", full, i);
		snprintf(quoted, sizeof(quoted), strchr(items[i], ':') ? "\"%s\"" : "%s", items[i]);
		if (!one)
			put(w, "%*s%s", block ? indent : 0, "", block ? "- " : i ? ", " : "");
		put_value(w, item_path, type, quoted, items[i]);
		if (block && !one)
			put(w, "\n");
	}
	put(w, one ? "\n" : block ? "" : "]\n");
}

/* ---- the sections ---- */

static const struct schema_map *child(const struct schema_map *map, const char *key)
{
	return schema_find(map, key)->map;
}

typedef bool (*special_fn)(struct writer *, const struct schema_field *, int, const char *);

/* Keys in random order, each with some chance; `special` takes those that depend on others. */
static void put_map(struct writer *w, const struct schema_map *map, int indent, const char *path,
	special_fn special)
{
	uint32_t order[64], n = map->field_cnt;

	for (uint32_t i = 0; i < n; i++)
		order[i] = i;
	for (uint32_t i = n; i > 1; i--) {
		uint32_t j = (uint32_t)below(w, i), t = order[i - 1];

		order[i - 1] = order[j];
		order[j] = t;
	}
	for (uint32_t i = 0; i < n; i++) {
		const struct schema_field *f = &map->fields[order[i]];

		if (special && special(w, f, indent, path))
			continue;
		if (chance(w, 40))
			any_value(w, f, indent, path);
	}
}

static bool is(const struct schema_field *f, const char *key)
{
	return strcmp(f->key, key) == 0;
}

static uint32_t port_of(const char *path)
{
	return (uint32_t)atoi(strchr(path, '[') + 1);
}

static bool port_special(
	struct writer *w, const struct schema_field *f, int indent, const char *path)
{
	uint32_t p = port_of(path);
	char items[6][64], route[128], text[64];

	if (is(f, "name") || is(f, "device") || is(f, "host_tap")) {
		sprintf(text, "%c%u", f->key[0], w->unique++);
		if (is(f, "device") || chance(w, 50))
			put_scalar(w, indent, path, f->key, f->type, text, text);
	} else if (is(f, "addresses")) {
		sprintf(items[0], "10.%u.0.1/16", p);
		sprintf(items[1], "2001:db8:%x::1/64", p + 1);
		put_list(w, indent, path, f->key, f->type, items, 2);
	} else if (is(f, "gateway")) {
		uint32_t n = (uint32_t)below(w, 6);

		for (uint32_t i = 0; i < n; i++)
			sprintf(items[i], i % 2 ? "2001:db8:%x::f%u" : "10.%u.0.2%u",
				i % 2 ? p + 1 : p, i);
		if (n)
			put_list(w, indent, path, f->key, f->type, items, n);
	} else if (is(f, "routes")) {
		uint32_t n = (uint32_t)below(w, 4);

		if (n == 0)
			return true;
		put_key(w, indent, f->key);
		put(w, "\n");
		for (uint32_t i = 0; i < n; i++) {
			snprintf(route, sizeof(route), "%s.routes[%u]", path, i);
			w->dash = true;
			sprintf(text, "100.%u.%u.0/24", 64 + p, i);
			put_scalar(w, indent + 4, route, "to", SCHEMA_PREFIX, text, text);
			sprintf(items[0], "10.%u.0.251", p);
			put_list(w, indent + 4, route, "via", SCHEMA_ADDR, items, 1);
		}
	} else if (is(f, "mac")) {
		sprintf(text, "02:%02x:5e:00:53:%02x", (unsigned)below(w, 256),
			(unsigned)below(w, 256));
		if (chance(w, 30))
			put_scalar(w, indent, path, f->key, f->type, text, text);
	} else if (is(f, "rx_queue_len") || is(f, "tx_queue_len")) {
		char want[64];

		number(w, f->type, 64, 1024, text, want);
		if (chance(w, 30))
			put_scalar(w, indent, path, f->key, f->type, text, want);
	} else {
		return false;
	}
	return true;
}

static bool worker_special(
	struct writer *w, const struct schema_field *f, int indent, const char *path)
{
	char text[64], want[64];

	if (is(f, "count"))
		return true;
	if (!is(f, "cores"))
		return false;
	if (chance(w, 50)) { /* a range, and the count that follows from it */
		uint64_t lo = below(w, 50), n = 1 + below(w, 4);

		sprintf(text, "%" PRIu64 "-%" PRIu64, lo, lo + n - 1);
		strcpy(want, "[");
		for (uint64_t i = 0; i < n; i++)
			sprintf(want + strlen(want), "%s%" PRIu64, i ? ", " : "", lo + i);
		strcat(want, "]");
		put_scalar(w, indent, path, "cores", SCHEMA_CUSTOM, text, want);
		sprintf(expect(w, "workers.count", SCHEMA_UINT)->want, "%" PRIu64, n);
	} else {
		number(w, SCHEMA_UINT, 1, 64, text, want);
		put_scalar(w, indent, path, "count", SCHEMA_UINT, text, want);
	}
	return true;
}

static bool memory_special(
	struct writer *w, const struct schema_field *f, int indent, const char *path)
{
	char text[64], want[64];

	/* Allowed beside hugepages alone. */
	if (is(f, "secondaries"))
		return true;
	if (is(f, "mbufs"))
		number(w, f->type, 1 << 15, 1 << 17, text, want);
	else if (is(f, "dpdk"))
		number(w, f->type, UINT64_C(1) << 40, f->max, text, want);
	else
		return false;
	if (chance(w, 40))
		put_scalar(w, indent, path, f->key, f->type, text, want);
	return true;
}

static bool l4_special(struct writer *w, const struct schema_field *f, int indent, const char *path)
{
	char text[64], quoted[80];

	if (is(f, "hash_seed")) {
		sprintf(text, "%016" PRIx64 "%016" PRIx64, rng_next(&w->r), rng_next(&w->r));
		sprintf(quoted, "\"%s\"", text);
		put_scalar(w, indent, path, f->key, f->type, quoted, text);
	} else if (is(f, "local_ports")) {
		uint64_t lo = 1 + below(w, 60000);

		sprintf(text, "%" PRIu64 "-%" PRIu64, lo, lo + 64 + below(w, 5000));
		if (chance(w, 50))
			put_scalar(w, indent, path, f->key, f->type, text, text);
	} else {
		return false;
	}
	return true;
}

/* Who may call, and by which network, has tests of its own. */
static bool admin_special(
	struct writer *w, const struct schema_field *f, int indent, const char *path)
{
	(void)w;
	(void)indent;
	(void)path;
	return !is(f, "socket");
}

static bool health_special(
	struct writer *w, const struct schema_field *f, int indent, const char *path)
{
	const char *kind = w->kind;
	char text[64], want[64];

	if (is(f, "type"))
		return true; /* first, by put_health() */
	if (f->only && !(f->only & (1u << HEALTH_ICMP | 1u << HEALTH_TCP | 1u << HEALTH_UDP)))
		return true; /* of kinds that services do not have */
	if (is(f, "port")) {
		if (strcmp(kind, "icmp") != 0 && (w->range || chance(w, 30))) {
			number(w, f->type, 1, 65535, text, want);
			put_scalar(w, indent, path, f->key, f->type, text, want);
		}
	} else if (is(f, "interval") || is(f, "timeout")) {
		uint64_t sec = 1000000000;

		number(w, f->type, is(f, "interval") ? sec : f->min,
			is(f, "interval") ? f->max : sec, text, want);
		if (chance(w, 50))
			put_scalar(w, indent, path, f->key, f->type, text, want);
	} else if (is(f, "send") || is(f, "expect")) {
		char quoted[80];

		letters(w, text, 1 + (uint32_t)below(w, 20));
		sprintf(quoted, "\"%s\"", text);
		if (strcmp(kind, "udp") == 0 && (is(f, "send") || chance(w, 50)))
			put_scalar(w, indent, path, f->key, f->type, quoted, text);
	} else {
		return false;
	}
	return true;
}

static void put_health(struct writer *w, int indent, const char *path, const struct schema_map *map)
{
	static const char *const kinds[] = {"icmp", "tcp", "udp"};
	char full[128];

	w->kind = kinds[below(w, 3)];

	put_key(w, indent, "health");
	put(w, "\n");
	snprintf(full, sizeof(full), "%s.health", path);
	put_scalar(w, indent + 2, full, "type", SCHEMA_ENUM, w->kind, w->kind);
	put_map(w, map, indent + 2, full, health_special);
}

static bool mode_is(const struct writer *w, const char *mode)
{
	return strcmp(w->mode, mode) == 0;
}

static void put_backends(struct writer *w, int indent, const char *path)
{
	bool remap = !w->range && (mode_is(w, "nat") || mode_is(w, "fullnat"));
	uint32_t n = 1 + (uint32_t)below(w, 8);
	char item[128], addr[64], text[96], want[64];

	put_key(w, indent, "backends");
	put(w, "\n");
	for (uint32_t i = 0; i < n; i++) {
		bool six = !mode_is(w, "nat") && !mode_is(w, "dsr") && chance(w, 30);
		uint64_t port = 1 + below(w, 65535);
		bool ported = remap && chance(w, 60);

		snprintf(item, sizeof(item), "%s.backends[%u]", path, i);
		sprintf(addr, six ? "2001:db8:1::b%u" : "10.0.1.%u", i + 1);
		if (chance(w, 50)) { /* the short form */
			put(w, "%*s- ", indent + 2, "");
			if (ported)
				sprintf(text, six ? "\"[%s]:%" PRIu64 "\"" : "%s:%" PRIu64, addr,
					port);
			else
				sprintf(text, six ? "\"%s\"" : "%s", addr);
			snprintf(item, sizeof(item), "%s.backends[%u].address", path, i);
			put_value(w, item, SCHEMA_ADDR, text, addr);
			put(w, "\n");
			snprintf(item, sizeof(item), "%s.backends[%u].port", path, i);
			if (ported)
				sprintf(expect(w, item, SCHEMA_UINT)->want, "%" PRIu64, port);
			continue;
		}
		w->dash = true;
		sprintf(text, six ? "\"%s\"" : "%s", addr);
		put_scalar(w, indent + 4, item, "address", SCHEMA_ADDR, text, addr);
		if (ported) {
			sprintf(text, "%" PRIu64, port);
			put_scalar(w, indent + 4, item, "port", SCHEMA_UINT, text, text);
		}
		if (chance(w, 50)) {
			number(w, SCHEMA_UINT, 0, LIMIT_WEIGHT, text, want);
			put_scalar(w, indent + 4, item, "weight", SCHEMA_UINT, text, want);
		}
	}
}

static void put_place(struct writer *w, int indent, const char *path)
{
	uint64_t lo = 1 + below(w, 60000), hi = w->range ? lo + 1 + below(w, 100) : lo;
	char vip[64], ports[64], text[160], full[160];

	sprintf(vip, "203.0.113.%u", port_of(path) + 1);
	sprintf(ports, w->range ? "%" PRIu64 "-%" PRIu64 : "%" PRIu64, lo, hi);
	if (chance(w, 50)) {
		char items[1][64];

		strcpy(items[0], vip);
		put_list(w, indent, path, "vips", SCHEMA_ADDR, items, 1);
		put_scalar(w, indent, path, "port", SCHEMA_PORTS, ports, ports);
		return;
	}
	put_key(w, indent, "vip");
	put(w, " ");
	sprintf(text, "%s:%s", vip, ports);
	snprintf(full, sizeof(full), "%s.vips[0]", path);
	put_value(w, full, SCHEMA_ADDR, text, vip);
	put(w, "\n");
	snprintf(full, sizeof(full), "%s.port", path);
	snprintf(expect(w, full, SCHEMA_PORTS)->want, 64, "%s", ports);
}

static bool service_list(
	struct writer *w, const struct schema_field *f, int indent, const char *path)
{
	uint32_t n = 1 + (uint32_t)below(w, 6);
	char items[6][64];

	if (is(f, "allow") || is(f, "deny")) {
		for (uint32_t i = 0; i < n; i++)
			sprintf(items[i], "198.%u.%u.0/24", is(f, "allow") ? 18 : 19, i);
	} else if (is(f, "local_addresses") && mode_is(w, "fullnat")) {
		n = 2;
		strcpy(items[0], "10.0.0.77");
		strcpy(items[1], "2001:db8:1::77");
	} else {
		return false;
	}
	if (chance(w, 40))
		put_list(w, indent, path, f->key, f->type, items, n);
	return true;
}

static bool service_special(
	struct writer *w, const struct schema_field *f, int indent, const char *path)
{
	static const char *const primes[] = {"1009", "65537", "10007", "16777213"};
	char full[128], text[64];

	if (service_list(w, f, indent, path) || is(f, "vip") || is(f, "port") || is(f, "mode") ||
		is(f, "protocol"))
		return true;
	if (is(f, "vips")) {
		put_place(w, indent, path);
	} else if (is(f, "backends")) {
		put_backends(w, indent, path);
	} else if (is(f, "name")) {
		sprintf(text, "s%u", w->unique++);
		put_scalar(w, indent, path, f->key, f->type, text, text);
	} else if (is(f, "maglev_size")) {
		const char *prime = primes[below(w, 4)];

		put_scalar(w, indent, path, f->key, f->type, prime, prime);
	} else if (is(f, "health")) {
		if (chance(w, 60))
			put_health(w, indent, path, f->map);
	} else if (f->type == SCHEMA_MAP) {
		if (chance(w, 50))
			return true;
		put_key(w, indent, f->key);
		put(w, " # a map\n");
		snprintf(full, sizeof(full), "%s.%s", path, f->key);
		/* A map with no keys would be nothing. */
		for (size_t before = w->len; w->len == before;)
			put_map(w, f->map, indent + 2, full, NULL);
	} else if ((is(f, "toa") && (!mode_is(w, "fullnat") || w->udp)) ||
		   (is(f, "mss_clamp") && w->udp) || (is(f, "gue_port") && !mode_is(w, "gue")) ||
		   is(f, "tunnel_source") || is(f, "local_addresses")) {
		return true;
	} else {
		return false;
	}
	return true;
}

static void put_service(struct writer *w, uint32_t i, const struct schema_map *map)
{
	static const char *const modes[] = {"dsr", "ipip", "gue", "nat", "fullnat"};
	char path[64];

	snprintf(path, sizeof(path), "services[%u]", i);
	w->mode = modes[below(w, 5)];
	w->udp = chance(w, 30);
	w->range = chance(w, 30);
	w->dash = true;
	put_scalar(w, 4, path, "mode", SCHEMA_ENUM, w->mode, w->mode);
	if (w->udp)
		put_scalar(w, 4, path, "protocol", SCHEMA_ENUM, "udp", "udp");
	put_map(w, map, 4, path, service_special);
}

static void put_section(struct writer *w, const char *key, special_fn special)
{
	size_t before;

	if (chance(w, 40))
		return;
	put(w, "%s:\n", key);
	for (before = w->len; w->len == before;)
		put_map(w, child(&schema_root, key), 0, key, special);
}

static void put_document(struct writer *w, uint64_t seed)
{
	uint32_t ports, services;
	char path[32];

	memset(w, 0, sizeof(*w));
	rng_seed(&w->r, seed);
	w->line = 1;
	ports = 1 + (uint32_t)below(w, 4);
	services = (uint32_t)below(w, 12);
	put_section(w, "memory", memory_special);
	put_section(w, "workers", worker_special);
	put(w, "ports:\n");
	for (uint32_t i = 0; i < ports; i++) {
		snprintf(path, sizeof(path), "ports[%u]", i);
		w->dash = true;
		put_map(w, child(&schema_root, "ports"), 2, path, port_special);
	}
	put_section(w, "l4", l4_special);
	if (services)
		put(w, "services:\n");
	for (uint32_t i = 0; i < services; i++)
		put_service(w, i, child(&schema_root, "services"));
	put_section(w, "admin", admin_special);
}

/* ---- the naive reader of what is shown ---- */

struct shown {
	char path[160], text[256];
	bool seen;
};

struct listing {
	struct shown v[ENTRIES * 4];
	uint32_t cnt;
};

struct level {
	int indent;
	char path[128];
	uint32_t items;
};

static void unquote(char *text)
{
	size_t n = strlen(text);

	if (n >= 2 && text[0] == '"' && text[n - 1] == '"') {
		memmove(text, text + 1, n - 2);
		text[n - 2] = '\0';
	}
}

static void add_shown(struct listing *l, const char *path, const char *text)
{
	struct shown *v = &l->v[l->cnt++];

	assert_true(l->cnt < ARRAY_SIZE(l->v));
	*v = (struct shown){.seen = false};
	snprintf(v->path, sizeof(v->path), "%s", path);
	snprintf(v->text, sizeof(v->text), "%s", text);
	unquote(v->text);
}

/* A list on one line gives its items, unless it is one of numbers ("[0, 1]" of cores). */
static void add_line(struct listing *l, const char *path, const char *text)
{
	char copy[1024], item_path[160], *item, *save;
	uint32_t i = 0;

	if (*text != '[' || (strchr(path, '.') && strcmp(strrchr(path, '.'), ".cores") == 0)) {
		add_shown(l, path, text);
		return;
	}
	snprintf(copy, sizeof(copy), "%s", text + 1);
	copy[strlen(copy) - 1] = '\0';
	for (item = strtok_r(copy, ", ", &save); item; item = strtok_r(NULL, ", ", &save)) {
		snprintf(item_path, sizeof(item_path), "%.120s[%u]", path, i++);
		add_shown(l, item_path, item);
	}
}

static void list_shown(char *text, struct listing *l)
{
	struct level stack[16] = {{.indent = -1}};
	uint32_t top = 0;
	char *save;

	l->cnt = 0;
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		int indent = (int)strspn(line, " ");
		char *p = line + indent, *colon, path[160];

		while (stack[top].indent >= indent)
			top--;
		if (p[0] == '-') {
			struct level *list = &stack[top];

			snprintf(path, sizeof(path), "%.120s[%u]", list->path, list->items++);
			p += 2;
			indent += 2;
			top++;
			stack[top] = (struct level){.indent = indent - 2};
			snprintf(stack[top].path, sizeof(stack[top].path), "%.120s", path);
			if (*p == '"' || !strchr(p, ':')) {
				add_shown(l, path, p);
				continue;
			}
		}
		colon = strchr(p, ':');
		*colon = '\0';
		snprintf(path, sizeof(path), "%.100s%s%.50s", stack[top].path,
			*stack[top].path ? "." : "", p);
		if (colon[1]) {
			add_line(l, path, colon + 2);
			continue;
		}
		top++;
		stack[top] = (struct level){.indent = indent};
		snprintf(stack[top].path, sizeof(stack[top].path), "%.120s", path);
	}
}

/* ---- comparison ---- */

static struct shown *find(struct listing *l, const char *path)
{
	for (uint32_t i = 0; i < l->cnt; i++) {
		if (strcmp(l->v[i].path, path) == 0)
			return &l->v[i];
	}
	return NULL;
}

/* The row of a path: its indices do not matter. */
static const struct schema_field *row_of(const char *path)
{
	const struct schema_map *map = &schema_root;
	const struct schema_field *f = NULL;
	char copy[160], *key, *save;

	snprintf(copy, sizeof(copy), "%s", path);
	for (key = strtok_r(copy, ".", &save); key; key = strtok_r(NULL, ".", &save)) {
		key[strcspn(key, "[")] = '\0';
		f = schema_find(map, key);
		assert_non_null(f);
		map = f->map;
	}
	return f;
}

static void same(const struct shown *v, enum schema_type type, const char *want)
{
	bool equal;

	if (is_number(type))
		equal = naive_number(type, v->text) == strtoull(want, NULL, 10);
	else
		equal = strcmp(v->text, want) == 0;
	if (!equal)
		print_error("%s is shown as %s, not %s\n", v->path, v->text, want);
	assert_true(equal);
}

static void same_as_default(const struct shown *v)
{
	const struct schema_field *f = row_of(v->path);
	char want[64];

	assert_non_null(f);
	if (!f->dflt)
		return; /* follows from others */
	if (is_number(f->type))
		snprintf(want, sizeof(want), "%" PRIu64, naive_number(f->type, f->dflt));
	else
		snprintf(want, sizeof(want), "%s", strcmp(f->dflt, "\"\"") == 0 ? "" : f->dflt);
	same(v, f->type, want);
}

/* Every row of a map that always exists is shown; lists without items are not. */
static void nothing_is_missing(struct listing *l, const struct schema_map *map, const char *path)
{
	char full[160];

	for (uint32_t i = 0; i < map->field_cnt; i++) {
		const struct schema_field *f = &map->fields[i];

		snprintf(full, sizeof(full), "%.100s%s%s", path, *path ? "." : "", f->key);
		if (f->type == SCHEMA_MAP && (f->flags & (SCHEMA_NAMED | SCHEMA_OPTIONAL)))
			continue;
		if (f->type == SCHEMA_MAP && !(f->flags & SCHEMA_LIST))
			nothing_is_missing(l, f->map, full);
		else if (!f->only && !(f->flags & (SCHEMA_LIST | SCHEMA_SHORT)) && !find(l, full))
			fail_msg("%s is not shown", full);
	}
}

static struct config *take(const char *text, size_t len, char **said)
{
	struct config *cfg = config_text_parse_n(text, len, said);

	if (!cfg)
		print_error("%.*s\n----\n%s", (int)len, text, *said);
	return cfg;
}

static void check_document(struct writer *w)
{
	static struct listing l;
	char *said, *first, *second, path[32];
	struct config *cfg = take(w->text, w->len, &said), *again;

	assert_non_null(cfg);
	free(said);
	first = config_text_show(cfg, false);
	again = take(first, strlen(first), &said);
	assert_non_null(again);
	free(said);
	second = config_text_show(again, false);
	assert_string_equal(first, second);
	list_shown(second, &l);
	for (uint32_t i = 0; i < w->cnt; i++) {
		struct shown *v = find(&l, w->e[i].path);

		if (!v)
			print_error("%s\n----\n%s is not shown\n", w->text, w->e[i].path);
		assert_non_null(v);
		v->seen = true;
		same(v, w->e[i].type, w->e[i].want);
	}
	for (uint32_t i = 0; i < l.cnt; i++) {
		if (!l.v[i].seen)
			same_as_default(&l.v[i]);
	}
	for (uint32_t i = 0; i < cfg->port_cnt; i++) {
		snprintf(path, sizeof(path), "ports[%u]", i);
		nothing_is_missing(&l, child(&schema_root, "ports"), path);
	}
	for (uint32_t i = 0; i < cfg->service_cnt; i++) {
		snprintf(path, sizeof(path), "services[%u]", i);
		nothing_is_missing(&l, child(&schema_root, "services"), path);
	}
	nothing_is_missing(&l, child(&schema_root, "memory"), "memory");
	nothing_is_missing(&l, child(&schema_root, "workers"), "workers");
	nothing_is_missing(&l, child(&schema_root, "l4"), "l4");
	nothing_is_missing(&l, child(&schema_root, "admin"), "admin");
	config_free(cfg);
	config_free(again);
	free(first);
	free(second);
}

/* ---- mutation ---- */

static const char *garbage(struct writer *w, enum schema_type type)
{
	static const char *const numbers[] = {
		"\"7\"", "-1", "7x", "{}", "[1]", "99999999999999999999"};

	switch (type) {
	case SCHEMA_BOOL:
		return chance(w, 50) ? "maybe" : "\"true\"";
	case SCHEMA_UINT:
	case SCHEMA_COUNT:
		return numbers[below(w, ARRAY_SIZE(numbers))];
	case SCHEMA_DURATION:
	case SCHEMA_SIZE:
	case SCHEMA_PERCENT:
		return numbers[1 + below(w, ARRAY_SIZE(numbers) - 1)];
	case SCHEMA_ENUM:
		return "nonsense";
	case SCHEMA_ADDR:
	case SCHEMA_PREFIX:
	case SCHEMA_IF_ADDR:
		return chance(w, 50) ? "192.0.2.300" : "2001:db8:::1";
	case SCHEMA_NAME:
		return chance(w, 50) ? "\"a b\"" : "[a]";
	case SCHEMA_PORTS:
		return chance(w, 50) ? "70000" : "9-1";
	case SCHEMA_MAC:
		return "ff:ff:ff:ff:ff:ff";
	case SCHEMA_CUSTOM:
	case SCHEMA_STRING:
	case SCHEMA_BYTES:
		return "{a: b}";
	case SCHEMA_MAP:
		break;
	}
	return "";
}

static void check_mutation(struct writer *w)
{
	static char text[TEXT_MAX];
	const struct entry *e;
	char *said, place[32], *at;
	const char *bad;

	do
		e = &w->e[below(w, w->cnt)];
	while (e->line == 0);
	bad = garbage(w, e->type);
	snprintf(
		text, sizeof(text), "%.*s%s%s", (int)e->at, w->text, bad, w->text + e->at + e->len);
	assert_null(config_text_parse(text, &said));
	snprintf(place, sizeof(place), "t:%u:%u: error: ", e->line, e->col);
	at = strstr(said, place);
	if (!at)
		print_error("%s\n----\n%s instead of %s at %s; said\n%s", text, bad, e->want, place,
			said);
	assert_non_null(at);
	free(said);
}

static void files_mean_what_the_model_says(void **state)
{
	static struct writer w;
	uint64_t seed = test_seed(), values = 0;

	(void)state;
	for (uint64_t i = 0; i < DOCS; i++) {
		put_document(&w, seed + i);
		check_document(&w);
		values += w.cnt;
		for (int m = 0; m < MUTATIONS; m++)
			check_mutation(&w);
	}
	assert_true(values > DOCS * 50);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_mean_what_the_model_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
