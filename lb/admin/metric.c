/* SPDX-License-Identifier: Apache-2.0
 * All samples of a set are collected first, since Prometheus wants the lines of one family together
 * and they come object by object. */
#include "lb/admin/metric.h"

#include <stdlib.h>
#include <string.h>

struct metric_sink {
	const struct metric_set *set;
	char (*labels)[METRIC_LABELS][METRIC_LABEL_MAX];
	uint8_t *samples;
	uint32_t cnt, room;
	uint64_t left_out;
};

static bool sink_grow(struct metric_sink *s)
{
	uint32_t room = s->room == 0 ? 16 : 2 * s->room;
	void *labels = realloc(s->labels, room * sizeof(*s->labels));
	void *samples;

	if (labels == NULL)
		return false;
	s->labels = labels;
	samples = realloc(s->samples, (size_t)room * s->set->sample_size);
	if (samples == NULL)
		return false;
	s->samples = samples;
	s->room = room;
	return true;
}

void metric_add(struct metric_sink *s, const char *const *labels, const void *sample)
{
	if (s->cnt == METRIC_SAMPLES_MAX || (s->cnt == s->room && !sink_grow(s))) {
		s->left_out++;
		return;
	}
	for (uint32_t i = 0; i < METRIC_LABELS && s->set->labels[i] != NULL; i++)
		snprintf(s->labels[s->cnt][i], METRIC_LABEL_MAX, "%s", labels[i]);
	memcpy(s->samples + (size_t)s->cnt * s->set->sample_size, sample, s->set->sample_size);
	s->cnt++;
}

static void collect(struct metric_sink *s, const struct metric_set *set, void *ctx)
{
	*s = (struct metric_sink){.set = set};
	set->each(ctx, s);
}

static void discard(struct metric_sink *s)
{
	free(s->labels);
	free(s->samples);
}

static uint64_t value_u64(const struct metric_row *r, const uint8_t *sample)
{
	uint64_t v;

	memcpy(&v, sample + r->offset, sizeof(v));
	return v;
}

/* MT4 */
static bool is_ns(const struct metric_row *r)
{
	size_t len = strlen(r->key);

	return r->name == NULL && len > 3 && strcmp(r->key + len - 3, "_ns") == 0;
}

static double scale_of(const struct metric_row *r)
{
	return r->scale != 0 ? r->scale : is_ns(r) ? 1e-9 : 1;
}

static enum metric_type type_of(const struct metric_row *r)
{
	return r->type == METRIC_COUNTER && strstr(r->key, "_max_") != NULL
		       ? METRIC_GAUGE
		       : (enum metric_type)r->type;
}

static double value_of(const struct metric_row *r, const uint8_t *sample)
{
	double v;

	if (r->value == METRIC_F64)
		memcpy(&v, sample + r->offset, sizeof(v));
	else
		v = (double)value_u64(r, sample);
	return v * scale_of(r);
}

/* --- Prometheus ---------------------------------------------------------------------------- */

void metric_full_name(
	const struct metric_set *set, const struct metric_row *row, char *out, size_t size)
{
	const char *name = row->name != NULL ? row->name : row->key;
	size_t len = strlen(name);

	snprintf(out, size, "%s%.*s%s%s", set->prefix, (int)(is_ns(row) ? len - 3 : len), name,
		is_ns(row) ? "_seconds" : "", type_of(row) == METRIC_COUNTER ? "_total" : "");
}

static void put_escaped(FILE *out, const char *text, bool quote)
{
	for (; *text != '\0'; text++) {
		if (*text == '\\')
			fputs("\\\\", out);
		else if (*text == '\n')
			fputs("\\n", out);
		else if (quote && *text == '"')
			fputs("\\\"", out);
		else
			fputc(*text, out);
	}
}

/* {a="x",b="y"}, with le in it for a bucket. */
static void put_labels(FILE *out, const struct metric_sink *s, uint32_t i, const char *le)
{
	const char *sep = "{";

	for (uint32_t l = 0; l < METRIC_LABELS && s->set->labels[l] != NULL; l++) {
		fprintf(out, "%s%s=\"", sep, s->set->labels[l]);
		put_escaped(out, s->labels[i][l], true);
		fputc('"', out);
		sep = ",";
	}
	if (le != NULL) {
		fprintf(out, "%sle=\"%s\"", sep, le);
		sep = ",";
	}
	if (*sep == ',')
		fputc('}', out);
}

