/* SPDX-License-Identifier: Apache-2.0
 * scan - find the first byte that does not belong, 32 at a time.
 * Owner:      none, pure; inside this folder.
 * Invariants: SC1 the three widths (AVX2, SSSE3, plain C) say the same; a test compares them all
 *             with the sets as the RFCs write them.
 * Limits:     H1_PAD bytes behind `len` are read.
 * Cost:       about ten instructions per 32 bytes with AVX2. */
#ifndef LB_L7_H1_SCAN_H
#define LB_L7_H1_SCAN_H

#if defined(__SSSE3__)
#include <immintrin.h>
#endif

#include "dataplane/base/compiler.h"

/* A set of ASCII characters: bit h of lo[l] says that 0xhl belongs to it. */
struct h1_class {
	_Alignas(16) uint8_t lo[16];
};

/* RFC 9110 5.6.2: tchar. */
static const struct h1_class h1_class_token = {{0xe8, 0xfc, 0xf8, 0xfc, 0xfc, 0xfc, 0xfc, 0xfc,
	0xf8, 0xf8, 0xf4, 0x54, 0xd0, 0x54, 0xf4, 0x70}};
/* What may stand in a request target: all visible ASCII but '"', '#', '<' and '>'. RFC 3986 also
 * leaves out [ ] { } | \ ^ `, which browsers send in queries (WHATWG URL, query percent-encode
 * set); paths are looked at again for the two of them that servers rewrite. */
static const struct h1_class h1_class_target = {{0xf8, 0xfc, 0xf8, 0xf8, 0xfc, 0xfc, 0xfc, 0xfc,
	0xfc, 0xfc, 0xfc, 0xfc, 0xf4, 0xfc, 0xf4, 0x7c}};
/* Host names: letters, digits, '-', '.', '_'. A reg-name of RFC 3986 allows more, none of which any
 * name in the DNS has. */
static const struct h1_class h1_class_host = {{0xa8, 0xf8, 0xf8, 0xf8, 0xf8, 0xf8, 0xf8, 0xf8, 0xf8,
	0xf8, 0xf0, 0x50, 0x50, 0x54, 0x54, 0x70}};

static const struct h1_class h1_class_not_upper = {{0xdf, 0xcf, 0xcf, 0xcf, 0xcf, 0xcf, 0xcf, 0xcf,
	0xcf, 0xcf, 0xcf, 0xef, 0xef, 0xef, 0xef, 0xef}};

static inline bool h1_in_class(const struct h1_class *c, char byte)
{
	uint8_t b = (uint8_t)byte;

	return b < 0x80 && (c->lo[b & 15] >> (b >> 4) & 1) != 0;
}

/* ---- masks of 32 bytes: bit i speaks of p[i] ---- */

#if defined(__AVX2__)

ALWAYS_INLINE __m256i h1_load(const char *p)
{
	return _mm256_loadu_si256((const __m256i *)(const void *)p);
}

ALWAYS_INLINE uint32_t h1_mask_not_in(const char *p, const struct h1_class *c)
{
	const __m256i bits = _mm256_setr_epi8(1, 2, 4, 8, 16, 32, 64, -128, 0, 0, 0, 0, 0, 0, 0, 0,
		1, 2, 4, 8, 16, 32, 64, -128, 0, 0, 0, 0, 0, 0, 0, 0);
	__m256i lo = _mm256_broadcastsi128_si256(_mm_load_si128((const __m128i *)c->lo));
	__m256i v = h1_load(p);
	__m256i high = _mm256_and_si256(_mm256_srli_epi16(v, 4), _mm256_set1_epi8(15));
	/* A shuffle gives 0 where the index has its highest bit: no byte above 0x7f is in a class.
	 */
	__m256i in = _mm256_and_si256(_mm256_shuffle_epi8(lo, v), _mm256_shuffle_epi8(bits, high));

	return (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(in, _mm256_setzero_si256()));
}

ALWAYS_INLINE uint32_t h1_mask_eq(const char *p, char c)
{
	return (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(h1_load(p), _mm256_set1_epi8(c)));
}

/* RFC 9110 5.5: what a field value may not hold: controls but HTAB, and DEL. */
ALWAYS_INLINE uint32_t h1_mask_not_value(const char *p)
{
	__m256i v = h1_load(p);
	__m256i ctl = _mm256_cmpeq_epi8(_mm256_min_epu8(v, _mm256_set1_epi8(0x1f)), v);
	__m256i tab = _mm256_cmpeq_epi8(v, _mm256_set1_epi8('\t'));
	__m256i del = _mm256_cmpeq_epi8(v, _mm256_set1_epi8(0x7f));

	return (uint32_t)_mm256_movemask_epi8(_mm256_or_si256(_mm256_andnot_si256(tab, ctl), del));
}

