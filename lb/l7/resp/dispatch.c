/* SPDX-License-Identifier: Apache-2.0
 * From a request to its reply. A request that the memory cache can answer is answered where it
 * stands in the receive buffer; any other becomes a job with a copy of its arguments, whose
 * transaction goes its way while the next requests are read. */
#include <errno.h>
#include <stdio.h>

#include "dataplane/base/assert.h"
#include "dataplane/base/time.h"
#include "lb/l7/resp/resp_pvt.h"

#define SMALL 64 /* bytes of a number, OK or nil */

/* ---- jobs ---- */

struct resp_job *resp_job_new(
	struct resp_conn *c, const struct resp_cmd *cmd, struct resp_args *args)
{
	struct resp_worker *w = c->w;
	uint32_t idx = pool_get(&w->jobs);
	struct resp_job *j;

	if (idx == POOL_NONE)
		return NULL;
	j = pool_at(&w->jobs, idx);
	memset(j, 0, sizeof(*j));
	j->c = c;
	j->w = w;
	j->cmd = cmd;
	j->start_ns = kvs_now_ns(w->kvs);
	reply_init(&j->out, kvs_mem(w->kvs), c->proto);
	if (args != NULL) {
		j->args = *args;
		args->block = NULL;
	}
	j->seq = ++c->job_seq;
	list_append(&c->jobs, &j->node);
	c->job_cnt++;
	return j;
}

/* ---- reads of one key, one after the other (RP2) ----
 *
 * Two reads of one key by different connections may overtake one another, by the same one they may
 * not: the later one would show what was before. It gets the key to itself then. */

static uint32_t read_bit(const struct resp_arg *a)
{
	uint64_t v = 0;

	memcpy(&v, a->p + (a->len > 8 ? a->len - 8 : 0), a->len > 8 ? 8 : a->len);
	return (uint32_t)((v ^ a->len) * UINT64_C(0x9e3779b97f4a7c15) >> 56);
}

static bool is_read(const struct resp_conn *c, const struct resp_arg *key)
{
	uint32_t bit = read_bit(key);

	return ((c->reads.old[bit / 64] | c->reads.now[bit / 64]) >> bit % 64 & 1) != 0;
}

/* Before a job of this connection looks for others. */
static void age_reads(struct resp_conn *c)
{
	const struct resp_job *first = (const struct resp_job *)(const void *)c->jobs.next;
	struct resp_reads *r = &c->reads;

	if (list_empty(&c->jobs)) {
		*r = (struct resp_reads){.split = c->job_seq + 1};
	} else if (first->seq >= r->split) {
		memcpy(r->old, r->now, sizeof(r->old));
		memset(r->now, 0, sizeof(r->now));
		r->split = c->job_seq + 1;
	}
}

enum kvs_mode resp_lock_mode(struct resp_conn *c, const struct resp_arg *key, enum kvs_mode mode)
{
	uint32_t bit = read_bit(key);

	if (mode != KVS_READ)
		return mode;
	if (is_read(c, key))
		mode = KVS_UPDATE;
	c->reads.now[bit / 64] |= UINT64_C(1) << bit % 64;
	return mode;
}

static void free_queued(struct resp_job *j)
{
	for (struct resp_queued *q = j->queued; q != NULL; q = q->next)
		resp_args_free(kvs_mem(j->w->kvs), &q->args);
	j->queued = NULL;
	if (j->arena.m != NULL)
		mem_arena_fini(&j->arena);
	j->arena.m = NULL;
}

void resp_job_free(struct resp_job *j)
{
	struct resp_worker *w = j->w;

	if (j->c != NULL) {
		list_remove(&j->node);
		j->c->job_cnt--;
	}
	free_queued(j);
	resp_args_free(kvs_mem(w->kvs), &j->args);
	reply_fini(&j->out);
	pool_put(&w->jobs, (uint32_t)(((uint8_t *)j - w->jobs.mem) / w->jobs.elt_size));
}

