/* SPDX-License-Identifier: Apache-2.0
 * loop - timers and postponed calls of layer 7 on one worker.
 * Owner:      one worker. Timers and tasks are parts of their objects.
 * Invariants: HL1 a timer's function runs once, not before its due time, and never after
 *                 http_timer_stop(). HL2 a task's function runs in the worker's loop, never inside
 *                 the call that posted it; posted twice it runs once.
 * Units:      ns, monotonic.
 * Cost:       setting a timer later than it was is one store: it is put off when it fires. */
#ifndef LB_L7_HTTP_LOOP_H
#define LB_L7_HTTP_LOOP_H

#include "dataplane/base/wheel.h"

struct http_loop {
	struct wheel wheel;
	struct list_node tasks;
	uint64_t now_ns;
};

struct http_timer {
	struct wheel_timer at;
	uint64_t due_ns; /* 0: not set */
	void (*fn)(struct http_timer *t);
};

struct http_task {
	struct list_node node;
	void (*fn)(struct http_task *t);
};

void http_loop_init(struct http_loop *l, uint64_t now_ns);
/* Run what is due. */
void http_loop_timers(struct http_loop *l, uint64_t now_ns);
/* Run what was posted so far; what is posted meanwhile waits for the next call. Whether there was
 * any. */
bool http_loop_tasks(struct http_loop *l);
uint64_t http_loop_next_ns(const struct http_loop *l);

static inline void http_timer_init(struct http_timer *t, void (*fn)(struct http_timer *t))
{
	wheel_timer_init(&t->at);
	t->due_ns = 0;
	t->fn = fn;
}

static inline void http_timer_set(struct http_loop *l, struct http_timer *t, uint64_t due_ns)
{
	t->due_ns = due_ns;
	if (!wheel_timer_armed(&t->at) || t->at.deadline_ns > due_ns)
		wheel_arm(&l->wheel, &t->at, due_ns);
}

/* It will not run; its memory must stay until http_timer_stop(). */
static inline void http_timer_unset(struct http_timer *t)
{
	t->due_ns = 0;
}

static inline void http_timer_stop(struct http_loop *l, struct http_timer *t)
{
	t->due_ns = 0;
	if (wheel_timer_armed(&t->at))
		wheel_cancel(&l->wheel, &t->at);
}

static inline void http_task_init(struct http_task *t, void (*fn)(struct http_task *t))
{
	list_init(&t->node);
	t->fn = fn;
}

static inline void http_task_post(struct http_loop *l, struct http_task *t)
{
	if (list_empty(&t->node))
		list_append(&l->tasks, &t->node);
}

static inline void http_task_cancel(struct http_task *t)
{
	list_remove(&t->node);
}

#endif
