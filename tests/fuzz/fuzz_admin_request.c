/* SPDX-License-Identifier: Apache-2.0
 * Any bytes as a request: lines of method, path, query, Host, Origin, Authorization, then the body.
 * Whatever comes, there is one answer with a status and a body, nothing runs that the gate should
 * have stopped, and the table's own checks hold. */
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/assert.h"
#include "lb/admin/admin_http.h"

#define TOKEN "0123456789abcdef"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool ran;

static int run(void *ctx, struct admin_call *c)
{
	uint64_t n = 0;
	int rc = admin_number(c, "n", 1, 100, &n);

	(void)ctx;
	ran = true;
	ASSERT(strlen(c->arg) < ADMIN_ARG_MAX && strchr(c->arg, '/') == NULL);
	if (rc < 0)
		return rc;
	ASSERT(rc == 0 || (n >= 1 && n <= 100));
	(void)admin_dry_run(c);
	if (admin_text(c, "name") != NULL)
		return admin_fail(c, -22, "name is %s", admin_text(c, "name"));
	return 0;
}

static const struct admin_param params[] = {
	{"name", "body", "string", "a name", false},
	{"n", "query", "integer", "a number", false},
	{NULL, NULL, NULL, NULL, false},
};
static const struct admin_route routes[] = {
	{"GET", "/v1/a/{id}", "read", run, .params = params},
	{"POST", "/v1/a", "change", run, .params = params, .flags = ADMIN_DRY_RUN},
	{"DELETE", "/v1/a/{id}", "remove", run, .params = params},
};

/* The next line, NUL-terminated in place; NULL for an empty one. */
static char *line(char **at, char *end)
{
	char *start = *at, *nl = memchr(start, '\n', (size_t)(end - start));

	if (nl == NULL)
		nl = end;
	*nl = '\0';
	*at = nl < end ? nl + 1 : end;
	return *start != '\0' ? start : NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct admin_site site = {routes, ARRAY_SIZE(routes), NULL, NULL, TOKEN, "1"};
	char *text = malloc(size + 1), *at = text, *end = text + size, *q, *save = NULL;
	struct admin_request req = {0};
	struct admin_answer a;

	ASSERT(text != NULL);
	memcpy(text, data, size);
	text[size] = '\0';
	req.method = line(&at, end);
	req.path = line(&at, end);
	q = line(&at, end);
	req.peer = (struct admin_peer){.http = true, .listen = "127.0.0.1:9180"};
	req.peer.host = line(&at, end);
	req.peer.origin = line(&at, end);
	req.peer.authorization = line(&at, end);
	req.peer.loopback = size % 2 == 0;
	req.body = at;
	req.body_len = (size_t)(end - at);
	if (req.method == NULL)
		req.method = "";
	if (req.path == NULL)
		req.path = "";
	for (q = q != NULL ? strtok_r(q, "&", &save) : NULL; q != NULL && req.query_cnt < 16;
		q = strtok_r(NULL, "&", &save)) {
		char *eq = strchr(q, '=');

		if (eq != NULL)
			*eq = '\0';
		req.query[req.query_cnt++] = (struct admin_pair){q, eq != NULL ? eq + 1 : NULL};
	}
	ran = false;
	admin_dispatch(&site, &req, &a);
	ASSERT(a.status >= 200 && a.status < 600 && a.body != NULL && a.content_type != NULL);
	if (ran && (strcmp(req.method, "GET") != 0 || !req.peer.loopback))
		ASSERT(strcmp(req.method, "HEAD") == 0 || req.peer.authorization != NULL);
	if (ran && strcmp(req.method, "POST") == 0)
		ASSERT(strcmp(req.peer.authorization + 7, TOKEN) == 0);
	free(a.body);
	free(text);
	return 0;
}
