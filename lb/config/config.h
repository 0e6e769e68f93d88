/* SPDX-License-Identifier: Apache-2.0
 * config - the configuration as the program uses it: every value set, checked and in base units.
 * Owner:      whoever called config_load(); immutable afterwards (but CF4); freed by config_free().
 * Invariants: CF1 every cross reference is resolved. CF2 every value is inside its schema's range.
 *             CF3 no two services overlap in (address, protocol, ports).
 *             CF4 `backends` of listeners and upstreams alone change while running: control puts
 *             what names resolve to in their place (resolved.h), and only control reads them.
 * Units:      times in ns, sizes in bytes, rates per second, ports in host order.
 * Errors:     config_load() reports all errors it can find, each with file, line and column. */
#ifndef LB_CONFIG_CONFIG_H
#define LB_CONFIG_CONFIG_H

#include <stdio.h>

#include "dataplane/base/compiler.h"
#include "dataplane/base/limits.h"
#include "dataplane/net/addr.h"
#include "lb/config/config_admin.h"
#include "lb/config/config_mark.h"
#include "lb/config/config_cache.h"
#include "lb/config/config_resolver.h"
#include "lb/config/config_store.h"
#include "lb/config/config_tls.h"

enum config_poll { POLL_AUTO, POLL_BUSY, POLL_ADAPTIVE }; /* auto: busy on a PCI NIC */
enum config_steering { STEER_AUTO, STEER_RSS, STEER_SOFTWARE };

struct config_route {
	struct ip_prefix to;
	struct ip_addr *via; /* next hops, at least one */
	uint32_t via_cnt;
	struct config_mark mark;
};

struct config_port {
	char name[LIMIT_NAME];       /* default: port0, port1, ... */
	char device[256];            /* "0000:01:00.0" or "net_af_packet,iface=eth0" */
	struct ip_prefix *addresses; /* own addresses with their on-link prefix */
	uint32_t address_cnt;
	struct config_route *routes; /* `gateway:` entries come first, as 0.0.0.0/0 and ::/0 */
	uint32_t route_cnt;
	struct ip_addr *gateways; /* as written; routes has them already */
	uint32_t gateway_cnt;
	uint16_t mtu;  /* IP bytes; default 1500, 1280-9000 */
	uint16_t vlan; /* 802.1Q id; 0: untagged */
	uint16_t rx_queue_len, tx_queue_len;
	uint8_t mac[6];               /* zero: as the device has it */
	bool trust_partial_checksums; /* a kernel peer on a veth sends them */
	enum config_steering steering;
	char host_tap[16]; /* interface for the host's own packets; empty: none */
	struct config_mark mark;
};

struct config_workers {
	uint32_t count;
	uint16_t cores[LIMIT_WORKERS]; /* core ids, `count` of them */
	enum config_poll poll;
	uint64_t gather_ns;       /* adaptive: packets that come fast may gather so long */
	uint64_t watchdog_ns;     /* a loop longer than this is logged and counted */
	uint64_t stop_timeout_ns; /* tracked flows may go on so long after SIGTERM */
};

struct config_memory {
	bool hugepages;      /* false: --no-huge */
	uint64_t dpdk_bytes; /* memory for EAL; 0: as needed */
	uint32_t mbufs;      /* per worker */
	uint32_t flows;      /* tunnel and DSR flows per worker */
	uint32_t nat_flows;  /* NAT and full NAT flows per worker */
	bool numa_strict;
	char secondaries[32]; /* file prefix for other DPDK processes; empty: none */
};

enum l4_proto { L4_TCP = 6, L4_UDP = 17 };
enum l4_mode { L4_DSR, L4_IPIP, L4_GUE, L4_NAT, L4_FULLNAT };
enum l4_scheduler { L4_MAGLEV, L4_WRR, L4_WLC, L4_SOURCE_HASH };
enum l4_all_down { L4_DOWN_DROP, L4_DOWN_REJECT, L4_DOWN_SPRAY }; /* spray: as if all were up */
enum l4_removal { L4_REMOVE_GENTLE, L4_REMOVE_RESET };
enum l4_hash { L4_HASH_TUPLE, L4_HASH_SOURCE };

