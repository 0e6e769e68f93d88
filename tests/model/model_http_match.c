/* SPDX-License-Identifier: Apache-2.0
 * The compiled tables against a loop over the configuration: random routes out of few names, so
 * that they overlap, and random requests for them. Prints its seed; give one as argument to repeat.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <stdio.h>
#include <pcre2.h>
#include <time.h>

#include "tests/support/route_world.h"

static struct rng rng;

static uint32_t below(uint32_t n)
{
	return (uint32_t)rng_below(&rng, n);
}

static const char *const hosts[] = {"a.example", "b.example", "x.a.example", "y.x.a.example",
	"*.example", "*.a.example", "*.x.a.example", "*.b.example"};
static const char *const host_names[] = {"a.example", "b.example", "x.a.example", "y.x.a.example",
	"z.b.example", "example", "other", "", "q.y.x.a.example"};
static const char *const prefixes[] = {"/", "/a", "/a/", "/a/b", "/a/b/", "/ab", "/b", "/a/b/c/d"};
static const char *const paths[] = {"/", "/a", "/a/", "/a/b", "/a/b/", "/ab", "/abc", "/b", "/b/c",
	"/a/b/c", "/a/b/c/d", "/a/b/c/d/e", "/a/bc", "/c"};
static const char *const regexes[] = {"^/a", "b$", "/[ab]/", "^/[a-z]+$", "c"};
static const char *const methods[] = {"GET", "POST", "PUT", "PURGE"};
static const char *const request_methods[] = {"GET", "HEAD", "POST", "PUT", "PURGE", "DELETE"};
static const char *const values[] = {"1", "12", "2", "x1"};

/* ---- random configurations ---- */

static void put_list(FILE *f, const char *key, const char *const *from, uint32_t cnt, uint32_t max)
{
	uint32_t n = 1 + below(max);

	fprintf(f, "          %s: [", key);
	for (uint32_t i = 0; i < n; i++)
		fprintf(f, "%s\"%s\"", i ? ", " : "", from[below(cnt)]);
	fprintf(f, "]\n");
}

static void put_conds(FILE *f, const char *key)
{
	static const char *const kinds[] = {"value: \"%s\"", "prefix: \"%s\"", "regex: \"^%s\"",
		"present: true", "present: false"};
	static const char *const names[] = {"k1", "k2"};
	uint32_t first = below(2);

	fprintf(f, "          %s: {", key);
	for (uint32_t i = 0, n = 1 + below(2); i < n; i++) {
		fprintf(f, "%s%s: {", i ? ", " : "", names[(first + i) % 2]);
		fprintf(f, kinds[below(5)], values[below(4)]);
		fputs("}", f);
	}
	fprintf(f, "}\n");
}

static bool one_in(uint32_t n)
{
	return below(n) == 0;
}

static char *random_site(void)
{
	char *text;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	fputs("    routes:\n", f);
	for (uint32_t i = 0, n = 1 + below(25); i < n; i++) {
		fputs("      - upstream: app\n        match:\n          scheme: any\n", f);
		if (!one_in(3))
			put_list(f, "host", hosts, ARRAY_SIZE(hosts), 3);
		if (one_in(3))
			put_list(f, "path", paths, ARRAY_SIZE(paths), 3);
		if (one_in(2))
			put_list(f, "prefix", prefixes, ARRAY_SIZE(prefixes), 3);
		if (one_in(5))
			put_list(f, "regex", regexes, ARRAY_SIZE(regexes), 2);
		if (one_in(3))
			put_list(f, "methods", methods, ARRAY_SIZE(methods), 2);
		if (one_in(4))
			put_conds(f, "headers");
		if (one_in(4))
			put_conds(f, "query");
		if (one_in(6))
			fputs("          source: [203.0.113.0/29, \"2001:db8::/32\"]\n", f);
	}
	fclose(f);
	return text;
}

/* ---- the loop ---- */

static bool regex_found(const char *regex, const char *text)
{
	int error;
	PCRE2_SIZE at;
	pcre2_code *code =
		pcre2_compile((PCRE2_SPTR)regex, PCRE2_ZERO_TERMINATED, 0, &error, &at, NULL);
	pcre2_match_data *d = pcre2_match_data_create(4, NULL);
	int rc = pcre2_match(code, (PCRE2_SPTR)text, strlen(text), 0, 0, d, NULL);

	pcre2_match_data_free(d);
	pcre2_code_free(code);
	return rc >= 0;
}

static bool value_good(const struct config_http_cond *c, const char *value)
{
	switch (c->kind) {
	case HTTP_COND_EXACT:
		return value && strcmp(value, c->value) == 0;
	case HTTP_COND_PREFIX:
		return value && strncmp(value, c->prefix, strlen(c->prefix)) == 0;
	case HTTP_COND_REGEX:
		return value && regex_found(c->regex, value);
	case HTTP_COND_PRESENT:
		return value != NULL;
	case HTTP_COND_ABSENT:
		return value == NULL;
	}
	return false;
}

struct asked {
	const char *host, *path, *method;
	const char *header[2], *query[2]; /* values of k1 and k2, or NULL */
	bool inside;                      /* the client is in 203.0.113.0/29 */
};

