/* SPDX-License-Identifier: Apache-2.0 */
#include "lb/l7/policy/jwk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/param_build.h>

#include "lb/l7/policy/base64.h"

#define FILE_MAX   (1 << 20)
#define NUMBER_MAX 1024 /* bytes of a modulus */
#define SECRET_MAX 4096
#define SECRET_MIN 32
#define RSA_MIN    2048

struct jwk {
	enum http_jwt_alg alg;
	char kid[256];
	EVP_PKEY *key;
	uint8_t *secret;
	uint32_t secret_len;
};

struct jwk_set {
	uint32_t cnt;
	struct jwk keys[LIMIT_JWKS];
};

int jwk_set_create(struct jwk_set **out)
{
	*out = calloc(1, sizeof(**out));
	return *out ? 0 : -ENOMEM;
}

void jwk_set_free(struct jwk_set *set)
{
	if (!set)
		return;
	for (uint32_t i = 0; i < set->cnt; i++) {
		struct jwk *k = &set->keys[i];

		EVP_PKEY_free(k->key);
		if (k->secret)
			OPENSSL_cleanse(k->secret, k->secret_len);
		free(k->secret);
	}
	free(set);
}

uint32_t jwk_cnt(const struct jwk_set *set)
{
	return set->cnt;
}

uint32_t jwk_algs(const struct jwk_set *set)
{
	uint32_t algs = 0;

	for (uint32_t i = 0; i < set->cnt; i++)
		algs |= (uint32_t)set->keys[i].alg;
	return algs;
}

/* ---- reading ---- */

struct parse {
	const char *name;
	uint32_t idx;
	FILE *err;
};

static int wrong(const struct parse *p, const char *what)
{
	if (p->err)
		fprintf(p->err, "%s: error: key %u: %s\n", p->name, p->idx + 1, what);
	return -EINVAL;
}

/* A base64url member; -1: not there, or wrong. */
static int number(json_t *key, const char *member, uint8_t *out, uint32_t cap)
{
	json_t *v = json_object_get(key, member);

	if (!json_is_string(v))
		return -1;
	return base64_decode((struct span){json_string_value(v), (uint32_t)json_string_length(v)},
		true, out, cap);
}

static EVP_PKEY *from_params(const char *type, OSSL_PARAM_BLD *bld)
{
	OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(bld);
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	EVP_PKEY *key = NULL;

	if (params && ctx && EVP_PKEY_fromdata_init(ctx) == 1 &&
		EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
		key = NULL;
	EVP_PKEY_CTX_free(ctx);
	OSSL_PARAM_free(params);
	return key;
}

static int read_rsa(const struct parse *p, json_t *key, struct jwk *k)
{
	uint8_t n[NUMBER_MAX], e[16];
	int n_len = number(key, "n", n, sizeof(n)), e_len = number(key, "e", e, sizeof(e));
	OSSL_PARAM_BLD *bld;
	BIGNUM *bn_n, *bn_e;

	if (n_len <= 0 || e_len <= 0)
		return wrong(p, "RSA without a valid 'n' and 'e'");
	bld = OSSL_PARAM_BLD_new();
	bn_n = BN_bin2bn(n, n_len, NULL);
	bn_e = BN_bin2bn(e, e_len, NULL);
	if (bld && bn_n && bn_e && OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_N, bn_n) &&
		OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_E, bn_e))
		k->key = from_params("RSA", bld);
	OSSL_PARAM_BLD_free(bld);
	BN_free(bn_n);
	BN_free(bn_e);
	if (!k->key)
		return wrong(p, "no valid RSA key");
	if (EVP_PKEY_get_bits(k->key) < RSA_MIN)
		return wrong(p, "an RSA key of less than 2048 bits");
	k->alg = HTTP_JWT_RS256;
	return 0;
}

static int read_ec(const struct parse *p, json_t *key, struct jwk *k)
{
	const char *crv = json_string_value(json_object_get(key, "crv"));
	uint8_t point[65] = {4}; /* uncompressed */
	OSSL_PARAM_BLD *bld;

	if (!crv || strcmp(crv, "P-256") != 0)
		return wrong(p, "an EC key that is not on P-256");
	if (number(key, "x", point + 1, 32) != 32 || number(key, "y", point + 33, 32) != 32)
		return wrong(p, "EC without a valid 'x' and 'y'");
	bld = OSSL_PARAM_BLD_new();
	if (bld &&
		OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) &&
		OSSL_PARAM_BLD_push_octet_string(
			bld, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point)))
		k->key = from_params("EC", bld);
	OSSL_PARAM_BLD_free(bld);
	if (!k->key)
		return wrong(p, "no point of the curve");
	k->alg = HTTP_JWT_ES256;
	return 0;
}

