/* SPDX-License-Identifier: Apache-2.0
 * A list is made whole by control and published; only the first worker writes its states and
 * counts, all of them atomic, so that control reads them while it goes on. When the last URL is
 * done the worker says `over` and does not look at the list again: then control may free it. */
#include "lb/l7/cache/preload.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "dataplane/base/time.h"
#include "dataplane/net/hdr.h"
#include "lb/l7/cache/hcache_pvt.h"
#include "lb/l7/table.h"

/* Of a URL: what became of it, and the status of its answer. */
enum preload_state { WAITS, UNDER_WAY, STORED, ALREADY, NOT_STORED, NO_ROUTE, FAILED, STATES };

static const char *const state_words[STATES] = {
	"waits", "under way", "stored", "already there", "not stored", "no route", "failed"};

struct preload_list {
	uint32_t cnt, active_max;
	uint64_t every_ns;
	char *text;
	struct span *url;
	_Atomic uint32_t *state; /* enum preload_state | status << 8 */
	_Atomic uint32_t begun, active;
	_Atomic uint64_t stored, already, not_stored, failed, bytes;
	_Atomic bool over;
};

struct preload_slot {
	struct preload_worker *p;
	struct http_sub *sub; /* NULL: free */
	uint32_t i;
	uint16_t status;
	bool hit;
	const char *how; /* what the cache did */
	struct http_task task;
};

struct preload_worker {
	struct hcache_worker *hw;
	struct preload_list *list; /* NULL: none, or over */
	const struct preload_list *seen;
	uint64_t due_ns;
	struct http_timer timer;
	struct preload_slot slots[PRELOAD_ACTIVE_MAX];
};

/* ---- URLs ---- */

static bool skip(struct span *s, struct span what)
{
	if (s->len < what.len || !span_caseeq((struct span){s->at, what.len}, what))
		return false;
	s->at += what.len;
	s->len -= what.len;
	return true;
}

static bool printable(struct span s)
{
	for (uint32_t i = 0; i < s.len; i++)
		if ((uint8_t)s.at[i] <= 0x20 || (uint8_t)s.at[i] > 0x7e)
			return false;
	return true;
}

static bool split_port(struct preload_url *u)
{
	const char *end = u->host.at + u->host.len, *colon = memrchr(u->host.at, ':', u->host.len);
	uint64_t n;

	if (colon == NULL || end[-1] == ']')
		return true;
	if (!http_number((struct span){colon + 1, (uint32_t)(end - colon - 1)}, &n) || n == 0 ||
		n > UINT16_MAX)
		return false;
	u->host.len = (uint32_t)(colon - u->host.at);
	u->port = (uint16_t)n;
	return true;
}

bool preload_url_parse(struct span text, struct preload_url *out)
{
	const char *slash, *mark;

	*out = (struct preload_url){.path = SPAN("/")};
	if (text.len > PRELOAD_URL_MAX || !printable(text))
		return false;
	if (skip(&text, SPAN("https://")))
		out->tls = true;
	else if (!skip(&text, SPAN("http://")))
		return false;
	mark = memchr(text.at, '#', text.len);
	if (mark != NULL)
		text.len = (uint32_t)(mark - text.at);
	slash = memchr(text.at, '/', text.len);
	mark = memchr(text.at, '?', text.len);
	if (mark != NULL && (slash == NULL || mark < slash))
		return false;
	out->host = (struct span){text.at, slash != NULL ? (uint32_t)(slash - text.at) : text.len};
	if (out->host.len == 0 || memchr(out->host.at, '@', out->host.len) != NULL ||
		!split_port(out) || out->host.len == 0)
		return false;
	if (out->port == (out->tls ? 443 : 80))
		out->port = 0;
	if (slash == NULL)
		return true;
	out->path = (struct span){slash, (uint32_t)(text.at + text.len - slash)};
	if (mark != NULL) {
		out->has_query = true;
		out->query = (struct span){mark + 1, (uint32_t)(text.at + text.len - mark - 1)};
		out->path.len = (uint32_t)(mark - slash);
	}
	return true;
}

/* ---- lists ---- */

static void list_free(struct preload_list *l)
{
	if (l == NULL)
		return;
	free(l->text);
	free(l->url);
	free(l->state);
	free(l);
}

