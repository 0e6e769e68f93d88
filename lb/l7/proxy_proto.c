/* SPDX-License-Identifier: Apache-2.0 */
#include "lb/l7/proxy_proto.h"

#include <stdio.h>
#include <string.h>

#include "dataplane/net/hdr.h"

#define V2_FIXED 16
#define V2_LOCAL 0x20
#define V2_PROXY 0x21
#define V2_TCP4  0x11
#define V2_TCP6  0x21

static const uint8_t v2_sig[12] = {
	0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a};
static const uint8_t v1_sig[6] = {'P', 'R', 'O', 'X', 'Y', ' '};

/* ---- version 1 ---- */

/* The bytes up to `end` (a space, or the NUL that took the place of CR) as a text of at most max -
 * 1 bytes; moves *at behind it. */
static bool take_word(const char **at, char end, char *out, size_t max)
{
	const char *e = strchr(*at, end);
	size_t n;

	if (e == NULL)
		return false;
	n = (size_t)(e - *at);
	if (n == 0 || n >= max)
		return false;
	memcpy(out, *at, n);
	out[n] = '\0';
	*at = end == '\0' ? e : e + 1;
	return true;
}

static bool port_of(const char *text, uint16_t *out)
{
	uint32_t v = 0;

	if (text[0] == '0' && text[1] != '\0')
		return false;
	for (; *text != '\0'; text++) {
		if (*text < '0' || *text > '9')
			return false;
		v = v * 10 + (uint32_t)(*text - '0');
		if (v > UINT16_MAX)
			return false;
	}
	*out = BE16(v);
	return true;
}

static bool addr_of(const char *text, bool is4, struct ip_addr *out)
{
	return strchr(text, '%') == NULL && ip_addr_parse(text, out) == 0 &&
	       ip_addr_is4(out) == is4;
}

/* `line` is what stands behind "PROXY ", without CR LF. */
static bool v1_fields(const char *line, struct proxy_header *out)
{
	char addr[IP_ADDR_TEXT_MAX], port[6];
	const char *at = line + 5;
	bool is4 = strncmp(line, "TCP4 ", 5) == 0;

	if (strcmp(line, "UNKNOWN") == 0 || strncmp(line, "UNKNOWN ", 8) == 0)
		return true;
	if (!is4 && strncmp(line, "TCP6 ", 5) != 0)
		return false;
	if (!take_word(&at, ' ', addr, sizeof(addr)) || !addr_of(addr, is4, &out->src) ||
		!take_word(&at, ' ', addr, sizeof(addr)) || !addr_of(addr, is4, &out->dst) ||
		!take_word(&at, ' ', port, sizeof(port)) || !port_of(port, &out->sport) ||
		!take_word(&at, '\0', port, sizeof(port)) || !port_of(port, &out->dport))
		return false;
	out->known = true;
	return true;
}

static enum proxy_verdict v1_parse(const uint8_t *data, uint32_t len, struct proxy_header *out)
{
	uint32_t max = len < PROXY_V1_MAX ? len : PROXY_V1_MAX;
	char line[PROXY_V1_MAX];

	for (uint32_t i = sizeof(v1_sig); i < max; i++) {
		uint32_t n = i - (uint32_t)sizeof(v1_sig);

		if (data[i] == '\0' || data[i] == '\n')
			return PROXY_BAD;
		if (data[i] != '\r')
			continue;
		if (i + 1 == len && len < PROXY_V1_MAX)
			return PROXY_MORE;
		if (i + 1 >= max || data[i + 1] != '\n')
			return PROXY_BAD;
		memcpy(line, data + sizeof(v1_sig), n);
		line[n] = '\0';
		out->len = i + 2;
		return v1_fields(line, out) ? PROXY_OK : PROXY_BAD;
	}
	return len < PROXY_V1_MAX ? PROXY_MORE : PROXY_BAD;
}

/* ---- version 2 ---- */

/* Types and lengths that fill the rest exactly. */
static bool tlvs_fit(const uint8_t *p, uint32_t len)
{
	while (len > 0) {
		uint32_t n;

		if (len < 3)
			return false;
		n = 3u + ((uint32_t)p[1] << 8 | p[2]);
		if (n > len)
			return false;
		p += n;
		len -= n;
	}
	return true;
}

