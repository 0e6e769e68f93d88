/* SPDX-License-Identifier: Apache-2.0
 * Runs the packet scenarios: scenarios [-v] [NAME...] (all of tests/packet/scenarios unless named).
 *
 * Each scenario gets an application of its own on virtual ports, driven by hand: the clock stands
 * still while a frame is handled and moves in ticks between events, so a timeout of minutes takes
 * no time and happens at the same packet each run. No root, no hugepages, no NIC. */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/log.h"
#include "dataplane/base/time.h"
#include "dataplane/eal/eal.h"
#include "lb/app.h"
#include "tests/support/frame_diff.h"
#include "tests/support/neighbours.h"
#include "tests/support/scenario.h"

#define FOLDER        "tests/packet/scenarios"
#define SCENARIOS_MAX 512
#define START_NS      (UINT64_C(1000) * NS_PER_SEC)
#define TICK_NS       NS_PER_MS
#define LONG_TICK_NS  (10 * NS_PER_MS) /* while nothing happens for a second or more */
#define TIME_SLACK_NS (25 * NS_PER_MS)
#define TURNS_MAX     10000 /* iterations that still find something to do */
#define RUN_WORKERS   2

/* What weir sent on one port. */
struct output {
	struct pcap_packet *frames;
	size_t cnt, cap;
};

struct run {
	const struct scenario *s;
	struct app *app;
	uint64_t now_ns;
	uint32_t segments;
	struct neighbours neighbours;
	struct output out[WIRE_PORTS];
	size_t known_cnt;
	char why[512];
};

static int fail(struct run *r, const char *fmt, ...) PRINTF_LIKE(2, 3);

static int fail(struct run *r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(r->why, sizeof(r->why), fmt, ap);
	va_end(ap);
	return -1;
}

static uint32_t collect(struct run *r)
{
	static uint8_t frame[WIRE_FRAME_MAX], answer[128];
	uint32_t len, answered = 0;

	for (uint32_t p = 0; p < WIRE_PORTS; p++)
		while ((len = wire_take(p, frame)) > 0) {
			struct output *o = &r->out[p];
			uint32_t n = neighbours_answer(&r->neighbours, p, frame, len, answer);
			uint8_t *copy;

			if (n > 0) {
				wire_put(p, answer, n, 1);
				answered++;
				continue;
			}
			copy = malloc(len);
			if (o->cnt == o->cap) {
				o->cap = o->cap ? 2 * o->cap : 64;
				o->frames = realloc(o->frames, o->cap * sizeof(*o->frames));
			}
			if (copy == NULL || o->frames == NULL)
				abort();
			memcpy(copy, frame, len);
			o->frames[o->cnt++] = (struct pcap_packet){
				.time_ns = r->now_ns - START_NS, .len = len, .data = copy};
		}
	return answered;
}

/* Everything that there is to do at this moment. */
static int settle(struct run *r)
{
	for (uint32_t turn = 0; turn < TURNS_MAX; turn++) {
		uint32_t busy = 0;

		for (uint32_t w = 0; w < app_worker_count(r->app); w++)
			busy += app_iterate(r->app, w, r->now_ns);
		busy += collect(r);
		if (busy == 0)
			return 0;
	}
	return fail(r, "workers find no end at %" PRIu64 " ms", (r->now_ns - START_NS) / NS_PER_MS);
}

static int tick_to(struct run *r, uint64_t to_ns)
{
	while (r->now_ns < to_ns) {
		uint64_t left = to_ns - r->now_ns;
		uint64_t tick = left > NS_PER_SEC ? LONG_TICK_NS : TICK_NS;

		r->now_ns += left < tick ? left : tick;
		(void)app_control(r->app, r->now_ns);
		if (settle(r) != 0)
			return -1;
	}
	return 0;
}

/* What the reader says is shown when it refuses the file: warnings are not a scenario's business.
 */
static int config_open(struct run *r, const char *file, struct config **out)
{
	char path[SCENARIO_PATH + 80], *said = NULL;
	size_t len = 0;
	FILE *err = open_memstream(&said, &len);
	int rc;

	if (err == NULL)
		return fail(r, "no memory");
	snprintf(path, sizeof(path), "%s/%s", r->s->folder, file);
	rc = config_load(path, err, out);
	fclose(err);
	if (rc != 0)
		fputs(said, stderr);
	free(said);
	return rc != 0 ? fail(r, "%s is not accepted", file) : 0;
}

