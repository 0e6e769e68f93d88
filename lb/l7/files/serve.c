/* SPDX-License-Identifier: Apache-2.0
 * From a request to its answer. A response is a list of pieces, of memory or of the file; they go
 * out as the front has room, and a piece of a large file is asked of the threads first. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "dataplane/base/time.h"
#include "lb/l7/http/own.h"
#include "lb/l7/files/files_pvt.h"
#include "lb/l7/http/cond.h"
#include "lb/l7/http/http_pvt.h"
#include "lb/l7/route/route.h"

#define SEND_MAX 32768 /* bytes copied at once */
#define PIECES   (2 * HTTP_RANGES_MAX + 1)

struct piece {
	const char *mem; /* NULL: of the file */
	uint64_t off, len;
};

struct files_send {
	struct http_stream *s;
	struct files_worker *w;
	struct files_root *root;
	struct files_entry *e; /* one reference; NULL: not looked up yet */
	enum files_coding coding;
	struct files_job *job; /* under way for us */
	struct files_send *next;
	bool waiting; /* in the queue for a job */
	uint32_t piece_cnt, piece;
	uint64_t at; /* within the piece */
	uint32_t name_len;
	char *name;
	struct piece pieces[PIECES];
	struct http_own_wait own;
};

static void pump(struct files_send *f);

/* ---- jobs ---- */

static void fill_job(struct files_send *f, struct files_job *j)
{
	j->root = f->root;
	j->send = f;
	j->known = j->entry = NULL;
	if (f->e == NULL) {
		j->op = FILES_LOOK;
		j->name_len = f->name_len;
		memcpy(j->name, f->name, f->name_len + 1);
		j->known = files_cache_find(f->root, f->w->idx, f->name, f->name_len);
		if (j->known != NULL)
			files_entry_ref(j->known);
	} else {
		const struct piece *p = &f->pieces[f->piece];
		uint64_t left = p->len - f->at;

		j->op = FILES_READ;
		j->entry = f->e;
		files_entry_ref(f->e);
		j->coding = f->coding;
		j->off = p->off + f->at;
		j->len = left < FILES_READ_BYTES ? (uint32_t)left : FILES_READ_BYTES;
	}
	f->job = j;
}

static struct files_job *job_get(struct files_worker *w)
{
	return w->free_cnt == 0 ? NULL : &w->jobs[w->free[--w->free_cnt]];
}

/* What a thread has to free goes along when there is a job for it. */
static void free_dead(struct files_worker *w)
{
	struct files_job *j = w->dead == NULL ? NULL : job_get(w);

	if (j == NULL)
		return;
	*j = (struct files_job){.op = FILES_FREE, .idx = j->idx, .buf = j->buf, .entry = w->dead};
	w->dead = NULL;
	files_io_submit(w, j);
}

static void ask(struct files_send *f)
{
	struct files_worker *w = f->w;
	struct files_job *j = job_get(w);

	if (j == NULL) {
		f->waiting = true;
		f->next = NULL;
		if (w->wait_last != NULL)
			w->wait_last->next = f;
		else
			w->wait_first = f;
		w->wait_last = f;
		return;
	}
	fill_job(f, j);
	atomic_fetch_add_explicit(&f->root->refs, 1, memory_order_relaxed);
	files_io_submit(w, j);
}

static void stop_waiting(struct files_send *f)
{
	struct files_worker *w = f->w;
	struct files_send *prev = NULL;

	for (struct files_send *i = w->wait_first; i != f; i = i->next)
		prev = i;
	if (prev != NULL)
		prev->next = f->next;
	else
		w->wait_first = f->next;
	if (w->wait_last == f)
		w->wait_last = prev;
	f->waiting = false;
}

static struct files_send *next_waiting(struct files_worker *w)
{
	struct files_send *f = w->wait_first;

	if (f != NULL)
		stop_waiting(f);
	return f;
}

/* ---- the end of it ---- */

/* Lets go of everything; the stream may be told then. */
static void let_go(struct files_send *f)
{
	f->s->action_state = NULL;
	http_own_stop(&f->own);
	if (f->waiting)
		stop_waiting(f);
	if (f->job != NULL)
		f->job->send = NULL;
	f->job = NULL;
	if (f->e != NULL)
		files_entry_unref(f->w, f->e);
	f->e = NULL;
}

