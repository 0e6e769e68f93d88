/* SPDX-License-Identifier: Apache-2.0 */
#include "lb/l4/worker.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "dataplane/base/assert.h"
#include "dataplane/base/rng.h"
#include "dataplane/base/time.h"
#include "lb/l4/worker_pvt.h"

#define HUGE_PAGE (UINT64_C(2) << 20)

/* Random access over tens of megabytes misses the TLB of small pages on every packet. */
static void *pages_alloc(void *ctx, const char *name, size_t len)
{
	size_t whole = ROUND_UP(len, HUGE_PAGE) + HUGE_PAGE;
	uint8_t *p, *aligned;

	(void)ctx;
	(void)name;
	p = mmap(NULL, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return NULL;
	aligned = p + (HUGE_PAGE - (uintptr_t)p % HUGE_PAGE) % HUGE_PAGE;
	if (aligned > p)
		munmap(p, (size_t)(aligned - p));
	munmap(aligned + ROUND_UP(len, HUGE_PAGE),
		(size_t)(p + whole - aligned) - ROUND_UP(len, HUGE_PAGE));
	madvise(aligned, ROUND_UP(len, HUGE_PAGE), MADV_HUGEPAGE);
	return aligned;
}

static void pages_release(void *ctx, void *mem, size_t len)
{
	(void)ctx;
	munmap(mem, ROUND_UP(len, HUGE_PAGE));
}

static void *zeroed(size_t cnt, size_t size)
{
	void *p = NULL;

	/* Large and mostly untouched: the kernel gives pages as numbers come into use. */
	p = mmap(NULL, cnt * size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return p == MAP_FAILED ? NULL : p;
}

static void zeroed_free(void *p, size_t cnt, size_t size)
{
	if (p != NULL)
		munmap(p, cnt * size);
}

static int tables_create(struct l4_worker *w, const struct l4_worker_conf *conf)
{
	uint32_t flows = conf->flows == 0 ? 1 : conf->flows;
	uint32_t nat_flows = conf->nat_flows == 0 ? 1 : conf->nat_flows;

	if (flows > LIMIT_FLOWS_PER_CORE || nat_flows > LIMIT_FLOWS_PER_CORE)
		return -EINVAL;
	w->forward_len = flow_table_bytes(flows, false);
	w->nat_len = flow_table_bytes(nat_flows, true);
	w->forward_mem = w->mem.alloc(w->mem.ctx, "flows", w->forward_len);
	w->nat_mem = w->mem.alloc(w->mem.ctx, "nat_flows", w->nat_len);
	if (w->forward_mem == NULL || w->nat_mem == NULL)
		return -ENOMEM;
	flow_table_init(&w->forward, w->forward_mem, flows, false);
	flow_table_init(&w->nat, w->nat_mem, nat_flows, true);
	/* One hash serves a packet whose flow may be in either. */
	flow_table_set_key(&w->nat, &w->forward.head->key);
	/* Pages now rather than at the first packets. */
	for (size_t i = 0; i < w->forward_len; i += 4096)
		((volatile uint8_t *)w->forward_mem)[i] |= 0;
	for (size_t i = 0; i < w->nat_len; i += 4096)
		((volatile uint8_t *)w->nat_mem)[i] |= 0;
	return 0;
}

void l4_worker_set_flood(struct l4_worker *w, uint32_t new_per_sec)
{
	w->flood_inc_ns = new_per_sec != 0 ? NS_PER_SEC / new_per_sec + 1 : 0;
}

int l4_worker_create(const struct l4_worker_conf *conf, struct l4_worker **out)
{
	struct l4_worker *w;
	int err;

	*out = NULL;
	if (conf->workers == 0 || conf->workers > LIMIT_WORKERS || conf->index >= conf->workers)
		return -EINVAL;
	w = aligned_alloc(CACHE_LINE, ROUND_UP(sizeof(*w), CACHE_LINE));
	if (w == NULL)
		return -ENOMEM;
	memset(w, 0, sizeof(*w));
	w->index = conf->index;
	w->workers = conf->workers;
	w->index_frac = ((uint64_t)conf->index << 32) / conf->workers;
	w->port_filter = conf->port_filter;
	w->port_guard = conf->port_guard;
	w->mem = conf->mem.alloc != NULL ? conf->mem
					 : (struct l4_mem){pages_alloc, pages_release, NULL};
	l4_worker_set_flood(w, conf->flood_new_per_sec);
	w->member_stats = zeroed(L4_MAX_MEMBERS, sizeof(*w->member_stats));
	w->member_active = zeroed(L4_MAX_MEMBERS, sizeof(*w->member_active));
	w->member_pub = zeroed(L4_MAX_MEMBERS, sizeof(*w->member_pub));
	w->services = zeroed(L4_MAX_SERVICES, sizeof(*w->services));
	w->service_stats = zeroed(L4_MAX_SERVICES, sizeof(*w->service_stats));
	w->service_pub = zeroed(L4_MAX_SERVICES, sizeof(*w->service_pub));
	w->vip_active = zeroed(L4_MAX_VIPS, sizeof(*w->vip_active));
	w->vip_flows = zeroed(L4_MAX_VIPS, sizeof(*w->vip_flows));
	w->local_active = zeroed(L4_MAX_LOCALS, sizeof(*w->local_active));
	err = tables_create(w, conf);
	if (err != 0 || w->member_stats == NULL || w->member_active == NULL ||
		w->member_pub == NULL || w->services == NULL || w->service_stats == NULL ||
		w->service_pub == NULL || w->vip_active == NULL || w->vip_flows == NULL ||
		w->local_active == NULL) {
		l4_worker_destroy(w);
		return err != 0 ? err : -ENOMEM;
	}
	*out = w;
	return 0;
}

void l4_worker_destroy(struct l4_worker *w)
{
	if (w == NULL)
		return;
	if (w->forward_mem != NULL && w->mem.release != NULL)
		w->mem.release(w->mem.ctx, w->forward_mem, w->forward_len);
	if (w->nat_mem != NULL && w->mem.release != NULL)
		w->mem.release(w->mem.ctx, w->nat_mem, w->nat_len);
	zeroed_free(w->member_stats, L4_MAX_MEMBERS, sizeof(*w->member_stats));
	zeroed_free(w->member_active, L4_MAX_MEMBERS, sizeof(*w->member_active));
	zeroed_free(w->member_pub, L4_MAX_MEMBERS, sizeof(*w->member_pub));
	zeroed_free(w->services, L4_MAX_SERVICES, sizeof(*w->services));
	zeroed_free(w->service_stats, L4_MAX_SERVICES, sizeof(*w->service_stats));
	zeroed_free(w->service_pub, L4_MAX_SERVICES, sizeof(*w->service_pub));
	zeroed_free(w->vip_active, L4_MAX_VIPS, sizeof(*w->vip_active));
	zeroed_free(w->vip_flows, L4_MAX_VIPS, sizeof(*w->vip_flows));
	zeroed_free(w->local_active, L4_MAX_LOCALS, sizeof(*w->local_active));
	free(w);
}

void l4_worker_set_draining(struct l4_worker *w, bool draining)
{
	w->draining = draining;
}

void l4_worker_set_table(struct l4_worker *w, const struct l4_table *t, uint64_t now_ns)
{
	w->table = t;
	if (w->port_filter.ok != NULL) {
		w->port_lo = t->ports.lo;
		w->port_hi = t->ports.hi;
	} else if (w->index < t->ports.workers) {
		l4_port_split_share(&t->ports, w->index, &w->port_lo, &w->port_hi);
	}
	for (int i = 0; i < 2; i++) {
		struct flow_table *f = i == 0 ? &w->forward : &w->nat;

		w->sweep[i].acl_left = f->head->high;
		if (w->sweep[i].last_ns == 0)
			w->sweep[i].last_ns = now_ns;
	}
	/* Control may free numbers of older generations once it sees this. */
	__atomic_store_n(&w->generation, t->generation, __ATOMIC_RELEASE);
}

const struct l4_table *l4_worker_table(const struct l4_worker *w)
{
	return w->table;
}

void l4_worker_usage(const struct l4_worker *w, struct l4_usage *out)
{
	out->generation = __atomic_load_n(&w->generation, __ATOMIC_ACQUIRE);
	out->members = w->member_active;
	out->vips = w->vip_active;
	out->locals = w->local_active;
}

/* Copy counters of which the worker may be writing one. */
static void copy_counters(void *out, const void *in, size_t len)
{
	for (size_t i = 0; i < len / sizeof(uint64_t); i++)
		((uint64_t *)out)[i] = __atomic_load_n((const uint64_t *)in + i, __ATOMIC_RELAXED);
}

void l4_worker_stats(const struct l4_worker *w, struct l4_worker_stats *out)
{
	memset(out, 0, sizeof(*out));
	copy_counters(out, &w->stats, offsetof(struct l4_worker_stats, flows));
	out->flows = __atomic_load_n(&w->forward.head->used, __ATOMIC_RELAXED);
	out->flow_capacity = w->forward.head->capacity;
	out->nat_flows = __atomic_load_n(&w->nat.head->used, __ATOMIC_RELAXED);
	out->nat_flow_capacity = w->nat.head->capacity;
	out->flow_bytes = w->forward_len + w->nat_len;
}

void l4_worker_member_stats(const struct l4_worker *w, uint32_t member, struct l4_member_stats *out)
{
	ASSERT(member < L4_MAX_MEMBERS);
	copy_counters(out, &w->member_stats[member], sizeof(*out));
}

void l4_worker_service_stats(
	const struct l4_worker *w, uint16_t service, struct l4_service_stats *out)
{
	ASSERT(service < L4_MAX_SERVICES);
	copy_counters(out, &w->service_stats[service], sizeof(*out));
}

uint32_t l4_worker_vip_active(const struct l4_worker *w, uint16_t vip)
{
	return __atomic_load_n(&w->vip_active[vip], __ATOMIC_RELAXED);
}

uint64_t l4_worker_vip_flows(const struct l4_worker *w, uint16_t vip)
{
	return __atomic_load_n(&w->vip_flows[vip], __ATOMIC_RELAXED);
}

uint32_t l4_worker_member_active(const struct l4_worker *w, uint32_t member)
{
	return __atomic_load_n(&w->member_active[member], __ATOMIC_RELAXED);
}

uint32_t l4_worker_service_active(const struct l4_worker *w, uint16_t service)
{
	return __atomic_load_n(&w->services[service].active, __ATOMIC_RELAXED);
}

uint32_t l4_worker_port_headroom(
	const struct l4_worker *w, const struct l4_table *t, uint32_t member)
{
	const struct l4_member *m = &t->members[member];
	const struct l4_service *s = &t->services[m->service];
	uint32_t addrs = (m->flags & MEMBER_IS4) ? s->local4_cnt : s->local6_cnt;
	uint32_t ports = (uint32_t)(w->port_hi - w->port_lo) + 1;
	uint32_t active = l4_worker_member_active(w, member);

	if (m->mode != L4_FULLNAT)
		return UINT32_MAX;
	/* With a filter the ports are everybody's, and about an even share passes. */
	if (w->port_filter.ok != NULL)
		ports /= w->workers;
	return active >= addrs * ports ? 0 : addrs * ports - active;
}

/* Split a limit: everyone keeps what it has, and what is left is dealt out evenly. */
static void publish(struct published *const pub[], const uint32_t *active, uint32_t cnt,
	uint64_t limit, uint32_t turn)
{
	uint64_t total = 0, left;

	for (uint32_t i = 0; i < cnt; i++)
		total += active[i];
	left = limit > total ? limit - total : 0;
	for (uint32_t i = 0; i < cnt; i++) {
		uint64_t quota = active[i] + left / cnt + ((i + turn) % cnt < left % cnt);

		if (limit == 0 || quota > UINT32_MAX - 1)
			quota = UINT32_MAX - 1;
		__atomic_store_n(&pub[i]->others, (uint32_t)(total - active[i]), __ATOMIC_RELAXED);
		__atomic_store_n(&pub[i]->quota, (uint32_t)quota + 1, __ATOMIC_RELAXED);
	}
}

void l4_publish(struct l4_worker *const *workers, uint32_t cnt, const struct l4_table *t)
{
	struct published *pub[LIMIT_WORKERS];
	uint32_t active[LIMIT_WORKERS];
	uint32_t turn;

	ASSERT(cnt > 0 && cnt <= LIMIT_WORKERS);
	turn = workers[0]->publish_turn++;
	for (uint32_t s = 0; s < t->service_cnt; s++) {
		for (uint32_t i = 0; i < cnt; i++) {
			pub[i] = &workers[i]->service_pub[s];
			active[i] = l4_worker_service_active(workers[i], (uint16_t)s);
		}
		publish(pub, active, cnt, t->services[s].conn_limit, turn);
	}
	for (uint32_t m = 0; m < t->member_cnt; m++) {
		const struct l4_service *s = &t->services[t->members[m].service];

		if (t->members[m].state == L4_MEMBER_FREE ||
			(s->backend_conn_limit == 0 && s->scheduler != L4_WLC))
			continue;
		for (uint32_t i = 0; i < cnt; i++) {
			pub[i] = &workers[i]->member_pub[m];
			active[i] = l4_worker_member_active(workers[i], m);
		}
		publish(pub, active, cnt, s->backend_conn_limit, turn);
	}
}
