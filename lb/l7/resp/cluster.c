/* SPDX-License-Identifier: Apache-2.0
 * CLUSTER, for clients that route by slot: a cluster of one node, at the address that the client
 * connected to, which has all slots. */
#include <stdio.h>

#include "dataplane/net/hdr.h"
#include "lb/l7/resp/resp_pvt.h"
#include "storage/slot.h"

struct node {
	char addr[IP_ADDR_TEXT_MAX];
	uint16_t port;
	const char *id;
};

static struct node self(const struct resp_conn *c)
{
	struct node n = {.port = BE16(c->c->peer.dport), .id = c->w->run_id};

	ip_addr_format(&c->c->peer.dst, n.addr);
	return n;
}

static void slots(struct resp_call *k)
{
	struct node n = self(k->c);

	reply_array(k->out, 1);
	reply_array(k->out, 3);
	reply_int(k->out, 0);
	reply_int(k->out, STORE_SLOTS - 1);
	reply_array(k->out, 4);
	reply_text(k->out, n.addr);
	reply_int(k->out, n.port);
	reply_text(k->out, n.id);
	reply_array(k->out, 0);
}

static void shards(struct resp_call *k)
{
	struct node n = self(k->c);

	reply_array(k->out, 1);
	reply_map(k->out, 2);
	reply_text(k->out, "slots");
	reply_array(k->out, 2);
	reply_int(k->out, 0);
	reply_int(k->out, STORE_SLOTS - 1);
	reply_text(k->out, "nodes");
	reply_array(k->out, 1);
	reply_map(k->out, 7);
	reply_text(k->out, "id");
	reply_text(k->out, n.id);
	reply_text(k->out, "port");
	reply_int(k->out, n.port);
	reply_text(k->out, "ip");
	reply_text(k->out, n.addr);
	reply_text(k->out, "endpoint");
	reply_text(k->out, n.addr);
	reply_text(k->out, "role");
	reply_text(k->out, "master");
	reply_text(k->out, "replication-offset");
	reply_int(k->out, 0);
	reply_text(k->out, "health");
	reply_text(k->out, "online");
}

static void nodes(struct resp_call *k)
{
	struct node n = self(k->c);
	char text[256];
	int len = snprintf(text, sizeof(text), "%s %s:%u@%u myself,master - 0 0 1 connected 0-%d\n",
		n.id, n.addr, n.port, n.port, STORE_SLOTS - 1);

	reply_verbatim(k->out, text, (uint64_t)len);
}

static void info(struct resp_call *k)
{
	static const char text[] = "cluster_enabled:1\r\n"
				   "cluster_state:ok\r\n"
				   "cluster_slots_assigned:16384\r\n"
				   "cluster_slots_ok:16384\r\n"
				   "cluster_slots_pfail:0\r\n"
				   "cluster_slots_fail:0\r\n"
				   "cluster_known_nodes:1\r\n"
				   "cluster_size:1\r\n"
				   "cluster_current_epoch:1\r\n"
				   "cluster_my_epoch:1\r\n";

	reply_verbatim(k->out, text, sizeof(text) - 1);
}

void rcmd_cluster(struct resp_call *k)
{
	const struct resp_arg *sub = &k->v[1];

	if (arg_is(sub, "slots") && k->n == 2)
		slots(k);
	else if (arg_is(sub, "shards") && k->n == 2)
		shards(k);
	else if (arg_is(sub, "nodes") && k->n == 2)
		nodes(k);
	else if (arg_is(sub, "info") && k->n == 2)
		info(k);
	else if (arg_is(sub, "myid") && k->n == 2)
		reply_text(k->out, k->c->w->run_id);
	else if (arg_is(sub, "keyslot") && k->n == 3)
		reply_int(k->out, slot_of_key(k->v[2].p, k->v[2].len));
	else
		reply_errorf(k->out, "ERR unknown subcommand '%.*s'. Try CLUSTER HELP.",
			(int)(sub->len < 128 ? sub->len : 128), (const char *)sub->p);
}
