/* SPDX-License-Identifier: Apache-2.0
 * The table. Sections stand in the order of the reference page; a section that another uses stands
 * before it. */
#include "lb/config/schema.h"

#include <string.h>

#include "lb/config/config_http.h"
#include "lb/config/config_upstream.h"
#include "lb/config/expand.h"

#define MS UINT64_C(1000000)
#define S  (1000 * MS)
#define H  (3600 * S)

#define FIELDS(array) .fields = array, .field_cnt = ARRAY_SIZE(array)
#define BIT(value)    (1u << (value))

_Static_assert(offsetof(struct config_service, port_hi) ==
		       offsetof(struct config_service, port_lo) + sizeof(uint16_t),
	"SCHEMA_PORTS fills two members");
_Static_assert(offsetof(struct config_l4, local_port_hi) ==
		       offsetof(struct config_l4, local_port_lo) + sizeof(uint16_t),
	"SCHEMA_PORTS fills two members");

/* ---- ports ---- */

static const struct schema_field route_fields[] = {
	{"to", SCHEMA_PREFIX, SCHEMA_REQUIRED, SCHEMA_AT(config_route, to),
		.help = "Destination prefix."},
	{"via", SCHEMA_ADDR, SCHEMA_REQUIRED | SCHEMA_LIST,
		SCHEMA_LIST_AT(config_route, via, via_cnt), .max_cnt = LIMIT_NEXTHOPS,
		.help = "Next hops on the link of this port; flows spread over several."},
};

static const struct schema_map route_map = {
	.name = "route",
	.help = "A prefix and its next hops.",
	FIELDS(route_fields),
	.size = sizeof(struct config_route),
	.mark_offset = offsetof(struct config_route, mark),
};

static const struct schema_enum steering_words[] = {
	{"auto", STEER_AUTO, "the first of the others that passes its self-test"},
	{"rss", STEER_RSS, "key and table of the NIC are set by weir"},
	{"software", STEER_SOFTWARE, "workers hand packets to each other"},
	{NULL, 0, NULL},
};

static const struct schema_field port_fields[] = {
	{"name", SCHEMA_NAME, 0, SCHEMA_AT(config_port, name), .dflt_doc = "port0, port1, ...",
		.help = "Name in messages and metrics."},
	{"device", SCHEMA_STRING, SCHEMA_REQUIRED, SCHEMA_AT(config_port, device),
		.help = "PCI address (`0000:01:00.0`) or a DPDK virtual device with its arguments "
			"(`net_af_packet,iface=eth0`)."},
	{"addresses", SCHEMA_IF_ADDR, SCHEMA_REQUIRED | SCHEMA_LIST,
		SCHEMA_LIST_AT(config_port, addresses, address_cnt), .max_cnt = LIMIT_PORT_ADDRS,
		.help = "Own addresses, each with the length of the prefix on its link."},
	{"gateway", SCHEMA_ADDR, SCHEMA_LIST | SCHEMA_RELOAD,
		SCHEMA_LIST_AT(config_port, gateways, gateway_cnt), .max_cnt = 2 * LIMIT_NEXTHOPS,
		.help = "Next hops for everything that no other route covers; flows spread over "
			"those "
			"of one family."},
	{"routes", SCHEMA_MAP, SCHEMA_LIST | SCHEMA_RELOAD,
		SCHEMA_LIST_AT(config_port, routes, route_cnt), .max_cnt = LIMIT_ROUTES,
		.map = &route_map, .help = "More specific routes."},
	{"mtu", SCHEMA_UINT, 0, SCHEMA_AT(config_port, mtu), .min = 1280, .max = 9000,
		.dflt = "1500", .help = "Largest IP packet in bytes."},
	{"vlan", SCHEMA_UINT, 0, SCHEMA_AT(config_port, vlan), .min = 0, .max = 4094, .dflt = "0",
		.help = "802.1Q tag of all frames; 0: untagged."},
	{"mac", SCHEMA_MAC, 0, SCHEMA_AT(config_port, mac), .dflt = "auto",
		.help = "MAC address of the port; auto: as the device has it."},
	{"rx_queue_len", SCHEMA_UINT, 0, SCHEMA_AT(config_port, rx_queue_len), .min = 64,
		.max = 16384, .dflt = "1024",
		.help = "Receive descriptors of each queue. The driver of af_xdp holds 2,048 "
			"packets; what is beyond that waits in weir."},
	{"tx_queue_len", SCHEMA_UINT, 0, SCHEMA_AT(config_port, tx_queue_len), .min = 64,
		.max = 16384, .dflt = "1024", .help = "Send descriptors of each queue."},
	{"steering", SCHEMA_ENUM, 0, SCHEMA_AT(config_port, steering), .dflt = "auto",
		.words = steering_words, .help = "How packets of a flow reach its worker."},
	{"trust_partial_checksums", SCHEMA_BOOL, 0, SCHEMA_AT(config_port, trust_partial_checksums),
		.dflt = "false",
		.help = "Take packets whose checksum was never finished, as the kernel at the "
			"other end "
			"of a veth pair sends them."},
	{"host_tap", SCHEMA_NAME, 0, SCHEMA_AT(config_port, host_tap), .dflt = "\"\"",
		.help = "TAP interface to make for packets that belong to the host's own daemons "
			"(BGP, "
			"SSH); empty: none."},
};

static const struct schema_map port_map = {
	.name = "port",
	.help = "A network port: any DPDK ethdev.",
	FIELDS(port_fields),
	.size = sizeof(struct config_port),
	.mark_offset = offsetof(struct config_port, mark),
};

