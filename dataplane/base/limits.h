/* SPDX-License-Identifier: Apache-2.0
 * limits - the named bound of every table, queue and loop, and the relations between them.
 * A limit that a user can set has its default in lb/config; here stand the hard ceilings. */
#ifndef DATAPLANE_BASE_LIMITS_H
#define DATAPLANE_BASE_LIMITS_H

#define LIMIT_WORKERS    64   /* worker cores of one process */
#define LIMIT_PORTS      16   /* ethdev ports */
#define LIMIT_BURST      32   /* packets of one RX or TX burst */
#define LIMIT_PORT_ADDRS 16   /* own addresses of one port */
#define LIMIT_ROUTES     1024 /* configured routes over all ports */
#define LIMIT_NEXTHOPS   16   /* next hops of one route */

#define LIMIT_SERVICES         4096 /* L4 services of one configuration */
#define LIMIT_VIPS             4096 /* distinct virtual addresses */
#define LIMIT_SERVICE_BACKENDS 4096 /* backends of one service */
#define LIMIT_BACKENDS         262144
#define LIMIT_WEIGHT           1000
#define LIMIT_MAGLEV_SIZE      16777213
#define LIMIT_LOCAL_ADDRS      256   /* full NAT source addresses */
#define LIMIT_PREFIXES         65536 /* allow and deny prefixes of one service */
#define LIMIT_NAME             64    /* bytes of any configured name, with the NUL */

#define LIMIT_LISTENERS 256 /* layer 7 listeners of one configuration */
#define LIMIT_BINDS     64  /* addresses and ports of one listener */
#define LIMIT_UPSTREAMS 256 /* pools of HTTP servers of one configuration */

#define LIMIT_HTTP_SITES         256
#define LIMIT_HTTP_ROUTES        16384 /* routes of one site */
#define LIMIT_HTTP_CHOICES       256   /* hosts, paths, methods ... of one route */
#define LIMIT_HTTP_CONDS         16    /* headers and parameters that one route looks at */
#define LIMIT_HTTP_INFORMATIONAL 10    /* 1xx before a response */
#define LIMIT_HTTP_TARGETS       32    /* upstreams of one split */
#define LIMIT_HTTP_EDITS         64    /* fields that one route sets, adds or removes, of each */
#define LIMIT_HTTP_RATES         8     /* rate limits of one site or route */
#define LIMIT_HTTP_BODY          65536 /* bytes of a fixed answer or error page */
#define LIMIT_HTTP_REGEX_STEPS   20000 /* PCRE2's match limit for one regular expression */

#define LIMIT_IPV6_EXT_HDRS 8 /* extension headers walked in one packet */
#define LIMIT_VLAN_TAGS     2
#define LIMIT_NEIGHBOURS    4096 /* neighbour entries of one worker */
#define LIMIT_NEIGH_QUEUE   64   /* packets held for one unresolved neighbour */
#define LIMIT_NEIGH_HELD    1024 /* packets held for all of them */
#define LIMIT_FRAG_ENTRIES  4096 /* datagrams in the fragment table of one worker */
#define LIMIT_FRAG_HELD     8    /* fragments held before their first one came */
#define LIMIT_PROBES        LIMIT_BACKENDS

#define LIMIT_TCP_FRAME_SEGS 16      /* payload mbufs of one TCP frame */
#define LIMIT_TCP_CONN_SEGS  8192    /* queued pieces of one connection */
#define LIMIT_TCP_GAPS       64      /* out-of-order runs of one connection */
#define LIMIT_TCP_PORT_TRIES 1024    /* local ports that one active open looks at */
#define LIMIT_TCP_CONNS      8388608 /* of one engine; also TIME_WAIT and half-open ones */
#define LIMIT_TCP_LISTENERS  4096

#define LIMIT_TLS_CERTS     1024              /* certificates of one listener */
#define LIMIT_TLS_FILE      (4 * 1024 * 1024) /* bytes of a PEM file */
#define LIMIT_TLS_CHAIN     10                /* certificates of one chain */
#define LIMIT_TLS_LINGER_NS 3000000000ULL     /* for the peer to close after we did */

#define LIMIT_FLOWS_PER_CORE 16777216
#define LIMIT_HANDOFF_RING   4096 /* packets in flight between two workers */
#define LIMIT_MSG_RING       256  /* control messages in flight to one worker */

#define LIMIT_SHARDS          64    /* RocksDB instances of one store */
#define LIMIT_STORE_READERS   4     /* reader threads of one shard */
#define LIMIT_STORE_NS        64    /* namespaces of one store */
#define LIMIT_STORE_QUEUE     4096  /* requests of one worker waiting for one shard thread */
#define LIMIT_STORE_ITEMS     16384 /* items of one request */
#define LIMIT_STORE_SNAPSHOTS 64    /* open snapshots of one shard */

_Static_assert((LIMIT_HANDOFF_RING & (LIMIT_HANDOFF_RING - 1)) == 0, "rings are powers of two");
_Static_assert((LIMIT_MSG_RING & (LIMIT_MSG_RING - 1)) == 0, "rings are powers of two");
_Static_assert(LIMIT_HANDOFF_RING >= 8 * LIMIT_BURST, "a ring takes several bursts");

#endif