static void fail(struct files_send *f, enum http_end end)
{
	struct http_stream *s = f->s;

	let_go(f);
	http_fail(s, end);
}

static void fail_errno(struct files_send *f, int err)
{
	fail(f, err == -ENOMEM || err == -EMFILE || err == -ENFILE || err == -EAGAIN
			? HTTP_END_NO_MEMORY
			: HTTP_END_INTERNAL);
}

static void files_cancel(struct http_stream *s)
{
	if (s->action_state != NULL)
		let_go(s->action_state);
}

/* ---- heads ---- */

static const struct span coding_names[FILES_CODING_CNT] = {
	[FILES_BR] = {"br", 2}, [FILES_ZSTD] = {"zstd", 4}, [FILES_GZIP] = {"gzip", 4}};

static bool add(struct http_stream *s, enum http_field_id id, struct span v)
{
	return http_head_set(&s->resp, id, v) == 0;
}

static struct span keep(struct http_stream *s, const char *text, size_t len)
{
	char *p = http_arena_alloc(&s->arena, (uint32_t)len);

	if (p == NULL)
		return (struct span){NULL, 0};
	memcpy(p, text, len);
	return (struct span){p, (uint32_t)len};
}

static struct span type_of(const struct files_send *f)
{
	const char *t = f->e->type != NULL ? f->e->type : f->root->conf.type;

	return (struct span){t, (uint32_t)strlen(t)};
}

static void begin(struct http_stream *s, uint16_t status)
{
	s->resp.status = status;
	s->resp.version = 11;
	s->resp.keep_alive = true;
	s->resp.upgrade = false;
	s->resp.field_cnt = 0;
	s->resp.framing = HTTP_BODY_NONE;
	s->resp.length = 0;
}

/* RFC 9110 15.4.5: what 200 would have, but for what describes the body. */
static bool common_fields(struct files_send *f)
{
	struct http_stream *s = f->s;
	const struct files_variant *v = &f->e->v[f->coding];
	const char *cc = f->root->conf.cache_control;
	char date[HTTP_DATE_LEN];
	struct span modified, etag, now = http_date_now(s->w);
	bool varies = false;

	for (uint32_t c = FILES_IDENTITY + 1; c < FILES_CODING_CNT; c++)
		varies |= f->e->v[c].there;
	http_date_format(f->e->last_modified, date);
	modified = keep(s, date, sizeof(date));
	/* Copies: logs read the head after the entry has been let go. */
	etag = keep(s, v->etag, v->etag_len);
	return modified.at != NULL && etag.at != NULL && add(s, HTTP_FIELD_DATE, now) &&
	       add(s, HTTP_FIELD_ETAG, etag) && add(s, HTTP_FIELD_LAST_MODIFIED, modified) &&
	       add(s, HTTP_FIELD_ACCEPT_RANGES, SPAN("bytes")) &&
	       (!varies || add(s, HTTP_FIELD_VARY, SPAN("Accept-Encoding"))) &&
	       (f->coding == FILES_IDENTITY ||
		       add(s, HTTP_FIELD_CONTENT_ENCODING, coding_names[f->coding])) &&
	       (cc[0] == '\0' ||
		       add(s, HTTP_FIELD_CACHE_CONTROL, (struct span){cc, (uint32_t)strlen(cc)}));
}

static void put_piece(struct files_send *f, const char *mem, uint64_t off, uint64_t len)
{
	f->pieces[f->piece_cnt++] = (struct piece){.mem = mem, .off = off, .len = len};
}

static void send(struct files_send *f)
{
	struct http_stream *s = f->s;
	uint64_t total = 0;

	for (uint32_t i = 0; i < f->piece_cnt; i++)
		total += f->pieces[i].len;
	s->resp.framing = total > 0 ? HTTP_BODY_LENGTH : HTTP_BODY_NONE;
	s->resp.length = total;
	http_send_head(s);
	if (s->req.method == HTTP_HEAD)
		f->piece_cnt = 0;
	pump(f);
}

static void send_not_modified(struct files_send *f)
{
	struct http_stream *s = f->s;

	begin(s, 304);
	if (!common_fields(f)) {
		fail(f, HTTP_END_NO_MEMORY);
		return;
	}
	http_head_remove(&s->resp, HTTP_FIELD_CONTENT_ENCODING);
	send(f);
}