enum health_type { HEALTH_NONE, HEALTH_ICMP, HEALTH_TCP, HEALTH_UDP, HEALTH_HTTP };

struct config_health {
	enum health_type type;
	uint16_t port; /* 0: the backend's own */
	uint64_t interval_ns, timeout_ns;
	uint32_t rise, fall;
	uint32_t jitter_pct; /* 0-50 */
	uint8_t *send;       /* UDP payload */
	uint32_t send_len;
	uint8_t *expect; /* prefix of the reply, or part of the body; empty: any reply */
	uint32_t expect_len;
	/* Of HTTP. */
	char method[16], path[256];
	char host[264]; /* empty: address and port, or the name it was resolved from */
	uint16_t status_lo, status_hi;
	bool tls; /* as the traffic does, if that does */
};

struct config_sni {
	char name[256]; /* "*.x" for any one label before x */
};

struct config_backend {
	struct ip_addr addr; /* of a name in the file: nothing yet */
	const char *host;    /* the name, in lower case; NULL: an address was given */
	uint16_t port;       /* 0: as the client's destination port */
	uint16_t weight;     /* 0: drain */
	bool drain; /* explicit drain: no new flows, tracked ones go on until the deadline */
	struct config_sni
		*snis; /* of a TCP proxy: names that go here; none: what nobody else takes */
	uint32_t sni_cnt;
	struct config_mark mark;
};

struct config_service {
	char name[LIMIT_NAME]; /* default: "192.0.2.1:80/tcp" */
	struct ip_addr *vips;
	uint32_t vip_cnt;
	enum l4_proto proto;
	uint16_t port_lo, port_hi; /* one port: equal; any: 0-65535 */
	enum l4_mode mode;
	enum l4_scheduler scheduler;
	enum l4_hash hash;    /* what maglev hashes */
	uint32_t maglev_size; /* prime */
	struct config_backend *backends;
	uint32_t backend_cnt;
	struct ip_addr
		*local_addrs; /* full NAT sources; default: own addresses towards the backends */
	uint32_t local_addr_cnt;
	struct ip_prefix tunnel_source[2]; /* outer source, IPv4 and IPv6; len 0: the port's own */
	bool toa;                          /* client address in TCP option 254 */
	bool mss_clamp;                    /* default true for tunnels */
	uint16_t gue_port;                 /* UDP destination, default 6080 */
	enum l4_all_down all_down;
	enum l4_removal removal;
	uint64_t drain_ns;   /* deadline of a drain; 0: none */
	uint64_t conn_limit; /* tracked flows over all workers; 0: none */
	uint64_t rate_limit; /* new flows a second over all workers; 0: none */
	uint64_t backend_conn_limit;
	struct ip_prefix *allow, *deny;
	uint32_t allow_cnt, deny_cnt;
	uint64_t timeout_syn_ns, timeout_established_ns, timeout_fin_ns, timeout_udp_ns;
	struct config_health health;
	struct config_mark mark;
};

struct config_l4 {
	uint64_t hash_seed[2];      /* Maglev and tunnel source key: the same on every node */
	uint32_t flood_new_per_sec; /* per worker: above it no flow is tracked; 0: off */
	uint16_t local_port_lo, local_port_hi;
	uint32_t icmp_rate; /* own ICMP errors a second and worker */
};

enum listener_action {
	LISTENER_ECHO,
	LISTENER_DISCARD,
	LISTENER_SOURCE,
	LISTENER_TCP_PROXY,
	LISTENER_HTTP,
	LISTENER_RESP
};
enum listener_scheduler { LISTENER_MAGLEV, LISTENER_WRR, LISTENER_LEAST_CONN };
enum proxy_version { PROXY_NONE, PROXY_V1, PROXY_V2 };
enum listener_proto { LISTENER_TCP };

struct config_bind {
	struct ip_addr addr;
	uint16_t port;
	struct config_mark mark;
};