static bool host_good(const struct config_http_match *m, const char *host)
{
	for (uint32_t i = 0; i < m->host_cnt; i++) {
		const char *p = m->hosts[i];
		size_t n = strlen(p), len = strlen(host);

		if (p[0] == '*' ? len > n - 1 && strcmp(host + len - (n - 1), p + 1) == 0
				: strcmp(p, host) == 0)
			return true;
	}
	return m->host_cnt == 0;
}

static bool path_good(const struct config_http_match *m, const char *path)
{
	for (uint32_t i = 0; i < m->path_cnt; i++)
		if (strcmp(m->paths[i], path) == 0)
			return true;
	for (uint32_t i = 0; i < m->prefix_cnt; i++) {
		size_t n = strlen(m->prefixes[i]);

		if (strncmp(path, m->prefixes[i], n) == 0 &&
			(path[n] == 0 || path[n] == '/' || path[n - 1] == '/'))
			return true;
	}
	for (uint32_t i = 0; i < m->regex_cnt; i++)
		if (regex_found(m->regexes[i], path))
			return true;
	return m->path_cnt + m->prefix_cnt + m->regex_cnt == 0;
}

static bool method_good(const struct config_http_match *m, const char *method)
{
	for (uint32_t i = 0; i < m->method_cnt; i++)
		if (strcmp(m->methods[i], method) == 0 ||
			(strcmp(m->methods[i], "GET") == 0 && strcmp(method, "HEAD") == 0))
			return true;
	return m->method_cnt == 0;
}

static int naive(const struct config_site *site, const struct asked *a)
{
	for (uint32_t i = 0; i < site->route_cnt; i++) {
		const struct config_http_match *m = &site->routes[i].match;
		bool good = host_good(m, a->host) && path_good(m, a->path) &&
			    method_good(m, a->method) && (m->source_cnt == 0 || a->inside);

		for (uint32_t k = 0; k < m->header_cnt && good; k++)
			good = value_good(&m->headers[k], a->header[m->headers[k].name[1] - '1']);
		for (uint32_t k = 0; k < m->query_cnt && good; k++)
			good = value_good(&m->query[k], a->query[m->query[k].name[1] - '1']);
		if (good)
			return (int)i;
	}
	return -1;
}

/* ---- */

static void random_request(struct asked *a, char *target, size_t size)
{
	size_t n;

	*a = (struct asked){.host = host_names[below(ARRAY_SIZE(host_names))],
		.path = paths[below(ARRAY_SIZE(paths))],
		.method = request_methods[below(ARRAY_SIZE(request_methods))],
		.inside = one_in(2)};
	n = (size_t)snprintf(target, size, "%s%s", a->host, a->path);
	for (int k = 0; k < 2; k++) {
		if (one_in(2))
			a->header[k] = values[below(4)];
		if (one_in(2)) {
			a->query[k] = values[below(4)];
			n += (size_t)snprintf(target + n, size - n, "%sk%d=%s",
				strchr(target, '?') ? "&" : "?", k + 1, a->query[k]);
		}
	}
}

static int ask(const struct asked *a, const char *target, struct route_trace *trace)
{
	struct http_exchange x = {0};
	struct http_stream *s = world_request(a->method, target);
	const struct http_route *r;
	char line[32];

	for (int k = 0; k < 2; k++) {
		snprintf(line, sizeof(line), "K%d: %s", k + 1, a->header[k] ? a->header[k] : "");
		if (a->header[k])
			world_field(&s->req, line);
	}
	if (!a->inside)
		(void)!ip_addr_parse("198.51.100.1", &s->client);
	else
		(void)!ip_addr_parse(one_in(2) ? "203.0.113.3" : "2001:db8::7", &s->client);
	r = http_site_match(world.site, world.rw, s, &x, trace);
	return r ? (int)r->idx : -1;
}

static int run_site(uint64_t seed)
{
	char *site = random_site();
	int bad = 0;

	if (!world_open(site)) {
		printf("seed %lu: site refused: %s\n%s", (unsigned long)seed, world.messages, site);
		bad = 1;
	}
	for (int i = 0; i < 200 && !bad; i++) {
		struct route_try tries[32];
		struct route_trace trace = {.tries = tries};
		struct asked a;
		char target[256];
		int want, got, told;

		random_request(&a, target, sizeof(target));
		want = naive(world.cfg->listeners[0].site, &a);
		got = ask(&a, target, NULL);
		told = ask(&a, target, &trace);
		if (want == got && want == told &&
			trace.cnt ==
				(want < 0 ? http_site_route_cnt(world.site) : (uint32_t)want + 1))
			continue;
		printf("seed %lu: %s %s: route %d, found %d, explained %d (%u tries)\n%s",
			(unsigned long)seed, a.method, target, want, got, told, trace.cnt, site);
		bad = 1;
	}
	world_close();
	free(site);
	return bad;
}

int main(int argc, char **argv)
{
	uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 10) : (uint64_t)time(NULL);
	int rounds = argc > 1 ? 1 : 600;

	printf("seed %lu\n", (unsigned long)seed);
	for (int i = 0; i < rounds; i++) {
		rng_seed(&rng, seed + (uint64_t)i);
		if (run_site(seed + (uint64_t)i) != 0)
			return 1;
	}
	printf("%d sites, %d requests each\n", rounds, 200);
	puts("1 passed, 0 failed, 0 skipped");
	return 0;
}
