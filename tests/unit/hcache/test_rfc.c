/* SPDX-License-Identifier: Apache-2.0
 * What the caching RFCs ask for, against the whole application with a scripted origin: was the
 * origin asked again, with what, and what did the client get. Each case cites the sentence it
 * stands for (rfc_pairs.h, rfc_more.h, rfc_stories.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/edge_world.h"
#include "tests/unit/hcache/rfc_more.h"
#include "tests/unit/hcache/rfc_pairs.h"
#include "tests/unit/hcache/rfc_stories.h"

#define TEXT 2048
#define PART 1024 /* of it, as a case has it */

static struct edge_world h;

/* Names in any case, also where a value is looked for. */
static bool holds(const char *text, const char *what)
{
	char one[256];

	while (what != NULL && *what != '\0') {
		const char *bar = strchr(what, '|');
		size_t n = bar != NULL ? (size_t)(bar - what) : strlen(what);
		bool wanted = *what != '!';

		assert_true(n < sizeof(one));
		memcpy(one, what, n);
		one[n] = '\0';
		if ((strcasestr(text, wanted ? one : one + 1) != NULL) != wanted)
			return false;
		what = bar != NULL ? bar + 1 : NULL;
	}
	return true;
}

/* '~' becomes the case's path. */
static void put_paths(char *out, uint32_t id, const char *text)
{
	size_t n = 0;

	for (; *text != '\0'; text++) {
		if (*text == '~')
			n += (size_t)snprintf(out + n, PART - n, "/case/%u", id);
		else
			out[n++] = *text;
		assert_true(n < PART - 16);
	}
	out[n] = '\0';
}

static bool bodiless(const char *resp)
{
	return strncmp(resp, "204", 3) == 0 || strncmp(resp, "304", 3) == 0;
}

static void wire(char *out, uint32_t id, const char *resp)
{
	bool has_length = strstr(resp, "Content-Length") != NULL || bodiless(resp);
	char text[PART];

	put_paths(text, id, resp);
	if (strstr(resp, "\r\n\r\n") != NULL)
		(void)snprintf(out, TEXT, "HTTP/1.1 %s", text);
	else
		(void)snprintf(out, TEXT, "HTTP/1.1 %s%s\r\n%s", text,
			has_length ? "" : "Content-Length: 4\r\n", bodiless(resp) ? "" : "body");
}

static bool is_method(const char *fields, size_t n)
{
	return n > 0 && fields[n] == ' ' && strspn(fields, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == n;
}

static void ask_of(char *out, uint32_t id, const char *fields)
{
	char more[128] = "", word[16] = "GET", text[PART];
	size_t n;

	put_paths(text, id, fields);
	fields = text;
	if (*fields == '@') {
		n = strcspn(fields, " ");
		snprintf(more, sizeof(more), "%.*s", (int)(n - 1), fields + 1);
		fields += n + 1;
	}
	n = strcspn(fields, " :");
	if (is_method(fields, n) && n < sizeof(word)) {
		memcpy(word, fields, n);
		word[n] = '\0';
		fields += n + 1;
	}
	(void)snprintf(
		out, TEXT, "%s /case/%u%s HTTP/1.1\r\nHost: a.test\r\n%s", word, id, more, fields);
}

static bool status_is(int status, int wanted)
{
	if (wanted == 0)
		wanted = 200;
	return wanted < 10 ? status / 100 == wanted : status == wanted;
}

static bool step(uint32_t id, const char *cite, const struct rfc_step *t)
{
	static char answer[TEXT];
	char request[TEXT];
	struct hw_conn *a;
	uint32_t before;

	edge_world_sleep(&h, t->after);
	if (t->resp != NULL)
		wire(answer, id, t->resp);
	edge_world_answer(&h, answer);
	h.refuse = t->down;
	h.close_after = t->close;
	before = h.asked;
	h.last[0] = '\0';
	ask_of(request, id, t->req);
	a = edge_world_ask(&h, request);
	http_world_run(&h.hw, 5);
	if ((int)(h.asked - before) == t->asked && status_is(edge_status(a), t->status) &&
		holds(a->text, t->told) && holds(h.last, t->heard))
		return true;
	print_error("RFC %s: asked %u, status %d\n--- request\n%s\n--- client got\n%s\n--- origin "
		    "heard\n%s\n",
		cite, h.asked - before, edge_status(a), request, a->text, h.last);
	return false;
}

/* All run in one world, on paths of their own: the wall clock begins anew with each. */
static void begin(void)
{
	edge_world_forget(&h);
	h.hw.wall_ms = EDGE_WORLD_T * 1000;
}

static void pair(uint32_t id, const struct rfc_case *c)
{
	struct rfc_step first = {.req = c->req1, .resp = c->resp1, .asked = -1};
	struct rfc_step second = {.req = c->req2,
		.resp = c->resp2,
		.after = c->wait,
		.asked = c->asked,
		.status = c->status,
		.told = c->told,
		.heard = c->heard};
	char answer[TEXT], request[TEXT];

	begin();
	wire(answer, id, first.resp);
	edge_world_answer(&h, answer);
	h.refuse = h.close_after = false;
	ask_of(request, id, first.req);
	(void)edge_world_ask(&h, request);
	if (second.resp == NULL)
		second.resp = c->resp1;
	assert_true(step(id, c->cite, &second));
}

static void one_pair(void **state)
{
	uint32_t i = (uint32_t)(uintptr_t)*state;

	pair(i, &cases[i]);
}

static void one_more(void **state)
{
	uint32_t i = (uint32_t)(uintptr_t)*state;

	pair(1000 + i, &more_cases[i]);
}

static void one_story(void **state)
{
	uint32_t i = (uint32_t)(uintptr_t)*state;

	begin();
	for (uint32_t k = 0; k < ARRAY_SIZE(stories[i].steps); k++) {
		const struct rfc_step *t = &stories[i].steps[k];

		if (t->req == NULL)
			break;
		if (!step(2000 + i, stories[i].cite, t))
			fail_msg("step %u", k + 1);
	}
}

static int setup(void **state)
{
	(void)state;
	edge_world_open(&h, "[{upstream: app, cache: {}}]", "cache: 16MiB\n");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	edge_world_close(&h);
	return 0;
}

int main(void)
{
	static struct CMUnitTest
		tests[ARRAY_SIZE(cases) + ARRAY_SIZE(more_cases) + ARRAY_SIZE(stories)];
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		tests[n++] = (struct CMUnitTest){
			.name = cases[i].cite, .test_func = one_pair, .initial_state = (void *)i};
	for (size_t i = 0; i < ARRAY_SIZE(more_cases); i++)
		tests[n++] = (struct CMUnitTest){.name = more_cases[i].cite,
			.test_func = one_more,
			.initial_state = (void *)i};
	for (size_t i = 0; i < ARRAY_SIZE(stories); i++)
		tests[n++] = (struct CMUnitTest){.name = stories[i].cite,
			.test_func = one_story,
			.initial_state = (void *)i};
	return cmocka_run_group_tests(tests, setup, teardown);
}
