/* SPDX-License-Identifier: Apache-2.0
 * kill -9 of the real program at random points under load, through the Redis protocol:
 *
 *	acknowledged  is a subset of  recovered  is a subset of  issued
 *
 *	resp_crash CLIENT_NETNS SERVER_NETNS ADDRESS STORE_DIR LOG ROUNDS SEED -- WEIR ARGUMENTS...
 *
 * Ports 6379, 6380 and 6381 of ADDRESS are listeners of the classes always, everysec and volatile.
 * The program under test is a child in SERVER_NETNS; the clients are sockets in CLIENT_NETNS.
 *
 * Lanes are connections that write one EXEC after the other with a number that grows, to a string,
 * a hash, a list, a set, a sorted set and a counter of one slot: after a crash all must show one
 * number, at least the last that was answered (unless the class is volatile) and at most the last
 * that was sent. Others run random commands (tests/support/linear_kv.h) whose history over all
 * rounds must be linearizable, what was under way at a crash having happened before it or never.
 *
 * What kill -9 leaves to the kernel a power failure loses: in every fourth round the newest log of
 * each shard is cut at random behind what it held when everything had been answered and only
 * everysec lanes went on. What is recovered then must be a prefix: nothing that was sent after an
 * answer may be there without what was answered. In every fifth round the program is told to stop
 * instead, which loses nothing of any class. */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "dataplane/base/rng.h"
#include "storage/slot.h"
#include "tests/support/linear_kv.h"

#define SHARDS   2
#define LANES    24
#define RANDOMS  12 /* clients of random commands */
#define GROUPS   8
#define WINDOW   1024
#define BATCH    32 /* list and set begin anew at its multiples */
#define BUF      (LKV_REQUEST + 4096)
#define START_MS 20000
#define CUT_LOGS 64

enum class { ALWAYS, EVERYSEC, VOLATILE, CLASSES };
static const char *const class_names[CLASSES] = {"always", "everysec", "volatile"};

struct link {
	int fd;
	size_t len;
	uint8_t in[BUF];
};

struct lane {
	struct link l;
	enum class class;
	uint32_t shard, at_mark;
	uint32_t issued, acked;
	bool waits, unsure;
	uint64_t issued_ns[WINDOW], acked_ns[WINDOW];
	char key[32];
};

struct random {
	struct link l;
	struct lkv_client k;
	enum class class;
	uint32_t entry;
	bool waits;
};

static struct lane lanes[LANES];
static struct random randoms[RANDOMS];
static struct lkv_log logs[CLASSES];
static uint64_t next_value = 1;
static struct rng rng;
static char **weir_argv;
static const char *server_netns, *store_dir, *log_path;
static struct sockaddr_in server;
static pid_t weir;
static struct {
	uint32_t kills, early, stops, cuts, lost, acked, unknown, refused;
} sum;

static void die(const char *fmt, ...) PRINTF_LIKE(1, 2) __attribute__((noreturn));
static void die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	printf("FAILED: ");
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	if (weir > 0)
		(void)kill(weir, SIGKILL);
	puts("0 passed, 1 failed, 0 skipped");
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void sleep_ms(uint64_t ms)
{
	struct timespec ts = {(time_t)(ms / 1000), (long)(ms % 1000) * 1000000};

	(void)nanosleep(&ts, NULL);
}

/* ---- the program ---- */

