/* SPDX-License-Identifier: Apache-2.0
 * Commands on the connection itself, and ACL. */
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "dataplane/base/time.h"
#include "lb/l7/resp/resp_pvt.h"

#define VERSION_WE_SPEAK "7.0.15"

static void unknown_sub(struct resp_call *k, const char *name)
{
	reply_errorf(k->out, "ERR unknown subcommand '%.*s'. Try %s HELP.",
		(int)(k->v[1].len < 128 ? k->v[1].len : 128), (const char *)k->v[1].p, name);
}

/* True: the subcommand has the number of arguments that it needs, or the error is said. */
static bool sub_arity(struct resp_call *k, const char *sub, bool ok)
{
	if (ok)
		return true;
	reply_errorf(
		k->out, "ERR wrong number of arguments for '%s|%s' command", k->cmd->name, sub);
	return false;
}

void rcmd_ping(struct resp_call *k)
{
	if (k->n > 2)
		reply_error(k->out, "ERR wrong number of arguments for 'ping' command");
	else if (k->n == 2)
		reply_bulk(k->out, k->v[1].p, k->v[1].len);
	else
		reply_lit(k->out, "+PONG\r\n");
}

void rcmd_echo(struct resp_call *k)
{
	reply_bulk(k->out, k->v[1].p, k->v[1].len);
}

void rcmd_select(struct resp_call *k)
{
	int64_t db;

	if (codec_integer_parse(k->v[1].p, k->v[1].len, &db) != 0)
		reply_error(k->out, "ERR value is not an integer or out of range");
	else if (db != 0)
		reply_error(k->out, "ERR DB index is out of range");
	else
		reply_ok(k->out);
}

void rcmd_quit(struct resp_call *k)
{
	reply_ok(k->out);
	k->c->closing = true;
}

void rcmd_reset(struct resp_call *k)
{
	resp_reset_conn(k->c);
	k->out->proto = 2;
	reply_simple(k->out, "RESET");
}

/* ---- AUTH, HELLO ---- */

static bool login(
	struct resp_call *k, const void *name, size_t name_len, const struct resp_arg *pass)
{
	const struct acl_user *u = resp_find_user(k->c, name, name_len);

	if (u == NULL || !acl_password(u, pass->p, pass->len)) {
		reply_error(
			k->out, "WRONGPASS invalid username-password pair or user is disabled.");
		return false;
	}
	k->c->user = u;
	(void)snprintf(k->c->user_name, sizeof(k->c->user_name), "%s", u->name);
	return true;
}

void rcmd_auth(struct resp_call *k)
{
	const struct acl_user *u;

	if (k->n > 3) {
		reply_error(k->out, SYNTAX);
		return;
	}
	u = resp_find_user(k->c, "default", 7);
	if (k->n == 2 && u != NULL && u->nopass) {
		reply_error(k->out,
			"ERR AUTH <password> called without any password configured for the "
			"default user. Are you sure your configuration is correct?");
		return;
	}
	if (k->n == 2 ? login(k, "default", 7, &k->v[1])
		      : login(k, k->v[1].p, k->v[1].len, &k->v[2]))
		reply_ok(k->out);
}

static bool name_ok(struct resp_call *k, const struct resp_arg *a)
{
	for (uint32_t i = 0; i < a->len; i++)
		if (a->p[i] < '!' || a->p[i] > '~') {
			reply_error(k->out, "ERR Client names cannot contain spaces, newlines or "
					    "special characters.");
			return false;
		}
	return true;
}

static void set_text(char *out, size_t cap, const struct resp_arg *a)
{
	size_t n = a->len < cap - 1 ? a->len : cap - 1;

	memcpy(out, a->p, n);
	out[n] = '\0';
}

/* AUTH and SETNAME of HELLO. */
static bool hello_options(struct resp_call *k)
{
	const struct resp_arg *name = NULL;

	for (uint32_t i = 2; i < k->n;) {
		uint32_t left = k->n - i - 1;

		if (arg_is(&k->v[i], "auth") && left >= 2) {
			if (!login(k, k->v[i + 1].p, k->v[i + 1].len, &k->v[i + 2]))
				return false;
			i += 3;
		} else if (arg_is(&k->v[i], "setname") && left >= 1) {
			if (!name_ok(k, &k->v[i + 1]))
				return false;
			name = &k->v[i + 1];
			i += 2;
		} else {
			reply_errorf(k->out, "ERR Syntax error in HELLO option '%.*s'",
				(int)k->v[i].len, (const char *)k->v[i].p);
			return false;
		}
	}
	if (k->c->user == NULL) {
		reply_error(k->out,
			"NOAUTH HELLO must be called with the client already authenticated, "
			"otherwise the HELLO <proto> AUTH <user> <pass> option can be used to "
			"authenticate the client and select the RESP protocol version at the same "
			"time");
		return false;
	}
	if (name != NULL)
		set_text(k->c->name, sizeof(k->c->name), name);
	return true;
}