static int read_oct(const struct parse *p, json_t *key, struct jwk *k)
{
	uint8_t secret[SECRET_MAX];
	int n = number(key, "k", secret, sizeof(secret));

	if (n < SECRET_MIN)
		return wrong(p, "a secret of less than 32 bytes");
	k->secret = malloc((size_t)n);
	if (!k->secret)
		return -ENOMEM;
	memcpy(k->secret, secret, (size_t)n);
	k->secret_len = (uint32_t)n;
	OPENSSL_cleanse(secret, sizeof(secret));
	k->alg = HTTP_JWT_HS256;
	return 0;
}

static const char *alg_name(enum http_jwt_alg alg)
{
	return alg == HTTP_JWT_HS256 ? "HS256" : alg == HTTP_JWT_RS256 ? "RS256" : "ES256";
}

/* 1: a key for something else, which is passed over (RFC 7517 5). */
static int read_key(const struct parse *p, json_t *key, struct jwk *k)
{
	const char *kty = json_string_value(json_object_get(key, "kty"));
	const char *use = json_string_value(json_object_get(key, "use"));
	const char *alg = json_string_value(json_object_get(key, "alg"));
	const char *kid = json_string_value(json_object_get(key, "kid"));
	int rc;

	if (!kty)
		return wrong(p, "without 'kty'");
	if (use && strcmp(use, "sig") != 0)
		return 1;
	if (alg && strcmp(alg, "HS256") != 0 && strcmp(alg, "RS256") != 0 &&
		strcmp(alg, "ES256") != 0)
		return 1;
	if (kid && strlen(kid) >= sizeof(k->kid))
		return wrong(p, "a 'kid' of more than 255 bytes");
	snprintf(k->kid, sizeof(k->kid), "%s", kid ? kid : "");
	if (strcmp(kty, "RSA") == 0)
		rc = read_rsa(p, key, k);
	else if (strcmp(kty, "EC") == 0)
		rc = read_ec(p, key, k);
	else if (strcmp(kty, "oct") == 0)
		rc = read_oct(p, key, k);
	else
		return 1;
	if (rc == 0 && alg && strcmp(alg, alg_name(k->alg)) != 0)
		return wrong(p, "'alg' does not fit 'kty'");
	return rc;
}

int jwk_read_text(struct jwk_set *set, const char *name, const char *text, size_t len, FILE *err)
{
	struct parse p = {.name = name, .err = err};
	json_error_t error;
	json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
	json_t *keys = json_object_get(root, "keys");
	uint32_t before = set->cnt;
	int rc = 0;

	if (!json_is_array(keys)) {
		if (err && !root)
			fprintf(err, "%s:%d:%d: error: %s\n", name, error.line, error.column,
				error.text);
		else if (err)
			fprintf(err, "%s: error: no list 'keys'\n", name);
		json_decref(root);
		return -EINVAL;
	}
	for (p.idx = 0; p.idx < json_array_size(keys) && rc >= 0; p.idx++) {
		struct jwk k = {0};

		if (set->cnt == LIMIT_JWKS) {
			rc = wrong(&p, "more keys than 64");
			break;
		}
		rc = read_key(&p, json_array_get(keys, p.idx), &k);
		if (rc == 0) {
			set->keys[set->cnt++] = k;
		} else {
			EVP_PKEY_free(k.key);
			free(k.secret);
		}
	}
	json_decref(root);
	if (rc < 0)
		return rc;
	if (set->cnt == before) {
		if (err)
			fprintf(err, "%s: error: no key that signs with HS256, RS256 or ES256\n",
				name);
		return -EINVAL;
	}
	return 0;
}

