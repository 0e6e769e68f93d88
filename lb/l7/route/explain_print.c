/* SPDX-License-Identifier: Apache-2.0
 * The explanation for people, and the command. */
#include <getopt.h>
#include <string.h>

#include "lb/l7/route/explain.h"

static const char *get(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

static void print_tries(const json_t *tries, FILE *out)
{
	size_t width = 5;
	size_t i;
	json_t *t;

	json_array_foreach(tries, i, t)
	{
		size_t n = strlen(get(t, "route"));

		width = n > width ? n : width;
	}
	fprintf(out, "\n  line  %-*s  result\n", (int)width, "route");
	json_array_foreach(tries, i, t)
	{
		bool matched = json_is_true(json_object_get(t, "matched"));
		const char *detail = get(t, "detail");

		fprintf(out, "%6lld  %-*s  ",
			(long long)json_integer_value(json_object_get(t, "line")), (int)width,
			get(t, "route"));
		if (matched)
			fputs("matches", out);
		else
			fprintf(out, "no: %s%s%s%s", get(t, "why"), *detail ? " " : "", detail,
				json_is_true(json_object_get(t, "near"))
					? " (nearly: all else holds)"
					: "");
		fputc('\n', out);
	}
}

static void print_pairs(const char *title, const json_t *pairs, FILE *out)
{
	size_t i;
	json_t *p;

	if (json_array_size(pairs) == 0)
		return;
	if (title)
		fprintf(out, "\n%s\n", title);
	json_array_foreach(pairs, i, p) fprintf(out, "  %s: %s\n",
		json_string_value(json_array_get(p, 0)), json_string_value(json_array_get(p, 1)));
}

static void print_policies(const json_t *o, FILE *out)
{
	const json_t *list = json_object_get(o, "policies");
	size_t i;
	json_t *p;

	if (json_array_size(list) == 0)
		return;
	fputs("\npolicies, in this order\n", out);
	json_array_foreach(list, i, p) fprintf(out, "  %s\n", json_string_value(p));
}

static void print_answer(const json_t *a, FILE *out)
{
	fprintf(out, "\nweir answers %lld",
		(long long)json_integer_value(json_object_get(a, "status")));
	if (*get(a, "location"))
		fprintf(out, ", Location: %s", get(a, "location"));
	fputc('\n', out);
	if (*get(a, "body"))
		fprintf(out, "  %s\n", get(a, "body"));
}

static void print_backends(const json_t *o, FILE *out)
{
	const json_t *one = json_object_get(o, "backend"), *list = json_object_get(o, "backends");
	size_t i;
	json_t *b;

	if (one)
		fprintf(out, "backend %s, %s\n", get(one, "address"), get(one, "why"));
	if (!list)
		return;
	if (json_array_size(list) == 0) {
		fputs("backend: none takes new requests\n", out);
		return;
	}
	fprintf(out, "backend %s:\n", get(o, "backends_why"));
	json_array_foreach(list, i, b)
		fprintf(out, "  %s  %s\n", get(b, "address"), get(b, "share"));
}

void explain_print(const json_t *o, FILE *out)
{
	const json_t *req = json_object_get(o, "request"), *up = json_object_get(o, "upstream");
	const json_t *sees = json_object_get(o, "sees");

	fprintf(out, "%s %s from %s: listener %s, site %s\n", get(req, "method"), get(req, "url"),
		get(req, "client"), get(o, "listener"), get(o, "site"));
	if (*get(req, "path"))
		fprintf(out, "the path is taken as %s\n", get(req, "path"));
	if (*get(req, "behind"))
		fprintf(out, "the client is %s, as a trusted proxy says\n", get(req, "behind"));
	if (json_object_get(o, "tries"))
		print_tries(json_object_get(o, "tries"), out);
	if (json_is_null(json_object_get(o, "route")))
		fputs("\nno route matches: 404\n", out);
	print_policies(o, out);
	if (json_object_get(o, "answer"))
		print_answer(json_object_get(o, "answer"), out);
	if (up)
		fprintf(out, "\nupstream %s: %s\n", get(up, "name"), get(up, "why"));
	print_backends(o, out);
	if (*get(o, "refused"))
		fprintf(out, "\nrefused: %s\n", get(o, "refused"));
	if (sees) {
		fprintf(out, "\nthe backend sees\n  %s\n", get(sees, "line"));
		print_pairs(NULL, json_object_get(sees, "headers"), out);
	}
	print_pairs("the response gets", json_object_get(o, "adds"), out);
}