void resp_store_error(struct reply *out, int err)
{
	switch (err) {
	case -EXDEV:
		reply_error(out, "CROSSSLOT Keys in request don't hash to the same slot");
		break;
	case -EBUSY:
		reply_error(out, "TRYAGAIN The store is busy; not done");
		break;
	case -EROFS:
		reply_error(
			out, "MISCONF The shard is read-only after an error of its disk; not done");
		break;
	case -ENOSPC:
		reply_error(out, "MISCONF The disk is full; not done");
		break;
	case -ENXIO:
		reply_error(out, "CLUSTERDOWN The shard of this key is offline");
		break;
	case -ENOBUFS:
		reply_error(out, "OOM command not allowed when used memory > 'request_memory'.");
		break;
	case -E2BIG:
		reply_errorf(out, "ERR more than %u items in one command", LIMIT_STORE_ITEMS);
		break;
	case -ETIMEDOUT:
		reply_error(out, "ERR The store did not answer in time: outcome unknown");
		break;
	case -ENOTRECOVERABLE:
		reply_error(out, "ERR The write failed half-way: outcome unknown");
		break;
	default:
		reply_errorf(out, "ERR %s", store_error_text(err));
	}
}

static void log_slow(struct resp_job *j, uint64_t took_ns)
{
	struct resp_worker *w = j->w;
	struct resp_slow *s = &w->slow[w->slow_next % RESP_SLOW_LOG];
	uint32_t shown = j->args.n < ARRAY_SIZE(s->args) ? j->args.n : ARRAY_SIZE(s->args);

	s->id = w->slow_next++;
	s->time_s = kvs_wall_ms(w->kvs) / 1000;
	s->took_us = took_ns / NS_PER_US;
	s->argc = j->args.n;
	s->shown = shown;
	for (uint32_t i = 0; i < shown; i++) {
		const struct resp_arg *a = &j->args.v[i];

		s->args[i].len = (uint8_t)(a->len < RESP_SLOW_ARG ? a->len : RESP_SLOW_ARG);
		memcpy(s->args[i].text, a->p, s->args[i].len);
	}
	resp_conn_peer(j->c, s->peer);
	memcpy(s->name, j->c->name, sizeof(s->name));
}

static bool is_slow(const struct resp_job *j, uint64_t took_ns)
{
	uint64_t limit_ns = j->c->cfg->resp.slow_ns;

	return limit_ns > 0 && took_ns > limit_ns;
}

static void job_done(struct kvs_tx *tx, int status)
{
	struct resp_job *j = tx->ctx;
	uint64_t took_ns;

	j->tx = NULL;
	j->err = status;
	j->done = true;
	if (j->c == NULL) {
		/* Arguments may still be read by the store after a timeout; they stand in the
		 * transaction or go with it. */
		resp_job_free(j);
		return;
	}
	took_ns = kvs_now_ns(j->w->kvs) - j->start_ns;
	if (unlikely(is_slow(j, took_ns)) && j->args.v != NULL)
		log_slow(j, took_ns);
	resp_send_later(j->c);
}

/* ---- SET of a key and a value alone ---- */

static void put_done(void *ctx, int status, const struct kvs_pair *pair)
{
	struct resp_job *j = ctx;
	uint64_t took_ns;

	j->putting = false;
	j->done = true;
	j->ok = status == 0;
	j->err = status;
	if (j->c == NULL) {
		resp_job_free(j);
		return;
	}
	took_ns = kvs_now_ns(j->w->kvs) - j->start_ns;
	if (unlikely(is_slow(j, took_ns)) && pair != NULL) {
		struct resp_arg v[3] = {{(const uint8_t *)"SET", 3}, {pair->key, pair->key_len},
			{pair->val, pair->val_len}};

		j->args = (struct resp_args){v, 3, NULL};
		log_slow(j, took_ns);
		j->args = (struct resp_args){NULL, 0, NULL};
	}
	resp_send_later(j->c);
}

static bool put_alone(struct resp_conn *c, const struct resp_cmd *cmd, const struct resp_args *a)
{
	struct kvs_pair pair = {
		.key = a->v[1].p, .val = a->v[2].p, .key_len = a->v[1].len, .val_len = a->v[2].len};
	struct resp_job *j = resp_job_new(c, cmd, NULL);

	if (j == NULL)
		return false;
	j->putting = true;
	if (kvs_put_alone(c->w->kvs, c->ns, &pair, put_done, j))
		return true;
	resp_job_free(j);
	return false;
}

static void job_run(struct kvs_tx *tx)
{
	struct resp_job *j = tx->ctx;
	struct resp_call k = {
		.c = j->c, .cmd = j->cmd, .v = j->args.v, .n = j->args.n, .tx = tx, .out = &j->out};

	j->out.len = 0;
	j->out.error = false;
	j->cmd->fn(&k);
	/* What cannot be told is not done: its writes are still to come. */
	if (unlikely(j->out.failed))
		kvs_fail(tx, -ENOBUFS);
}

static void flush_done(struct kvs_tx *tx, int status)
{
	struct resp_job *j = tx->ctx;

	reply_ok(&j->out);
	job_done(tx, status);
}

