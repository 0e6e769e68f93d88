/* SPDX-License-Identifier: Apache-2.0
 * metric - statistics as tables: one set is one kind of object (worker, port, backend), one row is
 * one value of it. The same table makes the Prometheus text, the JSON of /v1/metrics and the DPDK
 * telemetry commands, so a new feature adds one set and nothing else.
 * Owner:      sets are static data; samples are copies on the stack of who reads them.
 * Invariants: MT1 a name has letters, digits and underscores alone. MT2 a counter's exported name
 *             ends in _total. MT3 all samples of a family stand together. MT4 a row whose key ends
 *             in _ns and that has no name of its own is exported in seconds; one with _max_ in it
 *             is the largest that was seen, so a gauge.
 * Units:      a row's `scale` turns what the sample holds into the base unit (seconds, bytes).
 * Limits:     METRIC_SAMPLES_MAX objects a set and scrape; what is beyond is counted in
 *             weir_metrics_left_out, so that a large configuration cannot flood the collector.
 * Cost:       control thread only; one copy of a sample for each object. */
#ifndef LB_ADMIN_METRIC_H
#define LB_ADMIN_METRIC_H

#include <jansson.h>
#include <stdio.h>

#include "dataplane/base/compiler.h"

#define METRIC_LABELS      4
#define METRIC_LABEL_MAX   96
#define METRIC_SAMPLES_MAX 4096
#define METRIC_BUCKETS     24

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };
enum metric_value { METRIC_U64, METRIC_F64 };

/* In a sample. sum is in the unit of the bounds before `scale`. */
struct metric_hist {
	uint64_t bucket[METRIC_BUCKETS]; /* not cumulative; the one behind the last bound: +Inf */
	uint64_t sum;
};

struct metric_row {
	const char *key;  /* in JSON: "longest_loop_us" */
	const char *name; /* in Prometheus, without prefix and _total; NULL: as the key */
	const char *help;
	uint8_t type;  /* enum metric_type */
	uint8_t value; /* enum metric_value; a histogram has none */
	uint32_t offset;
	double scale;         /* 0: 1 */
	const double *bounds; /* histogram: upper bounds in the base unit */
	uint32_t bound_cnt;   /* below METRIC_BUCKETS */
};

/* Rows of uint64_t members. */
#define METRIC_C(type_, member, help_)                                 \
	{                                                              \
		.key = #member, .help = help_, .type = METRIC_COUNTER, \
		.offset = offsetof(type_, member)                      \
	}
#define METRIC_G(type_, member, help_)                               \
	{                                                            \
		.key = #member, .help = help_, .type = METRIC_GAUGE, \
		.offset = offsetof(type_, member)                    \
	}

struct metric_sink;

struct metric_set {
	const char *name;   /* "workers": in paths and JSON */
	const char *prefix; /* "weir_worker_" */
	const char *labels[METRIC_LABELS];
	const struct metric_row *rows;
	uint32_t row_cnt;
	uint32_t sample_size;
	/* Calls metric_add() for each object. */
	void (*each)(void *ctx, struct metric_sink *sink);
};

/* labels: as many texts as the set has names; the sample is copied. */
void metric_add(struct metric_sink *sink, const char *const *labels, const void *sample);

/* The sets of the process, in the order of their output. */
struct metric_list {
	const struct metric_set *const *sets;
	uint32_t cnt;
	void *ctx;
};

/* Exposition format 0.0.4 of all sets. */
void metric_write_prometheus(const struct metric_list *list, FILE *out);
/* One object for each sample, appended to `array`. */
void metric_write_json(const struct metric_set *set, void *ctx, json_t *array);
/* NULL if there is none of this name. */
const struct metric_set *metric_find(const struct metric_list *list, const char *name);
/* The exported name of a row, with prefix and suffix. */
void metric_full_name(
	const struct metric_set *set, const struct metric_row *row, char *out, size_t size);
/* The rows of one sample into a JSON object; labels are not in it. */
void metric_sample_json(const struct metric_set *set, const void *sample, json_t *o);

#endif
