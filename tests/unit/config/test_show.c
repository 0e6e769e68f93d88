/* SPDX-License-Identifier: Apache-2.0
 * What is shown, that it reads back, and what needs a restart. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "tests/support/config_text.h"

static struct config *parse(const char *text)
{
	char *said;
	struct config *cfg = config_text_parse(text, &said);

	if (!cfg)
		print_error("%s", said);
	assert_non_null(cfg);
	free(said);
	return cfg;
}

static void every_value_has_its_place(void **state)
{
	struct config *cfg = parse("ports:\n"
				   "- device: \"net_af_packet,iface=eth0\"\n"
				   "  addresses: [192.0.2.2/24]\n"
				   "services:\n"
				   "- vip: 192.0.2.10:80\n"
				   "  backends: [192.0.2.11:8080]\n"
				   "  allow: [198.51.100.1, 198.51.100.2, 198.51.100.3,\n"
				   "    198.51.100.4, 198.51.100.5]\n"
				   "  health: tcp\n"
				   "  timeouts: {syn: 90s}\n");
	static const char *const lines[] = {
		"ports:\n  - name: port0                                 # default\n",
		"    device: \"net_af_packet,iface=eth0\"          # t:2\n",
		"    addresses: [192.0.2.2/24]                   # t:3\n",
		"    mtu: 1500                                   # default\n",
		"    mac: auto                                   # default\n",
		"    vips: [192.0.2.10]                          # t:5\n",
		"    port: 80                                    # t:5\n",
		"      - address: 192.0.2.11                     # t:6\n",
		"        port: 8080                              # t:6\n",
		"        weight: 1                               # default\n",
		"    allow:\n      - 198.51.100.1/32 # t:7\n",
		"      - 198.51.100.5/32 # t:8\n",
		"    deny: []                                    # default\n",
		"    local_addresses: [192.0.2.2]                # default\n",
		"      syn: 90s                                  # t:10\n",
		"      type: tcp                                 # t:9\n",
		"      timeout: 1s                               # default\n",
		"  local_ports: 1024-65535                       # default\n",
		"  cores: [0]                                    # default\n",
	};
	char *shown = config_text_show(cfg, true);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		if (!strstr(shown, lines[i]))
			print_error("%s---- lacks\n%s", shown, lines[i]);
		assert_non_null(strstr(shown, lines[i]));
	}
	/* What the mode or type does not have is not shown, nor are short forms. */
	assert_null(strstr(shown, "gue_port"));
	assert_null(strstr(shown, "send:"));
	assert_null(strstr(shown, "vip:"));
	free(shown);
	config_free(cfg);
}

static const char *const examples[] = {"minimal", "dsr", "ipip", "gue", "nat", "fullnat",
	"fullnat-64", "udp-dns", "multi-core", "full"};

static void what_is_shown_reads_back(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(examples); i++) {
		char path[128], *text, *first, *second;
		struct config *a, *b;

		snprintf(path, sizeof(path), "docs/examples/%s.yaml", examples[i]);
		text = config_text_file(path);
		a = parse(text);
		first = config_text_show(a, false);
		b = parse(first);
		second = config_text_show(b, false);
		assert_string_equal(first, second);
		assert_int_equal(config_needs_restart(a, b, stderr), 0);
		config_free(a);
		config_free(b);
		free(text);
		free(first);
		free(second);
	}
}

/* A port with these keys, then more of the file. */
#define FILE_OF(port, rest) \
	"ports:\n- {device: a, addresses: [192.0.2.2/24], gateway: 192.0.2.1" port "}\n" rest
#define SERVICES "services:\n- {vip: 192.0.2.10:80, backends: [192.0.2.11]}\n"

static void says_restart(const char *before, const char *after, const char *want)
{
	struct config *a = parse(before), *b = parse(after);
	char *said;
	size_t size;
	FILE *err = open_memstream(&said, &size);
	int n = config_needs_restart(a, b, err), lines = 0;

	fclose(err);
	assert_string_equal(said, want);
	for (const char *p = said; *p; p++)
		lines += *p == '\n';
	assert_int_equal(n, lines);
	free(said);
	config_free(a);
	config_free(b);
}

static void what_needs_a_restart(void **state)
{
	const char *base = FILE_OF("", SERVICES);

	(void)state;
	says_restart(base, base, "");
	/* The same values written otherwise. */
	says_restart(base,
		FILE_OF(", mtu: 1500, name: port0", SERVICES "workers: {cores: [0], count: 1}\n"),
		"");
	says_restart(base, FILE_OF(", mtu: 9000", SERVICES),
		"t:2: error: ports[0].mtu changes from 1500 to 9000, which needs a restart\n");
	says_restart(FILE_OF(", mtu: 9000", SERVICES), base,
		"t:2: error: ports[0].mtu changes from 9000 to 1500, which needs a restart\n");
	says_restart(base, FILE_OF("", SERVICES "workers: 2\nmemory: {flows: 1M}\n"),
		"t:5: error: workers.count changes from 1 to 2, which needs a restart\n"
		"t:5: error: workers.cores changes from [0] to [0, 1], which needs a restart\n"
		"t:6: error: memory.flows changes from 262144 to 1000000, which needs a restart\n");
	says_restart(base,
		FILE_OF("", "- {device: b, addresses: [198.51.100.2/24]}\n" SERVICES
			    "admin: {socket: \"\"}\nl4: {local_ports: 2000-3000}\n"),
		"t:2: error: ports changes from 1 to 2, which needs a restart\n"
		"t:7: error: l4.local_ports changes from 1024-65535 to 2000-3000, which needs a "
		"restart\n"
		"t:6: error: admin.socket changes from /run/weir.sock to \"\", which needs a "
		"restart\n");
}

/* Services, routes, gateways and most of l4 follow a reload. */
static void what_does_not(void **state)
{
	(void)state;
	says_restart(FILE_OF("", SERVICES),
		"ports:\n- {device: a, addresses: [192.0.2.2/24], gateway: [192.0.2.7, 192.0.2.8], "
		"routes: "
		"[{to: 198.51.100.0/24, via: 192.0.2.9}]}\n"
		"l4: {hash_seed: other, icmp_rate: 5, flood_new_per_sec: 1k}\n"
		"services:\n- {vip: 192.0.2.12:80, mode: dsr, backends: [192.0.2.13], health: "
		"tcp}\n"
		"- {vip: 192.0.2.10:80, backends: [192.0.2.11]}\n",
		"");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_value_has_its_place),
		cmocka_unit_test(what_is_shown_reads_back),
		cmocka_unit_test(what_needs_a_restart),
		cmocka_unit_test(what_does_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
