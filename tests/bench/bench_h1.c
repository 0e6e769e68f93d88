/* SPDX-License-Identifier: Apache-2.0
 * The HTTP/1.1 codec: cycles to read a head as clients and servers send it, and to write it as it
 * is forwarded. The bytes are in the cache, as they are right behind TCP.
 *
 *	bench_h1 [--quick] [--json PATH]
 *	bench_h1 --count CASE N        N runs of one case, for callgrind; prints N */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>

#include "dataplane/base/assert.h"
#include "lb/l7/h1/h1.h"
#include "tests/support/bench.h"

#define ROUNDS 50

static const char curl[] = "GET / HTTP/1.1\r\nHost: www.example.com\r\nUser-Agent: curl/7.88.1\r\n"
			   "Accept: */*\r\n\r\n";

static const char browser[] =
	"GET /articles/2026/11/front-ends?page=2 HTTP/1.1\r\n"
	"Host: www.example.com\r\n"
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
	"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"
	"Accept-Language: en-US,en;q=0.5\r\n"
	"Accept-Encoding: gzip, deflate, br, zstd\r\n"
	"Referer: https://www.example.com/articles/\r\n"
	"Connection: keep-alive\r\n"
	"Upgrade-Insecure-Requests: 1\r\n"
	"Sec-Fetch-Dest: document\r\n"
	"Sec-Fetch-Mode: navigate\r\n"
	"Sec-Fetch-Site: same-origin\r\n"
	"Priority: u=0, i\r\n\r\n";

static const char cookies[] =
	"GET /articles/2026/11/front-ends?page=2 HTTP/1.1\r\n"
	"Host: www.example.com\r\n"
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
	"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"
	"Accept-Language: en-US,en;q=0.5\r\n"
	"Accept-Encoding: gzip, deflate, br, zstd\r\n"
	"Referer: https://www.example.com/articles/\r\n"
	"Connection: keep-alive\r\n"
	"Cookie: session=9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08; "
	"theme=dark; consent=analytics%3D0%26marketing%3D0; _ga=GA1.1.1234567890.1700000000; "
	"csrf=c3ab8ff13720e8ad9047dd39466b3c8974e592c2fa383d4a3960714caef0c4f2\r\n"
	"Upgrade-Insecure-Requests: 1\r\n"
	"Sec-Fetch-Dest: document\r\n"
	"Sec-Fetch-Mode: navigate\r\n"
	"Sec-Fetch-Site: same-origin\r\n"
	"Priority: u=0, i\r\n\r\n";

static const char small_response[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n";

static const char server_response[] = "HTTP/1.1 200 OK\r\n"
				      "Server: nginx/1.22.1\r\n"
				      "Date: Sun, 29 Nov 2026 04:00:00 GMT\r\n"
				      "Content-Type: text/html; charset=utf-8\r\n"
				      "Content-Length: 65536\r\n"
				      "Last-Modified: Sat, 28 Nov 2026 12:00:00 GMT\r\n"
				      "Connection: keep-alive\r\n"
				      "ETag: \"67485a00-10000\"\r\n"
				      "Cache-Control: public, max-age=300\r\n"
				      "Vary: Accept-Encoding\r\n"
				      "Accept-Ranges: bytes\r\n\r\n";

static const struct {
	const char *name, *bytes;
	bool request;
} cases[] = {
	{"request-curl", curl, true},
	{"request-browser", browser, true},
	{"request-cookies", cookies, true},
	{"response-small", small_response, false},
	{"response-server", server_response, false},
};

static char in[4096], out[4096];
static struct http_head head;

/* One head read; a name of its own, so that callgrind can count it alone. */
__attribute__((noinline)) static void bench_read(bool request, uint32_t len)
{
	enum h1_verdict v;
	struct h1_parser p;

	if (request) {
		h1_request_begin(&p, false);
		v = h1_request_parse(&p, in, len, &h1_limits_default, &head);
	} else {
		h1_response_begin(&p, HTTP_GET, false);
		v = h1_response_parse(&p, in, len, &h1_limits_default, &head);
	}
	ASSERT(v == H1_OK);
}

__attribute__((noinline)) static void bench_write(bool request)
{
	static const struct h1_request_opts opts = {.close = false};
	int n;

	if (request) {
		n = h1_request_write(&head, &opts, out, sizeof(out));
	} else {
		struct h1_response_plan plan = h1_response_plan(&head, HTTP_GET, 11, true);

		n = h1_response_write(&head, &plan, HTTP_GET, 11, out, sizeof(out));
	}
	ASSERT(n > 0);
}

/* The best round: the work is always the same, what is more is somebody else's. */
static double measure(uint32_t i, bool reading, uint32_t n)
{
	uint32_t len = (uint32_t)strlen(cases[i].bytes);
	double best = 1e12;

	memcpy(in, cases[i].bytes, len);
	bench_read(cases[i].request, len);
	for (uint32_t r = 0; r < ROUNDS; r++) {
		uint64_t from = rte_rdtsc_precise();
		double cycles;

		for (uint32_t k = 0; k < n; k++) {
			if (reading)
				bench_read(cases[i].request, len);
			else
				bench_write(cases[i].request);
		}
		cycles = (double)(rte_rdtsc_precise() - from) / n;
		best = cycles < best ? cycles : best;
	}
	return best;
}

static int count(const char *name, uint32_t n)
{
	for (uint32_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint32_t len = (uint32_t)strlen(cases[i].bytes);

		if (strcmp(cases[i].name, name) != 0)
			continue;
		memcpy(in, cases[i].bytes, len);
		for (uint32_t k = 0; k < n; k++) {
			bench_read(cases[i].request, len);
			bench_write(cases[i].request);
		}
		printf("%u\n", n);
		return 0;
	}
	fprintf(stderr, "no case %s\n", name);
	return 2;
}

int main(int argc, char **argv)
{
	uint32_t n = 20000;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--quick") == 0)
			n = 5000;
		else if (strcmp(argv[i], "--json") == 0 && i + 1 < argc)
			bench_json_open(argv[++i]);
		else if (strcmp(argv[i], "--count") == 0 && i + 2 < argc)
			return count(argv[i + 1], (uint32_t)strtoul(argv[i + 2], NULL, 10));
		else
			return 2;
	}
	bench_title("HTTP/1.1 heads, in process");
	for (uint32_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct bench_row reading = {.name = cases[i].name,
			.metric = "read",
			.unit = "cycles",
			.value = measure(i, true, n),
			.lower_is_better = true};
		const struct bench_row writing = {.name = cases[i].name,
			.metric = "write",
			.unit = "cycles",
			.value = measure(i, false, n),
			.lower_is_better = true};

		printf("read  ");
		bench_row(&reading);
		printf("write ");
		bench_row(&writing);
	}
	bench_json_close();
	return 0;
}
