/* SPDX-License-Identifier: Apache-2.0
 * tcp counters - one row is one counter of an engine: name for metrics, text for people.
 * Owner: the engine's worker writes; anyone may read (racy, monotonic). Units: events unless the
 * text says otherwise. */
#ifndef DATAPLANE_TCP_COUNTERS_H
#define DATAPLANE_TCP_COUNTERS_H

#include "dataplane/base/compiler.h"

#define TCP_COUNTERS(C)                                                             \
	/* segments */                                                              \
	C(segs_in, "segments received")                                             \
	C(segs_out, "frames sent, one for a TSO frame")                             \
	C(bytes_in, "payload bytes received in order")                              \
	C(bytes_out, "payload bytes sent for the first time")                       \
	C(bytes_acked, "payload bytes acknowledged by peers")                       \
	C(bad_header, "segments with an impossible header")                         \
	C(bad_options, "segments whose options were cut or malformed")              \
	C(bad_checksum, "segments with a wrong checksum")                           \
	C(no_listener, "segments for no connection and no listener")                \
	C(resets_out, "resets sent")                                                \
	C(resets_in, "connections ended by a peer's reset")                         \
	C(limited, "challenge ACKs and resets not sent because of the rate limit")  \
	/* opening */                                                               \
	C(syns_in, "SYNs received by listeners")                                    \
	C(accepts, "passive connections established")                               \
	C(connects, "active opens started")                                         \
	C(connects_ok, "active opens established")                                  \
	C(connects_refused, "active opens answered with a reset")                   \
	C(no_port, "active opens without a free local port")                        \
	C(port_refused, "local ports that the steering callback refused")           \
	C(syn_retrans, "SYNs sent again")                                           \
	C(synack_retrans, "SYN-ACKs sent again")                                    \
	C(syn_timeouts, "half-open connections given up")                           \
	C(syn_dropped, "SYNs dropped: table full or pressure")                      \
	C(syn_overflow, "half-open connections dropped: no connection left")        \
	C(cookies_sent, "SYN cookies sent")                                         \
	C(cookies_ok, "SYN cookies that came back")                                 \
	C(cookies_bad, "ACKs without a connection whose cookie was wrong")          \
	C(simultaneous_opens, "SYNs crossed")                                       \
	/* receiving */                                                             \
	C(paws_dropped, "segments with an old timestamp (RFC 7323)")                \
	C(no_timestamp, "segments without the negotiated timestamp")                \
	C(out_of_window, "segments outside the window")                             \
	C(duplicates, "segments whose data was all old")                            \
	C(ooo_queued, "segments queued out of order")                               \
	C(ooo_dropped, "out-of-order segments dropped: too many gaps or no budget") \
	C(ooo_pruned, "out-of-order queues dropped under pressure")                 \
	C(rx_over_budget, "segments dropped: receive memory budget used up")        \
	C(after_close, "connections reset: data came after the application closed") \
	C(challenge_acks, "challenge ACKs sent (RFC 5961)")                         \
	C(acks_delayed, "acknowledgements sent by the delayed ACK timer")           \
	C(dsacks_out, "D-SACK blocks sent")                                         \
	C(window_updates, "acknowledgements sent to open the window")               \
	C(ce_in, "segments marked congestion experienced")                          \
	/* sending */                                                               \
	C(retrans, "segments sent again")                                           \
	C(fast_recoveries, "fast recoveries entered")                               \
	C(rtos, "retransmission timeouts")                                          \
	C(undone_rtos, "timeouts that were needless: window restored")              \
	C(undone_recoveries, "fast recoveries that were needless: window restored") \
	C(tlps, "tail loss probes sent")                                            \
	C(tlp_losses, "losses repaired by a probe")                                 \
	C(rack_losses, "segments marked lost by RACK")                              \
	C(reorderings, "connections on which reordering was seen")                  \
	C(dsacks_in, "D-SACK blocks received")                                      \
	C(sacks_bad, "SACK blocks that were impossible")                            \
	C(reneges, "peers that dropped what they had selectively acknowledged")     \
	C(dupacks, "duplicate ACKs received")                                       \
	C(bad_acks, "ACKs of what was never sent, or far too old")                  \
	C(window_probes, "zero window probes sent")                                 \
	C(window_shrunk, "windows that a peer moved left")                          \
	C(ecn_reductions, "window reductions because of ECN echo")                  \
	C(keepalives, "keep-alive probes sent")                                     \
	C(timeouts, "connections ended by a timeout")                               \
	C(send_refused, "tcp_send calls cut short: send buffer full")               \
	/* path */                                                                  \
	C(icmp_in, "ICMP errors that named a connection")                           \
	C(icmp_ignored, "ICMP errors outside the window or without effect")         \
	C(pmtu_lowered, "path MTU lowered by ICMP")                                 \
	C(pmtu_blackholes, "path MTU lowered because full segments vanish")         \
	/* closing */                                                               \
	C(timewaits, "TIME_WAIT records made")                                      \
	C(timewait_recycled, "TIME_WAIT records dropped early: table full")         \
	C(timewait_reused, "TIME_WAIT records replaced by a new connection")        \
	C(timewait_acks, "segments answered from TIME_WAIT")                        \
	C(timewait_rst_ignored, "resets ignored in TIME_WAIT (RFC 1337)")           \
	C(fin_wait2_timeouts, "orphans given up in FIN_WAIT_2")                     \
	/* memory */                                                                \
	C(no_mbuf, "frames not sent: no mbuf")                                      \
	C(no_seg, "operations put off: no queue entry")                             \
	C(no_conn, "opens refused: no connection left")                             \
	C(table_full, "opens refused: no slot in the table")                        \
	C(pressure_syn, "SYNs dropped under pool pressure")                         \
	C(pressure_window, "window openings withheld under pool pressure")          \
	C(pressure_ooo, "out-of-order segments dropped under pool pressure")        \
	C(pressure_data, "in-order segments dropped under pool pressure")

struct tcp_counters {
#define C(name, text) uint64_t name;
	TCP_COUNTERS(C)
#undef C
};

struct tcp_counter_row {
	const char *name, *text;
	uint16_t offset; /* in struct tcp_counters */
};

/* One row per counter, in the order above. */
extern const struct tcp_counter_row tcp_counter_rows[];
extern const unsigned tcp_counter_cnt;

static inline uint64_t tcp_counter_get(const struct tcp_counters *c, unsigned row)
{
	return *(const uint64_t *)(const void *)((const char *)c + tcp_counter_rows[row].offset);
}

#endif
