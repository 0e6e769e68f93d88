/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/rng.h"
#include "lb/config/values.h"

static const struct schema_enum words[] = {{"red", 3, NULL}, {"green", 7, NULL}, {NULL, 0, NULL}};

/* What value_parse() says of a text: the value as value_show() writes it, or the reason. */
static const char *said_n(const struct schema_field *f, const char *text, size_t len, bool quoted)
{
	static char out[VALUE_WHY];
	char why[VALUE_WHY] = "";
	union {
		char room[512];
		uint64_t align;
	} dst = {{0}};
	struct arena a;
	FILE *mem;
	int rc;

	arena_init(&a);
	rc = value_parse(f, (struct value_text){text, len, quoted}, &a, &dst, why);
	memset(out, 0, sizeof(out));
	if (rc != 0) {
		assert_int_equal(rc, -EINVAL);
		strcpy(out, why);
	} else {
		mem = fmemopen(out, sizeof(out), "w");
		value_show(f, &dst, mem);
		fclose(mem);
	}
	arena_fini(&a);
	return out;
}

static const char *said(const struct schema_field *f, const char *text)
{
	return said_n(f, text, strlen(text), false);
}

#define SAYS(f, text, want)        assert_string_equal(said(f, text), want)
#define SAYS_QUOTED(f, text, want) assert_string_equal(said_n(f, text, strlen(text), true), want)

static void numbers(void **state)
{
	const struct schema_field u = {
		.key = "k", .type = SCHEMA_UINT, .width = 4, .min = 5, .max = 4000000000};
	const struct schema_field c = {
		.key = "k", .type = SCHEMA_COUNT, .width = 8, .min = 0, .max = UINT64_MAX};

	(void)state;
	SAYS(&u, "5", "5");
	SAYS(&u, "007", "7");
	SAYS(&u, "4000000000", "4000000000");
	SAYS(&u, "4", "'4' is out of range: 5 to 4000000000");
	SAYS(&u, "0", "'0' is out of range: 5 to 4000000000");
	SAYS(&u, "4000000001", "'4000000001' is out of range: 5 to 4000000000");
	SAYS(&u, "-7", "'-7' is negative");
	SAYS(&u, "99999999999999999999999", "'99999999999999999999999' is too large");
	SAYS(&u, "1.5", "'1.5' is not a whole number");
	SAYS(&u, "10x", "'10x' is not a whole number");
	SAYS(&u, "", "expected a number (10), found ''");
	SAYS(&u, "ten", "expected a number (10), found 'ten'");
	SAYS(&u, "0x10", "'0x10' is not a whole number");
	SAYS_QUOTED(&u, "10", "expected a number, found the text \"10\": remove the quotes");
	SAYS(&c, "1k", "1000");
	SAYS(&c, "64Ki", "65536");
	SAYS(&c, "1.5M", "1500000");
	SAYS(&c, "18446744073709551615", "18446744073709551615");
	SAYS(&c, "18446744073709551616", "'18446744073709551616' is too large");
	SAYS(&c, "18446744073709551615k", "'18446744073709551615k' is too large");
	SAYS(&c, "1K", "'1K' has an unknown unit; did you mean 'k'?");
	SAYS(&c, "1.0001k", "'1.0001k' is finer than the unit allows");
	SAYS(&c, "1x", "'1x' has an unknown unit; known are k, Ki, M, Mi, G, Gi");
	assert_string_equal(said_n(&u, "5\0", 2, false), "a NUL byte is not allowed");
}

static void durations_sizes_and_percentages(void **state)
{
	const struct schema_field d = {.key = "k",
		.type = SCHEMA_DURATION,
		.width = 8,
		.min = 0,
		.max = UINT64_C(86400000000000) * 30};
	const struct schema_field s = {
		.key = "k", .type = SCHEMA_SIZE, .width = 8, .min = 1, .max = UINT64_C(1) << 44};
	const struct schema_field p = {.key = "k", .type = SCHEMA_PERCENT, .width = 4, .max = 50};

	(void)state;
	SAYS(&d, "10s", "10s");
	SAYS(&d, "1500ms", "1500ms");
	SAYS(&d, "1.5s", "1500ms");
	SAYS(&d, "60s", "1m");
	SAYS(&d, "0", "0");
	SAYS(&d, "0s", "0");
	SAYS(&d, "0.000000001s", "1ns");
	SAYS(&d, "0.0000000001s", "'0.0000000001s' is finer than the unit allows");
	SAYS(&d, "30d", "30d");
	SAYS(&d, "31d", "'31d' is out of range: 0 to 30d");
	SAYS(&d, "10", "'10' has no unit: write 10s or 500ms");
	SAYS(&d, "10 s", "'10 s' has an unknown unit; known are ns, us, ms, s, m, h, d");
	SAYS(&d, "10S", "'10S' has an unknown unit; did you mean 's'?");
	SAYS(&d, "-1s", "'-1s' is negative");
	SAYS(&d, "1.s", "'1.s' has an unknown unit; known are ns, us, ms, s, m, h, d");
	SAYS_QUOTED(&d, "10s", "10s");
	SAYS(&s, "64MiB", "64MiB");
	SAYS(&s, "1024KiB", "1MiB");
	SAYS(&s, "1kB", "1000B");
	SAYS(&s, "1GB", "1000000000B");
	SAYS(&s, "16TiB", "16TiB");
	SAYS(&s, "17TiB", "'17TiB' is out of range: 1B to 16TiB");
	SAYS(&s, "64", "'64' has no unit: write 64MiB or 1GB");
	SAYS(&s, "64Mib", "'64Mib' has an unknown unit; did you mean 'MiB'?");
	SAYS(&p, "10%", "10%");
	SAYS(&p, "0", "0%");
	SAYS(&p, "51%", "'51%' is out of range: 0% to 50%");
	SAYS(&p, "10", "'10' has no unit: write 10%");
}

