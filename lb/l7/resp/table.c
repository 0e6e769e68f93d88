/* SPDX-License-Identifier: Apache-2.0
 * The commands: one row each. The same table answers COMMAND, ACLs and the check of arguments. */
#include <ctype.h>
#include <pthread.h>
#include <string.h>
#include <strings.h>

#include "dataplane/base/assert.h"
#include "lb/l7/resp/command.h"

#define SLOTS 1024 /* of the table of names */

/* clang-format off */
const struct resp_cmd resp_cmds[] = {
	{"get", 2, CMD_READONLY | CMD_FAST,
		CAT_STRING | CAT_READ | CAT_FAST, 1, 1, 1, 0, 0, rcmd_get},
	{"set", -3, CMD_WRITE | CMD_BLIND | CMD_DENYOOM,
		CAT_STRING | CAT_WRITE | CAT_SLOW, 1, 1, 1, 0, 0, rcmd_set},
	{"setnx", 3, CMD_WRITE | CMD_FAST | CMD_BLIND | CMD_DENYOOM,
		CAT_STRING | CAT_WRITE | CAT_FAST, 1, 1, 1, 0, 0, rcmd_setnx},
	{"setex", 4, CMD_WRITE | CMD_BLIND | CMD_DENYOOM,
		CAT_STRING | CAT_WRITE | CAT_SLOW, 1, 1, 1, 0, 0, rcmd_setex},
	{"psetex", 4, CMD_WRITE | CMD_BLIND | CMD_DENYOOM,
		CAT_STRING | CAT_WRITE | CAT_SLOW, 1, 1, 1, 0, 0, rcmd_psetex},
	{"getset", 3, CMD_WRITE | CMD_FAST | CMD_DENYOOM,
		CAT_STRING | CAT_WRITE | CAT_FAST, 1, 1, 1, 0, 0, rcmd_getset},
	{"getdel", 2, CMD_WRITE | CMD_FAST | CMD_DENYOOM,
		CAT_STRING | CAT_WRITE | CAT_FAST, 1, 1, 1, 0, 0, rcmd_getdel},
	{"getex", -2, CMD_WRITE | CMD_FAST | CMD_DENYOOM,
		CAT_STRING | CAT_WRITE | CAT_FAST, 1, 1, 1, 0, 0, rcmd_getex},
	{"mget", -2, CMD_READONLY | CMD_FAST | CMD_SPLIT,
		CAT_STRING | CAT_READ | CAT_FAST, 1, -1, 1, 0, 0, rcmd_mget},
	{"mset", -3, CMD_WRITE | CMD_BLIND | CMD_DENYOOM,
		CAT_STRING | CAT_WRITE | CAT_SLOW, 1, -1, 2, 0, 0, rcmd_mset},
	{"msetnx", -3, CMD_WRITE | CMD_DENYOOM,
		CAT_STRING | CAT_WRITE | CAT_SLOW, 1, -1, 2, 0, 0, rcmd_msetnx},
	{"append", 3, CMD_WRITE | CMD_FAST | CMD_DENYOOM,
		CAT_STRING | CAT_WRITE | CAT_FAST, 1, 1, 1, 0, 0, rcmd_append},
	{"strlen", 2, CMD_READONLY | CMD_FAST,
		CAT_STRING | CAT_READ | CAT_FAST, 1, 1, 1, 0, 0, rcmd_strlen},
	{"getrange", 4, CMD_READONLY,
		CAT_STRING | CAT_READ | CAT_SLOW, 1, 1, 1, 0, 0, rcmd_getrange},
	{"substr", 4, CMD_READONLY,
		CAT_STRING | CAT_READ | CAT_SLOW, 1, 1, 1, 0, 0, rcmd_getrange},
	{"setrange", 4, CMD_WRITE | CMD_DENYOOM,
		CAT_STRING | CAT_WRITE | CAT_SLOW, 1, 1, 1, 0, 0, rcmd_setrange},
	{"incr", 2, CMD_WRITE | CMD_FAST | CMD_BLIND | CMD_DENYOOM,
		CAT_STRING | CAT_WRITE | CAT_FAST, 1, 1, 1, 0, 0, rcmd_incr},
	{"decr", 2, CMD_WRITE | CMD_FAST | CMD_BLIND | CMD_DENYOOM,
		CAT_STRING | CAT_WRITE | CAT_FAST, 1, 1, 1, 0, 0, rcmd_decr},
	{"incrby", 3, CMD_WRITE | CMD_FAST | CMD_BLIND | CMD_DENYOOM,
		CAT_STRING | CAT_WRITE | CAT_FAST, 1, 1, 1, 0, 0, rcmd_incrby},
	{"decrby", 3, CMD_WRITE | CMD_FAST | CMD_BLIND | CMD_DENYOOM,
		CAT_STRING | CAT_WRITE | CAT_FAST, 1, 1, 1, 0, 0, rcmd_decrby},
	{"incrbyfloat", 3, CMD_WRITE | CMD_FAST | CMD_DENYOOM,
		CAT_STRING | CAT_WRITE | CAT_FAST, 1, 1, 1, 0, 0, rcmd_incrbyfloat},
	{"del", -2, CMD_WRITE | CMD_BLIND | CMD_SPLIT,
		CAT_KEYSPACE | CAT_WRITE | CAT_SLOW, 1, -1, 1, 0, 0, rcmd_del},
	{"unlink", -2, CMD_WRITE | CMD_FAST | CMD_BLIND | CMD_SPLIT,
		CAT_KEYSPACE | CAT_WRITE | CAT_FAST, 1, -1, 1, 0, 0, rcmd_del},
	{"exists", -2, CMD_READONLY | CMD_FAST | CMD_SPLIT,
		CAT_KEYSPACE | CAT_READ | CAT_FAST, 1, -1, 1, 0, 0, rcmd_exists},
	{"expire", -3, CMD_WRITE | CMD_FAST | CMD_BLIND,
		CAT_KEYSPACE | CAT_WRITE | CAT_FAST, 1, 1, 1, 0, 3, rcmd_expire},
	{"pexpire", -3, CMD_WRITE | CMD_FAST | CMD_BLIND,
		CAT_KEYSPACE | CAT_WRITE | CAT_FAST, 1, 1, 1, 0, 3, rcmd_pexpire},
	{"expireat", -3, CMD_WRITE | CMD_FAST | CMD_BLIND,
		CAT_KEYSPACE | CAT_WRITE | CAT_FAST, 1, 1, 1, 0, 3, rcmd_expireat},
	{"pexpireat", -3, CMD_WRITE | CMD_FAST | CMD_BLIND,
		CAT_KEYSPACE | CAT_WRITE | CAT_FAST, 1, 1, 1, 0, 3, rcmd_pexpireat},
	{"ttl", 2, CMD_READONLY | CMD_FAST,
		CAT_KEYSPACE | CAT_READ | CAT_FAST, 1, 1, 1, 0, 0, rcmd_ttl},
	{"pttl", 2, CMD_READONLY | CMD_FAST,
		CAT_KEYSPACE | CAT_READ | CAT_FAST, 1, 1, 1, 0, 0, rcmd_pttl},
	{"expiretime", 2, CMD_READONLY | CMD_FAST,
		CAT_KEYSPACE | CAT_READ | CAT_FAST, 1, 1, 1, 0, 0, rcmd_expiretime},
	{"pexpiretime", 2, CMD_READONLY | CMD_FAST,
		CAT_KEYSPACE | CAT_READ | CAT_FAST, 1, 1, 1, 0, 0, rcmd_pexpiretime},
	{"persist", 2, CMD_WRITE | CMD_FAST,
		CAT_KEYSPACE | CAT_WRITE | CAT_FAST, 1, 1, 1, 0, 0, rcmd_persist},
	{"type", 2, CMD_READONLY | CMD_FAST,
		CAT_KEYSPACE | CAT_READ | CAT_FAST, 1, 1, 1, 0, 0, rcmd_type},
	{"rename", 3, CMD_WRITE | CMD_DENYOOM,
		CAT_KEYSPACE | CAT_WRITE | CAT_SLOW, 1, 2, 1, 0, 0, rcmd_rename},
	{"renamenx", 3, CMD_WRITE | CMD_FAST | CMD_DENYOOM,
		CAT_KEYSPACE | CAT_WRITE | CAT_FAST, 1, 2, 1, 0, 0, rcmd_renamenx},
	{"copy", -3, CMD_WRITE | CMD_DENYOOM,
		CAT_KEYSPACE | CAT_WRITE | CAT_SLOW, 1, 2, 1, 0, 0, rcmd_copy},
	{"touch", -2, CMD_READONLY | CMD_FAST | CMD_SPLIT,
		CAT_KEYSPACE | CAT_READ | CAT_FAST, 1, -1, 1, 0, 0, rcmd_touch},
	{"scan", -2, CMD_READONLY | CMD_BARRIER,
		CAT_KEYSPACE | CAT_READ | CAT_SLOW, 0, 0, 0, 0, 0, rcmd_scan},
	{"keys", 2, CMD_READONLY | CMD_BARRIER,
		CAT_KEYSPACE | CAT_READ | CAT_SLOW | CAT_DANGEROUS, 0, 0, 0, 0, 0, rcmd_keys},
	{"dbsize", 1, CMD_READONLY | CMD_FAST | CMD_BARRIER,
		CAT_KEYSPACE | CAT_READ | CAT_FAST, 0, 0, 0, 0, 0, rcmd_dbsize},
	{"randomkey", 1, CMD_READONLY | CMD_BARRIER,
		CAT_KEYSPACE | CAT_READ | CAT_SLOW, 0, 0, 0, 0, 0, rcmd_randomkey},
	{"flushdb", -1, CMD_WRITE | CMD_BARRIER,
		CAT_KEYSPACE | CAT_WRITE | CAT_SLOW | CAT_DANGEROUS, 0, 0, 0, 0, 0, rcmd_flushdb},
	{"flushall", -1, CMD_WRITE | CMD_BARRIER,
		CAT_KEYSPACE | CAT_WRITE | CAT_SLOW | CAT_DANGEROUS, 0, 0, 0, 0, 0, rcmd_flushdb},
	{"object", -2, CMD_READONLY,
		CAT_KEYSPACE | CAT_READ | CAT_SLOW, 2, 2, 1, 0, 0, rcmd_object},
	{"memory", -2, CMD_READONLY,
		CAT_READ | CAT_SLOW, 2, 2, 1, 0, 0, rcmd_memory},
	{"multi", 1, CMD_FAST | CMD_LOCAL | CMD_NOMULTI,
		CAT_TRANSACTION | CAT_FAST, 0, 0, 0, 0, 0, rcmd_multi},
	{"exec", 1, CMD_NOMULTI,
		CAT_TRANSACTION | CAT_SLOW, 0, 0, 0, 0, 0, rcmd_exec},
	{"discard", 1, CMD_FAST | CMD_LOCAL | CMD_NOMULTI,
		CAT_TRANSACTION | CAT_FAST, 0, 0, 0, 0, 0, rcmd_discard},
	{"watch", -2, CMD_FAST | CMD_SPLIT | CMD_BARRIER | CMD_NOMULTI,
		CAT_TRANSACTION | CAT_FAST, 1, -1, 1, 0, 0, rcmd_watch},
	{"unwatch", 1, CMD_FAST | CMD_LOCAL,
		CAT_TRANSACTION | CAT_FAST, 0, 0, 0, 0, 0, rcmd_unwatch},
	{"auth", -2, CMD_FAST | CMD_LOCAL | CMD_NOAUTH,
		CAT_CONNECTION | CAT_FAST, 0, 0, 0, 0, 0, rcmd_auth},
	{"hello", -1, CMD_FAST | CMD_LOCAL | CMD_NOAUTH,
		CAT_CONNECTION | CAT_FAST, 0, 0, 0, 0, 0, rcmd_hello},
	{"ping", -1, CMD_FAST | CMD_LOCAL,
		CAT_CONNECTION | CAT_FAST, 0, 0, 0, 0, 0, rcmd_ping},
	{"echo", 2, CMD_FAST | CMD_LOCAL,
		CAT_CONNECTION | CAT_FAST, 0, 0, 0, 0, 0, rcmd_echo},
	{"select", 2, CMD_FAST | CMD_LOCAL,
		CAT_CONNECTION | CAT_FAST, 0, 0, 0, 0, 0, rcmd_select},
	{"quit", -1, CMD_FAST | CMD_LOCAL | CMD_NOAUTH,
		CAT_CONNECTION | CAT_FAST, 0, 0, 0, 0, 0, rcmd_quit},
	{"reset", 1, CMD_FAST | CMD_LOCAL | CMD_NOAUTH | CMD_NOMULTI,
		CAT_CONNECTION | CAT_FAST, 0, 0, 0, 0, 0, rcmd_reset},
	{"client", -2, CMD_LOCAL,
		CAT_CONNECTION | CAT_SLOW, 0, 0, 0, 0, 0, rcmd_client},
	{"acl", -2, CMD_LOCAL,
		CAT_SLOW, 0, 0, 0, 0, 0, rcmd_acl},
	{"command", -1, CMD_LOCAL,
		CAT_CONNECTION | CAT_SLOW, 0, 0, 0, 0, 0, rcmd_command},
	{"config", -2, CMD_LOCAL | CMD_ADMIN,
		CAT_SLOW | CAT_ADMIN | CAT_DANGEROUS, 0, 0, 0, 0, 0, rcmd_config},
	{"info", -1, CMD_LOCAL,
		CAT_SLOW | CAT_DANGEROUS, 0, 0, 0, 0, 0, rcmd_info},
	{"cluster", -2, CMD_LOCAL,
		CAT_SLOW, 0, 0, 0, 0, 0, rcmd_cluster},
	{"slowlog", -2, CMD_LOCAL | CMD_ADMIN,
		CAT_SLOW | CAT_ADMIN | CAT_DANGEROUS, 0, 0, 0, 0, 0, rcmd_slowlog},
	{"debug", -2, CMD_LOCAL | CMD_ADMIN,
		CAT_SLOW | CAT_ADMIN | CAT_DANGEROUS, 0, 0, 0, 0, 0, rcmd_debug},
	{"time", 1, CMD_FAST | CMD_LOCAL,
		CAT_FAST, 0, 0, 0, 0, 0, rcmd_time},
	{"readonly", 1, CMD_FAST | CMD_LOCAL,
		CAT_CONNECTION | CAT_FAST, 0, 0, 0, 0, 0, rcmd_readonly},
	{"readwrite", 1, CMD_FAST | CMD_LOCAL,
		CAT_CONNECTION | CAT_FAST, 0, 0, 0, 0, 0, rcmd_readwrite},
	{"lolwut", -1, CMD_LOCAL | CMD_FAST,
		CAT_FAST, 0, 0, 0, 0, 0, rcmd_lolwut},
	{"wait", 3, CMD_LOCAL,
		CAT_CONNECTION | CAT_SLOW, 0, 0, 0, 0, 0, rcmd_wait},
	{"save", 1, CMD_LOCAL | CMD_ADMIN,
		CAT_SLOW | CAT_ADMIN | CAT_DANGEROUS, 0, 0, 0, 0, 0, rcmd_save},
	{"bgsave", -1, CMD_LOCAL | CMD_ADMIN,
		CAT_SLOW | CAT_ADMIN | CAT_DANGEROUS, 0, 0, 0, 0, 0, rcmd_save},
	{"bgrewriteaof", 1, CMD_LOCAL | CMD_ADMIN,
		CAT_SLOW | CAT_ADMIN | CAT_DANGEROUS, 0, 0, 0, 0, 0, rcmd_save},
	{"lastsave", 1, CMD_LOCAL | CMD_FAST | CMD_ADMIN,
		CAT_FAST | CAT_ADMIN | CAT_DANGEROUS, 0, 0, 0, 0, 0, rcmd_lastsave},
	{"hset", -4, CMD_WRITE | CMD_FAST | CMD_DENYOOM,
		CAT_HASH | CAT_WRITE | CAT_FAST, 1, 1, 1, 0, 0, rcmd_hset},
	{"hsetnx", 4, CMD_WRITE | CMD_FAST | CMD_DENYOOM,
		CAT_HASH | CAT_WRITE | CAT_FAST, 1, 1, 1, 0, 0, rcmd_hsetnx},
	{"hget", 3, CMD_READONLY | CMD_FAST,
		CAT_HASH | CAT_READ | CAT_FAST, 1, 1, 1, 0, 0, rcmd_hget},
	{"hmget", -3, CMD_READONLY | CMD_FAST,
		CAT_HASH | CAT_READ | CAT_FAST, 1, 1, 1, 0, 0, rcmd_hmget},
	{"hmset", -4, CMD_WRITE | CMD_FAST | CMD_DENYOOM,
		CAT_HASH | CAT_WRITE | CAT_FAST, 1, 1, 1, 0, 0, rcmd_hmset},
	{"hdel", -3, CMD_WRITE | CMD_FAST,
		CAT_HASH | CAT_WRITE | CAT_FAST, 1, 1, 1, 0, 0, rcmd_hdel},
	{"hlen", 2, CMD_READONLY | CMD_FAST,
		CAT_HASH | CAT_READ | CAT_FAST, 1, 1, 1, 0, 0, rcmd_hlen},
	{"hexists", 3, CMD_READONLY | CMD_FAST,
		CAT_HASH | CAT_READ | CAT_FAST, 1, 1, 1, 0, 0, rcmd_hexists},
	{"hgetall", 2, CMD_READONLY,
		CAT_HASH | CAT_READ | CAT_SLOW, 1, 1, 1, 0, 0, rcmd_hgetall},
	{"hkeys", 2, CMD_READONLY,
		CAT_HASH | CAT_READ | CAT_SLOW, 1, 1, 1, 0, 0, rcmd_hkeys},
	{"hvals", 2, CMD_READONLY,
		CAT_HASH | CAT_READ | CAT_SLOW, 1, 1, 1, 0, 0, rcmd_hvals},
	{"hincrby", 4, CMD_WRITE | CMD_FAST | CMD_DENYOOM,
		CAT_HASH | CAT_WRITE | CAT_FAST, 1, 1, 1, 0, 0, rcmd_hincrby},
	{"hincrbyfloat", 4, CMD_WRITE | CMD_FAST | CMD_DENYOOM,
		CAT_HASH | CAT_WRITE | CAT_FAST, 1, 1, 1, 0, 0, rcmd_hincrbyfloat},
	{"hstrlen", 3, CMD_READONLY | CMD_FAST,
		CAT_HASH | CAT_READ | CAT_FAST, 1, 1, 1, 0, 0, rcmd_hstrlen},
	{"hscan", -3, CMD_READONLY,
		CAT_HASH | CAT_READ | CAT_SLOW, 1, 1, 1, 0, 0, rcmd_hscan},
	{"hrandfield", -2, CMD_READONLY,
		CAT_HASH | CAT_READ | CAT_SLOW, 1, 1, 1, 0, 0, rcmd_hrandfield},
	{"sadd", -3, CMD_WRITE | CMD_FAST | CMD_DENYOOM,
		CAT_SET | CAT_WRITE | CAT_FAST, 1, 1, 1, 0, 0, rcmd_sadd},
	{"srem", -3, CMD_WRITE | CMD_FAST,
		CAT_SET | CAT_WRITE | CAT_FAST, 1, 1, 1, 0, 0, rcmd_srem},
	{"smembers", 2, CMD_READONLY,
		CAT_SET | CAT_READ | CAT_SLOW, 1, 1, 1, 0, 0, rcmd_smembers},
	{"sismember", 3, CMD_READONLY | CMD_FAST,
		CAT_SET | CAT_READ | CAT_FAST, 1, 1, 1, 0, 0, rcmd_sismember},
	{"smismember", -3, CMD_READONLY | CMD_FAST,
		CAT_SET | CAT_READ | CAT_FAST, 1, 1, 1, 0, 0, rcmd_smismember},
	{"scard", 2, CMD_READONLY | CMD_FAST,
		CAT_SET | CAT_READ | CAT_FAST, 1, 1, 1, 0, 0, rcmd_scard},
	{"spop", -2, CMD_WRITE | CMD_FAST,
		CAT_SET | CAT_WRITE | CAT_FAST, 1, 1, 1, 0, 0, rcmd_spop},
	{"srandmember", -2, CMD_READONLY,
		CAT_SET | CAT_READ | CAT_SLOW, 1, 1, 1, 0, 0, rcmd_srandmember},
	{"smove", 4, CMD_WRITE | CMD_FAST | CMD_DENYOOM,
		CAT_SET | CAT_WRITE | CAT_FAST, 1, 2, 1, 0, 0, rcmd_smove},
	{"sscan", -3, CMD_READONLY,
		CAT_SET | CAT_READ | CAT_SLOW, 1, 1, 1, 0, 0, rcmd_sscan},
	{"sinter", -2, CMD_READONLY | CMD_SPLIT,
		CAT_SET | CAT_READ | CAT_SLOW, 1, -1, 1, 0, 0, rcmd_sinter},
	{"sunion", -2, CMD_READONLY | CMD_SPLIT,
		CAT_SET | CAT_READ | CAT_SLOW, 1, -1, 1, 0, 0, rcmd_sunion},
	{"sdiff", -2, CMD_READONLY | CMD_SPLIT,
		CAT_SET | CAT_READ | CAT_SLOW, 1, -1, 1, 0, 0, rcmd_sdiff},
	{"sinterstore", -3, CMD_WRITE | CMD_DENYOOM,
		CAT_SET | CAT_WRITE | CAT_SLOW, 1, -1, 1, 0, 0, rcmd_sinterstore},
	{"sunionstore", -3, CMD_WRITE | CMD_DENYOOM,
		CAT_SET | CAT_WRITE | CAT_SLOW, 1, -1, 1, 0, 0, rcmd_sunionstore},
	{"sdiffstore", -3, CMD_WRITE | CMD_DENYOOM,
		CAT_SET | CAT_WRITE | CAT_SLOW, 1, -1, 1, 0, 0, rcmd_sdiffstore},
	{"sintercard", -3, CMD_READONLY | CMD_SPLIT | CMD_MOVABLE,
		CAT_SET | CAT_READ | CAT_SLOW, 0, 0, 0, 1, 0, rcmd_sintercard},
	{"zadd", -4, CMD_WRITE | CMD_FAST | CMD_DENYOOM,
		CAT_ZSET | CAT_WRITE | CAT_FAST, 1, 1, 1, 0, 0, rcmd_zadd},
	{"zincrby", 4, CMD_WRITE | CMD_FAST | CMD_DENYOOM,
		CAT_ZSET | CAT_WRITE | CAT_FAST, 1, 1, 1, 0, 0, rcmd_zincrby},
	{"zrem", -3, CMD_WRITE | CMD_FAST,
		CAT_ZSET | CAT_WRITE | CAT_FAST, 1, 1, 1, 0, 0, rcmd_zrem},
	{"zscore", 3, CMD_READONLY | CMD_FAST,
		CAT_ZSET | CAT_READ | CAT_FAST, 1, 1, 1, 0, 0, rcmd_zscore},
	{"zmscore", -3, CMD_READONLY | CMD_FAST,
		CAT_ZSET | CAT_READ | CAT_FAST, 1, 1, 1, 0, 0, rcmd_zmscore},
	{"zcard", 2, CMD_READONLY | CMD_FAST,
		CAT_ZSET | CAT_READ | CAT_FAST, 1, 1, 1, 0, 0, rcmd_zcard},
	{"zcount", 4, CMD_READONLY | CMD_FAST,
		CAT_ZSET | CAT_READ | CAT_FAST, 1, 1, 1, 0, 0, rcmd_zcount},
	{"zrange", -4, CMD_READONLY,
		CAT_ZSET | CAT_READ | CAT_SLOW, 1, 1, 1, 0, 0, rcmd_zrange},
	{"zrevrange", -4, CMD_READONLY,
		CAT_ZSET | CAT_READ | CAT_SLOW, 1, 1, 1, 0, 0, rcmd_zrevrange},
	{"zrangebyscore", -4, CMD_READONLY,
		CAT_ZSET | CAT_READ | CAT_SLOW, 1, 1, 1, 0, 0, rcmd_zrangebyscore},
	{"zrevrangebyscore", -4, CMD_READONLY,
		CAT_ZSET | CAT_READ | CAT_SLOW, 1, 1, 1, 0, 0, rcmd_zrevrangebyscore},
	{"zrangebylex", -4, CMD_READONLY,
		CAT_ZSET | CAT_READ | CAT_SLOW, 1, 1, 1, 0, 0, rcmd_zrangebylex},
	{"zrevrangebylex", -4, CMD_READONLY,
		CAT_ZSET | CAT_READ | CAT_SLOW, 1, 1, 1, 0, 0, rcmd_zrevrangebylex},
	{"zlexcount", 4, CMD_READONLY | CMD_FAST,
		CAT_ZSET | CAT_READ | CAT_FAST, 1, 1, 1, 0, 0, rcmd_zlexcount},
	{"zrank", 3, CMD_READONLY | CMD_FAST,
		CAT_ZSET | CAT_READ | CAT_FAST, 1, 1, 1, 0, 0, rcmd_zrank},
	{"zrevrank", 3, CMD_READONLY | CMD_FAST,
		CAT_ZSET | CAT_READ | CAT_FAST, 1, 1, 1, 0, 0, rcmd_zrevrank},
	{"zpopmin", -2, CMD_WRITE | CMD_FAST,
		CAT_ZSET | CAT_WRITE | CAT_FAST, 1, 1, 1, 0, 0, rcmd_zpopmin},
	{"zpopmax", -2, CMD_WRITE | CMD_FAST,
		CAT_ZSET | CAT_WRITE | CAT_FAST, 1, 1, 1, 0, 0, rcmd_zpopmax},
	{"zremrangebyrank", 4, CMD_WRITE,
		CAT_ZSET | CAT_WRITE | CAT_SLOW, 1, 1, 1, 0, 0, rcmd_zremrangebyrank},
	{"zremrangebyscore", 4, CMD_WRITE,
		CAT_ZSET | CAT_WRITE | CAT_SLOW, 1, 1, 1, 0, 0, rcmd_zremrangebyscore},
	{"zremrangebylex", 4, CMD_WRITE,
		CAT_ZSET | CAT_WRITE | CAT_SLOW, 1, 1, 1, 0, 0, rcmd_zremrangebylex},
	{"zscan", -3, CMD_READONLY,
		CAT_ZSET | CAT_READ | CAT_SLOW, 1, 1, 1, 0, 0, rcmd_zscan},
	{"zrangestore", -5, CMD_WRITE | CMD_DENYOOM,
		CAT_ZSET | CAT_WRITE | CAT_SLOW, 1, 2, 1, 0, 0, rcmd_zrangestore},
	{"zunionstore", -4, CMD_WRITE | CMD_MOVABLE | CMD_DENYOOM,
		CAT_ZSET | CAT_WRITE | CAT_SLOW, 1, 1, 1, 2, 0, rcmd_zunionstore},
	{"zinterstore", -4, CMD_WRITE | CMD_MOVABLE | CMD_DENYOOM,
		CAT_ZSET | CAT_WRITE | CAT_SLOW, 1, 1, 1, 2, 0, rcmd_zinterstore},
	{"zdiffstore", -4, CMD_WRITE | CMD_MOVABLE | CMD_DENYOOM,
		CAT_ZSET | CAT_WRITE | CAT_SLOW, 1, 1, 1, 2, 0, rcmd_zdiffstore},
	{"zunion", -3, CMD_READONLY | CMD_SPLIT | CMD_MOVABLE,
		CAT_ZSET | CAT_READ | CAT_SLOW, 0, 0, 0, 1, 0, rcmd_zunion},
	{"zinter", -3, CMD_READONLY | CMD_SPLIT | CMD_MOVABLE,
		CAT_ZSET | CAT_READ | CAT_SLOW, 0, 0, 0, 1, 0, rcmd_zinter},
	{"zdiff", -3, CMD_READONLY | CMD_SPLIT | CMD_MOVABLE,
		CAT_ZSET | CAT_READ | CAT_SLOW, 0, 0, 0, 1, 0, rcmd_zdiff},
	{"zrandmember", -2, CMD_READONLY,
		CAT_ZSET | CAT_READ | CAT_SLOW, 1, 1, 1, 0, 0, rcmd_zrandmember},
	{"lpush", -3, CMD_WRITE | CMD_FAST | CMD_DENYOOM,
		CAT_LIST | CAT_WRITE | CAT_FAST, 1, 1, 1, 0, 0, rcmd_lpush},
	{"rpush", -3, CMD_WRITE | CMD_FAST | CMD_DENYOOM,
		CAT_LIST | CAT_WRITE | CAT_FAST, 1, 1, 1, 0, 0, rcmd_rpush},
	{"lpushx", -3, CMD_WRITE | CMD_FAST | CMD_DENYOOM,
		CAT_LIST | CAT_WRITE | CAT_FAST, 1, 1, 1, 0, 0, rcmd_lpushx},
	{"rpushx", -3, CMD_WRITE | CMD_FAST | CMD_DENYOOM,
		CAT_LIST | CAT_WRITE | CAT_FAST, 1, 1, 1, 0, 0, rcmd_rpushx},
	{"lpop", -2, CMD_WRITE | CMD_FAST,
		CAT_LIST | CAT_WRITE | CAT_FAST, 1, 1, 1, 0, 0, rcmd_lpop},
	{"rpop", -2, CMD_WRITE | CMD_FAST,
		CAT_LIST | CAT_WRITE | CAT_FAST, 1, 1, 1, 0, 0, rcmd_rpop},
	{"llen", 2, CMD_READONLY | CMD_FAST,
		CAT_LIST | CAT_READ | CAT_FAST, 1, 1, 1, 0, 0, rcmd_llen},
	{"lrange", 4, CMD_READONLY,
		CAT_LIST | CAT_READ | CAT_SLOW, 1, 1, 1, 0, 0, rcmd_lrange},
	{"lindex", 3, CMD_READONLY,
		CAT_LIST | CAT_READ | CAT_SLOW, 1, 1, 1, 0, 0, rcmd_lindex},
	{"lset", 4, CMD_WRITE | CMD_DENYOOM,
		CAT_LIST | CAT_WRITE | CAT_SLOW, 1, 1, 1, 0, 0, rcmd_lset},
	{"ltrim", 4, CMD_WRITE,
		CAT_LIST | CAT_WRITE | CAT_SLOW, 1, 1, 1, 0, 0, rcmd_ltrim},
	{"lrem", 4, CMD_WRITE,
		CAT_LIST | CAT_WRITE | CAT_SLOW, 1, 1, 1, 0, 0, rcmd_lrem},
	{"linsert", 5, CMD_WRITE | CMD_DENYOOM,
		CAT_LIST | CAT_WRITE | CAT_SLOW, 1, 1, 1, 0, 0, rcmd_linsert},
	{"lmove", 5, CMD_WRITE | CMD_DENYOOM,
		CAT_LIST | CAT_WRITE | CAT_SLOW, 1, 2, 1, 0, 0, rcmd_lmove},
	{"rpoplpush", 3, CMD_WRITE | CMD_DENYOOM,
		CAT_LIST | CAT_WRITE | CAT_SLOW, 1, 2, 1, 0, 0, rcmd_rpoplpush},
	{"lpos", -3, CMD_READONLY,
		CAT_LIST | CAT_READ | CAT_SLOW, 1, 1, 1, 0, 0, rcmd_lpos},
};
/* clang-format on */
const uint32_t resp_cmd_cnt = ARRAY_SIZE(resp_cmds);