static int reload(struct run *r, const char *file)
{
	struct config *next;
	int rc;

	if (config_open(r, file, &next) != 0)
		return -1;
	rc = app_reload(r->app, next, stderr, r->now_ns);
	if (rc != 0)
		return fail(r, "reload of %s: %s", file, strerror(-rc));
	for (uint32_t turn = 0; !app_reload_done(r->app); turn++) {
		if (turn == TURNS_MAX)
			return fail(r, "reload of %s is never done", file);
		if (settle(r) != 0)
			return -1;
		(void)app_control(r->app, r->now_ns);
	}
	return settle(r);
}

static int event_run(struct run *r, const struct scenario_event *e)
{
	if (tick_to(r, START_NS + e->time_ns) != 0)
		return -1;
	switch (e->kind) {
	case EVENT_FRAME:
		wire_put(e->port, e->frame->data, e->frame->len, r->segments);
		return settle(r);
	case EVENT_RELOAD:
		return reload(r, e->text);
	case EVENT_NEIGHBOUR:
		if (neighbours_add(&r->neighbours, e->text) != 0)
			return fail(r, "no neighbour: %s", e->text);
		return 0;
	case EVENT_DRAIN:
		app_drain(r->app);
		(void)app_control(r->app, r->now_ns);
		return settle(r);
	case EVENT_SEGMENTS:
		r->segments = e->value;
		return 0;
	case EVENT_END:
		return 0;
	}
	return -1;
}

/* --- verdict ----------------------------------------------------------------------------------*/

/* The value that weir chose for a name, once seen. */
struct known {
	const char *name;
	uint8_t value[SCENARIO_MASK_MAX];
};

static void checksum_adjust(uint8_t *frame, uint32_t at, uint32_t off, uint8_t from, uint8_t to)
{
	uint32_t shift = (off - at) % 2 == 0 ? 8 : 0;
	uint32_t sum = (uint16_t) ~((uint32_t)frame[at] << 8 | frame[at + 1]);

	sum += (uint16_t) ~((uint32_t)from << shift);
	sum += (uint32_t)to << shift;
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (uint16_t)~sum;
	if (sum == 0)
		sum = 0xffff; /* UDP */
	frame[at] = (uint8_t)(sum >> 8);
	frame[at + 1] = (uint8_t)sum;
}

/* Put what weir chose, now or before, into the expected frame. */
static void learn(
	struct run *r, uint32_t port, size_t frame, uint8_t *want, const struct pcap_packet *got)
{
	static struct known known[SCENARIO_LEARNED];

	for (size_t i = 0; i < r->s->learned_cnt; i++) {
		const struct scenario_learned *l = &r->s->learned[i];
		size_t k = 0;

		if (l->port != port || l->frame != frame || l->offset + l->len > got->len)
			continue;
		while (k < r->known_cnt && strcmp(known[k].name, l->name) != 0)
			k++;
		if (k == r->known_cnt) {
			r->known_cnt++;
			known[k].name = l->name;
			memcpy(known[k].value, got->data + l->offset, l->len);
		}
		for (uint32_t b = 0; b < l->len; b++) {
			uint8_t *byte = want + l->offset + b, old = *byte;

			*byte = (uint8_t)((old & ~l->mask[b]) | (known[k].value[b] & l->mask[b]));
			if (l->cksum != 0)
				checksum_adjust(want, l->cksum, l->offset + b, old, *byte);
		}
	}
}

