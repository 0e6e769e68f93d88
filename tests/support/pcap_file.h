/* SPDX-License-Identifier: Apache-2.0
 * pcap_file - read and write classic pcap files (Ethernet), strictly.
 * Owner:      the caller; pcap_file_free() frees what pcap_file_load() allocated.
 * Units:      times in ns since the epoch; files with a microsecond magic are scaled.
 * Errors:     0 or -errno; -EINVAL for anything that is not a whole, well-formed file: wrong
 *             magic or version, a link type other than Ethernet, a packet cut short by the snap
 *             length, a record that runs over the file's end, times that go backwards.
 * Limits:     PCAP_PACKET_MAX bytes a packet. Files in the other byte order are refused. */
#ifndef TESTS_SUPPORT_PCAP_FILE_H
#define TESTS_SUPPORT_PCAP_FILE_H

#include <stdio.h>

#include "dataplane/base/compiler.h"

#define PCAP_PACKET_MAX 65535

struct pcap_packet {
	uint64_t time_ns;
	uint32_t len;
	const uint8_t *data;
};

struct pcap_file {
	struct pcap_packet *packets;
	size_t packet_cnt;
	uint8_t *bytes; /* the file as read; the packets point into it */
};

/* -ENOENT when there is no such file: *out is then empty and may be freed all the same. */
int pcap_file_load(const char *path, struct pcap_file *out) WARN_UNUSED;
/* The same from memory; the bytes are copied. */
int pcap_file_parse(const uint8_t *bytes, size_t len, struct pcap_file *out) WARN_UNUSED;
void pcap_file_free(struct pcap_file *f);

/* Writing: a header, then one record after another. 0 or -EIO. */
int pcap_write_header(FILE *f) WARN_UNUSED;
int pcap_write_packet(FILE *f, const struct pcap_packet *p) WARN_UNUSED;

#endif
