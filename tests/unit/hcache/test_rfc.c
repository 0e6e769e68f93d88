/* SPDX-License-Identifier: Apache-2.0
 * What the caching RFCs ask for, against the whole application. A case is a first request that the
 * origin answers, time that passes, and a second request: was the origin asked again, with what,
 * and what did the client get. Each cites the sentence it stands for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/edge_world.h"

#define DATE "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
#define LM   "Last-Modified: Sun, 06 Nov 1994 07:49:37 GMT\r\n" /* an hour before */
#define H1   "Expires: Sun, 06 Nov 1994 09:49:37 GMT\r\n"       /* an hour later */
#define PAST "Expires: Sun, 06 Nov 1994 07:49:37 GMT\r\n"

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

#define AGE60 "200 OK\r\nCache-Control: max-age=60\r\n" DATE

static const struct rfc_case cases[] = {
	/* RFC 9111 3: storing */
	{"9111 3 explicit lifetime", "", AGE60, 1, "", 0, 200, NULL, NULL, NULL},
	{"9111 3 Expires", "", "200 OK\r\n" DATE H1, 1, "", 0, 200, NULL, NULL, NULL},
	{"9111 3 s-maxage", "", "200 OK\r\nCache-Control: s-maxage=60\r\n" DATE, 1, "", 0, 200,
		NULL, NULL, NULL},
	{"9111 3 no-store", "", "200 OK\r\nCache-Control: max-age=60, no-store\r\n" DATE, 1, "", 1,
		200, NULL, NULL, NULL},
	{"9111 3 No-Store", "", "200 OK\r\nCache-Control: Max-Age=60, No-Store\r\n" DATE, 1, "", 1,
		200, NULL, NULL, NULL},
	{"9111 3 private", "", "200 OK\r\nCache-Control: max-age=60, private\r\n" DATE, 1, "", 1,
		200, NULL, NULL, NULL},
	{"9111 3 private on a line of its own", "",
		"200 OK\r\nCache-Control: max-age=60\r\nCache-Control: private\r\n" DATE, 1, "", 1,
		200, NULL, NULL, NULL},
	{"9111 5.2.2.7 private fields are not kept", "",
		"200 OK\r\nCache-Control: max-age=60, private=\"x-me\"\r\nX-Me: 1\r\n" DATE, 1, "",
		0, 200, "!\nX-Me", NULL, NULL},
	{"9111 5.2.2.4 no-cache fields are not kept", "",
		"200 OK\r\nCache-Control: max-age=60, no-cache=\"set-cookie\"\r\nSet-Cookie: "
		"a=b\r\n" DATE,
		1, "", 0, 200, "!\nSet-Cookie", NULL, NULL},
	{"9111 3.1 unknown fields are kept", "", AGE60 "X-Unknown: yes\r\n", 1, "", 0, 200,
		"X-Unknown: yes", NULL, NULL},
	{"9111 3.1 Connection's fields are not", "", AGE60 "Connection: x-hop\r\nX-Hop: 1\r\n", 1,
		"", 0, 200, "!\nX-Hop", NULL, NULL},
	{"9111 3.1 Proxy-Authenticate is not", "", AGE60 "Proxy-Authenticate: Basic\r\n", 1, "", 0,
		200, "!\nProxy-Authenticate", NULL, NULL},
	{"9111 3.5 Authorization", "Authorization: Basic eA==\r\n", AGE60, 1,
		"Authorization: Basic eA==\r\n", 1, 200, NULL, NULL, NULL},
	{"9111 3.5 with public", "Authorization: Basic eA==\r\n",
		"200 OK\r\nCache-Control: max-age=60, public\r\n" DATE, 1, "", 0, 200, NULL, NULL,
		NULL},
	{"9111 3.5 with s-maxage", "Authorization: Basic eA==\r\n",
		"200 OK\r\nCache-Control: s-maxage=60\r\n" DATE, 1, "", 0, 200, NULL, NULL, NULL},
	{"9111 3.5 with must-revalidate", "Authorization: Basic eA==\r\n",
		"200 OK\r\nCache-Control: max-age=60, must-revalidate\r\n" DATE, 1, "", 0, 200,
		NULL, NULL, NULL},
	{"9111 3.5 others are not served the secret", "Authorization: Basic eA==\r\n", AGE60, 1, "",
		1, 200, NULL, NULL, NULL},
	{"9111 5.2.1.5 the client's no-store", "Cache-Control: no-store\r\n", AGE60, 1, "", 1, 200,
		NULL, NULL, NULL},
	{"9111 5.2.2.3 must-understand and no-store", "",
		"200 OK\r\nCache-Control: max-age=60, must-understand, no-store\r\n" DATE, 1, "", 0,
		200, NULL, NULL, NULL},
	{"9111 5.2.2.3 status not understood", "",
		"299 Odd\r\nCache-Control: max-age=60, must-understand\r\n" DATE, 1, "", 1, 299,
		NULL, NULL, NULL},
	{"9111 3 unknown status, explicit", "", "299 Odd\r\nCache-Control: max-age=60\r\n" DATE, 1,
		"", 0, 299, NULL, NULL, NULL},
	{"9110 15.1 203", "", "203 Other\r\nCache-Control: max-age=60\r\n" DATE, 1, "", 0, 203,
		NULL, NULL, NULL},
	{"9110 15.1 204", "", "204 Empty\r\nCache-Control: max-age=60\r\n" DATE, 1, "", 0, 204,
		NULL, NULL, NULL},
	{"9110 15.1 301", "", "301 Moved\r\nCache-Control: max-age=60\r\nLocation: /y\r\n" DATE, 1,
		"", 0, 301, "Location: /y", NULL, NULL},
	{"9110 15.4.3 302, explicit", "",
		"302 Found\r\nCache-Control: max-age=60\r\nLocation: /y\r\n" DATE, 1, "", 0, 302,
		NULL, NULL, NULL},
	{"9110 15.4.3 302, by guess", "", "302 Found\r\nLocation: /y\r\n" DATE LM, 1, "", 1, 302,
		NULL, NULL, NULL},
	{"9110 15.4.9 308", "", "308 Moved\r\nCache-Control: max-age=60\r\nLocation: /y\r\n" DATE,
		1, "", 0, 308, NULL, NULL, NULL},
	{"9110 15.5.5 404", "", "404 No\r\nCache-Control: max-age=60\r\n" DATE, 1, "", 0, 404, NULL,
		NULL, NULL},
	{"9110 15.5.11 410 by guess", "", "410 Gone\r\n" DATE LM, 1, "", 0, 410, NULL, NULL, NULL},
	{"9110 15.6.4 503, explicit", "", "503 No\r\nCache-Control: max-age=60\r\n" DATE, 1, "", 0,
		503, NULL, NULL, NULL},
	{"9110 15.6.1 500 by guess", "", "500 No\r\n" DATE LM, 1, "", 1, 500, NULL, NULL, NULL},

	/* RFC 9111 4.2: freshness */
	{"9111 4.2 not longer than max-age", "", AGE60, 61, "", 1, 200, NULL, NULL, NULL},
	{"9111 4.2 until max-age", "", AGE60, 59, "", 0, 200, "Age: 59", NULL, NULL},
	{"9111 4.2.1 s-maxage before max-age", "",
		"200 OK\r\nCache-Control: max-age=600, s-maxage=10\r\n" DATE, 20, "", 1, 200, NULL,
		NULL, NULL},
	{"9111 4.2.1 max-age before Expires", "",
		"200 OK\r\nCache-Control: max-age=600\r\n" DATE PAST, 20, "", 0, 200, NULL, NULL,
		NULL},
	{"9111 4.2.1 s-maxage before Expires", "",
		"200 OK\r\nCache-Control: s-maxage=600\r\n" DATE PAST, 20, "", 0, 200, NULL, NULL,
		NULL},
	{"9111 5.3 Expires in the past", "", "200 OK\r\n" DATE PAST, 1, "", 1, 200, NULL, NULL,
		NULL},
	{"9111 5.3 Expires: 0", "", "200 OK\r\nExpires: 0\r\n" DATE, 1, "", 1, 200, NULL, NULL,
		NULL},
	{"9111 5.3 Expires: -1", "", "200 OK\r\nExpires: -1\r\n" DATE, 1, "", 1, 200, NULL, NULL,
		NULL},
	{"9111 5.3 Expires without time zone", "",
		"200 OK\r\nExpires: Sun, 06 Nov 1994 09:49:37\r\n" DATE, 1, "", 1, 200, NULL, NULL,
		NULL},
	{"9110 5.6.7 Expires as of RFC 850", "",
		"200 OK\r\nExpires: Sunday, 06-Nov-94 09:49:37 GMT\r\n" DATE, 1, "", 0, 200, NULL,
		NULL, NULL},
	{"9110 5.6.7 Expires as of asctime", "",
		"200 OK\r\nExpires: Sun Nov  6 09:49:37 1994\r\n" DATE, 1, "", 0, 200, NULL, NULL,
		NULL},
	{"9111 4.2.1 two of Expires", "",
		"200 OK\r\n" DATE H1 "Expires: Sun, 06 Nov 1994 10:49:37 GMT\r\n", 1, "", 1, 200,
		NULL, NULL, NULL},
	{"9111 4.2.1 Expires less Date", "", "200 OK\r\nDate: Sun, 06 Nov 1994 09:49:30 GMT\r\n" H1,
		8, "", 1, 200, NULL, NULL, NULL},
	{"9111 4.2.1 max-age that is no number", "", "200 OK\r\nCache-Control: max-age=x\r\n" DATE,
		1, "", 1, 200, NULL, NULL, NULL},
	{"9111 4.2.1 negative max-age", "", "200 OK\r\nCache-Control: max-age=-60\r\n" DATE, 1, "",
		1, 200, NULL, NULL, NULL},
	{"9111 4.2.1 decimal max-age", "", "200 OK\r\nCache-Control: max-age=60.5\r\n" DATE, 1, "",
		1, 200, NULL, NULL, NULL},
	{"9111 5.2 max-age in quotes", "", "200 OK\r\nCache-Control: max-age=\"60\"\r\n" DATE, 1,
		"", 0, 200, NULL, NULL, NULL},
	{"9111 1.2.2 huge max-age", "", "200 OK\r\nCache-Control: max-age=99999999999999\r\n" DATE,
		100000, "", 0, 200, NULL, NULL, NULL},
	{"9111 4.2.1 blank inside", "", "200 OK\r\nCache-Control: max-age = 60\r\n" DATE, 1, "", 1,
		200, NULL, NULL, NULL},
	{"9111 5.2.3 a directive in a string is none", "",
		"200 OK\r\nCache-Control: ext=\"no-store\", max-age=60\r\n" DATE, 1, "", 0, 200,
		NULL, NULL, NULL},
	{"9111 5.2.3 unknown directives do not harm", "",
		"200 OK\r\nCache-Control: foo, bar=1, max-age=60, baz=\"q,r\"\r\n" DATE, 1, "", 0,
		200, NULL, NULL, NULL},
	{"9111 4.2.2 a tenth since Last-Modified", "", "200 OK\r\n" DATE LM, 359, "", 0, 200, NULL,
		NULL, NULL},
	{"9111 4.2.2 and no more", "", "200 OK\r\n" DATE LM, 361, "", 1, 200, NULL,
		"If-Modified-Since: Sun, 06 Nov 1994 07:49:37 GMT", NULL},
	{"9111 4.2.2 no hint, no guess", "", "200 OK\r\n" DATE, 1, "", 1, 200, NULL, NULL, NULL},
	{"9111 4.2.3 Age counts", "", AGE60 "Age: 50\r\n", 11, "", 1, 200, NULL, NULL, NULL},
	{"9111 4.2.3 Age is told", "", AGE60 "Age: 30\r\n", 5, "", 0, 200, "Age: 35", NULL, NULL},
	{"9111 5.1 first of a list", "", AGE60 "Age: 30, 90\r\n", 5, "", 0, 200, "Age: 35", NULL,
		NULL},
	{"9111 5.1 no number is ignored", "", AGE60 "Age: x\r\n", 5, "", 0, 200, "Age: 5", NULL,
		NULL},
	{"9111 5.1 negative is ignored", "", AGE60 "Age: -7\r\n", 5, "", 0, 200, "Age: 5", NULL,
		NULL},
	{"9111 4.2.3 apparent age by Date", "",
		"200 OK\r\nCache-Control: max-age=60\r\nDate: Sun, 06 Nov 1994 08:48:47 GMT\r\n",
		11, "", 1, 200, NULL, NULL, NULL},
	{"9111 4.2.3 Date ahead of us", "",
		"200 OK\r\nCache-Control: max-age=60\r\nDate: Sun, 06 Nov 1994 09:49:37 GMT\r\n",
		30, "", 0, 200, "Age: 30", NULL, NULL},
	{"9111 4 Age on each hit", "", AGE60, 0, "", 0, 200, "Age: 0", NULL, NULL},

	/* RFC 9111 4.2.4, 5.2.2, 5861: stale */
	{"9111 4.2.4 stale is validated", "", AGE60 "ETag: \"a\"\r\n", 61, "", 1, 200, NULL,
		"If-None-Match: \"a\"", NULL},
	{"9111 5.2.2.4 no-cache is validated", "",
		"200 OK\r\nCache-Control: max-age=60, no-cache\r\nETag: \"a\"\r\n" DATE, 1, "", 1,
		200, NULL, "If-None-Match: \"a\"", NULL},
	{"9111 5.2.2.4 no-cache, confirmed", "",
		"200 OK\r\nCache-Control: max-age=60, no-cache\r\nETag: \"a\"\r\n" DATE, 1, "", 1,
		200, "body", NULL, "304 Same\r\nETag: \"a\"\r\nCache-Control: no-cache\r\n"},
	{"5861 3 stale-while-revalidate", "",
		"200 OK\r\nCache-Control: max-age=60, stale-while-revalidate=30\r\n" DATE, 70, "",
		1, 200, "Age: 70", NULL, NULL},
	{"5861 3 over", "",
		"200 OK\r\nCache-Control: max-age=60, stale-while-revalidate=30\r\n" DATE, 91, "",
		1, 200, "fwd=", NULL, NULL},
	{"9111 5.2.2.2 must-revalidate forbids it", "",
		"200 OK\r\nCache-Control: max-age=60, must-revalidate, "
		"stale-while-revalidate=30\r\n" DATE,
		70, "", 1, 200, "fwd=", NULL, NULL},
	{"5861 4 stale-if-error, 500", "",
		"200 OK\r\nCache-Control: max-age=60, stale-if-error=60\r\n" DATE, 70, "", 1, 200,
		"Age: 70", NULL, "500 No\r\n"},
	{"5861 4 503", "", "200 OK\r\nCache-Control: max-age=60, stale-if-error=60\r\n" DATE, 70,
		"", 1, 200, "Age: 70", NULL, "503 No\r\n"},
	{"5861 4 over", "", "200 OK\r\nCache-Control: max-age=60, stale-if-error=60\r\n" DATE, 121,
		"", 1, 503, NULL, NULL, "503 No\r\n"},
	{"5861 4 not for 404", "",
		"200 OK\r\nCache-Control: max-age=60, stale-if-error=60\r\n" DATE, 70, "", 1, 404,
		NULL, NULL, "404 No\r\n"},
	{"5861 4 of the request", "", AGE60, 70, "Cache-Control: stale-if-error=60\r\n", 1, 200,
		"Age: 70", NULL, "503 No\r\n"},
	{"9111 5.2.2.2 not against must-revalidate", "",
		"200 OK\r\nCache-Control: max-age=60, must-revalidate\r\n" DATE, 70,
		"Cache-Control: stale-if-error=60\r\n", 1, 503, NULL, NULL, "503 No\r\n"},
	{"9111 5.2.2.8 nor proxy-revalidate", "",
		"200 OK\r\nCache-Control: max-age=60, proxy-revalidate, stale-if-error=60\r\n" DATE,
		70, "", 1, 503, NULL, NULL, "503 No\r\n"},
	{"9111 4.3.3 5xx without leave goes on", "", AGE60 "ETag: \"a\"\r\n", 61, "", 1, 503, NULL,
		NULL, "503 No\r\n"},

	/* RFC 9111 5.2.1: the client's directives */
	{"9111 5.2.1.1 max-age, young enough", "", AGE60, 10, "Cache-Control: max-age=20\r\n", 0,
		200, NULL, NULL, NULL},
	{"9111 5.2.1.1 max-age, too old", "", AGE60, 30, "Cache-Control: max-age=20\r\n", 1, 200,
		NULL, NULL, NULL},
	{"9111 5.2.1.1 max-age=0", "", AGE60, 1, "Cache-Control: max-age=0\r\n", 1, 200, NULL, NULL,
		NULL},
	{"9111 5.2.1.2 max-stale, within", "", AGE60, 70, "Cache-Control: max-stale=20\r\n", 0, 200,
		"Age: 70", NULL, NULL},
	{"9111 5.2.1.2 max-stale, beyond", "", AGE60, 90, "Cache-Control: max-stale=20\r\n", 1, 200,
		NULL, NULL, NULL},
	{"9111 5.2.1.2 max-stale of any age", "", AGE60 "ETag: \"a\"\r\n", 3000,
		"Cache-Control: max-stale\r\n", 0, 200, NULL, NULL, NULL},
	{"9111 5.2.2.2 must-revalidate against it", "",
		"200 OK\r\nCache-Control: max-age=60, must-revalidate\r\nETag: \"a\"\r\n" DATE, 70,
		"Cache-Control: max-stale\r\n", 1, 200, NULL, NULL, NULL},
	{"9111 5.2.2.8 proxy-revalidate against it", "",
		"200 OK\r\nCache-Control: max-age=60, proxy-revalidate\r\nETag: \"a\"\r\n" DATE, 70,
		"Cache-Control: max-stale\r\n", 1, 200, NULL, NULL, NULL},
	{"9111 5.2.2.10 s-maxage against it", "",
		"200 OK\r\nCache-Control: s-maxage=60\r\nETag: \"a\"\r\n" DATE, 70,
		"Cache-Control: max-stale\r\n", 1, 200, NULL, NULL, NULL},
	{"9111 5.2.1.3 min-fresh, enough", "", AGE60, 10, "Cache-Control: min-fresh=30\r\n", 0, 200,
		NULL, NULL, NULL},
	{"9111 5.2.1.3 min-fresh, not enough", "", AGE60, 40, "Cache-Control: min-fresh=30\r\n", 1,
		200, NULL, NULL, NULL},
	{"9111 5.2.1.4 no-cache", "", AGE60, 1, "Cache-Control: no-cache\r\n", 1, 200, NULL, NULL,
		NULL},
	{"9111 5.4 Pragma", "", AGE60, 1, "Pragma: no-cache\r\n", 1, 200, NULL, NULL, NULL},
	{"9111 5.4 Pragma gives way", "", AGE60, 1,
		"Pragma: no-cache\r\nCache-Control: max-age=20\r\n", 0, 200, NULL, NULL, NULL},
	{"9111 5.2.1.5 no-store leaves what is stored", "", AGE60, 1, "Cache-Control: no-store\r\n",
		1, 200, NULL, NULL, NULL},
	{"9111 5.2.1.7 only-if-cached, there", "", AGE60, 1, "Cache-Control: only-if-cached\r\n", 0,
		200, NULL, NULL, NULL},
	{"9111 5.2.1.7 only-if-cached, not there", "", "200 OK\r\nCache-Control: no-store\r\n" DATE,
		20, "Cache-Control: only-if-cached\r\n", 0, 504, NULL, NULL, NULL},
	{"9111 5.2.1.7 only-if-cached, stale", "", AGE60, 61, "Cache-Control: only-if-cached\r\n",
		0, 504, NULL, NULL, NULL},
	{"8246 2.1 immutable and max-age=0", "",
		"200 OK\r\nCache-Control: max-age=60, immutable\r\n" DATE, 1,
		"Cache-Control: max-age=0\r\n", 0, 200, NULL, NULL, NULL},
	{"8246 2.1 immutable and no-cache", "",
		"200 OK\r\nCache-Control: max-age=60, immutable\r\n" DATE, 1,
		"Cache-Control: no-cache\r\n", 1, 200, NULL, NULL, NULL},
	{"8246 2 stale immutable", "", "200 OK\r\nCache-Control: max-age=60, immutable\r\n" DATE,
		61, "", 1, 200, NULL, NULL, NULL},

	/* RFC 9111 4.1: Vary */
	{"9111 4.1 same value", "Foo: 1\r\n", AGE60 "Vary: Foo\r\n", 1, "Foo: 1\r\n", 0, 200, NULL,
		NULL, NULL},
	{"9111 4.1 other value", "Foo: 1\r\n", AGE60 "Vary: Foo\r\n", 1, "Foo: 2\r\n", 1, 200, NULL,
		NULL, NULL},
	{"9111 4.1 absent the second time", "Foo: 1\r\n", AGE60 "Vary: Foo\r\n", 1, "", 1, 200,
		NULL, NULL, NULL},
	{"9111 4.1 absent the first time", "", AGE60 "Vary: Foo\r\n", 1, "Foo: 1\r\n", 1, 200, NULL,
		NULL, NULL},
	{"9111 4.1 absent both times", "", AGE60 "Vary: Foo\r\n", 1, "", 0, 200, NULL, NULL, NULL},
	{"9111 4.1 name in any case", "Foo: 1\r\n", AGE60 "Vary: fOO\r\n", 1, "foo: 1\r\n", 0, 200,
		NULL, NULL, NULL},
	{"9111 4.1 two names, one differs", "Foo: 1\r\nBar: 1\r\n", AGE60 "Vary: Foo, Bar\r\n", 1,
		"Foo: 1\r\nBar: 2\r\n", 1, 200, NULL, NULL, NULL},
	{"9111 4.1 two names on two lines", "Foo: 1\r\nBar: 1\r\n",
		AGE60 "Vary: Foo\r\nVary: Bar\r\n", 1, "Foo: 1\r\nBar: 2\r\n", 1, 200, NULL, NULL,
		NULL},
	{"9111 4.1 other fields do not count", "Foo: 1\r\nBar: 1\r\n", AGE60 "Vary: Foo\r\n", 1,
		"Foo: 1\r\nBar: 2\r\n", 0, 200, NULL, NULL, NULL},
	{"9111 4.1 star", "", AGE60 "Vary: *\r\n", 1, "", 1, 200, NULL, NULL, NULL},
	{"9111 4.1 star among names", "Foo: 1\r\n", AGE60 "Vary: Foo, *\r\n", 1, "Foo: 1\r\n", 1,
		200, NULL, NULL, NULL},
	{"9111 4.1 blanks do not count", "Foo: 1, 2\r\n", AGE60 "Vary: Foo\r\n", 1, "Foo: 1,2\r\n",
		0, 200, NULL, NULL, NULL},
	{"9111 4.1 lines joined", "Foo: 1\r\nFoo: 2\r\n", AGE60 "Vary: Foo\r\n", 1, "Foo: 1, 2\r\n",
		0, 200, NULL, NULL, NULL},
	{"9111 4.1 known semantics normalised", "Accept-Encoding: gzip, br\r\n",
		AGE60 "Vary: Accept-Encoding\r\n", 1, "Accept-Encoding: br;q=1.0, gzip\r\n", 0, 200,
		NULL, NULL, NULL},

	/* RFC 9111 4.3, RFC 9110 13: validation */
	{"9111 4.3.1 entity tag", "", AGE60 "ETag: \"a\"\r\n", 61, "", 1, 200, "body",
		"If-None-Match: \"a\"", "304 Same\r\nETag: \"a\"\r\n"},
	{"9111 4.3.1 weak entity tag", "", AGE60 "ETag: W/\"a\"\r\n", 61, "", 1, 200, "body",
		"If-None-Match: W/\"a\"", "304 Same\r\nETag: W/\"a\"\r\n"},
	{"9111 4.3.1 date", "", AGE60 LM, 61, "", 1, 200, "body",
		"If-Modified-Since: Sun, 06 Nov 1994 07:49:37 GMT", "304 Same\r\n"},
	{"9111 4.3.1 both", "", AGE60 LM "ETag: \"a\"\r\n", 61, "", 1, 200, NULL,
		"If-Modified-Since", "304 Same\r\nETag: \"a\"\r\n"},
	{"9111 4.3.3 a full response replaces", "", AGE60 "ETag: \"a\"\r\n", 61, "", 1, 200,
		"X-New: 1", NULL, AGE60 "X-New: 1\r\nETag: \"b\"\r\n"},
	{"9111 4.3.4 fields are updated", "", AGE60 "ETag: \"a\"\r\nX-A: old\r\n", 61, "", 1, 200,
		"X-A: new", NULL, "304 Same\r\nETag: \"a\"\r\nX-A: new\r\n"},
	{"9111 4.3.4 the others stay", "", AGE60 "ETag: \"a\"\r\nX-A: old\r\n", 61, "", 1, 200,
		"X-A: old", NULL, "304 Same\r\nETag: \"a\"\r\nX-B: new\r\n"},
	{"9111 3.2 Content-Length is not updated", "", AGE60 "ETag: \"a\"\r\n", 61, "", 1, 200,
		"Content-Length: 4", NULL, "304 Same\r\nETag: \"a\"\r\nContent-Length: 9\r\n"},
	{"9111 4.3.4 another strong tag: fetched whole", "", AGE60 "ETag: \"a\"\r\n", 61, "", 2,
		304, NULL, NULL, "304 Same\r\nETag: \"b\"\r\n"},
	{"9110 13.1.2 the client's tag", "", AGE60 "ETag: \"a\"\r\n", 1, "If-None-Match: \"a\"\r\n",
		0, 304, "ETag: \"a\"", NULL, NULL},
	{"9110 13.1.2 weak comparison", "", AGE60 "ETag: \"a\"\r\n", 1,
		"If-None-Match: W/\"a\"\r\n", 0, 304, NULL, NULL, NULL},
	{"9110 13.1.2 one of several", "", AGE60 "ETag: \"a\"\r\n", 1,
		"If-None-Match: \"x\", \"a\"\r\n", 0, 304, NULL, NULL, NULL},
	{"9110 13.1.2 any", "", AGE60 "ETag: \"a\"\r\n", 1, "If-None-Match: *\r\n", 0, 304, NULL,
		NULL, NULL},
	{"9110 13.1.2 none of them", "", AGE60 "ETag: \"a\"\r\n", 1, "If-None-Match: \"x\"\r\n", 0,
		200, "body", NULL, NULL},
	{"9110 13.1.3 not modified since", "", AGE60 LM, 1,
		"If-Modified-Since: Sun, 06 Nov 1994 07:49:37 GMT\r\n", 0, 304, NULL, NULL, NULL},
	{"9110 13.1.3 modified since", "", AGE60 LM, 1,
		"If-Modified-Since: Sun, 06 Nov 1994 07:49:36 GMT\r\n", 0, 200, NULL, NULL, NULL},
	{"9110 13.1.3 tag wins", "", AGE60 LM "ETag: \"a\"\r\n", 1,
		"If-Modified-Since: Sun, 06 Nov 1994 07:49:37 GMT\r\nIf-None-Match: \"x\"\r\n", 0,
		200, NULL, NULL, NULL},
	{"9110 13.1.3 no date", "", AGE60 LM, 1, "If-Modified-Since: soon\r\n", 0, 200, NULL, NULL,
		NULL},
	{"9111 4.3.2 Date stands in", "", AGE60, 1,
		"If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n", 0, 304, NULL, NULL, NULL},
	{"9110 15.4.5 a 304 says no Content-Type", "",
		AGE60 "ETag: \"a\"\r\nContent-Type: text/x\r\n", 1, "If-None-Match: \"a\"\r\n", 0,
		304, "!\nContent-Type", NULL, NULL},
	{"9110 15.4.5 but Cache-Control and Date", "", AGE60 "ETag: \"a\"\r\n", 1,
		"If-None-Match: \"a\"\r\n", 0, 304, "Cache-Control: max-age=60", NULL, NULL},
	{"9111 4.3.2 stale: ours is asked, theirs answered", "", AGE60 "ETag: \"a\"\r\n", 61,
		"If-None-Match: \"a\"\r\n", 1, 304, NULL, NULL, "304 Same\r\nETag: \"a\"\r\n"},
	{"9111 4.3.2 a miss asks without the client's condition", "", "200 OK\r\n" DATE, 1,
		"If-None-Match: \"a\"\r\n", 1, 200, NULL, "!\nIf-None-Match", NULL},

	/* HEAD */
	{"9110 9.3.2 HEAD from a stored GET", "", AGE60 "X-A: b\r\n", 1, "HEAD ", 0, 200, "X-A: b",
		NULL, NULL},
	{"9110 8.6 its Content-Length", "", AGE60, 1, "HEAD ", 0, 200, "Content-Length: 4", NULL,
		NULL},
	{"9110 9.3.2 HEAD with a condition", "", AGE60 "ETag: \"a\"\r\n", 1,
		"HEAD If-None-Match: \"a\"\r\n", 0, 304, NULL, NULL, NULL},

	/* RFC 9110 14: ranges */
	{"9110 14.2 first bytes", "", AGE60, 1, "Range: bytes=0-1\r\n", 0, 206,
		"Content-Range: bytes 0-1/4", NULL, NULL},
	{"9110 14.1.2 open range", "", AGE60, 1, "Range: bytes=2-\r\n", 0, 206,
		"Content-Range: bytes 2-3/4", NULL, NULL},
	{"9110 14.1.2 suffix", "", AGE60, 1, "Range: bytes=-1\r\n", 0, 206,
		"Content-Range: bytes 3-3/4", NULL, NULL},
	{"9110 14.1.2 beyond the end", "", AGE60, 1, "Range: bytes=1-100\r\n", 0, 206,
		"Content-Range: bytes 1-3/4", NULL, NULL},
	{"9110 15.5.17 unsatisfiable", "", AGE60, 1, "Range: bytes=4-\r\n", 0, 416,
		"Content-Range: bytes */4", NULL, NULL},
	{"9110 14.2 malformed is ignored", "", AGE60, 1, "Range: bytes=3-1\r\n", 0, 200, "body",
		NULL, NULL},
	{"9110 14.1 another unit is ignored", "", AGE60, 1, "Range: lines=0-1\r\n", 0, 200, "body",
		NULL, NULL},
	{"9110 14.2 not for HEAD", "", AGE60, 1, "HEAD Range: bytes=0-1\r\n", 0, 200, NULL, NULL,
		NULL},
	{"9110 13.1.5 If-Range, same tag", "", AGE60 "ETag: \"a\"\r\n", 1,
		"Range: bytes=0-1\r\nIf-Range: \"a\"\r\n", 0, 206, NULL, NULL, NULL},
	{"9110 13.1.5 If-Range, other tag", "", AGE60 "ETag: \"a\"\r\n", 1,
		"Range: bytes=0-1\r\nIf-Range: \"b\"\r\n", 0, 200, NULL, NULL, NULL},
	{"9110 13.1.5 If-Range, weak tag", "", AGE60 "ETag: W/\"a\"\r\n", 1,
		"Range: bytes=0-1\r\nIf-Range: W/\"a\"\r\n", 0, 200, NULL, NULL, NULL},
	{"9110 13.1.5 If-Range, date", "", AGE60 LM, 1,
		"Range: bytes=0-1\r\nIf-Range: Sun, 06 Nov 1994 07:49:37 GMT\r\n", 0, 206, NULL,
		NULL, NULL},
	{"9110 13.1.5 If-Range, other date", "", AGE60 LM, 1,
		"Range: bytes=0-1\r\nIf-Range: Sun, 06 Nov 1994 07:49:38 GMT\r\n", 0, 200, NULL,
		NULL, NULL},
	{"9110 13.2.2 condition before range", "", AGE60 "ETag: \"a\"\r\n", 1,
		"Range: bytes=0-1\r\nIf-None-Match: \"a\"\r\n", 0, 304, NULL, NULL, NULL},
	{"9111 3.3 a range that misses fetches the whole", "", "200 OK\r\n" DATE, 1,
		"Range: bytes=0-1\r\n", 1, 206, NULL, "!\nRange", NULL},

	/* RFC 9111 4.4 and methods */
	{"9111 4.4 POST invalidates", "", AGE60, 1, "POST ", 1, 200, NULL, NULL, NULL},
	{"9110 9.2.1 OPTIONS passes", "", AGE60, 1, "OPTIONS ", 1, 200, NULL, NULL, NULL},

	/* RFC 9211 */
	{"9211 2.1 hit and ttl", "", AGE60, 10, "", 0, 200, "Cache-Status: weir; hit; ttl=50", NULL,
		NULL},
	{"9211 2.2 stale, no validator", "", AGE60, 61, "", 1, 200,
		"Cache-Status: weir; fwd=stale; fwd-status=200; stored", NULL, NULL},
	{"9211 2.2 vary-miss", "Foo: 1\r\n", AGE60 "Vary: Foo\r\n", 1, "Foo: 2\r\n", 1, 200,
		"fwd=vary-miss", NULL, NULL},
	{"9211 2.2 method", "", AGE60, 1, "POST ", 1, 200, "fwd=method", NULL, NULL},
	{"9211 2.2 bypass", "", AGE60, 1, "Cache-Control: no-store\r\n", 1, 200, "fwd=bypass", NULL,
		NULL},
	{"9211 2.2 stale", "", AGE60 "ETag: \"a\"\r\n", 61, "", 1, 200,
		"Cache-Status: weir; fwd=stale; fwd-status=304", NULL,
		"304 Same\r\nETag: \"a\"\r\n"},
	{"9211 2 members before ours stay", "", AGE60 "Cache-Status: other; hit\r\n", 1, "", 0, 200,
		"Cache-Status: other; hit", NULL, NULL},

	/* RFC 9213 */
	{"9213 2.2 stored although no-store", "",
		"200 OK\r\nCDN-Cache-Control: max-age=60\r\nCache-Control: no-store\r\n" DATE, 1,
		"", 0, 200, NULL, NULL, NULL},
	{"9213 2.2 not stored although max-age", "",
		"200 OK\r\nCDN-Cache-Control: no-store\r\nCache-Control: max-age=60\r\n" DATE, 1,
		"", 1, 200, NULL, NULL, NULL},
	{"9213 2.2 longer than Cache-Control", "",
		"200 OK\r\nCDN-Cache-Control: max-age=600\r\nCache-Control: max-age=10\r\n" DATE,
		100, "", 0, 200, NULL, NULL, NULL},
	{"9213 2.2 Expires is ignored", "", "200 OK\r\nCDN-Cache-Control: foo\r\n" DATE H1, 1, "",
		1, 200, NULL, NULL, NULL},
	{"9213 2.1 a mistake: the field is ignored", "",
		"200 OK\r\nCDN-Cache-Control: max-age=600, &\r\nCache-Control: max-age=10\r\n" DATE,
		20, "", 1, 200, NULL, NULL, NULL},
	{"9213 2.1 empty: the field is ignored", "",
		"200 OK\r\nCDN-Cache-Control:\r\nCache-Control: max-age=10\r\n" DATE, 5, "", 0, 200,
		NULL, NULL, NULL},
	{"9213 2.1 parameters are ignored", "",
		"200 OK\r\nCDN-Cache-Control: max-age=600;x=1\r\nCache-Control: "
		"max-age=10\r\n" DATE,
		20, "", 0, 200, NULL, NULL, NULL},
	{"9213 2.1 a string is no number", "",
		"200 OK\r\nCDN-Cache-Control: max-age=\"600\"\r\nCache-Control: "
		"max-age=10\r\n" DATE,
		5, "", 1, 200, NULL, NULL, NULL},
	{"9213 3 the field goes on", "", "200 OK\r\nCDN-Cache-Control: max-age=60\r\n" DATE, 1, "",
		0, 200, "CDN-Cache-Control: max-age=60", NULL, NULL},
};

