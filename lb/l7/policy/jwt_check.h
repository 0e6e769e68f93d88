/* SPDX-License-Identifier: Apache-2.0
 * jwt_check - is a token good (RFC 7515, 7519, 8725), and what does it say?
 * Owner:      none; may be called by one thread at a time with a set of keys.
 * Invariants: JC1 the signature is verified before a claim is looked at. JC2 the algorithm is
 *             one of those allowed, and a key of that kind signed; "none" is none of them.
 * Units:      seconds since 1970. */
#ifndef LB_L7_POLICY_JWT_CHECK_H
#define LB_L7_POLICY_JWT_CHECK_H

#include "lb/l7/policy/jwk.h"

#define JWT_TOKEN_MAX 8000

struct jwt_rules {
	const struct config_policy_jwt *conf;
	const struct jwk_set *keys;
	uint32_t algs;
};

/* clang-format off */
#define JWT_RESULTS(R) \
	R(GOOD, "good") \
	R(MALFORMED, "malformed") \
	R(ALGORITHM, "algorithm not allowed") \
	R(SIGNATURE, "bad signature") \
	R(EXPIRED, "expired") \
	R(EARLY, "not valid yet") \
	R(ISSUER, "wrong issuer") \
	R(AUDIENCE, "wrong audience") \
	R(CLAIM, "a claim is missing or wrong")
/* clang-format on */

enum jwt_result {
#define R(id, text) JWT_##id,
	JWT_RESULTS(R)
#undef R
};

/* What a good token says: for each of conf->headers, then for the subject, a value (empty: the
 * claim is not there) with its length in front (uint16_t). */
struct jwt_said {
	int64_t expires; /* 0: never */
	uint32_t len, cap;
	char *out;
};

enum jwt_result jwt_check(
	const struct jwt_rules *rules, struct span token, int64_t now, struct jwt_said *said);
const char *jwt_result_text(enum jwt_result r);

#endif