static void send_whole(struct files_send *f)
{
	struct http_stream *s = f->s;

	begin(s, 200);
	if (!common_fields(f) || !add(s, HTTP_FIELD_CONTENT_TYPE, type_of(f))) {
		fail(f, HTTP_END_NO_MEMORY);
		return;
	}
	if (f->e->v[f->coding].size > 0)
		put_piece(f, NULL, 0, f->e->v[f->coding].size);
	send(f);
}

static struct span content_range(struct http_stream *s, const struct http_range *r, uint64_t total)
{
	char text[64];

	return keep(s, text, http_content_range_format(r, total, text, sizeof(text)));
}

static void send_unsatisfiable(struct files_send *f)
{
	struct http_stream *s = f->s;
	struct span range = content_range(s, NULL, f->e->v[f->coding].size);

	begin(s, 416);
	if (range.at == NULL || !add(s, HTTP_FIELD_DATE, http_date_now(s->w)) ||
		!add(s, HTTP_FIELD_CONTENT_RANGE, range)) {
		fail(f, HTTP_END_NO_MEMORY);
		return;
	}
	send(f);
}

static void send_range(struct files_send *f, const struct http_range *r)
{
	struct http_stream *s = f->s;
	struct span range = content_range(s, r, f->e->v[f->coding].size);

	begin(s, 206);
	if (range.at == NULL || !common_fields(f) || !add(s, HTTP_FIELD_CONTENT_TYPE, type_of(f)) ||
		!add(s, HTTP_FIELD_CONTENT_RANGE, range)) {
		fail(f, HTTP_END_NO_MEMORY);
		return;
	}
	put_piece(f, NULL, r->first, r->last - r->first + 1);
	send(f);
}

/* RFC 9110 14.6: one part for each range. The boundary is drawn, so that no file can hold it but by
 * chance. */
static bool put_parts(
	struct files_send *f, const struct http_range *r, uint32_t cnt, const char *boundary)
{
	struct http_stream *s = f->s;
	struct span type = type_of(f);
	uint64_t total = f->e->v[f->coding].size;

	for (uint32_t i = 0; i < cnt; i++) {
		char range[64], *head = http_arena_alloc(&s->arena, 320);
		uint32_t n = http_content_range_format(&r[i], total, range, sizeof(range));
		int len;

		if (head == NULL)
			return false;
		len = snprintf(head, 320,
			"%s--%s\r\nContent-Type: %.*s\r\nContent-Range: %.*s\r\n\r\n",
			i == 0 ? "" : "\r\n", boundary, (int)type.len, type.at, (int)n, range);
		put_piece(f, head, 0, (uint64_t)len);
		put_piece(f, NULL, r[i].first, r[i].last - r[i].first + 1);
	}
	return true;
}

static void send_ranges(struct files_send *f, const struct http_range *r, uint32_t cnt)
{
	struct http_stream *s = f->s;
	char *type = http_arena_alloc(&s->arena, 80), *tail = http_arena_alloc(&s->arena, 80);
	char text[17];
	int n;

	if (type == NULL || tail == NULL) {
		fail(f, HTTP_END_NO_MEMORY);
		return;
	}
	snprintf(text, sizeof(text), "%016llx", (unsigned long long)rng_next(&f->w->rng));
	n = snprintf(type, 80, "multipart/byteranges; boundary=%s", text);
	begin(s, 206);
	if (!common_fields(f) ||
		!add(s, HTTP_FIELD_CONTENT_TYPE, (struct span){type, (uint32_t)n}) ||
		!put_parts(f, r, cnt, text)) {
		fail(f, HTTP_END_NO_MEMORY);
		return;
	}
	n = snprintf(tail, 80, "\r\n--%s--\r\n", text);
	put_piece(f, tail, 0, (uint64_t)n);
	send(f);
}

/* ---- what is asked for ---- */

