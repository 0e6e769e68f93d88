/* SPDX-License-Identifier: Apache-2.0
 * What routing costs a request, in process and without a network: finding the route among few and
 * many, and the whole way from the codec to the action with the fields that a proxy adds. Medians
 * of rounds, as a table and with --json FILE as JSON. */
#include "dataplane/base/time.h"
#include "tests/support/route_world.h"

#define ROUNDS 9

struct result {
	char name[64];
	double cycles;
};

static struct result results[16];
static uint32_t result_cnt;

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void note(const char *name, double *rounds)
{
	struct result *r = &results[result_cnt++];

	qsort(rounds, ROUNDS, sizeof(*rounds), by_value);
	snprintf(r->name, sizeof(r->name), "%s", name);
	r->cycles = rounds[ROUNDS / 2];
	printf("  %-44s %8.0f cycles\n", r->name, r->cycles);
}

static char *many_routes(uint32_t cnt)
{
	char *text;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	fputs("    routes:\n", f);
	for (uint32_t i = 0; i < cnt; i++)
		fprintf(f,
			"      - {match: {host: h%u.example, prefix: [/a%u, /b]}, upstream: app}\n",
			i / 4, i % 4);
	fputs("      - {match: {prefix: /}, upstream: app}\n", f);
	fclose(f);
	return text;
}

static void open_site(char *site)
{
	if (!world_open(site)) {
		fprintf(stderr, "%s", world.messages);
		exit(1);
	}
	free(site);
}

static void bench_match(uint32_t cnt)
{
	enum { LOOPS = 2000, TARGETS = 64 };
	static struct span hosts[TARGETS], paths[TARGETS];
	static char text[TARGETS][2][64];
	double rounds[ROUNDS];
	struct http_exchange x = {0};
	struct http_stream *s;
	char name[64];

	open_site(many_routes(cnt));
	for (uint32_t i = 0; i < TARGETS; i++) {
		uint32_t k = i * 7919 % cnt;

		hosts[i] = (struct span){
			text[i][0], (uint32_t)snprintf(text[i][0], 64, "h%u.example", k / 4)};
		paths[i] = (struct span){text[i][1],
			(uint32_t)snprintf(text[i][1], 64, "/a%u/some/where/deep.html", k % 4)};
	}
	s = world_request("GET", "h/");
	for (int r = 0; r < ROUNDS; r++) {
		uint64_t t = clock_tsc();

		for (int i = 0; i < LOOPS; i++) {
			s->req.host = hosts[i % TARGETS];
			s->req.path = paths[i % TARGETS];
			if (!http_site_match(world.site, world.rw, s, &x, NULL))
				exit(1);
		}
		rounds[r] = (double)(clock_tsc() - t) / LOOPS;
	}
	snprintf(name, sizeof(name), "find one of %u routes", cnt + 1);
	note(name, rounds);
	world_close();
}

/* The head of a browser's request; building it is not counted. */
static struct http_stream *browser(void)
{
	static const char *const fields[] = {
		"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0)",
		"Accept: text/html,application/xhtml+xml", "Accept-Language: de,en-US;q=0.7",
		"Accept-Encoding: gzip, deflate, br, zstd",
		"Cookie: session=abcdef0123456789; theme=x",
		"Referer: https://shop.example.com/start", "Priority: u=0, i"};
	struct http_stream *s = world_request("GET", "shop.example.com/api/items/1234?lang=de");

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		world_field(&s->req, fields[i]);
	return s;
}

static void bench_way(const char *name, const char *site)
{
	enum { LOOPS = 500 };
	double rounds[ROUNDS];

	open_site(strdup(site));
	for (int r = 0; r < ROUNDS; r++) {
		uint64_t sum = 0;

		for (int i = 0; i < LOOPS; i++) {
			struct http_stream *s = browser();
			uint64_t t = clock_tsc();

			world.now_ns += 100000000;
			if (http_request_prepare(world.rw, s) != HTTP_END_OK ||
				http_policies_request(world.rw, s) != HTTP_GO ||
				http_request_rewrite(world.rw, s) != HTTP_END_OK)
				exit(1);
			sum += clock_tsc() - t;
		}
		rounds[r] = (double)sum / LOOPS;
	}
	note(name, rounds);
	world_close();
}

static void write_json(const char *path)
{
	FILE *f = fopen(path, "w");

	if (!f)
		return;
	for (uint32_t i = 0; i < result_cnt; i++)
		fprintf(f,
			"%s{\"case\": \"%s\", \"metric\": \"cycles\", \"value\": %.0f, \"unit\": "
			"\"cycles/request\", \"peer\": null, \"peer_value\": null, \"ratio\": "
			"null}",
			i ? ",\n " : "[", results[i].name, results[i].cycles);
	fputs("]\n", f);
	fclose(f);
}

int main(int argc, char **argv)
{
	puts("routing of HTTP requests");
	bench_match(10);
	bench_match(1000);
	bench_match(10000);
	bench_way("prepare and rewrite, nothing asked for",
		"    forwarded: {send: none}\n    request_id: {trace: false}\n    via: {name: ''}\n"
		"    routes: [{upstream: app}]\n");
	bench_way("prepare and rewrite, defaults", "    routes: [{upstream: app}]\n");
	bench_way("with 4 policies, regex and 3 edits",
		"    policies:\n"
		"      access: {deny: [198.51.100.0/24]}\n"
		"      rate_limits: [{rate: 1000000}]\n"
		"      cors: {origins: '*'}\n"
		"      security_headers: {}\n"
		"    routes:\n"
		"      - match: {regex: '^/api/([a-z]+)/([0-9]+)$', host: '*.example.com'}\n"
		"        upstream: app\n"
		"        rewrite: {path: '/v2/${2}/${1}'}\n"
		"        request_headers: {set: {X-A: '${client_ip}', X-B: '${cookie.session}'}, "
		"remove: [Priority]}\n");
	for (int i = 1; i + 1 < argc; i++)
		if (strcmp(argv[i], "--json") == 0)
			write_json(argv[i + 1]);
	return 0;
}
