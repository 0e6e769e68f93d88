/* SPDX-License-Identifier: Apache-2.0
 * The TAP against the real kernel, in a network namespace of the test's own. The host's side is a
 * packet socket on the interface; its frames carry an EtherType of their own, so that what the
 * kernel says by itself (IPv6 autoconfiguration) is told apart. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <rte_mbuf.h>

#include "dataplane/base/log.h"
#include "dataplane/eal/host_tap.h"
#include "tests/support/eal.h"

#define TEST_TYPE 0x88b5 /* IEEE 802 local experimental */
#define BUFFERS   4095
#define NAME      "weirtest0"

static const uint8_t mac[6] = {0x02, 0, 0, 0, 0, 0x42};
static struct rte_mempool *pool;
static struct host_tap *tap;
static int host = -1; /* packet socket, the kernel's side */
static bool can;

static int group_setup(void **state)
{
	int fd;

	(void)state;
	log_set_level(LOG_ERROR);
	test_eal_init();
	can = geteuid() == 0 && access("/dev/net/tun", R_OK | W_OK) == 0 &&
	      unshare(CLONE_NEWNET) == 0;
	if (!can)
		return 0;
	fd = open("/proc/sys/net/ipv6/conf/default/disable_ipv6", O_WRONLY);
	if (fd >= 0) {
		(void)!write(fd, "1", 1);
		close(fd);
	}
	return 0;
}

static int open_tap(uint16_t mtu)
{
	struct sockaddr_ll addr = {.sll_family = AF_PACKET, .sll_protocol = htons(TEST_TYPE)};
	struct timeval limit = {.tv_sec = 5};
	int err = host_tap_create(&tap, NAME, mac, mtu, pool);

	if (err != 0)
		return err;
	host = socket(AF_PACKET, SOCK_RAW, htons(TEST_TYPE));
	setsockopt(host, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	addr.sll_ifindex = (int)if_nametoindex(NAME);
	return bind(host, (struct sockaddr *)&addr, sizeof(addr));
}

static int setup(void **state)
{
	(void)state;
	pool = test_pool_create("host_tap", BUFFERS);
	return can ? open_tap(1500) : 0;
}

static int setup_jumbo(void **state)
{
	(void)state;
	pool = test_pool_create("host_tap", BUFFERS);
	return can ? open_tap(9000) : 0;
}

static int teardown(void **state)
{
	(void)state;
	host_tap_destroy(tap);
	tap = NULL;
	if (host >= 0)
		close(host);
	host = -1;
	test_pool_destroy(pool); /* aborts if a buffer is lost */
	return 0;
}

#define NEED_TAP()              \
	do {                    \
		(void)state;    \
		if (!can)       \
			skip(); \
	} while (0)

static uint32_t make_frame(uint8_t *f, uint32_t len, uint32_t n)
{
	memset(f, 0xff, 6);
	memcpy(f + 6, mac, 6);
	f[11] = 0x43;
	f[12] = TEST_TYPE >> 8;
	f[13] = TEST_TYPE & 0xff;
	for (uint32_t i = 14; i < len; i++)
		f[i] = (uint8_t)(i * 7 + n);
	memcpy(f + 14, &n, sizeof(n));
	return len;
}

static struct rte_mbuf *frame_mbuf(uint32_t len, uint32_t n, uint32_t seg_len)
{
	static uint8_t f[10000];

	return test_mbuf_segs(pool, f, make_frame(f, len, n), seg_len);
}

static bool readable(int fd, int ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, ms) == 1 && (p.revents & POLLIN) != 0;
}

static void host_send(uint32_t len, uint32_t n)
{
	uint8_t f[10000];

	assert_int_equal(send(host, f, make_frame(f, len, n), 0), len);
}

/* The next frame of the test's type from the host, or NULL. */
static struct rte_mbuf *next_from_host(void)
{
	struct rte_mbuf *m;

	for (int tries = 0; tries < 200; tries++) {
		if (host_tap_pop(tap, &m, 1) == 0) {
			if (!readable(host_tap_fd(tap), 20))
				return NULL;
			host_tap_run(tap);
			continue;
		}
		if (rte_pktmbuf_mtod(m, uint8_t *)[12] == TEST_TYPE >> 8)
			return m;
		rte_pktmbuf_free(m);
	}
	return NULL;
}

static void expect_from_host(uint32_t len, uint32_t n)
{
	struct rte_mbuf *m = next_from_host();
	uint8_t got[10000], want[10000];

	assert_non_null(m);
	assert_int_equal(test_mbuf_bytes(m, got, sizeof(got)), len);
	assert_memory_equal(got, want, make_frame(want, len, n));
	rte_pktmbuf_free(m);
}

static struct host_tap_stats stats(void)
{
	struct host_tap_stats s;

	host_tap_stats(tap, &s);
	return s;
}

static int interface(unsigned long req, struct ifreq *ifr)
{
	int s = socket(AF_INET, SOCK_DGRAM, 0), rc;

	snprintf(ifr->ifr_name, sizeof(ifr->ifr_name), NAME);
	rc = ioctl(s, req, ifr);
	close(s);
	return rc;
}

