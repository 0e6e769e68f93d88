/* SPDX-License-Identifier: Apache-2.0
 * Commands that show something: an answer and the columns of it that people read. */
#include <string.h>

#include "lb/admin/admin_client.h"
#include "lb/ctl/ctl_pvt.h"

#define TABLE(c, rows, cols) ctl_table(c, rows, cols, ARRAY_SIZE(cols))

static long long whole(const json_t *o, const char *key)
{
	return (long long)json_integer_value(json_object_get(o, key));
}

static void put_uptime(FILE *out, long long s)
{
	if (s >= 86400)
		fprintf(out, "%lldd %lldh", s / 86400, s % 86400 / 3600);
	else if (s >= 3600)
		fprintf(out, "%lldh %lldm", s / 3600, s % 3600 / 60);
	else
		fprintf(out, "%lldm %llds", s / 60, s % 60);
}

static void print_status(struct ctl *c, const json_t *b)
{
	static const struct ctl_column workers[] = {{"worker", "WORKER", CTL_NUMBER},
		{"core", "CORE", CTL_NUMBER}, {"busy", "BUSY", CTL_PERCENT},
		{"loops", "TURNS", CTL_SI}, {"sleeps", "SLEEPS", CTL_SI},
		{"longest_loop_us", "LONGEST us", CTL_NUMBER}, {"stuck", "STUCK", CTL_NUMBER},
		{"flows", "FLOWS", CTL_NUMBER}, {"nat_flows", "NAT FLOWS", CTL_NUMBER},
		{"flows_evicted", "EVICTED", CTL_NUMBER}, {"rss_wrong", "RSS WRONG", CTL_NUMBER}};
	static const struct ctl_column ports[] = {{"port", "PORT", CTL_TEXT},
		{"link", "LINK", CTL_STATE}, {"mac", "MAC", CTL_TEXT}, {"mtu", "MTU", CTL_NUMBER},
		{"steering", "STEERING", CTL_TEXT}, {"rx_packets", "RX", CTL_SI},
		{"rx_bytes", "RX BYTES", CTL_SI}, {"rx_missed", "MISSED", CTL_SI},
		{"tx_packets", "TX", CTL_SI}, {"tx_bytes", "TX BYTES", CTL_SI},
		{"device", "DEVICE", CTL_TEXT}};
	char level[16];

	fprintf(c->out, "weir %s  pid %lld  up ", json_string_value(json_object_get(b, "version")),
		whole(b, "pid"));
	put_uptime(c->out, whole(b, "uptime_s"));
	fprintf(c->out, "  generation %lld%s%s  flows %lld", whole(b, "generation"),
		json_is_true(json_object_get(b, "reload_done")) ? "" : " (being adopted)",
		json_is_true(json_object_get(b, "draining")) ? "  DRAINING" : "",
		whole(b, "flows"));
	fprintf(c->out, "  logs from %s\n\n",
		ctl_clean(
			json_string_value(json_object_get(b, "log_level")), level, sizeof(level)));
	TABLE(c, json_object_get(b, "workers"), workers);
	fputc('\n', c->out);
	TABLE(c, json_object_get(b, "ports"), ports);
}

int cmd_status(struct ctl *c, char **argv, int argc)
{
	(void)argv;
	(void)argc;
	return ctl_show(c, "GET", "/v1/status", NULL, print_status);
}

