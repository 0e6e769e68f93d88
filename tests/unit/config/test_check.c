/* SPDX-License-Identifier: Apache-2.0
 * What must hold between values: each case is a file and everything that is said about it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "tests/support/config_text.h"

struct text_case {
	const char *text, *want;
};

static void run(const struct text_case *cases, size_t cnt)
{
	size_t bad = 0;

	for (size_t i = 0; i < cnt; i++) {
		char *said;
		struct config *cfg = config_text_parse(cases[i].text, &said);
		bool refused = strstr(cases[i].want, ": error: ");

		if (strcmp(said, cases[i].want) != 0 || (cfg == NULL) != refused) {
			print_error("---- case %zu\n%s---- said\n%s---- wanted\n%s", i,
				cases[i].text, said, cases[i].want);
			bad++;
		}
		free(said);
		config_free(cfg);
	}
	assert_int_equal(bad, 0);
}

/* One port with both families on line 1; a service that is good. */
#define PORT                                                                           \
	"ports: [{device: a, addresses: [192.0.2.2/24, \"2001:db8::2/64\"], gateway: " \
	"192.0.2.1}]\n"
#define GOOD "services: [{vip: 192.0.2.10:80, backends: [192.0.2.11]}]\n"

static void ports_and_addresses(void **state)
{
	static const struct text_case all[] = {
		{GOOD, "t:1:1: error: file without 'ports'\n"},
		{"ports: [{device: a}]\n" GOOD, "t:1:9: error: port without 'addresses'\n"},
		{"ports: [{addresses: 192.0.2.2/24}]\n" GOOD,
			"t:1:9: error: port without 'device'\n"},
		{PORT, "t:1:1: warning: there are no services\n"},
		{"ports:\n"
		 "- {device: a, addresses: [192.0.2.2/24, 192.0.2.2/25]}\n"
		 "- {device: b, addresses: [198.51.100.2/24, 192.0.2.2/32]}\n" GOOD,
			"t:2:41: error: addresses: '192.0.2.2' is there already, on line 2\n"
			"t:3:44: error: addresses: '192.0.2.2' is there already, on line 2\n"},
		{"ports:\n"
		 "- {device: a, addresses: [192.0.2.0/24, 198.51.100.255/24, 127.0.0.1/8, "
		 "224.0.0.1/4,\n"
		 "   \"ff02::1/64\", \"::1/128\", 0.0.0.0/0, 203.0.113.0/31, 255.255.255.255/32, "
		 "192.0.2.9/24]}\n" GOOD,
			"t:2:27: error: addresses: '192.0.2.0/24' is the address of the network "
			"itself\n"
			"t:2:41: error: addresses: '198.51.100.255/24' is the broadcast address of "
			"its link\n"
			"t:2:60: error: addresses: '127.0.0.1/8' is a loopback address\n"
			"t:2:73: error: addresses: '224.0.0.1/4' is a multicast address\n"
			"t:3:4: error: addresses: 'ff02::1/64' is a multicast address\n"
			"t:3:18: error: addresses: '::1/128' is a loopback address\n"
			"t:3:29: error: addresses: '0.0.0.0/0' names no host\n"
			"t:3:56: error: addresses: '255.255.255.255/32' is not a unicast "
			"address\n"},
		{"ports:\n"
		 "- {device: a, addresses: 192.0.2.2/24, name: x, host_tap: t0}\n"
		 "- {device: a, addresses: 198.51.100.2/24, name: x, host_tap: t0}\n" GOOD,
			"t:3:12: error: device: 'a' is taken already, on line 2\n"
			"t:3:49: error: name: 'x' is taken already, on line 2\n"
			"t:3:62: error: host_tap: 't0' is taken already, on line 2\n"},
		{"ports:\n"
		 "- {device: a, addresses: 192.0.2.2/24, name: port1}\n"
		 "- {device: b, addresses: 192.0.2.130/25}\n" GOOD,
			"t:3:3: error: name: 'port1' is taken already, on line 2\n"
			"t:3:26: warning: addresses: the link of '192.0.2.130/25' overlaps that of "
			"'192.0.2.2/24' on another port (line 2)\n"},
	};

	(void)state;
	run(all, ARRAY_SIZE(all));
}

