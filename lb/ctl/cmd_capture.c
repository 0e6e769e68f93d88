/* SPDX-License-Identifier: Apache-2.0
 * Captures: begin, fetch what there is until it is done, end. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lb/admin/admin_client.h"
#include "lb/ctl/ctl_pvt.h"

#define PAUSE_NS 100000000

static volatile sig_atomic_t stopped;

static void on_signal(int sig)
{
	(void)sig;
	stopped = 1;
}

static int add_number(json_t *in, const char *name, const char *text)
{
	char *end;
	long n = text != NULL ? strtol(text, &end, 10) : 0;

	if (text == NULL)
		return CTL_OK;
	if (n <= 0 || *end != '\0')
		return ctl_usage("--%s: '%s' is no number", name, text);
	json_object_set_new(in, name, json_integer(n));
	return CTL_OK;
}

static void print_dry(struct ctl *c, const json_t *b)
{
	fprintf(c->out,
		"At most %lld packets, %lld bytes of each, for at most %lld s would be copied. "
		"Nothing was begun.\n",
		(long long)json_integer_value(json_object_get(b, "count")),
		(long long)json_integer_value(json_object_get(b, "snap")),
		(long long)json_integer_value(json_object_get(b, "seconds")));
}

/* CTL_OK and *id, or why not. A dry run has said what there is to say: *id stays 0. */
static int begin(struct ctl *c, const char *filter, bool flows, long long *id)
{
	json_t *in = json_object(), *out;
	int rc = add_number(in, "count", c->count);

	if (rc == CTL_OK)
		rc = add_number(in, "seconds", c->seconds);
	if (rc == CTL_OK)
		rc = add_number(in, "snap", c->snap);
	if (rc != CTL_OK) {
		json_decref(in);
		return rc;
	}
	if (filter != NULL)
		json_object_set_new(in, "filter", json_string(filter));
	if (c->direction != NULL)
		json_object_set_new(in, "direction", json_string(c->direction));
	if (flows)
		json_object_set_new(in, "flows", json_true());
	if (c->dry_run)
		return ctl_change(c, "/v1/capture", in, print_dry);
	rc = ctl_ask(c, "POST", "/v1/capture", in, &out);
	if (rc == CTL_OK)
		*id = (long long)json_integer_value(json_object_get(out, "id"));
	if (rc == CTL_OK)
		json_decref(out);
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	return rc;
}

static void end(struct ctl *c, long long id)
{
	char path[64];
	json_t *out;

	snprintf(path, sizeof(path), "/v1/capture/%lld", id);
	if (ctl_ask(c, "DELETE", path, NULL, &out) == CTL_OK)
		json_decref(out);
}

static void nap(void)
{
	struct timespec ts = {.tv_nsec = PAUSE_NS};

	nanosleep(&ts, NULL);
}

static int fetch_file(struct ctl *c, long long id, FILE *to)
{
	char path[64];
	struct admin_ask ask = {.method = "GET", .path = path};
	struct admin_got got;
	int err;

	snprintf(path, sizeof(path), "/v1/capture-file/%lld", id);
	err = admin_exchange(&c->to, &ask, &got);
	if (err < 0)
		return ctl_unreachable(c, err, &got);
	err = got.status < 300 && fwrite(got.text, 1, got.len, to) == got.len && fflush(to) == 0
		      ? CTL_OK
		      : CTL_REFUSED;
	free(got.text);
	return err;
}

/* Until it is done: `take` what there is, then ask how it goes. */
static int follow(struct ctl *c, long long id, FILE *to, json_t **last)
{
	char path[64];
	int rc = CTL_OK;

	*last = NULL;
	snprintf(path, sizeof(path), "/v1/capture/%lld", id);
	while (rc == CTL_OK) {
		rc = fetch_file(c, id, to);
		json_decref(*last);
		*last = NULL;
		if (rc == CTL_OK)
			rc = ctl_ask(c, "GET", path, NULL, last);
		if (rc != CTL_OK || json_is_true(json_object_get(*last, "done")))
			break;
		if (stopped == 1) {
			end(c, id);
			stopped = 2;
		}
		nap();
	}
	return rc;
}

