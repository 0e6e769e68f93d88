/* SPDX-License-Identifier: Apache-2.0
 * EAL takes its arguments as a command line. With hugepages `--in-memory` leaves no files behind
 * and lets several processes run side by side; without them a file prefix of our own does. Only
 * where secondary processes are to attach are there files of shared memory, which we remove. */
#include "dataplane/eal/eal.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>
#include <rte_mbuf.h>
#include <rte_mbuf_pool_ops.h>
#include <rte_pdump.h>
#include <rte_tailq.h>
#include <rte_version.h>

#include "dataplane/base/assert.h"
#include "dataplane/base/log.h"
#include "dataplane/base/time.h"

#define ARG_MAX_CNT 64
#define ARG_MAX_LEN 4096
#define PREFIX      "weir-" /* of runtime folders, with the process number */

/* No PCI device: nobody needs buffers that are contiguous for a bus. */
static bool packed_pools;

/* The file prefix of shared memory; "": there is none. */
static char shared_as[64];

struct args {
	char *v[ARG_MAX_CNT];
	int n;
};

static void arg_add(struct args *a, const char *text)
{
	ASSERT(a->n + 1 < ARG_MAX_CNT);
	a->v[a->n] = strdup(text);
	ASSERT(a->v[a->n] != NULL);
	a->n++;
	a->v[a->n] = NULL;
}

/* "0@(0,1),1@0,2@1": control may float over all our CPUs, each worker is pinned. */
static void arg_lcores(struct args *a, const struct eal_params *p)
{
	char text[ARG_MAX_LEN];
	size_t n = 0;
	cpu_set_t set;
	const char *sep = "";

	CPU_ZERO(&set);
	ASSERT(sched_getaffinity(0, sizeof(set), &set) == 0);
	n += (size_t)snprintf(text + n, sizeof(text) - n, "0@(");
	for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &set) && n + 16 < sizeof(text)) {
			n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%u", sep, cpu);
			sep = ",";
		}
	n += (size_t)snprintf(text + n, sizeof(text) - n, ")");
	for (uint32_t i = 0; i < p->worker_cnt && n + 32 < sizeof(text); i++)
		n += (size_t)snprintf(
			text + n, sizeof(text) - n, ",%u@%u", eal_worker_lcore(i), p->cores[i]);
	arg_add(a, "--lcores");
	arg_add(a, text);
	arg_add(a, "--main-lcore");
	arg_add(a, "0");
}

static bool shared(const struct eal_params *p)
{
	return p->hugepages && p->secondaries != NULL && p->secondaries[0] != '\0';
}

/* A secondary process finds the lists of its libraries in the primary's memory, and DPDK's own
 * tools load all libraries there are: whatever they have must exist here, though nothing of ours
 * uses it. */
static int register_lists(void)
{
	static struct rte_tailq_elem lists[] = {{.name = "RTE_ACL"}, {.name = "RTE_DIST_BURST"},
		{.name = "RTE_DISTRIBUTOR"}, {.name = "RTE_EFD"}, {.name = "RTE_FIB"},
		{.name = "RTE_FIB6"}, {.name = "RTE_IPSEC_SAD"}, {.name = "RTE_LPM"},
		{.name = "RTE_LPM6"}, {.name = "RTE_MEMBER"}, {.name = "RTE_REORDER"},
		{.name = "RTE_RIB"}, {.name = "RTE_RIB6"}, {.name = "RTE_STACK"},
		{.name = "RTE_SWX_PIPELINE"}, {.name = "RTE_SWX_CTL_PIPELINE"},
		{.name = "VMBUS_RESOURCE_LIST"}};
	int rc = 0;

	for (size_t i = 0; i < ARRAY_SIZE(lists) && rc == 0; i++)
		rc = rte_eal_tailq_register(&lists[i]);
	return rc;
}