static void gateways_and_routes(void **state)
{
	static const struct text_case all[] = {
		{"ports: [{device: a, addresses: 192.0.2.2/24, gateway: 198.51.100.1}]\n" GOOD,
			"t:1:55: error: gateway: '198.51.100.1' is not on the link of this port\n"},
		{"ports: [{device: a, addresses: 192.0.2.2/24, gateway: [192.0.2.2, 192.0.2.1, "
		 "192.0.2.1]}]\n" GOOD,
			"t:1:56: error: gateway: '192.0.2.2' is an address of this machine\n"
			"t:1:78: error: gateway: '192.0.2.1' is there twice\n"},
		{"ports: [{device: a, addresses: 192.0.2.2/24, gateway: 224.0.0.1}]\n" GOOD,
			"t:1:55: error: gateway: '224.0.0.1' is a multicast address\n"},
		/* Link-local next hops are on every link. */
		{"ports: [{device: a, addresses: [192.0.2.2/24, \"2001:db8::2/64\"], gateway: "
		 "\"fe80::1\"}]\n" GOOD,
			""},
		{"ports:\n"
		 "- device: a\n"
		 "  addresses: 192.0.2.2/24\n"
		 "  gateway: 192.0.2.1\n"
		 "  routes:\n"
		 "  - {to: 0.0.0.0/0, via: 192.0.2.7}\n"
		 "  - {to: 198.51.100.0/24, via: [192.0.2.7, 192.0.2.7]}\n"
		 "  - {to: 198.51.100.0/24, via: 203.0.113.1}\n"
		 "  - {to: \"2001:db8::/32\", via: 192.0.2.8}\n"
		 "  - {to: 203.0.113.0/24}\n"
		 "  - {via: 192.0.2.8}\n" GOOD,
			"t:6:5: error: routes: '0.0.0.0/0' has a route on this port already, on "
			"line 4\n"
			"t:7:44: error: via: '192.0.2.7' is there twice\n"
			"t:8:5: error: routes: '198.51.100.0/24' has a route on this port already, "
			"on line 7\n"
			"t:8:32: error: via: '203.0.113.1' is not on the link of this port\n"
			"t:9:32: error: via: '192.0.2.8' cannot carry the IPv6 prefix "
			"'2001:db8::/32'\n"
			"t:10:5: error: route without 'via'\n"
			"t:11:5: error: route without 'to'\n"},
		/* The same prefix over two ports has more next hops, up to a bound. */
		{"ports:\n"
		 "- {device: a, addresses: 192.0.2.2/24, gateway: [192.0.2.11, 192.0.2.12, "
		 "192.0.2.13,\n"
		 "   192.0.2.14, 192.0.2.15, 192.0.2.16, 192.0.2.17, 192.0.2.18, 192.0.2.19]}\n"
		 "- {device: b, addresses: 198.51.100.2/24, gateway: [198.51.100.11, "
		 "198.51.100.12,\n"
		 "   198.51.100.13, 198.51.100.14, 198.51.100.15, 198.51.100.16, 198.51.100.17]}\n"
		 "services: [{vip: 203.0.113.10:80, backends: [192.0.2.20]}]\n",
			""},
		{"ports:\n"
		 "- {device: a, addresses: 192.0.2.2/24, gateway: [192.0.2.11, 192.0.2.12, "
		 "192.0.2.13,\n"
		 "   192.0.2.14, 192.0.2.15, 192.0.2.16, 192.0.2.17, 192.0.2.18, 192.0.2.19]}\n"
		 "- {device: b, addresses: 198.51.100.2/24, gateway: [198.51.100.11, "
		 "198.51.100.12,\n"
		 "   198.51.100.13, 198.51.100.14, 198.51.100.15, 198.51.100.16, 198.51.100.17, "
		 "198.51.100.18]}\n"
		 "services: [{vip: 203.0.113.10:80, backends: [192.0.2.20]}]\n",
			"t:4:52: error: routes: '0.0.0.0/0' has more than 16 next hops\n"},
	};

	(void)state;
	run(all, ARRAY_SIZE(all));
}

