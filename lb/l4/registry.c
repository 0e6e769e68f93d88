/* SPDX-License-Identifier: Apache-2.0 */
#include "lb/l4/registry_pvt.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/assert.h"
#include "dataplane/base/rng.h"

static int ids_init(struct reg_ids *ids, uint32_t max)
{
	*ids = (struct reg_ids){.max = max, .free = malloc(max * sizeof(uint32_t))};
	return ids->free == NULL ? -ENOMEM : 0;
}

static int ids_take(struct reg_ids *ids, uint32_t *out)
{
	if (ids->free_cnt > 0)
		*out = ids->free[--ids->free_cnt];
	else if (ids->high < ids->max)
		*out = ids->high++;
	else
		return -ENOSPC;
	return 0;
}

static void ids_give(struct reg_ids *ids, uint32_t id)
{
	ASSERT(ids->free_cnt < ids->high);
	ids->free[ids->free_cnt++] = id;
}

int l4_registry_create(struct l4_registry **out)
{
	struct l4_registry *r = calloc(1, sizeof(*r));

	*out = NULL;
	if (r == NULL)
		return -ENOMEM;
	mix_key_init(&r->addr_key);
	mix_key_init(&r->owner_key);
	rng_secret(r->name_key, sizeof(r->name_key));
	r->vips = calloc(L4_MAX_VIPS, sizeof(*r->vips));
	r->locals = calloc(L4_MAX_LOCALS, sizeof(*r->locals));
	r->services = calloc(L4_MAX_SERVICES, sizeof(*r->services));
	if (ids_init(&r->vip_ids, L4_MAX_VIPS) != 0 ||
		ids_init(&r->local_ids, L4_MAX_LOCALS) != 0 ||
		ids_init(&r->service_ids, L4_MAX_SERVICES) != 0 ||
		ids_init(&r->member_ids, L4_MAX_MEMBERS) != 0 || idmap_init(&r->vip_map) != 0 ||
		idmap_init(&r->local_map) != 0 || idmap_init(&r->name_map) != 0 ||
		idmap_init(&r->where_map) != 0 || idmap_init(&r->member_map) != 0 ||
		r->vips == NULL || r->locals == NULL || r->services == NULL) {
		l4_registry_destroy(r);
		return -ENOMEM;
	}
	*out = r;
	return 0;
}

void l4_registry_destroy(struct l4_registry *r)
{
	struct reg_ids *ids[] = {&r->vip_ids, &r->local_ids, &r->service_ids, &r->member_ids};
	struct idmap *maps[] = {
		&r->vip_map, &r->local_map, &r->name_map, &r->where_map, &r->member_map};

	for (size_t i = 0; i < ARRAY_SIZE(ids); i++)
		free(ids[i]->free);
	for (size_t i = 0; i < ARRAY_SIZE(maps); i++)
		idmap_fini(maps[i]);
	free(r->vips);
	free(r->locals);
	free(r->services);
	free(r->members);
	free(r);
}

static int take_addr(struct idmap *map, struct reg_ids *ids, struct reg_addr *addrs,
	const struct ip_addr *a, uint64_t generation, uint16_t *out)
{
	uint32_t id = idmap_get(map, a, 0);

	if (id == IDMAP_NONE) {
		int err = ids_take(ids, &id);

		if (err == 0)
			err = idmap_set(map, a, 0, id);
		if (err != 0)
			return err;
		addrs[id] = (struct reg_addr){.addr = *a, .used = true};
	}
	addrs[id].seen = generation;
	*out = (uint16_t)id;
	return 0;
}

int registry_vip(struct l4_registry *r, const struct ip_addr *a, uint16_t *out)
{
	return take_addr(&r->vip_map, &r->vip_ids, r->vips, a, r->generation, out);
}

int registry_local(struct l4_registry *r, const struct ip_addr *a, uint16_t *out)
{
	return take_addr(&r->local_map, &r->local_ids, r->locals, a, r->generation, out);
}

static uint64_t member_extra(uint16_t service, uint16_t port_be, uint8_t mode)
{
	return (uint64_t)service << 32 | (uint64_t)port_be << 8 | mode;
}

