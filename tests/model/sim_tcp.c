/* SPDX-License-Identifier: Apache-2.0
 * Random TCP: two engines, a bad wire, applications that do as they like. Every run has its own
 * seed and decides everything by it; a failing one says which, and
 *
 *	sim_tcp --seed S --runs 1 -v
 *
 * repeats it. Without arguments it does a short set with a fresh seed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/assert.h"
#include "tests/sim/traffic.h"
#include "tests/support/seed.h"

#define SHORT_RUNS 200
#define LIMIT_NS   (7200 * UINT64_C(1000000000)) /* of virtual time: longer is a deadlock */
#define LIMIT_STEP 3000000

static bool verbose;

static uint32_t pick(struct rng *r, const uint32_t *v, uint32_t n)
{
	return v[rng_below(r, n)];
}
#define PICK(r, ...) \
	pick(r, (const uint32_t[]){__VA_ARGS__}, sizeof((const uint32_t[]){__VA_ARGS__}) / 4)

static void random_host(struct rng *r, struct sim_host_config *c)
{
	memset(c, 0, sizeof(*c));
	c->csum_offload = rng_below(r, 2);
	c->tso = c->csum_offload && rng_below(r, 2);
	c->tso_segs = (uint16_t)PICK(r, 0, 0, 1, 3);
	c->tso_bytes = PICK(r, 0, 0, 3000, 16384);
	c->single_segment = !c->tso && rng_below(r, 8) == 0;
	c->watch_rx = c->single_segment;
	c->mtu = (uint16_t)PICK(r, 1500, 1500, 1500, 9000, 1280, 576);
	c->poll_ns = PICK(r, 0, 0, 10000, 100000);
	c->tcp.rcvbuf = PICK(r, 262144, 262144, 65535, 16384, 4096, 1000, 300);
	c->tcp.sndbuf = PICK(r, 262144, 262144, 65536, 8192, 2000, 500, 1);
	c->tcp.cc = (uint8_t)rng_below(r, 2);
	c->tcp.nagle = rng_below(r, 4) == 0;
	c->tcp.no_sack = rng_below(r, 4) == 0;
	c->tcp.no_timestamps = rng_below(r, 4) == 0;
	c->tcp.no_wscale = rng_below(r, 4) == 0;
	c->tcp.no_ecn = rng_below(r, 2) == 0;
	c->tcp.cookie_level = rng_below(r, 4) == 0 ? 1 : 0;
	c->tcp.max_segs = PICK(r, 8192, 8192, 512);
	/* A reset that was lost is only noticed by asking. */
	c->tcp.keepalive_ms = PICK(r, 2000, 20000);
	c->tcp.fin_wait2_ms = 600000; /* an orphan's patience: partitions last */
	c->tcp.delack_ms = PICK(r, 0, 0, 200, 1);
}

static void random_wire(struct rng *r, struct sim_wire *w)
{
	memset(w, 0, sizeof(*w));
	w->delay_ns = PICK(r, 1000, 50000, 1000000, 20000000, 150000000);
	w->jitter_ns = rng_below(r, 3) == 0 ? w->delay_ns / 4 : 0;
	w->rate_bps = (uint64_t)PICK(r, 0, 0, 1000000, 10000000, 1000000000);
	w->queue_bytes = w->rate_bps != 0 ? PICK(r, 0, 20000, 200000) : 0;
	w->loss_ppm = PICK(r, 0, 0, 1000, 10000, 50000, 100000);
	if (rng_below(r, 6) == 0) {
		w->burst_enter_ppm = 5000;
		w->burst_exit_ppm = 200000;
	}
	w->reorder_ppm = PICK(r, 0, 0, 10000, 100000, 200000);
	w->reorder_ns = w->delay_ns / 2 + 1 + rng_below(r, 3 * w->delay_ns);
	w->dup_ppm = PICK(r, 0, 0, 1000, 50000);
	w->corrupt_ppm = PICK(r, 0, 0, 0, 5000);
	w->ce_ppm = PICK(r, 0, 0, 50000);
	w->urg_ppm = PICK(r, 0, 0, 100000);
}