static void workers_memory_and_l4(void **state)
{
	static const struct text_case all[] = {
		{PORT GOOD "workers: {cores: [0-3, 7]}\n", ""},
		{PORT GOOD "workers: {cores: [0, 1], count: 3}\n",
			"t:3:18: error: cores: 2 cores for 3 workers\n"},
		{PORT GOOD "workers: {cores: [0-2, 1]}\n",
			"t:3:24: error: cores: core 1 is there twice\n"},
		{PORT GOOD "workers: {cores: [x, 4096, 3-1, \"1\", 1-, +1, [2]]}\n",
			"t:3:19: error: cores: 'x' is not a core: 3 or 4-7, up to 4095\n"
			"t:3:22: error: cores: '4096' is not a core: 3 or 4-7, up to 4095\n"
			"t:3:28: error: cores: '3-1' is not a core: 3 or 4-7, up to 4095\n"
			"t:3:33: error: cores: '1' is not a core: 3 or 4-7, up to 4095\n"
			"t:3:38: error: cores: '1-' is not a core: 3 or 4-7, up to 4095\n"
			"t:3:42: error: cores: '+1' is not a core: 3 or 4-7, up to 4095\n"
			"t:3:46: error: cores: expected a single value, found a list\n"},
		{PORT GOOD "workers: {cores: 0-64}\n",
			"t:3:18: error: cores: more than 64 cores\n"},
		{PORT GOOD "workers: {cores: []}\n", "t:3:18: error: cores: the list is empty\n"},
		{PORT GOOD "workers: 65\n",
			"t:3:10: error: count: '65' is out of range: 1 to 64\n"},
		{PORT GOOD "workers: 0\n", "t:3:10: error: count: '0' is out of range: 1 to 64\n"},
		{PORT GOOD "workers: []\n",
			"t:3:10: error: workers: expected a map of its keys, found a list\n"},
		{PORT GOOD "memory: {mbufs: 1024}\n", "t:3:17: error: mbufs: 1024 buffers cannot "
						      "fill the receive queues of a worker: at "
						      "least 1088\n"},
		{PORT GOOD "memory: {mbufs: 2000}\n", "t:3:17: warning: mbufs: 2000 buffers are "
						      "fewer than the 2048 that a worker's "
						      "queues can hold\n"},
		{PORT GOOD "memory: {dpdk: 32MiB}\n", "t:3:16: error: dpdk: 32 MiB cannot hold "
						      "16384 buffers for each of 1 workers: at "
						      "least 37 MiB\n"},
		{PORT GOOD "memory: {dpdk: 64MiB}\nworkers: 2\n",
			"t:3:16: error: dpdk: 64 MiB cannot hold 16384 buffers for each of 2 "
			"workers: at "
			"least 74 MiB\n"},
		{PORT GOOD
			"memory: {dpdk: 48MiB}\ntcp: {packet_headers: 8192, data_buffers: 4096}\n",
			"t:3:16: error: dpdk: 48 MiB cannot hold 16384 buffers and those of tcp "
			"for "
			"each of 1 workers: at least 69 MiB\n"},
		{PORT "memory: {dpdk: 68MiB}\nlisteners: [{name: e, bind: [192.0.2.9:7], action: "
		      "echo}]\n",
			"t:2:16: error: dpdk: 68 MiB cannot hold 16384 buffers and those of tcp "
			"for "
			"each of 1 workers: at least 69 MiB\n"},
		{PORT GOOD "l4: {local_ports: 2000-2001}\nworkers: 3\n",
			"t:3:19: error: local_ports: 2 ports for 3 workers\n"},
		{PORT GOOD "l4: {hash_seed: \"\"}\n",
			"t:3:17: error: hash_seed: the seed is empty\n"},
	};

	(void)state;
	run(all, ARRAY_SIZE(all));
}

static void places_of_services(void **state)
{
	static const struct text_case all[] = {
		{PORT "services: [{backends: [192.0.2.11]}]\n",
			"t:2:12: error: service without 'vip' or 'vips'\n"
			"t:2:12: error: service without 'port'\n"},
		{PORT "services: [{vip: 192.0.2.10, backends: [192.0.2.11]}]\n",
			"t:2:12: error: service without 'port'\n"},
		{PORT "services: [{vip: 192.0.2.10, port: 80, backends: [192.0.2.11]}]\n", ""},
		{PORT "services: [{vips: [], port: 80, backends: [192.0.2.11]}]\n",
			"t:2:19: error: vips: the list is empty\n"},
		{PORT "services: [{vip: 192.0.2.10:80, port: 80, backends: [192.0.2.11]}]\n",
			"t:2:33: error: port: given already by 'vip' on line 2\n"},
		{PORT "services: [{port: 80, vip: 192.0.2.10:80, backends: [192.0.2.11]}]\n",
			"t:2:28: error: vip: 'port' is given already, on line 2\n"},
		{PORT "services: [{vips: 192.0.2.10, vip: 192.0.2.10:80, backends: "
		      "[192.0.2.11]}]\n",
			"t:2:36: error: vip: 'vips' is given already, on line 2\n"},
		{PORT "services: [{vip: 192.0.2.10:x, backends: [192.0.2.11]}]\n",
			"t:2:18: error: vip: 'x' is not a port: 80, 8000-8099 or any\n"},
		{PORT "services: [{vip: web:80, backends: [192.0.2.11]}]\n",
			"t:2:18: error: vip: 'web:80' is not an IPv4 or IPv6 address with a "
			"port\n"},
		{PORT "services: [{vip: 192.0.2.2:80, backends: [192.0.2.11]}]\n",
			"t:2:18: error: vips: '192.0.2.2' is a port's own address\n"},
		{PORT "services: [{vips: [224.0.0.9, 192.0.2.10, 192.0.2.10], port: 80, backends: "
		      "[192.0.2.11]}]\n",
			"t:2:20: error: vips: '224.0.0.9' is a multicast address\n"
			"t:2:43: error: vips: '192.0.2.10' is there twice\n"},
		{PORT "services: [{vip: 192.0.2.10:80, backends: []}]\n",
			"t:2:43: error: backends: the list is empty\n"},
		{PORT "services: [{vip: 192.0.2.10:80}]\n",
			"t:2:12: error: service without 'backends'\n"},
		{PORT "services:\n"
		      "- {vip: 192.0.2.10:80, backends: [192.0.2.11], name: a}\n"
		      "- {vip: 192.0.2.10:81, backends: [192.0.2.11], name: a}\n",
			"t:4:54: error: name: 'a' is taken already, on line 3\n"},
		/* A name that is given can collide with one that is made. */
		{PORT "services:\n"
		      "- {vip: 192.0.2.10:80, backends: [192.0.2.11]}\n"
		      "- {vip: 192.0.2.10:81, backends: [192.0.2.11], name: "
		      "\"192.0.2.10:80/tcp\"}\n",
			"t:4:54: error: name: '192.0.2.10:80/tcp' is taken already, on line 3\n"},
	};

	(void)state;
	run(all, ARRAY_SIZE(all));
}