/* A folder's relative links need the slash. */
static void redirect_to_folder(struct files_send *f)
{
	struct http_stream *s = f->s;
	const struct http_exchange *x = s->policy_state;
	struct span path = x != NULL && x->original_path.len > 0 ? x->original_path : s->req.path;
	struct span query = x != NULL ? x->original_query : (struct span){NULL, 0};
	char *to = http_arena_alloc(&s->arena, path.len + query.len + 4);
	uint32_t n = 0;

	if (to == NULL) {
		fail(f, HTTP_END_NO_MEMORY);
		return;
	}
	/* "//name" would be another host (RFC 3986 4.2). */
	if (path.len > 1 && path.at[1] == '/') {
		memcpy(to, "/.", 2);
		n = 2;
	}
	memcpy(to + n, path.at, path.len);
	n += path.len;
	to[n++] = '/';
	if (query.len > 0) {
		to[n++] = '?';
		memcpy(to + n, query.at, query.len);
		n += query.len;
	}
	begin(s, 301);
	if (!add(s, HTTP_FIELD_DATE, http_date_now(s->w)) ||
		!add(s, HTTP_FIELD_LOCATION, (struct span){to, n})) {
		fail(f, HTTP_END_NO_MEMORY);
		return;
	}
	send(f);
}

static uint32_t there(const struct files_entry *e)
{
	uint32_t have = 0;

	for (uint32_t c = 0; c < FILES_CODING_CNT; c++)
		have |= (uint32_t)e->v[c].there << c;
	return have;
}

static void answer_body(struct files_send *f, const struct http_selected *sel, int64_t now)
{
	struct http_range ranges[HTTP_RANGES_MAX];
	uint64_t size = f->e->v[f->coding].size;
	uint32_t cnt = 0;

	/* RFC 9110 14.2: Range is of GET alone. */
	if (f->s->req.method != HTTP_GET || !http_if_range(&f->s->req, sel, now)) {
		send_whole(f);
		return;
	}
	switch (http_ranges_parse(&f->s->req, size, ranges, &cnt)) {
	case HTTP_RANGES_IGNORE:
		send_whole(f);
		break;
	case HTTP_RANGES_UNSATISFIABLE:
		send_unsatisfiable(f);
		break;
	case HTTP_RANGES_OK:
		if (cnt == 1)
			send_range(f, &ranges[0]);
		else
			send_ranges(f, ranges, cnt);
		break;
	}
}

static void answer(struct files_send *f)
{
	struct http_selected sel;
	int64_t now = http_date_parse(http_date_now(f->s->w), 0);

	if (f->e->err == -EISDIR) {
		redirect_to_folder(f);
		return;
	}
	if (f->e->err != 0) {
		struct http_stream *s = f->s;

		let_go(f);
		http_fail_as(s, HTTP_END_NO_ROUTE, 404, "no_file");
		return;
	}
	f->coding = files_negotiate(&f->s->req, there(f->e));
	sel = (struct http_selected){.etag = {f->e->v[f->coding].etag, f->e->v[f->coding].etag_len},
		.last_modified = f->e->last_modified,
		.date = now};
	switch (http_cond_check(&f->s->req, &sel, now)) {
	case HTTP_COND_NOT_MODIFIED:
		send_not_modified(f);
		break;
	case HTTP_COND_FAILED: {
		struct http_stream *s = f->s;

		let_go(f);
		http_respond(s, 412, SPAN(""), SPAN(""));
		break;
	}
	case HTTP_COND_PROCEED:
		answer_body(f, &sel, now);
		break;
	}
}

/* ---- sending ---- */

/* Up to SEND_MAX bytes that are there; 0: the threads are asked. */
static uint32_t at_hand(const struct files_send *f, const char **out)
{
	const struct piece *p = &f->pieces[f->piece];
	const struct files_variant *v = &f->e->v[f->coding];
	uint64_t left = p->len - f->at;

	if (p->mem != NULL)
		*out = p->mem + f->at;
	else if (v->fd < 0)
		*out = v->bytes + p->off + f->at;
	else
		return 0;
	return left < SEND_MAX ? (uint32_t)left : SEND_MAX;
}

static void advance(struct files_send *f, uint32_t n)
{
	f->at += n;
	if (f->at == f->pieces[f->piece].len) {
		f->piece++;
		f->at = 0;
	}
}

static void pump(struct files_send *f)
{
	struct http_stream *s = f->s;

	while (f->piece < f->piece_cnt) {
		const char *bytes = NULL;
		uint32_t n = at_hand(f, &bytes);

		if (n == 0) {
			if (http_own_promise(&f->own, FILES_READ_BYTES))
				ask(f);
			return; /* was_read() or resume() comes */
		}
		n = http_own_room(&f->own, n);
		if (n == 0)
			return;
		if (http_send_bytes(s, bytes, n) != 0) {
			http_own_short(&f->own);
			return;
		}
		advance(f, n);
	}
	let_go(f);
	http_finish(s, NULL);
}