static int member_room(struct l4_registry *r, uint32_t id)
{
	uint32_t room = r->member_room;
	struct reg_member *m;

	if (id < room)
		return 0;
	room = (uint32_t)pow2_at_least(id + 64);
	m = realloc(r->members, room * sizeof(*m));
	if (m == NULL)
		return -ENOMEM;
	memset(m + r->member_room, 0, (room - r->member_room) * sizeof(*m));
	r->members = m;
	r->member_room = room;
	return 0;
}

int registry_member(struct l4_registry *r, uint16_t service, const struct config_backend *b,
	enum l4_mode mode, uint32_t *out, bool *fresh)
{
	uint16_t port_be = __builtin_bswap16(b->port);
	uint64_t extra = member_extra(service, port_be, (uint8_t)mode);
	uint32_t id = idmap_get(&r->member_map, &b->addr, extra);

	*fresh = id == IDMAP_NONE;
	if (*fresh) {
		int err = ids_take(&r->member_ids, &id);

		if (err != 0)
			return err;
		err = member_room(r, id);
		if (err == 0)
			err = idmap_set(&r->member_map, &b->addr, extra, id);
		if (err != 0) {
			ids_give(&r->member_ids, id);
			return err;
		}
		r->members[id] = (struct reg_member){.run = {
							     .addr = b->addr,
							     .port_be = port_be,
							     .service = service,
							     .mode = (uint8_t)mode,
							     .born = r->generation,
						     }};
	}
	r->members[id].seen = r->generation;
	*out = id;
	return 0;
}

/* A name as an address, so that one kind of map serves all: 128 bits of SipHash. */
static struct ip_addr name_hash(const struct l4_registry *r, const char *name)
{
	struct ip_addr a;

	a.d[0] = siphash24(&r->name_key[0], name, strlen(name));
	a.d[1] = siphash24(&r->name_key[1], name, strlen(name));
	return a;
}

static uint64_t where_extra(const struct config_service *s)
{
	return (uint64_t)s->proto << 32 | (uint64_t)s->port_lo << 16 | s->port_hi;
}

static uint32_t find_by_place(const struct l4_registry *r, const struct config_service *s)
{
	for (uint32_t i = 0; i < s->vip_cnt; i++) {
		uint32_t id = idmap_get(&r->where_map, &s->vips[i], where_extra(s));

		if (id != IDMAP_NONE && r->services[id].used &&
			r->services[id].seen != r->generation)
			return id;
	}
	return IDMAP_NONE;
}

static int service_name_set(struct l4_registry *r, uint32_t id, const char *name)
{
	struct reg_service *s = &r->services[id];
	struct ip_addr h = name_hash(r, name);
	int err = idmap_set(&r->name_map, &h, 0, id);

	if (err != 0)
		return err;
	if (s->used && strcmp(s->name, name) != 0) {
		h = name_hash(r, s->name);
		if (idmap_get(&r->name_map, &h, 0) == id)
			idmap_remove(&r->name_map, &h, 0);
	}
	memcpy(s->name, name, LIMIT_NAME);
	return 0;
}

static int service_take(
	struct l4_registry *r, const struct config_service *s, uint16_t *out, uint32_t *added)
{
	uint32_t id = find_by_place(r, s);
	bool fresh = id == IDMAP_NONE;
	int err = fresh ? ids_take(&r->service_ids, &id) : 0;

	if (err != 0)
		return err;
	if (fresh)
		memset(&r->services[id], 0, sizeof(r->services[id]));
	err = service_name_set(r, id, s->name);
	if (err != 0) {
		if (fresh)
			ids_give(&r->service_ids, id);
		return err;
	}
	r->services[id].used = true;
	if (fresh)
		r->services[id].born = r->generation;
	r->services[id].seen = r->generation;
	*added += fresh;
	*out = (uint16_t)id;
	return 0;
}

int registry_services(
	struct l4_registry *r, const struct config *cfg, uint16_t *out, uint32_t *added)
{
	int err;