#define SERVICE(place, more) "- {" place ", backends: [192.0.2.11]" more "}\n"

static void overlaps(void **state)
{
	static const struct text_case all[] = {
		{PORT "services:\n" SERVICE("vip: 192.0.2.10:80", "") SERVICE(
			 "vip: 192.0.2.10:80", ", protocol: udp") SERVICE("vip: 192.0.2.12:80",
			 "") SERVICE("vip: 192.0.2.10:81-90", "") SERVICE("vip: 192.0.2.10:91", ""),
			""},
		{PORT "services:\n" SERVICE("vip: 192.0.2.10:80", "")
				SERVICE("vip: 192.0.2.10:80", ""),
			"t:4:9: error: service '192.0.2.10:80/tcp' overlaps service "
			"'192.0.2.10:80/tcp' on "
			"line 3: both take tcp 192.0.2.10, port 80\n"},
		/* A wide range that stands first overlaps each that follows, also with others
		   between. */
		{PORT "services:\n" SERVICE("vip: 192.0.2.10:1000-2000", ", name: wide") SERVICE(
			 "vip: 192.0.2.10:1100-1110", ", name: a") SERVICE("vip: 192.0.2.10:1500",
			 ", name: b") SERVICE("vip: 192.0.2.10:2000-2001", ", name: c")
				SERVICE("vip: 192.0.2.10:2002", ", name: d"),
			"t:4:9: error: service 'a' overlaps service 'wide' on line 3: both take "
			"tcp "
			"192.0.2.10, port 1100\n"
			"t:5:9: error: service 'b' overlaps service 'wide' on line 3: both take "
			"tcp "
			"192.0.2.10, port 1500\n"
			"t:6:9: error: service 'c' overlaps service 'wide' on line 3: both take "
			"tcp "
			"192.0.2.10, port 2000\n"},
		{PORT "services:\n" SERVICE("vip: 192.0.2.10:80", ", name: a")
				SERVICE("vips: [192.0.2.12, 192.0.2.10], port: any", ", name: all"),
			"t:4:23: error: service 'all' overlaps service 'a' on line 3: both take "
			"tcp "
			"192.0.2.10, port 80\n"},
		{PORT "services:\n" SERVICE("vip: \"[2001:db8::10]:80\"", "")
				SERVICE("vip: \"[2001:db8:0::10]:80\"", ""),
			"t:4:9: error: service '[2001:db8::10]:80/tcp' overlaps service "
			"'[2001:db8::10]:80/tcp' on line 3: both take tcp 2001:db8::10, port 80\n"},
	};

	(void)state;
	run(all, ARRAY_SIZE(all));
}

#define ONE(mode, vip, backends) \
	PORT "services: [{mode: " mode ", vip: \"" vip "\", backends: [" backends "]}]\n"