/* One line a virtual address. */
static void print_vips(struct ctl *c, const json_t *b)
{
	static const struct ctl_column cols[] = {{"vip", "VIP", CTL_TEXT},
		{"port", "PORT", CTL_TEXT}, {"protocol", "PROTO", CTL_TEXT},
		{"service", "SERVICE", CTL_TEXT}, {"backends", "UP", CTL_TEXT},
		{"at_vip", "AT VIP", CTL_NUMBER}, {"active", "OF SERVICE", CTL_NUMBER},
		{"flows", "IN ALL", CTL_SI}, {"no_backend", "NO BACKEND", CTL_SI},
		{"conn_limited", "LIMITED", CTL_SI}, {"denied", "DENIED", CTL_SI}};
	static const char *const of_service[] = {
		"active", "flows", "no_backend", "conn_limited", "denied"};
	json_t *rows = json_array(), *s, *v, *be;
	size_t i, k, n;

	json_array_foreach(json_object_get(b, "services"), i, s)
	{
		char port[32], up[32];
		int good = 0;

		json_array_foreach(json_object_get(s, "backends"), n, be) good +=
			strcmp(json_string_value(json_object_get(be, "state")), "up") == 0;
		snprintf(port, sizeof(port),
			whole(s, "port_lo") == whole(s, "port_hi") ? "%lld" : "%lld-%lld",
			whole(s, "port_lo"), whole(s, "port_hi"));
		snprintf(up, sizeof(up), "%d/%zu", good,
			json_array_size(json_object_get(s, "backends")));
		json_array_foreach(json_object_get(s, "vips"), k, v)
		{
			json_t *row = json_copy(s);

			json_object_set(row, "vip", v);
			json_object_set(row, "at_vip",
				json_object_get(
					json_object_get(s, "vip_flows"), json_string_value(v)));
			/* The figures of the service stand once. */
			for (size_t f = 0; k > 0 && f < ARRAY_SIZE(of_service); f++)
				json_object_del(row, of_service[f]);
			json_object_set_new(row, "port", json_string(port));
			json_object_set_new(row, "backends", json_string(up));
			json_array_append_new(rows, row);
		}
	}
	TABLE(c, rows, cols);
	json_decref(rows);
}

int cmd_vips(struct ctl *c, char **argv, int argc)
{
	(void)argv;
	(void)argc;
	return ctl_show(c, "GET", "/v1/services", NULL, print_vips);
}

static void print_backends(struct ctl *c, const json_t *b)
{
	static const struct ctl_column cols[] = {{"kind", "KIND", CTL_TEXT},
		{"pool", "POOL", CTL_TEXT}, {"backend", "BACKEND", CTL_TEXT},
		{"name", "NAME", CTL_TEXT}, {"state", "STATE", CTL_STATE},
		{"weight", "WEIGHT", CTL_NUMBER}, {"override", "OVERRIDE", CTL_TEXT},
		{"active", "ACTIVE", CTL_NUMBER}, {"flows", "FLOWS", CTL_SI},
		{"connects", "CONNECTS", CTL_SI}, {"requests", "REQUESTS", CTL_SI},
		{"conns", "CONNS", CTL_NUMBER}, {"packets", "PACKETS", CTL_SI},
		{"bytes", "BYTES", CTL_SI}, {"back_bytes", "BACK BYTES", CTL_SI},
		{"port_headroom", "PORTS LEFT", CTL_SI}};

	TABLE(c, json_object_get(b, "backends"), cols);
}

int cmd_backends(struct ctl *c, char **argv, int argc)
{
	(void)argv;
	(void)argc;
	return ctl_show(c, "GET", "/v1/backends", NULL, print_backends);
}

/* One line a family, the addresses in one column. */
static void print_names(struct ctl *c, const json_t *b)
{
	static const struct ctl_column cols[] = {{"name", "NAME", CTL_TEXT},
		{"family", "FAMILY", CTL_TEXT}, {"result", "RESULT", CTL_TEXT},
		{"age_s", "AGE s", CTL_NUMBER}, {"ttl_s", "TTL s", CTL_NUMBER},
		{"failures", "FAILURES", CTL_NUMBER}, {"questions", "QUESTIONS", CTL_SI},
		{"list", "ADDRESSES", CTL_TEXT}};
	json_t *rows = json_array(), *n, *a;
	size_t i, k;

	json_array_foreach(json_object_get(b, "names"), i, n)
	{
		json_t *row = json_copy(n);
		char list[1024] = "";
		size_t at = 0;

		json_array_foreach(json_object_get(n, "addresses"), k, a) if (at < sizeof(list))
			at += (size_t)snprintf(list + at, sizeof(list) - at, "%s%s",
				k > 0 ? " " : "", json_string_value(a));
		json_object_set_new(row, "list", json_string(list));
		json_array_append_new(rows, row);
	}
	TABLE(c, rows, cols);
	json_decref(rows);
}

int cmd_names(struct ctl *c, char **argv, int argc)
{
	(void)argv;
	(void)argc;
	return ctl_show(c, "GET", "/v1/names", NULL, print_names);
}