/* ---- workers, memory, l4 ---- */

static const struct schema_enum poll_words[] = {
	{"auto", POLL_AUTO, "busy if every port is a PCI device, adaptive otherwise"},
	{"busy", POLL_BUSY, "never sleep"},
	{"adaptive", POLL_ADAPTIVE, "sleep shortly when nothing comes"},
	{NULL, 0, NULL},
};

static const struct schema_field worker_fields[] = {
	{"count", SCHEMA_UINT, 0, SCHEMA_AT(config_workers, count), .min = 1, .max = LIMIT_WORKERS,
		.dflt_doc = "as many as `cores`, or 1", .help = "Worker threads, one to a core."},
	{"cores", SCHEMA_CUSTOM, 0, SCHEMA_AT(config_workers, cores), .custom = &custom_cores,
		.dflt_doc = "0, 1, ...",
		.help = "Cores of the workers; the first owns the port's own addresses."},
	{"poll", SCHEMA_ENUM, 0, SCHEMA_AT(config_workers, poll), .dflt = "auto",
		.words = poll_words, .help = "What an idle worker does."},
	{"gather", SCHEMA_DURATION, 0, SCHEMA_AT(config_workers, gather_ns), .max = 10 * MS,
		.dflt = "50us",
		.help = "With adaptive polling, where packets come so fast that three and more "
			"gather "
			"in this time, a worker lets them: many a turn take less CPU time than "
			"few. "
			"It delays each by as much; 0 turns it off."},
	{"watchdog", SCHEMA_DURATION, 0, SCHEMA_AT(config_workers, watchdog_ns), .min = MS,
		.max = 60 * S, .dflt = "100ms",
		.help = "A turn of a worker's loop that takes longer is logged and counted."},
	{"stop_timeout", SCHEMA_DURATION, 0, SCHEMA_AT(config_workers, stop_timeout_ns),
		.max = 86400 * S, .dflt = "10s",
		.help = "After SIGTERM tracked flows may go on for so long; new ones are refused. "
			"TCP connections of listeners that are left then are reset."},
};

static const struct schema_map worker_map = {
	.name = "workers",
	.help = "Threads that move packets. `workers: 2` stands for `workers: {count: 2}`.",
	FIELDS(worker_fields),
	.scalar_key = "count",
};

static const struct schema_field memory_fields[] = {
	{"hugepages", SCHEMA_BOOL, 0, SCHEMA_AT(config_memory, hugepages), .dflt = "true",
		.help = "Use hugepages; false is for tests and small machines."},
	{"dpdk", SCHEMA_SIZE, 0, SCHEMA_AT(config_memory, dpdk_bytes), .min = 0,
		.max = UINT64_C(1) << 44, .dflt = "0", .help = "Memory for DPDK; 0: as needed."},
	{"mbufs", SCHEMA_COUNT, 0, SCHEMA_AT(config_memory, mbufs), .min = 1024, .max = 1 << 24,
		.dflt = "16384", .help = "Packet buffers of each worker."},
	{"flows", SCHEMA_COUNT, 0, SCHEMA_AT(config_memory, flows), .min = 1024,
		.max = LIMIT_FLOWS_PER_CORE, .dflt = "262144",
		.help = "Tracked flows of the modes dsr, ipip and gue, per worker (64 bytes "
			"each)."},
	{"nat_flows", SCHEMA_COUNT, 0, SCHEMA_AT(config_memory, nat_flows), .min = 1024,
		.max = LIMIT_FLOWS_PER_CORE, .dflt = "65536",
		.help = "Tracked flows of the modes nat and fullnat, per worker (128 bytes each)."},
	{"numa_strict", SCHEMA_BOOL, 0, SCHEMA_AT(config_memory, numa_strict), .dflt = "true",
		.help = "Refuse to serve a port from a core of another NUMA socket."},
	{"secondaries", SCHEMA_NAME, 0, SCHEMA_AT(config_memory, secondaries), .dflt = "\"\"",
		.help = "Name under which other DPDK processes may attach: `dpdk-dumpcap "
			"--file-prefix=NAME`. They share all memory of weir's, can read and break "
			"everything in it, and must be of the same release of DPDK. Needs "
			"hugepages. Empty: none can."},
};

static const struct schema_map memory_map = {
	.name = "memory",
	.help = "Pools and tables, all made at start.",
	FIELDS(memory_fields),
};

static const struct schema_field l4_fields[] = {
	{"hash_seed", SCHEMA_CUSTOM, 0, SCHEMA_AT(config_l4, hash_seed), .custom = &custom_seed,
		.dflt_doc = "the text `weir`",
		.help = "Seed of the Maglev tables: nodes that share their virtual addresses need "
			"the same "
			"one, strangers should not know it."},
	{"flood_new_per_sec", SCHEMA_COUNT, 0, SCHEMA_AT(config_l4, flood_new_per_sec), .min = 0,
		.max = 100000000, .dflt = "0",
		.help = "New flows a second and worker above which none is tracked and packets "
			"follow the "
			"hash alone; 0: no bound."},
	{"local_ports", SCHEMA_PORTS, SCHEMA_RESTART,
		.offset = offsetof(struct config_l4, local_port_lo), .width = 2 * sizeof(uint16_t),
		.dflt = "1024-65535", .help = "Source ports of full NAT, split over the workers."},
	{"icmp_rate", SCHEMA_COUNT, 0, SCHEMA_AT(config_l4, icmp_rate), .min = 0, .max = 1000000,
		.dflt = "1000", .help = "Own ICMP errors a second and worker."},
};