static void modes_and_families(void **state)
{
	static const struct text_case all[] = {
		{ONE("dsr", "192.0.2.10:80", "192.0.2.11"), ""},
		{ONE("dsr", "192.0.2.10:80", "192.0.2.11:80"), ""},
		{ONE("dsr", "[2001:db8::10]:80", "\"2001:db8::11\""), ""},
		{ONE("ipip", "192.0.2.10:80", "198.51.100.1, \"2001:db8::11\""), ""},
		{ONE("ipip", "[2001:db8::10]:80", "198.51.100.1, \"2001:db8::11\""), ""},
		{ONE("gue", "[2001:db8::10]:80", "198.51.100.1, \"2001:db8::11\""), ""},
		{ONE("nat", "192.0.2.10:80", "192.0.2.11:8080"), ""},
		{ONE("fullnat", "192.0.2.10:80", "192.0.2.11:8080, \"[2001:db8::11]:8080\""), ""},
		{ONE("fullnat", "192.0.2.10:any", "192.0.2.11"), ""},
		{ONE("dsr", "192.0.2.10:80", "\"2001:db8::11\""),
			"t:2:57: error: backends: mode dsr cannot carry 192.0.2.10 to "
			"'2001:db8::11', which "
			"is IPv6; fullnat, ipip and gue can\n"},
		{ONE("nat", "[2001:db8::10]:80", "192.0.2.11"),
			"t:2:61: error: backends: mode nat cannot carry 2001:db8::10 to "
			"'192.0.2.11', which "
			"is IPv4; fullnat, ipip and gue can\n"},
		{ONE("dsr", "192.0.2.10:80", "192.0.2.11:8080"),
			"t:2:57: error: backends: mode dsr cannot change port 80 to 8080; nat and "
			"fullnat "
			"can\n"},
		{ONE("ipip", "192.0.2.10:80", "192.0.2.11:8080"),
			"t:2:58: error: backends: mode ipip cannot change port 80 to 8080; nat and "
			"fullnat "
			"can\n"},
		{ONE("gue", "192.0.2.10:80", "192.0.2.11:8080"),
			"t:2:57: error: backends: mode gue cannot change port 80 to 8080; nat and "
			"fullnat "
			"can\n"},
		{ONE("fullnat", "192.0.2.10:80-90", "192.0.2.11:80"),
			"t:2:64: error: backends: port 80 for a range of ports; leave it out to "
			"keep the "
			"client's\n"},
		{ONE("dsr", "192.0.2.10:80", "198.51.100.1"),
			"t:2:57: error: backends: mode dsr needs its backends on a link; "
			"'198.51.100.1' is "
			"behind a gateway\n"},
		{ONE("fullnat", "192.0.2.10:80", "\"2001:db8:1::1\""),
			"t:2:61: error: backends: no port and no route leads to '2001:db8:1::1'\n"},
		{ONE("fullnat", "192.0.2.10:80", "192.0.2.2, 192.0.2.10, 127.0.0.1, 224.0.0.1"),
			"t:2:61: error: backends: '192.0.2.2' is a port's own address\n"
			"t:2:72: error: backends: '192.0.2.10' is a virtual address\n"
			"t:2:84: error: backends: '127.0.0.1' is a loopback address\n"
			"t:2:95: error: backends: '224.0.0.1' is a multicast address\n"},
		{ONE("fullnat", "192.0.2.10:80",
			 "192.0.2.11, 192.0.2.11:80, {address: 192.0.2.11, port: 81}"),
			"t:2:73: error: backends: '192.0.2.11' with this port is there already, on "
			"line 2\n"},
		{ONE("fullnat", "192.0.2.10:80", "192.0.2.11:80-90, \"192.0.2.12:\""),
			"t:2:61: error: address: a backend has one port; leave it out to keep the "
			"client's\n"
			"t:2:79: error: address: '192.0.2.12:' ends where its port should stand\n"},
		{ONE("fullnat", "192.0.2.10:80", "{address: 192.0.2.13:80, port: 80}, {port: 80}"),
			"t:2:86: error: port: given already by 'address' on line 2\n"
			"t:2:97: error: backend without 'address'\n"},
		{ONE("fullnat", "192.0.2.10:80", "192.0.2.300, 192.0.2.11:99999"),
			"t:2:61: error: address: '192.0.2.300' is not an IPv4 or IPv6 address\n"
			"t:2:74: error: address: '99999' is not a port: 80, 8000-8099 or any\n"},
	};

	(void)state;
	run(all, ARRAY_SIZE(all));
}

/* One port with IPv4 only and a way for IPv6. */
#define PORT4 "ports: [{device: a, addresses: [192.0.2.2/24], gateway: [192.0.2.1, \"fe80::1\"]}]\n"

