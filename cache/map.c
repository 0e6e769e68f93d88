/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cache/cache_pvt.h"

#define HUGE_BYTES (UINT64_C(2) << 20)

static const char *const zone_name[CACHE_ZONES] = {
	"weir.cache.ctl", "weir.cache.index", "weir.cache.arena"};

static int map_memfd(struct cache_mem *mem, uint32_t z, unsigned flags)
{
	uint64_t bytes = ROUND_UP(mem->bytes[z], HUGE_BYTES);
	int fd = memfd_create(zone_name[z], MFD_CLOEXEC | flags), err;
	void *p;

	if (fd < 0)
		return -errno;
	/* Populated: a hugepage that is not there is an error here, not a SIGBUS later. */
	if (ftruncate(fd, (off_t)bytes) == 0) {
		p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			MAP_SHARED | ((flags & MFD_HUGETLB) != 0 ? MAP_POPULATE : 0), fd, 0);
		if (p != MAP_FAILED) {
			mem->addr[z] = p;
			mem->bytes[z] = bytes;
			mem->fd[z] = fd;
			mem->huge[z] = (flags & MFD_HUGETLB) != 0;
			return 0;
		}
	}
	err = errno;
	close(fd);
	return -err;
}

/* Aligned to hugepages, so that the kernel may use them for all of it. */
static int map_private(struct cache_mem *mem, uint32_t z)
{
	uint64_t bytes = ROUND_UP(mem->bytes[z], HUGE_BYTES);
	uint8_t *p = mmap(NULL, bytes + HUGE_BYTES, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t skip;

	if (p == MAP_FAILED)
		return -errno;
	skip = ROUND_UP((uintptr_t)p, HUGE_BYTES) - (uintptr_t)p;
	if (skip != 0)
		munmap(p, skip);
	if (skip != HUGE_BYTES)
		munmap(p + skip + bytes, HUGE_BYTES - skip);
	mem->addr[z] = p + skip;
	mem->bytes[z] = bytes;
	mem->fd[z] = -1;
	mem->huge[z] = madvise(mem->addr[z], bytes, MADV_HUGEPAGE) == 0;
	return 0;
}

int cache_mem_map(struct cache_mem *mem, bool shared)
{
	int rc = 0;

	for (uint32_t z = 0; z < CACHE_ZONES; z++)
		mem->addr[z] = NULL;
	for (uint32_t z = 0; z < CACHE_ZONES && rc == 0; z++) {
		rc = map_memfd(mem, z, MFD_HUGETLB);
		if (rc != 0)
			rc = shared ? map_memfd(mem, z, 0) : map_private(mem, z);
	}
	if (rc != 0)
		cache_mem_unmap(mem);
	return rc;
}

void cache_mem_unmap(struct cache_mem *mem)
{
	for (uint32_t z = 0; z < CACHE_ZONES; z++) {
		if (mem->addr[z] == NULL)
			continue;
		munmap(mem->addr[z], mem->bytes[z]);
		if (mem->fd[z] >= 0)
			close(mem->fd[z]);
		mem->addr[z] = NULL;
	}
}
