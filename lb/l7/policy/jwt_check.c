/* SPDX-License-Identifier: Apache-2.0 */
#include "lb/l7/policy/jwt_check.h"

#include <math.h>
#include <string.h>

#include <jansson.h>

#include "lb/l7/policy/base64.h"

const char *jwt_result_text(enum jwt_result r)
{
	static const char *const texts[] = {
#define R(id, text) [JWT_##id] = text,
		JWT_RESULTS(R)
#undef R
	};

	return texts[r];
}

struct parts {
	struct span header, payload, signature, signed_text;
};

static bool split(struct span t, struct parts *p)
{
	const char *end = t.at + t.len;
	const char *a = memchr(t.at, '.', t.len);
	const char *b = a ? memchr(a + 1, '.', (size_t)(end - a - 1)) : NULL;

	if (!b || memchr(b + 1, '.', (size_t)(end - b - 1)))
		return false;
	p->header = (struct span){t.at, (uint32_t)(a - t.at)};
	p->payload = (struct span){a + 1, (uint32_t)(b - a - 1)};
	p->signature = (struct span){b + 1, (uint32_t)(end - b - 1)};
	p->signed_text = (struct span){t.at, (uint32_t)(b - t.at)};
	return true;
}

static json_t *object(struct span part)
{
	char text[JWT_TOKEN_MAX];
	int n = base64_decode(part, true, text, sizeof(text));
	json_t *o;

	if (n <= 0)
		return NULL;
	o = json_loadb(text, (size_t)n, JSON_REJECT_DUPLICATES, NULL);
	if (!json_is_object(o)) {
		json_decref(o);
		return NULL;
	}
	return o;
}

/* ---- the header ---- */

static enum jwt_result check_signature(
	const struct jwt_rules *r, const struct parts *p, json_t *header)
{
	const char *alg = json_string_value(json_object_get(header, "alg"));
	json_t *kid = json_object_get(header, "kid");
	uint8_t sig[1024];
	int sig_len = base64_decode(p->signature, true, sig, sizeof(sig));
	enum http_jwt_alg a;

	/* RFC 7515 4.1.11: what is critical and not understood is refused; nothing is understood.
	 */
	if (!alg || json_object_get(header, "crit") || (kid && !json_is_string(kid)))
		return JWT_MALFORMED;
	if (strcmp(alg, "HS256") == 0)
		a = HTTP_JWT_HS256;
	else if (strcmp(alg, "RS256") == 0)
		a = HTTP_JWT_RS256;
	else if (strcmp(alg, "ES256") == 0)
		a = HTTP_JWT_ES256;
	else
		return JWT_ALGORITHM;
	if (!(r->algs & (uint32_t)a))
		return JWT_ALGORITHM;
	if (sig_len <= 0)
		return JWT_MALFORMED;
	return jwk_verify(r->keys, a,
		       kid ? (struct span){json_string_value(kid),
				     (uint32_t)json_string_length(kid)}
			   : (struct span){"", 0},
		       p->signed_text, sig, (uint32_t)sig_len)
		       ? JWT_GOOD
		       : JWT_SIGNATURE;
}

/* ---- claims ---- */

/* NumericDate; false: there, and none. */
static bool date(json_t *claims, const char *name, bool *there, double *out)
{
	json_t *v = json_object_get(claims, name);

	*there = v != NULL;
	*out = json_number_value(v);
	return !v || (json_is_number(v) && isfinite(*out) && fabs(*out) < 1e15);
}

static enum jwt_result check_dates(
	const struct jwt_rules *r, json_t *claims, int64_t now, struct jwt_said *said)
{
	double leeway = (double)r->conf->leeway_ns / 1e9, exp, nbf, iat;
	bool has_exp, has_nbf, has_iat;

	if (!date(claims, "exp", &has_exp, &exp) || !date(claims, "nbf", &has_nbf, &nbf) ||
		!date(claims, "iat", &has_iat, &iat))
		return JWT_MALFORMED;
	if (!has_exp && r->conf->expiry)
		return JWT_CLAIM;
	if (has_exp && exp + leeway <= (double)now)
		return JWT_EXPIRED;
	if ((has_nbf && nbf - leeway > (double)now) || (has_iat && iat - leeway > (double)now))
		return JWT_EARLY;
	said->expires = has_exp ? (int64_t)(exp + leeway) : 0;
	return JWT_GOOD;
}

static bool equals(json_t *v, const char *want)
{
	return json_is_string(v) && json_string_length(v) == strlen(want) &&
	       strcmp(json_string_value(v), want) == 0;
}

/* One of a list of words (RFC 8693 4.2). */
static bool has_word(json_t *v, const char *want)
{
	const char *p = json_string_value(v);
	size_t n = strlen(want);

	for (; p && *p; p += strcspn(p, " "), p += strspn(p, " "))
		if (strncmp(p, want, n) == 0 && (p[n] == ' ' || p[n] == '\0'))
			return true;
	return false;
}

