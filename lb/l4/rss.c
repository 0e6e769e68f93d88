/* SPDX-License-Identifier: Apache-2.0 */
#include "lb/l4/rss.h"

#include "lb/l4/table_pvt.h"

bool l4_rss_places(const struct l4_table *t, const struct ip_addr *vip)
{
	const struct l4_addr_slot *slot = addr_find(t, vip);
	const struct l4_vip *v;

	if (slot == NULL || slot->vip == L4_NONE16)
		return false;
	if ((slot->flags & ADDR_NAT) == 0)
		return true;
	v = &t->vips[slot->vip];
	for (uint32_t i = 0; i < v->range_cnt; i++)
		if (t->services[t->ranges[v->range_first + i].service].mode == L4_NAT)
			return false;
	return true;
}