static void sources(void **state)
{
	static const struct text_case all[] = {
		{PORT4 "services: [{vip: 192.0.2.10:80, backends: [192.0.2.11, \"2001:db8::1\", "
		       "\"2001:db8::2\"]}]\n",
			"t:2:56: error: backends: '2001:db8::1' needs an IPv6 address of this "
			"machine as "
			"source: none is in local_addresses nor on the port towards it\n"},
		{PORT4 "services: [{vip: 192.0.2.10:80, backends: [\"2001:db8::1\"], "
		       "local_addresses: "
		       "\"2001:db8:7::7\"}]\n",
			""},
		{PORT4 "services: [{vip: 192.0.2.10:80, backends: [192.0.2.11], local_addresses: "
		       "\"2001:db8:7::7\"}]\n",
			"t:2:44: error: backends: '192.0.2.11' needs an IPv4 address of this "
			"machine as "
			"source: none is in local_addresses nor on the port towards it\n"},
		{PORT4 "services: [{vip: 192.0.2.10:80, mode: ipip, backends: "
		       "[\"2001:db8::1\"]}]\n",
			"t:2:56: error: backends: a tunnel to '2001:db8::1' needs an IPv6 source: "
			"none is "
			"in tunnel_source nor on the port towards it\n"},
		{PORT4 "services: [{vip: 192.0.2.10:80, mode: ipip, backends: [\"2001:db8::1\"], "
		       "tunnel_source: \"2001:db8:7::/64\"}]\n",
			""},
		{PORT "services: [{vip: 192.0.2.10:80, backends: [192.0.2.11], local_addresses: "
		      "[]}]\n",
			"t:2:44: error: backends: '192.0.2.11' needs an IPv4 address of this "
			"machine as "
			"source: none is in local_addresses nor on the port towards it\n"
			"t:2:74: error: local_addresses: the list is empty\n"},
		{PORT "services: [{vip: 192.0.2.10:80, backends: [192.0.2.11], local_addresses: "
		      "[192.0.2.3, 192.0.2.3, 192.0.2.10, 127.0.0.1]}]\n",
			"t:2:86: error: local_addresses: '192.0.2.3' is there twice\n"
			"t:2:97: error: local_addresses: '192.0.2.10' is a virtual address\n"
			"t:2:109: error: local_addresses: '127.0.0.1' is a loopback address\n"},
		{PORT "services: [{vip: 192.0.2.10:80, mode: gue, backends: [192.0.2.11], "
		      "tunnel_source: "
		      "[198.18.0.0/24, 198.18.1.0/24]}]\n",
			"t:2:99: error: tunnel_source: a second prefix of one family\n"},
		{PORT "services: [{vip: 192.0.2.10:80, mode: gue, backends: [192.0.2.11], "
		      "tunnel_source: "
		      "[198.18.0.1/24, \"::/0\"]}]\n",
			"t:2:84: error: tunnel_source: '198.18.0.1/24' has bits behind its length; "
			"did you "
			"mean '198.18.0.0/24'?\n"
			"t:2:99: error: tunnel_source: the prefix is everything\n"},
	};

	(void)state;
	run(all, ARRAY_SIZE(all));
}

#define WITH(more) \
	PORT "services: [{vip: 192.0.2.10:80, backends: [192.0.2.11, 192.0.2.12], " more "}]\n"

static void tables_weights_and_transport(void **state)
{
	static const struct text_case all[] = {
		{WITH("maglev_size: 251"), ""},
		{WITH("maglev_size: 252"),
			"t:2:82: error: maglev_size: 252 is not a prime; 257 is\n"},
		{WITH("maglev_size: 199"), "t:2:82: warning: maglev_size: 199 is less than 100 "
					   "slots for each of 2 backends, so "
					   "load will be uneven; 211 would do\n"},
		{PORT "services: [{vip: 192.0.2.10:80, maglev_size: 2, scheduler: wrr, backends: "
		      "[192.0.2.11, 192.0.2.12, 192.0.2.13]}]\n",
			"t:2:46: error: maglev_size: 2 slots cannot hold 3 backends\n"},
		{WITH("maglev_size: 16777214"),
			"t:2:82: error: maglev_size: '16777214' is out of range: 2 to 16777213\n"},
		{WITH("maglev_size: 16777213"), ""},
		{PORT "services: [{vip: 192.0.2.10:80, backends: [{address: 192.0.2.11, weight: "
		      "0}, "
		      "{address: 192.0.2.12, drain: true}]}]\n",
			"t:2:43: warning: backends: all of them drain or have weight 0: new flows "
			"find "
			"none\n"},
		{WITH("toa: true, protocol: udp"),
			"t:2:74: error: toa: is a TCP option; this is udp\n"},
		{WITH("mss_clamp: true, protocol: udp"),
			"t:2:80: error: mss_clamp: is for TCP; this is udp\n"},
		{WITH("mode: dsr, toa: true, local_addresses: [192.0.2.3], gue_port: 1, "
		      "tunnel_source: []"),
			"t:2:85: error: toa: has no meaning with mode dsr\n"
			"t:2:108: error: local_addresses: has no meaning with mode dsr\n"
			"t:2:131: error: gue_port: has no meaning with mode dsr\n"
			"t:2:149: error: tunnel_source: has no meaning with mode dsr\n"},
		{WITH("mode: ipip, gue_port: 6080"),
			"t:2:91: error: gue_port: has no meaning with mode ipip\n"},
		{WITH("hash: source, scheduler: wlc"),
			"t:2:75: warning: hash: has an effect with scheduler maglev only\n"},
		{WITH("limits: {connections: 100k}"), "t:2:91: warning: connections: 100000 are "
						      "more than the flow tables of all workers "
						      "hold (65536); raise memory.nat_flows\n"},
		{WITH("mode: dsr, limits: {connections: 262145}"),
			"t:2:102: warning: connections: 262145 are more than the flow tables of "
			"all workers "
			"hold (262144); raise memory.flows\n"},
		{WITH("limits: {connections: 10, backend_connections: 11}"),
			"t:2:116: warning: backend_connections: is never reached: 'connections' is "
			"lower\n"},
	};

	(void)state;
	run(all, ARRAY_SIZE(all));
}

