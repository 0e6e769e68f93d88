/* SPDX-License-Identifier: Apache-2.0
 * The pcap reader takes well-formed files alone: a scenario must not pass because its expectation
 * was read as empty. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/pcap_file.h"

static const uint8_t pkt_a[] = {1, 2, 3, 4, 5, 6}, pkt_b[] = {7, 8, 9};

/* A file of two packets; returns its length. */
static size_t sample(uint8_t *out, size_t cap)
{
	const struct pcap_packet p[2] = {
		{.time_ns = 1000000001, .len = sizeof(pkt_a), .data = pkt_a},
		{.time_ns = 5999999999, .len = sizeof(pkt_b), .data = pkt_b},
	};
	FILE *f = fmemopen(out, cap, "wb");
	long len;

	assert_non_null(f);
	assert_int_equal(pcap_write_header(f), 0);
	assert_int_equal(pcap_write_packet(f, &p[0]), 0);
	assert_int_equal(pcap_write_packet(f, &p[1]), 0);
	len = ftell(f);
	fclose(f);
	return (size_t)len;
}

static void test_round_trip(void **state)
{
	uint8_t buf[256];
	struct pcap_file f;
	size_t len = sample(buf, sizeof(buf));

	(void)state;
	assert_int_equal(pcap_file_parse(buf, len, &f), 0);
	assert_int_equal(f.packet_cnt, 2);
	assert_int_equal(f.packets[0].time_ns, 1000000001);
	assert_int_equal(f.packets[0].len, sizeof(pkt_a));
	assert_memory_equal(f.packets[0].data, pkt_a, sizeof(pkt_a));
	assert_int_equal(f.packets[1].time_ns, 5999999999);
	assert_memory_equal(f.packets[1].data, pkt_b, sizeof(pkt_b));
	pcap_file_free(&f);
	pcap_file_free(&f);
}

static void test_microseconds(void **state)
{
	uint8_t buf[256];
	struct pcap_file f;
	uint32_t magic = 0xa1b2c3d4, us = 999999;
	size_t len = sample(buf, sizeof(buf));

	(void)state;
	memcpy(buf, &magic, 4);
	assert_int_equal(pcap_file_parse(buf, len, &f), -EINVAL); /* 999999999 us: over a second */
	memcpy(buf + 24 + 16 + sizeof(pkt_a) + 4, &us, 4);
	assert_int_equal(pcap_file_parse(buf, len, &f), 0);
	assert_int_equal(f.packets[0].time_ns, 1000001000);
	assert_int_equal(f.packets[1].time_ns, 5999999000);
	pcap_file_free(&f);
}

/* Every shortened file is refused, but for one cut right after a record or the header. */
static void test_truncated(void **state)
{
	uint8_t buf[256];
	struct pcap_file f;
	size_t len = sample(buf, sizeof(buf)), first = 24 + 16 + sizeof(pkt_a);

	(void)state;
	for (size_t n = 0; n < len; n++) {
		int rc = pcap_file_parse(buf, n, &f);

		if (n == 24 || n == first) {
			assert_int_equal(rc, 0);
			assert_int_equal(f.packet_cnt, n == first);
			pcap_file_free(&f);
		} else {
			assert_int_equal(rc, -EINVAL);
		}
		assert_null(f.packets);
		assert_null(f.bytes);
	}
}

static void refuse(size_t off, uint32_t value, size_t width)
{
	uint8_t buf[256];
	struct pcap_file f;
	size_t len = sample(buf, sizeof(buf));

	memcpy(buf + off, &value, width);
	assert_int_equal(pcap_file_parse(buf, len, &f), -EINVAL);
}

static void test_refused(void **state)
{
	(void)state;
	refuse(0, 0x0a0d0d0a, 4); /* pcapng */
	refuse(0, 0xd4c3b2a1, 4); /* the other byte order */
	refuse(4, 3, 2);          /* version */
	refuse(20, 101, 4);       /* raw IP */
	refuse(24 + 8, 3, 4);     /* stored less than the packet had */
	refuse(24 + 12, 0, 4);    /* empty packet */
	refuse(24 + 12, 1 << 20, 4);
	refuse(24, 6, 4); /* the second packet is older than the first */
}

static void test_missing_file(void **state)
{
	struct pcap_file f;

	(void)state;
	assert_int_equal(pcap_file_load("/nonexistent/x.pcap", &f), -ENOENT);
	assert_int_equal(f.packet_cnt, 0);
	pcap_file_free(&f);
}

static void test_load(void **state)
{
	char path[] = "/tmp/weir-pcap-XXXXXX";
	uint8_t buf[256];
	struct pcap_file f;
	size_t len = sample(buf, sizeof(buf));
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, buf, len), (ssize_t)len);
	close(fd);
	assert_int_equal(pcap_file_load(path, &f), 0);
	assert_int_equal(f.packet_cnt, 2);
	pcap_file_free(&f);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_microseconds),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_missing_file),
		cmocka_unit_test(test_load),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
