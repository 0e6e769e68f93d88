/* SPDX-License-Identifier: Apache-2.0
 * Any text as a token, and any text as the claims of a token that is signed well. What a good token
 * says must fit into header fields. */
#include <stdlib.h>
#include <string.h>

#include <openssl/hmac.h>

#include "lb/l7/policy/base64.h"
#include "lb/l7/policy/jwt_check.h"

static const char jwks[] =
	"{\"keys\":[{\"kty\":\"oct\",\"k\":\"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY\"}]}";
static const char secret[] = "0123456789abcdef0123456789abcdef";

static void require(bool ok)
{
	if (!ok)
		abort();
}

static char *encode(const uint8_t *p, size_t len, char *out)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	uint32_t bits = 0, have = 0;

	for (size_t i = 0; i < len; i++) {
		bits = (bits << 8 | p[i]) & 0xffffff;
		for (have += 8; have >= 6; have -= 6)
			*out++ = digits[bits >> (have - 6) & 63];
	}
	if (have > 0)
		*out++ = digits[bits << (6 - have) & 63];
	*out = '\0';
	return out;
}

static void check(const struct jwk_set *keys, const char *token, size_t len, bool well_signed)
{
	static struct config_policy_claim headers[] = {{.name = "roles"}, {.name = "name"}};
	static const struct config_policy_jwt conf = {.headers = headers, .header_cnt = 2};
	struct jwt_rules rules = {.conf = &conf, .keys = keys, .algs = jwk_algs(keys)};
	char said_text[256];
	struct jwt_said said = {.out = said_text, .cap = sizeof(said_text)};
	enum jwt_result r = jwt_check(&rules, (struct span){token, (uint32_t)len}, 1000, &said);
	uint32_t at = 0;

	require(!well_signed || r != JWT_SIGNATURE);
	if (r != JWT_GOOD)
		return;
	for (int i = 0; i < 3; i++) {
		uint16_t n;

		require(at + sizeof(n) <= said.len);
		memcpy(&n, said_text + at, sizeof(n));
		at += (uint32_t)sizeof(n);
		require(at + n <= said.len);
		for (uint32_t k = 0; k < n; k++)
			require((unsigned char)said_text[at + k] >= 0x20 &&
				said_text[at + k] != 0x7f);
		at += n;
	}
	require(at == said.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct jwk_set *keys;
	static const char header[] = "{\"alg\":\"HS256\"}";
	uint8_t mac[EVP_MAX_MD_SIZE];
	unsigned mac_len;
	char text[8192], *p;

	if (!keys) {
		require(jwk_set_create(&keys) == 0);
		require(jwk_read_text(keys, "jwks", jwks, sizeof(jwks) - 1, NULL) == 0);
	}
	if (size > 4000)
		return 0;
	p = malloc(size ? size : 1);
	require(p != NULL);
	memcpy(p, data, size);
	check(keys, p, size, false);
	free(p);
	p = encode((const uint8_t *)header, sizeof(header) - 1, text);
	*p++ = '.';
	p = encode(data, size, p);
	HMAC(EVP_sha256(), secret, sizeof(secret) - 1, (const uint8_t *)text, (size_t)(p - text),
		mac, &mac_len);
	*p++ = '.';
	p = encode(mac, mac_len, p);
	check(keys, text, (size_t)(p - text), true);
	return 0;
}
