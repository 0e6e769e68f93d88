/* SPDX-License-Identifier: Apache-2.0
 * The configuration in force, those before it, and the way back. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/log.h"
#include "dataplane/base/time.h"
#include "lb/api/api_pvt.h"

static int answer_text(struct admin_call *c, const char *text, size_t len)
{
	c->text = malloc(len + 1);
	if (c->text == NULL)
		return -ENOMEM;
	memcpy(c->text, text, len + 1);
	c->text_len = len;
	c->content_type = "application/yaml";
	return 0;
}

int api_get_config(void *ctx, struct admin_call *c)
{
	const struct api *api = ctx;
	const struct history *h = api->history;
	const struct history_entry *e;
	uint64_t id = 0;
	int rc = admin_number(c, "id", 1, UINT64_MAX, &id);

	if (rc < 0)
		return rc;
	e = rc > 0 ? history_find(h, id) : h->cnt > 0 ? &h->entries[h->cnt - 1] : NULL;
	return e != NULL ? answer_text(c, e->text, e->len)
			 : admin_fail(c, -ENOENT, "no such configuration is kept");
}

int api_get_history(void *ctx, struct admin_call *c)
{
	const struct history *h = ((const struct api *)ctx)->history;
	json_t *a = json_array();

	for (uint32_t i = 0; i < h->cnt; i++) {
		const struct history_entry *e = &h->entries[i];
		struct tm tm;
		char when[32];

		strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&e->time, &tm));
		json_array_append_new(
			a, json_pack("{s:I, s:I, s:s, s:s, s:b}", "id", (json_int_t)e->id,
				   "generation", (json_int_t)e->generation, "time", when, "origin",
				   e->origin, "in_force", i + 1 == h->cnt));
	}
	return json_object_set_new(c->out, "configurations", a) == 0 ? 0 : -ENOMEM;
}

/* The answer of a dry run: what would be refused is, and else what would change. */
static int try_config(struct api *api, struct admin_call *c, struct config *next)
{
	const json_t *said = json_object_get(c->out, "messages");
	char *text = NULL;
	size_t len;
	FILE *err = open_memstream(&text, &len);
	int rc = -ENOMEM;

	if (err == NULL)
		return rc;
	if (said != NULL)
		fputs(json_string_value(said), err);
	rc = api->control.check(api->control.ctx, next, err);
	fclose(err);
	json_object_set_new(c->out, "messages", json_string(text != NULL ? text : ""));
	free(text);
	if (rc == -EBUSY)
		return admin_fail(c, rc, "an earlier change is still being adopted");
	return rc != 0 ? admin_fail(c, rc, "it would be refused")
		       : api_plan(api->app, next, c->out);
}

static int reload_dry(struct api *api, struct admin_call *c)
{
	struct config *next = NULL;
	char *text = NULL;
	size_t len;
	FILE *err = open_memstream(&text, &len);
	int rc;

	if (err == NULL)
		return -ENOMEM;
	rc = api->control.load(api->control.ctx, err, &next);
	fclose(err);
	json_object_set_new(c->out, "messages", json_string(text != NULL ? text : ""));
	free(text);
	if (rc != 0)
		return admin_fail(c, rc, "it would be refused: the file has errors");
	rc = try_config(api, c, next);
	config_free(next);
	return rc;
}

int api_post_reload(void *ctx, struct admin_call *c)
{
	struct api *api = ctx;

	return admin_dry_run(c) ? reload_dry(api, c)
				: api->control.reload(api->control.ctx, c->out);
}

int api_post_rollback(void *ctx, struct admin_call *c)
{
	struct api *api = ctx;
	const struct history_entry *e;
	struct config *next;
	char origin[32];
	uint64_t id = 0;
	int rc = admin_number(c, "id", 1, UINT64_MAX, &id);

	if (rc < 0)
		return rc;
	e = history_find(api->history, id);
	if (e == NULL)
		return admin_fail(c, -ENOENT, "no such configuration is kept");
	if (!app_reload_done(api->app))
		return admin_fail(c, -EBUSY, "an earlier change is still being adopted");
	id = e->id;
	rc = api_parse_config(c, "history", e->text, e->len, &next);
	if (rc != 0)
		return rc;
	snprintf(origin, sizeof(origin), "rollback to %llu", (unsigned long long)id);
	json_object_set_new(c->out, "id", json_integer((json_int_t)id));
	if (admin_dry_run(c)) {
		rc = try_config(api, c, next);
		config_free(next);
		return rc;
	}
	rc = api->control.replace(api->control.ctx, next, origin, c->out);
	if (rc == 0)
		LOG_INF("rolled back", "configuration=%llu generation=%llu", (unsigned long long)id,
			(unsigned long long)app_generation(api->app));
	return rc;
}

const struct admin_param api_config_params[] = {
	{"id", "query", "integer", "of the history; the one in force unless given", false},
	{NULL, NULL, NULL, NULL, false},
};
const struct admin_param api_rollback_params[] = {
	{"id", "body", "integer", "of the history; the one before the last unless given", false},
	{NULL, NULL, NULL, NULL, false},
};