static void interface_is_as_asked_and_goes_away(void **state)
{
	struct ifreq ifr = {0};

	NEED_TAP();
	assert_int_equal(interface(SIOCGIFHWADDR, &ifr), 0);
	assert_memory_equal(ifr.ifr_hwaddr.sa_data, mac, 6);
	assert_int_equal(interface(SIOCGIFMTU, &ifr), 0);
	assert_int_equal(ifr.ifr_mtu, 1500);
	assert_int_equal(interface(SIOCGIFFLAGS, &ifr), 0);
	assert_true((ifr.ifr_flags & IFF_UP) != 0);
	host_tap_destroy(tap);
	tap = NULL;
	assert_int_equal(if_nametoindex(NAME), 0);
}

static void frames_reach_the_host(void **state)
{
	uint8_t got[2048], want[2048];

	NEED_TAP();
	for (uint32_t n = 0; n < 3; n++) {
		uint32_t len = n == 0 ? 60 : 1514;

		/* The last in segments. */
		assert_true(host_tap_push(tap, frame_mbuf(len, n, n == 2 ? 200 : 2000)));
		assert_true(readable(host_tap_doorbell(tap), 0));
		assert_int_equal(host_tap_run(tap), 1);
		assert_false(readable(host_tap_doorbell(tap), 0));
		assert_int_equal(recv(host, got, sizeof(got), 0), len);
		assert_memory_equal(got, want, make_frame(want, len, n));
	}
	assert_int_equal(stats().to_host, 3);
	assert_int_equal(stats().to_host_failed, 0);
}

static void frames_come_from_the_host_and_wake_the_worker(void **state)
{
	int wake = eventfd(0, EFD_NONBLOCK);

	NEED_TAP();
	host_tap_set_wake(tap, wake);
	assert_false(readable(wake, 0));
	host_send(60, 1);
	host_send(1514, 2);
	expect_from_host(60, 1);
	expect_from_host(1514, 2);
	assert_true(readable(wake, 0));
	close(wake);
}

static void jumbo_frames_cross_in_segments(void **state)
{
	uint8_t got[10000], want[10000];

	NEED_TAP();
	host_send(9014, 5);
	expect_from_host(9014, 5);
	host_send(60, 6); /* spares of the segments before are used again */
	expect_from_host(60, 6);
	assert_true(host_tap_push(tap, frame_mbuf(9014, 7, 2000)));
	host_tap_run(tap);
	assert_int_equal(recv(host, got, sizeof(got), 0), 9014);
	assert_memory_equal(got, want, make_frame(want, 9014, 7));
}

static void oversize_frames_are_dropped_and_counted(void **state)
{
	struct ifreq ifr = {.ifr_mtu = 4000};

	NEED_TAP();
	assert_int_equal(interface(SIOCSIFMTU, &ifr), 0); /* behind our back */
	host_send(1514 + 4, 1);
	host_send(1514 + 5, 2);
	host_send(3000, 3);
	host_send(100, 4);
	expect_from_host(1518, 1);
	expect_from_host(100, 4);
	assert_int_equal(stats().oversize, 2);
	/* More segments than a frame may have. */
	assert_true(host_tap_push(tap, frame_mbuf(1514, 5, 80)));
	host_tap_run(tap);
	assert_int_equal(stats().to_host_failed, 1);
}

static void full_ring_to_the_host_refuses(void **state)
{
	struct rte_mbuf *m;

	NEED_TAP();
	for (uint32_t i = 0; i < HOST_TAP_RING; i++)
		assert_true(host_tap_push(tap, frame_mbuf(60, i, 2000)));
	m = frame_mbuf(60, 0, 2000);
	assert_false(host_tap_push(tap, m));
	assert_int_equal(rte_mbuf_refcnt_read(m), 1);
	assert_int_equal(host_tap_run(tap), HOST_TAP_BUDGET);
	assert_true(readable(host_tap_doorbell(tap), 0)); /* more waits: it rang its own bell */
	assert_true(host_tap_push(tap, m));
	/* The rest is freed by destroy; teardown counts the buffers. */
}

static void full_ring_from_the_host_drops_and_counts(void **state)
{
	uint32_t n = 0, last = 0;
	struct rte_mbuf *m;

	NEED_TAP();
	for (uint32_t i = 0; i < HOST_TAP_RING + 100; i++) {
		host_send(60, i);
		if (i % 50 == 0)
			while (readable(host_tap_fd(tap), 0))
				host_tap_run(tap);
	}
	while (readable(host_tap_fd(tap), 0))
		host_tap_run(tap);
	assert_true(stats().ring_full >= 100);
	while (host_tap_pop(tap, &m, 1) == 1) {
		memcpy(&last, rte_pktmbuf_mtod_offset(m, void *, 14), sizeof(last));
		rte_pktmbuf_free(m);
		n++;
	}
	assert_int_equal(n, HOST_TAP_RING);
	assert_true(last < HOST_TAP_RING);
	host_send(60, 7);
	expect_from_host(60, 7);
}

