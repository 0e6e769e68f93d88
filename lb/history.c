/* SPDX-License-Identifier: Apache-2.0 */
#include "lb/history.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int history_add(
	struct history *h, const struct config *cfg, uint64_t generation, const char *origin)
{
	struct history_entry e = {
		.id = h->next_id + 1, .generation = generation, .time = time(NULL)};
	FILE *mem = open_memstream(&e.text, &e.len);

	if (mem == NULL)
		return -ENOMEM;
	config_show(cfg, mem);
	if (fclose(mem) != 0) {
		free(e.text);
		return -ENOMEM;
	}
	snprintf(e.origin, sizeof(e.origin), "%s", origin);
	if (h->cnt == HISTORY_MAX) {
		free(h->entries[0].text);
		memmove(&h->entries[0], &h->entries[1], (HISTORY_MAX - 1) * sizeof(e));
		h->cnt--;
	}
	h->next_id = e.id;
	h->entries[h->cnt++] = e;
	return 0;
}

const struct history_entry *history_find(const struct history *h, uint64_t id)
{
	if (id == 0)
		return h->cnt >= 2 ? &h->entries[h->cnt - 2] : NULL;
	for (uint32_t i = 0; i < h->cnt; i++)
		if (h->entries[i].id == id)
			return &h->entries[i];
	return NULL;
}

void history_fini(struct history *h)
{
	for (uint32_t i = 0; i < h->cnt; i++)
		free(h->entries[i].text);
	*h = (struct history){0};
}
