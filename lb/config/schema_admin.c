/* SPDX-License-Identifier: Apache-2.0
 * The section `admin`. */
#include <errno.h>

#include "lb/config/check.h"
#include "lb/config/config_admin.h"
#include "lb/config/schema.h"
#include "lb/config/values.h"

static const struct schema_field tls_fields[] = {
	{"cert", SCHEMA_STRING, SCHEMA_REQUIRED, SCHEMA_AT(config_admin_tls, cert),
		.help = "PEM file with the certificate and, behind it, the intermediate ones. "
			"This file and the others are read again on every reload."},
	{"key", SCHEMA_STRING, SCHEMA_REQUIRED, SCHEMA_AT(config_admin_tls, key),
		.help = "PEM file with its private key, without a password."},
	{"client_ca", SCHEMA_STRING, 0, SCHEMA_AT(config_admin_tls, client_ca), .dflt = "",
		.help = "PEM file of the authorities that clients' certificates come from: who has "
			"none of theirs cannot connect. Who has one may do everything, or, when "
			"there is a `token_file`, read, and change with the token."},
	{"client_crl", SCHEMA_STRING, 0, SCHEMA_AT(config_admin_tls, client_crl), .dflt = "",
		.help = "PEM file of their revocation lists; empty: nothing is revoked."},
};

static const struct schema_map tls_map = {
	.name = "admin tls",
	.help = "The interface over HTTPS, with certificates of clients if wanted.",
	.fields = tls_fields,
	.field_cnt = ARRAY_SIZE(tls_fields),
	.size = sizeof(struct config_admin_tls),
};

static const struct schema_field admin_fields[] = {
	{"socket", SCHEMA_STRING, SCHEMA_RESTART, SCHEMA_AT(config_admin, socket),
		.dflt = "/run/weir.sock",
		.help = "Unix socket of the control interface; empty: none."},
	{"http", SCHEMA_STRING, SCHEMA_RESTART, SCHEMA_AT(config_admin, http), .dflt = "\"\"",
		.help = "Address and port of the dashboard, of `/metrics` and of the interface "
			"over HTTP, `127.0.0.1:9180`; empty: none. These are the kernel's, not a "
			"port's of weir. Beyond the loopback a token or a client's certificate is "
			"needed for every call."},
	{"tls", SCHEMA_MAP, SCHEMA_OPTIONAL | SCHEMA_RESTART, SCHEMA_AT(config_admin, tls),
		.map = &tls_map, .help = "`http` speaks TLS."},
	{"token_file", SCHEMA_STRING, SCHEMA_RESTART, SCHEMA_AT(config_admin, token_file),
		.dflt = "\"\"",
		.help = "File whose first line is the token (16 characters or more) that changes "
			"over HTTP need; not readable by others. Without it HTTP changes nothing, "
			"but for clients with a certificate."},
	{"telemetry", SCHEMA_BOOL, SCHEMA_RESTART, SCHEMA_AT(config_admin, telemetry),
		.dflt = "false",
		.help = "Open DPDK's telemetry socket (dpdk-telemetry.py); statistics of weir are "
			"below `/weir/`."},
};

const struct schema_map schema_admin_map = {
	.name = "admin",
	.help = "Control interface.",
	.fields = admin_fields,
	.field_cnt = ARRAY_SIZE(admin_fields),
};

int config_admin_http(const struct config_admin *c, struct ip_addr *addr, uint16_t *port)
{
	char why[VALUE_WHY];
	const char *ports;
	uint16_t hi;

	if (c->http[0] == '\0')
		return -ENOENT;
	if (value_endpoint(c->http, addr, &ports, why) != 0 || ports == NULL ||
		value_ports(ports, port, &hi, why) != 0 || *port != hi || *port == 0)
		return -EINVAL;
	return 0;
}

bool config_addr_is_loopback(const struct ip_addr *a)
{
	static const struct ip_addr one6 = {.b = {[15] = 1}};

	return ip_addr_is4(a) ? a->b[12] == 127 : ip_addr_eq(a, &one6);
}

void check_admin(struct check *c)
{
	struct config_tree *t = schema_value(c->root, "admin")->maps[0];
	const struct config_admin *a = &c->cfg->admin;
	struct ip_addr addr;
	uint16_t port;

	if (a->tls != NULL && a->tls->client_ca[0] == '\0' && a->tls->client_crl[0] != '\0')
		diag_error(c->diag, schema_mark(t, "tls"),
			"tls: 'client_crl' says nothing without a 'client_ca'");
	if (a->tls != NULL && a->http[0] == '\0')
		diag_error(c->diag, schema_mark(t, "tls"), "tls: there is no 'http' to protect");
	if (schema_value(t, "http")->bad || a->http[0] == '\0')
		return;
	if (config_admin_http(a, &addr, &port) != 0)
		diag_error(c->diag, schema_mark(t, "http"),
			"http: '%s' is no address with a port, such as 127.0.0.1:9180", a->http);
	else if (!config_addr_is_loopback(&addr) && a->token_file[0] == '\0' &&
		 (a->tls == NULL || a->tls->client_ca[0] == '\0'))
		diag_error(c->diag, schema_mark(t, "http"),
			"http: '%s' can be reached from elsewhere, which needs a 'token_file', or "
			"'tls' with a 'client_ca'",
			a->http);
	else if (!config_addr_is_loopback(&addr) && a->tls == NULL)
		diag_warn(c->diag, schema_mark(t, "http"),
			"http: '%s' can be reached from elsewhere, and without 'tls' the token "
			"can be read on its way",
			a->http);
}
