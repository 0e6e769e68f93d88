/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/base/reason.h"

#include <ctype.h>

#include "dataplane/base/assert.h"

struct reason_row {
	const char *name, *text;
	char class;
};

static const struct reason_row rows[REASON_COUNT] = {[REASON_NONE] = {"none", "not ended", 'U'},
#define R(n, c, t) [REASON_##n] = {#n, t, #c[0]},
	REASONS(R)
#undef R
};

static char lower_names[REASON_COUNT][32];

__attribute__((constructor)) static void lower_all(void)
{
	for (unsigned r = 0; r < REASON_COUNT; r++)
		for (unsigned i = 0; rows[r].name[i] != '\0'; i++) {
			ASSERT(i + 1 < sizeof(lower_names[r]));
			lower_names[r][i] = (char)tolower((unsigned char)rows[r].name[i]);
		}
}

int64_t ledger_imbalance(const struct ledger *l)
{
	uint64_t in = l->rx + l->born + l->handed_in;
	uint64_t out = l->tx + l->handed_out + l->held;

	for (unsigned r = 0; r < REASON_COUNT; r++)
		out += l->ended[r];
	return (int64_t)(in - out);
}

const char *reason_name(enum reason r)
{
	ASSERT(r < REASON_COUNT);
	return lower_names[r];
}

char reason_class(enum reason r)
{
	ASSERT(r < REASON_COUNT);
	return rows[r].class;
}

const char *reason_text(enum reason r)
{
	ASSERT(r < REASON_COUNT);
	return rows[r].text;
}
