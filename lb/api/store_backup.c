/* SPDX-License-Identifier: Apache-2.0
 * A backup of the store while it serves: a thread of its own copies, control only looks. One at a
 * time. Edge B1: what the thread wrote happens before `running` is seen to be false. */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "lb/api/api_pvt.h"
#include "storage/backup.h"

static struct {
	struct store *store;
	pthread_t thread;
	bool joinable;
	_Atomic bool running;
	char to[4096], err[512];
	int rc;
} job;

const struct admin_param api_backup_params[] = {
	{"to", "body", "string", "a folder that does not exist, or is empty; an absolute path",
		true},
	{NULL, NULL, NULL, NULL, false},
};

static void *copy(void *arg)
{
	(void)arg;
	job.err[0] = '\0';
	job.rc = store_backup(job.store, job.to, job.err, sizeof(job.err));
	if (job.rc != 0 && job.err[0] == '\0')
		snprintf(job.err, sizeof(job.err), "%s", strerror(-job.rc));
	atomic_store_explicit(&job.running, false, memory_order_release); /* B1 */
	return NULL;
}

static void tell(struct admin_call *c)
{
	bool running = atomic_load_explicit(&job.running, memory_order_acquire); /* B1 */

	json_object_set_new(c->out, "running", json_boolean(running));
	json_object_set_new(c->out, "to", json_string(job.to));
	json_object_set_new(c->out, "error_text", json_string(running ? "" : job.err));
}

int api_get_backup(void *ctx, struct admin_call *c)
{
	(void)ctx;
	tell(c);
	return 0;
}

void api_backup_fini(void)
{
	if (job.joinable)
		pthread_join(job.thread, NULL);
	job.joinable = false;
}

static int backup_dry(struct store *store, const char *to, struct admin_call *c)
{
	struct store_backup_need need;
	char err[512] = "";

	if (store_backup_check(store, to, &need, err, sizeof(err)) != 0)
		return admin_fail(c, -EINVAL, "%s", err);
	json_object_set_new(c->out, "to", json_string(to));
	json_object_set_new(c->out, "bytes", json_integer((json_int_t)need.bytes));
	json_object_set_new(c->out, "room", json_integer((json_int_t)need.room));
	return 0;
}

int api_post_backup(void *ctx, struct admin_call *c)
{
	struct app *app = ((struct api *)ctx)->app;
	const char *to = admin_text(c, "to");

	if (app->store == NULL)
		return admin_fail(c, -EINVAL, "there is no store");
	if (to[0] != '/')
		return admin_fail(c, -EINVAL, "to: no absolute path");
	if (strlen(to) >= sizeof(job.to))
		return admin_fail(c, -EINVAL, "to: too long");
	if (atomic_load_explicit(&job.running, memory_order_acquire)) /* B1 */
		return admin_fail(c, -EBUSY, "a backup is under way");
	if (admin_dry_run(c))
		return backup_dry(app->store, to, c);
	api_backup_fini();
	job.store = app->store;
	strcpy(job.to, to);
	atomic_store_explicit(&job.running, true, memory_order_relaxed);
	if (pthread_create(&job.thread, NULL, copy, NULL) != 0) {
		atomic_store_explicit(&job.running, false, memory_order_relaxed);
		return -EAGAIN;
	}
	job.joinable = true;
	tell(c);
	return 0;
}
