/* SPDX-License-Identifier: Apache-2.0 */
#include "lb/control.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "dataplane/base/log.h"
#include "dataplane/base/time.h"
#include "lb/admin/admin.h"
#include "lb/api/api.h"
#include "lb/app.h"
#include "lb/config/schema.h"
#include "lb/notify.h"
#include "lb/telemetry.h"

/* What is left after PHASE_DRAIN is reset in PHASE_RESET. */
enum control_phase { PHASE_RUN, PHASE_DRAIN, PHASE_RESET, PHASE_STOP };

#define RESET_MAX_NS (500 * NS_PER_MS)
#define RESET_END_NS (5 * NS_PER_MS) /* for frames that another worker sends */

struct control {
	struct app *app;
	const char *path;
	int signal_fd;
	enum control_phase phase;
	bool reload_wanted, stop_wanted;
	uint64_t drain_end_ns, reset_end_ns;
	bool drain_said;     /* every worker refuses new flows, and the log says so */
	struct admin *admin; /* NULL: not configured */
	struct api api;
	struct history history;
	struct notify notify;
	struct metric_list metrics;
	char token[ADMIN_TOKEN_MAX]; /* "": none */
};

static void log_counters(const struct app *app)
{
	for (uint32_t w = 0; w < app_worker_count(app); w++) {
		const struct ledger *l = app_ledger(app, w);

		LOG_INF("packets",
			"worker=%u rx=%llu born=%llu handed_in=%llu tx=%llu handed_out=%llu "
			"held=%llu "
			"imbalance=%lld",
			w, (unsigned long long)l->rx, (unsigned long long)l->born,
			(unsigned long long)l->handed_in, (unsigned long long)l->tx,
			(unsigned long long)l->handed_out, (unsigned long long)l->held,
			(long long)ledger_imbalance(l));
		for (unsigned r = 1; r < REASON_COUNT; r++)
			if (l->ended[r] > 0)
				fprintf(stderr, "worker=%u ended=%s packets=%llu\n", w,
					reason_name((enum reason)r),
					(unsigned long long)l->ended[r]);
	}
}

static void usr1(struct app *app)
{
	log_counters(app);
	app_reopen_log(app);
}

static void begin_reset(struct control *c, uint64_t now_ns)
{
	c->phase = app_flow_count(c->app) > 0 ? PHASE_RESET : PHASE_STOP;
	c->reset_end_ns = now_ns + RESET_MAX_NS;
	app_reset(c->app);
}

static void begin_stop(struct control *c, uint64_t now_ns)
{
	if (c->phase == PHASE_DRAIN) {
		begin_reset(c, now_ns);
		return;
	}
	if (c->phase != PHASE_RUN)
		return;
	c->phase = PHASE_DRAIN;
	c->drain_end_ns = now_ns + app_config(c->app)->workers.stop_timeout_ns;
	c->drain_said = false;
	notify_stopping(&c->notify);
	app_drain(c->app);
}

static void take_signals(struct control *c, uint64_t now_ns)
{
	struct signalfd_siginfo si;

	while (read(c->signal_fd, &si, sizeof(si)) == (ssize_t)sizeof(si)) {
		if (si.ssi_signo == SIGHUP)
			c->reload_wanted = true;
		else if (si.ssi_signo == SIGUSR1)
			usr1(c->app);
		else
			begin_stop(c, now_ns);
	}
}

/* Without memory the history has a gap, and no more harm is done. */
static void note(struct control *c, const char *origin)
{
	if (history_add(&c->history, app_config(c->app), app_generation(c->app), origin) != 0)
		LOG_WRN("no memory to keep the configuration", "generation=%llu",
			(unsigned long long)app_generation(c->app));
}

/* The files of admin.tls as they are now; *out is NULL without the section. */
static int load_admin_tls(const struct config *cfg, FILE *err, struct admin_tls **out)
{
	const struct config_admin_tls *t = cfg->admin.tls;
	struct admin_tls_files files;
	char why[ADMIN_TLS_WHY];
	int rc;

	*out = NULL;
	if (t == NULL)
		return 0;
	files = (struct admin_tls_files){t->cert, t->key, t->client_ca, t->client_crl};
	rc = admin_tls_load(&files, why, out);
	if (rc != 0) {
		struct config_tree *tree = schema_value(cfg->tree, "admin")->maps[0];
		struct config_mark m = schema_mark(tree, "tls");

		fprintf(err, "%s:%u:%u: error: tls: %s\n", cfg->tree->file, m.line, m.col, why);
	}
	return rc;
}

int control_check_files(const struct config *cfg, FILE *err)
{
	struct admin_tls *tls;
	int rc = load_admin_tls(cfg, err, &tls);

	admin_tls_put(tls);
	return rc;
}

static int reload_with(struct control *c, struct config *next, FILE *err, uint64_t now_ns)
{
	struct admin_tls *tls;
	int rc = load_admin_tls(next, err, &tls);

	if (rc != 0) {
		config_free(next);
		return rc;
	}
	rc = app_reload(c->app, next, err, now_ns);
	if (rc == 0 && tls != NULL && c->admin != NULL)
		admin_use_tls(c->admin, tls);
	admin_tls_put(tls);
	return rc;
}

