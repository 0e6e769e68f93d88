/* SPDX-License-Identifier: Apache-2.0 */
#include "lb/l4/owner.h"

#include "lb/l4/table_pvt.h"

/* The worker of a client's address and port. */
static uint32_t owner_of(
	const struct l4_table *t, const struct ip_addr *client, uint16_t port_be, uint32_t workers)
{
	uint64_t h = mix_hash5(&t->owner_key, client->d[0], client->d[1], port_be, 0, 0);

	return (uint32_t)(((h >> 32) * workers) >> 32);
}

uint32_t l4_lookup_owner(const struct l4_table *t, const struct l4_lookup *lk, uint32_t workers)
{
	if (lk->dir == L4_DIR_CLIENT)
		return owner_of(t, &lk->key.client, lk->key.cport, workers);
	if (lk->back.local == L4_NONE16)
		return owner_of(t, &lk->client, lk->back.lport, workers);
	return l4_port_owner(&t->ports, __builtin_bswap16(lk->back.lport));
}

bool l4_tuple_places(const struct l4_lookup *lk)
{
	if (lk->dir == L4_DIR_CLIENT)
		return (lk->tables & ADDR_MEET) == 0;
	return lk->back.local != L4_NONE16;
}

void l4_lookup_tuple(const struct l4_table *t, const struct l4_lookup *lk, struct l4_tuple *out)
{
	if (lk->dir == L4_DIR_CLIENT)
		*out = (struct l4_tuple){.src = lk->key.client,
			.dst = t->vips[lk->key.vip].addr,
			.sport = lk->key.cport,
			.dport = lk->key.vport,
			.proto = lk->key.proto};
	else
		*out = (struct l4_tuple){.src = lk->back.backend,
			.dst = lk->client,
			.sport = lk->back.bport,
			.dport = lk->back.lport,
			.proto = lk->back.proto};
}

uint32_t l4_owner(const struct l4_table *t, const struct pkt_meta *m, uint32_t workers)
{
	struct l4_lookup lk;

	l4_classify(t, m, &lk);
	return lk.dir == L4_DIR_NONE ? L4_NONE32 : l4_lookup_owner(t, &lk, workers);
}
