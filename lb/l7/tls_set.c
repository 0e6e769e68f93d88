/* SPDX-License-Identifier: Apache-2.0 */
#include "lb/l7/tls_set.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "dataplane/tls/tls_worker.h"
#include "lb/config/config_upstream.h"
#include "lb/config/schema.h"

struct l7_tls {
	uint32_t cnt, upstream_cnt;
	struct tls_client **upstreams;
	struct {
		struct tls_server *server;
		struct tls_client *client;
	} of[];
};

/* Where faults go, and the maps that name their places. */
struct told {
	FILE *err;
	const char *file;
	struct config_tree *tree;
	bool client;
};

static struct config_mark place(const struct told *t, enum tls_part part, uint32_t idx)
{
	struct config_value *certs;

	switch (part) {
	case TLS_PART_CERT:
	case TLS_PART_KEY:
		if (t->client)
			return schema_mark(t->tree, part == TLS_PART_CERT ? "cert" : "key");
		certs = schema_value(t->tree, "certificates");
		return schema_mark(certs->maps[idx], part == TLS_PART_CERT ? "cert" : "key");
	case TLS_PART_CA:
		return schema_mark(t->tree, t->client ? "ca" : "client_ca");
	case TLS_PART_CRL:
		return schema_mark(t->tree, t->client ? "crl" : "client_crl");
	case TLS_PART_CIPHERS:
		return schema_mark(t->tree, "ciphers");
	case TLS_PART_GROUPS:
		return schema_mark(t->tree, "groups");
	default:
		return t->client ? t->tree->mark : schema_mark(t->tree, "alpn");
	}
}

static const char *what(enum tls_part part)
{
	static const char *const names[] = {[TLS_PART_CERT] = "certificate",
		[TLS_PART_KEY] = "key",
		[TLS_PART_CA] = "authorities",
		[TLS_PART_CRL] = "revocation lists",
		[TLS_PART_CIPHERS] = "ciphers",
		[TLS_PART_GROUPS] = "groups",
		[TLS_PART_ALPN] = "alpn"};

	return names[part];
}

static void tell(void *ctx, enum tls_part part, uint32_t idx, bool warning, const char *text)
{
	const struct told *t = ctx;
	struct config_mark m = place(t, part, idx);

	/* A default has no place of its own. */
	if (m.line == 0)
		m = t->tree->mark;
	fprintf(t->err, "%s:%u:%u: %s: %s: %s\n", t->file, m.line, m.col,
		warning ? "warning" : "error", what(part), text);
}

static enum tls_version version_of(enum config_tls_version v)
{
	return v == CONFIG_TLS_13 ? TLS_V13 : TLS_V12;
}

/* Without a list: what the action speaks, if it can only be one thing. */
static uint32_t list_alpn(const struct config_listener *l, const char **out)
{
	const struct config_tls_server *s = l->tls;

	if (s->alpn_cnt == 0 && l->action == LISTENER_HTTP) {
		out[0] = "http/1.1";
		return 1;
	}
	for (uint32_t i = 0; i < s->alpn_cnt; i++)
		out[i] = s->alpn[i].name;
	return s->alpn_cnt;
}

static int make_server(const struct config_listener *l, struct told *told, struct tls_libs *libs,
	int64_t now_s, struct tls_server **out)
{
	const struct config_tls_server *s = l->tls;
	struct tls_cert_files *files = calloc(s->cert_cnt, sizeof(*files));
	const char *alpn[8];
	struct tls_server_conf conf = {.name = l->name,
		.certs = files,
		.cert_cnt = s->cert_cnt,
		.alpn = alpn,
		.alpn_cnt = list_alpn(l, alpn),
		.min_version = version_of(s->min_version),
		.ciphers = s->ciphers,
		.groups = s->groups,
		.verify = (enum tls_verify)s->verify,
		.client_ca = s->client_ca,
		.client_crl = s->client_crl,
		.verify_depth = s->verify_depth,
		.strict_sni = s->strict_sni,
		.no_tickets = !s->tickets};
	int rc;

	if (files == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < s->cert_cnt; i++)
		files[i] = (struct tls_cert_files){s->certs[i].cert, s->certs[i].key};
	rc = tls_server_create(libs, &conf, now_s, tell, told, out);
	free(files);
	return rc;
}

int l7_tls_client_create(const struct config_tls_client *c, struct config_tree *t, const char *file,
	struct tls_libs *libs, const char *const *alpn, uint32_t alpn_cnt, int64_t now_s, FILE *err,
	struct tls_client **out)
{
	struct told told = {.err = err, .file = file, .tree = t, .client = true};
	struct tls_client_conf conf = {.ca = c->ca,
		.no_verify = !c->verify,
		.crl = c->crl,
		.sni = strcmp(c->sni, CONFIG_SNI_HOST) == 0 ? "" : c->sni,
		.verify_name = c->verify_name,
		.cert = {c->cert, c->key},
		.alpn = alpn,
		.alpn_cnt = alpn_cnt,
		.min_version = version_of(c->min_version),
		.ciphers = c->ciphers,
		.groups = c->groups,
		.verify_depth = c->verify_depth,
		.no_resume = !c->resume};