static bool claim_is(const char *name, json_t *v, const char *want)
{
	bool words = strcmp(name, "scope") == 0 || strcmp(name, "scp") == 0;
	char number[32];

	if (!v || json_is_null(v))
		return false;
	if (want[0] == '\0' || equals(v, want) || (words && has_word(v, want)))
		return true;
	if (json_is_boolean(v))
		return strcmp(want, json_is_true(v) ? "true" : "false") == 0;
	if (json_is_integer(v)) {
		snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT, json_integer_value(v));
		return strcmp(want, number) == 0;
	}
	for (size_t i = 0; i < json_array_size(v); i++)
		if (equals(json_array_get(v, i), want))
			return true;
	return false;
}

static bool any_of(json_t *v, const char (*wanted)[256], uint32_t cnt, bool list)
{
	for (uint32_t i = 0; i < cnt; i++) {
		if (equals(v, wanted[i]))
			return true;
		for (size_t k = 0; list && k < json_array_size(v); k++)
			if (equals(json_array_get(v, k), wanted[i]))
				return true;
	}
	return cnt == 0;
}

static enum jwt_result check_claims(const struct jwt_rules *r, json_t *claims)
{
	const struct config_policy_jwt *c = r->conf;

	if (!any_of(json_object_get(claims, "iss"), (const void *)c->issuers, c->issuer_cnt, false))
		return JWT_ISSUER;
	if (!any_of(json_object_get(claims, "aud"), (const void *)c->audiences, c->audience_cnt,
		    true))
		return JWT_AUDIENCE;
	for (uint32_t i = 0; i < c->require_cnt; i++)
		if (!claim_is(c->require[i].name, json_object_get(claims, c->require[i].name),
			    c->require[i].value))
			return JWT_CLAIM;
	return JWT_GOOD;
}

/* ---- what it says ---- */

/* Text that may stand in a field; false: a control character, or no room. */
static bool put_text(struct jwt_said *s, const char *text, size_t len)
{
	if (s->cap - s->len < len)
		return false;
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
			return false;
	memcpy(s->out + s->len, text, len);
	s->len += (uint32_t)len;
	return true;
}

static bool put_value(struct jwt_said *s, json_t *v)
{
	char number[32];

	if (json_is_string(v))
		return put_text(s, json_string_value(v), json_string_length(v));
	if (json_is_boolean(v))
		return put_text(s, json_is_true(v) ? "true" : "false", json_is_true(v) ? 4 : 5);
	if (json_is_integer(v)) {
		snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT, json_integer_value(v));
		return put_text(s, number, strlen(number));
	}
	for (size_t i = 0; i < json_array_size(v); i++) {
		json_t *item = json_array_get(v, i);

		if (json_is_array(item) || json_is_object(item))
			continue;
		if ((i > 0 && !put_text(s, ",", 1)) || !put_value(s, item))
			return false;
	}
	return true;
}

static bool put_claim(struct jwt_said *s, json_t *claims, const char *name)
{
	uint32_t at = s->len;
	uint16_t len;

	if (s->cap - s->len < sizeof(len))
		return false;
	s->len += (uint32_t)sizeof(len);
	if (!put_value(s, json_object_get(claims, name)))
		return false;
	len = (uint16_t)(s->len - at - sizeof(len));
	memcpy(s->out + at, &len, sizeof(len));
	return true;
}

static enum jwt_result check_payload(
	const struct jwt_rules *r, json_t *claims, int64_t now, struct jwt_said *said)
{
	enum jwt_result rc = check_dates(r, claims, now, said);

	if (rc == JWT_GOOD)
		rc = check_claims(r, claims);
	for (uint32_t i = 0; i < r->conf->header_cnt && rc == JWT_GOOD; i++)
		if (!put_claim(said, claims, r->conf->headers[i].name))
			rc = JWT_CLAIM;
	if (rc == JWT_GOOD && !put_claim(said, claims, "sub"))
		rc = JWT_CLAIM;
	return rc;
}

enum jwt_result jwt_check(
	const struct jwt_rules *rules, struct span token, int64_t now, struct jwt_said *said)
{
	struct parts p;
	enum jwt_result rc;
	json_t *header, *claims;

	said->len = 0;
	said->expires = 0;
	if (token.len > JWT_TOKEN_MAX || !split(token, &p))
		return JWT_MALFORMED;
	header = object(p.header);
	rc = header ? check_signature(rules, &p, header) : JWT_MALFORMED;
	json_decref(header);
	if (rc != JWT_GOOD)
		return rc;
	claims = object(p.payload);
	rc = claims ? check_payload(rules, claims, now, said) : JWT_MALFORMED;
	json_decref(claims);
	return rc;
}
