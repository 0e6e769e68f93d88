/* SPDX-License-Identifier: Apache-2.0 */
#include "lb/telemetry.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <rte_telemetry.h>

#define WAIT_S 2

struct question {
	const struct metric_set *set;
	long index; /* -1: which objects are there? */
	struct rte_tel_data *out;
	int rc;
};

static struct {
	pthread_mutex_t lock;
	pthread_cond_t answered;
	const struct metric_list *list; /* NULL: not running */
	struct question *asked;         /* NULL: nobody waits */
	_Atomic bool waiting;           /* the same, to be looked at without the lock */
} tel = {.lock = PTHREAD_MUTEX_INITIALIZER, .answered = PTHREAD_COND_INITIALIZER};

static void labels_of(const struct metric_set *set, const json_t *o, char *out, size_t size)
{
	size_t n = 0;

	out[0] = '\0';
	for (uint32_t l = 0; l < METRIC_LABELS && set->labels[l] != NULL && n < size; l++)
		n += (size_t)snprintf(out + n, size - n, "%s%s=%s", l > 0 ? " " : "",
			set->labels[l], json_string_value(json_object_get(o, set->labels[l])));
}

static int answer_objects(const struct question *q, const json_t *rows)
{
	char text[RTE_TEL_MAX_STRING_LEN];
	json_t *o;
	size_t i;

	rte_tel_data_start_array(q->out, RTE_TEL_STRING_VAL);
	json_array_foreach(rows, i, o)
	{
		labels_of(q->set, o, text, sizeof(text));
		if (rte_tel_data_add_array_string(q->out, text) != 0)
			break;
	}
	return 0;
}

static int answer_values(const struct question *q, const json_t *o)
{
	if (o == NULL)
		return -ENOENT;
	rte_tel_data_start_dict(q->out);
	for (uint32_t i = 0; i < q->set->row_cnt; i++) {
		const char *key = q->set->rows[i].key;
		const json_t *v = json_object_get(o, key);
		char text[32];

		if (json_is_integer(v)) {
			(void)rte_tel_data_add_dict_u64(
				q->out, key, (uint64_t)json_integer_value(v));
		} else if (json_is_real(v)) {
			snprintf(text, sizeof(text), "%.6f", json_real_value(v));
			(void)rte_tel_data_add_dict_string(q->out, key, text);
		}
	}
	return 0;
}

static void answer(struct question *q)
{
	json_t *rows = json_array();

	metric_write_json(q->set, tel.list->ctx, rows);
	if (q->index < 0)
		q->rc = answer_objects(q, rows);
	else
		q->rc = answer_values(q, json_array_get(rows, (size_t)q->index));
	json_decref(rows);
}

/* DPDK's thread. */
static int ask(struct question *q)
{
	struct timespec until;
	int rc = 0;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += WAIT_S;
	pthread_mutex_lock(&tel.lock);
	while (rc == 0 && tel.list != NULL && tel.asked != NULL)
		rc = pthread_cond_timedwait(&tel.answered, &tel.lock, &until);
	if (tel.list == NULL)
		rc = ESHUTDOWN;
	if (rc == 0) {
		tel.asked = q;
		atomic_store_explicit(&tel.waiting, true, memory_order_release);
		while (rc == 0 && tel.asked == q)
			rc = pthread_cond_timedwait(&tel.answered, &tel.lock, &until);
		if (tel.asked == q)
			tel.asked = NULL; /* nobody answered: it must not be written to later */
		else
			rc = -q->rc;
	}
	pthread_mutex_unlock(&tel.lock);
	return -rc;
}

static int on_command(const char *cmd, const char *params, struct rte_tel_data *out)
{
	struct question q = {.index = -1, .out = out, .rc = -ESHUTDOWN};
	char *end = NULL;

	pthread_mutex_lock(&tel.lock);
	q.set = tel.list != NULL ? metric_find(tel.list, cmd + strlen("/weir/")) : NULL;
	pthread_mutex_unlock(&tel.lock);
	if (q.set == NULL)
		return -ENOENT;
	if (params != NULL && params[0] != '\0') {
		q.index = strtol(params, &end, 10);
		if (*end != '\0' || q.index < 0)
			return -EINVAL;
	}
	return ask(&q);
}

int telemetry_start(const struct metric_list *list)
{
	static bool registered;
	char cmd[64];
	int rc = 0;

	pthread_mutex_lock(&tel.lock);
	tel.list = list;
	pthread_mutex_unlock(&tel.lock);
	for (uint32_t i = 0; rc == 0 && !registered && i < list->cnt; i++) {
		snprintf(cmd, sizeof(cmd), "/weir/%s", list->sets[i]->name);
		rc = rte_telemetry_register_cmd(cmd, on_command,
			"Objects by their labels; with a number: the values of one.");
	}
	registered = rc == 0;
	return rc;
}

void telemetry_run(void)
{
	if (!atomic_load_explicit(&tel.waiting, memory_order_acquire))
		return;
	pthread_mutex_lock(&tel.lock);
	atomic_store_explicit(&tel.waiting, false, memory_order_relaxed);
	if (tel.asked != NULL && tel.list != NULL)
		answer(tel.asked);
	tel.asked = NULL;
	pthread_cond_broadcast(&tel.answered);
	pthread_mutex_unlock(&tel.lock);
}

void telemetry_stop(void)
{
	pthread_mutex_lock(&tel.lock);
	tel.list = NULL;
	tel.asked = NULL;
	pthread_cond_broadcast(&tel.answered);
	pthread_mutex_unlock(&tel.lock);
}
