/* SPDX-License-Identifier: Apache-2.0 */
#include "lb/capture/capture.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "dataplane/base/assert.h"
#include "dataplane/base/log.h"
#include "dataplane/base/time.h"
#include "lb/capture/pcapng.h"

static int compile(struct bpf_program *out, const char *filter, char why[256])
{
	pcap_t *dead = pcap_open_dead(DLT_EN10MB, TAP_SNAP_MAX);
	int rc = 0;

	if (dead == NULL)
		return -ENOMEM;
	if (pcap_compile(dead, out, filter, 1, PCAP_NETMASK_UNKNOWN) != 0) {
		snprintf(why, 256, "%s", pcap_geterr(dead));
		rc = -EINVAL;
	}
	pcap_close(dead);
	return rc;
}

static int64_t wall_offset(uint64_t now_ns)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * (int64_t)NS_PER_SEC + ts.tv_nsec - (int64_t)now_ns;
}

static int set_taps(struct capture *c)
{
	for (uint32_t w = 0; w < c->app->worker_cnt; w++) {
		struct tap *t = tap_create(c->program.bf_len > 0 ? &c->program : NULL, c->ask.snap);
		int rc;

		if (t == NULL)
			return -ENOMEM;
		t->in = c->ask.in;
		t->out = c->ask.out;
		t->flows = c->ask.flows;
		c->taps[w] = t;
		rc = app_ask(c->app, w, tap_set, t);
		if (rc != 0)
			return rc;
		c->on[w] = true;
	}
	return 0;
}

int capture_check(const char *filter, char why[256])
{
	struct bpf_program program = {0};
	int rc;

	why[0] = '\0';
	rc = filter[0] != '\0' ? compile(&program, filter, why) : 0;
	pcap_freecode(&program);
	return rc;
}

int capture_start(struct app *app, const struct capture_ask *ask, uint64_t id, uint64_t now_ns,
	char why[256], struct capture **out)
{
	struct capture *c = calloc(1, sizeof(*c));
	int rc;

	*out = NULL;
	why[0] = '\0';
	if (c == NULL)
		return -ENOMEM;
	c->id = id;
	c->app = app;
	c->ask = *ask;
	c->ask.filter = NULL; /* the caller's */
	c->asked_ns = now_ns;
	c->end_ns = now_ns + ask->seconds * NS_PER_SEC;
	c->wall_offset_ns = wall_offset(now_ns);
	rc = ask->filter[0] != '\0' ? compile(&c->program, ask->filter, why) : 0;
	if (rc == 0)
		rc = set_taps(c);
	if (rc != 0) {
		capture_stop(c);
		/* A worker that has a tap and does not answer keeps it: nothing is freed then. */
		if (capture_stopped(c))
			capture_free(c);
		return rc;
	}
	*out = c;
	return 0;
}

void capture_stop(struct capture *c)
{
	c->stopping = true;
	for (uint32_t w = 0; w < c->app->worker_cnt; w++)
		if (c->on[w] && app_ask(c->app, w, tap_clear, NULL) == 0)
			c->on[w] = false;
}

bool capture_stopped(const struct capture *c)
{
	for (uint32_t w = 0; w < c->app->worker_cnt; w++)
		if (c->on[w])
			return false;
	return true;
}

void capture_run(struct capture *c, uint64_t now_ns)
{
	bool over = now_ns >= c->end_ns || c->taken >= c->ask.count ||
		    now_ns - c->asked_ns > CAPTURE_IDLE_NS;

	if ((over && !c->stopping) || (c->stopping && !capture_stopped(c)))
		capture_stop(c);
}

void capture_free(struct capture *c)
{
	ASSERT(capture_stopped(c));
	for (uint32_t w = 0; w < LIMIT_WORKERS; w++)
		tap_destroy(c->taps[w]);
	pcap_freecode(&c->program);
	free(c);
}

struct tap_record *capture_take(struct capture *c, uint32_t *worker)
{
	struct tap_record *r = NULL;

	if (c->taken == c->ask.count)
		return NULL;
	for (uint32_t w = 0; w < c->app->worker_cnt; w++) {
		void *first;

		if (c->next[w] == NULL && spsc_pop(c->taps[w]->full, &first, 1) == 1)
			c->next[w] = first;
		if (c->next[w] != NULL && (r == NULL || c->next[w]->time_ns < r->time_ns)) {
			r = c->next[w];
			*worker = w;
		}
	}
	if (r == NULL)
		return NULL;
	c->next[*worker] = NULL;
	c->taken++;
	return r;
}

bool capture_waiting(const struct capture *c)
{
	for (uint32_t w = 0; w < c->app->worker_cnt && c->taken < c->ask.count; w++)
		if (c->next[w] != NULL || spsc_count(c->taps[w]->full) > 0)
			return true;
	return false;
}

void capture_give(struct capture *c, uint32_t worker, struct tap_record *r)
{
	void *obj = r;

	ASSERT(spsc_push(c->taps[worker]->free, &obj, 1) == 1);
}

uint64_t capture_dropped(const struct capture *c)
{
	uint64_t n = 0;

	for (uint32_t w = 0; w < c->app->worker_cnt; w++)
		n += __atomic_load_n(&c->taps[w]->dropped, __ATOMIC_RELAXED);
	return n;
}

void capture_verdict(const struct app *app, const struct tap_record *r, char *out, size_t size)
{
	switch ((enum tap_end)r->end) {
	case TAP_END_REASON:
		snprintf(out, size, "worker %u: %s (%s)", r->worker,
			reason_name((enum reason)r->reason), reason_text((enum reason)r->reason));
		break;
	case TAP_END_SENT:
		snprintf(out, size, "worker %u: sent on %s", r->worker, app->ports[r->to].name);
		break;
	case TAP_END_HANDED:
		snprintf(out, size, "worker %u: handed to worker %u", r->worker, r->to);
		break;
	case TAP_END_HELD:
		snprintf(out, size,
			"worker %u: held until a neighbour answers or a datagram is whole",
			r->worker);
		break;
	case TAP_END_NONE:
		snprintf(out, size, "worker %u: leaves", r->worker);
		break;
	}
}

/* Interfaces: the ports, then the rings between workers. */
static void write_head(const struct capture *c, FILE *out)
{
	pcapng_section(out, "weir " WEIR_VERSION);
	for (uint32_t i = 0; i < c->app->port_cnt; i++)
		pcapng_interface(out, c->app->ports[i].name, c->app->ports[i].device, c->ask.snap);
	pcapng_interface(out, "handed", "taken over from another worker", c->ask.snap);
}

static void write_record(const struct capture *c, const struct tap_record *r, FILE *out)
{
	char comment[256];
	struct pcapng_packet p = {.interface = r->dir == TAP_HANDED ? c->app->port_cnt : r->port,
		.time_ns = (uint64_t)((int64_t)r->time_ns + c->wall_offset_ns),
		.bytes = r->bytes,
		.cap_len = r->cap_len,
		.len = r->len,
		.dir = r->dir == TAP_OUT ? PCAPNG_OUTBOUND : PCAPNG_INBOUND,
		.comment = comment};

	capture_verdict(c->app, r, comment, sizeof(comment));
	pcapng_packet(out, &p);
}

void capture_write(struct capture *c, FILE *out)
{
	struct tap_record *r;
	uint32_t worker;

	if (!c->header_sent)
		write_head(c, out);
	c->header_sent = true;
	for (uint32_t n = 0; n < CAPTURE_BATCH && (r = capture_take(c, &worker)) != NULL; n++) {
		write_record(c, r, out);
		capture_give(c, worker, r);
	}
}
