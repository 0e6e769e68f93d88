/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/edge_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/assert.h"

static const uint8_t weir_mac[6] = {2, 0, 0, 0, 0, 1};

/* ---- clients ---- */

static struct hw_conn *begin(struct edge_world *h, const char *request, bool slow)
{
	struct hw_conn *a = hw_dial(&h->hw);

	a->once = true;
	a->slow = slow;
	h->hw.refuse = h->refuse;
	hw_send(a, request);
	hw_send(a, "Connection: close\r\n\r\n");
	http_world_run(&h->hw, 1);
	return a;
}

struct hw_conn *edge_world_begin(struct edge_world *h, const char *request)
{
	return begin(h, request, false);
}

struct hw_conn *edge_world_begin_slow(struct edge_world *h, const char *request)
{
	return begin(h, request, true);
}

struct hw_conn *edge_world_ask(struct edge_world *h, const char *request)
{
	struct hw_conn *a = edge_world_begin(h, request);

	for (int ms = 0; ms < 400 && !a->over; ms++)
		http_world_run(&h->hw, 1);
	return a;
}

void edge_world_forget(struct edge_world *h)
{
	http_world_forget(&h->hw);
}

void edge_world_sleep(struct edge_world *h, double seconds)
{
	h->hw.refuse = h->refuse;
	http_world_sleep(&h->hw, seconds);
}

/* ---- the origin ---- */

static void one_answer(const struct edge_world *h, struct hw_reply *r)
{
	*r = (struct hw_reply){.text = h->answer,
		.then = h->close_after ? HW_FIN : HW_KEEP,
		.body_len = h->body_len,
		.cut_after = h->cut_after};
}

static void choose(
	struct http_world *hw, struct hw_conn *c, const char *request, struct hw_reply *r)
{
	struct edge_world *h = (struct edge_world *)hw; /* its first member */

	(void)request;
	h->asked++;
	memcpy(h->last, hw->last, sizeof(h->last));
	if (h->answer != NULL) {
		one_answer(h, r);
		return;
	}
	ASSERT(h->owed_cnt < ARRAY_SIZE(h->owed));
	h->owed[h->owed_cnt++] = c;
	r->then = HW_SILENT;
}

void edge_world_answer(struct edge_world *h, const char *text)
{
	h->answer = text;
}

void edge_world_release(struct edge_world *h)
{
	uint32_t n = h->owed_cnt;
	struct hw_reply r;

	h->owed_cnt = 0;
	one_answer(h, &r);
	for (uint32_t i = 0; i < n; i++)
		if (h->owed[i]->conn != TCP_NONE)
			hw_answer(h->owed[i], &r);
	http_world_run(&h->hw, 5);
}

/* ---- the world ---- */

void edge_world_open(struct edge_world *h, const char *routes, const char *more)
{
	static const struct hw_place at = {.client = "10.0.0.8",
		.client6 = "fd00::8",
		.server = "10.0.0.9",
		.server6 = "fd00::9",
		.vip = "10.0.0.2",
		.client_weir = weir_mac,
		.server_weir = weir_mac};
	char config[8192];
	int n = snprintf(config, sizeof(config),
		"ports: [{device: \"net_ring_p0\", mac: '02:00:00:00:00:01', addresses: "
		"[10.0.0.2/24]}]\n"
		"workers: {count: 1, cores: [0]}\n"
		"tcp: {max_connections: 4096}\n"
		"upstreams: {app: {backends: [10.0.0.9:80], outliers: {failures: 0}}}\n"
		"listeners: [{bind: [10.0.0.2:80], action: http, site: main}]\n"
		"sites: {main: {routes: %s}}\n%s",
		routes, more);

	ASSERT(n > 0 && (size_t)n < sizeof(config));
	memset(h, 0, sizeof(*h));
	http_world_open_at(&h->hw, &at, config);
	h->hw.choose = choose;
}

void edge_world_close(struct edge_world *h)
{
	http_world_close(&h->hw);
}

/* ---- answers ---- */

int edge_status(const struct hw_conn *a)
{
	return a->len < 12 ? 0 : atoi(a->text + 9);
}

const char *edge_field(const struct hw_conn *a, const char *name)
{
	static char value[4096];
	const char *end = a->len > 0 ? strstr(a->text, "\r\n\r\n") : NULL, *at;
	size_t n = strlen(name);

	if (end == NULL)
		return NULL;
	for (at = strstr(a->text, "\r\n"); at != NULL && at < end; at = strstr(at + 2, "\r\n")) {
		const char *stop = strstr(at + 2, "\r\n"), *v = at + 2 + n + 1;

		if (strncasecmp(at + 2, name, n) != 0 || at[2 + n] != ':')
			continue;
		while (*v == ' ')
			v++;
		ASSERT((size_t)(stop - v) < sizeof(value));
		memcpy(value, v, (size_t)(stop - v));
		value[stop - v] = '\0';
		return value;
	}
	return NULL;
}

const char *edge_body(const struct hw_conn *a)
{
	const char *end = a->len > 0 ? strstr(a->text, "\r\n\r\n") : NULL;

	return end == NULL ? "" : end + 4;
}

uint32_t edge_body_len(const struct hw_conn *a)
{
	const char *b = edge_body(a);

	return a->len == 0 ? 0 : a->len - (uint32_t)(b - a->text);
}