static void enter_netns(const char *name)
{
	char path[256];
	int fd;

	(void)snprintf(path, sizeof(path), "/var/run/netns/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET) != 0)
		die("namespace %s: %s", name, strerror(errno));
	(void)close(fd);
}

static void start(void)
{
	int fd = open(log_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0)
		die("%s: %s", log_path, strerror(errno));
	weir = fork();
	if (weir < 0)
		die("fork: %s", strerror(errno));
	if (weir != 0) {
		(void)close(fd);
		return;
	}
	enter_netns(server_netns);
	(void)dup2(fd, 1);
	(void)dup2(fd, 2);
	(void)execv(weir_argv[0], weir_argv);
	_exit(127);
}

static bool is_ready(void)
{
	static char text[1 << 16];
	int fd = open(log_path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);

	(void)close(fd);
	text[n > 0 ? n : 0] = '\0';
	return strstr(text, "msg=\"ready\"") != NULL;
}

/* False: max_ms are over. */
static bool await_ready(uint64_t max_ms)
{
	uint64_t end = now_ns() + max_ms * 1000000;

	while (!is_ready()) {
		if (waitpid(weir, NULL, WNOHANG) == weir) {
			weir = 0;
			die("weir ended by itself: see %s", log_path);
		}
		if (now_ns() > end)
			return false;
		sleep_ms(2);
	}
	return true;
}

static void end(int sig)
{
	int status = 0;

	(void)kill(weir, sig);
	if (waitpid(weir, &status, 0) != weir)
		die("waitpid: %s", strerror(errno));
	if (sig == SIGTERM && (!WIFEXITED(status) || WEXITSTATUS(status) != 0))
		die("told to stop, it ended with status %x", (unsigned)status);
	weir = 0;
}

/* ---- connections ---- */

static void link_open(struct link *l, enum class class)
{
	struct sockaddr_in a = server;
	int one = 1;
	uint64_t until = now_ns() + 5000000000u;

	a.sin_port = htons((uint16_t)(6379 + class));
	for (;;) {
		l->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		l->len = 0;
		if (l->fd < 0)
			die("socket: %s", strerror(errno));
		if (connect(l->fd, (struct sockaddr *)&a, sizeof(a)) == 0)
			break;
		(void)close(l->fd);
		if (now_ns() > until)
			die("connect: %s", strerror(errno));
		sleep_ms(5);
	}
	(void)setsockopt(l->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

static void link_close(struct link *l)
{
	struct linger hard = {1, 0};

	(void)setsockopt(l->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	(void)close(l->fd);
	l->fd = -1;
}

static void link_send(const struct link *l, const void *p, size_t n)
{
	size_t done = 0;

	while (done < n) {
		ssize_t k = send(l->fd, (const char *)p + done, n - done, MSG_NOSIGNAL);

		if (k <= 0)
			die("send: %s", strerror(errno));
		done += (size_t)k;
	}
}

/* What has come; false: the peer is gone. */
static bool link_take(struct link *l, int flags)
{
	ssize_t n = recv(l->fd, l->in + l->len, sizeof(l->in) - l->len, flags);

	if (n > 0)
		l->len += (size_t)n;
	return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

static void link_drop(struct link *l, size_t n)
{
	memmove(l->in, l->in + n, l->len - n);
	l->len -= n;
}

/* The length of the first reply; 0: it is not complete. */
static size_t reply_len(const uint8_t *p, size_t n)
{
	const uint8_t *nl = memchr(p, '\n', n);
	size_t at;
	long count;

	if (nl == NULL)
		return 0;
	at = (size_t)(nl - p) + 1;
	count = strtol((const char *)p + 1, NULL, 10);
	if (p[0] == '$' && count >= 0)
		return at + (size_t)count + 2 <= n ? at + (size_t)count + 2 : 0;
	if (p[0] != '*')
		return at;
	for (; count > 0; count--) {
		size_t len = at < n ? reply_len(p + at, n - at) : 0;

		if (len == 0)
			return 0;
		at += len;
	}
	return at;
}

/* A command in inline form and its reply, as text. */
static const char *ask(struct link *l, const char *fmt, ...) PRINTF_LIKE(2, 3);
static const char *ask(struct link *l, const char *fmt, ...)
{
	static char out[BUF];
	char cmd[512];
	va_list ap;
	size_t len;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(cmd, sizeof(cmd) - 2, fmt, ap);
	va_end(ap);
	memcpy(cmd + n, "\r\n", 2);
	link_send(l, cmd, (size_t)n + 2);
	while ((len = reply_len(l->in, l->len)) == 0)
		if (!link_take(l, 0))
			die("%s: the connection broke", cmd);
	memcpy(out, l->in, len);
	out[len] = '\0';
	link_drop(l, len);
	return out;
}

/* ---- lanes ---- */

static uint32_t first_of(uint32_t seq)
{
	return seq < BATCH ? 1 : seq - seq % BATCH;
}

static size_t bulk(char *out, const char *fmt, uint32_t v)
{
	char text[64];
	int n = snprintf(text, sizeof(text), fmt, v);

	return (size_t)sprintf(out, "$%d\r\n%s\r\n", n, text);
}

/* Values of a lane are long sometimes, so that they go into blob files. */
static void lane_value(uint32_t seq, char out[8300])
{
	int n = sprintf(out, "v%u", seq);
	int len = seq % 11 == 0 ? 8200 : n;

	memset(out + n, 'a' + (int)(seq % 26), (size_t)(len - n));
	out[len] = '\0';
}

static void lane_send(struct lane *l)
{
	static char buf[BUF];
	static char value[8300];
	uint32_t seq = l->issued + 1;
	const char *k = l->key;
	size_t n = 0;

	lane_value(seq, value);
	n += (size_t)sprintf(buf, "multi\r\n");
	if (seq % BATCH == 0)
		n += (size_t)sprintf(buf + n, "del %s:l %s:t\r\n", k, k);
	n += (size_t)sprintf(buf + n,
		"set %s:s %s\r\nhset %s:h f %u\r\nrpush %s:l %u\r\nsadd %s:t %u\r\n"
		"zadd %s:z %u m\r\nincr %s:n\r\nexec\r\n",
		k, value, k, seq, k, seq, k, seq, k, seq, k);
	l->issued = seq;
	l->waits = true;
	l->issued_ns[seq % WINDOW] = now_ns();
	link_send(&l->l, buf, n);
}

/* MULTI's OK, QUEUED for each command, and the array. */
static void lane_take(struct lane *l)
{
	uint32_t replies = l->issued % BATCH == 0 ? 9 : 8;
	size_t at = 0, len = 0;

	for (uint32_t i = 0; i < replies; i++) {
		at += len;
		len = at < l->l.len ? reply_len(l->l.in + at, l->l.len - at) : 0;
		if (len == 0)
			return;
	}
	l->waits = false;
	if (l->l.in[at] == '*' && memchr(l->l.in + at, '-', len) == NULL) {
		l->acked = l->issued;
		l->acked_ns[l->acked % WINDOW] = now_ns();
		sum.acked++;
	} else if (memmem(l->l.in + at, len, "not done", 8) != NULL) {
		l->issued--;
		sum.refused++;
	} else if (memmem(l->l.in + at, len, "outcome unknown", 15) != NULL) {
		l->unsure = true;
		sum.unknown++;
	} else {
		die("%s: %.*s", l->key, (int)len, (char *)l->l.in + at);
	}
	link_drop(&l->l, at + len);
}

static void expect(struct lane *l, const char *what, const char *got, const char *want)
{
	if (strcmp(got, want) != 0)
		die("%s %s: %s: %.200s instead of %.200s", class_names[l->class], l->key, what, got,
			want);
}

/* Everything that the lane's transaction number seq left. */
static void lane_compare(struct lane *l, uint32_t seq)
{
	static char want[BUF], value[8300];
	const char *k = l->key;
	uint32_t from = first_of(seq);
	size_t n;

	lane_value(seq, value);
	n = (size_t)sprintf(want, "$%zu\r\n%s\r\n", strlen(value), value);
	expect(l, "string", ask(&l->l, "get %s:s", k), want);
	bulk(want, "%u", seq);
	expect(l, "hash", ask(&l->l, "hget %s:h f", k), want);
	expect(l, "counter", ask(&l->l, "get %s:n", k), want);
	expect(l, "sorted set", ask(&l->l, "zscore %s:z m", k), want);
	n = (size_t)sprintf(want, "*%u\r\n", seq - from + 1);
	for (uint32_t i = from; i <= seq; i++)
		n += bulk(want + n, "%u", i);
	expect(l, "list", ask(&l->l, "lrange %s:l 0 -1", k), want);
	sprintf(want, ":%u\r\n", seq - from + 1);
	expect(l, "set", ask(&l->l, "scard %s:t", k), want);
	expect(l, "set", ask(&l->l, "sismember %s:t %u", k, seq), ":1\r\n");
}

/* The number that was recovered. min: at least that must be. */
static uint32_t lane_recovered(struct lane *l, uint32_t min)
{
	const char *got = ask(&l->l, "hget %s:h f", l->key);
	uint32_t seq = 0;

	if (got[1] != '-')
		seq = (uint32_t)strtoul(strchr(got, '\n') + 1, NULL, 10);
	if (seq < min)
		die("%s %s: %u recovered, %u acknowledged", class_names[l->class], l->key, seq,
			min);
	if (seq > l->issued)
		die("%s %s: %u recovered, only %u sent", class_names[l->class], l->key, seq,
			l->issued);
	if (seq > 0)
		lane_compare(l, seq);
	else
		expect(l, "nothing",
			ask(&l->l, "exists %s:s %s:l %s:t %s:z %s:n", l->key, l->key, l->key,
				l->key, l->key),
			":0\r\n");
	return seq;
}

/* b was sent after a was answered: then it cannot have been recovered without a. */
static void check_prefix(const struct lane *a, uint32_t a_seq, const struct lane *b, uint32_t b_seq)
{
	uint32_t next = a_seq + 1;

	if (a->shard != b->shard || next > a->acked || b_seq == 0 || b_seq <= b->at_mark ||
		a->acked - next >= WINDOW || b->issued - b_seq >= WINDOW)
		return;
	if (b->issued_ns[b_seq % WINDOW] > a->acked_ns[next % WINDOW])
		die("no prefix: %s has %u, which was sent after %u of %s was answered, and that is "
		    "gone",
			b->key, b_seq, next, a->key);
}

/* ---- random commands ---- */

static void random_send(struct random *r)
{
	static char buf[LKV_REQUEST];
	struct lkv_op op;
	size_t n;

	lkv_make(&op, &r->k, GROUPS, &rng, &next_value);
	n = lkv_write(&op, "r", buf);
	r->entry = lkv_log_call(&logs[r->class], &op, now_ns());
	r->waits = true;
	link_send(&r->l, buf, n);
}

static void random_take(struct random *r)
{
	struct lkv_op *op = &logs[r->class].e[r->entry].op;
	size_t used = 0;
	enum lkv_answer a = lkv_read(op, r->l.in, r->l.len, &used);

	if (a == LKV_MORE)
		return;
	if (a == LKV_STRANGE)
		die("random command: %.*s", (int)(r->l.len < 200 ? r->l.len : 200),
			(char *)r->l.in);
	link_drop(&r->l, used);
	r->waits = false;
	if (a != LKV_DONE)
		r->k.watched = 0;
	lkv_log_end(&logs[r->class], r->entry, a, now_ns());
}

/* ---- rounds ---- */

/* Load until `end`; then, without new requests, until all are answered if settle. */
static void load(uint64_t end_ns, uint32_t classes, bool settle)
{
	struct pollfd p[LANES + RANDOMS];
	uint32_t n = LANES + RANDOMS;

	for (;;) {
		bool more = now_ns() < end_ns, waits = false;

		for (uint32_t i = 0; i < LANES; i++) {
			struct lane *l = &lanes[i];

			if (more && !l->waits && !l->unsure && (classes >> l->class & 1) != 0)
				lane_send(l);
			waits |= l->waits;
			p[i] = (struct pollfd){l->l.fd, POLLIN, 0};
		}
		for (uint32_t i = 0; i < RANDOMS; i++) {
			if (more && !randoms[i].waits && classes == 7)
				random_send(&randoms[i]);
			waits |= randoms[i].waits;
			p[LANES + i] = (struct pollfd){randoms[i].l.fd, POLLIN, 0};
		}
		if (!more && !(settle && waits))
			return;
		if (poll(p, n, 2) <= 0)
			continue;
		for (uint32_t i = 0; i < n; i++) {
			struct link *l = i < LANES ? &lanes[i].l : &randoms[i - LANES].l;

			if ((p[i].revents & (POLLIN | POLLHUP | POLLERR)) == 0)
				continue;
			if (!link_take(l, MSG_DONTWAIT))
				die("a connection broke while the program runs: see %s", log_path);
			if (i < LANES && lanes[i].waits)
				lane_take(&lanes[i]);
			else if (i >= LANES && randoms[i - LANES].waits)
				random_take(&randoms[i - LANES]);
		}
	}
}

static void connect_all(void)
{
	for (uint32_t i = 0; i < LANES; i++)
		link_open(&lanes[i].l, lanes[i].class);
	for (uint32_t i = 0; i < RANDOMS; i++)
		link_open(&randoms[i].l, randoms[i].class);
}

/* What was under way has happened by now or never will. */
static void disconnect_all(uint64_t dead_ns)
{
	for (uint32_t i = 0; i < LANES; i++) {
		link_close(&lanes[i].l);
		lanes[i].waits = lanes[i].unsure = false;
	}
	for (uint32_t i = 0; i < RANDOMS; i++) {
		struct random *r = &randoms[i];

		link_close(&r->l);
		if (r->waits) {
			lkv_log_end(&logs[r->class], r->entry, LKV_MORE, dead_ns);
			sum.unknown++;
		}
		r->waits = false;
		r->k.watched = 0;
	}
}

struct log_file {
	char path[512];
	off_t size;
};

/* The newest log of each shard. */
static uint32_t newest_logs(struct log_file out[CUT_LOGS])
{
	DIR *d = opendir(store_dir);
	struct dirent *e;
	uint32_t n = 0;

	while (d != NULL && (e = readdir(d)) != NULL && n < CUT_LOGS) {
		char dir[256];
		struct dirent *f;
		struct stat st;
		DIR *s;
		bool any = false;

		if (e->d_name[0] != 'g')
			continue;
		(void)snprintf(dir, sizeof(dir), "%s/%.32s", store_dir, e->d_name);
		s = opendir(dir);
		while (s != NULL && (f = readdir(s)) != NULL) {
			char path[512];

			if (strstr(f->d_name, ".log") == NULL)
				continue;
			(void)snprintf(path, sizeof(path), "%s/%.64s", dir, f->d_name);
			if (!any || strcmp(path, out[n].path) > 0)
				(void)snprintf(out[n].path, sizeof(out[n].path), "%s", path);
			any = true;
		}
		if (s != NULL)
			(void)closedir(s);
		if (any && stat(out[n].path, &st) == 0)
			out[n++].size = st.st_size;
	}
	if (d != NULL)
		(void)closedir(d);
	return n;
}

static void cut_logs(const struct log_file *marks, uint32_t mark_cnt)
{
	static struct log_file now[CUT_LOGS];
	uint32_t n = newest_logs(now);

	for (uint32_t i = 0; i < n; i++) {
		off_t least = 0, to;

		for (uint32_t k = 0; k < mark_cnt; k++)
			if (strcmp(marks[k].path, now[i].path) == 0)
				least = marks[k].size;
		to = least + (off_t)rng_below(&rng, (uint64_t)(now[i].size - least) + 1);
		if (truncate(now[i].path, to) != 0)
			die("%s: %s", now[i].path, strerror(errno));
		sum.cuts++;
	}
}

/* Compares all lanes with what must be there, and goes on from there. */
static void compare(bool orderly, bool cut)
{
	uint32_t seqs[LANES];

	for (uint32_t i = 0; i < LANES; i++) {
		struct lane *l = &lanes[i];
		uint32_t min = l->acked;

		if (l->class == VOLATILE && !orderly)
			min = 0;
		if (l->class == EVERYSEC && cut)
			min = l->at_mark;
		seqs[i] = lane_recovered(l, min);
	}
	for (uint32_t i = 0; i < LANES && cut; i++)
		for (uint32_t k = 0; k < LANES; k++)
			if (lanes[i].class == EVERYSEC && lanes[k].class == EVERYSEC)
				check_prefix(&lanes[i], seqs[i], &lanes[k], seqs[k]);
	for (uint32_t i = 0; i < LANES; i++) {
		sum.lost += seqs[i] < lanes[i].acked ? lanes[i].acked - seqs[i] : 0;
		lanes[i].issued = lanes[i].acked = lanes[i].at_mark = seqs[i];
	}
}

static void mark_lanes(void)
{
	for (uint32_t i = 0; i < LANES; i++)
		lanes[i].at_mark = lanes[i].acked;
}

static void round_of(uint32_t round)
{
	static struct log_file marks[CUT_LOGS];
	bool cut = round % 4 == 3, orderly = round % 5 == 4 && !cut;
	uint32_t mark_cnt = 0;

	connect_all();
	load(now_ns() + (1 + rng_below(&rng, 300)) * 1000000, 7, cut || orderly);
	if (cut) {
		mark_cnt = newest_logs(marks);
		mark_lanes();
		load(now_ns() + (1 + rng_below(&rng, 400)) * 1000000, 1 << EVERYSEC, false);
	}
	end(orderly ? SIGTERM : SIGKILL);
	disconnect_all(now_ns());
	sum.kills += !orderly;
	sum.stops += orderly;
	if (cut)
		cut_logs(marks, mark_cnt);
	start();
	/* A crash of the recovery itself. */
	while (rng_below(&rng, 4) == 0) {
		if (await_ready(rng_below(&rng, 700)))
			break;
		end(SIGKILL);
		sum.early++;
		start();
	}
	if (!await_ready(START_MS))
		die("weir does not start: see %s", log_path);
	connect_all();
	compare(orderly, cut);
	for (uint32_t i = 0; i < LANES; i++)
		link_close(&lanes[i].l);
	for (uint32_t i = 0; i < RANDOMS; i++)
		link_close(&randoms[i].l);
}

static void check_histories(void)
{
	for (uint32_t c = 0; c < CLASSES; c++) {
		struct lkv_result r;

		if (logs[c].cnt == 0)
			continue;
		lkv_check(&logs[c], 1, GROUPS, LKV_EACH_KEY, stdout, &r);
		printf("%s: %u random operations, %u transactions aborted, %u unknown, %u not "
		       "done: "
		       "%s\n",
			class_names[c], r.ops, r.aborted, r.unknown, r.refused,
			r.bad + r.undecided == 0 ? "linearizable" : "NOT LINEARIZABLE");
		if (r.bad + r.undecided > 0)
			die("%s: the history is not linearizable", class_names[c]);
		if (r.ops < 100)
			die("%s: hardly anything happened", class_names[c]);
	}
}

static void make_clients(void)
{
	for (uint32_t i = 0; i < LANES; i++) {
		struct lane *l = &lanes[i];

		l->class = i % CLASSES;
		(void)snprintf(l->key, sizeof(l->key), "{lane%u}", i);
		l->shard = (uint32_t)slot_of_key(l->key, strlen(l->key)) * SHARDS / STORE_SLOTS;
	}
	for (uint32_t i = 0; i < RANDOMS; i++) {
		randoms[i].class = i % VOLATILE;
		randoms[i].k.id = i;
	}
}

int main(int argc, char **argv)
{
	uint32_t rounds;
	uint64_t seed;

	if (argc < 10 || strcmp(argv[8], "--") != 0) {
		fprintf(stderr,
			"usage: %s CLIENT_NETNS SERVER_NETNS ADDRESS STORE_DIR LOG ROUNDS "
			"SEED -- WEIR ARGUMENTS...\n",
			argv[0]);
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	server_netns = argv[2];
	store_dir = argv[4];
	log_path = argv[5];
	rounds = (uint32_t)atoi(argv[6]);
	seed = strtoull(argv[7], NULL, 10);
	weir_argv = argv + 9;
	server.sin_family = AF_INET;
	(void)inet_pton(AF_INET, argv[3], &server.sin_addr);
	printf("seed %llu\n", (unsigned long long)seed);
	rng_seed(&rng, seed);
	enter_netns(argv[1]);
	make_clients();
	start();
	if (!await_ready(START_MS))
		die("weir does not start: see %s", log_path);
	for (uint32_t i = 0; i < rounds; i++)
		round_of(i);
	end(SIGTERM);
	check_histories();
	printf("%u kills under load, %u while it started, %u orderly stops, %u logs cut; %u "
	       "transactions acknowledged, %u of them lost by classes that may, %u unknown, %u not "
	       "done\n",
		sum.kills, sum.early, sum.stops, sum.cuts, sum.acked, sum.lost, sum.unknown,
		sum.refused);
	if (sum.acked < rounds * 50)
		die("hardly anything happened");
	puts("1 passed, 0 failed, 0 skipped");
	return 0;
}
