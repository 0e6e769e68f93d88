/* SPDX-License-Identifier: Apache-2.0
 * Why an HTTP request goes where it goes: `weir route` on the configuration in force, with the
 * servers of the upstream as they are now. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lb/api/api_pvt.h"
#include "lb/l7/route/explain.h"
#include "lb/l7/table.h"

#define FIELDS_MAX 64

/* Splits the text in place. */
static int split_fields(const struct admin_call *c, char *text, char **fields, uint32_t *cnt)
{
	char *save = NULL;

	*cnt = 0;
	for (char *l = strtok_r(text, "\r\n", &save); l != NULL;
		l = strtok_r(NULL, "\r\n", &save)) {
		if (*cnt == FIELDS_MAX)
			return admin_fail(c, -EINVAL, "headers: at most %d", FIELDS_MAX);
		fields[(*cnt)++] = l;
	}
	return 0;
}

/* What was said for people at a command line, as an answer's error. */
static int refuse(const struct admin_call *c, const char *said, int rc)
{
	static const char prefix[] = "weir: error: ";
	size_t skip = strncmp(said, prefix, sizeof(prefix) - 1) == 0 ? sizeof(prefix) - 1 : 0;
	int len = (int)strcspn(said + skip, "\n");

	return len > 0 ? admin_fail(c, rc, "%.*s", len, said + skip) : rc;
}

/* The upstream's servers with state and load, as GET /v1/backends has them. */
static void add_servers(struct app *app, json_t *out)
{
	const char *pool =
		json_string_value(json_object_get(json_object_get(out, "upstream"), "name"));

	if (pool != NULL)
		json_object_set_new(out, "servers", api_pool_json(app, OVERRIDE_UPSTREAM, pool));
}

static int explain_with(struct app *app, struct admin_call *c, char *headers)
{
	const struct l7_table *l7 = app->cur->l7;
	char *fields[FIELDS_MAX], *said = NULL;
	struct explain_ask ask = {.cfg = app->cfg,
		.method = admin_text(c, "method"),
		.url = admin_text(c, "url"),
		.client = admin_text(c, "client"),
		.listener = admin_text(c, "listener"),
		.fields = fields,
		.upstreams = l7 != NULL ? l7->ups : NULL};
	json_t *out = NULL;
	size_t len = 0;
	FILE *err;
	int rc = split_fields(c, headers, fields, &ask.field_cnt);

	if (rc != 0)
		return rc;
	err = open_memstream(&said, &len);
	if (err == NULL)
		return -ENOMEM;
	rc = explain_request(&ask, err, &out);
	fclose(err);
	if (rc == 0) {
		json_object_update(c->out, out);
		json_object_set_new(
			c->out, "generation", json_integer((json_int_t)app->cur->number));
		add_servers(app, c->out);
	} else {
		rc = refuse(c, said != NULL ? said : "", rc);
	}
	json_decref(out);
	free(said);
	return rc;
}

int api_post_explain(void *ctx, struct admin_call *c)
{
	const char *text = admin_text(c, "headers");
	char *headers = strdup(text != NULL ? text : "");
	int rc = headers != NULL ? explain_with(((struct api *)ctx)->app, c, headers) : -ENOMEM;

	free(headers);
	return rc;
}

const struct admin_param api_explain_http_params[] = {
	{"method", "body", "string", "the request's method", true},
	{"url", "body", "string", "http:// or https://, host, path and query", true},
	{"client", "body", "string", "address of the client; 192.0.2.1 unless given", false},
	{"listener", "body", "string", "the listener it comes to; found by the URL unless given",
		false},
	{"headers", "body", "string", "header fields, `Name: value`, one a line", false},
	{NULL, NULL, NULL, NULL, false},
};
