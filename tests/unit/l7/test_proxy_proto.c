/* SPDX-License-Identifier: Apache-2.0
 * The PROXY protocol header: what is accepted, what is refused, and that every prefix of a good one
 * asks for more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/net/hdr.h"
#include "lb/l7/proxy_proto.h"

#define SIG "\r\n\r\n\0\r\nQUIT\n"

static enum proxy_verdict parse(const void *data, size_t len, struct proxy_header *h)
{
	return proxy_parse(data, (uint32_t)len, h);
}

static void assert_addr(const struct ip_addr *a, const char *text)
{
	char out[IP_ADDR_TEXT_MAX];

	assert_string_equal(ip_addr_format(a, out), text);
}

/* Every shorter piece wants more; bytes behind the header change nothing. */
static void assert_good(const void *data, size_t len, struct proxy_header *h)
{
	uint8_t more[4096];

	for (size_t n = 0; n < len; n++)
		assert_int_equal(parse(data, n, h), PROXY_MORE);
	memcpy(more, data, len);
	memset(more + len, 'x', sizeof(more) - len);
	assert_int_equal(parse(more, sizeof(more), h), PROXY_OK);
	assert_int_equal(h->len, len);
	assert_int_equal(parse(data, len, h), PROXY_OK);
	assert_int_equal(h->len, len);
}

static void version_1_is_read(void **state)
{
	static const char v4[] = "PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n";
	static const char v6[] = "PROXY TCP6 2001:db8::1 2001:db8::2 0 65535\r\n";
	static const char unknown[] = "PROXY UNKNOWN\r\n", noise[] = "PROXY UNKNOWN a b 1 \r\n";
	struct proxy_header h;

	(void)state;
	assert_good(v4, strlen(v4), &h);
	assert_true(h.known);
	assert_addr(&h.src, "192.0.2.1");
	assert_addr(&h.dst, "198.51.100.2");
	assert_int_equal(BE16(h.sport), 56324);
	assert_int_equal(BE16(h.dport), 443);
	assert_good(v6, strlen(v6), &h);
	assert_addr(&h.src, "2001:db8::1");
	assert_addr(&h.dst, "2001:db8::2");
	assert_int_equal(BE16(h.sport), 0);
	assert_int_equal(BE16(h.dport), 65535);
	assert_good(unknown, strlen(unknown), &h);
	assert_false(h.known);
	assert_good(noise, strlen(noise), &h);
	assert_false(h.known);
}

static void version_1_is_refused(void **state)
{
	static const char *const bad[] = {
		"GET / HTTP/1.1\r\n",
		"PROXY\tTCP4 192.0.2.1 198.51.100.2 1 2\r\n",
		"PROXY TCP4  192.0.2.1 198.51.100.2 1 2\r\n",
		"PROXY TCP4 192.0.2.1 198.51.100.2 1 2 \r\n",
		"PROXY TCP4 192.0.2.1 198.51.100.2 1 2 3\r\n",
		"PROXY TCP4 192.0.2.1 198.51.100.2 1\r\n",
		"PROXY TCP4 192.0.2.1 198.51.100.2 01 2\r\n",
		"PROXY TCP4 192.0.2.1 198.51.100.2 1 65536\r\n",
		"PROXY TCP4 192.0.2.1 198.51.100.2 1 +2\r\n",
		"PROXY TCP4 192.0.2.1 198.51.100.2 -1 2\r\n",
		"PROXY TCP4 192.0.2.01 198.51.100.2 1 2\r\n",
		"PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n",
		"PROXY TCP6 192.0.2.1 198.51.100.2 1 2\r\n",
		"PROXY TCP6 ::ffff:192.0.2.1 ::ffff:192.0.2.2 1 2\r\n",
		"PROXY TCP6 fe80::1%eth0 2001:db8::2 1 2\r\n",
		"PROXY UDP4 192.0.2.1 198.51.100.2 1 2\r\n",
		"PROXY UNKNOWNX\r\n",
		"PROXY TCP4\r\n",
		"PROXY \r\n",
		"PROXY TCP4 192.0.2.1 198.51.100.2 1 2\n",
		"PROXY TCP4 192.0.2.1 198.51.100.2 1 2\r\r\n",
		"proxy TCP4 192.0.2.1 198.51.100.2 1 2\r\n",
	};
	static const char nul[] = "PROXY UNKNOWN\0\r\n";
	struct proxy_header h;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (parse(bad[i], strlen(bad[i]), &h) != PROXY_BAD)
			fail_msg("accepted: %s", bad[i]);
	assert_int_equal(parse(nul, sizeof(nul) - 1, &h), PROXY_BAD);
}