static int load_and_reload(struct control *c, FILE *err, uint64_t now_ns)
{
	struct config *next;
	int rc;

	if (config_load(c->path, err, &next) < 0) {
		LOG_ERR("reload refused: the file has errors, the running configuration stays",
			"file=%s", c->path);
		return -EINVAL;
	}
	rc = reload_with(c, next, err, now_ns);
	if (rc != 0)
		LOG_ERR("reload refused, the running configuration stays", "file=%s error=%d",
			c->path, rc);
	else
		LOG_INF("reloaded", "file=%s generation=%llu", c->path,
			(unsigned long long)app_generation(c->app));
	if (rc == 0)
		note(c, "reload");
	return rc;
}

/* Messages about the file go to `err`. Returns 0 or why nothing changed. */
static int reload_now(struct control *c, FILE *err, uint64_t now_ns)
{
	int rc;

	if (!app_reload_done(c->app))
		return -EBUSY;
	notify_reloading(&c->notify, now_ns);
	rc = load_and_reload(c, err, now_ns);
	notify_ready(&c->notify, rc == 0 ? "reloaded" : "reload refused, the old one stays");
	return rc;
}

static void reload_if_wanted(struct control *c, uint64_t now_ns)
{
	if (!c->reload_wanted || !app_reload_done(c->app))
		return;
	c->reload_wanted = false;
	(void)reload_now(c, stderr, now_ns);
}

static int on_load(void *ctx, FILE *err, struct config **out)
{
	return config_load(((struct control *)ctx)->path, err, out) < 0 ? -EINVAL : 0;
}

static int on_check(void *ctx, const struct config *next, FILE *err)
{
	int rc = app_reload_check(((struct control *)ctx)->app, next, err);

	return rc == 0 && control_check_files(next, err) != 0 ? -EINVAL : rc;
}

/* Why a change is not made, where the messages about the file do not say it. */
static void say_refused(int rc, json_t *out)
{
	if (rc != 0)
		json_object_set_new(out, "error",
			json_string(rc == -EBUSY ? "an earlier change is still being adopted"
						 : "refused; the running configuration stays"));
}

/* The caller reads what the file's messages would have said on stderr. */
static int on_reload(void *ctx, json_t *out)
{
	struct control *c = ctx;
	char *text = NULL;
	size_t len = 0;
	FILE *err = open_memstream(&text, &len);
	int rc;

	if (err == NULL)
		return -ENOMEM;
	rc = reload_now(c, err, clock_now_ns());
	fclose(err);
	json_object_set_new(out, "reloaded", json_boolean(rc == 0));
	json_object_set_new(out, "generation", json_integer((json_int_t)app_generation(c->app)));
	json_object_set_new(out, "messages", json_string(text != NULL ? text : ""));
	say_refused(rc, out);
	free(text);
	return rc;
}

static int on_replace(void *ctx, struct config *next, const char *origin, json_t *out)
{
	struct control *c = ctx;
	char *text = NULL;
	size_t len = 0;
	FILE *err = open_memstream(&text, &len);
	int rc;

	if (err == NULL) {
		config_free(next);
		return -ENOMEM;
	}
	rc = reload_with(c, next, err, clock_now_ns());
	fclose(err);
	if (rc == 0)
		note(c, origin);
	json_object_set_new(out, "generation", json_integer((json_int_t)app_generation(c->app)));
	json_object_set_new(out, "messages", json_string(text != NULL ? text : ""));
	say_refused(rc, out);
	free(text);
	return rc;
}

static int on_stop(void *ctx, json_t *out)
{
	(void)out;
	((struct control *)ctx)->stop_wanted = true;
	return 0;
}

/* The token is read once: a change of the file needs a restart, as one of its name does. */
static int read_token(struct control *c, const struct config_admin *cfg)
{
	int rc;

	if (cfg->token_file[0] == '\0')
		return 0;
	rc = admin_token_read(cfg->token_file, c->token);
	if (rc == -EPERM)
		LOG_ERR("others may read the token file: chmod o= it", "file=%s", cfg->token_file);
	else if (rc == -EINVAL)
		LOG_ERR("the token file needs a line of 16 to 255 printable characters", "file=%s",
			cfg->token_file);
	else if (rc != 0)
		LOG_ERR("cannot read the token file", "file=%s error=%d", cfg->token_file, rc);
	return rc;
}