static void arg_memory(struct args *a, const struct eal_params *p)
{
	char text[64];
	uint64_t mib = (p->mem_bytes + (1 << 20) - 1) >> 20;

	snprintf(text, sizeof(text), "%llu", (unsigned long long)(mib < 32 ? 32 : mib));
	if (shared(p)) {
		arg_add(a, "--file-prefix");
		arg_add(a, p->secondaries);
	} else if (p->hugepages) {
		arg_add(a, "--in-memory");
	} else {
		arg_add(a, "--no-huge");
		arg_add(a, "--no-shconf");
		arg_add(a, "-m");
		arg_add(a, text);
		/* Several processes in tests must not meet in the same runtime folder. */
		snprintf(text, sizeof(text), PREFIX "%d", (int)getpid());
		arg_add(a, "--file-prefix");
		arg_add(a, text);
	}
}

/* Files of a folder whose names begin so. */
static void remove_files(const char *dir, const char *begin)
{
	char path[PATH_MAX];
	DIR *d = opendir(dir);
	const struct dirent *e;

	while (d != NULL && (e = readdir(d)) != NULL) {
		if (strncmp(e->d_name, begin, strlen(begin)) != 0 || e->d_name[0] == '.')
			continue;
		if ((size_t)snprintf(path, sizeof(path), "%s/%s", dir, e->d_name) < sizeof(path))
			(void)unlink(path);
	}
	if (d != NULL)
		closedir(d);
}

/* Is a process listening there? One may be in another namespace of process numbers. */
static bool answers(const char *dir)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	bool yes = fd < 0 ||
		   (size_t)snprintf(a.sun_path, sizeof(a.sun_path), "%s/dpdk_telemetry.v2", dir) >=
			   sizeof(a.sun_path) ||
		   connect(fd, (const struct sockaddr *)&a, sizeof(a)) == 0;

	if (fd >= 0)
		(void)close(fd);
	return yes;
}

/* Runtime folders of processes that were killed: nobody else removes them. */
static void remove_dead(void)
{
	char top[PATH_MAX], dir[PATH_MAX], end;
	const struct dirent *e;
	DIR *d;
	int pid;

	snprintf(top, sizeof(top), "%s", rte_eal_get_runtime_dir());
	*strrchr(top, '/') = '\0';
	d = opendir(top);
	while (d != NULL && (e = readdir(d)) != NULL) {
		if (sscanf(e->d_name, PREFIX "%d%c", &pid, &end) != 1 || pid <= 0 ||
			kill(pid, 0) == 0 || errno != ESRCH ||
			(size_t)snprintf(dir, sizeof(dir), "%s/%s", top, e->d_name) >=
				sizeof(dir) ||
			answers(dir))
			continue;
		remove_files(dir, "");
		(void)rmdir(dir);
	}
	if (d != NULL)
		closedir(d);
}

int eal_start(const struct eal_params *p)
{
	struct args a = {.n = 0};
	/* EAL permutes and keeps the pointers it is given. */
	static char *kept[ARG_MAX_CNT];
	int rc;

	ASSERT(p->worker_cnt > 0 && p->worker_cnt <= LIMIT_WORKERS);
	arg_add(&a, "weir");
	arg_lcores(&a, p);
	arg_memory(&a, p);
	if (!p->telemetry)
		arg_add(&a, "--no-telemetry");
	else if (p->hugepages && !shared(p)) {
		arg_add(&a, "--file-prefix");
		arg_add(&a, "weir");
	}
	for (uint32_t i = 0; i < p->pci_cnt; i++) {
		arg_add(&a, "-a");
		arg_add(&a, p->pci[i]);
	}
	if (p->pci_cnt == 0)
		arg_add(&a, "--no-pci");
	packed_pools = p->pci_cnt == 0;
	arg_add(&a, p->verbose ? "--log-level=lib.*:info" : "--log-level=*:error");
	memcpy(kept, a.v, sizeof(kept));
	if (shared(p) && register_lists() != 0)
		LOG_WRN("DPDK has no room for the lists of secondary processes", "name=%s",
			p->secondaries);
	rc = rte_eal_init(a.n, kept);
	for (int i = 0; i < a.n; i++)
		free(a.v[i]);
	if (rc < 0) {
		LOG_ERR("DPDK did not start",
			"error=%d hugepages=%d hint=\"memory.hugepages needs reserved pages, see "
			"docs/operations.md\"",
			rte_errno, p->hugepages);
		return rte_errno > 0 ? -rte_errno : -EIO;
	}
	clock_calibrate(rte_get_tsc_hz());
	remove_dead();
	if (!shared(p))
		return 0;
	snprintf(shared_as, sizeof(shared_as), "%s", p->secondaries);
	if (rte_pdump_init() == 0)
		return 0;
	LOG_ERR("DPDK's packet capture did not start", "error=%d", rte_errno);
	eal_stop(); /* or its files would keep their pages */
	return -EIO;
}

