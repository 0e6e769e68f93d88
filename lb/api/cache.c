/* SPDX-License-Identifier: Apache-2.0
 * The HTTP cache: what it holds and did, and purges. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lb/api/api_pvt.h"
#include "lb/l7/cache/hcache.h"
#include "lb/l7/cache/preload.h"
#include "lb/l7/http/http.h"
#include "lb/l7/worker.h"

int api_get_cache(void *ctx, struct admin_call *c)
{
	struct app *app = ((struct api *)ctx)->app;
	json_t *memory = json_array(), *workers = json_array(), *routes = json_array();
	json_t *disk = json_array(), *disk_workers = json_array();

	json_object_set_new(c->out, "enabled", json_boolean(app->hcache != NULL));
	metric_write_json(&metrics_cache_memory, app, memory);
	metric_write_json(&metrics_http_cache, app, workers);
	metric_write_json(&metrics_http_cache_routes, app, routes);
	json_object_set_new(c->out, "memory", memory);
	json_object_set_new(c->out, "workers", workers);
	json_object_set_new(c->out, "routes", routes);
	metric_write_json(&metrics_cache_disk_room, app, disk);
	metric_write_json(&metrics_cache_disk, app, disk_workers);
	json_object_set_new(c->out, "disk", disk);
	json_object_set_new(c->out, "disk_workers", disk_workers);
	return 0;
}

#define TOP_DEFAULT 20
#define TOP_MAX     1000

const struct admin_param api_cache_top_params[] = {
	{"count", "query", "integer", "how many, 1 to 1000; 20 if not said", false},
	{"by", "query", "string", "hits or bytes; hits if not said", false},
	{NULL, NULL, NULL, NULL, false},
};

/* URLs are bytes; JSON is UTF-8. */
static json_t *name_json(const char *name)
{
	char text[TOP_NAME_MAX + 1];
	size_t n = 0;

	for (; name[n] != '\0' && n < sizeof(text) - 1; n++)
		text[n] = (uint8_t)name[n] < 0x20 || (uint8_t)name[n] > 0x7e ? '?' : name[n];
	return json_stringn(text, n);
}

static json_t *top_json(const struct top_row *r)
{
	json_t *o = json_object();

	json_object_set_new(o, "url", name_json(r->name));
	json_object_set_new(o, "hits", json_integer((json_int_t)r->hits));
	json_object_set_new(o, "error", json_integer((json_int_t)r->error));
	json_object_set_new(o, "bytes", json_integer((json_int_t)r->bytes));
	return o;
}