#elif defined(__SSSE3__)

ALWAYS_INLINE __m128i h1_load(const char *p)
{
	return _mm_loadu_si128((const __m128i *)(const void *)p);
}

ALWAYS_INLINE uint32_t h1_half_not_in(const char *p, const struct h1_class *c)
{
	const __m128i bits = _mm_setr_epi8(1, 2, 4, 8, 16, 32, 64, -128, 0, 0, 0, 0, 0, 0, 0, 0);
	__m128i v = h1_load(p);
	__m128i high = _mm_and_si128(_mm_srli_epi16(v, 4), _mm_set1_epi8(15));
	__m128i in = _mm_and_si128(_mm_shuffle_epi8(_mm_load_si128((const __m128i *)c->lo), v),
		_mm_shuffle_epi8(bits, high));

	return (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(in, _mm_setzero_si128()));
}

ALWAYS_INLINE uint32_t h1_mask_not_in(const char *p, const struct h1_class *c)
{
	return h1_half_not_in(p, c) | h1_half_not_in(p + 16, c) << 16;
}

ALWAYS_INLINE uint32_t h1_half_eq(const char *p, char c)
{
	return (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(h1_load(p), _mm_set1_epi8(c)));
}

ALWAYS_INLINE uint32_t h1_mask_eq(const char *p, char c)
{
	return h1_half_eq(p, c) | h1_half_eq(p + 16, c) << 16;
}

ALWAYS_INLINE uint32_t h1_half_not_value(const char *p)
{
	__m128i v = h1_load(p);
	__m128i ctl = _mm_cmpeq_epi8(_mm_min_epu8(v, _mm_set1_epi8(0x1f)), v);
	__m128i tab = _mm_cmpeq_epi8(v, _mm_set1_epi8('\t'));
	__m128i del = _mm_cmpeq_epi8(v, _mm_set1_epi8(0x7f));

	return (uint32_t)_mm_movemask_epi8(_mm_or_si128(_mm_andnot_si128(tab, ctl), del));
}

ALWAYS_INLINE uint32_t h1_mask_not_value(const char *p)
{
	return h1_half_not_value(p) | h1_half_not_value(p + 16) << 16;
}

#else

static inline uint32_t h1_mask_not_in(const char *p, const struct h1_class *c)
{
	uint32_t m = 0;

	for (uint32_t i = 0; i < 32; i++)
		m |= (uint32_t)!h1_in_class(c, p[i]) << i;
	return m;
}

static inline uint32_t h1_mask_eq(const char *p, char c)
{
	uint32_t m = 0;

	for (uint32_t i = 0; i < 32; i++)
		m |= (uint32_t)(p[i] == c) << i;
	return m;
}

static inline uint32_t h1_mask_not_value(const char *p)
{
	uint32_t m = 0;

	for (uint32_t i = 0; i < 32; i++) {
		uint8_t b = (uint8_t)p[i];

		m |= (uint32_t)((b < 0x20 && b != '\t') || b == 0x7f) << i;
	}
	return m;
}

#endif

/* ---- the first position in [at, len) that is not of the set; len if all are ---- */

ALWAYS_INLINE uint32_t h1_scan_class(
	const char *buf, uint32_t at, uint32_t len, const struct h1_class *c)
{
	for (; at < len; at += 32) {
		uint32_t bad = h1_mask_not_in(buf + at, c);

		if (bad != 0) {
			at += (uint32_t)__builtin_ctz(bad);
			break;
		}
	}
	return at < len ? at : len;
}

ALWAYS_INLINE uint32_t h1_scan_value(const char *buf, uint32_t at, uint32_t len)
{
	for (; at < len; at += 32) {
		uint32_t bad = h1_mask_not_value(buf + at);

		if (bad != 0) {
			at += (uint32_t)__builtin_ctz(bad);
			break;
		}
	}
	return at < len ? at : len;
}

/* Bits below n. */
ALWAYS_INLINE uint32_t h1_low_bits(uint32_t n)
{
	return n >= 32 ? UINT32_MAX : (UINT32_C(1) << n) - 1;
}

#endif
