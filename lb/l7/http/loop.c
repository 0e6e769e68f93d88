/* SPDX-License-Identifier: Apache-2.0 */
#include "lb/l7/http/loop.h"

#include "dataplane/base/time.h"

#define TICK_NS (4 * NS_PER_MS)

void http_loop_init(struct http_loop *l, uint64_t now_ns)
{
	wheel_init(&l->wheel, TICK_NS, now_ns);
	list_init(&l->tasks);
	l->now_ns = now_ns;
}

void http_loop_timers(struct http_loop *l, uint64_t now_ns)
{
	struct wheel_timer *w;

	l->now_ns = now_ns;
	wheel_advance(&l->wheel, now_ns);
	while ((w = wheel_pop(&l->wheel)) != NULL) {
		struct http_timer *t = container_of(w, struct http_timer, at);

		if (t->due_ns == 0)
			continue;
		if (t->due_ns > now_ns) {
			wheel_arm(&l->wheel, &t->at, t->due_ns);
			continue;
		}
		t->due_ns = 0;
		t->fn(t);
	}
}

bool http_loop_tasks(struct http_loop *l)
{
	struct list_node now;

	if (list_empty(&l->tasks))
		return false;
	list_init(&now);
	list_splice(&now, &l->tasks);
	while (!list_empty(&now)) {
		struct http_task *t = container_of(now.next, struct http_task, node);

		list_remove(&t->node);
		t->fn(t);
	}
	return true;
}

uint64_t http_loop_next_ns(const struct http_loop *l)
{
	return list_empty(&l->tasks) ? wheel_next_ns(&l->wheel) : 0;
}