void preload_free(struct hcache *h)
{
	list_free(atomic_load_explicit(&h->preload, memory_order_relaxed));
	atomic_store_explicit(&h->preload, NULL, memory_order_relaxed);
}

/* The next line; false: there is none. */
static bool next_line(struct span *rest, struct span *line)
{
	const char *nl;

	if (rest->len == 0)
		return false;
	nl = memchr(rest->at, '\n', rest->len);
	*line = (struct span){rest->at, nl != NULL ? (uint32_t)(nl - rest->at) : rest->len};
	rest->at += line->len + (nl != NULL);
	rest->len -= line->len + (nl != NULL);
	while (line->len > 0 && (line->at[0] == ' ' || line->at[0] == '\t')) {
		line->at++;
		line->len--;
	}
	while (line->len > 0 && (uint8_t)line->at[line->len - 1] <= ' ')
		line->len--;
	return true;
}

static int take_lines(struct preload_list *l, struct span rest, uint32_t *line)
{
	struct preload_url u;
	struct span one;

	for (*line = 1; next_line(&rest, &one); ++*line) {
		if (one.len == 0 || one.at[0] == '#')
			continue;
		if (l->cnt == PRELOAD_URLS_MAX || !preload_url_parse(one, &u))
			return -EINVAL;
		l->url[l->cnt++] = one;
	}
	*line = 0;
	return l->cnt > 0 ? 0 : -EINVAL;
}

static uint32_t line_cnt(struct span text)
{
	uint32_t n = 1;

	for (uint32_t i = 0; i < text.len; i++)
		n += text.at[i] == '\n';
	return n < PRELOAD_URLS_MAX ? n : PRELOAD_URLS_MAX;
}

static int list_make(
	const struct hcache *h, struct span text, uint32_t *line, struct preload_list **out)
{
	struct preload_list *was = atomic_load_explicit(&h->preload, memory_order_relaxed), *l;
	uint32_t room = line_cnt(text);
	int rc = -ENOMEM;

	*line = 0;
	if (was != NULL && !atomic_load_explicit(&was->over, memory_order_acquire))
		return -EBUSY;
	l = calloc(1, sizeof(*l));
	if (l == NULL)
		return -ENOMEM;
	l->text = malloc(text.len + 1);
	l->url = calloc(room, sizeof(*l->url));
	l->state = calloc(room, sizeof(*l->state));
	if (l->text != NULL && l->url != NULL && l->state != NULL) {
		memcpy(l->text, text.at, text.len);
		rc = take_lines(l, (struct span){l->text, text.len}, line);
	}
	if (rc != 0) {
		list_free(l);
		return rc;
	}
	*out = l;
	return 0;
}

int hcache_preload_check(const struct hcache *h, struct span text, uint32_t *cnt, uint32_t *line)
{
	struct preload_list *l = NULL;
	int rc = list_make(h, text, line, &l);

	*cnt = rc == 0 ? l->cnt : 0;
	list_free(l);
	return rc;
}

int hcache_preload(
	struct hcache *h, struct span text, uint32_t rate, uint32_t active, uint32_t *line)
{
	struct preload_list *was = atomic_load_explicit(&h->preload, memory_order_relaxed), *l;
	int rc = list_make(h, text, line, &l);

	if (rc != 0)
		return rc;
	l->every_ns = NS_PER_SEC / (rate > 0 ? rate : 1);
	l->active_max = active == 0 ? 1 : active < PRELOAD_ACTIVE_MAX ? active : PRELOAD_ACTIVE_MAX;
	atomic_store_explicit(&h->preload, l, memory_order_release); /* PL */
	list_free(was);
	if (h->conf.ring != NULL)
		h->conf.ring(h->conf.ring_ctx, 0);
	return 0;
}

static uint64_t read64(const _Atomic uint64_t *v)
{
	return atomic_load_explicit(v, memory_order_relaxed);
}

bool hcache_preload_result(const struct hcache *h, struct preload_result *out)
{
	const struct preload_list *l = atomic_load_explicit(&h->preload, memory_order_relaxed);

	if (l == NULL)
		return false;
	*out = (struct preload_result){.total = l->cnt,
		.begun = atomic_load_explicit(&l->begun, memory_order_relaxed),
		.active = atomic_load_explicit(&l->active, memory_order_relaxed),
		.stored = read64(&l->stored),
		.already = read64(&l->already),
		.not_stored = read64(&l->not_stored),
		.failed = read64(&l->failed),
		.bytes = read64(&l->bytes)};
	return true;
}

