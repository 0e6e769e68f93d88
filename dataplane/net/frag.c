/* SPDX-License-Identifier: Apache-2.0
 * A datagram is (source, destination, protocol, id). Entries hang in hash chains and on one age
 * list; since all live equally long, the oldest is always the next to go. */
#include "dataplane/net/frag.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_mbuf.h>

#include "dataplane/base/hash.h"
#include "dataplane/base/limits.h"
#include "dataplane/base/list.h"
#include "dataplane/net/cksum.h"
#include "dataplane/net/hdr.h"

struct frag_entry {
	struct ip_addr src, dst;
	uint64_t end_ns;
	uint32_t id;
	uint32_t next; /* in the hash chain or on the free list; NONE ends it */
	uint16_t sport, dport;
	uint16_t first_end; /* bytes of the datagram that the first fragment holds */
	uint8_t proto;
	bool known; /* the first fragment came: ports are valid */
	uint8_t held_cnt, held_out;
	struct list_node age;
	struct rte_mbuf *held[LIMIT_FRAG_HELD];
};

#define NONE UINT32_MAX

struct frag_table {
	struct ledger *ledger;
	struct mix_key key;
	struct list_node by_age;
	uint32_t capacity, used, held, held_max;
	uint32_t free_head, mask;
	uint32_t *buckets;
	struct frag_entry *entries;
};

int frag_table_create(uint32_t capacity, struct ledger *ledger, struct frag_table **out)
{
	struct frag_table *t;

	if (capacity < 4 || capacity > LIMIT_FRAG_ENTRIES)
		return -EINVAL;
	t = calloc(1, sizeof(*t));
	if (t == NULL)
		return -ENOMEM;
	t->ledger = ledger;
	t->capacity = capacity;
	t->held_max = capacity / 4;
	t->mask = (uint32_t)pow2_at_least(capacity) - 1;
	t->entries = calloc(capacity, sizeof(t->entries[0]));
	t->buckets = malloc((t->mask + 1) * sizeof(t->buckets[0]));
	if (t->entries == NULL || t->buckets == NULL) {
		free(t->entries);
		free(t->buckets);
		free(t);
		return -ENOMEM;
	}
	mix_key_init(&t->key);
	list_init(&t->by_age);
	memset(t->buckets, 0xff, (t->mask + 1) * sizeof(t->buckets[0]));
	for (uint32_t i = 0; i < capacity; i++)
		t->entries[i].next = i + 1 < capacity ? i + 1 : NONE;
	*out = t;
	return 0;
}

static uint32_t *bucket_of(struct frag_table *t, const struct ip_addr *src,
	const struct ip_addr *dst, uint32_t id, uint8_t proto)
{
	uint64_t h = mix_hash5(
		&t->key, src->d[0], src->d[1], dst->d[0], dst->d[1], (uint64_t)id << 8 | proto);

	return &t->buckets[h & t->mask];
}

static struct frag_entry *find(struct frag_table *t, const struct pkt_meta *pm)
{
	uint32_t i = *bucket_of(t, &pm->src, &pm->dst, pm->frag_id, pm->proto);

	for (; i != NONE; i = t->entries[i].next) {
		struct frag_entry *e = &t->entries[i];

		if (e->id == pm->frag_id && e->proto == pm->proto &&
			ip_addr_eq(&e->src, &pm->src) && ip_addr_eq(&e->dst, &pm->dst))
			return e;
	}
	return NULL;
}

static struct frag_entry *insert(struct frag_table *t, const struct pkt_meta *pm, uint64_t now_ns)
{
	uint32_t *bucket = bucket_of(t, &pm->src, &pm->dst, pm->frag_id, pm->proto);
	uint32_t i = t->free_head;
	struct frag_entry *e;

	if (i == NONE)
		return NULL;
	e = &t->entries[i];
	t->free_head = e->next;
	t->used++;
	e->src = pm->src;
	e->dst = pm->dst;
	e->id = pm->frag_id;
	e->proto = pm->proto;
	e->end_ns = now_ns + FRAG_LIFE_NS;
	e->known = false;
	e->held_cnt = e->held_out = 0;
	e->next = *bucket;
	*bucket = i;
	list_append(&t->by_age, &e->age);
	return e;
}

static void unhold(struct frag_table *t)
{
	t->held--;
	if (t->ledger != NULL)
		t->ledger->held--;
}

