/* SPDX-License-Identifier: Apache-2.0
 * Captures: started by one request, read by others until they are done. What is read holds packets
 * of clients, so over HTTP even reading needs the token. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/time.h"
#include "dataplane/net/hdr.h"
#include "lb/api/api_pvt.h"
#include "lb/capture/capture.h"

#define SNAP_DEFAULT    262
#define SECONDS_DEFAULT 60

static int read_ask(const struct admin_call *c, struct capture_ask *ask)
{
	const char *dir = admin_text(c, "direction");
	uint64_t snap = SNAP_DEFAULT;
	int rc;

	*ask = (struct capture_ask){.filter = admin_text(c, "filter"),
		.count = CAPTURE_COUNT_MAX,
		.seconds = SECONDS_DEFAULT,
		.in = true,
		.flows = json_is_true(json_object_get(c->in, "flows"))};
	if (ask->filter == NULL)
		ask->filter = "";
	rc = admin_number(c, "count", 1, CAPTURE_COUNT_MAX, &ask->count);
	if (rc >= 0)
		rc = admin_number(c, "seconds", 1, CAPTURE_SECONDS_MAX, &ask->seconds);
	if (rc >= 0)
		rc = admin_number(c, "snap", 14, TAP_SNAP_MAX, &snap);
	if (rc < 0)
		return rc;
	ask->snap = (uint32_t)snap;
	if (dir != NULL && strcmp(dir, "in") != 0 && strcmp(dir, "out") != 0 &&
		strcmp(dir, "both") != 0)
		return admin_fail(c, -EINVAL, "direction: in, out or both");
	ask->in = dir == NULL || strcmp(dir, "out") != 0;
	ask->out = dir != NULL && strcmp(dir, "in") != 0;
	return 0;
}

static void say_state(const struct capture *cap, json_t *out)
{
	json_object_set_new(out, "id", json_integer((json_int_t)cap->id));
	json_object_set_new(out, "running", json_boolean(!cap->stopping));
	json_object_set_new(out, "packets", json_integer((json_int_t)cap->taken));
	json_object_set_new(out, "dropped", json_integer((json_int_t)capture_dropped(cap)));
}

/* Is nothing left to read? */
static bool drained(const struct capture *cap)
{
	return capture_stopped(cap) && !capture_waiting(cap);
}

static int refuse(const struct admin_call *c, int rc, const char *why)
{
	return admin_fail(c, rc, "%s%s", rc == -EINVAL ? "filter: " : "",
		rc == -EINVAL ? why : strerror(-rc));
}

static int capture_dry(const struct admin_call *c, const struct capture_ask *ask)
{
	char why[256];
	int rc = capture_check(ask->filter, why);

	if (rc != 0)
		return refuse(c, rc, why);
	json_object_set_new(c->out, "count", json_integer((json_int_t)ask->count));
	json_object_set_new(c->out, "seconds", json_integer((json_int_t)ask->seconds));
	json_object_set_new(c->out, "snap", json_integer(ask->snap));
	return 0;
}

int api_post_capture(void *ctx, struct admin_call *c)
{
	struct api *api = ctx;
	struct capture_ask ask;
	char why[256];
	int rc = read_ask(c, &ask);

	if (rc != 0)
		return rc;
	if (api->capture != NULL && (!capture_stopped(api->capture) || !api->capture->stopping))
		return admin_fail(c, -EBUSY, "another capture is running");
	if (admin_dry_run(c))
		return capture_dry(c, &ask);
	if (api->capture != NULL)
		capture_free(api->capture);
	rc = capture_start(api->app, &ask, ++api->capture_id, clock_now_ns(), why, &api->capture);
	if (rc != 0)
		return refuse(c, rc, why);
	say_state(api->capture, c->out);
	return 0;
}

static struct capture *find(struct api *api, const struct admin_call *c)
{
	if (api->capture == NULL || strtoull(c->arg, NULL, 10) != api->capture->id)
		return NULL;
	api->capture->asked_ns = clock_now_ns();
	return api->capture;
}

static const char *dir_name(uint8_t dir)
{
	static const char *const names[] = {"in", "handed", "out"};

	return names[dir];
}

static void set_headers(const struct tap_record *r, json_t *o)
{
	struct pkt_meta m;
	char flags[10];
	size_t n = 0;

	if (pkt_parse(r->bytes, r->cap_len, r->len, true, &m) != REASON_NONE || m.ip_ver == 0)
		return;
	api_set_endpoint(o, "source", &m.src, m.sport);
	api_set_endpoint(o, "destination", &m.dst, m.dport);
	json_object_set_new(o, "protocol", json_integer(m.proto));
	for (unsigned b = 0; m.proto == 6 && b < 8; b++)
		if (m.tcp_flags & (1u << b))
			flags[n++] = "FSRPAUEC"[b];
	flags[n] = '\0';
	json_object_set_new(o, "flags", json_string(flags));
}

