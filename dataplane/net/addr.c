/* SPDX-License-Identifier: Apache-2.0
 * Text goes through the C library (it knows RFC 4291 2.2 and writes RFC 5952); what is ours is the
 * strictness: one way to write a prefix length, no IPv4-mapped text. */
#include "dataplane/net/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>

#include "dataplane/base/text.h"

/* The bits of 32-bit word i (network order) that a prefix of len bits covers. */
static uint32_t word_mask(uint32_t len, uint32_t i)
{
	uint32_t bits = len > 32 * i ? len - 32 * i : 0;

	if (bits >= 32)
		return UINT32_MAX;
	return bits == 0 ? 0 : htonl(UINT32_MAX << (32 - bits));
}

bool ip_prefix_match(const struct ip_prefix *p, const struct ip_addr *a)
{
	uint32_t diff = 0;

	for (uint32_t i = 0; i < 4; i++)
		diff |= (p->addr.w[i] ^ a->w[i]) & word_mask(p->len, i);
	return diff == 0;
}

void ip_prefix_mask(struct ip_prefix *p)
{
	for (uint32_t i = 0; i < 4; i++)
		p->addr.w[i] &= word_mask(p->len, i);
}

bool ip_addr_is_multicast(const struct ip_addr *a)
{
	return ip_addr_is4(a) ? (a->b[12] & 0xf0) == 0xe0 : a->b[0] == 0xff;
}

int ip_addr_parse(const char *text, struct ip_addr *out)
{
	struct in_addr v4;
	struct in6_addr v6;

	if (inet_pton(AF_INET, text, &v4) == 1) {
		*out = ip_addr_from4(v4.s_addr);
		return 0;
	}
	if (inet_pton(AF_INET6, text, &v6) != 1 || IN6_IS_ADDR_V4MAPPED(&v6))
		return -EINVAL;
	*out = ip_addr_from6(&v6);
	return 0;
}

/* Decimal without sign, blanks or leading zeros, at most max; -EINVAL otherwise. */
static int parse_len(const char *s, int max)
{
	int n = 0;

	if (*s == '\0' || (s[0] == '0' && s[1] != '\0'))
		return -EINVAL;
	for (; *s; s++) {
		if (*s < '0' || *s > '9')
			return -EINVAL;
		n = n * 10 + (*s - '0');
		if (n > max)
			return -EINVAL;
	}
	return n;
}

int ip_prefix_parse(const char *text, struct ip_prefix *out)
{
	const char *slash = strchr(text, '/');
	char addr[IP_ADDR_TEXT_MAX];
	size_t addr_len = slash ? (size_t)(slash - text) : strlen(text);
	bool is4;
	int len;

	if (addr_len >= sizeof(addr))
		return -EINVAL;
	memcpy(addr, text, addr_len);
	addr[addr_len] = '\0';
	if (ip_addr_parse(addr, &out->addr) != 0)
		return -EINVAL;
	is4 = ip_addr_is4(&out->addr);
	len = is4 ? 32 : 128;
	if (slash)
		len = parse_len(slash + 1, len);
	if (len < 0)
		return -EINVAL;
	out->len = (uint8_t)(is4 ? 96 + len : len);
	return 0;
}

const char *ip_addr_format(const struct ip_addr *a, char *out)
{
	uint32_t n = 0;

	if (!ip_addr_is4(a)) {
		inet_ntop(AF_INET6, a, out, IP_ADDR_TEXT_MAX);
		return out;
	}
	for (int i = 12; i < 16; i++) {
		n += text_u32(out + n, a->b[i]);
		out[n++] = i < 15 ? '.' : '\0';
	}
	return out;
}

const char *ip_prefix_format(const struct ip_prefix *p, char *out)
{
	bool is4 = ip_addr_is4(&p->addr);
	size_t n;

	ip_addr_format(&p->addr, out);
	n = strlen(out);
	snprintf(out + n, IP_ADDR_TEXT_MAX - n, "/%u", (unsigned)(is4 ? p->len - 96 : p->len));
	return out;
}
