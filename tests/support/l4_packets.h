/* SPDX-License-Identifier: Apache-2.0
 * l4_packets - what the tests of l4_decide() say: packets of numbered clients to one virtual
 * address, and verdicts on them.
 * Owner:      the test's rig (l4_rig.h).
 * Units:      ports in host order in arguments. */
#ifndef TESTS_SUPPORT_L4_PACKETS_H
#define TESTS_SUPPORT_L4_PACKETS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/base/time.h"
#include "tests/support/l4_rig.h"

#define VIP "198.51.100.1"

static inline struct ip_addr client(uint32_t i)
{
	struct ip_addr a = ip("203.0.113.0");

	a.w[3] += BE32(i & 0xff);
	return a;
}

/* A TCP packet of client flow i to VIP:80. */
static inline struct pkt_meta tcp(uint32_t i, uint8_t flags)
{
	struct ip_addr c = client(i), vip = ip(VIP);

	return l4_pkt(&c, (uint16_t)(1000 + i / 256), &vip, 80, PROTO_TCP, flags);
}

static inline struct pkt_meta udp(uint32_t i)
{
	struct pkt_meta m = tcp(i, 0);

	m.proto = PROTO_UDP;
	return m;
}

/* The packet a backend sends back for what v sent to it. */
static inline struct pkt_meta answer(const struct l4_verdict *v, uint8_t proto, uint8_t flags)
{
	return l4_pkt(&v->dst, BE16(v->dport), &v->src, BE16(v->sport), proto, flags);
}

static inline struct config_service *service(
	struct l4_rig *rig, enum l4_proto proto, enum l4_mode mode, uint32_t backends)
{
	struct config_service *s = l4_cfg_service(&rig->cfg, "web", VIP, proto, 80, mode);

	for (uint32_t i = 0; i < backends; i++) {
		struct ip_addr a = ip10(i + 1);

		l4_cfg_backend(s, &a, 8080, 10);
	}
	return s;
}

static inline void finish(struct l4_rig *rig)
{
	assert_null(rig_check(rig));
	rig_fini(rig);
}

static inline enum reason decide(struct l4_rig *rig, struct pkt_meta m)
{
	struct l4_verdict v;

	return rig_decide(rig, &m, &v);
}

static inline uint32_t flows(const struct l4_rig *rig)
{
	struct l4_worker_stats st;

	l4_worker_stats(rig->workers[0], &st);
	return st.flows + st.nat_flows;
}

static inline struct ip_addr backend(struct l4_rig *rig, struct pkt_meta m)
{
	return rig_backend(rig, &m);
}

#endif
