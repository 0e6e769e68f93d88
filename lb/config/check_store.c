/* SPDX-License-Identifier: Apache-2.0
 * The store, and listeners that serve it. */
#include <string.h>

#include "lb/config/check.h"
#include "lb/l7/cache/tier.h"
#include "lb/l7/resp/acl.h"

static void check_users(struct check *c, const struct config_resp *r, struct config_tree *t)
{
	struct config_value *v = schema_value(t, "users");
	char why[ACL_WHY];

	for (uint32_t i = 0; i < r->user_cnt; i++)
		if (acl_check(r->users[i].text, why) != 0)
			diag_error(c->diag, v->item_marks[i], "users: %s", why);
}

void check_resp(struct check *c, const struct config_listener *l, struct config_tree *t)
{
	struct config_tree *r = schema_value(t, "resp")->maps[0];
	const struct config_store *s = &c->cfg->store;
	struct config_value *names =
		schema_value(schema_value(c->root, "store")->maps[0], "namespaces");
	bool found = l->resp.ns[0] == '\0';

	if (s->dir[0] == '\0') {
		diag_error(c->diag, t->mark, "listener with action resp without 'store.dir'");
		return;
	}
	for (uint32_t i = 0; i < s->ns_cnt && !found; i++)
		found = strcmp(s->namespaces[i].name, l->resp.ns) == 0;
	if (!found && !names->bad && !schema_value(r, "namespace")->bad)
		diag_error(c->diag, schema_mark(r, "namespace"), "namespace: the store has no '%s'",
			l->resp.ns);
	check_users(c, &l->resp, r);
}

void check_cache(struct check *c)
{
	const struct config_cache_disk *d = &c->cfg->cache.disk;
	const struct config_store *s = &c->cfg->store;
	struct config_tree *t =
		schema_value(schema_value(c->root, "cache")->maps[0], "disk")->maps[0];
	struct config_value *names =
		schema_value(schema_value(c->root, "store")->maps[0], "namespaces");

	if (d->max_bytes == 0)
		return;
	if (d->max_bytes < CONFIG_CACHE_DISK_MIN)
		diag_error(c->diag, schema_mark(t, "max_size"), "max_size: at least 8 MiB");
	if (c->cfg->cache.memory_bytes == 0)
		diag_error(c->diag, schema_mark(t, "max_size"),
			"disk: there is no memory in front of it; give 'cache: {memory: ...}'");
	if (s->dir[0] == '\0') {
		diag_error(c->diag, schema_mark(t, "max_size"),
			"disk: there is no store; give 'store: {dir: ...}'");
		return;
	}
	if (s->ns_cnt + TIER_NS > LIMIT_STORE_NS)
		diag_error(c->diag, schema_mark(t, "max_size"),
			"disk: it takes %u namespaces of the store, which has room for %u more",
			TIER_NS, LIMIT_STORE_NS - s->ns_cnt);
	for (uint32_t i = 0; i < s->ns_cnt; i++)
		if (strncmp(s->namespaces[i].name, CONFIG_CACHE_NS, strlen(CONFIG_CACHE_NS)) == 0)
			diag_error(c->diag, names->maps[i]->mark,
				"namespaces: names in \"" CONFIG_CACHE_NS
				"\" are those of 'cache.disk'");
}
