/* SPDX-License-Identifier: Apache-2.0
 * check - what must hold between values; single values were checked when they were read.
 * Owner:      one config_parse() call; reports through the reader's diag, scratch in its arena.
 * Invariants: CK1 a value that was refused when it was read gives no second error here. CK2
 *             nothing here looks at the machine: the same file gives the same answer everywhere.
 * Cost:       O(n log n) in the number of services, addresses, prefixes and backends. */
#ifndef LB_CONFIG_CHECK_H
#define LB_CONFIG_CHECK_H

#include "lb/config/reach.h"
#include "lb/config/reader.h"

struct check {
	struct diag *diag;
	struct arena *scratch;
	const struct reach *reach;
	const struct config *cfg;
	struct config_tree *root;
	bool ports_bad; /* an address or route was refused: say nothing about what can be reached */
	struct ip_addr *vips; /* of all services, sorted */
	uint32_t vip_cnt;
};

void check_all(struct reader *r, const struct reach *reach, const struct config *cfg,
	struct config_tree *root);

/* The parts, in this order. */
void check_ports(struct check *c);
void check_machine(struct check *c);  /* workers, memory, l4 */
void check_overlaps(struct check *c); /* between services; fills vips */
void check_services(struct check *c);
void check_health(struct check *c, const struct config_service *s, struct config_tree *t);
void check_listeners(struct check *c);
void check_tls_server(struct check *c, const struct config_tls_server *s, struct config_tree *t);
void check_tls_client(struct check *c, const struct config_tls_client *k, struct config_tree *t);
void check_http(struct check *c); /* sites and routes */
void check_upstreams(struct check *c);
/* A server that weir connects to: `i` of `all`. */
void check_server(struct check *c, const struct config_backend *all, uint32_t i,
	struct config_value *address);
void check_local_addresses(
	struct check *c, const struct ip_addr *addrs, uint32_t cnt, const struct config_value *v);
/* Probes of servers that weir connects to. */
void check_tcp_health(struct check *c, const struct config_health *h, struct config_tree *t);
void check_admin(struct check *c);
void check_resolver(struct check *c);
void check_access_log(struct check *c);
void check_cache(struct check *c);
/* Of a listener with action resp. */
void check_resp(struct check *c, const struct config_listener *l, struct config_tree *t);
void check_access(struct check *c, const struct config_service *s, struct config_tree *t);

bool check_is_vip(const struct check *c, const struct ip_addr *a);
/* Why no packet can have this source, or NULL. */
const char *check_unusable(const struct ip_addr *a);

/* Reports names that are there twice, except where neither was given; sorts them. */
struct check_name {
	const char *name;
	struct config_mark mark;
	bool given;
};
void check_names(struct check *c, const char *what, struct check_name *names, uint32_t cnt);

#endif