static int read_all(const char *path, FILE *err, char *buf, size_t cap, size_t *len)
{
	FILE *f = fopen(path, "re");

	if (!f) {
		if (err)
			fprintf(err, "%s: error: %s\n", path, strerror(errno));
		return -EINVAL;
	}
	*len = fread(buf, 1, cap, f);
	if (ferror(f) || *len == cap) {
		if (err)
			fprintf(err, "%s: error: %s\n", path,
				*len == cap ? "the file is too large" : "cannot be read");
		fclose(f);
		return -EINVAL;
	}
	fclose(f);
	return 0;
}

int jwk_read_file(struct jwk_set *set, const char *path, FILE *err)
{
	char *text = malloc(FILE_MAX);
	size_t len;
	int rc = text ? read_all(path, err, text, FILE_MAX, &len) : -ENOMEM;

	if (rc == 0)
		rc = jwk_read_text(set, path, text, len, err);
	if (text)
		OPENSSL_cleanse(text, FILE_MAX);
	free(text);
	return rc;
}

int jwk_read_secret(struct jwk_set *set, const char *path, FILE *err)
{
	char text[SECRET_MAX];
	struct jwk *k = &set->keys[set->cnt];
	size_t len;
	int rc = read_all(path, err, text, sizeof(text), &len);

	if (rc != 0)
		return rc;
	while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\r'))
		len--;
	if (len < SECRET_MIN || set->cnt == LIMIT_JWKS) {
		if (err)
			fprintf(err, "%s: error: a secret of less than 32 bytes\n", path);
		return -EINVAL;
	}
	*k = (struct jwk){
		.alg = HTTP_JWT_HS256, .secret = malloc(len), .secret_len = (uint32_t)len};
	if (!k->secret)
		return -ENOMEM;
	memcpy(k->secret, text, len);
	OPENSSL_cleanse(text, sizeof(text));
	set->cnt++;
	return 0;
}

/* ---- verifying ---- */

static bool hmac_good(const struct jwk *k, struct span text, const uint8_t *sig, uint32_t sig_len)
{
	uint8_t mac[EVP_MAX_MD_SIZE];
	unsigned len = 0;

	return sig_len == 32 &&
	       HMAC(EVP_sha256(), k->secret, (int)k->secret_len, (const uint8_t *)text.at, text.len,
		       mac, &len) != NULL &&
	       len == 32 && CRYPTO_memcmp(mac, sig, 32) == 0;
}

static bool digest_good(EVP_PKEY *key, struct span text, const uint8_t *sig, size_t sig_len)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool good = ctx && EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, key) == 1 &&
		    EVP_DigestVerify(ctx, sig, sig_len, (const uint8_t *)text.at, text.len) == 1;

	EVP_MD_CTX_free(ctx);
	return good;
}

/* A JWS has r and s side by side (RFC 7518 3.4), OpenSSL wants them in DER. */
static bool ecdsa_good(EVP_PKEY *key, struct span text, const uint8_t *sig, uint32_t sig_len)
{
	ECDSA_SIG *es;
	BIGNUM *r, *s;
	uint8_t *der = NULL;
	bool good = false;
	int len;

	if (sig_len != 64)
		return false;
	es = ECDSA_SIG_new();
	r = BN_bin2bn(sig, 32, NULL);
	s = BN_bin2bn(sig + 32, 32, NULL);
	if (!es || !r || !s || ECDSA_SIG_set0(es, r, s) != 1) {
		BN_free(r);
		BN_free(s);
		ECDSA_SIG_free(es);
		return false;
	}
	len = i2d_ECDSA_SIG(es, &der);
	if (len > 0)
		good = digest_good(key, text, der, (size_t)len);
	OPENSSL_free(der);
	ECDSA_SIG_free(es);
	return good;
}

bool jwk_verify(const struct jwk_set *set, enum http_jwt_alg alg, struct span kid, struct span text,
	const uint8_t *sig, uint32_t sig_len)
{
	for (uint32_t i = 0; i < set->cnt; i++) {
		const struct jwk *k = &set->keys[i];
		struct span own = {k->kid, (uint32_t)strlen(k->kid)};
		bool good = false;

		if (k->alg != alg || (kid.len > 0 && own.len > 0 && !span_eq(kid, own)))
			continue;
		if (alg == HTTP_JWT_HS256)
			good = hmac_good(k, text, sig, sig_len);
		else if (alg == HTTP_JWT_RS256)
			good = digest_good(k->key, text, sig, sig_len);
		else
			good = ecdsa_good(k->key, text, sig, sig_len);
		if (good)
			return true;
	}
	return false;
}
