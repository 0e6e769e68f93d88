/* SPDX-License-Identifier: Apache-2.0 */
#include "lb/capture/pcapng.h"

#include <string.h>

enum block { BLOCK_SECTION = 0x0a0d0d0a, BLOCK_INTERFACE = 1, BLOCK_PACKET = 6 };
enum option {
	OPT_END = 0,
	OPT_COMMENT = 1,
	OPT_IF_NAME = 2,
	OPT_IF_DESCRIPTION = 3,
	OPT_IF_TSRESOL = 9,
	OPT_SHB_APPLICATION = 4,
	OPT_EPB_FLAGS = 2,
};

#define BYTE_ORDER_MAGIC  0x1a2b3c4d
#define LINKTYPE_ETHERNET 1
#define TEXT_MAX          1024

static void put16(FILE *out, uint32_t v)
{
	fputc((int)(v & 0xff), out);
	fputc((int)(v >> 8 & 0xff), out);
}

static void put32(FILE *out, uint32_t v)
{
	put16(out, v & 0xffff);
	put16(out, v >> 16);
}

static uint32_t padded(uint32_t len)
{
	return (len + 3) & ~3u;
}

static void put_bytes(FILE *out, const void *bytes, uint32_t len)
{
	fwrite(bytes, 1, len, out);
	for (uint32_t i = len; i < padded(len); i++)
		fputc(0, out);
}

static uint32_t text_len(const char *text)
{
	size_t len = strlen(text);

	return len < TEXT_MAX ? (uint32_t)len : TEXT_MAX;
}

static uint32_t option_len(const char *text)
{
	return text == NULL ? 0 : 4 + padded(text_len(text));
}

static void put_text(FILE *out, enum option code, const char *text)
{
	if (text == NULL)
		return;
	put16(out, code);
	put16(out, text_len(text));
	put_bytes(out, text, text_len(text));
}

static void put_end(FILE *out)
{
	put16(out, OPT_END);
	put16(out, 0);
}

void pcapng_section(FILE *out, const char *application)
{
	uint32_t len = 28 + option_len(application) + 4;

	put32(out, BLOCK_SECTION);
	put32(out, len);
	put32(out, BYTE_ORDER_MAGIC);
	put16(out, 1);
	put16(out, 0);
	put32(out, 0xffffffff); /* length of the section: not said */
	put32(out, 0xffffffff);
	put_text(out, OPT_SHB_APPLICATION, application);
	put_end(out);
	put32(out, len);
}

void pcapng_interface(FILE *out, const char *name, const char *description, uint32_t snap)
{
	uint32_t len = 20 + option_len(name) + option_len(description) + 8 + 4;

	put32(out, BLOCK_INTERFACE);
	put32(out, len);
	put16(out, LINKTYPE_ETHERNET);
	put16(out, 0);
	put32(out, snap);
	put_text(out, OPT_IF_NAME, name);
	put_text(out, OPT_IF_DESCRIPTION, description);
	put16(out, OPT_IF_TSRESOL);
	put16(out, 1);
	put32(out, 9); /* 10^-9, and the padding */
	put_end(out);
	put32(out, len);
}

void pcapng_packet(FILE *out, const struct pcapng_packet *p)
{
	uint32_t len = 32 + padded(p->cap_len) + 8 + option_len(p->comment) + 4;

	put32(out, BLOCK_PACKET);
	put32(out, len);
	put32(out, p->interface);
	put32(out, (uint32_t)(p->time_ns >> 32));
	put32(out, (uint32_t)p->time_ns);
	put32(out, p->cap_len);
	put32(out, p->len);
	put_bytes(out, p->bytes, p->cap_len);
	put16(out, OPT_EPB_FLAGS);
	put16(out, 4);
	put32(out, (uint32_t)p->dir);
	put_text(out, OPT_COMMENT, p->comment);
	put_end(out);
	put32(out, len);
}
