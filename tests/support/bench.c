/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/bench.h"

#include <stdio.h>
#include <stdlib.h>

#include "dataplane/base/time.h"

static FILE *json;
static bool first_row;

void bench_json_open(const char *path)
{
	json = fopen(path, "w");
	if (json == NULL) {
		perror(path);
		exit(1);
	}
	fputs("[", json);
	first_row = true;
}

void bench_json_close(void)
{
	if (json == NULL)
		return;
	fputs("\n]\n", json);
	if (fclose(json) != 0)
		perror("bench");
	json = NULL;
}

void bench_title(const char *text)
{
	printf("\n%s\n%-32s %14s %10s %18s %8s\n", text, "case", "value", "M/s", "peer", "ratio");
}

static double ratio_of(const struct bench_row *r)
{
	if (r->peer == NULL || r->value <= 0 || r->peer_value <= 0)
		return 0;
	return r->lower_is_better ? r->peer_value / r->value : r->value / r->peer_value;
}

static void row_to_json(const struct bench_row *r)
{
	if (json == NULL)
		return;
	fprintf(json,
		"%s\n  {\"case\": \"%s\", \"metric\": \"%s\", \"value\": %.4g, \"unit\": \"%s\"",
		first_row ? "" : ",", r->name, r->metric, r->value, r->unit);
	if (r->peer != NULL)
		fprintf(json, ", \"peer\": \"%s\", \"peer_value\": %.4g, \"ratio\": %.4g", r->peer,
			r->peer_value, ratio_of(r));
	fputs("}", json);
	first_row = false;
}

void bench_row(const struct bench_row *r)
{
	printf("%-32s %10.1f %-10s", r->name, r->value, r->unit);
	if (r->peer != NULL)
		printf(" %12.1f %-12s x%.2f", r->peer_value, r->peer, ratio_of(r));
	printf("\n");
	fflush(stdout);
	row_to_json(r);
}

void bench_row_cycles(
	const char *name, const char *metric, double cycles, const char *peer, double peer_cycles)
{
	struct bench_row r = {.name = name,
		.metric = metric,
		.unit = "cycles",
		.value = cycles,
		.peer = peer,
		.peer_value = peer_cycles,
		.lower_is_better = true};

	printf("%-32s %10.1f cyc %10.2f %10.1f %-10s %5.2f\n", name, cycles,
		(double)clock_scale.tsc_hz / cycles / 1e6, peer_cycles, peer, ratio_of(&r));
	fflush(stdout);
	row_to_json(&r);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

double bench_median(double *v, uint32_t n)
{
	qsort(v, n, sizeof(v[0]), by_value);
	return n % 2 == 1 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}
