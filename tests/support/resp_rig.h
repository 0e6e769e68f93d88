/* SPDX-License-Identifier: Apache-2.0
 * resp_rig - the Redis protocol on a real store without TCP: bytes in, bytes out. The connections'
 * code is the program's; what it asks of TCP and of layer 7 is played by the rig. */
#ifndef TESTS_SUPPORT_RESP_RIG_H
#define TESTS_SUPPORT_RESP_RIG_H

#include "lb/config/config.h"
#include "lb/kvs/kvs.h"
#include "tests/support/store_util.h"

#define RIG_WORKERS 4

struct rig_conn {
	struct rig *rig;
	void *l7; /* struct l7_conn */
	uint8_t *out;
	size_t out_len, out_cap;
	size_t room; /* bytes that the peer takes; SIZE_MAX: any */
	bool blocked, closed;
	void *user;
};

struct rig_params {
	uint32_t workers, shards;
	uint64_t cache_bytes;
	int ns; /* of enum NS_* */
	const char *password;
	const char *const *users;
	uint32_t user_cnt, pipeline_max;
	uint64_t bulk_max, request_bytes;
};

struct rig {
	struct test_store store;
	struct kvs *kvs;
	struct config cfg;
	struct config_listener listener;
	struct acl_user *acl;
	void *l7[RIG_WORKERS];
	int wake_fd; /* readable when the store has answered */
	uint32_t workers;
};

/* Exits when the store does not open. */
struct rig *rig_open(const struct rig_params *p);
void rig_close(struct rig *r);
struct rig_conn *rig_connect(struct rig *r, uint32_t worker);
void rig_disconnect(struct rig_conn *c);
/* What the client sends, in one segment. */
void rig_feed(struct rig_conn *c, const void *data, size_t n);
void rig_eof(struct rig_conn *c);
/* A configuration without the listener is in force; how many connections hold one. */
void rig_remove(struct rig *r);
uint32_t rig_pins(const struct rig *r);
/* The process is to stop; and time passes, for the connections' timers alone. */
void rig_drain(struct rig *r);
void rig_pass(struct rig *r, uint64_t ns);
/* The peer takes n bytes more. */
void rig_take(struct rig_conn *c, size_t n);
/* One turn of each worker; returns how much was done. */
uint32_t rig_turn(struct rig *r);
/* Of one worker, on its own thread. */
uint32_t rig_turn_one(struct rig *r, uint32_t worker);
/* Turns until nothing is under way. */
void rig_settle(struct rig *r);
/* Sends a command line (inline syntax), waits, and returns the reply as text, to be freed. */
char *rig_ask(struct rig_conn *c, const char *line);

#endif