static const struct schema_map l4_map = {
	.name = "l4",
	.help = "What holds for all layer 4 services.",
	FIELDS(l4_fields),
};

/* ---- services ---- */

static const struct schema_field backend_fields[] = {
	{"address", SCHEMA_CUSTOM, SCHEMA_REQUIRED, SCHEMA_AT(config_backend, addr),
		.custom = &custom_backend, .help = "Address, or address and port."},
	{"port", SCHEMA_UINT, 0, SCHEMA_AT(config_backend, port), .min = 0, .max = UINT16_MAX,
		.dflt = "0", .help = "Port; 0: the one the client asked for."},
	{"weight", SCHEMA_UINT, 0, SCHEMA_AT(config_backend, weight), .min = 0, .max = LIMIT_WEIGHT,
		.dflt = "1", .help = "Share of new flows; 0: drain."},
	{"drain", SCHEMA_BOOL, 0, SCHEMA_AT(config_backend, drain), .dflt = "false",
		.help = "Take no new flows; tracked ones go on until `drain_timeout`."},
};

static const struct schema_map backend_map = {
	.name = "backend",
	.help = "A server. `192.0.2.7:80` stands for `{address: 192.0.2.7, port: 80}`.",
	FIELDS(backend_fields),
	.size = sizeof(struct config_backend),
	.mark_offset = offsetof(struct config_backend, mark),
	.scalar_key = "address",
};

static const struct schema_field limit_fields[] = {
	{"connections", SCHEMA_COUNT, 0, SCHEMA_AT(config_service, conn_limit), .min = 0,
		.max = UINT64_C(1) << 40, .dflt = "0",
		.help = "Tracked flows over all workers; 0: no limit."},
	{"rate", SCHEMA_COUNT, 0, SCHEMA_AT(config_service, rate_limit), .min = 0,
		.max = UINT64_C(1) << 40, .dflt = "0",
		.help = "New flows a second over all workers; 0: no limit."},
	{"backend_connections", SCHEMA_COUNT, 0, SCHEMA_AT(config_service, backend_conn_limit),
		.min = 0, .max = UINT64_C(1) << 40, .dflt = "0",
		.help = "Tracked flows of one backend over all workers; 0: no limit."},
};

static const struct schema_map limit_map = {
	.name = "limits",
	.help = "Bounds of one service.",
	FIELDS(limit_fields),
};

static const struct schema_field timeout_fields[] = {
	{"syn", SCHEMA_DURATION, 0, SCHEMA_AT(config_service, timeout_syn_ns), .min = S,
		.max = 24 * H, .dflt = "30s", .help = "Handshake not finished."},
	{"established", SCHEMA_DURATION, 0, SCHEMA_AT(config_service, timeout_established_ns),
		.min = S, .max = 30 * 24 * H, .dflt = "15m", .help = "Idle TCP connection."},
	{"fin", SCHEMA_DURATION, 0, SCHEMA_AT(config_service, timeout_fin_ns), .min = S,
		.max = 24 * H, .dflt = "1m", .help = "After a FIN or RST."},
	{"udp", SCHEMA_DURATION, 0, SCHEMA_AT(config_service, timeout_udp_ns), .min = S,
		.max = 24 * H, .dflt = "2m", .help = "Idle UDP flow."},
};

static const struct schema_map timeout_map = {
	.name = "timeouts",
	.help = "How long a flow that says nothing is tracked.",
	FIELDS(timeout_fields),
};

static const struct schema_enum health_words[] = {
	{"none", HEALTH_NONE, "always up"},
	{"icmp", HEALTH_ICMP, "echo request and reply"},
	{"tcp", HEALTH_TCP, "SYN answered by SYN-ACK; the connection is never opened"},
	{"udp", HEALTH_UDP, "payload sent and reply expected"},
	{"http", HEALTH_HTTP,
		"a request and its response; only of backends of listeners and upstreams"},
	{NULL, 0, NULL},
};

#define PROBED (BIT(HEALTH_ICMP) | BIT(HEALTH_TCP) | BIT(HEALTH_UDP) | BIT(HEALTH_HTTP))

