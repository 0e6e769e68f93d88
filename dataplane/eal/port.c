/* SPDX-License-Identifier: Apache-2.0
 * Opening a port asks the device what it can do and writes the answer into `caps`; nobody above
 * looks at the device again. Virtual devices are hot-plugged after EAL's start, so a port that
 * cannot be opened is an error of that port and not of EAL. */
#include "dataplane/eal/port.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <rte_dev.h>
#include <rte_ethdev.h>
#include <rte_lcore.h>
#include <rte_thash.h>

#include "dataplane/base/assert.h"
#include "dataplane/base/log.h"
#include "dataplane/eal/port_wait.h"

#define ETHERNET_MTU 1500

/* Toeplitz key with period 16 bits: both directions of a flow hash alike. The entropy lies in the
 * tuple, not in the key; per-core tables have a secret of their own. */
void port_rss_key(uint8_t key[PORT_RSS_KEY_LEN])
{
	for (int i = 0; i < PORT_RSS_KEY_LEN; i += 2) {
		key[i] = 0x6d;
		key[i + 1] = 0x5a;
	}
}

static bool looks_like_pci(const char *device)
{
	unsigned domain, bus, dev, fn;

	return sscanf(device, "%x:%x:%x.%x", &domain, &bus, &dev, &fn) == 4 ||
	       sscanf(device, "%x:%x.%x", &bus, &dev, &fn) == 3;
}

/* A frame with two tags, and what the kernel puts before it in a ring shared with it; a multiple of
 * 1 KiB, so that four fill whole pages. */
uint32_t port_frame_room(uint16_t mtu)
{
	uint32_t room = ROUND_UP(mtu + 96u, 1024);

	return room < 2048 ? 2048 : room;
}

/* What a driver's defaults lack. By default af_xdp makes a system call for each empty poll, and
 * af_packet has a ring of frames of 2 KiB. Returns the length, as snprintf(). */
static int add_args(const char *driver, char *out, size_t size, uint16_t mtu)
{
	uint32_t room = port_frame_room(mtu);

	if (strncmp(driver, "net_af_xdp", 10) == 0 && strstr(driver, "busy_budget") == NULL)
		return snprintf(out, size, ",busy_budget=0");
	if (strncmp(driver, "net_af_packet", 13) == 0 && mtu > ETHERNET_MTU &&
		strstr(driver, "framesz") == NULL)
		return snprintf(out, size, ",framesz=%u,blocksz=%u,framecnt=512", room, 4 * room);
	return 0;
}

/* A driver matches a virtual device by the start of its name; the rest makes it unique. */
static int attach_vdev(struct port *p, const char *device, uint16_t idx, uint16_t mtu)
{
	const char *args = strchr(device, ',');
	size_t driver_len = args != NULL ? (size_t)(args - device) : strlen(device);
	char devargs[512];
	int n;

	n = snprintf(p->device, sizeof(p->device), "%.*s_w%u", (int)driver_len, device, idx);
	if (n < 0 || (size_t)n >= sizeof(p->device))
		return -ENAMETOOLONG;
	n = snprintf(devargs, sizeof(devargs), "%s%s", p->device, args != NULL ? args : "");
	if ((size_t)n < sizeof(devargs))
		n += add_args(device, devargs + n, sizeof(devargs) - (size_t)n, mtu);
	if ((size_t)n >= sizeof(devargs))
		return -ENAMETOOLONG;
	return rte_dev_probe(devargs);
}

static int attach(struct port *p, const struct port_params *params)
{
	char quoted[300];
	int rc;

	if (rte_eth_dev_get_port_by_name(params->device, &p->id) == 0) {
		snprintf(p->device, sizeof(p->device), "%s", params->device);
		p->is_pci = looks_like_pci(params->device);
		return 0;
	}
	if (looks_like_pci(params->device)) {
		LOG_ERR("no such PCI device, or it is not bound to a DPDK driver",
			"port=%s device=%s", params->name,
			log_quote(params->device, quoted, sizeof(quoted)));
		return -ENODEV;
	}
	rc = attach_vdev(p, params->device, params->idx, params->mtu);
	if (rc == 0)
		rc = rte_eth_dev_get_port_by_name(p->device, &p->id);
	if (rc != 0) {
		LOG_ERR("cannot attach the port's device", "port=%s device=%s error=%d",
			params->name, log_quote(params->device, quoted, sizeof(quoted)), rc);
		return rc;
	}
	p->hotplugged = true;
	return 0;
}

