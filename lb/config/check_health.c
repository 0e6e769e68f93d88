/* SPDX-License-Identifier: Apache-2.0
 * Probes and client lists of one service. */
#include <stdlib.h>
#include <string.h>

#include "lb/config/check.h"

/* A probe of a backend that has any port needs to be told which. */
static void check_probe_port(struct check *c, const struct config_service *s, struct config_tree *t,
	struct config_mark at)
{
	if ((s->health.type != HEALTH_TCP && s->health.type != HEALTH_UDP) || s->health.port ||
		s->port_lo == s->port_hi || schema_value(t, "port")->bad ||
		!schema_given(t, "port"))
		return;
	for (uint32_t i = 0; i < s->backend_cnt; i++) {
		if (s->backends[i].port == 0) {
			diag_error(c->diag, at,
				"health: the service has a range of ports: say which "
				"'port' to probe");
			return;
		}
	}
}

void check_health(struct check *c, const struct config_service *s, struct config_tree *t)
{
	struct config_tree *h = schema_value(t, "health")->maps[0];

	if (s->health.type == HEALTH_NONE || schema_value(h, "type")->bad)
		return;
	if (s->health.type == HEALTH_HTTP) {
		diag_error(c->diag, h->mark,
			"health: backends of layer 4 services are not asked over HTTP; 'tcp' can "
			"be");
		return;
	}
	check_probe_port(c, s, t, h->mark);
	if (s->health.timeout_ns > s->health.interval_ns && !schema_value(h, "timeout")->bad &&
		!schema_value(h, "interval")->bad)
		diag_error(
			c->diag, schema_mark(h, "timeout"), "timeout: is longer than 'interval'");
	if (s->health.type != HEALTH_UDP)
		return;
	if (!schema_given(h, "send") && !schema_value(h, "send")->bad)
		diag_error(c->diag, h->mark, "health: type udp without 'send'");
	else if (s->health.send_len == 0 && schema_given(h, "send") &&
		 !schema_value(h, "send")->bad)
		diag_error(c->diag, schema_mark(h, "send"), "send: an empty probe gets no answer");
}

struct entry {
	struct ip_prefix p;
	struct config_mark mark;
	bool deny;
};

static int by_prefix(const void *pa, const void *pb)
{
	const struct entry *a = pa, *b = pb;
	int c = memcmp(&a->p.addr, &b->p.addr, sizeof(a->p.addr));

	if (c)
		return c;
	if (a->p.len != b->p.len)
		return a->p.len < b->p.len ? -1 : 1;
	if (a->mark.line != b->mark.line)
		return a->mark.line < b->mark.line ? -1 : 1;
	return a->mark.col < b->mark.col ? -1 : a->mark.col > b->mark.col;
}

static uint32_t add_list(struct check *c, const struct config_service *s, const char *key,
	const struct ip_prefix *list, const struct config_value *v, struct entry *out)
{
	char text[IP_ADDR_TEXT_MAX];
	bool has[2] = {s->vip_cnt == 0, s->vip_cnt == 0}; /* index 1: IPv4 */
	uint32_t n = 0;

	for (uint32_t i = 0; i < s->vip_cnt; i++)
		has[ip_addr_is4(&s->vips[i])] = true;
	for (; n < v->item_cnt; n++) {
		out[n] = (struct entry){list[n], v->item_marks[n], strcmp(key, "deny") == 0};
		if (!has[ip_addr_is4(&list[n].addr)])
			diag_warn(c->diag, v->item_marks[n],
				"%s: '%s' matches no client: the service has no address of this "
				"family",
				key, ip_prefix_format(&list[n], text));
	}
	return n;
}

void check_access(struct check *c, const struct config_service *s, struct config_tree *t)
{
	uint32_t n, cnt = s->allow_cnt + s->deny_cnt;
	struct entry *all = arena_array(c->scratch, cnt, sizeof(*all));
	char text[IP_ADDR_TEXT_MAX];

	if (!all || cnt == 0)
		return;
	n = add_list(c, s, "allow", s->allow, schema_value(t, "allow"), all);
	n += add_list(c, s, "deny", s->deny, schema_value(t, "deny"), all + n);
	qsort(all, n, sizeof(*all), by_prefix);
	for (uint32_t i = 1; i < n; i++) {
		const struct entry *a = &all[i - 1], *b = &all[i];

		if (a->p.len != b->p.len || !ip_addr_eq(&a->p.addr, &b->p.addr))
			continue;
		ip_prefix_format(&b->p, text);
		if (a->deny == b->deny)
			diag_warn(c->diag, b->mark, "%s: '%s' is there already, on line %u",
				b->deny ? "deny" : "allow", text, a->mark.line);
		else
			diag_error(c->diag, b->mark, "%s: '%s' is in '%s' as well, on line %u",
				b->deny ? "deny" : "allow", text, b->deny ? "allow" : "deny",
				a->mark.line);
	}
}
