/* SPDX-License-Identifier: Apache-2.0
 * pcapng - blocks of a capture file (draft-ietf-opsawg-pcapng): section, interfaces, packets with a
 * comment. Little endian, nanoseconds.
 * Owner:      none; everything goes to a stream of the caller.
 * Errors:     those of the stream. */
#ifndef LB_CAPTURE_PCAPNG_H
#define LB_CAPTURE_PCAPNG_H

#include <stdio.h>

#include "dataplane/base/compiler.h"

enum pcapng_dir { PCAPNG_UNKNOWN, PCAPNG_INBOUND, PCAPNG_OUTBOUND };

struct pcapng_packet {
	uint32_t interface;
	uint64_t time_ns; /* since 1970 */
	const uint8_t *bytes;
	uint32_t cap_len, len;
	enum pcapng_dir dir;
	const char *comment; /* NULL: none */
};

/* The start of a file. */
void pcapng_section(FILE *out, const char *application);
/* Interfaces are numbered in the order of these calls. Ethernet. */
void pcapng_interface(FILE *out, const char *name, const char *description, uint32_t snap);
void pcapng_packet(FILE *out, const struct pcapng_packet *p);

#endif
