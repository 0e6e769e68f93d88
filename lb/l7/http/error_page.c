/* SPDX-License-Identifier: Apache-2.0
 * Pages of weir's own errors: the site's if it has one for the status, else a plain one. */
#include <stdio.h>

#include "lb/l7/http/http_pvt.h"

#define PAGE_MAX 320

void http_error_page(struct http_stream *s, uint16_t status, struct span *type, struct span *body)
{
	struct span text = http_status_text(status);
	char *page;
	int n;

	if (s->site != NULL && http_site_error_page(s->site, s, status, type, body))
		return;
	*type = SPAN("text/html; charset=utf-8");
	*body = (struct span){NULL, 0};
	page = http_arena_alloc(&s->arena, PAGE_MAX);
	if (page == NULL)
		return;
	n = snprintf(page, PAGE_MAX,
		"<!doctype html>\n<html lang=\"en\"><head><title>%u %.*s</title></head>\n"
		"<body><h1>%u %.*s</h1></body></html>\n",
		status, (int)text.len, text.at, status, (int)text.len, text.at);
	if (n > 0 && n < PAGE_MAX)
		*body = (struct span){page, (uint32_t)n};
}
