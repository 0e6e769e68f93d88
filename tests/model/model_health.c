/* SPDX-License-Identifier: Apache-2.0
 * The engine against a naive reference: random loss, round trips, refusals and reloads, and after
 * every result the state must be what a plain reading of the rules says. The reference sees only
 * what the wire sees: each probe that leaves, and how it was answered.
 * Usage: model_health [SEED]. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "dataplane/base/assert.h"
#include "dataplane/base/rng.h"
#include "dataplane/base/time.h"
#include "tests/support/health_world.h"

#define TARGETS 12
#define SPAN_S  90
#define IN_WIRE 64

/* What the reference knows of the backend with this address. */
struct ref {
	bool listed, up, known;
	bool decides; /* the next success alone brings it up */
	uint32_t oks, fails;
	uint32_t flaps;
	uint64_t flap_ns;
	double loss, refuse;
	uint64_t asked_ns; /* the probe under way; 0: none */
};

struct answer {
	uint64_t at_ns;
	struct world_pkt pkt;
	enum world_answer kind;
	bool used;
};

static struct world w;
static struct ref refs[TARGETS];
static struct answer wire[IN_WIRE];
static struct rng rng;

static void die(const char *what, int i)
{
	printf("model_health: target %d: %s at %llu ns\n", i, what, (unsigned long long)w.now_ns);
	exit(1);
}

static bool chance(double p)
{
	return (double)rng_below(&rng, 1000000) < p * 1e6;
}

static void ref_forgive(struct ref *r)
{
	while (r->flaps > 0 && w.now_ns - r->flap_ns >= HEALTH_FLAP_DECAY_NS) {
		r->flaps--;
		r->flap_ns += HEALTH_FLAP_DECAY_NS;
	}
	if (r->flaps == 0)
		r->flap_ns = w.now_ns;
}

static void ref_result(struct ref *r, const struct config_health *c, bool ok)
{
	r->asked_ns = 0;
	if (!ok) {
		r->oks = 0;
		r->fails++;
		if (r->up && r->fails >= c->fall) {
			ref_forgive(r);
			r->flaps++;
			r->up = false;
		}
		r->known = true;
		return;
	}
	uint32_t need = c->rise;

	r->fails = 0;
	r->oks++;
	ref_forgive(r);
	for (uint32_t f = 1; f < r->flaps && f <= HEALTH_DAMP_MAX; f++)
		need *= 2;
	if (r->decides || r->oks >= need)
		r->up = true;
	r->decides = false;
	r->known = true;
}

/* Which backend is this target? Its last address byte says. */
static int index_of(const struct world_pkt *p)
{
	return p->meta.dst.b[15] - 10;
}

static void on_sent(struct world *world, const struct world_pkt *p)
{
	int i = index_of(p);
	struct ref *r = &refs[i];

	if (p->meta.proto == L4_TCP && (p->meta.tcp_flags & 4) != 0)
		return;
	if (!r->listed)
		die("probe to a backend that was removed", i);
	if (r->asked_ns != 0)
		die("second probe while one is under way", i);
	r->asked_ns = world->now_ns;
	if (chance(r->loss))
		return;
	for (int k = 0; k < IN_WIRE; k++)
		if (!wire[k].used) {
			wire[k] = (struct answer){.used = true,
				.pkt = *p,
				.kind = chance(r->refuse) ? WORLD_UNREACH : WORLD_OK,
				.at_ns = world->now_ns + NS_PER_MS * (1 + rng_below(&rng, 110))};
			return;
		}
	die("wire is full", i);
}

/* Deliver what is due; answers later than the timeout must change nothing. */
static void deliver(void)
{
	const struct config_health *c = &w.services[0].health;

	for (int k = 0; k < IN_WIRE; k++) {
		struct answer *a = &wire[k];
		int i = index_of(&a->pkt);
		bool current;

		if (!a->used || a->at_ns > w.now_ns)
			continue;
		a->used = false;
		current = refs[i].listed && refs[i].asked_ns == a->pkt.at_ns;
		if (current)
			ref_result(&refs[i], c, a->kind == WORLD_OK);
		world_answer(&w, &a->pkt, a->kind);
	}
}

