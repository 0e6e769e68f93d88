/* SPDX-License-Identifier: Apache-2.0
 * A live picture: two answers of /v1/metrics and what changed between them. A frame is made as
 * lines of the terminal's width and drawn over the last one, so that nothing flickers. */
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "lb/ctl/ctl_pvt.h"

#define LINE_MAX_LEN 512
#define BAR_LEN      20

struct top {
	struct ctl *c;
	json_t *now, *before;
	double seconds;    /* between the two; 0: there is one only */
	int width, height; /* height 0: no bound */
	int line;
	bool screen;
};

static volatile sig_atomic_t stopped;

static void on_signal(int sig)
{
	(void)sig;
	stopped = 1;
}

/* --- lines --------------------------------------------------------------------------------- */

/* The bytes of s that take at most `columns` places; UTF-8 continuations take none. */
static int fit(const char *s, int columns)
{
	int n = 0;

	while (s[n] != '\0') {
		if (((unsigned char)s[n] & 0xc0) != 0x80 && columns-- == 0)
			break;
		n++;
	}
	return n;
}

static void put(struct top *t, enum ctl_color color, const char *fmt, ...) PRINTF_LIKE(3, 4);
static void put(struct top *t, enum ctl_color color, const char *fmt, ...)
{
	char text[LINE_MAX_LEN], clean[LINE_MAX_LEN];
	va_list ap;

	if (t->height > 0 && t->line >= t->height - 1)
		return;
	t->line++;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	ctl_clean(text, clean, sizeof(clean));
	fprintf(t->c->out, "%s%.*s%s%s\n", color != CTL_PLAIN ? ctl_color(t->c, color) : "",
		fit(clean, t->width), clean, color != CTL_PLAIN ? ctl_color(t->c, CTL_PLAIN) : "",
		t->screen ? "\033[K" : "");
}

/* --- numbers ------------------------------------------------------------------------------- */

static double number(const json_t *o, const char *key)
{
	return json_number_value(json_object_get(o, key));
}

static const char *text_of(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s != NULL ? s : "";
}

/* The object of the earlier answer that has the same labels. */
static const json_t *earlier(
	const struct top *t, const char *set, const json_t *o, const char *const *labels)
{
	json_t *p;
	size_t i;

	json_array_foreach(json_object_get(t->before, set), i, p)
	{
		const char *const *l = labels;

		while (*l != NULL && strcmp(text_of(p, *l), text_of(o, *l)) == 0)
			l++;
		if (*l == NULL)
			return p;
	}
	return NULL;
}

/* Per second; an object that was not there before counts from now on. */
static double rate(const struct top *t, const json_t *o, const json_t *was, const char *key)
{
	double d = number(o, key) - number(was, key);

	return t->seconds > 0 && was != NULL && d > 0 ? d / t->seconds : 0;
}

/* --- sections ------------------------------------------------------------------------------ */

static void put_head(struct top *t)
{
	static const char *const none[] = {NULL};
	const json_t *p = json_array_get(json_object_get(t->now, "process"), 0);
	const json_t *was = earlier(t, "process", p, none);
	char flows[16], used[16], all[16];
	long up = (long)number(p, "uptime_s");

	put(t, CTL_BOLD,
		"weir %s   up %ldh%02ldm%02lds   generation %.0f   flows %s   CPU %.0f%%   buffers "
		"%s of %s%s",
		text_of(p, "version"), up / 3600, up % 3600 / 60, up % 60, number(p, "generation"),
		ctl_si(number(p, "flows"), flows), 100 * rate(t, p, was, "cpu_s"),
		ctl_si(number(p, "buffers_used"), used), ctl_si(number(p, "buffers"), all),
		number(p, "draining") > 0 ? "   DRAINING" : "");
	put(t, CTL_PLAIN, "%s", "");
}