void resp_job_start(struct resp_job *j)
{
	j->started = true;
	if (j->cmd->fn == rcmd_flushdb) {
		j->tx->done = flush_done;
		kvs_clear(j->tx);
	} else {
		kvs_start(j->tx);
	}
}

/* Arguments and all else that a transaction reads stand in its own memory, so that what the store
 * still holds after a timeout outlives the job. */
static int own_args(struct resp_job *j)
{
	struct resp_args *a = &j->args;
	struct resp_arg *v = kvs_alloc(j->tx, a->n * sizeof(*v));
	uint64_t bytes = 0;
	uint8_t *p;

	if (v == NULL)
		return -ENOBUFS;
	for (uint32_t i = 0; i < a->n; i++)
		bytes += a->v[i].len;
	p = kvs_alloc(j->tx, bytes);
	if (p == NULL)
		return -ENOBUFS;
	for (uint32_t i = 0; i < a->n; i++) {
		v[i] = (struct resp_arg){p, a->v[i].len};
		if (v[i].len > 0)
			memcpy(p, a->v[i].p, v[i].len);
		p += v[i].len;
	}
	a->v = v;
	return 0;
}

static int lock_keys(struct resp_job *j)
{
	const struct resp_cmd *cmd = j->cmd;
	enum kvs_mode mode = rcmd_mode(cmd, j->args.v, j->args.n);
	struct rcmd_keys at;
	int rc = 0;

	if (!rcmd_places(cmd, j->args.v, j->args.n, &at))
		return 0;
	j->tx->snapshot |= mode == KVS_READ && at.cnt > 1;
	if (at.dest > 0)
		rc = kvs_lock(j->tx, j->args.v[at.dest].p, j->args.v[at.dest].len, mode);
	for (uint32_t i = 0; i < at.cnt && rc == 0; i++) {
		const struct resp_arg *a = &j->args.v[at.first + i * at.step];

		rc = kvs_lock(j->tx, a->p, a->len, resp_lock_mode(j->c, a, mode));
	}
	return rc;
}

static void fail_job(struct resp_job *j, int rc)
{
	if (j->tx != NULL)
		kvs_drop(j->tx);
	j->tx = NULL;
	j->err = rc;
	j->done = true;
	resp_send_later(j->c);
}

static void begin(struct resp_job *j)
{
	struct resp_conn *c = j->c;
	int rc;

	/* With room for what an operation of the store gives: it is done before it is told. */
	j->tx = reply_room(&j->out, SMALL) ? kvs_begin(j->w->kvs, c->ns) : NULL;
	rc = j->tx == NULL ? -ENOBUFS : 0;
	if (rc == 0) {
		j->tx->ctx = j;
		j->tx->run = job_run;
		j->tx->done = job_done;
		j->tx->split = (j->cmd->flags & CMD_SPLIT) != 0;
		j->tx->snapshot = (j->cmd->flags & CMD_READONLY) != 0 &&
				  (j->cmd->cats & (CAT_HASH | CAT_SET | CAT_ZSET | CAT_LIST)) != 0;
	}
	if (rc == 0 && j->cmd->fn == rcmd_exec) {
		j->tx->multi = j->tx->snapshot = true;
		j->tx->run = resp_exec_run;
		rc = resp_exec_lock(j);
	} else if (rc == 0) {
		rc = own_args(j);
		/* The request's own block is not needed any more. */
		resp_args_free(kvs_mem(j->w->kvs), &j->args);
		if (rc == 0)
			rc = lock_keys(j);
	}
	if (rc != 0) {
		fail_job(j, rc);
		return;
	}
	if ((j->cmd->flags & CMD_BARRIER) == 0) {
		resp_job_start(j);
		return;
	}
	/* Alone: what came before is answered first, what comes after is not read yet. */
	c->barrier = j;
	if (c->jobs.next == &j->node)
		resp_job_start(j);
}

/* ---- replies at once ---- */

/* Where the reply to a request that needs no transaction goes. */
static struct reply *out_of(struct resp_conn *c, struct resp_job **job)
{
	*job = NULL;
	if (list_empty(&c->jobs))
		return &c->w->out;
	*job = resp_job_new(c, NULL, NULL);
	if (*job == NULL)
		return NULL;
	(*job)->done = true;
	return &(*job)->out;
}

static void say(struct resp_conn *c, const char *text)
{
	struct resp_job *j;
	struct reply *out = out_of(c, &j);

	if (out == NULL)
		return;
	c->w->errors++;
	reply_error(out, text);
}

