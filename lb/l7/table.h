/* SPDX-License-Identifier: Apache-2.0
 * table - the listeners of one configuration and one set of health results; immutable.
 * Owner:      control builds and frees it; workers read it as part of a generation.
 * Invariants: LT1 an id names the same listener, or the same backend of it, in every table while
 *             any connection counts under it; an id that passes on has another epoch.
 *             LT2 an endpoint whose listener was removed lingers: it is steered to the engine and
 *             its address answered for, but nothing new is accepted there.
 * Units:      ports in network order unless named _host.
 * Errors:     -ENOMEM; -ENOSPC when more listeners or backends are in use than there are ids.
 * Limits:     LIMIT_LISTENERS, L7_MEMBERS, LIMIT_TCP_LISTENERS endpoints.
 * Cost:       l7_table_find() and l7_table_owns() are one probe of a hash at most half full. */
#ifndef LB_L7_TABLE_H
#define LB_L7_TABLE_H

#include "lb/config/config.h"
#include "lb/l4/sched_set.h"
#include "lb/l7/upstream/table.h"

struct http_site;
struct l7_sites;

struct l7_tls;
struct tls_client;
struct tls_server;

#define L7_MEMBERS 8192
#define L7_NONE    UINT32_MAX

#define L7_MAGLEV_SIZE 16381

/* Backends that may get connections. */
struct l7_group {
	struct l4_sched_set *set;
	uint32_t *members;  /* id of each node of the set */
	const char **hosts; /* names they were resolved from, or NULL */
};

struct l7_sni {
	char name[256]; /* in lower case */
	struct l7_group group;
};

struct l7_listener {
	uint32_t id, epoch;
	const struct config_listener *cfg;
	const struct tls_server *tls;         /* NULL: plain */
	const struct tls_client *backend_tls; /* NULL: plain */
	struct l7_group rest; /* backends for what no name takes; no set: not a proxy */
	struct l7_sni *snis;  /* by name, sorted */
	uint32_t sni_cnt;
	const struct http_site *site; /* of action http */
};

struct l7_endpoint {
	struct ip_addr addr;
	uint16_t port;
	bool accepting;
	uint32_t listener; /* id */
};

struct l7_table {
	uint32_t listener_cnt, endpoint_cnt, bucket_mask, local_cnt;
	struct l7_listener *listeners;
	const struct l7_listener *by_id[LIMIT_LISTENERS];
	uint32_t member_epoch[L7_MEMBERS];
	struct l7_endpoint *endpoints;
	uint32_t *buckets;      /* index of an endpoint + 1, or 0 */
	uint32_t *owned;        /* the same by address alone, the first endpoint of each */
	struct ip_addr *locals; /* configured sources towards backends, each once */
	struct up_table *ups;
	struct l7_sites *sites; /* one reference */
};

/* What ids stand for; control's. */
struct l7_registry {
	struct up_registry ups;
	struct {
		char name[LIMIT_NAME];
		uint32_t epoch;
		bool used;
	} listeners[LIMIT_LISTENERS];
	struct {
		struct ip_addr addr;
		uint16_t port, listener;
		uint32_t epoch;
		bool used;
	} members[L7_MEMBERS];
	uint32_t linger_cnt;
	struct {
		struct l7_endpoint ep;
		uint64_t until_ns;
	} lingers[LIMIT_TCP_LISTENERS];
};

struct l7_build {
	const struct config *cfg;
	const struct l7_tls *tls; /* of cfg; NULL: none */
	struct l7_registry *registry;
	bool (*health_up)(void *ctx, uint32_t listener, uint32_t backend);
	void *health_ctx;
	/* Change weight and drain of a copy of listener l's backend b; NULL: nobody does. */
	void (*adjust)(void *ctx, uint32_t listener, uint32_t backend, struct config_backend *cb);
	/* Does any connection count under this listener or member id? */
	bool (*in_use)(void *ctx, bool member, uint32_t id);
	/* Does any request or connection count under this upstream or server id? */
	bool (*up_in_use)(void *ctx, bool server, uint32_t id);
	/* As health_up and adjust, of upstreams; with their context. */
	bool (*up_health)(void *ctx, uint32_t upstream, uint32_t server);
	void (*up_adjust)(void *ctx, uint32_t upstream, uint32_t server, struct config_backend *b);
	void *use_ctx;
	const struct l7_table *prev; /* NULL at start */
	uint64_t now_ns, linger_ns;
};

int l7_table_build(const struct l7_build *in, struct l7_table **out) WARN_UNUSED;
void l7_table_free(struct l7_table *t); /* NULL is fine */
/* Drop lingering endpoints whose time is over and whose listener has no connection; returns how
 * many. */
uint32_t l7_registry_reap(struct l7_registry *r, const struct l7_build *in);

const struct l7_endpoint *l7_table_find(
	const struct l7_table *t, const struct ip_addr *addr, uint16_t port);
/* The backends for a TLS host name in lower case, "" if the client named none. */
const struct l7_group *l7_group_of(const struct l7_listener *l, const char *sni);
bool l7_table_owns(const struct l7_table *t, const struct ip_addr *addr);
/* Is it a source towards backends that no endpoint has? */
bool l7_table_local(const struct l7_table *t, const struct ip_addr *addr);

/* The id of a backend; L7_NONE if it never had one. */
uint32_t l7_member_find(const struct l7_registry *r, uint32_t listener, const struct ip_addr *addr,
	uint16_t port_be);

#endif
