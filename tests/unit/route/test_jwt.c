/* SPDX-License-Identifier: Apache-2.0
 * Tokens, signed here with keys made here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <time.h>
#include <unistd.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rsa.h>

#include "lb/l7/policy/base64.h"
#include "lb/l7/policy/jwt_check.h"
#include "tests/support/route_world.h"

#define SECRET "0123456789abcdef0123456789abcdef"

static EVP_PKEY *rsa, *rsa2, *ec;
static char jwks_path[64], jwks[8192];

/* ---- encoding and signing ---- */

static void encode(const void *data, size_t len, char *out)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	const uint8_t *p = data;
	uint32_t bits = 0, have = 0;

	for (size_t i = 0; i < len; i++) {
		bits = bits << 8 | p[i];
		for (have += 8; have >= 6; have -= 6)
			*out++ = digits[bits >> (have - 6) & 63];
	}
	if (have > 0)
		*out++ = digits[bits << (6 - have) & 63];
	*out = '\0';
}

static size_t sign_evp(EVP_PKEY *key, const char *text, uint8_t *sig, size_t cap)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	size_t len = cap;

	assert_int_equal(EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key), 1);
	assert_int_equal(EVP_DigestSign(ctx, sig, &len, (const uint8_t *)text, strlen(text)), 1);
	EVP_MD_CTX_free(ctx);
	return len;
}

static size_t sign_ec(const char *text, uint8_t *sig)
{
	uint8_t der[128];
	const uint8_t *p = der;
	size_t len = sign_evp(ec, text, der, sizeof(der));
	ECDSA_SIG *es = d2i_ECDSA_SIG(NULL, &p, (long)len);

	assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_r(es), sig, 32), 32);
	assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_s(es), sig + 32, 32), 32);
	ECDSA_SIG_free(es);
	return 64;
}

/* How: 'h' HMAC with SECRET, 'r' and 'R' the RSA keys, 'e' the EC key, 'n' nothing. */
static const char *token(char how, const char *header, const char *payload)
{
	static char text[4096];
	uint8_t sig[512];
	unsigned hmac_len;
	size_t len = 0;

	encode(header, strlen(header), text);
	strcat(text, ".");
	encode(payload, strlen(payload), text + strlen(text));
	if (how == 'h') {
		HMAC(EVP_sha256(), SECRET, sizeof(SECRET) - 1, (uint8_t *)text, strlen(text), sig,
			&hmac_len);
		len = hmac_len;
	} else if (how == 'e') {
		len = sign_ec(text, sig);
	} else if (how != 'n') {
		len = sign_evp(how == 'r' ? rsa : rsa2, text, sig, sizeof(sig));
	}
	strcat(text, ".");
	encode(sig, len, text + strlen(text));
	return text;
}

static void put_number(EVP_PKEY *key, const char *param, size_t pad, char *out)
{
	BIGNUM *bn = NULL;
	uint8_t bytes[512];
	int len;

	assert_int_equal(EVP_PKEY_get_bn_param(key, param, &bn), 1);
	len = pad ? BN_bn2binpad(bn, bytes, (int)pad) : BN_bn2bin(bn, bytes);
	encode(bytes, (size_t)len, out);
	BN_free(bn);
}

static void make_keys(void)
{
	char n[1024], e[16], x[64], y[64], k[64];
	int fd;

	rsa = EVP_RSA_gen(2048);
	rsa2 = EVP_RSA_gen(2048);
	ec = EVP_EC_gen("P-256");
	assert_true(rsa && rsa2 && ec);
	put_number(rsa, OSSL_PKEY_PARAM_RSA_N, 0, n);
	put_number(rsa, OSSL_PKEY_PARAM_RSA_E, 0, e);
	put_number(ec, OSSL_PKEY_PARAM_EC_PUB_X, 32, x);
	put_number(ec, OSSL_PKEY_PARAM_EC_PUB_Y, 32, y);
	encode(SECRET, sizeof(SECRET) - 1, k);
	snprintf(jwks, sizeof(jwks),
		"{\"keys\": ["
		"{\"kty\":\"RSA\",\"kid\":\"r1\",\"alg\":\"RS256\",\"use\":\"sig\",\"n\":\"%s\","
		"\"e\":\"%s\"},"
		"{\"kty\":\"EC\",\"kid\":\"e1\",\"crv\":\"P-256\",\"x\":\"%s\",\"y\":\"%s\"},"
		"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AA\"},"
		"{\"kty\":\"RSA\",\"use\":\"enc\",\"n\":\"AA\",\"e\":\"AQAB\"},"
		"{\"kty\":\"oct\",\"kid\":\"h1\",\"k\":\"%s\"}]}",
		n, e, x, y, k);
	strcpy(jwks_path, "/tmp/weir-jwks-XXXXXX");
	fd = mkstemp(jwks_path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, jwks, strlen(jwks)), strlen(jwks));
	close(fd);
}

