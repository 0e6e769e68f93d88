/* SPDX-License-Identifier: Apache-2.0 */
#include "lb/override.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const char *override_kind_name(enum override_kind k)
{
	static const char *const names[OVERRIDE_KINDS] = {"service", "listener", "upstream"};

	return names[k];
}

static bool is_for(const struct override *r, enum override_kind kind, const char *pool,
	const struct ip_addr *addr, uint16_t port)
{
	return r->kind == kind && r->port == port && ip_addr_eq(&r->addr, addr) &&
	       strcmp(r->pool, pool) == 0;
}

const struct override *override_find(const struct overrides *o, enum override_kind kind,
	const char *pool, const struct ip_addr *addr, uint16_t port)
{
	for (uint32_t i = 0; i < o->cnt; i++)
		if (is_for(&o->rows[i], kind, pool, addr, port))
			return &o->rows[i];
	return NULL;
}

int override_set(struct overrides *o, const struct override *row)
{
	bool empty = !row->weight_given && !row->drain && !row->disabled;
	uint32_t i = 0;

	while (i < o->cnt && !is_for(&o->rows[i], row->kind, row->pool, &row->addr, row->port))
		i++;
	if (empty) {
		if (i < o->cnt)
			o->rows[i] = o->rows[--o->cnt];
		return 0;
	}
	if (i == OVERRIDES_MAX)
		return -ENOSPC;
	if (i == o->room) {
		uint32_t room = o->room == 0 ? 16 : 2 * o->room;
		struct override *more = realloc(o->rows, room * sizeof(*more));

		if (more == NULL)
			return -ENOMEM;
		o->rows = more;
		o->room = room;
	}
	o->rows[i] = *row;
	o->cnt += i == o->cnt;
	return 0;
}

void overrides_clear(struct overrides *o)
{
	free(o->rows);
	*o = (struct overrides){0};
}

struct config_backend override_apply(const struct overrides *o, enum override_kind kind,
	const char *pool, const struct config_backend *b)
{
	const struct override *r = override_find(o, kind, pool, &b->addr, b->port);
	struct config_backend out = *b;

	if (r != NULL && r->weight_given)
		out.weight = r->weight;
	if (r != NULL && r->drain)
		out.drain = true;
	return out;
}

bool override_disabled(const struct overrides *o, enum override_kind kind, const char *pool,
	const struct config_backend *b)
{
	const struct override *r = override_find(o, kind, pool, &b->addr, b->port);

	return r != NULL && r->disabled;
}
