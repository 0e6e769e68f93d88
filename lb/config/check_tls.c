/* SPDX-License-Identifier: Apache-2.0
 * TLS: what must be given together. What the files hold is not looked at here (CK2). */
#include "dataplane/tls/tls.h"
#include "lb/config/check.h"

/* A record must fit the window whole, or it could never be opened. */
static void check_buffer(struct check *c)
{
	struct config_tree *tcp = schema_value(c->root, "tcp")->maps[0];

	if (c->cfg->tcp.rcvbuf >= TLS_MIN_RCVBUF || schema_value(tcp, "receive_buffer")->bad)
		return;
	diag_error(c->diag, schema_mark(tcp, "receive_buffer"),
		"receive_buffer: TLS needs %u KiB at least", TLS_MIN_RCVBUF >> 10);
}

void check_tls_server(struct check *c, const struct config_tls_server *s, struct config_tree *t)
{
	check_buffer(c);
	if (s->verify != CONFIG_VERIFY_NONE && s->client_ca[0] == '\0' &&
		!schema_value(t, "verify")->bad && !schema_value(t, "client_ca")->bad)
		diag_error(c->diag, schema_mark(t, "verify"),
			"verify: clients cannot be verified without 'client_ca'");
	if (s->verify == CONFIG_VERIFY_NONE && s->client_ca[0] != '\0' &&
		!schema_value(t, "verify")->bad)
		diag_warn(c->diag, schema_mark(t, "client_ca"),
			"client_ca: is not used without 'verify'");
}

void check_tls_client(struct check *c, const struct config_tls_client *k, struct config_tree *t)
{
	check_buffer(c);
	if ((k->cert[0] == '\0') != (k->key[0] == '\0') && !schema_value(t, "cert")->bad &&
		!schema_value(t, "key")->bad)
		diag_error(c->diag, t->mark, "'cert' and 'key' belong together");
	if (!k->verify && (k->ca[0] != '\0' || k->verify_name[0] != '\0'))
		diag_warn(c->diag, schema_mark(t, "verify"),
			"verify: is off, so 'ca' and 'verify_name' are not used");
}
