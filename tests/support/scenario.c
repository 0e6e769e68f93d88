/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/scenario.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static int refuse(const struct scenario *s, const char *file, unsigned line, const char *why)
{
	fprintf(stderr, "%s/%s:%u: %s\n", s->folder, file, line, why);
	return -EINVAL;
}

static FILE *file_open(const struct scenario *s, const char *file)
{
	char path[SCENARIO_PATH + 64];

	snprintf(path, sizeof(path), "%s/%s", s->folder, file);
	return fopen(path, "r");
}

static struct scenario_event *event_add(
	struct scenario *s, uint64_t time_ns, enum scenario_kind kind)
{
	struct scenario_event *e;

	if (s->event_cnt == SCENARIO_EVENTS)
		return NULL;
	e = &s->events[s->event_cnt++];
	memset(e, 0, sizeof(*e));
	e->time_ns = time_ns;
	e->kind = kind;
	return e;
}

static int pcaps_load(struct scenario *s, const char *what, struct pcap_file files[WIRE_PORTS])
{
	for (uint32_t p = 0; p < WIRE_PORTS; p++) {
		char path[SCENARIO_PATH + 64], name[32];
		int rc;

		snprintf(name, sizeof(name), "%s.p%u.pcap", what, p);
		snprintf(path, sizeof(path), "%s/%s", s->folder, name);
		rc = pcap_file_load(path, &files[p]);
		if (rc != 0 && rc != -ENOENT)
			return refuse(s, name, 0, strerror(-rc));
	}
	return 0;
}

static int frames_add(struct scenario *s)
{
	for (uint32_t p = 0; p < WIRE_PORTS; p++)
		for (size_t i = 0; i < s->send[p].packet_cnt; i++) {
			const struct pcap_packet *f = &s->send[p].packets[i];
			struct scenario_event *e = event_add(s, f->time_ns, EVENT_FRAME);

			if (e == NULL)
				return refuse(s, "send", 0, "too many frames");
			e->port = p;
			e->frame = f;
		}
	return 0;
}

static int step_parse(struct scenario *s, char *line, unsigned number)
{
	struct scenario_event *e;
	uint64_t sec, ns;
	char what[32], arg[80] = "";

	if (sscanf(line, "%" SCNu64 ".%9" SCNu64 " %31s %79[^\n]", &sec, &ns, what, arg) < 3)
		return refuse(s, "steps", number, "expected SECONDS.NNNNNNNNN WHAT");
	e = event_add(s, sec * UINT64_C(1000000000) + ns, EVENT_END);
	if (e == NULL)
		return refuse(s, "steps", number, "too many steps");
	if (strcmp(what, "reload") == 0 && arg[0] != 0) {
		e->kind = EVENT_RELOAD;
		snprintf(e->text, sizeof(e->text), "%s", arg);
	} else if (strcmp(what, "neighbour") == 0) {
		e->kind = EVENT_NEIGHBOUR;
		snprintf(e->text, sizeof(e->text), "%s", arg);
	} else if (strcmp(what, "drain") == 0) {
		e->kind = EVENT_DRAIN;
	} else if (strcmp(what, "segments") == 0 && atoi(arg) > 0) {
		e->kind = EVENT_SEGMENTS;
		e->value = (uint32_t)atoi(arg);
	} else if (strcmp(what, "end") != 0) {
		return refuse(s, "steps", number, "unknown step");
	}
	return 0;
}

static int counter_parse(struct scenario *s, char *line, unsigned number)
{
	struct scenario_counter *c = &s->counters[s->counter_cnt];
	char value[16];

	if (s->counter_cnt == SCENARIO_COUNTERS)
		return refuse(s, "counters", number, "too many counters");
	if (sscanf(line, "%63s %15s", c->name, value) != 2)
		return refuse(s, "counters", number, "expected NAME VALUE");
	c->any = strcmp(value, "any") == 0;
	if (!c->any && sscanf(value, "%" SCNd64, &c->value) != 1)
		return refuse(s, "counters", number, "expected NAME VALUE");
	s->counter_cnt++;
	return 0;
}

static int learned_parse(struct scenario *s, uint32_t port, const char *line, unsigned number)
{
	struct scenario_learned *l = &s->learned[s->learned_cnt];
	char mask[2 * SCENARIO_MASK_MAX + 1];

	if (s->learned_cnt == SCENARIO_LEARNED)
		return refuse(s, "learned", number, "too many lines");
	if (sscanf(line, "%zu %u %8[0-9a-f] %31s %u", &l->frame, &l->offset, mask, l->name,
		    &l->cksum) < 4 ||
		strlen(mask) % 2 != 0 || l->frame == 0)
		return refuse(s, "learned", number, "expected FRAME OFFSET MASK NAME [CHECKSUM]");
	l->frame--;
	l->port = port;
	l->len = (uint32_t)strlen(mask) / 2;
	if (l->frame >= s->expect[port].packet_cnt ||
		l->offset + l->len > s->expect[port].packets[l->frame].len)
		return refuse(s, "learned", number, "no such bytes in the expected frames");
	for (uint32_t i = 0; i < l->len; i++)
		sscanf(mask + 2 * i, "%2hhx", &l->mask[i]);
	s->learned_cnt++;
	return 0;
}

