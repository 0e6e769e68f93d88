/* SPDX-License-Identifier: Apache-2.0
 * Commands about the server: COMMAND, CONFIG, INFO, SLOWLOG and others. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "dataplane/base/time.h"
#include "lb/l7/resp/glob.h"
#include "lb/l7/resp/resp_pvt.h"

static void unknown_sub(struct resp_call *k, const char *name)
{
	reply_errorf(k->out, "ERR unknown subcommand '%.*s'. Try %s HELP.",
		(int)(k->v[1].len < 128 ? k->v[1].len : 128), (const char *)k->v[1].p, name);
}

/* ---- COMMAND ---- */

static const struct {
	uint32_t bit;
	const char *name;
} flag_names[] = {
	{CMD_WRITE, "write"},
	{CMD_READONLY, "readonly"},
	{CMD_DENYOOM, "denyoom"},
	{CMD_ADMIN, "admin"},
	{CMD_NOAUTH, "no_auth"},
	{CMD_FAST, "fast"},
	{CMD_MOVABLE, "movablekeys"},
};

static void describe(struct reply *out, const struct resp_cmd *c)
{
	uint32_t n = 0;

	reply_array(out, 10);
	reply_text(out, c->name);
	reply_int(out, c->arity);
	for (uint32_t i = 0; i < ARRAY_SIZE(flag_names); i++)
		n += (c->flags & flag_names[i].bit) != 0;
	reply_set(out, n);
	for (uint32_t i = 0; i < ARRAY_SIZE(flag_names); i++)
		if (c->flags & flag_names[i].bit)
			reply_simple(out, flag_names[i].name);
	reply_int(out, c->first);
	reply_int(out, c->last);
	reply_int(out, c->step);
	n = 0;
	for (const struct resp_cat_name *t = resp_cats; t->name != NULL; t++)
		n += (c->cats & t->bit) != 0;
	reply_set(out, n);
	for (const struct resp_cat_name *t = resp_cats; t->name != NULL; t++)
		if (c->cats & t->bit) {
			char name[32];

			(void)snprintf(name, sizeof(name), "@%s", t->name);
			reply_simple(out, name);
		}
	reply_array(out, 0); /* tips */
	reply_array(out, 0); /* key specifications: the three numbers above say it */
	reply_array(out, 0); /* subcommands */
}

static void getkeys(struct resp_call *k)
{
	const struct resp_cmd *c = k->n < 4 ? NULL : rcmd_find(k->v[2].p, k->v[2].len);
	struct rcmd_keys at;

	if (k->n < 4) {
		reply_error(k->out, "ERR wrong number of arguments for 'command|getkeys' command");
	} else if (c == NULL) {
		reply_error(k->out, "ERR Invalid command specified");
	} else if (!rcmd_arity_ok(c, k->n - 2)) {
		reply_error(k->out, "ERR Invalid number of arguments specified for command");
	} else if (!rcmd_places(c, k->v + 2, k->n - 2, &at)) {
		reply_error(k->out, "ERR Invalid arguments specified for command");
	} else if (at.cnt == 0 && at.dest == 0) {
		reply_error(k->out, "ERR The command has no key arguments");
	} else {
		reply_array(k->out, at.cnt + (at.dest > 0));
		if (at.dest > 0)
			reply_bulk(k->out, k->v[2 + at.dest].p, k->v[2 + at.dest].len);
		for (uint32_t i = 0; i < at.cnt; i++) {
			const struct resp_arg *a = &k->v[2 + at.first + i * at.step];

			reply_bulk(k->out, a->p, a->len);
		}
	}
}

