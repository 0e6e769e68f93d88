/* SPDX-License-Identifier: Apache-2.0
 * status - what the admin socket shows of a running app, as JSON.
 * Owner:   the control thread.
 * Values of workers are read while they run: each is exact, together they may be a moment apart. */
#ifndef LB_STATUS_H
#define LB_STATUS_H

#include <jansson.h>

struct app;

int status_process(struct app *app, json_t *out);
int status_counters(struct app *app, json_t *out);
int status_services(struct app *app, json_t *out);
int status_health(struct app *app, json_t *out);
int status_listeners(struct app *app, json_t *out);
int status_store(struct app *app, json_t *out);
/* Engines, their counters and a page of connections of each worker; -ETIME if one does not come
 * round within 200 ms. */
int status_tcp(struct app *app, json_t *out);

#endif