const char *hcache_preload_row(
	const struct hcache *h, uint32_t i, struct span *url, uint16_t *status)
{
	const struct preload_list *l = atomic_load_explicit(&h->preload, memory_order_relaxed);
	uint32_t state = atomic_load_explicit(&l->state[i], memory_order_relaxed);

	*url = l->url[i];
	*status = (uint16_t)(state >> 8);
	return state_words[state & 0xff];
}

/* ---- the worker ---- */

static void add64(_Atomic uint64_t *v, uint64_t n)
{
	atomic_store_explicit(v, read64(v) + n, memory_order_relaxed);
}

static void add32(_Atomic uint32_t *v, uint32_t n)
{
	atomic_store_explicit(
		v, atomic_load_explicit(v, memory_order_relaxed) + n, memory_order_relaxed);
}

static void note(struct preload_list *l, uint32_t i, enum preload_state state, uint16_t status)
{
	_Atomic uint64_t *const counts[STATES] = {[STORED] = &l->stored,
		[ALREADY] = &l->already,
		[NOT_STORED] = &l->not_stored,
		[NO_ROUTE] = &l->failed,
		[FAILED] = &l->failed};

	atomic_store_explicit(
		&l->state[i], (uint32_t)state | (uint32_t)status << 8, memory_order_relaxed);
	if (counts[state] != NULL)
		add64(counts[state], 1);
}

static void go_on(struct preload_worker *p);

/* What is not passed on came from what is stored now. */
static enum preload_state outcome(const struct preload_slot *s)
{
	if (s->hit)
		return ALREADY;
	if (s->status == 0)
		return FAILED;
	if (s->how == NULL || strcmp(s->how, "miss") == 0 || strcmp(s->how, "pass") == 0 ||
		strcmp(s->how, "bypass") == 0)
		return s->status >= 500 ? FAILED : NOT_STORED;
	return STORED;
}

static void slot_done(struct preload_slot *s, enum preload_state state)
{
	struct preload_worker *p = s->p;

	s->sub = NULL;
	http_task_cancel(&s->task);
	note(p->list, s->i, state, s->status);
	add32(&p->list->active, (uint32_t)-1);
	go_on(p);
}

/* It is there already: its body is not needed. */
static void on_task(struct http_task *t)
{
	struct preload_slot *s = container_of(t, struct preload_slot, task);

	http_sub_cancel(s->sub);
	slot_done(s, ALREADY);
}

static void sub_head(struct http_sub *sub)
{
	struct preload_slot *s = sub->ctx;

	if (sub->s.resp.status < 200)
		return;
	s->status = sub->s.resp.status;
	s->how = sub->s.cache;
	s->hit = s->how != NULL && strcmp(s->how, "hit") == 0;
	if (s->hit)
		http_task_post(&s->p->hw->w->loop, &s->task);
}

static uint32_t sub_body(struct http_sub *sub, struct rte_mbuf *chain, uint32_t len)
{
	struct preload_slot *s = sub->ctx;

	chain_free_list(chain);
	if (s->hit)
		return 0;
	add64(&s->p->list->bytes, len);
	return UINT32_MAX;
}

static void sub_done(struct http_sub *sub, const struct http_head *trailers)
{
	struct preload_slot *s = sub->ctx;

	(void)trailers;
	slot_done(s, outcome(s));
}

static void sub_failed(struct http_sub *sub)
{
	struct preload_slot *s = sub->ctx;

	/* What was answered at once from memory counts as well. */
	if (!s->hit)
		s->status = sub->s.fail_status;
	slot_done(s, s->hit ? ALREADY : FAILED);
}

static const struct http_sub_ops sub_ops = {
	.head = sub_head, .body = sub_body, .done = sub_done, .failed = sub_failed};

