/* SPDX-License-Identifier: Apache-2.0
 * Host names of backends: what they stand for, since when, and how asking goes. */
#include <errno.h>
#include <stdio.h>

#include "dataplane/base/time.h"
#include "lb/api/api_pvt.h"
#include "lb/resolve/resolve.h"

/* ---- GET /v1/names ---- */

static json_t *addrs_json(const struct resolve_row *r)
{
	json_t *a = json_array();

	for (uint32_t i = 0; i < r->cnt; i++) {
		char text[IP_ADDR_TEXT_MAX];

		json_array_append_new(a, json_string(ip_addr_format(&r->addrs[i], text)));
	}
	return a;
}

static json_t *row_json(const struct resolve_row *r)
{
	json_t *o = json_pack("{s:s, s:s, s:s, s:o, s:I, s:I, s:I, s:I}", "name", r->name, "family",
		r->ip4 ? "ipv4" : "ipv6", "result", resolve_result_word(r->result), "addresses",
		addrs_json(r), "ttl_s", (json_int_t)r->ttl_s, "failures", (json_int_t)r->failures,
		"next_ms", (json_int_t)(r->next_ns / NS_PER_MS), "questions", (json_int_t)r->asked);

	json_object_set_new(o, "age_s",
		r->age_ns == UINT64_MAX ? json_null()
					: json_integer((json_int_t)(r->age_ns / NS_PER_SEC)));
	return o;
}

int api_get_names(void *ctx, struct admin_call *c)
{
	const struct app *app = ((struct api *)ctx)->app;
	json_t *rows = json_array();
	struct resolve_row r;

	for (uint32_t i = 0;
		app->resolve != NULL && resolve_row(app->resolve, i, clock_now_ns(), &r); i++)
		json_array_append_new(rows, row_json(&r));
	return json_object_set_new(c->out, "names", rows) == 0 ? 0 : -ENOMEM;
}

/* ---- statistics ---- */

struct name_sample {
	uint64_t addresses, ttl_s, age_s, failures, questions;
};

static const struct metric_row name_rows[] = {
	METRIC_G(struct name_sample, addresses, "Addresses that the name stands for"),
	{.key = "ttl_s",
		.name = "ttl_seconds",
		.help = "TTL of the last answer that had addresses",
		.type = METRIC_GAUGE,
		.offset = offsetof(struct name_sample, ttl_s)},
	{.key = "age_s",
		.name = "age_seconds",
		.help = "Time since that answer",
		.type = METRIC_GAUGE,
		.offset = offsetof(struct name_sample, age_s)},
	METRIC_G(struct name_sample, failures, "Failures since the last answer"),
	METRIC_C(struct name_sample, questions, "Questions asked"),
};

static void each_name(void *ctx, struct metric_sink *sink)
{
	const struct app *app = ctx;
	struct resolve_row r;

	for (uint32_t i = 0;
		app->resolve != NULL && resolve_row(app->resolve, i, clock_now_ns(), &r); i++) {
		const char *labels[] = {r.name, r.ip4 ? "ipv4" : "ipv6"};
		struct name_sample s = {.addresses = r.cnt,
			.ttl_s = r.ttl_s,
			.age_s = r.age_ns == UINT64_MAX ? 0 : r.age_ns / NS_PER_SEC,
			.failures = r.failures,
			.questions = r.asked};

		metric_add(sink, labels, &s);
	}
}

const struct metric_set metrics_names = {
	.name = "names",
	.prefix = "weir_name_",
	.labels = {"name", "family"},
	.rows = name_rows,
	.row_cnt = ARRAY_SIZE(name_rows),
	.sample_size = sizeof(struct name_sample),
	.each = each_name,
};

static const struct metric_row resolver_rows[] = {
	METRIC_C(struct resolve_stats, asked, "Questions asked"),
	METRIC_C(struct resolve_stats, answered, "Questions that ended, answered or not"),
	METRIC_C(struct resolve_stats, changes, "Times a name came to stand for other addresses"),
	METRIC_C(struct resolve_stats, stale, "Failures after which old addresses stayed in use"),
};

static void each_resolver(void *ctx, struct metric_sink *sink)
{
	const struct app *app = ctx;

	if (app->resolve != NULL)
		metric_add(sink, NULL, resolve_stats(app->resolve));
}

const struct metric_set metrics_resolver = {
	.name = "resolver",
	.prefix = "weir_resolver_",
	.rows = resolver_rows,
	.row_cnt = ARRAY_SIZE(resolver_rows),
	.sample_size = sizeof(struct resolve_stats),
	.each = each_resolver,
};

struct result_sample {
	uint64_t answers;
};

static const struct metric_row result_rows[] = {
	METRIC_C(struct result_sample, answers, "Questions by how they ended"),
};

static void each_result(void *ctx, struct metric_sink *sink)
{
	const struct app *app = ctx;

	for (int i = RESOLVE_OK; app->resolve != NULL && i < RESOLVE_RESULT_CNT; i++) {
		const char *labels[] = {resolve_result_word((enum resolve_result)i)};
		struct result_sample s = {resolve_stats(app->resolve)->by_result[i]};

		metric_add(sink, labels, &s);
	}
}

const struct metric_set metrics_resolver_results = {
	.name = "resolver_results",
	.prefix = "weir_resolver_",
	.labels = {"result"},
	.rows = result_rows,
	.row_cnt = ARRAY_SIZE(result_rows),
	.sample_size = sizeof(struct result_sample),
	.each = each_result,
};