static void unknown(struct resp_conn *c, const struct resp_args *a)
{
	char text[512], args[160];
	size_t n = 0;

	/* As Redis puts it: arguments as long as 128 bytes are not yet full. */
	args[0] = '\0';
	for (uint32_t i = 1; i < a->n && n < 128; i++) {
		int left = 128 - (int)n, len = (int)a->v[i].len;

		n += (size_t)snprintf(args + n, sizeof(args) - n, "'%.*s' ",
			len < left ? len : left, (const char *)a->v[i].p);
		if (n >= sizeof(args))
			n = sizeof(args) - 1;
	}
	(void)snprintf(text, sizeof(text),
		"ERR unknown command '%.*s', with args beginning with: %s",
		(int)(a->v[0].len < 128 ? a->v[0].len : 128), (const char *)a->v[0].p, args);
	for (char *p = text; *p != '\0'; p++)
		if (*p == '\r' || *p == '\n')
			*p = ' ';
	say(c, text);
}

static bool keys_allowed(
	const struct resp_conn *c, const struct resp_cmd *cmd, const struct resp_args *a)
{
	const struct acl_user *u = c->user;
	uint8_t use = (cmd->flags & CMD_WRITE) != 0 ? ACL_READ | ACL_WRITE : ACL_READ;
	struct rcmd_keys at;

	if (u == NULL || acl_all_keys(u))
		return true;
	if (!rcmd_places(cmd, a->v, a->n, &at))
		return true;
	if (at.dest > 0 && !acl_key(u, a->v[at.dest].p, a->v[at.dest].len, ACL_WRITE))
		return false;
	if (at.dest > 0)
		use = ACL_READ;
	for (uint32_t i = 0; i < at.cnt; i++) {
		const struct resp_arg *k = &a->v[at.first + i * at.step];

		if (!acl_key(u, k->p, k->len, use))
			return false;
	}
	return true;
}

/* True: it may go on. */
static bool admit(struct resp_conn *c, const struct resp_cmd *cmd, const struct resp_args *a)
{
	char text[160];

	if (cmd == NULL) {
		unknown(c, a);
		return false;
	}
	if (!rcmd_arity_ok(cmd, a->n)) {
		(void)snprintf(text, sizeof(text), "%s wrong number of arguments for '%s' command",
			cmd->fn == rcmd_exec ? "EXECABORT Transaction discarded because of:"
					     : "ERR",
			cmd->name);
		if (cmd->fn == rcmd_exec)
			resp_multi_end(c);
		say(c, text);
		return false;
	}
	if (unlikely(c->user == NULL) && (cmd->flags & CMD_NOAUTH) == 0) {
		say(c, "NOAUTH Authentication required.");
		return false;
	}
	if (c->user != NULL && !acl_command(c->user, rcmd_id(cmd)) &&
		(cmd->flags & CMD_NOAUTH) == 0) {
		(void)snprintf(text, sizeof(text),
			"NOPERM this user has no permissions to run the '%s' command", cmd->name);
		say(c, text);
		return false;
	}
	if (!keys_allowed(c, cmd, a)) {
		say(c, "NOPERM this user has no permissions to access one of the keys used as "
		       "arguments");
		return false;
	}
	return true;
}

static bool keys_busy(const struct resp_conn *c, const struct resp_cmd *cmd,
	const struct resp_args *a, bool behind, bool *several)
{
	struct rcmd_keys at;

	if (!rcmd_places(cmd, a->v, a->n, &at))
		return false;
	for (uint32_t i = 0; i < at.cnt; i++) {
		const struct resp_arg *k = &a->v[at.first + i * at.step];

		if (kvs_busy(c->w->kvs, c->ns, k->p, k->len) || (behind && is_read(c, k)))
			return true;
	}
	*several = at.cnt > 1;
	return false;
}

/* A reading command from the memory cache alone; false: it needs more. behind: others of its
 * connection have not been answered. */
static bool try_fast(struct resp_conn *c, const struct resp_cmd *cmd, const struct resp_args *a,
	struct reply *out, bool behind)
{
	uint64_t mark = out->len, before = 0, after = 0;
	bool several = false, failed = out->failed;
	struct resp_call k = {.c = c, .cmd = cmd, .v = a->v, .n = a->n, .out = out};

