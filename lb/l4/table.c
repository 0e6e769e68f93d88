/* SPDX-License-Identifier: Apache-2.0 */
#include "lb/l4/table.h"

#include <stdlib.h>
#include <string.h>

#include "dataplane/base/assert.h"
#include "lb/l4/table_pvt.h"

/* Ports kept for health probes, if the range is not small. */
#define PROBE_PORTS 1024

static uint16_t probe_ports(const struct config *cfg)
{
	uint32_t span = (uint32_t)(cfg->l4.local_port_hi - cfg->l4.local_port_lo) + 1;

	return (uint16_t)(span / 4 < PROBE_PORTS ? span / 4 : PROBE_PORTS);
}

void l4_flow_ports(const struct config *cfg, uint16_t *lo, uint16_t *hi)
{
	*lo = cfg->l4.local_port_lo != 0 ? cfg->l4.local_port_lo : 1;
	*hi = (uint16_t)(cfg->l4.local_port_hi - probe_ports(cfg));
}

void l4_probe_ports(const struct config *cfg, uint16_t *lo, uint16_t *hi)
{
	*hi = cfg->l4.local_port_hi;
	*lo = (uint16_t)(*hi - probe_ports(cfg) + 1);
}

void l4_port_split_init(struct l4_port_split *s, uint16_t lo, uint16_t hi, uint32_t workers)
{
	uint64_t span = (uint64_t)(hi - lo) + 1;

	ASSERT(lo <= hi && workers >= 1 && workers <= span);
	*s = (struct l4_port_split){.lo = lo, .hi = hi, .workers = workers};
	s->mult = ((uint64_t)workers << 32) / span;
}

void l4_port_split_share(const struct l4_port_split *s, uint32_t worker, uint16_t *lo, uint16_t *hi)
{
	uint32_t p = s->lo;

	while (p < s->hi && l4_port_owner(s, (uint16_t)p) < worker)
		p++;
	*lo = (uint16_t)p;
	while (p < s->hi && l4_port_owner(s, (uint16_t)(p + 1)) == worker)
		p++;
	*hi = (uint16_t)p;
}

uint64_t l4_table_generation(const struct l4_table *t)
{
	return t->generation;
}

bool l4_owns_vip(const struct l4_table *t, const struct ip_addr *a)
{
	const struct l4_addr_slot *s = addr_find(t, a);

	return s != NULL && s->vip != L4_NONE16;
}

uint16_t l4_vip_find(const struct l4_table *t, const struct ip_addr *a)
{
	const struct l4_addr_slot *s = addr_find(t, a);

	return s != NULL ? s->vip : L4_NONE16;
}

bool l4_vip_at(const struct l4_table *t, uint32_t i, struct ip_addr *out)
{
	for (uint32_t v = 0; v < t->vip_cnt; v++) {
		if (t->vips[v].range_cnt == 0 || i-- > 0)
			continue;
		*out = t->vips[v].addr;
		return true;
	}
	return false;
}

uint16_t vip_service(const struct l4_table *t, uint16_t vip, uint8_t proto, uint16_t port)
{
	const struct l4_vip *v = &t->vips[vip];
	const struct l4_range *r = &t->ranges[v->range_first];
	uint32_t first = 0, left = v->range_cnt;
	uint32_t key = (uint32_t)proto << 16 | port;

	if (left == 0)
		return L4_NONE16;
	while (left > 1) {
		uint32_t half = left / 2, mid = first + half;

		first = ((uint32_t)r[mid].proto << 16 | r[mid].lo) <= key ? mid : first;
		left -= half;
	}
	r += first;
	return r->proto == proto && r->lo <= port && port <= r->hi ? r->service : L4_NONE16;
}

bool acl_admits(const struct l4_acl *acl, const struct ip_addr *client)
{
	if (acl->deny != NULL && prefix_set_has(acl->deny, client))
		return false;
	return acl->allow == NULL || prefix_set_has(acl->allow, client);
}

uint32_t l4_service_cnt(const struct l4_table *t)
{
	return t->service_cnt;
}

uint32_t l4_member_cnt(const struct l4_table *t)
{
	return t->member_cnt;
}

const char *l4_service_name(const struct l4_table *t, uint16_t service)
{
	return service < t->service_cnt ? t->service_names[service] : "";
}

uint64_t l4_service_born(const struct l4_table *t, uint16_t service)
{
	return service < t->service_cnt ? t->services[service].born : 0;
}

bool l4_member_info(const struct l4_table *t, uint32_t member, struct l4_member_info *out)
{
	const struct l4_member *m;

	if (member >= t->member_cnt || t->members[member].state == L4_MEMBER_FREE)
		return false;
	m = &t->members[member];
	*out = (struct l4_member_info){
		.addr = m->addr,
		.end_ns = m->end_ns,
		.born = m->born,
		.port_be = m->port_be,
		.service = m->service,
		.weight = m->weight,
		.mode = m->mode,
		.state = m->state,
		.chosen = (m->flags & MEMBER_CHOSEN) != 0,
	};
	return true;
}

uint16_t l4_service_find(const struct l4_table *t, const char *name)
{
	for (uint32_t i = 0; i < t->service_cnt; i++)
		if (strcmp(t->service_names[i], name) == 0)
			return (uint16_t)i;
	return L4_NONE16;
}

uint32_t l4_member_find(
	const struct l4_table *t, uint16_t service, const struct ip_addr *addr, uint16_t port_be)
{
	for (uint32_t i = 0; i < t->member_cnt; i++) {
		const struct l4_member *m = &t->members[i];

		if (m->state != L4_MEMBER_FREE && m->service == service && m->port_be == port_be &&
			ip_addr_eq(&m->addr, addr) && m->mode == t->services[service].mode)
			return i;
	}
	return L4_NONE32;
}

enum l4_member_state l4_member_state_of(const struct l4_table *t, uint32_t member)
{
	return member < t->member_cnt ? (enum l4_member_state)t->members[member].state
				      : L4_MEMBER_FREE;
}

static void acl_unref(struct l4_acl *acl)
{
	if (acl == NULL || --acl->refs > 0)
		return;
	prefix_set_destroy(acl->allow);
	prefix_set_destroy(acl->deny);
	free(acl);
}

void l4_table_free(struct l4_table *t)
{
	if (t == NULL)
		return;
	for (uint32_t i = 0; t->services != NULL && i < t->service_cnt; i++) {
		sched_set_unref(t->services[i].set);
		acl_unref(t->services[i].acl);
	}
	free(t->addrs);
	free(t->members);
	free(t->vips);
	free(t->ranges);
	free(t->services);
	free(t->locals);
	free(t->local_ids);
	free(t->member_ids);
	free(t->service_names);
	free(t);
}
