/* SPDX-License-Identifier: Apache-2.0
 * PCRE2, on bytes. Compiled to machine code where PCRE2 can; that code runs on the thread's own
 * stack (32 KiB of it), the interpreter on a bounded heap that is asked for when the scratch is
 * made. */
#include "lb/l7/route/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <errno.h>
#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/limits.h"

#define HEAP_KIB    64
#define GROUPS      16
#define PATTERN_MAX 4096
#define DEPTH_LIMIT 1000

struct regex {
	pcre2_code *code;
	uint32_t groups;
	char text[];
};

struct regex_scratch {
	pcre2_match_context *context;
	pcre2_match_data *data;
	uint64_t given_up;
};

int regex_compile(const char *text, struct regex **out, char *why)
{
	size_t len = strlen(text);
	PCRE2_UCHAR said[128];
	PCRE2_SIZE offset;
	struct regex *re;
	int error;

	*out = NULL;
	re = len < PATTERN_MAX ? calloc(1, sizeof(*re) + len + 1) : NULL;
	if (!re)
		return -ENOMEM;
	memcpy(re->text, text, len + 1);
	re->code = pcre2_compile(
		(PCRE2_SPTR)text, len, PCRE2_NEVER_UTF | PCRE2_NEVER_UCP, &error, &offset, NULL);
	if (!re->code) {
		pcre2_get_error_message(error, said, sizeof(said));
		snprintf(why, REGEX_WHY, "character %zu: %s", (size_t)offset + 1,
			(const char *)said);
		free(re);
		return -EINVAL;
	}
	/* What cannot be compiled to machine code is interpreted. */
	(void)pcre2_jit_compile(re->code, PCRE2_JIT_COMPLETE);
	(void)pcre2_pattern_info(re->code, PCRE2_INFO_CAPTURECOUNT, &re->groups);
	*out = re;
	return 0;
}

void regex_free(struct regex *re)
{
	if (!re)
		return;
	pcre2_code_free(re->code);
	free(re);
}

const char *regex_text(const struct regex *re)
{
	return re->text;
}

uint32_t regex_groups(const struct regex *re)
{
	return re->groups;
}

struct regex_scratch *regex_scratch_create(void)
{
	struct regex_scratch *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->context = pcre2_match_context_create(NULL);
	s->data = pcre2_match_data_create(GROUPS, NULL);
	if (!s->context || !s->data) {
		regex_scratch_destroy(s);
		return NULL;
	}
	pcre2_set_match_limit(s->context, LIMIT_HTTP_REGEX_STEPS);
	pcre2_set_depth_limit(s->context, DEPTH_LIMIT);
	pcre2_set_heap_limit(s->context, HEAP_KIB);
	return s;
}

void regex_scratch_destroy(struct regex_scratch *s)
{
	if (!s)
		return;
	pcre2_match_data_free(s->data);
	pcre2_match_context_free(s->context);
	free(s);
}

uint64_t regex_given_up(const struct regex_scratch *s)
{
	return s->given_up;
}

bool regex_match(const struct regex *re, struct regex_scratch *s, struct span subject,
	struct span *captures, uint32_t cap, uint32_t *cnt)
{
	const char *at = subject.len ? subject.at : "";
	int rc = pcre2_match(re->code, (PCRE2_SPTR)at, subject.len, 0, 0, s->data, s->context);
	const PCRE2_SIZE *place;
	uint32_t found;

	if (rc < 0) {
		s->given_up += rc != PCRE2_ERROR_NOMATCH;
		return false;
	}
	if (!captures)
		return true;
	place = pcre2_get_ovector_pointer(s->data);
	found = rc == 0 ? GROUPS : (uint32_t)rc;
	for (*cnt = 0; *cnt < cap && *cnt < found; (*cnt)++) {
		PCRE2_SIZE from = place[2 * *cnt], to = place[2 * *cnt + 1];

		/* \K can put the end of the whole before its beginning. */
		captures[*cnt] = from == PCRE2_UNSET || to < from
					 ? (struct span){"", 0}
					 : (struct span){at + from, (uint32_t)(to - from)};
	}
	return true;
}
