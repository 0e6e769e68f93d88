/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/net/netif.h"

void net_if_set_link_local(struct net_if *nif)
{
	struct ip_addr *a = &nif->link_local;

	memset(a, 0, sizeof(*a));
	a->b[0] = 0xfe;
	a->b[1] = 0x80;
	a->b[8] = nif->mac[0] ^ 2;
	a->b[9] = nif->mac[1];
	a->b[10] = nif->mac[2];
	a->b[11] = 0xff;
	a->b[12] = 0xfe;
	a->b[13] = nif->mac[3];
	a->b[14] = nif->mac[4];
	a->b[15] = nif->mac[5];
}

bool net_if_owns(const struct net_if *nif, const struct ip_addr *a)
{
	for (uint32_t i = 0; i < nif->addr_cnt; i++)
		if (ip_addr_eq(&nif->addrs[i].addr, a))
			return true;
	return !ip_addr_is_zero(a) && ip_addr_eq(&nif->link_local, a);
}

const struct ip_addr *net_if_source(const struct net_if *nif, const struct ip_addr *dst)
{
	bool is4 = ip_addr_is4(dst);
	bool link = !is4 && ((dst->b[0] == 0xfe && (dst->b[1] & 0xc0) == 0x80) ||
				    (dst->b[0] == 0xff && (dst->b[1] & 0x0f) == 2));
	const struct ip_addr *first = NULL;

	if (link && !ip_addr_is_zero(&nif->link_local))
		return &nif->link_local;
	for (uint32_t i = 0; i < nif->addr_cnt; i++) {
		const struct ip_prefix *p = &nif->addrs[i];

		if (ip_addr_is4(&p->addr) != is4)
			continue;
		if (ip_prefix_match(p, dst))
			return &p->addr;
		if (!first)
			first = &p->addr;
	}
	if (!first && !is4 && !ip_addr_is_zero(&nif->link_local))
		return &nif->link_local;
	return first;
}
