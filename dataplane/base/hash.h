/* SPDX-License-Identifier: Apache-2.0
 * hash - keyed hashes.
 *   siphash24  a PRF; for anything whose output a stranger can see or whose key is configured
 *              (Maglev, cookies, initial sequence numbers).  Source: Aumasson, Bernstein, 2012.
 *   mix_*      folded 64x64->128 multiplications under a secret drawn at start; for per-core tables
 *              whose layout nobody outside can observe. About 4 cycles a word.
 * Owner: none.  Units: bytes.  Cost: no memory but the input and the key. */
#ifndef DATAPLANE_BASE_HASH_H
#define DATAPLANE_BASE_HASH_H

#include "dataplane/base/compiler.h"

struct siphash_key {
	uint64_t k0, k1;
};

uint64_t siphash24(const struct siphash_key *key, const void *data, size_t len);

struct mix_key {
	uint64_t k[6];
};

/* Draw a fresh secret. */
void mix_key_init(struct mix_key *key);

ALWAYS_INLINE uint64_t mix_fold(uint64_t a, uint64_t b)
{
	unsigned __int128 p = (unsigned __int128)a * b;

	return (uint64_t)p ^ (uint64_t)(p >> 64);
}

/* Five words: two IPv6 addresses and one word of ports, protocol and the like. */
ALWAYS_INLINE uint64_t mix_hash5(
	const struct mix_key *key, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e)
{
	uint64_t h = mix_fold(a ^ key->k[0], b ^ key->k[1]);

	h ^= mix_fold(c ^ key->k[2], d ^ key->k[3]);
	return mix_fold(h ^ key->k[4], e ^ key->k[5]);
}

/* Two words: an IPv4 address pair, and ports with protocol. */
ALWAYS_INLINE uint64_t mix_hash2(const struct mix_key *key, uint64_t a, uint64_t b)
{
	return mix_fold(mix_fold(a ^ key->k[0], b ^ key->k[1]) ^ key->k[2], key->k[3] ^ b);
}

/* Bytes of any length; p may be NULL when there are none. */
ALWAYS_INLINE uint64_t mix_hash_bytes(const struct mix_key *key, const void *p, size_t len)
{
	const uint8_t *b = p;
	uint64_t h = key->k[0] ^ len, tail = 0;

	for (; len >= 8; len -= 8, b += 8)
		h = mix_fold(h ^ load64(b), key->k[1]);
	if (len > 0)
		__builtin_memcpy(&tail, b, len);
	return mix_fold(h ^ tail, key->k[2]);
}

#endif
