/* SPDX-License-Identifier: Apache-2.0
 * The configuration as a whole: what a short file becomes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "lb/config/config.h"

/* Messages of the last parse. */
static char *messages;

static struct config *parse(const char *text)
{
	struct config *cfg;
	size_t len;
	FILE *err;

	free(messages);
	messages = NULL;
	err = open_memstream(&messages, &len);
	assert_non_null(err);
	(void)!config_parse("t.yaml", text, strlen(text), err, &cfg);
	fclose(err);
	return cfg;
}

static int teardown(void **state)
{
	(void)state;
	free(messages);
	messages = NULL;
	return 0;
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
	assert_string_equal(messages, "");
	assert_non_null(cfg);
	assert_int_equal(cfg->port_cnt, 1);
	assert_string_equal(cfg->ports[0].name, "port0");
	assert_string_equal(cfg->ports[0].device, "net_af_packet,iface=eth0");
	assert_int_equal(cfg->ports[0].mtu, 1500);
	assert_int_equal(cfg->ports[0].addresses[0].len, 96 + 24);
	assert_int_equal(cfg->workers.count, 1);
	assert_int_equal(cfg->memory.mbufs, 16384);
	assert_int_equal(cfg->service_cnt, 1);
	s = &cfg->services[0];
	assert_string_equal(s->name, "192.0.2.10:80/tcp");
	assert_int_equal(s->mode, L4_FULLNAT);
	assert_int_equal(s->port_lo, 80);
	assert_int_equal(s->port_hi, 80);
	assert_int_equal(s->backend_cnt, 2);
	assert_int_equal(s->backends[1].port, 8080);
	assert_int_equal(s->backends[1].weight, 1);
	assert_int_equal(s->local_addr_cnt, 1);
	assert_true(ip_addr_eq(&s->local_addrs[0], &cfg->ports[0].addresses[0].addr));
	assert_int_equal(s->timeout_syn_ns, UINT64_C(30000000000));
	config_free(cfg);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(six_lines_are_enough),
	};

	return cmocka_run_group_tests(tests, NULL, teardown);
}
