/* SPDX-License-Identifier: Apache-2.0
 * Sequences of frames through parse, decide and rewrite, for services of every mode and both
 * families: nothing breaks, counts stay right, and what is to be sent parses and is as *pm says.
 * Input: { control, length, frame }: control 1 advances time by seconds, 2 cuts segments, 4 gives a
 * later fragment the ports of the first service, 8 answers the last translated packet. */
#include <string.h>

#include <rte_mbuf.h>

#include "dataplane/base/assert.h"
#include "dataplane/base/time.h"
#include "dataplane/net/build.h"
#include "lb/l4/rewrite.h"
#include "tests/support/eal.h"
#include "tests/support/l4_rig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FRAME_MAX 255

static struct rte_mempool *pool;

static void start_once(void)
{
	if (pool != NULL)
		return;
	test_eal_init();
	pool = test_pool_create("fuzz_l4", 63);
}

static void services(struct l4_rig *rig)
{
	static const char *const vips[] = {"198.51.100.1", "2001:db8:1::1"};
	static const char *const backends[] = {"10.0.0.1", "2001:db8:2::1"};
	uint16_t port = 80;

	for (int mode = L4_DSR; mode <= L4_FULLNAT; mode++) {
		for (int c = 0; c < 8; c++) {
			struct ip_addr b = ip(backends[c >> 1 & 1]);
			struct config_service *s;
			char name[2] = {(char)('a' + mode * 8 + c), 0};

			if ((mode == L4_NAT || mode == L4_DSR) && (c & 1) != (c >> 1 & 1))
				continue;
			s = l4_cfg_service(&rig->cfg, name, vips[c & 1], c & 4 ? L4_UDP : L4_TCP,
				(uint16_t)(port + mode * 4 + (c >> 1 & 1)), (enum l4_mode)mode);
			s->toa = true;
			s->maglev_size = 13;
			l4_cfg_backend(s, &b, 8080, 1);
		}
	}
	rig_apply(rig);
}

static void check_sent(struct rte_mbuf *m, const struct pkt_meta *pm)
{
	uint8_t *frame = rte_pktmbuf_mtod(m, uint8_t *) + pm->l3_off - ETH_HDR_LEN;
	uint32_t skip = (uint32_t)(pm->l3_off - ETH_HDR_LEN);
	struct pkt_meta p;

	memset(frame, 2, 12);
	store_be16(frame + 12, pm->ip_ver == 4 ? ETH_IP4 : ETH_IP6);
	ASSERT(pkt_parse(frame, m->data_len - skip, m->pkt_len - skip, false, &p) == REASON_NONE);
	ASSERT(p.l3_len == pm->l3_len && p.proto == pm->proto && p.ttl == pm->ttl);
	ASSERT(p.l4_off + skip == pm->l4_off);
	ASSERT(ip_addr_eq(&p.src, &pm->src) && ip_addr_eq(&p.dst, &pm->dst));
}

/* The packet the backend would send for the last translated one. */
static uint32_t answer(const struct l4_verdict *v, uint8_t *out)
{
	struct build_ip b = {.src = &v->dst,
		.dst = &v->src,
		.payload_len = TCP_HDR_LEN,
		.proto = PROTO_TCP,
		.ttl = 9};
	struct build_tcp t = {
		.sport_be = v->dport, .dport_be = v->sport, .flags = TCP_SYN | TCP_ACK};

	memset(out, 2, 12);
	store_be16(out + 12, ip_addr_is4(&v->dst) ? ETH_IP4 : ETH_IP6);
	return (uint32_t)(build_tcp(build_ip(out + ETH_HDR_LEN, &b), &t) - out);
}

static void one_frame(struct l4_rig *rig, const uint8_t *data, uint32_t len, uint8_t control,
	struct l4_verdict *last)
{
	static const struct l4_egress eg = {.src4 = {.w = {0, 0, IP4_MAPPED_WORD, 0x010200c0}},
		.src6 = {.w = {1, 2, 3, 4}},
		.mtu = 1500};
	struct rte_mbuf *m =
		control & 2 ? test_mbuf_segs(pool, data, len, 128) : test_mbuf(pool, data, len);
	struct pkt_meta pm;
	struct l4_verdict v;

	memset(&pm, 0, sizeof(pm));
	if (pkt_parse(rte_pktmbuf_mtod(m, const uint8_t *), m->data_len, m->pkt_len, false, &pm) !=
			REASON_NONE ||
		(pm.kind != PKT_IP4 && pm.kind != PKT_IP6))
		goto out;
	if ((control & 4) && pm.frag_off != 0) {
		pm.sport = BE16(5);
		pm.dport = BE16(80);
	}
	(void)l4_owner(rig->table, &pm, 1);
	if (rig_decide(rig, &pm, &v) != REASON_NONE || v.op == L4_OP_NONE)
		goto out;
	ASSERT(v.reply == L4_REPLY_NONE);
	if (v.op == L4_OP_NAT && !(v.flags & (L4_V_REVERSE | L4_V_ERROR)))
		*last = v;
	if (l4_rewrite(rig->workers[0], m, &pm, &v, &eg) == REASON_NONE)
		check_sent(m, &pm);
out:
	rte_pktmbuf_free(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct l4_verdict last = {0};
	uint8_t buf[FRAME_MAX];
	struct l4_rig rig;

	start_once();
	rig_init(&rig, 1, 32);
	services(&rig);
	while (size >= 2) {
		uint8_t control = data[0];
		uint32_t len = data[1];

		data += 2;
		size -= 2;
		len = len > size ? (uint32_t)size : len;
		if (control & 1)
			rig.now_ns += 7 * NS_PER_SEC;
		if (len >= ETH_HDR_LEN)
			one_frame(&rig, data, len, control, &last);
		if ((control & 8) && last.op == L4_OP_NAT)
			one_frame(&rig, buf, answer(&last, buf), control, &last);
		l4_sweep_all(rig.workers[0], rig.now_ns);
		data += len;
		size -= len;
	}
	ASSERT(rig_check(&rig) == NULL);
	rig_fini(&rig);
	ASSERT(test_pool_used(pool) == 0);
	return 0;
}
