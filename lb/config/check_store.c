/* SPDX-License-Identifier: Apache-2.0
 * The store, and listeners that serve it. */
#include <string.h>

#include "lb/config/check.h"
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
