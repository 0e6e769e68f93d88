/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "dataplane/base/log.h"
#include "dataplane/base/time.h"
#include "lb/config/config_upstream.h"
#include "lb/health/plan.h"

#define SERVICES 4
#define BACKENDS 8

static struct config cfg;
static struct config_service services[SERVICES];
static struct config_backend backends[SERVICES][BACKENDS];
static struct ip_addr vips[SERVICES];
static struct health_registry reg;

static int setup(void **state)
{
	(void)state;
	memset(&cfg, 0, sizeof(cfg));
	memset(services, 0, sizeof(services));
	cfg.services = services;
	log_set_level(LOG_ERROR);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	health_plan_destroy(reg.current);
	reg.current = NULL;
	return 0;
}

static struct ip_addr addr4(unsigned last)
{
	return ip_addr_from4(__builtin_bswap32(0xc0000200u + last));
}

static struct config_service *add_service(enum l4_mode mode, unsigned vip, enum health_type type)
{
	uint32_t s = cfg.service_cnt++;

	vips[s] = addr4(200 + vip);
	services[s] = (struct config_service){.vips = &vips[s],
		.vip_cnt = 1,
		.mode = mode,
		.port_lo = 80,
		.port_hi = 80,
		.backends = backends[s],
		.health = {.type = type,
			.interval_ns = NS_PER_SEC,
			.timeout_ns = NS_PER_SEC / 2,
			.rise = 2,
			.fall = 3}};
	return &services[s];
}

static void add_backend(struct config_service *s, unsigned last, uint16_t port)
{
	s->backends[s->backend_cnt++] = (struct config_backend){.addr = addr4(last), .port = port};
}

static const struct health_plan *reload(void)
{
	struct health_plan *plan;

	assert_int_equal(health_plan_create(&reg, &cfg, &plan), 0);
	health_plan_destroy(health_registry_commit(&reg, plan));
	return plan;
}

static void equal_checks_share_a_target(void **state)
{
	const struct health_plan *p;
	struct config_service *a, *b, *c;

	(void)state;
	a = add_service(L4_NAT, 1, HEALTH_TCP);
	b = add_service(L4_FULLNAT, 2, HEALTH_TCP);
	c = add_service(L4_NAT, 3, HEALTH_TCP);
	c->health.rise = 5;
	add_backend(a, 10, 8080);
	add_backend(b, 10, 8080);
	add_backend(b, 10, 8081);
	add_backend(c, 10, 8080);
	p = reload();
	assert_int_equal(p->target_cnt, 3);
	assert_ptr_equal(health_plan_target(p, 0, 0), health_plan_target(p, 1, 0));
	assert_ptr_not_equal(health_plan_target(p, 0, 0), health_plan_target(p, 1, 1));
	assert_ptr_not_equal(health_plan_target(p, 0, 0), health_plan_target(p, 2, 0));
}

static void dsr_is_probed_as_its_own_vip(void **state)
{
	const struct health_plan *p;
	struct config_service *a, *b;

	(void)state;
	a = add_service(L4_DSR, 1, HEALTH_TCP);
	b = add_service(L4_DSR, 2, HEALTH_TCP);
	add_backend(a, 10, 0);
	add_backend(b, 10, 0);
	p = reload();
	assert_int_equal(p->target_cnt, 2);
	assert_true(ip_addr_eq(&health_plan_target(p, 0, 0)->dst, &vips[0]));
	assert_true(ip_addr_eq(&health_plan_target(p, 1, 0)->dst, &vips[1]));
	assert_int_equal(health_plan_target(p, 1, 0)->check.port, 80);
}

static void unchecked_service_has_no_target(void **state)
{
	const struct health_plan *p;

	(void)state;
	add_backend(add_service(L4_NAT, 1, HEALTH_NONE), 10, 80);
	p = reload();
	assert_int_equal(p->target_cnt, 0);
	assert_null(health_plan_target(p, 0, 0));
	assert_null(health_plan_slot(p, 0));
}