static const struct schema_field health_fields[] = {
	{"type", SCHEMA_ENUM, 0, SCHEMA_AT(config_health, type), .dflt = "none",
		.words = health_words, .help = "Kind of probe."},
	{"port", SCHEMA_UINT, 0, SCHEMA_AT(config_health, port), .min = 0, .max = UINT16_MAX,
		.dflt = "0", .only = BIT(HEALTH_TCP) | BIT(HEALTH_UDP) | BIT(HEALTH_HTTP),
		.help = "Port to probe; 0: the backend's own."},
	{"interval", SCHEMA_DURATION, 0, SCHEMA_AT(config_health, interval_ns), .min = 10 * MS,
		.max = H, .dflt = "2s", .only = PROBED, .help = "Time from probe to probe."},
	{"timeout", SCHEMA_DURATION, 0, SCHEMA_AT(config_health, timeout_ns), .min = MS, .max = H,
		.dflt_doc = "1s, or `interval` if that is shorter", .only = PROBED,
		.help = "An answer that takes longer is a failure; at most `interval`."},
	{"rise", SCHEMA_UINT, 0, SCHEMA_AT(config_health, rise), .min = 1, .max = 100, .dflt = "2",
		.only = PROBED, .help = "Successes in a row that bring a backend up."},
	{"fall", SCHEMA_UINT, 0, SCHEMA_AT(config_health, fall), .min = 1, .max = 100, .dflt = "3",
		.only = PROBED, .help = "Failures in a row that take it down."},
	{"jitter", SCHEMA_PERCENT, 0, SCHEMA_AT(config_health, jitter_pct), .min = 0, .max = 50,
		.dflt = "10%", .only = PROBED, .help = "Random part of the interval."},
	{"send", SCHEMA_BYTES, 0, SCHEMA_AT(config_health, send),
		.cnt_offset = offsetof(struct config_health, send_len), .max = 1024,
		.only = BIT(HEALTH_UDP), .help = "Payload: a text, or `hex:` and pairs of digits."},
	{"expect", SCHEMA_BYTES, 0, SCHEMA_AT(config_health, expect),
		.cnt_offset = offsetof(struct config_health, expect_len), .max = 1024,
		.dflt = "\"\"", .only = BIT(HEALTH_UDP) | BIT(HEALTH_HTTP),
		.help = "What the reply begins with, or the response's body contains in its first "
			"16 KiB; written like `send`. Empty: any is good."},
	{"method", SCHEMA_NAME, 0, SCHEMA_AT(config_health, method), .dflt = "GET",
		.only = BIT(HEALTH_HTTP), .help = "Method of the request."},
	{"path", SCHEMA_STRING, 0, SCHEMA_AT(config_health, path), .dflt = "/",
		.only = BIT(HEALTH_HTTP), .help = "Path and query of the request."},
	{"host", SCHEMA_STRING, 0, SCHEMA_AT(config_health, host), .dflt = "\"\"",
		.only = BIT(HEALTH_HTTP),
		.help = "Host of the request; empty: the backend's address and port."},
	{"status", SCHEMA_PORTS, 0, .offset = offsetof(struct config_health, status_lo),
		.width = 2 * sizeof(uint16_t), .dflt = "200-399", .only = BIT(HEALTH_HTTP),
		.help = "Status of a good response, or a range of them."},
	{"tls", SCHEMA_BOOL, 0, SCHEMA_AT(config_health, tls), .dflt = "true",
		.only = BIT(HEALTH_HTTP),
		.help = "Where the backends speak TLS the probe does, with the same certificates, "
			"verification and name; false: it never does."},
};

const struct schema_map schema_health = {
	.name = "health",
	.help = "Probes of the backends. `health: tcp` stands for `health: {type: tcp}`.",
	FIELDS(health_fields),
	.scalar_key = "type",
	.variant = "type",
};

static const struct schema_enum proto_words[] = {
	{"tcp", L4_TCP, NULL},
	{"udp", L4_UDP, NULL},
	{NULL, 0, NULL},
};
static const struct schema_enum mode_words[] = {
	{"dsr", L4_DSR, "new MAC address; the backend has the virtual address and answers itself"},
	{"ipip", L4_IPIP, "IP in IP tunnel, any families; the backend answers itself"},
	{"gue", L4_GUE, "UDP tunnel, any families; the backend answers itself"},
	{"nat", L4_NAT, "new destination; answers must come back through weir"},
	{"fullnat", L4_FULLNAT, "new source and destination, any families"},
	{NULL, 0, NULL},
};
static const struct schema_enum scheduler_words[] = {
	{"maglev", L4_MAGLEV, "consistent hash, the same on every node"},
	{"wrr", L4_WRR, "weighted round robin"},
	{"wlc", L4_WLC, "weighted least connections"},
	{"source_hash", L4_SOURCE_HASH, "by the client's address"},
	{NULL, 0, NULL},
};
static const struct schema_enum hash_words[] = {
	{"tuple", L4_HASH_TUPLE, "addresses and ports"},
	{"source", L4_HASH_SOURCE, "the client's address"},
	{NULL, 0, NULL},
};
static const struct schema_enum down_words[] = {
	{"drop", L4_DOWN_DROP, "say nothing"},
	{"reject", L4_DOWN_REJECT, "TCP reset or ICMP port unreachable"},
	{"spray", L4_DOWN_SPRAY, "as if all were up"},
	{NULL, 0, NULL},
};
static const struct schema_enum removal_words[] = {
	{"gentle", L4_REMOVE_GENTLE, "its flows go on until `drain_timeout`"},
	{"reset", L4_REMOVE_RESET, "its clients get a TCP reset at once"},
	{NULL, 0, NULL},
};

#define TUNNELS (BIT(L4_IPIP) | BIT(L4_GUE))

