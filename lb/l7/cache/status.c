/* SPDX-License-Identifier: Apache-2.0 */
#include "lb/l7/cache/status.h"

#include <stdio.h>

const char *cache_forward_word(enum cache_forward f)
{
	static const char *const words[] = {
#define F(id, word) word,
		CACHE_FORWARDS(F)
#undef F
	};

	return words[f];
}

uint32_t cache_status_format(
	const struct cache_status *s, struct span name, char out[CACHE_STATUS_MAX])
{
	char fwd[48] = "", ttl[32] = "";

	if (s->forward_status != 0)
		(void)snprintf(fwd, sizeof(fwd), "; fwd-status=%u", s->forward_status);
	if (s->has_ttl)
		(void)snprintf(ttl, sizeof(ttl), "; ttl=%lld", (long long)s->ttl);
	return (uint32_t)snprintf(out, CACHE_STATUS_MAX, "%.*s; %s%s%s%s%s%s%s%.32s",
		(int)(name.len < 64 ? name.len : 64), name.at,
		s->forward == CACHE_FORWARD_NONE ? "hit" : "fwd=", cache_forward_word(s->forward),
		fwd, ttl, s->stored ? "; stored" : "", s->collapsed ? "; collapsed" : "",
		s->detail != NULL ? "; detail=" : "", s->detail != NULL ? s->detail : "");
}
