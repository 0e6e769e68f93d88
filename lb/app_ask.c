/* SPDX-License-Identifier: Apache-2.0
 * Control waits for a worker's answer, for a moment. */
#include <errno.h>
#include <time.h>
#include <unistd.h>

#include "dataplane/base/time.h"
#include "lb/app_pvt.h"

#define ASK_WAIT_NS (200 * NS_PER_MS)
#define ASK_POLL_NS 20000

int app_ask(struct app *app, uint32_t worker, pipeline_ask_fn *fn, void *arg)
{
	struct timespec nap = {.tv_nsec = ASK_POLL_NS};
	struct pipeline_ask a = {.fn = fn, .arg = arg};
	uint64_t one = 1, end_ns = clock_now_ns() + ASK_WAIT_NS;

	if (!app->running) {
		fn(app->pipes[worker], arg, clock_now_ns());
		return 0;
	}
	pipeline_ask(app->pipes[worker], &a);
	(void)!write(app->workers[worker]->wake_fd, &one, sizeof(one));
	while (!atomic_load_explicit(&a.done, memory_order_acquire)) { /* A1 */
		if (clock_now_ns() > end_ns && pipeline_ask_cancel(app->pipes[worker]))
			return -ETIME;
		nanosleep(&nap, NULL);
	}
	return 0;
}