	return tls_client_create(libs, &conf, now_s, tell, &told, out);
}

static int make_one(const struct config *cfg, uint32_t i, struct tls_libs *libs, int64_t now_s,
	FILE *err, struct l7_tls *t)
{
	const struct config_listener *l = &cfg->listeners[i];
	struct config_tree *tree = schema_value(cfg->tree, "listeners")->maps[i];
	struct told told = {.err = err, .file = cfg->tree->file};
	int rc = 0, rc2 = 0;

	if (l->tls != NULL) {
		told.tree = schema_value(tree, "tls")->maps[0];
		rc = make_server(l, &told, libs, now_s, &t->of[i].server);
	}
	if (l->backend_tls != NULL)
		rc2 = l7_tls_client_create(l->backend_tls,
			schema_value(tree, "backend_tls")->maps[0], cfg->tree->file, libs, NULL, 0,
			now_s, err, &t->of[i].client);
	return rc != 0 ? rc : rc2;
}

static int make_upstream(const struct config *cfg, uint32_t i, struct tls_libs *libs, int64_t now_s,
	FILE *err, struct l7_tls *t)
{
	static const char *const alpn[] = {"http/1.1"};
	struct config_tree *tree = schema_value(cfg->tree, "upstreams")->maps[i];

	if (cfg->upstreams[i].tls == NULL)
		return 0;
	return l7_tls_client_create(cfg->upstreams[i].tls, schema_value(tree, "tls")->maps[0],
		cfg->tree->file, libs, alpn, ARRAY_SIZE(alpn), now_s, err, &t->upstreams[i]);
}

/* Faults of all listeners are told, not of the first alone. */
int l7_tls_create(const struct config *cfg, struct tls_libs *libs, int64_t now_s, FILE *err,
	struct l7_tls **out)
{
	struct l7_tls *t = calloc(1, sizeof(*t) + cfg->listener_cnt * sizeof(t->of[0]));
	int rc = 0;

	*out = NULL;
	if (t == NULL)
		return -ENOMEM;
	t->upstreams = calloc(cfg->upstream_cnt + 1, sizeof(t->upstreams[0]));
	if (t->upstreams == NULL) {
		free(t);
		return -ENOMEM;
	}
	t->cnt = cfg->listener_cnt;
	t->upstream_cnt = cfg->upstream_cnt;
	for (uint32_t i = 0; i < t->cnt; i++) {
		int one = make_one(cfg, i, libs, now_s, err, t);

		rc = rc != 0 ? rc : one;
	}
	for (uint32_t i = 0; i < t->upstream_cnt; i++) {
		int one = make_upstream(cfg, i, libs, now_s, err, t);

		rc = rc != 0 ? rc : one;
	}
	if (rc != 0) {
		l7_tls_free(t);
		return rc;
	}
	*out = t;
	return 0;
}

void l7_tls_free(struct l7_tls *t)
{
	if (t == NULL)
		return;
	for (uint32_t i = 0; i < t->cnt; i++) {
		tls_server_unref(t->of[i].server);
		tls_client_unref(t->of[i].client);
	}
	for (uint32_t i = 0; i < t->upstream_cnt; i++)
		tls_client_unref(t->upstreams[i]);
	free(t->upstreams);
	free(t);
}

const struct tls_server *l7_tls_server(const struct l7_tls *t, uint32_t listener)
{
	return t == NULL ? NULL : t->of[listener].server;
}

const struct tls_client *l7_tls_client(const struct l7_tls *t, uint32_t listener)
{
	return t == NULL ? NULL : t->of[listener].client;
}

const struct tls_client *l7_tls_upstream(const struct l7_tls *t, uint32_t upstream)
{
	return t == NULL ? NULL : t->upstreams[upstream];
}

int l7_tls_load_tickets(const struct config *cfg, struct tls_tickets *tickets, FILE *err)
{
	struct config_tree *t = schema_value(cfg->tree, "tls")->maps[0];
	struct config_mark m = schema_mark(t, "ticket_key_file");
	char why[128];

	if (cfg->tls.ticket_key_file[0] == '\0' ||
		tls_tickets_load(tickets, cfg->tls.ticket_key_file, why) == 0)
		return 0;
	fprintf(err, "%s:%u:%u: error: ticket_key_file: '%s' %s\n", cfg->tree->file, m.line, m.col,
		cfg->tls.ticket_key_file, why);
	return -EINVAL;
}

int l7_tls_check(const struct config *cfg, FILE *err)
{
	struct tls_libs *libs;
	struct tls_tickets *tickets = NULL;
	struct l7_tls *t = NULL;
	int rc = tls_libs_create(1, &libs), rc2;

	if (rc != 0)
		return rc;
	rc = l7_tls_create(cfg, libs, (int64_t)time(NULL), err, &t);
	rc2 = tls_tickets_create(&tickets);
	if (rc2 == 0)
		rc2 = l7_tls_load_tickets(cfg, tickets, err);
	l7_tls_free(t);
	tls_tickets_destroy(tickets);
	tls_libs_destroy(libs);
	return rc != 0 ? rc : rc2;
}
