/* SPDX-License-Identifier: Apache-2.0
 * The configuration as a whole: what files become, odd files, memory that runs out, large files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "lb/config/arena.h"
#include "tests/support/config_text.h"

#define SEC UINT64_C(1000000000)

static struct config *parse(const char *text)
{
	char *said;
	struct config *cfg = config_text_parse(text, &said);

	assert_string_equal(said, "");
	assert_non_null(cfg);
	free(said);
	return cfg;
}

static bool addr_is(const struct ip_addr *a, const char *text)
{
	struct ip_addr b;

	assert_int_equal(ip_addr_parse(text, &b), 0);
	return ip_addr_eq(a, &b);
}

static bool prefix_is(const struct ip_prefix *p, const char *text)
{
	struct ip_prefix q;

	assert_int_equal(ip_prefix_parse(text, &q), 0);
	return p->len == q.len && ip_addr_eq(&p->addr, &q.addr);
}

static void six_lines_are_enough(void **state)
{
	struct config *cfg = parse("ports:\n"
				   "  - device: \"net_af_packet,iface=eth0\"\n"
				   "    addresses: 192.0.2.2/24\n"
				   "services:\n"
				   "  - vip: 192.0.2.10:80\n"
				   "    backends: [192.0.2.11:8080, 192.0.2.12:8080]\n");
	const struct config_service *s;

	(void)state;
	assert_int_equal(cfg->port_cnt, 1);
	assert_string_equal(cfg->ports[0].name, "port0");
	assert_string_equal(cfg->ports[0].device, "net_af_packet,iface=eth0");
	assert_int_equal(cfg->ports[0].mtu, 1500);
	assert_true(prefix_is(&cfg->ports[0].addresses[0], "192.0.2.2/24"));
	assert_int_equal(cfg->workers.count, 1);
	assert_int_equal(cfg->workers.cores[0], 0);
	assert_int_equal(cfg->workers.watchdog_ns, SEC / 10);
	assert_true(cfg->memory.hugepages);
	assert_int_equal(cfg->memory.mbufs, 16384);
	assert_int_equal(cfg->l4.local_port_lo, 1024);
	assert_int_equal(cfg->l4.local_port_hi, 65535);
	assert_true(cfg->l4.hash_seed[0] != 0 && cfg->l4.hash_seed[0] != cfg->l4.hash_seed[1]);
	assert_string_equal(cfg->admin.socket, "/run/weir.sock");
	assert_int_equal(cfg->service_cnt, 1);
	s = &cfg->services[0];
	assert_string_equal(s->name, "192.0.2.10:80/tcp");
	assert_int_equal(s->mode, L4_FULLNAT);
	assert_int_equal(s->proto, L4_TCP);
	assert_int_equal(s->scheduler, L4_MAGLEV);
	assert_int_equal(s->maglev_size, 65537);
	assert_int_equal(s->port_lo, 80);
	assert_int_equal(s->port_hi, 80);
	assert_int_equal(s->backend_cnt, 2);
	assert_true(addr_is(&s->backends[1].addr, "192.0.2.12"));
	assert_int_equal(s->backends[1].port, 8080);
	assert_int_equal(s->backends[1].weight, 1);
	assert_int_equal(s->backends[1].mark.line, 6);
	assert_int_equal(s->backends[1].mark.col, 33);
	assert_int_equal(s->local_addr_cnt, 1);
	assert_true(addr_is(&s->local_addrs[0], "192.0.2.2"));
	assert_int_equal(s->timeout_syn_ns, 30 * SEC);
	assert_int_equal(s->health.type, HEALTH_NONE);
	assert_int_equal(s->mark.line, 5);
	config_free(cfg);
}

static void full_file_fills_every_member(void **state)
{
	char *text = config_text_file("docs/examples/full.yaml");
	struct config *cfg = parse(text);
	const struct config_port *p = &cfg->ports[0];
	const struct config_service *s = &cfg->services[0];

	(void)state;
	assert_memory_equal(p->mac, "\x02\0\0\0\0\x01", 6);
	assert_int_equal(p->vlan, 100);
	assert_string_equal(p->host_tap, "weir0");
	/* Gateways first, one route for each family. */
	assert_int_equal(p->route_cnt, 3);
	assert_true(prefix_is(&p->routes[0].to, "0.0.0.0/0"));
	assert_int_equal(p->routes[0].via_cnt, 1);
	assert_true(addr_is(&p->routes[0].via[0], "192.0.2.1"));
	assert_true(prefix_is(&p->routes[1].to, "::/0"));
	assert_true(addr_is(&p->routes[1].via[0], "2001:db8::1"));
	assert_true(prefix_is(&p->routes[2].to, "198.51.100.0/24"));
	assert_int_equal(p->routes[2].via_cnt, 2);
	assert_int_equal(cfg->workers.cores[1], 3);
	assert_int_equal(cfg->memory.dpdk_bytes, 256 << 20);
	assert_true(cfg->l4.hash_seed[0] == UINT64_C(0x0001020304050607));
	assert_true(cfg->l4.hash_seed[1] == UINT64_C(0x08090a0b0c0d0e0f));
	assert_int_equal(s->vip_cnt, 2);
	assert_true(s->toa);
	assert_true(s->backends[1].drain);
	assert_int_equal(s->conn_limit, 100000);
	assert_int_equal(s->rate_limit, 10000);
	assert_int_equal(s->backend_conn_limit, 60000);
	assert_int_equal(s->allow_cnt, 2);
	assert_true(prefix_is(&s->deny[1], "2001:db8:bad::/48"));
	assert_int_equal(s->timeout_established_ns, 900 * SEC);
	assert_int_equal(s->drain_ns, 300 * SEC);
	assert_int_equal(s->health.type, HEALTH_TCP);
	assert_int_equal(s->health.jitter_pct, 10);
	s = &cfg->services[1];
	assert_string_equal(s->name, "range");
	assert_int_equal(s->port_lo, 8000);
	assert_int_equal(s->port_hi, 8099);
	assert_true(prefix_is(&s->tunnel_source[0], "198.18.0.0/24"));
	assert_true(prefix_is(&s->tunnel_source[1], "2001:db8:ffff::/64"));
	assert_int_equal(s->gue_port, 6080);
	assert_int_equal(s->local_addr_cnt, 0);
	s = &cfg->services[2];
	assert_int_equal(s->port_lo, 0);
	assert_int_equal(s->port_hi, 65535);
	assert_int_equal(s->proto, L4_UDP);
	assert_int_equal(s->health.expect_len, 7);
	assert_memory_equal(
		s->health.send, "OPTIONS sip:probe SIP/2.0\r\n\r\n", s->health.send_len);
	config_free(cfg);
	free(text);
}

