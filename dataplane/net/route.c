/* SPDX-License-Identifier: Apache-2.0
 * route - one open-addressed hash table of (masked address, length), and for each family the list
 * of prefix lengths in use, longest first. A lookup masks the address with each length in turn and
 * probes; the first hit is the longest match. An IPv4 prefix has its mapped form and so at least 96
 * bits: the families never meet. The key needs no secret: entries come from the configuration, and
 * a destination chosen by a stranger lengthens no probe sequence. */
#include "dataplane/net/route.h"

#include <errno.h>
#include <stdlib.h>

#include "dataplane/base/hash.h"

#define V4_LENGTHS 33
#define V6_LENGTHS 129

struct entry {
	uint64_t d[2];  /* the masked address as it lies in memory */
	uint16_t first; /* of hops[] */
	uint8_t len;
	uint8_t hop_cnt; /* 0: empty slot */
};

struct length {
	uint64_t mask[2];
	uint64_t salt; /* makes the hash of one address differ by length */
	uint8_t len;
};

struct family {
	uint32_t cnt;
	struct length *lengths;
};

struct route_table {
	struct entry *slots;
	uint32_t mask; /* slots - 1 */
	struct family v4, v6;
	struct length lengths[V4_LENGTHS + V6_LENGTHS];
	struct route_hop hops[]; /* addr is zero: on link */
};

#define SALT UINT64_C(0x9e3779b97f4a7c15)

ALWAYS_INLINE uint32_t slot_hash(uint64_t d0, uint64_t d1, uint64_t salt)
{
	return (uint32_t)mix_fold(d0 ^ salt, d1 ^ UINT64_C(0xbf58476d1ce4e5b9));
}

static uint64_t length_salt(uint8_t len)
{
	return SALT * (uint64_t)(2 * len + 1);
}

struct sorted {
	struct route_spec spec;
	uint32_t order;
};

/* By prefix; inside a prefix on-link ones first, then as given. */
static int spec_cmp(const void *va, const void *vb)
{
	const struct sorted *a = va, *b = vb;
	int r = memcmp(&a->spec.to.addr, &b->spec.to.addr, sizeof(a->spec.to.addr));
	bool la = ip_addr_is_zero(&a->spec.via), lb = ip_addr_is_zero(&b->spec.via);

	if (r != 0)
		return r;
	if (a->spec.to.len != b->spec.to.len)
		return a->spec.to.len < b->spec.to.len ? -1 : 1;
	if (la != lb)
		return la ? -1 : 1;
	return a->order < b->order ? -1 : 1;
}

static bool same_prefix(const struct sorted *a, const struct sorted *b)
{
	return a->spec.to.len == b->spec.to.len && ip_addr_eq(&a->spec.to.addr, &b->spec.to.addr);
}

static bool spec_ok(const struct route_spec *s)
{
	bool is4 = ip_addr_is4(&s->to.addr);

	if (s->to.len > 128 || (is4 && s->to.len < 96))
		return false;
	/* An IPv4 prefix may go through an IPv6 gateway (RFC 8950), not the other way round. */
	return ip_addr_is_zero(&s->via) || is4 || !ip_addr_is4(&s->via);
}

static void entry_insert(struct route_table *t, const struct sorted *s, uint16_t first, uint8_t cnt)
{
	const struct ip_prefix *p = &s->spec.to;
	uint32_t i = slot_hash(p->addr.d[0], p->addr.d[1], length_salt(p->len)) & t->mask;

	while (t->slots[i].hop_cnt != 0)
		i = (i + 1) & t->mask;
	t->slots[i] = (struct entry){{p->addr.d[0], p->addr.d[1]}, first, p->len, cnt};
}

/* Note the lengths of one family that are in use, longest first. */
static void family_fill(struct family *f, struct length *at, const bool *used, int lowest)
{
	f->lengths = at;
	for (int len = 128; len >= lowest; len--) {
		struct ip_prefix ones = {.len = (uint8_t)len};
		struct length *l = &at[f->cnt];

		if (!used[len])
			continue;
		memset(&ones.addr, 0xff, sizeof(ones.addr));
		ip_prefix_mask(&ones);
		*l = (struct length){
			{ones.addr.d[0], ones.addr.d[1]}, length_salt((uint8_t)len), (uint8_t)len};
		f->cnt++;
	}
}