void rcmd_hello(struct resp_call *k)
{
	int64_t v = k->c->proto;

	if (k->n > 1 && codec_integer_parse(k->v[1].p, k->v[1].len, &v) != 0) {
		reply_error(k->out, "ERR Protocol version is not an integer or out of range");
		return;
	}
	if (v < 2 || v > 3) {
		reply_error(k->out, "NOPROTO unsupported protocol version");
		return;
	}
	if (!hello_options(k))
		return;
	k->c->proto = k->out->proto = (uint8_t)v;
	reply_map(k->out, 7);
	reply_text(k->out, "server");
	reply_text(k->out, "redis");
	reply_text(k->out, "version");
	reply_text(k->out, VERSION_WE_SPEAK);
	reply_text(k->out, "proto");
	reply_int(k->out, v);
	reply_text(k->out, "id");
	reply_int(k->out, (int64_t)k->c->id);
	reply_text(k->out, "mode");
	reply_text(k->out, "cluster");
	reply_text(k->out, "role");
	reply_text(k->out, "master");
	reply_text(k->out, "modules");
	reply_array(k->out, 0);
}

/* ---- CLIENT ---- */

static int client_line(const struct resp_conn *c, uint64_t now_ns, char *out, size_t cap)
{
	char peer[64];

	resp_conn_peer(c, peer);
	return snprintf(out, cap,
		"id=%llu addr=%s name=%s age=%llu idle=%llu flags=%s db=0 sub=0 psub=0 multi=%d "
		"cmd=%s user=%s resp=%u lib-name=%s lib-ver=%s\n",
		(unsigned long long)c->id, peer, c->name,
		(unsigned long long)((now_ns - c->born_ns) / NS_PER_SEC),
		(unsigned long long)((now_ns - c->last_ns) / NS_PER_SEC), c->in_multi ? "x" : "N",
		c->in_multi ? (int)c->queued_cnt : -1, c->last != NULL ? c->last->name : "NULL",
		c->user_name, c->proto, c->lib_name, c->lib_ver);
}

/* Those of this worker: the others' are not its own to look at. */
static void client_list(struct resp_call *k)
{
	uint64_t now_ns = kvs_now_ns(k->c->w->kvs);
	struct reply text;
	struct list_node *n;
	char line[512];

	reply_init(&text, k->out->m, 2);
	list_for_each (n, &k->c->w->all) {
		const struct resp_conn *c =
			(struct resp_conn *)(void *)((uint8_t *)n -
						     offsetof(struct resp_conn, all));

		reply_raw(&text, line, (uint64_t)client_line(c, now_ns, line, sizeof(line)));
	}
	reply_verbatim(k->out, (const char *)text.p, text.len);
	reply_fini(&text);
}

static void client_setinfo(struct resp_call *k)
{
	if (!sub_arity(k, "setinfo", k->n == 4) || !name_ok(k, &k->v[3]))
		return;
	if (arg_is(&k->v[2], "lib-name")) {
		set_text(k->c->lib_name, sizeof(k->c->lib_name), &k->v[3]);
	} else if (arg_is(&k->v[2], "lib-ver")) {
		set_text(k->c->lib_ver, sizeof(k->c->lib_ver), &k->v[3]);
	} else {
		reply_errorf(k->out, "ERR Unrecognized option '%.*s'", (int)k->v[2].len,
			(const char *)k->v[2].p);
		return;
	}
	reply_ok(k->out);
}

void rcmd_client(struct resp_call *k)
{
	const struct resp_arg *sub = &k->v[1];
	char line[512];

	if (arg_is(sub, "id")) {
		if (sub_arity(k, "id", k->n == 2))
			reply_int(k->out, (int64_t)k->c->id);
	} else if (arg_is(sub, "getname")) {
		if (!sub_arity(k, "getname", k->n == 2))
			return;
		if (k->c->name[0] == '\0')
			reply_null(k->out);
		else
			reply_text(k->out, k->c->name);
	} else if (arg_is(sub, "setname")) {
		if (!sub_arity(k, "setname", k->n == 3) || !name_ok(k, &k->v[2]))
			return;
		set_text(k->c->name, sizeof(k->c->name), &k->v[2]);
		reply_ok(k->out);
	} else if (arg_is(sub, "setinfo")) {
		client_setinfo(k);
	} else if (arg_is(sub, "info")) {
		reply_verbatim(k->out, line,
			(uint64_t)client_line(k->c, kvs_now_ns(k->c->w->kvs), line, sizeof(line)));
	} else if (arg_is(sub, "list")) {
		client_list(k);
	} else if (arg_is(sub, "no-evict") || arg_is(sub, "no-touch")) {
		reply_ok(k->out);
	} else {
		unknown_sub(k, "CLIENT");
	}
}

/* ---- ACL ---- */

