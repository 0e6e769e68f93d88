/* SPDX-License-Identifier: Apache-2.0
 * The doorbell (edge T1). `armed` says: ring when you push. host_tap_run() disarms, drains, arms,
 * and looks once more; the worker pushes, then looks at `armed`. A full fence stands between the
 * two steps on each side, so at least one of them sees what the other did: either the worker rings,
 * or control finds the frame and rings its own bell. The exchange makes it one ring per run.
 *
 * Frames from the host (edge T2): control pushes and always writes the worker's eventfd. A sleeping
 * worker polls that descriptor, and a write before its sleep is still there. */
#include "dataplane/eal/host_tap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <rte_mbuf.h>

#include "dataplane/base/assert.h"
#include "dataplane/base/log.h"
#include "dataplane/base/spsc.h"

#define L2_MAX 18 /* Ethernet header and one VLAN tag */

struct host_tap {
	struct spsc *to_host, *from_host;
	int fd, doorbell, wake_fd;
	bool deleted;
	uint32_t frame_max;
	uint16_t seg_cnt; /* segments that hold frame_max bytes */
	char name[IFNAMSIZ];
	struct rte_mempool *pool;
	struct rte_mbuf
		*spare[HOST_TAP_SEGS]; /* what the next read goes into; NULL: to be allocated */
	struct host_tap_stats stats;
	CACHE_ALIGNED _Atomic bool armed;
};

/* --- set-up -------------------------------------------------------------------------------- */