	if (keys_busy(c, cmd, a, behind, &several))
		return false;
	if (unlikely(several) && !kvs_calm(c->w->kvs, &before))
		return false;
	k.tx = kvs_fast(c->w->kvs, c->ns);
	cmd->fn(&k);
	if (kvs_fast_ok(k.tx) && k.tx->err == 0 && out->failed == failed &&
		(likely(!several) || (kvs_calm(c->w->kvs, &after) && after == before)))
		return true;
	out->len = mark;
	out->failed = failed;
	return false;
}

static void run_local(struct resp_conn *c, const struct resp_cmd *cmd, const struct resp_args *a)
{
	struct resp_call k = {.c = c, .cmd = cmd, .v = a->v, .n = a->n};
	struct resp_job *j;

	k.out = out_of(c, &j);
	if (k.out != NULL)
		cmd->fn(&k);
}

static bool fast_kind(const struct resp_cmd *cmd)
{
	return (cmd->flags & (CMD_READONLY | CMD_BARRIER)) == CMD_READONLY &&
	       (cmd->cats & (CAT_HASH | CAT_SET | CAT_ZSET | CAT_LIST)) == 0 && cmd->first > 0;
}

/* One that is no member of an open MULTI. */
static void execute(struct resp_conn *c, const struct resp_cmd *cmd, struct resp_args *a)
{
	struct resp_job *j;

	if ((cmd->flags & CMD_LOCAL) != 0) {
		run_local(c, cmd, a);
		return;
	}
	if (fast_kind(cmd) && list_empty(&c->jobs) && try_fast(c, cmd, a, &c->w->out, false))
		return;
	if (cmd->fn == rcmd_set && a->n == 3 && put_alone(c, cmd, a))
		return;
	age_reads(c);
	/* The caller has seen to it that there is one. */
	j = resp_job_new(c, cmd, a);
	if (j == NULL)
		return;
	if (fast_kind(cmd) && try_fast(c, cmd, &j->args, &j->out, true)) {
		j->done = true;
		return;
	}
	begin(j);
}

static void exec(struct resp_conn *c)
{
	struct resp_job *j;

	if (c->multi_bad) {
		resp_multi_end(c);
		say(c, "EXECABORT Transaction discarded because of previous errors.");
		return;
	}
	age_reads(c);
	j = resp_job_new(c, rcmd_find("exec", 4), NULL);
	if (j == NULL)
		return;
	j->queued = c->queued;
	j->queued_cnt = c->queued_cnt;
	j->arena = c->multi;
	c->queued = NULL;
	mem_arena_init(&c->multi, kvs_mem(c->w->kvs));
	j->watched = c->watched;
	if (j->queued_cnt == 0 && j->watched == NULL) {
		reply_array(&j->out, 0);
		j->done = true;
	} else {
		begin(j);
	}
	resp_multi_end(c);
}

static void in_multi(struct resp_conn *c, const struct resp_cmd *cmd, struct resp_args *a)
{
	if (cmd->fn == rcmd_exec) {
		exec(c);
	} else if (cmd->fn == rcmd_watch) {
		say(c, "ERR WATCH inside MULTI is not allowed");
	} else if (cmd->fn == rcmd_multi || cmd->fn == rcmd_discard || cmd->fn == rcmd_quit ||
		   cmd->fn == rcmd_reset) {
		execute(c, cmd, a);
	} else if ((cmd->flags & CMD_BARRIER) != 0) {
		c->multi_bad = true;
		say(c, "ERR Command not allowed inside a transaction");
	} else {
		resp_multi_queue(c, cmd, a);
	}
}

bool resp_plain(struct resp_conn *c)
{
	/* Replies at once go to the worker's buffer, in the connection's form. */
	c->w->out.proto = c->proto;
	return !c->in_multi && list_empty(&c->jobs) && c->user != NULL &&
	       acl_command(c->user, rcmd_id(c->w->get)) && acl_all_keys(c->user);
}

void resp_note_get(struct resp_conn *c)
{
	c->w->commands++;
	c->last = c->w->get;
}

void resp_dispatch(struct resp_conn *c, struct resp_args *a)
{
	const struct resp_cmd *cmd = rcmd_find(a->v[0].p, a->v[0].len);

	c->w->commands++;
	c->w->out.proto = c->proto;
	if (unlikely(!admit(c, cmd, a))) {
		c->multi_bad |= c->in_multi;
	} else {
		c->last = cmd;
		if (unlikely(c->in_multi))
			in_multi(c, cmd, a);
		else if (unlikely(cmd->fn == rcmd_exec))
			say(c, "ERR EXEC without MULTI");
		else
			execute(c, cmd, a);
	}
	resp_args_free(kvs_mem(c->w->kvs), a);
}