/* The TAP driver cuts in software, IPv4 alone, and refuses segments that fill the MTU; the TCP
 * engine's own segments cost less. */
static bool tso_is_real(const struct rte_eth_dev_info *info)
{
	return info->driver_name == NULL || strcmp(info->driver_name, "net_tap") != 0;
}

/* How many mbufs may follow each other. The second limit is for one packet on the wire: it holds
 * for what a port cuts as well if no frame has more. */
static uint16_t max_segs(const struct rte_eth_dev_info *info)
{
	uint16_t n = info->tx_desc_lim.nb_seg_max;

	if (info->tx_desc_lim.nb_mtu_seg_max < n)
		n = info->tx_desc_lim.nb_mtu_seg_max;
	/* Drivers that leave it out have no limit of their own. */
	return n == 0 ? UINT16_MAX : n;
}

static void choose_offloads(
	struct port *p, const struct rte_eth_dev_info *info, struct rte_eth_conf *conf)
{
	const uint64_t rx = RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_TCP_CKSUM |
			    RTE_ETH_RX_OFFLOAD_UDP_CKSUM;
	const uint64_t l4 = RTE_ETH_TX_OFFLOAD_TCP_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM;
	const uint32_t needed =
		PORT_CAP_TX_MULTI_SEG | PORT_CAP_TX_IP4_CKSUM | PORT_CAP_TX_L4_CKSUM;

	if ((info->rx_offload_capa & rx) == rx) {
		conf->rxmode.offloads |= rx;
		p->caps |= PORT_CAP_RX_CKSUM;
	}
	if (info->tx_offload_capa & RTE_ETH_TX_OFFLOAD_MULTI_SEGS) {
		conf->txmode.offloads |= RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
		p->caps |= PORT_CAP_TX_MULTI_SEG;
	}
	if (info->tx_offload_capa & RTE_ETH_TX_OFFLOAD_IPV4_CKSUM) {
		conf->txmode.offloads |= RTE_ETH_TX_OFFLOAD_IPV4_CKSUM;
		p->caps |= PORT_CAP_TX_IP4_CKSUM;
	}
	if ((info->tx_offload_capa & l4) == l4) {
		conf->txmode.offloads |= l4;
		p->caps |= PORT_CAP_TX_L4_CKSUM;
	}
	p->tx_segs = p->caps & PORT_CAP_TX_MULTI_SEG ? max_segs(info) : 1;
	if ((p->caps & needed) == needed && p->tx_segs > 2 && tso_is_real(info) &&
		info->tx_offload_capa & RTE_ETH_TX_OFFLOAD_TCP_TSO) {
		conf->txmode.offloads |= RTE_ETH_TX_OFFLOAD_TCP_TSO;
		p->caps |= PORT_CAP_TX_TSO;
	}
}

static void choose_queues(
	struct port *p, const struct port_params *params, const struct rte_eth_dev_info *info)
{
	uint32_t rx = params->worker_cnt, tx = params->worker_cnt;

	if (rx > info->max_rx_queues)
		rx = info->max_rx_queues;
	if (tx > info->max_tx_queues)
		tx = info->max_tx_queues;
	p->rxq_cnt = (uint16_t)(rx > 0 ? rx : 1);
	p->txq_cnt = (uint16_t)(tx > 0 ? tx : 1);
}

static uint8_t rss_kinds(uint64_t types)
{
	return (uint8_t)((types & RTE_ETH_RSS_NONFRAG_IPV4_TCP ? PORT_RSS_TCP4 : 0) |
			 (types & RTE_ETH_RSS_NONFRAG_IPV4_UDP ? PORT_RSS_UDP4 : 0) |
			 (types & RTE_ETH_RSS_NONFRAG_IPV6_TCP ? PORT_RSS_TCP6 : 0) |
			 (types & RTE_ETH_RSS_NONFRAG_IPV6_UDP ? PORT_RSS_UDP6 : 0));
}