static void version_1_ends_within_107_bytes(void **state)
{
	char line[PROXY_V1_MAX + 10];
	struct proxy_header h;

	(void)state;
	memset(line, 'x', sizeof(line));
	memcpy(line, "PROXY UNKNOWN ", 14);
	memcpy(line + PROXY_V1_MAX - 2, "\r\n", 2);
	assert_good(line, PROXY_V1_MAX, &h);
	memset(line + 14, 'x', sizeof(line) - 14);
	assert_int_equal(parse(line, PROXY_V1_MAX - 1, &h), PROXY_MORE);
	assert_int_equal(parse(line, PROXY_V1_MAX, &h), PROXY_BAD);
	memcpy(line + PROXY_V1_MAX - 1, "\r\n", 2);
	assert_int_equal(parse(line, PROXY_V1_MAX + 1, &h), PROXY_BAD);
}

static void version_2_is_read(void **state)
{
	static const char v4[] = SIG "\x21\x11\0\x0c\xc0\0\2\1\xc6\x33\x64\2\x04\xd2\0\x50";
	static const char tlv[] =
		SIG "\x21\x11\0\x11\xc0\0\2\1\xc6\x33\x64\2\x04\xd2\0\x50\x04\0\2ab";
	static const char local[] = SIG "\x20\0\0\0", skipped[] = SIG "\x20\x11\0\3abc";
	static const char unspec[] = SIG "\x21\0\0\2xy";
	struct proxy_header h;

	(void)state;
	assert_good(v4, sizeof(v4) - 1, &h);
	assert_true(h.known);
	assert_addr(&h.src, "192.0.2.1");
	assert_addr(&h.dst, "198.51.100.2");
	assert_int_equal(BE16(h.sport), 1234);
	assert_int_equal(BE16(h.dport), 80);
	assert_good(tlv, sizeof(tlv) - 1, &h);
	assert_addr(&h.src, "192.0.2.1");
	assert_good(local, sizeof(local) - 1, &h);
	assert_false(h.known);
	assert_good(skipped, sizeof(skipped) - 1, &h);
	assert_false(h.known);
	assert_good(unspec, sizeof(unspec) - 1, &h);
	assert_false(h.known);
}

static void version_2_is_refused(void **state)
{
	static const struct {
		const char *data;
		size_t len;
	} bad[] = {
#define B(text) {text, sizeof(text) - 1}
		B("\r\n\r\n\0\r\nQUIT\r"), B(SIG "\x31"),                        /* version */
		B(SIG "\x22"),                                                   /* command */
		B(SIG "\x21\x12"),                                               /* UDP */
		B(SIG "\x21\x31"),                                               /* Unix */
		B(SIG "\x21\x11\xff\xff"),                                       /* too long */
		B(SIG "\x21\x11\0\x0b\xc0\0\2\1\xc6\x33\x64\2\x04\xd2\0"),       /* short */
		B(SIG "\x21\x11\0\x0d\xc0\0\2\1\xc6\x33\x64\2\x04\xd2\0\x50\1"), /* half a TLV */
		B(SIG "\x21\x11\0\x0f\xc0\0\2\1\xc6\x33\x64\2\x04\xd2\0\x50\1\0\1"), /* TLV beyond
										      */
#undef B
	};
	struct proxy_header h;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (parse(bad[i].data, bad[i].len, &h) != PROXY_BAD)
			fail_msg("accepted row %zu", i);
}

static void what_is_written_is_read_back(void **state)
{
	static const char *const pairs[][2] = {{"192.0.2.1", "198.51.100.2"},
		{"255.255.255.255", "255.255.255.255"}, {"2001:db8::1", "::1"},
		{"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
			"ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe"}};
	uint8_t buf[PROXY_WRITE_MAX + 1];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		for (int v = PROXY_V1; v <= PROXY_V2; v++) {
			struct proxy_header in = {
				.sport = BE16(65535), .dport = BE16(i), .known = true};
			struct proxy_header out;
			uint32_t n;

			assert_int_equal(ip_addr_parse(pairs[i][0], &in.src), 0);
			assert_int_equal(ip_addr_parse(pairs[i][1], &in.dst), 0);
			buf[PROXY_WRITE_MAX] = 0xa5;
			n = proxy_write((enum proxy_version)v, &in, buf);
			assert_int_equal(buf[PROXY_WRITE_MAX], 0xa5);
			assert_good(buf, n, &out);
			assert_true(out.known);
			assert_true(ip_addr_eq(&in.src, &out.src));
			assert_true(ip_addr_eq(&in.dst, &out.dst));
			assert_int_equal(in.sport, out.sport);
			assert_int_equal(in.dport, out.dport);
		}
	}
	assert_int_equal(proxy_write(PROXY_NONE, &(struct proxy_header){.len = 0}, buf), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(version_1_is_read),
		cmocka_unit_test(version_1_is_refused),
		cmocka_unit_test(version_1_ends_within_107_bytes),
		cmocka_unit_test(version_2_is_read),
		cmocka_unit_test(version_2_is_refused),
		cmocka_unit_test(what_is_written_is_read_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
