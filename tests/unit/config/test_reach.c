/* SPDX-License-Identifier: Apache-2.0
 * Longest match by the grouped array against a look at every prefix. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "dataplane/base/rng.h"
#include "lb/config/reach.h"
#include "tests/support/seed.h"

#define PORTS  4
#define ADDRS  6
#define ROUTES 40

static struct ip_addr random_addr(struct rng *r)
{
	struct ip_addr a;

	if (rng_below(r, 2))
		return ip_addr_from4((uint32_t)rng_next(r) & 0x0f0f0f0f); /* many share a prefix */
	a.d[0] = rng_next(r) & UINT64_C(0x0303030303030303);
	a.d[1] = rng_next(r) & UINT64_C(0x0303030303030303);
	return a;
}

static struct ip_prefix random_prefix(struct rng *r)
{
	struct ip_prefix p = {random_addr(r), 0};

	p.len = (uint8_t)(ip_addr_is4(&p.addr) ? 96 + rng_below(r, 33) : rng_below(r, 129));
	return p;
}

struct world {
	struct config cfg;
	struct config_port ports[PORTS];
	struct ip_prefix addrs[PORTS][ADDRS];
	struct config_route routes[PORTS][ROUTES];
};

static void world_make(struct world *w, struct rng *r)
{
	memset(w, 0, sizeof(*w));
	w->cfg.ports = w->ports;
	w->cfg.port_cnt = 1 + (uint32_t)rng_below(r, PORTS);
	for (uint32_t i = 0; i < w->cfg.port_cnt; i++) {
		struct config_port *p = &w->ports[i];

		p->addresses = w->addrs[i];
		p->routes = w->routes[i];
		p->address_cnt = (uint32_t)rng_below(r, ADDRS + 1);
		p->route_cnt = (uint32_t)rng_below(r, ROUTES + 1);
		for (uint32_t j = 0; j < p->address_cnt; j++)
			p->addresses[j] = random_prefix(r);
		for (uint32_t j = 0; j < p->route_cnt; j++) {
			p->routes[j].to = random_prefix(r);
			ip_prefix_mask(&p->routes[j].to);
		}
	}
}

static bool covers(const struct ip_prefix *p, const struct ip_addr *a)
{
	return ip_addr_is4(&p->addr) == ip_addr_is4(a) && ip_prefix_match(p, a);
}

/* Length of the longest prefix, or -1; *on_link and the set of ports that have it as such. */
static int naive(const struct world *w, const struct ip_addr *a, bool *on_link, uint32_t *ports)
{
	int best = -1;

	for (int pass = 0; pass < 2; pass++) {
		for (uint32_t i = 0; i < w->cfg.port_cnt; i++) {
			const struct config_port *p = &w->ports[i];

			for (uint32_t j = 0; j < p->address_cnt + p->route_cnt; j++) {
				bool link = j < p->address_cnt;
				const struct ip_prefix *q =
					link ? &p->addresses[j] : &p->routes[j - p->address_cnt].to;

				if (link != (pass == 0) || !covers(q, a) || q->len < best)
					continue;
				if (q->len > best) {
					best = q->len;
					*on_link = link;
					*ports = 0;
				}
				if (link == *on_link)
					*ports |= 1u << i;
			}
		}
	}
	return best;
}

static void same_as_a_look_at_all(void **state)
{
	static struct world w;
	uint32_t hits = 0;
	struct rng r;

	(void)state;
	rng_seed(&r, test_seed());
	for (int round = 0; round < 200; round++) {
		struct reach reach;
		struct arena a;

		world_make(&w, &r);
		arena_init(&a);
		assert_true(reach_init(&reach, &a, &w.cfg));
		for (int k = 0; k < 200; k++) {
			struct ip_addr addr = random_addr(&r);
			bool on_link = false, own = false;
			uint32_t ports = 0, got = 0;
			const struct reach_entry *e;
			int len;

			if (k % 5 == 0 && w.ports[0].address_cnt)
				addr = w.addrs[0][0].addr;
			len = naive(&w, &addr, &on_link, &ports);
			e = reach_find(&reach, &addr);
			assert_int_equal(e != NULL, len >= 0);
			if (e) {
				assert_int_equal(e->to.len, len);
				assert_int_equal(e->on_link, on_link);
				hits++;
			}
			for (; e; e = reach_next(&reach, e))
				got |= 1u << e->port;
			assert_int_equal(got, ports);
			for (uint32_t i = 0; i < w.cfg.port_cnt; i++) {
				for (uint32_t j = 0; j < w.ports[i].address_cnt; j++)
					own |= ip_addr_eq(&w.addrs[i][j].addr, &addr);
			}
			assert_int_equal(reach_is_own(&reach, &addr), own);
		}
		arena_fini(&a);
	}
	assert_true(hits > 4000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(same_as_a_look_at_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
