/* SPDX-License-Identifier: Apache-2.0
 * Connections: bytes to requests, replies to bytes, and who waits for what.
 *
 * Nothing more is read from a connection while one of its requests has to be alone (barrier), while
 * it has as many under way as it may, while the worker has no room for another one, and while the
 * peer does not take the replies: the receive window then fills up. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_mbuf.h>

#include "dataplane/base/assert.h"
#include "dataplane/base/rng.h"
#include "dataplane/base/time.h"
#include "dataplane/net/hdr.h"
#include "lb/l7/resp/resp_pvt.h"
#include "lb/l7/sites.h"

#define SEND_CHUNK 16384
#define BIG        8192 /* a reply that is sent from where it stands */
#define SHORT      256  /* an error of the store, or of the codec */
#define KEY_AHEAD  256  /* longest key that is looked for ahead */

void resp_send_later(struct resp_conn *c)
{
	if (list_empty(&c->dirty))
		list_append(&c->w->dirty, &c->dirty);
}

uint64_t resp_random(struct resp_worker *w)
{
	struct rng r = {w->rng};
	uint64_t v = rng_next(&r);

	w->rng = r.state;
	return v;
}

void resp_conn_peer(const struct resp_conn *c, char out[64])
{
	char addr[IP_ADDR_TEXT_MAX];

	(void)snprintf(out, 64, ip_addr_is4(&c->c->peer.src) ? "%s:%u" : "[%s]:%u",
		ip_addr_format(&c->c->peer.src, addr), BE16(c->c->peer.sport));
}

const struct acl_user *resp_find_user(const struct resp_conn *c, const void *name, size_t len)
{
	const struct config_resp *r = &c->cfg->resp;

	for (uint32_t i = 0; i < r->acl_cnt; i++)
		if (strlen(r->acl[i].name) == len && memcmp(r->acl[i].name, name, len) == 0)
			return &r->acl[i];
	return NULL;
}

static void spend(struct resp_worker *w, uint64_t units)
{
	w->left = w->left > units ? w->left - (uint32_t)units : 0;
}

/* ---- sending ---- */

/* Of the replies one is missing from here on: none may follow. */
static void give_up(struct resp_conn *c)
{
	c->closing = true;
	l7_io_abort(&c->c->front);
}

static void keep(struct resp_conn *c, const uint8_t *p, uint64_t n)
{
	uint64_t left = c->backlog_len - c->backlog_at, cap;
	uint8_t *buf = mem_get(kvs_mem(c->w->kvs), left + n, &cap);

	if (buf == NULL) {
		c->w->errors++;
		give_up(c);
		return;
	}
	if (left > 0)
		memcpy(buf, c->backlog + c->backlog_at, left);
	memcpy(buf + left, p, n);
	if (c->backlog != NULL)
		mem_put(kvs_mem(c->w->kvs), c->backlog);
	c->backlog = buf;
	c->backlog_len = left + n;
	c->backlog_at = 0;
}

/* Returns how much was taken. */
static uint64_t push(struct resp_conn *c, const uint8_t *p, uint64_t n)
{
	uint64_t done = 0;

	while (done < n) {
		uint32_t room = l7_io_room(&c->c->front);
		uint64_t want = n - done;
		int64_t took;

		if (want > SEND_CHUNK)
			want = SEND_CHUNK;
		/* Refused as a whole, it announces itself by on_writable. */
		if (room > 0 && want > room)
			want = room;
		took = l7_io_send_bytes(&c->c->front, p + done, (uint32_t)want, 0);
		if (took <= 0)
			break;
		done += (uint64_t)took;
	}
	return done;
}

static void send_out(struct resp_conn *c, const uint8_t *p, uint64_t n)
{
	uint64_t done = 0;

	if (n == 0 || !l7_io_is_open(&c->c->front))
		return;
	if (c->backlog == NULL)
		done = push(c, p, n);
	if (done < n)
		keep(c, p + done, n - done);
}

static void send_backlog(struct resp_conn *c)
{
	if (c->backlog == NULL)
		return;
	c->backlog_at += push(c, c->backlog + c->backlog_at, c->backlog_len - c->backlog_at);
	if (c->backlog_at < c->backlog_len)
		return;
	mem_put(kvs_mem(c->w->kvs), c->backlog);
	c->backlog = NULL;
	c->backlog_len = c->backlog_at = 0;
}

