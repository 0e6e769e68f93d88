/* SPDX-License-Identifier: Apache-2.0
 * Objects: a head under the user's key, and extents of equal size that are items of their own.
 *
 * An extent's key is the object's id (the head's version, drawn once) and its number. So any part
 * of an object is found in one step, eviction treats extents one by one, an evicted extent is a
 * hole and no more, and the extents of a head that was replaced are unreachable at once and age
 * out. Extents do not expire; their head does.
 *
 * A stream writes into its last extent while others read. The extent is published open (it must not
 * be copied: eviction drops it), its segment pinned by the stream, and readers look at no byte
 * beyond the fill's `filled`:
 *   writer: bytes, then filled (X1, release); reader: filled (acquire), then bytes
 *   writer: last bytes, then kind = extent (X2); evictor: kind (acquire), then copies
 * When it ends, a new head without a stream replaces the first one, by CAS like every change; then
 * the fill's state says how it ended, for readers that still hold a view of the first head. */
#include <errno.h>

#include "cache/cache_pvt.h"

static void extent_key_init(const struct cache *c, struct cache_key *k, struct extent_key *key,
	uint8_t ns, uint64_t id, uint64_t no)
{
	key->id = id;
	key->no = no;
	k->data = key;
	k->len = sizeof(*key);
	k->ns = ns | ITEM_NS_EXTENT;
	k->hash = cache_hash(c, k->ns, key, sizeof(*key));
}

static struct item_spec head_spec(
	const struct cache_object *obj, const struct head *head, uint64_t seq)
{
	return (struct item_spec){.head = head,
		.head_len = sizeof(*head),
		.val = obj->desc,
		.val_len = obj->desc_len,
		.seq = seq,
		.expire_tick = tick_expire(obj->expire_ns),
		.user = obj->user,
		.kind = ITEM_HEAD};
}

static int check_object(
	const struct cache *c, const struct cache_key *k, const struct cache_object *obj)
{
	if (k->len == 0 || k->len > key_max(c))
		return -EINVAL;
	return obj->desc_len <= item_max(c) / 2 ? 0 : -EFBIG;
}

/* -- streams -- */

static int open_leased(struct cache_worker *w, const struct cache_key *k, struct cache_lease *lease,
	const struct cache_object *obj, struct cache_stream *s, uint64_t now_ns)
{
	struct head head = {.total_len = obj->total_len, .stream = lease->stream};
	struct item_spec spec = head_spec(obj, &head, lease->seq);
	int rc = check_object(w->c, k, obj);

	fill_set_total(w, lease->stream, obj->total_len);
	if (rc != 0)
		own_remove(w, k, ITEM_PENDING, lease->seq);
	else
		rc = own_replace(w, k, ITEM_PENDING, lease->seq, &spec, now_ns);
	if (rc == 0) {
		fill_to_stream(w, lease->stream);
		s->id = lease->seq;
		s->stream = lease->stream;
	} else {
		fill_end(w, lease->stream, FILL_FAILED);
	}
	lease->stream = 0;
	return rc;
}

static int open_fresh(struct cache_worker *w, const struct cache_key *k,
	const struct cache_object *obj, struct cache_stream *s, uint64_t now_ns)
{
	struct head head = {.total_len = obj->total_len};
	struct item_spec spec = head_spec(obj, &head, 0);
	uint64_t at;
	int rc = check_object(w->c, k, obj);

	if (rc != 0)
		return rc;
	head.stream = fill_begin(w, FILL_STREAM, now_ns);
	if (head.stream == 0)
		return -EAGAIN;
	fill_set_total(w, head.stream, obj->total_len);
	rc = item_store(w, k, &spec, NULL, now_ns, &at);
	if (rc != 0) {
		fill_end(w, head.stream, FILL_FAILED);
		return rc;
	}
	s->id = spec.seq;
	s->stream = head.stream;
	return 0;
}

int cache_object_open(struct cache_worker *w, const struct cache_key *k, struct cache_lease *lease,
	const struct cache_object *obj, struct cache_stream *s, uint64_t now_ns)
{
	int rc;

	memset(s, 0, sizeof(*s));
	s->total_len = obj->total_len;
	s->extent = ITEM_NONE;
	s->obj = *obj;
	rc = lease != NULL ? open_leased(w, k, lease, obj, s, now_ns)
			   : open_fresh(w, k, obj, s, now_ns);
	if (rc == 0) {
		s->ns = k->ns;
		stat_add(w, STAT_streams, 1);
	}
	return rc;
}