/* Connections that end in weir itself. */
struct config_listener {
	char name[LIMIT_NAME]; /* default: "192.0.2.1:80" */
	struct config_bind *binds;
	uint32_t bind_cnt;
	enum listener_proto proto;
	enum listener_action action;
	struct config_tls_server *tls;         /* NULL: plain */
	struct config_tls_client *backend_tls; /* NULL: plain */
	bool accept_proxy;                     /* connections begin with a PROXY protocol header */
	uint64_t source_bytes;                 /* action source: then close; 0: never */
	struct config_backend *backends;       /* in force */
	uint32_t backend_cnt;
	struct config_backend *written; /* as in the file: names too */
	uint32_t written_cnt;
	enum listener_scheduler scheduler;
	enum proxy_version send_proxy;
	struct ip_addr *local_addrs; /* sources towards backends; empty: the port's own */
	uint32_t local_addr_cnt;
	uint64_t connect_timeout_ns, idle_timeout_ns; /* idle 0: none */
	uint64_t conn_limit;                          /* over all workers; 0: none */
	struct config_health health;
	char site_name[LIMIT_NAME];       /* action http: a site, or own routes */
	struct config_http_route *routes; /* as written; site has them */
	uint32_t route_cnt;
	const struct config_site *site; /* of either form */
	struct config_resp resp;
	struct config_mark mark;
};

struct config_tcp {
	uint32_t max_conns, max_half_open, max_timewaits; /* per worker */
	uint32_t packet_headers, data_buffers;            /* per worker */
	uint32_t warm_conns; /* per worker: memory of so many is touched at the start */
	uint32_t rcvbuf, sndbuf;
	int congestion; /* enum tcp_cc */
	uint64_t keepalive_ns, time_wait_ns, user_timeout_ns;
	bool ecn;
};

struct config_access_log; /* config_log.h */
struct config_resolved;   /* resolved.h */
struct config_http_route;
struct config_site;
struct config_upstream;

struct config {
	struct config_port *ports;
	uint32_t port_cnt;
	struct config_workers workers;
	struct config_memory memory;
	struct config_l4 l4;
	struct config_admin admin;
	struct config_tcp tcp;
	struct config_store store;
	struct config_tls tls;
	bool tls_given; /* the section `tls` is there: make its buffers at start */
	struct config_cache cache;
	bool tcp_given; /* the section `tcp` is there: listeners may come with a reload */
	struct config_service *services;
	uint32_t service_cnt;
	struct config_listener *listeners;
	uint32_t listener_cnt;
	struct config_upstream *upstreams; /* config_upstream.h */
	uint32_t upstream_cnt;
	struct config_site *sites; /* config_http.h */
	uint32_t site_cnt;
	struct config_access_log *access_log; /* NULL: none */
	struct config_resolver resolver;
	struct config_resolved *resolved; /* what names stand for; NULL: there are no names */
	struct config_tree *tree; /* every effective value and where it came from; private */
};

/* Read and check `path` ("-" is standard input). On success *out is the configuration. On failure
 * every error found was written to `err` as "file:line:col: error: text" and the number of errors
 * is returned, negated; *out is then NULL. Warnings go to `err` too and do not fail. */
int config_load(const char *path, FILE *err, struct config **out) WARN_UNUSED;
/* The same from memory; `name` stands for the file in messages. */
int config_parse(
	const char *name, const char *text, size_t len, FILE *err, struct config **out) WARN_UNUSED;
void config_free(struct config *cfg);

/* Every effective value as a configuration that can be read again, each with the place it came from
 * behind it: "icmp_rate: 1000  # default", "mtu: 9000  # weir.yaml:4". */
void config_show(const struct config *cfg, FILE *out);
/* JSON Schema (draft 2020-12) of the file, from the same table that parses it. */
void config_schema(FILE *out);
/* Reference page in Markdown from the same table. */
void config_reference(FILE *out);
/* weir.conf(5) as roff, from the same table. */
void config_manual(FILE *out);

/* Keys of `next` that differ from `cur` but take effect only at start (ports, workers, memory): one
 * line each on err. Returns how many; 0 means that `next` can be loaded while running. */
int config_needs_restart(const struct config *cur, const struct config *next, FILE *err);

#endif