static void flush_out(struct resp_conn *c)
{
	struct reply *out = &c->w->out;

	if (unlikely(out->failed)) {
		out->failed = false;
		out->len = 0;
		give_up(c);
		return;
	}
	send_out(c, out->p, out->len);
	out->len = 0;
}

/* The worker's own reply has room for this without more memory. */
static void flush_short(struct resp_conn *c, const struct resp_job *j)
{
	struct reply *out = &c->w->out;

	if (out->len + SHORT > RESP_OUT)
		flush_out(c);
	if (j->bad)
		reply_errorf(out, "ERR %s", c->codec.err);
	else if (j->ok)
		reply_ok(out);
	else
		resp_store_error(out, j->err);
}

/* Replies that are complete, up to the first that is not. */
static void flush(struct resp_conn *c)
{
	while (!list_empty(&c->jobs)) {
		struct resp_job *j = (struct resp_job *)(void *)c->jobs.next;

		if (!j->done)
			break;
		if (j == c->barrier)
			c->barrier = NULL;
		if (j->ok || j->bad || j->err != 0) {
			flush_short(c, j);
		} else if (unlikely(j->out.failed)) {
			flush_out(c);
			give_up(c);
		} else if (j->out.len >= BIG || c->w->out.len + j->out.len > RESP_OUT) {
			flush_out(c);
			send_out(c, j->out.p, j->out.len);
		} else {
			reply_raw(&c->w->out, j->out.p, j->out.len);
		}
		spend(c->w, 1 + j->out.len / RESP_COST_BYTES);
		resp_job_free(j);
	}
	flush_out(c);
}

/* ---- receiving ---- */

static bool stopped(const struct resp_conn *c)
{
	const struct resp_worker *w = c->w;

	if (c->closing || c->barrier != NULL || c->backlog != NULL)
		return true;
	if (c->job_cnt >= c->cfg->resp.pipeline_max || w->left == 0)
		return true;
	return w->jobs.used == w->jobs.capacity;
}

static void protocol_error(struct resp_conn *c)
{
	/* Behind the replies that are still to come. */
	struct resp_job *j = resp_job_new(c, NULL, NULL);

	c->closing = true;
	if (unlikely(j == NULL)) {
		give_up(c);
		return;
	}
	j->bad = j->done = true;
	resp_send_later(c);
}

/* The requests that follow one another in p; returns how many. The memory of their keys arrives
 * while the first of them are executed. */
static uint32_t look_ahead(struct resp_conn *c, const uint8_t *p, uint32_t n)
{
	struct kvs_ahead *keys = c->w->ahead_keys;
	uint32_t at = 0, cnt = 0, reqs = 0;

	for (; reqs < KVS_AHEAD; reqs++) {
		struct resp_ahead *a = &c->w->ahead[reqs];

		if (!codec_peek(&c->codec, p + at, n - at, a->v, RESP_AHEAD_ARGS, &a->req))
			break;
		at += a->req.size;
		a->key = KVS_AHEAD;
		if (a->req.n < 2 || a->v[1].len == 0 || a->v[1].len > KEY_AHEAD)
			continue;
		a->key = cnt;
		keys[cnt++] = (struct kvs_ahead){a->v[1].p, a->v[1].len, 0};
	}
	if (cnt > 0)
		kvs_prefetch(c->w->kvs, c->ns, keys, cnt);
	return reqs;
}

/* GET of what the memory cache has, with nothing in its way. */
static bool get_at_once(struct resp_conn *c, const struct resp_ahead *a)
{
	struct reply *out = &c->w->out;
	struct kvs_seen s;

	if (a->key == KVS_AHEAD || !kvs_peek(c->w->kvs, c->ns, &c->w->ahead_keys[a->key], &s) ||
		out->cap - out->len < s.len + 32)
		return false;
	resp_note_get(c);
	spend(c->w, 1 + s.len / RESP_COST_BYTES);
	if (s.absent)
		reply_null(out);
	else
		reply_bulk(out, s.val, s.len);
	return true;
}

