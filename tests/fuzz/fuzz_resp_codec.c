/* SPDX-License-Identifier: Apache-2.0
 * Requests of the Redis protocol: the first bytes say how the rest is cut; cut or whole, the same
 * arguments come out, and no memory stays. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lb/l7/resp/codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
	uint64_t sum, requests;
	bool bad;
};

static void mix(struct outcome *o, const void *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		o->sum = (o->sum ^ ((const uint8_t *)p)[i]) * UINT64_C(0x100000001b3);
	o->sum = o->sum * 31 + n;
}

/* A look at a request says the same as its taking. */
static void check_peek(const struct resp_arg *peeked, const struct codec_peeked *p,
	const struct resp_args *a, uint32_t used)
{
	if (p->size != used || p->n != a->n)
		abort();
	for (uint32_t i = 0; i < a->n; i++)
		if (peeked[i].p != a->v[i].p || peeked[i].len != a->v[i].len)
			abort();
	if (p->get && (a->n != 2 || a->v[0].len != 3 ||
			      strncasecmp((const char *)a->v[0].p, "get", 3) != 0))
		abort();
}

static struct outcome run(const uint8_t *p, size_t n, const uint8_t *cuts, size_t cut_cnt)
{
	static struct resp_arg direct[CODEC_DIRECT];
	static struct mem m;
	struct outcome o = {0};
	struct resp_codec c;
	size_t cut = 0;

	if (m.base == NULL && mem_init(&m, 64 << 20) != 0)
		abort();
	codec_init(&c, &m, direct, 1 << 20);
	while (n > 0 && !o.bad) {
		size_t len = cut_cnt == 0 ? n : 1u + cuts[cut++ % cut_cnt];
		uint8_t *piece;
		size_t at = 0;

		len = len < n ? len : n;
		piece = malloc(len);
		memcpy(piece, p, len);
		while (at < len && !o.bad) {
			struct resp_arg peeked[6];
			struct codec_peeked look;
			bool seen =
				codec_peek(&c, piece + at, (uint32_t)(len - at), peeked, 6, &look);
			struct resp_args a;
			uint32_t used;
			enum codec_result rc =
				codec_feed(&c, piece + at, (uint32_t)(len - at), &used, &a);

			if (seen && rc != CODEC_OK)
				abort();
			if (seen)
				check_peek(peeked, &look, &a, used);
			for (uint32_t i = 0; rc == CODEC_OK && i < a.n; i++)
				mix(&o, a.v[i].p, a.v[i].len);
			o.requests += rc == CODEC_OK;
			o.bad = rc == CODEC_BAD;
			resp_args_free(&m, &a);
			if (used == 0 && rc == CODEC_MORE)
				abort();
			at += used;
		}
		free(piece);
		p += len;
		n -= len;
	}
	codec_fini(&c);
	if (m.used != 0)
		abort();
	return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct outcome whole, cut;

	if (size < 4)
		return 0;
	whole = run(data + 4, size - 4, NULL, 0);
	cut = run(data + 4, size - 4, data, 4);
	if (whole.sum != cut.sum || whole.requests != cut.requests || whole.bad != cut.bad)
		abort();
	return 0;
}