void rcmd_command(struct resp_call *k)
{
	if (k->n == 1 || (k->n == 2 && arg_is(&k->v[1], "info"))) {
		reply_array(k->out, resp_cmd_cnt);
		for (uint32_t i = 0; i < resp_cmd_cnt; i++)
			describe(k->out, &resp_cmds[i]);
	} else if (arg_is(&k->v[1], "count")) {
		reply_int(k->out, resp_cmd_cnt);
	} else if (arg_is(&k->v[1], "list")) {
		reply_array(k->out, resp_cmd_cnt);
		for (uint32_t i = 0; i < resp_cmd_cnt; i++)
			reply_text(k->out, resp_cmds[i].name);
	} else if (arg_is(&k->v[1], "docs")) {
		reply_map(k->out, 0);
	} else if (arg_is(&k->v[1], "info")) {
		reply_array(k->out, k->n - 2);
		for (uint32_t i = 2; i < k->n; i++) {
			const struct resp_cmd *c = rcmd_find(k->v[i].p, k->v[i].len);

			if (c == NULL)
				reply_null_array(k->out);
			else
				describe(k->out, c);
		}
	} else if (arg_is(&k->v[1], "getkeys")) {
		getkeys(k);
	} else {
		unknown_sub(k, "COMMAND");
	}
}

/* ---- CONFIG ---- */

struct setting {
	const char *name;
	char value[256];
};

static uint32_t settings(const struct resp_conn *c, struct setting *out)
{
	const struct resp_worker *w = c->w;
	const struct config_resp *r = &c->cfg->resp;
	int d = w->durability[c->ns];
	uint32_t n = 0;

#define SETTING(key, fmt, ...)                                                        \
	do {                                                                          \
		out[n].name = (key);                                                  \
		(void)snprintf(out[n].value, sizeof(out[n].value), fmt, __VA_ARGS__); \
		n++;                                                                  \
	} while (0)
	SETTING("appendonly", "%s", d == STORE_VOLATILE ? "no" : "yes");
	SETTING("appendfsync", "%s",
		d == STORE_ALWAYS     ? "always"
		: d == STORE_EVERYSEC ? "everysec"
				      : "no");
	SETTING("save", "%s", "");
	SETTING("databases", "%d", 1);
	SETTING("dir", "%s", w->dir);
	SETTING("cluster-enabled", "%s", "yes");
	SETTING("maxmemory", "%llu", (unsigned long long)w->cache_bytes);
	SETTING("maxmemory-policy", "%s", "noeviction");
	SETTING("proto-max-bulk-len", "%llu", (unsigned long long)r->bulk_max_bytes);
	SETTING("slowlog-log-slower-than", "%llu", (unsigned long long)(r->slow_ns / NS_PER_US));
	SETTING("slowlog-max-len", "%d", RESP_SLOW_LOG);
	SETTING("timeout", "%llu", (unsigned long long)(c->cfg->idle_timeout_ns / NS_PER_SEC));
	SETTING("maxclients", "%u", w->conns.capacity);
	SETTING("tcp-keepalive", "%llu", (unsigned long long)(w->keepalive_ns / NS_PER_SEC));
#undef SETTING
	return n;
}

static bool config_wanted(const struct resp_call *k, const char *name)
{
	for (uint32_t i = 2; i < k->n; i++) {
		uint8_t low[128];
		size_t n = k->v[i].len < sizeof(low) ? k->v[i].len : sizeof(low);

		for (size_t b = 0; b < n; b++)
			low[b] = k->v[i].p[b] >= 'A' && k->v[i].p[b] <= 'Z'
					 ? (uint8_t)(k->v[i].p[b] | 0x20)
					 : k->v[i].p[b];
		if (glob_match(low, n, (const uint8_t *)name, strlen(name)))
			return true;
	}
	return false;
}

void rcmd_config(struct resp_call *k)
{
	struct setting all[16];
	uint32_t n, wanted = 0;

	if (arg_is(&k->v[1], "get") && k->n >= 3) {
		n = settings(k->c, all);
		for (uint32_t i = 0; i < n; i++)
			wanted += config_wanted(k, all[i].name);
		reply_map(k->out, wanted);
		for (uint32_t i = 0; i < n; i++)
			if (config_wanted(k, all[i].name)) {
				reply_text(k->out, all[i].name);
				reply_text(k->out, all[i].value);
			}
	} else if (arg_is(&k->v[1], "resetstat") && k->n == 2) {
		reply_ok(k->out);
	} else if (arg_is(&k->v[1], "set") || arg_is(&k->v[1], "rewrite")) {
		reply_error(
			k->out, "ERR The configuration is weir's own file; change that and reload");
	} else {
		unknown_sub(k, "CONFIG");
	}
}