/* The next extent, as large as what can still come. */
static bool extent_open(struct cache_worker *w, struct cache_stream *s, uint64_t now_ns)
{
	struct cache *c = w->c;
	uint64_t left = s->total_len - s->filled;
	struct item_spec spec = {.seq = s->id,
		.val_len = cache_extent_bytes(c),
		.expire_tick = TICK_NEVER,
		.kind = ITEM_EXTENT_OPEN};
	struct extent_key key;
	struct cache_key k;

	if (left < spec.val_len)
		spec.val_len = (uint32_t)left;
	extent_key_init(c, &k, &key, s->ns, s->id, s->filled >> c->geo.extent_shift);
	if (item_store(w, &k, &spec, NULL, now_ns, &s->extent) != 0) {
		s->extent = ITEM_NONE;
		return false;
	}
	/* Not sealed yet: its segment is open and ours, so the pin comes in time. */
	pin_segment(w, (uint32_t)(s->extent >> c->geo.seg_shift), &s->pin);
	s->extent_len = spec.val_len;
	s->extent_used = 0;
	return true;
}

static void extent_close(struct cache_worker *w, struct cache_stream *s)
{
	if (s->extent == ITEM_NONE)
		return;
	CACHE_HOOK();
	atomic_store_explicit(
		&item_at(w->c, s->extent)->kind, ITEM_EXTENT, memory_order_release); /* X2 */
	cache_unpin(w, &s->pin);
	s->extent = ITEM_NONE;
}

int64_t cache_object_append(struct cache_worker *w, struct cache_stream *s, const void *data,
	uint32_t len, uint64_t now_ns)
{
	uint32_t done = 0;

	if (len > s->total_len - s->filled)
		return -EFBIG;
	while (done < len) {
		uint32_t n = len - done;
		struct item *it;

		if (s->extent == ITEM_NONE && !extent_open(w, s, now_ns))
			break;
		it = item_at(w->c, s->extent);
		if (n > s->extent_len - s->extent_used)
			n = s->extent_len - s->extent_used;
		memcpy(it->data + it->key_len + s->extent_used, (const uint8_t *)data + done, n);
		s->extent_used += n;
		s->filled += n;
		done += n;
		fill_progress(w, s->stream, s->filled);
		if (s->extent_used == s->extent_len)
			extent_close(w, s);
	}
	return done;
}

int cache_object_close(struct cache_worker *w, const struct cache_key *k, struct cache_stream *s,
	bool ok, uint64_t now_ns)
{
	struct head head = {.total_len = s->filled};
	struct item_spec spec = head_spec(&s->obj, &head, s->id);
	int rc = 0;

	extent_close(w, s);
	if (ok && s->total_len != CACHE_LEN_UNKNOWN && s->filled != s->total_len)
		rc = -EINVAL;
	if (ok && rc == 0)
		rc = own_replace(w, k, ITEM_HEAD, s->id, &spec, now_ns);
	if (!ok || (rc != 0 && rc != -ESTALE))
		own_remove(w, k, ITEM_HEAD, s->id);
	fill_set_total(w, s->stream, s->filled);
	/* Readers may finish with what they have if the head was replaced, or finds no memory. */
	fill_end(w, s->stream, ok && rc != -EINVAL ? FILL_DONE : FILL_FAILED);
	s->stream = 0;
	return rc;
}

/* -- reading -- */

/* Up to where an object can be read now. 0, or why not at all. */
static int readable(
	const struct cache *c, const struct cache_view *v, uint64_t offset, uint64_t *end)
{
	uint64_t filled, total;

	*end = v->total_len;
	if (v->stream != 0) {
		switch (fill_read(c, v->stream, &filled, &total)) {
		case FILL_LEASE: /* the head is out, the state about to follow */
		case FILL_STREAM:
			*end = filled;
			if (offset < filled)
				return 0;
			return offset >= total ? -ERANGE : -EAGAIN;
		case FILL_DONE:
			*end = total;
			break;
		case FILL_FAILED:
			return -EIO;
		default:
			return -ESTALE;
		}
	}
	return offset < *end ? 0 : -ERANGE;
}

