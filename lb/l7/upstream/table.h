/* SPDX-License-Identifier: Apache-2.0
 * upstream table - the pools of HTTP servers of one configuration and one set of health results;
 * immutable.
 * Owner:      control builds and frees it; workers read it as part of a generation.
 * Invariants: UT1 an id names the same pool, or the same server of it, in every table while any
 *             request or connection counts under it; an id that passes on has another epoch.
 *             UT2 entries stand in the order of config.upstreams.
 *             UT3 a pool's set has only servers that may get new requests, each once.
 * Units:      ports in network order.
 * Errors:     -ENOMEM; -ENOSPC when more pools or servers are in use than there are ids.
 * Limits:     LIMIT_UPSTREAMS, UP_SERVERS. */
#ifndef LB_L7_UPSTREAM_TABLE_H
#define LB_L7_UPSTREAM_TABLE_H

#include "lb/config/config_upstream.h"
#include "lb/l4/sched_set.h"

struct l7_tls;
struct tls_client;

#define UP_SERVERS 8192
#define UP_NONE    UINT32_MAX

struct up_server {
	struct ip_addr addr;
	const char *host; /* what it was resolved from; NULL: an address was given */
	uint64_t cookie;  /* value of the sticky cookie; the same on every node */
	uint32_t id;
	uint16_t port, weight;
	bool up, drain;
};

struct up_entry {
	uint32_t id, epoch;
	const struct config_upstream *cfg;
	const struct tls_client *tls; /* NULL: plain */
	struct l4_sched_set *set;     /* servers that may get new requests */
	uint32_t *nodes;              /* of each node of the set: index of its server */
	struct up_server *servers;    /* all, in the order of the configuration */
	uint32_t server_cnt;
	uint32_t weights; /* sum over the set */
	bool sni_host;    /* TLS asks for the host of each request */
	bool resolving;   /* no server yet, but names were asked for */
};

struct up_table {
	uint32_t cnt;
	struct up_entry *entries;
	const struct up_entry *by_id[LIMIT_UPSTREAMS];
	uint32_t server_epoch[UP_SERVERS];
};

/* What ids stand for; control's. */
struct up_registry {
	struct {
		char name[LIMIT_NAME];
		uint32_t epoch;
		bool used;
	} pools[LIMIT_UPSTREAMS];
	struct {
		struct ip_addr addr;
		uint16_t port;
		bool used;
		uint32_t pool, epoch;
	} servers[UP_SERVERS];
};

struct up_build {
	const struct config *cfg;
	const struct l7_tls *tls; /* of cfg; NULL: none */
	struct up_registry *registry;
	bool (*health_up)(void *ctx, uint32_t upstream, uint32_t backend);
	/* What an operator has changed since; NULL: nothing. */
	void (*adjust)(void *ctx, uint32_t upstream, uint32_t backend, struct config_backend *b);
	void *health_ctx;
	/* Does any request or connection count under this id? */
	bool (*in_use)(void *ctx, bool server, uint32_t id);
	void *use_ctx;
	const struct up_table *prev; /* NULL at start */
};

int up_table_build(const struct up_build *in, struct up_table **out) WARN_UNUSED;
void up_table_free(struct up_table *t); /* NULL is fine */

#endif
