/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/codec.h"

#include <errno.h>
#include <string.h>

#define FLAG_EXPIRE 0x01

static void put_be16(uint8_t *p, uint16_t v)
{
	v = __builtin_bswap16(v);
	memcpy(p, &v, sizeof(v));
}

static void put_be64(uint8_t *p, uint64_t v)
{
	v = __builtin_bswap64(v);
	memcpy(p, &v, sizeof(v));
}

static void put_le64(uint8_t *p, uint64_t v)
{
	memcpy(p, &v, sizeof(v));
}

static uint64_t get_be64(const uint8_t *p)
{
	return __builtin_bswap64(load64(p));
}

size_t codec_prefix_len(const struct codec_key *k)
{
	return k->space == CODEC_KEY ? 2 : 2 + 2 + (size_t)k->key_len + 8;
}

size_t codec_key_len(const struct codec_key *k)
{
	return codec_prefix_len(k) + (k->space == CODEC_KEY ? k->key_len : k->sub_len);
}

size_t codec_key_encode(const struct codec_key *k, uint8_t *out)
{
	uint8_t *p = out;

	*p++ = k->space;
	*p++ = k->ns;
	if (k->space != CODEC_KEY) {
		put_be16(p, k->key_len);
		p += 2;
	}
	if (k->key_len > 0)
		memcpy(p, k->key, k->key_len);
	p += k->key_len;
	if (k->space != CODEC_KEY) {
		put_be64(p, k->incarnation);
		p += 8;
		if (k->sub_len > 0)
			memcpy(p, k->sub, k->sub_len);
		p += k->sub_len;
	}
	return (size_t)(p - out);
}

int codec_key_decode(const uint8_t *in, size_t len, struct codec_key *k)
{
	size_t key_len, sub_len;

	memset(k, 0, sizeof(*k));
	if (len < 2)
		return -EUCLEAN;
	k->space = in[0];
	k->ns = in[1];
	if (k->space == CODEC_KEY) {
		if (len - 2 > CODEC_KEY_MAX)
			return -EUCLEAN;
		k->key = in + 2;
		k->key_len = (uint16_t)(len - 2);
		return 0;
	}
	if ((k->space != CODEC_ITEM && k->space != CODEC_ORDER) || len < 12)
		return -EUCLEAN;
	key_len = (size_t)in[2] << 8 | in[3];
	if (key_len > CODEC_KEY_MAX || len < 12 + key_len)
		return -EUCLEAN;
	sub_len = len - 12 - key_len;
	if (sub_len > CODEC_SUB_MAX)
		return -EUCLEAN;
	k->key = in + 4;
	k->key_len = (uint16_t)key_len;
	k->incarnation = get_be64(in + 4 + key_len);
	k->sub = in + 12 + key_len;
	k->sub_len = (uint16_t)sub_len;
	return 0;
}

size_t codec_successor(uint8_t *buf, size_t len)
{
	while (len > 0 && buf[len - 1] == 0xff)
		len--;
	if (len > 0)
		buf[len - 1]++;
	return len;
}

size_t codec_header_encode(const struct codec_record *r, uint8_t *out)
{
	out[0] = (uint8_t)(CODEC_LAYOUT << 4 | r->type);
	out[1] = r->expire_ms != 0 ? FLAG_EXPIRE : 0;
	put_le64(out + 2, r->version);
	if (r->expire_ms == 0)
		return 10;
	put_le64(out + 10, r->expire_ms);
	return 18;
}

static bool type_known(uint8_t type)
{
	switch (type) {
#define CODEC_TYPE_CASE(name, val) case CODEC_##name:
		CODEC_TYPES(CODEC_TYPE_CASE)
#undef CODEC_TYPE_CASE
		return true;
	default:
		return false;
	}
}

int codec_record_decode(const uint8_t *in, size_t len, struct codec_record *r)
{
	size_t header = 10;

	memset(r, 0, sizeof(*r));
	if (len < header || in[0] >> 4 != CODEC_LAYOUT || !type_known(in[0] & 15) ||
		(in[1] & ~FLAG_EXPIRE) != 0)
		return -EUCLEAN;
	r->type = in[0] & 15;
	r->version = load64(in + 2);
	if (in[1] & FLAG_EXPIRE) {
		header = 18;
		if (len < header)
			return -EUCLEAN;
		r->expire_ms = load64(in + 10);
		if (r->expire_ms == 0)
			return -EUCLEAN;
	}
	r->payload = in + header;
	r->payload_len = len - header;
	return 0;
}

void codec_meta_encode(const struct codec_meta *m, uint8_t out[CODEC_META_MIN])
{
	put_le64(out, m->incarnation);
	put_le64(out + 8, m->count);
}

int codec_meta_decode(const struct codec_record *r, struct codec_meta *m)
{
	if (!codec_is_collection(r->type) || r->payload_len < CODEC_META_MIN)
		return -EUCLEAN;
	m->incarnation = load64(r->payload);
	m->count = load64(r->payload + 8);
	return 0;
}

void codec_score_encode(double score, uint8_t out[8])
{
	uint64_t bits;

	if (score == 0)
		score = 0; /* -0 and 0 are one score */
	memcpy(&bits, &score, sizeof(bits));
	bits = bits >> 63 ? ~bits : bits | UINT64_C(1) << 63;
	put_be64(out, bits);
}

double codec_score_decode(const uint8_t in[8])
{
	uint64_t bits = get_be64(in);
	double score;

	bits = bits >> 63 ? bits & ~(UINT64_C(1) << 63) : ~bits;
	memcpy(&score, &bits, sizeof(score));
	return score;
}

void codec_index_encode(int64_t idx, uint8_t out[8])
{
	put_be64(out, (uint64_t)idx ^ UINT64_C(1) << 63);
}

int64_t codec_index_decode(const uint8_t in[8])
{
	return (int64_t)(get_be64(in) ^ UINT64_C(1) << 63);
}

int codec_integer_parse(const uint8_t *s, size_t len, int64_t *out)
{
	bool neg = len > 0 && s[0] == '-';
	size_t i = neg ? 1 : 0;
	uint64_t v = 0, max = neg ? UINT64_C(1) << 63 : INT64_MAX;

	if (len - i == 0 || len > 20 || (s[i] == '0' && len > 1))
		return -EBADMSG;
	for (; i < len; i++) {
		uint64_t d = (uint64_t)s[i] - '0';

		if (d > 9 || v > (max - d) / 10)
			return -EBADMSG;
		v = v * 10 + d;
	}
	*out = neg ? (int64_t)(0 - v) : (int64_t)v;
	return 0;
}

size_t codec_integer_format(int64_t v, uint8_t out[20])
{
	uint64_t u = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
	uint8_t rev[20];
	size_t n = 0, len = 0;

	do {
		rev[n++] = (uint8_t)('0' + u % 10);
		u /= 10;
	} while (u > 0);
	if (v < 0)
		out[len++] = '-';
	while (n > 0)
		out[len++] = rev[--n];
	return len;
}

uint32_t codec_crc32c(uint32_t crc, const void *data, size_t len)
{
	const uint8_t *p = data;
	uint64_t c = ~crc;

	for (; len >= 8; len -= 8, p += 8)
		c = __builtin_ia32_crc32di(c, load64(p));
	for (; len > 0; len--, p++)
		c = __builtin_ia32_crc32qi((uint32_t)c, *p);
	return ~(uint32_t)c;
}