static const struct schema_field service_fields[] = {
	{"name", SCHEMA_NAME, 0, SCHEMA_AT(config_service, name),
		.dflt_doc = "first address, port and protocol",
		.help = "Name in messages and metrics."},
	{"vip", SCHEMA_CUSTOM, SCHEMA_SHORT, SCHEMA_AT(config_service, vips), .custom = &custom_vip,
		.help = "Short form of `vips` with one address and of `port`: `192.0.2.10:80`."},
	{"vips", SCHEMA_ADDR, SCHEMA_LIST, SCHEMA_LIST_AT(config_service, vips, vip_cnt),
		.max_cnt = LIMIT_VIPS, .dflt_doc = "`vip` or this is **required**",
		.help = "Virtual addresses that clients connect to."},
	{"port", SCHEMA_PORTS, 0, .offset = offsetof(struct config_service, port_lo),
		.width = 2 * sizeof(uint16_t), .dflt_doc = "here or in `vip` **required**",
		.help = "Port, range of ports, or any."},
	{"protocol", SCHEMA_ENUM, 0, SCHEMA_AT(config_service, proto), .dflt = "tcp",
		.words = proto_words, .help = "Transport protocol."},
	{"mode", SCHEMA_ENUM, 0, SCHEMA_AT(config_service, mode), .dflt = "fullnat",
		.words = mode_words, .help = "How packets reach the backend."},
	{"scheduler", SCHEMA_ENUM, 0, SCHEMA_AT(config_service, scheduler), .dflt = "maglev",
		.words = scheduler_words, .help = "How a new flow finds its backend."},
	{"hash", SCHEMA_ENUM, 0, SCHEMA_AT(config_service, hash), .dflt = "tuple",
		.words = hash_words, .help = "What `maglev` hashes."},
	{"maglev_size", SCHEMA_UINT, 0, SCHEMA_AT(config_service, maglev_size), .min = 2,
		.max = LIMIT_MAGLEV_SIZE, .dflt = "65537",
		.help = "Slots of the table: a prime, 100 times the backends or more."},
	{"backends", SCHEMA_MAP, SCHEMA_REQUIRED | SCHEMA_LIST,
		SCHEMA_LIST_AT(config_service, backends, backend_cnt),
		.max_cnt = LIMIT_SERVICE_BACKENDS, .map = &backend_map, .help = "Servers."},
	{"local_addresses", SCHEMA_ADDR, SCHEMA_LIST,
		SCHEMA_LIST_AT(config_service, local_addrs, local_addr_cnt),
		.max_cnt = LIMIT_LOCAL_ADDRS, .only = BIT(L4_FULLNAT),
		.dflt_doc = "addresses of the ports that lead to the backends",
		.help = "Source addresses towards the backends; those that no port has must be "
			"routed to "
			"this machine."},
	{"toa", SCHEMA_BOOL, 0, SCHEMA_AT(config_service, toa), .dflt = "false",
		.only = BIT(L4_FULLNAT),
		.help = "Tell the backend the client's address in TCP option 254."},
	{"mss_clamp", SCHEMA_BOOL, 0, SCHEMA_AT(config_service, mss_clamp),
		.dflt_doc = "true for TCP in the modes ipip and gue",
		.help = "Lower the MSS of TCP handshakes to what fits the way to the backend."},
	{"gue_port", SCHEMA_UINT, 0, SCHEMA_AT(config_service, gue_port), .min = 1,
		.max = UINT16_MAX, .dflt = "6080", .only = BIT(L4_GUE),
		.help = "UDP port that backends decapsulate."},
	{"tunnel_source", SCHEMA_CUSTOM, 0, SCHEMA_AT(config_service, tunnel_source),
		.custom = &custom_tunnel_source, .only = TUNNELS,
		.dflt_doc = "the port's own address",
		.help = "Prefixes, at most one of each family, from which the outer source address "
			"is "
			"taken by flow."},
	{"all_down", SCHEMA_ENUM, 0, SCHEMA_AT(config_service, all_down), .dflt = "reject",
		.words = down_words, .help = "What new flows get when no backend is up."},
	{"on_removal", SCHEMA_ENUM, 0, SCHEMA_AT(config_service, removal), .dflt = "gentle",
		.words = removal_words,
		.help = "What happens to flows of a backend that is removed."},
	{"drain_timeout", SCHEMA_DURATION, 0, SCHEMA_AT(config_service, drain_ns), .min = 0,
		.max = 30 * 24 * H, .dflt = "5m",
		.help = "Flows of a draining or removed backend end after this time; 0: never."},
	{"limits", SCHEMA_MAP, 0, .offset = 0, .map = &limit_map, .help = "Bounds of the service."},
	{"allow", SCHEMA_PREFIX, SCHEMA_LIST, SCHEMA_LIST_AT(config_service, allow, allow_cnt),
		.max_cnt = LIMIT_PREFIXES, .help = "Clients that may connect; empty: all."},
	{"deny", SCHEMA_PREFIX, SCHEMA_LIST, SCHEMA_LIST_AT(config_service, deny, deny_cnt),
		.max_cnt = LIMIT_PREFIXES, .help = "Clients that may not, whatever `allow` says."},
	{"timeouts", SCHEMA_MAP, 0, .offset = 0, .map = &timeout_map,
		.help = "How long silent flows are tracked."},
	{"health", SCHEMA_MAP, 0, SCHEMA_AT(config_service, health), .map = &schema_health,
		.help = "Probes of the backends."},
};

static const struct schema_map service_map = {
	.name = "service",
	.help = "Virtual addresses, a protocol and ports, and the backends behind them.",
	FIELDS(service_fields),
	.size = sizeof(struct config_service),
	.mark_offset = offsetof(struct config_service, mark),
	.variant = "mode",
};

/* ---- tcp and listeners ---- */

