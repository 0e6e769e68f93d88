/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/l4.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/assert.h"
#include "dataplane/base/time.h"

struct ip_addr ip(const char *text)
{
	struct ip_addr a;

	ASSERT(ip_addr_parse(text, &a) == 0);
	return a;
}

struct ip_prefix prefix(const char *text)
{
	struct ip_prefix p;

	ASSERT(ip_prefix_parse(text, &p) == 0);
	ip_prefix_mask(&p);
	return p;
}

struct ip_addr ip10(uint32_t n)
{
	return ip_addr_from4(__builtin_bswap32(0x0a000000u | (n & 0xffffffu)));
}

void l4_cfg_init(struct l4_cfg *c, uint32_t workers)
{
	memset(c, 0, sizeof(*c));
	c->cfg.workers.count = workers;
	c->cfg.services = c->services;
	c->cfg.ports = &c->port;
	c->cfg.port_cnt = 1;
	c->port.addresses = c->port_addrs;
	c->port.address_cnt = 2;
	c->port_addrs[0] = prefix("192.0.2.1/32");
	c->port_addrs[1] = prefix("2001:db8::1/128");
	c->cfg.l4.hash_seed[0] = 0x1234;
	c->cfg.l4.hash_seed[1] = 0x5678;
	c->cfg.l4.local_port_lo = 1024;
	c->cfg.l4.local_port_hi = 65535;
}

void l4_cfg_fini(struct l4_cfg *c)
{
	for (uint32_t i = 0; i < c->cfg.service_cnt; i++) {
		free(c->services[i].vips);
		free(c->services[i].backends);
		free(c->services[i].local_addrs);
		free(c->services[i].allow);
		free(c->services[i].deny);
	}
}

struct config_service *l4_cfg_service(struct l4_cfg *c, const char *name, const char *vip,
	enum l4_proto proto, uint16_t port, enum l4_mode mode)
{
	struct config_service *s = &c->services[c->cfg.service_cnt++];

	ASSERT(c->cfg.service_cnt <= L4_CFG_SERVICES);
	memset(s, 0, sizeof(*s));
	snprintf(s->name, sizeof(s->name), "%s", name);
	s->proto = proto;
	s->port_lo = s->port_hi = port;
	s->mode = mode;
	s->maglev_size = 4093;
	s->gue_port = 6080;
	s->mss_clamp = true;
	s->timeout_syn_ns = 10 * NS_PER_SEC;
	s->timeout_established_ns = 300 * NS_PER_SEC;
	s->timeout_fin_ns = 40 * NS_PER_SEC;
	s->timeout_udp_ns = 30 * NS_PER_SEC;
	l4_cfg_vip(s, vip);
	return s;
}

static void *append(void *list, uint32_t cnt, const void *elt, size_t size)
{
	uint8_t *p = realloc(list, (cnt + 1) * size);

	ASSERT(p != NULL);
	memcpy(p + cnt * size, elt, size);
	return p;
}

void l4_cfg_vip(struct config_service *s, const char *vip)
{
	struct ip_addr a = ip(vip);

	s->vips = append(s->vips, s->vip_cnt++, &a, sizeof(a));
}

void l4_cfg_backend(
	struct config_service *s, const struct ip_addr *addr, uint16_t port, uint16_t weight)
{
	struct config_backend b = {.addr = *addr, .port = port, .weight = weight};

	s->backends = append(s->backends, s->backend_cnt++, &b, sizeof(b));
}

void l4_cfg_backend_remove(struct config_service *s, uint32_t i)
{
	ASSERT(i < s->backend_cnt);
	s->backends[i] = s->backends[--s->backend_cnt];
}

void l4_cfg_local(struct config_service *s, const char *addr)
{
	struct ip_addr a = ip(addr);

	s->local_addrs = append(s->local_addrs, s->local_addr_cnt++, &a, sizeof(a));
}

void l4_cfg_prefix(struct ip_prefix **list, uint32_t *cnt, const char *text)
{
	struct ip_prefix p = prefix(text);

	*list = append(*list, (*cnt)++, &p, sizeof(p));
}

struct pkt_meta l4_pkt(const struct ip_addr *src, uint16_t sport, const struct ip_addr *dst,
	uint16_t dport, uint8_t proto, uint8_t tcp_flags)
{
	bool is4 = ip_addr_is4(src);

	return (struct pkt_meta){
		.src = *src,
		.dst = *dst,
		.sport = __builtin_bswap16(sport),
		.dport = __builtin_bswap16(dport),
		.l3_off = 14,
		.l4_off = is4 ? 34 : 54,
		.l3_len = is4 ? 40 : 60,
		.flags = PKT_F_PORTS,
		.kind = is4 ? PKT_IP4 : PKT_IP6,
		.ip_ver = is4 ? 4 : 6,
		.proto = proto,
		.ttl = 64,
		.tcp_flags = tcp_flags,
	};
}

struct pkt_meta l4_icmp_error(
	const struct ip_addr *from, const struct ip_addr *to, const struct pkt_meta *inner)
{
	struct pkt_meta m = l4_pkt(from, 0, to, 0, ip_addr_is4(to) ? 1 : 58, 0);

	m.flags = PKT_F_ICMP_ERROR | PKT_F_INNER_PORTS;
	m.icmp_type = ip_addr_is4(to) ? 3 : 1;
	m.inner = (struct pkt_inner){
		.src = inner->src,
		.dst = inner->dst,
		.sport = inner->sport,
		.dport = inner->dport,
		.proto = inner->proto,
	};
	return m;
}