static void time_out(void)
{
	const struct config_health *c = &w.services[0].health;

	for (int i = 0; i < TARGETS; i++)
		if (refs[i].asked_ns != 0 && w.now_ns - refs[i].asked_ns >= c->timeout_ns)
			ref_result(&refs[i], c, false);
}

static void compare(void)
{
	for (uint32_t b = 0; b < w.services[0].backend_cnt; b++) {
		const struct health_target *t = health_plan_target(w.view.plan, 0, b);
		int i = w.backends[0][b].addr.b[15] - 10;
		struct health_view_entry en = health_view_get(&w.view, t);

		if ((en.state == HEALTH_UP) != refs[i].up)
			die(refs[i].up ? "should be up" : "should not be up", i);
		if ((en.state == HEALTH_CHECKING) == refs[i].known)
			die("should have been announced", i);
		if (health_view_up(&w.view, 0, b) != refs[i].up)
			die("view disagrees", i);
	}
}

/* A random set of backends, sometimes with other parameters. */
static void reconfigure(bool edit)
{
	struct config_service *s = &w.services[0];

	s->backend_cnt = 0;
	for (int i = 0; i < TARGETS; i++) {
		struct ref *r = &refs[i];
		bool listed = chance(0.8);
		char addr[32];

		if (listed) {
			snprintf(addr, sizeof(addr), "192.0.2.%d", 10 + i);
			world_backend(&w, 0, addr, 80);
		}
		if (listed && !r->listed) {
			*r = (struct ref){.decides = true, .flap_ns = w.now_ns};
		} else if (listed && edit) {
			r->decides = true;
			r->oks = r->fails = 0;
			r->asked_ns = 0;
		} else if (!listed) {
			*r = (struct ref){0};
		}
		r->listed = listed;
		r->loss = chance(0.3) ? 0.9 : 0.05;
		r->refuse = chance(0.3) ? 0.8 : 0.02;
	}
	if (edit) {
		s->health.rise = 1 + (uint32_t)rng_below(&rng, 4);
		s->health.fall = 1 + (uint32_t)rng_below(&rng, 4);
		s->health.timeout_ns ^= 1; /* whatever else was drawn: it differs */
	}
	world_reload(&w);
}

static void run(uint64_t seed)
{
	struct config_health c = world_check(seed % 2 == 0 ? HEALTH_ICMP : HEALTH_TCP);

	memset(refs, 0, sizeof(refs));
	memset(wire, 0, sizeof(wire));
	rng_seed(&rng, seed);
	world_init(&w, seed);
	w.on_sent = on_sent;
	c.interval_ns = 200 * NS_PER_MS;
	c.timeout_ns = 100 * NS_PER_MS;
	c.jitter_pct = (uint32_t)rng_below(&rng, 51);
	world_service(&w, L4_NAT, "198.51.100.1", 80, c);
	reconfigure(false);
	for (int ms = 0; ms < SPAN_S * 1000; ms++) {
		deliver();
		time_out();
		health_run(w.e, w.now_ns);
		health_view_drain(&w.view, w.e, NULL, NULL);
		compare();
		w.now_ns += NS_PER_MS;
		if (chance(0.001))
			reconfigure(chance(0.3));
	}
	world_fini(&w);
}

int main(int argc, char **argv)
{
	uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 0) : (uint64_t)time(NULL);
	int rounds = 6;

	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("model_health: seed %llu\n", (unsigned long long)seed);
	for (int i = 0; i < rounds; i++)
		run(seed + (uint64_t)i);
	printf("%d passed, 0 failed, 0 skipped\n", rounds);
	return 0;
}