/* The kernel expands "%d" and refuses the rest itself, with less clear errors. */
static bool name_ok(const char *name)
{
	size_t n = strlen(name);

	return n > 0 && n < IFNAMSIZ && strpbrk(name, "%/: \t\n") == NULL &&
	       strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

static int attach(struct host_tap *t)
{
	struct ifreq ifr = {.ifr_flags = IFF_TAP | IFF_NO_PI};

	memcpy(ifr.ifr_name, t->name, sizeof(ifr.ifr_name));
	t->fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (t->fd < 0)
		return -errno;
	/* An interface of that name that somebody made persistent would outlive us. */
	if (if_nametoindex(t->name) != 0)
		return -EEXIST;
	if (ioctl(t->fd, TUNSETIFF, &ifr) != 0)
		return -errno;
	return ioctl(t->fd, TUNSETOFFLOAD, 0) != 0 ? -errno : 0;
}

static int configure(struct host_tap *t, int sock, const uint8_t mac[6], uint16_t mtu)
{
	struct ifreq ifr = {0};

	memcpy(ifr.ifr_name, t->name, sizeof(ifr.ifr_name));
	ifr.ifr_hwaddr.sa_family = ARPHRD_ETHER;
	memcpy(ifr.ifr_hwaddr.sa_data, mac, 6);
	if (ioctl(sock, SIOCSIFHWADDR, &ifr) != 0)
		return -errno;
	ifr.ifr_mtu = mtu;
	if (ioctl(sock, SIOCSIFMTU, &ifr) != 0)
		return -errno;
	if (ioctl(sock, SIOCGIFFLAGS, &ifr) != 0)
		return -errno;
	ifr.ifr_flags |= IFF_UP;
	return ioctl(sock, SIOCSIFFLAGS, &ifr) != 0 ? -errno : 0;
}

static int open_interface(struct host_tap *t, const uint8_t mac[6], uint16_t mtu)
{
	int err = attach(t), sock;

	if (err < 0)
		return err;
	sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (sock < 0)
		return -errno;
	err = configure(t, sock, mac, mtu);
	close(sock);
	return err;
}

int host_tap_create(struct host_tap **out, const char *name, const uint8_t mac[6], uint16_t mtu,
	struct rte_mempool *pool)
{
	uint32_t room = rte_pktmbuf_data_room_size(pool) - RTE_PKTMBUF_HEADROOM;
	struct host_tap *t;
	int err;

	*out = NULL;
	if (!name_ok(name))
		return -EINVAL;
	t = aligned_alloc(CACHE_LINE, ROUND_UP(sizeof(*t), CACHE_LINE));
	if (t == NULL)
		return -ENOMEM;
	memset(t, 0, sizeof(*t));
	memcpy(t->name, name, strlen(name));
	t->pool = pool;
	t->fd = t->wake_fd = -1;
	t->frame_max = (uint32_t)mtu + L2_MAX;
	t->seg_cnt = (uint16_t)((t->frame_max + room - 1) / room);
	ASSERT(t->seg_cnt <= HOST_TAP_SEGS);
	atomic_init(&t->armed, true);
	t->doorbell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	t->to_host = spsc_create(HOST_TAP_RING);
	t->from_host = spsc_create(HOST_TAP_RING);
	err = t->doorbell < 0 || t->to_host == NULL || t->from_host == NULL ? -ENOMEM : 0;
	if (err == 0)
		err = open_interface(t, mac, mtu);
	if (err < 0) {
		host_tap_destroy(t);
		return err;
	}
	LOG_INF("host interface is up", "tap=%s mtu=%u", t->name, mtu);
	*out = t;
	return 0;
}

static void free_ring(struct spsc *ring)
{
	void *m;

	if (ring == NULL)
		return;
	while (spsc_pop(ring, &m, 1) == 1)
		rte_pktmbuf_free(m);
	spsc_destroy(ring);
}

void host_tap_destroy(struct host_tap *t)
{
	if (t == NULL)
		return;
	if (t->fd >= 0)
		close(t->fd);
	if (t->doorbell >= 0)
		close(t->doorbell);
	free_ring(t->to_host);
	free_ring(t->from_host);
	for (uint32_t i = 0; i < t->seg_cnt; i++)
		rte_pktmbuf_free(t->spare[i]);
	free(t);
}

void host_tap_set_wake(struct host_tap *t, int wake_fd)
{
	t->wake_fd = wake_fd;
}

static void ring_bell(int fd)
{
	uint64_t one = 1;

	/* EAGAIN: the counter is at its end, so it is readable all the same. */
	(void)!write(fd, &one, sizeof(one));
}

/* --- worker 0 ------------------------------------------------------------------------------ */

bool host_tap_push(struct host_tap *t, struct rte_mbuf *m)
{
	void *p = m;

	if (spsc_push(t->to_host, &p, 1) == 0)
		return false;
	atomic_thread_fence(memory_order_seq_cst); /* T1 */
	if (atomic_load_explicit(&t->armed, memory_order_relaxed) &&
		atomic_exchange_explicit(&t->armed, false, memory_order_relaxed))
		ring_bell(t->doorbell);
	return true;
}

uint32_t host_tap_pop(struct host_tap *t, struct rte_mbuf **pkts, uint32_t n)
{
	return spsc_pop(t->from_host, (void **)pkts, n);
}

/* --- control ------------------------------------------------------------------------------- */

int host_tap_fd(const struct host_tap *t)
{
	return t->deleted ? -1 : t->fd;
}

int host_tap_doorbell(const struct host_tap *t)
{
	return t->doorbell;
}

void host_tap_stats(const struct host_tap *t, struct host_tap_stats *out)
{
	*out = t->stats;
}

static void write_frame(struct host_tap *t, const struct rte_mbuf *m)
{
	struct iovec iov[HOST_TAP_SEGS];
	int n = 0;

	for (const struct rte_mbuf *s = m; s != NULL && n <= HOST_TAP_SEGS; s = s->next, n++)
		if (n < HOST_TAP_SEGS)
			iov[n] = (struct iovec){
				.iov_base = rte_pktmbuf_mtod(s, void *), .iov_len = s->data_len};
	if (n <= HOST_TAP_SEGS && writev(t->fd, iov, n) == (ssize_t)m->pkt_len)
		t->stats.to_host++;
	else
		t->stats.to_host_failed++;
}

static uint32_t drain_to_host(struct host_tap *t)
{
	void *pkts[HOST_TAP_BUDGET];
	uint32_t n = spsc_pop(t->to_host, pkts, HOST_TAP_BUDGET);

	for (uint32_t i = 0; i < n; i++) {
		write_frame(t, pkts[i]);
		rte_pktmbuf_free(pkts[i]);
	}
	return n;
}

static bool fill_spares(struct host_tap *t)
{
	for (uint32_t i = 0; i < t->seg_cnt; i++) {
		if (t->spare[i] == NULL)
			t->spare[i] = rte_pktmbuf_alloc(t->pool);
		if (t->spare[i] == NULL)
			return false;
	}
	return true;
}

/* Make a frame of `len` bytes out of the spares that were read into; unused ones stay. */
static struct rte_mbuf *take_frame(struct host_tap *t, uint32_t len)
{
	struct rte_mbuf *head = t->spare[0], *tail = NULL;

	head->pkt_len = len;
	head->nb_segs = 0;
	for (uint32_t i = 0; tail == NULL || len > 0; i++) {
		struct rte_mbuf *s = t->spare[i];
		uint16_t room = rte_pktmbuf_tailroom(s);

		s->data_len = (uint16_t)(len < room ? len : room);
		len -= s->data_len;
		head->nb_segs++;
		if (tail != NULL)
			tail->next = s;
		tail = s;
		t->spare[i] = NULL;
	}
	return head;
}

/* One frame, or NULL; *more is false when there is nothing to read. A frame that is dropped leaves
 * the spares as they are. */
static struct rte_mbuf *read_frame(struct host_tap *t, bool *more)
{
	struct iovec iov[HOST_TAP_SEGS + 1];
	uint8_t beyond; /* reached by a frame that is too large */
	uint32_t left = t->frame_max;
	ssize_t n;

	if (!fill_spares(t)) {
		uint8_t junk;

		/* The frame is lost either way; left in the queue it would keep poll(2) awake. */
		*more = read(t->fd, &junk, sizeof(junk)) > 0;
		t->stats.no_mbuf += *more;
		return NULL;
	}
	for (uint32_t i = 0; i < t->seg_cnt; i++) {
		uint32_t room = rte_pktmbuf_tailroom(t->spare[i]);

		iov[i].iov_base = rte_pktmbuf_mtod(t->spare[i], void *);
		iov[i].iov_len = left < room ? left : room;
		left -= (uint32_t)iov[i].iov_len;
	}
	iov[t->seg_cnt] = (struct iovec){.iov_base = &beyond, .iov_len = 1};
	n = readv(t->fd, iov, t->seg_cnt + 1);
	*more = n > 0;
	if (n < 0 && (errno == EBADFD || errno == EIO)) {
		t->deleted = true;
		LOG_ERR("host interface was deleted", "tap=%s", t->name);
	}
	if (n <= 0)
		return NULL;
	if ((uint32_t)n > t->frame_max) {
		t->stats.oversize++;
		return NULL;
	}
	return take_frame(t, (uint32_t)n);
}

static uint32_t drain_from_host(struct host_tap *t)
{
	bool more = !t->deleted;
	uint32_t n = 0, put = 0;

	for (; more && n < HOST_TAP_BUDGET; n++) {
		void *m = read_frame(t, &more);

		if (m == NULL)
			continue;
		if (spsc_push(t->from_host, &m, 1) == 1) {
			put++;
		} else {
			t->stats.ring_full++;
			rte_pktmbuf_free(m);
		}
	}
	t->stats.from_host += put;
	if (put > 0 && t->wake_fd >= 0)
		ring_bell(t->wake_fd); /* T2 */
	return put;
}

uint32_t host_tap_run(struct host_tap *t)
{
	uint64_t rings;
	uint32_t n;

	atomic_store_explicit(&t->armed, false, memory_order_relaxed);
	(void)!read(t->doorbell, &rings, sizeof(rings));
	n = drain_to_host(t) + drain_from_host(t);
	atomic_store_explicit(&t->armed, true, memory_order_relaxed);
	atomic_thread_fence(memory_order_seq_cst); /* T1 */
	if (spsc_count(t->to_host) > 0 &&
		atomic_exchange_explicit(&t->armed, false, memory_order_relaxed))
		ring_bell(t->doorbell);
	return n;
}