static void remove_entry(struct frag_table *t, struct frag_entry *e, enum reason why)
{
	uint32_t *link = bucket_of(t, &e->src, &e->dst, e->id, e->proto);
	uint32_t i = (uint32_t)(e - t->entries);

	for (; e->held_out < e->held_cnt; e->held_out++) {
		rte_pktmbuf_free(e->held[e->held_out]);
		unhold(t);
		if (t->ledger != NULL)
			t->ledger->ended[why]++;
	}
	while (*link != i)
		link = &t->entries[*link].next;
	*link = e->next;
	list_remove(&e->age);
	e->next = t->free_head;
	t->free_head = i;
	t->used--;
}

void frag_table_destroy(struct frag_table *t)
{
	if (t == NULL)
		return;
	while (!list_empty(&t->by_age))
		remove_entry(
			t, container_of(t->by_age.next, struct frag_entry, age), REASON_STOPPED);
	free(t->entries);
	free(t->buckets);
	free(t);
}

/* Bytes of the datagram in this fragment; an IPv6 one counts from behind its fragment header. */
static uint16_t payload_len(const struct pkt_meta *pm)
{
	uint32_t start = pm->frag_hdr_off ? pm->frag_hdr_off + IP6_FRAG_LEN : pm->l4_off;

	return (uint16_t)((uint32_t)pm->l3_off + pm->l3_len - start);
}

static enum frag_result first_fragment(
	struct frag_entry *e, const struct pkt_meta *pm, enum reason *why)
{
	/* A second first fragment may repeat the ports, never change them (RFC 5722, RFC 1858). */
	if (e->known && (e->sport != pm->sport || e->dport != pm->dport)) {
		*why = REASON_FRAG_OVERLAP;
		return FRAG_DROP;
	}
	if (!e->known || payload_len(pm) > e->first_end)
		e->first_end = payload_len(pm);
	e->sport = pm->sport;
	e->dport = pm->dport;
	e->known = true;
	return FRAG_GO;
}

static enum frag_result hold(
	struct frag_table *t, struct frag_entry *e, struct rte_mbuf *m, enum reason *why)
{
	if (e->held_cnt == LIMIT_FRAG_HELD || t->held == t->held_max) {
		*why = REASON_FRAG_HELD_FULL;
		return FRAG_DROP;
	}
	e->held[e->held_cnt++] = m;
	t->held++;
	if (t->ledger != NULL)
		t->ledger->held++;
	return FRAG_HELD;
}

enum frag_result frag_input(struct frag_table *t, struct rte_mbuf *m, struct pkt_meta *pm,
	uint64_t now_ns, enum reason *why)
{
	struct frag_entry *e = find(t, pm);

	/* A datagram that outlived its entry starts anew: ids are used again. */
	if (e != NULL && e->end_ns <= now_ns) {
		remove_entry(t, e, REASON_FRAG_TIMEOUT);
		e = NULL;
	}
	if (e == NULL)
		e = insert(t, pm, now_ns);
	if (e == NULL) {
		*why = REASON_FRAG_TABLE_FULL;
		return FRAG_DROP;
	}
	if (pm->flags & PKT_F_FRAG_FIRST)
		return first_fragment(e, pm, why);
	if (!e->known)
		return hold(t, e, m, why);
	if (pm->frag_off < e->first_end) { /* RFC 5722, RFC 3128: rewrites what was judged */
		*why = REASON_FRAG_OVERLAP;
		return FRAG_DROP;
	}
	pm->sport = e->sport;
	pm->dport = e->dport;
	pm->flags |= PKT_F_PORTS;
	return FRAG_GO;
}

struct rte_mbuf *frag_release(struct frag_table *t, const struct pkt_meta *first)
{
	struct frag_entry *e = find(t, first);

	if (e == NULL || !e->known || e->held_out == e->held_cnt)
		return NULL;
	unhold(t);
	return e->held[e->held_out++];
}

void frag_tick(struct frag_table *t, uint64_t now_ns)
{
	while (!list_empty(&t->by_age)) {
		struct frag_entry *e = container_of(t->by_age.next, struct frag_entry, age);

		if (e->end_ns > now_ns)
			return;
		remove_entry(t, e, REASON_FRAG_TIMEOUT);
	}
}

uint64_t frag_next_ns(const struct frag_table *t)
{
	if (list_empty(&t->by_age))
		return UINT64_MAX;
	return container_of(t->by_age.next, struct frag_entry, age)->end_ns;
}

uint32_t frag_used(const struct frag_table *t)
{
	return t->used;
}

/* ---- cutting ---- */

/* Keep the options that go into every fragment; returns the bytes, padded to a multiple of 4. The
 * parser has already refused malformed ones, a bad length ends the list here all the same. */