static void put_workers(struct top *t)
{
	static const char *const labels[] = {"worker", NULL};
	json_t *w;
	size_t i;

	put(t, CTL_CYAN, "%-7s %-5s %-*s %6s %9s %9s %9s %10s", "WORKER", "CORE", BAR_LEN + 2,
		"BUSY", "", "RX/s", "TX/s", "HANDED/s", "FLOWS");
	json_array_foreach(json_object_get(t->now, "workers"), i, w)
	{
		const json_t *was = earlier(t, "workers", w, labels);
		double busy = rate(t, w, was, "busy_s"), idle = rate(t, w, was, "idle_s");
		double part = busy + idle > 0 ? busy / (busy + idle) : 0;
		char bar[BAR_LEN + 1], rx[16], tx[16], handed[16], flows[16];

		memset(bar, ' ', BAR_LEN);
		memset(bar, '|', (size_t)(part * BAR_LEN + 0.5));
		bar[BAR_LEN] = '\0';
		put(t, part > 0.9 ? CTL_RED : CTL_PLAIN, "%-7s %-5s [%s] %5.1f%% %9s %9s %9s %10s",
			text_of(w, "worker"), text_of(w, "core"), bar, 100 * part,
			ctl_si(rate(t, w, was, "rx"), rx), ctl_si(rate(t, w, was, "tx"), tx),
			ctl_si(rate(t, w, was, "handed_out"), handed),
			ctl_si(number(w, "flows") + number(w, "nat_flows"), flows));
	}
	put(t, CTL_PLAIN, "%s", "");
}

static void put_ports(struct top *t)
{
	static const char *const labels[] = {"port", NULL};
	json_t *p;
	size_t i;

	put(t, CTL_CYAN, "%-16s %-5s %9s %9s %9s %9s %9s", "PORT", "LINK", "RX/s", "RX bit/s",
		"TX/s", "TX bit/s", "MISSED/s");
	json_array_foreach(json_object_get(t->now, "ports"), i, p)
	{
		const json_t *was = earlier(t, "ports", p, labels);
		char rx[16], rxb[16], tx[16], txb[16], missed[16];
		bool up = number(p, "up") > 0;

		put(t, up ? CTL_PLAIN : CTL_RED, "%-16s %-5s %9s %9s %9s %9s %9s",
			text_of(p, "port"), up ? "up" : "down",
			ctl_si(rate(t, p, was, "rx_packets"), rx),
			ctl_si(8 * rate(t, p, was, "rx_bytes"), rxb),
			ctl_si(rate(t, p, was, "tx_packets"), tx),
			ctl_si(8 * rate(t, p, was, "tx_bytes"), txb),
			ctl_si(rate(t, p, was, "rx_missed"), missed));
	}
	put(t, CTL_PLAIN, "%s", "");
}

static void put_services(struct top *t)
{
	static const char *const labels[] = {"service", NULL}, *const names[] = {"listener", NULL};
	json_t *s;
	size_t i;

	put(t, CTL_CYAN, "%-32s %-9s %9s %9s %9s", "SERVICE, LISTENER", "UP", "ACTIVE", "NEW/s",
		"REFUSED/s");
	json_array_foreach(json_object_get(t->now, "services"), i, s)
	{
		const json_t *was = earlier(t, "services", s, labels);
		char up[32], active[16], fresh[16], refused[16];
		double no = 0;
		static const char *const refusals[] = {"denied", "conn_limited", "rate_limited",
			"no_backend", "table_full", "no_port"};

		for (size_t k = 0; k < ARRAY_SIZE(refusals); k++)
			no += rate(t, s, was, refusals[k]);
		snprintf(up, sizeof(up), "%.0f/%.0f", number(s, "backends_up"),
			number(s, "backends"));
		put(t, number(s, "backends_up") > 0 ? CTL_PLAIN : CTL_RED,
			"%-32.32s %-9s %9s %9s %9s", text_of(s, "service"), up,
			ctl_si(number(s, "active"), active),
			ctl_si(rate(t, s, was, "flows"), fresh), ctl_si(no, refused));
	}
	json_array_foreach(json_object_get(t->now, "listeners"), i, s)
	{
		const json_t *was = earlier(t, "listeners", s, names);
		char active[16], fresh[16], refused[16];

		put(t, CTL_PLAIN, "%-32.32s %-9s %9s %9s %9s", text_of(s, "listener"), "-",
			ctl_si(number(s, "active"), active),
			ctl_si(rate(t, s, was, "accepted"), fresh),
			ctl_si(rate(t, s, was, "over_limit") + rate(t, s, was, "no_backend") +
					rate(t, s, was, "failed"),
				refused));
	}
	put(t, CTL_PLAIN, "%s", "");
}

