/* SPDX-License-Identifier: Apache-2.0
 * Any fields as those of a request and a response, through every decision of the HTTP cache. What
 * is stored must come back, and what a validation makes of it must be readable. The input is two
 * heads parted by an empty line; a first byte chooses what else there is. */
#include <stdlib.h>
#include <string.h>

#include "lb/l7/cache/control.h"
#include "lb/l7/cache/fresh.h"
#include "lb/l7/cache/key.h"
#include "lb/l7/cache/sf.h"
#include "lb/l7/cache/slice.h"
#include "lb/l7/cache/stored.h"
#include "lb/l7/http/cond.h"

#define NOW_MS INT64_C(1767225600000)

static void require(bool ok)
{
	if (!ok)
		abort();
}

/* Lines of name:value up to an empty one, as they stand. */
static const char *read_head(struct http_head *h, const char *at, const char *end)
{
	memset(h, 0, sizeof(*h));
	h->scheme = SPAN("http");
	h->host = SPAN("h");
	h->path = SPAN("/");
	while (at < end && h->field_cnt < LIMIT_HTTP_FIELDS) {
		const char *nl = memchr(at, '\n', (size_t)(end - at)), *colon;
		const char *stop = nl != NULL ? nl : end;
		struct http_field *f = &h->fields[h->field_cnt];

		if (stop == at)
			return at + 1;
		colon = memchr(at, ':', (size_t)(stop - at));
		if (colon == NULL || colon == at) {
			h->query = (struct span){at, (uint32_t)(stop - at)};
			h->has_query = true;
		} else {
			f->name = (struct span){at, (uint32_t)(colon - at)};
			f->id = (uint16_t)http_field_find(f->name);
			f->value = (struct span){colon + 1, (uint32_t)(stop - colon - 1)};
			h->field_cnt++;
		}
		at = stop < end ? stop + 1 : end;
	}
	return at;
}

static void conditions(const struct http_head *req, const struct http_head *resp)
{
	const struct http_field *cr = http_head_get(resp, HTTP_FIELD_CONTENT_RANGE, NULL);
	const struct http_field *tag = http_head_get(resp, HTTP_FIELD_ETAG, NULL);
	struct http_selected sel = {tag != NULL ? tag->value : (struct span){NULL, 0}, 1000, 2000};
	struct http_range r[HTTP_RANGES_MAX], one;
	uint64_t total;
	uint32_t cnt;

	(void)http_cond_check(req, &sel, NOW_MS / 1000);
	(void)http_cond_check(req, NULL, NOW_MS / 1000);
	(void)http_if_range(req, &sel, NOW_MS / 1000);
	if (http_ranges_parse(req, 1000, r, &cnt) == HTTP_RANGES_OK) {
		require(cnt > 0 && cnt <= HTTP_RANGES_MAX);
		for (uint32_t i = 0; i < cnt; i++) {
			require(r[i].first <= r[i].last && r[i].last < 1000);
			for (uint32_t j = 0; j < i; j++)
				require(r[i].first > r[j].last + 1 || r[j].first > r[i].last + 1);
		}
	}
	if (cr != NULL && http_content_range_parse(cr->value, &one, &total))
		require(one.first <= one.last && one.last < total);
}

/* What is asked for and what an answer is taken for, by any fields; what of it is kept lies within.
 */
static void parts(const struct http_head *req, const struct http_head *resp, uint8_t what)
{
	uint32_t extent = 1u << (10 + what % 6), slice = slice_size((uint64_t)what << 14, extent);
	struct http_range got, whole;
	char text[SLICE_TEXT_MAX];
	uint64_t total;

	require(slice >= extent && slice <= SLICE_MAX && slice % extent == 0);
	require(slice_ask(req, slice, extent, text) < sizeof(text));
	if (!slice_answer(resp, &got, &total))
		return;
	require(got.first <= got.last && got.last < total);
	require(slice_last(got.first, slice, total) >= got.first &&
		slice_last(got.first, slice, total) < total);
	if (!slice_whole(&got, total, extent, &whole))
		return;
	require(whole.first >= got.first && whole.last <= got.last && whole.first <= whole.last);
	require(whole.first % extent == 0);
	require((whole.last + 1) % extent == 0 || whole.last + 1 == total);
	require(slice_extent_len(whole.first, total, extent) <= whole.last - whole.first + 1);
}

static void keys(const struct http_head *req, const struct http_head *resp, uint8_t what)
{
	static const struct span names[] = {{"a*", 2}, {"cookie", 6}};
	struct key_conf c = {.query = (enum key_query)(what & 3),
		.sort_query = (what & 4) != 0,
		.params = names,
		.param_cnt = 2,
		.headers = names,
		.header_cnt = 2,
		.cookies = names,
		.cookie_cnt = 2};
	char key[HCACHE_KEY_MAX], variant[HCACHE_KEY_MAX], vary[256];
	uint32_t n = key_primary(&c, req, key, sizeof(key)), len;

	if (n > 0 && key_vary_names(resp, vary, sizeof(vary), &len))
		(void)key_variant(key, n, (struct span){vary, len}, req, variant, sizeof(variant));
}

static void storing(const struct http_head *req, const struct http_head *resp)
{
	static const struct span targets[] = {{"cdn-cache-control", 17}};
	struct fresh_policy p = {.heuristic_percent = 10,
		.heuristic_max = 86400,
		.targets = targets,
		.target_cnt = 1};
	static _Alignas(8) char out[STORED_MAX], out2[STORED_MAX];
	struct control_response c;
	struct control_request rc;
	struct http_head scratch;
	struct stored s, s2;
	struct fresh f;
	uint32_t n;

	control_request_parse(req, &rc);
	control_response_parse(resp, targets, 1, &c);
	if (fresh_decide(&p, req, resp, NOW_MS, NOW_MS + 5, &f) != FRESH_STORE_OK)
		return;
	require(f.lifetime >= 0 && f.initial_age >= 0);
	(void)fresh_use(&p, &f, &rc, NOW_MS + 1000);
	(void)fresh_use_on_error(&f, &rc, NOW_MS + 1000);
	n = stored_encode(resp, &f, &c, out, sizeof(out));
	if (n == 0)
		return;
	require(stored_decode(out, n, &s) && s.len == n);
	if (!stored_validated(&s, req, NOW_MS / 1000))
		return;
	memset(&scratch, 0, sizeof(scratch));
	n = stored_freshen(&p, req, &s, req, NOW_MS, NOW_MS, &scratch, out2, sizeof(out2));
	if (n > 0)
		require(stored_decode(out2, n, &s2) && s2.len == n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* A copy of its own length: reading beyond it is seen. */
	char *in = malloc(size > 0 ? size : 1);
	struct http_head req, resp;
	struct stored s;
	const char *at;

	if (in == NULL || size == 0) {
		free(in);
		return 0;
	}
	memcpy(in, data, size);
	at = read_head(&req, in + 1, in + size);
	(void)read_head(&resp, at, in + size);
	req.method = HTTP_GET;
	resp.status = (uint16_t)(200 + data[0]);
	conditions(&req, &resp);
	keys(&req, &resp, data[0]);
	resp.status = 206;
	parts(&req, &resp, data[0]);
	resp.status = (uint16_t)(200 + data[0]);
	storing(&req, &resp);
	if ((uintptr_t)in % 8 == 0)
		(void)stored_decode(in, (uint32_t)size, &s);
	free(in);
	return 0;
}
