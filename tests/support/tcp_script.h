/* SPDX-License-Identifier: Apache-2.0
 * tcp_script - what a segment script (tests/tcp/README.md) says and expects: one engine on a
 * virtual wire, packets that are written by words, packets and events that must have come.
 * Owner:      one script at a time; struct script is the runner's.
 * Errors:     whatever is wrong is printed with file and line and leaves through script.fail. */
#ifndef TESTS_SUPPORT_TCP_SCRIPT_H
#define TESTS_SUPPORT_TCP_SCRIPT_H

#include <setjmp.h>

#include "dataplane/tcp/tcp_pvt.h"
#include "tests/sim/sim.h"

#define PEER_ISN  10000u
#define PEER_PORT BE16(5000)
#define OWN_PORT  BE16(80)
#define QUEUE_MAX 4096
#define LINE_MAX_ 512
#define WORDS_MAX 32

struct sent {
	uint32_t len;
	uint8_t ip[2048];
};

struct script {
	const char *file;
	char name[96];
	int line;
	jmp_buf fail;
	struct sim *s;
	struct sim_host *h;
	struct sim_host_config cfg;
	bool v6, started, no_auto;
	uint16_t own_port;
	struct {
		uint16_t port; /* the peer's, network order */
		uint32_t iss;
	} iss[16]; /* ours as learned from the wire */
	int iss_cnt;
	uint32_t last_tsval;
	uint32_t old_iss; /* of the connection before, on whatever port */
	struct sent *out;
	uint32_t out_head, out_tail;
	char events[QUEUE_MAX][48];
	uint32_t ev_head, ev_tail;
	uint64_t conn;
	int listener;
	uint64_t sent_bytes;
	struct rte_mbuf *left; /* what tcp_send did not take */
	struct rte_mbuf *held; /* taken out of a pool by "hold" */
};

/* Every packet and event is printed. */
extern bool script_verbose;
/* The engine's callbacks: they note events. */
extern const struct tcp_ops script_ops;

/* "key=value" of a line, or NULL. */
const char *script_arg(char **w, int n, const char *key);
void script_describe(struct script *t, const struct sent *o, char *out, size_t cap);
_Noreturn void script_die(struct script *t, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* The next packet of ours is like that. */
void script_expect(struct script *t, char **w, int n);
/* The next event is this. */
void script_expect_event(struct script *t, const char *rest);
/* Is the bare word there? */
bool script_flag(char **w, int n, const char *key);
/* The peer sends, as the words say. */
void script_inject(struct script *t, char **w, int n);
/* Our initial sequence number towards a peer's port; 0 before it was seen. */
uint32_t *script_iss_of(struct script *t, uint16_t port);
/* Words from `from` on must be of the list. */
void script_known(struct script *t, char **w, int n, int from, const char *list);
uint32_t script_num(struct script *t, const char *text);
uint32_t script_num_arg(struct script *t, char **w, int n, const char *key, uint32_t dflt);
struct ip_addr script_peer_addr(const struct script *t);
/* The engine, unless it runs. */
void script_start(struct script *t);

#endif