int cache_object_read(struct cache_worker *w, const struct cache_view *v, uint64_t offset,
	uint64_t now_ns, struct cache_view *slice)
{
	struct cache *c = w->c;
	uint64_t end, inside = offset & (cache_extent_bytes(c) - 1);
	struct extent_key key;
	struct cache_key k;
	struct place p;
	struct item *it;
	int rc = readable(c, v, offset, &end);

	(void)now_ns;
	if (rc != 0)
		return rc;
	extent_key_init(c, &k, &key, v->ns, v->seq, offset >> c->geo.extent_shift);
	if (!index_find(c, &k, &p)) {
		stat_add(w, STAT_holes, 1);
		return -ENOENT;
	}
	it = item_at(c, word_place(p.word));
	item_touch_freq(it);
	view_fill(c, it, slice);
	slice->val += inside;
	slice->len -= (uint32_t)inside;
	if (slice->len > end - offset)
		slice->len = (uint32_t)(end - offset);
	return 0;
}

bool cache_object_wait(struct cache_worker *w, const struct cache_view *v, uint64_t offset,
	struct cache_waiter *waiter)
{
	return v->stream != 0 && fill_wait(w, v->stream, offset, waiter);
}

/* -- sparse objects -- */

int cache_object_put(struct cache_worker *w, const struct cache_key *k,
	const struct cache_object *obj, uint64_t now_ns)
{
	struct head head = {.total_len = obj->total_len};
	struct item_spec spec = head_spec(obj, &head, 0);
	uint64_t at;
	int rc = check_object(w->c, k, obj);

	if (rc == 0 && obj->total_len == CACHE_LEN_UNKNOWN)
		rc = -EINVAL;
	if (rc == 0)
		rc = item_store(w, k, &spec, NULL, now_ns, &at);
	if (rc == 0)
		stat_add(w, STAT_puts, 1);
	return rc;
}

int cache_object_fill(struct cache_worker *w, const struct cache_key *k, struct cache_lease *lease,
	const struct cache_object *obj, uint64_t now_ns)
{
	struct head head = {.total_len = obj->total_len};
	struct item_spec spec = head_spec(obj, &head, lease->seq);
	int rc = check_object(w->c, k, obj);

	if (rc == 0 && obj->total_len == CACHE_LEN_UNKNOWN)
		rc = -EINVAL;
	if (rc == 0)
		rc = own_replace(w, k, ITEM_PENDING, lease->seq, &spec, now_ns);
	else
		own_remove(w, k, ITEM_PENDING, lease->seq);
	if (rc == 0)
		stat_add(w, STAT_fills, 1);
	fill_end(w, lease->stream, rc == 0 ? FILL_DONE : FILL_FAILED);
	lease->stream = 0;
	return rc;
}

int cache_extent_put(struct cache_worker *w, const struct cache_view *v, uint32_t n,
	const void *data, uint32_t len, uint64_t now_ns)
{
	struct cache *c = w->c;
	uint64_t at = (uint64_t)n << c->geo.extent_shift, left, place;
	struct item_spec spec = {.val = data,
		.val_len = len,
		.seq = v->seq,
		.expire_tick = TICK_NEVER,
		.kind = ITEM_EXTENT};
	struct extent_key key;
	struct cache_key k;

	if (v->found != CACHE_OBJECT || v->stream != 0 || at >= v->total_len)
		return -EINVAL;
	left = v->total_len - at;
	if (len != (left < cache_extent_bytes(c) ? left : cache_extent_bytes(c)))
		return -EINVAL;
	extent_key_init(c, &k, &key, v->ns, v->seq, n);
	return item_store(w, &k, &spec, NULL, now_ns, &place);
}

bool cache_extent_has(struct cache_worker *w, const struct cache_view *v, uint32_t n)
{
	struct extent_key key;
	struct cache_key k;
	struct place p;

	extent_key_init(w->c, &k, &key, v->ns, v->seq, n);
	return index_find(w->c, &k, &p);
}

int cache_object_update(struct cache_worker *w, const struct cache_key *k,
	const struct cache_view *v, const struct cache_object *obj, uint64_t now_ns)
{
	struct head head = {.total_len = v->total_len};
	struct item_spec spec = head_spec(obj, &head, v->seq);
	int rc = check_object(w->c, k, obj);

	if (v->found != CACHE_OBJECT || v->stream != 0)
		return -EINVAL;
	if (rc == 0)
		rc = own_replace(w, k, ITEM_HEAD, v->seq, &spec, now_ns);
	if (rc == 0)
		stat_add(w, STAT_touches, 1);
	return rc;
}
