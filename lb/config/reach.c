/* SPDX-License-Identifier: Apache-2.0
 * Routes in one array, sorted so that all of one family and length stand together: a lookup masks
 * the address to each length and searches by halves. */
#include "lb/config/reach.h"

#include <stdlib.h>
#include <string.h>

static int by_length(const void *pa, const void *pb)
{
	const struct reach_entry *a = pa, *b = pb;
	int c;

	if (a->is4 != b->is4)
		return a->is4 ? -1 : 1;
	if (a->to.len != b->to.len)
		return a->to.len > b->to.len ? -1 : 1;
	c = memcmp(&a->to.addr, &b->to.addr, sizeof(a->to.addr));
	if (c)
		return c;
	if (a->on_link != b->on_link)
		return a->on_link ? -1 : 1;
	return a->port < b->port ? -1 : a->port > b->port;
}

static int by_addr(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct ip_addr));
}

static void entry_add(struct reach *r, const struct ip_prefix *to, uint32_t port, bool on_link)
{
	struct reach_entry *e = &r->entries[r->cnt++];

	*e = (struct reach_entry){.to = *to, .on_link = on_link, .port = port};
	e->is4 = ip_addr_is4(&to->addr);
	ip_prefix_mask(&e->to);
}

static void make_groups(struct reach *r)
{
	for (uint32_t i = 0; i < r->cnt; i++) {
		const struct reach_entry *e = &r->entries[i];

		if (i == 0 || e[-1].is4 != e->is4 || e[-1].to.len != e->to.len)
			r->groups[r->group_cnt++].start = i;
		r->groups[r->group_cnt - 1].end = i + 1;
	}
}

bool reach_init(struct reach *r, struct arena *a, const struct config *cfg)
{
	uint32_t entry_cnt = 0, own_cnt = 0;

	for (uint32_t i = 0; i < cfg->port_cnt; i++) {
		entry_cnt += cfg->ports[i].address_cnt + cfg->ports[i].route_cnt;
		own_cnt += cfg->ports[i].address_cnt;
	}
	*r = (struct reach){0};
	r->entries = arena_array(a, entry_cnt, sizeof(*r->entries));
	r->groups = arena_array(a, entry_cnt, sizeof(*r->groups));
	r->own = arena_array(a, own_cnt, sizeof(*r->own));
	if (!r->entries || !r->groups || !r->own)
		return false;
	for (uint32_t i = 0; i < cfg->port_cnt; i++) {
		const struct config_port *p = &cfg->ports[i];

		for (uint32_t j = 0; j < p->address_cnt; j++) {
			entry_add(r, &p->addresses[j], i, true);
			r->own[r->own_cnt++] = p->addresses[j].addr;
		}
		for (uint32_t j = 0; j < p->route_cnt; j++)
			entry_add(r, &p->routes[j].to, i, false);
	}
	qsort(r->entries, r->cnt, sizeof(*r->entries), by_length);
	qsort(r->own, r->own_cnt, sizeof(*r->own), by_addr);
	make_groups(r);
	return true;
}

const struct reach_entry *reach_find(const struct reach *r, const struct ip_addr *addr)
{
	bool is4 = ip_addr_is4(addr);

	for (uint32_t g = 0; g < r->group_cnt; g++) {
		uint32_t lo = r->groups[g].start, hi = r->groups[g].end;
		struct ip_prefix want = {*addr, r->entries[lo].to.len};

		if (r->entries[lo].is4 != is4)
			continue;
		ip_prefix_mask(&want);
		while (lo < hi) {
			uint32_t mid = lo + (hi - lo) / 2;

			if (memcmp(&r->entries[mid].to.addr, &want.addr, sizeof(want.addr)) < 0)
				lo = mid + 1;
			else
				hi = mid;
		}
		if (lo < r->groups[g].end && ip_addr_eq(&r->entries[lo].to.addr, &want.addr))
			return &r->entries[lo];
	}
	return NULL;
}

const struct reach_entry *reach_next(const struct reach *r, const struct reach_entry *e)
{
	const struct reach_entry *n = e + 1;

	if (n == r->entries + r->cnt || n->is4 != e->is4 || n->to.len != e->to.len ||
		!ip_addr_eq(&n->to.addr, &e->to.addr) || n->on_link != e->on_link)
		return NULL;
	return n;
}

bool reach_is_own(const struct reach *r, const struct ip_addr *addr)
{
	return r->own_cnt && bsearch(addr, r->own, r->own_cnt, sizeof(*r->own), by_addr);
}