/* The pages stay with their files, wherever a hugetlbfs is mounted. */
static void remove_pages(void)
{
	char line[PATH_MAX], dir[PATH_MAX], type[64], begin[sizeof(shared_as) + 8];
	FILE *f = fopen("/proc/self/mounts", "r");

	snprintf(begin, sizeof(begin), "%smap_", shared_as);
	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "%*s %4095s %63s", dir, type) == 2 &&
			strcmp(type, "hugetlbfs") == 0)
			remove_files(dir, begin);
	if (f != NULL)
		fclose(f);
}

void eal_stop(void)
{
	char dir[PATH_MAX];

	if (shared_as[0] != '\0')
		(void)rte_pdump_uninit();
	/* EAL empties its runtime folder and leaves it there. */
	snprintf(dir, sizeof(dir), "%s", rte_eal_get_runtime_dir());
	(void)rte_eal_cleanup();
	if (shared_as[0] != '\0') {
		remove_files(dir, "");
		remove_pages();
	}
	(void)rmdir(dir);
}

static uint32_t buffer_room(uint32_t frame_len)
{
	return ROUND_UP(frame_len + RTE_PKTMBUF_HEADROOM, CACHE_LINE);
}

/* The af_xdp driver gives the kernel `count` times the size of an element, from the first one on.
 * The mempool library leaves gaps so that no element crosses a page, so that the last ones would
 * lie outside: the kernel refuses each when it comes by, and it is lost to the driver for good. */
static struct rte_mempool *create_packed(
	const char *name, uint32_t count, uint32_t cache, uint32_t room, int socket)
{
	struct rte_pktmbuf_pool_private sizes = {.mbuf_data_room_size = (uint16_t)room,
		.mbuf_priv_size = ROUND_UP(sizeof(struct pkt_priv), 8)};
	struct rte_mempool *mp = rte_mempool_create_empty(name, count,
		(uint32_t)sizeof(struct rte_mbuf) + sizes.mbuf_priv_size + room, cache,
		sizeof(sizes), socket, RTE_MEMPOOL_F_NO_IOVA_CONTIG);

	if (mp == NULL)
		return NULL;
	if (rte_mempool_set_ops_byname(mp, rte_mbuf_best_mempool_ops(), NULL) != 0) {
		rte_mempool_free(mp);
		return NULL;
	}
	rte_pktmbuf_pool_init(mp, &sizes);
	if (rte_mempool_populate_default(mp) < 0) {
		rte_mempool_free(mp);
		return NULL;
	}
	(void)rte_mempool_obj_iter(mp, rte_pktmbuf_init, NULL);
	return mp;
}

struct rte_mempool *eal_pool_create(
	const char *name, uint32_t count, uint32_t frame_len, int socket)
{
	uint32_t cache = count / 16 < RTE_MEMPOOL_CACHE_MAX_SIZE ? count / 16 : 256;
	uint32_t room = buffer_room(frame_len);

	ASSERT(room <= UINT16_MAX);
	if (packed_pools)
		return create_packed(name, count, cache, room, socket);
	return rte_pktmbuf_pool_create(
		name, count, cache, ROUND_UP(sizeof(struct pkt_priv), 8), (uint16_t)room, socket);
}

uint64_t eal_memory_need(uint32_t count, uint32_t frame_len)
{
	uint64_t each = sizeof(struct rte_mbuf) + ROUND_UP(sizeof(struct pkt_priv), 8) +
			buffer_room(frame_len) + 2 * CACHE_LINE;

	return count * each + (UINT64_C(32) << 20);
}