struct partition {
	struct sim *s;
	int left;
};

/* The wire goes down and comes back a few times. */
static void flip(void *arg)
{
	struct partition *p = arg;
	bool down = !sim_host(p->s, 0)->wire.down;

	for (int i = 0; i < 2; i++)
		sim_host(p->s, i)->wire.down = down;
	if (--p->left > 0)
		sim_at(p->s, sim_now(p->s) + rng_below(sim_rng(p->s), 5000000000), flip, p);
}

static void lower_mtu(void *arg)
{
	struct sim *s = arg;

	for (int i = 0; i < 2; i++) {
		sim_host(s, i)->wire.mtu = 1280;
		sim_host(s, i)->wire.icmp = rng_below(sim_rng(s), 2);
	}
}

static void one_run(uint64_t seed)
{
	struct rng r;
	struct sim_host_config cfg[2];
	struct partition part;
	static struct traffic t;
	struct sim *s;
	uint64_t end;
	uint32_t steps = 0;
	bool mtu_change;

	rng_seed(&r, seed ^ UINT64_C(0x5151515151515151));
	for (int i = 0; i < 2; i++)
		random_host(&r, &cfg[i]);
	s = sim_create(seed, 2, cfg);
	for (int i = 0; i < 2; i++)
		random_wire(&r, &sim_host(s, i)->wire);
	if (rng_below(&r, 2) == 0)
		sim_host(s, 1)->wire = sim_host(s, 0)->wire;
	/* A smaller path needs two sides that can tell. */
	mtu_change = rng_below(&r, 8) == 0;
	if (mtu_change)
		sim_at(s, sim_now(s) + rng_below(&r, 500000000), lower_mtu, s);
	part = (struct partition){s, rng_below(&r, 6) == 0 ? 2 + 2 * (int)rng_below(&r, 2) : 0};
	if (part.left != 0)
		sim_at(s, sim_now(s) + rng_below(&r, 1000000000), flip, &part);
	memset(&t, 0, sizeof(t));
	traffic_init(&t, s, 0, 1, 1 + (int)rng_below(&r, 6), rng_below(&r, 2),
		PICK(&r, 1000, 20000, 200000));
	end = sim_now(s) + LIMIT_NS;
	while (!(traffic_done(&t) && sim_quiet(s))) {
		if (!sim_step(s, end)) {
			traffic_print(&t);
			sim_fail(s, "nothing happens any more: deadlock");
		}
		if (++steps > LIMIT_STEP)
			sim_fail(s, "too many steps: a live-lock");
	}
	traffic_verify(&t);
	/* TIME_WAIT and late packets. */
	sim_run(s, sim_now(s) + 200 * UINT64_C(1000000000));
	if (verbose)
		printf("seed %llu: %u steps, %.3f s\n", (unsigned long long)seed, steps,
			(double)(sim_now(s) - SIM_START) / 1e9 - 200);
	sim_destroy(s, false);
}

int main(int argc, char **argv)
{
	uint64_t runs = SHORT_RUNS, seed = 0;
	bool given = false;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--runs") == 0 && i + 1 < argc) {
			runs = strtoull(argv[++i], NULL, 10);
		} else if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc) {
			seed = strtoull(argv[++i], NULL, 10);
			given = true;
		} else if (strcmp(argv[i], "-v") == 0) {
			verbose = true;
		} else {
			fprintf(stderr, "usage: sim_tcp [--runs N] [--seed S] [-v]\n");
			return 2;
		}
	}
	if (!given)
		seed = test_seed();
	for (uint64_t i = 0; i < runs; i++)
		one_run(seed + i);
	printf("sim_tcp: %llu runs from seed %llu\n", (unsigned long long)runs,
		(unsigned long long)seed);
	printf("1 passed, 0 failed, 0 skipped\n");
	return 0;
}