static void files_resume(struct http_stream *s)
{
	struct files_send *f = s->action_state;

	if (f != NULL && f->job == NULL && !f->waiting)
		pump(f);
}

/* ---- results ---- */

static void looked(struct files_send *f, struct files_job *j, uint64_t now_ns)
{
	if (j->err != 0) {
		fail_errno(f, j->err);
		return;
	}
	f->e = j->entry != NULL ? j->entry : j->known;
	files_entry_ref(f->e);
	(void)now_ns;
	answer(f);
}

static void was_read(struct files_send *f, const struct files_job *j)
{
	if (j->err != 0) {
		fail_errno(f, j->err);
		return;
	}
	/* All at once, whatever room the client has: the job is for the next one. What there are no
	 * buffers for, others having taken them, is read again. */
	http_own_take(&f->own);
	if (http_send_bytes(f->s, j->buf, j->len) != 0) {
		http_own_short(&f->own);
		return;
	}
	advance(f, j->len);
	pump(f);
}

static void job_done(struct files_worker *w, struct files_job *j, uint64_t now_ns)
{
	struct files_send *f = j->send;

	if (j->op == FILES_LOOK && j->err == 0) {
		struct files_entry *e = j->entry != NULL ? j->entry : j->known;

		e->checked_ns = now_ns;
		if (j->entry != NULL)
			files_cache_add(w, j->root, j->entry);
	}
	if (f != NULL) {
		f->job = NULL;
		if (j->op == FILES_LOOK)
			looked(f, j, now_ns);
		else
			was_read(f, j);
	}
	if (j->known != NULL)
		files_entry_unref(w, j->known);
	if (j->op == FILES_READ)
		files_entry_unref(w, j->entry);
	if (j->op != FILES_FREE)
		files_root_unref(j->root);
	w->free[w->free_cnt++] = j->idx;
}

void files_worker_poll(struct files_worker *w, uint64_t now_ns)
{
	struct files_send *f;
	void *job;

	if (w == NULL)
		return;
	for (uint32_t t = 0; t < FILES_THREADS; t++) {
		while (spsc_pop(w->out[t], &job, 1) == 1)
			job_done(w, job, now_ns);
	}
	while (w->free_cnt > 0 && (f = next_waiting(w)) != NULL)
		ask(f);
	if (unlikely(w->dead != NULL))
		free_dead(w);
}

bool files_worker_busy(const struct files_worker *w)
{
	return w != NULL && w->free_cnt < LIMIT_FILES_JOBS;
}

/* ---- the request ---- */

static void refuse_method(struct http_stream *s)
{
	if (http_head_set(&s->resp, HTTP_FIELD_ALLOW, SPAN("GET, HEAD")) != 0)
		http_fail(s, HTTP_END_NO_MEMORY);
	else
		http_fail(s, HTTP_END_METHOD_NOT_ALLOWED);
}

static void files_start(struct http_stream *s)
{
	struct files_root *r = s->route->files;
	struct files_worker *w = s->w->files;
	struct files_send *f = http_arena_alloc(&s->arena, sizeof(*f));
	char *name = http_arena_alloc(&s->arena, FILES_NAME_MAX);
	struct files_entry *e;
	int len;

	if (s->req.framing != HTTP_BODY_NONE)
		http_body_ignore(s);
	if (s->req.method != HTTP_GET && s->req.method != HTTP_HEAD) {
		refuse_method(s);
		return;
	}
	if (f == NULL || name == NULL || w == NULL) {
		http_fail(s, HTTP_END_NO_MEMORY);
		return;
	}
	len = files_name_of(s->req.path, r->conf.hidden, name, FILES_NAME_MAX);
	if (len < 0) {
		http_fail_as(s, HTTP_END_NO_ROUTE, 404, "no_file");
		return;
	}
	*f = (struct files_send){
		.s = s, .w = w, .root = r, .name = name, .name_len = (uint32_t)len};
	http_own_init(&f->own, s);
	s->action_state = f;
	e = files_cache_find(r, w->idx, name, f->name_len);
	if (e != NULL && http_now_ns(s) - e->checked_ns < r->conf.check_ns) {
		f->e = e;
		files_entry_ref(e);
		answer(f);
		return;
	}
	ask(f);
}

const struct http_action http_action_files = {
	.name = "files",
	.start = files_start,
	.resume = files_resume,
	.cancel = files_cancel,
};