static void choose_rss(struct port *p, const struct port_params *params,
	const struct rte_eth_dev_info *info, struct rte_eth_conf *conf)
{
	uint64_t types = RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP;

	types &= info->flow_type_rss_offloads;
	if (!params->want_rss || p->rxq_cnt != params->worker_cnt || p->rxq_cnt < 2 ||
		(types & RTE_ETH_RSS_NONFRAG_IPV4_TCP) == 0 || info->reta_size == 0 ||
		info->reta_size > PORT_RETA_MAX || info->hash_key_size > PORT_RSS_KEY_LEN)
		return;
	port_rss_key(p->rss_key);
	p->rss_kinds = rss_kinds(types);
	conf->rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
	conf->rx_adv_conf.rss_conf.rss_key = p->rss_key;
	conf->rx_adv_conf.rss_conf.rss_key_len = info->hash_key_size;
	conf->rx_adv_conf.rss_conf.rss_hf = types;
	if (info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_RSS_HASH)
		conf->rxmode.offloads |= RTE_ETH_RX_OFFLOAD_RSS_HASH;
	p->reta_size = info->reta_size;
	p->caps |= PORT_CAP_RSS;
}

/* Without a redirection table of ours the NIC's choice cannot be foretold: back to software. */
static void program_reta(struct port *p)
{
	struct rte_eth_rss_reta_entry64 conf[PORT_RETA_MAX / RTE_ETH_RETA_GROUP_SIZE];
	int rc;

	if ((p->caps & PORT_CAP_RSS) == 0)
		return;
	memset(conf, 0, sizeof(conf));
	for (uint16_t i = 0; i < p->reta_size; i++) {
		p->reta[i] = i % p->rxq_cnt;
		conf[i / RTE_ETH_RETA_GROUP_SIZE].mask |= UINT64_C(1)
							  << (i % RTE_ETH_RETA_GROUP_SIZE);
		conf[i / RTE_ETH_RETA_GROUP_SIZE].reta[i % RTE_ETH_RETA_GROUP_SIZE] = p->reta[i];
	}
	rc = rte_eth_dev_rss_reta_update(p->id, conf, p->reta_size);
	if (rc == 0) {
		p->steering = PORT_STEER_RSS;
		return;
	}
	p->caps &= ~(uint32_t)PORT_CAP_RSS;
	LOG_WRN("port refuses a redirection table, flows are handed over in software",
		"port=%s error=%d", p->name, rc);
}

static int check_numa(const struct port *p, const struct port_params *params)
{
	int node = rte_eth_dev_socket_id(p->id);

	for (uint32_t w = 0; node >= 0 && w < params->worker_cnt; w++) {
		int core_node = (int)rte_lcore_to_socket_id(w + 1);

		if (core_node == node)
			continue;
		LOG_WRN("worker and port are on different NUMA nodes",
			"port=%s port_node=%d worker=%u worker_node=%d", p->name, node, w,
			core_node);
		if (params->numa_strict) {
			LOG_ERR("refused: memory.numa_strict is set", "port=%s", p->name);
			return -EXDEV;
		}
	}
	return 0;
}

/* The af_xdp driver fills a receive ring with 2,048 buffers, however long it is; more packets than
 * that are lost while a burst is worked on. */
static uint16_t beyond_driver(const struct rte_eth_dev_info *info, uint16_t rx_queue_len)
{
	const uint16_t held = 2048;

	if (info->driver_name == NULL || strstr(info->driver_name, "af_xdp") == NULL)
		return 0;
	return rx_queue_len > held ? (uint16_t)(rx_queue_len - held) : 0;
}

static int setup_queues(struct port *p, const struct port_params *params,
	const struct rte_eth_dev_info *info, const struct rte_eth_conf *conf)
{
	uint16_t rx_len = params->rx_queue_len, tx_len = params->tx_queue_len;
	struct rte_eth_rxconf rxconf = info->default_rxconf;
	struct rte_eth_txconf txconf = info->default_txconf;
	unsigned socket = (unsigned)p->socket;
	int rc;

	rxconf.offloads = conf->rxmode.offloads;
	/* Fast free requires that no buffer is shared; here some are. */
	txconf.offloads = conf->txmode.offloads & ~(uint64_t)RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE;
	p->rx_waiting = beyond_driver(info, rx_len);
	rc = rte_eth_dev_adjust_nb_rx_tx_desc(p->id, &rx_len, &tx_len);
	for (uint16_t q = 0; rc == 0 && q < p->rxq_cnt; q++)
		rc = rte_eth_rx_queue_setup(p->id, q, rx_len, socket, &rxconf, params->pool);
	for (uint16_t q = 0; rc == 0 && q < p->txq_cnt; q++)
		rc = rte_eth_tx_queue_setup(p->id, q, tx_len, socket, &txconf);
	return rc;
}