static int setup(void **state)
{
	(void)state;
	make_keys();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink(jwks_path);
	EVP_PKEY_free(rsa);
	EVP_PKEY_free(rsa2);
	EVP_PKEY_free(ec);
	return 0;
}

/* ---- the check alone ---- */

static struct config_policy_jwt conf;
static struct jwt_said said;
static char said_text[512];

static enum jwt_result check_with(uint32_t algs, const char *t, int64_t now)
{
	struct jwk_set *keys;
	enum jwt_result r;

	assert_int_equal(jwk_set_create(&keys), 0);
	assert_int_equal(jwk_read_text(keys, "t", jwks, strlen(jwks), stderr), 0);
	assert_int_equal(jwk_cnt(keys), 3);
	said = (struct jwt_said){.out = said_text, .cap = sizeof(said_text)};
	r = jwt_check(
		&(struct jwt_rules){
			.conf = &conf, .keys = keys, .algs = algs ? algs : jwk_algs(keys)},
		(struct span){t, (uint32_t)strlen(t)}, now, &said);
	jwk_set_free(keys);
	return r;
}

static enum jwt_result check(const char *t)
{
	return check_with(0, t, 1000);
}

static void signatures(void **state)
{
	char bad[4096];
	size_t n;

	(void)state;
	conf = (struct config_policy_jwt){0};
	assert_int_equal(
		check(token('r', "{\"alg\":\"RS256\",\"kid\":\"r1\"}", "{\"a\":1}")), JWT_GOOD);
	assert_int_equal(check(token('r', "{\"alg\":\"RS256\"}", "{}")), JWT_GOOD);
	assert_int_equal(check(token('e', "{\"alg\":\"ES256\",\"kid\":\"e1\"}", "{}")), JWT_GOOD);
	assert_int_equal(check(token('h', "{\"alg\":\"HS256\",\"typ\":\"JWT\"}", "{}")), JWT_GOOD);
	assert_int_equal(check(token('R', "{\"alg\":\"RS256\"}", "{}")), JWT_SIGNATURE);
	assert_int_equal(
		check(token('r', "{\"alg\":\"RS256\",\"kid\":\"other\"}", "{}")), JWT_SIGNATURE);
	assert_int_equal(
		check(token('h', "{\"alg\":\"HS256\",\"kid\":\"e1\"}", "{}")), JWT_SIGNATURE);
	/* Each byte counts. */
	strcpy(bad, token('h', "{\"alg\":\"HS256\"}", "{\"sub\":\"me\"}"));
	n = strlen(bad);
	for (size_t i = 0; i < n; i++) {
		char was = bad[i];

		bad[i] = was == 'A' ? 'B' : 'A';
		assert_int_not_equal(check(bad), JWT_GOOD);
		bad[i] = was;
	}
	assert_int_equal(check(bad), JWT_GOOD);
}

