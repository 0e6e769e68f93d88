/* SPDX-License-Identifier: Apache-2.0
 * control - the control thread's loop: signals, reload, drain, admin socket, the host's TAP.
 * Owner:    the thread that called it; returns when weir is to end.
 * Signals:  SIGHUP reloads the file; SIGTERM and SIGINT drain and stop, a second one stops at once;
 *           SIGUSR1 logs the counters. All must be blocked in every thread. */
#ifndef LB_CONTROL_H
#define LB_CONTROL_H

#include <signal.h>
#include <stdio.h>

#include "dataplane/base/compiler.h"

struct app;
struct config;

/* Returns 0 after an orderly stop, -errno if the loop could not be set up. */
int control_run(struct app *app, const char *config_path, const sigset_t *signals) WARN_UNUSED;

/* What the section `admin` names, without keeping any of it; for `weir check`. */
int control_check_files(const struct config *cfg, FILE *err) WARN_UNUSED;

#endif