/* ---- INFO ---- */

static void line(struct reply *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void line(struct reply *t, const char *fmt, ...)
{
	char buf[256];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(buf, sizeof(buf), fmt, ap);
	va_end(ap);
	reply_raw(t, buf, (uint64_t)(n < (int)sizeof(buf) ? n : (int)sizeof(buf) - 1));
	reply_lit(t, "\r\n");
}

static void info_server(struct resp_worker *w, struct reply *t)
{
	uint64_t up = kvs_wall_ms(w->kvs) / 1000 - w->start_s;

	line(t, "redis_version:7.0.15");
	line(t, "weir_version:%s", WEIR_VERSION);
	line(t, "redis_mode:cluster");
	line(t, "os:Linux");
	line(t, "arch_bits:64");
	line(t, "process_id:%d", (int)getpid());
	line(t, "run_id:%s", w->run_id);
	line(t, "uptime_in_seconds:%llu", (unsigned long long)up);
	line(t, "uptime_in_days:%llu", (unsigned long long)(up / 86400));
	line(t, "worker:%u", w->l7->conf.index);
	line(t, "workers:%u", w->l7->conf.worker_cnt);
}

static void info_clients(struct resp_worker *w, struct reply *t)
{
	line(t, "connected_clients:%u", w->conn_cnt);
	line(t, "blocked_clients:0");
}

static void info_memory(struct resp_worker *w, struct reply *t)
{
	struct kvs_stats s;

	kvs_stats(w->kvs, &s);
	line(t, "used_memory:%llu", (unsigned long long)s.mem_used);
	line(t, "maxmemory:%llu", (unsigned long long)s.mem_bytes);
}

static void info_persistence(struct resp_worker *w, struct reply *t)
{
	struct store_stats s;

	store_get_stats(kvs_store(kvs_of(w->kvs)), &s);
	line(t, "loading:0");
	line(t, "aof_enabled:1");
	line(t, "disk_full:%d", s.full);
	line(t, "disk_free_bytes:%llu", (unsigned long long)s.free_bytes);
	line(t, "io_uring:%d", s.uring);
	line(t, "direct_io:%d", s.direct_io);
}

static void info_stats(struct resp_worker *w, struct reply *t)
{
	struct kvs_stats s;

	kvs_stats(w->kvs, &s);
	line(t, "total_connections_received:%llu", (unsigned long long)w->conns_total);
	line(t, "total_commands_processed:%llu", (unsigned long long)w->commands);
	line(t, "total_error_replies:%llu", (unsigned long long)w->errors);
	line(t, "keyspace_hits:%llu", (unsigned long long)s.cache_hits);
	line(t, "keyspace_misses:%llu", (unsigned long long)s.cache_misses);
#define C(name, text) line(t, "kvs_%s:%llu", #name, (unsigned long long)s.name);
	KVS_COUNTERS(C)
#undef C
}

static void info_replication(struct resp_worker *w, struct reply *t)
{
	(void)w;
	line(t, "role:master");
	line(t, "connected_slaves:0");
}

static void info_cluster(struct resp_worker *w, struct reply *t)
{
	(void)w;
	line(t, "cluster_enabled:1");
}

static void info_keyspace(struct resp_worker *w, struct reply *t)
{
	(void)w;
	/* Counting keys takes a scan (DBSIZE). */
	line(t, "db0:keys=0,expires=0,avg_ttl=0");
}

static const struct {
	const char *name;
	void (*fn)(struct resp_worker *w, struct reply *t);
} sections[] = {
	{"Server", info_server},
	{"Clients", info_clients},
	{"Memory", info_memory},
	{"Persistence", info_persistence},
	{"Stats", info_stats},
	{"Replication", info_replication},
	{"Cluster", info_cluster},
	{"Keyspace", info_keyspace},
};

static bool section_wanted(const struct resp_call *k, const char *name)
{
	if (k->n == 1)
		return true;
	for (uint32_t i = 1; i < k->n; i++)
		if (arg_is(&k->v[i], name) || arg_is(&k->v[i], "all") ||
			arg_is(&k->v[i], "everything") || arg_is(&k->v[i], "default"))
			return true;
	return false;
}

void rcmd_info(struct resp_call *k)
{
	struct reply t;

	reply_init(&t, k->out->m, 2);
	for (uint32_t i = 0; i < ARRAY_SIZE(sections); i++) {
		if (!section_wanted(k, sections[i].name))
			continue;
		if (t.len > 0)
			reply_lit(&t, "\r\n");
		line(&t, "# %s", sections[i].name);
		sections[i].fn(k->c->w, &t);
	}
	reply_verbatim(k->out, (const char *)t.p, t.len);
	reply_fini(&t);
}

/* ---- SLOWLOG: of this worker ---- */

static void slow_entry(struct reply *out, const struct resp_slow *s)
{
	char more[64];

	reply_array(out, 6);
	reply_int(out, (int64_t)s->id);
	reply_int(out, (int64_t)s->time_s);
	reply_int(out, (int64_t)s->took_us);
	reply_array(out, s->shown + (s->argc > s->shown));
	for (uint32_t i = 0; i < s->shown; i++)
		reply_bulk(out, s->args[i].text, s->args[i].len);
	if (s->argc > s->shown) {
		(void)snprintf(more, sizeof(more), "... (%u more arguments)", s->argc - s->shown);
		reply_text(out, more);
	}
	reply_text(out, s->peer);
	reply_text(out, s->name);
}

void rcmd_slowlog(struct resp_call *k)
{
	struct resp_worker *w = k->c->w;
	uint64_t have = w->slow_next - w->slow_from, n;
	int64_t want = 10;

	have = have > RESP_SLOW_LOG ? RESP_SLOW_LOG : have;
	if (arg_is(&k->v[1], "len")) {
		reply_int(k->out, (int64_t)have);
	} else if (arg_is(&k->v[1], "reset")) {
		w->slow_from = w->slow_next;
		reply_ok(k->out);
	} else if (arg_is(&k->v[1], "get") && k->n <= 3) {
		if (k->n == 3 && !arg_int(k, 2, &want))
			return;
		if (want < -1) {
			reply_error(k->out, "ERR count should be greater than or equal to -1");
			return;
		}
		n = want == -1 || (uint64_t)want > have ? have : (uint64_t)want;
		reply_array(k->out, n);
		for (uint64_t i = 0; i < n; i++)
			slow_entry(k->out, &w->slow[(w->slow_next - 1 - i) % RESP_SLOW_LOG]);
	} else {
		unknown_sub(k, "SLOWLOG");
	}
}

/* ---- others ---- */

void rcmd_debug(struct resp_call *k)
{
	reply_error(k->out, "ERR DEBUG command not allowed.");
}

void rcmd_time(struct resp_call *k)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	reply_array(k->out, 2);
	reply_bulk_int(k->out, ts.tv_sec);
	reply_bulk_int(k->out, ts.tv_nsec / 1000);
}

void rcmd_readonly(struct resp_call *k)
{
	reply_ok(k->out);
}

void rcmd_readwrite(struct resp_call *k)
{
	reply_ok(k->out);
}

void rcmd_lolwut(struct resp_call *k)
{
	static const char text[] = "weir " WEIR_VERSION "\n";

	reply_verbatim(k->out, text, sizeof(text) - 1);
}

/* There are no replicas to wait for. */
void rcmd_wait(struct resp_call *k)
{
	int64_t v;

	if (arg_int(k, 1, &v) && arg_int(k, 2, &v))
		reply_int(k->out, 0);
}

void rcmd_save(struct resp_call *k)
{
	reply_error(k->out, "ERR The store writes by itself; backups are made by weir");
}

void rcmd_lastsave(struct resp_call *k)
{
	reply_int(k->out, (int64_t)(kvs_wall_ms(k->c->w->kvs) / 1000));
}