static bool v2_addrs(const uint8_t *p, uint32_t len, uint8_t family, struct proxy_header *out)
{
	uint32_t n = family == V2_TCP4 ? 4 : 16;

	if (len < 2 * n + 4)
		return false;
	if (n == 4) {
		out->src = ip_addr_from4(load32(p));
		out->dst = ip_addr_from4(load32(p + 4));
	} else {
		out->src = ip_addr_from6(p);
		out->dst = ip_addr_from6(p + 16);
	}
	out->sport = load16(p + 2 * n);
	out->dport = load16(p + 2 * n + 2);
	out->known = true;
	return ip_addr_is4(&out->src) == ip_addr_is4(&out->dst) &&
	       tlvs_fit(p + 2 * n + 4, len - 2 * n - 4);
}

static enum proxy_verdict v2_parse(const uint8_t *data, uint32_t len, struct proxy_header *out)
{
	uint32_t body;

	if (len > 12 && data[12] != V2_LOCAL && data[12] != V2_PROXY)
		return PROXY_BAD;
	if (len > 13 && data[12] == V2_PROXY && data[13] != 0 && data[13] != V2_TCP4 &&
		data[13] != V2_TCP6)
		return PROXY_BAD;
	if (len < V2_FIXED)
		return PROXY_MORE;
	body = (uint32_t)data[14] << 8 | data[15];
	if (body > PROXY_HEADER_MAX - V2_FIXED)
		return PROXY_BAD;
	if (len < V2_FIXED + body)
		return PROXY_MORE;
	out->len = V2_FIXED + body;
	/* LOCAL, and an unspecified family, say nothing; their bytes are to be skipped. */
	if (data[12] == V2_LOCAL || data[13] == 0)
		return PROXY_OK;
	return v2_addrs(data + V2_FIXED, body, data[13], out) ? PROXY_OK : PROXY_BAD;
}

static bool begins(const uint8_t *data, uint32_t len, const uint8_t *sig, uint32_t n)
{
	return memcmp(data, sig, len < n ? len : n) == 0;
}

enum proxy_verdict proxy_parse(const uint8_t *data, uint32_t len, struct proxy_header *out)
{
	memset(out, 0, sizeof(*out));
	if (len == 0)
		return PROXY_MORE;
	if (begins(data, len, v2_sig, sizeof(v2_sig)))
		return v2_parse(data, len, out);
	if (begins(data, len, v1_sig, sizeof(v1_sig)))
		return v1_parse(data, len, out);
	return PROXY_BAD;
}

/* ---- writing ---- */

static uint32_t v1_write(const struct proxy_header *h, uint8_t *out)
{
	char src[IP_ADDR_TEXT_MAX], dst[IP_ADDR_TEXT_MAX];
	int n = snprintf((char *)out, PROXY_WRITE_MAX, "PROXY TCP%c %s %s %u %u\r\n",
		ip_addr_is4(&h->src) ? '4' : '6', ip_addr_format(&h->src, src),
		ip_addr_format(&h->dst, dst), BE16(h->sport), BE16(h->dport));

	return (uint32_t)n;
}

static uint32_t v2_write(const struct proxy_header *h, uint8_t *out)
{
	bool is4 = ip_addr_is4(&h->src);
	uint32_t n = is4 ? 4 : 16, off = is4 ? 12 : 0;

	memcpy(out, v2_sig, sizeof(v2_sig));
	out[12] = V2_PROXY;
	out[13] = is4 ? V2_TCP4 : V2_TCP6;
	out[14] = 0;
	out[15] = (uint8_t)(2 * n + 4);
	memcpy(out + V2_FIXED, h->src.b + off, n);
	memcpy(out + V2_FIXED + n, h->dst.b + off, n);
	memcpy(out + V2_FIXED + 2 * n, &h->sport, 2);
	memcpy(out + V2_FIXED + 2 * n + 2, &h->dport, 2);
	return V2_FIXED + 2 * n + 4;
}

uint32_t proxy_write(enum proxy_version version, const struct proxy_header *h, uint8_t *out)
{
	if (version == PROXY_V1)
		return v1_write(h, out);
	return version == PROXY_V2 ? v2_write(h, out) : 0;
}
