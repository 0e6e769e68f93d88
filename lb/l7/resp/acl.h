/* SPDX-License-Identifier: Apache-2.0
 * acl - users of the Redis protocol, from rules as an ACL file has them.
 * Owner:      the listener's; built by control, immutable for workers.
 * Limits:     ACL_PATTERNS key patterns and ACL_PASSWORDS passwords of one user. */
#ifndef LB_L7_RESP_ACL_H
#define LB_L7_RESP_ACL_H

#include "dataplane/base/compiler.h"

#define ACL_WHY       256
#define ACL_COMMANDS  256 /* bits; at least as many as there are commands */
#define ACL_PATTERNS  16
#define ACL_PASSWORDS 4
#define ACL_NAME      64

enum acl_pattern_use { ACL_READ = 1, ACL_WRITE = 2 };

struct acl_pattern {
	const char *text; /* in the rule */
	uint16_t len;
	uint8_t use;
};

struct acl_user {
	char name[ACL_NAME];
	bool on, nopass;
	uint8_t pass_cnt, pattern_cnt;
	uint8_t pass[ACL_PASSWORDS][32]; /* SHA-256 */
	struct acl_pattern patterns[ACL_PATTERNS];
	uint64_t commands[ACL_COMMANDS / 64];
	char rules[512]; /* those about commands, as given: for ACL GETUSER */
};

/* Is the rule one? 0, or -EINVAL with the reason. */
int acl_check(const char *rule, char why[ACL_WHY]) WARN_UNUSED;
/* The pattern's text stays in rule. */
int acl_parse(const char *rule, struct acl_user *out, char why[ACL_WHY]) WARN_UNUSED;
/* A user that may do all, with this password (empty: none needed). */
void acl_default(struct acl_user *out, const char *password);

bool acl_password(const struct acl_user *u, const void *pass, size_t len);
static inline bool acl_command(const struct acl_user *u, uint32_t id)
{
	return (u->commands[id / 64] >> (id % 64) & 1) != 0;
}
/* No key is kept from this user. */
static inline bool acl_all_keys(const struct acl_user *u)
{
	return u->pattern_cnt > 0 && u->patterns[0].len == 1 && u->patterns[0].text[0] == '*' &&
	       u->patterns[0].use == (ACL_READ | ACL_WRITE);
}
bool acl_key(const struct acl_user *u, const void *key, size_t len, uint8_t use);

#endif