/* The listener that a client of this URL would have come to. */
static uint32_t listener_of(const struct l7_table *t, const struct preload_url *u)
{
	uint16_t port = u->port != 0 ? u->port : u->tls ? 443 : 80;
	uint32_t any = L7_NONE;

	for (uint32_t i = 0; t != NULL && i < t->endpoint_cnt; i++) {
		const struct l7_endpoint *e = &t->endpoints[i];
		const struct l7_listener *l = t->by_id[e->listener];

		if (!e->accepting || l == NULL || l->site == NULL || (l->tls != NULL) != u->tls)
			continue;
		if (e->port == BE16(port))
			return l->id;
		if (any == L7_NONE)
			any = l->id;
	}
	return any;
}

static bool ask(struct preload_slot *s, struct span url)
{
	struct http_worker *w = s->p->hw->w;
	struct http_head *h = &s->p->hw->scratch_head;
	struct preload_url u;
	uint32_t listener;

	if (!preload_url_parse(url, &u))
		return false;
	listener = listener_of(w->table, &u);
	if (listener == L7_NONE)
		return false;
	memset(h, 0, offsetof(struct http_head, fields));
	h->method = HTTP_GET;
	h->method_text = SPAN("GET");
	h->scheme = u.tls ? SPAN("https") : SPAN("http");
	h->host = u.host;
	h->port = u.port;
	h->path = u.path;
	h->query = u.query;
	h->has_query = u.has_query;
	h->version = 11;
	h->keep_alive = true;
	if (http_head_add(h, HTTP_FIELD_USER_AGENT, SPAN("weir-preload")) != 0)
		return false;
	s->sub = http_sub_own(w, listener, u.tls, h, &sub_ops, s);
	return s->sub != NULL;
}

static void begin(struct preload_worker *p, struct preload_slot *s)
{
	struct preload_list *l = p->list;

	s->i = atomic_load_explicit(&l->begun, memory_order_relaxed);
	s->status = 0;
	s->hit = false;
	s->how = NULL;
	add32(&l->begun, 1);
	if (!ask(s, l->url[s->i])) {
		note(l, s->i, NO_ROUTE, 0);
		return;
	}
	add32(&l->active, 1);
	note(l, s->i, UNDER_WAY, 0);
	http_sub_start(s->sub, &http_cached);
}

static struct preload_slot *free_slot(struct preload_worker *p)
{
	for (uint32_t i = 0; i < p->list->active_max; i++)
		if (p->slots[i].sub == NULL)
			return &p->slots[i];
	return NULL;
}

static void go_on(struct preload_worker *p)
{
	struct preload_list *l = p->list;
	uint64_t now = p->hw->w->loop.now_ns;

	while (atomic_load_explicit(&l->begun, memory_order_relaxed) < l->cnt) {
		struct preload_slot *s = free_slot(p);

		if (s == NULL)
			return; /* the next one that is done goes on */
		if (now < p->due_ns) {
			http_timer_set(&p->hw->w->loop, &p->timer, p->due_ns);
			return;
		}
		p->due_ns = now + l->every_ns;
		begin(p, s);
	}
	if (atomic_load_explicit(&l->active, memory_order_relaxed) > 0)
		return;
	p->list = NULL;
	atomic_store_explicit(&l->over, true, memory_order_release); /* PL: not looked at again */
}

static void on_timer(struct http_timer *t)
{
	struct preload_worker *p = container_of(t, struct preload_worker, timer);

	if (p->list != NULL)
		go_on(p);
}

bool preload_waiting(const struct preload_worker *p)
{
	return p != NULL &&
	       atomic_load_explicit(&p->hw->hc->preload, memory_order_relaxed) != p->seen;
}

void preload_turn(struct preload_worker *p)
{
	struct preload_list *l;

	if (likely(p == NULL || !preload_waiting(p)))
		return;
	l = atomic_load_explicit(&p->hw->hc->preload, memory_order_acquire); /* PL */
	if (l == NULL || p->hw->w->table == NULL)
		return;
	p->seen = p->list = l;
	go_on(p);
}

struct preload_worker *preload_worker_create(struct hcache_worker *hw)
{
	struct preload_worker *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return NULL;
	p->hw = hw;
	http_timer_init(&p->timer, on_timer);
	for (uint32_t i = 0; i < PRELOAD_ACTIVE_MAX; i++) {
		p->slots[i].p = p;
		http_task_init(&p->slots[i].task, on_task);
	}
	return p;
}

void preload_worker_destroy(struct preload_worker *p)
{
	free(p);
}