static bool mac_is_zero(const uint8_t mac[6])
{
	static const uint8_t zero[6];

	return memcmp(mac, zero, sizeof(zero)) == 0;
}

/* The af_packet driver says that it takes standard frames alone, and takes what its ring holds: the
 * interface is asked itself. */
static int set_interface_mtu(const char *device, uint16_t mtu)
{
	const char *name = strstr(device, "iface=");
	struct ifreq ifr = {.ifr_mtu = mtu};
	size_t len;
	int fd, rc;

	if (name == NULL)
		return -EINVAL;
	name += strlen("iface=");
	len = strcspn(name, ",");
	if (len >= sizeof(ifr.ifr_name))
		return -EINVAL;
	memcpy(ifr.ifr_name, name, len);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	rc = ioctl(fd, SIOCSIFMTU, &ifr) == 0 ? 0 : -errno;
	close(fd);
	return rc;
}

static int set_mtu(const struct port *p, const struct port_params *params)
{
	int rc = rte_eth_dev_set_mtu(p->id, params->mtu);

	if (rc == -EINVAL && params->mtu > ETHERNET_MTU &&
		strncmp(params->device, "net_af_packet", strlen("net_af_packet")) == 0)
		rc = set_interface_mtu(params->device, params->mtu);
	if (rc != 0 && rc != -ENOTSUP) {
		LOG_ERR("port refuses the configured MTU", "port=%s mtu=%u error=%d", p->name,
			params->mtu, rc);
		return rc;
	}
	return 0;
}

static int set_addresses(struct port *p, const struct port_params *params)
{
	struct rte_ether_addr mac;
	int rc;

	if (!mac_is_zero(params->mac)) {
		memcpy(&mac, params->mac, sizeof(mac));
		rc = rte_eth_dev_default_mac_addr_set(p->id, &mac);
		/* A device without an address of its own filters nothing: rings, memory interfaces.
		 */
		if (rc == -ENOTSUP && rte_eth_promiscuous_enable(p->id) == 0) {
			memcpy(p->mac, params->mac, sizeof(p->mac));
			return set_mtu(p, params);
		}
		if (rc != 0) {
			LOG_ERR("port refuses the configured MAC", "port=%s error=%d", p->name, rc);
			return rc;
		}
	}
	rc = rte_eth_macaddr_get(p->id, &mac);
	if (rc != 0)
		return rc;
	memcpy(p->mac, &mac, sizeof(p->mac));
	return set_mtu(p, params);
}

/* ND and gratuitous ARP come to group addresses. Where all-multicast is refused, promiscuous mode
 * does it; where both are, the device is virtual and filters nothing. */
static void accept_groups(const struct port *p)
{
	if (rte_eth_allmulticast_enable(p->id) != 0)
		(void)rte_eth_promiscuous_enable(p->id);
}

static int configure(struct port *p, const struct port_params *params)
{
	struct rte_eth_dev_info info;
	struct rte_eth_conf conf;
	struct port_fd_set before;
	int rc;

	memset(&conf, 0, sizeof(conf));
	rc = rte_eth_dev_info_get(p->id, &info);
	if (rc != 0)
		return rc;
	p->socket = rte_eth_dev_socket_id(p->id);
	choose_queues(p, params, &info);
	choose_offloads(p, &info, &conf);
	choose_rss(p, params, &info, &conf);
	conf.intr_conf.rxq = p->rxq_cnt == 1;
	port_fd_snapshot(&before);
	rc = rte_eth_dev_configure(p->id, p->rxq_cnt, p->txq_cnt, &conf);
	if (rc != 0 && conf.intr_conf.rxq) {
		conf.intr_conf.rxq = 0;
		rc = rte_eth_dev_configure(p->id, p->rxq_cnt, p->txq_cnt, &conf);
	}
	if (rc == 0)
		rc = check_numa(p, params);
	if (rc == 0)
		rc = set_addresses(p, params);
	if (rc == 0)
		rc = setup_queues(p, params, &info, &conf);
	if (rc == 0)
		rc = rte_eth_dev_start(p->id);
	if (rc != 0)
		return rc;
	program_reta(p);
	accept_groups(p);
	port_wait_choose(p, info.driver_name, &before);
	return 0;
}

