/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/http.h"

#include <stdlib.h>

#include "dataplane/base/assert.h"

void http_test_head(struct http_head *h, const char *fields)
{
	memset(h, 0, sizeof(*h));
	h->method = HTTP_GET;
	h->method_text = SPAN("GET");
	h->scheme = SPAN("http");
	h->host = SPAN("example.com");
	h->path = SPAN("/");
	h->status = 200;
	h->version = 11;
	while (*fields != '\0') {
		const char *colon = strchr(fields, ':'), *end = strchr(fields, '\n');
		struct http_field *f = &h->fields[h->field_cnt++];

		if (end == NULL)
			end = fields + strlen(fields);
		ASSERT(colon != NULL && colon < end && h->field_cnt <= LIMIT_HTTP_FIELDS);
		f->name = (struct span){fields, (uint32_t)(colon - fields)};
		f->id = (uint16_t)http_field_find(f->name);
		for (colon++; colon < end && *colon == ' ';)
			colon++;
		f->value = (struct span){colon, (uint32_t)(end - colon)};
		fields = *end == '\n' ? end + 1 : end;
	}
}

void http_test_request(struct http_head *h, const char *url, const char *fields)
{
	const char *host = strstr(url, "://"), *path, *query, *colon;

	http_test_head(h, fields);
	ASSERT(host != NULL);
	h->scheme = (struct span){url, (uint32_t)(host - url)};
	host += 3;
	path = strchr(host, '/');
	ASSERT(path != NULL);
	colon = memchr(host, ':', (size_t)(path - host));
	h->host = (struct span){host, (uint32_t)((colon != NULL ? colon : path) - host)};
	if (colon != NULL)
		h->port = (uint16_t)atoi(colon + 1);
	query = strchr(path, '?');
	h->path =
		(struct span){path, (uint32_t)(query != NULL ? query - path : (long)strlen(path))};
	if (query != NULL) {
		h->has_query = true;
		h->query = http_test_span(query + 1);
	}
}

void http_test_response(struct http_head *h, uint16_t status, const char *fields)
{
	http_test_head(h, fields);
	h->status = status;
}
