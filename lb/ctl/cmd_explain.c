/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "lb/ctl/ctl_pvt.h"

static void print_explain(struct ctl *c, const json_t *b)
{
	const char *word = json_string_value(json_object_get(b, "verdict"));
	const char *reason = json_string_value(json_object_get(b, "reason"));
	char clean[256];
	json_t *s;
	size_t i;

	json_array_foreach(json_object_get(b, "steps"), i, s) fprintf(c->out, "%-9s %s\n",
		json_string_value(json_object_get(s, "step")),
		ctl_clean(json_string_value(json_object_get(s, "text")), clean, sizeof(clean)));
	fprintf(c->out, "%-9s %s%s%s", "verdict", ctl_color(c, ctl_state_color(word)), word,
		ctl_color(c, CTL_PLAIN));
	if (reason != NULL)
		fprintf(c->out, ": %s (%s)", reason,
			json_string_value(json_object_get(b, "reason_text")));
	fputc('\n', c->out);
}

int cmd_explain(struct ctl *c, char **argv, int argc)
{
	char path[512] = "/v1/explain";
	bool proto = strcmp(argv[0], "tcp") == 0 || strcmp(argv[0], "udp") == 0;

	if (argc != 2 + proto)
		return ctl_usage("explain: [tcp|udp] SOURCE:PORT DESTINATION:PORT");
	ctl_add_query(path, sizeof(path), "protocol", proto ? argv[0] : "tcp");
	ctl_add_query(path, sizeof(path), "source", argv[proto]);
	ctl_add_query(path, sizeof(path), "destination", argv[proto + 1]);
	ctl_add_query(path, sizeof(path), "flags", c->ack ? "ack" : NULL);
	return ctl_show(c, "GET", path, NULL, print_explain);
}
