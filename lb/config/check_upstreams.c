/* SPDX-License-Identifier: Apache-2.0
 * Upstreams: backends that can be reached, names of fields and cookies that can be such. */
#include <string.h>

#include "lb/config/check.h"
#include "lb/config/config_upstream.h"

/* RFC 9110 5.6.2. */
static bool is_token(const char *s)
{
	for (; *s; s++)
		if (*s <= ' ' || *s == 0x7f || strchr("\"(),/:;<=>?@[\\]{}", *s))
			return false;
	return true;
}

static void check_token(struct check *c, struct config_tree *t, const char *key, const char *value)
{
	if (!schema_value(t, key)->bad && !is_token(value))
		diag_error(c->diag, schema_mark(t, key), "%s: '%s' is no name of a field or cookie",
			key, value);
}

static void check_upstream(struct check *c, const struct config_upstream *u, struct config_tree *t)
{
	struct config_value *backends = schema_value(t, "backends");
	bool named = u->key == UPSTREAM_KEY_HEADER || u->key == UPSTREAM_KEY_COOKIE;
	struct config_tree *ka = schema_value(t, "keepalive")->maps[0];

	for (uint32_t i = 0; i < u->backend_cnt; i++)
		check_server(c, u->backends, i, schema_value(backends->maps[i], "address"));
	check_local_addresses(
		c, u->local_addrs, u->local_addr_cnt, schema_value(t, "local_addresses"));
	check_tcp_health(c, &u->health, schema_value(t, "health")->maps[0]);
	if (u->tls != NULL)
		check_tls_client(c, u->tls, schema_value(t, "tls")->maps[0]);
	check_token(c, t, "key_name", u->key_name);
	check_token(c, t, "sticky_cookie", u->sticky_cookie);
	if (named && u->key_name[0] == '\0' && !schema_value(t, "key")->bad &&
		!schema_value(t, "key_name")->bad)
		diag_error(c->diag, schema_mark(t, "key"),
			"key: say the name of the field or cookie in 'key_name'");
	if (u->keepalive.margin_ns >= u->keepalive.idle_timeout_ns &&
		!schema_value(ka, "margin")->bad && !schema_value(ka, "idle")->bad)
		diag_error(c->diag, ka->mark.line ? ka->mark : t->mark,
			"keepalive: 'margin' is not shorter than 'idle'");
}

void check_upstreams(struct check *c)
{
	struct config_value *v = schema_value(c->root, "upstreams");

	for (uint32_t i = 0; i < c->cfg->upstream_cnt; i++)
		check_upstream(c, &c->cfg->upstreams[i], v->maps[i]);
}
