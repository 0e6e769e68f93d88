/* SPDX-License-Identifier: Apache-2.0
 * codec - how keys and records stand on disk.  Encoders are total; decoders treat every byte as
 * coming from outside.
 * Owner: none.  Units: bytes; expiry in ms since 1970, 0 = never; integers below are big-endian in
 * keys (they must sort) and little-endian in records.
 *
 * Key:     tag(1) ns(1) rest
 *   KEY    0x10 ns  user key                                  one for each user key
 *   ITEM   0x20 ns  key_len(2) user key  incarnation(8)  sub  members of a collection: hash field,
 *                                                             set member, list index (8, biased)
 *   ORDER  0x30 ns  key_len(2) user key  incarnation(8)  sub  a second order of the members: sorted
 *                                                             set score (8, see codec_score) member
 *   A length stands before the user key, so no pair of (key, sub) shares an encoding, and all
 *   members of one incarnation are one range.  Tags differ, so a scan of one kind meets no other.
 *
 * Record:  layout(4 bits) type(4 bits) | flags(1) | version(8) | [expire_ms(8)] | payload
 *   Members carry the version that wrote them and no expiry: they live as long as their collection.
 *
 * Payload of a collection's KEY record:  incarnation(8) | count(8) | what its type needs
 *   The incarnation is the version of the batch that created the collection.  Deleting or replacing
 *   the KEY record orphans all members at once; compaction drops members whose incarnation is not
 *   the current one (codec_is_orphan).
 *
 * Invariants: CO1 decode(encode(x)) == x.  CO2 memcmp order of encoded keys is the order of
 *             (tag, ns, ...).  CO3 versions of a key only grow, also over delete and restart. */
#ifndef STORAGE_CODEC_H
#define STORAGE_CODEC_H

#include "dataplane/base/compiler.h"

#define CODEC_LAYOUT      1
#define CODEC_KEY_MAX     32768    /* user key */
#define CODEC_SUB_MAX     32768    /* member, with its order prefix */
#define CODEC_VALUE_MAX   67108864 /* payload */
#define CODEC_HEADER_MAX  18
#define CODEC_ENCODED_MAX (1 + 1 + 2 + CODEC_KEY_MAX + 8 + CODEC_SUB_MAX)

enum codec_space { CODEC_KEY = 0x10, CODEC_ITEM = 0x20, CODEC_ORDER = 0x30 };

/* Types above STRING are collections. Values are on disk: append only. */
#define CODEC_TYPES(T) \
	T(STRING, 1)   \
	T(HASH, 2)     \
	T(SET, 3)      \
	T(ZSET, 4)     \
	T(LIST, 5)     \
	T(MEMBER, 15)

enum codec_type {
	CODEC_NONE = 0,
#define CODEC_TYPE_ENUM(name, val) CODEC_##name = (val),
	CODEC_TYPES(CODEC_TYPE_ENUM)
#undef CODEC_TYPE_ENUM
};

static inline bool codec_is_collection(uint8_t type)
{
	return type >= CODEC_HASH && type <= CODEC_LIST;
}

struct codec_key {
	const uint8_t *key, *sub;
	uint64_t incarnation;
	uint16_t key_len, sub_len;
	uint8_t ns, space; /* enum codec_space */
};

/* Bytes codec_key_encode() will write. */
size_t codec_key_len(const struct codec_key *k);
/* out holds codec_key_len() bytes; returns that. key_len and sub_len are within their limits. */
size_t codec_key_encode(const struct codec_key *k, uint8_t *out);
/* The pointers of *k lie within in. 0 or -EUCLEAN. */
int codec_key_decode(const uint8_t *in, size_t len, struct codec_key *k) WARN_UNUSED;
/* The encoding without sub: the prefix that all members of the incarnation share. */
size_t codec_prefix_len(const struct codec_key *k);

/* The smallest key above every key that starts with the len bytes of buf, made in place; returns
 * its length, 0 if there is none (all bytes 0xff). */
size_t codec_successor(uint8_t *buf, size_t len);

struct codec_record {
	const uint8_t *payload;
	size_t payload_len;
	uint64_t version, expire_ms;
	uint8_t type; /* enum codec_type */
};

/* Writes the header alone into out[CODEC_HEADER_MAX]; returns its length. */
size_t codec_header_encode(const struct codec_record *r, uint8_t *out);
/* 0 or -EUCLEAN. */
int codec_record_decode(const uint8_t *in, size_t len, struct codec_record *r) WARN_UNUSED;

static inline bool codec_expired(const struct codec_record *r, uint64_t now_ms)
{
	return r->expire_ms != 0 && r->expire_ms <= now_ms;
}

#define CODEC_META_MIN 16
struct codec_meta {
	uint64_t incarnation, count;
};
void codec_meta_encode(const struct codec_meta *m, uint8_t out[CODEC_META_MIN]);
/* 0 or -EUCLEAN. */
int codec_meta_decode(const struct codec_record *r, struct codec_meta *m) WARN_UNUSED;

/* Does a member of incarnation `inc` belong to nothing any more?  `meta` is of its collection's KEY
 * record, NULL if there is none or it is no collection.  A newer incarnation than the one read is
 * none: the reader was early. */
static inline bool codec_is_orphan(uint64_t inc, const struct codec_meta *meta)
{
	return meta == NULL || inc < meta->incarnation;
}

/* Doubles as 8 bytes whose memcmp order is the numeric order; -0 is stored as 0, NaN is refused by
 * the caller. */
void codec_score_encode(double score, uint8_t out[8]);
double codec_score_decode(const uint8_t in[8]);
/* Signed integers alike, for list indexes. */
void codec_index_encode(int64_t idx, uint8_t out[8]);
int64_t codec_index_decode(const uint8_t in[8]);

/* Decimal integers as Redis takes them: no blanks, no plus sign, no leading zeros. 0 or -EBADMSG.
 */
int codec_integer_parse(const uint8_t *s, size_t len, int64_t *out) WARN_UNUSED;
/* Returns the length; out holds 20 bytes. */
size_t codec_integer_format(int64_t v, uint8_t out[20]);

/* CRC-32C (Castagnoli), as in RFC 3720 appendix B.4; start with crc 0. */
uint32_t codec_crc32c(uint32_t crc, const void *data, size_t len);

#endif
