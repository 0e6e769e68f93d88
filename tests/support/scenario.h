/* SPDX-License-Identifier: Apache-2.0
 * scenario - one packet scenario as it stands in its folder.
 *
 *   config.yaml       the configuration at the start; further ones for `reload`
 *   send.pN.pcap      frames that arrive on port N, at their times
 *   expect.pN.pcap    all frames that weir must send on port N, in this order, at these times
 *   counters          lines "NAME VALUE": every reason that is not listed must be 0
 *   steps             lines "SECONDS WHAT": reload FILE, drain, segments N, or end
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

enum scenario_kind { EVENT_RELOAD, EVENT_DRAIN, EVENT_SEGMENTS, EVENT_FRAME, EVENT_END };

struct scenario_event {
	uint64_t time_ns;
	enum scenario_kind kind;
	uint32_t port;  /* EVENT_FRAME */
	uint32_t value; /* EVENT_SEGMENTS */
	const struct pcap_packet *frame;
	char file[64]; /* EVENT_RELOAD */
};

struct scenario_counter {
	char name[64];
	int64_t value;
};

struct scenario {
	char folder[SCENARIO_PATH];
	struct pcap_file send[WIRE_PORTS], expect[WIRE_PORTS];
	struct scenario_event *events; /* by time; the last one is EVENT_END */
	size_t event_cnt;
	struct scenario_counter counters[SCENARIO_COUNTERS];
	size_t counter_cnt;
};

int scenario_load(const char *folder, struct scenario *out) WARN_UNUSED;
void scenario_free(struct scenario *s);

#endif
