/* SPDX-License-Identifier: Apache-2.0
 * Bytes from a disk: keys, records, collection heads and the manifest. No read beyond them, and
 * what is accepted encodes to the same bytes again. The first byte chooses the parser. */
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/assert.h"
#include "storage/codec.h"
#include "storage/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fuzz_key(const uint8_t *data, size_t size)
{
	static uint8_t out[CODEC_ENCODED_MAX];
	struct codec_key k;

	if (codec_key_decode(data, size, &k) != 0)
		return;
	ASSERT(k.key_len <= CODEC_KEY_MAX && k.sub_len <= CODEC_SUB_MAX);
	ASSERT(codec_key_len(&k) == size);
	ASSERT(codec_key_encode(&k, out) == size);
	ASSERT(memcmp(out, data, size) == 0);
}

static void fuzz_record(const uint8_t *data, size_t size)
{
	uint8_t head[CODEC_HEADER_MAX];
	struct codec_record r;
	struct codec_meta m;
	size_t n;

	if (codec_record_decode(data, size, &r) != 0)
		return;
	n = codec_header_encode(&r, head);
	ASSERT(n + r.payload_len == size && r.payload == data + n);
	ASSERT(memcmp(head, data, n) == 0);
	if (codec_meta_decode(&r, &m) == 0) {
		uint8_t again[CODEC_META_MIN];

		codec_meta_encode(&m, again);
		ASSERT(memcmp(again, r.payload, sizeof(again)) == 0);
	}
}

static void fuzz_integer(const uint8_t *data, size_t size)
{
	uint8_t text[20];
	int64_t v;

	if (codec_integer_parse(data, size, &v) != 0)
		return;
	ASSERT(codec_integer_format(v, text) == size && memcmp(text, data, size) == 0);
}

/* The checksum is made right, or no input would ever get behind it. */
static void fuzz_manifest(const uint8_t *data, size_t size)
{
	static char text[65536], out[MANIFEST_MAX];
	static struct manifest m;
	static const char hex[] = "0123456789abcdef";
	uint32_t crc;

	if (size > sizeof(text) - 13)
		return;
	memcpy(text, data, size);
	crc = codec_crc32c(0, text, size);
	memcpy(text + size, "crc ", 4);
	for (int i = 0; i < 8; i++)
		text[size + 4 + (size_t)i] = hex[crc >> (28 - 4 * i) & 15];
	text[size + 12] = '\n';
	if (manifest_parse(&m, text, size + 13) != 0)
		return;
	ASSERT(m.shard_cnt >= 1 && m.shard_cnt <= LIMIT_SHARDS && m.ns_cnt <= LIMIT_STORE_NS);
	for (uint32_t s = 0; s < STORE_SLOTS; s++)
		ASSERT(m.slot_shard[s] < m.shard_cnt);
	ASSERT(manifest_format(&m, out, sizeof(out)) > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	switch (data[0] % 4) {
	case 0:
		fuzz_key(data + 1, size - 1);
		break;
	case 1:
		fuzz_record(data + 1, size - 1);
		break;
	case 2:
		fuzz_integer(data + 1, size - 1);
		break;
	default:
		fuzz_manifest(data + 1, size - 1);
	}
	return 0;
}
