/* SPDX-License-Identifier: Apache-2.0
 * scenario - one packet scenario as it stands in its folder.
 *
 *   config.yaml       the configuration at the start; further ones for `reload`
 *   send.pN.pcap      frames that arrive on port N, at their times
 *   expect.pN.pcap    all frames that weir must send on port N, in this order, at these times
 *   learned.pN        lines "FRAME OFFSET MASK NAME [CHECKSUM]": bits that weir may choose, in
 *                     expected frame FRAME (from 1) from byte OFFSET on, where MASK (hex digits)
 *                     has ones; the first value seen under NAME must come again with each later
 *                     NAME. CHECKSUM is the offset of a checksum over these bytes.
 *   counters          lines "NAME VALUE", or "NAME any": a reason that is not listed must be 0
 *   steps             lines "SECONDS WHAT": reload FILE, drain, segments N, or end;
 *                     neighbour PORT MAC ADDRESS: a host that answers ARP or ND from then on, and
 *                     whose questions and answers are not part of what is compared
 *
 * Times are virtual, in seconds since the start.
 * Owner:   the caller; scenario_free() frees it.
 * Errors:  0 or -EINVAL with a message on stderr; a folder with a file of another name is refused.
 * Limits:  WIRE_PORTS ports; SCENARIO_EVENTS frames and steps. */
#ifndef TESTS_SUPPORT_SCENARIO_H
#define TESTS_SUPPORT_SCENARIO_H

#include "tests/support/pcap_file.h"
#include "tests/support/wire.h"

#define SCENARIO_EVENTS   8192
#define SCENARIO_COUNTERS 128
#define SCENARIO_PATH     512

enum scenario_kind {
	EVENT_NEIGHBOUR,
	EVENT_RELOAD,
	EVENT_DRAIN,
	EVENT_SEGMENTS,
	EVENT_FRAME,
	EVENT_END
};

struct scenario_event {
	uint64_t time_ns;
	enum scenario_kind kind;
	uint32_t port;  /* EVENT_FRAME */
	uint32_t value; /* EVENT_SEGMENTS */
	const struct pcap_packet *frame;
	char text[80]; /* EVENT_RELOAD: file; EVENT_NEIGHBOUR: host */
};

struct scenario_counter {
	char name[64];
	bool any;
	int64_t value;
};

#define SCENARIO_LEARNED  256
#define SCENARIO_MASK_MAX 4

struct scenario_learned {
	size_t frame;                      /* from 0 */
	uint32_t port, offset, len, cksum; /* cksum 0: none */
	uint8_t mask[SCENARIO_MASK_MAX];
	char name[32];
};

struct scenario {
	char folder[SCENARIO_PATH];
	struct pcap_file send[WIRE_PORTS], expect[WIRE_PORTS];
	struct scenario_event *events; /* by time; the last one is EVENT_END */
	size_t event_cnt;
	struct scenario_counter counters[SCENARIO_COUNTERS];
	size_t counter_cnt;
	struct scenario_learned learned[SCENARIO_LEARNED];
	size_t learned_cnt;
};

int scenario_load(const char *folder, struct scenario *out) WARN_UNUSED;
void scenario_free(struct scenario *s);

#endif