/* Turn the sorted specs into entries and hops. */
static int table_fill(struct route_table *t, const struct sorted *s, uint32_t n)
{
	bool used4[129] = {false}, used6[129] = {false};
	uint32_t hops = 0;

	for (uint32_t i = 0, next; i < n; i = next) {
		bool on_link = ip_addr_is_zero(&s[i].spec.via);
		uint32_t first = hops;

		for (next = i; next < n && same_prefix(&s[i], &s[next]); next++) {
			const struct route_spec *r = &s[next].spec;

			if (on_link && next > i)
				continue;
			if (hops - first == LIMIT_NEXTHOPS)
				return -E2BIG;
			t->hops[hops++] =
				(struct route_hop){.addr = r->via, .port = r->port, .mtu = r->mtu};
		}
		entry_insert(t, &s[i], (uint16_t)first, (uint8_t)(hops - first));
		(ip_addr_is4(&s[i].spec.to.addr) ? used4 : used6)[s[i].spec.to.len] = true;
	}
	family_fill(&t->v4, t->lengths, used4, 96);
	family_fill(&t->v6, t->lengths + V4_LENGTHS, used6, 0);
	return 0;
}

int route_table_create(const struct route_spec *specs, uint32_t n, struct route_table **out)
{
	uint32_t slots = (uint32_t)pow2_at_least(2 * (uint64_t)n + 8);
	struct sorted *sorted;
	struct route_table *t;
	int r = -ENOMEM;

	*out = NULL;
	if (n > LIMIT_ROUTE_SPECS)
		return -E2BIG;
	sorted = calloc(n + 1, sizeof(*sorted));
	t = calloc(1, sizeof(*t) + n * sizeof(t->hops[0]));
	if (!sorted || !t)
		goto fail;
	t->slots = calloc(slots, sizeof(*t->slots));
	if (!t->slots)
		goto fail;
	t->mask = slots - 1;
	for (uint32_t i = 0; i < n; i++) {
		sorted[i] = (struct sorted){specs[i], i};
		if (!spec_ok(&specs[i])) {
			r = -EINVAL;
			goto fail;
		}
		ip_prefix_mask(&sorted[i].spec.to);
	}
	qsort(sorted, n, sizeof(*sorted), spec_cmp);
	r = table_fill(t, sorted, n);
	if (r != 0)
		goto fail;
	free(sorted);
	*out = t;
	return 0;
fail:
	free(sorted);
	route_table_destroy(t);
	return r;
}

void route_table_destroy(struct route_table *t)
{
	if (!t)
		return;
	free(t->slots);
	free(t);
}

uint32_t route_specs_on_link(const struct net_if *nif, struct route_spec *out)
{
	for (uint32_t i = 0; i < nif->addr_cnt; i++)
		out[i] = (struct route_spec){.to = nif->addrs[i], .port = nif->id, .mtu = nif->mtu};
	return nif->addr_cnt;
}

bool route_lookup(const struct route_table *t, const struct ip_addr *dst, uint32_t hash,
	struct route_hop *out)
{
	const struct family *f = ip_addr_is4(dst) ? &t->v4 : &t->v6;
	const struct length *l = f->lengths;

	for (uint32_t n = f->cnt; n > 0; n--, l++) {
		uint64_t d0 = dst->d[0] & l->mask[0], d1 = dst->d[1] & l->mask[1];
		uint32_t i = slot_hash(d0, d1, l->salt) & t->mask;
		const struct entry *e = &t->slots[i];

		while (e->hop_cnt != 0) {
			if (e->d[1] == d1 && e->d[0] == d0 && e->len == l->len) {
				uint32_t pick = (uint32_t)((uint64_t)hash * e->hop_cnt >> 32);

				*out = t->hops[e->first + pick];
				out->choices = e->hop_cnt;
				if (ip_addr_is_zero(&out->addr))
					out->addr = *dst;
				return true;
			}
			i = (i + 1) & t->mask;
			e = &t->slots[i];
		}
	}
	return false;
}
