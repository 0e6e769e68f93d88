/* SPDX-License-Identifier: Apache-2.0
 * The ambiguous messages of tests/corpus/http1 against the codec, as a proxy uses it: NAME.http is
 * what comes in, NAME.verdict what may come out of it (README.md there says how it is written). */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/h1_run.h"

#define TEXT_MAX 65536
#define CORPUS   "tests/corpus/http1/"

struct text {
	char at[TEXT_MAX];
	size_t len;
};

static void say(struct text *t, const char *s)
{
	size_t n = strlen(s);

	assert_true(t->len + n < TEXT_MAX);
	memcpy(t->at + t->len, s, n + 1);
	t->len += n;
}

static void say_bytes(struct text *t, const char *at, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++) {
		uint8_t c = (uint8_t)at[i];
		char b[8];

		if (c == '\\')
			snprintf(b, sizeof(b), "\\\\");
		else if (c >= 0x20 && c < 0x7f)
			snprintf(b, sizeof(b), "%c", c);
		else
			snprintf(b, sizeof(b), "\\x%02x", c);
		say(t, b);
	}
}

/* A head as lines with "> " before each. */
static void say_head(struct text *t, const char *at, uint32_t len)
{
	while (len > 0) {
		const char *end = memchr(at, '\r', len);
		uint32_t n = (uint32_t)(end - at);

		assert_non_null(end);
		say(t, n > 0 ? "> " : ">");
		say_bytes(t, at, n);
		say(t, "\n");
		at += n + 2;
		len -= n + 2;
	}
}

static char *load(const char *path, uint32_t *len)
{
	FILE *f = fopen(path, "rb");
	char *buf = calloc(1, TEXT_MAX);
	size_t n;

	assert_non_null(buf);
	if (f == NULL)
		fail_msg("cannot open %s", path);
	n = fread(buf, 1, TEXT_MAX - 1, f);
	assert_true(n < TEXT_MAX - 1);
	fclose(f);
	*len = (uint32_t)n;
	return buf;
}

/* The body of a message. Returns how many bytes it took; false in *go_on: the connection is over.
 */
static uint32_t body(struct text *t, const struct http_head *h, const char *at, uint32_t len,
	bool *go_on, bool status)
{
	bool stream = h->framing == HTTP_BODY_STREAM;
	struct h1_body_result r;
	char line[128];

	h1_body_run_all_ways(h->framing, h->length, NULL, at, len, &r);
	/* How much of a broken message goes out is not the codec's to say; without an end, that is.
	 */
	if (r.len > 0 && (r.verdict != H1_MORE || stream || h->status != 0)) {
		say(t, "= ");
		say_bytes(t, r.data, r.len);
		say(t, "\n");
	}
	*go_on = r.verdict == H1_OK;
	if (r.verdict == H1_BAD) {
		snprintf(line, sizeof(line), "%u ", h1_error_status(r.error));
		say(t, "refused ");
		say(t, status ? line : "");
		say(t, h1_error_word(r.error));
		say(t, "\n");
	} else if (r.verdict == H1_MORE && h->framing != HTTP_BODY_TO_EOF) {
		say(t, "incomplete\n");
	}
	h1_body_result_free(&r);
	return r.used;
}

static bool head(struct text *t, const struct h1_case *c, struct h1_result *r)
{
	char line[128];

	h1_run_all_ways(c, r);
	if (r->verdict == H1_OK)
		return true;
	if (r->verdict == H1_MORE) {
		say(t, "incomplete\n");
	} else {
		snprintf(line, sizeof(line), "refused %.0u%s%s\n",
			c->kind == H1_REQUEST ? h1_error_status(r->error) : 0,
			c->kind == H1_REQUEST ? " " : "", h1_error_word(r->error));
		say(t, line);
	}
	h1_result_free(r);
	return false;
}

/* ---- requests ---- */

static void proxy_requests(struct text *t, const char *at, uint32_t len)
{
	const struct h1_request_opts opts = {.close = false};
	char *out = malloc(TEXT_MAX);
	bool go_on = true;

	assert_non_null(out);
	while (go_on && len > 0) {
		struct h1_case c = {.kind = H1_REQUEST, .bytes = at, .len = len};
		struct h1_result r;
		uint32_t used;
		int n;

		if (!head(t, &c, &r))
			break;
		n = h1_request_write(&r.head, &opts, out, TEXT_MAX);
		assert_true(n > 0);
		say_head(t, out, (uint32_t)n);
		used = r.head_len;
		if (r.head.framing != HTTP_BODY_NONE)
			used += body(t, &r.head, at + used, len - used, &go_on, true);
		if (go_on && !r.head.keep_alive && used < len) {
			say(t, "closed\n");
			go_on = false;
		}
		h1_result_free(&r);
		at += used;
		len -= used;
	}
	free(out);
}

