/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "lb/admin/admin_client.h"
#include "lb/ctl/ctl_pvt.h"

int ctl_usage(const char *fmt, ...)
{
	va_list ap;

	fputs("weirctl: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputs("\nTry `weirctl help`.\n", stderr);
	return CTL_USAGE;
}

void ctl_print_json(struct ctl *c, const json_t *v)
{
	json_dumpf(v, c->out, JSON_INDENT(2));
	fputc('\n', c->out);
}

int ctl_unreachable(const struct ctl *c, int err, const struct admin_got *got)
{
	char clean[ADMIN_WHY];

	fprintf(stderr, "weirctl: %s: %s\n", c->to.at,
		got->why[0] != '\0'                      ? ctl_clean(got->why, clean, sizeof(clean))
		: err == -ECONNREFUSED || err == -ENOENT ? "no weir listens here"
							 : strerror(-err));
	return err == -EPROTO || err == -EMSGSIZE || err == -EPERM ? CTL_REFUSED : CTL_UNREACHABLE;
}

int ctl_ask_text(struct ctl *c, const char *method, const char *path, const char *body, size_t len,
	unsigned *status, json_t **out)
{
	struct admin_ask ask = {.method = method,
		.path = path,
		.body = body,
		.body_len = len,
		.content_type = "text/plain"};
	struct admin_got got;
	int err = admin_exchange(&c->to, &ask, &got);

	*out = NULL;
	if (err < 0)
		return ctl_unreachable(c, err, &got);
	*status = got.status;
	*out = json_loadb(got.text, got.len, 0, NULL);
	free(got.text);
	return *out != NULL ? CTL_OK : ctl_unreachable(c, -EPROTO, &got);
}

void ctl_say_error(const json_t *body)
{
	const char *text = json_string_value(json_object_get(body, "error"));
	const char *messages = json_string_value(json_object_get(body, "messages"));
	char clean[1024];

	if (messages != NULL && messages[0] != '\0')
		fputs(messages, stderr);
	fprintf(stderr, "weirctl: %s\n",
		ctl_clean(text != NULL ? text : "refused", clean, sizeof(clean)));
}

int ctl_ask(struct ctl *c, const char *method, const char *path, json_t *in, json_t **out)
{
	char *body = in != NULL ? json_dumps(in, JSON_COMPACT) : NULL;
	unsigned status = 0;
	int rc = ctl_ask_text(c, method, path, body, body != NULL ? strlen(body) : 0, &status, out);

	free(body);
	json_decref(in);
	if (rc != CTL_OK)
		return rc;
	if (status < 300)
		return CTL_OK;
	if (c->json)
		ctl_print_json(c, *out);
	ctl_say_error(*out);
	json_decref(*out);
	*out = NULL;
	return CTL_REFUSED;
}

int ctl_show(struct ctl *c, const char *method, const char *path, json_t *in,
	void (*print)(struct ctl *c, const json_t *body))
{
	json_t *body;
	int rc = ctl_ask(c, method, path, in, &body);

	if (rc != CTL_OK)
		return rc;
	if (c->json)
		ctl_print_json(c, body);
	else
		print(c, body);
	json_decref(body);
	return CTL_OK;
}

int ctl_change(struct ctl *c, const char *path, json_t *in,
	void (*print)(struct ctl *c, const json_t *body))
{
	char dry[128];

	snprintf(dry, sizeof(dry), "%s%s", path, c->dry_run ? "?dry_run=true" : "");
	return ctl_show(c, "POST", dry, in, print);
}

void ctl_add_query(char *path, size_t size, const char *name, const char *value)
{
	size_t n = strlen(path);

	if (value == NULL)
		return;
	n += (size_t)snprintf(
		path + n, size - n, "%c%s=", strchr(path, '?') == NULL ? '?' : '&', name);
	for (; *value != '\0' && n + 4 < size; value++) {
		unsigned char ch = (unsigned char)*value;

		if ((ch >= '0' && ch <= '9') || (ch >= 'a' && ch <= 'z') ||
			(ch >= 'A' && ch <= 'Z') || strchr("-._~", ch) != NULL)
			path[n++] = (char)ch;
		else
			n += (size_t)snprintf(path + n, size - n, "%%%02X", ch);
	}
	path[n] = '\0';
}