static void dispatch(struct resp_conn *c, struct resp_args *args, uint32_t bytes)
{
	uint64_t out = c->w->out.len;

	resp_dispatch(c, args);
	spend(c->w, RESP_COST + (bytes + c->w->out.len - out) / RESP_COST_BYTES);
	if (unlikely(c->w->out.len > RESP_OUT))
		flush_out(c);
}

/* The next of those that were looked at. */
static uint32_t take_ahead(struct resp_conn *c, struct resp_ahead *a, bool *plain)
{
	struct resp_args args = {a->v, a->req.n, NULL};

	if (a->req.get && *plain && get_at_once(c, a))
		return a->req.size;
	dispatch(c, &args, a->req.size);
	*plain = resp_plain(c);
	return a->req.size;
}

/* The bytes of one segment, as far as the connection may go on; returns how many were used. */
static uint32_t take(struct resp_conn *c, const uint8_t *p, uint32_t n)
{
	uint32_t at = 0, next = 0, reqs = 0;
	bool plain = resp_plain(c);

	while (at < n && !stopped(c)) {
		struct resp_args args;
		uint32_t used;

		if (next == reqs) {
			next = 0;
			reqs = look_ahead(c, p + at, n - at);
		}
		if (next < reqs) {
			at += take_ahead(c, &c->w->ahead[next++], &plain);
			continue;
		}
		switch (codec_feed(&c->codec, p + at, n - at, &used, &args)) {
		case CODEC_OK:
			dispatch(c, &args, used);
			plain = resp_plain(c);
			break;
		case CODEC_BAD:
			protocol_error(c);
			return n;
		default:
			break;
		}
		at += used;
	}
	return at;
}

static void conn_free(struct resp_conn *c)
{
	struct resp_worker *w = c->w;
	struct mem *m = kvs_mem(w->kvs);

	while (!list_empty(&c->jobs)) {
		struct resp_job *j = (struct resp_job *)(void *)c->jobs.next;

		if ((j->tx != NULL && j->started) || j->putting) {
			/* It goes on without us. */
			list_remove(&j->node);
			j->c = NULL;
			c->job_cnt--;
			continue;
		}
		if (j->tx != NULL)
			kvs_drop(j->tx);
		resp_job_free(j);
	}
	resp_multi_end(c);
	codec_fini(&c->codec);
	if (c->backlog != NULL)
		mem_put(m, c->backlog);
	list_remove(&c->dirty);
	list_remove(&c->all);
	l7_sites_unpin(c->sites_ref);
	c->c->state = NULL;
	w->conn_cnt--;
	pool_put(&w->conns, (uint32_t)(((uint8_t *)c - w->conns.mem) / w->conns.elt_size));
}

/* It waits for nothing, and its client for nothing that it has begun. */
static bool is_idle(const struct resp_conn *c)
{
	return c->c->pend == NULL && codec_idle(&c->codec) && !c->in_multi && c->watched == NULL;
}

/* Ends the connection if its time has come; true: c is gone. */
static bool end_if_done(struct resp_conn *c)
{
	struct l7_conn *l = c->c;

	if (!l7_io_is_open(&l->front)) {
		conn_free(c);
		l7_abort(l);
		return true;
	}
	if (c->backlog != NULL || !list_empty(&c->jobs))
		return false;
	if (!c->closing && !(l->front_eof && l->pend == NULL) && !(c->leave_ns != 0 && is_idle(c)))
		return false;
	conn_free(c);
	l7_close(l);
	return true;
}

static void go_on(struct resp_conn *c)
{
	struct l7_conn *l = c->c;

	flush(c);
	if (c->barrier != NULL && !c->barrier->started && c->jobs.next == &c->barrier->node)
		resp_job_start(c->barrier);
	while (l->pend != NULL && !stopped(c)) {
		uint32_t len = l->pend->data_len;

		l7_strip(l, take(c, rte_pktmbuf_mtod(l->pend, const uint8_t *), len));
	}
	flush(c);
	/* A barrier that was read just now and found nothing before it has begun already. */
	if (c->closing && l->pend != NULL)
		l7_strip(l, l->pend_len);
	if (end_if_done(c))
		return;
	/* This turn has done enough, or there is no room in the worker: tried again in the next. */
	if (l->pend != NULL && (c->w->left == 0 || c->w->jobs.used == c->w->jobs.capacity))
		resp_send_later(c);
}

