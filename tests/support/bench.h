/* SPDX-License-Identifier: Apache-2.0
 * bench - the table that people read and the JSON rows that programs read, for every benchmark.
 * Owner:  the benchmark program; one output at a time.
 * Units:  ratio > 1 means that weir is better. */
#ifndef TESTS_SUPPORT_BENCH_H
#define TESTS_SUPPORT_BENCH_H

#include "dataplane/base/compiler.h"

/* Also write every row into `path`; without it rows are only printed. */
void bench_json_open(const char *path);
void bench_json_close(void);

void bench_title(const char *text);

struct bench_row {
	const char *name, *metric, *unit;
	double value;
	const char *peer; /* NULL: none */
	double peer_value;
	bool lower_is_better;
};
void bench_row(const struct bench_row *row);

/* A row in cycles (lower is better); prints millions a second at this machine's TSC too. */
void bench_row_cycles(
	const char *name, const char *metric, double cycles, const char *peer, double peer_cycles);

/* Median of n values; reorders them. */
double bench_median(double *v, uint32_t n);

#endif