_Static_assert(ARRAY_SIZE(resp_cmds) <= ACL_COMMANDS, "an ACL has a bit for each command");
_Static_assert(2 * ARRAY_SIZE(resp_cmds) <= SLOTS, "the table of names is at most half full");

const struct resp_cat_name resp_cats[] = {
	{"keyspace", CAT_KEYSPACE},
	{"read", CAT_READ},
	{"write", CAT_WRITE},
	{"set", CAT_SET},
	{"sortedset", CAT_ZSET},
	{"list", CAT_LIST},
	{"hash", CAT_HASH},
	{"string", CAT_STRING},
	{"admin", CAT_ADMIN},
	{"fast", CAT_FAST},
	{"slow", CAT_SLOW},
	{"dangerous", CAT_DANGEROUS},
	{"connection", CAT_CONNECTION},
	{"transaction", CAT_TRANSACTION},
	{NULL, 0},
};

static struct {
	uint16_t cmd; /* index + 1 */
	uint16_t len; /* of its name */
} slots[SLOTS];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static uint32_t hash(const uint8_t *p, size_t n)
{
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < n; i++)
		h = (h ^ (p[i] | 0x20u)) * 16777619u;
	return (h ^ h >> 15) % SLOTS;
}

static void fill(void)
{
	for (uint32_t i = 0; i < resp_cmd_cnt; i++) {
		size_t len = strlen(resp_cmds[i].name);
		uint32_t at = hash((const uint8_t *)resp_cmds[i].name, len);

		while (slots[at].cmd != 0)
			at = (at + 1) % SLOTS;
		slots[at].cmd = (uint16_t)(i + 1);
		slots[at].len = (uint16_t)len;
	}
}