/* Two arms: full NAT takes the addresses of the port that leads to its backends. */
static void local_addresses_follow_the_route(void **state)
{
	struct config *cfg = parse(
		"ports:\n"
		"- {device: a, addresses: [192.0.2.2/24], gateway: 192.0.2.1}\n"
		"- {device: b, addresses: [198.51.100.2/24, 198.51.100.3/24, \"fe80::3/64\"],\n"
		"   routes: [{to: 203.0.113.0/24, via: 198.51.100.1}]}\n"
		"services:\n"
		"- {vip: 192.0.2.10:80, backends: [203.0.113.1]}\n"
		"- {vip: 192.0.2.10:81, backends: [203.0.113.1, 192.0.2.77]}\n"
		"- {vip: 192.0.2.10:82, mode: dsr, backends: [198.51.100.7]}\n");

	(void)state;
	assert_int_equal(cfg->services[0].local_addr_cnt, 2);
	assert_true(addr_is(&cfg->services[0].local_addrs[0], "198.51.100.2"));
	assert_true(addr_is(&cfg->services[0].local_addrs[1], "198.51.100.3"));
	assert_int_equal(cfg->services[1].local_addr_cnt, 3);
	assert_int_equal(cfg->services[2].local_addr_cnt, 0);
	config_free(cfg);
}

/* Flows spread over both ports of a shared default route: each has its own sources. */
static void local_addresses_of_several_ways(void **state)
{
	struct config *cfg =
		parse("ports:\n"
		      "- {device: a, addresses: [192.0.2.2/24], gateway: 192.0.2.1}\n"
		      "- {device: b, addresses: [198.51.100.2/24], gateway: 198.51.100.1}\n"
		      "services:\n"
		      "- {vip: 192.0.2.10:80, backends: [203.0.113.1]}\n"
		      "- {vip: 192.0.2.10:81, backends: [198.51.100.7]}\n");

	(void)state;
	assert_int_equal(cfg->services[0].local_addr_cnt, 2);
	assert_true(addr_is(&cfg->services[0].local_addrs[0], "192.0.2.2"));
	assert_true(addr_is(&cfg->services[0].local_addrs[1], "198.51.100.2"));
	assert_int_equal(cfg->services[1].local_addr_cnt, 1);
	assert_true(addr_is(&cfg->services[1].local_addrs[0], "198.51.100.2"));
	config_free(cfg);
}

