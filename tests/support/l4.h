/* SPDX-License-Identifier: Apache-2.0
 * l4 - configurations and packets for tests of the L4 balancer, without files or mbufs.
 * Owner: the test; a struct l4_cfg is freed by l4_cfg_fini(). Text that does not parse aborts. */
#ifndef TESTS_SUPPORT_L4_H
#define TESTS_SUPPORT_L4_H

#include "dataplane/net/hdr.h"
#include "dataplane/net/pkt.h"
#include "lb/config/config.h"

#define L4_CFG_SERVICES 64

struct l4_cfg {
	struct config cfg; /* give this to the code under test */
	struct config_service services[L4_CFG_SERVICES];
	struct config_port port;
	struct ip_prefix port_addrs[4];
};

struct ip_addr ip(const char *text);
struct ip_prefix prefix(const char *text);
/* 10.x.y.z by number. */
struct ip_addr ip10(uint32_t n);

void l4_cfg_init(struct l4_cfg *c, uint32_t workers);
void l4_cfg_fini(struct l4_cfg *c);
/* A service with usual timeouts and no backends. */
struct config_service *l4_cfg_service(struct l4_cfg *c, const char *name, const char *vip,
	enum l4_proto proto, uint16_t port, enum l4_mode mode);
void l4_cfg_vip(struct config_service *s, const char *vip);
void l4_cfg_backend(
	struct config_service *s, const struct ip_addr *addr, uint16_t port, uint16_t weight);
void l4_cfg_backend_remove(struct config_service *s, uint32_t i);
void l4_cfg_local(struct config_service *s, const char *addr);
/* Appends to a list of prefixes. */
void l4_cfg_prefix(struct ip_prefix **list, uint32_t *cnt, const char *text);

/* A packet as the parser reports it; ports in host order. */
struct pkt_meta l4_pkt(const struct ip_addr *src, uint16_t sport, const struct ip_addr *dst,
	uint16_t dport, uint8_t proto, uint8_t tcp_flags);
/* An ICMP error from `from` to `to` about the packet `inner`. */
struct pkt_meta l4_icmp_error(
	const struct ip_addr *from, const struct ip_addr *to, const struct pkt_meta *inner);

#endif
