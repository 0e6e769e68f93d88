/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/slot.h"

#include <string.h>

/* Four bits at a time: 32 bytes of table instead of 512, and keys are short. */
static const uint16_t crc_nibble[16] = {0x0000, 0x1021, 0x2042, 0x3063, 0x4084, 0x50a5, 0x60c6,
	0x70e7, 0x8108, 0x9129, 0xa14a, 0xb16b, 0xc18c, 0xd1ad, 0xe1ce, 0xf1ef};

uint16_t slot_crc16(const void *data, size_t len)
{
	const uint8_t *p = data;
	uint32_t crc = 0;

	for (size_t i = 0; i < len; i++) {
		crc = (crc << 4) ^ crc_nibble[((crc >> 12) ^ (p[i] >> 4)) & 15];
		crc = (crc << 4) ^ crc_nibble[((crc >> 12) ^ p[i]) & 15];
	}
	return (uint16_t)crc;
}

uint16_t slot_of_key(const void *key, size_t len)
{
	const uint8_t *p = key, *open = len > 0 ? memchr(p, '{', len) : NULL, *close;

	if (open != NULL) {
		open++;
		close = memchr(open, '}', len - (size_t)(open - p));
		if (close != NULL && close > open)
			return slot_crc16(open, (size_t)(close - open)) % STORE_SLOTS;
	}
	return slot_crc16(p, len) % STORE_SLOTS;
}
