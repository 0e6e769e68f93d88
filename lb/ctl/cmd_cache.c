/* SPDX-License-Identifier: Apache-2.0
 * The HTTP cache. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lb/ctl/ctl_pvt.h"

static void print_cache(struct ctl *c, const json_t *b)
{
	static const struct ctl_column memory[] = {{"bytes", "MEMORY", CTL_SI},
		{"items", "ITEMS", CTL_SI}, {"item_bytes", "IN ITEMS", CTL_SI},
		{"segments", "SEGMENTS", CTL_NUMBER}, {"free", "FREE", CTL_NUMBER},
		{"limbo", "LIMBO", CTL_NUMBER}, {"pinned", "PINNED", CTL_NUMBER},
		{"purges", "PURGES", CTL_NUMBER}};
	static const struct ctl_column workers[] = {{"worker", "WORKER", CTL_TEXT},
		{"hits", "HITS", CTL_SI}, {"stale", "STALE", CTL_SI}, {"misses", "MISSES", CTL_SI},
		{"collapsed", "COLLAPSED", CTL_SI}, {"revalidated", "CONFIRMED", CTL_SI},
		{"passes", "PASSED", CTL_SI}, {"bypasses", "BYPASSED", CTL_SI},
		{"stored", "STORED", CTL_SI}, {"fetch_failures", "FAILED", CTL_SI},
		{"bytes_hit", "BYTES SENT", CTL_SI}, {"bytes_fetched", "BYTES FETCHED", CTL_SI}};

	static const struct ctl_column disk[] = {{"bytes", "DISK", CTL_SI},
		{"max_bytes", "OF", CTL_SI}, {"generation", "GENERATION", CTL_NUMBER},
		{"passive", "PASSIVE", CTL_NUMBER}};
	static const struct ctl_column disk_workers[] = {{"worker", "WORKER", CTL_TEXT},
		{"hits", "DISK HITS", CTL_SI}, {"misses", "MISSES", CTL_SI},
		{"absent", "ABSENT", CTL_SI}, {"dead", "DEAD", CTL_SI}, {"torn", "TORN", CTL_SI},
		{"written", "WRITTEN", CTL_SI}, {"reject_once", "ONCE", CTL_SI},
		{"reject_full", "BUSY", CTL_SI}, {"reject_rate", "RATE", CTL_SI},
		{"bytes_read", "BYTES READ", CTL_SI}, {"bytes_written", "BYTES WRITTEN", CTL_SI}};

	if (!json_is_true(json_object_get(b, "enabled"))) {
		fputs("There is no HTTP cache.\n", c->out);
		return;
	}
	ctl_table(c, json_object_get(b, "memory"), memory, ARRAY_SIZE(memory));
	fputc('\n', c->out);
	ctl_table(c, json_object_get(b, "workers"), workers, ARRAY_SIZE(workers));
	if (json_array_size(json_object_get(b, "disk")) == 0)
		return;
	fputc('\n', c->out);
	ctl_table(c, json_object_get(b, "disk"), disk, ARRAY_SIZE(disk));
	fputc('\n', c->out);
	ctl_table(c, json_object_get(b, "disk_workers"), disk_workers, ARRAY_SIZE(disk_workers));
}

static void print_routes(struct ctl *c, const json_t *b)
{
	static const struct ctl_column routes[] = {{"route", "ROUTE", CTL_TEXT},
		{"hits", "HITS", CTL_SI}, {"stale", "STALE", CTL_SI}, {"misses", "MISSES", CTL_SI},
		{"collapsed", "COLLAPSED", CTL_SI}, {"revalidated", "CONFIRMED", CTL_SI},
		{"passes", "PASSED", CTL_SI}, {"coded_hits", "COMPRESSED", CTL_SI},
		{"bytes_sent", "BYTES SENT", CTL_SI}, {"bytes_fetched", "BYTES FETCHED", CTL_SI},
		{"saved", "SAVED", CTL_SI}};
	json_t *rows = json_deep_copy(json_object_get(b, "routes")), *r;
	size_t i;

	/* Negative where what was fetched was not asked for again. */
	json_array_foreach(rows, i, r)
	{
		json_int_t sent = json_integer_value(json_object_get(r, "bytes_sent"));
		json_int_t got = json_integer_value(json_object_get(r, "bytes_fetched"));

		json_object_set_new(r, "saved", json_integer(sent > got ? sent - got : 0));
	}
	ctl_table(c, rows, routes, ARRAY_SIZE(routes));
	json_decref(rows);
}

static void print_top(struct ctl *c, const json_t *b)
{
	static const struct ctl_column cols[] = {{"hits", "HITS", CTL_SI},
		{"error", "AT MOST TOO MANY", CTL_SI}, {"bytes", "BYTES", CTL_SI},
		{"url", "URL", CTL_TEXT}};

	ctl_table(c, json_object_get(b, "objects"), cols, ARRAY_SIZE(cols));
}

static int cache_top(struct ctl *c, char **argv, int argc)
{
	char path[128] = "/v1/cache/top";

	for (int i = 1; i < argc; i++) {
		bool by = strcmp(argv[i], "hits") == 0 || strcmp(argv[i], "bytes") == 0;

		ctl_add_query(path, sizeof(path), by ? "by" : "count", argv[i]);
	}
	return ctl_show(c, "GET", path, NULL, print_top);
}