static void algorithms_are_not_confused(void **state)
{
	char pem[4096], text[4096];
	uint8_t sig[64];
	unsigned len;

	(void)state;
	conf = (struct config_policy_jwt){0};
	assert_int_equal(check(token('n', "{\"alg\":\"none\"}", "{}")), JWT_ALGORITHM);
	assert_int_equal(check(token('n', "{\"alg\":\"None\"}", "{}")), JWT_ALGORITHM);
	assert_int_equal(check(token('h', "{\"alg\":\"hs256\"}", "{}")), JWT_ALGORITHM);
	assert_int_equal(check(token('h', "{\"alg\":\"HS512\"}", "{}")), JWT_ALGORITHM);
	assert_int_equal(check(token('h', "{\"typ\":\"JWT\"}", "{}")), JWT_MALFORMED);
	/* Signed with one kind of key, said to be of another. */
	assert_int_equal(check(token('r', "{\"alg\":\"HS256\"}", "{}")), JWT_SIGNATURE);
	assert_int_equal(check(token('h', "{\"alg\":\"RS256\"}", "{}")), JWT_SIGNATURE);
	assert_int_equal(check(token('e', "{\"alg\":\"RS256\"}", "{}")), JWT_SIGNATURE);
	/* Only what is allowed, though there is a key for it. */
	assert_int_equal(check_with(HTTP_JWT_RS256 | HTTP_JWT_ES256,
				 token('h', "{\"alg\":\"HS256\"}", "{}"), 0),
		JWT_ALGORITHM);
	/* The public key as a secret: there is no such secret, in whatever form. */
	put_number(rsa, OSSL_PKEY_PARAM_RSA_N, 0, pem);
	encode("{\"alg\":\"HS256\",\"kid\":\"r1\"}", strlen("{\"alg\":\"HS256\",\"kid\":\"r1\"}"),
		text);
	strcat(text, ".e30");
	HMAC(EVP_sha256(), pem, (int)strlen(pem), (uint8_t *)text, strlen(text), sig, &len);
	strcat(text, ".");
	encode(sig, len, text + strlen(text));
	assert_int_equal(check(text), JWT_SIGNATURE);
	/* What is critical is not understood. */
	assert_int_equal(
		check(token('h', "{\"alg\":\"HS256\",\"crit\":[\"x\"]}", "{}")), JWT_MALFORMED);
	assert_int_equal(
		check(token('h', "{\"alg\":\"HS256\",\"alg\":\"HS256\"}", "{}")), JWT_MALFORMED);
}

static void malformed(void **state)
{
	static const char *const texts[] = {
		"", ".", "..", "a.b", "a.b.c.d", "e30.e30.e30", "e30=.e30.e30", "!!.e30.e30"};

	(void)state;
	conf = (struct config_policy_jwt){0};
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		assert_int_equal(check(texts[i]), JWT_MALFORMED);
	assert_int_equal(check(token('h', "{\"alg\":\"HS256\"}", "[]")), JWT_MALFORMED);
	assert_int_equal(
		check(token('h', "{\"alg\":\"HS256\"}", "{\"a\":1,\"a\":2}")), JWT_MALFORMED);
	assert_int_equal(
		check(token('h', "{\"alg\":\"HS256\"}", "{\"exp\":\"9\"}")), JWT_MALFORMED);
	assert_int_equal(
		check(token('h', "{\"alg\":\"HS256\"}", "{\"exp\":1e400}")), JWT_MALFORMED);
}

#define HS "{\"alg\":\"HS256\"}"

static void dates(void **state)
{
	(void)state;
	conf = (struct config_policy_jwt){.leeway_ns = UINT64_C(10000000000), .expiry = true};
	assert_int_equal(check_with(0, token('h', HS, "{\"exp\":1000}"), 1009), JWT_GOOD);
	assert_int_equal(said.expires, 1010);
	assert_int_equal(check_with(0, token('h', HS, "{\"exp\":1000}"), 1010), JWT_EXPIRED);
	assert_int_equal(check_with(0, token('h', HS, "{\"exp\":1000.5}"), 1010), JWT_GOOD);
	assert_int_equal(
		check_with(0, token('h', HS, "{\"exp\":2000,\"nbf\":1000}"), 989), JWT_EARLY);
	assert_int_equal(
		check_with(0, token('h', HS, "{\"exp\":2000,\"nbf\":1000}"), 990), JWT_GOOD);
	assert_int_equal(
		check_with(0, token('h', HS, "{\"exp\":2000,\"iat\":1000}"), 900), JWT_EARLY);
	assert_int_equal(check_with(0, token('h', HS, "{}"), 900), JWT_CLAIM);
	conf.expiry = false;
	assert_int_equal(check_with(0, token('h', HS, "{}"), 900), JWT_GOOD);
	assert_int_equal(said.expires, 0);
}

