/* SPDX-License-Identifier: Apache-2.0
 * Configurations: what one would change, those of before, and the way back. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lb/admin/admin_client.h"
#include "lb/ctl/ctl_pvt.h"

#define FILE_MAX (4u << 20)

static int read_file(const char *path, char **text, size_t *len)
{
	FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
	char *buf = f != NULL ? malloc(FILE_MAX) : NULL;
	bool bad;

	*len = buf != NULL ? fread(buf, 1, FILE_MAX, f) : 0;
	bad = buf == NULL || ferror(f) || *len == FILE_MAX;
	if (bad)
		fprintf(stderr, "weirctl: %s: %s\n", path,
			errno != 0 ? strerror(errno) : "too large");
	if (f != NULL && f != stdin)
		fclose(f);
	if (bad) {
		free(buf);
		return -1;
	}
	*text = buf;
	return 0;
}

static double number(const json_t *o, const char *key)
{
	return json_number_value(json_object_get(o, key));
}

static void print_differences(struct ctl *c, const json_t *list)
{
	static const char *const signs[] = {"+", "-", "~"};
	char path[256], from[256], to[256];
	json_t *d;
	size_t i;

	json_array_foreach(list, i, d)
	{
		const char *change = json_string_value(json_object_get(d, "change"));
		int k = change[0] == 'a' ? 0 : change[0] == 'r' ? 1 : 2;
		const char *was = json_string_value(json_object_get(d, "from"));
		const char *is = json_string_value(json_object_get(d, "to"));

		fprintf(c->out, "%s%s %s",
			ctl_color(c, k == 0   ? CTL_GREEN
				     : k == 1 ? CTL_RED
					      : CTL_YELLOW),
			signs[k],
			ctl_clean(
				json_string_value(json_object_get(d, "path")), path, sizeof(path)));
		if (was != NULL || is != NULL)
			fprintf(c->out, ": %s%s%s",
				ctl_clean(was != NULL ? was : "", from, sizeof(from)),
				was != NULL && is != NULL ? " -> " : "",
				ctl_clean(is != NULL ? is : "", to, sizeof(to)));
		fprintf(c->out, "%s%s\n",
			json_is_true(json_object_get(d, "restart")) ? "  (restart)" : "",
			ctl_color(c, CTL_PLAIN));
	}
}

static void print_pool(struct ctl *c, const json_t *p, const char *what)
{
	static const struct ctl_column cols[] = {{"backend", "  BACKEND", CTL_TEXT},
		{"weight", "WEIGHT", CTL_NUMBER}, {"usable", "USED", CTL_TEXT},
		{"share", "SHARE", CTL_PERCENT}, {"health", "HEALTH", CTL_TEXT}};
	const json_t *moved = json_object_get(p, "moved"), *ports;
	const char *change = json_string_value(json_object_get(p, "change"));
	char name[128];

	if (strcmp(change, "unchanged") == 0)
		return;
	fprintf(c->out, "\n%s %s: %s\n", what,
		ctl_clean(json_string_value(json_object_get(p, "name")), name, sizeof(name)),
		change);
	if (json_is_real(moved))
		fprintf(c->out, "  %.1f%% of new flows go to another backend\n",
			json_real_value(moved) * 100);
	if (json_object_get(p, "active_flows") != NULL)
		fprintf(c->out, "  %.0f tracked flows, %.0f of them on backends that go\n",
			number(p, "active_flows"), number(p, "ending_flows"));
	ports = json_object_get(p, "port_headroom");
	if (ports != NULL)
		fprintf(c->out, "  %.0f full NAT ports left towards the busiest backend\n",
			json_number_value(ports));
	if (json_array_size(json_object_get(p, "backends")) > 0)
		ctl_table(c, json_object_get(p, "backends"), cols, ARRAY_SIZE(cols));
}

void ctl_print_plan(struct ctl *c, const json_t *b)
{
	const json_t *m = json_object_get(b, "memory");
	const char *messages = json_string_value(json_object_get(b, "messages"));
	json_t *p;
	size_t i;

	if (messages != NULL)
		fputs(messages, stderr);
	if (!json_is_true(json_object_get(b, "changes"))) {
		fputs("nothing changes\n", c->out);
		return;
	}
	print_differences(c, json_object_get(b, "differences"));
	json_array_foreach(json_object_get(b, "services"), i, p) print_pool(c, p, "service");
	json_array_foreach(json_object_get(b, "listeners"), i, p) print_pool(c, p, "listener");
	json_array_foreach(json_object_get(b, "upstreams"), i, p) print_pool(c, p, "upstream");
	fprintf(c->out,
		"\nmemory: packets %.0f MiB (now %.0f), flow tables %.0f MiB (now %.0f), "
		"scheduler tables %.1f MiB\n",
		number(m, "packets") / 1048576, number(m, "packets_now") / 1048576,
		number(m, "flows") / 1048576, number(m, "flows_now") / 1048576,
		number(m, "scheduler_tables") / 1048576);
	if (number(b, "overrides_lost") > 0)
		fprintf(c->out,
			"%.0f overrides of backends would be forgotten (weirctl overrides)\n",
			number(b, "overrides_lost"));
	if (json_is_true(json_object_get(b, "needs_restart")))
		fputs("A reload would be refused: this needs a restart.\n", c->out);
}

int cmd_plan(struct ctl *c, char **argv, int argc)
{
	char path[512] = "/v1/plan", *text;
	unsigned status = 0;
	json_t *body;
	size_t len;
	int rc;

	(void)argc;
	errno = 0;
	if (read_file(argv[0], &text, &len) != 0)
		return CTL_REFUSED;
	ctl_add_query(path, sizeof(path), "name", argv[0]);
	rc = ctl_ask_text(c, "POST", path, text, len, &status, &body);
	free(text);
	if (rc != CTL_OK)
		return rc;
	if (c->json)
		ctl_print_json(c, body);
	if (status >= 300) {
		const char *said = json_string_value(json_object_get(body, "messages"));
		const char *error = json_string_value(json_object_get(body, "error"));

		fprintf(stderr, "%sweirctl: %s\n", said != NULL ? said : "",
			error != NULL ? error : "refused");
		rc = CTL_REFUSED;
	} else {
		if (!c->json)
			ctl_print_plan(c, body);
		rc = json_is_true(json_object_get(body, "needs_restart")) ? CTL_RESTART
		     : json_is_true(json_object_get(body, "changes"))     ? CTL_CHANGES
									  : CTL_OK;
	}
	json_decref(body);
	return rc;
}

static void print_history(struct ctl *c, const json_t *b)
{
	static const struct ctl_column cols[] = {{"id", "ID", CTL_NUMBER},
		{"time", "TIME", CTL_TEXT}, {"generation", "GENERATION", CTL_NUMBER},
		{"in_force", "IN FORCE", CTL_TEXT}, {"origin", "ORIGIN", CTL_TEXT}};

	ctl_table(c, json_object_get(b, "configurations"), cols, ARRAY_SIZE(cols));
}

int cmd_history(struct ctl *c, char **argv, int argc)
{
	(void)argv;
	(void)argc;
	return ctl_show(c, "GET", "/v1/config/history", NULL, print_history);
}

int cmd_config(struct ctl *c, char **argv, int argc)
{
	char path[64] = "/v1/config";
	struct admin_ask ask = {.method = "GET", .path = path};
	struct admin_got got;
	int err;

	if (c->json)
		return ctl_usage("config is YAML");
	ctl_add_query(path, sizeof(path), "id", argc > 0 ? argv[0] : NULL);
	err = admin_exchange(&c->to, &ask, &got);
	if (err < 0)
		return ctl_unreachable(c, err, &got);
	if (got.status < 300) {
		fputs(got.text, c->out);
	} else {
		json_t *body = json_loadb(got.text, got.len, 0, NULL);

		ctl_say_error(body);
		json_decref(body);
	}
	free(got.text);
	return got.status < 300 ? CTL_OK : CTL_REFUSED;
}

static void print_rollback(struct ctl *c, const json_t *b)
{
	if (json_is_true(json_object_get(b, "changed"))) {
		fprintf(c->out, "configuration %.0f is in force again: generation %.0f\n",
			number(b, "id"), number(b, "generation"));
		return;
	}
	ctl_print_plan(c, b);
	fprintf(c->out, "Configuration %.0f would be put into force. Nothing was changed.\n",
		number(b, "id"));
}

int cmd_rollback(struct ctl *c, char **argv, int argc)
{
	json_t *in = json_object();
	char *end = NULL;
	long id = argc > 0 ? strtol(argv[0], &end, 10) : 0;

	if (argc > 0 && (id <= 0 || *end != '\0')) {
		json_decref(in);
		return ctl_usage("rollback: '%s' is no number of the history", argv[0]);
	}
	if (argc > 0)
		json_object_set_new(in, "id", json_integer(id));
	return ctl_change(c, "/v1/rollback", in, print_rollback);
}
