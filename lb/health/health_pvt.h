/* SPDX-License-Identifier: Apache-2.0
 * health_pvt - layout shared by engine.c (time, judgement) and probe.c (packets).
 * Invariants: HV1 a probe is in the answer table iff `linked`; the key there is (dst, dport, sport,
 *                 proto) and is unique.
 *             HV2 `waiting` implies that the timer is armed for the timeout and that it is linked.
 *             HV3 chunks[k] is written once, by control, before a plan that needs it is applied. */
#ifndef LB_HEALTH_HEALTH_PVT_H
#define LB_HEALTH_HEALTH_PVT_H

#include <stdatomic.h>

#include "dataplane/base/rng.h"
#include "dataplane/base/spsc.h"
#include "dataplane/base/wheel.h"
#include "lb/health/health.h"

#define CHUNK_BITS    10
#define CHUNK_PROBES  (1u << CHUNK_BITS)
#define CHUNK_CNT     (LIMIT_PROBES / CHUNK_PROBES)
#define TABLE_BUCKETS 65536
#define NO_PROBE      UINT32_MAX

_Static_assert(LIMIT_PROBES % CHUNK_PROBES == 0, "chunks cover all ids");

struct probe_counters {
	_Atomic uint64_t sent, ok, failed, late, no_mbuf, no_port;
	_Atomic uint64_t rtt_ns, last_change_ns, flaps, last_result;
};

struct probe {
	struct wheel_timer timer;
	struct list_node pending; /* on engine.pending while an announcement waits for room */
	uint64_t sent_ns;
	uint64_t secret, cookie; /* of the attempt: identifiers or ISN; payload of an echo */
	struct ip_addr src, dst;
	uint32_t id, chain; /* chain: next id in the bucket */
	uint32_t oks, fails;
	uint32_t flap_score;
	uint64_t flap_ns;      /* the score is right for this time */
	uint16_t sport, dport; /* network order; echo: both the identifier */
	uint16_t epoch, version;
	uint8_t proto;
	uint8_t state, why; /* enum health_state, enum health_result */
	bool live, waiting, linked;
	bool fresh;      /* the next success decides alone */
	bool put_off;    /* HE5 was used for this attempt */
	bool spread_due; /* the next interval spreads the targets over time */
	struct probe_counters cnt;
};

struct health_engine {
	struct health_conf conf;
	const struct health_plan *plan;
	struct wheel wheel;
	struct rng rng;
	struct mix_key table_key;
	uint64_t draws;         /* secrets drawn so far */
	uint64_t begin_ns;      /* first free time for a target's first probe */
	uint32_t scan, id_high; /* ids [scan, id_high) have not been compared with the plan yet */
	uint32_t pushed;        /* events since health_run last returned */
	struct list_node pending;
	struct spsc *events;
	uint32_t *table;
	struct probe *chunks[CHUNK_CNT];
};

static inline struct probe *probe_at(const struct health_engine *e, uint32_t id)
{
	return &e->chunks[id >> CHUNK_BITS][id & (CHUNK_PROBES - 1)];
}

/* A counter has one writer. */
static inline void cnt_add(_Atomic uint64_t *c, uint64_t n)
{
	atomic_store_explicit(
		c, atomic_load_explicit(c, memory_order_relaxed) + n, memory_order_relaxed);
}

static inline void cnt_set(_Atomic uint64_t *c, uint64_t v)
{
	atomic_store_explicit(c, v, memory_order_relaxed);
}

enum probe_sent { PROBE_SENT, PROBE_NO_MBUF, PROBE_NO_PORT, PROBE_NO_SOURCE };

/* Draw the attempt's secrets, enter it into the answer table and send it. On anything but
 * PROBE_SENT nothing was sent and p->waiting is as it was. */
enum probe_sent probe_emit(
	struct health_engine *e, struct probe *p, const struct health_target *t, uint64_t now_ns);
void probe_unlink(struct health_engine *e, struct probe *p);

enum probe_answer {
	ANSWER_NONE,    /* not for any probe */
	ANSWER_IGNORED, /* for a probe of ours, but proves nothing */
	ANSWER_OK,
	ANSWER_REFUSED,
	ANSWER_UNREACHABLE,
	ANSWER_MISMATCH,
};

/* Whose answer is it, and what does it say? *out is set unless ANSWER_NONE. Reads only. */
enum probe_answer probe_match(const struct health_engine *e, const struct pkt_meta *meta,
	const struct rte_mbuf *m, struct probe **out);

/* Reset a connection that the backend has opened half: answers its SYN-ACK. */
void probe_emit_rst(struct health_engine *e, const struct probe *p, const struct health_target *t);

#endif