static void print_flows(struct ctl *c, const json_t *b)
{
	static const struct ctl_column cols[] = {{"worker", "WORKER", CTL_NUMBER},
		{"protocol", "PROTO", CTL_TEXT}, {"client", "CLIENT", CTL_TEXT},
		{"vip", "VIP", CTL_TEXT}, {"service", "SERVICE", CTL_TEXT},
		{"backend", "BACKEND", CTL_TEXT}, {"local", "LOCAL", CTL_TEXT},
		{"state", "STATE", CTL_STATE}, {"idle_ms", "IDLE ms", CTL_NUMBER}};

	TABLE(c, json_object_get(b, "flows"), cols);
	if (json_is_true(json_object_get(b, "more")))
		fputs("(there are more: -n sets the limit)\n", c->out);
}

int cmd_flows(struct ctl *c, char **argv, int argc)
{
	char path[1024] = "/v1/flows";

	(void)argv;
	(void)argc;
	ctl_add_query(path, sizeof(path), "client", c->client);
	ctl_add_query(path, sizeof(path), "vip", c->vip);
	ctl_add_query(path, sizeof(path), "service", c->service);
	ctl_add_query(path, sizeof(path), "protocol", c->protocol);
	ctl_add_query(path, sizeof(path), "limit", c->count);
	return ctl_show(c, "GET", path, NULL, print_flows);
}

static void print_conns(struct ctl *c, const json_t *b)
{
	static const struct ctl_column cols[] = {{"worker", "WORKER", CTL_NUMBER},
		{"listener", "LISTENER", CTL_TEXT}, {"pool", "BACKEND OF", CTL_TEXT},
		{"local", "LOCAL", CTL_TEXT}, {"remote", "REMOTE", CTL_TEXT},
		{"state", "STATE", CTL_STATE}, {"srtt_us", "SRTT us", CTL_NUMBER},
		{"rto_ms", "RTO ms", CTL_NUMBER}, {"mss", "MSS", CTL_NUMBER},
		{"cwnd", "CWND", CTL_SI}, {"queued", "QUEUED", CTL_SI},
		{"inflight", "IN FLIGHT", CTL_SI}, {"unread", "UNREAD", CTL_SI},
		{"bytes_in", "IN", CTL_SI}, {"bytes_acked", "OUT", CTL_SI},
		{"retransmits", "RETRANS", CTL_NUMBER}};

	TABLE(c, json_object_get(b, "connections"), cols);
	if (json_is_true(json_object_get(b, "more_connections")))
		fputs("(there are more than 256 on a worker)\n", c->out);
}

int cmd_conns(struct ctl *c, char **argv, int argc)
{
	(void)argv;
	(void)argc;
	return ctl_show(c, "GET", "/v1/tcp", NULL, print_conns);
}

/* Counts of this process beside what they mean. */
int cmd_drop_reasons(struct ctl *c, char **argv, int argc)
{
	static const struct ctl_column cols[] = {{"packets", "PACKETS", CTL_NUMBER},
		{"reason", "REASON", CTL_TEXT}, {"class", "CLASS", CTL_STATE},
		{"text", "MEANING", CTL_TEXT}};
	json_t *what, *counts, *rows = json_array(), *v;
	bool all = argc > 0;
	const char *name;
	int rc = ctl_ask(c, "GET", "/v1/drop-reasons", NULL, &what);

	(void)argv;
	if (rc == CTL_OK)
		rc = ctl_ask(c, "GET", "/v1/counters", NULL, &counts);
	else
		what = NULL;
	if (rc != CTL_OK) {
		json_decref(what);
		json_decref(rows);
		return rc;
	}
	json_object_foreach(json_object_get(what, "reasons"), name, v)
	{
		json_t *n = json_object_get(json_object_get(counts, "reasons"), name);

		if (!all && !c->json && json_integer_value(n) == 0)
			continue;
		json_object_set(v, "packets", n);
		json_object_set_new(v, "reason", json_string(name));
		json_array_append(rows, v);
	}
	if (c->json)
		ctl_print_json(c, rows);
	else
		TABLE(c, rows, cols);
	json_decref(what);
	json_decref(counts);
	json_decref(rows);
	return CTL_OK;
}