static int port_compare(struct run *r, uint32_t p)
{
	const struct pcap_file *want = &r->s->expect[p];
	const struct output *got = &r->out[p];
	size_t n = want->packet_cnt > got->cnt ? want->packet_cnt : got->cnt;

	for (size_t i = 0; i < n; i++) {
		const struct pcap_packet *w = i < want->packet_cnt ? &want->packets[i] : NULL;
		const struct pcap_packet *g = i < got->cnt ? &got->frames[i] : NULL;
		static uint8_t want_bytes[PCAP_PACKET_MAX];
		struct frame wf = {want_bytes, w ? w->len : 0};
		struct frame gf = {g ? g->data : NULL, g ? g->len : 0};

		if (w != NULL)
			memcpy(want_bytes, w->data, w->len);
		if (w != NULL && g != NULL)
			learn(r, p, i, want_bytes, g);
		if (w == NULL || g == NULL || w->len != g->len ||
			memcmp(want_bytes, g->data, w->len) != 0) {
			frame_diff(stdout, w ? &wf : NULL, g ? &gf : NULL);
			if (w == NULL)
				return fail(r,
					"port %u: frame %zu of %zu (at %" PRIu64
					" ms) is not expected",
					p, i + 1, got->cnt, g->time_ns / NS_PER_MS);
			return fail(r, "port %u: frame %zu of %zu (expected at %" PRIu64 " ms) %s",
				p, i + 1, want->packet_cnt, w->time_ns / NS_PER_MS,
				g == NULL ? "is missing" : "differs");
		}
		if (g->time_ns + TIME_SLACK_NS < w->time_ns ||
			g->time_ns > w->time_ns + TIME_SLACK_NS)
			return fail(r,
				"port %u: frame %zu was sent at %" PRIu64 " ms, not %" PRIu64 " ms",
				p, i + 1, g->time_ns / NS_PER_MS, w->time_ns / NS_PER_MS);
	}
	return 0;
}

static struct ledger ledger_sum(const struct run *r)
{
	struct ledger sum = {.rx = 0};

	for (uint32_t w = 0; w < app_worker_count(r->app); w++) {
		const struct ledger *l = app_ledger(r->app, w);

		sum.rx += l->rx;
		sum.born += l->born;
		sum.handed_in += l->handed_in;
		sum.tx += l->tx;
		sum.handed_out += l->handed_out;
		sum.held += l->held;
		for (int i = 0; i < REASON_COUNT; i++)
			sum.ended[i] += l->ended[i];
	}
	return sum;
}

static bool counter_wanted(const struct scenario *s, const char *name)
{
	for (size_t i = 0; i < s->counter_cnt; i++)
		if (strcmp(s->counters[i].name, name) == 0)
			return true;
	return false;
}

/* A counter by its name; false if there is none of that name. */
static bool counter_value(
	const struct run *r, const struct ledger *sum, const char *name, int64_t *v)
{
	const struct {
		const char *name;
		uint64_t value;
	} known[] = {
		{"rx", sum->rx},
		{"tx", sum->tx},
		{"born", sum->born},
		{"held", sum->held},
		{"handed", sum->handed_out},
		{"flows", app_flow_count(r->app)},
	};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (strcmp(known[i].name, name) == 0) {
			*v = (int64_t)known[i].value;
			return true;
		}
	for (int i = 1; strncmp(name, "reason.", 7) == 0 && i < REASON_COUNT; i++)
		if (strcmp(name + 7, reason_name((enum reason)i)) == 0) {
			*v = (int64_t)sum->ended[i];
			return true;
		}
	return false;
}

static int counters_compare(struct run *r)
{
	struct ledger sum = ledger_sum(r);

	for (size_t i = 0; i < r->s->counter_cnt; i++) {
		const struct scenario_counter *c = &r->s->counters[i];
		int64_t v;

		if (!counter_value(r, &sum, c->name, &v))
			return fail(r, "no counter is called %s", c->name);
		if (!c->any && v != c->value)
			return fail(
				r, "counter %s is %" PRId64 ", not %" PRId64, c->name, v, c->value);
	}
	for (int i = 1; i < REASON_COUNT; i++) {
		char name[80];

		snprintf(name, sizeof(name), "reason.%s", reason_name((enum reason)i));
		if (sum.ended[i] != 0 && !counter_wanted(r->s, name))
			return fail(r, "counter %s is %" PRIu64 ", not 0", name, sum.ended[i]);
	}
	for (uint32_t w = 0; w < app_worker_count(r->app); w++)
		if (ledger_imbalance(app_ledger(r->app, w)) != 0)
			return fail(r, "worker %u lost count of %" PRId64 " packets", w,
				ledger_imbalance(app_ledger(r->app, w)));
	return 0;
}

static int compare(struct run *r)
{
	for (uint32_t p = 0; p < WIRE_PORTS; p++)
		if (port_compare(r, p) != 0)
			return -1;
	return counters_compare(r);
}

/* --- one scenario -----------------------------------------------------------------------------*/

static void pcaps_dump(const struct run *r)
{
	for (uint32_t p = 0; p < WIRE_PORTS; p++) {
		char path[64];
		FILE *f;
		bool ok;

		snprintf(path, sizeof(path), "/tmp/weir-got.p%u.pcap", p);
		f = fopen(path, "wb");
		ok = f != NULL && pcap_write_header(f) == 0;
		for (size_t i = 0; ok && i < r->out[p].cnt; i++)
			ok = pcap_write_packet(f, &r->out[p].frames[i]) == 0;
		if (f != NULL)
			fclose(f);
	}
}

