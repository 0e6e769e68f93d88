/* SPDX-License-Identifier: Apache-2.0
 * Any frame into the health engine while probes of every kind are under way: no read beyond the
 * packet, and nothing but a true answer counts as a success. Byte 0 of the input picks a probe and
 * an answer to start from; the rest is xored over that frame, or stands alone. */
#include <stdlib.h>

#include <rte_mbuf.h>

#include "dataplane/base/assert.h"
#include "dataplane/base/time.h"
#include "tests/support/health_world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct world w;
static bool ready;

static void setup(void)
{
	static const enum health_type types[] = {HEALTH_ICMP, HEALTH_TCP, HEALTH_UDP};

	world_init(&w, 1);
	for (uint32_t i = 0; i < 6; i++) {
		struct config_health c = world_check(types[i % 3]);

		c.timeout_ns = c.interval_ns = 3600 * NS_PER_SEC;
		c.fall = 2;
		if (i % 3 == 2) {
			c.expect = (uint8_t *)(uintptr_t) "pong";
			c.expect_len = 4;
		}
		world_service(&w, L4_NAT, "198.51.100.1", 80, c);
		world_backend(&w, i, i < 3 ? "192.0.2.10" : "2001:db8::10", 80);
	}
	world_reload(&w);
	world_run(&w, 10 * NS_PER_MS);
	ASSERT(w.sent_cnt == 6);
	ready = true;
}

static struct health_stats totals(void)
{
	struct health_stats sum = {0};

	for (uint32_t id = 0; id < 6; id++) {
		struct health_stats s;

		health_stats_read(w.e, id, &s);
		sum.ok += s.ok;
		sum.failed += s.failed;
	}
	return sum;
}

/* Edit every check: the engine begins anew with fresh secrets. */
static void probe_again(void)
{
	for (uint32_t i = 0; i < 6; i++)
		w.services[i].health.fall ^= 1;
	world_reload(&w);
	world_forget(&w);
	world_run(&w, 10 * NS_PER_MS);
	ASSERT(w.sent_cnt == 6);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t frame[14 + WORLD_PKT_MAX] = {0};
	struct health_stats before, after;
	uint32_t len = 0;

	if (size < 1 || size > sizeof(frame))
		return 0;
	if (!ready)
		setup();
	before = totals();
	if (data[0] < 24)
		len = world_make_answer(
			&w, &w.sent[data[0] % 6], (enum world_answer)(data[0] / 6), frame);
	for (size_t i = 1; i < size; i++)
		frame[i - 1] ^= data[i];
	if (size - 1 > len)
		len = (uint32_t)size - 1;
	world_input(&w, frame, len);
	after = totals();
	/* A frame that is not built from a true answer cannot know the secrets. */
	ASSERT(data[0] < 24 || (after.ok == before.ok && after.failed == before.failed));
	if (after.ok != before.ok || after.failed != before.failed || w.sent_cnt != 6)
		probe_again();
	return 0;
}