static const struct schema_field proxy_backend_fields[] = {
	{"address", SCHEMA_CUSTOM, 0, SCHEMA_AT(config_backend, addr), .custom = &custom_server,
		.dflt_doc = "`host` or this is **required**",
		.help = "Address or host name, or one of them and a port. A name is asked for "
			"again by its TTL, as `resolver` says, and each of its addresses is a "
			"backend."},
	{"host", SCHEMA_CUSTOM, SCHEMA_SHORT, SCHEMA_AT(config_backend, host),
		.custom = &custom_host, .help = "A host name, in place of `address`."},
	{"port", SCHEMA_UINT, 0, SCHEMA_AT(config_backend, port), .min = 0, .max = UINT16_MAX,
		.dflt = "0", .help = "Port; 0: the one the client asked for."},
	{"weight", SCHEMA_UINT, 0, SCHEMA_AT(config_backend, weight), .min = 0, .max = LIMIT_WEIGHT,
		.dflt = "1", .help = "Share of new connections; 0: drain."},
	{"drain", SCHEMA_BOOL, 0, SCHEMA_AT(config_backend, drain), .dflt = "false",
		.help = "Take no new connections."},
	{"sni", SCHEMA_STRING, SCHEMA_LIST, SCHEMA_LIST_AT(config_backend, snis, sni_cnt),
		.max_cnt = 64,
		.help = "Names, `*.x` for any one label before x: connections whose TLS asks for "
			"one of them go to the backends that list it, all others to those that "
			"list none. Without `tls` the ClientHello is read on its way and TLS "
			"passes through untouched."},
};

static const struct schema_map proxy_backend_map = {
	.name = "proxied backend",
	.help = "A server. `192.0.2.7:80` stands for `{address: 192.0.2.7, port: 80}`.",
	FIELDS(proxy_backend_fields),
	.size = sizeof(struct config_backend),
	.mark_offset = offsetof(struct config_backend, mark),
	.scalar_key = "address",
};

static const struct schema_enum congestion_words[] = {
	{"cubic", 0, "RFC 9438"},
	{"newreno", 1, "RFC 5681 and 6582"},
	{NULL, 0, NULL},
};

static const struct schema_field tcp_fields[] = {
	{"max_connections", SCHEMA_COUNT, 0, SCHEMA_AT(config_tcp, max_conns), .min = 16,
		.max = LIMIT_TCP_CONNS, .dflt = "16384",
		.help = "Connections of each worker, opening ones included; a proxied one takes "
			"two."},
	{"max_half_open", SCHEMA_COUNT, 0, SCHEMA_AT(config_tcp, max_half_open), .min = 16,
		.max = LIMIT_TCP_CONNS, .dflt = "4096",
		.help = "Handshakes under way of each worker; from half of it on SYN cookies are "
			"used."},
	{"max_time_wait", SCHEMA_COUNT, 0, SCHEMA_AT(config_tcp, max_timewaits), .min = 16,
		.max = LIMIT_TCP_CONNS, .dflt = "65536",
		.help = "TIME_WAIT records of each worker; the oldest makes room."},
	{"warm_connections", SCHEMA_COUNT, 0, SCHEMA_AT(config_tcp, warm_conns),
		.max = LIMIT_TCP_CONNS, .dflt = "512",
		.help = "The memory of so many connections and requests of each worker, some 40 "
			"KiB "
			"each, is touched at the start. That of more is when it is first needed, "
			"which "
			"holds up all others for a millisecond or two now and then."},
	{"packet_headers", SCHEMA_COUNT, 0, SCHEMA_AT(config_tcp, packet_headers), .min = 1024,
		.max = 1 << 22, .dflt = "8192",
		.help = "Buffers of each worker for frames on their way out."},
	{"data_buffers", SCHEMA_COUNT, 0, SCHEMA_AT(config_tcp, data_buffers), .min = 1024,
		.max = 1 << 22, .dflt = "4096",
		.help = "Buffers of each worker for bytes that weir itself sends. Long bodies "
			"(files, fixed answers, values) together take three quarters at most."},
	{"receive_buffer", SCHEMA_SIZE, 0, SCHEMA_AT(config_tcp, rcvbuf), .min = 4096,
		.max = 1 << 30, .dflt = "256KiB", .help = "Largest receive window."},
	{"send_buffer", SCHEMA_SIZE, 0, SCHEMA_AT(config_tcp, sndbuf), .min = 4096, .max = 1 << 30,
		.dflt = "256KiB", .help = "Bytes of one connection that wait to be acknowledged."},
	{"congestion_control", SCHEMA_ENUM, 0, SCHEMA_AT(config_tcp, congestion), .dflt = "cubic",
		.words = congestion_words, .help = "How fast is sent."},
	{"keepalive", SCHEMA_DURATION, 0, SCHEMA_AT(config_tcp, keepalive_ns), .min = 0,
		.max = 24 * H, .dflt = "2h",
		.help = "Silence after which the peer is probed; 0: never."},
	{"time_wait", SCHEMA_DURATION, 0, SCHEMA_AT(config_tcp, time_wait_ns), .min = S,
		.max = 240 * S, .dflt = "60s", .help = "How long TIME_WAIT lasts."},
	{"user_timeout", SCHEMA_DURATION, 0, SCHEMA_AT(config_tcp, user_timeout_ns), .min = S,
		.max = 24 * H, .dflt = "15m",
		.help = "A peer that acknowledges nothing for so long is gone."},
	{"ecn", SCHEMA_BOOL, 0, SCHEMA_AT(config_tcp, ecn), .dflt = "true",
		.help = "Negotiate explicit congestion notification."},
};

static const struct schema_map tcp_map = {
	.name = "tcp",
	.help = "The TCP engine behind `listeners`. It is made at start if there are listeners or "
		"this section.",
	FIELDS(tcp_fields),
};

static const struct schema_field bind_fields[] = {
	{"address", SCHEMA_CUSTOM, SCHEMA_REQUIRED, SCHEMA_AT(config_bind, addr),
		.custom = &custom_bind, .help = "Address, or address and port."},
	{"port", SCHEMA_UINT, 0, SCHEMA_AT(config_bind, port), .min = 1, .max = UINT16_MAX,
		.dflt_doc = "here or in `address` **required**", .help = "Port."},
};