	for (uint32_t i = 0; i < cfg->service_cnt; i++) {
		struct ip_addr h = name_hash(r, cfg->services[i].name);
		uint32_t id = idmap_get(&r->name_map, &h, 0);

		out[i] = id == IDMAP_NONE ? L4_NONE16 : (uint16_t)id;
		if (id != IDMAP_NONE)
			r->services[id].seen = r->generation;
	}
	for (uint32_t i = 0; i < cfg->service_cnt; i++) {
		if (out[i] != L4_NONE16)
			continue;
		err = service_take(r, &cfg->services[i], &out[i], added);
		if (err != 0)
			return err;
	}
	idmap_clear(&r->where_map);
	for (uint32_t i = 0; i < cfg->service_cnt; i++) {
		const struct config_service *s = &cfg->services[i];

		for (uint32_t v = 0; v < s->vip_cnt; v++) {
			err = idmap_set(&r->where_map, &s->vips[v], where_extra(s), out[i]);
			if (err != 0)
				return err;
		}
	}
	return 0;
}

static bool all_past(const struct l4_usage *w, uint32_t cnt, uint64_t generation)
{
	for (uint32_t i = 0; i < cnt; i++)
		if (w[i].generation <= generation)
			return false;
	return true;
}

/* Does no worker track anything on number `id`? Final once all are past its last generation. */
static bool unused(const uint32_t *const *counts, uint32_t cnt, uint32_t id)
{
	for (uint32_t i = 0; i < cnt; i++)
		if (__atomic_load_n(&counts[i][id], __ATOMIC_RELAXED) != 0)
			return false;
	return true;
}

static uint32_t reap_addrs(struct idmap *map, struct reg_ids *ids, struct reg_addr *addrs,
	const struct l4_usage *w, const uint32_t *const *counts, uint32_t cnt)
{
	uint32_t freed = 0;

	for (uint32_t id = 0; id < ids->high; id++) {
		if (!addrs[id].used || !all_past(w, cnt, addrs[id].seen) ||
			!unused(counts, cnt, id))
			continue;
		idmap_remove(map, &addrs[id].addr, 0);
		addrs[id].used = false;
		ids_give(ids, id);
		freed++;
	}
	return freed;
}

/* A removed service can go when none of its backends is left. */
static uint32_t reap_services(struct l4_registry *r, const struct l4_usage *w, uint32_t cnt)
{
	uint8_t *held = calloc(L4_MAX_SERVICES, 1);
	uint32_t freed = 0;

	if (held == NULL)
		return 0;
	for (uint32_t id = 0; id < registry_member_high(r); id++)
		if (r->members[id].life.state != L4_MEMBER_FREE)
			held[r->members[id].run.service] = 1;
	for (uint32_t id = 0; id < r->service_ids.high; id++) {
		struct reg_service *s = &r->services[id];
		struct ip_addr h;

		if (!s->used || held[id] || !all_past(w, cnt, s->seen))
			continue;
		h = name_hash(r, s->name);
		if (idmap_get(&r->name_map, &h, 0) == id)
			idmap_remove(&r->name_map, &h, 0);
		s->used = false;
		ids_give(&r->service_ids, id);
		freed++;
	}
	free(held);
	return freed;
}

uint32_t l4_registry_reap(struct l4_registry *r, const struct l4_usage *workers, uint32_t cnt)
{
	const uint32_t *members[LIMIT_WORKERS], *vips[LIMIT_WORKERS], *locals[LIMIT_WORKERS];
	uint32_t freed = 0;

	ASSERT(cnt <= LIMIT_WORKERS);
	for (uint32_t i = 0; i < cnt; i++) {
		members[i] = workers[i].members;
		vips[i] = workers[i].vips;
		locals[i] = workers[i].locals;
	}
	for (uint32_t id = 0; id < registry_member_high(r); id++) {
		struct reg_member *m = &r->members[id];

		if (m->life.state != L4_MEMBER_REMOVED || !all_past(workers, cnt, m->seen) ||
			!unused(members, cnt, id))
			continue;
		idmap_remove(&r->member_map, &m->run.addr,
			member_extra(m->run.service, m->run.port_be, m->run.mode));
		m->life.state = L4_MEMBER_FREE;
		m->run.state = L4_MEMBER_FREE;
		ids_give(&r->member_ids, id);
		freed++;
	}
	freed += reap_services(r, workers, cnt);
	freed += reap_addrs(&r->vip_map, &r->vip_ids, r->vips, workers, vips, cnt);
	return freed + reap_addrs(&r->local_map, &r->local_ids, r->locals, workers, locals, cnt);
}
