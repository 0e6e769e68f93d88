/* SPDX-License-Identifier: Apache-2.0
 * jwk - keys that sign tokens: a JWKS file (RFC 7517), or a shared secret.
 * Owner:      a policy; immutable once read.
 * Invariants: JK1 a key has one kind and verifies signatures of that kind alone, whatever a token
 *             says of itself (RFC 8725 3.1). JK2 RSA keys have at least 2048 bits, secrets at least
 *             32 bytes, EC keys are on P-256.
 * Errors:     -EINVAL with a line on `err`, -ENOMEM. */
#ifndef LB_L7_POLICY_JWK_H
#define LB_L7_POLICY_JWK_H

#include <stdio.h>

#include "lb/config/config_http.h"
#include "lb/l7/http/head.h"

#define LIMIT_JWKS 64

struct jwk_set;

int jwk_set_create(struct jwk_set **out) WARN_UNUSED;
void jwk_set_free(struct jwk_set *set); /* NULL is fine */
int jwk_read_file(struct jwk_set *set, const char *path, FILE *err) WARN_UNUSED;
int jwk_read_text(
	struct jwk_set *set, const char *name, const char *text, size_t len, FILE *err) WARN_UNUSED;
int jwk_read_secret(struct jwk_set *set, const char *path, FILE *err) WARN_UNUSED;
uint32_t jwk_cnt(const struct jwk_set *set);
/* Kinds of its keys: bits of enum http_jwt_alg. */
uint32_t jwk_algs(const struct jwk_set *set);

/* Did a key of that kind (and that identifier, if kid is not empty) sign the text? May be called by
 * one thread at a time. */
bool jwk_verify(const struct jwk_set *set, enum http_jwt_alg alg, struct span kid, struct span text,
	const uint8_t *sig, uint32_t sig_len);

#endif