static const struct schema_map bind_map = {
	.name = "bind",
	.help = "Where clients connect. `192.0.2.10:80` stands for `{address: 192.0.2.10, port: "
		"80}`.",
	FIELDS(bind_fields),
	.size = sizeof(struct config_bind),
	.mark_offset = offsetof(struct config_bind, mark),
	.scalar_key = "address",
};

static const struct schema_enum listener_proto_words[] = {
	{"tcp", LISTENER_TCP, NULL},
	{NULL, 0, NULL},
};
static const struct schema_enum action_words[] = {
	{"echo", LISTENER_ECHO, "send back what comes"},
	{"discard", LISTENER_DISCARD, "take and forget what comes"},
	{"source", LISTENER_SOURCE, "send a pattern; byte n is n modulo 251"},
	{"tcp_proxy", LISTENER_TCP_PROXY, "join the connection to one of a backend"},
	{"http", LISTENER_HTTP, "answer HTTP requests as `site` or `routes` say"},
	{"resp", LISTENER_RESP, "the Redis protocol over the store"},
	{NULL, 0, NULL},
};
static const struct schema_enum listener_scheduler_words[] = {
	{"maglev", LISTENER_MAGLEV, "consistent hash of the client's address"},
	{"wrr", LISTENER_WRR, "weighted round robin"},
	{"least_conn", LISTENER_LEAST_CONN,
		"fewest connections for their weight, as each worker counts its own"},
	{NULL, 0, NULL},
};
static const struct schema_enum proxy_words[] = {
	{"none", PROXY_NONE, "nothing"},
	{"v1", PROXY_V1, "one line of text"},
	{"v2", PROXY_V2, "binary"},
	{NULL, 0, NULL},
};

#define PROXYING BIT(LISTENER_TCP_PROXY)

static const struct schema_field listener_limit_fields[] = {
	{"connections", SCHEMA_COUNT, 0, SCHEMA_AT(config_listener, conn_limit), .min = 0,
		.max = UINT64_C(1) << 40, .dflt = "0",
		.help = "Connections over all workers; 0: no limit. Those above are reset."},
};

static const struct schema_map listener_limit_map = {
	.name = "listener limits",
	.help = "Bounds of one listener.",
	FIELDS(listener_limit_fields),
};

static const struct schema_field listener_fields[] = {
	{"name", SCHEMA_NAME, 0, SCHEMA_AT(config_listener, name),
		.dflt_doc = "first address and port", .help = "Name in messages and metrics."},
	{"bind", SCHEMA_MAP, SCHEMA_REQUIRED | SCHEMA_LIST,
		SCHEMA_LIST_AT(config_listener, binds, bind_cnt), .max_cnt = LIMIT_BINDS,
		.map = &bind_map, .help = "Addresses and ports, own or virtual ones."},
	{"protocol", SCHEMA_ENUM, 0, SCHEMA_AT(config_listener, proto), .dflt = "tcp",
		.words = listener_proto_words, .help = "What is spoken."},
	{"action", SCHEMA_ENUM, SCHEMA_REQUIRED, SCHEMA_AT(config_listener, action),
		.words = action_words, .help = "What happens to a connection."},
	{"accept_proxy_protocol", SCHEMA_BOOL, 0, SCHEMA_AT(config_listener, accept_proxy),
		.dflt = "false",
		.help = "Connections begin with a PROXY protocol header, version 1 or 2; others "
			"are reset. Only for clients that are load balancers."},
	{"tls", SCHEMA_MAP, SCHEMA_OPTIONAL, SCHEMA_AT(config_listener, tls),
		.map = &schema_tls_server, .help = "Speak TLS with clients; not given: no TLS."},
	{"bytes", SCHEMA_SIZE, 0, SCHEMA_AT(config_listener, source_bytes), .min = 0,
		.max = UINT64_C(1) << 60, .dflt = "0", .only = BIT(LISTENER_SOURCE),
		.help = "How much is sent before closing; 0: until the client closes."},
	{"backends", SCHEMA_MAP, SCHEMA_LIST,
		SCHEMA_LIST_AT(config_listener, backends, backend_cnt),
		.max_cnt = LIMIT_SERVICE_BACKENDS, .only = PROXYING, .map = &proxy_backend_map,
		.help = "Servers; **required** with tcp_proxy."},
	{"scheduler", SCHEMA_ENUM, 0, SCHEMA_AT(config_listener, scheduler), .dflt = "maglev",
		.only = PROXYING, .words = listener_scheduler_words,
		.help = "How a connection finds its backend."},
	{"backend_tls", SCHEMA_MAP, SCHEMA_OPTIONAL, SCHEMA_AT(config_listener, backend_tls),
		.only = PROXYING, .map = &schema_tls_client,
		.help = "Speak TLS with the backends; not given: no TLS."},
	{"send_proxy_protocol", SCHEMA_ENUM, 0, SCHEMA_AT(config_listener, send_proxy),
		.dflt = "none", .only = PROXYING, .words = proxy_words,
		.help = "Tell the backend the client's address in a PROXY protocol header."},
	{"local_addresses", SCHEMA_ADDR, SCHEMA_LIST,
		SCHEMA_LIST_AT(config_listener, local_addrs, local_addr_cnt),
		.max_cnt = LIMIT_LOCAL_ADDRS, .only = PROXYING,
		.dflt_doc = "address of the port that leads to the backend",
		.help = "Source addresses towards the backends, used in turn; those that no port "
			"has must be routed to this machine."},
	{"connect_timeout", SCHEMA_DURATION, 0, SCHEMA_AT(config_listener, connect_timeout_ns),
		.min = 10 * MS, .max = 300 * S, .dflt = "3s",
		.help = "A backend that does not answer for so long counts as failed and another "
			"one is tried; also the time for a PROXY protocol header to come."},
	{"idle_timeout", SCHEMA_DURATION, 0, SCHEMA_AT(config_listener, idle_timeout_ns), .min = 0,
		.max = 30 * 24 * H, .dflt = "1h",
		.help = "A connection on which nothing moves for so long is reset; 0: never."},
	{"limits", SCHEMA_MAP, 0, .offset = 0, .map = &listener_limit_map,
		.help = "Bounds of the listener."},
	{"health", SCHEMA_MAP, 0, SCHEMA_AT(config_listener, health), .only = PROXYING,
		.map = &schema_health, .help = "Probes of the backends."},
	{"site", SCHEMA_NAME, 0, SCHEMA_AT(config_listener, site_name), .dflt = "\"\"",
		.only = BIT(LISTENER_HTTP), .help = "Name of the site that is served."},
	{"routes", SCHEMA_MAP, SCHEMA_LIST, SCHEMA_LIST_AT(config_listener, routes, route_cnt),
		.max_cnt = LIMIT_HTTP_ROUTES, .only = BIT(LISTENER_HTTP), .map = &schema_http_route,
		.help = "In place of `site`: routes of a site of the listener's own, with the "
			"defaults in everything else."},
	{"resp", SCHEMA_MAP, 0, SCHEMA_AT(config_listener, resp), .only = BIT(LISTENER_RESP),
		.map = &schema_resp, .help = "The Redis protocol."},
};

