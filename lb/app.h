/* SPDX-License-Identifier: Apache-2.0
 * app - everything between a checked configuration and packets: pools, ports, workers, generations.
 * main() runs it on threads and real time; tests and benchmarks drive the same object by hand.
 * Owner:      the control thread. Only app_iterate() may run elsewhere, one thread a worker.
 * Lifetime:   app_create() ... app_destroy(); EAL is started before and stopped after.
 * Invariants: AP1 a generation is freed only after every worker has adopted a later one.
 *             AP2 a reload either takes effect whole or changes nothing.
 * Units:      times in ns, monotonic.
 * Errors:     -errno, and log lines that name the cause. */
#ifndef LB_APP_H
#define LB_APP_H

#include <stdio.h>

#include "dataplane/base/compiler.h"
#include "dataplane/base/reason.h"
#include "dataplane/eal/port.h"
#include "lb/config/config.h"

struct app;
struct eal_params;
struct health_event;

/* What EAL must be started with for this configuration. `pci` has room for LIMIT_PORTS. */
void app_eal_params(const struct config *cfg, struct eal_params *out, const char **pci);

/* Bytes of packet memory that the configuration needs, for the printed budget. */
uint64_t app_memory_need(const struct config *cfg);

/* Takes the configuration over, also on failure. `now_ns` is the first moment of its timers. */
int app_create(struct config *cfg, uint64_t now_ns, struct app **out) WARN_UNUSED;
void app_destroy(struct app *app);

/* Start and stop the worker threads; not used by who drives app_iterate() himself. */
int app_start(struct app *app) WARN_UNUSED;
void app_stop(struct app *app);

/* One turn of worker `worker`; returns how much it did. */
uint32_t app_iterate(struct app *app, uint32_t worker, uint64_t now_ns);

/* The control thread's regular work: health results, old generations, aggregated counts, watchdog.
 * Never blocks. Returns the time at which it wants to be called again. */
uint64_t app_control(struct app *app, uint64_t now_ns);

/* Replace the configuration (taken over, also on failure): -EBUSY while an earlier change is still
 * being adopted, -EINVAL if it needs a restart (said on err). */
int app_reload(struct app *app, struct config *next, FILE *err, uint64_t now_ns) WARN_UNUSED;
/* What app_reload() would say of it, also of the files that it names; nothing changes. */
int app_reload_check(const struct app *app, const struct config *next, FILE *err) WARN_UNUSED;
bool app_reload_done(const struct app *app);
/* Every worker runs the current generation, and nothing waits to become the next one. */
bool app_settled(const struct app *app);

/* What the control thread should wait on besides its own; fills at most max entries. */
#define APP_POLL_MAX (2 * LIMIT_PORTS + 16)
struct pollfd;
uint32_t app_poll_fds(const struct app *app, struct pollfd *fds, uint32_t max);

/* Refuse new flows, let tracked ones go on. */
void app_drain(struct app *app);
/* Reset the TCP connections that are left; done when app_settled(). */
void app_reset(struct app *app);
/* Open the access log anew, for who rotates it; says on the log what it did so far. */
void app_reopen_log(struct app *app);
uint64_t app_flow_count(const struct app *app);

/* Reading side for admin, tests and benchmarks; values of running workers may be a moment old. */
const struct config *app_config(const struct app *app);
uint64_t app_generation(const struct app *app);
uint32_t app_worker_count(const struct app *app);
const struct ledger *app_ledger(const struct app *app, uint32_t worker);
/* No worker stands still, as far as the watchdog has seen. */
bool app_turns(const struct app *app);
uint32_t app_port_count(const struct app *app);
const struct port *app_port(const struct app *app, uint32_t idx);

#endif
