/* SPDX-License-Identifier: Apache-2.0
 * Every coder against the decoder of its library: whatever the pieces and the room, what was put in
 * comes out, after a flush all of it so far, and again after a reset. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <brotli/decode.h>
#include <cmocka.h>
#include <zlib.h>
#include <zstd.h>

#include "dataplane/base/rng.h"
#include "lb/l7/policy/coder.h"
#include "tests/support/seed.h"

#define DATA_MAX 300000

static char data[DATA_MAX], coded[2 * DATA_MAX], plain[DATA_MAX];

/* Text-like and random bytes in turn. */
static uint32_t make_data(struct rng *r, uint32_t max)
{
	uint32_t n = (uint32_t)rng_below(r, max), at = 0;

	while (at < n) {
		bool noise = rng_below(r, 4) == 0;
		uint32_t len = 1 + (uint32_t)rng_below(r, 5000);

		for (; len > 0 && at < n; len--)
			data[at++] = (char)(noise ? rng_below(r, 256) : 'a' + rng_below(r, 4));
	}
	return n;
}

static size_t inflate_all(size_t len)
{
	z_stream z = {.next_in = (Bytef *)coded,
		.avail_in = (uInt)len,
		.next_out = (Bytef *)plain,
		.avail_out = sizeof(plain)};

	assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
	(void)inflate(&z, Z_SYNC_FLUSH);
	assert_int_equal(z.avail_in, 0);
	(void)inflateEnd(&z);
	return sizeof(plain) - z.avail_out;
}

static size_t unbrotli_all(size_t len)
{
	BrotliDecoderState *s = BrotliDecoderCreateInstance(NULL, NULL, NULL);
	size_t out = sizeof(plain);
	const uint8_t *in = (const uint8_t *)coded;
	uint8_t *to = (uint8_t *)plain;

	assert_non_null(s);
	(void)BrotliDecoderDecompressStream(s, &len, &in, &out, &to, NULL);
	assert_int_equal(len, 0);
	BrotliDecoderDestroyInstance(s);
	return sizeof(plain) - out;
}

static size_t unzstd_all(size_t len)
{
	ZSTD_DCtx *d = ZSTD_createDCtx();
	ZSTD_inBuffer in = {coded, len, 0};
	ZSTD_outBuffer out = {plain, sizeof(plain), 0};

	assert_non_null(d);
	/* What browsers take: windows of 8 MiB; ours are smaller. */
	assert_false(ZSTD_isError(ZSTD_DCtx_setParameter(d, ZSTD_d_windowLogMax, 20)));
	while (in.pos < in.size)
		assert_false(ZSTD_isError(ZSTD_decompressStream(d, &out, &in)));
	ZSTD_freeDCtx(d);
	return out.pos;
}

static size_t decode(enum files_coding coding, size_t len)
{
	return coding == FILES_GZIP ? inflate_all(len)
	       : coding == FILES_BR ? unbrotli_all(len)
				    : unzstd_all(len);
}

/* One operation with room of at most `room` bytes at a time; returns the new length. */
static size_t put(
	struct coder *c, enum coder_op op, const char *in, size_t n, size_t at, size_t room)
{
	struct coder_io io = {.in = in, .in_len = n};
	enum coder_result r;

	do {
		io.out = coded + at;
		io.out_len = room;
		r = coder_step(c, op, &io);
		assert_int_not_equal(r, CODER_FAILED);
		at = (size_t)(io.out - coded);
		assert_true(at + room < sizeof(coded));
	} while (r == CODER_FULL);
	assert_int_equal(io.in_len, 0);
	return at;
}

static void run(struct rng *r, struct coder *c, enum files_coding coding)
{
	uint32_t len = make_data(r, DATA_MAX), from = 0;
	size_t at = 0, room = 1 + (size_t)rng_below(r, 3000);

	if (rng_below(r, 3) == 0)
		len %= 50;
	while (from < len) {
		uint32_t n = 1 + (uint32_t)rng_below(r, 20000);
		bool flush = rng_below(r, 4) == 0;

		n = n < len - from ? n : len - from;
		at = put(c, flush ? CODER_FLUSH : CODER_GO, data + from, n, at, room);
		from += n;
		if (flush) {
			assert_int_equal(decode(coding, at), from);
			assert_memory_equal(plain, data, from);
		}
	}
	at = put(c, CODER_END, "", 0, at, room);
	assert_int_equal(decode(coding, at), len);
	assert_memory_equal(plain, data, len);
}

static void what_goes_in_comes_out(void **state)
{
	struct rng r;

	(void)state;
	rng_seed(&r, test_seed());
	for (enum files_coding k = FILES_BR; k < FILES_CODING_CNT; k++) {
		struct coder *c = NULL;

		for (uint32_t i = 0; i < 25; i++) {
			if (c != NULL && !coder_reset(c)) {
				coder_destroy(c);
				c = NULL;
			}
			if (c == NULL)
				c = coder_create(k, 1 + (uint32_t)rng_below(&r, 6));
			assert_non_null(c);
			run(&r, c, k);
		}
		coder_destroy(c);
	}
}

/* A stream that ends midway leaves nothing for the next one. */
static void a_coder_is_new_after_a_reset(void **state)
{
	(void)state;
	for (enum files_coding k = FILES_ZSTD; k < FILES_CODING_CNT; k++) {
		struct coder *c = coder_create(k, 3);
		size_t at;

		assert_non_null(c);
		(void)put(c, CODER_GO, "abandoned", 9, 0, 100);
		assert_true(coder_reset(c));
		at = put(c, CODER_GO, "hello", 5, 0, 100);
		at = put(c, CODER_END, "", 0, at, 1);
		assert_int_equal(decode(k, at), 5);
		assert_memory_equal(plain, "hello", 5);
		coder_destroy(c);
	}
	coder_destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_goes_in_comes_out),
		cmocka_unit_test(a_coder_is_new_after_a_reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
