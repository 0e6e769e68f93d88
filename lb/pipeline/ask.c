/* SPDX-License-Identifier: Apache-2.0
 * Questions of control that only the worker can answer, since what they are about is its own. They
 * are looked for where the worker looks at its timers, so that packets pay nothing for them. */
#include "lb/pipeline/pipeline_pvt.h"

void pipeline_ask(struct pipeline *p, struct pipeline_ask *a)
{
	atomic_store_explicit(&a->done, false, memory_order_relaxed);
	atomic_store_explicit(&p->ask, a, memory_order_release); /* A2 */
}

bool pipeline_ask_cancel(struct pipeline *p)
{
	return atomic_exchange_explicit(&p->ask, NULL, memory_order_acq_rel) != NULL;
}

void ask_answer(struct pipeline *p)
{
	struct pipeline_ask *a;

	if (likely(atomic_load_explicit(&p->ask, memory_order_relaxed) == NULL))
		return;
	a = atomic_exchange_explicit(&p->ask, NULL, memory_order_acquire); /* A2 */
	if (a == NULL)
		return;
	a->fn(p, a->arg, p->now_ns);
	p->stats.asked++;
	atomic_store_explicit(&a->done, true, memory_order_release); /* A1 */
}
