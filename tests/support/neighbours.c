/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/neighbours.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define ETH_LEN  14
#define TAG_LEN  4
#define ARP_LEN  28
#define IP6_LEN  40
#define NS_LEN   24
#define NA_LEN   32
#define TYPE_NS  135
#define TYPE_NA  136
#define NA_FLAGS 0x60 /* solicited, override */

int neighbours_add(struct neighbours *n, const char *text)
{
	struct neighbour *h = &n->hosts[n->cnt];
	unsigned mac[6];
	char addr[IP_ADDR_TEXT_MAX];

	if (n->cnt == NEIGHBOURS_MAX ||
		sscanf(text, "%u %x:%x:%x:%x:%x:%x %47s", &h->port, &mac[0], &mac[1], &mac[2],
			&mac[3], &mac[4], &mac[5], addr) != 8 ||
		ip_addr_parse(addr, &h->addr) != 0)
		return -EINVAL;
	for (int i = 0; i < 6; i++)
		h->mac[i] = (uint8_t)mac[i];
	n->cnt++;
	return 0;
}

static const struct neighbour *host_find(
	const struct neighbours *n, uint32_t port, const struct ip_addr *a)
{
	for (uint32_t i = 0; i < n->cnt; i++)
		if (n->hosts[i].port == port && ip_addr_eq(&n->hosts[i].addr, a))
			return &n->hosts[i];
	return NULL;
}

struct question {
	const uint8_t *frame;
	uint32_t len, l2_len, port;
};

/* Back to where the question came from, with the same tag if there is one. */
static void eth_write(uint8_t *out, const struct neighbour *h, const struct question *q)
{
	memcpy(out, q->frame + 6, 6);
	memcpy(out + 6, h->mac, 6);
	memcpy(out + 12, q->frame + 12, q->l2_len - 12);
}

static uint32_t arp_answer(const struct neighbours *n, const struct question *ask, uint8_t *out)
{
	const uint8_t *q = ask->frame + ask->l2_len;
	const struct neighbour *h;
	uint8_t *a = out + ask->l2_len;
	struct ip_addr target;
	uint32_t be;

	if (ask->len < ask->l2_len + ARP_LEN || q[7] != 1)
		return 0;
	memcpy(&be, q + 24, 4);
	target = ip_addr_from4(be);
	h = host_find(n, ask->port, &target);
	if (h == NULL)
		return 0;
	eth_write(out, h, ask);
	memcpy(a, q, 8);
	a[7] = 2;
	memcpy(a + 8, h->mac, 6);
	memcpy(a + 14, q + 24, 4);
	memcpy(a + 18, q + 8, 10);
	return ask->l2_len + ARP_LEN;
}

/* RFC 1071 over 16-bit words in network order. */
static uint32_t words_sum(const uint8_t *p, uint32_t len)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i + 1 < len; i += 2)
		sum += (uint32_t)p[i] << 8 | p[i + 1];
	return sum;
}

static uint32_t nd_answer(const struct neighbours *n, const struct question *ask, uint8_t *out)
{
	const uint8_t *q = ask->frame + ask->l2_len;
	const struct neighbour *h;
	uint8_t *ip = out + ask->l2_len, *na = ip + IP6_LEN;
	struct ip_addr target;
	uint32_t sum;

	if (ask->len < ask->l2_len + IP6_LEN + NS_LEN || q[6] != 58 || q[IP6_LEN] != TYPE_NS)
		return 0;
	target = ip_addr_from6(q + IP6_LEN + 8);
	h = host_find(n, ask->port, &target);
	if (h == NULL)
		return 0;
	eth_write(out, h, ask);
	memset(ip, 0, IP6_LEN + NA_LEN);
	ip[0] = 0x60;
	ip[5] = NA_LEN;
	ip[6] = 58;
	ip[7] = 255;
	memcpy(ip + 8, &target, 16);
	memcpy(ip + 24, q + 8, 16);
	na[0] = TYPE_NA;
	na[4] = NA_FLAGS;
	memcpy(na + 8, &target, 16);
	na[24] = 2;
	na[25] = 1;
	memcpy(na + 26, h->mac, 6);
	sum = words_sum(ip + 8, 32) + NA_LEN + 58 + words_sum(na, NA_LEN);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	na[2] = (uint8_t)(~sum >> 8);
	na[3] = (uint8_t)~sum;
	return ask->l2_len + IP6_LEN + NA_LEN;
}

uint32_t neighbours_answer(
	const struct neighbours *n, uint32_t port, const uint8_t *frame, uint32_t len, uint8_t *out)
{
	struct question ask = {frame, len, ETH_LEN, port};

	if (n->cnt == 0 || len < ETH_LEN + TAG_LEN)
		return 0;
	if (frame[12] == 0x81 && frame[13] == 0x00)
		ask.l2_len += TAG_LEN;
	if (frame[ask.l2_len - 2] == 0x08 && frame[ask.l2_len - 1] == 0x06)
		return arp_answer(n, &ask, out);
	if (frame[ask.l2_len - 2] == 0x86 && frame[ask.l2_len - 1] == 0xdd)
		return nd_answer(n, &ask, out);
	return 0;
}