static void words_and_names(void **state)
{
	const struct schema_field b = {.key = "k", .type = SCHEMA_BOOL, .width = 1};
	const struct schema_field e = {.key = "k", .type = SCHEMA_ENUM, .width = 4, .words = words};
	const struct schema_field n = {.key = "k", .type = SCHEMA_NAME, .width = 8};
	const struct schema_field s = {.key = "k", .type = SCHEMA_STRING, .width = 16};

	(void)state;
	SAYS(&b, "true", "true");
	SAYS(&b, "false", "false");
	SAYS(&b, "yes", "expected true or false, found 'yes'");
	SAYS(&b, "True", "expected true or false, found 'True'");
	SAYS_QUOTED(
		&b, "true", "expected true or false, found the text \"true\": remove the quotes");
	SAYS(&e, "green", "green");
	SAYS(&e, "gren", "unknown value 'gren'; did you mean 'green'?");
	SAYS(&e, "purple", "unknown value 'purple'; known are red, green");
	SAYS(&n, "a.b-c", "a.b-c");
	SAYS(&n, "true", "\"true\"");
	SAYS(&n, "10", "\"10\"");
	SAYS(&n, "12345678", "'12345678' is longer than 7 bytes");
	SAYS(&n, "a b", "'a b' is not a name: letters, digits and . _ : / @ [ ] - are");
	SAYS(&s, "say \"\\\"", "\"say \\\"\\\\\\\"\"");
	SAYS(&s, "a\nb", "'a\\x0ab' holds a control character");
	SAYS(&s, "", "\"\"");
}

static void addresses(void **state)
{
	const struct schema_field a = {
		.key = "k", .type = SCHEMA_ADDR, .width = sizeof(struct ip_addr)};
	const struct schema_field p = {
		.key = "k", .type = SCHEMA_PREFIX, .width = sizeof(struct ip_prefix)};
	const struct schema_field i = {
		.key = "k", .type = SCHEMA_IF_ADDR, .width = sizeof(struct ip_prefix)};
	const struct schema_field m = {.key = "k", .type = SCHEMA_MAC, .width = 6};

	(void)state;
	SAYS(&a, "192.0.2.1", "192.0.2.1");
	SAYS(&a, "2001:DB8:0:0::1", "\"2001:db8::1\"");
	SAYS(&a, "192.0.2", "'192.0.2' is not an IPv4 or IPv6 address");
	SAYS(&a, "192.0.2.1/24", "'192.0.2.1/24' is a prefix; an address stands alone");
	SAYS(&a, "192.0.2.1:80", "'192.0.2.1:80' is not an address; no port stands here");
	SAYS(&p, "192.0.2.0/24", "192.0.2.0/24");
	SAYS(&p, "192.0.2.1", "192.0.2.1/32");
	SAYS(&p, "::/0", "\"::/0\"");
	SAYS(&p, "192.0.2.1/24",
		"'192.0.2.1/24' has bits behind its length; did you mean '192.0.2.0/24'?");
	SAYS(&p, "192.0.2.0/33", "'192.0.2.0/33' is not a prefix (192.0.2.0/24 or 2001:db8::/64)");
	SAYS(&i, "192.0.2.1/24", "192.0.2.1/24");
	SAYS(&i, "192.0.2.1", "'192.0.2.1' has no length of its link: write 192.0.2.1/24");
	SAYS(&i, "2001:db8::1", "'2001:db8::1' has no length of its link: write 2001:db8::1/64");
	SAYS(&m, "02:00:5e:00:00:fF", "02:00:5e:00:00:ff");
	SAYS(&m, "auto", "auto");
	SAYS(&m, "01:00:5e:00:00:01", "'01:00:5e:00:00:01' is a group address; a port has its own");
	SAYS(&m, "00:00:00:00:00:00", "'00:00:00:00:00:00' is no address; write auto");
	SAYS(&m, "02-00-5e-00-00-01",
		"'02-00-5e-00-00-01' is not a MAC address (02:00:00:00:00:01) or auto");
	SAYS(&m, "02:00:5e", "'02:00:5e' is not a MAC address (02:00:00:00:00:01) or auto");
}