int port_open(struct port *p, const struct port_params *params)
{
	struct port_fd_set before;
	int rc;

	memset(p, 0, sizeof(*p));
	snprintf(p->name, sizeof(p->name), "%s", params->name);
	p->idx = params->idx;
	p->mtu = params->mtu;
	p->fd = -1;
	port_fd_snapshot(&before);
	rc = attach(p, params);
	if (rc != 0)
		return rc;
	rc = configure(p, params);
	if (rc != 0) {
		LOG_ERR("cannot start the port", "port=%s device=%s error=%d", p->name, p->device,
			rc);
		port_close(p);
		return rc;
	}
	if (p->wait == PORT_WAIT_SLEEP)
		port_wait_from_attach(p, &before);
	LOG_INF("port is up",
		"port=%s device=%s mac=%02x:%02x:%02x:%02x:%02x:%02x mtu=%u rx_queues=%u "
		"tx_queues=%u caps=%#x steering=%s wait=%s",
		p->name, p->device, p->mac[0], p->mac[1], p->mac[2], p->mac[3], p->mac[4],
		p->mac[5], p->mtu, p->rxq_cnt, p->txq_cnt, p->caps,
		p->steering == PORT_STEER_RSS ? "rss" : "software", port_wait_name(p->wait));
	return 0;
}

void port_close(struct port *p)
{
	(void)rte_eth_dev_stop(p->id);
	if (p->hotplugged) {
		struct rte_eth_dev_info info;

		if (rte_eth_dev_info_get(p->id, &info) == 0 && info.device != NULL)
			(void)rte_dev_remove(info.device);
	}
	memset(p, 0, sizeof(*p));
}

uint16_t port_rx(const struct port *p, uint16_t queue, struct rte_mbuf **pkts, uint16_t n)
{
	return rte_eth_rx_burst(p->id, queue, pkts, n);
}

bool port_tx_prepare(const struct port *p, uint16_t queue, struct rte_mbuf *m)
{
	return rte_eth_tx_prepare(p->id, queue, &m, 1) == 1;
}

static uint16_t linearise(struct rte_mbuf **pkts, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++)
		if (unlikely(pkts[i]->nb_segs > 1) && rte_pktmbuf_linearize(pkts[i]) != 0)
			return i;
	return n;
}

uint16_t port_tx(const struct port *p, uint16_t queue, struct rte_mbuf **pkts, uint16_t n)
{
	if ((p->caps & PORT_CAP_TX_MULTI_SEG) == 0)
		n = linearise(pkts, n);
	return n == 0 ? 0 : rte_eth_tx_burst(p->id, queue, pkts, n);
}

bool port_link_up(const struct port *p)
{
	struct rte_eth_link link;

	if (rte_eth_link_get_nowait(p->id, &link) != 0)
		return true;
	return link.link_status == RTE_ETH_LINK_UP;
}

void port_stats(const struct port *p, struct port_stats *out)
{
	struct rte_eth_stats s;

	memset(out, 0, sizeof(*out));
	if (rte_eth_stats_get(p->id, &s) != 0)
		return;
	out->rx_packets = s.ipackets;
	out->rx_bytes = s.ibytes;
	out->rx_missed = s.imissed;
	out->rx_errors = s.ierrors;
	out->rx_nombuf = s.rx_nombuf;
	out->tx_packets = s.opackets;
	out->tx_bytes = s.obytes;
	out->tx_errors = s.oerrors;
}

uint32_t port_rss_hash(const struct port *p, const void *src, const void *dst, uint32_t addr_len,
	uint16_t sport, uint16_t dport, bool with_ports)
{
	const uint8_t *a = src, *b = dst;
	uint16_t fold = with_ports ? (uint16_t)(sport ^ dport) : 0;
	uint32_t word;

	ASSERT_DBG(addr_len == 4 || addr_len == 16);
	/* The hash is linear and the key repeats every 16 bits, so all 16-bit words of the tuple
	 * meet the same part of the key: hashing their sum is hashing them all. */
	for (uint32_t i = 0; i < addr_len; i += 2)
		fold ^= (uint16_t)(load16(a + i) ^ load16(b + i));
	word = (uint32_t)__builtin_bswap16(fold) << 16;
	return rte_softrss(&word, 1, p->rss_key);
}