static void claims(void **state)
{
	char issuers[2][256] = {"https://a", "https://b"}, audiences[1][256] = {"shop"};
	struct config_policy_claim require[] = {
		{.name = "scope", .value = "orders"}, {.name = "admin", .value = "true"}};

	(void)state;
	conf = (struct config_policy_jwt){.issuers = issuers, .issuer_cnt = 2};
	assert_int_equal(check(token('h', HS, "{\"iss\":\"https://b\"}")), JWT_GOOD);
	assert_int_equal(check(token('h', HS, "{\"iss\":\"https://c\"}")), JWT_ISSUER);
	assert_int_equal(check(token('h', HS, "{\"iss\":[\"https://a\"]}")), JWT_ISSUER);
	assert_int_equal(check(token('h', HS, "{}")), JWT_ISSUER);
	conf = (struct config_policy_jwt){.audiences = audiences, .audience_cnt = 1};
	assert_int_equal(check(token('h', HS, "{\"aud\":\"shop\"}")), JWT_GOOD);
	assert_int_equal(check(token('h', HS, "{\"aud\":[\"x\",\"shop\"]}")), JWT_GOOD);
	assert_int_equal(check(token('h', HS, "{\"aud\":[\"shopping\"]}")), JWT_AUDIENCE);
	conf = (struct config_policy_jwt){.require = require, .require_cnt = 2};
	assert_int_equal(
		check(token('h', HS, "{\"scope\":\"read orders\",\"admin\":true}")), JWT_GOOD);
	assert_int_equal(
		check(token('h', HS, "{\"scope\":[\"orders\"],\"admin\":\"true\"}")), JWT_GOOD);
	assert_int_equal(
		check(token('h', HS, "{\"scope\":\"reorders\",\"admin\":true}")), JWT_CLAIM);
	assert_int_equal(
		check(token('h', HS, "{\"scope\":\"orders\",\"admin\":false}")), JWT_CLAIM);
	assert_int_equal(check(token('h', HS, "{\"scope\":\"orders\",\"admin\":null}")), JWT_CLAIM);
}

