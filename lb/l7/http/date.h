/* SPDX-License-Identifier: Apache-2.0
 * date - HTTP-date (RFC 9110 5.6.7): all three forms are read, the preferred one is written.
 * Units:  seconds since 1970 UTC; years 1601 to 9999.
 * Cost:   no system call, no locale. */
#ifndef LB_L7_HTTP_DATE_H
#define LB_L7_HTTP_DATE_H

#include "lb/l7/http/head.h"

#define HTTP_DATE_LEN  29 /* "Sun, 06 Nov 1994 08:49:37 GMT" */
#define HTTP_DATE_NONE INT64_MIN

/* HTTP_DATE_NONE unless text is exactly one of the forms. `now` decides the century of a year of
 * two digits: one that seems more than 50 years ahead is the past one. */
int64_t http_date_parse(struct span text, int64_t now);
/* Writes HTTP_DATE_LEN bytes, no NUL. */
void http_date_format(int64_t t, char out[HTTP_DATE_LEN]);

#endif