static void computed_defaults(void **state)
{
	struct config *cfg =
		parse("ports: [{device: a, addresses: [192.0.2.2/24, \"2001:db8::2/64\"]}]\n"
		      "workers: {cores: [4-6]}\n"
		      "services:\n"
		      "- {vip: 192.0.2.10:80, mode: ipip, backends: [192.0.2.11]}\n"
		      "- {vip: 192.0.2.10:80, mode: ipip, backends: [192.0.2.11], protocol: udp}\n"
		      "- {vip: \"[2001:db8::10]:any\", mode: gue, backends: [192.0.2.11], "
		      "mss_clamp: false,\n"
		      "   health: {type: icmp, interval: 300ms}}\n");

	(void)state;
	assert_int_equal(cfg->workers.count, 3);
	assert_int_equal(cfg->workers.cores[2], 6);
	assert_true(cfg->services[0].mss_clamp);
	assert_false(cfg->services[1].mss_clamp);
	assert_string_equal(cfg->services[1].name, "192.0.2.10:80/udp");
	assert_false(cfg->services[2].mss_clamp);
	assert_string_equal(cfg->services[2].name, "[2001:db8::10]:any/tcp");
	assert_int_equal(cfg->services[2].health.timeout_ns, SEC / 1000 * 300);
	config_free(cfg);
}

static void seeds_are_texts_or_digits(void **state)
{
#define WITH_SEED(seed)                                              \
	"ports: [{device: a, addresses: 192.0.2.2/24}]\n"            \
	"services: [{vip: 192.0.2.10:80, backends: [192.0.2.11]}]\n" \
	"l4: {hash_seed: " seed "}\n"
	static const char *const texts[] = {WITH_SEED("weir"), WITH_SEED("Weir"), WITH_SEED("12"),
		WITH_SEED("'0000000000000000000000000000000g'"),
		WITH_SEED("'00000000000000000000000000000001'"),
		WITH_SEED("'000000000000000000000000000000001'")};
	uint64_t seeds[ARRAY_SIZE(texts)][2];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct config *cfg = parse(texts[i]);

		memcpy(seeds[i], cfg->l4.hash_seed, sizeof(seeds[i]));
		for (size_t j = 0; j < i; j++)
			assert_memory_not_equal(seeds[i], seeds[j], sizeof(seeds[i]));
		config_free(cfg);
	}
	assert_true(seeds[4][0] == 0 && seeds[4][1] == 1);
}