static void keys_that_are_refused(void **state)
{
	static const struct {
		const char *text, *says;
	} cases[] = {
		{"{", "t:1:1: error"},
		{"{}", "no list 'keys'"},
		{"{\"keys\":[]}", "no key that signs"},
		{"{\"keys\":[{\"kty\":\"oct\",\"k\":\"AAAA\"}]}", "less than 32 bytes"},
		{"{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-384\",\"x\":\"AA\",\"y\":\"AA\"}]}",
			"P-256"},
		{"{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\","
		 "\"x\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\","
		 "\"y\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE\"}]}",
			"no point"},
		{"{\"keys\":[{\"kty\":\"RSA\",\"n\":\"wQ\",\"e\":\"AQAB\"}]}", "RSA"},
		{"{\"keys\":[{\"kty\":\"RSA\",\"e\":\"AQAB\"}]}", "'n' and 'e'"},
		{"{\"keys\":[{\"kty\":\"oct\",\"alg\":\"RS256\","
		 "\"k\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}]}",
			"does not fit"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct jwk_set *set;
		char *text;
		size_t size;
		FILE *err = open_memstream(&text, &size);

		assert_int_equal(jwk_set_create(&set), 0);
		assert_int_equal(jwk_read_text(set, "t", cases[i].text, strlen(cases[i].text), err),
			-EINVAL);
		fclose(err);
		if (!strstr(text, cases[i].says))
			fail_msg("case %zu: '%s' is not in: %s", i, cases[i].says, text);
		free(text);
		jwk_set_free(set);
	}
}

/* ---- the policy ---- */

static void open_site(const char *rules)
{
	char site[2048];

	snprintf(site, sizeof(site),
		"    routes: [{upstream: app, policies: {jwt: {keys: %s, %s}}}]\n", jwks_path,
		rules);
	if (!world_open(site))
		fail_msg("%s", world.messages);
}

static uint16_t ask(const char *field, const char *t)
{
	char line[4096];

	world_request("GET", "h/");
	snprintf(line, sizeof(line), field, t);
	if (*field)
		world_field(&world.s.req, line);
	world_field(&world.s.req, "X-User: forged");
	(void)world_run();
	return world.status;
}

static void tokens_in_requests(void **state)
{
	char payload[128], t[4096];

	(void)state;
	open_site("to_headers: {sub: X-User, roles: X-Roles}, cookie: tok, forward: false");
	snprintf(payload, sizeof(payload), "{\"exp\":%ld,\"sub\":\"ann\",\"roles\":[\"a\",7,true]}",
		(long)time(NULL) + 100);
	strcpy(t, token('e', "{\"alg\":\"ES256\"}", payload));
	assert_int_equal(ask("", ""), 401);
	assert_string_equal(world_value(&world.s.resp, "WWW-Authenticate"), "Bearer");
	for (int i = 0; i < 2; i++) { /* verified, then remembered */
		assert_int_equal(ask("Authorization: bearer %s", t), 0);
		assert_string_equal(world_value(&world.s.req, "X-User"), "ann");
		assert_string_equal(world_value(&world.s.req, "X-Roles"), "a,7,true");
		assert_string_equal(world_text(route_exchange(&world.s)->user), "ann");
		assert_null(world_value(&world.s.req, "Authorization"));
	}
	assert_int_equal(ask("Cookie: a=b; tok=%s", t), 0);
	assert_int_equal(ask("Authorization: Bearer %sx", t), 401);
	assert_string_equal(
		world_value(&world.s.resp, "WWW-Authenticate"), "Bearer error=\"invalid_token\"");
	assert_int_equal(ask("Authorization: Basic %s", t), 401);
	/* Two fields. */
	world_request("GET", "h/");
	snprintf(payload, sizeof(payload), "Authorization: Bearer x");
	{
		char line[4200];

		snprintf(line, sizeof(line), "Authorization: Bearer %s", t);
		world_field(&world.s.req, line);
		world_field(&world.s.req, payload);
	}
	(void)world_run();
	assert_int_equal(world.status, 401);
	world_close();
}

static void what_is_remembered_expires(void **state)
{
	char payload[128], t[4096];

	(void)state;
	open_site("leeway: 0");
	snprintf(payload, sizeof(payload), "{\"exp\":%ld}", (long)time(NULL) + 1000);
	strcpy(t, token('h', HS, payload));
	assert_int_equal(ask("Authorization: Bearer %s", t), 0);
	/* The policy forgets by the worker's clock, and asks again. */
	world.now_ns += UINT64_C(999) * 1000000000;
	assert_int_equal(ask("Authorization: Bearer %s", t), 0);
	world.now_ns += UINT64_C(5) * 1000000000;
	assert_int_equal(ask("Authorization: Bearer %s", t), 0);
	snprintf(payload, sizeof(payload), "{\"exp\":%ld}", (long)time(NULL) - 1);
	assert_int_equal(ask("Authorization: Bearer %s", token('h', HS, payload)), 401);
	world_close();
}

static void optional_tokens(void **state)
{
	(void)state;
	open_site("optional: true, require_expiry: false, to_headers: {sub: X-User}, query: "
		  "access_token");
	assert_int_equal(ask("", ""), 0);
	assert_null(world_value(&world.s.req, "X-User"));
	assert_int_equal(ask("Authorization: Bearer %s", "x.y.z"), 401);
	{
		char target[4096];

		snprintf(target, sizeof(target), "h/?a=1&access_token=%s",
			token('h', HS, "{\"sub\":\"q\"}"));
		world_request("GET", target);
		(void)world_run();
		assert_int_equal(world.status, 0);
		assert_string_equal(world_value(&world.s.req, "X-User"), "q");
	}
	/* What would break the field is refused. */
	assert_int_equal(
		ask("Authorization: Bearer %s", token('h', HS, "{\"sub\":\"a\\r\\nX: y\"}")), 401);
	world_close();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(signatures),
		cmocka_unit_test(algorithms_are_not_confused),
		cmocka_unit_test(malformed),
		cmocka_unit_test(dates),
		cmocka_unit_test(claims),
		cmocka_unit_test(keys_that_are_refused),
		cmocka_unit_test(tokens_in_requests),
		cmocka_unit_test(what_is_remembered_expires),
		cmocka_unit_test(optional_tokens),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