/* The largest first, by a number that stands in each row. */
static int by_weight(const void *a, const void *b)
{
	double x = number(*(json_t *const *)a, "_rate"), y = number(*(json_t *const *)b, "_rate");

	return x < y ? 1 : x > y ? -1 : 0;
}

static size_t sorted(
	struct top *t, const char *set, const char *const *labels, const char *key, json_t ***out)
{
	json_t *a = json_object_get(t->now, set), *o;
	json_t **rows = calloc(json_array_size(a) + 1, sizeof(json_t *));
	size_t i;

	*out = rows;
	if (rows == NULL)
		return 0;
	json_array_foreach(a, i, o)
	{
		json_object_set_new(
			o, "_rate", json_real(rate(t, o, earlier(t, set, o, labels), key)));
		rows[i] = o;
	}
	qsort(rows, json_array_size(a), sizeof(*rows), by_weight);
	return json_array_size(a);
}

/* Backends of services, of listeners, and servers of upstreams: where their figures stand. */
static const struct backend_set {
	const char *set, *labels[3], *fresh, *packets, *bytes[2];
} backend_sets[] = {
	{"backends", {"service", "backend", NULL}, "flows", "packets", {"bytes", "back_bytes"}},
	{"listener_backends", {"listener", "backend", NULL}, "connects", NULL,
		{"bytes_in", "bytes_out"}},
	{"upstream_servers", {"upstream", "server", NULL}, "requests", NULL,
		{"bytes_in", "bytes_out"}},
};

struct backend_row {
	const struct backend_set *set;
	const json_t *o, *was;
	double bits;
};

static int by_bits(const void *a, const void *b)
{
	const struct backend_row *x = a, *y = b;

	return x->bits < y->bits ? 1 : x->bits > y->bits ? -1 : 0;
}

static void put_backend(struct top *t, const struct backend_row *r)
{
	bool up = number(r->o, "up") > 0, drain = number(r->o, "draining") > 0;
	char where[160], active[16], fresh[16], packets[16] = "-", bits[16];

	snprintf(where, sizeof(where), "%s %s", text_of(r->o, r->set->labels[0]),
		text_of(r->o, r->set->labels[1]));
	if (r->set->packets != NULL)
		ctl_si(rate(t, r->o, r->was, r->set->packets), packets);
	put(t,
		up      ? CTL_PLAIN
		: drain ? CTL_YELLOW
			: CTL_RED,
		"%-40.40s %-6s %9s %9s %9s %9s", where,
		up      ? "up"
		: drain ? "drain"
			: "down",
		ctl_si(number(r->o, "active"), active),
		ctl_si(rate(t, r->o, r->was, r->set->fresh), fresh), packets,
		ctl_si(r->bits, bits));
}