static void ids_are_stable_when_others_come_and_go(void **state)
{
	const struct health_plan *p;
	struct config_service *s;
	uint32_t id[4];
	uint16_t epoch3;

	(void)state;
	s = add_service(L4_NAT, 1, HEALTH_TCP);
	for (unsigned i = 0; i < 4; i++)
		add_backend(s, 10 + i, 80);
	p = reload();
	for (uint32_t i = 0; i < 4; i++)
		id[i] = health_plan_target(p, 0, i)->id;
	epoch3 = health_plan_target(p, 0, 3)->epoch;
	memmove(&backends[0][0], &backends[0][1], 3 * sizeof(backends[0][0]));
	s->backend_cnt = 3;
	p = reload();
	assert_int_equal(p->id_limit, 4);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(health_plan_target(p, 0, i)->id, id[i + 1]);
	add_backend(s, 99, 80);
	p = reload();
	assert_int_equal(health_plan_target(p, 0, 3)->id, id[0]); /* the freed one */
	assert_int_equal(health_plan_target(p, 0, 3)->epoch, 2);  /* and another owner */
	assert_int_equal(health_plan_target(p, 0, 2)->epoch, epoch3);
}

static void epoch_survives_a_time_as_a_hole(void **state)
{
	const struct health_plan *p;
	struct config_service *s;

	(void)state;
	s = add_service(L4_NAT, 1, HEALTH_TCP);
	add_backend(s, 10, 80);
	reload();
	s->backend_cnt = 0;
	p = reload();
	assert_int_equal(p->target_cnt, 0);
	assert_null(health_plan_slot(p, 0));
	add_backend(s, 10, 80);
	p = reload();
	assert_int_equal(health_plan_target(p, 0, 0)->id, 0);
	assert_int_equal(health_plan_target(p, 0, 0)->epoch, 2);
}

static void edited_check_keeps_id_and_gets_a_version(void **state)
{
	const struct health_plan *p;
	struct config_service *a, *b;
	uint32_t ida, idb;

	(void)state;
	a = add_service(L4_NAT, 1, HEALTH_TCP);
	b = add_service(L4_NAT, 2, HEALTH_ICMP);
	add_backend(a, 10, 80);
	add_backend(b, 10, 80);
	p = reload();
	ida = health_plan_target(p, 0, 0)->id;
	idb = health_plan_target(p, 1, 0)->id;
	a->health.interval_ns *= 2; /* both change: each finds its own again */
	b->health.fall = 9;
	p = reload();
	assert_int_equal(health_plan_target(p, 0, 0)->id, ida);
	assert_int_equal(health_plan_target(p, 1, 0)->id, idb);
	assert_int_equal(health_plan_target(p, 0, 0)->version, 1);
	assert_int_equal(health_plan_target(p, 0, 0)->epoch, 1);
	b->health.type = HEALTH_TCP; /* another kind of check of the same place */
	b->health.port = 443;
	p = reload();
	assert_int_equal(health_plan_target(p, 1, 0)->id, idb);
	assert_int_equal(health_plan_target(p, 1, 0)->version, 2);
	assert_int_equal(health_plan_target(p, 0, 0)->version, 1);
}

static void a_second_check_of_a_place_is_new(void **state)
{
	const struct health_plan *p;
	struct config_service *a, *b;
	uint32_t ida;

	(void)state;
	a = add_service(L4_NAT, 1, HEALTH_TCP);
	add_backend(a, 10, 80);
	ida = health_plan_target(reload(), 0, 0)->id;
	b = add_service(L4_NAT, 2, HEALTH_ICMP);
	add_backend(b, 10, 80);
	p = reload();
	assert_int_equal(health_plan_target(p, 0, 0)->id, ida);
	assert_int_not_equal(health_plan_target(p, 1, 0)->id, ida);
	assert_int_equal(health_plan_target(p, 1, 0)->version, 0);
}

static void payloads_are_copied_and_compared(void **state)
{
	const struct health_plan *p;
	struct config_service *a, *b;
	uint8_t one[] = "one", two[] = "two";

	(void)state;
	a = add_service(L4_NAT, 1, HEALTH_UDP);
	b = add_service(L4_NAT, 2, HEALTH_UDP);
	a->health.send = one;
	b->health.send = two;
	a->health.send_len = b->health.send_len = 3;
	add_backend(a, 10, 53);
	add_backend(b, 10, 53);
	p = reload();
	assert_int_equal(p->target_cnt, 2);
	memset(one, 'x', 3);
	assert_memory_equal(health_plan_target(p, 0, 0)->check.send, "one", 3);
}