static int open_admin(struct control *c)
{
	const struct config_admin *cfg = &app_config(c->app)->admin;
	struct admin_conf conf = {.path = cfg->socket[0] != '\0' ? cfg->socket : NULL};
	int rc = read_token(c, cfg);

	if (rc == 0)
		rc = load_admin_tls(app_config(c->app), stderr, &conf.tls);
	if (rc != 0)
		return rc;
	c->api = (struct api){.app = c->app,
		.control = {.reload = on_reload,
			.stop = on_stop,
			.load = on_load,
			.check = on_check,
			.replace = on_replace,
			.ctx = c},
		.history = &c->history};
	conf.site = (struct admin_site){.routes = api_routes,
		.route_cnt = api_route_cnt,
		.ctx = &c->api,
		.metrics = &c->metrics,
		.token = c->token,
		.version = WEIR_VERSION};
	if (config_admin_http(cfg, &conf.http, &conf.http_port) != 0)
		conf.http_port = 0;
	if (conf.path != NULL || conf.http_port != 0)
		rc = admin_create(&conf, &c->admin);
	admin_tls_put(conf.tls);
	if (rc != 0)
		LOG_ERR("cannot open the control interface", "socket=%s http=%s error=%d",
			cfg->socket, cfg->http, rc);
	return rc;
}

/* Drained when no flow is left, or when the time is up. */
static void check_drain(struct control *c, uint64_t now_ns)
{
	uint64_t flows;

	if (c->phase != PHASE_DRAIN)
		return;
	flows = app_flow_count(c->app);
	if (!c->drain_said && app_settled(c->app)) {
		c->drain_said = true;
		LOG_INF("draining", "flows=%llu", (unsigned long long)flows);
	}
	if (!c->drain_said && now_ns < c->drain_end_ns)
		return;
	if (flows > 0 && now_ns < c->drain_end_ns)
		return;
	LOG_INF("drained", "flows_left=%llu", (unsigned long long)flows);
	begin_reset(c, now_ns);
}

static void check_reset(struct control *c, uint64_t now_ns)
{
	if (c->phase != PHASE_RESET)
		return;
	if (app_settled(c->app) && c->reset_end_ns > now_ns + RESET_END_NS)
		c->reset_end_ns = now_ns + RESET_END_NS;
	if (now_ns >= c->reset_end_ns)
		c->phase = PHASE_STOP;
}

static void wait_for_work(struct control *c, uint64_t now_ns, uint64_t until_ns)
{
	uint64_t ns = until_ns > now_ns ? until_ns - now_ns : 0;
	struct timespec ts = {
		.tv_sec = (time_t)(ns / NS_PER_SEC), .tv_nsec = (long)(ns % NS_PER_SEC)};
	struct pollfd fds[2 + APP_POLL_MAX];
	uint32_t n = 0;
	int ms = c->admin != NULL ? admin_timeout_ms(c->admin) : -1;

	/* What a TLS record holds beyond what was read makes no descriptor readable. */
	if (ms >= 0 && (uint64_t)ms * NS_PER_MS < ns)
		ts = (struct timespec){
			.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * (long)NS_PER_MS};
	fds[n++] = (struct pollfd){.fd = c->signal_fd, .events = POLLIN};
	if (c->admin != NULL)
		fds[n++] = (struct pollfd){.fd = admin_fd(c->admin), .events = POLLIN};
	n += app_poll_fds(c->app, fds + n, APP_POLL_MAX);
	(void)ppoll(fds, n, &ts, NULL);
	if (c->admin != NULL)
		admin_run(c->admin);
}

int control_run(struct app *app, const char *config_path, const sigset_t *signals)
{
	struct control c = {.app = app, .path = config_path};
	uint64_t now_ns, next_ns;

	int rc;

	c.signal_fd = signalfd(-1, signals, SFD_NONBLOCK | SFD_CLOEXEC);
	if (c.signal_fd < 0)
		return -errno;
	c.metrics = (struct metric_list){api_metric_sets, api_metric_set_cnt, app};
	note(&c, "start");
	rc = open_admin(&c);
	if (rc != 0) {
		history_fini(&c.history);
		close(c.signal_fd);
		return rc;
	}
	if (app_config(app)->admin.telemetry && telemetry_start(&c.metrics) != 0)
		LOG_WRN("DPDK's telemetry takes no commands", "telemetry=%d", 1);
	notify_init(&c.notify);
	notify_ready(&c.notify, "running");
	LOG_INF("ready", "workers=%u ports=%u generation=%llu", app_worker_count(app),
		app_port_count(app), (unsigned long long)app_generation(app));
	while (c.phase != PHASE_STOP) {
		now_ns = clock_now_ns();
		next_ns = app_control(app, now_ns);
		reload_if_wanted(&c, now_ns);
		api_run(&c.api, now_ns);
		telemetry_run();
		notify_run(&c.notify, app_turns(app), now_ns);
		check_drain(&c, now_ns);
		check_reset(&c, now_ns);
		if (c.phase != PHASE_STOP)
			wait_for_work(&c, now_ns, next_ns);
		take_signals(&c, clock_now_ns());
		if (c.stop_wanted) {
			c.stop_wanted = false;
			begin_stop(&c, clock_now_ns());
		}
	}
	if (c.admin != NULL)
		admin_destroy(c.admin);
	telemetry_stop();
	api_fini(&c.api);
	api_backup_fini();
	history_fini(&c.history);
	notify_fini(&c.notify);
	close(c.signal_fd);
	LOG_INF("stopped", "generation=%llu", (unsigned long long)app_generation(app));
	return 0;
}
