/* SPDX-License-Identifier: Apache-2.0
 * The HTTP cache: what it holds and did, and purges. */
#include <errno.h>
#include <string.h>

#include "lb/api/api_pvt.h"
#include "lb/l7/cache/hcache.h"

int api_get_cache(void *ctx, struct admin_call *c)
{
	struct app *app = ((struct api *)ctx)->app;
	json_t *memory = json_array(), *workers = json_array();

	json_object_set_new(c->out, "enabled", json_boolean(app->hcache != NULL));
	metric_write_json(&metrics_cache_memory, app, memory);
	metric_write_json(&metrics_http_cache, app, workers);
	json_object_set_new(c->out, "memory", memory);
	json_object_set_new(c->out, "workers", workers);
	return 0;
}

const struct admin_param api_purge_params[] = {
	{"tag", "body", "string", "responses whose Surrogate-Key has this word", false},
	{"prefix", "body", "string", "responses whose path begins so", false},
	{"host", "body", "string", "with prefix: only of this host", false},
	{"regex", "body", "string", "responses whose host/path?query matches", false},
	{"all", "body", "boolean", "all responses", false},
	{"soft", "body", "boolean", "they become stale in place of going", false},
	{NULL, NULL, NULL, NULL, false},
};

static struct span text_of(const struct admin_call *c, const char *name)
{
	const char *s = json_string_value(json_object_get(c->in, name));

	return s == NULL ? (struct span){NULL, 0} : (struct span){s, (uint32_t)strlen(s)};
}

static int complain(struct admin_call *c, const char *what)
{
	json_object_set_new(c->out, "error", json_string(what));
	return -EINVAL;
}

int api_post_purge(void *ctx, struct admin_call *c)
{
	struct app *app = ((struct api *)ctx)->app;
	struct span tag = text_of(c, "tag"), prefix = text_of(c, "prefix"),
		    re = text_of(c, "regex");
	bool all = json_is_true(json_object_get(c->in, "all"));
	bool soft = json_is_true(json_object_get(c->in, "soft"));
	char err[256] = "";
	struct purge *p;
	int rc;

	if (app->hcache == NULL)
		return complain(c, "there is no HTTP cache: `cache: {memory: ...}` makes one");
	if ((tag.len > 0) + (prefix.len > 0) + (re.len > 0) + all != 1)
		return complain(c, "say one of tag, prefix, regex and all");
	p = hcache_purge(app->hcache);
	if (tag.len > 0)
		rc = purge_tag(p, tag, soft);
	else if (prefix.len > 0)
		rc = purge_prefix(p, text_of(c, "host"), prefix, soft);
	else if (re.len > 0)
		rc = purge_regex(p, re, soft, err, sizeof(err));
	else
		rc = purge_all(p, soft);
	if (rc != 0)
		return complain(c, err[0] != '\0' ? err : "the text is too long");
	json_object_set_new(c->out, "purges", json_integer((json_int_t)purge_count(p)));
	return 0;
}