static void put_backends(struct top *t)
{
	struct backend_row *rows;
	size_t room = 0, n = 0, i;
	json_t *o;

	for (size_t s = 0; s < ARRAY_SIZE(backend_sets); s++)
		room += json_array_size(json_object_get(t->now, backend_sets[s].set));
	rows = calloc(room + 1, sizeof(*rows));
	if (rows == NULL || room == 0) {
		free(rows);
		return;
	}
	for (size_t s = 0; s < ARRAY_SIZE(backend_sets); s++) {
		const struct backend_set *set = &backend_sets[s];

		json_array_foreach(json_object_get(t->now, set->set), i, o)
		{
			const json_t *was = earlier(t, set->set, o, set->labels);

			rows[n++] = (struct backend_row){set, o, was,
				8 * (rate(t, o, was, set->bytes[0]) +
					    rate(t, o, was, set->bytes[1]))};
		}
	}
	qsort(rows, n, sizeof(*rows), by_bits);
	put(t, CTL_CYAN, "%-40s %-6s %9s %9s %9s %9s", "BACKEND", "STATE", "ACTIVE", "NEW/s",
		"PACKETS/s", "bit/s");
	for (i = 0; i < n && i < 12; i++)
		put_backend(t, &rows[i]);
	put(t, CTL_PLAIN, "%s", "");
	free(rows);
}

/* The bound below which a part of the requests of this round lies; text for people. */
static const char *quantile(const json_t *o, const json_t *was, double part, char *out, size_t size)
{
	const json_t *now = json_object_get(json_object_get(o, "took"), "buckets");
	const json_t *old = json_object_get(json_object_get(was, "took"), "buckets");
	double all = 0, sum = 0;
	size_t n = json_array_size(now);

	for (size_t i = 0; i < n; i++)
		all += number(json_array_get(now, i), "count") -
		       number(json_array_get(old, i), "count");
	for (size_t i = 0; all > 0 && i < n; i++) {
		sum += number(json_array_get(now, i), "count") -
		       number(json_array_get(old, i), "count");
		if (sum < part * all)
			continue;
		if (i + 1 == n)
			snprintf(out, size, ">%g s", number(json_array_get(now, i - 1), "le"));
		else
			snprintf(out, size, "<%g ms", 1000 * number(json_array_get(now, i), "le"));
		return out;
	}
	return "-";
}

static void put_routes(struct top *t)
{
	static const char *const labels[] = {"route", NULL};
	json_t **rows;
	size_t n = sorted(t, "http_routes", labels, "requests", &rows);

	if (n > 0)
		put(t, CTL_CYAN, "%-40s %9s %9s %9s %9s %9s %9s", "HTTP ROUTE", "REQ/s", "4xx/s",
			"5xx/s", "MEDIAN", "99 %", "bit/s");
	for (size_t i = 0; i < n && i < 8; i++) {
		const json_t *was = earlier(t, "http_routes", rows[i], labels);
		double bad = rate(t, rows[i], was, "status_5xx");
		char all[16], wrong[16], failed[16], half[24], most[24], bits[16];

		put(t, bad > 0 ? CTL_YELLOW : CTL_PLAIN, "%-40.40s %9s %9s %9s %9s %9s %9s",
			text_of(rows[i], "route"), ctl_si(number(rows[i], "_rate"), all),
			ctl_si(rate(t, rows[i], was, "status_4xx"), wrong), ctl_si(bad, failed),
			quantile(rows[i], was, 0.5, half, sizeof(half)),
			quantile(rows[i], was, 0.99, most, sizeof(most)),
			ctl_si(8 * rate(t, rows[i], was, "body_out"), bits));
	}
	if (n > 0)
		put(t, CTL_PLAIN, "%s", "");
	free(rows);
}

