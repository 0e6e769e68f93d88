/* SPDX-License-Identifier: Apache-2.0 */
#include "lb/l7/h1/h1.h"

static const struct {
	uint16_t status;
	const char *word, *source;
} errors[H1_ERR_CNT] = {
#define E(id, status, word, source) [H1_ERR_##id] = {status, word, source},
	H1_ERRORS(E)
#undef E
};

uint16_t h1_error_status(enum h1_error e)
{
	return errors[e].status;
}

const char *h1_error_word(enum h1_error e)
{
	return errors[e].word;
}

const char *h1_error_source(enum h1_error e)
{
	return errors[e].source;
}

const struct h1_limits h1_limits_default = {
	.head_bytes = 15360,
	.target_bytes = 8192,
	.field_bytes = 8192,
	.fields = 100,
	.chunk_ext_bytes = 256,
	.trailer_bytes = 4096,
	.trailer_fields = 32,
	.underscores = H1_UNDERSCORES_DROP,
};
