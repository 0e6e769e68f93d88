/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lb/config/diff.h"
#include "tests/support/config_text.h"

#define HEAD                                                                 \
	"ports: [{name: p, device: net_null0, addresses: [192.0.2.1/24]}]\n" \
	"memory: {hugepages: false}\n"

static void add(void *ctx, const struct config_difference *d)
{
	fprintf(ctx, "%s %s%s%s%s%s%s\n", config_change_name(d->kind), d->path,
		d->from[0] || d->to[0] ? " " : "", d->from, d->from[0] && d->to[0] ? " > " : "",
		d->to, d->restart ? " restart" : "");
}

static struct config *parse(const char *text)
{
	char *said;
	struct config *c = config_text_parse(text, &said);

	if (c == NULL)
		fail_msg("%s", said);
	free(said);
	return c;
}

static void differ(const char *a, const char *b, const char *want)
{
	struct config *ca = parse(a), *cb = parse(b);
	char *got = NULL;
	size_t len;
	FILE *f = open_memstream(&got, &len);

	config_diff(ca, cb, add, f);
	fclose(f);
	assert_string_equal(got, want);
	free(got);
	config_free(ca);
	config_free(cb);
}

static void equal_ones_have_none(void **state)
{
	(void)state;
	differ(HEAD "services:\n  - {name: a, vip: 203.0.113.1:80, backends: [192.0.2.11:8080, "
		    "192.0.2.12]}\n  - {name: b, vip: 203.0.113.2:80, backends: [192.0.2.11]}\n",
		HEAD
		"services:\n  - name: b\n    vips: [203.0.113.2]\n    port: 80\n    protocol: tcp\n"
		"    backends: [{address: 192.0.2.11, weight: 1}]\n"
		"  - {name: a, vip: 203.0.113.1:80, backends: [192.0.2.12, {address: 192.0.2.11, "
		"port: 8080}]}\n",
		"");
}

static void elements_are_matched_by_name_or_address(void **state)
{
	(void)state;
	differ(HEAD "services:\n  - {name: a, vip: 203.0.113.1:80, backends: [192.0.2.11, "
		    "192.0.2.12:81]}\n  - {name: b, vip: 203.0.113.2:80, backends: [192.0.2.11]}\n",
		HEAD "services:\n  - {name: c, vip: 203.0.113.3:80, backends: [192.0.2.11]}\n"
		     "  - {name: a, vip: 203.0.113.1:80, scheduler: wrr, backends: [{address: "
		     "192.0.2.11, weight: 3}, 192.0.2.13:81]}\n",
		"changed services[a].scheduler maglev > wrr\n"
		"changed services[a].backends[192.0.2.11].weight 1 > 3\n"
		"removed services[a].backends[192.0.2.12:81]\n"
		"added services[a].backends[192.0.2.13:81]\n"
		"removed services[b]\n"
		"added services[c]\n");
}

static void restarts_and_sections(void **state)
{
	(void)state;
	differ(HEAD "services:\n  - {name: a, vip: 203.0.113.1:80, backends: [192.0.2.11]}\n",
		"ports: [{name: p, device: net_null0, addresses: [192.0.2.1/24], gateway: "
		"192.0.2.2}]\n"
		"memory: {hugepages: false, flows: 4096}\nl4: {icmp_rate: 5}\n"
		"services:\n  - {name: a, vip: 203.0.113.1:80, backends: [192.0.2.11], health: "
		"icmp}\n",
		"changed ports[p].gateway [] > [192.0.2.2]\n"
		"changed memory.flows 262144 > 4096 restart\n"
		"changed l4.icmp_rate 1000 > 5\n"
		"changed services[a].health.type none > icmp\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_ones_have_none),
		cmocka_unit_test(elements_are_matched_by_name_or_address),
		cmocka_unit_test(restarts_and_sections),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
