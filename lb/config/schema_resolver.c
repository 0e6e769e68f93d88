/* SPDX-License-Identifier: Apache-2.0
 * Section `resolver`. */
#include "lb/config/check.h"
#include "lb/config/expand.h"
#include "lb/config/schema.h"

#define MS UINT64_C(1000000)
#define S  (1000 * MS)
#define H  (3600 * S)

#define FIELDS(array) .fields = array, .field_cnt = ARRAY_SIZE(array)

static const struct schema_enum family_words[] = {
	{"any", RESOLVER_ANY, "IPv4 and IPv6, as far as a port leads to them"},
	{"ipv4", RESOLVER_IPV4, "A records alone"},
	{"ipv6", RESOLVER_IPV6, "AAAA records alone"},
	{NULL, 0, NULL},
};

static const struct schema_field server_fields[] = {
	{"address", SCHEMA_CUSTOM, SCHEMA_REQUIRED, SCHEMA_AT(config_bind, addr),
		.custom = &custom_bind, .help = "Address, or address and port."},
	{"port", SCHEMA_UINT, 0, SCHEMA_AT(config_bind, port), .min = 1, .max = UINT16_MAX,
		.dflt = "53", .help = "Port."},
};

static const struct schema_map server_map = {
	.name = "name server",
	.help = "A DNS server. `192.0.2.53:5353` stands for `{address: 192.0.2.53, port: 5353}`.",
	FIELDS(server_fields),
	.size = sizeof(struct config_bind),
	.mark_offset = offsetof(struct config_bind, mark),
	.scalar_key = "address",
};

static const struct schema_field resolver_fields[] = {
	{"nameservers", SCHEMA_MAP, SCHEMA_LIST,
		SCHEMA_LIST_AT(config_resolver, servers, server_cnt), .max_cnt = LIMIT_NAMESERVERS,
		.map = &server_map, .dflt_doc = "those of `/etc/resolv.conf`",
		.help = "DNS servers, asked in this order over the host's own network."},
	{"timeout", SCHEMA_DURATION, 0, SCHEMA_AT(config_resolver, timeout_ns), .min = 10 * MS,
		.max = 60 * S, .dflt = "2s", .help = "How long a server may take."},
	{"attempts", SCHEMA_UINT, 0, SCHEMA_AT(config_resolver, attempts), .min = 1, .max = 10,
		.dflt = "3", .help = "How often each server is asked."},
	{"min_ttl", SCHEMA_DURATION, 0, SCHEMA_AT(config_resolver, min_ttl_ns), .min = 100 * MS,
		.max = 24 * H, .dflt = "1s",
		.help = "An answer holds for its TTL, but at least so long."},
	{"max_ttl", SCHEMA_DURATION, 0, SCHEMA_AT(config_resolver, max_ttl_ns), .min = 100 * MS,
		.max = 24 * H, .dflt = "5m", .help = "And at most so long."},
	{"retry", SCHEMA_DURATION, 0, SCHEMA_AT(config_resolver, retry_ns), .min = 100 * MS,
		.max = H, .dflt = "1s",
		.help = "After a failure, or an answer without addresses, the name is asked for "
			"again so soon; twice as long each time."},
	{"retry_max", SCHEMA_DURATION, 0, SCHEMA_AT(config_resolver, retry_max_ns), .min = 100 * MS,
		.max = 24 * H, .dflt = "30s", .help = "But at least so often."},
	{"hold", SCHEMA_DURATION, 0, SCHEMA_AT(config_resolver, hold_ns), .min = 0, .max = 24 * H,
		.dflt = "30s",
		.help = "If the answer is that there is no such name, or no address of it, those "
			"known stay for so long. Failures (no answer, SERVFAIL) change nothing, "
			"however long they last."},
	{"max_addresses", SCHEMA_UINT, 0, SCHEMA_AT(config_resolver, max_addrs), .min = 1,
		.max = LIMIT_NAME_ADDRS, .dflt = "64",
		.help = "Addresses that a name may have, of each family; the lowest of more are "
			"taken."},
	{"family", SCHEMA_ENUM, 0, SCHEMA_AT(config_resolver, family), .dflt = "any",
		.words = family_words, .help = "Which addresses are asked for."},
	{"hosts_file", SCHEMA_BOOL, 0, SCHEMA_AT(config_resolver, hosts_file), .dflt = "true",
		.help = "Names in `/etc/hosts` have the addresses that stand there."},
};

const struct schema_map schema_resolver = {
	.name = "resolver",
	.help = "Names of backends: who is asked for their addresses, and when again.",
	FIELDS(resolver_fields),
};

static void check_order(struct check *c, struct config_tree *t, const char *low, const char *high,
	uint64_t lo, uint64_t hi)
{
	if (lo > hi && !schema_value(t, low)->bad && !schema_value(t, high)->bad)
		diag_error(c->diag, schema_mark(t, schema_given(t, low) ? low : high),
			"resolver: '%s' is more than '%s'", low, high);
}

void check_resolver(struct check *c)
{
	const struct config_resolver *r = &c->cfg->resolver;
	struct config_tree *t = schema_value(c->root, "resolver")->maps[0];

	check_order(c, t, "min_ttl", "max_ttl", r->min_ttl_ns, r->max_ttl_ns);
	check_order(c, t, "retry", "retry_max", r->retry_ns, r->retry_max_ns);
}
