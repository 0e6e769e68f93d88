/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/core/idle.h"

#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include <rte_ethdev.h>

#include "dataplane/base/time.h"
#include "dataplane/core/worker.h"

static void add_fd(struct idle *i, int fd)
{
	i->fds[i->fd_cnt++] = (struct pollfd){.fd = fd, .events = POLLIN};
}

void idle_init(struct idle *i, struct worker *w)
{
	i->fd_cnt = 0;
	i->sleep_only = false;
	i->has_intr = false;
	i->armed = false;
	i->crowded = false;
	i->window_ns = 0;
	i->window_pkts = 0;
	/* By default the kernel adds 50 us to each sleep, as much as a rest is meant to last. */
	(void)prctl(PR_SET_TIMERSLACK, 1000UL, 0UL, 0UL, 0UL);
	add_fd(i, w->wake_fd);
	for (uint32_t r = 0; r < w->rx_cnt; r++) {
		const struct port *p = w->rx[r].port;
		int fd = -1;

		if (p->wait == PORT_WAIT_FD)
			fd = p->fd;
		else if (p->wait == PORT_WAIT_INTR)
			fd = rte_eth_dev_rx_intr_ctl_q_get_fd(p->id, w->rx[r].queue);
		if (p->wait == PORT_WAIT_INTR)
			i->has_intr = true;
		if (fd < 0)
			i->sleep_only = true;
		else
			add_fd(i, fd);
	}
}

void idle_fini(struct idle *i)
{
	i->fd_cnt = 0;
}

static bool rings_empty(const struct worker *w)
{
	if (spsc_count(w->msgs) > 0)
		return false;
	for (uint32_t j = 0; j < w->worker_cnt; j++)
		if (w->in[j] != NULL && spsc_count(w->in[j]) > 0)
			return false;
	return true;
}

static bool tx_waits(const struct worker *w)
{
	for (uint32_t p = 0; p < w->port_cnt; p++)
		if (w->tx[p].n > 0)
			return true;
	return false;
}

static void interrupts(const struct worker *w, bool on)
{
	for (uint32_t r = 0; r < w->rx_cnt; r++) {
		if (w->rx[r].port->wait != PORT_WAIT_INTR)
			continue;
		if (on)
			(void)rte_eth_dev_rx_intr_enable(w->rx[r].port->id, w->rx[r].queue);
		else
			(void)rte_eth_dev_rx_intr_disable(w->rx[r].port->id, w->rx[r].queue);
	}
}

static uint64_t wait_ns(const struct idle *i, const struct worker *w, uint64_t now_ns)
{
	uint64_t ns = IDLE_MAX_NS;

	if (w->deadline_ns <= now_ns)
		return 0;
	if (w->deadline_ns - now_ns < ns)
		ns = w->deadline_ns - now_ns;
	/* Frames that found no room in a transmit queue are tried again soon. */
	if ((i->sleep_only || tx_waits(w)) && ns > IDLE_SLEEP_NS)
		ns = IDLE_SLEEP_NS;
	return ns;
}

void idle_wait(struct idle *i, struct worker *w, uint64_t now_ns)
{
	uint64_t ns = wait_ns(i, w, now_ns), count;
	struct timespec ts = {.tv_sec = 0, .tv_nsec = (long)ns};

	if (ns == 0)
		return;
	if (i->has_intr && !i->armed) {
		interrupts(w, true);
		i->armed = true;
		return;
	}
	/* Edge D1: flag, fence, rings; the other side: push, fence, flag. One of us sees the other.
	 */
	atomic_store_explicit(&w->sleeping, true, memory_order_relaxed);
	atomic_thread_fence(memory_order_seq_cst);
	if (rings_empty(w) && !atomic_load_explicit(&w->stop, memory_order_acquire) &&
		(w->ops->park == NULL || w->ops->park(w->ctx))) {
		w->sleeps++;
		(void)ppoll(i->fds, i->fd_cnt, &ts, NULL);
		if (w->ops->unpark != NULL)
			w->ops->unpark(w->ctx);
	}
	atomic_store_explicit(&w->sleeping, false, memory_order_relaxed);
	if (i->armed) {
		interrupts(w, false);
		i->armed = false;
	}
	if (i->fds[0].revents & POLLIN)
		(void)!read(w->wake_fd, &count, sizeof(count));
}

/* Is the rate of the last whole window one at which a rest gathers IDLE_GATHER_MIN packets? */
static void look_at_rate(struct idle *i, const struct worker *w, uint64_t now_ns)
{
	uint64_t pkts = w->ledger.rx + w->ledger.handed_in, took_ns = now_ns - i->window_ns;

	if (took_ns < IDLE_WINDOW_NS)
		return;
	i->crowded = (pkts - i->window_pkts) * w->gather_ns >= IDLE_GATHER_MIN * took_ns;
	i->window_ns = now_ns;
	i->window_pkts = pkts;
}

bool idle_rest(struct idle *i, struct worker *w, uint32_t work, uint64_t now_ns)
{
	struct timespec ts = {.tv_sec = 0, .tv_nsec = (long)w->gather_ns};

	look_at_rate(i, w, now_ns);
	if (!i->crowded || w->gather_ns == 0 || work >= IDLE_GATHERED || tx_waits(w))
		return false;
	w->rests++;
	(void)nanosleep(&ts, NULL);
	return true;
}
