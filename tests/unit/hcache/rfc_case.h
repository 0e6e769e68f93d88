/* SPDX-License-Identifier: Apache-2.0
 * rfc_case - cases that are written from the sentences of RFCs, and what runs them (test_rfc.c).
 *
 * In texts '~' stands for the case's own path. Fields to be told or heard are looked for without
 * regard to case; several are joined by '|', and "!x" means that x is not there. A status below 10
 * is a class. */
#ifndef TESTS_UNIT_HCACHE_RFC_CASE_H
#define TESTS_UNIT_HCACHE_RFC_CASE_H

#include <stdbool.h>
#include <stddef.h>

#define DATE "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
#define LM   "Last-Modified: Sun, 06 Nov 1994 07:49:37 GMT\r\n" /* an hour before */
#define H1   "Expires: Sun, 06 Nov 1994 09:49:37 GMT\r\n"       /* an hour later */
#define PAST "Expires: Sun, 06 Nov 1994 07:49:37 GMT\r\n"
/* A 200 with Cache-Control; more fields may stand behind it. */
#define CC(directives) "200 OK\r\nCache-Control: " directives "\r\n"
#define AGE60          CC("max-age=60") DATE
#define TAG            "ETag: \"a\"\r\n"
#define SAME           "304 Same\r\n" TAG

/* A request that the origin answers, time that passes, a second request. */
struct rfc_case {
	const char *cite;
	const char *req1;  /* fields, each with CR LF */
	const char *resp1; /* status and fields */
	double wait;
	const char *req2;  /* fields; may begin with a method and a blank: "HEAD " */
	int asked;         /* how often by the second request: 0 is a hit */
	int status;        /* of the second answer */
	const char *told;  /* in the second answer, or "!x": not in it; NULL: whatever */
	const char *heard; /* in the second request to the origin; "!x": not in it */
	const char *resp2; /* to the second request; NULL: as the first */
};

/* Plain requests, both of them: the second one is answered from what was stored, or asks the origin
 * as well. */
#define HIT(cite, status, resp, wait)                                 \
	{                                                             \
		cite, "", resp, wait, "", 0, status, NULL, NULL, NULL \
	}
#define MISS(cite, status, resp, wait)                                \
	{                                                             \
		cite, "", resp, wait, "", 1, status, NULL, NULL, NULL \
	}

/* The same in more steps. A response that holds its own empty line is sent as it is. */
struct rfc_step {
	const char *req;  /* fields; may begin with "@/more/path " and a method; NULL: the end */
	const char *resp; /* of the origin from here on; NULL: as before */
	double after;     /* s that pass before it */
	int asked;        /* by this request */
	int status;       /* 0: 200 */
	const char *told, *heard;
	bool down;  /* the origin resets who connects */
	bool close; /* the origin closes behind its answer */
};

struct rfc_story {
	const char *cite;
	struct rfc_step steps[6];
};

#endif
