/* SPDX-License-Identifier: Apache-2.0
 * Between services: every (protocol, address, port) belongs to one. All claims are sorted by
 * protocol, address and first port; within one address a sweep that remembers the claim reaching
 * furthest finds each claim that begins before an earlier one ended. */
#include <stdlib.h>
#include <string.h>

#include "lb/config/check.h"

struct claim {
	struct ip_addr vip;
	uint8_t proto;
	uint16_t lo, hi;
	uint32_t service;
	struct config_mark mark;
};

static int by_place(const void *pa, const void *pb)
{
	const struct claim *a = pa, *b = pb;
	int c = memcmp(&a->vip, &b->vip, sizeof(a->vip));

	if (c)
		return c;
	if (a->proto != b->proto)
		return a->proto < b->proto ? -1 : 1;
	if (a->lo != b->lo)
		return a->lo < b->lo ? -1 : 1;
	if (a->mark.line != b->mark.line)
		return a->mark.line < b->mark.line ? -1 : 1;
	return a->mark.col < b->mark.col ? -1 : a->mark.col > b->mark.col;
}

static bool later(const struct claim *a, const struct claim *b)
{
	return a->mark.line != b->mark.line ? a->mark.line > b->mark.line
					    : a->mark.col > b->mark.col;
}

/* The one that stands later in the file is the mistake. */
static void report(struct check *c, const struct claim *a, const struct claim *b)
{
	const struct claim *bad = later(a, b) ? a : b, *first = later(a, b) ? b : a;
	char text[IP_ADDR_TEXT_MAX];

	ip_addr_format(&bad->vip, text);
	if (a->service == b->service) {
		diag_error(c->diag, bad->mark, "vips: '%s' is there twice", text);
		return;
	}
	diag_error(c->diag, bad->mark,
		"service '%s' overlaps service '%s' on line %u: both take %s %s, port %u",
		c->cfg->services[bad->service].name, c->cfg->services[first->service].name,
		first->mark.line, bad->proto == L4_TCP ? "tcp" : "udp", text,
		a->lo > b->lo ? a->lo : b->lo);
}

static uint32_t collect(struct check *c, struct claim *claims)
{
	struct config_value *services = schema_value(c->root, "services");
	uint32_t n = 0;

	for (uint32_t i = 0; i < c->cfg->service_cnt; i++) {
		const struct config_service *s = &c->cfg->services[i];
		struct config_tree *t = services->maps[i];
		struct config_value *vips = schema_value(t, "vips"),
				    *port = schema_value(t, "port");

		for (uint32_t v = 0; v < s->vip_cnt; v++) {
			c->vips[c->vip_cnt++] = s->vips[v];
			if (port->mark.line && !port->bad && !schema_value(t, "protocol")->bad)
				claims[n++] = (struct claim){s->vips[v], (uint8_t)s->proto,
					s->port_lo, s->port_hi, i, vips->item_marks[v]};
		}
	}
	return n;
}

static int by_addr(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct ip_addr));
}

/* Sorted, each once. */
static void sort_vips(struct check *c)
{
	uint32_t n = 0;

	if (c->vip_cnt == 0)
		return;
	qsort(c->vips, c->vip_cnt, sizeof(*c->vips), by_addr);
	for (uint32_t i = 0; i < c->vip_cnt; i++) {
		if (n == 0 || !ip_addr_eq(&c->vips[n - 1], &c->vips[i]))
			c->vips[n++] = c->vips[i];
	}
	c->vip_cnt = n;
	if (n > LIMIT_VIPS)
		diag_error(c->diag, schema_mark(c->root, "services"),
			"services: %u virtual addresses are more than %d", n, LIMIT_VIPS);
}

bool check_is_vip(const struct check *c, const struct ip_addr *a)
{
	return c->vip_cnt && bsearch(a, c->vips, c->vip_cnt, sizeof(*c->vips), by_addr);
}

void check_overlaps(struct check *c)
{
	struct claim *claims;
	uint32_t cnt = 0, furthest = 0;

	for (uint32_t i = 0; i < c->cfg->service_cnt; i++)
		cnt += c->cfg->services[i].vip_cnt;
	claims = arena_array(c->scratch, cnt, sizeof(*claims));
	c->vips = arena_array(c->scratch, cnt, sizeof(*c->vips));
	if (!claims || !c->vips)
		return;
	cnt = collect(c, claims);
	sort_vips(c);
	if (cnt)
		qsort(claims, cnt, sizeof(*claims), by_place);
	for (uint32_t i = 1; i < cnt; i++) {
		const struct claim *f = &claims[furthest];

		if (f->proto != claims[i].proto || !ip_addr_eq(&f->vip, &claims[i].vip)) {
			furthest = i;
			continue;
		}
		if (claims[i].lo <= f->hi)
			report(c, f, &claims[i]);
		if (claims[i].hi > f->hi)
			furthest = i;
	}
}