static json_t *event(const struct capture *cap, const struct tap_record *r)
{
	char verdict[256];
	json_t *o = json_object();

	capture_verdict(cap->app, r, verdict, sizeof(verdict));
	json_object_set_new(o, "time_ns",
		json_integer((json_int_t)((int64_t)r->time_ns + cap->wall_offset_ns)));
	json_object_set_new(o, "worker", json_integer(r->worker));
	json_object_set_new(o, "direction", json_string(dir_name(r->dir)));
	json_object_set_new(o, "port", json_string(cap->app->ports[r->port].name));
	json_object_set_new(o, "length", json_integer(r->len));
	set_headers(r, o);
	json_object_set_new(o, "verdict", json_string(verdict));
	if (r->end == TAP_END_REASON)
		json_object_set_new(o, "reason", json_string(reason_name((enum reason)r->reason)));
	if (r->tracked) {
		json_object_set_new(o, "flow", api_flow_json(cap->app, &r->flow, r->worker));
		json_object_set_new(o, "new_flow", json_boolean(r->made));
	}
	return o;
}

/* The state, and what waits as events. */
int api_get_capture(void *ctx, struct admin_call *c)
{
	struct capture *cap = find(ctx, c);
	json_t *events = json_array();
	struct tap_record *r;
	uint32_t worker;

	if (cap == NULL) {
		json_decref(events);
		return admin_fail(c, -ENOENT, "no such capture");
	}
	if (admin_query(c, "events") != NULL)
		for (uint32_t n = 0; n < CAPTURE_BATCH && (r = capture_take(cap, &worker)) != NULL;
			n++) {
			json_array_append_new(events, event(cap, r));
			capture_give(cap, worker, r);
		}
	capture_run(cap, clock_now_ns());
	say_state(cap, c->out);
	json_object_set_new(c->out, "done", json_boolean(drained(cap)));
	return json_object_set_new(c->out, "events", events) == 0 ? 0 : -ENOMEM;
}

/* What waits, as pcapng; answers put together are one file. */
int api_get_capture_file(void *ctx, struct admin_call *c)
{
	struct capture *cap = find(ctx, c);
	FILE *out;

	if (cap == NULL)
		return admin_fail(c, -ENOENT, "no such capture");
	out = open_memstream(&c->text, &c->text_len);
	if (out == NULL)
		return -ENOMEM;
	capture_write(cap, out);
	c->content_type = "application/x-pcapng";
	capture_run(cap, clock_now_ns());
	return fclose(out) == 0 ? 0 : -ENOMEM;
}

int api_delete_capture(void *ctx, struct admin_call *c)
{
	struct capture *cap = find(ctx, c);

	if (cap == NULL)
		return admin_fail(c, -ENOENT, "no such capture");
	if (!admin_dry_run(c))
		capture_stop(cap);
	say_state(cap, c->out);
	return 0;
}

void api_run(struct api *api, uint64_t now_ns)
{
	if (api->capture == NULL)
		return;
	capture_run(api->capture, now_ns);
	if (api->capture->stopping && capture_stopped(api->capture) &&
		now_ns - api->capture->asked_ns > CAPTURE_IDLE_NS) {
		capture_free(api->capture);
		api->capture = NULL;
	}
}

void api_fini(struct api *api)
{
	if (api->capture == NULL)
		return;
	capture_stop(api->capture);
	if (capture_stopped(api->capture))
		capture_free(api->capture);
	api->capture = NULL;
}

const struct admin_param api_capture_params[] = {
	{"filter", "body", "string", "of pcap-filter(7); everything unless given", false},
	{"count", "body", "integer", "at most so many packets", false},
	{"seconds", "body", "integer", "at most so long; 60 unless given", false},
	{"snap", "body", "integer", "bytes of each packet; 262 unless given", false},
	{"direction", "body", "string", "in, out or both; in unless given", false},
	{"flows", "body", "boolean", "say which flow each packet belongs to", false},
	{NULL, NULL, NULL, NULL, false},
};
const struct admin_param api_capture_end_params[] = {
	{"id", "path", "integer", "as the start of the capture said", true},
	{NULL, NULL, NULL, NULL, false},
};
const struct admin_param api_capture_id_params[] = {
	{"id", "path", "integer", "as the start of the capture said", true},
	{"events", "query", "boolean", "take what waits as events", false},
	{NULL, NULL, NULL, NULL, false},
};