static void put_histogram(FILE *out, const struct metric_sink *s, const struct metric_row *r,
	const char *name, uint32_t i)
{
	struct metric_hist h;
	uint64_t sum = 0;
	char le[32];

	memcpy(&h, s->samples + (size_t)i * s->set->sample_size + r->offset, sizeof(h));
	for (uint32_t b = 0; b <= r->bound_cnt; b++) {
		sum += h.bucket[b];
		if (b < r->bound_cnt)
			snprintf(le, sizeof(le), "%.9g", r->bounds[b]);
		else
			snprintf(le, sizeof(le), "+Inf");
		fprintf(out, "%s_bucket", name);
		put_labels(out, s, i, le);
		fprintf(out, " %llu\n", (unsigned long long)sum);
	}
	fprintf(out, "%s_sum", name);
	put_labels(out, s, i, NULL);
	fprintf(out, " %.9g\n%s_count", (double)h.sum * scale_of(r), name);
	put_labels(out, s, i, NULL);
	fprintf(out, " %llu\n", (unsigned long long)sum);
}

static void put_family(FILE *out, const struct metric_sink *s, const struct metric_row *r)
{
	static const char *const types[] = {"counter", "gauge", "histogram"};
	char name[160];

	metric_full_name(s->set, r, name, sizeof(name));
	fprintf(out, "# HELP %s ", name);
	put_escaped(out, r->help, false);
	fprintf(out, "\n# TYPE %s %s\n", name, types[type_of(r)]);
	for (uint32_t i = 0; i < s->cnt; i++) {
		const uint8_t *sample = s->samples + (size_t)i * s->set->sample_size;

		if (r->type == METRIC_HISTOGRAM) {
			put_histogram(out, s, r, name, i);
			continue;
		}
		fputs(name, out);
		put_labels(out, s, i, NULL);
		if (r->value == METRIC_U64 && scale_of(r) == 1)
			fprintf(out, " %llu\n", (unsigned long long)value_u64(r, sample));
		else
			fprintf(out, " %.9g\n", value_of(r, sample));
	}
}

void metric_write_prometheus(const struct metric_list *list, FILE *out)
{
	uint64_t left_out = 0;

	for (uint32_t n = 0; n < list->cnt; n++) {
		struct metric_sink s;

		collect(&s, list->sets[n], list->ctx);
		for (uint32_t r = 0; s.cnt > 0 && r < s.set->row_cnt; r++)
			put_family(out, &s, &s.set->rows[r]);
		left_out += s.left_out;
		discard(&s);
	}
	fprintf(out,
		"# HELP weir_metrics_left_out Objects beyond the bound of one kind, not shown "
		"here\n# TYPE weir_metrics_left_out gauge\nweir_metrics_left_out %llu\n",
		(unsigned long long)left_out);
}

/* --- JSON ---------------------------------------------------------------------------------- */

static json_t *hist_json(const struct metric_row *r, const uint8_t *sample)
{
	json_t *o = json_object(), *buckets = json_array();
	struct metric_hist h;
	uint64_t cnt = 0;

	memcpy(&h, sample + r->offset, sizeof(h));
	for (uint32_t b = 0; b <= r->bound_cnt; b++) {
		json_t *e = json_object();

		cnt += h.bucket[b];
		json_object_set_new(
			e, "le", b < r->bound_cnt ? json_real(r->bounds[b]) : json_null());
		json_object_set_new(e, "count", json_integer((json_int_t)h.bucket[b]));
		json_array_append_new(buckets, e);
	}
	json_object_set_new(o, "count", json_integer((json_int_t)cnt));
	json_object_set_new(o, "sum", json_real((double)h.sum * scale_of(r)));
	json_object_set_new(o, "buckets", buckets);
	return o;
}

void metric_sample_json(const struct metric_set *set, const void *sample, json_t *o)
{
	for (uint32_t i = 0; i < set->row_cnt; i++) {
		const struct metric_row *r = &set->rows[i];
		json_t *v;
		double real;

		if (r->type == METRIC_HISTOGRAM) {
			v = hist_json(r, sample);
		} else if (r->value == METRIC_F64) {
			memcpy(&real, (const uint8_t *)sample + r->offset, sizeof(real));
			v = json_real(real);
		} else {
			v = json_integer((json_int_t)value_u64(r, sample));
		}
		json_object_set_new(o, r->key, v);
	}
}

void metric_write_json(const struct metric_set *set, void *ctx, json_t *array)
{
	struct metric_sink s;

	collect(&s, set, ctx);
	for (uint32_t i = 0; i < s.cnt; i++) {
		json_t *o = json_object();

		for (uint32_t l = 0; l < METRIC_LABELS && set->labels[l] != NULL; l++)
			json_object_set_new(o, set->labels[l], json_string(s.labels[i][l]));
		metric_sample_json(set, s.samples + (size_t)i * set->sample_size, o);
		json_array_append_new(array, o);
	}
	discard(&s);
}

const struct metric_set *metric_find(const struct metric_list *list, const char *name)
{
	for (uint32_t i = 0; i < list->cnt; i++)
		if (strcmp(list->sets[i]->name, name) == 0)
			return list->sets[i];
	return NULL;
}