bool resp_worker_waiting(const struct resp_worker *w)
{
	return !list_empty(&w->dirty);
}

bool resp_worker_resume(struct resp_worker *w)
{
	struct list_node now;

	w->left = RESP_TURN;
	if (list_empty(&w->dirty))
		return false;
	list_init(&now);
	list_splice(&now, &w->dirty);
	while (!list_empty(&now) && w->left > 0) {
		struct list_node *n = now.next;
		struct resp_conn *c =
			(struct resp_conn *)(void *)((uint8_t *)n -
						     offsetof(struct resp_conn, dirty));

		list_remove(n);
		spend(w, 1);
		go_on(c);
	}
	/* Those that were not reached stay before those that came again. */
	list_splice(&now, &w->dirty);
	list_splice(&w->dirty, &now);
	return true;
}

/* ---- the action ---- */

void resp_reset_conn(struct resp_conn *c)
{
	resp_multi_end(c);
	c->proto = 2;
	c->name[0] = '\0';
	c->user = resp_find_user(c, "default", 7);
	if (c->user != NULL && (!c->user->nopass || !c->user->on))
		c->user = NULL;
	(void)snprintf(c->user_name, sizeof(c->user_name), "default");
}

/* Clients come again, elsewhere or to the next process. */
static void leave(struct resp_conn *c)
{
	struct l7_worker *w = c->c->w;

	if (c->leave_ns != 0)
		return;
	c->leave_ns = w->now_ns + RESP_GRACE_NS;
	wheel_arm(&w->wheel, &c->c->timer, c->leave_ns);
}

/* Of the configuration in force. */
static void use_config(struct resp_conn *c, const struct config_listener *cfg)
{
	void *old = c->sites_ref;

	c->cfg = cfg;
	c->ns = (uint8_t)cfg->resp.ns_idx;
	c->sites_ref = l7_sites_pin(l7_sites_of(c->c), c->c->w->conf.index);
	if (old != NULL)
		l7_sites_unpin(old);
}

static void on_open(struct l7_conn *l)
{
	struct resp_worker *w = l->w->resp;
	uint32_t idx = w == NULL ? POOL_NONE : pool_get(&w->conns);
	const struct l7_listener *li = l7_listener_of(l);
	struct resp_conn *c;

	if (idx == POOL_NONE || li == NULL) {
		if (idx != POOL_NONE)
			pool_put(&w->conns, idx);
		l7_count(&l7_stats(l)->over_limit, 1);
		l7_abort(l);
		return;
	}
	c = pool_at(&w->conns, idx);
	memset(c, 0, sizeof(*c));
	c->c = l;
	c->w = w;
	use_config(c, li->cfg);
	c->id = ++w->next_id * l->w->conf.worker_cnt + l->w->conf.index;
	c->born_ns = c->last_ns = l->w->now_ns;
	list_init(&c->jobs);
	list_init(&c->dirty);
	list_append(&w->all, &c->all);
	mem_arena_init(&c->multi, kvs_mem(w->kvs));
	mem_arena_init(&c->watch, kvs_mem(w->kvs));
	codec_init(&c->codec, kvs_mem(w->kvs), w->direct, (uint32_t)li->cfg->resp.bulk_max_bytes);
	resp_reset_conn(c);
	l->state = c;
	w->conn_cnt++;
	w->conns_total++;
	if (l->idle_ns > 0)
		wheel_arm(&l->w->wheel, &l->timer, l->w->now_ns + l->idle_ns);
	/* It was accepted, or its handshake under way, when that began. */
	if (w->draining)
		leave(c);
}

static void on_data(struct l7_conn *l)
{
	struct resp_conn *c = l->state;

	c->last_ns = l->w->now_ns;
	go_on(c);
}

static void on_eof(struct l7_conn *l)
{
	(void)end_if_done(l->state);
}

static void on_writable(struct l7_conn *l)
{
	struct resp_conn *c = l->state;

	send_backlog(c);
	if (c->backlog == NULL)
		go_on(c);
}

