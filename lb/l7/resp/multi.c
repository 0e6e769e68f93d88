/* SPDX-License-Identifier: Apache-2.0
 * MULTI, EXEC, WATCH. EXEC is one transaction over all commands: each sees what those before it
 * wrote, and the store takes the whole as one request, under the condition that nothing that was
 * read or watched has changed. */
#include <errno.h>

#include "lb/l7/resp/resp_pvt.h"

void resp_unwatch(struct resp_conn *c)
{
	c->watched = NULL;
	mem_arena_fini(&c->watch);
}

void resp_multi_end(struct resp_conn *c)
{
	for (struct resp_queued *q = c->queued; q != NULL; q = q->next)
		resp_args_free(kvs_mem(c->w->kvs), &q->args);
	c->queued = NULL;
	c->queued_tail = &c->queued;
	c->queued_cnt = 0;
	c->in_multi = c->multi_bad = false;
	mem_arena_fini(&c->multi);
	resp_unwatch(c);
}

static bool copy_args(struct mem_arena *a, struct resp_args *args)
{
	struct resp_arg *v;

	if (args->block != NULL)
		return true;
	v = mem_arena_get(a, args->n * sizeof(*v));
	for (uint32_t i = 0; v != NULL && i < args->n; i++) {
		uint8_t *p = mem_arena_get(a, args->v[i].len);

		if (p == NULL)
			return false;
		if (args->v[i].len > 0)
			memcpy(p, args->v[i].p, args->v[i].len);
		v[i] = (struct resp_arg){p, args->v[i].len};
	}
	args->v = v;
	return v != NULL;
}

static void say(struct resp_conn *c, const char *error)
{
	struct reply *out = &c->w->out;

	if (!list_empty(&c->jobs)) {
		struct resp_job *j = resp_job_new(c, NULL, NULL);

		if (j == NULL)
			return;
		j->done = true;
		out = &j->out;
	}
	if (error != NULL)
		reply_error(out, error);
	else
		reply_simple(out, "QUEUED");
}

void resp_multi_queue(struct resp_conn *c, const struct resp_cmd *cmd, struct resp_args *args)
{
	struct resp_queued *q = NULL;

	if (c->queued_cnt < RESP_QUEUED)
		q = mem_arena_get(&c->multi, sizeof(*q));
	if (q == NULL || !copy_args(&c->multi, args)) {
		c->multi_bad = true;
		say(c, "OOM too many commands in one transaction");
		return;
	}
	*q = (struct resp_queued){.cmd = cmd, .args = *args};
	args->block = NULL;
	*c->queued_tail = q;
	c->queued_tail = &q->next;
	c->queued_cnt++;
	say(c, NULL);
}

/* Arguments and watched keys go into the transaction, which the store may hold longer than the
 * connection lasts. */
int resp_exec_lock(struct resp_job *j)
{
	struct resp_watch *watched = NULL, **tail = &watched;
	struct kvs_tx *tx = j->tx;
	int rc = 0;

	for (const struct resp_watch *w = j->watched; w != NULL && rc == 0; w = w->next) {
		struct resp_watch *copy = kvs_alloc(tx, sizeof(*copy));

		if (copy == NULL)
			return -ENOBUFS;
		*copy = *w;
		copy->key = kvs_copy(tx, w->key, w->len);
		copy->next = NULL;
		if (copy->key == NULL)
			return -ENOBUFS;
		*tail = copy;
		tail = &copy->next;
		rc = kvs_lock(tx, copy->key, copy->len,
			resp_lock_mode(j->c, &(struct resp_arg){copy->key, copy->len}, KVS_READ));
	}
	j->watched = watched;
	for (struct resp_queued *q = j->queued; q != NULL && rc == 0; q = q->next) {
		enum kvs_mode mode = rcmd_mode(q->cmd, q->args.v, q->args.n);
		struct rcmd_keys at;

		mode = mode == KVS_READ ? KVS_READ : KVS_UPDATE;
		for (uint32_t i = 0; i < q->args.n; i++) {
			q->args.v[i].p = kvs_copy(tx, q->args.v[i].p, q->args.v[i].len);
			if (q->args.v[i].p == NULL)
				return -ENOBUFS;
		}
		if (!rcmd_places(q->cmd, q->args.v, q->args.n, &at))
			continue;
		if (at.dest > 0)
			rc = kvs_lock(tx, q->args.v[at.dest].p, q->args.v[at.dest].len, mode);
		for (uint32_t i = 0; i < at.cnt && rc == 0; i++) {
			const struct resp_arg *a = &q->args.v[at.first + i * at.step];

			rc = kvs_lock(tx, a->p, a->len, resp_lock_mode(j->c, a, mode));
		}
	}
	return rc;
}