static void odd_files(void **state)
{
	static const struct {
		const char *text, *want;
		size_t len;
	} cases[] = {
		{"", "t:1:1: error: the file is empty\n", 0},
		{"# nothing\n", "t:1:1: error: the file is empty\n", 0},
		{"---\n", "t:1:1: error: the file is empty\n", 0},
		{"~\n", "t:1:1: error: expected a map with ports and services\n", 0},
		{"- a\n", "t:1:1: error: expected a map with ports and services\n", 0},
		{"ports\n", "t:1:1: error: expected a map with ports and services\n", 0},
		{"{}\n", "t:1:1: error: file without 'ports'\n", 0},
		{"\0", "t:1:1: error: control character 0x00 is not allowed\n", 1},
		{"ports: [{device: \"a\\0b\", addresses: 192.0.2.2/24}]\n"
		 "services: [{vip: 192.0.2.10:80, backends: [192.0.2.11]}]\n",
			"t:1:18: error: device: a NUL byte is not allowed\n", 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		size_t len = cases[i].len ? cases[i].len : strlen(cases[i].text);
		char *said;

		/* An error about what is missing may be followed by a remark about what is. */
		assert_null(config_text_parse_n(cases[i].text, len, &said));
		assert_int_equal(strncmp(said, cases[i].want, strlen(cases[i].want)), 0);
		free(said);
	}
}

/* Each allocation of the configuration fails once: an error, no crash, no leak. */
static void memory_that_runs_out(void **state)
{
	char *text = config_text_file("docs/examples/full.yaml"), *said;
	struct config *cfg = NULL;
	uint32_t n = 0;

	(void)state;
	while (!cfg) {
		arena_fail_at = ++n;
		cfg = config_text_parse(text, &said);
		arena_fail_at = 0;
		assert_string_equal(said, cfg ? "" : "t: error: out of memory\n");
		free(said);
		assert_true(n < 5000);
	}
	assert_true(n > 300);
	config_free(cfg);
	free(text);
}

/* 1,000 services with 100 backends, half of them overlapping nothing, one overlapping the last. */
static void a_large_file(void **state)
{
	char *text, *said;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	struct config *cfg;

	(void)state;
	fputs("ports: [{device: a, addresses: 10.0.0.1/8}]\nservices:\n", out);
	for (unsigned i = 0; i < 1000; i++) {
		fprintf(out, "- {vip: 192.0.%u.%u:80, backends: [", i / 250, i % 250 + 1);
		for (unsigned j = 0; j < 100; j++)
			fprintf(out, "10.%u.%u.%u:80, ", i / 250 + 1, i % 250, j + 1);
		fputs("]}\n", out);
	}
	fflush(out);
	cfg = config_text_parse(text, &said);
	assert_non_null(cfg);
	assert_string_equal(said, "");
	assert_int_equal(cfg->service_cnt, 1000);
	assert_true(addr_is(&cfg->services[999].backends[99].addr, "10.4.249.100"));
	config_free(cfg);
	free(said);
	fputs("- {vip: 192.0.3.250:1-100, backends: [10.9.9.9]}\n", out);
	fclose(out);
	assert_null(config_text_parse(text, &said));
	assert_string_equal(said,
		"t:1003:9: error: service '192.0.3.250:1-100/tcp' overlaps service "
		"'192.0.3.250:80/tcp' on line 1002: both take tcp 192.0.3.250, port 80\n");
	free(said);
	free(text);
}

/* Files that would take long if each part of them were given all the care it could get. */
static void hostile_files(void **state)
{
	size_t size;
	char *text, *said;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	for (unsigned i = 0; i < 200000; i++)
		fprintf(out, "servicesservicesservicesservicesservicesservices%u: 1\n", i);
	fclose(out);
	assert_null(config_text_parse(text, &said));
	assert_non_null(strstr(said, "t: note: 199002 more messages\n"));
	free(said);
	free(text);

	/* All addresses of one family, shared by many services with many backends and prefixes. */
	out = open_memstream(&text, &size);
	fputs("ports: [{device: a, addresses: 10.0.0.1/8}]\nservices:\n- &s\n  port: 80\n  vips: [",
		out);
	for (unsigned i = 0; i < 4096; i++)
		fprintf(out, "192.%u.%u.1, ", i >> 8, i & 255);
	fputs("]\n  backends: [", out);
	for (unsigned i = 0; i < 4096; i++)
		fprintf(out, "10.1.%u.%u, ", i >> 8, i & 255);
	fputs("]\n  deny: [", out);
	for (unsigned i = 0; i < 16384; i++)
		fprintf(out, "\"2001:db8:%x::/48\", ", i);
	fputs("]\n", out);
	for (unsigned i = 0; i < 30; i++)
		fputs("- *s\n", out);
	fclose(out);
	assert_null(config_text_parse(text, &said));
	assert_non_null(strstr(said, "overlaps"));
	free(said);
	free(text);
}

static void limits_over_the_whole_file(void **state)
{
	char *text, *said;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	fputs("ports: [{device: a, addresses: 10.0.0.1/8}]\nservices:\n", out);
	for (unsigned i = 0; i <= LIMIT_SERVICES; i++)
		fprintf(out, "- {vip: 192.%u.%u.1:80, backends: [10.1.1.1]}\n", i >> 8, i & 255);
	fclose(out);
	assert_null(config_text_parse(text, &said));
	assert_string_equal(said, "t:3:1: error: services: 4097 items are more than 4096\n");
	free(said);
	free(text);

	out = open_memstream(&text, &size);
	fputs("ports: [{device: a, addresses: 10.0.0.1/8}]\nservices:\n", out);
	for (unsigned i = 0; i <= LIMIT_VIPS; i++)
		fprintf(out, "%s192.%u.%u.1",
			i == 0      ? "- {port: 80, backends: [10.1.1.1], vips: ["
			: i == 2000 ? "]}\n- {port: 80, backends: [10.1.1.1], vips: ["
				    : ", ",
			i >> 8, i & 255);
	fputs("]}\n", out);
	fclose(out);
	assert_null(config_text_parse(text, &said));
	assert_string_equal(
		said, "t:3:1: error: services: 4097 virtual addresses are more than 4096\n");
	free(said);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(six_lines_are_enough),
		cmocka_unit_test(full_file_fills_every_member),
		cmocka_unit_test(local_addresses_follow_the_route),
		cmocka_unit_test(local_addresses_of_several_ways),
		cmocka_unit_test(computed_defaults),
		cmocka_unit_test(seeds_are_texts_or_digits),
		cmocka_unit_test(odd_files),
		cmocka_unit_test(memory_that_runs_out),
		cmocka_unit_test(a_large_file),
		cmocka_unit_test(hostile_files),
		cmocka_unit_test(limits_over_the_whole_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