static const struct schema_map listener_map = {
	.name = "listener",
	.help = "Addresses at which weir itself ends TCP connections, and what it does with them.",
	FIELDS(listener_fields),
	.size = sizeof(struct config_listener),
	.mark_offset = offsetof(struct config_listener, mark),
	.variant = "action",
};

/* ---- the file ---- */

static const struct schema_field root_fields[] = {
	{"ports", SCHEMA_MAP, SCHEMA_LIST | SCHEMA_REQUIRED | SCHEMA_RESTART,
		SCHEMA_LIST_AT(config, ports, port_cnt), .max_cnt = LIMIT_PORTS, .map = &port_map,
		.help = "Network ports."},
	{"workers", SCHEMA_MAP, SCHEMA_RESTART, SCHEMA_AT(config, workers), .map = &worker_map,
		.help = "Threads and cores."},
	{"memory", SCHEMA_MAP, SCHEMA_RESTART, SCHEMA_AT(config, memory), .map = &memory_map,
		.help = "Pools and tables."},
	{"l4", SCHEMA_MAP, 0, SCHEMA_AT(config, l4), .map = &l4_map,
		.help = "What holds for all layer 4 services."},
	{"admin", SCHEMA_MAP, 0, SCHEMA_AT(config, admin), .map = &schema_admin_map,
		.help = "Control interface."},
	{"tcp", SCHEMA_MAP, SCHEMA_RESTART, SCHEMA_AT(config, tcp), .map = &tcp_map,
		.help = "The TCP engine."},
	{"cache", SCHEMA_MAP, SCHEMA_RESTART, SCHEMA_AT(config, cache), .map = &schema_cache,
		.help = "Memory of the HTTP cache."},
	{"store", SCHEMA_MAP, SCHEMA_RESTART, SCHEMA_AT(config, store), .map = &schema_store,
		.help = "Durable data."},
	{"tls", SCHEMA_MAP, 0, SCHEMA_AT(config, tls), .map = &schema_tls,
		.help = "What holds for all TLS."},
	{"resolver", SCHEMA_MAP, 0, SCHEMA_AT(config, resolver), .map = &schema_resolver,
		.help = "Names of backends."},
	{"services", SCHEMA_MAP, SCHEMA_LIST, SCHEMA_LIST_AT(config, services, service_cnt),
		.max_cnt = LIMIT_SERVICES, .map = &service_map, .help = "Layer 4 services."},
	{"upstreams", SCHEMA_MAP, SCHEMA_NAMED, SCHEMA_LIST_AT(config, upstreams, upstream_cnt),
		.max_cnt = LIMIT_UPSTREAMS, .map = &schema_upstream,
		.help = "Pools of HTTP servers, by name."},
	{"listeners", SCHEMA_MAP, SCHEMA_LIST, SCHEMA_LIST_AT(config, listeners, listener_cnt),
		.max_cnt = LIMIT_LISTENERS, .map = &listener_map,
		.help = "TCP connections that end here."},
	{"sites", SCHEMA_MAP, SCHEMA_NAMED, SCHEMA_LIST_AT(config, sites, site_cnt),
		.max_cnt = LIMIT_HTTP_SITES, .map = &schema_site,
		.help = "What listeners with `action: http` do."},
	{"access_log", SCHEMA_MAP, SCHEMA_OPTIONAL | SCHEMA_RESTART, SCHEMA_AT(config, access_log),
		.map = &schema_access_log, .help = "One line for each HTTP request."},
};

const struct schema_map schema_root = {
	.name = "file",
	.help = "The whole configuration.",
	FIELDS(root_fields),
	.size = sizeof(struct config),
};