int api_get_cache_top(void *ctx, struct admin_call *c)
{
	struct app *app = ((struct api *)ctx)->app;
	const char *by = admin_query(c, "by");
	uint32_t cap = app->worker_cnt * TOP_SLOTS, cnt = 0;
	uint64_t want = TOP_DEFAULT;
	json_t *out = json_array();
	struct top_row *rows;

	json_object_set_new(c->out, "objects", out);
	if (admin_number(c, "count", 1, TOP_MAX, &want) < 0)
		return -EINVAL;
	if (by != NULL && strcmp(by, "hits") != 0 && strcmp(by, "bytes") != 0)
		return admin_fail(c, -EINVAL, "by: hits or bytes");
	if (app->hcache == NULL)
		return 0;
	rows = calloc(cap, sizeof(*rows));
	if (rows == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < app->worker_cnt; i++)
		cnt = top_read(hcache_worker_top(http_worker_cache(l7_worker_http(app->l7[i]))),
			rows, cnt, cap);
	top_sort(rows, cnt, by != NULL && strcmp(by, "bytes") == 0);
	for (uint32_t i = 0; i < cnt && i < want; i++)
		json_array_append_new(out, top_json(&rows[i]));
	free(rows);
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

static int no_cache(const struct admin_call *c)
{
	return admin_fail(c, -EINVAL, "there is no HTTP cache: `cache: {memory: ...}` makes one");
}

static int purge_by(struct purge *p, struct admin_call *c)
{
	struct span tag = text_of(c, "tag"), prefix = text_of(c, "prefix"),
		    re = text_of(c, "regex");
	bool all = json_is_true(json_object_get(c->in, "all"));
	bool soft = json_is_true(json_object_get(c->in, "soft"));
	char err[256] = "";
	int rc;

	if ((tag.len > 0) + (prefix.len > 0) + (re.len > 0) + all != 1)
		return admin_fail(c, -EINVAL, "say one of tag, prefix, regex and all");
	if (tag.len > 0)
		rc = purge_tag(p, tag, soft);
	else if (prefix.len > 0)
		rc = purge_prefix(p, text_of(c, "host"), prefix, soft);
	else if (re.len > 0)
		rc = purge_regex(p, re, soft, err, sizeof(err));
	else
		rc = purge_all(p, soft);
	return rc == 0 ? 0 : admin_fail(c, rc, "%s", err[0] != '\0' ? err : "the text is too long");
}

/* What would be refused is, by purging nothing. What a purge means is found out as responses are
 * used, so how many it would catch is not known; no more than there are. */
static int purge_dry(struct hcache *h, struct admin_call *c)
{
	struct cache_usage u;
	struct purge *p;
	int rc = purge_create(&p);

	if (rc == 0)
		rc = purge_by(p, c);
	purge_destroy(p);
	if (rc != 0)
		return rc;
	cache_usage(hcache_cache(h), &u);
	json_object_set_new(c->out, "items", json_integer((json_int_t)u.items));
	json_object_set_new(c->out, "item_bytes", json_integer((json_int_t)u.item_bytes));
	return 0;
}

int api_post_purge(void *ctx, struct admin_call *c)
{
	const struct app *app = ((struct api *)ctx)->app;
	bool dry = admin_dry_run(c);
	int rc;

	if (app->hcache == NULL)
		return no_cache(c);
	rc = dry ? purge_dry(app->hcache, c) : purge_by(hcache_purge(app->hcache), c);
	if (rc != 0)
		return rc;
	json_object_set_new(
		c->out, "purges", json_integer((json_int_t)purge_count(hcache_purge(app->hcache))));
	return 0;
}

#define PRELOAD_ROWS 1000

const struct admin_param api_preload_params[] = {
	{"urls", "body", "string", "URLs, one a line", true},
	{"rate", "body", "integer", "begun in a second; as configured unless given", false},
	{"active", "body", "integer", "under way at a time; as configured unless given", false},
	{NULL, NULL, NULL, NULL, false},
};

const struct admin_param api_preload_get_params[] = {
	{"all", "query", "boolean", "also URLs that are stored, or wait", false},
	{NULL, NULL, NULL, NULL, false},
};

int api_post_preload(void *ctx, struct admin_call *c)
{
	struct app *app = ((struct api *)ctx)->app;
	struct span urls = text_of(c, "urls");
	uint64_t rate = app->cfg->cache.preload_rate, active = app->cfg->cache.preload_active;
	uint32_t line, cnt;
	int rc;

	if (admin_number(c, "rate", 1, 10000, &rate) < 0 ||
		admin_number(c, "active", 1, PRELOAD_ACTIVE_MAX, &active) < 0)
		return -EINVAL;
	if (app->hcache == NULL)
		return no_cache(c);
	rc = hcache_preload_check(app->hcache, urls, &cnt, &line);
	if (rc == 0 && !admin_dry_run(c))
		rc = hcache_preload(app->hcache, urls, (uint32_t)rate, (uint32_t)active, &line);
	if (rc == -EBUSY)
		return admin_fail(c, rc, "a list is under way");
	if (rc == -EINVAL && line > 0)
		return admin_fail(c, rc, "line %u is no URL: http://host/path", line);
	if (rc == -EINVAL)
		return admin_fail(c, rc, "there is no URL");
	json_object_set_new(c->out, "urls", json_integer(cnt));
	return rc;
}

static json_t *preload_row(const struct hcache *h, uint32_t i, bool all)
{
	char text[PRELOAD_URL_MAX + 1];
	struct span url;
	uint16_t status;
	const char *what = hcache_preload_row(h, i, &url, &status);
	json_t *o;

	if (!all && strcmp(what, "not stored") != 0 && strcmp(what, "failed") != 0 &&
		strcmp(what, "no route") != 0)
		return NULL;
	memcpy(text, url.at, url.len);
	text[url.len] = '\0';
	o = json_object();
	json_object_set_new(o, "url", json_string(text));
	json_object_set_new(o, "result", json_string(what));
	json_object_set_new(o, "status", json_integer(status));
	return o;
}

int api_get_preload(void *ctx, struct admin_call *c)
{
	struct app *app = ((struct api *)ctx)->app;
	const char *how = admin_query(c, "all");
	bool all = how != NULL && strcmp(how, "false") != 0;
	json_t *rows = json_array(), *sums = json_array(), *sum = json_object();
	struct preload_result r = {0};

	json_object_set_new(c->out, "preload", sums);
	json_object_set_new(c->out, "urls", rows);
	if (app->hcache == NULL || !hcache_preload_result(app->hcache, &r)) {
		json_decref(sum);
		return 0;
	}
	json_object_set_new(sum, "total", json_integer(r.total));
	json_object_set_new(sum, "begun", json_integer(r.begun));
	json_object_set_new(sum, "active", json_integer(r.active));
	json_object_set_new(sum, "stored", json_integer((json_int_t)r.stored));
	json_object_set_new(sum, "already", json_integer((json_int_t)r.already));
	json_object_set_new(sum, "not_stored", json_integer((json_int_t)r.not_stored));
	json_object_set_new(sum, "failed", json_integer((json_int_t)r.failed));
	json_object_set_new(sum, "bytes", json_integer((json_int_t)r.bytes));
	json_array_append_new(sums, sum);
	for (uint32_t i = 0; i < r.total && json_array_size(rows) < PRELOAD_ROWS; i++) {
		json_t *o = preload_row(app->hcache, i, all);

		if (o != NULL)
			json_array_append_new(rows, o);
	}
	return 0;
}