static void probes(void **state)
{
	static const struct text_case all[] = {
		{WITH("health: tcp"), ""},
		{WITH("health: none"), ""},
		{WITH("health: {interval: 1s}"),
			"t:2:88: error: interval: has no meaning with type none\n"},
		{WITH("health: http"),
			"t:2:77: error: health: backends of layer 4 services are not "
			"asked over HTTP; 'tcp' can be\n"},
		{WITH("health: {type: icmp, port: 80, send: x}"),
			"t:2:96: error: port: has no meaning with type icmp\n"
			"t:2:106: error: send: has no meaning with type icmp\n"},
		{WITH("health: {type: tcp, interval: 1s, timeout: 2s}"),
			"t:2:112: error: timeout: is longer than 'interval'\n"},
		{WITH("health: {type: tcp, interval: 100ms}"), ""},
		{WITH("health: udp"), "t:2:77: error: health: type udp without 'send'\n"},
		{WITH("health: {type: udp, send: \"\"}"),
			"t:2:95: error: send: an empty probe gets no answer\n"},
		{WITH("health: {type: udp, send: \"hex: 0\"}"),
			"t:2:95: error: send: 'hex:' wants pairs of hexadecimal digits\n"},
		{ONE("fullnat", "192.0.2.10:80-90", "192.0.2.11], health: [tcp"),
			"t:2:85: error: health: expected a map of its keys, found a list\n"},
		{PORT "services: [{vip: 192.0.2.10:80-90, backends: [192.0.2.11], health: tcp}]\n",
			"t:2:68: error: health: the service has a range of ports: say which 'port' "
			"to "
			"probe\n"},
		{PORT "services: [{vip: 192.0.2.10:any, backends: [192.0.2.11], health: {type: "
		      "tcp, port: "
		      "80}}]\n",
			""},
		{PORT "services: [{vip: 192.0.2.10:any, backends: [192.0.2.11], health: icmp}]\n",
			""},
	};

	(void)state;
	run(all, ARRAY_SIZE(all));
}

static void client_lists(void **state)
{
	static const struct text_case all[] = {
		{WITH("allow: [198.51.100.0/24], deny: [198.51.100.0/25]"), ""},
		{WITH("allow: [198.51.100.0/24, 198.51.100.0/24]"),
			"t:2:94: warning: allow: '198.51.100.0/24' is there already, on line 2\n"},
		{WITH("allow: [198.51.100.0/24], deny: [198.51.100.0/24]"),
			"t:2:102: error: deny: '198.51.100.0/24' is in 'allow' as well, on line "
			"2\n"},
		{WITH("deny: [\"2001:db8::/32\"]"), "t:2:76: warning: deny: '2001:db8::/32' "
						    "matches no client: the service has no "
						    "address of this family\n"},
		{WITH("deny: [198.51.100.1/24]"), "t:2:76: error: deny: '198.51.100.1/24' has bits "
						  "behind its length; did you mean "
						  "'198.51.100.0/24'?\n"},
	};

	(void)state;
	run(all, ARRAY_SIZE(all));
}

