/* SPDX-License-Identifier: Apache-2.0
 * resp_pvt - connections, and requests under way. */
#ifndef LB_L7_RESP_RESP_PVT_H
#define LB_L7_RESP_RESP_PVT_H

#include "dataplane/base/list.h"
#include "dataplane/base/pool.h"
#include "lb/config/config.h"
#include "lb/l7/resp/command.h"
#include "lb/l7/resp/resp.h"
#include "lb/l7/worker_pvt.h"

#define RESP_JOBS     16384 /* requests under way of one worker */
#define RESP_OUT      65536
#define RESP_SLOW_LOG 128
#define RESP_SLOW_ARG 128
#define RESP_NAME     64
#define RESP_QUEUED   4096 /* commands of one MULTI */

/* What a turn of the worker takes on, so that nobody's pipeline holds up the others; the rest waits
 * for the next turn, in its order. A unit is a GET from the memory cache, about 0.1 us. One command
 * is never divided. */
#define RESP_TURN       512
#define RESP_COST       8    /* of any other command */
#define RESP_COST_BYTES 1024 /* read or replied, for one unit more */

/* A request that waits for the store, or whose reply waits for those before it. */
struct resp_job {
	struct list_node node; /* of the connection, in order */
	struct resp_conn *c;   /* NULL: the connection is gone */
	struct resp_worker *w;
	const struct resp_cmd *cmd;
	struct resp_args args;
	struct reply out;
	struct kvs_tx *tx;
	uint64_t start_ns;
	uint64_t seq; /* of its connection, 1 and up */
	bool done, started;
	bool putting; /* kvs_put_alone() has it; the arguments are there */
	/* Done, and the reply is OK, the codec's error or one of the store; it does not stand in
	 * `out`, for which there may be no memory. */
	bool ok, bad;
	int err;
	/* of EXEC */
	struct resp_queued *queued;
	struct resp_watch *watched;
	struct mem_arena arena;
	struct resp_queued *at;
	uint32_t queued_cnt;
	uint64_t settle; /* length of the reply up to `at` */
};

/* A command of MULTI. */
struct resp_queued {
	struct resp_queued *next;
	const struct resp_cmd *cmd;
	struct resp_args args;
};

/* Which keys the reads of a connection are about that have not been answered, as bits of a hash:
 * those of jobs below `split` and those from it on. Some may stand there that are gone already. */
#define RESP_READ_BITS 256
struct resp_reads {
	uint64_t old[RESP_READ_BITS / 64], now[RESP_READ_BITS / 64], split;
};

struct resp_watch {
	struct resp_watch *next;
	const uint8_t *key;
	uint32_t len;
	uint64_t version;
};

struct resp_conn {
	struct l7_conn *c;
	struct resp_worker *w;
	const struct config_listener *cfg; /* as of the newest configuration that has it */
	void *sites_ref;                   /* what that lives by */
	struct resp_codec codec;
	struct list_node jobs, dirty;
	struct list_node all;
	uint32_t job_cnt;
	uint64_t job_seq;
	struct resp_reads reads;
	struct resp_job *barrier; /* nothing is read until it is done */
	uint8_t *backlog;         /* what TCP did not take */
	uint64_t backlog_len, backlog_at;
	uint64_t id, born_ns, last_ns;
	const struct acl_user *user; /* NULL: not authenticated */
	char user_name[ACL_NAME], name[RESP_NAME], lib_name[RESP_NAME], lib_ver[RESP_NAME];
	const struct resp_cmd *last;
	uint8_t proto, ns;
	bool closing, in_multi, multi_bad;
	/* It is closed as soon as it is idle, and then at the latest; 0: it stays. */
	uint64_t leave_ns;
	struct mem_arena multi;
	struct resp_queued *queued, **queued_tail;
	uint32_t queued_cnt;
	struct mem_arena watch;
	struct resp_watch *watched;
};

struct resp_slow {
	uint64_t id, time_s, took_us;
	uint32_t argc, shown;
	struct {
		uint8_t len, text[RESP_SLOW_ARG];
	} args[8];
	char peer[64], name[RESP_NAME];
};

/* A request that was looked at ahead: at most so many arguments. */
#define RESP_AHEAD_ARGS 6
struct resp_ahead {
	struct codec_peeked req;
	uint32_t key; /* which of those that were hashed; KVS_AHEAD: none */
	struct resp_arg v[RESP_AHEAD_ARGS];
};

struct resp_worker {
	struct l7_worker *l7;
	struct kvs_worker *kvs;
	struct pool conns, jobs;
	struct list_node dirty, all;
	struct reply out; /* of requests that were answered at once */
	uint64_t next_id;
	uint64_t commands, conns_total, errors;
	uint32_t conn_cnt;
	uint32_t left; /* of RESP_TURN */
	bool draining;
	struct resp_slow slow[RESP_SLOW_LOG];
	uint64_t slow_next, slow_from;
	uint64_t start_s, rng;
	const struct resp_cmd *get;
	struct resp_arg direct[CODEC_DIRECT];
	struct resp_ahead ahead[KVS_AHEAD];
	struct kvs_ahead ahead_keys[KVS_AHEAD];
	char run_id[41];
	/* of the configuration, for CONFIG GET: none of it changes while the program runs */
	char dir[256];
	uint8_t durability[LIMIT_STORE_NS];
	uint64_t cache_bytes, keepalive_ns;
};

/* conn.c */
void resp_send_later(struct resp_conn *c);
uint64_t resp_random(struct resp_worker *w);
const struct acl_user *resp_find_user(const struct resp_conn *c, const void *name, size_t len);
void resp_conn_peer(const struct resp_conn *c, char out[64]);
void resp_reset_conn(struct resp_conn *c);

/* dispatch.c */
void resp_dispatch(struct resp_conn *c, struct resp_args *args);
/* A GET that comes now may be answered from the cache without resp_dispatch(); it says so with
 * resp_note_get(). */
bool resp_plain(struct resp_conn *c);
void resp_note_get(struct resp_conn *c);
void resp_job_start(struct resp_job *j);
void resp_job_free(struct resp_job *j);
void resp_store_error(struct reply *out, int err);
/* How a job of this connection locks a key that it wants in this mode. */
enum kvs_mode resp_lock_mode(struct resp_conn *c, const struct resp_arg *key, enum kvs_mode mode);
struct resp_job *resp_job_new(
	struct resp_conn *c, const struct resp_cmd *cmd, struct resp_args *args);

/* multi.c */
void resp_multi_queue(struct resp_conn *c, const struct resp_cmd *cmd, struct resp_args *args);
void resp_multi_end(struct resp_conn *c);
void resp_unwatch(struct resp_conn *c);
void resp_exec_run(struct kvs_tx *tx);
int resp_exec_lock(struct resp_job *j);

extern const struct l7_action l7_resp;

#endif
