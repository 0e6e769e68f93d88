/* SPDX-License-Identifier: Apache-2.0 */
#include "lb/l7/resp/acl.h"

/* The plain functions allocate nothing, unlike those that replace them. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>

#include "lb/l7/resp/command.h"
#include "lb/l7/resp/glob.h"

_Static_assert(SHA256_DIGEST_LENGTH == 32, "passwords are kept as SHA-256");

static void digest(const void *p, size_t n, uint8_t out[32])
{
	SHA256_CTX c;

	(void)SHA256_Init(&c);
	(void)SHA256_Update(&c, p, n);
	(void)SHA256_Final(out, &c);
}

static int refuse(char why[ACL_WHY], const char *what, const char *word, size_t len)
{
	(void)snprintf(why, ACL_WHY, "%s: '%.*s'", what, (int)(len > 128 ? 128 : len), word);
	return -EINVAL;
}

static void set_command(struct acl_user *u, uint32_t id, bool on)
{
	uint64_t bit = UINT64_C(1) << (id % 64);

	if (on)
		u->commands[id / 64] |= bit;
	else
		u->commands[id / 64] &= ~bit;
}

static bool set_category(struct acl_user *u, const char *name, size_t len, bool on)
{
	uint32_t bit = 0;
	bool all = len == 3 && memcmp(name, "all", 3) == 0;

	for (const struct resp_cat_name *c = resp_cats; c->name != NULL; c++)
		if (strlen(c->name) == len && memcmp(c->name, name, len) == 0)
			bit = c->bit;
	if (bit == 0 && !all)
		return false;
	for (uint32_t i = 0; i < resp_cmd_cnt; i++)
		if (all || (resp_cmds[i].cats & bit) != 0)
			set_command(u, i, on);
	return true;
}

static void note_rule(struct acl_user *u, const char *word, size_t len)
{
	size_t at = strlen(u->rules);

	if (at + len + 2 > sizeof(u->rules))
		return;
	if (at > 0)
		u->rules[at++] = ' ';
	memcpy(u->rules + at, word, len);
	u->rules[at + len] = '\0';
}

static int command_rule(struct acl_user *u, const char *word, size_t len, char why[ACL_WHY])
{
	bool on = word[0] == '+';
	const struct resp_cmd *c;

	if (len > 2 && word[1] == '@') {
		if (!set_category(u, word + 2, len - 2, on))
			return refuse(why, "no category of commands", word, len);
	} else {
		c = rcmd_find(word + 1, len - 1);
		if (c == NULL)
			return refuse(why, "no command", word, len);
		set_command(u, rcmd_id(c), on);
	}
	note_rule(u, word, len);
	return 0;
}

static int add_password(struct acl_user *u, const char *word, size_t len, char why[ACL_WHY])
{
	if (u->pass_cnt == ACL_PASSWORDS)
		return refuse(why, "too many passwords", word, 0);
	digest(word, len, u->pass[u->pass_cnt++]);
	u->nopass = false;
	return 0;
}

static int nibble(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int add_hash(struct acl_user *u, const char *hex, size_t len, char why[ACL_WHY])
{
	if (len != 64 || u->pass_cnt == ACL_PASSWORDS)
		return refuse(why, "a hash has 64 digits", hex, 0);
	for (size_t i = 0; i < 32; i++) {
		int hi = nibble(hex[2 * i]), lo = nibble(hex[2 * i + 1]);

		if (hi < 0 || lo < 0)
			return refuse(why, "a hash has digits 0-9 and a-f", hex, 0);
		u->pass[u->pass_cnt][i] = (uint8_t)(hi * 16 + lo);
	}
	u->pass_cnt++;
	u->nopass = false;
	return 0;
}

static int add_pattern(
	struct acl_user *u, const char *text, size_t len, uint8_t use, char why[ACL_WHY])
{
	if (u->pattern_cnt == ACL_PATTERNS)
		return refuse(why, "too many key patterns", text, len);
	u->patterns[u->pattern_cnt++] = (struct acl_pattern){text, (uint16_t)len, use};
	return 0;
}

/* %R~pattern, %W~pattern, %RW~pattern */
static int split_pattern(struct acl_user *u, const char *word, size_t len, char why[ACL_WHY])
{
	uint8_t use = 0;
	size_t i = 1;

	for (; i < len && word[i] != '~'; i++) {
		if (word[i] == 'R' || word[i] == 'r')
			use |= ACL_READ;
		else if (word[i] == 'W' || word[i] == 'w')
			use |= ACL_WRITE;
		else
			return refuse(why, "no rule of an ACL", word, len);
	}
	if (i == len || use == 0)
		return refuse(why, "no rule of an ACL", word, len);
	return add_pattern(u, word + i + 1, len - i - 1, use, why);
}

