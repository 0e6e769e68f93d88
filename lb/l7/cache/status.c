/* SPDX-License-Identifier: Apache-2.0 */
#include "lb/l7/cache/status.h"

#include "dataplane/base/text.h"

#define NAME_MAX 64
#define WORD_MAX 32

_Static_assert(CACHE_STATUS_MAX >= NAME_MAX + 2 * WORD_MAX + TEXT_I64_MAX + 64, "all of it fits");

const char *cache_forward_word(enum cache_forward f)
{
	static const char *const words[] = {
#define F(id, word) word,
		CACHE_FORWARDS(F)
#undef F
	};

	return words[f];
}

struct out {
	char *at;
};

static void put(struct out *o, const char *bytes, uint32_t len)
{
	memcpy(o->at, bytes, len);
	o->at += len;
}

#define PUT(o, literal) put(o, literal, sizeof(literal) - 1)

static void put_text(struct out *o, const char *text, size_t most)
{
	put(o, text, (uint32_t)strnlen(text, most));
}

uint32_t cache_status_format(
	const struct cache_status *s, struct span name, char out[CACHE_STATUS_MAX])
{
	struct out o = {out};

	put(&o, name.at, name.len < NAME_MAX ? name.len : NAME_MAX);
	if (s->forward == CACHE_FORWARD_NONE) {
		PUT(&o, "; hit");
	} else {
		PUT(&o, "; fwd=");
		put_text(&o, cache_forward_word(s->forward), WORD_MAX);
	}
	if (s->forward_status != 0) {
		PUT(&o, "; fwd-status=");
		o.at += text_u32(o.at, s->forward_status);
	}
	if (s->has_ttl) {
		PUT(&o, "; ttl=");
		o.at += text_i64(o.at, s->ttl);
	}
	if (s->stored)
		PUT(&o, "; stored");
	if (s->collapsed)
		PUT(&o, "; collapsed");
	if (s->detail != NULL) {
		PUT(&o, "; detail=");
		put_text(&o, s->detail, WORD_MAX);
	}
	return (uint32_t)(o.at - out);
}