static void on_closed(struct l7_conn *l, enum tcp_end end)
{
	(void)end;
	conn_free(l->state);
	l7_finish(l);
}

static void on_timer(struct l7_conn *l)
{
	struct resp_conn *c = l->state;
	uint64_t due = c->last_ns + l->idle_ns;

	if (c->leave_ns != 0) {
		c->closing |= c->leave_ns <= l->w->now_ns;
		resp_send_later(c);
		return;
	}
	if (!list_empty(&c->jobs) || due > l->w->now_ns) {
		wheel_arm(&l->w->wheel, &l->timer,
			due > l->w->now_ns ? due : l->w->now_ns + l->idle_ns);
		return;
	}
	l7_count(&l7_stats(l)->idle, 1);
	conn_free(c);
	l7_abort(l);
}

const struct l7_action l7_resp = {
	.open = on_open,
	.data = on_data,
	.eof = on_eof,
	.writable = on_writable,
	.closed = on_closed,
	.timer = on_timer,
};

/* ---- life ---- */

/* Of the process: a cluster client that asks two workers must hear of one node. */
static char run_id[41];

void resp_init(void)
{
	static const char digits[] = "0123456789abcdef";
	uint8_t id[20];

	rcmd_table_init();
	if (run_id[0] != '\0')
		return;
	rng_secret(id, sizeof(id));
	for (uint32_t i = 0; i < sizeof(id); i++) {
		run_id[2 * i] = digits[id[i] >> 4];
		run_id[2 * i + 1] = digits[id[i] & 15];
	}
}

static void note_config(struct resp_worker *w, const struct config *cfg)
{
	memcpy(w->dir, cfg->store.dir, sizeof(w->dir));
	for (uint32_t i = 0; i < cfg->store.ns_cnt; i++)
		w->durability[i] = (uint8_t)cfg->store.namespaces[i].durability;
	w->cache_bytes = cfg->store.cache_bytes;
	w->keepalive_ns = cfg->tcp.keepalive_ns;
}

int resp_worker_create(
	struct l7_worker *l7, struct kvs_worker *kvs, uint32_t conns, struct resp_worker **out)
{
	struct resp_worker *w = calloc(1, sizeof(*w));
	int rc;

	*out = NULL;
	if (w == NULL)
		return -ENOMEM;
	resp_init();
	w->l7 = l7;
	w->kvs = kvs;
	w->get = rcmd_find("get", 3);
	w->left = RESP_TURN;
	list_init(&w->dirty);
	list_init(&w->all);
	rng_secret(&w->rng, sizeof(w->rng));
	memcpy(w->run_id, run_id, sizeof(w->run_id));
	note_config(w, l7->conf.cfg);
	w->start_s = (uint64_t)time(NULL);
	reply_init(&w->out, kvs_mem(kvs), 2);
	rc = reply_room(&w->out, RESP_OUT) ? 0 : -ENOMEM;
	if (rc == 0)
		rc = pool_init(&w->conns, sizeof(struct resp_conn), 8, conns);
	if (rc == 0)
		rc = pool_init(&w->jobs, sizeof(struct resp_job), 8, RESP_JOBS);
	if (rc != 0) {
		resp_worker_destroy(w);
		return rc;
	}
	*out = w;
	return 0;
}

/* What requests hold stands in memory of the kvs worker and goes with it. */
void resp_worker_destroy(struct resp_worker *w)
{
	if (w == NULL)
		return;
	pool_fini(&w->conns);
	pool_fini(&w->jobs);
	free(w);
}

void resp_worker_adopt(struct resp_worker *w, bool draining)
{
	struct list_node *n;

	w->draining = draining;
	list_for_each (n, &w->all) {
		struct resp_conn *c = (struct resp_conn *)(void *)((uint8_t *)n -
								   offsetof(struct resp_conn, all));
		const struct l7_listener *li = l7_listener_of(c->c);

		bool gone = li == NULL || li->cfg->action != LISTENER_RESP;

		if (!gone)
			use_config(c, li->cfg);
		if (c->user != NULL)
			c->user = resp_find_user(c, c->user_name, strlen(c->user_name));
		if (c->user != NULL && !c->user->on)
			c->user = NULL;
		if (draining || gone)
			leave(c);
		resp_send_later(c);
	}
}
