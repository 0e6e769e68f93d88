/* SPDX-License-Identifier: Apache-2.0
 * rss - where the NIC's own hashing may place the flows of a virtual address.
 * Owner: workers, read only.  Cost: one address lookup and the address's services. */
#ifndef LB_L4_RSS_H
#define LB_L4_RSS_H

#include "lb/l4/table.h"

/* May the worker that received a client's packet for `vip` own its flow? Not if a service there is
 * in NAT mode: its replies carry another tuple, and only l4_owner() brings both directions
 * together. Full NAT may: its replies come to a port of the owner. False for what is no VIP. */
bool l4_rss_places(const struct l4_table *t, const struct ip_addr *vip);

#endif