/* False: not known yet. */
static bool watched_same(const struct resp_job *j, struct kvs_tx *tx, bool *same)
{
	bool known = true;

	*same = true;
	for (const struct resp_watch *w = j->watched; w != NULL; w = w->next) {
		const struct kvs_ent *e = kvs_key(tx, w->key, w->len);

		known &= e != NULL;
		if (e != NULL && (e->type == CODEC_NONE ? 0 : e->version) != w->version)
			*same = false;
	}
	return known;
}

void resp_exec_run(struct kvs_tx *tx)
{
	struct resp_job *j = tx->ctx;
	bool same;

	if (!tx->ran) {
		j->at = NULL;
		j->settle = 0;
	}
	if (j->at == NULL) {
		j->out.len = 0;
		if (!watched_same(j, tx, &same))
			return;
		if (!same) {
			reply_null_array(&j->out);
			return;
		}
		reply_array(&j->out, j->queued_cnt);
		j->settle = j->out.len;
		j->at = j->queued;
	}
	for (; j->at != NULL; j->at = j->at->next) {
		struct resp_call k = {.c = j->c,
			.cmd = j->at->cmd,
			.v = j->at->args.v,
			.n = j->at->args.n,
			.tx = tx,
			.out = &j->out};

		j->out.len = j->settle;
		if (k.c != NULL || (k.cmd->flags & CMD_LOCAL) == 0)
			k.cmd->fn(&k);
		if (kvs_waits(tx))
			return;
		kvs_next_command(tx);
		j->settle = j->out.len;
	}
	if (unlikely(j->out.failed))
		kvs_fail(tx, -ENOBUFS);
}

/* ---- commands ---- */

void rcmd_multi(struct resp_call *k)
{
	if (k->c->in_multi) {
		reply_error(k->out, "ERR MULTI calls can not be nested");
		return;
	}
	k->c->in_multi = true;
	k->c->queued_tail = &k->c->queued;
	reply_ok(k->out);
}

/* Inside MULTI it is done by the dispatcher, and outside it is an error that it gives. */
void rcmd_exec(struct resp_call *k)
{
	reply_error(k->out, "ERR EXEC without MULTI");
}

void rcmd_discard(struct resp_call *k)
{
	if (!k->c->in_multi) {
		reply_error(k->out, "ERR DISCARD without MULTI");
		return;
	}
	resp_multi_end(k->c);
	reply_ok(k->out);
}

static bool add_watch(struct resp_conn *c, const struct resp_arg *a, uint64_t version)
{
	struct resp_watch *w;
	uint8_t *key;

	for (w = c->watched; w != NULL; w = w->next)
		if (w->len == a->len && memcmp(w->key, a->p, a->len) == 0)
			return true;
	w = mem_arena_get(&c->watch, sizeof(*w));
	key = mem_arena_get(&c->watch, a->len);
	if (w == NULL || key == NULL)
		return false;
	memcpy(key, a->p, a->len);
	*w = (struct resp_watch){c->watched, key, a->len, version};
	c->watched = w;
	return true;
}

void rcmd_watch(struct resp_call *k)
{
	for (uint32_t i = 1; i < k->n; i++)
		(void)call_any(k, i);
	if (kvs_waits(k->tx) || k->c == NULL)
		return;
	for (uint32_t i = 1; i < k->n; i++) {
		const struct kvs_ent *e = call_any(k, i);

		if (!add_watch(k->c, &k->v[i], e->type == CODEC_NONE ? 0 : e->version)) {
			kvs_fail(k->tx, -ENOBUFS);
			return;
		}
	}
	reply_ok(k->out);
}

void rcmd_unwatch(struct resp_call *k)
{
	resp_unwatch(k->c);
	reply_ok(k->out);
}