static struct edge_world h;

/* Case does not count in names of fields: compared in lower case. */
static bool holds(const char *text, const char *what)
{
	bool wanted = *what != '!';

	return (strcasestr(text, wanted ? what : what + 1) != NULL) == wanted;
}

static bool bodiless(const char *resp)
{
	return strncmp(resp, "204", 3) == 0 || strncmp(resp, "304", 3) == 0;
}

static void wire(char *out, size_t cap, const char *resp)
{
	bool has_length = strstr(resp, "Content-Length") != NULL || bodiless(resp);

	(void)snprintf(out, cap, "HTTP/1.1 %s%s\r\n%s", resp,
		has_length ? "" : "Content-Length: 4\r\n", bodiless(resp) ? "" : "body");
}

static void ask_of(char *out, size_t cap, uint32_t i, const char *fields)
{
	const char *method = "GET";
	char word[16];
	size_t n = strcspn(fields, " :");

	if (fields[n] == ' ' && n < sizeof(word)) {
		memcpy(word, fields, n);
		word[n] = '\0';
		method = word;
		fields += n + 1;
	}
	(void)snprintf(out, cap, "%s /case/%u HTTP/1.1\r\nHost: a.test\r\n%s", method, i, fields);
}

static bool run(uint32_t i)
{
	const struct rfc_case *c = &cases[i];
	char answer1[1024], answer2[1024], request[1024];
	struct edge_ask *a;
	uint32_t before;
	bool good;

	wire(answer1, sizeof(answer1), c->resp1);
	wire(answer2, sizeof(answer2), c->resp2 != NULL ? c->resp2 : c->resp1);
	edge_world_answer(&h, answer1);
	ask_of(request, sizeof(request), i, c->req1);
	(void)edge_world_ask(&h, request);
	edge_world_sleep(&h, c->wait);
	edge_world_answer(&h, answer2);
	before = h.asked;
	h.last[0] = '\0';
	ask_of(request, sizeof(request), i, c->req2);
	a = edge_world_ask(&h, request);
	tcp_world_run(&h.w, 5);
	good = (int)(h.asked - before) == c->asked && edge_ask_status(a) == c->status &&
	       (c->told == NULL || holds(a->text, c->told)) &&
	       (c->heard == NULL || holds(h.last, c->heard));
	if (!good)
		print_error(
			"RFC %s: asked %u, status %d\n--- client got\n%s\n--- origin heard\n%s\n",
			c->cite, h.asked - before, edge_ask_status(a),
			a->text != NULL ? a->text : "(nothing)", h.last);
	return good;
}

static void one(void **state)
{
	bool good;

	edge_world_open(&h, "[{upstream: app, cache: {}}]", "cache: 16MiB\n");
	good = run((uint32_t)(uintptr_t)*state);
	edge_world_close(&h);
	assert_true(good);
}

int main(void)
{
	static struct CMUnitTest tests[ARRAY_SIZE(cases)];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		tests[i] = (struct CMUnitTest){
			.name = cases[i].cite, .test_func = one, .initial_state = (void *)i};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