static bool is(const char *word, size_t len, const char *text)
{
	return strlen(text) == len && memcmp(word, text, len) == 0;
}

static int flag_rule(struct acl_user *u, const char *word, size_t len, char why[ACL_WHY])
{
	static const char all[] = "*";

	if (is(word, len, "on") || is(word, len, "off")) {
		u->on = len == 2;
	} else if (is(word, len, "nopass")) {
		u->nopass = true;
		u->pass_cnt = 0;
	} else if (is(word, len, "resetpass")) {
		u->nopass = false;
		u->pass_cnt = 0;
	} else if (is(word, len, "allkeys")) {
		return add_pattern(u, all, 1, ACL_READ | ACL_WRITE, why);
	} else if (is(word, len, "resetkeys")) {
		u->pattern_cnt = 0;
	} else if (is(word, len, "allcommands")) {
		return command_rule(u, "+@all", 5, why);
	} else if (is(word, len, "nocommands")) {
		return command_rule(u, "-@all", 5, why);
	} else if (word[0] != '&' && !is(word, len, "allchannels") &&
		   !is(word, len, "resetchannels") && !is(word, len, "sanitize-payload") &&
		   !is(word, len, "skip-sanitize-payload")) {
		return refuse(why, "no rule of an ACL", word, len);
	}
	return 0;
}

static int one_rule(struct acl_user *u, const char *word, size_t len, char why[ACL_WHY])
{
	switch (word[0]) {
	case '+':
	case '-':
		return command_rule(u, word, len, why);
	case '>':
		return add_password(u, word + 1, len - 1, why);
	case '#':
		return add_hash(u, word + 1, len - 1, why);
	case '~':
		return add_pattern(u, word + 1, len - 1, ACL_READ | ACL_WRITE, why);
	case '%':
		return split_pattern(u, word, len, why);
	default:
		return flag_rule(u, word, len, why);
	}
}

int acl_parse(const char *rule, struct acl_user *out, char why[ACL_WHY])
{
	size_t n = strcspn(rule, " ");

	rcmd_table_init();
	memset(out, 0, sizeof(*out));
	if (n == 0 || n >= sizeof(out->name))
		return refuse(why, "a rule begins with the user's name", rule, n);
	memcpy(out->name, rule, n);
	for (rule += n;; rule += n) {
		int rc;

		rule += strspn(rule, " ");
		n = strcspn(rule, " ");
		if (n == 0)
			return 0;
		rc = one_rule(out, rule, n, why);
		if (rc != 0)
			return rc;
	}
}

int acl_check(const char *rule, char why[ACL_WHY])
{
	struct acl_user u;

	return acl_parse(rule, &u, why);
}

void acl_default(struct acl_user *out, const char *password)
{
	char why[ACL_WHY];

	rcmd_table_init();
	memset(out, 0, sizeof(*out));
	memcpy(out->name, "default", 8);
	out->on = true;
	out->nopass = password[0] == '\0';
	if (!out->nopass)
		(void)add_password(out, password, strlen(password), why);
	(void)flag_rule(out, "allkeys", 7, why);
	(void)command_rule(out, "+@all", 5, why);
}

bool acl_password(const struct acl_user *u, const void *pass, size_t len)
{
	uint8_t hash[32];
	bool found = false;

	if (!u->on)
		return false;
	if (u->nopass)
		return true;
	digest(pass, len, hash);
	/* Every one of them, in the same time. */
	for (uint32_t i = 0; i < u->pass_cnt; i++)
		found |= CRYPTO_memcmp(hash, u->pass[i], sizeof(hash)) == 0;
	return found;
}

bool acl_key(const struct acl_user *u, const void *key, size_t len, uint8_t use)
{
	for (uint32_t i = 0; i < u->pattern_cnt; i++) {
		const struct acl_pattern *p = &u->patterns[i];

		if ((p->use & use) != use)
			continue;
		if ((p->len == 1 && p->text[0] == '*') ||
			glob_match((const uint8_t *)p->text, p->len, key, len))
			return true;
	}
	return false;
}
