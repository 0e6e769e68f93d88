/* SPDX-License-Identifier: Apache-2.0
 * What functions of several families share. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <strings.h>

#include "lb/l7/resp/command.h"

bool arg_is(const struct resp_arg *a, const char *word)
{
	return strlen(word) == a->len && strncasecmp((const char *)a->p, word, a->len) == 0;
}

bool arg_int(struct resp_call *k, uint32_t i, int64_t *out)
{
	if (codec_integer_parse(k->v[i].p, k->v[i].len, out) == 0)
		return true;
	reply_error(k->out, NOT_INT);
	return false;
}

bool parse_double(const uint8_t *p, uint32_t n, double *out)
{
	char buf[256], *end;

	if (n == 0 || n >= sizeof(buf) || (p[0] <= ' ') || memchr(p, 0, n) != NULL)
		return false;
	memcpy(buf, p, n);
	buf[n] = '\0';
	errno = 0;
	*out = strtod(buf, &end);
	if (end != buf + n || isnan(*out))
		return false;
	return errno != ERANGE || (*out != HUGE_VAL && *out != -HUGE_VAL && fabs(*out) > 0);
}

bool arg_double(struct resp_call *k, uint32_t i, double *out)
{
	if (parse_double(k->v[i].p, k->v[i].len, out))
		return true;
	reply_error(k->out, NOT_FLOAT);
	return false;
}

struct kvs_ent *call_key(struct resp_call *k, uint32_t i, uint8_t type)
{
	struct kvs_ent *e = kvs_key(k->tx, k->v[i].p, k->v[i].len);

	if (e == NULL || likely(e->type == type || e->type == CODEC_NONE))
		return e;
	reply_error(k->out, WRONGTYPE);
	return NULL;
}

const char *type_name(uint8_t type)
{
	switch (type) {
	case CODEC_STRING:
		return "string";
	case CODEC_HASH:
		return "hash";
	case CODEC_SET:
		return "set";
	case CODEC_ZSET:
		return "zset";
	case CODEC_LIST:
		return "list";
	default:
		return "none";
	}
}