static void ports(void **state)
{
	const struct schema_field p = {.key = "k", .type = SCHEMA_PORTS, .width = 4};

	(void)state;
	SAYS(&p, "80", "80");
	SAYS(&p, "8000-8099", "8000-8099");
	SAYS(&p, "any", "any");
	SAYS(&p, "1-65535", "1-65535");
	SAYS(&p, "0", "'0': port 0 does not exist; 'any' is every port");
	SAYS(&p, "65536", "'65536' is not a port: 80, 8000-8099 or any");
	SAYS(&p, "90-80", "'90-80' ends before it begins");
	SAYS(&p, "80-", "'80-' is not a port: 80, 8000-8099 or any");
	SAYS(&p, "http", "'http' is not a port: 80, 8000-8099 or any");
	SAYS_QUOTED(&p, "80", "expected a port, found the text \"80\": remove the quotes");
	SAYS_QUOTED(&p, "80-81", "80-81");
}

static void endpoints(void **state)
{
	static const struct {
		const char *text, *addr, *ports;
	} good[] = {
		{"192.0.2.1", "192.0.2.1", NULL},
		{"192.0.2.1:80", "192.0.2.1", "80"},
		{"2001:db8::1", "2001:db8::1", NULL},
		{"[2001:db8::1]", "2001:db8::1", NULL},
		{"[2001:db8::1]:80-90", "2001:db8::1", "80-90"},
	};
	static const char *const bad[] = {"", ":80", "192.0.2.1:", "[2001:db8::1",
		"[2001:db8::1]80", "[192.0.2.1]:80", "host:80", "2001:db8::1]:80", "[]:80", "[",
		("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa:"
		 "1")};
	char text[IP_ADDR_TEXT_MAX], why[VALUE_WHY];
	struct ip_addr a;
	const char *p;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		assert_int_equal(value_endpoint(good[i].text, &a, &p, why), 0);
		assert_string_equal(ip_addr_format(&a, text), good[i].addr);
		assert_int_equal(p == NULL, good[i].ports == NULL);
		if (p)
			assert_string_equal(p, good[i].ports);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(value_endpoint(bad[i], &a, &p, why), -EINVAL);
}

static void bytes(void **state)
{
	const struct schema_field f = {
		.key = "k", .type = SCHEMA_BYTES, .width = 8, .cnt_offset = 8, .max = 8};

	(void)state;
	SAYS(&f, "PING\r\n", "\"PING\\r\\n\"");
	SAYS(&f, "hex: 00 ff", "\"hex: 00 ff\"");
	SAYS(&f, "hex: 50494e47", "PING");
	SAYS(&f, "hex:0", "'hex:' wants pairs of hexadecimal digits");
	SAYS(&f, "hex: 0g", "'hex:' wants pairs of hexadecimal digits");
	SAYS(&f, "hex:", "\"\"");
	SAYS(&f, "123456789", "9 bytes are more than 8");
	assert_string_equal(said_n(&f, "a\0b", 3, true), "\"hex: 61 00 62\"");
	assert_string_equal(
		said_n(&f, "hex:00\0", 7, true), "'hex:' wants pairs of hexadecimal digits");
}

/* VA1 for random numbers: what is shown is read back to the same value. */
static void what_is_shown_reads_back(void **state)
{
	static const enum schema_type types[] = {SCHEMA_DURATION, SCHEMA_SIZE, SCHEMA_COUNT};
	struct arena a;
	struct rng r;

	(void)state;
	rng_seed(&r, 7);
	arena_init(&a);
	for (int i = 0; i < 30000; i++) {
		const struct schema_field f = {.key = "k", .type = types[i % 3], .width = 8};
		uint64_t v = rng_next(&r) >> rng_below(&r, 64), back = 0;
		char text[64] = "", why[VALUE_WHY];
		FILE *mem = fmemopen(text, sizeof(text), "w");

		if (i % 2)
			v = v / 1000000 * 1000000;
		value_show(&f, &v, mem);
		fclose(mem);
		assert_int_equal(value_parse(&f, (struct value_text){text, strlen(text), false}, &a,
					 &back, why),
			0);
		assert_true(back == v);
	}
	arena_fini(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers),
		cmocka_unit_test(durations_sizes_and_percentages),
		cmocka_unit_test(words_and_names),
		cmocka_unit_test(addresses),
		cmocka_unit_test(ports),
		cmocka_unit_test(endpoints),
		cmocka_unit_test(bytes),
		cmocka_unit_test(what_is_shown_reads_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
