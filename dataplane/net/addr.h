/* SPDX-License-Identifier: Apache-2.0
 * addr - IP addresses and prefixes of both families in one type.
 * An IPv4 address is held IPv4-mapped (::ffff:a.b.c.d, RFC 4291 2.5.5.2), so that tables, hashes
 * and comparisons are the same for both families. Units: network byte order throughout; prefix
 * lengths count bits of the family's own address (0-32 or 0-128) in text, and of the 128-bit form
 * in struct ip_prefix. */
#ifndef DATAPLANE_NET_ADDR_H
#define DATAPLANE_NET_ADDR_H

#include <string.h>

#include "dataplane/base/compiler.h"

struct ip_addr {
	union {
		uint8_t b[16];
		uint32_t w[4];
		uint64_t d[2];
	};
};

struct ip_prefix {
	struct ip_addr addr;
	uint8_t len; /* 0-128; an IPv4 prefix /n has 96 + n */
};

#define IP_ADDR_TEXT_MAX 48 /* longest text of an address or prefix with its NUL */

/* The 32-bit word ::ffff:0:0 as it lies in memory. */
#define IP4_MAPPED_WORD (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? 0xffff0000u : 0x0000ffffu)

ALWAYS_INLINE bool ip_addr_is4(const struct ip_addr *a)
{
	return a->d[0] == 0 && a->w[2] == IP4_MAPPED_WORD;
}

ALWAYS_INLINE bool ip_addr_eq(const struct ip_addr *a, const struct ip_addr *b)
{
	return ((a->d[0] ^ b->d[0]) | (a->d[1] ^ b->d[1])) == 0;
}

ALWAYS_INLINE bool ip_addr_is_zero(const struct ip_addr *a)
{
	return (a->d[0] | a->d[1]) == 0;
}

ALWAYS_INLINE struct ip_addr ip_addr_from4(uint32_t addr_be)
{
	struct ip_addr a;

	a.d[0] = 0;
	a.w[2] = IP4_MAPPED_WORD;
	a.w[3] = addr_be;
	return a;
}

ALWAYS_INLINE struct ip_addr ip_addr_from6(const void *bytes)
{
	struct ip_addr a;

	memcpy(&a, bytes, sizeof(a));
	return a;
}

/* Is a inside p? */
bool ip_prefix_match(const struct ip_prefix *p, const struct ip_addr *a);

/* 224.0.0.0/4 or ff00::/8. */
bool ip_addr_is_multicast(const struct ip_addr *a);

/* "192.0.2.1" or "2001:db8::1"; 0 or -EINVAL. An IPv4-mapped IPv6 text is refused. */
int ip_addr_parse(const char *text, struct ip_addr *out) WARN_UNUSED;
/* "192.0.2.0/24"; a bare address is a host prefix. Host bits may be set: the prefix's own address
 * is kept as written (ports need it); ip_prefix_mask() clears them. 0 or -EINVAL. */
int ip_prefix_parse(const char *text, struct ip_prefix *out) WARN_UNUSED;
void ip_prefix_mask(struct ip_prefix *p);

/* Text of RFC 5952; out has IP_ADDR_TEXT_MAX bytes; returns out. */
const char *ip_addr_format(const struct ip_addr *a, char *out);
const char *ip_prefix_format(const struct ip_prefix *p, char *out);

#endif