static void print_health(struct ctl *c, const json_t *b)
{
	static const struct ctl_column cols[] = {{"backend", "BACKEND", CTL_TEXT},
		{"destination", "DESTINATION", CTL_TEXT}, {"check", "CHECK", CTL_TEXT},
		{"port", "PORT", CTL_NUMBER}, {"state", "STATE", CTL_STATE},
		{"last", "LAST", CTL_TEXT}, {"rtt_us", "RTT us", CTL_NUMBER},
		{"sent", "SENT", CTL_SI}, {"failed", "FAILED", CTL_SI},
		{"flaps", "FLAPS", CTL_NUMBER}};

	TABLE(c, json_object_get(b, "targets"), cols);
}

int cmd_health(struct ctl *c, char **argv, int argc)
{
	(void)argv;
	(void)argc;
	return ctl_show(c, "GET", "/v1/health", NULL, print_health);
}

static void print_listeners(struct ctl *c, const json_t *b)
{
	static const struct ctl_column cols[] = {{"listener", "LISTENER", CTL_TEXT},
		{"action", "ACTION", CTL_TEXT}, {"active", "ACTIVE", CTL_NUMBER},
		{"accepted", "ACCEPTED", CTL_SI}, {"over_limit", "OVER LIMIT", CTL_SI},
		{"no_backend", "NO BACKEND", CTL_SI}, {"failed", "FAILED", CTL_SI},
		{"retries", "RETRIES", CTL_SI}, {"resets", "RESETS", CTL_SI},
		{"bytes_in", "IN", CTL_SI}, {"bytes_out", "OUT", CTL_SI}};

	TABLE(c, json_object_get(b, "listeners"), cols);
}

int cmd_listeners(struct ctl *c, char **argv, int argc)
{
	(void)argv;
	(void)argc;
	return ctl_show(c, "GET", "/v1/listeners", NULL, print_listeners);
}

static void print_any(struct ctl *c, const json_t *b)
{
	admin_print(c->out, b);
}

int cmd_stats(struct ctl *c, char **argv, int argc)
{
	char path[128];

	snprintf(path, sizeof(path), "/v1/metrics%s%.80s", argc > 0 ? "/" : "",
		argc > 0 ? argv[0] : "");
	return ctl_show(c, "GET", path, NULL, print_any);
}

static void print_store(struct ctl *c, const json_t *b)
{
	static const struct ctl_column cols[] = {{"shard", "SHARD", CTL_NUMBER},
		{"state", "STATE", CTL_STATE}, {"degraded", "DEGRADED", CTL_TEXT},
		{"stall", "STALL", CTL_TEXT}, {"keys_estimate", "KEYS", CTL_SI},
		{"live_bytes", "LIVE BYTES", CTL_SI}, {"blob_bytes", "BLOB BYTES", CTL_SI},
		{"memtable_bytes", "MEMTABLE", CTL_SI}, {"snapshots", "SNAPSHOTS", CTL_NUMBER}};
	char clean[256], room[16];

	if (!json_is_true(json_object_get(b, "open"))) {
		fputs("there is no store\n", c->out);
		return;
	}
	fprintf(c->out, "%s: %s bytes free on its disk%s\n\n",
		ctl_clean(json_string_value(json_object_get(b, "dir")), clean, sizeof(clean)),
		ctl_si((double)whole(b, "disk_free_bytes"), room),
		json_is_true(json_object_get(b, "disk_full")) ? ", DISK FULL" : "");
	TABLE(c, json_object_get(b, "shards"), cols);
}

int cmd_store(struct ctl *c, char **argv, int argc)
{
	(void)argv;
	(void)argc;
	return ctl_show(c, "GET", "/v1/store", NULL, print_store);
}

static void print_overrides(struct ctl *c, const json_t *b)
{
	static const struct ctl_column cols[] = {{"kind", "KIND", CTL_TEXT},
		{"pool", "POOL", CTL_TEXT}, {"backend", "BACKEND", CTL_TEXT},
		{"drain", "DRAIN", CTL_TEXT}, {"disabled", "DISABLED", CTL_TEXT},
		{"weight", "WEIGHT", CTL_NUMBER}};

	TABLE(c, json_object_get(b, "overrides"), cols);
}

int cmd_overrides(struct ctl *c, char **argv, int argc)
{
	(void)argv;
	(void)argc;
	return ctl_show(c, "GET", "/v1/overrides", NULL, print_overrides);
}