static void put_reasons(struct top *t)
{
	static const char *const labels[] = {"reason", "worker", NULL};
	json_t **rows;
	size_t n = sorted(t, "reasons", labels, "packets", &rows), shown = 0;

	put(t, CTL_CYAN, "%-24s %-8s %-7s %9s %12s", "ENDED PACKETS", "CLASS", "WORKER", "NOW/s",
		"IN ALL");
	for (size_t i = 0; i < n && shown < 10; i++) {
		bool dropped = strcmp(text_of(rows[i], "class"), "dropped") == 0;
		char per_s[16];

		if (!dropped && number(rows[i], "_rate") <= 0)
			continue;
		shown++;
		put(t, dropped && number(rows[i], "_rate") > 0 ? CTL_YELLOW : CTL_PLAIN,
			"%-24s %-8s %-7s %9s %12.0f", text_of(rows[i], "reason"),
			text_of(rows[i], "class"), text_of(rows[i], "worker"),
			ctl_si(number(rows[i], "_rate"), per_s), number(rows[i], "packets"));
	}
	free(rows);
}

/* --- the loop ------------------------------------------------------------------------------ */

static double seconds_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void size_of_screen(struct top *t)
{
	struct winsize ws;

	t->width = 120;
	t->height = 0;
	if (t->screen && ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) == 0 && ws.ws_col > 20) {
		t->width = ws.ws_col;
		t->height = ws.ws_row;
	}
}

static void draw(struct top *t)
{
	size_of_screen(t);
	t->line = 0;
	if (t->screen)
		fputs("\033[H", t->c->out);
	put_head(t);
	put_workers(t);
	put_ports(t);
	put_services(t);
	put_routes(t);
	put_backends(t);
	put_reasons(t);
	if (t->screen)
		fputs("\033[J", t->c->out);
	fflush(t->c->out);
}

/* False when it is time to end. */
static bool wait_or_key(const struct top *t, double s)
{
	struct pollfd p = {.fd = t->screen ? STDIN_FILENO : -1, .events = POLLIN};
	char key;

	if (poll(&p, 1, (int)(s * 1000)) > 0 && read(STDIN_FILENO, &key, 1) == 1)
		return key != 'q' && key != 'Q' && key != 3;
	return !stopped;
}

static int loop(struct top *t, double pause_s, long rounds)
{
	double last = 0;
	int rc = CTL_OK;

	for (long i = 0; rc == CTL_OK && !stopped && (rounds == 0 || i < rounds + 1); i++) {
		double now;

		rc = ctl_ask(t->c, "GET", "/v1/metrics", NULL, &t->now);
		if (rc != CTL_OK)
			break;
		now = seconds_now();
		t->seconds = t->before != NULL ? now - last : 0;
		last = now;
		if (t->before != NULL || t->screen)
			draw(t);
		json_decref(t->before);
		t->before = t->now;
		t->now = NULL;
		if (rounds == 0 || i < rounds)
			if (!wait_or_key(t, pause_s))
				break;
	}
	json_decref(t->before);
	return rc;
}

static int live(struct top *t, double pause_s, long rounds)
{
	struct termios old, raw;
	bool tty = tcgetattr(STDIN_FILENO, &old) == 0;
	int rc;

	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	raw = old;
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	if (tty)
		tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	/* The other screen, without a cursor; and back, whatever happens in between. */
	fputs("\033[?1049h\033[?25l\033[2J", t->c->out);
	rc = loop(t, pause_s, rounds);
	fputs("\033[?25h\033[?1049l", t->c->out);
	fflush(t->c->out);
	if (tty)
		tcsetattr(STDIN_FILENO, TCSANOW, &old);
	return rc;
}

int cmd_top(struct ctl *c, char **argv, int argc)
{
	struct top t = {.c = c, .screen = isatty(fileno(c->out)) && isatty(STDIN_FILENO)};
	double pause_s = c->watch_s > 0 ? c->watch_s : 1;
	long rounds = c->count != NULL ? strtol(c->count, NULL, 10) : 0;

	(void)argv;
	(void)argc;
	if (c->json)
		return ctl_usage("top has no JSON: `weirctl stats -o json -w 1`");
	if (rounds < 0)
		return ctl_usage("-n: a number of rounds");
	if (t.screen)
		return live(&t, pause_s, rounds);
	return loop(&t, pause_s, rounds == 0 ? 1 : rounds);
}