static uint32_t copied_options(const uint8_t *opt, uint32_t len, uint8_t *out)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < len && opt[i] != 0;) {
		uint32_t l = opt[i] == 1 ? 1 : (i + 1 < len ? opt[i + 1] : 0);

		if (l == 0 || (opt[i] != 1 && l < 2) || i + l > len)
			break;
		if (opt[i] & 0x80) {
			memcpy(out + n, opt + i, l);
			n += l;
		}
		i += l;
	}
	while (n % 4 != 0)
		out[n++] = 0;
	return n;
}

struct cut {
	const struct rte_mbuf *m;
	const struct pkt_meta *pm;
	const struct ip4_hdr *ip;
	uint32_t hdr_len, total; /* payload bytes in all */
	uint16_t frag_be;        /* of the original: it may be a fragment itself */
	uint8_t rest_opts[40];
	uint32_t rest_opts_len;
};

/* One fragment of the payload bytes [off, off + n). */
static struct rte_mbuf *cut_one(
	const struct cut *c, uint32_t off, uint32_t n, bool more, struct rte_mempool *pool)
{
	uint32_t opts = off == 0 ? c->hdr_len - IP4_HDR_LEN : c->rest_opts_len;
	uint32_t hdr = IP4_HDR_LEN + opts, l2 = c->pm->l3_off;
	uint16_t frag = BE16(c->frag_be);
	struct rte_mbuf *f = rte_pktmbuf_alloc(pool);
	const uint8_t *payload;
	struct ip4_hdr *ip;
	uint8_t *b;

	if (f == NULL)
		return NULL;
	b = (uint8_t *)rte_pktmbuf_append(f, (uint16_t)(l2 + hdr + n));
	if (b == NULL) {
		rte_pktmbuf_free(f);
		return NULL;
	}
	f->port = c->m->port;
	memcpy(b, rte_pktmbuf_mtod(c->m, const uint8_t *), l2);
	ip = (struct ip4_hdr *)(b + l2);
	memcpy(ip, c->ip, IP4_HDR_LEN);
	memcpy(b + l2 + IP4_HDR_LEN, off == 0 ? (const uint8_t *)c->ip + IP4_HDR_LEN : c->rest_opts,
		opts);
	ip->ver_ihl = (uint8_t)(0x40 | hdr / 4);
	ip->total_len_be = BE16((uint16_t)(hdr + n));
	frag = (uint16_t)((frag & IP4_OFF_MASK) + off / 8 + (more || (frag & IP4_MF) ? IP4_MF : 0));
	ip->frag_be = BE16(frag);
	ip->cksum = cksum_ip4(ip);
	payload = rte_pktmbuf_read(c->m, l2 + c->hdr_len + off, n, b + l2 + hdr);
	if (payload != b + l2 + hdr)
		memcpy(b + l2 + hdr, payload, n);
	return f;
}

int frag_split4(const struct rte_mbuf *m, const struct pkt_meta *pm, uint16_t mtu,
	struct rte_mempool *pool, struct rte_mbuf **out, int max)
{
	struct cut c = {.m = m, .pm = pm};
	uint32_t off = 0;
	int n = 0;

	if (pm->ip_ver != 4 || (pm->flags & PKT_F_DF))
		return -EINVAL;
	c.ip = rte_pktmbuf_mtod_offset(m, const struct ip4_hdr *, pm->l3_off);
	c.hdr_len = (uint32_t)(c.ip->ver_ihl & 15) * 4;
	c.total = pm->l3_len - c.hdr_len;
	c.frag_be = c.ip->frag_be;
	c.rest_opts_len = copied_options(
		(const uint8_t *)c.ip + IP4_HDR_LEN, c.hdr_len - IP4_HDR_LEN, c.rest_opts);
	while (off < c.total) {
		uint32_t hdr = off == 0 ? c.hdr_len : IP4_HDR_LEN + c.rest_opts_len;
		uint32_t room = mtu > hdr ? (mtu - hdr) & ~7u : 0, left = c.total - off;
		uint32_t take = left <= mtu - hdr ? left : room;

		if (room == 0 || n == max)
			goto undo_size;
		out[n] = cut_one(&c, off, take, off + take < c.total, pool);
		if (out[n] == NULL)
			goto undo_memory;
		n++;
		off += take;
	}
	return n;

undo_memory:
	rte_pktmbuf_free_bulk(out, (unsigned)n);
	return -ENOMEM;
undo_size:
	rte_pktmbuf_free_bulk(out, (unsigned)n);
	return -EMSGSIZE;
}
