/* SPDX-License-Identifier: Apache-2.0
 * http - heads for tests, from text: lines of "Name: value" parted by '\n', as they stand. */
#ifndef TESTS_SUPPORT_HTTP_H
#define TESTS_SUPPORT_HTTP_H

#include "lb/l7/http/head.h"

/* Fields alone; text must outlive the head. GET / of http://example.com, or status 200. */
void http_test_head(struct http_head *h, const char *fields);
/* GET of a URL "http://host[:port]/path[?query]". */
void http_test_request(struct http_head *h, const char *url, const char *fields);
void http_test_response(struct http_head *h, uint16_t status, const char *fields);
static inline struct span http_test_span(const char *text)
{
	return (struct span){text, (uint32_t)strlen(text)};
}

#endif
