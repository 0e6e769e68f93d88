/* SPDX-License-Identifier: Apache-2.0
 * head_names - from the name of a field to its id, at the speed of a parser.
 * Owner:      static tables, filled before main().
 * Invariants: HN1 every known name is found at its hash's slot or, after an addition that collides,
 *             behind it; a test says which when the hash stops being perfect.
 * Cost:       two loads, a multiplication, a slot and one 32-byte compare. */
#ifndef LB_L7_HTTP_HEAD_NAMES_H
#define LB_L7_HTTP_HEAD_NAMES_H

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#include "lb/l7/http/head.h"

#define HTTP_NAME_MAX   32 /* of a known field; longer names are unknown */
#define HTTP_NAME_SLOTS 256

struct http_name {
	_Alignas(HTTP_NAME_MAX) char text[HTTP_NAME_MAX]; /* lower case, padded with NUL */
	char fold[HTTP_NAME_MAX]; /* 0x20 where a letter is: the bit in which cases differ */
};

extern struct http_name http_names[HTTP_FIELD_CNT];
extern uint8_t http_name_len[HTTP_FIELD_CNT];
extern uint8_t http_name_slot[HTTP_NAME_SLOTS]; /* ids; HTTP_FIELD_OTHER: free */

/* Letters in lower case, all else changed in a way that never makes two of our names equal. */
ALWAYS_INLINE uint32_t http_name_hash(const char *p, uint32_t len)
{
	const uint64_t lower = UINT64_C(0x2020202020202020);
	uint64_t mask = len >= 8 ? UINT64_MAX : (UINT64_C(1) << (8 * len)) - 1;
	uint64_t first = (load64(p) | lower) & mask;
	uint64_t last = (load64(p + (len >= 8 ? len - 8 : 0)) | lower) & mask;

	return (uint32_t)((first + (last << 29 | last >> 35) + len) *
				  UINT64_C(0x438bf6f1013869c5) >>
			  56);
}

/* Do len bytes at p spell the name, but for the case of letters? */
ALWAYS_INLINE bool http_name_is(const struct http_name *n, const char *p, uint32_t len)
{
#if defined(__AVX2__)
	const __m256i *text = (const __m256i *)n->text, *fold = (const __m256i *)n->fold;
	__m256i v = _mm256_loadu_si256((const __m256i *)(const void *)p);
	__m256i diff = _mm256_andnot_si256(
		_mm256_load_si256(fold), _mm256_xor_si256(v, _mm256_load_si256(text)));
	__m256i same = _mm256_cmpeq_epi8(diff, _mm256_setzero_si256());

	return (~(uint32_t)_mm256_movemask_epi8(same) & (UINT32_MAX >> (HTTP_NAME_MAX - len))) == 0;
#else
	uint64_t diff = 0;

	for (uint32_t i = 0; i < HTTP_NAME_MAX; i += 8) {
		uint32_t left = len > i ? len - i : 0;
		uint64_t mask = left >= 8 ? UINT64_MAX : (UINT64_C(1) << (8 * left)) - 1;

		diff |= (load64(p + i) ^ load64(n->text + i)) & ~load64(n->fold + i) & mask;
	}
	return diff == 0;
#endif
}

/* The id of a name of len bytes; HTTP_NAME_MAX bytes at p must be readable. */
ALWAYS_INLINE enum http_field_id http_field_find_padded(const char *p, uint32_t len)
{
	uint32_t slot;

	if (len == 0 || len > HTTP_NAME_MAX)
		return HTTP_FIELD_OTHER;
	slot = http_name_hash(p, len);
	for (;;) {
		uint8_t id = http_name_slot[slot];

		if (id == HTTP_FIELD_OTHER)
			return HTTP_FIELD_OTHER;
		if (http_name_len[id] == len && http_name_is(&http_names[id], p, len))
			return (enum http_field_id)id;
		slot = (slot + 1) % HTTP_NAME_SLOTS;
	}
}

#endif