static int learned_load(struct scenario *s)
{
	int rc = 0;

	for (uint32_t p = 0; rc == 0 && p < WIRE_PORTS; p++) {
		char name[32], line[128];
		unsigned number = 0;
		FILE *f;

		snprintf(name, sizeof(name), "learned.p%u", p);
		f = file_open(s, name);
		while (rc == 0 && f != NULL && fgets(line, sizeof(line), f) != NULL)
			rc = learned_parse(s, p, line, ++number);
		if (f != NULL)
			fclose(f);
	}
	return rc;
}

static int lines_parse(struct scenario *s, const char *file,
	int (*parse)(struct scenario *s, char *line, unsigned number))
{
	FILE *f = file_open(s, file);
	unsigned number = 0;
	char line[256];
	int rc = 0;

	if (f == NULL)
		return refuse(s, file, 0, strerror(errno));
	while (rc == 0 && fgets(line, sizeof(line), f) != NULL) {
		number++;
		if (line[0] != '#' && line[0] != '\n')
			rc = parse(s, line, number);
	}
	fclose(f);
	return rc;
}

static int by_time(const void *pa, const void *pb)
{
	const struct scenario_event *a = pa, *b = pb;

	if (a->time_ns != b->time_ns)
		return a->time_ns < b->time_ns ? -1 : 1;
	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	return a->port != b->port ? (a->port < b->port ? -1 : 1)
				  : (a->frame < b->frame ? -1 : a->frame > b->frame);
}

/* A misspelled file name must not make a scenario expect less than it says. */
static int names_check(const struct scenario *s)
{
	struct dirent *d;
	DIR *dir = opendir(s->folder);
	int rc = 0;

	if (dir == NULL)
		return refuse(s, "", 0, strerror(errno));
	while (rc == 0 && (d = readdir(dir)) != NULL) {
		unsigned port;
		char tail;

		if (d->d_name[0] == '.' || strcmp(d->d_name, "counters") == 0 ||
			strcmp(d->d_name, "steps") == 0 ||
			(strncmp(d->d_name, "config", 6) == 0 && strstr(d->d_name, ".yaml")))
			continue;
		if ((sscanf(d->d_name, "send.p%u.pca%c", &port, &tail) == 2 ||
			    sscanf(d->d_name, "expect.p%u.pca%c", &port, &tail) == 2) &&
			tail == 'p' && port < WIRE_PORTS)
			continue;
		if (sscanf(d->d_name, "learned.p%u%c", &port, &tail) == 1 && port < WIRE_PORTS)
			continue;
		rc = refuse(s, d->d_name, 0, "no file of a scenario");
	}
	closedir(dir);
	return rc;
}

int scenario_load(const char *folder, struct scenario *out)
{
	int rc;

	memset(out, 0, sizeof(*out));
	snprintf(out->folder, sizeof(out->folder), "%s", folder);
	out->events = calloc(SCENARIO_EVENTS, sizeof(*out->events));
	if (out->events == NULL)
		return -ENOMEM;
	rc = names_check(out);
	if (rc == 0)
		rc = pcaps_load(out, "send", out->send);
	if (rc == 0)
		rc = pcaps_load(out, "expect", out->expect);
	if (rc == 0)
		rc = learned_load(out);
	if (rc == 0)
		rc = frames_add(out);
	if (rc == 0)
		rc = lines_parse(out, "steps", step_parse);
	if (rc == 0)
		rc = lines_parse(out, "counters", counter_parse);
	if (rc == 0) {
		qsort(out->events, out->event_cnt, sizeof(*out->events), by_time);
		if (out->event_cnt == 0 || out->events[out->event_cnt - 1].kind != EVENT_END)
			rc = refuse(out, "steps", 0, "the last step must be `end`");
	}
	if (rc != 0)
		scenario_free(out);
	return rc;
}

void scenario_free(struct scenario *s)
{
	for (uint32_t p = 0; p < WIRE_PORTS; p++) {
		pcap_file_free(&s->send[p]);
		pcap_file_free(&s->expect[p]);
	}
	free(s->events);
	memset(s, 0, sizeof(*s));
}