int cmd_capture(struct ctl *c, char **argv, int argc)
{
	bool std = c->output == NULL || strcmp(c->output, "-") == 0;
	json_t *last = NULL;
	long long id = 0;
	FILE *to;
	int rc;

	if (c->dry_run)
		return begin(c, argc > 0 ? argv[0] : NULL, false, &id);
	to = std ? c->out : fopen(c->output, "wb");
	if (to == NULL) {
		fprintf(stderr, "weirctl: %s: %s\n", c->output, strerror(errno));
		return CTL_REFUSED;
	}
	rc = begin(c, argc > 0 ? argv[0] : NULL, false, &id);
	if (rc == CTL_OK)
		rc = follow(c, id, to, &last);
	if (last != NULL)
		fprintf(stderr, "%lld packets captured, %lld dropped for want of room\n",
			(long long)json_integer_value(json_object_get(last, "packets")),
			(long long)json_integer_value(json_object_get(last, "dropped")));
	json_decref(last);
	if (!std && fclose(to) != 0 && rc == CTL_OK)
		rc = CTL_REFUSED;
	return rc;
}

/* --- trace --------------------------------------------------------------------------------- */

static const char *text_of(const json_t *o, const char *key, char *out, size_t size)
{
	return ctl_clean(json_string_value(json_object_get(o, key)), out, size);
}

static void print_event(struct ctl *c, const json_t *e)
{
	long long ns = (long long)json_integer_value(json_object_get(e, "time_ns"));
	const json_t *flow = json_object_get(e, "flow");
	char a[96], b[96], f[16], d[16], p[40], v[256], s[80], k[96], st[32], when[32];
	time_t t = (time_t)(ns / 1000000000);
	struct tm tm;

	strftime(when, sizeof(when), "%H:%M:%S", localtime_r(&t, &tm));
	fprintf(c->out, "%s.%06lld %-6s %-8s %s > %s%s%s len %lld", when, ns % 1000000000 / 1000,
		text_of(e, "direction", d, sizeof(d)), text_of(e, "port", p, sizeof(p)),
		text_of(e, "source", a, sizeof(a)), text_of(e, "destination", b, sizeof(b)),
		json_object_get(e, "flags") != NULL ? " " : "", text_of(e, "flags", f, sizeof(f)),
		(long long)json_integer_value(json_object_get(e, "length")));
	if (flow != NULL)
		fprintf(c->out, " | %s%s %s, backend %s",
			json_is_true(json_object_get(e, "new_flow")) ? "new " : "",
			text_of(flow, "state", st, sizeof(st)),
			text_of(flow, "service", s, sizeof(s)),
			text_of(flow, "backend", k, sizeof(k)));
	fprintf(c->out, " | %s%s%s\n",
		json_object_get(e, "reason") != NULL ? ctl_color(c, CTL_YELLOW) : "",
		text_of(e, "verdict", v, sizeof(v)),
		json_object_get(e, "reason") != NULL ? ctl_color(c, CTL_PLAIN) : "");
}

int cmd_trace(struct ctl *c, char **argv, int argc)
{
	char path[64];
	long long id = 0;
	bool done = false;
	int rc = begin(c, argc > 0 ? argv[0] : NULL, true, &id);

	snprintf(path, sizeof(path), "/v1/capture/%lld?events=true", id);
	while (rc == CTL_OK && !done && !c->dry_run) {
		json_t *out, *e;
		size_t i;

		rc = ctl_ask(c, "GET", path, NULL, &out);
		if (rc != CTL_OK)
			break;
		json_array_foreach(json_object_get(out, "events"), i, e)
		{
			if (!c->json) {
				print_event(c, e);
				continue;
			}
			json_dumpf(e, c->out, JSON_COMPACT);
			fputc('\n', c->out);
		}
		fflush(c->out);
		done = json_is_true(json_object_get(out, "done"));
		json_decref(out);
		if (stopped == 1) {
			end(c, id);
			stopped = 2;
		}
		if (!done)
			nap();
	}
	return rc;
}
