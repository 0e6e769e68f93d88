/* SPDX-License-Identifier: Apache-2.0 */
#include "lb/admin/admin_json.h"

#include <stdio.h>

static void add_number(json_t *o, const char *key, uint64_t n)
{
	json_object_set_new(o, key, json_integer((json_int_t)n));
}

static void add_ledger(json_t *o, const struct ledger *l)
{
	add_number(o, "rx", l->rx);
	add_number(o, "born", l->born);
	add_number(o, "handed_in", l->handed_in);
	add_number(o, "tx", l->tx);
	add_number(o, "handed_out", l->handed_out);
	add_number(o, "held", l->held);
	json_object_set_new(o, "imbalance", json_integer(ledger_imbalance(l)));
}

static json_t *reasons_of(const struct ledger *l)
{
	json_t *o = json_object();

	for (unsigned r = REASON_NONE + 1; r < REASON_COUNT; r++)
		add_number(o, reason_name((enum reason)r), l->ended[r]);
	return o;
}

static void sum_up(struct ledger *sum, const struct ledger *l)
{
	sum->rx += l->rx;
	sum->born += l->born;
	sum->handed_in += l->handed_in;
	sum->tx += l->tx;
	sum->handed_out += l->handed_out;
	sum->held += l->held;
	for (unsigned r = 0; r < REASON_COUNT; r++)
		sum->ended[r] += l->ended[r];
}

void admin_json_ledgers(json_t *out, const struct ledger *const *ledgers, uint32_t worker_cnt)
{
	json_t *workers = json_object(), *total = json_object();
	struct ledger sum = {0};

	for (uint32_t i = 0; i < worker_cnt; i++) {
		struct ledger copy = *ledgers[i]; /* sums and parts from one look */
		json_t *w = json_object();
		char key[16];

		sum_up(&sum, &copy);
		add_ledger(w, &copy);
		json_object_set_new(w, "reasons", reasons_of(&copy));
		snprintf(key, sizeof(key), "%u", i);
		json_object_set_new(workers, key, w);
	}
	add_ledger(total, &sum);
	json_object_set_new(out, "ledger", total);
	json_object_set_new(out, "reasons", reasons_of(&sum));
	json_object_set_new(out, "workers", workers);
}