void rcmd_table_init(void)
{
	(void)pthread_once(&once, fill);
}

const struct resp_cmd *rcmd_find(const void *name, size_t len)
{
	for (uint32_t at = hash(name, len); slots[at].cmd != 0; at = (at + 1) % SLOTS) {
		const struct resp_cmd *c = &resp_cmds[slots[at].cmd - 1];

		if (slots[at].len == len && strncasecmp(c->name, name, len) == 0)
			return c;
	}
	return NULL;
}

bool rcmd_arity_ok(const struct resp_cmd *c, uint32_t n)
{
	return c->arity >= 0 ? n == (uint32_t)c->arity : n >= (uint32_t)-c->arity;
}

/* A number of keys that the arguments do not hold is no number: the function will say so. */
static uint32_t counted(const struct resp_arg *a, uint32_t max)
{
	uint32_t v = 0;

	if (a->len == 0 || a->len > 9)
		return 0;
	for (uint32_t i = 0; i < a->len; i++) {
		if (a->p[i] < '0' || a->p[i] > '9')
			return 0;
		v = v * 10 + (uint32_t)(a->p[i] - '0');
	}
	return v > max ? 0 : v;
}

bool rcmd_places(
	const struct resp_cmd *c, const struct resp_arg *v, uint32_t n, struct rcmd_keys *out)
{
	int32_t last = c->last < 0 ? (int32_t)n + c->last : c->last;

	*out = (struct rcmd_keys){.step = 1};
	if (c->numkeys > 0) {
		if (c->numkeys >= n)
			return false;
		out->dest = c->first > 0 ? (uint32_t)c->first : 0;
		out->first = c->numkeys + 1u;
		out->cnt = counted(&v[c->numkeys], n - out->first);
		return out->cnt > 0;
	}
	if (c->first == 0 || c->first > last)
		return true;
	if (last >= (int32_t)n)
		last = (int32_t)n - 1;
	out->first = (uint32_t)c->first;
	out->step = (uint32_t)c->step;
	if ((int32_t)out->first <= last)
		out->cnt = (uint32_t)(last - (int32_t)out->first) / out->step + 1;
	return true;
}

bool rcmd_is_blind(const struct resp_cmd *c, const struct resp_arg *v, uint32_t n)
{
	if ((c->flags & CMD_BLIND) == 0 || (c->blind_max != 0 && n > c->blind_max))
		return false;
	/* SET ... GET has to read. */
	for (uint32_t i = 3; c->fn == rcmd_set && i < n; i++)
		if (arg_is(&v[i], "get"))
			return false;
	return true;
}

enum kvs_mode rcmd_mode(const struct resp_cmd *c, const struct resp_arg *v, uint32_t n)
{
	if ((c->flags & CMD_WRITE) == 0)
		return KVS_READ;
	return rcmd_is_blind(c, v, n) ? KVS_WRITE : KVS_UPDATE;
}