/* CK1: what follows from a mistake that was told is not told again. */
static void one_mistake_one_message(void **state)
{
	static const struct text_case all[] = {
		{"ports: [{devce: a, adresses: 192.0.2.2/24}]\n"
		 "services: [{vop: 192.0.2.10:80, bakends: [192.0.2.11]}]\n",
			"t:1:10: error: unknown key 'devce' in port; did you mean 'device'?\n"
			"t:1:20: error: unknown key 'adresses' in port; did you mean 'addresses'?\n"
			"t:2:13: error: unknown key 'vop' in service; did you mean 'vip'?\n"
			"t:2:33: error: unknown key 'bakends' in service; did you mean "
			"'backends'?\n"},
		{"ports: [{device: a, addresses: 192.0.2.2/24, gatway: 192.0.2.1}]\n"
		 "services: [{vip: 192.0.2.10:80, backends: [198.51.100.1], health: {type: udp, "
		 "sent: x}}]\n",
			"t:1:46: error: unknown key 'gatway' in port; did you mean 'gateway'?\n"
			"t:2:79: error: unknown key 'sent' in health; did you mean 'send'?\n"},
		{"ports: [{device: a, addresses: [192.0.2.2]}]\n" GOOD,
			"t:1:33: error: addresses: '192.0.2.2' has no length of its link: write "
			"192.0.2.2/24\n"},
		{PORT "services: [{vip: 192.0.2.10:80, mode: dr, backends: [\"2001:db8::11\", "
		      "192.0.2.11:8080]}]\n",
			"t:2:39: error: mode: unknown value 'dr'; did you mean 'dsr'?\n"},
		{PORT "services: [{vip: 192.0.2.10:8o, mode: dsr, backends: [192.0.2.11:8080]}]\n",
			"t:2:18: error: vip: '8o' is not a port: 80, 8000-8099 or any\n"},
		{PORT "services: [{vips: 192.0.2.10, port: \"80\", mode: dsr, backends: "
		      "[192.0.2.11:8080]}]\n",
			"t:2:37: error: port: expected a port, found the text \"80\": remove the "
			"quotes\n"},
		{PORT "services: [{vip: 192.0.2.10:80, backends: [192.0.2.11], local_addresses: "
		      "[x]}]\n",
			"t:2:75: error: local_addresses: 'x' is not an IPv4 or IPv6 address\n"},
		{PORT GOOD "memory: {mbufs: 16M, dpdk: 1Mib}\n",
			"t:3:28: error: dpdk: '1Mib' has an unknown unit; did you mean 'MiB'?\n"},
	};

	(void)state;
	run(all, ARRAY_SIZE(all));
}

#define POOL(list) PORT GOOD "upstreams: {a: {backends: [" list "]}}\n"

/* Host names are those of backends that weir connects to, and mistyped addresses are none. */
static void host_names(void **state)
{
	static const struct text_case all[] = {
		{POOL("App.Example.com, 'b:8080', {host: c_1.example., port: 1}, {address: d-e}"),
			""},
		{POOL("192.0.2.300"),
			"t:3:28: error: address: '192.0.2.300' is not an IPv4 or IPv6 "
			"address\n"},
		{POOL("'a..b'"), "t:3:28: error: address: 'a..b' is not an IPv4 or IPv6 address\n"},
		{POOL("'-a.b'"), "t:3:28: error: address: '-a.b' is not an IPv4 or IPv6 address\n"},
		{POOL("'a.b:'"),
			"t:3:28: error: address: 'a.b:' is not an IPv4 or IPv6 address with a "
			"port\n"},
		{POOL("{host: 192.0.2.11}"),
			"t:3:35: error: host: '192.0.2.11' is not a host name\n"},
		{POOL("{host: a.b, address: c.d}"),
			"t:3:40: error: address: given already by 'host' on line 3\n"},
		{POOL("{port: 80}"), "t:3:28: error: a backend without 'address' or 'host'\n"},
		{POOL("a.b, A.b."),
			"t:3:33: error: backends: 'a.b' is there twice with this port\n"},
		{POOL("a.b") "resolver: {min_ttl: 2s, max_ttl: 1s}\n",
			"t:4:21: error: resolver: 'min_ttl' is more than 'max_ttl'\n"},
		{PORT "services: [{vip: 192.0.2.10:80, backends: [a.b]}]\n",
			"t:2:44: error: address: 'a.b' is not an IPv4 or IPv6 address\n"},
		/* Addresses whose first part might be a label. */
		{"ports: [{device: a, addresses: [192.0.2.2/24, 'fd00::2/64']}]\n" GOOD
		 "upstreams: {a: {backends: ['fd00::11', '[fd00::12]:8080', {address: "
		 "'fd00:0::13', port: 81}]}}\n",
			""},
		{POOL("{host: 'fd00::1'}"), "t:3:35: error: host: 'fd00::1' is not a host name\n"},
	};

	(void)state;
	run(all, ARRAY_SIZE(all));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ports_and_addresses),
		cmocka_unit_test(gateways_and_routes),
		cmocka_unit_test(workers_memory_and_l4),
		cmocka_unit_test(places_of_services),
		cmocka_unit_test(overlaps),
		cmocka_unit_test(modes_and_families),
		cmocka_unit_test(sources),
		cmocka_unit_test(tables_weights_and_transport),
		cmocka_unit_test(probes),
		cmocka_unit_test(client_lists),
		cmocka_unit_test(host_names),
		cmocka_unit_test(one_mistake_one_message),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
