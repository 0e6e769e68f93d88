/* SPDX-License-Identifier: Apache-2.0
 * health_world - a health engine on a virtual clock, with the world it probes played by the test.
 * Owner:      the test program. One worker and control at once, in one thread.
 * Invariants: every probe is parsed and its checksums are verified before it is kept. */
#ifndef TESTS_SUPPORT_HEALTH_WORLD_H
#define TESTS_SUPPORT_HEALTH_WORLD_H

#include "dataplane/net/pkt.h"
#include "lb/health/health.h"
#include "lb/health/view.h"

#define WORLD_SERVICES 32
#define WORLD_BACKENDS 64
#define WORLD_SENT     8192
#define WORLD_PKT_MAX  1500

struct world_pkt {
	uint32_t id; /* of the target */
	enum l4_mode mode;
	uint64_t at_ns;
	struct pkt_meta meta; /* of frame */
	uint32_t len;
	uint8_t frame[14 + WORLD_PKT_MAX]; /* behind an empty Ethernet header */
};

enum world_answer {
	WORLD_OK, /* echo reply, SYN-ACK, or `payload` by UDP */
	WORLD_RST,
	WORLD_UNREACH,     /* ICMP port unreachable from the backend */
	WORLD_FRAG_NEEDED, /* an ICMP error that says nothing about the backend */
};

struct world {
	struct rte_mempool *pool;
	struct ledger ledger;
	struct health_conf conf;
	struct health_engine *e;
	struct health_registry reg;
	struct health_view view;
	struct config cfg;
	struct config_service services[WORLD_SERVICES];
	struct config_backend backends[WORLD_SERVICES][WORLD_BACKENDS];
	struct ip_addr vips[WORLD_SERVICES];
	struct ip_addr own4, own6;
	bool no_source;
	uint64_t now_ns;
	struct world_pkt *sent; /* since the last world_forget() */
	uint32_t sent_cnt;
	const char *payload;
	uint32_t payload_len;
	/* If set, called for each packet sent instead of keeping it. */
	void (*on_sent)(struct world *w, const struct world_pkt *p);
};

void world_init(struct world *w, uint64_t seed);
/* Aborts if a buffer is lost or the ledger does not balance. */
void world_fini(struct world *w);

/* A check with usual values: 1 s interval, 300 ms timeout, rise 2, fall 3, no jitter. */
struct config_health world_check(enum health_type type);
/* Append a service; returns its index. */
uint32_t world_service(struct world *w, enum l4_mode mode, const char *vip, uint16_t port,
	struct config_health check);
void world_backend(struct world *w, uint32_t service, const char *addr, uint16_t port);

/* Put w->cfg into force as a reload does. */
void world_reload(struct world *w);
/* Move time in steps of 1 ms, run the engine, drain its events into the view. */
void world_run(struct world *w, uint64_t span_ns);
void world_forget(struct world *w);
/* The n-th packet sent, from 0; aborts if there is none. */
struct world_pkt *world_sent(struct world *w, uint32_t n);

/* The frame that answers p; returns its length. */
uint32_t world_make_answer(
	const struct world *w, const struct world_pkt *p, enum world_answer a, uint8_t *frame);
/* Parse a frame and give it to the engine; false if the engine does not know it. */
bool world_input(struct world *w, const uint8_t *frame, uint32_t len);
/* Both at once, then the events into the view. */
bool world_answer(struct world *w, const struct world_pkt *p, enum world_answer a);

struct ip_addr world_addr(const char *text);

#endif