static void print_preload(struct ctl *c, const json_t *b)
{
	static const struct ctl_column sums[] = {{"total", "URLS", CTL_NUMBER},
		{"begun", "BEGUN", CTL_NUMBER}, {"active", "ACTIVE", CTL_NUMBER},
		{"stored", "STORED", CTL_NUMBER}, {"already", "ALREADY THERE", CTL_NUMBER},
		{"not_stored", "NOT STORED", CTL_NUMBER}, {"failed", "FAILED", CTL_NUMBER},
		{"bytes", "BYTES", CTL_SI}};
	static const struct ctl_column urls[] = {{"result", "RESULT", CTL_TEXT},
		{"status", "STATUS", CTL_NUMBER}, {"url", "URL", CTL_TEXT}};

	if (json_array_size(json_object_get(b, "preload")) == 0) {
		fputs("There was no list yet.\n", c->out);
		return;
	}
	ctl_table(c, json_object_get(b, "preload"), sums, ARRAY_SIZE(sums));
	if (json_array_size(json_object_get(b, "urls")) == 0)
		return;
	fputc('\n', c->out);
	ctl_table(c, json_object_get(b, "urls"), urls, ARRAY_SIZE(urls));
}

static void print_begun(struct ctl *c, const json_t *b)
{
	double urls = json_number_value(json_object_get(b, "urls"));

	if (json_is_true(json_object_get(b, "changed")))
		fprintf(c->out, "Begun: %.0f URLs; `weirctl cache preload` shows how it goes.\n",
			urls);
	else
		fprintf(c->out, "%.0f URLs would be fetched. Nothing was changed.\n", urls);
}

/* Each argument is a URL, or @FILE with a URL a line. */
static bool add_urls(FILE *out, const char *arg)
{
	char *line = NULL;
	size_t cap = 0;
	bool good;
	FILE *f;

	if (arg[0] != '@')
		return fprintf(out, "%s\n", arg) > 0;
	f = fopen(arg + 1, "re");
	if (f == NULL)
		return false;
	while (getline(&line, &cap, f) > 0)
		(void)fprintf(out, "%s%s", line, strchr(line, '\n') != NULL ? "" : "\n");
	good = !ferror(f);
	free(line);
	(void)fclose(f);
	return good;
}

static int cache_preload(struct ctl *c, char **argv, int argc)
{
	char *text = NULL;
	bool good = true;
	json_t *in;
	size_t len;
	FILE *out;
	int i;

	if (argc == 1)
		return ctl_show(c, "GET", "/v1/cache/preload", NULL, print_preload);
	out = open_memstream(&text, &len);
	if (out == NULL)
		return ctl_usage("cache: no memory");
	for (i = 1; good && i < argc; i++)
		good = add_urls(out, argv[i]);
	if (fclose(out) != 0 || !good) {
		free(text);
		return ctl_usage("cache: cannot read '%s'", argv[i - 1] + (argv[i - 1][0] == '@'));
	}
	in = json_object();
	json_object_set_new(in, "urls", json_string(text));
	free(text);
	return ctl_change(c, "/v1/cache/preload", in, print_begun);
}

int cmd_cache(struct ctl *c, char **argv, int argc)
{
	bool change = argc > 1 && strcmp(argv[0], "preload") == 0;

	if (c->dry_run && !change)
		return ctl_usage("cache: --dry-run is for `preload` with URLs");
	if (argc > 0 && strcmp(argv[0], "routes") == 0 && argc == 1)
		return ctl_show(c, "GET", "/v1/cache", NULL, print_routes);
	if (argc > 0 && strcmp(argv[0], "top") == 0)
		return cache_top(c, argv, argc);
	if (argc > 0 && strcmp(argv[0], "preload") == 0)
		return cache_preload(c, argv, argc);
	if (argc > 0)
		return ctl_usage("cache: usage: weirctl cache [routes | top [hits|bytes] "
				 "[COUNT] | preload [URL|@FILE ...]]");
	return ctl_show(c, "GET", "/v1/cache", NULL, print_cache);
}

static void print_purge(struct ctl *c, const json_t *b)
{
	char items[16], bytes[16];

	if (json_is_true(json_object_get(b, "changed"))) {
		fputs("Done, for all workers.\n", c->out);
		return;
	}
	fprintf(c->out, "Nothing was purged; the memory holds %s items, %s bytes.\n",
		ctl_si((double)json_integer_value(json_object_get(b, "items")), items),
		ctl_si((double)json_integer_value(json_object_get(b, "item_bytes")), bytes));
}

int cmd_purge(struct ctl *c, char **argv, int argc)
{
	bool all = strcmp(argv[0], "all") == 0;
	bool soft = argc > 1 && strcmp(argv[argc - 1], "soft") == 0 && argc == (all ? 2 : 3);
	int texts = argc - 1 - (soft ? 1 : 0);
	json_t *in;

	if (strcmp(argv[0], "tag") != 0 && strcmp(argv[0], "prefix") != 0 &&
		strcmp(argv[0], "regex") != 0 && !all)
		return ctl_usage("purge: '%s' is none of tag, prefix, regex and all", argv[0]);
	if (texts != (all ? 0 : 1))
		return ctl_usage("purge: usage: weirctl purge tag|prefix|regex TEXT [soft], or "
				 "weirctl purge all [soft]");
	in = json_object();
	json_object_set_new(in, argv[0], all ? json_true() : json_string(argv[1]));
	json_object_set_new(in, "soft", json_boolean(soft));
	return ctl_change(c, "/v1/cache/purge", in, print_purge);
}