static void acl_rules(const struct acl_user *u, struct reply *out)
{
	char hex[65];

	reply_raw(out, u->on ? "on" : "off", u->on ? 2 : 3);
	if (u->nopass)
		reply_lit(out, " nopass");
	for (uint32_t i = 0; i < u->pass_cnt; i++) {
		for (uint32_t b = 0; b < 32; b++)
			(void)snprintf(hex + 2 * b, 3, "%02x", u->pass[i][b]);
		reply_lit(out, " #");
		reply_raw(out, hex, 64);
	}
	for (uint32_t i = 0; i < u->pattern_cnt; i++) {
		const struct acl_pattern *p = &u->patterns[i];

		if (p->use == (ACL_READ | ACL_WRITE))
			reply_lit(out, " ~");
		else if (p->use == ACL_READ)
			reply_lit(out, " %R~");
		else
			reply_lit(out, " %W~");
		reply_raw(out, p->text, p->len);
	}
	reply_lit(out, " &* ");
	if (u->rules[0] != '\0')
		reply_raw(out, u->rules, strlen(u->rules));
	else
		reply_lit(out, "-@all");
}

static void acl_list(struct resp_call *k)
{
	const struct config_resp *r = &k->c->cfg->resp;
	struct reply line;

	reply_array(k->out, r->acl_cnt);
	for (uint32_t i = 0; i < r->acl_cnt; i++) {
		reply_init(&line, k->out->m, 2);
		reply_lit(&line, "user ");
		reply_raw(&line, r->acl[i].name, strlen(r->acl[i].name));
		reply_lit(&line, " ");
		acl_rules(&r->acl[i], &line);
		reply_bulk(k->out, line.p, line.len);
		reply_fini(&line);
	}
}

static void acl_getuser(struct resp_call *k)
{
	const struct acl_user *u = resp_find_user(k->c, k->v[2].p, k->v[2].len);
	char hex[65], keys[1024];
	size_t n = 0;

	if (u == NULL) {
		reply_null_array(k->out);
		return;
	}
	reply_map(k->out, 6);
	reply_text(k->out, "flags");
	reply_set(k->out, 1u + u->nopass);
	reply_text(k->out, u->on ? "on" : "off");
	if (u->nopass)
		reply_text(k->out, "nopass");
	reply_text(k->out, "passwords");
	reply_array(k->out, u->pass_cnt);
	for (uint32_t i = 0; i < u->pass_cnt; i++) {
		for (uint32_t b = 0; b < 32; b++)
			(void)snprintf(hex + 2 * b, 3, "%02x", u->pass[i][b]);
		reply_bulk(k->out, hex, 64);
	}
	reply_text(k->out, "commands");
	reply_text(k->out, u->rules[0] != '\0' ? u->rules : "-@all");
	keys[0] = '\0';
	for (uint32_t i = 0; i < u->pattern_cnt && n < sizeof(keys); i++)
		n += (size_t)snprintf(keys + n, sizeof(keys) - n, "%s%s~%.*s", i > 0 ? " " : "",
			u->patterns[i].use == (ACL_READ | ACL_WRITE) ? ""
			: u->patterns[i].use == ACL_READ             ? "%R"
								     : "%W",
			u->patterns[i].len, u->patterns[i].text);
	reply_text(k->out, "keys");
	reply_text(k->out, keys);
	reply_text(k->out, "channels");
	reply_text(k->out, "&*");
	reply_text(k->out, "selectors");
	reply_array(k->out, 0);
}

static void acl_cat(struct resp_call *k)
{
	const struct resp_cat_name *c;
	uint32_t n = 0;

	if (k->n == 2) {
		for (c = resp_cats; c->name != NULL; c++)
			n++;
		reply_array(k->out, n);
		for (c = resp_cats; c->name != NULL; c++)
			reply_text(k->out, c->name);
		return;
	}
	for (c = resp_cats; c->name != NULL; c++)
		if (arg_is(&k->v[2], c->name))
			break;
	if (c->name == NULL) {
		reply_errorf(k->out, "ERR Unknown category '%.*s'", (int)k->v[2].len,
			(const char *)k->v[2].p);
		return;
	}
	for (uint32_t i = 0; i < resp_cmd_cnt; i++)
		n += (resp_cmds[i].cats & c->bit) != 0;
	reply_array(k->out, n);
	for (uint32_t i = 0; i < resp_cmd_cnt; i++)
		if ((resp_cmds[i].cats & c->bit) != 0)
			reply_text(k->out, resp_cmds[i].name);
}

void rcmd_acl(struct resp_call *k)
{
	const struct resp_arg *sub = &k->v[1];
	const struct config_resp *r = &k->c->cfg->resp;

	if (arg_is(sub, "whoami") && k->n == 2) {
		reply_text(k->out, k->c->user_name);
	} else if (arg_is(sub, "list") && k->n == 2) {
		acl_list(k);
	} else if (arg_is(sub, "users") && k->n == 2) {
		reply_array(k->out, r->acl_cnt);
		for (uint32_t i = 0; i < r->acl_cnt; i++)
			reply_text(k->out, r->acl[i].name);
	} else if (arg_is(sub, "getuser") && k->n == 3) {
		acl_getuser(k);
	} else if (arg_is(sub, "cat") && k->n <= 3) {
		acl_cat(k);
	} else if (arg_is(sub, "setuser") || arg_is(sub, "deluser") || arg_is(sub, "load") ||
		   arg_is(sub, "save")) {
		reply_error(k->out, "ERR Users are configured in weir's configuration file");
	} else {
		unknown_sub(k, "ACL");
	}
}