static void counters_dump(const struct run *r)
{
	struct ledger sum = ledger_sum(r);

	printf("    rx %" PRIu64 " born %" PRIu64 " tx %" PRIu64 " held %" PRIu64 " flows %" PRIu64
	       "\n",
		sum.rx, sum.born, sum.tx, sum.held, app_flow_count(r->app));
	for (int i = 1; i < REASON_COUNT; i++)
		if (sum.ended[i] != 0)
			printf("    reason.%s %" PRIu64 "\n", reason_name((enum reason)i),
				sum.ended[i]);
}

static int run_events(struct run *r)
{
	struct config *cfg;
	int rc = config_open(r, "config.yaml", &cfg);

	if (rc != 0)
		return rc;
	rc = app_create(cfg, r->now_ns, &r->app);
	if (rc != 0) {
		r->app = NULL;
		return fail(r, "does not start: %s", strerror(-rc));
	}
	rc = settle(r);
	for (size_t i = 0; rc == 0 && i < r->s->event_cnt; i++)
		rc = event_run(r, &r->s->events[i]);
	return rc == 0 ? compare(r) : rc;
}

static bool run_one(const char *name, bool verbose)
{
	struct run r = {.now_ns = START_NS, .segments = 1};
	char folder[SCENARIO_PATH];
	struct scenario s;
	int rc;

	snprintf(folder, sizeof(folder), FOLDER "/%s", name);
	rc = scenario_load(folder, &s);
	if (rc == 0) {
		r.s = &s;
		rc = run_events(&r);
		if (verbose)
			pcaps_dump(&r);
		if (r.app != NULL && (rc != 0 || verbose))
			counters_dump(&r);
		if (r.app != NULL)
			app_destroy(r.app);
		wire_reset();
		if (rc == 0 && wire_buffers_out() != 0)
			rc = fail(&r, "%u packet buffers were lost", wire_buffers_out());
		scenario_free(&s);
	}
	for (uint32_t p = 0; p < WIRE_PORTS; p++) {
		for (size_t i = 0; i < r.out[p].cnt; i++)
			free((void *)(uintptr_t)r.out[p].frames[i].data);
		free(r.out[p].frames);
	}
	if (rc == 0)
		printf("ok      %s\n", name);
	else
		printf("FAILED  %s: %s\n", name, r.why);
	fflush(stdout);
	return rc == 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static size_t names_list(char *names[SCENARIOS_MAX])
{
	DIR *dir = opendir(FOLDER);
	struct dirent *d;
	size_t n = 0;

	if (dir == NULL) {
		fprintf(stderr, FOLDER ": %s (run from the top folder)\n", strerror(errno));
		exit(1);
	}
	while ((d = readdir(dir)) != NULL)
		if (d->d_name[0] != '.' && n < SCENARIOS_MAX)
			names[n++] = strdup(d->d_name);
	closedir(dir);
	qsort(names, n, sizeof(*names), by_name);
	return n;
}

static void start(bool verbose)
{
	static const uint16_t cores[RUN_WORKERS];
	struct eal_params p = {
		.cores = cores, .worker_cnt = RUN_WORKERS, .mem_bytes = UINT64_C(256) << 20};

	log_set_level(verbose ? LOG_DEBUG : LOG_ERROR);
	if (eal_start(&p) != 0)
		exit(1);
	wire_create();
}

int main(int argc, char **argv)
{
	bool verbose = argc > 1 && strcmp(argv[1], "-v") == 0;
	char *names[SCENARIOS_MAX];
	size_t n, passed = 0;

	argc -= verbose;
	argv += verbose;
	if (argc > 1)
		for (n = 0; n + 1 < (size_t)argc && n < SCENARIOS_MAX; n++)
			names[n] = strdup(argv[n + 1]);
	else
		n = names_list(names);
	start(verbose);
	for (size_t i = 0; i < n; i++) {
		passed += run_one(names[i], verbose);
		free(names[i]);
	}
	eal_stop();
	printf("%zu passed, %zu failed, 0 skipped\n", passed, n - passed);
	return passed == n && n > 0 ? 0 : 1;
}