static void impossible_checks_are_refused(void **state)
{
	struct config_service *s = add_service(L4_NAT, 1, HEALTH_TCP), good = *s;
	struct health_plan *plan;
	int saved = dup(STDERR_FILENO), null = open("/dev/null", O_WRONLY);

	(void)state;
	add_backend(s, 10, 80);
	good = *s;
	dup2(null, STDERR_FILENO); /* each refusal is logged */
	for (int i = 0; i < 7; i++) {
		*s = good;
		switch (i) {
		case 0:
			s->health.interval_ns = 0;
			break;
		case 1:
			s->health.timeout_ns = 0;
			break;
		case 2:
			s->health.rise = 0;
			break;
		case 3:
			s->health.fall = 0;
			break;
		case 4:
			s->health.jitter_pct = 51;
			break;
		case 5:
			s->port_lo = 0;
			break;
		default:
			s->health.send_len = HEALTH_PAYLOAD_MAX + 1;
		}
		assert_int_equal(health_plan_create(&reg, &cfg, &plan), -EINVAL);
		assert_null(plan);
	}
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(null);
}

/* Two plans built from the same committed one do not know of each other. */
static void a_plan_given_up_leaves_no_trace(void **state)
{
	struct health_plan *plan;
	struct config_service *s;
	uint32_t id;

	(void)state;
	s = add_service(L4_NAT, 1, HEALTH_TCP);
	add_backend(s, 10, 80);
	id = health_plan_target(reload(), 0, 0)->id;
	s->health.interval_ns *= 3;
	assert_int_equal(health_plan_create(&reg, &cfg, &plan), 0);
	health_plan_destroy(plan);
	s->health.interval_ns /= 3;
	reload();
	assert_int_equal(health_plan_target(reg.current, 0, 0)->id, id);
	assert_int_equal(health_plan_target(reg.current, 0, 0)->version, 0);
}

/* RFC 9110 4.2.1, 4.2.2: the default port is another one under TLS. */
static void a_name_is_asked_for_as_its_scheme_writes_it(void **state)
{
	static struct config_tls_client tls;
	static struct config_upstream pools[2];
	const struct health_plan *p;

	(void)state;
	for (uint32_t i = 0; i < 2; i++) {
		struct config_backend *b = backends[i];

		b[0] = (struct config_backend){
			.addr = addr4(10), .host = "app.example", .port = 80};
		b[1] = (struct config_backend){
			.addr = addr4(10), .host = "app.example", .port = 443};
		pools[i] = (struct config_upstream){.backends = b,
			.backend_cnt = 2,
			.tls = i == 0 ? NULL : &tls,
			.health = {.type = HEALTH_HTTP,
				.tls = true,
				.interval_ns = NS_PER_SEC,
				.timeout_ns = NS_PER_SEC / 2,
				.rise = 2,
				.fall = 3}};
	}
	cfg.upstreams = pools;
	cfg.upstream_cnt = 2;
	p = reload();
	assert_string_equal(health_plan_target(p, 0, 0)->check.host, "app.example");
	assert_string_equal(health_plan_target(p, 0, 1)->check.host, "app.example:443");
	assert_string_equal(health_plan_target(p, 1, 0)->check.host, "app.example:80");
	assert_string_equal(health_plan_target(p, 1, 1)->check.host, "app.example");
	assert_int_equal(health_plan_target(p, 0, 1)->tls, 0);
	assert_int_equal(health_plan_target(p, 1, 1)->tls, 2);
	/* Told not to, it speaks none. */
	pools[1].health.tls = false;
	p = reload();
	assert_int_equal(health_plan_target(p, 1, 1)->tls, 0);
	assert_string_equal(health_plan_target(p, 1, 1)->check.host, "app.example:443");
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(equal_checks_share_a_target),
		T(dsr_is_probed_as_its_own_vip),
		T(unchecked_service_has_no_target),
		T(ids_are_stable_when_others_come_and_go),
		T(epoch_survives_a_time_as_a_hole),
		T(edited_check_keeps_id_and_gets_a_version),
		T(a_second_check_of_a_place_is_new),
		T(payloads_are_copied_and_compared),
		T(a_plan_given_up_leaves_no_trace),
		T(a_name_is_asked_for_as_its_scheme_writes_it),
		T(impossible_checks_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