/* ---- responses ---- */

static void proxy_response(
	struct text *t, const char *at, uint32_t len, enum http_method m, bool upgrade)
{
	char *out = malloc(TEXT_MAX);
	bool go_on = true, keep_alive = false;
	uint16_t status = 0;

	assert_non_null(out);
	while (go_on && status < 200 && status != 101) {
		struct h1_case c = {.kind = H1_RESPONSE,
			.bytes = at,
			.len = len,
			.method = m,
			.upgrade = upgrade};
		struct h1_response_plan plan;
		struct h1_result r;
		uint32_t used;
		int n;

		if (!head(t, &c, &r)) {
			free(out);
			return;
		}
		plan = h1_response_plan(&r.head, m, 11, true);
		n = h1_response_write(&r.head, &plan, m, 11, out, TEXT_MAX);
		assert_true(n > 0);
		say_head(t, out, (uint32_t)n);
		status = r.head.status;
		keep_alive = r.head.keep_alive;
		used = r.head_len;
		if (r.head.framing == HTTP_BODY_TUNNEL) {
			say(t, "tunnel\n");
			go_on = false;
		} else if (r.head.framing != HTTP_BODY_NONE) {
			used += body(t, &r.head, at + used, len - used, &go_on, false);
		}
		h1_result_free(&r);
		at += used;
		len -= used;
	}
	if (go_on && len > 0)
		say(t, keep_alive ? "unsolicited\n" : "closed\n");
	free(out);
}

/* ---- files ---- */

/* The lines of a verdict without what is for people; the request's method and wish on the way. */
static void expected(const char *verdict, struct text *t, enum http_method *m, bool *upgrade)
{
	*m = HTTP_GET;
	*upgrade = false;
	while (*verdict != '\0') {
		const char *end = strchr(verdict, '\n');
		size_t n = end == NULL ? strlen(verdict) : (size_t)(end - verdict) + 1;

		if (strncmp(verdict, "request ", 8) == 0) {
			size_t word = strcspn(verdict + 8, " \n");

			*m = http_method_find((struct span){verdict + 8, (uint32_t)word});
			*upgrade = strncmp(verdict + 8 + word, " upgrade", 8) == 0;
		} else if (*verdict != '#') {
			assert_true(t->len + n < TEXT_MAX);
			memcpy(t->at + t->len, verdict, n);
			t->len += n;
		}
		verdict += n;
	}
	t->at[t->len] = '\0';
}

static void run_file(const char *dir, const char *name, bool requests)
{
	struct text want = {.len = 0}, got = {.len = 0};
	uint32_t len, verdict_len;
	char path[512], *in, *verdict;
	enum http_method m;
	bool upgrade;

	snprintf(path, sizeof(path), "%s%s/%s.http", CORPUS, dir, name);
	in = load(path, &len);
	snprintf(path, sizeof(path), "%s%s/%s.verdict", CORPUS, dir, name);
	verdict = load(path, &verdict_len);
	/* Whoever says that something is ambiguous says where it is written. */
	assert_true(strncmp(verdict, "# RFC ", 6) == 0);
	expected(verdict, &want, &m, &upgrade);
	if (requests)
		proxy_requests(&got, in, len);
	else
		proxy_response(&got, in, len, m, upgrade);
	if (strcmp(want.at, got.at) != 0)
		print_error("%s/%s: %s", dir, name, verdict);
	assert_string_equal(got.at, want.at);
	free(in);
	free(verdict);
}

static uint32_t run_folder(const char *dir, bool requests)
{
	char path[256];
	struct dirent *e;
	uint32_t n = 0;
	DIR *d;

	snprintf(path, sizeof(path), "%s%s", CORPUS, dir);
	d = opendir(path);
	assert_non_null(d);
	while ((e = readdir(d)) != NULL) {
		char *dot = strstr(e->d_name, ".http");

		if (dot == NULL || dot[5] != '\0')
			continue;
		*dot = '\0';
		run_file(dir, e->d_name, requests);
		n++;
	}
	closedir(d);
	return n;
}

static void requests_end_as_their_verdict_says(void **state)
{
	(void)state;
	assert_true(run_folder("requests", true) >= 150);
}

static void responses_end_as_their_verdict_says(void **state)
{
	(void)state;
	assert_true(run_folder("responses", false) >= 60);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_end_as_their_verdict_says),
		cmocka_unit_test(responses_end_as_their_verdict_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
