/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "lb/ctl/ctl_pvt.h"
#include "lb/l7/route/explain.h"

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

/* `weir route` prints it; the text came from another process. */
static void print_request(struct ctl *c, const json_t *b)
{
	static const struct ctl_column cols[] = {{"backend", "SERVER", CTL_TEXT},
		{"state", "STATE", CTL_STATE}, {"weight", "WEIGHT", CTL_NUMBER},
		{"override", "OVERRIDE", CTL_TEXT}, {"active", "ACTIVE", CTL_SI},
		{"requests", "REQUESTS", CTL_SI}, {"conns", "CONNS", CTL_SI}};
	const json_t *servers = json_object_get(b, "servers");
	char *text = NULL, *save = NULL, clean[4096];
	size_t len = 0;
	FILE *mem = open_memstream(&text, &len);

	if (mem == NULL)
		return;
	explain_print(b, mem);
	fclose(mem);
	for (char *l = text; l != NULL && *l != '\0'; l = save) {
		save = strchr(l, '\n');
		if (save != NULL)
			*save++ = '\0';
		fprintf(c->out, "%s\n", ctl_clean(l, clean, sizeof(clean)));
	}
	free(text);
	if (json_array_size(servers) > 0) {
		fputs("\nits servers now\n", c->out);
		ctl_table(c, servers, cols, ARRAY_SIZE(cols));
	}
}

static int explain_request_of(struct ctl *c, const char *method, const char *url)
{
	json_t *in = json_pack("{s:s, s:s}", "method", method, "url", url);
	char headers[32768] = "";
	size_t n = 0;

	for (uint32_t i = 0; i < c->header_cnt; i++) {
		size_t len = strlen(c->headers[i]);

		if (n + len + 2 > sizeof(headers) || strpbrk(c->headers[i], "\r\n") != NULL) {
			json_decref(in);
			return ctl_usage("-H: too long, or more than a line");
		}
		n += (size_t)snprintf(headers + n, sizeof(headers) - n, "%s\n", c->headers[i]);
	}
	if (n > 0)
		json_object_set_new(in, "headers", json_string(headers));
	if (c->client != NULL)
		json_object_set_new(in, "client", json_string(c->client));
	if (c->via != NULL)
		json_object_set_new(in, "listener", json_string(c->via));
	return ctl_show(c, "POST", "/v1/explain", in, print_request);
}

int cmd_explain(struct ctl *c, char **argv, int argc)
{
	char path[512] = "/v1/explain";
	bool proto = strcmp(argv[0], "tcp") == 0 || strcmp(argv[0], "udp") == 0;

	/* Addresses begin with a digit or hold a colon, methods do neither. */
	if (argc == 2 && !proto && isalpha((unsigned char)argv[0][0]) && !strchr(argv[0], ':'))
		return explain_request_of(c, argv[0], argv[1]);
	if (argc != 2 + proto)
		return ctl_usage("explain: [tcp|udp] SOURCE:PORT DESTINATION:PORT, or METHOD URL");
	if (c->header_cnt > 0 || c->via != NULL || c->client != NULL)
		return ctl_usage("explain: -H, -L and -c are of requests");
	ctl_add_query(path, sizeof(path), "protocol", proto ? argv[0] : "tcp");
	ctl_add_query(path, sizeof(path), "source", argv[proto]);
	ctl_add_query(path, sizeof(path), "destination", argv[proto + 1]);
	ctl_add_query(path, sizeof(path), "flags", c->ack ? "ack" : NULL);
	return ctl_show(c, "GET", path, NULL, print_explain);
}
