/* SPDX-License-Identifier: Apache-2.0
 * tap - copies of packets for an operator, with what became of each.
 *
 * While a tap is on, its worker takes packets one at a time, so that the ledger's change over one
 * packet is that packet's end: no step of the pipeline has to know of taps. Without one a burst
 * pays a single branch that is never taken.
 * Owner:      control makes and frees a tap; between tap_set() and tap_clear(), both run on the
 *             worker (pipeline_ask_fn), it is the worker's. Records go from worker to control and
 *             back by two rings.
 * Invariants: TP1 a worker without a free record counts and goes on. TP2 records are as many as
 *             were made, wherever they are.
 * Limits:     TAP_RECORDS of one worker, TAP_SNAP_MAX bytes of each packet.
 * Edges:      R1 and R2 of both rings.
 * Cost:       on: a filter run for each packet, two copies of the ledger and one of the packet for
 *             those that match. */
#ifndef LB_PIPELINE_TAP_H
#define LB_PIPELINE_TAP_H

#include "lb/l4/inspect.h"
#include "lb/pipeline/pipeline.h"

#define TAP_RECORDS  1024
#define TAP_SNAP_MAX 2048

enum tap_dir { TAP_IN, TAP_HANDED, TAP_OUT };

enum tap_end {
	TAP_END_REASON, /* of the ledger */
	TAP_END_SENT,   /* `to` is the port */
	TAP_END_HANDED, /* `to` is the worker */
	TAP_END_HELD,   /* waits for a neighbour, or for the rest of a datagram */
	TAP_END_NONE,   /* TAP_OUT: it leaves */
};

struct tap_record {
	uint64_t time_ns; /* monotonic, of the burst */
	uint32_t len, cap_len;
	uint16_t port, worker, to, reason;
	uint8_t dir, end; /* enum tap_dir, tap_end */
	bool tracked;     /* flow is valid */
	bool made;        /* by this packet */
	struct l4_flow_row flow;
	uint8_t bytes[TAP_SNAP_MAX];
};

struct bpf_program;

struct tap {
	const struct bpf_program *filter; /* NULL: everything */
	uint32_t snap;
	bool in, out, flows; /* flows: say which flow it belongs to */
	struct spsc *free, *full;
	struct tap_record *records;
	uint64_t dropped; /* matching packets without a record; relaxed, read by control */
};

struct tap *tap_create(const struct bpf_program *filter, uint32_t snap) WARN_UNUSED;
void tap_destroy(struct tap *t);

/* arg is the struct tap. */
pipeline_ask_fn tap_set, tap_clear;

#endif