static void interface_that_is_down_drops_and_counts(void **state)
{
	struct ifreq ifr = {0};

	NEED_TAP();
	assert_int_equal(interface(SIOCSIFFLAGS, &ifr), 0);
	assert_true(host_tap_push(tap, frame_mbuf(60, 1, 2000)));
	host_tap_run(tap);
	assert_int_equal(stats().to_host_failed, 1);
	assert_int_equal(host_tap_fd(tap) >= 0, true);
	ifr.ifr_flags = IFF_UP;
	assert_int_equal(interface(SIOCSIFFLAGS, &ifr), 0);
	assert_true(host_tap_push(tap, frame_mbuf(60, 2, 2000)));
	host_tap_run(tap);
	assert_int_equal(stats().to_host, 1);
}

static void deleted_interface_is_noticed_once(void **state)
{
	NEED_TAP();
	log_set_level((enum log_level)(LOG_ERROR - 1));
	assert_int_equal(system("ip link del " NAME), 0);
	host_tap_run(tap);
	log_set_level(LOG_ERROR);
	assert_int_equal(host_tap_fd(tap), -1);
	assert_true(host_tap_push(tap, frame_mbuf(60, 1, 2000)));
	host_tap_run(tap);
	assert_int_equal(stats().to_host_failed, 1);
}

static void shortage_of_buffers_drops_and_recovers(void **state)
{
	static struct rte_mbuf *hoard[BUFFERS];
	int n = 0;

	NEED_TAP();
	while (n < BUFFERS && (hoard[n] = rte_pktmbuf_alloc(pool)) != NULL)
		n++;
	host_send(60, 1);
	assert_true(readable(host_tap_fd(tap), 1000));
	host_tap_run(tap);
	assert_int_equal(stats().no_mbuf, 1);
	assert_false(readable(host_tap_fd(tap), 0)); /* no busy loop */
	while (n > 0)
		rte_pktmbuf_free(hoard[--n]);
	host_send(60, 2);
	expect_from_host(60, 2);
}

static void bad_and_taken_names_are_refused(void **state)
{
	static const char *const bad[] = {
		"", "tap%d", "a/b", "a b", "..", "sixteen-bytes-lo", "a:1"};
	struct host_tap *other;

	NEED_TAP();
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(host_tap_create(&other, bad[i], mac, 1500, pool), -EINVAL);
	assert_int_equal(host_tap_create(&other, NAME, mac, 1500, pool), -EEXIST);
	assert_int_equal(host_tap_create(&other, "lo", mac, 1500, pool), -EEXIST);
	assert_null(other);
}

static void one_ring_for_many_pushes(void **state)
{
	uint64_t rings = 0;

	NEED_TAP();
	for (uint32_t i = 0; i < 10; i++)
		assert_true(host_tap_push(tap, frame_mbuf(60, i, 2000)));
	assert_int_equal(read(host_tap_doorbell(tap), &rings, sizeof(rings)), sizeof(rings));
	assert_int_equal(rings, 1);
	assert_int_equal(host_tap_run(tap), 10);
}

#define WAKE_FRAMES 20000

static void *push_with_pauses(void *arg)
{
	(void)arg;
	for (uint32_t i = 0; i < WAKE_FRAMES; i++) {
		struct rte_mbuf *m;

		while ((m = rte_pktmbuf_alloc(pool)) == NULL)
			sched_yield();
		rte_pktmbuf_append(m, 60);
		make_frame(rte_pktmbuf_mtod(m, uint8_t *), 60, i);
		while (!host_tap_push(tap, m))
			sched_yield();
		if (i % 64 == 0)
			sched_yield();
	}
	return NULL;
}

/* Control sleeps without a limit that would hide a lost wake-up: each poll that runs out of its
 * five seconds is one. */
static void no_wake_up_is_lost(void **state)
{
	uint64_t done = 0;
	pthread_t t;

	NEED_TAP();
	assert_int_equal(pthread_create(&t, NULL, push_with_pauses, NULL), 0);
	while (done < WAKE_FRAMES) {
		assert_true(readable(host_tap_doorbell(tap), 5000));
		host_tap_run(tap);
		done = stats().to_host + stats().to_host_failed;
	}
	pthread_join(t, NULL);
	assert_int_equal(stats().to_host_failed, 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(interface_is_as_asked_and_goes_away),
		T(frames_reach_the_host),
		T(frames_come_from_the_host_and_wake_the_worker),
		cmocka_unit_test_setup_teardown(
			jumbo_frames_cross_in_segments, setup_jumbo, teardown),
		T(oversize_frames_are_dropped_and_counted),
		T(full_ring_to_the_host_refuses),
		T(full_ring_from_the_host_drops_and_counts),
		T(interface_that_is_down_drops_and_counts),
		T(deleted_interface_is_noticed_once),
		T(shortage_of_buffers_drops_and_recovers),
		T(bad_and_taken_names_are_refused),
		T(one_ring_for_many_pushes),
		T(no_wake_up_is_lost),
	};

	return cmocka_run_group_tests(tests, group_setup, NULL);
}
