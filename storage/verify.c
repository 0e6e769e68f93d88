/* SPDX-License-Identifier: Apache-2.0
 * Reads a closed store entirely. Members follow their collections in no order that helps, so a
 * member's owner is looked up once for each run of members of one collection. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "storage/backup.h"
#include "storage/offline.h"
#include "storage/store.h"

struct walk {
	struct offline *o;
	struct rocks *db;
	struct store_verify *out;
	uint32_t shard;
	uint64_t now_ms;
	uint8_t owner[2 + CODEC_KEY_MAX];
	size_t owner_len;
	bool has_meta;
	struct codec_meta meta;
};

static void find_owner(struct walk *w, const struct codec_key *k)
{
	struct codec_key meta = {
		.space = CODEC_KEY, .ns = k->ns, .key = k->key, .key_len = k->key_len};
	uint8_t enc[2 + CODEC_KEY_MAX];
	size_t n = codec_key_encode(&meta, enc);
	struct rocks_slice key = {enc, n};
	struct rocks_result res;
	struct codec_record rec;

	if (n == w->owner_len && memcmp(enc, w->owner, n) == 0)
		return;
	memcpy(w->owner, enc, n);
	w->owner_len = n;
	rocks_multi_get(w->db, NULL, 1, &key, &res);
	w->has_meta = res.status == 0 &&
		      codec_record_decode(res.val.data, res.val.len, &rec) == 0 &&
		      codec_meta_decode(&rec, &w->meta) == 0;
	rocks_release(&res, 1);
}

static void check_record(struct walk *w, struct rocks_slice key, struct rocks_slice val)
{
	struct codec_record rec;
	struct codec_key k;

	w->out->bytes += key.len + val.len;
	if (codec_key_decode(key.data, key.len, &k) != 0 ||
		codec_record_decode(val.data, val.len, &rec) != 0) {
		w->out->malformed++;
		return;
	}
	if (w->o->m.slot_shard[slot_of_key(k.key, k.key_len)] != w->shard)
		w->out->misplaced++;
	if (k.space == CODEC_KEY) {
		struct codec_meta meta;

		w->out->records++;
		w->out->expired += codec_expired(&rec, w->now_ms);
		w->out->malformed +=
			codec_is_collection(rec.type) && codec_meta_decode(&rec, &meta) != 0;
		return;
	}
	w->out->members++;
	find_owner(w, &k);
	w->out->orphans += codec_is_orphan(k.incarnation, w->has_meta ? &w->meta : NULL);
}

static int walk_shard(struct walk *w, char *err, size_t err_len)
{
	static const uint8_t first[] = {0};
	struct rocks_iter *it = rocks_iter_create(
		w->db, NULL, (struct rocks_slice){first, 1}, (struct rocks_slice){NULL, 0}, false);
	char why[ROCKS_ERR] = "out of memory";
	int rc;

	for (; it != NULL && rocks_iter_valid(it); rocks_iter_next(it))
		check_record(w, rocks_iter_key(it), rocks_iter_val(it));
	rc = it == NULL ? -ENOMEM : rocks_iter_status(it, why);
	rocks_iter_destroy(it);
	if (rc == 0)
		rc = rocks_verify(w->db, why);
	if (rc != 0)
		(void)snprintf(err, err_len, "shard %u: %s", w->shard, why);
	return rc;
}

int store_verify(const char *dir, struct store_verify *out, char *err, size_t err_len)
{
	static struct offline o;
	static struct walk w;
	struct store_params p;
	int rc = offline_open(&o, dir, err, err_len);

	memset(out, 0, sizeof(*out));
	if (rc != 0)
		return rc;
	store_params_init(&p);
	for (uint32_t i = 0; rc == 0 && i < o.m.shard_cnt; i++) {
		memset(&w, 0, sizeof(w));
		w.o = &o;
		w.out = out;
		w.shard = i;
		w.now_ms = p.wall_ms(NULL);
		rc = offline_shard(&o, o.m.generation, i, true, &w.db, err, err_len);
		if (rc != 0)
			break;
		rc = walk_shard(&w, err, err_len);
		rocks_close(w.db);
	}
	offline_close(&o);
	if (rc == 0 && out->malformed + out->misplaced > 0) {
		(void)snprintf(err, err_len, "%s: %llu malformed, %llu misplaced records", dir,
			(unsigned long long)out->malformed, (unsigned long long)out->misplaced);
		rc = -EUCLEAN;
	}
	return rc;
}
